"""Put rewrites into a file's text: only the statements that hold them are parsed and replaced."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

from migfix.findings import InBlock, ReplaceLoop, ReplaceRows
from migfix.rewriting.checking import check, loops_of
from migfix.rewriting.edits import LoopEdits
from migfix.rewriting.ends import with_line_ends
from migfix.rewriting.formatting import formatted
from migfix.rewriting.headers import header_of, in_place_of
from migfix.rewriting.imports import head_of, with_imports
from migfix.rewriting.lines import (
    comments_above,
    drop,
    end_with_comments,
    indent_of,
    line_range,
    put_above,
    put_first,
    put_in_blocks,
    replace,
    row_of,
    step_of,
)
from migfix.rewriting.style import Style
from migfix.source import Source, nodes_in, split_lines


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
    text = with_imports(text, imports, style, own, head_of(source))
    check(source, text, loops.keys(), imports, helper, _committed(loops.values()))
    return source.encoded(with_line_ends(text, source))


def _with_edits(source: Source, loops: Mapping[ast.stmt, LoopEdits], style: Style) -> str:
    lines = list(split_lines(source.plain))
    starts = sorted(loop.lineno for loop in loops)
    for statement in reversed(source.tree.body):
        if not _holds_one(statement, starts):
            continue
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
            rows = [held[i].iter for i, each in edits.items() if _replaces_rows(each)]
            gone = {node for each in (*drops, *rows) for node in nodes_in(each)}
            unwraps = {each for each in _unwraps(edits.values()) if not _is_needed(each, gone)}
            indents = _depths(source, held, unwraps, blocks)
            if unwraps:
                around = [each for each in _blocks_of(statement, blocks) if each not in gone]
                unwrapped = {i for i, each in enumerate(around) if each in unwraps}
                text = "".join(lines[first:last])
                depths = [*indents.values()]
                from migfix.rewriting.loops import edited

                lines[first:last] = [edited(text, edits, depths, unwrapped, style)]
            else:
                by_loop = {held[i]: each for i, each in edits.items()}
                _edit_parts(lines, last, by_loop, indents, source, style)
    for migration in _committed(loops.values()):
        put_first(lines, migration, "atomic = False", source)
    return "".join(lines)


def _committed(edits: Iterable[LoopEdits]) -> set[ast.ClassDef]:
    """The classes of migrations that are to be no transaction any more."""
    return {each.commits for each in edits if each.commits is not None}


def _holds_one(statement: ast.stmt, lines: Sequence[int]) -> bool:
    """Is one of the sorted lines among those of the statement?"""
    last = statement.end_lineno or statement.lineno
    return bisect_left(lines, statement.lineno) < bisect_right(lines, last)


def _edit_parts(
    lines: list[str],
    last: int,
    edits: Mapping[ast.For | ast.AsyncFor, LoopEdits],
    indents: Mapping[ast.For | ast.AsyncFor, int],
    source: Source,
    style: Style,
) -> None:
    """Edit the loops of a statement that ends in front of the line ``last``: only what changes is parsed."""
    done: set[ast.For | ast.AsyncFor] = set()
    for loop, each in edits.items():
        if loop in done or not (each.of_loop or each.last):
            continue
        first, end = row_of(loop.lineno - 1, source.rows)
        held, below = [loop], ""
        replaces = any(isinstance(edit, ReplaceLoop) for edit in each.of_loop)
        if replaces or each.last:
            end = end_with_comments(loop, source.rows, last)
            held = loops_of(loop)
        elif loop.body[0].lineno > end:
            below = _depth_of_body(loop, source)
        done.update(held)
        text = "".join(lines[first:end])
        new = None if each.last else _edited_plainly(text, each, style, indents[loop])
        if new is None:
            from migfix.rewriting.loops import edited_inside

            here = {n: edits[inner] for n, inner in enumerate(held) if inner in edits}
            new = edited_inside(text, below, here, [indents[inner] for inner in held], style)
        lines[first:end] = [new, *[""] * (end - first - 1)]


def _edited_plainly(text: str, edits: LoopEdits, style: Style, indent: int) -> str | None:
    """The text of a loop, or of its header, where its edits need no more than its own lines; None elsewhere."""
    match edits.of_loop:
        case [ReplaceLoop(lines=lines), *_]:
            _, end, blank = text[len(text.rstrip()) :].partition("\n")
            after = in_place_of(text, lines, style, indent) if end and "#" not in text else None
            return after and after + blank
    above, header = text[: text[:-1].rfind("\n") + 1], text[text[:-1].rfind("\n") + 1 :]
    new = header_of(header, edits.wrappers, edits.of_loop, style, indent)
    return new and above + new


def _depth_of_body(loop: ast.For | ast.AsyncFor, source: Source) -> str:
    """What lines of its body may be indented by, in a new block too."""
    indent = indent_of(source.lines[loop.lineno - 1])
    return indent + 2 * step_of(loop, indent, source)


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
) -> dict[ast.For | ast.AsyncFor, int]:
    """How deep each loop stands when these blocks are gone, and these loops are in new ones."""
    columns = {loop: loop.col_offset for loop in loops}
    for without in unwraps:
        for loop in columns.keys() & set(nodes_in(without)):
            columns[loop] -= without.body[0].col_offset - without.col_offset
    deeper = Counter(node for block in blocks for node in nodes_in(block))
    return {
        loop: len(source.lines[loop.lineno - 1][:column].expandtabs(4)) + 4 * deeper[loop]
        for loop, column in columns.items()
    }
