"""loop-to-update: what becomes one update(), and what must not."""

from __future__ import annotations

from functools import partial
from textwrap import dedent, indent

import black
import pytest

from tests import checking

check_rewritten = partial(checking.check_rewritten, select=("MF101",))
check_refused = partial(checking.check_refused, select=("MF101",))


def saving(body: str, rows: str = "Post.objects.all()") -> str:
    """A loop over the rows with this body and a save() at its end."""
    return f"for post in {rows}:\n{indent(dedent(body).strip(chr(10)), '    ')}\n    post.save()\n"


def wrapped(code: str) -> str:
    """The statement as black wraps it when it stands in a function."""
    return black.format_str(code, mode=black.Mode(line_length=84))


def cases(*parameters):
    """Pairs and triples whose first item is the sentence that names the case."""
    return [pytest.param(*rest, id=name) for name, *rest in parameters]


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignment", "written"),
    [
        ("kind = 1", "kind=1"),
        ("kind = -1", "kind=-1"),
        ('kind = "12"', 'kind="12"'),
        ("kind = 1.5", "kind=1.5"),
        ("kind = None", "kind=None"),
        ("live = False", "live=False"),
        ("price = 2", "price=2"),
        ("cost = 1.25", "cost=1.25"),
        ('cost = "999999.99"', 'cost="999999.99"'),
        ('title = ""', 'title=""'),
        ("title = 5", "title=5"),
        ('day = "2020-02-29"', 'day="2020-02-29"'),
        ('when = "2020-02-29 10:00:00"', 'when="2020-02-29 10:00:00"'),
        ("editor = None", "editor=None"),
        ("editor_id = 7", "editor_id=7"),
        ("kind: int = 1", "kind=1"),
        ("kind = post.rank", 'kind=models.F("rank")'),
        ("price = post.kind", 'price=models.F("kind")'),
        ("slug = post.title", 'slug=models.F("title")'),
        ("live = post.seen", 'live=models.F("seen")'),
        ("editor = post.author", 'editor=models.F("author")'),
        ("editor_id = post.author_id", 'editor_id=models.F("author")'),
        ("kind = post.kind + 1", 'kind=models.F("kind") + 1'),
        ("kind += 1", 'kind=models.F("kind") + 1'),
        ("kind -= 2", 'kind=models.F("kind") - 2'),
        ("kind = 3 - post.kind", 'kind=3 - models.F("kind")'),
        ("kind *= -1", 'kind=models.F("kind") * -1'),
        ("kind = post.kind - post.votes", 'kind=models.F("kind") - models.F("votes")'),
        ("price = post.price * 1.1", 'price=models.F("price") * 1.1'),
    ],
)
def test_a_value_of_which_every_database_makes_what_save_makes(assignment, written):
    check_rewritten(saving(f"post.{assignment}"), f"Post.objects.update({written})", "MF101")


@pytest.mark.parametrize(
    ("before", "after"),
    cases(
        (
            "made of literals",
            "post.day = datetime.date(2020, 2, 29)",
            "day=datetime.date(2020, 2, 29)",
        ),
        (
            "an instant in UTC",
            "post.when = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)",
            "when=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)",
        ),
        ("a decimal", 'post.cost = decimal.Decimal("1.50")', 'cost=decimal.Decimal("1.50")'),
    ),
)
def test_a_constant_that_a_constructor_makes(before, after):
    imports = "import datetime\nimport decimal\n"
    check_rewritten(imports + saving(before), imports + wrapped(f"Post.objects.update({after})"))


def test_a_foreign_key_to_a_row_that_was_fetched():
    fetched = 'bob = Person.objects.get(name="bob")\nann = Person.objects.get(name="ann")\n'
    check_rewritten(
        fetched + saving("post.author = ann", "Post.objects.filter(author=bob)"),
        f"{fetched}Post.objects.filter(author=bob).update(author=ann)",
    )


@pytest.mark.parametrize(
    ("assignment", "written"),
    [
        ("author_id = ann.pk", "author_id=ann.pk"),
        ("author_id = ann.id", "author_id=ann.id"),
        ("title = ann.name", "title=ann.name"),
        ("kind = ann.age", "kind=ann.age"),
        ("kind = bob.age", "kind=bob.age"),
        ("kind = narrow.pk", "kind=narrow.pk"),
    ],
)
def test_a_column_of_a_row_that_was_fetched_before_the_loop(assignment, written):
    fetched = (
        'ann = Person.objects.get(name="ann")\n'
        'bob = Person.objects.filter(name="bob").order_by("age")[0]\n'
        'narrow = Person.objects.only("name").get(name="cid")\n'
    )
    check_rewritten(
        fetched + saving(f"post.{assignment}"), f"{fetched}Post.objects.update({written})"
    )


def test_several_columns_are_set_in_one_update():
    check_rewritten(
        saving("post.kind = 1\npost.live = True"), "Post.objects.update(kind=1, live=True)"
    )


def test_a_column_is_read_before_it_is_overwritten_on_databases_that_assign_in_turn():
    check_rewritten(
        saving('post.body = ""\npost.slug = post.title\npost.title = "x"'),
        'Post.objects.update(body="", slug=models.F("title"), title="x")',
        databases=checking.EVERYWHERE,
    )
    check_rewritten(
        saving("post.rank = 0\npost.rank = post.kind\npost.kind = 0"),
        'Post.objects.update(rank=models.F("kind"), kind=0)',
        databases=checking.EVERYWHERE,
    )


def test_a_copy_of_a_column_set_before_to_a_literal_is_that_literal():
    check_rewritten(
        saving("post.kind = 5\npost.rank = post.kind"), "Post.objects.update(kind=5, rank=5)"
    )


def test_a_name_bound_before_the_loop_and_again_after_it():
    check_rewritten(
        f"value = 3\n{saving('post.kind = value')}value = 4\n",
        "value = 3\nPost.objects.update(kind=value)\nvalue = 4",
    )


def test_the_variable_of_an_outer_loop_is_a_value():
    check_rewritten(
        """
        for person in Person.objects.all():
            for post in Post.objects.filter(author=person):
                post.kind = person.age
                post.save()
        """,
        """
        Post.objects.update(
            kind=models.Subquery(
                Person.objects.filter(pk=models.OuterRef("author_id")).values("age")[:1]
            )
        )
        """,
    )
    check_rewritten(
        """
        for person in Person.objects.all():
            print(person.name)
            for post in Post.objects.filter(author=person):
                post.kind = person.age
                post.save()
        """,
        """
        for person in Person.objects.all():
            print(person.name)
            Post.objects.filter(author=person).update(kind=person.age)
        """,
    )


@pytest.mark.parametrize(
    "assignment",
    [
        "kind = post.kind + 1.5",
        "kind = post.kind / 2",
        "kind = post.kind ** 2",
        "kind = post.price",
        "kind = post.live",
        "kind = int(post.price)",
        "kind = post.kind + True",
        "kind = post.kind + post.price",
        "price = post.price + post.kind",
        "rank = 5\npost.kind = post.rank + 1",
        "kind = 1 - post.kind * 2",  # PostgreSQL overflows in between
        "kind = post.kind + 99999999999",
        "title = post.kind",
        "title = post.title.upper()",
        "day = post.when",
        "when = post.day",
        "cost = post.price",
        "cost = post.cost * post.cost",
        "price = post.price * 1e-300",
        "price = -post.price",  # PostgreSQL makes -0 of 0
        "price = post.price * -2",
        "price = post.price * post.price",
        "price = len(post.title) * 0.1",  # which is exact in PostgreSQL
        "kind = (post.votes - 5) % 3",
        "kind = (post.kind * 1000) % 7",
        "kind = (post.kind + 1) // 2",
        "kind = post.kind % 2147483647",
        "kind = post.kind % -3",
        "kind = post.kind // -2",
        "kind = post.kind % post.votes",
        "kind = {1: True}.get(post.kind)",
        "kind = {1: 5, 1: 6}.get(post.kind)",
        "kind = {1: 5, 2: None}.get(post.kind)",
        "kind = {1: 5, '2': 6}.get(post.kind)",
        "title = post.title[:-3]",
        "title = post.title[::2]",
        "title = post.title[:True]",
        "title = post.title[0]",
        "title = post.title * 2",
        "title = post.title.strip()",
        "title = post.title.strip('a')",
        "title = post.title.replace('', '-')",
        "title = post.title.replace('a', 'b', 1)",
        "title = post.title.title()",
        "title = f'{post.live}'",
        "title = f'{post.price}'",
        "title = f'{post.cost}'",
        "title = f'{post.title!r}'",
        "title = f'{post.title:>5}'",
        "title = '%d' % post.kind",
        "title = '%s%%' % post.title",
        "title = '{0}'.format(post.title)",
        "title = '{}{{}}'.format(post.title)",
        "editor = post.author_id",
        "editor_id = post.author",
        "author = 5",
        "author = Person",
        "kind = Post.objects.count()",
        "kind = (count := 5)",
        "kind = next(numbers)",
        "kind = uuid.uuid4()",
        "kind = ...",
        "note = ['a']",
        "title = 'a', 'b'",
        "kind = lambda: 1",
    ],
)
def test_a_value_without_an_exact_sql_form(assignment):
    check_refused(f"import uuid\nnumbers = iter([1])\n{saving(f'post.{assignment}')}", "value")


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("kind = post.rank + 1", "nullable"),
        ("nothing = 1", "field-unknown"),
        ("kind = post.nothing", "field-unknown"),
        ("title = post.posts", "field-unknown"),
        ("id = 5", "primary-key"),
        ("pk = 5", "primary-key"),
    ],
)
def test_a_column_that_is_not_there_or_must_not_be_used(assignment, reason):
    check_refused(saving(f"post.{assignment}"), reason)


@pytest.mark.parametrize(
    "assignment",
    [
        'kind = "abc"',
        "kind = 2147483648",
        "kind = -2147483649",
        "kind = 1e999",
        'live = "maybe"',
        "cost = 1000000",
        'cost = "x"',
        f'title = "{"x" * 201}"',
        r'title = "\0"',
        'day = "2020-02-30"',
        "day = 5",
        'when = "yesterday"',
        'author_id = "bob"',
        "author_id = 9999999999",
        "kind = settings.DEFAULT",
        "kind = limits.kind",
        "kind = nobody.age",
        "title = ann.age",
        "title = ann.posts",
        "kind = nowhere",
        "kind = sometimes",
        "kind = gone",
        "kind = word",
        "kind = ann",
        "kind = thing",
        "live = count",
        "day = word",
        "cost = word",
        "kind = narrow.age",
        "title = narrow.nick",
        "kind = listed.age",
        "kind = changed.age",
        "title = changed.name",
        "kind = wide.author.age",
    ],
)
def test_a_value_that_may_fail_where_no_row_matches(assignment):
    prelude = """
import limits
from django.conf import settings
ann = Person.objects.get(name="ann")
nobody = Person.objects.filter(name="nobody").first()
if ann:
    sometimes = 1
gone = 1
del gone
word = "ab" + "c"
count = len(word)
thing = {"a": 1}
narrow = Person.objects.only("name").get(pk=1)
listed = Person.objects.defer("age")[0]
changed = Person.objects.get(pk=1)
changed.age = models.F("age")
setattr(changed, "name", models.F("name"))
wide = Post.objects.get(pk=1)
"""
    check_refused(prelude + saving(f"post.{assignment}"), "evaluated-without-rows")


@pytest.mark.parametrize(
    ("prelude", "value"),
    cases(
        ("an expression", "value = models.F('kind') + 1\n", "value"),
        ("a queryset", "value = Person.objects.all()\n", "value"),
        ("a manager", "value = Person.objects\n", "value"),
        ("an expression of another", "base = models.F('kind')\nvalue = base + 1\n", "value"),
        ("what a function makes", "def make():\n    return models.F('kind')\nvalue = make()\n", "value"),
        ("SQL", "from django.db.models.expressions import RawSQL\nvalue = RawSQL('kind', ())\n", "value"),
        ("either", "value = 1 if ann else models.F('kind')\n", "value"),
        ("what is not known", "import limits\nvalue = limits.kind\n", "value"),
        ("what an unknown function gives", "import limits\nvalue = limits.kind()\n", "value"),
        ("an item of what is not known", "import limits\nvalue = limits.kinds[0]\n", "value"),
        ("what is imported", "from limits import value\n", "value"),
    ),
)  # fmt: skip
def test_a_name_for_something_that_update_may_take_for_sql(prelude, value):
    check_refused(prelude + saving(f"post.kind = {value}"), "value")


@pytest.mark.parametrize(
    ("prelude", "field"),
    [
        ("value = len('abc')\n", "kind"),
        ("value = len('abc') * 2 + 1\n", "kind"),
        ("value = Person.objects.count()\n", "kind"),
        ("value = Person.objects.get(pk=1).age\n", "kind"),
        ("value = Person.objects.values_list('age', flat=True)[0]\n", "kind"),
        ("value = 'a' + 'b'\n", "title"),
        ("value = ', '.join(['a', 'b'])\n", "title"),
        ("value = 'a'.startswith('a')\n", "live"),
        ("import decimal\nvalue = decimal.Decimal(len('abc'))\n", "cost"),
        ("from django.utils import timezone\nvalue = timezone.now()\n", "when"),
        ("import datetime\nvalue = datetime.date.today()\n", "day"),
        ("value = Person.objects.first()\n", "editor"),
        ("value = None\n", "seen"),
    ],
)
def test_a_name_for_a_value_that_the_column_takes(prelude, field):
    after = f"{prelude}Post.objects.update({field}=value)"
    check_rewritten(prelude + saving(f"post.{field} = value"), after)


def test_a_value_that_changes_from_row_to_row():
    check_refused(
        saving("post.kind = number", "Post.objects.all()").replace(
            "for post in Post.objects.all()", "for number, post in enumerate(Post.objects.all())"
        ),
        "value",
    )


@pytest.mark.parametrize("value", ["token", "Post.objects.create()", "some_function()"])
def test_an_instance_of_which_the_model_is_not_known_to_be_right(value):
    check_refused(f"token = Token.objects.get(pk=1)\n{saving(f'post.author = {value}')}", "value")


def test_one_timestamp_instead_of_one_for_each_row_only_where_that_is_allowed():
    before = "from django.utils import timezone\n" + saving("post.when = timezone.now()")
    check_refused(before, "one-timestamp")
    check_rewritten(
        before,
        "from django.utils import timezone\nPost.objects.update(when=timezone.now())",
        unsafe=True,
    )


@pytest.mark.parametrize(
    ("assignment", "databases", "reason"),
    [
        # MySQL and MariaDB: a negative result of an unsigned column is an error.
        ("kind = post.votes - 5", ("mariadb",), "value"),
        ("kind = post.kind + post.votes", ("mysql",), "value"),
        ("kind = post.votes * -1", ("mariadb",), "value"),
        ("kind = post.votes + 1 - 10", ("mariadb",), "value"),
        ("kind = post.votes % 5 - 10", ("mariadb",), "value"),
        ("kind = (post.votes - 5) // 2", ("mariadb",), "value"),
        # They divide decimals, of which they keep nine digits.
        ("kind = post.kind // 2000000001", ("mysql",), "value"),
        # SQLite: what leaves 64 bits becomes a float.
        ("serial = post.serial + 1", ("sqlite",), "value"),
        # PostgreSQL computes in the type of the operands.
        ("serial = post.kind + 1", ("postgresql",), "value"),
        ("kind = post.small * post.small", ("postgresql",), "value"),
    ],
)
def test_arithmetic_that_one_database_does_in_its_own_way(assignment, databases, reason):
    models = """
        ("kind", models.IntegerField()),
        ("votes", models.PositiveIntegerField(default=0)),
        ("small", models.SmallIntegerField(default=0)),
        ("serial", models.BigIntegerField(default=0)),
    """
    before = saving(f"post.{assignment}")
    check_refused(before, reason, models=with_post(models), databases=databases)


@pytest.mark.parametrize(
    ("assignment", "written"),
    [
        ("votes = post.votes - 5", 'votes=models.F("votes") - 5'),
        ("kind = post.votes + 5", 'kind=models.F("votes") + 5'),
        ("kind = post.votes * post.votes", 'kind=models.F("votes") * models.F("votes")'),
    ],
)
def test_arithmetic_on_unsigned_columns_that_fails_only_where_save_fails(assignment, written):
    check_rewritten(
        saving(f"post.{assignment}"), f"Post.objects.update({written})", databases=("mariadb",)
    )


def with_post(fields: str, extra: str = "", options: str = "") -> str:
    """The models of ``checking`` with a ``Post`` of these fields."""
    return f"""
from django.db import migrations, models
import thirdparty
import django.db.models.manager


class Migration(migrations.Migration):
    dependencies = []
    operations = [
        migrations.CreateModel("Person", [("id", models.AutoField(primary_key=True))]),
        migrations.CreateModel("Post", [
            ("id", models.AutoField(primary_key=True)),
            ("title", models.CharField(max_length=50)),
            {fields.strip()}
        ], {options}),
        {extra}
    ]
"""


def test_a_sum_of_big_integers_where_no_database_is_sqlite():
    check_rewritten(
        saving("post.serial += 1"),
        'Post.objects.update(serial=models.F("serial") + 1)',
        models=with_post('("serial", models.BigIntegerField(default=0)),'),
        databases=("postgresql", "mariadb"),
    )


# --- conditions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "calls"),
    [
        ("post.kind == 1", ".filter(kind=1)"),
        ("1 == post.kind", ".filter(kind=1)"),
        ("post.kind != 1", ".exclude(kind=1)"),
        ("not post.kind == 1", ".exclude(kind=1)"),
        ("post.rank is None", ".filter(rank__isnull=True)"),
        ("post.rank == None", ".filter(rank__isnull=True)"),
        ("post.rank is not None", ".filter(rank__isnull=False)"),
        ("post.live", ".filter(live=True)"),
        ("not post.live", ".filter(live=False)"),
        ("not post.seen", ".exclude(seen=True)"),
        ("post.live == False", ".filter(live=False)"),
        ("post.kind", ".exclude(kind=0)"),
        ("not post.kind", ".filter(kind=0)"),
        ("post.rank", ".filter(rank__isnull=False).exclude(rank=0)"),
        ("not post.rank", ".filter(models.Q(rank=0) | models.Q(rank__isnull=True))"),
        ("post.title", '.exclude(title="")'),
        ("not post.note", '.filter(models.Q(note="") | models.Q(note__isnull=True))'),
        ('post.title == "a"', '.filter(title="a")'),
        ("post.kind in (1, 2)", ".filter(kind__in=[1, 2])"),
        ("post.kind not in [1, 2]", ".exclude(kind__in=[1, 2])"),
        ("post.rank in (1, None)", ".filter(models.Q(rank__in=[1]) | models.Q(rank__isnull=True))"),
        (
            "post.rank not in (1, None)",
            ".filter(rank__isnull=False).exclude(rank__in=[1])",
        ),
        ("post.rank in (None,)", ".filter(rank__isnull=True)"),
        ("post.kind < 5", ".filter(kind__lt=5)"),
        ("5 < post.kind", ".filter(kind__gt=5)"),
        ("1 <= post.kind < 5", ".filter(kind__gte=1, kind__lt=5)"),
        ("post.rank is not None and post.rank > 1", ".filter(rank__isnull=False, rank__gt=1)"),
        (
            "post.rank is None or post.rank > 1",
            ".filter(models.Q(rank__isnull=True) | models.Q(rank__gt=1))",
        ),
        ("post.price == 1.5", ".filter(price=1.5)"),
        ("post.cost == 2", ".filter(cost=2)"),
        ("post.day == datetime.date(2020, 1, 1)", ".filter(day=datetime.date(2020, 1, 1))"),
        ("post.when", ".filter(when__isnull=False)"),
        ("post.editor", ".filter(editor__isnull=False)"),
        ("post.editor_id", ".filter(editor__isnull=False)"),
        ("post.editor is None", ".filter(editor__isnull=True)"),
        ("post.editor == ann", ".filter(editor=ann)"),
        ("post.editor != ann", ".exclude(editor=ann)"),
        ("post.author_id == 5", ".filter(author_id=5)"),
        ("post.author_id in (5, 6)", ".filter(author__in=[5, 6])"),
        ("post.pk == 5", ".filter(id=5)"),
        ("post.live and not post.seen", ".filter(live=True).exclude(seen=True)"),
        (
            "post.live or post.kind == 1",
            ".filter(models.Q(live=True) | models.Q(kind=1))",
        ),
        (
            "not (post.live and post.kind == 1)",
            ".exclude(live=True, kind=1)",
        ),
        ("post.kind == LIMIT", ".filter(kind=LIMIT)"),
        ("post.votes > -1", ""),
        ("post.votes >= -7", ""),
        ("post.votes >= 0", ".filter(votes__gte=0)"),
        ("post.votes != -1", ""),
        ("post.kind == 1 or post.votes < -1 or post.votes == -2", ".filter(kind=1)"),
        ("post.votes in (-1, 3, -2)", ".filter(votes__in=[3])"),
        ("post.votes not in (-1, -2)", ""),
        ("post.votes not in BELOW", ""),
    ],
)
def test_a_condition_that_keeps_the_answer_of_python_for_null(test, calls):
    prelude = 'import datetime\nLIMIT = 5\nBELOW = (-1, -2)\nann = Person.objects.get(name="ann")\n'
    before = f"for post in Post.objects.all():\n    if {test}:\n        post.body = 5\n        post.save()\n"
    check_rewritten(prelude + before, prelude + wrapped(f"Post.objects{calls}.update(body=5)"))


@pytest.mark.parametrize(
    "test",
    [
        "post.day == '2020-01-01'",
        "post.kind == '1'",
        "post.kind == 1.5",
        "post.kind == 2147483648",
        "post.cost == 1000000",
        "post.price == 9007199254740993",
        "post.price == 1e999",
        "post.title == 5",
        r"post.title == '\0'",
        r"post.title == '\ud800'",
        "post.title < 'a'",
        "post.title.lower() == 'a'",
        "post.kind == kind()",
        "post.day == datetime.datetime(2020, 1, 1)",
        "post.author == 5",
        "post.author == someone",
        "post.author == post.editor_id",
        "post.author_id == post.editor",
        "post.posts",
        "post",
        "post.kind is 1",
        "post.kind + 1 == 2",
        "-post.kind",
        "~post.live",
        "len(post.title) > 3",
        "(kind := post.kind) == 1",
        "Post.objects.exists()",
    ],
)
def test_a_condition_without_an_exact_sql_form(test):
    prelude = (
        "import datetime\nKINDS = [1, 2]\nsomeone = Person.objects.first()\n"
        "def kind():\n    return 1\n"
    )
    before = f"for post in Post.objects.all():\n    if {test}:\n        post.body = 5\n        post.save()\n"
    outcome = checking.outcome_of(checking.whole(prelude + before), select=("MF101",))
    loop = outcome.loops[0]
    assert not loop.changed, loop
    assert loop.blocked_by in {"condition", "field-unknown"}


def test_a_text_that_is_a_column_alone_is_that_column():
    for text in ("str(post.body)", 'f"{post.body}"', '"%s" % post.body', 'post.body + ""'):
        check_rewritten(saving(f"post.note = {text}"), 'Post.objects.update(note=models.F("body"))')


@pytest.mark.parametrize("name", ["condition", "then"])
def test_a_column_that_is_called_as_an_argument_of_when(name):
    models = with_post(f'("{name}", models.IntegerField()), ("kind", models.IntegerField()),')
    body = saving(f"post.kind = 1 if post.{name} == 3 else 2")
    whens = f"models.When(models.Q({name}=3), then=models.Value(1)), default=models.Value(2)"
    written = wrapped(f"Post.objects.update(kind=models.Case({whens}))")
    check_rewritten(body, written, models=models)
    looked_up = saving(f"post.kind = {{3: 5}}.get(post.{name})")
    written = f"""
        Post.objects.update(
            kind=models.Case(models.When(models.Q({name}=3), then=models.Value(5)))
        )
    """
    check_rewritten(looked_up, written, models=models)


@pytest.mark.parametrize(
    ("assignment", "written"),
    [
        (
            "kind = post.votes + 1 if post.live else post.votes",
            'models.When(live=True, then=models.F("votes") + 1), default=models.F("votes"), '
            "output_field=models.IntegerField()",
        ),
        (
            "day = post.day + datetime.timedelta(days=1) if post.day else datetime.date(2020, 1, 1)",
            'models.When(day__isnull=False, then=models.F("day") + datetime.timedelta(days=1)), '
            "default=models.Value(datetime.date(2020, 1, 1)), output_field=models.DateField()",
        ),
        (
            "price = {1: 1, 2: 2.5}.get(post.kind)",
            "models.When(kind=1, then=models.Value(1)), models.When(kind=2, then=models.Value(2.5)), "
            "output_field=models.FloatField()",
        ),
    ],
)
def test_branches_that_django_takes_for_several_kinds_of_field(assignment, written):
    name = assignment.partition(" ")[0]
    update = wrapped(f"Post.objects.update({name}=models.Case({written}))")
    imports = "import datetime\n"
    check_rewritten(imports + saving(f"post.{assignment}"), imports + update, databases=("sqlite",))


def test_a_column_equal_to_another_or_to_a_constant_is_asked_in_two_tests():
    check_rewritten(
        saving("if not (post.kind == post.rank or post.kind == 3):\n    post.live = True"),
        'Post.objects.exclude(kind=models.F("rank")).exclude(kind=3).update(live=True)',
    )


def test_the_empty_text_is_asked_of_null_too_where_lengths_say_it():
    check_rewritten(
        saving('if post.note != "":\n    post.kind = 1'),
        """
        Post.objects.alias(note_length=Length("note")).exclude(
            note__isnull=False, note_length=0
        ).update(kind=1)
        """,
        databases=("mariadb",),
    )


@pytest.mark.parametrize(
    "rows", ["exclude(rank=None, live=True)", "exclude(models.Q(live=True), rank=None)"]
)
def test_null_in_rows_that_an_exclude_of_several_things_leaves(rows):
    check_refused(saving("post.kind = post.rank + 1", f"Post.objects.{rows}"), "nullable")


@pytest.mark.parametrize("test", ["post.rank > 1", "post.day < datetime.date(2020, 1, 1)"])
def test_an_order_that_python_does_not_know_for_none(test):
    before = saving(f"if {test}:\n    post.kind = 1")
    check_refused(f"import datetime\n{before}", "nullable")


def test_an_order_on_the_wrong_side_of_its_guard():
    check_refused(
        saving("if post.rank > 1 and post.rank is not None:\n    post.kind = 1"), "nullable"
    )
    check_refused(
        saving("if post.rank is not None or post.rank > 1:\n    post.kind = 1"), "nullable"
    )


@pytest.mark.parametrize("test", ['post.title == "a"', "post.title", 'post.title in ("a", "b")'])
def test_text_that_oracle_may_hold_for_equal(test):
    before = saving(f"if {test}:\n    post.kind = 1")
    check_refused(before, "text-comparison", databases=("oracle",))
    assert check_refused(before, "text-comparison", databases=("mariadb", "oracle")).offer


def test_texts_of_two_columns_that_the_collation_of_mysql_may_hold_for_equal():
    before = saving("if post.title == post.slug:\n    post.kind = 1")
    check_refused(before, "text-comparison", databases=("mariadb",))
    check_rewritten(before, 'Post.objects.filter(title=models.F("slug")).update(kind=1)')


def test_text_with_a_collation_of_its_own():
    check_refused(
        saving('if post.name == "a":\n    post.title = "b"'),
        "text-comparison",
        models=with_post('("name", models.CharField(max_length=9, db_collation="nocase")),'),
    )


def test_empty_text_is_never_none_on_oracle():
    check_refused(
        saving("if post.note is None:\n    post.kind = 1"), "text-comparison", databases=("oracle",)
    )


def test_other_columns_may_be_none_on_oracle():
    check_rewritten(
        saving("if post.rank is None:\n    post.kind = 1"),
        "Post.objects.filter(rank__isnull=True).update(kind=1)",
        databases=("oracle",),
    )


def test_a_guard_makes_arithmetic_on_a_nullable_column_exact():
    check_rewritten(
        saving("if post.rank is not None:\n    post.rank += 1"),
        'Post.objects.filter(rank__isnull=False).update(rank=models.F("rank") + 1)',
    )


def test_a_column_tested_after_it_was_assigned():
    check_rewritten(
        saving("post.kind = 3\nif post.kind == 3:\n    post.rank = 1"),
        "Post.objects.update(kind=3, rank=1)",
    )
    check_refused(saving("post.author_id = 3\nif post.author:\n    post.rank = 1"), "value")


# --- paths through the body ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "calls"),
    cases(
        (
            "rows are skipped",
            "if post.live:\n    continue\npost.kind = 1\npost.save()",
            ".exclude(live=True)",
        ),
        (
            "nested conditions",
            "if post.live:\n    if post.kind == 2:\n        post.kind = 1\n        post.save()",
            ".filter(live=True, kind=2)",
        ),
        (
            "a save in both branches",
            "if post.live:\n    post.kind = 1\n    post.save()\nelse:\n    post.save()",
            ".filter(live=True)",
        ),
        (
            "an else that assigns",
            "if post.live:\n    pass\nelse:\n    post.kind = 1\npost.save()",
            ".exclude(live=True)",
        ),
        (
            "an elif that assigns",
            "if post.live:\n    pass\nelif post.seen:\n    post.kind = 1\npost.save()",
            ".filter(seen=True).exclude(live=True)",
        ),
        (
            "saved, then skipped",
            "if post.live:\n    post.kind = 1\n    post.save()\n    continue\npass",
            ".filter(live=True)",
        ),
        ("a docstring", '"""Why."""\npost.kind = 1\npost.save()', ""),
        (
            "only some columns saved",
            "post.kind = 1\npost.rank = 2\npost.save(update_fields=['kind'])",
            "",
        ),
        ("an update that must hit", "post.kind = 1\npost.save(force_update=True)", ""),
        ("an update of all fields", "post.kind = 1\npost.save(update_fields=None)", ""),
    ),
)
def test_the_one_path_that_stores_something(body, calls):
    before = f"for post in Post.objects.all():\n{indent(body, '    ')}\n"
    check_rewritten(before, f"Post.objects{calls}.update(kind=1)")


@pytest.mark.parametrize(
    ("body", "reason"),
    cases(
        ("never saved", "post.kind = 1", "never-saved"),
        ("saved before it is set", "post.save()\npost.kind = 1", "other-statements"),
        (
            "saved on the path that does not assign",
            "if post.live:\n    post.kind = 1\nelse:\n    post.save()",
            "never-saved",
        ),
        (
            "saved without what was assigned",
            "post.kind = 1\npost.save(update_fields=['rank'])",
            "never-saved",
        ),
        ("saved under another alias", "post.kind = 1\npost.save(using='other')", "save-arguments"),
        ("inserted", "post.kind = 1\npost.save(force_insert=True)", "save-arguments"),
        ("saved with a position", "post.kind = 1\npost.save(False)", "save-arguments"),
        (
            "saved with names from elsewhere",
            "post.kind = 1\npost.save(update_fields=names)",
            "save-arguments",
        ),
        ("saved with no names", "post.kind = 1\npost.save(update_fields=[])", "save-arguments"),
        (
            "saved with the key",
            "post.kind = 1\npost.save(update_fields=['kind', 'id'])",
            "save-arguments",
        ),
        (
            "saved with an unknown name",
            "post.kind = 1\npost.save(update_fields=['kind', 'x'])",
            "field-unknown",
        ),
        ("saved with unpacked arguments", "post.kind = 1\npost.save(**names)", "save-arguments"),
        ("printed", "post.kind = 1\npost.save()\nprint(post.kind)", "output"),
        ("collected", "post.kind = 1\npost.save()\nnames.append(post)", "other-statements"),
        ("left early", "post.kind = 1\npost.save()\nbreak", "other-statements"),
        (
            "errors caught",
            "try:\n    post.kind = 1\n    post.save()\nexcept Exception:\n    pass",
            "other-statements",
        ),
        ("cleaned", "post.kind = 1\npost.full_clean()\npost.save()", "other-statements"),
        ("refreshed", "post.kind = 1\npost.refresh_from_db()\npost.save()", "other-statements"),
        ("many-to-many", "post.kind = 1\npost.tags.clear()\npost.save()", "other-statements"),
        (
            "another row is changed",
            "post.kind = 1\npost.author.age = 1\npost.save()",
            "other-statements",
        ),
        (
            "another row is saved",
            "post.kind = 1\npost.author.save()\npost.save()",
            "other-statements",
        ),
        ("set by name", "setattr(post, 'kind', 1)\npost.save()", "other-statements"),
        ("deleted attribute", "post.kind = 1\ndel post.note\npost.save()", "other-statements"),
        (
            "a loop inside",
            "for kind in (1, 2):\n    post.kind = kind\npost.save()",
            "other-statements",
        ),
        (
            "a with inside",
            "with open('x'):\n    post.kind = 1\n    post.save()",
            "other-statements",
        ),
    ),
)
def test_a_body_that_does_something_else(body, reason):
    before = f"names, count = [], 0\nfor post in Post.objects.all():\n{indent(body, '    ')}\n"
    check_refused(before, reason)


def test_a_body_with_more_branches_than_can_be_followed():
    tests = "\n".join(f"if post.kind == {n}:\n    pass" for n in range(7))
    check_refused(saving(f"{tests}\npost.rank = 1"), "branches")


# --- what save() does besides --------------------------------------------------------------------


def test_auto_now_is_refreshed_by_each_save():
    body = 'for row in Stamped.objects.all():\n    row.name = "x"\n    row.save()\n'
    check_refused(body, "auto-now")
    check_rewritten(body, 'Stamped.objects.update(name="x", updated=timezone.now())', unsafe=True)


def test_auto_now_is_refreshed_for_rows_that_no_branch_assigns():
    check_refused(
        'for row in Stamped.objects.all():\n    if row.name == "a":\n        row.name = "x"\n    row.save()\n',
        "auto-now",
    )


def test_auto_now_is_refreshed_in_every_row_that_is_saved():
    check_rewritten(
        'for row in Stamped.objects.all():\n    if row.name == "a":\n        row.name = "x"\n    row.save()\n',
        'Stamped.objects.filter(name="a").update(name="x")\n'
        "Stamped.objects.update(updated=timezone.now())",
        unsafe=True,
    )


def test_auto_now_is_left_alone_by_update_fields():
    check_rewritten(
        'for row in Stamped.objects.all():\n    row.name = "x"\n    row.save(update_fields=["name"])\n',
        'Stamped.objects.update(name="x")',
    )


def test_a_value_for_auto_now_is_lost_in_save():
    check_refused(
        "for row in Stamped.objects.all():\n    row.updated = None\n    row.save()\n", "auto-now"
    )


SPECIAL = {
    "a file that may be null": ('("file", models.FileField(null=True)),', "save-side-effect"),
    "JSON": ('("data", models.JSONField(null=True)),', "save-side-effect"),
    "an address": ('("ip", models.GenericIPAddressField(null=True)),', "save-side-effect"),
    "a field of a package": ('("x", thirdparty.Field()),', "save-side-effect"),
    "an image with dimensions": (
        '("w", models.IntegerField()), ("image", models.ImageField(width_field="w")),',
        "save-side-effect",
    ),
    "a wide decimal": (
        '("d", models.DecimalField(max_digits=16, decimal_places=2)),',
        "save-side-effect",
    ),
    "auto_now on a date": ('("d", models.DateField(auto_now=True)),', "auto-now"),
}


@pytest.mark.parametrize(("fields", "reason"), SPECIAL.values(), ids=SPECIAL)
def test_a_full_save_writes_columns_that_the_body_never_names(fields, reason):
    models = with_post(fields)
    databases = ("postgresql", "sqlite")
    check_refused(saving('post.title = "x"'), reason, models=models, databases=databases)
    check_rewritten(
        'for post in Post.objects.all():\n    post.title = "x"\n    post.save(update_fields=["title"])\n',
        'Post.objects.update(title="x")',
        models=models,
        databases=databases,
    )


@pytest.mark.parametrize(
    ("field", "value"), [("data", "{}"), ("file", '"a.txt"')], ids=["JSON", "a file"]
)
def test_a_column_that_only_some_saved_rows_are_given(field, value):
    models = with_post(
        '("data", models.JSONField(null=True)), ("n", models.IntegerField()),'
        if field == "data"
        else '("file", models.FileField(null=True)), ("n", models.IntegerField()),'
    )
    assign = f"if post.n == 1:\n    post.{field} = {value}"
    check_refused(saving(assign), "save-side-effect", models=models)
    check_rewritten(
        f"for post in Post.objects.all():\n{indent(assign, '    ')}\n        post.save()\n",
        f"Post.objects.filter(n=1).update({field}={value})",
        models=models,
    )


def test_a_file_that_is_never_null_is_left_as_it_is():
    check_rewritten(
        saving('post.title = "x"'),
        'Post.objects.update(title="x")',
        models=with_post('("file", models.FileField()),'),
    )


def test_a_file_of_none_is_an_empty_name():
    check_rewritten(
        "for a in Attachment.objects.all():\n    a.file = None\n    a.save()\n",
        'Attachment.objects.update(file="")',
    )
    check_refused(
        'path = open("x")\nfor a in Attachment.objects.all():\n    a.file = path\n    a.save()\n',
        "save-side-effect",
    )
    check_refused(
        'for a in Attachment.objects.all():\n    a.file = "x"\n    a.name = a.file\n    a.save()\n',
        "value",
    )


@pytest.mark.parametrize("value", ["[]", "{}", '{"a": [1, None]}', '"text"', "1", "None"], ids=repr)
def test_a_literal_for_a_json_column(value):
    check_rewritten(
        f"for token in Token.objects.all():\n    token.data = {value}\n    token.save()\n",
        f"Token.objects.update(data={value})",
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('{"a": token.value}', "value"),
        ("[x for x in (1, 2)]", "value"),
        ("{1, 2}", "value"),
        ("1e999", "evaluated-without-rows"),
        (r'"\0"', "evaluated-without-rows"),
    ],
)
def test_a_json_value_that_is_none_or_not_a_literal(value, reason):
    check_refused(
        f"for token in Token.objects.all():\n    token.data = {value}\n    token.save()\n", reason
    )


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("models.DateTimeField(auto_now=True)", "auto-now"),
        ("thirdparty.Field()", "save-side-effect"),
        ('models.ImageField(width_field="w")', "save-side-effect"),
        ("models.GeneratedField()", "field-unknown"),
        ("models.ManyToManyField('Person')", "field-unknown"),
        ("models.GenericIPAddressField()", "evaluated-without-rows"),
    ],
)
def test_a_column_that_does_not_store_what_it_is_given(field, reason):
    models = with_post(f'("x", {field}), ("w", models.IntegerField()),')
    check_refused(saving('post.x = "a"'), reason, models=models)


# --- classes that are not Django's own -----------------------------------------------------------


OF_THE_PROJECT = """
from django.db.models import signals
from django.utils import timezone


class Price(models.DecimalField):
    def __init__(self, *args, **kwargs):
        kwargs["max_digits"] = 9
        kwargs["decimal_places"] = 2
        super().__init__(*args, **kwargs)


class Name(models.CharField):
    description = "a name"

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("max_length", 5)
        super().__init__(*args, **kwargs)


class Sized(models.CharField):
    def __init__(self, *args, size=1, **kwargs):
        self.size = size
        super().__init__(*args, max_length=size, **kwargs)


class Upper(models.CharField):
    def pre_save(self, instance, add):
        return getattr(instance, self.attname).upper()


class Stamp(models.DateTimeField):
    def pre_save(self, instance, add):
        return timezone.now()


class Many(models.ManyToManyField):
    pass


class Data(models.JSONField):
    pass


class Path(models.FileField):
    pass


class Heard(models.CharField):
    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        signals.post_save.connect(print, sender=cls)


class Labelled:
    def __str__(self):
        return self.title


class Shouting:
    def save(self, *args, **kwargs):
        self.title = self.title.upper()
        super().save(*args, **kwargs)


class Titled:
    @property
    def title(self):
        return ""

"""


def with_classes(field: str, options: str = "", extra: str = "") -> str:
    """``with_post``, and classes that fields and bases may be of."""
    models = with_post(f"{field}," if field else "", extra, options)
    return models.replace("\n\nclass Migration", f"{OF_THE_PROJECT}\nclass Migration")


FULL = saving('post.title = "x"')
NAMED = 'for post in Post.objects.all():\n    post.title = "x"\n    post.save(update_fields=["title"])\n'
BECOMES = 'Post.objects.update(title="x")'


@pytest.mark.parametrize(
    "field",
    [
        "Price()",
        "Name()",
        "Sized(size=3)",
        "Many('Person')",
        "Path()",
        "django_extensions.db.fields.CreationDateTimeField()",
        "model_utils.fields.AutoCreatedField()",
    ],
)
def test_a_full_save_writes_back_what_a_class_of_others_loaded(field):
    models = with_classes(f'("x", {field})')
    imports = "import django_extensions.db.fields\nimport model_utils.fields\n"
    check_rewritten(FULL, BECOMES, models=imports + models)


COMPUTING = {
    "pre_save": ("Upper(max_length=9)", "save-side-effect"),
    "a stamp": ("Stamp()", "auto-now"),
    "a stamp of a package": ("model_utils.fields.AutoLastModifiedField()", "auto-now"),
    "JSON": ("Data(null=True)", "save-side-effect"),
    "a file that may be null": ("Path(null=True)", "save-side-effect"),
    "a class that cannot be found": ("thirdparty.Field()", "save-side-effect"),
    "a class that is no name": ("thirdparty.make()()", "save-side-effect"),
}


@pytest.mark.parametrize(("field", "reason"), COMPUTING.values(), ids=COMPUTING)
def test_a_full_save_may_compute_a_column_of_a_class_of_others(field, reason):
    models = "import model_utils.fields\n" + with_classes(f'("x", {field})')
    loop = check_refused(FULL, reason, models=models)
    assert loop.offer
    assert "`x`" in loop.reason
    check_rewritten(NAMED, BECOMES, models=models)


def test_save_computes_a_column_that_it_names():
    named = FULL.replace("save()", 'save(update_fields=["title", "x"])')
    check_refused(
        named,
        "save-side-effect",
        models=with_classes('("x", Upper(max_length=9, primary_key=False))'),
    )


def test_a_stamp_of_the_project_gets_the_time_of_the_update():
    models = with_classes('("x", Stamp())')
    after = 'Post.objects.update(title="x", x=timezone.now())'
    check_rewritten(FULL, after, models=models, unsafe=True)
    check_refused(saving("post.x = None"), "auto-now", models=models)


def test_a_class_that_connects_signals_hears_every_save():
    models = with_classes('("x", Heard(max_length=9))')
    for before in (FULL, NAMED):
        check_refused(before, "signals", models=models)
        check_rewritten(before, BECOMES, models=models, unsafe=True)


def test_a_column_of_a_class_whose_values_go_the_way_of_its_base():
    models = with_classes('("x", Name()), ("y", Price())')
    check_rewritten(saving('post.x = "12345"'), 'Post.objects.update(x="12345")', models=models)
    check_rewritten(saving("post.y = 1"), "Post.objects.update(y=1)", models=models)
    check_rewritten(
        "for post in Post.objects.all():\n    if post.y > 1:\n        post.title = post.x\n        post.save()\n",
        'Post.objects.filter(y__gt=1).update(title=models.F("x"))',
        models=models,
    )


@pytest.mark.parametrize(
    ("field", "body", "reason"),
    [
        ("Name()", 'post.x = "123456"', "evaluated-without-rows"),
        ("Name(max_length=LENGTH)", 'post.x = "1"', "evaluated-without-rows"),
        ("models.CharField(max_length=LENGTH)", 'post.x = "1"', "evaluated-without-rows"),
        ("Price()", "post.x = 10000000", "evaluated-without-rows"),
        ("Name(unique=True)", 'post.x = "1"', "unique"),
        ("Sized(size=3)", 'post.x = "1"', "save-side-effect"),
        ("Upper(max_length=9)", 'post.x = "1"', "save-side-effect"),
        (
            "Sized(size=3)",
            'post.x = models.F("x")',
            "save-side-effect",
        ),
        ("Sized(size=3)", 'if post.x == "a":\n    post.title = "x"', "condition"),
    ],
)
def test_a_column_of_a_class_of_others_that_does_not_take_the_value(field, body, reason):
    check_refused(saving(body), reason, models=with_classes(f'("x", {field})'))


# --- constraints and models ----------------------------------------------------------------------


UNIQUE = {
    "a unique column": ('("n", models.IntegerField(unique=True)),', ""),
    "a one-to-one": ('("n", models.OneToOneField("Person", models.CASCADE)),', ""),
    "unique together": (
        '("n", models.IntegerField()),',
        'options={"unique_together": {("n", "title")}}',
    ),
    "a unique constraint": (
        '("n", models.IntegerField()),',
        'options={"constraints": [models.UniqueConstraint(fields=["n"], name="u")]}',
    ),
    "the condition of one": (
        '("n", models.IntegerField()),',
        'options={"constraints": [models.UniqueConstraint(fields=["title"], condition=models.Q(n=1), name="u")]}',
    ),
    "an unknown constraint": (
        '("n", models.IntegerField()),',
        'options={"constraints": [thirdparty.Constraint()]}',
    ),
}


@pytest.mark.parametrize(("fields", "options"), UNIQUE.values(), ids=UNIQUE)
def test_a_column_that_takes_part_in_a_unique_rule(fields, options):
    models = with_post(fields, options=options)
    check_refused(saving("post.n = None"), "unique", models=models)
    proxy = 'migrations.CreateModel("Other", [], bases=("shop.Post",), options={"proxy": True}),'
    other = 'Other = apps.get_model("shop", "Other")\n'
    check_refused(
        other + saving("post.n = None", "Other.objects.all()"),
        "unique",
        models=with_post(fields, proxy, options),
    )


def test_another_column_of_a_model_with_a_unique_one():
    check_rewritten(
        saving('post.title = "x"'),
        'Post.objects.update(title="x")',
        models=with_post('("n", models.IntegerField(unique=True)),'),
    )


MODELS = {
    "a mixin": ('bases=("shop.Mixin", models.Model)', "", "model-unknown"),
    "a class of a package": ("bases=(thirdparty.Mixin, models.Model)", "", "custom-base"),
    "a parent with a table": ('bases=("shop.Person",)', "", "multi-table-inheritance"),
    "a table that Django does not make": ('options={"managed": False}', "", "model-unverified"),
    "a base manager": ('options={"base_manager_name": "x"}', "", "custom-manager"),
    "a manager": ('managers=[("objects", thirdparty.Manager())]', "", "custom-manager"),
    "managers that cannot be read": ("managers=thirdparty.managers()", "", "custom-manager"),
    "SQL that names the table": (
        "",
        'migrations.RunSQL("ALTER TABLE shop_post ADD UNIQUE (title)"),',
        "model-unverified",
    ),
    "an unknown operation": ("", "thirdparty.Operation(),", "model-unknown"),
    "a deleted model": ("", 'migrations.DeleteModel("Post"),', "model-unknown"),
}


@pytest.mark.parametrize(("options", "extra", "reason"), MODELS.values(), ids=MODELS)
def test_a_model_that_is_not_plainly_a_table(options, extra, reason):
    models = with_post("", extra, options)
    outcome = checking.outcome_of(
        checking.whole(saving('post.title = "x"')), models=models, select=("MF101",)
    )
    assert not outcome.loops[0].changed
    assert outcome.loops[0].blocked_by in {reason, "custom-base"}


def test_a_proxy_of_a_model_with_a_mixin():
    proxy = 'migrations.CreateModel("Other", [], bases=("shop.Post",), options={"proxy": True}),'
    other = 'Other = apps.get_model("shop", "Other")\n'
    before = other + saving('post.title = "x"', "Other.objects.all()")
    mixed = with_post("", proxy, "bases=(thirdparty.Mixin, models.Model)")
    check_refused(before, "custom-base", models=mixed)
    check_rewritten(before, f'{other}Other.objects.update(title="x")', models=with_post("", proxy))


def test_a_mixin_that_has_no_part_in_a_save():
    models = with_classes("", "bases=(Labelled, models.Model)")
    check_rewritten(FULL, BECOMES, models=models)
    check_rewritten(FULL, BECOMES, models=with_classes("", "bases=(models.Model, Labelled)"))


@pytest.mark.parametrize(
    ("mixin", "words"),
    [
        ("Shouting", "the base shop.migrations.0001_initial.Shouting, whose save() would not run"),
        ("Titled", "the base shop.migrations.0001_initial.Titled, which defines `title` itself"),
        ("thirdparty.Mixin", "the base thirdparty.Mixin, whose methods would not run"),
    ],
)
def test_a_mixin_that_has_a_part_in_a_save(mixin, words):
    models = with_classes("", f"bases=({mixin}, models.Model)")
    for before in (FULL, NAMED):
        assert words in check_refused(before, "custom-base", models=models).reason
        check_rewritten(before, BECOMES, models=models, unsafe=True)


def test_a_proxy_with_a_mixin_that_hides_a_column_of_its_table():
    proxy = (
        'migrations.CreateModel("Other", [], bases=(Titled, "shop.Post"), options={"proxy": True}),'
    )
    other = 'Other = apps.get_model("shop", "Other")\n'
    before = other + saving('post.title = "x"', "Other.objects.all()")
    check_refused(before, "custom-base", models=with_classes("", "", proxy))
    harmless = with_classes("", "", proxy.replace("Titled", "Labelled"))
    check_rewritten(before, f'{other}Other.objects.update(title="x")', models=harmless)


def test_a_composite_primary_key():
    check_refused(
        saving('post.title = "x"'),
        "primary-key",
        models=with_post('("pk", models.CompositePrimaryKey("id", "title")),'),
    )


def test_an_imported_model():
    check_refused("from shop.models import Post\n" + saving("post.kind = 1"), "real-model")


@pytest.mark.parametrize("value", ["NEWEST", "post.kind or NEWEST", "1 if post.live else NEWEST"])
def test_an_imported_value_may_be_an_expression(value):
    above = "from shop.words import NEWEST\n"
    assert check_refused(above + saving(f"post.kind = {value}"), "value") is not None
    check_rewritten(
        above + saving("post.kind = NEWEST"),
        f"{above}Post.objects.update(kind=NEWEST)",
        unsafe=True,
    )


def test_a_column_that_only_the_state_knows():
    state = (
        "migrations.SeparateDatabaseAndState(state_operations=["
        'migrations.AddField("post", "n", models.IntegerField(null=True))]),'
    )
    check_refused(saving("post.n = 1"), "model-unverified", models=with_post("", state))


@pytest.mark.parametrize("body", ["post.other = post.link", "if post.link:\n    post.title = 'x'"])
@pytest.mark.parametrize(
    ("link", "person"), [("db_constraint=False, ", ""), ("", 'options={"base_manager_name": "x"}')]
)
def test_a_link_whose_row_the_loop_may_not_find(body, link, person):
    models = with_post(
        f'("link", models.ForeignKey("Person", models.CASCADE, {link}null=True, related_name="a")),'
        '("other", models.ForeignKey("Person", models.CASCADE, null=True, related_name="b")),'
    ).replace("primary_key=True))])", f"primary_key=True))], {person})", 1)
    check_refused(saving(body), "evaluated-without-rows", models=models)


# --- querysets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "written"),
    [
        ("Post.objects.filter(kind=2)", "Post.objects.filter(kind=2)"),
        (
            "Post.objects.exclude(kind=2).filter(live=True)",
            "Post.objects.exclude(kind=2).filter(live=True)",
        ),
        (
            "Post.objects.filter(author__age=2).distinct()",
            "Post.objects.filter(author__age=2).distinct()",
        ),
        ("Post.objects.all().order_by('-kind').select_related('author')", "Post.objects"),
        ("Post.objects.filter(kind=2).iterator(chunk_size=5)", "Post.objects.filter(kind=2)"),
        ("list(Post.objects.all())", "Post.objects"),
        ("tuple(Post.objects.filter(kind=2))", "Post.objects.filter(kind=2)"),
        ("Post.objects.using(OTHER).all()", "Post.objects.using(OTHER)"),
        ("Post._default_manager.all()", "Post._default_manager"),
        (
            "Post.objects.extra(where=WHERE)",
            "Post.objects.extra(where=WHERE)",
        ),
        (
            "Post.objects.annotate(x=models.Count(PATH)).filter(x=1)",
            "Post.objects.annotate(x=models.Count(PATH)).filter(x=1)",
        ),
        ("Post.objects.select_for_update()", "Post.objects.select_for_update()"),
        ("ann.posts.all()", "ann.posts"),
        ("ann.posts.filter(kind=2).order_by('kind')", "ann.posts.filter(kind=2)"),
    ],
)
def test_a_queryset_that_update_takes(rows, written):
    prelude = "ann = Person.objects.get(name='ann')\n"
    check_rewritten(prelude + saving("post.rank = 1", rows), f"{prelude}{written}.update(rank=1)")


@pytest.mark.parametrize(
    "order",
    [
        "'-kind', 'pk'",
        "'author__age'",
        "'author_id'",
        "'?'",
        "models.F('kind').desc()",
        "*ORDER",
        "",
    ],
)
def test_an_order_that_django_takes(order):
    rows = f"Post.objects.order_by({order})"
    check_rewritten(saving("post.rank = 1", rows), "Post.objects.update(rank=1)")


@pytest.mark.parametrize("order", ["'-kind-pk'", "'kind', 'nothing'", "'author__nothing'", "'x'"])
def test_an_order_that_django_refuses(order):
    refusal = check_refused(
        saving("post.rank = 1", f"Post.objects.order_by({order}).annotate(x=models.F('kind'))"),
        "queryset-shape",
    )
    assert "may fail" in refusal.reason


@pytest.mark.parametrize(
    "rows",
    ["Post.objects.select_for_update()", "Post.objects.all() | Post.objects.select_for_update()"],
)
def test_rows_that_are_locked_outside_of_a_transaction(rows):
    given = checking.whole(saving("post.kind = 2", rows))
    for source, changed in (
        (given, True),
        (given.replace("(forwards)", "(forwards, atomic=True)"), True),
        (given.replace("    dependencies", "    atomic = False\n    dependencies"), False),
    ):
        outcome = checking.outcome_of(source, select=("MF101",))
        assert outcome.changed == changed, outcome.loops


def test_a_queryset_under_a_name_loses_its_order_which_update_may_not_take():
    check_rewritten(
        f"posts = Post.objects.annotate(x=models.Count(PATH)).order_by(PATH)\n{saving('post.kind = 1', 'posts')}",
        "posts = Post.objects.annotate(x=models.Count(PATH)).order_by(PATH)\n"
        "posts.order_by().update(kind=1)",
    )


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("Post.objects.all()[:5]", "queryset-shape"),
        ("Post.objects.union(Post.objects.all())", "queryset-shape"),
        ("Post.objects.distinct('kind')", "queryset-shape"),
        ("Post.objects.select_for_update(skip_locked=True)", "queryset-shape"),
        ("Post.objects.extra({'x': '1'})", "queryset-shape"),
        ("Post.objects.extra(select={'kind': '1'})", "queryset-shape"),
        ("Post.objects.extra(where=['1 = 1'], tables=['shop_person'])", "queryset-shape"),
        ("Post.objects.only()", "queryset-shape"),
        ("Post.objects.only('id')", "queryset-shape"),
        ("Post.objects.only('author__name')", "queryset-shape"),
        ("Post.objects.only(*['title'])", "queryset-shape"),
        ("Post.objects.defer(None)", "queryset-shape"),
        ("Post.objects.defer('title').only('title', 'kind')", "queryset-shape"),
        ("Post.objects.none()", "queryset-shape"),
        ("reversed(Post.objects.all())", "loop-shape"),
        ("sorted(Post.objects.all(), key=str)", "loop-shape"),
        ("Post.live_objects.all()", "custom-manager"),
    ],
)
def test_a_queryset_that_update_does_not_take(rows, reason):
    outcome = checking.outcome_of(checking.whole(saving("post.kind = 1", rows)), select=("MF101",))
    assert not outcome.loops[0].changed
    assert outcome.loops[0].blocked_by in {reason, "queryset-shape"}


@pytest.mark.parametrize(
    ("before", "after"),
    cases(
        (
            "read again",
            "posts = Post.objects.filter(kind=1)\n",
            "for post in posts:\n    print(post)\n",
        ),
        ("counted after", "posts = Post.objects.filter(kind=1)\n", "print(posts.count())\n"),
        ("sampled before", "posts = Post.objects.filter(kind=1)\nprint(posts[0])\n", ""),
        (
            "searched before",
            "posts = Post.objects.filter(kind=1)\nif None in posts:\n    pass\n",
            "",
        ),
        ("a list", "posts = list(Post.objects.filter(kind=1))\n", "print(posts)\n"),
        (
            "a list of before",
            "posts = list(Post.objects.filter(kind=1))\nPost.objects.update(kind=3)\n",
            "",
        ),
        ("an iterator", "posts = Post.objects.filter(kind=1).iterator()\n", "print(posts)\n"),
        ("an iterator of before", "posts = Post.objects.all().iterator()\nprint(1)\n", ""),
        ("two names", "posts = Post.objects.all()\nothers = posts\n", "print(list(others))\n"),
    ),
)
def test_rows_that_are_used_elsewhere(before, after):
    check_refused(before + saving("post.kind = 2", "posts") + after, "queryset-reused")


@pytest.mark.parametrize("between", ["\nprint(1)", "; print(1)"])
def test_a_list_that_nothing_changes_before_the_loop(between):
    check_rewritten(
        f"posts = list(Post.objects.filter(kind=1)){between}\n" + saving("post.kind = 2", "posts"),
        f"posts = Post.objects.filter(kind=1){between}\nposts.update(kind=2)",
        "MF101",
    )


@pytest.mark.parametrize(
    "after",
    ["print(post)\n", "del post\n", "def show():\n    return post\n", "names = [post.title]\n"],
)
def test_a_row_that_is_used_after_the_loop(after):
    check_refused(saving("post.kind = 2") + after, "used-after-loop")


def test_a_row_that_is_a_global_name():
    check_refused("global post\n" + saving("post.kind = 2"), "used-after-loop")


def test_a_name_that_is_global_and_may_be_set_elsewhere():
    check_refused(
        "global value\nvalue = 1\n" + saving("post.kind = value"), "evaluated-without-rows"
    )


def test_an_else_of_the_loop():
    check_refused(saving("post.kind = 2") + "else:\n    print('done')\n", "loop-shape")


def test_related_rows_that_may_have_been_prefetched():
    before = "ann = Person.objects.prefetch_related('posts').get(name='ann')\n"
    check_refused(before + saving("post.kind = 1", "ann.posts.all()"), "prefetch")
    check_rewritten(
        before + saving("post.kind = 1", "ann.posts.filter(kind=2)"),
        f"{before}ann.posts.filter(kind=2).update(kind=1)",
    )


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ("Post.objects.filter(kind=1).iterator()", True),
        ("Post.objects.filter(author__posts__kind=1).iterator()", True),
        ("Post.objects.order_by('-kind').iterator()", True),
        ("Post.objects.filter(models.Q(kind=1)).iterator()", True),
        ("Post.objects.filter(live=True).iterator()", False),
        ("Post.objects.iterator()", False),
    ],
)
def test_an_iterator_over_rows_that_the_loop_moves_in_an_index_of_sqlite(rows, refused):
    if refused:
        check_refused(saving("post.kind = 2", rows), "queryset-shape", databases=("sqlite",))
    kept = rows.replace(".iterator()", "").replace(".order_by('-kind')", "")
    check_rewritten(saving("post.kind = 2", rows), f"{kept}.update(kind=2)")
    if not refused:
        check_rewritten(
            saving("post.kind = 2", rows), f"{kept}.update(kind=2)", databases=("sqlite",)
        )


def test_an_iterator_in_the_order_of_the_model_on_sqlite():
    models = with_post('("n", models.IntegerField()),', options='options={"ordering": ["n"]}')
    before = saving("post.n = 1", "Post.objects.iterator()")
    check_refused(before, "queryset-shape", models=models, databases=("sqlite",))
    check_rewritten(saving("post.n = 1"), "Post.objects.update(n=1)", models=models)


def test_a_filter_that_reads_the_same_table_on_mysql():
    others = "Post.objects.filter(author__in=Person.objects.filter(age=1))"
    check_rewritten(
        saving("post.kind = 2", others), f"{others}.update(kind=2)", databases=("mysql",)
    )
    rows = "Post.objects.filter(pk__in=Post.objects.filter(kind=1))"
    check_refused(saving("post.kind = 2", rows), "queryset-shape", databases=("mysql",))
    check_rewritten(saving("post.kind = 2", rows), f"{rows}.update(kind=2)", databases=("mariadb",))


@pytest.mark.parametrize(
    "around",
    [
        "try:\n{}except Exception:\n    pass\n",
        "import contextlib\nwith contextlib.suppress(ValueError):\n{}",
        "for _ in range(3):\n    try:\n    {}    except Exception:\n        pass\n",
    ],
)
def test_an_error_that_the_function_catches(around):
    def caught(loop):
        deeper = "    " if "for _" in around else ""
        return around.format(indent(loop, "    " + deeper).removeprefix(deeper))

    check_refused(caught(saving("post.kind = post.rank")), "transaction")
    after = caught("Post.objects.update(kind=2)\n")
    check_rewritten(caught(saving("post.kind = 2")), after)


@pytest.mark.parametrize("manager", ["lock", "locked()", "transaction.atomic(), lock"])
def test_a_block_that_may_catch_errors(manager):
    before = f"from django.db import transaction\nwith {manager}:\n"
    check_refused(before + indent(saving("post.kind = post.rank"), "    "), "transaction")
    check_rewritten(
        before + indent(saving("post.kind = 2"), "    "),
        f"{before}    Post.objects.update(kind=2)",
    )


WITHIN = (
    "from django.db import transaction\nalias = schema_editor.connection.alias\n"
    "for post in Post.objects.all():\n    with {}:\n        post.kind = 2\n        post.save()\n"
)


@pytest.mark.parametrize(
    "manager",
    [
        "transaction.atomic()",
        "transaction.atomic(savepoint=False)",
        "transaction.atomic(None, True, False)",
        "transaction.atomic(using='default')",
        "transaction.atomic(using=schema_editor.connection.alias)",
        "transaction.atomic(alias, savepoint=True)",
        "transaction.atomic(), transaction.atomic(durable=False)",
    ],
)
def test_a_transaction_for_each_row(manager):
    outcome = checking.outcome_of(checking.whole(WITHIN.format(manager)), select=("MF101",))
    assert outcome.changed, outcome.loops


@pytest.mark.parametrize(
    "manager",
    [
        "transaction.atomic(durable=True)",
        "transaction.atomic(None, True, True)",
        "transaction.atomic(using='nope')",
        "transaction.atomic('nope')",
        "transaction.atomic(using=nowhere)",
        "transaction.atomic(savepoint=nowhere)",
        "transaction.atomic(**nowhere)",
        "transaction.atomic(*nowhere)",
        "transaction.atomic(None, True, False, 1)",
        "transaction.atomic(nothing=1)",
        "transaction.atomic",
        "transaction.on_commit(print)",
        "transaction.mark_for_rollback_on_error()",
        "transaction.atomic(), transaction.atomic(durable=True)",
    ],
)
def test_a_transaction_for_each_row_that_may_fail_by_itself(manager):
    check_refused(WITHIN.format(manager), "other-statements")


def test_a_block_that_lets_errors_through():
    before = "from django.db import transaction\nwith transaction.atomic():\n    "
    check_rewritten(
        before + indent(saving("post.kind = 2"), "    ").lstrip(),
        f"{before}Post.objects.update(kind=2)",
    )
    check_rewritten(
        "try:\n    "
        + indent(saving("post.kind = 2"), "    ").lstrip()
        + "finally:\n    print('done')\n",
        "try:\n    Post.objects.update(kind=2)\nfinally:\n    print('done')",
    )


def test_the_else_of_a_try_whose_errors_nobody_catches():
    before = "try:\n    import thirdparty\nexcept ImportError:\n    pass\nelse:\n    "
    check_rewritten(
        before + indent(saving("post.kind = 2"), "    ").lstrip(),
        f"{before}Post.objects.update(kind=2)",
    )


def test_progress_that_would_no_longer_be_shown():
    check_refused(
        "from tqdm import tqdm\n" + saving("post.kind = 2", "tqdm(Post.objects.all())"), "output"
    )


@pytest.mark.parametrize(
    "rows", ["enumerate(Post.objects.all())", "enumerate(Post.objects.all(), 1)"]
)
def test_a_number_that_nobody_reads(rows):
    check_rewritten(
        saving("post.kind = 2", rows).replace("for post", "for number, post"),
        "Post.objects.update(kind=2)",
    )


def test_a_helper_that_gets_the_queryset_from_a_name_of_its_caller():
    source = checking.whole(
        "posts = Post.objects.filter(kind=1)\nmark(posts)\nprint(list(posts))\n"
    )
    helper = "def mark(rows):\n    for row in rows:\n        row.kind = 2\n        row.save()\n\n\n"
    outcome = checking.outcome_of(
        source.replace("def forwards", helper + "def forwards", 1), select=("MF101",)
    )
    assert [loop.blocked_by for loop in outcome.loops] == ["queryset-reused"]


STATUS = "class Status{}:\n    LIVE = 1\n    BUMP = models.F('kind') + 1\n    NAMES = {{}}\n\n\n"


def with_status(body: str, bases: str) -> str:
    top = f"import enum\n\n\n{STATUS.format(bases)}def forwards"
    return checking.whole(body).replace("def forwards", top, 1)


@pytest.mark.parametrize(
    ("body", "bases", "blocked"),
    cases(
        ("a constant", saving("post.kind = Status.LIVE"), "", None),
        ("a choice", saving("post.kind = Status.LIVE"), "(models.IntegerChoices)", None),
        (
            "a member, which is no number",
            saving("post.kind = Status.LIVE"),
            "(enum.Enum)",
            "evaluated-without-rows",
        ),
        (
            "an expression",
            saving("post.kind = Status.BUMP"),
            "",
            "evaluated-without-rows",
        ),
        ("no member", saving("post.kind = Status.DEAD"), "", "evaluated-without-rows"),
        (
            "a class of that name in the function",
            "Status = thirdparty()\n" + saving("post.kind = Status.LIVE"),
            "",
            "evaluated-without-rows",
        ),
    ),
)
def test_a_member_of_a_class_in_the_file(body, bases, blocked):
    outcome = checking.outcome_of(with_status(body, bases), select=("MF101",))
    assert outcome.loops[0].blocked_by == blocked
    assert outcome.loops[0].changed == (blocked is None)


def test_a_name_of_the_enclosing_function():
    source = checking.whole("value = 1\n").replace(
        "value = 1\n",
        "value = 1\n\n    def fill():\n        for post in Post.objects.all():\n"
        "            post.kind = value\n            post.save()\n\n    fill()\n",
    )
    outcome = checking.outcome_of(source, select=("MF101",))
    assert outcome.loops[0].changed
    twice = source.replace("value = 1\n", "value = 1\n    value = 2\n", 1)
    outcome = checking.outcome_of(twice, select=("MF101",))
    assert outcome.loops[0].blocked_by == "evaluated-without-rows"


@pytest.mark.parametrize(
    "body",
    [saving("post.kind += 1"), saving("if post.live or post.kind == 1:\n    post.body = 5")],
    ids=["F", "Q"],
)
def test_a_file_in_which_every_name_for_an_expression_is_taken(body):
    check_refused("models, F, Q = 1, 2, 3\n" + body, "name-clash")


@pytest.mark.parametrize("operator", [">", ">="])
def test_floats_that_postgresql_may_hold_for_greater_than_any_number(operator):
    loop = f"""
        for post in Post.objects.all():
            if post.price {operator} 2:
                post.kind = 1
                post.save()
        """
    check_refused(loop, "condition")
    lookup = "gt" if operator == ">" else "gte"
    after = f"Post.objects.filter(price__{lookup}=2).update(kind=1)"
    check_rewritten(loop, after, unsafe=True)
    check_rewritten(loop, after, databases=("sqlite", "mysql", "mariadb"))


@pytest.mark.parametrize(("operator", "lookup"), [("<", "lt"), ("<=", "lte")])
def test_no_database_holds_what_is_no_number_for_less(operator, lookup):
    check_rewritten(
        f"""
        for post in Post.objects.all():
            if post.price {operator} 2:
                post.kind = 1
                post.save()
        """,
        f"Post.objects.filter(price__{lookup}=2).update(kind=1)",
    )


def test_a_statement_on_several_lines_is_named_by_its_first_line_and_its_beginning():
    loop = check_refused(
        """
        for post in Post.objects.all():
            post.kind = 1
            imported.note(
                post.title,
                "something that makes this line much longer than a message may be",
            )
            post.save()
        """,
        "other-statements",
        select=("MF101",),
    )
    assert loop.reason == (
        "line 13 does more than set fields of the row: "
        '`imported.note( post.title, "something that makes this lin...`'
    )


@pytest.mark.parametrize(
    "rows", ["only('name')", "only('name', 'other')", "defer('updated')", "defer('updated', 'id')"]
)
def test_a_save_of_narrowed_rows_leaves_the_columns_alone_that_were_not_loaded(rows):
    check_rewritten(
        f"""
        for stamped in Stamped.objects.{rows}:
            stamped.name = "x"
            stamped.save()
        """,
        'Stamped.objects.update(name="x")',
    )


@pytest.mark.parametrize("rows", ["only('name', 'updated')", "defer('other')"])
def test_a_save_of_narrowed_rows_refreshes_the_auto_now_columns_among_them(rows):
    check_refused(
        f"""
        for stamped in Stamped.objects.{rows}:
            stamped.name = "x"
            stamped.save()
        """,
        "auto-now",
    )


# --- bodies --------------------------------------------------------------------------------------

TOP = """
COUNT = LIMIT = 3


def set_kind(row, kind):
    row.kind = kind


def next_kind(row):
    old = row.kind
    row.kind = 5
    return old


def rank_of(kind):
    if kind == 1:
        return 2
    elif kind == 3:
        return 4


def set_and_tell(row):
    row.kind = 1
    print(row.kind)


def set_and_save(row):
    if row.live:
        row.kind = LIMIT
        row.save()


def set_all(*rows):
    for row in rows:
        row.kind = 1


def with_default(row, kind=1):
    row.kind = kind


def growing(row):
    global COUNT
    COUNT += 1
    row.kind = COUNT


def in_turn(row):
    row.kind = 1
    yield row


"""


def with_functions(before: str, **options: object):
    """What migfix says of the body in a file that defines the functions of ``TOP`` above it."""
    given = checking.whole(before).replace("def forwards", f"{TOP.strip()}\n\n\ndef forwards")
    return given, checking.outcome_of(given, select=("MF101",), **options)


@pytest.mark.parametrize(
    ("body", "written"),
    cases(
        (
            "one column by a chain of conditions",
            "if post.kind == 1:\n    post.rank = 2\nelif post.live:\n    post.rank = 3\npost.save()",
            ".filter(models.Q(kind=1) | models.Q(live=True)).update(rank=models.Case("
            "models.When(kind=1, then=models.Value(2)), default=models.Value(3)))",
        ),
        (
            "a column tested after it was set, where the value is known",
            "if post.kind == 1:\n    post.kind = 2\nif post.kind == 2:\n    post.kind = 3\npost.save()",
            ".filter(kind__in=[1, 2]).update(kind=3)",
        ),
        (
            "a flag",
            "changed = False\nif post.kind == 1:\n    post.rank = 2\n    changed = True\nif changed:\n    post.save()",
            ".filter(kind=1).update(rank=2)",
        ),
        (
            "a flag that skips",
            "same = True\nif post.live:\n    post.kind = 1\n    same = False\nif same:\n    continue\npost.save()",
            ".filter(live=True).update(kind=1)",
        ),
        (
            "a value of before",
            "old = post.kind\npost.kind = 5\npost.rank = old\npost.save()",
            '.update(rank=models.F("kind"), kind=5)',
        ),
        (
            "a name that grows",
            "new = post.kind\nnew += 1\npost.rank = new\npost.save()",
            '.update(rank=models.F("kind") + 1)',
        ),
        (
            "columns that change places",
            "post.title, post.slug = post.slug, post.title\npost.save()",
            '.update(title=models.F("slug"), slug=models.F("title"))',
        ),
        (
            "another name for the row",
            "post.kind = 1\nrow = post\nrow.rank = row.kind\nrow.save()",
            ".update(kind=1, rank=1)",
        ),
        (
            "several cases",
            "match post.kind:\n    case 1 | 2:\n        post.rank = 5\n    case _:\n        continue\npost.save()",
            ".filter(kind__in=[1, 2]).update(rank=5)",
        ),
        (
            "a case with a guard",
            "match post.rank:\n    case None if post.live:\n        post.kind = 5\n        post.save()",
            ".filter(rank__isnull=True, live=True).update(kind=5)",
        ),
        (
            "two saves",
            "post.kind = 1\npost.save()\npost.rank = 2\npost.save()",
            ".update(kind=1, rank=2)",
        ),
        (
            "two saves of some columns",
            "post.kind, post.rank = 1, 2\npost.save(update_fields=['kind'])\npost.save(update_fields=['rank'])",
            ".update(kind=1, rank=2)",
        ),
        (
            "a query for the row",
            "Post.objects.filter(pk=post.pk).update(kind=1)",
            ".update(kind=1)",
        ),
        (
            "a query that sets what others read",
            "Post.objects.filter(id=post.id).update(kind=post.votes, rank=post.kind)",
            '.update(rank=models.F("kind"), kind=models.F("votes"))',
        ),
        (
            "a query for some rows",
            "if post.live:\n    Post.objects.filter(pk=post.pk).update(kind=1)",
            ".filter(live=True).update(kind=1)",
        ),
    ),
)
def test_a_body_that_becomes_one_update(body, written):
    before = f"for post in Post.objects.all():\n{indent(body, '    ')}\n"
    check_rewritten(before, wrapped(f"Post.objects{written}"))


@pytest.mark.parametrize(
    ("body", "reason"),
    cases(
        (
            "a name of the row before",
            "if post.kind == last:\n    post.rank = 1\nlast = post.kind\npost.save()",
            "value",
        ),
        ("a value of the row before", "post.rank = last\nlast = post.kind\npost.save()", "value"),
        (
            "a row that another turn found",
            "if post.author == ann:\n    post.kind = 1\n    post.save()\nann = post.author",
            "value",
        ),
        (
            "a column of a row that another turn found",
            "post.title = ann.name\npost.save()\nann = post.author",
            "value",
        ),
        (
            "the first row only",
            "if not last:\n    post.kind = 1\n    last = 1\n    post.save()",
            "condition",
        ),
        (
            "a name that some paths bind",
            "if post.live:\n    last = 3\npost.rank = last\npost.save()",
            "value",
        ),
        (
            "a name in a condition",
            "if (kind := post.kind) == 1:\n    post.rank = kind\n    post.save()",
            "condition",
        ),
        (
            "a part of a target that takes the rest",
            "post.kind, *rest = 1, 2\npost.save()",
            "other-statements",
        ),
        (
            "a target in a target",
            "(post.kind, post.rank), post.live = (1, 2), True\npost.save()",
            "other-statements",
        ),
        ("values that are not written out", "post.kind, post.rank = pair\npost.save()", "other-statements"),
        (
            "a case that binds a name",
            "match post.kind:\n    case kind if kind == 3:\n        post.rank = kind\npost.save()",
            "other-statements",
        ),
        (
            "a case that takes a value apart",
            "match post.title:\n    case [first]:\n        post.rank = 1\npost.save()",
            "other-statements",
        ),
        (
            "cases of several values",
            "match (post.kind, post.rank):\n    case (1, 2):\n        post.rank = 1\npost.save()",
            "other-statements",
        ),
        (
            "a value that only holds between two saves",
            "post.kind = None\npost.save()\npost.kind = 1\npost.save()",
            "saved-twice",
        ),
        (
            "a value that is taken back",
            "old = post.kind\npost.kind = 1\npost.save()\npost.kind = old\npost.save()",
            "saved-twice",
        ),
        (
            "a save after a query",
            "Post.objects.filter(pk=post.pk).update(kind=1)\npost.rank = 1\npost.save()",
            "saved-twice",
        ),
        (
            "a save before a query",
            "post.rank = 1\npost.save()\nPost.objects.filter(pk=post.pk).update(kind=1)",
            "other-statements",
        ),
        (
            "a query between setting and saving",
            "post.rank = 1\nPost.objects.filter(pk=post.pk).update(kind=1)\npost.save()",
            "other-statements",
        ),
        (
            "a query for another row",
            "Post.objects.filter(pk=post.author_id).update(kind=1)",
            "other-statements",
        ),
        ("a query for one and the same row", "Post.objects.filter(pk=ann.pk).update(kind=1)", "other-statements"),
        ("a query that takes the row for its key", "Post.objects.filter(pk=post).update(kind=1)", "other-statements"),
        (
            "a query with another condition",
            "Post.objects.filter(pk=post.pk, kind=1).update(rank=1)",
            "other-statements",
        ),
        ("a query for another model", "Tag.objects.filter(pk=post.pk).update(name='x')", "other-statements"),
        (
            "a query among the rows of someone",
            "ann.posts.filter(pk=post.pk).update(kind=1)",
            "other-statements",
        ),
        (
            "a query that computes of another table",
            "Post.objects.filter(pk=post.pk).update(kind=models.F('author__age') + 1)",
            "value",
        ),
    ),
)  # fmt: skip
def test_a_body_whose_turns_depend_on_each_other_or_do_more(body, reason):
    before = (
        "ann, last, pair = Person.objects.get(name='ann'), None, (1, 2)\n"
        "ann = Person.objects.get(name='ann')\n"
        f"for post in Post.objects.all():\n{indent(body, '    ')}\n"
    )
    check_refused(before, reason)


def test_columns_that_change_places_where_a_database_sets_one_after_the_other():
    body = "post.title, post.slug = post.slug, post.title"
    check_refused(saving(body), "set-order", databases=("postgresql", "mariadb"))


def test_a_condition_that_reads_what_is_set_goes_first_where_columns_are_set_in_turn():
    body = "if post.kind == post.votes:\n    post.rank = 1\npost.votes = 0"
    check_rewritten(
        saving(body, "Post.objects.filter(rank=0)"),
        wrapped(
            'Post.objects.filter(rank=0).update(rank=models.Case(models.When(kind=models.F("votes"), '
            'then=models.Value(1)), default=models.F("rank")), votes=0)'
        ),
        databases=("mariadb",),
    )


@pytest.mark.parametrize(
    ("body", "written"),
    cases(
        ("sets", "set_kind(post, 4)\npost.save()", ".update(kind=4)"),
        ("sets by name", "set_kind(kind=post.rank, row=post)\npost.save()", '.update(kind=models.F("rank"))'),
        ("gives back", "post.rank = next_kind(post)\npost.save()", '.update(rank=models.F("kind"), kind=5)'),
        ("saves", "set_and_save(post)", ".filter(live=True).update(kind=LIMIT)"),
        (
            "computes",
            "post.rank = rank_of(post.kind)\npost.save()",
            ".update(rank=models.Case(models.When(kind=1, then=models.Value(2)), "
            "models.When(kind=3, then=models.Value(4)), default=models.Value(None)))",
        ),
    ),
)  # fmt: skip
def test_a_function_of_the_file(body, written):
    given, outcome = with_functions(f"for post in Post.objects.all():\n{indent(body, '    ')}\n")
    after = checking.after_of(outcome, given)
    assert indent(wrapped(f"Post.objects{written}"), "    ") in after
    assert outcome.loops[-1].applicability.value == "safe"


@pytest.mark.parametrize(
    "body",
    [
        "set_all(post)",
        "set_kind(post, *[1])",
        "set_kind(post, **{'kind': 1})",
        "set_kind(post, post.author.posts.count())",
        "with_default(post)",
        "growing(post)",
        "in_turn(post)",
        "set_kind(ann, 1)",
        "unknown(post)",
    ],
)
@pytest.mark.parametrize("unsafe", [False, True])
def test_a_function_that_cannot_be_followed(body, unsafe):
    text = f"ann = Person.objects.get()\nfor post in Post.objects.all():\n    post.rank = 1\n    {body}\n    post.save()\n"
    _, outcome = with_functions(text, unsafe=unsafe)
    assert not outcome.changed
    assert outcome.loops[-1].blocked_by in {"other-statements", "value"}


@pytest.mark.parametrize(
    "body",
    [
        "set_and_tell(post)",
        "print(set_kind(post, 1))",
        "told = set_and_tell(post)\nprint(told)",
        "told = hash(next_kind(post))\nprint(told)",
        "print(*[set_kind(p, 1) for p in [post]])",
    ],
)
def test_what_is_told_of_a_row_and_sets_it_as_well(body):
    """Even who gives up the output would not expect a value to be lost."""
    text = f"for post in Post.objects.all():\n{indent(body, '    ')}\n    post.rank = 1\n    post.save()\n"
    given, outcome = with_functions(text, unsafe=True)
    assert "update(rank=1)" not in checking.after_of(outcome, given)


@pytest.mark.parametrize(
    "body",
    [
        "print(post.pk, post.title)",
        "logger.info('%s', post)",
        "told = post.title.upper()\nlogger.info(told)",
        "if post.live:\n    print(f'{post}')",
    ],
)
def test_output_is_lost_only_where_that_is_allowed(body):
    text = (
        "import logging\nlogger = logging.getLogger()\n"
        f"for post in Post.objects.all():\n{indent(body, '    ')}\n    post.rank = 1\n    post.save()\n"
    )
    check_refused(text, "output")
    check_rewritten(
        text,
        "import logging\nlogger = logging.getLogger()\nPost.objects.update(rank=1)",
        unsafe=True,
    )


# --- several updates -----------------------------------------------------------------------------

TWO = "if post.live:\n    post.{} = {}\nif post.seen:\n    post.rank = 1"


def is_split(rows: str, body: str, *, models: str = checking.MODELS) -> bool:
    """Does the loop become several update()s, of which the later see what the earlier have set?"""
    given = checking.whole(saving(body, rows))
    outcome = checking.outcome_of(given, select=("MF101",), models=models)
    return checking.after_of(outcome, given).count(".update(") > 1


@pytest.mark.parametrize(
    "rows",
    [
        "Post.objects.all()",
        "Post.objects.filter(votes=1)",
        "Post.objects.filter(models.Q(votes=1) | ~models.Q(title='kind'))",
        "Post.objects.filter(votes=models.F('rank'))",
        "Post.objects.exclude(title='kind')",
    ],
)
def test_updates_in_a_row(rows):
    kept = rows.replace(".all()", "")
    given = saving(TWO.format("kind", 2), rows)
    if "rank" in rows:  # which only the last one sets
        assert is_split(rows, TWO.format("kind", 2))
        return
    check_rewritten(
        given,
        f"{wrapped(f'{kept}.filter(live=True).update(kind=2)')}"
        f"{wrapped(f'{kept}.filter(seen=True).update(rank=1)')}".replace("'", '"'),
    )


@pytest.mark.parametrize(
    "rows",
    [
        "Post.objects.filter(kind=1)",
        "Post.objects.exclude(kind__gt=1)",
        "Post.objects.filter(models.Q(kind=1) | models.Q(votes=1))",
        "Post.objects.filter(votes=models.F('kind'))",
        "Post.objects.filter(models.Q(votes=models.F('kind') + 1))",
        "Post.objects.filter(author__posts__kind=1)",
        "Post.objects.annotate(same=models.F('kind')).filter(same=1)",
        "Post.objects.extra(where=['kind = 1'])",
        "Post.objects.filter(some_q)",
        "Post.objects.filter(**names)",
        "Post.objects.filter(pk__in=Post.objects.filter(kind=1))",
        "Post.objects.filter(votes=next(numbers))",
    ],
)
def test_updates_of_which_an_earlier_one_would_change_the_rows_of_a_later_one(rows):
    assert not is_split(rows, TWO.format("kind", 2))


@pytest.mark.parametrize("target", ["author", "author_id", "editor"])
def test_related_rows_may_go_over_to_another(target):
    value = "ann.pk" if target.endswith("_id") else "ann"
    body = TWO.format(target, value)
    given = checking.whole(
        f"ann = Person.objects.get()\n{saving(body, 'ann.posts.filter(votes=1)')}"
    )
    outcome = checking.outcome_of(given, select=("MF101",))
    assert not outcome.changed


@pytest.mark.parametrize(
    "body",
    [
        "if post.live:\n    post.kind = 2\nif post.kind == 3:\n    post.rank = 1",
        "if post.live:\n    post.kind = 2\nif post.votes == post.kind:\n    post.rank = 1",
        "if post.live:\n    post.kind = 2\nif post.seen:\n    post.rank = post.kind",
        "if post.votes == post.kind:\n    post.kind = 2\nelif post.live:\n    post.rank = 1",
        "if post.live:\n    post.votes = 2\nif post.kind == post.votes or post.kind == 1:\n    post.rank = 1",
    ],
)
def test_a_later_update_that_reads_what_an_earlier_one_sets(body):
    assert not is_split("Post.objects.all()", body)


def test_a_rule_for_several_columns_may_not_hold_between_two_updates():
    rule = (
        '                ("rank", models.IntegerField(null=True)),\n            ],\n            options={\n'
        '                "constraints": [models.CheckConstraint(name="c", check=models.Q(kind__lt=5))]\n'
        "            },\n        ),\n"
    )
    declared = 'migrations.CreateModel(\n            "Ruled",\n            [\n'
    declared += '                ("id", models.AutoField(primary_key=True)),\n'
    for name, kind in {
        "kind": "IntegerField()",
        "live": "BooleanField()",
        "seen": "BooleanField()",
    }.items():
        declared += f'                ("{name}", models.{kind}),\n'
    models = checking.MODELS.replace(
        'migrations.CreateModel(\n            "Token"',
        f'{declared}{rule}        migrations.CreateModel(\n            "Token"',
    )
    body = TWO.format("kind", 2)
    rows = 'apps.get_model("shop", "Ruled").objects.all()'
    assert not is_split(rows, body, models=models)
    without = (
        models.replace('name="c", check', 'name="c", check')
        .replace('"constraints"', '"ordering"')
        .replace('[models.CheckConstraint(name="c", check=models.Q(kind__lt=5))]', '["kind"]')
    )
    assert is_split(rows, body, models=without)


# --- bulk_update ---------------------------------------------------------------------------------


def collecting(
    body: str = "post.kind = 1",
    names: str = '["kind"]',
    before: str = "found = []",
    rows: str = "Post.objects.all()",
) -> str:
    """A loop that collects its rows for a bulk_update()."""
    return (
        f"{before}\nfor post in {rows}:\n{indent(body, '    ')}\n    found.append(post)\n"
        f"Post.objects.bulk_update(found, {names})\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    cases(
        ("all rows", collecting(), "Post.objects.update(kind=1)"),
        ("some rows", collecting("if not post.live:\n    continue\npost.kind = 1"), "Post.objects.exclude(live=False).update(kind=1)"),
        ("some columns", collecting("post.kind = 1\npost.rank = 2"), "Post.objects.update(kind=1)"),
        ("columns that stay", collecting(names='["kind", "rank"]'), "Post.objects.update(kind=1)"),
        ("a column by its key", collecting("post.editor_id = 5", '("editor_id",)'), "Post.objects.update(editor_id=5)"),
        ("in batches", collecting(names='fields=["kind"], batch_size=100'), "Post.objects.update(kind=1)"),
        ("set after it was collected", collecting().replace("    post.kind = 1\n    found.append(post)", "    found.append(post)\n    post.kind = 1"), "Post.objects.update(kind=1)"),
        ("if there are any", collecting().replace("Post.objects.bulk", "if found:\n    Post.objects.bulk"), "Post.objects.update(kind=1)"),
        ("an annotated list", collecting(before="found: list = []"), "Post.objects.update(kind=1)"),
        ("a list made above", collecting(before="found = []  # those\nprint()\n"), "# those\nprint()\n\nPost.objects.update(kind=1)"),
        ("over foreign keys", collecting(rows='Post.objects.filter(author__name="x")'), 'Post.objects.filter(author__name="x").update(kind=1)'),
        ("the queryset itself", "found = Post.objects.all()\nfor post in found:\n    post.kind = 1\nPost.objects.bulk_update(found, ['kind'])\n", "found = Post.objects.all()\nfound.update(kind=1)"),
        ("a list of the rows", "found = list(Post.objects.all())\nfor post in found:\n    post.kind = 1\nPost.objects.bulk_update(found, ['kind'])\n", "found = Post.objects.all()\nfound.update(kind=1)"),
        ("no save to refresh anything", collecting('post.name = "x"', '["name", "updated"]').replace("Post", "Stamped"), 'Stamped.objects.update(name="x")'),
    ),
)  # fmt: skip
def test_a_bulk_update_after_the_loop(before, after):
    check_rewritten(before, after)


@pytest.mark.parametrize(
    ("before", "reason"),
    cases(
        ("read again", collecting() + "print(len(found))\n", "other-statements"),
        ("measured in the loop", collecting("post.kind = 1\nif len(found) > 5:\n    pass"), "condition"),
        ("not empty at first", collecting(before="found = [Post()]"), "other-statements"),
        ("with two names", collecting(before="found = others = []") + "others.append(1)\n", "other-statements"),
        ("beside another statement", collecting(before="found = []; x = 1"), "other-statements"),
        ("on a path of its own", collecting(before="if apps:\n    found = []"), "other-statements"),
        ("alone in a block", "try:\n    found = []\nexcept ValueError:\n    raise\nelse:\n" + indent(collecting(before=""), "    "), "other-statements"),
        ("made elsewhere", collecting(before="found = some()"), "other-statements"),
        ("bound twice", collecting() + "found = None\n", "other-statements"),
        ("deleted", collecting() + "del found\n", "other-statements"),
        ("of another function", collecting() + "def later():\n    return found\n", "other-statements"),
        ("collected twice", collecting("post.kind = 1\nfound.append(post)"), "saved-twice"),
        ("saved as well", collecting("post.kind = 1\npost.save()"), "saved-twice"),
        ("something else collected", collecting("post.kind = 1\nfound.append(post.author)"), "other-statements"),
        ("of another model", collecting().replace("Post.objects.bulk", "Tag.objects.bulk"), "other-statements"),
        ("of rows of another database", collecting(rows='Post.objects.using("other")'), "other-statements"),
        ("not right after the loop", collecting().replace("Post.objects.bulk", "print()\nPost.objects.bulk"), "other-statements"),
        ("whose number is read", collecting().replace("Post.objects.bulk", "n = Post.objects.bulk"), "other-statements"),
        ("of columns by a name", collecting(names="names"), "other-statements"),
        ("of the key", collecting(names='["kind", "id"]'), "save-arguments"),
        ("of an unknown column", collecting(names='["kind", "nothing"]'), "field-unknown"),
        ("of JSON that is written back", collecting('post.value = "x"', '["value", "data"]').replace("Post", "Token"), "save-side-effect"),
        ("of files that are written back", collecting('post.name = "x"', '["name", "file"]').replace("Post", "Attachment"), "save-side-effect"),
        ("of a queryset that is read again", "found = Post.objects.all()\nfor post in found:\n    post.kind = 1\nPost.objects.bulk_update(found, ['kind'])\nprint(found)\n", "queryset-reused"),
        ("of a list that is read again", "found = list(Post.objects.all())\nfor post in found:\n    post.kind = 1\nPost.objects.bulk_update(found, ['kind'])\nprint(found)\n", "queryset-reused"),
        ("of a fresh queryset", "found = Post.objects.all()\nfor post in found.all():\n    post.kind = 1\nPost.objects.bulk_update(found, ['kind'])\n", "never-saved"),
        ("of an iterator", "found = Post.objects.iterator()\nfor post in found:\n    post.kind = 1\nPost.objects.bulk_update(found, ['kind'])\n", "queryset-reused"),
    ),
)  # fmt: skip
def test_a_bulk_update_that_does_not_stand_for_a_save(before, reason):
    check_refused(before, reason)


# --- counters ------------------------------------------------------------------------------------


def counting(
    body: str = "post.kind = 1\npost.save()\ncount += 1",
    rows: str = "Post.objects.all()",
    start: str = "count = 0",
) -> str:
    return f"{start}\nfor post in {rows}:\n{indent(body, '    ')}\nprint(count)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    cases(
        ("all rows", counting(), "count = Post.objects.update(kind=1)\nprint(count)"),
        ("some rows", counting("if post.live:\n    count += 1\n    post.kind = 1\n    post.save()"), "count = Post.objects.filter(live=True).update(kind=1)\nprint(count)"),
        ("from another number", counting(start="count = 5"), "count = 5\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("made further above", counting(start="count = 0\nx = 1"), "count = 0\nx = 1\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("beside another", counting(start="x = 1; count = 0"), "x = 1; count = 0\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("with another", counting(start="x = count = 0"), "x = count = 0\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("with comments", counting(start="count = 0  # one; two").replace("count += 1", "count += 1  # three"), "# one; two\n# three\ncount = Post.objects.update(kind=1)\nprint(count)"),
        ("in an else", f"if not apps:\n    pass\nelse:\n{indent(counting(), '    ')}", "if not apps:\n    pass\nelse:\n    count = Post.objects.update(kind=1)\n    print(count)"),
        (
            "rows that differ",
            counting("if post.live:\n    post.kind = 1\nelse:\n    post.rank = 1\npost.save()\ncount += 1"),
            "count = Post.objects.filter(live=True).update(kind=1)\n"
            "count += Post.objects.exclude(live=True).update(rank=1)\nprint(count)",
        ),
        ("beside another in one statement", counting(start="made, count = 3, 0") , "made, count = 3, 0\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("that grew before", counting(start="count = 0\ncount += 2"), "count = 0\ncount += 2\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("beside a list", counting(start="made, count = [], 0"), "made, count = [], 0\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("from a number of rows", counting(start="count = Tag.objects.count()"), "count = Tag.objects.count()\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("from a number of names", counting(start="count = len('abc')"), "count = len('abc')\ncount += Post.objects.update(kind=1)\nprint(count)"),
        ("that nobody reads", counting().replace("print(count)", ""), "count = 0\nPost.objects.update(kind=1)"),
        ("over foreign keys", counting(rows='Post.objects.filter(author__name="x")'), 'count = Post.objects.filter(author__name="x").update(kind=1)\nprint(count)'),
    ),
)  # fmt: skip
def test_a_counter_that_is_the_number_of_rows(before, after):
    check_rewritten(before, after)


@pytest.mark.parametrize(
    "before",
    cases(
        ("every row, saved or not", counting("count += 1\nif post.live:\n    post.kind = 1\n    post.save()")),
        ("rows that stay as they are", counting("if post.live:\n    post.kind = 1\npost.save()\ncount += 1")),
        ("by two", counting("post.kind = 1\npost.save()\ncount += 2")),
        ("twice", counting("post.kind = 1\npost.save()\ncount += 1\ncount += 1")),
        ("down", counting("post.kind = 1\npost.save()\ncount -= 1")),
        ("by a sum", counting("post.kind = 1\npost.save()\ncount = count + 1")),
        ("by what the row holds", counting("post.kind = 1\npost.save()\ncount += post.rank")),
        ("read in the loop", counting("post.kind = 1\npost.save()\ncount += 1\npost.rank = count")),
        ("read in the header", counting(rows="Post.objects.filter(kind=count)")),
        ("rows that two updates match", counting(TWO.format("kind", 2) + "\npost.save()\ncount += 1")),
        (
            "rows that two updates match by a flag",
            counting(
                "changed = False\nif post.live:\n    post.kind = 2\n    changed = True\nif post.seen:\n"
                "    post.rank = 1\n    changed = True\nif changed:\n    post.save()\n    count += 1"
            ),
        ),
        ("for every join", counting(rows="Post.objects.filter(attachments__name='x')")),
        ("for every row at the end of a path", counting("post.name = 'x'\npost.save()\ncount += 1", rows="Tag.objects.filter(parent__parent__tag__name='x')")),
        ("for every row of an order", counting(rows="Post.objects.order_by('attachments__name')")),
        ("a second counter", counting("post.kind = 1\npost.save()\ncount += 1\nother += 1", start="count = other = 0") + "print(other)\n"),
        ("of the file", f"global count\n{counting()}"),
        ("that starts in the loop", counting(start="pass").replace("print(count)", "")),
        ("that starts as what is left of two", counting(start="*made, count = 3, 0")),
        ("that starts as one of too many", counting(start="made, count = 3, 0, 0.1")),
        ("that is a tuple", counting(start="count = (0, 1)")),
        ("that may be None by a function", counting(start="def first():\n    if apps:\n        return 1\n    return None\ncount = first()")),
        ("that starts as a float", counting(start="count = 0.1")),
        ("that starts as a float beside another", counting(start="made, count = 3, 0.1")),
        ("that starts as a float of two", counting(start="(made, count), other = (3, 0.1), 0")),
        ("that is divided before", counting(start="count = 0\ncount /= 3")),
        ("that grows by a float before", counting(start="count = 0\ncount += 0.1")),
        ("that may be None", counting(start="def first():\n    return None if apps else 1\ncount = first()")),
        ("that may be None by a table", counting(start="starts = {'person': 1}\ncount = starts.get('post')")),
        ("that may be None by an iterator", counting(start="count = next(iter([None]), 0)")),
        ("that may be None by a test", counting(start="count = None if apps else 1")),
        ("of a flag", counting(start="count = True")),
        ("of a loop around", counting(start="for count in [1]:\n    pass")),
        ("of the caller", counting(start="def inner(count):\n    pass\ncount = inner(0)")),
        ("that is an object", f"class Fixer:\n    def __iadd__(self, by):\n        print(by)\n        return self\n{counting(start='count = Fixer()')}"),
        ("that is an object nobody reads", f"class Fixer:\n    def __iadd__(self, by):\n        print(by)\n        return self\n{counting(start='count = Fixer()')}".replace("print(count)", "")),
    ),
)  # fmt: skip
def test_a_counter_that_is_another_number(before):
    outcome = checking.outcome_of(checking.whole(before), select=("MF101",))
    assert not outcome.changed
    assert outcome.loops[0].blocked_by in {"used-after-loop", "other-statements", "value"}


@pytest.mark.parametrize(
    "returned", ["return 1 + 1", "if name:\n        return 1\n    return None"]
)
def test_a_counter_that_starts_as_a_function_says(returned):
    functions = f"def first(name):\n    {returned}\n\n\ndef forwards"
    source = checking.whole(counting(start="count = first('a')")).replace("def forwards", functions)
    assert not checking.outcome_of(source, select=("MF101",)).changed


def test_a_counter_of_rows_whose_clock_is_set_too():
    body = 'if post.name == "":\n    post.name = "x"\n    count += 1\npost.save()'
    text = counting(body, rows="Stamped.objects.all()")
    check_refused(text, "used-after-loop", unsafe=True)


# --- NULLs, what is loaded, and names that only the loop has -------------------------------------


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        ("Post.objects.filter(rank__isnull=False)", True),
        ("Post.objects.exclude(rank=None)", True),
        ("Post.objects.exclude(rank__isnull=True)", True),
        ("Post.objects.filter(rank=1, kind=3)", True),
        ("Post.objects.exclude(rank=None, kind=3)", False),
        ("Post.objects.exclude(models.Q(kind=3), rank__isnull=True)", False),
        ("Post.objects.filter(rank=1) | Post.objects.filter(kind=1)", False),
        ("Post.objects.filter(rank=None)", False),
    ],
)
def test_rows_of_which_a_column_is_certainly_not_null(rows, known):
    outcome = checking.outcome_of(checking.whole(saving("post.rank += 1", rows)), select=("MF101",))
    assert outcome.changed is known, outcome.loops


@pytest.mark.parametrize("rows", ["only('name')", "defer('updated')"])
def test_a_column_that_the_body_reads_is_loaded_and_saved(rows):
    check_refused(
        f"""
        for stamped in Stamped.objects.{rows}:
            if stamped.updated == stamped.updated:
                stamped.name = "x"
                stamped.save()
        """,
        "auto-now",
    )


@pytest.mark.parametrize(
    "test", ["token.data is None", "token.data is not None", "token.data in (None,)"]
)
def test_a_json_null_is_none_as_well(test):
    check_refused(
        f"for token in Token.objects.all():\n    if {test}:\n        token.value = 'x'\n"
        "        token.save(update_fields=['value'])\n",
        "condition",
    )


@pytest.mark.parametrize(
    "test", ["row.file is None", "row.file == None", "row.file", 'row.file == "x"']
)
def test_a_file_is_an_object(test):
    check_refused(
        f"for row in Attachment.objects.all():\n    if {test}:\n        row.name = 'x'\n"
        "        row.save(update_fields=['name'])\n",
        "condition",
    )


def test_a_file_that_a_query_sets_to_null():
    check_refused(
        "for row in Attachment.objects.all():\n"
        "    Attachment.objects.filter(pk=row.pk).update(file=None)\n",
        "other-statements",
    )


def test_a_query_among_the_rows_of_someone_else():
    check_refused(
        "ann = Person.objects.get(pk=1)\nbob = Person.objects.get(pk=2)\n"
        "for post in ann.posts.filter(kind=1):\n    bob.posts.filter(pk=post.pk).update(kind=3)\n",
        "other-statements",
    )


def test_a_test_that_is_asked_again():
    body = "    if post.title or post.slug:\n        post.live = True\n        post.save()\n"
    check_rewritten(
        f"for post in Post.objects.all():\n{body}{body}",
        'Post.objects.filter(~models.Q(title="") | ~models.Q(slug="")).update(live=True)',
        "MF101",
    )


def test_a_query_in_another_database():
    check_refused(
        "for post in Post.objects.using('other'):\n    Post.objects.filter(pk=post.pk).update(kind=1)\n",
        "other-statements",
    )


@pytest.mark.parametrize(
    "caught",
    [
        "Tag.DoesNotExist",
        "Person.MultipleObjectsReturned",
        "Exception",
        "(Person.DoesNotExist, Tag.DoesNotExist)",
    ],
)
def test_an_except_for_something_else_than_the_missing_row(caught):
    check_refused(
        f"""
        for post in Post.objects.all():
            try:
                post.author = Person.objects.get(pk=post.kind)
            except {caught}:
                continue
            post.save()
        """,
        "other-statements",
    )


def test_a_time_of_day_that_only_save_refreshes():
    models = checking.MODELS.replace(
        '("updated", models.DateTimeField(auto_now=True))',
        '("updated", models.TimeField(auto_now=True))',
    )
    check_refused(
        "for row in Stamped.objects.all():\n    row.name = 'x'\n    row.save()\n",
        "auto-now",
        models=models,
        unsafe=True,
    )


# --- expressions of the body's own ---------------------------------------------------------------

F = "from django.db.models import F\n"


@pytest.mark.parametrize(
    ("body", "update"),
    [
        ('post.kind = F("kind") + 1', 'kind=F("kind") + 1'),
        ('post.rank = F("kind") * 2 - LIMIT', 'rank=F("kind") * 2 - LIMIT'),
        ('post.price = F("price")', 'price=F("price")'),
    ],
)
def test_an_expression_that_every_save_sends(body, update):
    prelude = f"{F}LIMIT = 3\n"
    check_rewritten(prelude + saving(body), f"{prelude}Post.objects.update({update})")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('post.kind = 5\npost.save()\npost.rank = F("kind")', "value"),
        ('post.title = F("kind")', "value"),
        ('post.kind = F("kind") / 2', "value"),
        ('post.kind = F("author__age")', "value"),
        ("post.kind = F(name)", "value"),
        ('post.kind = F("kind") + 1\nif post.kind == 3:\n    post.rank = 1', "condition"),
    ],
)
def test_an_expression_that_reads_what_the_loop_has_changed(body, reason):
    check_refused(f'{F}name = "kind"\n{saving(body)}', reason)


def test_an_expression_that_a_join_brings_twice():
    before = saving('post.kind = F("kind") + 1', 'Post.objects.filter(attachments__name="x")')
    assert check_refused(F + before, "value").offer


def test_an_expression_over_a_column_that_is_set_in_the_same_save():
    before = saving('post.rank = F("kind")\npost.kind = 0')
    check_refused(F + before, "set-order", databases=checking.EVERYWHERE)
    check_rewritten(F + before, f'{F}Post.objects.update(rank=F("kind"), kind=0)')


def test_an_expression_of_a_query_for_each_row():
    before = "for post in Post.objects.all():\n    Post.objects.filter(pk=post.pk).update(kind=models.F('kind') + 1)\n"
    check_rewritten(before, 'Post.objects.update(kind=models.F("kind") + 1)')


@pytest.mark.parametrize(
    ("rows", "source"),
    [
        (
            "Post.objects.filter(attachments__name='x')",
            'Post.objects.filter(attachments__name="x")',
        ),
        ("Post.objects.order_by('attachments')", "Post.objects"),
        (
            "Post.objects.filter(author__posts__kind=1)",
            "Post.objects.filter(author__posts__kind=1)",
        ),
    ],
)
def test_a_bulk_update_of_rows_that_a_join_repeats(rows, source):
    """Each copy of a row gets the same value from what it was loaded with."""
    check_rewritten(collecting(rows=rows), f"{source}.update(kind=1)")


def test_a_bulk_update_that_would_count_rows_twice():
    body = 'post.kind = models.F("kind") + 1'
    check_refused(collecting(body, rows="Post.objects.filter(attachments__name='x')"), "value")


# --- rows of another table -----------------------------------------------------------------------

BELONGING = "for post in {}:\n    Attachment.objects.filter(post=post).update(name='y')\n"
ABOVE = "for post in {}:\n    post.author.age = 2\n    post.author.save()\n"


@pytest.mark.parametrize("loop", [BELONGING, ABOVE])
@pytest.mark.parametrize(
    "rows", ["Post.objects.using('other')", "Post.objects.db_manager('other')"]
)
def test_rows_of_two_databases_do_not_meet_in_one_statement(loop, rows):
    check_refused(loop.format(rows), "queryset-shape")


@pytest.mark.parametrize("loop", [BELONGING, ABOVE])
@pytest.mark.parametrize(
    "rows",
    [
        "Post.objects.filter(attachments__name='x')",
        "Post.objects.filter(author__age=1)",
        "Post.objects.exclude(models.Q(kind=1))",
        "Post.objects.filter(author__in=Person.objects.all())",
        "Post.objects.annotate(n=models.Count('attachments')).filter(n=1)",
    ],
)
def test_rows_that_may_be_found_by_the_table_that_changes(loop, rows):
    check_refused(loop.format(rows), "queryset-shape", databases=("mysql",))
    given = checking.whole(loop.format(rows))
    assert checking.outcome_of(given, select=("MF101",)).changed


@pytest.mark.parametrize("loop", [BELONGING, ABOVE])
@pytest.mark.parametrize("test", ["kind=1", "kind__gt=1, author_id__in=[1]", "pk=5", "editor=None"])
def test_rows_that_are_found_by_their_own_columns(loop, test):
    given = checking.whole(loop.format(f"Post.objects.filter({test})"))
    assert checking.outcome_of(given, select=("MF101",), databases=("mysql",)).changed


OF_PERSON = "for person in Person.objects.all():\n    {}.update(live=False)\n"
BEFORE = """
import random
numbers = iter([1])
ann = Person.objects.get(name="ann")
token = Token.objects.get(pk=1)
narrow = Person.objects.only("name").get(name="bob")
first = Person.objects.first()
limit = len("abc")
kinds = [limit, 4]
word = "a" + "b"
conf = {}
if ann:
    sometimes = 1
"""


@pytest.mark.parametrize(
    "test",
    [
        "kind=1",
        "kind__in=[1, 2], rank=None, live=True",
        "kind__gte=limit",
        "kind__in=kinds",
        "rank__isnull=True, title__startswith='a'",
        "title=word",
        "editor=ann",
        "editor=first",
        "editor_id=ann.pk",
        "kind=ann.age",
        "kind=narrow.pk",
        "day__year=2020",
        "pk__in=(1, 2)",
    ],
)
@pytest.mark.parametrize(
    "rows", ["Post.objects.filter(author=person, {})", "person.posts.filter({})"]
)
def test_rows_of_another_table_that_are_found_by_one_value_of_a_column_of_theirs(rows, test):
    check_rewritten(
        BEFORE + OF_PERSON.format(rows.format(test)),
        BEFORE + wrapped(f"Post.objects.filter({test}).update(live=False)"),
    )


@pytest.mark.parametrize(
    "test",
    [
        "kind=next(numbers)",
        "kind=random.randint(1, 5)",
        "kind__in=[1, next(numbers)]",
        "kind=conf['x']",
        "kind=1 // 0",
        "kind='abc'",
        "kind=word",
        "kind__in=[1, 'abc']",
        "kind__gt=None",
        "kind=sometimes",
        "kind=nowhere",
        "kind=first.age",
        "kind=narrow.age",
        "kind=token",
        "kind__isnull='yes'",
        "kind__nothing=1",
        "kind=models.F('rank')",
        "editor=token",
        "editor__in=Person.objects.filter(age=1)",
        "editor__age=1",
        "editor__posts__live=True",
        "author__posts__live=True",
        "attachments__name='x'",
        "**conf",
    ],
)
@pytest.mark.parametrize(
    "rows", ["Post.objects.filter(author=person, {})", "person.posts.filter({})"]
)
def test_rows_of_another_table_that_each_turn_may_find_in_its_own_way(rows, test):
    check_refused(BEFORE + OF_PERSON.format(rows.format(test)), "condition")


def test_rows_of_another_table_that_an_inner_loop_finds_by_their_own_changes():
    before = """
for person in Person.objects.all():
    for post in Post.objects.filter(author=person, {}):
        post.live = False
        post.save()
"""
    check_rewritten(before.format("kind=1"), "Post.objects.filter(kind=1).update(live=False)")
    outcome = checking.outcome_of(
        checking.whole(before.format("author__posts__live=True")), select=("MF101",)
    )
    assert [loop.blocked_by for loop in outcome.loops] == ["condition", None]


def test_two_queries_for_a_row_that_a_join_may_bring_twice():
    twice = (
        "for person in Person.objects.order_by('{}'):\n    person.posts.filter(kind=2).update(kind=3)\n"
        "    person.posts.filter(kind=1).update(kind=2)\n"
    )
    check_refused(twice.format("posts__kind"), "other-statements")
    check_rewritten(
        twice.format("age"),
        "Post.objects.filter(kind=2).update(kind=3)\nPost.objects.filter(kind=1).update(kind=2)",
    )


@pytest.mark.parametrize(
    ("test", "reason"),
    cases(
        ("another link to the table", "post.editor and post.editor.age == 1", "value"),
        ("a link of the row itself", "post.author.boss.age == 1", "value"),
        ("a query of the table", "Person.objects.filter(age=post.kind).first()", "condition"),
        ("the key of another link", "post.editor_id == 1", None),
        ("the row that changes", "post.author.age == 1 and post.kind == 2", None),
        ("a row of a table that stays", "post.author.home.name == 'x'", None),
        ("a query of a table that stays", "Token.objects.filter(pk=post.kind).first()", None),
    ),
)
def test_a_condition_on_rows_of_the_table_that_changes(test, reason):
    models = checking.MODELS.replace(
        '("age", models.IntegerField()),',
        '("age", models.IntegerField()),\n("boss", models.ForeignKey("self", models.CASCADE)),\n'
        '("home", models.ForeignKey("Token", models.CASCADE)),',
    ).replace('("value", models.CharField(', '("name", models.CharField(')
    before = (
        f"for post in Post.objects.all():\n    if {test}:\n        post.author.age = 2\n"
        "        post.author.save()\n"
    )
    if reason is not None:
        check_refused(before, reason, models=models)
        return
    outcome = checking.outcome_of(checking.whole(before), models=models, select=("MF101",))
    assert outcome.changed, outcome.loops


@pytest.mark.parametrize("test", ["False", "post.votes == -1", "post.live and False"])
def test_a_condition_that_holds_for_no_row_changes_no_other_row(test):
    check_refused(
        f"for post in Post.objects.all():\n    if {test}:\n        post.author.age = 2\n"
        "        post.author.save()\n",
        "never-saved",
    )


def test_a_condition_on_the_very_row_that_changes():
    check_refused(
        "for post in Post.objects.all():\n    if post.author.age == 1:\n        post.author.age = 2\n"
        "        post.author.save()\n",
        "queryset-shape",
        databases=("mysql",),
    )


@pytest.mark.parametrize(
    ("start", "code"),
    cases(
        ("built of all", "{p.pk: p for p in Person.objects.all()}", None),
        ("built of some", "{p.pk: p for p in Person.objects.filter(age=limit).order_by('name')}", None),
        ("built of a slice", "{p.pk: p for p in Person.objects.order_by('age')[:5]}", "condition"),
        ("built of a list", "{p.pk: p for p in list(Person.objects.filter(age=1))}", "condition"),
        ("built of two", "{p.pk: p for p in Person.objects.filter(age=1) | Person.objects.filter(age=2)}", "condition"),
        ("built of another database", "{p.pk: p for p in Person.objects.using('other')}", "condition"),
        ("built of distinct rows", "{p.pk: p for p in Person.objects.distinct('age')}", "condition"),
        ("built of rows found by those that change", "{p.pk: p for p in Person.objects.filter(posts__kind=1)}", "condition"),
        ("built of rows found by a query", "{p.pk: p for p in Person.objects.filter(pk__in=Post.objects.values('author'))}", "condition"),
        ("built with a name that is bound anew", "{p.pk: p for p in Person.objects.filter(age=again)}", "condition"),
    ),
)  # fmt: skip
def test_a_dict_of_another_table(start, code):
    text = (
        f"limit = 1\nagain = 1\npeople = {start}\nagain = 2\n"
        "for post in Post.objects.all():\n    if post.kind in people:\n"
        "        post.author = people[post.kind]\n        post.save()\n"
    )
    if code is not None:
        check_refused(text, code)
        return
    given = checking.whole(text)
    after = checking.after_of(checking.outcome_of(given, select=("MF101",)), given)
    assert "people" not in after and "Exists(" in after


@pytest.mark.parametrize(
    "query",
    [
        "filter(pk=post.kind, posts__kind=1).first()",
        "filter(pk=post.kind).order_by('posts__kind').first()",
        "filter(pk=post.kind, age=next(numbers)).first()",
        "filter(pk=post.kind, pk__in=Post.objects.values('author')).first()",
        "filter(pk=post.kind, age='abc').first()",
        "filter(pk=post.kind, age=nowhere).first()",
        "filter(pk=post.kind, age__nothing=1).first()",
    ],
)
def test_a_query_whose_rows_may_change_from_turn_to_turn(query):
    check_refused(saving(f"post.editor = Person.objects.{query}"), "value")


def test_a_bulk_update_of_the_same_database():
    rows = "Post.objects.using(alias).filter(live=True)"
    before = f"""alias = schema_editor.connection.alias
posts = {rows}
for post in posts:
    post.kind = 1
Post.objects.using(alias).bulk_update(posts, ["kind"])
"""
    after = f"alias = schema_editor.connection.alias\nposts = {rows}\nposts.update(kind=1)"
    check_rewritten(before, after)
    check_refused(before.replace("using(alias).bulk", "using('other').bulk"), "queryset-reused")
    check_refused(before.replace("using(alias).bulk", "bulk"), "queryset-reused")


@pytest.mark.parametrize(("order", "changes"), [("name", False), ("other", True), ("-pk", True)])
def test_an_iterator_on_sqlite_over_rows_that_their_model_orders(order, changes):
    models = checking.MODELS.replace(
        '("updated", models.DateTimeField(auto_now=True)),\n            ],',
        f'],\n            options={{"ordering": ["{order}"]}},',
    )
    before = 'for row in Stamped.objects.iterator():\n    row.name = "x"\n    row.save()\n'
    if changes:
        check_rewritten(
            before, 'Stamped.objects.update(name="x")', models=models, databases=("sqlite",)
        )
    else:
        check_refused(before, "queryset-shape", models=models, databases=("sqlite",))


# --- an F() that is saved twice --------------------------------------------------------------------


@pytest.mark.parametrize(
    "rest",
    [
        "post.note = ''\npost.save()",
        "post.save()",
        "if post.live:\n    post.note = ''\n    post.save()",
    ],
)
@pytest.mark.parametrize("first", ["post.save()", "post.save(update_fields=['kind'])"])
def test_an_expression_that_a_second_save_may_send_again(first, rest):
    """Django before 6.0 leaves it on the row: https://docs.djangoproject.com/en/stable/releases/6.0/"""
    body = f"post.kind = models.F('kind') + 1\n{first}\n{rest}"
    check_refused(
        f"for post in Post.objects.all():\n{indent(body, '    ')}\n",
        "saved-twice",
    )


def test_a_value_that_a_second_save_sends_again():
    check_rewritten(
        "for post in Post.objects.all():\n    post.kind = 1\n    post.save()\n"
        "    post.rank = 2\n    post.save()\n",
        "Post.objects.update(kind=1, rank=2)",
    )


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("Post.objects.all = Person.objects.all", True),
        ("Post._meta.get_field('rank').column = 'kind'", True),
        ("print(Post._meta.ordering)", False),
    ],
)
def test_a_model_that_the_migration_changes_by_hand(line, changes):
    before = f"{line}\n{saving('post.rank = 1')}"
    if changes:
        assert "changes a model by hand" in check_refused(before, "signals").reason
    else:
        check_rewritten(before, f"{line}\nPost.objects.update(rank=1)")
