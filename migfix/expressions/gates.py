"""What must hold before a loop's saves or deletes can become one query, whatever its body assigns."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from migfix.expressions.context import BOOLEANS, FILES, FOREIGN_KEYS, INTEGERS, TEXTS, Refused
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.loops.loop import Loop, by_name
from migfix.loops.values import Rows, Step

# Kinds whose pre_save returns the loaded value and whose stored form a full save leaves alone.
INERT = (
    INTEGERS
    | BOOLEANS
    | TEXTS
    | FOREIGN_KEYS
    | {
        "FloatField",
        "DecimalField",
        "DateField",
        "DateTimeField",
        "TimeField",
        "DurationField",
        "UUIDField",
        "BinaryField",
        "GeneratedField",
        "OrderWrt",
    }
)
_WRITES_BACK = {
    "JSONField": "a stored JSON null becomes SQL NULL when save() writes it back",
    "GenericIPAddressField": "save() writes IPv6 addresses back in their short form",
}
# Steps that do not change which rows there are; at the end of a chain they only matter to a loop.
_DROPPED = frozenset(
    "all order_by reverse select_related prefetch_related only defer iterator".split()
)
_KEPT = frozenset("all filter exclude using db_manager annotate alias distinct extra".split())
_ALLOWED = _DROPPED | _KEPT | {"select_for_update", "list()"}


def check_model(loop: Loop) -> tuple[ModelState, Mapping[str, FieldState], list[Refusal]]:
    """The loop's model, its columns and what may differ because of them. Raises ``Refused``."""
    if not isinstance(loop.rows, Rows):
        raise Refused(Reason.RAW_SQL, f"the rows come from {loop.rows.what}")
    if loop.rows.model.real:
        raise Refused(
            Reason.REAL_MODEL,
            "the model is imported, not taken from apps: its own save() and signals run",
        )
    model, columns = loop.model, loop.columns
    if isinstance(model, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"the model is not known: {model.why}")
    if isinstance(columns, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"the columns are not known: {columns.why}")
    return model, by_name(columns), list(_model_caveats(model, loop))


def _model_caveats(model: ModelState, loop: Loop) -> Iterator[Refusal]:
    for base in model.bases:
        if isinstance(base, Unknown):
            raise Refused(Reason.CUSTOM_BASE, f"a base of {model.label} is not known: {base.why}")
        if isinstance(base, tuple) and model.proxy is not True:
            raise Refused(
                Reason.INHERITANCE, f"{model.label} inherits from the table of {'.'.join(base)}"
            )
        if isinstance(base, str) and base != "django.db.models.Model":
            yield Refusal(
                Reason.CUSTOM_BASE,
                f"historical {model.label} has the base {base}, whose methods would not run",
            )
    if model.unverified:
        yield Refusal(Reason.MODEL_UNVERIFIED, model.unverified)
    if model.options.get("managed", True) is not True:
        yield Refusal(
            Reason.MODEL_UNVERIFIED, f"the table of {model.label} is not managed by Django"
        )
    if "base_manager_name" in model.options:
        yield Refusal(Reason.CUSTOM_MANAGER, f"{model.label} saves through its own base manager")


def check_manager(loop: Loop, model: ModelState) -> None:
    """Only plain managers: a custom queryset may override ``update()`` or ``delete()``."""
    assert isinstance(loop.rows, Rows)
    manager = loop.rows.manager
    if isinstance(model.managers, Unknown):
        raise Refused(Reason.CUSTOM_MANAGER, f"the managers of {model.label}: {model.managers.why}")
    plain = not model.managers or manager.name == "_base_manager"
    if not plain or (
        not manager.related and manager.name not in {"objects", "_default_manager", "_base_manager"}
    ):
        raise Refused(
            Reason.CUSTOM_MANAGER, f"`{manager.name}` of {model.label} is a manager of the project"
        )


def check_source(loop: Loop, verb: str) -> None:
    """The queryset must have a form that ``update()`` and ``delete()`` take. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if not _is_allowed(step, verb):
            raise Refused(
                Reason.QUERYSET_SHAPE,
                f"`{_shown(step)}` in the queryset: {verb}() would not be the same",
            )
    if set(loop.wrappers) - {"list", "tuple", "enumerate", "iter", "tqdm"}:
        raise Refused(Reason.LOOP_SHAPE, f"the loop goes over {loop.wrappers[0]}(...) of the rows")
    if loop.rows.has("list()"):
        raise Refused(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")
    if loop.row is None:
        raise Refused(Reason.NOT_INSTANCES, "the rows are not model instances under one name")
    if loop.node.orelse:
        raise Refused(Reason.LOOP_SHAPE, "the loop has an else")
    if loop.reused is not None:
        line = getattr(loop.reused, "lineno", loop.node.lineno)
        raise Refused(Reason.QUERYSET_REUSED, f"the queryset's rows are used again on line {line}")
    if loop.used_after is not None:
        raise Refused(Reason.USED_AFTER, f"`{loop.used_after}` is used after the loop")


def _is_allowed(step: Step, verb: str) -> bool:
    if step.name == "distinct":
        return step.call is not None and not step.call.args and verb != "delete"
    return step.name in _ALLOWED


def _shown(step: Step) -> str:
    return {"[]": "[a:b]", "|": "|"}.get(step.name, f".{step.name}()")


def source_text(loop: Loop) -> str:
    """The queryset without the links at its end that only matter to a loop."""
    node = loop.queryset
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _DROPPED
    ):
        node = node.func.value
    return loop.text(node)


def source_caveats(loop: Loop) -> Iterator[Refusal]:
    """MySQL rejects an UPDATE or DELETE whose WHERE selects from the same table (error 1093)."""
    assert isinstance(loop.rows, Rows)
    if not loop.databases.any("mysql"):
        return
    for step in loop.rows.steps:
        values = [k.value for k in step.call.keywords] if step.call else []
        for value in values:
            inner = loop.resolver.value(value)
            if isinstance(inner, Rows) and inner.model.key == loop.rows.model.key:
                yield Refusal(
                    Reason.QUERYSET_SHAPE, "MySQL cannot update a table that its own filter reads"
                )


def saved_columns(
    loop: Loop, columns: Mapping[str, FieldState], update_fields: frozenset[str] | None
) -> list[FieldState]:
    """The columns that the row's ``save()`` writes. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    every = list({column.name: column for column in columns.values()}.values())
    if update_fields is not None:
        return [column for column in every if column.name in update_fields]
    if loop.rows.has("only", "defer"):
        raise Refused(Reason.QUERYSET_SHAPE, "save() of a row with deferred fields")
    return [column for column in every if column.primary_key is not True]


def save_caveats(saved: list[FieldState], assigned: frozenset[str]) -> Iterator[Refusal]:
    """What ``save()`` does to columns that the body never assigns. Raises ``Refused``.

    https://docs.djangoproject.com/en/stable/ref/models/fields/#django.db.models.Field.pre_save
    """
    for column in saved:
        if column.name in assigned:
            continue
        if column.kind == "ImageField" and {"width_field", "height_field"} & column.options.keys():
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"save() writes the dimensions of `{column.name}`"
            )
        if column.kind in FILES and column.null is not False:
            yield Refusal(
                Reason.SAVE_SIDE_EFFECT, f"save() turns a NULL `{column.name}` into an empty name"
            )
        elif column.kind in _WRITES_BACK:
            yield Refusal(Reason.SAVE_SIDE_EFFECT, f"`{column.name}`: {_WRITES_BACK[column.kind]}")
        elif column.kind not in INERT and column.kind not in FILES:
            yield Refusal(
                Reason.SAVE_SIDE_EFFECT,
                f"save() of `{column.name}`, a {column.class_path}, may compute something",
            )


def auto_now_columns(saved: list[FieldState]) -> list[FieldState]:
    return [column for column in saved if column.auto_now is not False and column.kind is not None]
