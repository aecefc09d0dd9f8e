"""batch-saves: which loops may write their rows in batches, and which must save them one by one."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from migfix.findings import Applicability
from migfix.pipeline import run_source
from migfix.reports.told import further_lines
from migfix.settings import Settings
from tests.checking import (
    EVERYWHERE,
    MODELS,
    PREAMBLE,
    SHORT,
    check_refused,
    check_rewritten,
    outcome_of,
    project,
    whole,
)

SELECT = ("MF301",)
SAVED = "post.slug = post.title.lower()\npost.save()\n"


def loop(body: str, before: str = "", rows: str = "Post.objects.all()") -> str:
    """A loop over posts with this body."""
    return f"{before}for post in {rows}:\n{indent(body, '    ')}"


def turn(line: str, before: str = "", rows: str = "Post.objects.all()") -> str:
    """A loop that sets a slug and saves, after this line of its body."""
    return loop(f"{line}\n{SAVED}", before, rows)


def batched(body: str, fields: str = '"slug"', before: str = "", rows: str = "Post.objects.all()"):
    inner = indent(loop(body, rows=rows), "    ").replace("post.save()", "batch.save(post)")
    return f"{before}with update_in_batches({fields}) as batch:\n{inner}"


def check_batched(before: str, after: str, models: str = MODELS, databases=("postgresql",)) -> None:
    check_rewritten(before, after, "MF301", models=models, databases=databases, select=SELECT)


# --- what is saved --------------------------------------------------------------------------------

BODIES = {
    "a value from Python": (SAVED, '"slug"'),
    "two columns": ("post.note = str(post.pk)\n" + SAVED, '"note", "slug"'),
    "a save under a condition": ("if post.live:\n" + indent(SAVED, "    "), '"slug"'),
    "a save after continue": ("if post.live:\n    continue\n" + SAVED, '"slug"'),
    "two saves on two ways": (
        "if post.live:\n" + indent(SAVED, "    ")
        + 'else:\n    post.note = f"{post.pk}"\n    post.save()\n',
        '"slug", "note"',
    ),
    "a row saved twice": (SAVED + "post.note = post.slug\n" + "post.save()\n", '"slug", "note"'),
    "break": (SAVED + "if post.kind == 3:\n    break\n", '"slug"'),
    "return": (SAVED + "if post.kind == 3:\n    return\n", '"slug"'),
    "raise": ("if post.kind == 3:\n    raise ValueError(post.pk)\n" + SAVED, '"slug"'),
    "a loop inside": (
        "for letter in post.title:\n    post.slug += letter.lower()\n    post.save()\n",
        '"slug"',
    ),
    "a column that save() computes is in the list": (
        "post.slug = post.title.lower()\npost.save()\nprint(post.pk)\n",
        '"slug"',
    ),
    "a foreign key by its column": ("post.author_id = len(post.title)\npost.save()\n", '"author"'),
    "a column that setattr names": ('setattr(post, "slug", post.title)\npost.save()\n', '"slug"'),
    "names given to save": (
        'post.slug = post.title.lower()\npost.note = ""\npost.save(update_fields=["slug"])\n',
        '"slug"',
    ),
    "comments": (
        "# why\npost.slug = str(post.pk)  # here\npost.save()  # and here\n# end\n",
        '"slug"',
    ),
    "an attribute that is no column": ("post.seen_here = 1\n" + SAVED, '"slug"'),
    "an error of another query that is caught": (
        "try:\n    post.author = Person.objects.get(name=post.title)\n"
        "except Person.DoesNotExist:\n    continue\npost.save()\n",
        '"author"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_saves_that_are_written_in_batches(name):
    body, fields = BODIES[name]
    after = batched(body, fields).replace('batch.save(post, update_fields=["slug"])', "")
    after = after.replace('post.save(update_fields=["slug"])', "batch.save(post)")
    check_batched(loop(body), after)


@pytest.mark.parametrize("names", ['("slug",)', '{"slug"}'])
def test_names_given_to_save_as_they_may_be_written(names):
    body = "post.slug = post.title.lower()\npost.save({})\n"
    check_batched(loop(body.format(f"update_fields={names}")), batched(body.format("")))


@pytest.mark.parametrize(
    ("save", "message"),
    [
        ("post.save()", "writes slug and 1 that save() writes back (cost) in batches"),
        ('post.save(update_fields=["slug", "cost"])', "writes slug, cost in batches"),
    ],
)
def test_what_is_said_of_the_columns(save, message):
    source = whole(loop(f"post.slug = post.title.lower()\n{save}\n"))
    found = outcome_of(source, databases=("sqlite",), select=SELECT)
    assert found.loops[0].reason == message


def test_another_name_for_the_row():
    check_batched(
        loop("p = post\np.slug = p.title.lower()\np.save()\n"),
        'with update_in_batches("slug") as batch:\n    for post in Post.objects.all():\n'
        "        p = post\n        p.slug = p.title.lower()\n        batch.save(p)\n",
    )


def test_the_row_of_the_turn_before():
    check_batched(
        "last = None\nfor post in Post.objects.all():\n    if last is not None:\n"
        "        last.slug = post.title.lower()\n        last.save()\n    last = post\n",
        'last = None\nwith update_in_batches("slug") as batch:\n'
        "    for post in Post.objects.all():\n        if last is not None:\n"
        "            last.slug = post.title.lower()\n            batch.save(last)\n"
        "        last = post\n",
    )


def test_a_text_over_several_lines_keeps_its_bytes():
    check_batched(
        'for post in Post.objects.all():\n    post.slug = f"""\n  {post.pk}\n\t"""\n    post.save()\n',
        'with update_in_batches("slug") as batch:\n    for post in Post.objects.all():\n'
        '        post.slug = f"""\n  {post.pk}\n\t"""\n        batch.save(post)\n',
    )


def test_rows_with_their_number():
    check_batched(
        "for n, post in enumerate(Post.objects.all()):\n    post.rank = n\n    post.save()\n",
        'with update_in_batches("rank") as batch:\n'
        "    for n, post in enumerate(Post.objects.all()):\n"
        "        post.rank = n\n        batch.save(post)\n",
    )


def test_what_save_computes_is_written_too():
    check_batched(
        "for s in Stamped.objects.all():\n    s.name = s.other.strip()\n    s.save()\n",
        'with update_in_batches("name", "updated") as batch:\n'
        "    for s in Stamped.objects.all():\n        s.name = s.other.strip()\n"
        "        batch.save(s)\n",
    )


def test_a_value_that_changes_in_place():
    check_batched(
        'for t in Token.objects.all():\n    t.data["a"] = t.value\n    t.save()\n',
        'with update_in_batches("data") as batch:\n    for t in Token.objects.all():\n'
        '        t.data["a"] = t.value\n        batch.save(t)\n',
    )


def test_two_loops_have_a_batch_each():
    check_batched(loop(SAVED) + loop(SAVED), batched(SAVED) + batched(SAVED))


def test_a_loop_in_a_block_of_its_own_transaction():
    head = "from django.db import transaction\nwith transaction.atomic():\n"
    check_batched(head + indent(loop(SAVED), "    "), head + indent(batched(SAVED), "    "))


def test_a_loop_with_an_else():
    ending = "else:\n    print(1)\n"
    check_batched(loop(SAVED) + ending, batched(SAVED) + indent(ending, "    "))


def test_a_name_that_is_taken():
    taken = "batch = 1\n"
    after = batched(SAVED, before=taken).replace("as batch", "as pending")
    check_batched(loop(SAVED, taken), after.replace("batch.save", "pending.save"))


def test_the_import_of_another_helper_function_is_extended():
    before = whole(loop(SAVED)).replace(
        "from django.db import migrations, models\n",
        "from django.db import migrations, models\n\nfrom ._migfix import stream\n",
    )
    written = outcome_of(before, select=SELECT).edits[-1].after.decode()
    assert "from ._migfix import stream, update_in_batches\n" in written


def test_a_function_that_is_called_with_several_models():
    def file(second: str) -> str:
        return PREAMBLE + dedent(f"""
                fill(Person, 1)
                fill({second}, 2)


            def fill(Model, number):
                for row in Model.objects.all():
                    row.name = row.name.lower()
                    row.save()


            class Migration(migrations.Migration):
                dependencies = [("shop", "0001_initial")]
                operations = [migrations.RunPython(forwards)]
        """).replace("\nfill", "\n    fill")

    both = outcome_of(file("Tag"), select=SELECT)
    assert 'with update_in_batches("name") as batch:' in both.edits[-1].after.decode()
    stamped = outcome_of(file("Stamped"), select=SELECT)  # save() refreshes a time there
    assert stamped.loops[0].blocked_by == "states-differ"


PLACES = {
    "a save in a try": (
        loop("try:\n    " + SAVED.replace("\n", "\n    ") + "pass\nexcept Exception:\n    pass\n"),
        "transaction",
    ),
    "a save in a transaction of its own": (
        "from django.db import transaction\n"
        + loop("with transaction.atomic():\n" + indent(SAVED, "    ")),
        "transaction",
    ),
    "the value of save": (loop("post.slug = post.title\nx = post.save()\n"), "loop-shape"),
    "a save in a lambda": (loop("post.slug = post.title\nf = lambda: post.save()\n"), "loop-shape"),
    "a save in a function inside": (
        loop("post.slug = post.title\ndef f():\n    post.save()\nf()\n"),
        "loop-shape",
    ),
    "errors are caught around the loop": (
        "try:\n" + indent(loop(SAVED), "    ") + "except ValueError:\n    pass\n",
        "transaction",
    ),
    "errors are suppressed around the loop": (
        "import contextlib\nwith contextlib.suppress(ValueError):\n" + indent(loop(SAVED), "    "),
        "transaction",
    ),
    "the function yields": (turn("yield post.pk"), "leaves-function"),
    "an outer loop": (
        "for number in range(3):\n" + indent(loop(SAVED), "    "),
        "per-parent",
    ),
    "the few rows of another one": (
        "for person in Person.objects.all():\n"
        + indent(loop(SAVED, rows="person.posts.all()"), "    "),
        "per-parent",
    ),
    "both names are taken": (turn("pass", "batch = pending = 1\n"), "name-clash"),
    "the helper's name is taken": (turn("pass", "update_in_batches = 1\n"), "name-clash"),
}


@pytest.mark.parametrize("name", PLACES)
def test_saves_at_places_where_they_cannot_wait(name):
    before, reason = PLACES[name]
    refuse(before, reason)


def refuse(before: str, reason: str, **options) -> None:
    """No batch in any loop of the body, not even as an unsafe fix."""
    outcome = outcome_of(whole(before), unsafe=True, select=SELECT, **options)
    assert not any(each.changed for each in outcome.loops), outcome.edits[-1].after.decode()
    assert reason in {each.blocked_by for each in outcome.loops}, outcome.loops


@pytest.mark.parametrize("ending", ["except Exception:\n    pass", "finally:\n    pass"])
def test_a_function_whose_errors_are_caught_where_it_is_called(ending):
    source = PREAMBLE.replace("def forwards", "def fill") + indent(loop(SAVED), "    ")
    source += (
        "\n\ndef forwards(apps, schema_editor):\n    try:\n        fill(apps, schema_editor)\n"
    )
    source += indent(ending, "    ") + "\n\n\nclass Migration(migrations.Migration):\n"
    source += '    dependencies = [("shop", "0001_initial")]\n'
    source += "    operations = [migrations.RunPython(forwards)]\n"
    found = outcome_of(source, select=SELECT).loops[0]
    assert found.blocked_by == ("transaction" if "except" in ending else None)


def test_an_async_function():
    source = whole(turn("async with lock:\n    pass")).replace("def forwards", "async def fill")
    source = source.replace(
        "class Migration",
        "def forwards(apps, schema_editor):\n    asyncio.run(fill(apps, schema_editor))\n\n\n"
        "class Migration",
    )
    found = outcome_of("import asyncio\n" + source, select=SELECT, unsafe=True).loops[0]
    assert found.blocked_by == "leaves-function"


ROWS = {
    "the key is taken off, so that save() adds a row": ("post.pk = None", "primary-key"),
    "the key is set": ("post.id = 7", "primary-key"),
    "the state of the row": ("post._state.adding = True", "field-unknown"),
    "a name that is no column": ("print(post.full_title)", "field-unknown"),
    "the row is deleted": ("if post.kind:\n    post.delete()", "query-in-body"),
    "the row goes to unknown code": ("imported.run(post)", "row-escapes"),
    "the row is kept": ("kept.append(post)", "row-escapes"),
    "the row is read again": ("post.refresh_from_db()", "query-in-body"),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_do_not_stay_what_they_are(name):
    line, reason = ROWS[name]
    refuse(turn(line), reason)


ARGUMENTS = {
    "other fields on another way": (
        'post.slug = ""\nif post.live:\n    post.save()\nelse:\n    post.save(update_fields=["slug"])',
        "save-arguments",
    ),
    "other names on another way": (
        'post.slug = ""\npost.save(update_fields=["slug"])\npost.save(update_fields=["note"])',
        "save-arguments",
    ),
    "names that grow": (
        'names = ["slug"]\nif post.live:\n    names.append("note")\npost.save(update_fields=names)',
        "save-arguments",
    ),
    "another database": ('post.slug = ""\npost.save(using="other")', "save-arguments"),
    "force": ('post.slug = ""\npost.save(force_update=True)', "save-arguments"),
    "force, by its place": ('post.slug = ""\npost.save(False, True)', "save-arguments"),
    "force beside names": (
        'post.slug = ""\npost.save(update_fields=["slug"], force_update=True)',
        "save-arguments",
    ),
    "all fields on another way": (
        'post.slug = ""\nif post.live:\n    post.save()\nelse:\n    post.save(update_fields=[])',
        "save-arguments",
    ),
    "no names": ('post.slug = ""\npost.save(update_fields=[])', "save-arguments"),
    "a name of no column": ('post.save(update_fields=["nothing"])', "save-arguments"),
    "the key": ('post.save(update_fields=["id"])', "primary-key"),
    "nothing is set": ("if post.live:\n    post.save()", "never-saved"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_saves_of_fields_that_are_not_the_same_in_every_turn(name):
    body, reason = ARGUMENTS[name]
    refuse(loop(body + "\n"), reason)


SOURCES = {
    "rows that were read into a list before": (
        "posts = list(Post.objects.all())\nPost.objects.update(kind=5)\n",
        "posts",
        "queryset-reused",
    ),
    "rows that another loop changed": (
        "posts = Post.objects.all()\nfor p in posts:\n    p.kind = 3\n",
        "posts",
        "queryset-reused",
    ),
    "columns that are not loaded": ("", 'Post.objects.only("title")', "queryset-shape"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_rows_that_carry_more_or_less_than_their_query_gave(name):
    before, rows, reason = SOURCES[name]
    refuse(turn("pass", before, rows), reason)


LIVE = {
    "all()": True,
    'filter(title="a")': True,
    'order_by("pk")': True,
    'filter(slug="")': False,
    'exclude(title="a")': True,
    'filter(author__name="a")': True,
    'filter(author__posts__slug="a")': False,
    'filter(kind__in=Post.objects.values("rank"))': False,
    'using("default")': True,
    'exclude(slug__startswith="a")': False,
    'order_by("-slug")': False,
    'filter(models.Q(slug=""))': False,
    "filter(**kwargs)": False,
    'only("slug", "title")': False,
    "annotate(n=models.Count('attachments'))": False,
}


@pytest.mark.parametrize("chain", LIVE)
def test_a_stream_of_sqlite_that_may_meet_what_it_wrote(chain):
    before = loop(
        "post.slug = post.title.lower()\npost.save()\n", rows=f"Post.objects.{chain}.iterator()"
    )
    for databases in (("sqlite",), ("postgresql",)):
        found = outcome_of(whole(before), databases=databases, select=SELECT).loops[0]
        safe = LIVE[chain] or databases == ("postgresql",)
        assert found.blocked_by == (None if safe else "already-streams"), databases


def test_rows_that_sqlite_reads_at_once():
    rows = 'Post.objects.filter(slug="")'
    check_batched(
        turn("pass", rows=rows),
        batched("pass\n" + SAVED, '"slug", "cost"', rows=rows),
        databases=("sqlite",),
    )


def test_a_stream_of_sqlite_in_blocks():
    check_batched(
        turn("pass", rows="Post.objects.iterator(100)"),
        batched("pass\n" + SAVED, '"slug", "cost"', rows="Post.objects.iterator(100)"),
        databases=("sqlite",),
    )


@pytest.mark.parametrize("chain", ["filter(author_id__gt=1)", "filter(author__gt=1)"])
def test_a_stream_of_sqlite_by_a_foreign_key_that_is_set(chain):
    body = "post.author_id = len(post.title)\npost.save()\n"
    refuse(
        loop(body, rows=f"Post.objects.{chain}.iterator()"),
        "already-streams",
        databases=("sqlite",),
    )


@pytest.mark.parametrize("ordering", ['["value"]', '[models.F("value").desc()]', "ORDER"])
def test_a_stream_of_sqlite_in_the_order_of_the_model(ordering):
    ordered = MODELS.replace('models.JSONField(null=True)),\n            ],',
                             f'models.JSONField(null=True)),\n            ],\n            {{"ordering": {ordering}}},')  # fmt: skip
    body = "for t in Token.objects.iterator():\n    t.value = t.value.lower()\n    t.save()\n"
    refuse(body, "already-streams", models=ordered, databases=("sqlite",))


# --- what the models are --------------------------------------------------------------------------

PARENT = MODELS.replace(
    '        migrations.CreateModel(\n            "Token",',
    '        migrations.CreateModel("Sub", [("post_ptr", models.OneToOneField("Post", models.CASCADE,'
    ' parent_link=True, auto_created=True, primary_key=True)), ("more", models.TextField())],'
    ' bases=("shop.post",)),\n'
    '        migrations.CreateModel("Mirror", [], {"proxy": True}, bases=("shop.post",)),\n'
    '        migrations.CreateModel("Copy", [("id", models.AutoField(primary_key=True)),'
    ' ("slug", models.TextField())], {"db_table": "shop_post"}),\n'
    '        migrations.CreateModel("View", [("id", models.AutoField(primary_key=True))],'
    ' {"managed": False}),\n'
    '        migrations.CreateModel("Sorted", [("id", models.AutoField(primary_key=True)),'
    ' ("post", models.ForeignKey("Post", models.CASCADE, related_name="+"))],'
    ' {"ordering": ["post"]}),\n'
    '        migrations.CreateModel("Unclear", [("id", models.AutoField(primary_key=True))],'
    ' {"ordering": ORDER}),\n'
    '        migrations.CreateModel("Managed", [("id", models.AutoField(primary_key=True))],'
    ' managers=[("objects", autoslug.Manager())]),\n'
    '        migrations.CreateModel("Vague", FIELDS),\n'
    '        migrations.CreateModel("Filled", [("id", models.AutoField(primary_key=True)),'
    ' ("number", models.IntegerField(default=NUMBERS["a"]))]),\n'
    '        migrations.CreateModel("Detail", [("id", models.AutoField(primary_key=True)),'
    ' ("post", models.OneToOneField("Post", models.CASCADE, related_name="detail")),'
    ' ("mirror", models.ForeignKey("Mirror", models.CASCADE, related_name="+"))]),\n'
    '        migrations.CreateModel("Numbered", [("id", models.AutoField(primary_key=True)),'
    ' ("number", models.IntegerField(default=next_number))]),\n'
    '        migrations.CreateModel("Slugged", [("id", models.AutoField(primary_key=True)),'
    ' ("slug", autoslug.AutoSlugField()), ("name", models.TextField())]),\n'
    '        migrations.CreateModel(\n            "Token",',
).replace(
    "from django.db import migrations, models\n",
    "import autoslug\nfrom django.db import migrations, models\n\nfrom shop.models import next_number\n",
)
GET = 'X = apps.get_model("shop", "{}")\n'


def test_rows_with_columns_in_two_tables():
    body = "for sub in X.objects.all():\n    sub.more = sub.slug.lower()\n    sub.save()\n"
    refuse(GET.format("Sub") + body, "multi-table-inheritance", models=PARENT)


ATTACHED = 'related_name="attachments")),\n            ],\n        ),\n'


@pytest.mark.parametrize(
    ("options", "query", "waits"),
    [
        ("'get_latest_by': 'post__slug'", "latest()", False),
        ("'get_latest_by': ['name', '-post__slug']", "earliest()", False),
        ("'get_latest_by': 'post'", "latest()", False),
        ("'get_latest_by': NAMED", "latest()", False),
        ("'get_latest_by': 'post_id'", "latest()", True),
        ("'get_latest_by': ['name', '-pk']", "earliest()", True),
        ("'get_latest_by': 'post__slug'", "latest('name')", True),
        ("'get_latest_by': 'post__slug'", "first()", True),
        ("'ordering': ['post__slug']", "first()", False),
        ("'ordering': ['post__slug']", "order_by('name').first()", True),
    ],
)
@pytest.mark.parametrize("model", ["Attachment", "Paper"])  # which stands for it
def test_queries_that_their_model_sorts(model, options, query, waits):
    proxy = (
        'migrations.CreateModel("Paper", [], bases=("shop.attachment",), options={"proxy": True}),'
    )
    models = MODELS.replace(
        ATTACHED,
        ATTACHED.replace("],\n", f"],\n            options={{{options}}},\n")
        + f"        {proxy}\n",
    )
    given = turn(f"post.note = X.objects.{query}.name", GET.format(model))
    outcome = outcome_of(whole(given), models=models, select=SELECT, databases=("postgresql",))
    assert outcome.loops[0].changed is waits, outcome.loops[0]
    if not waits:
        refuse(given, "query-in-body", models=models)


def test_a_column_that_other_rows_point_to():
    pointed = PARENT.replace('"Post", models.CASCADE, related_name="detail"',
                             '"Post", models.CASCADE, related_name="detail", to_field="code"')  # fmt: skip
    body = "post.code = post.title[:9]\npost.save()\n"
    check_batched(loop(body), batched(body, '"code"'), models=PARENT)
    refuse(loop(body), "unique", models=pointed)
    unclear = pointed.replace('to_field="code"', "to_field=NAMED")
    refuse(loop(body), "unique", models=unclear)


def test_an_image_that_fills_columns_of_its_own():
    body = 'for a in Attachment.objects.all():\n    a.file = a.name + "x"\n    a.save()\n'
    for options in ('width_field="name"', 'height_field="name"'):
        sized = MODELS.replace("models.FileField(null=True)", f"models.ImageField({options})")
        refuse(body, "save-side-effect", models=sized)
    image = MODELS.replace("models.FileField(null=True)", "models.ImageField()")
    assert outcome_of(whole(body), models=image, select=SELECT).loops[0].changed


def test_a_column_that_the_database_computes():
    computed = MODELS.replace(
        '("nick", models.CharField(max_length=50, null=True))',
        '("nick", models.GeneratedField(expression=models.F("name"), db_persist=True,'
        " output_field=models.CharField(max_length=50)))",
    )
    body = 'for p in Person.objects.all():\n    p.name = p.name.lower()\n    p.save(update_fields=["name", "nick"])\n'
    refuse(body, "field-unknown", models=computed)


def test_rows_of_a_manager_that_may_set_columns():
    managed = MODELS.replace(
        '("data", models.JSONField(null=True)),\n            ],',
        '("data", models.JSONField(null=True)),\n            ],\n'
        '            managers=[("objects", shop.codes.Manager())],',
    ).replace("\n\nclass", "\nimport shop.codes\n\n\nclass", 1)
    body = "for t in Token.objects.all():\n    t.value = t.value.lower()\n    t.save({})\n"
    refuse(body.format(""), "custom-manager", models=managed)
    named = body.format('update_fields=["value"]')
    assert outcome_of(whole(named), models=managed, select=SELECT).loops[0].changed


FILED = MODELS.replace("models.FileField(null=True)", "models.FileField()")
RENAME = """\
def rename(attachment):
    attachment.file.name = "new"


"""


@pytest.mark.parametrize(
    "line",
    [
        'a.file.name = "new"',
        'a.file.name += "x"',
        'a.file.name, x = "new", 1',
        'getattr(a, "file").name = "new"',
        "del a.file.name",
        "rename(a)",
    ],
)
def test_a_file_that_changes_in_place_is_written(line):
    body = f"{line}\na.name = 'x'\na.save()\n"
    before = loop(body, rows="Attachment.objects.all()").replace("for post", "for a")
    outcome = outcome_of(
        RENAME + whole(before), models=FILED, select=SELECT, databases=("postgresql",)
    )
    assert 'update_in_batches("file", "name")' in outcome.edits[-1].after.decode()


def test_a_file_that_is_read_is_not_written():
    body = "a.name = a.file.name\na.save()\n"
    before = loop(body, rows="Attachment.objects.all()").replace("for post", "for a")
    after = f"with update_in_batches(\"name\") as batch:\n{indent(before, '    ')}"
    check_batched(before, after.replace("a.save()", "batch.save(a)"), models=FILED)


def test_a_column_whose_class_may_look_at_other_rows():
    before = (
        GET.format("Slugged")
        + "for x in X.objects.all():\n    x.name = x.name.lower()\n    x.save()\n"
    )
    for unsafe in (False, True):
        found = outcome_of(whole(before), models=PARENT, select=SELECT, unsafe=unsafe).loops[0]
        assert found.changed is unsafe
        assert "what save() does with `slug`, a autoslug.AutoSlugField" in str(found)


OWN_CLASSES = """
class Sized(models.CharField):
    def __init__(self, *args, size=None, **kwargs):
        self.size = size
        super().__init__(*args, **kwargs)


class Slow(models.DateTimeField):
    def __init__(self, *args, size=None, **kwargs):
        self.size = size
        super().__init__(*args, **kwargs)


class Upper(models.CharField):
    def pre_save(self, row, add):
        return getattr(row, self.attname).upper()


class Prepared(models.CharField):
    def get_prep_value(self, value):
        return str(value)


class Key(models.ForeignKey):
    pass

"""


def with_own(field: str) -> str:
    """Posts that have a column ``x`` of this class, too."""
    models = MODELS.replace("\n\nclass Migration", f"{OWN_CLASSES}\nclass Migration")
    return models.replace('("slug",', f'("x", {field}), ("slug",', 1)


def test_columns_of_other_classes_that_save_writes_back_as_they_were():
    own = with_own("Sized(size=3)")
    check_batched(loop(SAVED), batched(SAVED), models=own)
    read = turn("print(post.x)")
    check_batched(read, batched("print(post.x)\n" + SAVED), models=own)
    body = "post.x = post.title.lower()\npost.save()\n"
    given = with_own("Sized(size=3, primary_key=False)")
    check_batched(loop(body), batched(body, '"x"'), models=given)


@pytest.mark.parametrize(
    "field",
    [
        "Slow(size=3)",
        "Upper(max_length=9)",
        "Prepared(max_length=9)",
        'Key("Person", models.CASCADE)',
        "thirdparty.Field()",
    ],
)
def test_columns_of_other_classes_of_which_save_may_make_something_else(field):
    for unsafe in (False, True):
        found = outcome_of(
            whole(loop(SAVED)), models=with_own(field), select=SELECT, unsafe=unsafe
        ).loops[0]
        assert found.changed is unsafe, found
        assert "what save() does with `x`" in str(found)
    for body in ("post.x = 1\npost.save()", "print(post.x)\npost.slug = post.title\npost.save()"):
        found = outcome_of(
            whole(loop(body)), models=with_own(field), select=SELECT, unsafe=True
        ).loops[0]
        assert not found.changed, found


# --- what else the body does ----------------------------------------------------------------------

BLIND = {
    "rows of another model": "x = Tag.objects.filter(name=post.title).first()",
    "rows that point here, by the key": "x = Attachment.objects.filter(post=post).count()",
    "rows that point here, by their column": "x = Attachment.objects.filter(post_id=post.pk).exists()",
    "rows that point here, by a manager": "for a in post.attachments.all():\n    print(a.name)",
    "rows of another model by Q": (
        'from django.db.models import Q\nx = Tag.objects.get(Q(name="a") | Q(pk=1))'
    ),
    "a new row": "Tag.objects.create(name=post.title)",
    "a new row that points here": "Attachment.objects.create(post=post, name=post.title)",
    "a row that is made if it is missing": (
        'post.author, _ = Person.objects.get_or_create(name=post.title, defaults={"age": 1})'
    ),
    "a new row in two steps": "p = Person(name=post.title, age=1)\np.save()\npost.author = p",
    "new rows": "Tag.objects.bulk_create([Tag(name=post.title)])",
    "an update of another table": "Attachment.objects.filter(post=post).update(name=post.title)",
    "a row of another table is saved": "post.author.name = post.title\npost.author.save()",
    "a column of a joined row": "print(post.author.name)",
    "a value of a document": "import json\nprint(json.loads(post.body).get('x'))",
    "a queryset of another table that is made before": "print(post.title in names)",
    "slugs that are known": "print(post.slug in slugs)\nslugs.add(post.title)",
    "a queryset of another table that is kept": "x = [Tag.objects.all()]",
    "the first rows of another model": "x = list(Tag.objects.filter(name=post.title)[:3])",
    "rows of another model with names": 'x = list(Tag.objects.values_list("name", named=True))',
    "a row that is made or changed": (
        'Tag.objects.update_or_create(pk=1, defaults={"name": "a"}, create_defaults={"name": "b"})'
    ),
    "a generator that is used up at once": "x = sum(len(word) for word in post.title.split())",
}
BEFORE = (
    'names = Tag.objects.values_list("name", flat=True)\n'
    'slugs = set(Post.objects.values_list("slug", flat=True))\n'
)


@pytest.mark.parametrize("name", BLIND)
def test_bodies_that_cannot_see_what_waits(name):
    found = outcome_of(whole(turn(BLIND[name], BEFORE)), databases=EVERYWHERE, select=SELECT)
    assert found.loops[0].codes == ("MF301",), found.loops[0]


LOOKING = {
    "the same table": "x = Post.objects.count()",
    "the same table, by a slug": "while Post.objects.filter(slug=post.title).exists():\n    break",
    "the same table of another database": 'x = Post.objects.using("other").count()',
    "a joined column": "x = Attachment.objects.filter(post__slug=post.title).first()",
    "a joined column by Q": (
        "from django.db.models import Q\nx = Attachment.objects.get(Q(post__slug=post.title))"
    ),
    "a joined column by F": (
        'from django.db.models import F\nx = Attachment.objects.filter(name=F("post__slug")).first()'
    ),
    "a joined column by a name for F": (
        'from django.db.models import F\nf = F("post__slug")\n'
        "x = Attachment.objects.filter(name=f).first()"
    ),
    "lookups that are not known": "x = Attachment.objects.filter(**lookups).count()",
    "a subquery": 'x = Attachment.objects.filter(post__in=Post.objects.filter(slug="a")).count()',
    "a subquery by a name": "x = Attachment.objects.filter(post__in=some).count()",
    "a subquery of a manager": "x = Attachment.objects.filter(post__in=Post.objects).count()",
    "joined values": 'x = list(Attachment.objects.values("post__slug"))',
    "names of values that are not known": "x = list(Attachment.objects.values(*names))",
    "joined rows": 'x = Attachment.objects.select_related("post").first()',
    "prefetched rows": 'x = list(Person.objects.prefetch_related("posts"))',
    "the order of joined rows": 'x = Attachment.objects.order_by("post__slug").first()',
    "the order of the other model": 'x = list(Attachment.objects.order_by("post"))',
    "the last by the other model": 'x = Attachment.objects.latest("post")',
    "an aggregate": (
        'from django.db.models import Max\nx = Attachment.objects.aggregate(Max("post__slug"))'
    ),
    "a lookup of get_or_create": (
        'x, _ = Person.objects.get_or_create(posts__slug=post.title, defaults={"age": 1})'
    ),
    "raw SQL": 'x = list(Tag.objects.raw("SELECT slug AS name, id FROM shop_post"))',
    "extra": 'x = Tag.objects.extra(where=["(SELECT 1 FROM shop_post)"]).count()',
    "a cursor": 'schema_editor.connection.cursor().execute("SELECT 1")',
    "a commit": "from django.db import transaction\ntransaction.commit()",
    "something that waits for the commit": (
        "from django.db import transaction\ntransaction.on_commit(print)"
    ),
    "a transaction that may be rolled back": (
        'from django.db import transaction\nwith transaction.atomic():\n    Tag.objects.create(name="a")'
    ),
    "a deletion that may reach the rows": "Person.objects.filter(pk=1).delete()",
    "the deletion of one row": "Person.objects.get(pk=1).delete()",
    "a manager of another row": "x = post.author.posts.count()",
    "a row that leads back": "for a in Attachment.objects.all():\n    print(a.post.slug)",
    "a row in a dictionary that leads back": "print(people[post.author_id].posts)",
    "an attribute by its name": 'print(getattr(post.author, "posts"))',
    "an attribute by a name that is not known": "print(getattr(post.author, name))",
    "an attribute in a format": 'print("{0.posts}".format(post.author))',
    "another row of the same model": "other = Post(title=post.title)\nother.save()",
    "another row that is saved": "rows[post.pk].save()",
}


@pytest.mark.parametrize("name", LOOKING)
def test_bodies_that_may_see_what_waits(name):
    before = 'some = Post.objects.filter(slug="a")\n'
    refuse(turn(LOOKING[name], before), "query-in-body", databases=EVERYWHERE)


LOGGER = "import logging\nlogger = logging.getLogger(__name__)\n"


def test_a_logger_that_the_function_made():
    found = outcome_of(whole(turn("logger.info(post.pk)", LOGGER)), select=SELECT)
    assert found.loops[0].applicability is Applicability.SAFE, found.loops[0]
    found = outcome_of(whole(turn("call(logger)", LOGGER)), select=SELECT)
    assert found.loops[0].applicability is not Applicability.SAFE


@pytest.mark.parametrize(
    ("given", "line", "waits"),
    [
        ("total=9", "bar.update(1)", True),
        ("Post.objects.all()", "list(bar)", False),
        ("Post.objects.all()", "bar.update(1)", False),
    ],
)
def test_a_progress_bar_around_the_loop(given, line, waits):
    inner = indent(turn(line, rows='Post.objects.filter(slug="")'), "    ")
    body = f"from tqdm import tqdm\nwith tqdm({given}) as bar:\n{inner}"
    found = outcome_of(whole(body), select=SELECT).loops[0]
    assert (found.applicability is Applicability.SAFE) == waits, found


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('print(getattr(rows[post.pk], "posts"))', "`posts`"),
        ("print(getattr(post.author, name))", "`an attribute that a text names`"),
    ],
)
def test_the_name_that_leads_to_the_rows_is_said(line, name):
    reason = outcome_of(whole(turn(line)), select=SELECT).loops[0].reason
    assert reason.startswith(f"{name} on line 12 may read rows of shop.Post")


SAME_TABLE = {
    "a proxy": "Mirror",
    "a model with columns in two tables": "Sub",
    "a table of the same name": "Copy",
    "a model that sorts by the rows": "Sorted",
    "a model that sorts by what is not known": "Unclear",
    "a model with a manager of the project": "Managed",
}


@pytest.mark.parametrize("name", SAME_TABLE)
def test_other_models_of_the_same_table(name):
    before = GET.format(SAME_TABLE[name])
    refuse(turn("x = X.objects.first()", before), "query-in-body", models=PARENT)


@pytest.mark.parametrize("attribute", ["detail.post", "detail.mirror", "sub"])
def test_names_that_lead_to_the_table_by_one_row(attribute):
    refuse(turn(f"print(thing.{attribute})"), "query-in-body", models=PARENT)


# A foreign key to Post that is called like a column of Post, and a column that is called like a relation.
ALIKE = MODELS.replace(
    '("post", models.ForeignKey("Post", models.CASCADE, related_name="attachments"))',
    '("title", models.ForeignKey("Post", models.CASCADE, related_name="+")),'
    '("posts", models.TextField())',
)


@pytest.mark.parametrize(
    "line", ["pass", "for a in Attachment.objects.all():\n    print(a.posts)", "print(post.title)"]
)
def test_a_column_that_is_called_like_a_relation(line):
    check_batched(turn(line), batched(f"{line}\n{SAVED}"), models=ALIKE)


@pytest.mark.parametrize(
    "line",
    [
        "for a in Attachment.objects.all():\n    print(a.title)",
        "print(rows[post.pk].title)",
    ],
)
def test_a_relation_that_is_called_like_a_column(line):
    refuse(turn(line), "query-in-body", models=ALIKE)


def test_a_column_of_another_class_that_is_called_like_a_relation():
    other = ALIKE.replace('("posts", models.TextField())', '("posts", autoslug.AutoSlugField())')
    other = other.replace("from django.db import", "import autoslug\nfrom django.db import", 1)
    refuse(
        turn("for a in Attachment.objects.all():\n    print(a.posts)"),
        "query-in-body",
        models=other,
    )


def test_relations_whose_names_are_not_known():
    unclear = MODELS.replace('related_name="posts"', "related_name=NAMED")
    refuse(loop(SAVED), "model-unknown", models=unclear)


UNSAFE = {
    "unknown code": ("imported.run(1)", ""),
    "a function inside the function": ("f()", "def f():\n    return Post.objects.count()\n"),
    "a method by a name of its own": ("x = count()", "count = Post.objects.count\n"),
    "a method of unknown code": ("thing.look()", ""),
    "what unknown code made": ("x = list(known)", "known = imported.known()\n"),
    "what unknown code may have made": (
        "x = [*known]",
        "known = imported.known() if apps else []\n",
    ),
    "an attribute of what unknown code made": ("x = known.rows", "known = imported.known()\n"),
    "an argument that is not known": ("x = list(schema)", ""),
    "a table that is not Django's": ("x = X.objects.first()", GET.format("View")),
    "a default that is code of the project": ("X.objects.create()", GET.format("Numbered")),
    "a default that is not known": ("X.objects.create()", GET.format("Filled")),
    "a field that is code of the project": ('X.objects.create(name="a")', GET.format("Slugged")),
}


@pytest.mark.parametrize(
    "line",
    [
        "x = list(map(thing.look, [1]))",
        "x = list(map(look, [1]))",
        "x = sorted([1, 2], key=thing.look)",
        "x = [2, 1]\nx.sort(key=look)",
        'x = re.sub("a", look, post.title)',
        'x = re.compile("a").sub(thing.look, post.title)',
        "x = json.loads(post.title, object_hook=look)",
        "x = functools.reduce(thing.look, [1, 2])",
        "f = thing.look\nx = list(map(f, [1]))",
    ],
)
def test_code_that_is_not_known_and_handed_over(line):
    imports = "import functools, json, re\nimport thing\nfrom thing import look\n"
    for unsafe in (False, True):
        found = outcome_of(imports + whole(turn(line)), select=SELECT, unsafe=unsafe).loops[0]
        assert found.changed is unsafe, found


def test_values_that_are_handed_over():
    lines = "x = max(settings.LIMIT, 3)\ny = re.sub(settings.ALL, str, post.title)"
    source = "import re\nfrom django.conf import settings\n" + whole(turn(lines))
    assert outcome_of(source, select=SELECT).loops[0].codes == ("MF301",)


@pytest.mark.parametrize("name", UNSAFE)
def test_bodies_that_run_code_which_is_not_known(name):
    line, before = UNSAFE[name]
    source = whole(turn(line, before)).replace(
        "(apps, schema_editor)", "(apps, schema_editor, schema=())"
    )
    safe = outcome_of(source, models=PARENT, select=SELECT).loops[0]
    assert not safe.changed
    assert safe.offer is not None, safe
    assert outcome_of(source, models=PARENT, select=SELECT, unsafe=True).loops[0].changed


# What is given to the column of another row may be a query that its save() runs.
GIVEN = "x = Tag.objects.get(pk=1)\nx.name = found\nx.save()"
FOUND = {
    "a function": "found = rows_of()",
    "a function of a module": "found = thing.rows()",
    "a method": "found = known.rows()",
    "a name in an expression": "print(found := thing.rows())",
    "a name that grows": "found = []\nfound += thing.rows()",
    "one of several": "for found in thing.rows():\n    pass",
    "a condition": "found = thing.rows() if apps else []",
    "or": "found = thing.rows() or []",
    "a list": "found = [thing.rows()]",
    "a tuple": "found = (thing.rows(), 1)",
    "a dictionary": "found = {1: thing.rows()}",
    "a name in a name": "found = (other := thing.rows())",
    "an iterator over it": "found = itertools.chain(thing.rows())",
    "a collection by its keyword": "found = collections.Counter(a=thing.rows())",
}
NOTHING_FOUND = {
    "a function of Python": "found = len('ab')",
    "a function of the file": "found = tidy()",
    "a pure function": "found = json.loads('[]')",
    "a pure function by its name": "found = loads('[]')",
    "a function that hands on": "found = copy.copy('a')",
    "a method of a value": "found = 'a'.split()",
    "a row": "found = Tag()",
    "a condition": "found = json.loads('1') if apps else []",
}


def giving(before: str) -> str:
    imports = "import collections, copy, itertools, json\nimport thing\nfrom json import loads\n"
    source = whole(turn(GIVEN, before + "\n"))
    tidy = "def tidy():\n    return []\n\n\ndef forwards"
    return f"{imports}from thing import rows_of\n{source.replace('def forwards', tidy)}"


@pytest.mark.parametrize("name", FOUND)
def test_what_code_that_is_not_known_made(name):
    found = outcome_of(giving(FOUND[name]), select=SELECT).loops[-1]
    assert found.blocked_by == "unknown-call"
    assert "`found` on line 2" in found.reason


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (1, "line 13 calls code"),
        (2, "line 13 and another line call code"),
        (4, "line 13 and 3 more lines call code"),
    ],
)
def test_calls_of_unknown_code_are_one_doubt(lines, said):
    """Each of them may run the query: a line for each says no more."""
    before = whole(loop("tell(post.pk)\n" * lines + SAVED, "from elsewhere import tell\n"))
    found = outcome_of(before, select=SELECT).loops[0]
    assert said in found.offer and found.offer.count("not known") == 1


@pytest.mark.parametrize("name", NOTHING_FOUND)
def test_what_code_that_is_known_made(name):
    found = outcome_of(giving(NOTHING_FOUND[name]), select=SELECT).loops[-1]
    assert found.changed, found


def test_what_a_function_is_given():
    source = whole(turn("x = [self, cls]")).replace(
        "(apps, schema_editor)", "(apps, schema_editor, self=None, cls=None)"
    )
    assert outcome_of(source, select=SELECT).loops[-1].changed
    body = turn("x = [other]", 'if apps:\n    other = "a"\n')
    fill = f"def fill(apps, Post, other):\n{indent(body, '    ')}\n\ndef forwards"
    source = whole("fill(apps, Post, Tag)").replace("def forwards", fill)
    assert outcome_of(source, select=SELECT).loops[-1].changed


# --- queries that are made before and run in the body ----------------------------------------------

LAZY = 'rows = Post.objects.values_list("slug", flat=True)\n'
EVALUATED = {
    "in": "x = post.slug in rows",
    "a loop": "for row in rows:\n    break",
    "a comprehension": "x = {row for row in rows}",
    "truth": "x = 1 if rows else 2",
    "not": "x = not rows",
    "and": "x = rows and 1",
    "an item": "x = rows[0]",
    "a slice that is gone over": "some = rows[:5]\nfor row in some:\n    break",
    "equality": "x = [1] == rows",
    "a format": 'x = f"{rows}"',
    "a format of old": 'x = "%s" % rows',
    "a format of old with more": 'x = "%s %s" % (rows, 1)',
    "an argument": 'x = ",".join(rows)',
    "a star": "x = [*rows]",
    "unpacking": "a, *b = rows",
    "addition": "x = []\nx += rows",
    "a slice that is set": "x = []\nx[:] = rows",
    "match": "match rows:\n    case [a]:\n        pass",
    "while": "while rows:\n    break",
    "it is put away": 'kept = {}\nkept["a"] = rows\nfor row in kept["a"]:\n    break',
    "a manager is put away": 'kept = {}\nkept["a"] = Post.objects\nx = kept["a"]',
}


@pytest.mark.parametrize("name", EVALUATED)
def test_querysets_that_are_evaluated_in_the_body(name):
    refuse(turn(EVALUATED[name], LAZY), "query-in-body")


HIDDEN = {
    "another name": "known = rows",
    "a condition": "known = rows if apps else None",
    "or": "known = None or rows",
    "a name that is bound twice": "known = rows\nif apps:\n    known = []",
    "a name that grows": "known = rows\nknown |= Post.objects.all()",
    "a generator": "known = (row for row in Post.objects.all())",
    "map": "known = map(str, rows)",
    "filter": "known = filter(None, rows)",
    "zip": "known = zip(rows, rows)",
    "an iterator": "known = iter(rows)",
    "chain": "import itertools\nknown = itertools.chain(rows, [])",
    "a row iterator": "known = rows.iterator()",
    "a name in an expression": "print(known := rows)",
    "a queryset of a manager that is not known": "known = managers[0].filter(pk=1)",
    "an item of a list": "things = [rows]\nknown = things[0]",
    "an item of a tuple": "known, _ = rows, 1",
    "a value of a dictionary": 'known = {"a": rows}["a"]',
    "a value that is put in": 'things = {}\nthings["a"] = rows\nknown = things["a"]',
    "a value that is appended": "things = []\nthings.append(rows)\nknown = things[0]",
    "an attribute": "schema_editor.rows = rows\nknown = schema_editor.rows",
    "a query of another table that holds it": (
        "known = Attachment.objects.filter(name__in=Post.objects.values('slug'))"
    ),
    "a query of another table that joins it": (
        'known = Attachment.objects.values_list("post__slug", flat=True)'
    ),
    "a function of the file": "known = known_rows(Post)",
    "a generator of the file": "known = known_slugs(Post)",
}
FUNCTIONS = """\
def known_rows(model):
    return model.objects.all()


def known_slugs(model):
    for row in model.objects.all():
        yield row.slug


def look(model):
    kept = model.objects.all() if model else None
    return "a" in kept


def count(model):
    return model.objects.count()


"""


def with_functions(body: str) -> str:
    return whole(body).replace("def forwards", FUNCTIONS + "def forwards")


@pytest.mark.parametrize("name", HIDDEN)
def test_querysets_that_reach_the_body_by_other_ways(name):
    source = with_functions(turn("x = post.slug in known", LAZY + HIDDEN[name] + "\n"))
    found = outcome_of(source, select=SELECT, unsafe=True).loops[-1]
    assert found.blocked_by == "query-in-body", found


@pytest.mark.parametrize("call", ["look(Post)", "count(Post)", "list(map(count, [Post]))"])
def test_functions_of_the_file_that_look(call):
    source = with_functions(turn(f"x = {call}"))
    found = outcome_of(source, select=SELECT, unsafe=True).loops[-1]
    assert found.blocked_by == "query-in-body", found


# Each with what is read of rows that the function has, and whether that may look at the table.
KEPT_ROWS = {
    "a row without the column": ('one = Post.objects.only("title").first()', "one.note", True),
    "a row with the column": ('one = Post.objects.only("note").first()', "one.note", False),
    "the key of a row": ('one = Post.objects.only("title").first()', "one.pk", False),
    "a whole row": ("one = Post.objects.first()", "one.note", False),
    "a row without another column": ('one = Post.objects.defer("body").first()', "one.note", False),
    "a row without nothing": ("one = Post.objects.defer(None).first()", "one.note", False),
    "a row without what a name says": ("one = Post.objects.defer(name).first()", "one.note", True),
    "a foreign key by its column": ('one = Post.objects.only("author").first()', "one.author_id", False),
    "a dict": ('kept = {p.pk: p for p in Post.objects.defer("note")}', "kept[post.pk - 1].note", True),
    "a dict of values": (
        'kept = {p.pk: p.title for p in Post.objects.defer("note")}', "kept[post.pk - 1]", False,
    ),
    "rows of in_bulk": ('kept = Post.objects.defer("note").in_bulk()', "kept[1].note", True),
    "rows of raw SQL": ('kept = list(Post.objects.raw("select id from shop_post"))', "kept[0].note", True),
    "a row that is joined": (
        'one = Tag.objects.select_related("post").only("post__title").first().x', "one.note", True,
    ),
    "a row of another model": ('one = Tag.objects.only("parent").first()', "one.name", False),
    "the column by its name": (
        'one = Post.objects.only("title").first()', 'getattr(one, "note")', True,
    ),
    "the column in a format": (
        'one = Post.objects.only("title").first()', '"{0.note}".format(one)', True,
    ),
    "the label of a choice": (
        'one = Post.objects.only("title").first()', "one.get_kind_display()", True,
    ),
    "a function": ('one = Post.objects.only("title").first()', "note_of(one)", True),
    "the row of the turn": ('one = Post.objects.only("title").first()', "note_of(post)", False),
    "an attribute that is gone": ("one = Post.objects.first()\ndel one.note", "one.note", True),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT_ROWS)
def test_columns_of_other_rows_that_are_loaded_when_they_are_read(name):
    before, read, loads = KEPT_ROWS[name]
    for source in (
        turn(f"x = {read}", f"{before}\n"),
        listed(f"x = {read}\n" + APPENDED, before=f"{before}\n"),
    ):
        given = "def note_of(post):\n    return post.note\n\n\n" + whole(source)
        found = outcome_of(given, select=SELECT, unsafe=True, databases=EVERYWHERE).loops[-1]
        assert found.changed is not loads, found
        assert not loads or "of another row of shop.Post" in found.reason


def test_a_column_that_the_database_computes_for_a_new_row():
    """Which may not come back from an INSERT."""
    total = '("total", models.GeneratedField(expression=models.F("kind"), db_persist=True,'
    models = MODELS.replace(
        '("slug",', f'{total} output_field=models.IntegerField())), ("slug",', 1
    )
    made = "one = Post.objects.create(title='x')\n"
    refuse(turn("x = one.total", made), "query-in-body", models=models, databases=("mysql",))
    check_batched(
        turn("x = one.kind", made), batched("x = one.kind\n" + SAVED, before=made), models=models
    )


def test_deferred_columns_of_rows_that_come_twice():
    body = "post.rank = post.rank + len(post.title)\npost.save(update_fields=['rank'])\n"
    for rows, safe in (
        ("Post.objects.filter(attachments__name='a').only('title')", False),
        ("Post.objects.filter(attachments__name='a').defer('rank')", False),
        ("Post.objects.filter(attachments__name='a').only('title', 'rank')", True),
        ("Post.objects.filter(attachments__name='a')", True),
        ("Post.objects.filter(author__name='a').only('title')", True),
    ):
        found = outcome_of(whole(loop(body, rows=rows)), select=SELECT).loops[0]
        assert found.changed is safe, found
        assert safe or "may bring twice" in found.reason


CALLED = """\
def tag_of(model, name):
    try:
        return model.objects.filter(name=name).order_by("pk")[0]
    except IndexError:
        return model.objects.create(name=name)


def count_notes(model, post):
    return model.objects.filter(post=post, name__in=["a", "b"]).count()


def tag_twice(model, name):
    tag = tag_of(model, name)
    tag.name = name.lower()
    tag.save()
    return tag


def is_free(model, slug, number=0):
    if not model.objects.filter(name=slug).exists():
        return slug
    return is_free(model, slug + str(number), number + 1)


def joined(model, **lookups):
    return model.objects.filter(**lookups).count()


def by_column(model, column, value):
    return model.objects.filter(**{column: value}).first()


def by_slug(model, slug):
    return model.objects.filter(post__slug=slug).first()


def among(model, posts):
    return model.objects.filter(post__in=posts).count()


def through(note):
    return note.post.slug


def look_back(model):
    return [note.post for note in model.objects.all()]


def remove(model, name):
    model.objects.filter(name=name).delete()


def in_transaction(model, name):
    with transaction.atomic():
        return model.objects.create(name=name)


def of_all(names=None):
    return names.filter(name="a").first()


def raw(model):
    return model.objects.raw("SELECT * FROM shop_post")[0]


back = lambda note: note.post.slug
SOME = []


"""


def calling(line: str, before: str = "") -> str:
    source = whole(turn(line, before)).replace("def forwards", CALLED + "def forwards")
    return f"from django.db import transaction\n{source}"


@pytest.mark.parametrize(
    "line",
    [
        "x = tag_of(Tag, post.title)",
        "post.rank = count_notes(Attachment, post)",
        "x = [tag_of(Tag, word) for word in post.title.split()]",
    ],
)
def test_functions_of_the_file_that_stay_in_other_tables(line):
    found = outcome_of(calling(line), select=SELECT, databases=EVERYWHERE).loops[-1]
    assert found.codes == ("MF301",), found


@pytest.mark.parametrize(
    "line",
    [
        "x = tag_of(Post, post.title)",
        "x = tag_of(Tag if post.live else Post, post.title)",
        "x = tag_of(Tag, post.title)\ny = tag_of(Post, post.title)",
        "x = tag_twice(Tag, post.title)",
        "x = is_free(Post, post.title)",
        "x = joined(Attachment, post__slug=post.title)",
        'x = by_column(Attachment, "post__slug", post.title)',
        "x = by_slug(Attachment, post.title)",
        'x = among(Attachment, Post.objects.filter(slug="a"))',
        "x = [through(note) for note in Attachment.objects.all()]",
        "x = list(map(through, Attachment.objects.all()))",
        "x = [back(note) for note in Attachment.objects.all()]",
        "x = list(map(back, Attachment.objects.all()))",
        "x = sorted(Attachment.objects.all(), key=back)",
        "x = look_back(Attachment)",
        "remove(Tag, post.title)",
        "x = list(map(remove, [Tag], post.title))",
        "x = in_transaction(Tag, post.title)",
        "x = of_all(Tag.objects.all())\nx = of_all(Post.objects.all())",
        "x = raw(Tag)",
    ],
)
def test_functions_of_the_file_that_may_leave_other_tables(line):
    found = outcome_of(calling(line), select=SELECT, unsafe=True).loops[-1]
    assert found.blocked_by == "query-in-body", found


@pytest.mark.parametrize("given", ["posts", "posts if apps else None", "(p for p in posts)"])
def test_functions_of_the_file_that_are_given_querysets(given):
    before = f'posts = Post.objects.filter(slug="a")\nsome = {given}\n'
    found = outcome_of(
        calling("x = among(Attachment, some)", before), select=SELECT, unsafe=True
    ).loops[-1]
    assert found.blocked_by == "query-in-body", found


def test_a_queryset_that_is_kept_after_the_loop():
    after = "things = [Post.objects.all()]\n"
    check_batched(loop(SAVED) + after, batched(SAVED) + after)
    turns = "for _ in (1, 2):\n" + indent("things = []\n" + turn("x = things") + after, "    ")
    refuse(turns, "query-in-body")


def test_a_queryset_that_a_function_below_the_loop_keeps():
    keep = "def keep(model):\n    THINGS.append(model.objects.all())\n\n\nTHINGS = []\n\n\n"
    source = whole("keep(Post)\n" + turn("x = THINGS"))
    below = source.replace("class Migration", keep + "class Migration")
    assert outcome_of(below, select=SELECT, unsafe=True).loops[0].blocked_by == "query-in-body"


@pytest.mark.parametrize(("size", "argument"), [(500, ", batch_size=500"), (1000, "")])
def test_the_size_of_batches_is_written_where_it_is_not_that_of_the_helper(size, argument):
    settings = Settings(
        select=frozenset(SELECT), databases=frozenset({"postgresql"}), batch_size=size
    )
    source, path = whole(loop(SAVED)).encode(), project() / "0002_fill.py"
    written = run_source(source, path, settings, rewrite=True).edits[-1].after.decode()
    assert f'with update_in_batches("slug"{argument}) as batch:' in written


# --- lists for one bulk_update() after the loop -----------------------------------------------------

APPENDED = "post.slug = post.title.lower()\nrows.append(post)\n"
ALL_OF = ("MF201", "MF202", "MF203", "MF301", "MF401")


def listed(
    body: str,
    fields: str = '["slug"]',
    before: str = "",
    rows: str = "Post.objects.all()",
    call: str = "Post.objects.bulk_update(rows, {})",
) -> str:
    """A loop that fills a list for a bulk_update()."""
    return f"{before}rows = []\n{loop(body, rows=rows)}{call.format(fields)}\n"


def in_batches(body: str, fields: str = '"slug"', before: str = "", **options: str) -> str:
    return batched(body, fields, before, **options).replace(
        "rows.append(post)", "batch.update(post)"
    )


LISTS = {
    "a value from Python": (APPENDED, ["slug"]),
    "some of the rows": ("if post.live:\n" + indent(APPENDED, "    "), ["slug"]),
    "rows after continue": ("if post.live:\n    continue\n" + APPENDED, ["slug"]),
    "two ways": (
        "if post.live:\n    post.slug = str(post.pk)\n    rows.append(post)\n    continue\n"
        "elif post.seen:\n    post.slug = post.code\n    rows.append(post)\n"
        "else:\n    post.slug = post.body\n    rows.append(post)\n",
        ["slug"],
    ),
    "break": (APPENDED + "if post.kind == 3:\n    break\n", ["slug"]),
    "raise": ("if post.kind == 3:\n    raise ValueError(post.pk)\n" + APPENDED, ["slug"]),
    "a column that is set and not written": ('post.note = ""\n' + APPENDED, ["slug"]),
    "a column that is written and not set": (APPENDED, ["slug", "cost"]),
    "a row that is put in twice": (APPENDED + "rows.append(post)\n", ["slug"]),
    "a row that is looked at afterwards": (APPENDED + "print(post, post.slug)\n", ["slug"]),
    "a function that sets a column": ('setattr(post, "slug", post.title)\nrows.append(post)\n', ["slug"]),
    "columns that are set together": (
        "post.slug, post.note = post.title.split()\nrows.append(post)\n",
        ["slug", "note"],
    ),
    "columns that are set to a pair": (
        "post.slug, post.note = post.title, post.body\nrows.append(post)\n",
        ["slug", "note"],
    ),
    "a loop that sets and one that collects": (
        "for letter in post.title:\n    post.slug += letter\n"
        "for letter in post.title:\n    rows.append(post)\n",
        ["slug"],
    ),
    "a foreign key by its column": (
        "post.author_id = len(post.title)\nrows.append(post)\n",
        ["author"],
    ),
    "a foreign key to a row that is there": (
        "post.author = Person.objects.filter(name=post.title).first()\nrows.append(post)\n",
        ["author"],
    ),
    "a foreign key to a row that is made": (
        "post.author, _ = Person.objects.get_or_create(name=post.title, defaults={'age': 1})\n"
        "rows.append(post)\n",
        ["author"],
    ),
    "values of a function and of a list": (
        "post.slug, (post.note) = [post.title.lower(), str(post.pk)]\nrows.append(post)\n",
        ["slug", "note"],
    ),
    "an expression of the row": (
        "post.votes = models.F('votes') + models.functions.Abs('kind')\n"
        "post.rank = models.Case(models.When(kind=1, then=models.Value(2)), default='kind')\n"
        "post.price = models.functions.Cast('kind', output_field=models.FloatField())\nrows.append(post)\n",
        ["votes", "rank", "price"],
    ),
    "a row that is made and not pointed to": (
        APPENDED + "Person.objects.create(name=post.title, age=1)\n",
        ["slug"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_rows_of_a_list(name):
    body, fields = LISTS[name]
    quoted = ", ".join(f'"{field}"' for field in fields)
    check_batched(listed(body, f"[{quoted}]"), in_batches(body, quoted), databases=EVERYWHERE)


@pytest.mark.parametrize(
    "call",
    [
        "Post.objects.bulk_update(rows, fields=('slug',))",
        "Post.objects.bulk_update(rows, ['slug'], batch_size=50)",
        "Post.objects.bulk_update(rows, ['slug'], 50)",
        "if rows:\n    Post.objects.bulk_update(rows, ['slug'])",
        "Post.objects.all().bulk_update(rows, ['slug'])",
    ],
)
def test_the_call_of_bulk_update(call):
    found = outcome_of(whole(listed(APPENDED, call=call)), select=SELECT).loops[0]
    expected = () if ".all()" in call else ("MF301",)
    assert found.codes == expected


def test_what_bulk_update_writes_is_no_more_than_its_fields():
    check_batched(
        "rows = []\nfor s in Stamped.objects.all():\n    s.name = s.other.strip()\n"
        '    rows.append(s)\nStamped.objects.bulk_update(rows, ["name", "updated"])\n',
        'with update_in_batches("name", "updated") as batch:\n'
        "    for s in Stamped.objects.all():\n        s.name = s.other.strip()\n"
        "        batch.update(s)\n",
    )


@pytest.mark.parametrize(
    ("databases", "rows", "codes"),
    [
        (
            ("postgresql",),
            'stream(Post.objects.only("slug", "title"))',
            ("MF201", "MF203", "MF301"),
        ),
        (EVERYWHERE, 'stream(Post.objects.only("slug", "title"))', ("MF201", "MF203", "MF301")),
    ],
)
def test_rows_that_no_list_keeps_are_streamed(databases, rows, codes):
    short = SHORT if databases == ("postgresql",) else MODELS
    if short is SHORT:
        rows, codes = 'Post.objects.only("slug", "title").iterator()', ("MF201", "MF202", "MF301")
    check_rewritten(
        listed(APPENDED),
        in_batches(APPENDED, rows=rows),
        *codes,
        models=short,
        databases=databases,
        select=ALL_OF,
    )


def test_rows_that_are_counted_before_they_are_streamed():
    before = "posts = Post.objects.all()\nif posts:\n    print(1)\n"
    check_rewritten(
        listed(APPENDED, before=before, rows="posts"),
        in_batches(APPENDED, before=before.replace("if posts", "if posts.exists()"), rows="stream(posts)"),
        "MF203",
        "MF301",
        "MF401",
        databases=EVERYWHERE,
        select=("MF203", "MF301", "MF401"),
    )  # fmt: skip


@pytest.mark.parametrize("select", [("MF202", "MF203"), ("MF401", "MF203"), ("MF203",)])
@pytest.mark.parametrize("databases", [("postgresql",), EVERYWHERE])
def test_without_batches_the_list_keeps_the_rows(select, databases):
    before = "posts = Post.objects.all()\nif posts:\n    print(1)\n"
    check_refused(
        listed(APPENDED, before=before, rows="posts"), "keeps-rows", select=select, databases=databases
    )  # fmt: skip


def test_batches_that_are_refused_or_unsafe_or_ignored_leave_the_rows_in_their_list():
    changed = listed(APPENDED + 'post.slug = "later"\n')
    unsafe = listed("post.code = post.title\nrows.append(post)\n", '["code"]')
    ignored = listed(APPENDED).replace("for post", "# migfix: ignore[MF301]\nfor post")
    for body in (changed, unsafe, ignored):
        found = outcome_of(whole(body), select=("MF202", "MF203", "MF301")).loops[0]
        assert not found.changed, found
        assert any("keeps every row" in answer.reason for answer in found.answers)
    assert found.blocked_by == "suppressed"
    found = outcome_of(whole(unsafe), select=("MF203", "MF301"), unsafe=True, databases=EVERYWHERE)
    assert found.loops[0].codes == ("MF203", "MF301")


# --- a bulk_update() of the looped queryset itself ---------------------------------------------------

POSTS = "posts = Post.objects.all()\n"
UPDATED = "Post.objects.bulk_update(posts, {})\n"
SLUG = "post.slug = post.title.lower()\n"


def whole_queryset(body: str, fields: str = '["slug"]', before: str = POSTS) -> str:
    return f"{before}{loop(body, rows='posts')}{UPDATED.format(fields)}"


def each_turn(body: str, fields: str = '"slug"', before: str = POSTS, rows: str = "posts") -> str:
    return batched(f"{body}batch.update(post)\n", fields, before, rows)


WHOLE = {
    "a value from Python": (SLUG, ["slug"]),
    "under a condition": ("if post.live:\n" + indent(SLUG, "    "), ["slug"]),
    "continue before anything is set": ("if post.live:\n    continue\n" + SLUG, ["slug"]),
    "break before anything is set": ("if post.kind == 3:\n    break\n" + SLUG, ["slug"]),
    "continue of an inner loop": (
        SLUG + "for letter in post.title:\n    if letter:\n        continue\n    print(letter)\n",
        ["slug"],
    ),
    "a branch at the end": (
        "if post.live:\n" + indent(SLUG, "    ") + "else:\n    post.slug = post.code\n",
        ["slug"],
    ),
    "a comment at the end": (SLUG.replace("\n", "  # why\n"), ["slug"]),
    "several columns, one not set": (SLUG + 'post.note = ""\n', ["slug", "cost"]),
    "rows that are looked at afterwards": (SLUG + "print(post, post.slug)\n", ["slug"]),
}


@pytest.mark.parametrize("name", WHOLE)
def test_rows_of_the_queryset_itself(name):
    body, fields = WHOLE[name]
    quoted = ", ".join(f'"{field}"' for field in fields)
    check_batched(
        whole_queryset(body, f"[{quoted}]"), each_turn(body, quoted), databases=EVERYWHERE
    )


def test_a_guard_around_the_bulk_update_goes_as_well():
    before = f"{POSTS}{loop(SLUG, rows='posts')}if posts:\n    {UPDATED.format(['slug'])}"
    check_batched(before, each_turn(SLUG), databases=EVERYWHERE)


def test_rows_of_the_queryset_itself_are_streamed_and_narrowed():
    check_rewritten(
        whole_queryset(SLUG),
        each_turn(SLUG, rows='stream(posts.only("slug", "title"))'),
        "MF201",
        "MF203",
        "MF301",
        databases=EVERYWHERE,
        select=ALL_OF,
    )
    check_rewritten(
        whole_queryset(SLUG, '["slug", "note"]'),
        each_turn(SLUG, '"slug", "note"', rows='posts.only("slug", "title", "note").iterator()'),
        "MF201",
        "MF202",
        "MF301",
        models=SHORT,
        select=ALL_OF,
    )


@pytest.mark.parametrize(
    "select", [("MF201",), ("MF202",), ("MF203",), ("MF201", "MF202", "MF203")]
)
def test_without_batches_bulk_update_needs_the_rows(select):
    check_refused(
        whole_queryset(SLUG), "queryset-reused", select=select, databases=EVERYWHERE, models=SHORT
    )


def test_a_list_of_the_rows_goes_where_they_are_streamed():
    listed_before = "posts = list(Post.objects.all())\n"
    check_rewritten(
        whole_queryset(SLUG, before=listed_before),
        each_turn(SLUG, rows="stream(posts)"),
        "MF203",
        "MF301",
        databases=EVERYWHERE,
        select=("MF203", "MF301"),
    )
    check_batched(whole_queryset(SLUG, before=listed_before), each_turn(SLUG, before=listed_before))


@pytest.mark.parametrize(
    "select", [("MF201",), ("MF202",), ("MF203",), ("MF201", "MF202", "MF203")]
)
def test_without_batches_bulk_update_needs_the_list(select):
    before = whole_queryset(SLUG, before="posts = list(Post.objects.all())\n")
    check_refused(before, "queryset-reused", select=select, databases=EVERYWHERE, models=SHORT)


# --- another database --------------------------------------------------------------------------------

ALIAS = "alias = schema_editor.connection.alias\n"
OF_ALIAS = "Post.objects.using(alias)"


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (SAVED.replace("save()", "save(using=alias)"), OF_ALIAS),
        (SAVED.replace("save()", "save(using=alias, update_fields=['slug'])"), OF_ALIAS),
        (
            SAVED.replace("save()", "save(using=alias, update_fields=['slug'])"),
            "Post.objects.all()",
        ),
    ],
)
def test_a_save_to_a_database_that_has_a_name(body, rows):
    after = f"{SLUG}batch.save(post, using=alias)\n"
    check_batched(loop(body, ALIAS, rows), batched(after, before=ALIAS, rows=rows))


def test_a_bulk_update_of_a_database_that_has_a_name():
    call = f"{OF_ALIAS}.bulk_update({{}}, ['slug'])\n"
    after = f"{SLUG}batch.update(post, using=alias)\n"
    check_batched(
        f"{ALIAS}rows = []\n{loop(APPENDED, rows=OF_ALIAS)}{call.format('rows')}",
        batched(after, before=ALIAS, rows=OF_ALIAS),
    )
    made = f"{ALIAS}posts = {OF_ALIAS}\n"
    check_batched(
        f"{made}{loop(SLUG, rows='posts')}{call.format('posts')}",
        batched(after, before=made, rows="posts"),
    )


OTHER_DATABASE = {
    "a full save to another one": (
        loop(SAVED.replace("save()", "save(using=alias)"), ALIAS), "save-arguments"
    ),
    "a name that changes": (
        loop(SAVED.replace("save()", "save(using=alias)"), f"{ALIAS}rows = {OF_ALIAS}\nalias = 'b'\n", "rows"),
        "save-arguments",
    ),
    "a call": (
        loop(SAVED.replace("save()", "save(using=pick())"), rows="Post.objects.using(pick())"),
        "save-arguments",
    ),
    "another argument": (
        loop(SAVED.replace("save()", "save(using=alias, force_update=True)"), ALIAS, OF_ALIAS),
        "save-arguments",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_DATABASE)
def test_a_save_to_a_database_that_may_be_another(name):
    before, reason = OTHER_DATABASE[name]
    check_refused(before, reason, select=SELECT)


WHOLE_LEFT = {
    "continue after something is set": (SLUG + "if post.live:\n    continue\nprint(1)\n", "loop-shape"),
    "break after something is set": (SLUG + "if post.live:\n    break\n", "loop-shape"),
    "continue in the else of an inner loop": (
        SLUG + "for letter in post.title:\n    print(letter)\nelse:\n    continue\n",
        "loop-shape",
    ),
    "return": (SLUG + "if post.live:\n    return\n", "leaves-function"),
    "the row by another name": ("other = post\nother.slug = post.title\n", "row-escapes"),
    "the row of the turn before": (
        "if post.pk > 1:\n    last.slug = 'x'\n" + SLUG + "last = post\n",
        "row-escapes",
    ),
    "the row is kept elsewhere": (SLUG + "kept.append(post)\n", "row-escapes"),
    "the row is saved, too": (SLUG + "post.save()\n", "queryset-reused"),
    "a column of the row is saved, too": (
        SLUG + "post.kind = 1\npost.save(update_fields=['kind'])\n",
        "queryset-reused",
    ),
    "continue in a try": (
        "try:\n    if post.live:\n        continue\nfinally:\n    post.slug = post.title.lower()\n",
        "loop-shape",
    ),
    "a query of the same table": (SLUG + "print(Post.objects.count())\n", "query-in-body"),
    "the key": ("post.pk = 3\n" + SLUG, "primary-key"),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE_LEFT)
def test_a_bulk_update_of_the_queryset_itself_that_is_left_alone(name):
    body, reason = WHOLE_LEFT[name]
    check_refused(whole_queryset(body), reason, select=SELECT, databases=EVERYWHERE)


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ('.order_by("-title", "author__name")', False),
        ('.order_by("?")', True),
        ('.order_by("author")', True),  # by the order of the other model
        (".annotate(n=models.functions.Random())", True),
        ('.annotate(n=models.F(name="attachments__name"))', True),
        ('.alias(n=models.FilteredRelation("attachments")).select_related("n")', True),
        ('.order_by(models.F("title").desc(), models.F("kind"))', False),
        ('.alias(n=models.F("attachments__name"))', False),
        ('.filter(attachments__name="x")', False),
        ("", False),
        ('.order_by("-attachments__name")', True),
        ('.order_by(models.F("attachments__name").desc())', True),
        (".order_by(*names)", True),
        ('.annotate(n=models.F("attachments__name"))', True),
        ('.alias(n=models.F("attachments__name")).order_by("n")', True),
    ],
)
@pytest.mark.parametrize("right", ["Post.objects{}", "(Post.objects.all() | Post.objects{})"])
def test_a_bulk_update_of_distinct_rows_of_two_queries(right, order, left):
    rows = f"(Post.objects.all() | {right.format(order)}).distinct()"
    given = whole_queryset(SLUG).replace("Post.objects.all()", rows, 1)
    found = outcome_of(whole(given), select=SELECT, databases=EVERYWHERE).loops[0]
    assert found.blocked_by == ("queryset-shape" if left else None), found


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ('Post.objects.filter(kind__gt=models.F("rank"))', False),
        ('Post.objects.exclude(kind__gt=models.F("rank"))', False),
        ("Post.objects.filter(models.Q(kind=1) | models.Q(rank=2))", False),
        ('Post.objects.filter(title=models.F("attachments__name"))', True),
        ('Post.objects.exclude(title=models.F("attachments__name"))', True),
        ('Post.objects.filter(models.Q(title=models.F("attachments__name")))', True),
        ("Post.objects.filter(title=joined)", True),
        ('Post.objects.filter(kind=1) | Post.objects.filter(attachments__name="x")', True),
        ('Post.objects.filter(kind=1) & Post.objects.filter(nothing="x")', True),
    ],
)
def test_a_bulk_update_of_rows_that_a_condition_may_repeat(rows, left):
    before = 'joined = models.F("attachments__name")\n'
    given = before + whole_queryset(SLUG).replace("Post.objects.all()", rows, 1)
    found = outcome_of(whole(given), select=SELECT, databases=EVERYWHERE).loops[0]
    assert found.blocked_by == ("queryset-shape" if left else None), found


def test_a_loop_whose_body_ends_in_a_string_of_several_lines():
    body = 'post.slug = "%s" % """a\n  b"""\n'
    before = f"post = Post.objects.first()\n{POSTS}for post in posts:\n    {body}{UPDATED.format(['slug'])}"
    after = outcome_of(whole(before), select=SELECT, databases=EVERYWHERE).edits[-1].after.decode()
    assert '  b"""\n            batch.update(post)\n' in after


def test_comments_at_the_end_of_a_body_stay_where_they_are():
    body = "if post.live:\n    post.slug = 'a'\n    # of the branch\n"
    given = whole(f"{whole_queryset(body)}").replace(
        "    Post.objects.bulk", "        # of the body\n    Post.objects.bulk"
    )
    after = outcome_of(given, select=SELECT, databases=EVERYWHERE).edits[-1].after.decode()
    end = "                # of the branch\n            batch.update(post)\n            # of the body\n"
    assert end in after


@pytest.mark.parametrize(
    "header", ["for post in posts: post.slug = 'a'", "for post in (\n    posts\n): post.slug = 'a'"]
)
def test_a_body_in_the_line_of_its_header(header):
    before = f"post = None\n{POSTS}{header}\n{UPDATED.format(['slug'])}"
    check_refused(before, "loop-shape", select=SELECT, databases=EVERYWHERE)


def test_tabs_in_a_loop_that_spaces_indent():
    given = whole(whole_queryset(SLUG)).replace("        post.slug", "    \tpost.slug")
    after = outcome_of(given, select=SELECT, databases=EVERYWHERE).edits[-1].after.decode()
    compile(after, "after", "exec")
    assert "batch.update(post)" in after


def test_a_list_of_a_list_stays():
    before = whole_queryset(SLUG, before="posts = list(tuple(Post.objects.all()))\n")
    check_refused(before, "queryset-reused", select=("MF203", "MF301"), databases=EVERYWHERE)


WHOLE_READ = {
    "before": f"{POSTS}print(posts[0])\nprint(len(posts))\n{{}}",
    "changed before": f"{POSTS}for post in posts:\n    post.slug = 'x'\n{{}}",
    "after": POSTS + "{}print(list(posts))\n",
    "in another loop": POSTS + "for x in range(2):\n    print(len(posts))\n{}",
    "a list before": "posts = list(Post.objects.all())\nprint(posts)\n{}",
    "a list after": "posts = list(Post.objects.all())\n{}print(posts)\n",
    "a list, while the table changes": "posts = list(Post.objects.all())\nPost.objects.update(slug='x')\n{}",
}


@pytest.mark.parametrize("name", WHOLE_READ)
def test_rows_that_something_else_reads_as_well(name):
    found = WHOLE_READ[name].format(whole_queryset(SLUG, before=""))
    outcome = outcome_of(whole(found), select=SELECT, databases=EVERYWHERE)
    assert not any(each.changed for each in outcome.loops), outcome.loops
    assert outcome.loops[-1].blocked_by == "queryset-reused"


def test_rows_left_out_that_bulk_update_would_store_in_another_form():
    """SQLite keeps floats for decimals, which Django writes back rounded."""
    body = "if post.live:\n    continue\npost.cost = len(post.title)\n"
    before = whole_queryset(body, '["cost"]')
    check_refused(before, "value", select=SELECT, databases=EVERYWHERE)
    check_batched(before, each_turn(body, '"cost"'), databases=("postgresql",))


EMPTIED = {
    "a new list": "rows = []",
    "clear()": "rows.clear()",
}


@pytest.mark.parametrize("name", EMPTIED)
def test_a_list_that_the_loop_empties_is_a_batch_already(name):
    flush = (
        f"if len(rows) > 99:\n    Post.objects.bulk_update(rows, ['slug'])\n    {EMPTIED[name]}\n"
    )
    before = listed(APPENDED + flush)
    assert not outcome_of(whole(before), select=SELECT).loops[0].changed
    check_rewritten(
        before,
        before.replace("Post.objects.all()", "Post.objects.all().iterator()"),
        "MF202",
        models=SHORT,
        select=("MF202", "MF301"),
    )


def test_a_list_that_something_else_empties_keeps_its_rows():
    check_refused(
        listed(APPENDED + "more = []\nmore.clear()\n") + "rows.clear()\n",
        "keeps-rows",
        select=("MF202",),
        models=SHORT,
    )
    check_refused(
        listed(APPENDED + "if post.live:\n    rows = [post]\n"), "keeps-rows", select=("MF202",), models=SHORT
    )  # fmt: skip


LISTS_LEFT = {
    # where rows are put into the list
    "an append whose errors are caught": (
        listed("try:\n" + indent(APPENDED, "    ") + "except ValueError:\n    pass\n"),
        "transaction",
    ),
    "an append that is a part of something": (
        listed("post.slug = post.title\nx = rows.append(post)\n"),
        "loop-shape",
    ),
    "an append in a function": (
        listed("post.slug = post.title\nput = lambda: rows.append(post)\nput()\n"),
        "loop-shape",
    ),
    "another row": (
        listed(APPENDED + "rows.append(Post(pk=3))\n"),
        "row-escapes",
    ),
    "the row by another name": (
        listed("other = post\nother.slug = post.title\nrows.append(other)\n"),
        "row-escapes",
    ),
    "the row is handed on": (listed("imported.run(post)\n" + APPENDED), "row-escapes"),
    "the row is kept elsewhere, too": (listed("kept.append(post)\n" + APPENDED), "row-escapes"),
    "the row is saved, too": (listed(APPENDED + "post.save()\n"), "row-escapes"),
    "the row is deleted": (listed(APPENDED + "post.delete()\n"), "query-in-body"),
    "the key is set": (listed("post.pk = 3\n" + APPENDED), "primary-key"),
    # what changes afterwards
    "a column is set afterwards": (listed(APPENDED + 'post.slug = "x"\n'), "saved-twice"),
    "a column is set afterwards, by its name": (
        listed(APPENDED + 'setattr(post, "slug", "x")\n'),
        "saved-twice",
    ),
    "a column is set after a branch": (
        listed("if post.live:\n    rows.append(post)\n" + 'post.slug = "x"\n'),
        "saved-twice",
    ),
    "a column is set in a branch": (
        listed(APPENDED + 'if post.live:\n    post.slug = "x"\n'),
        "saved-twice",
    ),
    "a column is set in the next turn of an inner loop": (
        listed("for letter in post.title:\n    post.slug += letter\n    rows.append(post)\n"),
        "saved-twice",
    ),
    "a column is set by the test of a branch": (
        listed(APPENDED + "if fill(post):\n    pass\n", before="def fill(p):\n    p.slug = 'x'\n"),
        "row-escapes",
    ),
    "the row of the turn before is changed": (
        listed("if post.pk > 1:\n    last.slug = 'x'\n" + APPENDED + "last = post\n", before="last = None\n"),
        "row-escapes",
    ),
    "a function inside changes the row": (
        listed("def fill():\n    post.slug = 'x'\n" + APPENDED + "fill()\n"),
        "row-escapes",
    ),
    "a function before the loop changes the row": (
        listed(APPENDED + "fill()\n", before="fill = lambda: setattr(post, 'slug', 'x')\n"),
        "row-escapes",
    ),
    # what would be kept
    "return": (listed(APPENDED + "if post.live:\n    return\n"), "leaves-function"),
    "an error is caught": (
        "try:\n" + indent(listed(APPENDED), "    ") + "except Exception:\n    pass\n",
        "transaction",
    ),
    "an outer loop": (
        "for number in range(3):\n" + indent(listed(APPENDED), "    "),
        "per-parent",
    ),
    "the loop has an else": (
        listed(APPENDED).replace("Post.objects.bulk", "else:\n    print(1)\nPost.objects.bulk"),
        "loop-shape",
    ),
    # the rows
    "rows that were read before": (
        listed(APPENDED, before="posts = list(Post.objects.all())\nprint(posts)\n", rows="posts"),
        "queryset-reused",
    ),
    "rows that are read again": (
        listed(APPENDED + "posts[0].slug = 'x'\n", before="posts = Post.objects.all()\n", rows="posts"),
        "queryset-reused",
    ),
    "rows that come twice": (
        listed(APPENDED, rows="Post.objects.filter(attachments__name='a')"),
        "queryset-shape",
    ),
    "rows that are values": (
        "found = {post.pk: post for post in Post.objects.all()}\nrows = []\n"
        'for pk, title in Post.objects.values_list("pk", "title"):\n    rows.append(found[1])\n'
        '    found[1].slug = title.lower()\nPost.objects.bulk_update(rows, ["slug"])\n',
        "rows-are-not-instances",
    ),
    "rows in pairs": (
        "posts = Post.objects.all()\nfor pair in enumerate(posts):\n    pair[1].slug = str(pair[0])\n"
        'Post.objects.bulk_update(posts, ["slug"])\n',
        "rows-are-not-instances",
    ),
    # the call
    "another database": (
        listed(
            APPENDED,
            rows="Post.objects.using('other')",
            call="Post.objects.using('other').bulk_update(rows, {})",
        ),
        "transaction",
    ),
    # the columns
    "a name of no column": (listed(APPENDED, '["slug", "nothing"]'), "field-unknown"),
    "the key": (listed(APPENDED, '["id"]'), "primary-key"),
    "a document that changes later": (
        "rows = []\ndata = {}\nfor t in Token.objects.all():\n    t.data = data\n    data[t.pk] = 1\n"
        '    rows.append(t)\nToken.objects.bulk_update(rows, ["data"])\n',
        "value",
    ),
    # the values
    "a subquery": (
        listed(
            "post.kind = newest + 1\nrows.append(post)\n",
            '["kind"]',
            "newest = models.Subquery(Post.objects.values('kind')[:1])\n",
        ),
        "value",
    ),
    **{
        f"SQL of the project, {name}": (
            listed(f"{value}\nrows.append(post)\n", '["kind"]', "Newest = imported.newest()\n"),
            "value",
        )
        for name, value in {
            "in a template": 'post.kind = models.functions.Abs("kind", template="(SELECT 1)")',
            "in a function": 'post.kind = models.Max("kind", function="x")',
            "in keywords": "post.kind = models.functions.Abs('kind', **options)",
            "imported": "post.kind = imported.NEWEST",
            "in a class": "post.kind = Newest(1)",
            "added": "post.kind += imported.NEWEST",
            "set by name": 'setattr(post, "kind", imported.NEWEST)',
            "of several": "post.kind, post.note = imported.NEWEST, ''",
            "of a pair": "post.kind, post.note = imported.PAIR",
            "of a loop": "for post.kind in imported.PAIR:\n    pass",
            "under a condition": "post.kind = imported.NEWEST if post.live else 1",
            "by another column": "post.rank = imported.NEWEST\npost.kind = post.rank",
        }.items()
    },
    # foreign keys
    "a key of a row that is made later": (
        listed("post.author_id = post.pk\nrows.append(post)\nPerson.objects.create(pk=post.pk)\n", '["author"]'),
        "query-in-body",
    ),
    "a row that is saved later": (
        listed(
            "person = Person(pk=post.pk)\npost.author = person\nrows.append(post)\nperson.save()\n",
            '["author"]',
        ),
        "query-in-body",
    ),
    "rows that are made at once later": (
        listed(
            "post.author = people[0]\nrows.append(post)\nPerson.objects.bulk_create(people)\n",
            '["author"]',
            "people = [Person(pk=7)]\n",
        ),
        "query-in-body",
    ),
    # what looks
    "a query of the same table": (listed("print(Post.objects.count())\n" + APPENDED), "query-in-body"),
    "the helper's name is taken": (listed(APPENDED, before="update_in_batches = 1\n"), "name-clash"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS_LEFT)
def test_lists_that_stay(name):
    before, reason = LISTS_LEFT[name]
    refuse(before, reason, databases=EVERYWHERE)


def test_a_list_in_autocommit():
    source = whole(listed(APPENDED)).replace("(forwards)", "(forwards, atomic=False)")
    found = outcome_of(source, select=SELECT, unsafe=True, databases=("mysql",)).loops[0]
    assert found.blocked_by == "transaction"
    # where the migration has a transaction of its own, that of the operation is needless
    assert outcome_of(source, select=SELECT).loops[0].changed


def test_a_list_beside_a_try():
    rest = "try:\n    print(1)\nfinally:\n    pass\n"
    check_batched(listed(APPENDED) + rest, in_batches(APPENDED) + rest)


def test_a_list_of_rows_that_sqlite_streams():
    before = listed(APPENDED, rows="Post.objects.iterator()")
    refuse(before, "already-streams", databases=("sqlite",))
    check_batched(before, in_batches(APPENDED, rows="Post.objects.iterator()"))


@pytest.mark.parametrize("ordering", ['["attachment__name"]', '[models.F("kind")]', "ORDER"])
def test_a_list_of_rows_that_come_twice_by_the_order_of_the_model(ordering):
    ordered = MODELS.replace('related_name="+")),\n            ],',
                             f'related_name="+")),\n            ],\n            {{"ordering": {ordering}}},')  # fmt: skip
    assert ordered != MODELS
    refuse(listed(APPENDED), "queryset-shape", models=ordered)
    sorted_rows = 'Post.objects.order_by("pk")'
    check_batched(
        listed(APPENDED, rows=sorted_rows), in_batches(APPENDED, rows=sorted_rows), models=ordered
    )


def test_a_list_for_a_manager_of_the_project():
    managed = MODELS.replace('related_name="+")),\n            ],',
                             'related_name="+")),\n            ],\n            managers=[("objects", shop.models.Own())],')  # fmt: skip
    managed = managed.replace(
        "from django.db import", "import shop.models\nfrom django.db import", 1
    )
    refuse(listed(APPENDED), "custom-manager", models=managed)
    by_base = listed(APPENDED, rows="Post._base_manager.all()")
    refuse(by_base, "custom-manager", models=managed)


def test_a_list_of_rows_with_columns_in_two_tables():
    body = "rows = []\nfor sub in X.objects.all():\n    sub.more = sub.slug.lower()\n    rows.append(sub)\n"
    body += 'X.objects.bulk_update(rows, ["more"])\n'
    refuse(GET.format("Sub") + body, "multi-table-inheritance", models=PARENT)


def test_a_list_whose_unique_column_moves_is_unsafe():
    before = listed("post.code = post.title\nrows.append(post)\n", '["code"]')
    assert outcome_of(whole(before), select=SELECT).loops[0].blocked_by == "unique"
    assert outcome_of(whole(before), select=SELECT, unsafe=True).loops[0].changed


def test_a_list_beside_code_that_is_not_known_is_unsafe():
    before = listed("imported.run(1)\n" + APPENDED)
    assert outcome_of(whole(before), select=SELECT).loops[0].blocked_by == "unknown-call"
    assert outcome_of(whole(before), select=SELECT, unsafe=True).loops[0].changed


def test_a_function_before_the_loop_that_uses_the_row():
    before = "fill = lambda: setattr(post, 'note', 'x')\n" + loop("fill()\n" + SAVED)
    refuse(before, "row-escapes")
    check_batched(
        "fill = lambda: print(3)\n" + loop(SAVED), "fill = lambda: print(3)\n" + batched(SAVED)
    )


# --- saves in functions that the row is given to --------------------------------------------------

FIX = "def fix(post):\n    post.slug = post.title.lower()\n    post.save()\n"


def beside(body: str, functions: str = FIX) -> str:
    """A migration with functions beside ``forwards``."""
    return whole(body).replace("\n\ndef forwards", f"\n\n{functions}\n\ndef forwards", 1)


def written_with_functions(body: str, functions: str = FIX) -> str:
    found = outcome_of(beside(body, functions), select=SELECT)
    assert found.edits, found.loops
    return found.edits[-1].after.decode()


HANDED = {
    "its only argument": ("fix(post)", FIX),
    "by its name": ("fix(post=post)", FIX),
    "among others": ("fix(1, post)", FIX.replace("fix(", "fix(n, ")),
    "on some ways": ("if post.live:\n    fix(post)", FIX),
    "twice": ("fix(post)\nif post.live:\n    fix(post)", FIX),
    "names given to save": (
        "fix(post)",
        FIX.replace("save()", 'save(update_fields=["slug"])'),
    ),
    "a save on some ways": ("fix(post)", FIX.replace("    post.save", "    if post.slug:\n        post.save")),
    "an early return": ("fix(post)", FIX.replace("):\n", "):\n    if not post.live:\n        return\n", 1)),
    "a value that tells": ("fixed = fix(post)\nif fixed:\n    continue", FIX + "    return True\n"),
    "another name there": ("fix(post)", FIX.replace("post", "row")),
}  # fmt: skip


@pytest.mark.parametrize("name", HANDED)
def test_a_row_that_is_given_to_a_function_which_saves_it(name):
    body, functions = HANDED[name]
    after = written_with_functions(loop(body), functions)
    handed = body.replace("fix(1, post)", "fix(1, batch.saving(post))")
    handed = handed.replace("fix(post)", "fix(batch.saving(post))")
    handed = handed.replace("fix(post=post)", "fix(post=batch.saving(post))")
    assert (
        indent('with update_in_batches("slug") as batch:\n' + indent(loop(handed), "    "), "    ")
        in after
    )
    assert functions in after  # stays as it is


def test_a_row_that_the_body_saves_as_well():
    after = written_with_functions(loop("fix(post)\npost.note = post.slug\npost.save()"))
    assert 'update_in_batches("slug", "note")' in after or '"note", "slug"' in after
    assert "fix(batch.saving(post))" in after
    assert "batch.save(post)" in after


UNSURE = {
    "another row as well": ("fix(post)\nfix(Post.objects.first())", FIX, "loop-shape"),
    "another row alone, of the same function": (
        "fix(post)\nfix(other)", FIX, "loop-shape",
    ),
    "a function that calls another": (
        "mend(post)", FIX + "\n\ndef mend(post):\n    fix(post)\n", "loop-shape",
    ),
    "two functions that call it": (
        "fix(post)\nmend(post)", FIX + "\n\ndef mend(post):\n    fix(post)\n", "loop-shape",
    ),
    "a function that calls itself": (
        "fix(post)", FIX + "    if post.live:\n        fix(post)\n", "loop-shape",
    ),
    "a function that is handed on": ("fix(post)\nlist(map(fix, [post]))", FIX, "loop-shape"),
    "another name for the row": ("other = post\nfix(other)", FIX, "loop-shape"),
    "a save in a try": (
        "fix(post)",
        "def fix(post):\n    post.slug = ''\n    try:\n        post.save()\n    except ValueError:\n        pass\n",
        "transaction",
    ),
    "a try around the call": ("try:\n    fix(post)\nexcept ValueError:\n    pass", FIX, "transaction"),
    "a with around the call": (
        "with transaction.atomic():\n    fix(post)",
        "from django.db import transaction\n" + FIX, "transaction",
    ),
    "the value of save": ("fix(post)", FIX.replace("post.save", "x = post.save"), "loop-shape"),
    "a database": ("fix(post)", FIX.replace("save()", "save(using='other')"), "save-arguments"),
    "other names": (
        "fix(post)", FIX + "    post.save(update_fields=['note'])\n", "save-arguments",
    ),
    "the key": ("fix(post)", FIX.replace("post.save", "post.pk = None\n    post.save"), "primary-key"),
    "the row comes back": ("post = fix(post)", FIX + "    return post\n", "row-escapes"),
    "a copy": ("fix(post)", "import copy\n" + FIX.replace("post.save", "copy.copy(post).save()\n    post.save"), "row-escapes"),
    "a query of the table": (
        "fix(post)", FIX + "    print(type(post).objects.count())\n", "query-in-body",
    ),
    "the row is read again": ("fix(post)", FIX + "    post.refresh_from_db()\n", "query-in-body"),
    "the row is deleted": ("fix(post)", FIX + "    post.delete()\n", "query-in-body"),
    "a decorator": ("fix(post)", "from django.db.transaction import atomic\n@atomic\n" + FIX, "query-in-body"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSURE)
def test_saves_in_functions_that_do_not_wait(name):
    body, functions, reason = UNSURE[name]
    before = "other = Post.objects.get(pk=1)\n" if "other" in body and "other =" not in body else ""
    found = outcome_of(beside(before + loop(body), functions), select=SELECT, unsafe=True).loops[0]
    assert not found.changed
    assert found.blocked_by == reason, found.reason


def test_a_function_that_another_loop_gives_other_rows():
    body = loop("fix(post)") + "\nfor row in Post.objects.filter(live=True):\n    fix(row)\n"
    after = written_with_functions(body)
    assert after.count("fix(batch.saving(") == 2


def test_a_value_that_a_function_computes_is_none_that_the_loop_computes():
    """The function's own ``n`` is not that of the loop, which would fit."""
    functions = "def fix(post):\n    n = post.title * 99\n    post.slug = n\n    post.save()\n"
    body = 'n = ""\n' + loop("fix(post)\nPerson.objects.create(name=post.title)")
    source = beside(body, functions)
    source = source.replace(
        "migrations.RunPython(forwards)", "migrations.RunPython(forwards, atomic=False)"
    ).replace("    dependencies", "    atomic = False\n    dependencies")
    found = outcome_of(source, select=SELECT).loops[0]
    assert not found.changed
    assert "may be given a value that does not fit" in found.reason


# --- pages ----------------------------------------------------------------------------------------

BY_KEY = "posts = list(Post.objects.filter(pk__gt=last).order_by('pk')[:{}])\n"
KEY = "last = posts[-1].pk\n"


def of_keys(body: str = SAVED, size: object = 1000, around: str = "while True:") -> str:
    """Pages by key, each read into a list."""
    lines = BY_KEY.format(size) + "if not posts:\n    break\n" + loop(body, rows="posts") + KEY
    return f"last = 0\n{around}\n{indent(lines, '    ')}"


def of_numbers(
    rows: str, body: str = SAVED, before: str = "", numbers: str = "range(0, 9000, 1000)"
) -> str:
    """Pages that start at a number."""
    return f"{before}for start in {numbers}:\n{indent(loop(body, rows=rows), '    ')}"


def in_pages(before: str) -> str:
    """The inner loop in a batch."""
    lines = before.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith("    for post in"))
    last = next(i for i, line in enumerate(lines) if "post.save()" in line)
    turn = [
        f"    {line}".replace("post.save()", "batch.save(post)") for line in lines[first : last + 1]
    ]
    header = ['    with update_in_batches("slug") as batch:\n']
    return "".join(lines[:first] + header + turn + lines[last + 1 :])


@pytest.mark.parametrize(
    "before",
    [
        of_keys(),
        of_keys(size="number"),
        "number = 500\n" + of_keys(size="number"),
        of_keys("if post.live:\n    continue\n" + SAVED),
        of_numbers("Post.objects.order_by('pk')[start : start + 1000]"),
        of_numbers("Post.objects.order_by('pk')[start : start + size]"),
        of_numbers("posts[start : start + 1000]", before="posts = Post.objects.order_by('pk')\n"),
        of_numbers(
            "posts[start : start + 1000]",
            before="posts = Post.objects.order_by('pk')\n",
            numbers="range(0, posts.count(), 1000)",
        ),
    ],
)
def test_each_page_is_a_batch(before):
    check_batched(before, in_pages(before))


PAGINATOR = "from django.core.paginator import Paginator\n"
POSTS_PAGED = PAGINATOR + "pages = Paginator(Post.objects.order_by('pk'), 1000)\n"
KEYS = "keys = list(Post.objects.values_list('pk', flat=True))\n"


def of_pages(rows: str, body: str = SAVED, before: str = POSTS_PAGED) -> str:
    """Pages of a ``Paginator``."""
    return of_numbers(rows, body, before, "pages.page_range")


@pytest.mark.parametrize(
    "before",
    [
        of_pages("pages.page(start)"),
        of_pages("pages.page(start).object_list"),
        of_pages("pages.get_page(start)", before=POSTS_PAGED.replace("1000", "per_page=size")),
        of_numbers(
            "pages.page(start)", before=POSTS_PAGED, numbers="range(1, pages.num_pages + 1)"
        ),
        of_numbers("Post.objects.filter(pk__in=keys[start : start + 1000])", before=KEYS),
        of_numbers(
            "Post.objects.filter(pk__in=start)",
            before="from itertools import batched\n" + KEYS,
            numbers="batched(keys, 1000)",
        ),
    ],
)
def test_each_page_of_a_paginator_and_each_batch_of_keys_is_a_batch(before):
    check_batched(before, in_pages(before))


def test_keys_of_a_generator_of_the_file_are_batches():
    functions = (
        "def batches(rows):\n    last = 0\n    while True:\n"
        "        keys = list(rows.filter(pk__gt=last)[:1000].values_list('pk', flat=True))\n"
        "        if not keys:\n            break\n        yield keys\n        last = keys[-1]\n"
    )
    body = of_numbers(
        "Post.objects.filter(pk__in=start)", numbers="batches(Post.objects.order_by('pk'))"
    )
    run = outcome_of(beside(body, functions), select=(*SELECT, "MF203")).loops
    found = next(each for each in run if each.changed)
    assert found.codes == ("MF301",)
    assert "brings their keys some at a time" in str(found.answers)
    none = functions.replace("yield keys", "return [keys]")
    assert not any(each.changed for each in outcome_of(beside(body, none), select=SELECT).loops)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (of_pages("pages.page(start)", before=POSTS_PAGED.replace("1000", "9")), "few-rows"),
        (of_pages("pages.page(start)", SAVED + "print(list(pages.page(start + 1)))\n"), "query-in-body"),
        (of_pages("pages.page(start)", SAVED + "print(pages.count)\n"), "query-in-body"),
        (of_pages("pages.page(start)", before=POSTS_PAGED.replace(".order_by('pk')", ".all()")), "unordered-pages"),
        (
            of_pages("pages.page(start)", before=POSTS_PAGED.replace(".order", ".filter(slug='').order")),
            "shifting-pages",
        ),
        (of_keys().replace(".order_by('pk')", ""), "unordered-pages"),
        (
            "last = 0\nwhile True:\n"
            + indent(loop(SAVED + "last = post.pk\n", rows="Post.objects.filter(id__gt=last)[:1000]"), "    "),
            "unordered-pages",
        ),
    ],
)  # fmt: skip
def test_pages_of_a_paginator_and_by_key_that_are_no_batches(before, reason):
    refuse(before, reason)


def test_an_update_takes_no_page_of_a_paginator():
    before = of_pages("pages.page(start)", "post.slug = 'x'\npost.save(update_fields=['slug'])\n")
    for code in ("MF101", "MF201", "MF202", "MF203"):
        found = outcome_of(whole(before), unsafe=True, select=(code,)).loops[0]
        assert not found.changed, found
    deleted = of_pages("pages.page(start)", "post.delete()\n")
    assert not outcome_of(whole(deleted), unsafe=True, select=("MF102",)).loops[0].changed


def test_what_is_wrong_with_pages_is_said_where_the_loop_changes():
    before = of_numbers("Post.objects.all()[start : start + 1000]")
    found = outcome_of(whole(before), select=("MF201", "MF301")).loops[0]
    assert found.codes == ("MF201",)
    assert len(found.faults) == 1
    assert "are in no order" in found.faults[0]
    assert any("look at this" in line for line in further_lines(found))


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (of_keys(size=50), "few-rows"),
        ("number = 50\n" + of_keys(size="number"), "few-rows"),
        (of_keys(around="for person in Person.objects.all():"), "few-rows"),
        (of_numbers("Post.objects.order_by('pk')[start : start + 9]"), "few-rows"),
        (
            of_numbers("Post.objects.filter(author=start)[:1000]", numbers="Person.objects.all()"),
            "per-parent",
        ),
        (of_keys().replace("[-1].pk", "[-1].slug"), "queryset-reused"),
        (
            of_keys().replace("if not posts:", "Post.objects.update(body='')\n    if not posts:"),
            "queryset-reused",
        ),
        (of_numbers("Post.objects.all()[start : start + 1000]"), "unordered-pages"),
        (of_numbers("Post.objects.filter(live=True)[start : start + 1000]"), "unordered-pages"),
        (
            of_numbers("posts[start : start + 1000]", before="posts = Post.objects.all()\n"),
            "unordered-pages",
        ),
        (
            of_numbers("Post.objects.filter(slug='').order_by('pk')[start : start + 1000]"),
            "shifting-pages",
        ),
        (
            of_numbers("Post.objects.exclude(author=1).order_by('pk')[start : start + 1000]",
                       "post.author_id = 2\npost.save()\n"),
            "shifting-pages",
        ),
        (
            of_numbers("Post.objects.order_by('pk')[start : start + 1000]", SAVED + "post.delete()\n"),
            "shifting-pages",
        ),
    ],
)  # fmt: skip
def test_pages_that_are_no_batches(before, reason):
    refuse(before, reason)


@pytest.mark.parametrize(
    "before",
    [
        # of rows that len() has read
        of_numbers(
            "posts[start : start + 1000]",
            before="posts = Post.objects.filter(slug='')\n",
            numbers="range(0, len(posts), 1000)",
        ),
        # by key, which no row moves
        of_keys().replace("pk__gt=last", "pk__gt=last, slug=''"),
        # by key, in order
        of_keys(),
        # the first of those that are left
        "while True:\n" + indent(loop(SAVED, rows="Post.objects.filter(slug='')[:1000]"), "    "),
    ],
)
def test_pages_without_a_fault(before):
    found = outcome_of(whole(before), unsafe=True, select=SELECT).loops[0]
    assert found.blocked_by not in {"unordered-pages", "shifting-pages"}, found.reason


FULL = """\
rows = []
for post in Post.objects.all():
    post.slug = post.title
    rows.append(post)
    if len(rows) >= 1000:
        Post.objects.bulk_update(rows, ["slug"])
        rows = []
"""


def test_rows_that_nothing_writes_when_the_loop_ends():
    found = check_refused(FULL, "unwritten-rows", select=SELECT)
    assert found.reason == (
        "line 16 writes `rows` when it is full, and nothing writes what is in it when the loop ends"
    )
    cleared = FULL.replace("rows = []\n", "rows.clear()\n").replace("rows.clear()", "rows = []", 1)
    check_refused(cleared, "unwritten-rows", select=SELECT)


@pytest.mark.parametrize(
    "before",
    [
        FULL + 'Post.objects.bulk_update(rows, ["slug"])\n',
        FULL + 'if rows:\n    Post.objects.bulk_update(rows, ["slug"])\n',
        FULL + "print(len(rows))\n",
        FULL + 'else:\n    Post.objects.bulk_update(rows, ["slug"])\n',
        FULL.replace("len(rows) >= 1000", "len(rows) >= 1000 or post.live"),
        FULL.replace("        rows = []\n", ""),
        FULL.replace("    if len", "    if post.live and len"),
    ],
)
def test_rows_that_may_all_be_written(before):
    found = outcome_of(whole(before), select=SELECT).loops[0]
    assert found.blocked_by != "unwritten-rows"
