"""What becomes of a record that Salesforce refuses as a duplicate: what people see, and may say."""

from __future__ import annotations

import pytest

from flows.engine.outcome import AskHuman, Done, Pause
from flows.engine.ports import Moved
from flows.steps.refused import LEAVE_OUT, SAVE
from integrator.kernel.errors import Ambiguous, Transient
from tests.fakes import FakePorts
from tests.unit.flows.taking import a_mapped, take

SAVES = {"object": "Contact", "external_id": "Stripe_Id__c", "record": "describe"}
CREATES = {"object": "Contact", "record": "describe", "purpose": "A contact", "about": "charge.id"}
ADA, IDA, GONE = (f"003000000000{number:03d}AAA" for number in (1, 2, 9))


def a_refusal(*ids: str, code: str = "DUPLICATES_DETECTED", may_save: bool = False, object_: str = "Contact"):
    failure = Ambiguous("Use one of these records?", code=code)
    failure.records, failure.may_save = tuple((object_, id) for id in ids), may_save
    return failure


@pytest.fixture
def ports():
    ports = FakePorts()
    ports.hold("Contact", ADA, Name="Ada Lovelace", Email="ada@acme.test", Stripe_Id__c=None)
    ports.hold("Contact", IDA, Name="Ida", Email="ada@acme.test", Stripe_Id__c="cus_2")
    return ports


def a_contact(answer: str = "", **fields):
    item = a_mapped({"Stripe_Id__c": "cus_1", "Email": "ada@acme.test", "LastName": "L", **fields})
    if answer:
        item.keep("here", "answer", answer)
    return item


def save(ports, *items):
    return take("salesforce.upsert", SAVES, items or [a_contact()], ports)


def test_a_person_sees_the_records_that_it_looks_like_and_which_may_be_chosen(ports):
    ports.refuses["cus_1"] = a_refusal(ADA, IDA, GONE, may_save=True)

    (asked,) = save(ports)

    assert isinstance(asked, AskHuman)
    assert asked.kind == "duplicate"
    assert [(one.value, one.label) for one in asked.options] == [
        (ADA, "It is Ada Lovelace"),
        (SAVE, "Save it nonetheless"),
        (LEAVE_OUT, "Leave it out"),
        ("again", "I have settled it: try again"),
    ]
    assert [(one["id"], one["note"]) for one in asked.evidence["candidates"]] == [
        (ADA, ""),
        (IDA, "It belongs to cus_2 already."),
    ]
    assert asked.evidence["told"]["Email"] == "ada@acme.test"
    assert asked.failure is not None
    assert asked.failure.code == "DUPLICATES_DETECTED"


def test_what_a_rule_blocks_cannot_be_saved_nonetheless_and_other_objects_are_only_named(ports):
    ports.refuses["cus_1"] = a_refusal("00Q000000000001AAA", object_="Lead")

    (asked,) = save(ports)

    assert [one.value for one in asked.options] == [LEAVE_OUT, "again"]
    assert (asked.evidence["candidates"], asked.evidence["also"]) == ([], ["Lead 00Q000000000001AAA"])


def test_the_record_that_was_chosen_is_updated_and_found_from_then_on(ports):
    ports.refuses["cus_1"] = a_refusal(ADA)

    (done,) = save(ports, a_contact(ADA))

    assert isinstance(done, Done)
    assert (done.output["id"], done.output["created"], done.effect) == (ADA, False, "applied")
    assert ports.records[f"Contact:{ADA}"]["Stripe_Id__c"] == "cus_1"
    assert "A person chose" in done.notes[0]["message"]


@pytest.mark.parametrize("id", [GONE, IDA])
def test_a_choice_that_is_gone_or_taken_by_now_is_asked_again(ports, id):
    ports.refuses["cus_1"] = a_refusal(id)

    (asked,) = save(ports, a_contact(id))

    assert isinstance(asked, AskHuman)
    assert id not in [one.value for one in asked.options]
    assert ports.records[f"Contact:{IDA}"]["Stripe_Id__c"] == "cus_2"


def test_a_record_that_another_lane_writes_is_waited_for(ports):
    ports.leased_by_others.add(f"Contact:{ADA}")

    (answer,) = save(ports, a_contact(ADA))

    assert isinstance(answer, Pause)


def test_it_is_saved_nonetheless_by_this_run_alone(ports):
    save(ports, a_contact(SAVE), a_mapped({"Stripe_Id__c": "cus_3"}, run_id=2))

    (requests,) = ports.calls
    assert [one.get("allow_duplicates") for one in requests] == [True, None]


def test_what_is_left_out_is_not_sent_and_the_run_goes_on(ports):
    (done,) = save(ports, a_contact(LEAVE_OUT))

    assert (done.output["id"], done.effect, ports.calls) == (None, "skipped", [])


def test_of_several_records_with_one_external_id_a_person_says_which(ports):
    for id in (ADA, IDA):
        ports.hold("Contact", id, Name=id, Stripe_Id__c="cus_1")
    ports.refuses["cus_1"] = a_refusal(ADA, IDA, code="HTTP_300")

    (asked,) = save(ports)
    (done,) = save(ports, a_contact(IDA))

    assert [one.value for one in asked.options] == [ADA, IDA, LEAVE_OUT, "again"]
    assert done.output["id"] == IDA


def test_of_several_records_with_one_external_id_the_linked_one_is_it(ports, monkeypatch):
    ports.refuses["cus_1"] = a_refusal(ADA, IDA, code="HTTP_300")
    monkeypatch.setattr(ports, "record_ids", lambda _, keys: dict.fromkeys(keys, IDA))

    (done,) = save(ports)

    assert (done.output["id"], done.output["created"]) == (IDA, False)


def test_a_record_that_is_there_and_has_become_like_another_may_be_merged(ports, monkeypatch):
    monkeypatch.setattr(ports, "record_ids", lambda _, keys: dict.fromkeys(keys, IDA))
    ports.refuses["cus_1"] = a_refusal(ADA)

    (asked,) = save(ports)

    assert [one["id"] for one in asked.evidence["candidates"]] == [IDA, ADA]
    assert asked.evidence["candidates"][0]["note"] == "It is saved in this record until now."
    assert ADA not in [one.value for one in asked.options]  # the external id stands in the other one


def test_a_call_for_many_does_not_say_what_a_record_looks_like_so_it_is_sent_alone(ports):
    ports.refuses["cus_1"] = a_refusal()

    asked, done = save(ports, a_contact(), a_mapped({"Stripe_Id__c": "cus_3"}, run_id=2))

    assert isinstance(asked, AskHuman)
    assert isinstance(done, Done)
    assert [len(requests) for requests in ports.calls] == [2, 1]


def test_where_a_rule_does_not_say_what_it_found_those_of_the_same_address_are_shown(ports):
    ports.refuses["cus_1"] = a_refusal(may_save=True)

    (asked,) = save(ports)

    assert [one["id"] for one in asked.evidence["candidates"]] == [ADA, IDA]
    assert ADA in [one.value for one in asked.options]


def test_records_that_cannot_be_read_now_are_read_later(ports):
    ports.refuses["cus_1"] = a_refusal(ADA)
    ports.refuses["Contact"] = Transient("no answer")
    find = ports._find
    ports._find = lambda request: Transient("no answer") if request["object"] == "Contact" else find(request)

    assert isinstance(save(ports)[0], Transient)


def create(ports, *items):
    return take("salesforce.create", CREATES, items or [a_contact()], ports)


def test_what_is_created_once_may_be_a_record_that_is_there_for_good(ports):
    ports.refuses["eff_1"] = a_refusal(ADA, IDA, may_save=True)
    (asked,) = create(ports)
    assert [one.value for one in asked.options] == [ADA, IDA, SAVE, LEAVE_OUT, "again"]

    (done,) = create(ports, a_contact(ADA))
    (again,) = create(ports)

    assert (done.output["id"], again.output["id"], again.output["before"]) == (ADA, ADA, True)
    kept = ports.records[f"Contact:{ADA}"]
    assert (kept["Name"], kept["Integration_Key__c"]) == ("Ada Lovelace", "eff_1")
    assert "LastName" not in kept  # it stays as it is


def test_what_is_created_nonetheless_or_left_out(ports):
    (left,) = create(ports, a_contact(LEAVE_OUT))
    assert (left.effect, ports.calls) == ("skipped", [])

    create(ports, a_contact(SAVE))
    assert ports.calls[0][0]["allow_duplicates"] is True


CHANGES = {"object": "Contact", "id": "charge.id", "record": "describe"}


def change(ports, answer=""):
    item = a_mapped({"Email": "ada@acme.test"}, object={"id": IDA, "object": "charge"})
    if answer:
        item.keep("here", "answer", answer)
    return take("salesforce.update", CHANGES, [item], ports)[0]


def test_a_change_that_makes_a_record_like_another_one_stands_beside_it_to_be_merged(ports):
    ports.refuses[IDA] = a_refusal(ADA, may_save=True)

    asked = change(ports)

    assert [one.value for one in asked.options] == [SAVE, LEAVE_OUT, "again"]
    assert [(one["id"], one["note"]) for one in asked.evidence["candidates"]] == [
        (IDA, "It is saved in this record until now."),
        (ADA, ""),
    ]


def test_a_change_is_made_nonetheless_or_left_out(ports):
    assert change(ports, LEAVE_OUT).effect == "skipped"
    assert ports.calls == []

    assert change(ports, SAVE).effect == "applied"
    assert ports.calls[0][0]["allow_duplicates"] is True


def test_of_two_customers_that_are_said_to_be_one_record_the_second_one_waits(ports):
    items = [a_contact(ADA), a_mapped({"Stripe_Id__c": "cus_3"}, run_id=2)]
    items[1].keep("here", "answer", ADA)

    first, second = save(ports, *items)

    assert isinstance(first, Done)
    assert isinstance(second, Pause)
    assert ports.records[f"Contact:{ADA}"]["Stripe_Id__c"] == "cus_1"


def test_what_is_saved_nonetheless_is_so_where_a_record_is_taken_over_that_has_the_same_value(ports):
    known = f"duplicate value found: Email duplicates value on record with id: {ADA[:15]}"
    ports.refuses["cus_1"] = Ambiguous(known, code="DUPLICATE_VALUE", field="Email")

    save(ports, a_contact(SAVE))

    assert [one.get("allow_duplicates") for (one,) in ports.calls] == [True, True]


REFERS = {
    "field": "Account",
    "object": "Account",
    "external_id": "Key__c",
    "read": "customer",
    "id": ["charge.customer"],
    "lines": [{"field": "Key__c", "from": ["customer.id"]}],
}


def a_child(number: int = 1):
    record = {"Stripe_Id__c": f"ch_{number}", "Account.Key__c": "cus_9"}
    return a_mapped(
        record, run_id=number, object={"id": f"ch_{number}", "object": "charge", "customer": "cus_1"}
    )


@pytest.mark.parametrize("children", [1, 2])
def test_a_parent_that_is_refused_is_no_question_about_the_record_that_refers_to_it(ports, children):
    ports.stripe["cus_1"] = {"id": "cus_9", "object": "customer"}
    ports.refuses["cus_9"] = a_refusal(may_save=True, object_="Account")

    answers = take(
        "salesforce.upsert",
        {**SAVES, "parents": [REFERS]},
        [a_child(one + 1) for one in range(children)],
        ports,
    )

    assert answers == [ports.refuses["cus_9"]] * children


def test_many_that_are_refused_are_looked_up_together(ports):
    for number in range(1, 31):
        ports.refuses[f"cus_{number}"] = a_refusal(ADA, IDA)

    answers = save(ports, *(a_mapped({"Stripe_Id__c": f"cus_{one}"}, run_id=one) for one in range(1, 31)))

    assert all(isinstance(one, AskHuman) and len(one.evidence["candidates"]) == 2 for one in answers)
    assert [action for action, _ in ports.asked].count("find") == 1


def test_of_an_address_that_many_have_no_more_are_read_than_are_shown(ports):
    for number in range(20, 60):
        ports.hold("Contact", f"003000000000{number:03d}AAA", Name="x", Email="ada@acme.test")
    ports.refuses["cus_1"] = a_refusal()

    (asked,) = save(ports)

    assert len(asked.evidence["candidates"]) == 5
    assert ports.asked[-2][1][0]["limit"] == 6  # one of them may be the record itself


def test_a_record_whose_parent_was_merged_is_sent_alone_with_what_it_refers_to_now(ports, monkeypatch):
    ports.stripe["cus_1"] = {"id": "cus_9", "object": "customer"}
    ports.merged["cus_9"] = Moved("001000000000001AAA")
    send = ports.call_many

    def call_many(slot, action, requests):
        if action == "upsert" and "AccountId" in requests[0]["values"]:
            ports.refuses["ch_1"] = a_refusal(ADA) if len(requests) == 1 else a_refusal()
        return send(slot, action, requests)

    monkeypatch.setattr(ports, "call_many", call_many)

    asked, done = take("salesforce.upsert", {**SAVES, "parents": [REFERS]}, [a_child(1), a_child(2)], ports)

    assert isinstance(done, Done)
    assert isinstance(asked, AskHuman)
    assert [one["id"] for one in asked.evidence["candidates"]] == [ADA]


@pytest.mark.parametrize("link", ["", IDA])
def test_records_of_one_external_id_are_looked_for_where_a_call_for_many_names_none(ports, monkeypatch, link):
    for id in (ADA, IDA):
        ports.hold("Contact", id, Name=id, Stripe_Id__c="cus_1")
    ports.refuses["cus_1"] = a_refusal(code="DUPLICATE_EXTERNAL_ID")
    monkeypatch.setattr(ports, "record_ids", lambda _, keys: dict.fromkeys(keys, link) if link else {})

    (answer,) = save(ports)

    if link:
        assert answer.output["id"] == IDA
    else:
        assert [one.value for one in answer.options] == [ADA, IDA, LEAVE_OUT, "again"]


def test_of_very_many_that_are_refused_some_wait_so_that_the_rest_of_the_batch_need_not(ports):
    for number in range(1, 31):
        ports.refuses[f"cus_{number}"] = a_refusal()
    items = [a_mapped({"Stripe_Id__c": f"cus_{one}", "LastName": "L"}, run_id=one) for one in range(1, 32)]

    answers = save(ports, *items)

    assert [type(one) for one in answers] == [AskHuman] * 20 + [Pause] * 10 + [Done]
    assert [len(requests) for requests in ports.calls] == [31] + [1] * 20
