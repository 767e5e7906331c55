"""This module tells what a Stripe value is, and how well that fits the type of a Salesforce field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from flows.mapping.fields import SObjField, SrcField
from flows.mapping.suggest.vocabulary import vocabulary
from integrator.kernel.money import CURRENCIES

Kind = Literal[
    "money",
    "time",
    "currency",
    "id",
    "enum",
    "boolean",
    "integer",
    "number",
    "email",
    "url",
    "phone",
    "country",
    "name",
    "long_text",
    "text",
    "object",
    "list",
    "date",
]

# What types may be called by whoever read the schema.
_TYPES: dict[str, Kind] = {
    "amount": "money",
    "money": "money",
    "minor_units": "money",
    "timestamp": "time",
    "unix": "time",
    "unix_time": "time",
    "unixtime": "time",
    "epoch": "time",
    "unix-time": "time",
    "currency": "currency",
    "currency_code": "currency",
    "id": "id",
    "expandable": "id",
    "reference": "id",
    "enum": "enum",
    "picklist": "enum",
    "literal": "enum",
    "boolean": "boolean",
    "bool": "boolean",
    "number": "number",
    "float": "number",
    "decimal": "number",
    "double": "number",
    "percent": "number",
    "object": "object",
    "map": "object",
    "dict": "object",
    "hash": "object",
    "metadata": "object",
    "json": "object",
    "list": "list",
    "array": "list",
    "email": "email",
    "url": "url",
    "uri": "url",
    "phone": "phone",
    "date": "date",
    "datetime": "date",
}
_WHOLE = frozenset({"integer", "int", "long", "int64"})

_TIME = re.compile(
    r"^(created|updated|due_by|redeem_by|start|end|next_payment_attempt)$"
    r"|_(at|date|on|end|start|until|anchor)$"
)
_MONEY = re.compile(
    r"(^|_)(amount|amounts|fee|fees|net|gross|total|subtotal|balance|price|tax|cost|refunded)(_|$)"
)
_NO_MONEY = re.compile(r"_(count|months|percent|id|month|year|score|days|decimal|rate)$|^(count|quantity)")
_LONG = frozenset({"description", "message", "comment", "footer", "memo", "text", "note", "notes", "header"})
_BY_NAME: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"^(default_|presentment_|settlement_)?currency$"), "currency"),
    (re.compile(r"(^|_)email(_address)?$"), "email"),
    (re.compile(r"(^|_)(url|uri|pdf|website|link|images?)$"), "url"),
    (re.compile(r"(^|_)phone(_number)?$"), "phone"),
    (re.compile(r"(^|_)country$"), "country"),
    (re.compile(r"^(id|.*_id|.*_guid)$"), "id"),
    (re.compile(r"^(name|.*_name|nickname)$"), "name"),
)
_BY_SAMPLE: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"), "email"),
    (re.compile(r"https?://\S+"), "url"),
    # Behind the prefix of an id stand digits or capitals; `charge_automatically` is a word.
    (re.compile(r"[a-z]{2,8}_(?=[A-Za-z_]*[0-9A-Z])[A-Za-z0-9_]{6,}"), "id"),
    (re.compile(r"\+\d[\d ()./-]{6,}"), "phone"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ].*)?"), "date"),
)

# How well a kind fits a type of field: 1 fits as it is or by a usual change, 0 cannot be.
FITS: dict[Kind, dict[str, float]] = {
    "money": {"currency": 1, "double": 0.9, "int": 0.35, "long": 0.35, "percent": 0.05, "string": 0.4},
    "time": {"datetime": 1, "date": 0.97, "string": 0.35, "time": 0.2, "double": 0.15, "int": 0.15},
    "currency": {"picklist": 1, "string": 1, "combobox": 0.8, "textarea": 0.3},
    "id": {
        "string": 1,
        "reference": 0.97,
        "textarea": 0.35,
        "encryptedstring": 0.6,
        "url": 0.1,
        "picklist": 0.1,
    },
    "enum": {
        "picklist": 1,
        "string": 0.9,
        "combobox": 0.9,
        "multipicklist": 0.7,
        "textarea": 0.5,
        "boolean": 0.25,
    },
    "boolean": {"boolean": 1, "picklist": 0.45, "string": 0.35},
    "integer": {
        "int": 1,
        "double": 1,
        "long": 1,
        "percent": 0.5,
        "currency": 0.35,
        "string": 0.6,
        "picklist": 0.3,
    },
    "number": {"double": 1, "percent": 1, "currency": 0.55, "int": 0.5, "string": 0.5},
    "email": {"email": 1, "string": 0.85, "textarea": 0.4, "reference": 0.1},
    "url": {"url": 1, "string": 0.85, "textarea": 0.6},
    "phone": {"phone": 1, "string": 0.85, "textarea": 0.3},
    "country": {"string": 1, "picklist": 0.95, "textarea": 0.3},
    "name": {"string": 1, "textarea": 0.7, "combobox": 0.8, "picklist": 0.4, "reference": 0.3},
    "long_text": {"textarea": 1, "string": 0.97, "combobox": 0.7, "picklist": 0.25},
    "text": {
        "string": 1,
        "textarea": 0.95,
        "picklist": 0.85,
        "combobox": 0.9,
        "multipicklist": 0.5,
        "url": 0.6,
        "phone": 0.6,
        "email": 0.5,
        "reference": 0.5,
        "encryptedstring": 0.7,
        "int": 0.6,
        "double": 0.3,
        "date": 0.2,
        "datetime": 0.2,
    },
    "object": {"textarea": 1, "string": 0.4, "address": 0.5},
    "list": {
        "multipicklist": 0.95,
        "string": 0.85,
        "textarea": 0.8,
        "picklist": 0.7,
        "url": 0.7,
        "reference": 0.4,
    },
    "date": {"date": 1, "datetime": 0.97, "string": 0.5},
}


# Types of fields that tell something by themselves: few fields of an object have them.
TELLING: dict[Kind, tuple[str, ...]] = {
    "money": ("currency",),
    "time": ("date", "datetime"),
    "boolean": ("boolean",),
    "email": ("email",),
    "url": ("url",),
    "phone": ("phone",),
}


def kind_of(source: SrcField, names: list[str]) -> Kind:
    """Return what the value at `source` is; `names` are those in its path."""
    leaf = names[-1].lower() if names else ""
    told = source.type.strip().lower()
    known = _TYPES.get(told)
    if told in _WHOLE or known == "number":
        # What an earlier step gives is no minor unit and no Unix time, whatever it is called.
        whole = "integer" if names[0] == "steps" else _whole(leaf, source)
        return "number" if known == "number" and whole == "integer" else whole
    if known == "id" or known in ("enum", "boolean") or (known and known not in ("object", "number")):
        return known
    if source.values:
        return "enum"
    if known == "object" and leaf in vocabulary().objects:
        return "id"
    return known or _of_text(leaf, source)


def fit(kind: Kind, target: SObjField) -> float:
    """Return how well `kind` fits the type of `target`, 0 to 1."""
    found = FITS[kind].get(target.type.lower(), 0.0)
    short = target.type == "string" and target.length > 0
    if short and kind == "currency" and target.length > 40:
        return found * 0.9
    if short and kind in ("url", "long_text") and target.length < 40:
        return found * 0.7
    return found


def _whole(leaf: str, source: SrcField) -> Kind:
    desc = source.desc.lower()
    if "epoch" in desc or _TIME.search(leaf):
        return "time"
    if "smallest currency unit" in desc or "in cents" in desc or "minor unit" in desc:
        return "money"
    if _MONEY.search(leaf) and not _NO_MONEY.search(leaf):
        return "money"
    moments = [one for one in source.samples if type(one) is int and 1_000_000_000 <= one < 4_000_000_000]
    return "time" if moments and not leaf.endswith(("number", "id", "phone")) else "integer"


def _of_text(leaf: str, source: SrcField) -> Kind:
    if leaf in vocabulary().objects:
        return "id"
    if "epoch" in source.desc.lower():
        return "time"
    for pattern, kind in _BY_NAME:
        if pattern.search(leaf):
            return kind
    return _of_samples(source.samples) or ("long_text" if _LONG & set(leaf.split("_")) else "text")


def _of_samples(samples: tuple[Any, ...]) -> Kind | None:
    """Return what every one of `samples` looks like."""
    told = [one for one in samples if one is not None and one != ""]
    if not told:
        return None
    if all(isinstance(one, bool) for one in told):
        return "boolean"
    if all(isinstance(one, list) for one in told):
        return "list"
    if all(isinstance(one, Mapping) for one in told):
        return "object"
    texts = [one.strip()[:300] for one in told if isinstance(one, str)]
    if len(texts) < len(told):
        return "number" if all(isinstance(one, int | float) for one in told) else None
    for pattern, kind in _BY_SAMPLE:
        if all(pattern.fullmatch(text) for text in texts):
            return kind
    return "currency" if all(text.upper() in CURRENCIES for text in texts) else None
