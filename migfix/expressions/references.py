"""``F("name")``: a column of the row on the right-hand side."""

from __future__ import annotations

from migfix.expressions.context import Context, Refused, SqlValue
from migfix.findings import Reason
from migfix.history.state import FieldState


def column_value(column: FieldState, context: Context) -> SqlValue:
    """The column itself as a value. Raises ``Refused`` when ``F`` cannot be called by any name."""
    reference = context.loop.names.models("F")
    if reference is None:
        raise Refused(Reason.NAME_CLASH, "every name for `F` means something else in this file")
    imports = (reference.import_,) if reference.import_ else ()
    text = f"{reference.text}({context.loop.names.quoted(column.name)})"
    return SqlValue(text, frozenset({column.name}), imports=imports)
