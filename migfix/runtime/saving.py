"""What a migration calls to write rows in batches, with what it promises of them."""

from __future__ import annotations

from migfix.runtime.saved_rows import _UpdateBatch


def update_in_batches(*fields: str, batch_size: int = 1000) -> _UpdateBatch:
    """
    Give a batch whose `save(row)` stands for `row.save(update_fields=fields)`, many in one go.

    `save(row, using=alias)` stands for one with `using=alias`, and `update(row, using=alias)` for
    `bulk_update()` of `using(alias)`. `saving(row)` is the row, for a function that saves it: what
    `row.save()` does there is what `save(row)` does.

    The values are those of the moment of `save`, with what the fields compute for it (`auto_now`).
    They are written after `batch_size` rows or a megabyte, and when the block ends, also by an
    error: what was saved before is in the database then, unless the transaction is broken. Each
    row has its own UPDATE, in order, so that unique columns may move as with `row.save()`; or one
    statement writes them, where the catalogue of the database says that it does the same. Where
    `save()` would do more than one plain UPDATE (`F()`, fields and models with code or SQL of
    their own, columns in two tables, deferred fields), it is called, after what waits is written.

    Three things differ. In between no query sees what waits, and what else writes the same rows is
    overwritten: call `flush()` before. No signals are sent. An error of the database comes when
    the batch is written, not at the `save` that is its cause; the rows before that one are written
    and those after it are not, as with `row.save()`. In autocommit a batch is one transaction,
    unless it has so few rows that they take fewer statements by themselves.

    The batch's `update(row)` stands for a list of rows that goes to `bulk_update(rows, fields)`
    of their model: it writes the values as they are, and passes over rows that are gone. The rows
    are written as they come, not all at the end (a batch of up to 50 by `bulk_update()` itself);
    but those that have a value which may be another one by then (documents, expressions, rows that
    are not saved yet) are kept for a `bulk_update()`. Documents are not, if it is
    `update(row, final=True)`: they are taken as they are.

    Rows are saved at once outside of the block, and in one of a generator or coroutine, which may
    be left for good while it stands still; those of `update` are kept there until its end.

    Raises DatabaseError if a saved row is gone, ValueError for a wrong argument, and where the
    connection is lost, or is not the one that the rows were saved on, OperationalError: none of
    them is written in another session, without the settings, locks and temporary tables of theirs.
    """
    return _UpdateBatch(fields, batch_size)
