"""Hardware in a config: a preset by name, a preset with changes, or a specification of one's own."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from plumbline.config import json_schema, load_problem
from plumbline.errors import ConfigError
from plumbline.hardware import PRESETS, Hardware
from plumbline.problem import ProblemConfig, Training
from plumbline.section import from_json, to_json

FLIGHTS = Path(__file__).parents[3] / "configs" / "flights.yaml"
LINE = "  hardware: cpu\n"


def with_hardware(tmp_path: Path, text: str) -> Path:
    """The example's config with this hardware, beside a query."""
    config = FLIGHTS.read_text(encoding="utf-8")
    assert LINE in config
    (tmp_path / "queries").mkdir(exist_ok=True)
    (tmp_path / "queries" / "flights.sql").write_text("SELECT 1", encoding="utf-8")
    (tmp_path / "queries" / "flights_labels.sql").write_text("SELECT @start, @end", encoding="utf-8")
    path = tmp_path / "problem.yaml"
    path.write_text(config.replace(LINE, f"  hardware: {text}\n"), encoding="utf-8")
    return path


def loaded(tmp_path: Path, text: str) -> Hardware:
    """The hardware that a config of this text gives."""
    return load_problem(with_hardware(tmp_path, text)).config.training.hardware


@pytest.mark.parametrize(
    ("name", "machine", "accelerator", "count", "replicas"),
    [
        ("cpu", "n1-standard-8", "", 0, 1),
        ("gpu", "n1-standard-8", "NVIDIA_TESLA_T4", 1, 1),
        ("gpu-many", "n1-standard-16", "NVIDIA_TESLA_T4", 4, 1),
        ("multi-worker", "n1-standard-8", "NVIDIA_TESLA_T4", 1, 4),
        ("tpu", "cloud-tpu", "TPU_V3", 8, 1),
    ],
)
def test_a_preset_is_a_name(
    tmp_path: Path, name: str, machine: str, accelerator: str, count: int, replicas: int
) -> None:
    """The name alone gives machine, accelerator and replicas."""
    found = loaded(tmp_path, name)
    assert (found.preset, found.machine_type) == (name, machine)
    assert (found.accelerator_type, found.accelerator_count, found.replicas) == (accelerator, count, replicas)


def test_every_preset_is_tested() -> None:
    """The table above is complete."""
    assert set(PRESETS) == {"cpu", "gpu", "gpu-many", "multi-worker", "tpu"}


def test_what_is_given_replaces_the_preset_s(tmp_path: Path) -> None:
    """The rest of the preset stays."""
    found = loaded(tmp_path, "{preset: multi-worker, replicas: 2, scheduling: spot}")
    assert (found.accelerator_type, found.replicas, found.scheduling) == ("NVIDIA_TESLA_T4", 2, "spot")


def test_a_specification_needs_no_preset(tmp_path: Path) -> None:
    """It starts from the plain machine."""
    found = loaded(tmp_path, "{machine_type: g2-standard-8, accelerator_type: NVIDIA_L4, accelerator_count: 1}")
    assert (found.preset, found.machine_type, found.accelerator_type) == ("cpu", "g2-standard-8", "NVIDIA_L4")


def test_hardware_travels_as_json() -> None:
    """Training arrives at its step with the hardware that it was sent with, changes included."""
    sent = Training(hardware=Hardware(preset="gpu", machine_type="n1-highmem-8", replicas=3))
    assert from_json(Training, to_json(sent)) == sent


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gpus", "training.hardware.preset: Input should be 'cpu', 'gpu', 'gpu-many', 'multi-worker' or 'tpu'"),
        ("{preset: gpuu}", "training.hardware.preset: Input should be 'cpu', 'gpu'"),
        ("{machine: n1-standard-8}", "unknown key machine: did you mean machine_type? (in training.hardware.machine)"),
        ("{accelerator_type: NVIDIA_L4}", "accelerator_type and accelerator_count belong together"),
        ('{preset: gpu, accelerator_type: ""}', "accelerator_type and accelerator_count belong together"),
        ("{preset: gpu, accelerator_count: -1}", "training.hardware.accelerator_count: Input should be greater than"),
        ("{replicas: 0}", "training.hardware.replicas: Input should be greater than or equal to 1, got 0"),
        ("{disk_gb: 50}", "training.hardware.disk_gb: Input should be greater than or equal to 100, got 50"),
        ("{tpu_topology: 2by2}", "training.hardware.tpu_topology: String should match pattern"),
        ("{reservation: mine}", "training.hardware.reservation: String should match pattern"),
        ("{scheduling: cheap}", "training.hardware.scheduling: Input should be 'standard', 'spot' or 'flex_start'"),
        (
            "{scheduling: spot, reservation: projects/p/zones/z/reservations/r}",
            "a reservation is used with scheduling: standard, got spot",
        ),
        ("{scheduling: flex_start, timeout_s: 604801}", "timeout_s must be <= 604800 with flex_start, got 604801"),
        ("{replicas: 2, strategy: mirrored}", "2 replicas need the strategy multi_worker, got mirrored"),
        ("{preset: gpu, strategy: tpu}", "the strategy tpu needs a TPU, got n1-standard-8"),
        ("[gpu]", "training.hardware: Input should be"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    """The message says what was wanted and what came, with the line of the hardware."""
    path = with_hardware(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_problem(path)
    line = next(i for i, each in enumerate(path.read_text().splitlines(), 1) if each.startswith("  hardware:"))
    assert [problem.line for problem in caught.value.problems] == [line]
    assert wanted in caught.value.problems[0].message


@pytest.mark.parametrize("value", ["gpu", {"preset": "gpu", "replicas": 2}, {"machine_type": "n1-highmem-8"}])
def test_editors_take_a_name_or_settings(value: object) -> None:
    """The JSON Schema that editors use has both ways."""
    jsonschema.validate(config_with(value), json_schema(ProblemConfig))


@pytest.mark.parametrize("value", ["gpuu", {"machine": "n1-highmem-8"}, 7])
def test_editors_refuse_what_is_neither(value: object) -> None:
    """No other name, and no unknown setting."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config_with(value), json_schema(ProblemConfig))


def config_with(hardware: object) -> object:
    """The example's config as an editor sees it."""
    content = json.loads(json.dumps(yaml.safe_load(FLIGHTS.read_text(encoding="utf-8")), default=str))
    content["training"]["hardware"] = hardware
    return content


@pytest.mark.parametrize(
    ("hardware", "wanted"),
    [
        (Hardware(), False),
        (Hardware(preset="gpu"), False),
        (Hardware(preset="tpu"), True),
        (Hardware(machine_type="ct5lp-hightpu-1t", tpu_topology="1x1"), True),
    ],
)
def test_a_tpu_is_known_by_accelerator_or_machine(hardware: Hardware, wanted: bool) -> None:
    """A v5e has no accelerator type."""
    assert hardware.is_tpu is wanted
