"""Texts that bite, how a field of texts takes one, and what is near to one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from django.db import models

from migfix.verify.worker.values.setting import Field, Setting

_TEXTS = (
    *("", " ", " lead", "trail ", "  both  ", "two  spaces", "\u00a0wide", "zero\u200bwidth"),
    *("title", "Title", "TITLE", "tItLe", "first last", "First Last", "a", "A", "b"),
    *(
        "café",
        "cafe\u0301",
        "CAFÉ",
        "cafe",
        "straße",
        "STRASSE",
        "\u0131I",
        "İstanbul",
        "ﬁn",
        "naïve",
    ),
    *("日本語", "😀", "a😀b", "👩‍👩‍👧", "русский", "עברית", "Ωmega"),
    *("it's", 'say "x"', "100%", "%s", "%(x)s", "a_b", "back\\slash", "<b>x</b>", "{x}"),
    *("new\nline", "tab\t", "\r\n"),
    *("None", "null", "True", "0", "-1", "1.5", "007", "1e3", "10", "9", "1,5"),
    *("2024-02-29", "29.02.2024", "12:30", "[1, 2]", '["a", "b"]', '{"a": 1}'),
    *("a,b", "a, b;c", "a/b/c", "a-b-c", "x@example.com", "https://example.com/a?b=c#d"),
)
_EMAILS = ("x@example.com", "X@Example.COM", "a+b@example.com", "x@", "no-mail", "ü@example.com")
_URLS = (
    "https://example.com/",
    "http://example.com",
    "HTTPS://EXAMPLE.com/a?b=c#d",
    "example.com/a",
    "https://user@example.com:80/%20",
)
_SLUGS = ("a", "a-b", "a_b", "A-B", "-a", "title", "title-1", "title-2", "1", "café")
_FILES = (
    *("", "a.txt", "A.TXT", "a/b.txt", "a/b/c.tar.gz", "no-suffix", "a b.png", "ä.jpg"),
    *("/abs.txt", "../up.txt"),
)


def texts_for(field: Field, setting: Setting) -> list[object]:
    special: tuple[str, ...] = ()
    if isinstance(field, models.EmailField):
        special = 3 * _EMAILS
    elif isinstance(field, models.URLField):
        special = 3 * _URLS
    elif field.get_internal_type() == "SlugField":
        special = _SLUGS
    elif isinstance(field, (models.FileField, models.FilePathField)):
        special = _FILES
    texts = [*special, *_TEXTS] if not isinstance(field, models.FileField) else [*special]
    return [*_short_enough(field, texts), *(_longest(field) if setting.wild else ())]


def _longest(field: Field) -> list[str]:
    length = field.max_length or 4000
    return ["x" * length, "é" * length, "a " * (length // 2)]


def _short_enough(field: Field, texts: Iterable[str]) -> list[object]:
    return [text for text in texts if field.max_length is None or len(text) <= field.max_length]


def fit_text(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, (int, float, Decimal, UUID)) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _short_enough(field, [value]) and "\x00" not in value:
        return encodable(value)
    return None


def encodable(text: str) -> str | None:
    """None for a text with half of a surrogate pair, which no database takes."""
    return text if text.isprintable() or not re.search("[\ud800-\udfff]", text) else None


def vary_text(field: Field, setting: Setting, value: str) -> list[object]:
    others = [
        each for each in setting.constants.by_name.get(field.name, ()) if isinstance(each, str)
    ]
    other = setting.random.choice(others or ["b"])
    variants = [value.upper(), value.lower(), value.swapcase(), value.capitalize()]
    variants += [
        f" {value}",
        f"{value} ",
        f"{value}x",
        f"x{value}",
        f"{value}1",
        value[:-1],
        value[1:],
    ]
    variants += [f"{value}{other}", f"{value} {other}", f"{value},{other}", f"a{value}b{other}c"]
    variants += [unicodedata.normalize("NFD", value), unicodedata.normalize("NFC", value)]
    return _short_enough(field, variants)
