"""A test of a Stripe connection says precisely what is wrong, whatever is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from connectors import connections, credentials, registry
from connectors.base import Diagnosis
from connectors.models import Connection
from tests.builders import NOON, an_environment
from tests.unit.connectors.peers import a_peer, http_answer


def check(connection: Connection) -> Diagnosis:
    return connections.test(connection=connection, actor="ada@acme.test", now=NOON)


def enter(connection: Connection, key: str) -> None:
    """Store a key as it is; an older version took any."""
    credentials.store(connection, {"secret_key": key}, now=NOON)


def test_a_good_key_says_where_it_leads_and_is_pinned_there(untested_billing):
    diagnosis = check(untested_billing)

    assert diagnosis.ok
    untested_billing.refresh_from_db()
    assert untested_billing.pinned_account == diagnosis.details["account"]
    assert untested_billing.pinned_account.startswith("acct_")
    assert untested_billing.pinned_livemode is False


@pytest.mark.parametrize(
    ("key", "words"),
    [
        pytest.param("pk_test_1234567890", "publishable", id="a publishable key"),
        pytest.param("whsec_1234567890", "webhook", id="a signing secret"),
        pytest.param("sk_org_1234567890", "organisation", id="a key of an organisation"),
        pytest.param("my password", "start with", id="no key at all"),
    ],
)
def test_what_is_no_secret_key_is_not_sent_anywhere(untested_billing, stripe_sandbox, key, words):
    enter(untested_billing, key)

    diagnosis = check(untested_billing)

    assert words in diagnosis.explanation
    assert key not in repr(diagnosis)
    assert not stripe_sandbox.calls("/v1/")


def test_a_live_key_in_a_development_environment_is_refused_before_it_is_used(transactional_db):
    diagnosis = check(_real(environment="dev", key="sk_live_planted1234"))

    assert diagnosis.title == "This is a live key"
    assert "real money" in diagnosis.explanation


def test_a_test_key_in_production_is_refused(transactional_db):
    diagnosis = check(_real(environment="production", key="rk_test_planted1234"))

    assert diagnosis.title == "This is a test key"


def test_somebody_may_say_that_production_is_in_test_mode_for_now(transactional_db):
    connection = _real(environment="production", key="pk_x", settings={"livemode": False})
    enter(connection, "pk_live_x")

    assert check(connection).title == "This is not a secret key"


def test_a_key_of_the_other_mode_than_the_pinned_one_is_refused(billing, stripe_sandbox):
    enter(billing, "sk_live_sandbox")

    assert check(billing).title == "This is a live key"


def test_a_key_that_stripe_does_not_know_is_told(untested_billing):
    enter(untested_billing, "sk_test_unknown1234")

    diagnosis = check(untested_billing)

    assert diagnosis.title == "Stripe does not know this key"
    assert diagnosis.details["request_id"]
    assert "sk_test_unknown1234" not in repr(diagnosis)


def test_a_restricted_key_asks_for_the_account_and_is_pinned_to_it(untested_billing, stripe_sandbox):
    _answer(stripe_sandbox, 403, {"message": "The provided key does not have the required permissions"})
    asked = check(untested_billing)
    untested_billing.settings = {"account_id": "acct_declared"}
    untested_billing.save()

    declared = check(untested_billing)

    assert asked.details["needs"] == "account_id"
    assert declared.ok
    untested_billing.refresh_from_db()
    assert untested_billing.pinned_account == "acct_declared"


@pytest.mark.parametrize(
    ("status", "error", "title"),
    [
        pytest.param(429, {"message": "Too many"}, "Stripe asks us to slow down", id="429"),
        pytest.param(
            400,
            {"message": "Invalid Stripe API version: x"},
            "Stripe does not know this API version",
            id="version",
        ),
        pytest.param(500, {"message": "Oh"}, "Stripe could not answer", id="500"),
    ],
)
def test_other_answers_are_told_apart(untested_billing, stripe_sandbox, status, error, title):
    _answer(stripe_sandbox, status, error)

    assert check(untested_billing).title == title


@pytest.mark.parametrize(("minutes", "word"), [(10, "ahead"), (-10, "behind")])
def test_a_clock_that_is_wrong_is_found_by_the_date_header(untested_billing, minutes, word):
    theirs = format_datetime(datetime.now(UTC) - timedelta(minutes=minutes), usegmt=True)
    with a_peer(http_answer(b'{"id": "acct_1", "object": "account"}', Date=theirs)) as peer:
        untested_billing.base_url = peer.address
        diagnosis = check(untested_billing)

    assert diagnosis.title == "The clocks differ"
    assert word in diagnosis.explanation


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        pytest.param("http://127.0.0.1:1", "connect", id="nothing listens"),
        pytest.param("https://no-such-host.invalid", "dns", id="no such name"),
    ],
)
def test_a_network_that_does_not_lead_there_is_told(untested_billing, address, kind):
    untested_billing.base_url = address
    untested_billing.settings = {"livemode": False}
    account = credentials.account_for(untested_billing, credentials.sealed_of(untested_billing))

    # Asked of the connector: a connection to an address that is none of the vendor's is not even tested.
    assert registry.load()["stripe"].test(account).details["kind"] == kind


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param({"kind": "reset"}, "network", id="reset"),
        pytest.param({"kind": "slow", "params": {"seconds": 3}, "times": 1}, "timeout", id="too slow"),
    ],
)
def test_a_connection_that_breaks_is_told(untested_billing, stripe_sandbox, monkeypatch, fault, kind):
    monkeypatch.setattr("connectors.outbound.DEADLINE_SECONDS", 0.5)
    stripe_sandbox.break_(match_path="/v1/account", **fault)

    assert check(untested_billing).details["kind"] == kind


def test_another_account_than_the_pinned_one_is_told(billing):
    Connection.objects.filter(pk=billing.pk).update(pinned_account="acct_other")
    billing.refresh_from_db()

    diagnosis = check(billing)

    assert not diagnosis.ok
    assert diagnosis.title == "This leads to another account"
    billing.refresh_from_db()
    assert billing.pinned_account == "acct_other"
    assert "another account" in billing.last_failure


def _real(*, environment: str, key: str, settings: dict[str, Any] | None = None) -> Connection:
    """Return a connection to the real address; the tests that use it end before a call."""
    return connections.create(
        environment=an_environment(environment),
        system="stripe",
        name="Real",
        base_url="https://api.stripe.com",
        settings=settings or {},
        secrets={"secret_key": key},
        actor="ada@acme.test",
        now=NOON,
    )


def _answer(sandbox: Any, status: int, error: dict[str, str]) -> None:
    sandbox.break_("before", match_path="/v1/account", params={"status": status, "body": {"error": error}})
