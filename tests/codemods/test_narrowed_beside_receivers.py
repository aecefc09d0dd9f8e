"""Columns are listed where none of those who hear signals of every model may be told of by the body."""

from __future__ import annotations

import pytest

from tests import checking

# A receiver that acts on rows with an attribute that no model of the shop has.
KEEN = (
    "from django.db.models.signals import {0}\nfrom django.dispatch import receiver\n\n\n@receiver({0})\n"
    "def index(sender, instance, **kwargs):\n"
    "    if not hasattr(instance, 'get_remote_id'):\n        return\n    instance.parent.index()\n"
)
ANYBODY = "from django.db.models.signals import {0}\n\n{0}.connect(print)\n"
LINKED = checking.MODELS.replace(
    '("code", models.CharField(max_length=9, unique=True)),',
    '("code", models.CharField(max_length=9, unique=True)),\n                ("tags", models.ManyToManyField("Tag")),',
)
MAKES = "Tag.objects.create(name=post.title)"
GETS = "tag, _ = Tag.objects.get_or_create(name=post.title)"
MAKES_AND_SAVES = "tag = Tag(name=post.title)\ntag.save()"
SAVES_BOTH = f"{GETS}\npost.note = tag.name\npost.save(update_fields=['note'])"

# signal, receiver, body
SILENT = [
    ("m2m_changed", ANYBODY, MAKES),
    ("pre_delete", ANYBODY, GETS),
    ("post_delete", ANYBODY, SAVES_BOTH),
    ("post_save", ANYBODY, "Tag.objects.filter(name=post.title).update(name='x')"),
    ("post_save", ANYBODY, "Tag.objects.bulk_create([Tag(name=post.title)])"),
    ("post_save", ANYBODY, "post.tags.add(Tag.objects.get(name=post.title))"),
    ("m2m_changed", ANYBODY, "Tag.objects.filter(name=post.title).delete()"),
    ("pre_save", ANYBODY, "post.attachments.add(*Attachment.objects.filter(name=post.title))"),
    ("post_save", KEEN, MAKES),
    ("pre_save", KEEN, GETS),
    ("post_save", KEEN, MAKES_AND_SAVES),
    ("post_save", KEEN, "Tag.objects.update_or_create(name=post.title, defaults={'parent': None})"),
    ("post_save", KEEN, SAVES_BOTH),
    ("post_save", KEEN, f"{GETS}\ntag.name = post.title\ntag.save()"),
    ("pre_save", KEEN, "post.attachments.create(name=post.title)"),
]
TOLD = [
    ("post_save", ANYBODY, MAKES),
    ("pre_save", ANYBODY, GETS),
    ("post_save", ANYBODY, MAKES_AND_SAVES),
    ("post_save", ANYBODY, SAVES_BOTH),
    ("post_init", ANYBODY, GETS),
    ("class_prepared", ANYBODY, GETS),
    ("pre_save", ANYBODY, "post.attachments.create(name=post.title)"),
    ("m2m_changed", ANYBODY, "post.tags.add(Tag.objects.get(name=post.title))"),
    ("m2m_changed", ANYBODY, "post.tags.create(name=post.title)"),
    ("post_save", ANYBODY, "post.tags.create(name=post.title)"),
    ("m2m_changed", ANYBODY, "post.tags.set(Tag.objects.filter(name=post.title))"),
    ("post_delete", ANYBODY, "post.tags.set(Tag.objects.filter(name=post.title))"),
    ("m2m_changed", ANYBODY, "post.tags.clear()"),
    ("post_delete", ANYBODY, "Tag.objects.filter(name=post.title).delete()"),
    ("pre_delete", ANYBODY, "Tag.objects.get(name=post.title).delete()"),
    ("m2m_changed", ANYBODY, "Tag.objects.get(name=post.title).delete()"),
    (
        "pre_save",
        ANYBODY,
        "post.attachments.add(*Attachment.objects.filter(name=post.title), bulk=False)",
    ),
    ("post_delete", ANYBODY, "schema_editor.execute(post.title)"),
    # rows that are given what the receiver looks for
    ("post_save", KEEN, f"{GETS}\ntag.get_remote_id = post.title\ntag.save()"),
    ("post_save", KEEN, f"{GETS}\nsetattr(tag, 'get_remote_id', post.title)\ntag.save()"),
    ("post_save", KEEN, f"{GETS}\ntag.__dict__['get_remote_id'] = post.title\ntag.save()"),
    (
        "post_save",
        KEEN,
        "tag = Tag.objects.annotate(get_remote_id=models.F('name')).get(name=post.title)\ntag.save()",
    ),
    (
        "post_save",
        KEEN,
        "tag = Tag.objects.extra(select={'get_remote_id': '1'}).get(name=post.title)\ntag.save()",
    ),
    (
        "post_save",
        KEEN,
        "tag = Tag.objects.prefetch_related(models.Prefetch('tag_set', to_attr='get_remote_id'))"
        ".get(name=post.title)\ntag.save()",
    ),
]


def outcome(signal, receiver, body, ahead="", unsafe=False):
    models = LINKED + f"\n# for {signal}, {receiver is KEEN}\n"
    (checking.project(models).parent / "apps.py").write_text(receiver.format(signal))
    lines = body.replace("\n", "\n    ")
    source = checking.whole(f"{ahead}for post in Post.objects.order_by('pk'):\n    {lines}")
    return checking.outcome_of(source, models=models, select=("MF201",), unsafe=unsafe).loops[0]


@pytest.mark.parametrize("case", SILENT, ids=str)
def test_nobody_hears(case):
    assert outcome(*case).changed, outcome(*case)


@pytest.mark.parametrize("case", TOLD, ids=str)
def test_somebody_may_hear(case):
    """Who reads a column that is not loaded gets it, by a query; but as rows are made, that would make another row."""
    assert outcome(*case).blocked_by == "signals", outcome(*case)
    found = outcome(*case, unsafe=True)
    if case[0] in {"post_init", "class_prepared"}:
        assert found.blocked_by == "signals", found
    else:
        assert found.changed and "it may read any column, by a query for each row" in found.reason


@pytest.mark.parametrize(
    ("signal", "receiver", "save", "changed"),
    [
        ("pre_save", ANYBODY, "post.save()", False),
        ("class_prepared", ANYBODY, "post.save()", False),
        ("pre_save", ANYBODY, "post.save(update_fields=['title'])", True),
        ("post_save", ANYBODY, "post.save()", True),
        ("pre_delete", ANYBODY, "post.save()", True),
        ("pre_save", KEEN, "post.save()", True),
    ],
)
def test_who_hears_of_a_full_save_before_it_may_set_what_is_not_written(
    signal, receiver, save, changed
):
    found = outcome(signal, receiver, f"post.title = post.title.lower()\n{save}", unsafe=True)
    assert found.changed is changed, found
    assert changed or found.blocked_by == "signals"


def test_who_changes_a_class_of_djangos_is_in_no_doubt():
    models = checking.MODELS + "\n# patched\n"
    (checking.project(models).parent / "apps.py").write_text(
        "from django.db import models\n\nmodels.Model.save = print\n"
    )
    source = checking.whole("for post in Post.objects.order_by('pk'):\n    post.title")
    found = checking.outcome_of(source, models=models, select=("MF201",), unsafe=True).loops[0]
    assert found.blocked_by == "signals", found


CALLED = """
for post in Post.objects.order_by('pk'):
    post.title = {}
    post.save({})
"""


@pytest.mark.parametrize(
    ("value", "fields", "safe", "unsafe"),
    [
        ("unknown(post.title)", "", False, True),
        ("unknown(post.title)", "update_fields=['title']", True, True),
        ("post.title.lower()", "", True, True),
        # the row itself, SQL, and writes of the same table
        ("unknown(post)", "", False, False),
        ("schema_editor.execute(post.title)", "", False, False),
        ("Post.objects.filter(title=post.title).update(body='')", "", False, False),
        ("Post.objects.filter(title=post.title).delete()", "", False, False),
    ],
)
def test_a_full_save_beside_code_that_may_change_the_same_rows(value, fields, safe, unsafe):
    source = checking.whole(CALLED.format(value, fields)).replace(
        "\n\n\ndef forwards", "\nfrom elsewhere import unknown\n\n\ndef forwards"
    )
    for allowed, changed in ((False, safe), (True, unsafe)):
        found = checking.outcome_of(source, select=("MF201",), unsafe=allowed).loops[0]
        assert found.changed is changed, found
        if allowed and not safe and changed:
            assert "and may change the same rows" in found.reason


def test_an_attribute_that_is_set_before_the_loop():
    ahead = "first = Tag.objects.first()\nfirst.get_remote_id = 1\n"
    assert outcome("post_save", KEEN, f"{GETS}\nfirst.save()", ahead).blocked_by == "signals"
    ahead = "person = Person.objects.get(pk=1)\nperson.age = 1\n"
    assert outcome("post_save", KEEN, MAKES, ahead).changed


def test_models_that_are_imported_send_what_they_like():
    models = checking.MODELS + "\n# imported\n"
    apps = checking.project(models).parent
    (apps / "apps.py").write_text(KEEN.format("post_save"))
    (apps / "models.py").write_text("from django.db import models\nclass Tag(models.Model): ...\n")
    source = checking.whole(
        "for post in Post.objects.order_by('pk'):\n    Tag.objects.create(name=post.title)"
    )
    source = source.replace('    Tag = apps.get_model("shop", "Tag")\n', "").replace(
        "\n\ndef forwards", "from shop.models import Tag\n\n\ndef forwards"
    )
    found = checking.outcome_of(source, models=models, select=("MF201",)).loops[0]
    assert found.blocked_by == "signals", found
