"""Every number of the overview and of the hourly count leads to a list of exactly as many."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from connectors.models import Connection
from flows import publishing
from flows.dispatch import SWITCHED_OFF
from flows.models import Event, Fate, Link, Notice, Pair, Run
from integrator.accounts import tokens
from monitoring import hours, standing
from monitoring.conservation import hour_of
from monitoring.models import Payment, PaymentSum
from tests.answered import said
from tests.builders import a_connection, a_pair, a_person
from tests.integration.flows.given import a_live_flow, an_event, runs
from tests.integration.following import counted, numbers, query, rows
from tests.integration.monitoring.test_overview import an_applied_run

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _nothing_counted_before() -> Iterator[None]:
    cache.clear()
    standing._known.clear()
    yield
    standing._known.clear()


@pytest.fixture
def pair() -> Pair:
    return a_pair()


class Visitor:
    """Somebody who follows links, and their program, which asks the same by REST."""

    def __init__(self, client: Client) -> None:
        person, now = a_person("vera@acme.test", "viewer"), timezone.now()
        client.force_login(person)
        workspace = person.memberships.get().workspace
        _, self.token = tokens.create(
            workspace=workspace, user=person, name="hers", role="viewer",
            expires_at=now + timedelta(days=1), actor=person.email, now=now,
        )  # fmt: skip
        self.client = client

    def page(self, address: str = "/w/acme/dev/") -> str:
        """Return the text of a page."""
        answer = self.client.get(address)
        assert answer.status_code == 200, address
        return answer.content.decode()

    def in_file(self, address: str) -> int:
        """Return how many rows the list of an address has as a file."""
        answer = self.client.get(address.replace("/?", ".csv?"))
        text = said(answer).decode().removeprefix("\ufeff")
        return len(list(csv.reader(io.StringIO(text, newline="")))) - 1

    def by_rest(self, resource: str, **asked: str) -> int:
        """Return how many rows the REST interface lists."""
        answer = Client().get(
            f"/api/v1/{resource}/",
            {"limit": "200", **asked},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.content
        return len(answer.json()["results"])


@pytest.fixture
def visitor(client: Client, pair: Pair) -> Visitor:
    return Visitor(client)


def events_by_rest(visitor: Visitor, address: str) -> int:
    """Return how many events REST lists for what the address of a page is narrowed to."""
    names = {
        "became": "fate", "came": "came", "connection": "connection", "since": "received_after",
        "until": "received_before",
    }  # fmt: skip
    asked = {
        names[name]: f"{value}Z" if name in {"since", "until"} else value
        for name, value in query(address).items()
    }
    return visitor.by_rest("events", **asked)


def received(stripe: Connection, at: datetime, fate: str, **fields: Any) -> Event:
    return an_event(stripe, received_at=at, dispatched_at=at, fate=fate, **fields)


def fill(pair: Pair, now: datetime) -> None:
    """Receive events of every fate, at the ends of hours too, in their order, and count them."""
    other = a_connection("stripe", pair.environment, "Stripe Japan")
    present = hour_of(now)
    came: list[tuple[datetime, Connection, str, str]] = [
        (present - 2 * HOUR, pair.stripe, "applied", "live"),
        (present - HOUR, pair.stripe, "applied", "live"),
        (present - 2 * HOUR - timedelta(microseconds=1), pair.stripe, "applied", "live"),
        (present - 30 * HOUR, pair.stripe, "dead", "walk"),  # not of the last 24 hours
    ]
    for place, fate in enumerate(Fate.values):
        came += [
            (present - 3 * HOUR + timedelta(minutes=number), pair.stripe, fate, "live")
            for number in range(place % 4 + 1)
        ]
        came.append((present - 5 * HOUR, other, fate, "live"))
    came += [
        (present - 4 * HOUR, pair.stripe, fate, "walk") for fate in ("applied", "applied", "dead", "ignored")
    ]
    for at, connection, fate, origin in sorted(came, key=lambda one: one[0]):
        received(connection, at, fate, origin=origin)
    hours.count(since=present - 40 * HOUR, until=now + HOUR, now=now)


def test_every_term_leads_to_exactly_its_events_on_the_page_as_a_file_and_by_rest(
    visitor: Visitor, pair: Pair
) -> None:
    fill(pair, timezone.now())
    figures = [one for one in numbers(visitor.page()) if "/events/?" in one[1] and "since=" in one[1]]
    figures += numbers(visitor.page("/w/acme/dev/conservation/"))

    asked = {query(address).get("became", "") for _, address in figures}
    assert asked == {"", *Fate.values}
    assert any("came=found" in address for _, address in figures)
    assert any(query(address).get("until") for _, address in figures)
    for number, address in dict.fromkeys(figures):
        page = visitor.page(address)
        found = (counted(page), rows(page), visitor.in_file(address), events_by_rest(visitor, address))
        assert found == (number,) * 4, address


def test_what_goes_on_shows_with_its_new_fate_behind_the_number(visitor: Visitor, pair: Pair) -> None:
    now = timezone.now()
    event = received(pair.stripe, hour_of(now) - HOUR, "queued")
    hours.count(since=hour_of(now) - 2 * HOUR, until=now, now=now)
    shown = visitor.page("/w/acme/dev/conservation/")
    Event.objects.filter(pk=event.pk).update(fate="applied")

    assert "leads to its events as they are now" in shown
    every = {query(address).get("became", ""): address for _, address in numbers(shown)}
    assert (counted(visitor.page(every[""])), counted(visitor.page(every["queued"]))) == (1, 0)


def test_the_legend_of_the_last_hour_leads_to_what_came_and_what_ended_in_it(
    visitor: Visitor, pair: Pair
) -> None:
    a_live_flow(pair)
    for ago in (90, 90, 600):
        an_applied_run(pair, took=1, ago=ago)
    an_applied_run(pair, took=1, ago=7200)
    late = an_applied_run(pair, took=50_000, ago=60)
    Run.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(days=1))

    shown = visitor.page()
    legend = {
        "runs" if "/runs/?" in address else "events": (number, address)
        for number, address in numbers(shown)
        if "handled=" in address or ("/events/?since=" in address and "became" not in address)
    }

    assert legend["events"][0] == counted(visitor.page(legend["events"][1])) == 3
    assert legend["runs"][0] == counted(visitor.page(legend["runs"][1])) == 4
    since = f"{query(legend['runs'][1])['handled']}Z"
    assert visitor.by_rest("runs", fate="applied", ended_after=since) == 4
    assert "Ended since" in visitor.page(legend["runs"][1])


def test_money_leads_to_the_records_that_it_is_summed_from(visitor: Visitor, pair: Pair) -> None:
    an_event(pair.stripe)
    now = timezone.now()
    for number, (amount, currency, at) in enumerate(
        [(1250, "EUR", now), (50, "EUR", now), (900, "USD", now), (None, "", now),
         (700, "EUR", now - timedelta(days=2))]
    ):  # fmt: skip
        Link.objects.create(
            pair=pair, stripe_id=f"pi_{number}", salesforce_object="Payment__c", external_id=f"pi_{number}",
            record_id="a0B", agreed=b"", amount=amount, currency=currency, first_synced_at=at, synced_at=at,
        )  # fmt: skip

    shown = visitor.page()
    address = shown.partition('<div class="tiles money">')[2].partition('href="')[2].partition('"')[0]
    page = visitor.page(address.replace("&amp;", "&"))

    assert "2 payments" in shown
    assert (counted(page), rows(page)) == (2, 2)
    assert "Money in EUR" in page
    assert "First saved since" in page
    since = (now - timedelta(days=1)).isoformat()
    assert visitor.by_rest("links", currency="eur", first_synced_after=since) == 2


def test_payments_that_stand_still_are_listed_without_those_under_way(visitor: Visitor, pair: Pair) -> None:
    an_event(pair.stripe)
    now = timezone.now()
    for state in ("confirmed", "under_way", "under_way", "waiting", "dead", "left_out"):
        Payment.objects.create(
            connection=pair.stripe, key=f"pi_{Payment.objects.count()}", amount=100, currency="EUR",
            told_at=now, last_event=1, state=state,
        )  # fmt: skip
    PaymentSum.objects.create(
        connection=pair.stripe, quarter=hour_of(now), currency="EUR", amount=600, payments=6
    )

    (found,) = [one for one in numbers(visitor.page()) if "state=still" in one[1]]
    page = visitor.page(found[1])

    assert (found[0], counted(page), rows(page), visitor.in_file(found[1])) == (3, 3, 3, 3)
    assert visitor.by_rest("payments", state="still") == 3


def test_what_was_ignored_while_a_flow_is_off_is_what_was_taken_up_since(
    visitor: Visitor, pair: Pair
) -> None:
    live, now = a_live_flow(pair), timezone.now()
    publishing.switch(deployment=live, enabled=False, actor="paula", now=now - HOUR)
    for minutes in (90, 50, 40):
        at = now - timedelta(minutes=minutes)
        received(pair.stripe, at, "ignored", fate_reason=SWITCHED_OFF)

    shown = visitor.page()
    start = shown.index("fate=passed&amp;reason=off&amp;handled=")
    address = "/w/acme/dev/events/?" + shown[start:].partition('"')[0].replace("&amp;", "&")

    assert "2 events were ignored because of it" in shown
    assert rows(visitor.page(address)) == 2
    assert "Taken up since" in visitor.page(address)


def test_events_that_are_missing_lead_to_where_they_are_looked_for(visitor: Visitor, pair: Pair) -> None:
    an_event(pair.stripe)
    for number in range(25):
        Notice.of(
            environment_id=pair.environment_id, key=f"missing:{pair.stripe_id}:evt_{number}_lost",
            kind="missing_event", title="", text="", now=timezone.now(), severity="critical",
        ).save()  # fmt: skip
    anchor, missed = f"missing-{pair.stripe.public_id}", f"connections/{pair.stripe.public_id}/missed/"

    overview, whole = visitor.page(), visitor.page("/w/acme/dev/conservation/")

    assert f'conservation/#{anchor}">25 events</a>' in overview
    assert 'missed/">evt_24_lost</a>' in overview
    assert f'id="{anchor}"' in whole
    assert whole.count(missed) == 21  # the number and the twenty that are named
    assert "and more" in whole


def test_the_queue_leads_to_its_runs_or_to_events_that_no_worker_has_taken(
    visitor: Visitor, pair: Pair
) -> None:
    an_event(pair.stripe)
    assert 'href="/w/acme/dev/events/?became=queued"' in visitor.page()

    a_live_flow(pair)
    one, *_ = runs(pair, 2)
    Run.objects.filter(pk=one.pk).update(state="retrying")
    shown = visitor.page()

    assert "3 runs queued or tried again" in shown
    assert counted(visitor.page("/w/acme/dev/runs/?fate=queued")) == 3
