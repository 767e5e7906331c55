"""The budget of a connection tells what is used, by which flow, what will be, and what a change costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from connectors.models import CallHour, Connection
from flows.models import Deployment, FlowPriority, Pair
from integrator.accounts.models import AuditEntry
from monitoring import alerts, gathering, spending
from monitoring.models import Alert
from tests.builders import a_flow, a_pair, a_person, a_workspace
from tests.integration.flows.given import a_live_flow

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def pair() -> Pair:
    """Return a pair whose org allows 10,000 calls, of which 4,000 are used."""
    pair = a_pair()
    Connection.objects.filter(pk=pair.salesforce_id).update(
        api_used=4000, api_limit=10_000, last_success_at=timezone.now()
    )
    pair.salesforce.refresh_from_db()
    return pair


@pytest.fixture
def live(pair: Pair) -> Deployment:
    return a_live_flow(pair)


def called(pair: Pair, cause: int, *, calls: int = 100, days: int = 8, ago: int = 0) -> None:
    """Let a flow have made so many calls in every hour of some days, each with five records of five runs."""
    present = timezone.now().replace(minute=0, second=0, microsecond=0)
    CallHour.objects.bulk_create(
        CallHour(
            connection=pair.salesforce, cause=cause, hour=present - HOUR * back, kind=kind,
            calls=0 if kind == "try" else calls, carried=5 * calls,
        )
        for back in range(ago, 24 * days)
        for kind in ("write", "try")
    )  # fmt: skip


@pytest.fixture
def page(client: Client, pair: Pair) -> Any:
    def ask(query: str = "", role: str = "viewer") -> str:
        client.force_login(a_person(f"{role}@acme.test", role))
        answer = client.get(f"/w/acme/dev/budgets/{pair.salesforce.public_id}/{query}")
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    return ask


def test_it_tells_what_is_used_and_by_which_flow(page: Any, pair: Pair, live: Deployment) -> None:
    called(pair, live.flow_id)
    called(pair, 0, calls=1)

    shown = page()

    assert '<strong class="large tabular">4,000</strong> of 10,000 are used' in shown
    assert 'Left for flows</dt><dd><strong class="figure tabular">5,000</strong> of 9,000' in shown
    assert "Enough for the next day" in shown
    assert 'data-label="For 100 runs">20<' in shown
    assert 'data-label="Records a call">5<' in shown
    assert f"/w/acme/dev/runs/?flow={live.flow.public_id}&amp;period=24h" in shown
    assert "Without a flow" in shown


def test_what_the_org_told_long_ago_is_less_what_has_come_back_since(
    page: Any, pair: Pair, live: Deployment
) -> None:
    Connection.objects.filter(pk=pair.salesforce_id).update(
        api_used=9000, last_success_at=timezone.now() - timedelta(days=2)
    )
    called(pair, live.flow_id, calls=340, days=4, ago=48)

    shown = page()

    assert 'Used by others</dt><dd><strong class="figure tabular">840' in shown
    assert "the org last said so" in shown
    assert "Used up" not in shown


def test_what_will_be_used_up_is_told_and_alerted_once(
    page: Any, pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "_feed_since", lambda: None)
    called(pair, live.flow_id, calls=800, ago=24)  # a day of rest: from now on it is as it was before
    now = timezone.now()

    memory = alerts.Memory()
    for minutes in (0, 11):
        alerts.evaluate(now=now + timedelta(minutes=minutes), memory=memory)

    assert "Will be used up" in page()
    told = Alert.objects.open().get(kind="api_forecast")
    assert told.title == "Salesforce: its API calls will not last"
    assert told.link == f"/w/acme/dev/budgets/{pair.salesforce.public_id}/"


def test_what_is_ours_stands_beside_what_each_flow_has_used_as_counted_now(
    page: Any, pair: Pair, live: Deployment
) -> None:
    spending.hours_of(pair.salesforce, now=timezone.now())  # a live page has asked a moment ago
    CallHour.objects.create(
        connection=pair.salesforce, cause=live.flow_id, kind="write", calls=777,
        hour=timezone.now().replace(minute=0, second=0, microsecond=0),
    )  # fmt: skip

    shown = page()

    assert "777 in 24 hours" in shown
    assert '<strong class="figure tabular">777</strong>' in shown


def test_nobody_is_alerted_by_a_guess(pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_feed_since", lambda: None)
    CallHour.objects.create(
        connection=pair.salesforce, cause=live.flow_id, kind="write", calls=9000,
        hour=timezone.now().replace(minute=0, second=0, microsecond=0) - 2 * HOUR,
    )  # fmt: skip

    facts = gathering.gather(now=timezone.now(), memory=alerts.Memory())

    outlook = spending.outlook_of(pair.salesforce, now=timezone.now())
    assert outlook is not None
    assert (outlook.is_short, facts.running) == (True, [])


def test_a_change_is_reckoned_by_what_runs_have_cost(page: Any, pair: Pair, live: Deployment) -> None:
    called(pair, live.flow_id)

    shown = page(f"?flow={live.flow.public_id}&volume=1&reads=1&writes=0&most=200&gathered=0.25")

    assert "calls a day, 12,0" in shown  # a look-up for each of the 500 runs an hour
    assert "that is more than the 9,000 that are ours." in shown


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?flow=nothing&volume=1&reads=0&writes=0&most=1&gathered=0", "No flow of this name"),
        ("?flow=nothing&volume=much", "Enter numbers within their bounds."),
    ],
)
def test_a_question_that_makes_no_sense_is_answered(
    page: Any, pair: Pair, live: Deployment, query: str, says: str
) -> None:
    assert says in page(query)


def test_a_priority_and_the_part_for_people_are_set_and_written_down(
    client: Client, pair: Pair, live: Deployment
) -> None:
    client.force_login(a_person("otto@acme.test", "operator"))
    address = f"/w/acme/dev/budgets/{pair.salesforce.public_id}/"

    client.post(f"{address}priority/", {"flow": live.flow.public_id, "priority": "low"})
    client.post(f"{address}reserve/", {"percent": "25"})
    refused = client.post(f"{address}reserve/", {"percent": "95"})

    assert FlowPriority.objects.get(flow=live.flow, pair=pair).priority == "low"
    pair.salesforce.refresh_from_db()
    assert pair.salesforce.settings["api_share"] == 75
    assert refused.status_code == 409
    acts = AuditEntry.objects.order_by("position").values_list("action", flat=True)
    assert list(acts)[-2:] == ["flow.priority_set", "connection.reserve_set"]


def test_a_flow_of_another_workspace_is_none_of_this_budget(client: Client, pair: Pair) -> None:
    integration = pair.integration.__class__.objects.create(
        workspace=a_workspace("other", "Other"), name="Other", slug="other"
    )
    called(pair, a_flow(integration, slug="theirs").pk, days=1)
    client.force_login(a_person("otto@acme.test", "operator"))

    answer = client.get(f"/w/acme/dev/budgets/{pair.salesforce.public_id}/")

    assert "Theirs" not in answer.content.decode()
    assert "A flow that is gone" in answer.content.decode()
    assert "lists that are walked" not in answer.content.decode()


def test_old_hours_are_forgotten(pair: Pair) -> None:
    called(pair, 1, days=1)
    CallHour.objects.filter(kind="try").update(hour=F("hour") - timedelta(days=91))

    assert spending.forget(now=timezone.now()) == 24
    assert CallHour.objects.count() == 24
