"""Code of objects that are not known runs by their methods, by operators and where it was put off."""

from __future__ import annotations

from textwrap import indent

import pytest

from migfix.findings import LoopOutcome
from tests.checking import ENDING, EVERYWHERE, PREAMBLE, outcome_of

CLASSES = """
class Fixer:
    def __init__(self, model=None):
        self.model = model

    def pop(self, *args):
        self.model.objects.update(note="")

    all = get = append = items = count = strip = __getitem__ = __contains__ = __call__ = __format__ = pop
    __eq__ = __add__ = __iter__ = __bool__ = __enter__ = __exit__ = __delitem__ = __setitem__ = pop

    @property
    def total(self):
        self.pop()


def generate(model):
    for number in range(10):
        model.objects.update(note="")
        yield number


def numbers():
    yield 1


KEPT = []


def keep(rows):
    KEPT.append(rows)


def keep_in(rows, kept=[]):
    kept.append(rows)
    return kept


def hand(thing):
    return thing


def empty(rows):
    rows.update(note="")


def call(function):
    function()

"""
SAVED = "post.slug = post.title.lower()\npost.save()\n"


def looked_at(line: str, before: str = "", after: str = "") -> LoopOutcome:
    """What becomes of a loop whose body holds the line, with all codemods on all databases."""
    body = f"{before}\nfor post in Post.objects.all():\n{indent(f'{line}{chr(10)}{SAVED}', '    ')}{after}"
    source = PREAMBLE.replace(
        "\n\n\ndef forwards",
        f"\nimport functools, itertools, operator, json, re, weird\nfrom collections import Counter, defaultdict\n{CLASSES}\n\ndef forwards",
    )
    outcome = outcome_of(source + indent(body, "    ") + ENDING, databases=EVERYWHERE)
    return outcome.loops[-1]


OBJECTS = [
    "fixer.pop(post.pk)",
    "fixer.all()",
    "fixer.get(1)",
    "fixer.append(post.pk)",
    "fixer.items()",
    "fixer.count()",
    "fixer.strip()",
    "fixer[post.pk]",
    "fixer[post.pk] = 1",
    "del fixer[post.pk]",
    "fixer.total",
    "fixer.total = 1",
    "post.pk in fixer",
    "fixer == 1",
    "fixer + 1",
    "1 + fixer",
    "fixer += 1",
    'f"{fixer}"',
    '"%s" % fixer',
    '"%s %s" % (post.pk, fixer)',
    '"{}".format(fixer)',
    "str(fixer)",
    "print(fixer)",
    "len(fixer)",
    "bool(fixer)",
    "list(fixer)",
    "sorted([fixer, fixer])",
    "max(fixer, fixer)",
    "sum([fixer])",
    "set([fixer])",
    "{fixer: 1}",
    "{fixer}",
    "a, b = fixer",
    "[*fixer]",
    "print(*fixer)",
    "dict(**fixer)",
    "for each in fixer:\n    pass",
    "[each for each in fixer]",
    "if fixer:\n    pass",
    "x = 1 if fixer else 2",
    "while fixer:\n    break",
    "assert fixer",
    "not fixer",
    "fixer and 1",
    "with fixer:\n    pass",
    "match fixer:\n    case 1:\n        pass",
    "getattr(fixer, 'total')",
    "hasattr(fixer, 'total')",
    "setattr(fixer, 'total', 1)",
    "isinstance(post, Fixer) or fixer.pop()",
    "{1: fixer}[1].pop()",
    "[fixer][0].append(1)",
    "dict(a=fixer)['a'].get(1)",
    "things[0].pop()",
    "things[0][1]",
    "for each in things:\n    each.append(1)",
    "named['a'].items()",
    "named.get('a').items()",
    "(fixer if post.live else {}).get(1)",
    "(fixer or {}).get(1)",
    "json.dumps({'a': fixer})",
    "re.sub('a', fixer, post.title)",
    "Tag.objects.filter(name=fixer).count()",
    "Tag.objects.create(name=fixer)",
    "map_of[fixer]",
    "map_of.get(fixer)",
    "int(fixer)",
    "post.title.replace(fixer, 'a')",
    "post.title.join(fixer)",
    "class Inner(fixer):\n    pass",
    "@fixer\ndef inner():\n    pass",
    "def inner(a=fixer[1]):\n    pass",
    "lambda: fixer[1]",
    "post.title == fixer",
    "post.title < fixer",
    "-fixer",
    "{fixer for _ in '1'}",
    "{fixer: 1 for _ in '1'}",
    "[x for x in '12' if fixer]",
    "{1: 2, **fixer}",
    "if post.kind and fixer:\n    pass",
    "sorted(x for x in things)",
    "post.title[fixer:]",
    "Fixer[1]",
    "for a, b in things:\n    pass",
    "(a, b), c = fixer, 1",
    "match post.kind:\n    case Fixer():\n        pass",
    "match post.kind:\n    case weird.Thing():\n        pass",
    "x = weird.VALUE",
    "x = Post.save",
    "x = Post.objects.total",
    "x = schema_editor.collected",
    "x = apps.all_models",
    "print(1, file=fixer)",
    "print(*things)",
    "range(fixer)",
    "getattr(Fixer, 'total')",
    "list(map(len, fixer))",
    "list(map(str, things))",
    "list(filter(None, things))",
    "'{a}'.format(a=fixer)",
    "re.sub('a', Fixer.pop, 'a')",
    "things.sort()",
    "things.count(1)",
    "things.index(1)",
    "things.remove(1)",
    "(fixer,).index(1)",
    "re.sub('a', Fixer, 'a')",
    "list(map(eval, ['1']))",
    "+fixer",
    "~fixer",
    "x += things",
    "[a, b] = fixer",
    "@fixer\nasync def inner():\n    pass",
    "async def inner():\n    pass",
    "if x := fixer:\n    pass",
    "x = things[0] if post.live and fixer else 1",
    "x = schema_editor.connection.queries",
    "x = Post.objects._db",
    "x = str.mro",
    "x = post.title.mro",
    "sorted([1, 2], key=str.mro)",
    "setattr(Post, 'save', print)",
    "delattr(Post, 'save')",
    "getattr()",
    "list(map())",
    "(x for x in '12')[0]",
    "models.F('kind')[1]",
    *(
        f"x = Post.{name}"
        for name in "delete save_base refresh_from_db full_clean clean clean_fields validate_unique "
        "validate_constraints serializable_value asave adelete arefresh_from_db".split()
    ),
]


@pytest.mark.parametrize("line", OBJECTS)
def test_objects_that_are_not_known(line):
    before = "fixer = Fixer(Post)\nthings = [fixer]\nnamed = {'a': fixer}\nmap_of = {1: 2}"
    found = looked_at(line, before)
    assert not {"MF101", "MF201", "MF301"} & {*found.codes}, found


PUT_OFF = [
    ("next(fixes)", "fixes = generate(Post)"),
    ("next(fixes)", "fixes = (Post.objects.update(note='') for _ in range(9))"),
    ("next(fixes)", "fixes = map(Fixer(Post).pop, range(9))"),
    ("next(fixes)", "fixes = map(lambda n: Post.objects.update(note=''), range(9))"),
    ("next(fixes)", "fixes = filter(lambda n: Post.objects.update(note=''), range(9))"),
    ("next(fixes)", "fixes = zip(generate(Post), range(9))"),
    ("next(fixes)", "fixes = iter(generate(Post))"),
    ("next(fixes)", "fixes = enumerate(generate(Post))"),
    ("next(fixes)", "fixes = itertools.islice(generate(Post), 5)"),
    ("next(fixes)", "fixes = itertools.chain(generate(Post))"),
    ("next(fixes)", "fixes = iter(Post.objects.count, -1)"),
    ("next(fixes, None)", "fixes = generate(Post)"),
    ("for each in fixes:\n    break", "fixes = generate(Post)"),
    ("list(fixes)", "fixes = generate(Post)"),
    ("a, *b = fixes", "fixes = generate(Post)"),
    ("1 in fixes", "fixes = generate(Post)"),
    ("sum(fixes)", "fixes = generate(Post)"),
    ("dict(zip([1], fixes))", "fixes = generate(Post)"),
    ("fixes.send(None)", "fixes = generate(Post)"),
    ("next(kept[0])", "kept = [generate(Post)]"),
    ("next(kept['a'])", "kept = dict(a=generate(Post))"),
    ("list(next(iter(kept)))", "kept = [generate(Post)]"),
    ("next(other)", "fixes = generate(Post)\nother = fixes"),
    ("f()", "f = lambda: Post.objects.update(note='')"),
    ("f()", "f = functools.partial(empty, Post.objects)"),
    ("call(f)", "f = functools.partial(empty, Post.objects)"),
    ("call(Post.objects.count)", ""),
    ("list(map(Post.save, others))", "others = list(Post.objects.all())"),
    ("list(map(operator.methodcaller('save'), others))", "others = list(Post.objects.all())"),
    ("[f(each) for each in others]", "f = Post.save\nothers = list(Post.objects.all())"),
    ("save()", "other = Post.objects.first()\nsave = other.save"),
    ("kept['save']()", "other = Post.objects.first()\nkept = {'save': other.save}"),
    ("sorted([1, 2], key=f)", "f = Fixer(Post).pop"),
    ("max([1, 2], key=Fixer(Post).pop)", ""),
    ("[1, 2].sort(key=Fixer(Post).pop)", ""),
    ("counts[post.pk]", "counts = defaultdict(Post.objects.count)"),
    ("counts[post.pk]", "counts = defaultdict(lambda: Post.objects.count())"),
    ("counts[post.pk]", "counts = defaultdict(Fixer(Post).pop)"),
    ("functools.reduce(Fixer(Post).pop, [1, 2])", ""),
    ("getattr(others[0], 'save')()", "others = list(Post.objects.all())"),
    (
        "[rows.update(note='') for rows in managers]",
        "rows = []\nmanagers = [a.posts for a in Person.objects.all()]",
    ),
    ("[each.save() for each in others]", "others = list(Post.objects.all())"),
    ("(lambda other: other.save())(others[0])", "others = list(Post.objects.all())"),
    ("list(map(str.strip, [1]))", "str = Fixer(Post)"),
    ("next(rows)", "rows = Post.objects.iterator()"),
    ("[1, 2].sort(key=f)", "f = Fixer(Post).pop"),
    ("list(map(f, [1]))", "f = Fixer(Post).pop"),
    ("list(map(str, [1]))", "str = Fixer(Post)"),
    ("x = tag.save", "tag = Tag.objects.first()"),
    ("x = Real.total", "from shop.models import Tag as Real"),
    ("x = made.total", "made = Tag.objects.get_or_create(name='a')"),
    ("x += things", "things = [Fixer(Post)]\nx = models.F('kind')"),
    ("post.note = str(len(connection.queries))", "from django.db import connection"),
    ("x = connection.connection.total_changes", "from django.db import connection"),
]


@pytest.mark.parametrize(("line", "before"), PUT_OFF)
def test_code_that_was_put_off(line, before):
    found = looked_at(line, before)
    assert not {"MF101", "MF201", "MF301"} & {*found.codes}, found


KEPT = [
    ("len(state['hot'])", "state = dict(hot=Post.objects.filter(kind=1))"),
    ("len(state['hot'])", "state = {}\nstate.update(hot=Post.objects.filter(kind=1))"),
    ("len(state['hot'])", "state = {}\nstate.setdefault('hot', Post.objects.filter(kind=1))"),
    ("len(state['hot'])", "state = {}\nstate |= {'hot': Post.objects.filter(kind=1)}"),
    (
        "len(state['a']['hot'])",
        "state = {'a': {}}\nstate['a']['hot'] = Post.objects.filter(kind=1)",
    ),
    ("len(state[0])", "state = []\nstate.append(Post.objects.filter(kind=1))"),
    ("len(state[0])", "state = []\nstate.extend([Post.objects.filter(kind=1)])"),
    ("len(state[0])", "state = []\nstate += [Post.objects.filter(kind=1)]"),
    ("len(state[0])", "state = []\nstate.insert(0, Post.objects.filter(kind=1))"),
    ("len(state[0])", "state = []\nother = state\nother.append(Post.objects.filter(kind=1))"),
    ("len(state[0])", "state = (Post.objects.filter(kind=1), 1)"),
    ("len(KEPT[0])", "keep(Post.objects.filter(kind=1))"),
    ("len(KEPT[0])", "KEPT.append(Post.objects.filter(kind=1))"),
    ("len(kept[0])", "kept = keep_in(Post.objects.filter(kind=1))"),
    ("for rows in state:\n    len(rows)", "state = [Post.objects.filter(kind=1)]"),
    ("for _, rows in state.items():\n    len(rows)", "state = {'a': Post.objects.filter(kind=1)}"),
    ("[len(rows) for rows in state.values()]", "state = {'a': Post.objects.filter(kind=1)}"),
    ("len(hot)", "hot, cold = Post.objects.filter(kind=1), 1"),
    ("len(hot)", "(hot, cold), x = (Post.objects.filter(kind=1), 1), 2"),
    ("len(holder.hot)", "holder = Fixer()\nholder.hot = Post.objects.filter(kind=1)"),
    (
        "len(author.hot)",
        "author = Person.objects.first()\nauthor.hot = Post.objects.filter(kind=1)",
    ),
    (
        "len(author.name)",
        "author = Person.objects.first()\nauthor.name = Post.objects.filter(kind=1)",
    ),
    (
        "token.data['hot'].count()",
        "token = Token.objects.first()\ntoken.data['hot'] = Post.objects.filter(kind=1)",
    ),
    ("len(data['hot'])", "data = json.loads('{}')\ndata['hot'] = Post.objects.filter(kind=1)"),
    ("len(max(state, key=len))", "state = [Post.objects.filter(kind=1)]"),
    ("len(state.copy()['a'])", "state = {'a': Post.objects.filter(kind=1)}"),
    ("len(dict(state)['a'])", "state = {'a': Post.objects.filter(kind=1)}"),
    ("len({**state}['a'])", "state = {'a': Post.objects.filter(kind=1)}"),
    ("len([*state][0])", "state = [Post.objects.filter(kind=1)]"),
    ("len((state + [])[0])", "state = [Post.objects.filter(kind=1)]"),
    ("len(list(state)[0])", "state = [Post.objects.filter(kind=1)]"),
    ("len(state.pop())", "state = [Post.objects.filter(kind=1)]"),
    ("len(next(iter(state)))", "state = [Post.objects.filter(kind=1)]"),
    ("len(state['hot'])", "state = {}\nstate.update([('hot', Post.objects.filter(kind=1))])"),
    ("len(dict([('a', hot)])['a'])", "hot = Post.objects.filter(kind=1)"),
    ("len(getattr(post, 'title', hot))", "hot = Post.objects.filter(kind=1)"),
    ("len(min(1, hot, key=id))", "hot = Post.objects.filter(kind=1)"),
    ("len(state[0])", "state = []\nweird.fill(state)"),
    ("len(state[0])", "state = []\nweird.fill(rows=state)"),
    ("len(state[0])", "state = []\nclass Inner(weird.Base, rows=state):\n    pass"),
]


@pytest.mark.parametrize(("line", "before"), KEPT)
def test_queries_that_something_keeps(line, before):
    found = looked_at(line, before)
    assert "MF301" not in found.codes, found


KNOWN = [
    ("counts[post.kind] += 1", "counts = Counter()"),
    ("counts[post.kind] += 1", "counts = defaultdict(int)"),
    (
        "groups[post.kind].append(post.title)\nprint(len(groups[post.kind]))",
        "groups = defaultdict(list)",
    ),
    ("groups.setdefault(post.kind, []).append(post.title)", "groups = {}"),
    ("x = words[0].upper() if words else ''", "words = 'a b'.split()"),
    ("seen.add(post.title)\nprint(post.title in seen)", "seen = set()"),
    ("match = re.match('a', post.title)\nx = match.group(1).lower() if match else ''", ""),
    ("x = re.sub('a', lambda found: found.group(0).upper(), post.title)", ""),
    (
        "x = json.loads(post.body)\ny = x['a'].get('b', [])\nfor z in y:\n    print(z['c'].lower())",
        "",
    ),
    ("x = names.get(post.kind, '').strip()", "names = {1: 'a'}"),
    ("x = names[post.author_id].name", "names = {p.pk: p for p in Person.objects.all()}"),
    ("x = [each.name.lower() for each in people]", "people = [p for p in Person.objects.all()]"),
    (
        "for name, age in people:\n    print(name.lower(), age + 1)",
        "people = [(p.name, p.age) for p in Person.objects.all()]",
    ),
    (
        "for pk, person in people.items():\n    print(pk, person.name)",
        "people = {p.pk: p for p in Person.objects.all()}",
    ),
    (
        "x = sorted(people, key=lambda each: each.age)[0].name",
        "people = [p for p in Person.objects.all()]",
    ),
    ("x = sum(n for n in [1, 2, post.kind])", ""),
    ("x = ', '.join(word.capitalize() for word in post.title.split())", ""),
    ("x = list(map(str.lower, post.title.split()))", ""),
    ("x = list(map(int, '1 2'.split()))", ""),
    ("x = list(filter(None, post.title.split()))", ""),
    ("x = [word for word in post.title.split() if word]", ""),
    ("print(*post.title.split())", ""),
    ("for n in range(post.kind):\n    print(n)", ""),
    ("x = post.title.split()\nprint(x.index('a'), x.count('b'))\nx.remove('c')", ""),
    ("for a, b in zip(post.title, post.slug):\n    print(a + b)", ""),
    ("for n, letter in enumerate(post.title):\n    print(n + 1, letter.upper())", ""),
    ("x = next(iter([1, 2]), None)\nif x:\n    print(x)", ""),
    ("total += len(post.title)", "total = 0"),
    ("x = post.when.strftime('%Y') if post.when else ''", ""),
    ("x = 1\nx = x + 1\nprint(x)", ""),
    ("x = post.author.name.title() if post.author else ''", ""),
    ("try:\n    x = int(post.title)\nexcept ValueError as error:\n    print(error)", ""),
    ("kept.append(post.title)\nprint(kept[-1].lower())", "kept = []"),
    ("x = {**{'a': 1}, 'b': post.title}\nprint(x['b'])", ""),
    ("call_me = str.lower\nx = post.title", ""),
    ("while post.kind in taken:\n    post.kind += 1\ntaken.add(post.kind)", "taken = set()"),
    ("x = '%s-%d' % (post.title, post.pk)", ""),
    ("x = post.title[:5] + post.slug[-1]", ""),
    ("match post.kind:\n    case 1 | 2:\n        print(1)\n    case _:\n        print(2)", ""),
    ("match post.kind:\n    case int() | str():\n        pass", ""),
    ("x = {*post.title.split()}", ""),
    ("x = list(itertools.chain([1], [2]))", ""),
    ("x = {1: weird}", ""),
    ("a, *b = 1, weird", ""),
    ("x = weird is None\ny = weird is not None", ""),
    ("x = post.title.lower", ""),
    ("x = Post.objects.model", ""),
    ("x = Post.objects.all().db", ""),
    ("x = Tag.objects.get_or_create(name='a')[0]", ""),
    ("x = connections['default'].vendor", "from django.db import connections"),
    ("x = connection.vendor", "from django.db import connection"),
    ("x = transaction.atomic", "from django.db import transaction"),
    ("x = re.escape", ""),
    ("x = functools.partial", ""),
    ("x = settings.DEBUG", "from django.conf import settings"),
    ("x = sys.argv", "import sys"),
    ("x = logging.INFO", "import logging"),
    ("x = string.digits", "import string"),
    ("x = datetime.timezone.utc", "import datetime"),
    ("x = hasattr(Post, 'title')\ny = hasattr(post, 'title')", ""),
    ("x = getattr(post, 'title')\ny = getattr(tag, 'name')", "tag = Tag.objects.first()"),
    ("delattr(tag, 'name')", "tag = Tag.objects.first()"),
    ("x = ' '.join(sorted(post.title, key=names.get))", "names = {'a': 1}"),
    ("x = sorted(post.title, key=hand)", ""),
    ("x = post.title.startswith(*['a'])", ""),
    ("x = getattr(post.title, 'upper')", ""),
    ("def inner():\n    pass", ""),
    ("x = max(post.title)\ny = bool(post.title)\nz = str(post.kind)\nw = tuple(post.title)", ""),
    ("setattr(tag, 'name', 'a')", "tag = Tag.objects.first()"),
    ("x = ValueError(post.title)", ""),
    ("x = sorted(['a'], key=str.lower, reverse=True)", ""),
    *(
        (f"x = schema_editor.connection.{name}", "")
        for name in "vendor alias features ops settings_dict introspection in_atomic_block "
        "data_types".split()
    ),
    *(
        (f"x = cursor.{name}", "cursor = schema_editor.connection.cursor()")
        for name in ("rowcount", "description", "lastrowid")
    ),
    *(
        (f"x = {call}", "")
        for call in [
            "abs(post.kind)",
            "any(post.title)",
            "ascii(post.title)",
            "bin(post.kind)",
            "bytearray(3)",
            "bytes(3)",
            "callable(post.title)",
            "chr(post.kind)",
            "complex(post.kind)",
            "dict(a=post.title)",
            "divmod(post.kind, 2)",
            "float(post.kind)",
            "format(post.kind)",
            "frozenset(post.title)",
            "hash(post.title)",
            "hex(post.kind)",
            "id(post.title)",
            "isinstance(post, Fixer)",
            "issubclass(int, str)",
            "min(post.title)",
            "object()",
            "oct(post.kind)",
            "ord(post.title)",
            "pow(2, 3)",
            "repr(post.title)",
            "reversed(post.title)",
            "round(post.kind)",
            "set(post.title)",
            "post.title[slice(1, 2)]",
            "type(post)",
        ]
    ),
]


@pytest.mark.parametrize(("line", "before"), KNOWN)
def test_values_of_python(line, before):
    found = looked_at(line, before)
    assert "MF301" in found.codes, found
    assert found.applicability.value == "safe", found


def test_all_is_pythons_own():
    """The other tests have a class that calls a method so."""
    line = f"x = all(post.title)\n{SAVED}"
    found = outcome_of(
        PREAMBLE
        + indent(f"for post in Post.objects.all():\n{indent(line, '    ')}", "    ")
        + ENDING,
        databases=EVERYWHERE,
    ).loops[0]
    assert "MF301" in found.codes, found
    assert found.applicability.value == "safe", found


# They see the object, but only by what runs no code of it; the rows themselves may be kept by it.
LEFT_ALONE = [
    ("kept.update(a=fixer)", "fixer = Fixer(Post)\nkept = {}"),
    ("things.sort(key=lambda each: 1)", "things = [Fixer(Post)]"),
    ("x = not things", "things = [Fixer(Post)]"),
    ("x = rows[0]", "rows = Post.objects.raw('SELECT * FROM shop_post')"),
    ("x = list(numbers())", ""),
    ("for number in numbers():\n    print(number)", ""),
    ("a, *b = things", "things = [Fixer(Post)]"),
    ("x = list(map(lambda each: 1, things))", "things = [Fixer(Post)]"),
    ("x = list(map(hand, things))", "things = [Fixer(Post)]"),
    ("kept.append(fixer)", "fixer = Fixer(Post)\nkept = []"),
    ("x = dict(a=fixer)", "fixer = Fixer(Post)"),
    ("x = getattr(tag, name)", "tag = Tag.objects.first()\nname = tag.name"),
    ("x = Post.objects.all()[0]", ""),
]


@pytest.mark.parametrize(("line", "before"), LEFT_ALONE)
def test_objects_whose_code_does_not_run(line, before):
    found = looked_at(line, before)
    assert "MF201" in found.codes, found
    assert found.applicability.value == "safe", found


ANOTHER = """
def others(apps, schema_editor):
    Tag = apps.get_model("shop", "Tag")
    tags = []
    for name in ("a", "b"):
        tags.append(Tag(name=name))
    Tag.objects.bulk_create(tags)

"""


@pytest.mark.parametrize(("run_by", "known"), [
    ("migrations.RunPython(others)", True),
    ("migrations.RunPython(migrations.RunPython.noop, reverse_code=others)", True),
    ("migrations.RunPython(others), weird.Run(others)", False),
    ("migrations.RunPython(functools.partial(others, Fixer()))", False),
])  # fmt: skip
def test_what_another_operation_of_the_file_runs(run_by, known):
    """Django alone calls it: what gets its list is a manager, which puts nothing into documents of the file."""
    body = "for post in Post.objects.all():\n    x = json.loads(post.body)['a'].lower()\n"
    source = PREAMBLE.replace(
        "\n\n\ndef forwards",
        f"\nimport functools, json, weird\n{CLASSES}\n{ANOTHER}\n\ndef forwards",
    )
    ending = ENDING.replace("migrations.RunPython(", f"{run_by}, migrations.RunPython(", 1)
    outcome = outcome_of(
        source + indent(body + indent(SAVED, "    "), "    ") + ending, databases=EVERYWHERE
    )
    loop = next(loop for loop in outcome.loops if loop.function == "forwards")
    assert ("MF301" in loop.codes) is known, [a.reason for a in loop.answers]
