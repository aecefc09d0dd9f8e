"""load-only-used-fields: which columns a loop needs, and when that cannot be told."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from migfix.findings import Applicability
from migfix.pipeline import run_source
from migfix.settings import Settings
from tests import checking
from tests.checking import MODELS, SHORT, check_refused, check_rewritten, outcome_of, whole

SELECT = ("MF201",)
EXTRA = """
        migrations.CreateModel(
            "Country",
            [
                ("id", models.AutoField(primary_key=True)),
                ("iso", models.CharField(max_length=2, unique=True)),
                ("name", models.CharField(max_length=50)),
                ("anthem", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            "City",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("land", models.ForeignKey("Country", models.CASCADE, to_field="iso",
                                           related_name="cities")),
            ],
        ),
        migrations.CreateModel(
            "Sized",
            [
                ("id", models.AutoField(primary_key=True)),
                ("photo", models.ImageField(width_field="width")),
                ("width", models.IntegerField()),
                ("title", models.TextField()),
                ("rest", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            "Sizes",
            [
                ("id", models.AutoField(primary_key=True)),
                ("photo", models.ImageField(width_field=WIDTH)),
                ("a", models.TextField()),
                ("rest", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            "Page",
            [
                ("id", models.AutoField(primary_key=True)),
                ("a", models.TextField()),
                ("b", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            "Article",
            [
                ("page_ptr", models.OneToOneField("Page", models.CASCADE, auto_created=True,
                                                  parent_link=True, primary_key=True)),
                ("c", models.TextField()),
                ("d", models.TextField()),
            ],
            bases=("shop.page",),
        ),
        migrations.CreateModel(
            "Profile",
            [
                ("id", models.AutoField(primary_key=True)),
                ("city", models.OneToOneField("City", models.CASCADE, related_name="profile")),
                ("a", models.TextField()),
                ("b", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            "Sorted",
            [
                ("id", models.AutoField(primary_key=True)),
                ("key", models.CharField(max_length=9, unique=True)),
                ("text", models.CharField(max_length=9)),
                ("more", models.CharField(max_length=9)),
            ],
            options={"ordering": ["key"]},
        ),
        migrations.CreateModel(
            "Indexed",
            [
                ("id", models.AutoField(primary_key=True)),
                ("a", models.CharField(max_length=9)),
                ("b", models.CharField(max_length=9)),
                ("c", models.CharField(max_length=9)),
            ],
            options={"indexes": [models.Index(fields=["-a", "b"], name="ab")]},
        ),
        migrations.CreateModel(
            "Managed",
            [("id", models.AutoField(primary_key=True)), ("a", models.TextField()),
             ("b", models.TextField())],
            managers=[("objects", shop.models.Live())],
        ),
        migrations.CreateModel(
            "Unclear",
            [("id", models.AutoField(primary_key=True)), ("a", money.Field()),
             ("b", models.TextField())],
        ),
        migrations.CreateModel("Proxy", [], bases=("shop.post",), options={"proxy": True}),
        migrations.CreateModel(
            "Mixed",
            [("id", models.AutoField(primary_key=True)), ("a", models.TextField()),
             ("b", models.TextField())],
            bases=(shop.models.Mixin, models.Model),
        ),
        migrations.CreateModel(
            "Small",
            [("id", models.AutoField(primary_key=True)), ("a", models.TextField()),
             ("n", models.IntegerField()), ("on", models.BooleanField())],
        ),
        migrations.CreateModel(
            "Priced",
            [("id", models.AutoField(primary_key=True)), ("a", models.TextField()),
             ("price", money.MoneyField(currency_field="unit")),
             ("unit", models.CharField(max_length=3)), ("b", models.TextField())],
        ),
    ]
"""
MORE = (
    MODELS.rstrip().removesuffix("]").rstrip() + EXTRA
).replace("from django.db", "import money\nimport shop.models\nfrom django.db", 1)  # fmt: skip
FUNCTIONS = """
def title_of(post):
    return post.title.lower()


def slugify_and_save(other, *, post):
    post.slug = other
    post.save(update_fields=["slug"])


def deep(post):
    return title_of(post)


def twice(post):
    return title_of(post) + again(post)


def again(post):
    return "" if not post.kind else twice(post)


def keep(post):
    return post


def lazily(post):
    yield post.title


@imported.decorator
def decorated(post):
    return post.title


def changed(post):
    return post.title


changed = imported.wrap(changed)


def with_star(*posts):
    return posts[0].title


def fills(post, extra=[]):
    extra.append(post)


def printed(post):
    return f"{post} {post!r} %s" % post + str(post)
"""


def full(header, body):
    lines = [header, *(f"    {line}" for line in body.split("\n"))]
    return "\n".join(lines)


ALL = "for post in Post.objects.all():"
NARROWED = {
    "a read column": ("post.title.strip()", 'only("title")'),
    "columns in the order in which they are named": (
        "x = post.title, post.body, post.title",
        'only("title", "body")',
    ),
    "an assigned column is listed, for a save() to write it": (
        "post.slug = post.title.lower()\npost.save()",
        'only("slug", "title")',
    ),
    "a column that is added to": ("post.votes += 1\npost.save()", 'only("votes")'),
    "a foreign key by its column": ("x = post.author_id, post.title", 'only("author", "title")'),
    "a foreign key that is followed": ("x = post.author.name, post.title", 'only("author", "title")'),
    "a foreign key that is set": (
        "post.editor_id = 3\npost.title = 'x'\npost.save()",
        'only("editor", "title")',
    ),
    "update_fields names what is written though not read": (
        'post.save(update_fields=["votes", "editor_id"])',
        'only("votes", "editor")',
    ),
    "update_fields in a tuple": ('post.save(update_fields=("title",))', 'only("title")'),
    "update_fields=None is a full save": (
        "post.title = 'x'\npost.save(update_fields=None)",
        None,
        "save-arguments",
    ),
    "getattr with a literal": ('x = getattr(post, "title")', 'only("title")'),
    "setattr with a literal": ('setattr(post, "title", 1)\npost.save()', 'only("title")'),
    "hasattr loads": ('x = hasattr(post, "title")', 'only("title")'),
    "a display name reads its column": ("x = post.get_kind_display()", 'only("kind")'),
    "the value to serialize": ('x = post.serializable_value("title")', 'only("title")'),
    "a row in a format": ('x = f"{post} {post!r} {post.title}"', 'only("title")'),
    "a row in a percent format": ('x = "%s" % post, "%s %s" % (post, post.title)', 'only("title")'),
    "a row that is printed and compared": (
        "print(post, str(post), post == None, post.title)",
        'only("title")',
    ),
    "a row in a test": ("x = 1 if post and not post else post.title", 'only("title")'),
    "a row as a key": ("x = {}[post], post.title", 'only("title")'),
    "a row whose class is asked for": ("x = isinstance(post, int) and post.title", 'only("title")'),
    "attributes that are no columns": (
        'post._old = post.title\npost.note = post._old\npost.save()',
        'only("title", "note")',
    ),
    "a row that others are filtered by": (
        "x = Attachment.objects.filter(post=post).exclude(post__in=[post]).count(), post.title",
        'only("title")',
    ),
    "a row that another is made with": (
        "Attachment.objects.create(post=post, name=post.title)",
        'only("title")',
    ),
    "a row that another is given": (
        "Attachment(post=post, name=post.title).save()",
        'only("title")',
    ),
    "the rows that point to it": (
        "x = post.attachments.all(), post.attachments.count(), post.title",
        'only("title")',
    ),
    "rows of others that are written": (
        "post.title = post.attachments.create(name='x').name\npost.save()",
        'only("title")',
    ),
    "a row used in a lambda": ("x = lambda: post.title", 'only("title")'),
    "a row used in a nested function": ("def x():\n    return post.title", 'only("title")'),
    "a row used in a comprehension": ("x = [post.title for i in range(3)]", 'only("title")'),
    "a row used in a generator expression": ("x = (post.title for i in range(3))", 'only("title")'),
    "a row handed to a function of the file": ("x = title_of(post)", 'only("title")'),
    "a row handed over by keyword": (
        "slugify_and_save('x', post=post)",
        'only("slug")',
    ),
    "a row handed on and on": ("x = deep(post)", 'only("title")'),
    "a row handed round in circles": ("x = twice(post)", 'only("title", "kind")'),
    "a row printed by a function": ("x = printed(post), post.title", 'only("title")'),
    "conditions and early ends": (
        "if post.live:\n    continue\nelif post.title:\n    break\nelse:\n    return",
        'only("live", "title")',
    ),
    "a try around": ("try:\n    x = post.title\nfinally:\n    pass", 'only("title")'),
    "a loop inside": ("for x in range(3):\n    y = post.title", 'only("title")'),
    "a counter used after the loop": ("count = len(post.title)", 'only("title")'),
    "all columns but three small ones": (
        "x = post.title, post.slug, post.body, post.kind, post.rank, post.votes, post.note, "
        "post.cost, post.live, post.seen, post.day, post.when, post.code",
        'defer("price", "author", "editor")',
    ),
    "most columns": (
        "x = post.title, post.slug, post.body, post.kind, post.rank, post.votes, post.price, "
        "post.cost, post.live, post.seen, post.day, post.when, post.code",
        'defer("note", "author", "editor")',
    ),
}  # fmt: skip


def source_with_functions(body):
    return checking.whole(body).replace(
        "\n\ndef forwards", f"\nimport imported\n\n{FUNCTIONS}\n\ndef forwards"
    )


@pytest.mark.parametrize("case", NARROWED.values(), ids=NARROWED)
def test_columns_that_a_body_needs(case):
    body, narrowed, *reason = case
    given = source_with_functions(full(ALL, body) + "\nprint(count)" * ("count =" in body))
    outcome = checking.outcome_of(given, select=SELECT)
    loop = outcome.loops[0] if outcome.loops[0].model == "shop.Post" else outcome.loops[-1]
    if narrowed is None:
        assert loop.blocked_by == reason[0], loop
    else:
        expected = given.replace("Post.objects.all()", f"Post.objects.{narrowed}")
        assert checking.after_of(outcome, given) == expected, loop


ESCAPES = {
    "an alias that may be something else": "x = apps.x\nx = post",
    "an alias by a loop of its own": "for x in []:\n    x = post",
    "an alias of a nested function": "def f():\n    x = post\n    return x",
    "an alias that all functions see": "global x\nx = post",
    "an alias that is kept": "x = post\nrows.append(x)",
    "an alias in two places": "x = y = post",
    "an alias that is bound again": "x = post\nx += 1",
    "an alias by a condition": "x = post if post.live else None",
    "an alias by or": "x = post or None\nprint(x.body)",
    "an alias in a tuple": "x, y = post, 1",
    "a walrus": "print((x := post).body)",
    "a list": "rows.append(post)",
    "a list display": "rows = [post]",
    "a dict": "rows[post.pk] = post",
    "a key of a dict": "rows[post] = 1",
    "an attribute of something else": "apps.post = post",
    "set on something else by setattr": 'setattr(apps, "title", post)',
    "a default of getattr": 'x = getattr(apps, "title", post)',
    "a getattr without a literal": "x = getattr(post, name)",
    "a setattr without a literal": "setattr(post, name, 1)",
    "vars of it": "x = vars(post)",
    "vars of everything": 'x = "{post.title}".format(**vars())',
    "locals": 'x = "{post.title}".format(**locals())',
    "eval": 'x = eval("post.title")',
    "format with attributes": 'x = "{0.title}".format(post)',
    "a percent format with names": 'x = "%(a)s" % {"a": post}',
    "a copy": "x = copy.copy(post)",
    "a pickle": "x = pickle.dumps(post)",
    "model_to_dict": "x = model_to_dict(post)",
    "an unknown function": "x = imported.read(post)",
    "an unknown function by keyword": "x = imported.read(row=post)",
    "stars": "x = title_of(*[post])",
    "a place behind stars": "x = title_of(*[], post)",
    "double stars": "x = title_of(**post)",
    "a function with a star": "x = with_star(post)",
    "a decorated function": "x = decorated(post)",
    "a function that is bound again": "x = changed(post)",
    "a function that returns it": "x = keep(post)",
    "a function that yields": "x = lazily(post)",
    "a function that keeps it": "fills(post)",
    "a function of the same name in the function": "title_of = apps.x\nx = title_of(post)",
    "a method": "x = self.read(post)",
    "a method of its class": "Post.full_clean(post)",
    "a save by its class": "Post.save(post)",
    "a method of a manager that is not Django's": "x = Attachment.objects.for_post(post)",
    "a getattr by some names that are not written out": "for x in ['title', name]:\n    y = getattr(post, x)",
    "bulk_update": "Post.objects.bulk_update([post], ['title'])",
    "bulk_create": "Post.objects.bulk_create([post])",
    "removing from a relation": "post.author.posts.remove(post)",
    "named fields read again": "post.refresh_from_db(fields=names)",
    "a method that may be anything": "post.compute()",
    "cleaning": "post.full_clean()",
    "a yield": "yield post",
    "a return": "return post",
    "an await": "x = [await_(post)]",
    "deleted": "del post",
    "an attribute deleted": "del post.title",
    "bound again": "post = None",
    "bound again by a loop": "for post in []:\n    x = post.title",
    "bound again by with": "with apps as post:\n    x = post.title",
    "bound again by except": "try:\n    x = post.title\nexcept KeyError as post:\n    x = post.args",
    "bound again by an import": "import post",
    "bound again by a definition": "def post():\n    pass",
    "bound again by a case": "match post.title:\n    case [post]:\n        pass",
    "matched": "match post:\n    case object(title=x):\n        pass",
    "the variable of a comprehension": "x = [post for post in []], post.title",
    "the argument of a lambda": "x = lambda post: post.note",
    "iterated": "x = list(post)",
    "awaited in a with": "with post:\n    pass",
    "a delete in another database": "post.delete('x')",
    "a delete with options": "post.delete(keep_parents=True)",
    "a value by a name from elsewhere": "x = post.serializable_value(name)",
    "another method with a literal": "x = post.read('title')",
    "its save replaced": "post.save = None",
    "its state replaced": "post._state = None",
    "its dict replaced": "post.__dict__ = {}",
    "its unbound save": "x = post.save",
}


@pytest.mark.parametrize("body", ESCAPES.values(), ids=ESCAPES)
def test_a_row_that_gets_away_may_be_read_in_any_way(body):
    outcome = checking.outcome_of(
        source_with_functions(full(ALL, f"{body}\nprint(1)")), select=SELECT
    )
    loop = next(loop for loop in outcome.loops if loop.model == "shop.Post")
    assert not loop.changed
    assert loop.blocked_by in {"row-escapes", "field-unknown"}, loop


REFUSED = {
    "a clone": ("post.pk = None\npost.save()", "primary-key"),
    "a clone by the key's name": ("post.id = None\npost.save()", "primary-key"),
    "a clone by setattr": ('setattr(post, "pk", None)\npost.save()', "primary-key"),
    "the state of the instance": ("post._state.adding = True\npost.save()", "field-unknown"),
    "a forced insert": ("post.title = 1\npost.save(force_insert=True)", "save-arguments"),
    "another database": ('post.title = 1\npost.save(using="x")', "save-arguments"),
    "positional arguments": ("post.title = 1\npost.save(False, True)", "save-arguments"),
    "names of fields from elsewhere": ("post.save(update_fields=NAMES)", "save-arguments"),
    "names of fields beside others": (
        'post.save(update_fields=["title"], force_insert=True)',
        "save-arguments",
    ),
    "a name that is no field": ('post.save(update_fields=["titel"])', "save-arguments"),
    "a save of nothing": ("post.save()", "all-fields-needed"),
    "a save of what is only related": ("x = post.attachments.count()\npost.save()", "all-fields-needed"),
    "a delete of a row that is saved, too": (
        "post.title = 1\nif post.live:\n    post.delete()\nelse:\n    post.save()",
        "query-in-body",
    ),
    "names of fields that a list collects from elsewhere": (
        "names = ['title']\nnames.append(apps.x)\npost.save(update_fields=names)",
        "save-arguments",
    ),
    "names of fields in a list that gets away": (
        "names = ['title']\nimported.fill(names)\npost.save(update_fields=names)",
        "save-arguments",
    ),
    "names of fields in a list that is added to": (
        "names = ['title']\nnames += apps.x\npost.save(update_fields=names)",
        "save-arguments",
    ),
    "a related row that is taken aside": (
        "for x in post.attachments.all():\n    y = x.post\n    print(y.title)",
        "row-escapes",
    ),
    "a column of the past": ("x = post.headline", "field-unknown"),
    "the class's own names": ("x = post._meta.db_table", "field-unknown"),
    "the dict of the instance": ("x = post.__dict__", "field-unknown"),
    "the same table by an update": (
        "Post.objects.filter(pk=1).update(note='')\npost.title = 1\npost.save()",
        "query-in-body",
    ),
    "the same table by another row": (
        "x = Post.objects.get(pk=1)\nx.save()\npost.title = 1\npost.save()",
        "query-in-body",
    ),
    "the same table by a relation": (
        "post.author.posts.update(note='')\npost.title = 1\npost.save()",
        "query-in-body",
    ),
    "a delete that takes rows along": (
        "post.author.delete()\npost.title = 1\npost.save()",
        "query-in-body",
    ),
    "something saved of an unknown kind": ("x.save()\npost.title = 1\npost.save()", "query-in-body"),
    "an unknown call before a save": (
        "imported.run()\npost.title = 1\npost.save()",
        "unknown-call",
    ),
    "a function that is handed over": (
        "list(map(imported.run, []))\nlist(map(changed, []))\npost.title = 1\npost.save()",
        "unknown-call",
    ),
    "a cursor": (
        "schema_editor.execute('UPDATE x')\npost.title = 1\npost.save()",
        "unknown-call",
    ),
    "a related row that knows it": (
        "for x in post.attachments.all():\n    y = x.post.title",
        "row-escapes",
    ),
    "a created row that knows it": (
        "x = Attachment.objects.create(post=post)\ny = x.post.title",
        "row-escapes",
    ),
    "all columns": (
        "x = post.title, post.slug, post.body, post.kind, post.rank, post.votes, post.price, "
        "post.cost, post.live, post.seen, post.day, post.when, post.code, post.note, "
        "post.author, post.editor",
        "all-fields-needed",
    ),
    "all columns but two small ones": (
        "x = post.title, post.slug, post.body, post.kind, post.rank, post.votes, post.price, "
        "post.cost, post.live, post.seen, post.day, post.when, post.code, post.note",
        "all-fields-needed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_bodies_that_need_more_than_they_name(case):
    body, reason = case
    outcome = checking.outcome_of(source_with_functions(full(ALL, body)), select=SELECT)
    loop = next(loop for loop in outcome.loops if loop.model == "shop.Post")
    assert not loop.changed, loop
    assert loop.blocked_by == reason, loop


def test_the_same_table_by_a_proxy():
    check_refused(
        """
        for post in Post.objects.all():
            apps.get_model("shop", "Proxy").objects.update(note="")
            post.title = 1
            post.save()
        """,
        "query-in-body",
        models=MORE,
        select=SELECT,
    )


def test_writes_to_other_tables_do_not_matter_to_a_save():
    check_rewritten(
        """
        for post in Post.objects.all():
            Tag.objects.get_or_create(name=post.title)
            post.author.save()
            post.note = ""
            post.save()
        """,
        """
        for post in Post.objects.only("title", "author", "note"):
            Tag.objects.get_or_create(name=post.title)
            post.author.save()
            post.note = ""
            post.save()
        """,
        select=SELECT,
    )


QUERYSETS = {
    "named before": ("posts = Post.objects.all()", "posts", "posts.only('title')"),
    "filtered": ("", "Post.objects.filter(live=1)", "Post.objects.filter(live=1).only('title')"),
    "streaming": (
        "",
        "Post.objects.all().iterator(10)",
        "Post.objects.only('title').iterator(10)",
    ),
    "distinct": (
        "",
        "Post.objects.distinct().order_by('pk')",
        "Post.objects.distinct().order_by('pk').only('title')",
    ),
    "sliced": ("", "Post.objects.all()[:9]", "Post.objects.all()[:9].only('title')"),
    "annotated": (
        "",
        "Post.objects.annotate(x=models.F('rank') + 1)",
        "Post.objects.annotate(x=models.F('rank') + 1).only('title')",
    ),
    "annotated by another query": (
        "",
        "Post.objects.annotate(x=models.Exists(Tag.objects.all()))",
        "Post.objects.annotate(x=models.Exists(Tag.objects.all())).only('title')",
    ),
    "filtered in SQL": (
        "",
        "Post.objects.extra(where=['1=1']).order_by('pk')",
        "Post.objects.extra(where=['1=1']).order_by('pk').only('title')",
    ),
    "ordered": ("", "Post.objects.order_by('pk')", "Post.objects.order_by('pk').only('title')"),
    "locked": (
        "",
        "Post.objects.select_for_update()",
        "Post.objects.select_for_update().only('title')",
    ),
    "a name in parentheses": ("posts = Post.objects.all()", "(posts)", "posts.only('title')"),
    "a list": ("", "list(Post.objects.all())", "list(Post.objects.only('title'))"),
    "counted before": (
        "posts = Post.objects.all()\nprint(posts.count())",
        "posts",
        "posts.only('title')",
    ),
}


@pytest.mark.parametrize("case", QUERYSETS.values(), ids=QUERYSETS)
def test_querysets_that_are_narrowed(case):
    above, rows, narrowed = case
    narrowed, rows = narrowed.replace("'", '"'), rows.replace("'", '"')
    body = "    print(post.title)"
    check_rewritten(
        f"{above}\nfor post in {rows}:\n{body}",
        f"{above}\nfor post in {narrowed}:\n{body}".strip("\n"),
        select=SELECT,
    )


def test_rows_of_a_named_database_that_are_saved():
    check_rewritten(
        "for post in Post.objects.using(schema_editor.connection.alias):\n    post.title = 1\n    post.save()",
        'for post in Post.objects.using(schema_editor.connection.alias).only("title"):\n'
        "    post.title = 1\n    post.save()",
        select=SELECT,
    )


def test_raw_rows_are_not_narrowed():
    body = "for post in Post.objects.raw('SELECT * FROM shop_post'):\n    print(post.title)"
    outcome = checking.outcome_of(checking.whole(body), select=SELECT)
    assert [(loop.changed, loop.blocked_by) for loop in outcome.loops] == [(False, None)]


def test_rows_that_are_taken_apart():
    check_refused(
        "for a, b in Post.objects.all():\n    print(a)", "rows-are-not-instances", select=SELECT
    )


def test_numbered_rows():
    check_rewritten(
        "for i, post in enumerate(Post.objects.all(), 1):\n    print(i, post.title)",
        'for i, post in enumerate(Post.objects.only("title"), 1):\n    print(i, post.title)',
        select=SELECT,
    )


REFUSED_QUERYSETS = {
    "narrow already": ("", "Post.objects.only('title')", "already-narrow"),
    "deferring already": ("", "Post.objects.defer('body')", "already-narrow"),
    "joined to everything": ("", "Post.objects.select_related()", "queryset-shape"),
    "joined to nothing": ("", "Post.objects.select_related(None)", "queryset-shape"),
    "joined by a name from elsewhere": ("", "Post.objects.select_related(name)", "queryset-shape"),
    "joined to what is no foreign key": (
        "",
        "Post.objects.select_related('attachments')",
        "queryset-shape",
    ),
    "joined by some names": ("", "Post.objects.select_related('author', *x)", "queryset-shape"),
    "prefetching by a name from elsewhere": (
        "",
        "Post.objects.prefetch_related(name)",
        "prefetch",
    ),
    "prefetching a queryset": (
        "",
        "Post.objects.prefetch_related(models.Prefetch('attachments', to_attr='files'))",
        "prefetch",
    ),
    "prefetching what is not known": ("", "Post.objects.prefetch_related('titles')", "prefetch"),
    "prefetching through itself": (
        "",
        "Post.objects.prefetch_related('attachments__post__author')",
        "prefetch",
    ),
    "grouped without an order": (
        "",
        "Post.objects.annotate(x=models.Count('attachments'))",
        "row-order",
    ),
    "grouped by an alias without an order": (
        "",
        "Post.objects.alias(x=models.F('rank') + models.Max('attachments')).order_by('author')",
        "row-order",
    ),
    "annotated by what is not known": (
        "from imported import total",
        "Post.objects.annotate(x=models.F('rank') + total)",
        "row-order",
    ),
    "annotated by a dict": ("x = {}", "Post.objects.annotate(**x)", "row-order"),
    "extra columns": ("", "Post.objects.extra(select={'x': '1'})", "queryset-shape"),
    "an extra order": (
        "",
        "Post.objects.order_by('pk').extra(order_by=['title'])",
        "queryset-shape",
    ),
    "distinct without an order": ("", "Post.objects.distinct()", "row-order"),
    "a slice of a name": ("posts = Post.objects.all()", "posts[:9]", "queryset-shape"),
    "a slice by steps": ("", "Post.objects.order_by('pk')[:9:2]", "queryset-shape"),
    "united": ("", "Post.objects.union(Post.objects.all())", "queryset-shape"),
    "or": ("", "Post.objects.filter(pk=1) | Post.objects.filter(pk=2)", "queryset-shape"),
    "read before": ("posts = Post.objects.all()\nprint(posts[0])", "posts", "queryset-reused"),
    "listed before": (
        "posts = list(Post.objects.all())\nposts[0].title",
        "posts",
        "queryset-reused",
    ),
    "an iterator made before": ("posts = Post.objects.iterator()", "posts", "queryset-shape"),
    "an iterator with two names": (
        "posts = Post.objects.iterator()\nrows = posts",
        "rows",
        "queryset-shape",
    ),
    "sorted": ("", "sorted(Post.objects.all(), key=str)", "loop-shape"),
    "reversed": ("", "reversed(Post.objects.all())", "loop-shape"),
    "prefetched rows of one row": (
        "bob = Person.objects.prefetch_related('posts').get()",
        "bob.posts.all()",
        "prefetch",
    ),
    "a slice of prefetched rows": (
        "bob = Person.objects.prefetch_related('posts').get()",
        "bob.posts.all()[:3]",
        "prefetch",
    ),
}


@pytest.mark.parametrize("case", REFUSED_QUERYSETS.values(), ids=REFUSED_QUERYSETS)
def test_querysets_that_are_not_narrowed(case):
    above, rows, reason = case
    check_refused(f"{above}\nfor post in {rows}:\n    print(post.title)", reason, select=SELECT)


@pytest.mark.parametrize(
    "after", ["print(post.body)", "x = lambda: post.body", "del x; post.save()"]
)
def test_a_row_that_is_used_after_the_loop(after):
    check_refused(
        f"for post in Post.objects.all():\n    print(post.title)\n{after}",
        "used-after-loop",
        select=SELECT,
    )


@pytest.mark.parametrize("read", ["print(other.title)", "def late():\n    return other.body"])
def test_another_name_for_the_row_that_is_used_after_the_loop(read):
    check_refused(
        f"for post in Post.objects.all():\n    other = post\n{read}", "row-escapes", select=SELECT
    )


def test_columns_are_named_in_the_quotes_of_the_file(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.black]\nskip-string-normalization = true\n")
    migrations = tmp_path / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "0001_initial.py").write_text(checking.MODELS)
    before = checking.whole("for post in Post.objects.all():\n    print(post.title)")
    settings = Settings(select=frozenset(SELECT), databases=frozenset({"postgresql"}))
    source = before.replace('"', "'").encode()
    outcome = run_source(source, migrations / "0002_fill.py", settings, rewrite=True)
    assert b"Post.objects.only('title')" in outcome.edits[-1].after


def test_the_else_of_the_loop_belongs_to_it():
    check_rewritten(
        "for post in Post.objects.all():\n    print(post.title)\nelse:\n    print(post.note)",
        'for post in Post.objects.only("title", "note"):\n    print(post.title)\nelse:\n    print(post.note)',
        select=SELECT,
    )


def test_rows_that_depend_on_another_row():
    check_rewritten(
        """
        for person in Person.objects.order_by("pk"):
            for post in Post.objects.filter(author=person):
                print(post.title, person.name, person.nick, person.age)
        """,
        """
        for person in Person.objects.order_by("pk"):
            for post in Post.objects.filter(author=person).only("title"):
                print(post.title, person.name, person.nick, person.age)
        """,
        select=SELECT,
    )


def test_rows_of_a_row_load_the_foreign_key_to_it():
    check_rewritten(
        """
        bob = Person.objects.get(pk=1)
        for post in bob.posts.filter(live=True):
            print(post.title)
        """,
        """
        bob = Person.objects.get(pk=1)
        for post in bob.posts.filter(live=True).only("author", "title"):
            print(post.title)
        """,
        select=SELECT,
    )


def test_values_are_not_instances():
    outcome = checking.outcome_of(
        checking.whole('for post in Post.objects.values("title", "body"):\n    print(post)'),
        select=SELECT,
    )
    assert not outcome.changed
    assert outcome.loops[0].blocked_by is None


# --- models --------------------------------------------------------------------------------------


def rows_of(model, more=".all()"):
    return f'apps.get_model("shop", "{model}").objects{more}'


def loop_over(rows, body):
    return f"for row in {rows}:\n    {body}"


def test_a_column_that_save_computes_is_always_loaded():
    body = "row.name = 'x'\n    row.save()"
    check_rewritten(
        loop_over("Stamped.objects.all()", body),
        loop_over('Stamped.objects.only("name", "updated")', body),
        select=SELECT,
    )


def test_a_column_that_save_computes_is_not_needed_by_a_save_of_others():
    body = "row.name = 'x'\n    row.save(update_fields=['name'])"
    check_rewritten(
        loop_over("Stamped.objects.all()", body),
        loop_over('Stamped.objects.only("name")', body),
        select=SELECT,
    )


@pytest.mark.parametrize(
    "field", ["JSONField(null=True)", "FileField(null=True)", "GenericIPAddressField()"]
)
def test_columns_that_a_full_save_may_write_in_another_form_are_written_as_before(field):
    models = f"""
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Token", [("id", models.AutoField(primary_key=True)),
            ("a", models.TextField()), ("odd", models.{field}), ("b", models.TextField()),
            ("c", models.TextField())]),
    ]
"""  # fmt: skip
    body = "row.a = 'x'\n    row.save()"
    check_rewritten(
        loop_over("Token.objects.all()", body),
        loop_over('Token.objects.only("a", "odd")', body),
        models=models,
        select=SELECT,
    )


TOKEN = """
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Token", [("id", models.AutoField(primary_key=True)),
            ("a", models.TextField()), ("n", models.IntegerField(null=True)), {fields}])]
"""


@pytest.mark.parametrize("field", ["FileField(blank=True)", "ImageField(upload_to='x')"])
def test_a_file_that_is_never_null_is_not_needed_by_a_full_save(field):
    body = "row.a = 'x'\n    row.save()"
    check_rewritten(
        loop_over("Token.objects.all()", body),
        loop_over('Token.objects.only("a")', body),
        models=TOKEN.format(fields=f"('odd', models.{field}), ('b', models.TextField())"),
        select=SELECT,
    )


def test_an_image_that_knows_its_size_is_loaded_with_it():
    fields = "('i', models.ImageField(width_field='n')), ('b', models.TextField())"
    fields += ", ('c', models.TextField()), ('d', models.TextField())"
    body = "row.a = 'x'\n    row.save()"
    check_rewritten(
        loop_over("Token.objects.all()", body),
        loop_over('Token.objects.only("a", "i", "n")', body),
        models=TOKEN.format(fields=fields),
        select=SELECT,
    )


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ("n", "loads only a"),
        ("j", "loads only a and 1 that save() writes back (j)"),
        ("jklm", "loads only a and 4 that save() writes back (j, k, l, ...)"),
    ],
)
def test_the_message_tells_what_only_comes_along(odd, message):
    fields = [f"('{name}', models.JSONField(null=True))" for name in odd if name != "n"]
    fields += [f"('wide{n}', models.TextField())" for n in range(5)]
    source = loop_over("Token.objects.all()", "row.a = 'x'\n    row.save()")
    found = outcome_of(whole(source), models=TOKEN.format(fields=", ".join(fields)), select=SELECT)
    assert message == found.loops[0].reason


@pytest.mark.parametrize(
    "body",
    [
        "row.file.save('x', f)",
        "row.file.delete()",
        "f = row.file\n    f.delete()",
        "getattr(row, 'file').delete()",
    ],
)
def test_a_file_that_may_save_its_row(body):
    check_refused(loop_over("Attachment.objects.all()", body), "save-side-effect", select=SELECT)


@pytest.mark.parametrize(
    "body",
    [
        "print(row.file.name)",
        "if row.file: pass",
        "row.file = 'x'",
        "Token.objects.create(value=row.file)",
    ],
)
def test_a_file_that_is_only_read_or_set(body):
    check_rewritten(
        loop_over("Attachment.objects.all()", body),
        loop_over('Attachment.objects.only("file")', body),
        select=SELECT,
    )


@pytest.mark.parametrize(
    "body",
    [
        "x = row.cities.count(), row.name",
        "x = Tag.objects.filter(name=row), row.name",
        "Tag.objects.create(name=row, parent=row.name)",
        "Tag.objects.all().update(name=row, parent=row.name)",
    ],
)
def test_foreign_keys_to_another_column_than_the_key_need_it(body):
    check_rewritten(
        loop_over(rows_of("Country"), body),
        loop_over(rows_of("Country", '.only("iso", "name")'), body),
        models=MORE,
        select=SELECT,
    )


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param("Sizes", "save-side-effect", id="an image whose width is somewhere"),
        pytest.param("Priced", "save-side-effect", id="a field of others that names a column"),
        pytest.param("Mixed", "custom-base", id="methods of a mixin without a source"),
        pytest.param("Small", "all-fields-needed", id="all but two small columns"),
        pytest.param("Managed", "custom-manager", id="a manager of the project"),
        pytest.param("Unclear", "field-unknown", id="a field that may have no column"),
        pytest.param("Nothing", "model-unknown", id="a model that is not known"),
    ],
)
def test_models_whose_rows_are_not_narrowed(model, reason):
    check_refused(loop_over(rows_of(model), "print(row.a)"), reason, models=MORE, select=SELECT)


def test_a_field_of_others_that_is_shown_under_the_name_of_a_column():
    shown = MORE.replace("currency_field=", "verbose_name=").replace(
        "currency_field =", "verbose_name ="
    )
    assert shown != MORE
    found = outcome_of(
        whole(loop_over(rows_of("Priced"), "print(row.a)")), models=shown, select=SELECT
    )
    assert found.loops[0].codes == ("MF201",), found.loops


def test_a_proxy_is_narrowed_as_its_model():
    check_rewritten(
        loop_over(rows_of("Proxy"), "print(row.title)"),
        loop_over(rows_of("Proxy", '.only("title")'), "print(row.title)"),
        models=MORE,
        select=SELECT,
    )


def test_an_image_takes_the_column_of_its_width_along():
    check_rewritten(
        loop_over(rows_of("Sized"), "print(row.photo.name)"),
        loop_over(rows_of("Sized", '.only("photo", "width")'), "print(row.photo.name)"),
        models=MORE,
        select=SELECT,
    )


PAGES = rows_of("Article", '.order_by("pk")')


@pytest.mark.parametrize(
    ("rows", "body", "reason"),
    [
        (PAGES, "row.c = 1\n    row.save()", "multi-table-inheritance"),
        (PAGES, "print(row.c)\n    row.delete()", "multi-table-inheritance"),
        (PAGES, "print(row.page_ptr)", "multi-table-inheritance"),
        (rows_of("Article"), "print(row.c)", "row-order"),
        (rows_of("Profile"), "print(row.city.profile.b)", "row-escapes"),
        (rows_of("Profile"), "x = row.city\n    y = x.profile\n    print(y.b)", "row-escapes"),
    ],
)
def test_rows_that_are_more_than_one_table_holds(rows, body, reason):
    check_refused(loop_over(rows, body), reason, models=MORE, select=SELECT)


def test_a_one_to_one_that_does_not_lead_back():
    check_rewritten(
        loop_over(rows_of("Profile"), "print(row.city.name, row.a)"),
        loop_over(rows_of("Profile", '.only("city", "a")'), "print(row.city.name, row.a)"),
        models=MORE,
        select=SELECT,
    )


BULK = """
rows = []
for post in Post.objects.order_by("pk"):
    post.title = "x"
    rows.append(post)
{}
"""


@pytest.mark.parametrize(
    "after",
    [
        "pass",
        "Post.objects.bulk_update(rows, names)",
        "Post.objects.bulk_update(rows, ['title', 'unknown'])",
        "Tag.objects.bulk_update(rows, ['name'])",
        "apps.bulk_update(rows, ['title'])",
        "Post.objects.bulk_update(rows, ['title'])\nprint(rows[0].body)",
        "Post.objects.bulk_update(rows, ['title'])\nfor x in rows:\n    print(x.body)",
        "Post.objects.bulk_update(rows, ['title'])\nreturn rows",
        "rows = apps.more\nPost.objects.bulk_update(rows, ['title'])",
    ],
)
def test_a_list_of_rows_that_has_other_uses_than_a_bulk_update(after):
    check_refused(BULK.format(after), "row-escapes", select=SELECT)


def test_an_attribute_of_the_row_in_a_list_for_bulk_update_is_not_the_row():
    check_refused(
        """
        rows = []
        for post in Post.objects.order_by("pk"):
            rows.append(post.compute())
        Post.objects.bulk_update(rows, ["title"])
        """,
        "row-escapes",
        select=SELECT,
    )


@pytest.mark.parametrize(
    ("rows", "database"),
    [
        ("Post.objects.all()", "'x'"),
        ("Post.objects.using('y')", "'x'"),
        ("Post.objects.using(alias)", "alias"),
    ],
)
def test_a_full_save_to_another_database_writes_every_column(rows, database):
    check_refused(
        f"alias = 'x'\nalias = 'y'\nfor post in {rows}:\n    post.title = 1\n    post.save(using={database})",
        "save-arguments",
        select=SELECT,
    )


def test_a_full_save_to_the_database_that_the_row_is_of():
    check_rewritten(
        "alias = apps.x\nfor post in Post.objects.using(alias):\n    post.title = 1\n    post.save(using=alias)",
        'alias = apps.x\nfor post in Post.objects.using(alias).only("title"):\n'
        "    post.title = 1\n    post.save(using=alias)",
        select=SELECT,
    )


def test_what_others_may_point_to_is_loaded_for_a_delete_where_not_all_are_known():
    models = checking.MODELS.replace(
        'migrations.CreateModel(\n            "Token"',
        'migrations.CreateModel("Odd", [("x", odd.Field())]),\n        migrations.CreateModel(\n            "Token"',
    ).replace("from django.db", "import odd\nfrom django.db", 1)
    for given, names in ((models, '"title", "code"'), (checking.MODELS, '"title"')):
        check_rewritten(
            "for post in Post.objects.all():\n    if not post.title:\n        post.delete()",
            f"for post in Post.objects.only({names}):\n    if not post.title:\n        post.delete()",
            models=given,
            select=SELECT,
        )


def test_a_page_of_rows_that_know_the_row_goes_to_nobody():
    page = "x = [each for each in post.attachments.order_by('pk')[: {}].values_list('name')]\n    print(post.title)"
    loop = "for post in Post.objects.{}all():\n    " + page
    check_rewritten(
        f"import limits\n{loop.format('', 'limits.PAGE')}",
        f"import limits\n{loop.format('only(QtitleQ).', 'limits.PAGE')}".replace(
            ".all()", ""
        ).replace("Q", chr(34)),
        select=SELECT,
    )
    check_refused(
        f"import limits\n{loop.format('', 'limits.of(post.attachments.all())')}",
        "row-escapes",
        select=SELECT,
    )


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("imported.read(post)", 'large columns `body` and `note`: look whether .defer("body", "note") would do'),
        ("imported.read(post)\n    # the body", 'large column `note`: look whether .defer("note") would do'),
        ("imported.read(post, 'body', notes=1, note=2)", None),
    ],
)  # fmt: skip
def test_large_columns_that_nothing_names_are_pointed_out(body, hint):
    loop = check_refused(
        f"for post in Post.objects.all():\n    {body}", "row-escapes", select=SELECT
    )
    assert loop.reason.endswith(hint) if hint else "large" not in loop.reason


@pytest.mark.parametrize(
    ("method", "body", "reason"),
    [
        ("def other(self): pass", "print(row)\n    row.mark = row.a", None),
        ("def __str__(self): return self.b", "print(row)\n    row.mark = row.a", "custom-base"),
        ("def __eq__(self, other): return self.b == other.b", "print(row.a)", "custom-base"),
        ("def save(self): pass", "print(row.a)", "custom-base"),
        ("mark = property(lambda self: 1)", "row.mark = row.a", "field-unknown"),
        ("@property\n    def mark(self): return self.b", "print(row.a, row.mark)", "field-unknown"),
        ("def other(self): return self.b", "print(row.a, row.other())", "row-escapes"),
    ],
)
def test_rows_with_methods_of_a_mixin(method, body, reason, tmp_path):
    migrations = tmp_path / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    for folder in (tmp_path / "shop", migrations):
        (folder / "__init__.py").touch()
    (tmp_path / "shop" / "models.py").write_text(f"class Mixin:\n    {method}\n")
    (migrations / "0001_initial.py").write_text(MORE)
    settings = Settings(select=frozenset(SELECT), databases=frozenset({"postgresql"}))
    source = checking.whole(loop_over(rows_of("Mixed"), body)).encode()
    outcome = run_source(source, migrations / "0002_fill.py", settings, rewrite=True)
    assert outcome.error is None
    assert outcome.loops[0].only == (("a",) if reason is None else None)
    assert outcome.loops[0].blocked_by == reason


def test_a_one_to_one_whose_name_from_there_is_not_written_out():
    check_refused(
        loop_over(rows_of("Profile"), "print(row.city.name, row.a)"),
        "row-escapes",
        models=MORE.replace('related_name="profile"', "related_name=NAME"),
        select=SELECT,
    )


def test_a_save_in_a_function_to_a_database_of_that_function():
    body = """
        def keep(post):
            alias = "other"
            post.save(using=alias)
        """
    source = checking.whole(
        "alias = apps.x\nfor post in Post.objects.using(alias):\n    post.title = 1\n    keep(post)"
    )
    given = source.replace("\n\ndef forwards", f"\n{dedent(body)}\n\ndef forwards")
    loop = checking.outcome_of(given, select=SELECT).loops[0]
    assert (loop.changed, loop.blocked_by) == (False, "save-arguments")


# --- joined rows ---------------------------------------------------------------------------------

JOINED = {
    "read": ("print(post.author.name)", '"author", "author__name"'),
    "read by getattr": ("print(getattr(post.author, 'name'))", '"author", "author__name"'),
    "only the key": ("print(post.author.pk, post.author_id)", '"author", "author__id"'),
    "changed": ("post.author.name = 1\n    post.author.save()", '"author"'),
    "kept": ("apps.x = post.author", '"author"'),
    "handed to code that is not in the file": ("imported(post.author)", '"author"'),
    "under a name that is read after the loop": (
        "author = post.author\nprint(author.name)",
        '"author"',
    ),
    "under a name": ("author = post.author\n    print(author.name)", '"author", "author__name"'),
    "tested": ("x = post.author and post.author.nick", '"author", "author__nick"'),
    "or another": ("x = post.author or None", '"author"'),
    "of its managers": ("print(post.author.posts.count(), post.title)", '"author", "title"'),
}


def test_nearly_all_columns_of_rows_and_of_joined_rows():
    names = "slug title note kind rank votes price cost live seen day when code author_id".split()
    read = ", ".join(f"a.post.{name}" for name in names)
    check_rewritten(
        f"for a in Attachment.objects.select_related('post'):\n    print(a.name, {read})",
        'for a in Attachment.objects.select_related("post").defer(\n'
        f'    "file", "post__body", "post__editor"\n):\n    print(a.name, {read})',
        databases=("sqlite",),
        select=SELECT,
    )


@pytest.mark.parametrize("line", ["print(1)", "print(post.pk)", "print(post.id)"])
def test_rows_of_which_no_column_is_needed_but_the_key(line):
    check_rewritten(
        f'for post in Post.objects.order_by("pk"):\n    {line}',
        f'for post in Post.objects.order_by("pk").only("id"):\n    {line}',
        select=SELECT,
    )


def test_rows_that_were_read_into_a_list_before():
    rest = "\nPost.objects.update(kind=5)\nfor post in posts:\n    print(post.title)"
    check_rewritten(
        f"posts = list(Post.objects.all()){rest}",
        f'posts = list(Post.objects.only("title")){rest}',
        select=SELECT,
    )


def test_rows_that_were_read_into_a_list_of_which_others_read_more():
    before = "posts = list(Post.objects.all())\nfor post in posts:\n    print(post.title)\nprint(posts[0].body)"
    check_refused(before, "queryset-reused", select=SELECT)


@pytest.mark.parametrize("case", JOINED.values(), ids=JOINED)
def test_what_is_loaded_of_joined_rows(case):
    body, names = case
    above = 'posts = Post.objects.select_related("author").order_by("pk")'
    check_rewritten(
        f"{above}\nfor post in posts:\n    {body}",
        f"{above}\nfor post in posts.only({names}):\n    {body}",
        select=SELECT,
    )


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("print(row.a, row.one.a)", '"a", "one", "one__city", "one__a", "one__city__id"'),
        ("print(row.a, row.one.city.name)", '"a", "one", "one__city", "one__city__name"'),
        ("print(row.a)\n    x = [row.one]", '"a", "one"'),
        ("print(row.a, row.one.city)", '"a", "one"'),
    ],
)
def test_what_is_loaded_of_rows_that_joined_rows_lead_to(body, names):
    models = MORE.replace(
        '        migrations.CreateModel(\n            "Sorted"',
        """        migrations.CreateModel(
            "Holder",
            [("id", models.AutoField(primary_key=True)), ("a", models.TextField()),
             ("b", models.TextField()), ("one", models.ForeignKey("Profile", models.CASCADE))],
        ),
        migrations.CreateModel(\n            "Sorted\"""",
    ).replace(
        'OneToOneField("City"',
        'ForeignKey("City"' if "city)" not in body else 'OneToOneField("City"',
    )
    above = 'rows = apps.get_model("shop", "Holder").objects.select_related("one__city").order_by("pk")\n'
    check_rewritten(
        above + loop_over("rows", body),
        above + loop_over(f"rows.only({names})", body),
        models=models,
        select=SELECT,
    )


def test_joined_rows_without_an_order_keep_a_column_that_no_index_holds():
    above = 'posts = Post.objects.select_related("author")'
    for body, names in (
        ("print(post.title)", '"title", "author"'),
        ("print(post.title, post.author.age)", '"title", "author", "author__age"'),
    ):
        check_rewritten(
            f"{above}\nfor post in posts:\n    {body}",
            f"{above}\nfor post in posts.only({names}):\n    {body}",
            databases=("sqlite",),
            select=SELECT,
        )


@pytest.mark.parametrize("model", ["Article", "Sized"])
def test_joined_rows_of_models_with_more_behind_them_are_loaded_as_a_whole(model):
    models = MORE.replace(
        '        migrations.CreateModel(\n            "Sorted"',
        f"""        migrations.CreateModel(
            "Holder",
            [("id", models.AutoField(primary_key=True)), ("a", models.TextField()),
             ("b", models.TextField()), ("one", models.ForeignKey("{model}", models.CASCADE))],
        ),
        migrations.CreateModel(\n            "Sorted\"""",
    )
    name = "c" if model == "Article" else "photo"
    above = 'rows = apps.get_model("shop", "Holder").objects.select_related("one")\n'
    check_rewritten(
        above + loop_over("rows", f"print(row.a, row.one.{name})"),
        above + loop_over('rows.only("a", "one")', f"print(row.a, row.one.{name})"),
        models=models,
        databases=("sqlite",),
        select=SELECT,
    )


# --- order ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["post.pk", "post.code", "post.author_id"])
def test_columns_of_one_index_keep_something_of_the_table_for_the_order(body):
    check_rewritten(
        f"for post in Post.objects.all():\n    print({body})",
        f'for post in Post.objects.defer("body", "note"):\n    print({body})',
        select=SELECT,
    )


def test_a_proxy_has_the_indexes_of_its_model():
    models = MORE.replace(
        '"Proxy", [], bases=("shop.post",)', '"Proxy", [], bases=("shop.indexed",)'
    )
    check_refused(
        loop_over(rows_of("Proxy"), "print(row.a, row.b)"),
        "row-order",
        models=models,
        select=SELECT,
    )


def test_an_order_by_a_column_that_the_table_may_hold_twice():
    operation = """
        migrations.SeparateDatabaseAndState(state_operations=[migrations.AlterField(
            "Sorted", "key", models.CharField(max_length=9, unique=True, default=""))]),
    ]
"""
    check_refused(
        loop_over(rows_of("Sorted"), "print(row.key)"),
        "row-order",
        models=MORE.rstrip().removesuffix("]").rstrip() + operation,
        select=SELECT,
    )


def test_columns_of_two_indexes_are_not_all_in_one():
    check_rewritten(
        "for post in Post.objects.all():\n    print(post.author_id, post.code)",
        'for post in Post.objects.only("author", "code"):\n    print(post.author_id, post.code)',
        select=SELECT,
    )


def test_indexes_that_are_not_written_out_may_hold_any_column():
    models = MORE.replace('fields=["-a", "b"], name="ab"', "*shop.models.INDEXED")
    check_refused(
        loop_over(rows_of("Indexed"), "print(row.a, row.c)"),
        "row-order",
        models=models,
        select=SELECT,
    )


@pytest.mark.parametrize(
    "rows", ['Post.objects.order_by("code")', "Post.objects.filter(live=True)"]
)
def test_rows_with_an_order_or_a_filter_by_a_column_without_an_index_need_only_the_index(rows):
    check_rewritten(
        f"for post in {rows}:\n    print(post.code)",
        f'for post in {rows}.only("code"):\n    print(post.code)',
        select=SELECT,
    )


def test_no_order_at_all():
    rows, body = "Post.objects.order_by()", "print(post.code)"
    check_rewritten(
        f"for post in {rows}:\n    {body}",
        f'for post in {rows}.defer("body", "note"):\n    {body}',
        select=SELECT,
    )


# What rows of equal order leave, whichever comes first.
INDEPENDENT = [
    "post.rank = post.kind + len(post.title)\n    post.save(update_fields=['rank'])",
    "post.title = post.title.strip()\n    post.save()",
    "x = []\n    for c in post.title:\n        x.append(c)\n    post.note = x[0]\n    post.save()",
    "if post.code in CODES:\n        post.rank = CODES[post.code]\n        post.save()",
    "post.rank = Attachment.objects.filter(post=post).count()\n    post.save()",
    "n += 1\n    post.title = post.code.lower()\n    post.save()",
    "post.attachments.update(name=post.code)",
    "Attachment.objects.filter(post=post).update(name=post.code)",
    "post.title = post.author.name\n    post.save()",
    "try:\n        post.rank = int(post.code)\n    except ValueError:\n        continue\n    post.save()",
    "with transaction.atomic():\n        post.title = f'{post.kind}'\n        post.save()",
    "x = post.kind\n    if x:\n        y = 1\n    else:\n        y = 2\n    post.rank = y\n    post.save()",
    "post.rank = max(len(post.title), post.kind) + sum(map(len, [post.title]))\n    post.save()",
    "x, y = CODES\n    post.rank = len(sorted(post.title))\n    post.save()",
    "while post.rank:\n        x = post.kind\n        post.rank = x\n        break\n    post.save()",
    "while x := post.kind:\n        post.rank = x\n        break\n    post.save()",
    "while post.rank:\n        break\n    else:\n        x = post.kind\n        post.rank = x\n    post.save()",
    "for c in post.title:\n        x = c\n        post.note = x\n    post.save()",
    "for c in post.title:\n        if c == 'a':\n            x = c\n        else:\n            break\n        post.note = x\n    post.save()",
    "with transaction.atomic():\n        x = post.kind\n        post.rank = x\n    post.save()",
    "with transaction.atomic():\n        x = post.kind\n    post.rank = x\n    post.save()",
    "with transaction.atomic() as x:\n        post.rank = x\n    post.save()",
    "if x := post.kind:\n        post.rank = x\n    post.save()",
    "if (x := post.kind) > 1:\n        post.rank = x\n    post.save()",
    "if not (x := post.kind):\n        post.rank = x\n    post.save()",
    "if post.kind:\n        x = 1\n    else:\n        continue\n    post.rank = x\n    post.save()",
    "try:\n        x = int(post.code)\n    except ValueError:\n        x = 0\n    post.rank = x\n    post.save()",
    "try:\n        x = int(post.code)\n    except:\n        x = 0\n    post.rank = x\n    post.save()",
    "try:\n        x = int(post.code)\n    except ValueError as e:\n        x = len(str(e))\n    post.rank = x\n    post.save()",
    "try:\n        x = int(post.code)\n    except ValueError:\n        continue\n    else:\n        y = x\n    post.rank = y\n    post.save()",
    "try:\n        pass\n    finally:\n        x = post.kind\n    post.rank = x\n    post.save()",
    "try:\n        int(post.code)\n        continue\n    except ValueError:\n        x = 1\n    else:\n        x = 2\n    post.rank = x\n    post.save()",
    "if post.kind:\n        try:\n            continue\n        finally:\n            x = 1\n    post.rank = 1\n    post.save()",
    "if post.kind:\n        try:\n            x = 1\n        finally:\n            continue\n    post.rank = 1\n    post.save()",
    "post.rank = len([c for c in post.title])\n    post.save()",
    "post.rank = len(sorted(post.title, key=lambda x: len(x)))\n    x = 1\n    post.save()",
    "x: int = post.kind\n    post.rank = x\n    post.save()",
    "import math\n    post.rank = math.floor(post.kind)\n    post.save()",
    "from math import floor\n    post.rank = floor(post.kind)\n    post.save()",
    "x = [0]\n    for x[0] in [post.kind]:\n        pass\n    post.rank = x[0]\n    post.save()",
    "def f(c):\n        x = c\n        return x\n    post.rank = 1\n    post.save()",
    "def f(x):\n        return x\n    x = f\n    post.rank = 1\n    post.save()",
]
DEPENDENT = [
    "n += 1\n    post.rank = n\n    post.save()",
    "last[post.kind] = post.code",
    "last.setdefault(post.kind, post.code)",
    "seen.add(post.code)",
    "x = codes\n    x.append(post.code)",
    "codes.append(post.code)",
    "keep(post.code)",
    "print(post.code)",
    "Tag.objects.create(name=post.code)",
    "Person.objects.filter(pk=post.author_id).update(name=post.code)",
    "Attachment.objects.filter(post=post).update(post_id=post.kind)",
    "Attachment.objects.exclude(post=post).update(name=post.code)",
    "author = post.author\n    author.name = post.code\n    author.save()",
    "post.rank = Post.objects.filter(title=post.title).count()\n    post.save()",
    "post.rank = next(numbers)\n    post.save()",
    "post.rank = random.random()\n    post.save()",
    "post.when = timezone.now()\n    post.save()",
    "for x in numbers:\n        break\n    post.rank = x\n    post.save()",
    "if post.kind:\n        break\n    post.title = post.code\n    post.save()",
    "if post.kind:\n        y = post.kind\n    post.rank = y\n    post.save()",
    "post.code = post.title\n    post.save()",
    "box.code = post.code",
    "count[0] += 1\n    post.rank = count[0]\n    post.save()",
    "n += 0.1\n    post.title = post.code.lower()\n    post.save()",
    "transaction.commit()\n    post.title = post.code\n    post.save()",
    "Attachment.objects.filter(post=post).update(id=post.kind)",
    "Attachment.objects.filter(post=post, post__author__name='x').update(name=post.code)",
    "Attachment.objects.filter(post=n).update(name=post.code)",
    "post.seen = post.kind in numbers\n    post.save()",
    "x = [c for c in numbers]\n    post.rank = len(x)\n    post.save()",
    "x = list(numbers)\n    post.rank = len(x)\n    post.save()",
    "post.rank = sum(numbers)\n    post.save()",
    "x, *z = numbers\n    post.rank = x\n    post.save()",
    "last['a']['b'] = post.code",
    "(codes if post.kind else []).append(post.code)",
    "(codes or []).append(post.code)",
    "x = last.get('a', codes)\n    x.append(post.code)",
    "for x in last.values():\n        x.append(post.code)",
    "post.rank = Person.objects.filter(posts__title=post.title).count()\n    post.save()",
    "post.rank = Tag.objects.filter(pk__in=Post.objects.values('kind')).count()\n    post.save()",
    "post.rank = Person.objects.annotate(m=models.Max('posts__rank')).first().m\n    post.save()",
    "post.rank = Person.objects.order_by('posts__title').first().age\n    post.save()",
    "post.rank = Person.objects.filter(~models.Q(posts__rank=1)).count()\n    post.save()",
    "post.rank = Person.objects.filter(**CODES).count()\n    post.save()",
    "post.rank = Attachment.objects.filter(post__rank=1).count()\n    post.save()",
    "post.rank = (Person.objects.all() | Person.objects.filter(posts__rank=1)).count()\n    post.save()",
    "post.rank = Attachment.objects.first().post.rank\n    post.save()",
    "post.rank = max(a.post.rank for a in Attachment.objects.all())\n    post.save()",
    "x = [codes]\n    x[0].append(post.code)",
    "for x in [codes]:\n        x.append(post.code)",
    "x, y = codes, 1\n    x.append(post.code)",
    "{'a': codes}['a'].append(post.code)",
    "{**last}['a'].append(post.code)",
    "dict(last)['a'].append(post.code)",
    "list([codes])[0].append(post.code)",
    "(codes,)[0].append(post.code)",
    "[c for c in [codes]][0].append(post.code)",
    "([codes] + [])[0].append(post.code)",
    "x = []\n    x.append(codes)\n    x[0].append(post.code)",
    "x = {}\n    x['a'] = codes\n    x['a'].append(post.code)",
    "x = []\n    x += [codes]\n    x[0].append(post.code)",
    "x = [codes].copy()\n    x[0].append(post.code)",
    "post.extra = codes\n    post.extra.append(post.code)",
    "setattr(post, 'extra', codes)\n    post.extra.append(post.code)",
    "x = Person(name=codes)\n    x.name.append(post.code)",
    "while y:\n        y = 0\n        post.rank = 1\n    post.save()",
    "while post.kind:\n        post.rank = y\n        y = 1\n        break\n    post.save()",
    "while post.kind:\n        break\n    else:\n        post.rank = y\n        y = 1\n    post.save()",
    "for x in codes:\n        post.rank = x\n    codes = [post.kind]\n    post.save()",
    "x = [0]\n    for x[y] in [1]:\n        pass\n    y = 0\n    post.rank = x[0]\n    post.save()",
    "for c in post.title:\n        post.rank = y\n        y = 1\n    post.save()",
    "for c in post.title:\n        pass\n    else:\n        post.rank = y\n        y = 1\n    post.save()",
    "with transaction.atomic(y):\n        y = post.kind\n        post.rank = 1\n    post.save()",
    "with transaction.atomic():\n        post.rank = y\n        y = 1\n    post.save()",
    "if y:\n        post.rank = 1\n    y = post.kind\n    post.save()",
    "if post.kind:\n        post.rank = y\n    y = post.kind\n    post.save()",
    "if post.kind:\n        post.rank = 1\n    else:\n        post.rank = y\n    y = post.kind\n    post.save()",
    "try:\n        post.rank = int(post.code)\n    except y:\n        y = ValueError\n    post.save()",
    "try:\n        post.rank = y\n    except ValueError:\n        y = 1\n    post.save()",
    "try:\n        post.rank = int(post.code)\n    except ValueError:\n        post.rank = y\n        y = 1\n    post.save()",
    "try:\n        post.rank = int(post.code)\n    except ValueError:\n        y = 1\n    else:\n        post.rank = y\n    post.save()",
    "try:\n        post.rank = int(post.code)\n    finally:\n        post.rank = y\n        y = 1\n    post.save()",
    "try:\n        x = int(post.code)\n    except ValueError:\n        pass\n    post.rank = x\n    post.save()",
    "y: int\n    post.rank = y\n    y = 1\n    post.save()",
    "y = 1\n    if post.kind:\n        del y\n    post.rank = y\n    post.save()",
    "if (post.kind and (y := post.kind)):\n        pass\n    post.rank = y\n    post.save()",
    "post.rank = len([c for c in post.title if y])\n    y = 1\n    post.save()",
    "post.note = max(post.title, key=lambda c: y)\n    y = post.kind\n    post.save()",
    "post.note = max(post.title, key=lambda c, y=y: y)\n    y = post.kind\n    post.save()",
    "post.note = max(post.title, key=lambda c, *, y=y: y)\n    y = post.kind\n    post.save()",
    "def f(c, y=y):\n        return y\n    y = post.kind\n    post.rank = y\n    post.save()",
    "match post.kind:\n        case 1:\n            post.rank = y\n        case y:\n            pass\n    post.save()",
]
ABOVE = """import random
from django.db import transaction
from django.utils import timezone
CODES = {"a": 1}
n, y, last, seen, codes, count, box = 0, 0, {}, set(), [], [0], Person()
numbers = iter(range(9))
def keep(code):
    codes.append(code)
"""


def narrowed(body, rows):
    given = checking.whole(f"{ABOVE}\nfor post in {rows}:\n    {body}\n")
    return checking.outcome_of(given, select=SELECT).loops[0]


@pytest.mark.parametrize("body", INDEPENDENT)
def test_ties_of_rows_whose_turns_may_trade_places(body):
    loop = narrowed(body, 'Post.objects.order_by("editor")')
    assert loop.changed, loop.reason


@pytest.mark.parametrize("body", DEPENDENT)
def test_ties_of_rows_whose_turns_may_not_trade_places(body):
    loop = narrowed(body, 'Post.objects.order_by("editor")')
    assert loop.blocked_by == "row-order", loop
    assert "sorted by `editor`, which is not unique" in loop.reason
    assert narrowed(body, 'Post.objects.order_by("editor", "pk")').changed


NODES = MORE.replace(
    '        migrations.CreateModel(\n            "Sorted"',
    """        migrations.CreateModel(
            "Node",
            [("id", models.AutoField(primary_key=True)), ("kind", models.IntegerField()),
             ("name", models.CharField(max_length=9)), ("body", models.TextField()),
             ("up", models.ForeignKey("Node", models.CASCADE, related_name="below"))],
        ),
        migrations.CreateModel(
            "Edge",
            [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=9)),
             ("a", models.ForeignKey("Node", models.CASCADE, related_name="starts")),
             ("b", models.ForeignKey("Node", models.CASCADE, related_name="ends"))],
        ),
        migrations.CreateModel("Kept", [], bases=("shop.node",), options={"proxy": True}),
        migrations.CreateModel(\n            "Sorted\"""",
)


@pytest.mark.parametrize(
    ("body", "trades"),
    [
        ("row.below.update(name=row.kind)", True),
        ("row.starts.update(name=row.kind)\n    row.below.update(name=row.kind)", True),
        (
            "row.starts.update(name=row.kind)\n    Edge.objects.filter(a=row).update(name=row.name)",
            True,
        ),
        (
            "row.name = 'x'\n    row.save(update_fields=['name'])\n    row.starts.update(name='x')",
            True,
        ),
        (
            "row.name = 'x'\n    row.save(update_fields=['name'])\n    row.below.update(name='y')",
            False,
        ),
        ("row.below.update(name='y')\n    Node.objects.filter(pk=row.pk).update(name='x')", False),
        ("row.below.update(name='y')\n    Kept.objects.filter(pk=row.pk).update(name='x')", False),
        ("row.starts.update(name=row.name)\n    row.ends.update(name=row.name)", False),
        ("row.starts.update(name=row.name)\n    Edge.objects.filter(b=row).update(name='')", False),
    ],
)
def test_ties_of_rows_of_which_one_turn_may_write_what_another_does(body, trades):
    names = "".join(
        f'{each} = apps.get_model("shop", "{each}")\n' for each in ("Edge", "Kept", "Node")
    )
    given = checking.whole(f'{names}for row in Node.objects.order_by("name"):\n    {body}\n')
    loop = checking.outcome_of(given, models=NODES, select=SELECT).loops[0]
    assert loop.changed == trades, loop.reason
    assert trades or "writes rows that other turns may write" in loop.reason


EDGES = '("b", models.ForeignKey("Node", models.CASCADE, related_name="ends"))],\n'


@pytest.mark.parametrize(
    ("options", "query", "trades"),
    [
        ("'get_latest_by': 'a__kind'", "latest()", False),
        ("'get_latest_by': ['name', '-a__kind']", "earliest()", False),
        ("'get_latest_by': 'a'", "latest()", False),
        ("'get_latest_by': 'a_id'", "latest()", True),
        ("'get_latest_by': 'name'", "latest()", True),
        ("'ordering': ['a__kind']", "first()", False),
        ("'ordering': ['a__kind']", "order_by('name').first()", True),
        ("'ordering': ['name']", "order_by('a').first()", False),
        ("'ordering': ['name']", "order_by('a_id').first()", True),
        ("'ordering': ['name']", "order_by('-pk', '?').first()", True),
    ],
)
def test_ties_of_rows_whose_turns_read_what_their_model_sorts(options, query, trades):
    models = NODES.replace(EDGES, EDGES + f"            options={{{options}}},\n")
    body = f"row.kind = len(Edge.objects.{query}.name)\n    row.save(update_fields=['kind'])"
    names = "".join(f'{each} = apps.get_model("shop", "{each}")\n' for each in ("Edge", "Node"))
    given = checking.whole(f'{names}for row in Node.objects.order_by("name"):\n    {body}\n')
    loop = checking.outcome_of(given, models=models, select=SELECT).loops[0]
    assert loop.changed == trades, loop.reason
    assert trades or "may read what other turns write" in loop.reason


@pytest.mark.parametrize(("columns", "trades"), [("name", False), ("kind", True)])
def test_ties_of_rows_whose_turns_load_columns_of_another_row(columns, trades):
    given = checking.whole(
        f'Node = apps.get_model("shop", "Node")\nfirst = Node.objects.only("{columns}").get(pk=1)\n'
        'for row in Node.objects.order_by("name"):\n'
        "    row.kind = first.kind + 1\n    row.save(update_fields=['kind'])\n"
    )
    loop = checking.outcome_of(given, models=NODES, select=SELECT).loops[0]
    assert loop.changed == trades, loop.reason
    assert trades or "may load `kind`" in loop.reason


PAIRS = """
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Tag", [("id", models.AutoField(primary_key=True)), ("name", models.TextField())]),
        migrations.CreateModel("Order", [("id", models.AutoField(primary_key=True)), ("n", models.IntegerField())]),
        migrations.CreateModel("Tagging", [
            ("id", models.AutoField(primary_key=True)), ("note", models.CharField(max_length=9)),
            ("a", models.TextField()), ("b", models.TextField()),
            ("tag", models.ForeignKey("Tag", models.CASCADE)),
            ("order", models.ForeignKey("Order", models.CASCADE)),
        ]),
        migrations.AddField(
            "order", "tags", models.ManyToManyField("Tag", through="Tagging", related_name="orders")
        ),
        migrations.AddField("order", "others", models.ManyToManyField("Tag", related_name="+")),
        migrations.AddField("order", "more", models.ManyToManyField("Tag", through=NAMED, related_name="+")),
    ]
"""
CLEARING = "def clear(order):\n    order.tags.clear()\n\n\n"


def of_pairs(body, rows="Tagging.objects.all()"):
    names = "".join(f'{n} = apps.get_model("shop", "{n}")\n' for n in ("Order", "Tag", "Tagging"))
    given = CLEARING + checking.whole(f"{names}for row in {rows}:\n    {body}\n")
    return checking.outcome_of(given, models=PAIRS, select=SELECT).loops[0]


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("row.order.tags.clear()", False),
        ("row.order.tags.set([])", False),
        ("row.order.tags.remove(row.tag)", False),
        ("row.order.tags.add(row.tag)", False),
        ("row.order.tags.create(name='x')", False),
        ("row.tag.orders.clear()", False),
        ("Order.objects.get(n=1).tags.clear()", False),
        ("clear(row.order)", False),
        ("row.order.more.clear()", False),
        ("row.order.tags.all().delete()", False),
        ("row.order.others.clear()", True),
        ("row.order.tags.update(name='x')", True),
        ("x = row.order.tags.count()", True),
    ],
)
def test_a_full_save_beside_writes_of_the_relation_whose_pairs_the_rows_are(line, stays):
    loop = of_pairs(f"row.note += '!'\n    {line}\n    row.save()")
    assert loop.changed is stays, loop
    assert stays or "may change rows of shop.Tagging" in loop.reason


@pytest.mark.parametrize(
    ("value", "trades"),
    [
        ("row.order.tags.count()", False),
        ("len(row.tag.orders.all())", False),
        ("row.order.more.count()", False),
        ("row.order.others.count()", True),
    ],
)
def test_ties_of_the_pairs_of_a_relation(value, trades):
    body = f"row.order_id = {value}\n    row.save(update_fields=['order'])"
    loop = of_pairs(body, 'Tagging.objects.order_by("note")')
    assert loop.changed is trades, loop
    assert trades or "may read what other turns write" in loop.reason


SAVING = """
def tidy(node):
    node.name = node.name.strip()
    node.save(update_fields=["name"])
def tidy_both(node, other):
    tidy(node)
    tidy(other)
def climb(node):
    tidy(node)
    if node.up:
        climb(node.up)
def tidy_above(node):
    node = node.up
    node.save(update_fields=["name"])
def run(function, node):
    function(node)

"""


@pytest.mark.parametrize(
    ("body", "trades"),
    [
        ("tidy(row)", True),
        ("if row.kind:\n        tidy(row)", True),
        ("tidy(row)\n    tidy(first)", False),
        ("tidy(row)\n    tidy(row.up)", False),
        ("tidy(row)\n    run(tidy, row.up)", False),
        ("tidy(row)\n    list(map(tidy, row.below.all()))", False),
        ("tidy_both(row, first)", False),
        ("tidy_above(row)", False),
        ("climb(row)", False),
    ],
)
def test_ties_of_rows_that_a_function_saves(body, trades):
    given = checking.whole(
        'Node = apps.get_model("shop", "Node")\nfirst = Node.objects.get(pk=1)\n'
        f'for row in Node.objects.order_by("name"):\n    {body}\n'
    )
    given = given.replace("def forwards(", SAVING + "def forwards(", 1)
    loop = checking.outcome_of(given, models=NODES, select=SELECT).loops[0]
    assert loop.changed == trades, loop.reason
    assert trades or loop.blocked_by in {"row-order", "row-escapes"}


def test_what_follows_the_loop_may_need_the_last_row():
    above = "x = 0\n"
    for body, blocked in (("x = post.kind", "row-order"), ("x += 1\n    post.title", None)):
        after = (
            f'for post in Post.objects.order_by("editor"):\n    {body}\nTag.objects.create(name=x)'
        )
        outcome = checking.outcome_of(checking.whole(above + after), select=SELECT)
        assert outcome.loops[0].blocked_by == blocked, outcome.loops[0]


def test_a_slice_takes_other_rows_among_ties():
    body = "post.title = post.code\n    post.save()"
    assert narrowed(body, 'Post.objects.order_by("editor")[:9]').blocked_by == "row-order"
    assert narrowed(body, 'Post.objects.order_by("editor", "code")[:9]').changed


def test_a_window_numbers_ties_whatever_the_order_of_the_rows():
    body = "post.rank = post.x\n    post.save()"
    for window in (
        "Window(RowNumber(), order_by='kind')",
        "ArrayAgg('attachments__name')",
        "made()",
    ):
        above = (
            "from django.contrib.postgres.aggregates import ArrayAgg\nfrom django.db.models import Window\n"
            "from django.db.models.functions import RowNumber\nimport imported\n"
        )
        rows = f"Post.objects.annotate(x={window}).order_by('pk')"
        given = checking.whole(f"{above}for post in {rows}:\n    {body}")
        loop = checking.outcome_of(given, select=SELECT).loops[0]
        assert loop.blocked_by == "row-order", loop


def test_the_order_of_the_model_counts_unless_it_is_taken_away():
    check_rewritten(
        loop_over(rows_of("Sorted"), "print(row.key)"),
        loop_over(rows_of("Sorted", '.only("key")'), "print(row.key)"),
        models=MORE,
        select=SELECT,
    )
    check_refused(
        loop_over(rows_of("Sorted", ".order_by()"), "print(row.key)"),
        "row-order",
        models=MORE,
        select=SELECT,
    )


def test_an_index_over_several_columns():
    check_refused(
        loop_over(rows_of("Indexed"), "print(row.a, row.b)"),
        "row-order",
        models=MORE,
        select=SELECT,
    )
    check_rewritten(
        loop_over(rows_of("Indexed"), "print(row.a, row.c)"),
        loop_over(rows_of("Indexed", '.only("a", "c")'), "print(row.a, row.c)"),
        models=MORE,
        select=SELECT,
    )


@pytest.mark.parametrize(
    ("imported", "bar"),
    [
        ("from tqdm import tqdm", "tqdm"),
        ("from tqdm.auto import tqdm as bar", "bar"),
        ("from rich.progress import track as shown", "shown"),
        ("import tqdm as progress", "progress.tqdm"),
    ],
)
def test_the_columns_are_narrowed_inside_of_a_progress_bar_whatever_its_name(imported, bar):
    before = checking.whole(loop_over(f"{bar}(Post.objects.all())", "print(row.title)"))
    outcome = checking.outcome_of(f"{imported}\n{before}", select=SELECT)
    after = checking.after_of(outcome, before)
    assert f'    for row in {bar}(Post.objects.only("title")):\n' in after


# --- errors that keep what was done before, and rows that come with other values ------------------------

MAPPED = "post.author_id = {1: 2}[post.author_id]\npost.save(update_fields=['author'])"


def loading(body: str, rows: str = "Post.objects.all()", ending: str = "", models: str = SHORT):
    source = whole(f"for post in {rows}:\n{indent(body, '    ')}\n").replace(
        "    dependencies", f"{ending}    dependencies"
    )
    databases = ("postgresql", "sqlite", "mysql", "mariadb")
    return outcome_of(source, select=("MF201",), databases=databases, models=models).loops[0]


def test_a_row_that_fails_shows_the_order_where_what_was_done_before_it_stays():
    assert loading(MAPPED).codes == ("MF201",)
    found = loading(MAPPED, ending="    atomic = False\n")
    assert found.blocked_by == "row-order"
    assert "may fail, and what was written before stays" in found.reason


@pytest.mark.parametrize(
    "body",
    [
        "if post.author_id is None:\n    continue\npost.live = False\npost.save(update_fields=['live'])",
        "if post.author_id in (1, 2) and not post.live:\n    post.seen = True\n    post.save(update_fields=['seen'])",
        "post.live = True\npost.save(update_fields=['live'])",
    ],
)
def test_a_body_that_cannot_fail_shows_no_order(body):
    models = SHORT.replace(
        '("live", models.BooleanField(default=True)',
        '("live", models.BooleanField(default=True, db_index=True)',
    )
    found = loading(body, ending="    atomic = False\n", models=models)
    assert found.blocked_by != "row-order", found.reason


def test_rows_that_come_more_than_once_with_other_values():
    body = "post.author_id = post.of\npost.save(update_fields=['author'])"
    once = "Post.objects.annotate(of=models.F('editor_id'))"
    often = "Post.objects.filter(attachments__name='a').annotate(of=models.F('attachments__id'))"
    assert loading(body, once).codes == ("MF201",)
    assert loading(body, often).blocked_by == "row-order"


def test_a_field_that_hears_of_its_own_model_may_read_any_column(tmp_path):
    field = (
        "from django.db import models\nfrom django.db.models.signals import pre_save\n"
        "class Slug(models.CharField):\n    def contribute_to_class(self, cls, name, **kwargs):\n"
        "        super().contribute_to_class(cls, name, **kwargs)\n"
        "        pre_save.connect(self.fill, sender=cls)\n"
        "    def fill(self, sender, instance, **kwargs):\n        instance.slug = instance.name\n"
    )
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "fields.py").write_text(field)
    source = whole(
        "for post in Post.objects.all():\n    post.live = not post.live\n    post.save(update_fields=['live'])"
    )
    for kind, blocked in (("shop.fields.Slug", "signals"), ("models.CharField", None)):
        models = MODELS.replace('("slug", models.CharField', f'("slug", {kind}')
        (folder / "0001_initial.py").write_text(f"import shop.fields\n{models}")
        settings = Settings(select=frozenset({"MF201"}))
        found = run_source(source.encode(), folder / "0002_fill.py", settings, rewrite=True)
        assert found.loops[0].blocked_by == blocked, found.loops


@pytest.mark.parametrize("body", DEPENDENT)
def test_ties_whose_order_shows_are_in_doubt(body):
    """A database may bring them in any order as it is, so that fewer columns are offered with the doubt."""
    loop = doubted(body, 'Post.objects.order_by("editor")')
    assert loop.codes == ("MF201",) and loop.applicability is Applicability.UNSAFE, loop
    assert "they may come in another order" in loop.reason


def doubted(body, rows, models=MODELS):
    given = checking.whole(f"{ABOVE}\nfor post in {rows}:\n    {body}\n")
    return checking.outcome_of(given, models=models, unsafe=True, select=SELECT).loops[0]


@pytest.mark.parametrize(
    "rows",
    [
        # other rows come, or other values with them
        "Post.objects.order_by('editor')[:9]",
        "Post.objects.order_by('editor').distinct('editor')",
        "Post.objects.annotate(x=models.Window(models.functions.RowNumber())).order_by('editor')",
        "Post.objects.annotate(**codes).order_by('editor')",
    ],
)
def test_ties_that_decide_which_rows_come_are_in_no_doubt(rows):
    loop = doubted("print(post.title)", rows)
    assert not loop.changed and loop.blocked_by == "row-order", loop


def test_rows_that_would_come_again_are_in_no_doubt():
    body = (
        "print(post.slug)\n    post.slug = post.slug.title()\n    post.save(update_fields=['slug'])"
    )
    given = checking.whole(f"for post in Post.objects.order_by('editor').iterator():\n    {body}")
    found = checking.outcome_of(
        given, models=INDEXED, databases=checking.EVERYWHERE, unsafe=True, select=SELECT
    ).loops[0]
    assert found.blocked_by == "row-order" and "rows would come again" in found.reason, found


def test_what_is_in_doubt_does_not_make_rows_short():
    """``.iterator()`` holds 2,000 rows: with long texts, where these may be loaded after all."""
    given = checking.whole(
        "for post in Post.objects.order_by('editor', 'code'):\n    print(post.title)"
    )
    ties = given.replace("'editor', 'code'", "'editor'")
    select = ("MF201", "MF202", "MF203")
    for source, unsafe, codes in (
        (given, False, ("MF201", "MF202")),
        (ties, False, ("MF203",)),
        (ties, True, ("MF201", "MF203")),
    ):
        found = checking.outcome_of(source, unsafe=unsafe, select=select).loops[0]
        assert found.codes == codes, found


def test_a_full_save_beside_a_field_whose_class_cannot_be_read():
    """It may do anything in pre_save(), which a save() of fewer columns does not run."""
    models = MODELS.replace(
        "from django.db import migrations, models",
        "import fsm\nfrom django.db import migrations, models",
    ).replace(
        '("other", models', '("state", fsm.State(max_length=9)),\n                ("other", models'
    )
    body = "for post in Stamped.objects.all():\n    post.name = 'x' + post.name\n    {}"
    for save, unsafe, changed in (
        ("post.save()", False, False),
        ("post.save()", True, True),
        ("post.save(update_fields=['name'])", False, True),
    ):
        given = checking.whole(body.format(save))
        found = checking.outcome_of(given, models=models, unsafe=unsafe, select=SELECT).loops[0]
        assert found.changed is changed, found
        assert ("what save() does with `state`, a fsm.State, is not known" in str(found)) is (
            save == "post.save()"
        )
    asked = body.format("print(post.state)\n    post.save()")
    given = checking.whole(asked)
    found = checking.outcome_of(given, models=models, unsafe=True, select=SELECT).loops[0]
    assert found.blocked_by == "field-unknown", found


def test_more_than_columns_is_offered_first():
    body = (
        "for post in Post.objects.order_by('editor'):\n    Tag.objects.create(name=post.title)\n"
        "    print(Token.objects.count())"
    )
    receiver = "from django.db.models.signals import post_save\n\npost_save.connect(print)\n"
    models = MODELS + "\n# offers\n"
    (checking.project(models).parent / "apps.py").write_text(receiver)
    found = checking.outcome_of(checking.whole(body), models=models).loops[0]
    assert found.offer and "in batches" in found.offer, found


# --- rows that move in the index that is walked ----------------------------------------------------------

INDEXED = SHORT.replace(
    '("slug", models.CharField(max_length=200)',
    '("slug", models.CharField(max_length=200, db_index=True)',
)
MOVED = "post.slug = post.slug.title()\npost.save(update_fields=['slug'])"


@pytest.mark.parametrize(
    ("body", "rows", "blocked"),
    [
        (MOVED, "Post.objects.iterator()", "row-order"),
        (MOVED, "Post.objects.order_by('slug').iterator()", "row-order"),
        (MOVED, "Post.objects.filter(slug__gt='a').iterator()", "row-order"),
        ("Post.objects.filter(pk=post.pk).update(slug=post.slug.title())", "Post.objects.iterator()", "row-order"),
        # the table itself is walked, or another index
        (MOVED.replace("post.slug.title()", "f'{post.slug}{post.kind}'"), "Post.objects.iterator()", None),
        ("post.kind = len(post.slug)\npost.save(update_fields=['kind'])", "Post.objects.iterator()", None),
        ("post.kind = len(post.slug)\npost.save(update_fields=['kind'])", "Post.objects.order_by('slug').iterator()", None),
        # all rows are there before the first is changed
        (MOVED, "Post.objects.all()", None),
    ],
)  # fmt: skip
def test_rows_of_an_iterator_that_move_in_an_index(body, rows, blocked):
    found = loading(body, rows, models=INDEXED)
    assert found.blocked_by == blocked, found.reason
    if blocked:
        assert "the body changes: rows would come again" in found.reason


def test_rows_of_an_iterator_on_a_database_that_reads_a_snapshot():
    check_rewritten(
        f"for post in Post.objects.iterator():\n{indent(MOVED, '    ')}",
        f"for post in Post.objects.only('slug').iterator():\n{indent(MOVED, '    ')}".replace("'slug')", '"slug")'),
        "MF201",
        models=INDEXED,
        select=("MF201",),
    )  # fmt: skip


# --- rows that others use as well -----------------------------------------------------------------

MADE = 'posts = Post.objects.filter(kind=1).order_by("pk")'
ONLY = MADE + '.only("slug", "title")'
TURN = "for post in posts:\n    post.slug = post.title\n"
WRITTEN = 'Post.objects.bulk_update(posts, ["slug"])\n'
PAGE = 'posts = list(Post.objects.filter(pk__gt=last).order_by("pk")[:1000])'
NARROW_PAGE = PAGE.replace("(Post", "(\n        Post").replace(
    "[:1000])", '.only("slug", "title")[:1000]\n    )'
)

SHARED = {
    "their number in each turn": (
        f"{MADE}\n{TURN}    print(len(posts))\n",
        f"{MADE}.only(\"title\", \"slug\")\n{TURN}    print(len(posts))\n",
    ),
    "bulk_update() of an outer turn": (
        f"for number in range(9):\n{indent(MADE.replace('=1', '=number') + chr(10) + TURN + WRITTEN, '    ')}",
        f"for number in range(9):\n{indent(ONLY.replace('=1', '=number') + chr(10) + TURN + WRITTEN, '    ')}",
    ),
    "pages by key": (
        f"last = 0\nwhile True:\n    {PAGE}\n    if not posts:\n        break\n"
        f"{indent(TURN + WRITTEN, '    ')}    last = posts[-1].pk\n",
        f"last = 0\nwhile True:\n    {NARROW_PAGE}\n    if not posts:\n        break\n"
        f"{indent(TURN + WRITTEN, '    ')}    last = posts[-1].pk\n",
    ),
    "the key by its name": (
        f"last = 0\nwhile True:\n    {PAGE}\n    if not posts:\n        break\n"
        f"{indent(TURN + WRITTEN, '    ')}    last = posts[len(posts) - 1].id\n",
        f"last = 0\nwhile True:\n    {NARROW_PAGE}\n    if not posts:\n        break\n"
        f"{indent(TURN + WRITTEN, '    ')}    last = posts[len(posts) - 1].id\n",
    ),
    "a query that names its columns": (
        f"for n in range(9):\n{indent(MADE + chr(10) + 'names = posts.values(' + chr(34) + 'author' + chr(34) + ')' + chr(10) + TURN + WRITTEN, '    ')}    print(list(names))\n",
        f"for n in range(9):\n{indent(ONLY + chr(10) + 'names = posts.values(' + chr(34) + 'author' + chr(34) + ')' + chr(10) + TURN + WRITTEN, '    ')}    print(list(names))\n",
    ),
    "whether others know them": (
        "for n in range(9):\n"
        + indent(MADE + '\nPerson.objects.filter(models.Exists(posts.filter(author=models.OuterRef("pk")))).count()\n' + TURN + WRITTEN, "    "),
        "for n in range(9):\n"
        + indent(ONLY + '\nPerson.objects.filter(models.Exists(posts.filter(author=models.OuterRef("pk")))).count()\n' + TURN + WRITTEN, "    "),
    ),
    "all(), which gives way": (
        f"for n in range(9):\n    posts = Post.objects.all()\n{indent(TURN + WRITTEN, '    ')}",
        f"for n in range(9):\n    posts = Post.objects.only(\"slug\", \"title\")\n{indent(TURN + WRITTEN, '    ')}",
    ),
    "a chain of several lines": (
        f"for n in range(9):\n    posts = Post.objects.filter(\n        kind=n,  # one\n    )\n{indent(TURN + WRITTEN, '    ')}",
        f"for n in range(9):\n    posts = Post.objects.filter(\n        kind=n,  # one\n    ).only(\"slug\", \"title\")\n{indent(TURN + WRITTEN, '    ')}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_rows_that_others_use_are_narrow_where_they_are_made(name):
    before, after = SHARED[name]
    found = check_rewritten(
        before, after.replace('"title", "slug"', '"slug", "title"'), "MF201", select=SELECT
    )
    assert set(found.only) == {"slug", "title"}


OTHERS = {
    "a column of one of them": "last = posts[0].title",
    "one of them": "first = posts[0]",
    "a slice": "some = posts[:3]",
    "another loop": "for other in posts:\n    print(other.body)",
    "a comprehension": "bodies = [other.body for other in posts]",
    "another name": "others = posts",
    "handed on": "apps.work(posts)",
    "a query of rows": "others = posts.filter(live=True)",
    "a query of rows that is handed on": "apps.work(posts.filter(live=True))",
    "first()": "print(posts.first().body)",
    "in_bulk()": "found = posts.in_bulk()",
    "delete()": "posts.delete()",
    "bulk_update() of fields that are not known": "Post.objects.bulk_update(posts, apps.names)",
    "bulk_update() of another model": 'Person.objects.bulk_update(posts, ["name"])',
    "it goes": "del posts",
    "shown": "print(f'{posts}')",
    "compared": "print(posts == [])",
    "given": "found = posts or None",
}


@pytest.mark.parametrize("name", OTHERS)
def test_rows_of_which_others_may_need_every_column(name):
    lines = f"{MADE}\n{TURN}{WRITTEN}{OTHERS[name]}\n"
    check_refused("for n in range(9):\n" + indent(lines, "    "), "queryset-reused", select=SELECT)


HELD = {
    "made more than once": f"{MADE}\nif apps:\n    posts = Post.objects.all()\n{TURN}{WRITTEN}print(len(posts))",
    "under two names": f"mine = {MADE}\n{TURN}{WRITTEN}print(len(posts), len(mine))",
    "a part of something": f"posts, n = Post.objects.all(), 1\n{TURN}{WRITTEN}print(len(posts))",
    "sorted": f"posts = sorted(Post.objects.all())\n{TURN}{WRITTEN}print(len(posts))",
    "rows that iterator() gave": f"posts = list(Post.objects.iterator())\n{TURN}{WRITTEN}print(len(posts))",
    "gone over again and again": f"{MADE}\nfor n in range(9):\n{indent(TURN, '    ')}print(len(posts))",
    "shared with a function": f"def work():\n    nonlocal posts\n    posts = []\n{MADE}\n{TURN}{WRITTEN}work()",
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_rows_that_are_not_known_to_be_made_in_one_place(name):
    found = outcome_of(whole(HELD[name]), select=SELECT)
    assert not found.changed, found.edits[-1].after.decode()


def test_columns_that_bulk_update_writes_are_among_those_that_are_loaded():
    written = WRITTEN.replace('["slug"]', '["slug", "note"]')
    before = f"for n in range(9):\n{indent(MADE + chr(10) + TURN + written, '    ')}"
    check_rewritten(
        before,
        before.replace(MADE, MADE + '.only("slug", "title", "note")'),
        "MF201",
        select=SELECT,
    )


def test_a_line_that_gets_too_long_is_laid_out():
    before = "for number in range(9):\n    posts = Post.objects.filter(kind=number, live=True, seen=False)\n"
    rest = indent(TURN + WRITTEN, "    ")
    check_rewritten(
        before + rest,
        "for number in range(9):\n    posts = Post.objects.filter(kind=number, live=True, seen=False).only(\n"
        f'        "slug", "title"\n    )\n{rest}',
        "MF201",
        select=SELECT,
    )


def test_a_count_in_the_turn_that_made_the_rows_comes_before_them():
    before = (
        "for number in range(9):\n    posts = Post.objects.filter(kind=number)\n"
        "    if posts.count() > 1:\n        for post in posts:\n            print(post.title)\n"
    )
    check_rewritten(
        before, before.replace("in posts:", 'in posts.only("title"):'), "MF201", select=SELECT
    )
    again = before.replace("    posts = ", "    pass\n").replace(
        "Post.objects.filter(kind=number)\n", ""
    )
    check_refused("posts = Post.objects.all()\n" + again, "queryset-reused", select=SELECT)


def test_a_manager_of_the_project_may_write_rows_in_its_own_way():
    models = MODELS.replace(
        "from django.db import migrations, models\n",
        "import shop.codes\nfrom django.db import migrations, models\n",
    ).replace(
        '                ("other", models.CharField(max_length=50)),\n',
        '                ("other", models.TextField()),\n                ("more", models.TextField()),\n',
    )
    before = (
        "for n in range(9):\n    rows = Stamped._base_manager.filter(pk=n)\n"
        '    for row in rows:\n        row.name = "x"\n    Stamped.{}.bulk_update(rows, ["name"])\n'
    )
    plain = outcome_of(whole(before.format("objects")), models=models, select=SELECT).loops[0]
    assert plain.only == ("name",), plain.reason
    own = models.replace(
        '                ("updated", models.DateTimeField(auto_now=True)),\n            ],\n',
        '                ("updated", models.DateTimeField(auto_now=True)),\n            ],\n'
        '            managers=[("objects", shop.codes.Manager())],\n',
    )
    assert own != models
    check_refused(before.format("objects"), "custom-manager", models=own, select=SELECT)


@pytest.mark.parametrize(
    ("save", "reason"),
    [("save()", "queryset-reused"), ('save(update_fields=["slug"])', None)],
)
def test_rows_that_were_read_before_others_are_written(save, reason):
    """A full ``save()`` writes every column back as it was read."""
    lines = f"{PAGE}\nPost.objects.update(body='')\n{TURN}    post.{save}\nlast = posts[-1].pk\n"
    before = "last = 0\nfor n in range(9):\n" + indent(lines, "    ")
    found = outcome_of(whole(before), select=SELECT).loops[0]
    assert found.blocked_by == reason, found.reason
    quiet = before.replace("Post.objects.update(body='')", "print(1)")
    assert outcome_of(whole(quiet), select=SELECT).loops[0].only


def test_a_row_at_a_place_where_ties_may_change_theirs():
    lines = f"{MADE}\n{TURN}{WRITTEN}last = posts[0].pk\n"
    sorted_ = "for n in range(9):\n" + indent(lines, "    ")
    assert outcome_of(whole(sorted_), select=SELECT).loops[0].only
    unsorted = sorted_.replace('.order_by("pk")', '.order_by("title")')
    check_refused(unsorted, "queryset-reused", select=SELECT)
