"""Django as a project sets it up, with no database but ours, and what keeps a migration in it from the outside."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migfix.verify.worker.databases import Database
from migfix.verify.worker.job import Job, Project
from migfix.verify.worker.outside import Guard

if TYPE_CHECKING:
    from migfix.verify.worker.repeatable import Repeatable

_CONTRIB = ("contenttypes", "auth", "admin", "sessions", "sites", "flatpages", "redirects")
_INSTALLED = ("site-packages", "dist-packages")
_IN_MEMORY = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


class CannotRun(Exception):
    """The migration cannot be run here; the message is one line that says why."""


class SetUp:
    """A project before it is set up and after. ``guard`` is there from the beginning, ``world`` from ``done()``."""

    world: Repeatable

    def __init__(self, project: Project) -> None:
        self.project = project
        self.database = Database(project.database, project.folder)
        self.guard = Guard(self.database.entry, Path(tempfile.gettempdir()))
        sys.dont_write_bytecode = True
        if project.settings:
            _add_to_path(project.path)

    def done(self, before: Callable[[], None] | None = None) -> None:
        """Sets it up, in a world whose clock is ours, as the project may import its functions by name; or in its own
        world, where something is to be done ``before`` that, once the settings are there.

        Raises CannotRun.
        """
        with self.setting_up():
            self._configure()
            if before is not None:
                before()
            else:
                from migfix.verify.worker.repeatable import Repeatable

                self.world = Repeatable()
                self.world.start()
                self.world.restart(0)
            import django

            django.setup()

    def for_job(self, job: Job) -> None:
        """Turns to the database and the folder of a job, and knows what its project does without settings.

        Raises CannotRun.
        """
        from django.conf import settings

        if job.folder != self.project.folder:
            self._turn_to(job)
        self.world.restart(0)  # a fork begins with random numbers of its own
        if not self.project.settings:
            _add_to_path(job.path)
        with self.setting_up():
            for name, value in job.model_settings.items():  # of an app that is not installed here
                setattr(settings, name, value)

    def _turn_to(self, job: Job) -> None:
        """No connection is taken along: what sets up a project may have made one to the database there."""
        from django.conf import settings

        tempfile.tempdir = os.environ["TMPDIR"] = str(Path(job.folder, "tmp"))
        os.chdir(job.folder)
        self.database = Database(job.database, job.folder)
        self.guard.turn_to(self.database.entry, Path(tempfile.tempdir))
        with self.setting_up():
            entry = settings.DATABASES["default"]  # which the project may have asked for
            entry.clear()
            entry.update(self.database.entry)
            _forget_connections(settings.DATABASES)

    def _configure(self) -> None:
        """The settings of the project, or none, with no database but ours."""
        from django.conf import settings

        from migfix.verify.worker.standins import Defaults

        entries = {"default": {**self.database.entry}}
        if self.project.settings:
            os.environ["DJANGO_SETTINGS_MODULE"] = self.project.settings
            settings.DATABASES = entries
            settings.DATABASE_ROUTERS = []
            settings.CACHES = dict.fromkeys(settings.CACHES, _IN_MEMORY)
            settings.LOGGING_CONFIG = None  # its handlers write to files, and to other hosts
        else:
            settings.configure(
                Defaults(),
                DATABASES=entries,
                USE_TZ=True,
                DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
                INSTALLED_APPS=[f"django.contrib.{app}" for app in _CONTRIB],
            )
        settings.DEBUG = False
        self.database.provide_driver()
        _forget_connections(entries)

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """Raises CannotRun for what is raised inside."""
        try:
            yield
        except Exception as error:
            named = self.project.settings
            what = f"the settings {named}" if named else "Django"
            text = f"{what} cannot be set up: {type(error).__name__}: {line_of(error)}"
            raise CannotRun(text) from error


def line_of(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _add_to_path(folders: Sequence[str]) -> None:
    """Behind Python's own modules, whatever the project calls its own, and before what is installed.

    Django is there already, so that nothing takes its place.
    """
    import django.db.migrations  # noqa: F401

    installed = (n for n, each in enumerate(sys.path) if each.endswith(_INSTALLED))
    at = next(installed, len(sys.path))
    sys.path[at:at] = folders


def _forget_connections(entries: Mapping[str, Any]) -> None:
    """Those that the settings themselves may have asked for know of the project's databases."""
    from django.db import connections

    for alias in connections:
        with suppress(AttributeError):
            del connections[alias]
    connections._settings = None  # what `settings` is made of, and cached, since Django 3.2
    vars(connections).pop("settings", None)
    if connections["default"].settings_dict["NAME"] != entries["default"]["NAME"]:
        raise ValueError("they keep to databases of their own")
