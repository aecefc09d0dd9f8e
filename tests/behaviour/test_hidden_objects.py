"""Objects whose text is a query, put by any way of Python's where a loop reads texts: its saves wait for nothing then.

``c`` counts the rows that were saved already whenever it is formatted. Each case puts it into what held
texts alone, and the loop saves what it reads there.
"""

from __future__ import annotations

import pytest

from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Post", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=50, default="")),
    ("slug", models.CharField(max_length=50, default="")),
    ("data", models.JSONField(default=dict)),
]),
"""
ROWS = {"Post": [{"title": f"title {n}", "slug": f"s{n}", "data": {"a": "x"}} for n in range(4)]}
FUNCTION = """
import bisect
import contextlib
import functools
import heapq
import itertools
import operator
from collections import defaultdict


def set_title(row, value):
    row.title = value


def forwards(apps, schema_editor):
    Post = apps.get_model("shop", "Post")

    class Count(str):
        def __format__(self, how):
            return str(Post.objects.filter(slug__contains="-").count())

    c = Count()
    BEFORE
    for post in Post.objects.order_by("pk"):
        post.slug = f"{post.pk}-READ"
        post.save()
"""
LIST = "l = ['a']\n"
DICT = "d = {'a': 'x'}\n"


def function(before: str, read: str) -> str:
    return FUNCTION.replace("BEFORE", before.replace("\n", "\n    ")).replace("READ", read)


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_without_any_the_saves_wait(database):
    before = function(LIST + DICT, "{l[-1]}{d['a']}")
    after, outcome = rewritten(MODELS, before)
    assert "MF301" in outcome.loops[0].codes
    run_both(MODELS, before, after, ROWS, database=database)


def check(before: str, read: str) -> None:
    """The texts that are stored show that it ran; migfix leaves each save where it is."""
    text = function(before, read)
    after, outcome = rewritten(MODELS, text)
    assert all("MF301" not in loop.codes for loop in outcome.loops)
    run_both(MODELS, text, after, ROWS)


PUTS = [
    "add = l.append\nadd(c)",
    "list(map(l.append, [c]))",
    "functools.partial(l.append, c)()",
    "sorted([c], key=l.append)",
    "[0 for l[0] in [c]]",
    "z = [l]\nz[0].append(c)",
    "z = {1: l}\nz[1].append(c)",
    "z = defaultdict(lambda: l)\nz[1].append(c)",
    "def f():\n    return l\nf().append(c)",
    "m = l\nm[0], y = c, 1",
    "m = l\nfor m[0] in [c]:\n    pass",
    "m = l\nm += [c]",
    "m = l\nadd = m.append\nadd(c)",
    "m = l\nm.__iadd__([c])",
    "m = l\ngetattr(m, 'append')(c)",
    "eval('l.append(c)')",
    "import builtins\nbuiltins.eval('l.append(c)')",
    "import sys\nsys._getframe().f_locals['l'].append(c)",
    "def f():\n    return l[0]\nf.__closure__[0].cell_contents.append(c)",
    "m = list(Post.objects.all())\nm.append(c)\nl = m",
    "locals()['l'].append(c)",
    "vars()['l'].append(c)",
    "m = l\noperator.setitem(m, 0, c)",
    "m = l\noperator.iadd(m, [c])",
    "m = l\nheapq.heappush(m, c)\nm[-1], m[0] = m[0], m[-1]",
    "m = l\nbisect.insort(m, c)\nm.reverse()",
    "m = l\noperator.methodcaller('append', c)(m)",
    "m = l\nput = operator.setitem\nput(m, 0, c)",
    "p = Post.objects.first()\nl = p.data\noperator.setitem(l, 'a', c)\nl = [l['a']]",
]


@pytest.mark.parametrize("put", PUTS)
def test_into_a_list(put):
    check(LIST + put, "{l[-1]}")


@pytest.mark.parametrize(
    "put",
    [
        "z = {'d': d}\nz['d']['a'] = c",
        "class C: pass\no = C()\no.__dict__ = d\no.a = c",
        "d = defaultdict(str)\nd.default_factory = lambda: c",
    ],
)
def test_into_a_dict(put):
    check(DICT + put, "{d['a']}")


OPERATORS = [
    ("__radd__", "l + K()"),
    ("__add__", "x = K() + l"),
    ("__eq__", "l == K()"),
    ("__contains__", "l in K()"),
    ("__gt__", "l < K()"),
    ("__rmod__", "m = l\nm % K()"),
    ("__rmatmul__", "m = l\nm @= K()"),
    ("__ior__", "k = K()\nk |= l"),
    ("__setitem__", "m = l\nk = K()\nk[m] = 1"),
]


@pytest.mark.parametrize(("method", "used"), OPERATORS)
def test_by_an_operator_of_a_class(method, used):
    by = f"class K:\n    def {method}(self, other, *more):\n        other.append(c)\n        return other\n"
    check(LIST + by + used, "{l[-1]}")


# Code of another module, of which it is not known whether it puts anything in.
ELSEWHERE = [
    "m = l\nfill(m)",
    "class C: pass\no = C()\no.x = l\nfill(o.x)",
    "class C: pass\no = C()\no.x = l\nfill(o)",
    "def f(m=l):\n    fill(m)\nf()",
    "def f():\n    return l\nfill(f)",
    "m = l\nlist(map(fill, [m]))",
    "m = l\nput = fill\nput(m)",
    "m = l\nfill.put(m)",
    "m = l\nk = fill()\nk.add(m)",
    "m = l\nk = fill()\nk.x = m",
    "m = l\nk = fill()\nsetattr(k, 'x', m)",
    "m = l\nm == fill()",
    "m = l\nx = [fill()]\nm in x",
    "@fill\ndef f():\n    return l",
]


@pytest.mark.parametrize("given", ELSEWHERE)
def test_where_code_of_another_module_may_put_it(given):
    _, outcome = rewritten(MODELS, function(f"from tools import fill\n{LIST}{given}", "{l[-1]}"))
    assert all("MF301" not in loop.codes for loop in outcome.loops)


KEPT = [
    "l == ['b']",
    "l += ['b']",
    "m = l\nm == ['b']",
    "m = l\nx = m + ['b']",
    "m = l\nx = '%s' % m",
    "m = l\nprint(sorted(m), len(m))",
    "m = l\nx = operator.add(m, ['b'])",
    "m = l\nx = list(map(str.upper, m))",
    "from tools import fill\np = Post.objects.first()\nm = l\nx = fill(p.title)",
]


@pytest.mark.parametrize("before", KEPT)
def test_what_puts_nothing_in_leaves_the_saves_to_wait(before):
    _, outcome = rewritten(MODELS, function(LIST + before, "{l[-1]}"))
    assert any("MF301" in loop.codes for loop in outcome.loops)


SETS = [
    "set_title(p, c)",
    "[0 for p.title in [c]]",
    "p.__setattr__('title', c)",
    "object.__setattr__(p, 'title', c)",
    "functools.partial(setattr, p, 'title')(c)",
    "put = setattr\nput(p, 'title', c)",
    "list(map(setattr, [p], ['title'], [c]))",
    "for name in ('title',):\n    setattr(p, name, c)",
    "class Adds:\n    def __radd__(self, other):\n        return c\np.title += Adds()",
    "with contextlib.nullcontext((c, 1)) as (p.title, y):\n    pass",
    "for y, p.title in [(1, c)]:\n    pass",
    "p = Post(title=c)",
    "p = Post(**{'title': c})",
    "d = {'title': c}\np = Post(**d)",
    "p = Post(None, c)",
    "p = Post.objects.create(title=c, slug='x')\nPost.objects.filter(slug='x').delete()",
]


@pytest.mark.parametrize("put", SETS)
def test_as_an_attribute_of_a_row(put):
    check(f"p = Post.objects.first()\n{put}", "{p.title}")
