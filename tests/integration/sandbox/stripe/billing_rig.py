"""This module holds what the tests of subscriptions and invoices do again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

DAY = 86_400
JANUARY = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())


@dataclass
class Shop:
    """A merchant with one product, and customers by a test clock of their own."""

    client: stripe.StripeClient
    eventually: Callable[..., Any]
    product: str
    clock: str

    def price(self, amount: int = 1000, interval: str = "month", **more: Any) -> str:
        """Make a recurring price."""
        terms = {"product": self.product, "currency": "usd", "unit_amount": amount, **more}
        return self.client.v1.prices.create({**terms, "recurring": {"interval": interval}}).id

    def customer(self, card: str | None = "pm_card_visa", **values: Any) -> str:
        """Make a customer on the clock, with a default card."""
        made = self.client.v1.customers.create({"test_clock": self.clock, "name": "Ada", **values}).id
        if card:
            self.pays_by(made, card)
        return made

    def pays_by(self, customer: str, card: str) -> None:
        """Give a customer another default card."""
        method = self.client.v1.payment_methods.attach(card, {"customer": customer}).id
        self.client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})

    def subscribe(self, customer: str, *prices: str, **values: Any) -> stripe.Subscription:
        """Make a subscription."""
        items = [{"price": price} for price in prices or (self.price(),)]
        return self.client.v1.subscriptions.create({"customer": customer, "items": items, **values})

    def now(self) -> int:
        """Return the time of the clock."""
        return self.client.v1.test_helpers.test_clocks.retrieve(self.clock).frozen_time

    def advance(self, seconds: int) -> None:
        """Advance the clock and wait until it stands again."""
        clocks = self.client.v1.test_helpers.test_clocks
        clocks.advance(self.clock, {"frozen_time": self.now() + seconds})
        self.eventually(lambda: clocks.retrieve(self.clock).status == "ready")

    def told(self, kind: str = "*", *, without: str = "test_helpers") -> list[str]:
        """Return the types of the events so far, oldest first."""
        events = self.client.v1.events.list({"limit": 100, "type": kind}).data
        return [event.type for event in events if not event.type.startswith(without)][::-1]

    def invoices(self, **values: Any) -> list[stripe.Invoice]:
        """Return the invoices, oldest first."""
        return self.client.v1.invoices.list({"limit": 100, **values}).data[::-1]
