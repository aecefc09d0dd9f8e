"""MF304: rows that a loop adds to many-to-many relations, one by one and in batches."""

from __future__ import annotations

from functools import partial
from textwrap import indent

import pytest

from tests import checking
from tests.checking import EVERYWHERE

MODELS = checking.MODELS.removesuffix("    ]\n") + """
        migrations.AddField("Post", "tags", models.ManyToManyField("Tag", related_name="posts")),
        migrations.AddField("Post", "stamps", models.ManyToManyField("Stamped")),
        migrations.AddField("Post", "near", models.ManyToManyField("self")),
        migrations.CreateModel(
            "Vote",
            [
                ("id", models.AutoField(primary_key=True)),
                ("post", models.ForeignKey("Post", models.CASCADE)),
                ("person", models.ForeignKey("Person", models.CASCADE)),
            ],
        ),
        migrations.AddField("Post", "voters", models.ManyToManyField("Person", through="Vote", related_name="+")),
        migrations.CreateModel("Own", [("id", models.AutoField(primary_key=True))], bases=(elsewhere.Base, models.Model)),
        migrations.AddField("Post", "owns", models.ManyToManyField("Own")),
    ]
"""  # fmt: skip
MODELS = "import elsewhere\n\n" + MODELS

check_rewritten = partial(checking.check_rewritten, models=MODELS, select=("MF304",))
check_refused = partial(checking.check_refused, models=MODELS, select=("MF304",))
ADD = "post.tags.add(post.rank)"
BATCHED = "links.of(post.tags).add(post.rank)"


def body(*lines: str, over: str = "Post.objects.all()") -> str:
    return "\n".join([f"for post in {over}:", *(f"    {line}" for line in lines)])


def batched(*lines: str, over: str = "Post.objects.all()") -> str:
    return f"with link_in_batches() as links:\n{indent(body(*lines, over=over), '    ')}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([ADD], [BATCHED]),
        (["if post.live:", f"    {ADD}  # why"], ["if post.live:", f"    {BATCHED}  # why"]),
        (["post.stamps.add(post.pk)"], ["links.of(post.stamps).add(post.pk)"]),
        ([ADD, "post.tags.add(3)"], [BATCHED, "links.of(post.tags).add(3)"]),
        ([ADD, "print(Person.objects.count())"], [BATCHED, "print(Person.objects.count())"]),
        ([ADD, "post.note = 'x'", "post.save()"], [BATCHED, "post.note = 'x'", "post.save()"]),
    ],
)
def test_added(before, after):
    check_rewritten(body(*before), batched(*after), "MF304", databases=EVERYWHERE)


def test_the_other_end_outside_of_the_loop():
    check_rewritten(
        "tag = Tag.objects.get(pk=1)\n" + body("tag.posts.add(post)"),
        "tag = Tag.objects.get(pk=1)\n" + batched("links.of(tag.posts).add(post)"),
    )


def test_two_relations():
    loop = check_rewritten(
        body(ADD, "post.stamps.add(post.pk)"),
        """
        with link_in_batches() as links, link_in_batches() as stamps_links:
            for post in Post.objects.all():
                links.of(post.tags).add(post.rank)
                stamps_links.of(post.stamps).add(post.pk)
        """,
    )
    assert loop.reason == "adds to shop.Post.tags in batches; adds to shop.Post.stamps in batches"
    assert [*map(str, loop.gains)] == ["round trips that add: for each row -> for each batch"]


REFUSED = {
    # what is added
    "several rows": (["post.tags.add(1, 2)"], None),
    "none": (["post.tags.add()"], None),
    "a list": (["post.tags.add(*[1, 2])"], None),
    "values of the pair": (["post.voters.add(1, through_defaults={})"], None),
    "a part of something else": ([f"print({ADD})"], "loop-shape"),
    # the relation
    "a model between": (["post.voters.add(post.rank)"], "model-unknown"),
    "the same model": (["post.near.add(post.rank)"], "query-in-body"),
    "a reverse foreign key": (["person = Person.objects.get(pk=1)", "person.posts.add(post)"], None),
    "a base of the project": (["post.owns.add(1)"], "custom-base"),
    # who looks for pairs that wait
    "the relation": ([ADD, "print(post.tags.count())"], "query-in-body"),
    "its other end": ([ADD, "tag = Tag.objects.get(pk=1)", "print(tag.posts.count())"], "query-in-body"),
    "a removal": (["post.tags.remove(1)", ADD], "query-in-body"),
    "set": (["post.tags.set([1])", ADD], "query-in-body"),
    "a join": (["if Post.objects.filter(tags=1).exists():", "    continue", ADD], "query-in-body"),
    "a prefetch": ([ADD, "print(len(Post.objects.prefetch_related('tags')))"], "query-in-body"),
    "the pairs": ([ADD, "print(apps.get_model('shop', 'Post_tags').objects.count())"], "query-in-body"),
    "the class's relation": ([ADD, "print(Post.tags.through.objects.count())"], "query-in-body"),
    "a deletion": ([ADD, "Person.objects.filter(pk=1).delete()"], "query-in-body"),
    "the row deleted": ([ADD, "post.delete()"], "query-in-body"),
    "SQL": ([ADD, "schema_editor.execute('select 1')"], "query-in-body"),
    "unknown code": ([ADD, "elsewhere.look(post.title)"], "unknown-call"),
    # errors
    "an error that is caught": (["try:", f"    {ADD}", "except Exception:", "    pass"], "transaction"),
    "a transaction": (["with transaction.atomic():", f"    {ADD}"], "transaction"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_left(name):
    lines, reason = REFUSED[name]
    check_refused(body(*lines), reason)


def test_an_iterator_of_sqlite_comes_to_what_was_added():
    over = "Post.objects.filter(tags__name='x').iterator()"
    check_refused(body(ADD, over=over), "already-streams", databases=EVERYWHERE)
    check_rewritten(body(ADD, over=over), batched(BATCHED, over=over))


def test_a_page_and_an_outer_loop():
    check_refused(body(ADD, over="Post.objects.all()[:9]"), "few-rows")
    check_refused(f"while True:\n{indent(body(ADD), '    ')}", "per-parent")


@pytest.mark.parametrize("signal", ["m2m_changed", "post_init"])
def test_signals(signal):
    models = MODELS + f"\n# another project for {signal}\n"
    receiver = f"from django.db.models.signals import {signal}\n\n{signal}.connect(print)\n"
    (checking.project(models).parent / "apps.py").write_text(receiver)
    check_refused(body(ADD), "signals", models=models)


def test_numbers_of_pairs_after_a_batch_that_has_failed():
    plain = checking.whole(body(ADD)).replace(
        "    operations = [", "    atomic = False\n    operations = ["
    )
    for databases, changed in ((("postgresql",), False), (("sqlite",), True)):
        outcome = checking.outcome_of(plain, models=MODELS, select=("MF304",), databases=databases)
        assert outcome.loops[0].changed is changed, outcome.loops[0]
