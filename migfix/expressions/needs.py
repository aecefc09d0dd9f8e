"""Which columns of its rows a loop's body needs, in the order in which it names them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from migfix.expressions.context import Refused
from migfix.expressions.kinds import FILES
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelState
from migfix.loops import relations, uses
from migfix.loops.loop import Loop

# Names of ``Model`` itself, which are no plain attributes even when a migration sets them.
_OWN_NAMES = frozenset(
    "pk objects save save_base delete full_clean clean clean_fields refresh_from_db validate_unique "
    "validate_constraints serializable_value get_deferred_fields from_db check".split()
)


def needed_fields(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    """The names of the fields that the body reads or writes. Raises ``Refused``."""
    for use in loop.uses:
        match use.kind:
            case uses.Kind.ESCAPE:
                line = loop.line_of(use.node)
                text = loop.source.lines[line - 1].strip()
                raise Refused(Reason.ROW_ESCAPES, f"line {line} may read any column: `{text}`")
            case uses.Kind.DELETE:
                raise Refused(
                    Reason.ALL_FIELDS_NEEDED, "delete() reads the columns that others point to"
                )
            case uses.Kind.READ | uses.Kind.WRITE:
                yield from _field(use, loop, model, columns)
            case uses.Kind.SAVE:
                yield from _named_by_save(use, columns)
            case uses.Kind.LINK:
                _check_not_read_again(loop, model)
                yield from _targets(loop, model)
            case uses.Kind.KEY:
                yield from _targets(loop, model)


def _field(
    use: uses.Use, loop: Loop, model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    column = columns.get(use.field)
    if column is not None and column.has_column is not True:
        raise Refused(Reason.FIELD_UNKNOWN, f"whether `{use.field}` is one column is not known")
    if use.kind is uses.Kind.WRITE and (use.field == "pk" or (column and column.primary_key)):
        raise Refused(
            Reason.PRIMARY_KEY, f"`{use.field}` is the primary key: the row becomes another one"
        )
    if column is not None:
        _check_file(use, column, loop)
        yield column.name
    elif relations.related_model(loop.state, model.key, use.field):
        _check_not_read_again(loop, model)
        yield from _targets(loop, model)
    elif use.field != "pk" and not _is_plain_attribute(use.field, loop):
        raise Refused(Reason.FIELD_UNKNOWN, f"`{use.field}` is not a column of {model.label} here")


def _is_plain_attribute(name: str, loop: Loop) -> bool:
    """Is it something that the body itself hangs on its row?"""
    own = name.startswith("__") or name in {"_state", "_meta"} or name in _OWN_NAMES
    return not own and any(use.field == name for use in loop.used(uses.Kind.WRITE))


def _check_file(use: uses.Use, column: FieldState, loop: Loop) -> None:
    """``row.file.save(...)`` and ``row.file.delete()`` save the row, too."""
    if column.kind not in FILES or use.kind is uses.Kind.WRITE:
        return
    parents = loop.module.scope.parents
    parent = parents[use.node]
    reads = isinstance(parent, ast.Attribute) and parent.attr not in {"save", "delete"}
    if not reads and not uses.is_only_looked_at(use.node, parents):
        raise Refused(Reason.SAVE_SIDE_EFFECT, f"methods of the file `{column.name}` save the row")


def _targets(loop: Loop, model: ModelState) -> Iterator[str]:
    """The columns, other than the key, that foreign keys to the model hold (``to_field``)."""
    for _, field in loop.state.relations_to(model.key).found:
        target = field.options.get("to_field")
        if isinstance(target, str):
            yield target


def _check_not_read_again(loop: Loop, model: ModelState) -> None:
    """Rows of ``row.attachments.all()`` and ``Attachment(post=row)`` know the row that they belong to."""
    names = {field.name for _, field in loop.state.relations_to(model.key).found}
    for node in ast.walk(loop.module.tree):
        if not isinstance(node, ast.Attribute) or node.attr not in names:
            continue
        if isinstance(node.ctx, ast.Load) and isinstance(
            loop.module.scope.parents[node], (ast.Attribute, ast.Call)
        ):
            raise Refused(
                Reason.ROW_ESCAPES, f"line {node.lineno} may read any column through `{node.attr}`"
            )


def is_full_save(use: uses.Use) -> bool:
    return _update_fields(use) is None


def _update_fields(use: uses.Use) -> ast.expr | None:
    """The expression of ``update_fields``; None for a ``save()`` of every loaded column."""
    keywords = use.node.keywords if isinstance(use.node, ast.Call) else []
    found = next((k.value for k in keywords if k.arg == "update_fields"), None)
    return None if isinstance(found, ast.Constant) and found.value is None else found


def _named_by_save(use: uses.Use, columns: Mapping[str, FieldState]) -> Iterator[str]:
    """``save(update_fields=...)`` reads what it names, if nothing else did. Raises ``Refused``."""
    named = _update_fields(use)
    if named is None:
        return
    assert isinstance(use.node, ast.Call)
    if use.node.args or len(use.node.keywords) > 1:
        raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with more than update_fields")
    if not isinstance(named, (ast.List, ast.Tuple, ast.Set)):
        raise Refused(Reason.SAVE_ARGUMENTS, "the names in update_fields are not literals")
    for name in named.elts:
        column = columns.get(str(name.value)) if isinstance(name, ast.Constant) else None
        if column is None or column.has_column is not True:
            raise Refused(Reason.SAVE_ARGUMENTS, "a name in update_fields is no known column")
        yield column.name
