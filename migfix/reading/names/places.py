"""How a rewritten loop may call what it needs: by names the file has, or by an import to add."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from migfix.reading.names.module import Module
from migfix.reading.names.scopes import names_bound, walk


@dataclass(frozen=True, slots=True)
class Reference:
    """``text`` is what to write; ``import_`` is the ``(module, name)`` to import first, if any.

    The name may be given as ``name as other``.
    """

    text: str
    import_: tuple[str, str] | None = None


class Names:
    """Chooses names for one file. ``helper`` is the module of the vendored helper (``._migfix``)."""

    def __init__(self, module: Module, helper: str = "._migfix") -> None:
        self.module = module
        self.helper = helper
        nodes = walk(module.tree)
        bound = frozenset(name for node in nodes for name in names_bound(node))
        used = frozenset(node.id for node in nodes if isinstance(node, ast.Name))
        self._taken = used | bound | module.local_names

    def quoted(self, text: str) -> str:
        """``text``, which holds no quotes, as a literal in the quotes that the file prefers."""
        source = self.module.source.text
        quote = "'" if source.count("'") > source.count('"') else '"'
        return f"{quote}{text}{quote}"

    def models(self, name: str) -> Reference | None:
        """``models.F`` and its like; None where every way to say it would clash with a name."""
        return self._attribute("django.db", "models", name)

    def function(self, name: str) -> Reference | None:
        """A function of ``django.db.models.functions``, imported by its own name."""
        places = ("django.db.models.functions", "django.db.models")
        for local, path in self._imported():
            if path in {f"{place}.{name}" for place in places}:
                return Reference(local)
            if path == places[0]:
                return Reference(f"{local}.{name}")
        return self._plain(places[0], name)

    def today(self) -> Reference | None:
        """``date.today``, the day on which ``auto_now`` stamps a date."""
        return self._of_datetime("date", "today")

    def utc(self) -> Reference | None:
        """``datetime.timezone.utc``; ``django.utils.timezone`` is another module."""
        return self._of_datetime("timezone", "utc")

    def _of_datetime(self, owner: str, name: str) -> Reference | None:
        """``owner.name`` of a class of the module ``datetime``, from which nothing but it is imported."""
        for local, path in self._imported():
            if path == "datetime":
                return Reference(f"{local}.{owner}.{name}")
            if path == f"datetime.{owner}":
                return Reference(f"{local}.{name}")
        if self._is_free(owner):
            return Reference(f"{owner}.{name}", ("datetime", owner))
        other = f"datetime_{owner}"
        if self._is_free(other):
            return Reference(f"{other}.{name}", ("datetime", f"{owner} as {other}"))
        return None

    def timezone_now(self) -> Reference | None:
        return self._attribute("django.utils", "timezone", "now")

    def stream(self) -> Reference | None:
        """The helper's ``stream`` function."""
        return self._plain(self.helper, "stream")

    def stream_sql(self) -> Reference | None:
        """The helper's ``stream_sql`` function."""
        return self._plain(self.helper, "stream_sql")

    def update_in_batches(self) -> Reference | None:
        """The helper's ``update_in_batches`` function."""
        return self._plain(self.helper, "update_in_batches")

    def update_by_key(self) -> Reference | None:
        """The helper's ``update_by_key`` function."""
        return self._plain(self.helper, "update_by_key")

    def link_in_batches(self) -> Reference | None:
        """The helper's ``link_in_batches`` function."""
        return self._plain(self.helper, "link_in_batches")

    def create_in_batches(self) -> Reference | None:
        """The helper's ``create_in_batches`` function."""
        return self._plain(self.helper, "create_in_batches")

    def in_windows(self, verb: str) -> Reference | None:
        """The helper's ``update_in_windows`` or ``delete_in_windows``."""
        return self._plain(self.helper, f"{verb}_in_windows")

    def free(self, *names: str) -> str | None:
        """The first of the names that means nothing in the file; None if all do."""
        return next(filter(self._is_free, names), None)

    def _attribute(self, package: str, module: str, name: str) -> Reference | None:
        """``module.name``, or plain ``name`` where the module's name means something else here."""
        for local, path in self._imported():
            if path == f"{package}.{module}":
                return Reference(f"{local}.{name}")
            if path == f"{package}.{module}.{name}":
                return Reference(local)
        if self._is_free(module):
            return Reference(f"{module}.{name}", (package, module))
        return self._plain(f"{package}.{module}", name)

    def _plain(self, module: str, name: str) -> Reference | None:
        local = next((n for n, p in self._imported() if p == _joined(module, name)), None)
        if local is not None:
            return Reference(local)
        return Reference(name, (module, name)) if self._is_free(name) else None

    def _imported(self) -> Iterator[tuple[str, str]]:
        """The names that mean the same import in the whole file, and what they mean."""
        for local, path in self.module.top_imports.items():
            if local not in self.module.local_names and self.module.imports.get(local) == path:
                yield local, path

    def _is_free(self, name: str) -> bool:
        return name not in self._taken and not self._hidden

    @cached_property
    def _hidden(self) -> bool:
        """May ``from module import *`` hide an import that is added above it?"""
        body = self.module.tree.body
        below = next((n for n, s in enumerate(body) if not _is_of_header(s)), len(body))
        return any(_is_star(node) for statement in body[below:] for node in walk(statement))


def _is_of_header(statement: ast.stmt) -> bool:
    """Does the statement stand where imports are added: a docstring, or an import?"""
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return docstring or isinstance(statement, (ast.Import, ast.ImportFrom))


def _is_star(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _joined(module: str, name: str) -> str:
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"
