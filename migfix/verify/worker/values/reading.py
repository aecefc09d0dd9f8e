"""
The literals that a migration's functions meet rows with, read from its source.

Rows that only chance has filled seldom take a branch like ``if post.status == "draft"``. Values that the
source compares a column with do, so the generator of rows draws from them. Nothing here decides about
a rewrite: what is read wrongly makes rows that are less to the point, no more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from migfix.verify.worker.values.assigned import (
    Assigned,
    called,
    functions_in,
    member_named,
    parsed,
)
from migfix.verify.worker.values.calls import (
    KEYED,
    KEYWORDS_OF_NAMES,
    LOOKUPS,
    OF_NAMES,
    PARSERS,
    PARTS,
    REGEX,
    SPLITS,
    SQL,
    arguments_of,
    receiver_of,
)
from migfix.verify.worker.values.constants import Constants, Path
from migfix.verify.worker.values.examples import examples, rendered
from migfix.verify.worker.values.literals import (
    DEEP,
    MADE_OF_LITERALS,
    Collected,
    is_number,
    literal,
    made_by,
    texts_as_long,
)

_MOST = 200  # values of one kind
_MOST_OF_NAME = 60


def constants_of(source: str) -> Constants:
    """Return the constants of the text of a migration. Raises SyntaxError where Python would."""
    tree = parsed(source)
    reader = _Reader(Assigned(tree))
    for function in functions_in(tree):
        reader.visit(function)
    return reader.constants()


_IN_SQL = re.compile(
    r"""["`]?(\w+)["`]?\s*(?:<>|!=|[<>]?=|[<>]|i?like\b|in\s*\()\s*'([^']*)'""", re.I
)


class _Reader(ast.NodeVisitor):
    """Collects from the functions it visits."""

    def __init__(self, assigned: Assigned) -> None:
        self._assigned = assigned
        self._all = Collected[object](3 * _MOST)
        self._by_name: dict[str, Collected[object]] = {}
        self._keys: dict[str, Collected[Path]] = {}
        self._parsed: set[str] = set()
        self._fields: set[str] = set()

    def constants(self) -> Constants:
        values = [value for value in self._all.values() if value not in self._fields]
        texts = [value for value in values if isinstance(value, str)]
        numbers = [value for value in values if is_number(value)]
        others = [v for v in values if not isinstance(v, (str, bool)) and not is_number(v)]
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
            found = self._by_name.setdefault(name, Collected(_MOST_OF_NAME))
            for value in values:
                found.add(value)

    def _add_path(self, names: Iterable[str], path: Path) -> None:
        for name in names if path else ():
            self._keys.setdefault(name, Collected(_MOST_OF_NAME)).add(path)

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
                self._connect(names, texts_as_long(self._literals_of(operands)))
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
        """Connect what ``a, b = post.title.split(".")`` takes apart with texts of as many parts; so for
        ``post.title.split(".")[1]``. One part is what any text has.
        """
        if (
            1 < parts <= len(PARTS)
            and isinstance(node, ast.Call)
            and called(node) in SPLITS
            and (of := receiver_of(node))
        ):
            given = [value for each in node.args[:1] for value in self._texts(each)]
            texts = [between.join(PARTS[:parts]) for between in given or [" "]]
            self._parsed.update(self._names(of))
            self._connect(self._names(of), [*texts, *(text.upper() for text in texts)])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._connect(self._names(node.target), self._literals(node.value))
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        index = literal(node.slice)
        if type(index) is int:
            self._read_split(node.value, index + 1 if index >= 0 else -index)
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
        if (made := made_by(node)) is not None:
            self._all.add(made)
            return
        self._read_keywords(node)
        pattern = self._pattern(node) if name in REGEX else None
        if name == "setattr" and len(node.args) == 3:
            self._connect(self._texts(node.args[1]), self._literals(node.args[2]))
        elif name in PARSERS or name == "strptime":
            self._read_parser(name, node)
        elif name in SQL:
            self._read_sql(node)
        elif pattern is not None:
            self._read_regex(pattern, node)
        elif name in OF_NAMES or name == "bulk_update":
            self._fields.update(text for each in node.args for text in self._texts(each))
        else:
            self._read_call(node)
        if name not in OF_NAMES:
            no_values = [pattern, *(node.args[1:2] if name == "strptime" else [])]
            self._visit_arguments(node, no_values)
        self.visit(node.func)

    def _visit_arguments(self, node: ast.Call, besides: list[ast.expr | None]) -> None:
        for argument in node.args:
            if argument not in besides:
                self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in KEYWORDS_OF_NAMES:
                self.visit(keyword.value)

    def _read_keywords(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            if keyword.arg in KEYWORDS_OF_NAMES:
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
        names = [*parts[:1], *(part for part in parts[1:] if part and part not in LOOKUPS)]
        if parts[-1] not in ("isnull", "len"):
            self._connect(names, values)
        self._add_path(names[:1], tuple(names[1:]))

    def _read_call(self, node: ast.Call) -> None:
        """Connect what is called upon and the arguments with the arguments."""
        receiver = receiver_of(node)
        names = self._names_of(node.args)
        if receiver is not None:
            if called(node) in KEYED and node.args:
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
            self._connect(names, [text for format in formats for text in rendered(format)])
        else:
            self._connect(names, PARSERS[name])
        if name == "loads":
            self._read_path(node)

    def _read_sql(self, node: ast.Call) -> None:
        for argument in node.args[:2]:
            for sql in self._texts(argument):
                for name, text in _IN_SQL.findall(sql):
                    self._connect([name], [text])

    def _pattern(self, node: ast.Call) -> ast.expr | None:
        """The pattern of ``re.match(pattern, text)`` or of ``PATTERN.match(text)``."""
        receiver = receiver_of(node)
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
            elif isinstance(node, ast.Call) and called(node) in KEYED and node.args:
                key = literal(node.args[0])
                node = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
            else:
                break
            if not isinstance(key, (str, int)) or len(path) == DEEP:
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
        if depth > DEEP:
            return []
        if isinstance(node, ast.Attribute):
            return [node.attr]
        if isinstance(node, ast.Name):
            return [node.id, *self._names_of(self._assigned[node.id][:DEEP], depth + 1)]
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
        receiver = receiver_of(node)
        names = self._names_of(arguments_of(node), depth)
        named = node.args[:1] if called(node) in KEYED else node.args[1:2]
        if called(node) in ("values_list", "values"):
            named = node.args
        if called(node) in {*KEYED, "getattr", "values_list", "values"}:
            names += [text for each in named for text in self._texts(each)]
        return names + (self._names(receiver, depth) if receiver is not None else [])

    def _texts(self, node: ast.expr) -> list[str]:
        return [value for value in self._literals(node) if isinstance(value, str)]

    def _literals_of(self, nodes: Iterable[ast.expr], depth: int = 0) -> list[object]:
        return [value for node in nodes for value in self._literals(node, depth)]

    def _literals(self, node: ast.AST | None, depth: int = 0) -> Iterator[object]:
        """The literals that an expression's value may be, or is made of."""
        if node is None or depth > DEEP:
            return
        found = literal(node)
        if found is not None:
            yield found
        elif isinstance(node, ast.Name):
            yield from self._literals_of(self._assigned[node.id], depth + 1)
        elif isinstance(node, ast.Attribute):
            yield from self._literals_of(self._assigned[member_named(node)], depth + 1)
        elif isinstance(node, ast.Dict):
            yield from self._literals_of([key for key in node.keys if key], depth)
        elif isinstance(node, ast.Subscript):
            yield from self._values_of(node.value, depth)
        elif isinstance(node, ast.Call):
            yield from self._literals_of_call(node, depth)
        elif isinstance(node, ast.IfExp):
            yield from self._literals_of([node.body, node.orelse], depth)
        elif isinstance(node, MADE_OF_LITERALS):
            children = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
            yield from self._literals_of(children, depth)

    def _literals_of_call(self, node: ast.Call, depth: int) -> Iterator[object]:
        made = made_by(node)
        if made is not None:
            yield made
        elif called(node) in OF_NAMES or called(node) == "strptime":
            return
        elif called(node) in KEYED and (receiver := receiver_of(node)) is not None:
            yield from self._values_of(receiver, depth)
            yield from self._literals_of(node.args[1:], depth)
        else:
            yield from self._literals_of(arguments_of(node), depth)

    def _dicts(self, node: ast.expr) -> list[ast.Dict]:
        values = self._assigned[node.id] if isinstance(node, ast.Name) else []
        values = [*values, *self._assigned[member_named(node)], node]
        return [value for value in values if isinstance(value, ast.Dict)]

    def _keys_of(self, node: ast.expr) -> list[object]:
        return [value for each in self._dicts(node) for value in self._literals(each)]

    def _values_of(self, node: ast.expr, depth: int) -> list[object]:
        return self._literals_of([v for each in self._dicts(node) for v in each.values], depth + 1)
