"""Text made of a row's columns: ``row.first + " " + row.last``, f-strings, slices, ``replace()``.

Every piece has to be there: Python stops at None, ``Concat`` takes NULL for nothing.
https://docs.djangoproject.com/en/stable/ref/models/database-functions/#text-functions
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from migfix.expressions.constants import UNKNOWN
from migfix.expressions.context import Context, Refused, SqlValue
from migfix.expressions.kinds import INTEGERS, TEXTS
from migfix.expressions.logic import Import
from migfix.expressions.operands import Operand, found_operand
from migfix.expressions.references import column_value, function, imports, model_class
from migfix.expressions.related import linked_column, subquery
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState


@dataclass(frozen=True, slots=True)
class Piece:
    """A text expression as an argument of a function: ``"title"``, ``Value("x")``, ``Lower("title")``.

    ``parts`` are what a concatenation holds, so that one in another one is one; ``column`` is set
    where the argument is the name of one.
    """

    argument: str
    kind: str = "CharField"
    reads: frozenset[str] = frozenset()
    imports: tuple[Import, ...] = ()
    caveats: tuple[Refusal, ...] = ()
    parts: tuple[Piece, ...] = ()
    column: FieldState | None = None

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return self.parts or (self,)


def compile_text(node: ast.expr, context: Context) -> SqlValue | None:
    """A computed text as a value; None for columns, constants and what is no text here."""
    if not isinstance(node, (ast.BinOp, ast.JoinedStr, ast.Call, ast.Subscript)):
        return None
    piece = piece_of(node, context)
    if piece is None or not piece.reads:
        return None
    if piece.column is not None:  # whose name would be stored, were it given as it is
        return column_value(piece.column, context)
    return SqlValue(
        piece.argument,
        piece.reads,
        piece.caveats,
        tuple(dict.fromkeys(piece.imports)),
        ...,
        piece.kind,
    )


def piece_of(node: ast.expr, context: Context) -> Piece | None:
    """The text that the node certainly is; None where it is none. Raises ``Refused``."""
    node, context = context.settled(node)
    constant = context.constant(node)
    if isinstance(constant, str):
        return _value(context.text(node), constant, context)
    compiler = _TABLE.get(type(node))
    return compiler(node, context) if compiler else None


def _value(text: str, constant: str, context: Context) -> Piece | None:
    if not constant or "\0" in constant:
        return None
    reference = model_class("Value", context)
    return Piece(f"{reference.text}({text})", imports=imports(reference))


def _column(node: ast.expr, context: Context) -> Piece | None:
    operand = found_operand(node, context)
    if operand is None or operand.column.kind not in TEXTS:
        return None
    _check(operand, context)
    if operand.links:
        return _linked(node, context)
    return _own(operand.column, context)


def _own(column: FieldState, context: Context) -> Piece:
    quoted = context.loop.names.quoted(column.name)
    return Piece(quoted, str(column.kind), frozenset({column.name}), column=column)


def _linked(node: ast.expr, context: Context) -> Piece:
    linked = linked_column(node, context)
    assert linked is not None
    value = subquery(linked, context)
    return Piece(value.text, value.kind or "", value.reads, value.imports)


def _check(operand: Operand, context: Context) -> None:
    """The column is there, and mixes with others on every database."""
    operand.check_not_null()
    if not operand.column.verified or "db_collation" in operand.column.options:
        raise Refused(Reason.VALUE, f"how `{operand.name}` is stored is not certain")
    if context.loop.databases.any("oracle"):
        raise Refused(Reason.VALUE, f"on Oracle an empty `{operand.name}` is NULL")


def _sum(node: ast.expr, context: Context) -> Piece | None:
    """``a + b``, and ``"%s, %s" % (a, b)``"""
    assert isinstance(node, ast.BinOp)
    if isinstance(node.op, ast.Mod):
        return _formatted(node.left, _items(node.right), r"%s", context)
    if not isinstance(node.op, ast.Add):
        return None
    left, right = piece_of(node.left, context), piece_of(node.right, context)
    if left is None or right is None:
        return (left or right) if _is_empty(node.left, node.right, context) else None
    return _concat([*left.pieces, *right.pieces], context)


def _is_empty(left: ast.expr, right: ast.expr, context: Context) -> bool:
    return "" in (context.constant(left), context.constant(right))


def _items(node: ast.expr) -> Sequence[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _formatted(
    template: ast.expr, values: Sequence[ast.expr], mark: str, context: Context
) -> Piece | None:
    """A literal template whose only marks are ``%s`` or ``{}``, one for each value."""
    if not (isinstance(template, ast.Constant) and isinstance(template.value, str)):
        return None
    texts = re.split(mark, template.value)
    if len(texts) != len(values) + 1 or any(re.search(r"[%{}]", text) for text in texts):
        return None
    pieces: list[Piece | None] = []
    for text, value in zip(texts, [*values, None], strict=True):
        if text:
            pieces.append(_value(_literal(text, context), text, context))
        if value is not None:
            pieces.append(_shown(value, context))
    return _all(pieces, context)


def _all(pieces: Sequence[Piece | None], context: Context) -> Piece | None:
    known = [part for piece in pieces if piece is not None for part in piece.pieces]
    return None if None in pieces else _concat(known, context)


def _literal(text: str, context: Context) -> str:
    plain = text.isprintable() and not set(text) & {'"', "'", "\\"}
    return context.loop.names.quoted(text) if plain else repr(text)


def _joined(node: ast.expr, context: Context) -> Piece | None:
    """``f"{row.first} {row.last}"``"""
    assert isinstance(node, ast.JoinedStr)
    pieces: list[Piece | None] = []
    for part in node.values:
        match part:
            case ast.Constant(value=str(text)):
                pieces.append(_value(_literal(text, context), text, context))
            case ast.FormattedValue(value=value, conversion=-1 | 115, format_spec=None):
                pieces.append(_shown(value, context))
            case _:
                return None
    return _all(pieces, context)


_WRITTEN_ALIKE = INTEGERS | {"DateField"}


def _shown(node: ast.expr, context: Context) -> Piece | None:
    """What ``str()`` makes of a value: exact for text, integers and dates alone."""
    node, context = context.settled(node)
    if (piece := piece_of(node, context)) is not None:
        return piece
    operand = found_operand(node, context)
    if operand is None or operand.links or operand.is_instance:
        return None
    column = operand.column
    key = context.key_of(column) if column.target is not None else column
    if key is None or key.kind not in _WRITTEN_ALIKE:
        return None
    _check(operand, context)
    cast, text = function("Cast", context), model_class("TextField", context)
    quoted = context.loop.names.quoted(column.name)
    return Piece(
        f"{cast.text}({quoted}, {text.text}())",
        "TextField",
        frozenset({column.name}),
        imports(cast, text),
    )


def _concat(pieces: Sequence[Piece], context: Context) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    reference = function("Concat", context)
    arguments = [piece.argument for piece in pieces]
    needed = imports(reference)
    kind = "CharField"
    if any(piece.kind != "CharField" for piece in pieces):
        text = model_class("TextField", context)
        arguments.append(f"output_field={text.text}()")
        needed, kind = (*needed, *imports(text)), "TextField"
    return _made(f"{reference.text}({', '.join(arguments)})", kind, pieces, needed, pieces)


def _made(
    text: str,
    kind: str,
    of: Sequence[Piece],
    needed: Sequence[Import],
    parts: Sequence[Piece] = (),
) -> Piece:
    """An expression made of pieces: it reads and needs what they do."""
    return Piece(
        text,
        kind,
        frozenset().union(*(piece.reads for piece in of)),
        (*needed, *(i for piece in of for i in piece.imports)),
        tuple(dict.fromkeys(c for piece in of for c in piece.caveats)),
        tuple(parts),
    )


def _slice(node: ast.expr, context: Context) -> Piece | None:
    """``text[:k]``, ``text[k:]``, ``text[-k:]`` and ``text[i:j]``"""
    assert isinstance(node, ast.Subscript)
    if not isinstance(node.slice, ast.Slice) or node.slice.step is not None:
        return None
    text = piece_of(node.value, context)
    lower, upper = (_bound(bound, context) for bound in (node.slice.lower, node.slice.upper))
    if text is None or not text.reads:
        return None
    match lower, upper:
        case None | 0, int(end) if end > 0:
            return _function("Left", text, f"{end}", context=context)
        case int(start), None if start > 0:
            return _function("Substr", text, f"{start + 1}", context=context)
        case int(start), None if start < 0:
            return _function("Right", text, f"{-start}", context=context)
        case int(start), int(end) if 0 < start < end:
            return _function("Substr", text, f"{start + 1}", f"{end - start}", context=context)
    return None


def _bound(node: ast.expr | None, context: Context) -> object:
    """An end of a slice: None for an open one, a number that databases take, else something else."""
    value = context.constant(node) if node is not None else None
    known = value is None or (type(value) is int and abs(value) < 2**31 - 1)
    return value if known else UNKNOWN


def _function(name: str, text: Piece, *more: str, context: Context, kind: str = "") -> Piece:
    reference = function(name, context)
    arguments = ", ".join([text.argument, *more])
    needed = imports(reference)
    return _made(f"{reference.text}({arguments})", kind or "CharField", [text], needed)


def _call(node: ast.expr, context: Context) -> Piece | None:
    assert isinstance(node, ast.Call)
    match node:
        case ast.Call(
            func=ast.Name(id="str"), args=[value], keywords=[]
        ) if context.loop.module.is_builtin("str"):
            return _shown(value, context)
        case ast.Call(func=ast.Attribute(value=template, attr="format"), keywords=[]):
            return _formatted(template, node.args, r"\{\}", context)
        case ast.Call(func=ast.Attribute(value=owner, attr=name), keywords=[]):
            method = _METHODS.get(name)
            text = piece_of(owner, context) if method else None
            if method and text is not None and text.reads:
                return method(text, node.args, context)
    return None


def _replace(text: Piece, arguments: Sequence[ast.expr], context: Context) -> Piece | None:
    if len(arguments) != 2:
        return None
    old, new = (context.constant(argument) for argument in arguments)
    if not isinstance(old, str) or not isinstance(new, str) or not old or "\0" in old + new:
        return None
    value = model_class("Value", context)
    more = [f"{value.text}({context.text(argument)})" for argument in arguments]
    if not new:
        more.pop()
    needed = imports(value)
    if text.kind != "CharField":
        field = model_class("TextField", context)
        more.append(f"output_field={field.text}()")
        needed = (*needed, *imports(field))
    kind = "CharField" if text.kind == "CharField" else "TextField"
    made = _function("Replace", text, *more, context=context, kind=kind)
    return Piece(made.argument, kind, made.reads, (*made.imports, *needed), made.caveats)


def _case(name: str) -> Callable[[Piece, Sequence[ast.expr], Context], Piece | None]:
    def compiled(text: Piece, arguments: Sequence[ast.expr], context: Context) -> Piece | None:
        if arguments:
            return None
        made = _function(name, text, context=context, kind=text.kind)
        caveat = Refusal(
            Reason.VALUE,
            f"`{name.lower()}()` of letters beyond ASCII differs from that of the databases",
        )
        return Piece(made.argument, made.kind, made.reads, made.imports, (*made.caveats, caveat))

    return compiled


def _trim(name: str) -> Callable[[Piece, Sequence[ast.expr], Context], Piece | None]:
    def compiled(text: Piece, arguments: Sequence[ast.expr], context: Context) -> Piece | None:
        if arguments and context.constant(arguments[0]) != " ":
            return None
        made = _function(name, text, context=context, kind=text.kind)
        if arguments:
            return made
        caveat = Refusal(
            Reason.VALUE, f"`{name.lower()}()` of a database takes off spaces, not tabs or newlines"
        )
        return Piece(made.argument, made.kind, made.reads, made.imports, (*made.caveats, caveat))

    return compiled


_METHODS: dict[str, Callable[[Piece, Sequence[ast.expr], Context], Piece | None]] = {
    "replace": _replace,
    "lower": _case("Lower"),
    "upper": _case("Upper"),
    "strip": _trim("Trim"),
    "lstrip": _trim("LTrim"),
    "rstrip": _trim("RTrim"),
}
_TABLE: dict[type[ast.expr], Callable[[ast.expr, Context], Piece | None]] = {
    ast.Attribute: _column,
    ast.BinOp: _sum,
    ast.JoinedStr: _joined,
    ast.Subscript: _slice,
    ast.Call: _call,
}
