"""Ranking: the area under the curve against counting pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.ranking import auc


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    """Each pair of a positive and a negative counts 1 in order, 1/2 when tied; no pair at all is 1/2."""
    scores, positive = np.array([float(s) for s, _ in rows]), np.array([p for _, p in rows])
    pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    assert auc(scores, positive) == pytest.approx(float(np.mean(pairs)) if pairs else 0.5)


@pytest.mark.parametrize("positive", [[True, True], [False, False], []])
def test_one_class_has_no_order(positive: list[bool]) -> None:
    """Without the other class nothing can be ranked."""
    assert auc(np.arange(len(positive), dtype=np.float64), np.array(positive, dtype=np.bool_)) == 0.5
