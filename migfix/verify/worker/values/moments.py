"""Dates, times and spans that bite, how a field takes one, and what is near to one."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

from django.conf import settings
from django.utils import timezone as zones

from migfix.verify.worker.values.setting import Field, Setting

_DAYS = (
    *(date(1900, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(1999, 12, 31)),
    *(
        date(2000, 2, 29),
        date(2023, 2, 28),
        date(2024, 2, 29),
        date(2024, 3, 31),
        date(2024, 6, 15),
    ),
    *(date(2024, 12, 31), date(2025, 1, 1)),
    *(date(2024, 12, 30), date(2021, 1, 3)),  # in weeks of another year
)
_FAR_DAYS = (date(1, 1, 1), date(1582, 10, 15), date(9999, 12, 31))
_OFFSETS = (-8, -5, -4, 0, 1, 2, 5.5, 9, 13)  # hours from UTC
_MOMENTS = (
    *(datetime(1900, 1, 1), datetime(1970, 1, 1), datetime(1999, 12, 31, 23, 59, 59)),
    *(datetime(2000, 2, 29, 23, 59, 59, 999999), datetime(2024, 2, 29, 12, 30)),
    datetime(2024, 12, 31, 23, 59, 59, 999),
    # around changes of the clocks in Europe and America, as UTC
    *(datetime(2024, 3, 31, 0, 59, 59), datetime(2024, 3, 31, 1)),
    *(datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 27, 1, 30)),
    *(datetime(2024, 3, 10, 6, 59), datetime(2024, 3, 10, 7)),
    *(datetime(2024, 11, 3, 5, 30), datetime(2024, 11, 3, 6, 30)),
)
_FAR_MOMENTS = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
_TIMES = (
    time(0),
    time(0, 0, 1),
    time(12),
    time(12, 30, 15),
    time(23, 59),
    time(23, 59, 59, 999999),
)
_SPANS = (
    *(timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=90)),
    *(
        timedelta(days=1),
        timedelta(days=-1),
        timedelta(days=-1, microseconds=1),
        timedelta(days=30, hours=5),
    ),
)


def days_for(field: Field, setting: Setting) -> list[object]:
    return [*_DAYS, *(_FAR_DAYS if setting.wild else ())]


def fit_day(field: Field, setting: Setting, value: object) -> object | None:
    moment = _moment_of(value)
    return moment.date() if moment else None


def vary_day(field: Field, setting: Setting, value: date) -> list[object]:
    return [
        value + timedelta(days=days)
        for days in (-365, -1, 1, 365)
        if 365 < value.toordinal() < 3_600_000
    ]


def moments_for(field: Field, setting: Setting) -> list[object]:
    midnights = [datetime(2024, 6, 15) - timedelta(hours=hours) for hours in _OFFSETS]
    before = [midnight - timedelta(microseconds=1) for midnight in midnights[::2]]
    here = zones.make_aware(datetime(2024, 6, 15), zones.get_default_timezone())
    midnights.append(here.astimezone(timezone.utc).replace(tzinfo=None))
    moments = [*_MOMENTS, *midnights, *before, *(_FAR_MOMENTS if setting.wild else ())]
    return [_stored_moment(moment) for moment in moments]


def _stored_moment(moment: datetime) -> datetime:
    if settings.USE_TZ:
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).replace(tzinfo=None) if moment.tzinfo else moment


def _moment_of(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None


def fit_moment(field: Field, setting: Setting, value: object) -> object | None:
    moment = _moment_of(value)
    return _stored_moment(moment) if moment else None


def vary_moment(field: Field, setting: Setting, value: datetime) -> list[object]:
    near = (timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1))
    if not 2 < value.year < 9998:
        return []
    return [value + sign * span for span in near for sign in (-1, 1)]


def times_for(field: Field, setting: Setting) -> list[object]:
    return [*_TIMES]


def fit_time(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            return None
    return value.replace(tzinfo=None) if isinstance(value, time) else None


def spans_for(field: Field, setting: Setting) -> list[object]:
    far = (timedelta(days=100_000), timedelta(days=-100_000)) if setting.wild else ()
    return [*_SPANS, *far]


def fit_span(field: Field, setting: Setting, value: object) -> object | None:
    return value if isinstance(value, timedelta) and abs(value.days) < 10_000_000 else None


def vary_span(field: Field, setting: Setting, value: timedelta) -> list[object]:
    return [value - timedelta(microseconds=1), value + timedelta(microseconds=1), 2 * value, -value]
