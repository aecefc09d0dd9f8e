"""Which receivers hear historical models, as a project that is set up has connected them.

What a file connects as it is imported, or in the ``ready()`` of an app, has been done once the project is set up, and
is done once. What other functions connect may still come, and stays as the source says.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migfix.disk.files import Files
from migfix.project.hearing import Receiver, Way
from migfix.project.loaded import Heard, Loaded
from migfix.project.signals import ALL

_PREPARED = "class_prepared"
# In which a statement still runs: of what stands in others, that depends on where it runs.
_RUNNING = (ast.Module, ast.ClassDef, ast.For, ast.With)
_BODIES = frozenset({"body", "orelse", "finalbody", "handlers"})
_PERHAPS = (ast.IfExp, ast.BoolOp, ast.GeneratorExp)


@dataclass
class HeardReceivers:
    """Compares what the source connects with what is connected. ``said`` is what the project says, None where it was
    not asked.
    """

    said: Loaded | None
    files: Files
    _left: list[tuple[str, range]] = field(default_factory=list)

    def settles(self, path: Path, tree: ast.Module, connection: ast.expr) -> bool:
        """Has what the file connects there surely been connected, and to no class of migrations?"""
        if self.said is None:
            return False
        file = str(self.files.real(path))
        above = _above(tree, connection)
        lines = _lines(above, connection)
        if self._has_run(file, above) and not any(_meets(h, file, lines) for h in self.said.heard):
            return True
        self._left.append((file, lines))
        return False

    def _has_run(self, file: str, above: Sequence[ast.AST]) -> bool:
        assert self.said is not None
        if file not in self.said.modules.values():
            return False
        match above:
            case [ast.Module(), ast.ClassDef(name=name), ast.FunctionDef(name="ready"), *inner]:
                is_there = (file, name) in self.said.ready
                return is_there and all(isinstance(each, (ast.For, ast.With)) for each in inner)
        return all(isinstance(each, _RUNNING) for each in above)

    def others(self, ways: Callable[[Heard], Sequence[Way]]) -> list[Receiver]:
        """The receivers that the source does not show, and what else is not as Django has it.

        ``ways`` says what one takes to act.
        """
        if self.said is None:
            return []
        unseen = [
            h for h in self.said.heard if not any(_meets(h, file, at) for file, at in self._left)
        ]
        found: dict[Receiver, None] = {}
        for each in unseen:
            signals = ALL if each.signal == _PREPARED else frozenset({each.signal})
            if acting := ways(each):
                what = "hears historical models"
                found[Receiver(each.name, signals, what, tuple(acting))] = None
        for name in self.said.patched:
            found[Receiver(name, ALL, f"is not Django's own by {self.said.settings}")] = None
        return [*found]


def _above(tree: ast.Module, wanted: ast.AST) -> list[ast.AST]:
    """In which parts of the module, itself the first, a node stands that may run later, or never."""
    found: list[ast.AST] = []

    def look(node: ast.AST, above: list[ast.AST]) -> None:
        for name, value in ast.iter_fields(node):
            inner = [*above, node] if name in _BODIES or isinstance(node, _PERHAPS) else above
            for child in value if isinstance(value, list) else [value]:
                if child is wanted:
                    found[:] = inner
                elif isinstance(child, ast.AST):
                    look(child, inner)

    look(tree, [])
    return found


def _lines(above: Sequence[ast.AST], connection: ast.expr) -> range:
    """The lines that run when the connection is made: those of the call, or of what it decorates."""
    inner = above[-1] if above else None
    body: list[ast.stmt] = list(getattr(inner, "body", []))
    for statement in body:
        decorators: list[ast.expr] = list(getattr(statement, "decorator_list", []))
        first = min([statement.lineno, *(each.lineno for each in decorators)])
        last = statement.end_lineno or statement.lineno
        if first <= connection.lineno <= last:
            return range(first, last + 1)
    return range(connection.lineno, (connection.end_lineno or connection.lineno) + 1)


def _meets(heard: Heard, file: str, lines: range) -> bool:
    return any(each == file and number in lines for each, number in heard.connected)
