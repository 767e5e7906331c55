"""How records and objects are found: by ways and by ids."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from flows.engine.outcome import AskHuman
from integrator.kernel.errors import Missing, RateLimited, Refused, Transient
from tests.fakes import FakePorts
from tests.unit.flows.taking import KINDS, a_mapped, problems, take

ACME, BETA, GONE = (f"001000000000{number:03d}AAA" for number in (1, 2, 9))

ACCOUNT = {
    "object": "Account",
    "by": [
        {"kind": "id", "from": "charge.metadata.account"},
        {"kind": "link"},
        {"kind": "external_id", "field": "Key__c", "from": "charge.metadata.key"},
        {"kind": "equal", "field": "Email__c", "from": "charge.email"},
    ],
    "shows": ["Name", "Email__c"],
}
CUSTOMER = {"type": "customer", "id": "charge.customer"}


@pytest.fixture
def ports():
    ports = FakePorts()
    ports.hold("Account", ACME, Name="Acme", Email__c="ada@example.com", Key__c="K1")
    ports.hold("Account", BETA, Name="Beta", Email__c="bob@example.com", Key__c="K2")
    return ports


def about(run_id=1, **fields):
    return a_mapped({}, run_id=run_id, **fields)


def find(items, ports, **settings):
    return take("salesforce.find", {**ACCOUNT, **settings}, items, ports)


@pytest.mark.parametrize(
    ("fields", "name", "by"),
    [
        pytest.param({"metadata": {"account": ACME}}, "Acme", "Id", id="its id in the metadata"),
        pytest.param({"metadata": {"account": ACME[:15]}}, "Acme", "Id", id="a short id"),
        pytest.param({"metadata": {"key": " K2 "}}, "Beta", "Key__c", id="an external id with blanks"),
        pytest.param({"email": "BOB@example.com"}, "Beta", "Email__c", id="an address in capitals"),
        pytest.param(
            {"metadata": {"account": "acme"}, "email": "ada@example.com"},
            "Acme",
            "Email__c",
            id="no id at all",
        ),
        pytest.param(
            {"metadata": {"account": GONE}, "email": "ada@example.com"},
            "Acme",
            "Email__c",
            id="a record that is gone",
        ),
        pytest.param(
            {"metadata": {"account": ACME}, "email": "bob@example.com"},
            "Acme",
            "Id",
            id="the surest way wins",
        ),
    ],
)
def test_a_record_is_found_by_the_first_way_that_finds_one(ports, fields, name, by):
    (answer,) = find([about(**fields)], ports)

    assert (answer.exit, answer.output["record"]["Name"], answer.output["by"]) == ("found", name, by)


def test_a_linked_record_is_found_while_it_is_there(ports):
    ports.linked["Account", "pi_1"] = BETA
    ports.linked["Account", "pi_2"] = GONE

    linked, gone = find([about(1), about(2, payment_intent="pi_2")], ports)

    assert (linked.output["id"], linked.output["by"]) == (BETA, "link")
    assert (gone.exit, gone.output["id"]) == ("none", None)


def test_each_way_asks_once_for_the_whole_batch(ports):
    emails = ["ada@example.com", "bob@example.com", "ada@example.com", "eve@example.com"]
    items = [about(number, email=email) for number, email in enumerate(emails, 1)]

    answers = find(items, ports)

    assert [answer.exit for answer in answers] == ["found", "found", "found", "none"]
    ((action, (request,)),) = ports.asked
    assert (action, request["field"], request["values"]) == ("find", "Email__c", sorted(set(emails)))
    assert request["fields"] == ["Id", "Name", "Email__c"]


def test_several_records_are_a_question_to_a_person(ports):
    ports.records[f"Account:{BETA}"]["Email__c"] = "Ada@Example.com"

    (asks,) = find([about(email="ada@example.com")], ports)

    assert isinstance(asks, AskHuman)
    assert asks.kind == "several"
    assert [(option.value, option.label) for option in asks.options] == [
        (ACME, "Acme, ada@example.com"),
        (BETA, "Beta, Ada@Example.com"),
        ("none", "None of these"),
    ]


@pytest.mark.parametrize(("answer", "end"), [(BETA, ("found", BETA)), ("none", ("none", None))])
def test_the_run_goes_on_with_what_the_person_chose(ports, answer, end):
    ports.records[f"Account:{BETA}"]["Email__c"] = "ada@example.com"
    item = about(email="ada@example.com")

    item.keep("here", "answer", answer)
    (done,) = find([item], ports)

    assert (done.exit, done.output["id"]) == end
    assert done.output["by"] == "a person"


def test_a_chosen_record_that_is_gone_meanwhile_is_looked_for_again(ports):
    item = about(email="ada@example.com")
    item.keep("here", "answer", GONE)

    (done,) = find([item], ports)

    assert done.output["id"] == ACME


def test_an_external_id_is_compared_letter_by_letter_where_it_can_be(ports):
    ports.records[f"Account:{BETA}"]["Key__c"] = "k1"

    exact, loose = find([about(1, metadata={"key": "K1"}), about(2, metadata={"key": "K1"})], ports)

    assert exact.output["id"] == loose.output["id"] == ACME


def test_a_value_that_is_refused_harms_no_other_run(ports):
    class Picky(FakePorts):
        def _find(self, request):
            if "bad" in request["values"]:
                return Refused("Invalid value", code="MALFORMED_QUERY")
            return super()._find(request)

    picky = Picky()
    picky.records, picky._ids = ports.records, ports._ids

    bad, good = find([about(1, email="bad"), about(2, email="bob@example.com")], picky)

    assert isinstance(bad, Refused)
    assert good.output["id"] == BETA


def test_a_failure_of_the_org_is_passed_on(ports):
    ports._find = lambda _request: RateLimited("Enough")

    answers = find([about(1, email="a@b.c"), about(2, email="b@b.c")], ports)

    assert [type(answer) for answer in answers] == [RateLimited, RateLimited]


def test_nothing_to_look_for_asks_nobody(ports):
    (answer,) = find([about(email={"not": "text"})], ports)

    assert (answer.exit, ports.asked) == ("none", [])


# Reading from Stripe


def test_an_object_is_read_once_however_many_runs_want_it(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer", "email": "ada@example.com"}
    expanded = {"id": "cus_1", "object": "customer"}

    answers = take(
        "stripe.retrieve",
        {**CUSTOMER, "expand": ["default_source.customer"]},
        [about(1, customer="cus_1"), about(2, customer=expanded)],
        ports,
    )

    assert [(answer.exit, answer.output["email"]) for answer in answers] == [("next", "ada@example.com")] * 2
    assert ports.asked == [
        ("retrieve", [{"type": "customer", "id": "cus_1", "expand": ["default_source.customer"]}])
    ]


@pytest.mark.parametrize("customer", [None, "", 7, "cus_9", "cus_deleted"], ids=str)
def test_what_is_not_there_leaves_by_its_own_exit(ports, customer):
    ports.stripe["cus_deleted"] = {"id": "cus_deleted", "object": "customer", "deleted": True}

    (answer,) = take("stripe.retrieve", CUSTOMER, [about(customer=customer)], ports)

    assert (answer.exit, answer.output) == ("none", None)


def test_a_reading_that_fails_is_its_own_runs_trouble(ports):
    ports.refuses["cus_1"], ports.refuses["cus_2"] = Transient("503"), Missing("No such customer")

    failed, gone = take(
        "stripe.retrieve", CUSTOMER, [about(1, customer="cus_1"), about(2, customer="cus_2")], ports
    )

    assert isinstance(failed, Transient)
    assert gone.exit == "none"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"type": "secret"}, id="a type that is not read"),
        pytest.param({"expand": ["a.b.c.d.e"]}, id="five levels"),
        pytest.param({"expand": ["../x"]}, id="no reference"),
    ],
)
def test_what_cannot_be_read_is_refused(settings):
    with pytest.raises(ValidationError):
        KINDS["stripe.retrieve"].settings_model.model_validate({**CUSTOMER, **settings})


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("salesforce.find", {**ACCOUNT, "slot": "stripe"}),
        ("stripe.retrieve", {**CUSTOMER, "slot": "salesforce"}),
    ],
)
def test_each_system_is_asked_for_its_own(kind, settings):
    assert problems(kind, settings)[0][0] == "slot"
