"""A case runs on one of its databases where it is told to, and everything is met."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from types import SimpleNamespace

import pytest

from tests.databases import NAMES
from tests.turns import FEW, by_turns


class Item:
    def __init__(self, function: str, **params: str) -> None:
        name = "-".join(params.values())
        self.nodeid = f"tests/test_some.py::{function}[{name}]"
        self.callspec = SimpleNamespace(id=name, params=params)


def items(cases: Iterable[str], modes: Iterable[str] = "x", databases: Iterable[str] = NAMES):
    return [
        Item("test_it", mode=mode, database=database, case=case)
        for case, mode, database in product(cases, modes, databases)
    ]


def met(chosen: list[Item], *names: str) -> set[tuple[str, ...]]:
    return {tuple(item.callspec.params[name] for name in names) for item in chosen}


def test_few_cases_run_everywhere():
    some = items(map(str, range(FEW)))
    assert by_turns(some) == some


@pytest.mark.parametrize("databases", [NAMES[:2], NAMES[:3], NAMES])
def test_each_case_runs_once_and_each_database_is_met(databases):
    some = items(map(str, range(FEW + 1)), databases=databases)
    chosen = by_turns(some)
    assert len(chosen) == FEW + 1
    assert met(chosen, "case") == met(some, "case")
    assert met(chosen, "database") == met(some, "database")


def test_another_django_takes_other_databases():
    some = items(map(str, range(20)))
    assert not {*by_turns(some, 4)} & {*by_turns(some, 6)}


def test_modes_do_not_go_with_databases():
    some = items(map(str, range(20)), ["manual", "autocommit", "transaction"], NAMES[:3])
    chosen = by_turns(some)
    assert met(chosen, "mode", "database") == met(some, "mode", "database")


def test_what_is_asked_on_no_database_runs():
    others = [Item("test_others", case=str(number)) for number in range(20)]
    plain = Item("test_plain")
    del plain.callspec
    others += [Item("test_vendors", database="oracle", case=str(number)) for number in range(20)]
    assert by_turns([*others, plain]) == [*others, plain]
