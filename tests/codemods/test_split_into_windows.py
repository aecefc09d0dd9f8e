"""split-into-windows: which statements it splits where it is selected, and which must stay one."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from migfix.disk.files import Files
from migfix.findings import Applicability, FileOutcome
from migfix.settings import Overrides, known_codes, settings_for
from tests import checking

SELECTED = ("MF103",)
FILTERED = "Post.objects.filter(kind=1)"


def migration(body: str, says: str = "atomic = False", **replaced: str) -> str:
    source = checking.whole(body)
    for old, new in replaced.items():
        source = source.replace(old, new)
    return source.replace("    operations =", f"    {says}\n    operations =")


def outcome_of(
    body: str,
    *,
    select: tuple[str, ...] = SELECTED,
    unsafe: bool = True,
    databases: tuple[str, ...] = checking.EVERYWHERE,
    **given: str,
) -> FileOutcome:
    models = given.pop("models", checking.MODELS)
    return checking.outcome_of(
        migration(body, **given),
        models=models,
        databases=databases,
        unsafe=unsafe,
        select=select,
    )


def check_split(body: str, after: str) -> None:
    outcome = outcome_of(body)
    result = checking.after_of(outcome, "")
    written = dedent(result[result.index("    Token =") : result.index("class Migration")])
    assert ast.unparse(ast.parse(written)).endswith(ast.unparse(ast.parse(after)))
    assert "from ._migfix import" in outcome.edits[-1].after.decode()
    [loop] = [each for each in outcome.loops if each.changed]
    assert (loop.codes, loop.applicability) == (SELECTED, Applicability.UNSAFE)
    assert "a failure leaves part of the rows done: running it again" in loop.reason
    again = checking.outcome_of(result, unsafe=True, select=SELECTED)
    assert not any(each.changed for each in again.loops)


def check_refused(body: str, reason: str, **given: str) -> None:
    outcome = outcome_of(body, **given)
    assert [each.blocked_by for each in outcome.loops] == [reason], outcome.loops
    assert not outcome.edits


@pytest.mark.parametrize(
    ("queryset", "values"),
    [
        ("Post.objects", "note=None"),
        ("Post.objects.all()", "kind=2"),
        (FILTERED, "kind=2, seen=True"),
        ('Post.objects.exclude(title__startswith="a").filter(rank__isnull=True)', 'slug="x"'),
        (
            'Post.objects.using(schema_editor.connection.alias).filter(pk__gt=5)',
            'rank=models.F("kind") * 2 + 1',
        ),
        ("Post.objects.filter(models.Q(kind=1) | ~models.Q(rank__in=[1, 2]))", "votes=0"),
        ('Post.objects.filter(rank__lt=models.F("kind"))', 'slug=models.F("title")'),
        ("Post.objects.filter(author__isnull=False, editor_id=5)", "editor=None"),
    ],
)  # fmt: skip
def test_an_update(queryset, values):
    check_split(f"{queryset}.update({values})", f"update_in_windows({queryset}, {values})")


def test_functions_of_columns():
    body = 'Post.objects.update(slug=Lower(Concat("title", Value("-"), "note")))'
    outcome = outcome_of(
        f"from django.db.models import Value\nfrom django.db.models.functions import Concat, Lower\n{body}"
    )
    assert outcome.edits or outcome.loops[0].blocked_by == "value"


@pytest.mark.parametrize("queryset", ["Token.objects.filter(used=True)", "Token.objects.all()"])
def test_a_delete(queryset):
    check_split(f"{queryset}.delete()", f"delete_in_windows({queryset})")


@pytest.mark.parametrize("before", ["count = ", "count += ", "return "])
def test_what_it_gives_is_used(before):
    body = f"count = 0\n{before}{FILTERED}.update(kind=2)"
    check_split(body, f"count = 0\n{before}update_in_windows({FILTERED}, kind=2)")


def test_a_row_behind_a_foreign_key_and_a_name():
    check_split(
        'bob = Person.objects.get(name="bob")\nposts = Post.objects.filter(author=bob)\n'
        "posts.update(editor=bob)",
        "update_in_windows(posts, editor=bob)",
    )


def test_comments_and_lines():
    body = "# why\nPost.objects.filter(\n    kind=1,  # one\n).update(\n    kind=2,\n)\nprint(1)"
    after = "    # why\n    # one\n    update_in_windows(Post.objects.filter(kind=1), kind=2)\n    print(1)\n"
    assert after in outcome_of(body).edits[-1].after.decode()


def test_what_migfix_has_made_of_a_loop():
    body = "for post in Post.objects.filter(kind=1):\n    post.kind = 2\n    post.save()"
    first = outcome_of(body, select=("MF101",))
    again = checking.outcome_of(first.edits[-1].after, unsafe=True, select=SELECTED)
    assert b"update_in_windows(Post.objects.filter(kind=1), kind=2)" in again.edits[-1].after


def test_never_by_default():
    body = f"{FILTERED}.update(kind=2)"
    assert not outcome_of(body, select=tuple(known_codes())).loops
    outcome = outcome_of(body, unsafe=False)
    assert not outcome.edits
    assert [(loop.changed, loop.blocked_by) for loop in outcome.loops] == [(False, "partly-done")]


@pytest.mark.parametrize(
    ("selected", "codes"),
    [("MF103", {"MF103"}), ("split-into-windows", {"MF103"}), ("MF", set(known_codes()))],
)
def test_only_its_own_name_selects_it(tmp_path, selected, codes):
    assert settings_for(tmp_path, Overrides(select=(selected,)), Files()).codes == codes
    assert "MF103" not in settings_for(tmp_path, Overrides(), Files()).codes


def test_a_comment_keeps_it_away():
    check_refused(f"{FILTERED}.update(kind=2)  # migfix: ignore[MF103]", "suppressed")


@pytest.mark.parametrize(
    "body",
    [
        "Post.objects.filter(kind=1)[:5].update(kind=2)",
        "Post.objects.order_by('kind').update(kind=2)",
        "Post.objects.distinct().update(kind=2)",
        "Post.objects.annotate(x=models.F('kind')).update(kind=2)",
        "Post.objects.select_for_update().update(kind=2)",
        "Post.objects.extra(where=['kind = 1']).update(kind=2)",
        "(Post.objects.filter(kind=1) | Post.objects.filter(kind=2)).update(kind=2)",
        "Token.objects.values('used').delete()",
        "Token.objects.delete('x')",
    ],
)
def test_more_than_conditions(body):
    check_refused(body, "queryset-shape")


@pytest.mark.parametrize(
    "condition",
    [
        "author__name='bob'",
        "posts__kind=1",
        "author__in=Person.objects.all()",
        "kind__in=Post.objects.values('rank')",
        "models.Exists(Post.objects.all())",
        "rank__lt=models.functions.Now()",
        "rank=models.Max('kind')",
        "when__year=2000",
        "when__lt=models.F('when') + timedelta(1)",
        "rank__foo=1",
        "**given",
        "rank=given()",
    ],
)
def test_conditions_of_more_than_the_row(condition):
    above = "from datetime import timedelta\n"
    check_refused(f"{above}Post.objects.filter({condition}).update(kind=2)", "condition")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("kind=models.F('kind') + 1", "value"),
        ("kind=models.F('rank'), rank=models.F('kind')", "value"),
        ("editor=models.F('author'), author=models.F('editor_id')", "value"),
        ("slug=models.F('author__name')", "value"),
        ("kind=models.Subquery(Person.objects.values('age')[:1])", "value"),
        ("when=models.functions.Now()", "value"),
        ("price=models.functions.Random()", "value"),
        ("kind=models.Case(models.When(rank=1, then=2), default=3)", "value"),
        ("kind=given()", "value"),
        ("**given", "value"),
        ("code='x'", "unique"),
        ("pk=1", "field-unknown"),
        ("id=1", "field-unknown"),
        ("other=1", "field-unknown"),
    ],
)
def test_values_that_are_not_left_alike(values, reason):
    check_refused(f"Post.objects.update({values})", reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "transaction"),
        ("atomic = True", "transaction"),
        ("atomic = not True", "transaction"),
        ("atomic = False\n    atomic = True", "transaction"),
    ],
)
def test_a_migration_that_is_a_transaction(said, reason):
    check_refused(f"{FILTERED}.update(kind=2)", reason, says=said)


ALONE = """\
from django.db import migrations


def forwards(apps, schema_editor):
    Post = apps.get_model("shop", "Post")
    Post.objects.filter(kind=1).update(kind=2)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
ON_SERVERS = ("postgresql", "mariadb", "mysql")


def split_alone(old: str, new: str, databases: tuple[str, ...] = ON_SERVERS) -> FileOutcome:
    assert old in ALONE
    return checking.outcome_of(
        ALONE.replace(old, new), databases=databases, unsafe=True, select=SELECTED
    )


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        ("", "", "Migration):\n    atomic = False\n\n    dependencies"),
        ("    depend", "\n    depend", "Migration):\n    atomic = False\n\n    dependencies"),
        ("    depend", '    """Why."""\n\n    depend', '    """Why."""\n\n    atomic = False\n\n    dependencies'),
        ("    depend", "    # Why.\n    depend", "Migration):\n    atomic = False\n\n    # Why.\n    depend"),
        ("Migration):\n", "Migration):  # why\n", "Migration):  # why\n    atomic = False\n\n    depend"),
        ("    Post =", '    """Why."""\n    alias = schema_editor.connection.alias\n    Post =', "    atomic = False\n"),
        ("Post.objects.filter(kind=1)", "posts = Post.objects.filter(kind=1)\n    posts", "    atomic = False\n"),
        ("(forwards)", "(forwards, migrations.RunPython.noop, elidable=True)", "    atomic = False\n"),
        ("(forwards)", "(forwards, reverse_code=None)", "    atomic = False\n"),
    ],
)  # fmt: skip
def test_what_is_all_that_a_migration_does_is_committed(old, new, written):
    outcome = split_alone(old, new)
    text = outcome.edits[-1].after.decode()
    assert written in text
    assert text.count("atomic = False") == 1
    assert "update_in_windows(" in text
    [loop] = outcome.loops
    assert "the migration says `atomic = False`" in loop.reason
    assert "running it again does the rest" in loop.reason


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("(forwards)]", "(forwards), migrations.RunSQL('')]", "other operations"),
        ("(forwards)]", "(forwards), migrations.AddField('post', 'x', 1)]", "other operations"),
        ("[migrations.RunPython(forwards)]", "[migrations.RunPython(forwards)] + more", "other operations"),
        ("[migrations.RunPython(forwards)]", "[migrations.SeparateDatabaseAndState([migrations.RunPython(forwards)])]", "other operations"),
        ("(forwards)", "(forwards, backwards)", "reverse function"),
        ("(forwards)", "(forwards, reverse_code=lambda apps, editor: None)", "reverse function"),
        ("(forwards)", "(migrations.RunPython.noop, forwards)", "reverse function"),
        ("(forwards)", "(forwards, atomic=True)", "may begin a transaction"),
        ("    Post.objects", "    Post.objects.update(rank=1)\n    Post.objects", "line 6 would be committed"),
        ("update(kind=2)", "update(kind=2)\n    print(1)", "line 7 would be committed"),
        ("    Post.objects", "    found = Post.objects.get(pk=1)\n    Post.objects", "line 6"),
        ("    Post.objects", "    found = Post.objects.filter(kind=given())\n    Post.objects", "line 6"),
        ("    Post.objects", "    found = apps.get_model('shop', 'Tag').objects.all()\n    Post.objects", "line 6"),
        ("    Post.objects", "    found = apps.seen = Post\n    Post.objects", "line 6"),
        ("    depend", "    run = print(1)\n    depend", "its class says more"),
        ("    depend", "    def apply(self):\n        pass\n\n    depend", "its class says more"),
        ("(migrations.Migration)", "(migrations.Migration, metaclass=Own)", "its class says more"),
        ("    depend", "    atomic = True\n    depend", "its class says more"),
        ("class Migration", "@own\nclass Migration", "its class says more"),
        ("(forwards)]\n", "(forwards)]\n\n\nclass Sub(Migration):\n    pass\n", "something of `Migration`"),
        ("class Migration", "atomic = True\n\n\nclass Migration", "something of `atomic`"),
    ],
)  # fmt: skip
def test_what_keeps_a_migration_one_transaction(old, new, why):
    outcome = split_alone(old, new)
    found = [loop for loop in outcome.loops if loop.blocked_by == "transaction"]
    assert why in found[-1].reason
    assert not outcome.edits


@pytest.mark.parametrize("databases", [checking.EVERYWHERE, ("sqlite",), ("oracle",)])
def test_databases_on_which_no_transaction_is_taken_away(databases):
    outcome = split_alone("", "", databases)
    assert [loop.blocked_by for loop in outcome.loops] == ["transaction"]


@pytest.mark.parametrize(
    ("body", "again"),
    [
        ("Post.objects.filter(kind=1).update(kind=2)", "does the rest"),
        ("Post.objects.filter(live=True, kind=3).update(live=False)", "does the rest"),
        ("Post.objects.filter(rank=1).update(rank=None)", "does the rest"),
        ("Post.objects.filter(rank__isnull=True).update(rank=0)", "does the rest"),
        ("Post.objects.filter(rank__isnull=False).update(rank=None)", "does the rest"),
        ("Token.objects.all().delete()", "does the rest"),
        ("Post.objects.filter(rank__isnull=False).update(rank=0)", "once more"),
        ("Post.objects.filter(rank__isnull=True).update(rank=None)", "once more"),
        ("Post.objects.exclude(kind=1).update(kind=2)", "once more"),
        ("Post.objects.filter(kind__gt=1).update(kind=2)", "once more"),
        ("Post.objects.filter(live=1).update(live=True)", "once more"),
        ("Post.objects.filter(kind=1).update(rank=2)", "once more"),
        ('Post.objects.filter(slug="a").update(slug="A")', "once more"),
        ("Post.objects.update(kind=1)", "once more"),
    ],
)
def test_what_a_second_run_does(body, again):
    [loop] = [each for each in outcome_of(body).loops if each.changed]
    assert again in loop.reason


@pytest.mark.parametrize(
    "run",
    [
        "RunPython(forwards, atomic=True)",
        "RunPython(forwards, None, True)",
        "RunPython(forwards, atomic=None)",
        "RunPython(forwards), migrations.RunPython(lambda a, s: forwards(a, s))",
    ],
)
def test_a_function_that_may_be_run_in_a_transaction(run):
    body = f"{FILTERED}.update(kind=2)"
    check_refused(body, "transaction", **{"RunPython(forwards)": run})
    assert outcome_of(
        body, **{"RunPython(forwards)": "RunPython(forwards, forwards, elidable=True)"}
    ).edits


def test_statements_that_are_not_the_functions_own():
    """They are not looked at."""
    body = f"with transaction.atomic():\n    {FILTERED}.update(kind=2)\nprint({FILTERED}.update(kind=2))"
    assert not outcome_of(body).loops
    decorated = {"def forwards": "@transaction.atomic\ndef forwards"}
    assert not outcome_of(f"{FILTERED}.update(kind=2)", **decorated).edits


@pytest.mark.parametrize(
    ("old", "new", "body", "reason"),
    [
        ('("id", models.AutoField(', '("id", models.CharField(max_length=9, ', "Token.objects.update(used=True)", "primary-key"),
        ('("id", models.AutoField(', '("id", models.DecimalField(', "Token.objects.update(used=True)", "primary-key"),
        ('"used", models.BooleanField(default=False)', '"size", models.IntegerField()', "Token.objects.update(size=1)", "name-clash"),
        ('"used", models.BooleanField(default=False)', '"used", models.GeneratedField(expression=models.F("id"), output_field=models.IntegerField(), db_persist=True)', "Token.objects.update(value='')", "field-unknown"),
        ('    ]\n', '        migrations.CreateModel("Sub", [("n", models.IntegerField())], bases=("shop.Token",)),\n    ]\n', "apps.get_model('shop', 'Sub').objects.update(n=1)", "multi-table-inheritance"),
        ('    ]\n', '        migrations.CreateModel("Proxy", [], options={"proxy": True}, bases=("shop.Token",)),\n    ]\n', "apps.get_model('shop', 'Proxy').objects.update(value='')", "multi-table-inheritance"),
        ('    ]\n', '        migrations.AlterUniqueTogether("Token", {("value", "used")}),\n    ]\n', "Token.objects.update(value='')", "unique"),
        ('    ]\n', '        migrations.AlterModelManagers("Token", [("objects", own.Manager())]),\n    ]\n', "Token.objects.update(value='')", "custom-manager"),
    ],
)  # fmt: skip
def test_models_whose_rows_windows_do_not_take_alike(old, new, body, reason):
    start, _, end = checking.MODELS.rpartition(old)
    check_refused(body, reason, models=f"import own\n{start}{new}{end}")


@pytest.mark.parametrize("model", ["Person", "Post", "Tag"])
def test_deletes_that_take_others_along(model):
    check_refused(f"{model}.objects.all().delete()", "delete-relations")


def test_names_that_mean_something_else():
    check_refused(f"update_in_windows = 1\n{FILTERED}.update(kind=2)", "name-clash")


def test_a_model_of_today():
    check_refused(
        "from shop.models import Post as Today\nToday.objects.update(kind=1)", "real-model"
    )


def test_signals_of_deletes():
    models = f"{checking.MODELS}\n"  # a project of its own
    connected = "from django.db.models.signals import post_delete\n\npost_delete.connect(print)\n"
    (checking.project(models).parent / "receivers.py").write_text(connected)
    check_refused("Token.objects.all().delete()", "signals", models=models)
    assert outcome_of("Token.objects.update(value='')", models=models).edits
