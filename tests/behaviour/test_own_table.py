"""Loops whose queryset looks at their own table by a query inside of it, and the update() of that queryset."""

from __future__ import annotations

import pytest

from migfix.settings import Settings
from tests.databases import ONE_SQLITE, SERVERS
from tests.rewritten import rewritten
from tests.running import Different, run_both

pytestmark = [pytest.mark.behaviour]

MODELS = """
    migrations.CreateModel("P", [
        ("id", models.BigAutoField(primary_key=True)),
        ("k", models.IntegerField(default=0)),
    ]),
    migrations.CreateModel("A", [
        ("id", models.BigAutoField(primary_key=True)),
        ("n", models.IntegerField(default=0)),
        ("ok", models.BooleanField(default=False)),
        ("p", models.ForeignKey("shop.P", models.CASCADE, null=True, related_name="items")),
        ("up", models.ForeignKey("self", models.SET_NULL, null=True, related_name="kids")),
        ("tags", models.ManyToManyField("shop.P", related_name="tagged")),
    ]),
    migrations.CreateModel("B", [
        ("id", models.BigAutoField(primary_key=True)),
        ("a", models.ForeignKey("shop.A", models.CASCADE, related_name="bs")),
    ]),
    migrations.CreateModel("Same", [], bases=("shop.a",), options={"proxy": True}),
"""


def rows(apps, connection):
    p, a, b = (apps.get_model("shop", name) for name in ("P", "A", "B"))
    p.objects.bulk_create(p(pk=i + 1, k=i % 5) for i in range(40))
    a.objects.bulk_create(
        a(pk=i + 1, n=(i * 7) % 300, ok=i % 37 == 0, p_id=i % 40 + 1 if i % 9 else None)
        for i in range(300)
    )
    b.objects.bulk_create(b(a_id=i * 2 + 1) for i in range(150))


def migration(source: str, above: str = "pass", body: str = "a.ok = True; a.save()") -> str:
    return (
        "from django.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Value, When\n"
        "from django.db.models.expressions import RawSQL\n\n\n"
        "def forwards(apps, schema_editor):\n"
        '    A = apps.get_model("shop", "A")\n    P = apps.get_model("shop", "P")\n'
        '    B = apps.get_model("shop", "B")\n    Same = apps.get_model("shop", "Same")\n'
        f"    {above}\n    for a in {source}:\n        {body}\n"
    )


OWN = "A.objects.filter(p=OuterRef('p'), ok=True)"
# Each with what stands above it, if anything.
READING = {
    "exclude": "A.objects.exclude(p__items__ok=True)",
    "a denied Q": "A.objects.filter(~Q(p__items__ok=True))",
    "a Q inside of one": "A.objects.filter(Q(n__gt=3) & ~Q(Q(p__items__ok=True)))",
    "exists": f"A.objects.filter(~Exists({OWN}))",
    "by another table": "A.objects.filter(~Exists(P.objects.filter(pk=OuterRef('p'), items__ok=True)))",
    "a proxy": "A.objects.filter(~Exists(Same.objects.filter(p=OuterRef('p'), ok=True)))",
    "of a proxy": f"Same.objects.filter(~Exists({OWN}))",
    "an annotation": f"A.objects.annotate(has=Exists({OWN})).filter(has=False)",
    "an alias": f"A.objects.alias(has=Exists({OWN})).exclude(has=True)",
    "a case": f"A.objects.alias(c=Case(When(Exists({OWN}), then=Value(1)), default=Value(0))).filter(c=0)",
    "extra": (
        "A.objects.extra(where=['NOT EXISTS (SELECT 1 FROM shop_a z WHERE z.p_id = shop_a.p_id AND z.ok)'])"
    ),
}
NAMED = {
    "a queryset by name": ("A.objects.filter(~Exists(q))", f"q = {OWN}"),
    "an expression by name": ("A.objects.filter(q)", f"q = ~Exists({OWN})"),
    "lookups by name": ("A.objects.exclude(**q)", "q = {'p__items__ok': True}"),
    "a denied Q by name": ("A.objects.filter(q)", "q = ~Q(p__items__ok=True)"),
}
ALL = {**{name: (source, "pass") for name, source in READING.items()}, **NAMED}


@pytest.mark.parametrize(("source", "above"), ALL.values(), ids=ALL)
def test_one_update_on_sqlite_sees_what_it_has_changed(source, above):
    before = migration(source, above)
    naive = before[: before.index("    for a in")] + f"    {source}.update(ok=True)\n"
    with pytest.raises(Different):
        run_both(MODELS, before, naive, rows)
    for databases in (None, frozenset({"sqlite"}), frozenset({"mysql"})):
        outcome = offered(before, databases)
        assert "MF101" not in outcome.codes, outcome


@pytest.mark.parametrize("database", [each for each in ONE_SQLITE if each.values[0] in SERVERS])
@pytest.mark.parametrize(("source", "above"), ALL.values(), ids=ALL)
def test_one_update_where_the_database_finds_all_rows_first(database, source, above):
    before = migration(source, above)
    settings = Settings(select=frozenset({"MF101"}), databases=frozenset({database}))
    after, outcome = rewritten(MODELS, before, settings)
    assert outcome.changed, outcome.loops[0].reason
    run_both(MODELS, before, after, rows, database=database)


# Which look at other tables, or at all of the own one before the first row changes.
NOT_READING = {
    "exclude by another table": "A.objects.exclude(bs__id=5)",
    "exists of another table": "A.objects.filter(~Exists(B.objects.filter(a=OuterRef('pk'))))",
    "a list of keys": "A.objects.filter(p__in=A.objects.filter(ok=True).values('p'))",
    "a list by exclude": "A.objects.exclude(p__in=P.objects.filter(items__ok=True))",
    "a join": "A.objects.filter(p__items__ok=True)",
    "exclude by a foreign key": "A.objects.exclude(p__k=1)",
    "constants": "A.objects.filter(n__in=[1, 2, 3], p_id__gt=len('abc'))",
}


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("source", NOT_READING.values(), ids=NOT_READING)
def test_one_update_of_rows_that_are_found_first(database, source):
    before = migration(source, body="a.ok = True; a.n = 1; a.save()")
    everywhere = frozenset({"postgresql", "sqlite", "mariadb"})
    after, outcome = rewritten(MODELS, before, Settings(frozenset({"MF101"}), databases=everywhere))
    assert outcome.changed, outcome.loops[0].reason
    run_both(MODELS, before, after, rows, database=database)


# A stream of SQLite, for each row of which the query looks at what the loop has saved by then.
STREAMED = {
    "exclude": "A.objects.exclude(p__items__ok=True)",
    "a value": f"A.objects.filter(n__gt=Subquery({OWN}.values('n')[:1]))",
    "a denied value": f"A.objects.exclude(n__lt=Subquery({OWN}.values('n')[:1]))",
}


@pytest.mark.parametrize("source", STREAMED.values(), ids=STREAMED)
def test_batches_in_a_stream_of_sqlite(source):
    header = f"{source}.iterator(chunk_size=10)"
    before = migration(header, body="a.ok = len(str(a.n)) % 2 == 1; a.save()")
    naive = before.replace(f"    for a in {header}:\n", BATCH + f"        for a in {header}:\n")
    naive = "from ._migfix import update_in_batches\n" + naive.replace(
        "        a.ok = len(str(a.n)) % 2 == 1; a.save()",
        "            a.ok = len(str(a.n)) % 2 == 1; batch.save(a)",
    )
    with pytest.raises(Different):
        run_both(MODELS, before, naive, rows)
    settings = Settings(select=frozenset({"MF301"}), databases=frozenset({"sqlite"}))
    outcome = rewritten(MODELS, before, settings)[1].loops[0]
    assert outcome.blocked_by == "already-streams"


BATCH = '    with update_in_batches("ok") as batch:\n'


def offered(before: str, databases: frozenset[str] | None):
    settings = Settings(select=frozenset({"MF101"}), databases=databases)
    return rewritten(MODELS, before, settings)[1].loops[0]
