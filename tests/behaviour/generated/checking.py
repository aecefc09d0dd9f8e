"""Runs a random migration beside what migfix makes of it, and says where they part."""

from __future__ import annotations

import os
import re
import signal
import traceback
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from django.db import InternalError
from django.db.transaction import TransactionManagementError

from migfix.settings import Settings, known_codes
from tests.behaviour.generated.kinds import KINDS
from tests.behaviour.generated.programs import Program, program
from tests.mutants import compiles, mutant
from tests.rewritten import rewritten
from tests.running import Case, Run, Runaway, run

VERB = re.compile(r"\s*(?:\(\s*)?(SELECT|INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
# A loop over no rows sends one query; what takes its place may be a few statements, one for each path.
SLACK = 2
MUTATED = 0.25  # of the migrations
SECONDS, QUERIES = 60, 20_000  # for one version
FULL = 1000  # rows of a batch; smaller ones, which make tests see more, also cost more


@dataclass
class Tally:
    """What became of the programs of each kind."""

    made: Counter[str] = field(default_factory=Counter)
    converted: Counter[str] = field(default_factory=Counter)
    changing: Counter[str] = field(default_factory=Counter)
    raising: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{'':24}{'made':>7}{'converted':>11}{'changing':>10}{'raising':>9}"]
        for name, made in [*sorted(self.made.items()), ("all", self.made.total())]:
            counts = [
                self._count(each, name) for each in (self.converted, self.changing, self.raising)
            ]
            lines.append(f"{name:24}{made:7}{counts[0]:11}{counts[1]:10}{counts[2]:9}")
        return "\n".join(lines)

    @staticmethod
    def _count(counter: Counter[str], name: str) -> int:
        return counter.total() if name == "all" else counter[name]


def settings_of(each: Program, database: str) -> Settings:
    """All codemods at once, or one alone."""
    r = Random(f"settings {each.kinds} {each.seed}")
    every = known_codes()
    codes = every if r.random() < 0.6 else [r.choice(sorted(every))]
    return Settings(
        select=frozenset(codes),
        databases=frozenset({database.removesuffix("-memory")}),
        batch_size=r.choice([1, 2, FULL, FULL]),
    )


def names_of(number: int) -> str:
    """The kinds of the program with this number: each in turn, every third with another one."""
    every = list(KINDS)
    first = every[number % len(every)]
    if number // len(every) % 3 != 2:
        return first
    second = Random(f"pair {number}").choice([name for name in every if name != first])
    return f"{first}+{second}"


def text_of(each: Program) -> tuple[str, bool]:
    """The migration as it is, or as a mutant, and whether it is one."""
    r = Random(f"mutant {each.kinds} {each.seed}")
    text = each.text()
    if r.random() < MUTATED:
        changed = mutant(text, r)[0].rstrip("\n") + "\n"
        return (changed, True) if compiles(changed) else (text, False)
    return text, False


def check(each: Program, database: str, tally: Tally) -> str | None:
    """Return how the rewrite differs, with both texts, or None."""
    (before, mutated), settings = text_of(each), settings_of(each, database)
    label = "mutants" if mutated else "two of them" if "+" in each.kinds else each.kinds
    tally.made[label] += 1
    try:
        after, outcome = rewritten(each.tables.models, before, settings, each.given.files)
    except AssertionError as error:
        return _said(each, database, f"migfix fails: {error}", before, "")
    if not outcome.changed:
        return None
    case = Case(each.tables.models, each.rows, database, each.given.files)
    first = _ran(case, before)
    if first is None:  # it cannot be imported, or does not end
        return None
    tally.converted[label] += 1
    second = _ran(case, after)
    if second is None:
        return _said(each, database, "the second one does not end", before, after)
    tally.changing[label] += first.tables != first.start
    tally.raising[label] += first.error is not None
    # A row that fails does so with its batch, after the turns that follow it.
    counted = settings.batch_size == FULL and first.error is None
    difference = differs(first, second) or (counted and costs_more(first, second))
    return _said(each, database, difference, before, after) if difference else None


def _ran(case: Case, text: str) -> Run | None:
    """Run a version; None where it does not come to an end or is no migration."""
    signal.signal(signal.SIGALRM, _ends)
    signal.alarm(SECONDS)
    try:
        done = run(case, text, limit=QUERIES)
        return None if isinstance(done.error, Runaway) else done
    except (Runaway, NameError, AttributeError, TypeError):
        return None
    finally:
        signal.alarm(0)


def _ends(*_: object) -> None:
    raise Runaway(f"stopped after {SECONDS} seconds")


def differs(first: Run, second: Run) -> str | None:
    """How the second version did something else than the first, or cost more."""
    assert first.start == second.start
    if _name(first.error) != _name(second.error) and not _fail_after_the_same(first, second):
        shown = "".join(traceback.format_exception(second.error)[-3:]) if second.error else ""
        return f"raised {first.error!r}, the other {second.error!r}\n{shown}"
    for table, rows in first.tables.items():
        one, two = (Counter(map(_shown, each)) for each in (rows, second.tables[table]))
        if one != two:
            return f"{table}: {[*(one - two)][:3]} became {[*(two - one)][:3]}"
    # An error of the database comes later, after more of the output.
    one, two = _shown(first.output), _shown(second.output)
    if first.error is None and one != two:
        return f"printed {one[:500]!r}, the other {two[:500]!r}"
    return None


def _name(error: BaseException | None) -> str:
    """The error's class: each version has models, and errors, of its own."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _fail_after_the_same(first: Run, second: Run) -> bool:
    """Django refuses the next query after an error that was caught, PostgreSQL the next rows of a cursor."""
    return isinstance(first.error, TransactionManagementError) and isinstance(
        second.error, InternalError
    )


def _shown(text: str) -> str:
    """The text without addresses, which every object has of its own."""
    return re.sub(r"\b0x[0-9a-f]+", "0x...", text)


def costs_more(first: Run, second: Run) -> str | None:
    """How many more statements the second version sends."""
    one, two = _verbs(first), _verbs(second)
    more = {verb: (one[verb], two[verb]) for verb in two if two[verb] > one[verb] + SLACK}
    return f"sent more: {more}" if more or two.total() > one.total() + SLACK else None


def _verbs(run: Run) -> Counter[str]:
    """Without those that fill a temporary table of the helper, from which one UPDATE writes many rows."""
    found = (VERB.match(sql) for sql in run.sql if not sql.startswith("INSERT INTO _migfix_"))
    return Counter(match[1].upper() for match in found if match)


def naive_differs(each: Program, database: str) -> bool:
    """Does a rewriting that asks nothing do something else?"""
    case = Case(each.tables.models, each.rows, database, each.given.files)
    first = run(case, each.text())
    return any(
        differs(first, second) or costs_more(first, second)
        for second in (run(case, text, limit=20_000) for text in each.naive())
    )


def _said(each: Program, database: str, difference: str, before: str, after: str) -> str:
    files = "".join(f"\n# {name}\n{text}" for name, text in each.given.files.items() if text)
    rows = f"{each.tables.posts} posts, {each.tables}"
    title = f"{each.kinds} {each.seed} on {database}: {difference}"
    codes = sorted(settings_of(each, database).select)
    return f"{title}\n{rows} {codes}{files}\n# before\n{before}\n# after\n{after}"


def run_all(database: str, seed: int, numbers: range) -> Tally:
    """Check the programs of these numbers; what they found is in the tally."""
    tally = Tally()
    for number in numbers:
        each = program(names_of(number), KINDS, seed + number)
        if difference := check(each, database, tally):
            tally.found.append(difference)
            if os.environ.get("MIGFIX_STOP"):
                break
    return tally
