"""This module holds everything that the simulated Stripe knows, in one object."""

from __future__ import annotations

import random
import string
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.sandbox.stripe.agenda import Agenda
from connectors.sandbox.stripe.errors import missing
from connectors.sandbox.stripe.keys import ApiKey
from connectors.sandbox.stripe.printing import told
from connectors.sandbox.stripe.stores import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connectors.sandbox.stripe.cards import TestCard

API_VERSION = "2026-10-28.endive"
ACCOUNT = "acct_1SandboxIntegrator"
DEFAULT_KEYS = ("sk_test_sandbox", "sk_live_sandbox")
ALPHABET = string.ascii_letters + string.digits
LENGTHS = {"cus": 14, "req": 14, "whsec": 32}


@dataclass(slots=True)
class Settings:
    """What a test may turn while the service runs (`POST /_sandbox/settings`)."""

    balance_delay: float = 1.0  # seconds until a captured charge gets its balance transaction
    rate_limit: float = 0.0  # calls per second and account; 0: none
    work_seconds: float = 0.0  # how long a POST takes, so that two can meet
    missing_events: float = 0.0  # probability that an event is neither listed nor delivered
    refund_delay: float = 1.0  # seconds until a refund that is to fail or to be pending does so
    dispute_delay: float = 1.0  # seconds until a charge of a card that disputes is disputed
    draft_seconds: float = 3600.0  # how long the invoice of a renewal stays a draft
    advance_delay: float = 0.05  # seconds that a test clock takes to advance


@dataclass(slots=True)
class Secret:
    """A signing secret of a webhook endpoint, and until when it signs (None: for good)."""

    value: str
    expires: float | None = None


class StripeState:
    """One account in both modes. Operations change it; nothing else is remembered anywhere."""

    def __init__(
        self,
        *,
        account: str = ACCOUNT,
        keys: Iterable[str] = DEFAULT_KEYS,
        settle_in: str = "usd",
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
        max_events: int = 50_000,
    ) -> None:
        self.account = account
        self.settle_in = settle_in
        self.clock_offset = 0.0
        self._clock = clock
        self._first_keys = tuple(keys)
        self._max_events = max_events
        self._names = random.Random(seed)
        self.agenda = Agenda(self.now)
        self.listeners: list[Callable[[dict[str, Any], list[dict[str, Any]]], None]] = []
        self.reset()

    def reset(self, *, seed: int = 1) -> None:
        """Forget all but the account and the keys it began with; ids go on, so that none comes twice."""
        self.agenda.clear()
        self.clock_offset = 0.0
        self.settings = Settings()
        self.dice = random.Random(seed)
        self.keys = {value: ApiKey(value) for value in self._first_keys}
        self.customers = Store("customer")
        self.payment_methods = Store("PaymentMethod")
        self.payment_intents = Store("payment_intent")
        self.charges = Store("charge")
        self.refunds = Store("refund")
        self.disputes = Store("dispute")
        self.balance_transactions = Store("balance transaction")
        self.payouts = Store("payout")
        self.products = Store("product")
        self.prices = Store("price")
        self.subscriptions = Store("subscription")
        self.subscription_items = Store("subscription item")
        self.invoices = Store("invoice")
        self.invoice_items = Store("invoiceitem")
        self.invoice_payments = Store("invoice payment")
        self.intent_of: dict[str, str] = {}  # invoice -> the payment intent that pays it
        self.invoice_of: dict[str, str] = {}  # the same the other way round
        self.lines: dict[str, Store] = {}  # invoice -> its lines
        self.resumptions: set[str] = set()  # invoices whose payment resumes a paused subscription
        self.subscription_schedules = Store("subscription schedule")
        self.credit_notes = Store("credit note")
        self.payment_links = Store("payment link")
        self.checkout_sessions = Store("checkout.session")
        self.checkout_lines = Store("line item")  # of sessions and of payment links
        self.checkout_data: dict[str, dict[str, Any]] = {}  # session or link -> what the API does not show
        self.test_clocks = Store("test clock")
        self.clock_agendas: dict[str, Agenda] = {}  # test clock -> what is to be done by it
        self.events = Store("event", limit=self._max_events)
        self.thin_events = Store("event", limit=self._max_events)
        self.webhook_endpoints = Store("webhook endpoint")
        self.event_destinations = Store("event destination")
        self.secrets: dict[str, list[Secret]] = {}
        self.cards: dict[str, TestCard] = {}  # payment method -> the test card behind it
        self.deleted: dict[str, bool] = {}  # ids of deleted customers -> whether of live mode
        # calls of the last second, by mode
        self.recent: dict[bool, deque[float]] = {False: deque(), True: deque()}
        self.locks: dict[str, float] = {}  # object -> until when a write meets lock_timeout

    def now(self) -> float:
        """Return the time of this Stripe, which a test may move forward."""
        return self._clock() + self.clock_offset

    def new_id(self, prefix: str) -> str:
        """Return an id of the right shape: `pi_3...` for the prefix `pi_3`, `cus_...` for `cus`."""
        head = prefix if "_" in prefix else f"{prefix}_"
        return head + "".join(self._names.choices(ALPHABET, k=LENGTHS.get(prefix, 23)))

    def stores(self) -> dict[str, Store]:
        """Return every store by the name of its resource."""
        return {name: store for name, store in vars(self).items() if isinstance(store, Store)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, in which mode, by which request; automatic acts have no request."""

    state: StripeState
    livemode: bool = False
    request_id: str | None = None
    idempotency_key: str | None = None
    version: str = API_VERSION
    moment: int | None = None  # the second of a test clock, or in which something fell due
    second: int | None = None  # in which a request came: what it does at once has happened then

    @property
    def now(self) -> int:
        """Return the second in which the call is handled."""
        return self.told_at if self.moment is None else self.moment

    @property
    def told_at(self) -> int:
        """Return the second of which events tell, even where a test clock tells the object another time."""
        return int(self.state.now()) if self.second is None else self.second

    def at(self, moment: int) -> Caller:
        """Return the same caller at another second."""
        return replace(self, moment=moment)

    def beside(self, customer_id: str | None) -> Caller:
        """Return the same caller by the test clock of a customer, or by the clock of everybody."""
        customer = self.state.customers.get(customer_id or "") or {}
        clock = self.state.test_clocks.get(customer.get("test_clock") or "")
        return self if clock is None or self.moment is not None else self.at(clock["frozen_time"])

    def automatic(self) -> Caller:
        """Return the same mode without a request, for what Stripe does by itself."""
        return Caller(self.state, self.livemode)

    def find(self, store: Store, object_id: str, *, param: str = "") -> dict[str, Any]:
        """
        Return the object of the caller's mode.

        :raises ApiError: resource_missing, 404 for the id in the path and 400 for one in a parameter
        """
        found = store.get(object_id)
        if found is None:
            raise missing(store.noun, object_id, param=param)
        if found.get("livemode", self.livemode) != self.livemode:
            other = "live" if found["livemode"] else "test"
            raise missing(store.noun, object_id, param=param, other_mode=other)
        return found

    def customer(self, customer_id: str) -> str:
        """
        Return the id of a customer that exists, named by the parameter `customer`.

        :raises ApiError: 400 resource_missing
        """
        found: str = self.find(self.state.customers, customer_id, param="customer")["id"]
        return found


@dataclass(slots=True)
class Occurrence:
    """What an event tells: its type, the object as it is now, and what an update changed."""

    type: str
    object: dict[str, Any]
    previous: dict[str, Any] | None = field(default=None)


def emit(caller: Caller, occurrence: Occurrence) -> dict[str, Any]:
    """Make the event, keep it, and tell the listeners which endpoints want it."""
    state = caller.state
    # Frozen as bytes: an event's data never changes, whatever happens to the object.
    data: dict[str, Any] = {"object": msgspec.Raw(msgspec.json.encode(told(occurrence.object)))}
    if occurrence.previous is not None:
        data["previous_attributes"] = occurrence.previous
    wanted = [
        endpoint for endpoint in state.webhook_endpoints if wants(endpoint, occurrence.type, caller.livemode)
    ]
    event = {
        "id": state.new_id("evt_1"),
        "object": "event",
        "api_version": API_VERSION,
        "created": caller.told_at,
        "data": data,
        "livemode": caller.livemode,
        "pending_webhooks": len(wanted),
        "request": {"id": caller.request_id, "idempotency_key": caller.idempotency_key},
        "type": occurrence.type,
    }
    rate = state.settings.missing_events
    if rate and state.dice.random() < rate:
        return event
    state.events.add(event)
    for listener in state.listeners:
        listener(event, wanted)
    return event


def wants(endpoint: dict[str, Any], event_type: str, livemode: bool) -> bool:
    """Say whether the endpoint is to be told about such an event."""
    if endpoint["status"] != "enabled" or endpoint["livemode"] != livemode:
        return False
    return "*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"]


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the former values of what differs, the `previous_attributes` of an event."""
    previous: dict[str, Any] = {}
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        previous[name] = changes(old, new) if isinstance(old, dict) and isinstance(new, dict) else old
    return previous
