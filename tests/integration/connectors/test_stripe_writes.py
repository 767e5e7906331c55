"""What is written in Stripe is written once: by its key, and by the marker that finds it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import requests
from django.utils import timezone

from connectors import gateway
from connectors.models import Connection
from connectors.stripe.operations import MARKER
from flows.engine.once import KEY_SPENT
from integrator.kernel import errors
from tests.integration.connectors.rig import STRIPE_KEY, Sandbox


def call(billing: Connection, action: str, *wanted: dict[str, Any], deadline: float = 12.0) -> list[Any]:
    return gateway.call_many(connection_id=billing.pk, action=action, requests=wanted, deadline=deadline)


def a_customer(effect: str = "eff_1", generation: int = 1, **params: Any) -> dict[str, Any]:
    metadata = {MARKER: effect, **params.pop("metadata", {})}
    params = {"name": "Acme", "metadata": metadata, **params}
    return {"type": "customer", "params": params, "key": f"{effect}.{generation}"}


def listed(stripe_sandbox: Sandbox, place: str = "customers", **query: Any) -> list[dict[str, Any]]:
    answer = requests.get(
        f"{stripe_sandbox.address}/v1/{place}",
        params={"limit": 100, **query},
        headers={"Authorization": f"Bearer {STRIPE_KEY}"},
        timeout=20,
    )
    return list(answer.json()["data"])


def test_an_object_is_created_changed_and_acted_on(billing, stripe_sandbox):
    (customer,) = call(billing, "create", a_customer(address={"city": "Bern"}))
    (changed,) = call(
        billing, "update",
        {"object": "customer", "id": customer["id"], "values": {"name": "Acme AG", "phone": ""}, "key": "a"},
    )  # fmt: skip
    (product,) = call(billing, "create", {"type": "product", "params": {"name": "Chair"}, "key": "b"})
    recurring = {
        "product": product["id"],
        "currency": "eur",
        "unit_amount": 500,
        "recurring": {"interval": "month"},
    }
    (price,) = call(billing, "create", {"type": "price", "params": recurring, "key": "c"})
    params = {
        "customer": customer["id"], "items": [{"price": price["id"], "quantity": 2}],
        "collection_method": "send_invoice", "days_until_due": 30,
    }  # fmt: skip
    (subscription,) = call(billing, "create", {"type": "subscription", "params": params, "key": "d"})
    act = {"act": "subscription.cancel", "id": subscription["id"]}
    (before,) = call(billing, "reached", act)
    (ended,) = call(billing, "act", {**act, "params": {}, "key": "e"})
    (after,) = call(billing, "reached", act)

    assert (changed["name"], changed["address"]["city"]) == ("Acme AG", "Bern")
    assert subscription["items"]["data"][0]["quantity"] == 2
    assert isinstance(before, errors.Missing)
    assert ended["status"] == after["status"] == "canceled"


LOST = [
    pytest.param({"kind": "after"}, id="done, then the connection is closed"),
    pytest.param({"kind": "after_status", "params": {"status": 500}}, id="done, then a 500"),
    pytest.param({"kind": "partial"}, id="done, then half an answer"),
    pytest.param({"kind": "garbage", "params": {"done": True}}, id="done, then a page of a proxy"),
    pytest.param({"kind": "garbage", "params": {"style": "text", "done": True}}, id="done, then text"),
    pytest.param({"kind": "before", "params": {"status": 503}}, id="not done, and a 503"),
    pytest.param({"kind": "reset"}, id="not done, and reset"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_in_doubt_and_the_same_key_settles_it(billing, stripe_sandbox, fault):
    stripe_sandbox.break_(**fault, match_path="/v1/customers", match_method="POST", times=1)

    (lost,) = call(billing, "create", a_customer())
    (made,) = call(billing, "create", a_customer())

    assert type(lost) is errors.Uncertain
    assert [one["id"] for one in listed(stripe_sandbox)] == [made["id"]]


def test_a_failure_that_stripe_has_kept_is_looked_for_and_not_repeated(billing, stripe_sandbox):
    stripe_sandbox.break_(
        "slow",
        match_path="/v1/customers",
        match_method="POST",
        times=1,
        params={"seconds": 0.01, "kept": True},
    )

    (first,) = call(billing, "create", a_customer())
    (second,) = call(billing, "create", a_customer())
    look = {"type": "customer", "effect": "eff_1", "since": int(timezone.now().timestamp()), "params": {}}
    (found,) = call(billing, "find_marked", look)

    assert (type(first), type(second)) == (errors.Uncertain, errors.Uncertain)
    assert second.code == KEY_SPENT  # by which effects and changes know it
    assert [one["id"] for one in listed(stripe_sandbox)] == [found["id"]]


def test_what_was_made_is_found_behind_the_first_page_of_its_list(billing, stripe_sandbox):
    call(billing, "create", a_customer())
    call(billing, "create", *(a_customer(f"eff_{number}") for number in range(2, 110)))
    since = int(timezone.now().timestamp())
    look = {"type": "customer", "since": since, "params": {}}

    found, none, too_early = call(
        billing, "find_marked", {**look, "effect": "eff_1"}, {**look, "effect": "eff_x"},
        {**look, "effect": "eff_1", "since": since + 86_400},
    )  # fmt: skip

    assert found["metadata"][MARKER] == "eff_1"
    assert isinstance(none, errors.Missing)
    assert isinstance(too_early, errors.Missing)


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        pytest.param(
            "create", {**a_customer(), "params": {"stripe_account": "acct_x"}}, id="an option of the SDK"
        ),
        pytest.param("create", {**a_customer(), "params": {"idempotency_key": "mine"}}, id="another key"),
        pytest.param("create", {**a_customer(), "key": ""}, id="no key"),
        pytest.param("create", {**a_customer(), "type": "account"}, id="a type that is not written"),
        pytest.param(
            "update", {"object": "customer", "id": "../charges", "values": {}, "key": "a"}, id="a path"
        ),
        pytest.param("act", {"act": "customer.delete", "id": "cus_1", "key": "a"}, id="an act that is none"),
        pytest.param("create", a_customer(name="\ud800"), id="half a character"),
        pytest.param("create", a_customer(email="nobody"), id="what Stripe refuses"),
    ],
)
def test_what_is_no_write_of_ours_is_refused_for_certain(billing, stripe_sandbox, action, request_):
    (refused,) = call(billing, action, request_)

    assert type(refused) is errors.Refused
    assert listed(stripe_sandbox) == []


def test_nothing_is_written_where_the_key_leads_to_another_account(billing, stripe_sandbox):
    Connection.objects.filter(pk=billing.pk).update(pinned_account="acct_another")
    gateway.forget_all()

    (refused,) = call(billing, "create", a_customer())

    assert type(refused) is errors.Misdirected
    assert stripe_sandbox.calls("/v1/customers", "POST") == []


def test_silence_after_writes_lets_the_connection_rest(billing, stripe_sandbox):
    stripe_sandbox.break_("reset", match_path="/v1/customers")

    for _ in range(gateway.STRIKES):
        call(billing, "create", a_customer())

    billing.refresh_from_db()
    assert billing.state == Connection.State.RESTING


def test_objects_are_found_by_metadata_whatever_stands_in_it(billing, stripe_sandbox):
    key, value = "it's \\ odd", "O'Brien \" \\' OR status:'x"
    (made,) = call(billing, "create", a_customer(metadata={key: value}))
    call(billing, "create", a_customer("eff_2", metadata={key: "another"}))

    (found,) = call(billing, "search", {"type": "customer", "key": key, "value": value})

    assert [one["id"] for one in found["objects"]] == [made["id"]]


@pytest.fixture
def do(billing: Connection) -> Callable[..., dict[str, Any]]:
    """Return what writes once, each time under a key of its own, and gives the object."""
    keys = count()

    def written(action: str, **request: Any) -> dict[str, Any]:
        (answer,) = call(billing, action, {**request, "key": f"key_{next(keys)}"})
        assert isinstance(answer, dict), answer
        return answer

    return written


@pytest.fixture
def subscribed(do: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Return a subscription that is billed by invoices which are sent."""
    customer = do("create", type="customer", params={"name": "Acme", "email": "ada@acme.test"})
    product = do("create", type="product", params={"name": "Chair"})
    recurring = {
        "product": product["id"],
        "currency": "eur",
        "unit_amount": 500,
        "recurring": {"interval": "month"},
    }
    price = do("create", type="price", params=recurring)
    params = {"customer": customer["id"], "items": [{"price": price["id"]}]}
    by_invoice = {"collection_method": "send_invoice", "days_until_due": 30}
    return do("create", type="subscription", params={**params, **by_invoice})


def test_a_subscription_is_changed_paused_and_ended(billing, do, subscribed):
    own = {"id": subscribed["id"]}
    item = {"id": subscribed["items"]["data"][0]["id"], "quantity": 5}

    changed = do(
        "update", object="subscription", values={"items": [item], "proration_behavior": "none"}, **own
    )
    uncollected = do(
        "act", act="subscription.pause_collection", params={"pause_collection": {"behavior": "void"}}, **own
    )
    (still,) = call(billing, "reached", {"act": "subscription.resume_collection", **own})
    collected = do("act", act="subscription.resume_collection", params={}, **own)
    ending = do("act", act="subscription.cancel_later", params={}, **own)
    kept = do("act", act="subscription.keep", params={}, **own)
    paused = do("act", act="subscription.pause", params={}, **own)
    resumed = do("act", act="subscription.resume", params={}, **own)

    assert changed["items"]["data"][0]["quantity"] == 5
    assert uncollected["pause_collection"]["behavior"] == "void"
    assert isinstance(still, errors.Missing)
    assert collected["pause_collection"] is None
    assert (ending["cancel_at_period_end"], kept["cancel_at_period_end"]) == (True, False)
    assert (paused["status"], resumed["status"]) == ("paused", "active")


def test_an_item_is_added_found_again_and_taken_out(do, billing, subscribed):
    price = subscribed["items"]["data"][0]["price"]["id"]
    params = {"subscription": subscribed["id"], "price": price, "metadata": {MARKER: "eff_1"}}
    item = do("create", type="subscription_item", params=params)
    wanted = {"type": "subscription_item", "params": params, "effect": "eff_1", "since": 0}
    (found,) = call(billing, "find_marked", wanted)
    removal = {"act": "subscription_item.remove", "id": item["id"]}
    (still,) = call(billing, "reached", removal)
    do("act", **removal, params={"proration_behavior": "create_prorations"})
    (gone,) = call(billing, "reached", removal)

    assert found["id"] == item["id"]
    assert isinstance(still, errors.Missing)
    assert (gone["id"], gone["deleted"]) == (item["id"], True)


def test_an_invoice_is_made_of_items_finalised_sent_and_voided(do, subscribed):
    owner = {"customer": subscribed["customer"]}
    bill = {**owner, "collection_method": "send_invoice", "days_until_due": 14}
    invoice = do("create", type="invoice", params=bill)
    do(
        "create",
        type="invoiceitem",
        params={**owner, "invoice": invoice["id"], "amount": 700, "currency": "eur"},
    )

    states = [
        do("act", act=f"invoice.{act}", id=invoice["id"], params={}) for act in ("finalize", "send", "void")
    ]

    assert [state["status"] for state in states] == ["open", "open", "void"]
    assert states[0]["amount_due"] == 700


def test_a_payment_link_is_made_and_deactivated(do, subscribed):
    price = subscribed["items"]["data"][0]["price"]["id"]

    link = do("create", type="payment_link", params={"line_items": [{"price": price, "quantity": 1}]})
    off = do("act", act="payment_link.deactivate", id=link["id"], params={})

    assert link["url"]
    assert (link["active"], off["active"]) == (True, False)


def test_a_schedule_is_made_of_a_subscription_and_releases_it(do, subscribed):
    schedule = do("create", type="subscription_schedule", params={"from_subscription": subscribed["id"]})

    released = do("act", act="subscription_schedule.release", id=schedule["id"], params={})

    assert released["status"] == "released"


def test_evidence_for_a_dispute_is_kept_and_submitted(do, stripe_sandbox):
    answer = requests.post(
        f"{stripe_sandbox.address}/v1/payment_intents",
        data={
            "amount": 1999, "currency": "usd", "confirm": "true", "payment_method": "pm_card_createDispute",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
        },
        headers={"Authorization": f"Bearer {STRIPE_KEY}"},
        timeout=20,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    ends = time.monotonic() + 30
    while not (disputes := listed(stripe_sandbox, "disputes")):
        assert time.monotonic() < ends
    own = {"id": disputes[0]["id"]}

    kept = do("update", object="dispute", values={"evidence": {"product_description": "A chair"}}, **own)
    params = {"evidence": {"customer_name": "Ada"}}
    submitted = do("act", act="dispute.submit", params=params, **own)

    assert kept["evidence_details"]["submission_count"] == 0
    assert submitted["evidence"]["product_description"] == "A chair"
    assert submitted["evidence_details"]["submission_count"] == 1
