"""Time, as everything in the emulator sees it."""

import datetime as dt
import json
import threading
import time
from pathlib import Path
from typing import Protocol

_LONGEST_WAIT_S = 60.0
"""A machine that was suspended, or whose clock was set, is noticed after that."""
_GLANCE_S = 0.05
"""A clock that others set forward is looked at that often."""


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


class SettableClock:
    """A clock that goes on as the machine's does, from a moment of its own, and can be set forward, never back.

    What it was set to is kept in a file, so that it goes on from there after a restart. Safe to use from any thread.
    """

    def __init__(self, start: dt.datetime, file: Path) -> None:
        """A clock that shows `start` now, unless the file says that it was further."""
        self._file = file
        self._ahead = start - dt.datetime.now(dt.UTC)
        if file.is_file():
            kept = dt.timedelta(seconds=json.loads(file.read_text(encoding="utf-8"))["ahead_s"])
            self._ahead = max(self._ahead, kept)
        self._keep()

    def now(self) -> dt.datetime:
        """The moment, in UTC."""
        return dt.datetime.now(dt.UTC) + self._ahead

    def set_to(self, moment: dt.datetime) -> None:
        """Sets the clock forward.

        Raises:
            ValueError: The moment has passed.
        """
        if moment < self.now():
            raise ValueError(f"it is {self.now().isoformat()}: the clock cannot be set back to {moment.isoformat()}")
        self._ahead = moment - dt.datetime.now(dt.UTC)
        self._keep()

    def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, or once the clock was set forward by as many."""
        until = self.now() + dt.timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:
            time.sleep(min(left, _GLANCE_S))

    def wait(self, woken: threading.Event, until: dt.datetime | None) -> None:
        """Returns once the event is set, or the moment has come, or after a glance."""
        seconds = _GLANCE_S if until is None else (until - self.now()).total_seconds()
        woken.wait(min(max(seconds, 0.0), _GLANCE_S))

    def _keep(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"ahead_s": self._ahead.total_seconds()}), encoding="utf-8")
        new.replace(self._file)


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
