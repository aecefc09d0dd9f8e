"""Load only the columns that a loop needs: ``.only(...)``, or ``.defer(...)`` where that is shorter.

Before:

    for post in Post.objects.all():
        post.author = credit(post.title)
        post.save()

After:

    for post in Post.objects.only("author", "title"):
        post.author = credit(post.title)
        post.save()

A ``save()`` of such a row writes the listed columns and no others, so a column that ``save()``
computes (``auto_now``) is always in the list.

Refuses when the row is handed to code that is not in the file; when every column is needed; and
when a full ``save()`` follows and the body may change the same rows in other ways.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from migfix.codemod import Codemod, Decision
from migfix.expressions import gates
from migfix.expressions.context import Refused
from migfix.findings import ChainCall, Outcome, Part, Reason, Rewrite
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.loops import effects, relations, uses
from migfix.loops.loop import Loop
from migfix.loops.values import Rows

# Steps after which ``only()`` has another meaning or none.
# https://docs.djangoproject.com/en/stable/ref/models/querysets/#only
_STEPS_REFUSED = frozenset(
    "only defer values values_list dates datetimes union intersection difference | select_related "
    "raw extra [] annotate alias distinct fetch_mode prefetch_related list()".split()
)
_NARROW = frozenset({"only", "defer", "values", "values_list", "dates", "datetimes"})


def decide(loop: Loop) -> Decision:
    if not isinstance(loop.rows, Rows) or loop.rows.has(
        "values", "values_list", "dates", "datetimes"
    ):
        return None
    try:
        return _rewrite(loop)
    except Refused as refused:
        return refused.refusal


def _rewrite(loop: Loop) -> Decision:
    _check_source(loop)
    model, columns, _ = gates.check_model(loop)
    _check_plain(model, columns.values())
    needed = list(dict.fromkeys(_needed(loop, model, columns)))
    saves = loop.used(uses.Kind.SAVE)
    if any(not _names_fields(use.node) for use in saves):
        _check_save(loop, model)
        needed += [name for name in _computed(columns.values()) if name not in needed]
    every = [
        column.name
        for column in _distinct(columns.values())
        if column.primary_key is not True and column.has_column is True
    ]
    spared = [name for name in every if name not in needed]
    if not spared:
        raise Refused(Reason.ALL_FIELDS_NEEDED, "the body needs every column")
    if len(spared) < len(needed):
        return _narrowed("defer", spared, loop)
    return _narrowed("only", [name for name in needed if name in every] or [_key(columns)], loop)


def _narrowed(method: str, names: list[str], loop: Loop) -> Rewrite:
    arguments = ", ".join(loop.names.quoted(name) for name in names)
    return Rewrite(
        part=Part.COLUMNS,
        edit=ChainCall(method, arguments, replaces_all=True),
        message=f"{'loads only' if method == 'only' else 'does not load'} {', '.join(names)}",
        outcome=Outcome.STREAM,
        only=tuple(names) if method == "only" else None,
        defer=tuple(names) if method == "defer" else None,
    )


def _check_source(loop: Loop) -> None:
    assert isinstance(loop.rows, Rows)
    if loop.rows.has(*_NARROW):
        raise Refused(Reason.ALREADY_NARROW, "the queryset names its columns already")
    if loop.rows.manager.related or loop.outer_row_loop is not None:
        raise Refused(Reason.PER_PARENT, "the rows are the few that belong to one other row")
    for step in loop.rows.steps:
        if step.name in _STEPS_REFUSED:
            raise Refused(
                Reason.QUERYSET_SHAPE, f"`.{step.name}()` in the queryset decides what is loaded"
            )
    if loop.row is None:
        raise Refused(Reason.NOT_INSTANCES, "the rows are not model instances under one name")
    if loop.reused is not None or loop.rows.has("list()"):
        raise Refused(Reason.QUERYSET_REUSED, "the rows are used again outside of the loop")
    if loop.used_after is not None:
        raise Refused(Reason.USED_AFTER, f"`{loop.used_after}` is used after the loop")
    if set(loop.wrappers) - {"list", "tuple", "enumerate", "iter", "tqdm"}:
        raise Refused(Reason.LOOP_SHAPE, f"the loop goes over {loop.wrappers[0]}(...) of the rows")


def _check_plain(model: ModelState, columns: Iterable[FieldState]) -> None:
    """No code of the project in the class, whose methods could read any column."""
    for base in model.bases:
        if base != "django.db.models.Model":
            raise Refused(Reason.CUSTOM_BASE, f"{model.label} has bases of its own")
    if isinstance(model.managers, Unknown) or model.managers:
        raise Refused(Reason.CUSTOM_MANAGER, f"{model.label} has managers of its own")
    for column in columns:
        if column.kind == "ImageField" and {"width_field", "height_field"} & column.options.keys():
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"`{column.name}` reads its dimensions from the file"
            )


def _needed(loop: Loop, model: ModelState, columns: Mapping[str, FieldState]) -> Iterator[str]:
    """The fields that the body reads or writes, in the order in which it names them."""
    for use in loop.uses:
        if use.kind is uses.Kind.ESCAPE:
            line = getattr(use.node, "lineno", loop.node.lineno)
            text = loop.source.lines[line - 1].strip()
            raise Refused(Reason.ROW_ESCAPES, f"line {line} may read any column: `{text}`")
        if use.kind is uses.Kind.DELETE:
            raise Refused(
                Reason.ALL_FIELDS_NEEDED, "delete() reads the columns that others point to"
            )
        if use.kind in {uses.Kind.READ, uses.Kind.WRITE}:
            yield from _field(use, loop, model, columns)


def _field(
    use: uses.Use, loop: Loop, model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    if use.field == "pk":
        return
    if (column := columns.get(use.field)) is not None:
        if column.has_column is not True:
            raise Refused(Reason.FIELD_UNKNOWN, f"whether `{use.field}` is one column is not known")
        yield column.name
    elif not relations.related_model(loop.state, model.key, use.field):
        raise Refused(Reason.FIELD_UNKNOWN, f"`{use.field}` is not a column of {model.label} here")


def _names_fields(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and any(k.arg == "update_fields" for k in node.keywords)


def _check_save(loop: Loop, model: ModelState) -> None:
    """A narrowed ``save()`` leaves other columns alone and does not bring back a deleted row."""
    for effect in loop.effects:
        if effect.kind is effects.Kind.WRITES and effect.model in {None, model.key}:
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"line {effect.node.lineno} may change rows of {model.label}"  # type: ignore[attr-defined]
                " that save() then writes back",
            )
        if effect.kind in {effects.Kind.CALL, effects.Kind.SQL}:
            line = getattr(effect.node, "lineno", loop.node.lineno)
            raise Refused(
                Reason.UNKNOWN_CALL,
                f"line {line} calls code that is not in this file and may change the same rows",
            )
    for use in loop.used(uses.Kind.SAVE):
        if isinstance(use.node, ast.Call) and (use.node.args or use.node.keywords):
            raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with arguments")


def _computed(columns: Iterable[FieldState]) -> Iterator[str]:
    """Columns that ``save()`` gives a value of their own: deferred ones would silently keep the old."""
    for column in _distinct(columns):
        if column.has_column is not True:
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"what save() does with `{column.name}` is not known"
            )
        if column.auto_now is not False or column.kind not in gates.INERT:
            yield column.name


def _distinct(columns: Iterable[FieldState]) -> list[FieldState]:
    return list({column.name: column for column in columns}.values())


def _key(columns: Mapping[str, FieldState]) -> str:
    """``only()`` without a name loads everything."""
    key = next((c for c in columns.values() if c.primary_key is True), None)
    if key is None:
        raise Refused(Reason.FIELD_UNKNOWN, "the primary key is not known")
    return key.name


codemod = Codemod(__name__, "MF201", Part.COLUMNS, decide)
__getattr__ = codemod.module_attribute
