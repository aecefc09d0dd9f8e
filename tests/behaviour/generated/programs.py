"""Random migrations: a loop that does some work, with the ingredients of one or two kinds around it.

A ``Program`` is one migration in parts; ``text()`` puts them together. What a kind brings is ``Ingredients``
(see ``kinds``), what the loop does is a ``Work``. ``naive()`` gives rewritings that look at the work alone:
a kind proves something where these leave other tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from random import Random
from textwrap import indent
from typing import Any

from django.apps.registry import Apps
from django.db.models import JSONField, Value

OLD = datetime(2001, 1, 1, tzinfo=timezone.utc)
TITLES = ("alpha", "Alpha", "beta ", "", "hello", "12", "x" * 9, "été")
HEAD = "from django.db import connection, migrations, models\n"
NAMES = ("Author", "Post", "Comment", "Log")


@dataclass(frozen=True)
class Tables:
    """How the models are declared, and how many rows they hold."""

    posts: int = 6
    index: bool = False  # over the column with few distinct values
    stamped: bool = False  # columns that a full save() writes though nobody assigned them
    linked: bool = False  # by a many-to-many relation
    documents: bool = False  # Log has a JSON column and one without duplicates
    manager: str = ""  # of Post, an expression

    @property
    def models(self) -> str:
        stamped = STAMPED if self.stamped else ""
        manager = f'managers=[("objects", {self.manager})]' if self.manager else ""
        imported = "import shop.managers\n" if self.manager else ""
        posts = POST.replace("INDEX", str(self.index)).replace("STAMPED", stamped)
        log = LOG.replace("DOCUMENTS", DOCUMENTS if self.documents else "")
        operations = [AUTHOR, posts.replace("MANAGERS", manager), COMMENT, log]
        operations += [READERS] if self.linked else []
        return (
            f"{imported}from django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
            f"    initial = True\n    dependencies = []\n    operations = [{', '.join(operations)}]\n"
        )


KEY = '("id", models.BigAutoField(primary_key=True))'
AUTHOR = f"""migrations.CreateModel("Author", [{KEY},
    ("name", models.CharField(max_length=60)),
    ("points", models.IntegerField(default=0)),
    ("mood", models.CharField(max_length=60, null=True)),
])"""
POST = f"""migrations.CreateModel("Post", [{KEY},
    ("title", models.CharField(max_length=60)),
    ("slug", models.CharField(max_length=200, default="")),
    ("code", models.CharField(max_length=8, null=True, unique=True)),
    ("body", models.TextField(default="")),
    ("note", models.TextField(null=True)),
    ("votes", models.IntegerField(default=0)),
    ("rank", models.IntegerField(null=True)),
    ("grp", models.IntegerField(default=0, db_index=INDEX)),
    ("small", models.PositiveSmallIntegerField(default=0)),
    ("live", models.BooleanField(default=False)),
    ("author", models.ForeignKey("shop.Author", models.CASCADE, null=True, related_name="posts")),
STAMPED], MANAGERS)"""
STAMPED = """
    ("touched", models.DateTimeField(auto_now=True)),
    ("file", models.FileField(null=True)),
    ("data", models.JSONField(null=True)),
"""
COMMENT = f"""migrations.CreateModel("Comment", [{KEY},
    ("text", models.CharField(max_length=60)),
    ("number", models.IntegerField(default=0)),
    ("post", models.ForeignKey("shop.Post", models.CASCADE, related_name="comments")),
])"""
READERS = """migrations.AddField("Post", "readers",
    models.ManyToManyField("shop.Author", related_name="read"))"""
LOG = f"""migrations.CreateModel("Log", [{KEY},
    ("name", models.CharField(max_length=200, default="")),
    ("number", models.IntegerField(default=0)),
DOCUMENTS])"""
DOCUMENTS = """
    ("data", models.JSONField(null=True)),
    ("code", models.CharField(max_length=8, null=True, unique=True)),
"""


@dataclass(frozen=True)
class Rows:
    """Fills the tables; the same rows each time."""

    tables: Tables
    seed: int

    def __call__(self, apps: Apps, connection: object) -> None:
        r = Random(self.seed)
        author, post, comment = (apps.get_model("shop", name)._base_manager for name in NAMES[:3])
        authors = author.bulk_create(
            [author.model(name=name, points=r.randrange(5), mood=r.choice([None, "ok"])) for name in ("ann", "bob", "cy")]
        )  # fmt: skip
        posts = post.bulk_create(
            post.model(**self._post(number, authors, r)) for number in range(self.tables.posts)
        )
        comment.bulk_create(
            comment.model(text=f"c{n}", number=n % 3, post=each)
            for each in posts[:50]
            for n in range(r.choice([0, 1, 2, 2]))
        )
        if self.tables.linked:
            for each in posts[::3]:
                each.readers.add(*authors[: r.randrange(3)])
        if self.tables.stamped:
            post.filter(pk__gt=0).update(touched=OLD)
            post.filter(grp__lt=2).update(data=Value(None, JSONField()))

    def _post(self, number: int, authors: list[Any], r: Random) -> dict[str, object]:
        given = {"file": r.choice([None, "a.txt"]), "data": r.choice([None, {"a": 1}])}
        return {
            "title": r.choice(TITLES),
            "slug": r.choice(["", "s", f"s{number}"]),
            "code": r.choice([None, f"u{number}"]),
            "body": "b" * r.choice([0, 3, 20, 300 if self.tables.posts > 100 else 30]),
            "note": r.choice([None, "", "n", "N "]),
            "votes": r.choice([0, 0, 1, 2, 7, -1]),
            "rank": r.choice([None, 0, 1, 5]),
            "grp": r.randrange(5),
            "small": r.choice([0, 1, 9]),
            "live": r.choice([True, False]),
            "author": r.choice([*authors, *authors, None]),
            **(given if self.tables.stamped else {}),
        }


@dataclass(frozen=True)
class Work:
    """What the loop does with ``post``: VALUE is some text and NUMBER some whole number of the row."""

    lines: str
    before: str = ""
    after: str = ""
    update: str = ""  # the arguments of one update() in its place
    writes: str = ""  # columns, as update_in_batches() takes them, or what else waits in batches
    alone: bool = False  # does not use VALUE or NUMBER


WORKS = (
    Work("post.slug = VALUE\npost.save()", writes='"slug"'),
    Work("post.slug = VALUE\npost.save()", writes='"slug"'),
    Work('post.slug = VALUE\npost.save(update_fields=["slug"])', writes='"slug"'),
    Work("post.votes = NUMBER\npost.save()", writes='"votes"'),
    Work("post.votes = 5\npost.save()", update="votes=5", writes='"votes"', alone=True),
    Work('post.votes = 5\npost.save(update_fields=["votes"])', update="votes=5", writes='"votes"', alone=True),
    Work("post.live = True\nif post.votes:\n    post.rank = 1\npost.save()", writes='"live", "rank"', alone=True),
    Work("if post.votes:\n    post.slug = VALUE\n    post.save()", writes='"slug"'),
    Work("if post.note is None:\n    continue\npost.slug = VALUE\npost.save()", writes='"slug"'),
    Work("Post.objects.filter(pk=post.pk).update(votes=7)", update="votes=7", alone=True),
    Work("Post.objects.filter(pk=post.pk).update(slug=VALUE)", writes="by key"),
    Work("if post.rank:\n    Post.objects.filter(pk=post.pk + post.rank).update(votes=NUMBER)", writes="by key"),
    Work("Author.objects.filter(pk=post.author_id).update(mood=VALUE[:9])", writes="by key"),
    Work("post.delete()", update="DELETE", alone=True),
    Work("if post.votes > 0:\n    post.delete()", alone=True),
    Work("Log.objects.create(name=VALUE, number=post.pk)", writes="Log"),
    Work("Log.objects.create(name=post.title, number=NUMBER)", writes="Log"),
    Work("Log(name=VALUE, number=NUMBER).save()", writes="Log"),
    Work("post.slug = VALUE\nfound.append(post)", "found = []", 'Post.objects.bulk_update(found, ["slug"])', writes='"slug"'),
    Work("found.append(Log(name=VALUE, number=NUMBER))", "found = []", "Log.objects.bulk_create(found)", writes="Log"),
    Work("print(post.title, VALUE)"),
    Work("total += NUMBER", "total = 0", "Log.objects.create(number=total)"),
    Work("for comment in post.comments.all():\n    comment.text = VALUE[:9]\n    comment.save()"),
)  # fmt: skip
VALUES = (
    "post.title.strip()",
    'post.title + "-" + str(post.pk)',
    "post.title.lower()",
    'f"{post.title}!"',
    '(post.note or "none")',
)
NUMBERS = ("len(post.title)", "post.votes + 1", "post.pk % 7", "post.small * 2", "abs(post.votes)")
USED = '"title", "slug", "note", "votes", "small"'  # the columns of works, values and numbers
SOURCES = (
    "Post.objects.all()",
    "Post.objects.all()",
    "Post.objects.filter(votes__gte=0)",
    "Post.objects.exclude(live=True)",
    'Post.objects.order_by("pk")',
    'Post.objects.filter(live=True).order_by("-pk")',
)


@dataclass(frozen=True)
class Ingredients:
    """What a kind brings to a program. Lines hold ``post``, ``Post``, ``Author``, ``Comment``, ``Log``."""

    files: dict[str, str] = field(default_factory=dict)
    imports: str = ""
    functions: str = ""
    before: str = ""
    spoiler: str = ""  # further lines before the loop, without which the kind does no harm
    inside: str = ""
    after: str = ""
    source: str = ""
    value: str = ""
    number: str = ""
    around: str = ""  # statements around work(apps), a call of what else is the body of forwards()
    works: tuple[Work, ...] = ()
    update: str = ""  # what one would write in place of the loop
    tables: Tables | None = None
    atomic: bool = True
    first: bool = False  # `inside` stands at the beginning of the body

    def __add__(self, other: Ingredients) -> Ingredients:
        lines = ("imports", "functions", "before", "spoiler", "inside", "after")
        ours = ("source", "value", "number", "around", "works", "update", "tables")
        joined: dict[str, Any] = {
            name: "\n".join(filter(None, [getattr(self, name), getattr(other, name)]))
            for name in lines
        }
        joined |= {name: getattr(self, name) or getattr(other, name) for name in ours}
        return Ingredients(
            **joined,
            files={**other.files, **self.files},
            atomic=self.atomic and other.atomic,
            first=self.first and other.first,
        )


Kind = Callable[[Random], Ingredients]


@dataclass(frozen=True)
class Program:
    kinds: str
    tables: Tables
    given: Ingredients
    work: Work
    source: str
    body: str
    seed: int

    @property
    def rows(self) -> Rows:
        return Rows(self.tables, self.seed)

    def text(self, loop: str | None = None, spoiled: bool = True, after: str | None = None) -> str:
        """The migration, with another loop in place of its own or without what makes it harmful."""
        given = self.given
        loop = self.loop() if loop is None else loop
        after = self.work.after if after is None else after
        parts = [
            given.before,
            given.spoiler if spoiled else "",
            self.work.before,
            loop,
            after,
            given.after,
        ]
        body = "\n".join(filter(None, [_models(), *parts])) + "\n"
        forwards = given.around or ""
        if forwards:
            functions = f"def work(apps):\n{indent(body, '    ')}\n\n"
            body = forwards + "\n"
        else:
            functions = ""
        atomic = "" if given.atomic else "    atomic = False\n"
        return (
            f"{given.imports}\n{HEAD}\n\n{given.functions}\n\n{functions}"
            f"def forwards(apps, schema_editor):\n{indent(body, '    ')}\n\n"
            f"class Migration(migrations.Migration):\n{atomic}"
            '    dependencies = [("shop", "0001_initial")]\n'
            "    operations = [migrations.RunPython(forwards)]\n"
        ).lstrip("\n")

    def loop(self, source: str | None = None, body: str | None = None) -> str:
        return f"for post in {source or self.source}:\n{indent(body or self.body, '    ')}"

    def naive(self) -> Iterator[str]:
        """Rewritings that ask nothing."""
        plain = f"({self.source})"
        yield self.text(self.loop(f"{plain}.iterator()"))
        yield self.text(self.loop(f"{plain}.only({USED})"))
        if self.given.spoiler:
            yield self.text(spoiled=False)
        if self.given.update:
            yield self.text(self.given.update)
        if self.work.update == "DELETE":
            yield self.text(f"{plain}.delete()")
        elif self.work.update:
            yield self.text(f"{plain}.update({self.work.update})")
        yield from self._in_batches()

    def _in_batches(self) -> Iterator[str]:
        body, after = self.body, self.work.after
        if self.work.writes == "Log":
            start = "with create_in_batches(Log.objects) as batch:"
            body = re.sub(r"found\.append\(Log\((.*)\)\)", r"batch.create(\1)", body)
            body = body.replace("Log.objects.create(", "batch.create(")
        elif self.work.writes == "by key":
            manager = self.work.lines.partition(".filter")[0].split()[-1]
            start = f"with update_by_key({manager}) as batch:"
            body = body.replace(f"{manager}.filter(pk=post.", "batch.filter(pk=post.")
        elif self.work.writes == "links":
            start = "with link_in_batches() as batch:"
            body = re.sub(r"\b(post\.readers|first\.read)\.add\(", r"batch.of(\1).add(", body)
        elif self.work.writes:
            start = f"with update_in_batches({self.work.writes}) as batch:"
            for save in (
                "post.save()",
                'post.save(update_fields=["slug"])',
                'post.save(update_fields=["votes"])',
            ):
                body = body.replace(save, "batch.save(post)")
            body = body.replace("found.append(post)", "batch.update(post)")
        if not self.work.writes or "batch." not in body or "found" in body:
            return
        if "bulk" in after:
            after = ""
        text = self.text(f"{start}\n{indent(self.loop(body=body), '    ')}", after=after)
        names = ("create_in_batches", "link_in_batches", "update_by_key", "update_in_batches")
        yield f"from ._migfix import {', '.join(name for name in names if name in text)}\n{text}"


def _models() -> str:
    return "\n".join(f'{name} = apps.get_model("shop", "{name}")' for name in NAMES)


def program(name: str, kinds: dict[str, Kind], seed: int) -> Program:
    """The program of this seed: of one kind, or of two that are joined by a plus sign."""
    r = Random(f"{name} {seed}")
    given = [kinds[each](r) for each in name.split("+")]
    joined = given[0] if len(given) == 1 else given[0] + given[1]
    tables = joined.tables or Tables(r.choice([0, 1, 4, 6, 6, 8]), index=r.random() < 0.2)
    work = r.choice(joined.works or WORKS)
    wants = bool(joined.value or joined.number)
    if wants and not joined.works:
        works = [
            w
            for w in WORKS
            if (joined.value and "VALUE" in w.lines) or (joined.number and "NUMBER" in w.lines)
        ]
        work = r.choice(works)
    joined = _aimed(joined, work)
    value, number = joined.value or r.choice(VALUES), joined.number or r.choice(NUMBERS)
    filled = partial(_filled, value=value, number=number)
    body = "\n".join(_placed(joined, filled(work.lines), r))
    source = joined.source or r.choice(SOURCES)
    work = replace(work, before=filled(work.before), after=filled(work.after))
    if joined.imports:
        lines = joined.imports.split("\n")
        joined = replace(joined, imports="\n".join(sorted(set(lines), key=lines.index)))
    return Program(name, tables, joined, work, source, body, seed)


def _aimed(given: Ingredients, work: Work) -> Ingredients:
    """The ingredients ask for what the work writes: queries of empty slugs become others."""
    if "slug" in work.writes:
        return given
    filters = {'"votes"': "votes=5", '"live"': "live=True", '"rank"': "rank__gt=0"}
    asked = next((text for column, text in filters.items() if column in work.writes), "pk__gt=0")
    aim = {"slug=''": asked}
    if work.writes == "Log" and not given.source:
        names = "before functions inside value number after".split()
        said = " ".join(getattr(given, name) for name in names)
        if any(word in said for word in ("update(", "create(", "order_by", "grp", ".slug")):
            return given
        aim |= {"Post.objects": "Log.objects", "(Post)": "(Log)", "(Post,": "(Log,"}
        aim |= {f"votes__gt={n}": "pk__gt=0" for n in (0, 2, 4)}
    fields = {
        name: _replaced(getattr(given, name), aim)
        for name in "before functions inside value number after".split()
    }
    files = {path: _replaced(text, aim) for path, text in given.files.items()}
    return replace(given, **fields, files=files)


def _replaced(text: str, pairs: dict[str, str]) -> str:
    for old, new in pairs.items():
        text = text.replace(old, new)
    return text


def _filled(text: str, value: str, number: str) -> str:
    return text.replace("VALUE", value).replace("NUMBER", number)


def _placed(given: Ingredients, lines: str, r: Random) -> list[str]:
    if not given.inside:
        return [lines]
    before = given.first or r.random() < 0.5
    return [given.inside, lines] if before else [lines, given.inside]
