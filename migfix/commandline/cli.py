"""The command line: its commands, and the options of migfix itself.

The pipeline and the reports are imported by what needs them, so that ``--help`` starts quickly.
"""

from __future__ import annotations

from typing import Annotated

import typer

from migfix import __version__
from migfix.commandline.command import command
from migfix.commandline.commands import apply, check, explain, review, server, verify

app = typer.Typer(
    help="Rewrites loops over rows in Django data migrations so that they need little memory and "
    "time. Commit first: apply changes files in place.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_checking = typer.Typer()
_checking.command()(command(check.check))  # which does without Typer where it is asked plainly

for each in (apply.app, _checking, verify.app, review.app, explain.app, server.app):
    app.add_typer(each)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"migfix {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Show the version.", is_eager=True, callback=_show_version
        ),
    ] = False,
) -> None:
    """The options of migfix itself."""
