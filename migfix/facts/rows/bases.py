"""What plain classes among the bases of a historical model do to its rows: they stay, with all that they define.

https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from migfix.facts.access import Access
from migfix.findings import Reason, Refusal, Refused
from migfix.history.state import BaseClass, ModelState, Unknown
from migfix.reading.kinds.values import Model


def lineage(model: ModelState, loop: Access) -> tuple[ModelState, ...]:
    """The model and the models that it inherits from or stands for. Raises ``Refused``."""
    parents = loop.state.parents(model)
    if isinstance(parents, Unknown):
        raise Refused(Reason.CUSTOM_BASE, f"a base of {model.label} is not known: {parents.why}")
    for each in (model, *parents):
        if any(field.kind == "CompositePrimaryKey" for field in each.fields):
            raise Refused(Reason.PRIMARY_KEY, f"{each.label} has a composite primary key")
    return (model, *parents)


def base_caveats(model: ModelState, loop: Access, columns: Collection[str]) -> Iterator[Refusal]:
    """What its own bases may do to rows that are loaded, saved and deleted, or hide of these columns."""
    return _caveats(model, loop, columns, reading=False)


def reading_caveats(model: ModelState, loop: Access) -> Iterator[Refusal]:
    """The same of all its bases where rows are made and read, and nothing else. Raises ``Refused``."""
    columns = loop.columns_of(model.key) or {}
    for each in lineage(model, loop):
        yield from _caveats(each, loop, columns, reading=True)


def _caveats(
    model: ModelState, loop: Access, columns: Collection[str], *, reading: bool
) -> Iterator[Refusal]:
    for path in model.bases:
        if isinstance(path, str) and path != "django.db.models.Model":
            base = loop.state.base_class(path)
            doubt = (base.reading if reading else base.doubt) or _hidden(base, columns)
            if doubt:
                yield Refusal(
                    Reason.CUSTOM_BASE, f"historical {model.label} has the base {path}, {doubt}"
                )


def _hidden(base: BaseClass, columns: Collection[str]) -> str | None:
    hidden = sorted(base.names.intersection(columns))
    return f"which defines `{hidden[0]}` itself" if hidden else None


def imported(model: Model, what: str = "the model") -> Refusal:
    """Why nothing is known of a model of today, and what to write in its place."""
    instead = f"; write `{model.instead}`" if model.instead else ""
    return Refusal(
        Reason.REAL_MODEL,
        f"{what} is imported, not taken from apps: its own save() and signals run{instead}",
    )
