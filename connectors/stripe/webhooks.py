"""This module verifies and reads what Stripe posts: the signature, the envelope and the whole payload."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

# Stripe's libraries refuse what is older than this and accept any time in the future. We do not: a clock
# that is ahead is as wrong as one that is behind (https://docs.stripe.com/webhooks#verify-manually).
TOLERANCE = 300  # seconds

_LONGEST_HEADER = 4096  # a header of Stripe's has about 140 bytes, twice that while a secret is rolled
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_ID = re.compile(r"[A-Za-z0-9_.]{1,255}")
# Types of the second API name a part in brackets, as in v2.core.account[requirements].updated.
_THIN_TYPE = re.compile(r"[A-Za-z0-9_.\[\]]{1,255}")
_LONGEST_ID = 255
_LONGEST_VERSION = 40
_LATEST = 253_402_300_799  # the last second of the year 9999, where Python's calendar ends

_LARGEST_EXPONENT = 400  # well above any amount; written out, 1e999999999 would fill the memory

_BOM = b"\xef\xbb\xbf"
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")
# The escapes that may stand for one of the above; bodies without them need no second look.
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class BadSignature(Exception):
    """The delivery cannot be proved to come from Stripe. `reason` is for counters, never for the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body, perhaps correctly signed, that says nothing we understand. It is kept, never refused."""

    reason: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """What intake has to know of an event; everything else stays in the raw body."""

    id: str
    type: str
    account: str = ""
    livemode: bool | None = None
    api_version: str = ""
    created: datetime | None = None
    object_type: str = ""
    object_id: str = ""
    thin: bool = False


def verify(*, header: bytes, body: bytes, secrets: Sequence[bytes], now: float) -> int:
    """
    Return which of `secrets` signed `body`, as its position.

    Only scheme v1 counts, and any of several v1 entries will do, since Stripe sends one for each
    active secret. Every refusal costs the same work, so that its time tells nothing
    (https://docs.stripe.com/webhooks#verify-manually).

    :raises BadSignature: if the header is malformed, no secret fits or the time is too far from `now`
    """
    stamp, signatures = _parse(header)
    signed_by = _signer(stamp, body, signatures or [b""], secrets)
    if not header:
        raise BadSignature("no signature")
    if not stamp or not signatures:
        raise BadSignature("malformed signature")
    if signed_by is None:
        raise BadSignature("wrong signature")
    age = now - int(stamp)
    if age > TOLERANCE:
        raise BadSignature("timestamp too old")
    if age < -TOLERANCE:
        raise BadSignature("timestamp in the future")
    return signed_by


def _signer(stamp: bytes, body: bytes, signatures: Sequence[bytes], secrets: Sequence[bytes]) -> int | None:
    """Return the position of the secret that made one of `signatures`; every secret is tried, always."""
    found: int | None = None
    for position, secret in enumerate(secrets):
        expected = hmac.digest(secret, b"%b.%b" % (stamp, body), hashlib.sha256).hex().encode()
        for signature in signatures:
            if hmac.compare_digest(expected, signature) and found is None:
                found = position
    return found


def _parse(header: bytes) -> tuple[bytes, list[bytes]]:
    """Return the timestamp (empty if there is not exactly one) and the v1 signatures of a header."""
    stamps: list[bytes] = []
    signatures: list[bytes] = []
    if len(header) <= _LONGEST_HEADER:
        for entry in header.split(b","):
            scheme, _, value = entry.strip().partition(b"=")
            if scheme == b"t":
                stamps.append(value)
            elif scheme == b"v1":
                signatures.append(value)
    if len(stamps) != 1 or _TIMESTAMP.fullmatch(stamps[0]) is None:
        return b"", signatures
    return stamps[0], signatures


def payload(body: bytes) -> dict[str, Any] | Unreadable:
    """
    Return the JSON object in `body`, or why there is none. It never raises, whatever the body.

    Fractions are `Decimal`. NUL characters and lone surrogates, which no database column takes, become
    U+FFFD. NaN, endless nesting, numbers of thousands of digits and broken UTF-8 are unreadable. Of a key
    that stands twice the last one counts, as in every common parser.
    """
    plain = body.removeprefix(_BOM)
    try:
        if _SUSPICIOUS.search(plain) is None:
            found = _DECODER.decode(plain)
        else:
            # msgspec does not read a lone surrogate; the standard library does.
            found = _without_unprintables(
                json.loads(plain.decode(), parse_float=_fraction, parse_constant=_no_such_constant)
            )
    except RecursionError:  # not a ValueError, and raised by both parsers
        return Unreadable("The JSON is nested too deeply.")
    except UnicodeDecodeError:
        return Unreadable("The body is not UTF-8 text.")
    except (ValueError, InvalidOperation) as failure:  # msgspec's errors are ValueErrors
        return Unreadable(f"The body is not JSON: {failure}"[:200])
    if not isinstance(found, dict):
        return Unreadable("The body is JSON, but not an object.")
    return found


def _no_such_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _fraction(digits: str) -> Decimal:
    number = Decimal(digits)
    if number and abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError("a number is out of range")
    return number


_DECODER = msgspec.json.Decoder(float_hook=_fraction)


def _without_unprintables(value: Any) -> Any:
    match value:
        case str():
            return _UNPRINTABLE.sub("\ufffd", value)
        case dict():
            return {_without_unprintables(key): _without_unprintables(item) for key, item in value.items()}
        case list():
            return [_without_unprintables(item) for item in value]
        case _:
            return value


def read(body: bytes) -> Envelope | Unreadable:
    """
    Return the envelope of an event, or why it cannot be read. It never raises, whatever the body.

    Both snapshot events and thin ones (`v2.core.event`) are read; every id must be made of letters,
    digits, dots and underscores, but for that of the object, which a merchant may have chosen (https://docs.stripe.com/api/events/object,
    https://docs.stripe.com/api/v2/core/events/object).
    """
    found = payload(body)
    return found if isinstance(found, Unreadable) else envelope(found)


def envelope(found: Mapping[str, Any]) -> Envelope | Unreadable:
    """Return the envelope of an event that was parsed by `payload`, or why it is none; see `read`."""
    try:
        kind = found.get("object", "event")
        if kind == "event":
            return _snapshot(found)
        if kind == "v2.core.event":
            return _thin(found)
    except _Strange as failure:
        return Unreadable(str(failure))
    return Unreadable("The body is not an event.")


class _Strange(Exception):
    """A field of the envelope is not what it must be."""


def _snapshot(event: Mapping[str, Any]) -> Envelope:
    data = event.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    if not isinstance(subject, dict):
        raise _Strange("The event carries no object.")
    return Envelope(
        id=_identifier(event, "id"),
        type=_identifier(event, "type"),
        account=_identifier(event, "account", optional=True),
        livemode=_switch(event, "livemode"),
        api_version=_version(event),
        created=_moment(event.get("created")),
        object_type=_identifier(subject, "object", optional=True),
        object_id=_subject_id(subject),
    )


def _thin(event: Mapping[str, Any]) -> Envelope:
    subject = event.get("related_object")
    if subject is not None and not isinstance(subject, dict):
        raise _Strange("The event's related object is not an object.")
    own = _identifier(event, "id")
    return Envelope(
        # One that has a snapshot twin goes by the twin's id: whichever comes first is the event, and the list
        # of events, which names the twins, brings nothing new.
        id=_identifier(event, "snapshot_event", optional=True) or own,
        type=_identifier(event, "type", pattern=_THIN_TYPE),
        account=_identifier(event, "context", optional=True),
        livemode=_switch(event, "livemode"),
        created=_moment(event.get("created")),
        object_type=_identifier(subject or {}, "type", optional=True),
        object_id=_subject_id(subject or {}),
        thin=True,
    )


def _identifier(
    fields: Mapping[str, Any], name: str, *, optional: bool = False, pattern: re.Pattern[str] = _ID
) -> str:
    value = fields.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise _Strange(f"The {name} of the event or its object is missing or no identifier.")
    return value


def _subject_id(subject: Mapping[str, Any]) -> str:
    """Return the id of the event's object; a balance has none, and merchants choose those of products."""
    value = subject.get("id")
    if value is None:
        return ""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        raise _Strange("The id of the event's object is no identifier.")
    return value


def _version(event: Mapping[str, Any]) -> str:
    value = event.get("api_version")
    if value is None:
        return ""
    # A version is a date with a name, 2026-10-28.endive: the one field with hyphens.
    if (
        not isinstance(value, str)
        or len(value) > _LONGEST_VERSION
        or not _ID.fullmatch(value.replace("-", ""))
    ):
        raise _Strange("The API version of the event is no version.")
    return value


def _switch(event: Mapping[str, Any], name: str) -> bool | None:
    value = event.get(name)
    if value is not None and not isinstance(value, bool):
        raise _Strange(f"The {name} of the event is neither true nor false.")
    return value


def _moment(value: object) -> datetime | None:
    """Return the sender's time in whole seconds: Unix seconds in snapshots, ISO 8601 in thin events."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise _Strange("The time of the event has no time zone.")
            return moment.astimezone(UTC).replace(microsecond=0)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LATEST:
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError):
        pass
    raise _Strange("The time of the event is no time.")
