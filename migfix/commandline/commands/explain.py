"""Says what there is to know of a codemod, a reason or one loop."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from migfix.commandline.command import command
from migfix.commandline.options import Options, UsageError, completed_words, place_of
from migfix.commandline.output import say
from migfix.commandline.runs import looked_at
from migfix.findings import FileOutcome
from migfix.selection import loop_at
from migfix.settings import ExitCode, from_here, shown
from migfix.source import Source

app = typer.Typer()


@app.command()
@partial(
    command,
    without="only since exclude stdin_filename color verbose quiet jobs no_cache cache_dir",
    about=Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT",
            help="A code, a name, a reason, or PATH:LINE.",
            autocompletion=completed_words,
        ),
    ],
)
def explain(options: Options) -> ExitCode:
    """Explain a codemod (MF203), a reason (keeps-rows) or all that is known of one loop (PATH:LINE)."""
    options.refuse_unused()
    say("\n".join(_explanation(what, options) for what in options.paths))
    return ExitCode.OK


def _explanation(what: str, options: Options) -> str:
    """Raises ``UsageError`` where there is nothing of this name."""
    from migfix import catalog
    from migfix.reports import as_explained

    for codemod in catalog.load():
        if what.upper().replace("_", "-") in {codemod.code, codemod.name.upper()}:
            return f"{codemod.code} {codemod.name}\n\n{codemod.documentation}\n"
    if (text := as_explained.of_reason(what)) is not None:
        return text
    if ":" not in what:
        raise UsageError(f"{what!r} is no code, no reason and no PATH:LINE")
    path, line = place_of(what, "explain")
    one = replace(options, paths=[from_here(path)])
    found = {os.path.abspath(each.path): each for each in looked_at(one, each=True)}
    outcome = found.get(str(path), FileOutcome(path, error="is no file"))
    if outcome.error is not None:
        raise UsageError(f"{shown(path)}: {outcome.error}")
    loop = loop_at(line, outcome.loops)
    if loop is None:
        raise UsageError(f"{shown(path)}:{line} is in no loop over rows that a RunPython reaches")
    data = options.files.read_if_there(path)
    names = {codemod.code: codemod.name for codemod in catalog.load()}
    return as_explained.render(outcome, loop, Source.of(path, data).plain, names)
