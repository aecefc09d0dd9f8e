"""One page of HTML on which a person reads every loop, chooses, and takes a command or a patch along.

It needs no network: styles, code and patches stand in it.
"""

from __future__ import annotations

import json
import pkgutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from migfix import __version__
from migfix.disk.files import Files
from migfix.findings import (
    Applicability,
    Figures,
    FileEdit,
    FileOutcome,
    HelperChange,
    LoopOutcome,
    Outcome,
    Statement,
    Verdict,
)
from migfix.quoting import quoted
from migfix.reading.cutting import completed
from migfix.reading.vendored import functions_in
from migfix.reasons import EXPLANATIONS, named
from migfix.reports import as_diff
from migfix.reports.statements import told
from migfix.reports.told import summary
from migfix.review.sides import table, unchanged
from migfix.rewriting.vendoring import edit_of
from migfix.source import Source

_OUTCOMES = {
    Outcome.UPDATE: "one update",
    Outcome.DELETE: "one delete",
    Outcome.STREAM: "streamed",
    Outcome.CURSOR: "streamed by the helper",
    Outcome.LEFT: "left",
}


@dataclass(frozen=True, slots=True)
class Review:
    """What the page is made of: the outcomes with what becomes of each loop alone, the texts of their files,
    the folder that patches start from, and the arguments of ``migfix apply`` that would do all of it, or more where
    the outcomes are ``narrowed`` to some files or loops.
    """

    outcomes: Sequence[FileOutcome]
    files: Files
    root: Path
    arguments: Sequence[str]
    narrowed: bool = False


def render(review: Review) -> str:
    """The whole page."""
    shown = [each for each in review.outcomes if each.loops or each.error]
    return _asset("page.html").format(
        version=escape(__version__),
        style=_asset("page.css"),
        script=_asset("page.js"),
        summary="".join(f"<p>{escape(line)}</p>" for line in summary(shown, applied=False)),
        plot=_plot(shown),
        errors="".join(_error(each) for each in shown if each.error),
        loops="".join(_card(outcome, loop, review) for outcome, loop in _loops(shown)),
        data=json.dumps(_data(review)).replace("<", "\\u003c"),
    )


def _asset(name: str) -> str:
    data = pkgutil.get_data(__name__, name)
    assert data is not None
    return data.decode()


def _loops(outcomes: Iterable[FileOutcome]) -> Iterator[tuple[FileOutcome, LoopOutcome]]:
    for outcome in outcomes:
        if outcome.error is None:
            yield from ((outcome, loop) for loop in outcome.loops)


def risk_of(loop: LoopOutcome) -> str:
    """``unsafe``, ``safe``, or ``left`` for a loop that stays as it is."""
    if not loop.changed:
        return "left"
    return "unsafe" if loop.applicability is Applicability.UNSAFE else "safe"


def _app(outcome: FileOutcome) -> str:
    return outcome.path.parent.parent.name or "."


# -- the head


def _plot(outcomes: Sequence[FileOutcome]) -> str:
    """A bar of what becomes of the loops."""
    counts = Counter(loop.outcome for _, loop in _loops(outcomes))
    total = sum(counts.values())
    if not total:
        return ""
    parts, legend, at = [], [], 0.0
    for outcome, name in _OUTCOMES.items():
        if not counts[outcome]:
            continue
        width = 100 * counts[outcome] / total
        label = f"{counts[outcome]} {name}"
        parts.append(
            f'<rect class="{outcome.value}" x="{at:.3f}%" width="{width:.3f}%" height="100%">'
            f"<title>{escape(label)}</title></rect>"
        )
        legend.append(f'<li><b class="{outcome.value}"></b>{escape(label)}</li>')
        at += width
    return (
        f'<svg class="plot" role="img" aria-label="what becomes of the loops">{"".join(parts)}</svg>'
        f'<ul class="legend">{"".join(legend)}</ul>'
    )


def _error(outcome: FileOutcome) -> str:
    text = f"{outcome.path.as_posix()}: {outcome.error}"
    return f'<p class="error">{escape(quoted(text))}</p>'


# -- one loop

_SIDE = '<col class="no"><col>'


def _card(outcome: FileOutcome, loop: LoopOutcome, review: Review) -> str:
    place = f"{outcome.path.as_posix()}:{loop.line}"
    codes = " ".join(loop.codes)
    attributes = {
        "id": f"loop-{place}",
        "data-place": place,
        "data-path": outcome.path.as_posix(),
        "data-line": str(loop.line),
        "data-app": _app(outcome),
        "data-codes": codes,
        "data-risk": risk_of(loop),
    }
    choose = (
        f'<input type="checkbox" aria-label="rewrite {_text(place)}"'
        f'{" checked" if risk_of(loop) == "safe" else ""}>'
        if loop.changed
        else ""
    )
    given = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return (
        f'<article tabindex="0" {given}><header><label>{choose} <code>{_text(place)}</code></label> '
        f'<span class="badge {risk_of(loop)}">{risk_of(loop)}</span> <b>{escape(codes)}</b> '
        f"{_text(loop.model or '')}</header>{_reasons(loop)}{_gain(loop)}{_verified(loop)}"
        f"{_code(outcome, loop, review)}{_sql(loop)}{_facts(outcome, loop)}</article>"
    )


def _text(text: str) -> str:
    return escape(quoted(text))


def _reasons(loop: LoopOutcome) -> str:
    items = "".join(f"<li>{_text(clause)}</li>" for clause in loop.reason.split("; "))
    if loop.offer:
        items += f'<li class="offer">--unsafe-fixes: {_text(loop.offer)}</li>'
    reason = None if loop.changed else named(loop.blocked_by or "")
    if reason is not None:
        items += f'<li class="help">What helps: {escape(EXPLANATIONS[reason].help)}</li>'
    return f"<ul>{items}</ul>"


def _gain(loop: LoopOutcome) -> str:
    rows = "".join(
        f"<li>{escape(each.what)}: {escape(each.before)} &rarr; {escape(each.after)}</li>"
        for each in loop.gains
    )
    return f'<ul class="gain">{rows}</ul>' if rows else ""


def _verified(loop: LoopOutcome) -> str:
    seen = loop.verified
    if seen is None:
        return ""
    equal = seen.verdict is Verdict.EQUAL
    text = f"verify: {seen.verdict.value.replace('-', ' ')}"
    if seen.reason and not equal:
        text += f": {seen.reason}"
    if seen.before and seen.after:
        text += f"; {_figures(seen.before, seen.after)}"
    return f'<p class="{"equal-data" if equal else "error"}">{_text(text)}</p>'


def _figures(before: Figures, after: Figures) -> str:
    figures = [
        f"{before.queries} \u2192 {after.queries} queries",
        f"{before.seconds:.3f} \u2192 {after.seconds:.3f} s",
    ]
    if before.memory_says_something or after.memory_says_something:
        mib = f"{before.memory / 2**20:,.1f} \u2192 {after.memory / 2**20:,.1f}"
        figures.append(f"{mib} MiB at the peak")
    return ", ".join(figures)


def _code(outcome: FileOutcome, loop: LoopOutcome, review: Review) -> str:
    columns = _SIDE
    if (alone := outcome.alone(loop)) is not None:
        rows, columns = table(alone.edit), _SIDE * 2
    else:
        data = review.files.read_if_there(outcome.path)
        rows = unchanged(Source.of(outcome.path, data).plain, loop.line, loop.end_line)
    return f'<div class="code"><table><colgroup>{columns}</colgroup>{rows}</table></div>'


def _sql(loop: LoopOutcome) -> str:
    """What both versions sent where they were run; nothing else is known to be what Django sends."""
    if not loop.changed:
        return ""
    sql = loop.verified.sql if loop.verified else None
    if sql is None:
        why = "neither ran" if loop.verified else "review --verify runs both versions and shows it"
        return f'<p class="help">SQL: {why}</p>'
    cells = "".join(
        f"<td><ol>{''.join(map(_statement, side))}</ol></td>" for side in (sql.before, sql.after)
    )
    return (
        f'<details class="sql"><summary>SQL</summary><p>{_text(told(sql))}</p><table><tr><th>as it is</th>'
        f"<th>as rewritten</th></tr><tr>{cells}</tr></table></details>"
    )


def _statement(each: Statement) -> str:
    times = f"<b>{each.times} &times;</b> " if each.times > 1 else ""
    return f"<li>{times}<code>{_text(' '.join(each.text.split()))}</code></li>"


def _facts(outcome: FileOutcome, loop: LoopOutcome) -> str:
    rows = [("function", loop.function), ("model", loop.model or "not known")]
    if loop.fields:
        rows.append(("as of then", ", ".join(loop.fields)))
    if outcome.assumed is not None:
        names = ", ".join(outcome.assumed.names)
        rows.append(("databases", f"{names} ({outcome.assumed.why})"))
    rows += [
        (answer.code, f"{'yes' if answer.applied else 'no'}: {answer.reason}")
        for answer in loop.answers
    ]
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{_text(text)}</td></tr>" for name, text in rows
    )
    return f"<details><summary>facts</summary><table>{cells}</table></details>"


# -- what the page makes commands and patches of


def _data(review: Review) -> dict[str, Any]:
    """The patches of each file by the lines of the loops that they rewrite, and those of each helper by what it
    lacks: the page makes one of what is chosen.
    """
    changing = [each for each in review.outcomes if each.changed]
    paths = [edit.path for each in changing for edit in each.edits]
    prefix = as_diff.prefix_for(paths, review.root, review.files)
    patches: dict[str, dict[str, dict[str, Any]]] = {}
    helpers: dict[str, HelperChange] = {}  # by their own path: many files may need the same
    lacking: defaultdict[str, set[frozenset[str]]] = defaultdict(set)
    for outcome in changing:
        helper = outcome.helper.path.as_posix() if outcome.helper else ""
        if outcome.helper:
            helpers[helper] = outcome.helper
        patches[outcome.path.as_posix()] = {
            ",".join(map(str, each.lines)): {
                "text": _patch(outcome.path, each.edit, review, prefix),
                "helper": helper if each.lacks else None,
                "lacks": sorted(completed(each.lacks)),
            }
            for each in outcome.subsets
        }
        lacking[helper] |= {completed(each.lacks) for each in outcome.subsets}
    return {
        "arguments": list(review.arguments),
        "narrowed": review.narrowed,
        "patches": patches,
        "helpers": {
            path: dict(_patches_of(change, lacking[path], review, prefix))
            for path, change in helpers.items()
        },
    }


def _patches_of(
    helper: HelperChange, lacking: Iterable[frozenset[str]], review: Review, prefix: str
) -> Iterator[tuple[str, str]]:
    """For all that several loops may lack together, which is little: a helper has few parts."""
    there = functions_in(helper.before or b"", review.files)
    unions: set[frozenset[str]] = {frozenset()}
    for each in lacking:
        unions |= {each | other for other in unions}
    for functions in sorted(filter(None, unions), key=sorted):
        edit = edit_of(replace(helper, functions=there | functions), review.files)
        yield " ".join(sorted(functions)), _patch(helper.path, edit, review, prefix)


def _patch(path: Path, edit: FileEdit, review: Review, prefix: str) -> str:
    """A page is text: a file in another encoding has no patch here."""
    alone = FileOutcome(path, edits=(edit,))
    try:
        patch = as_diff.render([alone], review.files, root=review.root, prefix=prefix)
        return patch.decode()
    except UnicodeDecodeError:
        return ""
