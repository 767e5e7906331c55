"""This module masks what must never be shown: keys, tokens, private keys and card numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "•••"

# Stripe keys and webhook secrets, our API tokens, Salesforce session ids, access tokens and assertions that
# are JWTs, PEM blocks, bearer headers.
_SECRET = re.compile(
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{4,}"
    r"|whsec_[A-Za-z0-9+/=]{4,}"
    r"|igr_[A-Za-z0-9]{16,}"
    r"|00D[A-Za-z0-9]{12,15}![A-Za-z0-9._-]{8,}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/=!-]{8,}",
    re.DOTALL,
)
_CARD = re.compile(r"(?<![\dA-Za-z_.])(?:\d[ -]?){12,18}\d(?![\dA-Za-z_.])")
# Name and password within the address of a database, a Redis or a mail server.
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/?#@:]*:[^\s/?#@]+(?=@)")
_NAMES = frozenset(
    {
        "password", "secret", "secret_key", "private_key", "api_key", "access_token", "token", "assertion",
        "authorization", "webhook_secret", "client_secret", "cookie", "set-cookie",
    }
)  # fmt: skip


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _mask_card(match: re.Match[str]) -> str:
    digits = re.sub(r"[ -]", "", match.group())
    return MASK if _passes_luhn(digits) else match.group()


def redact_text(text: str) -> str:
    """Return `text` with every secret and card number in it masked."""
    if "://" in text:
        text = _IN_ADDRESS.sub(MASK, text)
    return _CARD.sub(_mask_card, _SECRET.sub(MASK, text))


def redact(value: Any) -> Any:
    """
    Return a copy of `value` with secrets masked, at any depth of dicts, lists and tuples.

    A value under a name such as `private_key` is masked whatever it looks like.
    """
    match value:
        case str():
            return redact_text(value)
        case Mapping():
            return {
                key: MASK if str(key).lower() in _NAMES and item not in (None, "") else redact(item)
                for key, item in value.items()
            }
        case list():
            return [redact(item) for item in value]
        case tuple():
            return tuple(redact(item) for item in value)
        case bytes():
            return redact_text(value.decode("utf-8", "replace"))
        case _:
            return value
