"""This module plays scenarios: customers who pay, or fail to, with the outcomes to expect."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import customers, payment_intents, refunds
from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.state import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.sandbox.stripe.state import StripeState

KEPT = 20_000
# How twenty payments end: 20 % are declined for good, and every other way happens as well.
ENDINGS = ("paid",) * 13 + ("declined",) * 4 + ("captured", "canceled", "retried")
DECLINES = (
    ("pm_card_chargeDeclined", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
    ("pm_card_chargeDeclinedLostCard", "lost_card"),
)
CARDS = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_visa_debit")
REFUND_EVERY = 5
# Amounts in the minor unit, as a shop of books and courses would have them.
MONEY = (
    ("usd", (1999, 4900, 12_345, 250_000)),
    ("eur", (999, 2450, 8_999)),
    ("gbp", (1250, 5999)),
    ("jpy", (1200, 5400, 98_000)),
    ("kwd", (1_990, 12_340)),
    ("isk", (150_000, 990_000)),
    ("huf", (499_000, 1_290_000)),
    ("usd", (2500, 7500)),
)
# Names are text that strangers chose: quotes, emoji, right to left, markup, a formula.
NAMES = (
    "Ada Lovelace",
    "Zoë \"Zed\" O'Connor",
    "Grace Hopper",
    "山田 太郎",
    "🎉 Party & Söhne GmbH 👩‍👩‍👧",
    "Otto Lilienthal",
    "شركة النور للتجارة",
    "<script>alert('paid')</script>",
    "Eve \u202eevil\u202c Smith",
    "=HYPERLINK(\"http://x.example\",\"Invoice\")",
    "Jean-Luc Ǆandžić",
    "Robert'); DROP TABLE payments;--",
)  # fmt: skip


@dataclass(slots=True)
class Expected:
    """What a checker must find about one payment, once everything has settled."""

    number: int
    ending: str
    order_id: str
    customer: str
    customer_name: str
    payment_intent: str
    charge: str | None
    amount: int
    currency: str
    status: str  # of the payment intent
    charge_status: str | None
    amount_received: int
    decline_code: str | None
    refunded: int = 0


@dataclass(slots=True)
class Scenario:
    """The scenario that is being played. One at a time."""

    state: StripeState
    name: str = ""
    seed: int = 1
    count: int | None = 0
    made: int = 0
    expected: deque[Expected] = field(default_factory=lambda: deque(maxlen=KEPT))
    failure: str = ""
    _task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Say whether it is still being played."""
        return self._task is not None and not self._task.done()

    def start(
        self, *, name: str, seed: int, count: int | None, rate_per_second: float | None, live: bool
    ) -> None:
        """
        Play a scenario from now on; without a count until it is stopped, without a rate as fast as possible.

        :raises ValueError: for a name that there is not, or while another is being played
        """
        if name != "payments":
            raise ValueError("The only scenario is `payments`")
        if self.running:
            raise ValueError("A scenario is being played; stop it first")
        self.name, self.seed, self.count, self.made, self.failure = name, seed, count, 0, ""
        self.expected.clear()
        players = Players(self.state, seed=seed, livemode=live)
        self._task = asyncio.get_running_loop().create_task(self._play(players, rate_per_second))

    async def stop(self) -> None:
        """Stop playing; what was made stays expected."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def bulk(self, *, seed: int, count: int, spread_seconds: float, deliver: bool) -> list[Expected]:
        """
        Make many payments at once, as if they had happened over the last `spread_seconds`, and return them.

        Load tests fill the account so. Without `deliver` nobody is told, though the events are listed, and
        the balance transactions come at once.
        """
        state, began = self.state, self.state.clock_offset
        players = Players(state, seed=seed, livemode=False)
        listeners, delay = state.listeners, state.settings.balance_delay
        if not deliver:
            state.listeners, state.settings.balance_delay = [], 0.0
        made = []
        try:
            for number in range(1, count + 1):
                state.clock_offset = began - spread_seconds * (1 - number / count)
                made.append(players.pay(number))
                if not deliver:
                    state.agenda.do_due()
        finally:
            state.clock_offset, state.listeners, state.settings.balance_delay = began, listeners, delay
        return made

    def as_json(self, *, since: int = 0) -> dict[str, Any]:
        """Return how far it is, and what to expect of the payments after number `since`."""
        return {
            "name": self.name,
            "seed": self.seed,
            "count": self.count,
            "made": self.made,
            "running": self.running,
            "failure": self.failure,
            "expected": [asdict(item) for item in self.expected if item.number > since],
        }

    async def _play(self, players: Players, rate: float | None) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            while self.count is None or self.made < self.count:
                paid = players.pay(self.made + 1)
                self.made += 1
                if paid.ending == "paid" and self.made % REFUND_EVERY == 0:
                    players.refund(paid)
                self.expected.append(paid)
                # By the clock of the start, so that a slow payment does not slow the rate.
                await asyncio.sleep(max(0.0, began + self.made / rate - loop.time()) if rate else 0)
        except ApiError as reason:
            self.failure = str(reason)


class Players:
    """Customers who pay by the operations that the API offers, so that everything follows as in truth."""

    def __init__(self, state: StripeState, *, seed: int, livemode: bool) -> None:
        self._state = state
        self._seed = seed
        self._livemode = livemode
        self._dice = random.Random(seed)
        self._endings = _deck(self._dice, ENDINGS)
        self._money = _deck(self._dice, MONEY)
        self._names = _deck(self._dice, NAMES)
        self._known: deque[tuple[str, str]] = deque(maxlen=200)

    def pay(self, number: int) -> Expected:
        """Let a customer pay once, and return what is to be expected of it."""
        ending = next(self._endings)
        currency, amounts = next(self._money)
        customer, name = self._customer(number)
        order = f"order-{self._seed}-{number}"
        values = {
            "amount": self._dice.choice(amounts),
            "currency": currency,
            "customer": customer,
            "description": f"Order {number}",
            "metadata": {"order_id": order, "customer_id": customer},
            "automatic_payment_methods": {"enabled": "true", "allow_redirects": "never"},
            "confirm": True,
        }
        if ending in {"captured", "canceled"}:
            values["capture_method"] = "manual"
        intent, decline = self._end(ending, values, order)
        charge = self._state.charges.get(intent["latest_charge"] or "") or {}
        return Expected(
            number=number,
            ending=ending,
            order_id=order,
            customer=customer,
            customer_name=name,
            payment_intent=intent["id"],
            charge=intent["latest_charge"],
            amount=intent["amount"],
            currency=currency,
            status=intent["status"],
            charge_status=charge.get("status"),
            amount_received=intent["amount_received"],
            decline_code=decline,
        )

    def refund(self, paid: Expected) -> None:
        """Give half of a payment back, in a whole unit that every currency has."""
        paid.refunded = max(100, paid.amount // 200 * 100)
        caller = self._caller(f"{paid.order_id}-refund")
        refunds.create(caller, {"charge": paid.charge, "amount": paid.refunded})

    def _end(self, ending: str, values: dict[str, Any], order: str) -> tuple[dict[str, Any], str | None]:
        if ending in {"declined", "retried"}:
            token, decline = self._dice.choice(DECLINES)
            intent = self._declined({**values, "payment_method": token}, order)
            if ending == "declined":
                return intent, decline
            again = {"payment_method": "pm_card_visa"}
            return payment_intents.confirm(self._caller(f"{order}-again"), again, intent["id"]), None
        intent = payment_intents.create(
            self._caller(order), {**values, "payment_method": self._dice.choice(CARDS)}
        )
        if ending == "captured":
            payment_intents.capture(self._caller(f"{order}-capture"), {}, intent["id"])
        elif ending == "canceled":
            reason = {"cancellation_reason": "requested_by_customer"}
            payment_intents.cancel(self._caller(f"{order}-cancel"), reason, intent["id"])
        return intent, None

    def _declined(self, values: dict[str, Any], order: str) -> dict[str, Any]:
        try:
            return payment_intents.create(self._caller(order), values)
        except ApiError as refusal:
            if "payment_intent" not in refusal.extra:
                raise
            found: str = refusal.extra["payment_intent"]["id"]
            return self._caller(order).find(self._state.payment_intents, found)

    def _customer(self, number: int) -> tuple[str, str]:
        if self._known and self._dice.random() < 0.3:
            customer = self._dice.choice(self._known)
            if self._state.customers.get(customer[0]):
                return customer
        name = next(self._names)
        values = {
            "name": name,
            "email": f"customer{number}@example.com",
            "metadata": {"customer_id": f"customer-{self._seed}-{number}"},
        }
        made = customers.create(self._caller(f"customer-{self._seed}-{number}"), values)
        self._known.append((made["id"], name))
        return made["id"], name

    def _caller(self, key: str) -> Caller:
        return Caller(
            self._state,
            livemode=self._livemode,
            request_id=self._state.new_id("req"),
            idempotency_key=f"scenario-{key}",
        )


def _deck(dice: random.Random, cards: tuple[Any, ...]) -> Iterator[Any]:
    """Yield every card once in a seeded order, then all of them again in another, for ever."""
    while True:
        yield from dice.sample(cards, k=len(cards))
