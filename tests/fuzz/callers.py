"""What a server answers to a wrong request, and whether that is an answer."""

import http.client
import json
from collections.abc import Mapping
from contextlib import suppress

DEFINED = {200, 400, 413, 415}
"""What a request may be answered whatever it is."""


class Caller:
    """One connection that is kept, to one route of a server on this machine."""

    def __init__(self, port: int, route: str) -> None:
        """Not connected yet."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._route = route

    def ask(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer, which is a complete one.

        Raises:
            AssertionError: It is not defined, or does not say what is wrong.
        """
        sent = {name: value.encode("utf-8") for name, value in headers.items()}
        self._connection.request("POST", self._route, body=body, headers=sent)
        response = self._connection.getresponse()
        content = json.loads(response.read())
        assert response.status in DEFINED, f"{response.status} {content} for {body!r}"
        if response.status == 200:
            asked = json.loads(body)["instances"]
            assert len(content["predictions"]) == len(asked), f"{content} for {body!r}"
            assert all(0 <= each["score"] <= 1 for each in content["predictions"])
        else:
            assert content["error"], f"{response.status} without a reason for {body!r}"
        return response.status

    def close(self) -> None:
        """Hangs up."""
        with suppress(OSError):
            self._connection.close()
