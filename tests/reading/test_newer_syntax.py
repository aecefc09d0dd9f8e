"""Files of a project in the syntax of a newer Python than the one that runs."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.source import Source, neighbour, tree_of
from tests import checking


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("except A, B:", "except (A, B):"),
        ("except a.A, B , C :  # why", "except (a.A, B, C):"),
        ("except* A, B:", "except* (A, B):"),
        ("except A:", "except A:"),
    ],
)
def test_exceptions_without_parentheses(written, meant):
    around = "s = '''\nexcept A, B:\n'''\ntry:\n    x()\n{}\n    y()\nexcept D, E:\n    z()\n"
    if "*" in written:
        pytest.importorskip("tomllib")  # except* and it came together, in Python 3.11
        around = around.replace("except D", "except* D")
    for text in (around, around.replace("\n", "\r\n")):
        found = neighbour(text.format(written))
        wanted = around.format(meant).replace("D, E:", "(D, E):")
        assert ast.unparse(found) == ast.unparse(ast.parse(wanted))
        assert found.body[1].body[0].lineno == 5
    assert ast.dump(neighbour(text.format(written).encode())) == ast.dump(found)


def test_every_name_has_its_own_place():
    text = "try: x\nexcept é, a.B : y; zé\nfinally:\n  try: u\n  except C, D: v, w\n  except E,F:\n    pass\n"
    source = Source.of(Path("0001_a.py"), text.encode())
    names = [n for n in ast.walk(source.tree) if isinstance(n, ast.Name)]
    assert [source.segment(n) for n in names] == [n.id for n in names]
    assert {n.id for n in names} == set("x é a y zé u C D v w E F".split())
    places = {n.id: (n.lineno, n.col_offset, n.end_col_offset) for n in names}
    assert (places["v"], places["F"]) == ((5, 15, 16), (6, 11, 12))
    first, *_ = [h for h in ast.walk(source.tree) if isinstance(h, ast.ExceptHandler)]
    assert source.segment(first.type) == "é, a.B"


@pytest.mark.parametrize(
    "line", ["except A, B as e:", "except A, f():", "except A, :", "except A B:"]
)
def test_what_no_python_takes(line):
    text = f"try:\n    x()\n{line}\n    y()\n"
    if tree_of(b"try: x()\nexcept A, B: y()\n") is not None:  # 3.14 takes more
        with pytest.raises(SyntaxError):
            neighbour(text)
    assert tree_of(text.encode()) is None


FILL = checking.whole("for post in Post.objects.all():\n    print(post.rank)")
NEWER = "from django.db.models.signals import post_init\n\ntry:\n    import x\nexcept ImportError, OSError:\n    pass\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    newer = "try:\n    import x\nexcept ImportError, OSError:\n    pass\n"
    (folder / "0001_initial.py").write_text(f"{newer}{checking.MODELS}")
    (folder / "0002_fill.py").write_text(FILL)
    monkeypatch.chdir(tmp_path)
    return folder


def found(database: str = "mysql") -> dict[str, object]:
    arguments = ["check", "shop", "--output-format", "json", "--no-cache", "--database", database]
    report = json.loads(CliRunner().invoke(app, arguments).stdout)
    (loop,) = report["files"][-1]["loops"]
    return dict(loop)


def test_neighbours_are_read(folder: Path):
    assert found()["only"] == ["rank"]
    (folder.parent / "signals.py").write_text(NEWER)
    assert found()["only"] == ["rank"]
    (folder.parent / "signals.py").write_text(f"{NEWER}post_init.connect(print)\n")
    assert found()["only"] is None


def test_a_neighbour_that_nobody_can_read_is_said(folder: Path):
    (folder.parent / "signals.py").write_text(f"{NEWER}post_init.connect(print)\nx =\n")
    loop = found()
    assert loop["only"] is None
    assert "signals.py:1 cannot be read and may connect a receiver" in json.dumps(loop)


OWN = """
try:
    import x
except ImportError, OSError: x = 1
for post in Post.objects.all():
    try:
        imported.run(post.rank)
    except imported.A, imported.B:  # é
        print(post.rank)
for post in Post.objects.all():
    post.rank = 1
    post.save()
try:
    x
except ValueError, TypeError: print(x)
"""


def test_a_file_of_its_own_loops_is_rewritten(folder: Path):
    before = checking.whole(OWN)
    (folder / "0002_fill.py").write_text(before)
    run = CliRunner().invoke(app, ["apply", "shop", "--allow-dirty", "--database", "postgresql"])
    assert run.exit_code == 0, run.output
    after = (folder / "0002_fill.py").read_text()
    assert (
        "    Post.objects.update(rank=1)\n    try:\n        x\n    except ValueError, TypeError: print(x)\n"
        in after
    )
    assert 'for post in stream(Post.objects.only("rank"), mode="spool"):\n        try:\n' in after
    assert "        except imported.A, imported.B:  # é\n" in after
    kept = [line for line in before.splitlines() if "except" in line]
    assert [line for line in after.splitlines() if "except" in line] == kept


def test_a_file_of_its_own_that_no_python_takes(folder: Path):
    (folder / "0002_fill.py").write_text(checking.whole(f"{OWN}x =\n"))
    run = CliRunner().invoke(app, ["check", "shop", "--no-cache"])
    assert run.exit_code == 2
    assert "invalid syntax" in run.output
