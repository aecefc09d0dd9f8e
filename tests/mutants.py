"""Other migrations made of a migration's text: statements and tokens moved about, and odd syntax.

``mutant(source, r)`` applies one to three of ``MUTATORS``, functions that draw a place with ``r`` and return
another text, or None where they find no place. What comes out is Python; what it does is nobody's matter.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from random import Random
from textwrap import dedent, indent
from typing import TypeVar

Found = TypeVar("Found", bound=ast.AST)
SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.Assert, ast.Delete, ast.Pass, ast.Import)
LAYOUT = {
    tokenize.NEWLINE,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.COMMENT,
}


@dataclass
class Text:
    """A migration's source, with what mutators ask of it."""

    source: str
    r: Random

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def lines(self) -> list[str]:
        return self.source.splitlines(keepends=True)

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        """Tokens within functions, or all where there is none."""
        every = list(tokenize.generate_tokens(io.StringIO(self.source).readline))
        spans = [(f.lineno, f.end_lineno or 0) for f in self.functions]
        return [t for t in every if any(a <= t.start[0] <= b for a, b in spans)] or every

    @cached_property
    def functions(self) -> list[ast.FunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]

    @cached_property
    def loops(self) -> list[ast.For]:
        return [node for f in self.functions for node in ast.walk(f) if isinstance(node, ast.For)]

    @cached_property
    def near(self) -> list[ast.AST]:
        """Nodes of functions; those of loops come up twice."""
        roots: list[ast.AST] = [*(self.functions or [self.tree]), *self.loops]
        return [node for root in roots for node in ast.walk(root)]

    def one(self, *kinds: type[Found], among: list[ast.AST] | None = None) -> Found | None:
        """A node of one of the kinds, or None."""
        found = [n for n in (self.near if among is None else among) if isinstance(n, kinds)]
        return self.r.choice(found) if found else None

    def statement(self) -> ast.stmt | None:
        found = [
            n for n in self.near if isinstance(n, ast.stmt) and not isinstance(n, ast.FunctionDef)
        ]
        return self.r.choice(found) if found else None

    def offset(self, line: int, column: int) -> int:
        """The index into the source of a position of ``ast``, which counts bytes."""
        text = self.lines[line - 1].encode()[:column].decode()
        return sum(map(len, self.lines[: line - 1])) + len(text)

    def span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.stmt | ast.expr)
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(node.end_lineno or 0, node.end_col_offset or 0)

    def of(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.source[start:end]

    def instead(self, node: ast.AST, text: str) -> str:
        start, end = self.span(node)
        return self.source[:start] + text + self.source[end:]

    def whole(self, node: ast.stmt) -> tuple[int, int, str]:
        """The lines of a statement as a slice, and its indentation."""
        first = self.lines[node.lineno - 1]
        return node.lineno - 1, node.end_lineno or 0, first[: len(first) - len(first.lstrip())]

    def around(self, node: ast.stmt, text: str) -> str | None:
        """Other lines for those of a statement; BODY is the statement."""
        start, end, space = self.whole(node)
        body = dedent("".join(self.lines[start:end])).rstrip("\n")
        parts = []
        for line in text.split("\n"):
            inner = line[: len(line) - len(line.lstrip())]
            parts.append(indent(body, inner) if line.strip() == "BODY" else line)
        said = indent("\n".join(parts), space) + "\n"
        return "".join(self.lines[:start]) + said + "".join(self.lines[end:])


Mutator = Callable[[Text], str | None]


# --- statements and tokens -----------------------------------------------------------------------


def statement_deleted(text: Text) -> str | None:
    node = text.statement()
    return text.around(node, "pass") if node else None


def statement_doubled(text: Text) -> str | None:
    node = text.statement()
    return text.around(node, "BODY\nBODY") if node else None


def statements_swapped(text: Text) -> str | None:
    blocks = [
        b for n in text.near if isinstance(b := getattr(n, "body", None), list) and len(b) > 1
    ]
    if not blocks:
        return None
    block = text.r.choice(blocks)
    number = text.r.randrange(len(block) - 1)
    (a, b, _), (c, d, _) = text.whole(block[number]), text.whole(block[number + 1])
    if b > c:
        return None
    lines = text.lines
    return "".join([*lines[:a], *lines[c:d], *lines[b:c], *lines[a:b], *lines[d:]])


def statement_moved_out(text: Text) -> str | None:
    """The last statement of a loop comes after it, or the one after a loop into it."""
    loop = text.one(ast.For, among=[*text.loops])
    if loop is None or len(loop.body) < 2:
        return None
    start, end, _ = text.whole(loop.body[-1])
    space = text.whole(loop)[2]
    moved = indent(dedent("".join(text.lines[start:end])), space)
    return "".join([*text.lines[:start], moved, *text.lines[end:]])


def _token(text: Text) -> tuple[int, int, tokenize.TokenInfo] | None:
    found = [t for t in text.tokens if t.type not in LAYOUT]
    if not found:
        return None
    token = text.r.choice(found)
    starts = sum(map(len, text.lines[: token.start[0] - 1])) + token.start[1]
    ends = sum(map(len, text.lines[: token.end[0] - 1])) + token.end[1]
    return starts, ends, token


def token_deleted(text: Text) -> str | None:
    found = _token(text)
    return text.source[: found[0]] + text.source[found[1] :] if found else None


def token_doubled(text: Text) -> str | None:
    found = _token(text)
    if not found:
        return None
    return f"{text.source[: found[1]]} {found[2].string}{text.source[found[1] :]}"


def token_replaced(text: Text) -> str | None:
    one, other = _token(text), _token(text)
    if not one or not other:
        return None
    return f"{text.source[: one[0]]} {other[2].string} {text.source[one[1] :]}"


def tokens_swapped(text: Text) -> str | None:
    one, other = (
        sorted(filter(None, [_token(text), _token(text)]), key=lambda t: t[0]) or [None] * 2
    )
    if not one or not other or one[1] > other[0]:
        return None
    source = text.source
    return f"{source[: one[0]]}{other[2].string}{source[one[1] : other[0]]}{one[2].string}{source[other[1] :]}"


def name_replaced(text: Text) -> str | None:
    one, other = text.one(ast.Name), text.one(ast.Name)
    return text.instead(one, other.id) if one and other else None


def expression_replaced(text: Text) -> str | None:
    one, other = text.one(ast.expr), text.one(ast.expr)
    return text.instead(one, f"({text.of(other)})") if one and other else None


# --- odd expressions -----------------------------------------------------------------------------

EXPRESSIONS = (
    "(EXPR)",
    "((EXPR))",
    "( EXPR )",
    "(\n EXPR\n)",
    "(  # COMMENT\n EXPR)",
    "(EXPR  # COMMENT\n)",
    "(given := EXPR)",
    "(lambda: EXPR)()",
    "(EXPR if True else None)",
    "(EXPR or None)",
    "[EXPR][0]",
    "(EXPR,)[0]",
    "[*[EXPR]][-1]",
    "[one for one in [EXPR]][0]",
    "next(iter([EXPR]))",
    "{None: EXPR}[None]",
    "(not not EXPR)",
    "(EXPR) \\\n  ",
    "(await_ := EXPR)",
    'f"{EXPR}"',
    'f"{EXPR!r:>{3}}"',
    "f'{(lambda: 1)()}{ {1: 2}[1] }' and (EXPR)",
    "(EXPR,)",
    "*EXPR,",
)


def expression_dressed(text: Text) -> str | None:
    node = text.one(ast.expr)
    if node is None:
        return None
    shape = text.r.choice(EXPRESSIONS)
    return text.instead(
        node, shape.replace("EXPR", text.of(node)).replace("COMMENT", _remark(text))
    )


def call_dressed(text: Text) -> str | None:
    node = text.one(ast.Call)
    if node is None:
        return None
    name, arguments = text.of(node.func), [text.of(a) for a in node.args]
    keywords = [
        f"{k.arg}={text.of(k.value)}" if k.arg else f"**{text.of(k.value)}" for k in node.keywords
    ]
    every = ", ".join([*arguments, *keywords])
    pairs = ", ".join(f'"{k.arg}": {text.of(k.value)}' for k in node.keywords if k.arg)
    shapes = [
        f"{name}(*[{', '.join(arguments)}]{''.join(', ' + k for k in keywords)})",
        f"{name}({''.join(a + ', ' for a in arguments)}**{{{pairs}}})",
        f"{name} ({every})",
        f"{name}(\n{every}\n)",
        f"{name}({every}{',' if every else ''})",
        f"{name}(  # {_remark(text)}\n {every})",
        f"{name}({every}\n# {_remark(text)}\n)",
        f"({name})({every})",
        f"(lambda *a, **k: {name}(*a, **k))({every})",
        f"{name}({every}).__class__",
        f"getattr({name}, '__call__')({every})",
    ]
    return text.instead(node, text.r.choice(shapes))


def chain_broken(text: Text) -> str | None:
    """A dot stands on a line of its own."""
    node = text.one(ast.Attribute)
    if node is None:
        return None
    value, name = text.of(node.value), node.attr
    shapes = [
        f"({value}\n.{name})",
        f"({value}  # {_remark(text)}\n  # more\n  .{name})",
        f"{value} . {name}",
        f"{value}.\\\n{name}",
    ]
    return text.instead(node, text.r.choice(shapes))  # fmt: skip


def text_dressed(text: Text) -> str | None:
    node = text.one(ast.Constant)
    if node is None or not isinstance(node.value, str) or "\n" in node.value:
        return None
    said = repr(node.value)
    shapes = [
        f"'' {said}",
        f"({said}\n'')",
        f"r{said}",
        f"f{said}",
        f"'''{node.value}'''",
        f"u{said}",
        f"({said} # {_remark(text)}\n '')",
    ]
    return text.instead(node, text.r.choice(shapes))  # fmt: skip


# --- odd statements ------------------------------------------------------------------------------

STATEMENTS = (
    "BODY;",
    "pass; BODY",
    "BODY\npass;",
    "if True:\n    BODY",
    "if True: # COMMENT\n    BODY\nelse: pass",
    "match 0:\n    case _:\n        BODY",
    "match [1, *[]]:\n    case [one, *_] if one:\n        BODY\n    case {'k': 1, **rest}: pass",
    "try:\n    BODY\nfinally:\n    pass",
    "try:\n    BODY\nexcept ValueError as error: pass\nelse: pass",
    "with open('/dev/null') as file:\n    BODY",
    "while 1:\n    BODY\n    break",
    "for _ in [1]:\n    BODY\nelse:\n    pass",
    "for _ in [1]:\n    BODY\n    continue",
    "def inner():\n    BODY\ninner()",
    "def inner(a=[], /, b=1, *c, d=2, **e) -> 'int':\n    BODY\ninner()",
    "@(lambda f: f)\ndef inner():\n    BODY",
    "async def inner():\n    BODY",
    "class Inner:\n    BODY",
    "BODY\nreturn",
    "return\nBODY",
    "BODY\nyield",
    "BODY\nraise ValueError('no') from None",
    "# COMMENT\nBODY",
    "BODY\n# COMMENT",
    "BODY\n        # COMMENT\n",
    "\x0c\nBODY",
    "\n\n\nBODY\n\n\n",
    "BODY  # COMMENT",
    "BODY\nassert 1, 'one'",
    "BODY\nglobal everything",
    "global everything\nBODY\neverything = 1",
    "one = two = 1\nBODY\ndel one, two",
    "one: int = 1\nBODY",
    "one: int\nBODY",
    "one, *rest = [1, 2]\nBODY",
    "if (one := 1): BODY",
    "if 1: pass\nelif 2: BODY",
    "try: BODY\nfinally: pass",
    "'a text'\nBODY",
    "BODY\n...",
    "from math import *\nBODY",
    "import math as mathematics; BODY",
    "lambda: (yield)\nBODY",
    "print(end='', *[], **{})\nBODY",
    "exec('')\nBODY",
    "locals()['one'] = 1\nBODY",
)  # fmt: skip


def statement_dressed(text: Text) -> str | None:
    node = text.statement()
    if node is None:
        return None
    shape = text.r.choice(STATEMENTS).replace("COMMENT", _remark(text))
    return text.around(node, shape)


def names_global(text: Text) -> str | None:
    """A name of a function becomes one of the module."""
    function = text.one(ast.FunctionDef)
    if function is None:
        return None
    names = sorted(
        {
            n.id
            for n in ast.walk(function)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
    )
    if not names:
        return None
    first = function.body[0]
    return text.around(first, f"global {text.r.choice(names)}\nBODY")


def name_deleted(text: Text) -> str | None:
    node, name = text.statement(), text.one(ast.Name)
    return text.around(node, f"BODY\ndel {name.id}") if node and name else None


def assigned_otherwise(text: Text) -> str | None:
    node = text.one(ast.Assign)
    if node is None or len(node.targets) != 1:
        return None
    target, value = text.of(node.targets[0]), text.of(node.value)
    shapes = [
        f"{target}: int = {value}",
        f"{target} = also = {value}",
        f"({target}) = {value}",
        f"[{target}] = [{value}]",
        f"{target}, other = {value}, 1",
        f"{target} = {value}; pass",
        f"{target} = \\\n  {value}",
        f"{target} = ({value})  # type: int",
        f"{target} = {value},",
        f"if 1: {target} = {value}",
        f"for {target} in [{value}]: pass",
        f"with x as {target}: pass",
        f"{target} = {value} = {value}",
        f"{target} = yield {value}",
    ]
    return text.instead(node, text.r.choice(shapes))


def loop_header_dressed(text: Text) -> str | None:
    loop = text.one(ast.For, among=[*text.loops])
    if loop is None:
        return None
    target, rows = text.of(loop.target), text.of(loop.iter)
    start, _ = text.span(loop)
    end = text.span(loop.iter)[1]
    if text.source[end : end + 1] != ":":
        return None
    shapes = [
        f"for {target} in ({rows})",
        f"for ({target}) in {rows}",
        f"for [{target}] in [{rows}]",
        f"for {target} in {rows},",
        f"for {target} in \\\n  {rows}",
        f"for {target} in (  # {_remark(text)}\n  {rows}\n  )",
        f"for {target} in ({rows}  # {_remark(text)}\n  # {_remark(text)}\n  )",
        f"for  {target}  in  {rows} ",
        f"for\t{target} in\t{rows}",
        f"for {target} in list({rows})",
        f"for {target} in (each for each in {rows})",
        f"for number, {target} in enumerate({rows})",
        f"for {target} in [*{rows}]",
        f"for {target} in (given := {rows})",
        f"for {target} in {rows} if True else []",
        f"async for {target} in {rows}",
        f"for {target} in (lambda: {rows})()",
        f"for _ in range(2):\n {' ' * loop.col_offset}for {target} in {rows}",
    ]
    shape = text.r.choice(shapes)
    return text.source[:start] + shape + text.source[end:]


def loop_on_one_line(text: Text) -> str | None:
    loop = text.one(ast.For, among=[*text.loops])
    if loop is None or any(not isinstance(s, SIMPLE) for s in loop.body) or loop.orelse:
        return None
    body = "; ".join(text.of(s) for s in loop.body)
    end = text.r.choice(["", ";", " ;", f"  # {_remark(text)}"])
    return text.instead(loop, f"for {text.of(loop.target)} in {text.of(loop.iter)}: {body}{end}")


def statements_on_one_line(text: Text) -> str | None:
    blocks = [
        b for n in text.near if isinstance(b := getattr(n, "body", None), list) and len(b) > 1
    ]
    if not blocks:
        return None
    block = text.r.choice(blocks)
    number = text.r.randrange(len(block) - 1)
    one, other = block[number], block[number + 1]
    if not isinstance(one, SIMPLE) or not isinstance(other, SIMPLE):
        return None
    start, end = text.span(one)[0], text.span(other)[1]
    last = text.r.choice(["", ";"])
    return f"{text.source[:start]}{text.of(one)};{text.of(other)}{last}{text.source[end:]}"


def loop_with_else(text: Text) -> str | None:
    loop = text.one(ast.For, among=[*text.loops])
    if loop is None or loop.orelse:
        return None
    return text.around(loop, f"BODY\nelse:  # {_remark(text)}\n    pass")


def function_dressed(text: Text) -> str | None:
    function = text.one(ast.FunctionDef, among=[*text.functions])
    if function is None or function.decorator_list:
        return None
    shapes = [
        "@staticmethod\nBODY",
        "@(lambda f: f)\nBODY",
        "if True:\n    BODY",
        "try:\n    BODY\nexcept ImportError: pass",
        "class Holder:\n    BODY",
        "def outer():\n    BODY\n    return 1",
        "\x0c\nBODY",
        f"# {_remark(text)}\nBODY\n# {_remark(text)}",
    ]
    return text.around(function, text.r.choice(shapes))


# --- comments and layout -------------------------------------------------------------------------


def _remark(text: Text) -> str:
    return f"remark {text.r.randrange(10**6)}{text.r.choice(['', ' #', ' é', '  ', ' noqa', ' type: ignore', '!' * 90])}".rstrip()


def comment_behind(text: Text) -> str | None:
    """At the end of a line of code."""
    ends = [
        n
        for n, t in enumerate(text.tokens)
        if t.type in {tokenize.NEWLINE, tokenize.NL}
        and n
        and text.tokens[n - 1].type not in {tokenize.COMMENT, tokenize.NL}
    ]
    if not ends:
        return None
    line, column = text.tokens[text.r.choice(ends)].start
    place = sum(map(len, text.lines[: line - 1])) + column
    return f"{text.source[:place]}  # {_remark(text)}{text.source[place:]}"


def comment_within(text: Text) -> str | None:
    """After an opening bracket or a comma."""
    found = [t for t in text.tokens if t.string in {"(", "[", "{", ","}]
    if not found:
        return None
    line, column = text.r.choice(found).end
    place = sum(map(len, text.lines[: line - 1])) + column
    return f"{text.source[:place]}  # {_remark(text)}\n{text.source[place:]}"


def comment_between(text: Text) -> str | None:
    """On a line of its own, at any indentation."""
    starts = [t.start[0] for t in text.tokens if t.type == tokenize.NEWLINE]
    if not starts:
        return None
    line = text.r.choice(starts)
    space = " " * text.r.choice([0, 2, 4, 8, 12])
    return "".join([*text.lines[:line], f"{space}# {_remark(text)}\n", *text.lines[line:]])


def laid_out_otherwise(text: Text) -> str | None:
    source = text.source
    tabs = "".join(
        "\t" * ((len(line) - len(line.lstrip(" "))) // 4) + line.lstrip(" ") for line in text.lines
    )
    first = text.r.choice(text.lines)
    shapes = [
        tabs,
        source.replace("\n", "\r\n"),
        source.replace("\n", "\r"),
        source.replace("\n", "\r\n", text.r.randrange(1, 20)),
        "\ufeff" + source,
        source.rstrip("\n"),
        source + "\n\n\n",
        source + "# " + _remark(text),
        source + "\x0c\n",
        f"#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# {_remark(text)}\n{source}",
        f'"""What it does."""; x = 1\n{source}',
        f"from __future__ import annotations; import math\n{source}",
        source.replace(first, first.rstrip("\n") + "   \n", 1),
        source.replace(" = ", "=").replace(", ", ","),
        source.rstrip("\n") + " \\\n\n",
        source.rstrip("\n") + ";\n",
    ]
    return text.r.choice(shapes)


def backslash_inserted(text: Text) -> str | None:
    """Between two tokens of a line."""
    pairs = [
        (a, b)
        for a, b in zip(text.tokens, text.tokens[1:], strict=False)
        if a.type not in LAYOUT and b.type not in LAYOUT and a.end[0] == b.start[0]
    ]
    if not pairs:
        return None
    one, other = text.r.choice(pairs)
    line = sum(map(len, text.lines[: one.end[0] - 1]))
    before, after = line + one.end[1], line + other.start[1]
    space = " " * text.r.choice([0, 1, 8])
    return f"{text.source[:before]} \\\n{space}{text.source[after:]}"


MUTATORS: tuple[Mutator, ...] = (
    statement_deleted,
    statement_doubled,
    statements_swapped,
    statement_moved_out,
    token_deleted,
    token_doubled,
    token_replaced,
    tokens_swapped,
    name_replaced,
    expression_replaced,
    expression_dressed,
    expression_dressed,
    call_dressed,
    call_dressed,
    chain_broken,
    text_dressed,
    statement_dressed,
    statement_dressed,
    statement_dressed,
    names_global,
    name_deleted,
    assigned_otherwise,
    loop_header_dressed,
    loop_header_dressed,
    loop_on_one_line,
    statements_on_one_line,
    loop_with_else,
    function_dressed,
    comment_behind,
    comment_behind,
    comment_within,
    comment_within,
    comment_between,
    laid_out_otherwise,
    backslash_inserted,
)


def mutant(source: str, r: Random) -> tuple[str, list[str]]:
    """Another migration, and the names of the mutators that made it."""
    names: list[str] = []
    for _ in range(r.choice([1, 1, 2, 3])):
        for _ in range(20):
            mutator = r.choice(MUTATORS)
            changed = _tried(mutator, source, r)
            if changed is not None:
                source = changed
                names.append(mutator.__name__)
                break
    return source, names


def _tried(mutator: Mutator, source: str, r: Random) -> str | None:
    """The mutator's text where that is Python."""
    try:
        changed = mutator(Text(source, r))
    except (tokenize.TokenError, SyntaxError):  # an earlier one wrote what has no tokens
        return None
    if changed is None or changed == source:
        return None
    return changed if compiles(changed) else None


def compiles(source: str | bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "<mutant>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return False
    return True
