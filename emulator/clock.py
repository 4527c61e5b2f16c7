"""Time, as everything in the emulator sees it."""

import datetime as dt
import threading
import time
from typing import Protocol

_LONGEST_WAIT_S = 60.0
"""A machine that was suspended, or whose clock was set, is noticed after that."""


class Clock(Protocol):
    """Says what time it is, and lets time pass."""

    def now(self) -> dt.datetime:
        """The moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after that many seconds."""
        ...


class WakingClock(Clock, Protocol):
    """A clock by which one can sleep and still be woken."""

    def wait(self, woken: threading.Event, until: dt.datetime | None) -> None:
        """Returns once an event is set, or a moment has come, or before: look at the time.

        Args:
            woken: Set by whoever wants the wait to end.
            until: None is for ever.
        """
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> dt.datetime:
        """The moment, in UTC."""
        return dt.datetime.now(dt.UTC)

    def sleep(self, seconds: float) -> None:
        """Returns after that many seconds."""
        time.sleep(seconds)

    def wait(self, woken: threading.Event, until: dt.datetime | None) -> None:
        """Returns once the event is set, or the moment has come, or after a minute."""
        seconds = _LONGEST_WAIT_S if until is None else (until - self.now()).total_seconds()
        woken.wait(min(max(seconds, 0.0), _LONGEST_WAIT_S))


class ManualClock:
    """A clock that stands until it is set forward: a week passes in a moment. Safe to use from any thread."""

    def __init__(self, start: dt.datetime) -> None:
        """A clock that stands at a moment; it has to have a time zone."""
        self._now = start.astimezone(dt.UTC)
        self._lock = threading.Lock()
        self._waiting: list[tuple[dt.datetime, threading.Event]] = []

    def now(self) -> dt.datetime:
        """The moment, in UTC."""
        with self._lock:
            return self._now

    def advance(self, by: dt.timedelta) -> None:
        """Sets the clock forward, and wakes whoever has slept enough by then."""
        with self._lock:
            self._now += by
            over = [event for until, event in self._waiting if until <= self._now]
            self._waiting = [(until, event) for until, event in self._waiting if until > self._now]
        for event in over:
            event.set()

    def sleep(self, seconds: float) -> None:
        """Returns once the clock was set forward by that many seconds."""
        self.wait(threading.Event(), self.now() + dt.timedelta(seconds=seconds))

    def wait(self, woken: threading.Event, until: dt.datetime | None) -> None:
        """Returns once the event is set: by others, or by this clock when it was set forward far enough."""
        if until is not None:
            with self._lock:
                if until <= self._now:
                    return
                self._waiting.append((until, woken))
        woken.wait()
        with self._lock:
            self._waiting = [(until, event) for until, event in self._waiting if event is not woken]
