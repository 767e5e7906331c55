"""This module tells that everything is there in the end, though both systems keep some of it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors import connections
from flows import missed, missed_changes, sweeps, walk
from flows.listening import Listener
from flows.models import DeadLetter, Event, Resync, Run
from tests.journeys.an_org import AnOrg, follow_accounts, let_hear
from tests.journeys.bridge import Bridge, until

PAYMENTS, ACCOUNTS = 40, 20
LOST, UNLISTED = 0.05, 0.01  # shares of deliveries, and of events that are not even listed


@dataclass
class Between:
    """Both systems with flows in both directions, and people who pay here and change accounts there."""

    bridge: Bridge
    org: AnOrg
    customers: dict[str, str] = field(default_factory=dict)  # by account

    def rename(self) -> dict[str, str]:
        """Rename every account, and return the names that their customers are to have."""
        names = {}
        for number, (account, customer) in enumerate(self.customers.items()):
            names[customer] = f"Renamed {number}"
            self.org.change("update", id=account, values={"Name": names[customer]})
        return names

    def names(self) -> dict[str, str]:
        return {customer: self.org.name_of(customer) for customer in self.customers.values()}

    def listed(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return all that Stripe lists, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"starting_after": found[-1]["id"]} if found else {}
            page = self.bridge.ask("GET", path, limit=100, **query, **after)
            found += page["data"]
            if not page["has_more"]:
                return found

    def last_words_missing(self) -> set[str]:
        """Return the charges and intents of whose last change Stripe lists no event."""
        events = self.listed("/v1/events")
        told = {(one["type"], one["data"]["object"]["id"]) for one in events}
        wanted = {("charge.updated", one["id"]) for one in self.listed("/v1/charges")}
        wanted |= {("payment_intent.succeeded", one["id"]) for one in self.listed("/v1/payment_intents")}
        return {id for _, id in wanted - told}

    def walk(self) -> int:
        now = timezone.now()
        missed.catch_up(connection=self.bridge.pair.stripe, since=None, actor="ada", now=now)
        return walk.walk_due(now=now)

    def sweep(self) -> int:
        now = timezone.now()
        missed.compare(connection=self.bridge.pair.stripe, since=None, actor="ada", now=now)
        return sweeps.sweep_due(now=now)

    def compare(self) -> Resync:
        now = timezone.now()
        since = now - timedelta(days=1)
        missed_changes.compare(connection=self.org.crm, object="Account", since=since, actor="ada", now=now)
        return self.org.compare()


@pytest.fixture
def between(bridge: Bridge) -> Iterator[Between]:
    """Return the bridge whose webhooks Stripe delivers itself, with a listener to the org's Accounts."""
    url = f"http://127.0.0.1:{bridge.receiver.port}"
    now = timezone.now()
    connections.register_webhook(connection=bridge.pair.stripe, public_url=url, actor="ada", now=now)
    let_hear(bridge.pair.salesforce, bridge.salesforce)
    follow_accounts(bridge.pair)
    org = AnOrg(bridge.salesforce, bridge.stripe, bridge.pair, Listener())
    try:
        org.hears()
        found = Between(bridge, org)
        for number in range(ACCOUNTS):
            account = org.create(f"No. {number}")
            found.customers[account] = org.customer(account, f"No. {number}")
        yield found
    finally:
        org.listener.stop()
        org.later(0)


def test_of_what_was_lost_or_never_told_everything_is_there_after_the_sweep(between: Between) -> None:
    bridge, org = between.bridge, between.org
    from_salesforce = Event.objects.filter(connection=bridge.pair.salesforce_id)
    until(lambda: from_salesforce.count() == ACCOUNTS, what="the new accounts are heard")
    bridge.drain()
    org.later(3)  # so that what changes now happened after all that is known

    bridge.stripe.turn("delivery", loss=LOST, seed=7)
    bridge.stripe.turn("settings", missing_events=UNLISTED)
    intents = [bridge.pay(amount=1000 + number, currency="usd")["id"] for number in range(PAYMENTS)]
    bridge.stripe.turn("settings", missing_events=1.0)  # of one payment nothing is told at all, by no luck
    intents.append(bridge.pay(amount=1000 + PAYMENTS, currency="usd")["id"])
    until(
        lambda: all(one["balance_transaction"] for one in between.listed("/v1/charges")), what="Stripe's fees"
    )
    bridge.stripe.turn("settings", missing_events=0)
    org.service.turn("pubsub", lost=LOST, seed=7)
    names = between.rename()
    untold = org.service.look("pubsub")["lost"]
    org.service.turn("pubsub", lost=0)
    until(lambda: bridge.stripe.look("deliveries")["under_way"] == 0, what="every delivery is made")
    deliveries = bridge.stripe.look("deliveries")["counts"]
    bridge.stripe.turn("delivery", loss=0)
    until(lambda: from_salesforce.count() == 2 * ACCOUNTS - untold, what="the changes are heard")
    bridge.drain()

    hidden = between.last_words_missing()
    assert deliveries["lost"] > 0, "no delivery was lost"
    assert hidden >= {intents[-1]}, "no event was hidden"
    assert untold > 0, "no change was untold"
    assert len(bridge.payments()) < len(intents)
    assert between.names() != names

    live = Event.objects.filter(connection=bridge.pair.stripe_id, origin="live")
    before = live.count()
    assert between.walk() >= deliveries["lost"]
    assert live.count() == before
    assert {one["id"] for one in between.listed("/v1/events")} == set(
        Event.objects.filter(connection=bridge.pair.stripe_id).values_list("external_id", flat=True)
    )
    bridge.drain()
    assert between.sweep() == len(hidden)
    org.later(10)
    resync = between.compare()
    bridge.drain()

    swept = Event.objects.filter(connection=bridge.pair.stripe_id, origin="sweep")
    assert set(swept.values_list("object_id", flat=True)) == hidden
    assert (resync.compared, resync.changed, resync.deleted) == (ACCOUNTS, untold, 0)
    payments = bridge.payments()
    assert {id: (one["Status__c"], float(one["Amount__c"])) for id, one in payments.items()} == {
        id: ("Completed", 10 + number / 100) for number, id in enumerate(intents)
    }
    assert all(one["Fee__c"] for one in payments.values())
    assert between.names() == names
    assert {bridge.stripe.calls(f"/v1/customers/{one}$", "POST") for one in names} == {1}
    assert {run.state for run in Run.objects.all()} == {"done"}
    assert not DeadLetter.objects.exists()
    assert (between.walk(), between.sweep(), between.compare().found) == (0, 0, 0), "what was found is known"
