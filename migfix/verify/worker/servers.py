"""Creates and drops the databases of runs. A name that is not ours is refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from migfix.verify.worker.databases import PREFIX, Database

_UTF8 = {"mysql": " CHARACTER SET utf8mb4"}


def create(entry: Mapping[str, Any]) -> None:
    """Creates the database ``NAME`` by way of the one called ``MAINTENANCE``. Exits with a line on an error."""
    _execute(entry, "CREATE DATABASE {name}", _UTF8)


def drop(entry: Mapping[str, Any]) -> None:
    _execute(entry, "DROP DATABASE IF EXISTS {name}", {})


def _execute(entry: Mapping[str, Any], statement: str, more: Mapping[str, str]) -> None:
    own = dict(entry)
    name, own["NAME"] = own["NAME"], own.pop("MAINTENANCE")
    if not name.startswith(PREFIX):
        raise ValueError(f"{name} is no database of migfix verify")
    from django.conf import settings
    from django.db import connections

    settings.configure(DATABASES={"default": own})
    try:
        Database({**own, "NAME": name}, "").provide_driver()
        with closing(connections["default"]) as connection, connection.cursor() as cursor:
            quoted = connection.ops.quote_name(name)
            cursor.execute(statement.format(name=quoted) + more.get(connection.vendor, ""))
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
