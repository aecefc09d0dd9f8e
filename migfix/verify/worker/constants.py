"""
The literals that a migration's functions meet rows with, read from its source.

Rows that only chance has filled seldom take a branch like ``if post.status == "draft"``. Values that the
source compares a column with do, so the generator of rows draws from them. Nothing here decides about
a rewrite: what is read wrongly makes rows that are less to the point, no more.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID

Path = tuple[object, ...]
Value = TypeVar("Value")

_LONGEST = 200  # characters of a text that is still a value and no document
_LARGEST = 2**70
_MOST = 200  # values of one kind
_MOST_OF_NAME = 60
_DEEP = 4  # names that stand for names, keys in keys


@dataclass(frozen=True)
class Asked:
    """A row of a model ("" where that is not known) with these values; ``one``: it must be the only one."""

    model: str
    values: Mapping[str, object]
    one: bool


@dataclass(frozen=True)
class Constants:
    """
    What a source says of the values that its functions meet, each part in the order of the source.

    `texts` and `numbers` are all literals of these kinds; `others` are dates, times, spans, UUIDs, bytes.
    `by_name[name]` are those that the source connects with an attribute, a keyword, a key or a variable of
    that name. `keys[name]` are paths of keys and indexes that are asked of one, as of a JSON field.
    `parsed` names those that are handed to what refuses most texts, as int() and strptime() do. `asked` are rows
    that there must be, which `asked_of` reads.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[int | float | Decimal, ...] = ()
    others: tuple[object, ...] = ()
    by_name: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    keys: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    parsed: frozenset[str] = frozenset()
    asked: tuple[Asked, ...] = ()


def constants_of(source: str) -> Constants:
    """Return the constants of the text of a migration. Raises SyntaxError where Python would."""
    tree = parsed(source)
    reader = _Reader(Assigned(tree))
    for function in _functions(tree):
        reader.visit(function)
    return reader.constants()


def parsed(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes in the text of a user's file
        return ast.parse(source)


def _functions(tree: ast.Module) -> Iterator[ast.AST]:
    """The outermost functions, methods included; what a migration declares besides meets no rows."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
        else:
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


# --- what names stand for ------------------------------------------------------------------------


class Assigned:
    """The expressions that names of a source are assigned, wherever that is (`Class.NAME` for members)."""

    def __init__(self, tree: ast.Module) -> None:
        self._values: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                self._add_all(node.targets, node.value)
            elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and node.value:
                self._add(node.target, node.value)
            elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                self._add(node.target, node.iter)
            elif isinstance(node, ast.ClassDef):
                self._add_members(node)

    def __getitem__(self, name: str) -> list[ast.expr]:
        return self._values.get(name, [])

    def _add_all(self, targets: list[ast.expr], value: ast.expr) -> None:
        for target in targets:
            self._add(target, value)

    def _add(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._values.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = target.elts
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts):
                for index, part in enumerate(parts):
                    self._add(part, value.elts[index])
            else:
                self._add_all(parts, value)

    def _add_members(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        member = f"{node.name}.{target.id}"
                        self._values.setdefault(member, []).append(statement.value)


def _member(node: ast.AST) -> str:
    """``Class.NAME``, or "" for what is no such expression."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


# --- calls ---------------------------------------------------------------------------------------

# Their texts name fields, models and messages.
_OF_NAMES = frozenset(
    "get_model get_field only defer values values_list order_by select_related prefetch_related distinct"
    " select_for_update using F OuterRef Count Sum Min Max Avg hasattr delattr earliest latest in_bulk dates"
    " datetimes getLogger import_module print info debug warning warn error exception critical log write"
    " getattr setattr join encode decode".split()
)
_KEYWORDS_OF_NAMES = frozenset(
    "update_fields fields batch_size chunk_size using flat ignore_conflicts update_conflicts unique_fields"
    " db_alias".split()
)
_KEYED = frozenset({"get", "pop", "setdefault"})
_SPLITS = frozenset({"split", "rsplit"})
_PARTS = ("one", "two", "three", "four", "five", "six")
_REGEX = frozenset("match search fullmatch sub subn split findall finditer compile".split())
_SQL = frozenset({"execute", "executemany", "raw", "stream_sql", "RawSQL"})
_LOOKUPS = frozenset(
    "exact iexact contains icontains in gt gte lt lte startswith istartswith endswith iendswith range isnull"
    " regex iregex year month day week hour minute second date time has_key has_keys has_any_keys overlap"
    " contained_by len not".split()
)
_JSON = ("{}", "[]", '{"a": 1}', '[1, "a", null]', "null", '"text"', "1")
_PARSERS: Mapping[str, tuple[str, ...]] = {
    "int": ("0", "7", "-3", "042", " 12 "),
    "float": ("0", "1.5", "-2.25", "1e3"),
    "Decimal": ("0", "1.50", "-2.25", "100"),
    "loads": _JSON,
    "literal_eval": ("{}", "[]", "{'a': 1}", "[1, 'a', None]", "'text'", "1"),
    "UUID": ("00000000-0000-0000-0000-000000000000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    "fromisoformat": ("2024-02-29", "1999-12-31"),
    "parse_date": ("2024-02-29", "1999-12-31"),
    "parse_datetime": ("2024-02-29T12:30:00Z", "1999-12-31 23:59:59"),
}
_MOMENTS = (datetime(2024, 2, 29, 12, 30), datetime(1999, 12, 31, 23, 59, 59), datetime(2000, 1, 1))
_MAKERS: Mapping[str, Callable[..., object]] = {
    "Decimal": Decimal,
    "date": date,
    "datetime": datetime,
    "time": time,
    "timedelta": timedelta,
    "UUID": UUID,
}


def called(call: ast.Call) -> str:
    """The last name of what is called, "" for none."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _receiver(call: ast.Call) -> ast.expr | None:
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _made(call: ast.Call) -> object | None:
    """The value of ``Decimal("1.5")``, ``date(2024, 2, 29)`` and the like, None for another call."""
    make = _MAKERS.get(called(call))
    if make is None:
        return None
    try:
        arguments = [ast.literal_eval(argument) for argument in call.args]
        keywords = {
            keyword.arg: ast.literal_eval(keyword.value)
            for keyword in call.keywords
            if keyword.arg and keyword.arg != "tzinfo"
        }
        return make(*arguments, **keywords)
    except (ValueError, TypeError, ArithmeticError, SyntaxError):
        return None


# --- texts that mean others ----------------------------------------------------------------------

_TOKEN = re.compile(
    r"\\(?P<kind>[dDwWsSbBAZ])|\\(?P<escaped>.)|\[\^?(?P<set>\]?(?:\\.|[^\]])*)\]"
    r"|(?P<group>\(\?[aiLmsux]+\)|\((?:\?(?:P<\w+>|:|=|<=|!|<!))?|\))|(?P<times>[*+?]\??|\{(?P<least>\d*)[^}]*\}\??)"
    r"|(?P<any>\.)|(?P<nothing>[\^$])|(?P<branch>\|)|(?P<plain>.)",
    re.DOTALL,
)
_OF_KIND = {"d": "7", "w": "a", "s": " ", "D": "x", "W": "-", "S": "x"}
_IN_SQL = re.compile(
    r"""["`]?(\w+)["`]?\s*(?:<>|!=|[<>]?=|[<>]|i?like\b|in\s*\()\s*'([^']*)'""", re.I
)


def examples(pattern: str) -> list[str]:
    """Return the literal parts of a regular expression, behind a text that it matches where one is found."""
    made: list[str] = []
    parts = [""]
    for token in _TOKEN.finditer(pattern):
        if token["branch"]:
            parts.append("")
        if token["times"]:
            if token["least"] and made:
                made[-1] *= max(1, min(int(token["least"]), _LONGEST))
            parts.append("")
            continue
        text = _example_of(token)
        made.append(text)
        if token["plain"] or token["escaped"]:
            parts[-1] += text
        elif text or token["group"]:
            parts.append("")
    first = _first_branch(pattern, "".join(made))
    return list(dict.fromkeys(text for text in [*first, *parts] if text))


def _example_of(token: re.Match[str]) -> str:
    if token["kind"]:
        return _OF_KIND.get(token["kind"], "")
    if token["set"]:
        kind = re.match(r"\\([dwsDWS])", token["set"])
        return _OF_KIND[kind[1]] if kind else token["set"].lstrip("\\")[:1]
    return token["escaped"] or token["plain"] or ("x" if token["any"] else "")


def _first_branch(pattern: str, text: str) -> list[str]:
    try:
        return [text] if re.search(pattern, text) else []
    except (re.error, RecursionError, OverflowError):
        return []


def _rendered(format: str) -> Iterator[str]:
    """Texts that strptime() takes by a format."""
    for moment in _MOMENTS:
        try:
            yield moment.strftime(format)
        except ValueError:
            return


# --- reading -------------------------------------------------------------------------------------


class _Collected(Generic[Value]):
    """Values without doubles, in the order in which they came; 1, 1.0 and True are three."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[object, Value] = {}

    def add(self, value: Value) -> None:
        if len(self._values) < self._most and _is_sane(value):
            self._values.setdefault((type(value), repr(value)), value)

    def values(self) -> Iterator[Value]:
        return iter(self._values.values())


def _is_sane(value: object) -> bool:
    if isinstance(value, (str, bytes)):
        return len(value) <= _LONGEST
    if isinstance(value, int):
        return abs(value) < _LARGEST
    if isinstance(value, (float, Decimal)):
        return math.isfinite(value)
    if isinstance(value, tuple):
        return len(value) <= _DEEP
    return value is not None and value is not Ellipsis and not isinstance(value, complex)


class _Reader(ast.NodeVisitor):
    """Collects from the functions it visits."""

    def __init__(self, assigned: Assigned) -> None:
        self._assigned = assigned
        self._all = _Collected[object](3 * _MOST)
        self._by_name: dict[str, _Collected[object]] = {}
        self._keys: dict[str, _Collected[Path]] = {}
        self._parsed: set[str] = set()
        self._fields: set[str] = set()

    def constants(self) -> Constants:
        values = [value for value in self._all.values() if value not in self._fields]
        texts = [value for value in values if isinstance(value, str)]
        numbers = [value for value in values if _is_number(value)]
        others = [v for v in values if not isinstance(v, (str, bool)) and not _is_number(v)]
        return Constants(
            tuple(texts[:_MOST]),
            tuple(numbers[:_MOST]),  # type: ignore[arg-type]
            tuple(others[:_MOST]),
            {name: tuple(found.values()) for name, found in self._by_name.items()},
            {name: tuple(found.values()) for name, found in self._keys.items()},
            frozenset(self._parsed),
        )

    def _connect(self, names: Iterable[str], values: Iterable[object]) -> None:
        values = list(values)
        for value in values:
            self._all.add(value)
        for name in names if values else ():
            found = self._by_name.setdefault(name, _Collected(_MOST_OF_NAME))
            for value in values:
                found.add(value)

    def _add_path(self, names: Iterable[str], path: Path) -> None:
        for name in names if path else ():
            self._keys.setdefault(name, _Collected(_MOST_OF_NAME)).add(path)

    # --- nodes

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, bool):
            self._all.add(node.value)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if (value := literal(node)) is not None:
            self._all.add(value)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        for value in self._literals(node):
            self._all.add(value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._connect((), self._literals(node))
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """What it says is for people."""

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        names = self._names_of(operands)
        self._connect(names, self._literals_of(operands))
        for operand in operands:
            if isinstance(operand, ast.Call) and called(operand) == "len":
                self._connect(names, _texts_as_long(self._literals_of(operands)))
        if any(isinstance(operator, (ast.In, ast.NotIn)) for operator in node.ops):
            self._read_keys(node.comparators[-1], self._literals(node.left))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._connect(self._names(node), self._literals(node))
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._connect(self._names(target), self._literals(node.value))
            if isinstance(target, (ast.Tuple, ast.List)):
                self._read_split(node.value, len(target.elts))
        self.generic_visit(node)

    def _read_split(self, node: ast.expr, parts: int) -> None:
        """Connect what ``a, b = post.title.split(".")`` takes apart with texts of as many parts."""
        if isinstance(node, ast.Call) and called(node) in _SPLITS and (of := _receiver(node)):
            given = [value for each in node.args[:1] for value in self._texts(each)]
            texts = [between.join(_PARTS[:parts]) for between in given or [" "]]
            self._parsed.update(self._names(of))
            self._connect(self._names(of), [*texts, *(text.upper() for text in texts)])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._connect(self._names(node.target), self._literals(node.value))
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._connect(self._names(node.slice), self._keys_of(node.value))
        self._read_path(node)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for index, key in enumerate(node.keys):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self._connect_lookup(key.value, node.values[index])
        self.generic_visit(node)

    def visit_Match(self, node: ast.AST) -> None:
        values = [
            value
            for pattern in ast.walk(node)
            if type(pattern).__name__ == "MatchValue"
            for value in self._literals(pattern.value)  # type: ignore[attr-defined]
        ]
        self._connect(self._names(node.subject), values)  # type: ignore[attr-defined]
        self.generic_visit(node)

    # --- calls

    def visit_Call(self, node: ast.Call) -> None:
        name = called(node)
        if (made := _made(node)) is not None:
            self._all.add(made)
            return
        self._read_keywords(node)
        pattern = self._pattern(node) if name in _REGEX else None
        if name == "setattr" and len(node.args) == 3:
            self._connect(self._texts(node.args[1]), self._literals(node.args[2]))
        elif name in _PARSERS or name == "strptime":
            self._read_parser(name, node)
        elif name in _SQL:
            self._read_sql(node)
        elif pattern is not None:
            self._read_regex(pattern, node)
        elif name in _OF_NAMES or name == "bulk_update":
            self._fields.update(text for each in node.args for text in self._texts(each))
        else:
            self._read_call(node)
        if name not in _OF_NAMES:
            no_values = [pattern, *(node.args[1:2] if name == "strptime" else [])]
            self._visit_arguments(node, no_values)
        self.visit(node.func)

    def _visit_arguments(self, node: ast.Call, besides: list[ast.expr | None]) -> None:
        for argument in node.args:
            if argument not in besides:
                self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in _KEYWORDS_OF_NAMES:
                self.visit(keyword.value)

    def _read_keywords(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            if keyword.arg in _KEYWORDS_OF_NAMES:
                self._fields.update(self._texts(keyword.value))
            elif keyword.arg:
                self._connect_lookup(keyword.arg, keyword.value)

    def _connect_lookup(self, lookup: str, value: ast.expr) -> None:
        """Connect ``author__name__iexact`` with a value: with "author" and "name"."""
        parts = lookup.split("__")
        values = list(self._literals(value))
        if parts[-1] in ("regex", "iregex"):
            values = [
                text for value in values if isinstance(value, str) for text in examples(value)
            ]
        names = [*parts[:1], *(part for part in parts[1:] if part and part not in _LOOKUPS)]
        if parts[-1] not in ("isnull", "len"):
            self._connect(names, values)
        self._add_path(names[:1], tuple(names[1:]))

    def _read_call(self, node: ast.Call) -> None:
        """Connect what is called upon and the arguments with the arguments."""
        receiver = _receiver(node)
        names = self._names_of(node.args)
        if receiver is not None:
            if called(node) in _KEYED and node.args:
                self._connect(self._names(node.args[0]), self._keys_of(receiver))
                self._read_path(node)
                self._connect(self._names(receiver), self._literals_of(node.args[1:]))
                return
            names += self._names(receiver)
        self._connect(names, self._literals_of(node.args))

    def _read_parser(self, name: str, node: ast.Call) -> None:
        names = self._names_of(node.args[:1])
        self._parsed.update(names)
        if name == "strptime":
            formats = [text for each in node.args[1:2] for text in self._texts(each)]
            self._connect(names, [text for format in formats for text in _rendered(format)])
        else:
            self._connect(names, _PARSERS[name])
        if name == "loads":
            self._read_path(node)

    def _read_sql(self, node: ast.Call) -> None:
        for argument in node.args[:2]:
            for sql in self._texts(argument):
                for name, text in _IN_SQL.findall(sql):
                    self._connect([name], [text])

    def _pattern(self, node: ast.Call) -> ast.expr | None:
        """The pattern of ``re.match(pattern, text)`` or of ``PATTERN.match(text)``."""
        receiver = _receiver(node)
        if not isinstance(receiver, ast.Name):
            return None
        if receiver.id in ("re", "regex"):
            return node.args[0] if node.args else None
        for value in self._assigned[receiver.id]:
            if isinstance(value, ast.Call) and called(value) == "compile" and value.args:
                return value.args[0]
        return None

    def _read_regex(self, pattern: ast.expr, node: ast.Call) -> None:
        subjects = [argument for argument in node.args if argument is not pattern]
        found = [text for source in self._texts(pattern) for text in examples(source)]
        self._connect(self._names_of(subjects), [*found, *self._literals_of(subjects)])

    # --- keys

    def _read_path(self, node: ast.expr) -> None:
        """Record ``post.data["a"].get("b")`` as the path ("a", "b") of "data"."""
        path: list[object] = []
        while True:
            if isinstance(node, ast.Subscript):
                key = literal(node.slice)
                node = node.value
            elif isinstance(node, ast.Call) and called(node) in _KEYED and node.args:
                key = literal(node.args[0])
                node = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
            else:
                break
            if not isinstance(key, (str, int)) or len(path) == _DEEP:
                return
            path.insert(0, key)
        self._add_path(self._names(node), tuple(path))

    def _read_keys(self, node: ast.expr, keys: Iterable[object]) -> None:
        for key in keys:
            if isinstance(key, str):
                self._add_path(self._names(node), (key,))

    # --- expressions

    def _names_of(self, nodes: Iterable[ast.AST], depth: int = 0) -> list[str]:
        return [name for node in nodes for name in self._names(node, depth)]

    def _names(self, node: ast.AST, depth: int = 0) -> list[str]:
        """The names that an expression's value comes from: of attributes, keys and variables."""
        if depth > _DEEP:
            return []
        if isinstance(node, ast.Attribute):
            return [node.attr]
        if isinstance(node, ast.Name):
            return [node.id, *self._names_of(self._assigned[node.id][:_DEEP], depth + 1)]
        if isinstance(node, ast.Subscript):
            return [*self._names(node.value, depth), *self._texts(node.slice)]
        if isinstance(node, ast.Call):
            return self._names_of_call(node, depth)
        if isinstance(node, (ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.IfExp, ast.NamedExpr)):
            return self._names_of(ast.iter_child_nodes(node), depth)
        if isinstance(node, (ast.Tuple, ast.List, ast.JoinedStr, ast.FormattedValue, ast.Starred)):
            return self._names_of(ast.iter_child_nodes(node), depth)
        return []

    def _names_of_call(self, node: ast.Call, depth: int) -> list[str]:
        receiver = _receiver(node)
        names = self._names_of(_arguments(node), depth)
        named = node.args[:1] if called(node) in _KEYED else node.args[1:2]
        if called(node) in ("values_list", "values"):
            named = node.args
        if called(node) in {*_KEYED, "getattr", "values_list", "values"}:
            names += [text for each in named for text in self._texts(each)]
        return names + (self._names(receiver, depth) if receiver is not None else [])

    def _texts(self, node: ast.expr) -> list[str]:
        return [value for value in self._literals(node) if isinstance(value, str)]

    def _literals_of(self, nodes: Iterable[ast.expr], depth: int = 0) -> list[object]:
        return [value for node in nodes for value in self._literals(node, depth)]

    def _literals(self, node: ast.AST | None, depth: int = 0) -> Iterator[object]:
        """The literals that an expression's value may be, or is made of."""
        if node is None or depth > _DEEP:
            return
        found = literal(node)
        if found is not None:
            yield found
        elif isinstance(node, ast.Name):
            yield from self._literals_of(self._assigned[node.id], depth + 1)
        elif isinstance(node, ast.Attribute):
            yield from self._literals_of(self._assigned[_member(node)], depth + 1)
        elif isinstance(node, ast.Dict):
            yield from self._literals_of([key for key in node.keys if key], depth)
        elif isinstance(node, ast.Subscript):
            yield from self._values_of(node.value, depth)
        elif isinstance(node, ast.Call):
            yield from self._literals_of_call(node, depth)
        elif isinstance(node, ast.IfExp):
            yield from self._literals_of([node.body, node.orelse], depth)
        elif isinstance(node, _MADE_OF_LITERALS):
            children = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
            yield from self._literals_of(children, depth)

    def _literals_of_call(self, node: ast.Call, depth: int) -> Iterator[object]:
        made = _made(node)
        if made is not None:
            yield made
        elif called(node) in _OF_NAMES or called(node) == "strptime":
            return
        elif called(node) in _KEYED and (receiver := _receiver(node)) is not None:
            yield from self._values_of(receiver, depth)
            yield from self._literals_of(node.args[1:], depth)
        else:
            yield from self._literals_of(_arguments(node), depth)

    def _dicts(self, node: ast.expr) -> list[ast.Dict]:
        values = self._assigned[node.id] if isinstance(node, ast.Name) else []
        values = [*values, *self._assigned[_member(node)], node]
        return [value for value in values if isinstance(value, ast.Dict)]

    def _keys_of(self, node: ast.expr) -> list[object]:
        return [value for each in self._dicts(node) for value in self._literals(each)]

    def _values_of(self, node: ast.expr, depth: int) -> list[object]:
        return self._literals_of([v for each in self._dicts(node) for v in each.values], depth + 1)


_MADE_OF_LITERALS = (
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.JoinedStr,
    ast.BinOp,
    ast.BoolOp,
    ast.Starred,
    ast.NamedExpr,
)


def literal(node: ast.AST) -> object | None:
    """The value of a literal, also of a negative number; None for what is none."""
    if isinstance(node, ast.Constant):
        return None if node.value is Ellipsis else node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand)
        return -value if isinstance(value, (int, float)) else None
    return None


def _texts_as_long(values: Iterable[object]) -> Iterator[str]:
    """Texts around each length that one is compared with."""
    for value in values:
        if isinstance(value, int) and 0 <= value < _LONGEST:
            yield "x" * value
            yield "x" * (value + 1)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
