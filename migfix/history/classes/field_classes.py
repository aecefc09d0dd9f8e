"""What a field class does to its values that Django's own does not: nothing, something known, or a doubt."""

from __future__ import annotations

import ast
from functools import partial

from migfix.history.classes.ancestors import LOOKUPS, ReadClass, Root, is_connection
from migfix.history.classes.methods import is_display, is_own_business, names_other_end, sets_others
from migfix.history.classes.options import Options, options_set
from migfix.history.fields import Is, fields
from migfix.history.files.scope import Scope
from migfix.history.state import KEYS, RELATIONS, FieldClass, Unknown
from migfix.source import nodes_in

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
# What an instance would be changed by, if it were set in a method.
_VALUES_WAY = frozenset(
    "pre_save get_prep_value get_db_prep_value get_db_prep_save from_db_value to_python "
    "get_internal_type db_type db_parameters rel_db_type cast_db_type db_type_parameters "
    "get_db_converters select_format get_placeholder descriptor_class attr_class "
    "contribute_to_class contribute_to_related_class set_attributes_from_name get_attname "
    "get_attname_column attname column clone deconstruct __class__".split()
)
_DYNAMIC = frozenset("setattr delattr vars exec eval globals".split())
_CLOCK = "django.utils.timezone.now"


# Field classes


def field_class_of(ancestry: tuple[ReadClass | Root | Unknown, ...]) -> FieldClass:
    classes = [each for each in ancestry if isinstance(each, ReadClass)]
    roots = [each for each in ancestry if isinstance(each, Root)]
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


def _is_ordered(ancestry: tuple[ReadClass | Root | Unknown, ...]) -> bool:
    """Do the classes stand as Python resolves them: none of them twice, and Django's own last?"""
    *before, last = ancestry
    paths = [each.path for each in before if isinstance(each, ReadClass)]
    return isinstance(last, Root) and len(before) == len(paths) == len(set(paths))


def _doubt(each: ReadClass, kind: str) -> str | None:
    """What keeps the values of the class from going the way of Django's ``kind``."""
    if each.node.keywords or each.node.decorator_list:
        return f"{each.path} has a metaclass or a decorator"
    names = _names_in_the_way(each, kind)
    if names:
        name = min(_VALUES_WAY.intersection(names), default=names[0])
        return f"{each.path} defines {name or 'more than methods'}"
    return f"{each.path} sets what it goes by in its methods" if _is_patched(each) else None


def _names_in_the_way(each: ReadClass, kind: str) -> list[str]:
    return [n for n, node in each.defined() if not _is_harmless(n, node, kind, each)]


def _only_saves(each: ReadClass, kind: str) -> bool:
    """Has the class no part in values, but for a ``pre_save()`` that may do anything?"""
    made = not (each.node.keywords or each.node.decorator_list)
    return made and {"pre_save"}.issuperset(_names_in_the_way(each, kind)) and not _is_patched(each)


def _is_harmless(name: str, statement: ast.stmt, kind: str, each: ReadClass) -> bool:
    if name in {"__init__", "deconstruct"}:
        return isinstance(statement, ast.FunctionDef) and not statement.decorator_list
    if name == "get_internal_type":
        return _only_returns(statement, kind)
    if name == "pre_save":
        return _stamping(each) is statement
    if name == "contribute_to_class":
        return is_display(statement, each.scope)
    known = name in _HARMLESS | LOOKUPS or name.startswith("_check_")
    return known or is_own_business(name, statement)


def _only_returns(statement: ast.stmt, text: str) -> bool:
    match statement:
        case ast.FunctionDef(body=[*before, ast.Return(value=ast.Constant(value=value))]):
            plain = not statement.decorator_list and all(map(_is_docstring, before))
            return plain and value == text
    return False


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_patched(each: ReadClass) -> bool:
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


def _displaying(each: ReadClass) -> ast.stmt | None:
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


def _has_lookups(each: ReadClass) -> bool:
    """Does the class, or code beside it, give comparisons another meaning?"""
    return each.module.gives_lookups or any(name in LOOKUPS for name, _ in each.defined())


def _connects(each: ReadClass) -> bool:
    """May the class connect receivers to the signals of the models that have such a field?

    ``contribute_to_class`` runs for historical models, too, and may call functions beside it.
    """
    defined = {name for name, _ in each.defined()}
    if "contribute_to_class" in defined:
        return each.module.connects
    return any(map(is_connection, nodes_in(each.node)))


def _stamping(each: ReadClass) -> ast.FunctionDef | None:
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
