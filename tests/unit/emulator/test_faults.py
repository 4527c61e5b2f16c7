"""Rules of faults: which request they are for, and how often."""

import json
import os
from pathlib import Path

import pytest

from emulator.faults import ANSWER, FAILS, FILE, HANGS, LOST, REQUEST_KINDS, Fault, Faults, FaultsError, parse


def rule(**fields: object) -> dict[str, object]:
    """A rule as it is written; fields replace those it has."""
    usual = {"id": "a", "method": "GetModel", "kind": ANSWER, "code": "UNAVAILABLE", "message": "gone"}
    return {**usual, **fields}


def write(folder: Path, *rules: dict[str, object]) -> None:
    """Writes the file as those do who write it while it is read."""
    part = folder / "part"
    part.write_text(json.dumps(rules))
    part.replace(folder / FILE)


def test_a_rule_is_read_as_it_is_written() -> None:
    """Without `times` it holds always."""
    one, other = parse(json.dumps([rule(), rule(id="b", times=2)]))
    assert one == Fault("a", "GetModel", "answer", "UNAVAILABLE", "gone", None)
    assert (other.id, other.times) == ("b", 2)
    assert parse("") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "is not JSON"),
        ("{}", "must be a list of rules, got dict"),
        ("[1]", r"faults.json\[0\] must have"),
        (json.dumps([rule(time=2)]), "must have"),
        (json.dumps([{k: v for k, v in rule().items() if k != "id"}]), "must have"),
        (json.dumps([rule(message=3)]), r"\['message'\] must be text"),
        (json.dumps([rule(times=0)]), "times must be a whole number from 1, got 0"),
        (json.dumps([rule(times="2")]), "times must be a whole number"),
        (json.dumps([rule(kind="gone")]), "no kind 'gone'"),
        (json.dumps([rule(code="TEAPOT")]), "no code 'TEAPOT'"),
        (json.dumps([rule(method="(")]), "is no regular expression"),
        (json.dumps([rule(), rule()]), "two rules have the same id"),
    ],
)
def test_a_wrong_rule_is_refused(text: str, told: str) -> None:
    """A fault that is misspelt would be one that never comes."""
    with pytest.raises(FaultsError, match=told):
        parse(text)


def test_each_rule_is_used_as_often_as_it_says(tmp_path: Path) -> None:
    """Then the next one for the method is; the count goes on when the file is written anew."""
    faults = Faults(tmp_path)
    write(tmp_path, rule(times=1), rule(id="b", code="INTERNAL", times=1))
    assert getattr(faults.of_rpc("GetModel", REQUEST_KINDS), "id", None) == "a"
    write(tmp_path, rule(times=1), rule(id="b", code="INTERNAL", times=1), rule(id="c", method="ListModels"))
    assert getattr(faults.of_rpc("GetModel", REQUEST_KINDS), "id", None) == "b"
    assert faults.of_rpc("GetModel", REQUEST_KINDS) is None
    for _ in range(3):
        assert getattr(faults.of_rpc("ListModels", REQUEST_KINDS), "id", None) == "c"


def test_a_rule_is_found_by_its_kind(tmp_path: Path) -> None:
    """Who asks for faults of requests does not use up one of operations."""
    faults = Faults(tmp_path)
    write(tmp_path, rule(kind=HANGS, times=1))
    assert faults.of_rpc("GetModel", REQUEST_KINDS) is None
    assert faults.of_rpc("GetModel", (FAILS, HANGS)) is not None


def test_there_need_be_no_file(tmp_path: Path) -> None:
    """Nothing goes wrong then, nor when it is taken away."""
    faults = Faults(tmp_path)
    assert faults.of_rpc("GetModel", REQUEST_KINDS) is None
    write(tmp_path, rule())
    assert faults.of_rpc("GetModel", REQUEST_KINDS) is not None
    (tmp_path / FILE).unlink()
    assert faults.of_rpc("GetModel", REQUEST_KINDS) is None


def test_a_file_of_the_same_time_and_size_is_seen_to_be_another(tmp_path: Path) -> None:
    """Clocks of file systems are coarse, and tests are quick."""
    faults = Faults(tmp_path)
    for code in ("INTERNAL", "ABORTED"):
        write(tmp_path, rule(id=code, code=code))
        os.utime(tmp_path / FILE, ns=(1, 1))
        assert getattr(faults.of_rpc("GetModel", REQUEST_KINDS), "code", None) == code


@pytest.mark.parametrize(
    ("method", "found"),
    [
        (r"^GET /storage/v1/b/x$", True),
        (r"GET .*/b/", True),
        ("POST", False),
        ("GetBucket", False),
        ("^PUT|^GET", True),
    ],
)
def test_services_without_rpc_names_are_matched_by_verb_and_path(tmp_path: Path, method: str, found: bool) -> None:
    """A rule that is an RPC's name is none for them, whatever their paths hold."""
    faults = Faults(tmp_path)
    write(tmp_path, rule(method=method, kind=LOST))
    assert (faults.of_request("GET", "/storage/v1/b/x") is not None) == found
    assert Fault("a", "Predict", ANSWER, "INTERNAL", "").is_for("GET", "/b/Predict") is False
