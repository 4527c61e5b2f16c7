"""The compiled pipeline: made from the graph, checked, linked to images."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from pipelines.code import ROOT

GOLDEN = ROOT / "tests" / "golden" / "training.yaml"
Spec = Mapping[str, object]


def compile_training() -> Spec:
    """The training pipeline as kfp compiles it."""
    from kfp import compiler  # noqa: PLC0415 - takes a second, which most commands need not wait for

    from pipelines.training import training  # noqa: PLC0415 - needs kfp

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.yaml"
        compiler.Compiler().compile(training, str(path))
        return read(path)


def read(path: Path) -> Spec:
    """A compiled pipeline from its file."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def write(spec: Spec, path: Path) -> None:
    """A compiled pipeline into a file, the same text for the same pipeline."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(dict(spec), Dumper=yaml.CSafeDumper, sort_keys=True, width=120), encoding="utf-8")


def differs_from_golden(spec: Spec) -> bool:
    """Whether the pipeline is another than the committed one. The version of kfp does not count."""
    if not GOLDEN.is_file():
        return True
    return {**spec, "sdkVersion": ""} != {**read(GOLDEN), "sdkVersion": ""}
