"""Labels of Google Cloud's resources, as this product writes them."""

import re

_LENGTH = 63


def label(value: str) -> str:
    """A text as a label's value: lower case letters, digits, `-` and `_`, at most 63."""
    return re.sub(r"[^a-z0-9_-]", "-", value.lower())[:_LENGTH]


def run_of(uri: str) -> str:
    """The id of the run that has made an artifact: Vertex AI lays it at ROOT/.../RUN/TASK/ARTIFACT."""
    return label(uri.rstrip("/").split("/")[-3])
