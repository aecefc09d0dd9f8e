"""SQLite"""

from __future__ import annotations

from migfix.history.state import FieldState
from migfix.sql.databases.page import Answer, Doubt, Page, lines, storing
from migfix.sql.databases.texts import CASES, PIECES, SHOWN, TRIMS, ascii_case, spaces
from migfix.sql.nodes import Column, Operation, Value


def _big(node: Operation) -> Answer:
    """An overflow turns to floats."""
    for each in node.arguments:
        if isinstance(each, Column) and each.type.bits == 64:
            return Doubt(
                "SQLite makes a rounded float of a result beyond 64 bits, "
                f"`{each.name}` may be that large"
            )
    return None


def _floats(value: Value, column: FieldState) -> Answer:
    if not isinstance(value, Operation):
        return None
    return Doubt("SQLite keeps decimals as floats and calculates with these")


PAGE = Page(
    {
        # https://www.sqlite.org/lang_expr.html#operators
        **lines("same", "integer"),
        **lines("+ - * % // neg abs max min", "integer", _big),
        **lines("+ - * neg", "float"),
        # https://www.sqlite.org/datatype3.html; what is made of it counts where it is stored
        **lines("+ - *", "decimal"),
        # Django calculates: https://github.com/django/django/blob/main/django/db/backends/sqlite3/_functions.py
        **lines("+ -", "date, instant"),
        **lines("+", "duration"),
        **lines("year month day", "date, instant"),
        **lines("date time", "instant"),
        # https://www.sqlite.org/lang_corefunc.html
        **lines(f"same {PIECES} len", "text"),
        **lines(CASES, "text", ascii_case),
        **lines(TRIMS, "text", spaces),
        **lines("str", SHOWN),
    },
    {
        **storing("integer float text date instant time duration"),
        "decimal": _floats,
    },
)
