"""Only addresses that Stripe has are ever put together, whatever stands in a request."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from stripe.params import checkout

from connectors.stripe.places import FILTERS, PLACES, embedded_page, list_page, object_path, thin_event_path
from integrator.kernel import errors

SAFE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.~%"
INVOICE_LINES = "/v1/invoices/in_1/lines"


@pytest.mark.parametrize(
    ("object_id", "path"),
    [
        pytest.param("prod_1", "/v1/products/prod_1", id="Stripe's own"),
        pytest.param("gold-plan", "/v1/products/gold-plan", id="a hyphen"),
        pytest.param("-gold", "/v1/products/-gold", id="a hyphen in front"),
        pytest.param("Gold plan 2", "/v1/products/Gold%20plan%202", id="blanks"),
        pytest.param("gold+plan&a=b", "/v1/products/gold%2Bplan%26a%3Db", id="what forms give a meaning to"),
        pytest.param("größe:l", "/v1/products/gr%C3%B6%C3%9Fe%3Al", id="other letters"),
        pytest.param("v1.2", "/v1/products/v1.2", id="a dot"),
    ],
)
def test_an_id_that_a_merchant_chose_is_escaped(object_id, path):
    assert object_path({"type": "product", "id": object_id}) == path


@pytest.mark.parametrize(
    "object_id",
    [
        "../payouts/po_1", "..", ".", "", " ", ". .", "a/b", "a\\b", "a?b", "a#b", "a%2Fb", "a\nb", "a\x00b",
        "a\u202eb", "a\ud800b", "x" * 256, None, 7, ["ch_1"],
    ],
)  # fmt: skip
def test_an_id_that_could_lead_elsewhere_is_refused(object_id):
    for path in (object_path, thin_event_path):
        with pytest.raises(errors.Refused):
            path({"type": "product", "id": object_id})


@given(st.text(max_size=300))
def test_whatever_the_id_the_path_stays_where_it_is(object_id):
    try:
        path = object_path({"type": "charge", "id": object_id})
    except errors.Refused:
        return
    last = path.removeprefix("/v1/charges/")
    assert set(last) <= set(SAFE)
    assert last.strip(".")
    assert unquote(last) == object_id


def test_a_type_that_is_not_read_is_refused():
    for page in (object_path, list_page):
        with pytest.raises(errors.Refused, match="not read"):
            page({"type": "__class__", "id": "x"})


@pytest.mark.parametrize("kind", PLACES)
def test_every_filter_is_one_of_the_sdks(kind):
    called = kind.rpartition(".")[2].replace("invoiceitem", "invoice_item")
    name = "".join(word.title() for word in called.split("_")) + "ListParams"
    place = checkout if kind == "checkout.session" else stripe.params
    known = getattr(place, name).__annotations__.keys()

    assert set(FILTERS[kind]) <= set(known)
    assert {"limit", "starting_after", "ending_before", "expand"} <= set(known)


def test_a_page_of_a_list_carries_its_filters_and_its_cursor():
    page = list_page(
        {
            "type": "event",
            "params": {
                "created": {"gte": 1, "lt": 9},
                "types": ["charge.failed", "refund.*"],
                "delivery_success": False,
            },
            "limit": 50,
            "starting_after": "evt_1",
        }
    )

    assert page.path == "/v1/events"
    assert page.query == {
        "created": {"gte": 1, "lt": 9},
        "types": ["charge.failed", "refund.*"],
        "delivery_success": False,
        "limit": 50,
        "starting_after": "evt_1",
    }


def test_a_page_is_as_large_as_it_can_be_unless_it_is_said():
    assert list_page({"type": "checkout.session"}) == ("/v1/checkout/sessions", {"limit": 100})


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        pytest.param({"params": {"hat": "x"}}, "hat", id="no such filter"),
        pytest.param({"params": {"email": "a@b.test"}}, "email", id="the filter of another list"),
        pytest.param({"params": {"limit": 5}}, "limit", id="the size is no filter"),
        pytest.param({"params": {"customer": ""}}, "customer", id="an empty text"),
        pytest.param({"params": {"customer": {"$ne": ""}}}, "customer", id="no text"),
        pytest.param({"params": {"created": "today"}}, "created", id="no seconds"),
        pytest.param({"params": {"created": True}}, "created", id="a switch"),
        pytest.param({"params": {"created": {"gte": 1.5}}}, "created", id="a fraction"),
        pytest.param({"params": {"created": {"after": 1}}}, "created", id="no such bound"),
        pytest.param({"params": {"created": {}}}, "created", id="no bound"),
        pytest.param({"limit": 0}, "limit", id="no object"),
        pytest.param({"limit": 101}, "limit", id="too many"),
        pytest.param({"limit": "10"}, "limit", id="a size that is a text"),
        pytest.param({"limit": True}, "limit", id="a size that is a switch"),
        pytest.param({"starting_after": "a/b"}, "starting_after", id="a cursor that is none"),
        pytest.param({"starting_after": "ch_1", "ending_before": "ch_2"}, "ending_before", id="two cursors"),
    ],
)
def test_a_page_that_stripe_does_not_have_is_refused_before_it_is_asked_for(wanted, field):
    with pytest.raises(errors.Refused) as refusal:
        list_page({"type": "charge", **wanted})

    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        pytest.param(INVOICE_LINES, INVOICE_LINES, {}, id="the lines of an invoice"),
        pytest.param("/v1/charges/ch_1/refunds", "/v1/charges/ch_1/refunds", {}, id="refunds of a charge"),
        pytest.param(
            "/v1/subscription_items?subscription=sub_1",
            "/v1/subscription_items",
            {"subscription": "sub_1"},
            id="the items of a subscription",
        ),
        pytest.param(
            "/v1/invoice_payments?invoice=in_1",
            "/v1/invoice_payments",
            {"invoice": "in_1"},
            id="the payments of an invoice",
        ),
    ],
)
def test_a_list_inside_an_object_is_read_by_its_own_address(url, path, query):
    assert embedded_page({"url": url, "limit": 9}) == (path, {**query, "limit": 9})


@pytest.mark.parametrize(
    "url",
    [
        "", None, "/v1/charges", "/v1/account", "http://evil.example/v1/invoices/in_1/lines",
        "//evil.example/v1/invoices/in_1/lines", "/v1/invoices/../lines", "/v1/invoices/in_1/../lines",
        "/v1/invoices//lines", "/v1/invoices/in_1/lines/", "/v1/invoices/in_1/lines?expand[]=x",
        "/v1/invoices/in_1/lines#x", "/v1/invoices/in_1%2Flines/lines", "/v1/invoices/a\\b/lines",
        "/v1/invoices/in_1/lines\n", "/v1/invoices/i\x00n/lines", "/v1/invoices/@evil.example/x/lines",
        "/v1/subscription_items", "/v1/subscription_items?subscription=", "/v1/events?type=x",
        "/v1/subscription_items?subscription=sub_1&limit=1", "/v1/subscription_items?price=price_1",
        "/v1/invoices/" + "x" * 600 + "/lines",
    ],
)  # fmt: skip
def test_any_other_address_is_refused(url):
    with pytest.raises(errors.Refused) as refusal:
        embedded_page({"url": url})

    assert refusal.value.field == "url"


@given(st.text(alphabet="/v1invoices_lines.?=&%#@:\\-ab ", max_size=60))
def test_whatever_the_address_it_stays_inside_the_lists_that_are_known(text):
    try:
        page = embedded_page({"url": f"/v1/invoices/{text}/lines"})
    except errors.Refused:
        return
    assert page.path.count("/") == 4
    assert page.path.startswith("/v1/invoices/")
    assert page.path.endswith("/lines")
    assert ".." not in page.path.split("/")
