"""Query files: only identifiers are put into the text, values are query parameters."""

import re
from collections.abc import Mapping

from plumbline.errors import DataError

_NAME = re.compile(r"\{(\w+)\}")


def fill(sql: str, tables: Mapping[str, str]) -> str:
    """The query with each `{table}` replaced by its quoted full name.

    Args:
        sql: Text of the query.
        tables: Full name, project.dataset.table, by the name that the query uses.

    Raises:
        DataError: The query names another table, or does not use one that the config lists.
    """
    used = set(_NAME.findall(sql))
    for name in sorted(used - set(tables)):
        line = sql[: sql.index(f"{{{name}}}")].count("\n") + 1
        raise DataError(f"line {line} of the query reads {{{name}}}, which data.tables does not list: {sorted(tables)}")
    if unused := sorted(set(tables) - used):
        raise DataError(
            f"data.tables lists {unused}, which the query does not read: write {{{unused[0]}}} in FROM or JOIN"
        )
    return _NAME.sub(lambda match: f"`{tables[match[1]]}`", sql)
