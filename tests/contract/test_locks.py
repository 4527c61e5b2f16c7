"""Locks as objects in Cloud Storage's emulator: one holder at a time, and a dead one's lock is taken over once."""

import datetime as dt
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from plumbline.adapters.clients import Clients
from plumbline.adapters.locks import STALE_S, held
from plumbline.adapters.storage import ensure_bucket
from plumbline.environment import Place
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import fresh

NOW = dt.datetime(2013, 11, 8, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Clients:
    """Clients with a bucket of this module's own."""
    place = Place(project=PROJECT, location=LOCATION, bucket=fresh("locks"), dataset="d", bigquery_location=LOCATION)
    ensure_bucket(emulator.storage(), place)
    return Clients(place, emulator.environment)


def together(clients: Clients, name: str, now: dt.datetime, callers: int) -> Sequence[bool]:
    """Who of several callers at the same moment holds a lock, while all of them are at it."""
    barrier = threading.Barrier(callers)

    def call(number: int) -> bool:
        storage = clients.storage()
        barrier.wait(20)
        with held(storage, clients.place.bucket, name, now=now, holder=str(number)) as ours:
            barrier.wait(20)
            return ours

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(call, range(callers)))


def test_one_of_many_callers_holds_a_lock(clients: Clients) -> None:
    """Eight at the same moment, ten times over; it is free again every time."""
    for _ in range(10):
        assert sum(together(clients, "many", NOW, 8)) == 1


def test_a_lock_that_was_left_behind_is_taken_over_once(clients: Clients) -> None:
    """Not before its time, by the time that the callers go by; then by one of eight."""
    name = "left"
    clients.storage().bucket(clients.place.bucket).blob(name).upload_from_string(f"{NOW.isoformat()} dead")
    before = NOW + dt.timedelta(seconds=STALE_S - 1)
    assert sum(together(clients, name, before, 2)) == 0
    assert sum(together(clients, name, NOW + dt.timedelta(seconds=STALE_S), 8)) == 1
    assert sum(together(clients, name, NOW, 8)) == 1


def test_a_lock_is_free_after_a_failure(clients: Clients) -> None:
    """Whatever the holder dies of."""
    with pytest.raises(ZeroDivisionError), held(clients.storage(), clients.place.bucket, "e", now=NOW, holder="a"):
        raise ZeroDivisionError
    with held(clients.storage(), clients.place.bucket, "e", now=NOW, holder="b") as ours:
        assert ours


def test_who_was_taken_over_from_frees_nothing(clients: Clients) -> None:
    """A holder that was very slow finds another's lock at the end, and leaves it."""
    late = NOW + dt.timedelta(seconds=STALE_S)
    bucket = clients.place.bucket
    with held(clients.storage(), bucket, "slow", now=NOW, holder="slow") as slow:
        taker = held(clients.storage(), bucket, "slow", now=late, holder="quick")
        assert taker.__enter__()
        assert slow
    with held(clients.storage(), bucket, "slow", now=late, holder="third") as third:
        assert not third
    taker.__exit__(None, None, None)
