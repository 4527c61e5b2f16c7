"""Callers of a prediction server, in a process of their own: `python -m tests.benchmarks.serving_load ORDER`.

One thread on plain sockets: what the callers take of the machine is taken from the server, so it must be little.
"""

import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

_READ = 1 << 18


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked, and how."""

    port: int
    route: str
    bodies: str
    """A file with a list of request bodies; callers take them in turn."""
    seconds: float
    callers: int
    """Connections; each has one request under way at most."""
    rate: float = 0.0
    """Requests a second, at random times; at 0 each caller asks again as soon as it has its answer."""
    total: int = 0
    """Ends after so many requests, 0: after the time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came back."""

    rate: float
    """Answers a second."""
    milliseconds: Mapping[str, float]
    """From when a request was due to its answer, by percentile."""
    statuses: Mapping[str, int]


@dataclass(slots=True, eq=False)
class _Caller:
    connection: socket.socket
    since: float = 0.0
    got: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        return self.connection.fileno()

    def answer(self) -> str:
        """The status of an answer, empty while it is not complete."""
        part = self.connection.recv(_READ)
        if not part:
            raise ConnectionError("the server has hung up")
        self.got += part
        head, separator, body = bytes(self.got).partition(b"\r\n\r\n")
        if not separator:
            return ""
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) < length:
            return ""
        self.got.clear()
        return head[9:12].decode()


def load(order: Order) -> Found:
    """Asks as ordered."""
    bodies = [json.dumps(body).encode() for body in json.loads(Path(order.bodies).read_text(encoding="utf-8"))]
    head = f"POST {order.route} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: "
    requests = [head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]
    free = deque(_Caller(_connected(order.port)) for _ in range(order.callers))
    busy: set[_Caller] = set()
    gaps = np.random.default_rng(7).exponential(1 / order.rate if order.rate else 0, 100_000)
    taken: list[float] = []
    statuses: dict[str, int] = {}
    sent, start = 0, time.perf_counter()
    due, end = start, start + order.seconds
    while True:
        now = time.perf_counter()
        is_on = sent < order.total if order.total else now < end
        if not is_on and not busy:
            break
        while is_on and free and (not order.rate or due <= now):
            caller = free.popleft()
            caller.since = due if order.rate else time.perf_counter()
            caller.connection.sendall(requests[sent % len(requests)])
            busy.add(caller)
            sent += 1
            due += gaps[sent % len(gaps)]
        # A wait of microseconds, which epoll does not have.
        ready, _, _ = select.select(busy, [], [], max(0.0, due - now) if order.rate and free else 0.1)
        for caller in ready:
            if status := caller.answer():
                taken.append(time.perf_counter() - caller.since)
                statuses[status] = statuses.get(status, 0) + 1
                busy.remove(caller)
                free.append(caller)
    rate = len(taken) / (time.perf_counter() - start)
    return Found(rate, {str(q): float(np.percentile(taken, q)) * 1000 for q in (50, 90, 99)}, statuses)


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def main(arguments: Sequence[str]) -> None:
    """Prints what was found, as JSON."""
    sys.stdout.write(json.dumps(asdict(load(Order(**json.loads(arguments[0]))))))


if __name__ == "__main__":
    main(sys.argv[1:])
