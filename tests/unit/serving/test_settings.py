"""What the environment of a container says, with a default for each limit and a refusal for what is no limit."""

from collections.abc import Mapping

import pytest

from plumbline.errors import ModelError
from serving.settings import Limits, Routes, settings

CONTRACT = {"AIP_STORAGE_URI": "gs://b/m", "AIP_HEALTH_ROUTE": "/h", "AIP_PREDICT_ROUTE": "/p"}


def test_the_contract_of_vertex_ai_is_read() -> None:
    """Model, routes and port, with what `register` sets, and limits where somebody set them."""
    own = {"AIP_HTTP_PORT": "9000", "THRESHOLD": "0.2", "MODEL_VERSION": "v7", "BATCH_ROWS": "64"}
    found = settings({**CONTRACT, **own})
    assert (found.model, found.routes, found.port) == ("gs://b/m", Routes("/h", "/p"), 9000)
    assert (found.threshold, found.version) == (0.2, "v7")
    assert found.limits == Limits(batch_rows=64)


def test_what_vertex_ai_leaves_out_has_its_default() -> None:
    """Port 8080, and no version: the model's files have to say it."""
    found = settings(CONTRACT)
    assert (found.port, found.version, found.limits) == (8080, "", Limits())


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({"AIP_HEALTH_ROUTE": ""}, "AIP_HEALTH_ROUTE is not set"),
        ({"AIP_HTTP_PORT": "http"}, "THRESHOLD and AIP_HTTP_PORT must be numbers"),
        ({"WAITING_ROWS": "-1"}, "WAITING_ROWS must be a whole number of at least 1, got '-1'"),
        ({"GRACE_S": ""}, "GRACE_S must be a whole number of at least 1, got ''"),
    ],
)
def test_a_wrong_variable_is_named(own: Mapping[str, str], wanted: str) -> None:
    """With what was wanted, and what came."""
    with pytest.raises(ModelError, match=wanted):
        settings({**CONTRACT, **own})
