"""Over- and undersampling, and the way back to the true prevalence."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.balancing import Copies, balance, copies, counts, shift, taken
from plumbline.imbalance import Imbalance, Method
from plumbline.weighting import EVEN, Weights


def labels(*values: int) -> npt.NDArray[np.float32]:
    """Of a stretch of rows."""
    return np.array(values, np.float32)


def test_oversampling_repeats_the_rare_rows() -> None:
    """2 positive and 6 negative rows, a half wanted: each positive row three times."""
    of = copies(2, 6, Imbalance(method="oversample", share=0.5))
    assert of == Copies(1.0, 3.0)
    (rows,) = taken([labels(0, 1, 0, 0, 1, 0, 0, 0)], of)
    assert rows.tolist() == [0, 1, 1, 1, 2, 3, 4, 4, 4, 5, 6, 7]


def test_undersampling_leaves_common_rows_out_evenly() -> None:
    """2 positive and 6 negative rows, a half wanted: every third negative row stays."""
    of = copies(2, 6, Imbalance(method="undersample", share=0.5))
    (rows,) = taken([labels(0, 1, 0, 0, 1, 0, 0, 0)], of)
    assert rows.tolist() == [1, 3, 4, 7]


def test_stretches_are_counted_on() -> None:
    """The rows that are taken do not depend on where a stretch ends."""
    of, split = Copies(1 / 3, 1.0), [labels(0, 1), labels(0, 0), labels(1, 0, 0, 0)]
    found = [place + start for start, rows in zip((0, 2, 4), taken(split, of), strict=True) for place in rows]
    assert found == [1, 3, 4, 7]


@pytest.mark.parametrize("method", ["none", "class_weight", "smote"])
def test_other_methods_take_every_row_once(method: Method) -> None:
    """Weights, and rows that are made, are another matter."""
    assert copies(2, 6, Imbalance(method=method)) == Copies(1.0, 1.0)


def test_a_share_that_is_there_already_is_left_alone() -> None:
    """No rare row is left out, and no common one repeated."""
    assert copies(5, 5, Imbalance(method="oversample", share=0.3)) == Copies(1.0, 1.0)
    assert copies(5, 5, Imbalance(method="undersample", share=0.3)) == Copies(1.0, 1.0)


@given(
    st.integers(1, 200),
    st.integers(1, 2000),
    st.sampled_from(["oversample", "undersample"]),
    st.sampled_from([0.1, 0.25, 0.5]),
)
def test_the_share_is_what_was_asked_for(positives: int, negatives: int, method: str, share: float) -> None:
    """To one row, and `counts` says beforehand how many there will be."""
    imbalance = Imbalance(method="oversample" if method == "oversample" else "undersample", share=share)
    of = copies(positives, negatives, imbalance)
    rows = np.random.default_rng(0).permutation(labels(*[1] * positives, *[0] * negatives))
    (found,) = taken([rows], of)
    kept = rows[found]
    assert (int(kept.sum()), int((kept == 0).sum())) == counts(positives, negatives, of)
    wanted = share / (1 - share)
    if positives < wanted * negatives:
        assert abs(kept.sum() - wanted * (kept == 0).sum()) <= max(1.0, wanted)


def test_the_share_in_the_loss_by_hand() -> None:
    """20 of 100 rows weigh 2.5 each and the others 0.625: 50 of 100."""
    weighted = Weights(negative=0.625, positive=2.5)
    found = balance(Imbalance(), weighted, known=(20, 80), trained=(20, 80))
    assert (found.prevalence, found.trained, found.rows) == (0.2, 0.5, 100)


def test_scores_come_back_to_the_true_prevalence() -> None:
    """With 10 % positives and half of the loss, odds are divided by nine: 0.5 means 0.1."""
    found = balance(Imbalance(method="oversample"), EVEN, known=(10, 90), trained=(90, 90))
    moved = shift(found, Imbalance(method="oversample"))
    assert np.exp(moved) == pytest.approx(1 / 9)
    assert shift(found, Imbalance(method="oversample", correct=False)) == 0.0


def test_nothing_is_moved_where_nothing_was_balanced() -> None:
    """The loss saw the true prevalence."""
    found = balance(Imbalance(method="none"), EVEN, known=(10, 90), trained=(10, 90))
    assert shift(found, Imbalance(method="none")) == 0.0
