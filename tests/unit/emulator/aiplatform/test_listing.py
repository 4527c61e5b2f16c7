"""Pages, order and masks of lists."""

import pytest
from google.cloud.aiplatform_v1.types import model, model_service

from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.listing import listed
from emulator.aiplatform.methods import Message

MODELS = [
    model.Model.pb()(display_name=name, version_id=version, create_time={"seconds": seconds})
    for name, version, seconds in (("b", "1", 30), ("a", "2", 10), ("b", "3", 20))
]


def page(**fields: object) -> Message:
    """The answer to a request with some fields."""
    request = model_service.ListModelsRequest.pb()(**fields)
    return listed(request, model_service.ListModelsResponse.pb()(), MODELS)


def versions(answer: Message) -> list[str]:
    """Which models an answer has, in order."""
    return [shown.version_id for shown in answer.models]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("", ["1", "2", "3"]),
        ("create_time", ["2", "3", "1"]),
        ("create_time desc", ["1", "3", "2"]),
        ("display_name, create_time", ["2", "3", "1"]),
        ("display_name desc, create_time asc", ["3", "1", "2"]),
    ],
)
def test_order(order: str, wanted: list[str]) -> None:
    """The first key decides, the next ones break its ties."""
    assert versions(page(order_by=order)) == wanted


def test_pages_hold_everything_once() -> None:
    """The token of one page leads to the next; the last page has none."""
    first = page(page_size=2)
    assert (versions(first), bool(first.next_page_token)) == (["1", "2"], True)
    second = page(page_size=2, page_token=first.next_page_token)
    assert (versions(second), second.next_page_token) == (["3"], "")
    assert versions(page(page_size=3)) == ["1", "2", "3"]
    assert not page(page_size=3).next_page_token


def test_a_mask_leaves_the_rest_out() -> None:
    """The kept resources are not changed by it."""
    shown = page(read_mask={"paths": ["version_id"]}).models[0]
    assert (shown.version_id, shown.display_name) == ("1", "")
    assert MODELS[0].display_name == "b"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"page_size": -1}, "INVALID_ARGUMENT"),
        ({"page_token": "-1"}, "INVALID_ARGUMENT"),
        ({"order_by": "create_time down"}, "INVALID_ARGUMENT"),
        ({"order_by": "create_time,"}, "INVALID_ARGUMENT"),
        ({"order_by": "labels"}, "UNIMPLEMENTED"),
        ({"order_by": "nope"}, "UNIMPLEMENTED"),
        ({"read_mask": {"paths": ["nope"]}}, "INVALID_ARGUMENT"),
        ({"filter": "nope=1"}, "UNIMPLEMENTED"),
    ],
)
def test_a_wrong_request_is_refused_also_with_nothing_to_list(fields: dict[str, object], code: str) -> None:
    """What is wrong does not depend on what is there."""
    request = model_service.ListModelsRequest.pb()(**fields)
    for there in (MODELS, []):
        with pytest.raises(ApiError) as caught:
            listed(request, model_service.ListModelsResponse.pb()(), there)
        assert caught.value.code == code
