"""Iterables read by threads: the network, the disk and compiled kernels go on beside what is done with the items."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK_S = 0.05
"""How long a thread that can put nothing waits before it looks whether anybody still wants it."""


@dataclass(frozen=True, slots=True)
class _End:
    """The end of one source; with the exception that ended it, or None."""

    error: BaseException | None


@dataclass(frozen=True, slots=True)
class _Source(Generic[T]):
    """What one thread reads, and where it puts it."""

    items: Iterable[T]
    queue: Queue[T | _End]
    stop: Event

    def run(self) -> None:
        error: BaseException | None = None
        try:
            for item in self.items:
                self._put(item)
                del item  # large, and not needed while the next one is read
                if self.stop.is_set():
                    return
        except BaseException as raised:
            # It is raised where the items are used.
            error = raised
        self._put(_End(error))

    def _put(self, item: T | _End) -> None:
        while not self.stop.is_set():
            try:
                return self.queue.put(item, timeout=_LOOK_S)
            except Full:
                continue
        return None


def together(sources: Sequence[Iterable[T]], *, ahead: int) -> Iterator[T]:
    """The items of all sources, each source read by a thread of its own; their order is that of one source only.

    Whatever a source raises is raised here. When the iterator is closed before its end, the threads end as well, each
    after the item that it is reading.

    Args:
        sources: What to read.
        ahead: How many items may wait at once: more of them only cost memory.
    """
    queue: Queue[T | _End] = Queue(ahead)
    stop = Event()
    threads = [Thread(target=_Source(source, queue, stop).run, daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    try:
        yield from _received(queue, len(threads))
    finally:
        stop.set()
        _drain(queue)
        for thread in threads:
            thread.join()


def _received(queue: Queue[T | _End], sources: int) -> Iterator[T]:
    while sources:
        item = queue.get()
        if not isinstance(item, _End):
            yield item
            del item
        elif item.error is not None:
            raise item.error
        else:
            sources -= 1


def _drain(queue: Queue[T | _End]) -> None:
    """A thread that waits to put something need not wait until it looks again."""
    while True:
        try:
            queue.get_nowait()
        except Empty:
            return


def in_turn(sources: Iterable[Iterator[T]]) -> Iterator[Iterator[T]]:
    """Each source in turn; a thread begins the next one once the one before is read, whatever is still done with that.

    Nothing comes after a source that is not read to its end.
    """
    waiting = deque(sources)
    begun: deque[tuple[Future[list[T]], Iterator[T]]] = deque()
    with ThreadPoolExecutor(1) as pool:

        def begin() -> None:
            if waiting:
                source = waiting.popleft()
                begun.append((pool.submit(_first, source), source))

        def items(first: Future[list[T]], source: Iterator[T]) -> Iterator[T]:
            yield from chain(first.result(), source)
            begin()

        begin()
        while begun:
            yield items(*begun.popleft())


def _first(source: Iterator[T]) -> list[T]:
    return list(islice(source, 1))
