"""Loops in a text that get new headers, or statements in their place: what LibCST is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

import libcst as cst

from migfix.findings import ChainCall, Edit, ReplaceLoop, ReplaceRows, WrapRows
from migfix.rewriting.edits import LoopEdits
from migfix.rewriting.formatting import formatted
from migfix.rewriting.headers import streams
from migfix.rewriting.lines import RewriteError, indent_of
from migfix.rewriting.style import Style


def edited(
    text: str,
    edits: Mapping[int, LoopEdits],
    indents: Sequence[int],
    unwrapped: Set[int],
    style: Style,
) -> str:
    """The text with the edits of its loops, by their number, and without the ``unwrapped`` blocks.

    ``indents`` are the depths of all loops. Raises ``RewriteError``.
    """
    module = cst.parse_module(text)
    found = _Loops()
    module.visit(found)
    if len(found.loops) != len(indents):
        raise RewriteError("the two parsers do not see the same loops")
    rewriter = _Rewriter(
        {id(found.loops[i]): (each, indents[i]) for i, each in edits.items()},
        {id(found.blocks[i]) for i in unwrapped},
        style,
    )
    return module.visit(rewriter).code


def edited_inside(
    text: str, depth: str, edits: Mapping[int, LoopEdits], indents: Sequence[int], style: Style
) -> str:
    """The same of the lines of one loop in a file, or of its header alone, whose body is as deep as ``depth``."""
    indent = indent_of(text)
    above = "if 1:\n" if indent else "pass\n"
    below = f"{depth or indent}pass\n" if text.endswith("\n") else ""
    found = edited(f"{above}{text}{below}", edits, indents, frozenset(), style)
    if not (found.startswith(above) and found.endswith(below)):
        raise RewriteError("what stands around the loop would change")
    return found[len(above) : len(found) - len(below)]


# What may hold a loop: no other part of a tree is looked into, which is most of it.
_HOLDING_STATEMENTS = (
    cst.Module,
    cst.BaseCompoundStatement,
    cst.IndentedBlock,
    cst.Else,
    cst.ExceptHandler,
    cst.ExceptStarHandler,
    cst.Finally,
    cst.MatchCase,
)


class _Loops(cst.CSTVisitor):
    def __init__(self) -> None:
        self.loops: list[cst.For] = []
        self.blocks: list[cst.With | cst.If] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        return isinstance(node, _HOLDING_STATEMENTS) and super().on_visit(node)

    def visit_For(self, node: cst.For) -> None:
        self.loops.append(node)

    def visit_With(self, node: cst.With) -> None:
        self.blocks.append(node)

    def visit_If(self, node: cst.If) -> None:
        self.blocks.append(node)


class _Rewriter(cst.CSTTransformer):
    def __init__(
        self, edits: Mapping[int, tuple[LoopEdits, int]], unwrapped: Set[int], style: Style
    ) -> None:
        super().__init__()
        self.edits = edits
        self.unwrapped = unwrapped
        self.style = style

    def on_visit(self, node: cst.CSTNode) -> bool:
        return isinstance(node, _HOLDING_STATEMENTS) and super().on_visit(node)

    def leave_For(
        self, original_node: cst.For, updated_node: cst.For
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if id(original_node) not in self.edits:
            return updated_node
        loop, indent = self.edits[id(original_node)]
        if loop.last:
            updated_node = _with_last(updated_node, loop.last)
        edits = loop.of_loop
        if not edits:
            return updated_node
        if isinstance(edits[0], ReplaceLoop):
            return cst.FlattenSentinel(_replacement(edits[0], original_node, self.style, indent))
        rows = _in_wrappers(updated_node.iter, loop.wrappers, edits)
        new = _with_new_header(updated_node, rows, self.style, indent)
        kept = [cst.EmptyLine(comment=comment) for comment in _lost(updated_node, new)]
        return new.with_changes(leading_lines=[*new.leading_lines, *kept])

    def leave_With(
        self, original_node: cst.With, updated_node: cst.With
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if id(original_node) not in self.unwrapped:
            return updated_node
        header = [*updated_node.items, updated_node.lpar, updated_node.rpar]
        return cst.FlattenSentinel(_unwrapped(updated_node, header))

    def leave_If(
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if id(original_node) not in self.unwrapped:
            return updated_node
        return cst.FlattenSentinel(_unwrapped(updated_node, [updated_node.test]))


def _with_last(loop: cst.For, texts: Sequence[str]) -> cst.For:
    """The loop whose body ends with these statements, above the comments at its end."""
    body = loop.body
    if not isinstance(body, cst.IndentedBlock):
        raise RewriteError("the body of the loop stands in its header's line")
    statements = [cst.parse_statement(f"{text}\n") for text in texts]
    return loop.with_changes(body=body.with_changes(body=[*body.body, *statements]))


def _unwrapped(block: cst.With | cst.If, header: Sequence[object]) -> list[cst.BaseStatement]:
    """What stands in the block; the comments around it stay."""
    body = block.body
    if not isinstance(body, cst.IndentedBlock):
        return [block]
    first, *rest = [
        s for s in body.body if isinstance(s, (cst.SimpleStatementLine, cst.BaseCompoundStatement))
    ]
    said = _comments_in([*header, body.header, *body.footer])
    kept = [cst.EmptyLine(comment=comment) for comment in said]
    above = [*block.leading_lines, *kept, *first.leading_lines]
    return [first.with_changes(leading_lines=above), *rest]


def _comments_in(nodes: Iterable[object]) -> list[cst.Comment]:
    return [
        comment for node in nodes if isinstance(node, cst.CSTNode) for comment in _comments(node)
    ]


def _replacement(
    edit: ReplaceLoop, loop: cst.For, style: Style, indent: int
) -> list[cst.BaseStatement]:
    """The new statements; what was said in comments inside the loop now stands above them."""
    text = "".join(formatted(line, style, indent) for line in edit.lines)
    statements = [s for s in cst.parse_module(text).body if isinstance(s, cst.SimpleStatementLine)]
    below = loop.with_changes(leading_lines=[])
    kept = [cst.EmptyLine(comment=comment) for comment in _comments(below)]
    first = statements[0].with_changes(leading_lines=[*loop.leading_lines, *kept])
    return [first, *statements[1:]]


def _lost(before: cst.For, after: cst.For) -> list[cst.Comment]:
    """The comments in the header of the loop that its new header lacks."""
    kept = Counter(_words(comment) for comment in _comments_in([after.target, after.iter]))
    lost: list[cst.Comment] = []
    for comment in _comments_in(_header_of(before)):
        if not kept[_words(comment)]:
            lost.append(comment)
        kept[_words(comment)] -= 1
    return lost


def _header_of(loop: cst.For) -> list[cst.CSTNode]:
    spaces = [loop.whitespace_after_for, loop.whitespace_before_in, loop.whitespace_after_in]
    return [loop.target, loop.iter, *spaces, loop.whitespace_before_colon]


def _words(comment: cst.Comment) -> str:
    """What a comment says, however black lays it out."""
    return comment.value.lstrip("#!:").strip()


def _comments(node: cst.CSTNode) -> list[cst.Comment]:
    collector = _Comments()
    node.visit(collector)
    return collector.comments


class _Comments(cst.CSTVisitor):
    def __init__(self) -> None:
        self.comments: list[cst.Comment] = []

    def visit_Comment(self, node: cst.Comment) -> None:
        self.comments.append(node)


def _with_new_header(loop: cst.For, rows: cst.BaseExpression, style: Style, indent: int) -> cst.For:
    module = cst.Module([])
    target, code = module.code_for_node(loop.target), module.code_for_node(rows)
    code = f"({code})" if "\n" in code and not rows.lpar else code
    text = formatted(f"for {target} in {code}:\n    pass\n", style, indent)
    new = cst.parse_statement(text)
    if not isinstance(new, cst.For):
        raise RewriteError("the new header is not a loop")
    return new.with_changes(leading_lines=loop.leading_lines, body=loop.body, orelse=loop.orelse)


def _in_wrappers(
    rows: cst.BaseExpression, wrappers: Sequence[str], edits: Sequence[Edit]
) -> cst.BaseExpression:
    """Apply the edits under ``enumerate(...)`` and its like; ``list(...)`` around them goes."""
    if not wrappers:
        for edit in edits:
            rows = _with_edit(rows, edit)
        return rows
    if not isinstance(rows, cst.Call):
        raise RewriteError(f"the header is not a call of {wrappers[0]}()")
    inner = _in_wrappers(rows.args[0].value, wrappers[1:], edits)
    if wrappers[0] in {"list", "tuple"} and any(map(streams, edits)):
        return inner
    return rows.with_changes(args=[rows.args[0].with_changes(value=inner), *rows.args[1:]])


def _with_edit(rows: cst.BaseExpression, edit: Edit) -> cst.BaseExpression:
    match edit:
        case ReplaceRows(expression=expression):
            return cst.parse_expression(expression)
        case WrapRows(function=function, arguments=arguments):
            inner = _receiver(rows) if _is_call_of(rows, "iterator") else rows
            extra = _arguments(arguments)
            return cst.Call(cst.parse_expression(function), [cst.Arg(_bare(inner)), *extra])
        case ChainCall(method=method, arguments=arguments, replaces_all=replaces_all):
            if _is_call_of(rows, "iterator"):
                receiver = _with_edit(_receiver(rows), edit)
                assert isinstance(rows, cst.Call) and isinstance(rows.func, cst.Attribute)
                return rows.with_changes(func=rows.func.with_changes(value=receiver))
            if replaces_all and _is_call_of(rows, "all"):
                assert isinstance(rows, cst.Call) and isinstance(rows.func, cst.Attribute)
                func = rows.func.with_changes(attr=cst.Name(method))
                return rows.with_changes(func=func, args=_arguments(arguments))
            return cst.Call(
                cst.Attribute(_as_receiver(_bare(rows)), cst.Name(method)), _arguments(arguments)
            )
    raise RewriteError(f"{type(edit).__name__} does not fit a loop's header")


def _arguments(text: str) -> list[cst.Arg]:
    call = cst.parse_expression(f"f({text})")
    assert isinstance(call, cst.Call)
    return list(call.args)


_PRIMARIES = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.List, cst.Dict, cst.Set)


def _as_receiver(node: cst.BaseExpression) -> cst.BaseExpression:
    """``a | b`` needs parentheses before a method is called on it, as all but primaries do."""
    if isinstance(node, _PRIMARIES) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _bare(node: cst.BaseExpression) -> cst.BaseExpression:
    """Without the parentheses around it, unless they hold comments."""
    return node if _comments(node) else node.with_changes(lpar=[], rpar=[])


def _is_call_of(node: cst.BaseExpression, method: str) -> bool:
    match node:
        case cst.Call(func=cst.Attribute(attr=cst.Name(value=name)), args=args):
            return name == method and (method == "iterator" or not args)
    return False


def _receiver(node: cst.BaseExpression) -> cst.BaseExpression:
    assert isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
    return node.func.value
