"""A plain command line means to migfix what Typer makes of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pytest

from migfix import __main__
from migfix.cache import VARIABLE
from migfix.commandline.cli import app
from migfix.commandline.commands import check
from migfix.commandline.plain import plainly
from migfix.settings import ExitCode

PARTS = [
    ["--unsafe-fixes"],
    ["--no-unsafe-fixes"],
    ["-v"],
    ["--verbose"],
    ["-q"],
    ["--quiet"],
    ["--no-cache"],
    ["--debug"],
    ["--statistics"],
    ["--exit-zero"],
    ["--since", "HEAD"],
    ["--config=a.toml"],
    ["--stdin-filename", "shop/migrations/0001_a.py"],
    ["--cache-dir", "x"],
    ["--output", "report.txt"],
    ["-o", "report=1.txt"],
    ["--output-format", "json"],
    ["--output-format=sarif"],
    ["--color", "never"],
    ["--only", "a.py:1", "--only=b.py:2"],
    ["--select", "MF1, MF2", "--select", "MF3"],
    ["--ignore=MF101=x"],
    ["--exclude", "a b"],
    ["more.py"],
    ["-"],
]


def by_typer(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    heard: list[Any] = []

    def checked(*told: Any) -> ExitCode:
        heard.extend(told[:3])
        return ExitCode.OK

    monkeypatch.setattr(check, "checked", checked)
    monkeypatch.setattr("migfix.commandline.options.Options.refuse_contradictions", lambda _: None)
    with pytest.raises(SystemExit) as end:
        app([*arguments])
    assert not end.value.code, arguments
    return heard


@pytest.mark.parametrize("first", range(len(PARTS)), ids=lambda n: PARTS[n][0])
def test_it_means_what_typer_makes_of_it(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for second in range(first, len(PARTS), 5):
        options = [*PARTS[first], *(PARTS[second] if second != first else [])]
        for arguments in (["check", "a.py", *options], ["check", *options, "a.py"]):
            said = plainly(arguments)
            if said is None:  # the same option twice
                assert PARTS[first][0][:5] == PARTS[second][0][:5] != "--onl"
                continue
            assert [*said] == by_typer(arguments, monkeypatch)


REFUSED = [
    [],
    ["check"],
    ["check", "-h"],
    ["check", "a.py", "--help"],
    ["diff", "a.py"],
    ["--version", "check", "a.py"],
    ["check", "a.py", "--"],
    ["check", "--", "-a.py"],
    ["check", "a.py", "-vq"],
    ["check", "a.py", "-ox"],
    ["check", "a.py", "-o=x"],
    ["check", "a.py", "--verify"],
    ["check", "a.py", "--rows", "3"],
    ["check", "a.py", "--database", "mysql"],
    ["check", "a.py", "--batch-size", "0"],
    ["check", "a.py", "--jobs", "2"],
    ["check", "a.py", "--no-cache=1"],
    ["check", "a.py", "--select"],
    ["check", "a.py", "--select", "-q"],
    ["check", "a.py", "--select="],
    ["check", "a.py", "--config", "a", "--config", "b"],
    ["check", "a.py", "--output-format", "JSON"],
    ["check", "a.py", "--output-format", "x"],
    ["check", "a.py", "--nothing"],
    ["check", ""],
    ["check", "a\udcff.py"],
    ["check", "a\n.py"],
]


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_is_not_plain_is_left_to_typer(arguments: list[str]) -> None:
    assert plainly(arguments) is None


@pytest.mark.parametrize("variable", [VARIABLE, "_MIGFIX_COMPLETE", "_TYPER_COMPLETE_ARGS"])
def test_variables_that_typer_heeds(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plainly(["check", "a.py"])
    monkeypatch.setenv(variable, "")
    assert plainly(["check", "a.py"]) is None


def test_errors_end_alike(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = [["-", "a.py"], ["a.py", "--only", "x"], ["a.py", "--select", "x"], ["nowhere.py"]]
    for arguments in wrong:
        ends = []
        for plain in (True, False):
            if not plain:
                monkeypatch.setattr("migfix.commandline.plain.plainly", lambda _: None)
            monkeypatch.setattr(sys, "argv", ["migfix", "check", *arguments])
            with pytest.raises(SystemExit) as end:
                __main__.main()
            ends.append((int(end.value.code or 0), *capsys.readouterr()))
            monkeypatch.undo()
            monkeypatch.chdir(tmp_path)
        assert ends[0] == ends[1]
        assert ends[0][0] == 2
