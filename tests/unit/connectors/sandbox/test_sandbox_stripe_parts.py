"""This module tests the small parts of the simulated Stripe: forms, stores, agenda, money, signatures."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.faults import FaultMenu
from connectors.sandbox.stripe import forms, money
from connectors.sandbox.stripe.agenda import Agenda
from connectors.sandbox.stripe.app import create_around
from connectors.sandbox.stripe.customers import CREATE
from connectors.sandbox.stripe.errors import ApiError
from connectors.sandbox.stripe.signing import signature_header
from connectors.sandbox.stripe.state import DEFAULT_KEYS, StripeState, changes
from connectors.sandbox.stripe.stores import Store


@pytest.mark.parametrize(
    ("encoded", "nested"),
    [
        pytest.param(b"a[b][0]=x&a[b][1]=y", {"a": {"b": {"0": "x", "1": "y"}}}, id="lists by number"),
        pytest.param(b"a[]=x&a[]=y", {"a": {"0": "x", "1": "y"}}, id="lists without numbers"),
        pytest.param(
            b"metadata[order.id]=1%262&b=", {"metadata": {"order.id": "1&2"}, "b": ""}, id="escapes"
        ),
        pytest.param(b"name=Zo%C3%AB+%F0%9F%8E%89", {"name": "Zoë 🎉"}, id="any script"),
        pytest.param(b"", {}, id="nothing"),
    ],
)
def test_nested_parameters_are_read(encoded, nested):
    assert forms.parse(encoded) == nested


@given(st.one_of(st.binary(max_size=60), st.text("ab[]=&%0metadata-5", max_size=60).map(str.encode)))
def test_whatever_is_sent_is_read_or_refused(encoded):
    with contextlib.suppress(ApiError):
        assert set(forms.check(forms.parse(encoded), CREATE)) <= set(CREATE)


def test_values_get_their_types():
    spec = {
        "n": "integer",
        "on": "boolean",
        "list": "strings",
        "text": "string",
        "when": "range",
        "kind": "enum:a|b",
    }
    raw = {"n": "-5", "on": "true", "list": {"0": "x"}, "text": "", "when": {"gte": "7"}, "kind": "b"}

    assert forms.check(raw, spec) == {
        "n": -5,
        "on": True,
        "list": ["x"],
        "text": None,
        "when": {"gte": 7},
        "kind": "b",
    }


@pytest.mark.parametrize(
    ("change", "after"),
    [
        pytest.param({"b": "2"}, {"a": "1", "b": "2"}, id="add"),
        pytest.param({"a": ""}, {}, id="unset one"),
        pytest.param({"": ""}, {}, id="unset all"),
    ],
)
def test_metadata_is_merged(change, after):
    assert forms.merge_metadata({"a": "1"}, change) == after


def test_a_store_walks_both_ways_past_what_is_gone():
    store = Store("thing")
    for number in range(5):
        store.add({"id": str(number)})
    store.remove("2")

    assert [item["id"] for item in store.older("4")] == ["3", "1", "0"]
    assert [item["id"] for item in store.newer("1")] == ["3", "4"]
    assert (len(store), store.get("2")) == (4, None)


def test_a_store_drops_its_oldest():
    store = Store("thing", limit=10)
    for number in range(25):
        store.add({"id": str(number)})

    assert len(store) <= 10
    assert store.get("0") is None
    assert [item["id"] for item in store.older()][:2] == ["24", "23"]
    assert store.get("24") == {"id": "24"}


def test_the_agenda_does_what_is_due_in_order():
    now, done = [0.0], []
    agenda = Agenda(lambda: now[0])
    agenda.after(2, lambda: done.append("later"))
    agenda.after(1, lambda: done.append("soon"))
    agenda.after(1, lambda: done.append("soon too"))

    agenda.do_due()
    assert done == []
    now[0] = 1.5
    agenda.do_due()
    assert done == ["soon", "soon too"]
    now[0] = 9
    agenda.do_due()

    assert done == ["soon", "soon too", "later"]
    assert len(agenda) == 0


@pytest.mark.parametrize(
    ("amount", "source", "target", "expected"),
    [
        pytest.param(5_000, "jpy", "usd", 3_350, id="no decimals to two"),
        pytest.param(1_990, "kwd", "usd", 647, id="three decimals to two"),
        pytest.param(100, "usd", "kwd", 308, id="two decimals to three"),
        pytest.param(1_234, "usd", "usd", 1_234, id="the same"),
    ],
)
def test_amounts_are_converted_between_decimals(amount, source, target, expected):
    assert money.convert(amount, source, target) == expected


def test_previous_attributes_hold_only_what_differs():
    before = {"name": "Ada", "age": 1, "metadata": {"a": "1", "b": "2"}, "tags": [1]}
    after = {"name": "Ada", "age": 2, "metadata": {"a": "9", "b": "2", "c": "3"}, "tags": [1, 2]}

    assert changes(before, after) == {"age": 1, "metadata": {"a": "1", "c": None}, "tags": [1]}


def test_every_secret_signs():
    header = signature_header(b"{}", ["whsec_a", "whsec_b"], now=1_700_000_000)

    expected = [
        hmac.new(key, b"1700000000.{}", hashlib.sha256).hexdigest() for key in (b"whsec_a", b"whsec_b")
    ]
    parts = header.split(",")
    assert parts[:3] == ["t=1700000000", f"v1={expected[0]}", f"v1={expected[1]}"]
    assert parts[3].startswith("v0=")
    assert parts[3][3:] not in expected


def test_what_a_request_does_at_once_is_told_in_one_second() -> None:
    state = StripeState(clock=count(1_700_000_000).__next__)  # a second later at every look
    body = b"amount=500&currency=eur&confirm=true&payment_method=pm_card_chargeDeclined&return_url=https://a.test"
    scope = {"type": "http", "method": "POST", "path": "/v1/payment_intents", "query_string": b""}
    scope["headers"] = [(b"authorization", f"Bearer {DEFAULT_KEYS[0]}".encode())]
    told: asyncio.Queue[Any] = asyncio.Queue()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    asyncio.run(create_around(state, FaultMenu())(scope, receive, told.put))

    events = list(state.events)
    assert {"charge.failed", "payment_intent.payment_failed"} <= {event["type"] for event in events}
    assert len({event["created"] for event in events}) == 1
