"""What is said of a model that a migration imports: how it is taken from the state instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from migfix.pipeline import run_source
from migfix.settings import Settings
from tests import checking

FILL = "from shop.models import Post as Today\n" + checking.whole(
    "for post in Today.objects.all():\n    imported.run(post)"
)
CLASS = "from django.db import models\n\n\nclass Post(models.Model):\n    pass\n"


def reason(folder: Path, **files: str) -> str:
    migrations = folder / "shop" / "migrations"
    migrations.mkdir(parents=True)
    for name, text in {
        "manage": "",
        "shop/__init__": "",
        "shop/migrations/__init__": "",
        **files,
    }.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (migrations / "0001_initial.py").write_text(checking.MODELS)
    settings = Settings(frozenset({"MF202"}))
    (loop,) = run_source(FILL.encode(), migrations / "0002_fill.py", settings, rewrite=True).loops
    assert loop.blocked_by == "real-model"
    return loop.reason


@pytest.mark.parametrize(
    "files",
    [
        {"shop/models": CLASS},
        {"shop/models/__init__": "from .posts import Post\n", "shop/models/posts": CLASS},
        {"shop/models": CLASS, "shop/apps": "class Shop(AppConfig):\n    name = 'shop'\n"},
    ],
)
def test_the_line_to_write_is_said(files, tmp_path):
    assert reason(tmp_path, **files).endswith('write `Post = apps.get_model("shop", "Post")`')


@pytest.mark.parametrize(
    "files",
    [
        {"shop/models": CLASS, "shop/apps": "class Shop(AppConfig):\n    label = 'store'\n"},
        {
            "shop/models": "from stock.models import Post\n",
            "stock/__init__": "",
            "stock/models": CLASS,
        },
        {"shop/models": "from .posts import Post\n", "shop/posts": CLASS},
    ],
)
def test_no_line_is_said_where_the_app_may_have_another_label(files, tmp_path):
    assert "get_model" not in reason(tmp_path, **files)
