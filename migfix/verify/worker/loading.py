"""Sets a project up by its own settings and says what it is: its migrations, receivers and field classes.

Nothing is migrated, no database of the project is connected to, and what would change anything outside is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from migfix.verify.worker.importing import ProjectImports
from migfix.verify.worker.limits import limit_memory
from migfix.verify.worker.main import watch
from migfix.verify.worker.outside import STARTS
from migfix.verify.worker.projects import CannotRun, SetUp
from migfix.verify.worker.question import Answered, Heard, Question
from migfix.verify.worker.watching import Asked, Connections, key_of
from migfix.verify.worker.writing import is_of_django, written

SIGNALS = (
    "pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed", "class_prepared",
)  # fmt: skip


def load(path: str) -> None:
    """Answers the question in a file."""
    question = Question.read(Path(path))
    project = SetUp(question.project)
    watch(project.guard, question.project.folder)
    limit_memory()
    opened = _Opened()
    problem, facts = "", Answered()
    # What a project prints is not for us; a library may look for a file's methods.
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        project.guard.watched() as attempts,
    ):
        try:
            facts = _facts(project)
        except CannotRun as error:
            problem = f"{error}{_place(error.__cause__ or error)}"
        except BaseException as error:
            text = " ".join(str(error).split())
            problem = f"{type(error).__name__}: {text}{_place(error)}"
    # Without a program, a project is as on a machine that has none; what else it would reach may make it another one.
    programs = [each for each in attempts if each.startswith(STARTS)]
    if others := [each for each in attempts if each not in programs]:
        problem = f"it {others[0]}, which is not let happen here" + (problem and f"; {problem}")
    answer = json.dumps({"problem": problem}) if problem else ""
    with project.guard.deaf():
        temporary = Path(f"{question.answer}.part")
        temporary.write_text(answer or _with(facts, opened.files(), programs).as_json())
        temporary.replace(question.answer)
    os._exit(0)  # whatever the project wants to do at its end


def _with(facts: Answered, opened: list[str], refused: list[str]) -> Answered:
    return Answered(**{**vars(facts), "opened": opened, "refused": refused})


class _Opened:
    """The files that are read from its creation on."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[0], str):
            self._names[args[0]] = None

    def files(self) -> list[str]:
        """Those outside of Python's own library and of what is installed, which is stamped as a whole."""
        own = [os.path.realpath(p) for p in {*sysconfig.get_paths().values(), sys.prefix}]
        own += ["/proc", "/dev", "/sys", os.path.realpath(os.getcwd())]
        found = (os.path.realpath(name) for name in self._names)
        return sorted(
            {n for n in found if not any(n == o or n.startswith(o + os.sep) for o in own)}
        )


def _place(error: BaseException) -> str:
    """Where it was raised: the last line that is neither Python's, Django's nor ours."""
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parents[3])
    library = sysconfig.get_paths()["stdlib"]
    own = [
        f
        for f in frames
        if not f.filename.startswith(("<", library, f"{here}{os.sep}migfix"))
        and "site-packages" not in f.filename
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _facts(project: SetUp) -> Answered:
    """Raises whatever the project raises."""
    connections, asked = Connections(), Asked()
    connections.start()
    sys.argv = ["manage.py", "migrate"]
    asked.start()
    project.done(before=asked.watch_settings)
    packages = _imported()
    _import_what_migrate_does()
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None, ignore_no_migrations=True)
    texts: dict[str, str] = {}
    undecided: dict[str, str] = {}
    imports = ProjectImports(asked.lines, str(project.project.settings))
    for (label, name), migration in loader.disk_migrations.items():
        key = f"{label}.{name}"
        if why := imports.asking(migration.__module__):
            undecided[key] = why
        elif (text := written(migration)) is not None:
            texts[key] = text
    return Answered(
        models=_models(),
        packages=packages,
        written=texts,
        undecided=undecided,
        modules=_modules(),
        ready=_ready(),
        heard=[*_heard(connections, loader)],
        patched=[*_patched()],
        classes=_classes(loader),
    )


def _imported() -> dict[str, str | None]:
    """Imports the migrations as Django's loader does: the folder of each app's."""
    import importlib
    import pkgutil

    from django.apps import apps
    from django.db.migrations.loader import MigrationLoader

    found: dict[str, str | None] = {}
    for config in apps.get_app_configs():
        name, explicit = MigrationLoader.migrations_module(config.label)
        if name is None:
            found[config.label] = None
            continue
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if explicit or error.name not in (name, name.rpartition(".")[0]):
                raise
            continue
        for folder in list(getattr(module, "__path__", ()))[:1]:
            found[config.label] = os.path.realpath(folder)
            for each in pkgutil.iter_modules([folder]):
                if not each.ispkg and each.name[0] not in "_~":
                    importlib.import_module(f"{name}.{each.name}")
    return found


def _import_what_migrate_does() -> None:
    """``migrate`` imports the ``management`` of each app, and its checks the URLs, which import views and forms.

    https://github.com/django/django/blob/stable/5.2.x/django/core/management/commands/migrate.py
    """
    import importlib

    from django.apps import apps
    from django.conf import settings
    from django.utils.module_loading import module_has_submodule

    for config in apps.get_app_configs():
        if module_has_submodule(config.module, "management"):
            importlib.import_module(".management", config.name)
    if urls := getattr(settings, "ROOT_URLCONF", None):
        importlib.import_module(urls)


def _models() -> dict[str, str]:
    """The settings that name a model of an app that is there."""
    from django.apps import apps
    from django.conf import settings

    found = {}
    labels = {config.label for config in apps.get_app_configs()}
    for name in dir(settings):
        value = getattr(settings, name, None) if name.isupper() else None
        if isinstance(value, str) and value.count(".") == 1 and value.partition(".")[0] in labels:
            label, model = value.split(".")
            if model.lower() in apps.all_models[label]:
                found[name] = value
    return found


def _modules() -> dict[str, str]:
    django = os.path.dirname(os.path.realpath(sys.modules["django"].__file__ or ""))
    library = os.path.realpath(sysconfig.get_paths()["stdlib"])
    found = {}
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py"):
            real = os.path.realpath(file)
            of_library = real.startswith(library) and "site-packages" not in real
            if not real.startswith(django + os.sep) and not of_library:
                found[name] = real
    return found


def _ready() -> list[tuple[str, str]]:
    """The classes above each AppConfig: of one, its ``ready()`` has run if no other one's took its place."""
    from django.apps import apps

    found = []
    for config in apps.get_app_configs():
        for above in type(config).__mro__:
            if "ready" in vars(above):
                module = sys.modules.get(above.__module__)
                file = getattr(module, "__file__", None)
                if file:
                    found.append((os.path.realpath(file), above.__qualname__))
                break
    return found


def _heard(connections: Connections, loader: Any) -> Iterator[Heard]:
    """The receivers that hear every class, and those that were connected to historical ones as these were made."""
    from django.db.models import signals
    from django.dispatch.dispatcher import NONE_ID

    historical: set[int] | None = None
    with contextlib.suppress(Exception):  # of models that are not whole, Django makes none
        historical = {id(m) for m in loader.project_state().apps.get_models(True, True)}
    for name in SIGNALS:
        signal = getattr(signals, name)
        for entry in [*signal.receivers]:
            sender = key_of(entry)[1]
            lines = connections.of(signal, entry)
            of_class = historical is not None and sender in historical
            if of_class and any(line.name == "contribute_to_class" for line in lines):
                continue  # of its fields, which are read for themselves
            if name == "class_prepared" and historical is not None:
                continue  # it has heard of them, and what it has connected is seen
            if sender == NONE_ID or of_class:
                yield _one_heard(name, entry[1], [(line.file, line.number) for line in lines])


def _one_heard(signal: str, kept: Any, lines: list[tuple[str, int]]) -> Heard:
    import inspect
    import weakref

    receiver = kept() if isinstance(kept, weakref.ReferenceType) else kept
    given: Any = getattr(receiver, "__func__", receiver)
    function = inspect.unwrap(given)
    code = getattr(function, "__code__", None)
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"
    file = os.path.realpath(code.co_filename) if code else ""
    return Heard(signal, name, file, code.co_firstlineno if code else 0, lines)


def _patched() -> Iterator[str]:
    """Functions among those of Django's classes that are not Django's own."""
    from django.db import models
    from django.db.models.base import ModelBase
    from django.db.models.query import QuerySet
    from django.db.models.sql.query import Query
    from django.dispatch import Signal

    fields = [
        each
        for each in vars(models).values()
        if isinstance(each, type) and issubclass(each, models.Field)
    ]
    known = {models.Model, models.Manager, ModelBase, QuerySet, Query, Signal}
    classes = {above for each in known.union(fields) for above in each.__mro__}
    django = os.path.dirname(os.path.realpath(sys.modules["django"].__file__ or ""))
    here = os.path.dirname(os.path.realpath(__file__))
    library = os.path.realpath(sysconfig.get_paths()["stdlib"]) + os.sep
    for owner in sorted(classes, key=lambda each: (each.__module__, each.__qualname__)):
        if not owner.__module__.startswith("django."):
            continue
        for name, value in vars(owner).items():
            code = getattr(getattr(value, "__func__", value), "__code__", None)
            if code is None or name == "__class_getitem__":  # which is for types
                continue
            file = os.path.realpath(code.co_filename)
            own = file.startswith((django + os.sep, here + os.sep))
            # Code that Python makes, as that of partialmethod, is of no file or of its library.
            of_library = file.startswith(library) and "-packages" not in file
            if not own and not of_library and os.path.exists(file):
                yield f"{owner.__qualname__}.{name}"


def _classes(loader: Any) -> dict[str, list[str]]:
    """The field classes of all migrations that are not Django's, by their own path and the one that migrations write,
    with what they descend from.
    """
    from django.db.models import Field
    from django.utils.module_loading import import_string

    found: dict[str, list[str]] = {}
    for migration in loader.disk_migrations.values():
        for each in _fields_in(migration.operations):
            kind = type(each)
            if is_of_django(kind):
                continue
            above = [_path(each) for each in kind.__mro__ if each not in (*Field.__mro__, object)]
            found[_path(kind)] = above
            with contextlib.suppress(Exception):  # it writes itself in a way of its own
                path = each.deconstruct()[1]
                if import_string(path) is kind:
                    found[path] = above
    return found


def _path(kind: type) -> str:
    """Of what only says that it is Django's, one that nobody knows."""
    path = f"{kind.__module__}.{kind.__qualname__}"
    return path if not path.startswith("django.") or is_of_django(kind) else f"?.{path}"


def _fields_in(operations: Any) -> Iterator[Any]:
    for each in operations:
        for _, field in getattr(each, "fields", None) or ():
            yield field
        if (field := getattr(each, "field", None)) is not None:
            yield field
        for name in ("database_operations", "state_operations"):
            yield from _fields_in(getattr(each, name, None) or ())
