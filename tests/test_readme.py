"""The README shows what migfix prints, and the recipes of the documentation match it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from migfix import catalog
from migfix.commandline.cli import app
from migfix.settings import all_codes, known_codes
from tests.processes import ran

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EDITORS = (ROOT / "docs" / "editors.md").read_text()
USAGE = (ROOT / "docs" / "usage.md").read_text()


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


def printed(*arguments: str) -> str:
    return CliRunner().invoke(app, list(arguments)).stdout


@pytest.mark.usefixtures("at_the_top")
def test_the_first_diff_is_what_migfix_prints():
    assert blocks("diff")[0] == printed(
        "diff", "examples/newsroom/blog/migrations/0002_new_owners.py"
    )


@pytest.mark.usefixtures("at_the_top")
def test_the_refusals_shown_are_what_migfix_prints():
    command = re.search(r"^\$ migfix (check \S+)$", README, re.MULTILINE)
    assert command
    assert blocks("text")[0] == printed(*command[1].split())


def test_the_table_of_rewrites_is_that_of_the_codemods():
    for codemod in catalog.load():
        sentence = " ".join(codemod.documentation.partition("\n\n")[0].split())
        sentence = sentence.replace("``", "`")
        assert f"| {codemod.code} | {codemod.name} | {sentence} |" in README
    assert README.count("\n| MF") == len(catalog.load())


def test_the_codes_that_settings_know_are_those_of_the_codemods():
    codemods = catalog.load()
    assert {each.code: each.name for each in codemods} == dict(all_codes())
    assert {each.code for each in codemods if not each.opt_in} == {*known_codes()}


@pytest.mark.usefixtures("at_the_top")
def test_the_problem_matchers_of_vs_code_find_every_loop_and_error():
    task = next(json.loads(b) for b in blocks("json", EDITORS) if '"tasks"' in b)["tasks"][0]
    assert task["args"][0] == "check"
    matchers = {each["severity"]: each["pattern"] for each in task["problemMatcher"]}
    output = printed("check", "examples/newsroom")
    report = json.loads(printed("check", "--output-format", "json", "examples/newsroom"))
    for severity, wanted in (("warning", True), ("info", False)):
        pattern = matchers[severity]
        found = {
            (match[pattern["file"]], int(match[pattern["line"]]), int(match[pattern["column"]]))
            for match in re.finditer(pattern["regexp"], output, re.MULTILINE)
        }
        loops = {
            (f["path"], e["line"], e["column"])
            for f in report["files"]
            for e in f["loops"]
            if bool(e["codes"]) is wanted
        }
        assert found == loops
        assert loops
    errors = [
        ("a b.py: line 3, column 7: invalid syntax (read by Python 3.11)", ("a b.py", "3", "7")),
        ("a.py: no such file or folder", ("a.py", None, None)),
    ]
    pattern = matchers["error"]
    for text, place in errors:
        match = re.fullmatch(pattern["regexp"], f"migfix: {text}")
        assert match
        assert (match[pattern["file"]], match[pattern["line"]], match[pattern["column"]]) == place
        assert match[pattern["message"]]


def test_the_tools_of_pycharm_are_those_of_the_table():
    root = ElementTree.parse(ROOT / "editors" / "pycharm" / "External Tools.xml").getroot()
    arguments = [
        each.get("value") for each in root.iter("option") if each.get("name") == "PARAMETERS"
    ]
    assert arguments == ['check "$FilePath$"', 'apply "$FilePath$"']
    given = {each.get("value") for each in root.iter("option") if each.get("name") != "PARAMETERS"}
    for name in ("Program", "Working directory", "Output filters"):
        row = re.search(rf"\| {name} \| `([^`]+)` \|", EDITORS)
        assert row
        assert row[1] in given


@pytest.mark.usefixtures("at_the_top")
def test_the_output_filter_of_pycharm_links_every_line_with_a_loop():
    template = re.search(r"Output filters \| `([^`]+)`", EDITORS)
    assert template
    filter_ = re.escape(template[1]).replace(r"\$FILE_PATH\$", r"(?P<file>\S+)")
    filter_ = filter_.replace(r"\$LINE\$", r"(?P<line>\d+)").replace(r"\$COLUMN\$", r"\d+")
    filter_ = filter_.replace(r"\.\*", ".*")
    lines = printed("check", "examples/newsroom").splitlines()
    linked = [match for line in lines if (match := re.fullmatch(filter_, line))]
    assert linked
    for match in linked:
        source = (ROOT / match["file"]).read_text().splitlines()
        assert source[int(match["line"]) - 1].lstrip().startswith("for ")


def test_the_codemods_are_commands_of_libcst(tmp_path):
    command = re.search(r"`python (-m libcst\.tool codemod .*) FILE`", USAGE)
    assert command
    shutil.copytree(ROOT / "examples" / "newsroom", tmp_path / "newsroom")
    file = Path("blog", "migrations", "0002_new_owners.py")
    ran(
        [sys.executable, *command[1].split(), str(file)],
        cwd=tmp_path / "newsroom",
        check=True,
        capture_output=True,
    )
    written = (tmp_path / "newsroom" / file).read_text()
    assert "BlogPost.objects.filter(owner=bob).update(owner=sharon)" in written
