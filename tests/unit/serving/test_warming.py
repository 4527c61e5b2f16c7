"""Warm-up: the sizes of batches that are tried, and the one that is chosen."""

import gc
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from plumbline.features import Arrays
from serving.settings import Limits
from serving.warming import warm
from tests.unit.serving.served import EXPLAINED, SERVED


class Slow:
    """A model that takes half a second for four rows and more, and no time for fewer."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """A half."""
        self.batches.append(len(arrays["x"]))
        time.sleep(0.5 if self.batches[-1] >= 4 else 0)
        return np.full(self.batches[-1], 0.5)


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_batch_has_the_rows_that_are_scored_in_time() -> None:
    """Four take too long, so there are two; each size is scored twice, and larger ones are not tried."""
    model = Slow()
    assert warm(replace(SERVED, model=model), Limits(batch_ms=250)) == 2
    assert model.batches == [1, 1, 2, 2, 4, 4]


def test_a_batch_has_no_more_rows_than_it_may() -> None:
    """However fast the model is: 5 rows at most are 4, the largest power of two."""
    assert warm(EXPLAINED, Limits(batch_rows=5, batch_ms=1000)) == 4
