"""The command line: flags to settings, settings to the pipeline, outcomes to a report and exit code.

The pipeline and the reports are imported by what needs them, so that ``--help`` starts quickly.
"""

from __future__ import annotations

import importlib
import inspect
import os
import shlex
import shutil
import signal
import sys
import traceback
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from migfix import __version__
from migfix.cache import Cache
from migfix.commandline.options import (
    PANELS,
    Applying,
    Options,
    OutputFormat,
    ProofFormat,
    Proving,
    Reporting,
    Showing,
    UsageError,
    number_of_jobs,
    place_of,
)
from migfix.commandline.output import complain, complaints, encoded, is_colored, say, traceback_of
from migfix.commandline.runs import Progress, looked_at, outcomes_for, run_source
from migfix.findings import FileOutcome, LoopOutcome, Verdict
from migfix.printing import write
from migfix.selection import Selection, loop_at
from migfix.settings import ExitCode, SettingsError, from_here, settings_for, shown
from migfix.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from migfix.verify.proofs import Proof
    from migfix.verify.verifying import Prover


_GROUPS = (Options, Proving, Applying, Showing, Reporting)


_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names.split()}


def command(
    run: Callable[..., ExitCode], *, without: str = "", about: Any = None
) -> Callable[..., None]:
    """A Typer command from a function of ``Options``, perhaps of other groups of options, and options of its own.

    The fields of these stand in the signature that Typer reads, but those ``without`` which it would do the same;
    ``about`` is the argument, where that is not a path. The one place where errors of a whole run end: a wrong
    setting, an interrupt, a bug of ours.
    """
    hints = get_type_hints(run, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if hint in _GROUPS}
    own = [
        each.replace(annotation=hints[name])
        for name, each in inspect.signature(run).parameters.items()
        if name not in groups
    ]

    @wraps(run)
    def with_options(**values: Any) -> None:
        given = {
            name: group(**{f.name: values.pop(f.name) for f in fields(group) if f.name in values})
            for name, group in groups.items()
        }
        raise typer.Exit(_guarded(given["options"], lambda: run(**given, **values)))

    parameters = [
        each.replace(annotation=shared[each.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for group in groups.values()
        for shared in [get_type_hints(group, include_extras=True)]
        for each in inspect.signature(group).parameters.values()
        if each.name not in without.split()
    ] + own
    if about is not None:
        parameters[0] = parameters[0].replace(annotation=about)
    for each in parameters:
        for told in getattr(each.annotation, "__metadata__", ()):
            told.rich_help_panel = _PANEL_OF.get(each.name)
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def _guarded(options: Options, run: Callable[[], ExitCode]) -> ExitCode:
    try:
        options.refuse_contradictions()
        return run()
    except (SettingsError, UsageError) as error:
        complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:
        if options.debug:
            write(sys.stderr, encoded(traceback_of(traceback.format_exc()), sys.stderr))
        complain(f"internal error: {type(error).__name__}: {error} (--debug shows where)")
    return ExitCode.ERROR


# -- the commands

app = typer.Typer(
    help="Rewrites loops over rows in Django data migrations so that they need little memory and "
    "time. Commit first: apply changes files in place.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        _refuse_stdin(options, "--verify")
    else:
        proving.refuse_without_verify()
    if applying.add_ignore is not None:
        return _add_ignores(options, applying)
    if applying.dry_run and applying.interactive:
        raise UsageError("--interactive asks before it writes, --dry-run writes nothing")
    prove = proving if applying.verify else None
    if applying.dry_run:
        return _print_diff(options, showing, prove)
    if applying.interactive:
        _refuse_stdin(options, "--interactive")
        options = _narrowed(options)
    if options.reads_stdin:
        return _filter_stdin(options)
    end = _apply(options, prove, allow_dirty=applying.allow_dirty)
    if applying.interactive and options.only:
        say(f"To repeat it on files as they were: migfix apply {shlex.join(options.repeated())}\n")
    return end


@app.command()
@command
def diff(options: Options, showing: Showing) -> ExitCode:
    """Print what apply would change, and why, as a patch for git apply or patch -p1."""
    return _print_diff(options, showing)


@app.command()
@command
def check(
    options: Options, proving: Proving, reporting: Reporting, *, context: typer.Context
) -> ExitCode:
    """Print what apply would rewrite, what it would leave alone, and why."""
    if not reporting.verify:
        proving.refuse_without_verify()
    cache: Cache = context.obj or Cache()
    stdin = options.stdin if options.reads_stdin else None
    if stdin is not None and (code := cache.printed(stdin)) is not None:
        return ExitCode(code)
    if cache.is_on:
        cache.prepare(str(options.cache_folder))
        options.files.leave_out(options.cache_folder)
    outcomes = (
        _checked(options, proving, Selection(apart=reporting.format in _FIXING))
        if reporting.verify
        else looked_at(options, each=reporting.format in _FIXING)
    )
    text = _rendered(outcomes, options, reporting)
    if reporting.format is OutputFormat.GITHUB:
        _add_to_summary(outcomes)
    failed = complaints(outcomes, options)
    report = (encoded(text, sys.stdout), encoded(failed, sys.stderr))
    _put(reporting.output, report[0])
    write(sys.stderr, report[1])
    end = _end(outcomes, wanted=not reporting.exit_zero)
    # A bug, or a stack that was too small, is worth another look.
    if cache.is_on and not any(outcome.traceback for outcome in outcomes):
        cache.keep(str(options.cache_folder), options.files.seen(), (*report, end), stdin)
    return end


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
    _refuse_stdin(options, "verify")
    from migfix.verify import report
    from migfix.verify.against import tasks_against
    from migfix.verify.verifying import tasks_of

    outcomes: list[FileOutcome] = []
    if against is None:
        outcomes = outcomes_for(options, rewrite=True)
        tasks, failed = tasks_of(outcomes)
    else:
        paths = [Path(path) for path in options.paths]
        files = options.files
        exclude = settings_for(paths[0], options.overrides(), files).exclude
        tasks, failed = tasks_against(against, paths, exclude, files)
    with (
        Progress(options, "migrations", after=0.0) as progress,
        _proving(proving, options) as prover,
    ):
        proofs = [*prover.proofs(tasks, progress), *failed]
    if output_format is ProofFormat.JSON:
        say(report.as_json(proofs))
    else:
        repeated = proving.repeated()
        say(report.as_text(proofs, repeated, color=is_colored(options.color)))
    code = _finish(outcomes, options, wanted=False)
    return max(code, _exit_code(proofs), key=_SEVERITY.index)


# Data that differs matters more than what did not run.
_SEVERITY = [ExitCode.OK, ExitCode.ERROR, ExitCode.CHANGES]


def _exit_code(proofs: Sequence[Proof]) -> ExitCode:
    verdicts = {verdict for proof in proofs for verdict in proof.verdicts}
    if verdicts & {Verdict.DIFFERENT, Verdict.MORE_QUERIES}:
        return ExitCode.CHANGES
    return ExitCode.ERROR if Verdict.NOT_RUN in verdicts else ExitCode.OK


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
    _refuse_stdin(options, "review")
    if not verify:
        proving.refuse_without_verify()
    from migfix.review.page import Review, render

    every = Selection(apart=True, choices=True)
    outcomes = (
        _checked(options, proving, every)
        if verify
        else outcomes_for(options, rewrite=True, selection=every)
    )
    given = replace(options, only=None).repeated()
    narrowed = bool(options.only or options.since)
    page = render(Review(outcomes, options.files, Path.cwd(), given, narrowed))
    _put(output, page.encode(errors="replace"))
    say(f"{shown(Path(output))}: open it in a browser\n")
    return _finish(outcomes, options, wanted=False)


@app.command()
@partial(
    command,
    without="only since exclude stdin_filename color verbose quiet jobs no_cache cache_dir",
    about=Annotated[
        list[str], typer.Argument(metavar="WHAT", help="A code, a name, a reason, or PATH:LINE.")
    ],
)
def explain(options: Options) -> ExitCode:
    """Explain a codemod (MF203), a reason (keeps-rows) or all that is known of one loop (PATH:LINE)."""
    say("\n".join(_explanation(what, options) for what in options.paths))
    return ExitCode.OK


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


@contextmanager
def _proving(proving: Proving, options: Options) -> Iterator[Prover]:
    """What runs migrations. A request to end the program ends what it runs, too."""
    from migfix.verify.jobs import Setting
    from migfix.verify.processes import Processes
    from migfix.verify.servers import entry_of
    from migfix.verify.verifying import Prover

    def end(*_: object) -> None:
        for number in _ENDINGS:  # once: what has begun to clean up is not to be interrupted
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    python = _interpreter(proving.python)
    processes = Processes(python, proving.timeout, with_environment=bool(proving.settings))
    usual = {number: signal.signal(number, end) for number in _ENDINGS}
    try:
        yield Prover(
            processes,
            entry_of(proving.database_url),
            Setting(proving.seed, proving.rows, proving.settings),
            parallel=number_of_jobs(options.jobs) or os.cpu_count() or 1,
            shared=proving.allow_shared_account,
        )
    finally:
        for each in processes.left:
            complain(f"the database {each} could not be dropped; a run after an hour tries again")
        for number, handler in usual.items():
            signal.signal(number, handler)


_ENDINGS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
)


def _interpreter(name: str | None) -> str | None:
    """Its place, whatever folder it is started in; a link stays one, as virtual environments are known by it."""
    if name is None:
        return None
    found = shutil.which(name)
    if found is None:
        raise UsageError(f"--python: there is no program {name}")
    return os.path.abspath(found)


def _refuse_stdin(options: Options, what: str) -> None:
    if options.reads_stdin:
        raise UsageError(f"{what} runs files of a project, not standard input")


def _checked(options: Options, proving: Proving, selection: Selection) -> list[FileOutcome]:
    """What check says, with what was seen of each rewrite."""
    from migfix.verify.keeping import with_verdicts
    from migfix.verify.verifying import tasks_of

    outcomes = outcomes_for(options, rewrite=True, selection=selection)
    tasks, failed = tasks_of(outcomes)
    with (
        Progress(options, "migrations", after=0.0) as progress,
        _proving(proving, options) as prover,
    ):
        return with_verdicts(outcomes, [*prover.proofs(tasks, progress), *failed])


def _verified(options: Options, proving: Proving) -> list[FileOutcome]:
    """What apply writes of what was seen to do the same. Prints what was not."""
    from migfix.verify import report
    from migfix.verify.keeping import kept

    outcomes = outcomes_for(options, rewrite=True)
    with (
        Progress(options, "migrations", after=0.0) as progress,
        _proving(proving, options) as prover,
    ):
        found = kept(
            outcomes,
            lambda dropped: outcomes_for(options, rewrite=True, selection=Selection(dropped)),
            prover,
            progress,
        )
    if found.different:
        text = report.as_text(found.different, proving.repeated(), color=is_colored(options.color))
        write(sys.stderr, encoded(text, sys.stderr))
    return found.outcomes


def _apply(options: Options, proving: Proving | None, *, allow_dirty: bool) -> ExitCode:
    found = _verified(options, proving) if proving else outcomes_for(options, rewrite=True)
    if not allow_dirty:
        _refuse_unsaved(found, options)
    outcomes = [_written(outcome) for outcome in found]
    say(_text(outcomes, options, applied=True))
    return _finish(outcomes, options, wanted=False)


def _add_ignores(options: Options, applying: Applying) -> ExitCode:
    """Raises ``UsageError`` for what goes with rewriting alone."""
    from migfix.commandline.ignoring import with_comments
    from migfix.reports.told import count

    _refuse_stdin(options, "--add-ignore")
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
    return _finish(outcomes, options, wanted=False)


def _narrowed(options: Options) -> Options:
    """The same options with the loops that the user chooses of those that they mean."""
    from migfix.commandline.choosing import chosen
    from migfix.reports import as_diff

    def show(outcome: FileOutcome, loop: LoopOutcome) -> None:
        alone = outcome.alone(loop)
        assert alone is not None
        one = replace(outcome, loops=(loop,), edits=(alone.edit,), assumed=None)
        say(as_diff.render([one], options.files, root=Path.cwd(), color=is_colored(options.color)))

    def ask(number: int, total: int) -> str:
        write(sys.stdout, f"[{number}/{total}] Rewrite this loop [y,n,f,c,q,?]? ".encode())
        answer = sys.stdin.readline()
        if not answer:
            raise EOFError
        return answer

    found = sorted(chosen(looked_at(options, each=True), show, ask, say))
    places = [f"{from_here(path)}:{line}" for path, line in found]
    return replace(options, only=places)


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
    from migfix.disk.writing import WriteError, write

    try:
        write(outcome.edits)
    except WriteError as error:
        place = "" if error.path == outcome.path else f"{shown(error.path)}: "
        return replace(outcome, error=place + error.reason, edits=())
    return outcome


def _print_diff(options: Options, showing: Showing, proving: Proving | None = None) -> ExitCode:
    from migfix.commandline.paging import page
    from migfix.reports import as_diff

    outcomes = _verified(options, proving) if proving else outcomes_for(options, rewrite=True)
    here = Path.cwd()
    files = options.files
    patch = as_diff.render(
        outcomes,
        files,
        root=here,
        color=is_colored(options.color),
        helper=showing.of_helper(),
    )
    if showing.no_pager or not page(patch):
        say(patch)
    if outside := as_diff.outside(outcomes, files, root=here):
        more = f" (as are {len(outside) - 1} more)" if len(outside) > 1 else ""
        complain(
            f"{shown(outside[0])}: is outside of the working folder{more}, so git apply refuses it here"
        )
    return _finish(outcomes, options, wanted=True)


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
    return _finish([outcome], options, wanted=False)


# -- printing

# Formats that say how to rewrite each loop by itself.
_FIXING = frozenset({OutputFormat.JSON, OutputFormat.RDJSON, OutputFormat.SARIF})


def _rendered(outcomes: list[FileOutcome], options: Options, reporting: Reporting) -> str:
    if reporting.statistics:
        from migfix.reports.statistics import table

        return table(outcomes)
    if reporting.format is OutputFormat.TEXT:
        return _text(outcomes, options, applied=False)
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


def _put(path: str | None, text: bytes) -> None:
    """To a file, or to standard output. Raises ``UsageError`` where it cannot be written."""
    if path is None:
        write(sys.stdout, text)
        return
    from migfix.disk.writing import WriteError, put

    try:
        put(Path(path), text)
    except WriteError as error:
        raise UsageError(f"{shown(error.path)}: {error.reason}") from None


def _add_to_summary(outcomes: list[FileOutcome]) -> None:
    """The table for the page of a job of GitHub Actions, where it runs in one."""
    from migfix.disk.writing import append
    from migfix.reports.as_github import table

    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        append(Path(path), table(outcomes).encode(errors="replace"))


def _text(outcomes: list[FileOutcome], options: Options, *, applied: bool) -> str:
    from migfix.reports import as_text

    color = is_colored(options.color)
    return as_text.render(
        outcomes, applied=applied, quiet=options.quiet, verbose=options.verbose, color=color
    )


def _finish(outcomes: list[FileOutcome], options: Options, *, wanted: bool) -> ExitCode:
    """Prints the errors; the exit code, with 1 for changes where they are only ``wanted``."""
    write(sys.stderr, encoded(complaints(outcomes, options), sys.stderr))
    return _end(outcomes, wanted=wanted)


def _end(outcomes: list[FileOutcome], *, wanted: bool) -> ExitCode:
    if any(outcome.error is not None for outcome in outcomes):
        return ExitCode.ERROR
    changed = any(outcome.changed or outcome.helper for outcome in outcomes)
    return ExitCode.CHANGES if wanted and changed else ExitCode.OK
