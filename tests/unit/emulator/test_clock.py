"""A clock that is set forward by hand, and the machine's."""

import datetime as dt
import threading
import time
from pathlib import Path

import pytest

from emulator.clock import ManualClock, SettableClock, SystemClock

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def test_a_manual_clock_stands_until_it_is_set_forward() -> None:
    """And tells UTC, whatever zone it was given."""
    clock = ManualClock(START.astimezone(dt.timezone(dt.timedelta(hours=5))))
    assert (clock.now(), clock.now().tzinfo) == (START, dt.UTC)
    clock.advance(DAY)
    assert clock.now() == START + DAY


def test_a_sleeper_wakes_when_enough_time_has_passed() -> None:
    """Not before, and not by the machine's time."""
    clock, woken = ManualClock(START), threading.Event()

    def sleep() -> None:
        clock.sleep(DAY.total_seconds())
        woken.set()

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    while not clock._waiting:
        time.sleep(0.001)
    clock.advance(DAY - dt.timedelta(seconds=1))
    assert not woken.wait(0.05)
    clock.advance(dt.timedelta(seconds=1))
    assert woken.wait(5.0)


def test_a_wait_ends_when_the_moment_has_come_or_the_event_is_set() -> None:
    """A moment that has passed is not waited for at all."""
    clock, event = ManualClock(START), threading.Event()
    clock.wait(event, START)
    assert not event.is_set()
    event.set()
    clock.wait(event, START + DAY)
    clock.wait(event, None)
    assert not clock._waiting


def test_the_machine_s_clock_waits_no_longer_than_it_is_told() -> None:
    """Until the moment, or until it is woken."""
    clock, event = SystemClock(), threading.Event()
    start = time.monotonic()
    clock.wait(event, clock.now() + dt.timedelta(seconds=0.05))
    clock.wait(event, clock.now() - DAY)
    assert 0.04 <= time.monotonic() - start < 5.0
    event.set()
    clock.wait(event, None)
    assert time.monotonic() - start < 5.0


def test_a_settable_clock_goes_on_from_its_own_moment(tmp_path: Path) -> None:
    """As fast as the machine's, and forward by as much as one likes."""
    clock = SettableClock(START, tmp_path / "clock.json")
    assert START <= clock.now() < START + dt.timedelta(seconds=5)
    clock.set_to(START + 300 * DAY)
    assert START + 300 * DAY <= clock.now() < START + 300 * DAY + dt.timedelta(seconds=5)
    assert clock.now().tzinfo == dt.UTC
    with pytest.raises(ValueError, match="cannot be set back to 2026-03-02"):
        clock.set_to(START)


def test_a_settable_clock_goes_on_after_a_restart(tmp_path: Path) -> None:
    """From where it was, and not from where it began."""
    SettableClock(START, tmp_path / "clock.json").set_to(START + DAY)
    assert SettableClock(START, tmp_path / "clock.json").now() >= START + DAY
    assert SettableClock(START + 2 * DAY, tmp_path / "clock.json").now() >= START + 2 * DAY


def test_who_sleeps_by_a_settable_clock_is_woken_when_it_is_set(tmp_path: Path) -> None:
    """A day passes in a moment, for sleepers and for those who wait for a moment."""
    clock, woken = SettableClock(START, tmp_path / "clock.json"), threading.Event()

    def sleep() -> None:
        clock.sleep(DAY.total_seconds())
        while clock.now() < START + 2 * DAY:
            clock.wait(threading.Event(), START + 2 * DAY)
        woken.set()

    threading.Thread(target=sleep, daemon=True).start()
    assert not woken.wait(0.1)
    clock.set_to(START + DAY + dt.timedelta(minutes=1))
    assert not woken.wait(0.1)
    clock.set_to(START + 2 * DAY)
    assert woken.wait(5.0)
