"""Constants by name: what a dotted name of another module, or of a class, is certainly bound to."""

from __future__ import annotations

import ast

from migfix.reading.names.library import Definition, Foreign
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import Binding, bindings_in

UNKNOWN = ...
"""What is said of everything that is not certainly one value."""

# The members of ``class X(str, Enum)`` equal their values too, but some drivers store their ``str()``.
_EQUAL_TO_VALUES: dict[str, tuple[type, ...]] = {
    "django.db.models.TextChoices": (str,),
    "django.db.models.IntegerChoices": (int,),
    "enum.StrEnum": (str,),
    "enum.IntEnum": (int,),
}
_TYPES = {
    **_EQUAL_TO_VALUES,
    "enum.Enum": (str, int, float, bytes),
    "str, enum.Enum": (str,),
    "int, enum.Enum": (int,),
}
_CHOICES = frozenset({"django.db.models.TextChoices", "django.db.models.IntegerChoices"})
_PLAIN_BASES = frozenset({"django.db.models.Model", "object"})
_TRANSLATION = "django.utils.translation."


def constant_at(path: str, importer: Module) -> object:
    """The value at a dotted path that ``importer`` imports (``shop.enums.Status.DONE``), or ``UNKNOWN``.

    Settings are left out: what is written there is often overridden elsewhere.
    """
    if importer.library is None or "settings" in path.split(".") or importer.sets(path):
        return UNKNOWN
    found = importer.library.definition(path, importer)
    if isinstance(found, Foreign):
        found = importer.library.installed(found.path)
    if not isinstance(found, Definition) or _is_of_settings(found.module):
        return UNKNOWN
    if isinstance(found.node, ast.ClassDef):
        return _member_of(found.node, list(found.rest), found.module)
    return UNKNOWN if found.rest or not isinstance(found.node, ast.expr) else _value(found.node)


def constant_in(names: list[str], module: Module) -> object:
    """The value of ``Status.DONE`` or ``Status.DONE.value`` of a class of the file."""
    binding = module.bound_once(names[0])
    owner = binding.statement if binding else None
    return _member_of(owner, names[1:], module) if isinstance(owner, ast.ClassDef) else UNKNOWN


def _member_of(owner: ast.ClassDef, names: list[str], module: Module) -> object:
    known = names and not module.changes(owner.name)
    return _member(owner, names, module) if known else UNKNOWN


def _is_of_settings(module: Module) -> bool:
    path = module.source.path
    return "settings" in (path.stem, path.parent.name)


def _literal(binding: Binding) -> object:
    """The value of a literal that nothing can change."""
    if binding.value is None or binding.position is not None:
        return UNKNOWN
    return _value(binding.value)


def _value(node: ast.expr) -> object:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN
    return value if _is_fixed(value) else UNKNOWN


def _is_fixed(value: object) -> bool:
    """Is it a value that nothing can change?"""
    if isinstance(value, tuple):
        return all(map(_is_fixed, value))
    return isinstance(value, (str, int, float, bytes, type(None)))


def _member(owner: ast.ClassDef, names: list[str], module: Module) -> object:
    """``DONE`` of a plain class or of an enum whose members equal their values; ``DONE.value`` of any enum."""
    found = [binding for name, binding in bindings_in(owner) if name == names[0]]
    kind = _kind(owner, module)
    if kind is None or len(found) != 1 or names[0].startswith("_"):
        return UNKNOWN
    binding, rest = found[0], names[1:]
    if kind == "":
        if isinstance(binding.statement, ast.ClassDef) and rest:
            return _member(binding.statement, rest, module)
        return UNKNOWN if rest else _literal(binding)
    known = rest == ["value"] or (not rest and kind in _EQUAL_TO_VALUES)
    if not known or binding.value is None or binding.position is not None:
        return UNKNOWN
    return _of_enum(binding.value, kind, module)


def _kind(owner: ast.ClassDef, module: Module) -> str | None:
    """The kind of enum that the class is, ``""`` for a plain class, None where that is not certain."""
    if owner.decorator_list or owner.keywords:
        return None
    bases = [_base(base, module) for base in owner.bases]
    if all(base in _PLAIN_BASES for base in bases):
        return ""
    kind = ", ".join(bases)
    return kind if kind in _TYPES and not any(map(_alters, bindings_in(owner))) else None


def _alters(bound: tuple[str, Binding]) -> bool:
    """May it change what members are, as an ``__eq__`` or ``__new__`` of the class does?"""
    name, binding = bound
    return name == "_ignore_" or (
        name.startswith("_") and not isinstance(binding.statement, (ast.Assign, ast.AnnAssign))
    )


def _base(node: ast.expr, module: Module) -> str:
    if isinstance(node, ast.Name) and module.is_builtin(node.id):
        return node.id
    path = module.path_of(node) or ""
    return path.replace("django.db.models.enums.", "django.db.models.")


def _of_enum(node: ast.expr, kind: str, module: Module) -> object:
    """The value of a member; members of ``Choices`` may bring a label along."""
    match node:
        case ast.Tuple(elts=[first, label]) if kind in _CHOICES and _is_label(label, module):
            node = first
    value = _value(node)
    return value if type(value) in _TYPES[kind] else UNKNOWN


def _is_label(node: ast.expr, module: Module) -> bool:
    match node:
        case ast.Constant(value=str()):
            return True
        case ast.Call(func=function):
            return (module.path_of(function) or "").startswith(_TRANSLATION)
    return False
