"""What runs without the project's settings though parts of the project are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.findings import Verdict
from migfix.verify.proofs import Proof
from tests.verify.proving import proof_of

pytestmark = pytest.mark.behaviour

_SETS = """
def forwards(apps, schema_editor):
    for ticket in apps.get_model("shop", "Ticket").objects.all():
        {line}
        ticket.save()
"""
_SUBCLASS = "class Mine(nobody_has_this.fields.Field):\n    def __init__(self, n): self.n = n\nMINE = Mine(3)\n"
_MODEL = "from django.db import models\n\n\nclass Ticket(models.Model):\n    pass\n"


def _proof(folder: Path, above: str, line: str = "pass", **files: str) -> Proof:
    for name, text in files.items():
        (folder / "shop").mkdir(exist_ok=True)
        (folder / "shop" / f"{name}.py").write_text(text)
    return proof_of(folder, above + _SETS.format(line=line), above + _SETS.format(line=line) + "\n")


@pytest.mark.parametrize(
    "above",
    [
        "import nobody_has_this\n",
        "from nobody_has_this.fields import Field\nFIELD = Field(max_length=3, choices=[1])\n",
        f"import nobody_has_this.fields\n{_SUBCLASS}",
        "import nobody_has_this\nLOG = nobody_has_this.get_logger(__name__).bind(a=1)\n",
        "import nobody_has_this\nPAIRS = [*nobody_has_this.PAIRS]\nONE = nobody_has_this.BY_KEY['a']\n",
        "import nobody_has_this\nHALF = nobody_has_this.SIZE // 2 + 1\nMORE = 1 + HALF\n",
        "from shop import names\n",
    ],
)
def test_a_package_that_is_only_named_need_not_be_there(above: str, tmp_path: Path) -> None:
    proof = _proof(tmp_path, above, names="from nobody_has_this import Field\n")
    assert proof.verdict is Verdict.EQUAL, proof
    note = "nobody_has_this is not installed; what the migrations name of it is a stand-in"
    assert note in proof.notes


@pytest.mark.parametrize(
    "line",
    [
        "name()",
        "name.part",
        "isinstance(ticket, name)",
        "made()",
        "made.part",
        "[*name]",
        "name // 2",
        "name['a']",
        "from nobody_has_this import other",
        "import nobody_has_either",
    ],
)
def test_what_a_running_function_uses_must_be_there(line: str, tmp_path: Path) -> None:
    above = "from nobody_has_this import name\nmade = name()\n"
    proof = _proof(tmp_path, above, line)
    assert proof.verdict is Verdict.NOT_RUN
    missing = "nobody_has_either" if "either" in line else "nobody_has_this"
    assert proof.reason.startswith(f"cannot import what it needs: No module named '{missing}'")


def test_what_may_be_missing_is_missing(tmp_path: Path) -> None:
    above = "try:\n    import nobody_has_this as it\nexcept ImportError:\n    it = None\n"
    proof = _proof(tmp_path, above, "assert it is None")
    assert proof.verdict is Verdict.EQUAL, proof


_NAMED = "from django.conf import settings\nPLACES = settings.NO_SUCH_PLACES.get('x', 2)\n"


def test_a_setting_that_is_only_named_need_not_be_there(tmp_path: Path) -> None:
    proof = _proof(tmp_path, f"{_NAMED}from shop import names\n", names=_NAMED)
    assert proof.verdict is Verdict.EQUAL, proof


@pytest.mark.parametrize("line", ["settings.NO_SUCH_THING", "PLACES + 1", "PLACES()"])
def test_a_setting_that_is_used_must_be_there(line: str, tmp_path: Path) -> None:
    assert _proof(tmp_path, _NAMED, line).raised


@pytest.mark.parametrize(
    "ask",
    [
        'IT = getattr(settings, "NO_SUCH_THING", None)',
        "try:\n    IT = settings.NO_SUCH_THING\nexcept AttributeError:\n    IT = None",
    ],
)
def test_a_setting_that_may_be_missing_is_missing(ask: str, tmp_path: Path) -> None:
    proof = _proof(tmp_path, f"from django.conf import settings\n{ask}\n", "assert IT is None")
    assert proof.verdict is Verdict.EQUAL, proof
    assert not proof.raised


def test_a_model_of_the_project_may_be_named(tmp_path: Path) -> None:
    proof = _proof(tmp_path, "from shop.models import Ticket as T\n", "assert T", models=_MODEL)
    assert proof.verdict is Verdict.EQUAL, proof


_USERS = """
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        {users}
        migrations.CreateModel("Ticket", [
            ("id", models.BigAutoField(primary_key=True)),
            ("user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)),
        ]),
        migrations.CreateModel("Other", [
            ("id", models.BigAutoField(primary_key=True)),
        ]),
    ]
"""
_USER = """
        migrations.CreateModel("{name}", [
            ("id", models.BigAutoField(primary_key=True)),
            ("password", models.CharField(max_length=9)),
            ("last_login", models.DateTimeField(null=True)),
        ]),
"""
_NAMES_USERS = _SETS.format(line='ticket.user = apps.get_model("shop", "Person").objects.first()')


def _users_proof(folder: Path, *names: str) -> Proof:
    (folder / "settings.py").write_text("import os\nAUTH_USER_MODEL = os.environ['USERS']\n")
    models = _USERS.format(users="".join(_USER.format(name=name) for name in names))
    return proof_of(folder, _NAMES_USERS, _NAMES_USERS + "\n", models=models)


def test_users_are_those_of_the_history_where_no_settings_name_them(tmp_path: Path) -> None:
    proof = _users_proof(tmp_path, "Person")
    assert proof.notes == (
        "shop.Ticket.user points to shop.person, as no settings name the user model",
    )
    assert proof.verdict is Verdict.EQUAL, proof
    assert not proof.raised


def test_of_two_kinds_of_users_none_is_taken(tmp_path: Path) -> None:
    proof = _users_proof(tmp_path, "Person", "Client")
    assert proof.notes == ("shop.Ticket.user points to a model that is not known",)
    assert proof.raised
