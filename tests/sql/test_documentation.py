"""The tables of docs/databases.md are those of the pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from migfix.sql.databases import PAGES, Trait
from migfix.sql.databases.page import Answer, Doubt, Never, family_of
from migfix.sql.nodes import Operation, reads
from tests.sql.operations import every_operation

DOCUMENT = Path(__file__).parents[2] / "docs" / "databases.md"
COLUMNS = {
    "PostgreSQL": "postgresql",
    "MySQL": "mysql",
    "MariaDB": "mariadb",
    "SQLite": "sqlite",
    "Oracle": "oracle",
}

# Operations that are called otherwise in Python.
WRITTEN = {"neg": "-x", "same": "x", "concat": "+", "slice": "[i:j]"}


def table(first: str, rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    head = f"| {first} | {' | '.join(COLUMNS)} |\n|{'---|' * (1 + len(COLUMNS))}\n"
    return head + "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in rows)


def traits() -> str:
    has = {name: PAGES[page].traits for name, page in COLUMNS.items()}
    return table(
        "", ((each.value, ["yes" if each in has[n] else "-" for n in COLUMNS]) for each in Trait)
    )


def operations() -> str:
    found: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for each in filter(reads, every_operation()):
        found[family_of(each), each.name].append(each)
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (family, name), nodes in sorted(found.items()):
        cells = tuple(cell(nodes, page) for page in COLUMNS.values())
        alike[family.removesuffix(" key"), cells].append(f"`{WRITTEN.get(name, name)}`")
    rows = ((f"{family}: {', '.join(unique(n))}", cells) for (family, cells), n in alike.items())
    return table("", rows)


def unique(names: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(names)


def cell(nodes: Iterable[Operation], page: str) -> str:
    said = {max(answers(node, page), key=ORDER.index) for node in nodes}
    return ", ".join(sorted(said, key=ORDER.index))


ORDER = ["exact", "unsafe", "refused"]


def answers(node: Operation, page: str) -> Iterable[str]:
    """What Django and the database make of it."""
    for each in ("Django", page):
        yield word(PAGES[each].operations[node.name, family_of(node)](node))


def word(answer: Answer) -> str:
    return {Doubt: "unsafe", Never: "refused"}.get(type(answer), "exact")


def test_the_documented_traits_are_those_of_the_pages():
    assert traits() in DOCUMENT.read_text(), traits()


def test_the_documented_operations_are_those_of_the_pages():
    assert operations() in DOCUMENT.read_text(), operations()
