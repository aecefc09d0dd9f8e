"""MF302: rows that a loop creates, one by one and in batches."""

from __future__ import annotations

from functools import partial
from textwrap import indent

import pytest

from migfix.history.state import ModelState
from migfix.pipeline import run_source
from migfix.settings import Settings
from migfix.writes.wording import names_for
from tests import checking
from tests.checking import EVERYWHERE

MODELS = "import uuid\n\nimport shop.codes\n" + checking.MODELS.removesuffix("    ]\n") + """
        migrations.AddField(
            "Tag", "post", models.ForeignKey("Post", models.CASCADE, null=True, related_name="tags")
        ),
        migrations.AddField("Attachment", "tag", models.ForeignKey("Tag", models.CASCADE, null=True)),
        migrations.AddField("Stamped", "made", models.DateTimeField(auto_now_add=True)),
        migrations.AddField("Stamped", "data", models.JSONField(default=dict)),
        migrations.AddField("Stamped", "blob", models.BinaryField(null=True)),
        migrations.AddField("Stamped", "code", models.UUIDField(default=uuid.uuid4)),
        migrations.CreateModel(
            "Membership",
            [
                ("id", models.AutoField(primary_key=True)),
                ("person", models.ForeignKey("Person", models.CASCADE)),
                ("club", models.ForeignKey("Club", models.CASCADE)),
            ],
        ),
        migrations.CreateModel(
            "Club",
            [
                ("id", models.AutoField(primary_key=True)),
                ("members", models.ManyToManyField("Person", through="Membership", related_name="clubs")),
            ],
        ),
        migrations.CreateModel(
            "Child",
            [("token_ptr", models.OneToOneField("Token", models.CASCADE, parent_link=True, primary_key=True))],
            bases=("shop.token",),
        ),
        migrations.CreateModel(
            "Hidden", [("name", models.CharField(max_length=9, **shop.codes.OPTIONS))]
        ),
        migrations.CreateModel("Made", [("at", models.DateTimeField(auto_now_add=True))]),
        migrations.CreateModel("Changed", [("at", models.DateTimeField(auto_now=True))]),
        migrations.CreateModel(
            "Orphan", [("name", models.CharField(max_length=9))], bases=("elsewhere.thing",)
        ),
        migrations.CreateModel("Proxy", [], options={"proxy": True}, bases=("shop.token",)),
        migrations.CreateModel(
            "Page",
            [
                ("id", models.AutoField(primary_key=True)),
                ("post", models.ForeignKey("Post", models.CASCADE)),
            ],
            options={"order_with_respect_to": "post"},
        ),
        migrations.CreateModel(
            "Filled",
            [
                ("id", models.AutoField(primary_key=True)),
                ("n", models.IntegerField(db_default=1)),
            ],
        ),
        migrations.CreateModel(
            "Coded",
            [
                ("id", models.AutoField(primary_key=True)),
                ("code", models.CharField(max_length=9, default=shop.codes.next_code)),
                ("name", models.CharField(max_length=9)),
            ],
        ),
        migrations.CreateModel("Aimed", [
            ("id", models.AutoField(primary_key=True)),
            ("tag", models.ForeignKey(shop.codes.TARGET, models.CASCADE)),
        ]),
        migrations.CreateModel("Keyed", [
            ("id", models.UUIDField(primary_key=True, default=uuid.uuid4)),
            ("name", models.CharField(max_length=9, unique=True)),
        ]),
        migrations.CreateModel("Source", [
            ("title", models.CharField(max_length=9)),
            ("data", models.JSONField(default=dict)),
            ("blob", models.BinaryField(null=True)),
        ]),
        migrations.CreateModel("Document", [
            ("data", models.JSONField(null=True)),
            ("blob", models.BinaryField(null=True)),
            ("encoded", models.JSONField(null=True, encoder=shop.codes.Encoder)),
            ("file", models.FileField(null=True)),
        ]),
        migrations.CreateModel("Default", [("n", models.IntegerField(default=shop.codes.NUMBERS[1]))]),
        migrations.CreateModel("List", [("n", models.IntegerField(default=shop.codes.list))]),
        migrations.CreateModel("Collections", [
            ("a", models.JSONField(default=list)),
            ("b", models.JSONField(default=set)),
            ("c", models.JSONField(default=str)),
            ("d", models.JSONField(default=tuple)),
        ]),
        migrations.CreateModel(
            "Odd",
            [
                ("id", models.AutoField(primary_key=True)),
                ("slug", shop.codes.SlugOfItsOwn()),
            ],
        ),
        migrations.CreateModel(
            "Managed",
            [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
            managers=[("objects", shop.codes.Manager())],
        ),
    ]
"""  # fmt: skip

check_rewritten = partial(checking.check_rewritten, models=MODELS, select=("MF302",))
check_refused = partial(checking.check_refused, models=MODELS, select=("MF302",))


def body(*lines: str, over: str = "Post.objects.all()") -> str:
    return "\n".join([f"for post in {over}:", *(f"    {line}" for line in lines)])


# What becomes batches


def test_create():
    check_rewritten(
        """
        for post in Post.objects.all():
            Tag.objects.create(name=post.title, post=post)
        """,
        """
        with create_in_batches(Tag.objects) as tags:
            for post in Post.objects.all():
                tags.create(name=post.title, post=post)
        """,
        "MF302",
    )


def test_save_of_a_new_row():
    check_rewritten(
        """
        for post in Post.objects.all():
            if post.title:
                Tag(name=post.title).save()
            else:
                Tag(
                    name="x",  # for want of another
                ).save()
        """,
        """
        with create_in_batches(Tag) as tags:
            for post in Post.objects.all():
                if post.title:
                    tags.add(Tag(name=post.title))
                else:
                    tags.add(Tag(
                        name="x",  # for want of another
                    ))
        """,
    )


def test_save_of_a_new_row_with_a_name():
    check_rewritten(
        """
        for post in Post.objects.all():
            tag = Tag(name=post.title)
            tag.name += "x"
            tag.name = str(tag.name)
            tag.post = post
            tag.save()
        """,
        """
        with create_in_batches(Tag) as tags:
            for post in Post.objects.all():
                tag = Tag(name=post.title)
                tag.name += "x"
                tag.name = str(tag.name)
                tag.post = post
                tags.add(tag)
        """,
    )


def test_both_ways_in_one_batch():
    check_rewritten(
        """
        for post in Post.objects.all():
            Tag.objects.create(name=post.title)
            Tag(name="x").save()
        """,
        """
        with create_in_batches(Tag.objects) as tags:
            for post in Post.objects.all():
                tags.create(name=post.title)
                tags.add(Tag(name="x"))
        """,
    )


def test_a_name_that_goes_after_save():
    check_rewritten(
        """
        for post in Post.objects.all():
            tag = Tag(name=post.title)
            tag.save()
            del tag
        """,
        """
        with create_in_batches() as tags:
            for post in Post.objects.all():
                tag = Tag(name=post.title)
                tags.add(tag)
                del tag
        """.replace("()", "(Tag)", 1),
    )


def test_new_rows_of_two_models_that_are_saved():
    lines = ("Tag(name=post.title).save()", "token = Token(value='x')", "token.save()")
    outcome = checking.outcome_of(checking.whole(body(*lines)), models=MODELS, select=("MF302",))
    assert outcome.loops[0].reason == (
        "creates shop.Tag rows in batches; creates shop.Token rows in batches"
    )


def test_two_models():
    loop = check_rewritten(
        """
        for post in Post.objects.all():
            Token.objects.create(value=post.title)
            Stamped.objects.create(name=post.title)
        """,
        """
        with create_in_batches(Token.objects) as tokens, create_in_batches(
            Stamped.objects
        ) as stampeds:
            for post in Post.objects.all():
                tokens.create(value=post.title)
                stampeds.create(name=post.title)
        """,
        databases=EVERYWHERE,
    )
    assert loop.reason == "creates shop.Token rows in batches; creates shop.Stamped rows in batches"


def test_one_of_two_models():
    """The rows of the first have keys that the second asks for."""
    check_rewritten(
        """
        for post in Post.objects.all():
            tag = Tag.objects.create(name=post.title)
            Attachment.objects.create(tag=tag)
        """,
        """
        with create_in_batches(Attachment.objects) as attachments:
            for post in Post.objects.all():
                tag = Tag.objects.create(name=post.title)
                attachments.create(tag=tag)
        """,
    )


@pytest.mark.parametrize(
    "line",
    [
        "(Tag(name=post.title)  # why\n    .save)()",
        "(Tag(name=post.title)).save()",
        "Tag(name=post.title).save (\n    )",
        "Tag(name=post.title) \\\n    .save()",
    ],
)
def test_a_save_that_does_not_follow_the_new_row_on_its_line(line):
    given = checking.whole(body(line))
    loop = checking.outcome_of(given, models=MODELS, select=("MF302",)).loops[0]
    assert not loop.changed
    assert "does not follow the new row" in loop.reason


@pytest.mark.parametrize(
    "line", ["Attachment.objects.create(tag_id=post.pk)", "Attachment(tag_id=post.pk).save()"]
)
def test_rows_that_point_to_others_by_a_key_that_is_known(line):
    """They may wait; the rows that they point to must not."""
    given = body("Tag.objects.create(id=post.pk, name='x')", line)
    outcome = checking.outcome_of(checking.whole(given), models=MODELS, select=("MF302",))
    assert outcome.loops[0].reason == "creates shop.Attachment rows in batches"


def test_with_everything_else():
    check_rewritten(
        """
        for post in Post.objects.all():
            post.slug = post.title.lower()
            post.save()
            Tag.objects.create(name=post.title, post=post)
        """,
        """
        with update_in_batches("slug", "cost") as batch, create_in_batches(
            Tag.objects
        ) as tags:
            for post in stream(Post.objects.only("slug", "title", "cost")):
                post.slug = post.title.lower()
                batch.save(post)
                tags.create(name=post.title, post=post)
        """,
        "MF201", "MF203", "MF301", "MF302",
        select=("MF201", "MF202", "MF203", "MF301", "MF302"),
        databases=EVERYWHERE,
    )  # fmt: skip


def test_a_long_header_is_laid_out():
    check_rewritten(
        """
        for post in Post.objects.all():
            Tag.objects.using(schema_editor.connection.alias).db_manager(schema_editor.connection.alias).create(name="x")
        """,
        """
        with create_in_batches(
            Tag.objects.using(schema_editor.connection.alias).db_manager(
                schema_editor.connection.alias
            )
        ) as tags:
            for post in Post.objects.all():
                tags.create(name="x")
        """,
    )  # fmt: skip


def test_an_inner_loop():
    """The batch goes around both, since one for each turn would hold few rows."""
    check_rewritten(
        """
        for person in Person.objects.all():
            for post in person.posts.all():
                Token.objects.create(value=post.title)
        """,
        """
        with create_in_batches(Token.objects) as tokens:
            for person in Person.objects.all():
                for post in person.posts.all():
                    tokens.create(value=post.title)
        """,
    )


def test_the_model_is_fetched_in_the_loop():
    check_rewritten(
        """
        for post in Post.objects.all():
            Made = apps.get_model("shop", "Token")
            Made.objects.create(value=post.title)
        """,
        """
        with create_in_batches(Token.objects) as tokens:
            for post in Post.objects.all():
                Made = apps.get_model("shop", "Token")
                tokens.create(value=post.title)
        """,
    )


def test_a_model_of_the_function_around():
    check_rewritten(
        """
        def inner():
            for post in Post.objects.all():
                Tag(name=post.title).save()
        inner()
        """,
        """
        def inner():
            with create_in_batches(Tag) as tags:
                for post in Post.objects.all():
                    tags.add(Tag(name=post.title))
        inner()
        """,
    )


@pytest.mark.parametrize("create", ["Made.objects.create(name='x')", "Made(name='x').save()"])
def test_a_model_that_has_no_name_before_the_loop(create):
    """Nor a parameter `apps` to get it from."""
    lines = body("Made = apps.get_model('shop', 'Tag')", create)
    check_refused("def inner():\n" + indent(lines, "    ") + "\ninner()", "name-clash")


@pytest.mark.parametrize(("model", "name"), [
    ("Box", "boxes"), ("Category", "categories"), ("Birthday", "birthdays"), ("NewsItem", "items"),
    ("HTTPStatus", "statuses"), ("Series", "series"), ("New", "new_news"), ("Ж", "жs"),
    ("Old", "new_olds"), ("App", "new_apps"), ("Model", "new_models"), ("Setting", "new_settings"),
    ("Migration", "new_migrations"), ("Branch", "branches"), ("Dish", "dishes"), ("Address", "addresses"),
    ("A", "new_as"), ("Phase2", "phase2s"), ("_", "_s"), ("Day", "days"), ("Y", "ies"),
])  # fmt: skip
def test_what_a_batch_is_called(model, name):
    assert names_for(ModelState("shop", model, ()))[0] == name


def test_rows_that_are_no_instances():
    check_rewritten(
        """
        for pk, title in Post.objects.values_list("pk", "title"):
            Token.objects.create(value=title)
        """,
        """
        with create_in_batches(Token.objects) as tokens:
            for pk, title in Post.objects.values_list("pk", "title"):
                tokens.create(value=title)
        """,
    )


def test_queries_of_other_tables():
    check_rewritten(
        """
        for post in Post.objects.all():
            person = Person.objects.get(name=post.title)
            Token.objects.create(value=person.name)
        """,
        """
        with create_in_batches(Token.objects) as tokens:
            for post in Post.objects.all():
                person = Person.objects.get(name=post.title)
                tokens.create(value=person.name)
        """,
    )


def test_copies_in_the_table_of_the_loop():
    """The loop's rows are fixed when it starts."""
    check_rewritten(
        """
        for post in Post.objects.all():
            Post.objects.create(title=post.title, author=post.author)
        """,
        """
        with create_in_batches(Post.objects) as posts:
            for post in Post.objects.all():
                posts.create(title=post.title, author=post.author)
        """,
    )


def test_a_stream_of_another_table():
    check_rewritten(
        """
        for post in Post.objects.all().iterator():
            Token.objects.create(value=post.title)
        """,
        """
        with create_in_batches(Token.objects) as tokens:
            for post in Post.objects.all().iterator():
                tokens.create(value=post.title)
        """,
        databases=EVERYWHERE,
    )


def test_rows_of_sql_that_the_driver_holds():
    check_rewritten(
        """
        for post in Post.objects.raw("SELECT p.* FROM shop_post p, shop_tag"):
            Tag.objects.create(name=post.title)
        """,
        """
        with create_in_batches(Tag.objects) as tags:
            for post in Post.objects.raw("SELECT p.* FROM shop_post p, shop_tag"):
                tags.create(name=post.title)
        """,
    )


def test_names_that_are_taken():
    check_rewritten(
        """
        tags = []
        for post in Post.objects.all():
            Tag.objects.create(name=post.title)
        """,
        """
        tags = []
        with create_in_batches(Tag.objects) as new_tags:
            for post in Post.objects.all():
                new_tags.create(name=post.title)
        """,
    )


def test_a_default_that_is_never_called():
    check_rewritten(
        """
        Coded = apps.get_model("shop", "Coded")
        for post in Post.objects.all():
            Coded.objects.create(code=post.title)
        """,
        """
        Coded = apps.get_model("shop", "Coded")
        with create_in_batches(Coded.objects) as codeds:
            for post in Post.objects.all():
                codeds.create(code=post.title)
        """,
    )


# What does not


@pytest.mark.parametrize("lines", [
    ("tag = Tag.objects.create(name=post.title)", "Attachment(name=tag.pk).full_clean()"),
    ("print(Tag.objects.create(name=post.title))",),
    ("made = [Tag.objects.create(name=name) for name in post.title]",),
    ("tag = Tag(name=post.title)", "tag.save()", "print(tag.pk)"),
    ("tag = Tag(name=post.title)", "tag.save()", "tag.name = 'x'"),
    ("tag = Tag(name=post.title)", "tag.save()", "tag.save()"),
    ("tag = Tag(name=post.title)", "last = tag", "tag.save()"),
    ("tag = Tag(name=post.title)", "tag.full_clean()", "tag.save()"),
    ("if post.title: print(tag.pk)", "tag = Tag(name=post.title)", "tag.save()"),
    ("tag = Tag(name=post.title)", "for name in post.title:", "    tag.name = name", "    tag.save()"),
    ("tag = Tag(name=post.title)", "while post.kind:", "    tag.save()"),
])  # fmt: skip
def test_a_new_row_that_is_used(lines):
    check_refused(body(*lines), "created-row-used")


def test_a_row_that_is_made_in_two_places():
    made = ("if post.live:", "    tag = Tag(name='a')", "else:", "    tag = Tag(name='b')")
    check_refused(body(*made, "tag.save()", "Token.objects.create(value='x')"), "query-in-body")
    check_refused(listed(*made, "tags.append(tag)"), "created-row-used")


def test_a_new_row_that_is_used_after_the_loop():
    check_refused(
        """
        for post in Post.objects.all():
            tag = Tag(name=post.title)
            tag.save()
        print(tag.pk)
        """,
        "created-row-used",
    )


@pytest.mark.parametrize("line", [
    "print(Tag.objects.count())",
    "if Tag.objects.filter(name=post.title).exists(): continue",
    "Tag.objects.get_or_create(name=post.title)",
    "Tag.objects.filter(name=post.title).update(name='x')",
    "Tag.objects.filter(name=post.title).delete()",
    "print(post.tags.count())",
    "print([tag.name for tag in post.tags.all()])",
    "print(Post.objects.filter(tags__name='x').exists())",
    "print(Attachment.objects.filter(tag__name='x').count())",
    "print(Attachment.objects.get(pk=1).tag.name)",
    "Person.objects.filter(name=post.title).delete()",
    "post.delete()",
    "schema_editor.execute('SELECT 1')",
    "Attachment.objects.filter(name=post.title).update(tag_id=post.pk)",
])  # fmt: skip
def test_the_body_looks_for_rows_that_wait(line):
    """``tags`` of a many-to-many or a foreign key, joins, deletions that cascade, raw SQL."""
    check_refused(body("Tag.objects.create(name=post.title, id=post.pk)", line), "query-in-body")


def test_managers_of_relations_through_the_new_rows():
    check_refused(
        """
        Membership = apps.get_model("shop", "Membership")
        for person in Person.objects.all():
            Membership.objects.create(person=person, club_id=1)
            if person.clubs.exists():
                print(person)
        """,
        "query-in-body",
    )


def test_pairs_that_may_point_to_new_rows():
    loop = check_refused(
        """
        Club = apps.get_model("shop", "Club")
        first = Club.objects.first()
        for person in Person.objects.all():
            Club.objects.create(id=person.pk)
            first.members.add(person)
        """,
        "query-in-body",
    )
    assert "may point to those of shop.Club" in loop.reason


FUNCTIONS = """\
def token_of(model, value):
    found = model.objects.filter(value=value).first()
    return found or model.objects.create(value=value)


def attach(model, name, tag_id):
    model.objects.create(name=name, tag_id=tag_id)


def count_of(model, **lookups):
    return model.objects.filter(**lookups).count()


def remove(model, pk):
    model.objects.get(pk=pk).delete()


"""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("token_of(Token, post.title)", None),
        ("attach(Attachment, post.title, post.pk)", "query-in-body"),
        ("count_of(Tag, name=post.title)", "query-in-body"),
        ("count_of(Attachment, tag__name=post.title)", "query-in-body"),
        ("remove(Token, post.pk)", "query-in-body"),
    ],
)
def test_functions_of_the_file_that_may_look_for_rows_that_wait(line, reason):
    source = checking.whole(body("Tag.objects.create(name=post.title, id=post.pk)", line))
    source = source.replace("def forwards", FUNCTIONS + "def forwards")
    found = checking.outcome_of(source, models=MODELS, select=("MF302",), unsafe=True).loops[0]
    assert found.blocked_by == reason, found


def test_the_loop_saves_rows_of_the_same_table():
    check_refused(
        body("post.title = 'x'", "Post.objects.create(title='y')", "post.save()"),
        "query-in-body",
    )


def test_the_loop_saves_rows_of_a_model_that_is_not_known():
    over = "apps.get_model('shop', schema_editor.name).objects.all()"
    check_refused(body("Tag.objects.create(name='x')", "post.save()", over=over), "query-in-body")


def test_the_loop_saves_rows_that_may_point_to_new_ones():
    check_refused(
        """
        for tag in Attachment.objects.all():
            Tag.objects.create(id=tag.pk, name="x")
            tag.tag_id = tag.pk
            tag.save()
        """,
        "query-in-body",
    )


@pytest.mark.parametrize("write", ["create", "update"])
def test_rows_of_a_model_whose_columns_are_not_known_may_point_to_new_ones(write):
    check_refused(
        body(
            "Orphan = apps.get_model('shop', 'Orphan')",
            "Tag.objects.create(id=post.pk, name='x')",
            f"Orphan.objects.{write}(name=post.title)",
        ),
        "query-in-body",
    )


@pytest.mark.parametrize("model", ["Default", "List"])
def test_a_default_that_may_look_for_rows_that_wait(model):
    loop = check_refused(
        body(f"apps.get_model('shop', '{model}').objects.create()"), "unknown-call"
    )
    assert "the default of `n` may look for" in loop.reason


def test_defaults_that_make_collections():
    before = "Collections = apps.get_model('shop', 'Collections')\n"
    before += body("Collections.objects.create()")
    assert header(before) == "with create_in_batches(Collections.objects) as collections:"


def test_a_key_may_point_to_new_rows_if_it_is_not_known_where_it_points():
    made = ("Tag.objects.create(id=post.pk, name='x')", "Aimed.objects.create(tag_id=post.pk)")
    before = "Aimed = apps.get_model('shop', 'Aimed')\n" + body(*made)
    outcome = checking.outcome_of(checking.whole(before), models=MODELS, select=("MF302",))
    assert outcome.loops[0].reason == "creates shop.Aimed rows in batches"


def test_a_field_that_is_not_known_may_point_to_new_rows():
    check_refused(
        body(
            "Odd = apps.get_model('shop', 'Odd')",
            "Tag.objects.create(id=post.pk, name='x')",
            "Odd.objects.update(slug=post.title)",
        ),
        "query-in-body",
    )


def test_another_model_in_the_same_table():
    check_refused(
        body(
            "Proxy = apps.get_model('shop', 'Proxy')",
            "Token.objects.create(value='x')",
            "Proxy(value='y').save()",
        ),
        "query-in-body",
    )


@pytest.mark.parametrize("over", [
    "Tag.objects.iterator()",
    "Post.objects.filter(tags__name='x').iterator()",
    "Post.objects.prefetch_related('tags').iterator(100)",
    "Post.objects.raw('SELECT p.* FROM shop_post p, shop_tag').iterator()",
    "apps.get_model('shop', name).objects.iterator()",
])  # fmt: skip
def test_a_stream_that_may_come_to_the_new_rows(over):
    check_refused(
        body("Tag.objects.create(name='x')", over=over), "queryset-shape", databases=EVERYWHERE
    )


@pytest.mark.parametrize("block", ["try:", "with transaction.atomic():", "with open('x'):"])
def test_errors_and_blocks_around_a_create(block):
    ending = ["except Exception:", "    pass"] if block == "try:" else []
    check_refused(
        body(block, "    Tag.objects.create(name=post.title)", *ending),
        "transaction",
    )


def test_errors_caught_around_the_loop():
    check_refused(
        """
        try:
            for post in Post.objects.all():
                Tag.objects.create(name=post.title)
        except Exception:
            print("failed")
        """,
        "transaction",
    )


def test_transactions_in_the_body():
    check_refused(
        body("Tag.objects.create(name=post.title)", "schema_editor.connection.commit()"),
        "query-in-body",
    )


def test_a_generator():
    check_refused(body("Tag.objects.create(name=post.title)", "yield post"), "leaves-function")


def test_a_loop_in_a_loop():
    check_refused(
        """
        while Token.objects.exists():
            for post in Post.objects.all():
                Tag.objects.create(name=post.title)
        """,
        "per-parent",
    )


def test_few_rows():
    check_refused(
        body("Token.objects.create(value='x')", over="Post.objects.all()[:9]"), "few-rows"
    )


@pytest.mark.parametrize("line", [
    "Tag(name=post.title).save(force_insert=True)",
    "Tag.objects.create(*post.title)",
])  # fmt: skip
def test_arguments(line):
    check_refused(body(line), "save-arguments")


@pytest.mark.parametrize(("line", "message"), [
    ("Tag(name=post.title).save(True)", "save() on line 12 is called with arguments"),
    ("Tag.objects.create('x')", "create() on line 12 takes no positional arguments"),
    ("x = Tag.objects.create(name='x')", "the row that line 12 creates is used"),
    ("with x: Tag(name='x').save()", "save() on line 12 would come after its `with` block"),
    ("with x: Tag.objects.create(name='x')", "create() on line 12 would come after its `with` block"),
])  # fmt: skip
def test_what_is_said_of_the_call(line, message):
    outcome = checking.outcome_of(checking.whole(body(line)), models=MODELS, select=("MF302",))
    assert outcome.loops[0].reason == message


@pytest.mark.parametrize("manager", [
    "Tag.objects.all()",
    'Tag.objects.using("default")',
    'Tag.objects.db_manager("default")',
    'apps.get_model("shop", "Tag").objects',
])  # fmt: skip
def test_a_manager_that_is_said_in_the_loop(manager):
    assert (
        header(body(f"{manager}.create(name='x')")) == f"with create_in_batches({manager}) as tags:"
    )


def test_the_base_manager_of_a_model_with_managers_of_the_project():
    check_rewritten(
        """
        Managed = apps.get_model("shop", "Managed")
        for post in Post.objects.all():
            Managed._base_manager.create(name=post.title)
        """,
        """
        Managed = apps.get_model("shop", "Managed")
        with create_in_batches(Managed._base_manager) as manageds:
            for post in Post.objects.all():
                manageds.create(name=post.title)
        """,
    )


def test_what_is_saved_is_no_row_of_a_model():
    before = checking.whole(body("imported.Form(post.title).save()"))
    outcome = checking.outcome_of(before, models=MODELS, select=("MF302",))
    assert outcome.loops[0].blocked_by is None
    assert not outcome.changed
    check_refused(
        body("Tag.objects.create(name='x')", "imported.Form(post.title).save()"), "query-in-body"
    )


@pytest.mark.parametrize(("model", "reason"), [
    ("Child", "multi-table-inheritance"),
    ("Proxy", "multi-table-inheritance"),
    ("Page", "save-side-effect"),
    ("Filled", "field-unknown"),
    ("Hidden", "field-unknown"),
    ("Managed", "custom-manager"),
    ("Missing", "model-unknown"),
    ("Orphan", "model-unknown"),
    ("' + post.title + '", "model-unknown"),
])  # fmt: skip
def test_models_whose_rows_are_completed_elsewhere(model, reason):
    check_refused(
        body(f"Made = apps.get_model('shop', '{model}')", "Made.objects.create(name='x')"), reason
    )


def test_a_model_that_stands_for_another():
    line = "apps.get_model('shop', 'Proxy').objects.create(value='x')"
    loop = check_refused(body(line), "multi-table-inheritance")
    assert loop.reason == "shop.Proxy stands for another model"


def test_models_of_the_project():
    before = checking.whole(body("Other.objects.create(name=post.title)")).replace(
        "\n\n\ndef forwards", "\nfrom shop.models import Other\n\n\ndef forwards"
    )
    loop = checking.outcome_of(before, models=MODELS, select=("MF302",)).loops[0]
    assert loop.blocked_by == "real-model"


@pytest.mark.parametrize("owner", ["post.tags", "Tag.live_objects", "Tag.objects.filter(name='x')"])
def test_managers_that_are_not_the_model_s(owner):
    reason = "queryset-shape" if "filter" in owner else "custom-manager"
    loop = check_refused(body(f"{owner}.create(name='x')"), reason)
    assert "hangs on a row" in loop.reason or owner != "post.tags"


def test_several_managers():
    check_refused(
        body("Tag.objects.create(name='x')", "Tag.objects.using('other').create(name='x')"),
        "loop-shape",
    )


@pytest.mark.parametrize(
    "line",
    [
        "Tag.objects.using(imported.pick()).create(name='x')",
        "Tag(name=post.title). save()",
        "(Tag)(name=post.title).save()",
    ],
)
def test_what_cannot_be_written_before_the_loop_or_beside_the_row(line):
    check_refused(body(line), "loop-shape")


def test_a_manager_by_a_name_that_may_not_be_there_before_the_loop():
    create = ("if schema_editor:", "    Tag.objects.using(alias).create(name=post.title)")
    check_refused("if schema_editor:\n    alias = 'default'\n" + body(*create), "loop-shape")


def test_a_manager_made_in_the_loop():
    check_refused(
        body("alias = post.title", "Tag.objects.using(alias).create(name='x')"), "loop-shape"
    )


@pytest.mark.parametrize(("lines", "reason"), [
    (("Tag.objects.create(name=unknown(post))",), "unknown-call"),
    (("Tag.objects.create(name=post.title)", "imported.audit(post)"), "unknown-call"),
    (("Made = apps.get_model('shop', 'Coded')", "Made.objects.create(name='x')"), "unknown-call"),
    (("Made = apps.get_model('shop', 'Odd')", "Made.objects.create()"), "save-side-effect"),
])  # fmt: skip
def test_code_that_may_look_for_rows_that_wait(lines, reason):
    """Functions, defaults and fields that are not known may query: with ``--unsafe-fixes`` only."""
    loop = check_refused(body(*lines), reason)
    assert loop.offer
    outcome = checking.outcome_of(
        checking.whole(body(*lines)), models=MODELS, select=("MF302",), unsafe=True
    )
    assert outcome.changed


def test_receivers_of_every_model():
    receiver = (
        "from django.db.models.signals import post_save\n\npost_save.connect(print)\n"  # no sender
    )
    models = MODELS + "\n# a project of its own\n"
    (checking.project(models).parent / "apps.py").write_text(receiver)
    loop = checking.check_refused(
        body("Tag.objects.create(name=post.title)"), "signals", models=models, select=("MF302",)
    )
    assert loop.offer
    sends_none = checking.whole(listed(APPEND))
    assert checking.outcome_of(sends_none, models=models, select=("MF302",)).changed


# Lists for one bulk_create()


def listed(
    *lines: str, end: str = "Tag.objects.bulk_create(tags)", over: str = "Post.objects.all()"
):
    return "\n".join(["tags = []", body(*lines, over=over), end])


def test_a_list_for_bulk_create():
    check_rewritten(
        """
        tags = []
        for post in Post.objects.all():
            if post.title:
                tags.append(Tag(name=post.title, post=post))
        Tag.objects.bulk_create(tags, batch_size=500)
        print("done")
        """,
        """
        with create_in_batches(Tag.objects, batch_size=500) as tags:
            for post in Post.objects.all():
                if post.title:
                    tags.append(Tag(name=post.title, post=post))
        print("done")
        """,
        "MF302",
    )


def test_a_list_in_a_loop_that_catches_other_errors():
    lines = ("try:", "    n = int(post.title)", "except ValueError:", "    n = 0")
    assert (
        header(listed(*lines, "tags.append(Tag(name=n))"))
        == "with create_in_batches(Tag.objects) as tags:"
    )


def test_a_list_of_rows_with_names():
    check_rewritten(
        """
        tags = []  # as many as posts
        for post in Post.objects.all():
            tag = Tag(name=post.title)
            tag.post = post
            tags.append(tag)
        if tags:
            Tag.objects.bulk_create(tags)
        """,
        """
        # as many as posts
        with create_in_batches(Tag.objects) as tags:
            for post in Post.objects.all():
                tag = Tag(name=post.title)
                tag.post = post
                tags.append(tag)
        """,
    )


APPEND = "tags.append(Tag(name=post.title))"


def header(body: str, batch_size: int = 1000) -> str:
    """The line of the batch, in a project that wants batches of this size."""
    settings = Settings(
        select=frozenset({"MF302"}), databases=frozenset({"postgresql"}), batch_size=batch_size
    )
    path = checking.project(MODELS) / "0002_fill.py"
    outcome = run_source(checking.whole(body).encode(), path, settings, rewrite=True)
    assert outcome.edits, outcome.loops
    lines = outcome.edits[-1].after.decode().splitlines()
    return next(line.strip() for line in lines if line.strip().startswith("with "))


@pytest.mark.parametrize(("size", "argument"), [(500, ", batch_size=500"), (1000, "")])
@pytest.mark.parametrize(
    "before", [body("Tag.objects.create(name=post.title)"), listed(APPEND),
               listed(APPEND, end="Tag.objects.bulk_create(tags, batch_size=None)")]
)  # fmt: skip
def test_the_size_of_batches_is_written_where_it_is_not_that_of_the_helper(before, size, argument):
    expected = f"with create_in_batches(Tag.objects{argument}) as tags:"
    assert header(before, size) == expected


@pytest.mark.parametrize("size", ["1", "50", "1000", "SIZE"])
def test_the_size_that_bulk_create_is_given_comes_before_that_of_the_project(size):
    before = "SIZE = 70\n" + listed(APPEND, end=f"Tag.objects.bulk_create(tags, batch_size={size})")
    assert header(before, 500) == f"with create_in_batches(Tag.objects, batch_size={size}) as tags:"


@pytest.mark.parametrize("size", ["0", "-1", "True", "'9'", "len(apps.get_models())", "other"])
def test_a_size_that_is_not_known(size):
    """`bulk_create()` may fail for it, or run code for it."""
    end = f"Tag.objects.bulk_create(tags, batch_size={size})"
    check_refused("if schema_editor:\n    other = 9\n" + listed(APPEND, end=end), "save-arguments")


@pytest.mark.parametrize(("before", "reason"), [
    (listed(APPEND, end="Tag.objects.bulk_create(tags, ignore_conflicts=flag)"), "save-arguments"),
    (listed(APPEND, end="Tag.objects.bulk_create(tags, update_conflicts=True)"), "save-arguments"),
    (listed(APPEND, end="Tag.objects.bulk_create(tags, ignore_conflicts=1)"), "save-arguments"),
    (listed(APPEND, end="Tag.live_objects.bulk_create(tags)"), "custom-manager"),
    (listed(APPEND, "post.tag_id = 1", "post.save()", over="Attachment.objects.all()"), "query-in-body"),
    (listed(APPEND, end="Tag.objects.bulk_create(tags)\nprint(tags)"), "created-row-used"),
    (listed(APPEND, "print(len(tags))"), "created-row-used"),
    (listed(APPEND, "if len(tags) > 9: tags = []"), "created-row-used"),
    (listed(APPEND, "tags = []"), "created-row-used"),
    (listed(APPEND, "made = tags.append(Tag(name='x'))"), "created-row-used"),
    (listed(APPEND, "others.append(Tag(tags))"), "created-row-used"),
    (listed(APPEND).replace("\n", "\ntags.append(Tag(name='first'))\n", 1), "created-row-used"),
    (listed(APPEND) + "\ntags.append(Tag(name='last'))", "created-row-used"),
    (listed("tags.append(post)"), "created-row-used"),
    (listed("tags.append(Token(value='x'))"), "created-row-used"),
    (listed("tag = Tag(name='x')", "tags.append(tag)", "tag.name = 'y'"), "created-row-used"),
    (listed("author = Person(name='x')", APPEND, "print(author.name)"), "created-row-used"),
    (listed(APPEND, "if post.title: return"), "leaves-function"),
    (listed(APPEND, "print(Tag.objects.count())"), "query-in-body"),
    (listed(APPEND, "print(post.tags.count())"), "query-in-body"),
    (listed(APPEND, "post.delete()"), "query-in-body"),
    (listed(APPEND, over="Tag.objects.all()"), "queryset-shape"),
    (listed(APPEND, over="Post.objects.filter(tags=None)"), "queryset-shape"),
    (listed(APPEND, over="Post.objects.using('other')"), "transaction"),
    ("try:\n" + indent(listed(APPEND), "    ") + "\nexcept ValueError:\n    pass", "transaction"),
    (listed(APPEND, "imported.audit(post)"), "unknown-call"),
    (listed("tags.append(Stamped(name='x'))", end="Stamped.objects.bulk_create(tags)"), "one-timestamp"),
    (listed("data = {}", "tags.append(Stamped(data=data))", "data['n'] = 1",
            end="Stamped.objects.bulk_create(tags)"), "value"),
    (listed("tags.append(Tag(id=post.pk, name='x'))"), "primary-key"),
    (listed("tag = Tag(name='x')", "tag.pk = post.pk", "tags.append(tag)"), "primary-key"),
    (listed("tags.append(Tag(None, 'x'))"), "value"),
    (listed("tags.append(Stamped(data=None))", end="Stamped.objects.bulk_create(tags)"), "one-timestamp"),
    (listed("try:", f"    {APPEND}", "except Exception:", "    pass"), "transaction"),
    (listed("with suppress(Exception):", f"    {APPEND}"), "transaction"),
    (listed("tags.append(Tag(**values))"), "value"),
])  # fmt: skip
def test_lists_that_are_needed(before, reason):
    check_refused(before, reason)


@pytest.mark.parametrize("model", ["Made", "Changed"])
def test_the_moment_of_bulk_create(model):
    append, end = f"tags.append({model}())", f"{model}.objects.bulk_create(tags)"
    before = f"{model} = apps.get_model('shop', '{model}')\n" + listed(append, end=end)
    loop = check_refused(before, "one-timestamp")
    assert loop.offer


def test_a_list_of_rows_whose_default_may_look_for_others():
    before = "Coded = apps.get_model('shop', 'Coded')\n" + listed(
        "tags.append(Coded(name='x'))", end="Coded.objects.bulk_create(tags)"
    )
    loop = check_refused(before, "unknown-call")
    assert "the default of `code` may look for shop.Coded rows" in loop.reason


@pytest.mark.parametrize(("code", "known"), [
    ("def next_code():\n    return 'x'", True),
    ("def next_code():\n    'The first.'\n    return {'a': [-1, (None,)], **{'b': {True}}}", True),
    ("from .others import next_code", True),
    ("def next_code():\n    return", True),
    ("def next_code():\n    return CODES", False),
    ("def next_code():\n    return f'{Tag.objects.count()}'", False),
    ("def next_code():\n    return [Tag.objects.count()]", False),
    ("def next_code(n=Tag.objects.count):\n    n()\n    return 'x'", False),
    ("def next_code():\n    yield 'x'", False),
    ("def next_code():\n    return 'x'\n\n\nnext_code = Tag.objects.count", False),
    ("def next_code():\n    return 'x'\n\n\nif Tag:\n    def next_code():\n        return Tag.objects.count()", False),
    ("@counted\ndef next_code():\n    return 'x'", False),
    ("async def next_code():\n    return 'x'", False),
    ("class next_code(str):\n    pass", False),
    ("next_code = lambda: 'x'", False),
])  # fmt: skip
def test_defaults_of_the_project(code, known):
    folder = checking.project(MODELS)
    (folder.parent / "codes.py").write_text(f"from .models import Tag\n\n\n{code}\n")
    (folder.parent / "others.py").write_text("def next_code():\n    return 'x'\n")
    before = "Coded = apps.get_model('shop', 'Coded')\n" + body("Coded.objects.create(name='x')")
    chosen = Settings(select=frozenset({"MF302"}), databases=frozenset({"postgresql"}))
    outcome = run_source(
        checking.whole(before).encode(), folder / "0002_fill.py", chosen, rewrite=True
    )
    assert outcome.changed is known, outcome.loops


def test_values_of_a_list_that_have_no_names():
    loop = check_refused(listed("tags.append(Tag(**values))"), "value")
    assert loop.reason == "the value of `**` may change before bulk_create()"


def documents(*lines: str) -> str:
    models = "".join(f"{n} = apps.get_model('shop', '{n}')\n" for n in ("Document", "Source"))
    end = "Document.objects.bulk_create(tags)"
    return models + listed(*lines, end=end, over="Source.objects.all()")


@pytest.mark.parametrize("lines", [
    ["tags.append(Document(data=post.data))"],
    ["tags.append(Document(data={'title': post.data.get('title', [])}, blob=post.blob))"],
    ["shown = dict(post.data)", "tags.append(Document(data=[shown, shown]))"],
    ["made = Document(blob=post.blob)", "made.data = post.data", "tags.append(made)"],
    ["seen = len(post.title)", "seen += 1", "tags.append(Document(data=[seen]))"],
    ["tags.append(Document(encoded=None, file=''))"],
])  # fmt: skip
def test_documents_that_nothing_changes(lines):
    assert header(documents(*lines)) == "with create_in_batches(Document.objects) as tags:"


@pytest.mark.parametrize("lines", [
    ["tags.append(Document(data=post.data))", "post.data['x'] = 1"],
    ["tags.append(Document(data=post.data))", "del post.data['x']"],
    ["tags.append(Document(data=SHARED))", "SHARED.append(post.pk)"],
    ["tags.append(Document(data=SHARED))", "held = [SHARED]", "held[0] += [post.pk]"],
    ["tags.append(Document(data=SHARED))", "for SHARED[0] in [post.pk]: pass"],
    ["tags.append(Document(data=SHARED))", "with suppress(ValueError) as SHARED[0]: pass"],
    ["def change(held): held.sort()", "tags.append(Document(data=SHARED))", "change(SHARED)"],
    ["tags.append(Document(data=SHARED))", "setattr(SHARED, 'x', 1)"],
    ["tags.append(Document(data=SHARED))", "heapq.heappush(SHARED, post.pk)"],
    ["found = defaultdict(list)", "tags.append(Document(data=found))", "found[1]"],
    ["made = Document()", "made.data = post.data", "tags.append(made)", "post.data.clear()"],
    ["tags.append(Document(blob=post.blob))", "post.blob[0] = 1"],
    ["tags.append(Document(encoded=post.data))"],
    ["tags.append(Document(file=post.file))"],
])  # fmt: skip
def test_documents_that_may_change(lines):
    before = "import heapq\nfrom collections import defaultdict\nfrom contextlib import suppress\n"
    check_refused(before + "SHARED = []\n" + documents(*lines), "value")


def test_a_value_that_no_column_takes():
    """It may be for a property, or fail as it did."""
    before = listed("tags.append(Tag(name=post.title, other=None))")
    assert header(before) == "with create_in_batches(Tag.objects) as tags:"


@pytest.mark.parametrize(("lines", "refused"), [
    (["person = Person.objects.get_or_create(name=post.title)[0]",
      "tags.append(Membership(person=person))"], None),
    (["Person.objects.get_or_create(id=post.pk)", "tags.append(Membership(person_id=post.pk))"],
     "query-in-body"),
    (["Person.objects.filter(name='').update(name='x')", "tags.append(Membership(person=first))"],
     "query-in-body"),
])  # fmt: skip
def test_what_new_rows_point_to_is_there(lines, refused):
    """MySQL looks for it as they are inserted, and leaves them out of an INSERT IGNORE."""
    models = "Membership = apps.get_model('shop', 'Membership')\nfirst = Person.objects.first()\n"
    before = models + listed(*lines, end="Membership.objects.bulk_create(tags)")
    if refused is None:
        assert header(before) == "with create_in_batches(Membership.objects) as tags:"
    else:
        check_refused(before, refused)


def test_conflicts_that_are_ignored():
    before = listed(APPEND, end="Tag.objects.bulk_create(tags, ignore_conflicts=True)")
    assert header(before) == "with create_in_batches(Tag.objects, ignore_conflicts=True) as tags:"
    loop = check_refused(before, "primary-key", databases=EVERYWHERE)
    assert loop.offer and "MySQL counts up keys for all rows of an INSERT" in loop.reason
    ended = listed(APPEND, end="Tag.objects.bulk_create(tags, ignore_conflicts=False)")
    assert header(ended) == "with create_in_batches(Tag.objects) as tags:"


def test_conflicts_of_rows_that_get_no_keys_by_number():
    before = "Keyed = apps.get_model('shop', 'Keyed')\n" + listed(
        "tags.append(Keyed(name=post.title))",
        end="Keyed.objects.bulk_create(tags, ignore_conflicts=True)",
    )
    outcome = checking.outcome_of(
        checking.whole(before), models=MODELS, select=("MF302",), databases=EVERYWHERE
    )
    assert outcome.changed


@pytest.mark.parametrize("first", ["print(); tags = []", "global tags\ntags = []"])
def test_a_list_that_does_not_stand_alone(first):
    outcome = checking.outcome_of(
        checking.whole(listed(APPEND).replace("tags = []", first)), models=MODELS, select=("MF302",)
    )
    assert not outcome.changed


def test_a_list_for_a_model_that_is_not_known():
    check_refused(listed(APPEND, end="imported.objects.bulk_create(tags)"), "model-unknown")


@pytest.mark.parametrize("before", [
    listed(APPEND, end="print()\nTag.objects.bulk_create(tags)"),
    listed(APPEND, end="made = Tag.objects.bulk_create(tags)"),
    listed(APPEND, end="if tags:\n    Tag.objects.bulk_create(tags)\n    print()"),
    listed(APPEND, end="if schema_editor:\n    Tag.objects.bulk_create(tags)"),
    listed(APPEND, end="if len(tags):\n    Tag.objects.bulk_create(tags)"),
    listed(APPEND, end="if tags:\n    Tag.objects.bulk_create(tags)\nelse:\n    print()"),
    listed(APPEND).replace("tags = []", "tags = [Tag(name='first')]"),
])  # fmt: skip
def test_other_ways_to_use_a_list(before):
    outcome = checking.outcome_of(checking.whole(before), models=MODELS, select=("MF302",))
    assert not outcome.changed
