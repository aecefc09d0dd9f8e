"""Loops that create rows, one by one and in batches: equal tables, keys included, on every database."""

from __future__ import annotations

import django
import pytest
from django.db import IntegrityError

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import Case, Different, run, run_both

pytestmark = pytest.mark.behaviour

MODELS = """
import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
migrations.CreateModel("Person", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
]),
migrations.CreateModel("Post", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40)),
    ("slug", models.CharField(max_length=40, default="")),
    ("n", models.IntegerField(null=True)),
    ("author", models.ForeignKey("shop.Person", models.CASCADE, null=True)),
]),
migrations.CreateModel("Note", [
    ("id", models.BigAutoField(primary_key=True)),
    ("text", models.CharField(max_length=60, default="none")),
    ("n", models.IntegerField(null=True, unique=True)),
    ("made", models.DateTimeField(auto_now_add=True)),
    ("changed", models.DateTimeField(auto_now=True)),
    ("data", models.JSONField(default=dict)),
    ("price", models.DecimalField(max_digits=8, decimal_places=2, null=True)),
    ("blob", models.BinaryField(null=True)),
    ("file", models.FileField(null=True)),
    ("flag", models.BooleanField(default=False)),
    ("post", models.ForeignKey("shop.Post", models.CASCADE, null=True)),
]),
migrations.CreateModel("Ticket", [
    ("id", models.UUIDField(primary_key=True, default=uuid.uuid4)),
    ("note", models.CharField(max_length=40)),
]),
migrations.CreateModel("Doc", [
    ("id", models.BigAutoField(primary_key=True)),
    ("code", models.CharField(max_length=9, unique=True, null=True)),
    ("data", models.JSONField(null=True)),
    ("blob", models.BinaryField(null=True)),
]),
migrations.CreateModel("Mark", [
    ("code", models.CharField(max_length=9, primary_key=True)),
    ("note", models.CharField(max_length=40)),
]),
    ]
"""
if django.VERSION >= (
    6,
    0,
):  # save() looks at the clock twice there, and that of the tests moves each time
    MODELS = MODELS.replace("auto_now_add=True", "null=True").replace("auto_now=True", "null=True")


def posts(count):
    return {
        "Person": [{"id": n, "name": f"p{n}"} for n in range(1, 4)],
        "Post": [
            {"id": n, "title": f"Title {n}", "n": n % 7, "author_id": n % 3 + 1}
            for n in range(1, count + 1)
        ],
        "Note": [{"id": n, "text": "before"} for n in range(1, 4)],
    }


def forwards(*lines, over="Post.objects.all()"):
    names = ("Person", "Post", "Note", "Ticket", "Mark", "Doc")
    models = [f'    {name} = apps.get_model("shop", "{name}")' for name in names]
    body = [f"        {line}" for line in lines]
    return "\n".join(
        ["def forwards(apps, schema_editor):", *models, f"    for post in {over}:", *body]
    )


BODIES = {
    "create": ["Note.objects.create(text=post.title, post=post, data={'n': post.n})"],
    "save": ["Note(text=post.title.upper(), n=post.pk * 2, post_id=post.pk).save()"],
    "a name": [
        "note = Note(text=post.title)",
        "note.flag = post.n == 3",
        "if post.n != 5:",
        "    note.save()",
    ],
    "keys now and then": [
        "if post.pk % 5:",
        "    Note.objects.create(text=post.title)",
        "else:",
        "    Note.objects.create(text='keyed', id=post.pk + 100_000)",
    ],
    "keys of a default": ["Ticket.objects.create(note=post.title)"],
    "keys that are there": ["Mark(code=str(post.n), note=post.title).save()"],
    "several": [
        "Note.objects.create(text=post.title)",
        "Ticket(note=post.title).save()",
        "if post.n:",
        "    Note(text='second', flag=True).save()",
    ],
    "every kind of value": [
        "Note.objects.create(text='', price='1.50', blob=b'x\\0y', file='a.txt', n=None,",
        "                    data=[post.title, None, {}], made=None, post=None)",
    ],
    "moments": ["Note.objects.create(text=str(timezone.now()))"],
    "values that change afterwards": [
        "data = {'n': 1}",
        "Note.objects.create(data=data)",
        "data['n'] = 2",
    ],
    "with saves": [
        "post.slug = post.title.lower()",
        "post.save()",
        "Note.objects.create(text=post.slug, post=post)",
    ],
    "rows of the same table": ["Post.objects.create(title='copy of ' + post.title, author=post.author)"],
    "break": ["Note.objects.create(text=post.title)", "if post.pk == 30: break"],
    "return": ["Note.objects.create(text=post.title)", "if post.pk == 30: return"],
    "nested": ["for n in range(post.n):", "    Note.objects.create(text=f'{post.pk} {n}')"],
    "one of two": [
        "note = Note.objects.create(text=post.title)",
        "Ticket.objects.create(note=str(note.pk))",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_batches_leave_what_single_rows_leave(name, database):
    code = "from django.utils import timezone\n\n" + forwards(*BODIES[name])
    outcome, both = run_rewritten(MODELS, code, posts(40), database=database)
    assert "MF302" in outcome.loops[0].codes
    assert both.after.queries <= both.before.queries


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_more_rows_than_a_batch_takes(database):
    outcome, both = run_rewritten(
        MODELS, forwards(*BODIES["keys now and then"]), posts(2300), database=database
    )
    assert "MF302" in outcome.loops[0].codes
    assert both.after.queries < both.before.queries / 2


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_conflict_half_way(database):
    """The migration fails either way, and is rolled back."""
    code = forwards("Note.objects.create(n=post.pk % 30)")
    run_rewritten(MODELS, code, posts(40), database=database, expect=IntegrityError)


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_an_error_half_way_keeps_what_was_created(database):
    """Outside of a transaction, where the rows before it stay."""
    code = (
        "from django.db import migrations\n\n\n"
        + forwards("Note.objects.create(text=post.title)", "1 / (30 - post.pk)")
        + "\n\n\nclass Migration(migrations.Migration):\n    atomic = False\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )
    _, both = run_rewritten(MODELS, code, posts(40), database=database, expect=ZeroDivisionError)
    assert len(both.after.tables["shop_note"]) == 33


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_keys_that_a_batch_has_used_up(database):
    """A new row fails outside of a transaction, where the rows before it stay: with greater keys on most databases."""
    original = (
        "from django.db import migrations\n\n\n"
        + forwards("Note.objects.create(text=post.n)")
        + "\n\n\nclass Migration(migrations.Migration):\n    atomic = False\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )
    rows = {"Post": [{"n": n} for n in (1, 2, 3, None, 5)], "Note": []}
    if database == "sqlite-memory":
        chosen = Settings(select=frozenset({"MF302"}), databases=frozenset({"sqlite"}))
        run_rewritten(MODELS, original, rows, chosen, database=database, expect=IntegrityError)
        return
    _, outcome = rewritten(MODELS, original, Settings(select=frozenset({"MF302"})))
    assert not outcome.changed
    naive = original.replace(
        "    for post in", "    with create_in_batches(Note.objects) as notes:\n     for post in"
    ).replace("Note.objects.create(", "notes.create(")
    naive = "from ._migfix import create_in_batches\n" + naive
    with pytest.raises(Different):
        run_both(MODELS, original, naive, rows, database=database, expect=IntegrityError)


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_the_order_of_rows(database):
    """Without an ORDER BY rows come in the order in which they were inserted."""
    code = forwards(
        "Note.objects.create(text=post.title, post=post)", over='Post.objects.order_by("-n")'
    )
    code += (
        "\n    for note in Note.objects.filter(n=None):\n"
        "        Ticket.objects.create(note=note.text)\n"
        '    print([note.text for note in Note.objects.order_by("pk")])\n'
        "    print([note.text for note in Note.objects.all()])"
    )
    run_rewritten(MODELS, code, posts(40), database=database)


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_list_for_bulk_create(database):
    code = forwards("if post.n:", "    tickets.append(Ticket(note=post.title))")
    code = code.replace("    for post", "    tickets = []\n    for post")
    code += "\n    Ticket.objects.bulk_create(tickets)"
    outcome, _ = run_rewritten(MODELS, code, posts(40), database=database)
    assert "MF302" in outcome.loops[0].codes


def collected(row: str, end: str) -> str:
    """A list of a row for each post, of several thousands, for one ``bulk_create()``."""
    code = forwards(f"docs.append(Doc({row}))").replace(
        "    for post", "    docs = []\n    for post"
    )
    return code + f"\n    Doc.objects.bulk_create({end})"


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_list_of_documents(database):
    row = "data=[post.title, {'n': post.n}, None] if post.n else None, blob=post.title.encode()"
    outcome, _ = run_rewritten(MODELS, collected(row, "docs"), posts(2300), database=database)
    assert "MF302" in outcome.loops[0].codes


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_list_whose_conflicts_are_ignored(database):
    """The first of those that are alike stays; MariaDB takes the keys of a whole INSERT at once."""
    settings = Settings(
        select=frozenset({"MF302"}), databases=frozenset({database.partition("-")[0]})
    )
    code = collected("code=str(post.pk * 7 % 1500)", "docs, 700, ignore_conflicts=True")
    code = code.replace("docs, 700", "docs, batch_size=700")
    rows = {**posts(2300), "Doc": [{"id": n, "code": str(n)} for n in range(1, 90)]}
    _, outcome = rewritten(MODELS, code, settings)
    assert outcome.changed == (database != "mariadb")
    if outcome.changed:
        run_rewritten(MODELS, code, rows, settings, database=database)
        return
    naive = code.replace("    docs = []\n", "").replace(
        "    for post",
        "    with create_in_batches(Doc.objects, ignore_conflicts=True) as docs:\n     for post",
    )
    naive = "from ._migfix import create_in_batches\n" + naive[: naive.rindex("\n")]
    with pytest.raises(Different):
        run_both(MODELS, code, naive, rows, database=database)


# What would differ: each of these is refused, and a rewrite by hand shows why


WRONG = {
    "a query of the table": (
        ["if not Note.objects.filter(text=str(post.n)).exists():",
         "    Note.objects.create(text=str(post.n))"],
        ["if not Note.objects.filter(text=str(post.n)).exists():",
         "    notes.create(text=str(post.n))"],
        "Note.objects",
    ),
    "a row that is updated": (
        ["Note.objects.create(text=post.title)", "Note.objects.filter(flag=False).update(flag=True)"],
        ["notes.create(text=post.title)", "Note.objects.filter(flag=False).update(flag=True)"],
        "Note.objects",
    ),
    "a row of another call": (
        ["Note.objects.create(text=post.title)", "Note.objects.get_or_create(text='x')"],
        ["notes.create(text=post.title)", "Note.objects.get_or_create(text='x')"],
        "Note.objects",
    ),
    "a cascade": (
        ["if post.pk == 1: Note.objects.create(post=post)",
         "if post.pk == 2: Post.objects.filter(pk=1).delete()"],
        ["if post.pk == 1: notes.create(post=post)",
         "if post.pk == 2: Post.objects.filter(pk=1).delete()"],
        "Note.objects",
    ),
    "an error that is caught": (
        ["try:", "    with transaction.atomic():", "        Note.objects.create(n=post.n)",
         "except IntegrityError:", "    pass"],
        ["try:", "    with transaction.atomic():", "        notes.create(n=post.n)",
         "except IntegrityError:", "    pass"],
        "Note.objects",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_what_is_refused_would_differ(name, database):
    before, after, manager = WRONG[name]
    imports = "from django.db import IntegrityError, transaction\n"
    original = imports + forwards(*before)
    _, outcome = rewritten(MODELS, original, Settings(select=frozenset({"MF302"})))
    assert not outcome.changed
    naive = imports + "from ._migfix import create_in_batches\n" + forwards(*after)
    naive = naive.replace(
        "    for post in", f"    with create_in_batches({manager}) as notes:\n     for post in"
    )
    rows = {**posts(20), "Note": []}
    with pytest.raises(Different):
        run_both(MODELS, original, naive, rows, database=database, expect="anything")


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_keys_differ_with_one_bulk_create(database):
    """Why the helper does not collect rows with a key and without for one ``bulk_create()``."""
    case = Case(MODELS, posts(20), database)
    lines = BODIES["keys now and then"]
    first = run(case, forwards(*lines))
    collected = [line.replace("Note.objects.create(", "notes.append(Note(").replace("title)", "title))")
                 .replace("100_000)", "100_000))") for line in lines]  # fmt: skip
    code = forwards(*collected).replace("    for post", "    notes = []\n    for post")
    second = run(case, code + "\n    Note.objects.bulk_create(notes)")
    assert second.error is None
    if database not in {"postgresql"}:  # whose sequence knows nothing of keys that are given
        assert first.tables["shop_note"] != second.tables["shop_note"]
