"""Stripe counts requests by method and path, whatever the ids; so does our own budget."""

from __future__ import annotations

import pytest

from connectors.stripe.client import endpoint_of


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("get", "/v1/customers/cus_9sQ2", "GET /v1/customers/{id}"),
        ("post", "/v1/customers/cus_1", "POST /v1/customers/{id}"),
        ("get", "/v1/customers?limit=100", "GET /v1/customers"),
        ("get", "/v1/customers/search?query=x", "GET /v1/customers/search"),
        ("post", "/v1/invoices/in_1PQ/pay", "POST /v1/invoices/{id}/pay"),
        ("get", "/v1/checkout/sessions/cs_test_a1", "GET /v1/checkout/sessions/{id}"),
        ("get", "/v2/core/events/evt_1", "GET /v2/core/events/{id}"),
    ],
)
def test_an_endpoint_is_named_as_stripe_documents_it(method: str, path: str, endpoint: str):
    assert endpoint_of(method, f"https://api.stripe.com{path}") == endpoint
