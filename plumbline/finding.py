"""One thing that `make doctor` says."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    severity: Severity
    """error: a run would fail, or it could not be told whether; warning: it may; note: worth knowing."""
    check: str
    message: str
    mend: str = ""
    """The one command that mends it, or what to write in a config."""


def ok(check: str, message: str) -> Finding:
    """Nothing to mend."""
    return Finding("ok", check, message)


def failed(findings: Iterable[Finding]) -> bool:
    """Whether a run would fail."""
    return any(finding.severity == "error" for finding in findings)
