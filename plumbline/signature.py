"""What a model takes and gives, beside its files: enough to ask it without the config it was trained by."""

from collections.abc import Mapping
from pathlib import Path

from plumbline.problem import Column, Label
from plumbline.section import Name, from_json, section, to_json

_FILE = "signature.json"


@section
class Signature:
    """Inputs by feature, and what the score is the probability of."""

    name: Name
    features: Mapping[Name, Column]
    label: Label


def write_signature(model: Path, signature: Signature) -> None:
    """Put the signature into a model's directory."""
    (model / _FILE).write_text(to_json(signature), encoding="utf-8")


def read_signature(model: Path) -> Signature:
    """The signature of the model in a directory."""
    return from_json(Signature, (model / _FILE).read_text(encoding="utf-8"))
