"""Queries: identifiers are filled in, and nothing else."""

import pytest

from plumbline.errors import DataError
from plumbline.query import fill, uncommented

TABLES = {"flights": "p.d.flights", "weather": "p.d.weather"}


def test_tables_are_quoted() -> None:
    """Each name in braces becomes the quoted full name."""
    filled = fill("SELECT * FROM {flights} JOIN {weather} USING (hour)", TABLES)
    assert filled == "SELECT * FROM `p.d.flights` JOIN `p.d.weather` USING (hour)"


def test_an_unknown_table_is_told_by_its_line() -> None:
    """A table that the config does not list is refused, with the line of the query."""
    with pytest.raises(DataError, match=r"line 2 of the query reads \{planes\}"):
        fill("SELECT *\nFROM {planes}, {flights}, {weather}", TABLES)


def test_an_unused_table_is_told() -> None:
    """A table that the config lists in vain would key the cache for nothing."""
    with pytest.raises(DataError, match=r"lists \['weather'\], which the query does not read"):
        fill("SELECT * FROM {flights}", TABLES)


def test_a_comment_uses_no_table() -> None:
    """A table that only a comment names is not read; what the comment says of others is nobody's business."""
    with pytest.raises(DataError, match=r"lists \['weather'\], which the query does not read"):
        fill("-- {weather} by the hour\n/* {weather}\n*/ SELECT * FROM {flights}", TABLES)
    filled = fill("-- like {planes}\nSELECT * FROM {flights}, {weather}", TABLES)
    assert filled == "\nSELECT * FROM `p.d.flights`, `p.d.weather`"


@pytest.mark.parametrize("text", ["'-- no comment'", '"/* none */"', r"'# \' -- none'", "r'--'", "''"])
def test_what_is_quoted_is_no_comment(text: str) -> None:
    """It stays as it is, also with an escaped quote in it; what comes after is one."""
    filled = fill(" ".join(["SELECT", text, "FROM {flights}, {weather} -- @start"]), TABLES)
    assert filled == " ".join(["SELECT", text, "FROM `p.d.flights`, `p.d.weather` "])


def test_the_line_counts_comments() -> None:
    """A comment of several lines before the mistake does not move its line."""
    with pytest.raises(DataError, match=r"line 4 of the query reads \{planes\}"):
        fill("/* one\ntwo */\n-- {planes}\nSELECT * FROM {planes}, {flights}, {weather}", TABLES)


def test_a_regular_expression_is_left_alone() -> None:
    """A number in braces repeats; it is no table."""
    sql = r"SELECT REGEXP_CONTAINS(code, r'^\d{4}[A-Z]{2,3}$') FROM {flights}, {weather}"
    assert r"r'^\d{4}[A-Z]{2,3}$'" in fill(sql, TABLES)


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT 1 -- @start\nFROM t", "SELECT 1  \nFROM t"),
        ("SELECT 1 # @start\n/* a\n@b */ + 2", "SELECT 1  \n  + 2"),
        ("SELECT '--', \"#\", `a--b`, 'it\\'s -- @x' -- gone", "SELECT '--', \"#\", `a--b`, 'it\\'s -- @x'  "),
    ],
)
def test_comments_go_and_texts_stay(sql: str, wanted: str) -> None:
    """What looks like a comment inside of a text or a quoted name is none."""
    assert uncommented(sql) == wanted
