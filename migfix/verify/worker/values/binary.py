"""UUIDs, bytes and addresses that bite, and how a field takes one."""

from __future__ import annotations

import ipaddress
from uuid import UUID

from migfix.verify.worker.values.setting import Field, Setting
from migfix.verify.worker.values.texts import encodable


def uuids_for(field: Field, setting: Setting) -> list[object]:
    drawn = [UUID(int=setting.random.getrandbits(128), version=4) for _ in range(6)]
    return [UUID(int=0), UUID(int=2**128 - 1), *drawn]


def fit_uuid(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            return None
    return value if isinstance(value, UUID) else None


def bytes_for(field: Field, setting: Setting) -> list[object]:
    values = [b"", b"\x00", b"\x00\xff", b"text", b"TEXT", "é".encode(), b"%s", b"'"]
    values += [b"\x00\x01\xfe" * 500] if setting.wild else []
    return [value for value in values if field.max_length is None or len(value) <= field.max_length]


def fit_bytes(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str) and encodable(value) is not None:
        value = value.encode()
    longest = field.max_length
    return (
        value if isinstance(value, bytes) and (longest is None or len(value) <= longest) else None
    )


def addresses_for(field: Field, setting: Setting) -> list[object]:
    values = ["127.0.0.1", "10.0.0.9", "10.0.0.10", "255.255.255.255", "::1", "2001:db8::1"]
    return [value for value in values if fit_address(field, setting, value)]


def fit_address(field: Field, setting: Setting, value: object) -> object | None:
    try:
        version = ipaddress.ip_address(value).version if isinstance(value, str) else 0
    except ValueError:
        return None
    protocol = getattr(field, "protocol", "ipv4").lower()
    return value if version and protocol in ("both", f"ipv{version}") else None
