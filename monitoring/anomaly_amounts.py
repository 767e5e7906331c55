"""
This module compares each charge with what its customer paid before, in whole minor units of one currency.

Of a customer the logarithms of the last amounts are kept, under a digest of their id: no name, no address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connectors.models import Connection
from flows import payloads
from flows.models import Event
from flows.queries import first_id
from monitoring import shown
from monitoring.anomaly_models import CustomerAmounts
from monitoring.anomaly_sources import floor
from monitoring.detection import Look, score_amount

MOST = 3000  # charges that are looked at in one pass, the newest; their contents have to be opened
CHUNK = 500
KEPT_FOR = timedelta(days=400)


class Paid(NamedTuple):
    """A charge: when, which, by whom (a digest), in which currency, how many minor units."""

    at: datetime
    charge: str
    customer: str
    currency: str
    amount: int


class Far(NamedTuple):
    """An amount far above what its customer pays, and how it looks to the detection."""

    paid: Paid
    look: Look

    @property
    def reason(self) -> str:
        """The sentence that says so."""
        return self.look.reason


def paid(connection: Connection, begins: datetime, until: datetime) -> list[Paid]:
    """Return who paid what through a Stripe connection from `begins` until `until`; the newest `MOST`."""
    return list(_paid(connection, begins, until)) if connection.system == Connection.System.STRIPE else []


def look(
    connection: Connection, paid: list[Paid], *, extra: float
) -> tuple[dict[datetime, Far], list[CustomerAmounts]]:
    """
    Return the most unusual amount of each bin, and what customers have `paid` by now, to be kept.

    It has to be `extra` standard deviations more unusual than by default.
    """
    known = _known(connection, paid)
    found: dict[datetime, Far] = {}
    for one in paid:
        row = known[one.customer, one.currency]
        row.history, score = score_amount(row.history, float(one.amount))
        row.seen_at = one.at
        if not score.unusual or score.z < 5.0 + extra:
            continue
        at = floor(one.at)
        if at not in found or score.z > found[at].look.z:
            found[at] = Far(one, _look(one, score.z, score.usual))
    return found, list(known.values())


def keep(histories: list[CustomerAmounts]) -> None:
    """Keep what customers have paid by now."""
    CustomerAmounts.objects.bulk_create(
        histories,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["connection", "customer", "currency"],
        update_fields=["history", "seen_at"],
    )


def _look(one: Paid, z: float, usual: float) -> Look:
    before, now = shown.money(round(usual), one.currency), shown.money(one.amount, one.currency)
    reason = f"A customer who usually pays about {before} paid {now} (charge {one.charge[:60]})."
    return Look(True, True, "amount_outlier", z, float(one.amount), usual, usual / 8.0, usual * 8.0, reason)


def _paid(connection: Connection, begins: datetime, until: datetime) -> Iterator[Paid]:
    rows = Event.objects.filter(
        connection=connection,
        type="charge.succeeded",
        pk__gte=first_id(Event, "received_at", begins),
        happened_at__gte=begins,
        happened_at__lt=until,
        purged_at__isnull=True,
    ).order_by("-pk")
    for at, body in reversed(list(rows.values_list("happened_at", "body")[:MOST])):
        try:
            charge = payloads.object_of(payloads.open_body(body, connection_id=connection.pk))
        except payloads.Unreadable:
            continue
        customer, amount, currency = charge.get("customer"), charge.get("amount"), charge.get("currency")
        if isinstance(customer, dict):
            customer = customer.get("id")
        if (
            at
            and isinstance(customer, str)
            and customer
            and type(amount) is int
            and isinstance(currency, str)
        ):
            yield Paid(
                at, str(charge.get("id", "")), _digest(connection, customer), currency.upper()[:3], amount
            )


def _digest(connection: Connection, customer: str) -> str:
    return hashlib.sha256(f"{connection.pk}:{customer}".encode()).hexdigest()[:32]


def _known(connection: Connection, paid: list[Paid]) -> dict[tuple[str, str], CustomerAmounts]:
    wanted: dict[tuple[str, str], Any] = {}
    digests = sorted({one.customer for one in paid})
    for first in range(0, len(digests), CHUNK):
        part = digests[first : first + CHUNK]
        for row in CustomerAmounts.objects.filter(connection=connection, customer__in=part):
            wanted[row.customer, row.currency] = row
    for one in paid:
        if (one.customer, one.currency) not in wanted:
            wanted[one.customer, one.currency] = CustomerAmounts(
                connection=connection, customer=one.customer, currency=one.currency, history=[],
                seen_at=one.at,
            )  # fmt: skip
    used = {(one.customer, one.currency) for one in paid}
    return {key: row for key, row in wanted.items() if key in used}


def forget(*, now: datetime) -> int:
    """Remove what customers paid who have not paid for long, and return how many rows those were."""
    removed, _ = CustomerAmounts.objects.filter(seen_at__lt=now - KEPT_FOR).delete()
    return removed
