"""SQL in a migration: its text, as far as that is written out, and what kind of statement it is."""

from __future__ import annotations

import ast
import re
from string import Formatter

from migfix.reading.kinds.values import SchemaEditor
from migfix.reading.rows.querysets import Resolver

# Stands in a text for the name of a table or a column that is not written out.
_NAME = "some_name"
_MAX_DEPTH = 10

# These agree with what the helper streams: text in quotes counts, too, as that is rarely what it holds.
_SELECT = re.compile(r"[\s(]*(?:select|with|values)\b", re.IGNORECASE)
_MORE_THAN_READS = re.compile(
    r"\b(insert|update|delete|merge|into|sql_calc_found_rows)\b", re.IGNORECASE
)
_LOCKS = re.compile(r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b", re.IGNORECASE)

_CATALOGUE = re.compile(
    r"\b(information_schema|pg_\w+|sqlite_\w+|mysql|performance_schema"
    r"|(?:all|user)_(?:tables|constraints|sequences|tab_columns)"
    r"|django_(?:migrations|content_type|site)|auth_(?:permission|group))\b"
)
_PAGE = re.compile(r"\b(limit|fetch\s+(first|next))\b")
_AGGREGATE = re.compile(r"select\s+(count|sum|avg|min|max|exists)\s*\(\)")
_MANY_AGGREGATES = re.compile(r"\b(group\s+by|over|union|intersect|except)\b")


def sql_text(node: ast.expr, resolver: Resolver, depth: int = 0) -> str | None:
    """The SQL that the expression gives, some name in place of each quoted one; None where unknown."""
    if depth > _MAX_DEPTH:
        return None
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name():
            written = resolver.written(node, node)
            return sql_text(written.node, written.resolver, depth + 1) if written else None
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [sql_text(part, resolver, depth + 1) for part in (left, right)]
            return _joined(parts)
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            template = sql_text(left, resolver, depth + 1)
            given = right.elts if isinstance(right, ast.Tuple) else [right]
            filled = [_filled(each, resolver, depth) for each in given]
            return _with_percent(template, filled) if template is not None else None
        case ast.JoinedStr(values=values):
            return _joined([_of_f_string(value, resolver, depth) for value in values])
        case ast.Call(func=ast.Attribute(value=owner, attr="format"), args=args, keywords=keywords):
            template = sql_text(owner, resolver, depth + 1)
            named = {str(i): _filled(each, resolver, depth) for i, each in enumerate(args)}
            named |= {str(k.arg): _filled(k.value, resolver, depth) for k in keywords}
            return _with_braces(template, named) if template is not None else None
        case ast.Call(func=ast.Attribute(value=owner, attr="strip"), args=[], keywords=[]):
            return sql_text(owner, resolver, depth + 1)
        case ast.Call(func=function, args=[inner], keywords=[]) if resolver.module.path_of(
            function
        ) in {"textwrap.dedent", "inspect.cleandoc"}:
            return sql_text(inner, resolver, depth + 1)
    return None


def _joined(parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return "".join(known) if len(known) == len(parts) else None


def _of_f_string(node: ast.expr, resolver: Resolver, depth: int) -> str | None:
    match node:
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return _filled(value, resolver, depth)
        case ast.Constant(value=str(text)):
            return text
    return None


def _filled(node: ast.expr, resolver: Resolver, depth: int) -> str | None:
    """What is put into a template: a text that is written out, or the name of a table or column."""
    match node:
        case ast.Constant(value=int(number)):
            return str(number)
        case ast.Name():
            written = resolver.written(node, node)
            known = written is not None and depth < _MAX_DEPTH
            return _filled(written.node, written.resolver, depth + 1) if written and known else None
    return _NAME if _is_name(node, resolver) else sql_text(node, resolver, depth + 1)


def _is_name(node: ast.expr, resolver: Resolver) -> bool:
    """``quote_name("id")`` of a connection, or ``Model._meta.db_table`` and ``...column`` of a field."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="quote_name")):
            return isinstance(resolver.value(owner), SchemaEditor)
        case ast.Attribute(value=ast.Attribute(attr="_meta"), attr="db_table"):
            return True
        case ast.Attribute(value=ast.Attribute(value=ast.Attribute(attr="_meta"), attr="pk")):
            return node.attr in {"column", "attname"}
        case ast.Attribute(
            value=ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_meta"), attr="get_field")),
            attr="column" | "attname",
        ):
            return True
    return False


def _with_percent(template: str, filled: list[str | None]) -> str | None:
    """``template % filled``, for ``%s`` alone."""
    waiting = iter(filled)
    parts: list[str | None] = []
    for plain, found in re.findall(r"([^%]*)(%.|%$|$)", template, re.DOTALL):
        known = {"": "", "%%": "%"}.get(found) if found != "%s" else next(waiting, None)
        parts += [plain, known]
    return _joined(parts) if next(waiting, None) is None else None


def _with_braces(template: str, filled: dict[str, str | None]) -> str | None:
    """``template.format(...)``, for plain ``{}``, ``{0}`` and ``{name}``."""
    parts: list[str | None] = []
    unnumbered = 0
    try:
        fields = list(Formatter().parse(template))
    except ValueError:
        return None
    for plain, name, spec, conversion in fields:
        parts.append(plain)
        if name is None:
            continue
        if name == "":
            name, unnumbered = str(unnumbered), unnumbered + 1
        parts.append(None if spec or conversion else filled.get(name))
    return _joined(parts)


def is_one_select(text: str) -> bool:
    """Is it surely one statement that only reads, for which a database would open a cursor?"""
    statement = _LOCKS.sub("", text.rstrip("; \t\n"))
    return (
        bool(_SELECT.match(_without_comments(text)))
        and ";" not in statement
        and not _MORE_THAN_READS.search(statement)
    )


def small_result(text: str) -> str | None:
    """Why the statement gives few rows by its nature, None if it may give many."""
    text = _without_comments(text).lower()
    if _CATALOGUE.search(text):
        return "the query reads a small table, such as the database's own catalogue"
    text = " ".join(_without_parentheses(text).split())
    if _PAGE.search(text):
        return "the query has a LIMIT: it is one page of the rows"
    if _AGGREGATE.match(text) and not _MANY_AGGREGATES.search(text):
        return "the query gives one row"
    return None


def _without_comments(text: str) -> str:
    """The text with a space for each comment; one that does not end takes the rest."""
    parts: list[str] = []
    at = 0
    for found in _COMMENT_BEGINS.finditer(text):
        if found.start() < at:  # inside of another one
            continue
        end = text.find(_COMMENT_ENDS[found[0]], found.end())
        parts += [text[at : found.start()], " "]
        if end < 0:
            return "".join(parts)
        at = end if found[0] == "--" else end + len("*/")
    return "".join([*parts, text[at:]])


_COMMENT_BEGINS = re.compile(r"--|/\*")
_COMMENT_ENDS = {"--": "\n", "/*": "*/"}


def _without_parentheses(text: str) -> str:
    """The text with ``()`` for each outer pair of parentheses; one that is not closed stays."""
    open_ones: list[list[str]] = [[]]
    for part in re.split(r"([()])", text):
        if part == "(":
            open_ones.append([])
        elif part == ")" and len(open_ones) > 1:
            open_ones.pop()
            open_ones[-1].append("()")
        else:
            open_ones[-1].append(part)
    return "(".join("".join(parts) for parts in open_ones)
