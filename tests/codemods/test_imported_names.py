"""What migrations import from their project: functions, classes, constants, rows handed to them."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from migfix.disk.files import Files
from migfix.pipeline import run_source
from migfix.reading.vendored import helper_text
from migfix.settings import Settings
from tests.checking import ENDING, MODELS, PREAMBLE

NAMING = """
from .words import OPEN
def free(kind, wish):
    while kind.objects.filter(slug=wish).exists():
        wish += "-"
    return wish
def reopen(post):
    post.slug = OPEN
    post.save()
def shout(text):
    return text.upper()
def shown(post):
    return post.body
def named(post):
    return getattr(post, "note")
def formatted(post):
    return "{0.body}".format(post)
def known(post):
    return vars(post)
def kept(post, found=[]):
    found.append(post)
def lazily(post):
    yield post.body
def fill(attachment):
    attachment.name = attachment.post.body
def key_of(attachment):
    return attachment.post.pk
def fill_by_name(attachment):
    attachment.name = getattr(attachment, "post").body
def tell(author):
    return author.name
def log(tag, post):
    tag.objects.create(name=post.title)
def note(post):
    print(post.pk)
def remove(post):
    post.delete()
def tell_name(attachment):
    unknown(attachment.name)
def tell_all(attachment):
    unknown(attachment)
"""
CLASSES = """
from django.db import models
from .words import *
from .naming import *

class Tag(models.Model):
    name = models.CharField(max_length=50)

class Own(models.Model):
    def __init__(self, *args):
        super().__init__(*args)
        self.n = Tag.objects.count()

class Summary:
    def __init__(self, post):
        self.text = post.body

class Counter:
    @staticmethod
    def run(text):
        return Tag.objects.count()

counter = Counter()

def wrap(function):
    return lambda *args: Tag.objects.create()

@wrap
def wrapped(text): pass

def counted():
    return Tag.objects.filter(name="x").count()
"""
WORDS = """
from django.db import models
OPEN = "open"
FIELD = "body"
FORMAT = "{0.post.body}"
KINDS = ("open", "new")
ONE = 1
MANY = ["open"]

class State(models.TextChoices):
    OPEN = "open", "Open"

class Level(models.IntegerChoices):
    LOW = 1
"""
FILES = {
    "manage.py": "",
    "slugify.py": "def slugify(text): pass\n",
    "shop/__init__.py": "",
    "shop/words.py": WORDS,
    "shop/naming.py": NAMING,
    "shop/models/__init__.py": "from .classes import *\nfrom ..naming import free as first_free\n",
    "shop/models/classes.py": CLASSES.replace("from .", "from .."),
    "shop/text.py": "from django.utils.text import slugify\nfrom django.forms.models import model_to_dict\n",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": MODELS,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("imported")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def outcome_of(root):
    """What is said of the last loop of ``forwards`` with this body."""

    def outcome_of(imports, body, *select, unsafe=False):
        source = f"{imports}\n{PREAMBLE}{indent(dedent(body).strip(chr(10)), '    ')}\n{ENDING}"
        settings = Settings(
            select=frozenset(select), databases=frozenset({"postgresql"}), unsafe_fixes=unsafe
        )
        path = root / "shop" / "migrations" / "0002_fill.py"
        outcome = run_source(source.encode(), path, settings, rewrite=True)
        assert outcome.error is None, outcome.traceback or outcome.error
        return outcome.loops[-1]

    return outcome_of


def saving(value):
    return f"""
for post in Post.objects.all():
    post.slug = {value}
    post.save(update_fields=["slug"])
"""


PURE = [
    ("from shop.models import shout", "shout(post.title)"),
    ("from shop.models.classes import shout as s", "s(post.title)"),
    ("from shop import naming", "naming.shout(post.title)"),
    ("import shop.naming", "shop.naming.shout(post.title)"),
    ("from ..models import shout", "shout(post.title)"),
    ("from shop.text import slugify", "slugify(post.title)"),
    ("from shop import text", "text.slugify(post.title)"),
]
QUERYING = [
    ("from shop.models import free", "free(Post, post.title)", "query-in-body"),
    ("from shop.models import first_free", "first_free(Post, post.title)", "query-in-body"),
    ("from shop import models as m", "m.free(Post, post.title)", "query-in-body"),
    ("import shop.models", "shop.models.free(Post, post.title)", "query-in-body"),
    ("from shop.models import counted", "counted()", "query-in-body"),
    ("from shop.models import Tag as Real", "Real.objects.count()", "query-in-body"),
    ("from shop.models import *", "free(Post, post.title)", "query-in-body"),
    ("from shop.models import counter", "counter.run(post.title)", "unknown-call"),
    ("from shop.models import Counter", "Counter.run(post.title)", "unknown-call"),
    ("from shop.models import Summary", "Summary(post).text", "row-escapes"),
    ("from shop.models import Own", "Own(post.title).n", "unknown-call"),
    ("from shop.models import wrapped", "wrapped(post.title)", "unknown-call"),
    ("from shop.models import missing", "missing(post.title)", "unknown-call"),
    ("from elsewhere.models import thing", "thing(post.title)", "unknown-call"),
    ("from slugify import slugify", "slugify(post.title)", "unknown-call"),
    ("from shop.text import model_to_dict", "model_to_dict(post)", "row-escapes"),
    ("from django.forms.models import model_to_dict", "model_to_dict(post)", "row-escapes"),
    ("from django.contrib.auth.models import User", "User(post.title).pk", "unknown-call"),
    ("from nowhere import *", "str(post.title)", "unknown-call"),
]


@pytest.mark.parametrize(("imports", "value"), PURE)
def test_saves_wait_beside_a_function_that_only_computes(imports, value, outcome_of):
    loop = outcome_of(imports, saving(value), "MF301")
    assert loop.batched, loop.reason


@pytest.mark.parametrize(("imports", "value", "reason"), QUERYING)
def test_saves_do_not_wait_beside_what_may_look_for_them(imports, value, reason, outcome_of):
    assert outcome_of(imports, saving(value), "MF301").blocked_by == reason


CREATING = """
for post in Post.objects.all():
    Tag.objects.create(name={})
"""


@pytest.mark.parametrize(("imports", "value"), PURE)
def test_new_rows_wait_beside_a_function_that_only_computes(imports, value, outcome_of):
    loop = outcome_of(imports, CREATING.format(value), "MF302")
    assert loop.changed, loop.reason


@pytest.mark.parametrize(
    ("imports", "value", "reason"), [each for each in QUERYING if "(post)" not in each[1]]
)
def test_new_rows_do_not_wait_beside_what_may_look_for_them(imports, value, reason, outcome_of):
    value = value.replace("free(Post", "free(Tag")
    assert outcome_of(imports, CREATING.format(value), "MF302").blocked_by == reason


def test_a_row_that_a_function_makes_does_not_wait(outcome_of):
    body = "for post in Post.objects.all():\n    log(Tag, post)\n    Tag.objects.create(name='x')"
    loop = outcome_of("from shop.naming import log", body, "MF302")
    assert loop.blocked_by == "query-in-body"


def test_a_function_that_makes_rows_of_another_table(outcome_of):
    body = (
        "for post in Post.objects.all():\n    log(Tag, post)\n    post.slug = 'x'\n    post.save()"
    )
    loop = outcome_of("from shop.naming import log", body, "MF201", "MF301")
    assert loop.batched
    assert loop.only == ("title", "slug")


def calling(call):
    return f"for post in Post.objects.all():\n    x = {call}\n    y = post.title"


@pytest.mark.parametrize(
    ("imports", "call", "only"),
    [
        ("from shop.models import shown", "shown(post)", ("body", "title")),
        ("from shop.models import shown", "shown(post=post)", ("body", "title")),
        ("from shop.models import named", "named(post)", ("note", "title")),
        ("from shop import models as m", "m.shown(post)", ("body", "title")),
        ("from shop.models import note", "note(post)", ("title",)),
        ("from shop.words import FIELD", "getattr(post, FIELD)", ("body", "title")),
        ("from shop import words", "getattr(post, words.FIELD)", ("body", "title")),
        ("from shop.models import Tag as Real", "Real(name=post.slug)", ("slug", "title")),
    ],
)
def test_the_columns_that_a_function_reads_are_loaded(imports, call, only, outcome_of):
    loop = outcome_of(imports, calling(call), "MF201")
    assert loop.only == only, loop.reason


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from shop.models import formatted", "formatted(post)"),
        ("from shop.models import known", "known(post)"),
        ("from shop.models import kept", "kept(post)"),
        ("from shop.models import lazily", "lazily(post)"),
        ("from shop.models import wrapped", "wrapped(post)"),
        ("from shop.models import Summary", "Summary(post)"),
        ("from shop.models import counter", "counter.run(post)"),
        ("from shop.models import Own", "Own(post)"),
        ("from shop.words import FORMAT", "FORMAT.format(post)"),
        ("from shop.words import MANY", "getattr(post, MANY)"),
        ("from shop.words import missing", "getattr(post, missing)"),
        ("from shop import words\nwords.FIELD = 'note'", "getattr(post, words.FIELD)"),
        ("from operator import attrgetter", "attrgetter('body')(post)"),
    ],
)
def test_code_that_may_read_any_column_gets_them_all(imports, call, outcome_of):
    assert outcome_of(imports, calling(call), "MF201").blocked_by == "row-escapes"


def test_a_class_with_code_of_its_own_may_read_any_column_when_it_is_made(outcome_of):
    loop = outcome_of("from shop.models import Own", calling("Own(post)"), "MF201")
    assert "line 13 may read any column: `x = Own(post)`" in loop.reason


def test_a_row_that_a_function_saves(outcome_of):
    body = "for row in Stamped.objects.all():\n    if row.name:\n        reopen(row)"
    loop = outcome_of("from shop.models import reopen", body, "MF201", "MF301")
    assert not loop.batched
    assert loop.only is None
    alone = outcome_of("from shop.models import reopen", body, "MF301")
    assert alone.reason == (
        "the row is saved by a function, on line 9 of shop/naming.py, of another module, which may change"
    )


LINKED = """
for post in Post.objects.all():
    attachment = Attachment(post=post, name=post.title)
    {}
    attachment.save()
"""


def test_a_row_that_is_known_by_a_new_one_and_read_by_its_key(outcome_of):
    loop = outcome_of(
        "from shop.naming import key_of", LINKED.format("key_of(attachment)"), "MF201"
    )
    assert loop.only == ("title",), loop.reason


@pytest.mark.parametrize(
    ("imports", "call", "message"),
    [
        (
            "from shop.models import fill",
            "fill(attachment)",
            "line 25 of shop/naming.py may read any column through `post`",
        ),
        (
            "from shop.models import fill_by_name",
            "fill_by_name(attachment)",
            "line 29 of shop/naming.py may read any column through the text for `post`",
        ),
        (
            "from shop.words import FORMAT",
            "x = FORMAT.format(attachment)",
            "line 14 may read any column through the text for `post`",
        ),
        (
            "from shop.words import missing",
            "x = missing.format(attachment)",
            "line 14 may read any column through a name in a text",
        ),
        (
            "from operator import attrgetter",
            "x = attrgetter('post.body')(attachment)",
            "line 14 may read any column through the text for `post`",
        ),
        (
            "from operator import methodcaller",
            "x = methodcaller('post')(attachment)",
            "line 14 may read any column through the text for `post`",
        ),
        (
            "from shop.words import missing",
            "x = missing.format_map({'a': attachment})",
            "line 14 may read any column through a name in a text",
        ),
        (
            "from shop.words import missing",
            "x = missing.vformat([attachment], {})",
            "line 14 may read any column through a name in a text",
        ),
        (
            "from shop.words import missing",
            "x = missing.format(a=attachment)",
            "line 14 may read any column through a name in a text",
        ),
        (
            "from shop.words import missing",
            "x = missing.format(attachment.post)",
            "may read any column through",
        ),
        (
            "from shop.words import missing",
            "x = list(map(missing.format, [attachment]))",
            "line 14 may read any column through a name in a text",
        ),
        (
            "from shop.words import missing",
            "x = '{0.name:{0.post}}'.format(attachment)",
            "line 14 may read any column through the text for `post`",
        ),
        (
            "from shop.words import missing",
            "delattr(attachment, 'post')",
            "line 14 may read any column through the text for `post`",
        ),
        (
            "from shop.words import missing",
            "x = map(getattr, [attachment], ['post'])",
            "line 14 may read any column through a name in a text",
        ),
        (
            "from functools import reduce",
            "x = reduce(getattr, ['post', 'body'], attachment)",
            "line 14 may read any column through a name in a text",
        ),
        (
            "from shop.models import wrapped",
            "wrapped(attachment)",
            "line 14 may hand rows that know this one to code that is not known",
        ),
    ],
)
def test_a_row_that_is_known_by_a_new_one_and_may_be_read_there(imports, call, message, outcome_of):
    loop = outcome_of(imports, LINKED.format(call), "MF201")
    assert loop.blocked_by == "row-escapes"
    assert message in loop.reason


@pytest.mark.parametrize(
    "given",
    [
        "'a'",
        "f'{1}'",
        "name='a'",
        "str(attachment)",
        "repr(attachment)",
        "len(attachment.name)",
        "int('1')",
        "post.title",
    ],
)
def test_a_format_that_is_not_known_reads_no_row_of_texts_and_numbers(given, outcome_of):
    body = LINKED.format(f"x = missing.format({given})")
    assert outcome_of("from shop.words import missing", body, "MF201").only == ("title",)


OTHER = "def other(a, b):\n    {}\n"


@pytest.mark.parametrize(
    "line", ["a.post = b", "return a.post.id", "return a.post.pk", "return a.post is None"]
)
def test_code_of_the_file_that_does_not_read_the_row(line, outcome_of):
    body = LINKED.format("pass")
    assert outcome_of(OTHER.format(line), body, "MF201").only == ("title",)


@pytest.mark.parametrize("line", ["return a.post.body", "a.post.pk = b", "return a.post"])
def test_code_of_the_file_that_may_read_the_row(line, outcome_of):
    loop = outcome_of(OTHER.format(line), LINKED.format("pass"), "MF201")
    assert loop.blocked_by == "row-escapes"
    assert "line 2 may read any column through `post`" in loop.reason


MAKE = "from shop.models import wrapped\ndef make(model, post, name):\n    return model(post=post, name=name)\n"
MAKING = """
for post in Post.objects.all():
    attachment = {}
    {}
    attachment.save()
"""


@pytest.mark.parametrize("given", ["post, post.title", "name=post.title, post=post"])
def test_a_new_row_that_a_function_makes(given, outcome_of):
    call = f"make(Attachment, {given})"
    assert outcome_of(MAKE, MAKING.format(call, "wrapped(post.title)"), "MF201").only == ("title",)
    loop = outcome_of(MAKE, MAKING.format(call, "wrapped(attachment)"), "MF201")
    assert "may hand rows that know this one to code that is not known" in loop.reason


def test_a_function_that_gives_unknown_code_a_new_row_or_a_value_of_it(outcome_of):
    imports = "from shop.naming import tell_all, tell_name"
    assert outcome_of(imports, LINKED.format("tell_name(attachment)"), "MF201").only == ("title",)
    loop = outcome_of(imports, LINKED.format("tell_all(attachment)"), "MF201")
    assert loop.blocked_by == "row-escapes"


def test_a_value_may_be_given_to_unknown_code_beside_a_new_row(outcome_of):
    body = LINKED.format("wrapped(post.title)")
    assert outcome_of("from shop.models import wrapped", body, "MF201").only == ("title",)


@pytest.mark.parametrize(
    "statements",
    [
        "x = {'name': attachment.name}; wrapped(x)",
        "x = [attachment.name.upper(), attachment.pk]; wrapped(x[0])",
        "x = sorted({attachment.name}); wrapped(x)",
        "found = {attachment.pk: attachment}; x = str(found); wrapped(x)",
        "x = [1]; x.append(attachment.name); wrapped(x)",
        "x = Tag.objects.filter(pk=attachment.pk); wrapped(x)",
        "x = Tag.objects.all()[thing:]",
        "x = [y for y in thing]",
    ],
)
def test_what_is_made_of_a_new_row_s_values_may_be_given_to_unknown_code(statements, outcome_of):
    body = LINKED.format(statements.replace("; ", "\n    "))
    assert outcome_of("from shop.models import wrapped", body, "MF201").only == ("title",)


@pytest.mark.parametrize(
    "statements",
    [
        "x = {'name': attachment}; wrapped(x)",
        "x = [attachment.name, [attachment]]; wrapped(x[0])",
        "x = ValueError(attachment); wrapped(x)",
        "x = ValueError(attachment); wrapped(x.args)",
        "x = ValueError(attachment).args; wrapped(x)",
        "x = ValueError(attachment).args; y = (x,); wrapped(y)",
        "x = slice(attachment); wrapped(x)",
        "x = attachment.file; wrapped(x)",
        "x = attachment.file or ''; wrapped(x)",
        "attachment.name = attachment; wrapped(attachment.name)",
        "attachment.name = attachment; x = attachment.name; wrapped(x)",
        "attachment.name = [attachment]; x = attachment.name; wrapped(x)",
        "setattr(attachment, 'name', attachment); x = attachment.name; wrapped(x)",
        "x = attachment.name or attachment; wrapped(x)",
        "x = attachment.name; x = attachment; wrapped(x)",
        "x = thing or attachment; y = [z for z in x]",
        "x = thing or attachment; y = Tag.objects.all()[x:]",
        "x: object = attachment; wrapped(x)",
        "x = []; x += [attachment]; wrapped(x)",
        "print(x := attachment); wrapped(x)",
        "for x in [attachment]: pass; wrapped(x)",
        "x = [y for y in [attachment]]; wrapped(x)",
        "wrapped([y for y in [attachment]])",
        "with attachment as x: wrapped(x)",
        "x = []; x.append(attachment); wrapped(x)",
        "x = {}; x.update(a=attachment); wrapped(x)",
    ],
)
def test_what_may_hold_a_new_row_is_not_given_to_unknown_code(statements, outcome_of):
    body = LINKED.format(statements.replace("; ", "\n    "))
    loop = outcome_of("from shop.models import wrapped", body, "MF201")
    assert loop.blocked_by == "row-escapes"
    assert "may hand rows that know this one to code that is not known" in loop.reason


@pytest.mark.parametrize(
    "call",
    [
        "min(rows, key=attrgetter('post.votes'))",
        "min(rows, key=attrgetter(words.BY))",
        "list(map(getattr, rows, ['post']))",
        "words.FORMAT.format(rows[0])",
    ],
)
def test_saves_do_not_wait_beside_attributes_that_texts_name(call, outcome_of):
    imports = "from operator import attrgetter\nfrom shop import words"
    before = "rows = [row for row in Attachment.objects.all()]\n"
    body = before + saving("post.title") + f"    x = {call}\n"
    loop = outcome_of(imports, body, "MF301")
    assert loop.blocked_by == "query-in-body", loop.reason


def test_the_row_behind_a_link_that_is_handed_on(outcome_of):
    body = """
for post in Post.objects.select_related("author").order_by("pk"):
    x = tell(post.author)
"""
    loop = outcome_of("from shop.naming import tell", body, "MF201")
    assert loop.only == ("author", "author__name")


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("from shop.words import OPEN", "OPEN"),
        ("from shop.models import OPEN", "OPEN"),
        ("from shop import models as m", "m.OPEN"),
        ("from shop.models import State", "State.OPEN"),
        ("from shop import models as m", "m.State.OPEN.value"),
        ("from shop.models import *", "OPEN"),
    ],
)
def test_a_constant_is_its_value(imports, value, outcome_of):
    assert outcome_of(imports, saving(value), "MF101").changed
    body = f"""
for post in Post.objects.all():
    if post.title == {value}:
        post.slug = "x"
        post.save(update_fields=["slug"])
"""
    assert outcome_of(imports, body, "MF101").changed


def test_a_function_of_the_project_that_looks_for_waiting_rows_is_named_with_its_file(outcome_of):
    loop = outcome_of(
        "from operator import attrgetter\nfrom shop.naming import fill",
        saving("fill(Attachment.objects.get(pk=1))"),
        "MF301",
    )
    assert "of shop/naming.py" in loop.reason


def loops_beside(files, imports, body, code, root):
    """What is said of the loops of a migration in a project of its own with these files."""
    files = {
        "manage.py": b"",
        "shop/__init__.py": b"",
        "shop/migrations/0001_initial.py": MODELS.encode(),
        **files,
    }
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    text = indent(body.strip("\n"), "    ")
    source = f"{imports}\n{PREAMBLE}{text}\n{ENDING}".encode()
    settings = Settings(select=frozenset({code}), databases=frozenset({"sqlite"}))
    path = root / "shop" / "migrations" / "0002_fill.py"
    return run_source(source, path, settings, rewrite=False).loops


BESIDE_THE_HELPER = """
for tag in stream(Tag.objects.all()):
    print(tag.name)
for author in Person.objects.all():
    for found in author.posts.all():
        print(found.slug)
    print(author.name)
"""


@pytest.mark.parametrize(
    ("change", "only"),
    [(lambda data: data, ("name",)), (lambda data: data + b"\nmine = 1\n", None)],
)
def test_the_helper_reads_no_row_by_a_name(change, only, tmp_path):
    helper = helper_text(frozenset({"stream"}), Files())
    files = {"shop/migrations/_migfix.py": change(helper)}
    loops = loops_beside(files, "from ._migfix import stream", BESIDE_THE_HELPER, "MF201", tmp_path)
    (loop,) = [each for each in loops if each.model == "shop.Person"]
    assert loop.only == only, loop.reason


MARKING = """
import elsewhere
MADE = [elsewhere.Counter()]
def made():
    return MADE
def mark(post, value):
    post.note = value
    print(post.note)
"""
MARKED = """
for post in Post.objects.filter(kind=9):
    mark(post, "x")
for post in Post.objects.all():
    mark(post, {})
    post.note = "z"
    post.slug = post.slug.title()
    post.save()
"""


@pytest.mark.parametrize(("given", "batched"), [("made()[0]", False), ("'y'", True)])
def test_what_one_call_is_given_is_not_what_another_is(given, batched, tmp_path):
    files = {"shop/marking.py": MARKING.encode()}
    imports = "from shop.marking import made, mark"
    *_, loop = loops_beside(files, imports, MARKED.format(given), "MF301", tmp_path)
    assert loop.batched == batched, loop.reason
