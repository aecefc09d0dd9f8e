"""The options that a field class gives itself in ``__init__`` and leaves out in ``deconstruct``.

A historical field is made by ``__init__`` from what the migration says, and then copied through
``deconstruct``: https://docs.djangoproject.com/en/stable/howto/custom-model-fields/#field-deconstruction
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from migfix.history.classes.names import OF_DJANGO, SHOWN
from migfix.history.files.scope import Scope, is_literal
from migfix.history.state import Unknown

_MAKING = frozenset("_ gettext_lazy bool dict frozenset int len list max min set str tuple".split())


@dataclass(frozen=True, slots=True)
class Options:
    """``defaults`` hold where the migration says nothing, ``forced`` whatever it says; of the options
    ``unsure``, what the migration says may get lost.
    """

    defaults: Mapping[str, object] = field(default_factory=dict)
    forced: Mapping[str, object] = field(default_factory=dict)
    unsure: frozenset[str] = frozenset()


def options_set(classes: Sequence[tuple[ast.ClassDef, Scope]], ordered: bool) -> Options | None:
    """The options set by classes that stand each before its bases; None where one is not understood.

    Where they are not ``ordered`` as Python resolves them, no more than the first may have an ``__init__``.
    """
    defaults: dict[str, object] = {}
    forced: dict[str, object] = {}
    left_out: set[str] = set()
    if not ordered and any(_method(node, "__init__") for node, _ in classes[1:]):
        return None
    for node, scope in classes:
        made, dropped = _made(node, scope), _dropped(_method(node, "deconstruct"))
        if made is None or dropped is None:
            return None
        defaults = {**made.defaults, **defaults}
        forced = {**forced, **made.forced}
        left_out |= dropped
    return Options(defaults, forced, frozenset(left_out))


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    methods = (each for each in node.body if isinstance(each, ast.FunctionDef))
    return next((each for each in methods if each.name == name), None)


def _steps(function: ast.FunctionDef) -> list[ast.stmt]:
    """The statements without the docstring."""
    return [
        step
        for step in function.body
        if not (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
    ]


# __init__


def _made(node: ast.ClassDef, scope: Scope) -> Options | None:
    """What ``__init__`` sets in its keyword arguments before it hands them all on."""
    function = _method(node, "__init__")
    if function is None:
        return Options()
    given, steps = function.args, _steps(function)
    only_self = len(given.args) == 1 and not given.posonlyargs
    if not only_self or given.kwarg is None:
        return None
    taken = {arg.arg: value for arg, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)}
    names = frozenset({"super", "locals", *([given.vararg.arg] if given.vararg else [])})
    names |= frozenset(taken) - SHOWN
    own = _Own(given.args[0].arg, given.kwarg.arg, names | scope.names.keys() | {"__class__"})
    steps = [step for step in steps if not own.is_kept_to_itself(step)]
    written = _handed_on(steps[-1], function, node, scope) if steps else None
    settings = [_setting(step, given.kwarg.arg) for step in steps[:-1]]
    if written is None or None in settings:
        return None
    local = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and _is_stored(n)}
    literal = partial(_literal, scope=scope, local={*local, *taken})
    defaults: dict[str, object] = {}
    forced: dict[str, object] = {}
    for option, value in taken.items():
        as_it_came = option in written and _is_name(written[option], option) and option not in local
        if as_it_came:
            defaults[option] = literal(value) if value else Unknown(f"{option} has no default")
            del written[option]
        elif option in SHOWN:
            forced[option] = Unknown(f"{option} may be another one")
        elif option in OF_DJANGO:
            return None
    for setting in settings:
        assert setting is not None
        option, value, always = setting
        if always:
            forced[option] = literal(value)
        elif option not in forced:
            defaults.setdefault(option, literal(value))
    return Options(defaults, {**forced, **{k: literal(v) for k, v in written.items()}})


def _is_stored(name: ast.Name) -> bool:
    return not isinstance(name.ctx, ast.Load)


@dataclass(frozen=True, slots=True)
class _Own:
    """Tells which statements of an ``__init__`` only keep something that Django's field does not go by.

    ``field`` is the name of the field in it, ``kwargs`` that of the options; ``others`` must not be touched.
    """

    field: str
    kwargs: str
    others: frozenset[str]

    def is_kept_to_itself(self, step: ast.stmt) -> bool:
        match step:
            case ast.Assign(targets=[target], value=value):
                return self._is_own_target(target) and self._is_own_value(value)
            case ast.AugAssign(target=target, value=value):
                return self._is_validators(target) and self._is_own_value(value)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=owner, attr="append" | "extend"),
                    args=[value],
                    keywords=[],
                )
            ):
                return self._is_validators(owner) and self._is_own_value(value)
            case ast.Expr(value=ast.Call() as call):
                return self._is_popped(call)
            case ast.If(test=test, body=body, orelse=orelse):
                return self._is_own_value(test) and all(
                    map(self.is_kept_to_itself, [*body, *orelse])
                )
            case ast.Try(
                body=body,
                handlers=[ast.ExceptHandler(type=ast.Name(id="KeyError"), body=caught)],
                orelse=[],
                finalbody=[],
            ):
                return all(map(self.is_kept_to_itself, [*body, *caught]))
        return isinstance(step, ast.Pass)

    def _is_own_target(self, target: ast.expr) -> bool:
        match target:
            case ast.Name(id=name):
                return name not in {self.field, self.kwargs} | self.others
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == self.field:
                plain = not attribute.startswith("__") and attribute not in OF_DJANGO
                return plain or attribute == "validators"
        return False

    def _is_validators(self, node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="validators"):
                return name == self.field
        return False

    def _is_own_value(self, value: ast.expr) -> bool:
        """Is neither the field nor its options handed on in it, but for single options?"""
        reads = {
            owner for node in ast.walk(value) for owner in [self._read(node)] if owner is not None
        }
        nodes = list(ast.walk(value))
        scopes = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await, ast.Lambda)
        if any(isinstance(node, scopes) for node in nodes):
            return False
        calls = (node for node in nodes if isinstance(node, ast.Call))
        if not all(self._read(call) is not None or _makes_object(call) for call in calls):
            return False
        hidden = {self.field, self.kwargs, "super", "locals", "__class__"}
        names = (node for node in nodes if isinstance(node, ast.Name))
        return all(name in reads or name.id not in hidden for name in names)

    def _read(self, node: ast.AST) -> ast.Name | None:
        """The name of the options where one of them is read, or taken out that is not Django's."""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name() as owner, attr="get")):
                return owner if owner.id == self.kwargs else None
            case ast.Subscript(value=ast.Name() as owner, ctx=ast.Load()):
                return owner if owner.id == self.kwargs else None
            case ast.Call(func=ast.Attribute(value=ast.Name() as owner)) if self._is_popped(node):
                return owner
        return None

    def _is_popped(self, call: ast.Call) -> bool:
        """``kwargs.pop("currency", None)``"""
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="pop"),
                args=[ast.Constant(value=str(option))]
                | [ast.Constant(value=str(option)), ast.Constant()],
                keywords=[],
            ):
                return name == self.kwargs and option not in OF_DJANGO
        return False


def _makes_object(call: ast.Call) -> bool:
    """``MinValueValidator(1)``, ``list(values)``, ``_("a text")``"""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _MAKING or bool(re.fullmatch(r"[A-Z]\w*[a-z]\w*", name))
    return False


def _literal(node: ast.expr, scope: Scope, local: Collection[str]) -> object:
    """The value of an option, in which no name is one of the function's own."""
    own = any(isinstance(n, ast.Name) and n.id in local for n in ast.walk(node))
    value = scope.value(node)
    return value if is_literal(value) and not own else Unknown(scope.source(node))


def _setting(step: ast.stmt, kwargs: str) -> tuple[str, ast.expr, bool] | None:
    """The option of ``kwargs["option"] = value`` (always) or ``kwargs.setdefault("option", value)``."""
    match step:
        case ast.Assign(
            targets=[
                ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as option))
            ],
            value=value,
        ) if (
            name == kwargs
        ):
            return option, value, True
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="setdefault"),
                args=[ast.Constant(value=str() as option), value],
                keywords=[],
            )
        ) if (
            name == kwargs
        ):
            return option, value, False
    return None


def _handed_on(
    step: ast.stmt, function: ast.FunctionDef, node: ast.ClassDef, scope: Scope
) -> dict[str, ast.expr] | None:
    """The options written out in ``super().__init__(*args, **kwargs)``; None for anything else."""
    match step:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="__init__")) as call):
            pass
        case _:
            return None
    args = list(call.args)
    if not _is_super(owner, node):
        only_base = len(node.bases) == 1 and scope.dotted(owner) == scope.dotted(node.bases[0])
        own = function.args.args[0].arg
        if not only_base or not args or not _is_name(args.pop(0), own):
            return None
    vararg = function.args.vararg
    wanted = [vararg.arg] if vararg else []
    found = [arg.value for arg in args if isinstance(arg, ast.Starred)]
    all_on = len(found) == len(args) == len(wanted) and all(map(_is_name, found, wanted))
    rest = [keyword.value for keyword in call.keywords if keyword.arg is None]
    kwarg = function.args.kwarg
    if not all_on or kwarg is None or len(rest) != 1 or not _is_name(rest[0], kwarg.arg):
        return None
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_super(node: ast.expr, inside: ast.ClassDef | None) -> bool:
    """``super()``, or ``super(Class, self)`` in that very class; in any where None is given."""
    match node:
        case ast.Call(func=ast.Name(id="super"), args=[]):
            return True
        case ast.Call(func=ast.Name(id="super"), args=[ast.Name(id=name), ast.Name()]):
            return inside is None or name == inside.name
    return False


# deconstruct


def _dropped(function: ast.FunctionDef | None) -> set[str] | None:
    """The options that ``deconstruct`` may leave out; None where it does more than that."""
    if function is None:
        return set()
    match _steps(function):
        case [ast.Return(value=value)] if _is_super_call(value):
            return set()
        case [
            ast.Assign(targets=[ast.Tuple(elts=[*_, ast.Name(id=kwargs)] as names)], value=value),
            *steps,
            ast.Return(value=ast.Tuple(elts=returned)),
        ] if _is_super_call(value) and list(map(ast.dump, _loaded(names))) == list(
            map(ast.dump, returned)
        ):
            found = list(_left_out(steps, kwargs))
            return None if None in found else {option for option in found if option}
    return None


def _loaded(names: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """The names as they look where they are read."""
    for name in names:
        yield ast.Name(name.id, ast.Load()) if isinstance(name, ast.Name) else name


def _is_super_call(node: ast.expr | None) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="deconstruct"), args=[], keywords=[]):
            return _is_super(owner, None)
    return False


def _left_out(steps: Iterable[ast.stmt], kwargs: str) -> Iterator[str | None]:
    """Each option that a statement deletes; an empty text for one that is set; None for the rest."""
    for step in steps:
        match step:
            case ast.If(test=test) if not any(isinstance(n, _RUNNING) for n in ast.walk(test)):
                yield from _left_out([*step.body, *step.orelse], kwargs)
            case ast.Delete(targets=targets):
                yield from (_option_of(target, kwargs) for target in targets)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="pop"),
                    args=[ast.Constant(value=str() as option), *_],
                )
            ) if (
                name == kwargs
            ):
                yield option
            case ast.Assign(targets=[target], value=value):
                written = _option_of(target, kwargs)
                own = written is not None and written not in OF_DJANGO
                yield "" if (own or written in SHOWN) and _leaves_alone(value, kwargs) else None
            case ast.Pass():
                pass
            case _:
                yield None


def _leaves_alone(value: ast.expr, kwargs: str) -> bool:
    """Is nothing done to the options where the value is made?"""
    return not any(
        isinstance(n, ast.NamedExpr) or (isinstance(n, ast.Name) and n.id == kwargs)
        for n in ast.walk(value)
    )


_RUNNING = (ast.Call, ast.NamedExpr, ast.Await)


def _option_of(target: ast.expr, kwargs: str) -> str | None:
    match target:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as option)):
            return option if name == kwargs else None
    return None
