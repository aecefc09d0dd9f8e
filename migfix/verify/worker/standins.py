"""What stands for parts of a project that are not there when it runs without its settings.

A migration may import a package that is not installed, or models of apps that are not set up, only to name what is
in them, as ``CreateModel`` does with classes of fields. What a running function does with a stand-in, raises.
"""

from __future__ import annotations

import ast
import dis
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import django.conf
from django.conf import global_settings

_INSTALLED = ("site-packages", "dist-packages")


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for packages that modules in ``folders`` import while they are imported themselves.

    ``missing``: the names of those packages.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.missing: dict[str, None] = {}
        self._folders = [Path(folder) for folder in folders]

    def install(self) -> None:
        sys.meta_path.append(self)  # behind all that find something

    @contextmanager
    def forbidden(self) -> Iterator[None]:
        """In it, a stand-in can be used for nothing."""
        _Use.is_forbidden = True
        try:
            yield
        finally:
            _Use.is_forbidden = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = name.partition(".")[0]
        if package not in self.missing:
            if package != name or package in sys.stdlib_module_names or not self._is_needed():
                return None
            self.missing[package] = None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""

    def _is_needed(self) -> bool:
        """Does a module of the project import it, whatever becomes of that?"""
        frame: FrameType | None = sys._getframe(1)
        while frame and frame.f_code.co_filename in (__file__, *_FROZEN):
            frame = frame.f_back
        if frame is None or frame.f_code.co_name != "<module>":
            return False
        path = Path(frame.f_code.co_filename)
        own = any(folder in path.parents for folder in self._folders)
        if not own or not {*_INSTALLED}.isdisjoint(path.parts):
            return False
        return not _is_tried(path, frame.f_lineno)


_FROZEN = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


def _is_tried(path: Path, line: int) -> bool:
    """Is the line in a ``try``, which may have something else to do?"""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return any(
        isinstance(node, ast.Try) and node.lineno <= line <= (node.end_lineno or line)
        for node in ast.walk(tree)
    )


_OF_SETTINGS = "settings."


class _Use:
    """Is it one that a running function makes?"""

    is_forbidden = False

    @classmethod
    def check(cls, package: str) -> None:
        if cls.is_forbidden:
            if package.startswith(_OF_SETTINGS):
                raise AttributeError(f"{package} is not known without the project's settings")
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return _named(name, self.__name__.partition(".")[0])


class _Class(type):
    """A class that can be called with anything, derived from and used as a decorator."""

    missing: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        _Use.check(cls.missing)
        has_own = any("__init__" in vars(each) for each in cls.__mro__[:-1])
        return super().__call__(*args, **kwargs) if has_own else super().__call__()

    def __getattr__(cls, name: str) -> Any:
        return _named(name, cls.missing)

    def __getitem__(cls, key: object) -> Any:
        return _named(str(key).strip("_"), cls.missing)

    def __iter__(cls) -> Iterator[Any]:
        _Use.check(cls.missing)
        return iter(())

    def __instancecheck__(cls, instance: object) -> bool:
        _Use.check(cls.missing)
        return super().__instancecheck__(instance)


def _computed(cls: _Class, other: object) -> _Class:
    return _named("computed", cls.missing)


_OPERATORS = "add sub mul truediv floordiv mod or and".split()
for _name in (*_OPERATORS, *(f"r{each}" for each in _OPERATORS), "lt", "le", "gt", "ge"):
    setattr(_Class, f"__{_name}__", _computed)


def _named(name: str, package: str) -> _Class:
    """What stands for a name of a package that is not there."""
    if name.startswith("__"):
        raise AttributeError(name)
    _Use.check(package)

    def ask(self: object, attribute: str) -> Any:
        return _named(attribute, package)

    def call(self: object, *args: Any, **kwargs: Any) -> Any:
        _Use.check(package)
        return self

    return _Class(name, (), {"missing": package, "__call__": call, "__getattr__": ask})


class Defaults:
    """Django's own settings, and stand-ins for others that a module names while it is imported."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(global_settings, name)
        except AttributeError:
            if not name.isupper() or _Use.is_forbidden or not _is_named():
                raise
        return _named(name, f"{_OF_SETTINGS}{name}")


def _is_named() -> bool:
    """Is it ``settings.NAME`` that asks, not ``getattr(settings, "NAME", None)`` nor a ``try``?"""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename in (__file__, django.conf.__file__):
        frame = frame.f_back
    if frame is None:
        return False
    asking = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    path = Path(frame.f_code.co_filename)
    return asking in ("LOAD_ATTR", "LOAD_METHOD") and not _is_tried(path, frame.f_lineno)


def name_apps() -> None:
    """Let a model be defined whose app is not installed: its label is the name of the app's package."""
    from django.apps import apps

    known = apps.get_containing_app_config

    def containing(module: str) -> Any:
        found = known(module)
        if found is not None:
            return found
        return SimpleNamespace(label=module.partition(".models")[0].rpartition(".")[2])

    apps.get_containing_app_config = containing
