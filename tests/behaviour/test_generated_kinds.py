"""Random migrations made of what a rewrite must see: what migfix calls safe does the same and costs no more.

A run of the tests makes 200 for each database, always the same ones; ``pytest -m nightly`` makes 2,000 others.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.behaviour.generated.checking import naive_differs, names_of, run_all
from tests.behaviour.generated.kinds import KINDS
from tests.behaviour.generated.programs import program
from tests.databases import ONE_SQLITE

pytestmark = [pytest.mark.behaviour, pytest.mark.thorough]

FEW, MANY = 200, 2000
SEED = 20_000


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_random_migrations(database):
    tally = run_all(database, SEED, range(FEW))
    print(tally)
    assert not tally.found, "\n\n".join(tally.found)
    assert tally.converted.total() > FEW / 3
    assert tally.changing.total() > FEW / 5


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_many_random_migrations(database, part):
    """MIGFIX_SEED repeats a run, whose seed is printed."""
    seed = int(os.environ.get("MIGFIX_SEED") or random.randrange(2**32))
    print(f"MIGFIX_SEED={seed}: {MANY // 4} migrations on {database}, part {part}")
    tally = run_all(database, seed, range(part * MANY // 4, (part + 1) * MANY // 4))
    print(tally)
    assert not tally.found, "\n\n".join(tally.found)
    unconverted = [
        name for name, made in tally.made.items() if made > 9 and not tally.converted[name]
    ]
    assert not unconverted, "nothing of these kinds is converted, so nothing is proved"


@pytest.mark.parametrize("kind", KINDS)
def test_a_rewriting_that_asks_nothing_is_seen(kind):
    """Where this fails, the programs of the kind prove nothing."""
    found = (naive_differs(program(kind, KINDS, seed), "sqlite-memory") for seed in range(40))
    assert next((seen for seen in found if seen), False)


def test_all_kinds_are_met_alone_and_in_pairs():
    names = {names_of(number) for number in range(FEW)}
    assert names > set(KINDS)
    assert any("+" in name for name in names)
