"""How a rewritten loop may call what it needs: by names the file has, or by an import to add."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migfix.loops.module import Module
from migfix.loops.scopes import walk


@dataclass(frozen=True, slots=True)
class Reference:
    """``text`` is what to write; ``import_`` is the ``(module, name)`` to import first, if any."""

    text: str
    import_: tuple[str, str] | None = None


class Names:
    """Chooses names for one file. ``helper`` is the module of the vendored helper (``._migfix``)."""

    def __init__(self, module: Module, helper: str = "._migfix") -> None:
        self.module = module
        self.helper = helper
        self._taken = frozenset(
            node.id for node in walk(module.tree) if isinstance(node, ast.Name)
        ) | frozenset(module.local_names)

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
        for local, path in self.module.top_imports.items():
            if local in self.module.local_names:
                continue
            if path in {f"{place}.{name}" for place in places}:
                return Reference(local)
            if path == places[0]:
                return Reference(f"{local}.{name}")
        return self._plain(places[0], name)

    def today(self) -> Reference | None:
        """``date.today``, the day on which ``auto_now`` stamps a date."""
        return self._attribute("datetime", "date", "today")

    def utc(self) -> Reference | None:
        """``datetime.timezone.utc``; ``django.utils.timezone`` is another module."""
        for local, path in self.module.top_imports.items():
            if local not in self.module.local_names:
                if path == "datetime":
                    return Reference(f"{local}.timezone.utc")
                if path == "datetime.timezone":
                    return Reference(f"{local}.utc")
        return self._attribute("datetime", "timezone", "utc")

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

    def create_in_batches(self) -> Reference | None:
        """The helper's ``create_in_batches`` function."""
        return self._plain(self.helper, "create_in_batches")

    def free(self, *names: str) -> str | None:
        """The first of the names that means nothing in the file; None if all do."""
        return next(filter(self._is_free, names), None)

    def _attribute(self, package: str, module: str, name: str) -> Reference | None:
        """``module.name``, or plain ``name`` where the module's name means something else here."""
        for local, path in self.module.top_imports.items():
            if local in self.module.local_names:
                continue
            if path == f"{package}.{module}":
                return Reference(f"{local}.{name}")
            if path == f"{package}.{module}.{name}":
                return Reference(local)
        if self._is_free(module):
            return Reference(f"{module}.{name}", (package, module))
        return self._plain(f"{package}.{module}", name)

    def _plain(self, module: str, name: str) -> Reference | None:
        local = next(
            (n for n, p in self.module.top_imports.items() if p == _joined(module, name)), None
        )
        if local is not None and local not in self.module.local_names:
            return Reference(local)
        return Reference(name, (module, name)) if self._is_free(name) else None

    def _is_free(self, name: str) -> bool:
        return name not in self._taken and name not in self.module.imports


def _joined(module: str, name: str) -> str:
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"
