"""A state that is seen to answer like another one answers alike all that was asked, and nothing else is asked."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from migfix import pipeline
from migfix.findings import Outcome
from migfix.history.recorded import Recorded
from migfix.history.state import FieldState, ModelState, ProjectState
from migfix.settings import Settings, known_codes

TITLE = FieldState("title", "django.db.models.TextField")
LONGER = FieldState("note", "django.db.models.TextField")
POST = ModelState("shop", "Post", (TITLE,))
TAG = ModelState("shop", "Tag", (TITLE,))
STATE = ProjectState({("shop", "post"): POST, ("shop", "tag"): TAG})
CHANGED = STATE.with_model(("shop", "post"), replace(POST, fields=(TITLE, LONGER)))


def test_nothing_was_asked_yet():
    assert Recorded.beginning(STATE).is_answered_alike_by(CHANGED)


def test_what_was_asked_decides():
    asked = Recorded.beginning(STATE)
    assert asked.model("shop", "Tag") == TAG
    assert asked.is_answered_alike_by(CHANGED)
    assert asked.is_answered_alike_by(Recorded.beginning(CHANGED))
    assert asked.model("shop", "Post") == POST
    assert not asked.is_answered_alike_by(CHANGED)
    assert not asked.is_answered_alike_by(Recorded.beginning(CHANGED))
    assert asked.is_answered_alike_by(STATE)


def test_a_copy_with_fewer_answers_is_compared_by_itself():
    asked = Recorded.beginning(STATE)
    asked.model("shop", "Tag")
    copied = replace(asked, answers=dict(asked.answers))
    asked.model("shop", "Post")
    assert not asked.is_answered_alike_by(CHANGED)
    assert copied.is_answered_alike_by(CHANGED)


def test_relations_are_asked_for():
    link = FieldState("post", "django.db.models.ForeignKey", target=("shop", "post"))
    pointing = STATE.with_model(("shop", "tag"), replace(TAG, fields=(link,)))
    asked = Recorded.beginning(STATE)
    assert list(asked.pointing_to(("shop", "post"))) == []
    assert not asked.is_answered_alike_by(pointing)
    asked = Recorded.beginning(STATE)
    assert asked.relations_to(("shop", "post")).incomplete
    assert asked.is_answered_alike_by(pointing) is False


def test_who_lists_all_models_is_alike_to_nobody():
    for use in (list, len, lambda models: models.get(("shop", "post"))):
        asked = Recorded.beginning(STATE)
        use(asked.models)
        assert not asked.is_answered_alike_by(STATE)


SHOP = """from django.db import migrations

def fill(apps, schema_editor):
    Tag = apps.get_model("label", "Tag")
    for tag in Tag.objects.all():
        if tag.size > 3:
            tag.rank = 1
            tag.save()
    Mark = apps.get_model("label", "Mark")
    for mark in Mark.objects.all():
        if mark.size > 3:
            mark.rank = 1
            mark.save()

class Migration(migrations.Migration):
    dependencies = [("label", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""
MODEL = """migrations.CreateModel("{}", [
            ("id", models.BigAutoField(primary_key=True)),
            ("size", models.IntegerField()),
            ("rank", models.BigIntegerField()),
        ])"""
LATER = """from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("label", "{}")]
    operations = [{}]
"""
ADDED = 'migrations.AddField("{}", "n{}", models.IntegerField(default=0))'
NULL = 'migrations.AlterField("tag", "size", models.IntegerField(null=True))'


def _project(root: Path, changes: int, last: str) -> Path:
    """The loops of a migration, and another app whose migrations may have run up to any of these changes."""
    for app in ("shop", "label"):
        (root / app / "migrations").mkdir(parents=True)
        for package in (root / app, root / app / "migrations"):
            (package / "__init__.py").touch()
    (root / "manage.py").touch()
    initial = f"{MODEL.format('Tag')}, {MODEL.format('Mark')}"
    label = root / "label" / "migrations"
    (label / "0001_initial.py").write_text(
        "from django.db import migrations, models\n\nclass Migration(migrations.Migration):\n"
        f"    initial = True\n    operations = [{initial}]\n"
    )
    names = ["0001_initial", *(f"000{n}_more" for n in range(2, changes + 2))]
    for n, (before, name) in enumerate(pairwise(names)):
        operation = last if n == changes - 1 else ADDED.format(("tag", "mark")[n % 2], n)
        (label / f"{name}.py").write_text(LATER.format(before, operation))
    file = root / "shop" / "migrations" / "0001_fill.py"
    file.write_text(SHOP)
    return file


def _outcomes(file: Path) -> list[tuple[Outcome, bool]]:
    settings = Settings(frozenset(known_codes()), databases=frozenset({"postgresql"}))
    (found,) = pipeline.run([file], settings, rewrite=False)
    return [(loop.outcome, loop.offer is None) for loop in found.loops]


@pytest.mark.parametrize("changes", [1, 2, 6])
def test_the_last_state_is_looked_at_too(tmp_path, changes):
    added = _outcomes(_project(tmp_path / "a", changes, ADDED.format("tag", 9)))
    assert added == [(Outcome.UPDATE, True), (Outcome.UPDATE, True)]
    tag, mark = _outcomes(_project(tmp_path / "b", changes, NULL))
    assert tag[0] is not Outcome.UPDATE
    assert mark == (Outcome.UPDATE, True)
