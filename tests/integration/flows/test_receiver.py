"""This module posts to the receiver over real HTTP, as Stripe does and as strangers do."""

from __future__ import annotations

import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from django.utils import timezone

from connectors.models import WebhookEndpoint
from flows.endpoints import LONGEST_KEPT
from flows.models import Event
from flows.receiver import LARGEST_BODY, Receiver
from integrator import vault
from tests.receiving import (
    SECRET,
    a_secret,
    an_event,
    quiet,
    request,
    serving,
    signed,
    statuses,
    wait_for,
)

pytestmark = pytest.mark.django_db(transaction=True)


def stored(event: Event) -> bytes:
    return vault.unseal(event.body, owner=f"event:{event.connection_id}")


# What is accepted


def test_a_signed_event_is_on_disk_when_it_is_answered(stripe, endpoint, rings):
    body = an_event(7)

    answer = stripe.post(endpoint, body)

    assert (answer.status, answer.content) == (200, b"")
    event = Event.objects.get()
    assert (event.external_id, event.type, event.object_id) == ("evt_7", "charge.succeeded", "ch_7")
    assert (event.connection_id, event.origin, event.livemode) == (endpoint.connection_id, "live", False)
    assert (event.api_version, event.fate, event.dispatched_at) == ("2026-10-28.endive", "queued", None)
    assert event.happened_at == datetime.fromtimestamp(json.loads(body)["created"], UTC)
    assert stored(event) == body
    assert b"evt_7" not in bytes(event.body)


def test_the_doorbell_rings_after_the_commit(stripe, endpoint, rings):
    stripe.post(endpoint, an_event())

    assert wait_for(lambda: len(rings) == 1)


def test_an_address_without_its_last_slash_is_answered_not_redirected(stripe, endpoint):
    assert stripe.post(str(endpoint).rstrip("/"), an_event()).status == 200


def test_a_thousand_deliveries_of_one_event_are_one_row(stripe, endpoint):
    body = an_event()
    signature = signed(body)

    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: stripe.post(endpoint, body, signature=signature).status, range(1000))
        )

    assert set(answers) == {200}
    assert Event.objects.count() == 1
    assert stripe.receiver.counters.accepted == 1000


def test_the_first_delivery_of_an_id_is_the_one_that_is_kept(stripe, endpoint):
    stripe.post(endpoint, an_event(1, pending_webhooks=1))

    assert stripe.post(endpoint, an_event(1, pending_webhooks=2)).status == 200
    assert json.loads(stored(Event.objects.get()))["pending_webhooks"] == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="half an object"),
        pytest.param(b"[" * 20_000 + b"]" * 20_000, id="20,000 levels"),
        pytest.param(b'{"id": NaN}', id="NaN"),
        pytest.param(b'{"id": "evt_\xff"}', id="broken UTF-8"),
        pytest.param(b'{"n": ' + b"9" * 5000 + b"}", id="5,000 digits"),
        pytest.param(b"", id="nothing"),
        pytest.param(an_event(id="evt'; DROP TABLE"), id="an id that is none"),
    ],
)
def test_a_signed_body_that_cannot_be_read_is_kept_for_a_person(stripe, endpoint, body):
    answer = stripe.post(endpoint, body)

    assert answer.status == 200
    event = Event.objects.get()
    assert event.external_id.startswith("unreadable:")
    assert event.unreadable
    assert stored(event) == body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(an_event(name="a\x00b"), id="NUL"),
        pytest.param(an_event(name="\ud800"), id="a lone surrogate"),
        pytest.param(b"\xef\xbb\xbf" + an_event(), id="a byte order mark"),
        pytest.param(an_event(name="👩‍👩‍👧\u202e" * 1000), id="emoji and an override"),
        pytest.param(an_event(pad="x" * 900_000), id="900 kB"),
    ],
)
def test_what_is_only_unusual_is_an_event_like_any_other(stripe, endpoint, body):
    answer = stripe.post(endpoint, body)

    assert answer.status == 200
    assert Event.objects.get(external_id="evt_1").unreadable == ""


def test_a_thin_event_is_stored(stripe, endpoint):
    related = {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"}
    body = an_event(object="v2.core.event", created="2026-11-24T12:00:00Z", related_object=related)

    assert stripe.post(endpoint, body).status == 200
    assert Event.objects.get().object_id == "ch_1"


def test_pipelined_requests_are_answered_in_order(stripe, endpoint):
    first, second = an_event(1), an_event(2)

    received = stripe.raw(
        request(endpoint, first) + request(endpoint, b"x", "t=1,v1=0") + request(endpoint, second),
        answers=3,
    )

    assert statuses(received) == [200, 400, 200]
    assert Event.objects.count() == 2


# Secrets


def test_two_secrets_count_while_one_replaces_the_other(stripe, endpoint):
    a_secret(endpoint, "whsec_new")
    endpoint.secrets.filter(last4=SECRET[-4:]).update(expires_at=timezone.now() + timedelta(hours=1))

    old = stripe.post(endpoint, an_event(1), signature=signed(an_event(1), SECRET))
    new = stripe.post(endpoint, an_event(2), signature=signed(an_event(2), "whsec_new"))

    assert (old.status, new.status) == (200, 200)


def test_a_secret_that_was_added_just_now_counts_at_once(stripe, endpoint):
    stripe.post(endpoint, an_event(1))
    a_secret(endpoint, "whsec_new")
    time.sleep(0.25)

    answer = stripe.post(endpoint, an_event(2), signature=signed(an_event(2), "whsec_new"))

    assert answer.status == 200


def test_a_secret_is_refused_from_its_end_on_although_it_is_remembered(stripe, endpoint):
    stripe.post(endpoint, an_event(1))
    endpoint.secrets.update(expires_at=timezone.now() + timedelta(seconds=0.5))

    # A reading that a busy machine delays leaves what is remembered in use, though never as long as this.
    assert wait_for(lambda: stripe.post(endpoint, an_event(2)).status == 400, within=LONGEST_KEPT - 5)


def test_the_use_of_a_secret_is_shown(stripe, endpoint):
    stripe.post(endpoint, an_event())

    assert wait_for(lambda: endpoint.secrets.get().last_used_at is not None)


def test_a_disabled_endpoint_is_gone_within_seconds(stripe, endpoint):
    stripe.post(endpoint, an_event(1))
    WebhookEndpoint.objects.update(enabled=False)

    assert wait_for(lambda: stripe.post(endpoint, an_event(2)).status == 404, within=LONGEST_KEPT - 5)


def test_secrets_that_no_key_opens_are_our_fault_not_the_senders(stripe, endpoint):
    endpoint.secrets.update(ciphertext=b"sealed with a key that was lost")

    assert stripe.post(endpoint, an_event()).status == 503


# What is refused


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        pytest.param(lambda _: "", "no signature", id="none"),
        pytest.param(lambda _: "t=1,v1=00", "wrong signature", id="made up"),
        pytest.param(lambda body: signed(body, "whsec_other"), "wrong signature", id="another secret"),
        pytest.param(lambda body: signed(body, scheme="v0"), "malformed signature", id="only v0"),
        pytest.param(lambda body: signed(body, at=time.time() - 302), "timestamp too old", id="old"),
        pytest.param(lambda body: signed(body, at=time.time() + 302), "timestamp in the future", id="ahead"),
        pytest.param(
            lambda body: signed(body, at=time.time() + 3600), "timestamp in the future", id="an hour ahead"
        ),
    ],
)
def test_every_bad_signature_gets_the_same_answer(stripe, endpoint, sign, reason):
    body = an_event()

    answer = stripe.post(endpoint, body, signature=sign(body))

    assert (answer.status, json.loads(answer.content)) == (400, {"error": "The signature does not fit."})
    assert stripe.receiver.counters.refused == {reason: 1}
    assert not Event.objects.exists()


def test_two_signature_headers_are_refused_even_if_one_fits(stripe, endpoint):
    body = an_event()
    good = f"Stripe-Signature: {signed(body)}\r\n".encode()

    received = stripe.raw(request(endpoint, body).replace(b"Content-Type", good + b"Content-Type"))

    assert statuses(received) == [400]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/hooks/stripe/nobody/", id="an unknown endpoint"),
        pytest.param("/hooks/stripe/", id="no endpoint"),
        pytest.param("/hooks/stripe/a/b/", id="a deeper path"),
        pytest.param("/hooks/stripe/%00/", id="a NUL in the path"),
        pytest.param("/hooks/stripe/" + "a" * 300 + "/", id="an endless id"),
    ],
)
def test_an_address_that_is_no_endpoint_is_unknown(stripe, endpoint, path):
    assert stripe.post(path, an_event()).status == 404


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        pytest.param("GET", {}, 405, id="GET"),
        pytest.param("HEAD", {}, 405, id="HEAD"),
        pytest.param("PUT", {}, 405, id="PUT"),
        pytest.param("POST", {"Content-Type": "text/plain"}, 415, id="a text"),
        pytest.param("POST", {"Content-Type": "application/jsonp"}, 415, id="nearly JSON"),
        pytest.param("POST", {"Content-Type": ""}, 415, id="no type"),
        pytest.param("POST", {"Content-Encoding": "gzip"}, 415, id="gzip"),
        pytest.param("POST", {"Content-Encoding": "identity"}, 415, id="identity"),
        pytest.param(
            "POST", {"Content-Type": "application/json; charset=utf-8"}, 200, id="JSON with a charset"
        ),
    ],
)
def test_the_envelope_of_the_request_is_checked(stripe, endpoint, method, headers, status):
    body = gzip.compress(an_event()) if headers.get("Content-Encoding") == "gzip" else an_event()

    answer = stripe.post(endpoint, body, method=method, headers=headers)

    assert answer.status == status
    assert Event.objects.exists() is (status == HTTPStatus.OK)


def test_a_body_is_refused_by_its_declared_length_alone(stripe, endpoint):
    head = request(endpoint, b"").replace(b"Content-Length: 0", b"Content-Length: 52428800")

    received = stripe.raw(head)

    assert statuses(received) == [413]


def test_an_endless_body_is_refused_at_one_mebibyte(stripe, endpoint):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = request(endpoint, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")

    received = stripe.raw(head + chunk * 40)

    assert statuses(received) == [413]
    assert not Event.objects.exists()


def test_a_body_of_exactly_one_mebibyte_is_read(stripe, endpoint):
    body = an_event(pad="")
    body = body.replace(b'"pad": ""', b'"pad": "' + b"x" * (LARGEST_BODY - len(body)) + b'"')

    assert len(body) == LARGEST_BODY
    assert stripe.post(endpoint, body).status == 200
    assert stripe.post(endpoint, body + b" ").status == 413


def test_a_slow_body_is_cut_off_while_others_are_served(endpoint):
    with serving(Receiver(committer=quiet(), read_within=1.0)) as stripe:
        slow: list[bytes] = []
        head = request(endpoint, b"").replace(b"Content-Length: 0", b"Content-Length: 100")
        thread = threading.Thread(target=lambda: slow.append(stripe.raw(head)))
        thread.start()

        other = stripe.post(endpoint, an_event())
        thread.join()

    assert other.status == 200
    assert statuses(slow[0]) == [408]


def test_a_sender_that_hangs_up_leaves_nothing_behind(stripe, endpoint):
    body = an_event()
    stripe.raw(request(endpoint, body)[:-5], until=0.2)

    assert wait_for(lambda: stripe.receiver.counters.refused["hung up"] == 1)
    assert not Event.objects.exists()
