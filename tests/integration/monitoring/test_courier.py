"""Alerts reach channels as the rules say: once, in order, though one is down, and with an answer to see."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from connectors import hooks
from connectors.addresses import NotPublic
from integrator.kernel.errors import Transient
from monitoring import alerts, channels, courier, gathering, rules, transports, wording
from monitoring.conditions import Condition, Place, Severity
from monitoring.judging import judge
from monitoring.memory import Memory
from monitoring.models import Alert, AlertChannel, AlertDelivery, AlertDispatch, AlertNotice
from tests.builders import NOON, a_connection, a_person, a_workspace, an_environment
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


def wrong(about: str = "c1", *, severity: Severity = Severity.CRITICAL, **fields: Any) -> Condition:
    here = an_environment()
    values: dict[str, Any] = {
        "kind": "connection_key",
        "title": f"{about} needs a new key",
        "text": "Enter it.",
    }
    place = Place(here.workspace_id, here.pk, "/w/acme/dev/")
    return Condition.at(place, about=about, severity=severity, **(values | fields))


def after(**length: float) -> datetime:
    return NOON + timedelta(**length)


def go(monkeypatch: pytest.MonkeyPatch, **length: float) -> int:
    now = after(**length)
    monkeypatch.setattr(timezone, "now", lambda: now)
    return courier.deliver(now=now)


def test_an_alert_is_posted_with_a_signature_and_a_page_to_acknowledge_on(heard: Heard) -> None:
    channel = a_channel(url=heard.address)
    a_rule(channel)
    alerts.follow([wrong()], now=NOON)

    assert courier.deliver(now=NOON) == 1
    assert courier.deliver(now=NOON) == 0

    ((headers, body),) = heard.posts
    (told,) = json.loads(body)["data"]["alerts"]
    alert = Alert.objects.get()
    assert told["acknowledge_url"] == f"http://testserver/w/acme/dev/alerts/#alert-{alert.public_id}"
    secret = base64.b64decode(channel.secrets()["secret"].removeprefix("whsec_"))
    assert len(secret) == 32
    proof = wording.signed(body, id=headers["webhook-id"], now=NOON, secrets=[channel.secrets()["secret"]])
    assert headers["webhook-signature"] == proof["webhook-signature"]
    dispatch = AlertDispatch.objects.get()
    assert (dispatch.state, dispatch.answer) == ("sent", "200 ok")


def test_a_message_that_is_tried_again_has_the_same_id_and_content(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard.answers = [(500, "oops"), (200, "ok")]
    a_rule(a_channel(url=heard.address))
    alerts.follow([wrong()], now=NOON)

    assert courier.deliver(now=NOON) == 0
    assert go(monkeypatch, seconds=2) == 0
    assert go(monkeypatch, seconds=20) == 1

    (first, second) = heard.posts
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert first[1] == second[1]


def test_a_process_that_dies_while_it_sends_leaves_the_message_to_be_sent_once_more(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_rule(a_channel(url=heard.address))
    alerts.follow([wrong()], now=NOON)
    send = transports.send

    def die(*args: Any, **kwargs: Any) -> str:
        send(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(transports, "send", die)
    with pytest.raises(KeyboardInterrupt):
        courier.deliver(now=NOON)
    monkeypatch.setattr(transports, "send", send)

    assert go(monkeypatch, seconds=60) == 0
    assert go(monkeypatch, minutes=3) == 1
    first, second = (headers["webhook-id"] for headers, _ in heard.posts)
    assert first == second


def test_a_channel_that_is_down_holds_up_no_other_and_is_told_in_the_app(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_connection()  # whose workspace is watched
    down, up = a_channel("Down", "slack", url="http://127.0.0.1:1/x"), a_channel("Up", url=heard.address)
    a_rule(down, up)
    alerts.follow([wrong()], now=NOON)

    for minutes in range(4):
        go(monkeypatch, minutes=minutes)

    assert len(heard.posts) == 1
    down.refresh_from_db()
    assert down.failures >= 3
    facts = gathering.gather(now=NOON, memory=Memory())
    (told,) = [one for one in judge(facts, now=NOON) if one.kind == "channel"]
    assert "Down" in told.title
    alerts.follow([told], now=after(minutes=5))
    alerts.follow([told], now=after(minutes=7))
    assert not AlertNotice.objects.filter(alert__kind="channel").exists()
    assert not AlertDelivery.objects.filter(alert__kind="channel").exists()


def test_what_is_refused_for_good_is_given_up_and_the_rest_goes_on(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard.answers = [(404, "no_service")]
    a_rule(a_channel("Chat", "slack", url=heard.address))
    alerts.follow([wrong()], now=NOON)

    for hours in range(7):
        go(monkeypatch, hours=hours)

    dispatch = AlertDispatch.objects.get()
    assert (dispatch.state, dispatch.attempts) == ("given_up", 5)
    assert dispatch.answer == "It answered 404 no_service"


def test_nobody_acknowledges_and_the_next_channel_is_told(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat, pager = a_channel("Chat", "slack", url=heard.address), a_channel(url=heard.address)
    a_rule(chat, (pager, 15))
    alerts.follow([wrong("c1"), wrong("c2")], now=NOON)
    go(monkeypatch)
    seen = Alert.objects.get(title__startswith="c2")
    alerts.acknowledge(alert=seen, actor="ada", now=after(minutes=5))

    go(monkeypatch, minutes=15)

    (last,) = [json.loads(body) for headers, body in heard.posts if "webhook-id" in headers]
    assert last["type"] == "alert.escalated"
    assert [one["title"] for one in last["data"]["alerts"]] == ["c1 needs a new key"]


def test_it_is_repeated_until_somebody_acknowledges(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    a_rule(a_channel(url=heard.address), repeat_minutes=30)
    alerts.follow([wrong()], now=NOON)

    for minutes in (0, 10, 30, 60):
        go(monkeypatch, minutes=minutes)
    alerts.acknowledge(alert=Alert.objects.get(), actor="ada", now=after(minutes=61))
    go(monkeypatch, minutes=120)

    assert [json.loads(body)["type"] for _, body in heard.posts] == [
        "alert.opened", "alert.repeated", "alert.repeated",
    ]  # fmt: skip


def test_whoever_was_told_is_told_that_it_is_over(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    a_rule(a_channel(url=heard.address))
    alerts.follow([wrong()], now=NOON)
    go(monkeypatch)
    for seconds in (60, 120):
        alerts.follow([], now=after(seconds=seconds))

    go(monkeypatch, seconds=120)

    assert [json.loads(body)["type"] for _, body in heard.posts] == ["alert.opened", "alert.over"]


def test_what_matters_more_than_before_is_told_to_whom_it_matters(heard: Heard) -> None:
    a_rule(a_channel(url=heard.address), severities=["critical"])
    alerts.follow([wrong(severity=Severity.WARNING)], now=NOON)
    courier.deliver(now=NOON)
    assert not heard.posts

    alerts.follow([wrong()], now=NOON)
    courier.deliver(now=NOON)

    assert subjects(heard) == ["c1 needs a new key"]


def test_incidents_of_one_kind_are_one_message_and_too_many_kinds_a_digest(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_rule(a_channel(url=heard.address), window_seconds=60, per_hour=2)
    kinds = ("connection_key", "flow_held", "reviews")
    alerts.follow([wrong(f"{kind}{number}", kind=kind) for kind in kinds for number in (1, 2)], now=NOON)

    assert courier.deliver(now=NOON) == 0
    assert go(monkeypatch, seconds=60) == 2

    told = [json.loads(body)["data"] for _, body in heard.posts]
    assert [(len(one["alerts"]), one["digest"]) for one in told] == [(2, False), (4, True)]


def test_muted_and_switched_off_nothing_is_told(heard: Heard) -> None:
    channel, rule = a_channel(url=heard.address), None
    rule = a_rule(channel, window_seconds=60)
    alerts.follow([wrong()], now=NOON)
    assert AlertNotice.objects.count() == 1
    alerts.mute(alert=Alert.objects.get(), until=after(hours=1), actor="ada", now=NOON)
    assert not AlertNotice.objects.exists()

    rules.switch(rule=rule, on=False, actor="ada", now=NOON)
    alerts.follow([wrong(), wrong("c2")], now=NOON)
    assert not AlertNotice.objects.exists()


def test_what_waits_goes_by_what_its_rule_says_then(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    chat, pager = a_channel("Chat", "slack", url=heard.address), a_channel(url=heard.address)
    rule = a_rule(chat, (pager, 15))
    alerts.follow([wrong()], now=NOON)
    go(monkeypatch)
    told = rules.Given(name="All", steps=[rules.GivenStep(chat)])
    rules.change(rule=rule, given=told, actor="ada", now=after(minutes=5))

    assert go(monkeypatch, minutes=15) == 0
    assert not AlertNotice.objects.filter(dispatch=None).exists()


def test_each_address_is_mailed_once_though_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, mailoutbox: Any
) -> None:
    a_rule(a_channel("Team", "email", url="", addresses=("a@acme.test", "b@acme.test")))
    alerts.follow([wrong()], now=NOON)
    refused = {"b@acme.test"}
    send = transports._transmit

    def sometimes(letter: Any, to: str, id: str) -> None:
        if to in refused:
            raise OSError("550 no such user")
        send(letter, to, id)

    monkeypatch.setattr(transports, "_transmit", sometimes)
    go(monkeypatch)
    assert AlertDispatch.objects.get().answer == "b@acme.test: 550 no such user"
    refused.clear()
    go(monkeypatch, minutes=1)

    assert [letter.to for letter in mail.outbox] == [["a@acme.test"], ["b@acme.test"]]
    assert mail.outbox[0].subject == "[Acme] c1 needs a new key"


@pytest.mark.django_db(transaction=True)
def test_a_platform_event_is_published_by_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    org = a_connection("salesforce")

    def answer(**call: Any) -> list[Any]:
        asked.append(call)
        return [Transient("late") if len(asked) == 1 else {"id": "e1"}]

    monkeypatch.setattr("connectors.gateway.call_many", answer)
    a_rule(a_channel("Org", "event", connection=org, event="Alert__e", fields=channels.USUAL_FIELDS))
    alerts.follow([wrong()], now=NOON)

    assert go(monkeypatch) == 0
    assert go(monkeypatch, minutes=1) == 1

    first, second = (call["requests"][0]["values"] for call in asked)
    assert first == second
    assert first["Title__c"] == "c1 needs a new key"
    assert AlertDispatch.objects.get().answer == "Published as e1"


def test_a_test_says_truly_what_was_answered_and_is_not_tried_again(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard.answers = [(403, "invalid_token")]
    channel = a_channel("Chat", "slack", url=heard.address)
    channels.test(channel=channel, actor="ada", now=NOON)

    go(monkeypatch)
    go(monkeypatch, hours=1)

    sent = AlertDispatch.objects.get()
    assert (sent.state, sent.answer, len(heard.posts)) == ("given_up", "It answered 403 invalid_token", 1)


def test_a_name_that_leads_into_the_own_network_is_not_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    def inside(host: str, port: int | None) -> str:
        raise NotPublic(f"{host} leads into a private network or to this machine.")

    monkeypatch.setattr(hooks, "public_address", inside)
    a_rule(a_channel("Chat", "slack", url="https://rebound.example.com/x"))
    alerts.follow([wrong()], now=NOON)

    courier.deliver(now=NOON)

    assert "private network" in AlertDispatch.objects.get().answer


def test_while_the_secret_is_exchanged_both_sign(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = a_channel(url=heard.address)
    a_rule(channel)
    before = channel.secrets()["secret"]
    after_it = channels.renew_secret(channel=channel, actor="ada", now=NOON)
    assert before != after_it

    for hours, about in ((0, "c1"), (25, "c2")):
        alerts.follow([wrong(about)], now=after(hours=hours))
        go(monkeypatch, hours=hours)

    assert [headers["webhook-signature"].count("v1,") for headers, _ in heard.posts] == [2, 1]


def test_administrators_are_mailed_as_ever_until_somebody_says_otherwise(settings: Any) -> None:
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    a_person("root@acme.test", "admin")
    alerts.follow([wrong("c1")], now=NOON)
    assert AlertDelivery.objects.get().due_at == NOON

    rule = rules.own_for_administrators(a_workspace(), actor="ada", now=NOON)
    quiet: dict[str, Any] = {"quiet_from": time(11), "quiet_until": time(13), "quiet_lets_critical": False}
    rules.change(rule=rule, given=rules.Given(name="", per_hour=0, **quiet), actor="ada", now=NOON)
    alerts.follow([wrong("c1"), wrong("c2")], now=NOON)
    assert AlertDelivery.objects.latest("pk").due_at == after(hours=1)

    rules.switch(rule=rule, on=False, actor="ada", now=NOON)
    alerts.follow([wrong("c1"), wrong("c2"), wrong("c3")], now=NOON)
    assert not AlertDelivery.objects.exists()  # what waited is dropped, and nothing new is planned


def test_old_messages_are_forgotten_and_waiting_ones_kept() -> None:
    channel = a_channel()
    for sent in (NOON, None):
        AlertDispatch.objects.create(channel=channel, subject="x", created_at=NOON, due_at=NOON, sent_at=sent)

    courier.forget(now=after(days=100))

    assert AlertDispatch.objects.get().sent_at is None
    assert AlertChannel.objects.exists()
