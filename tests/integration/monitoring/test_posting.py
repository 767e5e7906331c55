"""Mail goes out by a real server, waits when that is down, slow or refusing, and is never sent twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage, send_mail
from django.db import connection
from django.utils import timezone

from monitoring import posting
from monitoring.models import Alert, AlertDelivery, OutgoingMail
from monitoring.posting import Post
from tests.builders import a_person, an_environment
from tests.integration.monitoring.mail_server import HOST, Letterbox, dripping, listening
from tests.stage import free_port

# The sending happens in a thread of its own, which must see what the test wrote.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port(settings: Any) -> int:
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = HOST, free_port(), 5
    settings.DEFAULT_FROM_EMAIL = "integrator@acme.test"
    return int(settings.EMAIL_PORT)


@pytest.fixture
def box(port: int) -> Iterator[Letterbox]:
    letterbox = Letterbox()
    with listening(letterbox, port):
        yield letterbox


def an_alert(title: str = "Stripe needs a new key", **fields: Any) -> Alert:
    here, now = an_environment(), timezone.now()
    defaults: dict[str, Any] = {
        "kind": "connection_key", "severity": "critical", "text": "Enter a new key.",
        "link": "/w/acme/dev/connections/c1/", "noticed_at": now, "opened_at": now, "last_seen_at": now,
    }  # fmt: skip
    return Alert.objects.create(
        workspace=here.workspace, environment=here, key=title, title=title, **(defaults | fields)
    )


def a_delivery(alert: Alert | None = None, to: str = "root@acme.test", **fields: Any) -> AlertDelivery:
    return AlertDelivery.objects.create(
        alert=alert or an_alert(), recipient=to, due_at=timezone.now(), **({"news": "opened"} | fields)
    )


def deliver(post: Post | None = None, **later: float) -> int:
    return (post or Post()).deliver(now=timezone.now() + timedelta(**later))


def test_an_alert_arrives_as_a_mail_with_its_page(box: Letterbox) -> None:
    delivery = a_delivery()

    assert deliver() == 1

    ((recipient, mail),) = box.mails
    assert recipient == "root@acme.test"
    assert mail["Subject"] == "[Acme] Stripe needs a new key"
    assert mail["From"] == "integrator@acme.test"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "http://testserver/w/acme/dev/connections/c1/" in mail.get_content()
    delivery.refresh_from_db()
    assert delivery.sent_at is not None
    assert deliver(minutes=10) == 0
    assert len(box.mails) == 1


def test_two_processes_send_a_mail_once(box: Letterbox) -> None:
    a_delivery()

    def one_process() -> None:
        deliver()
        connection.close()

    threads = [threading.Thread(target=one_process) for _ in range(2)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(box.mails) == 1


def test_a_flood_becomes_one_mail(box: Letterbox) -> None:
    for number in range(12):
        a_delivery(an_alert(f"Alert {number}"))

    assert deliver() == 1

    assert box.subjects() == ["[Acme] 12 alerts"]
    assert not AlertDelivery.objects.filter(sent_at=None).exists()


def test_after_five_within_a_minute_the_next_wait_until_it_is_over(box: Letterbox) -> None:
    for number in range(5):
        a_delivery(an_alert(f"Alert {number}"))
    assert deliver() == 5
    for number in range(5, 8):
        a_delivery(an_alert(f"Alert {number}"))
    assert deliver() == 0

    assert deliver(seconds=61) == 3

    assert len(box.mails) == 8


def test_what_is_over_when_its_mail_goes_out_is_one_mail_that_says_so(box: Letterbox) -> None:
    alert = an_alert(closed_at=timezone.now())
    a_delivery(alert)
    a_delivery(alert, news="over")

    assert deliver() == 1

    assert box.subjects() == ["[Acme] Over: Stripe needs a new key"]


def test_while_the_server_is_down_mails_wait_and_then_go_out(port: int) -> None:
    delivery, post = a_delivery(), Post()
    assert deliver(post) == 0
    delivery.refresh_from_db()
    assert "refused" in delivery.failure.lower()
    assert (delivery.attempts, delivery.sent_at) == (1, None)

    letterbox = Letterbox()
    with listening(letterbox, port):
        assert deliver(post, seconds=2) == 0  # the server rests for a moment
        assert deliver(post, seconds=60) == 1

    assert len(letterbox.mails) == 1


def test_of_many_mails_only_one_tries_a_server_that_is_down(port: int) -> None:
    for number in range(3):
        a_delivery(an_alert(f"Alert {number}"))

    deliver()

    assert sorted(AlertDelivery.objects.values_list("attempts", flat=True)) == [0, 0, 1]


def test_a_refused_address_does_not_keep_the_others_from_their_mail(box: Letterbox) -> None:
    box.refused.add("gone@acme.test")
    alert = an_alert()
    refused, other = a_delivery(alert, "gone@acme.test"), a_delivery(alert)

    assert deliver() == 1

    refused.refresh_from_db()
    other.refresh_from_db()
    assert other.sent_at is not None
    assert refused.failure == "550 No such user here"
    assert refused.due_at > timezone.now()


def test_an_address_that_is_refused_for_good_is_given_up(box: Letterbox) -> None:
    box.refused.add("gone@acme.test")
    delivery, post = a_delivery(to="gone@acme.test"), Post()

    for hours in range(posting.REFUSALS + 2):
        deliver(post, hours=hours)

    delivery.refresh_from_db()
    assert delivery.given_up_at is not None
    assert delivery.attempts == posting.REFUSALS


def test_a_server_that_refuses_the_mail_for_now_gets_it_again(box: Letterbox) -> None:
    box.answer = "451 Try again later"
    delivery, post = a_delivery(), Post()
    assert deliver(post) == 0

    box.answer = "250 OK"
    assert deliver(post, minutes=1) == 1

    delivery.refresh_from_db()
    assert (delivery.attempts, delivery.failure) == (2, "")


def test_a_slow_server_costs_a_deadline_and_no_more(port: int) -> None:
    delivery, post = a_delivery(), Post(deadline=0.2)
    hang_up = threading.Event()

    with dripping(port, hang_up):
        began = time.monotonic()
        assert deliver(post) == 0
        assert time.monotonic() - began < 20  # it would say nothing for ever
        delivery.refresh_from_db()
        assert delivery.failure == "It does not answer in time."
        assert deliver(post, minutes=30) == 0  # it still thinks about the first
        delivery.refresh_from_db()
        assert delivery.attempts == 1


def test_a_mail_that_comes_through_too_late_is_not_sent_again(
    box: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, post, go_on = a_delivery(), Post(deadline=0.1), threading.Event()
    transmit = posting._transmit

    def slowly(letter: Any) -> None:
        go_on.wait(60)
        transmit(letter)

    monkeypatch.setattr(posting, "_transmit", slowly)
    assert deliver(post) == 0

    go_on.set()
    for thread in post._late:
        thread.join(60)

    delivery.refresh_from_db()
    assert delivery.sent_at is not None
    assert deliver(post, hours=1) == 0
    assert len(box.mails) == 1


def test_a_process_that_died_while_it_sent_leaves_the_mail_to_another(
    box: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_delivery()
    with monkeypatch.context() as dying:
        dying.setattr(Post, "_send", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            deliver()

    assert deliver(seconds=30) == 0
    assert deliver(minutes=3) == 1


# What pages send


@pytest.fixture
def outbox(settings: Any, port: int) -> None:
    settings.EMAIL_BACKEND = "monitoring.outbox.Outbox"


@pytest.mark.usefixtures("outbox")
def test_a_mail_of_a_page_is_kept_sealed_and_sent_by_the_watching_process(box: Letterbox) -> None:
    send_mail("Reset", "https://integrator.example/reset/secret-link", None, ["ada@acme.test"])
    kept = OutgoingMail.objects.get()
    assert b"secret-link" not in bytes(kept.sealed)
    assert box.mails == []

    assert deliver() == 1

    assert "secret-link" in box.mails[0][1].get_content()
    kept.refresh_from_db()
    assert bytes(kept.sealed) == b""


@pytest.mark.usefixtures("outbox")
def test_a_reset_answers_at_once_though_no_server_answers(client: Any) -> None:
    a_person("ada@acme.test")

    answer = client.post("/accounts/password/reset/", {"email": "ada@acme.test"})

    assert answer.status_code == 302
    assert OutgoingMail.objects.get().recipient == "ada@acme.test"


@pytest.mark.usefixtures("outbox")
def test_an_attachment_is_refused_instead_of_lost() -> None:
    message = EmailMessage("Subject", "Text", to=["ada@acme.test"])
    message.attach("a.txt", "lost", "text/plain")

    with pytest.raises(ValueError, match="text only"):
        message.send()


@pytest.mark.usefixtures("outbox", "box")
def test_a_mail_whose_key_is_lost_holds_up_no_other(box: Letterbox) -> None:
    send_mail("Reset", "Text", None, ["ada@acme.test", "otto@acme.test"])
    OutgoingMail.objects.filter(recipient="ada@acme.test").update(sealed=b"not sealed at all")

    assert deliver() == 1

    assert [recipient for recipient, _ in box.mails] == ["otto@acme.test"]
    assert OutgoingMail.objects.get(recipient="ada@acme.test").given_up_at is not None
