"""Rewrites files in place, or prints what would become of them."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from migfix.commandline.command import command
from migfix.commandline.options import Applying, Options, Proving, Showing, UsageError
from migfix.commandline.output import complain, finished, is_colored, put, say, text_of
from migfix.commandline.proving import sql_of, verified
from migfix.commandline.runs import looked_at, outcomes_for, refuse_stdin, run_source
from migfix.findings import FileOutcome, LoopOutcome
from migfix.printing import write
from migfix.settings import ExitCode, from_here, shown

app = typer.Typer()


@app.command()
@command
def apply(
    options: Options,
    proving: Proving,
    showing: Showing,
    applying: Applying,
) -> ExitCode:
    """Rewrite the migrations in place.

    With - as the path, the rewritten file goes to standard output.
    """
    if applying.verify:
        refuse_stdin(options, "--verify")
    elif not applying.interactive:  # which may run migrations when it is asked for the SQL
        proving.refuse_without_verify()
        options.refuse_unused()
    if applying.add_ignore is not None:
        return _add_ignores(options, applying)
    if applying.dry_run and applying.interactive:
        raise UsageError("--interactive asks before it writes, --dry-run writes nothing")
    prove = proving if applying.verify else None
    if applying.dry_run:
        return _print_diff(options, showing, prove)
    if applying.interactive:
        refuse_stdin(options, "--interactive")
        options = _narrowed(options, proving)
    if options.reads_stdin:
        return _filter_stdin(options)
    end = _apply(options, prove, allow_dirty=applying.allow_dirty)
    if applying.interactive and options.only:
        say(f"To repeat it on files as they were: migfix apply {shlex.join(options.repeated())}\n")
    return end


@app.command()
@command
def diff(
    options: Options,
    showing: Showing,
    *,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where the patch goes.")
    ] = None,
) -> ExitCode:
    """Print what apply would change, and why, as a patch for git apply or patch -p1."""
    options.refuse_unused()
    return _print_diff(options, showing, output=output)


def _apply(options: Options, proving: Proving | None, *, allow_dirty: bool) -> ExitCode:
    found = verified(options, proving) if proving else outcomes_for(options, rewrite=True)
    if not allow_dirty:
        _refuse_unsaved(found, options)
    outcomes = [_written(outcome) for outcome in found]
    say(text_of(outcomes, options, applied=True))
    return finished(outcomes, options, wanted=False)


def _refuse_unsaved(outcomes: list[FileOutcome], options: Options) -> None:
    """Raises ``UsageError`` where a folder is given and a file in it would change that git could not bring back.

    A file that is named is meant.
    """
    from migfix.disk.revisions import GitError, unsaved

    named = {os.path.abspath(path) for path in options.paths}
    changing = [o.path for o in outcomes if o.changed and os.path.abspath(o.path) not in named]
    try:
        found = unsaved(changing, options.files)
    except GitError as error:
        raise UsageError(
            f"git cannot tell what is committed ({error}); say --allow-dirty. Nothing was written"
        ) from None
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise UsageError(
            f"{shown(found[0])}{more}: not committed as it is, so git could not bring it back; "
            "commit first, name the file itself, or say --allow-dirty. Nothing was written"
        )


def _written(outcome: FileOutcome) -> FileOutcome:
    from migfix.disk import writing

    try:
        writing.write(outcome.edits)
    except writing.WriteError as error:
        place = "" if error.path == outcome.path else f"{shown(error.path)}: "
        return replace(outcome, error=place + error.reason, edits=())
    return outcome


def _print_diff(
    options: Options,
    showing: Showing,
    proving: Proving | None = None,
    *,
    output: str | None = None,
) -> ExitCode:
    from migfix.commandline.paging import page
    from migfix.reports import as_diff

    outcomes = verified(options, proving) if proving else outcomes_for(options, rewrite=True)
    here = Path.cwd()
    files = options.files
    patch = as_diff.render(
        outcomes,
        files,
        root=here,
        color=output is None and is_colored(options.color),
        helper=showing.of_helper(seen=output is None and sys.stdout.isatty()),
    )
    if output is not None:
        put(output, patch)
    elif showing.no_pager or not page(patch):
        say(patch)
    if outside := as_diff.outside(outcomes, files, root=here):
        more = f" (as are {len(outside) - 1} more)" if len(outside) > 1 else ""
        complain(
            f"{shown(outside[0])}: is outside of the working folder{more}, so git apply refuses it here"
        )
    return finished(outcomes, options, wanted=True)


def _filter_stdin(options: Options) -> ExitCode:
    source = options.stdin
    outcome = run_source(source, options, rewrite=True)
    say(next((each.after for each in outcome.edits if each.path == outcome.path), source))
    if outcome.helper is not None:
        lacks = "is not there" if outcome.helper.before is None else "does not hold all of it yet"
        path = shown(outcome.path) if options.stdin_filename else "on the file itself"
        complain(
            f"the result needs {shown(outcome.helper.path)}, which {lacks}; "
            f"migfix apply {path} writes it"
        )
    return finished([outcome], options, wanted=False)


def _add_ignores(options: Options, applying: Applying) -> ExitCode:
    """Raises ``UsageError`` for what goes with rewriting alone."""
    from migfix.commandline.ignoring import with_comments
    from migfix.reports.told import count

    refuse_stdin(options, "--add-ignore")
    if applying.verify or applying.dry_run or applying.interactive:
        raise UsageError("--add-ignore rewrites no loop: leave out --verify, --dry-run and -i")
    reason = (applying.add_ignore or "").strip()
    if not reason.isprintable():
        raise UsageError("--add-ignore: say why in one line")
    found = outcomes_for(options, rewrite=False)
    if not applying.allow_dirty:
        _refuse_unsaved(found, options)

    def kept_as_it_is(outcome: FileOutcome) -> FileOutcome:
        one = replace(options, only=None, stdin_filename=str(outcome.path))
        data = options.files.read_if_there(outcome.path)
        try:
            edit = with_comments(
                outcome, data, reason, lambda text: run_source(text, one, rewrite=False)
            )
        except UnicodeEncodeError:
            return replace(outcome, error="its encoding has no letters for what --add-ignore says")
        return _written(replace(outcome, edits=(edit,)))

    outcomes = [kept_as_it_is(each) if each.changed else each for each in found]
    kept = [each for each in outcomes if each.edits]
    loops = sum(loop.changed for each in kept for loop in each.loops)
    say(f"Kept {count(loops, 'loop')} in {count(len(kept), 'file')} as they are, by comments.\n")
    return finished(outcomes, options, wanted=False)


def _narrowed(options: Options, proving: Proving) -> Options:
    """The same options with the loops that the user chooses of those that they mean."""
    from migfix.commandline.choosing import chosen
    from migfix.reports import as_diff

    def show(outcome: FileOutcome, loop: LoopOutcome) -> None:
        alone = outcome.alone(loop)
        assert alone is not None
        one = replace(outcome, loops=(loop,), edits=(alone.edit,), assumed=None)
        say(as_diff.render([one], options.files, root=Path.cwd(), color=is_colored(options.color)))

    def ask(number: int, total: int) -> str:
        write(sys.stdout, f"[{number}/{total}] Rewrite this loop [y,n,f,c,s,q,?]? ".encode())
        answer = sys.stdin.readline()
        if not answer:
            raise EOFError
        return answer

    def sql(outcome: FileOutcome, loop: LoopOutcome) -> str:
        return sql_of(outcome, loop, options, proving)

    found = sorted(chosen(looked_at(options, each=True), show, ask, say, sql))
    places = [f"{from_here(path)}:{line}" for path, line in found]
    return replace(options, only=places)
