"""Slices: every row in the slice of its values, in an order that a reader expects."""

import pyarrow as pa

from plumbline.section import Names
from plumbline.slicing import Grouping, Slices, slices_of, widest

TABLE = pa.table({"hour": [10, 9, 10, None], "origin": ["JFK", "EWR", "EWR", "EWR"], "open": [True, False, None, True]})


def slice_rows(table: pa.Table, by: Names) -> Slices:
    """The slices by these columns that have at least one row; all rows together when there is no column."""
    grouping = Grouping(by)
    codes = grouping.codes(table)
    found = slices_of(grouping, by)
    return Slices(found.keys, found.codes[codes] if codes.size else codes)


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


def test_groups_are_learnt_batch_by_batch() -> None:
    """A value that comes later gets the next code, and those that were there keep theirs; missing is a value."""
    grouping = Grouping(("origin", "hour"))
    codes = [grouping.codes(TABLE.slice(start, 2)).tolist() for start in (0, 2)]
    assert codes == [[0, 1], [2, 3]]
    assert grouping.groups == [("JFK", "10"), ("EWR", "9"), ("EWR", "10"), ("EWR", None)]
    assert grouping.codes(TABLE.slice(1, 1)).tolist() == [1]
    assert grouping.size == 4


def test_slices_follow_from_groups_by_more_columns() -> None:
    """By origin alone from groups by origin and hour: a missing hour does not matter, by hour it does."""
    grouping = Grouping(("origin", "hour"))
    grouping.codes(TABLE)
    by_origin, by_hour, overall = (slices_of(grouping, by) for by in (("origin",), ("hour",), ()))
    assert by_origin.keys == ((("origin", "EWR"),), (("origin", "JFK"),))
    assert dict(zip(grouping.groups, by_origin.codes.tolist(), strict=True)) == {
        ("JFK", "10"): 1,
        ("EWR", "9"): 0,
        ("EWR", "10"): 0,
        ("EWR", None): 0,
    }
    assert dict(zip(grouping.groups, by_hour.codes.tolist(), strict=True)) == {
        ("JFK", "10"): 1,
        ("EWR", "9"): 0,
        ("EWR", "10"): 1,
        ("EWR", None): 2,
    }
    assert (overall.keys, overall.codes.tolist()) == (((),), [0, 0, 0, 0])


def test_many_values_of_two_columns_are_crossed_all_the_same() -> None:
    """Four hundred by four hundred: more pairs than a table should hold, of which those of the rows occur."""
    table = pa.table({"left": list(range(400)), "right": list(range(399, -1, -1))})
    grouping = Grouping(("left", "right"))
    codes = grouping.codes(table)
    assert [grouping.groups[code] for code in codes] == [(str(i), str(399 - i)) for i in range(400)]


def test_the_widest_entries_hold_all_others() -> None:
    """All rows and origin follow from origin and carrier; of two orders of the same columns the first is kept."""
    entries = ((), ("origin",), ("origin", "carrier"), ("hour",), ("carrier", "origin"))
    assert widest(entries) == (("origin", "carrier"), ("hour",))
    assert widest(((),)) == ((),)
