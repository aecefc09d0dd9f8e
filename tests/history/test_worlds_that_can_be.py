"""A world in which a function fails before it does anything is none of its worlds."""

from __future__ import annotations

import pytest

from migfix.disk.files import Files
from migfix.reading.names.module import Module
from migfix.source import Source
from migfix.worlds import ProjectFacts
from tests.history.test_history import INITIAL, add, create

FUNCTIONS = """
def fill(apps, schema_editor):
    Tag = apps.get_model("tags", "Tag")
    for tag in Tag.objects.all():
        tag.save()


def clear(apps, schema_editor):
    for tag in apps.get_model("tags", "Tag").objects.all():
        tag.save()


def none(apps, schema_editor):
    pass


"""


@pytest.mark.parametrize(
    ("ways", "tag_is_there"),
    [
        ("fill", True),
        ("fill, migrations.RunPython.noop", True),
        ("code=fill, reverse_code=fill", True),
        ("fill, clear", False),
        ("fill, none", False),
        ("clear, fill", False),
        ("lambda apps, editor: fill(apps, editor)", False),
    ],
)
def test_every_function_of_a_run_python_must_need_the_model(written, ways, tag_is_there):
    written.migration("tags.0001_initial", create("Tag") + add("tag", "x"))
    written.migration("shop.0001_initial", create("Order"))
    path = written.migration(
        "shop.0002_fill", f"migrations.RunPython({ways}),", INITIAL, top=FUNCTIONS
    )
    facts = ProjectFacts(path, Files())
    worlds = facts.worlds(Module(Source.of(path, path.read_bytes()), facts.library))
    lacking = [each for each in worlds if each.state.surely_lacks(("tags", "tag"))]
    assert worlds
    assert bool(lacking) is not tag_is_there
