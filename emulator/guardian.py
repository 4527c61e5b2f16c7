"""Ends what an emulator started, once the emulator is gone: the program that outlives it by a moment.

The emulator holds the write end of this program's standard input. When it dies, of whatever (SIGKILL too), the kernel
closes that end, and every process whose environment carries the owner's mark is killed. A mark in the environment
finds what a list of children misses: grandchildren, and those that made themselves a process group of their own.
(PR_SET_PDEATHSIG would be sent when the *thread* that started the child ends, and does not reach grandchildren.)

Only the standard library is imported, since this starts with `python -I -S` by its path.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "EMULATOR_OWNER"
_PATIENCE_S = 5.0
_PAUSE_S = 0.005


def end_all_of(owner: str) -> int:
    """Kills every process that carries the owner's mark, this one excepted, and says how many there were.

    It looks again until none is left, since what is about to die may still start something; and it gives up on what
    the kernel does not let go of.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + _PATIENCE_S
    while (found := set(_owned(owner))) and time.monotonic() < deadline:
        for pid in found:
            _kill(pid, owner)
        ended |= found
        time.sleep(_PAUSE_S)
    return len(ended)


def _owned(owner: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid() and _is_owned(int(entry.name), owner):
            yield int(entry.name)


def _is_owned(pid: int, owner: str) -> bool:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        # It has ended since it was listed, or it is somebody else's.
        return False
    return os.fsencode(f"{MARK}={owner}") in environ.split(b"\0")


def _kill(pid: int, owner: str) -> None:
    # The handle comes before the second look: from there on, the number cannot have gone to another process.
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _is_owned(pid, owner):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def main() -> None:
    """Waits for the end of standard input, then ends all that carries the mark named as the only argument."""
    (owner,) = sys.argv[1:]
    # The terminal's Ctrl-C and a `kill` of the emulator's process group are for the emulator.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while sys.stdin.buffer.read(1):
        pass
    end_all_of(owner)


if __name__ == "__main__":
    main()
