"""Names that a file reads where nothing is certain to have bound them."""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import TypeAlias

from migfix.source import children, in_older_syntax, nodes_in

Unbound: TypeAlias = tuple[str, str, str]
"""A name, whether it is bound ``nowhere`` or perhaps ``later``, and the dotted name of the function."""

_State: TypeAlias = frozenset[str] | None
"""The names that are bound for certain; None where nothing comes by."""

# What every module has: https://docs.python.org/3/reference/datamodel.html#module-objects
_OF_MODULES = frozenset(
    "__name__ __doc__ __file__ __package__ __spec__ __loader__ __path__ __builtins__ __dict__".split()
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def unbound_names(text: str, tree: ast.Module) -> frozenset[Unbound]:
    """The names of the file that no scope binds, and those of functions that may be read too early."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = _table_of(text)
    shared = any(alias.name == "*" for node in _imports(tree) for alias in node.names)
    nowhere = () if shared else _nowhere(table)
    return frozenset([*nowhere, *_read_early(tree, table, "")])


def _table_of(text: str) -> symtable.SymbolTable:
    try:
        return symtable.symtable(text, "<migration>", "exec")
    except SyntaxError:
        return symtable.symtable(in_older_syntax(text), "<migration>", "exec")


def _imports(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    return (node for node in tree.body if isinstance(node, ast.ImportFrom))


def _nowhere(module: symtable.SymbolTable) -> Iterator[Unbound]:
    known = {each.get_name() for each in module.get_symbols() if _binds(each)}
    waiting = [(module, "")]
    while waiting:
        table, path = waiting.pop()
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_assigned():  # ``global name`` in a function
                known.add(symbol.get_name())
        waiting += [(each, _path(path, each.get_name())) for each in table.get_children()]
    known |= _OF_MODULES | set(dir(builtins))
    waiting = [(module, "")]
    while waiting:
        table, path = waiting.pop()
        for symbol in table.get_symbols():
            outer = symbol.is_global() or table is module
            if outer and symbol.is_referenced() and symbol.get_name() not in known:
                yield symbol.get_name(), "nowhere", path
        waiting += [(each, _path(path, each.get_name())) for each in table.get_children()]


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _path(outer: str, name: str) -> str:
    return f"{outer}.{name}" if outer else name


def _read_early(
    tree: ast.Module | ast.stmt, table: symtable.SymbolTable, path: str
) -> Iterator[Unbound]:
    """The same for each function in the order of the source, which is that of its table, too."""
    functions: dict[tuple[str, int], symtable.Function] = {}
    waiting = [table]
    while waiting:
        each = waiting.pop()
        if isinstance(each, symtable.Function):
            functions[each.get_name(), each.get_lineno()] = each
        waiting += each.get_children()
    for node, where in _functions(tree, path):
        own = functions.get((node.name, node.lineno)) or functions.get((node.name, _first(node)))
        if own is not None:
            local = frozenset(own.get_locals()) - frozenset(own.get_frees())
            flow = _Flow(local)
            flow.run(node.body, frozenset(own.get_parameters()))
            yield from ((name, "later", where) for name in flow.early)


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _functions(
    root: ast.AST, path: str
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    waiting = [(root, path)]
    while waiting:
        node, outer = waiting.pop()
        named = isinstance(node, (*_FUNCTIONS, ast.ClassDef))
        where = _path(outer, node.name) if named else outer  # type: ignore[attr-defined]
        if isinstance(node, _FUNCTIONS):
            yield node, where
        waiting += [(child, where) for child in children(node)]


class _Flow:
    """Which of a function's own names are bound for certain at each place; ``early`` are read before."""

    def __init__(self, local: frozenset[str]) -> None:
        self.local = local
        self.early: set[str] = set()

    def run(self, statements: Sequence[ast.stmt], state: _State) -> _State:
        for statement in statements:
            if state is None:
                return None
            state = self._after(statement, state)
        return state

    def _after(self, statement: ast.stmt, state: frozenset[str]) -> _State:
        match statement:
            case ast.If():
                return self._after_if(statement, state)
            case ast.For() | ast.AsyncFor():
                return self._after_loop(statement, state)
            case ast.While(test=test, body=body, orelse=orelse):
                state = self._read([test], state)
                self.run(body, state)
                self.run(orelse, state)
                return state
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                for item in items:
                    state = self._read([item.context_expr], state)
                    state = self._bind(item.optional_vars, state)
                return self.run(body, state)
            case ast.Try():
                return self._after_try(statement, state)
            case ast.Match(subject=subject, cases=cases):
                return self._after_match(cases, self._read([subject], state))
            case ast.Return() | ast.Raise():
                self._read(children(statement), state)
                return None
            case ast.Break() | ast.Continue():
                return None
        if type(statement).__name__ == "TryStar":  # since Python 3.11
            return self._after_try(statement, state)  # type: ignore[arg-type]
        return self._after_simple(statement, state)

    def _after_if(self, statement: ast.If, state: frozenset[str]) -> _State:
        """Of an ``elif`` after another, however many there are."""
        ends: list[_State] = []
        step: ast.If | None = statement
        while step is not None:
            state = self._read([step.test], state)
            ends.append(self.run(step.body, state))
            match step.orelse:
                case [ast.If() as following]:
                    step = following
                case orelse:
                    ends.append(self.run(orelse, state))
                    step = None
        return reduce(_either, ends)

    def _after_simple(self, statement: ast.stmt, state: frozenset[str]) -> frozenset[str]:
        match statement:
            case ast.Assign(targets=targets, value=value):
                state = self._read([value], state)
                for target in targets:
                    state = self._bind(target, state)
                return state
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                self._see(name, state)
                return self._read([value], state)
            case ast.AnnAssign(target=target, value=value):
                if value is None:
                    return state
                return self._bind(target, self._read([value], state))
            case ast.Delete(targets=targets):
                gone = {target.id for target in targets if isinstance(target, ast.Name)}
                for name in gone:
                    self._see(name, state)
                return state - gone
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound = {alias.asname or alias.name.partition(".")[0] for alias in names}
                return state | bound
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                defaults = [*statement.args.defaults, *filter(None, statement.args.kw_defaults)]
                return self._read([*statement.decorator_list, *defaults], state) | {name}
            case ast.ClassDef(name=name):
                return self._read([*statement.decorator_list, *statement.bases], state) | {name}
        return self._read(children(statement), state)

    def _after_loop(self, loop: ast.For | ast.AsyncFor, state: frozenset[str]) -> _State:
        state = self._read([loop.iter], state)
        self.run(loop.body, self._bind(loop.target, state))
        after = self.run(loop.orelse, state)
        leaves = any(isinstance(n, ast.Break) for s in loop.body for n in nodes_in(s))
        return state if leaves else after

    def _after_try(self, statement: ast.Try, state: frozenset[str]) -> _State:
        after = self.run(statement.body, state)
        ends = [None if after is None else self.run(statement.orelse, after)]
        for handler in statement.handlers:
            begin = self._read([handler.type] if handler.type else [], state)
            named = {handler.name} if handler.name else set()
            end = self.run(handler.body, begin | named)
            ends.append(None if end is None else end - named)
        merged = reduce(_either, ends)
        final = self.run(statement.finalbody, state)
        return None if final is None or merged is None else merged | final

    def _after_match(self, cases: Sequence[ast.match_case], state: frozenset[str]) -> _State:
        merged: _State = state
        for case in cases:
            bound = {
                name
                for node in nodes_in(case.pattern)
                for name in (getattr(node, "name", None), getattr(node, "rest", None))
                if isinstance(name, str)
            }
            begin = self._read([case.guard] if case.guard else [], state | bound)
            merged = _either(merged, self.run(case.body, begin))
        return merged

    def _bind(self, target: ast.expr | None, state: frozenset[str]) -> frozenset[str]:
        if target is None:
            return state
        state = self._read([target], state)  # ``rows[i]``, ``row.name``
        stored = (n for n in nodes_in(target) if isinstance(n, ast.Name))
        return state | {n.id for n in stored if isinstance(n.ctx, ast.Store)}

    def _read(self, nodes: Iterable[ast.AST], state: frozenset[str]) -> frozenset[str]:
        """What is bound after the expressions: ``name := value`` counts where it is certain to run."""
        for node in nodes:
            state = self._read_one(node, state)
        return state

    def _read_one(self, node: ast.AST, state: frozenset[str]) -> frozenset[str]:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                self._see(name, state)
                return state
            case ast.NamedExpr(target=target, value=value):
                return self._read_one(value, state) | {target.id}
            case ast.Lambda(args=args):
                return self._read([*args.defaults, *filter(None, args.kw_defaults)], state)
            case ast.BoolOp(values=[first, *others]):
                state = self._read_one(first, state)
                self._read(others, state)
                return state
            case ast.IfExp(test=test, body=body, orelse=orelse):
                state = self._read_one(test, state)
                return self._read_one(body, state) & self._read_one(orelse, state)
        if isinstance(node, _COMPREHENSIONS):
            return self._read_comprehension(node, state)
        return self._read(children(node), state)

    def _read_comprehension(self, node: ast.AST, state: frozenset[str]) -> frozenset[str]:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        inside = state
        for generator in generators:
            inside = self._bind(generator.target, self._read_one(generator.iter, inside))
            inside = self._read(generator.ifs, inside)
        if not isinstance(node, ast.GeneratorExp):  # which runs later
            for child in children(node):
                if not isinstance(child, ast.comprehension):
                    self._read_one(child, inside)
        return state

    def _see(self, name: str, state: frozenset[str]) -> None:
        if name in self.local and name not in state:
            self.early.add(name)


def _either(one: _State, other: _State) -> _State:
    if one is None or other is None:
        return other if one is None else one
    return one & other
