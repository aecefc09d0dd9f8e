"""What becomes of some thousand values on each database, as recorded: nothing changes by accident.

Under each value stands what is written, and on which databases: ``+`` is safe, ``?`` may differ, in the
ways that follow, ``-`` says what stands in the way.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from codemods.loop_to_update import codemod
from migfix.disk.files import Files
from migfix.facts.access import Surroundings
from migfix.facts.loop import Loop, loops_at
from migfix.findings import ReplaceLoop, Rewrite
from migfix.reading.names.module import Module
from migfix.reading.names.places import Names
from migfix.source import Source
from migfix.sql.databases import Databases
from migfix.worlds import ProjectFacts
from tests.expressions.many_values import listed_values, random_values
from tests.golden import golden
from tests.many import Given, migration, models_of, name_of
from tests.running import write_project

DATABASES = {
    "PostgreSQL": Databases(frozenset({"postgresql"})),
    "MySQL": Databases(frozenset({"mysql", "mariadb"})),
    "SQLite": Databases(frozenset({"sqlite"})),
    "Oracle": Databases(frozenset({"oracle"})),
}
_AT_ONCE = 100
_VALUES = {"listed": listed_values, "random": random_values}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", _VALUES)
def test_what_becomes_of_each_value_is_as_recorded(kind):
    given = _VALUES[kind]()
    found = zip(given, _answers(given), strict=True)
    golden(f"values/{kind}.txt", "".join(_entry(one, answers) for one, answers in found))


def _entry(given: Given, answers: Sequence[str]) -> str:
    """The value, and each answer with the databases that have it."""
    names: dict[str, list[str]] = {}
    for name, answer in zip(DATABASES, answers, strict=True):
        names.setdefault(answer, []).append(name)
    body = given.body.replace("\n", "\n  ")
    head = f"{body}  # {given.field}\n"
    return head + "".join(
        f"    {', '.join(on) if len(on) < len(DATABASES) else 'all'} {answer}\n"
        for answer, on in names.items()
    )


def _answers(given: Sequence[Given]) -> Iterator[list[str]]:
    """What is made of each loop on each of the databases."""
    for start in range(0, len(given), _AT_ONCE):
        some = given[start : start + _AT_ONCE]
        for position, loop in enumerate(_loops(some)):
            each = (replace(loop, databases=databases) for databases in DATABASES.values())
            yield [_answer(one).replace(name_of(position), "own") for one in each]


def _loops(given: Sequence[Given]) -> list[Loop]:
    """The loops, read once."""
    with TemporaryDirectory() as folder:
        path = write_project(Path(folder), models_of(given), migration(given))
        facts = ProjectFacts(path, Files())
        module = Module(Source.of(path, path.read_bytes()), facts.library)
        around = Surroundings(DATABASES["SQLite"], lambda *_: None, facts.modules_importing)
        found = [
            loop
            for world in facts.worlds(module)
            for function in world.reach.functions.values()
            for node in module.nodes_of(function.node)
            if isinstance(node, ast.For)
            for loop in loops_at(node, function, world.reach, Names(module), around)
        ]
    return sorted(found, key=lambda loop: loop.node.lineno)


def _answer(loop: Loop) -> str:
    decision = codemod.decision(loop)
    if not isinstance(decision, Rewrite):
        return f"- {decision.reason.value}: {decision.message}" if decision else "-"
    assert isinstance(decision.edit, ReplaceLoop)
    sign = "+" if not decision.caveats else "?"
    needed = "".join(f"  # {name}" for name in sorted({n for _, n in decision.imports}))
    doubts = "".join(f"\n        {caveat.message}" for caveat in decision.caveats)
    return f"{sign} {'; '.join(decision.edit.lines)}{needed}{doubts}"
