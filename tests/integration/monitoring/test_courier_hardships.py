"""What channels are told is neither lost nor told twice when servers, keys and people are in the way."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from datetime import time
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from connectors import outbound
from integrator import vault
from integrator.kernel.refusals import Unacceptable
from monitoring import alerts, channels, courier, rules, transports
from monitoring.conditions import Severity
from monitoring.models import Alert, AlertChannel, AlertDelivery, AlertDispatch, AlertNotice
from tests.builders import NOON, a_person, a_workspace
from tests.integration.monitoring.test_courier import after, go, wrong
from tests.integration.monitoring.told import Heard, a_channel, a_listener, a_rule, subjects

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loopback_may_be_posted_to(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SANDBOX = True
    settings.MAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def heard() -> Iterator[Heard]:
    with a_listener() as listening:
        yield listening


def messages(channel: AlertChannel, number: int) -> None:
    AlertDispatch.objects.bulk_create(
        AlertDispatch(channel=channel, subject="x", created_at=NOON, due_at=NOON) for _ in range(number)
    )


def a_team(*addresses: str) -> AlertChannel:
    return a_channel("Team", "email", url="", addresses=addresses)


def test_a_channel_that_has_much_to_be_told_keeps_no_other_waiting(heard: Heard) -> None:
    resting, busy = a_channel("Resting"), a_channel("Busy", "slack", url="http://127.0.0.1:1/x")
    AlertChannel.objects.filter(pk=resting.pk).update(rests_until=after(hours=1))
    messages(resting, 600)
    messages(busy, 300)
    a_rule(a_channel("Quick", url=heard.address))
    alerts.follow([wrong()], now=NOON)

    assert courier.deliver(now=NOON) == 1
    assert subjects(heard) == ["c1 needs a new key"]


def test_what_is_dropped_while_it_is_sent_is_not_tried_again(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = a_channel(url=heard.address)
    a_rule(channel)
    alerts.follow([wrong()], now=NOON)

    def switched_off(*args: Any, **kwargs: Any) -> str:
        channels.switch(channel=channel, on=False, actor="ada", now=NOON)
        raise transports.NotSent("late")

    monkeypatch.setattr(transports, "send", switched_off)
    go(monkeypatch)

    assert AlertDispatch.objects.get().state == "given_up"


def test_nobody_is_told_that_nobody_has_acknowledged_once_somebody_has(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = a_channel(url=heard.address)
    a_rule((channel, 10))
    alerts.follow([wrong()], now=NOON)
    heard.answers = [(503, "later"), (200, "ok")]
    go(monkeypatch, minutes=10)
    alerts.acknowledge(alert=Alert.objects.get(), actor="ada", now=after(minutes=11))

    go(monkeypatch, minutes=12)

    assert len(heard.posts) == 1
    assert "acknowledged" in AlertDispatch.objects.get().answer


def test_an_address_that_is_refused_keeps_a_mail_from_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    a_rule(a_team("gone@acme.test", "b@acme.test"))
    alerts.follow([wrong()], now=NOON)
    send = transports._transmit

    def refusing(letter: Any, to: str, id: str) -> None:
        if to == "gone@acme.test":
            raise smtplib.SMTPRecipientsRefused({to: (550, b"no such user")})
        send(letter, to, id)

    monkeypatch.setattr(transports, "_transmit", refusing)

    assert go(monkeypatch) == 1
    assert [letter.to for letter in mail.outbox] == [["b@acme.test"]]
    sent = AlertDispatch.objects.get()
    assert sent.answer.startswith("Refused for gone@acme.test: 550 no such user.")
    assert mail.outbox[0].extra_headers["Message-ID"].startswith(f"<msg_{sent.public_id}@")


def test_a_mail_that_a_slow_server_takes_after_all_is_not_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    a_rule(a_team("a@acme.test"))
    alerts.follow([wrong()], now=NOON)
    taken, sent = threading.Event(), []

    def slowly(letter: Any, to: str, id: str) -> None:
        taken.wait(30)
        sent.append(to)

    monkeypatch.setattr(transports, "_transmit", slowly)
    monkeypatch.setattr(transports, "MAIL_DEADLINE", 0.01)
    assert go(monkeypatch) == 0
    assert "in time" in AlertDispatch.objects.get().answer
    taken.set()
    monkeypatch.setattr(transports, "MAIL_DEADLINE", 20.0)

    assert go(monkeypatch, minutes=1) == 1
    assert sent == ["a@acme.test"]


def test_what_there_was_no_time_for_is_sent_in_the_next_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    a_rule(a_team("a@acme.test", "b@acme.test"))
    alerts.follow([wrong()], now=NOON)
    left = iter([30.0, 30.0, 30.0, 1.0])
    monkeypatch.setattr(outbound, "seconds_left", lambda: next(left, 30.0))

    assert go(monkeypatch) == 0
    waiting = AlertDispatch.objects.get()
    assert (waiting.reached, waiting.attempts, waiting.channel.failures) == (["a@acme.test"], 0, 0)
    assert go(monkeypatch, seconds=2) == 1
    assert [letter.to for letter in mail.outbox] == [["a@acme.test"], ["b@acme.test"]]


def test_what_becomes_critical_waits_for_no_quiet_hours_to_end(heard: Heard, settings: Any) -> None:
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    a_person("root@acme.test", "admin")
    quiet: dict[str, Any] = {"quiet_from": time(11), "quiet_until": time(13)}
    a_rule(a_channel(url=heard.address), **quiet)
    mails = rules.own_for_administrators(a_workspace(), actor="ada", now=NOON)
    rules.change(rule=mails, given=rules.Given(name="", per_hour=0, **quiet), actor="ada", now=NOON)
    alerts.follow([wrong(severity=Severity.WARNING)], now=NOON)
    courier.deliver(now=NOON)
    assert not heard.posts

    alerts.follow([wrong(severity=Severity.CRITICAL)], now=NOON)

    assert courier.deliver(now=NOON) == 1
    assert AlertDelivery.objects.get().due_at == NOON


def test_a_channel_whose_key_is_lost_is_down_and_can_be_entered_anew(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = a_channel(url=heard.address)
    a_rule(channel)
    alerts.follow([wrong()], now=NOON)
    AlertChannel.objects.filter(pk=channel.pk).update(sealed=vault.seal(b"{}", owner="somebody else"))

    assert courier.deliver(now=NOON) == 0
    dispatch = AlertDispatch.objects.get()
    assert (dispatch.state, dispatch.channel.failures) == ("retrying", 1)
    with pytest.raises(Unacceptable, match="enter it anew"):
        channels.renew_secret(channel=channel, actor="ada", now=NOON)
    channels.change(channel=channel, given=channels.Given("Pager", url=heard.address), actor="ada", now=NOON)
    assert channels.renew_secret(channel=channel, actor="ada", now=NOON).startswith("whsec_")
    assert go(monkeypatch, minutes=1) == 1


def test_when_a_channel_works_again_nobody_gets_the_alerts_of_days_ago(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = a_channel(url=heard.address)
    messages(channel, 3)
    heard.answers = [(503, "down"), (200, "ok")]
    go(monkeypatch)

    assert go(monkeypatch, days=2) == 0
    assert {row.state for row in AlertDispatch.objects.all()} == {"given_up"}


def test_what_becomes_critical_is_mailed_where_only_that_is(settings: Any) -> None:
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    a_person("root@acme.test", "admin")
    mails = rules.own_for_administrators(a_workspace(), actor="ada", now=NOON)
    given = rules.Given(name="", per_hour=0, severities=["critical"])
    rules.change(rule=mails, given=given, actor="ada", now=NOON)
    alerts.follow([wrong(severity=Severity.WARNING)], now=NOON)
    assert not AlertDelivery.objects.exists()

    for _ in range(2):
        alerts.follow([wrong(severity=Severity.CRITICAL)], now=NOON)

    assert AlertDelivery.objects.get().news == "opened"


def test_more_of_what_waits_to_be_told_is_told_once() -> None:
    a_rule(a_channel(), window_seconds=300)
    for count in (1, 2):
        alerts.follow([wrong(kind="flow_alert", count=count, newest=count)], now=NOON)

    assert AlertNotice.objects.get().news == "opened"


@pytest.mark.parametrize("change", [{"repeat_minutes": 0}, {"repeat_minutes": 10}])
def test_a_rule_that_repeats_no_more_tells_nothing_again(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    channel = a_channel(url=heard.address)
    rule = a_rule(channel, repeat_minutes=10)
    alerts.follow([wrong()], now=NOON)
    go(monkeypatch)
    told = rules.Given(name="All", steps=[rules.GivenStep(channel)], **change)
    rules.change(rule=rule, given=told, actor="ada", now=NOON)

    assert go(monkeypatch, minutes=10) == bool(change["repeat_minutes"])


def test_nobody_is_flooded_with_tests() -> None:
    channel = a_team("a@acme.test")
    for _ in range(channels.MOST_TESTS):
        channels.test(channel=channel, actor="ada", now=NOON)

    with pytest.raises(Unacceptable, match="Wait a little"):
        channels.test(channel=channel, actor="ada", now=after(minutes=59))
    channels.test(channel=channel, actor="ada", now=after(minutes=61))
