"""Where an error of a loop goes: what may catch it on its way out, and whether what was done before it stays.

The way out leads through the blocks around the loop, the decorators of its function, every place that
calls the function, in other files too, and so on up to the RunPython that runs it. What is not known to
let an error through may catch it.

A RunPython runs in a transaction that an error rolls back unless it, or its migration, is not atomic; that of
the migration is there only where the database rolls back changes of its schema, and there is none around an
operation within another one elsewhere:
https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations
and ``Migration.apply`` with ``SeparateDatabaseAndState`` of ``django.db.migrations``.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from migfix.facts.failure.aftermath import is_dropped_quietly, is_known_object, looks_back
from migfix.facts.rows.aliases import ALIASING, MIGRATED, alias_named, database_of
from migfix.reading.kinds.values import Rows, SchemaEditor
from migfix.reading.names.scopes import FUNCTIONS, TRIES, walk_scope
from migfix.settings import shown
from migfix.sql.databases import Trait

if TYPE_CHECKING:
    from migfix.facts.loop import Loop
    from migfix.reading.names.module import Module
from migfix.facts.failure.atomic import (
    SEPARATE,
    atomic_of,
    is_plain_migration,
    operations_around,
    where_atomic_is_set,
)
from migfix.facts.failure.mentions import imported_as, is_name, mentions_of
from migfix.facts.failure.passing import (
    OPEN_DECORATORS,
    OPEN_MANAGERS,
    leaves,
    looks_for_error,
    only_raises,
    raises_again,
)

Importers: TypeAlias = Callable[[Path], Sequence["Module"]]
"""The modules of the project that import the module in a file."""
_EVERYTHING = frozenset({"Exception", "BaseException"})
_ATOMIC = "django.db.transaction.atomic"
_CLOSING = "contextlib.closing"
RUN_PYTHON = frozenset(
    f"django.db.migrations.{path}RunPython" for path in ("", "operations.", "operations.special.")
)
NOOPS = frozenset(f"{path}.noop" for path in RUN_PYTHON)


@dataclass(frozen=True)
class Errors:
    """What becomes of an error of a loop, each as a sentence; None where it does not come to that.

    ``caught``: something may catch it. ``told_apart``: what catches it may look at which error it is.
    ``kept``: what was done before it may stay. ``autocommit``: the loop may run outside of a transaction.
    """

    caught: str | None = None
    told_apart: str | None = None
    kept: str | None = None
    autocommit: str | None = None


def errors_of(loop: Loop, importers: Importers) -> Errors:
    """What becomes of an error in any turn of the loop."""
    out = _WayOut(loop, importers)
    out.leave(loop.node, loop.module, _Way())
    return Errors(*(next(iter(e), None) for e in (out.caught, out.told_apart, out.kept, out.open)))


@dataclass(frozen=True, slots=True)
class _Way:
    """``atomic``: a transaction is around that an error, further out, has rolled back by then."""

    atomic: bool = False


@dataclass
class _WayOut:
    """Follows an error outwards and notes what it meets."""

    loop: Loop
    importers: Importers
    caught: list[str] = field(default_factory=list)
    told_apart: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    _seen: set[object] = field(default_factory=set)

    def leave(self, node: ast.AST, module: Module, way: _Way) -> None:
        """The error leaves ``node``."""
        step = node
        for ancestor in module.scope.ancestors(node):
            way = self._through(ancestor, step, module, way)
            if isinstance(ancestor, FUNCTIONS) and _is_run_by(step, ancestor):
                self._leave_function(ancestor, module, way)
                return
            step = ancestor
        self._doubt(f"{self._line(node, module)} runs when its file is imported", way)

    # Blocks

    def _through(self, outer: ast.AST, step: ast.AST, module: Module, way: _Way) -> _Way:
        if isinstance(outer, TRIES):
            self._through_try(outer, step, module, way)
        elif isinstance(outer, (ast.With, ast.AsyncWith)):
            entered = outer.items
            if isinstance(step, ast.withitem):
                entered = entered[: entered.index(step)]
            for item in reversed(entered):
                way = self._through_manager(item.context_expr, module, way)
        elif isinstance(outer, (ast.For, ast.AsyncFor)):
            if step in outer.body:
                self._through_loop([outer.iter], module, way)
        elif isinstance(outer, (ast.ListComp, ast.SetComp, ast.DictComp)):
            self._through_loop([each.iter for each in outer.generators], module, way)
        elif isinstance(outer, ast.GeneratorExp):
            self._doubt(f"{self._line(outer, module)} runs where its generator is used", way)
        return way

    def _through_loop(self, iterated: Sequence[ast.expr], module: Module, way: _Way) -> None:
        for each in iterated:
            if not is_dropped_quietly(each, module):
                line = self._line(each, module)
                self._catch(
                    f"what {line} goes over may see how far the loop came", way, alike=False
                )

    def _through_try(self, outer: Any, step: ast.AST, module: Module, way: _Way) -> None:
        handlers = outer.handlers if step in outer.body else []
        blocks = [(each.body, frozenset(filter(None, [each.name]))) for each in handlers]
        if not all(map(raises_again, handlers)):
            alike = self._takes_all(handlers[0], module)
            line = self._line(outer, module)
            self._catch(f"the try on {line} catches errors", way, alike)
        for handler in itertools.filterfalse(only_raises, handlers):
            if not self._takes_all(handler, module) or looks_for_error(handler):
                line = self._line(handler, module)
                self.told_apart.append(f"the handler on {line} may tell which error it is")
        if step not in outer.finalbody:
            blocks.append((outer.finalbody, frozenset()))
            if leaves(outer.finalbody):
                line = self._line(outer.finalbody[0], module)
                self._catch(f"the finally on {line} drops errors", way, alike=True)
        for statements, known in blocks:
            if seeing := looks_back(statements, known, module):
                line = self._line(seeing, module)
                self._catch(f"{line} may see how far the loop came", way, alike=False)

    def _takes_all(self, handler: ast.ExceptHandler, module: Module) -> bool:
        """Does the first handler take every error, and never look at it?"""
        named = handler.type is None or (
            isinstance(handler.type, ast.Name)
            and handler.type.id in _EVERYTHING
            and module.is_builtin(handler.type.id)
        )
        return named and handler.name is None

    def _through_manager(self, manager: ast.expr, module: Module, way: _Way) -> _Way:
        target = manager.func if isinstance(manager, ast.Call) else manager
        path = module.path_of(target)
        if path == _ATOMIC and isinstance(manager, ast.Call):
            return self._through_atomic(manager, module, way)
        if path == _CLOSING and isinstance(manager, ast.Call):
            return self._through_closing(manager, module, way)
        if path in OPEN_MANAGERS or self._is_cursor(manager, module):
            return way
        if isinstance(target, ast.Name) and target.id == "open" and module.is_builtin("open"):
            return way
        if (made := self._manager_of_project(target, module)) is not None:
            return self._through_yields(*made, way)
        self._catch(f"`with` on {self._line(manager, module)} may catch errors", way, alike=False)
        return way

    def _through_closing(self, call: ast.Call, module: Module, way: _Way) -> _Way:
        """``closing(opened)`` lets every error through, and runs a ``close()`` on its way."""
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if not all(
            is_known_object(each, module) or self._is_cursor(each, module) for each in given
        ):
            line = self._line(call, module)
            self._catch(f"what {line} closes may see how far the loop came", way, alike=False)
        return way

    def _is_cursor(self, manager: ast.expr, module: Module) -> bool:
        """``connection.cursor()``, ``schema_editor.connection.cursor()``"""
        match manager:
            case ast.Call(func=ast.Attribute(value=owner, attr="cursor")):
                path = module.path_of(owner) or ""
                known = path == "django.db.connection" or path.startswith("django.db.connections")
                own = module is self.loop.module and isinstance(
                    self.loop.resolver.value(owner), SchemaEditor
                )
                return known or own
        return False

    def _manager_of_project(
        self, target: ast.expr, module: Module
    ) -> tuple[ast.FunctionDef, Module] | None:
        """The function under ``@contextmanager`` that the expression names."""
        function = module.functions.get(target.id) if isinstance(target, ast.Name) else None
        if not isinstance(function, ast.FunctionDef):
            return None
        paths = [module.path_of(decorator) for decorator in function.decorator_list]
        return (function, module) if paths == ["contextlib.contextmanager"] else None

    def _through_yields(self, function: ast.FunctionDef, module: Module, way: _Way) -> _Way:
        """The error comes out of each ``yield`` of a context manager."""
        nodes = [n for child in function.body for n in walk_scope(child)]
        ends = []
        for node in nodes:
            if isinstance(node, (ast.Yield, ast.YieldFrom)):
                end: _Way = way
                step: ast.AST = node
                for ancestor in module.scope.ancestors(node):
                    if ancestor is function:
                        break
                    end, step = self._through(ancestor, step, module, end), ancestor
                ends.append(end)
        return _Way(bool(ends) and all(end.atomic for end in ends))

    def _through_atomic(self, call: ast.Call, module: Module, way: _Way) -> _Way:
        """``transaction.atomic()`` rolls back what was done on its own database."""
        if any(k.arg is None for k in call.keywords) or len(call.args) > 1:
            return way
        given = [*call.args, *(k.value for k in call.keywords if k.arg == "using")]
        alias = alias_named(given[0], module) if given else "default"
        return replace(way, atomic=way.atomic or alias in self._aliases)

    @property
    def _aliases(self) -> tuple[str | None, ...]:
        """The databases of which one is that of the rows.

        Those that name none are taken to be where the migration runs, and where ``atomic()`` does.
        """
        named = self._named_alias
        return ("default", MIGRATED) if named is None else (named,)

    @property
    def _named_alias(self) -> str | None:
        rows = self.loop.rows
        if not isinstance(rows, Rows) or not rows.has(*ALIASING):
            return None
        given = database_of(rows)
        return (alias_named(given[0], self.loop.module) if len(given) == 1 else None) or "?"

    # Functions

    def _leave_function(
        self,
        function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        module: Module,
        way: _Way,
    ) -> None:
        if isinstance(function, ast.Lambda):
            self._used(function, module, way)
            return
        if isinstance(function, ast.AsyncFunctionDef) or _is_generator(function, module):
            line = self._line(function, module)
            self._doubt(f"{function.name}() on {line} runs where something waits for it", way)
        for decorator in reversed(function.decorator_list):
            way = self._through_decorator(decorator, module, way)
        if (function, way) in self._seen:
            return
        self._seen.add((function, way))
        uses = list(self._uses_of(function.name, module))
        for use, where in uses:
            self._used(use, where, way)
        if not uses:
            self._doubt(f"what calls {function.name}() is not known", way)

    def _through_decorator(self, decorator: ast.expr, module: Module, way: _Way) -> _Way:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = call.func if call else decorator
        path = module.path_of(target)
        if path == _ATOMIC:
            none = ast.Call(target, [], [])
            return self._through_atomic(call or none, module, way)
        plain = isinstance(target, ast.Name) and target.id in {"staticmethod", "classmethod"}
        if path not in OPEN_DECORATORS and not plain:
            line = self._line(decorator, module)
            self._catch(f"the decorator on {line} may catch errors", way, alike=False)
        return way

    def _uses_of(
        self, name: str, module: Module, seen: frozenset[tuple[str, Module]] = frozenset()
    ) -> Iterator[tuple[ast.expr, Module]]:
        """Every place of the project that names the function, or what it is imported as."""
        if (name, module) in seen:
            return
        is_method = name in module.methods
        for node in mentions_of(name, module):
            if is_method or seen or not isinstance(node, ast.Attribute):
                yield node, module
        for importer in self.importers(module.source.path):
            by_import = {*imported_as(name, importer)}
            for local in by_import:
                yield from self._uses_of(local, importer, seen | {(name, module)})
            if not by_import:
                yield from ((n, importer) for n in mentions_of(name, importer) if not is_name(n))

    def _used(self, node: ast.expr, module: Module, way: _Way) -> None:
        """The function is what ``node`` stands for: follow where it is called."""
        if (node, way) in self._seen:
            return
        self._seen.add((node, way))
        parent = module.scope.parents.get(node)
        if isinstance(parent, ast.keyword):
            parent = module.scope.parents.get(parent)
        match parent:
            case ast.Call(func=function) if function is node:
                self.leave(parent, module, way)
            case ast.Call(func=function):
                self._handed_over(node, parent, module.path_of(function), module, way)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                for use in mentions_of(name, module):
                    self._used(use, module, way)
            case ast.Return():
                self._returned(parent, module, way)
            case ast.IfExp() | ast.BoolOp():
                self._used(parent, module, way)
            case ast.Attribute(ctx=ast.Load()) | ast.Compare() | ast.Expr():
                return
            case _:
                self._doubt(f"{self._line(node, module)} hands the function on", way)

    def _handed_over(
        self, node: ast.expr, call: ast.Call, path: str | None, module: Module, way: _Way
    ) -> None:
        if path in RUN_PYTHON:
            self._run(call, module, way)
        elif path == "functools.partial" and call.args[:1] == [node]:
            self._used(call, module, way)
        elif path != "functools.wraps":
            self._doubt(f"{self._line(node, module)} hands the function on", way)

    def _returned(self, statement: ast.Return, module: Module, way: _Way) -> None:
        """A function that returns this one: what it returns is used where it is called."""
        maker = next(
            (a for a in module.scope.ancestors(statement) if isinstance(a, FUNCTIONS)), None
        )
        assert isinstance(maker, (ast.FunctionDef, ast.AsyncFunctionDef))
        for use, where in self._uses_of(maker.name, module):
            parent = where.scope.parents.get(use)
            if isinstance(parent, ast.Call) and parent.func is use:
                self._used(parent, where, way)
            else:
                self._doubt(f"{self._line(use, where)} hands the function on", way)

    # The RunPython

    def _run(self, call: ast.Call, module: Module, way: _Way) -> None:
        if way.atomic:
            return
        if self._named_alias not in {None, MIGRATED}:
            why: str | None = "the rows may be of another database than the one that is migrated"
        else:
            why = self._autocommit(call, module)
        if why is not None:
            self.open.append(why)
            self.kept.append(why)

    def _autocommit(self, call: ast.Call, module: Module) -> str | None:
        """Why the RunPython may run outside of a transaction; None where it certainly does not."""
        atomic = atomic_of(call)
        line = self._line(call, module)
        within = operations_around(call, module)
        if within is None or (within and module.path_of(within[0].func) not in SEPARATE):
            return f"what runs the RunPython on {line} is not known"
        if atomic is True and not within:
            return None
        if (why := self._not_atomic(module)) is not None:
            return why
        if self.loop.databases.have(Trait.ROLLS_BACK_SCHEMA):
            return None
        if within:
            return (
                f"the RunPython on {line} is inside of another operation, which runs without a "
                "transaction where a database cannot roll back changes of its schema"
            )
        return None if atomic is None else f"the RunPython on {line} is not atomic"

    def _not_atomic(self, module: Module) -> str | None:
        """Why the migration may have no transaction of its own."""
        found = [
            s for s in module.tree.body if isinstance(s, ast.ClassDef) and s.name == "Migration"
        ]
        if len(found) != 1 or not is_plain_migration(found[0], module):
            return f"{self._file(module)} has no plain class Migration that says how it runs"
        setting = where_atomic_is_set(module.tree)
        return f"atomic is set on {self._line(setting, module)}" if setting else None

    # Notes

    def _catch(self, why: str, way: _Way, alike: bool) -> None:
        self.caught.append(why)
        if not way.atomic:
            self.kept.append(why)
        if not alike:
            self.told_apart.append(why)

    def _doubt(self, why: str, way: _Way) -> None:
        self._catch(why, way, alike=False)
        if not way.atomic:
            self.open.append(why)

    def _line(self, node: ast.AST, module: Module) -> str:
        line = f"line {getattr(node, 'lineno', '?')}"
        return line if module is self.loop.module else f"{line} of {self._file(module)}"

    def _file(self, module: Module) -> str:
        return "the file" if module is self.loop.module else shown(module.source.path)


def _is_run_by(step: ast.AST, function: ast.AST) -> bool:
    """Is it in the body of the function, not among its decorators and defaults?"""
    body = getattr(function, "body", None)
    return step in body if isinstance(body, list) else step is body


@lru_cache(maxsize=4096)
def _is_generator(function: ast.FunctionDef, module: Module) -> bool:
    return any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in module.nodes_of(function))
