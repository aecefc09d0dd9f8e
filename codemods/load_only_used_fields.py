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
computes (``auto_now``) is always in the list. Rows that ``select_related()`` joins are narrowed with
it: ``.only("author", "author__name", "title")``.

Refuses when the row is handed to code that is not in the file; when every column is needed, or all
but one or two small ones; when a full ``save()`` follows and the body may change the same rows in
other ways; and when the rows are not sorted and an index holds all that is left to load, since
databases then answer in the order of that index. Rows of ``distinct()``, of an aggregate and of
multi-table inheritance must be sorted by something unique, for the same reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from migfix.codemod import Codemod, Decision
from migfix.expressions import gates, sources
from migfix.expressions.context import Refused
from migfix.expressions.joined import links_of
from migfix.expressions.kinds import INERT, TEXTS
from migfix.expressions.needs import (
    check_plain,
    is_full_save,
    needed_fields,
    with_dimensions,
)
from migfix.findings import ChainCall, Outcome, Part, Reason, Rewrite
from migfix.history.state import FieldState, ModelKey, ModelState, Unknown
from migfix.loops import effects, uses
from migfix.loops.indexes import is_ordered, keeps_order
from migfix.loops.loop import Databases, Loop
from migfix.loops.values import Rows, Step

# Steps after which ``only()`` has another meaning or none.
# https://docs.djangoproject.com/en/stable/ref/models/querysets/#only
_STEPS_REFUSED = frozenset("union intersection difference | fetch_mode".split())
_NARROW = frozenset({"only", "defer"})
_FIXED_SIZE = INERT - TEXTS - {"BinaryField", "GeneratedField"}
_WIDE = frozenset({"TextField", "JSONField", "BinaryField", "HStoreField", "ArrayField"})
# Expressions of which each row has its own value, whatever the other rows are.
_OF_ONE_ROW = frozenset({"F", "Value", "Case", "When", "Q", "ExpressionWrapper"})
_OF_OTHER_QUERIES = frozenset({"Exists", "Subquery"})


def decide(loop: Loop) -> Decision:
    if not isinstance(loop.rows, Rows) or loop.rows.has(
        "values", "values_list", "dates", "datetimes"
    ):
        return None
    _check_source(loop)
    model, columns, _ = gates.check_model(loop)
    check_plain(loop, model, columns)
    gates.check_manager(loop, model)
    if (receiver := loop.receiver_of_all()) is not None:
        raise Refused(
            Reason.SIGNALS,
            f"{receiver} connects a receiver without a sender: it may read any column",
        )
    distinct = list({column.name: column for column in columns.values()}.values())
    links = links_of(loop, model, is_ordered=is_ordered(loop, model, columns))
    # Where select_related() leads, it fails without the foreign key.
    followed = [link.path for link in links if "__" not in link.path]
    needed = _needed(loop, model, columns, distinct, followed)
    every = {c.name: c for c in distinct if c.primary_key is not True and c.has_column is True}
    spared = {name: column for name, column in every.items() if name not in needed}
    joined = {name: column for link in links for name, column in link.spared.items()}
    _check_worth(spared | joined)
    names = [name for name in every if name in needed]
    if not _keeps_order(loop, model, columns, names):
        spared = {name: column for name, column in spared.items() if column.kind in _WIDE}
        kept = [name for name in every if name not in spared]
        if not spared or not _keeps_order(loop, model, columns, kept):
            raise Refused(
                Reason.QUERYSET_SHAPE,
                "the queryset is not ordered, and an index may hold every column that the body"
                " needs: the rows may come in another order",
            )
        return _narrowed(loop, "defer", [*spared, *joined])
    listed = [name for name in needed if name in names] or [_key(model, distinct)]
    listed += [name for link in links for name in link.names]
    if 2 * len(spared | joined) < len(
        listed
    ):  # nearly all are needed: the rest is the shorter list
        return _narrowed(loop, "defer", [*spared, *joined])
    return _narrowed(loop, "only", listed)


def _needed(
    loop: Loop,
    model: ModelState,
    columns: Mapping[str, FieldState],
    distinct: list[FieldState],
    followed: list[str],
) -> dict[str, None]:
    """The names of the columns to load, in order. Raises ``Refused``."""
    try:
        needed = dict.fromkeys(needed_fields(loop, model, columns))
    except Refused as refused:
        raise _with_hint(refused, loop, distinct) from None
    needed |= dict.fromkeys(followed)
    if any(map(is_full_save, loop.used(uses.Kind.SAVE))):
        _check_save(loop, model)
        needed |= dict.fromkeys(_computed(distinct, loop.databases))
        _check_writes_something(needed, columns)
    return dict.fromkeys(with_dimensions(needed, columns))


def _with_hint(refused: Refused, loop: Loop, columns: Iterable[FieldState]) -> Refused:
    """Names the large columns that nothing in the file does, where the row gets away."""
    if refused.refusal.reason is not Reason.ROW_ESCAPES:
        return refused
    text = "".join(loop.source.lines)
    large = [
        column.name
        for column in columns
        if column.kind in _WIDE and not re.search(rf"\b{re.escape(column.name)}\b", text)
    ]
    if not large:
        return refused
    names = " and ".join(f"`{name}`" for name in large)
    arguments = ", ".join(map(loop.names.quoted, large))
    return Refused(
        refused.refusal.reason,
        f"{refused.refusal.message}; nothing in this file names its large column"
        f"{'s' if len(large) > 1 else ''} {names}: look whether .defer({arguments}) would do",
    )


def _keeps_order(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], loaded: Iterable[str]
) -> bool:
    """Do the rows come in the same order when only ``loaded`` is asked for?

    Duplicates and groups are found by sorting or hashing all that is loaded, and a table of the
    parent is not read at all when nothing of it is loaded.
    """
    assert isinstance(loop.rows, Rows)
    grouped = any(_groups(step, loop) for step in loop.rows.steps)
    if grouped or loop.rows.has("distinct") or gates.inherited(loop) is not None:
        return is_ordered(loop, model, columns)
    return keeps_order(loop, model, columns, loaded)


def _groups(step: Step, loop: Loop) -> bool:
    """May an annotation be an aggregate or a window over several rows?"""
    if step.name not in {"annotate", "alias"} or step.call is None:
        return False
    values = [*step.call.args, *(keyword.value for keyword in step.call.keywords)]
    return not all(_is_of_one_row(value, loop) for value in values)


def _is_of_one_row(node: ast.expr, loop: Loop) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_of_one_row(left, loop) and _is_of_one_row(right, loop)
        case ast.UnaryOp(operand=operand):
            return _is_of_one_row(operand, loop)
        case ast.Call(func=function, args=args, keywords=keywords):
            package, _, name = (loop.module.path_of(function) or "").rpartition(".")
            if package == "django.db.models" and name in _OF_OTHER_QUERIES | {"Value"}:
                return True
            known = package.startswith("django.db.models.functions") or (
                package == "django.db.models" and (name in _OF_ONE_ROW or name.endswith("Field"))
            )
            inner = [*args, *(keyword.value for keyword in keywords)]
            return known and all(_is_of_one_row(value, loop) for value in inner)
    return False


def _check_worth(spared: Mapping[str, FieldState]) -> None:
    if len(spared) < 3 and all(column.kind in _FIXED_SIZE for column in spared.values()):
        small = " and ".join(f"`{name}`" for name in spared)
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
    if loop.row is None:
        raise Refused(Reason.NOT_INSTANCES, "the rows are not model instances under one name")
    if loop.reuse:
        raise Refused(Reason.QUERYSET_REUSED, loop.reuse)
    if loop.rows.has("list()"):
        raise Refused(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")
    for step in loop.rows.steps:
        if step.name in _STEPS_REFUSED:
            raise Refused(
                Reason.QUERYSET_SHAPE, f"`.{step.name}()` in the queryset decides what is loaded"
            )
        _check_step(step)
    if loop.is_over_iterator:
        raise Refused(
            Reason.QUERYSET_SHAPE,
            ".only() would have to stand before the .iterator() above the loop",
        )
    if loop.is_used_after(loop.row):
        raise Refused(Reason.USED_AFTER, f"`{loop.row}` is used after the loop")
    sources.check_wrappers(loop)


def _check_step(step: Step) -> None:
    arguments = [*step.call.args, *step.call.keywords] if step.call else []
    if step.name == "extra" and not all(
        isinstance(a, ast.keyword) and a.arg in {"where", "params"} for a in arguments
    ):
        raise Refused(Reason.QUERYSET_SHAPE, "`.extra()` adds columns or an order of its own")
    match step.name, step.node:
        case "[]", ast.Subscript(value=ast.Call(), slice=ast.Slice(step=None)):
            return
        case "[]", _:
            raise Refused(
                Reason.QUERYSET_SHAPE,
                "the slice may be a list: of rows read before, or by its step",
            )


def _check_save(loop: Loop, model: ModelState) -> None:
    """A narrowed ``save()`` leaves other columns alone and does not bring back a deleted row."""
    if (base := gates.inherited(loop)) is not None:
        raise Refused(
            Reason.INHERITANCE, f"save() writes the table of {base} as well, if any of it is loaded"
        )
    own = loop.used(uses.Kind.SAVE)
    for use in own:
        if is_full_save(use) and not _is_plain_save(use, loop):
            raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with arguments")
    for effect in loop.effects:
        line = loop.line_of(effect.node)
        if effect.node in {use.node for use in own}:
            continue
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


def _is_plain_save(use: uses.Use, loop: Loop) -> bool:
    """Without arguments, or with the same ``using`` that the rows were read with."""
    match use.node:
        case ast.Call(args=[], keywords=[]):
            return True
        case ast.Call(args=[], keywords=[ast.keyword(arg="using", value=database)]):
            assert isinstance(loop.rows, Rows) and use.place is not None
            given = [
                [*step.call.args, *(k.value for k in step.call.keywords)]
                for step in loop.rows.steps
                if step.name in {"using", "db_manager"} and step.call is not None
            ]
            same = bool(given) and [ast.dump(a) for a in given[-1]] == [ast.dump(database)]
            return same and use.place.resolver is loop.resolver and _stays(database, loop)
    return False


def _stays(node: ast.expr, loop: Loop) -> bool:
    """Is it a literal, or read from a name that is bound once?"""
    while isinstance(node, ast.Attribute):
        node = node.value
    scope = loop.resolver.scope
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.Name) and scope.bound_once(node.id) is not None
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


def _key(model: ModelState, columns: Iterable[FieldState]) -> str:
    """``only()`` without a name loads everything."""
    key = next((c for c in (*model.fields, *columns) if c.primary_key is True), None)
    if key is None:
        raise Refused(Reason.FIELD_UNKNOWN, "the primary key is not known")
    return key.name


codemod = Codemod(__name__, "MF201", Part.COLUMNS, decide)
__getattr__ = codemod.module_attribute
