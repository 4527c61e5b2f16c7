"""The store: what is put is there, in the order of names, also for another process after a kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulator.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a new file, in a folder that is not there yet."""
    made = Store(tmp_path / "state" / "vertex.sqlite")
    yield made
    made.close()


def test_what_is_put_last_is_there(store: Store) -> None:
    """By kind and name; a second put replaces the first."""
    store.put("a", "x", "1")
    store.put("b", "x", "2")
    store.put("a", "x", "3")
    assert (store.get("a", "x"), store.get("b", "x"), store.get("a", "y")) == ("3", "2", None)


def test_a_list_is_by_prefix_in_the_order_of_names(store: Store) -> None:
    """The prefix is text, not a pattern: _ and % stand for themselves, and case counts."""
    for name in ("p/b", "p/a", "q/a", "p_x", "P/a"):
        store.put("kind", name, name)
    assert store.list("kind", "p/") == ["p/a", "p/b"]
    assert store.list("kind", "p_") == ["p_x"]
    assert store.list("kind", "%") == []
    assert store.list("kind") == ["P/a", "p/a", "p/b", "p_x", "q/a"]
    assert store.list("other") == []


def test_deleting_says_whether_there_was_one(store: Store) -> None:
    """Once true, then false."""
    store.put("kind", "x", "1")
    assert [store.delete("kind", "x"), store.delete("kind", "x")] == [True, False]
    assert store.get("kind", "x") is None


def test_a_number_is_given_once(store: Store) -> None:
    """From 1001 on, also when many threads ask at once."""
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: int(store.next_number()), range(200)))
    assert sorted(numbers) == list(range(1001, 1201))


def test_a_store_is_opened_again(tmp_path: Path) -> None:
    """With what was in it, and numbers that go on."""
    first = Store(tmp_path / "store")
    first.put("kind", "x", "ü")
    assert first.next_number() == "1001"
    first.close()
    again = Store(tmp_path / "store")
    assert again.get("kind", "x") == "ü"
    assert again.next_number() == "1002"
    again.close()


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    """What a process has written is there after its SIGKILL: no commit is still to come."""
    code = (
        "import sys, time; from pathlib import Path; from emulator.store import Store; s = Store(Path(sys.argv[1]))\n"
    )
    code += "for n in range(50): s.put('kind', f'{n:02}', s.next_number())\nprint('done', flush=True); time.sleep(60)"
    path = tmp_path / "store"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        os.kill(process.pid, signal.SIGKILL)
    store = Store(path)
    assert store.list("kind") == [str(number) for number in range(1001, 1051)]
    assert store.next_number() == "1051"
    store.close()
