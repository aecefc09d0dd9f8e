"""What the methods of querysets and managers do, one a line, and the other links of a chain.

A method of which nothing is listed does none of this for certain.
https://docs.djangoproject.com/en/stable/ref/models/querysets/
"""

from __future__ import annotations

from enum import Flag, auto


class Does(Flag):
    NOTHING = 0

    # -- what comes of it
    CHAINS = auto()  # another queryset, without a query
    GIVES_ROW = auto()
    GIVES_ROW_OR_NONE = auto()
    GIVES_PAIR = auto()  # a row, and whether it is new

    # -- what it does to the database and to the rows that the queryset keeps
    READS = auto()
    WRITES = auto()
    SKIPS_CACHE = auto()  # asks anew, whatever the queryset keeps, and keeps nothing
    READS_CACHE = auto()  # but keeps nothing

    # -- which rows it leaves, and what of them
    KEEPS_ROWS = (
        auto()
    )  # the same rows, of the same database, unlocked, with no more than other columns loaded
    COUNTS_ALIKE = auto()  # there are as many as `count()` finds
    LEAVES_COLUMNS = auto()  # loaded columns hold what the table does
    STAYS_IN_TABLE = auto()  # it brings in no other table, unless by a lookup
    WALKS_TABLE = auto()  # it neither chooses, sorts nor joins
    UPDATABLE = auto()  # `update()` and `delete()` take it
    GOES_BY_COLUMNS = auto()  # it chooses or sorts rows by columns that it names

    # -- what it is given
    TAKES_NO_QUERY = auto()  # no argument chooses or computes anything
    TAKES_NO_COLUMN = (
        auto()
    )  # its arguments are rows, values of the table's own columns, or no column at all
    TAKES_EXPRESSIONS = auto()
    TAKES_ORDER = auto()
    GOES_OVER_ARGUMENTS = auto()  # and holds on to no list of them


_CHAIN = Does.CHAINS | Does.SKIPS_CACHE
_SAME = _CHAIN | Does.KEEPS_ROWS | Does.COUNTS_ALIKE | Does.LEAVES_COLUMNS | Does.STAYS_IN_TABLE
_LOADING = _SAME | Does.WALKS_TABLE | Does.TAKES_NO_QUERY
_CHOOSING = _CHAIN | Does.COUNTS_ALIKE | Does.LEAVES_COLUMNS | Does.STAYS_IN_TABLE
_CHOICE = _CHOOSING | Does.UPDATABLE | Does.GOES_BY_COLUMNS
_COMPUTED = _CHAIN | Does.UPDATABLE | Does.GOES_BY_COLUMNS | Does.TAKES_EXPRESSIONS
_SORTED = _SAME | Does.GOES_BY_COLUMNS | Does.TAKES_EXPRESSIONS | Does.TAKES_ORDER
_NAMED = Does.TAKES_EXPRESSIONS | Does.GOES_OVER_ARGUMENTS
_TUPLES = _CHAIN | Does.WALKS_TABLE | Does.COUNTS_ALIKE | Does.STAYS_IN_TABLE | _NAMED
_LIST = Does.WALKS_TABLE | Does.COUNTS_ALIKE | Does.STAYS_IN_TABLE | Does.TAKES_NO_QUERY
_CONNECTED = _LIST | Does.UPDATABLE | Does.TAKES_NO_COLUMN
_WITH_MORE = _CHAIN | Does.KEEPS_ROWS | Does.TAKES_NO_QUERY
_WITH_ROWS = Does.TAKES_NO_COLUMN | Does.GOES_OVER_ARGUMENTS

METHODS: dict[str, Does] = {
    # which give querysets
    "all": _LOADING | Does.UPDATABLE,
    "filter": _CHOICE | Does.GOES_OVER_ARGUMENTS,
    "exclude": _CHOICE | Does.GOES_OVER_ARGUMENTS,
    "complex_filter": _CHAIN,
    "annotate": _COMPUTED,
    "alias": _COMPUTED,
    "order_by": _SORTED,
    "reverse": _SAME | Does.TAKES_NO_QUERY,
    "distinct": _CHOICE | Does.TAKES_NO_QUERY,
    "values": _TUPLES,
    "values_list": _TUPLES,
    "dates": _CHAIN,
    "datetimes": _CHAIN,
    "none": _CHAIN | Does.STAYS_IN_TABLE | Does.TAKES_NO_QUERY,
    "union": _CHAIN,
    "intersection": _CHAIN,
    "difference": _CHAIN,
    "select_related": _WITH_MORE | Does.LEAVES_COLUMNS,
    "prefetch_related": _WITH_MORE | Does.WALKS_TABLE | Does.COUNTS_ALIKE,
    "extra": _CHAIN | Does.UPDATABLE | Does.GOES_BY_COLUMNS,
    "defer": _LOADING,
    "only": _LOADING,
    "using": _CHAIN | _CONNECTED | Does.LEAVES_COLUMNS,
    "select_for_update": _CHAIN | Does.WALKS_TABLE | Does.TAKES_NO_QUERY,
    "iterator": _LOADING | Does.TAKES_NO_COLUMN,
    "fetch_mode": _CHAIN,
    "db_manager": _CONNECTED,
    # what else a chain may hold
    "list()": _LIST,
    "[]": Does.STAYS_IN_TABLE | Does.GOES_BY_COLUMNS | Does.TAKES_NO_QUERY,
    "|": Does.GOES_BY_COLUMNS,
    # which give something else
    "get": Does.READS | Does.GIVES_ROW | Does.GOES_OVER_ARGUMENTS | Does.SKIPS_CACHE,
    "first": Does.READS | Does.GIVES_ROW_OR_NONE,
    "last": Does.READS | Does.GIVES_ROW_OR_NONE,
    "earliest": Does.READS | Does.GIVES_ROW | Does.TAKES_ORDER,
    "latest": Does.READS | Does.GIVES_ROW | Does.TAKES_ORDER,
    "count": Does.READS | Does.READS_CACHE,
    "exists": Does.READS | Does.READS_CACHE,
    "contains": Does.READS,
    "aggregate": Does.READS | Does.SKIPS_CACHE,
    "in_bulk": Does.READS | _WITH_ROWS | Does.SKIPS_CACHE,
    "explain": Does.READS,
    # which write
    "create": Does.WRITES | Does.GIVES_ROW | Does.TAKES_NO_COLUMN | Does.SKIPS_CACHE,
    "get_or_create": Does.WRITES | Does.GIVES_PAIR,
    "update_or_create": Does.WRITES | Does.GIVES_PAIR,
    "bulk_create": Does.WRITES | _WITH_ROWS | Does.SKIPS_CACHE,
    "bulk_update": Does.WRITES | _WITH_ROWS,
    "update": Does.WRITES | Does.SKIPS_CACHE | Does.TAKES_NO_COLUMN,
    "delete": Does.WRITES | Does.SKIPS_CACHE,
    "raw": Does.WRITES,
    # of related managers and of rows
    "add": Does.WRITES | _WITH_ROWS,
    "set": Does.WRITES | _WITH_ROWS,
    "remove": Does.WRITES | _WITH_ROWS,
    "clear": Does.WRITES,
    "save": Does.WRITES | Does.TAKES_NO_COLUMN,
}


def methods(does: Does) -> frozenset[str]:
    """The names of what does (all of) this."""
    return frozenset(name for name, found in METHODS.items() if does in found)


CHAINING = methods(Does.CHAINS)
