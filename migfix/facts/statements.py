"""``Statement``: an ``update()`` or ``delete()`` of many rows that a function runs once, as one state sees it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from migfix.facts.access import Access, Surroundings, Visit
from migfix.facts.failure.commits import Unsplit, migration_to_commit, transaction_around
from migfix.reading.kinds.values import Manager, Model, Rows
from migfix.reading.names.functions import Function, Reach
from migfix.reading.names.places import Names
from migfix.reading.names.scopes import FunctionNode
from migfix.sql.databases import Trait

_LAZY = frozenset({"get_model", "all", "filter", "exclude", "using"})
_OF_NAMES = (ast.Name, ast.Attribute, ast.Constant, ast.expr_context)
_VERBS = frozenset({"update", "delete"})


@dataclass(frozen=True, eq=False)
class Statement(Access):
    """A statement whose value is ``call``: ``Model.objects.filter(...).update(...)``."""

    call: ast.Call

    @property
    def verb(self) -> str:
        """``update`` or ``delete``"""
        assert isinstance(self.call.func, ast.Attribute)
        return self.call.func.attr

    @property
    def queryset(self) -> ast.expr:
        """The expression of which ``update()`` or ``delete()`` is called."""
        assert isinstance(self.call.func, ast.Attribute)
        return self.call.func.value

    @cached_property
    def within_transaction(self) -> str | None:
        """Why it may run inside of a transaction; None where it is committed by itself."""
        return transaction_around(self.node, self.module)

    @cached_property
    def to_commit(self) -> ast.ClassDef:
        """The class that has to say ``atomic = False`` for it to be committed by itself, where nothing else of the
        migration minds. Raises ``Unsplit``.
        """
        if not self.databases.have(Trait.ENDS_ALIKE_IN_PIECES):
            raise Unsplit(
                "SQLite looks for broken foreign keys when the migration ends: what a window had committed would stay"
                if "sqlite" in self.databases.engines
                else "it may run on a database of which nothing is known"
            )
        return migration_to_commit(self.node, self.module, self._is_only_a_name)

    def _is_only_a_name(self, statement: ast.stmt) -> bool:
        """Does it give a name to a model, a manager or rows of the same model, and ask the database nothing?"""
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return False
        if not isinstance(statement.targets[0], ast.Name):
            return False
        nodes = [*ast.walk(statement.value)]
        if all(isinstance(node, _OF_NAMES) for node in nodes):
            return True
        value = self.resolver.value(statement.value, statement)
        calls = [node.func for node in nodes if isinstance(node, ast.Call)]
        plain = all(isinstance(call, ast.Attribute) and call.attr in _LAZY for call in calls)
        if isinstance(value, (Rows, Manager)) and isinstance(self.rows, Rows):
            return plain and value.model == self.rows.model
        return plain and isinstance(value, Model)


def calls_in(function: FunctionNode) -> Iterator[tuple[ast.stmt, ast.Call]]:
    """The statements of the function's own body that may update or delete many rows, each with its call."""
    for statement in getattr(function, "body", []) if isinstance(function, ast.FunctionDef) else []:
        match statement:
            case (
                ast.Expr(value=ast.Call(func=ast.Attribute(attr=name)) as call)
                | ast.Assign(value=ast.Call(func=ast.Attribute(attr=name)) as call)
                | ast.AugAssign(value=ast.Call(func=ast.Attribute(attr=name)) as call)
                | ast.Return(value=ast.Call(func=ast.Attribute(attr=name)) as call)
            ) if (name in _VERBS):
                yield statement, call


def statements_at(
    node: ast.stmt,
    call: ast.Call,
    function: Function,
    reach: Reach,
    names: Names,
    surroundings: Surroundings,
) -> list[Statement]:
    """The statement in each way in which it may run; none where it is not known to be of rows in all of them."""
    found = []
    visit = Visit(function, reach, names, surroundings)
    assert isinstance(call.func, ast.Attribute)
    resolvers = reach.resolvers(function, node)
    for resolver in resolvers:
        value = resolver.value(call.func.value, node)
        rows = Rows(value) if isinstance(value, Manager) else value
        if isinstance(rows, Rows):
            found.append(Statement.met(visit, node, resolver, rows, call=call))
    return found if len(found) == len(resolvers) else []
