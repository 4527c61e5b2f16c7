"""A clock that is set forward by hand, and the machine's."""

import datetime as dt
import threading
import time

from emulator.clock import ManualClock, SystemClock

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
