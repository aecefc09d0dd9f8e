"""Rewrites where the settings name a database of which nothing is known."""

from __future__ import annotations

from textwrap import indent

import pytest

from migfix.pipeline import run_source
from migfix.settings import Settings, known_codes
from tests import checking

SETTINGS = 'DATABASES = {"default": {"ENGINE": "mssql"}}\n'
SAID = "shop/settings.py:1 names the engine 'mssql', of which migfix knows nothing"


@pytest.fixture
def decided(tmp_path):
    """What is made of a loop by one codemod."""
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "manage.py").touch()
    (tmp_path / "shop" / "settings.py").write_text(SETTINGS)
    (folder / "0001_initial.py").write_text(checking.MODELS)

    def run(body, code, *, databases=None):
        source = checking.whole(f"for post in Post.objects.all():\n{indent(body, '    ')}")
        settings = Settings(frozenset({code}), databases=databases)
        outcome = run_source(source.encode(), folder / "0002_fill.py", settings, rewrite=True)
        assert outcome.error is None, outcome.traceback or outcome.error
        return outcome.loops[0]

    return run


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("post.kind = 1\npost.save()", "MF101"),
        ("if post.kind == 2:\n    post.live = False\n    post.save()", "MF101"),
        ("if post.rank is None:\n    post.kind = 1\n    post.save()", "MF101"),
        ("post.rank = post.kind\npost.save()", "MF101"),
        ("print(post.title)", "MF203"),
        ("post.slug = post.title.title()\npost.save(update_fields=['slug'])", "MF203"),
        ("print(post.title)", "MF201"),
    ],
)
def test_what_every_database_does_alike(body, code, decided):
    loop = decided(body, code)
    assert (loop.codes, loop.applicability.value) == ((code,), "safe")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("if post.title == 'abc':\n    post.slug = 'b'\n    post.save()", "MF101"),
        ("if post.title.startswith('abc'):\n    post.kind = 1\n    post.save()", "MF101"),
        ("post.slug = post.title + 'x'\npost.save()", "MF101"),
        ("post.kind = post.kind // 2\npost.save()", "MF101"),
        ("post.kind = post.kind + 1\npost.save()", "MF101"),
        ("post.slug = post.title.replace('a', 'b')\npost.save()", "MF101"),
        ("post.slug = post.title.title()\npost.save(update_fields=['slug'])", "MF301"),
        ("Tag.objects.create(name=post.title)", "MF302"),
        ("Person.objects.filter(pk=post.pk).update(name=post.title)", "MF303"),
    ],
)
def test_what_it_may_do_otherwise(body, code, decided):
    loop = decided(body, code)
    assert not loop.changed
    assert SAID in loop.reason or SAID in (loop.offer or ""), loop


def test_a_loop_that_only_iterator_would_stream(decided):
    assert not decided("print(post.title)", "MF202").changed


def test_what_the_user_says_counts(decided):
    body = "if post.title == 'abc':\n    post.slug = 'b'\n    post.save()"
    assert decided(body, "MF101", databases=frozenset({"postgresql"})).changed


def test_every_codemod_has_an_answer(decided):
    for code in known_codes():
        decided("post.kind = 1\npost.save()", code)
