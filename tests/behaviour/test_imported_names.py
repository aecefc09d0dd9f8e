"""Loops that use what a project defines elsewhere, and their rewrites: equal tables on every database."""

from __future__ import annotations

import sys

import pytest

from migfix.pipeline import run_source
from tests.databases import ONE_SQLITE
from tests.rewritten import ALL
from tests.running import run_both, write_project

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Person", [
    ("id", models.AutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
]),
migrations.CreateModel("Post", [
    ("id", models.AutoField(primary_key=True)),
    ("title", models.CharField(max_length=40)),
    ("slug", models.CharField(max_length=40, default="")),
    ("body", models.TextField(default="")),
    ("note", models.TextField(default="")),
    ("n", models.IntegerField(default=0)),
    ("author", models.ForeignKey("shop.Person", models.CASCADE, null=True)),
]),
migrations.CreateModel("Comment", [
    ("id", models.AutoField(primary_key=True)),
    ("text", models.TextField()),
    ("post", models.ForeignKey("shop.Post", models.CASCADE)),
]),
"""
ROWS = {
    "Person": [{"id": n, "name": f"p{n}"} for n in range(1, 4)],
    "Post": [
        {"id": n, "title": f"t{n % 3}", "body": f"b{n}", "note": f"n{n}", "author_id": n % 3 + 1}
        for n in range(1, 8)
    ],
    "Comment": [{"id": n, "text": f"c{n}", "post_id": n} for n in range(1, 6)],
}
FILES = {
    "__init__.py": "from .naming import *\nfrom .words import OPEN, State as Again\n",
    "naming.py": """
from operator import attrgetter
from .words import FIELD
def free(kind, wish):
    number, found = 1, wish
    while kind.objects.filter(slug=found).exists():
        number += 1
        found = f"{wish}-{number}"
    return found
def shout(text):
    return text.upper()
def shown(post):
    return post.body + getattr(post, FIELD)
def fill(comment):
    comment.text = comment.post.body
def spread(kind, post):
    kind.objects.create(name=post.title)
by_number = attrgetter("post.n")
class Counter:
    @property
    def total(self):
        from django.db import connection
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from shop_post where slug = 'done'")
            return cursor.fetchone()[0]
    def copy(self):
        return self.total
counter = Counter()
""",
    "words.py": """
from django.db import models
OPEN = "open"
FIELD = "note"
FORMAT = "{0.post.body}"
BY = "post.n"
NUMBER = 7
class State(models.TextChoices):
    DONE = "done"
""",
}
BODIES = {
    "a function that looks for rows": (
        "from {0} import free",
        """
        for post in Post.objects.order_by("pk"):
            post.slug = free(Post, post.title)
            post.save()
        """,
    ),
    "new rows that a function looks for": (
        "from {0}.naming import free",
        """
        for post in Post.objects.order_by("pk"):
            Post.objects.create(title="new", slug=free(Post, post.title))
            if Post.objects.count() > 12:
                break
        """,
    ),
    "a function that computes": (
        "import {0}.naming",
        """
        for post in Post.objects.all():
            post.slug = {0}.naming.shout(post.title)
            post.save()
        """,
    ),
    "a function that reads the row": (
        "from {0} import shown",
        """
        for post in Post.objects.order_by("pk"):
            Post.objects.filter(pk=post.pk).update(body="x", note="y")
            Person.objects.create(name=shown(post))
        """,
    ),
    "a function that makes rows": (
        "from {0} import spread",
        """
        for post in Post.objects.order_by("pk"):
            spread(Person, post)
            post.slug = "x"
            post.save()
        """,
    ),
    "a new row that knows the row of the loop": (
        "from {0} import fill",
        """
        for post in Post.objects.order_by("pk"):
            Post.objects.filter(pk=post.pk).update(body="new")
            comment = Comment(post=post, text="x")
            fill(comment)
            comment.save()
        """,
    ),
    "a format that knows the row of the loop": (
        "from {0}.words import FORMAT",
        """
        for post in Post.objects.order_by("pk"):
            Post.objects.filter(pk=post.pk).update(body="new")
            comment = Comment(post=post, text="x")
            comment.text = FORMAT.format(comment)
            comment.save()
        """,
    ),
    "a column by its imported name": (
        "from {0}.words import FIELD",
        """
        for post in Post.objects.order_by("pk"):
            Post.objects.filter(pk=post.pk).update(body="x", note="y")
            Person.objects.create(name=getattr(post, FIELD))
        """,
    ),
    "columns by texts": (
        "from operator import attrgetter\nfrom {0} import words",
        """
        comments = [each for each in Comment.objects.order_by("pk")]
        for post in Post.objects.order_by("pk"):
            post.n = 10 * post.pk
            post.save()
            Person.objects.create(name=min(comments, key=attrgetter(words.BY)).text)
        """,
    ),
    "columns by an imported getter": (
        "from {0}.naming import by_number",
        """
        comments = [each for each in Comment.objects.order_by("pk")]
        for post in Post.objects.order_by("pk"):
            post.n = 10 * post.pk
            post.save()
            Person.objects.create(name=min(comments, key=by_number).text)
        """,
    ),
    "a method of an imported object": (
        "from {0}.naming import counter",
        """
        for post in Post.objects.order_by("pk"):
            post.n = counter.copy()
            post.slug = "done"
            post.save()
        """,
    ),
    "rows that are fetched beforehand": (
        "from django.db.models import prefetch_related_objects",
        """
        people = [each for each in Person.objects.order_by("pk")]
        for post in Post.objects.order_by("pk"):
            post.n = 10
            post.save()
            prefetch_related_objects(people, "post_set")
        for person in people:
            Comment.objects.create(post_id=1, text=sum(p.n for p in person.post_set.all()))
        """,
    ),
    "constants": (
        "from {0} import OPEN, Again as State\nfrom {0} import words as m",
        """
        for post in Post.objects.exclude(title="t0"):
            post.slug = OPEN
            post.note = State.DONE
            post.n = m.NUMBER
            post.save()
        """,
    ),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder from which packages can be imported, and the name of one that holds ``FILES``."""
    name = f"imported_{abs(hash(tmp_path))}"
    (tmp_path / name).mkdir()
    for file, text in FILES.items():
        (tmp_path / name / file).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path, name
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize(("imports", "body"), BODIES.values(), ids=BODIES)
def test_what_is_rewritten_leaves_the_same(imports, body, project, database):
    folder, name = project
    before = (
        f"{imports.replace('{0}', name)}\n\n\ndef forwards(apps, schema_editor):\n"
        '    Person = apps.get_model("shop", "Person")\n    Post = apps.get_model("shop", "Post")\n'
        f'    Comment = apps.get_model("shop", "Comment")\n{indented(body.replace("{0}", name))}'
    )
    path = write_project(folder, MODELS, before)
    outcome = run_source(path.read_bytes(), path, ALL, rewrite=True)
    assert outcome.error is None, outcome.traceback or outcome.error
    assert outcome.changed, outcome.loops
    own = next(edit.after for edit in outcome.edits if edit.path == path)
    run_both(MODELS, path.read_text(), own.decode(), ROWS, database=database)


def indented(body: str) -> str:
    lines = [line[4:] for line in body.strip("\n").splitlines()]
    return "\n".join(lines).rstrip() + "\n"
