"""Quick prototypes in BigQuery: the statements, from the SQL files beside this module."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from plumbline.ingestion import within
from plumbline.problem import Column, Data, Label, TimePart, Window
from plumbline.prototype import Prototype, PrototypeModel

TARGET, YES, NO = "is_positive", "yes", "no"
"""The column that is learnt, and its values where it must be a text."""
_QUERIES = Path(__file__).parent / "queries"
_PLACE = re.compile(r"\{([a-z]+)\}")
_PARTS: Mapping[TimePart, str] = {
    "minute_of_day": "EXTRACT(HOUR FROM {0}) * 60 + EXTRACT(MINUTE FROM {0})",
    "hour": "EXTRACT(HOUR FROM {0})",
    # Sunday is 1 there, and Monday is 0 with us.
    "weekday": "MOD(EXTRACT(DAYOFWEEK FROM {0}) + 5, 7)",
    "month": "EXTRACT(MONTH FROM {0})",
    "day_of_year": "EXTRACT(DAYOFYEAR FROM {0})",
}


def fit_statement(model: str, kind: PrototypeModel, data: Data, prototype: Prototype, *, table: str) -> str:
    """The statement that makes a model of a table of training rows.

    Args:
        model: Its full name.
        kind: What it is.
        data: The columns: only features are learnt from.
        prototype: Trees and regularisation.
        table: Full name of the rows.
    """
    if kind == "logistic_regression":
        options = f"MODEL_TYPE = 'LOGISTIC_REG',\n  L2_REG = {prototype.l2!r}"
    else:
        options = (
            f"MODEL_TYPE = 'BOOSTED_TREE_CLASSIFIER',\n  MAX_ITERATIONS = {prototype.trees},\n  EARLY_STOP = FALSE"
        )
    features = ",\n  ".join(_features(data).values())
    return _filled(
        "prototype_fit",
        model=f"`{model}`",
        options=options,
        features=features,
        label=_is_positive(data.label),
        table=f"`{table}`",
    )


def score_statement(model: str, data: Data, *, table: str) -> str:
    """The query that gives the keys and scores of validation and test rows in a features table."""
    selected = {name: f"`{name}`" for name in data.key} | _features(data)
    return _filled(
        "prototype_score",
        keys=",\n  ".join(f"`{name}`" for name in data.key),
        model=f"`{model}`",
        columns=",\n      ".join(selected.values()),
        table=f"`{table}`",
        window=within(_scored(data), data.time),
    )


def training_rows(data: Data, *, table: str) -> str:
    """The query that gives what AutoML learns from: the features, and the label as a text."""
    target = f"IF({_is_positive(data.label)}, '{YES}', '{NO}') AS {TARGET}"
    return _rows([*_features(data).values(), target], within(data.split.train, data.time), table)


def rows_to_score(data: Data, *, table: str) -> str:
    """The query that gives the keys and features of validation and test rows."""
    selected = {name: f"`{name}`" for name in data.key} | _features(data)
    return _rows(list(selected.values()), within(_scored(data), data.time), table)


def _rows(columns: Sequence[str], window: str, table: str) -> str:
    return _filled("prototype_rows", columns=",\n  ".join(columns), table=f"`{table}`", window=window)


def _scored(data: Data) -> Window:
    """The validation and the test split, and what lies between them."""
    return Window(start=data.split.validation.start, end=data.split.test.end)


def _features(data: Data) -> dict[str, str]:
    """The expression of each feature, by its name."""
    return {name: _feature(name, column) for name, column in data.features.items()}


def _feature(name: str, column: Column) -> str:
    source = f"`{column.column or name}`"
    if column.part:
        return f"{_PARTS[column.part].format(source)} AS `{name}`"
    if column.type == "categorical":
        return f"CAST({source} AS STRING) AS `{name}`"
    return source if source == f"`{name}`" else f"{source} AS `{name}`"


def _is_positive(label: Label) -> str:
    value = label.positive
    literal = str(value).upper() if isinstance(value, bool) else json.dumps(value)
    return f"`{label.column}` = {literal}"


def _filled(query: str, **values: str) -> str:
    text = (_QUERIES / f"{query}.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return _PLACE.sub(lambda found: values[found[1]], code)
