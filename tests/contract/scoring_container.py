"""A serving container for tests: each instance gets the score SCORE of its environment; without it, it ends at once."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers under the contract of Vertex AI."""

    def do_GET(self) -> None:
        """The health route."""
        self._answer({})

    def do_POST(self) -> None:
        """The predict route."""
        instances = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        self._answer({"predictions": [{"score": float(os.environ["SCORE"])} for _ in instances]})

    def log_message(self, *_: object) -> None:
        """Nothing: the log is for what goes wrong."""

    def _answer(self, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if "SCORE" not in os.environ:
        sys.exit("no score to serve")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
