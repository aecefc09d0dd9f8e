"""What a body is taken to send is what Django sends: no signal of rows, and of no model, that nobody expects."""

from __future__ import annotations

import re

import pytest

from migfix.expressions.preconditions import gates
from migfix.expressions.preconditions.signalling import sent
from migfix.project.signals import INIT
from tests import checking
from tests.running import Case, run

pytestmark = pytest.mark.behaviour

MODELS = checking.MODELS.removesuffix("    ]\n") + (
    '        migrations.AddField("Post", "tags", models.ManyToManyField("Tag")),\n    ]\n'
)
LISTENING = """
from django.db.models import signals


def heard(signal, sender, **kwargs):
    for name in ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed"):
        if signal is getattr(signals, name):
            print("heard", name, sender.__name__)


for each in (signals.pre_save, signals.post_save, signals.pre_delete, signals.post_delete, signals.m2m_changed):
    each.connect(heard)
"""
BODIES = [
    "Tag.objects.create(name=post.title)",
    "Tag.objects.get_or_create(name=post.title)",
    "Tag.objects.update_or_create(name=post.title, defaults={'parent': None})",
    "tag = Tag(name=post.title)\ntag.save()",
    "Tag.objects.filter(name='t').update(name=post.title)",
    "Tag.objects.bulk_create([Tag(name=post.title)])",
    "tags = list(Tag.objects.all())\nTag.objects.bulk_update(tags, ['name'])",
    "post.tags.add(Tag.objects.first())",
    "post.tags.create(name=post.title)",
    "post.tags.set(Tag.objects.all())",
    "post.tags.clear()",
    "post.tags.remove(*Tag.objects.all())",
    "post.attachments.create(name=post.title)",
    "post.attachments.add(*Attachment.objects.all())",
    "post.attachments.add(*Attachment.objects.all(), bulk=False)",
    "Tag.objects.filter(name='t').delete()",
    "tag = Tag.objects.first()\nif tag:\n    tag.delete()",
    "post.author.save()",
    "post.title = 'x'\npost.save()",
    "Attachment.objects.filter(post=post).delete()",
    "post.delete()",
]
PERSON = {"id": 1, "name": "a", "age": 1}
POST = {
    "id": 1,
    "title": "p",
    "slug": "s",
    "body": "",
    "kind": 1,
    "cost": 1,
    "code": "c",
    "author_id": 1,
}
ROWS = {
    "Person": [PERSON],
    "Post": [POST],
    "Tag": [{"id": 1, "name": "t"}, {"id": 2, "name": "p"}],
    "Attachment": [{"id": 1, "name": "a", "post_id": 1}],
}


@pytest.mark.parametrize("body", BODIES)
def test_what_a_body_sends(body, monkeypatch):
    lines = body.replace("\n", "\n    ")
    source = checking.whole(f"for post in Post.objects.order_by('pk'):\n    {lines}")
    quiet, spoken = (
        run(Case(MODELS, rows, files={"shop/__init__.py": "", "shop/models.py": LISTENING}), source)
        for rows in ({}, ROWS)
    )
    assert spoken.error is None, spoken.error
    told = re.findall(r"heard (\w+) (\w+)", spoken.output[len(quiet.output) :] or spoken.output)
    told = {(signal, sender) for signal, sender in told if sender != "Migration"}
    expected = []

    def noting(loop):
        expected.extend(sent(loop))
        return iter(expected)

    monkeypatch.setattr(gates, "sent", noting)
    monkeypatch.setattr(gates, "_only_sender", lambda loop: None)
    checking.outcome_of(source, models=MODELS, select=("MF201",))
    assert expected
    for signal, sender in told:
        assert any(
            signal in signals and (model is None or model.name == sender)
            for signals, model in expected
        ), (signal, sender)
    if "update(name" in body or ("bulk" in body and "False" not in body):
        assert {signals for signals, _ in expected} == {INIT}
