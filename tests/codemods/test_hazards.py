"""Every codemod on every way to write its example: the same rewrite, or none; nothing else moves."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter

import pytest

from migfix import catalog
from tests import checking
from tests.hazards import EXAMPLES, HAZARDS, MAY_REFUSE, SHAPES, encoded


def test_every_codemod_of_loops_has_an_example():
    """Those that are only in force where they are selected go over statements."""
    assert set(EXAMPLES) == {codemod.code for codemod in catalog.load() if not codemod.opt_in}


def meaning(data):
    """The syntax tree, without places and without the import of the helper."""
    tree = ast.parse(data)
    tree.body = [n for n in tree.body if not (isinstance(n, ast.ImportFrom) and n.level)]
    return ast.dump(tree)


def comments(data):
    tokens = tokenize.tokenize(io.BytesIO(data).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)


def lines_outside(data):
    """The lines that hold nothing of the first loop over rows."""
    loop = next(
        n for n in ast.walk(ast.parse(data))
        if isinstance(n, ast.For) and getattr(n.target, "id", "").startswith(("post", "token", "_"))
    )  # fmt: skip
    lines = data.split(b"\n")
    return [*lines[: loop.lineno - 1], *lines[loop.end_lineno :]]


def is_subsequence(parts, whole):
    rest = iter(whole)
    return all(part in rest for part in parts)


@pytest.mark.parametrize("hazard", HAZARDS)
@pytest.mark.parametrize("name", [*EXAMPLES, *SHAPES])
def test_a_variant_is_rewritten_alike_or_left_alone(name, hazard):
    code = name.partition(" ")[0]
    example, apply = (EXAMPLES | SHAPES)[name], HAZARDS[hazard]
    before = encoded(hazard, apply(example.file(example.before)))
    select = (code, *example.beside)
    outcome = checking.outcome_of(
        before, select=select, databases=example.databases, models=example.models
    )
    if not outcome.changed:
        assert hazard in MAY_REFUSE, outcome.loops
        assert not outcome.edits
        return
    after = outcome.edits[-1].after
    assert meaning(after) == meaning(encoded(hazard, apply(example.file(example.after))))
    assert comments(before) <= comments(after)
    assert example.drops or is_subsequence(lines_outside(before), after.split(b"\n"))
    assert (b"\r\n" in before) == (b"\r\n" in after)
    assert b"\n" not in after.replace(b"\r\n", b"") or b"\r\n" not in before
    again = checking.outcome_of(
        after, select=select, databases=example.databases, models=example.models
    )
    assert not again.changed


def test_variants_are_left_alone_as_they_must_be():
    """What may be refused is not always refused, or it would prove nothing."""
    for hazard in MAY_REFUSE - {"an unknown decorator"}:
        assert any(
            checking.outcome_of(
                encoded(hazard, HAZARDS[hazard](example.file(example.before))),
                select=(code, *example.beside),
                databases=example.databases,
                models=example.models,
            ).changed
            for code, example in EXAMPLES.items()
        ), hazard
