"""Class weights: BigQuery ML's formula, capped, and never infinite."""

import pytest

from plumbline.errors import DataError
from plumbline.imbalance import Imbalance, Method
from plumbline.weighting import EVEN, Weights, class_weights


def test_balanced_weights_by_hand() -> None:
    """100 rows, 20 positive: 100 / (2 x 20) = 2.5 and 100 / (2 x 80) = 0.625."""
    assert class_weights(20, 80, Imbalance()) == Weights(negative=0.625, positive=2.5)


def test_a_cap_holds() -> None:
    """1 positive among 1,000 would weigh 500."""
    assert class_weights(1, 999, Imbalance(cap=30)).positive == 30


@pytest.mark.parametrize("method", ["none", "oversample", "undersample", "smote"])
def test_other_methods_have_no_weights(method: Method) -> None:
    """Each row counts once."""
    assert class_weights(1, 999, Imbalance(method=method)) == EVEN


@pytest.mark.parametrize(("positives", "negatives", "name"), [(0, 5, "positive"), (5, 0, "negative")])
@pytest.mark.parametrize("method", ["none", "class_weight", "oversample", "undersample", "smote"])
def test_an_absent_class_is_refused(positives: int, negatives: int, name: str, method: Method) -> None:
    """With one class there is nothing to learn, whatever the method."""
    with pytest.raises(DataError, match=f"no {name} row"):
        class_weights(positives, negatives, Imbalance(method=method))
