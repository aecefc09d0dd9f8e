"""MF303: rows that a loop updates by their keys, one by one and in batches."""

from __future__ import annotations

from functools import partial
from textwrap import indent

import pytest

from tests import checking
from tests.checking import EVERYWHERE

MODELS = "import shop.codes\n\n" + checking.MODELS.removesuffix("    ]\n") + """
        migrations.AddField("Token", "blob", models.BinaryField(null=True)),
        migrations.AddField(
            "Tag", "post", models.ForeignKey("Post", models.CASCADE, null=True, related_name="tags")
        ),
        migrations.AddField(
            "Tag", "coded", models.ForeignKey("Coded", models.CASCADE, to_field="code", null=True)
        ),
        migrations.CreateModel(
            "Child",
            [
                ("post_ptr", models.OneToOneField("Post", models.CASCADE, parent_link=True, primary_key=True)),
                ("own", models.IntegerField(null=True)),
            ],
            bases=("shop.post",),
        ),
        migrations.CreateModel("Proxy", [], options={"proxy": True}, bases=("shop.post",)),
        migrations.CreateModel(
            "Coded", [("code", models.CharField(max_length=9, unique=True)), ("key", models.AutoField(primary_key=True))]
        ),
        migrations.CreateModel(
            "Odd", [("id", models.AutoField(primary_key=True)), ("slug", shop.codes.SlugOfItsOwn(primary_key=False))]
        ),
        migrations.CreateModel(
            "Managed",
            [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
            managers=[("objects", shop.codes.Manager())],
        ),
        migrations.CreateModel(
            "Based",
            [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
            bases=(shop.codes.Base, models.Model),
        ),
    ]
"""  # fmt: skip

check_rewritten = partial(checking.check_rewritten, models=MODELS, select=("MF303",))
check_refused = partial(checking.check_refused, models=MODELS, select=("MF303",))
UPDATE = "Post.objects.filter(pk=post.pk).update(slug=post.title.lower())"


GET = "apps.get_model"


def body(*lines: str, over: str = "Post.objects.all()") -> str:
    return "\n".join([f"for post in {over}:", *(f"    {line}" for line in lines)])


def batched(*lines: str, source: str = "Post.objects", over: str = "Post.objects.all()") -> str:
    return f"with update_by_key({source}) as posts:\n{indent(body(*lines, over=over), '    ')}"


# What becomes batches


@pytest.mark.parametrize(
    "update",
    [
        "{}.filter(pk=post.pk).update(slug=post.title.lower())",
        "{}.filter(id=post.id).update(slug=post.title.lower(), note=None)",
        "{}.filter(pk=post.id).update(author=post.editor_id)",
        "{}.filter(pk=post.rank).update(slug=post.title)",
        "{}.filter(pk=len(post.title)).update(author_id=post.pk)",
    ],
)
def test_one_update(update):
    check_rewritten(
        body(update.format("Post.objects")),
        batched(update.format("posts")),
        "MF303",
        databases=EVERYWHERE,
    )


def test_a_call_over_several_lines_keeps_its_comments():
    check_rewritten(
        """
        for post in Post.objects.all():
            if post.live:
                # why
                Post.objects.filter(
                    pk=post.pk,  # of the row
                ).update(
                    slug=post.title.lower(),
                    note="",  # for want of another
                )
            else:
                Post.objects.filter(pk=post.pk).update(note=None, slug="")
        """,
        """
        with update_by_key(Post.objects) as posts:
            for post in Post.objects.all():
                if post.live:
                    # why
                    posts.filter(
                        pk=post.pk,  # of the row
                    ).update(
                        slug=post.title.lower(),
                        note="",  # for want of another
                    )
                else:
                    posts.filter(pk=post.pk).update(note=None, slug="")
        """,
    )


def test_another_model_and_another_database():
    check_rewritten(
        """
        alias = schema_editor.connection.alias
        for tag in Tag.objects.using(alias).all():
            Post.objects.using(alias).filter(pk=tag.post_id).update(slug=tag.name)
        """,
        """
        alias = schema_editor.connection.alias
        with update_by_key(Post.objects.using(alias)) as posts:
            for tag in Tag.objects.using(alias).all():
                posts.filter(pk=tag.post_id).update(slug=tag.name)
        """,
    )


def test_two_models():
    loop = check_rewritten(
        """
        for post in Post.objects.all():
            Person.objects.filter(pk=post.author_id).update(nick=post.title)
            Token.objects.filter(pk=post.pk).update(value=post.title)
        """,
        """
        with update_by_key(Person.objects) as persons, update_by_key(
            Token.objects
        ) as tokens:
            for post in Post.objects.all():
                persons.filter(pk=post.author_id).update(nick=post.title)
                tokens.filter(pk=post.pk).update(value=post.title)
        """,
    )
    assert loop.reason == "updates shop.Person rows in batches; updates shop.Token rows in batches"


def test_one_of_two_models():
    check_rewritten(
        body(UPDATE, "print(Token.objects.filter(pk=post.pk).update(value=post.title))"),
        batched(
            UPDATE.replace("Post.objects", "posts"),
            "print(Token.objects.filter(pk=post.pk).update(value=post.title))",
        ),
    )


def test_with_other_writes_and_a_stream():
    check_rewritten(
        """
        for post in Post.objects.all():
            post.slug = post.title.lower()
            post.save(update_fields=["slug"])
            Tag.objects.create(name=post.title)
            Token.objects.filter(pk=post.rank).update(value=post.slug)
        """,
        """
        with update_in_batches("slug") as batch, update_by_key(
            Token.objects
        ) as tokens, create_in_batches(Tag.objects) as tags:
            for post in stream(Post.objects.only("slug", "title", "rank")):
                post.slug = post.title.lower()
                batch.save(post)
                tags.create(name=post.title)
                tokens.filter(pk=post.rank).update(value=post.slug)
        """,
        "MF201", "MF203", "MF301", "MF302", "MF303",
        select=("MF201", "MF202", "MF203", "MF301", "MF302", "MF303"),
        databases=EVERYWHERE,
    )  # fmt: skip


def test_a_value_of_constants_becomes_one_update_as_before():
    outcome = checking.outcome_of(
        checking.whole(body("post.slug = ''", "post.save()")), models=MODELS, databases=EVERYWHERE
    )
    assert outcome.loops[0].codes == ("MF101",)


def test_rows_of_values_and_of_a_cursor():
    check_rewritten(
        """
        for pk, title in Post.objects.values_list("pk", "title"):
            Post.objects.filter(pk=pk).update(slug=title.lower())
        """,
        """
        with update_by_key(Post.objects) as posts:
            for pk, title in Post.objects.values_list("pk", "title"):
                posts.filter(pk=pk).update(slug=title.lower())
        """,
    )


@pytest.mark.parametrize("databases", [("postgresql",), EVERYWHERE])
def test_an_iterator_over_rows_that_are_updated_by_their_own_key(databases):
    over = 'Post.objects.filter(title="ab").iterator()'
    check_rewritten(
        body(UPDATE, over=over),
        batched(UPDATE.replace("Post.objects", "posts"), over=over),
        databases=databases,
    )


def test_deferred_columns_that_are_not_written():
    over = 'Post.objects.only("title")'
    lines = (UPDATE, "print(post.note)")
    check_rewritten(
        body(*lines, over=over),
        batched(lines[0].replace("Post.objects", "posts"), lines[1], over=over),
    )


# What is left

REFUSED = {
    # what the update is
    "the number of rows": ([f"count = {UPDATE}"], "loop-shape"),
    "a condition on it": ([f"if {UPDATE}:", "    print(1)"], "loop-shape"),
    "no fields": (["Post.objects.filter(pk=post.pk).update()"], "save-arguments"),
    "fields by **": (["Post.objects.filter(pk=post.pk).update(**{post.title: 1})"], "save-arguments"),
    "no column": (["Post.objects.filter(pk=post.pk).update(nothing=1)"], "save-arguments"),
    "the key itself": (["Post.objects.filter(pk=post.pk).update(id=post.pk + 1)"], "primary-key"),
    "the key by its other name": (["Post.objects.filter(pk=post.pk).update(pk=1)"], "save-arguments"),
    "a column twice": (["Post.objects.filter(pk=1).update(author=1, author_id=2)"], "save-arguments"),
    "what others point to": ([f"{GET}('shop', 'Coded').objects.filter(pk=post.pk).update(code=post.title)"], "unique"),
    "binary data": (["Token.objects.filter(pk=post.pk).update(blob=b'x')"], "value"),
    "F()": (["Post.objects.filter(pk=post.pk).update(rank=models.F('rank') + 1)"], "value"),
    "other fields": ([UPDATE, "Post.objects.filter(pk=post.pk).update(note=post.slug)"], "save-arguments"),
    # the model
    "columns in two tables": ([f"{GET}('shop', 'Child').objects.filter(pk=post.pk).update(own=post.pk)"], "multi-table-inheritance"),
    "a proxy": ([f"{GET}('shop', 'Proxy').objects.filter(pk=post.pk).update(slug=post.title)"], "multi-table-inheritance"),
    "a manager of the project": ([f"{GET}('shop', 'Managed').objects.filter(pk=post.pk).update(name=post.title)"], "custom-manager"),
    "a base of the project": ([f"{GET}('shop', 'Based').objects.filter(pk=post.pk).update(name=post.title)"], "custom-base"),
    "a field of the project": ([f"{GET}('shop', 'Odd').objects.filter(pk=post.pk).update(slug=post.title)"], "save-side-effect"),
    # who looks for rows that wait
    "a count": ([UPDATE, "print(Post.objects.count())"], "query-in-body"),
    "a lookup before": (["if Post.objects.filter(slug=post.title).exists():", "    continue", UPDATE], "query-in-body"),
    "a row of a relation": ([UPDATE, "for tag in Tag.objects.select_related('post'):", "    print(tag.post.slug)"], "query-in-body"),
    "a join": ([UPDATE, "print(Tag.objects.filter(post__slug='x').count())"], "query-in-body"),
    "a link": (["tag = Tag.objects.get(pk=post.rank)", "print(tag.post.slug)", UPDATE], "query-in-body"),
    "a manager of the rows' owner": (["print(post.author.posts.count())", UPDATE], "query-in-body"),
    "the row again": ([UPDATE, "post.refresh_from_db()"], "query-in-body"),
    "another update of the table": ([UPDATE, "Post.objects.filter(slug='').update(slug='x')"], "query-in-body"),
    "a condition besides the key": ([UPDATE, "Post.objects.filter(pk=1, slug='').update(slug='x')"], "query-in-body"),
    "a save of the row": (["post.note = ''", "post.save()", UPDATE], "query-in-body"),
    "a deletion": ([UPDATE, "Person.objects.filter(pk=post.rank).delete()"], "query-in-body"),
    "the row deleted": (["Token.objects.filter(pk=post.pk).update(value=post.slug)", "post.delete()"], "query-in-body"),
    "SQL": ([UPDATE, "schema_editor.execute('select 1')"], "query-in-body"),
    "unknown code": ([UPDATE, "shop.codes.look(post.title)"], "unknown-call"),
    "a function that updates": (["fix(post)"], None),
    "a queryset as value": (["Post.objects.filter(pk=1).update(slug=Post.objects.values('slug')[:1])"], "query-in-body"),
    # errors
    "an error that is caught": (["try:", f"    {UPDATE}", "except Exception:", "    pass"], "transaction"),
    "a transaction": (["with transaction.atomic():", f"    {UPDATE}"], "transaction"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_left(name):
    lines, reason = REFUSED[name]
    check_refused(body(*lines), reason)


@pytest.mark.parametrize(
    ("loop", "reason"),
    [
        # deferred columns, which are read as the table is by then
        (body(UPDATE, "print(post.slug)", over='Post.objects.only("title")'), "query-in-body"),
        (body("print(post.slug)", UPDATE, over='Post.objects.defer("slug")'), "query-in-body"),
        (body(UPDATE, "print(post.get_slug_display())", over='Post.objects.defer("slug")'), "query-in-body"),
        ("first = Post.objects.only('title').first()\n" + body("print(first.slug)", UPDATE), "query-in-body"),
        # rows that are given to bulk_update() as well
        ("rows = []\n" + body(UPDATE, "post.note = ''", "rows.append(post)") + "\nPost.objects.bulk_update(rows, ['note'])", "query-in-body"),
        # pages and parents
        (body(UPDATE, over="Post.objects.all()[:9]"), "few-rows"),
        ("for person in Person.objects.all():\n" + indent(body(UPDATE, over="person.posts.all()"), "    "), "query-in-body"),
        # several managers
        (body(UPDATE, UPDATE.replace("objects", "_default_manager")), "loop-shape"),
        ("for tag in Tag.objects.all():\n    Post.objects.using(tag.name).filter(pk=tag.pk).update(slug='x')", "loop-shape"),
        # a name that is taken
        ("update_by_key = 1\n" + body(UPDATE), "name-clash"),
        # raw queries
        (body(UPDATE, over='Post.objects.raw("select * from shop_post")'), "raw-sql"),
    ],
)  # fmt: skip
def test_left_for_what_is_around(loop, reason):
    check_refused(loop, reason)


LIVE = {
    "another key": (body("Post.objects.filter(pk=post.rank).update(slug=post.title)", over="Post.objects.iterator()"), "already-streams"),
    "rows chosen by it": (body(UPDATE, over='Post.objects.filter(slug="").iterator()'), "already-streams"),
    "rows in its order": (body(UPDATE, over='Post.objects.order_by("slug").iterator()'), "already-streams"),
    "rows that come twice": (body(UPDATE, over='Post.objects.filter(tags__name="x").iterator()'), "already-streams"),
    "rows joined to those": (body("Person.objects.filter(pk=post.pk).update(nick=post.slug)", over='Post.objects.filter(author__nick="").iterator()'), "already-streams"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
def test_an_iterator_of_sqlite_comes_to_what_was_written(name):
    loop, reason = LIVE[name]
    check_refused(loop, reason, databases=EVERYWHERE)


def test_signals():
    """Who hears of rows that are saved may look for those that wait."""
    models = (
        "from django.db.models.signals import post_save\n\npost_save.connect(print)\n"  # no sender
        + MODELS
    )
    check_refused(body(UPDATE, "token = Token()", "token.save()"), "signals", models=models)
    check_refused(
        body("Token.objects.filter(pk=1).update(value=post.slug)", "post.save()"),
        "signals",
        models=models,
    )
    check_rewritten(body(UPDATE), batched(UPDATE.replace("Post.objects", "posts")), models=models)


def test_signals_of_rows_that_are_made():
    models = "from django.db.models.signals import post_init\n\npost_init.connect(print)\n" + MODELS
    check_refused(body(UPDATE, "print(Token.objects.first())"), "signals", models=models)
    own = UPDATE.replace("pk=post.pk", "id=post.id")
    check_rewritten(body(own), batched(own.replace("Post.objects", "posts")), models=models)


def test_what_runs_in_more_turns_before_an_error():
    source = checking.whole(body(UPDATE, "Token.objects.create(value=post.title)"))
    atomic = checking.outcome_of(source, models=MODELS, select=("MF303",)).loops[0]
    assert atomic.changed
    plain = source.replace("    operations = [", "    atomic = False\n    operations = [")
    loop = checking.outcome_of(plain, models=MODELS, select=("MF303",)).loops[0]
    assert loop.blocked_by == "transaction"
    one = plain.replace("post.title.lower()", "'x'")
    assert checking.outcome_of(one, models=MODELS, select=("MF303",)).loops[0].changed
