"""What a loop's body does besides using its row: queries, output, calls into the unknown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from migfix.history.state import ModelKey, ModelState, Unknown
from migfix.loops.querysets import CHAINING, Resolver
from migfix.loops.relations import possible_columns
from migfix.loops.scopes import Binding, FunctionNode, walk
from migfix.loops.values import Apps, Manager, Model, Row, Rows, SchemaEditor, Value


class Kind(Enum):
    OUTPUT = auto()  # prints, logs, moves a progress bar
    READS = auto()  # runs a query that reads
    WRITES = auto()  # runs a query that writes
    SQL = auto()  # uses a cursor or the schema editor
    TRANSACTION = auto()  # commits, rolls back, or opens an atomic block
    CALL = auto()  # calls something whose source is not known
    LEAVES = auto()  # break, return, raise
    YIELDS = auto()


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect; ``model`` is the table that a query touches, None when it is not known which.

    For what a called function does, ``node`` is the call, and ``inside`` the effect that it has there,
    with what knows the names of that function.
    """

    kind: Kind
    node: ast.AST
    model: ModelKey | None = None
    inside: tuple[Effect, Resolver] | None = field(default=None, compare=False, repr=False)


# https://docs.djangoproject.com/en/stable/ref/models/querysets/#methods-that-do-not-return-querysets
_READING = frozenset(
    "get first last earliest latest count exists aggregate in_bulk contains explain".split()
)
_WRITING = frozenset(
    "save delete create get_or_create update_or_create bulk_create bulk_update update add set remove "
    "clear raw".split()
)
# Methods of str, bytes, list, dict, set, numbers, dates and regular expressions. The names that
# managers share (get, update, add, remove, clear, count...) need a receiver that is known to be none.
_HARMLESS = frozenset(
    name
    for kind in (str, bytes, list, dict, set, int, float)
    for name in dir(kind)
    if not name.startswith("_")
) | frozenset(
    "date time year isoformat strftime strptime total_seconds timestamp astimezone utctimetuple "
    "group groups groupdict sub match search fullmatch findall finditer quantize hex hexdigest "
    "most_common appendleft popleft move_to_end".split()
)
_ON_CURSORS = frozenset("execute executemany executescript callproc cursor".split())
_DISPLAY = re.compile(r"get_\w+_display")
# Builtins, methods and modules that call what they are given, or go over it.
_CALLING = frozenset("map filter sorted min max iter".split())
_CALLING_METHODS = frozenset("sort sub subn".split())
_CALLING_ROOTS = frozenset("functools itertools re json collections heapq bisect".split())
_SHARED = frozenset({"get", "update", "add", "remove", "clear", "count", "index", "values"})
# Modules whose functions neither query nor print.
_PURE_ROOTS = frozenset(
    "re json math decimal fractions datetime time calendar string unicodedata html itertools "
    "functools operator collections copy base64 binascii hashlib hmac uuid random secrets zlib "
    "textwrap urllib.parse ipaddress posixpath os.path pathlib slugify ast types enum dataclasses "
    "typing zoneinfo pytz statistics bisect heapq difflib struct colorsys numbers "
    "dateutil pprint keyword locale django.utils django.template.defaultfilters django.db.models "
    "django.core.exceptions django.core.serializers.json".split()
)
_OUTPUT_ROOTS = frozenset({"logging", "warnings", "sys.stdout", "sys.stderr", "structlog", "tqdm"})
_BUILTINS_WITH_EFFECTS = frozenset(
    {
        "exec",
        "eval",
        "open",
        "input",
        "compile",
        "__import__",
        "globals",
        "locals",
        "vars",
        "breakpoint",
    }
)
_PARSING = frozenset({"json.loads", "json.load", "ast.literal_eval", "urllib.parse.parse_qs"})
_MAX_DEPTH = 6


def effects_of(
    region: list[ast.stmt], row: str | None, resolver: Resolver, depth: int = 0
) -> Iterator[Effect]:
    """Every effect of the statements, same-file callees included, save and delete of ``row`` excluded."""
    for statement in region:
        for node in walk(statement):
            match node:
                case ast.Call() if not _is_method_of(node, row):
                    yield from _call(node, resolver, depth)
                    yield from _handed_over(node, resolver, depth)
                case ast.Break() | ast.Return() | ast.Raise() if depth == 0:
                    yield Effect(Kind.LEAVES, node)
                case ast.Yield() | ast.YieldFrom() | ast.Await() if depth == 0:
                    yield Effect(Kind.YIELDS, node)
                case ast.withitem(context_expr=context) if not isinstance(context, ast.Call):
                    yield Effect(Kind.CALL, context)
            yield from _evaluations(node, resolver)


def _evaluations(node: ast.AST, resolver: Resolver) -> Iterator[Effect]:
    """A queryset or manager that is gone over, tested, kept or handed over: its query runs then, or may.

    https://docs.djangoproject.com/en/stable/ref/models/querysets/#when-querysets-are-evaluated
    """
    kinds = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp)
    if isinstance(node, kinds) and not _stays_lazy(node, resolver):
        match resolver.value(node):
            case Manager(model=model) | Rows(manager=Manager(model=model)):
                yield Effect(Kind.READS, node, model.key)


def _stays_lazy(node: ast.expr, resolver: Resolver) -> bool:
    """Does what stands around the queryset leave it as it is, by a link of its chain or a name for it?"""
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        return True
    match resolver.scope.parents.get(node):
        case ast.Attribute() | ast.Expr() | ast.Return():
            return True
        case ast.Assign(targets=targets):
            return all(isinstance(target, ast.Name) for target in targets)
        case ast.Subscript(slice=ast.Slice()) as outer:
            return isinstance(resolver.value(outer), Rows)
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd()):
            return True
    return False


def is_query(effect: Effect) -> bool:
    """Is it certain that a statement is sent?"""
    return effect.kind in {Kind.READS, Kind.WRITES, Kind.SQL}


def is_deletion(effect: Effect) -> bool:
    """Does a call of ``delete()`` write? It may take rows of other tables with it."""
    match effect.inside[0] if effect.inside else effect:
        case Effect(
            kind=Kind.WRITES, node=ast.Call(func=ast.Attribute(attr="delete" | "_raw_delete"))
        ):
            return True
    return False


def is_pure(path: str | None) -> bool:
    """Is it in a module whose functions neither query nor print, nor hold querysets?"""
    return path is not None and _under(path, _PURE_ROOTS)


def is_harmless(method: str) -> bool:
    """Is it the name of a method of Python's own values that managers do not share?"""
    return method in _HARMLESS


def _under(path: str, roots: frozenset[str]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:n]) in roots for n in range(1, len(parts) + 1))


def _is_method_of(call: ast.Call, row: str | None) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr="save" | "delete"):
            return name == row
    return False


def _call(call: ast.Call, resolver: Resolver, depth: int) -> Iterator[Effect]:
    match call.func:
        case ast.Name(id=name):
            yield from _named(name, call, resolver, depth)
        case ast.Attribute(value=owner, attr=method):
            value = resolver.value(owner)
            if value is None and method == "save":
                value = made_row(owner, resolver)
            if value is None:
                yield from _unresolved(owner, method, call, resolver, depth)
            else:
                yield from _method(value, method, call)
        case _:
            yield Effect(Kind.CALL, call)


def _named(name: str, call: ast.Call, resolver: Resolver, depth: int) -> Iterator[Effect]:
    module = resolver.module
    if isinstance(resolver.value(call.func), Model):
        return
    if function := resolver.function(call.func):
        yield from _inside(function, call, resolver, depth)
    elif module.is_builtin(name):
        if name == "print":
            yield Effect(Kind.OUTPUT, call)
        elif name in _BUILTINS_WITH_EFFECTS:
            yield Effect(Kind.CALL, call)
    else:
        yield from _imported(module.path_of(call.func), call, resolver, depth)


def _handed_over(call: ast.Call, resolver: Resolver, depth: int) -> Iterator[Effect]:
    """Functions among the arguments get called, too: ``map(fix, rows)``."""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if function := resolver.function(argument):
            yield from _inside(function, call, resolver, depth)
        elif isinstance(argument, ast.Name) and argument.id in resolver.module.function_names:
            yield Effect(Kind.CALL, call)
        elif _calls_arguments(call, resolver) and (path := _path_behind(argument, resolver)):
            yield from _imported(path, call, resolver, depth)


def _calls_arguments(call: ast.Call, resolver: Resolver) -> bool:
    path = resolver.module.path_of(call.func)
    match call.func:
        case _ if path is not None:
            return _under(path, _CALLING_ROOTS)
        case ast.Name(id=name):
            return name in _CALLING
        case ast.Attribute(attr=method):
            return method in _CALLING_METHODS
    return False


def _path_behind(node: ast.expr, resolver: Resolver) -> str | None:
    """The dotted path of what is imported, also by another name, but for the values of settings."""
    binding = resolver.scope.bound_once(node.id) if isinstance(node, ast.Name) else None
    path = resolver.module.path_of(node)
    if path is None and binding is not None and binding.value is not None:
        path = resolver.module.path_of(binding.value)
    return None if path is not None and path.startswith("django.conf.settings.") else path


def _inside(
    function: FunctionNode, call: ast.Call, resolver: Resolver, depth: int
) -> Iterator[Effect]:
    if depth >= _MAX_DEPTH:
        yield Effect(Kind.CALL, call)
        return
    inner = resolver.inside(function)
    body: list[ast.stmt] = (
        [ast.Expr(function.body)] if isinstance(function, ast.Lambda) else function.body
    )
    if isinstance(function, ast.FunctionDef) and function.decorator_list:
        yield Effect(Kind.TRANSACTION, call)  # of those that are let through, only atomic() acts
    yield from _effects_inside(body, inner, call, depth)


def _imported(path: str | None, call: ast.Call, resolver: Resolver, depth: int) -> Iterator[Effect]:
    if path is None:
        yield Effect(Kind.CALL, call)
    elif _under(path, _OUTPUT_ROOTS):
        yield Effect(Kind.OUTPUT, call)
    elif path.startswith("django.db.transaction."):
        yield Effect(Kind.TRANSACTION, call)
    elif path.startswith(("django.db.connection", "django.db.connections")):
        yield Effect(Kind.SQL, call)
    elif not _under(path, _PURE_ROOTS):
        yield from _of_project(path, call, resolver, depth)


def _of_project(path: str, call: ast.Call, resolver: Resolver, depth: int) -> Iterator[Effect]:
    """A function of another module: its source tells, where the project holds it."""
    found = resolver.module.imported_function(path)
    if found is None or depth >= _MAX_DEPTH:
        yield Effect(Kind.CALL, call)
        return
    module, function = found
    inner = Resolver(module, module.scope_of(function), {}, resolver.state)
    assert not isinstance(function, ast.Lambda)
    yield from _effects_inside(function.body, inner, call, depth)


def _effects_inside(
    body: list[ast.stmt], inner: Resolver, call: ast.Call, depth: int
) -> Iterator[Effect]:
    for effect in effects_of(body, None, inner, depth + 1):
        yield Effect(effect.kind, call, effect.model, effect.inside or (effect, inner))


def _method(value: Value, method: str, call: ast.Call) -> Iterator[Effect]:
    match value:
        case Manager(model=model) | Rows(manager=Manager(model=model)):
            if method in _READING:
                yield Effect(Kind.READS, call, model.key)
            elif method in _WRITING:
                yield Effect(Kind.WRITES, call, model.key)
            elif method not in CHAINING | {"db_manager", "using"}:
                yield Effect(Kind.CALL, call)
        case Row(model=model) if method in {"save", "delete"}:
            yield Effect(Kind.WRITES, call, model.key)
        case Row(model=model) if method == "refresh_from_db":
            yield Effect(Kind.READS, call, model.key)
        case Row() if method == "serializable_value" or _DISPLAY.fullmatch(method):
            return
        case SchemaEditor():
            yield Effect(Kind.SQL, call)
        case Apps() if method == "get_model":
            return
        case _:
            yield Effect(Kind.CALL, call)


def _unresolved(
    owner: ast.expr, method: str, call: ast.Call, resolver: Resolver, depth: int
) -> Iterator[Effect]:
    path = resolver.module.path_of(call.func)
    if path is not None:
        yield from _imported(path, call, resolver, depth)
    elif _is_logger(owner, resolver):
        yield Effect(Kind.OUTPUT, call)
    elif method in _SHARED and _is_plain_collection(owner, resolver):
        return
    elif method in _WRITING:
        yield Effect(Kind.WRITES, call)
    elif method in _READING:
        yield Effect(Kind.READS, call)
    elif method in _ON_CURSORS:
        yield Effect(Kind.SQL, call)
    elif method not in _HARMLESS and method not in CHAINING:
        yield Effect(Kind.CALL, call)


def _is_logger(owner: ast.expr, resolver: Resolver) -> bool:
    """A name bound to ``logging.getLogger(...)`` or to a progress bar."""
    if not isinstance(owner, ast.Name):
        return False
    binding = resolver.scope.bound_once(owner.id)
    value = binding.value if binding else resolver.module.constant(owner.id)
    if not isinstance(value, ast.Call):
        return False
    path = resolver.module.path_of(value.func)
    return path is not None and _under(path, _OUTPUT_ROOTS)


def made_row(owner: ast.expr, resolver: Resolver) -> Row | None:
    """The new row in ``tag = Tag(...)``, where the name is never anything else."""
    binding = resolver.scope.bound_once(owner.id) if isinstance(owner, ast.Name) else None
    match binding.value if binding and binding.position is None else None:
        case ast.Call(func=function):
            model = resolver.value(function)
            return Row(model) if isinstance(model, Model) and model.key else None
    return None


def _is_plain_collection(owner: ast.expr, resolver: Resolver) -> bool:
    """A literal, a plain column of a row, what Python's own functions make of them, or a name for such."""
    match owner:
        case ast.Attribute(value=row, attr=name) if isinstance(found := resolver.value(row), Row):
            return is_plain_column(found, name, resolver)
        case ast.Subscript(value=value, ctx=ast.Load()):
            return _is_data(value, resolver)
        case ast.Call(func=ast.Attribute() as function) if (
            resolver.module.path_of(function) in _PARSING
        ):
            return True
        case ast.Call(func=ast.Attribute(value=value, attr="get" | "pop" | "copy" | "setdefault")):
            return _is_data(value, resolver)
        case ast.Dict() | ast.List() | ast.Set() | ast.Constant() | ast.JoinedStr():
            return True
        case ast.DictComp() | ast.ListComp() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in {"dict", "list", "set", "str", "defaultdict", "Counter", "OrderedDict"}
        case ast.Name(id=name):
            bindings = resolver.scope.bindings.get(name)
            if bindings is None:
                constant = resolver.module.constant(name)
                return constant is not None and _is_plain_collection(constant, resolver)
            return all(_is_plain_binding(b, resolver) for b in bindings)
    return False


def _is_plain_binding(binding: Binding, resolver: Resolver) -> bool:
    match binding.statement:
        case ast.For(
            iter=ast.Call(func=ast.Attribute(value=value, attr="items" | "values"), args=[])
        ):
            return _is_data(value, resolver)
        case ast.For(iter=value):
            return _is_data(value, resolver)
        case ast.NamedExpr(value=value):
            return not isinstance(value, ast.Name) and _is_plain_collection(value, resolver)
    if binding.value is None or isinstance(binding.value, ast.Name):
        return False
    return binding.position is None and _is_plain_collection(binding.value, resolver)


def _is_data(node: ast.expr, resolver: Resolver) -> bool:
    """A document of plain values: what a JSON column holds, or a parser returns, and any part of it.

    What the function itself puts into a collection may be a queryset, and is none.
    """
    match node:
        case ast.Attribute(value=row, attr=name) if isinstance(found := resolver.value(row), Row):
            return is_plain_column(found, name, resolver)
        case ast.Subscript(value=value):
            return _is_data(value, resolver)
        case ast.Call(func=ast.Attribute() as function) if (
            resolver.module.path_of(function) in _PARSING
        ):
            return True
        case ast.Call(func=ast.Attribute(value=value, attr="get" | "pop" | "copy"), args=[_] | []):
            return _is_data(value, resolver)
        case ast.Name(id=name):
            bindings = resolver.scope.bindings.get(name, [])
            return bool(bindings) and all(_is_of_data(b, resolver) for b in bindings)
    return False


def _is_of_data(binding: Binding, resolver: Resolver) -> bool:
    match binding.statement:
        case ast.For(
            iter=ast.Call(func=ast.Attribute(value=value, attr="items" | "values"), args=[])
        ):
            return _is_data(value, resolver)
        case ast.For(iter=value) | ast.NamedExpr(value=value):
            return not isinstance(value, ast.Name) and _is_data(value, resolver)
    if binding.value is None or isinstance(binding.value, ast.Name):
        return False
    return _is_data(binding.value, resolver)


def is_plain_column(row: Row, name: str, resolver: Resolver) -> bool:
    """Is the attribute a column of Django's own class that is no relation?"""
    model = resolver.state.model(*row.model.key) if row.model.key and not row.model.real else None
    columns = possible_columns(resolver.state, model) if isinstance(model, ModelState) else ()
    found = () if isinstance(columns, Unknown) else columns
    return any(c.name == name and c.kind is not None and c.target is None for c in found)
