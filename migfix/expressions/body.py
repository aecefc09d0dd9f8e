"""The statements of a loop's body as paths: under which conditions a row is saved with which values."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migfix.expressions.conditions import (
    Condition,
    compile_test,
    negated,
    not_null_fields,
)
from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.values import compile_value, increment
from migfix.findings import Reason, Refusal
from migfix.source import shortened

_MAX_PATHS = 32


@dataclass(frozen=True)
class Path:
    """One way through the body. ``saved`` holds what the row's save() writes, by field name.

    ``saved`` is None as long as no save() ran; ``fields`` are the names of ``update_fields``.
    """

    context: Context
    conditions: tuple[Condition, ...] = ()
    caveats: tuple[Refusal, ...] = ()
    saved: Mapping[str, SqlValue] | None = None
    fields: frozenset[str] | None = None
    deleted: bool = False
    ended: bool = False

    @property
    def assigned(self) -> Mapping[str, SqlValue]:
        return self.context.assigned


@dataclass(frozen=True)
class Body:
    """Every path through a loop's body, in source order of their conditions."""

    paths: tuple[Path, ...] = field(default_factory=tuple)


def compile_body(statements: Sequence[ast.stmt], context: Context) -> Body:
    """All paths through the statements. Raises ``Refused`` at the first thing that is not known."""
    return Body(tuple(_run(statements, [Path(context)])))


def _run(statements: Sequence[ast.stmt], paths: list[Path]) -> list[Path]:
    for statement in statements:
        following: list[Path] = []
        for path in paths:
            following += [path] if path.ended else _step(statement, path)
        if len(following) > _MAX_PATHS:
            raise Refused(Reason.BRANCHES, "the body has too many branches to follow")
        paths = following
    return paths


def _step(statement: ast.stmt, path: Path) -> list[Path]:
    match statement:
        case ast.Assign(targets=[ast.Attribute() as target], value=value):
            return [_assign(target, compile_for(target, value, path), path)]
        case ast.AnnAssign(target=ast.Attribute() as target, value=ast.expr() as value):
            return [_assign(target, compile_for(target, value, path), path)]
        case ast.AugAssign(target=ast.Attribute() as target):
            return [
                _assign(target, increment(statement, _target(target, path), path.context), path)
            ]
        case ast.If():
            return _branch(statement, path)
        case ast.Continue():
            return [dataclasses.replace(path, ended=True)]
        case ast.Pass():
            return [path]
        case ast.Expr(value=ast.Constant()):
            return [path]
        case ast.Expr(value=ast.Call() as call):
            return [_call(call, statement, path)]
    raise _refused_statement(statement, path)


def _refused_statement(statement: ast.stmt, path: Path) -> Refused:
    lines = path.context.loop.source.lines[statement.lineno - 1 : statement.end_lineno]
    shown = shortened("".join(lines))
    return Refused(
        Reason.OTHER_STATEMENTS,
        f"line {statement.lineno} does more than set fields of the row: `{shown}`",
    )


def _target(target: ast.Attribute, path: Path) -> Target:
    row = path.context.loop.row
    if not (isinstance(target.value, ast.Name) and target.value.id == row):
        raise Refused(
            Reason.OTHER_STATEMENTS,
            f"`{path.context.loop.text(target)}` is set on something else than the row",
        )
    column = path.context.column(target.attr)
    if column.kind is not None and column.primary_key is not False:
        raise Refused(Reason.PRIMARY_KEY, f"`{target.attr}` is the primary key")
    return Target(column, target.attr)


def compile_for(target: ast.Attribute, value: ast.expr, path: Path) -> SqlValue:
    return compile_value(value, _target(target, path), path.context)


def _assign(target: ast.Attribute, value: SqlValue, path: Path) -> Path:
    if path.saved is not None or path.deleted:
        raise Refused(
            Reason.OTHER_STATEMENTS,
            f"`{path.context.loop.text(target)}` is set after the row was saved",
        )
    name = path.context.column(target.attr).name
    context = dataclasses.replace(path.context, assigned={**path.assigned, name: value})
    return dataclasses.replace(path, context=context)


def _branch(statement: ast.If, path: Path) -> list[Path]:
    test = compile_test(statement.test, path.context)
    yes = _under(path, test.condition, test.caveats)
    no = _under(path, negated(test.condition), test.caveats)
    return [*_run(statement.body, [yes]), *_run(statement.orelse, [no])]


def _under(path: Path, condition: Condition, caveats: tuple[Refusal, ...]) -> Path:
    known = path.context.not_null | not_null_fields(condition)
    return dataclasses.replace(
        path,
        context=dataclasses.replace(path.context, not_null=known),
        conditions=(*path.conditions, condition),
        caveats=(*path.caveats, *(c for c in caveats if c not in path.caveats)),
    )


def _call(call: ast.Call, statement: ast.stmt, path: Path) -> Path:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr="save") if name == path.context.loop.row:
            return _save(call, path)
        case ast.Attribute(value=ast.Name(id=name), attr="delete") if name == path.context.loop.row:
            if path.deleted:
                raise Refused(Reason.SAVED_TWICE, "the row is deleted twice on one path")
            if call.args or call.keywords:
                raise _refused_statement(statement, path)
            return dataclasses.replace(path, deleted=True)
    raise _refused_statement(statement, path)


def _save(call: ast.Call, path: Path) -> Path:
    if path.saved is not None or path.deleted:
        raise Refused(Reason.SAVED_TWICE, "the row is saved twice on one path")
    fields = _update_fields(call, path)
    written = {
        name: value for name, value in path.assigned.items() if fields is None or name in fields
    }
    return dataclasses.replace(path, saved=written, fields=fields)


def _update_fields(call: ast.Call, path: Path) -> frozenset[str] | None:
    """The field names of ``save(update_fields=[...])``; None for a full save. Raises ``Refused``."""
    fields: frozenset[str] | None = None
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg="update_fields", value=ast.Constant(value=None)):
                continue
            case ast.keyword(
                arg="update_fields",
                value=ast.List(elts=names) | ast.Tuple(elts=names) | ast.Set(elts=names),
            ) if names and all(
                isinstance(n, ast.Constant) and isinstance(n.value, str) for n in names
            ):
                fields = _named_fields(names, path.context)
            case ast.keyword(arg="force_update", value=ast.Constant(value=True)):
                continue
            case _:
                raise Refused(
                    Reason.SAVE_ARGUMENTS,
                    f"`{path.context.loop.text(call)}` is not a plain save()",
                )
    if call.args:
        raise Refused(
            Reason.SAVE_ARGUMENTS, f"`{path.context.loop.text(call)}` is not a plain save()"
        )
    return fields


def _named_fields(names: Sequence[ast.expr], context: Context) -> frozenset[str]:
    columns = [context.column(str(n.value)) for n in names if isinstance(n, ast.Constant)]
    keys = [column.name for column in columns if column.primary_key is not False]
    if keys:
        raise Refused(Reason.SAVE_ARGUMENTS, f"save() does not take `{keys[0]}` in update_fields")
    return frozenset(column.name for column in columns)
