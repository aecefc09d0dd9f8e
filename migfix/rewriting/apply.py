"""Put rewrites into a file's text: only the statements that hold them are parsed and replaced."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
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
from migfix.rewriting.checking import check, loops_of
from migfix.rewriting.ends import with_line_ends
from migfix.rewriting.formatting import formatted
from migfix.rewriting.imports import with_imports
from migfix.rewriting.lines import (
    RewriteError,
    comments_above,
    drop,
    line_range,
    put_above,
    put_in_blocks,
    replace,
)
from migfix.settings import Style
from migfix.source import Source, nodes_in, split_lines


@dataclass(frozen=True, slots=True)
class LoopEdits:
    """What to do to one loop, or to the expressions of one other statement. ``wrappers`` are the calls around its queryset, outermost first.

    ``needless_list`` is ``list(queryset)`` in front of it, which goes where the loop is replaced or gets
    a new header; ``needless_guard`` is the ``if`` around or before it that goes where the loop is replaced.
    """

    rewrites: tuple[Rewrite, ...]
    wrappers: tuple[str, ...] = ()
    needless_list: ast.Call | None = None
    needless_guard: ast.If | None = None

    @property
    def of_loop(self) -> list[Edit]:
        """The edits of the loop itself."""
        edits = [rewrite.edit for rewrite in self.rewrites]
        return [edit for edit in edits if not isinstance(edit, (ReplaceExpressions, InBlock))]

    @property
    def guard(self) -> ast.If | None:
        """The ``if`` that goes."""
        replaced = any(isinstance(edit, ReplaceLoop) for edit in self.of_loop)
        return self.needless_guard if replaced else None

    @property
    def block(self) -> str | None:
        """The header of the ``with`` block that the loop goes into."""
        headers = [r.edit.header for r in self.rewrites if isinstance(r.edit, InBlock)]
        return ", ".join(headers) or None

    @property
    def last(self) -> Sequence[str]:
        """Statements that each turn of the loop ends with."""
        edits = [r.edit for r in self.rewrites if isinstance(r.edit, InBlock)]
        return [edit.last for edit in edits if edit.last is not None]

    @property
    def replaced(self) -> Iterator[tuple[ast.expr, str | None]]:
        """Expressions around and in the loop, and what each becomes; None for a call to be its argument."""
        for rewrite in self.rewrites:
            if isinstance(rewrite.edit, (ReplaceExpressions, InBlock)):
                yield from rewrite.edit.pairs
        if self.needless_list and self.of_loop:
            yield self.needless_list, None


def rewritten(
    source: Source,
    loops: Mapping[ast.stmt, LoopEdits],
    style: Style,
    helper: str,
    own: Collection[str] = (),
) -> bytes:
    """The file's new bytes. Raises ``RewriteError`` when they cannot be trusted.

    ``helper`` is the module from which the file would import the helper's functions, ``own`` are the top packages
    of the project.
    """
    text = _with_edits(source, loops, style)
    rewrites = [rewrite for each in loops.values() for rewrite in each.rewrites]
    imports = dict.fromkeys(import_ for rewrite in rewrites for import_ in rewrite.imports)
    text = with_imports(text, imports, style, own)
    check(source, text, loops.keys(), imports, helper)
    return source.encoded(with_line_ends(text, source))


def _with_edits(source: Source, loops: Mapping[ast.stmt, LoopEdits], style: Style) -> str:
    lines = list(split_lines(source.plain))
    for statement in reversed(source.tree.body):
        held = loops_of(statement)
        edits = {
            i: loops[loop]
            for i, loop in enumerate(held)
            if isinstance(loop, ast.For) and loop in loops
        }
        inside = [loops[n] for n in ast.walk(statement) if isinstance(n, ast.stmt) and n in loops]
        if inside:
            first, last = line_range(statement, source.rows)
            pairs = dict(pair for each in inside for pair in each.replaced)
            said = replace(lines, pairs, source.rows)
            _break_long(lines, pairs, source, style)
            drops = set(_drops(edits.values()))
            lifted = {
                held[i]: _said_below(held[i], each, lines, source) for i, each in edits.items()
            }
            drop(lines, drops, source.rows)
            put_above(lines, said)
            blocks = {
                held[i]: _block_header(each.block, source.column(held[i]) - 1, style)
                for i, each in edits.items()
                if each.block is not None
            }
            put_in_blocks(lines, blocks, source)
            put_above(lines, {line_range(loop, source.rows)[0]: c for loop, c in lifted.items()})
            text = "".join(lines[first:last])
            rows = [held[i].iter for i, each in edits.items() if _replaces_rows(each)]
            gone = {node for each in (*drops, *rows) for node in nodes_in(each)}
            unwraps = {each for each in _unwraps(edits.values()) if not _is_needed(each, gone)}
            indents = _depths(source, held, unwraps, blocks)
            around = [each for each in _blocks_of(statement, blocks) if each not in gone]
            unwrapped = {i for i, each in enumerate(around) if each in unwraps}
            lines[first:last] = [_edited(text, edits, indents, unwrapped, style)]
    return "".join(lines)


def _break_long(
    lines: list[str], replaced: Iterable[ast.expr], source: Source, style: Style
) -> None:
    """Lay out a line that became too long by what was put into it, if it is a statement of its own."""
    for number in {node.lineno - 1 for node in replaced}:
        line, was = lines[number], source.lines[number]
        most = style.line_length + 1  # and its end
        alone = (number, number + 1) in source.rows and not line.rstrip().endswith(":")
        if alone and len(line) > most >= len(was):
            text = line.lstrip()
            indent = line[: len(line) - len(text)]
            laid_out = formatted(text, style, len(indent.expandtabs()))
            lines[number] = "".join(
                f"{indent}{each}" for each in laid_out.splitlines(keepends=True)
            )


def _block_header(header: str, indent: int, style: Style) -> str:
    """``with header:``, as black lays it out."""
    return formatted(f"with {header}:\n    pass\n", style, indent).removesuffix("    pass\n")


def _drops(edits: Iterable[LoopEdits]) -> Iterator[ast.stmt]:
    """The statements beside loops that go with them."""
    for each in edits:
        for rewrite in each.rewrites:
            if isinstance(rewrite.edit, (ReplaceLoop, ReplaceRows, InBlock)):
                yield from rewrite.edit.drops
        if each.guard and not loops_of(each.guard):
            yield each.guard


def _said_below(
    loop: ast.For | ast.AsyncFor, edits: LoopEdits, lines: list[str], source: Source
) -> list[str]:
    """The comments of what goes below the loop, whose work is now done in it: taken out of the lines."""
    below = [
        each
        for each in _drops([edits])
        if each.lineno > loop.lineno and each.col_offset == loop.col_offset
    ]
    below.sort(key=lambda each: each.lineno)
    return [comment for each in below for comment in comments_above(lines, each, source)]


def _unwraps(edits: Iterable[LoopEdits]) -> Iterator[ast.With | ast.If]:
    """The ``with`` and ``if`` statements that may go and leave what stands in them."""
    for each in edits:
        if each.guard and loops_of(each.guard):
            yield each.guard
        for rewrite in each.rewrites:
            if isinstance(rewrite.edit, ReplaceRows) and rewrite.edit.unwraps:
                yield rewrite.edit.unwraps


def _replaces_rows(edits: LoopEdits) -> bool:
    return any(isinstance(rewrite.edit, ReplaceRows) for rewrite in edits.rewrites)


def _is_needed(block: ast.With | ast.If, gone: Set[ast.AST]) -> bool:
    """Does anything in the block that does not go read the name that the block binds?"""
    if isinstance(block, ast.If):
        return False
    bound = block.items[0].optional_vars
    kept = (node for node in nodes_in(block) if node not in gone and node is not bound)
    names = {node.id for node in kept if isinstance(node, ast.Name)}
    return not isinstance(bound, ast.Name) or bound.id in names


def _blocks_of(statement: ast.stmt, blocks: Iterable[ast.stmt]) -> list[ast.stmt]:
    """The statement's ``with`` and ``if`` in the order of the source, and the loops that are put in a ``with``."""
    around = [n for n in nodes_in(statement) if isinstance(n, (ast.With, ast.AsyncWith, ast.If))]
    return sorted([*around, *blocks], key=lambda each: (each.lineno, each.col_offset))


def _depths(
    source: Source,
    loops: Sequence[ast.For | ast.AsyncFor],
    unwraps: Iterable[ast.With | ast.If],
    blocks: Iterable[ast.For | ast.AsyncFor],
) -> list[int]:
    """How deep each loop stands when these blocks are gone, and these loops are in new ones."""
    columns = {loop: loop.col_offset for loop in loops}
    for without in unwraps:
        for loop in columns.keys() & set(nodes_in(without)):
            columns[loop] -= without.body[0].col_offset - without.col_offset
    deeper = Counter(node for block in blocks for node in nodes_in(block))
    return [
        len(source.lines[loop.lineno - 1][:column].expandtabs(4)) + 4 * deeper[loop]
        for loop, column in columns.items()
    ]


def _edited(
    text: str,
    edits: Mapping[int, LoopEdits],
    indents: Sequence[int],
    unwrapped: Set[int],
    style: Style,
) -> str:
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
