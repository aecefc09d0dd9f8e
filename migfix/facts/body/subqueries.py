"""Queries inside of a queryset: those that the database runs for each row, and lists of values.

Known are Django's own expressions, plain values and querysets. Anything else may be a query of any
table. https://docs.djangoproject.com/en/stable/ref/models/expressions/#subquery-expressions
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from migfix.history.state import ModelKey, Unknown
from migfix.reading.kinds import known
from migfix.reading.kinds.constants import UNKNOWN, constant_at
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.plain import Type
from migfix.reading.kinds.values import Manager, Rows, Step
from migfix.reading.names.scopes import Binding
from migfix.reading.rows.lookups import Route, order_of_model, route, sorting_route, tables_of
from migfix.reading.rows.methods import Does, methods
from migfix.reading.rows.querysets import Resolver


@dataclass(frozen=True, slots=True)
class Inner:
    """A query inside of another, at ``node``, and the tables that it reads.

    ``is_list``: the database has all of its values before it looks at the first row
    (``pk__in=queryset``).
    """

    node: ast.AST
    tables: frozenset[str] | Unknown
    is_list: bool = False


_MAX_DEPTH = 8
_SQL = frozenset({"template", "function", "arg_joiner", None})
_NAMING = frozenset({"Q", "When", "JSONObject"})  # what each keyword names is a column, or a key
# Steps whose arguments choose or compute nothing.
_WITHOUT_LOOKUPS = methods(Does.TAKES_NO_QUERY)
_SORTING = methods(Does.TAKES_ORDER)
_CLASSES = "django.db.models."


def _is_plain_extra(step: Step) -> bool:
    """``extra(where=["n > %s"], params=[0])``: without a parenthesis there is no query, nor any call."""
    if step.call is None or step.call.args:
        return False
    given = {keyword.arg: keyword.value for keyword in step.call.keywords}
    texts, values = (_constants(given.pop(name, ast.List([]))) for name in ("where", "params"))
    return (
        not given
        and values is not None
        and texts is not None
        and all(isinstance(text, str) and "(" not in text for text in texts)
    )


def _constants(node: ast.expr) -> list[object] | None:
    """The constants of a list or tuple that holds nothing else."""
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            values = [item.value for item in items if isinstance(item, ast.Constant)]
            return list(values) if len(values) == len(items) else None
    return None


def inner_queries(rows: Rows, resolver: Resolver) -> Iterator[Inner]:
    """Every query that the steps of the queryset hold."""
    return _Reader(resolver).queries(rows)


def tables_read(rows: Rows, resolver: Resolver) -> frozenset[str] | Unknown:
    """Every table that a query of the rows looks at, to sort them as well."""
    return _Reader(resolver).tables(rows, in_order=True)


def tables_joined(rows: Rows, resolver: Resolver) -> frozenset[str] | Unknown:
    """The tables that joins lead to."""
    return _Reader(resolver).joined(rows)


def tables_beside(rows: Rows, resolver: Resolver) -> frozenset[str] | Unknown:
    """The tables that joins and queries inside lead to, be it back to that of the rows."""
    return _Reader(resolver).beside(rows)


def queries_in(value: ast.expr, resolver: Resolver) -> Iterator[Inner]:
    """Every query that a value holds which is given to the database; what is not known may hold one."""
    return _Reader(resolver).expression(value)


@dataclass(frozen=True)
class _Reader:
    """``names`` are those whose values are being read: one that a value is made of itself is a value before it."""

    resolver: Resolver
    depth: int = 0
    names: frozenset[str] = frozenset()

    def tables(self, rows: Rows, *, in_order: bool = False) -> frozenset[str] | Unknown:
        """The tables of a query; the database sorts the rows of an inner one only to take some of them."""
        key, state = rows.model.key, self.resolver.state
        own = tables_of(state.model(*key), state) if key else Unknown("")
        sorting = self.sorting(rows) if in_order or rows.has("[]") else ()
        sorted_by = [each.tables if isinstance(each, Route) else each for each in sorting]
        return _together([own, self.beside(rows), *sorted_by])

    def beside(self, rows: Rows) -> frozenset[str] | Unknown:
        return _together([self.joined(rows), *(inner.tables for inner in self.queries(rows))])

    def joined(self, rows: Rows) -> frozenset[str] | Unknown:
        key = rows.model.key
        state = self.resolver.state
        links = (state.model(*key) if key else Unknown("a relation") for key in rows.manager.links)
        found = [tables_of(link, state) for link in links]
        for step in rows.steps:
            routes = [self.route(name, key, rows) for name in self.lookups(step)]
            found += [each.tables if isinstance(each, Route) else each for each in routes]
            if isinstance(right := self._right_of(step), Rows):
                found.append(self.tables(right))
        return _together(found)

    def queries(self, rows: Rows) -> Iterator[Inner]:
        for step in rows.steps:
            if step.name == "extra":
                if not _is_plain_extra(step):
                    yield Inner(step.node, Unknown("SQL"))
            elif step.name == "|":
                yield from self._of_right_side(step, rows)
            elif step.call is not None and step.name not in _WITHOUT_LOOKUPS:
                yield from self._of_step(step, rows)

    def _right_of(self, step: Step) -> object:
        """What stands on the right of ``one | other``."""
        return self.resolver.value(step.node.right) if isinstance(step.node, ast.BinOp) else None

    def _of_right_side(self, step: Step, rows: Rows) -> Iterator[Inner]:
        right = self._right_of(step)
        if isinstance(right, Rows):
            yield from self.queries(right)
        elif not isinstance(right, Manager):
            yield Inner(step.node, Unknown("what stands on the right of the operator"))

    def _of_step(self, step: Step, rows: Rows) -> Iterator[Inner]:
        assert step.call is not None
        for argument in step.call.args:
            yield from self.expression(argument)
        for keyword in step.call.keywords:
            yield from self.expression(keyword.value)
        if step.name == "exclude" or _may_deny(step.call):
            for name in self.lookups(step):
                found = self.route(name, rows.model.key, rows)
                if isinstance(found, Unknown):
                    yield Inner(step.node, found)
                elif found.is_multiple:
                    yield Inner(step.node, found.tables)

    def sorting(self, rows: Rows) -> Iterator[Route | Unknown]:
        """Where all leads by which the rows are sorted, be it what their model says."""
        model = self.resolver.state.model(*rows.model.key) if rows.model.key else Unknown("")
        if isinstance(model, Unknown):
            yield model
            return
        named = [name for s in rows.steps if s.name in _SORTING for name in self.lookups(s)]
        for name in (*named, *order_of_model(model, rows.steps)):
            if str(name).removeprefix("-") not in _annotated(rows):
                yield sorting_route(name, model.key, self.resolver.state)

    def route(self, name: str | None, key: ModelKey | None, rows: Rows) -> Route | Unknown:
        if name is None or key is None:
            return Unknown("a lookup is not written out")
        if name.removeprefix("-").partition("__")[0] in _annotated(rows):
            return Route()
        return route(name, key, self.resolver.state)

    def lookups(self, step: Step) -> Iterator[str | None]:
        """The columns and relations that the step names."""
        if step.call is None or step.name in _WITHOUT_LOOKUPS:
            return
        named = step.name in {"annotate", "alias"}
        for argument in step.call.args:
            yield from self._names(argument)
        for keyword in step.call.keywords:
            if not named:
                yield keyword.arg
            yield from self._names(keyword.value, strings=False)

    def _names(self, node: ast.expr, *, strings: bool = True) -> Iterator[str | None]:
        """The names in an expression: ``"name"``, ``Q(name=1)``, ``F("name")``, ``Count("items")``."""
        match node:
            case ast.Constant(value=str(name)) if strings:
                yield name
            case ast.UnaryOp(operand=operand):
                yield from self._names(operand, strings=False)
            case ast.BinOp(left=left, right=right):
                yield from self._names(left, strings=False)
                yield from self._names(right, strings=False)
            case ast.Call() if (made := self._class(node)) is not None:
                yield from self._names_in(made, node)
            case ast.Name() if (written := self._written(node)) is not None:
                reader, value = written
                yield from reader._names(value, strings=strings)

    def _names_in(self, name: str, call: ast.Call) -> Iterator[str | None]:
        if name in {"Value", "OuterRef", "Exists", "Subquery"}:
            return
        for argument in call.args:
            yield from self._names(argument)
        for keyword in call.keywords:
            if name == "Q" or (name == "When" and keyword.arg not in {"condition", "then"}):
                yield keyword.arg
            yield from self._names(keyword.value, strings=False)

    def _class(self, node: ast.Call) -> str | None:
        """The class of Django's own expressions that the call makes one of."""
        path = self.resolver.path_of(node.func) or ""
        return path.rpartition(".")[2] if path.startswith(_CLASSES) else None

    def _written(self, name: ast.Name) -> tuple[_Reader, ast.expr] | None:
        if self.depth >= _MAX_DEPTH:
            return None
        written = self.resolver.written(name, name)
        if written is None:
            return None
        return replace(self, resolver=written.resolver, depth=self.depth + 1), written.node

    def expression(self, node: ast.expr) -> Iterator[Inner]:
        """The queries in what a step is given."""
        match self.resolver.value(node):
            case Rows() as rows if not rows.has("list()"):
                yield Inner(node, self.tables(rows), is_list=True)
            case Manager() as manager:
                yield Inner(node, self.tables(Rows(manager)), is_list=True)
            case None:
                yield from self._of_other(node)

    def _of_other(self, node: ast.expr) -> Iterator[Inner]:
        match node:
            case ast.Call():
                yield from self._of_call(node)
            case ast.Name():
                yield from self._of_name(node)
            case ast.Attribute(value=owner) | ast.Subscript(value=owner):
                if not _is_known_import(node, self.resolver):
                    yield from self.expression(owner)
            case _ if (parts := _parts(node)) is not None:
                yield from self._of_all(parts)
            case _:
                yield Inner(node, Unknown(f"what `{ast.unparse(node)}` is"))

    def _of_all(self, parts: Iterable[ast.expr]) -> Iterator[Inner]:
        for part in parts:
            yield from self.expression(part)

    def _of_call(self, call: ast.Call) -> Iterator[Inner]:
        name = self._class(call)
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if name is None:
            yield from self._of_other_call(call, given)
        elif name in {"Exists", "Subquery"} and call.args:
            yield Inner(call, self._query_given(call.args[0]))
        elif name in {"RawSQL", "Func", "FilteredRelation"} or is_given_sql(name, call):
            yield Inner(call, Unknown(f"what {name} reads"))
        else:
            yield from self._of_all(given)

    def _of_other_call(self, call: ast.Call, given: Iterable[ast.expr]) -> Iterator[Inner]:
        """What Python's own and Django's functions give is a value, as is a method of one."""
        module = self.resolver.module
        path = self.resolver.path_of(call.func)
        match call.func:
            case _ if path is not None and _gives_value(path):
                return
            case ast.Name(id=name) if module.is_builtin(name) and name in _MAKING_VALUES:
                yield from self._of_all(given)
            case ast.Attribute(value=owner) if isinstance(
                self.resolver.value(owner), (Manager, Rows)
            ):
                return  # it has run
            case ast.Attribute(value=owner) if path is None and isinstance(
                kind_of(owner, self.resolver), Type
            ):
                yield from self._of_all([owner, *given])
            case _:
                yield Inner(call, Unknown(f"what `{ast.unparse(call.func)}(...)` gives"))

    def _query_given(self, node: ast.expr) -> frozenset[str] | Unknown:
        match self.resolver.value(node):
            case Rows() as rows:
                return self.tables(rows)
            case Manager() as manager:
                return self.tables(Rows(manager))
        return Unknown("which query it is")

    def _of_name(self, name: ast.Name) -> Iterator[Inner]:
        if (written := self._written(name)) is not None:
            reader, value = written
            yield from reader.expression(value)
        elif name.id not in self.names and not self._holds_value(name):
            yield Inner(name, Unknown(f"what `{name.id}` is"))

    def _holds_value(self, name: ast.Name) -> bool:
        """Is everything that may be behind the name a value? A loop's variable is one."""
        bindings = self.resolver.scope.bindings.get(name.id)
        if bindings is None:
            return _is_known_import(name, self.resolver)
        reader = _Reader(self.resolver, _MAX_DEPTH, self.names | {name.id})
        return all(reader.binds_value(binding) for binding in bindings)

    def binds_value(self, binding: Binding) -> bool:
        match binding.statement:
            case ast.For() | ast.AugAssign():
                return True
            case ast.Assign() | ast.AnnAssign() | ast.NamedExpr() if binding.value is not None:
                return binding.position is not None or not list(self.expression(binding.value))
        return False


def is_given_sql(name: str, call: ast.Call) -> bool:
    """May SQL be put into an expression of Django's own: ``Abs("n", template="(SELECT ...)")``?

    https://docs.djangoproject.com/en/stable/ref/models/expressions/#func-expressions
    """
    return name not in _NAMING and any(keyword.arg in _SQL for keyword in call.keywords)


def _together(found: Iterable[frozenset[str] | Unknown]) -> frozenset[str] | Unknown:
    tables: frozenset[str] = frozenset()
    for each in found:
        if isinstance(each, Unknown):
            return each
        tables |= each
    return tables


def _annotated(rows: Rows) -> frozenset[str | None]:
    """The names that the queryset gives to what it computes."""
    calls = [s.call for s in rows.steps if s.name in {"annotate", "alias"} and s.call is not None]
    return frozenset(keyword.arg for call in calls for keyword in call.keywords)


def _parts(node: ast.expr) -> Iterable[ast.expr] | None:
    """What a value or an expression consists of; nothing where Python computes it beforehand."""
    match node:
        case ast.Constant() | ast.JoinedStr() | ast.Compare():
            return []
        case ast.ListComp() | ast.SetComp() | ast.DictComp():
            return []
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
            return [left, right]
        case ast.BoolOp(values=parts) | ast.Dict(values=parts):
            return parts
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return parts
    return None


def _may_deny(node: ast.AST) -> bool:
    """Is there a ``~Q(...)`` among what a step is given, or a name that may stand for one?"""
    match node:
        case ast.UnaryOp(op=op):
            return isinstance(op, ast.Invert)
        case ast.BinOp(left=left, right=right):
            return _may_deny(left) or _may_deny(right)
        case ast.Call(args=args, keywords=keywords):
            return any(map(_may_deny, [*args, *(k.value for k in keywords if k.arg in _Q_TAKING)]))
    return isinstance(node, (ast.Name, ast.Starred))


_Q_TAKING = frozenset({"filter", "condition", None})
_MAKING_VALUES = frozenset(
    "list tuple set frozenset dict str int float bool bytes len sum min max sorted range round abs".split()
)


def _gives_value(path: str) -> bool:
    return path.startswith("django.conf.settings.") or known.is_pure(path)


def _is_known_import(node: ast.expr, resolver: Resolver) -> bool:
    """``settings.NAME``, ``Status.ACTIVE``: a value, and neither a query nor an expression."""
    path = resolver.path_of(node)
    if path is None:
        return False
    return _gives_value(path) or constant_at(path, resolver.module) is not UNKNOWN
