"""What processes have used of the machine. Source: proc_pid_stat(5)."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Places in the line behind the command's closing bracket, which begins with field 3.
_GROUP, _USER, _SYSTEM = 2, 11, 12


def cpu_seconds(groups: Collection[int]) -> Mapping[int, float]:
    """The CPU time that the living processes of each process group have had, in seconds; 0 for a group with none.

    A process that ended takes its time along: between two looks the time of a group can shrink.
    """
    used = dict.fromkeys(groups, 0.0)
    for fields in _processes():
        group = int(fields[_GROUP])
        if group in used:
            used[group] += (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_A_SECOND
    return used


def _processes() -> Iterator[list[bytes]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            # It may have ended since.
            with suppress(OSError), open(f"{entry.path}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - twice as fast
                yield file.read().rpartition(b")")[2].split()
