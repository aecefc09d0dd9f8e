"""Someone who opens files, types, saves, closes, checks out; and what ``check`` says of it all as saved."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from migfix import pipeline
from migfix.disk.files import Files
from migfix.findings import FileOutcome
from migfix.selection import Selection
from migfix.server.desk import Desk
from migfix.settings import Overrides, SettingsError, settings_for


def checked(path: Path) -> FileOutcome:
    """What a run over the disk says of the file."""
    files = Files()
    try:
        settings = settings_for(path, Overrides(), files)
    except SettingsError as error:
        return FileOutcome(path, error=str(error))
    every = Selection(apart=True)
    found = pipeline.run([path], settings, files, rewrite=True, selection=every)
    return next(each for each in found if each.path == path)


def looked_at(desk: Desk, path: Path) -> FileOutcome:
    found = desk.look(path)
    assert found is not None
    return found.outcome


class Typist:
    """Knows what each file would hold if all were saved. ``others`` are modules in which receivers may stand."""

    def __init__(
        self, project: Path, seed: int, migrations: Iterable[Path], others: Iterable[Path]
    ) -> None:
        self.project = project
        self.random = random.Random(seed)
        self.desk = Desk()
        self.texts: dict[Path, str] = {}
        self.migrations = sorted(migrations)
        self.others = sorted(others)

    def open(self, path: Path) -> None:
        if path not in self.texts:
            self.texts[path] = path.read_text() if path.exists() else ""
            self.desk.put(path, self.texts[path])

    def type(self, path: Path, text: str) -> None:
        self.open(path)
        self.texts[path] = text
        self.desk.put(path, text)

    def save(self, path: Path) -> None:
        if path in self.texts:
            path.write_text(self.texts[path])
            self.desk.look_at_disk()

    def close(self, path: Path) -> None:
        if self.texts.pop(path, None) is not None:
            self.desk.take(path)

    def text(self, path: Path) -> str:
        return self.texts.get(path) or (path.read_text() if path.exists() else "")

    def step(self, changes: list[Callable[[Typist], object]]) -> str:
        change = self.random.choice(changes)
        return f"{change.__name__}: {change(self)}"

    def look(self) -> FileOutcome:
        """Look at one of the migrations."""
        path = self.random.choice(self.migrations)
        self.open(path)
        return looked_at(self.desk, path)

    def compare(self) -> FileOutcome:
        """The same, and hold it against ``check``."""
        found = self.look()
        with Saved(self):
            expected = checked(found.path)
        assert found == expected, found.path
        return found


class Saved:
    """The disk as it would be if all were saved, for a while."""

    def __init__(self, typist: Typist) -> None:
        self.typist = typist

    def __enter__(self) -> None:
        texts = self.typist.texts
        self.before = {path: path.read_bytes() if path.exists() else None for path in texts}
        for path, text in texts.items():
            path.write_text(text)

    def __exit__(self, *_: object) -> None:
        for path, data in self.before.items():
            if data is None:
                path.unlink()
            else:
                path.write_bytes(data)


# -- changes that any project takes


def line(typist: Typist) -> object:
    """A line of a migration goes, comes twice, or gets another word; not for long where it does not parse then."""
    path = typist.random.choice(typist.migrations)
    text = typist.text(path)
    lines = text.splitlines(keepends=True)
    at = typist.random.randrange(len(lines))
    match typist.random.randrange(3):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            word = typist.random.choice(WORDS)
            lines[at] = re.sub(r"\b[a-z_]+\b", word, lines[at], count=1)
    typist.type(path, "".join(lines))
    try:
        ast.parse(typist.text(path))
    except SyntaxError:
        looked_at(typist.desk, path)
        typist.type(path, text)
    return path.name, at + 1


WORDS = ["save", "filter", "objects", "id", "all", "name", "if", "delete", "print"]


def operation(typist: Typist) -> object:
    """An operation comes or goes in a migration."""
    path = typist.random.choice(typist.migrations)
    text, added = typist.text(path), "operations = [migrations.RunSQL('SELECT 1'),"
    old, new = (added, "operations = [") if added in text else ("operations = [", added)
    typist.type(path, text.replace(old, new, 1))
    return path.name


def receiver(typist: Typist) -> object:
    """A receiver comes or goes in a module of an app, saved or not."""
    path = typist.random.choice(typist.others)
    connect = "from django.db.models.signals import post_save\npost_save.connect(print)\n"
    text = typist.text(path)
    typist.type(path, text.replace(connect, "") if connect in text else text + connect)
    return path.name


def nonsense(typist: Typist) -> object:
    """A text that does not parse, and then the one before."""
    path = typist.random.choice(typist.migrations)
    text = typist.text(path)
    typist.type(path, text + "def (:\n")
    looked_at(typist.desk, path)
    typist.type(path, text)
    return path.name


def undoing(typist: Typist) -> object:
    """All open files become what the disk holds."""
    for path in [*typist.texts]:
        typist.type(path, path.read_text())
    return None


def saving(typist: Typist) -> object:
    for path in [*typist.texts]:
        if typist.random.random() < 0.5:
            typist.save(path)
    return None


def closing(typist: Typist) -> object:
    for path in [*typist.texts]:
        if typist.random.random() < 0.3:
            typist.close(path)
    return None


ANYWHERE: list[Callable[[Typist], object]] = [
    *([line] * 6),
    *([operation] * 3),
    receiver,
    nonsense,
    undoing,
    saving,
    closing,
]
