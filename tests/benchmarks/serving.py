"""How fast a replica answers, against the same SavedModel behind FastAPI, and what it takes of the machine.

Servers and callers share the machine, and all figures of a comparison are of one run.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

from tests.benchmarks.serving_load import Found, Order
from tests.benchmarks.serving_process import PREDICT, Container, bodies, example, peer, process

_CALLERS, _SECONDS, _ROUNDS = 32, 3.0, 5
_MILLION, _AT_ONCE = 1_000_000, 100
"""Predictions, and how many of them a request asks for."""
_WARM = 100_000
"""Predictions before memory is read for the first time."""


def measure() -> Sequence[tuple[str, str, str]]:
    """What was wanted and what was measured."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        given = example(Path(scratch))
        container, other = stack.enter_context(process(given)), stack.enter_context(peer(given))
        one = Order(container.port, PREDICT, str(bodies(given.instances, 1, Path(scratch))), _SECONDS, _CALLERS)
        many = replace(one, bodies=str(bodies(given.instances, _AT_ONCE, Path(scratch))))
        resident = container.resident_mb()
        return [
            ("start to healthy", "at most 8 s", f"{container.healthy_s:.1f} s"),
            *_compared(one, other),
            *_memory(container, many, resident),
        ]


def _compared(one: Order, other: int) -> Sequence[tuple[str, str, str]]:
    """Rates of ours and of the peer's two handlers, in turns; and how long ours takes at half its rate."""
    orders = {
        "ours": one,
        "async": replace(one, port=other, route="/async"),
        "sync": replace(one, port=other, route="/sync"),
    }
    for order in orders.values():
        _ask(replace(order, seconds=1.0))
    rounds: list[Mapping[str, float]] = []
    half: list[Found] = []
    for _ in range(_ROUNDS):
        rounds.append({name: _ask(order).rate for name, order in orders.items()})
        half.append(_ask(replace(one, callers=2 * _CALLERS, rate=rounds[-1]["ours"] / 2)))
    alone = _ask(replace(one, callers=1))
    rate = {name: median(each[name] for each in rounds) for name in orders}
    ratios = sorted(each["ours"] / max(each["async"], each["sync"]) for each in rounds)
    told = f"{median(ratios):.1f} times, {ratios[0]:.1f} to {ratios[-1]:.1f} in {_ROUNDS} rounds"
    return [
        ("requests of one instance, against FastAPI one request at a time", "at least 5 times", told),
        ("requests a second", "", ", ".join(f"{name} {value:,.0f}" for name, value in rate.items())),
        *(
            (f"at half its rate: p{q}", f"at most {wanted} ms", _spread([each.milliseconds[q] for each in half]))
            for q, wanted in (("50", 3), ("99", 10))
        ),
        ("a caller alone: p50", "", f"{alone.milliseconds['50']:.1f} ms"),
    ]


def _memory(container: Container, many: Order, resident: float) -> Sequence[tuple[str, str, str]]:
    _ask(replace(many, total=_WARM // _AT_ONCE))
    before = container.resident_mb()
    found = _ask(replace(many, total=_MILLION // _AT_ONCE))
    after = container.resident_mb()
    return [
        ("resident memory", "at most 900 MB", f"{resident:.0f} MB once healthy, {after:.0f} MB in the end"),
        ("a million predictions: memory more than before", "0 MB", f"{after - before:+.1f} MB"),
        (f"predictions a second, {_AT_ONCE} a request", "", f"{found.rate * _AT_ONCE:,.0f}"),
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.1f} ms, {min(values):.1f} to {max(values):.1f}"


def _ask(order: Order) -> Found:
    """What callers in a process of their own find.

    Raises:
        SystemExit: Not each request was answered well.
    """
    argv = [sys.executable, "-m", "tests.benchmarks.serving_load", json.dumps(asdict(order))]
    told = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = Found(**json.loads(told))
    if set(found.statuses) != {"200"}:
        raise SystemExit(f"not all is answered: {found.statuses}")
    return found
