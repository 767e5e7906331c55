"""This module tests that bootstrap makes what is missing, once, and shows only the secrets that it made."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from connectors.models import Connection
from flows.models import Deployment
from integrator.accounts.models import ApiToken, AuditEntry, Membership, User
from tests.integration.connectors.rig import both_services

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def addresses():
    with both_services() as addresses:
        yield addresses


@pytest.fixture(autouse=True)
def reachable(settings):
    """Let the simulated Stripe deliver to us: it does so on this machine only."""
    settings.PUBLIC_URL = "http://127.0.0.1:9"


def bootstrap(*flags: str) -> dict:
    out = StringIO()
    call_command("bootstrap", *flags, stdout=out)
    return json.loads(out.getvalue())


def test_an_empty_installation_is_complete_after_one_command(addresses):
    made = bootstrap("--sandbox", addresses["stripe"], addresses["salesforce"], "--flow", "payments")

    assert {found["system"] for found in made["connections"]} == {"stripe", "salesforce"}
    assert made["webhooks"][0]["secret"].startswith("whsec_")
    assert made["token"].startswith("igr_")
    assert User.objects.get(email="admin@acme.test").check_password(made["administrator"]["password"])
    assert list(Deployment.objects.values_list("enabled", flat=True)) == [True]
    assert set(Connection.objects.values_list("state", flat=True)) == {"active"}
    assert "" not in Connection.objects.values_list("pinned_account", flat=True)


def test_a_second_run_makes_nothing_and_shows_no_secret(addresses):
    flags = ("--sandbox", addresses["stripe"], addresses["salesforce"], "--flow", "payments")
    first = bootstrap(*flags)
    counts = [model.objects.count() for model in (Connection, Deployment, ApiToken, Membership)]

    again = bootstrap(*flags)

    assert counts == [model.objects.count() for model in (Connection, Deployment, ApiToken, Membership)]
    assert again["token"] is None
    assert again["administrator"]["password"] is None
    assert again["webhooks"] == [{"url": first["webhooks"][0]["url"], "secret": None}]
    assert again["connections"] == first["connections"]


def test_what_bootstrap_does_is_in_the_audit_trail(addresses):
    bootstrap("--sandbox", addresses["stripe"], addresses["salesforce"])

    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"bootstrap"}


def test_a_sandbox_that_came_back_empty_is_met_anew(addresses):
    first = bootstrap("--sandbox", addresses["stripe"], addresses["salesforce"])

    again = bootstrap("--sandbox", addresses["stripe"], addresses["salesforce"], "--renew")

    assert again["connections"] == first["connections"]
    assert again["webhooks"][0]["secret"] != first["webhooks"][0]["secret"]


def test_a_known_signing_secret_is_taken(addresses):
    made = bootstrap(
        "--stripe-key",
        "sk_test_sandbox",
        "--stripe-url",
        addresses["stripe"],
        "--webhook",
        "whsec_" + "k" * 32,
    )

    assert made["webhooks"][0]["secret"] == "whsec_" + "k" * 32


def test_an_address_that_is_none_of_the_vendors_is_refused_in_words():
    with pytest.raises(CommandError, match="https"):
        bootstrap("--stripe-key", "sk_test_x", "--stripe-url", "http://evil.example")


def test_what_stripe_refuses_is_said_in_its_words(addresses, settings):
    settings.PUBLIC_URL = "http://integrator.example.com"

    with pytest.raises(CommandError, match="this machine"):
        bootstrap("--sandbox", addresses["stripe"], addresses["salesforce"])
