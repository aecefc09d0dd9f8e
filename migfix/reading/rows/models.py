"""Which classes that a file imports or defines are models of Django, and what else they do.

https://docs.djangoproject.com/en/stable/topics/db/models/
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from migfix.reading.kinds import known
from migfix.reading.kinds.values import Model
from migfix.reading.names.library import Definition, Foreign, dotted_names
from migfix.reading.names.scopes import walk

_ROOTS = frozenset({"django.db.models.Model", "django.db.models.base.Model"})
_SHOWING = frozenset({"__str__", "__repr__"})
_DEPTH = 10
_LABEL = re.compile(rb"\blabel\b")
# What runs when a row is made, loaded, changed, saved or deleted.
# https://docs.djangoproject.com/en/stable/ref/models/instances/
_ROW_METHODS = frozenset(
    "save save_base delete __init__ __new__ __init_subclass__ __setattr__ __delattr__ "
    "__getattribute__ __getattr__ __class_getitem__ from_db refresh_from_db".split()
)


def model_of(definition: Definition) -> Model | None:
    """The model that a class is, by its bases up to Django's own; None where it is none for sure."""
    lineage = list(_lineage(definition, _DEPTH))
    if "" not in lineage:
        return None
    classes = [each for each in lineage if isinstance(each, Definition)]
    is_plain = None not in lineage and all(map(_is_plain, classes))
    return Model(None, real=True, is_plain=is_plain, instead=_from_apps(definition))


def _from_apps(definition: Definition) -> str:
    """``Order = apps.get_model("shop", "Order")``, where the app is called as its folder is; else nothing."""
    assert isinstance(definition.node, ast.ClassDef)
    name, path, library = (
        definition.node.name,
        definition.module.source.path,
        definition.module.library,
    )
    in_package = path.parent.name == "models"
    app = path.parent.parent if in_package else path.parent
    if library is None or not (in_package or path.stem == "models"):
        return ""
    config = library.files.read_if_there(app / "apps.py")
    if not library.files.has_folder(app / "migrations") or _LABEL.search(config):
        return ""
    return f'{name} = apps.get_model("{app.name}", "{name}")'


def _lineage(definition: Definition, depth: int) -> Iterator[Definition | str | None]:
    """The class and all above it; an empty text for Django's own model, None for what is not known."""
    assert isinstance(definition.node, ast.ClassDef)
    yield definition
    for base in definition.node.bases:
        yield from _above(base, definition, depth) if depth else [None]


def _above(base: ast.expr, definition: Definition, depth: int) -> Iterator[Definition | str | None]:
    module = definition.module
    names = dotted_names(base)
    if names == ["object"] and module.is_builtin("object"):
        return
    found = module.library.name(names, module) if names and module.library else None
    if isinstance(found, Foreign) and found.path in _ROOTS:
        yield ""
        return
    if isinstance(found, Foreign) and module.library:
        found = module.library.installed(found.path)
    is_class = isinstance(found, Definition) and isinstance(found.node, ast.ClassDef)
    if isinstance(found, Definition) and is_class and not found.rest:
        yield from _lineage(found, depth - 1)
    else:
        yield None


def _is_plain(definition: Definition) -> bool:
    """Does the class only say which columns there are, and define methods that Django does not call?"""
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    if node.keywords or node.decorator_list or definition.module.changes(node.name):
        return False
    return all(_is_plain_member(statement, definition) for statement in node.body)


def _is_plain_member(statement: ast.stmt, definition: Definition) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.ClassDef(name=name):
            return name not in _ROW_METHODS
        case ast.FunctionDef(name=name):
            private = name.startswith("_") and name not in _SHOWING
            return name not in _ROW_METHODS and not private
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return _is_plain_value(value, definition)
        case ast.AnnAssign():
            return True
    return False


def _is_plain_value(value: ast.expr, definition: Definition) -> bool:
    """A literal, or a field of Django whose default is no code of the project."""
    module = definition.module
    match value:
        case ast.Call(func=function, keywords=keywords):
            path = module.path_of(function) or ""
            default = next((k.value for k in keywords if k.arg == "default"), None)
            given = None not in {k.arg for k in keywords}
            return path.startswith("django.db.models.") and given and _is_value(default, definition)
    return not any(isinstance(node, ast.Call) for node in walk(value))


def _is_value(default: ast.expr | None, definition: Definition) -> bool:
    module = definition.module
    match default:
        case None | ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            return True
        case ast.Name(id=name) if module.is_builtin(name):
            return name in {"dict", "list", "set", "str", "int", "bool"}
    return known.is_pure(module.path_of(default) or "")
