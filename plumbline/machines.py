"""Whether machines take the accelerators that are asked for, where, and what of the quota they need.

What `plumbline/catalogue.py` does not know is not known to be wrong: it gives a warning. What it contradicts is
refused, with the nearest that is legal.
"""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plumbline.catalogue import (
    CHECKED,
    CLOUD_TPU,
    CPU_QUOTAS,
    ENDED,
    FLEX_START,
    FOR_N1,
    GPU_QUOTAS,
    KNOWN,
    OWN,
    REGIONS,
    SERVING_SIZES,
    SOURCE,
    TOPOLOGIES,
    TPU_CORES,
    TRAINING_SIZES,
    V5E,
    WITHOUT_TENSORFLOW,
    Use,
    regions,
)
from plumbline.hardware import Hardware
from plumbline.problem import Serving


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about machines that are asked for."""

    message: str
    advice: str
    """What to write instead, or what to do."""
    fatal: bool
    """Vertex AI would refuse it, or the job would fail; else a warning."""


_TPU_IMAGE = (
    "the trainer image has TensorFlow from PyPI, which finds no TPU",
    "build one with a TPU build of TensorFlow, 2.18 at most: docs/hardware.md",
)


def training_findings(hardware: Hardware, location: str) -> Sequence[Finding]:
    """What is wrong, or doubtful, with the machines of a training job in a region."""
    if hardware.is_tpu:
        name = hardware.accelerator_type or V5E
        found = [*_tpu_findings(hardware), Finding(*_TPU_IMAGE, fatal=False)]
    else:
        name = hardware.accelerator_type
        found = [*_gpu_findings(hardware, TRAINING_SIZES, "training")]
    if hardware.scheduling == "flex_start" and name not in FLEX_START:
        message = f"scheduling: flex_start is for L4, A100, H100, H200 and B200, got {name or 'no accelerator'}"
        found.append(Finding(message, "scheduling: standard, or spot", fatal=True))
    return _with_location(found, name, location, "training")


def serving_findings(
    machine_type: str, accelerator_type: str, accelerator_count: int, location: str
) -> Sequence[Finding]:
    """What is wrong, or doubtful, with the machines of an endpoint in a region."""
    asked = Hardware(machine_type=machine_type, accelerator_type=accelerator_type, accelerator_count=accelerator_count)
    if asked.is_tpu:
        message = f"{machine_type} {accelerator_type}".strip() + ": the serving image does not use a TPU"
        return [Finding(message, "machine_type: n1-standard-2", fatal=True)]
    found = [*_gpu_findings(asked, SERVING_SIZES, "serving")]
    if location == "me-west1" and machine_type.startswith("n1-") and not accelerator_type:
        message = "me-west1 serves on n1 machines only with an NVIDIA_TESLA_T4"
        found.append(Finding(message, "machine_type: e2-standard-2", fatal=True))
    return _with_location(found, accelerator_type, location, "serving")


def _gpu_findings(asked: Hardware, sizes: Mapping[str, tuple[int, ...]], use: Use) -> Iterator[Finding]:
    machine, accelerator = asked.machine_type, asked.accelerator_type
    if accelerator in ENDED:
        message = f"Google's support of {accelerator} {ENDED[accelerator]}"
        yield Finding(message, "accelerator_type: NVIDIA_TESLA_T4", fatal=True)
    elif accelerator and accelerator not in KNOWN:
        near = difflib.get_close_matches(accelerator, KNOWN, n=1) or ["NVIDIA_TESLA_T4"]
        yield Finding(f"there is no accelerator {accelerator}", f"accelerator_type: {near[0]}", fatal=True)
    elif asked.tpu_topology:
        yield Finding(f"{machine} has no tpu_topology", "leave tpu_topology out", fatal=True)
    elif machine in OWN:
        yield from _own_findings(asked, use)
    elif unknown := _size_finding(machine, sizes, use):
        yield unknown
    elif accelerator and asked.accelerator_count not in _counts(machine, accelerator):
        message = f"{machine} does not take {asked.accelerator_count} x {accelerator}"
        yield Finding(message, _nearest(machine, accelerator, asked.accelerator_count), fatal=True)


def _own_findings(asked: Hardware, use: Use) -> Iterator[Finding]:
    own, count = OWN[asked.machine_type]
    # Several replicas can serve on one VM, each with a part of its accelerators.
    legal = range(1, count + 1) if use == "serving" else (count,)
    if asked.accelerator_type != own or asked.accelerator_count not in legal:
        got = f"{asked.accelerator_count} x {asked.accelerator_type}" if asked.accelerator_type else "none"
        message = f"{asked.machine_type} comes with {count} x {own}, which must be asked for; got {got}"
        yield Finding(message, f"accelerator_type: {own}, accelerator_count: {count}", fatal=True)


def _size_finding(machine: str, sizes: Mapping[str, tuple[int, ...]], use: Use) -> Finding | None:
    family, _, size = machine.rpartition("-")
    if size.isdigit() and int(size) in sizes.get(family, ()):
        return None
    if family not in sizes or not size.isdigit():
        message = f"the table of {CHECKED} does not know a machine {machine} for {use}"
        return Finding(message, f"see {SOURCE[0 if use == 'training' else 1]}", fatal=False)
    larger = [each for each in sizes[family] if each >= int(size)]
    return Finding(
        f"{machine} is not a machine for {use}",
        f"machine_type: {family}-{larger[0] if larger else sizes[family][-1]}",
        fatal=True,
    )


def _counts(machine: str, accelerator: str) -> tuple[int, ...]:
    """How many of an accelerator a machine without its own takes: a larger one needs more of them."""
    family, _, size = machine.rpartition("-")
    if not family.startswith("n1-") or accelerator not in FOR_N1:
        return ()
    cpus, is_v100 = int(size), accelerator == "NVIDIA_TESLA_V100"
    if cpus <= 8:
        return (1, 2, 4, 8) if is_v100 else (1, 2, 4)
    if cpus <= 16:
        return (2, 4, 8) if is_v100 else (1, 2, 4)
    if cpus <= 32:
        return (4, 8) if is_v100 else (2, 4)
    return (8,) if is_v100 else (4,)


def _nearest(machine: str, accelerator: str, count: int) -> str:
    """The legal combination that is nearest to one that is not: of the same machine, else of another."""
    if legal := _counts(machine, accelerator):
        return f"accelerator_count: {min(legal, key=lambda each: (abs(each - count), each))}"
    if accelerator in FOR_N1:
        legal = _counts("n1-standard-8", accelerator)
        near = min(legal, key=lambda each: (abs(each - count), each))
        return f"machine_type: n1-standard-8, accelerator_count: {near}"
    machines = {name: own for name, (kind, own) in OWN.items() if kind == accelerator}
    name = min(machines, key=lambda each: abs(machines[each] - count))
    return f"machine_type: {name}, accelerator_count: {machines[name]}"


def _tpu_findings(asked: Hardware) -> Iterator[Finding]:
    machine = asked.machine_type
    if machine.startswith(WITHOUT_TENSORFLOW):
        message = f"{machine}: from TPU v6e on, TensorFlow is not supported"
        yield Finding(message, "machine_type: ct5lp-hightpu-1t, tpu_topology: 1x1", fatal=True)
        return
    if machine.startswith("ct5lp-"):
        yield from _v5e_findings(asked)
    elif machine != CLOUD_TPU or asked.accelerator_type not in {"TPU_V2", "TPU_V3"}:
        message = f"{machine} with {asked.accelerator_type or 'no accelerator'} is no TPU that trains"
        yield Finding(message, f"machine_type: {CLOUD_TPU}, accelerator_type: TPU_V3", fatal=True)
    elif asked.accelerator_count != TPU_CORES:
        message = f"the trainer uses one TPU VM, {asked.accelerator_count} cores are a pod or none"
        yield Finding(message, f"accelerator_count: {TPU_CORES}", fatal=True)
    elif asked.tpu_topology:
        yield Finding(f"{machine} has no tpu_topology", "leave tpu_topology out", fatal=True)
    if asked.replicas > 1:
        yield Finding(f"a TPU job has one replica, got {asked.replicas}", "replicas: 1", fatal=True)


def _v5e_findings(asked: Hardware) -> Iterator[Finding]:
    machine = asked.machine_type
    if machine not in TOPOLOGIES:
        near = difflib.get_close_matches(machine, TOPOLOGIES, n=1, cutoff=0)[0]
        yield Finding(f"there is no machine {machine}", f"machine_type: {near}", fatal=True)
    elif asked.tpu_topology != TOPOLOGIES[machine]:
        message = f"the trainer uses one TPU VM, and {machine} with topology {asked.tpu_topology or 'unset'} is not one"
        if asked.scheduling == "spot":
            message += ", nor can several be spot machines"
        yield Finding(message, f"tpu_topology: {TOPOLOGIES[machine]}", fatal=True)
    if asked.accelerator_type:
        message = f"{machine} is asked for by its name alone, got accelerator_type {asked.accelerator_type}"
        yield Finding(message, 'accelerator_type: "", accelerator_count: 0', fatal=True)


def _with_location(found: Sequence[Finding], accelerator: str, location: str, use: Use) -> Sequence[Finding]:
    """The findings, and whether the region has the accelerator; of one that is not legal it is not asked."""
    elsewhere = regions(accelerator, use)
    if not accelerator or location in elsewhere or any(finding.fatal for finding in found):
        return found
    advice = f"run in a region for {use} such as {', '.join(elsewhere[:3])}" if elsewhere else f"see {SOURCE[2]}"
    if location in REGIONS:
        return [*found, Finding(f"{location} has no {accelerator} for {use}", advice, fatal=True)]
    message = f"the table of {CHECKED} does not know whether {location} has {accelerator} for {use}"
    return [*found, Finding(message, advice, fatal=False)]


def training_quota(hardware: Hardware) -> Mapping[str, int]:
    """Metrics of aiplatform.googleapis.com that a training job uses, and how much; only those whose name is known.

    Source: "schedule-jobs-dws" (flex start uses the preemptible metrics, in name only) and the errors that exceeding
    them gives, which name `custom_model_training_cpus`, `..._preemptible_cpus` and `..._nvidia_t4_gpus`.
    """
    taken_away = hardware.scheduling != "standard"
    prefix = "custom_model_training_" + ("preemptible_" if taken_away else "")
    family, _, size = hardware.machine_type.rpartition("-")
    kind = CPU_QUOTAS.get(family.partition("-")[0])
    found: dict[str, int] = {}
    if kind is not None and size.isdigit() and not (taken_away and kind):
        found[f"{prefix}{kind}cpus"] = int(size) * hardware.replicas
    if hardware.accelerator_type in GPU_QUOTAS:
        metric = f"{prefix}{GPU_QUOTAS[hardware.accelerator_type]}_gpus"
        found[metric] = hardware.accelerator_count * hardware.replicas
    if hardware.is_tpu and not taken_away:
        found.update(_tpu_quota(hardware))
    return found


def _tpu_quota(hardware: Hardware) -> Mapping[str, int]:
    """Cores of a v2 or v3, chips of a v5e."""
    if hardware.accelerator_type in {"TPU_V2", "TPU_V3"}:
        return {f"custom_model_training_{hardware.accelerator_type.lower()}": hardware.accelerator_count}
    if hardware.machine_type.startswith("ct5lp-") and hardware.tpu_topology:
        return {"custom_model_training_tpu_v5e": math.prod(map(int, hardware.tpu_topology.split("x")))}
    return {}


def serving_quota(serving: Serving) -> Mapping[str, int]:
    """Metrics of aiplatform.googleapis.com that an endpoint uses at its busiest, and how much.

    While a version is deployed there are two with their least replicas, and one replica on the staging endpoint.
    """
    replicas = max(serving.maximum_replicas, 2 * serving.minimum_replicas + 1)
    size = serving.machine_type.rpartition("-")[2]
    found: dict[str, int] = {}
    if serving.machine_type not in OWN and size.isdigit():
        found["custom_model_serving_cpus"] = int(size) * replicas
    if serving.accelerator_type in GPU_QUOTAS:
        metric = f"custom_model_serving_{GPU_QUOTAS[serving.accelerator_type]}_gpus"
        found[metric] = serving.accelerator_count * replicas
    return found
