"""What to install where a package or a driver is missing."""

from __future__ import annotations

import re
import sys

# Packages that are called otherwise than what is imported of them.
_PACKAGES = {
    "PIL": "Pillow",
    "MySQLdb": "mysqlclient",
    "allauth": "django-allauth",
    "bs4": "beautifulsoup4",
    "corsheaders": "django-cors-headers",
    "dateutil": "python-dateutil",
    "django_filters": "django-filter",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "guardian": "django-guardian",
    "mptt": "django-mptt",
    "pymysql": "PyMySQL",
    "rest_framework": "djangorestframework",
    "simple_history": "django-simple-history",
    "taggit": "django-taggit",
    "yaml": "PyYAML",
}
# What Django says of a driver that it cannot import, and the package of one that it takes.
_DRIVERS = {
    "Error loading psycopg": "psycopg[binary]",
    "Error loading MySQLdb": "mysqlclient",
}
# A module of a package that is there has dots: no package has it that could be installed.
_MISSING = re.compile(r"No module named '(\w+)'")


def installing(problem: str, python: str | None) -> str | None:
    """The command that installs what the problem says to be missing, for an interpreter or the one that runs this."""
    package = next((name for said, name in _DRIVERS.items() if said in problem), None)
    is_guessed = False
    if package is None:
        missing = _MISSING.search(problem)
        if missing is None:
            return None
        package = _PACKAGES.get(missing[1])
        is_guessed = package is None
        package = package or missing[1]
    text = f"{python or sys.executable} -m pip install {_quoted(package)}"
    return f"{text}, if its package is called so" if is_guessed else text


def _quoted(package: str) -> str:
    return f'"{package}"' if "[" in package else package
