"""What is read from the source of a migration: every form in which code meets rows with a literal."""

from __future__ import annotations

import re
import textwrap
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from migfix.verify.worker.values.asked import asked_of
from migfix.verify.worker.values.constants import Asked, Constants
from migfix.verify.worker.values.examples import examples
from migfix.verify.worker.values.reading import constants_of


def read(body: str, before: str = "") -> Constants:
    """The constants of a loop's body."""
    loop = textwrap.indent(textwrap.dedent(body), " " * 8)
    return constants_of(
        f"{before}\ndef forwards(apps, schema_editor):\n    for post in Post.objects.all():\n{loop}\n"
    )


@pytest.mark.parametrize(
    ("body", "name", "values"),
    [
        ('post.status == "draft"', "status", ("draft",)),
        ('"draft" != post.status', "status", ("draft",)),
        ('if post.status in ("a", "b"): pass', "status", ("a", "b")),
        ("if 3 < post.n <= -5: pass", "n", (3, -5)),
        ("if post.n % 4 == 1: pass", "n", (4, 1)),
        ('if post.author.name.lower() == "bob": pass', "name", ("bob",)),
        ('if (post.title or "none") == "x": pass', "title", ("none", "x")),
        ('if "x" in post.title: pass', "title", ("x",)),
        ('if post.title[:2] == "ab": pass', "title", ("ab",)),
        ('if str(post.n) == "7": pass', "n", ("7",)),
        ('title = post.title.strip()\nif title == "x": pass', "title", ("x",)),
        ('label = post.title\nif label == "x": pass', "title", ("x",)),
        ('row["title"] == "x"', "title", ("x",)),
        ('getattr(post, "title", None) == "x"', "title", ("x",)),
        ('Post.objects.filter(status__in=["a", "b"])', "status", ("a", "b")),
        ('Post.objects.filter(author__name__iexact="bob")', "author", ("bob",)),
        ('Post.objects.filter(author__name__iexact="bob")', "name", ("bob",)),
        ('Post.objects.filter(title__regex=r"^ab+$")', "title", ("ab",)),
        ('Post.objects.create(kind="x")', "kind", ("x",)),
        ('Post.objects.get_or_create(defaults={"kind": "x"})', "kind", ("x",)),
        ('Q(kind="x") | Q(kind="y")', "kind", ("x", "y")),
        ('post.kind = "x"', "kind", ("x",)),
        ('post.kind = "x" if post.n else "y"', "kind", ("x", "y")),
        ("post.n += 5", "n", (5,)),
        ('post.slug = f"{post.title}-old"', "slug", ("-old",)),
        ('setattr(post, "kind", "x")', "kind", ("x",)),
        ('post.title.startswith(("x", "y"))', "title", ("x", "y")),
        ('post.title.replace("a", "b")', "title", ("a", "b")),
        ('post.tags.split(",")', "tags", (",",)),
        ('re.match(r"ab|cd", post.title)', "title", ("ab", "cd")),
        ("if len(post.title) > 2: pass", "title", (2, "xx", "xxx")),
        ("if post.day < date(2020, 1, 2): pass", "day", (date(2020, 1, 2),)),
        ('if post.price == Decimal("1.50"): pass', "price", (Decimal("1.50"),)),
        ("post.day += timedelta(days=3)", "day", (timedelta(days=3),)),
        ("if post.flag is True: pass", "flag", (True,)),
    ],
)
def test_a_name_gets_the_literals_that_meet_it(
    body: str, name: str, values: tuple[object, ...]
) -> None:
    found = {(type(value), value) for value in read(body).by_name.get(name, ())}
    assert {(type(value), value) for value in values} <= found


@pytest.mark.parametrize("use", ["MAP[post.code]", "MAP.get(post.code)", 'MAP.get(post.code, "z")'])
def test_keys_of_a_dict_of_the_module_belong_to_what_is_looked_up(use: str) -> None:
    found = read(f"post.label = {use}", 'MAP = {"a": "Alpha", "b": "Beta"}')
    assert found.by_name["code"] == ("a", "b")
    assert found.by_name["label"][:2] == ("Alpha", "Beta")


def test_names_stand_for_what_they_are_assigned() -> None:
    before = 'OLD = "old"\nSTATES = ["new", OLD]\nclass Kind:\n    BOOK = "book"\n'
    found = read("post.status in STATES\npost.kind = Kind.BOOK", before)
    assert found.by_name["status"] == ("new", "old")
    assert found.by_name["kind"] == ("book",)


def test_items_of_a_loop_over_literals_belong_to_its_target() -> None:
    found = read('for code, label in [("a", 1)]:\n    Post.objects.filter(kind=code)')
    assert found.by_name["kind"] == ("a", 1)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('post.data.get("a")', ("a",)),
        ('post.data["a"]["b"]', ("a", "b")),
        ('post.data.get("a", {}).get("b")', ("a", "b")),
        ('post.data["a"][0]["b"]', ("a", 0, "b")),
        ('"a" in post.data', ("a",)),
        ('data = post.data or {}\ndata.pop("a")', ("a",)),
        ('post.data["a"] = 1', ("a",)),
        ('json.loads(post.data)["a"]', ("a",)),
        ('Post.objects.filter(data__a__b="x")', ("a", "b")),
    ],
)
def test_keys_that_are_asked_of_a_field_are_its_paths(body: str, path: tuple[object, ...]) -> None:
    assert path in read(body).keys["data"]


def test_values_of_a_key_belong_to_the_key() -> None:
    assert read('if post.data["kind"] == "x": pass').by_name["kind"] == ("x",)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('datetime.strptime(post.day, "%d.%m.%Y")', "29.02.2024"),
        ("int(post.day)", "042"),
        ("json.loads(post.day)", '{"a": 1}'),
        ("UUID(post.day)", "00000000-0000-0000-0000-000000000000"),
        ("urlparse(post.day).netloc", "https://example.com/one/two?a=1#b"),
    ],
)
def test_what_is_parsed_gets_texts_that_can_be(body: str, text: str) -> None:
    found = read(body)
    assert "day" in found.parsed
    assert text in found.by_name["day"]


def test_formats_and_patterns_are_no_values() -> None:
    found = read('datetime.strptime(post.day, "%d.%m.%Y")\nre.match(r"^a\\d$", post.code)')
    assert "%d.%m.%Y" not in found.texts
    assert found.by_name["code"] == ("a7", "a")


@pytest.mark.parametrize(
    "pattern",
    [r"^(\d{3})-foo[xyz]+bar$", r"https?://(?P<host>\w+)\.com", r"\s*,\s*", r"[\w-]+@x", r"a{2,}b"],
)
def test_a_pattern_gives_a_text_that_it_matches(pattern: str) -> None:
    assert re.search(pattern, examples(pattern)[0])


def test_a_pattern_that_is_none_gives_its_literal_parts() -> None:
    assert "ab" in examples("(ab")


def test_a_compiled_pattern_is_found() -> None:
    found = read("CODE.match(post.code)", 'import re\nCODE = re.compile(r"x-\\d+")')
    assert found.by_name["code"] == ("x-7", "x-")


def test_literals_of_sql_belong_to_their_columns() -> None:
    found = read(
        """cursor.execute("UPDATE t SET a = 'x' WHERE b IN ('y') AND \\"c\\" LIKE 'z%'")"""
    )
    assert (found.by_name["a"], found.by_name["b"], found.by_name["c"]) == (("x",), ("y",), ("z%",))


def test_cases_of_a_match_statement_belong_to_its_subject() -> None:
    found = read('match post.kind:\n    case "x" | "y":\n        pass')
    assert found.by_name["kind"] == ("x", "y")


def test_all_literals_are_kept_by_type() -> None:
    found = read("""
        use("x", 1, 1.0, -2, True, None, b"b", date(2020, 1, 2), UUID(int=5), Decimal("0.1"))
        use(datetime(2020, 1, 2, 3, 4))
        """)
    assert found.texts == ("x",)
    assert [(type(value), value) for value in found.numbers] == [
        *((int, 1), (float, 1.0), (int, -2), (Decimal, Decimal("0.1"))),
    ]
    moment = datetime(2020, 1, 2, 3, 4)
    assert set(found.others) == {b"b", date(2020, 1, 2), UUID(int=5), moment}


def test_what_is_no_value_is_left_out() -> None:
    found = constants_of('''
"""Of the module"""
class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.AlterField("post", "title", models.CharField(default="declared"))]
def forwards(apps, schema_editor):
    """Of the function"""
    Post = apps.get_model("blog", "Post")
    for post in Post.objects.only("title").order_by("-day"):
        print("message")
        logger.info("logged")
        if not post: raise ValueError("raised")
        assert post, "asserted"
        post.save(update_fields=["slug"])
        Post.objects.bulk_update([post], ["code"])
''')
    assert found.texts == ()
    assert found.numbers == ()


def test_methods_of_the_migration_are_functions() -> None:
    source = 'class Migration:\n    def forwards(apps, schema_editor):\n        post.kind = "x"\n'
    assert constants_of(source).by_name["kind"] == ("x",)


@pytest.mark.parametrize(
    "literal", [repr("x" * 201), "2 ** 3j", "1e999", str(2**71), 'Decimal("NaN")']
)
def test_values_beyond_reason_are_left_out(literal: str) -> None:
    assert not {2**71, "x" * 201, float("inf")} & set(
        read(f"post.kind = {literal}").by_name.get("kind", ())
    )


def test_there_is_a_limit_to_how_many() -> None:
    found = read(f"post.n in {[*range(5000)]}")
    assert len(found.numbers) == 200
    assert len(found.by_name["n"]) == 60


def test_names_that_stand_for_one_another_end() -> None:
    assert read("a = b\nb = a\nif a == b == post.n == 1: pass").by_name["n"] == (1,)


def test_what_is_no_python_raises() -> None:
    with pytest.raises(SyntaxError):
        constants_of("def")


# --- rows that are asked for


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ('a, b = post.title.split(".")', ("one.two", "ONE.TWO")),
        ("a, b, c = post.title.strip().split()", ("one two three", "ONE TWO THREE")),
        ('[a, b] = post.title.rsplit("/", 1)', ("one/two", "ONE/TWO")),
        ('x = post.title.lower().split("@")[1]', ("one@two", "ONE@TWO")),
        ('x = post.title.split("/")[-3]', ("one/two/three", "ONE/TWO/THREE")),
        ('x = post.title.split(".")[0]', ()),
        ('x = post.title.split(".")[1:]', ()),
        ('x = post.title.split(".")[99]', ()),
        ('parts = post.title.split(".")', ()),
        ('a, b = post.title.partition(".")', ()),
    ],
)
def test_texts_that_are_taken_apart_have_as_many_parts(body: str, values: tuple[str, ...]) -> None:
    found = read(body)
    assert {*values} <= {*found.by_name.get("title", ())}
    assert ("title" in found.parsed) is bool(values)
    assert bool(values) is any("one" in str(each) for each in found.by_name.get("title", ()))


_KIND = {"app_label": "admin", "model": "domain"}


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ('Tag.objects.get(name="x", n=3)', [Asked("tag", {"name": "x", "n": 3}, one=True)]),
        ('Tag.objects.using("b").get(name__exact="x")', [Asked("tag", {"name": "x"}, one=True)]),
        ('apps.get_model("a.Tag").objects.get(pk=1)', [Asked("tag", {"pk": 1}, one=True)]),
        ('Tag.objects.filter(a="x", b=1).first()', [Asked("tag", {"a": "x", "b": 1}, one=False)]),
        ('Tag.objects.get(name="x", owner=who)', [Asked("tag", {"name": "x"}, one=False)]),
        ("Tag.objects.get(name=LABEL)", [Asked("tag", {"name": "red"}, one=True)]),
        (
            'for name in ("x", "y"):\n    Tag.objects.get(name=name)',
            [Asked("tag", {"name": "x"}, one=True), Asked("tag", {"name": "y"}, one=True)],
        ),
        ('Kind.objects.get_by_natural_key("admin", "domain")', [Asked("", _KIND, one=True)]),
        ('Kind.objects.get(app_label="admin", model="domain")', [Asked("", _KIND, one=True)]),
        ("Tag.objects.get(owner=who)", []),
        ('Tag.objects.get(owner__name="x")', []),
        ('options.get("x")', []),
    ],
)
def test_rows_that_are_asked_for(body: str, asked: list[Asked]) -> None:
    source = f"""LABEL = "red"
def forwards(apps, schema_editor):
    Tag = apps.get_model("blog", "Tag")
{textwrap.indent(body, "    ")}
"""
    assert [*asked_of(source)] == asked


def test_rows_that_are_asked_for_are_not_without_end() -> None:
    names = ", ".join(f'"{n}"' for n in range(2000))
    source = f"for a in ({names}):\n    for b in ({names}):\n        Tag.objects.get(a=a, b=b)"
    assert len(asked_of(source)) == 30
