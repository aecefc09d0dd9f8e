"""Runs migrations in both versions for the commands that take what is seen into account."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from migfix.commandline.coming import Coming, Notes
from migfix.commandline.options import Options, Proving, number_of_jobs
from migfix.commandline.output import complain, encoded, is_colored
from migfix.commandline.runs import outcomes_for
from migfix.findings import FileOutcome, LoopOutcome
from migfix.printing import write
from migfix.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migfix.verify.verifying import Prover


def checked(options: Options, proving: Proving, selection: Selection) -> list[FileOutcome]:
    """What check says, with what was seen of each rewrite."""
    from migfix.verify.keeping import with_verdicts
    from migfix.verify.verifying import tasks_of

    outcomes = outcomes_for(options, rewrite=True, selection=selection)
    tasks, failed = tasks_of(outcomes)
    with Coming(options) as coming, proving_with(proving, options, keeping=True) as prover:
        return with_verdicts(outcomes, [*prover.proofs(tasks, coming), *failed])


def verified(options: Options, proving: Proving) -> list[FileOutcome]:
    """What apply writes of what was seen to do the same. Prints what was not."""
    from migfix.verify import report
    from migfix.verify.keeping import kept

    outcomes = outcomes_for(options, rewrite=True)
    with Coming(options) as coming, proving_with(proving, options, keeping=True) as prover:
        found = kept(
            outcomes,
            lambda dropped: outcomes_for(options, rewrite=True, selection=Selection(dropped)),
            prover,
            coming,
        )
    if found.different:
        repeated = [*options.of_project(), *proving.repeated()]
        text = report.as_text(found.different, repeated, color=is_colored(options.color))
        write(sys.stderr, encoded(text, sys.stderr))
    return found.outcomes


def sql_of(outcome: FileOutcome, loop: LoopOutcome, options: Options, proving: Proving) -> str:
    """What the loop sends as it is and where it alone is rewritten, as lines of text; or why that is not known.

    The outcome is one that tells of each loop by itself.
    """
    from migfix.reports import statements
    from migfix.reports.told import seen
    from migfix.rewriting.vendoring import edit_of
    from migfix.verify.keeping import with_verdicts
    from migfix.verify.verifying import tasks_of

    alone = outcome.alone(loop)
    assert alone is not None
    helper = (edit_of(outcome.helper, options.files),) if outcome.helper else ()
    one = replace(outcome, loops=(loop,), edits=(*helper, alone.edit))
    tasks, failed = tasks_of([one])
    with proving_with(proving, options) as prover:
        (found,) = with_verdicts([one], [*prover.proofs(tasks), *failed])
    (verified,) = (each.verified for each in found.loops)
    if verified is None or verified.sql is None:
        return f"No SQL: {seen(verified)}\n" if verified else "No SQL\n"
    return f"{statements.as_text(verified.sql)}{seen(verified)}\n"


@contextmanager
def proving_with(proving: Proving, options: Options, *, keeping: bool = False) -> Iterator[Prover]:
    """What runs migrations. A request to end the program ends what it runs, too.

    ``keeping``: what has come until then is kept for the next run.
    """
    from migfix.verify.jobs import Setting
    from migfix.verify.processes import Processes
    from migfix.verify.sandbox import sandbox
    from migfix.verify.servers import entry_of
    from migfix.verify.verifying import Prover

    def end(*_: object) -> None:
        for number in _ENDINGS:  # once: what has begun to clean up is not to be interrupted
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    python = options.interpreter
    processes = Processes(python, options.timeout, with_environment=bool(options.settings))
    notes = Notes(options, proving, python)
    entry = entry_of(proving.database_url)
    stack = ExitStack()
    if options.sandbox:
        processes.sandbox = stack.enter_context(sandbox(entry))
    usual = {number: signal.signal(number, end) for number in _ENDINGS}
    try:
        yield Prover(
            processes,
            entry,
            Setting(proving.seed, proving.rows, options.settings),
            parallel=number_of_jobs(options.jobs) or os.cpu_count() or 1,
            shared=proving.allow_shared_account,
            notes=notes if keeping else None,
        )
        notes.forget()
    finally:
        for each in processes.left:
            complain(f"the database {each} could not be dropped; a run after an hour tries again")
        for number, handler in usual.items():
            signal.signal(number, handler)
        stack.close()


_ENDINGS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
)
