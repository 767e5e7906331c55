"""How customers are recognised: by key, by likeness, by what a person said."""

from __future__ import annotations

import pytest

from flows.engine.outcome import AskHuman, Done, Pause
from flows.matching import Alike, Answered, Finding, Likeness, Line
from flows.matching.answers import APART, NEW
from integrator.kernel.errors import Transient
from tests.fakes import FakePorts, an_event, an_item
from tests.unit.flows.taking import problems, take

ACME, BETA, GONE = (f"001000000000{number:03d}AAA" for number in (1, 2, 9))
MAYBE = Alike(
    ACME, 2.5, (Line("prior", "", -3.5), Line("name", "near", 6.0)), (Finding("name", "near", 1.0),)
)


@pytest.fixture
def ports():
    ports = FakePorts()
    ports.hold("Account", ACME, Name="Acme GmbH", BillingCity="Ulm")
    ports.hold("Account", BETA, Name="Beta AG")
    return ports


def a_customer(run_id=1, **fields):
    customer = {"id": f"cus_{run_id}", "object": "customer", "name": "Akme", "metadata": {}, **fields}
    return an_item(an_event("customer.created", id=f"evt_{run_id}", object=customer), run_id=run_id)


def recognise(items, ports, **settings):
    return take("salesforce.recognise", {"object": "Account", **settings}, items, ports)


def test_a_known_id_a_link_and_a_sure_likeness_are_found_without_asking(ports):
    ports.linked["Account", "cus_2"] = BETA
    ports.alikes["cus_3"] = Likeness(Answered.SAME, (MAYBE,), by="likeness")
    items = [a_customer(1, metadata={"account": ACME}), a_customer(2), a_customer(3), a_customer(4)]

    answers = recognise(items, ports, known="customer.metadata.account")

    assert [(one.exit, one.output["id"], one.output["by"]) for one in answers] == [
        ("found", ACME, "id"),
        ("found", BETA, "link"),
        ("found", ACME, "likeness"),
        ("new", None, ""),
    ]


def test_in_doubt_a_person_sees_what_was_told_and_what_speaks_for_each_candidate(ports):
    ports.alikes["cus_1"] = Likeness(Answered.PERHAPS, (MAYBE, Alike(GONE, 2.0)))

    (asked,) = recognise([a_customer(city="Ulm")], ports)

    assert isinstance(asked, AskHuman)
    assert (asked.kind, asked.question) == ("duplicate", "Is cus_1 this account?")
    assert [(one.value, one.label) for one in asked.options[:2]] == [
        (ACME, "It is Acme GmbH"),
        (APART, "Another customer"),
    ]
    (shown,) = asked.evidence["candidates"]
    assert shown["waterfall"] == [["prior", "", -3.5], ["name", "near", 6.0]]
    assert shown["findings"] == [["name", "near", 1.0]]
    assert (shown["values"]["name"], asked.evidence["told"]["name"]) == ("Acme GmbH", "Akme")


@pytest.mark.parametrize(
    ("answer", "way", "id"),
    [
        pytest.param(ACME, "found", ACME, id="it is this one"),
        pytest.param(APART, "new", None, id="it is another"),
        pytest.param(NEW, "new", None, id="a new one all the same"),
    ],
)
def test_the_run_goes_on_as_the_person_said(ports, answer, way, id):
    ports.alikes["cus_1"] = Likeness(Answered.PERHAPS, (MAYBE,))
    item = a_customer()
    item.keep("here", "answer", answer)

    (done,) = recognise([item], ports)

    assert isinstance(done, Done)
    assert (done.exit, done.output["id"], done.output["by"]) == (way, id, "a person")


def test_another_customer_may_still_be_one_who_has_come_since(ports):
    items = [a_customer(1), a_customer(2)]
    for item in items:
        item.keep("here", "answer", APART)
        item.keep("here", "remembered", True)
    ports.alikes["cus_2"] = Likeness(Answered.EXPECTED, (Alike("cus_1", 3.0),))

    done, waits = recognise(items, ports)

    assert (done.exit, done.output["by"]) == ("new", "a person")
    assert isinstance(waits, Pause)


def test_an_answer_is_asked_for_again_if_the_record_is_gone_since(ports):
    ports.alikes["cus_1"] = Likeness(Answered.PERHAPS, (MAYBE,))
    item = a_customer()
    item.keep("here", "answer", GONE)

    (asked,) = recognise([item], ports)

    assert isinstance(asked, AskHuman)


@pytest.mark.parametrize("answered", [Answered.UNREAD, Answered.EXPECTED])
def test_nobody_is_taken_for_new_before_it_can_be_known(ports, answered):
    ports.alikes["cus_1"] = Likeness(answered, (Alike("cus_9", 3.0),))

    (paused,) = recognise([a_customer()], ports)

    assert isinstance(paused, Pause)
    assert paused.holds == "run"


def test_a_failure_of_the_org_is_answered_as_it_came(ports):
    ports.alikes["cus_1"] = Likeness(Answered.PERHAPS, (MAYBE,))
    ports.call_many = lambda *asked: [Transient("no answer") for _ in asked[-1]]

    assert isinstance(recognise([a_customer()], ports)[0], Transient)


def test_customers_are_found_in_the_slot_salesforce():
    assert problems("salesforce.recognise", {"object": "Account", "slot": "stripe"})
    assert not problems("salesforce.recognise", {"object": "Contact"})


KEYS = [{"field": "Tax_Id__c", "from": "customer.metadata.vat", "label": "VAT number"}]


def with_keys(items, ports, **settings):
    return recognise(items, ports, known="customer.metadata.account", keys=KEYS, **settings)


def test_external_keys_are_told_and_a_record_found_by_one_says_so(ports):
    ports.hold("Account", ACME, Tax_Id__c="DE1")
    ports.alikes["cus_1"] = Likeness(Answered.SAME, (Alike(ACME, 64.0),), by="key")

    (done,) = with_keys([a_customer(metadata={"vat": "DE 1"})], ports)

    assert (done.exit, done.output["id"], done.output["by"]) == ("found", ACME, "key")
    assert done.seen["external"] == {"Tax_Id__c": "DE 1"}
    assert done.output["record"]["Tax_Id__c"] == "DE1"


@pytest.mark.parametrize("by", ["key", "likeness"])
def test_a_record_whose_key_is_another_by_now_is_for_a_person(ports, by):
    ports.hold("Account", ACME, Tax_Id__c="DE2")
    ports.alikes["cus_1"] = Likeness(Answered.SAME, (Alike(ACME, 64.0),), by=by)

    (asked,) = with_keys([a_customer(metadata={"vat": "DE1"})], ports)

    assert isinstance(asked, AskHuman)
    assert asked.evidence["labels"] == {"Tax_Id__c": "VAT number"}
    assert asked.evidence["told"]["Tax_Id__c"] == "DE1"
    assert "external" not in asked.evidence["told"]
    assert asked.evidence["candidates"][0]["values"]["Tax_Id__c"] == "DE2"


def test_a_known_id_that_a_key_contradicts_is_for_a_person_with_the_record_that_has_the_key(ports):
    ports.hold("Account", ACME, Tax_Id__c="DE2")
    ports.alikes["cus_1"] = Likeness(Answered.SAME, (Alike(BETA, 64.0),), by="key")

    (asked,) = with_keys([a_customer(metadata={"vat": "DE1", "account": ACME})], ports)

    assert isinstance(asked, AskHuman)
    assert [one["id"] for one in asked.evidence["candidates"]] == [ACME, BETA]
    assert [line[:2] for line in asked.evidence["candidates"][0]["waterfall"]] == [
        ["external", "Id"],
        ["contradiction", "Tax_Id__c"],
    ]


@pytest.mark.parametrize(
    ("known", "way"),
    [
        pytest.param(Likeness(Answered.SAME, (Alike(ACME, 64.0),), by="a person"), "found", id="it is"),
        pytest.param(Likeness(Answered.NEW, apart=(ACME,)), "new", id="it is another"),
    ],
)
def test_what_a_person_said_of_a_contradiction_is_not_asked_again(ports, known, way):
    ports.hold("Account", ACME, Tax_Id__c="DE2")
    ports.alikes["cus_1"] = known

    (done,) = with_keys([a_customer(metadata={"vat": "DE1", "account": ACME})], ports)

    assert isinstance(done, Done)
    assert done.exit == way


def test_a_field_is_one_key():
    twice = [KEYS[0], {**KEYS[0], "field": "tax_id__C"}]
    assert problems("salesforce.recognise", {"object": "Account", "keys": twice})
    assert not problems("salesforce.recognise", {"object": "Account", "keys": KEYS})
