"""The options of the commands, as Typer reads them."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from migfix.cache import VARIABLE
from migfix.disk.files import Files
from migfix.disk.stamps import CACHE_FOLDER
from migfix.findings import Reason
from migfix.project.discovery import project_of
from migfix.settings import Overrides, all_codes, settings_for

if TYPE_CHECKING:
    import typer  # for those who ask for the types: a plain check does without

    from migfix.project.loaded import Loaded
    from migfix.reports import as_diff
    from migfix.selection import Place


# The panels of -h, by the fields of the groups below; what is in none of them comes first.
PANELS = {
    "Which loops": "only since select ignore unsafe_fixes exclude stdin_filename",
    "What it is run on": "database config batch_size",
    "The project's own Django": "settings python timeout sandbox",
    "Verifying": "verify against database_url allow_shared_account rows seed",
    "Output": "output output_format statistics exit_zero helper no_pager color verbose quiet debug",
    "Speed": "jobs no_cache cache_dir",
}


TIMEOUT = 60.0


class UsageError(Exception):
    """Arguments that do not go together, as one line."""


def completed_codes(incomplete: str) -> list[tuple[str, str]]:
    """For a shell: the codes that a list may go on with, and the names of their codemods."""
    before, comma, last = incomplete.rpartition(",")
    return [
        (f"{before}{comma}{code}", name)
        for code, name in all_codes().items()
        if code.startswith(last.upper())
    ]


def completed_words(incomplete: str) -> list[tuple[str, str]]:
    """The same for what can be explained: codes, and the names of reasons."""
    reasons = [each.value for each in Reason if each.value.startswith(incomplete)]
    return [*completed_codes(incomplete), *((name, "a reason") for name in reasons)]


class Database(str, Enum):
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MARIADB = "mariadb"
    SQLITE = "sqlite"
    ORACLE = "oracle"


class ColorChoice(str, Enum):
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class OutputFormat(str, Enum):
    """Each is a module of ``migfix.reports``, called ``as_`` and this."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"
    JUNIT = "junit"
    RDJSON = "rdjson"
    SARIF = "sarif"


class ProofFormat(str, Enum):
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Options:
    """What every command is told."""

    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Files and folders; - reads standard input."),
    ]
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH:LINE", help="Only the loop whose for stands in this line. Repeatable."
        ),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            metavar="REV", help="Only files that differ from this git revision, or are new."
        ),
    ] = None
    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODES",
            help="Only these codemods: MF101, loop-to-update or a prefix like MF1.",
            autocompletion=completed_codes,
        ),
    ] = None
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODES", help="All codemods but these.", autocompletion=completed_codes
        ),
    ] = None
    unsafe_fixes: Annotated[
        bool | None,
        typer.Option(
            "--unsafe-fixes/--no-unsafe-fixes",
            help="Also rewrite where the database may differ afterwards, as each message says.",
            show_default=False,
        ),
    ] = None
    database: Annotated[
        list[Database] | None,
        typer.Option(
            metavar="NAME",
            help="postgresql, mysql, mariadb, sqlite or oracle, which the project runs on. "
            "Repeatable. [default: detected]",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave these files out. Repeatable.")
    ] = None
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The settings. [default: the nearest pyproject.toml with [tool.migfix]]",
            show_default=False,
        ),
    ] = None
    settings: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE",
            help="Ask the project's own Django, set up by this settings module, for what its source leaves open. "
            "Runs code of the project.",
        ),
    ] = None
    python: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The interpreter that has the project's packages."),
    ] = None
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=1, help="For each process that runs code of the project."
        ),
    ] = TIMEOUT
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox",
            help="Run code of the project without a network, and with nothing to write to but a temporary folder "
            "(Linux, by bubblewrap).",
        ),
    ] = False
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Rows that a rewritten loop writes in one go. [default: 1000]"
        ),
    ] = None
    jobs: Annotated[
        str, typer.Option("--jobs", "-j", metavar="N", help="Processes; 0 or auto decides.")
    ] = "auto"
    stdin_filename: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Where the file on standard input belongs."),
    ] = None
    color: Annotated[ColorChoice, typer.Option(metavar="WHEN", help="auto, always or never.")] = (
        ColorChoice.AUTO
    )
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print what each codemod says of each loop.")
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print rewrites and errors only.")
    ] = False
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither print a report that was kept nor keep one.")
    ] = False
    cache_dir: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            envvar=VARIABLE,
            help=f"Where reports are kept. [default: {CACHE_FOLDER} beside the configuration]",
        ),
    ] = None
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks.")] = False

    @cached_property
    def files(self) -> Files:
        """What the run sees of the disk."""
        return Files()

    @cached_property
    def loaded(self) -> dict[tuple[str, Path], Loaded]:
        """What projects said by their own settings, by settings and project, as far as they were asked."""
        return {}

    @property
    def reads_stdin(self) -> bool:
        return self.paths == ["-"]

    @cached_property
    def stdin(self) -> bytes:
        """The file on standard input."""
        return sys.stdin.buffer.read()

    @cached_property
    def cache_folder(self) -> Path:
        """Where reports are kept: as it is said, else beside the configuration or at the top of the project."""
        if self.cache_dir:
            return Path(self.cache_dir)
        first = self.paths[0] if not self.reads_stdin else self.stdin_filename or "."
        settings = settings_for(Path(first), self.overrides(), self.files)
        if settings.cache:
            return settings.cache
        if settings.config:
            return settings.config.parent / CACHE_FOLDER
        return project_of(Path(first), self.files).root / CACHE_FOLDER

    @cached_property
    def chosen(self) -> frozenset[Place] | None:
        """The loops that ``--only`` names. Raises ``UsageError``."""
        return (
            None if self.only is None else frozenset(place_of(each, "--only") for each in self.only)
        )

    def overrides(self) -> Overrides:
        return Overrides(
            select=_comma_separated(self.select),
            ignore=_comma_separated(self.ignore),
            unsafe_fixes=self.unsafe_fixes,
            databases=tuple(each.value for each in self.database) if self.database else None,
            exclude=tuple(self.exclude) if self.exclude else None,
            batch_size=self.batch_size,
            jobs=number_of_jobs(self.jobs),
            config=Path(self.config) if self.config else None,
            settings=self.settings,
        )

    def repeated(self) -> list[str]:
        """The arguments that decide what is rewritten."""
        lists = {
            "--only": self.only,
            "--select": self.select,
            "--ignore": self.ignore,
            "--database": [each.value for each in self.database or ()],
            "--exclude": self.exclude,
        }
        found = [
            part for name, each in lists.items() for value in each or () for part in (name, value)
        ]
        if self.unsafe_fixes is not None:
            found.append("--unsafe-fixes" if self.unsafe_fixes else "--no-unsafe-fixes")
        if self.config is not None:
            found += ["--config", self.config]
        if self.batch_size is not None:
            found += ["--batch-size", str(self.batch_size)]
        return [*self.paths, *found, *self.of_project()]

    def of_project(self) -> list[str]:
        """The arguments by which its own Django is had."""
        given = {"--settings": self.settings, "--python": self.python}
        flags = ["--sandbox"] if self.sandbox else []
        return flags + [part for name, value in given.items() if value for part in (name, value)]

    @cached_property
    def asks_project(self) -> bool:
        """Is the project's own Django asked, as the command line or a configuration says?"""
        overrides = self.overrides()
        paths = [self.stdin_filename or "."] if self.reads_stdin else self.paths
        return any(settings_for(Path(p), overrides, self.files).settings for p in paths)

    def refuse_unused(self) -> None:
        """Raises ``UsageError`` for what only a process that runs code of the project would heed."""
        used = {
            "--python": self.python is not None,
            "--timeout": self.timeout != TIMEOUT,
            "--sandbox": self.sandbox,
        }
        name = next((name for name, is_used in used.items() if is_used), None)
        if name is not None and not self.asks_project:
            raise UsageError(f"{name} does nothing without --settings or --verify")

    @cached_property
    def interpreter(self) -> str | None:
        """Its place, whatever folder it is started in; a link stays one, as virtual environments are known by it.

        Raises ``UsageError``.
        """
        if self.python is None:
            return None
        import shutil

        found = shutil.which(self.python)
        if found is None:
            raise UsageError(f"--python: there is no program {self.python}")
        return os.path.abspath(found)

    def refuse_contradictions(self) -> None:
        if self.since and self.reads_stdin:
            raise UsageError("--since is for files, not for standard input")
        if "-" in self.paths and not self.reads_stdin:
            raise UsageError("- reads standard input and goes with no other path")
        if self.stdin_filename and not self.reads_stdin:
            raise UsageError("--stdin-filename needs - as the path")
        if self.chosen and self.reads_stdin and not self.stdin_filename:
            raise UsageError("--only needs --stdin-filename beside -")


@dataclass(frozen=True)
class Proving:
    """How the commands that run migrations run them."""

    database_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="postgresql://... or mysql://...: a server on which to create a database for each "
            "run, and to drop it. [default: SQLite]",
        ),
    ] = None
    allow_shared_account: Annotated[
        bool,
        typer.Option(
            "--allow-shared-account",
            help="Run migrations with the account of the URL, not with one that has rights on one database "
            "alone: SQL of a migration may then do what that account may.",
        ),
    ] = False
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Rows for each table.")] = 30
    seed: Annotated[int, typer.Option(metavar="N", help="Where the data begins.")] = 1

    def refuse_without_verify(self) -> None:
        """Raises ``UsageError`` for what only ``--verify`` would heed."""
        for each in fields(self):
            if getattr(self, each.name) != each.default:
                raise UsageError(f"--{each.name.replace('_', '-')} does nothing without --verify")

    def repeated(self) -> list[str]:
        """The arguments that matter for doing it once more."""
        given = {
            "--database-url": self.database_url,
            "--rows": self.rows,
            "--seed": self.seed,
        }
        flags = ["--allow-shared-account"] if self.allow_shared_account else []
        return flags + [
            part
            for name, value in given.items()
            if value is not None
            for part in (name, str(value))
        ]


@dataclass(frozen=True)
class Reporting:
    """What check prints, where, and how it ends."""

    output_format: Annotated[
        OutputFormat | None,
        typer.Option(
            metavar="FORMAT",
            help="text, json, github, gitlab, junit, rdjson or sarif. "
            "[default: text; github in GitHub Actions]",
            show_default=False,
        ),
    ] = None
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where the report goes.")
    ] = None
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Print how many loops there are of each kind.")
    ] = False
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="End with 0 where there is something to rewrite.")
    ] = False
    verify: Annotated[
        bool, typer.Option("--verify", help="Run each migration in both versions and say so.")
    ] = False

    @property
    def format(self) -> OutputFormat:
        in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
        return self.output_format or (OutputFormat.GITHUB if in_actions else OutputFormat.TEXT)


@dataclass(frozen=True)
class Applying:
    """How files are rewritten."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the patch and write nothing, as diff does.")
    ] = False
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Run each migration in both versions and keep what does the same."
        ),
    ] = False
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Show each rewrite and ask.")
    ] = False
    add_ignore: Annotated[
        str | None,
        typer.Option(
            metavar="WHY",
            help="Keep each loop as it is, with a comment above it that says why.",
        ),
    ] = None
    allow_dirty: Annotated[
        bool,
        typer.Option(
            "--allow-dirty", help="Also rewrite files of a folder that git could not bring back."
        ),
    ] = False


@dataclass(frozen=True)
class Showing:
    """How a patch is printed."""

    helper: Annotated[
        bool | None,
        typer.Option(
            "--helper/--no-helper",
            help="The helper that is created, or not. [default: named on a terminal, whole elsewhere]",
            show_default=False,
        ),
    ] = None
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="Print at once, not through $PAGER.")
    ] = False

    def of_helper(self, *, seen: bool) -> as_diff.Helper:
        """``seen`` is a patch by a person, at a terminal."""
        from migfix.reports.as_diff import Helper

        if self.helper is None:
            return Helper.NAMED if seen else Helper.WHOLE
        return Helper.WHOLE if self.helper else Helper.LEFT_OUT


def _comma_separated(values: list[str] | None) -> tuple[str, ...] | None:
    if not values:
        return None
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def number_of_jobs(value: str) -> int:
    if value == "auto":
        return 0
    if not (value.isascii() and value.isdecimal()):
        raise UsageError(f"--jobs: {value!r} is neither a number of processes nor auto")
    return int(value)


def place_of(named: str, said_at: str) -> Place:
    """The absolute path and the line of ``PATH:LINE``, perhaps with ``:COLUMN``. Raises ``UsageError``."""
    found = re.fullmatch(r"(.+?):(\d+)(?::\d+)?:?", named, re.ASCII | re.DOTALL)
    path, line = (found[1], found[2]) if found else ("", "")
    if not path:
        raise UsageError(
            f"{said_at}: {named!r} is not PATH:LINE, like shop/migrations/0007_fill.py:23"
        )
    return Path(os.path.abspath(path)), int(line)
