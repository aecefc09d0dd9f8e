"""Before and after side by side: what migfix makes of a migration of one small shop.

``check_rewritten`` and ``check_refused`` take the body of ``forwards(apps, schema_editor)``; the
models are those of ``MODELS`` unless a test brings its own.
"""

from __future__ import annotations

import ast
import itertools
import re
import tempfile
from functools import cache
from pathlib import Path
from textwrap import dedent, indent

from migfix.findings import FileOutcome, LoopOutcome
from migfix.pipeline import run_source
from migfix.settings import Settings, known_codes

MODELS = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Person",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("nick", models.CharField(max_length=50, null=True)),
                ("age", models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            "Post",
            [
                ("id", models.AutoField(primary_key=True)),
                ("title", models.CharField(max_length=200)),
                ("slug", models.CharField(max_length=200)),
                ("body", models.TextField()),
                ("note", models.TextField(null=True)),
                ("kind", models.IntegerField()),
                ("rank", models.IntegerField(null=True)),
                ("votes", models.PositiveIntegerField(default=0)),
                ("price", models.FloatField(default=0)),
                ("cost", models.DecimalField(max_digits=8, decimal_places=2)),
                ("live", models.BooleanField(default=True)),
                ("seen", models.BooleanField(null=True)),
                ("day", models.DateField(null=True)),
                ("when", models.DateTimeField(null=True)),
                ("code", models.CharField(max_length=9, unique=True)),
                ("author", models.ForeignKey("Person", models.CASCADE, related_name="posts")),
                ("editor", models.ForeignKey("Person", models.SET_NULL, null=True, related_name="+")),
            ],
        ),
        migrations.CreateModel(
            "Stamped",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("other", models.CharField(max_length=50)),
                ("updated", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            "Tag",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("parent", models.ForeignKey("self", models.CASCADE, null=True)),
            ],
        ),
        migrations.CreateModel(
            "Attachment",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("file", models.FileField(null=True)),
                ("post", models.ForeignKey("Post", models.CASCADE, related_name="attachments")),
            ],
        ),
        migrations.CreateModel(
            "Token",
            [
                ("id", models.AutoField(primary_key=True)),
                ("value", models.CharField(max_length=50)),
                ("used", models.BooleanField(default=False)),
                ("data", models.JSONField(null=True)),
            ],
        ),
    ]
"""
# The same models without columns of any length.
SHORT = MODELS.replace("models.TextField(", "models.CharField(max_length=900, ")
PREAMBLE = """\
from django.db import migrations, models


def forwards(apps, schema_editor):
    Person = apps.get_model("shop", "Person")
    Post = apps.get_model("shop", "Post")
    Stamped = apps.get_model("shop", "Stamped")
    Tag = apps.get_model("shop", "Tag")
    Attachment = apps.get_model("shop", "Attachment")
    Token = apps.get_model("shop", "Token")
"""
ENDING = """

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
POSTGRESQL = ("postgresql",)
EVERYWHERE = ("postgresql", "sqlite", "mysql", "mariadb")
_HELPER_IMPORT = re.compile(r"\nfrom \._migfix import [\w, ]+\n")


@cache
def project(models: str = MODELS) -> Path:
    """A project on disk with one app, ``shop``, whose first migration is ``models``."""
    root = Path(tempfile.mkdtemp(prefix="migfix-checking-"))
    migrations = root / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (root / "manage.py").touch()
    (root / "pyproject.toml").write_text("[tool.black]\n")
    (root / "shop" / "__init__.py").touch()
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(models)
    return migrations


def outcome_of(
    source: str | bytes,
    *,
    models: str = MODELS,
    databases: tuple[str, ...] = POSTGRESQL,
    unsafe: bool = False,
    select: tuple[str, ...] | None = None,
) -> FileOutcome:
    """What migfix says of a whole migration file and what it would write."""
    data = source.encode() if isinstance(source, str) else source
    settings = Settings(
        select=frozenset(select or known_codes()),
        unsafe_fixes=unsafe,
        databases=frozenset(databases),
    )
    outcome = run_source(data, project(models) / "0002_fill.py", settings, rewrite=True)
    assert outcome.error is None, outcome.traceback or outcome.error
    return outcome


def whole(body: str) -> str:
    """A migration file whose ``forwards`` has this body."""
    return PREAMBLE + indent(dedent(body).strip("\n"), "    ") + "\n" + ENDING


def after_of(outcome: FileOutcome, before: str) -> str:
    """The rewritten file, without the import of the helper, which every stream needs."""
    if not outcome.edits:
        return before
    return _HELPER_IMPORT.sub("", outcome.edits[-1].after.decode(), count=1)


def check_rewritten(
    before: str,
    after: str,
    *codes: str,
    models: str = MODELS,
    databases: tuple[str, ...] = POSTGRESQL,
    unsafe: bool = False,
    select: tuple[str, ...] | None = None,
) -> LoopOutcome:
    """The body becomes ``after``, by these codes, in its first changed loop; and stays so in a second run."""
    given = whole(before)
    outcome = outcome_of(given, models=models, databases=databases, unsafe=unsafe, select=select)
    result = after_of(outcome, given)
    assert _body(result) == dedent(after).strip("\n")
    loop = next(loop for loop in outcome.loops if loop.changed)
    if codes:
        assert loop.codes == codes
    _check_stable(outcome, models, databases, unsafe, select)
    return loop


def check_refused(
    before: str,
    reason: str,
    *,
    models: str = MODELS,
    databases: tuple[str, ...] = POSTGRESQL,
    unsafe: bool = False,
    select: tuple[str, ...] | None = None,
) -> LoopOutcome:
    """No selected codemod changes the body's first loop, and ``reason`` is what blocked it."""
    outcome = outcome_of(
        whole(before), models=models, databases=databases, unsafe=unsafe, select=select
    )
    loop = outcome.loops[0]
    assert not loop.changed, loop
    assert loop.blocked_by == reason, loop
    return loop


def _body(file: str) -> str:
    start = file.index('"Token")\n') + len('"Token")\n')
    return dedent(file[start : file.index("\n\n\nclass Migration")]).strip("\n")


def _check_stable(
    outcome: FileOutcome,
    models: str,
    databases: tuple[str, ...],
    unsafe: bool,
    select: tuple[str, ...] | None,
) -> None:
    written = outcome.edits[-1].after
    ast.parse(written)
    helper = next((e for e in outcome.edits if e.path != outcome.path), None)
    if helper is not None:
        helper.path.write_bytes(helper.after)
    again = outcome_of(written, models=models, databases=databases, unsafe=unsafe, select=select)
    changed = list(itertools.filterfalse(lambda loop: not loop.changed, again.loops))
    assert not changed, f"a second run changes more: {changed}"
