"""BigQuery, as the parts of Vertex AI reach it that work with tables: its REST API, and DuckDB behind it."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.aiplatform.errors import ApiError, invalid, not_found
from emulator.aiplatform.methods import Message

Row = Mapping[str, Any]
MISSING, EXISTS = 404, 409
"""Statuses."""
_ANSWERS_S = 30.0
_QUERY_S = 1800.0
_TABLE = 2
"""Dots in project.dataset.table."""
_DEFAULT_TABLE = "request_response_logging"


@dataclass(frozen=True, slots=True)
class BigQuery:
    """A client. Its errors of the network, and those of BigQuery that may pass, are OSErrors."""

    url: str

    def post(self, path: str, content: Row, *, timeout_s: float = _ANSWERS_S) -> dict[str, Any]:
        """The answer of a method.

        Args:
            path: From `projects/` on.
            content: The body.
            timeout_s: How long the answer may take.

        Raises:
            HTTPError: BigQuery refuses.
        """
        body = json.dumps(content).encode()
        return self._answer(path, timeout_s, data=body, headers={"Content-Type": "application/json"})

    def columns(self, table: str) -> Sequence[str]:
        """The columns of project.dataset.table, in order.

        Raises:
            ApiError: There is no such table.
        """
        project, dataset, name = table.split(".")
        try:
            found = self._answer(f"projects/{project}/datasets/{dataset}/tables/{name}", _ANSWERS_S)
        except urllib.error.HTTPError as error:
            if error.code == MISSING:
                raise not_found(f"table {table}") from error
            raise
        return [field["name"] for field in found["schema"]["fields"]]

    def query(self, project: str, sql: str) -> Sequence[Row]:
        """The rows of a query's result, each value as the text that BigQuery sends, or None.

        Raises:
            ApiError: BigQuery refuses the query, or knows no table of that name.
            OSError: It fails.
        """
        asked = {"query": sql, "useLegacySql": False, "timeoutMs": int(_QUERY_S * 1000)}
        try:
            found = self.post(f"projects/{project}/queries", asked, timeout_s=_QUERY_S)
        except urllib.error.HTTPError as error:
            if error.code == MISSING:
                raise not_found(_message(error)) from error
            if error.code < 500:
                raise invalid(_message(error)) from error
            raise
        for each in found.get("errors", ()):
            raise _refused(each)
        names = [field["name"] for field in found["schema"]["fields"]]
        return [dict(zip(names, (cell["v"] for cell in row["f"]), strict=True)) for row in found.get("rows", ())]

    def _answer(self, path: str, timeout_s: float, **given: Any) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/bigquery/v2/{path}", **given)  # noqa: S310 - the emulator's own address
        # No proxy, since it is this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=timeout_s) as answer:
            return dict(json.load(answer))


def log_table(endpoint: Message) -> str:
    """project.dataset.table of an endpoint's log; Vertex AI names the table where the destination does not.

    Source: io.proto, BigQueryDestination: `bq://project.dataset.table`, or without the table.
    """
    uri = endpoint.predict_request_response_logging_config.bigquery_destination.output_uri
    name = str(uri).removeprefix("bq://")
    return name if name.count(".") == _TABLE else f"{name}.{_DEFAULT_TABLE}"


def text(value: str) -> str:
    """A string in SQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"BigQuery answers {error.code}"


def _refused(error: Row) -> ApiError | OSError:
    message = str(error.get("message", error))
    match error.get("reason"):
        case "notFound":
            return not_found(message.removeprefix("Not found: "))
        case "invalid" | "invalidQuery":
            return invalid(message)
        case _:
            return OSError(message)
