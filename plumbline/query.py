"""Query files: only identifiers are put into the text, values are query parameters."""

import re
from collections.abc import Mapping, Sequence

from plumbline.errors import DataError

_NAME = re.compile(r"\{([a-z]\w*)\}")
_PARAMETER = re.compile(r"@(\w+)")
_PART = re.compile(
    r"(?P<kept>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`)|(?P<comment>--[^\n]*|#[^\n]*|/\*.*?\*/)", re.DOTALL
)
"""A text or a quoted name, in which there is no comment; or a comment."""


def uncommented(sql: str) -> str:
    """The query without its comments: BigQuery's emulator takes `@start` in one for a parameter."""
    return _PART.sub(lambda found: found["kept"] or " ", sql)


def absent(sql: str, parameters: Sequence[str]) -> Sequence[str]:
    """Those of the parameters that the query does not use; what a comment says counts for nothing."""
    used = set(_PARAMETER.findall(uncommented(sql)))
    return [name for name in parameters if name not in used]


def fill(sql: str, tables: Mapping[str, str]) -> str:
    """The query with each `{table}` replaced by its quoted full name, and without its comments.

    A comment may name a table or a parameter that the query does not have; the emulator of BigQuery looks there too.

    Args:
        sql: Text of the query.
        tables: Full name, project.dataset.table, by the name that the query uses.

    Raises:
        DataError: The query names another table, or does not use one that the config lists.
    """
    # Comments become blank lines, so that what is left keeps its place.
    code = _PART.sub(lambda found: found["kept"] or "\n" * found[0].count("\n"), sql)
    used = set(_NAME.findall(code))
    for name in sorted(used - set(tables)):
        line = code[: code.index(f"{{{name}}}")].count("\n") + 1
        raise DataError(f"line {line} of the query reads {{{name}}}, which data.tables does not list: {sorted(tables)}")
    if unused := sorted(set(tables) - used):
        raise DataError(
            f"data.tables lists {unused}, which the query does not read: write {{{unused[0]}}} in FROM or JOIN"
        )
    return _NAME.sub(lambda match: f"`{tables[match[1]]}`" if match[1] in tables else match[0], code)
