"""The rules of custom jobs, and the environment of their replicas.

Source: custom_job.proto; Vertex AI, "Code requirements for training" and "Distributed training".
"""

import json
from collections.abc import Mapping, Sequence

from emulator.aiplatform import wire
from emulator.aiplatform.custom_jobs.scheduling import check_disk, check_scheduling, check_tpus
from emulator.aiplatform.errors import invalid, unimplemented
from emulator.aiplatform.expansion import with_own
from emulator.aiplatform.machines import check_machine
from emulator.aiplatform.methods import Message
from emulator.aiplatform.names import check_named

FIELDS = ("display_name", "job_spec", "labels", "encryption_spec")
SPEC_FIELDS = (
    "worker_pool_specs",
    "base_output_directory",
    "scheduling",
    "service_account",
    "network",
)
POOL_FIELDS = ("machine_spec", "replica_count", "container_spec", "disk_spec")
_ROLES = ("chief", "worker", "ps", "evaluator")
"""TensorFlow's names for the worker pools, in their order."""
_POOLS = tuple(f"workerpool{number}" for number in range(len(_ROLES)))
TASK_POOLS = (0, 1)
"""Pools whose end is the job's: parameter servers and evaluators go on until they are stopped."""
_NO_TRAINING_TYPES = frozenset({"n1-standard-1", "n1-standard-2"})
_MOST_VARIABLES = 100
_MOST_ARGUMENT_CHARACTERS = 100_000
_DIRECTORIES = {
    "AIP_MODEL_DIR": "model/",
    "AIP_CHECKPOINT_DIR": "checkpoints/",
    "AIP_TENSORBOARD_LOG_DIR": "logs/",
}


def check(job: Message) -> None:
    """Nothing, when Vertex AI would take the job.

    Raises:
        ApiError: It would not, or the emulator cannot run it.
    """
    wire.only(job, FIELDS, "custom_job")
    wire.only(job.job_spec, SPEC_FIELDS, "job_spec")
    check_named(job, "custom_job")
    pools = job.job_spec.worker_pool_specs
    if not 1 <= len(pools) <= len(_ROLES):
        raise invalid(f"job_spec.worker_pool_specs must have 1 to {len(_ROLES)} entries, got {len(pools)}")
    if pools[0].replica_count != 1:
        raise invalid(f"worker_pool_specs[0].replica_count must be 1, got {pools[0].replica_count}")
    for position, pool in enumerate(pools):
        _check_pool(pool, f"worker_pool_specs[{position}]")
    check_tpus(job.job_spec)
    check_scheduling(job.job_spec)
    output = job.job_spec.base_output_directory.output_uri_prefix
    if output and not output.startswith("gs://"):
        raise invalid(f"base_output_directory must be a gs:// URI, got {output!r}")


def _check_pool(pool: Message, where: str) -> None:
    if pool.HasField("python_package_spec"):
        raise unimplemented(f"the field {where}.python_package_spec")
    wire.only(pool, POOL_FIELDS, where)
    check_machine(pool.machine_spec, f"{where}.machine_spec")
    if pool.machine_spec.machine_type in _NO_TRAINING_TYPES:
        raise invalid(f"{where}.machine_spec: {pool.machine_spec.machine_type} is too small for training")
    if pool.replica_count < 1:
        raise invalid(f"{where}.replica_count must be at least 1, got {pool.replica_count}")
    check_disk(pool.disk_spec, f"{where}.disk_spec")
    _check_container(pool.container_spec, f"{where}.container_spec")


def _check_container(spec: Message, where: str) -> None:
    wire.only(spec, ("image_uri", "command", "args", "env"), where)
    if not spec.image_uri:
        raise invalid(f"{where}.image_uri is required")
    if not spec.command:
        raise unimplemented(f"an image's own entry point: give {where}.command")
    if len(spec.env) > _MOST_VARIABLES:
        raise invalid(f"{where}.env must have at most {_MOST_VARIABLES} variables, got {len(spec.env)}")
    for variable in spec.env:
        if not variable.value:
            raise invalid(f"{where}.env: {variable.name} has an empty value")
    if (length := sum(map(len, spec.args))) > _MOST_ARGUMENT_CHARACTERS:
        raise invalid(f"{where}.args must have at most {_MOST_ARGUMENT_CHARACTERS} characters, got {length}")


def replicas(job: Message) -> Sequence[tuple[int, int]]:
    """Pool and index of every replica."""
    pools = enumerate(job.job_spec.worker_pool_specs)
    return [(number, index) for number, pool in pools for index in range(pool.replica_count)]


def environment(job: Message, ports: Mapping[tuple[int, int], int], replica: tuple[int, int]) -> Mapping[str, str]:
    """The variables that Vertex AI sets for a replica.

    Args:
        job: The job.
        ports: A port of its own for each replica.
        replica: Pool and index of this one.
    """
    pool, index = replica
    own = [(v.name, v.value) for v in job.job_spec.worker_pool_specs[pool].container_spec.env]
    base = job.job_spec.base_output_directory.output_uri_prefix.rstrip("/")
    folders = {name: f"{base}/{folder}" for name, folder in _DIRECTORIES.items()} if base else {}
    task = {"type": _POOLS[pool], "index": index}
    cluster = {"cluster": _addresses(ports, _POOLS), "environment": "cloud", "task": task}
    variables = {**folders, "CLUSTER_SPEC": json.dumps(cluster)}
    if len(ports) > 1:
        config = {"cluster": _addresses(ports, _ROLES), "task": {"type": _ROLES[pool], "index": index}}
        variables["TF_CONFIG"] = json.dumps(config)
    return with_own(variables, own)


def _addresses(ports: Mapping[tuple[int, int], int], names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for (pool, _), port in sorted(ports.items()):
        found.setdefault(names[pool], []).append(f"127.0.0.1:{port}")
    return found
