"""Pipelines that tests write down as text: kfp reads the source of components from files."""

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def compiled(text: str, path: Path) -> Mapping[str, Any]:
    """The pipeline `small` of a module's text, compiled; `path` is where the module is written."""
    path.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kfp import compiler  # noqa: PLC0415 - takes a second

        found = importlib.util.spec_from_file_location(path.stem, path)
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        compiler.Compiler().compile(module.small, str(path.with_suffix(".yaml")))
    return yaml.safe_load(path.with_suffix(".yaml").read_text(encoding="utf-8"))
