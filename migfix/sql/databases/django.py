"""What Django does with a value on its way, on every database."""

from __future__ import annotations

from migfix.sql.databases.page import Answer, Doubt, Never, Page, lines, storing
from migfix.sql.databases.texts import CASES, PIECES, SHOWN, TRIMS
from migfix.sql.nodes import Column, Operation


def _utc(node: Operation) -> Answer:
    """https://docs.djangoproject.com/en/stable/topics/i18n/timezones/"""
    (moment,) = node.arguments
    assert isinstance(moment, Column)
    return Doubt(f"`{moment.name}` is loaded in UTC only where the project has USE_TZ = True")


def _stored_certainly(node: Operation) -> Answer:
    """Texts of several collations do not mix: https://docs.djangoproject.com/en/stable/ref/models/fields/#db-collation"""
    for text in node.arguments:
        if isinstance(text, Column):
            state = text.column
            if not state.verified or "db_collation" in state.options:
                return Never(f"how `{text.name}` is stored is not certain")
    return None


PAGE = Page(
    {
        **lines("same + - * % // neg abs max min", "integer"),
        **lines("+ - * neg", "float"),
        **lines("+ - *", "decimal"),
        **lines("+ -", "date, instant"),
        **lines("+", "duration"),
        **lines("year month day", "date"),
        **lines("date time year month day", "instant", _utc),
        **lines(f"same {PIECES} len {CASES} {TRIMS}", "text", _stored_certainly),
        **lines("str", SHOWN, _stored_certainly),
    },
    storing("integer float decimal text date instant time duration"),
)
