"""What random migrations are made of: one function for each kind of thing that a rewrite must see.

A function draws one of its variants, harmless ones among them, and returns ``Ingredients``; ``KINDS`` lists all.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from random import Random
from textwrap import indent

from tests.behaviour.generated.programs import SOURCES, Ingredients, Kind, Tables, Work

APP = {"shop/__init__.py": "", "shop/migrations/__init__.py": ""}


# --- names that are imported ---------------------------------------------------------------------

REAL_MODEL = """
from django.db import models

class Thread(models.Model):
    class State(models.TextChoices):
        OPEN = "open"
    title = models.CharField(max_length=20)
    class Meta:
        app_label = "shop"
"""
# (what is defined, what of it is imported, where a body uses it)
IMPORTED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("def clean(text):\n    return text.strip().lower()", "clean", {"value": "NAME(post.title)"}),
    ("def clean(post):\n    return post.title + '!'", "clean", {"value": "NAME(post)"}),
    ("def longer(post):\n    return f'{post.body[:3]}{post.note}{post.rank}'", "longer", {"value": "NAME(post)"}),
    ("def taken(kind):\n    return kind.objects.filter(votes__gt=0).count()", "taken", {"number": "NAME(Post)"}),
    ("def taken(post):\n    return type(post).objects.filter(slug='').count()", "taken", {"number": "NAME(post)"}),
    ("def taken(post):\n    return post.__class__._base_manager.exclude(slug='').count()", "taken", {"number": "NAME(post)"}),
    ("def free(kind, wish):\n    n, name = 1, wish\n    while kind.objects.filter(slug=name).exists():\n"
     "        n += 1\n        name = f'{wish}-{n}'\n    return name", "free", {"value": "NAME(Post, post.title)"}),
    ("def free(kind, wish):\n    return f'{wish}{kind.objects.filter(name=wish).count()}'", "free",
     {"value": "NAME(Log, post.title)"}),
    ("def reopen(post):\n    post.rank = 3\n    post.save()", "reopen", {"inside": "NAME(post)"}),
    ("def reopen(post):\n    post.votes = 9", "reopen", {"inside": "NAME(post)"}),
    ("def drop(post):\n    post.delete()", "drop", {"inside": "NAME(post)"}),
    ("def tell(post):\n    print(post.pk, post.slug)", "tell", {"inside": "NAME(post)"}),
    ("def tell(kind):\n    print(kind.objects.filter(slug='').count())", "tell", {"inside": "NAME(Post)"}),
    ("SEEN = []\ndef remember(post):\n    SEEN.append(post)\ndef recall():\n    return [(p.pk, p.slug, p.body) for p in SEEN]",
     "remember", {"inside": "NAME(post)", "after": "from shop.MODULE import recall\nprint(recall())"}),
    ("STATE = {}\ndef remember(rows):\n    STATE['hot'] = rows\ndef recall():\n    return len(STATE['hot'])",
     "remember", {"before": "NAME(Post.objects.filter(votes__gt=0))", "inside": "from shop.MODULE import recall\nprint(recall())"}),
    ("class Summary:\n    def __init__(self, kind):\n        self.value = kind.objects.filter(votes__gt=4).count()",
     "Summary", {"number": "NAME(Post).value"}),
    ("class Summary:\n    def __init__(self, post):\n        self.value = len(post.body)", "Summary", {"number": "NAME(post).value"}),
    ("class Summary:\n    def __init__(self, post):\n        self.post = post\n    @property\n    def value(self):\n"
     "        return type(self.post).objects.filter(slug='').count()", "Summary", {"number": "NAME(post).value"}),
    ("from django.db import connection\nclass Counter:\n    @property\n    def total(self):\n"
     "        with connection.cursor() as cursor:\n            cursor.execute('select sum(votes) from shop_post')\n"
     "            return int(cursor.fetchone()[0] or 0)\ncounter = Counter()", "counter", {"number": "NAME.total"}),
    ("class Fixer(dict):\n    def __missing__(self, post):\n        return type(post).objects.filter(votes__gt=4).count()\nfixer = Fixer()",
     "fixer", {"number": "NAME[post]"}),
    ("class Fixer:\n    def get(self, post):\n        type(post).objects.filter(pk__gt=post.pk).update(body='!')\nfixer = Fixer()",
     "fixer", {"inside": "NAME.get(post)"}),
    ("OPEN = 'open'", "OPEN", {"value": "NAME"}),
    ("WORDS = {'alpha': 'a'}", "WORDS", {"value": "NAME.get(post.title, '')"}),
    ("LIMIT = 3", "LIMIT", {"number": "NAME"}),
    (REAL_MODEL, "Thread", {"value": "NAME.State.OPEN"}),
    (REAL_MODEL, "Thread", {"value": "NAME(title=post.title).title"}),
    (REAL_MODEL + "    def shown(self):\n        return self.title\n", "Thread", {"value": "NAME(title=post.title).shown()"}),
    (REAL_MODEL + "    def __init__(self, *args, **kw):\n        super().__init__(*args, **kw)\n        print('made')\n",
     "Thread", {"value": "NAME(title=post.title).title"}),
    ("from functools import wraps\ndef logged(f):\n    @wraps(f)\n    def inner(post):\n        print(post.slug, type(post).objects.filter(slug='').count())\n"
     "        return f(post)\n    return inner\n@logged\ndef label(post):\n    return post.title", "label", {"value": "NAME(post)"}),
    ("label = lambda post: post.body[:5]", "label", {"value": "NAME(post)"}),
    ("from functools import partial\ndef both(kind, post):\n    return kind.objects.filter(slug='').count() + post.votes",
     "both", {"number": "partial(NAME, Post)(post)", "imports": "from functools import partial"}),
    ("class Names:\n    @staticmethod\n    def of(post):\n        return post.title\n    @classmethod\n    def taken(cls, post):\n"
     "        return str(type(post).objects.filter(slug='').count())", "Names", {"value": "NAME.taken(post)"}),
    ("class Names:\n    @staticmethod\n    def of(post):\n        return post.title", "Names", {"value": "NAME.of(post)"}),
)  # fmt: skip
# (where it is defined, what re-exports it there, from where it is imported)
PLACES = (
    ("shop/helpers.py", {}, "shop.helpers"),
    ("shop/models.py", {}, "shop.models"),
    ("shop/models/names.py", {"shop/models/__init__.py": "from shop.models.names import *  # noqa\n"}, "shop.models"),
    ("shop/models/names.py", {"shop/models/__init__.py": "from .names import WHAT\n"}, "shop.models"),
    ("shop/models/names.py", {"shop/models/__init__.py": ""}, "shop.models.names"),
    ("shop/deep/models/base.py", {"shop/deep/__init__.py": "", "shop/deep/models/__init__.py": "from .base import WHAT as WHAT"}, "shop.deep.models"),
    ("shop/migrations/common.py", {}, "shop.migrations.common"),
    ("shop/api/inner.py", {"shop/api/__init__.py": "from shop.api.inner import WHAT\n"}, "shop.api"),
)  # fmt: skip


def imported(r: Random) -> Ingredients:
    """Functions, classes and constants of the project's other modules."""
    defined, what, uses = r.choice(IMPORTED)
    path, others, module = r.choice(PLACES)
    text = defined + "\n"
    if "import *" in str(others) and "__all__" not in text:
        text += f"__all__ = [{what!r}, *(n for n in globals() if n == 'recall')]\n"
    package, _, last = module.rpartition(".")
    name, line = r.choice(
        [
            (what, f"from {module} import {what}"),
            (what, f"from {module} import {what}"),
            ("other", f"from {module} import {what} as other"),
            (f"its.{what}", f"from {package} import {last} as its"),
            (f"beside.{what}", f"import {module} as beside"),
        ]
    )
    files = {**APP, path: text, **{p: t.replace("WHAT", what) for p, t in others.items()}}
    defining = path.removeprefix("shop/").removesuffix(".py").replace("/", ".")
    said = {key: t.replace("NAME", name).replace("MODULE", defining) for key, t in uses.items()}
    lazily = r.random() < 0.15 and "imports" not in said
    if lazily:
        said["before"] = "\n".join(filter(None, [line, said.get("before", "")]))
    else:
        said["imports"] = "\n".join(filter(None, [line, said.get("imports", "")]))
    return Ingredients(files=files, **said)


def libraries(r: Random) -> Ingredients:
    """Functions of Django and the standard library that read or ask more than they seem to."""
    return r.choice(
        [
            Ingredients(imports="from django.forms.models import model_to_dict", value='str(model_to_dict(post)["votes"])'),
            Ingredients(imports="from django.forms import model_to_dict", value='str(sorted(model_to_dict(post)))'),
            Ingredients(imports="from django.db.models import prefetch_related_objects",
                        before="authors = [a for a in Author.objects.order_by('pk')]",
                        inside="prefetch_related_objects(authors, 'posts')",
                        after="print(sorted((p.votes, p.slug) for a in authors for p in a.posts.all()))"),
            Ingredients(imports="from django.utils.text import slugify", value="slugify(post.title)"),
            Ingredients(imports="from django.core import serializers", value="str(len(serializers.serialize('json', [post])))"),
            Ingredients(imports="from django.shortcuts import get_object_or_404", number="get_object_or_404(Post, pk=post.pk).votes"),
            Ingredients(imports="from django.core.paginator import Paginator", number="Paginator(Post.objects.filter(votes__gt=2), 5).count"),
            Ingredients(imports="from copy import copy", value="copy(post).body[:4]"),
            Ingredients(imports="from copy import deepcopy", value="deepcopy(post).body[:4]"),
            Ingredients(imports="from operator import attrgetter", value='str(attrgetter("body", "note")(post))'),
            Ingredients(imports="from operator import attrgetter",
                        before="comments = [c for c in Comment.objects.order_by('pk')]",
                        inside="print([str(x) for x in map(attrgetter('post.votes', 'post.slug'), comments)])"),
            Ingredients(imports="from functools import reduce", number='reduce(getattr, ["pk"], post)'),
            Ingredients(imports="from functools import reduce", value='str(reduce(getattr, ["author", "mood"], post) if post.author_id else "")'),
            Ingredients(before='SHOWN = "{0.body} {0.note}"', value="SHOWN.format(post)[:9]"),
            Ingredients(value='"%(body)s" % vars(post)'),
            Ingredients(value='"{p.body} {p.note}".format(p=post)[:9]'),
            Ingredients(value='str(getattr(post, "no" + "te"))'),
            Ingredients(value="post.serializable_value('note') or ''"),
            Ingredients(value="str(len(post.__dict__))"),
            Ingredients(inside="post.refresh_from_db()"),
            Ingredients(inside="post.full_clean(exclude=['author', 'title', 'slug', 'body', 'note', 'code', 'rank'])"),
        ]
    )  # fmt: skip


# --- objects that are changed in between ---------------------------------------------------------

HOLDERS = (
    ("held = {a.pk: a for a in Author.objects.all()}", "held[1]", "held[post.author_id].name if post.author_id in held else ''"),
    ("held = {}\nfor a in Author.objects.all():\n    held[a.pk] = a", "held[1]", "held[post.author_id].name if post.author_id in held else ''"),
    ("held = dict((a.pk, a) for a in Author.objects.all())", "held[1]", "held[post.author_id].name if post.author_id else ''"),
    ("rows = Author.objects.all()\nheld = {a.pk: a for a in rows}", "rows[0]", "held[post.author_id].name if post.author_id in held else ''"),
    ("held = Author.objects.in_bulk()", "held[1]", "held[post.author_id].name if post.author_id else ''"),
    ("held = list(Author.objects.order_by('pk'))", "held[0]", "next((a.name for a in held if a.pk == post.author_id), '')"),
    ("held = Author.objects.get(pk=1)", "held", "held.name"),
    ("held = Author.objects.order_by('pk').first()", "held", "held.name"),
    ("held = {a.pk: a.name for a in Author.objects.all()}", "", "held.get(post.author_id, '')"),
    ("held = dict(Author.objects.values_list('pk', 'name'))", "", "held.get(post.author_id, '')"),
)  # fmt: skip
CHANGES = (
    "ONE.name = 'mem'",
    "setattr(ONE, 'name', 'mem')",
    "ONE.name += '!'",
    "same = held\nOTHER.name = 'mem'",
    "one = ONE\none.name = 'mem'",
    "vars(ONE)['name'] = 'mem'",
    "ONE.__dict__.update(name='mem')",
    "def spoil(a):\n    a.name = 'mem'\nspoil(ONE)",
    "(lambda a: setattr(a, 'name', 'mem'))(ONE)",
    "ONE.name, other = 'mem', 1",
    "for ONE.name in ['x', 'mem']:\n    pass",
    "[setattr(a, 'name', 'mem') for a in [ONE]]",
    "Author.objects.filter(pk=1).update(name='db')",
    "Author.objects.filter(pk=1).update(name='db')\nONE.refresh_from_db()",
    "ONE.name = 'db'\nONE.save()",
    "",
    "",
)
CONTAINERS = (
    "for a in held.values():\n    a.name = 'mem'",
    "for key in held:\n    held[key].name = 'mem'",
    "for key, a in held.items():\n    a.name = 'mem'",
    "held[1] = held[2]",
    "held.pop(1, None)",
    "del held[2]",
    "held.update({1: Author(name='new')})",
    "held.setdefault(1, None).name = 'mem'",
    "next(iter(held.values())).name = 'mem'",
    "max(held.values(), key=lambda a: a.pk).name = 'mem'",
    "sorted(held.values(), key=lambda a: a.pk)[0].name = 'mem'",
    "held |= {1: Author(name='new')}",
    "{**held}[1].name = 'mem'",
    "held.get(1).name = 'mem'",
    "a = held.get(1)\nif a:\n    a.name = 'mem'",
    "with_all = [*held.values()]\nwith_all[0].name = 'mem'",
    "list(map(lambda a: setattr(a, 'name', 'mem'), held.values()))",
)


def objects(r: Random) -> Ingredients:
    """Objects that wait in a dict or list while something changes them."""
    held, one, value = r.choice(HOLDERS)
    change = r.choice(CHANGES) if one else r.choice(["held[1] = 'mem'", "held.clear()", ""])
    if one == "held[1]" and r.random() < 0.5:
        change = r.choice(CONTAINERS)
    change = change.replace("ONE", one).replace("OTHER", one.replace("held", "same"))
    work = r.choice([w for w in LINKED if "FK" not in w.lines or one])
    lines = work.lines.replace("FK", "held" if one == "held" else "held[post.author_id]")
    work = Work(lines, writes=work.writes)
    late = r.random() < 0.1  # after the loop nothing is changed by it
    return Ingredients(
        before=held,
        spoiler="" if late else change,
        after=change if late else "",
        value=value,
        works=(work,),
    )


LINKED = (
    Work("post.slug = VALUE\npost.save()", writes='"slug"'),
    Work('post.slug = VALUE\npost.save(update_fields=["slug"])', writes='"slug"'),
    Work("if post.author_id:\n    post.slug = VALUE\n    post.save()", writes='"slug"'),
    Work("if post.author_id in [1, 2]:\n    post.author = FK\n    post.save()", writes='"author"'),
    Work("Log.objects.create(name=VALUE)", writes="Log"),
    Work("Post.objects.filter(pk=post.pk).update(slug=VALUE)"),
)


# --- order, and tables large enough for a database to change it ----------------------------------

ORDERS = (
    'Post.objects.order_by("grp")',
    'Post.objects.order_by("-grp")',
    'Post.objects.order_by("grp").filter(votes__gte=0)',
    'Post.objects.order_by("live", "grp")',
    'Post.objects.order_by("author__name")',
    'Post.objects.order_by("title")',
    'Post.objects.order_by("grp")[:700]',
    'Post.objects.order_by("grp", "-pk")',
    'Post.objects.order_by("pk")',
    "Post.objects.all()",
    'Post.objects.order_by("grp").reverse()',
    'Post.objects.annotate(n=models.Count("comments")).order_by("n")',
)
ORDERED = (
    Work("last[post.grp] = post.pk", "last = {}", "for key, pk in sorted(last.items()):\n    Log.objects.create(name=str(key), number=pk)"),
    Work("first.setdefault(post.grp, post.pk)", "first = {}", "Log.objects.create(name=str(sorted(first.items())))"),
    Work("number += 1\npost.rank = number\npost.save()", "number = 0", writes='"rank"'),
    Work('number += 1\npost.rank = number\npost.save(update_fields=["rank"])', "number = 0", writes='"rank"'),
    Work("post.rank = next(numbers)\npost.save()", "import itertools\nnumbers = itertools.count()", writes='"rank"'),
    Work("if post.grp not in seen:\n    seen.add(post.grp)\n    post.live = True\n    post.rank = 99\n    post.save()", "seen = set()", writes='"live"'),
    Work("Log.objects.create(name=post.title)", writes="Log"),
    Work("Log.objects.create(number=post.votes, name=str(post.grp))", writes="Log"),
    Work("if post.votes > 1:\n    post.rank = 77\n    post.save()\n    break", writes='"rank"'),
    Work("best = post", "best = None", "if best:\n    Log.objects.create(number=best.pk)"),
    Work("if post.grp in seen:\n    post.delete()\nseen.add(post.grp)", "seen = set()"),
    Work("if post.slug == before:\n    post.rank = 5\n    post.save()\nbefore = post.slug", "before = None", writes='"rank"'),
    Work("seen.append(post.pk)", "seen = []", "Log.objects.create(name=str(seen)[:200])"),
    Work("post.slug = post.title.strip() + '-'\npost.save()", writes='"slug"'),
    Work("total += post.votes", "total = 0", "Log.objects.create(number=total)"),
    Work("post.votes = 5\npost.save()", update="votes=5", writes='"votes"'),
    Work("print(post.pk)"),
)  # fmt: skip


def order(r: Random) -> Ingredients:
    """Loops whose result depends on which of two equal rows comes first."""
    numbered = r.random() < 0.1
    works = ORDERED
    if numbered:
        works = (Work("post.rank = VALUE\npost.save()", writes='"rank"'),)
    return Ingredients(
        source=r.choice(ORDERS),
        works=works,
        value="Log.objects.create(name=post.title).pk" if numbered else "",
        tables=Tables(r.choice([1500, 1500, 1600, 8]), index=r.random() < 0.5),
    )


# --- statements that read the table they write ---------------------------------------------------

OWN = (
    "Post.objects.exclude(author__posts__votes=5)",
    "Post.objects.exclude(author__posts__live=True)",
    "Post.objects.filter(~models.Q(author__posts__live=True))",
    "Post.objects.annotate(has=models.Exists(Post.objects.filter(author=models.OuterRef('author'), votes=5))).filter(has=False)",
    "Post.objects.filter(~models.Exists(Post.objects.filter(grp=models.OuterRef('grp'), live=True)))",
    "Post.objects.filter(~models.Exists(Author.objects.filter(pk=models.OuterRef('author'), posts__votes=5)), author__isnull=False)",
    "Post.objects.annotate(n=models.Subquery(Post.objects.filter(grp=models.OuterRef('grp')).order_by('-votes').values('votes')[:1])).exclude(n=5)",
    "Post.objects.annotate(n=models.Count('author__posts', filter=models.Q(author__posts__votes=5))).filter(n=0)",
    "Post.objects.extra(where=['NOT EXISTS (SELECT 1 FROM shop_post q WHERE q.grp = shop_post.grp AND q.votes = 5)'])",
    "Post.objects.filter(pk__in=Post.objects.exclude(votes=5).values('pk'))",
    "Post.objects.exclude(comments__number=1)",
    "Post.objects.filter(votes__lt=Post.objects.order_by('-votes').values('votes')[:1])",
    "Post.objects.filter(author__in=Author.objects.exclude(posts__votes=5))",
    "Post.objects.filter(grp__in=Post.objects.filter(votes=5).values('grp'))",
    "Post.objects.alias(m=models.Max('author__posts__votes')).filter(m__lt=5)",
    "Post.objects.filter(author__posts__grp=models.F('grp')).distinct()",
)  # fmt: skip
WRITES = (
    Work("post.votes = 5\npost.save()", update="votes=5", writes='"votes"'),
    Work("post.live = True\npost.save()", update="live=True", writes='"live"'),
    Work('post.votes = 5\npost.save(update_fields=["votes"])', update="votes=5", writes='"votes"'),
    Work("post.votes = 5\npost.live = True\npost.save()", update="votes=5, live=True", writes='"votes", "live"'),
    Work("Post.objects.filter(pk=post.pk).update(votes=5, live=True)", update="votes=5, live=True"),
    Work("post.delete()", update="DELETE"),
    Work("found.append(post)\npost.votes = 5", "found = []", 'Post.objects.bulk_update(found, ["votes"])', writes='"votes"'),
)  # fmt: skip


def own_table(r: Random) -> Ingredients:
    """Querysets that look at the table which the loop writes."""
    return Ingredients(source=r.choice(OWN), works=WRITES, tables=Tables(r.choice([8, 12, 30])))


# --- columns that are loaded on some paths only --------------------------------------------------

DEFERRED = (
    'Post.objects.only("title", "slug")',
    'Post.objects.only("title", "slug", "votes")',
    'Post.objects.defer("touched", "file", "data")',
    'Post.objects.defer("touched")',
    'Post.objects.defer("data").order_by("pk")',
    'Post.objects.defer("file", "body")',
    'Post.objects.only("title").filter(votes__gte=0)',
)
READS = (
    "if post.votes and post.touched:\n    post.slug = 'read'",
    "if post.votes:\n    post.slug = repr(post.data)\nelse:\n    post.slug = 'none'",
    "if post.votes:\n    print(post.file)",
    "if post.live:\n    post.touched\n",
    "if post.votes > 1 or post.file:\n    post.slug = 'f'",
    "post.slug = str(post.data) if post.live else post.title",
    "for _ in range(post.votes):\n    post.data",
    "try:\n    post.touched.year\nexcept ValueError:\n    pass",
    "post.slug = post.title.upper()",
    "post.slug = str(post.touched.year)",
    "post.slug = str(bool(post.data))",
    "",
)
FULL = (
    Work("post.slug += '.'\npost.save()", writes='"slug"'),
    Work("post.slug += '.'\npost.save()", writes='"slug"'),
    Work("if post.title:\n    post.slug = VALUE\n    post.save()", writes='"slug"'),
    Work('post.slug += "."\npost.save(update_fields=["slug"])', writes='"slug"'),
    Work("post.slug += '.'\npost.save()\nif post.votes:\n    print(bool(post.data), post.file)", writes='"slug"'),
    Work("post.slug += '.'\nfound.append(post)", "found = []", "for post in found:\n    post.save()"),
    Work("post.slug = VALUE\nif post.live:\n    post.save()", writes='"slug"'),
)  # fmt: skip
STAMPS = "Log.objects.create(number=Post.objects.filter(touched__year__gt=2010).count())"


def columns(r: Random) -> Ingredients:
    """Rows of which a full save() writes what was loaded by then."""
    deferred = r.random() < 0.7
    return Ingredients(
        source=r.choice(DEFERRED) if deferred else r.choice(SOURCES),
        inside=r.choice(READS),
        works=FULL,
        after=r.choice(["", STAMPS]),
        tables=Tables(r.choice([4, 6, 8]), stamped=True),
        first=True,
    )


# --- rows that fail ------------------------------------------------------------------------------

FAILING = (
    "post.title = None if post.votes == 7 else 'x'\npost.save()",
    "post.title = post.note\npost.save()",
    "post.code = post.title\npost.save()",
    'post.code = post.title[:8]\npost.save(update_fields=["code"])',
    "post.code = post.body\npost.save()",
    "post.code = 'same'\npost.save()",
    "post.small = post.votes\npost.save()",
    "post.small = post.votes * 30000\npost.save()",
    "post.votes = post.rank\npost.save()",
    "post.title = post.body\npost.save()",
    "post.votes = int(post.title or 1)\npost.save()",
    "post.rank = 10 // post.votes\npost.save()",
    "post.slug = held[post.votes]\npost.save()",
    "Log.objects.create(name=post.note)",
    "Log.objects.create(number=post.rank)",
    "Log.objects.create(name=post.body * 10)",
    "Log.objects.create(pk=post.grp)",
    "post.author_id = post.votes + 1\npost.save()",
    "Post.objects.filter(pk=post.pk).update(title=post.note)",
    "Post.objects.filter(pk=post.pk).update(small=post.votes)",
    "if post.votes == 7:\n    raise ValueError(post.pk)\npost.slug = 's'\npost.save()",
    "post.votes = 5\npost.save()",
    "post.slug = post.title.lower()\npost.save()",
    "post.rank = post.votes\npost.save()",
    "post.live = not post.live\npost.save()",
    "post.delete()",
    "post.note = post.title\npost.save()",
    "Log.objects.create(number=post.votes)",
)
AS_UPDATE = {
    "post.title = post.note\npost.save()": "title=models.F('note')",
    "post.code = 'same'\npost.save()": "code='same'",
    "post.small = post.votes\npost.save()": "small=models.F('votes')",
    "post.votes = post.rank\npost.save()": "votes=models.F('rank')",
}


def failing(r: Random) -> Ingredients:
    """Rows that the database or the body refuses, where nothing is rolled back."""
    lines = r.choice(FAILING)
    writes = (
        "Log"
        if "Log" in lines
        else "".join(f'"{w}"' for w in [lines.partition(" =")[0].removeprefix("post.")])
    )
    caught = r.random() < 0.25
    source = r.choice(['Post.objects.order_by("pk")', *SOURCES])
    update = f"{source}.update({AS_UPDATE[lines]})" if lines in AS_UPDATE and not caught else ""
    return Ingredients(
        before="held = {0: 'a', 1: 'b', 2: 'c'}" if "held" in lines else "",
        source=source,
        works=(Work(lines, writes=writes if lines.startswith(("post.", "Log.")) and "delete" not in lines else ""),),
        around=r.choice(CATCHING) if caught else "",
        update=update,
        atomic=r.random() < 0.15,
    )  # fmt: skip


CATCHING = (
    "try:\n    work(apps)\nexcept Exception:\n    print('caught')",
    "try:\n    work(apps)\nexcept Exception as error:\n    print(type(error).__name__)",
    "import contextlib\nwith contextlib.suppress(Exception):\n    work(apps)",
    "def inner():\n    try:\n        work(apps)\n    finally:\n        return\ninner()",
    "for work_again in range(2):\n    try:\n        work(apps)\n    except Exception:\n        continue",
    "try:\n    work(apps)\nfinally:\n    print('end')",
    "work(apps)",
    *(
        ["try:\n    work(apps)\nexcept* Exception:\n    pass"]
        if sys.version_info >= (3, 11)
        else []
    ),
)


def caught(r: Random) -> Ingredients:
    """Errors that somebody catches, in a transaction or outside."""
    lines = r.choice(FAILING)
    inner = r.choice([0, 1, 2])
    if inner == 1:
        lines = f"try:\n{indent(lines, '    ')}\nexcept Exception:\n    print('no', post.pk)"
    elif inner == 2:
        lines = f"from django.db import transaction\ntry:\n    with transaction.atomic():\n{indent(lines, '        ')}\nexcept Exception:\n    pass"
    return Ingredients(
        before="held = {0: 'a', 1: 'b', 2: 'c'}" if "held" in lines else "",
        source='Post.objects.order_by("pk")',
        works=(Work(lines, writes="Log" if "Log" in lines else '"slug"'),),
        around=r.choice(CATCHING),
        atomic=r.random() < 0.3,
    )  # fmt: skip


# --- calls that nobody sees ----------------------------------------------------------------------

CHANGE = "Post.objects.filter(pk__gte=PK).update(body='!', votes=3)"
GENERATORS = (
    ("def steps():\n    for pk in range(1, 9):\n        Post.objects.filter(pk=pk).update(body='')\n        yield pk\nfixes = steps()", "next(fixes, None)"),
    ("fixes = (Post.objects.filter(pk=pk).update(body='') for pk in range(1, 9))", "next(fixes, None)"),
    ("fixes = map(lambda pk: Post.objects.filter(pk=pk).update(body=''), range(1, 9))", "next(fixes, None)"),
    ("fixes = map(lambda pk: Post.objects.filter(slug='').count(), range(1, 99))", "print(next(fixes))"),
    ("fixes = (Post.objects.filter(votes__gt=2).count() for _ in range(99))", "print(next(fixes))"),
    ("fixes = iter(Post.objects.filter(votes__gt=2).count, -1)", "print(next(fixes))"),
    ("def steps():\n    while True:\n        yield Post.objects.filter(slug='').count()\nfixes = steps()", "print(next(fixes))"),
    ("def steps():\n    while True:\n        pk = yield\n        print(Post.objects.filter(slug='', pk__gte=pk).count())\nfixes = steps()\nnext(fixes)", "fixes.send(post.pk)"),
    ("fixes = filter(lambda pk: Post.objects.filter(slug='').count() > 1, range(99))", "print(next(fixes, None))"),
    ("fixes = zip(range(99), (Log.objects.count() for _ in range(99)))", "print(next(fixes))"),
    ("import itertools\nfixes = itertools.starmap(lambda a, b: Post.objects.filter(slug='').count(), itertools.repeat((1, 2)))", "print(next(fixes))"),
    ("rows = Author.objects.iterator()", "print(next(rows, None) is None)"),
    ("fixes = (n * n for n in range(99))", "print(next(fixes))"),
    ("fixes = iter([1, 2, 3])", "next(fixes, None)"),
)  # fmt: skip


def suspended(r: Random) -> Ingredients:
    """Generators and their kind, which act where they are resumed."""
    before, inside = r.choice(GENERATORS)
    if r.random() < 0.2:
        held = "names = {a.pk: a.name for a in Author.objects.all()}"
        steps = "fixes = (Author.objects.filter(pk=pk).update(name='new') for pk in [1, 2])"
        lines = [steps, held, "list(fixes)"]
        return Ingredients(before="\n".join(lines), value="names.get(post.author_id, '')")
    return Ingredients(before=before, inside=inside)


METHODS = (
    ("save = Post.save", "save(post)"),
    (
        "others = list(Post.objects.order_by('pk'))\nfor other in others:\n    other.body = 'new'",
        "list(map(Post.save, others))",
    ),
    ("count = Post.objects.filter(slug='').count", "print(count())"),
    ("count = Log.objects.count", "print(count())"),
    (
        "from collections import defaultdict\ncounts = defaultdict(Post.objects.filter(votes__gt=2).count)",
        "print(counts[post.pk])",
    ),
    (
        "from operator import methodcaller\ncount = methodcaller('count')\nrows = Post.objects.filter(slug='')",
        "print(count(rows))",
    ),
    ("update = Post.objects.filter(votes__gt=4).update", "update(body='?')"),
    (
        "from functools import partial\nupdate = partial(Post.objects.filter(pk__gt=2).update, body='?')",
        "update()",
    ),
    ("tell = print", "tell(post.pk)"),
    ("actions = {'n': Post.objects.filter(slug='').count}", "print(actions['n']())"),
    ("count = getattr(Post.objects.filter(slug=''), 'count')", "print(count())"),
    ("count = lambda: Post.objects.filter(slug='').count()", "print(count())"),
    ("fill = str.upper", "fill(post.title)"),
    ("add = [].append", "add(post.pk)"),
    ("kept = []\nadd = kept.append", "add(post)"),
    ("create = Log.objects.create", "create(name='by hand')"),
)


def methods(r: Random) -> Ingredients:
    """Methods that are called under another name."""
    before, inside = r.choice(METHODS)
    after = "print([(p.slug, p.body, p.votes) for p in kept])" if before.startswith("kept") else ""
    return Ingredients(before=before, inside=inside, after=after)


KEPT = (
    ("hot = Post.objects.filter(slug='')", "print(len(hot))"),
    ("hot = Post.objects.filter(slug='')", "print(hot.count())"),
    ("state = dict(hot=Post.objects.filter(slug=''))", "print(len(state['hot']))"),
    ("state = {}\nstate['hot'] = Post.objects.filter(votes__gt=2)", "print(len(state['hot']))"),
    ("state = {}\nstate.update(hot=Post.objects.filter(votes__gt=2))", "print(len(state['hot']))"),
    ("state = [Post.objects.filter(slug='')]", "print(state[0].exists())"),
    ("def remember(rows, into=[]):\n    into.append(rows)\n    return into\nkept = remember(Post.objects.filter(slug=''))", "print(len(kept[0]))"),
    ("from types import SimpleNamespace\nstate = SimpleNamespace(hot=Post.objects.filter(slug=''))", "print(len(state.hot))"),
    ("hot = Post.objects.filter(slug='') if True else None", "print(sum(1 for _ in hot))"),
    ("hot, cold = Post.objects.filter(slug=''), 1", "print(bool(hot))"),
    ("hot = Log.objects.all()", "print(sorted(hot.values_list('pk', flat=True)))"),
    ("(hot := Post.objects.filter(slug=''))", "print(*sorted(p.pk for p in hot))"),
    ("author = Author.objects.first()", "print(author.posts.filter(slug='').count())"),
    ("managers = [a.posts for a in Author.objects.all()]", "[m.filter(votes=7).update(body='') for m in managers]"),
    ("hot = Author.objects.all()", "print(len(hot))"),
    ("hot = list(Author.objects.all())", "print(len(hot))"),
)  # fmt: skip


def kept(r: Random) -> Ingredients:
    """Queries that wait in some container until the body asks them."""
    before, inside = r.choice(KEPT)
    return Ingredients(before=before, inside=inside)


HOOKS = (
    ("def pop(self, pk=0):", "fixer.pop(post.pk)"),
    ("def append(self, pk=0):", "fixer.append(post.pk)"),
    ("def get(self, pk=0):", "fixer.get(post.pk)"),
    ("def all(self, pk=0):", "fixer.all()"),
    ("def strip(self, pk=0):", "fixer.strip()"),
    ("def format(self, pk=0):", "fixer.format(post.pk)"),
    ("def info(self, pk=0):", "fixer.info(post.pk)"),
    ("def __getitem__(self, pk=0):", "fixer[post.pk]"),
    ("def __setitem__(self, pk, value):", "fixer[post.pk] = 1"),
    ("def __delitem__(self, pk=0):", "del fixer[post.pk]"),
    ("def __contains__(self, pk=0):", "post.pk in fixer"),
    ("def __call__(self, pk=0):", "fixer(post.pk)"),
    ("@property\ndef total(self, pk=0):", "fixer.total"),
    ("def __getattr__(self, pk):", "fixer.anything"),
    ("def __setattr__(self, pk, value):", "fixer.anything = 1"),
    ("def __iter__(self, pk=0):", "[*fixer]"),
    ("def __str__(self, pk=0):", "f'{fixer}'"),
    ("def __format__(self, pk):", "f'{fixer:>4}'"),
    ("def __eq__(self, pk):", "fixer == 1"),
    ("def __lt__(self, pk):", "fixer < 1"),
    ("def __add__(self, pk):", "fixer + 1"),
    ("def __radd__(self, pk):", "1 + fixer"),
    ("def __iadd__(self, pk):", "fixer += 1"),
    ("def __neg__(self, pk=0):", "-fixer"),
    ("def __len__(self, pk=0):", "len(fixer)"),
    ("def __bool__(self, pk=0):", "if fixer:\n    pass"),
    ("def __hash__(self, pk=0):", "{fixer: 1}"),
    ("def __enter__(self, pk=0):", "with fixer:\n    pass"),
    ("def __index__(self, pk=0):", "[1, 2, 3][fixer]"),
    ("def __next__(self, pk=0):", "next(fixer)"),
    ("def __reversed__(self, pk=0):", "reversed(fixer)"),
)
RESULTS = {
    "__iter__": "iter([])",
    "__str__": "''",
    "__format__": "''",
    "__contains__": "True",
    "__len__": "0",
    "__bool__": "True",
    "__hash__": "1",
    "__index__": "1",
    "__eq__": "True",
    "__lt__": "True",
    "__iadd__": "self",
}
EFFECTS = (
    "Post.objects.filter(pk__gte=2).update(body='!')",
    "print(Post.objects.filter(slug='').count())",
    "print(Log.objects.count())",
    "Log.objects.create(name='hook')",
    "pass",
)


def implicit(r: Random) -> Ingredients:
    """Objects of a class of the file, whose methods run under harmless names or by operators."""
    head, use = r.choice(HOOKS)
    name = head.rpartition("def ")[2].partition("(")[0]
    body = f"{r.choice(EFFECTS)}\nreturn {RESULTS.get(name, '0')}"
    method = f"{head}\n{indent(body, '    ')}"
    extra = "def __exit__(self, *error):\n    pass" if name == "__enter__" else ""
    methods = indent("\n".join(filter(None, [method, extra])), "    ")
    before = f"class Fixer:\n{methods}\nfixer = Fixer()"
    if name == "__setattr__":
        return Ingredients(before=before, inside=use)
    if (
        r.random() < 0.3
        and not use.startswith(("if ", "with ", "del "))
        and "=" not in use.replace("==", "")
    ):
        return Ingredients(before=before, number=f"[{use}, len(post.title)][1]")
    return Ingredients(before=before, inside=use)


# --- what the project brings itself --------------------------------------------------------------

RECEIVERS = (
    ("post_init", "instance.votes = instance.votes or 4"),
    ("post_init", "instance.body"),
    ("post_init", "instance.__dict__.setdefault('body', 'x')"),
    ("pre_init", "print('init')"),
    ("pre_save", "instance.body += 'p'"),
    ("post_save", "print('saved', instance.pk, instance.slug)"),
    ("post_save", "sender.objects.filter(pk=instance.pk).update(rank=9)"),
    ("pre_delete", "print('gone', instance.title)"),
    ("post_delete", "print(sender.objects.count())"),
)
CONNECTED = (
    "SIGNAL.connect(heard)",
    "SIGNAL.connect(heard, sender=None)",
    "receiver(SIGNAL)(heard)",
    "receiver([SIGNAL])(heard)",
    "for each in [SIGNAL]:\n    each.connect(heard)",
    "def on_class(sender, **kw):\n    SIGNAL.connect(heard, sender=sender)\nsignals.class_prepared.connect(on_class)",
    "def on_class(sender, **kw):\n    if sender.__name__ == 'Post':\n        SIGNAL.connect(heard, sender=sender)\nsignals.class_prepared.connect(on_class)",
    "from shop.models import Real\nSIGNAL.connect(heard, sender=Real)",
)  # fmt: skip
REAL = """
from django.db import models


class Real(models.Model):
    title = models.CharField(max_length=20)

    class Meta:
        app_label = "shop"
"""
CONFIG = """
from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from shop import hooks
"""


def listening(r: Random) -> Ingredients:
    """Receivers of the project that hear the models of migrations, or only its own."""
    signal, action = r.choice(RECEIVERS)
    connect = r.choice(CONNECTED).replace("SIGNAL", f"signals.{signal}")
    instance = "args" if signal == "pre_init" else "instance"
    hooks = (
        "from django.db.models import signals\nfrom django.dispatch import receiver\n\n\n"
        f"def heard(sender, {instance}=None, **kw):\n    if sender.__name__ == 'Post':\n        {action}\n\n\n{connect}\n"
    )
    files = {**APP, "shop/apps.py": CONFIG, "shop/models.py": REAL, "shop/hooks.py": hooks}
    if r.random() < 0.3 and "Real" not in connect:
        files = {
            **APP,
            "shop/models.py": REAL + "\n\nfrom shop import hooks\n",
            "shop/hooks.py": hooks,
        }
    return Ingredients(files=files)


OVERRIDES = (
    "def iterator(self, *args, **kw):\n    for post in super().iterator(*args, **kw):\n        post.title += '?'\n        yield post",
    "def only(self, *names):\n    return self.exclude(votes=1)",
    "def update(self, **kw):\n    return super().update(body='upd', **kw)",
    "def delete(self):\n    return super().update(body='del')",
    "def count(self):\n    return super().count() + 100",
    "def exists(self):\n    return False",
    "def filter(self, *args, **kw):\n    return super().filter(*args, **kw).exclude(votes=1)",
    "def bulk_update(self, objs, fields, **kw):\n    print(len(objs))\n    return super().bulk_update(objs, fields, **kw)",
    "def bulk_create(self, objs, **kw):\n    print(len(objs))\n    return super().bulk_create(objs, **kw)",
    "def __iter__(self):\n    print('asked')\n    return super().__iter__()",
    "def _clone(self):\n    print('cloned')\n    return super()._clone()",
    "def recent(self):\n    return self.filter(votes__gt=0)",
    "def values_list(self, *args, **kw):\n    return super().values_list(*args, **kw)",
    "def order_by(self, *names):\n    return super().order_by(*names, '-pk')",
)
MANAGED = (
    "def get_queryset(self):\n    return super().get_queryset().filter(votes__gte=0)",
    "def get_queryset(self):\n    print('asked')\n    return super().get_queryset()",
    "def get_queryset(self):\n    return super().get_queryset().order_by('-pk')",
    "def get_queryset(self):\n    return super().get_queryset().only('title')",
    "def all(self):\n    return super().all().exclude(votes=1)",
    "def only(self, *names):\n    return super().only(*names).exclude(votes=1)",
    "def update(self, **kw):\n    print('upd')\n    return super().update(**kw)",
    "def hello(self):\n    return 1",
)


def managers(r: Random) -> Ingredients:
    """Managers and querysets of the project that migrations use."""
    rows = indent(r.choice(OVERRIDES), "    ")
    manager = indent(r.choice(MANAGED), "    ")
    text = r.choice(
        [
            f"class Rows(models.QuerySet):\n{rows}\n\nclass Kept(models.Manager.from_queryset(Rows)):\n    use_in_migrations = True\n",
            f"class Rows(models.QuerySet):\n{rows}\n\nclass Kept(models.Manager):\n    use_in_migrations = True\n"
            "    def get_queryset(self):\n        return Rows(self.model, using=self._db)\n",
            f"class Base(models.Manager):\n{manager}\n\nclass Kept(Base):\n    use_in_migrations = True\n",
            f"class Kept(models.Manager):\n    use_in_migrations = True\n{manager}\n",
        ]
    )
    files = {**APP, "shop/managers.py": f"from django.db import models\n\n{text}"}
    tables = Tables(6, manager="shop.managers.Kept()")
    counted = "rows = Post.objects.all()\nprint(len(rows))" if r.random() < 0.2 else ""
    return Ingredients(
        files=files, tables=tables, before=counted, source="rows" if counted else "", update="rows.update(votes=5)" if counted else ""
    )  # fmt: skip


# --- queries that were asked already -------------------------------------------------------------

ASKED = (
    "rows = SOURCE\nif rows:\n    print('some')",
    "rows = SOURCE\nprint(len(rows))",
    "rows = SOURCE\nprint(bool(rows))",
    "rows = SOURCE\nlist(rows)",
    "rows = SOURCE\nnames = [p.title for p in rows]",
    "rows = SOURCE\nprint(rows.count())",
    "rows = SOURCE\nprint(rows.exists())",
    "rows = SOURCE\nprint([p.pk for p in rows[:2]])",
    "rows = SOURCE\nassert rows is not None",
    "rows = SOURCE\nprint(None in rows)",
    "rows = list(SOURCE)",
    "rows = sorted(SOURCE, key=lambda p: p.pk)",
    "rows = SOURCE\nprint(rows[0].title if rows else '')",
    "rows = [p for p in SOURCE if p.votes]",
    "rows = SOURCE",
    "rows = SOURCE\nfor post in rows:\n    post.note = 'kept'",
    "rows = SOURCE\nfor post in rows:\n    print(post.note)",
    "rows = SOURCE\nPost.objects.filter(votes=7).update(votes=8)",
    "rows = list(SOURCE)\nPost.objects.filter(votes=7).update(votes=8)",
)


def asked(r: Random) -> Ingredients:
    """Rows that something has read before the loop, or reads after it."""
    before = r.choice(ASKED).replace("SOURCE", r.choice(SOURCES))
    after = r.choice(
        ["", "", "", "print(sorted(p.slug for p in rows))", "print(len(rows))", "rows = None"]
    )
    return Ingredients(before=before, source="rows", after=after)


# --- rows from elsewhere, loops left half-way, functions around them -----------------------------

SEARCHES = (
    "(Post.objects.filter(votes=0) | Post.objects.filter(live=True)) | Post.objects.filter(rank=1)",
    "Post.objects.filter(votes=0) | Post.objects.filter(live=True)",
    "(Post.objects.filter(votes__gte=0) & Post.objects.filter(live=True))",
    "Post.objects.filter(votes=0).union(Post.objects.filter(live=True))",
    'Post.objects.select_related("author")',
    'Post.objects.prefetch_related("comments").order_by("pk")',
    'Post.objects.using("default").all()',
    'Post.objects.annotate(more=models.F("votes") + 1).filter(more__gt=1)',
    "Post.objects.iterator()",
    "Post.objects.all().iterator(chunk_size=2)",
    "list(Post.objects.all())",
    "[*Post.objects.all()]",
    "sorted(Post.objects.all(), key=lambda p: -p.pk)",
    "reversed(Post.objects.all())",
    'Post.objects.order_by("pk")[1:4]',
    'Post.objects.order_by("votes", "pk")[:3]',
    "Post.objects.in_bulk().values()",
    "Post._base_manager.all()",
    "Author.objects.get(pk=1).posts.all()",
    "Author.objects.first().posts.filter(votes=0)",
    "(Post.objects.all() if True else [])",
    'Post.objects.filter(author__name="ann")',
    "Post.objects.filter(comments__number__gte=0)",
    "Post.objects.filter(comments__number=1).distinct()",
    'Post.objects.raw("SELECT * FROM shop_post ORDER BY id")',
    'Post.objects.extra(select={"one": "1"})',
    "Post.objects.none()",
    "Post.objects.filter(pk__in=[1, 2, 3])",
    "(p for p in Post.objects.all() if p.votes)",
    "[c.post for c in Comment.objects.select_related('post')]",
    "[Post.objects.first(), Post.objects.last()]",
    'Post.objects.filter(pk__in=Comment.objects.values("post"))',
    'Post.objects.exclude(slug="").exclude(author=None)',
    'Post.objects.defer("body", "note")',
    'Post.objects.only("title", "votes")',
    "filter(None, Post.objects.all())",
    "dict.fromkeys(Post.objects.all())",
)


def searches(r: Random) -> Ingredients:
    """Rows that come from all kinds of queries."""
    return Ingredients(source=r.choice(SEARCHES))


LEFT = (
    ("if post.votes > 1:\n    break", ""),
    ("if post.votes == 7:\n    raise ValueError(post.pk)", ""),
    ("if post.live:\n    continue", ""),
    ("", "print(post.pk, post.slug)"),
    ("", "post.note = 'after'\npost.save()"),
    ("rows = [post, *rows][:3]", "print([(p.pk, p.slug) for p in rows])"),
    ("seen[post.grp] = post", "print(sorted((key, p.slug, p.body) for key, p in seen.items()))"),
    ("assert post.votes < 7", ""),
    ("if post.slug in seen:\n    continue\nseen[post.slug] = 1", ""),
    ("if post.pk == 3:\n    Post.objects.filter(pk__gt=4).delete()", ""),
    ("if post.pk == 2:\n    Post.objects.create(title='new', votes=2)", ""),
    ("post.pk == 2 and Post.objects.filter(pk=5).update(votes=9, slug='other')", ""),
    ("post.comments.all().delete()", ""),
    ("post.author and post.author.delete()", ""),
    ("post.pk = None\npost.code = None", ""),
    ("post.id += 100\npost.code = None", ""),
    ("rows = locals()\nprint(len(rows))", ""),
    ("del post.title", ""),
    ("post.comments.create(text=post.slug)", ""),
    ("Comment.objects.update_or_create(post=post, text='c0', defaults={'number': post.votes})", ""),
    ("for other in Post.objects.filter(grp=post.grp):\n    other.note = post.slug\n    other.save()", ""),
    ("other = Post.objects.get(pk=post.pk)\nprint(other.slug, other.votes)", ""),
    ("if Post.objects.filter(grp=post.grp, votes=5).exists():\n    continue", ""),
    ("post.author = Author.objects.create(name=post.title)\nprint(post.author.pk)", ""),
    ("with connection.cursor() as cursor:\n    cursor.execute('select count(*), sum(votes) from shop_post')\n    print(cursor.fetchone()[0])", ""),
    ("with connection.cursor() as cursor:\n    cursor.execute('update shop_post set votes = votes + 1 where id > %s', [post.pk])", ""),
)  # fmt: skip


def left(r: Random) -> Ingredients:
    """Loops that end early, go on afterwards or look at other rows."""
    inside, after = r.choice(LEFT)
    before = "rows, seen, post = [], {}, Post.objects.order_by('pk').first() or Post()"
    if r.random() < 0.15:
        return Ingredients(
            before=before,
            after="for post in Post.objects.order_by('pk'):\n    post.note = post.slug\n    post.save()",
        )
    return Ingredients(before=before, inside=inside, after=after)


DEFINED = (
    ("def label(post):\n    return post.title.strip()", {"value": "label(post)"}),
    ("def label(post, sep='-'):\n    return sep.join([post.title, str(post.rank), post.body[:2]])", {"value": "label(post)"}),
    ("def one(post):\n    return two(post)\ndef two(post):\n    return three(post)\ndef three(post):\n    return four(post)\ndef four(post):\n"
     "    return five(post)\ndef five(post):\n    return six(post)\ndef six(post):\n    return type(post).objects.filter(slug='').count()", {"number": "one(post)"}),
    ("def one(post):\n    return two(post)\ndef two(post):\n    return three(post)\ndef three(post):\n    return four(post)\ndef four(post):\n"
     "    return five(post)\ndef five(post):\n    return six(post)\ndef six(post):\n    return post.body[:4]", {"value": "one(post)"}),
    ("def count(post, n=3):\n    return count(post, n - 1) if n else type(post).objects.filter(slug='').count()", {"number": "count(post)"}),
    ("def even(post, n=4):\n    return odd(post, n - 1) if n else post.body\ndef odd(post, n):\n    return even(post, n - 1)[:3]", {"value": "even(post)"}),
    ("def deco(f):\n    def inner(post):\n        print(type(post).objects.filter(slug='').count())\n        return f(post)\n    return inner\n"
     "@deco\ndef label(post):\n    return post.title", {"value": "label(post)"}),
    ("CACHE = {}\ndef cached(post):\n    if post.grp not in CACHE:\n        CACHE[post.grp] = type(post).objects.filter(slug='').count()\n    return CACHE[post.grp]", {"number": "cached(post)"}),
    ("from functools import lru_cache\n@lru_cache\ndef cached(kind, grp):\n    return kind.objects.filter(slug='', grp=grp).count()", {"number": "cached(Post, post.grp)"}),
    ("SEEN = []\ndef keep(post):\n    SEEN.append(post)\n    return post.title", {"value": "keep(post)", "after": "print([(p.pk, p.slug, p.votes, p.body) for p in SEEN])"}),
    ("NUMBER = 0\ndef up():\n    global NUMBER\n    NUMBER += 1\n    return NUMBER", {"number": "up()"}),
    ("def touch(post):\n    post.note = 'touched'", {"inside": "touch(post)"}),
    ("def fix(post):\n    post.note = post.title\n    post.save()", {"inside": "fix(post)"}),
    ("def fix(post, note='n'):\n    if post.rank:\n        post.note = note\n        post.save(update_fields=['note'])", {"inside": "if post.votes:\n    fix(post)\nfix(post, 'm')"}),
    ("def fix(post):\n    post.note = 'fixed'\n    post.save()", {"inside": "fix(post)\nfix(Post.objects.order_by('-pk').first())"}),
    ("def fix(post):\n    post.note = str(type(post).objects.filter(note='').count())\n    post.save()", {"inside": "fix(post)"}),
    ("def touch(**kw):\n    for name, value in kw['values'].items():\n        setattr(kw['post'], name, value)", {"inside": "touch(post=post, values={'note': 'n', 'rank': 4})"}),
    ("def touch(*rows):\n    for row in rows:\n        row.votes += 1", {"inside": "touch(post)"}),
    ("class Writer:\n    def __init__(self, post):\n        self.post = post\n    def write(self):\n        self.post.rank = 8\n        self.post.save()", {"inside": "Writer(post).write()"}),
    ("def made(kind, **kw):\n    return kind.objects.create(**kw)", {"inside": "made(Log, name='made')"}),
    ("def query(kind):\n    return kind.objects.filter(slug='')", {"number": "query(Post).count()"}),
    ("def query(kind):\n    return kind.objects.filter(slug='')", {"before": "hot = query(Post)", "inside": "print(len(hot))"}),
    ("def later(kind):\n    def inner():\n        return kind.objects.filter(slug='').count()\n    return inner", {"before": "ask = later(Post)", "number": "ask()"}),
    ("def pick(post, *names):\n    return ''.join(str(getattr(post, name)) for name in names)", {"value": "pick(post, 'body', 'note')[:9]"}),
    ("def same(post):\n    return post", {"value": "same(post).body[:3]"}),
    ("def same(post):\n    return post", {"inside": "same(post).note = 'same'"}),
)  # fmt: skip


def defined(r: Random) -> Ingredients:
    """Functions and classes of the file itself."""
    functions, uses = r.choice(DEFINED)
    return Ingredients(functions=functions, **uses)


# How others use the rows that the loop goes over, in its turns and afterwards.
SHARING = (
    ("", "Post.objects.bulk_update(page, ['note', 'slug', 'body', 'rank'])"),
    ("", "Post.objects.bulk_update(page, ['note'])"),
    ("print(len(page))", ""),
    ("", "print(page.count(), len(page), bool(page))"),
    ("print(page[0].pk)", "print([*page.values_list('pk', 'body')])"),
    ("", "print(Author.objects.filter(Exists(page.filter(author=OuterRef('pk')))).count())"),
    ("print(page[0].body)", ""),
    ("", "print([other.body for other in page])"),
    ("", "for other in page:\n    other.votes += 1\n    other.save()"),
    ("", "print([other.body for other in page.filter(votes__gt=0)])"),
)


def shared(r: Random) -> Ingredients:
    """Rows that a name holds for more than the loop."""
    inside, after = r.choice(SHARING)
    source = r.choice(['Post.objects.order_by("pk")', 'Post.objects.order_by("-pk")[:9]', *SOURCES])
    listed = r.random() < 0.3
    return Ingredients(
        imports="from django.db.models import Exists, OuterRef",
        before=f"page = list({source})" if listed else f"page = {source}",
        source="page",
        inside=inside,
        after="" if listed and "page." in after else after,
    )


# --- pairs of a many-to-many relation ------------------------------------------------------------

LINKS = (
    Work("post.readers.add(post.author_id or 1)", writes="links"),
    Work("if post.author:\n    post.readers.add(post.author)", writes="links"),
    Work("post.readers.add(post.votes % 4)", writes="links"),  # there is no author 0
    Work("post.readers.add(post.author_id)", writes="links"),  # which may be None
    Work("post.readers.add(post.author)", writes="links"),
    Work("first.read.add(post)", "first = Author.objects.get(pk=1)", writes="links"),
    Work("for author in Author.objects.filter(points__lt=3):\n    author.read.add(post)"),
    Work("post.readers.add(1)\npost.readers.add(post.pk % 3 + 1)", writes="links"),
    Work("if post.votes:\n    post.readers.add(3)\nelse:\n    post.readers.add(2)", writes="links"),
    Work("post.slug = VALUE\npost.save()\npost.readers.add(2)", writes="links"),
    Work("post.readers.add(2)\npost.votes = NUMBER\npost.save(update_fields=['votes'])", writes="links"),
    Work("Log.objects.create(name=VALUE)\npost.readers.add(1)", writes="links"),
    Work("made = Author.objects.create(name=VALUE)\npost.readers.add(made)", writes="links"),
    Work("Author.objects.filter(pk=post.author_id).update(mood=VALUE[:9])\npost.readers.add(1)", writes="links"),
    Work("post.readers.add(1)\nif post.votes > 1:\n    break", writes="links"),
)  # fmt: skip
LOOKS = (
    "print(post.readers.count())",
    "print(sorted(a.pk for a in post.readers.all()))",
    "if post.readers.exists():\n    print('read')",
    "print(Post.objects.filter(readers__isnull=False).distinct().count())",
    "print(Author.objects.annotate(n=models.Count('read')).filter(n__gt=1).count())",
    "print(post.author and post.author.read.count())",
    "print(Post.readers.through.objects.count())",
    "print(Post._meta.get_field('readers').remote_field.through.objects.count())",
    "print(apps.get_model('shop', 'Post_readers').objects.count())",
    "print([a.name for a in Author.objects.filter(read=post)])",
    "print(Author.objects.filter(read__votes__gt=0).exists())",
    "print(Comment.objects.filter(post__readers=1).count())",
    "print(getattr(post, 'readers').count())",
    "same = post.readers\nprint(same.count())",
    "print(len(Author.objects.prefetch_related('read')[0].read.all()))",
    "post.readers.remove(1)",
    "post.readers.clear()",
    "post.readers.set([2])",
    "post.readers.add(1, 2)",
    "post.readers.create(name='new')",
    "Author.objects.filter(pk=post.author_id, points=9).delete()",
    "Comment.objects.filter(post=post, number=1).delete()",
    "if post.votes == 7:\n    post.delete()",
    "connection.cursor().execute('delete from shop_post_readers where author_id = 1')",
    "print(Author.objects.filter(pk=post.author_id, mood='ok').exists())",
    "print(post.title)",
)  # fmt: skip
READERS = (
    "Post.objects.filter(readers=None)",
    "Post.objects.filter(readers=1)",
    "Post.objects.filter(readers__isnull=True).iterator()",
    "Post.objects.exclude(readers=2).iterator(chunk_size=1)",
    "Post.objects.order_by('pk').prefetch_related('readers')",
    "Post.objects.annotate(n=models.Count('readers')).filter(n=0)",
    "Post.objects.iterator()",
)


def links(r: Random) -> Ingredients:
    """Pairs that are added row by row, which the body or the query of the loop may look at."""
    return Ingredients(
        source=r.choice([*READERS, *SOURCES, *SOURCES]),
        inside=r.choice(LOOKS) if r.random() < 0.6 else "",
        works=LINKS,
        tables=Tables(r.choice([1, 4, 6, 8, 30]), linked=True),
    )


# --- lists of new rows with lists and dicts ------------------------------------------------------

_INSERT = "Log.objects.bulk_create(found)"
_IGNORE = "Log.objects.bulk_create(found, ignore_conflicts=True)"
FILLED = (
    Work("found.append(Log(name=VALUE, data=post.data))", "found = []", _INSERT, writes="Log"),
    Work("found.append(Log(name=VALUE, data={'of': post.data, 'n': [NUMBER]}))", "found = []", _INSERT, writes="Log"),
    Work("found.append(Log(name=VALUE, data=same))", "same = {'n': [1]}\nfound = []", _INSERT, writes="Log"),
    Work("found.append(Log(data=held['n']))", "held = {'n': [1]}\nfound = []", _INSERT, writes="Log"),
    Work("made = Log(name=VALUE)\nmade.data = post.data or [NUMBER]\nfound.append(made)", "found = []", _INSERT),
    Work("found.append(Log(code=VALUE[:8], number=NUMBER))", "found = []", _IGNORE, writes="Log"),
    Work("found.append(Log(code=VALUE[:3], data=post.data))", "found = []", _IGNORE, writes="Log"),
    Work("for n in range(3):\n    found.append(Log(code=f'{post.grp}{n}'))", "found = []", _IGNORE),
)  # fmt: skip
CHANGES = (
    "if post.data:\n    post.data['x'] = post.pk",
    "if post.data:\n    post.data.clear()",
    "(post.data or {}).update(x=post.pk)",
    "post.data = [post.pk]",
    "post.data = {}\npost.save()",
    "known['n'].append(post.pk)",
    "inner = known['n']\ninner += [post.pk]",
    "known.setdefault(post.grp, []).append(1)",
    "for known['last'] in [post.pk]:\n    pass",
    "del known['n'][:]",
    "[known].pop().update(y=1)",
    "seen.add(post.grp)\nprint(len(seen))",
    "change(known)",
    "change(post)",
    "held_by.data = known\nknown['z'] = post.pk",
    "print(sorted(known))",
    "print(Log.objects.count())",
    "print(post.title)",
    "Author.objects.filter(pk=post.author_id).update(points=NUMBER)",
)
CHANGERS = (
    "def change(x):\n    x['n'] = [2]",
    "def change(x):\n    print(x)",
    "def change(x):\n    getattr(x, 'data', x).update(changed=True)",
    "def change(x):\n    setattr(x, 'data', {'set': 1})",
)


def documents(r: Random) -> Ingredients:
    """Lists of rows for one ``bulk_create()`` whose values something may change until then, or that are there already."""
    name = r.choice(["same", "held", "known"])  # the first two are those of some works
    before = {"same": "known = same", "held": "known = held", "known": "known = {'n': []}"}[name]
    defined = "" if name == "known" else f"{name} = {{'n': [1]}}\n"
    return Ingredients(
        functions=r.choice(CHANGERS),
        before=f"{defined}{before}\nseen = set()\nheld_by = Post.objects.first()",
        inside=r.choice(CHANGES).replace("NUMBER", "post.pk") if r.random() < 0.8 else "",
        works=tuple(
            replace(work, before=work.before.replace(f"{name} = {{'n': [1]}}\n", ""))
            for work in FILLED
        ),
        tables=Tables(r.choice([1, 6, 8, 30, 700]), stamped=True, documents=True),
    )


KINDS: dict[str, Kind] = {
    "imported": imported,
    "libraries": libraries,
    "objects": objects,
    "order": order,
    "own table": own_table,
    "columns": columns,
    "failing": failing,
    "caught": caught,
    "suspended": suspended,
    "methods": methods,
    "kept": kept,
    "implicit": implicit,
    "listening": listening,
    "managers": managers,
    "asked": asked,
    "searches": searches,
    "left": left,
    "links": links,
    "documents": documents,
    "defined": defined,
    "shared": shared,
}
