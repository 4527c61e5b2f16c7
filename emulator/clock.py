"""Time, as everything in the emulator sees it."""

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, and lets time pass."""

    def now(self) -> dt.datetime:
        """The moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after that many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> dt.datetime:
        """The moment, in UTC."""
        return dt.datetime.now(dt.UTC)

    def sleep(self, seconds: float) -> None:
        """Returns after that many seconds."""
        time.sleep(seconds)
