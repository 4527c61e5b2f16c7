"""What the emulated project allows, as `access.json` says it."""

import json
from pathlib import Path

import pytest

from emulator.platform.access import Access, AccessError, UnknownTokenError, member, parse, read


def test_without_a_file_everything_is_allowed(tmp_path: Path) -> None:
    """And with an empty one, which a file is for a moment while it is written."""
    everything = Access()
    assert read(tmp_path) == everything
    (tmp_path / "access.json").write_text("", encoding="utf-8")
    assert read(tmp_path) == everything
    assert everything.allowed("user:a@b", ["x.y.z"]) == ["x.y.z"]


def test_a_file_takes_away_what_it_names(tmp_path: Path) -> None:
    """Permissions from one member, in the order in which they were asked for; the rest by name."""
    content = {
        "denied": [{"member": "user:a@b", "permission": "p.b"}],
        "disabled_services": ["s"],
        "missing_service_accounts": ["x@y"],
        "missing_repositories": ["r"],
        "quotas": {"m": {"l": 0}},
    }
    (tmp_path / "access.json").write_text(json.dumps(content), encoding="utf-8")
    access = read(tmp_path)
    assert access.allowed("user:a@b", ["p.c", "p.b", "p.a"]) == ["p.c", "p.a"]
    assert access.allowed("user:c@d", ["p.b"]) == ["p.b"]
    assert (access.disabled_services, access.missing_service_accounts) == (frozenset("s"), frozenset({"x@y"}))
    assert (access.missing_repositories, access.quotas) == (frozenset("r"), {"m": {"l": 0}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object, got list"),
        ('{"deny": []}', "has ['deny'], which mean nothing"),
        ('{"denied": [{"member": "user:a@b"}]}', "denied must be a list of"),
        ('{"denied": {}}', "denied must be a list of"),
        ('{"disabled_services": "s"}', "disabled_services must be a list of texts"),
        ('{"missing_service_accounts": [1]}', "missing_service_accounts must be a list of texts"),
        ('{"quotas": {"m": 0}}', "quotas must hold whole numbers"),
        ('{"quotas": {"m": {"l": true}}}', "quotas must hold whole numbers"),
        ('{"quotas": []}', "quotas must hold whole numbers"),
    ],
)
def test_a_file_that_means_nothing_is_refused(text: str, message: str) -> None:
    """A misspelt rule must not look like one that holds."""
    with pytest.raises(AccessError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_a_request_is_the_users_or_the_accounts_of_its_token() -> None:
    """By its Authorization header."""
    assert member(None) == "user:you@example.com"
    assert member("Bearer emulated:x@y") == "serviceAccount:x@y"


@pytest.mark.parametrize("header", ["Bearer ya29.a", "Bearer emulated:", "emulated:x@y", "Basic eA==", ""])
def test_any_other_credentials_are_refused(header: str) -> None:
    """They are nobody's here."""
    with pytest.raises(UnknownTokenError):
        member(header)
