"""Load only the columns that a loop needs: ``.only(...)``, or ``.defer(...)`` of the few others.

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

Refuses when the row is handed to code that is not in the file; when every column is needed, or all
but one or two small ones; when a full ``save()`` follows and the body may change the same rows in
other ways; and when the rows are not sorted and an index holds all that is left to load, since
databases then answer in the order of that index.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from migfix.codemod import Codemod, Decision
from migfix.expressions import gates, sources
from migfix.expressions.context import Refused
from migfix.expressions.kinds import INERT, TEXTS
from migfix.expressions.needs import is_full_save, needed_fields
from migfix.findings import ChainCall, Outcome, Part, Reason, Rewrite
from migfix.history.state import FieldState, ModelKey, ModelState, Unknown
from migfix.loops import effects, uses
from migfix.loops.indexes import keeps_order
from migfix.loops.loop import Databases, Loop
from migfix.loops.values import Rows

# Steps after which ``only()`` has another meaning or none.
# https://docs.djangoproject.com/en/stable/ref/models/querysets/#only
_STEPS_REFUSED = frozenset(
    "union intersection difference | select_related raw extra [] annotate alias fetch_mode "
    "prefetch_related".split()
)
_NARROW = frozenset({"only", "defer"})
_FIXED_SIZE = INERT - TEXTS - {"BinaryField", "GeneratedField"}
_WIDE = frozenset({"TextField", "JSONField", "BinaryField", "HStoreField", "ArrayField"})


def decide(loop: Loop) -> Decision:
    if not isinstance(loop.rows, Rows) or loop.rows.has(
        "values", "values_list", "dates", "datetimes"
    ):
        return None
    _check_source(loop)
    model, columns, _ = gates.check_model(loop)
    distinct = list({column.name: column for column in columns.values()}.values())
    _check_plain(model, distinct)
    if (receiver := loop.receiver_of_all()) is not None:
        raise Refused(
            Reason.SIGNALS,
            f"{receiver} connects a receiver without a sender: it may read any column",
        )
    needed = dict.fromkeys(needed_fields(loop, model, columns))
    if any(map(is_full_save, loop.used(uses.Kind.SAVE))):
        _check_save(loop, model)
        needed |= dict.fromkeys(_computed(distinct, loop.databases))
        _check_writes_something(needed, columns)
    every = [c for c in distinct if c.primary_key is not True and c.has_column is True]
    spared = [column for column in every if column.name not in needed]
    _check_worth(spared)
    names = [column.name for column in every if column.name in needed]
    if not keeps_order(loop, model, columns, names):
        spared = [column for column in spared if column.kind in _WIDE]
        kept = [column.name for column in every if column not in spared]
        if not spared or not keeps_order(loop, model, columns, kept):
            raise Refused(
                Reason.QUERYSET_SHAPE,
                "the queryset is not ordered, and an index may hold every column that the body"
                " needs: the rows may come in another order",
            )
        return _narrowed(loop, "defer", [column.name for column in spared])
    if 2 * len(spared) < len(names):  # nearly all are needed: the rest is the shorter list
        return _narrowed(loop, "defer", [column.name for column in spared])
    return _narrowed(loop, "only", [name for name in needed if name in names] or [_key(distinct)])


def _check_worth(spared: list[FieldState]) -> None:
    if len(spared) < 3 and all(column.kind in _FIXED_SIZE for column in spared):
        small = " and ".join(f"`{column.name}`" for column in spared)
        but = f"all columns but {small}, too small to matter" if small else "every column"
        raise Refused(Reason.ALL_FIELDS_NEEDED, f"the body needs {but}")


def _narrowed(loop: Loop, method: str, names: list[str]) -> Rewrite:
    arguments = ", ".join(map(loop.names.quoted, names))
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
    if loop.row is None:
        raise Refused(Reason.NOT_INSTANCES, "the rows are not model instances under one name")
    if loop.reuse:
        raise Refused(Reason.QUERYSET_REUSED, loop.reuse)
    if loop.is_over_list:
        raise Refused(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")
    for step in loop.rows.steps:
        if step.name in _STEPS_REFUSED:
            raise Refused(
                Reason.QUERYSET_SHAPE, f"`.{step.name}()` in the queryset decides what is loaded"
            )
    if loop.is_over_iterator:
        raise Refused(
            Reason.QUERYSET_SHAPE,
            ".only() would have to stand before the .iterator() above the loop",
        )
    if loop.is_used_after(loop.row):
        raise Refused(Reason.USED_AFTER, f"`{loop.row}` is used after the loop")
    sources.check_wrappers(loop)


def _check_plain(model: ModelState, columns: list[FieldState]) -> None:
    """No code of the project in the class, whose methods could read any column."""
    for base in model.bases:
        if base != "django.db.models.Model":
            raise Refused(Reason.CUSTOM_BASE, f"{model.label} has bases of its own")
    if isinstance(model.managers, Unknown) or model.managers:
        raise Refused(Reason.CUSTOM_MANAGER, f"{model.label} has managers of its own")
    names = {column.name for column in columns}
    for column in columns:
        if column.kind in {None, "ImageField"} and not names.isdisjoint(_texts(column)):
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"`{column.name}` reads and sets other columns by itself"
            )


def _texts(column: FieldState) -> Iterator[str]:
    """The options that may name other columns: ``width_field``, ``populate_from``..."""
    for value in column.options.values():
        items = value if isinstance(value, tuple) else (value,)
        yield from (item for item in items if isinstance(item, str))


def _check_save(loop: Loop, model: ModelState) -> None:
    """A narrowed ``save()`` leaves other columns alone and does not bring back a deleted row."""
    for use in loop.used(uses.Kind.SAVE):
        if (
            is_full_save(use)
            and isinstance(use.node, ast.Call)
            and (use.node.args or use.node.keywords)
        ):
            raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with arguments")
    for effect in loop.effects:
        line = loop.line_of(effect.node)
        if effect.kind is effects.Kind.WRITES and (
            effects.is_deletion(effect) or _shares_table(loop, model, effect.model)
        ):
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"line {line} may change rows of {model.label} that save() then writes back",
            )
        if effect.kind in {effects.Kind.CALL, effects.Kind.SQL}:
            raise Refused(
                Reason.UNKNOWN_CALL,
                f"line {line} calls code that is not in this file and may change the same rows",
            )


def _shares_table(loop: Loop, model: ModelState, key: ModelKey | None) -> bool:
    """May a write to the model called ``key`` change rows in the table of ``model``?"""
    other = loop.state.model(*key) if key else Unknown("")
    parents = Unknown("") if isinstance(other, Unknown) else loop.state.parents(other)
    if isinstance(other, Unknown) or isinstance(parents, Unknown):
        return True
    tables = {each.db_table for each in (*parents, other)}
    return model.db_table in tables or any(isinstance(table, Unknown) for table in tables)


def _computed(columns: Iterable[FieldState], databases: Databases) -> Iterator[str]:
    """Columns that ``save()`` gives a value of their own: deferred ones would silently keep the old.

    SQLite stores decimals of any length, and ``save()`` writes them back rounded.
    """
    inert = INERT - {"DecimalField"} if databases.any("sqlite") else INERT
    for column in columns:
        if column.has_column is not True:
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"what save() does with `{column.name}` is not known"
            )
        if column.auto_now is not False or column.kind not in inert:
            yield column.name


def _check_writes_something(needed: Iterable[str], columns: Mapping[str, FieldState]) -> None:
    """A ``save()`` of a row with nothing but its key fetches every column, one by one."""
    loaded = [columns[name] for name in needed]
    if all(c.primary_key is True or c.kind == "GeneratedField" for c in loaded):
        raise Refused(Reason.ALL_FIELDS_NEEDED, "save() of an unchanged row writes every column")


def _key(columns: Iterable[FieldState]) -> str:
    """``only()`` without a name loads everything."""
    key = next((c for c in columns if c.primary_key is True), None)
    if key is None:
        raise Refused(Reason.FIELD_UNKNOWN, "the primary key is not known")
    return key.name


codemod = Codemod(__name__, "MF201", Part.COLUMNS, decide)
__getattr__ = codemod.module_attribute
