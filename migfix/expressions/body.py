"""The statements of a loop's body as paths: under which conditions a row is saved with which values."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Sequence

from migfix.expressions import inlining, saving
from migfix.expressions.alternatives import alternatives
from migfix.expressions.conditions.compiling import compile_test
from migfix.expressions.context import Bound, Context, Refused, SqlValue, Target
from migfix.expressions.desugaring import as_if
from migfix.expressions.output import local_caveat, output_caveat
from migfix.expressions.path import Path, branches
from migfix.expressions.preconditions.sources import are_atomic
from migfix.expressions.totality import is_total
from migfix.expressions.values.compiling import check_target, compile_value, increment
from migfix.expressions.values.elsewhere import exists, query_of
from migfix.findings import Reason
from migfix.history.state import ModelKey
from migfix.reading.kinds.values import Model
from migfix.reading.names.scopes import walk
from migfix.source import shortened
from migfix.sql.kinds import FILES

_MAX_PATHS = 64
_MAX_CALLS = 4
# By how much a value may outgrow the body in which names keep it short: ``a = row.n; b = a + a``...
_MAX_GROWTH = 4
_SMALL = 100


def compile_body(statements: Sequence[ast.stmt], context: Context) -> tuple[Path, ...]:
    """All paths through the statements, in source order of their conditions.

    Raises ``Refused`` at the first thing that is not known.
    """
    paths = tuple(_run(statements, [Path(context)]))
    for path in paths:
        if path.saved is not None and path.unsaved:
            name = min(path.unsaved)
            raise Refused(
                Reason.OTHER_STATEMENTS,
                f"`{context.loop.row}.{name}` is set after the row was saved",
            )
    return paths


def _run(statements: Sequence[ast.stmt], paths: list[Path]) -> list[Path]:
    for statement in statements:
        following = [
            after for path in paths for after in ([path] if path.ended else _step(statement, path))
        ]
        if len(following) > _MAX_PATHS:
            raise Refused(Reason.BRANCHES, "the body has too many branches to follow")
        paths = following
    return paths


def _step(statement: ast.stmt, path: Path) -> list[Path]:
    step = _TABLE.get(type(statement))
    if step is None:
        raise _refused_statement(statement, path)
    try:
        return step(statement, path)
    except Refused as refused:
        refused.locate(path.context.loop.at(statement))
        raise


def _refused_statement(statement: ast.stmt, path: Path) -> Refused:
    lines = path.context.loop.source.lines[statement.lineno - 1 : statement.end_lineno]
    shown = shortened("".join(lines))
    at = path.context.loop.at(statement)
    return Refused(
        Reason.OTHER_STATEMENTS, f"{at} does more than set fields of the row: `{shown}`", at
    )


# Assignments


def _assign(statement: ast.stmt, path: Path) -> list[Path]:
    assert isinstance(statement, ast.Assign)
    match statement.targets, statement.value:
        case [ast.Tuple(elts=names)], ast.Tuple(elts=values) if len(names) == len(values):
            return _assign_all(names, values, statement, path)
    return _assign_value(statement.targets, statement.value, statement, path)


def _assign_all(
    targets: Sequence[ast.expr], values: Sequence[ast.expr], statement: ast.stmt, path: Path
) -> list[Path]:
    """``row.a, row.b = row.b, row.a``: every value is computed before any is set."""
    ways: list[tuple[Path, list[Bound]]] = [(path, [])]
    for value in values:
        ways = [
            (after, [*bounds, bound])
            for before, bounds in ways
            for after, bound in _values(value, before)
        ]
    done: list[Path] = []
    for after, bounds in ways:
        for target, bound in zip(targets, bounds, strict=True):
            after = _set(target, bound, statement, after)
        done.append(after)
    return done


def _annotated(statement: ast.stmt, path: Path) -> list[Path]:
    assert isinstance(statement, ast.AnnAssign)
    if statement.value is None:
        return [path]
    return _assign_value([statement.target], statement.value, statement, path)


def _augmented(statement: ast.stmt, path: Path) -> list[Path]:
    assert isinstance(statement, ast.AugAssign)
    match statement.target:
        case ast.Attribute() as target:
            return _assign_value([target], increment(statement), statement, path)
        case ast.Name(id=name) if name in path.context.local:
            left = ast.copy_location(ast.Name(name, ast.Load()), statement.target)
            value = ast.copy_location(ast.BinOp(left, statement.op, statement.value), statement)
            return _assign_value([statement.target], value, statement, path)
        case ast.Name(id=name) if isinstance(statement.op, ast.Add):
            return [_counted(name, statement, path)]
    raise _refused_statement(statement, path)


def _counted(name: str, statement: ast.AugAssign, path: Path) -> Path:
    """``count += 1``"""
    step = path.context.constant(statement.value)
    if type(step) is not int or path.context.depth or name not in path.context.loop.counters:
        raise _refused_statement(statement, path)
    grown = path.counted.get(name, 0) + step
    return dataclasses.replace(path, counted={**path.counted, name: grown})


def _assign_value(
    targets: Sequence[ast.expr], value: ast.expr, statement: ast.stmt, path: Path
) -> list[Path]:
    match targets:
        case [ast.Name(id=name)] if not _is_known(value, path.context):
            caveat = local_caveat(statement, name, path.context)
            if caveat is not None:
                return [path.but(caveat)]
    done: list[Path] = []
    for after, bound in _values(value, path):
        for target in targets:
            after = _set(target, bound, statement, after)
        done.append(after)
    return done


def _is_known(value: ast.expr, context: Context) -> bool:
    """Is it worth while to look into the value? Only what it may raise tells what is in the way."""
    try:
        return bool(_values(value, Path(context))) and is_total(value, context)
    except Refused:
        return False


def _values(node: ast.expr, path: Path) -> list[tuple[Path, Bound]]:
    """The value on each path that its conditions lead to."""
    found: list[tuple[Path, Bound]] = []
    for after, value in alternatives(node, path):
        inlined = _called(value, after) if isinstance(value, ast.Call) else None
        if inlined is None:
            found.append((after, Bound(value, after.context)))
        else:
            none = ast.Constant(None)
            found += [(p, returned or Bound(none, p.context)) for p, returned in inlined]
    return found


def _set(target: ast.expr, bound: Bound, statement: ast.stmt, path: Path) -> Path:
    _check_size(target, bound, path)
    match target:
        case ast.Name(id=name) if name not in path.context.resolver.scope.shared:
            if not is_total(bound.node, path.context.when(bound)):
                raise _refused_statement(statement, path)
            local = {**path.context.local, name: bound}
            return path.within(dataclasses.replace(path.context, local=local))
        case ast.Attribute():
            return _set_column(target, bound, path)
    raise _refused_statement(statement, path)


def _check_size(target: ast.expr, bound: Bound, path: Path) -> None:
    """Each name of a value is written out: sums of sums of sums would have no end. Raises ``Refused``."""
    body = sum(len(walk(statement)) for statement in path.context.loop.node.body)
    if bound.size > max(_SMALL, _MAX_GROWTH * body):
        raise Refused(
            Reason.VALUE,
            f"`{path.context.loop.text(target)}` would be written out as an expression of "
            f"{bound.size} parts",
        )


def _set_column(target: ast.Attribute, bound: Bound, path: Path) -> Path:
    column_target = _target(target, path)
    name = column_target.column.name
    context = path.context.when(bound)
    value = compile_value(bound.node, column_target, context)
    values = {key: v for key, v in path.values.items() if key != name}
    assigned = {key: b for key, b in path.context.assigned.items() if key != name}
    if not _is_own_value(value, column_target):
        values, assigned = {**values, name: value}, {**assigned, name: bound}
    return dataclasses.replace(
        path,
        context=dataclasses.replace(path.context, assigned=assigned),
        values=values,
        unsaved=path.unsaved | {name},
    )


def _is_own_value(value: SqlValue, target: Target) -> bool:
    """``row.a = row.a``: the stored value comes back."""
    return value.copied == target.column.name and not value.explicit


def _target(target: ast.Attribute, path: Path) -> Target:
    if not path.context.is_row(target.value):
        raise Refused(
            Reason.OTHER_STATEMENTS,
            f"`{path.context.loop.text(target)}` is set on something else than the row",
        )
    column = path.context.column(target.attr)
    check_target(column)
    if column.primary_key is not False:
        raise Refused(Reason.PRIMARY_KEY, f"`{target.attr}` is the primary key")
    return Target(column, target.attr)


# Branches


def _if(statement: ast.stmt, path: Path) -> list[Path]:
    assert isinstance(statement, ast.If)
    yes, no = branches(path, compile_test(statement.test, path.context))
    taken = [] if yes is None else _run(statement.body, [yes])
    return taken if no is None else taken + _run(statement.orelse, [no])


def _match(statement: ast.stmt, path: Path) -> list[Path]:
    assert isinstance(statement, ast.Match)
    desugared = as_if(statement)
    if desugared is None or not is_total(statement.subject, path.context):
        raise _refused_statement(statement, path)
    return _run(desugared, [path])


def _continue(statement: ast.stmt, path: Path) -> list[Path]:
    if path.context.depth:
        raise _refused_statement(statement, path)
    return [dataclasses.replace(path, ended=True)]


def _return(statement: ast.stmt, path: Path) -> list[Path]:
    """Only inside of a called function."""
    assert isinstance(statement, ast.Return)
    if not path.context.depth:
        raise _refused_statement(statement, path)
    if statement.value is None:
        return [dataclasses.replace(path, ended=True)]
    return [
        dataclasses.replace(after, ended=True, returned=bound)
        for after, bound in _values(statement.value, path)
    ]


def _with(statement: ast.stmt, path: Path) -> list[Path]:
    """``with transaction.atomic():`` around what happens to one row."""
    assert isinstance(statement, ast.With)
    if not are_atomic(statement, path.context.loop):
        raise _refused_statement(statement, path)
    return _run(statement.body, [path])


def _try(statement: ast.stmt, path: Path) -> list[Path]:
    """``try: row.fk = T.objects.get(...)``, ``except T.DoesNotExist:`` where nothing else can fail."""
    assert isinstance(statement, ast.Try)
    match statement:
        case ast.Try(body=[ast.Assign(value=ast.Call() as call) as found], handlers=[handler]) if (
            not statement.finalbody and handler.name is None
        ):
            query = query_of(call, path.context)
        case _:
            raise _refused_statement(statement, path)
    if query is None or query.end != "get" or not query.is_one:
        raise _refused_statement(statement, path)
    if not _catches_missing(handler.type, query.model.key, path.context):
        raise _refused_statement(statement, path)
    yes, no = branches(path, exists(query))
    taken = [] if yes is None else _run([found, *statement.orelse], [yes])
    return taken if no is None else taken + _run(handler.body, [no])


def _catches_missing(caught: ast.expr | None, model: ModelKey, context: Context) -> bool:
    """``except T.DoesNotExist:`` of the very model, or ``except ObjectDoesNotExist:``"""
    if isinstance(caught, ast.Attribute) and caught.attr == "DoesNotExist":
        return context.resolver.value(caught.value, context.place) == Model(model)
    path = context.loop.module.path_of(caught) if caught is not None else None
    return path == "django.core.exceptions.ObjectDoesNotExist"


# Calls


def _expression(statement: ast.stmt, path: Path) -> list[Path]:
    assert isinstance(statement, ast.Expr)
    match statement.value:
        case ast.Constant():
            return [path]
        case ast.Call(func=ast.Attribute(value=owner, attr="save")) as call if path.context.is_row(
            owner
        ):
            return [saving.saved(path, saving.update_fields(call, path))]
        case ast.Call(
            func=ast.Attribute(value=owner, attr="delete"), args=[], keywords=[]
        ) if path.context.is_row(owner):
            return [saving.deleted(path)]
        case ast.Call() as call:
            return _other_call(call, statement, path)
    raise _refused_statement(statement, path)


def _other_call(call: ast.Call, statement: ast.Expr, path: Path) -> list[Path]:
    bulk = path.context.loop.bulk_update
    if bulk is not None and bulk.collects(call, path.context.is_row):
        return [saving.collected(path)]
    if (updated := _updated_by_key(call, statement, path)) is not None:
        return updated
    if (caveat := output_caveat(statement, path.context)) is not None:
        return [path.but(caveat)]
    inlined = _called(call, path)
    if inlined is None:
        raise _refused_statement(statement, path)
    return [after for after, _ in inlined]


def _updated_by_key(call: ast.Call, statement: ast.stmt, path: Path) -> list[Path] | None:
    """``Model.objects.filter(pk=row.pk).update(name=value)``: a save() of these columns alone."""
    match call:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(
                    func=ast.Attribute(value=manager, attr="filter"),
                    args=[],
                    keywords=[ast.keyword(arg=str(name), value=ast.Attribute(value=row, attr=key))],
                ),
                attr="update",
            ),
            args=[],
            keywords=given,
        ) if (
            given
            and path.context.is_row(row)
            and all(path.context.column(each).primary_key is True for each in (name, key))
            and saving.is_same_model(manager, path.context)
        ):
            return _set_by_update(given, statement, path)
    return None


def _set_by_update(
    given: Sequence[ast.keyword], statement: ast.stmt, path: Path
) -> list[Path] | None:
    """The row itself keeps what it holds: what reads it, later or beside it, reads the old values."""
    if path.unsaved or path.saves:
        return None
    if any(k.arg is None or path.context.column(k.arg).kind in FILES for k in given):
        return None  # update() stores a file's name as it is given, save() does not
    row = ast.Name(str(path.context.loop.row), ast.Load())
    targets = [ast.Attribute(row, str(keyword.arg), ast.Store()) for keyword in given]
    ways = _assign_all(targets, [keyword.value for keyword in given], statement, path)
    names = frozenset(path.context.column(str(keyword.arg)).name for keyword in given)
    return [saving.queried(saving.saved(way, names), path.context) for way in ways]


def _called(call: ast.Call, path: Path) -> list[tuple[Path, Bound | None]] | None:
    """The paths through a function of the file, with what it returns; None for any other call."""
    context = path.context
    function = context.resolver.function(call.func)
    if function is None or context.depth >= _MAX_CALLS:
        return None
    local = inlining.arguments(function, call, context)
    if local is None:
        return None
    inside = dataclasses.replace(
        context, resolver=context.resolver.inside(function), local=local, depth=context.depth + 1
    )
    body = [ast.Return(function.body)] if isinstance(function, ast.Lambda) else function.body
    ends = _run(body, [dataclasses.replace(path.within(inside), returned=None)])
    return [(inlining.back(end, path), end.returned) for end in ends]


def _pass(statement: ast.stmt, path: Path) -> list[Path]:
    return [path]


_TABLE: dict[type[ast.stmt], Callable[[ast.stmt, Path], list[Path]]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.Match: _match,
    ast.Continue: _continue,
    ast.Return: _return,
    ast.With: _with,
    ast.Try: _try,
    ast.Pass: _pass,
    ast.Expr: _expression,
}
