"""Repeated keys are counted as joins in memory count them, a few keys at a time."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.dataset import SPLITS, SplitName, table_rows
from plumbline.external_sort import Sizes
from plumbline.keys import Repeats, repeats

SMALL = Sizes(run=256, batch=64, rows=8)
Key = tuple[int | None, str | None]
KEY = st.tuples(st.one_of(st.none(), st.integers(0, 6)), st.one_of(st.none(), st.sampled_from("ab")))


def counted(splits: Mapping[SplitName, Sequence[Key]]) -> Repeats:
    """The repeats of keys of two columns, looked at five rows at a time."""
    tables = {
        split: pa.table(
            {"n": pa.array([n for n, _ in keys], pa.int64()), "s": pa.array([s for _, s in keys], pa.string())}
        )
        for split, keys in splits.items()
    }
    return repeats({split: table_rows(table, size=5) for split, table in tables.items()}, ["n", "s"], SMALL)


def test_repeats_are_counted_within_and_between() -> None:
    """By hand: (1, a) is three times in training and once in the test split; (2, b) is in all three."""
    found = counted(
        {
            "train": [(1, "a"), (2, "b"), (1, "a"), (1, "a")],
            "validation": [(2, "b")],
            "test": [(1, "a"), (2, "b"), (2, "b")],
        }
    )
    assert found.within == {"train": 2, "validation": 0, "test": 1}
    assert found.between == {("train", "validation"): 1, ("train", "test"): 4, ("validation", "test"): 1}


def test_a_key_with_a_missing_part_equals_itself_within_a_split_only() -> None:
    """As SQL groups and joins: NULL is one group, and equals nothing."""
    found = counted({"train": [(None, "a"), (None, "a")], "validation": [(None, "a")], "test": []})
    assert found.within["train"] == 1
    assert not any(found.between.values())


@settings(max_examples=40, deadline=None)
@given(st.lists(KEY, max_size=60), st.lists(KEY, max_size=60), st.lists(KEY, max_size=60))
def test_repeats_are_those_of_sets(train: list[Key], validation: list[Key], test: list[Key]) -> None:
    """Against Python's own sets, over many batches."""
    splits: dict[SplitName, list[Key]] = {"train": train, "validation": validation, "test": test}
    found = counted(splits)
    assert found.within == {split: len(keys) - len(set(keys)) for split, keys in splits.items()}
    assert found.between == {
        (one, other): sum(key in set(splits[other]) for key in splits[one] if None not in key)
        for one, other in combinations(SPLITS, 2)
    }
