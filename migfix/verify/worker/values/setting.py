"""What a value depends on besides its field."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from migfix.verify.worker.values.constants import Constants

Field = Any  # that of Django, or a class of the project's that says it is one

REFUSED = (DatabaseError, ValidationError, TypeError, ValueError, ArithmeticError, AttributeError)


@dataclass(frozen=True)
class Setting:
    """What values depend on besides their field. `wild` lets in those that make ordinary code raise."""

    connection: BaseDatabaseWrapper
    constants: Constants
    random: random.Random
    wild: bool
