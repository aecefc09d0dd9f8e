"""What two states must share to be one to those who ask for some of their models."""

from __future__ import annotations

from migfix.history.state import ModelKey, ModelState, ProjectState


def what_matters(
    state: ProjectState,
    labels: frozenset[str],
    keys: frozenset[ModelKey] | None,
    pointing: bool,
) -> tuple[object, ...]:
    """What two states must share to be one to a loop over the models ``keys`` of the apps ``labels``."""
    if keys is None:
        return _of_apps(state, labels)
    matter = _of_models(state, labels, keys)
    if not pointing:
        return matter
    relations = [state.relations_to(each) for each in sorted(keys)]
    return (*matter, [(each.found, each.incomplete) for each in relations])


def _of_apps(state: ProjectState, labels: frozenset[str]) -> tuple[object, ...]:
    models = {key: model for key, model in state.models.items() if key[0] in labels}
    return models, {label: why for label, why in state.unknown_apps.items() if label in labels}


def _of_models(
    state: ProjectState, labels: frozenset[str], keys: frozenset[ModelKey]
) -> tuple[object, ...]:
    """The models ``keys`` with their bases, and the primary keys of what their fields point to."""
    models = [(key, state.models.get(key)) for key in sorted(keys)]
    bases: list[object] = []
    keys_pointed_to: list[object] = []
    for _, model in models:
        if isinstance(model, ModelState):
            bases += [state.models.get(base) for base in model.bases if isinstance(base, tuple)]
            targets = [field.target for field in model.fields if isinstance(field.target, tuple)]
            keys_pointed_to += [_primary_key(state.models.get(target)) for target in targets]
    unknown = {label: why for label, why in state.unknown_apps.items() if label in labels}
    return models, bases, keys_pointed_to, unknown


def _primary_key(model: object) -> object:
    if not isinstance(model, ModelState):
        return model
    return [field for field in model.fields if field.primary_key is not False]


def asked_for(state: ProjectState, keys: frozenset[ModelKey]) -> set[ModelKey]:
    """Every model that ``_of_models`` looks at."""
    found = set(keys)
    for model in map(state.models.get, keys):
        if isinstance(model, ModelState):
            found.update(base for base in model.bases if isinstance(base, tuple))
            found.update(each.target for each in model.fields if isinstance(each.target, tuple))
    return found
