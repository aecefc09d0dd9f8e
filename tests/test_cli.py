"""The command line, with a stand-in for the pipeline that rewrites ``loop`` to ``update``."""

from __future__ import annotations

import json
import os
import re
import sys
import types
from dataclasses import dataclass, field, fields
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

import migfix
from migfix.cache import Cache
from migfix.commandline.cli import app
from migfix.commandline.options import (
    PANELS,
    Applying,
    ColorChoice,
    Options,
    Proving,
    Reporting,
    Showing,
)
from migfix.commandline.output import is_colored
from migfix.commandline.runs import outcomes_for
from migfix.findings import Applicability, FileEdit, FileOutcome, HelperChange, LoopOutcome, Outcome
from migfix.settings import all_codes
from tests.processes import LIMIT, ran, started

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from migfix.disk.files import Files
    from migfix.settings import Settings

ROOT = Path(migfix.__file__).parents[1]
COMMANDS = ("apply", "diff", "check")


@dataclass
class Pipeline:
    """Finds a loop in each file that says ``loop``; notes what it was asked."""

    runs: list[tuple[list[Path], Settings, bool]] = field(default_factory=list)
    helper: Path | None = None
    there: bytes | None = None
    interrupt: bool = False
    crash: bool = False
    clock: float = 0.0

    def looked_at(  # noqa: PLR0913 - as the one it stands for
        self,
        paths: Sequence[Path],
        settings: Settings,
        files: Files,
        *,
        rewrite: bool,
        on_progress: Callable[[int, int], None] | None = None,
        selection: object = None,
        loaded: object = None,
    ) -> list[FileOutcome]:
        self.runs.append((list(paths), settings, rewrite))
        for done in range(1, 4):
            self.clock += 0.6
            if on_progress:
                on_progress(done, 3)
        if self.interrupt:
            raise KeyboardInterrupt
        if self.crash:
            raise ZeroDivisionError("a bug")
        files = [file for path in paths for file in ([path] if path.suffix else path.rglob("*.py"))]
        return [self.look_at(file, rewrite) for file in files]

    def look_at(self, file: Path, rewrite: bool) -> FileOutcome:
        if not file.exists():
            return FileOutcome(file, error="there is no such file", traceback="Traceback: here\n")
        return self.outcome(file, file.read_bytes(), rewrite)

    def outcome(self, file: Path, source: bytes, rewrite: bool) -> FileOutcome:
        if b"loop" not in source:
            return FileOutcome(file)
        edits = (FileEdit(file, source, source.replace(b"loop", b"update")),)
        loop = LoopOutcome(
            1, 1, 2, "forwards", None, Outcome.UPDATE, Applicability.SAFE, ("MF101",), "why", None
        )
        helper = self.helper and HelperChange(self.helper, self.there, frozenset({"stream"}))
        return FileOutcome(file, (loop,), edits if rewrite else (), helper=helper)

    def run_source(  # noqa: PLR0913 - as the one it stands for
        self,
        source: bytes,
        path: Path | None,
        settings: Settings,
        files: Files,
        *,
        rewrite: bool,
        selection: object = None,
        loaded: object = None,
    ) -> FileOutcome:
        self.runs.append(([path or Path("-")], settings, rewrite))
        if b"broken" in source:
            return FileOutcome(path or Path("-"), error="does not parse")
        return self.outcome(path or Path("-"), source, rewrite)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pipeline:
    """The stand-in, in a working folder that holds ``a.py`` with a loop and ``b.py`` without."""
    stand_in = Pipeline()
    module = types.ModuleType("migfix.pipeline")
    vars(module).update(looked_at=stand_in.looked_at, run_source=stand_in.run_source)
    monkeypatch.setitem(sys.modules, "migfix.pipeline", module)
    monkeypatch.setattr(migfix, "pipeline", module, raising=False)
    # which its loops would not get past
    monkeypatch.setattr("migfix.commandline.runs.outcomes_without_a_look", lambda *_: None)
    monkeypatch.setattr("migfix.commandline.runs.outcome_without_a_look", lambda *_: None)
    (tmp_path / ".git").mkdir()
    (tmp_path / "a.py").write_bytes(b"loop\r\n")
    (tmp_path / "b.py").write_bytes(b"nothing\n")
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    return stand_in


def invoke(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


# -- commands and exit codes


def test_apply_writes_and_says_what(pipeline: Pipeline) -> None:
    result = invoke("apply", "a.py", "b.py")
    assert (result.exit_code, result.stderr) == (0, "")
    assert Path("a.py").read_bytes() == b"update\r\n"
    assert result.stdout.startswith("a.py\na.py:1:1: MF101 why\n")
    assert "Rewrote 1 loop in 1 file.\n" in result.stdout


WHY = b"# a.py\n#   1:1: MF101 why\n--- a/a.py\n+++ b/a.py\n"


@pytest.mark.parametrize("arguments", [("diff",), ("apply", "--dry-run")])
def test_a_diff_prints_the_patch_and_writes_nothing(
    pipeline: Pipeline, arguments: tuple[str, ...]
) -> None:
    result = invoke(*arguments, "a.py", "b.py")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout_bytes == WHY + b"@@ -1 +1 @@\n-loop\r\n+update\r\n"
    assert Path("a.py").read_bytes() == b"loop\r\n"


def test_a_diff_goes_to_a_file_as_it_goes_to_a_pipe(pipeline: Pipeline) -> None:
    printed = invoke("diff", "a.py").stdout_bytes
    result = invoke("diff", "a.py", "--color", "always", "-o", "it.patch")
    assert (result.exit_code, result.stdout) == (1, "")
    assert Path("it.patch").read_bytes() == printed
    nowhere = invoke("diff", "a.py", "-o", "gone/it.patch")
    assert nowhere.exit_code == 2 and "gone/it.patch: " in nowhere.stderr


def test_check_finds_without_rewriting(pipeline: Pipeline) -> None:
    result = invoke("check", "a.py")
    assert result.exit_code == 1
    assert "a.py:1:1: MF101 why\n" in result.stdout
    assert [rewrite for _, _, rewrite in pipeline.runs] == [False]
    assert Path("a.py").read_bytes() == b"loop\r\n"


def test_check_prints_json_with_the_same_exit_code(pipeline: Pipeline) -> None:
    result = invoke("check", "--output-format", "json", "a.py", "b.py", "gone.py")
    assert result.exit_code == 2
    report = json.loads(result.stdout)
    assert [file["path"] for file in report["files"]] == ["a.py", "gone.py"]
    assert invoke("check", "--output-format=json", "a.py").exit_code == 1
    assert invoke("check", "--output-format=json", "b.py").exit_code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_to_do_is_exit_code_0(pipeline: Pipeline, command: str) -> None:
    assert invoke(command, "b.py").exit_code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_fails_is_exit_code_2_and_the_others_are_done(
    pipeline: Pipeline, command: str
) -> None:
    result = invoke(command, "gone.py", "a.py")
    assert result.exit_code == 2
    assert result.stderr == "migfix: gone.py: there is no such file\n"
    assert "a.py" in result.stdout
    assert Path("a.py").read_bytes() == (b"update\r\n" if command == "apply" else b"loop\r\n")


def test_a_file_that_cannot_be_written_is_exit_code_2_and_the_others_are_done(
    pipeline: Pipeline,
) -> None:
    Path("c.py").write_bytes(b"loop\n")
    Path("a.py").chmod(0o444)
    result = invoke("apply", "a.py", "c.py")
    assert result.exit_code == 2
    assert result.stderr == "migfix: a.py: not written: the file is read-only\n"
    assert Path("a.py").read_bytes() == b"loop\r\n"
    assert Path("c.py").read_bytes() == b"update\n"
    assert "a.py:1:1" not in result.stdout
    assert "Rewrote 1 loop in 1 file.\n" in result.stdout


def test_a_helper_that_cannot_be_written_is_named(pipeline: Pipeline) -> None:
    pipeline.helper = Path("helper.py")
    pipeline.helper.write_text("mine")
    result = invoke("apply", "a.py")
    assert result.exit_code == 2
    assert result.stderr.startswith("migfix: a.py: helper.py: not written: another file")
    assert Path("a.py").read_bytes() == b"loop\r\n"


def test_outcomes_come_ordered_by_path_each_file_once(pipeline: Pipeline) -> None:
    Path("sub").mkdir()
    for name in ("sub/z.py", "sub/c.py"):
        Path(name).write_text("loop")
    result = invoke("check", "-q", "sub", "sub/../sub/c.py", "a.py")
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "a.py",
        "sub/c.py",
        "sub/z.py",
    ]


def test_a_file_outside_of_the_working_folder_is_said_to_be(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("sub").mkdir()
    monkeypatch.chdir("sub")
    result = invoke("diff", "../a.py")
    assert "migfix: ../a.py: is outside of the working folder" in result.stderr


# -- options


@pytest.mark.parametrize("command", COMMANDS)
def test_options_become_settings(pipeline: Pipeline, command: str) -> None:
    invoke(
        command, "--select", "MF1,stream-rows", "--select=MF203", "--ignore", "MF102", "--unsafe-fixes",
        "--database", "postgresql", "--database", "sqlite", "--exclude", "x", "--exclude", "y,z", "--batch-size", "50",
        "-j", "3", "b.py",
    )  # fmt: skip
    [(paths, settings, _)] = pipeline.runs
    assert paths == [Path("b.py")]
    assert settings.codes == {"MF101", "MF202", "MF203"}
    assert settings.unsafe_fixes is True
    assert settings.databases == {"postgresql", "sqlite"}
    assert settings.exclude == ("x", "y,z")
    assert settings.batch_size == 50
    assert settings.jobs == 3


def test_without_options_the_file_of_settings_decides(pipeline: Pipeline) -> None:
    Path("pyproject.toml").write_text("[tool.migfix]\nunsafe-fixes = true\n")
    invoke("check", "b.py")
    invoke("check", "--no-unsafe-fixes", "b.py")
    assert [settings.unsafe_fixes for _, settings, _ in pipeline.runs] == [True, False]


@pytest.mark.parametrize(("value", "jobs"), [("0", 0), ("auto", 0), ("12", 12)])
def test_jobs_are_a_number_or_auto(pipeline: Pipeline, value: str, jobs: int) -> None:
    assert invoke("check", "--jobs", value, "b.py").exit_code == 0
    assert pipeline.runs[0][1].jobs == jobs


def test_each_project_is_run_under_its_own_settings(pipeline: Pipeline) -> None:
    Path("api").mkdir()
    Path("api/pyproject.toml").write_text("[tool.migfix]\nunsafe-fixes = true\n")
    Path("api/c.py").write_text("loop")
    result = invoke("check", "-q", "a.py", "api/c.py", ".")
    assert [(paths, each.unsafe_fixes) for paths, each, _ in pipeline.runs] == [
        ([Path("api/c.py")], True),
        ([Path("a.py"), Path()], False),
    ]
    assert len(result.stdout.splitlines()) == 2


USAGE_ERRORS = {
    "no path": ([], "PATH"),
    "an unknown code": (["--select", "MF1O1", "a.py"], "did you mean 'MF101'?"),
    "an unknown database": (["--database", "postgres", "a.py"], "postgres"),
    "jobs that are no number": (["-j", "many", "a.py"], "many"),
    "a batch of no rows": (["--batch-size", "0", "a.py"], "--batch-size"),
    "a batch of some rows": (["--batch-size", "some", "a.py"], "--batch-size"),
    "jobs below nought": (["-j", "-1", "a.py"], "-1"),
    "an unknown option": (["--nonsense", "a.py"], "--nonsense"),
    "standard input and a file": (["-", "a.py"], "goes with no other path"),
    "a name for no standard input": (["--stdin-filename", "x.py", "a.py"], "needs - as the path"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("arguments", "message"), USAGE_ERRORS.values(), ids=USAGE_ERRORS)
def test_a_usage_error_is_exit_code_2_and_says_why(
    pipeline: Pipeline, command: str, arguments: list[str], message: str
) -> None:
    result = invoke(command, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert pipeline.runs == []


def test_a_mistake_in_the_settings_is_one_line(pipeline: Pipeline) -> None:
    Path("pyproject.toml").write_text("[tool.migfix]\nslect = []\n")
    result = invoke("apply", "a.py")
    assert result.exit_code == 2
    assert result.stderr == (
        "migfix: pyproject.toml: [tool.migfix]: there is no key 'slect'; did you mean 'select'?\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_the_shared_options(command: str) -> None:
    text = invoke(command, "-h").stdout
    for option in ("--select", "--ignore", "--unsafe-fixes", "--database", "--exclude", "--batch-size", "--jobs",
                   "--stdin-filename", "--color", "--quiet", "--debug"):  # fmt: skip
        assert option in text
    assert invoke(command, "--help").stdout == text


PANELLED = re.compile(r"^╭─ ([^─]+) ─|^│ (--[\w-]+)", re.MULTILINE)


def test_help_is_in_panels() -> None:
    found: dict[str, list[str]] = {}
    for panel, option in PANELLED.findall(invoke("check", "-h").stdout):
        if panel:
            found[panel] = options = []
        else:
            options.append(option)
    assert found["Options"] == ["--help"]
    assert {"--only", "--since"} <= {*found["Which loops"]}
    assert {"--verify", "--rows"} <= {*found["Verifying"]}
    assert {*PANELS} <= {*found}
    every = {name for names in PANELS.values() for name in names.split()}
    groups = (Options, Proving, Applying, Showing, Reporting)
    assert every <= {"against", *(f.name for group in groups for f in fields(group))}


def test_no_summary_is_cut_off() -> None:
    _, _, text = invoke("-h").stdout.partition("Commands")
    assert "..." not in text
    assert "…" not in text
    assert "(PATH:LINE)." in text


def test_explain_has_no_option_that_does_nothing() -> None:
    text = invoke("explain", "-h").stdout
    assert "--database" in text
    for option in ("--only", "--since", "--jobs", "--quiet", "--cache-dir", "--stdin-filename"):
        assert option not in text
        assert invoke("explain", option, "1", "MF101").exit_code == 2


# -- standard input


def test_a_filter_prints_the_whole_file_and_nothing_else(pipeline: Pipeline) -> None:
    result = invoke("apply", "-", "--stdin-filename", "a.py", stdin=b"a loop\r\n\xe9")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == b"an loop\r\n\xe9".replace(b"an loop", b"a update")
    assert Path("a.py").read_bytes() == b"loop\r\n"


def test_a_filter_prints_what_it_leaves_alone(pipeline: Pipeline) -> None:
    result = invoke("apply", "-", stdin=b"nothing")
    assert (result.exit_code, result.stdout_bytes) == (0, b"nothing")


def test_a_filter_prints_what_it_cannot_parse(pipeline: Pipeline) -> None:
    result = invoke("apply", "-", "--stdin-filename", "a.py", stdin=b"broken")
    assert (result.exit_code, result.stdout_bytes) == (2, b"broken")
    assert result.stderr == "migfix: a.py: does not parse\n"


def test_a_filter_says_which_command_writes_the_helper(pipeline: Pipeline) -> None:
    pipeline.helper = Path("helper.py")
    result = invoke("apply", "-", "--stdin-filename", "a.py", stdin=b"loop")
    assert result.stdout_bytes == b"update"
    assert result.stderr == (
        "migfix: the result needs helper.py, which is not there; migfix apply a.py writes it\n"
    )
    pipeline.there = b"a part of it"
    assert invoke("apply", "-", "--stdin-filename", "a.py", stdin=b"loop").stderr == (
        "migfix: the result needs helper.py, which does not hold all of it yet; "
        "migfix apply a.py writes it\n"
    )
    pipeline.helper = None
    assert invoke("apply", "-", "--stdin-filename", "a.py", stdin=b"loop").stderr == ""


def test_a_filter_that_knows_no_file_names_none(pipeline: Pipeline) -> None:
    pipeline.helper = Path("helper.py")
    assert invoke("apply", "-", stdin=b"loop").stderr == (
        "migfix: the result needs helper.py, which is not there; "
        "migfix apply on the file itself writes it\n"
    )


def test_diff_and_check_read_standard_input_too(pipeline: Pipeline) -> None:
    result = invoke("diff", "-", "--stdin-filename", "a.py", stdin=b"x loop\n")
    assert result.exit_code == 1
    assert result.stdout_bytes == WHY + b"@@ -1 +1 @@\n-x loop\n+x update\n"
    result = invoke("check", "-", "--stdin-filename", "a.py", stdin=b"loop\n")
    assert result.exit_code == 1
    assert "a.py:1:1: MF101 why\n" in result.stdout


def test_standard_input_has_the_settings_of_its_file(pipeline: Pipeline) -> None:
    Path("api").mkdir()
    Path("api/pyproject.toml").write_text("[tool.migfix]\nunsafe-fixes = true\n")
    invoke("check", "-", "--stdin-filename", "api/x.py", stdin=b"")
    invoke("check", "-", stdin=b"")
    assert [settings.unsafe_fixes for _, settings, _ in pipeline.runs] == [True, False]


# -- when things go wrong


def test_an_interrupt_is_exit_code_130(pipeline: Pipeline) -> None:
    pipeline.interrupt = True
    result = invoke("apply", "a.py")
    assert (result.exit_code, result.stderr) == (130, "migfix: interrupted\n")


def test_an_interrupt_while_writing_leaves_nothing_half_written(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    assert invoke("apply", "a.py").exit_code == 130
    assert sorted(os.listdir()) == [".git", "a.py", "b.py"]
    assert Path("a.py").read_bytes() == b"loop\r\n"


def test_a_bug_is_one_line_and_with_debug_a_traceback(pipeline: Pipeline) -> None:
    pipeline.crash = True
    result = invoke("check", "a.py")
    assert result.exit_code == 2
    assert result.stderr == (
        "migfix: internal error: ZeroDivisionError: a bug (--debug shows where)\n"
    )
    result = invoke("check", "--debug", "a.py")
    assert result.exit_code == 2
    assert "in looked_at\n" in result.stderr


def test_debug_shows_the_traceback_of_a_file(pipeline: Pipeline) -> None:
    assert "Traceback: here\n" not in invoke("check", "gone.py").stderr
    assert "Traceback: here\n" in invoke("check", "--debug", "gone.py").stderr


@pytest.mark.skipif(os.name == "nt", reason="needs pipes of POSIX")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_quiet(tmp_path: Path, unbuffered: str) -> None:
    script = (
        "import sys, types\n"
        "from pathlib import Path\n"
        "import migfix, migfix.screening\n"
        "migfix.screening.outcomes_without_a_look = lambda *_: None\n"
        "from migfix.findings import FileOutcome, LoopOutcome, Outcome\n"
        "loop = LoopOutcome(1, 1, 2, 'f', None, Outcome.LEFT, None, (), 'why', None)\n"
        "looked_at = lambda *a, **k: [FileOutcome(Path('a.py'), (loop,) * 100_000)]\n"
        "migfix.pipeline = sys.modules['migfix.pipeline'] = types.SimpleNamespace(looked_at=looked_at)\n"
        "sys.argv = ['migfix', 'check', '.']\n"
        "from migfix.__main__ import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script]
    with started(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        stdout=PIPE, stderr=PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(LIMIT) == 0


def test_a_path_that_is_no_text_is_printed_as_its_bytes(pipeline: Pipeline) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    Path(name).write_text("loop")
    assert b"caf\xe9.py:1:1: MF101 why\n" in invoke("check", name).stdout_bytes


# -- progress


class Terminal:
    """Standard error of somebody who watches."""

    def __init__(self, watched: bool) -> None:
        self.watched = watched
        self.written = ""

    def isatty(self) -> bool:
        return self.watched

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("watched", "quiet", "shown"),
    [
        (True, False, "\r2/3 files\r3/3 files\r\x1b[K"),
        (True, True, ""),
        (False, False, ""),
    ],
)
def test_progress_is_shown_after_a_second_to_who_watches(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, watched: bool, quiet: bool, shown: str
) -> None:
    terminal = Terminal(watched)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("migfix.commandline.runs.time.monotonic", lambda: pipeline.clock)
    outcomes_for(Options(["b.py"], quiet=quiet), rewrite=False)
    assert terminal.written == shown


# -- colours


COLOURS = {
    "a pipe": ({}, False, False),
    "a terminal": ({"TERM": "xterm"}, True, True),
    "a dumb terminal": ({"TERM": "dumb"}, True, False),
    "NO_COLOR": ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
    "an empty NO_COLOR": ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
    "FORCE_COLOR": ({"FORCE_COLOR": "1"}, False, True),
    "FORCE_COLOR=0": ({"FORCE_COLOR": "0"}, False, False),
    "CLICOLOR_FORCE": ({"CLICOLOR_FORCE": "1"}, False, True),
    "NO_COLOR and FORCE_COLOR": ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
}


@pytest.mark.parametrize(("environment", "terminal", "coloured"), COLOURS.values(), ids=COLOURS)
def test_colours_follow_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert is_colored(ColorChoice.AUTO) is coloured
    assert is_colored(ColorChoice.ALWAYS) is True
    assert is_colored(ColorChoice.NEVER) is False


def test_the_flag_colours_text_and_patch(pipeline: Pipeline) -> None:
    for command in ("check", "diff"):
        assert "\x1b[" in invoke(command, "--color=always", "a.py").stdout
        assert "\x1b[" not in invoke(command, "a.py").stdout


@pytest.mark.parametrize("command", ["apply", "check"])
@pytest.mark.parametrize("option", [("--rows", "9"), ("--database-url", "x")])
def test_an_option_that_would_do_nothing(
    pipeline: Pipeline, command: str, option: tuple[str, ...]
) -> None:
    result = invoke(command, *option, "a.py")
    assert (result.exit_code, pipeline.runs) == (2, [])
    assert result.stderr == f"migfix: {option[0]} does nothing without --verify\n"


@pytest.mark.parametrize("command", ["apply", "check", "diff", "review", "explain"])
@pytest.mark.parametrize("option", [("--python", "python3"), ("--timeout", "9"), ("--sandbox",)])
def test_an_option_that_would_do_nothing_without_settings(
    pipeline: Pipeline, command: str, option: tuple[str, ...]
) -> None:
    result = invoke(command, *option, "a.py")
    assert (result.exit_code, pipeline.runs) == (2, [])
    said = f"migfix: {option[0]} does nothing without --settings or --verify\n"
    assert result.stderr == said


def test_a_report_goes_to_a_file(pipeline: Pipeline) -> None:
    for _ in range(2):
        result = invoke("check", "a.py", "-o", "report.txt")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "a.py:1:1: MF101 why\n" in Path("report.txt").read_text()
    result = invoke("check", "a.py", "--output", "nowhere/report.txt")
    assert (result.exit_code, "there is no folder nowhere" in result.stderr) == (2, True)


def test_a_check_that_may_find_something(pipeline: Pipeline) -> None:
    assert invoke("check", "a.py", "--exit-zero").exit_code == 0
    assert invoke("check", "gone.py", "--exit-zero").exit_code == 2


def test_a_check_that_counts(pipeline: Pipeline) -> None:
    assert invoke("check", "a.py", "--statistics").stdout == "1  MF101  loop-to-update\n"


def test_a_report_goes_to_a_pipe(pipeline: Pipeline) -> None:
    os.mkfifo("pipe")
    with started(["cat", "pipe"], stdout=PIPE) as reader:
        assert invoke("check", "a.py", "-qo", "pipe").exit_code == 1
        assert reader.stdout is not None
        assert b"a.py:1:1: MF101 why" in reader.stdout.read()
    assert Path("pipe").is_fifo()


def test_a_report_that_goes_elsewhere_is_not_kept(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option in ("-o", "-qo", "--output"):
        assert not Cache(["check", option, "x", "a.py"]).is_on
    assert not Cache(["check", "--output=x", "a.py"]).is_on
    assert Cache(["check", "--output-format", "json", "--ignore", "MF1", "a.py"]).is_on


def test_only_names_a_loop_of_standard_input_too(pipeline: Pipeline) -> None:
    arguments = ("check", "-", "--stdin-filename", "a.py", "--only")
    assert invoke(*arguments, "a.py:1", stdin=b"loop\n").exit_code == 1
    assert invoke(*arguments, "a.py:9", stdin=b"loop\n").exit_code == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("check --select MF1", [code for code in all_codes() if code.startswith("MF1")]),
        ("check . --ignore MF101,MF20", [f"MF101,MF20{number}" for number in (1, 2, 3)]),
        ("explain keep", ["keeps-rows"]),
        ("explain MF3", [code for code in all_codes() if code.startswith("MF3")]),
    ],
)
def test_shells_complete_codes(line: str, expected: list[str]) -> None:
    done = ran(
        [sys.executable, "-c", "from migfix.commandline.cli import app; app(prog_name='migfix')"],
        env={
            **os.environ,
            "_MIGFIX_COMPLETE": "complete_bash",
            "COMP_WORDS": f"migfix {line}",
            "COMP_CWORD": str(len(line.split())),
        },
        stdout=PIPE,
        text=True,
    )
    assert done.stdout.split() == expected
