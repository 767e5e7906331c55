"""What the database says becomes alerts, from each source, and each is over when its cause is gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.urls import resolve
from django.utils import timezone

from connectors.models import NEEDS_KEY, Connection, Cursor
from flows.models import (
    Change,
    DeadLetter,
    Deployment,
    Effect,
    Event,
    Impact,
    Notice,
    Pair,
    Review,
    Run,
    Worker,
)
from flows.models.lanes import Lane
from monitoring import alerts, gathering
from monitoring.models import Alert, AlertDelivery, ConservationHour, Duty
from tests.builders import NOON, a_pair, a_workspace, an_environment
from tests.integration.flows.given import a_live_flow, an_event, runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> Pair:
    cache.clear()
    return a_pair()


@pytest.fixture(autouse=True)
def _a_feed_that_flows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL the test's own transaction holds up what it writes."""
    if "old_transaction" not in request.node.name:
        monkeypatch.setattr(gathering, "_feed_since", lambda: None)


def told(now: datetime, memory: alerts.Memory | None = None) -> dict[str, Alert]:
    """Return the open alerts by kind, once whatever is wrong has lasted for a quarter of an hour."""
    for minutes in (0, 15):
        alerts.evaluate(now=now + timedelta(minutes=minutes), memory=memory)
    return {alert.kind: alert for alert in Alert.objects.open()}


def over(now: datetime) -> bool:
    """Tell whether nothing is wrong any more."""
    for minutes in (30, 45):
        alerts.evaluate(now=now + timedelta(minutes=minutes))
    return not Alert.objects.open().exists()


def rest(one: Connection, reason: str, until: datetime | None) -> None:
    Connection.objects.filter(pk=one.pk).update(state="resting", state_reason=reason, paused_until=until)


def test_all_is_well_where_nothing_is_wrong(pair: Pair) -> None:
    a_live_flow(pair)
    Worker.objects.create(
        name="w", host="h", pid=1, started_at=NOON, expires_at=NOON, last_claim_at=timezone.now()
    )

    assert told(NOON) == {}


def test_looking_costs_few_questions_while_all_is_well(
    pair: Pair, django_assert_max_num_queries: Any
) -> None:
    memory = alerts.Memory()
    alerts.evaluate(now=NOON, memory=memory)

    with django_assert_max_num_queries(13):
        alerts.evaluate(now=NOON, memory=memory)


@pytest.mark.parametrize(
    ("reason", "until", "kind"),
    [
        pytest.param(f"{NEEDS_KEY} Invalid API Key", NOON + timedelta(minutes=5), "connection_key", id="key"),
        pytest.param(
            "The credential leads to 00D2, but this connection is for 00D1.",
            None,
            "connection_misdirected",
            id="firewall",
        ),
        pytest.param(
            "TotalRequests Limit exceeded.", NOON + timedelta(minutes=15), "connection_limit", id="limit"
        ),
        pytest.param("Stripe could not be reached", NOON, "connection_outage", id="outage"),
    ],
)
def test_a_resting_connection_is_told_and_over_when_it_wakes(
    pair: Pair, reason: str, until: datetime | None, kind: str
) -> None:
    rest(pair.salesforce, reason, until)

    found = told(NOON)

    assert list(found) == [kind]
    assert found[kind].environment == pair.environment
    pair.salesforce.refresh_from_db()
    pair.salesforce.wake()
    assert over(NOON)


def test_what_a_person_paused_is_no_incident(pair: Pair) -> None:
    pair.stripe.pause(reason="The quarter is closed.")

    assert told(NOON) == {}


def test_a_limit_tells_how_many_runs_wait(pair: Pair) -> None:
    a_live_flow(pair)
    runs(pair, 3)
    rest(pair.salesforce, "Limit exceeded.", NOON + timedelta(minutes=10))

    assert "3 runs wait" in told(NOON)["connection_limit"].text


def test_a_secret_in_a_reason_is_masked(pair: Pair) -> None:
    secret = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    rest(pair.stripe, f"{NEEDS_KEY} Invalid API Key provided: {secret}", NOON)

    assert secret not in told(NOON)["connection_key"].text


def test_a_held_flow_is_told(pair: Pair) -> None:
    live = a_live_flow(pair)
    live.hold(until=NOON + timedelta(minutes=5), reason="The field Fee__c is missing", now=NOON)

    found = told(NOON)["flow_held"]

    assert found.title == "Payments is held"
    assert found.text.startswith("The field Fee__c is missing. Its runs wait")
    live.let_go()
    assert over(NOON)


def test_a_change_under_a_live_flow_is_told_and_over_when_it_is_mended(pair: Pair) -> None:
    live = a_live_flow(pair)
    line = {"object": "Payment__c", "severity": "fails"}
    impact = Impact.objects.create(
        deployment=live, basis="1", severity="fails", findings=[line, line, {**line, "severity": "know"}],
        events=200, failing=180, looked_at=NOON,
    )  # fmt: skip

    found = told(NOON)["impact"]

    assert (found.title, found.severity) == ("An object changed under Payments", "warning")
    assert "Payment__c changed since" in found.text
    assert "2 lines would fail. 180 of the last 200 events would fail now." in found.text
    assert found.link == f"/w/acme/dev/impact/?flow={live.flow.public_id}"
    impact.become(now=NOON, severity="", findings=[], failing=0)
    assert over(NOON)


def test_a_held_flow_that_is_off_waits_for_nobody(pair: Pair) -> None:
    live = a_live_flow(pair)
    live.hold(until=NOON, reason="Why.", now=NOON)
    Deployment.objects.filter(pk=live.pk).update(enabled=False)

    assert told(NOON) == {}


def a_letter(pair: Pair, fingerprint: str = "f1", error_class: str = "data", **fields: Any) -> DeadLetter:
    event = an_event(pair.stripe, dispatched_at=NOON, fate="dead")
    return DeadLetter.objects.create(
        event=event, error_class=error_class, message="Jenny Rosen was refused", suggestion="Mend it.",
        fingerprint=fingerprint, created_at=NOON, **fields,
    )  # fmt: skip


def test_dead_letters_are_one_alert_for_each_cause(pair: Pair) -> None:
    for fingerprint in ("f1", "f1", "f2"):
        a_letter(pair, fingerprint)

    told(NOON)

    counts = Alert.objects.open().order_by("key").values_list("kind", "count")
    assert list(counts) == [("dead_letters", 2), ("dead_letters", 1)]
    assert "Jenny" not in "".join(Alert.objects.values_list("text", flat=True))
    DeadLetter.objects.update(resolved_at=NOON, resolution="retried")
    assert over(NOON)


def test_a_new_letter_is_seen_though_the_last_look_is_remembered(pair: Pair) -> None:
    memory = alerts.Memory()
    a_letter(pair)
    alerts.evaluate(now=NOON, memory=memory)
    a_letter(pair)

    alerts.evaluate(now=NOON + timedelta(seconds=5), memory=memory)

    assert Alert.objects.get().count == 2


def test_a_fault_of_the_product_is_critical(pair: Pair) -> None:
    a_letter(pair, error_class="internal")

    assert told(NOON)["internal_failure"].severity == "critical"


def test_a_call_in_doubt_and_a_question_are_told(pair: Pair) -> None:
    a_live_flow(pair)
    (run,) = runs(pair, 1)
    Effect.objects.create(
        pair=pair, key="k", kind="starting", purpose="Start dunning", flow=run.flow, step="s", run=run,
        record="pi_1", slot="salesforce", action="start_flow", request=b"", state="in_doubt", created_at=NOON,
    )  # fmt: skip
    Review.objects.create(pair=pair, run=run, step="s", kind="several", question="Which?", created_at=NOON)
    Lane.objects.update(ready_at=None)

    assert set(told(NOON)) == {"in_doubt", "reviews"}
    Effect.objects.update(state="done")
    Review.objects.update(closed_at=NOON)
    assert over(NOON)


def test_work_that_stands_still_is_told_to_every_connected_workspace(pair: Pair) -> None:
    a_pair(an_environment("dev", a_workspace("globex")))
    a_workspace("empty")
    an_event(pair.stripe)

    told(NOON + timedelta(minutes=1))

    slugs = Alert.objects.filter(kind="standstill").values_list("workspace__slug", "environment")
    assert sorted(slugs) == [("acme", None), ("globex", None)]


def test_an_event_that_crashes_its_worker_is_told(pair: Pair) -> None:
    an_event(pair.stripe, dispatch_crashes=1, received_at=timezone.now())

    assert told(NOON)["dispatch_crash"].severity == "critical"


def test_a_walk_that_keeps_failing_is_told(pair: Pair) -> None:
    Cursor.objects.create(connection=pair.stripe, stream="events", failure="No permission rak_event_read")

    found = told(NOON)["walk"]

    assert found.title == "Stripe: the list of events cannot be read"
    assert found.text.startswith("No permission rak_event_read. What no webhook brings")
    Cursor.objects.update(failure="")
    assert over(NOON)


def test_webhooks_that_do_not_arrive_are_told_unless_the_walk_is_the_only_way(pair: Pair) -> None:
    pair.stripe.webhook_endpoints.create()
    ConservationHour.objects.create(
        connection=pair.stripe, hour=NOON, received=9, applied=9, found=9, counted_at=NOON
    )

    assert "webhooks_silent" in told(NOON + timedelta(minutes=20))
    Connection.objects.filter(pk=pair.stripe_id).update(settings={"walk_only": True})
    assert over(NOON)


def test_an_hour_that_does_not_add_up_is_told(pair: Pair) -> None:
    ConservationHour.objects.create(
        connection=pair.stripe, hour=NOON, received=9, applied=8, delivered=9, counted_at=NOON
    )

    assert told(NOON)["conservation"].title == "Stripe: 1 event cannot be accounted for"


def test_a_duty_that_fails_is_told(pair: Pair) -> None:
    Duty.objects.create(name="conservation", held_until=NOON, failure="ValueError", failed_at=NOON)

    assert told(NOON)["duty"].title == "The watching process fails: conservation"


def test_mail_that_cannot_be_sent_is_shown_and_not_mailed(pair: Pair, settings: Any) -> None:
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    other = a_pair(an_environment("dev", a_workspace("globex")))
    alert = Alert.objects.create(
        workspace=pair.environment.workspace, kind="notice", key="k", severity="warning", title="t", text="t",
        link="/", noticed_at=NOON, opened_at=NOON, last_seen_at=NOON, closed_at=NOON,
    )  # fmt: skip
    AlertDelivery.objects.create(
        alert=alert, recipient="root@acme.test", news="opened", due_at=NOON, attempts=3,
        failure="550 bob@acme.test is unknown",
    )  # fmt: skip

    found = told(NOON)["mail"]

    assert (found.workspace, found.kind) == (pair.environment.workspace, "mail")
    assert not found.deliveries.exists()
    assert not Alert.objects.filter(workspace=other.environment.workspace).exists()


# Notices


def a_notice(pair: Pair, key: str, kind: str = "flow_alert", **fields: Any) -> Notice:
    notice = Notice.of(
        environment_id=pair.environment_id, key=key, kind=kind, title=f"Title of {key}", text="Text.",
        now=NOON, severity="warning",
    )  # fmt: skip
    for name, value in fields.items():
        setattr(notice, name, value)
    notice.save()
    return notice


def test_a_notice_is_told_until_somebody_acknowledges_it(pair: Pair) -> None:
    flow = a_live_flow(pair).flow
    a_notice(pair, "one", flow=flow)
    first = told(NOON)["flow_alert"]
    assert first.title == "Title of one"

    alerts.acknowledge(alert=first, actor="otto@acme.test", now=NOON + timedelta(minutes=16))
    alerts.evaluate(now=NOON + timedelta(minutes=17))
    assert not Alert.objects.open().exists()

    a_notice(pair, "two", flow=flow)
    alerts.evaluate(now=NOON + timedelta(minutes=18))
    assert Alert.objects.open().get().title == "Title of two"


def test_notices_of_one_flow_and_kind_are_one_alert_with_the_newest_on_top(pair: Pair) -> None:
    a_notice(pair, "one", kind="api_version", severity="info")
    a_notice(pair, "once more", kind="api_version", title="Title of one")
    a_notice(pair, "two", kind="api_version")
    a_notice(pair, "three", kind="something new")

    found = told(NOON)

    assert (found["api_version"].title, found["api_version"].count) == ("Title of two", 3)
    assert found["api_version"].text.endswith(" 2 more like it: Title of one.")
    assert found["api_version"].severity == "warning"
    assert "notice" in found


def test_a_notice_is_over_after_a_week(pair: Pair) -> None:
    a_notice(pair, "one")
    told(NOON)

    assert over(NOON + timedelta(days=7))


def test_an_event_that_was_missing_and_came_in_is_missing_no_more(pair: Pair) -> None:
    a_notice(pair, f"missing:{pair.stripe_id}:evt_lost", kind="missing_event")
    assert "missing_event" in told(NOON)

    an_event(pair.stripe, external_id="evt_lost", dispatched_at=NOON)

    assert over(NOON)


# All of them


def test_every_link_of_an_alert_leads_to_a_page(pair: Pair) -> None:
    live = a_live_flow(pair)
    live.hold(until=NOON, reason="Why.", now=NOON)
    (run,) = runs(pair, 1)
    a_letter(pair, "f" * 64)
    a_notice(pair, "one", flow=run.flow, run=run)
    a_notice(pair, "two", kind="missing_event")
    a_notice(pair, "three", kind="missing_rate")
    Cursor.objects.create(connection=pair.stripe, stream="events", failure="No permission")
    Effect.objects.create(
        pair=pair, key="k", kind="starting", purpose="Start dunning", flow=run.flow, step="s", run=run,
        record="pi_1", slot="salesforce", action="start_flow", request=b"", state="in_doubt", created_at=NOON,
    )  # fmt: skip
    rest(pair.salesforce, "x", None)
    Review.objects.create(pair=pair, run=run, step="s", kind="several", question="Which?", created_at=NOON)
    ConservationHour.objects.create(connection=pair.stripe, hour=NOON, received=1, counted_at=NOON)
    an_event(pair.stripe, dispatch_crashes=1)
    assert Run.objects.exists()
    assert Event.objects.exists()

    told(NOON + timedelta(minutes=1))

    links = Alert.objects.open().values_list("link", flat=True)
    assert len(links) >= 11
    for link in links:
        assert resolve(link.split("?")[0]).kwargs["environment"] == "dev"


def test_an_old_transaction_that_holds_up_live_pages_is_told(pair: Pair, on_postgresql: bool) -> None:
    if not on_postgresql:
        pytest.skip("SQLite's feed cannot be held up")
    # The test's own transaction has not ended, so what it writes cannot be read by pages yet.
    Change.objects.record(environment_id=pair.environment_id, kind="closed", summary={}, now=NOON)

    assert gathering._feed_since() == NOON
