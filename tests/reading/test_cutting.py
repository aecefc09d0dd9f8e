"""The helper with only some of its functions: what projects get that use no others."""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from types import CodeType

import black
import pytest

import migfix.runtime
from migfix.disk.files import Files
from migfix.reading.cutting import FUNCTIONS, completed, cut
from migfix.reading.vendored import PARTS as MODULES
from migfix.reading.vendored import functions_in, helper_parts, helper_text

SOURCES = helper_parts(Files())
WHOLE = cut(SOURCES, FUNCTIONS)
PARTS = [
    completed({name})
    for name in (
        "stream",
        "update_in_batches",
        "update_by_key",
        "create_in_batches",
        "link_in_batches",
        "update_in_windows",
        "delete_in_windows",
    )
]
STREAMS, SAVES, _, CREATES, *_ = PARTS
COMBINED = [
    frozenset().union(*parts)
    for number in (1, 2, len(PARTS))
    for parts in combinations(PARTS, number)
]


def named(functions: frozenset[str]) -> str:
    return " ".join(sorted(functions))


@cache
def definitions(text: str) -> dict[str, str]:
    """The text of each function, class and constant of a module, but for imports and documentation."""
    lines = text.split("\n")
    found = {}
    for node in ast.parse(text).body:
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.If | ast.Expr):
            first = lines[node.lineno - 1]
            start = min(
                [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))]
            )
            name = first.partition("(")[0].partition("=")[0].partition(":")[0]
            found[name] = "\n".join(lines[start - 1 : node.end_lineno])
    return found


def without_bodies(text: str) -> str:
    """The module with the functions and classes that it has, none of which does anything."""
    lines = text.split("\n")
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            kind = "class" if isinstance(node, ast.ClassDef) else "def"
            sign = "" if isinstance(node, ast.ClassDef) else "()"
            lines[node.lineno - 1 : node.end_lineno] = [f"{kind} {node.name}{sign}:", "    pass"]
    return "\n".join(lines)


def single_imports(text: str) -> Iterator[str]:
    """What a module imports, name by name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (f"import {ast.unparse(each)}" for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"from {node.module} import {ast.unparse(each)}" for each in node.names)


def globals_of(code: CodeType) -> Iterator[str]:
    """The names that a module and what stands in it look up in the module."""
    for each in dis.get_instructions(code):
        if each.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            yield each.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from globals_of(constant)


def test_the_parts_are_all_functions():
    assert COMBINED[-1] == FUNCTIONS
    assert sum(map(len, PARTS)) == len(FUNCTIONS)
    assert sorted(STREAMS) == ["stream", "stream_sql"]


def test_all_functions_are_all_of_every_module():
    folder = Path(migfix.runtime.__file__).parent
    assert sorted(MODULES) == sorted(path.stem for path in folder.glob("[!_]*.py"))
    defined = [name for source in SOURCES for name in definitions(source)]
    assert defined == [*definitions(WHOLE)]
    assert len(defined) == len(set(defined))
    assert cut((WHOLE,), FUNCTIONS) == WHOLE


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_the_whole_imports(module):
    """So that a name means the same in each of them and in what they are put together to."""
    own = single_imports(SOURCES[MODULES.index(module)])
    assert {each for each in own if "migfix.runtime" not in each} <= {*single_imports(WHOLE)}


@pytest.mark.parametrize("functions", COMBINED, ids=named)
def test_a_part_holds_what_it_needs_as_it_stands_in_the_whole(functions):
    text = cut(SOURCES, functions)
    found, whole = definitions(text), definitions(WHOLE)
    assert found == {name: whole[name] for name in found}
    assert [name for name in whole if name in found] == [*found]
    module: dict[str, object] = {"__name__": "part"}
    code = compile(text, "part", "exec", dont_inherit=True)
    exec(code, module)
    known = {*module, *dir(__builtins__), *vars(__import__("builtins"))}
    missing = set(globals_of(code)) - known
    assert missing <= {"__module__", "__qualname__", "__name__"}
    assert {name for name in FUNCTIONS if name in module} == functions


@pytest.mark.parametrize("functions", COMBINED, ids=named)
def test_a_part_holds_nothing_that_is_not_needed(functions):
    text = cut(SOURCES, functions)
    assert cut((text,), functions) == text
    tree = ast.parse(text)
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert set(imported) - read == {"annotations"}
    assert len(imported) == len(set(imported))
    assert all(name in text for name in functions)
    assert not [name for name in FUNCTIONS - functions if f"def {name}" in text]


@pytest.mark.parametrize("functions", COMBINED, ids=named)
def test_a_part_is_laid_out_as_the_whole(functions):
    """Each function and class stands there as in the whole; what is left are imports and lines between them."""
    text = cut(SOURCES, functions)
    text = text if functions == FUNCTIONS else without_bodies(text)
    assert black.format_str(text, mode=black.Mode(line_length=100)) == text


@pytest.mark.parametrize("functions", [*PARTS, FUNCTIONS], ids=named)
def test_a_part_is_known_however_it_is_laid_out(functions):
    disk = Files()
    text = helper_text(functions, disk).decode()
    laid_out = black.format_str(text, mode=black.Mode(line_length=60)).encode()
    assert functions_in(laid_out, disk) == functions


@pytest.mark.parametrize("functions", COMBINED, ids=named)
def test_a_part_is_known_for_what_it_holds(functions):
    disk = Files()
    data = helper_text(functions, disk)
    laid_out = ast.unparse(ast.parse(data)).encode()
    assert functions_in(data, disk) == functions
    assert functions_in(data.replace(b"\n", b"\r\n"), disk) == functions
    assert functions_in(laid_out, disk) == functions
    assert functions_in(data + b"more = 1\n", disk) == frozenset()
    changed = data.replace(b"raise ValueError", b"raise TypeError", 1)
    assert changed != data and functions_in(changed, disk) == frozenset()


def test_a_part_that_lacks_a_definition_is_not_ours():
    disk = Files()
    data = helper_text(STREAMS, disk).decode()
    start = data.index("def stream_sql(")
    assert (
        functions_in((data[:start] + data[data.index("def _check(") :]).encode(), disk)
        == frozenset()
    )
    assert functions_in(b"'Written by migfix, '\n", disk) == frozenset()


def test_what_is_not_a_definition_is_no_part_of_the_helper():
    with pytest.raises(ValueError, match="unpack"):
        cut((f"{WHOLE}\nfor each in ():\n    pass\n",), FUNCTIONS)
