"""
This module follows which payments Stripe tells of, and whether Salesforce has confirmed their records.

It reads the inbox in the order in which events came, the last minutes of it again, since rows may be
committed out of order; and of payments that are not confirmed the links and the fates of their events, a part
in each pass. Nothing of it is done while events are received or handled, which costs those nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet

from connectors.models import Connection
from connectors.stripe.roots import root_of
from flows import bulk, payloads
from flows.models import Change, Event, Fate, Link, Pair, Run
from flows.queries import first_id
from monitoring.payment_models import Payment, PaymentSum

TELLING = ("charge.succeeded", "charge.captured", "payment_intent.succeeded")
# An object that was found by comparing comes as one that was changed, whatever has happened to it.
FOUND = ("charge.updated", "payment_intent.updated")
ABOUT = (*TELLING, *FOUND, "charge.refunded")

FOLLOWED = timedelta(days=31)  # how far back the first pass begins
KEPT_FOR = timedelta(days=40)  # the longest period that is shown, and days of every time zone
LATE = timedelta(minutes=1)  # beyond the minute that `first_id` allows for
# Numbers behind the newest event that are read again too: events of a long walk are older than what is near.
BEHIND = 500
MOST = 4000  # events in one pass, whose contents have to be opened
OPENED = 500  # of them at once
LOOKED_AT = 1000  # payments of one state in one pass
REMOVED = 50_000
# SQLite has one writer at a time, and deliveries wait for it.
PORTION = 200  # payments in one transaction
BETWEEN = 0.005  # seconds between two of them, in which whoever waits gets the lock
SHARE = 20  # following takes at most one part in so many of one core

_STATES: dict[str, Payment.State] = {
    Fate.DEAD: Payment.State.DEAD,
    Fate.WAITING: Payment.State.WAITING,
    Fate.QUEUED: Payment.State.UNDER_WAY,
}
_GRAVEST = tuple(_STATES.values())  # first, among several events of one payment

Place = tuple[int, str]  # a connection, and the key of a payment


@dataclass(frozen=True, slots=True)
class Told:
    """What one event tells of a payment."""

    event: int
    connection: int
    key: str
    charge: str
    amount: int
    currency: str
    at: datetime

    @property
    def place(self) -> Place:
        """Return which payment it is."""
        return self.connection, self.key


class Follower:
    """The following of one process: it knows how far it has come."""

    def __init__(self) -> None:
        self._read = -1  # number of the last event that was read
        self._first = 0  # number at which reading began
        self._seen: set[int] = set()
        self._run = 0  # number of the last run that was looked at
        self._looked_at: dict[str, int] = {}  # how far each state was looked through
        self._before: datetime | None = None
        self._not_before = 0.0

    def follow_due(self, *, now: datetime) -> int:
        """Take in what was told and look at what is not confirmed; return how many payments changed."""
        clock = time.monotonic()
        if clock < self._not_before:
            return 0
        known = {**vars(self), "_looked_at": dict(self._looked_at)}
        try:
            changed = self._follow(now)
        except Exception:
            vars(self).update(known)  # what was read and could not be written is read again
            raise
        self._not_before = clock + (time.monotonic() - clock) * SHARE
        return len(changed)

    def _follow(self, now: datetime) -> list[Payment]:
        told = self._told(now)
        changed = take_in(told)
        looked = [*self._in_turn(), *self._begun_anew()]
        changed += settle([*changed, *looked])
        changed += self._linked(now)
        self._before = now
        for environment in _environments(changed):
            Change.objects.record(environment_id=environment, kind="payments", summary={}, now=now)
        return changed

    # What Stripe tells

    def _told(self, now: datetime) -> list[Told]:
        if self._read < 0:
            self._read = self._start(now)
            self._first = self._read + 1
        behind = max(self._first, self._read + 1 - BEHIND)
        low = min(behind, first_id(Event, "received_at", now - LATE))
        events = Event.objects.filter(_TELLS, pk__gte=low).order_by("id").values_list("id", flat=True)
        fresh = [event for event in events[: MOST + len(self._seen)] if event not in self._seen][:MOST]
        self._seen = {event for event in self._seen if event >= low} | set(fresh)
        self._read = max([self._read, *fresh])
        return list(_open(fresh))

    @staticmethod
    def _start(now: datetime) -> int:
        """Return where to begin: a while before the newest event that was read, not to miss late ones."""
        begin = now - FOLLOWED
        last = Payment.objects.aggregate(last=Max("last_event"))["last"]
        at = Event.objects.filter(pk=last).values_list("received_at", flat=True).first() if last else None
        if at is None:  # deleted for its age, with all before it
            return max(last or 0, first_id(Event, "received_at", begin) - 1)
        return first_id(Event, "received_at", max(at - LATE, begin)) - 1

    # What has become of it

    def _in_turn(self) -> list[Payment]:
        """Return some payments of each state that is not the last, those longest not looked at."""
        found = []
        for state in (*_GRAVEST, Payment.State.LEFT_OUT):
            rows = Payment.objects.unconfirmed().filter(state=state, pk__gt=self._looked_at.get(state, 0))
            turn = list(rows.order_by("id")[:LOOKED_AT])
            self._looked_at[state] = turn[-1].pk if len(turn) == LOOKED_AT else 0
            found += turn
        return found

    def _begun_anew(self) -> list[Payment]:
        """Return the payments of runs that somebody had run again, so that they need not wait their turn."""
        newest = Run.objects.aggregate(newest=Max("id"))["newest"] or 0
        runs = Run.objects.filter(pk__gt=self._run, pk__lte=newest, replay__gt=0).order_by("id")
        before, self._run = self._run, newest
        if not before:
            return []
        keys = runs.values_list("pair__stripe_id", "lane__key")[:LOOKED_AT]
        return _payments((connection, key.removeprefix("stripe:")) for connection, key in keys)

    def _linked(self, now: datetime) -> list[Payment]:
        """Settle the payments whose links have begun to count, or whose records went, since last time."""
        # While nobody watched, records may have gone; those that were saved are found in their turn.
        gone = Q(gone_at__gte=(self._before or now - KEPT_FOR) - LATE)
        conditions = [gone]
        if self._before is not None:
            conditions.append(Q(first_synced_at__gte=self._before - LATE, amount__isnull=False))
        found: set[Place] = set()
        for condition in conditions:
            # Its indexes begin with the pair, and there are few.
            links = Link.objects.filter(condition, pair__in=list(Pair.objects.values_list("pk", flat=True)))
            found |= set(links.values_list("pair__stripe_id", "stripe_id"))
        return settle(_payments(found))


_TELLS = Q(type__in=TELLING) | Q(type__in=FOUND, origin=Event.Origin.SWEEP)


def _open(events: Sequence[int]) -> Iterator[Told]:
    for start in range(0, len(events), OPENED):
        some = bulk.among("id", events[start : start + OPENED])
        rows = Event.objects.filter(some, purged_at__isnull=True).order_by("id")
        found = list(rows.values_list("id", "connection_id", "received_at", "body"))
        bodies = payloads.open_bodies([(body, connection) for _, connection, _, body in found])
        for (event, connection, at, _), body in zip(found, bodies, strict=True):
            if told := _read(event, connection, at, body):
                yield told


def _read(event: int, connection: int, at: datetime, body: payloads.Opened) -> Told | None:
    """Return what an event tells of a payment; nothing if it tells nothing, or cannot be read."""
    try:
        found = payloads.object_of(payloads.readable(body))
        key = root_of(found).id[:255]
    except (payloads.Unreadable, ValueError):
        return None  # a dead letter by now, and nobody knows of what
    amount, currency = captured(found)
    if amount is None:
        return None
    return Told(event, connection, key, _charge_of(found), amount, currency, at)


def captured(found: dict[str, Any]) -> tuple[int | None, str]:
    """
    Return how much of a charge or payment intent was captured, in minor units, and its currency in capitals.

    Nothing of one that did not go well, or is only authorised. What was refunded since is not taken off.
    """
    if found.get("status") != "succeeded" or found.get("captured") is False:
        return None, ""
    for name in ("amount_captured", "amount_received"):
        if type(found.get(name)) is int and found[name] > 0:
            return payloads.worth_of({"amount": found[name], "currency": found.get("currency")})
    return payloads.worth_of(found)


def _charge_of(found: dict[str, Any]) -> str:
    charge = found.get("id") if found.get("object") == "charge" else found.get("latest_charge")
    charge = charge.get("id") if isinstance(charge, dict) else charge
    return charge[:255] if isinstance(charge, str) else ""


def take_in(told: Sequence[Told]) -> list[Payment]:
    """Keep the payments that events tell of, each once, with their sums; return what is new or changed."""
    taken: list[Payment] = []
    for start in range(0, len(told), PORTION):
        if start:
            time.sleep(BETWEEN)
        taken += _take_in(told[start : start + PORTION])
    return taken


@transaction.atomic
def _take_in(told: Sequence[Told]) -> list[Payment]:
    # Locked, since of two processes that both hold the duty for a moment, each would add what has changed.
    held = Payment.objects.select_for_update()
    known = {(row.connection_id, row.key): row for row in _payments((one.place for one in told), held)}
    old = _long_known({one.place: one for one in reversed(told) if one.place not in known})
    sums: dict[tuple[int, datetime, str], list[int]] = defaultdict(lambda: [0, 0])
    fresh: dict[Place, Payment] = {}
    changed: dict[Place, Payment] = {}
    for one in told:
        if one.place in old:
            continue
        row = known.get(one.place) or fresh.get(one.place)
        if row is None:
            row = fresh[one.place] = _payment(one)
            _add(sums, row, 1)
        elif one.event > row.last_event:
            _add(sums, row, -1)
            row.amount = _captured_by_now(row, one)
            row.currency, row.last_event = one.currency, one.event
            row.charge = one.charge or row.charge
            _add(sums, row, 1)
            if one.place in known:
                changed[one.place] = row
    Payment.objects.bulk_create(fresh.values(), batch_size=500)
    fields = ["amount", "currency", "charge", "last_event"]
    Payment.objects.bulk_update(changed.values(), fields, batch_size=200)
    _save(sums)
    return [*fresh.values(), *changed.values()]


def _captured_by_now(row: Payment, told: Told) -> int:
    """
    Return how much of a payment was captured, which only rises: Stripe does not keep the order of events.

    https://docs.stripe.com/webhooks#event-ordering
    """
    return max(row.amount, told.amount) if row.currency == told.currency else told.amount


def _payment(told: Told) -> Payment:
    return Payment(
        connection_id=told.connection, key=told.key, charge=told.charge, amount=told.amount,
        currency=told.currency, told_at=told.at, last_event=told.event,
    )  # fmt: skip


def _long_known(told: dict[Place, Told]) -> set[Place]:
    """Return those that were counted so long ago that their rows are gone, and are told of once more."""
    links = Link.objects.filter(bulk.among("stripe_id", [key for _, key in told]), amount__isnull=False)
    rows = links.values_list("pair__stripe_id", "stripe_id", "first_synced_at")
    return {
        (connection, key)
        for connection, key, at in rows
        if (connection, key) in told and at < told[connection, key].at - FOLLOWED
    }


def _add(sums: dict[tuple[int, datetime, str], list[int]], payment: Payment, sign: int) -> None:
    at = payment.told_at
    quarter = at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)
    found = sums[payment.connection_id, quarter, payment.currency]
    found[0] += sign * payment.amount
    found[1] += sign


def _save(sums: dict[tuple[int, datetime, str], list[int]]) -> None:
    for (connection, quarter, currency), (amount, payments) in sums.items():
        if not amount and not payments:
            continue
        found, _ = PaymentSum.objects.get_or_create(
            connection_id=connection, quarter=quarter, currency=currency
        )
        PaymentSum.objects.filter(pk=found.pk).update(
            amount=F("amount") + amount, payments=F("payments") + payments
        )


def _payments(places: Iterable[Place], among: QuerySet[Payment] | None = None) -> list[Payment]:
    """Return the payments of `places`, in the order of their numbers, of `among` if that is given."""
    wanted = set(places)
    rows = (Payment.objects.all() if among is None else among).filter(
        bulk.among("key", sorted({key for _, key in wanted})),
        connection__in={connection for connection, _ in wanted},
    )
    return [row for row in rows.order_by("id") if (row.connection_id, row.key) in wanted]


# What has become of payments


def settle(payments: Sequence[Payment]) -> list[Payment]:
    """Give each of `payments` the state that it has by now, and return those that had another."""
    every = {row.pk: row for row in payments}
    confirmed = _confirmed(every.values())
    fates = _states(row for row in every.values() if (row.connection_id, row.key) not in confirmed)
    moved: dict[str, list[Payment]] = defaultdict(list)
    for row in every.values():
        place = (row.connection_id, row.key)
        state = Payment.State.CONFIRMED if place in confirmed else fates.get(place, Payment.State.LEFT_OUT)
        if row.state != state:
            row.state = state
            moved[state].append(row)
    # What was read may be old by now; then they are looked at again in their turn.
    for name, rows in moved.items():
        Payment.objects.filter(bulk.among("id", [row.pk for row in rows])).update(state=name)
    return [row for rows in moved.values() for row in rows]


def _confirmed(payments: Collection[Payment]) -> set[Place]:
    keys = sorted({row.key for row in payments})
    links = Link.objects.filter(bulk.among("stripe_id", keys), amount__isnull=False)
    there = links.exclude(gone_at__isnull=False, merged_from="")
    return set(there.values_list("pair__stripe_id", "stripe_id"))


def _states(payments: Iterable[Payment]) -> dict[Place, Payment.State]:
    """Return the gravest that has become of events about each of `payments`."""
    of: dict[Place, Place] = {}
    for row in payments:
        for name in filter(None, (row.key, row.charge)):
            of[row.connection_id, name] = (row.connection_id, row.key)
    found: dict[Place, Payment.State] = {}
    for connection, name, fate in events_about(of).values_list("connection_id", "object_id", "fate"):
        place, state = of.get((connection, name)), _STATES.get(fate)
        if place is None or state is None:
            continue
        if place not in found or _GRAVEST.index(state) < _GRAVEST.index(found[place]):
            found[place] = state
    return found


def events_about(objects: Iterable[Place]) -> QuerySet[Event]:
    """Return the events that tell how payments stand, by connections and the ids of charges and intents."""
    wanted = list(objects)
    return Event.objects.filter(
        bulk.among("object_id", sorted({name for _, name in wanted})),
        connection__in={connection for connection, _ in wanted},
        type__in=ABOUT,
    )


def _environments(payments: Iterable[Payment]) -> set[int]:
    connections = {row.connection_id for row in payments}
    return set(Connection.objects.filter(pk__in=connections).values_list("environment_id", flat=True))


def forget(*, now: datetime) -> int:
    """Remove some payments and sums that are not shown any more, and return how many rows those were."""
    before = now - KEPT_FOR
    oldest = Payment.objects.order_by("id").values_list("id", flat=True)  # they rise with time
    last = max(oldest[:REMOVED], default=0)
    removed, _ = Payment.objects.filter(pk__lte=last, told_at__lt=before).delete()
    sums, _ = PaymentSum.objects.filter(quarter__lt=before).delete()
    return removed + sums
