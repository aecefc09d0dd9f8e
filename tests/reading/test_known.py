"""The functions that are taken to have no effect are there under the names by which they are known."""

from __future__ import annotations

from functools import reduce
from importlib import import_module

import pytest

from migfix.reading.kinds import known

# Of newer or older versions of Python and Django than those that the tests may run on.
NOT_EVERYWHERE = {
    "itertools.batched", "datetime.datetime.utcnow", "datetime.datetime.utcfromtimestamp",
    "django.utils.timezone.utc", "itertools.pairwise", "django.utils.crypto.pbkdf2",
}  # fmt: skip
PACKAGES = {"slugify", "unidecode", "pytz", "dateutil"}
OWN = sorted(
    path
    for path in known._PURE | known._HANDING_ON
    if path not in NOT_EVERYWHERE and path.partition(".")[0] not in PACKAGES
)


def is_there(path: str) -> bool:
    names = path.split(".")
    for end in range(len(names) - 1, 0, -1):
        try:
            return reduce(getattr, names[end:], import_module(".".join(names[:end]))) is not None
        except ModuleNotFoundError:
            continue
        except AttributeError:
            return False
    return False


def test_each_is_there():
    assert [path for path in OWN if not is_there(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        "django.db.models.prefetch_related_objects",
        "django.db.models.Manager",
        "django.forms.models.model_to_dict",
        "django.utils.module_loading.import_string",
        "django.apps.apps.get_model",
        "operator.methodcaller",
        "re",
        "shop.re.sub",
    ],
)
def test_what_may_do_anything_is_not_known(path):
    assert not known.is_pure(path)
    assert not known.hands_on(path)


@pytest.mark.parametrize("path", ["itertools.chain", "copy.copy", "functools.partial"])
def test_what_holds_on_to_what_it_is_given(path):
    assert known.puts_off(path)
    assert known.hands_on(path)
    assert not known.is_pure(path)
