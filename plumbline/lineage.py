"""What a model is made from, as one digest: the same lineage gives the same model."""

import hashlib
from dataclasses import dataclass

from plumbline.champion import Champion


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What makes a model, beside the rows: sections as JSON, and the digest of the code."""

    sql: str
    data: str
    validation: str
    training: str
    code: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a run starts from."""

    source_version: str
    """Digest of the state of the source tables: it keys the cache of the ingest step."""
    champion: Champion
    """The model to be beaten: it keys the cache of the evaluation."""
    lineage: str


def lineage(made_from: Ingredients, *, source_version: str) -> str:
    """The digest, 40 hexadecimal digits."""
    parts = (made_from.sql, source_version, made_from.code, made_from.data, made_from.validation, made_from.training)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
