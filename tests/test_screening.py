"""Files that are done without a look are those of which the pipeline says nothing either."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix import pipeline
from migfix.disk.files import Files
from migfix.screening import has_nothing, outcome_without_a_look, outcomes_without_a_look
from migfix.selection import EVERY
from migfix.settings import Overrides, settings_for

HEAD = "from django.db import migrations, models\n"
MIGRATION = """
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython({})]
"""
CALLED = """
def forwards(apps, schema_editor):
    {}
"""
HELPER = """
def fill(apps, schema_editor):
    for post in apps.get_model("shop", "Post").objects.all():
        post.title = "x"
        post.save()
"""
NOTHING = {
    "an empty file": "",
    "a schema migration": f"import shop.fields\nfrom django.conf import settings\n{HEAD}"
    "class Migration(migrations.Migration):\n    operations = [migrations.DeleteModel('A')]\n",
    "RunPython without a loop": HEAD
    + CALLED.format("apps.get_model('shop', 'Post').objects.update(title=[x for x in 'a'])")
    + MIGRATION.format("forwards"),
    "a function of another module": f"from shop import things\n{HEAD}{MIGRATION.format('things.fill')}",
}
SOMETHING = {
    "a loop": HEAD
    + CALLED.format(
        "for post in apps.get_model('shop', 'Post').objects.all():\n        post.delete()"
    )
    + MIGRATION.format("forwards"),
    "a loop behind a semicolon": "x = 1; y = [\n]\nif x:\n    pass\nelse:\n for a in y: pass\n",
    "a loop behind a backslash": "if 1:\\\n  pass\nwhile 0: \\\n  pass\nelse:\n\tfor a in (): pass\n",
    "a helper beside it": f"from ._helper import fill\n{HEAD}{MIGRATION.format('fill')}",
    "a helper by a module": f"from . import _helper\n{HEAD}{MIGRATION.format('_helper.fill')}",
    "a helper by its full name": "from shop.migrations._helper import fill\n"
    f"{HEAD}{MIGRATION.format('fill')}",
    "a helper by an import": f"import shop.migrations._helper\n{HEAD}"
    f"{MIGRATION.format('shop.migrations._helper.fill')}",
    "a helper by its package": f"from shop import migrations as them\n{HEAD}"
    f"{MIGRATION.format('them._helper.fill')}",
    "a helper by an attribute": f"import shop\n{HEAD}{MIGRATION.format('shop.migrations._helper.fill')}",
    "a comment for migfix": f"{HEAD}# migfix: ignore[MF999]\n",
    "a helper of migfix": f"from ._migfix import stream\n{HEAD}",
    "no Python": "class",
    "bytes of no encoding": "# coding: nothing\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "shop/migrations"
    found.mkdir(parents=True)
    for path in (tmp_path / "manage.py", tmp_path / "shop/__init__.py", found / "__init__.py"):
        path.touch()
    (found / "_helper.py").write_text(HELPER)
    (found / "0001_initial.py").write_text(
        f"{HEAD}class Migration(migrations.Migration):\n    operations = [migrations.CreateModel("
        "'Post', [('id', models.AutoField(primary_key=True)), ('title', models.TextField())])]\n"
    )
    return found


@pytest.mark.parametrize("name", NOTHING)
def test_the_pipeline_says_nothing_of_what_is_screened(folder: Path, name: str) -> None:
    path = folder / "0002_fill.py"
    path.write_text(NOTHING[name])
    files = Files()
    settings = settings_for(path, Overrides(), files)
    for paths in ([path], [folder], [folder.parent.parent], [path, folder, folder / "nowhere.py"]):
        screened = outcomes_without_a_look(paths, settings, files, EVERY)
        assert screened == pipeline.run(paths, settings, files, rewrite=False)
    own = outcome_without_a_look(path, path.read_bytes(), settings)
    assert own is not None
    assert own == pipeline.run_source(path.read_bytes(), path, settings, files, rewrite=False)


@pytest.mark.parametrize("name", SOMETHING)
def test_what_may_matter_is_looked_at(folder: Path, name: str) -> None:
    path = folder / "0002_fill.py"
    path.write_text(SOMETHING[name])
    assert not has_nothing(path, path.read_bytes())
    files = Files()
    settings = settings_for(path, Overrides(), files)
    assert outcomes_without_a_look([path], settings, files, EVERY) is None


def test_a_named_file_is_not_done_by_its_bytes_alone(folder: Path) -> None:
    files = Files()
    settings = settings_for(folder, Overrides(), files)
    assert outcomes_without_a_look([folder], settings, files, EVERY) is not None
    assert outcomes_without_a_look([folder, folder / "_helper.py"], settings, files, EVERY) is None


@pytest.mark.parametrize("config", ['helper = "shop._batches"', 'select = ["MF1", "MF103"]'])
def test_settings_by_which_more_matters(folder: Path, config: str) -> None:
    path = folder.parent.parent / "pyproject.toml"
    path.write_text(f"[tool.migfix]\n{config}\n")
    files = Files()
    settings = settings_for(folder, Overrides(), files)
    assert outcomes_without_a_look([folder], settings, files, EVERY) is None
    assert outcome_without_a_look(folder / "0001_initial.py", b"", settings) is None
