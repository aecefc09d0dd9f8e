"""Writes the page for reviewers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from migfix.commandline.command import command
from migfix.commandline.options import Options, Proving
from migfix.commandline.output import finished, put, say
from migfix.commandline.proving import checked
from migfix.commandline.runs import outcomes_for, refuse_stdin
from migfix.selection import Selection
from migfix.settings import ExitCode, shown

app = typer.Typer()


@app.command()
@command
def review(
    options: Options,
    proving: Proving,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where the page goes.")
    ] = "migfix-review.html",
    verify: Annotated[
        bool, typer.Option("--verify", help="Run each migration in both versions and say so.")
    ] = False,
) -> ExitCode:
    """Write one page of HTML on which to read each rewrite, choose, and take a command or a patch along."""
    refuse_stdin(options, "review")
    if not verify:
        proving.refuse_without_verify()
        options.refuse_unused()
    from migfix.review.page import Review, render

    every = Selection(apart=True, choices=True)
    outcomes = (
        checked(options, proving, every)
        if verify
        else outcomes_for(options, rewrite=True, selection=every)
    )
    given = replace(options, only=None).repeated()
    narrowed = bool(options.only or options.since)
    page = render(Review(outcomes, options.files, Path.cwd(), given, narrowed))
    put(output, page.encode(errors="replace"))
    say(f"{shown(Path(output))}: open it in a browser\n")
    return finished(outcomes, options, wanted=False)
