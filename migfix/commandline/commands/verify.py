"""Runs migrations in both versions and prints what differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migfix.commandline.coming import Coming
from migfix.commandline.command import command
from migfix.commandline.options import Options, ProofFormat, Proving
from migfix.commandline.output import complain, finished, is_colored, say
from migfix.commandline.proving import proving_with
from migfix.commandline.runs import outcomes_for, refuse_stdin
from migfix.findings import FileOutcome, Verdict
from migfix.settings import ExitCode, settings_for

if TYPE_CHECKING:
    from migfix.verify.proofs import Proof


app = typer.Typer()


@app.command()
@command
def verify(
    options: Options,
    proving: Proving,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REV", help="Compare with a git revision, not with what apply would write."
        ),
    ] = None,
    output_format: Annotated[ProofFormat, typer.Option(help="How to print.")] = ProofFormat.TEXT,
) -> ExitCode:
    """Run each migration as it is and as apply would write it, on equal data, and compare the tables.

    The migrations are executed, in processes of their own, on throw-away databases.
    """
    refuse_stdin(options, "verify")
    from migfix.verify import report
    from migfix.verify.against import tasks_against
    from migfix.verify.verifying import tasks_of

    outcomes: list[FileOutcome] = []
    if against is None:
        outcomes = outcomes_for(options, rewrite=True, needs_answer=False)
        tasks, failed = tasks_of(outcomes)
    else:
        paths = [Path(path) for path in options.paths]
        files = options.files
        exclude = settings_for(paths[0], options.overrides(), files).exclude
        tasks, failed = tasks_against(against, paths, exclude, files)
    with Coming(options) as coming, proving_with(proving, options, keeping=True) as prover:
        try:
            proofs = [*prover.proofs(tasks, coming), *failed]
        except KeyboardInterrupt:
            _tell_interrupted(coming, proving, options, output_format)
            raise
    if output_format is ProofFormat.JSON:
        say(report.as_json(proofs))
    else:
        repeated = [*options.of_project(), *proving.repeated()]
        say(report.as_text(proofs, repeated, color=is_colored(options.color)))
    code = finished(outcomes, options, wanted=False)
    return max(code, _exit_code(proofs), key=_SEVERITY.index)


def _tell_interrupted(
    coming: Coming, proving: Proving, options: Options, output_format: ProofFormat
) -> None:
    """Prints what has come until then. A program is told nothing: it may take that for all."""
    from migfix.verify import report

    if coming.proofs and output_format is ProofFormat.TEXT:
        color = is_colored(options.color)
        repeated = [*options.of_project(), *proving.repeated()]
        say(report.as_text(coming.proofs, repeated, color=color))
    if coming.total and not options.no_cache:
        complain(
            f"{len(coming.proofs)} of {coming.total} migrations are verified; the same command goes on from there"
        )


# Data that differs matters more than what did not run.
_SEVERITY = [ExitCode.OK, ExitCode.ERROR, ExitCode.CHANGES]


def _exit_code(proofs: Sequence[Proof]) -> ExitCode:
    verdicts = {verdict for proof in proofs for verdict in proof.verdicts}
    if verdicts & {Verdict.DIFFERENT, Verdict.MORE_QUERIES}:
        return ExitCode.CHANGES
    return ExitCode.ERROR if Verdict.NOT_RUN in verdicts else ExitCode.OK
