"""Alerts on pages: first on the overview, a list of their own, and what a person may decide about them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from connectors.models import Connection, Cursor
from flows.models import Change, Event, Notice, Pair
from integrator.accounts.models import Membership
from monitoring import hours, queries
from monitoring.fragments import Edition, News, Reader
from monitoring.models import Alert, AlertDelivery, Duty
from tests.builders import a_pair, a_person, a_workspace, an_environment
from tests.integration.flows.given import an_event

pytestmark = pytest.mark.django_db

SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def pair() -> Pair:
    cache.clear()
    return a_pair()


def an_alert(pair: Pair, title: str = "Stripe needs a new key", **fields: Any) -> Alert:
    now, here = timezone.now(), pair.environment
    values: dict[str, Any] = {
        "workspace": here.workspace, "environment": here, "kind": "connection_key", "key": title,
        "severity": "critical", "title": title, "text": "Enter a new key.",
        "link": "/w/acme/dev/connections/", "noticed_at": now, "opened_at": now, "last_seen_at": now,
    }  # fmt: skip
    return Alert.objects.create(**(values | fields))


@pytest.fixture
def otto(client: Client) -> Client:
    client.force_login(a_person("otto@acme.test", "operator"))
    return client


def text_of(client: Client, path: str = "") -> str:
    answer = client.get(f"/w/acme/dev/{path}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def read(text: str) -> str:
    """Return what a person reads of a page, however it is linked."""
    return " ".join(re.sub(r"<[^>]*>", "", text).split())


def test_the_overview_shows_what_is_wrong_first(otto: Client, pair: Pair) -> None:
    an_alert(pair)

    shown = text_of(otto)

    assert "Stripe needs a new key" in shown
    assert "Nothing needs you" not in shown
    assert shown.index("Stripe needs a new key") < shown.index("Oldest waiting")


def test_what_is_most_serious_stands_first(otto: Client, pair: Pair) -> None:
    for title, severity in (("Minor", "info"), ("Worst", "critical"), ("Bad", "warning")):
        an_alert(pair, title, severity=severity)
    an_alert(pair, "Taken", severity="critical", acknowledged_at=timezone.now())

    for path in ("", "alerts/"):
        shown = text_of(otto, path)
        places = [shown.index(title) for title in ("Worst", "Bad", "Minor", "Taken")]
        assert places == sorted(places)


def test_what_is_over_or_only_noticed_is_not_on_the_overview(otto: Client, pair: Pair) -> None:
    an_alert(pair, "It is over", closed_at=timezone.now())
    an_alert(pair, "It may pass", opened_at=None)
    an_alert(pair, "It is muted", muted_until=timezone.now() + timedelta(hours=1))

    assert not {"It is over", "It may pass", "It is muted"} & {
        title for title in ("It is over", "It may pass", "It is muted") if title in text_of(otto)
    }


@pytest.mark.parametrize("path", ["", "alerts/"])
def test_what_seems_to_be_over_does_not_say_any_more_that_it_goes_on(
    otto: Client, pair: Pair, path: str
) -> None:
    an_alert(pair, text="It is tried again at 20:43.", gone_at=timezone.now())

    shown = text_of(otto, path)

    assert "It seems to be over" in shown
    assert "It is tried again at 20:43." not in shown


def test_the_list_shows_open_alerts_and_on_demand_those_that_are_over(otto: Client, pair: Pair) -> None:
    an_alert(pair, "Going on")
    an_alert(pair, "Long ago", closed_at=timezone.now())
    an_alert(pair, "Everywhere", environment=None)
    an_alert(a_pair(an_environment("qa")), "Elsewhere")

    now, past = text_of(otto, "alerts/"), text_of(otto, "alerts/?show=over")

    assert "Going on" in now
    assert "Everywhere" in now
    assert "whole workspace" in now
    assert "Long ago" not in now
    assert "Elsewhere" not in now
    assert "Long ago" in past
    assert "Going on" not in past


def test_the_navigation_counts_what_nobody_takes_care_of(otto: Client, pair: Pair) -> None:
    an_alert(pair, "One")
    an_alert(pair, "Two", acknowledged_at=timezone.now())
    an_alert(pair, "Three", muted_until=timezone.now() + timedelta(hours=1))

    assert queries.nav_counts(pair.environment)["alerts"] == 1
    assert 'id="nav-alerts"' in text_of(otto)


def test_another_workspace_sees_nothing_of_it(otto: Client, pair: Pair) -> None:
    other = a_pair(an_environment("dev", a_workspace("globex")))
    an_alert(other, "Theirs")
    an_alert(other, "All of theirs", environment=None)

    assert "heirs" not in text_of(otto, "alerts/")
    assert queries.nav_counts(pair.environment)["alerts"] == 0


def test_an_operator_acknowledges(otto: Client, pair: Pair) -> None:
    alert = an_alert(pair)

    answer = otto.post(f"/w/acme/dev/alerts/{alert.public_id}/acknowledge/")

    alert.refresh_from_db()
    assert answer.status_code == 302
    assert alert.acknowledged_by == "otto@acme.test"
    assert "acknowledged by otto@acme.test" in text_of(otto, "alerts/")


def test_an_operator_mutes_for_a_while_and_lets_it_speak_again(otto: Client, pair: Pair) -> None:
    alert = an_alert(pair)
    address = f"/w/acme/dev/alerts/{alert.public_id}/mute/"

    otto.post(address, {"for": "8h"})
    alert.refresh_from_db()
    assert alert.muted_until is not None
    assert timedelta(hours=7.9) < alert.muted_until - timezone.now() < timedelta(hours=8.1)
    assert "Let it speak again" in text_of(otto, "alerts/")

    otto.post(address)
    alert.refresh_from_db()
    assert alert.muted_until is None


def test_what_is_over_cannot_be_decided_about(otto: Client, pair: Pair) -> None:
    alert = an_alert(pair, closed_at=timezone.now())

    answers = [otto.post(f"/w/acme/dev/alerts/{alert.public_id}/{act}/") for act in ("acknowledge", "mute")]

    assert [answer.status_code for answer in answers] == [409, 409]


def test_a_viewer_sees_alerts_and_decides_nothing(client: Client, pair: Pair) -> None:
    client.force_login(a_person("vera@acme.test", "viewer"))
    alert = an_alert(pair)

    assert "Acknowledge" not in text_of(client, "alerts/")
    assert client.post(f"/w/acme/dev/alerts/{alert.public_id}/acknowledge/").status_code == 403


def test_an_operator_of_one_environment_does_not_decide_for_the_whole_workspace(
    client: Client, pair: Pair
) -> None:
    person = a_person("olga@acme.test", "operator")
    Membership.objects.filter(user=person).update(environment=pair.environment)
    client.force_login(person)
    own, whole = an_alert(pair, "Own"), an_alert(pair, "Whole", environment=None)

    answers = [
        client.post(f"/w/acme/dev/alerts/{alert.public_id}/acknowledge/").status_code
        for alert in (own, whole)
    ]

    assert answers == [302, 403]


@pytest.mark.parametrize(
    ("backend", "role", "waiting", "said"),
    [
        pytest.param("dummy", "admin", False, "No mail server is configured", id="no server"),
        pytest.param("smtp", "operator", False, "this environment has none", id="nobody to mail to"),
        pytest.param("smtp", "admin", True, "The mail server said: 450 busy", id="mails wait"),
        pytest.param("smtp", "admin", False, "is mailed to 1 administrator,", id="all is well"),
    ],
)
def test_the_page_says_who_is_mailed(
    client: Client, pair: Pair, settings: Any, *, backend: str, role: str, waiting: bool, said: str
) -> None:
    settings.MAIL_BACKEND = SMTP.replace("smtp", backend)
    client.force_login(a_person("root@acme.test", role))
    if waiting:
        AlertDelivery.objects.create(
            alert=an_alert(pair), recipient="root@acme.test", news="opened", due_at=timezone.now(),
            attempts=1, failure="450 busy",
        )  # fmt: skip

    assert said in text_of(client, "alerts/")


def test_open_pages_are_told_of_an_alert(pair: Pair) -> None:
    an_alert(pair)
    told = Change(kind="alert", environment=pair.environment, summary={"alerts": ["x"]}, at=timezone.now())
    told.pk = 1
    news = News(position="")
    news.add(told)

    html = Edition(pair.environment, news, now=timezone.now()).for_reader(
        Reader(topics=frozenset({"alerts"}))
    )

    assert "<i data-alerts></i>" in html
    assert 'id="nav-alerts"' in html


# What every page says


def test_every_page_says_that_a_connection_leads_elsewhere(otto: Client, pair: Pair) -> None:
    Connection.objects.filter(pk=pair.salesforce_id).update(
        state="resting", state_reason="The credential leads to 00D2, but this is for 00D1.", paused_until=None
    )

    shown = text_of(otto, "flows/")

    assert "Salesforce leads to the wrong place" in shown
    assert "leads to 00D2, but this is for 00D1" in shown
    assert f'href="/w/acme/dev/connections/{pair.salesforce.public_id}/"' in shown


def test_every_page_says_that_nobody_watches(otto: Client, pair: Pair) -> None:
    Duty.objects.create(name="alerts", held_until=timezone.now() - timedelta(seconds=50))
    assert "Nobody watches" not in text_of(otto, "flows/")

    Duty.objects.update(held_until=timezone.now() - timedelta(minutes=5))

    assert "Nobody watches" in text_of(otto, "flows/")


# Conservation


def received(pair: Pair, fate: str = "applied", **fields: Any) -> Event:
    at = timezone.now() - timedelta(minutes=3)
    return an_event(pair.stripe, received_at=at, dispatched_at=at, fate=fate, **fields)


def test_the_overview_and_the_page_show_the_equation(otto: Client, pair: Pair) -> None:
    for fate in ("applied", "applied", "ignored"):
        received(pair, fate)
    hours.Counter().count_due(now=timezone.now())

    overview, page = text_of(otto), text_of(otto, "conservation/")

    assert "Every event has a fate" in overview
    assert "<strong>3</strong> received" in overview
    assert "<strong>2</strong> applied" in overview
    assert "Adds up" in page
    assert "2 applied, 1 ignored" in read(page)
    assert "Missed by webhook" in page
    assert "not compared yet" in page


def test_the_page_names_what_no_webhook_brought_and_what_is_still_missing(otto: Client, pair: Pair) -> None:
    received(pair, external_id="evt_recovered", origin="walk")
    received(pair, external_id="evt_there")
    Cursor.objects.create(
        connection=pair.stripe, stream="events", reached_at=timezone.now(), checked_at=timezone.now()
    )
    Notice.objects.give(
        Notice.of(
            environment_id=pair.environment_id, key=f"missing:{pair.stripe_id}:{name}", kind="missing_event",
            title=name, text="", now=timezone.now(), severity="critical",
        )
        for name in ("evt_lost", "evt_there")
    )  # fmt: skip
    hours.Counter().count_due(now=timezone.now())

    page = text_of(otto, "conservation/")

    assert "?q=evt_recovered" in page
    assert "evt_lost" in page
    assert "evt_there" not in page
    assert "compared up to" in page


def test_where_the_walk_is_the_only_way_nothing_counts_as_recovered(otto: Client, pair: Pair) -> None:
    Connection.objects.filter(pk=pair.stripe_id).update(settings={"walk_only": True})
    received(pair, external_id="evt_walked", origin="walk")
    hours.Counter().count_due(now=timezone.now())

    page = text_of(otto, "conservation/")

    assert "every event comes from Stripe’s list" in page
    assert "evt_walked" not in page


def test_an_hour_that_does_not_add_up_is_red(otto: Client, pair: Pair) -> None:
    received(pair)
    event = received(pair)
    hours.Counter().count_due(now=timezone.now())
    event.delete()
    hours.Counter().count_due(now=timezone.now())

    assert "1 of 2 have a fate" in text_of(otto)
    assert "Does not add up" in text_of(otto, "conservation/")
