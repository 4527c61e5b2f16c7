"""What a request asks for and is answered, and a message for everything that is wrong with it."""

import dataclasses
import json
from unittest.mock import ANY

import numpy as np
import pytest

from plumbline.errors import DataError
from serving.app import MAXIMUM_EXPLAINED, MAXIMUM_INSTANCES, Asked, answer, parse
from tests.unit.serving.served import EXPLAINED, SERVED


def test_scores_and_decisions() -> None:
    """A score above the threshold is a positive decision, one that equals it is not; each names the version."""
    found = answer(SERVED, Asked([{"x": 1.0}, {"x": 0.5}, {}]))
    assert found == [
        {"score": 0.5, "decision": True, "version": "v1"},
        {"score": 0.25, "decision": False, "version": "v1"},
        {"score": pytest.approx(0.1), "decision": False, "version": "v1"},
    ]


def test_reasons_are_given_when_they_are_asked_for() -> None:
    """The weightiest first, with its value; the colour does nothing, x moves the log-odds from 0.1 to 0.4."""
    asked = parse(b'{"instances": [{"x": 0.8, "colour": "blue"}, {}], "parameters": {"explain": true, "top": 1.0}}')
    found = answer(EXPLAINED, asked)
    assert [prediction["score"] for prediction in found] == [pytest.approx(0.4), pytest.approx(0.1)]
    moved = np.log(0.4 / 0.6) - np.log(0.1 / 0.9)
    assert found[0]["reasons"] == [{"feature": "x", "value": 0.8, "attribution": pytest.approx(moved, abs=1e-5)}]
    # A missing x scores as the usual one: no reason to speak of, and no value.
    assert found[1]["reasons"] == [{"feature": ANY, "value": None, "attribution": pytest.approx(0.0, abs=1e-5)}]


def test_integrated_gradients_are_given_where_the_model_has_them() -> None:
    """As the model says them, by column; a model without them says so."""
    served = dataclasses.replace(EXPLAINED, gradients=lambda rows: np.array([[0.25, -2.0]] * len(rows["x"])))
    body = b'{"instances": [{"x": 0.8, "colour": "blue"}], "parameters": {"explain": true, "method": "%s"}}'
    found = answer(served, parse(body % b"integrated_gradients"))
    assert found[0]["reasons"] == [
        {"feature": "colour", "value": "blue", "attribution": -2.0},
        {"feature": "x", "value": 0.8, "attribution": 0.25},
    ]
    assert answer(served, parse(body % b"shapley")) == answer(EXPLAINED, parse(body % b"shapley"))
    with pytest.raises(DataError, match="this model has no integrated gradients"):
        answer(EXPLAINED, parse(body % b"integrated_gradients"))


def test_nothing_is_explained_unasked() -> None:
    """With parameters that say so, or without any."""
    for body in (b'{"instances": [{}]}', b'{"instances": [{}], "parameters": {"explain": false}}'):
        assert set(answer(EXPLAINED, parse(body))[0]) == {"score", "decision", "version"}


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ('{"explian": true}', "explian"),
        ('"explain"', "parameters must be an object"),
        ("[]", "parameters must be an object"),
        ("0", "parameters must be an object"),
        ('{"explain": true, "method": "lime"}', "parameters.method must be one of .*, got 'lime'"),
        ('{"explain": true, "method": ["shapley"]}', "parameters.method must be one of"),
        ('{"explain": true, "top": 1e999}', "parameters.top must be a whole number"),
        ('{"explain": true, "top": null}', "parameters.top must be a whole number"),
        ('{"explain": 1}', "parameters.explain must be true or false"),
        ('{"explain": true, "top": 0}', "parameters.top must be a whole number"),
        ('{"explain": true, "top": 1.5}', "parameters.top must be a whole number"),
        ('{"explain": true, "top": true}', "parameters.top must be a whole number"),
    ],
)
def test_wrong_parameters_are_refused(parameters: str, wanted: str) -> None:
    """By name, with what was wanted."""
    with pytest.raises(DataError, match=wanted):
        parse(f'{{"instances": [{{}}], "parameters": {parameters}}}'.encode())


def test_too_many_instances_are_not_explained() -> None:
    """Each costs some hundred scores; without reasons they are answered."""
    instances = json.dumps([{}] * (MAXIMUM_EXPLAINED + 1))
    with pytest.raises(DataError, match="a request with explain may have 100 instances, got 101"):
        parse(f'{{"instances": {instances}, "parameters": {{"explain": true}}}}'.encode())
    assert len(answer(EXPLAINED, parse(f'{{"instances": {instances}}}'.encode()))) == MAXIMUM_EXPLAINED + 1


def test_a_model_without_background_rows_cannot_be_explained() -> None:
    """It was trained before there were any, and still answers."""
    with pytest.raises(DataError, match="this model cannot be explained"):
        answer(SERVED, Asked([{}], explain=True))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"instances": [{"colour": "\xe9"}]}', "not JSON"),
        ('{"instances": [{}]}'.encode("utf-16"), "not JSON"),
        (b'{"instances": [{"x": NaN}]}', "NaN is not JSON"),
        (b'{"instances": [{"x": Infinity}]}', "Infinity is not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"instances": [{"x": ' + b"9" * 5000 + b"}]}", "not JSON"),
        (b'{"instances": [{"x": 1, "x": 2}]}', "the key 'x' comes twice"),
        (b'{"instances": [{}], "instances": [{}]}', "the key 'instances' comes twice"),
        (b'{"instances": [{}], "paramters": {}}', r"unknown \['paramters'\] beside the instances"),
        (b"[]", "wanted"),
        (b"{}", "wanted"),
        (b'{"instances": []}', "at least one instance"),
        (b'{"instances": {"x": 1}}', "wanted"),
        (b'{"instances": [{"x": 1}, 7]}', "instance 1 must be an object"),
        (json.dumps({"instances": [{}] * (MAXIMUM_INSTANCES + 1)}).encode(), "10,000 instances"),
        (json.dumps({"instances": [7] * 12}).encode(), "instance 9 must be .*, got 7; 2 more instances are wrong"),
    ],
    ids=range(19),
)
def test_what_is_no_request_is_refused(body: bytes, wanted: str) -> None:
    """Each has its answer, and none of them ends the server."""
    with pytest.raises(DataError, match=wanted):
        parse(body)
