"""MF302 outside of a transaction: new rows of which one fails, so that the others get greater keys."""

from __future__ import annotations

import pytest

from migfix.findings import LoopOutcome
from migfix.settings import Settings
from tests.rewritten import rewritten

KEY = '("id", models.BigAutoField(primary_key=True))'
MODELS = f"""
migrations.CreateModel("Person", [{KEY}, ("code", models.CharField(max_length=9, unique=True))]),
migrations.CreateModel("Post", [{KEY},
    ("title", models.CharField(max_length=60)),
    ("long", models.CharField(max_length=61)),
    ("endless", models.TextField()),
    ("odd", models.CharField(max_length=len(str(60)))),
    ("note", models.CharField(max_length=60, null=True)),
    ("n", models.IntegerField()),
    ("big", models.BigIntegerField()),
    ("positive", models.PositiveSmallIntegerField()),
    ("when", models.DateTimeField()),
    ("day", models.DateField()),
    ("cost", models.DecimalField(max_digits=8, decimal_places=2)),
    ("author", models.ForeignKey("shop.Person", models.CASCADE)),
    ("coded", models.ForeignKey("shop.Person", models.CASCADE, to_field="code")),
    ("loose", models.ForeignKey("shop.Person", models.CASCADE, db_constraint=False)),
    ("owner", models.ForeignKey(settings.OWNER, models.CASCADE)),
    ("slug", models.CharField(max_length=9, unique=True)),
]),
migrations.CreateModel("Note", [{KEY},
    ("text", models.CharField(max_length=60, default="none")),
    ("empty", models.CharField(max_length=60)),
    ("n", models.IntegerField(default=0)),
    ("positive", models.PositiveIntegerField(default=0)),
    ("maybe", models.IntegerField(null=True)),
    ("own", models.IntegerField(null=True, unique=True)),
    ("made", models.DateTimeField(auto_now_add=True)),
    ("when", models.DateTimeField(null=True)),
    ("cost", models.DecimalField(max_digits=8, decimal_places=2, null=True)),
    ("data", models.JSONField(default=dict)),
    ("file", models.FileField()),
    ("post", models.ForeignKey("shop.Post", models.CASCADE, null=True)),
    ("author", models.ForeignKey("shop.Person", models.CASCADE, null=True)),
    ("owner", models.ForeignKey(settings.OWNER, models.CASCADE, null=True)),
    ("slugged", models.ForeignKey("shop.Post", models.CASCADE, to_field="slug", null=True)),
]),
migrations.CreateModel("Same", [{KEY}, ("n", models.IntegerField(null=True, unique=True, default=5))]),
migrations.CreateModel("Made", [{KEY}, ("data", models.JSONField(default=uuid.uuid4))]),
migrations.CreateModel("Odd", [{KEY}, ("text", models.CharField(max_length=len(str(60)), null=True))]),
migrations.CreateModel("Must", [{KEY}, ("n", models.IntegerField()), ("m", models.IntegerField())]),
migrations.CreateModel("Short", [{KEY}, ("word", models.CharField(max_length=2, default="xyz"))]),
migrations.CreateModel("Checked", [{KEY}, ("n", models.IntegerField(default=1))], options={{
    "constraints": [models.CheckConstraint(name="checked", condition=models.Q(n__gt=0))]}}),
migrations.CreateModel("Together", [{KEY}, ("n", models.IntegerField(default=1))], options={{
    "unique_together": {{("n",)}}}}),
migrations.CreateModel("Ticket", [
    ("id", models.UUIDField(primary_key=True, default=uuid.uuid4)),
    ("n", models.IntegerField()),
]),
"""
INITIAL = (
    "import uuid\n\nfrom django.conf import settings\nfrom django.db import migrations, models\n\n\n"
    "class Migration(migrations.Migration):\n    initial = True\n    dependencies = []\n"
    f"    operations = [{MODELS}]\n"
)
NAMES = (
    "Person",
    "Post",
    "Note",
    "Same",
    "Made",
    "Odd",
    "Must",
    "Short",
    "Checked",
    "Together",
    "Ticket",
)


def outcome(
    *lines: str,
    over: str = "Post.objects.all()",
    atomic: bool = False,
    databases: tuple[str, ...] = ("postgresql", "mariadb"),
) -> LoopOutcome:
    models = "".join(f'    {name} = apps.get_model("shop", "{name}")\n' for name in NAMES)
    body = "".join(f"        {line}\n" for line in lines)
    code = (
        "from django.db import migrations\n\n\n"
        f"def forwards(apps, schema_editor):\n{models}    for post in {over}:\n{body}\n\n"
        f"class Migration(migrations.Migration):\n    atomic = {atomic}\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )
    settings = Settings(select=frozenset({"MF302"}), databases=frozenset(databases))
    return rewritten(INITIAL, code, settings)[1].loops[0]


FAILING = [
    "Note.objects.create(n=post.big)",
    "Note.objects.create(n=post.n + 1)",
    "Note.objects.create(n=None)",
    "Note.objects.create(n=2147483648)",
    "Note.objects.create(positive=post.n)",
    "Note.objects.create(text=post.long)",
    "Note.objects.create(text=post.endless)",
    "Note.objects.create(text=post.odd)",
    "Odd.objects.create(text=post.title)",
    "Note.objects.create(text=post.note)",
    "Note.objects.create(text=post.title + post.title)",
    "Note.objects.create(text=post.n)",
    "Note.objects.create(own=post.n)",
    "Note.objects.create(own=None)",
    "Note.objects.create(when=post.day)",
    "Note.objects.create(cost=post.cost)",
    "Note.objects.create(author_id=post.n)",
    "Note.objects.create(author_id=1)",
    "Note.objects.create(author_id=post.loose_id)",
    "Note.objects.create(author_id=post.pk)",
    "Note.objects.create(author_id=post.coded_id)",
    "Note.objects.create(post_id=post.author_id)",
    "Note.objects.create(pk=post.pk)",
    "Note.objects.create(id=post.n)",
    "Note.objects.create(owner_id=post.owner_id)",
    "Note.objects.create(slugged_id=post.pk)",
    "Person.objects.create()",
    "Same.objects.create()",
    "Made.objects.create()",
    "Note.objects.create(**{'n': 1})",
    "Must.objects.create(n=1)",
    "Short.objects.create()",
    "Checked.objects.create()",
    "Together.objects.create()",
]
FITTING = [
    "Note.objects.create()",
    "Note.objects.create(n=post.n, maybe=post.positive, positive=post.positive)",
    "Note.objects.create(n=1, maybe=None, text='x')",
    "Note.objects.create(text=post.title, empty=post.title)",
    "Note.objects.create(post=post)",
    "Note.objects.create(post_id=post.pk)",
    "Note.objects.create(author_id=post.author_id)",
    "Note.objects.create(author=post.author)",
    "Note.objects.create(when=post.when)",
    "Note(text=post.title).save()",
    "Must.objects.create(n=post.n, m=2)",
]


@pytest.mark.parametrize("line", FAILING)
def test_a_row_that_may_fail(line):
    loop = outcome(line)
    assert (loop.changed, loop.blocked_by) == (False, "transaction")


@pytest.mark.parametrize("line", FITTING)
def test_a_row_that_cannot_fail(line):
    assert outcome(line).changed


@pytest.mark.parametrize("line", FAILING)
@pytest.mark.parametrize(
    "options", [{"atomic": True, "databases": ("postgresql",)}, {"databases": ("sqlite",)}]
)
def test_where_the_keys_are_the_same(line, options):
    """The rows are rolled back, or SQLite gives the keys again."""
    assert outcome(line, **options).changed


def test_keys_that_the_database_does_not_count():
    assert outcome("Ticket.objects.create(n=post.big)").changed


@pytest.mark.parametrize("lines", [
    ("post.title = post.endless", "Note.objects.create(text=post.title)"),
    ("note = Note(text=post.title)", "note.save()"),
    ("Note.objects.create(n=post.n)", "Note.objects.create(n=post.big)"),
])  # fmt: skip
def test_values_that_are_not_those_of_the_table(lines):
    assert outcome(*lines).blocked_by == "transaction"


def test_rows_that_other_code_has():
    assert not outcome("change(post)", "Note.objects.create(text=post.title)").changed


def test_columns_that_the_query_fills():
    over = "Post.objects.extra(select={'title': 'endless'})"
    assert outcome("Note.objects.create(text=post.title)", over=over).blocked_by == "transaction"
    assert outcome(
        "Note.objects.create(text=post.title)", over="Post.objects.order_by('n')"
    ).changed


def test_what_is_said_of_it():
    assert outcome("Note.objects.create(n=post.big)").reason == (
        "`n` of shop.Note may get what it does not take and stop the loop half-way: it keeps the rows before, "
        "which have greater keys if their batch has failed (atomic is set on line 21)"
    )
