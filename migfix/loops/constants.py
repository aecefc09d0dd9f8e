"""Constants by name: what a dotted name of another module, or of a class, is certainly bound to."""

from __future__ import annotations

import ast

from migfix.loops.module import Module
from migfix.loops.scopes import Binding, bindings_in, walk

UNKNOWN = ...
"""What is said of everything that is not certainly one value."""

_MAX_HOPS = 5
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
    """The value at a dotted path that ``importer`` imports (``shop.enums.Status.DONE``), or ``UNKNOWN``."""
    return _at(path, importer, _MAX_HOPS)


def constant_in(names: list[str], module: Module) -> object:
    """The value of ``DONE``, ``Status.DONE`` or ``Status.DONE.value`` as the module binds it."""
    return _in(names, module, _MAX_HOPS)


def _at(path: str, importer: Module, hops: int) -> object:
    """Settings are left out: what is written there is often overridden elsewhere."""
    parts = path.split(".")
    if importer.library is None or hops == 0 or "settings" in parts:
        return UNKNOWN
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        module = importer.library.module(name, importer.source.path) if name.strip(".") else None
        if module is not None:
            hidden = _is_hidden(parts[:end], importer)
            return UNKNOWN if hidden else _in(parts[end:], module, hops)
    return UNKNOWN


def _is_hidden(parts: list[str], importer: Module) -> bool:
    """Does the package bind the name of its module to anything that may be something else?"""
    package = ".".join(parts[:-1])
    library = importer.library
    around = (
        library.module(package, importer.source.path) if library and package.strip(".") else None
    )
    return around is not None and parts[-1] in around.scope.bindings


def _in(names: list[str], module: Module, hops: int) -> object:
    binding = module.scope.bound_once(names[0])
    if binding is None or _is_starred_over(binding, module):
        return UNKNOWN
    match binding.statement:
        case ast.ImportFrom() | ast.Import() if names[0] in module.top_imports:
            return _at(".".join([module.top_imports[names[0]], *names[1:]]), module, hops - 1)
        case ast.ClassDef() as owner if len(names) > 1 and not _is_changed(owner.name, module):
            return _member(owner, names[1:], module)
    return _literal(binding) if len(names) == 1 else UNKNOWN


def _is_starred_over(binding: Binding, module: Module) -> bool:
    """May a later ``from x import *`` bind the name again?"""
    line = getattr(binding.statement, "lineno", 0)
    stars = module.scope.bindings.get("*", [])
    return any(getattr(star.statement, "lineno", 0) > line for star in stars)


def _is_changed(name: str, module: Module) -> bool:
    """Does the module set or delete anything of the class, or hand it to ``setattr``?"""
    for node in walk(module.tree):
        match node:
            case ast.Attribute(value=owner, ctx=ast.Store() | ast.Del()):
                changed: ast.expr = owner
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[owner, *_]):
                changed = owner
            case _:
                continue
        if (dotted_names(changed) or [""])[0] == name:
            return True
    return False


def dotted_names(node: ast.expr) -> list[str] | None:
    """``["a", "b"]`` for ``a.b``; None for what is no such name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else None


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
    return value if isinstance(value, (str, int, float, bytes, type(None))) else UNKNOWN


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
