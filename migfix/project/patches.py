"""Where a project changes the classes that historical models, their fields and their querysets are made of.

Anywhere these are Django's own, by their names. In a migration, and in functions that migrations call, they are any
whose methods are changed by which rows are loaded, saved or deleted: it may be the historical class itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from typing import TypeAlias

from migfix.source import last_name, nodes_in, nodes_of

_DJANGO_CLASSES = frozenset(
    {"Model", "ModelBase", "ModelIterable", "QuerySet", "Manager", "BaseManager", "Field", "Query"}
)
# By which rows are made, saved, tested and deleted, and by which fields turn their values into others.
# https://docs.djangoproject.com/en/stable/howto/custom-model-fields/
_METHODS = frozenset(
    "save save_base delete from_db refresh_from_db pre_save get_prep_value get_db_prep_value get_db_prep_save "
    "from_db_value get_db_converters to_python get_default clean_fields __init__ __new__ __setattr__ __delattr__ "
    "__getattribute__ __getattr__ __str__ __bool__ __len__ __eq__ __hash__ __bases__ _get_pk_val "
    "_set_pk_val _save_parents _save_table _do_update _do_insert _prepare_related_fields_for_save".split()
)
_MANAGERS = frozenset({"objects", "_base_manager", "_default_manager"})
_OF_MODELS = _MANAGERS | {"_meta"}
# What save() still asks each field, whether it writes at once or in a batch.
_ASKED_AT_SAVE = frozenset({"auto_now", "auto_now_add"})
_NAMED = "|".join(sorted(_METHODS)).encode()
# What a file must hold to be looked at: more than what is a change.
_ASSIGNED_METHOD = re.compile(rb"\.(?:%b)\b *(?:=[^=]|[,:)\]])" % _NAMED)
_GIVING = (b"setattr", b"delattr", b"add_to_class(", b".object(")
_OF_NO_ROWS = frozenset(
    "deconstruct formfield check creation_counter __str__ __repr__ __class_getitem__".split()
)
_CLASSES = "|".join(sorted(_DJANGO_CLASSES)).encode()
_CHANGE = re.compile(
    rb"\b(?:%b)(?:\.\w+ *(?:[=:,][^=]|\+=)| as |\.add_to_class\()"
    rb"|\b(?:setattr|object)\(\s*[\w.]*\b(?:%b|\w*Field)\b|Field\.(?:%b) *=[^=]|Field\.add_to_class\("
    % (_CLASSES, _CLASSES, _NAMED)
)
_OTHER_NAME = re.compile(rb"= *(?:\w+\.)*(?:%b)[ \t]*(?:[\r\n;#]|$)" % _CLASSES)
# Looked for first: ten times as fast.
_PERHAPS = (
    b"setattr(",
    b".object(",
    *(f"{name}{end}".encode() for name in sorted(_DJANGO_CLASSES) for end in (".", " as ")),
)


def may_change(data: bytes) -> bool:
    """Is a file of these bytes worth a look?"""
    perhaps = any(part in data for part in _PERHAPS) and _CHANGE.search(data)
    return bool(perhaps or _OTHER_NAME.search(data))


def changes_of(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    """``models.Model.save = save``, ``setattr(QuerySet, name, function)``"""
    nodes = nodes_of(tree)
    own = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    aliases = {
        alias.asname
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname and alias.name in _DJANGO_CLASSES
    }
    others = {name for node in nodes for name in _imported_from_elsewhere(node)}
    classes = (_DJANGO_CLASSES - own - others) | aliases
    classes |= {name for node in nodes for name in _other_names(node, classes)}
    for node in (n for n in nodes if isinstance(n, (ast.stmt, ast.expr))):
        if any(_is_of_django(change, classes, others) for change in _changed_by(node)):
            yield node


def may_change_methods(data: bytes) -> bool:
    """May a file of these bytes change a method of a class whose name says nothing?"""
    return any(part in data for part in _GIVING) or bool(_ASSIGNED_METHOD.search(data))


def changes_of_methods(tree: ast.Module) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """``Order.save = save``, ``field.pre_save = ...``, of whatever class or object but ``self``.

    Each with the last part of the name of what is changed.
    """
    for node in nodes_of(tree):
        if isinstance(node, (ast.stmt, ast.expr)):
            for owner, name in _changed_by(node):
                called = last_name(owner)
                if (name in _METHODS and called != "self") or (
                    name is None and called[:1].isupper()
                ):
                    yield node, called


_OF_MODEL_BYTES = re.compile(
    rb"_meta\b|_manager\b|attr\(|\bdel\b|\bobjects\b[\w.]*\)?[ \t]*(?:=[^=]|,|\bin\b)"
    rb"|=[ \t]*[\w.]+\.objects\b[ \t]*(?:[;#\r\n]|$)"
)


def may_change_models(data: bytes) -> bool:
    """May a file of these bytes do that?"""
    return _OF_MODEL_BYTES.search(data) is not None


def changes_of_models(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    """What a file does to options, managers and fields of models: ``Order._meta.ordering = []``,
    ``Order.objects.all = ...``, ``Order._meta.get_field("name").column = "title"``, ``meta.local_fields.pop()``

    But for ``auto_now = False``, which a save that waits heeds as well.
    """
    nodes = nodes_of(tree)
    options = {name for node in nodes for name in _names_of_options(node)}
    harmless = {target for node in nodes for target in _switched_off(node)}
    for node in (n for n in nodes if isinstance(n, (ast.stmt, ast.expr))):
        changed = [*_changed_by(node), *((owner, None) for owner in _altered_by(node))]
        if node not in harmless and any(
            (name in _OF_MODELS and last_name(owner) != "self") or _is_of_model(owner, options)
            for owner, name in changed
        ):
            yield node


def _is_of_model(owner: ast.expr, options: Collection[str]) -> bool:
    """``Order.objects``, ``Order._meta``, ``Order._meta.get_field("total")``, or a name for one of these"""
    if last_name(owner) in _MANAGERS:
        return True
    return any(
        last_name(part) == "_meta" or (isinstance(part, ast.Name) and part.id in options)
        for part in nodes_in(owner)
    )


def _names_of_options(node: ast.AST) -> Iterator[str]:
    """``meta = Order._meta``, ``for field in Order._meta.fields``, ``manager = Order.objects``"""
    match node:
        case ast.Assign(targets=targets, value=value):
            pass
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(
            target=target, value=value
        ):
            targets = [target]
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            targets = [target]
        case ast.withitem(optional_vars=ast.expr() as target, context_expr=value):
            targets = [target]
        case _:
            return
    if _is_of_model(value, ()):
        yield from (n.id for each in targets for n in nodes_in(each) if isinstance(n, ast.Name))


def _switched_off(node: ast.AST) -> Iterator[ast.expr]:
    """``field.auto_now = False``"""
    match node:
        case ast.Assign(targets=targets, value=ast.Constant(value=False)):
            yield from (
                target
                for target in targets
                if isinstance(target, ast.Attribute) and target.attr in _ASKED_AT_SAVE
            )


# Methods of collections that change these.
_ALTERING = frozenset(
    "add append clear discard extend insert pop popitem remove reverse setdefault sort update __setitem__".split()
)


def _altered_by(node: ast.AST) -> Iterator[ast.expr]:
    """``Order._meta.local_fields.pop()``, ``vars(Order._meta)["ordering"] = []``"""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if (
            name in _ALTERING and last_name(owner) not in _MANAGERS
        ):
            if any(last_name(part) == "_meta" for part in nodes_in(owner)):
                yield owner
        case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
            if any(last_name(part) == "_meta" for part in nodes_in(owner)):
                yield owner


def _other_names(node: ast.AST, classes: frozenset[str]) -> list[str]:
    """``cls = models.Model``"""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute() as value):
            return [name] if last_name(value) in classes else []
    return []


def _imported_from_elsewhere(node: ast.AST) -> list[str]:
    """Names for what is surely no class of the ORM: ``from django import forms``."""
    match node:
        case ast.ImportFrom(module=str(module), level=0, names=names):
            paths = {alias.asname or alias.name: f"{module}.{alias.name}." for alias in names}
            return [name for name, path in paths.items() if path.startswith(_NO_ORM)]
        case ast.Import(names=names):
            return [a.asname for a in names if a.asname and f"{a.name}.".startswith(_NO_ORM)]
    return []


_NO_ORM = ("django.forms.", "rest_framework.", "wtforms.", "marshmallow.", "elasticsearch_dsl.")


def _is_of_django(change: _Change, classes: frozenset[str], others: Collection[str]) -> bool:
    owner, name = change
    if isinstance(owner, ast.Attribute) and last_name(owner.value) in others:
        return False
    models = not isinstance(owner, ast.Attribute) or last_name(owner.value) in {"models", "fields"}
    of_field = last_name(owner).endswith("Field") and name in _METHODS and models
    return (last_name(owner) in classes and name not in _OF_NO_ROWS) or of_field


_Change: TypeAlias = "tuple[ast.expr, str | None]"


def _changed_by(node: ast.AST) -> list[_Change]:
    """What gets or loses an attribute by the node, and which; None where that is not written out."""
    match node:
        case ast.Attribute(value=owner, attr=name, ctx=ast.Store() | ast.Del()):
            return [(owner, name)]
        case ast.Call(
            # ``mock.patch.object(...)``
            func=ast.Name(id="setattr" | "delattr") | ast.Attribute(attr="__setattr__" | "object"),
            args=[owner, name, *_],
        ):
            return [(owner, _text(name))]
        case ast.Call(func=ast.Attribute(value=owner, attr="add_to_class"), args=[name, *_]):
            return [(owner, _text(name))]
    return []


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
