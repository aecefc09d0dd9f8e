"""JSON documents that bite, with the keys that the source asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from django.db import models

from migfix.verify.worker.values.setting import Field, Setting

_JSON: tuple[Any, ...] = (
    *(
        {},
        [],
        "",
        "text",
        0,
        1,
        -1.5,
        True,
        False,
        2**53 + 1,
        [None],
        [1, "1", 1.0],
        ["b", "a", "a"],
    ),
    *({"a": None}, {"": 1}, {"A": 1, "a": 2}, {"é": "😀", 'q"': "it's"}),
    *({"a": 1, "b": [1, {"c": None}]}, {"a": {"b": {"c": []}}}),
)
_MOST_DOCUMENTS = 40
_LEAVES: tuple[Any, ...] = ("text", "", 1, 0, None, True, [], {}, ["a"], {"a": 1}, "1")


def documents_for(field: Field, setting: Setting) -> list[object]:
    paths = _paths(field, setting)
    if paths and not setting.wild:
        return [{}]  # ordinary code asks for its keys without a look at what it asks
    default = _default_document(field)
    if default is not None and not setting.wild:
        return [each for each in _JSON if type(each) is type(default)]
    wrong = [_nested(path, leaf) for path in paths for leaf in _LEAVES]
    return [*wrong, *_JSON, models.Value(None, models.JSONField())]


def documents_with_keys(field: Field, setting: Setting) -> list[object]:
    """Documents with all keys that the source asks for, one for each value of each key."""
    paths = _paths(field, setting)
    leaves = {path: _leaves_of(path, setting) for path in paths}
    drawn = [(path, leaf) for path in paths for leaf in leaves[path]]
    default = _default_document(field)
    documents: list[object] = _like(default) if default is not None else []
    for path, leaf in drawn[:_MOST_DOCUMENTS]:
        document: dict[str, object] = deepcopy(default) if isinstance(default, dict) else {}
        for each in paths:
            _put(document, each, leaf if each == path else setting.random.choice(leaves[each]))
        documents.append(document)
    return documents


def _default_document(field: Field) -> dict[str, Any] | list[Any] | None:
    """What a row has that nobody gave one: code takes for granted that all are like it."""
    try:
        found = json.loads(json.dumps(field.get_default()))
    except Exception:  # of the project's own function, or of what is no JSON
        return None
    return found if isinstance(found, (dict, list)) else None


def _like(default: dict[str, Any] | list[Any]) -> list[Any]:
    """A default, and others that differ from it in the value of a key, or lack the key."""
    if isinstance(default, list):
        return [default]
    documents: list[Any] = [default]
    for key, value in default.items():
        documents.append({name: each for name, each in default.items() if name != key})
        documents += [{**default, key: each} for each in _values_like(value)]
    return documents[:_MOST_DOCUMENTS]


def _values_like(value: object) -> list[object]:
    """Others of its type, and none at all."""
    return [
        each for each in _LEAVES if each is None or (type(each) is type(value) and each != value)
    ]


def _put(document: dict[str, Any], path: tuple[object, ...], leaf: object) -> None:
    key, rest = str(path[0]), path[1:]
    if rest and isinstance(rest[0], str):
        inner = document.setdefault(key, {})
        if isinstance(inner, dict):
            _put(inner, rest, leaf)
    else:
        document[key] = _nested(rest, leaf)


def _leaves_of(path: tuple[object, ...], setting: Setting) -> list[Any]:
    known = [value for value in setting.constants.by_name.get(str(path[-1]), ()) if _is_json(value)]
    return [*known[:8], *_vary_leaves(known[:4])] or ["text", 1, None]


def _vary_leaves(values: Iterable[object]) -> list[object]:
    return [value.upper() if isinstance(value, str) else str(value) for value in values]


def _paths(field: Field, setting: Setting) -> list[tuple[object, ...]]:
    """The paths of keys that the source asks of a field; no path that goes on in another."""
    found = setting.constants.keys.get(field.name, ())
    texts = [path for path in found if isinstance(path[0], str)]
    return [
        path
        for path in texts
        if not any(len(path) < len(each) and each[: len(path)] == path for each in texts)
    ]


def _nested(path: tuple[object, ...], leaf: object) -> object:
    for key in reversed(path):
        leaf = {key: leaf} if isinstance(key, str) else [leaf, leaf]
    return leaf


def _is_json(value: object) -> bool:
    return isinstance(value, (str, int, float)) and value == value


def fit_document(field: Field, setting: Setting, value: object) -> object | None:
    """A value of the source's, with the keys that it asks for where it asks for any."""
    if not _is_json(value) or (_paths(field, setting) and not setting.wild):
        return None
    return value


def hstores_for(field: Field, setting: Setting) -> list[object]:
    named = [{str(path[0]): leaf} for path in _paths(field, setting) for leaf in ("text", "", None)]
    return [{}, {"a": "b"}, {"a": None}, {"A": "1", "a": "2"}, {"": ""}, *named]


def fit_nothing(field: Field, setting: Setting, value: object) -> object | None:
    return None
