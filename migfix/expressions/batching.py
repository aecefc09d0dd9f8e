"""Whether the saves of a loop can wait for one another: which they are, and which fields they write."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from migfix.expressions import gates, needs, saves, sources
from migfix.expressions.context import Refused
from migfix.expressions.narrow_saves import computed
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelState
from migfix.loops import uses
from migfix.loops.effects import Kind
from migfix.loops.loop import Loop

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def saving_calls(loop: Loop) -> list[tuple[ast.Call, ast.expr]]:
    """Every ``row.save()`` of the loop, a statement of the body itself, and its row. Raises ``Refused``."""
    found = []
    for use in loop.used(uses.Kind.SAVE):
        assert isinstance(use.node, ast.Call) and isinstance(use.node.func, ast.Attribute)
        check_place(use.node, loop, "save()")
        found.append((use.node, use.node.func.value))
    return found


def check_place(call: ast.Call, loop: Loop, called: str) -> None:
    """The call is a statement of the body, whose errors nothing catches there. Raises ``Refused``."""
    line, scope = loop.line_of(call), loop.resolver.scope
    if not scope.is_inside(call, loop.node):
        raise Refused(Reason.LOOP_SHAPE, f"the row is saved by a function, on line {line}")
    if not isinstance(scope.parents[call], ast.Expr):
        raise Refused(Reason.LOOP_SHAPE, f"{called} on line {line} is a part of something else")
    for ancestor in scope.ancestors(call):
        if ancestor is loop.node:
            return
        if isinstance(ancestor, _DEFINITIONS):
            raise Refused(Reason.LOOP_SHAPE, f"the row is saved by a function, on line {line}")
        if isinstance(ancestor, ast.Try):
            raise Refused(
                Reason.TRANSACTION,
                f"an error of {called} on line {line} would come later, outside of its `try`",
            )
        if isinstance(ancestor, (ast.With, ast.AsyncWith)):
            raise Refused(
                Reason.TRANSACTION, f"{called} on line {line} would come after its `with` block"
            )


def check_surroundings(loop: Loop) -> None:
    """The loop runs by itself, to its end or to an error that nothing catches. Raises ``Refused``."""
    if sources.swallows_errors(loop):
        raise Refused(
            Reason.TRANSACTION,
            "an error is caught around the loop: a batch keeps none of its rows, a save() those before",
        )
    if loop.having(Kind.YIELDS) or isinstance(loop.resolver.scope.node, ast.AsyncFunctionDef):
        raise Refused(Reason.LEAVES_FUNCTION, "the function may yield or wait before all is saved")
    if loop.outer_loop is not None:
        raise Refused(
            Reason.PER_PARENT,
            f"each turn of the loop on line {loop.outer_loop.lineno} would write a batch of its own",
        )


def written_fields(loop: Loop, columns: Mapping[str, FieldState]) -> list[str]:
    """The names of the fields that each ``save()`` writes and that may have changed.

    A full ``save()`` writes the others as they were loaded. Raises ``Refused``.
    """
    found = loop.used(uses.Kind.SAVE)
    named = [list(dict.fromkeys(needs.named_by_save(use, columns))) for use in found]
    full = [needs.is_full_save(use) for use in found]
    if len(set(full)) > 1 or any(set(names) != set(named[0]) for names in named):
        raise Refused(Reason.SAVE_ARGUMENTS, "the loop's save()s write different fields")
    if not full[0]:
        if not named[0]:
            raise Refused(Reason.SAVE_ARGUMENTS, "update_fields names no field")
        return named[0]
    if any(u.node.args or u.node.keywords for u in found if isinstance(u.node, ast.Call)):
        raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with arguments")
    return _written_by_full_save(loop, columns)


def _written_by_full_save(loop: Loop, columns: Mapping[str, FieldState]) -> list[str]:
    assigned = [columns[use.field] for use in loop.used(uses.Kind.WRITE) if use.field in columns]
    loaded = saves.saved_columns(loop, columns, None)
    names = dict.fromkeys(column.name for column in assigned)
    if not names:
        raise Refused(Reason.NEVER_SAVED, "no column is set before save()")
    if not names.keys() <= {column.name for column in loaded}:
        raise Refused(
            Reason.QUERYSET_SHAPE, "a column that is saved may not be among those that are loaded"
        )
    return list(names | dict.fromkeys(computed(loaded, loop.databases)))


def check_columns(
    loop: Loop, model: ModelState, names: list[str], columns: Mapping[str, FieldState]
) -> None:
    """The columns can be written by one plain UPDATE of one table. Raises ``Refused``."""
    if gates.inherited(loop):
        raise Refused(Reason.INHERITANCE, f"{model.label} has columns in two tables")
    relations = loop.state.relations_to(model.key).found
    pointed_to = {field.options.get("to_field") for _, field in relations}
    for column in (columns[name] for name in names):
        if column.primary_key is not False:
            raise Refused(Reason.PRIMARY_KEY, f"`{column.name}` may be the primary key")
        if column.kind == "GeneratedField" or column.has_column is not True:
            raise Refused(Reason.FIELD_UNKNOWN, f"`{column.name}` may not be one plain column")
        if column.kind == "ImageField" and {"width_field", "height_field"} & column.options.keys():
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"setting `{column.name}` sets its dimensions, too"
            )
        if column.name in pointed_to:
            raise Refused(Reason.UNIQUE, f"rows of other tables point to `{column.name}`")


def check_row(loop: Loop) -> None:
    """The row stays in the body, and is not deleted. Raises ``Refused``."""
    for use in loop.used(uses.Kind.ESCAPE, uses.Kind.DELETE):
        line = loop.line_of(use.node)
        if use.kind is uses.Kind.DELETE:
            raise Refused(Reason.QUERY_IN_BODY, f"line {line} deletes rows")
        raise Refused(
            Reason.ROW_ESCAPES, f"line {line} hands the row to code that may save it, too"
        )
