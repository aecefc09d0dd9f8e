"""What a name stands for that a migration imports: followed to its definition, or not known."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.history.environment import Environment
from migfix.reading.kinds.values import Model
from migfix.reading.names.library import Definition, Foreign, Library
from migfix.reading.names.module import Module
from migfix.reading.rows.models import model_of
from migfix.source import Source

FILES = {
    "shop/__init__.py": "from elsewhere import hidden\n",
    "shop/hidden.py": "def run(): pass\n",
    "shop/naming.py": "OPEN = 'open'\ndef free(): pass\nclass Names: pass\n_private = 1\n",
    "shop/handing.py": (
        "from .naming import free\nfrom .naming import OPEN as AGAIN\nfrom shop import naming\n"
        "import shop.naming as whole\nimport shop.naming\nother = free\nfrom django.utils.text import slugify\n"
        "deep = naming.free\nfrom . import missing\n"
    ),
    "shop/of_two.py": "from statistics import mean\n",
    "shop/starred.py": "from .handing import *\nfrom .naming import *\n",
    "shop/listed.py": "from .naming import free, OPEN\n__all__ = ['free']\n",
    "shop/of_listed.py": "from .listed import *\n",
    "shop/grown.py": "from .naming import free\n__all__ = ['free']\n__all__ += ['OPEN']\n",
    "shop/of_grown.py": "from .grown import *\n",
    "shop/covered.py": "def free(): pass\nfrom .naming import *\n",
    "shop/uncovered.py": "from .naming import *\ndef free(): pass\n",
    "shop/unsure.py": "def free(): pass\nfrom somewhere import *\n",
    "shop/round.py": "from .trip import *\n",
    "shop/trip.py": "from .round import *\ndef free(): pass\n",
    "shop/same.py": "from .naming import free\nfrom .handing import *\n",
    "shop/tried.py": "try:\n    from .naming import free\nexcept ImportError:\n    free = None\n",
    "shop/tested.py": "import sys\nif sys:\n    def free(): pass\n",
    "shop/twice.py": "def free(): pass\ndef free(): pass\n",
    "shop/shared.py": "def free(): pass\ndef change():\n    global free\n    free = None\n",
    "shop/by_text.py": "def free(): pass\nglobals()['free'] = print\n",
    "shop/by_module.py": "import sys\ndef free(): pass\nsetattr(sys.modules[__name__], 'free', print)\n",
    "shop/by_vars.py": "def free(): pass\nvars()['free'] = print\n",
    "shop/lazily.py": "def __getattr__(name): return print\n",
    "shop/deleted.py": "def free(): pass\ndel free\n",
    "shop/broken.py": "def free(:\n",
    "shop/itself.py": "from .itself import free\n",
    "shop/tools/__init__.py": "from .free import free\nfrom . import words\nfrom shop.naming import OPEN as lost\n",
    "shop/tools/free.py": "def free(): pass\n",
    "shop/tools/words.py": "OPEN = 'open'\n",
    "shop/tools/lost.py": "OPEN = 'open'\n",
    "shop/unpacked.py": "def make(): pass\nfree, other = make, 1\nfor gone in [make]: pass\n",
    "space/inner.py": "def free(): pass\n",
    "wide/__init__.py": "from shop.handing import *\n",
    "wide/naming.py": "def run(): pass\n",
    "statistics/__init__.py": "def mean(): pass\n",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "shop/migrations").mkdir()
    return folder


def module_of(root: Path, text: str) -> Module:
    def file_of(name: str) -> Path | None:
        path = root.joinpath(*name.split("."))
        found = (path.with_suffix(".py"), path / "__init__.py")
        return next((each for each in found if each.is_file()), None)

    files = Files()
    library = Library(files, file_of, lambda setting: None, Environment.of(root, files).module_file)
    return Module(Source.of(root / "shop/migrations/0002_fill.py", text.encode()), library)


def meaning(root: Path, imports: str, name: str) -> object:
    """Where the definition is and what it is, or the path of what is defined elsewhere."""
    module = module_of(root, f"{imports}\n{name}\n")
    path = module._path_here(ast.parse(name, mode="eval").body)
    found = module.library.definition(path, module) if path else None
    if isinstance(found, Foreign):
        return found.path
    if found is None:
        return None
    file = found.module.source.path.relative_to(root).as_posix()
    return (file, type(found.node).__name__, *found.rest)


FREE = ("shop/naming.py", "FunctionDef")
KNOWN = {
    "from shop.naming import free": ("free", FREE),
    "from shop.naming import free as x": ("x", FREE),
    "from ..naming import free": ("free", FREE),
    "from shop import naming": ("naming.free", FREE),
    "from .. import naming": ("naming.free", FREE),
    "import shop.naming": ("shop.naming.free", FREE),
    "import shop.naming as n": ("n.free", FREE),
    "from shop.naming import Names": ("Names", ("shop/naming.py", "ClassDef")),
    "from shop.naming import Names as N": ("N.first.last", ("shop/naming.py", "ClassDef", "first", "last")),
    "from shop.handing import AGAIN": ("AGAIN", ("shop/naming.py", "Constant")),
    "from shop.handing import free": ("free", FREE),
    "from shop.handing import other": ("other", FREE),
    "from shop.handing import deep": ("deep", FREE),
    "from shop.handing import whole": ("whole.free", FREE),
    "from shop import handing": ("handing.naming.free", FREE),
    "from shop.handing import shop": ("shop.naming.free", FREE),
    "from shop.handing import slugify": ("slugify", "django.utils.text.slugify"),
    "from shop.starred import free": ("free", FREE),
    "from shop.starred import slugify": ("slugify", "django.utils.text.slugify"),
    "from shop.of_listed import free": ("free", FREE),
    "from shop.same import free": ("free", FREE),
    "from shop.uncovered import free": ("free", ("shop/uncovered.py", "FunctionDef")),
    "from shop.tools import free": ("free", ("shop/tools/free.py", "FunctionDef")),
    "from shop.tools.free import free": ("free", ("shop/tools/free.py", "FunctionDef")),
    "from shop.tools import words": ("words.OPEN", ("shop/tools/words.py", "Constant")),
    "from shop.tools.lost import OPEN": ("OPEN", ("shop/tools/lost.py", "Constant")),
    "from shop.hidden import run": ("run", ("shop/hidden.py", "FunctionDef")),
    "from space.inner import free": ("free", ("space/inner.py", "FunctionDef")),
    "from shop.naming import *": ("free", FREE),
    "from django.utils import timezone": ("timezone.now", "django.utils.timezone.now"),
    "from nowhere import thing": ("thing", "nowhere.thing"),
}  # fmt: skip
UNKNOWN = {
    "from shop import hidden": "hidden.run",
    "from shop.naming import missing": "missing",
    "from shop.missing import free": "free",
    "from shop.handing import missing": "missing.free",
    "from shop.of_listed import OPEN": "OPEN",
    "from shop.covered import free": "free",
    "from shop.of_grown import free": "free",
    "from shop.unsure import free": "free",
    "from shop.round import free": "free",
    "from shop.tried import free": "free",
    "from shop.tested import free": "free",
    "from shop.twice import free": "free",
    "from shop.shared import free": "free",
    "from shop.by_text import free": "free",
    "from shop.by_module import free": "free",
    "from shop.by_vars import free": "free",
    "from shop.lazily import free": "free",
    "from shop.deleted import free": "free",
    "from shop.broken import free": "free",
    "from shop.itself import free": "free",
    "from shop.tools import lost": "lost.OPEN",
    "from statistics import mean": "mean",
    "from shop.unpacked import free": "free",
    "from shop.unpacked import gone": "gone",
    "from wide import naming": "naming.run",
    "from shop.of_two import mean": "mean",
    "from ..missing import free": "free",
    "from ........far import free": "free",
    "from shop.naming import *": "_private",
    "from shop.unsure import *": "free",
    "from shop.naming import free\nfrom somewhere import *": "free",
    "from shop.naming import free\nfree = 1": "free",
    "from shop.naming import free\nexec('free = 1')": "free",
    "from shop.naming import free\ndef f():\n    from shop.tools import free": "free",
}


@pytest.mark.parametrize(("imports", "name", "expected"), [(i, *e) for i, e in KNOWN.items()])
def test_a_name_is_followed_to_its_definition(root, imports, name, expected):
    assert meaning(root, imports, name) == expected


@pytest.mark.parametrize(("imports", "name"), UNKNOWN.items())
def test_a_name_that_may_be_something_else_is_not_known(root, imports, name):
    assert meaning(root, imports, name) is None


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("", "len", True),
        ("from shop.naming import *", "len", True),
        ("from shop.naming import free as len", "len", False),
        ("try:\n    from a import len\nexcept ImportError:\n    from b import len", "len", False),
        ("from nowhere import *", "len", False),
        ("exec('len = print')", "len", False),
        ("def f():\n    len = 1", "len", False),
    ],
)
def test_whether_a_name_is_one_of_python(root, text, name, expected):
    assert module_of(root, text).is_builtin(name) is expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("from shop import naming\nnaming.OPEN = 1", "shop.naming.OPEN", True),
        ("from shop import naming\ndel naming.OPEN", "shop.naming.OPEN", True),
        ("from shop import naming\nsetattr(naming, 'OPEN', 1)", "shop.naming.OPEN", True),
        ("from shop import naming\nnaming.Names.A = 1", "shop.naming.Names.A", True),
        ("from shop import naming\nnaming.CLOSED = 1", "shop.naming.OPEN", False),
    ],
)
def test_whether_the_file_gives_an_import_another_value(root, text, path, expected):
    assert module_of(root, text).sets(path) is expected


MODELS = """
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Model
from elsewhere import Mixin, wrap

PLAIN = models.Manager()

class Named:
    def shown(self): return 1

class Base(models.Model):
    class Meta:
        abstract = True

class Plain(Model):
    KINDS = ["a"]
    name = models.CharField(max_length=5, default="x", choices=[("a", "b")])
    data = models.JSONField(default=dict)
    objects = models.Manager()
    class Meta:
        ordering = ["name"]
    def __str__(self): return self.name
    @property
    def long(self): return self.name * 2

class Child(Named, Base):
    name: str = models.CharField(max_length=5)

class Saving(models.Model):
    def save(self, *a, **k): pass
class Making(Base):
    def __init__(self, *a, **k): pass
class OfMaking(Making): pass
class Private(models.Model):
    def _do_insert(self, *a): pass
class Managed(models.Model):
    objects = Mixin()
class Defaulted(models.Model):
    name = models.CharField(default=wrap)
class Shared(models.Model):
    name = models.CharField(**wrap)
class Metaclassed(models.Model, metaclass=wrap): pass
@wrap
class Decorated(models.Model): pass
class Mixed(Mixin, models.Model): pass
class Changed(models.Model): pass
Changed.save = wrap
class Running(models.Model):
    for x in []: pass
class Account(AbstractUser): pass
class Computed(models.Model):
    KINDS = [wrap()]
class Asking(models.Model):
    name = models.CharField(default=input)
class Hiding(models.Model):
    class save: pass

class Summary: pass
class Error(Exception): pass
class Foreign(Mixin): pass
class Round(Round): pass
class OfMeta(Plain.Meta): pass
"""
PLAIN = ["Plain", "Child", "Base"]
NOT_PLAIN = [
    *["Saving", "Making", "OfMaking", "Private", "Managed", "Defaulted", "Shared", "Metaclassed"],
    *["Decorated", "Mixed", "Changed", "Running", "Account", "Computed", "Asking", "Hiding"],
]
NONE = ["Summary", "Named", "Error", "Foreign", "Round", "OfMeta"]


def model(root: Path, name: str) -> Model | None:
    module = module_of(root, MODELS)
    node = next(n for n in module.tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return model_of(Definition(module, node))


@pytest.mark.parametrize("name", PLAIN)
def test_a_model_by_its_bases(root, name):
    assert model(root, name) == Model(None, real=True)


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_a_model_with_code_of_its_own(root, name):
    assert model(root, name) == Model(None, real=True, is_plain=False)


@pytest.mark.parametrize("name", NONE)
def test_a_class_that_is_no_model(root, name):
    assert model(root, name) is None
