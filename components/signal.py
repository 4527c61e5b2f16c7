"""Signal: whether the features say anything of the label, before anything costly runs."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def signal(data: str, signal: str, dataset: Input[Dataset], report: Output[Artifact]) -> bool:
    """Tries a quick model against the same with shuffled labels and returns whether it found more than chance."""
    from pathlib import Path

    from plumbline.problem import Data
    from plumbline.section import from_json, to_json
    from plumbline.signal import Signal
    from plumbline.signal_check import look

    found = look(Path(dataset.path), from_json(Data, data), from_json(Signal, signal))
    Path(report.path).write_text(to_json(found), encoding="utf-8")
    report.metadata.update(passed=found.passed, summary=found.summary)
    return found.passed
