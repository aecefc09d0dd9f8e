"""Which databases an engine, the scheme of a URL or a driver among the requirements stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migfix.disk.files import Unreadable

if TYPE_CHECKING:
    pass


Databases = frozenset[str]

NONE: Databases = frozenset()
POSTGRESQL = frozenset({"postgresql"})
MYSQL = frozenset({"mysql", "mariadb"})
SQLITE = frozenset({"sqlite"})
ORACLE = frozenset({"oracle"})
ALL_BUT_ORACLE = POSTGRESQL | MYSQL | SQLITE
IN_DOUBT = frozenset({"any"})

ENGINE_PACKAGES = (
    "django.db.backends",
    "django.contrib.gis.db.backends",
    "django_prometheus.db.backends",
    "django_db_geventpool.backends",
    "dj_db_conn_pool.backends",
    "timescale.db.backends",
)
ENGINES = {
    "postgresql": POSTGRESQL,
    "postgresql_psycopg2": POSTGRESQL,
    "postgresql_psycopg3": POSTGRESQL,
    "postgis": POSTGRESQL,
    "mysql": MYSQL,
    "sqlite3": SQLITE,
    "spatialite": SQLITE,
    "oracle": ORACLE,
}
OTHER_ENGINES = {
    "psqlextra.backend": POSTGRESQL,
    "django_tenants.postgresql_backend": POSTGRESQL,
    "tenant_schemas.postgresql_backend": POSTGRESQL,
    "mysql.connector.django": MYSQL,
    "django.db.backends.dummy": NONE,
}
URL_SCHEMES = {
    **dict.fromkeys(("postgres", "postgresql", "pgsql", "psql", "postgis"), POSTGRESQL),
    **dict.fromkeys(("mysql", "mysql2", "mysqlgis", "mysql-connector", "mariadb"), MYSQL),
    **dict.fromkeys(("sqlite", "sqlite3", "spatialite"), SQLITE),
    **dict.fromkeys(("oracle", "oraclegis"), ORACLE),
}
DRIVERS = {
    rb"psycopg[23]?(-binary|-c)?": POSTGRESQL,
    rb"mysqlclient|pymysql|mysql-connector(-python)?": MYSQL,
    rb"cx[-_]oracle|oracledb": ORACLE,
}


def drivers_in(content: bytes | Unreadable) -> Databases:
    if isinstance(content, Unreadable):
        return NONE.union(*DRIVERS.values())
    found = (
        databases
        for driver, databases in DRIVERS.items()
        if re.search(rb"(?i)(?<![\w-])(" + driver + rb")(?![\w-])", content)
    )
    return NONE.union(*found)


def named_by_text(text: str) -> Databases:
    return _of_url(text) if "://" in text else _of_engine(text)


def _of_url(url: str) -> Databases:
    return URL_SCHEMES.get(url.partition("://")[0].lower(), IN_DOUBT)


def begins_engine(text: str) -> bool:
    """``engine.replace("django.", "django_prometheus.")`` is what the engine was."""
    return text.endswith(".") and any(
        known.startswith(text) for known in (*ENGINE_PACKAGES, *OTHER_ENGINES)
    )


def _of_engine(engine: str) -> Databases:
    package, _, name = engine.rpartition(".")
    if package in ENGINE_PACKAGES:
        return ENGINES.get(name, OTHER_ENGINES.get(engine, IN_DOUBT))
    return OTHER_ENGINES.get(engine, IN_DOUBT)
