"""Lists are read page by page, each page dated and in its turn, and nothing else is ever asked for."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import pytest
import requests

from connectors import gateway
from connectors.base import Account
from connectors.models import Connection
from connectors.stripe.actions import Stripe
from connectors.stripe.roots import reading_of, roots_from
from integrator.kernel import errors
from tests.integration.connectors.rig import STRIPE_KEY, Sandbox
from tests.unit.connectors.peers import a_peer, http_answer


def ask(billing: Connection, action: str, **wanted: Any) -> Any:
    (answer,) = gateway.call_many(connection_id=billing.pk, action=action, requests=[wanted])
    return answer


def customers_of(stripe_sandbox: Sandbox, count: int) -> list[str]:
    """Return the ids of so many new customers, oldest first."""
    return [
        requests.post(
            f"{stripe_sandbox.address}/v1/customers",
            data={"email": f"c{number}@acme.test"},
            headers={"Authorization": f"Bearer {STRIPE_KEY}"},
            timeout=20,
        ).json()["id"]
        for number in range(count)
    ]


def test_a_list_is_walked_page_by_page_without_a_gap(billing, stripe_sandbox):
    made = customers_of(stripe_sandbox, 7)
    found, cursor, more = [], None, True

    while more:
        page = ask(billing, "list", type="customer", limit=3, starting_after=cursor)
        found += [customer["id"] for customer in page["objects"]]
        cursor, more = found[-1], page["has_more"]

    assert found == made[::-1]


def test_a_list_is_walked_forward_from_what_is_known(billing, stripe_sandbox):
    made = customers_of(stripe_sandbox, 4)

    page = ask(billing, "list", type="customer", ending_before=made[1])

    assert [customer["id"] for customer in page["objects"]] == [made[3], made[2]]
    assert page["has_more"] is False


def test_a_list_is_filtered_as_it_was_asked(billing, stripe_sandbox):
    made = customers_of(stripe_sandbox, 3)
    events = ask(
        billing, "list", type="event", params={"types": ["customer.created"], "delivery_success": True}
    )
    created = events["objects"][0]["created"]

    def found(**params: Any) -> list[str]:
        return [item["id"] for item in ask(billing, "list", type="customer", params=params)["objects"]]

    assert [event["data"]["object"]["id"] for event in events["objects"]] == made[::-1]
    assert found(email="c1@acme.test") == [made[1]]
    assert found(created={"gt": created}) == []
    assert len(found(created={"gte": created - 60, "lte": created})) == 3


def test_a_page_is_dated_by_stripes_clock(billing, stripe_sandbox):
    page = ask(billing, "list", type="charge")

    requested, answered = (datetime.fromisoformat(page[name]) for name in ("requested_at", "answered_at"))
    assert page["objects"] == []
    assert requested <= answered
    assert answered.microsecond == 0


def post(
    stripe_sandbox: Sandbox, path: str, body: dict[str, Any] | None = None, **form: Any
) -> dict[str, Any]:
    """Post a form, or a JSON body, as somebody else does."""
    answer = requests.post(
        f"{stripe_sandbox.address}{path}",
        data=form or None,
        json=body,
        headers={"Authorization": f"Bearer {STRIPE_KEY}"},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_long_list_inside_an_object_is_read_to_its_end(billing, stripe_sandbox):
    customer = customers_of(stripe_sandbox, 1)[0]
    invoice = post(stripe_sandbox, "/v1/invoices", customer=customer)["id"]
    for amount in range(1, 14):
        line = {"customer": customer, "invoice": invoice, "amount": amount, "currency": "usd"}
        post(stripe_sandbox, "/v1/invoiceitems", **line)
    first = ask(billing, "retrieve", type="invoice", id=invoice, expand=["payments"])["object"]["lines"]

    found = [line["amount"] for line in first["data"]]
    more, cursor = first["has_more"], first["data"][-1]["id"]
    while more:
        page = ask(billing, "list_of", url=first["url"], starting_after=cursor, limit=2)
        found += [line["amount"] for line in page["objects"]]
        more, cursor = page["has_more"], page["objects"][-1]["id"]

    assert len(first["data"]) == 10
    assert sorted(found) == list(range(1, 14))


@pytest.mark.parametrize("chosen", ["gold-plan", "Gold plan 2", "größe: l", "a+b&c=d"])
def test_a_product_is_read_by_the_id_that_its_merchant_chose(billing, stripe_sandbox, chosen):
    post(stripe_sandbox, "/v1/products", id=chosen, name="Gold")
    price = post(stripe_sandbox, "/v1/prices", product=chosen, currency="usd", unit_amount=900)["id"]

    product = ask(billing, "retrieve", type="product", id=chosen)["object"]
    kind, expand = reading_of("price")
    found = ask(billing, "retrieve", type=kind, id=price, expand=expand)["object"]
    listed = ask(billing, "list", type="product", params={"ids": [chosen]})["objects"]

    assert (product["id"], product["name"]) == (chosen, "Gold")
    assert roots_from(found)["product"]["id"] == chosen
    assert [item["id"] for item in listed] == [chosen]


def test_a_subscription_is_read_with_its_products_and_its_items_as_a_list(billing, stripe_sandbox):
    customer = customers_of(stripe_sandbox, 1)[0]
    post(stripe_sandbox, "/v1/payment_methods/pm_card_visa/attach", customer=customer)
    methods = ask(billing, "list_of", url=f"/v1/customers/{customer}/payment_methods")["objects"]
    post(stripe_sandbox, "/v1/products", id="gold plan", name="Gold")
    terms = {"product": "gold plan", "currency": "usd", "unit_amount": 900, "recurring[interval]": "month"}
    price = post(stripe_sandbox, "/v1/prices", **terms)["id"]
    wanted = {"customer": customer, "items[0][price]": price, "default_payment_method": methods[0]["id"]}
    made = post(stripe_sandbox, "/v1/subscriptions", **wanted)["id"]

    kind, expand = reading_of("subscription")
    found = ask(billing, "retrieve", type=kind, id=made, expand=expand)["object"]
    items = ask(billing, "list_of", url=found["items"]["url"])["objects"]
    kind, expand = reading_of("invoice")
    invoice = ask(billing, "retrieve", type=kind, id=found["latest_invoice"], expand=expand)["object"]
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    payment = {"type": "payment_intent", "payment_intent": intent}
    (link,) = ask(billing, "list", type="invoice_payment", params={"payment": payment})["objects"]

    assert found["items"]["data"][0]["price"]["product"]["name"] == "Gold"
    assert [item["price"]["id"] for item in items] == [price]
    assert link["invoice"] == invoice["id"]


def test_a_thin_event_is_read_with_what_it_is_about(billing, stripe_sandbox):
    body = {
        "name": "Thin",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["*"],
        "webhook_endpoint": {"url": "http://127.0.0.1:9/"},
    }
    post(stripe_sandbox, "/v2/core/event_destinations", body)
    first, second = customers_of(stripe_sandbox, 2)
    post(stripe_sandbox, "/v1/products", id="gold plan", name="Gold")
    requests.delete(
        f"{stripe_sandbox.address}/v1/products/gold%20plan",
        headers={"Authorization": f"Bearer {STRIPE_KEY}"},
        timeout=20,
    )
    thin = [attempt["event"] for attempt in _attempts(stripe_sandbox, 4)]

    answers = [ask(billing, "retrieve_event", id=event) for event in thin]

    about: dict[str, list[Any]] = {}
    for answer in answers:
        about.setdefault(answer["object"]["type"], []).append(answer["related"] and answer["related"]["id"])
    assert {kind: sorted(found) if all(found) else found for kind, found in about.items()} == {
        "v1.customer.created": sorted([first, second]),
        "v1.product.created": [None],  # it is gone
        "v1.product.deleted": [None],
    }
    assert all(answer["object"]["snapshot_event"].startswith("evt_") for answer in answers)
    assert type(ask(billing, "retrieve_event", id="evt_test_none")) is errors.Missing


def _attempts(stripe_sandbox: Sandbox, count: int) -> list[dict[str, Any]]:
    """Return the first attempts to deliver, once so many events were sent on their way."""
    ends = time.monotonic() + 30
    while True:
        attempts = [item for item in stripe_sandbox.get("deliveries")["attempts"] if item["attempt"] == 1]
        if len(attempts) == count:
            return attempts
        assert time.monotonic() < ends, attempts
        time.sleep(0.02)


def test_what_is_no_list_is_never_asked_for(billing, stripe_sandbox):
    before = len(stripe_sandbox.calls("/v1/"))

    refusals = [
        ask(billing, "list", type="account"),
        ask(billing, "list", type="charge", params={"url": "x"}),
        ask(billing, "list_of", url="http://evil.example/v1/invoices/in_1/lines"),
        ask(billing, "retrieve_event", id="../events"),
    ]

    assert [type(refusal) for refusal in refusals] == [errors.Refused] * 4
    assert len(stripe_sandbox.calls("/v1/")) == before


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"[]", b'{"data": []}', b'{"data": {}, "has_more": false}',
        b'{"data": [], "has_more": "no"}', b'{"data": ["ch_1"], "has_more": false}',
        b'{"data": [{"object": "charge"}], "has_more": false}',
    ],
)  # fmt: skip
def test_an_answer_that_is_no_page_is_transient(billing, body):
    with a_peer(http_answer(body)) as peer:
        Connection.objects.filter(pk=billing.pk).update(base_url=peer.address)
        gateway.forget(billing.pk)
        answer = ask(billing, "list", type="charge")

    assert (type(answer), answer.code) == (errors.Transient, "unavailable")


@pytest.mark.parametrize("element", ['"evt_1"', '{"object": "event"}', "null"])
def test_a_listed_event_that_cannot_be_read_is_handed_on_as_it_came(billing, element):
    body = b'{"data": [%b], "has_more": false}' % element.encode()
    with a_peer(http_answer(body)) as peer:
        Connection.objects.filter(pk=billing.pk).update(base_url=peer.address)
        gateway.forget(billing.pk)
        answer = ask(billing, "list", type="event")

    assert answer["objects"] == [json.loads(element)]


def test_a_page_whose_turn_does_not_come_is_not_asked_for(stripe_sandbox):
    turns: list[float] = []

    def no_turn(seconds: float, endpoint: str) -> bool:
        turns.append(seconds)
        return False

    account = Account(1, stripe_sandbox.address, "", {}, {"secret_key": STRIPE_KEY}.__getitem__, turn=no_turn)
    answers = Stripe().perform(account, "list", [{"type": "charge"}] * 2, deadline=5)

    assert [(type(answer), answer.code) for answer in answers] == [(errors.Transient, "budget")] * 2
    assert len(turns) == 2
    assert stripe_sandbox.calls("/v1/charges") == []


def test_a_missing_permission_is_named(billing, stripe_sandbox):
    stripe_sandbox.post("keys", key="rk_test_reader", permissions={"customers": "read"})
    key = {"secret_key": "rk_test_reader"}
    account = Account(1, stripe_sandbox.address, "", {}, key.__getitem__)

    (answer,) = Stripe().perform(account, "list", [{"type": "charge"}], deadline=5)

    assert (type(answer), answer.code) == (errors.Forbidden, "rak_charge_read")
