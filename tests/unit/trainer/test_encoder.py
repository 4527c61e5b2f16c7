"""Preprocessing inside the model: what each kind of value becomes, the missing and the unseen among them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.features import MISSING_TIME, Arrays, Features
from plumbline.problem import Column
from trainer.encoder import Encoder, Statistics, merged, statistics, tally, tensors

FEATURES: Features = {
    "size": Column(type="numeric"),
    "open": Column(type="boolean"),
    "colour": Column(type="categorical"),
    "hour": Column(type="timestamp", column="at", part="hour"),
    "day": Column(type="timestamp", column="at", part="weekday"),
}


def arrays(
    size: list[float] | None = None,
    opened: list[float] | None = None,
    colour: list[str] | None = None,
    at: list[int] | None = None,
) -> Arrays:
    """Raw columns of three rows."""
    return {
        "size": np.array(size or [1.0, 3.0, math.nan], np.float32),
        "open": np.array(opened or [1.0, 0.0, math.nan], np.float32),
        "colour": np.array(colour or ["red", "", "blue"], object),
        "at": np.array(at or [0, 6 * 3600, MISSING_TIME], np.int64),
    }


def measure(raw: Arrays, features: Features) -> Statistics:
    """What the encoder learns from rows."""
    return statistics(tally(raw, features))


def test_statistics_leave_missing_values_out() -> None:
    """Mean and deviation are those of the known values; the vocabulary is sorted and without the empty text."""
    assert measure(arrays(), FEATURES) == Statistics(
        means={"size": 2.0, "open": 0.5},
        deviations={"size": 1.0, "open": 0.5},
        vocabularies={"colour": ("blue", "red")},
    )


def test_a_constant_and_an_empty_column_have_deviation_one() -> None:
    """Nothing is divided by zero, and an all-NULL column stays at 0."""
    found = measure(arrays(size=[5.0, 5.0, 5.0], opened=[math.nan] * 3), FEATURES)
    assert (found.means, found.deviations) == ({"size": 5.0, "open": 0.0}, {"size": 1.0, "open": 1.0})


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.floats(-1e6, 1e6, width=32) | st.just(math.nan), min_size=2, max_size=20),
    cut=st.integers(0, 20),
    shift=st.sampled_from([0.0, 1e6]),
)
def test_stretches_tell_what_all_rows_tell(sizes: list[float], cut: int, shift: float) -> None:
    """Wherever the rows are divided: means and deviations but for rounding, vocabularies to the letter."""
    raw = arrays(
        size=[value + shift for value in sizes],
        opened=[1.0] * len(sizes),
        colour=[("red", "", "blue", "green")[position % 4] for position in range(len(sizes))],
        at=[0] * len(sizes),
    )
    first, second = ({name: values[part] for name, values in raw.items()} for part in (slice(cut), slice(cut, None)))
    found, wanted = statistics(merged(tally(first, FEATURES), tally(second, FEATURES))), measure(raw, FEATURES)
    assert found.vocabularies == wanted.vocabularies
    assert found.means == pytest.approx(wanted.means, rel=1e-9, abs=1e-6)
    assert found.deviations == pytest.approx(wanted.deviations, rel=1e-6, abs=1e-3)


def test_each_kind_of_value_by_hand() -> None:
    """Numbers and booleans are standardised beside a flag of absence, times are points on their circles."""
    numbers, codes = Encoder(FEATURES, measure(arrays(), FEATURES))(tensors(arrays()))
    monday = 2 * math.pi * 3 / 7  # 1970-01-01 was a Thursday
    wanted: list[list[float]] = [
        [-1, 0, 1, 0, math.sin(0), math.cos(0), math.sin(monday), math.cos(monday)],
        [1, 0, -1, 0, 1, 0, math.sin(monday), math.cos(monday)],
        [0, 1, 0, 1, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(numbers.numpy(), wanted, atol=1e-6)
    assert codes.numpy().tolist() == [[3], [0], [2]]


def test_an_unseen_category_has_a_code_of_its_own() -> None:
    """Neither that of a missing one nor that of a known one."""
    encoder = Encoder(FEATURES, measure(arrays(), FEATURES))
    _, codes = encoder(tensors(arrays(colour=["green", "", "RED"])))
    assert codes.numpy().tolist() == [[1], [0], [1]]
    assert encoder.cardinalities == (4,)


def test_a_column_without_any_category_can_be_encoded() -> None:
    """A vocabulary that is empty knows missing and unseen alone."""
    encoder = Encoder(FEATURES, measure(arrays(colour=["", "", ""]), FEATURES))
    _, codes = encoder(tensors(arrays(colour=["", "red", ""])))
    assert codes.numpy().tolist() == [[0], [1], [0]]
    assert encoder.cardinalities == (2,)


@pytest.mark.parametrize(("size", "wanted"), [(1e30, 8.0), (-1e30, -8.0), (math.inf, 8.0), (math.nan, 0.0)])
def test_an_extreme_number_is_cut(size: float, wanted: float) -> None:
    """At eight standard deviations; what comes out is always finite."""
    numbers, _ = Encoder(FEATURES, measure(arrays(), FEATURES))(tensors(arrays(size=[size, 2.0, 2.0])))
    assert float(numbers[0, 0]) == wanted
    assert np.isfinite(numbers.numpy()).all()


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_features_of_one_kind_alone(kind: str) -> None:
    """The other block has no columns, and as many rows."""
    features = {name: column for name, column in FEATURES.items() if column.type == kind}
    encoder = Encoder(features, measure(arrays(), features))
    inputs = {name: value for name, value in tensors(arrays()).items() if name in features}
    numbers, codes = encoder(inputs)
    assert (numbers.shape, codes.shape) == (((3, 2), (3, 0)) if kind == "numeric" else ((3, 0), (3, 1)))
