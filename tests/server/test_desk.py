"""What is found in open files, kept from one change to the next, is what ``check`` finds in the files as saved."""

from __future__ import annotations

import gc
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migfix import worlds
from migfix.server.desk import Desk
from tests.server.typist import ANYWHERE, Typist, closing, looked_at, nonsense, receiver, saving

NEWSROOM = Path(__file__).parents[2] / "examples" / "newsroom"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NEWSROOM, tmp_path / "newsroom"))


def typist_of(project: Path, seed: int) -> Typist:
    migrations = (project / "blog" / "migrations").glob("0*.py")
    return Typist(
        project, seed, migrations, [project / "blog" / name for name in ("models.py", "signals.py")]
    )


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


def compare(project: Path, seed: int, steps: int) -> set[str]:
    """Type at random and look at a file after each step; all that was said of them."""
    typist = typist_of(project, seed)
    done: list[str] = []
    said: set[str] = set()
    for _ in range(steps):
        done.append(typist.step(CHANGES))
        try:
            said.add(str(typist.compare()))
        except AssertionError:
            print("\n".join(done))
            raise
    return said


def test_what_is_kept_says_what_check_says(project: Path) -> None:
    assert len(compare(project, 1, 30)) > 10


@pytest.mark.nightly
@pytest.mark.parametrize("seed", random.sample(range(1_000_000), 20))
def test_what_is_kept_says_what_check_says_for_long(project: Path, seed: int) -> None:
    compare(project, seed, 200)


def test_a_change_leaves_the_facts_of_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where all of its files were looked into for what they import."""
    made: list[Path] = []
    make = worlds.ProjectFacts.__init__

    def counted(self: worlds.ProjectFacts, path: Path, *about: Any, **more: Any) -> None:
        made.append(path)
        make(self, path, *about, **more)

    monkeypatch.setattr(worlds, "_FEW", 0)
    monkeypatch.setattr(worlds.ProjectFacts, "__init__", counted)
    path = next((project / "blog" / "migrations").glob("0004_*.py"))
    desk = Desk()
    for text in (path.read_text(), path.read_text() + "# more\n"):
        desk.put(path, text)
        assert looked_at(desk, path).loops
        (facts,) = desk._kept[project]._facts.values()
        assert facts._naming
    assert len(made) == 1


def test_nobody_who_types_waits_for_what_one_database_would_change(project: Path) -> None:
    settings = project / "newsroom" / "settings.py"
    settings.write_text(settings.read_text() + "\nimport os\nDATABASES = os.environ['DATABASES']\n")
    path = project / "blog" / "migrations" / "0002_new_owners.py"
    desk = Desk()
    desk.put(path, path.read_text())
    look = desk.look(path)
    assert look is not None and look.outcome.assumed is not None
    assert not look.outcome.assumed.certain
    assert {loop.otherwise_on_one for loop in look.outcome.loops} == {None}


@pytest.mark.nightly
def test_a_large_project_says_what_check_says_and_takes_no_more_memory(tmp_path: Path) -> None:
    """Two hundred edits of a project with fourteen hundred migrations, of which every tenth has a loop."""
    project = generated(tmp_path / "large", apps=70, migrations=20)
    typist = Typist(
        project, 1, project.glob("app_7*/migrations/0*.py"), project.glob("app_7*/models.py")
    )
    sizes: list[int] = []
    for _ in range(200):
        done = typist.step(ANYWHERE)
        typist.compare()
        sizes.append(len(gc.get_objects()))
        print(done)
    assert max(sizes[100:]) < max(sizes[:100]) * 1.1


def generated(project: Path, apps: int, migrations: int) -> Path:
    """A project whose apps each have a model that gets a field in most of its migrations."""
    project.mkdir()
    (project / "manage.py").touch()
    for app in (f"app_{number}" for number in range(apps)):
        folder = project / app / "migrations"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (project / app / "models.py").write_text("from django.db import models\n")
        for number in range(1, migrations + 1):
            name = f"{number:04}_{'initial' if number == 1 else 'more'}"
            (folder / f"{name}.py").write_text(_migration(app, number))
    return project


def _migration(app: str, number: int) -> str:
    before = f"{number - 1:04}_{'initial' if number == 2 else 'more'}"
    dependencies = [(app, before)] if number > 1 else []
    operation = f'migrations.AddField("thing", "f{number}", models.IntegerField(default=0))'
    if number == 1:
        operation = (
            'migrations.CreateModel("Thing", [("id", models.AutoField(primary_key=True)), '
            '("name", models.CharField(max_length=9)), ("views", models.IntegerField())])'
        )
    elif number % 10 == 0:
        operation = "migrations.RunPython(forwards)"
    return (
        "from django.db import migrations, models\n\n\n"
        "def forwards(apps, schema_editor):\n"
        f'    Thing = apps.get_model("{app}", "Thing")\n'
        "    for thing in Thing.objects.all():\n"
        "        thing.views = len(thing.name)\n"
        "        thing.save()\n\n\n"
        "class Migration(migrations.Migration):\n"
        f"    dependencies = {dependencies}\n"
        f"    operations = [{operation}]\n"
    )


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

    before = objects(2)
    assert objects(4) < before * 1.05
