"""Whether what a loop leaves depends on the order of its rows, and whether its queryset says that order.

Known are statements whose turns may trade places: each changes its own row, and reads nothing that
another turn writes. Whatever is not known to be one of these depends on the order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from migfix.columns.apart import Apart, links_of, unique_columns
from migfix.expressions.context import Refused
from migfix.expressions.counting import may_repeat_rows
from migfix.expressions.deletes import relation_caveats
from migfix.expressions.preconditions.failing import of_assignments
from migfix.expressions.values.constants import constant_of
from migfix.facts.access import by_name
from migfix.facts.body import effects, uses
from migfix.facts.body.carried import carried_loads
from migfix.facts.body.effects import Effect, Kind
from migfix.facts.body.fresh import Turn, changes, code_of
from migfix.facts.body.subqueries import tables_read
from migfix.facts.loop import Loop
from migfix.facts.rows.deferred import loads_of_others
from migfix.facts.rows.indexes import is_ordered
from migfix.findings import Location
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Manager, Row, Rows
from migfix.reading.rows.lookups import tables_of
from migfix.reading.rows.querysets import Resolver
from migfix.source import children


@dataclass(frozen=True, slots=True)
class Dependence:
    """The first thing by which the order shows: where it is, and what it does."""

    at: Location
    what: str

    def __str__(self) -> str:
        return f"{self.at} {self.what}"


@lru_cache(maxsize=256)  # several codemods ask, each for all states of a loop
def dependence(loop: Loop) -> Dependence | None:
    """What makes the result depend on the order of the rows; None where nothing does."""
    return next(_dependences(loop), None)


@lru_cache(maxsize=16)  # each column that is read may ask
def is_total(loop: Loop) -> bool:
    """Does the queryset leave no two rows in an order of the database's choice?"""
    if not isinstance(loop.rows, Rows) or isinstance(loop.model, Unknown):
        return False
    if isinstance(loop.columns, Unknown) or loop.rows.has("union", "dates", "datetimes"):
        return False
    if loop.rows.has("annotate", "values", "values_list", "extra") and may_repeat_rows(loop):
        return False  # what a row holds may differ each time that it comes
    return is_ordered(loop, loop.model, by_name(loop.columns))


def _dependences(loop: Loop) -> Iterator[Dependence]:
    if "enumerate" in loop.wrappers:
        yield Dependence(loop.at(loop.node), "numbers the rows")
    yield from _of_names(loop)
    yield from _leaving(loop)
    turn = Turn(loop)
    for node, scope in code_of(turn):
        if (what := changes(node, scope, turn)) is not None:
            yield Dependence(loop.at(node), what)
    yield from _of_row(loop)
    yield from _of_effects(loop)
    yield from _of_annotations(loop)
    yield from _of_errors(loop)


def _of_names(loop: Loop) -> Iterator[Dependence]:
    """Names by which a turn, or what follows the loop, sees what an earlier turn did."""
    counters = {name for name in loop.counters if _counts(name, loop)}
    for name in loop.names_used_after:
        if name not in counters:
            yield Dependence(loop.at(loop.node), f"leaves `{name}` to what follows the loop")
    for load in carried_loads(loop.node.target, loop.node.body):
        inside = load.id in counters and isinstance(load.ctx, ast.Store)
        if not inside:
            yield Dependence(
                loop.at(load), f"reads `{load.id}` as an earlier turn may have left it"
            )


def _counts(name: str, loop: Loop) -> bool:
    """``count += 1``: sums of whole numbers are the same in every order."""
    scope = loop.resolver.scope
    inside = [b.statement for b in scope.bindings[name] if scope.is_inside(b.statement, loop.node)]
    added = [s.value for s in inside if isinstance(s, ast.AugAssign)]  # all of them, of a counter
    return all(type(constant_of(value, loop)) is int for value in added)


def _leaving(loop: Loop) -> Iterator[Dependence]:
    for statement in loop.node.body:
        for node in _left_by(statement):
            yield Dependence(loop.at(node), "leaves the loop early")


def _left_by(node: ast.AST, *, inner: bool = False) -> Iterator[ast.AST]:
    """What ends the loop before its last row; a ``break`` of an inner loop does not."""
    if isinstance(node, (ast.Return, ast.Raise)) or (isinstance(node, ast.Break) and not inner):
        yield node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
        return
    within = inner or isinstance(node, (ast.For, ast.AsyncFor, ast.While))
    for child in children(node):
        yield from _left_by(child, inner=within)


def _of_row(loop: Loop) -> Iterator[Dependence]:
    """What the body does with the row that another row may notice."""
    model = loop.model
    if loop.row is None:
        return
    if isinstance(model, Unknown):
        yield Dependence(loop.at(loop.node), "goes over rows of a model that is not known")
        return
    unique = unique_columns(model, loop)
    for use in loop.used(uses.Kind.WRITE):
        if unique is None or use.field in unique:
            yield Dependence(
                loop.at(use.node), f"sets `{use.field}`, which rows may have to differ in"
            )
    for use in loop.used(uses.Kind.SAVE):
        if any(k.arg not in {"update_fields", "using"} for k in use.node.keywords):  # type: ignore[attr-defined]
            yield Dependence(loop.at(use.node), "may save the row as a new one")
    for use in loop.used(uses.Kind.DELETE):
        if _takes_rows_along(model, loop):
            yield Dependence(loop.at(use.node), "may delete other rows of the loop, or fail")
    for use in loop.used(uses.Kind.ESCAPE):
        if not _is_collected(use.node, loop):
            yield Dependence(loop.at(use.node), "hands the row on")


def _of_annotations(loop: Loop) -> Iterator[Dependence]:
    """A row that comes more than once, each time with other values beside it: the last one is kept."""
    assert isinstance(loop.rows, Rows)
    computed = loop.rows.has("annotate", "alias", "values", "values_list", "extra")
    if computed and _writes(loop) and may_repeat_rows(loop):
        yield Dependence(
            loop.at(loop.node), "goes over rows that may come more than once, with other values"
        )


def _of_errors(loop: Loop) -> Iterator[Dependence]:
    """An error that leaves what was written before it: which rows those are shows the order."""
    kept = loop.errors.kept or loop.errors.told_apart
    if kept and _writes(loop) and (place := _may_fail(loop)) is not None:
        yield Dependence(loop.at(place), f"may fail, and what was written before stays ({kept})")


def _writes(loop: Loop) -> bool:
    return _written(loop) != frozenset()


def _may_fail(loop: Loop) -> ast.AST | None:
    """The first part of the body that may raise; None where certainly none does."""
    model = loop.model
    if isinstance(model, Unknown) or isinstance(loop.columns, Unknown):
        return loop.node
    columns = by_name(loop.columns)
    found = next((node for node in loop.nodes if not _is_harmless(node, columns, loop)), None)
    saved = {columns[use.field].name for use in loop.used(uses.Kind.WRITE) if use.field in columns}
    if found is None and of_assignments(loop, model, columns, saved) is not None:
        return loop.node
    return found


_PLAIN = (
    *(
        ast.Constant,
        ast.expr_context,
        ast.If,
        ast.Continue,
        ast.Pass,
        ast.Expr,
        ast.Assign,
        ast.keyword,
    ),
    *(
        ast.boolop,
        ast.BoolOp,
        ast.Not,
        ast.UnaryOp,
        ast.IfExp,
        ast.Is,
        ast.IsNot,
        ast.Eq,
        ast.NotEq,
    ),
    *(ast.In, ast.NotIn, ast.Tuple, ast.List, ast.Set),
)


def _is_harmless(node: ast.AST, columns: Mapping[str, FieldState], loop: Loop) -> bool:
    """Can this part of a body not fail by itself?"""
    parent = loop.resolver.scope.parents.get(node)
    match node:
        case ast.Name(id=name):
            return name == loop.row
        case ast.Attribute(value=ast.Name(id=name), attr="save"):
            return name == loop.row
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            column = columns.get(attribute)
            return name == loop.row and column is not None and attribute == column.attname
        case ast.Call(func=ast.Attribute(attr="save")):
            return isinstance(parent, ast.Expr)
        case ast.Compare(ops=ops, comparators=others):
            inside = any(isinstance(op, (ast.In, ast.NotIn)) for op in ops)
            return not inside or all(isinstance(o, (ast.Tuple, ast.List, ast.Set)) for o in others)
    return isinstance(node, _PLAIN)


def _is_collected(node: ast.AST, loop: Loop) -> bool:
    """``rows.append(row)`` for ``bulk_update()``, by whose keys each row gets its own values."""
    parent = loop.resolver.scope.parents.get(node)
    return loop.bulk_update is not None and parent in loop.bulk_update.appends


def _takes_rows_along(model: ModelState, loop: Loop) -> bool:
    try:
        return bool(list(relation_caveats(loop, model)))
    except Refused:
        return True


# --- queries -------------------------------------------------------------------------------------


def _of_effects(loop: Loop) -> Iterator[Dependence]:
    written = _written(loop)
    apart = Apart(loop)
    for effect in loop.effects:
        if (what := _shown_by(effect, apart, written, loop)) is not None:
            yield Dependence(loop.at(effect.node), what)
    if written is None or written:
        yield from _followed(loop, written)
        yield from _loaded(loop, written)


def _shown_by(
    effect: Effect, apart: Apart, written: frozenset[str] | None, loop: Loop
) -> str | None:
    """What the effect does by which the order shows."""
    match effect.kind:
        case Kind.OUTPUT:
            return "prints or logs something of each row"
        case Kind.CALL | Kind.SQL | Kind.YIELDS:
            return "runs code of which it is not known what it does"
        case Kind.TRANSACTION if not _is_atomic(effect, loop):
            return "controls transactions"
        case Kind.WRITES if not all(apart.takes(k, links_of(effect, loop)) for k in effect.models):
            return "writes rows that other turns may write or number as well"
        case Kind.READS if _meets(_read(effect, loop), written):
            return "may read what other turns write"
    return None


def _meets(read: frozenset[str] | None, written: frozenset[str] | None) -> bool:
    """``None`` is any table."""
    if read is None:
        return written is None or bool(written)
    return written is None or bool(read & written)


def _written(loop: Loop) -> frozenset[str] | None:
    """The tables that the body writes; None where these may be any."""
    keys = {key for effect in loop.having(Kind.WRITES) for key in effect.models}
    deletes = any(effects.is_deletion(e) for e in loop.having(Kind.WRITES))
    if deletes or loop.used(uses.Kind.DELETE) or loop.having(Kind.CALL, Kind.SQL):
        return None
    if loop.used(uses.Kind.SAVE, uses.Kind.ESCAPE):
        keys.add(loop.rows.model.key if loop.rows.model else None)
    tables: frozenset[str] = frozenset()
    for key in keys:
        found = tables_of(loop.state.model(*key), loop.state) if key else Unknown("")
        if isinstance(found, Unknown):
            return None
        tables |= found
    return tables


def _place(effect: Effect, loop: Loop) -> tuple[ast.AST, Resolver]:
    inner, resolver = effect.inside or (effect, loop.resolver)
    return inner.node, resolver


def _read(effect: Effect, loop: Loop) -> frozenset[str] | None:
    """The tables of a query in the body; None where these may be any."""
    node, resolver = _place(effect, loop)
    value = resolver.value(node) if isinstance(node, ast.expr) else None
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if not isinstance(
            value, (Manager, Rows)
        ):
            rows = resolver.value(owner)
            rows = Rows(rows) if isinstance(rows, Manager) else rows
            value = rows.then(method, node) if isinstance(rows, Rows) else None
    if isinstance(value, Manager):
        value = Rows(value)
    found = tables_read(value, resolver) if isinstance(value, Rows) else Unknown("")
    return None if isinstance(found, Unknown) else found


def _followed(loop: Loop, written: frozenset[str] | None) -> Iterator[Dependence]:
    """Attributes by which rows of other tables are fetched, where something is written meanwhile."""
    columns = {} if isinstance(loop.columns, Unknown) else by_name(loop.columns)
    for node, resolver in code_of(Turn(loop)):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        value, owner = resolver.value(node), resolver.value(node.value)
        row = kind_of(node, resolver)  # of a comprehension's row as well
        if isinstance(row, Row):
            found = (
                tables_of(loop.state.model(*row.model.key), loop.state) if row.model.key else None
            )
            if _meets(None if isinstance(found, Unknown) else found, written):
                yield Dependence(
                    loop.at(node), f"follows `{node.attr}` to rows that other turns write"
                )
        elif isinstance(owner, Row) and value is None and owner.model == loop.rows.model:
            column = columns.get(node.attr)
            if column is None and not _is_no_relation(node, resolver, loop):
                yield Dependence(loop.at(node), f"reads `{node.attr}`, which is no column")
            elif (
                column is not None and column.is_relation is not False and node.attr == column.name
            ):
                yield Dependence(loop.at(node), f"follows `{node.attr}` to rows that are not known")


def _loaded(loop: Loop, written: frozenset[str] | None) -> Iterator[Dependence]:
    """Columns of other rows, read before without them, that are fetched while something is written."""
    model = loop.model
    found = tables_of(model, loop.state)
    if isinstance(model, Unknown) or not _meets(
        None if isinstance(found, Unknown) else found, written
    ):
        return
    for node, name in loads_of_others(loop, model):
        yield Dependence(loop.at(node), f"may load `{name}` of a row that other turns write")


def _is_no_relation(node: ast.Attribute, resolver: Resolver, loop: Loop) -> bool:
    parent = resolver.scope.parents.get(node)
    called = isinstance(parent, ast.Call) and parent.func is node
    assert isinstance(loop.rows, Rows)
    steps = [s.call for s in loop.rows.steps if s.name in {"annotate", "alias"} and s.call]
    computed = {keyword.arg for call in steps for keyword in call.keywords}
    return called or node.attr == "pk" or node.attr in computed


def _is_atomic(effect: Effect, loop: Loop) -> bool:
    node, resolver = _place(effect, loop)
    if not isinstance(node, ast.Call):
        return False
    path = resolver.path_of(node.func)
    return path == "django.db.transaction.atomic" or resolver.function(node.func) is not None
