"""Classes of the project and of packages that historical models are built with, read with ``ast``.

Migrations keep field classes and plain mixins by their import path, and run today's source of them:
https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from migfix.history.classes.methods import is_display, is_own_business, names_other_end, sets_others
from migfix.history.classes.options import Options, options_set
from migfix.history.fields import Is, fields
from migfix.history.files.scope import Scope
from migfix.history.operations.written_fields import field_class
from migfix.history.state import KEYS, RELATIONS, BaseClass, FieldClass, FieldState, Unknown
from migfix.source import nodes_in

_TOPS = frozenset({"object", "django.db.models.Model", "django.db.models.base.Model"})
_DEPTH = 8  # bases above a class, and modules that hand a name on, before giving up

_ROOTS = fields(Is.KNOWN)
_BY_OPTIONS = fields(Is.BY_OPTIONS)
# What a field class may define without a part in loading, saving or comparing its values.
# https://docs.djangoproject.com/en/stable/ref/models/fields/#field-api-reference
_HARMLESS = frozenset(
    "description default_error_messages default_validators error_messages form_class formfield "
    "validators validate run_validators clean check value_to_string save_form_data get_choices "
    "get_limit_choices_to "
    "non_db_attrs south_field_triple __str__ __repr__ __doc__ __module__".split()
)
_LOOKUPS = frozenset(
    "get_lookup get_lookups get_transform get_prep_lookup get_db_prep_lookup class_lookups".split()
)
# What an instance would be changed by, if it were set in a method.
_VALUES_WAY = frozenset(
    "pre_save get_prep_value get_db_prep_value get_db_prep_save from_db_value to_python "
    "get_internal_type db_type db_parameters rel_db_type cast_db_type db_type_parameters "
    "get_db_converters select_format get_placeholder descriptor_class attr_class "
    "contribute_to_class contribute_to_related_class set_attributes_from_name get_attname "
    "get_attname_column attname column clone deconstruct __class__".split()
)
_REGISTRIES = frozenset({"register_lookup", "class_lookups"})
_DYNAMIC = frozenset("setattr delattr vars exec eval globals".split())
# What Django itself calls when it loads, changes, saves or deletes a row, or makes the class.
# https://docs.djangoproject.com/en/stable/ref/models/instances/
_ROW_METHODS = frozenset(
    "save save_base delete __init__ __new__ __init_subclass__ __setattr__ __delattr__ "
    "__getattribute__ __getattr__ __slots__ __dict__ __class__ from_db refresh_from_db pk _meta "
    "_state _get_pk_val _set_pk_val _is_pk_set _save_parents _save_table _do_update _do_insert "
    "_prepare_related_fields_for_save prepare_database_save get_deferred_fields _base_manager "
    "_default_manager".split()
)
# Those by which rows are made, read and tested.
_READING_METHODS = frozenset(
    "__init__ __new__ __init_subclass__ __setattr__ __delattr__ __getattribute__ __getattr__ __slots__ __dict__ "
    "__class__ from_db refresh_from_db pk _meta _state __bool__ __len__ __eq__ __hash__".split()
)
# Signals that no save() sends.
_OTHER_SIGNALS = frozenset({"class_prepared", "pre_delete", "post_delete", "m2m_changed"})
_CLOCK = "django.utils.timezone.now"

Modules = Callable[[str], "Scope | None"]
"""From the dotted name of a module to what its names stand for; None where there is no source."""


@dataclass(frozen=True)
class _Module:
    """A module's source, and what all of it says that matters to its classes."""

    scope: Scope

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(nodes_in(self.scope.tree))

    @cached_property
    def changed(self) -> frozenset[str]:
        """What ``MoneyField.pre_save = ...`` and ``setattr(MoneyField, ...)`` change."""
        found = set()
        for node in self.nodes:
            match node:
                case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                    found.add(name)
                case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=name), *_]):
                    found.add(name)
        return frozenset(found)

    @cached_property
    def gives_lookups(self) -> bool:
        return any(isinstance(n, ast.Attribute) and n.attr in _REGISTRIES for n in self.nodes)

    @cached_property
    def connects(self) -> bool:
        return any(map(_is_connection, self.nodes))

    def one_class(self, name: str) -> ast.ClassDef | None:
        """The class at the top of the module, if nothing else in it is called so."""
        called_so = [node for node in self.nodes if _bound_name(node) == name]
        at_the_top = [n for n in self.scope.tree.body if isinstance(n, ast.ClassDef)]
        found = [node for node in at_the_top if node.name == name]
        return found[0] if len(called_so) == len(found) == 1 else None


def _bound_name(node: ast.AST) -> str | None:
    """The name that a definition or an import binds: of ``import X as Y`` the second."""
    if isinstance(node, ast.alias) and node.asname:
        return node.asname
    return getattr(node, "name", None)


@dataclass(frozen=True, slots=True)
class _Class:
    path: str
    node: ast.ClassDef
    module: _Module

    @property
    def scope(self) -> Scope:
        return self.module.scope

    @property
    def is_changed_from_outside(self) -> bool:
        return self.node.name in self.module.changed

    def defined(self) -> Iterator[tuple[str, ast.stmt]]:
        """The names that the class body binds; an empty one for a statement that is not understood."""
        for statement in self.node.body:
            match statement:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    yield name, statement
                case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                    yield name, statement
                case ast.Assign(targets=targets):
                    for target in targets:
                        yield target.id if isinstance(target, ast.Name) else "", statement
                case ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case _:
                    yield "", statement


@dataclass(frozen=True, slots=True)
class _Root:
    """A class of Django, or one known as well, at which reading ends."""

    kind: str
    stamps: bool = False
    computes: bool = False  # its ``pre_save()`` does something else than Django's


# Known even where the package is not installed; the source would say the same, less surely.
# https://github.com/django-extensions/django-extensions/blob/4.1/django_extensions/db/fields/__init__.py
# https://github.com/jazzband/django-model-utils/blob/5.0.0/model_utils/fields.py
_KNOWN = {
    "django_extensions.db.fields.CreationDateTimeField": _Root("DateTimeField"),
    "django_extensions.db.fields.ModificationDateTimeField": _Root("DateTimeField", stamps=True),
    "django_extensions.db.fields.AutoSlugField": _Root("SlugField", computes=True),
    "django_extensions.db.fields.RandomCharField": _Root("CharField", computes=True),
    "model_utils.fields.AutoCreatedField": _Root("DateTimeField"),
    "model_utils.fields.AutoLastModifiedField": _Root("DateTimeField", stamps=True),
    "model_utils.fields.StatusField": _Root("CharField"),
}

# Relations through a table of their own, by a manager: they have no column, and no save() looks at them.
_WITHOUT_COLUMN = frozenset(
    "taggit.managers.TaggableManager modelcluster.contrib.taggit.ClusterTaggableManager".split()
)


class Classes:
    """Reads each class once, when it is asked for. ``modules`` finds their sources."""

    def __init__(self, modules: Modules) -> None:
        self._find_scope = modules
        self._modules: dict[str, _Module | None] = {}
        self._fields: dict[str, FieldClass] = {}
        self._bases: dict[str, BaseClass] = {}

    def field_class(self, path: str) -> FieldClass:
        """What is known of a field class by its dotted path."""
        if path in _WITHOUT_COLUMN:
            return FieldClass(saved_as="ManyToManyField", doubt="its manager is not Django's")
        if path not in self._fields:
            self._fields[path] = _field_class(tuple(self._ancestry(path)))
        return self._fields[path]

    def base_class(self, path: str) -> BaseClass:
        """What is known of a class among the bases of a model."""
        if path not in self._bases:
            self._bases[path] = _base_class(tuple(self._ancestry(path)))
        return self._bases[path]

    def definition(self, path: str) -> str | None:
        """The path of the module that holds the class, and its name; None where that is not found."""
        found = self._resolved(path)
        return found.path if isinstance(found, _Class) else None

    def lineage(self, path: str, depth: int = 0) -> Iterator[tuple[str, ast.ClassDef | None]]:
        """The class and all above it but for Python's and Django's own, by the paths of their modules.

        With None for the class where the source was not found; the path is empty where it is not written out.
        """
        if path in _TOPS:
            return
        found = self._resolved(path) if depth < _DEPTH else ""
        if isinstance(found, str):
            yield found, None
            return
        yield found.path, found.node
        for base in found.node.bases:
            above = found.scope.dotted(base)
            if above is None:
                yield "", None
            else:
                yield from self.lineage(above, depth + 1)

    def _resolved(self, path: str) -> _Class | str:
        """The class, or the last path of it where the source was not found."""
        for _ in range(_DEPTH):
            found = self._find(path)
            if not isinstance(found, str):
                return found or path
            path = found
        return path

    def _ancestry(self, path: str, depth: int = 0) -> Iterator[_Class | _Root | Unknown]:
        """The class and all above it, each before its bases, up to Django's own."""
        kind = FieldState("", field_class(path)).kind
        if path == "object":
            return
        if kind or path in _KNOWN:
            yield _KNOWN[path] if path in _KNOWN else _Root(str(kind))
            return
        if path in _WITHOUT_COLUMN:
            yield _Root("ManyToManyField")
            return
        found = self._find(path) if depth < _DEPTH else None
        if isinstance(found, str):
            yield from self._ancestry(found, depth + 1)
        elif found is None:
            yield Unknown(f"the source of {path or 'its class'} was not found")
        else:
            yield found
            for base in found.node.bases:
                above = found.scope.dotted(base)
                if above is None:
                    yield Unknown(f"a base of {path} is not a plain name")
                else:
                    yield from self._ancestry(above, depth + 1)

    def _find(self, path: str) -> _Class | str | None:
        """The one class of that path; the path that the name stands for where another module has it."""
        module, _, name = path.rpartition(".")
        found = self._module(module) if module and not module.startswith(".") else None
        if found is None:
            return None
        meant = found.scope.dotted(ast.Name(name, ast.Load()))
        everything_of = found.scope.names.get("*")
        if meant is None and name not in found.scope.names and isinstance(everything_of, str):
            return everything_of.removesuffix("*") + name
        if meant != path:
            return meant
        node = found.one_class(name)
        return _Class(path, node, found) if node else None

    def _module(self, name: str) -> _Module | None:
        if name not in self._modules:
            scope = self._find_scope(name)
            self._modules[name] = _Module(scope) if scope else None
        return self._modules[name]


# Field classes


def _field_class(ancestry: tuple[_Class | _Root | Unknown, ...]) -> FieldClass:
    classes = [each for each in ancestry if isinstance(each, _Class)]
    roots = [each for each in ancestry if isinstance(each, _Root)]
    missing = [each.why for each in ancestry if isinstance(each, Unknown)]
    kinds = {root.kind for root in roots}
    known = partial(
        FieldClass,
        is_plain=bool(roots) and not missing and kinds.isdisjoint(RELATIONS),
        connects=any(map(_connects, classes)),
    )
    if missing or len(kinds) != 1 or not kinds <= _ROOTS:
        return known(doubt=missing[0] if missing else "it descends from no one field of Django")
    (kind,) = kinds
    doubts = [doubt for each in classes if (doubt := _doubt(each, kind))]
    if any(root.computes for root in roots):
        doubts.append("its pre_save() may look at other columns and rows")
    if doubts:
        return known(doubt=doubts[0], only_saves=all(_only_saves(each, kind) for each in classes))
    options = options_set([(each.node, each.scope) for each in classes], _is_ordered(ancestry))
    stamps = any(root.stamps for root in roots) or any(map(_stamping, classes))
    compared = not any(_has_lookups(each) for each in classes)
    if options is None or not compared or not _points_as_written(kind, options):
        depends = stamps or kind in _BY_OPTIONS
        return known(saved_as=None if depends else kind, doubt="its __init__() is not understood")
    forced = {**options.forced, "auto_now": True} if stamps else options.forced
    displays = [found for each in classes if (found := _displaying(each))]
    if any(map(names_other_end, displays)):
        forced = {**forced, "related_name": Unknown("the class may set related_name")}
    return known(
        kind=kind,
        saved_as=kind,
        displays=bool(displays),
        defaults={name: value for name, value in options.defaults.items() if name != "to"},
        forced=forced,
        unsure=options.unsure,
        doubt="",
    )


def _points_as_written(kind: str, options: Options) -> bool:
    """Is it no relation, or a key that points to what the migration says?"""
    return kind not in RELATIONS or (
        kind in KEYS and "to" not in {*options.forced, *options.unsure}
    )


def _is_ordered(ancestry: tuple[_Class | _Root | Unknown, ...]) -> bool:
    """Do the classes stand as Python resolves them: none of them twice, and Django's own last?"""
    *before, last = ancestry
    paths = [each.path for each in before if isinstance(each, _Class)]
    return isinstance(last, _Root) and len(before) == len(paths) == len(set(paths))


def _doubt(each: _Class, kind: str) -> str | None:
    """What keeps the values of the class from going the way of Django's ``kind``."""
    if each.node.keywords or each.node.decorator_list:
        return f"{each.path} has a metaclass or a decorator"
    names = _names_in_the_way(each, kind)
    if names:
        name = min(_VALUES_WAY.intersection(names), default=names[0])
        return f"{each.path} defines {name or 'more than methods'}"
    return f"{each.path} sets what it goes by in its methods" if _is_patched(each) else None


def _names_in_the_way(each: _Class, kind: str) -> list[str]:
    return [n for n, node in each.defined() if not _is_harmless(n, node, kind, each)]


def _only_saves(each: _Class, kind: str) -> bool:
    """Has the class no part in values, but for a ``pre_save()`` that may do anything?"""
    made = not (each.node.keywords or each.node.decorator_list)
    return made and {"pre_save"}.issuperset(_names_in_the_way(each, kind)) and not _is_patched(each)


def _is_harmless(name: str, statement: ast.stmt, kind: str, each: _Class) -> bool:
    if name in {"__init__", "deconstruct"}:
        return isinstance(statement, ast.FunctionDef) and not statement.decorator_list
    if name == "get_internal_type":
        return _only_returns(statement, kind)
    if name == "pre_save":
        return _stamping(each) is statement
    if name == "contribute_to_class":
        return is_display(statement, each.scope)
    known = name in _HARMLESS | _LOOKUPS or name.startswith("_check_")
    return known or is_own_business(name, statement)


def _only_returns(statement: ast.stmt, text: str) -> bool:
    match statement:
        case ast.FunctionDef(body=[*before, ast.Return(value=ast.Constant(value=value))]):
            plain = not statement.decorator_list and all(map(_is_docstring, before))
            return plain and value == text
    return False


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_patched(each: _Class) -> bool:
    """Is an attribute set, in the class's own methods or on the class, that would change its ways?"""
    if each.is_changed_from_outside:
        return True
    understood = {_stamping(each), _displaying(each)}
    for statement in each.node.body:
        if statement not in understood:
            others = sets_others(statement)
            if any(_changes_ways(node) for node in nodes_in(statement) if node not in others):
                return True
    return False


def _displaying(each: _Class) -> ast.stmt | None:
    """Its ``contribute_to_class()``, where that only adds what people read."""
    found = (node for name, node in each.defined() if name == "contribute_to_class")
    return next((node for node in found if is_display(node, each.scope)), None)


def _changes_ways(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name in _DYNAMIC
        case ast.Attribute(attr=name, ctx=ctx):
            stored = not isinstance(ctx, ast.Load)
            return name in {"__dict__", "__setattr__"} or (stored and name in _VALUES_WAY)
    return False


def _has_lookups(each: _Class) -> bool:
    """Does the class, or code beside it, give comparisons another meaning?"""
    return each.module.gives_lookups or any(name in _LOOKUPS for name, _ in each.defined())


def _connects(each: _Class) -> bool:
    """May the class connect receivers to the signals of the models that have such a field?

    ``contribute_to_class`` runs for historical models, too, and may call functions beside it.
    """
    defined = {name for name, _ in each.defined()}
    if "contribute_to_class" in defined:
        return each.module.connects
    return any(map(_is_connection, nodes_in(each.node)))


def _is_connection(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="connect", value=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name not in _OTHER_SIGNALS
        case ast.Attribute(attr="connect" | "receiver") | ast.Name(id="receiver"):
            return True
    return False


def _stamping(each: _Class) -> ast.FunctionDef | None:
    """A ``pre_save()`` that does nothing but set the field to the time and return it."""
    for name, statement in each.defined():
        if name == "pre_save" and isinstance(statement, ast.FunctionDef):
            steps = [step for step in statement.body if not _is_docstring(step)]
            returns = bool(steps) and isinstance(steps[-1], ast.Return)
            if returns and not statement.decorator_list and _are_stamps(steps, each.scope):
                return statement
    return None


def _are_stamps(steps: list[ast.stmt], scope: Scope) -> bool:
    names: set[str] = set()

    def is_time(node: ast.expr | None) -> bool:
        if isinstance(node, ast.Name):
            return node.id in names
        called = isinstance(node, ast.Call) and not node.args and not node.keywords
        return called and scope.dotted(node.func) == _CLOCK  # type: ignore[union-attr]

    for step in steps:
        match step:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_time(value):
                names.add(name)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Name(id="setattr"),
                    args=[ast.Name(), ast.Attribute(attr="attname" | "name"), value],
                )
            ) if is_time(value):
                pass
            case ast.Return(value=value) if is_time(value):
                pass
            case _:
                return False
    return True


# Bases of models


def _base_class(ancestry: tuple[_Class | _Root | Unknown, ...]) -> BaseClass:
    classes = [each for each in ancestry if isinstance(each, _Class)]
    names = frozenset(name for each in classes for name, _ in each.defined())
    doubts = (d for each in ancestry if (d := _base_doubt(each, _ROW_METHODS, "would not run")))
    reading = (d for each in ancestry if (d := _base_doubt(each, _READING_METHODS, _TAKING_PART)))
    return BaseClass(names, next(doubts, None), next(reading, None))


_TAKING_PART = "may take part where rows are made and read"


def _base_doubt(each: _Class | _Root | Unknown, methods: frozenset[str], what: str) -> str | None:
    """How the class may take part in what happens to a row by these methods; None where it does not."""
    if isinstance(each, Unknown):
        return f"whose methods {what}"
    if isinstance(each, _Root):
        return "which is more than a plain mixin"
    if each.node.keywords or each.node.decorator_list:
        return "which has a metaclass or a decorator"
    for name, _ in each.defined():
        if name in methods:
            return f"whose {name}() {what}"
        if not name:
            return "whose body does more than define methods"
    if any(map(_is_connection, nodes_in(each.node))):
        return "which connects signals"
    return f"whose methods {what}" if each.is_changed_from_outside else None
