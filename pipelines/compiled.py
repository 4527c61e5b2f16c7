"""The compiled pipelines: made from the graphs, checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml

from pipelines.code import ROOT
from plumbline.digest import tree_digest

GOLDEN = ROOT / "tests" / "golden" / "training.yaml"
Spec = Mapping[str, object]
Graph = Literal["training", "evaluation"]


def compile_training() -> Spec:
    """The training pipeline as kfp compiles it."""
    return compile_graph("training")


def compile_graph(graph: Graph) -> Spec:
    """A pipeline as kfp compiles it."""
    from google.protobuf import json_format  # noqa: PLC0415 - as below

    if graph == "training":
        from pipelines.training import training as made  # noqa: PLC0415 - kfp takes a second, which most commands save
    else:
        from pipelines.evaluation import evaluation as made  # noqa: PLC0415 - as above

    # What kfp's compiler writes into a file, without the time that it takes to write and read it.
    return json_format.MessageToDict(made.pipeline_spec)


def golden(graph: Graph) -> Path:
    """The committed file of a pipeline."""
    return GOLDEN.with_name(f"{graph}.yaml")


def compiled_once(folder: Path, graph: Graph = "training") -> Spec:
    """A pipeline, compiled and checked; the same graph and components are compiled once.

    Args:
        folder: Where compiled pipelines are kept, by the digest of what they are made of.
        graph: Which one.

    Raises:
        PlumblineError: Vertex AI Pipelines would refuse it.
    """
    sources = [*(ROOT / "components").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py"), ROOT / "uv.lock"]
    path = folder / f"{graph}-{tree_digest(ROOT, sources)[:40]}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    from pipelines.lint import check  # noqa: PLC0415 - needs kfp

    spec = compile_graph(graph)
    check(spec)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(spec), encoding="utf-8")
    part.replace(path)
    return spec


def read(path: Path) -> Spec:
    """A compiled pipeline from its file."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def write(spec: Spec, path: Path) -> None:
    """A compiled pipeline into a file, the same text for the same pipeline."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(dict(spec), Dumper=yaml.CSafeDumper, sort_keys=True, width=120), encoding="utf-8")


def differs_from_golden(spec: Spec, graph: Graph = "training") -> bool:
    """Whether the pipeline is another than the committed one. The version of kfp does not count."""
    if not golden(graph).is_file():
        return True
    return {**spec, "sdkVersion": ""} != {**read(golden(graph)), "sdkVersion": ""}
