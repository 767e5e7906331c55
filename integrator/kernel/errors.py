"""
This module names the ways an integration fails.

Connectors raise these and nothing else. They say what happened; what to do
about it is decided in one place, `flows.engine.policy`.
"""

from __future__ import annotations

from datetime import datetime


class IntegrationError(Exception):
    """The other system did not do what the flow asked."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        field: str = "",
        request_id: str = "",
        resets_at: datetime | None = None,
        system: str = "",
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code  # the other system's own code, such as UNABLE_TO_LOCK_ROW or card_declined
        self.field = field  # the field that was at fault, where one was named
        self.request_id = request_id
        self.resets_at = resets_at  # when it may work again, where the other system said so
        self.system = system  # which system it was: the gateway fills it in
        self.http_status = http_status  # of the answer, where there was one; a record of a batch has 400


class Transient(IntegrationError):
    """It may well work later: a timeout, a 503, a locked row."""


class RateLimited(IntegrationError):
    """The API budget is spent until `resets_at`."""


class Unauthorized(IntegrationError):
    """The credential was refused even after a refresh."""


class Forbidden(IntegrationError):
    """The credential is good, but one permission is missing."""


class Misdirected(IntegrationError):
    """The credential leads to another account, mode or org than the one this connection is pinned to."""


class Refused(IntegrationError):
    """The request was understood and rejected: a validation rule, a bad value."""


class Declined(IntegrationError):
    """The bank said no. This is an answer, not a fault."""


class Ambiguous(IntegrationError):
    """
    Several records fit and a person has to choose.

    `records` are those that were named, each as object and id; `may_save` says that the other side would take
    the record all the same, if it is told to.
    """

    records: tuple[tuple[str, str], ...] = ()
    may_save: bool = False


class Missing(IntegrationError):
    """The record is not there, or no longer."""


class Uncertain(IntegrationError):
    """It may have happened: the answer was lost. Look before doing it again."""
