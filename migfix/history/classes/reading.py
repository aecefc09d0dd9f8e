"""Classes of the project and of packages that historical models are built with, read with ``ast``.

Migrations keep field classes and plain mixins by their import path, and run today's source of them:
https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from migfix.history.classes.ancestors import ReadClass, ReadModule, Root
from migfix.history.classes.bases import base_class_of
from migfix.history.classes.field_classes import field_class_of
from migfix.history.files.scope import Scope
from migfix.history.operations.written_fields import field_class
from migfix.history.state import BaseClass, FieldClass, FieldState, Unknown

_TOPS = frozenset({"object", "django.db.models.Model", "django.db.models.base.Model"})
_DEPTH = 8  # bases above a class, and modules that hand a name on, before giving up

Modules = Callable[[str], "Scope | None"]
"""From the dotted name of a module to what its names stand for; None where there is no source."""


# Known even where the package is not installed; the source would say the same, less surely.
# https://github.com/django-extensions/django-extensions/blob/4.1/django_extensions/db/fields/__init__.py
# https://github.com/jazzband/django-model-utils/blob/5.0.0/model_utils/fields.py
_KNOWN = {
    "django_extensions.db.fields.CreationDateTimeField": Root("DateTimeField"),
    "django_extensions.db.fields.ModificationDateTimeField": Root("DateTimeField", stamps=True),
    "django_extensions.db.fields.AutoSlugField": Root("SlugField", computes=True),
    "django_extensions.db.fields.RandomCharField": Root("CharField", computes=True),
    "model_utils.fields.AutoCreatedField": Root("DateTimeField"),
    "model_utils.fields.AutoLastModifiedField": Root("DateTimeField", stamps=True),
    "model_utils.fields.StatusField": Root("CharField"),
}

# Relations through a table of their own, by a manager: they have no column, and no save() looks at them.
_WITHOUT_COLUMN = frozenset(
    "taggit.managers.TaggableManager modelcluster.contrib.taggit.ClusterTaggableManager".split()
)


class Classes:
    """Reads each class once, when it is asked for. ``modules`` finds their sources, ``told`` says of a field class what
    it and all above it are, where that is known without.
    """

    def __init__(
        self, modules: Modules, told: Callable[[str], tuple[str, ...]] = lambda _: ()
    ) -> None:
        self._find_scope = modules
        self._told = told
        self._modules: dict[str, ReadModule | None] = {}
        self._fields: dict[str, FieldClass] = {}
        self._bases: dict[str, BaseClass] = {}

    def field_class(self, path: str) -> FieldClass:
        """What is known of a field class by its dotted path."""
        if path in _WITHOUT_COLUMN:
            return FieldClass(saved_as="ManyToManyField", doubt="its manager is not Django's")
        if path not in self._fields:
            self._fields[path] = field_class_of(tuple(self._field_ancestry(path)))
        return self._fields[path]

    def base_class(self, path: str) -> BaseClass:
        """What is known of a class among the bases of a model."""
        if path not in self._bases:
            self._bases[path] = base_class_of(tuple(self._ancestry(path)))
        return self._bases[path]

    def definition(self, path: str) -> str | None:
        """The path of the module that holds the class, and its name; None where that is not found."""
        found = self._resolved(path)
        return found.path if isinstance(found, ReadClass) else None

    def lineage(self, path: str, depth: int = 0) -> Iterator[tuple[str, ast.ClassDef | None]]:
        """The class and all above it but for Python's and Django's own, by the paths of their modules.

        With None for the class where the source was not found; the path is empty where it is not written out.
        """
        if path in _TOPS:
            return
        found = self._resolved(path) if depth < _DEPTH else ""
        if isinstance(found, str):
            yield found, None
            return
        yield found.path, found.node
        for base in found.node.bases:
            above = found.scope.dotted(base)
            if above is None:
                yield "", None
            else:
                yield from self.lineage(above, depth + 1)

    def _field_ancestry(self, path: str) -> Iterator[ReadClass | Root | Unknown]:
        """What the source says a field class descends from, or where that is not to be found, what is told."""
        read = [*self._ancestry(path)]
        told = self._told(path)
        if not told:
            yield from read
        elif any(isinstance(each, Unknown) for each in read):
            yield from self._as_told(told)
        else:
            yield from read
            own = [e.path for e in read if isinstance(e, ReadClass)]
            others = [each for each in told if not each.startswith("django.")]
            if path not in _KNOWN and own != others[: len(own)]:
                yield Unknown(f"the source of {path} and its loaded class descend from others")

    def _as_told(self, told: tuple[str, ...]) -> Iterator[ReadClass | Root | Unknown]:
        """The sources of these classes, the nearest first, up to Django's own; mixins of Django's stand behind it."""
        is_reached = False
        for path in told:
            kind = FieldState("", field_class(path)).kind if path.startswith("django.") else None
            if path in _KNOWN or (kind and not is_reached):
                yield _KNOWN.get(path) or Root(str(kind))
                is_reached = True
            elif not path.startswith("django.") or not is_reached:
                found = self._find(path)
                yield (
                    found
                    if isinstance(found, ReadClass)
                    else Unknown(f"the source of {path} was not found")
                )

    def _resolved(self, path: str) -> ReadClass | str:
        """The class, or the last path of it where the source was not found."""
        for _ in range(_DEPTH):
            found = self._find(path)
            if not isinstance(found, str):
                return found or path
            path = found
        return path

    def _ancestry(self, path: str, depth: int = 0) -> Iterator[ReadClass | Root | Unknown]:
        """The class and all above it, each before its bases, up to Django's own."""
        kind = FieldState("", field_class(path)).kind
        if path == "object":
            return
        if kind or path in _KNOWN:
            yield _KNOWN[path] if path in _KNOWN else Root(str(kind))
            return
        if path in _WITHOUT_COLUMN:
            yield Root("ManyToManyField")
            return
        found = self._find(path) if depth < _DEPTH else None
        if isinstance(found, str):
            yield from self._ancestry(found, depth + 1)
        elif found is None:
            yield Unknown(f"the source of {path or 'its class'} was not found")
        else:
            yield found
            for base in found.node.bases:
                above = found.scope.dotted(base)
                if above is None:
                    yield Unknown(f"a base of {path} is not a plain name")
                else:
                    yield from self._ancestry(above, depth + 1)

    def _find(self, path: str) -> ReadClass | str | None:
        """The one class of that path; the path that the name stands for where another module has it."""
        module, _, name = path.rpartition(".")
        found = self._module(module) if module and not module.startswith(".") else None
        if found is None:
            return None
        meant = found.scope.dotted(ast.Name(name, ast.Load()))
        everything_of = found.scope.names.get("*")
        if meant is None and name not in found.scope.names and isinstance(everything_of, str):
            return everything_of.removesuffix("*") + name
        if meant != path:
            return meant
        node = found.one_class(name)
        return ReadClass(path, node, found) if node else None

    def _module(self, name: str) -> ReadModule | None:
        if name not in self._modules:
            scope = self._find_scope(name)
            self._modules[name] = ReadModule(scope) if scope else None
        return self._modules[name]
