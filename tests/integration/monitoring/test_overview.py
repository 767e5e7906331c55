"""The overview says in this order: is anything wrong, does it flow, what was synced, what ran last."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.models import Connection
from flows import publishing
from flows.dispatch import SWITCHED_OFF
from flows.models import Attempt, DeadLetter, Event, Link, Notice, Pair, Run
from flows.queries import first_id
from monitoring import payments, queries, throughput
from monitoring.models import ConservationHour
from tests.builders import NOON, a_connection, a_pair, a_person, an_environment
from tests.integration.flows.given import a_live_flow, an_event, runs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_counted_minutes() -> None:
    cache.clear()


@pytest.fixture
def pair() -> Pair:
    return a_pair()


@pytest.fixture
def overview(client: Client) -> Any:
    client.force_login(a_person("vera@acme.test", "viewer"))

    def ask(environment: str = "dev") -> str:
        answer = client.get(f"/w/acme/{environment}/")
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    return ask


def an_applied_run(pair: Pair, *, took: float, ago: float = 60) -> Run:
    """Return a run that was applied `ago` seconds ago, `took` seconds after its event was received."""
    (run,) = runs(pair, 1)
    finished = timezone.now() - timedelta(seconds=ago)
    Event.objects.filter(pk=run.event_id).update(received_at=finished - timedelta(seconds=took))
    Run.objects.filter(pk=run.pk).update(
        state="done", fate="applied", finished_at=finished, next_attempt_at=None
    )
    Attempt.objects.create(
        run=run, started_at=finished, finished_at=finished, outcome="done", trace=b"not opened here"
    )
    return run


def a_dead_letter(pair: Pair, *, at: datetime) -> None:
    """Let an event have become a dead letter at some moment."""
    event = an_event(pair.stripe)
    DeadLetter.objects.create(
        event=event, error_class="internal", message="", suggestion="", fingerprint="f", created_at=at
    )


def test_an_empty_environment_shows_the_first_steps(overview: Any) -> None:
    an_environment()

    shown = overview()

    assert "First steps" in shown
    assert "Connect Stripe" in shown
    assert 'href="/w/acme/dev/flows/templates/">Look at templates' in shown
    assert "Is it flowing?" not in shown
    assert "Is anything wrong?" not in shown
    assert '<section id="last" data-part aria-labelledby="last-runs" hidden>' in shown


def test_with_the_first_event_the_numbers_appear(overview: Any, pair: Pair) -> None:
    an_event(pair.stripe)

    shown = overview()

    assert "Is it flowing?" in shown
    assert "No runs yet" in shown


def test_a_flow_that_is_off_is_named_with_what_it_missed(overview: Any, pair: Pair) -> None:
    live = a_live_flow(pair)
    now = timezone.now()
    assert 'id="off"' not in overview()
    publishing.switch(deployment=live, enabled=False, actor="paula", now=now)
    for number, (reason, minutes) in enumerate([(SWITCHED_OFF, 1), (SWITCHED_OFF, -1), ("no flow", 1)]):
        event = an_event(pair.stripe, external_id=f"evt_{number}")
        Event.objects.filter(pk=event.pk).update(
            fate="ignored",
            fate_reason=reason,
            received_at=now - timedelta(minutes=2),
            dispatched_at=now + timedelta(minutes=minutes),
        )

    shown = overview()

    assert "1 flow is off" in shown
    assert f"{live.flow.name}. 1 event was ignored because of it" in shown
    assert "Nothing needs you" not in shown
    assert 'href="/w/acme/dev/events/?fate=passed&amp;reason=off&amp;handled=' in shown


def test_the_first_steps_go_away_with_the_first_applied_run(overview: Any, pair: Pair) -> None:
    a_live_flow(pair)
    an_applied_run(pair, took=1)

    assert "First steps" not in overview()


def test_a_halted_connection_is_named(overview: Any, pair: Pair) -> None:
    Connection.objects.filter(pk=pair.stripe_id).update(state="paused")

    assert "Stripe paused" in overview()


def test_money_is_summed_by_currency_and_by_day(pair: Pair) -> None:
    now = timezone.now().replace(hour=12)
    for number, (amount, currency, when) in enumerate(
        [(1000, "EUR", now), (250, "EUR", now), (500, "JPY", now), (9999, "EUR", now - timedelta(days=1))]
    ):
        Link.objects.create(
            pair=pair, stripe_id=f"pi_{number}", salesforce_object="Payment__c", external_id=f"pi_{number}",
            record_id="a0B", agreed=b"", amount=amount, currency=currency,
            first_synced_at=when, synced_at=when,
        )  # fmt: skip

    sums = queries.money_today(pair.environment, now=now)

    assert {money.currency: (money.amount, money.records) for money in sums} == {
        "EUR": (1250, 2),
        "JPY": (500, 1),
    }


def test_the_day_of_money_is_that_of_the_workspace_and_its_figures_lead_to_its_links(
    overview: Any, pair: Pair
) -> None:
    pair.environment.workspace.move_to("Pacific/Kiritimati")  # 14 hours before UTC
    an_event(pair.stripe)
    midnight = payments.begins(pair.environment.workspace, "today", now=timezone.now())
    for name, at in (("pi_today", midnight), ("pi_before", midnight - timedelta(seconds=1))):
        Link.objects.create(
            pair=pair, stripe_id=name, salesforce_object="Payment__c", external_id=name, record_id="a0B",
            agreed=b"", amount=1250, currency="EUR", first_synced_at=at, synced_at=at,
        )  # fmt: skip

    shown = overview()

    assert "since midnight in Pacific/Kiritimati" in shown
    assert '<span class="figure">€12.50</span><span class="note">1 payment</span>' in shown
    assert f"/links/?currency=eur&amp;since={midnight.astimezone(UTC):%Y-%m-%dT%H:%M}" in shown


def test_the_last_hour_is_counted_minute_by_minute(pair: Pair) -> None:
    a_live_flow(pair)
    an_applied_run(pair, took=1, ago=90)
    an_applied_run(pair, took=1, ago=90)

    minutes = throughput.last_hour(pair.environment, now=timezone.now())

    assert len(minutes) == 60
    assert sum(minute.received for minute in minutes) == 2
    assert sum(minute.applied for minute in minutes) == 2
    again = throughput.last_hour(pair.environment, now=timezone.now())
    assert sum(minute.received for minute in again) == 2


def test_each_minute_tells_its_dead_letters_and_how_long_what_was_applied_took(pair: Pair) -> None:
    a_live_flow(pair)
    now = timezone.now().replace(second=30)
    for took in (0.1, 0.2, 0.3, 0.4, 5.0):
        an_applied_run(pair, took=took, ago=(timezone.now() - now).total_seconds() + 600)
    a_dead_letter(pair, at=now - timedelta(minutes=3))
    elsewhere = a_pair(pair.environment.workspace.environments.get(slug="production"))
    a_dead_letter(elsewhere, at=now - timedelta(minutes=3))

    for _ in range(2):  # the second time most minutes are remembered
        minutes = throughput.last_hour(pair.environment, now=now)

        assert [(59 - at, one.dead) for at, one in enumerate(minutes) if one.dead] == [(3, 1)]
        assert [(59 - at, one.half, one.nearly_all) for at, one in enumerate(minutes) if one.applied] == [
            (10, 0.3, 5.0)
        ]


def test_of_a_busy_minute_a_part_tells_how_long_it_took(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "SAMPLE", 4)
    a_live_flow(pair)
    now = timezone.now().replace(second=0) + timedelta(seconds=30)
    for ago, took in [(120, 1.0)] * 12 + [(300, 7.0)]:
        an_applied_run(pair, took=took, ago=ago + (timezone.now() - now).total_seconds())

    with CaptureQueriesContext(connection) as asked:
        minutes = throughput.last_hour(pair.environment, now=now)

    assert [(one.applied, one.half) for one in minutes if one.applied] == [(1, 7.0), (12, 1.0)]
    assert sum("% 3" in one["sql"] for one in asked.captured_queries) == 1  # every third of the twelve


def test_the_charts_have_axes_and_say_every_value(overview: Any, pair: Pair) -> None:
    pair.environment.workspace.move_to("Asia/Kolkata")
    a_live_flow(pair)
    for took in (0.2, 0.2, 4.0):
        an_applied_run(pair, took=took)

    shown = overview()

    assert "Last hour: Applied 3, Dead letters 0, Received 3" in shown
    assert "Last hour: 95 % within 4 s, Half within 200 ms" in shown
    assert '<text x="100%" y="0.0%">3</text>' in shown
    minute = (timezone.now() - timedelta(seconds=60)).astimezone(ZoneInfo("Asia/Kolkata"))
    row = rf'{minute:%H}:\d\d IST</time></th><td class="num">3</td><td class="num">0</td>'
    assert re.search(row, shown)


def test_without_anything_applied_there_is_no_chart_of_how_long_it_took(overview: Any, pair: Pair) -> None:
    an_event(pair.stripe)

    shown = overview()

    assert 'id="plot-throughput"' in shown
    assert 'id="plot-lag"' not in shown


def test_half_and_nearly_all_are_applied_within(pair: Pair) -> None:
    a_live_flow(pair)
    for took in (0.1, 0.2, 0.3, 0.4, 5.0):
        an_applied_run(pair, took=took)

    half, nearly_all = throughput.latencies(pair.environment, now=timezone.now()) or (None, None)

    assert half == timedelta(seconds=0.3)
    assert nearly_all == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("age", "alarmed"),
    [pytest.param(3, False, id="a moment is nothing"), pytest.param(40, True, id="nobody takes it")],
)
def test_waiting_work_that_nobody_takes_raises_the_alarm(pair: Pair, age: int, alarmed: bool) -> None:
    an_event(pair.stripe, received_at=timezone.now() - timedelta(seconds=age))

    assert bool(queries.alarms(pair.environment, now=timezone.now())) is alarmed


def test_the_first_row_behind_a_moment_is_found_by_halving(pair: Pair) -> None:
    start = timezone.now() - timedelta(hours=5)
    events = [an_event(pair.stripe, received_at=start + timedelta(minutes=10 * n)) for n in range(30)]

    found = first_id(Event, "received_at", start + timedelta(minutes=95))

    assert events[9].pk < found <= events[10].pk


def test_another_workspace_sees_nothing_of_it(client: Client, pair: Pair) -> None:
    client.force_login(a_person("eve@globex.test", None))

    assert client.get("/w/acme/dev/").status_code == 404
    assert client.get("/w/acme/dev/live/").status_code == 404


def test_a_page_without_a_socket_asks_for_the_news(client: Client, pair: Pair) -> None:
    client.force_login(a_person("vera@acme.test", "viewer"))

    told = client.get("/w/acme/dev/live/", {"after": "0.0", "topics": "dashboard"}).content.decode()

    assert 'id="figures"' in told
    assert 'id="nav-dead"' in told


def test_it_says_whether_the_calls_will_last_and_leads_to_what_they_are_used_for(
    overview: Any, pair: Pair
) -> None:
    an_event(pair.stripe)
    org = Connection.objects.filter(pk=pair.salesforce_id)
    assert "Will the API calls last?" not in overview()

    org.update(api_used=4000, api_limit=10_000)
    shown = overview()

    assert "Enough for the next day" in shown
    assert f'href="/w/acme/dev/budgets/{pair.salesforce.public_id}/"' in shown
    assert "5,000 <small>of 9,000 left</small>" in shown

    org.update(api_used=9000)
    assert "used up: runs wait until calls come back" in overview()


def test_of_several_connections_each_one_has_its_equation(overview: Any, pair: Pair) -> None:
    other = a_connection("stripe", pair.environment, "Stripe Japan")
    for stripe, applied in ((pair.stripe, 3), (other, 1)):
        an_event(stripe)
        ConservationHour.objects.create(
            connection=stripe, hour=timezone.now(), received=3, applied=applied, counted_at=timezone.now()
        )

    shown = overview()

    assert f'conservation/#account-{other.public_id}">Stripe Japan</a>' in shown
    assert shown.count("Does not add up") == 1


def lacking(shown: str) -> str:
    """Return what is said of events that are missing, without the links."""
    return re.sub("<[^>]+>", "", shown[shown.index("lacks ") :].partition("</p>")[0])


def test_events_that_stripe_lists_and_that_are_not_here_are_named_until_they_come(
    overview: Any, pair: Pair
) -> None:
    now = timezone.now()
    event = an_event(pair.stripe, external_id="evt_here")
    assert "Events are missing" not in overview()
    for name in ("evt_here", "evt_lost"):
        Notice.of(
            environment_id=pair.environment_id, key=f"missing:{pair.stripe_id}:{name}", kind="missing_event",
            title="", text="", now=now, severity="critical",
        ).save()  # fmt: skip

    shown = overview()

    assert "Events are missing" in shown
    assert lacking(shown) == "lacks 1 event that the other system lists: evt_lost"
    Event.objects.filter(pk=event.pk).update(external_id="evt_lost")
    assert lacking(overview()) == "lacks 1 event that the other system lists: evt_here"
    Notice.objects.filter(key__endswith="evt_here").delete()
    assert "Events are missing" not in overview()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL goes by its statistics")
def test_nothing_on_it_reads_or_sorts_all_that_ever_came(pair: Pair) -> None:
    a_live_flow(pair)
    an_applied_run(pair, took=1)
    with CaptureQueriesContext(connection) as asked:
        queries.dashboard(pair.environment, now=timezone.now())
        queries.last_runs(pair.environment)
    tables = ("flows_event", "flows_run", "flows_attempt")
    plans = [
        " ".join(str(row) for row in connection.cursor().execute("EXPLAIN QUERY PLAN " + one["sql"]))
        for one in asked.captured_queries
        if any(f'FROM "{table}"' in one["sql"] for table in tables)
    ]

    assert len(plans) > 5
    for plan in plans:
        assert not any(f"SCAN {table}" in plan for table in tables), plan
        assert "FOR ORDER BY" not in plan  # it would sort all of a connection or of a pair
        assert "flows_attempt_run_id" not in plan  # it would look up the attempts of all runs of a pair


def test_what_waits_is_not_looked_for_in_all_that_came_after_a_busier_moment(
    pair: Pair, on_postgresql: bool
) -> None:
    if not on_postgresql:
        pytest.skip("SQLite has no statistics that could be of another moment")
    common = {"connection": pair.stripe, "received_at": NOON, "body": b"x" * 500}
    Event.objects.bulk_create(Event(external_id=f"evt_{n}", **common) for n in range(2000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE flows_event")
    Event.objects.update(fate="applied")

    with CaptureQueriesContext(connection) as asked:
        assert throughput.waiting_since(pair.environment) is None

    for one in (one["sql"] for one in asked.captured_queries if "queued" in one["sql"]):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {one}")
            assert "flows_event_pkey" not in str(cursor.fetchall())
