"""Pages of connections: secrets only go in, tests say precisely what they found, pauses are reversible."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from connectors import credentials
from connectors.models import NEEDS_KEY, Connection, WebhookEndpoint
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_connection, a_person, an_environment

pytestmark = pytest.mark.django_db(transaction=True)  # a connection is never tested inside a transaction

KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(a_person("axel@acme.test", "admin"))
    return client


@pytest.fixture
def stripe() -> Connection:
    connection = a_connection("stripe", an_environment())
    credentials.store(connection, {"secret_key": KEY}, now=NOON)
    return connection


def at(connection: Connection | None = None, path: str = "") -> str:
    """Return the address of a page of connections."""
    return f"/w/acme/dev/connections/{f'{connection.public_id}/' if connection else ''}{path}"


def text(answer: Any, status: int = 200) -> str:
    """Return what a page says."""
    assert answer.status_code == status, answer
    return " ".join(answer.content.decode().split())


def test_the_list_says_what_is_missing(admin: Client) -> None:
    an_environment()

    assert "Nothing is connected yet" in text(admin.get(at()))


def test_a_connection_is_made_tested_and_shown_without_its_secret(admin: Client) -> None:
    an_environment()
    form = {"name": "Stripe Europe", "base_url": NOWHERE, "secret_key": KEY, "account_id": ""}

    answer = admin.post(at(path="new/stripe/"), form, follow=True)

    page = text(answer)
    assert Connection.objects.get().name == "Stripe Europe"
    assert "but the test failed: Nothing answers there" in page
    assert "p7dc" in page
    assert KEY not in page


@pytest.mark.parametrize(("ticked", "kept"), [({"walk_only": "on"}, {"walk_only": True}), ({}, {})])
def test_who_makes_a_connection_says_whether_anything_is_delivered_to_it(
    admin: Client, ticked: dict[str, str], kept: dict[str, bool]
) -> None:
    an_environment()
    assert "Nothing is delivered here" in text(admin.get(at(path="new/stripe/")))

    admin.post(at(path="new/stripe/"), {"name": "Stripe", "base_url": NOWHERE, "secret_key": KEY} | ticked)

    assert Connection.objects.get().settings == kept


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param({"base_url": "https://evil.test"}, "https://api.stripe.com", id="not Stripe's address"),
        pytest.param({"secret_key": "pk_test_1234567890"}, "publishable key", id="a publishable key"),
        pytest.param({"secret_key": "whsec_1234567890"}, "webhook secret", id="a webhook secret"),
        pytest.param({"name": ""}, "This field is required", id="no name"),
    ],
)
def test_a_mistake_is_explained_and_the_secret_is_not_sent_back(
    admin: Client, wrong: dict[str, str], told: str
) -> None:
    an_environment()
    form = {"name": "Stripe", "base_url": NOWHERE, "secret_key": KEY, "account_id": ""} | wrong

    page = text(admin.post(at(path="new/stripe/"), form), 422)

    assert told in page
    assert form["secret_key"] not in page
    assert not Connection.objects.exists()


def test_two_connections_of_one_name_are_refused(admin: Client, stripe: Connection) -> None:
    form = {"name": stripe.name, "base_url": NOWHERE, "secret_key": KEY, "account_id": ""}

    assert "already the name of a connection" in text(admin.post(at(path="new/stripe/"), form), 422)


def test_a_private_key_is_not_sent_back(admin: Client) -> None:
    an_environment()
    form = {
        "name": "",
        "base_url": NOWHERE,
        "username": "u",
        "consumer_key": "3MVG",
        "private_key": "BEGINNING",
    }

    page = text(admin.post(at(path="new/salesforce/"), form), 422)

    assert "BEGINNING" not in page
    assert "3MVG" not in page


def test_the_test_button_says_what_was_found(admin: Client, stripe: Connection) -> None:
    answer = admin.post(at(stripe, "test/"), headers={"HX-Request": "true"})

    assert "Nothing answers there" in text(answer)
    assert "<html" not in answer.content.decode()


def test_a_connection_is_paused_with_a_reason_and_resumed(admin: Client, stripe: Connection) -> None:
    admin.post(at(stripe, "pause/"), {"reason": "The org is moved"})
    stripe.refresh_from_db()
    assert (stripe.state, stripe.state_reason) == ("paused", "The org is moved")
    assert "The org is moved" in text(admin.get(at(stripe)))

    admin.post(at(stripe, "resume/"))

    stripe.refresh_from_db()
    assert stripe.state == "active"


def test_a_pause_wants_a_reason(admin: Client, stripe: Connection) -> None:
    assert admin.post(at(stripe, "pause/"), {"reason": ""}).status_code == 409


def test_secrets_are_rotated_and_an_empty_form_is_refused(admin: Client, stripe: Connection) -> None:
    assert "Enter at least one new secret" in text(admin.post(at(stripe, "rotate/"), {"secret_key": ""}), 422)

    assert "publishable key" in text(
        admin.post(at(stripe, "rotate/"), {"secret_key": "pk_test_12345678"}), 422
    )

    told = text(admin.post(at(stripe, "rotate/"), {"secret_key": "sk_test_another0000000000abcd"}))

    assert "Nothing answers there" in told
    assert "the test failed" in told
    assert stripe.credentials.get().last4 == "abcd"
    assert AuditEntry.objects.filter(action="connection.credentials_replaced").exists()


def test_a_webhook_address_is_made_by_hand(admin: Client, stripe: Connection) -> None:
    assert text(admin.post(at(stripe, "webhooks/new/"), {"by": "hand", "secret": "whatever"}), 422)

    page = text(
        admin.post(
            at(stripe, "webhooks/new/"), {"by": "hand", "secret": "whsec_abcdefgh12345678"}, follow=True
        )
    )

    endpoint = WebhookEndpoint.objects.get()
    assert f"http://testserver/hooks/stripe/{endpoint.public_id}/" in page
    assert "whsec_" not in page


def test_stripe_is_asked_to_make_the_address_and_a_failure_is_told(admin: Client, stripe: Connection) -> None:
    answer = admin.post(at(stripe, "webhooks/new/"), {"by": "api"}, headers={"HX-Request": "true"})

    assert answer.status_code == 409
    assert "Stripe did not create the endpoint" in answer.headers["HX-Trigger"]


def test_a_signing_secret_is_exchanged_with_an_overlap(admin: Client, stripe: Connection) -> None:
    admin.post(at(stripe, "webhooks/new/"), {"by": "hand", "secret": "whsec_abcdefgh12345678"})
    endpoint = WebhookEndpoint.objects.get()

    admin.post(at(stripe, f"webhooks/{endpoint.public_id}/secret/"), {"secret": "whsec_ijklmnop12345678"})

    assert endpoint.secrets.count() == 2
    assert endpoint.secrets.filter(expires_at=None).count() == 1


def test_an_operator_may_pause_but_neither_rotate_nor_see_how(client: Client, stripe: Connection) -> None:
    client.force_login(a_person("otto@acme.test", "operator"))

    page = text(client.get(at(stripe)))

    assert "Pause" in page
    assert "Rotate secrets" not in page
    assert client.get(at(stripe, "rotate/")).status_code == 403


def test_a_toast_tells_what_was_done(admin: Client, stripe: Connection) -> None:
    answer = admin.post(at(stripe, "pause/"), {"reason": "Moving"})

    assert [str(message) for message in get_messages(answer.wsgi_request)] == [
        f"{stripe.name} is paused. What arrives meanwhile waits."
    ]


def test_a_connection_that_needs_a_key_does_not_promise_to_resume_by_itself(
    admin: Client, stripe: Connection
) -> None:
    stripe.rest(until=timezone.now() + timedelta(minutes=5), reason=f"{NEEDS_KEY} The key was refused.")

    page = text(admin.get(at(stripe)))

    assert "needs a new key" in page
    assert "resumes by itself" not in page
