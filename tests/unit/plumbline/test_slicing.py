"""Slices: every row in the slice of its values, in an order that a reader expects."""

import pyarrow as pa

from plumbline.slicing import slice_rows

TABLE = pa.table({"hour": [10, 9, 10, None], "origin": ["JFK", "EWR", "EWR", "EWR"], "open": [True, False, None, True]})


def test_no_column_is_all_rows() -> None:
    """One slice with every row, and none where there is no row."""
    found = slice_rows(TABLE, ())
    assert found.keys == ((),)
    assert found.codes.tolist() == [0, 0, 0, 0]
    assert slice_rows(TABLE.slice(0, 0), ()).keys == ()


def test_numbers_are_in_the_order_of_their_size() -> None:
    """9 comes before 10, and a missing value is in no slice."""
    found = slice_rows(TABLE, ("hour",))
    assert found.keys == ((("hour", "9"),), (("hour", "10"),))
    assert found.codes.tolist() == [1, 0, 1, 2]


def test_a_cross_has_the_pairs_that_occur() -> None:
    """In the order of the columns; a row that lacks one of the values is in none."""
    found = slice_rows(TABLE, ("origin", "hour"))
    assert found.keys == (
        (("origin", "EWR"), ("hour", "9")),
        (("origin", "EWR"), ("hour", "10")),
        (("origin", "JFK"), ("hour", "10")),
    )
    assert found.codes.tolist() == [2, 0, 1, 3]


def test_truth_values_are_slices_too() -> None:
    """As text."""
    assert slice_rows(TABLE, ("open",)).keys == ((("open", "false"),), (("open", "true"),))
