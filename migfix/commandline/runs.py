"""From the options of a command to what is found in each file."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.commandline.options import Options, UsageError
from migfix.findings import FileOutcome
from migfix.screening import STDIN, outcome_without_a_look, outcomes_without_a_look
from migfix.selection import EVERY, Selection, loop_at
from migfix.settings import grouped_by_settings, settings_for, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from migfix.project.loaded import Loaded
    from migfix.settings import Settings

PROGRESS_AFTER_SECONDS = 1.0
PROGRESS_EVERY_SECONDS = 0.1


def outcomes_for(
    options: Options, *, rewrite: bool, selection: Selection = EVERY, needs_answer: bool = True
) -> list[FileOutcome]:
    """The outcomes ordered by path, each file once; ``selection`` as for the pipeline, ``--only`` is added to it.

    ``needs_answer`` as for ``loaded_for``.
    """
    if options.reads_stdin:
        return [run_source(options.stdin, options, rewrite=rewrite)]
    selection = replace(selection, only=options.chosen)
    overrides = options.overrides()
    paths = [Path(path) for path in options.paths]
    found: dict[str, FileOutcome] = {}
    with Progress(options) as progress:
        for settings, group in grouped_by_settings(
            paths, lambda path: settings_for(path, overrides, options.files)
        ):
            some = replace(selection, files=_changed(group, settings, options))
            loaded = loaded_for(group, settings, options, needs_answer=needs_answer)
            outcomes = outcomes_without_a_look(group, settings, options.files, some)
            if outcomes is None:
                from migfix import pipeline

                outcomes = pipeline.looked_at(
                    group,
                    settings,
                    options.files,
                    rewrite=rewrite,
                    selection=some,
                    loaded=loaded,
                    on_progress=progress,
                )
            for outcome in outcomes:
                found.setdefault(os.path.abspath(outcome.path), outcome)
    _refuse_unknown(options, found)
    together = [*found.values()]
    if any(each.helper for each in together):
        from migfix.rewriting.vendoring import with_helpers

        # Files under other settings may share a helper.
        together = with_helpers(together, options.files, rewrite=rewrite)
    return sorted(together, key=lambda outcome: outcome.path)


def loaded_for(
    paths: Sequence[Path], settings: Settings, options: Options, *, needs_answer: bool = True
) -> Loaded | None:
    """What the project of the paths says by its own settings; None where it is not to be asked.

    It is asked once for a run. Where it cannot be set up, raises ``UsageError``; without ``needs_answer``, says so
    and leaves it at what its source says.
    """
    module = settings.settings
    if module is None:
        return None
    from migfix.commandline.output import complain
    from migfix.project.discovery import project_of, top_folder
    from migfix.verify.loading import Asking, CannotLoad

    projects = {project.root: project for p in paths for project in [project_of(p, options.files)]}
    if len(projects) > 1:
        first, second, *_ = map(shown, projects)
        raise UsageError(f"--settings is of one project, but {first} and {second} are two")
    for root, project in projects.items():
        if (module, root) not in options.loaded:
            folders = [root, *(package.folder for package in project.packages)]
            tops = dict.fromkeys(str(top_folder(folder, options.files)) for folder in folders)
            asking = Asking(
                module,
                root,
                [*tops],
                options.interpreter,
                options.timeout,
                None if options.no_cache else options.cache_folder,
                options.sandbox,
            )
            try:
                options.loaded[module, root] = asking.loaded()
            except CannotLoad as error:
                if needs_answer:
                    raise UsageError(f"{error}. Nothing was written") from None
                complain(f"{error}; it is rewritten as its source alone allows")
                return None
        return options.loaded[module, root]
    return None


def _changed(paths: Sequence[Path], settings: Settings, options: Options) -> frozenset[Path] | None:
    """The files that the paths mean and that differ from the revision of ``--since``; None without one.

    Raises ``UsageError``.
    """
    if options.since is None:
        return None
    from migfix.disk.revisions import GitError, changed_since
    from migfix.project.discovery import discover

    found = discover(paths, options.files, settings.exclude)
    try:
        return frozenset(changed_since(options.since, found.files, options.files))
    except GitError as error:
        raise UsageError(f"--since: {error}") from None


def _refuse_unknown(options: Options, found: Mapping[str, FileOutcome]) -> None:
    """Raises ``UsageError`` where ``--only`` names a line outside of every loop."""
    for path, line in sorted(options.chosen or ()):
        outcome = found.get(str(path))
        loops = outcome.loops if outcome else ()
        if loop_at(line, loops) is None and not (outcome and outcome.error):
            lines = ", ".join(str(loop.line) for loop in loops)
            there = f"; it has loops in lines {lines}" if lines else ""
            raise UsageError(f"--only: {shown(path)}:{line} is in no loop over rows{there}")


def run_source(
    source: bytes, options: Options, *, rewrite: bool, apart: bool = False
) -> FileOutcome:
    path = Path(options.stdin_filename) if options.stdin_filename else None
    settings = settings_for(path or Path(), options.overrides(), options.files)
    selection = Selection(only=options.chosen, apart=apart)
    if settings.settings and path is None:
        raise UsageError("--settings is for files of a project: name this one by --stdin-filename")
    loaded = loaded_for([path] if path else [], settings, options)
    outcome = outcome_without_a_look(path or STDIN, source, settings)
    if outcome is None:
        from migfix import pipeline

        outcome = pipeline.run_source(
            source,
            path,
            settings,
            options.files,
            rewrite=rewrite,
            selection=selection,
            loaded=loaded,
        )
    _refuse_unknown(options, {os.path.abspath(outcome.path): outcome})
    return outcome


class Progress:
    """A counter on standard error, for people who wait at a terminal; silent elsewhere."""

    def __init__(
        self, options: Options, what: str = "files", after: float = PROGRESS_AFTER_SECONDS
    ) -> None:
        self.enabled = sys.stderr.isatty() and not options.quiet
        self.what = what
        self.next_time = time.monotonic() + after
        self.is_shown = False

    def __enter__(self) -> Callable[[int, int], None] | None:
        return self._show if self.enabled else None

    def _show(self, done: int, total: int) -> None:
        if time.monotonic() < self.next_time:
            return
        self.next_time = time.monotonic() + PROGRESS_EVERY_SECONDS
        self.is_shown = True
        print(f"\r{done}/{total} {self.what}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self.is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def looked_at(options: Options, *, each: bool) -> list[FileOutcome]:
    """What check says; with what becomes of each loop alone where a program may want to apply it."""
    if options.reads_stdin:
        return [run_source(options.stdin, options, rewrite=False, apart=each)]
    return outcomes_for(options, rewrite=False, selection=Selection(apart=each))


def refuse_stdin(options: Options, what: str) -> None:
    """Raises ``UsageError``."""
    if options.reads_stdin:
        raise UsageError(f"{what} runs files of a project, not standard input")
