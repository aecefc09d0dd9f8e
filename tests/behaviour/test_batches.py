"""Loops that write in batches, beside the loops that they were: the same rows, errors and output."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from textwrap import indent

import pytest
from django.db import DataError, IntegrityError

from migfix.findings import Applicability
from migfix.settings import Settings
from tests.databases import PARAMETERS
from tests.rewritten import rewritten, run_rewritten
from tests.running import Different, run_both

pytestmark = pytest.mark.behaviour

DATABASES = [p for p in PARAMETERS if p.values != ("sqlite",)]
MODELS = """
migrations.CreateModel("Writer", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40, unique=True)),
    ("posts_seen", models.IntegerField(default=0)),
]),
migrations.CreateModel("Post", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40)),
    ("slug", models.CharField(max_length=40, default="")),
    ("place", models.IntegerField(unique=True)),
    ("price", models.DecimalField(max_digits=9, decimal_places=2, default=0)),
    ("data", models.JSONField(null=True)),
    ("address", models.GenericIPAddressField(null=True)),
    ("changed", models.DateTimeField(auto_now=True)),
    ("writer", models.ForeignKey("shop.Writer", models.CASCADE, null=True, related_name="posts")),
    ("body", models.TextField(default="")),
]),
migrations.CreateModel("Word", [
    ("id", models.BigAutoField(primary_key=True)),
    ("post", models.ForeignKey("shop.Post", models.CASCADE, related_name="words")),
    ("text", models.CharField(max_length=40)),
]),
"""
WHEN = datetime(2020, 1, 1, tzinfo=timezone.utc)


def posts(count):
    """Posts with words, of two writers."""
    return {
        "Writer": [{"id": n, "name": f"writer {n}"} for n in (1, 2)],
        "Post": [
            {
                "id": n,
                "title": f"Title {n % 7}",
                "place": n,
                "price": Decimal(n) / 4,
                "data": {"n": n} if n % 3 else None,
                "address": "2001:db8::1" if n % 2 else None,
                "changed": WHEN,
                "writer_id": n % 2 + 1,
            }
            for n in range(1, count + 1)
        ],
        "Word": [{"post_id": n % count + 1, "text": f"word {n}"} for n in range(count * 2)],
    }


def migration(body: str, rows: str = "Post.objects.order_by('pk')", **around: str) -> str:
    """A function that goes over the rows with this body."""
    loop = f"for post in {rows}:\n{indent(body, '    ')}\n"
    if "around" in around:
        loop = around["around"].format(indent(loop, "    "))
    inner = f"{around.get('before', '')}\n{loop}{around.get('after', '')}\n"
    return (
        "from django.db import IntegrityError, models, transaction\n\n"
        "def forwards(apps, schema_editor):\n"
        '    Post = apps.get_model("shop", "Post")\n'
        '    Writer = apps.get_model("shop", "Writer")\n'
        '    Word = apps.get_model("shop", "Word")\n'
        f"{indent(inner, '    ')}\n{around.get('below', '')}"
    )


BODIES = {
    "a value from Python": 'post.slug = post.title.lower().replace(" ", "-")\npost.save()',
    "all kinds of columns": (
        'post.price = post.price * 2 + 1\npost.data = {"was": post.data}\n'
        'post.address = "2001:0db8:0000::00ff" if post.pk % 2 else None\npost.save()'
    ),
    "a document that changes in place": (
        "if post.data is not None:\n    post.data['seen'] = [post.pk]\npost.save()"
    ),
    "names given to save, and no time": (
        'post.slug = f"{post.pk}"\npost.body = "lost"\npost.save(update_fields=["slug"])'
    ),
    "names given to save, with the time": (
        'post.slug = f"{post.pk}"\npost.save(update_fields=["slug", "changed"])'
    ),
    "saves on some ways": (
        "if post.pk % 3 == 0:\n    continue\n"
        "if post.pk % 3 == 1:\n    post.slug = str(post.pk)\n    post.save()\n"
        "else:\n    post.body = post.title[::-1]\n    post.save()"
    ),
    "the value at the save": 'post.slug = f"a{post.pk}"\npost.save()\npost.slug = "later"',
    "two saves": 'post.slug = f"a{post.pk}"\npost.save()\npost.slug += "b"\npost.save()',
    "a unique column that moves up": "post.place = post.place - 1\npost.save()",
    "queries of other tables": (
        'words = Word.objects.filter(post=post).order_by("pk")\n'
        'post.slug = "-".join(word.text[-2:] for word in words)[:40]\n'
        "post.body = str(Writer.objects.count())\npost.save()"
    ),
    "rows that are made": (
        "post.writer, _ = Writer.objects.get_or_create(name=post.title)\npost.save()\n"
        "Word.objects.create(post=post, text=post.title)"
    ),
    "a row that is made in two steps": (
        'writer = Writer(name=f"for {post.pk}")\npost.writer = writer\nwriter.save()\npost.save()'
    ),
    "another row that is counted up": (
        "post.writer.posts_seen += 1\npost.writer.save()\n"
        "post.slug = str(Writer.objects.get(pk=post.writer_id).posts_seen)\npost.save()"
    ),
    "a value that the database computes": (
        'post.place = models.F("place") + 10000\npost.slug = str(post.pk)\npost.save()'
    ),
    "break": "post.slug = str(post.pk)\npost.save()\nif post.pk == 4:\n    break",
    "return": "post.slug = str(post.pk)\npost.save()\nif post.pk == 4:\n    return",
    "slugs made distinct in Python": (
        'slug = post.title\nwhile slug in known:\n    slug += "-"\nknown.add(slug)\n'
        "post.slug = slug\npost.save()"
    ),
    "output": 'post.slug = f"{post.pk}"\npost.save()\nprint(post.pk, post.slug)',
}
BEFORE = 'known = set(Post.objects.values_list("slug", flat=True))'
AFTER = 'print(Post.objects.exclude(slug="").count(), sorted(Post.objects.values_list("slug"))[:9])'


FUNCTIONS = """
def writer_of(Writer, name):
    try:
        writer = Writer.objects.get(name=name)
    except Writer.DoesNotExist:
        return Writer.objects.create(name=name)
    seen = writer.posts_seen + 1
    Writer.objects.filter(pk=writer.pk).update(posts_seen=seen)
    return writer


def texts_of(Word, post):
    return [word.text for word in Word.objects.filter(post=post).order_by("-pk")[:2]]
"""


@pytest.mark.parametrize("database", DATABASES)
def test_functions_with_queries_of_other_tables(database):
    body = (
        "post.writer = writer_of(Writer, post.title)\n"
        'post.slug = "-".join(texts_of(Word, post))[-40:]\npost.save()'
    )
    before = migration(body, below=FUNCTIONS, after=AFTER)
    outcome, _ = run_rewritten(MODELS, before, posts(30), SAFE, database=database)
    assert "MF301" in outcome.loops[-1].codes, outcome.loops


SAVING = """
def fix(post, end=""):
    if post.pk % 4 == 3:
        return
    post.slug = f"{post.title.lower()}{end}"
    post.data = {"was": post.data}
    post.save()
"""


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    "body",
    [
        "fix(post)",
        "if post.pk % 3:\n    fix(post, end=post.pk)\nfix(post)",
        "fix(post)\npost.slug += 'x'\npost.save()",
        "post.place = -post.place\nfix(post)",
    ],
)
def test_rows_that_are_saved_by_a_function(body, database):
    outcome, both = run_rewritten(
        MODELS, migration(body, below=SAVING, after=AFTER), posts(80), SAFE, database=database
    )
    assert "MF301" in outcome.loops[-1].codes, outcome.loops
    assert "batch.saving(post" in outcome.edits[-1].after.decode()
    assert both.after.queries < both.before.queries


@pytest.mark.parametrize("database", DATABASES)
def test_a_row_that_is_saved_after_the_loop_as_well(database):
    """By a plain save(), which writes all of it."""
    after = "post.body = 'the last one'\npost.save()"
    outcome, _ = run_rewritten(
        MODELS,
        migration("fix(post)", below=SAVING, after=after),
        posts(80),
        SAFE,
        database=database,
    )
    assert "batch.saving(post" in outcome.edits[-1].after.decode()


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("name", BODIES)
def test_a_loop_and_its_batches(name, database):
    before = migration(BODIES[name], before=BEFORE, after=AFTER)
    if "models.F" in BODIES[name]:
        before = before.replace("models.F", "F").replace(
            "import", "import F\nfrom django.db import", 1
        )
        before = before.replace("from django.db import F", "from django.db.models import F")
    outcome, _ = run_rewritten(MODELS, before, posts(30), SAFE, database=database)
    assert "MF301" in outcome.loops[-1].codes, outcome.loops


SAFE = Settings(select=frozenset({"MF201", "MF202", "MF203", "MF301"}))
ALONE = Settings(select=frozenset({"MF301"}))


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    "settings", [SAFE, ALONE, Settings(SAFE.select, batch_size=7)], ids=["all", "alone", "by 7"]
)
def test_more_rows_than_a_batch(settings, database):
    body = (
        'if post.pk % 5:\n    post.slug = f"{post.pk:x}"\n    post.save()\n'
        "if post.pk % 1000 == 0:\n    Word.objects.create(post=post, text=post.slug)"
    )
    outcome, both = run_rewritten(
        MODELS, migration(body, after=AFTER), posts(2_300), settings, database=database
    )
    assert "MF301" in outcome.loops[0].codes
    assert both.after.queries < both.before.queries


JOINED = "Post.objects.filter(words__text__startswith='word').order_by('pk', 'words__pk')"


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    "body",
    [
        "turns += 1\npost.slug = str(turns)\npost.save()",
        "turns += 1\nif turns % 3:\n    post.slug = str(turns)\nelse:\n    post.body = str(turns)\npost.save()",
        "turns += 1\nif turns % 2:\n    post.slug = str(turns)\n    post.save()",
    ],
)
def test_rows_that_come_twice(body, database):
    before = migration(body, JOINED, before="turns = 0", after=AFTER)
    outcome, _ = run_rewritten(MODELS, before, posts(30), SAFE, database=database)
    assert "MF301" in outcome.loops[0].codes


ENDS = {
    "an error of Python": ("if post.pk == 20:\n    raise ValueError", ValueError),
    "a value that cannot be saved": ('if post.pk == 20:\n    post.price = "x"', Exception),
    "a value that is not unique": ("post.place = 1", IntegrityError),
    "an error of another query": (
        'Writer.objects.create(name=f"writer {22 - post.pk}")',
        IntegrityError,
    ),
}


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("name", ENDS)
def test_a_loop_that_fails_half_way(name, database, atomic):
    line, error = ENDS[name]
    body = f'post.slug = f"{{post.pk}}"\n{line}\npost.save()'
    before = migration(body) + (
        "\n\nclass Migration(migrations.Migration):\n"
        f"    atomic = {atomic}\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        f"    operations = [migrations.RunPython(forwards, atomic={atomic})]\n"
    )
    before = before.replace("import IntegrityError", "import migrations, IntegrityError")
    # Outside of a transaction the other query would stay where a row that waits could fail.
    unsafe = not atomic and "Writer" in line
    settings = Settings(ALONE.select, unsafe_fixes=unsafe)
    outcome, _ = run_rewritten(MODELS, before, posts(30), settings, database=database, expect=error)
    assert outcome.loops[0].codes == ("MF301",)
    assert (outcome.loops[0].applicability is Applicability.UNSAFE) is unsafe


WRONG = {
    "slugs that the table knows": (
        "while Post.objects.filter(slug=post.slug or post.title).exists():\n"
        '    post.slug = (post.slug or post.title) + "-"\npost.slug = post.slug or post.title'
    ),
    "a count": 'post.slug = str(Post.objects.exclude(slug="").count())',
    "a joined table": 'post.slug = str(Word.objects.exclude(post__slug="").count())',
    "a queryset that is made before": "post.slug = str(len(filled.all()))",
    "a manager of another row": 'post.slug = str(post.writer.posts.exclude(slug="").count())',
}


@pytest.mark.parametrize("name", WRONG)
def test_bodies_that_would_see_rows_missing_are_left_alone(name):
    before = migration(
        f"{WRONG[name]}\npost.save()", before='filled = Post.objects.exclude(slug="")'
    )
    after, outcome = rewritten(MODELS, before, Settings(ALONE.select, unsafe_fixes=True))
    assert not outcome.changed
    assert after == rewritten(MODELS, before, ALONE)[0]
    check_naive_differs(before, posts(30))


@pytest.mark.parametrize(
    ("before", "row"),
    [
        ('one = Post.objects.only("title").get(pk=1)', "one"),
        ('rows = {p.pk: p for p in Post.objects.defer("slug")}', "rows[post.pk - 1]"),
    ],
)
def test_columns_that_other_rows_load_late_leave_the_loop_alone(before, row):
    body = f'post.slug = ({row}.slug if post.pk > 3 else "") + str(post.pk)\npost.save()'
    source = migration(body, before=before)
    assert not rewritten(MODELS, source, ALONE)[1].changed
    check_naive_differs(source, posts(12))


@pytest.mark.parametrize("line", ["post.place += 100", "post.place += 100 * len(post.title)"])
def test_rows_that_come_twice_and_load_a_column_late(line):
    rows = 'Post.objects.filter(words__text__startswith="word").only("title")'
    source = migration(f'{line}\npost.save(update_fields=["place"])', rows)
    for code in ("MF101", "MF301"):
        found = rewritten(MODELS, source, Settings(select=frozenset({code})))[1].loops[0]
        assert not found.changed
    with pytest.raises(Different):
        run_both(MODELS, source, source.replace('.only("title")', ""), posts(12))


def check_naive_differs(before: str, rows) -> None:
    """The batch that migfix refuses to write would leave other rows."""
    head, _, loop = before.partition("    for post in")
    naive = (
        f'from ._migfix import update_in_batches\n{head}    with update_in_batches("slug") as batch:\n'
        + indent("    for post in" + loop.replace("post.save()", "batch.save(post)"), "    ")
    )
    with pytest.raises(Different):
        run_both(MODELS, before, naive, rows)


def test_a_copy_of_each_row_is_left_alone():
    body = "post.pk = None\npost.place += 100\npost.save()"
    before = migration(body)
    assert not rewritten(MODELS, before, ALONE)[1].changed
    naive = before.replace("post.save()", 'post.save(update_fields=["place"])')
    with pytest.raises(Different):
        run_both(MODELS, before, naive, posts(5))


CAUGHT = """\
try:
{}
except {}:
    pass
"""


@pytest.mark.parametrize("error", ["IntegrityError", "Exception"])
def test_errors_that_are_caught_leave_the_loop_alone(error):
    body = 'post.slug = f"{post.pk}"\nif post.pk == 20:\n    post.place = 1\npost.save()'
    around = CAUGHT.replace("{}", "{0}", 1).replace("except {}", f"except {error}")
    before = migration(body, around=around)
    assert rewritten(MODELS, before, ALONE)[1].loops[0].blocked_by == "transaction"


LOOKING_BACK = """
import contextlib


class Report:
    def __init__(self, done):
        self.done = done

    def close(self):
        print(len(self.done))


def watched(done):
    try:
        yield
    finally:
        print(len(done))


def forwards(apps, schema_editor):
    done = []
    report = Report(done)
    {around}
        for post in apps.get_model("shop", "Post").objects.order_by("pk"):
            done.append(post.pk)
            post.slug = None if post.pk == 7 else str(post.pk)
            post.save()
    {after}
"""


@pytest.mark.parametrize(
    ("around", "after"),
    [
        ("with contextlib.closing(Report(done)):", ""),
        ("with contextlib.closing(report):", ""),
        ("for _ in watched(done):", ""),
        ("try:", "finally:\n        report.close()"),
    ],
)
def test_what_is_closed_by_an_error_may_see_how_far_the_loop_came(around, after):
    before = LOOKING_BACK.format(around=around, after=after)
    assert rewritten(MODELS, before, ALONE)[1].loops[0].blocked_by == "transaction"
    naive = before.replace(
        "        for post in",
        "     with update_in_batches('slug') as batch:\n          for post in",
    )
    naive = naive.replace("post.save()", "batch.save(post)").replace(
        "import contextlib", "import contextlib\nfrom ._migfix import update_in_batches"
    )
    with pytest.raises(Different):
        run_both(MODELS, before, naive, posts(12), expect=IntegrityError)


@pytest.mark.parametrize("database", DATABASES)
def test_a_stream_and_a_transaction_around(database):
    body = 'post.slug = f"{post.pk}"\npost.save()'
    around = "with transaction.atomic():\n{0}    print(Post.objects.exclude(slug='').count())\n"
    before = migration(body, "Post.objects.order_by('pk').iterator()", around=around)
    outcome, _ = run_rewritten(MODELS, before, posts(1_100), ALONE, database=database)
    assert outcome.loops[0].codes == ("MF301",)


FILES = """
migrations.CreateModel("Scan", [
    ("id", models.BigAutoField(primary_key=True)),
    ("file", models.FileField(blank=True, default="")),
    ("pages", models.IntegerField(default=0)),
]),
"""


@pytest.mark.parametrize("database", DATABASES)
def test_a_file_that_changes_in_place(database):
    before = """
def forwards(apps, schema_editor):
    for scan in apps.get_model("shop", "Scan").objects.order_by("pk"):
        scan.file.name += ".pdf"
        scan.pages = scan.pk * 2
        scan.save()
"""
    scans = {"Scan": [{"file": name} for name in ("", "a", "b/c", "a")]}
    outcome, _ = run_rewritten(FILES, before, scans, SAFE, database=database)
    assert "MF301" in outcome.loops[0].codes


# --- lists for one bulk_update() after the loop -----------------------------------------------------

EVERY = ["slug", "price", "address", "changed", "writer", "body"]
LISTS = {
    "a value from Python": 'post.slug = post.title.lower().replace(" ", "-")\nrows.append(post)',
    "NULLs, ties and characters": (
        "post.address = None if post.pk % 2 else '2001:0db8:0000::00ff'\n"
        "post.writer = None if post.pk % 3 else post.writer\n"
        "post.body = ['', ' ', 'naïve 中文  ', \"100% %s \\\\ ' \\\"\", post.title][post.pk % 5]\nrows.append(post)"
    ),
    "values that are rounded or converted": (
        "post.price = [post.price / 3, 2.675, '1.005', 7][post.pk % 4]\npost.slug = post.pk\n"
        "post.body = post.price\nrows.append(post)"
    ),
    "a time that is set by hand": (
        "post.changed = post.changed.replace(microsecond=post.pk)\nrows.append(post)"
    ),
    "some rows, by some ways": (
        "if post.pk % 3 == 0:\n    continue\n"
        "if post.pk % 3 == 1:\n    post.slug = str(post.pk)\n    rows.append(post)\n"
        "else:\n    post.body = post.title[::-1]\n    rows.append(post)"
    ),
    "what is set later in rows that are not collected": (
        "if post.pk % 2:\n    post.slug = 'a'\n    rows.append(post)\n    continue\npost.slug = 'b'"
    ),
    "twice": 'post.slug = f"a{post.pk}"\nrows.append(post)\nrows.append(post)',
    "queries of other tables": (
        'words = Word.objects.filter(post=post).order_by("pk")\n'
        'post.slug = "-".join(word.text[-2:] for word in words)[:40]\n'
        "post.body = str(Writer.objects.count())\nrows.append(post)"
    ),
    "rows that are made": (
        "post.writer, _ = Writer.objects.get_or_create(name=post.title)\nrows.append(post)\n"
        "Word.objects.create(post=post, text=post.title)"
    ),
    "an expression": (
        "post.price = F('pk') / 4 if post.pk % 3 else 7\n"
        "post.slug = F('title') if post.pk % 4 else post.title\nrows.append(post)"
    ),
    "a value that changes in place": (
        "known.add(post.pk)\npost.body = known if post.pk % 3 else 'x'\nrows.append(post)"
    ),
    "break": "post.slug = str(post.pk)\nrows.append(post)\nif post.pk == 4:\n    break",
    "slugs made distinct in Python": (
        'slug = post.title\nwhile slug in known:\n    slug += "-"\nknown.add(slug)\n'
        "post.slug = slug\nrows.append(post)"
    ),
    "a column that is not written": 'post.place = 0\npost.slug = "x"\nrows.append(post)',
}


def collecting(
    body: str, fields: list[str] = EVERY, rows: str = "Post.objects.order_by('pk')"
) -> str:
    """A function whose loop fills a list for a bulk_update()."""
    call = f"Post.objects.bulk_update(rows, {fields!r}, batch_size=4)\n"
    made = migration(body, rows, before=f"{BEFORE}\nrows = []", after=call + AFTER)
    return f"from django.db.models import F\n{made}"


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    "settings", [SAFE, ALONE, Settings(SAFE.select, batch_size=7)], ids=["all", "alone", "by 7"]
)
@pytest.mark.parametrize("name", LISTS)
def test_a_list_and_its_batches(name, settings, database):
    outcome, _ = run_rewritten(
        MODELS, collecting(LISTS[name]), posts(30), settings, database=database
    )
    assert "MF301" in outcome.loops[-1].codes, outcome.loops


@pytest.mark.parametrize("database", DATABASES)
def test_a_text_that_bulk_update_cuts_off(database):
    """PostgreSQL cuts off what it is given with a type, SQLite knows no limit, MariaDB refuses."""
    body = "post.slug = post.title * 10\nrows.append(post)"
    expect = DataError if database == "mariadb" else "changes"
    run_rewritten(
        MODELS, collecting(body, ["slug"]), posts(9), SAFE, database=database, expect=expect
    )


@pytest.mark.parametrize("database", DATABASES)
def test_a_list_of_more_rows_than_a_batch(database):
    body = 'if post.pk % 5:\n    post.slug = f"{post.pk:x}"\n    rows.append(post)'
    outcome, _ = run_rewritten(
        MODELS, collecting(body, ["slug"]), posts(2_300), SAFE, database=database
    )
    assert {"MF301"} < {*outcome.loops[0].codes}, outcome.loops


@pytest.mark.parametrize("database", DATABASES)
def test_a_list_of_no_rows(database):
    no_rows = {"Writer": [], "Post": [], "Word": []}
    body = LISTS["a value from Python"]
    run_rewritten(MODELS, collecting(body), no_rows, SAFE, database=database, expect="no changes")


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    "line", ["raise ValueError", 'post.price = "x"', 'Writer.objects.create(name="writer 1")']
)
def test_a_list_whose_loop_fails_half_way(line, database):
    body = f'post.slug = f"{{post.pk}}"\nif post.pk == 20:\n    {line}\nrows.append(post)'
    before = collecting(body, ["slug", "price"]) + (
        "\n\nclass Migration(migrations.Migration):\n"
        '    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )
    before = before.replace("import IntegrityError", "import migrations, IntegrityError")
    small = Settings(ALONE.select, batch_size=7)
    run_rewritten(MODELS, before, posts(30), small, database=database, expect=Exception)


WHOLE = {
    "a value from Python": 'post.slug = post.title.lower().replace(" ", "-")',
    "NULLs, ties and characters": LISTS["NULLs, ties and characters"].replace("rows.append(post)", "pass"),
    "rounded values": LISTS["values that are rounded or converted"].replace("rows.append(post)", "pass"),
    "some rows": "if post.pk % 3 == 0:\n    continue\nif post.pk % 3 == 1:\n    post.slug = str(post.pk)",
    "break": "if post.pk == 9:\n    break\npost.slug = str(post.pk)",
    "queries of other tables": LISTS["queries of other tables"].replace("rows.append(post)", "pass"),
    "what changes in place": LISTS["a value that changes in place"].replace("rows.append(post)", "pass"),
    "a column that is not written": 'post.place = 0\npost.slug = "x"',
}  # fmt: skip


def updating(body: str, fields: list[str], rows: str = "Post.objects.order_by('pk')") -> str:
    """A function whose loop changes the rows of a queryset for a bulk_update()."""
    call = f"Post.objects.bulk_update(posts, {fields!r}, batch_size=4)\n"
    before = f"{BEFORE}\nposts = {rows}"
    return migration(body, "posts", before=before, after=call + AFTER)


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    "settings", [SAFE, Settings(SAFE.select, batch_size=7)], ids=["all", "by 7"]
)
@pytest.mark.parametrize("name", WHOLE)
def test_a_queryset_and_its_batches(name, settings, database):
    body = WHOLE[name]
    leaves = "continue" in body or "break" in body
    fields = ["slug", "changed", "writer", "body"] if leaves else EVERY
    before = updating(body, fields)
    if leaves:
        before = before.replace("'changed', ", "")
    outcome, _ = run_rewritten(MODELS, before, posts(30), settings, database=database)
    assert "MF301" in outcome.loops[-1].codes, outcome.loops


@pytest.mark.parametrize("database", DATABASES)
def test_a_list_of_the_queryset_and_its_batches(database):
    before = updating(WHOLE["queries of other tables"], EVERY, "list(Post.objects.order_by('pk'))")
    outcome, _ = run_rewritten(MODELS, before, posts(30), SAFE, database=database)
    assert {"MF301"} < {*outcome.loops[-1].codes}, outcome.loops


@pytest.mark.parametrize("database", DATABASES)
def test_a_queryset_of_more_rows_than_a_batch(database):
    body = 'if post.pk % 5:\n    post.slug = f"{post.pk:x}"'
    outcome, _ = run_rewritten(
        MODELS, updating(body, ["slug"]), posts(2_300), SAFE, database=database
    )
    assert {"MF301"} < {*outcome.loops[0].codes}, outcome.loops


WHOLE_WRONG = {
    "set and left": "post.slug = 'a'\nif post.pk % 2:\n    continue\nposts.count()",
    "the row of the turn before": "if turns:\n    turns[-1].slug += '!'\npost.slug = 'a'\nturns.append(post)",
}


@pytest.mark.parametrize("name", WHOLE_WRONG)
def test_querysets_that_batches_would_not_stand_for_are_left_alone(name):
    before = updating(WHOLE_WRONG[name], ["slug"]).replace(
        "posts = Post", "turns = []\n    posts = Post"
    )
    after, outcome = rewritten(MODELS, before, Settings(ALONE.select, unsafe_fixes=True))
    assert not outcome.changed, after
    naive = before.replace(
        "for post in posts:\n", "for post in posts:\n        post.refresh_from_db()\n", 1
    )
    head, _, rest = naive.partition("    for post in posts:\n        post.refresh_from_db()\n")
    loop, _, end = rest.partition("    Post.objects.bulk_update")
    naive = (
        f'from ._migfix import update_in_batches\n{head}    with update_in_batches("slug", batch_size=1) as batch:\n'
        + indent(f"    for post in posts:\n{loop}        batch.update(post)\n", "    ")
        + end.partition("\n")[2]
    )
    with pytest.raises(Different):
        run_both(MODELS, before, naive, posts(30), expect="anything")


WRONG_LISTS = {
    "a column that is set afterwards": ("post.slug = 'a'\nrows.append(post)\npost.slug = 'b'", "slug"),
    "the row of the turn before": (
        "if rows:\n    last.slug += '!'\npost.slug = 'a'\nrows.append(post)\nlast = post",
        "slug",
    ),
    "a count": (
        "post.slug = str(Post.objects.exclude(slug='').count())\nrows.append(post)", "slug",
    ),
    "a row that comes twice": ("turns.append(1)\npost.slug = str(len(turns))\nrows.append(post)", "slug"),
    "SQL of the project": (
        "post.slug = post.title if post.pk > 9 else "
        "models.functions.Lower('slug', template='(SELECT MAX(slug) FROM shop_post)')\nrows.append(post)",
        "slug",
    ),
    "return": ("post.slug = 'a'\nrows.append(post)\nif post.pk == 5:\n    return", "slug"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_LISTS)
def test_lists_that_batches_would_not_stand_for_are_left_alone(name):
    body, field = WRONG_LISTS[name]
    rows = JOINED if "twice" in name else "Post.objects.order_by('pk')"
    before = collecting(body, [field], rows).replace(
        "rows = []", "rows = []\n    seen, turns = [], []"
    )
    after, outcome = rewritten(MODELS, before, Settings(ALONE.select, unsafe_fixes=True))
    assert not outcome.changed, after
    head, _, loop = before.partition("    for post in")
    loop, _, end = loop.partition("    Post.objects.bulk_update")
    naive = (
        f'from ._migfix import update_in_batches\n{head}    with update_in_batches("{field}", batch_size=1) as batch:\n'
        + indent(
            f"    for post in{loop}".replace(
                "rows.append(post)", "rows.append(post); batch.update(post)"
            ),
            "    ",
        )
        + end.partition("\n")[2]
    )
    with pytest.raises(Different):
        run_both(MODELS, before, naive, posts(30), expect="anything")


def test_a_body_that_looks_at_what_ran_is_left_alone():
    loop = "for post in Post.objects.order_by('pk'):\n        post.slug = str(len(connection.queries))\n        {}\n"
    around = (
        "from django.db import connection\nfrom ._migfix import update_in_batches\n\n\n"
        "def forwards(apps, schema_editor):\n"
        '    Post = apps.get_model("shop", "Post")\n    connection.force_debug_cursor = True\n    {}'
    )
    before = around.format(loop.format("post.save()"))
    naive = around.format(
        'with update_in_batches("slug") as batch:\n     ' + loop.format("batch.update(post)")
    )
    _, outcome = rewritten(MODELS, before)
    assert outcome.loops[0].codes == ("MF203",), outcome.loops[0]
    with pytest.raises(Different):
        run_both(MODELS, before, naive, posts(5))
