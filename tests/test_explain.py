"""What ``migfix explain`` says of codes, reasons and loops."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix import catalog
from migfix.commandline.cli import app
from migfix.findings import Reason
from migfix.reasons import EXPLANATIONS, named
from tests import checking

ROOT = Path(__file__).resolve().parents[1]


def explain(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["explain", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("codemod", catalog.load(), ids=lambda each: each.code)
def test_a_codemod_by_its_code_or_name(codemod):
    text = f"{codemod.code} {codemod.name}\n\n{codemod.documentation}\n"
    assert explain(codemod.code) == explain(codemod.code.lower()) == text
    assert explain(codemod.name) == explain(codemod.name.replace("-", "_")) == text


def test_every_reason_is_explained():
    assert list(EXPLANATIONS) == list(Reason)
    for reason, explanation in EXPLANATIONS.items():
        assert all(text.endswith((".", "`")) for text in explanation), reason
        assert explain(reason.value).startswith(f"{reason.value}\n\n")
    assert named("Keeps-Rows") is Reason.KEEPS_ROWS
    assert named("rows") is None


def test_the_documentation_lists_the_reasons():
    lines = [
        f"| `{reason.value}` | {found.meaning} | {found.help} |"
        for reason, found in EXPLANATIONS.items()
    ]
    text = (ROOT / "docs" / "reasons.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("| `")] == lines


def test_several_at_once():
    assert explain("few-rows", "MF202").count("\n\n") > 3


@pytest.fixture
def folder(shop: Path) -> Path:
    body = "for post in Post.objects.all():\n    post.kind = post.rank\n    kept.append(post)"
    (shop / "0002_fill.py").write_text(checking.whole(f"kept = []\n{body}"))
    return shop


def test_a_loop(folder: Path):
    text = explain("shop/migrations/0002_fill.py:13", "--database", "postgresql")
    assert text.startswith(
        "shop/migrations/0002_fill.py:12:5 in forwards\n"
        "    12 |     for post in Post.objects.all():\n"
        "    13 |         post.kind = post.rank\n"
    )
    assert "\nModel: shop.Post\n    as of this migration: id " in text
    assert " kind " in text.partition("as of this migration:")[2].partition("\n\n")[0]
    assert "MF203 server-side-cursor: no (keeps-rows)\n" in text
    assert f"    What helps: {EXPLANATIONS[Reason.KEEPS_ROWS].help}\n" in text
    assert "\nDatabases: " not in text  # the user said which
    assert explain(f"{folder / '0002_fill.py'}:12", "--database", "postgresql") == text


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing", "'nothing' is no code, no reason and no PATH:LINE"),
        (
            "shop/migrations/0002_fill.py:1",
            "shop/migrations/0002_fill.py:1 is in no loop over rows",
        ),
        ("shop/migrations/gone.py:1", "shop/migrations/gone.py: "),
        (
            "shop/migrations/0002_fill.py:x",
            "explain: 'shop/migrations/0002_fill.py:x' is not PATH:LINE",
        ),
        ("shop/migrations:1", "shop/migrations: is no file"),
        ("-", ""),
    ],
)
def test_what_cannot_be_explained(folder: Path, what: str, said: str):
    result = CliRunner().invoke(app, ["explain", what])
    assert (result.exit_code, said in result.stderr, result.stdout) == (2, True, ""), result.output


INNER = """
for person in Person.objects.all():
    for post in person.posts.all():
        print(post.rank)
"""


def test_the_innermost_loop_is_meant(folder: Path):
    path = folder / "0003_more.py"
    path.write_text(checking.whole(INNER.strip()).replace("0001_initial", "0002_fill"))
    assert "0003_more.py:12:9 in forwards" in explain("shop/migrations/0003_more.py:13")
    assert "0003_more.py:11:5 in forwards" in explain("shop/migrations/0003_more.py:11")


def test_a_loop_beside_a_helper_module(folder: Path):
    helper = "def fix(Post):\n    for post in Post.objects.all():\n        print(post.rank)\n"
    (folder / "_helping.py").write_text(helper)
    calling = checking.whole("fix(Post)\nfor post in Post.objects.all():\n    print(post.kind)")
    (folder / "0002_fill.py").write_text(f"from ._helping import fix\n{calling}")
    assert "0002_fill.py:13:5 in forwards" in explain("shop/migrations/0002_fill.py:13")


def test_lines_are_those_of_the_file(folder: Path):
    path = folder / "0002_fill.py"
    path.write_text(path.read_text().replace("kept = []", "\f\n    kept = [] # \x85"))
    assert "    13 |     for post in Post.objects.all():" in explain(
        "shop/migrations/0002_fill.py:13"
    )
