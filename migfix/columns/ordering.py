"""Whether a rewrite of the query may bring rows in another order, where that matters to what is left."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from migfix.columns.order import dependence, is_total
from migfix.expressions.counting import AGGREGATES
from migfix.expressions.preconditions import gates
from migfix.facts.access import by_name
from migfix.facts.body import uses
from migfix.facts.body.changes import touches
from migfix.facts.body.effects import Kind
from migfix.facts.body.subqueries import inner_queries, tables_joined
from migfix.facts.loop import Loop
from migfix.facts.rows import indexes
from migfix.findings import Location, Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Rows, Step
from migfix.reading.rows.lookups import stays_in_table
from migfix.reading.rows.methods import Does, methods
from migfix.reading.rows.querysets import Resolver
from migfix.sql.databases import Trait

# Expressions of which each row has its own value, whatever the other rows are.
_OF_ONE_ROW = frozenset({"F", "Value", "Case", "When", "Q", "ExpressionWrapper"})
_OF_OTHER_QUERIES = frozenset({"Exists", "Subquery"})
_MAX_DEPTH = 5


def columns_refusal(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], loaded: Iterable[str]
) -> Refusal | None:
    """Why only ``loaded`` cannot be asked for: other rows would come, with other values, or some again."""
    assert isinstance(loop.rows, Rows)
    if (computed := _computed_of_order(loop)) is not None:
        return computed
    if (walked := _walks_what_moves(loop, model, columns, loaded)) is not None:
        return walked
    if (taken := _taken(loop)) is None or is_total(loop):
        return None
    return _of_ties(loop, model, columns, loaded, taken)


def columns_doubt(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], loaded: Iterable[str]
) -> Refusal | None:
    """By what it may show that only ``loaded`` is asked for: rows whose order is the database's choice come in another.

    A database may bring these in another order each time that it is asked, so that a migration which minds it leaves
    what it leaves by chance. https://www.postgresql.org/docs/current/queries-order.html
    """
    if is_total(loop) or (shown := _shown(loop)) is None:
        return None
    return _of_ties(loop, model, columns, loaded, shown)


def _of_ties(
    loop: Loop,
    model: ModelState,
    columns: Mapping[str, FieldState],
    loaded: Iterable[str],
    shown: tuple[str, Location],
) -> Refusal | None:
    """The same of rows whose order is not settled, where it is known by what it shows.

    A sort carries the loaded columns along, or the keys alone where they are many, and an index that
    holds all of them is read in place of the table. Duplicates and groups are found by sorting or
    hashing all that is loaded, and a table of the parent is not read at all when nothing of it is.
    https://mariadb.com/kb/en/order-by/, https://www.sqlite.org/queryplanner.html (section 1.7)
    """
    assert isinstance(loop.rows, Rows)
    why, at = shown
    steps = loop.rows.steps
    grouped = any(_is_computed_of(AGGREGATES, step, loop.resolver) for step in steps)
    settled = grouped or loop.rows.has("distinct") or gates.inherited(loop) is not None
    if not indexes.is_sorted(loop, model):
        if settled or not indexes.keeps_order(loop, model, columns, loaded):
            known = "are not sorted, and an index may hold every column that the body needs"
        elif _joins_by_width(loop):
            known = (
                "are not sorted, and of fewer columns a database may begin to join at another table"
            )
        else:
            return None
    else:
        known = _sorted(loop, model)
    said = f"{why}, and the rows {known}: they may come in another order"
    return Refusal(Reason.ROW_ORDER, said, at)


def _joins_by_width(loop: Loop) -> bool:
    """Which table a hash join begins with follows from the width of the rows.

    A condition that another query answers may be made a join.
    https://www.postgresql.org/docs/current/planner-optimizer.html
    """
    rows = loop.rows
    assert isinstance(rows, Rows)
    if loop.databases.have(Trait.JOINS_ALIKE):
        return False
    if rows.has("select_related") or tables_joined(rows, loop.resolver) != frozenset():
        return True
    return rows.has("filter", "exclude", "extra") and any(inner_queries(rows, loop.resolver))


def _walks_what_moves(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], loaded: Iterable[str]
) -> Refusal | None:
    """May ``.iterator()`` walk an index in which the body moves its rows, so that they come again?

    SQLite goes over its rows as they are then. An index that holds all that is loaded is read in place of the
    table: https://www.sqlite.org/isolation.html, https://www.sqlite.org/queryplanner.html (section 1.7)
    """
    assert isinstance(loop.rows, Rows)
    if not loop.rows.has("iterator") or loop.databases.have(Trait.READS_SNAPSHOT):
        return None
    parents = loop.state.parents(model)
    models = (model, *(() if isinstance(parents, Unknown) else parents))
    written = [columns[u.field].name for u in loop.used(uses.Kind.WRITE) if u.field in columns]
    stamped = [c.name for c in columns.values() if c.auto_now is not False or c.kind is None]
    if loop.used(uses.Kind.SAVE):
        written += stamped
    if any(touches(loop, model, effect) for effect in loop.having(Kind.WRITES)):
        written += [column.name for column in columns.values()]
    moved = [name for name in written if indexes.may_go_by_index(models, columns, [name])]
    if not moved or (
        not indexes.is_sorted(loop, model) and indexes.keeps_order(loop, model, columns, loaded)
    ):
        return None
    return Refusal(
        Reason.ROW_ORDER,
        f"on SQLite .iterator() over rows with few columns may walk an index of `{moved[0]}`, which the body "
        "changes: rows would come again",
    )


def cursor_refusal(loop: Loop) -> Refusal | None:
    """The same for a plain cursor in place of the query, and for the query in place of the cursor.

    PostgreSQL plans a cursor for its first rows, and may go by another index then. The other databases
    run one statement in one way.
    https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-CURSOR-TUPLE-FRACTION
    """
    if not isinstance(loop.rows, Rows) or loop.databases.have(Trait.PLANS_CURSOR_ALIKE):
        return None
    if (computed := _computed_of_order(loop)) is not None:
        return computed
    if is_total(loop) or (shown := _what_shows(loop)) is None or _reads_whole_table(loop):
        return None
    why, at = shown
    return Refusal(
        Reason.ROW_ORDER,
        f"{why}, and the rows {_known_order(loop)}: from a cursor of PostgreSQL they may come in "
        "another order",
        at,
    )


def _known_order(loop: Loop) -> str:
    if isinstance(loop.model, Unknown) or not indexes.is_sorted(loop, loop.model):
        return "are not sorted"
    return _sorted(loop, loop.model)


def _sorted(loop: Loop, model: ModelState) -> str:
    columns = {} if isinstance(loop.columns, Unknown) else by_name(loop.columns)
    unique = indexes.is_ordered(loop, model, columns)
    doubt = "of which some may come more than once" if unique else "which is not unique"
    return f"are sorted by {indexes.sorted_by(loop, model)}, {doubt}"


def _what_shows(loop: Loop) -> tuple[str, Location] | None:
    """What of the order shows, and where; None where nothing does."""
    return _taken(loop) or _shown(loop)


def _taken(loop: Loop) -> tuple[str, Location] | None:
    """Where the order decides which rows there are."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if step.name == "[]" or (step.name == "distinct" and step.call and step.call.args):
            why = "which of several rows that are equal in order the queryset takes matters"
            return why, loop.at(step.node)
    return None


def _shown(loop: Loop) -> tuple[str, Location] | None:
    """By what the body shows the order."""
    found = dependence(loop)
    return None if found is None else (str(found), found.at)


def _computed_of_order(loop: Loop) -> Refusal | None:
    """A window, or an aggregate that lists values, numbers ties as the database meets them."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if _is_computed_of(frozenset(), step, loop.resolver) and not _is_computed_of(
            AGGREGATES, step, loop.resolver
        ):
            at = loop.at(step.node)
            return Refusal(
                Reason.ROW_ORDER,
                f"what {step.name}() on {at} computes may depend on the order in which the "
                "database meets the rows",
                at,
            )
    return None


def _is_computed_of(names: frozenset[str], step: Step, resolver: Resolver) -> bool:
    """Is there an annotation of several rows, all such by aggregates of these names? Of any if none are given."""
    if step.name not in {"annotate", "alias"} or step.call is None:
        return False
    values = [*step.call.args, *(keyword.value for keyword in step.call.keywords)]
    several = not all(_is_of(_OF_ONE_ROW, value, resolver) for value in values)
    return several and (
        not names or all(_is_of(_OF_ONE_ROW | names, value, resolver) for value in values)
    )


def _is_of(names: frozenset[str], node: ast.expr, resolver: Resolver, depth: int = 0) -> bool:
    """Does the expression consist of these classes and of functions of single rows?"""
    match node:
        case ast.Constant():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_of(names, left, resolver, depth) and _is_of(names, right, resolver, depth)
        case ast.UnaryOp(operand=operand):
            return _is_of(names, operand, resolver, depth)
        case ast.Name() if (
            depth < _MAX_DEPTH and (written := resolver.written(node, node)) is not None
        ):
            return _is_of(names, written.node, written.resolver, depth + 1)
        case ast.Call(func=function, args=args, keywords=keywords):
            package, _, name = (resolver.path_of(function) or "").rpartition(".")
            if package == "django.db.models" and name in _OF_OTHER_QUERIES | {"Value"}:
                return True
            known = (package.startswith("django.db.models.functions") and name not in _WINDOWS) or (
                package == "django.db.models" and (name in names or name.endswith("Field"))
            )
            inner = [*args, *(keyword.value for keyword in keywords)]
            return known and all(_is_of(names, value, resolver, depth) for value in inner)
    return False


# https://docs.djangoproject.com/en/stable/ref/models/database-functions/#window-functions
_WINDOWS = frozenset(
    "CumeDist DenseRank FirstValue Lag LastValue Lead NthValue Ntile PercentRank Rank RowNumber".split()
)


def _reads_whole_table(loop: Loop) -> bool:
    """Is there but one way to find the rows: to go through the one table from its beginning?"""
    assert isinstance(loop.rows, Rows)
    model = loop.model
    if isinstance(model, Unknown) or isinstance(loop.columns, Unknown):
        return False
    parents = loop.state.parents(model)
    if isinstance(parents, Unknown) or gates.inherited(loop) is not None:
        return False
    if indexes.is_sorted(loop, model) or loop.rows.manager.related:
        return False
    columns = by_name(loop.columns)
    for step in loop.rows.steps:
        if step.name not in _PLAIN | {"filter", "exclude"}:
            return False
        names = step.lookups if step.name in _NAMING else []
        if not all(stays_in_table(name, columns) for name in names if name not in _OPTIONS):
            return False
        asked = [str(name).partition("__")[0] for name in names]
        if step.name in {"filter", "exclude"} and indexes.may_go_by_index(
            (model, *parents), columns, asked
        ):
            return False
    return not any(inner_queries(loop.rows, loop.resolver))


_NAMING = frozenset({"filter", "exclude", "values", "values_list"})
_OPTIONS = frozenset({"flat", "named"})
_PLAIN = methods(Does.WALKS_TABLE)
