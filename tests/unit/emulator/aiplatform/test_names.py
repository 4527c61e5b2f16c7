"""Display names and labels."""

import pytest
from google.cloud.aiplatform_v1.types import endpoint

from emulator.aiplatform.errors import ApiError
from emulator.aiplatform.names import check_named


@pytest.mark.parametrize("labels", [{}, {"a-b_1": ""}, {"größe": "ü"}, {"a" * 64: "b" * 64}])
def test_names_and_labels_that_are_taken(labels: dict[str, str]) -> None:
    """Lower case letters of any script, digits, _ and -; a value may be empty."""
    check_named(endpoint.Endpoint.pb()(display_name="Any Name!" + "x" * 119, labels=labels), "endpoint")


@pytest.mark.parametrize(
    "labels",
    [{"A": "x"}, {"a": "X"}, {"a": "x y"}, {"a.b": "x"}, {"": "x"}, {"a" * 65: "x"}, {"a": "x" * 65}],
)
def test_labels_that_are_not(labels: dict[str, str]) -> None:
    """Upper case, spaces, dots, an empty key, more than 64 characters."""
    with pytest.raises(ApiError, match=r"endpoint\.labels"):
        check_named(endpoint.Endpoint.pb()(display_name="x", labels=labels), "endpoint")


def test_there_are_at_most_64_labels() -> None:
    """65 are refused."""
    labels = {f"l{number}": "" for number in range(65)}
    with pytest.raises(ApiError, match="at most 64, got 65"):
        check_named(endpoint.Endpoint.pb()(display_name="x", labels=labels), "endpoint")


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_a_name_has_1_to_128_characters(name: str) -> None:
    """None and 129 are refused."""
    with pytest.raises(ApiError, match=r"endpoint\.display_name"):
        check_named(endpoint.Endpoint.pb()(display_name=name), "endpoint")
