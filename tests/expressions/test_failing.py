"""Values that may make a row fail, where a loop would keep the rows before it."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests.checking import EVERYWHERE, POSTGRESQL, outcome_of, whole

MODELS = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = []
    operations = [
        migrations.CreateModel("Person", [("id", models.AutoField(primary_key=True)),
                                          ("name", models.CharField(max_length=50))]),
        migrations.CreateModel("Post", [
            ("id", models.AutoField(primary_key=True)),
            ("n", models.IntegerField()), ("m", models.IntegerField()),
            ("null", models.IntegerField(null=True)), ("small", models.SmallIntegerField()),
            ("big", models.BigIntegerField()), ("up", models.PositiveIntegerField()),
            ("bigup", models.PositiveBigIntegerField()),
            ("flag", models.BooleanField()), ("seen", models.BooleanField(null=True)),
            ("short", models.CharField(max_length=9)), ("long", models.CharField(max_length=99)),
            ("slug", models.SlugField()), ("url", models.URLField()),
            ("text", models.TextField()), ("note", models.TextField(null=True)),
            ("day", models.DateField()), ("when", models.DateTimeField(null=True)),
            ("cost", models.DecimalField(max_digits=8, decimal_places=2)),
            ("checked", models.IntegerField(default=0)), ("limit", models.IntegerField(default=0)),
            ("author", models.ForeignKey("Person", models.CASCADE, related_name="posts")),
            ("editor", models.ForeignKey("Person", models.SET_NULL, null=True, related_name="+")),
            ("loose", models.ForeignKey("Person", models.CASCADE, db_constraint=False, related_name="+")),
        ], options={"constraints": [
            models.CheckConstraint(check=models.Q(checked__lt=models.F("limit")), name="c"),
            models.UniqueConstraint(fields=["small"], name="u"),
        ]}),
        migrations.CreateModel("Stamped", [("id", models.AutoField(primary_key=True)),
                                           ("n", models.IntegerField()),
                                           ("at", models.DateTimeField(auto_now=True))]),
        migrations.CreateModel("Tag", [("id", models.AutoField(primary_key=True)),
                                       ("name", models.CharField(max_length=9))]),
        migrations.CreateModel("Attachment", [("id", models.AutoField(primary_key=True))]),
        migrations.CreateModel("Token", [
            ("id", models.AutoField(primary_key=True)), ("n", models.IntegerField(null=True)),
            ("tag", models.ForeignKey("Tag", models.SET_NULL, null=True)),
        ]),
    ]
"""
LOOP = "for post in Post.objects.{rows}:\n{body}    post.save()\n"


def in_autocommit(body: str) -> str:
    return whole(body).replace("    dependencies", "    atomic = False\n    dependencies")


def is_safe(
    assignment: str, rows: str = "all()", before: str = "", databases: tuple[str, ...] = EVERYWHERE
) -> bool:
    """Is the loop safe in autocommit? It certainly is in a transaction."""
    body = before + LOOP.format(rows=rows, body=indent(assignment, "    ") + "\n")
    given = {"select": ("MF101",), "models": MODELS, "databases": databases}
    assert outcome_of(whole(body), **given).loops[0].changed
    loop = outcome_of(in_autocommit(body), **given).loops[0]
    assert loop.changed or (loop.blocked_by == "transaction" and loop.offer), loop
    return loop.changed


# Which rows get a value: those of one path alone, or all.
BRANCH = "if post.flag:\n    {}\nelse:\n    post.n = 1"


@pytest.mark.parametrize(
    ("assignment", "safe"),
    [
        # the same for all: the first row fails, or none
        ("post.n = 5", True),
        ("post.n = None", True),
        ("post.author_id = 7", True),
        ("post.n = 5\npost.text = 'x'", True),
        ("post.seen = None", True),
        # of some rows alone
        (BRANCH.format("post.n = 5"), True),
        (BRANCH.format("post.n = 2"), True),
        (BRANCH.format("post.n = None"), False),
        (BRANCH.format("post.null = None"), True),
        (BRANCH.format("post.up = -1"), False),
        (BRANCH.format("post.up = 1"), True),
        (BRANCH.format("post.text = 'x'"), True),
        (BRANCH.format("post.flag = False"), True),
        (BRANCH.format("post.author_id = 7"), False),
        (BRANCH.format("post.editor = None"), True),
        (BRANCH.format("post.author = None"), False),
        # columns
        ("post.n = post.m", True),
        ("post.n = post.null", False),
        ("if post.null is not None:\n    post.n = post.null", True),
        ("if post.null is None:\n    post.n = 1\nelse:\n    post.n = post.null", True),
        ("post.null = post.n", True),
        ("post.n = post.small", True),
        ("post.big = post.n", True),
        ("post.n = post.big", False),
        ("post.n = post.up", False),
        ("post.big = post.up", True),
        ("post.big = post.bigup", False),
        ("post.bigup = post.up", True),
        ("post.up = post.bigup", False),
        ("post.up = post.n", False),
        ("post.text = post.short", True),
        ("post.text = post.note", False),
        ("post.note = post.text", True),
        ("post.long = post.short", True),
        ("post.short = post.long", False),
        ("post.long = post.slug", True),
        ("post.slug = post.long", False),
        ("post.slug = post.short", True),
        ("post.long = post.url", False),
        ("post.short = post.text", False),
        ("post.flag = post.seen", False),
        ("post.seen = post.flag", True),
        ("post.editor = post.author", True),
        ("post.author = post.editor", False),
        # computed
        ("post.n = post.n + 1", False),
        ("post.null = post.n + 1", False),
        ("post.long = post.short + 'x'", False),
        ("post.text = post.text + 'x'", True),
        ("post.text = post.text.replace('a', 'bb')", True),
        ("post.text = post.short[:3] + post.long", True),
        ("post.flag = post.n == 5", True),
        ("post.flag = not post.flag", True),
        ("post.n = 5\npost.m = post.null", False),
        # rules
        ("post.checked = 5", False),
        ("post.limit = 5", False),
    ],
)
def test_values_of_a_row(assignment, safe):
    databases = POSTGRESQL if ".replace(" in assignment or "[:3]" in assignment else EVERYWHERE
    assert is_safe(assignment, databases=databases) == safe


def test_what_the_source_rules_out():
    assert is_safe("post.n = post.null", rows="filter(null__isnull=False)")
    assert not is_safe("post.n = post.null", rows="filter(n__isnull=False)")


@pytest.mark.parametrize(
    ("found", "value", "safe"),
    [
        ("get(name='x')", "author = person", True),
        ("get(name='x')", "author_id = person.pk", True),
        ("filter(name='x').first()", "author = person", False),
    ],
)
def test_rows_that_are_there(found, value, safe):
    """Where the error of a value that no row takes would be caught."""
    before = f"person = Person.objects.{found}\n"
    body = LOOP.format(rows="all()", body=f"    post.{value}\n")
    caught = f"{before}try:\n{indent(body, '    ')}except ValueError:\n    pass\n"
    loop = outcome_of(whole(caught), select=("MF101",), models=MODELS, unsafe=True).loops[0]
    assert ("half-way" not in loop.reason) == safe, loop


def test_texts_outside_of_the_character_set_of_a_table():
    assignment = BRANCH.format("post.text = 'é'")
    assert is_safe(assignment, databases=("postgresql", "sqlite"))
    assert not is_safe(assignment, databases=("mysql",))


def test_the_time():
    body = "for stamped in Stamped.objects.all():\n    stamped.n = 1\n    stamped.save()\n"
    found = outcome_of(in_autocommit(body), select=("MF101",), models=MODELS, unsafe=True).loops[0]
    assert "half-way" not in found.reason
    body = body.replace("stamped.n = 1", "stamped.n = stamped.n + 1")
    found = outcome_of(in_autocommit(body), select=("MF101",), models=MODELS, unsafe=True).loops[0]
    assert "half-way" in found.reason


@pytest.mark.parametrize(
    ("rule", "safe"),
    [
        ('models.CheckConstraint(check=models.Q(m__gt=0), name="c")', True),
        ('models.CheckConstraint(check=models.Q(n__gt=0), name="c")', False),
        ('models.CheckConstraint(condition=~models.Q(author=1), name="c")', True),
        ("models.CheckConstraint(**RULE)", False),
        ('shop.rules.Rule(name="c")', False),
    ],
)
def test_constraints(rule, safe):
    old = 'models.CheckConstraint(check=models.Q(checked__lt=models.F("limit")), name="c"),'
    assert old in MODELS
    given = {"select": ("MF101",), "models": MODELS.replace(old, rule + ",")}
    body = LOOP.format(rows="all()", body="    post.n = 5\n")
    loop = outcome_of(in_autocommit(body), **given, unsafe=True).loops[0]
    assert ("half-way" not in loop.reason) == safe, loop


# --- deletes -------------------------------------------------------------------------------------


DELETING = "for tag in Tag.objects.all():\n    tag.delete()\n"


@pytest.mark.parametrize(
    ("old", "new", "safe"),
    [
        ("", "", True),
        ("models.SET_NULL, null=True)),\n        ]),", "models.SET_NULL)),\n        ]),", False),
        (
            "models.SET_NULL, null=True)),\n        ]),",
            "models.SET_NULL, null=True)),\n        ], options={'constraints': "
            "[models.CheckConstraint(check=models.Q(tag=1), name='c')]}),",
            False,
        ),
        ("models.SET_NULL, null=True)),\n        ]),", "models.CASCADE)),\n        ]),", True),
    ],
)
def test_deletes(old, new, safe):
    assert old in MODELS
    given = {"select": ("MF102",), "models": MODELS.replace(old, new)}
    assert outcome_of(whole(DELETING), **given).loops[0].changed
    loop = outcome_of(in_autocommit(DELETING), **given).loops[0]
    assert loop.changed == safe, loop
    assert safe or loop.blocked_by == "transaction"


# --- other tables --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "safe"),
    [
        ("post.author.name = 'x'\npost.author.save()", True),
        ("Token.objects.filter(tag=tag).update(n=1)", True),
        ("Token.objects.filter(tag=tag).update(n=tag.id)", False),
    ],
)
def test_updates_of_other_tables(body, safe):
    row = "post in Post" if "post" in body else "tag in Tag"
    loop = f"for {row}.objects.all():\n{indent(body, '    ')}\n"
    given = {"select": ("MF101",), "models": MODELS}
    assert outcome_of(whole(loop), **given, unsafe=True).loops[0].changed
    found = outcome_of(in_autocommit(loop), **given, unsafe=True).loops[0]
    assert ("half-way" not in found.reason) == safe, found


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "safe"),
    [
        ("post.text = str(post.n)\npost.save()", True),
        ("print(post.n)\npost.text = str(post.n)\npost.save()", True),
        ("post.text = str(post.n)\npost.save()\nTag.objects.filter(pk=1).update(name='x')", False),
        (
            "post.n = 1 if post.flag else 2\nprint()\npost.save()\nTag.objects.create(name='x')",
            False,
        ),
        ("post.text = 'x'\npost.flag = True\npost.save()\nTag.objects.create(name='x')", True),
        ("post.checked = 1\npost.save()\nTag.objects.create(name='x')", False),
        ("post.author_id = 1\npost.save()\nTag.objects.create(name='x')", False),
    ],
)
def test_batches_of_saves(body, safe):
    loop = f"for post in Post.objects.all():\n{indent(body, '    ')}\n"
    given = {"select": ("MF301",), "models": MODELS}
    assert outcome_of(whole(loop), **given).loops[0].changed
    found = outcome_of(in_autocommit(loop), **given).loops[0]
    assert found.changed == safe, found
    assert safe or found.blocked_by == "transaction"


@pytest.mark.parametrize(
    ("body", "safe"),
    [
        ("Tag.objects.create(name=post.short)", True),
        ("Tag.objects.create(name=post.short)\nprint(post.n)", True),
        ("Tag.objects.create(name=post.short)\nToken.objects.create(n=post.n)", False),
        ("Tag.objects.create(name=post.short)\nPerson.objects.filter(pk=1).update(name='')", False),
        ("Tag.objects.create(name=post.short)\npost.n = 1\npost.save()", False),
    ],
)
def test_batches_of_new_rows(body, safe):
    loop = f"for post in Post.objects.all():\n{indent(body, '    ')}\n"
    given = {"select": ("MF302",), "models": MODELS}
    assert outcome_of(whole(loop), **given).loops[0].changed
    found = outcome_of(in_autocommit(loop), **given).loops[0]
    assert found.changed == safe, found
    assert safe or found.blocked_by == "transaction"
