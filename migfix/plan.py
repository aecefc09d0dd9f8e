"""One loop, every codemod's decision, every state it may find: what will be done, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from migfix.codemod import Codemod, Decision
from migfix.findings import (
    Applicability,
    LoopOutcome,
    Outcome,
    Part,
    Reason,
    Refusal,
    Rewrite,
)
from migfix.loops.loop import Loop
from migfix.loops.streaming import already_streams, sends_queries

_IGNORE = re.compile(r"#\s*migfix:\s*ignore(?:\[(?P<codes>[^\]]*)\])?", re.IGNORECASE)

# The cheapest first; columns last, as what keeps rows from streaming matters more than what they load.
_LADDER = (
    Part.WHOLE,
    Part.SOURCE,
    Part.COLUMNS,
    Part.WRITES,
    Part.CREATES,
    Part.COUNTS,
)

# The order of applying them: what narrows the queryset goes inside of what streams it.
_COMPOSITION = (
    Part.WHOLE,
    Part.COLUMNS,
    Part.SOURCE,
    Part.WRITES,
    Part.CREATES,
    Part.COUNTS,
)


class ConflictError(Exception):
    """Two codemods claim the same part of a loop: a bug of migfix, never decided by their order."""


@dataclass(frozen=True, slots=True)
class PlannedLoop:
    """A loop with the rewrites that will be applied to it, and its line in the report."""

    loop: Loop
    rewrites: tuple[Rewrite, ...]
    outcome: LoopOutcome

    def left(self, why: str) -> PlannedLoop:
        """The same loop as it is, because its rewrite was not seen to do the same."""
        outcome = replace(
            self.outcome,
            outcome=Outcome.LEFT,
            applicability=None,
            codes=(),
            reason=why,
            blocked_by=Reason.NOT_VERIFIED.value,
            only=None,
            defer=None,
            batched=False,
        )
        return PlannedLoop(self.loop, (), outcome)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user allows: the codes in force and whether unsafe rewrites are applied."""

    codes: frozenset[str]
    unsafe_fixes: bool = False


def plan(
    worlds: Sequence[Loop], codemods: Sequence[Codemod], policy: Policy, *, everywhere: bool = True
) -> PlannedLoop:
    """Decide on one loop as every state in ``worlds`` sees it. Raises ``ConflictError``.

    ``everywhere`` is False where in some other state it is not known to go over rows.
    """
    loop = worlds[0]
    in_order = sorted(codemods, key=lambda codemod: _LADDER.index(codemod.part))
    decisions = {codemod.code: _decided(codemod, worlds, policy) for codemod in in_order}
    if not everywhere:
        decisions = {code: _withheld(decision) for code, decision in decisions.items()}
    decisions = _with_what_they_need(decisions, policy)
    accepted = _composed(decisions, policy)
    composed = sorted(accepted.values(), key=lambda rewrite: _COMPOSITION.index(rewrite.part))
    return PlannedLoop(loop, tuple(composed), _outcome(loop, decisions, accepted))


def _decided(codemod: Codemod, worlds: Sequence[Loop], policy: Policy) -> Decision:
    """The decision that holds in every state; a refusal in one of them holds for all."""
    if codemod.code not in policy.codes:
        return None
    decision = codemod.decision(worlds[0])
    for world in worlds[1:]:
        if isinstance(decision, Refusal):
            break
        other = codemod.decision(world)
        agreed = _agreed(decision, other)
        if agreed is None and other != decision:
            agreed = Refusal(Reason.STATES_DIFFER, _difference(worlds[0], world))
        decision = agreed
    if decision is not None and _is_ignored(worlds[0], codemod.code):
        return Refusal(Reason.SUPPRESSED, "suppressed by # migfix: ignore")
    return decision


def _withheld(decision: Decision) -> Decision:
    """A rewrite of a loop that may go over anything else is none."""
    if not isinstance(decision, Rewrite):
        return decision
    return Refusal(
        Reason.STATES_DIFFER,
        "it is not certain in each call of the function what the loop goes over",
    )


def _agreed(decision: Decision, other: Decision) -> Decision:
    """What holds where either may be right: a refusal, or one rewrite with what may differ in both."""
    if isinstance(other, Refusal):
        return other
    if not isinstance(decision, Rewrite) or not isinstance(other, Rewrite):
        return None
    caveats = tuple(dict.fromkeys((*decision.caveats, *other.caveats)))
    one = replace(decision, caveats=caveats)
    return one if one == replace(other, caveats=caveats) else None


def _difference(one: Loop, other: Loop) -> str:
    """Why two worlds get different rewrites."""
    if one.model_label != other.model_label:
        return f"the rewrite would differ between {one.model_label} and {other.model_label}"
    if one.state is other.state:
        return "the rewrite would differ between the turns or calls that run this loop"
    return "which migrations ran before is not certain, and the rewrite would depend on it"


def _is_ignored(loop: Loop, code: str) -> bool:
    """Is there ``# migfix: ignore`` on the loop's header or on a line of its own above it?"""
    first, last = loop.node.lineno - 1, max(loop.node.lineno, loop.node.body[0].lineno - 1)
    lines = list(loop.source.lines[first:last])
    if first and loop.source.lines[first - 1].lstrip().startswith("#"):
        lines.append(loop.source.lines[first - 1])
    for found in filter(None, map(_IGNORE.search, lines)):
        codes = found["codes"]
        if codes is None or code.upper() in {c.strip().upper() for c in codes.split(",")}:
            return True
    return False


def _with_what_they_need(decisions: dict[str, Decision], policy: Policy) -> dict[str, Decision]:
    """The decisions, where a rewrite that needs another to be applied is refused without it."""
    parts = {d.part for d in decisions.values() if isinstance(d, Rewrite) and _allows(policy, d)}
    for code, decision in decisions.items():
        beside = decision.beside if isinstance(decision, Rewrite) else None
        if beside is not None and beside.part not in parts:
            return _with_what_they_need({**decisions, code: beside.refusal}, policy)
    return decisions


def _allows(policy: Policy, rewrite: Rewrite) -> bool:
    return policy.unsafe_fixes or not rewrite.caveats


def _composed(decisions: dict[str, Decision], policy: Policy) -> dict[str, Rewrite]:
    """The rewrites to apply: one for the whole loop, or at most one for each of its parts."""
    rewrites = {code: d for code, d in decisions.items() if isinstance(d, Rewrite)}
    by_part = sorted(rewrites.items(), key=lambda item: item[1].part.value)
    for part, claims in groupby(by_part, key=lambda item: item[1].part):
        codes = [code for code, _ in claims]
        if len(codes) > 1:
            raise ConflictError(f"{' and '.join(codes)} both claim the {part.value} of one loop")
    allowed = {c: r for c, r in rewrites.items() if _allows(policy, r)}
    if any(rewrite.part is Part.WHOLE for rewrite in allowed.values()):
        return {c: r for c, r in allowed.items() if r.part in {Part.WHOLE, Part.COUNTS}}
    return allowed


def _outcome(
    loop: Loop, decisions: dict[str, Decision], accepted: dict[str, Rewrite]
) -> LoopOutcome:
    rewrites = [accepted[code] for code in sorted(accepted)]
    refusals = list(_not_applied(decisions, accepted))
    outcome = _kind(rewrites)
    caveats = [caveat for rewrite in rewrites for caveat in rewrite.caveats]
    withheld = [d for c, d in decisions.items() if isinstance(d, Rewrite) and c not in accepted]
    return LoopOutcome(
        line=loop.node.lineno,
        column=loop.source.column(loop.node),
        end_line=loop.node.end_lineno or loop.node.lineno,
        function=loop.function,
        model=loop.model_label,
        outcome=outcome,
        applicability=_applicability(rewrites),
        codes=tuple(sorted(accepted)),
        reason=(
            _sentence([r.message for r in rewrites] + [c.message for c in caveats])
            if rewrites
            else _why_left(refusals)
        ),
        blocked_by=refusals[0].reason.value if refusals else None,
        only=next((r.only for r in rewrites if r.only), None),
        defer=next((r.defer for r in rewrites if r.defer), None),
        batched=any(rewrite.part in {Part.WRITES, Part.CREATES} for rewrite in rewrites),
        already_streams=already_streams(loop),
        offer=_offer(withheld) if not rewrites or outcome not in _GONE else None,
        logged=outcome not in {*_GONE, Outcome.CURSOR} and sends_queries(loop),
    )


_GONE = {Outcome.UPDATE, Outcome.DELETE}


def _applicability(rewrites: Sequence[Rewrite]) -> Applicability | None:
    """The least safe of the rewrites decides for the loop."""
    if all(rewrite.part is Part.COUNTS for rewrite in rewrites):  # the loop itself is left
        return None
    unsafe = any(rewrite.caveats for rewrite in rewrites)
    return Applicability.UNSAFE if unsafe else Applicability.SAFE


def _kind(rewrites: Sequence[Rewrite]) -> Outcome:
    for wanted in _LADDER:
        for rewrite in rewrites:
            if rewrite.part is wanted:
                return rewrite.outcome
    return Outcome.LEFT


def _not_applied(decisions: dict[str, Decision], accepted: dict[str, Rewrite]) -> Iterable[Refusal]:
    """Why the rewrites that did not happen did not, best first; one for each part of the loop."""
    parts = {rewrite.part for rewrite in accepted.values()}
    if Part.WHOLE in parts:
        return
    for code, decision in decisions.items():
        if isinstance(decision, Rewrite) and code not in accepted and decision.caveats:
            yield decision.caveats[0]
        elif isinstance(decision, Refusal) and not _superseded(code, parts):
            yield decision


def _superseded(code: str, parts: set[Part]) -> bool:
    """A refusal to stream in one way does not matter when the rows stream in the other."""
    return code in {"MF202", "MF203"} and Part.SOURCE in parts


def _why_left(refusals: Sequence[Refusal]) -> str:
    if not refusals:
        return "no selected codemod has anything to do here"
    by_reason = {refusal.reason: refusal.message for refusal in reversed(refusals)}
    return _sentence(list(reversed(by_reason.values())))


def _offer(withheld: Sequence[Rewrite]) -> str | None:
    if not withheld:
        return None
    best = withheld[0]
    return _sentence([best.message, *(f"but {caveat.message}" for caveat in best.caveats)])


def _sentence(parts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(parts))
