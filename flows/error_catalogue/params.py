"""
This module finds in a message what a person, or a fix, needs to know: the field, the length, the record.

Every pattern is linear in a message that was cut before. What is found is text from outside: secrets in it
are masked, and whoever shows it escapes it.
"""

from __future__ import annotations

import re

from integrator.kernel.redact import redact_text
from integrator.kernel.texts import storable

LONGEST = 255
_ID = r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?"
_PARENT = re.compile(
    r"foreign key external id: (?P<external_id>.{1,255}?) not found for field (?P<external_id_field>\w{1,80})"
    r" in entity (?P<object>\w{1,80})",
    re.IGNORECASE,
)
_REQUIRED = re.compile(r"required fields are missing: \[(?P<field>\w{1,80})", re.IGNORECASE)
_TOO_LONG = re.compile(r"\(max length=(?P<max_length>\d{1,7})\)|at most (?P<at_most>\d{1,7}) characters")
_DUPLICATE = re.compile(
    rf"duplicate value found: (?P<field>\w{{1,80}}) duplicates.{{1,40}}id: ?(?P<record_id>{_ID})\b"
)
_MISSING = re.compile(r"no such (?P<object>[a-z_ ]{1,40}): '?(?P<record_id>[\w-]{1,255})", re.IGNORECASE)
_MODE = re.compile(r"similar object exists in (?P<other_mode>live|test) mode")

_PARAMETER = re.compile(
    r"(?:missing required param|received unknown parameters?): (?P<field>[\w\[\].-]{1,80}?)(?=[.,]?(?:\s|$))",
    re.IGNORECASE,
)

_BAD_VALUE = re.compile(r"^(?P<label>[^:\n]{1,80}): bad value for")

# What is looked for under a code; under no code, or an unknown one, all of it is.
PATTERNS: dict[str, tuple[re.Pattern[str], ...]] = {
    "STRING_TOO_LONG": (_TOO_LONG, re.compile(r"^(?P<label>[^:\n]{1,80}): data value too large")),
    "INVALID_MULTISELECT_PICKLIST_VALUE": (_BAD_VALUE,),
    "parameter_invalid_string": (_TOO_LONG,),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (
        re.compile(r"restricted picklist field: (?P<value>[^\n]{1,255})"),
        _BAD_VALUE,
    ),
    "REQUIRED_FIELD_MISSING": (_REQUIRED,),
    "DUPLICATE_VALUE": (_DUPLICATE,),
    "DUPLICATES_DETECTED": (re.compile(rf"looks like (?P<object>\w{{1,80}}) (?P<record_id>{_ID})\b"),),
    "HTTP_300": (
        re.compile(
            r"records of (?P<object>\w{1,80}) have the (?P<field>\w{1,80}) "
            rf"(?P<external_id>.{{1,255}}?): (?P<record_id>{_ID})\b"
        ),
    ),
    "INVALID_FIELD": (
        _PARENT,
        re.compile(
            r"no such column '(?P<field>[\w.]{1,80})' on (?:entity|sobject of type) '?(?P<object>\w{1,80})",
            re.IGNORECASE,
        ),
    ),
    "INVALID_TYPE": (re.compile(r"object type '(?P<object>\w{1,80})' is not supported", re.IGNORECASE),),
    "INVALID_CROSS_REFERENCE_KEY": (re.compile(rf"\b(?P<record_id>{_ID})\b"),),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": (
        re.compile(rf"cross-reference id(?: ?[\w ]{{1,40}})?: ?(?P<record_id>{_ID})\b"),
    ),
    "MALFORMED_ID": (re.compile(r"(?:incorrect type: ?|malformed id:? )(?P<value>\S{1,80})"),),
    "INVALID_EMAIL_ADDRESS": (re.compile(r"invalid email address: ?(?P<value>\S{1,255})"),),
    "JSON_PARSER_ERROR": (
        re.compile(r"deserialize instance of (?P<type>\w{1,40}) from \w{1,40} value (?P<value>[^\n]{1,100})"),
    ),
    "parameter_missing": (_PARAMETER,),
    "parameter_unknown": (_PARAMETER,),
    "resource_missing": (_MODE, _MISSING),
    "amount_too_small": (re.compile(r"at least (?P<minimum>[^.\s]{0,4}[\d.,]{1,20}\d ?\w{0,5})"),),
}
_PERMISSION = re.compile(r"(?P<permission>rak_[a-z_]{1,90})")
_ANY = (_PARENT, _REQUIRED, _PARAMETER, _TOO_LONG, _DUPLICATE, _MODE, _MISSING, _PERMISSION)


def params_of(code: str, message: str, field: str) -> dict[str, str]:
    """Return what `message` names, by what it is. `field`, where the other system named one, stays."""
    found = {"field": field} if field else {}
    for pattern in PATTERNS.get(code, _ANY):
        match = pattern.search(message)
        if match is None:
            continue
        for name, value in match.groupdict().items():
            if value:
                found.setdefault("max_length" if name == "at_most" else name, value.strip())
    return {name: redact_text(storable(value, LONGEST)) for name, value in found.items() if value}
