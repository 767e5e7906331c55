"""This module keeps what was read while a flow was tried, so that it comes to the same another time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.stripe import webhooks
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError, Missing

LARGEST = 1_000_000  # bytes of what one trial reads that are kept

# Decimals are written as numbers, so that they are Decimals when they are read again.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_MISSING = "!missing"  # no answer has such a field


class TooMuch(ValueError):
    """More was read than is kept."""


class Tape:
    """Answers by what was asked for. `None` is what is not known; an absence that is known is `Missing`."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self._answers: dict[str, Any] = dict(answers or {})

    def known(self, *asked: Any) -> Any:
        """Return what the answer was, `Missing` included, or None."""
        found = self._answers.get(_key(asked))
        if isinstance(found, dict) and _MISSING in found:
            return Missing(str(found[_MISSING]))
        return found

    def keep(self, answer: Any, *asked: Any) -> None:
        """Keep an answer. Failures other than an absence are not kept: another time it may work."""
        if isinstance(answer, Missing):
            self._answers[_key(asked)] = {_MISSING: str(answer)}
        elif not isinstance(answer, IntegrationError):
            self._answers[_key(asked)] = answer

    def over(self, other: Tape) -> Tape:
        """Return a tape that knows what either knows, this one first."""
        return Tape({**other._answers, **self._answers})

    def as_data(self) -> dict[str, Any]:
        """Return the answers by their keys."""
        return dict(self._answers)


def dumps(value: Any) -> bytes:
    """
    Return `value` as JSON whose numbers are exact.

    :raises TooMuch: if it is more than is kept
    """
    written = _ENCODER.encode(value)
    if len(written) > LARGEST:
        raise TooMuch(f"It comes to {len(written):,} bytes; {LARGEST:,} are kept at most.")
    return written


def loads(raw: bytes) -> dict[str, Any]:
    """
    Return what `dumps` wrote.

    :raises ValueError: if it was not written by it
    """
    found = webhooks.payload(raw)
    if isinstance(found, webhooks.Unreadable):
        raise ValueError(found.reason)
    return found


def _key(asked: tuple[Any, ...]) -> str:
    return canonical.fingerprint(list(asked))
