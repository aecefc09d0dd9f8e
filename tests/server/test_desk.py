"""What is found in open files, kept from one change to the next, is what ``check`` finds in the files as saved."""

from __future__ import annotations

import gc
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from migfix import pipeline
from migfix.disk.files import Files
from migfix.findings import FileOutcome
from migfix.selection import Selection
from migfix.server.desk import Desk
from migfix.settings import Overrides, SettingsError, settings_for

NEWSROOM = Path(__file__).parents[2] / "examples" / "newsroom"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NEWSROOM, tmp_path / "newsroom"))


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
    """Opens files, types, saves, closes; knows what each would hold if all were saved."""

    def __init__(self, project: Path, seed: int) -> None:
        self.project = project
        self.random = random.Random(seed)
        self.desk = Desk()
        self.texts: dict[Path, str] = {}
        self.migrations = sorted((project / "blog" / "migrations").glob("0*.py"))
        self.others = [project / "blog" / "models.py", project / "blog" / "signals.py"]

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

    def step(self) -> str:
        change = self.random.choice(CHANGES)
        return f"{change.__name__}: {change(self)}"


def body(typist: Typist) -> object:
    """A word of a loop, or a line in a function, changes."""
    path = typist.random.choice(typist.migrations)
    text = typist.text(path)
    old, new = typist.random.choice(
        [
            (".all()", ".filter(views=1)"),
            (".filter(views=1)", ".all()"),
            ("views = 1", "views = 2"),
            ("views", "title"),
            ("post.save()", "print(post); post.save()"),
            ("print(post); ", ""),
            ("    for ", "    seen = []\n    for "),
            ("    seen = []\n", ""),
            ("def ", "# signals\ndef "),
            ("\n\n\n", "\n\n\n\n# more\n\n"),
        ]
    )
    typist.type(path, text.replace(old, new, 1))
    return path.name, old, new


def operation(typist: Typist) -> object:
    """A field comes or goes in a migration before."""
    path = typist.random.choice(typist.migrations)
    old, new = "    operations = [\n", "    operations = [\n        # added\n"
    added = [
        'migrations.AddField("blogpost", "extra", models.TextField(default="")),',
        'migrations.RemoveField("blogpost", "views"),',
        'migrations.AlterField("blogpost", "views", models.IntegerField(unique=True)),',
        'migrations.RunSQL("UPDATE blog_blogpost SET views = 1"),',
    ]
    text = typist.text(path)
    if "# added" in text:
        lines = text.splitlines(keepends=True)
        at = next(i for i, line in enumerate(lines) if "# added" in line)
        del lines[at : at + 2]
        typist.type(path, "".join(lines))
    else:
        more = f"        {typist.random.choice(added)}\n"
        text = text.replace(old, f"{new}{more}", 1)
        if "models" not in text.partition("class ")[0]:
            text = f"from django.db import models\n{text}"
        typist.type(path, text)
    return path.name


def receiver(typist: Typist) -> object:
    """A receiver comes or goes in a module of the app, saved or not."""
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


def configuration(typist: Typist) -> object:
    path = typist.project / "pyproject.toml"
    said = typist.random.choice(["", 'ignore = ["MF1"]', "unsafe-fixes = true", "nonsense = 1"])
    path.write_text(f"[tool.migfix]\n{said}\n")
    typist.desk.look_at_disk()
    return said


def checkout(typist: Typist) -> object:
    """Files come, go and change under the editor's feet."""
    folder = typist.project / "shop" / "migrations"
    if folder.exists():
        shutil.rmtree(folder.parent)
    else:
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / "__init__.py").touch()
        (folder / "0001_initial.py").write_text(
            "from django.db import migrations\n\n\n"
            "class Migration(migrations.Migration):\n"
            '    dependencies = [("blog", "0001_initial")]\n'
            '    operations = [migrations.RunSQL("DROP TABLE blog_blogpost")]\n'
            '    run_before = [("blog", "0002_new_owners")]\n'
        )
    typist.desk.look_at_disk()
    return None


CHANGES: list[Callable[[Typist], object]] = [
    *([body] * 6),
    *([operation] * 3),
    receiver,
    nonsense,
    saving,
    closing,
    configuration,
    checkout,
]


class _Saved:
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


def compare(project: Path, seed: int, steps: int) -> set[str]:
    """Type at random and look at a file after each step; all that was said of them."""
    typist = Typist(project, seed)
    done: list[str] = []
    said: set[str] = set()
    for _ in range(steps):
        done.append(typist.step())
        path = typist.random.choice(typist.migrations)
        typist.open(path)
        found = looked_at(typist.desk, path)
        with _Saved(typist):
            expected = checked(path)
        assert found == expected, "\n".join([*done, path.name])
        said.add(str(expected))
    return said


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_says_what_check_says(project: Path, seed: int) -> None:
    assert len(compare(project, seed, 40)) > 12


@pytest.mark.nightly
@pytest.mark.parametrize("seed", random.sample(range(1_000_000), 20))
def test_what_is_kept_says_what_check_says_for_long(project: Path, seed: int) -> None:
    compare(project, seed, 200)


def test_memory_stays_flat(project: Path) -> None:
    """Nothing of old texts is kept, whatever they changed: a word, a line, an operation, what others may ask."""
    path = next((project / "blog" / "migrations").glob("0006_*.py"))
    text = path.read_text()
    desk = Desk()

    def objects(turns: int) -> int:
        for n in range(turns):
            more = f"operations = [migrations.RunSQL('SELECT {n}'),"
            for typed in (
                f"{text}# {n}\n",
                "\n" * (n % 9 + 1) + text,
                text.replace("operations = [", more),
                f"{text}# signals {n}\n",
            ):
                desk.put(path, typed)
                assert looked_at(desk, path).loops
        gc.collect()
        return len(gc.get_objects())

    before = objects(3)
    assert objects(9) < before * 1.05
