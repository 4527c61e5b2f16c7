"""Machines and accelerators: what is legal passes, what is not is refused with what would be, the rest is a warning.

The expected combinations are read from Google's pages, not from the table.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.hardware import PRESETS, Hardware, Preset
from plumbline.machines import Finding, serving_findings, serving_quota, training_findings, training_quota
from plumbline.problem import Serving

IOWA = "us-central1"
T4, V100, L4 = "NVIDIA_TESLA_T4", "NVIDIA_TESLA_V100", "NVIDIA_L4"
_PRESETS = st.sampled_from(list(PRESETS))


def gpu(machine: str, accelerator: str, count: int) -> Hardware:
    """A machine with accelerators."""
    return Hardware(machine_type=machine, accelerator_type=accelerator, accelerator_count=count)


def fatal(findings: Sequence[Finding]) -> list[Finding]:
    """Those that stop a run."""
    return [finding for finding in findings if finding.fatal]


def v5e(size: int, topology: str, *, spot: bool = False) -> Hardware:
    """A TPU v5e."""
    scheduling = "spot" if spot else "standard"
    return Hardware(machine_type=f"ct5lp-hightpu-{size}t", tpu_topology=topology, scheduling=scheduling)  # type: ignore[arg-type] # mypy widens the literal


@given(preset=_PRESETS, spot=st.booleans(), disk=st.integers(100, 64_000), timeout=st.integers(1, 10**6))
def test_every_preset_is_legal_in_iowa(preset: Preset, spot: bool, disk: int, timeout: int) -> None:
    """Whatever else is set: nothing of a preset is refused in us-central1, on spot machines neither."""
    hardware = Hardware(preset=preset, scheduling="spot" if spot else "standard", disk_gb=disk, timeout_s=timeout)
    assert fatal(training_findings(hardware, IOWA)) == []


@pytest.mark.parametrize(
    "hardware",
    [
        Hardware(machine_type="e2-highcpu-16"),
        Hardware(machine_type="c2-standard-60"),
        Hardware(machine_type="m1-megamem-96"),
        gpu("n1-highmem-2", T4, 4),
        gpu("n1-standard-8", V100, 8),
        gpu("n1-highcpu-16", T4, 1),
        gpu("n1-standard-16", V100, 2),
        gpu("n1-standard-32", T4, 2),
        gpu("n1-standard-32", V100, 4),
        gpu("n1-standard-96", T4, 4),
        gpu("n1-standard-96", V100, 8),
        gpu("g2-standard-24", L4, 2),
        gpu("g2-standard-32", L4, 1),
        gpu("a2-megagpu-16g", "NVIDIA_TESLA_A100", 16),
        gpu("a2-ultragpu-4g", "NVIDIA_A100_80GB", 4),
        gpu("a3-highgpu-2g", "NVIDIA_H100_80GB", 2),
        gpu("a4x-highgpu-4g", "NVIDIA_GB200", 4),
        gpu("g4-standard-192", "NVIDIA_RTX_PRO_6000", 4),
    ],
)
def test_legal_machines_pass(hardware: Hardware) -> None:
    """Nothing is said of them."""
    assert list(training_findings(hardware, IOWA)) == []


@pytest.mark.parametrize(
    ("hardware", "message", "advice"),
    [
        (Hardware(machine_type="n1-standard-2"), "n1-standard-2 is not a machine for training", "n1-standard-4"),
        (Hardware(machine_type="n1-standard-128"), "n1-standard-128 is not a machine for", "n1-standard-96"),
        (gpu("n1-standard-8", T4, 3), "n1-standard-8 does not take 3 x NVIDIA_TESLA_T4", "accelerator_count: 2"),
        (gpu("n1-standard-32", T4, 1), "n1-standard-32 does not take 1 x", "accelerator_count: 2"),
        (gpu("n1-standard-96", T4, 2), "n1-standard-96 does not take 2 x", "accelerator_count: 4"),
        (gpu("n1-standard-64", V100, 4), "n1-standard-64 does not take 4 x", "accelerator_count: 8"),
        (gpu("n1-standard-8", T4, 8), "does not take 8 x NVIDIA_TESLA_T4", "accelerator_count: 4"),
        (
            gpu("e2-standard-8", T4, 2),
            "e2-standard-8 does not take 2 x",
            "machine_type: n1-standard-8, accelerator_count: 2",
        ),
        (gpu("n1-standard-8", L4, 1), "does not take 1 x NVIDIA_L4", "g2-standard-4, accelerator_count: 1"),
        (gpu("n1-standard-8", L4, 4), "does not take 4 x NVIDIA_L4", "g2-standard-48, accelerator_count: 4"),
        (
            Hardware(machine_type="g2-standard-8"),
            "g2-standard-8 comes with 1 x NVIDIA_L4, which must be asked for; got none",
            "accelerator_type: NVIDIA_L4, accelerator_count: 1",
        ),
        (gpu("a3-highgpu-8g", "NVIDIA_H100_80GB", 4), "comes with 8 x NVIDIA_H100_80GB", "accelerator_count: 8"),
        (gpu("g2-standard-8", T4, 1), "comes with 1 x NVIDIA_L4", "accelerator_type: NVIDIA_L4"),
        (gpu("n1-standard-8", "NVIDIA_TESLA_L4", 1), "there is no accelerator NVIDIA_TESLA_L4", "NVIDIA_"),
        (gpu("n1-standard-8", "NVIDIA_TESLA_K80", 1), "support of NVIDIA_TESLA_K80 has ended", T4),
        (gpu("n1-standard-8", "NVIDIA_TESLA_P100", 1), "NVIDIA_TESLA_P100 ended on 15 September 2026", T4),
        (Hardware(tpu_topology="2x2"), "n1-standard-8 has no tpu_topology", "leave tpu_topology out"),
    ],
)
def test_illegal_machines_are_refused_with_what_is_legal(hardware: Hardware, message: str, advice: str) -> None:
    """One finding, fatal, and its advice is the nearest combination that Vertex AI takes."""
    (found,) = training_findings(hardware, IOWA)
    assert found.fatal
    assert message in found.message
    assert advice in found.advice


@pytest.mark.parametrize("hardware", [v5e(1, "1x1"), v5e(4, "2x2"), v5e(8, "2x4"), v5e(1, "1x1", spot=True)])
def test_one_tpu_vm_passes_with_a_word_on_the_image(hardware: Hardware) -> None:
    """The one warning says that our image finds no TPU."""
    (found,) = training_findings(hardware, IOWA)
    assert not found.fatal
    assert "TensorFlow from PyPI, which finds no TPU" in found.message


@pytest.mark.parametrize(
    ("hardware", "message", "advice"),
    [
        (Hardware(machine_type="ct6e-standard-1t", tpu_topology="1x1"), "from TPU v6e on, TensorFlow", "ct5lp"),
        (Hardware(machine_type="tpu7x-standard-4t", tpu_topology="2x2x1"), "from TPU v6e on", "ct5lp-hightpu-1t"),
        (Hardware(preset="tpu", replicas=2), "a TPU job has one replica, got 2", "replicas: 1"),
        (Hardware(preset="tpu", accelerator_count=32), "one TPU VM, 32 cores", "accelerator_count: 8"),
        (Hardware(preset="tpu", accelerator_type="TPU_V4_POD"), "TPU_V4_POD is no TPU that", "TPU_V3"),
        (Hardware(preset="tpu", machine_type="n1-standard-8"), "n1-standard-8 with TPU_V3", "machine_type: cloud-tpu"),
        (Hardware(machine_type="cloud-tpu"), "cloud-tpu with no accelerator", "accelerator_type: TPU_V3"),
        (Hardware(preset="tpu", tpu_topology="2x2"), "cloud-tpu has no tpu_topology", "leave tpu_topology out"),
        (v5e(4, "4x4"), "ct5lp-hightpu-4t with topology 4x4 is not one", "tpu_topology: 2x2"),
        (v5e(4, "2x4", spot=True), "nor can several be spot machines", "tpu_topology: 2x2"),
        (v5e(1, ""), "ct5lp-hightpu-1t with topology unset is not one", "tpu_topology: 1x1"),
        (v5e(2, "2x1"), "there is no machine ct5lp-hightpu-2t", "machine_type: ct5lp-hightpu-"),
        (
            Hardware(preset="tpu", machine_type="ct5lp-hightpu-1t", tpu_topology="1x1"),
            "is asked for by its name alone, got accelerator_type TPU_V3",
            'accelerator_type: "", accelerator_count: 0',
        ),
    ],
)
def test_a_tpu_that_the_trainer_cannot_use_is_refused(hardware: Hardware, message: str, advice: str) -> None:
    """With the reason: no TensorFlow for it, several VMs, or no such machine."""
    (found,) = fatal(training_findings(hardware, IOWA))
    assert message in found.message
    assert advice in found.advice


@pytest.mark.parametrize(
    ("hardware", "name"),
    [
        (Hardware(preset="gpu", scheduling="flex_start"), "NVIDIA_TESLA_T4"),
        (Hardware(scheduling="flex_start"), "no accelerator"),
        (Hardware(preset="tpu", scheduling="flex_start"), "TPU_V3"),
    ],
)
def test_flex_start_is_for_scarce_gpus(hardware: Hardware, name: str) -> None:
    """Google names L4, A100, H100, H200 and B200."""
    (found,) = fatal(training_findings(hardware, IOWA))
    assert found.message == f"scheduling: flex_start is for L4, A100, H100, H200 and B200, got {name}"


def test_flex_start_takes_an_l4() -> None:
    """It is among those that Google names."""
    asked = Hardware(
        machine_type="g2-standard-8", accelerator_type=L4, accelerator_count=1, scheduling="flex_start", timeout_s=3600
    )
    assert list(training_findings(asked, IOWA)) == []


@pytest.mark.parametrize(
    ("hardware", "location", "message"),
    [
        (gpu("g2-standard-8", L4, 1), "europe-west1", "europe-west1 has no NVIDIA_L4 for training"),
        (gpu("n1-standard-8", V100, 1), "europe-west1", "europe-west1 has no NVIDIA_TESLA_V100 for training"),
        (v5e(1, "1x1"), "europe-west4", "europe-west4 has no TPU v5e for training"),
        (Hardware(preset="tpu"), "us-east1", "us-east1 has no TPU_V3 for training"),
        (Hardware(preset="gpu"), "me-west1", "me-west1 has no NVIDIA_TESLA_T4 for training"),
    ],
)
def test_an_accelerator_that_a_region_lacks_is_refused(hardware: Hardware, location: str, message: str) -> None:
    """The advice names regions that have it."""
    (found,) = fatal(training_findings(hardware, location))
    assert found.message == message
    assert found.advice.startswith("run in a region for training such as ")


def test_the_same_region_can_serve_with_what_it_does_not_train_on() -> None:
    """europe-west1 serves on L4; us-central1 trains on TPU v3 and the serving image uses none."""
    assert list(serving_findings("g2-standard-8", L4, 1, "europe-west1")) == []
    assert [finding.fatal for finding in serving_findings("cloud-tpu", "TPU_V3", 8, IOWA)] == [True]


@pytest.mark.parametrize(
    ("hardware", "location", "message"),
    [
        (Hardware(machine_type="z9-standard-8"), IOWA, "does not know a machine z9-standard-8 for training"),
        (Hardware(machine_type="c3-highcpu-8"), IOWA, "does not know a machine c3-highcpu-8 for training"),
        (Hardware(machine_type="laptop"), IOWA, "does not know a machine laptop for training"),
        (Hardware(preset="gpu"), "europe-west9", "does not know whether europe-west9 has NVIDIA_TESLA_T4"),
    ],
)
def test_what_the_table_does_not_know_is_a_warning(hardware: Hardware, location: str, message: str) -> None:
    """Google may have it by now."""
    (found,) = training_findings(hardware, location)
    assert not found.fatal
    assert message in found.message
    assert found.advice


def test_a_machine_alone_needs_no_known_region() -> None:
    """CPUs are everywhere."""
    assert list(training_findings(Hardware(), "europe-west9")) == []


@pytest.mark.parametrize(
    ("machine", "accelerator", "count"),
    [
        ("n1-standard-2", "", 0),
        ("n1-standard-2", T4, 1),
        ("c3-highcpu-22", "", 0),
        ("n2d-standard-224", "", 0),
        ("g2-standard-4", L4, 1),
        ("a2-highgpu-8g", "NVIDIA_TESLA_A100", 2),
    ],
)
def test_legal_machines_serve(machine: str, accelerator: str, count: int) -> None:
    """Several replicas can share one VM, each with a part of its accelerators."""
    assert list(serving_findings(machine, accelerator, count, IOWA)) == []


@pytest.mark.parametrize(
    ("machine", "accelerator", "count", "location", "message", "advice"),
    [
        ("n1-standard-64", "", 0, IOWA, "n1-standard-64 is not a machine for serving", "n1-standard-32"),
        ("e2-standard-2", T4, 1, IOWA, "e2-standard-2 does not take 1 x", "machine_type: n1-standard-8"),
        ("g2-standard-4", L4, 2, IOWA, "comes with 1 x NVIDIA_L4", "accelerator_count: 1"),
        ("n1-standard-2", "", 0, "me-west1", "me-west1 serves on n1 machines only with", "e2-standard-2"),
        ("n1-standard-2", V100, 1, "asia-east2", "asia-east2 has no NVIDIA_TESLA_V100 for serving", "asia-east1"),
        ("ct5lp-hightpu-1t", "", 0, IOWA, "ct5lp-hightpu-1t: the serving image does not use a TPU", "n1-standard-2"),
    ],
)
def test_illegal_machines_do_not_serve(
    machine: str, accelerator: str, count: int, location: str, message: str, advice: str
) -> None:
    """One finding, fatal, with what would do."""
    (found,) = serving_findings(machine, accelerator, count, location)
    assert found.fatal
    assert message in found.message
    assert advice in found.advice


@pytest.mark.parametrize(
    ("hardware", "wanted"),
    [
        (Hardware(), {"custom_model_training_cpus": 8}),
        (Hardware(preset="gpu"), {"custom_model_training_cpus": 8, "custom_model_training_nvidia_t4_gpus": 1}),
        (
            Hardware(preset="multi-worker"),
            {"custom_model_training_cpus": 32, "custom_model_training_nvidia_t4_gpus": 4},
        ),
        (
            Hardware(preset="gpu-many", scheduling="spot"),
            {"custom_model_training_preemptible_cpus": 16, "custom_model_training_preemptible_nvidia_t4_gpus": 4},
        ),
        (Hardware(preset="tpu"), {"custom_model_training_tpu_v3": 8}),
        (v5e(4, "2x2"), {"custom_model_training_tpu_v5e": 4}),
        (Hardware(machine_type="n2-standard-16", replicas=2), {"custom_model_training_n2_cpus": 32}),
        (gpu("a2-ultragpu-2g", "NVIDIA_A100_80GB", 2), {"custom_model_training_nvidia_a100_80gb_gpus": 2}),
        (gpu("a3-megagpu-8g", "NVIDIA_H100_MEGA_80GB", 8), {"custom_model_training_nvidia_h100_mega_gpus": 8}),
        # Names that no source gives are not guessed.
        (Hardware(preset="tpu", scheduling="spot"), {}),
        (Hardware(machine_type="n2-standard-16", scheduling="spot"), {}),
        (gpu("a4-highgpu-8g", "NVIDIA_B200", 8), {}),
        (v5e(4, ""), {}),
    ],
)
def test_a_job_s_quota_is_that_of_all_its_replicas(hardware: Hardware, wanted: dict[str, int]) -> None:
    """CPUs and accelerators of each replica, times the replicas; spot machines count elsewhere."""
    assert training_quota(hardware) == wanted


@pytest.mark.parametrize(
    ("serving", "wanted"),
    [
        # Two versions of one replica each and one on staging: 3 replicas of 2 CPUs.
        (Serving(endpoint="orders", maximum_replicas=1), {"custom_model_serving_cpus": 6}),
        (Serving(endpoint="orders", maximum_replicas=5), {"custom_model_serving_cpus": 10}),
        (
            Serving(
                endpoint="orders",
                machine_type="n1-standard-4",
                accelerator_type=T4,
                accelerator_count=2,
                minimum_replicas=2,
                maximum_replicas=2,
            ),
            {"custom_model_serving_cpus": 20, "custom_model_serving_nvidia_t4_gpus": 10},
        ),
        (
            Serving(endpoint="orders", machine_type="g2-standard-4", accelerator_type=L4, accelerator_count=1),
            {"custom_model_serving_nvidia_l4_gpus": 3},
        ),
    ],
)
def test_an_endpoint_s_quota_is_that_of_its_busiest_hour(serving: Serving, wanted: dict[str, int]) -> None:
    """All replicas under load, or two versions and the staging endpoint while one is deployed: what is more."""
    assert serving_quota(serving) == wanted
