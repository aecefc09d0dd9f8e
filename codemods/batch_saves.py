"""Write what a loop saves in batches, not row by row: ``update_in_batches``.

Before:

    for post in Post.objects.all():
        post.slug = slugify(post.title)
        post.save()

After:

    with update_in_batches("slug") as batch:
        for post in Post.objects.all():
            post.slug = slugify(post.title)
            batch.save(post)

``update_in_batches`` comes from ``_migfix.py``, a module that migfix adds to the project. It
keeps the values of the moment of ``batch.save(post)``, what ``save()`` computes (``auto_now``) included,
and writes them after every thousand rows (or ``batch-size`` of ``[tool.migfix]``) and at the end: row
by row and in order, as ``save()`` does, but without a round trip for each.

A function of the file that saves the row is given it by ``fix(batch.saving(post))``: up to the next row, or the end of
the batch, the ``save()`` of that row is the batch's.

A page of the rows (``posts[start : start + 1000]``, a list of those behind the last key, a page of a ``Paginator``, those of
keys that come some at a time) is a batch of its own.

A list that the loop fills by ``rows.append(post)`` for one ``Post.objects.bulk_update(rows, ["slug"])``
right after it goes as well: ``batch.update(post)`` takes the place of ``append()`` and writes what
``bulk_update()`` would. Since no list keeps the rows, they can be streamed. ``batch_size`` goes, too: the
helper knows how much may wait. Where ``bulk_update()`` is given the looped queryset itself, each turn
ends with ``batch.update(post)``. ``post.save(using=alias)`` becomes ``batch.save(post, using=alias)`` where the rows are
of that database, too.

Refuses when anything in the body may look for the rows that wait: queries of the same table, queries
that may join it, querysets made before the loop, deletions, SQL, transactions, code that is not known
(unsafe); when errors of a ``save()`` are caught; when the row is handed on, becomes another one, is saved
in a function that saves others, too, or is of another module, or with other fields on other ways; when other loops may have changed the same objects;
and for models with columns in two tables.

A document (``JSONField``) that nothing changes once its row is in the list is written by
``batch.update(post, final=True)``: one that each turn makes itself or has from its row, or one that nothing
changes at all.

A list, or a queryset, stays when its rows may change after they were put into it (also by a document that others
hold and may change in place) or come twice; when the function may return before ``bulk_update()``, or
an error may leave rows behind: in autocommit, and where errors are caught; when ``bulk_update()`` may
write to another database than the loop reads, or is the project's own; when a value may be a subquery, or a foreign key may point to a row
that is written later; and, unsafe, when a column is unique, since rows are then checked one by one, not
all at once. Lists that the loop empties by itself are batches already.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migfix.codemod import Codemod, Decision
from migfix.columns import needs
from migfix.columns.narrow_saves import listing, save_doubts
from migfix.expressions.context import Refused
from migfix.expressions.preconditions import failing, gates, saves
from migfix.expressions.preconditions.loading import loads_again
from migfix.facts.body import uses
from migfix.facts.loop import Loop
from migfix.facts.rows.bulk import BulkUpdate
from migfix.facts.rows.few import holds_few_rows
from migfix.facts.rows.pages import unwritten_rows
from migfix.facts.rows.streaming import already_streams
from migfix.findings import Gain, InBlock, Outcome, Part, Reason, Refusal, Rewrite
from migfix.reading.kinds.values import Rows
from migfix.writes import batching, bulk_updates
from migfix.writes.waiting import check_nothing_is_loaded, check_nothing_looks


@dataclass(frozen=True)
class Writes:
    """The calls that write a row, each with the row, the batch's method in their place, and what else
    is to say. ``drops`` are the statements that go with them, ``back`` the fields that no turn sets, ``last`` is the
    row that each turn writes at its end, ``database`` the alias that ``bulk_update()`` names, ``final`` says that
    nothing changes the documents of a row once it is written. ``handed`` are rows that functions are given to save.
    """

    fields: list[str]
    calls: list[tuple[ast.Call, ast.expr]]
    method: str
    caveats: list[Refusal]
    drops: tuple[ast.stmt, ...] = ()
    back: tuple[str, ...] = ()
    last: str | None = None
    database: tuple[ast.expr, ...] = ()
    final: bool = False
    handed: tuple[ast.expr, ...] = ()


def decide(loop: Loop) -> Decision:
    if not isinstance(loop.rows, Rows):
        return None
    bulk = loop.bulk_update
    saved = loop.used(uses.Kind.SAVE)
    if not saved and bulk is None:
        return unwritten_rows(loop)
    if few := holds_few_rows(loop, of_page=bool(saved)):
        return few
    batching.check_surroundings(loop)
    return _rewrite(_saves(loop) if saved or bulk is None else _of_bulk_update(bulk, loop), loop)


def _saves(loop: Loop) -> Writes:
    """The calls of ``save()``. Raises ``Refused``."""
    if loop.bulk_update and loop.bulk_update.shared:
        raise Refused(
            Reason.QUERYSET_REUSED, "the rows are saved, and given to bulk_update() after the loop"
        )
    calls = batching.saving_calls(loop)
    model, columns, caveats = gates.check_model(loop)
    batching.check_row(loop, model, columns)
    fields = batching.written_fields(loop, columns)
    batching.check_columns(loop, model, fields, columns)
    batching.check_source(loop, model, fields)
    caveats += check_nothing_looks(loop, model)
    check_nothing_is_loaded(loop, model)
    caveats += loads_again(loop, columns)
    full = any(map(needs.is_full_save, loop.used(uses.Kind.SAVE)))
    caveats += [*gates.save_caveats(loop, full=full), *saves.connected(columns)]
    caveats += save_doubts({c.name: c for c in columns.values()}.values()) if full else ()
    fails = failing.of_assignments(loop, model, columns, fields)
    caveats += failing.later_turns(loop, loop.own_saves, fails)
    back = batching.written_back_fields(loop, fields, columns)
    handed = tuple(each.row for each in loop.handed_to_save)
    return Writes(fields, calls, "save", caveats, back=back, handed=handed)


def _of_bulk_update(bulk: BulkUpdate, loop: Loop) -> Writes:
    """The calls that put rows into a list for it, or every turn's own row. Raises ``Refused``."""
    fields, documents, caveats = bulk_updates.check_collected(bulk, loop)
    return Writes(
        fields,
        [(call, call.args[0]) for call in bulk.appends],
        "update",
        caveats,
        bulk.statements,
        last=loop.row if bulk.shared else None,
        database=bulk.database,
        final=bool(documents),
    )


def _rewrite(writes: Writes, loop: Loop) -> Decision:
    in_batches, name = loop.names.update_in_batches(), loop.names.free("batch", "pending")
    if in_batches is None or name is None:
        return Refusal(Reason.NAME_CLASH, "the names of a batch mean something else in this file")
    arguments = [*map(loop.names.quoted, writes.fields)]
    if loop.batch_size is not None:
        arguments.append(f"batch_size={loop.batch_size}")
    return Rewrite(
        part=Part.WRITES,
        edit=InBlock(
            f"{in_batches.text}({', '.join(arguments)}) as {name}",
            (
                *(
                    (
                        call,
                        f"{name}.{writes.method}({_arguments(loop.text(row), call, writes, loop)})",
                    )
                    for call, row in writes.calls
                ),
                *((row, f"{name}.saving({loop.text(row)})") for row in writes.handed),
            ),
            writes.drops,
            (
                f"{name}.{writes.method}({_arguments(writes.last, None, writes, loop)})"
                if writes.last
                else None
            ),
        ),
        message=f"writes {listing(writes.fields, writes.back)} in batches",
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        gains=(
            ()
            if loop.bulk_update
            else (Gain("queries that save", "for each row", "for each batch"),)
        ),
        caveats=tuple(dict.fromkeys(writes.caveats)),
        imports=(in_batches.import_,) if in_batches.import_ else (),
    )


def _arguments(row: str, call: ast.Call | None, writes: Writes, loop: Loop) -> str:
    """``post, using=alias, final=True``"""
    own = batching.alias_of(call) if call is not None else []
    final = ["final=True"] if writes.final else []
    using = [f"using={loop.text(alias)}" for alias in own or writes.database]
    return ", ".join([row, *using, *final])


codemod = Codemod(__name__, "MF301", Part.WRITES, decide)
__getattr__ = codemod.module_attribute
