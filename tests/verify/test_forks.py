"""A project is set up once, and each of its jobs is done in a fork: alone, and without leaving anything to the next."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.disk.files import Files
from migfix.findings import Verdict
from migfix.verify import forks
from migfix.verify.forks import Forks
from migfix.verify.jobs import Setting, job, runs_of
from migfix.verify.processes import Failed, Processes
from migfix.verify.servers import SQLITE
from migfix.verify.worker.job import Job
from migfix.worlds import ProjectFacts
from tests.running import write_project
from tests.verify.test_projects import data, initial, packages, settings

pytestmark = pytest.mark.behaviour

_SET = "for item in Item.objects.all():\n        item.n = 3\n        item.save()"
_COUNTED = "\nfrom pathlib import Path\nwith Path(__file__).with_name('count').open('a') as f:\n    f.write('.')\n"
_THREAD = (
    "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
)


def _operations(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> list[Any]:
    """What verify says of the operations of a project with its settings in ``conf``."""
    project = {
        "conf.py": settings("shop", more=_COUNTED),
        "shop/migrations/0001_initial.py": initial(),
        **{f"{name.replace('__', '/')}.py": text for name, text in files.items()},
    }
    for name, text in packages(project).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    given = ["verify", ".", "--settings", "conf", "--database", "sqlite", "--timeout", "20"]
    result = CliRunner().invoke(app, [*given, "--output-format", "json"])
    found: list[Any] = json.loads(result.stdout)["operations"]
    return found


_AFTER_SET = (("shop", "0002_a"),)


def test_nothing_is_left_to_the_next_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = (
        "import os, random\n    from django.conf import settings\n    from django.core.cache import cache\n"
        "    own = str(os.getpid())\n"
        "    assert {own} == {getattr(settings, 'LEFT', own), cache.get('x', own), os.environ.get('LEFT', own)}\n"
        "    settings.LEFT = os.environ['LEFT'] = own\n    cache.set('x', own)\n"
        "    print(os.getcwd() == os.path.dirname(os.environ['TMPDIR']), random.random())\n    "
    )
    found = _operations(
        tmp_path,
        monkeypatch,
        shop__migrations__0002_a=data(kept + _SET),
        shop__migrations__0003_b=data(kept + _SET, _AFTER_SET),
    )
    assert [each["verdict"] for each in found] == ["equal", "equal"], found
    assert (tmp_path / "count").read_text() == "."


def test_a_project_that_starts_threads_is_set_up_for_each_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _operations(
        tmp_path,
        monkeypatch,
        conf=settings("shop", more=_COUNTED + _THREAD),
        shop__migrations__0002_a=data(),
    )
    assert [each["verdict"] for each in found] == ["equal"]
    assert (tmp_path / "count").read_text() == "..."


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("1 / 0", "the settings conf cannot be set up: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('no key')", "its process ended with 1: no key"),
        ("import os; os.abort()", "its process ended with -6"),
    ],
)
def test_settings_that_cannot_be_loaded_are_tried_once(
    end: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _operations(
        tmp_path,
        monkeypatch,
        conf=settings("shop", more=_COUNTED + end),
        shop__migrations__0002_a=data(),
        shop__migrations__0003_b=data(before=_AFTER_SET),
    )
    assert [each["verdict"] for each in found] == ["not-run", "not-run"]
    assert {each["reason"] for each in found} == {said}
    assert (tmp_path / "count").read_text() == "."


def test_a_job_that_ends_its_process_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _operations(
        tmp_path,
        monkeypatch,
        shop__migrations__0002_a=data(f"{_SET}\n    import os\n    os._exit(3)"),
        shop__migrations__0003_b=data(before=_AFTER_SET),
    )
    assert [each["verdict"] for each in found] == ["not-run", "equal"]
    assert found[0]["reason"] == "its process ended with 3"
    assert (tmp_path / "count").read_text() == "."


# -- the server itself


@pytest.fixture
def asked(tmp_path: Path) -> Job:
    """A job that says where it runs and then does nothing for long."""
    text = (
        "import os, time\n\n\ndef forwards(apps, schema_editor):\n"
        "    with open(os.environ['TMPDIR'] + '/pid', 'w') as file:\n        print(os.getpid(), file=file)\n"
        "    time.sleep(300)\n"
    )
    (tmp_path / "project").mkdir()
    models = 'migrations.CreateModel("Book", [("id", models.BigAutoField(primary_key=True))]),'
    path = write_project(tmp_path / "project", models, text).resolve()
    (run,) = runs_of(path, {}, ProjectFacts(path, Files()))
    found, _ = job(run, {path: path.read_bytes()}, "", Setting(seed=1, rows=1), whole=True)
    return replace(found, database={**SQLITE})


@pytest.fixture
def served() -> Iterator[Forks]:
    with closing(Forks(Processes(timeout=20), SQLITE)) as found:
        yield found


class _Job(threading.Thread):
    """A job that runs; ``error`` is what became of it."""

    def __init__(self, served: Forks, asked: Job, folder: Path) -> None:
        super().__init__(daemon=True)
        self.served, self.asked, self.folder = served, asked, folder
        folder.mkdir()
        self.error = ""
        self.start()

    def run(self) -> None:
        try:
            self.served.answer(self.asked, self.folder)
        except Failed as error:
            self.error = str(error)

    def process(self) -> int:
        """When it has begun."""
        file = self.folder / "tmp" / "pid"
        for _ in range(600):
            if file.exists() and (text := file.read_text()).endswith("\n"):
                return int(text)
            self.join(0.1)
        raise AssertionError("it never ran")


def _ends(process: int) -> bool:
    """Within some seconds; who began it may be gone, so that it stays as a zombie for a while."""
    stat = Path(f"/proc/{process}/stat")
    for _ in range(50):
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX":
            return True
        time.sleep(0.1)
    return False


def test_it_is_seen_when_the_server_is_killed(served: Forks, asked: Job, tmp_path: Path) -> None:
    running = _Job(served, asked, tmp_path / "one")
    process = running.process()
    (server,) = served._servers.values()
    assert isinstance(server, forks._Server) and server._process is not None
    os.kill(server._process.pid, signal.SIGKILL)
    running.join(10)
    assert running.error == forks._GONE
    assert _ends(process)
    again = _Job(served, asked, tmp_path / "two")  # by another server
    process = again.process()
    os.kill(process, signal.SIGKILL)
    again.join(10)
    assert again.error == "its process ended with -9"


def test_an_interrupt_ends_all_at_once(served: Forks, asked: Job, tmp_path: Path) -> None:
    running = [_Job(served, asked, tmp_path / name) for name in ("one", "two")]
    processes = [each.process() for each in running]
    assert len(served._servers) == 1
    served.processes.stop()
    for each in running:
        each.join(10)
        assert each.error
    assert all(map(_ends, processes))


def test_time_is_counted_for_each_job(served: Forks, asked: Job, tmp_path: Path) -> None:
    served.processes.timeout = 30
    served._server(asked)
    served.processes.timeout = 2
    running = _Job(served, asked, tmp_path / "one")
    process = running.process()
    running.join(20)
    assert running.error == "took more than 2 s; --timeout allows for more"
    assert _ends(process)


def test_without_fork_each_job_has_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "_IS_POSSIBLE", False)
    found = _operations(tmp_path, monkeypatch, shop__migrations__0002_a=data())
    assert [each["verdict"] for each in found] == [Verdict.EQUAL.value]
    assert (tmp_path / "count").read_text() == ".."
