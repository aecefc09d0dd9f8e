"""The rewrites that were seen to do the same: all others are taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from migfix.findings import FileOutcome, Verdict, Verified
from migfix.verify.proofs import LoopRun, Proof
from migfix.verify.verifying import Prover, Task, Told, tasks_of

Place = tuple[Path, int]
"""A loop: its file as the outcome names it, and its line."""
Rewrite = Callable[[Mapping[Place, str]], list[FileOutcome]]
"""Gives the outcomes anew, without the loops named, each left for the reason given."""


@dataclass(frozen=True)
class Kept:
    """The outcomes with the rewrites that stay, and the proofs of those that differ or cost more."""

    outcomes: list[FileOutcome]
    different: list[Proof]


def with_verdicts(outcomes: Sequence[FileOutcome], proofs: Sequence[Proof]) -> list[FileOutcome]:
    """The outcomes, each rewritten loop with what was seen of it."""
    seen: dict[Place, Verified] = {}
    for proof in proofs:
        for loop in proof.loops:  # several RunPythons may reach it
            place = (loop.path, loop.line)
            seen[place] = _worse(proof.verified(loop), seen.get(place))
    broken = {p.path: Verified(p.verdict, p.reason) for p in proofs if not p.label and not p.loops}

    def loops(outcome: FileOutcome) -> FileOutcome:
        found = tuple(
            (
                replace(
                    loop,
                    verified=seen.get((outcome.path, loop.line))
                    or broken.get(outcome.path)
                    or _UNSEEN,
                )
                if loop.changed
                else loop
            )
            for loop in outcome.loops
        )
        return replace(outcome, loops=found)

    return [loops(outcome) for outcome in outcomes]


_UNSEEN = Verified(Verdict.NOT_RUN, "no RunPython was found that runs the loop")
_RANK = [Verdict.EQUAL, Verdict.NOT_RUN, Verdict.MORE_QUERIES, Verdict.DIFFERENT]
_WRONG = (Verdict.DIFFERENT, Verdict.MORE_QUERIES)


def _worse(one: Verified, other: Verified | None) -> Verified:
    if other is None:
        return one
    return max(one, other, key=lambda each: _RANK.index(each.verdict))


def kept(
    outcomes: list[FileOutcome],
    rewrite: Rewrite,
    prover: Prover,
    on_proof: Told | None = None,
) -> Kept:
    """Takes back the rewrites that were not seen to do the same.

    Where several loops of one RunPython differ together, each is tried alone; what stays is run once
    more together.
    """
    dropped: dict[Place, str] = {}
    different: list[Proof] = []
    while True:
        tasks, failed = tasks_of(outcomes)
        proofs = [*prover.proofs(tasks, on_proof), *failed]
        found = with_verdicts(outcomes, proofs)
        wrong = dict(_not_equal(found))
        different += [p for p in proofs if p.verdict in _WRONG]
        if not wrong:
            return Kept(found, different)
        alone = _tried_alone(tasks, proofs, rewrite, dropped, prover)
        dropped |= {place: why for place, why in wrong.items() if place not in alone}
        if not wrong.keys() - alone:  # each does the same alone, and not together
            dropped |= wrong
        outcomes = rewrite(dropped)


def _not_equal(outcomes: Sequence[FileOutcome]) -> list[tuple[Place, str]]:
    return [
        ((outcome.path, loop.line), f"not verified: {_why(loop.verified)}")
        for outcome in outcomes
        for loop in outcome.loops
        if loop.changed and loop.verified and loop.verified.verdict is not Verdict.EQUAL
    ]


def _why(verified: Verified) -> str:
    different = verified.verdict is Verdict.DIFFERENT
    return (
        f"the rewritten loop leaves something else: {verified.reason}"
        if different
        else verified.reason
    )


def _tried_alone(
    tasks: Sequence[Task],
    proofs: Sequence[Proof],
    rewrite: Rewrite,
    dropped: Mapping[Place, str],
    prover: Prover,
) -> set[Place]:
    """The loops of RunPythons with several, all of which together differ, that do the same alone."""
    fine: set[Place] = set()
    every = {(loop.path, loop.line) for task in tasks for loop in task.loops}
    for proof in proofs:
        if proof.verdict in _WRONG and len(proof.loops) > 1:
            fine |= {
                (loop.path, loop.line)
                for loop in proof.loops
                if _is_equal_alone(loop, every, rewrite, dropped, prover)
            }
    return fine


def _is_equal_alone(
    loop: LoopRun,
    every: set[Place],
    rewrite: Rewrite,
    dropped: Mapping[Place, str],
    prover: Prover,
) -> bool:
    place = (loop.path, loop.line)
    others = dict.fromkeys(every - {place}, "tried without")
    tasks, _ = tasks_of(rewrite({**dropped, **others}))
    proofs = prover.proofs(tasks)
    return bool(proofs) and all(
        proof.verified(each).verdict is Verdict.EQUAL for proof in proofs for each in proof.loops
    )
