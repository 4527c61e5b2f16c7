"""Filters of list methods."""

from collections.abc import Sequence

import pytest
from google.cloud.aiplatform_v1.types import custom_job, model

from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.filters import matching
from emulator.aiplatform.methods import Message

JOBS = [
    custom_job.CustomJob.pb()(display_name="a", state=4, labels={"team": "x", "a-b.c": "1"}),
    custom_job.CustomJob.pb()(display_name="a b AND c", state=5, labels={"team": "y"}),
    custom_job.CustomJob.pb()(display_name="b", state=4, job_spec={"enable_web_access": True, "network": "n"}),
]


def found(text: str, messages: Sequence[Message] = JOBS) -> list[str]:
    """Display names of what matches."""
    return [message.display_name for message in matching(messages, text)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["a", "a b AND c", "b"]),
        ("  ", ["a", "a b AND c", "b"]),
        ('display_name="a"', ["a"]),
        ("display_name = a", ["a"]),
        ('display_name="a b AND c"', ["a b AND c"]),
        ('labels.team="x"', ["a"]),
        ('labels.a-b.c="1"', ["a"]),
        ('labels.none=""', []),
        ('state="JOB_STATE_SUCCEEDED"', ["a", "b"]),
        ('state="JOB_STATE_SUCCEEDED" AND labels.team=x AND display_name=a', ["a"]),
        ("job_spec.enable_web_access=true", ["b"]),
        ("job_spec.network=n", ["b"]),
    ],
)
def test_terms_choose(text: str, names: list[str]) -> None:
    """Enums by name, booleans in lower case, labels by key, and all terms at once."""
    assert found(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "display_name",
        'display_name!="a"',
        "display_name=a OR display_name=b",
        'display_name:"a"',
        "(display_name=a)",
        "NOT display_name=a",
        "labels:team",
        "nope=1",
        "display_name=z AND nope=1",
        "job_spec=1",
        "job_spec.nope=1",
        "job_spec.worker_pool_specs.replica_count=1",
        "display_name=a AND ",
    ],
)
def test_another_form_is_refused(text: str) -> None:
    """501, not an empty list: the caller would take that for an answer."""
    with pytest.raises(ApiError) as caught:
        found(text)
    assert caught.value.code == "UNIMPLEMENTED"


def test_labels_are_a_field_only_where_there_are_some() -> None:
    """A message without labels has no `labels.x`."""
    with pytest.raises(ApiError):
        matching([model.Port.pb()()], "labels.x=1")
