"""Where what an org tells leads: to which flows, a run for each record, in lanes that both sides share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows import confirmation, leading
from flows.bus_events import BusEvent
from flows.dispatch import dispatch
from flows.models import AppliedVersion, Deployment, Event, Fate, Lane, LateTarget, Link, Pair, Run
from flows.routes import ROUTES, Door, Route
from integrator import vault
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, a_worker, an_event

FIRST, SECOND = "001000000000001AAA", "001000000000002AAA"


def a_change_flow(pair: Pair, slug: str = "accounts", enabled: bool = True, **trigger: Any) -> Deployment:
    """Return a deployment of a flow that changes of accounts start."""
    live = a_live_flow(pair, slug=slug, enabled=enabled)
    version = live.version
    version.document["trigger"] = {"kind": "salesforce.change", "object": "Account", **trigger}
    version.save()
    return live


def a_change(pair: Pair, *ids: str, kind: str = "Account.updated", **more: Any) -> Event:
    """Return a change of records in the inbox."""
    body = {"type": kind, "entity": kind.partition(".")[0], "record_ids": list(ids), "changed": ["Name"]}
    origin = more.pop("origin", Event.Origin.LIVE)
    first = ids[0] if ids else ""
    payload = {**body, "data": {"object": {"Id": first, "Name": "New"}}, **more}
    return an_event(
        pair.salesforce, {}, body=json.dumps(payload).encode(), type=kind, origin=origin, livemode=None,
        object_id=first,
    )  # fmt: skip


def a_link(pair: Pair, record: str, stripe_id: str) -> Link:
    """Return the link of a record with an object of Stripe."""
    return Link.objects.create(
        pair=pair, stripe_id=stripe_id, salesforce_object="Account", external_id=stripe_id, record_id=record,
        agreed=vault.seal(b"{}", owner=f"link:{pair.pk}"), first_synced_at=NOON, synced_at=NOON,
    )  # fmt: skip


def outcome(event: Event) -> tuple[str, str]:
    """Dispatch and return the fate of an event with its reason."""
    dispatch(now=NOON)
    event.refresh_from_db()
    return event.fate, event.fate_reason


def test_each_record_of_a_change_has_a_run_in_the_lane_of_what_it_is_linked_with(pair: Pair) -> None:
    a_change_flow(pair)
    a_link(pair, SECOND, "cus_2")
    event = a_change(pair, FIRST, SECOND, FIRST)

    assert outcome(event) == ("queued", "")

    runs = Run.objects.order_by("subject").values_list("subject", "lane__key")
    assert list(runs) == [(FIRST, f"salesforce:{FIRST}"), (SECOND, "stripe:cus_2")]


def test_what_waits_in_the_lane_of_a_record_moves_with_it_when_a_link_is_made(pair: Pair) -> None:
    a_change_flow(pair)
    a_change(pair, FIRST)
    dispatch(now=NOON)
    a_link(pair, FIRST, "cus_1")

    a_change(pair, FIRST)
    dispatch(now=NOON)

    assert set(Run.objects.values_list("lane__key", flat=True)) == {"stripe:cus_1"}
    assert dict(Lane.objects.values_list("key", "ready_at")) == {
        f"salesforce:{FIRST}": None,
        "stripe:cus_1": NOON,
    }


def test_a_lane_that_a_worker_has_keeps_what_it_holds(pair: Pair) -> None:
    a_change_flow(pair)
    a_change(pair, FIRST)
    dispatch(now=NOON)
    Lane.objects.update(worker=a_worker().id)
    a_link(pair, FIRST, "cus_1")

    a_change(pair, FIRST)
    dispatch(now=NOON)

    assert list(Run.objects.order_by("id").values_list("lane__key", flat=True)) == [
        f"salesforce:{FIRST}",
        "stripe:cus_1",
    ]


@pytest.mark.parametrize(
    ("trigger", "change", "reason"),
    [
        pytest.param({"object": "Contact"}, {}, "no flow handles Account.updated", id="of another object"),
        pytest.param({"changes": ["created"]}, {}, "no flow handles Account.updated", id="another change"),
        pytest.param({"enabled": False}, {}, "the flow is switched off", id="switched off"),
        pytest.param(
            {"fields": ["Phone"]},
            {},
            "none of the fields that the flow looks at has changed",
            id="another field",
        ),
        pytest.param({"fields": ["NAME"]}, {}, "", id="the field, whatever its case"),
        pytest.param({"fields": ["Phone"]}, {"reread": True}, "", id="it is not told what changed"),
    ],
)
def test_a_change_that_starts_nothing_says_why(
    pair: Pair, trigger: dict[str, Any], change: dict[str, Any], reason: str
) -> None:
    a_change_flow(pair, **trigger)
    event = a_change(pair, FIRST, **change)

    assert outcome(event) == ("ignored" if reason else "queued", reason)


def test_a_change_of_which_the_records_are_not_told_starts_nothing(pair: Pair) -> None:
    live = a_change_flow(pair)
    event = a_change(pair, kind="Account.updated")

    assert outcome(event) == ("ignored", "Salesforce does not say which records changed")
    assert not live.flow.runs.exists()


def test_a_sweep_leads_to_every_flow_about_such_changes_and_a_deletion_to_those_that_want_it(
    pair: Pair,
) -> None:
    any_change, deleted = a_change_flow(pair, changes=["updated"]), a_change_flow(
        pair, slug="gone", changes=["deleted"]
    )  # fmt: skip
    a_change(pair, FIRST, kind="Account.created", origin=Event.Origin.SWEEP)
    a_change(pair, SECOND, kind="Account.deleted", origin=Event.Origin.SWEEP)
    dispatch(now=NOON)

    runs = Run.objects.order_by("id").values_list("flow", "subject")
    assert list(runs) == [(any_change.flow_id, FIRST), (deleted.flow_id, SECOND)]


def test_a_platform_event_starts_one_run_in_a_lane_of_its_own(pair: Pair) -> None:
    live = a_change_flow(pair)
    live.version.document["trigger"] = {"kind": "salesforce.event", "event": "Paid__e"}
    live.version.save()
    event = a_change(pair, kind="Paid__e")

    assert outcome(event) == ("queued", "")
    assert list(Run.objects.values_list("subject", "lane__key")) == [("", f"salesforce:{event.external_id}")]


def test_what_may_land_late_in_stripe_is_done_again_for_each_record_of_its_event(pair: Pair) -> None:
    live = a_change_flow(pair)
    event = a_change(pair, FIRST, SECOND)
    dispatch(now=NOON)
    Run.objects.update(state=Run.State.DONE, fate=Fate.APPLIED, finished_at=NOON, next_attempt_at=None)
    AppliedVersion.objects.create(
        flow=live.flow, pair=pair, target="customer:cus_1", source=FIRST, event=event, not_before=NOON,
        not_after=NOON, applied_at=NOON,
    )  # fmt: skip
    LateTarget.objects.create(connection=pair.stripe, target="customer:cus_1", confirm_at=NOON)

    assert confirmation.open_due(now=NOON) == 2

    again = Run.objects.filter(replay=1, state=Run.State.READY)
    assert sorted(again.values_list("subject", flat=True)) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("kind", "changes", "starts"),
    [
        ("updated", ["updated"], True),
        ("updated", ["created"], False),
        ("updated", ["undeleted"], False),
        ("created", ["created"], True),
        ("created", ["updated"], True),
        ("created", ["undeleted"], False),
        ("undeleted", ["created", "undeleted"], True),
        ("updated", ["created", "updated", "deleted"], True),
    ],
)
def test_a_record_that_was_missed_starts_what_its_change_would_have_started(kind, changes, starts):
    types = tuple(f"Account.{one}" for one in changes)
    route = Route(1, 1, 1, enabled=True, types=types)
    door = Door(1, 1, "salesforce", "", None, "v67.0", by_object={"Account": [route]})
    event = BusEvent.of({"type": f"Account.{kind}", "record_ids": [FIRST], "reread": True})

    led = leading.lead(event, door, sweep=True)

    assert bool(led.routes) is starts
    assert bool(led.reason) is not starts


def test_both_sides_share_a_lane_before_a_link_exists_where_flows_keep_them_in_agreement(pair: Pair) -> None:
    two_way = a_live_flow(pair, slug="customers").version
    step = {"id": "save", "kind": "salesforce.upsert", "settings": {"object": "Account", "two_way": {}}}
    two_way.document |= {
        "trigger": {"kind": "stripe.event", "types": ["customer.updated"]}, "steps": [step]
    }  # fmt: skip
    two_way.content_hash = "of both sides"
    two_way.save()
    a_change_flow(pair)
    a_link(pair, SECOND, "cus_linked")
    ROUTES.forget()

    def lane_of(id: str, record: str) -> str:
        found = {"id": id, "object": "customer", "metadata": {"salesforce_account_id": record[:15]}}
        event = an_event(pair.stripe, found, type="customer.updated")
        outcome(event)
        return str(Run.objects.get(event=event).lane.key)

    assert lane_of("cus_1", FIRST) == f"salesforce:{FIRST}"
    assert lane_of("cus_linked", FIRST) == "stripe:cus_linked"
    assert lane_of("cus_2", SECOND) == "stripe:cus_2"
    assert lane_of("cus_3", "acme") == "stripe:cus_3"
    outcome(a_change(pair, FIRST))
    assert set(Run.objects.filter(lane__key=f"salesforce:{FIRST}").values_list("subject", flat=True)) == {
        "", FIRST,
    }  # fmt: skip
