"""Validate: whether the data is fit to train on."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def validate(data: str, validation: str, dataset: Input[Dataset], report: Output[Artifact]) -> bool:
    """Makes every check and returns whether all passed."""
    from pathlib import Path

    from plumbline.advice import told
    from plumbline.dataset import SPLITS, stored_rows
    from plumbline.problem import Data, Validation
    from plumbline.section import from_json, to_json
    from plumbline.validation import validate

    splits = {split: stored_rows(Path(dataset.path), split) for split in SPLITS}
    found = validate(splits, from_json(Data, data), from_json(Validation, validation))
    Path(report.path).write_text(to_json(found), encoding="utf-8")
    report.metadata.update(passed=found.passed, checks=len(found.checks), failed=told(found.checks))
    return found.passed
