"""Several sources read at once: all items come, errors come through, and nobody is left behind."""

import threading
from collections.abc import Iterator

import pytest

from plumbline.streams import in_turn, together


def test_all_items_come_each_source_in_its_order() -> None:
    """How the sources mix is not defined, what is in them is."""
    found = list(together([range(100), range(100, 150), []], ahead=2))
    assert sorted(found) == list(range(150))
    assert [item for item in found if item < 100] == list(range(100))


def test_no_source_gives_nothing() -> None:
    """An empty table may have no stream at all."""
    assert not list(together([], ahead=1))


def test_sources_are_read_at_the_same_time() -> None:
    """Each waits until the other has begun: one after the other they would wait for ever."""
    meeting = threading.Barrier(2, timeout=10)

    def source() -> Iterator[int]:
        yield meeting.wait()

    assert sorted(together([source(), source()], ahead=1)) == [0, 1]


def test_an_error_of_a_source_is_raised_where_the_items_are_used() -> None:
    """It is the very exception."""

    def source() -> Iterator[int]:
        yield 1
        raise ValueError("the stream broke")

    with pytest.raises(ValueError, match="the stream broke"):
        list(together([source()], ahead=1))


def test_a_reader_that_stops_early_stops_the_threads() -> None:
    """An endless source ends once nobody wants its items."""
    before = threading.active_count()

    def endless() -> Iterator[int]:
        while True:
            yield 1

    items = together([endless(), endless()], ahead=1)
    assert isinstance(items, Iterator)
    assert next(items) == 1
    items.close()  # type: ignore[attr-defined] # it is a generator
    assert threading.active_count() == before


def test_no_more_than_the_allowed_items_wait() -> None:
    """A source is not read further than the queue is long: that is what keeps memory flat."""
    read: list[int] = []

    def source() -> Iterator[int]:
        for item in range(100):
            read.append(item)
            yield item

    for item in together([source()], ahead=2):
        # One that was taken, two that wait, one that is held out, one that is read.
        assert len(read) <= item + 4


def test_the_next_source_is_begun_when_the_one_before_is_read() -> None:
    """Not sooner, and beside what is still done with that: all items come, in order."""
    begun: list[str] = []
    ready = threading.Event()

    def source(name: str) -> Iterator[str]:
        begun.append(name)
        if name == "b":
            ready.set()
        yield from (f"{name}{i}" for i in range(3))

    sources = in_turn([source("a"), source("b"), iter(())])
    first = next(sources)
    assert next(first) == "a0"
    assert begun == ["a"]
    assert list(first) == ["a1", "a2"]
    assert ready.wait(10)
    assert [list(items) for items in sources] == [["b0", "b1", "b2"], []]


def test_an_error_at_the_begin_of_a_source_is_raised_where_its_items_are_used() -> None:
    """The source before it is read whole all the same."""
    sources = in_turn([iter([1, 2]), map(int, ["no number"])])
    assert list(next(sources)) == [1, 2]
    with pytest.raises(ValueError, match="no number"):
        next(next(sources))


def test_nothing_comes_after_a_source_that_is_not_read() -> None:
    """The next one is not even begun."""
    sources = in_turn([iter([1, 2]), iter([3])])
    assert next(next(sources)) == 1
    assert not list(sources)
