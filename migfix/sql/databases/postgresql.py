"""PostgreSQL"""

from __future__ import annotations

from migfix.sql.databases.page import Answer, Doubt, Page, lines, storing
from migfix.sql.databases.texts import CASES, PIECES, SHOWN, TRIMS, ascii_case, spaces
from migfix.sql.nodes import Operation, is_computed, number_of


def in_between(node: Operation) -> Answer:
    """Results in between are of the operands' type."""
    if not any(map(is_computed, node.arguments)):
        return None
    return Doubt("`{}`: PostgreSQL fails where a result in between leaves the column's type")


def signed_zero(node: Operation) -> Answer:
    """A number above zero leaves the sign of a zero."""
    if node.name == "*" and any((number_of(each) or 0) > 0 for each in node.arguments):
        return None
    return Doubt(
        "`{}`: PostgreSQL makes -0 of some zeros, and fails where a result is too small for a float"
    )


PAGE = Page(
    {
        # https://www.postgresql.org/docs/current/functions-math.html
        **lines("same % // neg abs max min", "integer"),
        **lines("+ - *", "integer", in_between),
        # https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT
        **lines("+ -", "float"),
        **lines("* neg", "float", signed_zero),
        **lines("+ - *", "decimal"),
        # https://www.postgresql.org/docs/current/functions-datetime.html
        **lines("+ -", "date, instant"),
        **lines("+", "duration"),
        **lines("year month day", "date, instant"),
        **lines("date time", "instant"),
        # https://www.postgresql.org/docs/current/functions-string.html
        **lines(f"same {PIECES} len", "text"),
        **lines(CASES, "text", ascii_case),
        **lines(TRIMS, "text", spaces),
        **lines("str", SHOWN),
    },
    storing("integer float decimal text date instant time duration"),
)
