"""loop-to-delete: what becomes one delete(), and what must not."""

from __future__ import annotations

from functools import partial
from textwrap import indent

import pytest

from tests import checking

check_rewritten = partial(checking.check_rewritten, select=("MF102",))
check_refused = partial(checking.check_refused, select=("MF102",))


def deleting(body: str = "token.delete()", rows: str = "Token.objects.all()") -> str:
    return f"for token in {rows}:\n{indent(body, '    ')}\n"


@pytest.mark.parametrize(
    ("rows", "written"),
    [
        ("Token.objects.all()", "Token.objects.all()"),
        ("Token.objects.filter(used=True)", "Token.objects.filter(used=True)"),
        ("Token.objects.filter(used=True).order_by('pk')", "Token.objects.filter(used=True)"),
        ("Token.objects.order_by('pk').iterator()", "Token.objects.all()"),
        ("list(Token.objects.filter(used=True))", "Token.objects.filter(used=True)"),
        ("Token.objects.select_related()", "Token.objects.all()"),
    ],
)
def test_every_row_of_a_queryset(rows, written):
    check_rewritten(deleting(rows=rows), f"{written}.delete()", "MF102")


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ("if token.used:\n    token.delete()", ".filter(used=True)"),
        ("if token.used:\n    continue\ntoken.delete()", ".exclude(used=True)"),
        ('if token.value == "a":\n    token.delete()', '.filter(value="a")'),
        ("if token.used:\n    pass\nelse:\n    token.delete()", ".exclude(used=True)"),
        ("if token.used:\n    token.delete()\nelse:\n    token.delete()", ".all()"),
    ],
)
def test_the_rows_of_one_condition(body, calls):
    check_rewritten(deleting(body), f"Token.objects{calls}.delete()")


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ("old = token.used\nif old:\n    token.delete()", ".filter(used=True)"),
        ("gone = token\nif token.used:\n    gone.delete()\n    continue\ntoken.delete()", ".all()"),
        (
            "match token.value:\n    case 'a' | 'b':\n        token.delete()",
            ".filter(value__in=['a', 'b'])",
        ),
        ("with transaction.atomic():\n    token.delete()", ".all()"),
        ("count += 1\ntoken.delete()", ".all()"),
        ("keep = False\nif token.used:\n    keep = True\nif not keep:\n    token.delete()", ".exclude(used=True)"),
    ],
)  # fmt: skip
def test_the_rows_of_a_longer_body(body, calls):
    above = "from django.db import transaction\ncount = 0\nprint()\n"
    after = f"{above}Token.objects{calls}.delete()".replace("'", '"')
    check_rewritten(above + deleting(body), after)


@pytest.mark.parametrize(
    ("start", "left"),
    [
        ("tokens = list(Token.objects.filter(used=True))  # all", "# all\n"),
        ("tokens = Token.objects.filter(used=True).iterator()", ""),
    ],
)
def test_a_name_that_only_the_loop_reads_goes_with_it(start, left):
    check_rewritten(
        f"{start}\n{deleting(rows='tokens')}", f"{left}Token.objects.filter(used=True).delete()"
    )


@pytest.mark.parametrize("start", ["{}; x = 1", "x = 1; {}"])
def test_a_list_beside_another_statement(start):
    made = start.format("tokens = list(Token.objects.all())")
    check_rewritten(
        f"{made}\n{deleting(rows='tokens')}",
        start.format("tokens = Token.objects.all()") + "\ntokens.delete()",
        "MF102",
    )


def test_a_list_that_is_made_before_its_rows_change():
    change = "Token.objects.filter(used=True).update(used=False)\n"
    made = "tokens = list(Token.objects.filter(used=True))\n"
    check_refused(f"{made}{change}{deleting(rows='tokens')}", "queryset-reused")


def test_a_list_that_is_counted_first():
    checking.check_rewritten(
        "tokens = list(Token.objects.all())\nprint(len(tokens))\n" + deleting(rows="tokens"),
        "tokens = Token.objects.all()\nprint(tokens.count())\ntokens.delete()",
        "MF102",
        "MF401",
    )


def test_rows_that_are_collected_where_they_are_not_deleted():
    check_refused(
        "found = []\n"
        + deleting("if token.used:\n    token.delete()\nelse:\n    found.append(token)")
        + "Token.objects.bulk_update(found, ['value'])\n",
        "other-statements",
    )


def test_a_queryset_under_a_name():
    check_rewritten(
        "tokens = Token.objects.filter(used=True)\n" + deleting(rows="tokens"),
        "tokens = Token.objects.filter(used=True)\ntokens.delete()",
    )


def test_rows_that_others_point_to_with_a_cascade():
    check_rewritten(
        deleting(rows="Post.objects.filter(kind=1)"), "Post.objects.filter(kind=1).delete()"
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("print(token)\ntoken.delete()", "output"),
        ("token.value = 'x'\ntoken.delete()", "other-statements"),
        ("token.value = 'x'\ntoken.save()\ntoken.delete()", "saved-twice"),
        ("if token.used:\n    token.delete()\nelse:\n    token.save()", "other-statements"),
        ("if token.used:\n    token.delete()\nelse:\n    token.value = ''", "other-statements"),
        ("token.delete()\nbreak", "other-statements"),
        ("token.delete()\ntoken.value = 'x'", "other-statements"),
        ("token.delete()\ntoken.delete()", "saved-twice"),
        ("token.delete()\ntoken.save()", "saved-twice"),
        ("Token.objects.filter(pk=token.pk).update(value='x')\ntoken.delete()", "saved-twice"),
        ("token.delete()\nlast.delete()", "other-statements"),
        ("if token == last:\n    token.delete()", "condition"),
        ("if token.value == last:\n    token.delete()\nlast = token.value", "value"),
        (
            "if token.used:\n    token.delete()\nelse:\n    token.delete(using='x')",
            "other-statements",
        ),
        ("if token.data:\n    token.delete()", "condition"),
        ("if False:\n    token.delete()", "never-saved"),
        ("keep = True\nif not keep:\n    token.delete()", "never-saved"),
        ("if not Token.objects.exists():\n    token.delete()", "condition"),
        ("try:\n    token.delete()\nexcept Exception:\n    pass", "other-statements"),
    ],
)
def test_a_body_that_does_something_else(body, reason):
    check_refused(deleting(body), reason)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("Token.objects.all()[:5]", "queryset-shape"),
        ("Token.objects.distinct()", "queryset-shape"),
        ("Token.objects.filter(used=True).distinct('value')", "queryset-shape"),
        ("Token.objects.select_for_update(nowait=True)", "queryset-shape"),
        ("reversed(Token.objects.all())", "loop-shape"),
    ],
)
def test_a_queryset_that_delete_does_not_take(rows, reason):
    check_refused(deleting(rows=rows), reason)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("tokens = Token.objects.all()\n", "print(len(tokens))\n", "queryset-reused"),
        ("tokens = Token.objects.all()\nprint(tokens[0])\n", "", "queryset-reused"),
        ("tokens = list(Token.objects.all())\n", "print(tokens)\n", "queryset-reused"),
        ("tokens = Token.objects.all().iterator()\nprint(1)\n", "", "queryset-reused"),
        ("tokens = Token.objects.all()\n", "print(token)\n", "used-after-loop"),
        ("tokens = Token.objects.all()\n", "del token\n", "used-after-loop"),
        ("tokens = Token.objects.all()\n", "def later():\n    return token\n", "used-after-loop"),
    ],
)
def test_rows_that_are_used_elsewhere(before, after, reason):
    check_refused(before + deleting(rows="tokens") + after, reason)


def test_how_many_rows_were_deleted_is_not_what_delete_returns():
    check_refused(
        "count = 0\n" + deleting("token.delete()\ncount += 1") + "print(count)\n", "used-after-loop"
    )


def test_errors_that_the_function_catches():
    caught = f"try:\n{indent(deleting(), '    ')}except Exception:\n    pass\n"
    check_rewritten(caught, "try:\n    Token.objects.all().delete()\nexcept Exception:\n    pass")


def with_models(*models: str) -> str:
    created = ",\n".join(models)
    return f"""
from django.db import migrations, models
import thirdparty


class Migration(migrations.Migration):
    dependencies = []
    operations = [
        migrations.CreateModel("Token", [
            ("id", models.AutoField(primary_key=True)), ("value", models.TextField()),
        ]),
        {created}
    ]
"""


def model(name: str, *relations: str, **options: str) -> str:
    fields = ", ".join(['("id", models.AutoField(primary_key=True))', *relations])
    given = "".join(f", {key}={value}" for key, value in options.items())
    return f'migrations.CreateModel("{name}", [{fields}]{given})'


def key(name: str, target: str, on_delete: str) -> str:
    return f'("{name}", models.ForeignKey("{target}", {on_delete}, null=True, related_name="+"))'


CASCADE, SET_NULL, PROTECT = "models.CASCADE", "models.SET_NULL", "models.PROTECT"


@pytest.mark.parametrize("on_delete", [CASCADE, SET_NULL])
def test_a_relation_that_shows_no_order(on_delete):
    check_rewritten(
        deleting(),
        "Token.objects.all().delete()",
        models=with_models(
            model("A", key("token", "Token", on_delete)), model("B", key("a", "A", on_delete))
        ),
    )


ORDERED = {
    "protected": [model("A", key("token", "Token", PROTECT))],
    "restricted": [model("A", key("token", "Token", "models.RESTRICT"))],
    "left to the database": [model("A", key("token", "Token", "models.DO_NOTHING"))],
    "cascading in the database": [model("A", key("token", "Token", "models.DB_CASCADE"))],
    "set to a default": [model("A", key("token", "Token", "models.SET_DEFAULT"))],
    "unknown on_delete": [model("A", key("token", "Token", "thirdparty.SOMETHING"))],
    "protected behind a cascade": [
        model("A", key("token", "Token", CASCADE)),
        model("B", key("a", "A", PROTECT)),
    ],
    "protected through a proxy": [
        model("Other", bases='("shop.Token",)', options='{"proxy": True}').replace(
            '("id", models.AutoField(primary_key=True))', ""
        ),
        model("A", key("token", "Other", PROTECT)),
    ],
    "protected through a child": [
        model("Child", bases='("shop.Token",)').replace(
            '("id", models.AutoField(primary_key=True))', '("more", models.IntegerField())'
        ),
        model("A", key("child", "Child", PROTECT)),
    ],
    "its own table": [
        'migrations.AddField("Token", "parent", models.ForeignKey("Token", models.CASCADE, null=True))'
    ],
    "back to the table behind a cascade": [
        model("A", key("token", "Token", CASCADE)),
        'migrations.AddField("Token", "a", models.ForeignKey("A", models.CASCADE, null=True))',
    ],
    "a field that may be a relation": [model("A", '("token", thirdparty.KeyTo("Token"))')],
    "a relation to what is not known": [
        model("A", '("x", models.ForeignKey(thirdparty.x(), models.CASCADE))')
    ],
}


@pytest.mark.parametrize("models", ORDERED.values(), ids=ORDERED)
def test_a_relation_in_which_the_order_of_the_deletes_may_show(models):
    check_refused(deleting(), "delete-relations", models=with_models(*models))


NUM = '("num", models.IntegerField())'
NUMBERED = 'migrations.AddField("Token", "num", models.IntegerField())'
AWAY = "".join(f'{name} = apps.get_model("shop", "{name}")\n' for name in "ABC")


def asking(test: str) -> str:
    return AWAY + deleting(f"if {test}:\n    token.delete()")


def with_numbers(on_delete: str, *more: str) -> str:
    a = model("A", key("token", "Token", on_delete), NUM, *more)
    b = model("B", key("a", "A", "models.CASCADE"), NUM)
    return with_models(NUMBERED, a, b, model("C", NUM))


@pytest.mark.parametrize("on_delete", [CASCADE, SET_NULL])
@pytest.mark.parametrize(
    "test",
    [
        "C.objects.filter(num=token.num).first()",
        "A.objects.filter(token=token).first()",
        "A.objects.filter(num=token.num, token=token).first() is None",
    ],
)
def test_a_test_on_rows_that_the_deletes_of_others_leave_alone(test, on_delete):
    given = checking.whole(asking(test))
    outcome = checking.outcome_of(given, models=with_numbers(on_delete), select=("MF102",))
    assert outcome.changed, outcome.loops


@pytest.mark.parametrize(
    ("test", "on_delete", "more"),
    [
        ("A.objects.filter(num=token.num).first()", CASCADE, ""),
        ("A.objects.filter(num=token.num).first()", SET_NULL, ""),
        ("A.objects.filter(num=token.num).first() is None", CASCADE, ""),
        ("A.objects.filter(token=token.num).first()", CASCADE, ""),
        ("A.objects.filter(token=token).first()", CASCADE, key("old", "Token", CASCADE)),
        ("A.objects.filter(token=token).first()", CASCADE, key("old", "Token", SET_NULL)),
        ("B.objects.filter(num=token.num).first()", CASCADE, ""),
    ],
)
def test_a_test_on_rows_that_go_with_others(test, on_delete, more):
    models = with_numbers(on_delete, *([more] if more else []))
    check_refused(asking(test), "condition", models=models)


def test_a_test_on_a_row_that_is_cut_off_from_others():
    link = 'migrations.AddField("Token", "a", models.ForeignKey("{}", models.CASCADE))'
    models = with_models(
        model("A", key("token", "Token", SET_NULL), NUM), model("C", NUM), link.format("A")
    )
    before = deleting("if token.a.num == 1:\n    token.delete()")
    check_refused(before, "value", models=models)
    check_rewritten(
        before,
        "Token.objects.filter(a__num=1).delete()",
        models=models.replace(link.format("A"), link.format("C")),
    )


TAKING_ALONG = {
    "a cascade": [model("A", key("token", "Token", CASCADE))],
    "a link that is set to NULL": [model("A", key("token", "Token", SET_NULL))],
    "pairs of its own": [
        model("A"),
        'migrations.AddField("Token", "many", models.ManyToManyField("A"))',
    ],
    "pairs of others": [model("A", '("tokens", models.ManyToManyField("Token"))')],
}


@pytest.mark.parametrize("models", TAKING_ALONG.values(), ids=TAKING_ALONG)
def test_rows_in_parts_of_which_delete_holds_all(models):
    models = with_models(*models)
    streamed = deleting(rows="Token.objects.iterator()")
    check_refused(streamed, "keeps-rows", models=models)
    check_refused(
        "tokens = Token.objects.iterator()\n" + deleting(rows="tokens"), "keeps-rows", models=models
    )
    after = "Token.objects.all().delete()"
    check_rewritten(streamed, after, models=models, unsafe=True)
    check_rewritten(deleting(), after, models=models)
    check_rewritten(deleting(rows="list(Token.objects.iterator())"), after, models=models)


@pytest.mark.parametrize(
    ("relation", "reason"),
    [
        (model("A", key("token", "Token", CASCADE)), None),
        (model("A", key("token", "Token", PROTECT)), "delete-relations"),
        (
            f'migrations.AddField("Token", {key("up", "Token", CASCADE)[1:-1]})',
            "delete-relations",
        ),
    ],
)
def test_a_relation_to_the_parents_of_the_rows(relation, reason):
    child = model("Child", bases='("shop.Token",)').replace(
        '("id", models.AutoField(primary_key=True))', '("more", models.IntegerField())'
    )
    before = 'Child = apps.get_model("shop", "Child")\n' + deleting(rows="Child.objects.all()")
    models = with_models(child, relation)
    if reason is not None:
        check_refused(before, reason, models=models)
        return
    check_rewritten(
        before,
        'Child = apps.get_model("shop", "Child")\nChild.objects.all().delete()',
        models=models,
    )


def test_a_proxy_whose_table_is_protected():
    proxy = model("Other", bases='("shop.Token",)', options='{"proxy": True}').replace(
        '("id", models.AutoField(primary_key=True))', ""
    )
    before = 'Other = apps.get_model("shop", "Other")\n' + deleting(rows="Other.objects.all()")
    protected = model("A", key("token", "Token", PROTECT))
    check_refused(before, "delete-relations", models=with_models(proxy, protected))
    check_rewritten(
        before,
        'Other = apps.get_model("shop", "Other")\nOther.objects.all().delete()',
        models=with_models(proxy),
    )


def test_a_model_of_a_package():
    before = 'User = apps.get_model("auth", "User")\n' + deleting(rows="User.objects.all()")
    outcome = checking.outcome_of(checking.whole(before), select=("MF102",))
    assert not outcome.loops[0].changed


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"bases": "(thirdparty.Mixin, models.Model)"}, "custom-base"),
        ({"options": '{"managed": False}'}, "model-unverified"),
        ({"managers": '[("objects", thirdparty.Manager())]'}, "custom-manager"),
        ({"options": '{"base_manager_name": "x"}'}, "custom-manager"),
    ],
)
def test_a_model_that_is_not_plainly_a_table(options, reason):
    before = 'A = apps.get_model("shop", "A")\n' + deleting(rows="A.objects.all()")
    outcome = checking.outcome_of(
        checking.whole(before), models=with_models(model("A", **options)), select=("MF102",)
    )
    assert not outcome.loops[0].changed
    assert outcome.loops[0].blocked_by in {reason, "custom-base"}


def test_an_imported_model():
    check_refused("from shop.models import Token\n" + deleting(), "real-model")
