"""How a rewrite writes ``models.Value`` and the functions of Django's ORM."""

from __future__ import annotations

from migfix.expressions.context import Context, Refused
from migfix.findings import Reason
from migfix.reading.names.places import Reference


def model_class(name: str, context: Context) -> Reference:
    """``models.Case`` and its like. Raises ``Refused``."""
    return _found(context.loop.names.models(name), name)


def function(name: str, context: Context) -> Reference:
    """A function of ``django.db.models.functions``. Raises ``Refused``."""
    return _found(context.loop.names.function(name), name)


def imports(*references: Reference) -> tuple[tuple[str, str], ...]:
    """What has to be imported for the references."""
    return tuple(reference.import_ for reference in references if reference.import_)


def _found(reference: Reference | None, name: str) -> Reference:
    if reference is None:
        raise Refused(
            Reason.NAME_CLASH, f"every name for `{name}` means something else in this file"
        )
    return reference
