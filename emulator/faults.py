"""Faults on demand: what `faults.json` in the state folder says goes wrong.

The file is a JSON list of rules, looked at anew with each request:

    {"id": "any unique text", "method": "CreateCustomJob", "kind": "answer", "code": "UNAVAILABLE", "message": "...",
     "times": 2}

`method` is the name of an RPC of Vertex AI or of a small API; for Cloud Storage and BigQuery a regular expression that
is looked for in `VERB /path`. Without `times` a rule holds for every request. Each process counts for itself.
"""

import json
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.aiplatform.errors import CODES

FILE = "faults.json"
ANSWER = "answer"
"""The request is not done, and answered with the code."""
LOST = "lost"
"""The request is done, and answered with the code all the same."""
FAILS = "operation_fails"
"""The long-running operation ends in the code, without its effect."""
HANGS = "operation_hangs"
"""The long-running operation is never done, until it is cancelled; then it has no effect."""
REQUEST_KINDS, OPERATION_KINDS = (ANSWER, LOST), (FAILS, HANGS)

_TEXTS = frozenset(("id", "method", "kind", "code", "message"))
_RPC = re.compile(r"[A-Z][a-z]\w*")


class FaultsError(ValueError):
    """The file is not what it should be; the message says where."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule.

    Args:
        id: By which it is counted.
        method: An RPC's name, or a regular expression on `VERB /path`.
        kind: ANSWER, LOST, FAILS or HANGS.
        code: A name of google.rpc.Code.
        message: What the client is told.
        times: How often it holds; None is always.
    """

    id: str
    method: str
    kind: str
    code: str
    message: str
    times: int | None = None

    def names(self, rpc: str) -> bool:
        """Whether the rule is for an RPC."""
        return self.method == rpc

    def is_for(self, verb: str, path: str) -> bool:
        """Whether the rule is for a request to a service that has no RPC names on its wire."""
        return not _RPC.fullmatch(self.method) and re.search(self.method, f"{verb} {path}") is not None


class Faults:
    """The rules of a state folder, and how often each was used. Safe to use from any thread."""

    def __init__(self, state: Path) -> None:
        """Rules of a state folder; there need not be any."""
        self._file = state / FILE
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._rules: Sequence[Fault] = ()
        self._used: dict[str, int] = {}

    def of_rpc(self, name: str, kinds: Collection[str]) -> Fault | None:
        """The first rule of one of the kinds that holds for an RPC; it is counted as used.

        Raises:
            FaultsError: The file is not a list of rules.
        """
        return self._take(lambda fault: fault.names(name) and fault.kind in kinds)

    def of_request(self, verb: str, path: str) -> Fault | None:
        """The first rule that holds for a request to Cloud Storage or BigQuery; it is counted as used.

        Raises:
            FaultsError: The file is not a list of rules.
        """
        return self._take(lambda fault: fault.kind in REQUEST_KINDS and fault.is_for(verb, path))

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            self._look()
            for fault in self._rules:
                used = self._used.get(fault.id, 0)
                if (fault.times is None or used < fault.times) and fits(fault):
                    self._used[fault.id] = used + 1
                    return fault
        return None

    def _look(self) -> None:
        try:
            now = self._file.stat()
        except FileNotFoundError:
            self._seen, self._rules = None, ()
            return
        # A file that was replaced within the clock's resolution has another number at least.
        if (mark := (now.st_mtime_ns, now.st_size, now.st_ino)) != self._seen:
            self._rules = parse(self._file.read_text(encoding="utf-8"))
            self._seen = mark


def parse(text: str) -> Sequence[Fault]:
    """The rules that a file's text holds; none, where it is empty, as it is for a moment while it is written.

    Raises:
        FaultsError: It holds something else, or a rule names what there is not.
    """
    try:
        entries = json.loads(text or "[]")
    except ValueError as error:
        raise FaultsError(f"{FILE} is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise FaultsError(f"{FILE} must be a list of rules, got {type(entries).__name__}")
    rules = [_rule(entry, f"{FILE}[{position}]") for position, entry in enumerate(entries)]
    if len({rule.id for rule in rules}) < len(rules):
        raise FaultsError(f"{FILE}: two rules have the same id")
    return rules


def _rule(entry: object, where: str) -> Fault:
    if not isinstance(entry, dict) or not (_TEXTS <= set(entry) <= _TEXTS | {"times"}):
        raise FaultsError(f"{where} must have {sorted(_TEXTS)}, and may have times, got {entry!r}")
    _check(entry, where)
    return Fault(**entry)


def _check(entry: Mapping[str, object], where: str) -> None:
    if wrong := sorted(name for name in _TEXTS if not isinstance(entry[name], str)):
        raise FaultsError(f"{where}: {wrong} must be text")
    times = entry.get("times")
    if times is not None and (not isinstance(times, int) or times < 1):
        raise FaultsError(f"{where}.times must be a whole number from 1, got {times!r}")
    if entry["kind"] not in (*REQUEST_KINDS, *OPERATION_KINDS):
        raise FaultsError(f"{where}: there is no kind {entry['kind']!r}")
    if entry["code"] not in CODES:
        raise FaultsError(f"{where}: there is no code {entry['code']!r}")
    try:
        re.compile(str(entry["method"]))
    except re.error as error:
        raise FaultsError(f"{where}: {entry['method']!r} is no regular expression: {error}") from error
