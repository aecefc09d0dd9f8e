"""Put rewrites into a file's text: only the statements that hold them are parsed and replaced."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import libcst as cst

from migfix.findings import (
    ChainCall,
    Edit,
    InBlock,
    ReplaceExpressions,
    ReplaceLoop,
    ReplaceRows,
    Rewrite,
    WrapRows,
)
from migfix.rewriting.formatting import formatted
from migfix.rewriting.imports import with_imports
from migfix.rewriting.lines import RewriteError, drop, line_range, put_in_blocks, replace
from migfix.settings import Style
from migfix.source import Source


@dataclass(frozen=True, slots=True)
class LoopEdits:
    """What to do to one loop. ``wrappers`` are the calls around its queryset, outermost first.

    ``needless_list`` is ``list(queryset)`` in front of it, which goes where the loop gets a new header.
    """

    rewrites: tuple[Rewrite, ...]
    wrappers: tuple[str, ...] = ()
    needless_list: ast.Call | None = None

    @property
    def of_loop(self) -> list[Edit]:
        """The edits of the loop itself."""
        edits = [rewrite.edit for rewrite in self.rewrites]
        return [edit for edit in edits if not isinstance(edit, (ReplaceExpressions, InBlock))]

    @property
    def block(self) -> str | None:
        """The header of the ``with`` block that the loop goes into."""
        headers = [r.edit.header for r in self.rewrites if isinstance(r.edit, InBlock)]
        return ", ".join(headers) or None

    @property
    def replaced(self) -> Iterator[tuple[ast.expr, str | None]]:
        """Expressions around and in the loop, and what each becomes; None for a call to be its argument."""
        for rewrite in self.rewrites:
            if isinstance(rewrite.edit, (ReplaceExpressions, InBlock)):
                yield from rewrite.edit.pairs
        if self.needless_list and not any(isinstance(e, ReplaceLoop) for e in self.of_loop):
            yield self.needless_list, None


def rewritten(source: Source, loops: Mapping[ast.For, LoopEdits], style: Style) -> bytes:
    """The file's new bytes. Raises ``RewriteError`` when they cannot be trusted."""
    text = _with_edits(source, loops, style)
    rewrites = [rewrite for each in loops.values() for rewrite in each.rewrites]
    imports = [import_ for rewrite in rewrites for import_ in rewrite.imports]
    text = with_imports(text, source, dict.fromkeys(imports), style)
    _verify(source, text, loops)
    return source.encoded(text)


def _with_edits(source: Source, loops: Mapping[ast.For, LoopEdits], style: Style) -> str:
    lines = list(source.lines)
    for statement in reversed(source.tree.body):
        held = _loops_of(statement)
        edits = {
            i: loops[loop]
            for i, loop in enumerate(held)
            if isinstance(loop, ast.For) and loop in loops
        }
        if edits:
            first, last = line_range(statement)
            replace(lines, dict(pair for each in edits.values() for pair in each.replaced))
            drops = set(_drops(edits.values()))
            drop(lines, drops)
            blocks = {
                held[i]: _block_header(each.block, source.column(held[i]) - 1, style)
                for i, each in edits.items()
                if each.block is not None
            }
            put_in_blocks(lines, blocks, source)
            text = "".join(lines[first:last])
            gone = [*drops, *(held[i].iter for i, each in edits.items() if _replaces_rows(each))]
            unwraps = {each for each in _unwraps(edits.values()) if not _is_needed(each, gone)}
            indents = [_depth(source, loop, unwraps, blocks) for loop in held]
            withs = [each for each in _withs_of(statement, blocks) if each not in drops]
            unwrapped = {i for i, each in enumerate(withs) if each in unwraps}
            lines[first:last] = [_edited(text, edits, indents, unwrapped, style, source.newline)]
    return "".join(lines)


def _block_header(header: str, indent: int, style: Style) -> str:
    """``with header:``, as black lays it out."""
    return formatted(f"with {header}:\n    pass\n", style, indent).removesuffix("    pass\n")


def _drops(edits: Iterable[LoopEdits]) -> Iterator[ast.stmt]:
    """The statements beside loops that go with them."""
    for each in edits:
        for rewrite in each.rewrites:
            if isinstance(rewrite.edit, (ReplaceLoop, ReplaceRows, InBlock)):
                yield from rewrite.edit.drops


def _unwraps(edits: Iterable[LoopEdits]) -> Iterator[ast.With]:
    """The ``with`` statements that may go and leave what stands in them."""
    for each in edits:
        for rewrite in each.rewrites:
            if isinstance(rewrite.edit, ReplaceRows) and rewrite.edit.unwraps:
                yield rewrite.edit.unwraps


def _replaces_rows(edits: LoopEdits) -> bool:
    return any(isinstance(rewrite.edit, ReplaceRows) for rewrite in edits.rewrites)


def _is_needed(block: ast.With, gone: Iterable[ast.AST]) -> bool:
    """Does anything in the block that does not go read the name that the block binds?"""
    bound = block.items[0].optional_vars
    kept = set(ast.walk(block)).difference(*map(ast.walk, gone))
    names = {n.id for n in kept if isinstance(n, ast.Name) and n is not bound}
    return not isinstance(bound, ast.Name) or bound.id in names


def _loops_of(statement: ast.stmt) -> list[ast.For | ast.AsyncFor]:
    """The statement's loops in the order of the source, which is LibCST's order of visiting too."""
    loops = [n for n in ast.walk(statement) if isinstance(n, (ast.For, ast.AsyncFor))]
    return sorted(loops, key=lambda loop: (loop.lineno, loop.col_offset))


def _withs_of(statement: ast.stmt, blocks: Iterable[ast.stmt]) -> list[ast.stmt]:
    """The statement's ``with`` blocks in the order of the source, and the loops that are put in one."""
    withs = [n for n in ast.walk(statement) if isinstance(n, (ast.With, ast.AsyncWith))]
    return sorted([*withs, *blocks], key=lambda each: (each.lineno, each.col_offset))


def _depth(
    source: Source,
    loop: ast.For | ast.AsyncFor,
    unwraps: Iterable[ast.With],
    blocks: Iterable[ast.For | ast.AsyncFor],
) -> int:
    """How deep the loop stands when these blocks are gone, and these loops are in new ones."""
    column = loop.col_offset
    for without in unwraps:
        if loop in ast.walk(without):
            column -= without.body[0].col_offset - without.col_offset
    deeper = sum(loop in ast.walk(block) for block in blocks)
    return len(source.lines[loop.lineno - 1][:column].expandtabs(4)) + 4 * deeper


def _edited(
    text: str,
    edits: Mapping[int, LoopEdits],
    indents: Sequence[int],
    unwrapped: Set[int],
    style: Style,
    newline: str,
) -> str:
    module = cst.parse_module(text)
    found = _Loops()
    module.visit(found)
    if len(found.loops) != len(indents):
        raise RewriteError("the two parsers do not see the same loops")
    rewriter = _Rewriter(
        {id(found.loops[i]): (each, indents[i]) for i, each in edits.items()},
        {id(found.withs[i]) for i in unwrapped},
        style,
    )
    code = module.visit(rewriter).code
    return code if newline == "\n" else code.replace(newline, "\n").replace("\n", newline)


class _Loops(cst.CSTVisitor):
    def __init__(self) -> None:
        self.loops: list[cst.For] = []
        self.withs: list[cst.With] = []

    def visit_For(self, node: cst.For) -> None:
        self.loops.append(node)

    def visit_With(self, node: cst.With) -> None:
        self.withs.append(node)


class _Rewriter(cst.CSTTransformer):
    def __init__(
        self, edits: Mapping[int, tuple[LoopEdits, int]], unwrapped: Set[int], style: Style
    ) -> None:
        super().__init__()
        self.edits = edits
        self.unwrapped = unwrapped
        self.style = style

    def leave_For(
        self, original_node: cst.For, updated_node: cst.For
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if id(original_node) not in self.edits:
            return updated_node
        loop, indent = self.edits[id(original_node)]
        edits = loop.of_loop
        if not edits:
            return updated_node
        if isinstance(edits[0], ReplaceLoop):
            return cst.FlattenSentinel(_replacement(edits[0], original_node, self.style, indent))
        rows = _in_wrappers(updated_node.iter, loop.wrappers, edits)
        new = _with_new_header(updated_node, rows, self.style, indent)
        said = _comments(updated_node.iter) if _replaces_rows(loop) else []
        kept = [cst.EmptyLine(comment=comment) for comment in said]
        return new.with_changes(leading_lines=[*new.leading_lines, *kept])

    def leave_With(
        self, original_node: cst.With, updated_node: cst.With
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if id(original_node) not in self.unwrapped:
            return updated_node
        return cst.FlattenSentinel(_unwrapped(updated_node))


def _unwrapped(block: cst.With) -> list[cst.BaseStatement]:
    """What stands in the ``with``; the comments around it stay."""
    body = block.body
    if not isinstance(body, cst.IndentedBlock) or _comments_in(body.footer):
        return [block]
    first, *rest = [
        s for s in body.body if isinstance(s, (cst.SimpleStatementLine, cst.BaseCompoundStatement))
    ]
    said = _comments_in([*block.items, block.lpar, block.rpar, body.header])
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
    if wrappers[0] in {"list", "tuple"} and any(map(_streams, edits)):
        return inner
    return rows.with_changes(args=[rows.args[0].with_changes(value=inner), *rows.args[1:]])


def _streams(edit: Edit) -> bool:
    return isinstance(edit, (WrapRows, ReplaceRows)) or (
        isinstance(edit, ChainCall) and edit.method == "iterator"
    )


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


def _as_receiver(node: cst.BaseExpression) -> cst.BaseExpression:
    """``a | b`` needs parentheses before a method is called on it."""
    if isinstance(node, (cst.BinaryOperation, cst.BooleanOperation, cst.IfExp)) and not node.lpar:
        return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return node


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


def _verify(source: Source, text: str, loops: Mapping[ast.For, LoopEdits]) -> None:
    """The new text parses, and no statement without a rewritten loop has changed."""
    try:
        after = ast.parse(text)
    except SyntaxError as error:
        raise RewriteError(f"the new text does not parse: {error}") from error
    untouched = [
        ast.dump(statement)
        for statement in source.tree.body
        if not isinstance(statement, (ast.Import, ast.ImportFrom))
        and not any(loop in loops for loop in _loops_of(statement))
    ]
    remaining = [ast.dump(statement) for statement in after.body]
    position = 0
    for dump in untouched:
        if dump not in remaining[position:]:
            raise RewriteError("a statement without a rewritten loop would change")
        position = remaining.index(dump, position) + 1
