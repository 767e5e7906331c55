"""
This module is the simulated Stripe: payments that change, the events about it, and what a reading shows.

Times of events have whole seconds, several changes share one, and a reading may show what was true a
moment ago, though never less than an event said that was delivered or listed before. The newest state is
the truth that everything is compared with at the end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.simulation.dice import Dice, Faults
from tests.simulation.hub import START, moment

_FIRST_SECOND = int(START.timestamp())
LONGEST_LAG = 0.9  # seconds that a reading may be behind

ACCOUNT_ID = "001000000000001AAA"  # the one Account that all payments belong to
STATUSES = ("pending", "failed", "succeeded")
LINES = (1, 2)  # of each payment


@dataclass(slots=True)
class Change:
    """One state of a payment, since when it is the truth."""

    at: float
    amount: int
    status: str


@dataclass(slots=True)
class Payment:
    """A payment intent and its one charge."""

    id: str
    created: int  # no two payments of a world are made in one second
    changes: list[Change] = field(default_factory=list)
    told_until: float = 0.0  # of the newest change that an event told of

    def state(self, at: float) -> Change:
        """Return the state at a time; the first one for times before it."""
        for change in reversed(self.changes):
            if change.at <= at:
                return change
        return self.changes[0]

    def lines(self, state: Change) -> list[dict[str, Any]]:
        """Return what was sold, as it was in `state`."""
        return [{"id": f"li_{self.id[3:]}_{number}", "amount": state.amount} for number in LINES]

    def charge(self, state: Change) -> dict[str, Any]:
        """Return the charge as it was in `state`."""
        return {
            "id": f"ch_{self.id[3:]}",
            "object": "charge",
            "payment_intent": self.id,
            "amount": state.amount,
            "currency": "eur",
            "status": state.status,
            "created": self.created,
            "metadata": {"account": ACCOUNT_ID},
            "lines": self.lines(state),
        }

    def intent(self, state: Change, *, expanded: bool) -> dict[str, Any]:
        """Return the intent as it was in `state`, with its charge where that was asked for."""
        charge = self.charge(state)
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": state.amount,
            "currency": "eur",
            "status": state.status,
            "created": self.created,
            "metadata": {"account": ACCOUNT_ID},
            "lines": self.lines(state),
            "latest_charge": charge if expanded else charge["id"],
        }


@dataclass(slots=True)
class Happening:
    """An event of Stripe."""

    number: int
    payment: str
    type: str
    at: float
    payload: dict[str, Any]

    @property
    def id(self) -> str:
        """Return its id."""
        return f"evt_{self.number}"

    @property
    def second(self) -> int:
        """Return the whole second, since the start of the world, that Stripe says it happened in."""
        return int(self.at)

    @property
    def failed(self) -> bool:
        """Tell whether it is one that must be answered with an effect."""
        return self.type.endswith("failed")

    def body(self) -> bytes:
        """Return it as Stripe sends it."""
        return json.dumps(self.payload).encode()


def answer_times(asked: float, now: float) -> dict[str, str]:
    """
    Return how an answer given `now` says when it was asked for and given.

    The Date header has whole seconds; the call's length is measured by our own clock.
    """
    answered = moment(int(now))
    requested = answered - timedelta(seconds=now - asked)
    return {"requested_at": requested.isoformat(), "answered_at": answered.isoformat()}


class Stripe:
    """The truth."""

    def __init__(self, dice: Dice, faults: Faults) -> None:
        self._dice = dice
        self._faults = faults
        self.payments: dict[str, Payment] = {}
        self.events: list[Happening] = []
        self._numbers = 0

    def change(self, payment_id: str, at: float) -> Happening:
        """Change a payment, or make it, and return the event about that."""
        payment = self.payments.setdefault(
            payment_id, Payment(payment_id, _FIRST_SECOND + len(self.payments))
        )
        status = self._dice.choice(STATUSES)
        change = Change(at, 1_000 + len(payment.changes), status)
        payment.changes.append(change)
        self._numbers += 1
        number = self._numbers
        about_the_charge = self._dice.random() < 0.5
        about = payment.charge(change) if about_the_charge else payment.intent(change, expanded=False)
        kind = f"{about['object']}.{status}"
        payload = {
            "id": f"evt_{number}",
            "object": "event",
            "type": kind,
            "created": _FIRST_SECOND + int(at),
            "livemode": False,
            "data": {"object": about},
        }
        event = Happening(number, payment_id, kind, at, payload)
        self.events.append(event)
        return event

    def conceal(self, event: Happening) -> None:
        """Let there be no event about a change, as if Stripe had never made one."""
        self.events.remove(event)

    def tell(self, event: Happening) -> None:
        """Note that somebody was told of `event`."""
        payment = self.payments[event.payment]
        payment.told_until = max(payment.told_until, event.at)

    def listed(self, since: float) -> list[Happening]:
        """Return the events since then."""
        found = [event for event in self.events if event.at >= since]
        for event in found:
            self.tell(event)
        return found

    def read(self, payment_id: str, at: float) -> dict[str, Any] | None:
        """Return a payment intent with its charge as a reading at that time shows it."""
        payment = self.payments.get(payment_id)
        if payment is None:
            return None
        if self._dice.chance(self._faults.lag):
            at = max(at - self._dice.random() * LONGEST_LAG, payment.told_until)
        return payment.intent(payment.state(at), expanded=True)

    def last_made(self, *, besides: str = "") -> Change | None:
        """Return the newest state of the payment that was made last, if there is any but `besides`."""
        made = [payment for payment in self.payments.values() if payment.id != besides]
        made.sort(key=lambda payment: payment.created)
        return made[-1].changes[-1] if made else None

    def newest(self) -> dict[str, Change]:
        """Return the newest state of each payment."""
        return {payment.id: payment.changes[-1] for payment in self.payments.values()}
