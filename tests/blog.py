"""
A Django project of its own on disk, with a large table and a data migration: to be migrated as it is, or as
`migfix apply` leaves it, by `manage.py migrate` in a process of its own.

    blog = Blog(connection, folder)       # the connection is to an empty database
    blog.fill(200_000)
    project = blog.project("naive", READ)
    measured = blog.migrate(rewritten(project, "rewritten"))
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from django.db.backends.base.base import BaseDatabaseWrapper

from tests.measuring import ALLOWED, MEASURED
from tests.processes import LIMIT, started

ROOT = Path(__file__).parents[1]
DATA_MIGRATION = Path("blog/migrations/0002_data.py")
WIDE_ROWS, WIDE_LENGTH = 2_000, 100_000

MANAGE = """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
execute_from_command_line(sys.argv)
"""
DRIVER = """\
try:
    import MySQLdb
except ImportError:
    try:
        import pymysql
    except ImportError:
        pass
    else:
        pymysql.version_info = (2, 2, 1, "final", 0)
        pymysql.install_as_MySQLdb()
"""
SETTINGS = """\
SECRET_KEY = "benchmark"
USE_TZ = True
INSTALLED_APPS = ["blog"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {{"default": {entry!r}}}
"""
INITIAL = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "BlogPost",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("title", models.CharField(max_length=255)),
                ("author", models.CharField(max_length=60)),
            ],
        ),
        migrations.CreateModel(
            "Page",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("text", models.TextField()),
            ],
        ),
    ]
"""
DATA = """\
from hashlib import md5

from django.db import migrations


def forwards(apps, schema_editor):
{body}

class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""

READ = """\
    BlogPost = apps.get_model("blog", "BlogPost")
    total = 0
    for post in BlogPost.objects.all():
        total ^= int(post.title, 16) ^ int(post.author, 16)
    print(total)
"""
WIDE = """\
    Page = apps.get_model("blog", "Page")
    total = 0
    for page in Page.objects.all():
        total += len(page.text)
    print(total)
"""
ASSIGN = """\
    BlogPost = apps.get_model("blog", "BlogPost")
    for post in BlogPost.objects.all():
        post.author = "Sharon"
        post.save()
"""
SAVE = """\
    BlogPost = apps.get_model("blog", "BlogPost")
    for post in BlogPost.objects.all():
        post.author = md5(post.title.encode()).hexdigest()
        post.save()
"""
SAVE_SOME = """\
    BlogPost = apps.get_model("blog", "BlogPost")
    for post in BlogPost.objects.all():
        digest = md5(post.title.encode()).hexdigest()
        if digest.startswith("000"):
            post.author = digest
            post.save()
"""

# Every value is 32 hexadecimal digits, as in the article; the title and the author of a row differ.
POSTS = {
    "postgresql": "SELECT md5(n::text), md5((-n)::text) FROM generate_series(1, {0}) n",
    "mysql": "SELECT md5(seq), md5(-cast(seq AS signed)) FROM seq_1_to_{0}",
    "sqlite": (
        "WITH RECURSIVE numbers(n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {0})"
        " SELECT md5(cast(n AS text)), md5(cast(-n AS text)) FROM numbers"
    ),
}
OUT_OF_MEMORY = "takes more memory than it may"
EMPTYING = {"postgresql": "TRUNCATE {}", "mysql": "TRUNCATE TABLE {}", "sqlite": "DELETE FROM {}"}


@dataclass(frozen=True)
class Measured:
    """What a data migration cost the client: memory at its peak, time, and time of the CPU; and that of the server."""

    mebibytes: float
    seconds: float
    cpu: float
    server_cpu: float
    printed: str


class Failed(Exception):
    """A migration ended with an error; the message is what the process wrote to standard error."""


class Blog:
    """The database of the projects, at first empty, and the folder that they are written to."""

    def __init__(self, connection: BaseDatabaseWrapper, folder: Path) -> None:
        self.connection = connection
        self.folder = folder
        self._manage(self.project("initial", READ), "migrate", "blog", "0001")

    def project(self, name: str, body: str) -> Path:
        """Write a project whose data migration does what `body` says, and return its folder."""
        folder = self.folder / name
        keys = ("ENGINE", "NAME", "HOST", "PORT", "USER", "PASSWORD")
        entry = {key: str(self.connection.settings_dict[key]) for key in keys}
        for path, text in {
            "manage.py": MANAGE,
            "config/__init__.py": DRIVER,
            "config/settings.py": SETTINGS.format(entry=entry),
            "blog/__init__.py": "",
            "blog/migrations/__init__.py": "",
            "blog/migrations/0001_initial.py": INITIAL,
            str(DATA_MIGRATION): DATA.format(body=body),
        }.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    def fill(self, rows: int) -> None:
        """Give the table of posts this many rows, all as at first."""
        with self.connection.cursor() as cursor:
            cursor.execute(EMPTYING[self.connection.vendor].format("blog_blogpost"))
            select = POSTS[self.connection.vendor].format(rows)
            cursor.execute(f"INSERT INTO blog_blogpost (title, author) {select}")

    def fill_wide(self) -> None:
        """Give the table of pages WIDE_ROWS rows, each with a text of WIDE_LENGTH bytes."""
        with self.connection.cursor() as cursor:
            cursor.execute(EMPTYING[self.connection.vendor].format("blog_page"))
            texts = ([f"{n:05}" * (WIDE_LENGTH // 5)] for n in range(WIDE_ROWS))
            cursor.executemany("INSERT INTO blog_page (text) VALUES (%s)", texts)

    def migrate(self, project: Path, limit: int = 0) -> Measured:
        """
        Run the data migration of a project; it may be run again.

        `limit`: by how many MiB the memory may grow, or 0: then the process is ended. Raises Failed.
        """
        measuring = ["-m", "tests.measuring", str(limit)]
        printed = self._manage(project, "migrate", "blog", "0002", measuring=measuring)
        with self.connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM django_migrations WHERE app = 'blog' AND name LIKE '0002%%'", []
            )
        return Measured(**json.loads((project / MEASURED).read_text()), printed=printed)

    def _manage(self, project: Path, *arguments: str, measuring: list[str] | None = None) -> str:
        return _python(project, *(measuring or []), "manage.py", *arguments, "--verbosity", "0")


def rewritten(project: Path, name: str, *options: str) -> Path:
    """Return a copy of the project, beside it, after `migfix apply` with options. Raises Failed."""
    copy = project.parent / name
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("__pycache__", MEASURED))
    _python(copy, "-m", "migfix", "apply", ".", *options)
    return copy


def _python(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (folder / ALLOWED).unlink(missing_ok=True)
    with (
        TemporaryFile("w+") as output,
        TemporaryFile("w+") as errors,
        started(
            [sys.executable, *arguments], cwd=folder, env=environment, stdout=output, stderr=errors
        ) as process,
    ):
        died = _watched(process, folder / ALLOWED)
        for file in (output, errors):
            file.seek(0)
        if died or process.returncode:
            raise Failed(f"{errors.read()}\n{died or f'ended with {process.returncode}'}")
        return output.read()


def _watched(process: subprocess.Popen[bytes], allowed: Path) -> str:
    """Wait for the process, unless it takes too much memory or time: then say so."""
    deadline = time.monotonic() + LIMIT
    while process.poll() is None:
        with suppress(FileNotFoundError):
            if resident(process.pid) > int(allowed.read_text()):
                return OUT_OF_MEMORY
        if time.monotonic() > deadline:
            return f"took more than {LIMIT:g} s"
        time.sleep(0.005)
    return ""


def resident(pid: int) -> int:
    """The memory of a process in bytes; 0 where it has ended. Linux only."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(found[0]) * 1024 if found else 0
