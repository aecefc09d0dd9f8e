"""How one loop is told in lines of text, and which databases a run took for granted."""

from __future__ import annotations

from collections import Counter
from textwrap import wrap
from typing import TYPE_CHECKING

from migfix.findings import (
    Applicability,
    Assumed,
    FileOutcome,
    Gain,
    LoopOutcome,
    Reason,
    Verdict,
    Verified,
)
from migfix.quoting import quoted
from migfix.settings import ONE, all_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WIDTH = 100  # columns of what is said, but for the place at which a line begins
_FIRST = 90  # columns of what the first line of a loop says besides place and codes
_NAMES = {
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "sqlite": "SQLite",
    "oracle": "Oracle",
}


def first_line(loop: LoopOutcome) -> str:
    """What was done, or what blocked it."""
    return _split(loop)[0]


def further_lines(
    loop: LoopOutcome, *, verbose: bool = False, with_gains: bool = False
) -> list[str]:
    """The rest: doubts, what ``--unsafe-fixes`` would do, what ``verify`` saw; ``with_gains`` what it gains, with
    ``verbose`` also what each codemod says of the loop.
    """
    texts = [*_split(loop)[1], *(f"look at this: {fault}" for fault in loop.faults)]
    if loop.gains and (with_gains or verbose):
        texts.append(gains(loop))
    if loop.offer:
        texts.append(f"--unsafe-fixes: {loop.offer}")
    if loop.verified:
        texts.append(seen(loop.verified))
    if verbose:
        texts += [
            f"{answer.code} {'yes' if answer.applied else 'no'}: {answer.reason}"
            for answer in loop.answers
        ]
    return [line for text in texts for line in wrapped(text, "    ")]


def _split(loop: LoopOutcome) -> tuple[str, list[str]]:
    """As many clauses of the reason as the first line holds, or as much of the first; and what is left."""
    first, *others = " ".join(loop.reason.split()).split("; ")
    while others and len(first) + len(others[0]) < _FIRST:
        first = f"{first}; {others.pop(0)}"
    unsafe = "[unsafe] " if loop.applicability is Applicability.UNSAFE else ""
    blocked = f" ({loop.blocked_by})" if loop.blocked_by and not loop.changed else ""
    line, *rest = _filled(f"{unsafe}{first}{blocked}")
    return quoted(line), [" ".join(rest), *others] if rest else others


def wrapped(text: str, indent: str = "") -> list[str]:
    """Its lines, the first of them indented, the others two columns more; none wider than ``WIDTH`` unless a word is."""
    return [quoted(line) for line in _filled(text, indent, f"{indent}  ")]


def _filled(text: str, first: str = "", further: str = "") -> list[str]:
    return wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def gains(loop: LoopOutcome) -> str:
    """``queries: for each row -> 1; rows held: all -> none``"""
    return "; ".join(map(str, loop.gains))


_SHORT = {
    "rows held": "rows",
    "columns loaded": "columns",
    "queries that save": "saves",
    "queries that update": "updates",
    "queries that insert": "inserts",
    "round trips that add": "adds",
    "for each row": "per row",
    "for each batch": "per batch",
}


def in_short(gain: Gain) -> str:
    """``queries per row -> 1``, for a place that holds little"""
    what, before, after = (_SHORT.get(each, each) for each in (gain.what, gain.before, gain.after))
    return f"{what} {before} -> {after}"


def seen(verified: Verified) -> str:
    """What came out of running both versions."""
    if verified.verdict is not Verdict.EQUAL or not verified.before or not verified.after:
        return f"verify: {verified.verdict.value.replace('-', ' ')}: {verified.reason}"
    return f"verified equal: {verified.before.queries} -> {verified.after.queries} queries"


def summary(outcomes: Sequence[FileOutcome], *, applied: bool) -> Iterator[str]:
    """The totals, what is created, which databases were taken for granted, and where ``DEBUG`` costs memory."""
    sound = [outcome for outcome in outcomes if outcome.error is None]
    loops = [loop for outcome in sound for loop in outcome.loops]
    changed = sum(loop.changed for loop in loops)
    files = sum(outcome.changed for outcome in sound)
    offers = sum(loop.offer is not None for loop in loops)
    failed = len(outcomes) - len(sound)
    if changed:
        done = "Rewrote" if applied else "Can rewrite"
        then = "" if applied else "; run migfix apply"
        yield f"{done} {count(changed, 'loop')} in {count(files, 'file')}{then}."
    else:
        yield f"Nothing to rewrite in {count(len(sound), 'file')}."
    yield from helpers(sound, applied=applied)
    if left := [loop for loop in loops if not loop.changed and quiet_reason(loop) is None]:
        yield f"Left {count(len(left), 'loop')} alone{_reasons(left)}."
    for why, number in Counter(filter(None, map(quiet_reason, loops))).items():
        yield f"{count(number, 'loop')} {why.format('s' if number == 1 else '')} (-v tells which)."
    if offers:
        yield f"{offers} more with --unsafe-fixes."
    if failed:
        yield f"{count(failed, 'file')} failed, see the errors."
    if loops:
        yield from databases(sound)
    if not applied:
        yield from _logged(sound)


def summed_up(outcomes: Sequence[FileOutcome]) -> Iterator[str]:
    """A line for the rewrites of several files: how many of each kind, and how many may leave something else."""
    files = [outcome for outcome in outcomes if outcome.changed]
    loops = [loop for outcome in files for loop in outcome.loops if loop.changed]
    if len(files) < 2:
        return
    codes = Counter(code for loop in loops for code in loop.codes)
    names = all_codes()
    kinds = ", ".join(f"{number} {code} {names[code]}" for code, number in codes.most_common())
    unsafe = sum(loop.applicability is Applicability.UNSAFE for loop in loops)
    risk = f"; {unsafe} unsafe, whose files come first" if unsafe else ""
    yield f"{count(len(loops), 'loop')} in {count(len(files), 'file')}: {kinds}{risk}."


def quiet_reason(loop: LoopOutcome) -> str | None:
    """Why a loop that is left is only counted; None for one whose reason people want to know."""
    if loop.changed:
        return None
    if loop.blocked_by == Reason.SUPPRESSED.value:
        return "stay{} as comments say"
    if loop.blocked_by == Reason.NOT_CHOSEN.value:
        return "stay{} as nobody chose otherwise"
    return "stream{} already" if loop.already_streams else None


def _logged(outcomes: Iterable[FileOutcome]) -> Iterator[str]:
    """Once for each project: its DEBUG, and the loops that it makes expensive."""
    found = Counter({o.debug_setting: 0 for o in outcomes if o.debug_setting})
    for outcome in outcomes:
        if outcome.debug_setting:
            found[outcome.debug_setting] += sum(loop.logged for loop in outcome.loops)
    for place, loops in found.items():
        yield (
            f"{quoted(place)} sets DEBUG = True: Django keeps the last 9,000 statements of "
            f"{count(loops, 'loop')} in memory, with their values; run migrate without DEBUG."
        )


def _reasons(loops: Iterable[LoopOutcome]) -> str:
    """`` (2 row-escapes, 1 model-unknown)``, most frequent first, names in order among equals."""
    counts = Counter(loop.blocked_by for loop in loops if not loop.changed and loop.blocked_by)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'{number} {name}' for name, number in ranked)})" if ranked else ""


def databases(outcomes: Sequence[FileOutcome]) -> Iterator[str]:
    """A line for each project's Django that was asked, and for each set of databases that the run took for granted; none
    for what the user said.
    """
    for name in dict.fromkeys(each.settings for each in outcomes if each.settings):
        yield quoted(
            f"Settings: {name} set up the project's own Django, which said what its source leaves open."
        )
    found = Counter(each.assumed for each in outcomes if each.assumed is not None)
    for assumed, number in found.items():
        where = "" if len(found) == 1 else f" in {count(number, 'file')}"
        loops = [loop for each in outcomes if each.assumed == assumed for loop in each.loops]
        yield quoted(
            f"Databases{where}: {_named(assumed)}, {_because(assumed)}.{_advice(assumed, loops)}"
        )


def _named(assumed: Assumed) -> str:
    names = [_NAMES.get(name, name) for name in assumed.names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _because(assumed: Assumed) -> str:
    return f"as {assumed.why}" if assumed.certain else f"since {assumed.why}"


def _advice(assumed: Assumed, loops: Sequence[LoopOutcome]) -> str:
    """What it would change to say that the project runs on one of them alone."""
    if assumed.certain:
        return ""
    if ONE not in assumed.names:
        return " If it runs on fewer, say so: databases = [...] under [tool.migfix]."
    answers = [each.otherwise_on_one for each in loops]
    changed = sum(each is True for each in answers)
    if None in answers:
        return f' If it runs on {_NAMES[ONE]} alone, say databases = ["{ONE}"] under [tool.migfix]; diff tells how much that changes.'
    effect = (
        f"rewrites {changed} of {count(len(loops), 'loop')} otherwise"
        if changed
        else "changes nothing"
    )
    return (
        f' If it runs on {_NAMES[ONE]} alone: databases = ["{ONE}"] under [tool.migfix] {effect}.'
    )


def helpers(outcomes: Sequence[FileOutcome], *, applied: bool) -> Iterator[str]:
    """The helpers that are written, which git does not know of by itself, or that grow."""
    found = Counter((o.helper.path, o.helper.before is None) for o in outcomes if o.helper)
    new = {path: number for (path, is_new), number in found.items() if is_new}
    verb = "Created" if applied else "apply creates"
    if len(new) > 1:
        first, *_ = sorted(path.as_posix() for path in new)
        yield (
            f"{verb} {len(new)} helpers for the files that import them, such as "
            f"{quoted(first)}: add them to version control. {_one_for_all(outcomes)}"
        )
    for (path, is_new), number in found.items():
        name, files = quoted(path.as_posix()), count(number, "file")
        needs = "imports" if number == 1 else "import"
        if not is_new:
            verb = "Added to" if applied else "apply adds to"
            yield f"{verb} {name} what {files} {needs}: commit it with them."
        elif len(new) == 1:
            yield f"{verb} {name}, which {files} {needs}: add it to version control."


def helpers_apart(outcomes: Sequence[FileOutcome]) -> Iterator[str]:
    """Why a patch brings several helpers along, and what would make them one."""
    new = {o.helper.path for o in outcomes if o.helper and o.helper.before is None}
    if len(new) > 1:
        yield f"{len(new)} helpers, as not every migration surely can import one. {_one_for_all(outcomes)}"


def _one_for_all(outcomes: Sequence[FileOutcome]) -> str:
    """The line of configuration, with the module that most of the files import already."""
    modules = Counter(o.helper.module for o in outcomes if o.helper and o.helper.module[:1] != ".")
    module = modules.most_common(1)[0][0] if modules else "package._migfix"
    package = f"`{module.partition('.')[0]}`" if modules else "that package"
    return f'One for all, if each migration can import {package}: helper = "{quoted(module)}" under [tool.migfix].'


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def of_file(outcome: FileOutcome) -> Sequence[str]:
    """What is done to the loops of a file that changes, without its path."""
    lines: list[str] = []
    for loop in (each for each in outcome.loops if each.changed):
        lines += wrapped(f"{loop.line}:{loop.column}: {' '.join(loop.codes)} {first_line(loop)}")
        lines += further_lines(loop, with_gains=True)
    return lines
