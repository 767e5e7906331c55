"""This module tests payments through the simulated Stripe: bank answers, captures, balance, money."""

from __future__ import annotations

import pytest
import requests
import stripe


def test_a_payment_succeeds_and_its_fee_comes_later(sandbox, client, eventually):
    sandbox.turn("settings", balance_delay=0.3)

    intent = sandbox.pay(client, amount=10_000, metadata={"order_id": "42"})

    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (intent.status, intent.amount_received) == ("succeeded", 10_000)
    assert (charge.status, charge.captured, charge.balance_transaction) == ("succeeded", True, None)
    assert charge.metadata["order_id"] == "42"
    eventually(lambda: client.v1.charges.retrieve(charge.id).balance_transaction)
    full = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge.balance_transaction"]})
    entry = full.latest_charge.balance_transaction
    assert (entry.amount, entry.fee, entry.net, entry.reporting_category) == (10_000, 320, 9_680, "charge")


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        pytest.param("pm_card_chargeDeclined", "card_declined", "generic_decline", id="declined"),
        pytest.param(
            "pm_card_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            id="insufficient funds",
        ),
        pytest.param("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", id="expired"),
        pytest.param("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", id="wrong CVC"),
        pytest.param(
            "pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", id="processing"
        ),
    ],
)
def test_a_decline_is_a_402_and_leaves_the_intent_open(sandbox, client, card, code, decline_code):
    with pytest.raises(stripe.CardError) as caught:
        sandbox.pay(client, card)

    error = caught.value
    intent = client.v1.payment_intents.retrieve(error.error.payment_intent.id)
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline_code)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert (intent.last_payment_error.code, intent.last_payment_error.decline_code) == (code, decline_code)
    assert (charge.status, charge.failure_code, charge.paid) == ("failed", code, False)
    assert charge.outcome.reason == decline_code


def test_a_declined_intent_is_paid_with_another_card(sandbox, client):
    with pytest.raises(stripe.CardError) as caught:
        sandbox.pay(client, "pm_card_chargeDeclined")
    failed = caught.value.error.payment_intent

    intent = client.v1.payment_intents.confirm(failed.id, {"payment_method": "pm_card_visa"})

    assert (intent.status, intent.last_payment_error) == ("succeeded", None)
    assert intent.latest_charge != failed.latest_charge
    assert len(client.v1.charges.list({"payment_intent": intent.id}).data) == 2


def test_an_authorization_is_captured_in_part(sandbox, client, eventually):
    intent = sandbox.pay(client, amount=1000, capture_method="manual")
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 1000, 0)

    captured = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 700})

    charge = client.v1.charges.retrieve(captured.latest_charge)
    assert (captured.status, captured.amount_received, captured.amount_capturable) == ("succeeded", 700, 0)
    assert (charge.captured, charge.amount_captured) == (True, 700)
    (entry,) = eventually(lambda: client.v1.balance_transactions.list({"source": charge.id}).data)
    assert entry.amount == 700


def test_an_authorization_is_captured_by_its_charge_as_well(sandbox, client):
    intent = sandbox.pay(client, capture_method="manual")

    assert client.v1.charges.capture(intent.latest_charge).captured

    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.charges.capture(intent.latest_charge)
    assert caught.value.code == "charge_already_captured"


def test_a_canceled_authorization_goes_back(sandbox, client):
    intent = sandbox.pay(client, capture_method="manual")

    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "duplicate"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "duplicate")
    assert canceled.canceled_at
    assert client.v1.charges.retrieve(intent.latest_charge).refunded


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda intents, key: intents.cancel(key), id="cancel"),
        pytest.param(
            lambda intents, key: intents.confirm(key, {"payment_method": "pm_card_visa"}), id="confirm"
        ),
        pytest.param(lambda intents, key: intents.capture(key), id="capture"),
        pytest.param(lambda intents, key: intents.update(key, {"amount": 5000}), id="change the amount"),
    ],
)
def test_what_is_paid_cannot_be_paid_or_undone_again(sandbox, client, act):
    intent = sandbox.pay(client)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        act(client.v1.payment_intents, intent.id)

    assert caught.value.code == "payment_intent_unexpected_state"
    assert caught.value.error.payment_intent.id == intent.id
    assert client.v1.payment_intents.retrieve(intent.id).amount == 1999


def test_an_intent_is_changed_before_it_is_confirmed(client):
    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    assert intent.status == "requires_payment_method"

    changed = client.v1.payment_intents.update(
        intent.id, {"amount": 1500, "payment_method": "pm_card_visa", "metadata": {"order_id": "7"}}
    )

    assert (changed.status, changed.amount, changed.metadata["order_id"]) == (
        "requires_confirmation",
        1500,
        "7",
    )
    paid = client.v1.payment_intents.confirm(intent.id, {"return_url": "https://shop.example"})
    assert paid.amount_received == 1500


def test_redirects_need_somewhere_to_return_to(client):
    values = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}

    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        client.v1.payment_intents.create(values)

    assert client.v1.payment_intents.list().data == []


@pytest.mark.parametrize(
    ("passed", "status"),
    [
        pytest.param(True, "succeeded", id="passed"),
        pytest.param(False, "requires_payment_method", id="failed"),
    ],
)
def test_a_card_may_want_its_holder(sandbox, client, passed, status):
    intent = sandbox.pay(client, "pm_card_threeDSecure2Required")
    assert (intent.status, intent.next_action.type) == ("requires_action", "use_stripe_sdk")

    sandbox.turn(f"payment_intents/{intent.id}/authenticate", passed=passed)

    assert client.v1.payment_intents.retrieve(intent.id).status == status


def test_a_card_that_wants_its_holder_declines_without_him(sandbox, client):
    with pytest.raises(stripe.CardError) as caught:
        sandbox.pay(client, "pm_card_authenticationRequired", off_session=True)

    assert caught.value.code == "authentication_required"


def test_a_decline_on_the_banks_page_is_told_by_events_only(sandbox, client):
    intent = sandbox.pay(client, "pm_card_threeDSecureRequiredChargeDeclined")

    sandbox.turn(f"payment_intents/{intent.id}/authenticate", passed=True)

    assert client.v1.payment_intents.retrieve(intent.id).last_payment_error.decline_code == "generic_decline"
    assert client.v1.events.list({"type": "payment_intent.payment_failed"}).data


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        pytest.param(49, "usd", "amount_too_small", id="49 cents"),
        pytest.param(49, "jpy", "amount_too_small", id="49 yen"),
        pytest.param(140, "kwd", "amount_too_small", id="0.14 dinar is less than half a dollar"),
        pytest.param(0, "usd", "parameter_invalid_integer", id="nothing"),
        pytest.param(100_000_000, "usd", "amount_too_large", id="nine digits"),
        pytest.param(1_995, "kwd", "invalid_charge_amount", id="a dinar's third decimal"),
        pytest.param(15_050, "isk", "invalid_charge_amount_no_decimal_compatible", id="half a krona"),
        pytest.param("ten", "usd", "parameter_invalid_integer", id="a word"),
        pytest.param("10.5", "usd", "parameter_invalid_integer", id="a fraction"),
        pytest.param("²", "usd", "parameter_invalid_integer", id="a digit that is none"),
        pytest.param("", "usd", "parameter_invalid_empty", id="empty"),
    ],
)
def test_an_amount_that_stripe_refuses_is_refused(client, amount, currency, code):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.create({"amount": amount, "currency": currency})

    assert (caught.value.code, caught.value.param) == (code, "amount")
    assert client.v1.payment_intents.list().data == []


@pytest.mark.parametrize(
    ("paid", "settled", "fee"),
    [
        pytest.param((5_000, "jpy"), 3_350, 127, id="no decimals"),
        pytest.param((1_990, "kwd"), 647, 49, id="three decimals"),
        pytest.param((15_000, "isk"), 108, 33, id="two decimals that are always 0"),
        pytest.param((99_999_999, "usd"), 99_999_999, 2_900_030, id="eight digits"),
    ],
)
def test_money_settles_in_the_accounts_currency(sandbox, eventually, paid, settled, fee):
    client, (amount, currency) = sandbox.client(), paid
    charge = sandbox.pay(client, amount=amount, currency=currency.upper()).latest_charge

    (entry,) = eventually(lambda: client.v1.balance_transactions.list({"source": charge}).data)

    assert (entry.currency, entry.amount, entry.fee, entry.net) == ("usd", settled, fee, settled - fee)
    assert (entry.exchange_rate is None) == (currency == "usd")


def test_a_currency_that_is_none_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError, match="Invalid currency: xyz"):
        client.v1.payment_intents.create({"amount": 1000, "currency": "xyz"})


def test_payment_method_types_are_gone_since_endive(client):
    values = {"amount": 1000, "currency": "usd", "payment_method_types": ["card"]}

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.create(values)

    assert caught.value.code == "payment_method_types_no_longer_supported"
    assert client.v1.payment_intents.create(values, {"stripe_version": "2026-03-25.dahlia"}).amount == 1000


def test_four_levels_are_expanded_and_no_fifth(sandbox, client, eventually):
    ada = client.v1.customers.create({"name": "Ada"})
    intent = sandbox.pay(client, customer=ada.id)
    eventually(lambda: client.v1.balance_transactions.list().data)

    deep = client.v1.payment_intents.retrieve(
        intent.id, {"expand": ["latest_charge.balance_transaction.source.customer"]}
    )

    assert deep.latest_charge.balance_transaction.source.customer.name == "Ada"
    assert client.v1.payment_intents.retrieve(intent.id).latest_charge.startswith("ch_3")
    too_deep = {"expand": ["latest_charge.balance_transaction.source.payment_intent.customer"]}
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.v1.payment_intents.retrieve(intent.id, too_deep)


def test_a_list_is_expanded_by_its_data(sandbox, client):
    ada = client.v1.customers.create({"name": "Ada"})
    sandbox.pay(client, customer=ada.id)

    (intent,) = client.v1.payment_intents.list({"expand": ["data.customer"]}).data

    assert intent.customer.name == "Ada"
    with pytest.raises(stripe.InvalidRequestError, match=r"try expanding 'data\.customer'"):
        client.v1.payment_intents.list({"expand": ["customer"]})
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.payment_intents.retrieve(intent.id, {"expand": ["amount"]})


def test_a_deleted_customer_expands_to_its_stub(sandbox, client):
    ada = client.v1.customers.create({})
    intent = sandbox.pay(client, customer=ada.id)

    client.v1.customers.delete(ada.id)

    assert client.v1.payment_intents.retrieve(intent.id, {"expand": ["customer"]}).customer.deleted


def test_a_control_request_that_makes_no_sense_is_refused(sandbox):
    answer = requests.post(
        f"{sandbox.url}/_sandbox/payment_intents/pi_none/authenticate", json={}, timeout=60
    )

    assert answer.status_code == 400
