"""What a migration does outside of its database is refused and reported."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from migfix.findings import Verdict
from migfix.verify.proofs import Proof
from tests.verify.proving import proof_of

pytestmark = pytest.mark.behaviour

_MODULE = """
import logging
import logging.handlers
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile

from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.mail import send_mail
from django.db import connection, migrations, models

FOLDER, PORT = {folder!r}, {port}


def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    for book in Book.objects.all():
        book.title = "x"
        book.save()
{body}


class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


@pytest.fixture
def port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def _proof(
    folder: Path, body: str, port: int = 0, database: str = "sqlite", *, atomic: bool = True
) -> Proof:
    outside = folder / "outside"
    outside.mkdir()
    (outside / "there.txt").write_text("there")
    with closing(sqlite3.connect(outside / "there.sqlite3")) as connection:
        connection.execute("CREATE TABLE t (n)")
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    text = _MODULE.format(folder=str(outside), port=port, body=lines, atomic=atomic).lstrip("\n")
    proof = proof_of(folder, text, f"{text}\n", database)
    assert {path.name for path in outside.iterdir()} == {"there.txt", "there.sqlite3"}
    assert (outside / "there.txt").read_text() == "there"
    with closing(sqlite3.connect(outside / "there.sqlite3")) as connection:
        assert [*connection.execute("SELECT name FROM sqlite_master")] == [("t",)]
    return proof


_BODIES = {
    "a file is deleted": 'os.remove(f"{FOLDER}/there.txt")',
    "a folder is deleted": "shutil.rmtree(FOLDER)",
    "a file is renamed": 'os.rename(f"{FOLDER}/there.txt", f"{FOLDER}/gone.txt")',
    "a file is deleted in a folder by its descriptor": (
        'os.remove("there.txt", dir_fd=os.open(FOLDER, os.O_RDONLY))'
    ),
    "a file is written": 'open(f"{FOLDER}/new.txt", "w").write("x")',
    "a file is written to": 'open(f"{FOLDER}/there.txt", "r+").write("x")',
    "a file is written in the working folder": 'open("new.txt", "w").write("x")',
    "a file's time is set": 'os.utime(f"{FOLDER}/there.txt", (1, 1))',
    "a program is started": 'subprocess.run(["touch", f"{FOLDER}/new.txt"])',
    "a shell is started": 'os.system(f"touch {FOLDER}/new.txt")',
    "a process is forked": "os.fork()",
    "a signal is sent": "os.kill(os.getpid(), 0)",
    "a socket is opened": 'socket.create_connection(("127.0.0.1", PORT))',
    "a packet is sent": (
        'socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT))'
    ),
    "a name is looked up": 'socket.getaddrinfo("example.invalid", 80)',
    "another database is opened": 'sqlite3.connect(f"{FOLDER}/there.sqlite3").execute("DROP TABLE t")',
    "another database is opened by its address": (
        'sqlite3.connect(f"file:{FOLDER}/there.sqlite3", uri=True).execute("DROP TABLE t")'
    ),
    "a file of the storage is written": 'default_storage.save("new.txt", ContentFile(b"x"))',
    "a file of the storage is deleted": 'FileSystemStorage(FOLDER).delete("there.txt")',
    "a file of a row is written": 'book.cover.save("new.txt", ContentFile(b"x"), save=False)',
    "mail is sent": 'send_mail("x", "x", "a@example.invalid", ["b@example.invalid"])',
    "mail goes to files": (
        "from django.core.mail.backends.filebased import EmailBackend\n"
        'send_mail("x", "x", "a@b.invalid", ["c@d.invalid"], connection=EmailBackend(file_path=FOLDER))'
    ),
    "a cache writes to files": (
        "from django.core.cache.backends.filebased import FileBasedCache\n"
        'FileBasedCache(f"{FOLDER}/cache", {}).set("x", 1)'
    ),
    "a log writes to a file": 'logging.getLogger().addHandler(logging.FileHandler(f"{FOLDER}/log"))',
    "a log writes to a file when it is used": (
        'logging.getLogger("x").addHandler(logging.FileHandler(f"{FOLDER}/log", delay=True))\n'
        'logging.getLogger("x").error("x")'
    ),
    "a log goes to another host": (
        'logging.getLogger("x").addHandler(logging.handlers.SocketHandler("127.0.0.1", PORT))\n'
        'logging.getLogger("x").error("x")'
    ),
    "the refusal is caught": (
        'try:\n    os.remove(f"{FOLDER}/there.txt")\nexcept OSError:\n    pass'
    ),
    "it happens in a thread": (
        "import threading\n"
        'thread = threading.Thread(target=os.remove, args=[f"{FOLDER}/there.txt"])\n'
        "thread.start()\nthread.join()"
    ),
}


@pytest.mark.parametrize("what", _BODIES)
def test_it_is_refused_and_reported(what: str, port: int, tmp_path: Path) -> None:
    proof = _proof(tmp_path, _BODIES[what], port)
    assert proof.verdict is Verdict.NOT_RUN, proof
    assert proof.outside, proof
    assert proof.reason == f"the migration {proof.outside[0]}, which verify does not let it do"


def test_another_database_is_not_attached(tmp_path: Path) -> None:
    body = (
        "with connection.cursor() as cursor:\n"
        "    cursor.execute(\"ATTACH DATABASE '%s/there.sqlite3' AS other\" % FOLDER)\n"
        '    cursor.execute("DROP TABLE other.t")'
    )
    proof = _proof(tmp_path, body, atomic=False)
    assert proof.verdict is Verdict.NOT_RUN
    assert "attaches the database" in proof.reason


@pytest.mark.parametrize(
    ("database", "connect"),
    [
        ("postgresql", 'import psycopg\npsycopg.connect(host="127.0.0.1", dbname="postgres")'),
        ("postgresql", 'import psycopg\npsycopg.Connection.connect("host=127.0.0.1")'),
        ("sqlite", 'import psycopg\npsycopg.connect("postgresql://127.0.0.1/production")'),
        ("mariadb", 'import MySQLdb\nMySQLdb.connect(host="127.0.0.1", user="u", db="mysql")'),
        ("sqlite", 'import pymysql\npymysql.connect(host="127.0.0.1", user="u")'),
    ],
)
def test_no_other_database_is_connected_to(database: str, connect: str, tmp_path: Path) -> None:
    package = connect.partition("\n")[0].split()[1]
    if package != "MySQLdb":
        pytest.importorskip(package)
    proof = _proof(tmp_path, connect, database=database)
    assert proof.verdict is Verdict.NOT_RUN
    assert "connects to the database" in proof.reason


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def test_its_own_database_is_connected_to_again(database: str, tmp_path: Path) -> None:
    body = "if book.pk % 7 == 0:\n    connection.close()\n    connection.ensure_connection()"
    proof = _proof(tmp_path, body, database=database, atomic=False)
    assert proof.verdict is Verdict.EQUAL, proof
    assert not proof.outside


def test_temporary_files_are_its_own(tmp_path: Path) -> None:
    body = (
        "with tempfile.TemporaryDirectory() as folder:\n"
        '    open(f"{folder}/x", "w").write("x")\n'
        "with tempfile.TemporaryFile() as file:\n"
        '    file.write(b"x")'
    )
    proof = _proof(tmp_path, body)
    assert proof.verdict is Verdict.EQUAL, proof
    assert not proof.outside
