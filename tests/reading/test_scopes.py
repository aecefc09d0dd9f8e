"""Which assignment a name has: checked by hand, and against programs that are run."""

from __future__ import annotations

import ast
import contextlib
import random
from textwrap import dedent, indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migfix.reading.names.scopes import Scope


def binding_at_use(body: str):
    """The binding of ``x`` where ``use(x)`` stands, in ``def f(p):`` with this body."""
    function = ast.parse(f"def f(p):\n{indent(dedent(body), '    ')}").body[0]
    scope = Scope(function)
    use = next(
        call.args[0]
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "use"
    )
    return scope.binding("x", use)


CERTAIN = {
    "the last of two": ("x = 1\nx = 2\nuse(x)", 2),
    "inside a loop that does not bind it": ("x = 1\nfor i in p:\n    use(x)", 1),
    "bound anew in every turn": ("while p:\n    x = 1\n    use(x)\n    x = 2", 1),
    "the other branch": ("x = 1\nif p:\n    x = 2\nelse:\n    use(x)", 1),
    "the other branch of an elif": (
        "x = 1\nif p:\n    x = 2\nelif p.a:\n    x = 3\nelse:\n    use(x)",
        1,
    ),
    "rebound afterwards": ("x = 1\nuse(x)\nx = 2", 1),
    "in the value of its own rebinding": ("x = 1\nx = use(x)", 1),
    "after a whole try body": ("try:\n    x = 1\nexcept E:\n    pass\nelse:\n    use(x)", 1),
    "before a try": ("x = 1\ntry:\n    use(x)\nfinally:\n    x = 2", 1),
    "after a with that opens a cursor": ("with p.cursor() as c:\n    x = 1\nuse(x)", 1),
    "in a with": ("with p:\n    x = 1\n    use(x)", 1),
    "in a list comprehension": ("x = 1\nx = 2\ny = [use(x) for i in p]", 2),
    "in a generator expression, bound once": ("x = 1\ny = (use(x) for i in p)", 1),
    "in the header of a loop that binds it": ("x = 1\nfor i in use(x):\n    x = 2", 1),
    "after a branch that returns is still one of two": ("x = 1\nif p:\n    pass\nuse(x)", 1),
    "a walrus in another statement": ("(x := 1)\nx = 2\nuse(x)", 2),
    "a walrus of another name": ("x = 1\nuse(x) if (y := p) else None", 1),
}


@pytest.mark.parametrize(("body", "value"), CERTAIN.values(), ids=CERTAIN)
def test_a_name_is_what_it_was_bound_to(body, value):
    assert binding_at_use(body).value.value == value


DOUBTFUL = {
    "unbound": "use(x)",
    "bound in one branch": "x = 1\nif p:\n    x = 2\nuse(x)",
    "bound in both branches": "if p:\n    x = 1\nelse:\n    x = 2\nuse(x)",
    "bound in a loop": "x = 1\nfor i in p:\n    x = 2\nuse(x)",
    "bound later in the loop": "x = 1\nfor i in p:\n    use(x)\n    x = 2",
    "bound later in an outer loop": "x = 1\nwhile p:\n    for i in p:\n        use(x)\n    x = 2",
    "bound in a test of while": "x = 1\nwhile (x := p()):\n    use(x)",
    "bound in the test": "x = 1\nif (x := p()):\n    use(x)",
    "bound in the same expression": "x = 1\np((x := 2), use(x))",
    "bound in the test of a conditional expression": "x = 1\ny = use(x) if (x := p) else 0",
    "bound in a comprehension": "x = 1\ny = [x := i for i in p]\nuse(x)",
    "bound in a default": "x = 1\ndef g(a=(x := 2)): pass\nuse(x)",
    "bound in a decorator": "x = 1\n@p(x := 2)\ndef g(): pass\nuse(x)",
    "bound by an exception": "x = 1\ntry:\n    p()\nexcept E as x:\n    use(x)",
    "unbound after an exception": "x = 1\ntry:\n    p()\nexcept E as x:\n    pass\nuse(x)",
    "bound by a case": "x = 1\nmatch p:\n    case [x, *_]:\n        use(x)",
    "bound by the rest of a list": "x = 1\nmatch p:\n    case [_, *x]:\n        use(x)",
    "bound by the rest of a mapping": "x = 1\nmatch p:\n    case {'a': 1, **x}:\n        use(x)",
    "bound by a case before": "x = 1\nmatch p:\n    case x:\n        pass\nuse(x)",
    "in the handler of the try that binds it": "x = 1\ntry:\n    x = 2\nexcept E:\n    use(x)",
    "in the finally of the try that binds it": "x = 1\ntry:\n    x = 2\nfinally:\n    use(x)",
    "after the try that binds it": "x = 1\ntry:\n    x = 2\nexcept E:\n    pass\nuse(x)",
    "after a with that may swallow": "x = 1\nwith p:\n    x = 2\nuse(x)",
    "after a branch in a with that opens a cursor": (
        "x = 1\nwith p.cursor() as c:\n    if c:\n        x = 2\nuse(x)"
    ),
    "after a with of a cursor and more": "x = 1\nwith p.cursor() as c, p:\n    x = 2\nuse(x)",
    "after the loop over it": "x = 1\nfor x in p:\n    pass\nuse(x)",
    "in the else of the loop over it": "x = 1\nfor x in p:\n    pass\nelse:\n    use(x)",
    "in the else of a loop that binds it": "for i in p:\n    x = 1\nelse:\n    use(x)",
    "in a lambda": "x = 1\ny = lambda: use(x)",
    "in a nested function": "x = 1\ndef g():\n    use(x)",
    "in a class": "x = 1\nclass A:\n    y = use(x)",
    "in a generator expression that runs later": "x = 1\ny = (use(x) for i in p)\nx = 2",
    "the variable of a comprehension": "x = 1\ny = [use(x) for x in p]",
    "the variable of a generator expression": "x = 1\ny = any(use(x) for x in p)",
    "nonlocal in a nested function": "x = 1\ndef g():\n    nonlocal x\n    x = 2\ng()\nuse(x)",
    "global": "global x\nx = 1\nuse(x)",
    "bound twice in one target": "x, x = p\nuse(x)",
}


@pytest.mark.parametrize("body", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_name_that_may_be_something_else_has_no_binding(body):
    assert binding_at_use(body) is None


def test_names_bound_without_a_value_have_none():
    for body in (
        "x = 1\nwith p as x:\n    use(x)",
        "x = 1\nx += 1\nuse(x)",
        "x = 1\ndel x\nuse(x)",
        "x = 1\ndef x(): pass\nuse(x)",
        "x = 1\nimport x\nuse(x)",
        "x = 1\nfor x in p:\n    use(x)",
    ):
        assert binding_at_use(body).value is None, body


def test_a_place_in_a_tuple_is_told():
    assert binding_at_use("x, y = p\nuse(x)").position == 0
    assert binding_at_use("y, x = p\nuse(x)").position == 1


def test_a_starred_name_has_no_value():
    assert binding_at_use("y, *x = p\nuse(x)").value is None


def test_a_parameter_is_bound_by_itself():
    function = ast.parse("def f(x):\n    use(x)").body[0]
    use = function.body[0].value.args[0]
    assert Scope(function).binding("x", use).statement is function.args.args[0]


# --- programs ------------------------------------------------------------------------------------

SIMPLE = ["x = new({n})", "use({n}, x)", "x = use({n}, x) or new({n})", "pass", "stop({n})"]
SIMPLE += ["use({n}, x) if (x := new({n})) else None", "y = [use({n}, x) for _ in (1, 2)]"]
SIMPLE += ["del x", "(x := new({n}))", "maybe() and (x := new({n}))", "for x in news({n}): pass"]


def block(children):
    return st.lists(children, min_size=1, max_size=4)


STATEMENTS = st.recursive(
    st.sampled_from(SIMPLE),
    lambda inner: st.one_of(
        st.tuples(st.just("if maybe():"), block(inner)),
        st.tuples(st.just("if maybe():"), block(inner), st.just("elif maybe():"), block(inner))
        .flatmap(lambda parts: block(inner).map(lambda last: (*parts, "else:", last))),
        st.tuples(st.just("if (x := new({n})):"), block(inner)),
        st.tuples(st.just("for x in news({n}):"), block(inner), st.just("else:"), block(inner)),
        st.tuples(st.just("for _ in turns():"), block(inner)),
        st.tuples(st.just("while maybe():"), block(inner), st.just("else:"), block(inner)),
        st.tuples(st.just("with context():"), block(inner)),
        st.tuples(st.just("with context() as x:"), block(inner)),
        st.tuples(st.just("try:"), block(inner), st.just("except Stop as x:"), block(inner)),
        st.tuples(
            st.just("try:"), block(inner), st.just("except Stop:"), block(inner),
            st.just("else:"), block(inner), st.just("finally:"), block(inner),
        ),
        st.tuples(st.just("match pick({n}):\n  case [x]:"), block(inner), st.just("  case _:"), block(inner)),
    ),
    max_leaves=14,
)  # fmt: skip


def source_of(statements, depth=1):
    """The statements as text; parts that are lists are the blocks of the header before them."""
    lines = []
    for statement in statements:
        parts = (statement,) if isinstance(statement, str) else statement
        inner = depth
        for part in parts:
            if isinstance(part, str):
                lines += [f"{'    ' * depth}{line}" for line in part.split("\n")]
                deeper = len(part.split("\n")[-1]) - len(part.split("\n")[-1].lstrip())
                inner = depth + (2 if deeper else 1)
            else:
                lines += source_of(part, inner)
    return lines


class Stop(Exception):
    pass


class Context:
    """A context manager that swallows; ``value`` is what ``as`` binds."""

    def __init__(self, value):
        self.value = value

    def __enter__(self):
        return self.value

    def __exit__(self, kind, error, traceback):
        return isinstance(error, Stop)


def uses_seen(code, seed):
    """Pairs (number of the use, number of what ``x`` was) of one run; None for other values."""
    chance, seen = random.Random(seed), []
    names = {
        "new": lambda n: [n],
        "news": lambda n: [[-n] for _ in range(chance.randrange(3))],
        "use": lambda n, x: seen.append((n, x[0] if isinstance(x, list) else None)),
        "maybe": lambda: chance.random() < 0.5,
        "turns": lambda: range(chance.randrange(3)),
        "context": lambda: Context([0]),
        "pick": lambda n: chance.choice([[[-n]], 0]),
        "stop": lambda n: chance.random() < 0.5 or (_ for _ in ()).throw(Stop()),
        "Stop": Stop,
    }
    exec(code, names)
    with contextlib.suppress(Stop, NameError):
        names["f"]([0])
    return seen


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(block(STATEMENTS))
def test_a_binding_is_the_one_that_every_run_finds(statements):
    counter = iter(range(1, 10_000))
    text = "\n".join(["def f(x):", *source_of(statements)])
    while "{n}" in text:
        text = text.replace("{n}", str(next(counter)), 1)
    function = ast.parse(text).body[0]
    scope, found = Scope(function), {}
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and call.func.id == "use":
            binding = scope.binding("x", call.args[1])
            if binding is not None and isinstance(binding.value, ast.Call | ast.BoolOp):
                made = next(
                    n for n in ast.walk(binding.value)
                    if isinstance(n, ast.Call) and n.func.id == "new"
                )  # fmt: skip
                found[call.args[0].value] = made.args[0].value
            elif binding is not None and isinstance(binding.statement, ast.arg):
                found[call.args[0].value] = 0
    code = compile(text, "<program>", "exec")
    for seed in range(12):
        for use, value in uses_seen(code, seed):
            assert found.get(use, value) == value, text


OWN = {
    "a variable of a comprehension": ("y = [x for x in p]", 0),
    "its first iterable": ("y = [x for x in x]", 1),
    "its second iterable": ("y = [x for x in p for z in x]", 0),
    "a condition of it": ("y = {z: 1 for z in p if x}", 1),
    "a parameter of a lambda": ("y = lambda x: x", 0),
    "a default of a lambda": ("y = lambda x=x: x", 1),
    "a nested function": ("def g():\n    return x", 1),
    "a nested comprehension": ("y = [[x for z in p] for x in p]", 0),
}


@pytest.mark.parametrize(("body", "count"), OWN.values(), ids=OWN)
def test_reads_of_a_name_are_those_that_may_mean_this_one(body, count):
    function = ast.parse(f"def f(p, x):\n{indent(body, '    ')}").body[0]
    assert len(list(Scope(function).loads("x"))) == count


def test_a_lambda_reads_its_own_parameter():
    function = ast.parse("lambda x: x").body[0].value
    assert len(list(Scope(function).loads("x"))) == 1


def test_deletions_count_as_reads_where_asked_for():
    function = ast.parse("def f(x):\n    del x").body[0]
    scope = Scope(function)
    assert (len(list(scope.loads("x"))), len(list(scope.loads("x", ast.Del)))) == (0, 1)
