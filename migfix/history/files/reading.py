"""From the text of a migration file to its dependencies and operations."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migfix.history.files.branches import Lists, Parts, lists_in, names_in
from migfix.history.files.dependencies import dependencies_in
from migfix.history.files.kinds import STATE_METHODS, OperationClasses
from migfix.history.files.migration import (
    EITHER,
    SIGNATURES,
    MigrationSource,
    Operation,
    RunPythonCall,
)
from migfix.history.files.scope import ATTRIBUTES, ClassFinder, Scope, UnreadableMigration, parse
from migfix.history.state import Unknown
from migfix.source import nodes_in

# Of these each list may hold any; what else changes is not told apart.
_IN_BRANCHES = frozenset(
    "CreateModel DeleteModel AddField AlterField RemoveField AlterUniqueTogether AlterIndexTogether "
    "AlterModelOptions AlterModelManagers AlterModelTable AlterModelTableComment AddIndex RemoveIndex "
    "AddConstraint RemoveConstraint RunSQL".split()
)


def read_migration(
    source: str | bytes,
    module: str = "",
    find_class: ClassFinder | None = None,
    tree: ast.Module | None = None,
) -> MigrationSource:
    """Read the ``Migration`` class of a file.

    ``module`` is the dotted name of the file's module, for relative imports and the paths of what
    the file itself defines. ``find_class`` lets subclasses of operations in other modules be looked
    at; ``tree`` is that of the source, where it is known. Raises UnreadableMigration when the file does not parse,
    is nested too deeply to be followed, or has no class Migration.
    """
    tree = tree or parse(source)
    try:
        scope = Scope.of(tree, module, source)
        return _Reader(scope, OperationClasses(scope, find_class)).read(tree)
    except RecursionError as error:
        raise UnreadableMigration("it is nested too deeply to be followed") from error


_BUILT = frozenset({"operations", "dependencies"})  # of which several lists may be told apart
_RUN = (ast.If, ast.For, ast.Try, ast.With, ast.While, ast.Expr, ast.Delete)


@dataclass(frozen=True, slots=True)
class _Reader:
    scope: Scope
    classes: OperationClasses

    def read(self, tree: ast.Module) -> MigrationSource:
        found = [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name == "Migration"
        ]
        if len(found) != 1:
            raise UnreadableMigration("there is no single class Migration at the top of the file")
        body = found[0]
        self.scope.bind_class_names(body)
        entries = list(self._entries(body))
        problem = self._why_not_plain(body, tree)
        if problem:
            entries.insert(0, _Entry(body, problem))
        dependencies, swappable = dependencies_in(self.scope, self._sure(body, "dependencies"))
        return MigrationSource(
            dependencies,
            dependencies_in(self.scope, self._attribute(body, "run_before"))[0],
            dependencies_in(self.scope, self._attribute(body, "replaces"))[0],
            swappable,
            self._atomic(self._attribute(body, "atomic")),
            tuple(self._operation(entry) for entry in entries),
            tuple(
                call
                for index, entry in enumerate(entries)
                for call in self._run_pythons(index, entry)
            ),
        )

    def _attribute(self, body: ast.ClassDef, name: str) -> list[ast.expr]:
        """The parts of an attribute: those assigned and those added with ``+=``."""
        parts: list[ast.expr] = []
        for node in body.body:
            match node:
                case ast.Assign(targets=targets, value=value):
                    if any(
                        isinstance(target, ast.Name) and target.id == name for target in targets
                    ):
                        parts = [value]
                case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if (
                    found == name
                ):
                    parts = [value]
                case ast.AugAssign(target=ast.Name(id=found), op=ast.Add(), value=value) if (
                    found == name
                ):
                    parts.append(value)
        return parts

    def _sure(self, body: ast.ClassDef, name: str) -> list[ast.expr]:
        """The parts of an attribute that it has in any case."""
        lists = self._lists(body, name)
        if lists is None:
            return self._attribute(body, name)
        sure = [*lists.first, *(lists.between[0] if len(lists.between) == 1 else ()), *lists.last]
        return [
            p.node if p.is_list else ast.copy_location(ast.List([p.node], ast.Load()), p.node)
            for p in sure
        ]

    def _atomic(self, parts: list[ast.expr]) -> bool | Unknown:
        value = self.scope.value(parts[-1]) if parts else True
        return value if isinstance(value, bool) else Unknown("atomic is not a literal")

    def _why_not_plain(self, body: ast.ClassDef, tree: ast.Module) -> str | None:
        """Why the operations may not be those that the class body lists."""
        bases = [self.scope.dotted(base) for base in body.bases]
        if bases and not self.classes.descends_from_migration(bases[0], body):
            return f"line {body.lineno}: Migration is built on {bases[0] or 'an unknown class'}"
        known = {name for name in _BUILT if self._lists(body, name) is not None}
        for node in body.body:
            if isinstance(node, ast.FunctionDef) and node.name in STATE_METHODS | ATTRIBUTES:
                return f"line {node.lineno}: Migration has its own {node.name}()"
            for name in sorted(ATTRIBUTES - known):
                if _builds(node, name):
                    return f"line {node.lineno}: {name} is built by code that runs at import"
        for node in tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef) and _mentions_migration(node):
                return f"line {node.lineno}: Migration is changed after its definition"
        return None

    def _lists(self, body: ast.ClassDef, name: str) -> Lists | None:
        """What an attribute may hold that code of the class body builds; None where that is not known, or there
        is no such code.
        """
        if not any(isinstance(node, _RUN) and names_in(node, name) for node in body.body):
            return None
        lists = lists_in(body.body, name)
        if lists is None or name != "operations":
            return lists
        either = [self._told_apart(parts) for parts in lists.between]
        return lists if len(either) == 1 or all(map(self._may_be_one_of, either)) else None

    def _told_apart(self, parts: Parts) -> list[_Entry]:
        return [
            entry
            for part in parts
            for entry in (self._split(part.node) if part.is_list else [self._element(part.node)])
        ]

    def _may_be_one_of(self, entries: Sequence[_Entry]) -> bool:
        """Is each of the operations known that run or do not, and does none change the state that a function of
        the same list finds?
        """
        operations = [self._operation(entry) for entry in entries]
        runs = any(each.kind == "RunPython" for each in operations)
        return all(
            each.kind in ({"RunPython"} if runs else _IN_BRANCHES)
            and not each.own_database_code
            and not each.state_operations
            for each in operations
        )

    # The entries of a list of operations, in order, as far as they can be told apart.

    def _entries(self, body: ast.ClassDef) -> Iterator[_Entry]:
        if (lists := self._lists(body, "operations")) is not None:
            yield from self._told_apart(lists.first)
            either = tuple(tuple(self._told_apart(parts)) for parts in lists.between)
            if len(either) > 1:
                places = [e.node.lineno for entries in either for e in entries]
                yield _Entry(body, alternatives=either, line=min(places))
            yield from self._told_apart(lists.last)
            return
        for part in self._attribute(body, "operations"):
            yield from self._split(part)

    def _split(self, node: ast.expr, depth: int = 0) -> Iterator[_Entry]:
        match node:
            case _ if depth > 20:
                yield _Entry(node, f"line {node.lineno}: operations that refer to themselves")
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                for element in elements:
                    if isinstance(element, ast.Starred):
                        yield from self._split(element.value, depth + 1)
                    else:
                        yield self._element(element)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                yield from self._split(left, depth + 1)
                yield from self._split(right, depth + 1)
            case ast.Name(id=name) if (constant := self.scope.constant(name)) is not None:
                yield from self._split(constant, depth + 1)
            case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner], keywords=[]):
                yield from self._split(inner, depth + 1)
            case ast.Call(func=ast.Name(id=name)) if (made := self._made_by(name)) is not None:
                returned, own = made
                for element in returned.elts:
                    yield self._made(element, own, node)
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                stored = (n for g in node.generators for n in nodes_in(g.target))
                own = frozenset(n.id for n in stored if isinstance(n, ast.Name))
                yield self._made(element, own, node, always=False)
            case _:
                yield _Entry(
                    node,
                    f"line {node.lineno}: operations built at run time by {self.scope.source(node)}",
                )

    def _made_by(self, name: str) -> tuple[ast.List | ast.Tuple, frozenset[str]] | None:
        """The list that a function of the file returns, written out in it, and its own names; None for others."""
        called_so = [n for n in nodes_in(self.scope.tree) if getattr(n, "name", "") == name]
        at_the_top = [n for n in self.scope.tree.body if isinstance(n, ast.FunctionDef)]
        found = [n for n in at_the_top if n.name == name and not n.decorator_list]
        if not len(found) == len(called_so) == 1 or not isinstance(self.scope.names.get(name), str):
            return None
        *steps, last = found[0].body
        plain = all(map(_only_names_values, steps))
        nodes = list(nodes_in(found[0]))
        if not plain or any(isinstance(n, ast.Yield | ast.YieldFrom) for n in nodes):
            return None
        own = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        own |= {n.arg for n in nodes if isinstance(n, ast.arg)}
        match last:
            case ast.Return(value=ast.List() | ast.Tuple() as returned):
                return returned, frozenset(own)
        return None

    def _made(
        self, node: ast.expr, own: frozenset[str], whole: ast.expr, always: bool = True
    ) -> _Entry:
        """An operation that is made where names are known that the file does not have.

        Where it asks for these, or it is not certain how often it is made, it must leave the state alone.
        """
        used = {n.id for n in nodes_in(node) if isinstance(n, ast.Name)}
        if always and own.isdisjoint(used):
            return self._element(node)
        kind, _ = (
            self.classes.kind(self.scope.dotted(node.func))
            if isinstance(node, ast.Call)
            else (None, 0)
        )
        if isinstance(node, ast.Call) and kind in {"RunSQL", "RunPython"}:
            root = ast.unparse(node.func).partition(".")[0]
            bound = self._bind(node, kind)
            if root not in own and bound is not None and "state_operations" not in bound:
                return _Entry(node, unread=True)
        text = f"operations built at run time by {self.scope.source(whole)}"
        return _Entry(whole, f"line {whole.lineno}: {text}")

    def _element(self, node: ast.expr) -> _Entry:
        if isinstance(node, ast.Name) and (constant := self.scope.constant(node.id)) is not None:
            node = constant
        if isinstance(node, ast.Call):
            return _Entry(node)
        return _Entry(
            node, f"line {node.lineno}: the operation {self.scope.source(node)} cannot be read"
        )

    def _operation(self, entry: _Entry) -> Operation:
        node = entry.node
        if entry.alternatives:
            either = tuple(tuple(map(self._operation, each)) for each in entry.alternatives)
            return Operation(EITHER, {}, entry.line, alternatives=either)
        if entry.problem or not isinstance(node, ast.Call):
            return Operation(None, {}, node.lineno, entry.problem)
        path = self.scope.dotted(node.func)
        kind, own = self.classes.kind(path)
        if entry.unread:
            text = Unknown(f"{self.scope.source(node)} is made at run time")
            return Operation(kind, {"sql": text}, node.lineno, own_database_code=own)
        arguments = self._bind(node, kind)
        if kind is None and path is not None and self.classes.runs_python(path):
            return Operation("RunPython", {}, node.lineno)
        if kind is None and path is not None and self.classes.leaves_state(path):
            any_sql = Unknown(f"{self.scope.source(node.func)} may run any SQL")
            return Operation("RunSQL", {"sql": any_sql}, node.lineno)
        if kind is None or arguments is None:
            problem = f"line {node.lineno}: {self.scope.source(node.func)}(...) is not an operation of Django's own"
            if kind:
                problem = f"line {node.lineno}: the arguments of {kind} are unpacked"
            return Operation(None, self._keywords(node), node.lineno, problem)
        return Operation(
            kind,
            {
                name: self.scope.value(value)
                for name, value in arguments.items()
                if name not in _NESTED
            },
            node.lineno,
            own_database_code=own,
            database_operations=self._nested(arguments.get("database_operations")),
            state_operations=self._nested(arguments.get("state_operations")),
        )

    def _nested(self, node: ast.expr | None) -> tuple[Operation, ...]:
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return ()
        return tuple(self._operation(entry) for entry in self._split(node))

    def _keywords(self, node: ast.Call) -> Mapping[str, object]:
        return {
            keyword.arg: self.scope.value(keyword.value) for keyword in node.keywords if keyword.arg
        }

    def _bind(self, node: ast.Call, kind: str | None) -> dict[str, ast.expr] | None:
        names = SIGNATURES.get(kind or "", ())
        unpacked = any(isinstance(arg, ast.Starred) for arg in node.args)
        if (
            unpacked
            or len(node.args) > len(names)
            or any(not keyword.arg for keyword in node.keywords)
        ):
            return None
        bound = dict(zip(names, node.args, strict=False))
        return bound | {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}

    def _run_pythons(self, index: int, entry: _Entry) -> Iterator[RunPythonCall]:
        """The RunPythons of an entry; those of an entry that cannot be read are looked for in its text."""
        node = entry.node
        for one_of in (each for entries in entry.alternatives for each in entries):
            yield from self._run_pythons(index, one_of)
        if isinstance(node, ast.ClassDef):
            return  # stands for a doubt about the class; the entries that follow list its operations
        kind = (
            self.classes.kind(self.scope.dotted(node.func))[0]
            if isinstance(node, ast.Call)
            else None
        )
        if not isinstance(node, ast.Call) or kind is None:
            for part in nodes_in(node):
                if isinstance(part, ast.Call) and self._is_run_python(part):
                    yield self._run_python(index, part)
        elif kind == "RunPython":
            yield self._run_python(index, node)
        elif kind == "SeparateDatabaseAndState":
            inner = (self._bind(node, kind) or {}).get("database_operations")
            for nested in self._split(inner) if inner else ():
                yield from self._run_pythons(index, nested)

    def _is_run_python(self, node: ast.Call) -> bool:
        return self.classes.kind(self.scope.dotted(node.func))[0] == "RunPython"

    def _run_python(self, index: int, node: ast.Call) -> RunPythonCall:
        bound = self._bind(node, "RunPython") or {}
        return RunPythonCall(index, node, bound.get("code"), bound.get("reverse_code"))


_NESTED = frozenset({"database_operations", "state_operations", "code", "reverse_code", "hints"})


@dataclass(frozen=True, slots=True)
class _Entry:
    node: ast.expr | ast.ClassDef
    problem: str | None = None
    alternatives: tuple[tuple[_Entry, ...], ...] = ()
    line: int = 0
    unread: bool = False  # its arguments are not what the names of the file say


def _builds(node: ast.stmt, name: str) -> bool:
    """May it do more to the list of this name than set it or add to it: change a part, give it another name?"""
    match node:
        case (
            ast.Assign(targets=[ast.Name(id=target)], value=value)
            | ast.AugAssign(target=ast.Name(id=target), value=value)
            | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
        ):
            return target != name and names_in(value, name)
    return isinstance(node, (*_RUN, ast.Assign, ast.AugAssign)) and names_in(node, name)


def _only_names_values(step: ast.stmt) -> bool:
    """A docstring, or ``name = value``."""
    match step:
        case ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()):
            return True
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
    return False


def _mentions_migration(node: ast.stmt) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "Migration" for part in nodes_in(node))
