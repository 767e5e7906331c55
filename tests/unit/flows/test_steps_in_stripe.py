"""What acts in Stripe: customers that are created once, prices that are changed, subscriptions that end."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from flows.engine.outcome import AskHuman, Done, GiveUp
from flows.error_catalogue import RULES
from integrator.kernel import canonical
from integrator.kernel.errors import Refused, Transient, Uncertain
from tests.fakes import NOON, FakePorts
from tests.unit.flows.taking import a_mapped, problems, take

CUSTOMER = {
    "object": "customer",
    "purpose": "Customer of the account",
    "parameters": {
        "name": "steps.describe.Name",
        "address.city": "steps.describe.City",
        "metadata.salesforce_account_id": "steps.describe.Id",
        "preferred_locales[0]": {"value": "de"},
    },
}
LABEL = "custom_fields[0].label.type"
CANCEL = {"act": "subscription.cancel", "id": "charge.metadata.subscription"}


@pytest.fixture
def ports():
    return FakePorts()


def an_account(run_id=1, **fields: Any):
    record = {"Id": "001A", "Name": "Acme", "City": "Bern"} | fields.pop("record", {})
    return a_mapped(record, run_id=run_id, **fields)


def price(**values: Any) -> dict[str, Any]:
    given = {
        "product": {"value": "prod_1"},
        "currency": {"value": "eur"},
        "unit_amount": "steps.describe.Amount",
    }
    return {"object": "price", "purpose": "Price", "parameters": {**given, **values}}


def subscribing(**values: Any) -> dict[str, Any]:
    given = {"customer": {"value": "cus_1"}, "items[0].price": "steps.describe.Lines[0].Id"}
    return {"object": "subscription", "purpose": "Plan", "parameters": {**given, **values}}


def made(ports: FakePorts) -> dict[str, Any]:
    """Return the parameters of the only call."""
    ((request,),) = ports.calls
    return dict(request["params"])


# Create


def test_an_object_is_created_from_its_parameters_and_names_its_effect(ports):
    (answer,) = take("stripe.create", CUSTOMER, [an_account()], ports)

    assert made(ports) == {
        "name": "Acme",
        "address": {"city": "Bern"},
        "metadata": {"salesforce_account_id": "001A", "integrator_effect": "eff_1"},
        "preferred_locales": ["de"],
    }
    assert ports.calls[0][0]["key"] == "eff_1.1"
    assert (answer.effect, answer.output["id"], answer.output["before"]) == ("applied", "customer_0", False)


def test_there_is_one_for_each_source_and_purpose_however_often_it_is_tried(ports):
    take("stripe.create", CUSTOMER, [an_account(1), an_account(2)], ports)
    take("stripe.create", {**CUSTOMER, "about": "steps.describe.Id"}, [an_account(3)], ports)
    take("stripe.create", {**CUSTOMER, "purpose": "Payer"}, [an_account(4)], ports)

    assert len(ports.stripe) == 3


def test_a_lost_answer_is_asked_for_again_under_the_same_key(ports):
    ports.refuses["customer"] = Uncertain("No answer", code="timeout")
    (failed,) = take("stripe.create", CUSTOMER, [an_account()], ports)
    ports.refuses.clear()

    ports.time = NOON + timedelta(hours=22)
    (done,) = take("stripe.create", CUSTOMER, [an_account(record={"Name": "Another"})], ports)

    assert isinstance(failed, Transient)
    assert isinstance(done, Done)
    assert [call[0]["key"] for call in ports.calls] == ["eff_1.1", "eff_1.1"]


REFUND = {"object": "refund", "purpose": "Goodwill"}
OF_A_CHARGE = {"charge": {"value": "ch_1"}, "amount": "steps.describe.Amount"}
CAPTURE = {"act": "payment_intent.capture", "id": "steps.describe.Id"}
CHANGE = {"object": "subscription", "id": "steps.describe.Id"}
AN_ITEM = {"items[0].id": "steps.describe.Item", "items[0].quantity": {"value": 3}}


@pytest.mark.parametrize(
    ("kind", "settings", "given", "field"),
    [
        pytest.param("stripe.create", REFUND, OF_A_CHARGE, "amount", id="all would be given back"),
        pytest.param(
            "stripe.act", CAPTURE, {"amount_to_capture": "charge.no"}, "amount_to_capture", id="all taken"
        ),
        pytest.param("stripe.update", CHANGE, AN_ITEM, "items[0].id", id="it would be another item"),
        pytest.param("stripe.create", CUSTOMER, {"metadata": "steps.describe.Id"}, "metadata", id="a text"),
    ],
)
def test_nothing_is_sent_where_a_value_that_decides_is_none(ports, kind, settings, given, field):
    (answer,) = take(kind, {**settings, "parameters": given}, [an_account()], ports)

    assert isinstance(answer, GiveUp)
    assert answer.failure.field == field
    assert not ports.calls


def test_each_element_of_a_list_becomes_an_element_of_the_parameter(ports):
    lines = [
        {"Price": "price_1", "Quantity": Decimal("3.0")},
        {"Price": "price_2", "Quantity": Decimal("1.0")},
    ]
    settings = {
        "object": "subscription",
        "purpose": "Subscription",
        "repeat": {"items": "steps.describe.Lines"},
        "parameters": {
            "customer": {"value": "cus_1"},
            "items[0].price": "steps.describe.Lines[0].Price",
            "items[0].quantity": "steps.describe.Lines[0].Quantity",
            "items[0].metadata.account": "steps.describe.Id",
        },
    }

    take("stripe.create", settings, [an_account(record={"Lines": lines})], ports)

    first, second = made(ports)["items"]
    assert first == {"price": "price_1", "quantity": 3, "metadata": {"account": "001A"}}
    assert second == {"price": "price_2", "quantity": 1, "metadata": {"account": "001A"}}


@pytest.mark.parametrize(
    ("settings", "record", "field", "code"),
    [
        pytest.param(price(), {"Amount": Decimal("19.99")}, "unit_amount", "not_a_number", id="decimals"),
        pytest.param(price(), {"Amount": Decimal(100)}, "unit_amount", "not_a_number", id="whole francs"),
        pytest.param(
            price(currency="steps.describe.Currency"), {"Amount": 5, "Currency": "XXQ"}, "currency",
            "unknown_currency", id="an unknown currency",
        ),
        pytest.param(
            price(currency={"value": "isk"}), {"Amount": 150}, "unit_amount",
            "invalid_charge_amount_no_decimal_compatible", id="a part of a krona",
        ),
        pytest.param(
            price(tax_behavior="steps.describe.Name"), {"Amount": 5, "Name": ["a"]}, "tax_behavior",
            "not_a_value", id="a list",
        ),
        pytest.param(
            {**CUSTOMER, "parameters": {"metadata.note": "steps.describe.Note"}}, {"Note": "x" * 501},
            "metadata.note", "metadata_limit", id="long metadata",
        ),
        pytest.param(
            {"object": "payment_link", "purpose": "P", "parameters": {LABEL: "steps.describe.Name"}}, {},
            LABEL, "not_a_choice", id="a word that is none of those it takes",
        ),
        pytest.param(
            subscribing(cancel_at="steps.describe.Name"), {}, "cancel_at", "not_a_time", id="no time",
        ),
        pytest.param(
            {**subscribing(), "repeat": {"items": "steps.describe.Lines"}}, {"Lines": [{"Id": "p"}] * 101},
            "items", "too_many_in_a_write", id="a list that is too long",
        ),
    ],
)  # fmt: skip
def test_nothing_is_sent_that_would_be_another_amount_or_refused(ports, settings, record, field, code):
    (answer,) = take("stripe.create", settings, [an_account(record=record)], ports)

    assert isinstance(answer, GiveUp)
    assert (answer.failure.field, answer.failure.code) == (field, code)
    assert code in RULES  # so that a person is told what to do
    assert ports.calls == []


def test_a_word_that_the_sdk_does_not_know_is_sent_for_stripe_to_judge(ports):
    settings = {**CUSTOMER, "parameters": {"tax_exempt": "steps.describe.Tax"}}

    take("stripe.create", settings, [an_account(record={"Tax": "maybe"})], ports)

    assert made(ports)["tax_exempt"] == "maybe"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        pytest.param("2026-12-24", 1798070400, id="a day"),
        pytest.param("2026-12-24T01:00:00.000+0100", 1798070400, id="a moment of Salesforce"),
        pytest.param(1798070400, 1798070400, id="Unix time"),
        pytest.param("now", "now", id="a word"),
    ],
)
def test_moments_are_sent_as_stripe_counts_them(ports, value, sent):
    ports.stripe["sub_1"] = {"id": "sub_1", "object": "subscription"}
    given = {"trial_end": "steps.describe.Until"}
    settings = {"object": "subscription", "id": "steps.describe.Sub", "parameters": given}

    take("stripe.update", settings, [an_account(record={"Sub": "sub_1", "Until": value})], ports)

    assert ports.stripe["sub_1"]["trial_end"] == sent


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("stripe.create", price(unit_amount={"value": "12.5"}), "12.5"),
        ("stripe.create", price(unitamount={"value": 5}), "unit_amount"),
        ("stripe.create", {**price(), "parameters": {"currency": {"value": "eur"}}}, "product"),
        ("stripe.create", price(**{"recurring.interval_count": {"value": 1}}), "recurring.interval"),
        ("stripe.create", price(recurring={"value": "month"}), "recurring.interval"),
        ("stripe.create", price(**{"metadata.integrator_effect": {"value": "x"}}), "integrator_effect"),
        ("stripe.create", {**price(), "repeat": {"tiers": "steps.describe.Lines"}}, "tiers"),
        ("stripe.create", {**CUSTOMER, "slot": "salesforce"}, "slot stripe"),
        ("stripe.create", {**price(), "object": "refund"}, "charge or payment_intent"),
        ("stripe.act", {"act": "dispute.submit", "id": "charge.id"}, "evidence"),
        ("stripe.act", {**CANCEL, "parameters": {"reason": {"value": "x"}}}, "reason"),
        (
            "stripe.update",
            {
                "object": "customer",
                "id": "charge.id",
                "parameters": {"name": {"value": "A"}},
                "emptied": ["phone"],
            },
            "phone",
        ),
    ],
)
def test_what_stripe_would_refuse_is_told_before_publishing(kind, settings, said):
    found = problems(kind, settings)

    assert found
    assert any(said in message for _, message in found)


def test_good_settings_have_no_problems():
    assert problems("stripe.create", CUSTOMER) == []
    assert problems("stripe.create", price()) == []
    assert problems("stripe.act", CANCEL) == []


# Update


def a_change(**fields: Any) -> dict[str, Any]:
    given = {"name": "steps.describe.Name", "phone": "steps.describe.Phone"}
    return {"object": "customer", "id": "steps.describe.Customer", "parameters": given, **fields}


def test_a_change_names_what_is_changed_and_leaves_the_rest(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer", "name": "A", "phone": "1"}

    (answer,) = take("stripe.update", a_change(), [an_account(record={"Customer": "cus_1"})], ports)

    assert (answer.exit, answer.effect, answer.output) == ("next", "applied", {"id": "cus_1"})
    assert ports.stripe["cus_1"] == {"id": "cus_1", "object": "customer", "name": "Acme", "phone": "1"}


def test_only_what_differs_is_sent(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer", "name": "Acme", "phone": "1"}
    item = an_account(record={"Customer": "cus_1", "Phone": "2"})

    (first,) = take("stripe.update", a_change(), [item], ports)
    (again,) = take("stripe.update", a_change(), [item], ports)

    assert [call[0]["values"] for call in ports.calls] == [{"phone": "2"}]
    assert (first.effect, again.effect) == ("applied", "unchanged")


def test_what_is_to_be_emptied_is(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer", "phone": "1"}

    take("stripe.update", a_change(emptied=["phone"]), [an_account(record={"Customer": "cus_1"})], ports)

    assert ports.stripe["cus_1"]["phone"] == ""


def test_an_older_state_changes_nothing_any_more(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer"}
    newer = an_account(2, record={"Customer": "cus_1", "Name": "New"})
    older = an_account(1, record={"Customer": "cus_1", "Name": "Old"})
    older.source = older.source.__class__(
        older.source.id, NOON - timedelta(hours=1), NOON - timedelta(hours=1)
    )

    take("stripe.update", a_change(), [newer], ports)
    (answer,) = take("stripe.update", a_change(), [older], ports)

    assert answer.effect == "superseded"
    assert ports.stripe["cus_1"]["name"] == "New"


@pytest.mark.parametrize(("customer", "missing"), [("cus_gone", "exit"), (None, "exit"), (None, "fail")])
def test_without_the_object_the_run_goes_the_other_way_or_fails(ports, customer, missing):
    item = an_account(record={"Customer": customer})

    (answer,) = take("stripe.update", a_change(missing=missing), [item], ports)

    assert isinstance(answer, GiveUp) if missing == "fail" else answer.exit == "none"


def test_a_change_whose_answer_was_lost_has_its_key_until_that_is_spent(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer"}
    item = an_account(record={"Customer": "cus_1"})
    for code in ("timeout", "idempotency_key_spent", ""):
        ports.refuses["cus_1"] = Uncertain("No answer", code=code)
        take("stripe.update", a_change(), [item], ports)

    first, second, third = [call[0]["key"] for call in ports.calls]
    assert first == second != third


# Act


def test_an_act_is_done_once_for_each_object_and_occurrence(ports):
    ports.stripe["sub_1"] = {"id": "sub_1", "object": "subscription"}
    items = [an_account(run_id, metadata={"subscription": "sub_1"}) for run_id in (1, 2)]
    for item, event in zip(items, ("evt_1", "evt_2"), strict=True):
        item.context["event"] = {**item.context["event"], "id": event}

    take("stripe.act", CANCEL, items, ports)
    (again,) = take("stripe.act", CANCEL, items[:1], ports)

    assert [call[0]["act"] for call in ports.calls] == ["subscription.cancel"] * 2
    assert again.output["before"]


@pytest.mark.parametrize("status", ["paid", "open"])
def test_after_the_keys_day_it_is_seen_whether_an_act_was_done(ports, status):
    ports.stripe["in_1"] = {"id": "in_1", "object": "invoice", "status": status}
    settings, item = (
        {"act": "invoice.pay", "id": "charge.metadata.invoice"},
        an_account(metadata={"invoice": "in_1"}),
    )
    ports.refuses["in_1"] = Uncertain("No answer", code="timeout")
    take("stripe.act", settings, [item], ports)
    ports.refuses.clear()

    ports.time = NOON + timedelta(hours=24)
    (done,) = take("stripe.act", settings, [item], ports)

    assert done.output["before"] is (status == "paid")
    assert [call[0]["key"] for call in ports.calls] == ["eff_1.1", "eff_1.2"][: 1 if status == "paid" else 2]


def test_what_cannot_be_seen_is_a_question_after_the_keys_day(ports):
    settings, item = (
        {"act": "invoice.send", "id": "charge.metadata.invoice"},
        an_account(metadata={"invoice": "in_1"}),
    )
    ports.refuses["in_1"] = Uncertain("No answer", code="timeout")
    take("stripe.act", settings, [item], ports)

    ports.time = NOON + timedelta(hours=24)
    (asks,) = take("stripe.act", settings, [item], ports)

    assert isinstance(asks, AskHuman)
    assert len(ports.calls) == 1


def test_a_refusal_stays_with_its_run(ports):
    ports.refuses["customer"] = Refused("No such price")

    (answer,) = take("stripe.create", CUSTOMER, [an_account()], ports)

    assert answer is ports.refuses["customer"]


ODD = {"huge": 10**5000, "none": Decimal("NaN"), "long": Decimal("1E+999999"), "half": "\ud800", "list": []}


@pytest.mark.parametrize("name", ["active", "unit_amount_decimal", "recurring.interval_count", "tiers[0].x"])
@pytest.mark.parametrize("odd", ODD)
def test_no_value_whatever_breaks_the_batch(ports, name, odd):
    item = an_account(record={"Amount": 5, "Odd": ODD[odd]})

    (answer,) = take("stripe.create", price(**{name: "steps.describe.Odd"}), [item], ports)

    assert isinstance(answer, Done | GiveUp)
    canonical.dumps([dict(request["params"]) for call in ports.calls for request in call])
