"""Models that are written out without the project's code: what they keep of what the migrations say."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.findings import Verdict
from migfix.verify.proofs import Proof
from tests.verify.proving import proof_of

pytestmark = pytest.mark.behaviour

# The imports stand in the first migration of a project that a test writes.
_INITIAL = """
import uuid

import django.contrib.postgres.fields
import shop.fields
import shop.models
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Book", [
            ("id", models.BigAutoField(primary_key=True)),
            ("n", models.IntegerField(default=0)),
            {field}
        ]),
        {more}
    ]
"""
_SETS_N = """
def forwards(apps, schema_editor):
    for book in apps.get_model("shop", "{model}").objects.all():
        book.n = 5
        book.save()
"""
_CREATES = """
def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    for n in range(3):
        Book.objects.create(n=n)
"""


def _proof(
    folder: Path,
    field: str,
    data: str = _SETS_N.format(model="Book"),
    *,
    more: str = "",
    database: str = "sqlite",
) -> Proof:
    models = _INITIAL.format(field=field, more=more)
    return proof_of(folder, data.strip("\n"), data.strip("\n") + "\n\n", database, models=models)


def test_a_default_of_the_standard_library_is_called(tmp_path: Path) -> None:
    proof = _proof(tmp_path, '("code", models.UUIDField(default=uuid.uuid4)),', _CREATES)
    assert proof.verdict is Verdict.EQUAL, proof
    assert proof.raised == 0


def test_a_default_of_the_project_is_missed(tmp_path: Path) -> None:
    proof = _proof(
        tmp_path, '("code", models.CharField(max_length=9, default=shop.models.code)),', _CREATES
    )
    assert "shop.Book.code is without its default" in proof.notes


def test_a_relation_whose_on_delete_is_of_the_project_is_there(tmp_path: Path) -> None:
    parent = '("parent", models.ForeignKey("self", on_delete=shop.models.KEEP, null=True)),'
    proof = _proof(tmp_path, parent)
    assert proof.verdict is Verdict.EQUAL, proof


def test_arguments_of_a_field_of_the_project_are_not_those_of_relations(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "fields.py").write_text(
        "from django.db import models\n\n\n"
        "class CounterField(models.BigIntegerField):\n"
        "    def __init__(self, to_field=None, **kwargs):\n"
        "        self.to_field_name = to_field\n"
        "        super().__init__(**kwargs)\n"
    )
    proof = _proof(tmp_path, '("count", shop.fields.CounterField(default=0, to_field="x")),')
    assert proof.verdict is Verdict.EQUAL, proof


def test_a_parent_comes_before_a_base_that_is_not_known(tmp_path: Path) -> None:
    child = """migrations.CreateModel("Comic", [
            ("book_ptr", models.OneToOneField(
                "shop.Book", models.CASCADE, parent_link=True, primary_key=True
            )),
        ], bases=(shop.models.Mixin, "shop.book")),"""
    proof = _proof(tmp_path, "", _SETS_N.format(model="Comic"), more=child)
    assert proof.verdict is Verdict.EQUAL, proof


@pytest.mark.parametrize(
    ("of", "known"),
    [
        ("models.IntegerField(default=0)", True),
        (
            "django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=3))",
            True,
        ),
        ("shop.fields.Odd()", False),
    ],
)
def test_arrays_keep_what_they_are_of(of: str, known: bool, tmp_path: Path) -> None:
    field = f'("items", django.contrib.postgres.fields.ArrayField(base_field={of}, null=True)),'
    proof = _proof(tmp_path, field, database="postgresql")
    assert proof.verdict is Verdict.EQUAL, proof
    note = "shop.Book.items is an array of texts: of what is not known"
    assert (note not in proof.notes) == known


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"])
def test_a_collation_that_migrations_create_is_missed(database: str, tmp_path: Path) -> None:
    field = '("name", models.CharField(max_length=20, db_collation="natural_sort")),'
    proof = _proof(tmp_path, field, database=database)
    assert proof.verdict is Verdict.EQUAL, proof
    assert "shop.Book.name is without its collation natural_sort" in proof.notes


def test_a_collation_of_the_database_is_kept(tmp_path: Path) -> None:
    field = '("name", models.CharField(max_length=20, db_collation="NoCase", unique=True)),'
    assert not _proof(tmp_path, field).notes


def test_another_database_is_advised_where_sqlite_has_no_such_tables(tmp_path: Path) -> None:
    of = "models.CharField(max_length=3)"
    field = f'("items", django.contrib.postgres.fields.ArrayField(base_field={of}, null=True)),'
    proof = _proof(tmp_path, field)
    assert proof.verdict is Verdict.NOT_RUN
    assert "--database-url" in proof.reason
