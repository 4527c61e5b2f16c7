"""Training rows beside a model, which stand for what is usual where a score is explained."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from plumbline.dataset import stored_rows
from plumbline.design_matrix import spread
from plumbline.errors import ModelError
from plumbline.features import Arrays, Features, columns, from_instances, to_instances

ROWS = 100
"""That lie beside a model."""
USED = 10
"""Of them, that a single prediction is explained against."""
_FILE = "background.json"


def write_background(model: Path, dataset: Path, features: Features) -> None:
    """Puts rows that are spread evenly over the training split into a model's directory."""
    train = stored_rows(dataset, "train")
    total = sum(part.num_rows for part in train.parts([]))
    rows = spread(train.parts(list(columns(features))), ROWS, total)
    (model / _FILE).write_text(json.dumps(to_instances(rows, features)), encoding="utf-8")


def read_background(model: Path, features: Features, *, rows: int = ROWS) -> Arrays:
    """The raw columns of so many of the rows that lie beside a model, spread evenly.

    Raises:
        ModelError: There are none: the model was made before models had them.
    """
    path = model / _FILE
    if not path.is_file():
        raise ModelError(f"there are no background rows in {model}, so its scores cannot be explained: train it anew")
    kept: Sequence[Mapping[str, object]] = json.loads(path.read_text(encoding="utf-8"))
    step = max(1, len(kept) // rows)
    return from_instances(kept[::step][:rows], features)
