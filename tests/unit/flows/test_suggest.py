"""What a suggestion says: the field, the change, a line that can be used, and why."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flows.mapping.apply import compile_mapping
from flows.mapping.fields import PickValue
from flows.mapping.spec import Mapping
from flows.mapping.suggest import (
    SObjField,
    SrcField,
    Suggestion,
    assign,
    band,
    suggest,
    suggest_for_fields,
    suggest_reverse,
)

AMOUNT, CURRENCY = SrcField("charge.amount", "amount"), SrcField("charge.currency", "currency")
STATUS = SrcField("charge.status", "enum", values=("succeeded", "failed", "pending"))
NAME = SObjField("Name", "Name", "string", length=80)


def first(source, *targets, **more):
    return suggest([source], targets, **more)[0]


def record(suggestion, context):
    mapping = Mapping.model_validate({"target": "Payment__c", "lines": [suggestion.line]})
    return compile_mapping(mapping).apply(context).record


def picklist(name, *values):
    return SObjField(name, type="picklist", picklist=tuple(PickValue(value) for value in values))


# The change


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [("usd", 1999, "19.99"), ("jpy", 500, "500"), ("bhd", 12340, "12.340")],
    ids=["two decimals", "no decimals", "three decimals"],
)
def test_an_amount_becomes_decimal_by_its_currency(currency, minor, amount):
    found = suggest([AMOUNT, CURRENCY], [SObjField("Amount__c", type="currency")])[0]

    written = record(found, {"charge": {"amount": minor, "currency": currency}})
    assert found.transform == "minor_to_major"
    assert written == {"Amount__c": Decimal(amount)}
    assert str(written["Amount__c"]) == amount


def test_a_fee_is_left_out_where_it_is_in_another_currency():
    fee = SrcField("charge.balance_transaction.fee", "amount")
    known = SrcField("charge.balance_transaction.currency", "currency")
    found = suggest([fee, known, CURRENCY], [SObjField("Fee__c", type="currency")])[0]

    told = {"fee": 59, "currency": "eur"}
    assert record(found, {"charge": {"currency": "eur", "balance_transaction": told}}) == {
        "Fee__c": Decimal("0.59")
    }
    assert record(found, {"charge": {"currency": "usd", "balance_transaction": told}}) == {}


@pytest.mark.parametrize(
    ("source", "target", "transform", "value", "written"),
    [
        pytest.param(
            SrcField("charge.created", "timestamp"),
            SObjField("Paid_On__c", type="date"),
            "unix_to_date", 1_764_000_000, "2025-11-24", id="a moment into a date",
        ),
        pytest.param(
            SrcField("charge.created", "integer"),
            SObjField("Paid_At__c", type="datetime"),
            "unix_to_datetime", 1_764_000_000, "2025-11-24T16:00:00Z", id="a moment into a date and time",
        ),
        pytest.param(
            CURRENCY, SObjField("Currency__c", length=3), "upper", "usd", "USD", id="a currency in capitals",
        ),
        pytest.param(
            STATUS, picklist("Status__c", "Pending", "Completed", "Failed"),
            "picklist_map", "succeeded", "Completed", id="a value of the picklist",
        ),
        pytest.param(
            SrcField("charge.status"), SObjField("Status__c"), None, "failed", "failed", id="as it is",
        ),
        pytest.param(
            SrcField("charge.description"), SObjField("Description", length=5),
            "truncate", "abcdefgh", "abcde", id="a long text",
        ),
        pytest.param(
            SrcField("charge.customer", "id"),
            SObjField("Customer__c", type="reference", references=("Stripe_Customer__c",)),
            "lookup", "cus_1", "cus_1", id="a record by its external id",
        ),
        pytest.param(
            SrcField("charge.name"), SObjField("LastName", "Last name", length=80),
            "split_name", "Ada Lovelace", "Lovelace", id="a part of a name",
        ),
        pytest.param(
            SrcField("charge.images", "list"), SObjField("Image__c", type="url"),
            "first", ["https://a.example/1", "x"], "https://a.example/1", id="the first of a list",
        ),
    ],
)  # fmt: skip
def test_the_line_makes_what_the_field_holds(source, target, transform, value, written):
    found = first(source, target)

    (result,) = record(found, {"charge": {source.path.partition(".")[2]: value}}).values()
    assert (found.transform, result) == (transform, written)


def test_values_that_the_picklist_has_stand_in_the_map_so_that_a_new_one_stands_out():
    found = first(STATUS, picklist("Status__c", "succeeded", "failed", "pending", "other"))

    (chip,) = found.line["chips"]
    assert (found.transform, chip["map"]) == ("picklist_map", {one: one for one in STATUS.values})


def test_what_an_earlier_step_gives_is_not_in_minor_units():
    found = first(SrcField("steps.find.record.Amount", "number"), SObjField("Amount__c", type="currency"))

    assert (found.field, found.transform) == ("Amount__c", None)


def test_a_help_text_tells_what_a_name_does_not():
    told = SObjField("F17__c", "Field 17", "currency", help="The amount that was refunded to the customer.")

    assert first(SrcField("charge.amount_refunded", "amount"), told).band


def test_empty_parts_of_a_schema_are_borne():
    assert first({"path": "charge.amount", "type": "integer", "samples": None, "desc": None}, {
        "name": "Amount__c", "type": "currency", "label": None, "inlineHelpText": None,
    }).field == "Amount__c"  # fmt: skip


def test_a_change_that_a_person_has_to_complete_has_no_line():
    account = SObjField("AccountId", "Account", "reference", references=("Account",))
    owner = first(SrcField("charge.customer", "id"), account)
    whole = first(
        SrcField("charge.metadata", "map"), SObjField("Metadata__c", type="textarea", length=32_000)
    )

    assert (owner.transform, owner.line) == ("lookup", None)
    assert (whole.transform, whole.line) == ("json", None)


@pytest.mark.parametrize(
    ("references", "field"),
    [
        pytest.param(
            ("Stripe_Customer__c",), "Customer__r.External_ID__c", id="an object of the integration"
        ),
        pytest.param(
            ("PricebookEntry",), "Customer__r.Stripe_Price_ID__c", id="a standard one that it extends"
        ),
        pytest.param(("Donor__c",), None, id="one of the org's own"),
        pytest.param(("Account", "Stripe_Customer__c"), None, id="one of several"),
        pytest.param((), None, id="nobody knows which"),
    ],
)
def test_a_record_is_looked_up_where_its_key_is_known(references, field):
    target = SObjField("Customer__c", type="reference", references=references)

    found = first(SrcField("charge.customer", "id"), target)

    assert found.transform == "lookup"
    assert (found.line["field"] if found.line else None) == field


def test_inactive_values_of_a_picklist_are_not_proposed():
    target = SObjField(
        "Status__c", type="picklist", picklist=(PickValue("Failed", active=False), PickValue("Completed"))
    )

    assert first(STATUS, target).line["chips"] == [{"chip": "value_map", "map": {"succeeded": "Completed"}}]


# The field


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(SObjField("Amount__c", type="currency", calculated=True), id="a formula"),
        pytest.param(
            SObjField("Amount__c", type="currency", createable=False, updateable=False), id="read only"
        ),
        pytest.param(SObjField("Amount__c", type="string", auto_number=True), id="a number of its own"),
        pytest.param(SObjField("Amount__c", type="boolean"), id="a type that cannot be"),
        pytest.param(SObjField("CreatedDate", type="datetime"), id="a field of the system"),
    ],
)
def test_what_a_mapping_cannot_fill_is_not_suggested(target):
    assert suggest([AMOUNT, SrcField("charge.created", "timestamp")], [target]) == []


def test_a_plain_describe_will_do():
    told = {"name": "acme__Amt__c", "label": "Betrag", "type": "currency", "createable": True}

    assert first({"path": "charge.amount", "type": "integer"}, told).field == "acme__Amt__c"


@pytest.mark.parametrize("kind", ["timestamp", "unix", "integer", "int", "Integer"])
def test_types_may_be_called_by_several_words(kind):
    paid = SObjField("Paid_On__c", type="date")

    assert first(SrcField("charge.created", kind), paid).transform == "unix_to_date"


def test_samples_tell_what_names_do_not():
    mail, site = SObjField("Receipt_Mail__c", type="email"), SObjField("Receipt__c")
    unknown = SrcField("charge.metadata.receipt", "string")
    known = SrcField("charge.metadata.receipt", "string", samples=("ann@example.com", "bob@example.com"))

    assert first(unknown, mail, site).field == "Receipt__c"
    assert {one.field: one.parts["type"] for one in suggest([known], [mail, site])}["Receipt_Mail__c"] == 1


@pytest.mark.parametrize(
    ("samples", "type_", "fits"),
    [
        pytest.param(("ann@example.com", "bob@example.org"), "email", True, id="e-mail addresses"),
        pytest.param(("https://a.example/x",), "url", True, id="links"),
        pytest.param(("+49 30 1234567",), "phone", True, id="telephone numbers"),
        pytest.param(("cus_NffrFeUfNV2Hib",), "reference", True, id="ids"),
        pytest.param(("eur", "usd"), "picklist", True, id="currencies"),
        pytest.param(("charge_automatically",), "reference", False, id="words with a line are no ids"),
        pytest.param(("ann@example.com", "nobody"), "email", False, id="one that is something else"),
        pytest.param((None, ""), "email", False, id="nothing at all"),
    ],
)
def test_samples_look_like_what_they_are(samples, type_, fits):
    (found,) = suggest(
        [SrcField("charge.metadata.thing", samples=samples)], [SObjField("Thing__c", type=type_)]
    )

    assert (found.parts["type"] > 0.9) is fits


def test_a_description_of_the_schema_tells_amounts_and_moments():
    cents = SrcField("thing.worth", "integer", desc="A positive integer in the smallest currency unit.")
    moment = SrcField("thing.worth", "integer", desc="Measured in seconds since the Unix epoch.")

    assert first(cents, SObjField("Worth__c", type="currency")).transform == "minor_to_major"
    assert first(moment, SObjField("Worth__c", type="datetime")).transform == "unix_to_datetime"


def test_a_path_that_no_event_ever_had_counts_less():
    sources = [SrcField("charge.order", seen=0.0), SrcField("charge.order_id", seen=0.9)]

    assert suggest_for_fields(sources, [SObjField("Order__c")])[0].path == "charge.order_id"


def test_a_type_that_few_fields_have_is_listed_last_and_shown_nowhere():
    found = first(SrcField("quote.expires_at", "timestamp"), SObjField("CloseDate", type="date"), NAME)

    assert (found.field, found.band, found.parts["lexical"]) == ("CloseDate", "", 0)
    assert "types" in found.reason


def test_a_refund_date_is_a_date():
    found = first(SrcField("refund.created", "timestamp"), SObjField("Date", type="date"), NAME)

    assert (found.field, found.band) == ("Date", "strong")


# History


def test_what_was_accepted_comes_first():
    targets = [SObjField("Payer_Ref__c"), SObjField("Customer__c")]
    customer = SrcField("charge.customer", "id")

    assert first(customer, *targets).field == "Customer__c"
    accepted = first(customer, *targets, examples=[("charge.customer", "Payer_Ref__c")])
    assert (accepted.field, accepted.parts["history"]) == ("Payer_Ref__c", 0.15)


def test_what_was_accepted_elsewhere_teaches_its_words():
    sold_by = SObjField("acme__Zuordnung_Neu__c", "Zuordnung")
    source = SrcField("charge.transfer_group")

    before = suggest([source], [sold_by])
    after = suggest([source], [sold_by], examples=[("charge.transfer_group", "Zuordnung__c")])

    assert before == []
    assert after[0].score > 0.6
    assert after[0].parts["history"] == 0


def test_what_was_rejected_never_comes_back():
    rejected = [Suggestion("charge.amount", "Amount__c", 0.9)]
    targets = [SObjField("Amount__c", type="currency"), SObjField("Gross__c", type="currency")]

    assert first(AMOUNT, *targets, rejected=rejected).field == "Gross__c"


# Bands, one to one, the way back


def test_bands_begin_where_they_say():
    assert [band(score) for score in (0.7, 0.69, 0.6, 0.59, 0.45, 0.44)] == [
        "strong", "likely", "likely", "list", "list", "",
    ]  # fmt: skip


def test_an_embedder_is_asked_twice_and_can_find_what_words_do_not():
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return [[1.0, 0.0] for _ in texts]

    found = first(SrcField("charge.zork"), SObjField("Blip__c", "Blip"), embedder=embed)

    assert asked == [["Blip"], ["zork"]]
    assert found.parts["embedding"] == 1
    assert 0 < found.score < 0.6
    assert "may mean the same" in found.reason


def test_an_embedder_is_not_asked_about_what_words_have_found():
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return [[1.0, 0.0] for _ in texts]

    zork, blip = SrcField("charge.zork"), SObjField("Blip__c", "Blip")
    amount = SObjField("Amount__c", "Amount", "currency")
    found = suggest([zork, AMOUNT], [amount, blip], embedder=embed)

    assert asked == [["Blip"], ["zork"]]
    assert [one for one in found if one.field == "Amount__c"] == suggest([AMOUNT], [amount])


def test_what_an_embedder_says_is_never_strong():
    paid, settled = SrcField("charge.paid", "boolean"), SObjField("Paid_Zork_Blip__c", type="boolean")

    before = first(paid, settled)
    after = first(paid, settled, embedder=lambda texts: [[1.0, 0.0] for _ in texts])

    assert before.score < after.score < 0.7


def test_the_way_back_turns_changes_round():
    source, target = SrcField("customer.balance", "amount"), SObjField("Balance__c", type="currency")

    (found,) = suggest_reverse([target], [source])

    assert (found.path, found.field, found.transform) == ("customer.balance", "Balance__c", "major_to_minor")
    assert found.line is None
    assert "decimal" not in found.reason


def test_fields_that_only_salesforce_fills_can_be_read_on_the_way_back():
    number = SObjField("Customer_Name__c", "Customer name", createable=False, updateable=False)

    assert suggest_reverse([number], [SrcField("customer.name")])[0].path == "customer.name"


def test_the_whole_counts_more_than_the_best_pair():
    pairs = [
        Suggestion("a", "X", 0.90),
        Suggestion("a", "Y", 0.85),
        Suggestion("b", "X", 0.80),
    ]

    assert [(one.path, one.field) for one in assign(pairs)] == [("a", "Y"), ("b", "X")]
