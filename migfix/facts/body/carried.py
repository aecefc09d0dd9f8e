"""Names that a turn of a loop may read as an earlier turn left them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migfix.reading.names.scopes import COMPREHENSIONS, names_bound, walk
from migfix.source import children

_LEAVING = (ast.Continue, ast.Break)  # whatever else leaves a turn, leaves the loop


def carried_loads(target: ast.expr, body: Sequence[ast.stmt]) -> Iterator[ast.Name]:
    """The loads in the body of names that it binds, where it has not surely bound them before.

    ``target`` is bound anew in each turn.
    """
    bound = {name for statement in body for node in walk(statement) for name in _bound(node)}
    flow = _Flow(frozenset(bound))
    flow.statements(body, set(_names(target)))
    yield from flow.carried


@dataclass
class _Flow:
    """``bound`` are the names that count. ``carried`` grows."""

    bound: frozenset[str]
    carried: list[ast.Name] = field(default_factory=list)

    def statements(self, block: Sequence[ast.stmt], known: set[str]) -> set[str] | None:
        """The names that are bound at the end of the block; None where it is never reached."""
        for statement in block:
            after = self._statement(statement, known)
            if after is None:
                return None
            known = after
        return known

    def _statement(self, statement: ast.stmt, known: set[str]) -> set[str] | None:
        match statement:
            case ast.If(test=test, body=body, orelse=orelse):
                self._loads(test, known)
                known = known | _always_bound(test)
                return _both(self.statements(body, known), self.statements(orelse, known))
            case ast.For(target=target, iter=iterated, body=body, orelse=orelse):
                self._loads(iterated, known)
                self._stores(target, known)
                self.statements(body, known | set(_names(target)))
                self.statements(orelse, known)
                return known
            case ast.While(test=test, body=body, orelse=orelse):
                self._loads(test, known)
                self.statements(body, known | _always_bound(test))
                self.statements(orelse, known)
                return known
            case ast.With(items=items, body=body):
                for item in items:
                    self._loads(item.context_expr, known)
                    known = known | set(_names(item.optional_vars) if item.optional_vars else ())
                return self.statements(body, known)
            case ast.Try():
                return self._try(statement, known)
        return self._simple(statement, known)

    def _try(self, statement: ast.Try, known: set[str]) -> set[str] | None:
        inside = self.statements(statement.body, known)
        after = None if inside is None else self.statements(statement.orelse, inside)
        for handler in statement.handlers:
            named = known | ({handler.name} if handler.name else set())
            if handler.type is not None:
                self._loads(handler.type, known)
            after = _both(after, self.statements(handler.body, named))
        last = self.statements(statement.finalbody, known)
        return None if after is None or last is None else after | last

    def _simple(self, statement: ast.stmt, known: set[str]) -> set[str] | None:
        self._loads(statement, known)
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            self._count(statement.target, known)
        if isinstance(statement, ast.Delete):
            return known - {t.id for t in statement.targets if isinstance(t, ast.Name)}
        if isinstance(statement, _LEAVING):
            return None
        return known | _always_bound(statement)

    def _loads(self, node: ast.AST, known: set[str]) -> None:
        """Everything that the node evaluates, in no certain order; nested functions at once."""
        for each in _evaluated_outside(node):
            self._loads(each, known)
        if isinstance(node, COMPREHENSIONS):
            known = known | {n for each in node.generators for n in _names(each.target)}
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            own = {n for child in walk(node) for n in _bound(child)}
            arguments = {a.arg for a in walk(node.args) if isinstance(a, ast.arg)}
            known = known | own | arguments
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            self._count(node, known)
        for child in children(node):
            self._loads(child, known)

    def _stores(self, target: ast.expr, known: set[str]) -> None:
        self._loads(target, known)

    def _count(self, name: ast.Name, known: set[str]) -> None:
        if name.id in self.bound and name.id not in known:
            self.carried.append(name)


def _both(first: set[str] | None, second: set[str] | None) -> set[str] | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _evaluated_outside(node: ast.AST) -> list[ast.expr]:
    """What a comprehension or a function evaluates where it stands, before it has names of its own."""
    match node:
        case ast.FunctionDef(args=arguments) | ast.Lambda(args=arguments):
            return [*arguments.defaults, *filter(None, arguments.kw_defaults)]
    return [node.generators[0].iter] if isinstance(node, COMPREHENSIONS) else []


def _bound(node: ast.AST) -> Iterator[str]:
    yield from names_bound(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


def _names(target: ast.AST) -> Iterator[str]:
    return (n.id for n in walk(target) if isinstance(n, ast.Name))


def _always_bound(node: ast.AST) -> set[str]:
    """What the node binds whenever it has run; a walrus may stand where it is not evaluated."""
    match node:
        case ast.Assign(targets=targets):
            return {n for target in targets for n in _stored(target)}
        case ast.AnnAssign(target=target, value=ast.expr()):
            return set(_stored(target))
        case ast.FunctionDef(name=name):
            return {name}
        case ast.Import() | ast.ImportFrom():
            return set(names_bound(node))
        case ast.NamedExpr(target=target):
            return {target.id}
        case ast.Compare(left=ast.NamedExpr() as left):
            return _always_bound(left)
        case ast.UnaryOp(operand=operand):
            return _always_bound(operand)
    return set()


def _stored(target: ast.AST) -> Iterator[str]:
    return (n.id for n in walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
