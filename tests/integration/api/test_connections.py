"""Connections by REST: secrets go in and never come out, and what is wrong is named."""

from __future__ import annotations

import pytest

from connectors.models import Connection, Credential, WebhookEndpoint
from integrator.accounts.models import AuditEntry

KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = {
    "environment": "qa",
    "system": "stripe",
    "name": "Shop",
    "base_url": "https://api.stripe.com",
    "secrets": {"secret_key": KEY},
}


def test_a_connection_is_created_and_its_secret_never_shown(admin, stage):
    answer = admin.post("connections/", NEW)

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["environment"], made["state"]) == ("qa", "active")
    assert made["credentials"][0]["last4"] == "p7dc"
    everything = answer.content + admin.get(f"connections/{made['id']}/").content
    assert KEY.encode() not in everything
    assert KEY not in str(AuditEntry.objects.filter(action="connection.created").values().get())
    assert KEY.encode() not in bytes(Credential.objects.get(connection__public_id=made["id"]).ciphertext)


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        pytest.param({"base_url": "https://evil.test"}, "base_url", id="another host"),
        pytest.param({"base_url": "http://169.254.169.254/"}, "base_url", id="the metadata address"),
        pytest.param({"secrets": {}}, "secrets", id="no secret"),
        pytest.param({"system": "paypal"}, "system", id="an unknown system"),
        pytest.param({"environment": "moon"}, "environment", id="an unknown environment"),
        pytest.param({"settings": {"usrname": "x"}}, "settings.usrname", id="a misspelt setting"),
        pytest.param({"name": ""}, "name", id="no name"),
    ],
)
def test_what_cannot_be_taken_is_named(admin, stage, spoil, field):
    answer = admin.post("connections/", NEW | spoil)

    assert answer.status_code == 400
    assert [error["field"].split(".secret_key")[0] for error in answer.json()["errors"]] == [field]
    assert KEY.encode() not in answer.content
    assert Connection.objects.count() == 2


def test_a_connection_to_which_nothing_is_delivered_says_so_from_the_start(admin, stage):
    made = admin.post("connections/", NEW | {"settings": {"walk_only": True}}).json()

    assert made["settings"] == {"walk_only": True}
    refused = admin.post("connections/", NEW | {"name": "Another", "settings": {"walk_only": "perhaps"}})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "settings.walk_only"


def test_what_the_product_decides_cannot_be_set(admin, stage):
    made = admin.post(
        "connections/", NEW | {"pinned_account": "acct_evil", "state": "paused", "id": "mine", "api_limit": 1}
    ).json()

    assert (made["pinned_account"], made["state"], made["api_limit"]) == ("", "active", None)
    assert made["id"] != "mine"


def test_a_connection_is_paused_and_resumed(admin, stage):
    path = f"connections/{stage.stripe.public_id}"

    paused = admin.post(f"{path}/pause/", {"reason": "Maintenance"}).json()
    resumed = admin.post(f"{path}/resume/").json()

    assert (paused["state"], paused["state_reason"]) == ("paused", "Maintenance")
    assert resumed["state"] == "active"


@pytest.mark.django_db(transaction=True)
def test_a_secret_is_rotated_and_tested_at_once(admin, stage):
    new = "sk_test_NEWNEWNEWNEWNEWNEW1234"

    answer = admin.post(f"connections/{stage.stripe.public_id}/rotate/", {"secrets": {"secret_key": new}})

    assert answer.status_code == 200, answer.content
    assert answer.json()["credentials"][0]["last4"] == "1234"
    assert new.encode() not in answer.content
    assert answer.json()["diagnosis"]["title"] == "Nothing answers there"


def test_a_secret_that_is_no_key_is_refused_by_its_name(admin, stage):
    before = stage.stripe.credentials.get().fingerprint

    answer = admin.post(
        f"connections/{stage.stripe.public_id}/rotate/", {"secrets": {"secret_key": "pk_test_1"}}
    )

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["secret_key"]
    assert stage.stripe.credentials.get().fingerprint == before


def test_a_webhook_endpoint_takes_a_secret_and_shows_an_address(admin, stage):
    path = f"connections/{stage.stripe.public_id}/webhooks/"

    answer = admin.post(path, {"secret": SIGNING})

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert made["url"] == f"http://testserver/hooks/stripe/{made['id']}/"
    assert SIGNING.encode() not in answer.content + admin.get(path).content
    assert len(admin.get(path).json()) == WebhookEndpoint.objects.count() == 2


def test_a_secret_that_signs_nothing_is_refused(admin, stage):
    answer = admin.post(f"connections/{stage.stripe.public_id}/webhooks/", {"secret": KEY})

    assert answer.status_code == 400
    assert KEY.encode() not in answer.content


@pytest.mark.django_db(transaction=True)
def test_a_test_says_what_is_wrong(admin, stage):
    answer = admin.post(f"connections/{stage.stripe.public_id}/test/")

    assert answer.status_code == 200
    assert answer.json()["ok"] is False
    assert answer.json()["remedy"]


@pytest.mark.django_db(transaction=True)
def test_a_system_that_does_not_answer_is_not_our_fault(admin, stage):
    answer = admin.post(f"connections/{stage.stripe.public_id}/webhooks/", {})

    assert answer.status_code == 502
    assert answer["Content-Type"] == "application/problem+json"
