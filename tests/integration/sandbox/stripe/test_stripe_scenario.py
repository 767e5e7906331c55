"""This module tests the scenario that the demo plays: its outcomes are what it says."""

from __future__ import annotations

from collections import Counter

import pytest
import requests


def play(sandbox, eventually, **values):
    """Play a scenario to its end and return what it expects."""
    sandbox.turn("scenario", name="payments", rate_per_second=None, **values)
    eventually(lambda: not sandbox.look("scenario")["running"])
    played = sandbox.look("scenario")
    assert played["failure"] == ""
    return played["expected"]


def test_what_is_expected_is_what_happened(sandbox, client, eventually):
    expected = play(sandbox, eventually, count=40, seed=1)

    assert [item["number"] for item in expected] == list(range(1, 41))
    for item in expected:
        intent = client.v1.payment_intents.retrieve(
            item["payment_intent"], {"expand": ["customer", "latest_charge"]}
        )
        assert intent.status == item["status"]
        assert (intent.amount, intent.currency) == (item["amount"], item["currency"])
        assert intent.amount_received == item["amount_received"]
        assert intent.metadata["order_id"] == item["order_id"]
        assert (intent.customer.id, intent.customer.name) == (item["customer"], item["customer_name"])
        assert (intent.latest_charge.id, intent.latest_charge.status) == (
            item["charge"],
            item["charge_status"],
        )
        assert (intent.last_payment_error is None) == (item["decline_code"] is None)


def test_a_few_payments_are_refunded_in_part(sandbox, client, eventually):
    expected = play(sandbox, eventually, count=40, seed=1)

    given_back = {item["charge"]: item["refunded"] for item in expected if item["refunded"]}
    made = client.v1.refunds.list({"limit": 100}).data
    assert {refund.charge: refund.amount for refund in made} == given_back
    assert 2 <= len(given_back) <= 8
    assert all(0 < item["refunded"] <= item["amount"] for item in expected if item["refunded"])


def test_every_ending_and_odd_name_and_currency_happens(sandbox, eventually):
    expected = play(sandbox, eventually, count=40, seed=1)

    assert Counter(item["ending"] for item in expected) == {
        "paid": 26,
        "declined": 8,
        "captured": 2,
        "canceled": 2,
        "retried": 2,
    }
    names = " ".join(item["customer_name"] for item in expected)
    assert all(part in names for part in ("<script>", "🎉", "شركة", "\u202e", '"Zed"', "=HYPERLINK"))
    assert {item["currency"] for item in expected} >= {"usd", "eur", "jpy", "kwd", "isk", "huf"}


def test_the_same_seed_plays_the_same(sandbox, eventually):
    def outline() -> list[tuple[object, ...]]:
        sandbox.turn("reset")
        expected = play(sandbox, eventually, count=20, seed=5)
        return [
            (item["ending"], item["amount"], item["currency"], item["customer_name"]) for item in expected
        ]

    assert outline() == outline()


def test_an_endless_one_plays_until_it_is_stopped(sandbox, eventually):
    sandbox.turn("scenario", name="payments", count=None, rate_per_second=100)
    eventually(lambda: sandbox.look("scenario")["made"] >= 5)
    assert sandbox.look("scenario")["running"]

    stopped = requests.delete(f"{sandbox.url}/_sandbox/scenario", timeout=60).json()

    assert not stopped["running"]
    assert sandbox.look("scenario")["made"] == stopped["made"]


def test_the_rate_is_kept(sandbox, eventually):
    sandbox.turn("scenario", count=1000, rate_per_second=20)

    eventually(lambda: sandbox.look("scenario")["made"] >= 5)

    assert sandbox.look("scenario")["made"] < 15


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"name": "weather"}, id="a name that is none"),
        pytest.param({"count": "many"}, id="a count that is none"),
        pytest.param({"seed": None}, id="no seed"),
    ],
)
def test_a_scenario_that_is_none_is_refused(sandbox, values):
    assert requests.post(f"{sandbox.url}/_sandbox/scenario", json=values, timeout=60).status_code == 400


def test_one_is_played_at_a_time(sandbox):
    sandbox.turn("scenario", count=None, rate_per_second=1)

    assert requests.post(f"{sandbox.url}/_sandbox/scenario", json={}, timeout=60).status_code == 400


def test_a_load_test_fills_the_account_at_once(sandbox, client, receiver):
    client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})

    made = sandbox.turn("charges/bulk", count=200, spread_seconds=3600)

    intents = list(client.v1.payment_intents.list({"limit": 100}).auto_paging_iter())
    assert [item["payment_intent"] for item in made["expected"]] == [intent.id for intent in intents][::-1]
    assert 3500 < intents[0].created - intents[-1].created <= 3600
    assert len(client.v1.events.list({"type": "charge.updated", "limit": 100}).data) == 100
    assert sandbox.look("deliveries")["counts"] == {}
