"""Quick prototypes: in BigQuery ML where there is one, by scikit-learn where there is none, and by AutoML if asked."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from plumbline.adapters import bigquery as bq
from plumbline.adapters.clients import Clients
from plumbline.bigquery_ml import fit_statement, score_statement
from plumbline.dataset import SCORED, SplitName, Summary, read_summary, split_path, stored, stored_rows
from plumbline.errors import DataError, NotOfferedError
from plumbline.labels import label
from plumbline.problem import Data
from plumbline.prototype import AutoML, Prototype, PrototypeModel, PrototypeReport, PrototypeResult
from plumbline.simple_models import fit_simple
from plumbline.true_prevalence import at_true_prevalence

Floats = npt.NDArray[np.float64]
Scores = Callable[[pa.Table], Floats]
"""Scores (n,) of n rows of a split, which have keys and features."""
_Fitted = tuple[Scores, str, str]
"""How a model scores, what it was made by, and why by that."""
_DEARNESS = 50
"""BigQuery ML charges 50 times as much for what CREATE MODEL reads as for a query. Its pages do not say whether the
limit on billed bytes counts that, so that much is allowed; what is read is held to the limit before."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What is tried, on which rows."""

    name: str
    """Of the problem."""
    data: Data
    prototype: Prototype
    dataset: Path
    summary: Summary

    @property
    def prevalence(self) -> float:
        """Of the training split."""
        train = self.summary.splits["train"]
        return train.positives / train.rows


def try_out(  # noqa: PLR0913 - what to try, where, and the clock
    clients: Clients,
    name: str,
    data: Data,
    prototype: Prototype,
    *,
    dataset: Path,
    output: Path,
    clock: Callable[[], float] = time.monotonic,
) -> PrototypeReport:
    """Fits every prototype on the training split, and writes their scores of validation and test split into a folder.

    Args:
        clients: Google's.
        name: Of the problem.
        data: The columns.
        prototype: What is tried.
        dataset: The dataset's directory.
        output: For a Parquet file a split, with the keys and a column of scores a model.
        clock: Seconds.

    Raises:
        DataError: BigQuery refuses a query, does not score every row, or there are too few rows for AutoML.
        ServiceError: BigQuery or Vertex AI fails, or AutoML is asked for where there is none.
    """
    task = _Task(name, data, prototype, dataset, read_summary(dataset))
    ways: dict[str, Callable[[], _Fitted]] = {
        model: partial(_fitted, clients, model, task) for model in prototype.models
    }
    if prototype.automl:
        ways["automl"] = partial(_by_automl, clients, task, prototype.automl, output)
    results, scorers = [], {}
    for model, way in ways.items():
        start = clock()
        scorers[model], engine, reason = way()
        results.append(PrototypeResult(model=model, engine=engine, reason=reason, seconds=clock() - start))
    _write(scorers, task, output)
    return PrototypeReport(results=tuple(results))


def _fitted(clients: Clients, model: PrototypeModel, task: _Task) -> _Fitted:
    try:
        return _by_bigquery(clients, model, task), "BigQuery ML", "the rows are in BigQuery"
    except NotOfferedError:
        simple = fit_simple(model, task.data, task.prototype, task.dataset)
        reason = "this BigQuery has no BigQuery ML: it is an emulator"
        return (lambda rows: at_true_prevalence(simple(rows), task.prevalence)), "scikit-learn", reason


def _by_bigquery(clients: Clients, model: PrototypeModel, task: _Task) -> Scores:
    client, place, data = clients.bigquery(), clients.place, task.data
    labels = {**place.labels, "problem": label(task.name)}
    made, scored = f"{task.summary.table}_{model}", f"{task.summary.table}_{model}_scores"
    statement = fit_statement(made, model, data, task.prototype, table=task.summary.training_table)
    bq.execute(client, statement, maximum_bytes=data.maximum_bytes, labels=labels, dearness=_DEARNESS)
    query = score_statement(made, data, table=task.summary.table)
    bq.materialise(client, query, scored, maximum_bytes=data.maximum_bytes, labels=labels)
    names = [*data.key, "score"]
    found = pa.Table.from_batches(list(bq.read_table(clients.bigquery_read(), scored, columns=names)))
    found = found.replace_schema_metadata()
    return lambda rows: at_true_prevalence(in_order(rows, found, data.key), task.prevalence)


def _by_automl(clients: Clients, task: _Task, automl: AutoML, output: Path) -> _Fitted:
    """Its classes have no weights, so its scores stay as they are."""
    from plumbline.adapters.automl import Task, automl_scores  # noqa: PLC0415 - takes seconds, and few ask for it

    found = automl_scores(clients, Task(task.name, task.data, automl, task.summary, str(output)))
    left = f"; could not be removed: {', '.join(found.left)}" if found.left else ""
    return (
        lambda rows: in_order(rows, found.rows, task.data.key),
        "Vertex AI AutoML",
        f"the config asks for it, with {automl.budget_hours:g} node hours{left}",
    )


def in_order(rows: pa.Table, scored: pa.Table, key: Sequence[str]) -> Floats:
    """The scores of rows, in their order, from a table that has keys and `score` in any order; shape (n,).

    Raises:
        DataError: A row has no score, or several.
    """
    numbered = rows.select(list(key)).append_column("row", pa.array(np.arange(rows.num_rows)))
    joined = numbered.join(scored, list(key), join_type="left outer").sort_by("row")
    absent = joined.column("score").null_count
    if absent or joined.num_rows != rows.num_rows:
        raise DataError(f"a prototype scored {joined.num_rows - absent} of {rows.num_rows} rows, wanted each once")
    return joined.column("score").to_numpy()


def _write(scorers: Mapping[str, Scores], task: _Task, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for split in SCORED:
        for _ in stored((_scored(part, scorers, task) for part in _parts(task, split)), split_path(output, split)):
            pass


def _parts(task: _Task, split: SplitName) -> Iterator[pa.Table]:
    rows = stored_rows(task.dataset, split)
    return rows.parts(rows.schema.names)


def _scored(part: pa.Table, scorers: Mapping[str, Scores], task: _Task) -> pa.Table:
    table = part.select(list(task.data.key))
    for model, scores in scorers.items():
        table = table.append_column(model, pa.array(scores(part)))
    return table
