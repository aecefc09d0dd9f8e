"""What classes a historical model of a project may descend from.

Django makes it of the fields, managers and bases that migrations name, and gives it nothing else of today's class:
https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from migfix.disk.files import Files, Unreadable, holds, matches
from migfix.history.classes.reading import Classes
from migfix.history.files.migration import Operation
from migfix.history.graph import History
from migfix.history.state import ModelState, Name, ProjectState, Unknown

# Code beside migrations that may give bases to historical models, or to classes.
_OPERATIONS = re.compile(rb"\bmigrations\b")
_GIVES_BASES = re.compile(rb"\b(bases|CreateModel|ModelState)\b")
_CHANGES_BASES = re.compile(rb"__bases__(\s*,[^=\n]*)?\s*[+|]?=[^=]|[\"']__bases__")
_PLAIN_BASES = re.compile(rb"\bbases=\(\s*(?:models\.Model|[\"'][\w.]+[\"'])\s*,?\s*\)")
_OTHER_MODELS = re.compile(rb"(?<!django\.db )import [^\n]*\bmodels\b|\bmodels\s*=[^=]")
_DJANGO_MODELS = re.compile(rb"from django\.db import [^\n]*\bmodels\b")
_MODELS = re.compile(r"\.models\.")
# A model that is made with anything but keywords, or an operation under another name.
_UNUSUAL = re.compile(rb"CreateModel\((?!\s*name\s*=)|CreateModel\s+as\b|\*\*|\(\s*\*")

# Attributes that every model has, or gets by the names of its fields.
# https://docs.djangoproject.com/en/stable/ref/models/class/
_OF_EVERY_MODEL = re.compile(
    r"_|get_(next|previous)_(by|in)_|"
    r"(get_\w+_display|[gs]et_\w+_order|get_absolute_url|get_constraints|get_deferred_fields|"
    r"objects|pk|id|DoesNotExist|MultipleObjectsReturned|NotUpdated|save|save_base|delete|"
    r"full_clean|clean|clean_fields|refresh_from_db|validate_unique|validate_constraints|"
    r"serializable_value|from_db|check|prepare_database_save|date_error_message|"
    r"unique_error_message|asave|adelete|arefresh_from_db|mro|add_to_class)$"
)
_TEXTS = re.compile(rb"[\"']([\w%()]{1,100})[\"']")
_COMPUTED_NAME = re.compile(
    rb"related_name[\"']?\s*[=:]\s*(?!None\b)(?![\"'][\w%()+]{0,100}[\"']\s*[,)}\n])"
)
_PART = re.compile(r"%\(\w+\)s")
# By which a class may have attributes of any name.
_BY_NAME = frozenset(
    "setattr __getattr__ __getattribute__ vars exec __dict__ __init_subclass__".split()
)


class HistoricalModels:
    """The historical models of one project, all of them taken together."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._project = history.project
        self._classes: Classes = history.classes

    def may_descend_from(self, path: str) -> bool:
        """May one of them be a subclass of the class with this dotted path?

        None is of a class that the project defines and that is above no base which its migrations name.
        Classes of packages have only classes of packages above them.
        """
        own = self._own_class(path)
        return (
            own is None
            or self._may_take_others(path)
            or any(
                own == self._own_class(above)
                or (self._is_of_project(above) if node is None else _is_decorated(node))
                for above, node in self._above_all.items()
            )
        )

    def may_be(self, path: str) -> bool:
        """May one of them be this very class, or equal to it? None is a plain class that the project defines."""
        return self._own_class(path) is None or self._may_take_others(path)

    def may_be_of(self, path: str, model: ModelState, state: ProjectState) -> bool:
        """May rows of the model be of the class with this dotted path, or of one below it?"""
        own = self._own_class(path)
        bases = _plain_bases(model, state)
        if own is None or bases is None or self._may_take_others(path) or self._bases_change:
            return True
        return any(
            own == self._own_class(above)
            or (self._is_of_project(above) if node is None else _is_decorated(node))
            for base in bases
            for above, node in self._classes.lineage(base)
        )

    def may_have(self, name: str, model: ModelState, state: ProjectState) -> bool:
        """May rows of the model have an attribute of this name, if they are not given it one by one?

        It is looked for among all that Django hangs on a class, and what others may: a field of a class that is
        not known, a relation of a package.
        """
        bases, parents = _plain_bases(model, state), state.parents(model)
        if bases is None or isinstance(parents, Unknown):
            return True
        models = (model, *parents)
        fields = [field for each in models for field in each.fields]
        foreign = any(
            each.key[0] not in state.project_apps or each.key in state.named_in_settings
            for each in models
        )
        return (
            foreign
            or self._bases_change
            or bool(_OF_EVERY_MODEL.match(name))
            or any(isinstance(each.managers, Unknown) or name in each.managers for each in models)
            or any(field.kind is None or name in {field.name, field.attname} for field in fields)
            or any(isinstance(field.attname, Unknown) for field in fields)
            or self._may_be_accessor(name)
            or any(self._may_define(name, base) for base in bases)
        )

    def _may_be_accessor(self, name: str) -> bool:
        """May a relation of the project's give this name to the rows at its other end?

        It is that of a model, or written out, perhaps with parts that Django fills in.
        """
        files = self._project.files
        return name.endswith("_set") or any(
            files.once(_may_name_relation, migration.path, name)
            for migration in self._project.migrations
        )

    def _may_define(self, name: str, base: str) -> bool:
        """May the class have such an attribute, or its methods hang it on a row?"""
        for _, node in self._classes.lineage(base):
            if node is None or _is_decorated(node):
                return True
            if self._is_changed_elsewhere(node.name):
                return True
            for part in ast.walk(node):
                if name in (getattr(part, "name", ""), getattr(part, "attr", "")):
                    return True
                if isinstance(part, ast.Name) and part.id in {name, *_BY_NAME}:
                    return True
                if getattr(part, "name", "") in _BY_NAME:
                    return True
        return False

    @cached_property
    def _bases_change(self) -> bool:
        """Does the project give other bases to classes that are there?"""
        return self._holds_anywhere(_CHANGES_BASES)

    def _is_changed_elsewhere(self, name: str) -> bool:
        """May code of the project hang something on a class of this name? ``Mixin.label = "x"``, too."""
        return self._holds_anywhere(
            re.compile(rb"\b%b\.\w+(\s*:[^=\n]+)?\s*=[^=]|attr\(\s*%b\b" % ((name.encode(),) * 2))
        )

    def _holds_anywhere(self, pattern: re.Pattern[bytes]) -> bool:
        files = self._project.files
        return any(files.once(matches, path, pattern) for path in self._project.own_code)

    def _may_take_others(self, path: str) -> bool:
        """May the class say itself what is an instance of it, as protocols and abstract base classes do?

        No model does: what a package has among its models is taken for one where its source is not found.
        """
        return any(
            (
                not _MODELS.search(above) or self._is_of_project(above)
                if node is None
                else _is_decorated(node)
            )
            for above, node in self._classes.lineage(path)
        )

    def _own_class(self, path: str) -> tuple[Path, str] | None:
        """The file of the project that defines the class, and its name there; None if none does.

        A module may be imported by more than one name.
        """
        module, _, name = (self._classes.definition(path) or "").rpartition(".")
        file = self._project.module_file(module) if module else None
        return (self._project.files.real(file), name) if file else None

    def _is_of_project(self, path: str) -> bool:
        """Is it in a package of the project, or in one that is not known?"""
        return not path or self._project.module_file(path.partition(".")[0]) is not None

    @cached_property
    def _above_all(self) -> Mapping[str, ast.ClassDef | None]:
        """The classes above all the bases that migrations name, as ``Classes.lineage`` has them."""
        return {
            path: node for base in {*self._bases()} for path, node in self._classes.lineage(base)
        }

    def _bases(self) -> Iterator[str]:
        """The dotted paths of the bases that migrations name; "" for what is not known."""
        files = self._project.files
        migrations = {file.path: file for file in self._project.migrations}
        folders = {path.parent.parent for path in migrations}
        for path in self._project.own_code:
            if path not in migrations and (
                files.once(_may_give_bases, path)
                or (_may_be_unmigrated(path, folders) and files.once(holds, path, b"class "))
            ):
                yield ""
        for path, migration in migrations.items():
            if files.once(_names_no_base, path):
                continue
            source = self._history.source(migration)
            for operation in () if isinstance(source, Unknown) else source.operations:
                yield from _bases_in(operation)
            if isinstance(source, Unknown):
                yield ""


def _plain_bases(model: ModelState, state: ProjectState) -> list[str] | None:
    """The classes above the model and its parents that are no models; None where they are not all known."""
    parents = state.parents(model)
    if isinstance(parents, Unknown):
        return None
    return [base for each in (model, *parents) for base in each.bases if isinstance(base, str)]


def _may_name_relation(files: Files, path: Path, name: str) -> bool:
    """May a short text of the migration be the name that a relation gives? So it is where one is computed."""
    data = files.read(path)
    if isinstance(data, Unreadable) or _COMPUTED_NAME.search(data):
        return True
    texts = {text.decode("utf-8", "replace") for text in _TEXTS.findall(data)}
    return any(
        name in {text, text.lower()} or ("%" in text and _filled_in(text).fullmatch(name))
        for text in texts
    )


def _filled_in(name: str) -> re.Pattern[str]:
    """``%(class)s_items`` with anything in the place of the parts that Django fills in."""
    return re.compile(r"\w*".join(map(re.escape, _PART.split(name))))


def _may_give_bases(files: Files, path: Path) -> bool:
    data = files.read_if_there(path)
    gives = _OPERATIONS.search(data) and _GIVES_BASES.search(data)
    return bool(gives or _CHANGES_BASES.search(data))


def _names_no_base(files: Files, path: Path) -> bool:
    """Does a migration surely name no base but Django's own ``Model`` and models by texts?"""
    data = files.read_if_there(path)
    plain = not _UNUSUAL.search(data) and b"bases" not in _PLAIN_BASES.sub(b"", data)
    return plain and (b"bases" not in data or _has_models_of_django(data))


def _may_be_unmigrated(path: Path, folders: set[Path]) -> bool:
    """May it hold models of an app without migrations? Those are in every state, as they are today."""
    app = path.parent if path.stem == "models" else path.parent.parent
    is_models = path.stem == "models" or path.parent.name == "models"
    return is_models and app not in folders


def _has_models_of_django(data: bytes) -> bool:
    return bool(_DJANGO_MODELS.search(data)) and not _OTHER_MODELS.search(
        _DJANGO_MODELS.sub(b"", data)
    )


def _is_decorated(node: ast.ClassDef) -> bool:
    """Has it a metaclass or a decorator, which may make another class of it?"""
    return bool(node.keywords or node.decorator_list)


def _bases_in(operation: Operation) -> Iterator[str]:
    """The dotted paths of the classes that an operation gives to models; "" for what is not known."""
    written = operation.arguments.get("bases", ())
    for base in written if isinstance(written, tuple) else (None,):
        if not isinstance(base, str):
            yield base.path if isinstance(base, Name) else ""
    if operation.problem is not None:
        yield ""
    for inner in operation.nested:
        yield from _bases_in(inner)
