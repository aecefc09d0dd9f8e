"""What each schema operation leaves behind."""

from __future__ import annotations

import pytest

from migfix.history.state import ModelState, Name, ProjectState, Unknown
from migfix.reading.rows.relations import possible_columns


def names(model: ModelState) -> list[str]:
    return [field.name for field in model.fields]


def model(state: ProjectState, label: str, name: str) -> ModelState:
    found = state.model(label, name)
    assert isinstance(found, ModelState), found
    return found


def test_a_created_model_has_its_fields_in_order(order):
    assert names(order("")) == ["id", "name", "total", "slug"]


def test_a_deleted_model_is_gone(after):
    found = after('migrations.DeleteModel("Order")').model("shop", "Order")
    assert isinstance(found, Unknown)
    assert "no migration before this one creates shop.Order" in found.why


def test_an_added_field_comes_last_and_keeps_its_default_unless_told_otherwise(order, field):
    operations = """
migrations.AddField("Order", "kept", models.IntegerField(default=3)),
migrations.AddField("Order", "once", models.IntegerField(default=3), preserve_default=False),
"""
    found = order(operations)
    assert names(found)[-2:] == ["kept", "once"]
    assert field(found, "kept").options == {"default": 3}
    assert field(found, "once").options == {}


def test_an_altered_field_stays_in_its_place(order, field):
    found = order('migrations.AlterField("order", "total", models.BigIntegerField())')
    assert names(found)[2] == "total"
    assert (field(found, "total").kind, field(found, "total").null) == ("BigIntegerField", False)


def test_altering_a_field_that_is_not_there_makes_the_model_unknown(after):
    found = after('migrations.AlterField("order", "gone", models.IntegerField())')
    assert "shop.Order has no field gone" in found.model("shop", "Order").why


def test_a_removed_field_is_gone(order):
    assert names(order('migrations.RemoveField("Order", "total")')) == ["id", "name", "slug"]


def test_a_renamed_field_is_renamed_in_options_and_constraints(order):
    operations = """
migrations.AlterUniqueTogether("order", {("name", "total")}),
migrations.AlterModelOptions("order", {"ordering": ["-name"]}),
migrations.AddConstraint("order", models.UniqueConstraint(
    fields=["name"], condition=models.Q(name__gt="name"), name="name")),
migrations.RenameField("order", "name", "title"),
"""
    found = order(operations)
    assert found.options["ordering"] == ("-title",)
    assert found.options["unique_together"] == frozenset({("title", "total")})
    (constraint,) = found.options["constraints"]
    assert constraint.kwargs["fields"] == ("title",)
    assert constraint.kwargs["name"] == "name"
    assert found.uniqueness() == {"id", "slug", "title", "total"}


def test_a_set_that_python_refuses(order):
    found = order('migrations.AlterModelOptions("order", {{"ordering": ["name"]}}),')
    assert isinstance(found.options["ordering"], Unknown)


def test_a_renamed_model_takes_relations_and_children_of_other_apps_along(written):
    written.migration("shop.0001_initial", 'migrations.CreateModel("Base", fields=[]),')
    written.migration(
        "blog.0001_initial",
        """migrations.CreateModel("Post", fields=[
    ("base", models.ForeignKey("shop.Base", models.CASCADE)),
    ("many", models.ManyToManyField("shop.Base", through="shop.Base")),
], bases=("shop.base",)),""",
        '("shop", "0001_initial")',
    )
    written.migration(
        "shop.0002_rename",
        'migrations.RenameModel("Base", "Root"),',
        '("shop", "0001_initial"), ("blog", "0001_initial")',
    )
    state = written.state("shop.0002_rename")
    post = model(state, "blog", "Post")
    assert [each.target for each in post.fields] == [("shop", "root")] * 2
    assert post.fields[1].through == ("shop", "root")
    assert post.bases == (("shop", "root"),)
    assert model(state, "shop", "Root").name == "Root"
    assert isinstance(state.model("shop", "Base"), Unknown)


def test_a_self_relation_follows_the_rename(after):
    operations = """
migrations.AddField("order", "parent", models.ForeignKey("self", models.CASCADE)),
migrations.RenameModel("Order", "Purchase"),
"""
    found = model(after(operations), "shop", "Purchase")
    assert found.fields[-1].target == ("shop", "purchase")


def test_options_that_are_not_given_are_removed_but_only_those_of_the_list(order):
    operations = """
migrations.AlterModelTable("order", "orders"),
migrations.AlterModelOptions("order", {"ordering": ["name"], "verbose_name": "x"}),
migrations.AlterModelOptions("order", {"verbose_name": "y"}),
"""
    assert order(operations).options == {"db_table": "orders", "verbose_name": "y"}


def test_a_manager_whose_class_was_never_imported_is_unknown(order):
    found = order('migrations.AlterModelManagers("order", [("things", shop.managers.Things())]),')
    assert isinstance(found.managers, Unknown)


def test_a_managers_class_is_found_through_the_import(written):
    written.migration(
        "shop.0001_initial",
        'migrations.CreateModel("Order", fields=[], managers=[("things", m.Things())]),',
        top="from shop import managers as m",
    )
    assert model(written.state("shop.0001_initial"), "shop", "Order").managers == {
        "things": "shop.managers.Things"
    }


def test_ordering_with_respect_to_brings_a_column_and_takes_it_away(order):
    add = 'migrations.AlterOrderWithRespectTo("order", "name"),'
    assert names(order(add))[-1] == "_order"
    assert "_order" not in names(order(add + 'migrations.AlterOrderWithRespectTo("order", None),'))


def test_a_model_created_in_order_has_the_column_too(written):
    written.migration(
        "shop.0001_initial",
        'migrations.CreateModel("Line", fields=[], options={"order_with_respect_to": "order"}),',
    )
    assert names(model(written.state("shop.0001_initial"), "shop", "Line")) == ["_order"]


@pytest.mark.parametrize("operation", ["AddIndex", "AddIndexConcurrently"])
def test_a_plain_index_says_nothing_of_uniqueness(written, order, operation):
    home = "migrations" if operation == "AddIndex" else "ops"
    written.migration("shop.0001_initial", "")
    text = f'{home}.{operation}("order", models.Index(fields=["name"], name="i")),'
    if home == "ops":
        text = text.replace("ops.", "django.contrib.postgres.operations.")
    found = order(text)
    assert len(found.options["indexes"]) == 1
    assert found.uniqueness() == {"id", "slug"}


def test_an_index_can_be_renamed_and_removed(order):
    add = 'migrations.AddIndex("order", models.Index(fields=["name"], name="a")),'
    rename = 'migrations.RenameIndex("order", new_name="b", old_name="a"),'
    assert order(add + rename).options["indexes"][0].kwargs["name"] == "b"
    assert order(add + rename + 'migrations.RemoveIndex("order", "b"),').options["indexes"] == ()


def test_an_unnamed_index_becomes_an_index_with_a_name(order):
    operations = """
migrations.AlterIndexTogether("order", {("name", "total")}),
migrations.RenameIndex("order", new_name="b", old_fields=("name", "total")),
"""
    found = order(operations)
    assert found.options["index_together"] == ()
    assert found.options["indexes"][0].kwargs["fields"] == ("name", "total")


@pytest.mark.parametrize(
    ("constraint", "touched"),
    [
        ('models.UniqueConstraint(fields=["name"], name="c")', {"name"}),
        (
            'models.UniqueConstraint(fields=["name"], include=["total"], name="c")',
            {"name", "total"},
        ),
        ('models.UniqueConstraint(F("name").desc(), name="c")', {"name"}),
        ('models.UniqueConstraint(django.db.models.functions.Lower("name"), name="c")', {"name"}),
        ('models.UniqueConstraint(models.OrderBy(F("total")), name="c")', {"total"}),
        (
            'models.UniqueConstraint(fields=["name"], condition=Q(total__gt=1) | ~Q(slug="x"), name="c")',
            {"name", "total"},
        ),
        (
            'models.UniqueConstraint(fields=["name"], condition=Q(("total", 1)), name="c")',
            {"name", "total"},
        ),
        (
            "django.contrib.postgres.constraints.ExclusionConstraint("
            'name="c", expressions=[("total", "&&")], condition=Q(name="x"))',
            {"name", "total", "&&"},
        ),
        ('models.CheckConstraint(check=Q(total__gt=1), name="c")', set()),
    ],
)
def test_the_fields_of_a_constraint(order, constraint, touched):
    add = f'migrations.AddConstraint("order", {constraint}),'
    assert order(add).uniqueness() == {"id", "slug"} | touched
    assert order(add + 'migrations.RemoveConstraint("order", "c"),').uniqueness() == {"id", "slug"}


@pytest.mark.parametrize(
    "constraint",
    [
        'ours(fields=["name"], name="c")',
        "models.UniqueConstraint(fields=columns(), name='c')",
        "models.UniqueConstraint(**columns)",
        "models.UniqueConstraint(fields=['name'], condition=condition, name='c')",
        "models.UniqueConstraint(Ours('name'), name='c')",
        "models.UniqueConstraint(fields=['name'], condition=uuid.ACTIVE, name='c')",
    ],
)
def test_a_constraint_that_cannot_be_read_leaves_uniqueness_unknown(order, constraint):
    assert isinstance(
        order(f'migrations.AddConstraint("order", {constraint}),').uniqueness(), Unknown
    )


def test_an_altered_constraint_replaces_the_one_of_its_name(order):
    operations = """
migrations.AddConstraint("order", models.UniqueConstraint(fields=["name"], name="c")),
migrations.AlterConstraint("order", "c", models.UniqueConstraint(fields=["total"], name="c")),
"""
    assert order(operations).uniqueness() == {"id", "slug", "total"}


@pytest.mark.parametrize(
    "group", ['set([("name", "total")])', '[["name", "total"]]', "((*COLUMNS,),)"]
)
def test_unique_together_in_the_ways_of_all_versions(written, group):
    written.migration(
        "shop.0001_initial",
        f"""migrations.CreateModel("A", fields=[("n", models.IntegerField())], options={{"unique_together": {group}}}),
migrations.CreateModel("B", fields=[]), migrations.AlterUniqueTogether("B", {group}),""",
        top='COLUMNS = ("name", "total")',
    )
    state = written.state("shop.0001_initial")
    assert model(state, "shop", "A").uniqueness() == {"name", "total"}
    assert model(state, "shop", "B").uniqueness() == {"name", "total"}


def test_a_single_group_of_unique_together_may_be_written_flat(order):
    found = order('migrations.AlterUniqueTogether("order", ("name", "total")),')
    assert found.uniqueness() == {"id", "slug", "name", "total"}
    emptied = 'migrations.AlterUniqueTogether("order", {("name",)}), migrations.AlterUniqueTogether("order", set()),'
    assert order(emptied).uniqueness() == {"id", "slug"}


# Code, SQL and the unknown


def test_extensions_and_functions_change_nothing(order):
    operations = """
django.contrib.postgres.operations.TrigramExtension(),
django.contrib.postgres.operations.CreateExtension("citext"),
migrations.RunPython(forwards),
"""
    assert order(operations) == order("")


def test_state_operations_change_the_state_and_nobody_verified_the_table(order, field):
    operations = """
migrations.SeparateDatabaseAndState(
    database_operations=[migrations.AddField("order", "tables_only", models.IntegerField())],
    state_operations=[migrations.AddField("order", "state_only", models.IntegerField())],
),
"""
    found = order(operations)
    assert names(found)[-1] == "state_only"
    assert field(found, "state_only").verified is False
    assert field(found, "name").verified is True
    assert "shop.0002_next, line" in found.unverified


@pytest.mark.parametrize(
    "sql",
    [
        """'ALTER TABLE "shop_order" ALTER name DROP NOT NULL'""",
        "['UPDATE shop_order SET name = 1', ('CREATE UNIQUE INDEX x ON SHOP_ORDER (name)', None)]",
        "'ALTER TABLE shop_order ALTER name SET DEFAULT 1, ALTER name DROP NOT NULL'",
        "'UPDATE shop_order SET name = 1; CREATE TRIGGER t BEFORE UPDATE ON shop_order'",
    ],
)
def test_sql_that_names_the_table_leaves_the_model_unverified(order, sql):
    found = order(f"migrations.RunSQL({sql})")
    assert "RunSQL names the table" in found.unverified


@pytest.mark.parametrize(
    "sql",
    [
        "'UPDATE shop_order SET name = 1; DELETE FROM shop_order'",
        "'ALTER TABLE shop_other DROP COLUMN name'",
        "'CREATE INDEX x ON shop_order (name)'",
        "'ALTER TABLE shop_order ALTER COLUMN name SET DEFAULT 1;'",
        "migrations.RunSQL.noop",
        "[('INSERT INTO shop_order VALUES (%s)', [1]), '-- ALTER TABLE shop_order']",
    ],
)
def test_sql_on_rows_defaults_and_other_tables_is_harmless(order, sql):
    assert order(f"migrations.RunSQL({sql})").unverified is None


def test_sql_built_at_run_time_leaves_the_whole_app_unverified(order):
    assert "not a literal" in order("migrations.RunSQL(open('x').read())").unverified


def test_sql_with_state_operations_changes_the_state(order):
    operations = """migrations.RunSQL("SELECT 1", state_operations=[
    migrations.RemoveField("order", "total")]),"""
    assert names(order(operations)) == ["id", "name", "slug"]


def test_a_field_removed_from_the_state_alone_leaves_the_others_verified(order):
    operations = """migrations.SeparateDatabaseAndState(
        state_operations=[migrations.RemoveField("order", "total")]),"""
    assert (names(order(operations)), order(operations).unverified) == (
        ["id", "name", "slug"],
        None,
    )


def test_an_unknown_operation_makes_the_model_that_it_names_unknown(written):
    written.migration(
        "shop.0001_initial",
        'migrations.CreateModel("A", fields=[]), migrations.CreateModel("B", fields=[]), Ours(model_name="a")',
    )
    state = written.state("shop.0001_initial")
    assert "Ours(...) is not an operation of Django's own" in state.model("shop", "A").why
    assert isinstance(state.model("shop", "B"), ModelState)


@pytest.mark.parametrize(
    "operation",
    [
        "wrap(migrations.DeleteModel('Order'))",
        "*more()",
        "OPERATION_FROM_ELSEWHERE",
        "migrations.AddField(*arguments)",
        "migrations.CreateModel(name=NAME, fields=[])",
    ],
)
def test_an_operation_that_cannot_be_read_makes_the_app_unknown(after, operation):
    found = after(operation).model("shop", "Order")
    assert isinstance(found, Unknown)
    assert "shop.0002_next, line" in found.why


def test_a_subclass_that_leaves_the_state_alone_counts_as_its_base(written):
    top = """
class Same(migrations.AddField):
    reduces_to_sql = False

class Other(migrations.AddField):
    def state_forwards(self, app_label, state):
        pass

class Tables(migrations.AddField):
    def database_forwards(self, *args):
        pass
"""
    create = 'migrations.CreateModel("{0}", fields=[]), {0}("{0}", "n", models.IntegerField()),'
    written.migration(
        "shop.0001_initial", "".join(map(create.format, ["Same", "Other", "Tables"])), top=top
    )
    state = written.state("shop.0001_initial")
    assert "Other" in state.unknown_apps["shop"]
    assert names(state.models["shop", "same"]) == ["n"]
    assert state.models["shop", "same"].unverified is None
    assert "own database code" in state.models["shop", "tables"].unverified


def test_a_subclass_from_another_module_of_the_project_is_looked_at(written):
    written.file(
        "shop/operations.py",
        "from django.db import migrations\nclass Ours(migrations.RemoveField): pass\n",
    )
    written.migration(
        "shop.0001_initial",
        'migrations.CreateModel("A", fields=[("n", models.IntegerField())]), Ours("a", "n"),',
        top="from shop.operations import Ours",
    )
    assert names(model(written.state("shop.0001_initial"), "shop", "A")) == []


# Facts about fields


@pytest.mark.parametrize(
    ("written_as", "kind"),
    [
        ("models.CharField()", "CharField"),
        ("django.db.models.fields.CharField()", "CharField"),
        ("django.db.models.fields.related.ForeignKey('shop.Order', models.CASCADE)", "ForeignKey"),
        ("django.contrib.gis.db.models.CharField()", "CharField"),
        ("django.contrib.gis.db.models.fields.PointField()", "PointField"),
        ("django.contrib.postgres.fields.jsonb.JSONField()", "JSONField"),
        ("uuid.CharField()", None),
        ("forwards()", None),
    ],
)
def test_the_class_of_a_field_has_one_name(order, field, written_as, kind):
    found = order(f'migrations.AddField("order", "x", {written_as}),')
    assert field(found, "x").kind == kind


def test_the_json_field_of_postgres_keeps_its_own_path(order, field):
    found = order(
        'migrations.AddField("order", "x", django.contrib.postgres.fields.jsonb.JSONField()),'
    )
    assert field(found, "x").class_path == "django.contrib.postgres.fields.JSONField"


def test_options_are_literals_names_or_unknown(order, field):
    text = "models.IntegerField(default=-1, choices=[(1, 'a')], validators=[check(1)], db_default=uuid.uuid4)"
    options = field(order(f'migrations.AddField("order", "x", {text}),'), "x").options
    assert (options["default"], options["choices"]) == (-1, ((1, "a"),))
    assert options["db_default"] == Name("uuid.uuid4")
    assert isinstance(options["validators"], Unknown)


def test_what_another_class_does_by_default_is_unknown(order, field):
    found = order('migrations.AddField("order", "x", uuid.Field(null=False)),')
    custom = field(found, "x")
    assert custom.null is False
    for fact in (
        custom.unique,
        custom.has_column,
        custom.attname,
        custom.is_relation,
        custom.auto_now,
    ):
        assert isinstance(fact, Unknown)
    assert found.uniqueness() == {"id", "slug", "x"}


def test_unpacked_options_of_a_field_leave_its_facts_unknown(order, field):
    found = field(order('migrations.AddField("order", "x", models.CharField(**extra)),'), "x")
    assert isinstance(found.null, Unknown)


def test_facts_of_relations(order, field):
    operations = """
migrations.AddField("order", "owner", models.ForeignKey("blog.Post", on_delete=models.SET_NULL, null=True)),
migrations.AddField("order", "one", models.OneToOneField(to="shop.order", on_delete=django.db.models.deletion.PROTECT)),
migrations.AddField("order", "many", models.ManyToManyField("Order")),
"""
    found = order(operations)
    owner, one, many = (field(found, name) for name in ("owner", "one", "many"))
    assert (owner.attname, owner.target, owner.null) == ("owner_id", ("blog", "post"), True)
    assert owner.on_delete == "django.db.models.SET_NULL"
    assert (one.unique, one.on_delete) == (True, "django.db.models.PROTECT")
    assert (many.has_column, many.target) == (False, ("shop", "order"))


def test_columns_include_those_of_parents(written):
    written.migration(
        "shop.0001_initial",
        """
migrations.CreateModel("Base", fields=[("id", models.AutoField(primary_key=True))]),
migrations.CreateModel("Child", fields=[
    ("base_ptr", models.OneToOneField(primary_key=True, to="shop.Base", on_delete=models.CASCADE, parent_link=True)),
    ("tags", models.ManyToManyField("shop.Base"))], bases=("shop.base", forwards)),
""",
    )
    state = written.state("shop.0001_initial")
    fields = possible_columns(state, model(state, "shop", "Child"))
    assert [each.name for each in fields] == ["id", "base_ptr"]


FIELD = 'migrations.AddField("{model}", "{name}", models.IntegerField())'
TOGETHER = 'migrations.AlterUniqueTogether("order", {("a", "b")})'


def in_branches(written, then: str, otherwise: str = "", before: str = "") -> ProjectState:
    """After operations of which ``then`` may run, or ``otherwise``."""
    models_ = "".join(
        f'migrations.CreateModel("{name}", [("a", models.IntegerField()), ("b", models.IntegerField())]),'
        for name in ("Order", "Sale")
    )
    extra = (
        f"if settings.DEBUG:\n    operations += [{then}]\nelse:\n    operations += [{otherwise}]\n"
    )
    written.migration("shop.0001_initial", f"{models_}{before}", extra=extra)
    written.migration("shop.0002_next", "", '("shop", "0001_initial")')
    return written.state("shop.0002_next", "shop")


def test_a_model_that_is_another_one_in_each_branch_is_not_known(written):
    state = in_branches(written, FIELD.format(model="order", name="c"))
    assert isinstance(state.model("shop", "Order"), Unknown)
    assert "decides which operations there are" in state.model("shop", "Order").why
    assert [f.name for f in state.model("shop", "Sale").fields] == ["a", "b"]


def test_a_model_that_both_branches_change_alike_is_known(written):
    one, other = FIELD.format(model="order", name="c"), FIELD.format(model="sale", name="c")
    state = in_branches(written, f"{one}, {other}", one)
    assert [f.name for f in state.model("shop", "Order").fields] == ["a", "b", "c"]
    assert isinstance(state.model("shop", "Sale"), Unknown)


def test_a_rule_that_one_branch_gives_is_not_known(written):
    order = in_branches(written, TOGETHER).model("shop", "Order")
    assert [f.name for f in order.fields] == ["a", "b"]
    assert isinstance(order.options["unique_together"], Unknown)
    assert isinstance(order.uniqueness(), Unknown)


def test_a_table_that_one_branch_renames_is_not_known(written):
    state = in_branches(written, 'migrations.AlterModelTable("order", "other")')
    assert isinstance(state.model("shop", "Order"), Unknown)


def test_a_model_of_one_branch_is_not_known(written):
    state = in_branches(written, 'migrations.CreateModel("Late", [])')
    assert isinstance(state.model("shop", "Late"), Unknown)
    state = in_branches(written, 'migrations.DeleteModel("Sale")')
    assert isinstance(state.model("shop", "Sale"), Unknown)


def test_sql_of_one_branch_may_change_what_it_names(written):
    state = in_branches(written, 'migrations.RunSQL("ALTER TABLE shop_order DROP COLUMN b")')
    assert state.model("shop", "Order").unverified
    assert not state.model("shop", "Sale").unverified


OWN = """
class Fill(migrations.RunPython):
    def __init__(self, name):
        def fill(apps, schema_editor):
            pass
        {line}
        super().__init__(fill)
"""


@pytest.mark.parametrize(
    ("line", "is_known"),
    [
        ("pass", True),
        ("self.state_forwards = forwards", False),
        ("self.__class__ = Other", False),
        ("setattr(self, name, 1)", False),
    ],
)
def test_functions_that_an_operation_makes_itself(line, is_known, written):
    fields = '[("a", models.IntegerField())]'
    operations = f'migrations.CreateModel("Order", {fields}), Fill("order")'
    written.migration("shop.0001_initial", operations, top=OWN.format(line=line))
    written.migration("shop.0002_next", "", '("shop", "0001_initial")')
    order = written.state("shop.0002_next", "shop").model("shop", "Order")
    assert isinstance(order, Unknown) != is_known


MADE_SQL = {
    "format": ('"UPDATE {} SET {name} = 1".format(TABLE, name="a")', True),
    "format of a constant": ("SQL.format(TABLE, name='a')", True),
    "another function": ("SQL.format(TABLE, name=name())", False),
    "something unpacked": ("SQL.format(*TABLES)", False),
    "keywords unpacked": ("SQL.format(**NAMES)", False),
    "a list": ("SQL.format(TABLES, name='a')", False),
    "a form": ('"UPDATE {:>99999999999}".format(TABLE)', False),
    "a brace that is open": ('"UPDATE {".format(TABLE)', False),
    "an f-string": ('f"UPDATE {TABLE} SET a = {1}"', True),
    "an f-string that changes tables": ('f"ALTER TABLE {TABLE} DROP COLUMN a"', False),
    "an f-string of something": ('f"{statement()}"', False),
    "an f-string with a form": ('f"{TABLE!r}"', False),
}


@pytest.mark.parametrize("name", MADE_SQL)
def test_sql_that_is_put_together_of_texts(name, written):
    sql, is_harmless = MADE_SQL[name]
    top = "TABLE = 'shop_order'\nTABLES = ['shop_order']\nSQL = 'UPDATE {} SET {name} = 1'\n"
    fields = '[("a", models.IntegerField())]'
    operations = f'migrations.CreateModel("Order", {fields}), migrations.RunSQL({sql})'
    written.migration("shop.0001_initial", operations, top=top)
    written.migration("shop.0002_next", "", '("shop", "0001_initial")')
    order = written.state("shop.0002_next", "shop").model("shop", "Order")
    assert bool(order.unverified) != is_harmless
