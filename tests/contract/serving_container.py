"""A serving container for tests, in the standard library alone so that it starts at once.

It predicts for each instance which variables it was started with and the instance. What it is to do wrong is said by
variables of its own: FAIL ends it with that message, SICK makes it answer 503 on its health route, SLOW holds its start
up for so many seconds, WORK makes each prediction cost so many seconds of CPU time, and LONG lets each take so many
seconds without any.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers under the contract of Vertex AI."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The health route."""
        healthy = self.path == os.environ["AIP_HEALTH_ROUTE"] and "SICK" not in os.environ
        self._answer(200 if healthy else 503, {})

    def do_POST(self) -> None:
        """The predict route."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != os.environ["AIP_PREDICT_ROUTE"]:
            self._answer(404, {"error": self.path})
        elif self.headers["Content-Type"] != "application/json":
            self._answer(200, {"raw": body.decode(), "type": self.headers["Content-Type"]})
        else:
            self._predict(json.loads(body))

    def log_message(self, *_: object) -> None:
        """Nothing: the log is for what goes wrong."""

    def _predict(self, request: dict[str, list[object]]) -> None:
        if request["instances"] == ["bad"]:
            self._answer(400, {"error": "a bad instance"})
        elif request["instances"] == ["odd"]:
            self._answer(200, {"answers": []})
        elif request["instances"] == ["broken"]:
            self._answer(500, {"error": "out of order"})
        else:
            _work(float(os.environ.get("WORK", "0")))
            time.sleep(float(os.environ.get("LONG", "0")))
            known = {name: value for name, value in os.environ.items() if name.startswith(("AIP_", "OWN"))}
            same = {
                "env": known,
                "pid": os.getpid(),
                "port": self.client_address[1],
                "arguments": sys.argv[1:],
                "parameters": request.get("parameters"),
            }
            self._answer(200, {"predictions": [{**same, "instance": instance} for instance in request["instances"]]})

    def _answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        # In one piece: on a connection that is kept, a second one waits until the first has been acknowledged.
        self.wfile.write(head.encode() + body)


def _work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


if __name__ == "__main__":
    if "FAIL" in os.environ:
        sys.exit(os.environ["FAIL"])
    time.sleep(float(os.environ.get("SLOW", "0")))
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
