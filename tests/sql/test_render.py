"""How values are written that depend on a condition, or are found in other tables."""

from __future__ import annotations

import pytest

from migfix.sql.logic import all_of
from migfix.sql.nodes import (
    Clock,
    Conditional,
    Counted,
    Exists,
    Found,
    IsNull,
    Mapped,
    Operation,
    Outer,
    OuterRef,
    Select,
    Type,
    Written,
    as_written,
    reads,
)
from migfix.sql.types import constant
from tests.sql.made import column, equal, write

WHOLE = Type("integer", "IntegerField", 32)
ROWS = Select("T.objects").then("filter", ("code", OuterRef("c")), ("kind", Outer("KIND")))
MORE = Operation("+", (column("n"), constant("1", 1)), WHOLE)


@pytest.mark.parametrize(
    ("value", "text", "columns"),
    [
        (
            Conditional(((equal("a", 1), constant("'x'", "x")),), column("b"), WHOLE),
            "Case(When(a=1, then=Value('x')), default=F(\"b\"))",
            {"a", "b"},
        ),
        (
            Conditional(((IsNull(column("a"), True), MORE),), Outer("LIMIT"), WHOLE, "TextField"),
            'Case(When(a__isnull=True, then=F("n") + 1), default=Value(LIMIT), output_field=TextField())',
            {"a", "n"},
        ),
        (
            Conditional(((equal("then", 1), Clock(Type("other", "DateField"))),), None, WHOLE),
            "Case(When(Q(then=1), then=Value(date.today())))",
            {"then"},
        ),
        (
            Conditional(((all_of(equal("a", 1), Exists(ROWS)), constant("1", 1)),), None, WHOLE),
            'Case(When(Q(a=1) & Q(Exists(T.objects.filter(code=OuterRef("c"), kind=KIND))), then=Value(1)))',
            {"a", "c"},
        ),
        (
            Mapped(column("a"), "MAP", column("b"), WHOLE),
            'Case(*(When(a=old, then=Value(new)) for old, new in MAP.items()), default=F("b"))',
            {"a", "b"},
        ),
        (
            Mapped(column("condition"), "old", None, WHOLE, "CharField"),
            "Case(*(When(Q(condition=key), then=Value(value)) for key, value in old.items()), "
            "output_field=CharField())",
            {"condition"},
        ),
        (
            Found(ROWS.then("order_by", ("", Outer("'-day'"))), ("a", "name"), WHOLE),
            "Subquery(T.objects.filter(code=OuterRef(\"c\"), kind=KIND).order_by('-day')"
            '.values("a__name")[:1])',
            {"c"},
        ),
        (
            Counted(ROWS, "p"),
            'Coalesce(Subquery(T.objects.filter(code=OuterRef("c"), kind=KIND).order_by().values("p")'
            '.annotate(number=Count("pk")).values("number")), 0)',
            {"c"},
        ),
        (Clock(Type("other", "DateTimeField")), "timezone.now()", set()),
        (Written("F('a') + 1", (column("a"),), WHOLE), "F('a') + 1", {"a"}),
    ],
)
def test_a_value(value, text, columns):
    assert write().value(value) == text
    assert reads(value) == columns


def test_what_is_there_for_python_alone_is_not_written():
    there = Operation("same", (column("n"),), WHOLE)
    value = Operation("+", (there, constant("1", 1)), WHOLE)
    assert value != MORE
    assert as_written(value) == MORE
    assert write().value(value) == write().value(MORE)
