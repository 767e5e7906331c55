"""Events that do not carry their object as it is: thin ones, and those of another API version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows import intake, loading
from flows.dispatch import dispatch
from flows.models import Event, Notice, Pair, Run
from flows.plans import compiled
from tests.builders import NOON
from tests.integration.flows.given import a_charge, a_live_flow, an_event

pytestmark = pytest.mark.django_db


def a_thin_event(kind: str = "v1.charge.succeeded", **fields: Any) -> bytes:
    """Return the body of a notification that only names its object."""
    event = {
        "id": "evt_thin_1",
        "object": "v2.core.event",
        "type": kind,
        "livemode": False,
        "created": "2026-11-24T12:00:00.000Z",
        "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
    }
    return json.dumps(event | fields).encode()


def receive(pair: Pair, body: bytes) -> int:
    return intake.receive(connection_id=pair.stripe_id, deliveries=[intake.read(body)], now=NOON)


def test_a_thin_event_opens_a_run_that_reads_the_object_first(pair):
    live = a_live_flow(pair)
    receive(pair, a_thin_event())

    dispatch(now=NOON)

    run = Run.objects.get()
    assert (run.fetch_first, run.lane.key, run.event.type) == (True, "stripe:ch_1", "v1.charge.succeeded")
    (loaded,) = loading.load(Run.objects.values_list("id", flat=True), now=NOON)
    readied = loading.ready(loaded, compiled(live.version_id, live.version.content_hash))
    assert (readied.root.type, readied.root.id, readied.item.read_first) == ("charge", "ch_1", True)
    assert readied.item.context == {}, "there is nothing to map before the object was read"


def test_a_thin_event_takes_the_lane_in_which_its_object_was_handled(pair):
    a_live_flow(pair)
    an_event(pair.stripe, a_charge(id="ch_1", payment_intent="pi_1"))
    dispatch(now=NOON)

    receive(pair, a_thin_event())
    dispatch(now=NOON)

    assert set(Run.objects.values_list("lane__key", flat=True)) == {"stripe:pi_1"}


def test_a_change_that_only_thin_events_tell_leads_to_flows_about_any_change(pair):
    a_live_flow(pair, "customer.subscription.updated", slug="subscriptions")
    related = {"id": "sub_1", "type": "subscription", "url": "/v1/subscriptions/sub_1"}
    receive(pair, a_thin_event("v1.customer.subscription.past_due", related_object=related))

    dispatch(now=NOON)

    assert Run.objects.get().flow.slug == "subscriptions"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"related_object": None}, "the thin event names no object", id="no object"),
        pytest.param(
            {
                "related_object": {
                    "id": "acct_1",
                    "type": "v2.core.account",
                    "url": "/v2/core/accounts/acct_1",
                }
            },
            "thin events about v2.core.account objects are not handled",
            id="unknown object",
        ),
        pytest.param(
            {"type": "v1.charge.refunded"}, "no flow handles v1.charge.refunded", id="nobody wants it"
        ),
    ],
)
def test_a_thin_event_that_leads_nowhere_says_why(pair, fields: Any, reason):
    a_live_flow(pair)
    receive(pair, a_thin_event(**fields))

    dispatch(now=NOON)

    event = Event.objects.get()
    assert (event.fate, event.fate_reason) == ("ignored", reason)


def test_a_thin_event_and_its_snapshot_are_one_event(pair):
    thin = a_thin_event(snapshot_event="evt_twin")
    snapshot = {
        "id": "evt_twin",
        "object": "event",
        "type": "charge.succeeded",
        "data": {"object": a_charge()},
    }

    assert receive(pair, thin) == 1
    assert receive(pair, json.dumps(snapshot).encode()) == 0


def test_an_event_of_another_version_is_read_anew_and_told_once(pair):
    live = a_live_flow(pair)
    for _ in range(2):
        an_event(pair.stripe, api_version="2024-04-10")
    an_event(pair.stripe, api_version=pair.stripe.api_version)

    dispatch(now=NOON)
    an_event(pair.stripe, api_version="2024-04-10")
    dispatch(now=NOON)

    runs = Run.objects.order_by("id")
    assert [run.fetch_first for run in runs] == [True, True, False, True]
    items = [
        loading.ready(run, compiled(live.version_id, live.version.content_hash)).item
        for run in loading.load((run.id for run in runs), now=NOON)
    ]
    assert [item.event.foreign for item in items] == [True, True, False, True]
    notice = Notice.objects.get()
    assert (notice.kind, notice.severity) == ("api_version", "warning")
    assert "2024-04-10" in notice.title
    assert pair.stripe.api_version in notice.text


def test_what_cannot_be_read_anew_is_mapped_as_it_came(pair):
    a_live_flow(pair, "balance.available")
    an_event(
        pair.stripe,
        {"object": "balance", "livemode": False},
        type="balance.available",
        api_version="2024-04-10",
    )

    dispatch(now=NOON)

    assert Run.objects.get().fetch_first is False
