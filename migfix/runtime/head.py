"""
Go over many rows without holding them all in memory, and write them many at a time.

Written by migfix, which put this file next to your migrations. It needs Django 4.2 or newer and
nothing else: it works without migfix installed and may stay here for ever. Please do not edit it.

`stream(queryset)` gives a loop the same rows, in the same order and with the same values, as
`queryset`: all as they were when the loop started, whatever the loop then writes. `stream_sql` does
the same for a SELECT statement.

`update_in_batches` gives a `save` that waits for others, since a round trip to the database takes
longer than the update itself, and an `update` in place of a list for `bulk_update()`.

`update_by_key` does the same for the `update()` of one row after another, each found by its key.

`create_in_batches` does the same for new rows: what would insert them one by one waits for others.

`link_in_batches` does the same for the `add()` of many-to-many relations.

`update_in_windows` does what one `update()` of very many rows does, by several with a commit each, so
that nobody else waits for long.

`delete_in_windows` does the same for a `delete()`.
"""

from __future__ import annotations

HELPER_VERSION = 1

_FIRST_BLOCK = 10  # rows; their width is not known yet
_BLOCK_BYTES = 1024 * 1024
_MODES = ("auto", "server", "spool")
