"""Requests that wait for the model at the same time are scored in one call.

A model takes about as long for one row as for a hundred. One thread owns it: as soon as it is free it takes whatever
has come, up to a number of rows, so that who comes alone never waits for company. A request of more rows than fit takes
turns with those behind it.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import numpy as np
import numpy.typing as npt

from plumbline.features import Arrays
from serving.app import Model

Floats = npt.NDArray[np.float64]


class OverloadedError(Exception):
    """More rows wait than the model will score in good time."""


@dataclass(slots=True, eq=False)
class _Job:
    """The rows of one request."""

    arrays: Arrays
    rows: int
    answer: asyncio.Future[Floats]
    taken: int = 0
    """Rows that are in a batch, or were."""
    scores: list[Floats] = field(default_factory=list)
    failed: bool = False
    """Some of its rows have, so that the others need no score."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """Rows of a job in a batch."""

    job: _Job
    start: int
    stop: int

    def arrays(self) -> Arrays:
        if self.stop - self.start == self.job.rows:
            return self.job.arrays
        return {name: values[self.start : self.stop] for name, values in self.job.arrays.items()}


class Batcher:
    """A model that many may ask at the same time, from one event loop."""

    def __init__(self, model: Model, *, rows: int, waiting: int, observe: Callable[[int], None]) -> None:
        """Asks the model for so many rows at once at most.

        Args:
            model: What is asked.
            rows: Of a batch, at most.
            waiting: Rows that may wait, of requests other than the one that is alone.
            observe: Told the rows of each batch, in the model's own thread.
        """
        self._model, self._rows, self._limit, self._observe = model, rows, waiting, observe
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Rows that have come and have no score yet."""
        return self._waiting

    @contextmanager
    def running(self) -> Iterator[None]:
        """The model's thread works within; what has come before the end is answered."""
        thread = threading.Thread(target=self._work, name="model", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._jobs.put(None)
            thread.join()

    async def score(self, arrays: Arrays) -> Floats:
        """The scores (n,) of raw columns, each of shape (n,).

        Raises:
            OverloadedError: Too many rows wait.
            ModelError: What the model raises for these very rows.
        """
        rows = len(next(iter(arrays.values())))
        if self._waiting and self._waiting + rows > self._limit:
            raise OverloadedError(f"{self._waiting:,} rows wait for the model already: ask again in a second")
        self._waiting += rows
        job = _Job(arrays, rows, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        try:
            return await job.answer
        finally:
            self._waiting -= rows

    def _work(self) -> None:
        pending: deque[_Job] = deque()
        ended = False
        while pending or not ended:
            ended = self._fill(pending) or ended
            if batch := _taken(pending, self._rows):
                self._score(batch)

    def _fill(self, pending: deque[_Job]) -> bool:
        """Adds what has come, and waits where there is nothing to do; whether it was the last."""
        try:
            while (job := self._jobs.get(block=not pending)) is not None:
                pending.append(job)
        except Empty:
            return False
        return True

    def _score(self, batch: Sequence[_Slice]) -> None:
        self._observe(sum(each.stop - each.start for each in batch))
        try:
            scores = self._model.score(_together([each.arrays() for each in batch]))
        except Exception as error:  # whatever it is, who asked is told
            if len(batch) > 1:
                # One request's rows are nobody else's misfortune.
                for each in batch:
                    self._score([each])
            else:
                batch[0].job.failed = True
                _tell([(batch[0].job, error)])
            return
        done: list[tuple[_Job, Floats | Exception]] = []
        start = 0
        for each in batch:
            job, stop = each.job, start + each.stop - each.start
            job.scores.append(scores[start:stop])
            start = stop
            if each.stop == job.rows:
                done.append((job, job.scores[0] if len(job.scores) == 1 else np.concatenate(job.scores)))
        if done:
            _tell(done)


def _taken(pending: deque[_Job], rows: int) -> Sequence[_Slice]:
    """The next batch; a job of which something is left goes to the end of the queue."""
    batch: list[_Slice] = []
    while pending and rows:
        job = pending.popleft()
        if job.failed or job.answer.done():
            continue
        stop = min(job.rows, job.taken + rows)
        batch.append(_Slice(job, job.taken, stop))
        rows -= stop - job.taken
        job.taken = stop
        if stop < job.rows:
            pending.append(job)
    return batch


def _together(parts: Sequence[Arrays]) -> Arrays:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _tell(done: Sequence[tuple[_Job, Floats | Exception]]) -> None:
    """Wakes those who wait, in their own thread: once for all of a batch."""
    done[0][0].answer.get_loop().call_soon_threadsafe(_resolve, done)


def _resolve(done: Sequence[tuple[_Job, Floats | Exception]]) -> None:
    for job, found in done:
        if job.answer.done():
            continue
        if isinstance(found, Exception):
            job.answer.set_exception(found)
        else:
            job.answer.set_result(found)
