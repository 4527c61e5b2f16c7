"""Vertex AI's AutoML as far as its wire goes, which the emulator does not have: requests are Google's own messages.

It learns nothing. A training and a batch prediction go on for as many looks as is said, and end as is said.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest (datasets, trainingPipelines, batchPredictionJobs).
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from google.protobuf import json_format

from emulator.aiplatform import methods, wire
from emulator.aiplatform.methods import Message

_TABLE = methods.load()
_KINDS = {"Dataset": "datasets", "TrainingPipeline": "trainingPipelines", "BatchPredictionJob": "batchPredictionJobs"}
_DONE = {"TrainingPipeline": "PIPELINE_STATE_{}", "BatchPredictionJob": "JOB_STATE_{}"}


@dataclass(slots=True)
class AutoMLService:
    """What is there, and what was asked for."""

    predict: Callable[[Message], tuple[str, str]]
    """Carries out a batch prediction; gives the names of the BigQuery dataset and table."""
    ends: dict[str, str] = field(default_factory=dict)
    """How each kind ends, where not well."""
    refuses: frozenset[str] = frozenset()
    """Methods that are forbidden."""
    looks: int = 2
    """How often a job is still found running."""
    address: str = ""
    """URL, while it serves."""
    calls: list[str] = field(default_factory=list)
    """Names of methods, in order."""
    asked: list[Message] = field(default_factory=list)
    """What was created, as it was asked for."""
    there: dict[str, Message] = field(default_factory=dict)
    """What exists, by name."""

    def answer(self, verb: str, path: str, body: bytes) -> tuple[int, str]:
        """The status and the content of an answer."""
        parts = urlsplit(path)
        found = methods.find(_TABLE, verb, parts.path)
        if found is None:
            return 404, json.dumps({"error": {"code": 404, "message": parts.path, "status": "NOT_FOUND"}})
        method, fields = found
        request = wire.parse(method, fields, parse_qs(parts.query), body)
        self.calls.append(method.name)
        if method.name in self.refuses:
            return 403, json.dumps({"error": {"code": 403, "message": "not allowed", "status": "PERMISSION_DENIED"}})
        for start in ("Create", "List", "Get", "Cancel", "Delete"):
            if method.name.startswith(start):
                handler: Callable[[str, Message], str] = getattr(self, f"_{start.lower()}")
                return 200, handler(method.name.removeprefix(start), request)
        return 501, json.dumps({"error": {"code": 501, "message": method.name, "status": "UNIMPLEMENTED"}})

    def _create(self, kind: str, request: Message) -> str:
        body = next(value for field, value in request.ListFields() if field.name != "parent")
        made = type(body)()
        made.CopyFrom(body)
        made.name = f"{request.parent}/{_KINDS[kind]}/{len(self.asked) + 1}"
        self.asked.append(body)
        self.there[made.name] = made
        return _operation(made) if kind == "Dataset" else wire.to_json(made)

    def _list(self, kind: str, request: Message) -> str:
        """By the label that the filter wants."""
        kind = kind.removesuffix("s")
        label, _, value = request.filter.removeprefix("labels.").partition("=")
        found = [
            json.loads(wire.to_json(each))
            for name, each in self.there.items()
            if _KINDS[kind] in name and each.labels[label] == value.strip('"')
        ]
        return json.dumps({_KINDS[kind]: found})

    def _get(self, kind: str, request: Message) -> str:
        job = self.there[request.name]
        if self.calls.count(f"Get{kind}") > self.looks and not job.HasField("end_time"):
            job.end_time.GetCurrentTime()
            ends = self.ends.get(kind, "SUCCEEDED")
            states = type(job).DESCRIPTOR.fields_by_name["state"].enum_type.values_by_name
            job.state = states[_DONE[kind].format(ends)].number
            job.error.message = "" if ends == "SUCCEEDED" else f"it {ends.lower()}"
            self._carry_out(kind, job)
        return wire.to_json(job)

    def _carry_out(self, kind: str, job: Message) -> None:
        if self.ends.get(kind):
            return
        if kind == "TrainingPipeline":
            job.model_to_upload.name = f"{job.name.partition('/trainingPipelines')[0]}/models/9"
            self.there[job.model_to_upload.name] = job.model_to_upload
        else:
            dataset, job.output_info.bigquery_output_table = self.predict(job)
            job.output_info.bigquery_output_dataset = f"bq://{dataset}"

    def _cancel(self, kind: str, _request: Message) -> str:
        self.ends[kind] = "CANCELLED"
        return "{}"

    def _delete(self, _kind: str, request: Message) -> str:
        del self.there[request.name]
        return _operation(None)

    def deleted(self) -> Sequence[str]:
        """What was removed, in order."""
        return [call.removeprefix("Delete") for call in self.calls if call.startswith("Delete")]


def _operation(response: Message | None) -> str:
    kind = "google.protobuf.Empty" if response is None else response.DESCRIPTOR.full_name
    content = {} if response is None else json_format.MessageToDict(response)
    done = {"@type": f"type.googleapis.com/{kind}", **content}
    return json.dumps({"name": "projects/p/locations/l/operations/1", "done": True, "response": done})


@contextmanager
def serving(service: AutoMLService) -> Iterator[AutoMLService]:
    """Serves while the block runs, at the service's address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = service.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content.encode())))
            self.end_headers()
            self.wfile.write(content.encode())

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        service.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
