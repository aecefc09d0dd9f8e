"""What the names of functions, methods and keywords say of the literals that they are given."""

from __future__ import annotations

import ast
from collections.abc import Mapping

# Their texts name fields, models and messages.
OF_NAMES = frozenset(
    "get_model get_field only defer values values_list order_by select_related prefetch_related distinct"
    " select_for_update using F OuterRef Count Sum Min Max Avg hasattr delattr earliest latest in_bulk dates"
    " datetimes getLogger import_module print info debug warning warn error exception critical log write"
    " getattr setattr join encode decode".split()
)
KEYWORDS_OF_NAMES = frozenset(
    "update_fields fields batch_size chunk_size using flat ignore_conflicts update_conflicts unique_fields"
    " db_alias".split()
)
KEYED = frozenset({"get", "pop", "setdefault"})
SPLITS = frozenset({"split", "rsplit"})
PARTS = ("one", "two", "three", "four", "five", "six")
REGEX = frozenset("match search fullmatch sub subn split findall finditer compile".split())
SQL = frozenset({"execute", "executemany", "raw", "stream_sql", "RawSQL"})
LOOKUPS = frozenset(
    "exact iexact contains icontains in gt gte lt lte startswith istartswith endswith iendswith range isnull"
    " regex iregex year month day week hour minute second date time has_key has_keys has_any_keys overlap"
    " contained_by len not".split()
)
_JSON = ("{}", "[]", '{"a": 1}', '[1, "a", null]', "null", '"text"', "1")
_URLS = (
    "https://example.com/one/two?a=1#b",
    "http://user@example.com:8080/",
    "/one/two/",
    "example.com",
)
PARSERS: Mapping[str, tuple[str, ...]] = {
    "int": ("0", "7", "-3", "042", " 12 "),
    "float": ("0", "1.5", "-2.25", "1e3"),
    "Decimal": ("0", "1.50", "-2.25", "100"),
    "loads": _JSON,
    "literal_eval": ("{}", "[]", "{'a': 1}", "[1, 'a', None]", "'text'", "1"),
    "UUID": ("00000000-0000-0000-0000-000000000000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    "fromisoformat": ("2024-02-29", "1999-12-31"),
    "parse_date": ("2024-02-29", "1999-12-31"),
    "parse_time": ("12:30", "23:59:59.5"),
    "parse_duration": ("3 00:00:01", "P1DT2H"),
    "urlparse": _URLS,
    "urlsplit": _URLS,
    "parse_qs": ("a=1&b=2", "a=1&a="),
    "parse_qsl": ("a=1&b=2", "a=1&a="),
    "parseaddr": ("A B <a@example.com>", "a@example.com"),
    "ip_address": ("127.0.0.1", "::1"),
    "b64decode": ("YQ==", "YWJj"),
    "parse_datetime": ("2024-02-29T12:30:00Z", "1999-12-31 23:59:59"),
}


def receiver_of(call: ast.Call) -> ast.expr | None:
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def arguments_of(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]
