"""Prints what is found, in the format that is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.cache import Cache, prepare
from migfix.commandline.alone import remember, remembered
from migfix.commandline.options import Options, OutputFormat, Proving, Reporting
from migfix.commandline.output import complaints, encoded, exit_code, put, text_of
from migfix.commandline.runs import looked_at
from migfix.findings import FileOutcome
from migfix.printing import write
from migfix.selection import Selection
from migfix.settings import ExitCode

if TYPE_CHECKING:
    import typer


def check(
    options: Options, proving: Proving, reporting: Reporting, *, context: typer.Context
) -> ExitCode:
    """Print what apply would rewrite, what it would leave alone, and why."""
    return checked(options, proving, reporting, context.obj or Cache())


def checked(options: Options, proving: Proving, reporting: Reporting, cache: Cache) -> ExitCode:
    """The same, with or without Typer. Raises ``UsageError``."""
    if not reporting.verify:
        proving.refuse_without_verify()
        options.refuse_unused()
    stdin = options.stdin if options.reads_stdin else None
    if stdin is not None and (code := cache.printed(stdin)) is not None:
        return ExitCode(code)
    keeping = cache.is_on and not options.asks_project  # which keeps its own answer
    if keeping:
        prepare(str(options.cache_folder))
        options.files.leave_out(options.cache_folder)
    apart = reporting.format in _FIXING
    known = None if options.asks_project else remembered(options, cache, apart=apart)
    if reporting.verify:
        outcomes = _verified(options, proving, reporting)
    else:
        outcomes = known or looked_at(options, each=apart)
    text = _rendered(outcomes, options, reporting)
    if reporting.format is OutputFormat.GITHUB:
        _add_to_summary(outcomes)
    failed = complaints(outcomes, options)
    report = (encoded(text, sys.stdout), encoded(failed, sys.stderr))
    put(reporting.output, report[0])
    write(sys.stderr, report[1])
    end = exit_code(outcomes, wanted=not reporting.exit_zero)
    # A bug, or a stack that was too small, is worth another look.
    if keeping and known is None and not any(outcome.traceback for outcome in outcomes):
        seen = options.files.seen()
        cache.keep(str(options.cache_folder), seen, (*report, end), stdin)
        remember(options, cache, outcomes, seen, apart=apart)
    return end


def _verified(options: Options, proving: Proving, reporting: Reporting) -> list[FileOutcome]:
    from migfix.commandline import proving as running

    return running.checked(options, proving, Selection(apart=reporting.format in _FIXING))


# Formats that say how to rewrite each loop by itself.
_FIXING = frozenset({OutputFormat.JSON, OutputFormat.RDJSON, OutputFormat.SARIF})


def _rendered(outcomes: list[FileOutcome], options: Options, reporting: Reporting) -> str:
    if reporting.statistics:
        from migfix.reports.statistics import table

        return table(outcomes)
    if reporting.format is OutputFormat.TEXT:
        return text_of(outcomes, options, applied=False)
    report = importlib.import_module(f"migfix.reports.as_{reporting.format.value}")
    return str(report.render(_from_top(outcomes, reporting.format)))


# Where the platform that reads a format thinks that paths begin.
_TOPS = {
    OutputFormat.GITHUB: "GITHUB_WORKSPACE",
    OutputFormat.SARIF: "GITHUB_WORKSPACE",
    OutputFormat.GITLAB: "CI_PROJECT_DIR",
}


def _from_top(outcomes: list[FileOutcome], output_format: OutputFormat) -> list[FileOutcome]:
    """The outcomes with paths as the platform writes them, where the run is in a folder of its checkout."""
    top = os.environ.get(_TOPS.get(output_format, ""), "")
    if not top:
        return outcomes
    paths = [os.path.relpath(each.path, top) for each in outcomes]
    return [
        each if path.startswith(os.pardir) else replace(each, path=Path(path))
        for each, path in zip(outcomes, paths, strict=True)
    ]


def _add_to_summary(outcomes: list[FileOutcome]) -> None:
    """The table for the page of a job of GitHub Actions, where it runs in one."""
    from migfix.disk.writing import append
    from migfix.reports.as_github import table

    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        append(Path(path), table(outcomes).encode(errors="replace"))
