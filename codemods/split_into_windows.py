"""Split one ``update()`` or ``delete()`` of very many rows into windows with a commit each; only where it is selected.

Before:

    Post.objects.filter(author=bob).update(author=sharon)

After:

    update_in_windows(Post.objects.filter(author=bob), author=sharon)

and ``atomic = False`` in the migration. One statement locks every row that it writes until it is through, and who wants
to write one of these waits for so long. ``update_in_windows`` and ``delete_in_windows``, of the module ``_migfix.py``
that migfix adds to the project, write 10,000 rows at a time (``size=``), in the order of their keys, and commit each
window. ``pause=`` waits between two of them, ``progress=print`` says how many rows are done.

It is unsafe by its nature, since a failure leaves part of the rows done, and never applied unless ``--select MF103``
names it, with ``--unsafe-fixes``. Running the migration again does the rest; the report says whether it also writes what is
done once more, as it is. A loop that migfix turns into one ``update()`` or ``delete()`` is split by a second run.

Refuses when the migration is a transaction, which would keep all locks until its end, or may be run in one. It writes
``atomic = False`` where the statement is all that the migration does, nothing is to be reversed, and no database may be
SQLite, which looks for broken foreign keys when a migration ends; elsewhere it says what stands in the way, and takes the
statement if you wrote ``atomic = False`` yourself.

Refuses also when the key is neither an integer nor a UUID; when the rows are in several tables, come from a manager of the
project, or are sliced, sorted, distinct, annotated, locked or joined; when a condition or value is not made of constants
and the row's own columns; when a value is computed of a column that changes, as a second run would change it again; when a
column is the key or unique; and when ``delete()`` takes rows of other tables along or sends signals.
"""

from __future__ import annotations

import ast
from types import NoneType

from migfix.codemod import Codemod, Decision
from migfix.expressions.context import Refused
from migfix.expressions.deletes import taking_along
from migfix.expressions.own_columns import KEYS, Columns, check_condition, is_constant, reads
from migfix.expressions.preconditions import gates
from migfix.facts.failure.commits import IS_ATOMIC, Unsplit
from migfix.facts.statements import Statement
from migfix.findings import Gain, Outcome, Part, Reason, Refusal, ReplaceExpressions, Rewrite
from migfix.history.state import ModelState, Unknown
from migfix.project.signals import DELETE
from migfix.reading.kinds.values import Rows

_STEPS = frozenset({"all", "filter", "exclude", "using"})
_OPTIONS = frozenset({"size", "pause", "progress"})


def decide(statement: Statement) -> Decision:
    model, columns, caveats = gates.check_model(statement)
    gates.check_manager(statement, model)
    _check_table(model, columns, statement)
    _check_rows(columns, statement)
    if statement.verb == "update":
        _check_assigned(model, columns, statement)
    else:
        _check_deleted(model, statement)
    migration = _migration_to_commit(statement)
    caveats.append(
        Refusal(
            Reason.PARTLY_DONE,
            f"a failure leaves part of the rows done: {_again(statement)}",
        )
    )
    return _built(tuple(dict.fromkeys(caveats)), statement, migration)


def _migration_to_commit(statement: Statement) -> ast.ClassDef | None:
    """The class that has to say ``atomic = False``, None where each window is committed anyway. Raises ``Refused``."""
    why = statement.within_transaction
    if why is None:
        return None
    said = f"{why}: it would keep the locks of all windows until its end"
    if why == IS_ATOMIC:
        try:
            return statement.to_commit
        except Unsplit as refused:
            said = f"{said}; that is not written for you here: {refused}"
    raise Refused(Reason.TRANSACTION, said)


def _again(statement: Statement) -> str:
    """What a second run does after a failure."""
    if statement.verb == "delete" or _leaves_what_is_done(statement):
        return "running it again does the rest"
    return "running it again writes those once more, as they are, and then the rest"


def _leaves_what_is_done(statement: Statement) -> bool:
    """Does no row meet the condition any more once it is written: ``filter(kind=1).update(kind=2)``?

    Of numbers, booleans and None: texts that differ may be one to a collation.
    """
    assert isinstance(statement.rows, Rows)
    given = {k.arg: k.value for k in statement.call.keywords if isinstance(k.value, ast.Constant)}
    for step in statement.rows.steps:
        for keyword in step.call.keywords if step.name == "filter" and step.call else ():
            name, _, lookup = (keyword.arg or "").partition("__")
            written = given.get(name)
            if written is None or not isinstance(keyword.value, ast.Constant):
                continue
            wanted = keyword.value.value
            empties = written.value is None
            if lookup == "isnull" and isinstance(wanted, bool) and wanted is not empties:
                return True
            numbers = isinstance(wanted, int) and isinstance(written.value, (int, NoneType))
            if not lookup and numbers and wanted != written.value:
                return True
    return False


def _check_table(model: ModelState, columns: Columns, statement: Statement) -> None:
    """One plain table, whose keys sort as they compare. Raises ``Refused``."""
    if gates.inherited(statement) or model.proxy is not False:
        raise Refused(Reason.INHERITANCE, f"{model.label} may not be one table of its own")
    keys = {
        column.name: column.kind for column in columns.values() if column.primary_key is not False
    }
    if len(keys) != 1 or not KEYS.issuperset(keys.values()):
        raise Refused(
            Reason.PRIMARY_KEY, f"the key of {model.label} is neither an integer nor a UUID"
        )
    for column in columns.values():
        if column.kind == "GeneratedField":
            raise Refused(Reason.FIELD_UNKNOWN, f"`{column.name}` is computed by the database")


def _check_rows(columns: Columns, statement: Statement) -> None:
    """Conditions on the row's own columns, and nothing else. Raises ``Refused``."""
    assert isinstance(statement.rows, Rows)
    for step in statement.rows.steps:
        with statement.locating(step.node):
            if step.name not in _STEPS or step.call is None:
                raise Refused(
                    Reason.QUERYSET_SHAPE,
                    f"the queryset has `{step.name}`, windows take conditions alone",
                )
            if step.name in {"filter", "exclude"}:
                check_condition(step, columns, statement)


def _check_assigned(model: ModelState, columns: Columns, statement: Statement) -> None:
    """Values that windows, and a second run, leave alike. Raises ``Refused``."""
    given = {keyword.arg: keyword.value for keyword in statement.call.keywords}
    if statement.call.args or not given or None in given:
        raise Refused(Reason.VALUE, "which columns update() sets is not written out")
    unique = model.uniqueness()
    if isinstance(unique, Unknown):
        raise Refused(Reason.UNIQUE, unique.why)
    assigned = {columns[name].name if name in columns else name for name in given if name}
    for name, value in given.items():
        column = columns.get(name or "")
        if column is None or column.kind is None or column.primary_key is not False:
            raise Refused(Reason.FIELD_UNKNOWN, f"`{name}` is not a plain column of {model.label}")
        if name in _OPTIONS:
            raise Refused(
                Reason.NAME_CLASH, f"`{name}` is an argument of update_in_windows() itself"
            )
        if column.name in unique:
            raise Refused(
                Reason.UNIQUE,
                f"`{name}` takes part in a unique rule: it is checked for all rows at once",
            )
        with statement.locating(value):
            if is_constant(value, statement):
                continue
            read = reads(value, columns, statement, Reason.VALUE)
            if changing := sorted(read & assigned):
                why = "which changes: running it again after a failure would change rows a second time"
                raise Refused(Reason.VALUE, f"`{name}` is computed of `{changing[0]}`, {why}")


def _check_deleted(model: ModelState, statement: Statement) -> None:
    """``delete()`` is one statement that nobody hears of. Raises ``Refused``."""
    if statement.call.args or statement.call.keywords:
        raise Refused(Reason.QUERYSET_SHAPE, "delete() takes no arguments")
    incomplete = statement.state.relations_to(model.key).incomplete
    if (why := taking_along(statement.state, model) or incomplete) is not None:
        raise Refused(Reason.DELETE_RELATIONS, f"delete() is more than one statement, as {why}")
    if (hears := statement.listener(DELETE, model, statement.state)) is not None:
        raise Refused(Reason.SIGNALS, f"{hears}: delete() reads its rows and sends signals")


def _built(
    caveats: tuple[Refusal, ...], statement: Statement, migration: ast.ClassDef | None
) -> Decision:
    function = statement.names.in_windows(statement.verb)
    if function is None:
        return Refusal(
            Reason.NAME_CLASH, f"`{statement.verb}_in_windows` means something else in this file"
        )
    values = [
        f"{keyword.arg}={statement.text(keyword.value)}" for keyword in statement.call.keywords
    ]
    arguments = ", ".join([statement.text(statement.queryset), *values])
    update = statement.verb == "update"
    return Rewrite(
        part=Part.WHOLE,
        edit=ReplaceExpressions(((statement.call, f"{function.text}({arguments})"),), migration),
        message=f"{'updates' if update else 'deletes'} its rows in windows, with a commit after each"
        + ("; the migration says `atomic = False`" if migration else ""),
        outcome=Outcome.UPDATE if update else Outcome.DELETE,
        gains=(Gain("rows locked until a commit", "all", "a window"),),
        caveats=caveats,
        imports=(function.import_,) if function.import_ else (),
    )


codemod = Codemod(__name__, "MF103", Part.WHOLE, decide, opt_in=True)
__getattr__ = codemod.module_attribute
