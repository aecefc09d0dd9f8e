"""What a migration file says of itself."""

from __future__ import annotations

import pytest

from migfix.history.files.migration import MigrationSource
from migfix.history.files.reading import read_migration
from migfix.history.files.scope import UnreadableMigration
from migfix.history.state import Unknown

HEADER = "from django.db import migrations, models\nfrom ops import Wrapped, more\n"


def read(body: str, top: str = "", after: str = "") -> MigrationSource:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return read_migration(
        f"{HEADER}{top}\nclass Migration(migrations.Migration):\n{lines}\n{after}"
    )


def kinds(source: MigrationSource) -> list[str | None]:
    return [operation.kind for operation in source.operations]


RUN = "migrations.RunPython(forwards, backwards)"
DELETE = "migrations.DeleteModel('A')"


@pytest.mark.parametrize(
    ("body", "top"),
    [
        (f"operations = [{DELETE}, {RUN}]", ""),
        (f"operations = ({DELETE}, {RUN})", ""),
        (f"operations = [{DELETE}] + [{RUN}]", ""),
        (f"operations = [*[{DELETE}], {RUN}]", ""),
        (f"operations = [{DELETE}]\noperations += [{RUN}]", ""),
        (f"first = [{DELETE}]\noperations = first + [{RUN}]", ""),
        (f"operations = [*FIRST, {RUN}]", f"FIRST = [{DELETE}]"),
        ("operations = operations", f"operations = [{DELETE}, {RUN}]"),
        ("operations = [DELETE, RUN]", f"DELETE = {DELETE}\nRUN = {RUN}"),
        (f"operations: list = list([{DELETE}, {RUN}])", ""),
    ],
)
def test_a_list_of_operations_may_be_written_in_many_ways(body, top):
    source = read(body, top)
    assert kinds(source) == ["DeleteModel", "RunPython"]
    (call,) = source.run_pythons
    assert (call.index, call.code.id, call.reverse_code.id) == (1, "forwards", "backwards")


@pytest.mark.parametrize(
    ("body", "top", "after", "why"),
    [
        (
            f"operations = [{DELETE}]\noperations[0:0] = [{DELETE}]",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\noperations[0] = {DELETE}",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nothers = operations\nothers.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nothers: list = operations\nothers.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"others = operations = [{DELETE}]\nothers.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nfor each in x:\n    operations.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    operations.append({RUN})\n    operations.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    operations.append(Wrapped())",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    operations += more()",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    operations.pop()",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif change(operations):\n    operations.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    change(operations)",
            "",
            "",
            "code that runs at import",
        ),
        (
            "operations = more()\nif x:\n    del operations[0]",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    del operations[1:]",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nwith x:\n    operations.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    operations.append(migrations.RenameModel('A', 'B'))",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]\nif x:\n    kept = operations\n    kept.append({DELETE})",
            "",
            "",
            "code that runs at import",
        ),
        (
            f"operations = [{DELETE}]",
            "",
            f"Migration.operations.append({RUN})",
            "after its definition",
        ),
        ("operations = more()", "", "", "built at run time by more()"),
        ("operations = [x for x in more]", "", "", "built at run time"),
        (
            "operations = FIRST",
            f"FIRST = [{DELETE}]\nFIRST.append({RUN})",
            "",
            "built at run time by FIRST",
        ),
        (
            "operations = FIRST",
            f"FIRST = []\nif x:\n    FIRST = [{RUN}]",
            "",
            "built at run time by FIRST",
        ),
        ("def __init__(self, *a): pass\noperations = []", "", "", "its own __init__()"),
        (
            f"operations = [Wrapped({RUN})]",
            "",
            "",
            "Wrapped(...) is not an operation of Django's own",
        ),
    ],
)
def test_operations_that_are_not_written_out_are_a_problem_with_a_line(body, top, after, why):
    first = next(each for each in read(body, top, after).operations if each.kind is None)
    assert first.problem.startswith("line ")
    assert why in first.problem


SQL = "migrations.RunSQL(made(table))"
MADE = {
    "by a function": ("operations = rules()", f'def rules():\n    """All."""\n    table = "x"\n    return [{SQL}]'),
    "by a function among others": (f"operations = [*rules('x'), {DELETE}]", f"def rules(table):\n    return [{SQL}]"),
    "by a comprehension": (f"operations = [{SQL} for table in TABLES]", ""),
    "by one of pairs": (f"operations = [*({SQL} for table, other in TABLES if table)]", ""),
}  # fmt: skip


@pytest.mark.parametrize(("body", "top"), MADE.values(), ids=MADE)
def test_sql_that_is_made_at_run_time(body, top):
    first = read(body, top).operations[0]
    assert (first.kind, first.problem) == ("RunSQL", None)
    assert isinstance(first.arguments["sql"], Unknown)


def test_operations_that_a_function_returns_as_they_are():
    top = f"def rules():\n    return ({DELETE}, {RUN})"
    found = read("operations = rules()", top)
    assert [each.kind for each in found.operations] == ["DeleteModel", "RunPython"]
    assert [(call.index, call.code.id) for call in found.run_pythons] == [(1, "forwards")]


def test_code_that_is_made_for_each_of_a_list():
    (found,) = read("operations = [migrations.RunPython(made(x)) for x in y]").operations
    assert (found.kind, found.problem) == ("RunPython", None)


STATE = "migrations.RunSQL(x, state_operations=more)"
MADE_UNSURE = {
    "a state operation of each": (f"operations = [{DELETE} for x in y]", ""),
    "a state operation of a local name": ("operations = f()", "def f(x):\n    return [migrations.DeleteModel(x)]"),
    "a state operation of a local constant": ("operations = f()", "def f():\n    X = 'B'\n    return [migrations.DeleteModel(X)]"),
    "a state change beside the SQL": (f"operations = [{STATE} for x in y]", ""),
    "one by its place": ("operations = [migrations.RunSQL(x, None, more) for x in y]", ""),
    "unpacked arguments": ("operations = [migrations.RunSQL(**x) for x in y]", ""),
    "another class": ("operations = [Other(x) for x in y]", ""),
    "another class by a local name": ("operations = f()", f"def f(migrations):\n    return [{SQL}]"),
    "elements of another list": ("operations = f()", "def f(x):\n    return [*x]"),
    "a decorator": ("operations = f()", f"@wrapped\ndef f():\n    return [{DELETE}]"),
    "two functions": ("operations = f()", f"def f():\n    return []\nif x:\n    def f():\n        return [{DELETE}]"),
    "another binding": ("operations = f()", f"def f():\n    return [{DELETE}]\nf = other"),
    "a test": ("operations = f()", f"def f():\n    if x:\n        return []\n    return [{DELETE}]"),
    "a loop": ("operations = f()", f"def f():\n    for x in y:\n        more(x)\n    return [{DELETE}]"),
    "a generator": ("operations = f()", f"def f():\n    x = yield\n    return [{DELETE}]"),
    "a list that grows": ("operations = f()", f"def f():\n    x = []\n    x += [{DELETE}]\n    return x"),
    "a method": ("operations = f()", f"class X:\n    def f():\n        return [{DELETE}]"),
    "a coroutine": ("operations = f()", f"async def f():\n    return [{DELETE}]"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "top"), MADE_UNSURE.values(), ids=MADE_UNSURE)
def test_what_a_function_or_a_comprehension_may_do_to_the_state(body, top):
    first = read(body, top).operations[0]
    assert first.kind is None
    assert first.problem.startswith("line ")


def test_a_run_python_inside_a_wrapper_is_still_found():
    (call,) = read(f"operations = [{DELETE}, Wrapped({RUN})]").run_pythons
    assert (call.index, call.code.id) == (1, "forwards")


def test_a_run_python_among_database_operations_has_the_index_of_the_whole():
    inner = f"migrations.SeparateDatabaseAndState(database_operations=[{DELETE}, {RUN}], state_operations=[{RUN}])"
    (call,) = read(f"operations = [{DELETE}, {inner}]").run_pythons
    assert call.index == 1


def test_code_may_be_named_and_unpacked_arguments_leave_it_open():
    body = (
        "operations = [migrations.RunPython(code=a, reverse_code=b), migrations.RunPython(**both)]"
    )
    named, unpacked = read(body).run_pythons
    assert (named.code.id, named.reverse_code.id, unpacked.code) == ("a", "b", None)


RETURNED = {
    "a list": ("return [('a', '1')]", 1),
    "a list with a docstring": ("'''x'''\n    return [('a', '1')]", 1),
    "a list that grows": ("found = [('a', '1')]\n    if x():\n        found.append(('b', '1'))\n    return found", 1),
    "a list that surely grows": ("found: list = [('a', '1')]\n    found += MORE\n    return found", 1),
    "a list on some ways": ("if x():\n        return []\n    return [('a', '1')]", 0),
    "a list that shrinks": ("found = [('a', '1')]\n    found.pop()\n    return found", 0),
    "a list that is made anew": ("found = [('a', '1')]\n    if x():\n        found = []\n    return found", 0),
    "another list": ("found = [('a', '1')]\n    return other", 0),
    "a part of it": ("found = [('a', '1')]\n    return found[1:]", 0),
    "nothing that is written out": ("return list(x())", 0),
}  # fmt: skip


@pytest.mark.parametrize(("body", "count"), RETURNED.values(), ids=RETURNED)
def test_dependencies_that_a_function_returns(body, count):
    source = read("dependencies = found()", f"def found():\n    {body}\n")
    known = [each for each in source.dependencies if isinstance(each, tuple)]
    assert known == [("a", "1")] * count
    assert any(isinstance(each, Unknown) for each in source.dependencies)


def test_dependencies_in_their_forms():
    source = read(
        "dependencies = [('a', '1'), migrations.swappable_dependency(settings.AUTH_USER_MODEL), f()] + MORE\n"
        "atomic = False\nrun_before = [('b', '2')]\nreplaces = [('c', '3')]",
        top="from django.conf import settings\nMORE = [('d', '4')]",
    )
    assert [each for each in source.dependencies if isinstance(each, tuple)] == [
        ("a", "1"),
        ("d", "4"),
    ]
    assert len([each for each in source.dependencies if isinstance(each, Unknown)]) == 1
    assert source.swappable == ("django.conf.settings.AUTH_USER_MODEL",)
    assert (source.atomic, source.run_before, source.replaces) == (
        False,
        (("b", "2"),),
        (("c", "3"),),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [("class (", "line 1"), ("x = 1", "no single class Migration"), ("\0", "null")],
)
def test_what_is_no_migration_raises(text, why):
    with pytest.raises(UnreadableMigration, match=why):
        read_migration(text)


def test_the_coding_cookie_of_the_file_counts():
    text = "# -*- coding: latin-1 -*-\nclass Migration: x = '\xe9'\n"
    assert read_migration(text.encode("latin-1")).operations == ()


ADD = "migrations.AddIndex('A', models.Index(fields=['x'], name='i'))"
BRANCHES = {
    "one more": (f"operations = [{DELETE}]\nif x:\n    operations.append({ADD})", ["DeleteModel", [[], ["AddIndex"]]]),
    "either list": (
        f"if x:\n    operations = [{DELETE}]\nelse:\n    operations = [{ADD}, {DELETE}]",
        [[["AddIndex", "DeleteModel"], ["DeleteModel"]]],
    ),
    "a few more": (
        f"operations = [{DELETE}]\nif x:\n    operations += [{ADD}]\n    operations.extend([{ADD}])",
        ["DeleteModel", [[], ["AddIndex", "AddIndex"]]],
    ),
    "one less": (
        f"operations = [{DELETE}, {ADD}, {RUN}]\nif x:\n    del operations[1]",
        ["DeleteModel", [[], ["AddIndex"]], "RunPython"],
    ),
    "several branches": (
        f"operations = []\nif x:\n    if y:\n        operations = [{ADD}]\nelif z:\n    operations = [{DELETE}]",
        [[[], ["AddIndex"], ["DeleteModel"]]],
    ),
    "in any case": (f"operations = [{DELETE}]\noperations.append({RUN})", ["DeleteModel", "RunPython"]),
    "functions alone": (f"operations = []\nif x:\n    operations.append({RUN})", [[[], ["RunPython"]]]),
}  # fmt: skip


@pytest.mark.parametrize("name", BRANCHES)
def test_operations_in_branches(name):
    body, expected = BRANCHES[name]
    source = read(body)
    found = [
        sorted([each.kind for each in one] for one in operation.alternatives) or operation.kind
        for operation in source.operations
    ]
    assert found == expected
    assert len(source.run_pythons) == body.count("RunPython")


def test_dependencies_in_branches():
    body = (
        "dependencies = [('a', '1')]\nif x:\n    dependencies.append(('b', '1'))\noperations = []"
    )
    source = read(body)
    assert source.dependencies == (("a", "1"),)
    assert source.operations == ()
