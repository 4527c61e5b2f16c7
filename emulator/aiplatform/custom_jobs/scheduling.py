"""What a job's scheduling asks for: how its machines are got, and how often it starts anew.

Source: `Scheduling` in custom_job.proto; Vertex AI, "Use Spot VMs with training", "Schedule training jobs based on
resource availability" (Flex Start) and "Configure compute resources for custom training" (TPUs, disks).
"""

from emulator.aiplatform import wire
from emulator.aiplatform.errors import invalid, unimplemented
from emulator.aiplatform.machines import accelerator_name, is_tpu, is_tpu_pod
from emulator.aiplatform.methods import Message

FIELDS = ("timeout", "restart_job_on_worker_restart", "disable_retries", "strategy", "max_wait_duration")
STANDARD, SPOT, FLEX_START = "STANDARD", "SPOT", "FLEX_START"
MOST_RESTARTS = 6
"""Source: Vertex AI, "Use Spot VMs with training"."""
DEFAULT_TIMEOUT_S = 7 * 24 * 3600
_LONGEST_FLEX_START_S = 7 * 24 * 3600
_DEPRECATED = ("ON_DEMAND", "LOW_COST")
_FLEX_START_CARDS = frozenset(
    (
        "NVIDIA_L4",
        "NVIDIA_TESLA_A100",
        "NVIDIA_A100_80GB",
        "NVIDIA_H100_80GB",
        "NVIDIA_H100_MEGA_80GB",
        "NVIDIA_H200_141GB",
        "NVIDIA_B200",
    )
)
_DISKS = ("pd-ssd", "pd-standard", "hyperdisk-balanced")
_SMALLEST_DISK_GB, _LARGEST_DISK_GB = 100, 64_000


def strategy(spec: Message) -> str:
    """The name of a job's strategy, STANDARD where it names none."""
    scheduling = spec.scheduling
    names = scheduling.DESCRIPTOR.fields_by_name["strategy"].enum_type.values_by_number
    return str(names[scheduling.strategy].name) if scheduling.strategy else STANDARD


def restarts(spec: Message) -> int:
    """How often a job is started anew when a machine of it is taken away."""
    wanted = spec.scheduling.restart_job_on_worker_restart or strategy(spec) == SPOT
    return MOST_RESTARTS if wanted and not spec.scheduling.disable_retries else 0


def check_scheduling(spec: Message) -> None:
    """Nothing, when the machines of a job can be got as its scheduling says.

    Raises:
        ApiError: They cannot.
    """
    scheduling, chosen = spec.scheduling, strategy(spec)
    wire.only(scheduling, FIELDS, "job_spec.scheduling")
    if chosen in _DEPRECATED:
        raise unimplemented(f"the deprecated strategy {chosen}; take {STANDARD} or {SPOT}")
    for name in ("timeout", "max_wait_duration"):
        if (seconds := getattr(scheduling, name).seconds) < 0:
            raise invalid(f"job_spec.scheduling.{name} must not be negative, got {seconds} s")
    machines = [pool.machine_spec for pool in spec.worker_pool_specs]
    if chosen == SPOT and any(map(is_tpu_pod, machines)):
        raise invalid("job_spec.scheduling.strategy: SPOT is not for TPU pods")
    if chosen == FLEX_START:
        _check_flex_start(spec)


def _check_flex_start(spec: Message) -> None:
    machines = [pool.machine_spec for pool in spec.worker_pool_specs]
    where = "job_spec.scheduling.strategy: FLEX_START"
    for machine in machines:
        if (card := accelerator_name(machine)) not in _FLEX_START_CARDS:
            raise invalid(f"{where} is for {sorted(_FLEX_START_CARDS)}, got {card or machine.machine_type}")
        if machine != machines[0]:
            raise invalid(f"{where} needs the same machine in all worker pools")
    if (seconds := spec.scheduling.timeout.seconds) > _LONGEST_FLEX_START_S:
        raise invalid(f"{where} takes a timeout of at most {_LONGEST_FLEX_START_S} s, got {seconds} s")


def check_tpus(spec: Message) -> None:
    """Nothing, when a job has no TPUs, or has them as Vertex AI trains on them: in one pool, with one replica.

    Raises:
        ApiError: Not so.
    """
    pools = spec.worker_pool_specs
    for position, pool in enumerate(pools):
        if not is_tpu(pool.machine_spec):
            continue
        where = f"worker_pool_specs[{position}]"
        if len(pools) > 1 or pool.replica_count != 1:
            raise invalid(f"{where}: a job on TPUs has exactly one worker pool with one replica")
        if not pool.machine_spec.accelerator_type and not pool.machine_spec.tpu_topology:
            raise invalid(f"{where}.machine_spec.tpu_topology is required for {pool.machine_spec.machine_type}")


def check_disk(disk: Message, where: str) -> None:
    """Nothing, when a boot disk is one.

    Raises:
        ApiError: It is not.
    """
    wire.only(disk, ("boot_disk_type", "boot_disk_size_gb"), where)
    if disk.boot_disk_type and disk.boot_disk_type not in _DISKS:
        raise invalid(f"{where}.boot_disk_type must be one of {list(_DISKS)}, got {disk.boot_disk_type!r}")
    if disk.boot_disk_size_gb and not _SMALLEST_DISK_GB <= disk.boot_disk_size_gb <= _LARGEST_DISK_GB:
        wanted = f"{_SMALLEST_DISK_GB} to {_LARGEST_DISK_GB}"
        raise invalid(f"{where}.boot_disk_size_gb must be {wanted}, got {disk.boot_disk_size_gb}")


def write_defaults(spec: Message) -> None:
    """Writes into a job what Vertex AI takes where it is not told: boot disks, and no restarts without retries."""
    if spec.scheduling.disable_retries:
        spec.scheduling.restart_job_on_worker_restart = False
    for pool in spec.worker_pool_specs:
        is_a3_ultra = pool.machine_spec.machine_type.startswith("a3-ultragpu-")
        disk = pool.disk_spec
        disk.boot_disk_type = disk.boot_disk_type or ("hyperdisk-balanced" if is_a3_ultra else "pd-ssd")
        disk.boot_disk_size_gb = disk.boot_disk_size_gb or _SMALLEST_DISK_GB
