"""Receivers that hear the signals of every model, and what they hold back."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from migfix.cli import app
from migfix.receivers import receiver_of_all
from tests import checking

CONNECTED = [
    "post_save.connect(index)",
    "signals.post_save.connect(index, weak=False)",
    "post_save.connect(index, sender=None)",
    "post_save.connect(index, **options)",
    "@receiver(post_save)\ndef index(sender, **kwargs): ...",
    "@receiver([pre_delete, models.signals.pre_save])\ndef index(sender, **kwargs): ...",
    "@dispatch.receiver(post_init, dispatch_uid='x')\ndef index(sender, **kwargs): ...",
    "from django.db.models.signals import post_save as saved\nsaved.connect(index)",
    "for name, signal in {'saved': post_save}.items():\n    signal.connect(index)",
    "SAVED = [signals.post_save]\n@receiver(SAVED)\ndef index(sender, **kwargs): ...",
    "post_save.connect(index",
]
WITH_SENDER = [
    "post_save.connect(index, sender=Order)",
    "post_save.connect(index, Order)",
    "@receiver(post_save, sender=Order)\ndef index(sender, **kwargs): ...",
    "@receiver(post_save, sender='shop.Order')\ndef index(sender, **kwargs): ...",
    "post_migrate.connect(index)",
    "@receiver(pre_delete)\ndef index(sender, **kwargs): ...  # post_save is not its matter",
    "post_save.send(Order)  # no receiver, nor does it connect",
]


@pytest.mark.parametrize("source", CONNECTED)
def test_a_receiver_without_a_sender_is_found(source, tmp_path):
    (tmp_path / "search.py").write_text(f"\n{source}\n")
    assert receiver_of_all(tmp_path) in {"search.py:1", "search.py:2", "search.py:3"}


@pytest.mark.parametrize("source", WITH_SENDER)
def test_a_receiver_with_a_sender_hears_no_historical_model(source, tmp_path):
    (tmp_path / "search.py").write_text(f"{source}\n")
    assert receiver_of_all(tmp_path) is None


@pytest.mark.parametrize("path", ["tests/helpers.py", "shop/test_search.py", "conftest.py"])
def test_receivers_of_tests_do_not_count(path, tmp_path):
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("post_save.connect(index)\n")
    assert receiver_of_all(tmp_path) is None


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    (folder / "0001_initial.py").write_text(checking.MODELS)
    (folder / "0002_fill.py").write_text(
        checking.whole("for post in Post.objects.all():\n    post.kind = 1\n    post.save()")
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_such_a_receiver_makes_the_update_unsafe_and_every_column_needed(project):
    run = CliRunner().invoke
    assert "MF101" in run(app, ["check", "."]).stdout
    (project / "shop" / "search.py").write_text("post_save.connect(index)\n")
    checked = run(app, ["check", "--database", "postgresql", "."]).stdout
    assert ": MF203 " in checked
    assert "shop/search.py:1 connects a receiver without a sender" in checked
    assert "MF101 [unsafe]" in run(app, ["check", "--unsafe-fixes", "."]).stdout
