"""What steps do by themselves before a run gives up: smaller calls, free records, what is done already."""

from __future__ import annotations

import pytest

from flows.engine.item import Item
from flows.engine.outcome import AskHuman, Done
from flows.steps.halving import MOST_CALLS, in_smaller_calls
from integrator.kernel.errors import Ambiguous, Refused
from tests.fakes import FakePorts
from tests.unit.flows.taking import a_mapped, take

UPSERT = {"object": "Contact", "external_id": "Stripe_Id__c", "record": "describe"}
FREE = "003000000000001AAA"
LIMIT = Refused(
    "trigger: System.LimitException: Too many SOQL queries: 101", code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
)
REFUND = {"object": "refund", "purpose": "Refund", "about": "charge.id"}
WHOLE = {**REFUND, "parameters": {"charge": "charge.id"}}
CAPTURE = {"act": "payment_intent.capture", "id": "charge.payment_intent"}
DONE_ALREADY = Refused("Charge ch_1 has already been refunded.", code="charge_already_refunded")


@pytest.fixture
def ports():
    return FakePorts()


@pytest.mark.parametrize("most", [1, 3, 7])
def test_what_is_too_much_for_the_orgs_automation_goes_in_smaller_calls(most):
    calls: list[int] = []

    def send(jobs):
        calls.append(len(jobs))
        return [LIMIT if len(jobs) > most else {"id": job, "created": True} for job in jobs]

    results = in_smaller_calls(send, list(range(8)))

    assert [result["id"] for result in results] == list(range(8))
    assert min(calls) <= most
    assert len(calls) <= 16


def test_a_record_that_is_too_much_alone_is_refused_after_a_bounded_number_of_calls():
    calls: list[int] = []

    def send(jobs):
        calls.append(len(jobs))
        return [LIMIT if job == 5 or len(jobs) > 1 else {"id": job, "created": True} for job in jobs]

    assert [type(result) for result in in_smaller_calls(send, list(range(8)))].count(Refused) == 1
    calls.clear()
    in_smaller_calls(lambda jobs: calls.append(len(jobs)) or [LIMIT for _ in jobs], list(range(200)))
    assert len(calls) <= MOST_CALLS + 2


def a_contact(**record):
    return a_mapped({"Stripe_Id__c": "cus_1", "Email": "ada@example.com"} | record)


def refuse_for(ports: FakePorts, field: str = "Email") -> None:
    said = f"duplicate value found: {field} duplicates value on record with id: {FREE}"
    ports.refuses["cus_1"] = Ambiguous(said, code="DUPLICATE_VALUE", field=field)


def test_a_record_of_the_same_unique_value_is_updated_if_it_belongs_to_nobody(ports):
    ports.hold("Contact", FREE, Email="ada@example.com", Stripe_Id__c=None)
    refuse_for(ports)

    (answer,) = take("salesforce.upsert", UPSERT, [a_contact()], ports)

    assert isinstance(answer, Done)
    assert (answer.output["id"], answer.output["created"], answer.effect) == (FREE, False, "applied")
    assert "belonged to nobody" in answer.notes[0]["message"]
    assert ports.records[f"Contact:{FREE}"]["Stripe_Id__c"] == "cus_1"
    assert len(ports.records) == 1


@pytest.mark.parametrize("case", ["anothers", "gone", "leased", "of the key"])
def test_a_person_is_asked_where_the_record_may_not_be_taken_over(ports, case):
    owner = "cus_2" if case == "anothers" else None
    if case != "gone":
        ports.hold("Contact", FREE, Email="ada@example.com", Stripe_Id__c=owner)
    if case == "leased":
        ports.leased_by_others.add(f"Contact:{FREE}")
    refuse_for(ports, "Stripe_Id__c" if case == "of the key" else "Email")
    before = dict(ports.records)

    (answer,) = take("salesforce.upsert", UPSERT, [a_contact()], ports)

    assert isinstance(answer, AskHuman)
    assert answer.kind == "duplicate"
    assert ports.records == before


def a_refusal(ports: FakePorts, *, refunded: bool) -> Item:
    """Return a run about a charge of which Stripe says that it was refunded."""
    item = a_mapped({})
    charge = item.context["charge"]["id"]
    ports.stripe[charge] = {"id": charge, "object": "charge", "refunded": refunded}
    ports.refuses["refund"] = DONE_ALREADY
    return item


def test_a_refund_that_stands_already_is_done_once_the_charge_says_so(ports):
    item = a_refusal(ports, refunded=True)

    (answer,) = take("stripe.create", WHOLE, [item], ports)

    assert isinstance(answer, Done)
    assert (answer.effect, answer.output["already"]) == ("applied", True)
    assert "read there" in answer.notes[0]


@pytest.mark.parametrize(
    ("settings", "refunded"),
    [(WHOLE, False), ({**REFUND, "parameters": {**WHOLE["parameters"], "amount": "charge.amount"}}, True)],
    ids=["the charge does not say so", "a part was to be refunded"],
)
def test_a_refund_is_left_to_a_person_otherwise(ports, settings, refunded):
    item = a_refusal(ports, refunded=refunded)

    (answer,) = take("stripe.create", settings, [item], ports)

    assert answer is DONE_ALREADY
    assert len(ports.stripe) == 1


def test_a_capture_that_was_done_is_done_only_if_the_payment_says_so(ports):
    ports.stripe["pi_1"] = {"id": "pi_1", "object": "payment_intent", "status": "succeeded"}
    item = a_mapped({}, payment_intent="pi_1")
    refusal = Refused("It was captured", code="charge_already_captured")
    actions = ports._actions
    ports._actions = lambda slot: actions(slot) | {"act": lambda _request: refusal}

    (done,) = take("stripe.act", CAPTURE, [item], ports)
    ports.stripe["pi_1"]["status"] = "requires_capture"
    (left,) = take("stripe.act", CAPTURE, [a_mapped({}, run_id=2, payment_intent="pi_1")], ports)

    assert isinstance(done, Done)
    assert left is refusal
