"""What each reason for leaving a loop means, and what helps: the text of ``migfix explain`` and docs/reasons.md."""

from __future__ import annotations

from typing import NamedTuple

from migfix.findings import Reason


class Explanation(NamedTuple):
    """``meaning``: what stands in the way, and why it matters. ``help``: what an engineer may do about it."""

    meaning: str
    help: str


EXPLANATIONS: dict[Reason, Explanation] = {
    Reason.REAL_MODEL: Explanation(
        "The model is imported. It is the class of today, not that of the migration: it may have columns that the "
        "table lacks then, and methods that run.",
        'Take it from the state: `apps.get_model("app", "Model")`.',
    ),
    Reason.SIGNALS: Explanation(
        "A receiver of the project may hear the signals of historical models, or methods of models are changed. "
        "What it does, it does for each row at the time of its save.",
        "Give the receiver a `sender`, or let it return first for models of migrations. If it does nothing for "
        "these, say so: `quiet-receivers` in the configuration names its file.",
    ),
    Reason.MODEL_UNKNOWN: Explanation(
        "What the model is like at this migration cannot be read: its app is not installed here, or an operation "
        "before cannot be followed.",
        "Run migfix in an environment with the project's packages; write operations out.",
    ),
    Reason.MODEL_UNVERIFIED: Explanation(
        "SQL or state-only operations may have made the table differ from the model.",
        "Look at the migration that the message names; `--unsafe-fixes` if it changes nothing that matters.",
    ),
    Reason.DATABASE_UNKNOWN: Explanation(
        "The settings name a database engine of which migfix knows nothing.",
        "Say which database it behaves like: `--database`, or `databases` in the configuration.",
    ),
    Reason.CUSTOM_BASE: Explanation(
        "A class of the project stands behind the historical model and may change what happens to its rows.",
        "A mixin that only adds methods can be read where its module can be found.",
    ),
    Reason.INHERITANCE: Explanation(
        "The rows are in several tables (multi-table inheritance); one statement writes one of them.",
        "Write the child's own columns and the parent's in two loops.",
    ),
    Reason.CUSTOM_MANAGER: Explanation(
        "The manager is the project's own (`use_in_migrations`) and may filter, or do something else in "
        "`update()`, `iterator()` and the like.",
        "Use a plain manager in the migration, such as `Model._base_manager`.",
    ),
    Reason.RAW_SQL: Explanation(
        "The rows come from SQL, which has no queryset to rewrite.",
        "A single SELECT is streamed by `stream_sql`; an UPDATE in SQL is yours to write.",
    ),
    Reason.SQL_UNKNOWN: Explanation(
        "The SQL is put together, or is not surely one SELECT without side effects.",
        "Write it out as one literal.",
    ),
    Reason.CURSOR_USED: Explanation(
        "The cursor is asked for more than its rows, or used again while they are read.",
        "Use another cursor for what the loop executes.",
    ),
    Reason.CUSTOM_CURSOR: Explanation(
        "The rows of the cursor may be something else than tuples.",
        "Use a plain `connection.cursor()`, and no row factory.",
    ),
    Reason.NOT_INSTANCES: Explanation(
        "The rows are no instances of the model (`values()`, tuples, dates), so they have no columns to leave out.",
        "Name the columns that the loop needs in `values()` itself.",
    ),
    Reason.LOOP_SHAPE: Explanation(
        "The loop has a form that cannot become a query: an `else`, a wrapper such as `zip()`, a list in between.",
        "A plain `for row in queryset:`.",
    ),
    Reason.QUERYSET_SHAPE: Explanation(
        "The queryset has a step that `update()`, `delete()` or a subquery does not take, or takes differently: "
        "a slice, `values()`, `extra()`, a query of the table that is changed.",
        "Filter instead of slicing; compute the keys first and filter by them.",
    ),
    Reason.QUERYSET_REUSED: Explanation(
        "The rows that the loop loads are read again elsewhere: streamed, they would be read from the database twice, "
        "and would show what the loop has written.",
        "Ask a queryset of its own for the second use (`.count()`, `.exists()`), or do both in one loop.",
    ),
    Reason.USED_AFTER: Explanation(
        "A name that the loop sets is read after it.",
        "Compute what is needed afterwards outside of the loop.",
    ),
    Reason.OTHER_STATEMENTS: Explanation(
        "The body does more than set fields of the row.",
        "Where the rest is a query for each row, fetch it once before the loop.",
    ),
    Reason.OUTPUT: Explanation(
        "The loop prints or logs, for each row, what one statement would not.",
        "Print a total after the loop.",
    ),
    Reason.QUERY_IN_BODY: Explanation(
        "A query in the body could see writes that wait.",
        "Fetch what it reads before the loop, into a dict by key.",
    ),
    Reason.UNKNOWN_CALL: Explanation(
        "The body calls code that migfix cannot read or does not know: it may query, or keep the row.",
        "Move the function into the migration, or hand it plain values instead of the row.",
    ),
    Reason.BRANCHES: Explanation(
        "The body has too many branches, or leaves the loop early, so that it has no form as a few statements.",
        "Split the loop by its cases, each with a `filter()`.",
    ),
    Reason.CONDITION: Explanation(
        "A test has no SQL form that is exact on every database of the project.",
        "Tests of plain columns with constants have one: docs/one-query.md lists them.",
    ),
    Reason.TEXT_COMPARISON: Explanation(
        'Texts compare by the collation of the column: in a database, `"a" = "A"` may hold.',
        "Say on which databases the project runs; PostgreSQL compares as Python does.",
    ),
    Reason.VALUE: Explanation(
        "A value has no SQL form that is exact on every database of the project.",
        "docs/one-query.md lists those that have; else the loop can be batched.",
    ),
    Reason.NULLABLE: Explanation(
        "The column may be NULL, which SQL computes with otherwise than Python with None.",
        "Leave such rows out by a `filter(column__isnull=False)`.",
    ),
    Reason.NOT_TOTAL: Explanation(
        "One query would compute a value, or fail, even where there are no rows.",
        "Where that is fine, `--unsafe-fixes`.",
    ),
    Reason.ONE_TIMESTAMP: Explanation(
        "Each row gets a moment of its own; one statement gives all the same.",
        "Take the time once, before the loop, if that is what is meant.",
    ),
    Reason.FIELD_UNKNOWN: Explanation(
        "What the class of a field does when it is saved or loaded cannot be read.",
        "Run migfix in an environment with the package of the field.",
    ),
    Reason.PRIMARY_KEY: Explanation(
        "The loop changes keys, or rows have a key that is not one plain column.",
        "A changed key makes `save()` insert a copy: use `update()` if a rename is meant.",
    ),
    Reason.UNIQUE: Explanation(
        "The column takes part in a unique rule, which is checked for each row of one statement, not after it.",
        "Where the new values surely differ, `--unsafe-fixes`.",
    ),
    Reason.AUTO_NOW: Explanation(
        "`save()` refreshes a column by the time.",
        "Use `update()` yourself if the time is not to change.",
    ),
    Reason.SAVE_SIDE_EFFECT: Explanation(
        "`save()` does something besides writing what it read: files, JSON that is written anew, a class that computes.",
        "`save(update_fields=[...])` names what is meant.",
    ),
    Reason.SAVE_ARGUMENTS: Explanation(
        "`save()` is given arguments that matter (`force_insert`, another database, names that are computed).",
        "Write `update_fields` out.",
    ),
    Reason.NEVER_SAVED: Explanation(
        "Fields are set and no `save()` follows on some way through the body, or no row ever comes to the `save()` or `delete()`.",
        "Look whether that is a mistake.",
    ),
    Reason.CREATED_ROW_USED: Explanation(
        "The row that the body creates is used afterwards, which needs its key at once.",
        "Create all rows first, then link them in a second loop.",
    ),
    Reason.SAVED_TWICE: Explanation(
        "A row is saved more than once, and something may look in between.",
        "Save once, at the end of the body.",
    ),
    Reason.SET_ORDER: Explanation(
        "A column is set from another one that is set as well: MySQL and MariaDB assign from left to right, and the "
        "later one would see the new value.",
        "Where the project runs on other databases alone, say so with `databases`.",
    ),
    Reason.DELETE_RELATIONS: Explanation(
        "Deleting the rows together takes along, or is stopped by, rows of other tables in another order than one "
        "by one.",
        "Look at the relations that the message names.",
    ),
    Reason.ROW_ESCAPES: Explanation(
        "The row is handed to code that may read any of its columns.",
        "Hand over the values instead of the row.",
    ),
    Reason.ALL_FIELDS_NEEDED: Explanation(
        "The body needs every column, or all but small ones: to name them would gain nothing.",
        "`save(update_fields=[...])` needs fewer than a full `save()`.",
    ),
    Reason.ALREADY_NARROW: Explanation("The queryset names its columns already.", "Nothing to do."),
    Reason.KEEPS_ROWS: Explanation(
        "Rows are kept until after the loop, so that streaming them saves nothing.",
        "Keep what is needed of them: a key, a value.",
    ),
    Reason.LOCKED_ROWS: Explanation(
        "The rows are locked (`select_for_update`): on PostgreSQL `.iterator()` skips those that have changed "
        "meanwhile.",
        "One `update()` locks what it changes by itself.",
    ),
    Reason.SCHEMA_CHANGE: Explanation(
        "Something changes tables while the rows would still be read.",
        "Do it in an operation of its own.",
    ),
    Reason.TRANSACTION: Explanation(
        "Transactions begin or end while the rows are read or writes wait: a cursor ends with its transaction.",
        "One transaction around the loop, or batches of keys with one each.",
    ),
    Reason.PARTLY_DONE: Explanation(
        "Windows with a commit each are not taken back by an error: those before it are done.",
        "`--unsafe-fixes` if that is what you want. Running the migration again does the rest.",
    ),
    Reason.LEAVES_FUNCTION: Explanation(
        "The function yields or waits while its query would be open.",
        "Let the loop run to its end at once.",
    ),
    Reason.PREFETCH: Explanation(
        "What `prefetch_related()` fetches would be fetched, or shared between rows, in another way.",
        "`.iterator(chunk_size=...)` prefetches chunk by chunk since Django 4.1, if each row may have its own copy.",
    ),
    Reason.FEW_ROWS: Explanation(
        "There are few rows by their nature: a page, one key, a table of sites.", "Nothing to do."
    ),
    Reason.PER_PARENT: Explanation(
        "The loop stands in another one and goes over the few rows of each of its turns.",
        "One loop over all rows with `select_related()` asks once.",
    ),
    Reason.UNORDERED_PAGES: Explanation(
        "The rows are read in pages, by number or behind the last key, of a query without an order: the database may bring "
        "a row in two pages, and another in none.",
        'Sort them: `.order_by("pk")`; or go by key, which is faster as well: `.filter(pk__gt=last).order_by("pk")[:1000]`. '
        "One loop over all rows streams (MF202, MF203) and needs no pages.",
    ),
    Reason.SHIFTING_PAGES: Explanation(
        "The rows are read in pages that start at a number, and the loop changes which rows the query finds: those "
        "behind move up, and the next page leaves out as many.",
        'Go by key: `.filter(pk__gt=last).order_by("pk")[:1000]`; or make it one loop over all rows, which migfix streams.',
    ),
    Reason.UNWRITTEN_ROWS: Explanation(
        "A list of rows is written whenever it is full, and what is in it when the loop ends is not.",
        "Write the list once more after the loop, or let batches do it (MF301, MF302).",
    ),
    Reason.ROW_ORDER: Explanation(
        "What the loop leaves depends on the order of its rows, which is not settled: read in another way, rows of "
        "equal order may come differently.",
        'Sort by something unique as well: `.order_by("name", "pk")`.',
    ),
    Reason.ALREADY_STREAMS: Explanation("The rows are streamed already.", "Nothing to do."),
    Reason.DOES_NOT_STREAM: Explanation(
        "`.iterator()` reads the whole result on one of the project's databases.",
        "The helper streams there (MF203).",
    ),
    Reason.STATES_DIFFER: Explanation(
        "Which migrations of other apps ran before is not certain, or the function is called in several ways, and "
        "the rewrite would not be the same in all.",
        "Add the missing dependency to the migration.",
    ),
    Reason.NAME_CLASH: Explanation(
        "A name that the rewrite needs means something else here.",
        "Rename that, or pass the model to the function.",
    ),
    Reason.SUPPRESSED: Explanation(
        "A comment `# migfix: ignore` keeps migfix away.", "Remove the comment."
    ),
    Reason.NOT_VERIFIED: Explanation(
        "`--verify` did not see that the rewrite does the same.",
        "Read what it saw; report it if the rewrite is wrong.",
    ),
    Reason.NOT_CHOSEN: Explanation("`--only` names other loops.", "Name this one as well."),
    Reason.NOT_WRITTEN: Explanation(
        "The rewrite is exact but its text could not be written well into this file.",
        "Please report it.",
    ),
}


def named(name: str) -> Reason | None:
    """The reason that reports call by this name."""
    return next((reason for reason in Reason if reason.value == name.lower()), None)
