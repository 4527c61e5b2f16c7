"""BigQuery's own answers about costs, which the emulator does not give: it says 0 bytes, and enforces no limit.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job (statistics, errorResult).
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

Json = Mapping[str, Any]


@dataclass(slots=True)
class Recorded:
    """A BigQuery that gives the same answers to every job, and remembers what it was asked."""

    client: bigquery.Client
    asked: list[Json] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Paths of what was removed."""

    def jobs(self, *, dry: bool) -> Sequence[Json]:
        """The configurations of the jobs that were only asked about, or that were meant to run."""
        found = [request["configuration"] for request in self.asked]
        return [configuration for configuration in found if bool(configuration.get("dryRun")) is dry]


@contextmanager
def recorded(*, estimate: int, error: Json | None = None) -> Iterator[Recorded]:
    """Serves while the block runs.

    Args:
        estimate: Bytes that a dry run reports.
        error: How a job that runs ends; None for well.
    """
    asked: list[Json] = []
    deleted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(request)
            self._answer(_job(request, estimate, error))

        def do_GET(self) -> None:
            self._answer({"kind": "bigquery#getQueryResultsResponse", "jobComplete": True, "totalRows": "0"})

        def do_DELETE(self) -> None:
            deleted.append(self.path.partition("?")[0])
            self._answer({})

        def _answer(self, answer: Json) -> None:
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        client = bigquery.Client(
            project="recorded",
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=f"http://127.0.0.1:{server.server_port}"),
        )
        try:
            with client:
                yield Recorded(client, asked, deleted)
        finally:
            server.shutdown()
            thread.join()


def _job(request: Json, estimate: int, error: Json | None) -> Json:
    dry = bool(request["configuration"].get("dryRun"))
    failed = {} if dry or error is None else {"errorResult": error, "errors": [error]}
    reference = request.get("jobReference", {"projectId": "recorded", "location": "US"})
    return {
        "kind": "bigquery#job",
        "id": "recorded:US.job",
        "jobReference": {"location": "US", **reference},
        "configuration": request["configuration"],
        "status": {"state": "DONE", **failed},
        "statistics": {
            "totalBytesProcessed": str(estimate),
            "query": {"totalBytesProcessed": str(estimate), "statementType": "CREATE_TABLE_AS_SELECT"},
        },
    }
