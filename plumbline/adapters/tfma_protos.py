"""TFMA's messages without TFMA: its import takes seconds and TensorFlow, its generated messages take milliseconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_PACKAGE = "tensorflow_model_analysis"


@dataclass(frozen=True, slots=True)
class Messages:
    """TFMA's modules of generated messages: the same classes that TFMA itself uses."""

    config: Any
    metrics: Any
    validation: Any
    version: str


@cache
def messages() -> Messages:
    """The messages, read from TFMA's own files; its package is neither run nor left half imported."""
    # TFMA's files expect that whoever reads them has these already.
    import_module("google.protobuf.wrappers_pb2")
    with _without_package():
        config, metrics, validation = (
            import_module(f"{_PACKAGE}.proto.{name}_pb2")
            for name in ("config", "metrics_for_slice", "validation_result")
        )
    return Messages(config, metrics, validation, version("tensorflow-model-analysis"))


@contextmanager
def _without_package() -> Iterator[None]:
    """While it lasts, TFMA's package is an empty one with the same folders, unless TFMA is imported already."""
    if _PACKAGE in sys.modules:
        yield
        return
    found = find_spec(_PACKAGE)
    if found is None or found.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed")
    stand_in = ModuleType(_PACKAGE)
    stand_in.__path__ = list(found.submodule_search_locations)
    sys.modules[_PACKAGE] = stand_in
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name == _PACKAGE or name.startswith(f"{_PACKAGE}.")]:
            del sys.modules[name]
