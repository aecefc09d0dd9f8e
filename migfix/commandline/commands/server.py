"""Serves an editor."""

from __future__ import annotations

from typing import Annotated

import typer

from migfix.commandline.output import complain
from migfix.settings import ExitCode

app = typer.Typer()


@app.command()
def server(
    stdio: Annotated[
        bool, typer.Option("--stdio", help="As editors say it; there is no other way.")
    ] = True,
) -> None:
    """Serve an editor with findings and rewrites: the Language Server Protocol on standard input and output."""
    try:
        from migfix.server.app import start
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"pygls", "lsprotocol", "attrs", "cattrs"}:
            raise
        complain('the server needs pygls 2 and lsprotocol: pip install "migfix[server]"')
        raise typer.Exit(ExitCode.ERROR) from None
    start()
