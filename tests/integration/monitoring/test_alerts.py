"""One alert for each incident: opened once, kept up to date, closed by itself, opened again as a new one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from flows.models import Change
from integrator.accounts.models import AuditEntry, Membership
from monitoring import alerts
from monitoring.conditions import Condition, Place, Severity
from monitoring.models import Alert, AlertDelivery
from tests.builders import NOON, a_person, a_workspace, an_environment

pytestmark = pytest.mark.django_db

SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def _a_mail_server(settings: Any) -> None:
    settings.MAIL_BACKEND = SMTP


@pytest.fixture
def place() -> Place:
    here = an_environment()
    return Place(here.workspace_id, here.pk, "/w/acme/dev/")


@pytest.fixture
def key_refused(place: Place) -> Condition:
    return Condition.at(
        place,
        kind="connection_key",
        about="c1",
        severity=Severity.CRITICAL,
        title="Stripe needs a new key",
        text="Enter a new key.",
        page="connections/c1/",
    )


@pytest.fixture
def letters(place: Place) -> Condition:
    return Condition.at(
        place,
        kind="dead_letters",
        about="f1",
        severity=Severity.WARNING,
        title="1 dead letter",
        text="Look at it.",
        count=1,
    )


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def only() -> Alert:
    return Alert.objects.get()


def news_of(alert: Alert) -> list[tuple[str, str]]:
    return sorted(alert.deliveries.values_list("news", "recipient"))


def test_an_incident_is_opened_once(key_refused: Condition) -> None:
    for seconds in (0, 5, 10, 300):
        alerts.follow([key_refused], now=after(seconds=seconds))

    assert only().opened_at == NOON
    assert only().last_seen_at == after(seconds=300)
    assert only().link == "/w/acme/dev/connections/c1/"


def test_while_all_is_as_it_was_nothing_is_written(
    key_refused: Condition, django_assert_num_queries: Any
) -> None:
    alerts.follow([key_refused], now=NOON)

    with django_assert_num_queries(1):
        alerts.follow([key_refused], now=after(seconds=5))


def test_it_is_closed_when_it_is_gone_for_a_while_and_then_opened_as_a_new_one(
    key_refused: Condition,
) -> None:
    alerts.follow([key_refused], now=NOON)
    alerts.follow([], now=after(seconds=60))
    assert only().closed_at is None
    alerts.follow([], now=after(seconds=90))
    assert only().closed_at == after(seconds=90)
    alerts.follow([key_refused], now=after(seconds=100))

    assert [alert.closed_at for alert in Alert.objects.order_by("id")] == [after(seconds=90), None]


def test_what_comes_and_goes_within_moments_is_one_incident(key_refused: Condition) -> None:
    for seconds in range(0, 100, 20):
        alerts.follow([key_refused], now=after(seconds=seconds))
        alerts.follow([], now=after(seconds=seconds + 10))

    assert only().closed_at is None


def test_patience_lets_a_short_outage_pass_untold(key_refused: Condition) -> None:
    outage = replace(key_refused, kind="connection_outage", key="outage")

    alerts.follow([outage], now=NOON)
    alerts.follow([outage], now=after(seconds=55))
    assert not Alert.objects.told().exists()
    alerts.follow([], now=after(seconds=58))

    assert not Alert.objects.exists()


def test_an_outage_longer_than_a_minute_is_told(key_refused: Condition) -> None:
    outage = replace(key_refused, kind="connection_outage", key="outage")

    alerts.follow([outage], now=NOON)
    alerts.follow([outage], now=after(seconds=61))

    assert only().opened_at == after(seconds=61)
    assert only().noticed_at == NOON


def test_it_is_kept_up_to_date(letters: Condition) -> None:
    alerts.follow([letters], now=NOON)

    changed = alerts.follow([replace(letters, count=40, title="40 dead letters")], now=after(seconds=5))

    assert changed == 1
    assert (only().count, only().title) == (40, "40 dead letters")


def test_every_change_is_told_to_open_pages_in_its_own_transaction(letters: Condition) -> None:
    alerts.follow([letters], now=NOON)
    alerts.follow([letters], now=after(seconds=5))

    change = Change.objects.get(kind="alert")
    assert change.environment.slug == "dev"
    assert change.summary == {"alerts": [only().public_id]}


def test_open_pages_are_told_when_it_seems_to_be_over_and_when_it_is_back(key_refused: Condition) -> None:
    told = []
    for seconds, conditions in ((0, [key_refused]), (10, []), (15, []), (20, [key_refused])):
        alerts.follow(conditions, now=after(seconds=seconds))
        told.append(Change.objects.filter(kind="alert").count())

    assert told == [1, 2, 2, 3]


def test_what_concerns_a_whole_workspace_is_told_in_each_of_its_environments(key_refused: Condition) -> None:
    whole = replace(key_refused, environment_id=None, key="all")
    a_workspace("globex")

    alerts.follow([whole], now=NOON)

    told = Change.objects.filter(kind="alert").values_list(
        "environment__workspace__slug", "environment__slug"
    )
    assert sorted(told) == [("acme", "dev"), ("acme", "production"), ("acme", "qa")]


# Mail


def test_the_administrators_concerned_get_one_mail_for_an_incident(letters: Condition) -> None:
    a_person("root@acme.test", "admin")
    a_person("otto@acme.test", "operator")
    a_person("far@globex.test", "admin", a_workspace("globex"))
    elsewhere = a_person("qa@acme.test", "admin")
    Membership.objects.filter(user=elsewhere).update(environment=an_environment("qa"))
    gone = a_person("gone@acme.test", "admin")
    gone.is_active = False
    gone.save()

    for seconds in (0, 5, 70):
        alerts.follow([replace(letters, count=1 + seconds)], now=after(seconds=seconds))

    assert news_of(only()) == [("opened", "root@acme.test")]


def test_the_end_is_mailed_only_for_what_was_critical_and_mailed(
    key_refused: Condition, letters: Condition
) -> None:
    a_person("root@acme.test", "admin")
    alerts.follow([key_refused, letters], now=NOON)
    AlertDelivery.objects.update(sent_at=NOON)

    alerts.follow([], now=after(seconds=10))
    alerts.follow([], now=after(seconds=60))

    critical, warning = Alert.objects.get(kind="connection_key"), Alert.objects.get(kind="dead_letters")
    assert news_of(critical) == [("opened", "root@acme.test"), ("over", "root@acme.test")]
    assert news_of(warning) == [("opened", "root@acme.test")]


def test_what_was_over_before_it_was_mailed_is_not_mailed(key_refused: Condition) -> None:
    a_person("root@acme.test", "admin")
    alerts.follow([key_refused], now=NOON)

    alerts.follow([], now=after(seconds=1))
    alerts.follow([], now=after(seconds=60))

    assert news_of(only()) == []


def test_information_is_shown_and_not_mailed(letters: Condition) -> None:
    a_person("root@acme.test", "admin")

    alerts.follow([replace(letters, severity=Severity.INFO)], now=NOON)

    assert only().opened_at
    assert not AlertDelivery.objects.exists()


def test_without_a_mail_server_nothing_waits_to_be_mailed(settings: Any, key_refused: Condition) -> None:
    settings.MAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    a_person("root@acme.test", "admin")

    alerts.follow([key_refused], now=NOON)

    assert only().opened_at
    assert not AlertDelivery.objects.exists()


def test_more_of_what_a_flow_says_is_mailed_again_but_not_at_once(letters: Condition) -> None:
    a_person("root@acme.test", "admin")
    said = replace(letters, kind="flow_alert", key="flow_alert:1")
    alerts.follow([said], now=NOON)
    AlertDelivery.objects.update(sent_at=NOON)

    alerts.follow([replace(said, count=2)], now=after(seconds=5))
    alerts.follow([replace(said, count=3)], now=after(seconds=10))

    again = only().deliveries.get(news="again")
    assert again.due_at == after(minutes=15)


# What people decide


def test_acknowledging_says_who_and_takes_it_off_the_count(key_refused: Condition) -> None:
    a_person("root@acme.test", "admin")
    alerts.follow([key_refused], now=NOON)

    alerts.acknowledge(alert=only(), actor="otto@acme.test", now=after(seconds=1))

    assert only().acknowledged_by == "otto@acme.test"
    assert only().closed_at is None
    assert not Alert.objects.calling(after(seconds=2)).exists()
    assert not AlertDelivery.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target) == ("alert.acknowledged", "Stripe needs a new key")


def test_acknowledging_twice_changes_nothing(key_refused: Condition) -> None:
    alerts.follow([key_refused], now=NOON)
    alerts.acknowledge(alert=only(), actor="otto@acme.test", now=NOON)

    alerts.acknowledge(alert=only(), actor="ada@acme.test", now=after(seconds=1))

    assert only().acknowledged_by == "otto@acme.test"
    assert AuditEntry.objects.count() == 1


def test_what_only_happened_is_over_with_being_acknowledged(letters: Condition) -> None:
    said = replace(letters, kind="flow_alert", key="flow_alert:1", newest=5)
    alerts.follow([said], now=NOON)

    alerts.acknowledge(alert=only(), actor="otto@acme.test", now=after(seconds=1))

    assert only().closed_at == after(seconds=1)
    with pytest.raises(alerts.AlreadyClosed):
        alerts.acknowledge(alert=only(), actor="otto@acme.test", now=after(seconds=2))


def test_a_muted_incident_is_silent_even_when_it_comes_back(key_refused: Condition) -> None:
    a_person("root@acme.test", "admin")
    alerts.follow([key_refused], now=NOON)
    alerts.mute(alert=only(), until=after(hours=1), actor="otto@acme.test", now=after(seconds=1))
    for seconds in (10, 60):
        alerts.follow([], now=after(seconds=seconds))

    alerts.follow([key_refused], now=after(minutes=30))
    alerts.follow([], now=after(minutes=31))
    alerts.follow([], now=after(minutes=32))
    alerts.follow([key_refused], now=after(minutes=70))

    first, second, third = Alert.objects.order_by("id")
    assert news_of(first) == news_of(second) == []
    assert news_of(third) == [("opened", "root@acme.test")]


def test_a_person_who_decides_while_it_is_evaluated_is_not_overruled(
    letters: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = replace(letters, kind="flow_alert", key="flow_alert:1", newest=5)
    alerts.follow([said], now=NOON)
    inherit = alerts._Changes._inherit_silence

    def meanwhile(changes: alerts._Changes) -> None:
        alerts.acknowledge(alert=only(), actor="otto@acme.test", now=after(seconds=4))
        inherit(changes)

    monkeypatch.setattr(alerts._Changes, "_inherit_silence", meanwhile)
    alerts.follow([replace(said, count=2)], now=after(seconds=5))

    assert only().closed_at == after(seconds=4)
    assert only().acknowledged_by == "otto@acme.test"
