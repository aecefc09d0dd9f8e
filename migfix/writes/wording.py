"""What a loop that creates rows says once they go into a batch: of what, by which name, and in which places."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from keyword import iskeyword
from typing import TYPE_CHECKING

from migfix.expressions.context import Refused
from migfix.facts.loop import Loop
from migfix.findings import Reason
from migfix.history.state import ModelState
from migfix.reading.kinds.values import Manager, Model
from migfix.reading.names.scopes import walk

if TYPE_CHECKING:
    from migfix.writes.creating import Creation


def source_text(group: Sequence[Creation], loop: Loop) -> str:
    """What ``create_in_batches`` is called with. Raises ``Refused``."""
    managers = list(dict.fromkeys(manager_text(m, loop) for each in group if (m := each.manager)))
    if len(managers) > 1:
        raise Refused(Reason.LOOP_SHAPE, "the loop creates rows of one model by several managers")
    if managers:
        return managers[0]
    made = group[0].made
    assert made is not None
    return _model_text(made.func, group[0].model, loop)


def manager_text(manager: ast.expr, loop: Loop) -> str:
    """The manager as it is said before the loop. Raises ``Refused``."""
    if is_fixed(manager, loop):
        return loop.text(manager)
    value = loop.resolver.value(manager)
    match manager:
        case ast.Attribute(value=owner, attr=name) if isinstance(value, Manager):
            return f"{_model_text(owner, value.model, loop)}.{name}"
    raise Refused(Reason.LOOP_SHAPE, "the manager that creates the rows is made in the loop")


def _model_text(node: ast.expr, model: Model, loop: Loop) -> str:
    if is_fixed(node, loop):
        return loop.text(node)
    assert model.key is not None
    text = loop.model_text(model.key)
    if text is None:
        raise Refused(Reason.NAME_CLASH, "the function has no name for the model before the loop")
    return text


_ON_MANAGERS = frozenset({"using", "db_manager", "all", "get_model"})


def is_fixed(node: ast.expr, loop: Loop) -> bool:
    """Does the expression mean the same before the loop as in each of its turns?"""
    scope = loop.resolver.scope
    for part in walk(node):
        match part:
            case ast.Call(func=ast.Attribute(attr=method)) if method in _ON_MANAGERS:
                continue
            case ast.Call():
                return False
            case ast.Name(id=name):
                bound = name in scope.bindings
                if scope.rebound_in(name, loop.node) or name in scope.shared:
                    return False
                if bound and scope.binding(name, loop.node) is None:
                    return False
    return True


def replaced(creation: Creation, batch: str, loop: Loop) -> Iterator[tuple[ast.expr, str]]:
    """The expressions of the call that change, and what they become. Raises ``Refused``."""
    call, made = creation.call, creation.made
    assert isinstance(call.func, ast.Attribute)
    if made is None:
        yield call.func, f"{batch}.create"
    elif creation.name is not None:
        yield call, f"{batch}.add({creation.name})"
    else:
        end = _after(made, call)
        starts_with_model = loop.source.segment(made).startswith(loop.source.segment(made.func))
        if loop.source.written(end) != ".save()" or not starts_with_model:
            raise Refused(Reason.LOOP_SHAPE, "save() does not follow the new row on its line")
        yield made.func, f"{batch}.add({loop.text(made.func)}"
        yield end, ")"


def _after(made: ast.Call, call: ast.Call) -> ast.expr:
    """The place between the ends of the two."""
    place = ast.Name("", ast.Load())
    place.lineno, place.col_offset = made.end_lineno or 0, made.end_col_offset or 0
    place.end_lineno, place.end_col_offset = call.end_lineno, call.end_col_offset
    return place


def names_for(model: ModelState) -> list[str]:
    """What a batch of new rows may be called: ``listings``, ``channel_listings``."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", model.name) or [model.name]
    last, every = _plural(words[-1].lower()), _plural("_".join(words).lower())
    names = [last, every, f"new_{last}", f"new_{every}"]
    return [n for n in names if n.isidentifier() and not iskeyword(n) and n not in _MISLEADING]


_MISLEADING = frozenset({"news", "olds", "apps", "models", "migrations", "settings"})


def _plural(word: str) -> str:
    if word.endswith(("ss", "us", "x", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return f"{word[:-1]}ies"
    return word if word.endswith("s") else f"{word}s"
