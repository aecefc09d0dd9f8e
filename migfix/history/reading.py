"""From the text of a migration file to its dependencies and operations, with ``ast`` alone."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Formatter

from migfix.history.branches import Lists, Parts, lists_in, names_in
from migfix.history.state import Call, ModelKey, Name, Unknown
from migfix.source import neighbour, nodes_in

SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "CreateModel": ("name", "fields", "options", "bases", "managers"),
    "DeleteModel": ("name",),
    "RenameModel": ("old_name", "new_name"),
    "AddField": ("model_name", "name", "field", "preserve_default"),
    "AlterField": ("model_name", "name", "field", "preserve_default"),
    "RemoveField": ("model_name", "name"),
    "RenameField": ("model_name", "old_name", "new_name"),
    "AlterUniqueTogether": ("name", "unique_together"),
    "AlterIndexTogether": ("name", "index_together"),
    "AlterModelOptions": ("name", "options"),
    "AlterModelManagers": ("name", "managers"),
    "AlterModelTable": ("name", "table"),
    "AlterModelTableComment": ("name", "table_comment"),
    "AlterOrderWithRespectTo": ("name", "order_with_respect_to"),
    "AddIndex": ("model_name", "index"),
    "RemoveIndex": ("model_name", "name"),
    "RenameIndex": ("model_name", "new_name", "old_name", "old_fields"),
    "AddConstraint": ("model_name", "constraint"),
    "RemoveConstraint": ("model_name", "name"),
    "AlterConstraint": ("model_name", "name", "constraint"),
    "AddIndexConcurrently": ("model_name", "index"),
    "RemoveIndexConcurrently": ("model_name", "name"),
    "AddConstraintNotValid": ("model_name", "constraint"),
    "ValidateConstraint": ("model_name", "name"),
    "SeparateDatabaseAndState": ("database_operations", "state_operations"),
    "RunSQL": ("sql", "reverse_sql", "state_operations", "hints", "elidable"),
    "RunPython": ("code", "reverse_code", "atomic", "hints", "elidable"),
    "CreateExtension": ("name", "hints"),
    "BloomExtension": ("hints",),
    "BtreeGinExtension": ("hints",),
    "BtreeGistExtension": ("hints",),
    "CITextExtension": ("hints",),
    "CryptoExtension": ("hints",),
    "HStoreExtension": ("hints",),
    "TrigramExtension": ("hints",),
    "UnaccentExtension": ("hints",),
    "CreateCollation": ("name", "locale", "provider", "deterministic"),
    "RemoveCollation": ("name", "locale", "provider", "deterministic"),
}
"""Django's own operations and the order of their arguments."""

EITHER = "either"
"""The kind of an entry that stands for one of several lists of operations: which is decided at import."""

# Of these each list may hold any; what else changes is not told apart.
_IN_BRANCHES = frozenset(
    "CreateModel DeleteModel AddField AlterField RemoveField AlterUniqueTogether AlterIndexTogether "
    "AlterModelOptions AlterModelManagers AlterModelTable AlterModelTableComment AddIndex RemoveIndex "
    "AddConstraint RemoveConstraint RunSQL".split()
)
_OPERATION_PACKAGES = ("django.db.migrations", "django.contrib.postgres.operations")
_OPERATION_BASES = frozenset(
    {
        "django.db.migrations.Operation",
        "django.db.migrations.operations.Operation",
        "django.db.migrations.operations.base.Operation",
    }
)
_STATE_METHODS = frozenset({"__init__", "__new__", "state_forwards", "mutate_state"})
# By which an operation may become another one as it is made.
_CHANGING_ITSELF = frozenset(
    "state_forwards mutate_state setattr __class__ __dict__ vars exec".split()
)
_DATABASE_METHODS = frozenset({"database_forwards", "apply"})


class UnreadableMigration(Exception):
    """The text is not a migration that can be read; the message names the line where it can."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of ``operations``.

    ``kind`` is the name of Django's class, also for a subclass that leaves the state alone; None
    when it is not one of them, and then ``problem`` says so in words. ``arguments`` are by name;
    nested operations stand in ``database_operations`` and ``state_operations``.
    """

    kind: str | None
    arguments: Mapping[str, object]
    line: int
    problem: str | None = None
    own_database_code: bool = False  # a subclass with its own database_forwards
    database_operations: tuple[Operation, ...] = ()
    state_operations: tuple[Operation, ...] = ()
    alternatives: tuple[tuple[Operation, ...], ...] = ()  # of EITHER, any of which may run

    @property
    def nested(self) -> tuple[Operation, ...]:
        """All that stand in it."""
        either = (each for operations in self.alternatives for each in operations)
        return (*self.database_operations, *self.state_operations, *either)

    @property
    def wherever(self) -> Operation:
        return replace(
            self,
            line=0,
            database_operations=tuple(each.wherever for each in self.database_operations),
            state_operations=tuple(each.wherever for each in self.state_operations),
            alternatives=tuple(tuple(each.wherever for each in way) for way in self.alternatives),
        )


@dataclass(frozen=True, slots=True)
class RunPythonCall:
    """A RunPython and where it stands: ``index`` counts the entries of ``MigrationSource.operations``,
    also for one inside SeparateDatabaseAndState. ``code`` is None when the arguments are unpacked.
    """

    index: int
    node: ast.Call
    code: ast.expr | None
    reverse_code: ast.expr | None


@dataclass(frozen=True, slots=True)
class MigrationSource:
    """What a migration file says. A dependency is a pair (app label, migration name), or Unknown.

    ``swappable`` holds the dotted setting names of ``swappable_dependency(settings.X)``.
    """

    dependencies: tuple[ModelKey | Unknown, ...] = ()
    run_before: tuple[ModelKey | Unknown, ...] = ()
    replaces: tuple[ModelKey | Unknown, ...] = ()
    swappable: tuple[str, ...] = ()
    atomic: bool | Unknown = True
    operations: tuple[Operation, ...] = ()
    run_pythons: tuple[RunPythonCall, ...] = ()

    @property
    def for_others(self) -> MigrationSource:
        """What matters to other migrations: which functions it runs is its own affair."""
        return replace(self, run_pythons=())

    @property
    def wherever(self) -> MigrationSource:
        """The same, wherever its operations stand."""
        operations = tuple(each.wherever for each in self.operations)
        return replace(self.for_others, operations=operations)


ClassFinder = Callable[[str], "tuple[ast.ClassDef, Scope] | None"]
"""From a dotted path to the class of that name in a module of the project."""


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
        return _Reader(scope, find_class).read(tree)
    except RecursionError as error:
        raise UnreadableMigration("it is nested too deeply to be followed") from error


def parse(source: str | bytes) -> ast.Module:
    """The syntax tree, without the warnings that old files give. Raises UnreadableMigration."""
    try:
        return neighbour(source)
    except SyntaxError as error:
        raise UnreadableMigration(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableMigration(str(error) or type(error).__name__) from error


_AMBIGUOUS = object()
_ATTRIBUTES = frozenset({"operations", "dependencies", "replaces", "run_before"})
_BUILT = frozenset({"operations", "dependencies"})  # of which several lists may be told apart
_RUN = (ast.If, ast.For, ast.Try, ast.With, ast.While, ast.Expr, ast.Delete)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the names of a module stand for: a dotted path, an expression, or more than one thing."""

    module: str
    names: dict[str, object]
    lines: Sequence[bytes]
    tree: ast.Module
    is_package: bool = False  # the module is an ``__init__.py``, from which a dot leads to itself
    touched: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls, tree: ast.Module, module: str, source: str | bytes = b"", *, is_package: bool = False
    ) -> Scope:
        data = source.encode("utf-8", "replace") if isinstance(source, str) else source
        scope = cls(module, {}, data.splitlines(), tree, is_package)
        scope._bind_all(tree.body)
        return scope

    def _bind_all(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            for name, what in self._bindings(statement):
                known = self.names.get(name, what)
                same = known is what or (isinstance(what, str) and known == what)
                self.names[name] = what if same else _AMBIGUOUS
            for block in ("body", "orelse", "finalbody"):
                if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    self._bind_all(getattr(statement, block, ()))
            for handler in getattr(statement, "handlers", ()):
                self._bind_all(handler.body)

    def bind_class_names(self, body: ast.ClassDef) -> None:
        """Names that the class body assigns for its own use, as ``columns = [...]``."""
        for statement in body.body:
            if not _ATTRIBUTES & {name for name, _ in self._bindings(statement)}:
                self._bind_all([statement] if isinstance(statement, ast.Assign) else [])

    def _bindings(self, statement: ast.stmt) -> Iterator[tuple[str, object]]:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    yield alias.asname or alias.name.partition(".")[0], (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            case ast.ImportFrom(names=names):
                package = self._package(statement)
                for alias in names:
                    yield alias.asname or alias.name, f"{package}.{alias.name}"
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name, f"{self.module}.{name}"
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.Assign() | ast.AugAssign() | ast.For() | ast.With() | ast.Delete():
                for part in nodes_in(statement):
                    if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
                        yield part.id, _AMBIGUOUS

    def _package(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parts = self.module.split(".")
        kept = len(parts) - statement.level + self.is_package
        if kept < 1:
            return "." * statement.level + (statement.module or "")
        return ".".join(parts[:kept] + ([statement.module] if statement.module else []))

    def source(self, node: ast.expr) -> str:
        """The first line of the node's text, shortened."""
        if not 0 < node.lineno <= len(self.lines):
            return type(node).__name__
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        return (
            self.lines[node.lineno - 1][node.col_offset : end]
            .decode("utf-8", "replace")[:80]
            .strip()
        )

    def dotted(self, node: ast.expr) -> str | None:
        """``models.CharField`` as ``django.db.models.CharField``, None when it is no plain name."""
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return owner and f"{owner}.{node.attr}"
        if not isinstance(node, ast.Name):
            return None
        found = self.names.get(node.id)
        if isinstance(found, ast.Name | ast.Attribute):
            return (
                self.dotted(found)
                if found is not node and not _names_itself(found, node.id)
                else None
            )
        if found is None and "*" not in self.names and hasattr(builtins, node.id):
            return node.id
        return found if isinstance(found, str) else None

    def constant(self, name: str) -> ast.expr | None:
        """The expression assigned once to a module-level name and not changed in place."""
        found = self.names.get(name)
        if not isinstance(found, ast.expr):
            return None
        if isinstance(found, ast.Constant | ast.Tuple | ast.Name | ast.Attribute | ast.Call):
            return found
        if not self.touched:
            self.touched.update(_changed_in_place(self.tree), {""})
        return None if name in self.touched else found

    def value(self, node: ast.expr) -> object:
        """The value as far as it can be read: a literal, Name, Call, or Unknown with the source."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self._sequence(node, elements)
            case ast.Set(elts=elements):
                return self._set(node, elements)
            case ast.Dict(keys=keys, values=values):
                return self._mapping(node, keys, values)
            case ast.Call():
                return self._call(node)
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.UnaryOp() | ast.BinOp():
                return self._operator(node)
            case ast.JoinedStr(values=parts):
                return self._joined(node, parts)
        return Unknown(self.source(node))

    def _sequence(self, node: ast.expr, elements: list[ast.expr]) -> object:
        items: list[object] = []
        for element in elements:
            if isinstance(element, ast.Starred):
                inner = self.value(element.value)
                if not isinstance(inner, tuple):
                    return Unknown(self.source(node))
                items += inner
            else:
                items.append(self.value(element))
        return tuple(items)

    def _set(self, node: ast.Set, elements: list[ast.expr]) -> object:
        items = self._sequence(node, elements)
        if not isinstance(items, tuple) or not is_literal(items):
            return items
        try:
            return frozenset(items)
        except TypeError:  # a dict in it, which Python refuses as well
            return Unknown(self.source(node))

    def _mapping(
        self, node: ast.expr, keys: Sequence[ast.expr | None], values: list[ast.expr]
    ) -> object:
        if not all(isinstance(key, ast.Constant) for key in keys):
            return Unknown(self.source(node))
        pairs = zip(keys, values, strict=True)
        return {
            key.value: self.value(value) for key, value in pairs if isinstance(key, ast.Constant)
        }

    def _joined(self, node: ast.expr, parts: list[ast.expr]) -> object:
        """``f"UPDATE {TABLE}"`` of texts and numbers alone."""
        texts: list[str] = []
        for part in parts:
            if isinstance(part, ast.FormattedValue):
                plain = part.conversion == -1 and part.format_spec is None
                value = self.value(part.value) if plain else None
            else:
                value = self.value(part)
            if not _is_plain(value):
                return Unknown(self.source(node))
            texts.append(str(value))
        return "".join(texts)

    def _name(self, node: ast.Name | ast.Attribute) -> object:
        if isinstance(node, ast.Name):
            constant = self.constant(node.id)
            if constant is not None and not _names_itself(constant, node.id):
                return self.value(constant)
        path = self.dotted(node)
        return Name(path) if path else Unknown(self.source(node))

    def _operator(self, node: ast.UnaryOp | ast.BinOp) -> object:
        if isinstance(node, ast.UnaryOp):
            operand = self.value(node.operand)
            if isinstance(node.op, ast.USub) and isinstance(operand, int | float):
                return -operand
            if isinstance(node.op, ast.Invert) and isinstance(operand, Call):
                return Call("operator.invert", (operand,), {}, self.source(node))
            return Unknown(self.source(node))
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add):
            if isinstance(left, str) and isinstance(right, str):
                return left + right
            if isinstance(left, tuple) and isinstance(right, tuple):
                return left + right
        if isinstance(left, Call) or isinstance(right, Call):
            return Call(f"operator.{type(node.op).__name__}", (left, right), {}, self.source(node))
        return Unknown(self.source(node))

    def _call(self, node: ast.Call) -> object:
        path, args = self.dotted(node.func), self._arguments(node)
        if (text := self._formatted(node, args)) is not None:
            return text
        if path is None and isinstance(node.func, ast.Attribute):
            receiver = self.value(node.func.value)
            path = None if isinstance(receiver, Unknown) else f".{node.func.attr}"
            args = (receiver, *args)
        if path is None:
            return Unknown(self.source(node))
        if path in {"set", "frozenset", "list", "tuple"} and not node.keywords:
            return args[0] if args and isinstance(args[0], tuple) else Unknown(path) if args else ()
        kwargs = {keyword.arg or "**": self.value(keyword.value) for keyword in node.keywords}
        return Call(path, args, kwargs, self.source(node))

    def _formatted(self, node: ast.Call, args: tuple[object, ...]) -> str | None:
        """``TEXT.format("a", name="b")`` of texts and numbers alone."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "format":
            return None
        text = self.value(node.func.value)
        given = {keyword.arg: self.value(keyword.value) for keyword in node.keywords}
        if not isinstance(text, str) or not all(map(_is_plain, [*args, *given.values()])):
            return None
        try:
            if any(spec or conversion for _, _, spec, conversion in Formatter().parse(text)):
                return None
            return text.format(*args, **{name: value for name, value in given.items() if name})
        except (AttributeError, IndexError, KeyError, ValueError):  # as would be at import
            return None

    def _arguments(self, node: ast.Call) -> tuple[object, ...]:
        return tuple(
            Unknown(self.source(arg)) if isinstance(arg, ast.Starred) else self.value(arg)
            for arg in node.args
        )


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _names_itself(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in nodes_in(node))


def _changed_in_place(tree: ast.Module) -> Iterator[str]:
    for node in nodes_in(tree):
        inside = isinstance(node, ast.Attribute) or (
            isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
        )
        if inside and isinstance(node.value, ast.Name):  # type: ignore[attr-defined]
            yield node.value.id  # type: ignore[attr-defined]


def _only_adds(step: ast.stmt) -> bool:
    """``found.append(x)``, ``found.extend(x)``, ``found += x``"""
    match step:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(), attr="append" | "extend"))
        ):
            return True
        case ast.AugAssign(target=ast.Name(), op=ast.Add()):
            return True
    return isinstance(step, ast.Pass)


def is_literal(value: object) -> bool:
    """Whether no part of the value is a call or unknown. Names count as literal."""
    if isinstance(value, Call | Unknown):
        return False
    if isinstance(value, tuple | frozenset):
        return all(is_literal(item) for item in value)
    return not isinstance(value, dict) or all(is_literal(item) for item in value.values())


@dataclass(frozen=True, slots=True)
class _Reader:
    scope: Scope
    find_class: ClassFinder | None

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
        dependencies, swappable = self._dependencies(self._sure(body, "dependencies"))
        return MigrationSource(
            dependencies,
            self._dependencies(self._attribute(body, "run_before"))[0],
            self._dependencies(self._attribute(body, "replaces"))[0],
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

    def _dependencies(
        self, parts: list[ast.expr]
    ) -> tuple[tuple[ModelKey | Unknown, ...], tuple[str, ...]]:
        keys: list[ModelKey | Unknown] = []
        settings: list[str] = []
        for part in parts:
            value = self.scope.value(part)
            if isinstance(value, Call | Unknown):
                value = (value, *map(self.scope.value, self._surely_returned(part)))
            for item in value if isinstance(value, tuple | frozenset) else (value,):
                match item:
                    case (str() as label, str() as name):
                        keys.append((label, name))
                    case Call(args=(Name(path=setting),)) if item.bare == "swappable_dependency":
                        settings.append(setting)
                    case Call(args=(str() as model,)) if item.bare == "swappable_dependency":
                        keys.append((model.partition(".")[0], "__first__"))
                    case _:
                        keys.append(
                            Unknown(f"line {part.lineno}: a dependency that is not a literal")
                        )
        return tuple(keys), tuple(settings)

    def _surely_returned(self, node: ast.expr) -> Sequence[ast.expr]:
        """What is in the list that a function of the file returns, whatever it adds to that under conditions.

        def get_dependencies():
            dependencies = [("shop", "0001_initial")]
            if "billing" in settings.INSTALLED_APPS:
                dependencies.append(("billing", "0001_initial"))
            return dependencies
        """
        match node:
            case ast.Call(func=ast.Name(id=called), args=[], keywords=[]):
                functions = [n for n in self.scope.tree.body if getattr(n, "name", "") == called]
            case _:
                return ()
        match functions:
            case [ast.FunctionDef(body=[*before, ast.Return(value=returned)], decorator_list=[])]:
                pass
            case _:
                return ()
        if isinstance(returned, ast.List | ast.Tuple):
            return (
                ()
                if any(isinstance(n, ast.Return) for s in before for n in nodes_in(s))
                else returned.elts
            )
        listed: Sequence[ast.expr] = ()
        for step in before:
            match step:
                case ast.Expr(value=ast.Constant()):
                    continue
                case ast.Assign(
                    targets=[ast.Name(id=name)], value=ast.List(elts=elements)
                ) | ast.AnnAssign(target=ast.Name(id=name), value=ast.List(elts=elements)) if (
                    isinstance(returned, ast.Name) and name == returned.id and not listed
                ):
                    listed = elements
                case ast.If(body=body, orelse=orelse) if all(map(_only_adds, [*body, *orelse])):
                    continue
                case _ if _only_adds(step):
                    continue
                case _:
                    return ()
        return listed

    def _atomic(self, parts: list[ast.expr]) -> bool | Unknown:
        value = self.scope.value(parts[-1]) if parts else True
        return value if isinstance(value, bool) else Unknown("atomic is not a literal")

    def _why_not_plain(self, body: ast.ClassDef, tree: ast.Module) -> str | None:
        """Why the operations may not be those that the class body lists."""
        bases = [self.scope.dotted(base) for base in body.bases]
        if bases and not self._descends_from_migration(bases[0], body):
            return f"line {body.lineno}: Migration is built on {bases[0] or 'an unknown class'}"
        known = {name for name in _BUILT if self._lists(body, name) is not None}
        for node in body.body:
            if isinstance(node, ast.FunctionDef) and node.name in _STATE_METHODS | _ATTRIBUTES:
                return f"line {node.lineno}: Migration has its own {node.name}()"
            for name in sorted(_ATTRIBUTES - known):
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

    def _descends_from_migration(self, base: str | None, body: ast.ClassDef) -> bool:
        for _ in range(5):
            if base in {
                "django.db.migrations.Migration",
                "django.db.migrations.migration.Migration",
            }:
                return True
            found = self._class(base) if base else None
            if found is None or found[0] is body or _own_methods(found[0]) & _STATE_METHODS:
                return False
            base = found[1].dotted(found[0].bases[0]) if len(found[0].bases) == 1 else None
        return False

    def _class(self, path: str) -> tuple[ast.ClassDef, Scope] | None:
        module, _, name = path.rpartition(".")
        if module == self.scope.module:
            for node in self.scope.tree.body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return node, self.scope
        return self.find_class(path) if self.find_class else None

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
            self._kind(self.scope.dotted(node.func)) if isinstance(node, ast.Call) else (None, 0)
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
        kind, own = self._kind(path)
        if entry.unread:
            text = Unknown(f"{self.scope.source(node)} is made at run time")
            return Operation(kind, {"sql": text}, node.lineno, own_database_code=own)
        arguments = self._bind(node, kind)
        if kind is None and path is not None and self._runs_python(path):
            return Operation("RunPython", {}, node.lineno)
        if kind is None and path is not None and self._leaves_state(path):
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

    def _kind(self, path: str | None, depth: int = 0) -> tuple[str | None, bool]:
        """Django's class behind an operation, and whether a subclass brings its own database code."""
        if path is None or depth > 5:
            return None, False
        if path.startswith(_OPERATION_PACKAGES):
            bare = path.rpartition(".")[2]
            return (bare if bare in SIGNATURES else None), False
        found = self._class(path)
        if found is None or len(found[0].bases) != 1 or _own_methods(found[0]) & _STATE_METHODS:
            return None, False
        node, inner = found
        kind, own = self._kind(inner.dotted(node.bases[0]), depth + 1)
        return kind, own or bool(_own_methods(node) & _DATABASE_METHODS)

    def _leaves_state(self, path: str) -> bool:
        """An operation of the project whose ``state_forwards`` does nothing: its SQL is not known."""
        found = self._class(path)
        if found is None or len(found[0].bases) != 1:
            return False
        node, inner = found
        if inner.dotted(node.bases[0]) not in _OPERATION_BASES:
            return False
        if _own_methods(node) & {"__new__", "mutate_state"}:
            return False
        methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
        forwards = methods.get("state_forwards")
        return forwards is not None and all(map(_does_nothing, forwards.body))

    def _runs_python(self, path: str) -> bool:
        """A RunPython that makes its functions itself: they change no state, as that has no say in it."""
        found = self._class(path)
        if found is None or len(found[0].bases) != 1:
            return False
        node, inner = found
        plain = _own_methods(node) & _STATE_METHODS <= {"__init__"} and not node.keywords
        named = {getattr(n, "attr", getattr(n, "id", "")) for n in nodes_in(node)}
        return (
            plain
            and not node.decorator_list
            and named.isdisjoint(_CHANGING_ITSELF)
            and self._kind(inner.dotted(node.bases[0]))[0] == "RunPython"
        )

    def _run_pythons(self, index: int, entry: _Entry) -> Iterator[RunPythonCall]:
        """The RunPythons of an entry; those of an entry that cannot be read are looked for in its text."""
        node = entry.node
        for one_of in (each for entries in entry.alternatives for each in entries):
            yield from self._run_pythons(index, one_of)
        if isinstance(node, ast.ClassDef):
            return  # stands for a doubt about the class; the entries that follow list its operations
        kind = self._kind(self.scope.dotted(node.func))[0] if isinstance(node, ast.Call) else None
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
        return self._kind(self.scope.dotted(node.func))[0] == "RunPython"

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


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Return(value=None):
            return True
    return False


def _own_methods(node: ast.ClassDef) -> set[str]:
    return {each.name for each in node.body if isinstance(each, ast.FunctionDef)}


def _mentions_migration(node: ast.stmt) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "Migration" for part in nodes_in(node))
