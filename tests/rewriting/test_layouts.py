"""What is laid out and edited without black and LibCST is what these would make of it."""

from __future__ import annotations

import black
import pytest

from migfix.findings import ChainCall, ReplaceLoop, WrapRows
from migfix.rewriting.edits import LoopEdits
from migfix.rewriting.headers import header_of, in_place_of
from migfix.rewriting.loops import edited_inside
from migfix.rewriting.plain import laid_out
from migfix.rewriting.style import Style

PLAIN = [
    'Post.objects.filter(kind=1, name="a").update(kind=F("kind") + 1, done=None)\n',
    "Post.objects.filter(name='a', title='say \"so\"', other=\"it's\").delete()\n",
    "from ._migfix import stream, update_in_batches\n",
    "rows = [1, True, f(x)]\n",
    "for i, row in enumerate(Post.objects.order_by('pk')):\n    pass\n",
    "with update_in_batches('kind') as batch:\n    pass\n",
]
OTHERS = [
    "f(a,b)\n",
    "f(a, )\n",
    "f((a))\n",
    "f(a)  # why\n",
    "f(0xFF)\n",
    "f(1_0)\n",
    "f(a ** b)\n",
    "f(a or b)\n",
    "f(u'a')\n",
    "f(R'a')\n",
    "f('\\d')\n",
    "f('it\\'s')\n",
    "f('''a''')\n",
    "f('ä')\n",
    "f('a' 'b')\n",
    "f(\n    a\n)\n",
    "f(**{})\n",
    "f(*a)\n",
    "'text'\n",
    "for (a) in f():\n    pass\n",
    "for a in (f()):\n    pass\n",
    "for a in f(): pass\n",
    "from a import (b)\n",
    "from a import b as c\n",
    "a; b\n",
]


@pytest.mark.parametrize("quotes", [True, False])
@pytest.mark.parametrize("statement", PLAIN)
def test_what_is_plain_is_what_black_makes_of_it(statement, quotes):
    mode = black.Mode(line_length=88, string_normalization=quotes)
    assert laid_out(statement, 88, quotes=quotes) == black.format_str(statement, mode=mode)


@pytest.mark.parametrize("statement", OTHERS)
def test_what_may_be_written_in_another_way_is_for_black(statement):
    assert laid_out(statement, 88, quotes=True) is None


def test_what_does_not_fit_is_for_black():
    assert laid_out("f(a, b)\n", 7, quotes=True) == "f(a, b)\n"
    assert laid_out("f(a, b)\n", 6, quotes=True) is None


HEADERS = {
    "rows": (),
    "rows.all()": (),
    "rows.filter(a='x')": (),
    "rows.all().iterator(chunk_size=5)": (),
    "a + b": (),
    "list(rows.all())": ("list",),
    "enumerate(rows.filter(a='x'), start=1)": ("enumerate",),
    "enumerate(list(rows), 1)": ("enumerate", "list"),
    "tqdm(rows, total=n)": ("tqdm",),
}
EDITS = [
    [ChainCall("only", "'a', \"b\"", replaces_all=True)],
    [ChainCall("defer", '"a"'), ChainCall("iterator")],
    [WrapRows("stream", 'mode="spool"')],
    [ChainCall("only", '"a"'), WrapRows("_migfix.stream")],
]


class _Rewrite:
    imports = ()

    def __init__(self, edit):
        self.edit = edit


def edits_of(edits, wrappers=()):
    return LoopEdits(tuple(map(_Rewrite, edits)), wrappers)


@pytest.mark.parametrize("edits", EDITS)
@pytest.mark.parametrize("rows", HEADERS)
@pytest.mark.parametrize("width", [88, 40])
def test_a_header_is_edited_as_by_libcst(rows, edits, width):
    wrappers, style = HEADERS[rows], Style(line_length=width)
    line = f"        for row in {rows}:\n"
    by_libcst = edited_inside(line, " " * 12, {0: edits_of(edits, wrappers)}, [8], style)
    assert header_of(line, wrappers, edits, style, 8) in {by_libcst, None}
    if rows != "a + b":
        assert header_of(line, wrappers, edits, style, 8) == by_libcst


@pytest.mark.parametrize(
    "line",
    [
        "    for row in rows:  # why\n",
        "    for row in (rows):\n",
        "    for row in  rows:\n",
        "    for row in rows: f()\n",
        "    for row in rows :\n",
        "    for row in rows[1:]:\n",
        "    for row in {}:\n",
        "    else: for row in rows:\n",
    ],
)
def test_other_headers_are_for_libcst(line):
    assert header_of(line, (), EDITS[0], Style(), 4) is None


def test_statements_in_place_of_a_loop_are_those_of_libcst():
    lines = ("Post.objects.update(kind=1)", f"Post.objects.update({'kind' * 30}=1)")
    text = "    for post in posts:\n        post.save()\n\n"
    by_libcst = edited_inside(text, "", {0: edits_of([ReplaceLoop(lines)])}, [4], Style())
    assert f"{in_place_of(text, lines, Style(), 4)}\n" == by_libcst
    assert in_place_of(text, ['f("""\n""")'], Style(), 4) is None
