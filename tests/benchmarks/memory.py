"""How much memory a process has taken."""

from pathlib import Path


def peak_mb() -> float:
    """The largest resident memory of this process so far, in MiB.

    Not getrusage's: that begins with the memory of the process that started this one.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
