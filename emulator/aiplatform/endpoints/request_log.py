"""The log of requests and responses, as Vertex AI writes it to BigQuery.

A prediction's row is on the disk before the prediction is answered, in a spool; a thread carries the spool to BigQuery.
So a kill loses no row of an answered prediction, and after a restart none is written twice.

Source: Vertex AI, "Log requests and responses" (columns; payloads above 10 MB are left out).
"""

import datetime as dt
import json
import logging
import random
import secrets
import threading
import urllib.error
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from emulator.aiplatform.bigquery import EXISTS, MISSING, BigQuery, Row, log_table
from emulator.aiplatform.context import Context
from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.methods import Message

log = logging.getLogger(__name__)
_PAUSE_S = 0.25
_STOP_S = 5.0
_LARGEST_PAYLOAD = 10_000_000
_ROWS_AT_ONCE = 500
_COLUMNS = (
    ("endpoint", "STRING", "NULLABLE"),
    ("deployed_model_id", "STRING", "NULLABLE"),
    ("logging_time", "TIMESTAMP", "NULLABLE"),
    ("request_id", "NUMERIC", "NULLABLE"),
    ("request_payload", "STRING", "REPEATED"),
    ("response_payload", "STRING", "REPEATED"),
)


class RequestLog:
    """Rows on their way to the tables that endpoints name. Safe to use from any thread."""

    def __init__(self, context: Context) -> None:
        """Goes on with what an emulator before has left in the spool."""
        self._context = context
        self._bigquery = BigQuery(context.bigquery)
        self._folder = context.state / "requests"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._current = self._folder / "current.jsonl"
        self._lock = threading.Lock()
        self._random = random.Random()  # noqa: S311 - a sample, no secret
        self._stopping = threading.Event()
        # What is there by now may be in BigQuery in part, or wholly.
        self._doubtful = {batch.name for batch in self._batches()}
        if self._current.is_file():
            self._doubtful.add(self._rotate().name)
        self._thread = threading.Thread(target=self._carry, name="request log", daemon=True)
        self._thread.start()

    def add(self, endpoint: Message, deployed_id: str, request: Sequence[str], response: Sequence[str]) -> None:
        """Logs an answered prediction, if the endpoint logs and its sampling rate says so.

        Args:
            endpoint: Whose configuration counts.
            deployed_id: The deployed model that has answered.
            request: JSON of each instance; of a raw prediction, its body.
            response: JSON of each prediction; of a raw prediction, its answer.
        """
        config = endpoint.predict_request_response_logging_config
        if not config.enabled or self._random.random() >= config.sampling_rate:
            return
        if sum(map(len, (*request, *response))) > _LARGEST_PAYLOAD:
            return
        row = {
            "endpoint": endpoint.name.rpartition("/")[2],
            "deployed_model_id": deployed_id,
            "logging_time": self._context.clock.now().isoformat(),
            "request_id": str(secrets.randbits(62)),
            "request_payload": list(request),
            "response_payload": list(response),
        }
        line = json.dumps({"table": log_table(endpoint), "row": row}) + "\n"
        with self._lock, self._current.open("ab", buffering=0) as file:
            file.write(line.encode())

    def stop(self) -> None:
        """Carries what is there to BigQuery; what does not get there in time stays in the spool."""
        self._stopping.set()
        self._thread.join(_STOP_S)

    def _carry(self) -> None:
        while not self._stopping.wait(_PAUSE_S):
            self._carry_all()
        self._carry_all()

    def _carry_all(self) -> None:
        try:
            if self._current.is_file():
                self._rotate()
            for batch in self._batches():
                self._deliver(batch)
        except (OSError, ValueError):
            # BigQuery does not answer, or answers with a fault: what it has of the batch is not known.
            log.warning("the request log waits for BigQuery", exc_info=True)

    def _rotate(self) -> Path:
        batch = self._folder / f"{self._context.store.next_number():0>12}.batch"
        with self._lock:
            self._current.rename(batch)
        return batch

    def _batches(self) -> Sequence[Path]:
        return sorted(self._folder.glob("*.batch"))

    def _deliver(self, batch: Path) -> None:
        tables: dict[str, list[Row]] = {}
        for table, row in _lines(batch):
            tables.setdefault(table, []).append(row)
        is_doubtful = batch.name in self._doubtful
        self._doubtful.add(batch.name)
        for table, rows in tables.items():
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                self._insert(table, rows[start : start + _ROWS_AT_ONCE], is_doubtful=is_doubtful)
        batch.unlink()
        self._doubtful.discard(batch.name)

    def _insert(self, table: str, rows: Sequence[Row], *, is_doubtful: bool) -> None:
        project, dataset, name = table.split(".")
        tables = f"projects/{project}/datasets/{dataset}/tables"
        known = self._known(table, rows) if is_doubtful else set()
        content = {
            "rows": [{"insertId": r["request_id"], "json": r} for r in rows if r["request_id"] not in known],
        }
        if not content["rows"]:
            return
        try:
            answer = self._bigquery.post(f"{tables}/{name}/insertAll", content)
        except urllib.error.HTTPError as error:
            if error.code != MISSING:
                raise
            if not self._made(project, dataset, name):
                log.warning("%s cannot be logged to: its dataset is not there", table)
                return
            answer = self._bigquery.post(f"{tables}/{name}/insertAll", content)
        if answer.get("insertErrors"):
            log.error("%s refuses rows of the request log: %s", table, answer["insertErrors"][:1])

    def _made(self, project: str, dataset: str, name: str) -> bool:
        """Whether the table could be made; not where its dataset is missing."""
        fields = [{"name": column, "type": kind, "mode": mode} for column, kind, mode in _COLUMNS]
        reference = {"projectId": project, "datasetId": dataset, "tableId": name}
        # By day: what the log costs to read is a window's, not a year's.
        partitioning = {"type": "DAY", "field": "logging_time"}
        content = {"tableReference": reference, "schema": {"fields": fields}, "timePartitioning": partitioning}
        try:
            self._bigquery.post(f"projects/{project}/datasets/{dataset}/tables", content)
        except urllib.error.HTTPError as error:
            return error.code == EXISTS
        return True

    def _known(self, table: str, rows: Sequence[Row]) -> set[str]:
        """The ids of those rows that the table has."""
        project = table.partition(".")[0]
        ids = ", ".join(str(int(row["request_id"])) for row in rows)
        query = f"SELECT request_id FROM `{table}` WHERE request_id IN ({ids})"  # noqa: S608 - numbers
        try:
            found = self._bigquery.query(project, query)
        except ApiError as error:
            if error.code == "NOT_FOUND":
                return set()
            raise OSError(error.message) from error
        # A NUMERIC may come with nine zeros behind the point.
        return {str(int(Decimal(row["request_id"]))) for row in found}


def is_behind(context: Context, moment: dt.datetime) -> bool:
    """Whether a row of before a moment may still be on its way to BigQuery."""
    folder = context.state / "requests"
    # In this order: what stands in `current` no more by now stands in a batch, or has arrived.
    return _begins_before(folder / "current.jsonl", moment) or any(
        _begins_before(batch, moment) for batch in sorted(folder.glob("*.batch"))
    )


def _begins_before(path: Path, moment: dt.datetime) -> bool:
    with suppress(FileNotFoundError):
        for _, row in _lines(path):
            return dt.datetime.fromisoformat(row["logging_time"]) < moment
    return False


def _lines(batch: Path) -> Iterator[tuple[str, Row]]:
    with batch.open(encoding="utf-8") as file:
        for line in file:
            # The last line of a full disk may be cut off; nobody had an answer for it.
            with suppress(ValueError):
                content = json.loads(line)
                yield content["table"], content["row"]
