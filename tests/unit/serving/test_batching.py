"""Requests that wait together are scored together, each as if it were alone."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from plumbline.errors import ModelError
from plumbline.features import Arrays
from serving.batching import Batcher, OverloadedError

Floats = npt.NDArray[np.float64]


@dataclass
class Slow:
    """Scores x, once it may; it keeps count. A negative x is more than it can do."""

    may: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def score(self, arrays: Arrays) -> Floats:
        """The values of x."""
        self.begun.set()
        assert self.may.wait(10)
        self.threads.add(threading.get_ident())
        x = arrays["x"].astype(np.float64)
        self.batches.append(len(x))
        if (x < 0).any():
            raise ModelError("a negative x")
        return x


def rows(*values: float) -> Arrays:
    """Raw columns of these values of x."""
    return {"x": np.array(values, np.float32)}


def run(model: Slow, order: Callable[[Batcher], Awaitable[None]], *, size: int = 100, waiting: int = 1000) -> None:
    """Does something with a batcher of a model."""

    async def within() -> None:
        await order(batcher)

    batcher = Batcher(model, rows=size, waiting=waiting, observe=lambda _: None)
    with batcher.running():
        asyncio.run(within())


async def busy(batcher: Batcher, model: Slow) -> asyncio.Task[Floats]:
    """A request that the model is at, and that it does not finish before it may."""
    first = asyncio.create_task(batcher.score(rows(0)))
    await asyncio.to_thread(model.begun.wait, 10)
    return first


async def queued(batcher: Batcher, requests: Sequence[Arrays]) -> list[asyncio.Task[Floats]]:
    """Requests that wait."""
    tasks = [asyncio.create_task(batcher.score(each)) for each in requests]
    await asyncio.sleep(0)
    return tasks


def test_who_comes_while_the_model_is_busy_is_scored_in_one_call() -> None:
    """The first is alone, the five that wait for it go together, and each gets its own scores."""
    model = Slow()

    async def order(batcher: Batcher) -> None:
        first = await busy(batcher, model)
        others = await queued(batcher, [rows(i, i + 0.5) for i in range(1, 6)])
        assert batcher.waiting == 11
        model.may.set()
        assert (await first).tolist() == [0]
        assert [(await each).tolist() for each in others] == [[i, i + 0.5] for i in range(1, 6)]
        assert batcher.waiting == 0

    run(model, order)
    assert model.batches == [1, 10]
    assert len(model.threads) == 1


def test_a_batch_has_no_more_rows_than_it_may_and_a_small_request_does_not_wait_for_a_large_one() -> None:
    """Of 25 rows ten are scored, then the small request with the next ones, and the rest in the end, in their order."""
    model = Slow()

    async def order(batcher: Batcher) -> None:
        first = await busy(batcher, model)
        large, small = await queued(batcher, [rows(*range(25)), rows(99)])
        model.may.set()
        assert (await small).tolist() == [99]
        assert (await large).tolist() == list(range(25))
        await first

    run(model, order, size=10)
    assert model.batches == [1, 10, 10, 6]


def test_a_failure_is_that_of_its_own_request() -> None:
    """The batch fails, each request of it is scored again alone, and one of them fails."""
    model = Slow()

    async def order(batcher: Batcher) -> None:
        first = await busy(batcher, model)
        good, bad, also = await queued(batcher, [rows(1), rows(2, -1), rows(3)])
        model.may.set()
        await first
        assert (await good).tolist() == [1]
        assert (await also).tolist() == [3]
        with pytest.raises(ModelError, match="a negative x"):
            await bad

    run(model, order)


def test_a_large_request_that_fails_midway_fails_once_and_is_not_gone_on_with() -> None:
    """Its later rows are not scored, and the next request is answered."""
    model = Slow()

    async def order(batcher: Batcher) -> None:
        model.may.set()
        with pytest.raises(ModelError):
            await batcher.score(rows(-1, *range(30)))
        assert (await batcher.score(rows(7))).tolist() == [7]
        assert batcher.waiting == 0

    run(model, order, size=10)
    assert model.batches == [10, 1]


def test_too_many_rows_do_not_wait() -> None:
    """Who comes then is refused at once; a request that is alone is taken, however large."""
    model = Slow()

    async def order(batcher: Batcher) -> None:
        alone = asyncio.create_task(batcher.score(rows(*range(50))))
        await asyncio.to_thread(model.begun.wait, 10)
        with pytest.raises(OverloadedError, match="50 rows wait for the model already"):
            await batcher.score(rows(1))
        model.may.set()
        assert len(await alone) == 50

    run(model, order, waiting=20)


def test_what_has_come_before_the_end_is_answered() -> None:
    """Leaving the block waits for the model, not for luck."""
    model = Slow()

    async def order(batcher: Batcher) -> None:
        tasks = await queued(batcher, [rows(i) for i in range(5)])
        batcher._jobs.put(None)
        model.may.set()
        assert [(await each).tolist() for each in tasks] == [[i] for i in range(5)]

    run(model, order)
