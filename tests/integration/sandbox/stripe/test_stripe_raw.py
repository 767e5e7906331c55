"""This module drives the simulated Stripe without any SDK, by plain HTTP as its documentation tells."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.fixture
def post(sandbox):
    """Return a function that posts a form and returns the status and the JSON."""

    def call(path: str, **form: Any) -> tuple[int, dict[str, Any]]:
        answer = sandbox.raw("POST", path, data=form)
        return answer.status_code, answer.json()

    return call


def test_a_shop_is_run_by_forms(sandbox, post):
    _, product = post("/v1/products", id="gold plan", name="Gold")
    _, price = post(
        "/v1/prices",
        **{"product": "gold plan", "currency": "usd", "unit_amount": 900, "recurring[interval]": "year"},
    )
    _, customer = post("/v1/customers", email="ada@acme.test")
    post("/v1/payment_methods/pm_card_visa/attach", customer=customer["id"])
    (method,) = sandbox.raw("GET", f"/v1/customers/{customer['id']}/payment_methods").json()["data"]

    status, subscription = post(
        "/v1/subscriptions",
        **{
            "customer": customer["id"],
            "default_payment_method": method["id"],
            "items[0][price]": price["id"],
            "items[0][quantity]": 2,
            "expand[0]": "items.data.price.product",
            "expand[1]": "latest_invoice",
        },
    )

    assert status == 200
    assert subscription["status"] == "active"
    assert subscription["items"]["data"][0]["price"]["product"] == product
    assert subscription["latest_invoice"]["amount_paid"] == 1800
    items = sandbox.raw("GET", subscription["items"]["url"]).json()
    assert items["data"][0]["quantity"] == 2


def test_a_path_may_write_a_blank_in_two_ways(sandbox, post):
    post("/v1/products", id="gold plan", name="Gold")
    post("/v1/products", id="gold+plan", name="Plus")

    names = [sandbox.raw("GET", f"/v1/products/{way}").json().get("name")
             for way in ("gold%20plan", "gold+plan", "gold%2Bplan")]  # fmt: skip

    assert names == ["Gold", "Gold", "Plus"]


def test_every_amount_is_written_as_a_whole_number(sandbox, post):
    post("/v1/products", id="p", name="Gold")
    post("/v1/prices", product="p", currency="usd", unit_amount=900)

    text = sandbox.raw("GET", "/v1/prices").text

    assert re.search(r'"unit_amount": 900,', text)
    assert re.search(r'"unit_amount_decimal": "900"', text)


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        pytest.param("/v1/refunds", {"amount": "ten"}, "amount", id="no number"),
        pytest.param("/v1/invoices", {}, "customer", id="nobody"),
        pytest.param("/v1/subscriptions", {"customer": "cus_x"}, "items", id="nothing"),
        pytest.param("/v1/prices", {"hat": "1", "currency": "usd"}, "hat", id="unknown"),
        pytest.param(
            "/v1/products", {"name": "Gold", "tax_details[x]": "1"}, "tax_details", id="not simulated"
        ),
    ],
)
def test_what_is_wrong_is_named(post, path, form, param):
    status, body = post(path, **form)

    assert status == 400
    assert body["error"]["param"] == param
    assert body["error"]["type"] == "invalid_request_error"
