"""server-side-cursor: loops over the rows of raw SQL, by cursors and by raw()."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests import checking
from tests.checking import EVERYWHERE, POSTGRESQL, check_refused, check_rewritten

SELECT = ("MF202", "MF203")
SQL = '"SELECT id, title FROM shop_post"'
CURSOR = "cursor = schema_editor.connection.cursor()\n"
STREAMED = f"stream_sql(schema_editor.connection, {SQL})"
PRINT = "    print(row)"


def fetched(body=PRINT, *, sql=SQL, above="", made=CURSOR, after=""):
    """A loop over all rows of a query that a cursor has run."""
    return f"{above}{made}cursor.execute({sql})\nfor row in cursor.fetchall():\n{body}\n{after}"


def refused(body, reason, *, databases=EVERYWHERE):
    return check_refused(body, reason, databases=databases, select=("MF203",))


def rewritten(before, after, *, databases=EVERYWHERE):
    return check_rewritten(before, after, "MF203", databases=databases, select=SELECT)


OTHER_SQL = {
    "a text that is not known": (fetched(sql="sql", above="sql = imported()\n"), "sql-unknown"),
    "a text that is added to": (
        fetched(sql="sql", above=f"sql = {SQL}\nsql += imported\n"),
        "sql-unknown",
    ),
    "a text of two branches": (
        fetched(sql="sql", above=f"sql = {SQL}\nif apps:\n    sql = 'DELETE FROM x'\n"),
        "sql-unknown",
    ),
    "an update that returns rows": (
        fetched(sql="'UPDATE shop_post SET votes = 1 RETURNING id'"),
        "sql-unknown",
    ),
    "a SELECT that begins with a change": (
        fetched(sql="'WITH x AS (DELETE FROM shop_post RETURNING id) SELECT * FROM x'"),
        "sql-unknown",
    ),
    "a SELECT that makes a table": (fetched(sql="'SELECT id INTO y FROM x'"), "sql-unknown"),
    "two statements": (fetched(sql="'SELECT 1 FROM x; DROP TABLE x'"), "sql-unknown"),
    "a pragma": (fetched(sql="'PRAGMA table_info(shop_post)'"), "sql-unknown"),
    "an EXPLAIN": (fetched(sql="'EXPLAIN SELECT id FROM x'"), "sql-unknown"),
    "a SHOW": (fetched(sql="'SHOW TABLES'"), "sql-unknown"),
    "a call": (fetched(sql="'CALL selected()'"), "sql-unknown"),
    "a count for another statement": (
        fetched(sql="'SELECT SQL_CALC_FOUND_ROWS id FROM x'"),
        "sql-unknown",
    ),
    "a template filled with anything": (
        fetched(sql="'SELECT id FROM %s' % apps.table"),
        "sql-unknown",
    ),
    "an f-string with anything": (fetched(sql="f'SELECT id FROM {apps.table}'"), "sql-unknown"),
    "a format with anything": (
        fetched(sql="'SELECT id FROM {}'.format(apps.table)"),
        "sql-unknown",
    ),
    "a template in a template": (
        fetched(sql="'SELECT id FROM {t!r}'.format(t='x')"),
        "sql-unknown",
    ),
    "a number in a template": (fetched(sql="'SELECT id FROM x%d' % 5"), "sql-unknown"),
    "a text of another beginning": (fetched(sql="imported + ' SELECT 1'"), "sql-unknown"),
    "a change that is filled in": (
        fetched(sql="'SELECT id FROM x %s' % '; DELETE FROM x'"),
        "sql-unknown",
    ),
    "a page": (fetched(sql="'SELECT id FROM x LIMIT 100'"), "few-rows"),
    "a page of a given size": (fetched(sql="'SELECT id FROM x LIMIT %s', [n]"), "few-rows"),
    "a page in standard SQL": (
        fetched(sql="'SELECT id FROM x FETCH FIRST 5 ROWS ONLY'"),
        "few-rows",
    ),
    "a count": (fetched(sql="'SELECT COUNT(*) FROM x'"), "few-rows"),
    "a maximum with a subquery": (
        fetched(sql="'SELECT MAX(id) FROM (SELECT id FROM x GROUP BY id) y'"),
        "few-rows",
    ),
    "the catalogue": (
        fetched(sql="'SELECT table_name FROM information_schema.tables'"),
        "few-rows",
    ),
    "the catalogue of PostgreSQL": (fetched(sql="'SELECT conname FROM pg_constraint'"), "few-rows"),
    "the catalogue of SQLite": (fetched(sql="'SELECT name FROM sqlite_master'"), "few-rows"),
    "content types": (fetched(sql="'SELECT id FROM django_content_type'"), "few-rows"),
    "a few rows for each row": (
        "for post in Post.objects.all():\n"
        + indent(fetched(sql="'SELECT id FROM x WHERE y = %s', [post.id]"), "    "),
        "per-parent",
    ),
}


@pytest.mark.parametrize("case", OTHER_SQL.values(), ids=OTHER_SQL)
def test_sql_that_is_no_select_of_many_rows(case):
    body, reason = case
    given = checking.whole(body)
    outcome = checking.outcome_of(given, select=("MF203",), databases=EVERYWHERE)
    loop = outcome.loops[-1]
    assert (loop.changed, loop.blocked_by) == (False, reason), loop


ROWS = CURSOR + f"cursor.execute({SQL})\nrows = cursor.fetchall()\n"
OVER_ROWS = f"for row in rows:\n{PRINT}\n"
USED_AGAIN = {
    "counted before": ROWS + "n = len(rows)\n" + OVER_ROWS,
    "tested before": ROWS + "if rows:\n" + indent(OVER_ROWS, "    "),
    "gone over twice": ROWS + OVER_ROWS + OVER_ROWS,
    "indexed after": ROWS + OVER_ROWS + "print(rows[0])",
    "reversed after": ROWS + OVER_ROWS + "rows.reverse()",
    "counted in the body": ROWS + "for row in rows:\n    print(len(rows))",
    "read by a function": ROWS + "def count():\n    return len(rows)\n" + OVER_ROWS,
    "read by name": ROWS + OVER_ROWS + "print(locals())",
    "returned": ROWS + OVER_ROWS + "return rows",
    "another name": ROWS + "others = rows\n" + OVER_ROWS,
    "two names": CURSOR + f"cursor.execute({SQL})\nrows = others = cursor.fetchall()\n" + OVER_ROWS,
    "got in a block that may fail": "from contextlib import suppress\n"
    + CURSOR
    + f"with suppress(ValueError):\n    cursor.execute({SQL})\n    rows = cursor.fetchall()\n"
    + OVER_ROWS,
    "gone over by turns": ROWS + "for n in range(apps.n):\n" + indent(OVER_ROWS, "    "),
}


@pytest.mark.parametrize("body", USED_AGAIN.values(), ids=USED_AGAIN)
def test_the_list_of_rows_is_needed(body):
    outcome = checking.outcome_of(checking.whole(body), select=("MF203",), databases=EVERYWHERE)
    assert not outcome.changed


def test_the_message_says_where_the_rows_are_used_again():
    loop = refused(ROWS + OVER_ROWS + "print(rows[0])", "queryset-reused")
    assert loop.reason == "the rows are used again on line 16"


CURSOR_USED = {
    "the number of rows": fetched("    print(cursor.rowcount)"),
    "its columns": fetched("    print(dict(zip(cursor.description, row)))"),
    "its columns after the loop": fetched(after="print(cursor.description)"),
    "handed on": fetched("    imported(cursor)"),
    "handed on before": fetched(above=CURSOR + "imported(cursor)\n", made=""),
    "another name": fetched(above=CURSOR + "other = cursor\n", made=""),
    "an option": fetched(above=CURSOR + "cursor.arraysize = 5\n", made=""),
    "a method that is not known": fetched(after="cursor.scroll(0)"),
    "a result that is kept": fetched(after="done = cursor.execute('x')"),
    "a row after the last one": fetched(after="print(cursor.fetchone())"),
    "a row in the body": fetched("    print(cursor.fetchone())"),
    "a row of a query that may run": fetched(
        "    if row:\n        cursor.execute('x')\n    print(cursor.fetchone())"
    ),
    "a row of a query that may fail": fetched(
        "    try:\n        cursor.execute('x')\n    except ValueError:\n"
        "        print(cursor.fetchone())"
    ),
    "a query of an earlier turn": "cursor = schema_editor.connection.cursor()\n"
    "cursor.execute('x')\nfor n in range(apps.n):\n    print(cursor.rowcount)\n"
    + indent(fetched(made=""), "    "),
    "rows after the loop": fetched(after="for other in cursor:\n    print(other)"),
    "a function that reads it": fetched(after="def count():\n    return cursor.rowcount\ncount()"),
    "its number in the header": "from tqdm import tqdm\n"
    + CURSOR
    + f"cursor.execute({SQL})\n"
    + f"for row in tqdm(cursor.fetchall(), total=cursor.rowcount):\n{PRINT}",
    "deleted": fetched(after="del cursor"),
    "the statement that failed": "cursor = schema_editor.connection.cursor()\n"
    "cursor.execute('x')\ntry:\n"
    + indent(fetched(made=""), "    ")
    + "\nexcept ValueError:\n    print(cursor.rowcount)",
    "gone over while it runs another": CURSOR
    + f"cursor.execute({SQL})\nfor row in cursor:\n    cursor.execute('x')",
    "gone over while a function runs another": CURSOR
    + f"def run():\n    cursor.execute('x')\ncursor.execute({SQL})\nfor row in cursor:\n    run()",
    "closed after its block": (
        "with schema_editor.connection.cursor() as cursor:\n"
        f"    cursor.execute({SQL})\n    rows = cursor.fetchall()\n{OVER_ROWS}cursor.close()"
    ),
    "closed while it is gone over": CURSOR
    + f"cursor.execute({SQL})\nfor row in cursor:\n    cursor.close()",
}


@pytest.mark.parametrize("body", CURSOR_USED.values(), ids=CURSOR_USED)
def test_what_the_cursor_has_run_is_needed(body):
    given = checking.whole(body)
    outcome = checking.outcome_of(given, select=("MF203",), databases=POSTGRESQL)
    loop = next(loop for loop in outcome.loops if loop.blocked_by != "loop-shape")
    assert (loop.changed, loop.blocked_by) == (False, "cursor-used"), outcome.loops


NO_QUERY_BEFORE = {
    "no query": CURSOR + f"for row in cursor.fetchall():\n{PRINT}",
    "a query in a branch": CURSOR
    + f"if apps:\n    cursor.execute({SQL})\nfor row in cursor.fetchall():\n{PRINT}",
    "a query that may fail": CURSOR
    + f"try:\n    cursor.execute({SQL})\nexcept ValueError:\n    pass\n"
    + f"for row in cursor.fetchall():\n{PRINT}",
    "a loop that runs if nothing failed": CURSOR
    + f"try:\n    cursor.execute({SQL})\nexcept ValueError:\n    pass\n"
    + f"else:\n    for row in cursor.fetchall():\n    {PRINT}",
    "a query in a block of its own": "from django.db import transaction\n"
    + CURSOR
    + f"with transaction.atomic():\n    cursor.execute({SQL})\nfor row in cursor.fetchall():\n{PRINT}",
    "rows of a block of another kind": CURSOR
    + f"with imported.cursor():\n    x = 1\n    cursor.execute({SQL})\n    rows = cursor.fetchall()\n"
    + OVER_ROWS,
    "a block that opens another cursor": (
        f"{CURSOR}with schema_editor.connection.cursor() as other:\n"
        f"    cursor.execute({SQL})\n    rows = cursor.fetchall()\n{OVER_ROWS}"
    ),
    "a cursor that is another one now": CURSOR
    + f"cursor.execute({SQL})\n{CURSOR}for row in cursor.fetchall():\n{PRINT}",
    "a write between": CURSOR
    + f"cursor.execute({SQL})\nPost.objects.update(votes=1)\nfor row in cursor.fetchall():\n{PRINT}",
    "a write of rows that are there": ROWS + "Post.objects.all().delete()\n" + OVER_ROWS,
    "a call between": CURSOR
    + f"cursor.execute({SQL})\nx = imported()\nfor row in cursor.fetchall():\n{PRINT}",
    "a row that is skipped": CURSOR
    + f"cursor.execute({SQL})\nhead = cursor.fetchone()\nfor row in cursor.fetchall():\n{PRINT}",
    "an argument that changes between": CURSOR
    + f"sql = {SQL}\ncursor.execute(sql)\nsql = ''\nfor row in cursor.fetchall():\n{PRINT}",
    "a list of arguments that changes between": CURSOR
    + "ids = [1]\ncursor.execute('SELECT id FROM x WHERE y = %s', ids)\n"
    + f"ids += [2]\nfor row in cursor.fetchall():\n{PRINT}",
    "a call that would run later": CURSOR
    + f"cursor.execute({SQL}, [imported()])\nx = 1\nfor row in cursor.fetchall():\n{PRINT}",
    "a name that the arguments give": fetched(sql=f"(sql := {SQL})"),
    "arguments that are not written out": fetched(sql="*given"),
    "an option of the driver": fetched(sql=f"{SQL}, None, True"),
    "another option of the driver": fetched(sql=f"{SQL}, prepare=True"),
    "many queries": CURSOR
    + f"cursor.executemany({SQL}, [])\nfor row in cursor.fetchall():\n{PRINT}",
    "a block of rows": CURSOR + f"cursor.execute({SQL})\nfor row in cursor.fetchmany(5):\n{PRINT}",
    "what execute() returns": CURSOR + f"for row in cursor.execute({SQL}):\n{PRINT}",
    "the result of execute() is kept": CURSOR
    + f"x = cursor.execute({SQL})\nfor row in cursor.fetchall():\n{PRINT}",
    "another cursor": CURSOR
    + f"other = schema_editor.connection.cursor()\ncursor.execute({SQL})\n"
    + f"for row in other.fetchall():\n{PRINT}",
    "a cursor with a name": fetched(
        made="cursor = schema_editor.connection.create_cursor(name='x')\n"
    ),
    "a cursor of another kind": fetched(made="cursor = schema_editor.connection.cursor('x')\n"),
    "a cursor of the driver": fetched(
        made="cursor = schema_editor.connection.connection.cursor()\n"
    ),
    "a connection of the driver": fetched(
        made="raw = schema_editor.connection.connection\ncursor = raw.cursor()\n"
    ),
    "a connection that is another one now": fetched(
        above="from django.db import connections\nname = 'x'\n",
        made="cursor = connections[name].cursor()\nname = 'y'\n",
    ),
    "a connection by a call": fetched(
        above="from django.db import connections\n",
        made="cursor = connections[imported()].cursor()\n",
    ),
}


@pytest.mark.parametrize("body", NO_QUERY_BEFORE.values(), ids=NO_QUERY_BEFORE)
def test_loops_without_their_query_right_before(body):
    refused(body, "loop-shape", databases=POSTGRESQL)


def test_a_cursor_that_a_function_is_given():
    source = checking.whole(f"fill(schema_editor.connection.cursor())\n{OVER_ROWS}").replace(
        "def forwards",
        f"def fill(cursor):\n    cursor.execute({SQL})\n    for row in cursor.fetchall():\n"
        "        print(row)\n\n\ndef forwards",
    )
    outcome = checking.outcome_of(source, select=("MF203",))
    assert [loop.blocked_by for loop in outcome.loops] == ["loop-shape"]


def test_statements_on_one_line():
    refused(
        f"{CURSOR}cursor.execute({SQL}); x = 1\nfor row in cursor.fetchall():\n{PRINT}",
        "loop-shape",
    )


@pytest.mark.parametrize(
    "body",
    [
        fetched("    print(row['id'])"),
        fetched("    print(row.id)"),
        CURSOR
        + f"cursor.execute({SQL})\nfor i, row in enumerate(cursor.fetchall()):\n    print(row['id'])",
        fetched(above="schema_editor.connection.connection.row_factory = apps.Row\n"),
    ],
)
def test_rows_that_are_no_plain_tuples(body):
    refused(body, "custom-cursor")


KEPT = {
    "in a list": (fetched("    found.append(row)", above="found = []\n"), "keeps-rows"),
    "sorted": (
        CURSOR + f"cursor.execute({SQL})\nfor row in sorted(cursor.fetchall()):\n{PRINT}",
        "keeps-rows",
    ),
    "yielded": (fetched("    yield row"), "leaves-function"),
    "counted by a bar": (
        "from tqdm import tqdm\n"
        + CURSOR
        + f"cursor.execute({SQL})\nfor row in tqdm(cursor.fetchall()):\n{PRINT}",
        "output",
    ),
    "raw ones by a name": (
        f"posts = Post.objects.raw({SQL})\nprint(len(posts))\nfor row in posts:\n{PRINT}",
        "queryset-reused",
    ),
    "raw ones in a list": (
        f"found = []\nfor row in Post.objects.raw({SQL}):\n    found.append(row)",
        "keeps-rows",
    ),
    "raw ones of an imported model": (
        f"from shop.models import Post as Real\nfor row in Real.objects.raw({SQL}):\n{PRINT}",
        "real-model",
    ),
    "raw ones of a page": (
        f"for row in Post.objects.raw('SELECT id FROM shop_post LIMIT 5'):\n{PRINT}",
        "few-rows",
    ),
}


@pytest.mark.parametrize("case", KEPT.values(), ids=KEPT)
def test_rows_that_are_kept_or_few(case):
    refused(*case)


@pytest.mark.parametrize(
    "rows", [f"Post.objects.raw({SQL})", "Post.objects.raw('SELECT id FROM x WHERE y = 1')"]
)
def test_raw_rows_for_each_row(rows):
    body = f"for tag in Tag.objects.all():\n    for row in {rows[:-1]}, [tag.id]):\n    {PRINT}"
    outcome = checking.outcome_of(checking.whole(body), select=("MF203",), databases=EVERYWHERE)
    assert [loop.blocked_by for loop in outcome.loops] == [None, "per-parent"]


LIVE = {
    "a cursor": CURSOR + f"cursor.execute({SQL})\nfor row in cursor:\n",
    "raw rows by an iterator": f"for row in Post.objects.raw({SQL}).iterator():\n",
}


@pytest.mark.parametrize("text", LIVE.values(), ids=LIVE)
def test_rows_that_sqlite_reads_as_the_loop_goes(text):
    refused(text + "    Post.objects.update(votes=1)", "query-in-body")
    refused(text + "    imported(row)", "query-in-body")
    refused(text + PRINT, "already-streams", databases=("sqlite",))


def test_statements_on_one_line_of_a_block():
    refused(
        "with schema_editor.connection.cursor() as cursor:\n"
        f"    cursor.execute({SQL}); rows = cursor.fetchall()\n{OVER_ROWS}",
        "loop-shape",
    )


def test_a_name_that_is_taken():
    refused(fetched(above="stream_sql = 1\n"), "name-clash")


def test_a_comment_keeps_migfix_away():
    body = (
        CURSOR + f"cursor.execute({SQL})\n# migfix: ignore\nfor row in cursor.fetchall():\n{PRINT}"
    )
    refused(body, "suppressed")


REWRITTEN = {
    "the cursor by a name": (fetched(), f"for row in {STREAMED}:\n{PRINT}"),
    "the rows by a name": (ROWS + OVER_ROWS, f"for row in {STREAMED}:\n{PRINT}"),
    "the cursor itself": (
        CURSOR + f"cursor.execute({SQL})\nfor row in cursor:\n{PRINT}",
        f"for row in {STREAMED}:\n{PRINT}",
    ),
    "a list of the cursor": (
        CURSOR
        + f"cursor.execute({SQL})\nfor row in list(cursor):\n    Post.objects.update(votes=1)",
        f"for row in {STREAMED}:\n    Post.objects.update(votes=1)",
    ),
    "numbered": (
        CURSOR + f"cursor.execute({SQL})\nfor i, row in enumerate(cursor.fetchall(), 1):\n{PRINT}",
        "for i, row in enumerate(\n"
        f"    stream_sql(schema_editor.connection, {SQL}), 1\n):\n{PRINT}",
    ),
    "in a block": (
        "with schema_editor.connection.cursor() as cursor:\n" + indent(fetched(made=""), "    "),
        f"for row in {STREAMED}:\n{PRINT}",
    ),
    "in a block with others": (
        "with schema_editor.connection.cursor() as cursor:  # open\n    # first\n    x = 1\n"
        + indent(fetched(made=""), "    ")
        + "    y = '''\n  x'''",
        "# open\n# first\nx = 1\n" + f"for row in {STREAMED}:\n{PRINT}\ny = '''\n  x'''",
    ),
    "two in a block": (
        "with schema_editor.connection.cursor() as cursor:\n"
        + indent(fetched(made="") + fetched(made=""), "    "),
        f"for row in {STREAMED}:\n{PRINT}\n" * 2,
    ),
    "two of them in a block": (
        "with schema_editor.connection.cursor() as cursor:\n"
        + indent(fetched(made="") + fetched(made="", sql=f"{SQL} + imported"), "    "),
        "with schema_editor.connection.cursor() as cursor:\n"
        + f"    for row in stream_sql(\n        schema_editor.connection, {SQL}\n    ):\n    {PRINT}\n"
        + indent(fetched(made="", sql=f"{SQL} + imported"), "    "),
    ),
    "after a block": (
        "with schema_editor.connection.cursor() as cursor:\n"
        f"    cursor.execute({SQL})  # slow\n    rows = cursor.fetchall()\n" + OVER_ROWS,
        f"# slow\nfor row in {STREAMED}:\n{PRINT}",
    ),
    "after a block with its text": (
        "with schema_editor.connection.cursor() as cursor:\n"
        f"    sql = {SQL}\n    cursor.execute(sql)\n    rows = cursor.fetchall()\n" + OVER_ROWS,
        f"sql = {SQL}\nfor row in stream_sql(schema_editor.connection, sql):\n{PRINT}",
    ),
    "after a block that does more": (
        "with schema_editor.connection.cursor() as cursor:\n    cursor.execute('x')\n"
        f"    cursor.execute({SQL})\n    rows = cursor.fetchall()\n" + OVER_ROWS,
        "with schema_editor.connection.cursor() as cursor:\n    cursor.execute('x')\n"
        f"for row in {STREAMED}:\n{PRINT}",
    ),
    "a cursor that is closed": (
        ROWS + "cursor.close()\n" + OVER_ROWS,
        f"for row in {STREAMED}:\n{PRINT}",
    ),
    "a cursor that is closed after the loop": (
        fetched(after="cursor.close()\nprint()"),
        f"for row in {STREAMED}:\n{PRINT}\nprint()",
    ),
    "a cursor that is closed in any case": (
        CURSOR + "try:\n" + indent(fetched(made=""), "    ") + "finally:\n    cursor.close()",
        CURSOR
        + f"try:\n    for row in stream_sql(\n        schema_editor.connection, {SQL}\n    ):\n"
        + f"    {PRINT}\nfinally:\n    cursor.close()",
    ),
    "a cursor that runs what the body says": (
        fetched("    cursor.execute('x')\n    print(cursor.fetchone(), cursor.rowcount)"),
        CURSOR
        + f'for row in stream_sql(\n    schema_editor.connection, {SQL}, mode="spool"\n):\n'
        + "    cursor.execute('x')\n    print(cursor.fetchone(), cursor.rowcount)",
    ),
    "a cursor that runs something before and after": (
        CURSOR
        + "cursor.execute('x')\nprint(cursor.fetchone())\n"
        + fetched(made="", after="cursor.execute('x')\nprint(cursor.fetchone())"),
        CURSOR
        + f"cursor.execute('x')\nprint(cursor.fetchone())\nfor row in {STREAMED}:\n{PRINT}\n"
        + "cursor.execute('x')\nprint(cursor.fetchone())",
    ),
    "a connection that is imported": (
        fetched(above="from django.db import connection\n", made="cursor = connection.cursor()\n"),
        f"from django.db import connection\nfor row in stream_sql(connection, {SQL}):\n{PRINT}",
    ),
    "a connection by its name": (
        fetched(
            above="from django.db import connections\n",
            made='cursor = connections["old"].cursor()\n',
        ),
        "from django.db import connections\n"
        f'for row in stream_sql(connections["old"], {SQL}):\n{PRINT}',
    ),
    "parameters": (
        fetched(sql="'SELECT id FROM x WHERE y = %s', (\n    1,  # one\n)"),
        "# one\nfor row in stream_sql(\n"
        '    schema_editor.connection, "SELECT id FROM x WHERE y = %s", (1,)\n):\n' + PRINT,
    ),
    "no parameters": (
        fetched(sql=f"{SQL}, None"),
        f"for row in stream_sql(\n    schema_editor.connection, {SQL}, None\n):\n{PRINT}",
    ),
    "empty parameters": (
        fetched(sql=f"sql={SQL}, params=[]"),
        f"for row in stream_sql(\n    schema_editor.connection, {SQL}, []\n):\n{PRINT}",
    ),
    "assignments between": (
        CURSOR
        + f"cursor.execute({SQL})\n\ncount = 0\nother = schema_editor.connection.cursor()\n"
        + f"for row in cursor.fetchall():\n{PRINT}",
        "count = 0\nother = schema_editor.connection.cursor()\n"
        + f"for row in {STREAMED}:\n{PRINT}",
    ),
    "blank lines": (
        f"x = 1\n\n{CURSOR}\n\ncursor.execute({SQL})\n\nfor row in cursor.fetchall():\n{PRINT}",
        f"x = 1\n\nfor row in {STREAMED}:\n{PRINT}",
    ),
    "raw rows": (
        f"for row in Post.objects.raw({SQL}):\n    row.save()",
        f"for row in stream(Post.objects.raw({SQL})):\n    row.save()",
    ),
    "raw rows by a name": (
        f"posts = Post.objects.raw({SQL}, [1])\nfor row in posts:\n{PRINT}",
        f"posts = Post.objects.raw({SQL}, [1])\nfor row in stream(posts):\n{PRINT}",
    ),
    "raw rows in a list": (
        f"for row in list(Post.objects.raw({SQL})):\n{PRINT}",
        f"for row in stream(Post.objects.raw({SQL})):\n{PRINT}",
    ),
    "raw rows by an iterator": (
        f"for row in Post.objects.raw({SQL}).iterator():\n{PRINT}",
        f"for row in stream(Post.objects.raw({SQL})):\n{PRINT}",
    ),
    "raw rows of a text that is not known": (
        f"for row in Post.objects.raw(apps.sql):\n{PRINT}",
        f"for row in stream(Post.objects.raw(apps.sql)):\n{PRINT}",
    ),
    "raw rows while other SQL runs": (
        f"for row in Post.objects.raw({SQL}):\n    schema_editor.execute('x')",
        f'for row in stream(\n    Post.objects.raw({SQL}), mode="spool"\n):\n'
        "    schema_editor.execute('x')",
    ),
}


@pytest.mark.parametrize("case", REWRITTEN.values(), ids=REWRITTEN)
def test_rows_that_are_streamed(case):
    rewritten(*case)


WRITTEN = {
    "a comment first": "'-- all\\nSELECT id FROM x'",
    "in parentheses": "'(SELECT id FROM x) UNION (SELECT id FROM y)'",
    "a WITH": "'WITH y AS (SELECT id FROM x LIMIT 5) SELECT * FROM x, y'",
    "an aggregate of groups": "'SELECT COUNT(*) FROM x GROUP BY y'",
    "a page in a subquery": "'SELECT id FROM x WHERE y IN (SELECT y FROM z LIMIT 5)'",
    "a semicolon at the end": "'SELECT id FROM x;'",
    "rows that are locked": "'SELECT id FROM x FOR UPDATE'",
    "parts": "'SELECT id ' 'FROM x' + ' WHERE y'",
    "the name of a table": "'SELECT id FROM %s' % Post._meta.db_table",
    "the name of a column": "'SELECT %s FROM x' % (Post._meta.get_field('title').column,)",
    "the name of a key": "f'SELECT {Post._meta.pk.column} FROM x'",
    "a quoted name": "f'SELECT id FROM {schema_editor.quote_name(apps.table)} y'",
    "quoted names": "'SELECT {id} FROM {} '.format(schema_editor.connection.ops.quote_name(name='x'),"
    " id=schema_editor.quote_name('id'))",
    "a literal": "'SELECT id FROM x%s WHERE y LIKE \"%%z\"' % 5",
}


@pytest.mark.parametrize("sql", WRITTEN.values(), ids=WRITTEN)
def test_sql_that_is_surely_a_select_of_many_rows(sql):
    above = f"sql = {sql}\n"
    rewritten(
        fetched(sql="sql", above=above),
        f"{above}for row in stream_sql(schema_editor.connection, sql):\n{PRINT}",
    )


def test_names_of_tables_that_are_written_out():
    rewritten(
        "for table in ['x', 'y']:\n"
        + indent(fetched(sql="f'SELECT id FROM {table}'", made=CURSOR), "    "),
        "for table in ['x', 'y']:\n"
        '    for row in stream_sql(schema_editor.connection, f"SELECT id FROM {table}"):\n'
        f"    {PRINT}",
    )


def test_the_model_of_a_cursor_is_null_and_that_of_raw_rows_is_known():
    body = fetched() + f"for row in Post.objects.raw({SQL}):\n{PRINT}"
    outcome = checking.outcome_of(checking.whole(body), databases=EVERYWHERE)
    assert [(loop.model, loop.outcome.value) for loop in outcome.loops] == [
        (None, "cursor"),
        ("shop.Post", "cursor"),
    ]


@pytest.mark.parametrize("databases", [POSTGRESQL, ("mysql",), ("sqlite",)])
def test_lists_of_rows_stream_on_every_database(databases):
    rewritten(fetched(), f"for row in {STREAMED}:\n{PRINT}", databases=databases)
