"""What is sure of the text of a SELECT: that it only reads, locks nothing, and may wait on the server."""

from __future__ import annotations

import re
from typing import Any

_COMMENT = r"--.*\n|/\*(?:[^*]|\*(?!/))*\*/"
_SELECT = re.compile(rf"(?:[\s(]|{_COMMENT})*(?:select|with|values)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(insert|update|delete|merge|into)\b", re.IGNORECASE)
_LOCKS = re.compile(r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b", re.IGNORECASE)
_NAME = re.compile(r"""[\w$."`]*""")
# The keywords, types and functions that read nothing but their arguments. Any other function may
# read tables when its row is fetched, and would then see what the loop has written meanwhile.
_READS_NO_TABLE = """
    select distinct from join lateral on using where and or not in any all exists as when then else
    values by having over filter group union except intersect array row case is like ilike between
    limit offset interval char varchar decimal numeric time timestamp timestamptz
    count sum avg min max array_agg string_agg bool_and bool_or row_number rank dense_rank lag lead
    coalesce nullif greatest least cast extract date_trunc upper lower trim btrim ltrim rtrim length
    char_length substr substring replace left right concat abs ceil ceiling floor round mod power
    md5 to_json to_jsonb
"""


def _reads_no_table(sql: str) -> bool:
    """
    Say whether no function of a SELECT can read a table when its row is fetched.

    Comments may stand between the name of a function and its parenthesis, so that nothing is known
    of a statement with any but in front.
    """
    start = _SELECT.match(sql)
    body = sql[start.end() :] if start else sql
    known = {*_READS_NO_TABLE.split(), ""}
    # Each part is looked at once, from its end: a pattern for name and parenthesis would be tried
    # at every character of a long literal, up to its end.
    parts = sql.lower().split("(")[:-1]
    names = (_NAME.match(part.rstrip()[::-1])[0][::-1] for part in parts)
    return "--" not in body and "/*" not in body and known.issuperset(names)


def _is_select(sql: str) -> bool:
    """Say whether `sql` is surely one statement that only reads, for which a cursor is declared."""
    if not isinstance(sql, str):  # psycopg composes SQL of objects
        return False
    statement = _LOCKS.sub("", sql.rstrip("; \t\n"))
    return bool(_SELECT.match(sql)) and ";" not in statement and not _WRITES.search(statement)


def _declares_cursor(connection: Any, sql: str) -> bool:
    return connection.vendor == "postgresql" and _is_select(sql)


def _stays_on_server(connection: Any, sql: str, mode: str) -> bool:
    """Say whether the rows wait in the database, which keeps them whatever the loop writes."""
    keeps = (
        connection.vendor in ("postgresql", "oracle")
        and connection.in_atomic_block  # poolers keep to the server connection that has the cursor
        and _is_select(sql)
        and not _LOCKS.search(sql)  # PostgreSQL skips a row that is changed before its turn
        and _reads_no_table(sql)
    )
    if mode == "server" and not keeps:
        raise ValueError(
            'mode="server" cannot keep the rows of this query while the loop writes, on '
            f'{connection.vendor}, {"" if connection.in_atomic_block else "not "}inside atomic(); '
            f'use mode="auto" or mode="spool": {str(sql)[:300]}'
        )
    return keeps and mode != "spool"
