"""What runs when an error of a loop is on its way out, and whether it can tell how far the loop came.

A ``finally``, and a handler whether it raises again or not, run after the row that failed. What they read
of the loop's names, of lists that it filled, or of the database, is what the turns before have left.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from migfix.reading.kinds.known import OUTPUT, hands_on, is_pure
from migfix.reading.names.scopes import TRIES, Binding, walk
from migfix.reading.rows.methods import CHAINING
from migfix.source import last_name

if TYPE_CHECKING:
    from migfix.reading.names.module import Module

# Methods that tell something or close something, and give nothing back that counts.
_QUIET_METHODS = frozenset(
    "debug info warning warn error exception critical log write flush close activate deactivate".split()
)
# Methods that keep what they are given, and look at none of it.
_CONNECTING = frozenset({"connect", "disconnect"})
_ERROR_NAME = re.compile(r"_*[A-Z]\w*(Error|Exception|Exit)$")
_STREAMS = frozenset({"sys.stdout", "sys.stderr"})
_TRACES = frozenset({"traceback.print_exc"})
_MAX_DEPTH = 8
_MADE_OF_TEXT = frozenset({"str", "repr", "type", "len"})


# What these make, and what is under these names, runs no code of a project when it is closed or told something.
_OBJECTS = OUTPUT | {
    *("bz2.open", "gzip.open", "lzma.open", "codecs.open", "io.open", "io.StringIO", "io.BytesIO"),
    *(
        "pathlib.Path",
        "sqlite3.connect",
        "tarfile.open",
        "zipfile.ZipFile",
        "urllib.request.urlopen",
    ),
    *("tempfile.NamedTemporaryFile", "tempfile.TemporaryFile", "tempfile.SpooledTemporaryFile"),
    *("django.db.connection", "django.db.connections", "django.db.transaction"),
    *("django.utils.translation", "django.utils.timezone"),
}


def is_known_object(node: ast.expr, module: Module, depth: int = 0) -> bool:
    """Is it a file, a cursor, a logger or their like, and no object of the project?"""
    path = module.path_of(node)
    if path is not None:
        parts = path.split(".")
        return any(".".join(parts[:end]) in _OBJECTS for end in range(1, len(parts) + 1))
    match node:
        case ast.Call(func=ast.Name(id="open")) if module.is_builtin("open"):
            return True
        case ast.Call(func=inner) | ast.Attribute(value=inner):
            return is_known_object(inner, module, depth)
        case ast.Name(id=name) if depth < _MAX_DEPTH:
            return _is_known_name(name, node, module, depth + 1)
    return False


def _is_known_name(name: str, at: ast.AST, module: Module, depth: int) -> bool:
    function = module.function_around(at)
    bindings = module.scope_of(function).bindings.get(name) if function else None
    if bindings is None:
        value = module.constant(name)
        return value is not None and is_known_object(value, module, depth)
    return all(_binds_known_object(binding, module, depth) for binding in bindings)


def _binds_known_object(binding: Binding, module: Module, depth: int) -> bool:
    match binding.statement:
        case ast.arg(arg=name):
            return name == "schema_editor"
        case ast.withitem(context_expr=opened):
            return is_known_object(opened, module, depth)
    value = binding.value if binding.position is None else None
    return value is not None and is_known_object(value, module, depth)


# Methods of querysets, cursors and collections, which give nothing that runs code when it is dropped.
_GIVING = CHAINING | frozenset(
    "items keys values copy split rsplit splitlines partition most_common elements fetchall fetchmany "
    "get_model get_models in_bulk".split()
)
_GOING_OVER = frozenset(
    "range enumerate zip reversed sorted list tuple set frozenset dict iter map filter str".split()
)
_READERS = frozenset({"csv.reader", "csv.DictReader", "json.load"})


# In which a generator that is closed runs on.
_ENDING = (*TRIES, ast.With)


def is_dropped_quietly(iterated: ast.expr, module: Module, depth: int = 0) -> bool:
    """Does no code of the project run where an error leaves a loop over this?

    A generator that the loop alone holds is closed then, by which its ``finally`` runs. What has a name
    outlives the error: https://docs.python.org/3/reference/expressions.html#generator.close
    """
    match iterated:
        case ast.Call():
            return _gives_quietly(iterated, module, depth)
        case ast.GeneratorExp(generators=generators):
            return all(is_dropped_quietly(each.iter, module, depth) for each in generators)
        case ast.IfExp(body=first, orelse=second):
            return all(is_dropped_quietly(each, module, depth) for each in (first, second))
        case ast.BoolOp(values=values):
            return all(is_dropped_quietly(each, module, depth) for each in values)
        case ast.Starred(value=value) | ast.NamedExpr(value=value):
            return is_dropped_quietly(value, module, depth)
    return not isinstance(iterated, (ast.Await, ast.Yield, ast.YieldFrom))


def _gives_quietly(call: ast.Call, module: Module, depth: int) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    path = module.path_of(call.func)
    match call.func:
        case _ if path is not None:
            over = path.partition(".")[0] == "tqdm" or hands_on(path)
            return is_pure(path) or path in _READERS or (over and _all_quiet(given, module, depth))
        case ast.Name(id="range") if module.is_builtin("range"):
            return True  # which holds numbers
        case ast.Name(id=name) if module.is_builtin(name):
            return name in _GOING_OVER and _all_quiet(given, module, depth)
        case ast.Name(id=name):
            function = module.functions.get(name)
            return isinstance(function, ast.FunctionDef) and _returns_quietly(
                function, module, depth
            )
        case ast.Attribute(attr=method):
            return method in _GIVING and method not in module.methods
    return False


def _all_quiet(given: Iterable[ast.expr], module: Module, depth: int) -> bool:
    return all(is_dropped_quietly(each, module, depth) for each in given)


def _returns_quietly(function: ast.FunctionDef, module: Module, depth: int) -> bool:
    nodes = module.nodes_of(function)
    if depth >= _MAX_DEPTH or function.decorator_list:
        return False
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in nodes):
        # what it goes over itself is dropped with it
        held = [node.iter for node in nodes if isinstance(node, ast.For)]
        held += [node.value for node in nodes if isinstance(node, ast.YieldFrom)]
        if any(isinstance(node, _ENDING) for node in nodes):
            return False
    else:
        held = [node.value for node in nodes if isinstance(node, ast.Return) and node.value]
    return all(is_dropped_quietly(each, module, depth + 1) for each in held)


def looks_back(
    statements: Iterable[ast.stmt], known: frozenset[str], module: Module
) -> ast.stmt | None:
    """The first statement that may see what the loop has done, None if there is none.

    ``known`` are names of its own, as the one that a handler gives to what it catches.
    """
    return next((s for s in statements if not _is_quiet(s, known, module)), None)


def _is_quiet(statement: ast.stmt, known: frozenset[str], module: Module) -> bool:
    match statement:
        case ast.Pass() | ast.Return(value=None) | ast.Break() | ast.Continue():
            return True
        case ast.FunctionDef(decorator_list=[], args=given):
            return not [*given.defaults, *filter(None, given.kw_defaults)]
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Raise(exc=None):
            return True
        case ast.Raise(exc=raised, cause=cause):
            return all(_is_fixed(each, known, module) for each in (raised, cause) if each)
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call() as call):
            return _is_quiet_call(call, known, module)
        case ast.Assign(targets=targets, value=value):
            return all(map(_is_place, targets)) and _is_fixed(value, known, module)
        case ast.If(test=test, body=body, orelse=orelse):
            parts = [*body, *orelse]
            return _is_fixed(test, known, module) and looks_back(parts, known, module) is None
        case ast.For(target=ast.Name(id=name), iter=iterated, body=body, orelse=orelse):
            parts, inside = [*body, *orelse], known | {name}
            return _is_fixed(iterated, known, module) and looks_back(parts, inside, module) is None
    return False


def _is_quiet_call(call: ast.Call, known: frozenset[str], module: Module) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    match call.func:
        case ast.Name(id=name):
            quiet = name == "print" and module.is_builtin(name)
        case ast.Attribute() if module.path_of(call.func) in _TRACES:
            quiet = True
        case ast.Attribute(value=owner, attr=method) if method in _CONNECTING:
            return _is_place(owner) and all(map(_is_place_or_constant, given))
        case ast.Attribute(value=owner, attr=method):
            quiet = method in _QUIET_METHODS and is_known_object(owner, module)
        case _:
            quiet = False
    return quiet and all(_is_fixed(each, known, module) for each in given)


def _is_place(node: ast.expr) -> bool:
    """``name``, ``name.attribute``: nothing runs to get there but attributes."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _is_place_or_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or _is_place(node)


def _is_fixed(node: ast.expr, known: frozenset[str], module: Module) -> bool:
    """Is it the same wherever the loop stopped: made of constants and of the error?

    That the error may be of another row is for who asks which error it is.
    """
    if module.path_of(node) in _STREAMS:
        return True
    for part in walk(node):
        match part:
            case ast.Name(id=name):
                if name not in known and not module.is_builtin(name) and not _is_error_name(part):
                    return False
            case ast.Call(func=ast.Name(id=name)) if module.is_builtin(name):
                if not (name in _MADE_OF_TEXT or name.endswith(("Error", "Exception"))):
                    return False
            case ast.Call(func=func) if not _is_error_name(func):
                return False
            case ast.Attribute(value=owner) if not _is_error_name(part):
                if not (isinstance(owner, ast.Name) and owner.id in known):
                    return False  # ``connection.queries``
            case ast.Await() | ast.Yield() | ast.YieldFrom() | ast.NamedExpr():
                return False
    return True


def _is_error_name(node: ast.expr) -> bool:
    """The name of an error's class, as ``CommandError``, by how it is written."""
    return bool(_ERROR_NAME.match(last_name(node)))
