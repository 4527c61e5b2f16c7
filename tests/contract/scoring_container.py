"""A serving container for tests: each instance gets the score SCORE of its environment; without it, it ends at once.

Its environment may spoil it: DELAY_S makes it slow, and after AFTER requests it gives THEN, a score or a status.
"""

import itertools
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_STATUS = 100.0
"""What is at least this is a status, and no score."""
_requests = itertools.count()


class Handler(BaseHTTPRequestHandler):
    """Answers under the contract of Vertex AI."""

    def do_GET(self) -> None:
        """The health route."""
        self._answer({})

    def do_POST(self) -> None:
        """The predict route."""
        instances = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        is_late = next(_requests) >= int(os.environ.get("AFTER", "1000000"))
        given = float(os.environ["THEN" if is_late else "SCORE"])
        time.sleep(float(os.environ.get("DELAY_S", "0")))
        if given >= _STATUS:
            self._answer({"error": "spoilt"}, int(given))
        else:
            self._answer({"predictions": [{"score": given} for _ in instances]})

    def log_message(self, *_: object) -> None:
        """Nothing: the log is for what goes wrong."""

    def _answer(self, content: dict[str, object], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if "SCORE" not in os.environ:
        sys.exit("no score to serve")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
