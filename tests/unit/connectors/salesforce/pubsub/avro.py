"""
This module writes Avro and bitmaps by hand, so that what reads them is judged by another hand.

Source: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

HEADER = [
    ("entityName", "string"),
    ("recordIds", "names"),
    ("changeType", "change"),
    ("changeOrigin", "string"),
    ("transactionKey", "string"),
    ("sequenceNumber", "int"),
    ("commitTimestamp", "long"),
    ("commitNumber", "long"),
    ("commitUser", "string"),
    ("nulledFields", "names"),
    ("diffFields", "names"),
    ("changedFields", "names"),
]
CHANGES = ["CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE",
           "GAP_OVERFLOW"]  # fmt: skip
_NAMES = {"type": "array", "items": "string"}
_TYPES: dict[str, Any] = {
    "names": _NAMES,
    "change": {"type": "enum", "name": "ChangeType", "symbols": CHANGES},
}


def schema(name: str, fields: Mapping[str, str | list[str]], docs: Mapping[str, str] | None = None) -> Any:
    """Return the schema of a change event; a field that is a list of names is a compound one of texts."""
    described: list[Any] = [
        {
            "name": "ChangeEventHeader",
            "type": {
                "type": "record",
                "name": "ChangeEventHeader",
                "fields": [{"name": part, "type": _TYPES.get(kind, kind)} for part, kind in HEADER],
            },
        }
    ]
    for field, kind in fields.items():
        type_: Any = kind
        if isinstance(kind, list):
            parts = [{"name": part, "type": ["null", "string"]} for part in kind]
            type_ = {"type": "record", "name": f"{field}_of", "fields": parts}
        doc = {"doc": docs[field]} if docs and field in docs else {}
        described.append({"name": field, "type": ["null", type_], **doc})
    return {"type": "record", "name": name, "namespace": "com.sforce.eventbus", "fields": described}


def payload(
    fields: Mapping[str, str | list[str]], header: Mapping[str, Any], values: Mapping[str, Any]
) -> bytes:
    """Return a change event of that schema."""
    usual = {
        "entityName": "Account", "recordIds": ["001000000000001AAA"], "changeType": "UPDATE",
        "changeOrigin": "", "transactionKey": "t", "sequenceNumber": 1, "commitTimestamp": 1_764_072_000_000,
        "commitNumber": 7, "commitUser": "005000000000001AAA", "nulledFields": [], "diffFields": [],
        "changedFields": [],
    } | dict(header)  # fmt: skip
    written = b"".join(_written(kind, usual[part]) for part, kind in HEADER)
    for field, kind in fields.items():
        value = values.get(field)
        if value is None:
            written += _number(0)
        elif isinstance(kind, list):
            written += _number(1) + b"".join(
                _number(0) if value.get(part) is None else _number(1) + _written("string", value[part])
                for part in kind
            )
        else:
            written += _number(1) + _written(kind, value)
    return written


def bitmap(places: Iterable[int], *, of: int | None = None) -> str:
    """Return the bits of `places` in hexadecimal, written sign by sign; `of` is a compound field's place."""
    wanted = set(places)
    signs = ["1" if place in wanted else "0" for place in range(max(wanted, default=0) + 1)]
    binary = "".join(reversed(signs)).rjust((len(signs) + 3) // 4 * 4, "0")
    digits = "".join("0123456789ABCDEF"[int(binary[at : at + 4], 2)] for at in range(0, len(binary), 4))
    return ("" if of is None else f"{of}-") + "0x" + digits


def _written(kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            text = value.encode()
            return _number(len(text)) + text
        case "int" | "long":
            return _number(value)
        case "double":
            return struct.pack("<d", value)
        case "boolean":
            return b"\1" if value else b"\0"
        case "change":
            return _number(CHANGES.index(value))
        case "names":
            items = b"".join(_written("string", item) for item in value)
            return (_number(len(value)) + items if value else b"") + _number(0)
    raise AssertionError(kind)


def _number(value: int) -> bytes:
    zigzag = (value << 1) ^ (value >> 63)
    signs = bytearray()
    while zigzag > 0x7F:
        signs.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    signs.append(zigzag)
    return bytes(signs)
