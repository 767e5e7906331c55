"""What a Stripe key may not read, and what an endpoint does not send, is named with what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.checks import State
from connectors.stripe import readiness
from connectors.stripe.client import API_VERSION
from connectors.stripe.places import FILTERS
from connectors.stripe.readiness import Address
from connectors.stripe.registration import DEFAULT_EVENTS
from flows.recipes import catalogue
from integrator.kernel import errors

PAGE: dict[str, Any] = {"objects": [], "has_more": False}
URL = "https://integrator.acme.test/hooks/stripe/abc/"
OURS = Address(URL, "we_1", enabled=True)


def an_endpoint(**changed: Any) -> dict[str, Any]:
    """Return what Stripe has of our endpoint."""
    return {
        "id": "we_1",
        "url": URL,
        "status": "enabled",
        "enabled_events": list(DEFAULT_EVENTS),
        "api_version": API_VERSION,
        **changed,
    }


def webhooks(
    *endpoints: dict[str, Any], address: Address = OURS, wanted: dict[str, tuple[str, ...]] | None = None
) -> list[tuple[State, str]]:
    """Return what is said of our address where Stripe has these endpoints and live flows wait for events."""
    found = readiness.webhooks([address], {"objects": list(endpoints), "has_more": False}, wanted or {})
    return [(check.state, f"{check.title}. {check.explanation}") for check in found]


@pytest.mark.parametrize("slug", catalogue.slugs())
def test_an_endpoint_that_we_create_sends_what_starts_a_template(slug):
    trigger = catalogue.load(slug).raw["trigger"]

    assert set(trigger.get("types", ())) <= set(DEFAULT_EVENTS)


def test_everything_that_is_probed_can_be_listed():
    assert set(readiness.PERMISSIONS) <= set(FILTERS)


def test_a_key_that_may_read_everything_is_green():
    found = list(readiness.rights(dict.fromkeys(readiness.PERMISSIONS, PAGE)))

    assert {check.state for check in found} == {State.OK}
    assert len(found) == len(readiness.PERMISSIONS)


def test_a_missing_permission_is_named_in_the_dashboards_words_and_in_stripes():
    refusal = errors.Forbidden(
        "The provided key ... Having the 'rak_dispute_read' permission would allow this."
    )

    (check,) = readiness.rights({"dispute": refusal})

    assert check.state is State.PROBLEM
    assert check.explanation == "The permission “Disputes” is missing (rak_dispute_read)."
    assert "“Disputes” to Read" in check.remedy


def test_a_key_that_may_not_list_endpoints_still_works():
    (check,) = readiness.rights({"webhook_endpoint": errors.Forbidden("No.")})

    assert check.state is State.WARNING


def test_an_outage_is_not_taken_for_a_missing_permission():
    (check,) = readiness.rights({"charge": errors.Transient("Stripe could not be reached.")})

    assert check.state is State.WARNING
    assert check.explanation == "Stripe could not be reached."


@pytest.mark.parametrize(
    ("secret", "details", "states"),
    [
        pytest.param("rk_live_1", {}, [State.OK], id="a restricted key"),
        pytest.param("sk_live_1", {}, [State.WARNING], id="a key that may do everything"),
        pytest.param("rk_live_1", {"declared": True}, [State.OK, State.WARNING], id="an account by hand"),
    ],
)
def test_the_kind_of_key_is_judged(secret: str, details: dict[str, Any], states: list[State]):
    found = list(readiness.key(secret, details))

    assert [check.state for check in found] == states
    assert secret not in str(found)


def test_an_endpoint_as_we_make_it_is_green():
    assert [state for state, _ in webhooks(an_endpoint())] == [State.OK]


def test_an_endpoint_that_sends_everything_is_green():
    assert [state for state, _ in webhooks(an_endpoint(enabled_events=["*"]))] == [State.OK]


@pytest.mark.parametrize(
    ("changed", "state", "told"),
    [
        pytest.param({"url": "https://old.test/"}, State.PROBLEM, "https://old.test/", id="another address"),
        pytest.param({"status": "disabled"}, State.PROBLEM, "switched off at Stripe", id="switched off"),
        pytest.param({"api_version": "2020-08-27"}, State.WARNING, "2020-08-27", id="an old version"),
        pytest.param({"api_version": None}, State.WARNING, "default version", id="no version"),
        pytest.param(
            {"enabled_events": ["charge.failed"]}, State.WARNING, "charge.succeeded", id="few events"
        ),
    ],
)
def test_an_endpoint_that_differs_is_told(changed: dict[str, Any], state: State, told: str):
    ((found, text),) = webhooks(an_endpoint(**changed))

    assert found is state
    assert told in text


def test_an_event_that_a_live_flow_waits_for_and_nobody_sends_is_named_with_the_flow():
    wanted = {"charge.failed": ("Payments",), "invoice.paid": ("Dunning", "Invoices")}

    _, (state, told) = webhooks(an_endpoint(), wanted=wanted)
    _, sent = webhooks(an_endpoint(enabled_events=[*DEFAULT_EVENTS, "invoice.paid"]), wanted=wanted)

    assert state is State.WARNING
    assert "Not sent: invoice.paid (Dunning, Invoices)." in told
    assert sent == (State.OK, "Stripe sends every event that your flows wait for. ")


def test_an_endpoint_that_stripe_does_not_have_is_a_problem():
    assert [state for state, _ in webhooks(an_endpoint(id="we_other"))] == [State.PROBLEM]


def test_an_endpoint_made_by_hand_is_known_by_its_address():
    by_hand = Address(URL, "", enabled=True)

    assert [state for state, _ in webhooks(an_endpoint(id="we_other"), address=by_hand)] == [State.OK]


@pytest.mark.parametrize("url", ["http://integrator.acme.test/hooks/stripe/abc/", "https://localhost/hooks/"])
def test_an_address_that_stripe_cannot_reach_is_a_warning(url: str):
    address = Address(url, "we_1", enabled=True)

    assert (State.WARNING, True) in [
        (state, "not public" in text) for state, text in webhooks(an_endpoint(url=url), address=address)
    ]


def test_without_an_address_the_list_of_events_is_read():
    (check,) = readiness.webhooks([], PAGE, {})

    assert check.state is State.WARNING
    assert "fetched from Stripe’s list" in check.explanation


def test_what_nobody_may_see_of_the_endpoints_is_a_warning():
    found = list(readiness.webhooks([OURS], errors.Forbidden("No."), {"invoice.paid": ("Dunning",)}))

    assert [check.state for check in found] == [State.WARNING]


def test_an_address_that_is_switched_off_here_is_not_looked_for():
    off = Address(URL, "we_1", enabled=False)

    assert [state for state, _ in webhooks(address=off)] == [State.WARNING]
