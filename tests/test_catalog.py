"""The codemods as a set: found by their files, never replaced by a user's, run by LibCST as well."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from migfix import catalog
from migfix.findings import Reason
from tests import checking
from tests.processes import ran

ROOT = Path(__file__).parent.parent


@pytest.fixture(params=catalog.load(), ids=lambda codemod: codemod.name)
def codemod(request):
    return request.param


def test_every_file_is_a_codemod_with_a_code_of_its_own():
    codemods = catalog.load()
    assert len(codemods) == len(list(catalog.FOLDER.glob("[!_]*.py")))
    assert len({codemod.code for codemod in codemods}) == len(codemods)


def test_the_documentation_says_before_after_and_what_is_refused(codemod):
    first, before, _, after, *_ = codemod.documentation.split("\n\n")
    assert first.endswith(".")
    assert before == "Before:"
    assert after.startswith("After")
    assert re.search(r"^Refuses when ", codemod.documentation, re.MULTILINE)


def test_the_examples_of_the_documentation_parse(codemod):
    examples = re.findall(r"\n\n((?:    .*\n?)+)", codemod.documentation)
    assert len(examples) == 2
    for example in examples:
        ast.parse("if True:\n" + example)


def test_a_codemod_is_short_and_has_a_test_file(codemod):
    file = Path(sys.modules[codemod.module].__file__)
    assert len(file.read_text().splitlines()) <= 260
    assert (ROOT / "tests" / "codemods" / f"test_{file.name}").is_file()


def test_every_reason_is_given_somewhere():
    sources = [*(ROOT / "migfix").rglob("*.py"), *(ROOT / "codemods").glob("*.py")]
    text = "".join(path.read_text() for path in sources)
    unused = [reason.name for reason in Reason if f"Reason.{reason.name}" not in text]
    assert not unused


NEW = '''"""Says what it sees."""

from migfix.codemod import Codemod, Decision
from migfix.findings import Part, Reason, Refusal
from migfix.facts.loop import Loop


def decide(loop: Loop) -> Decision:
    return Refusal(Reason.NOT_WRITTEN, f"seen: {loop.model_label}")


codemod = Codemod(__name__, "MF501", Part.WHOLE, decide)
'''


def test_a_new_codemod_is_known_by_its_file(tmp_path):
    for package in ("migfix", "codemods"):
        shutil.copytree(ROOT / package, tmp_path / package)
    (tmp_path / "codemods" / "say_what_is_seen.py").write_text(NEW)
    migrations = checking.project()
    file = migrations / "0002_fill.py"
    file.write_text(checking.whole("for post in Post.objects.all():\n    print(post.kind)"))
    for selected in ("MF501", "MF5", "say-what-is-seen"):
        done = ran(
            [sys.executable, "-m", "migfix", "check", "--select", selected, str(file)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert "left: seen: shop.Post (not-written)" in done.stdout, done.stdout + done.stderr
    file.unlink()


def test_installed_codemods_are_a_part_of_migfix(tmp_path):
    """Another distribution's package called ``codemods`` can neither hide them nor take them along."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "-q",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    built = ran(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert {name.partition("/")[0] for name in names} == {
        "migfix",
        f"{wheel.stem.split('-py3')[0]}.dist-info",
    }
    (tmp_path / "site" / "codemods.py").write_text("raise SystemExit('another codemods')")
    listed = "import migfix.catalog as c; print(len(c.load()), c.FOLDER)"
    done = ran(
        [sys.executable, "-c", listed],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    folder = tmp_path / "site" / "migfix" / "codemods"
    assert done.stdout == f"{len(catalog.load())} {folder}\n", done.stderr


@pytest.mark.parametrize(
    "start", ["-m migfix", "-c 'import migfix.commandline.cli; migfix.commandline.cli.app()'"]
)
def test_a_codemods_folder_of_the_users_is_never_loaded(start, tmp_path):
    decoy = tmp_path / "codemods"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise SystemExit('the decoy was loaded')")
    (decoy / "loop_to_update.py").write_text("raise SystemExit('the decoy was loaded')")
    migrations = checking.project()
    (migrations / "0002_fill.py").write_text(
        checking.whole("for post in Post.objects.all():\n    post.kind = 1\n    post.save()")
    )
    command = f"{sys.executable} {start} diff {migrations / '0002_fill.py'}"
    done = ran(
        command,
        shell=True,
        cwd=tmp_path,
        env={"PYTHONPATH": f".:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    (migrations / "0002_fill.py").unlink()
    assert "+    Post.objects.update(kind=1)" in done.stdout, done.stderr


def test_a_codemod_runs_as_a_command_of_libcst(tmp_path):
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    (folder / "0001_initial.py").write_text(checking.MODELS)
    file = folder / "0002_fill.py"
    file.write_text(
        checking.whole("for post in Post.objects.all():\n    post.kind = 1\n    post.save()")
    )
    done = ran(
        [
            *(sys.executable, "-m", "libcst.tool", "codemod", "-x"),
            *("migfix.codemods.loop_to_update.Command", "-j", "1", "--no-format", str(file)),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "    Post.objects.update(kind=1)\n" in file.read_text(), done.stderr
