"""The same clock, identifiers and random numbers in every run of a migration.

The clock moves a second each time that it is asked, so that a loop which stamps each row differs from
one statement that stamps them all.
"""

from __future__ import annotations

import datetime
import functools
import os
import random
import time
import uuid
from typing import Any
from unittest import mock

from django.conf import settings
from django.db.models import DateField, DateTimeField, Model, TimeField, Value
from django.db.models.functions import Now
from django.utils import timezone

_START = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)


class _Clock:
    """Ticks when it is asked. ``save()`` may ask twice for one row (Django 6.0): that is one tick."""

    def __init__(self) -> None:
        self.ticks = self.seconds = 0
        self.saving: object = None
        self.saved: object = None

    def now(self) -> datetime.datetime:
        if self.saving is None or self.saving is not self.saved:
            self.ticks += 1
        self.saved = self.saving
        return _START + datetime.timedelta(seconds=self.ticks)

    def now_of_django(self) -> datetime.datetime:
        return _as_stored(self.now())

    def time(self) -> float:
        self.seconds += 1
        return _START.timestamp() + self.seconds


def _as_stored(moment: datetime.datetime) -> datetime.datetime:
    return moment if settings.USE_TZ else moment.replace(tzinfo=None)


class _LikeReal(type):
    """Lets values of the real class pass for instances of the one that stands for it."""

    real: type = object

    def __instancecheck__(cls, instance: object) -> bool:
        return issubclass(type(instance), cls)

    def __subclasscheck__(cls, subclass: type) -> bool:
        stands = "real" in vars(cls)
        return issubclass(subclass, cls.real) if stands else super().__subclasscheck__(subclass)


def _standing_for_datetime(clock: _Clock) -> tuple[type, type]:
    real, real_date = datetime.datetime, datetime.date

    class FakeDate(real_date, metaclass=_LikeReal):  # type: ignore[misc, valid-type]
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            kind = real_date if cls is FakeDate else cls  # a package may derive from it
            return real_date.__new__(kind, *args, **kwargs)

        @classmethod
        def today(cls) -> Any:
            return clock.now().date()

    class FakeDateTime(real, metaclass=_LikeReal):  # type: ignore[misc, valid-type]
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            kind = real if cls is FakeDateTime else cls
            return real.__new__(kind, *args, **kwargs)

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            moment = clock.now()
            return moment.astimezone(tz) if tz else moment.replace(tzinfo=None)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now()

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    FakeDate.real, FakeDateTime.real = real_date, real
    return FakeDate, FakeDateTime


class Repeatable:
    """From ``start()``, clocks and random numbers are those of ``restart(seed)``, to the end of the process."""

    def __init__(self) -> None:
        self._clock = _Clock()
        self._numbers = random.Random(0)

    def restart(self, seed: int) -> None:
        self._clock.ticks = self._clock.seconds = 0
        self._numbers.seed(seed)
        random.seed(seed)

    def start(self) -> None:
        clock, numbers, patch = self._clock, self._numbers, mock.patch.object
        date, moment = _standing_for_datetime(clock)
        patches: list[Any] = [
            patch(timezone, "now", clock.now_of_django),
            patch(time, "time", clock.time),
            patch(time, "time_ns", lambda: int(clock.time()) * 10**9),
            *(patch(Now, name, _compiled_now) for name in vars(Now) if name.startswith("as_")),
            patch(Now, "as_sql", _compiled_now),
            patch(datetime, "date", date),
            patch(datetime, "datetime", moment),
            patch(os, "urandom", numbers.randbytes),
            patch(random, "_urandom", numbers.randbytes),
            patch(uuid, "uuid1", uuid.uuid4),
            *(patch(field, "pre_save", _told(clock, field.pre_save)) for field in _STAMPS),
        ]
        for each in patches:
            each.start()


_STAMPS = (DateField, DateTimeField, TimeField)


def _compiled_now(expression: Now, compiler: Any, connection: Any, **more: Any) -> Any:
    """``Now()`` as a value: the clock of the database is not ours."""
    return compiler.compile(Value(_as_stored(_START), output_field=DateTimeField()))


def _told(clock: _Clock, pre_save: Any) -> Any:
    """``pre_save`` that tells the clock which row is saved."""

    @functools.wraps(pre_save)
    def told(field: Any, instance: Model, add: bool) -> Any:
        clock.saving = instance
        try:
            return pre_save(field, instance, add)
        finally:
            clock.saving = None

    return told
