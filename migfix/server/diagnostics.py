"""Findings as the diagnostics of the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsprotocol.types import (
    CodeDescription,
    Diagnostic,
    DiagnosticRelatedInformation,
    DiagnosticSeverity,
    Position,
    Range,
)
from lsprotocol.types import Location as Place

from migfix.findings import Answer, Location, LoopOutcome, Verdict, Verified
from migfix.reports.told import first_line, further_lines, quiet_reason, seen
from migfix.server.desk import Look
from migfix.server.links import link_to
from migfix.server.texts import Places

SOURCE = "migfix"
_MOST_PLACES = 5


@dataclass(frozen=True)
class Client:
    """What the client can show."""

    encoding: str
    related: bool = True
    links: bool = True
    hints: bool = True  # whether the user wants to hear of loops that are left


def diagnostics(look: Look, client: Client) -> list[Diagnostic]:
    """One for each loop with something to say, and for each comment that means nothing."""
    places = Places(look.text, client.encoding)
    outcome = look.outcome
    if outcome.error is not None:
        return [_plain(places, 1, outcome.error, DiagnosticSeverity.Error)]
    found = [
        _of_loop(look, loop, places, client)
        for loop in outcome.loops
        if quiet_reason(loop) is None and (client.hints or loop.changed or loop.offer)
    ]
    remarks = (
        _plain(places, each.line, each.text, DiagnosticSeverity.Information)
        for each in outcome.remarks
    )
    return [*found, *remarks]


def of_verdict(look: Look, line: int, verified: Verified, encoding: str) -> Diagnostic:
    """What ``verify`` saw of the loop of a line."""
    severities = {
        Verdict.EQUAL: DiagnosticSeverity.Information,
        Verdict.NOT_RUN: DiagnosticSeverity.Warning,
    }
    places = Places(look.text, encoding)
    severity = severities.get(verified.verdict, DiagnosticSeverity.Error)
    return _plain(places, line, seen(verified), severity)


def header(loop: LoopOutcome, places: Places) -> Range:
    """The first line of the loop, which is enough to underline."""
    return places.rest_of_line(loop.line, loop.column)


def title(loop: LoopOutcome) -> str:
    return " ".join(loop.codes) or loop.blocked_by or "left"


def _of_loop(look: Look, loop: LoopOutcome, places: Places, client: Client) -> Diagnostic:
    link = link_to(loop.codes[0] if loop.changed else loop.blocked_by or "")
    lines = [first_line(loop), *(line.strip() for line in further_lines(loop))]
    return Diagnostic(
        range=header(loop, places),
        message="\n".join(lines),
        severity=_severity(loop),
        code=title(loop),
        code_description=CodeDescription(link) if link and client.links else None,
        source=SOURCE,
        related_information=[*_related(look, loop, client)] if client.related else None,
    )


def _severity(loop: LoopOutcome) -> DiagnosticSeverity:
    if loop.changed:
        return DiagnosticSeverity.Warning
    return DiagnosticSeverity.Information if loop.offer else DiagnosticSeverity.Hint


def _plain(places: Places, line: int, text: str, severity: DiagnosticSeverity) -> Diagnostic:
    indent = len(places.line(line)) - len(places.line(line).lstrip())
    where = places.rest_of_line(line, indent + 1)
    return Diagnostic(range=where, message=text, severity=severity, source=SOURCE)


def _related(
    look: Look, loop: LoopOutcome, client: Client
) -> Iterator[DiagnosticRelatedInformation]:
    """The places that stand in the way, that of the reason that is told first."""
    told: set[Location] = set()
    answers = sorted(loop.answers, key=lambda each: each.blocked_by != loop.blocked_by)
    for answer in answers:
        if answer.at is not None and answer.at not in told and len(told) < _MOST_PLACES:
            told.add(answer.at)
            place = _place(look, answer.at, client)
            if place is not None:
                yield DiagnosticRelatedInformation(place, _because(answer))


def _because(answer: Answer) -> str:
    return f"{answer.code}: {answer.reason}"


def _place(look: Look, at: Location, client: Client) -> Place | None:
    if at.path is None:
        return Place(
            look.path.as_uri(), _point(Places(look.text, client.encoding), at.line, at.column)
        )
    found = _module(look, at.path)
    if found is None:
        return None
    path, text = found
    return Place(path.as_uri(), _point(Places(text, client.encoding), at.line, at.column))


def _module(look: Look, shown: str) -> tuple[Path, str] | None:
    """The module of the project that a message calls so, which was read for it."""
    read = look.facts.library.read if look.facts else ()
    ends = f"/{shown}"
    sources = (each.source for each in read)
    return next(((s.path, s.text) for s in sources if f"/{s.path.as_posix()}".endswith(ends)), None)


def _point(places: Places, line: int, column: int) -> Range:
    start: Position = places.position(line, column)
    end = places.rest_of_line(line, column).end
    return Range(start, end)
