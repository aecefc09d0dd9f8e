"""What a rewrite may rest on besides values: how a database reads, compares, stores and writes.

A page lists those that its database has. One that it does not list is in doubt there, and an engine without a page
has none of them.
"""

from __future__ import annotations

from enum import Enum


class Trait(Enum):
    """The value is the sentence of the documentation."""

    # -- reading rows
    STREAMS_ITERATOR = "`.iterator()` does not read the whole result first"
    STREAMS_CURSOR = "a loop over a plain cursor does not read the whole result first"
    READS_SNAPSHOT = "rows that are still to come do not show what is written meanwhile"
    JOINS_ALIKE = "joined rows come in the same order, whichever of their columns are asked for"
    PLANS_CURSOR_ALIKE = "rows come in the same order, be they fetched in parts or at once"
    SURVIVES_ERRORS = "a statement that fails leaves the transaction, and its cursors, as they are"

    # -- comparing
    COMPARES_LETTERS = (
        "texts are equal where Python says so, in columns without a collation of their own"
    )
    LIKE_COMPARES_LETTERS = "so they are for `contains` and `startswith`"
    HAS_NO_NAN = "numbers compare as in Python: there is no NaN"

    # -- storing
    KEEPS_EMPTY_TEXT = "an empty text is not NULL"
    KEEPS_DECIMALS = "decimals are kept to the last digit"
    TAKES_ANY_TEXT = "text is taken whatever letters it has"

    # -- writing
    ASSIGNS_AT_ONCE = "`SET a = b, b = a` swaps"
    UPDATES_ROWS_FOUND = (
        "an `UPDATE` finds all its rows before it changes one, whatever its subqueries read"
    )
    DELETES_ROWS_FOUND = (
        "a `DELETE` does, and an `UPDATE` whose subqueries do not depend on its rows"
    )
    UPDATES_TABLE_IT_READS = "a subquery of an `UPDATE` may read its table"
    GIVES_KEYS_AGAIN = "keys of rows that were not kept are given again"
    COUNTS_ROW_BY_ROW = "an `INSERT` of many rows counts up keys for each, one after the other"
    ENDS_ALIKE_IN_PIECES = (
        "a migration that is not atomic leaves what an atomic one leaves, where nothing fails"
    )
    ROLLS_BACK_SCHEMA = "a transaction holds changes of the schema"
