"""Which operations have an exact form at all, and of which type their results are.

The rules know no database: what these make of an operation is on their pages.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from migfix.sql.nodes import Column, Constant, Operation, Type, Value, is_computed, number_of, reads

Arguments = tuple[Value, ...]


def operation(name: str, *arguments: Value | None) -> Operation | None:
    """The operation; None where it has no exact form."""
    known = tuple(argument for argument in arguments if argument is not None)
    if len(known) != len(arguments) or any(argument.type.final for argument in known):
        return None
    rule = _RULES.get(name)
    found = rule(name, known) if rule else None
    return None if found is None else Operation(name, known, found)


def _families(arguments: Arguments) -> set[str]:
    """What is mixed; a constant integer is of the family of the others."""
    plain = {a.type.family for a in arguments if a.type.bits or a.type.family != "integer"}
    return plain or {"integer"}


# -- numbers


def _arithmetic(name: str, arguments: Arguments) -> Type | None:
    families = _families(arguments)
    if families == {"decimal"}:
        return _decimal(name, arguments)
    if families <= {"date", "instant", "duration"}:
        return _moved(name, arguments)
    if families not in ({"integer"}, {"float"}) or not all(map(_is_small, arguments)):
        return None
    if all(isinstance(a, Constant) for a in arguments):
        # Python computes it, as Django would; only decimals take it.
        return Type("integer", None, places=0) if families == {"integer"} else None
    if any(isinstance(a, Operation) and not a.type.bits and a.name != "neg" for a in arguments):
        return None
    return _number(arguments)


def _number(arguments: Arguments) -> Type:
    """The class is what Django combines: ``F("small") + 1`` is no SmallIntegerField."""
    floats = any(a.type.family == "float" for a in arguments)
    return Type(
        "float" if floats else "integer",
        "FloatField" if floats else "IntegerField",
        64 if floats else max(a.type.bits for a in arguments),
        any(a.type.unsigned for a in arguments),
    )


def _is_small(value: Value) -> bool:
    """Far from where floats overflow."""
    number = number_of(value)
    return not number or 2**-31 < abs(number) < 2**31


def _decimal(name: str, arguments: Arguments) -> Type | None:
    left, right = (argument.type.places for argument in arguments)
    linked = any(isinstance(argument, Column) and argument.links for argument in arguments)
    if left is None or right is None or linked:
        return None
    return Type("decimal", "DecimalField", places=left + right if name == "*" else max(left, right))


def _is_divisor(right: Value, left: Value) -> bool:
    """A constant above zero, by which a column is divided: a computed number may not fit its type."""
    number = number_of(right)
    columns = not isinstance(left, Constant) and not is_computed(left)
    return isinstance(number, int) and 0 < number < 2**31 and columns


def _remainder(name: str, arguments: Arguments) -> Type | None:
    left, right = arguments
    if _families(arguments) != {"integer"} or not _is_divisor(right, left):
        return None
    fits = 2 * (number_of(right) or 0) < 2 ** (left.type.bits - 1)
    return _number(arguments) if fits else None


def _quotient(name: str, arguments: Arguments) -> Type | None:
    """By floats, whose floor is exact to 53 bits."""
    left, right = arguments
    if _families(arguments) != {"integer"} or not _is_divisor(right, left) or left.type.bits > 32:
        return None
    return Type("integer", "FloatField", left.type.bits, final=True)


def _negative(name: str, arguments: Arguments) -> Type | None:
    (number,) = arguments
    wrong = number.type.unsigned or is_computed(number) or not _is_small(number)
    return None if wrong or number.type.family not in {"integer", "float"} else _number(arguments)


def _chosen(name: str, arguments: Arguments) -> Type | None:
    """``abs()``, ``max()`` and ``min()`` of integers: of floats there are -0.0, and numbers that are none."""
    if _families(arguments) != {"integer"} or not all(map(_is_small, arguments)):
        return None
    if any(map(is_computed, arguments)) or not any(a.type.bits for a in arguments):
        return None
    if len(arguments) > 1 and any(a.type.unsigned for a in arguments):
        return None
    fields = {a.type.field for a in arguments}
    found = _number(arguments)
    kind = fields.pop() if len(fields) == 1 else "IntegerField"
    return Type("integer", kind, found.bits, found.unsigned)


# -- moments


def _moved(name: str, arguments: Arguments) -> Type | None:
    left, right = arguments
    if not isinstance(left, Column) or left.links or name == "*":
        return None
    step = right.value if isinstance(right, Constant) else None
    family = left.type.family
    if not isinstance(step, timedelta) or (family == "date" and step % timedelta(days=1)):
        return None
    if family == "duration" and name == "-":
        return None
    field = "DateTimeField" if family == "date" else left.type.field
    return Type(family, field, final=True)


_PARTS = {
    "date": Type("date", "DateField", final=True),
    "time": Type("time", "TimeField", final=True),
    **dict.fromkeys(("year", "month", "day"), Type("integer", "IntegerField", 64, final=True)),
}


def _part(name: str, arguments: Arguments) -> Type | None:
    moment, *more = arguments
    of_date = moment.type.family == "date" and _PARTS[name].family == "integer"
    known = isinstance(moment, Column) and not moment.links and not more
    return _PARTS[name] if known and (of_date or moment.type.family == "instant") else None


# -- texts


def _is_text(value: Value) -> bool:
    return value.type.family == "text" and bool(reads(value))


def _concat(name: str, arguments: Arguments) -> Type | None:
    if any(a.type.family != "text" for a in arguments):
        return None
    char = all(a.type.field == "CharField" for a in arguments)
    return Type("text", "CharField" if char else "TextField")


def _replaced(name: str, arguments: Arguments) -> Type | None:
    """``text.replace("a", "b")``"""
    text, *more = arguments
    given = [each.value for each in more if isinstance(each, Constant)]
    match given:
        case str(old), str(new) if old and "\0" not in old + new and len(more) == 2:
            return _concat(name, arguments) if _is_text(text) else None
    return None


def _slice(name: str, arguments: Arguments) -> Type | None:
    """``text[:k]``, ``text[k:]``, ``text[-k:]`` and ``text[i:j]``"""
    text, *bounds = arguments
    ends = [each.value for each in bounds if isinstance(each, Constant)]
    if not _is_text(text) or not all(map(_is_end, ends)):
        return None
    match ends:
        case (None | 0, int(end)) if end > 0:
            pass
        case (int(start), None) if start:
            pass
        case (int(start), int(end)) if 0 < start < end:
            pass
        case _:
            return None
    return Type("text", "CharField")


def _is_end(value: object) -> bool:
    """An end of a slice: None for an open one, or a number that databases take."""
    return value is None or (type(value) is int and abs(value) < 2**31 - 1)


def _length(name: str, arguments: Arguments) -> Type | None:
    return Type("integer", "IntegerField", 32) if _is_text(arguments[0]) else None


def _alike(name: str, arguments: Arguments) -> Type | None:
    """A text of the same class."""
    text, *more = arguments
    return text.type if _is_text(text) and not more else None


def _stripped(name: str, arguments: Arguments) -> Type | None:
    """``strip()`` or ``strip(" ")``"""
    text, *given = arguments
    spaces = given == [] or (isinstance(given[0], Constant) and given[0].value == " ")
    return text.type if _is_text(text) and spaces and len(given) < 2 else None


def _shown(name: str, arguments: Arguments) -> Type | None:
    """What ``str()`` writes as databases do: integers and dates alone."""
    (shown,) = arguments
    known = shown.type.family.removesuffix(" key") in {"integer", "date"}
    own = isinstance(shown, Column) and not shown.links
    return Type("text", "TextField") if known and own else None


def _same(name: str, arguments: Arguments) -> Type | None:
    (inner,) = arguments
    return inner.type if inner.type.family in {"integer", "text"} else None


_RULES: dict[str, Callable[[str, Arguments], Type | None]] = {
    **dict.fromkeys("+-*", _arithmetic),
    "%": _remainder,
    "//": _quotient,
    "neg": _negative,
    **dict.fromkeys(("abs", "max", "min"), _chosen),
    "len": _length,
    **dict.fromkeys(_PARTS, _part),
    "same": _same,
    "concat": _concat,
    "slice": _slice,
    "replace": _replaced,
    **dict.fromkeys(("lower", "upper"), _alike),
    **dict.fromkeys(("strip", "lstrip", "rstrip"), _stripped),
    "str": _shown,
}
OPERATIONS = frozenset(_RULES)
