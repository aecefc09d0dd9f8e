"""Where the attributes of a row lead: ``row.author`` forwards, ``row.items`` backwards."""

from __future__ import annotations

from migfix.history.state import FieldState, ModelKey, ModelState, ProjectState, Unknown
from migfix.reading.kinds.values import Rows
from migfix.sql.kinds import FOREIGN_KEYS


def forward_target(
    state: ProjectState, key: ModelKey, attribute: str
) -> tuple[FieldState, ModelKey] | None:
    """The foreign key or one-to-one called ``attribute`` and the model that it points to."""
    for field in all_fields(state, key):
        if field.name == attribute and field.kind in FOREIGN_KEYS:
            return (field, field.target) if isinstance(field.target, tuple) else None
    return None


def related_model(state: ProjectState, key: ModelKey, attribute: str) -> ModelKey | None:
    """The model whose rows the manager ``row.<attribute>`` holds."""
    found = relation_of(state, key, attribute)
    return found[1] if found else None


def links_of(field: FieldState) -> tuple[ModelKey | None, ...]:
    """The model, if any, whose rows are the pairs of a many-to-many relation; None where it is not known."""
    if field.through is None:
        return ()
    return (field.through if isinstance(field.through, tuple) else None,)


def relation_of(
    state: ProjectState, key: ModelKey, attribute: str
) -> tuple[FieldState, ModelKey] | None:
    """The relation behind the manager ``row.<attribute>``, and the model whose rows that holds.

    The name is that of a many-to-many field, its ``related_name``, or ``<model>_set``:
    https://docs.djangoproject.com/en/stable/topics/db/queries/#following-relationships-backward
    """
    for field in all_fields(state, key):
        if attribute in (field.name, field.attname):  # no relation can have the name as well
            many = field.kind == "ManyToManyField" and isinstance(field.target, tuple)
            return (field, field.target) if many else None  # type: ignore[return-value]
    for model, field in state.pointing_to(key):
        if accessor(model, field) == attribute:
            return field, model.key
    return None


def one_pointing_to(state: ProjectState, key: ModelKey, attribute: str) -> ModelKey | None:
    """The model of the one row that ``row.<attribute>`` is, by a one-to-one that points here.

    https://docs.djangoproject.com/en/stable/topics/db/examples/one_to_one/
    """
    for model, field in state.pointing_to(key):
        if field.kind == "OneToOneField" and name_of_one(model, field) == attribute:
            return model.key
    return None


def name_of_one(model: ModelState, field: FieldState) -> str | None:
    """What the target of a one-to-one calls the row that points to it."""
    name = field.options.get("related_name", model.name.lower())
    if not isinstance(name, str) or name.endswith("+"):
        return None
    return name.replace("%(class)s", model.name.lower()).replace("%(app_label)s", model.app_label)


def own_managers(rows: object, state: ProjectState) -> str | None:
    """Which manager of the project the rows come from, or may come from; None where it is Django's own,
    or none.

    A migration has the managers with ``use_in_migrations``, those of the models above included:
    https://docs.djangoproject.com/en/stable/topics/migrations/#model-managers
    """
    if not isinstance(rows, Rows):
        return None
    key, name = rows.model.key, rows.manager.name
    model = state.model(*key) if key and not rows.model.real else Unknown("the model is not known")
    if isinstance(model, Unknown):
        return f"`{name}` is a manager of a model that is not known"
    plain = model.has_plain_managers or name == "_base_manager"
    return None if plain else f"`{name}` of {model.label} is a manager of the project"


def possible_columns(state: ProjectState, model: ModelState) -> tuple[FieldState, ...] | Unknown:
    """The fields of the model and its parents, without those that certainly have no column.

    A field whose class is not Django's own may or may not have one: its ``has_column`` says.
    """
    parents = state.parents(model)
    if isinstance(parents, Unknown):
        return parents
    fields = (field for each in (*parents, model) for field in each.fields)
    return tuple({f.name: f for f in fields if f.has_column is not False}.values())


def all_fields(state: ProjectState, key: ModelKey) -> tuple[FieldState, ...]:
    model = state.model(*key)
    if isinstance(model, Unknown):
        return ()
    parents = state.parents(model)
    inherited = () if isinstance(parents, Unknown) else parents
    return tuple(field for each in (*inherited, model) for field in each.fields)


def accessor(model: ModelState, field: FieldState) -> str | None:
    """The name of the manager that the relation puts on its target; None for one-to-ones."""
    if field.kind not in {"ForeignKey", "ManyToManyField"}:
        return None
    name = field.options.get("related_name", f"{model.name.lower()}_set")
    if not isinstance(name, str) or name.endswith("+"):
        return None
    return name.replace("%(class)s", model.name.lower()).replace("%(app_label)s", model.app_label)
