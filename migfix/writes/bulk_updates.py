"""Whether the rows that one ``bulk_update()`` after the loop writes can be written as the loop goes."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migfix.columns.narrow_saves import computed, listing
from migfix.expressions.context import Refused
from migfix.expressions.counting import may_repeat_rows
from migfix.expressions.preconditions import gates, saves
from migfix.facts.body import uses
from migfix.facts.body.settled import changed_later
from migfix.facts.body.subqueries import is_given_sql, queries_in
from migfix.facts.loop import Loop
from migfix.facts.rows.aliases import is_of_rows
from migfix.facts.rows.bulk import BulkUpdate
from migfix.facts.rows.few import holds_few_rows
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState
from migfix.reading.kinds import known
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.plain import EXPRESSION, Known, Type, item_of
from migfix.reading.kinds.values import Pair, Row, Rows
from migfix.reading.names.scopes import DEFINITIONS, TRIES, walk
from migfix.reading.rows.querysets import Resolver
from migfix.source import children
from migfix.sql.databases import Trait
from migfix.sql.kinds import INERT, is_document
from migfix.writes import batching
from migfix.writes.waiting import check_nothing_is_loaded, check_nothing_looks

# Kinds whose values never change, so that a row has the same ones when the loop ends. The helper keeps
# rows with others (also a list that is given to a column of texts) until then, for which nothing is gained.
_FIXED = INERT - {"BinaryField"} | {"GenericIPAddressField"}
# Expressions that may read other rows, which are written by then.
_READING = frozenset({"Subquery", "Exists", "RawSQL", "Func"})


def check_collected(found: BulkUpdate, loop: Loop) -> tuple[list[str], list[str], list[Refusal]]:
    """The fields that are written, those of them that hold documents, and what may differ when they are written
    earlier. Raises ``Refused``.
    """
    for call in found.appends:
        batching.check_place(call, loop, "append()")
    batching.check_all_or_nothing(loop, "bulk_update()")
    model, columns, caveats = gates.check_model(loop)
    _check_rows(loop)
    _check_manager(found, loop, model)
    rows = _rows(found, loop)
    batching.check_row(loop, model, columns, rows)
    fields = _fields(found, columns)
    documents = [name for name in fields if is_document(columns[name])]
    _check_documents(loop, documents, columns)
    batching.check_columns(loop, model, fields, columns)
    _check_expressions(loop)
    for use in _writes(loop, columns, fields):
        batching.check_target(columns[use.field], use.field, loop)
    changes = _check_turn(found, rows, loop)
    if found.shared:
        _check_last(loop)
        _check_left_out(loop, changes, [columns[name] for name in fields])
    caveats += saves.unique_caveats(loop, model, fields, "one by one, not all at once")
    caveats += check_nothing_looks(loop, model)
    check_nothing_is_loaded(loop, model)
    return fields, documents, caveats


def is_batched(loop: Loop) -> bool:
    """Do batches surely take the place of the loop's ``bulk_update()``?"""
    if loop.bulk_update is None or holds_few_rows(loop) is not None:
        return False
    try:
        batching.check_surroundings(loop)
        return not check_collected(loop.bulk_update, loop)[2]
    except Refused:
        return False


def _check_rows(loop: Loop) -> None:
    """Each row comes once, and as it was when the loop began. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    if loop.row is None:
        raise Refused(Reason.NOT_INSTANCES, "the rows are not model instances under one name")
    listed = batching.READ_BEFORE if loop.is_over_list_besides_batches else None
    if reused := loop.reuse_besides_batches or listed:
        why = f"{reused.message}: they may change until bulk_update() writes them"
        raise Refused(Reason.QUERYSET_REUSED, why, reused.at)
    if may_repeat_rows(loop):
        raise Refused(
            Reason.QUERYSET_SHAPE,
            "a row may come more than once, of which bulk_update() takes the first",
        )
    if loop.rows.has("iterator") and not loop.databases.have(Trait.READS_SNAPSHOT):
        raise Refused(
            Reason.ALREADY_STREAMS,
            "on SQLite .iterator() goes over rows as they are then, and would meet those that are written",
        )
    if loop.node.orelse:
        raise Refused(Reason.LOOP_SHAPE, "the loop has an else, which runs before bulk_update()")


def _check_manager(found: BulkUpdate, loop: Loop, model: ModelState) -> None:
    """Django's own ``bulk_update()``, on the database that the model is written to. Raises ``Refused``."""
    gates.check_manager(loop, model)
    assert isinstance(found.call.func, ast.Attribute)
    if not model.has_plain_managers:
        raise Refused(
            Reason.CUSTOM_MANAGER, f"a manager of {model.label} may have its own bulk_update()"
        )
    named = found.database
    if not all(is_of_rows(loop.text(alias), loop) for alias in named):
        raise Refused(
            Reason.QUERYSET_SHAPE,
            f"`{loop.text(named[0])}` may be another database for bulk_update() than for the loop's rows",
        )


def _rows(found: BulkUpdate, loop: Loop) -> frozenset[ast.AST]:
    """The places where the row of the turn itself is put into the list. Raises ``Refused``."""
    for call in found.appends:
        if not found.collects(call, lambda node: getattr(node, "id", None) == loop.row):
            at = loop.at(call)
            raise Refused(
                Reason.ROW_ESCAPES,
                f"{at} puts something else into the list than the row of the turn",
                at,
            )
    return frozenset(call.args[0] for call in found.appends)


def _fields(found: BulkUpdate, columns: Mapping[str, FieldState]) -> list[str]:
    """The names of the fields, whose values are the same at the end of the loop. Raises ``Refused``."""
    names: dict[str, None] = {}
    for name in found.fields:
        column = columns.get(name)
        if column is None:
            raise Refused(Reason.FIELD_UNKNOWN, f"`{name}` is not known to be a column")
        if column.kind not in _FIXED and not is_document(column):
            raise Refused(
                Reason.VALUE,
                f"the value of `{column.name}`, a {column.class_path or 'field of unknown class'}, "
                "may change until bulk_update() writes it",
            )
        names[column.name] = None
    return list(names)


def _check_documents(loop: Loop, fields: Sequence[str], columns: Mapping[str, FieldState]) -> None:
    """Nothing changes them after their row was put into the list. Raises ``Refused``."""
    fixed = [name for name, column in columns.items() if column.kind in _FIXED]
    if fields and (node := changed_later(loop, fields, ["pk", *fixed])) is not None:
        at = loop.at(node)
        names = listing(fields, ())
        raise Refused(
            Reason.VALUE, f"{at} may change the value of {names} before bulk_update() writes it", at
        )


def _writes(loop: Loop, columns: Mapping[str, FieldState], fields: list[str]) -> Iterator[uses.Use]:
    for use in loop.used(uses.Kind.WRITE):
        if use.field in columns and columns[use.field].name in fields:
            yield use


def _check_expressions(loop: Loop) -> None:
    """No value is computed from other rows, of which some are written before others. Raises ``Refused``.

    Each is a value of Python's own, a row, or an expression that is known to read its own row alone.
    """
    for use in loop.used(uses.Kind.WRITE):
        assert use.place is not None
        if not _reads_own_row(use.node, use.place.resolver):
            raise _may_read(use.node, loop)
    for node in walk(loop.module.tree):  # which may reach the row in other ways
        path = loop.module.path_of(node.func) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and path and path.startswith("django.db.models."):
            name = path.rpartition(".")[2]
            if name in _READING or (known.is_pure(path) and is_given_sql(name, node)):
                raise _may_read(node, loop)


def _may_read(node: ast.AST, loop: Loop) -> Refused:
    at = loop.at(node)
    return Refused(
        Reason.VALUE, f"the expression on {at} may read rows that are written by then", at
    )


def _reads_own_row(place: ast.AST, resolver: Resolver) -> bool:
    """Is what is stored at the place known, and no expression that may read other rows?"""
    if isinstance(place, ast.Call):  # setattr(row, "name", value)
        return len(place.args) == 3 and _is_of_own_row(place.args[2], resolver)
    match resolver.scope.parents.get(place):
        case ast.Assign(targets=targets, value=value) if place in targets:
            return _is_of_own_row(value, resolver)
        case ast.AugAssign(value=value):
            return _is_of_own_row(value, resolver)
        case ast.Tuple(elts=places) as several:
            match resolver.scope.parents.get(several):
                case ast.Assign(value=ast.Tuple(elts=values)) if not _are_spread(places, values):
                    pairs = zip(places, values, strict=True)
                    return all(_is_of_own_row(v, resolver) for p, v in pairs if p is place)
                case ast.Assign(value=value):
                    kind = kind_of(value, resolver)
                    return isinstance(kind, Pair) or _is_plain(item_of(kind))
    return False


def _is_of_own_row(value: ast.expr, resolver: Resolver) -> bool:
    return _is_plain(kind_of(value, resolver)) or not any(queries_in(value, resolver))


def _is_plain(kind: Known) -> bool:
    """Is it a row, or a value of Python's own?"""
    return isinstance(kind, (Row, Type)) and kind != EXPRESSION


def _are_spread(places: Sequence[ast.expr], values: Sequence[ast.expr]) -> bool:
    starred = any(isinstance(each, ast.Starred) for each in (*places, *values))
    return starred or len(places) != len(values)


def _check_turn(found: BulkUpdate, rows: frozenset[ast.AST], loop: Loop) -> Collection[ast.AST]:
    """Nothing changes a row once it is in the list: gives what may change it. Raises ``Refused``."""
    scope = loop.resolver.scope
    changes: set[ast.AST] = set()
    harmless = {use.node for use in loop.used(uses.Kind.KEY, uses.Kind.LINK)} | rows
    for node in loop.nodes:
        if not isinstance(node, ast.Name) or node.id != loop.row or node in harmless:
            continue
        match scope.parents[node]:
            case ast.Attribute(ctx=ast.Load()):
                continue
            case ast.Attribute() | ast.Call() | ast.keyword():
                changes.add(node)
            case _:
                at = loop.at(node)
                raise Refused(
                    Reason.ROW_ESCAPES,
                    f"{at} gives the row another name, by which it may change later",
                    at,
                )
    for node in changes:
        if any(isinstance(each, DEFINITIONS) for each in _within(node, loop)):
            at = loop.at(node)
            raise Refused(Reason.ROW_ESCAPES, f"{at} changes the row in a function", at)
    _Turn(frozenset(found.appends), frozenset(changes), loop).run(loop.node.body, False)
    return changes


def _check_left_out(
    loop: Loop, changes: Collection[ast.AST], columns: Sequence[FieldState]
) -> None:
    """Rows of turns that end early are as they were, and ``bulk_update()`` does nothing to them. Raises ``Refused``."""
    for leaving in _leaving(loop.node.body):
        at = loop.at(leaving)
        if any(isinstance(around, TRIES) for around in _within(leaving, loop)):
            raise Refused(
                Reason.LOOP_SHAPE, f"{at} leaves a try, whose end may change the row after all", at
            )
        if any(_comes_before(change, leaving) for change in changes):
            raise Refused(
                Reason.LOOP_SHAPE,
                f"{at} ends turns that may have changed their row, which bulk_update() writes",
                at,
            )
        if (column := next(computed(columns, loop.databases), None)) is not None:
            raise Refused(
                Reason.VALUE,
                f"{at} skips rows; bulk_update() writes those, too, and may change how `{column}` is "
                "stored (rounded), a batch would not",
                at,
            )


def _check_last(loop: Loop) -> None:
    """Another statement can follow the last one of the body. Raises ``Refused``."""
    first, last = loop.node.body[0], loop.node.body[-1]
    before = loop.source.lines[first.lineno - 1].encode()[: first.col_offset]
    if before.strip() or not loop.stands_alone(last):
        raise Refused(Reason.LOOP_SHAPE, "the loop's last statement shares its line with others")


def _leaving(nodes: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    """What ends a turn of the loop in whose body these are."""
    for node in nodes:
        if isinstance(node, (ast.Continue, ast.Break)):
            yield node
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            yield from _leaving(node.orelse)
        elif not isinstance(node, DEFINITIONS):
            yield from _leaving(children(node))


def _comes_before(node: ast.AST, other: ast.stmt) -> bool:
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)) < (
        other.lineno,
        other.col_offset,
    )


def _within(node: ast.AST, loop: Loop) -> Iterator[ast.AST]:
    """What is around the node inside of the loop."""
    for ancestor in loop.resolver.scope.ancestors(node):
        if ancestor is loop.node:
            return
        yield ancestor


@dataclass(frozen=True)
class _Turn:
    """One turn of the loop, statement by statement."""

    appends: frozenset[ast.AST]
    changes: frozenset[ast.AST]
    loop: Loop

    def run(self, statements: list[ast.stmt], collected: bool) -> bool | None:
        """May the row be in the list after these? None where nothing runs after them. Raises ``Refused``."""
        for statement in statements:
            if isinstance(statement, (ast.Continue, ast.Break)):
                return None
            if isinstance(statement, ast.If):
                self._check(statement.test, collected)
                ends = [self.run(s, collected) for s in (statement.body, statement.orelse)]
                if ends == [None, None]:
                    return None
                collected = any(ends)
            else:
                collected = self._check(statement, collected)
        return collected

    def _check(self, node: ast.AST, collected: bool) -> bool:
        """The same of a node, whose parts may run in any order, and more than once."""
        inside = {*walk(node)}
        collected = collected or bool(inside & self.appends)
        if collected and (changed := inside & self.changes):
            at = min((self.loop.at(each) for each in changed), key=lambda each: each.line)
            raise Refused(
                Reason.SAVED_TWICE, f"{at} may change the row after it was put into the list", at
            )
        return collected
