"""One loop, every codemod's decision, every state it may find: what will be done, and what is said of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby

from migfix.codemod import Codemod, Decision
from migfix.facts.access import Access
from migfix.facts.costs import costs_of
from migfix.facts.loop import Loop
from migfix.facts.rows.streaming import already_streams, sends_queries
from migfix.findings import (
    Answer,
    Applicability,
    Edit,
    Gain,
    LoopOutcome,
    Outcome,
    Part,
    Reason,
    Refusal,
    ReplaceExpressions,
    Rewrite,
)
from migfix.history.state import Unknown
from migfix.suppression import is_ignored

# The cheapest first; columns last, as what keeps rows from streaming matters more than what they load.
_LADDER = (
    Part.WHOLE,
    Part.SOURCE,
    Part.COLUMNS,
    Part.WRITES,
    Part.UPDATES,
    Part.LINKS,
    Part.CREATES,
    Part.COUNTS,
)

# The order of applying them: what narrows the queryset goes inside of what streams it.
_COMPOSITION = (
    Part.WHOLE,
    Part.COLUMNS,
    Part.SOURCE,
    Part.WRITES,
    Part.UPDATES,
    Part.LINKS,
    Part.CREATES,
    Part.COUNTS,
)


class ConflictError(Exception):
    """Two codemods claim the same part of a loop: a bug of migfix, never decided by their order."""


@dataclass(frozen=True, slots=True)
class PlannedLoop:
    """A loop, or a statement, with the rewrites that will be applied to it, and its line in the report.

    ``suppressed`` are the codes of those that a comment keeps away.
    """

    loop: Access
    rewrites: tuple[Rewrite, ...]
    outcome: LoopOutcome
    suppressed: frozenset[str] = frozenset()

    def with_details(self) -> PlannedLoop:
        """The same, which tells of the columns of its model, and what it costs."""
        columns = () if isinstance(self.loop.columns, Unknown) else self.loop.columns
        fields = tuple(f"{c.name} {c.kind or c.class_path}" for c in columns)
        costs = costs_of(self.loop) if isinstance(self.loop, Loop) else None
        return replace(self, outcome=replace(self.outcome, fields=fields, costs=costs))

    def compared_with_one(self, other: PlannedLoop | None) -> PlannedLoop:
        """The same, which tells whether it is rewritten otherwise, whatever is said of it, on one database alone."""
        here, there = (
            [(r.part, r.edit, r.caveats) for r in (each.rewrites if each else ())]
            for each in (self, other)
        )
        return replace(self, outcome=replace(self.outcome, otherwise_on_one=here != there))

    def left(self, why: str, reason: Reason) -> PlannedLoop:
        """The same loop as it is, because its rewrite was not seen to do the same, or cannot be written."""
        outcome = replace(
            self.outcome,
            outcome=Outcome.LEFT,
            applicability=None,
            codes=(),
            reason=why,
            blocked_by=reason.value,
            only=None,
            defer=None,
            batched=False,
            gains=(),
            answers=tuple(
                (
                    replace(each, applied=False, reason=why, blocked_by=reason.value)
                    if each.applied
                    else each
                )
                for each in self.outcome.answers
            ),
        )
        return replace(self, rewrites=(), outcome=outcome)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user allows: the codes in force and whether unsafe rewrites are applied."""

    codes: frozenset[str]
    unsafe_fixes: bool = False


def plan(
    worlds: Iterable[Sequence[Access]], codemods: Sequence[Codemod], policy: Policy
) -> PlannedLoop | None:
    """Decide on one loop, or one statement, as every state sees it. Raises ``ConflictError``.

    ``worlds`` are taken one after the other, each when the one before is decided on. A world is empty where the
    loop is not known to go over rows. None where none of them is known to.
    """
    in_order = sorted(codemods, key=lambda codemod: _LADDER.index(codemod.part))
    part_of = {codemod.code: codemod.part for codemod in codemods}
    in_force = [codemod for codemod in in_order if codemod.code in policy.codes]
    first: Access | None = None
    decisions: dict[str, Decision] = dict.fromkeys(codemod.code for codemod in in_order)
    everywhere = True
    for ways in worlds:
        everywhere = everywhere and bool(ways)
        for loop in ways:
            for codemod in in_force:
                decisions[codemod.code] = (
                    codemod.decision(loop)
                    if first is None
                    else _also(decisions[codemod.code], codemod, loop, first)
                )
            first = first or loop
    if first is None:
        return None
    suppressed: set[str] = set()
    for code, decision in decisions.items():
        if decision is not None and is_ignored(first.node, code, first.source):
            if isinstance(decision, Rewrite):
                suppressed.add(code)
            decisions[code] = Refusal(Reason.SUPPRESSED, "a comment keeps migfix away")
    decisions = {code: None if _is_spare(d) else d for code, d in decisions.items()}
    if not everywhere:
        decisions = {code: _withheld(decision) for code, decision in decisions.items()}
    decisions = _with_what_they_need(decisions, policy)
    accepted = _without_needless(_composed(decisions, policy), first)
    composed = sorted(accepted.values(), key=lambda rewrite: _COMPOSITION.index(rewrite.part))
    outcome = _outcome(first, decisions, accepted, part_of, suppressed)
    return PlannedLoop(first, tuple(composed), outcome, frozenset(suppressed))


def _also(decision: Decision, codemod: Codemod, loop: Access, first: Access) -> Decision:
    """The decision that holds in one more state; a refusal in one of them holds for all."""
    if isinstance(decision, Refusal):
        return decision
    other = codemod.decision(loop)
    agreed = _agreed(decision, other)
    if agreed is None and other != decision:
        return Refusal(Reason.STATES_DIFFER, _difference(first, loop))
    return agreed


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
    spare = decision.spare and other.spare
    one = replace(decision, caveats=caveats, spare=spare)
    return one if one == replace(other, caveats=caveats, spare=spare) else None


def _is_spare(decision: Decision) -> bool:
    return isinstance(decision, Rewrite) and decision.spare


def _difference(one: Access, other: Access) -> str:
    """Why two worlds get different rewrites."""
    if one.model_label != other.model_label:
        return f"the rewrite would differ between {one.model_label} and {other.model_label}"
    if one.state is other.state:
        return "the rewrite would differ between the turns or calls that run this loop"
    return "which migrations ran before is not certain, and the rewrite would depend on it"


def _with_what_they_need(decisions: dict[str, Decision], policy: Policy) -> dict[str, Decision]:
    """The decisions, where a rewrite that needs another to be applied is refused without it."""
    parts = {d.part for d in decisions.values() if isinstance(d, Rewrite) and _allows(policy, d)}
    if Part.WHOLE in parts:  # no other part of the loop is left to need one
        return decisions
    for code, decision in decisions.items():
        for beside in decision.beside if isinstance(decision, Rewrite) else ():
            if beside.part not in parts:
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


def _without_needless(accepted: dict[str, Rewrite], loop: Access) -> dict[str, Rewrite]:
    """The rewrites but one of a test that goes with the whole loop."""
    guard = loop.needless_guard if isinstance(loop, Loop) else None
    if guard is None or not any(r.part is Part.WHOLE for r in accepted.values()):
        return accepted
    return {code: r for code, r in accepted.items() if not _is_within(r.edit, guard.test)}


def _is_within(edit: Edit, test: ast.expr) -> bool:
    """Does it change nothing but expressions of the test?"""
    inside = set(ast.walk(test))
    return isinstance(edit, ReplaceExpressions) and all(node in inside for node, _ in edit.pairs)


def _outcome(
    loop: Access,
    decisions: dict[str, Decision],
    accepted: dict[str, Rewrite],
    part_of: Mapping[str, Part],
    suppressed: Set[str],
) -> LoopOutcome:
    rewrites = [accepted[code] for code in sorted(accepted)]
    refusals = _not_applied(decisions, accepted, part_of)
    if suppressed and not rewrites:
        codes = ", ".join(sorted(suppressed))
        refusals = [Refusal(Reason.SUPPRESSED, f"a comment keeps {codes} away")]
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
        batched=any(
            rewrite.part in {Part.WRITES, Part.UPDATES, Part.LINKS, Part.CREATES}
            for rewrite in rewrites
        ),
        already_streams=isinstance(loop, Loop) and already_streams(loop),
        offer=_offer(withheld) if not rewrites or outcome not in _GONE else None,
        logged=(
            isinstance(loop, Loop)
            and outcome not in {*_GONE, Outcome.CURSOR}
            and sends_queries(loop)
        ),
        answers=tuple(_answers(decisions, accepted, part_of)),
        gains=_gains(rewrites),
    )


def _gains(rewrites: Sequence[Rewrite]) -> tuple[Gain, ...]:
    """One of each kind: where a loop streams, that says more of its rows than a list that goes."""
    found: dict[str, Gain] = {}
    for rewrite in sorted(rewrites, key=lambda each: _LADDER.index(each.part)):
        for gain in rewrite.gains:
            found.setdefault(gain.what, gain)
    return tuple(sorted(found.values(), key=lambda gain: gain.what))


def _answers(
    decisions: Mapping[str, Decision], accepted: Mapping[str, Rewrite], part_of: Mapping[str, Part]
) -> Iterable[Answer]:
    """What each codemod says, a part that goes with the whole loop included."""
    for code, decision in sorted(decisions.items()):
        match decision:
            case Rewrite():
                applied, said = code in accepted, _with_doubts(decision)
                at = next((each.at for each in decision.caveats if each.at), None)
                yield Answer(code, decision.part, applied, decision.applicability, said, at=at)
            case Refusal(reason=reason, message=message, at=at):
                yield Answer(code, part_of[code], False, None, message, reason.value, at)


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


def _not_applied(
    decisions: dict[str, Decision], accepted: dict[str, Rewrite], part_of: Mapping[str, Part]
) -> list[Refusal]:
    """Why the rewrites that did not happen did not, best first; none of a part that another codemod rewrites.

    Where the helper would have streamed, what keeps it away matters more than that ``.iterator()`` does not.
    """
    parts = {rewrite.part for rewrite in accepted.values()}
    if Part.WHOLE in parts:
        return []
    found: list[tuple[Part, Refusal]] = []
    for code, decision in decisions.items():
        if isinstance(decision, Rewrite) and code not in accepted and decision.caveats:
            found.append((part_of[code], decision.caveats[0]))
        elif isinstance(decision, Refusal) and part_of[code] not in parts:
            found.append((part_of[code], decision))
    found.sort(key=lambda f: (_LADDER.index(f[0]), f[1].reason is Reason.DOES_NOT_STREAM))
    return [refusal for _, refusal in found]


def _why_left(refusals: Sequence[Refusal]) -> str:
    if not refusals:
        return "no selected codemod has anything to do here"
    by_reason: dict[Reason, str] = {}
    for refusal in refusals:
        by_reason.setdefault(refusal.reason, refusal.message)
    return _sentence(list(by_reason.values()))


def _offer(withheld: Sequence[Rewrite]) -> str | None:
    """What is worth most of them: fewer columns are worth the least."""
    ordered = sorted(withheld, key=lambda rewrite: rewrite.part is Part.COLUMNS)
    return _with_doubts(ordered[0]) if ordered else None


def _with_doubts(rewrite: Rewrite) -> str:
    return _sentence([rewrite.message, *(f"but {caveat.message}" for caveat in rewrite.caveats)])


def _sentence(parts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(parts))
