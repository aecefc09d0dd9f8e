"""Migrations with odd syntax: migfix answers for each, and what it writes is whole.

Whatever a migration looks like, there is no internal error, what is written compiles and knows its names, every
comment is still there, and a second run has nothing to do.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import symtable
import time
import tokenize
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from migfix.disk.files import Files
from migfix.findings import FileOutcome
from migfix.pipeline import Engine
from migfix.reading.cutting import FUNCTIONS
from migfix.reading.vendored import helper_text
from migfix.settings import Settings, known_codes
from migfix.source import Source
from tests.corpus.fetch import CorpusUnavailable, corpus
from tests.hazards import EXAMPLES, SHAPES
from tests.mutants import compiles, mutant

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = (ROOT / "examples" / "newsroom", *sorted((ROOT / "tests" / "projects").iterdir()))
HELPER = helper_text(FUNCTIONS, Files())
FEW, MANY = 200, 5000
SEED = 1
SECONDS = 20  # of the processor, for one file; the slowest takes a fraction of one
SETTINGS = [
    Settings(select=frozenset(known_codes()), unsafe_fixes=unsafe, databases=frozenset(databases))
    for unsafe in (True, False)
    for databases in (("postgresql",), ("sqlite", "mysql", "mariadb"))
]


@dataclass
class Tally:
    made: int = 0
    changed: int = 0
    refused: int = 0
    by: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.made} mutants, {self.changed} rewritten, {self.refused} not read: {dict(self.by)}"


class Mutants:
    """Mutants of these migrations, and what migfix makes of them."""

    def __init__(self, sources: list[tuple[Path, str]]) -> None:
        self.sources = sources
        self.engines = [Engine(settings, True, Files()) for settings in SETTINGS]
        self.tally = Tally()

    def check(self, seed: int) -> None:
        r = Random(seed)
        path, source = r.choice(self.sources)
        text, names = mutant(source, r)
        engine = r.choice(self.engines)
        self.tally.made += 1
        self.tally.by.update(names)
        started = time.process_time()
        fault = self._fault(engine, path, text.encode())
        if time.process_time() - started > SECONDS:
            fault = f"takes more than {SECONDS} seconds"
        if fault:
            said = f"{seed}: {fault}\n{path} {names} {engine.settings}\n{text}"
            self.tally.found.append(said)

    def _fault(self, engine: Engine, path: Path, data: bytes) -> str | None:
        outcome = _outcome(engine, path, data)
        if outcome.traceback:
            return f"internal error: {outcome.traceback}"
        if outcome.error:
            self.tally.refused += 1
            return (
                None
                if not compiles(data)
                else f"an error for a file that is Python: {outcome.error}"
            )
        if not outcome.changed:
            return None
        self.tally.changed += 1
        after = next(edit.after for edit in outcome.edits if edit.path == outcome.path)
        return _flaw(data, after) or self._again(engine, path, after)

    @staticmethod
    def _again(engine: Engine, path: Path, after: bytes) -> str | None:
        again = _outcome(engine, path, after)
        if again.error:
            return f"the second run fails: {again.error}\n{after.decode()}"
        if not again.changed:
            return None
        last = again.edits[-1].after.decode()
        return f"the second run changes more:\n{after.decode()}\n# and then\n{last}"


def _outcome(engine: Engine, path: Path, data: bytes) -> FileOutcome:
    return next(o for o in engine.data(path, data, True) if o.path == path)


def _flaw(before: bytes, after: bytes) -> str | None:
    if not compiles(after):
        return f"does not compile:\n{after.decode()}"
    if names := _undefined(after) - _undefined(before):
        return f"undefined names {names}:\n{after.decode()}"
    if lost := _comments(before) - _comments(after):
        return f"lost comments {dict(lost)}:\n{after.decode()}"
    return None


def _comments(data: bytes) -> Counter[str]:
    tokens = tokenize.tokenize(io.BytesIO(_lines(data)).readline)
    return Counter(token.string.strip() for token in tokens if token.type == tokenize.COMMENT)


def _lines(data: bytes) -> bytes:
    """``tokenize`` takes a carriage return alone for a space."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _undefined(data: bytes) -> set[str]:
    """Names that are read as the module's and that nothing there binds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = symtable.symtable(data.decode("utf-8-sig"), "<mutant>", "exec")
    bound = {
        s.get_name()
        for s in module.get_symbols()
        if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    tables, used = [module], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            is_global = table is module or symbol.is_global()
            if is_global and symbol.is_declared_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
            if is_global and symbol.is_referenced():
                used.add(symbol.get_name())
    return (
        used
        - bound
        - set(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
    )


# --- where they come from ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Mutants:
    """Mutants of the migrations that are part of this project."""
    return Mutants(_sources(tmp_path_factory.mktemp("mutants"), list(PROJECTS)))


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Mutants:
    """Mutants of those of public projects, too."""
    try:
        public = sorted(corpus().iterdir())
    except CorpusUnavailable as error:
        pytest.skip(f"the corpus could not be downloaded: {error}")
    return Mutants(_sources(tmp_path_factory.mktemp("mutants"), [*PROJECTS, *public]))


def _sources(folder: Path, projects: list[Path]) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    engine = Engine(SETTINGS[0], False, Files())
    for project in projects:
        copy = folder / project.name
        shutil.copytree(project, copy)
        for path in sorted(copy.rglob("migrations/*.py")):
            data = path.read_bytes()
            if b"RunPython" in data and _outcome(engine, path, data).loops:
                (path.parent / "_migfix.py").write_bytes(HELPER)
                found.append((path, Source.of(path, data).text))
    return [*found, *_examples(folder / "examples")]


def _examples(project: Path) -> list[tuple[Path, str]]:
    """The loops of the hazards, in files of one project."""
    from tests.checking import MODELS

    migrations = project / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (project / "manage.py").touch()
    (project / "shop" / "__init__.py").touch()
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(MODELS)
    (migrations / "_migfix.py").write_bytes(HELPER)
    examples = [*EXAMPLES.values(), *SHAPES.values()]
    return [(migrations / "0002_fill.py", each.file(each.before)) for each in examples]


def _run(mutants: Mutants, seeds: range) -> None:
    for seed in seeds:
        mutants.check(seed)
    print(mutants.tally)
    assert not mutants.tally.found, "\n\n".join(mutants.tally.found[:20])
    assert mutants.tally.changed > mutants.tally.made / 10


def test_mutants_of_our_own_migrations(few: Mutants) -> None:
    _run(few, range(SEED, SEED + FEW))


@pytest.mark.nightly
@pytest.mark.corpus
def test_mutants_of_public_migrations(many: Mutants) -> None:
    """MIGFIX_SEED repeats a run, whose seed is printed."""
    seed = int(os.environ.get("MIGFIX_SEED") or random.randrange(2**32))
    print(f"MIGFIX_SEED={seed}: {MANY} mutants")
    _run(many, range(seed, seed + MANY))


@pytest.mark.parametrize(
    ("before", "after", "flaw"),
    [
        (b"x = 1\n", b"x = (\n", "does not compile"),
        (b"x = 1\n", b"x = y\n", "undefined names {'y'}"),
        (b"x = 1  # one\n", b"x = 1\n", "lost comments {'# one': 1}"),
        (b"# a\nx = 1  # a\n", b"x = 1  # a\n", "lost comments {'# a': 1}"),
        (b"x = 1\r# a\r", b"x = 2\r", "lost comments {'# a': 1}"),
        (b"def f():\n    return x\n", b"def f():\n    return y\n", "undefined names {'y'}"),
    ],
)
def test_a_flaw_is_seen(before: bytes, after: bytes, flaw: str) -> None:
    assert (_flaw(before, after) or "").startswith(flaw)


def test_what_is_whole_has_no_flaw() -> None:
    assert _flaw(b"x = 1  # a\n", b"# a\nfrom y import z\nx = z(len)\n") is None
