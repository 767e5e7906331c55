"""How records are saved: updates by id, records that lanes share, parents first, look-ups by external id."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from flows.engine.item import Source
from flows.engine.outcome import Done, GiveUp, Pause, ReadAgain
from flows.engine.ports import Applied
from flows.mapping.spec import Mapping
from flows.steps.saving import nested
from flows.steps.there import UNCHANGED
from integrator.kernel.errors import Missing, Refused, Transient, Uncertain
from tests.fakes import NOON, FakePorts, a_reading
from tests.unit.flows.taking import a_mapped, problems, take

ACCOUNT = "001000000000001AAA"
OTHER = "001000000000002AAA"
LATER = NOON + timedelta(seconds=5)

UPDATE = {"object": "Account", "id": "charge.metadata.account", "record": "describe"}
UPSERT = {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe"}
CUSTOMER = {
    "field": "Stripe_Customer__r",
    "object": "Stripe_Customer__c",
    "external_id": "External_ID__c",
    "read": "customer",
    "id": "charge.customer",
    "lines": [
        {"field": "External_ID__c", "from": "customer.id"},
        {"field": "Email__c", "from": "customer.email", "empty": "clear"},
    ],
}


@pytest.fixture
def ports():
    ports = FakePorts()
    ports.hold("Account", ACCOUNT)
    ports.hold("Account", OTHER)
    return ports


def an_account(run_id=1, account=ACCOUNT, **fields):
    metadata = {"account": account, "made": fields.pop("made", None)}
    return a_mapped({"Stripe_Payment_Status__c": f"Run {run_id}"}, run_id=run_id, metadata=metadata, **fields)


def a_payment(run_id=1, customer="cus_1", intent="pi_1", **fields):
    record = {"External_ID__c": intent, "Stripe_Customer__r.External_ID__c": customer}
    return a_mapped(record, run_id=run_id, customer=customer, payment_intent=intent, **fields)


def test_records_are_updated_in_one_call_by_their_ids(ports):
    answers = take("salesforce.update", UPDATE, [an_account(1), an_account(2, OTHER)], ports)

    assert [(answer.exit, answer.effect) for answer in answers] == [("next", "applied")] * 2
    assert ports.calls == [
        [
            {"object": "Account", "id": ACCOUNT, "values": {"Stripe_Payment_Status__c": "Run 1"}},
            {"object": "Account", "id": OTHER, "values": {"Stripe_Payment_Status__c": "Run 2"}},
        ]
    ]


@pytest.mark.parametrize(("root", "linked"), [("pi_1", True), (OTHER, False)])
def test_a_record_is_linked_with_an_object_of_stripe_alone(ports, root, linked):
    item = an_account(1)
    item.root_id = root

    take("salesforce.update", UPDATE, [item], ports)

    assert [write.linked for write in item.writes] == [linked]


def test_an_update_is_remembered_under_its_record_id(ports):
    item = an_account(account=ACCOUNT[:15])

    take("salesforce.update", UPDATE, [item], ports)

    (write,) = item.writes
    assert (write.target, write.record_id, write.stripe_id) == (f"Account:{ACCOUNT}", ACCOUNT, "pi_1")


@pytest.mark.parametrize(
    "account", [None, "", "acme", "0" * 14], ids=["null", "empty", "a word", "too short"]
)
def test_a_run_without_a_record_id_leaves_by_its_own_exit(ports, account):
    (answer,) = take("salesforce.update", UPDATE, [an_account(account=account)], ports)

    assert (answer.exit, answer.effect, answer.output["id"]) == ("none", "none", None)
    assert ports.calls == []


def test_a_record_that_is_gone_leaves_by_the_same_exit_and_harms_no_other(ports):
    ports.refuses[OTHER] = Missing("Deleted", code="ENTITY_IS_DELETED")

    good, gone = take("salesforce.update", UPDATE, [an_account(1), an_account(2, OTHER)], ports)

    assert (good.exit, gone.exit, gone.output["code"]) == ("next", "none", "ENTITY_IS_DELETED")


def test_a_missing_record_fails_where_the_flow_says_so(ports):
    strict = {**UPDATE, "missing": "fail"}
    ports.refuses[OTHER] = Missing("Deleted", code="ENTITY_IS_DELETED")

    absent, gone = take("salesforce.update", strict, [an_account(account=None), an_account(2, OTHER)], ports)

    assert isinstance(absent, GiveUp)
    assert (absent.failure.error_class, absent.failure.code) == ("missing_ref", "no_id")
    assert gone is ports.refuses[OTHER]


def test_a_refused_update_stays_with_its_run(ports):
    ports.refuses[OTHER] = Refused("No", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")

    good, bad = take("salesforce.update", UPDATE, [an_account(1), an_account(2, OTHER)], ports)

    assert isinstance(good, Done)
    assert bad is ports.refuses[OTHER]


@pytest.mark.parametrize(
    ("failure", "unsettled"),
    [
        pytest.param(Uncertain("No answer", code="unanswered"), True, id="a lost answer"),
        pytest.param(Transient("503", code="unavailable"), True, id="an answer of a proxy"),
        pytest.param(Transient("Locked", code="UNABLE_TO_LOCK_ROW"), False, id="a lock"),
    ],
)
def test_a_write_that_may_land_late_is_tried_again_and_remembered_as_unsettled(ports, failure, unsettled):
    ports.refuses[ACCOUNT] = failure
    item = an_account()

    (answer,) = take("salesforce.update", UPDATE, [item], ports)

    assert isinstance(answer, Transient)
    assert item.unsettled is unsettled


def test_a_record_that_another_lane_is_writing_waits_and_burns_nothing(ports):
    ports.leased_by_others.add(f"Account:{ACCOUNT}")

    waits, goes_on = take("salesforce.update", UPDATE, [an_account(1), an_account(2, OTHER)], ports)

    assert isinstance(waits, Pause)
    assert (waits.holds, waits.until) == ("run", NOON + timedelta(seconds=1))
    assert goes_on.effect == "applied"


def test_only_a_record_that_the_lane_does_not_own_is_leased(ports):
    own = a_mapped({"External_ID__c": "pi_1"})
    shared = a_mapped({"External_ID__c": "ORD-1"}, run_id=2)

    take("salesforce.upsert", UPSERT, [own, shared], ports)

    assert ports.leased == ["Payment__c:ORD-1"]


@pytest.mark.parametrize(
    ("applied", "mine", "effect"),
    [
        pytest.param(200, 100, "superseded", id="an older payment"),
        pytest.param(100, 200, "applied", id="a newer payment"),
    ],
)
def test_of_several_sources_the_highest_counts(ports, applied, mine, effect):
    ports.applied[f"Account:{ACCOUNT}"] = Applied("pi_other", 9, LATER, LATER, rank=applied)
    settings = {**UPDATE, "newest_by": "charge.metadata.made"}

    (answer,) = take("salesforce.update", settings, [an_account(made=mine)], ports)

    assert answer.effect == effect


def test_within_a_batch_the_highest_source_is_written_last(ports):
    items = [an_account(1, made=3), an_account(2, made=1), an_account(3, made=2)]

    take("salesforce.update", {**UPDATE, "newest_by": "charge.metadata.made"}, items, ports)

    assert ports.records[f"Account:{ACCOUNT}"]["Stripe_Payment_Status__c"] == "Run 1"
    assert ports.applied[f"Account:{ACCOUNT}"].rank == 3


@pytest.mark.parametrize("made", [None, "7", 1.5, True, 2**63], ids=str)
def test_a_rank_that_is_no_whole_number_is_refused(ports, made):
    (answer,) = take(
        "salesforce.update", {**UPDATE, "newest_by": "charge.metadata.made"}, [an_account(made=made)], ports
    )

    assert (answer.failure.code, answer.failure.field) == ("not_a_number", "newest_by")


def test_an_update_in_doubt_is_read_again(ports):
    ports.applied[f"Account:{ACCOUNT}"] = Applied("pi_other", 9, NOON, NOON)
    doubtful, settled = an_account(1), an_account(2, OTHER)
    settled.source = a_reading({"id": "pi_1", "object": "payment_intent"}).source

    answers = take("salesforce.update", UPDATE, [doubtful, settled], ports)

    assert [type(answer) for answer in answers] == [ReadAgain, Done]


def test_a_step_names_the_map_step_whose_record_it_writes():
    mapping = {"target": "Contact", "lines": [{"field": "Name", "from": "charge.id"}]}

    assert problems("salesforce.update", UPDATE, describe=mapping) == [
        ("record", "describe maps Contact, not Account")
    ]
    assert problems("salesforce.update", {**UPDATE, "slot": "stripe"})[0][0] == "slot"
    assert problems("salesforce.update", UPDATE)[0][0] == "record"


# Look-ups by external id


def test_a_look_up_by_external_id_stands_in_an_object_of_its_own():
    record = {"Name": "x", "Stripe_Customer__r.External_ID__c": "cus_1", "Account.Key__c": "A1"}

    assert nested(record) == {
        "Name": "x",
        "Stripe_Customer__r": {"External_ID__c": "cus_1"},
        "Account": {"Key__c": "A1"},
    }


def test_a_look_up_without_an_id_empties_the_field():
    record = {"Stripe_Customer__r.External_ID__c": None, "Account.Key__c": None}

    assert nested(record) == {"Stripe_Customer__c": None, "AccountId": None}


def test_a_look_up_is_mapped_once_whatever_it_is_called():
    lines = [
        {"field": "Stripe_Customer__c", "from": "a.b"},
        {"field": "stripe_customer__r.External_ID__c", "from": "a.c"},
    ]

    with pytest.raises(ValidationError, match="mapped twice"):
        Mapping.model_validate({"target": "Payment__c", "lines": lines})


# Parents


def test_a_missing_parent_is_saved_first(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer", "email": "ada@example.com"}
    first, second = a_payment(1), a_payment(2, intent="pi_2")

    answers = take("salesforce.upsert", {**UPSERT, "parents": [CUSTOMER]}, [first, second], ports)

    assert [answer.effect for answer in answers] == ["applied", "applied"]
    assert answers[0].notes[0]["code"] == "parent_first"
    assert ports.records["Stripe_Customer__c:cus_1"]["Email__c"] == "ada@example.com"
    assert ports.records["Payment__c:pi_2"]["Stripe_Customer__r"] == {"External_ID__c": "cus_1"}
    asked = [(action, len(requests)) for action, requests in ports.asked]
    assert asked == [("upsert", 2), ("retrieve", 1), ("upsert", 1), ("upsert", 2)]


def test_a_parent_is_remembered_as_what_it_is(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer"}
    item = a_payment()

    take("salesforce.upsert", {**UPSERT, "parents": [CUSTOMER]}, [item], ports)

    parent, payment = item.writes
    assert (parent.target, parent.stripe_id, parent.source.fetched) == (
        "Stripe_Customer__c:cus_1",
        "cus_1",
        True,
    )
    assert (payment.target, payment.stripe_id) == ("Payment__c:pi_1", "pi_1")


def test_a_parent_that_cannot_be_read_is_its_own_childs_trouble(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer"}
    ports.refuses["cus_2"] = Transient("503")
    items = [a_payment(1), a_payment(2, customer="cus_2", intent="pi_2")]

    good, bad = take("salesforce.upsert", {**UPSERT, "parents": [CUSTOMER]}, items, ports)

    assert isinstance(good, Done)
    assert bad is ports.refuses["cus_2"]


def test_a_parent_of_which_no_record_can_be_made_names_the_field(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer"}
    strict = {**CUSTOMER, "lines": [{**CUSTOMER["lines"][0], "from": "customer.nothing", "empty": "fail"}]}

    (answer,) = take("salesforce.upsert", {**UPSERT, "parents": [strict]}, [a_payment()], ports)

    assert (answer.failure.code, answer.failure.field) == ("required_empty", "External_ID__c")


def test_a_parent_that_another_lane_is_writing_is_waited_for(ports):
    ports.stripe["cus_1"] = {"id": "cus_1", "object": "customer"}
    ports.leased_by_others.add("Stripe_Customer__c:cus_1")

    (answer,) = take("salesforce.upsert", {**UPSERT, "parents": [CUSTOMER]}, [a_payment()], ports)

    assert isinstance(answer, Pause)


@pytest.mark.parametrize(
    ("failure", "parents"),
    [
        pytest.param(Refused("Too long", code="STRING_TOO_LONG"), [CUSTOMER], id="another reason"),
        pytest.param(
            Refused("Foreign key external ID: x not found", code="INVALID_FIELD", field="Order__r"),
            [CUSTOMER],
            id="another look-up",
        ),
        pytest.param(
            Refused("Foreign key external ID: x", code="INVALID_FIELD", field="Stripe_Customer__r"),
            [],
            id="no way to make it",
        ),
    ],
)
def test_other_refusals_save_no_parent(ports, failure, parents):
    ports.refuses["pi_1"] = failure

    (answer,) = take("salesforce.upsert", {**UPSERT, "parents": parents}, [a_payment()], ports)

    assert answer is failure
    assert [action for action, _ in ports.asked] == ["upsert"]


def test_a_record_that_is_refused_again_after_its_parent_is_given_up(ports):
    ports.stripe["cus_1"] = {"id": "cus_9", "object": "customer"}

    (answer,) = take("salesforce.upsert", {**UPSERT, "parents": [CUSTOMER]}, [a_payment()], ports)

    assert answer.code == "INVALID_FIELD"
    assert len(ports.asked) == 4


def test_a_parent_needs_its_external_id_and_a_relation_that_is_mapped():
    with pytest.raises(ValidationError, match="lack External_ID__c"):
        problems("salesforce.upsert", {**UPSERT, "parents": [{**CUSTOMER, "lines": CUSTOMER["lines"][1:]}]})
    mapping = {"target": "Payment__c", "lines": [{"field": "External_ID__c", "from": "charge.id"}]}

    found = problems("salesforce.upsert", {**UPSERT, "parents": [CUSTOMER]}, describe=mapping)

    assert found == [("parents", "describe maps no field of Stripe_Customer__r")]


def a_changed_account(id=ACCOUNT, **read):
    """Return a run that a change of an account started, which was read; it wants Run 1 as the status."""
    item = an_account(1)
    item.source = Source(id, NOON, NOON, fetched=True)
    item.context["Account"] = {"Id": id, "SystemModstamp": "2026-11-24T12:00:00.000+0000", **read}
    return item


def test_a_record_is_not_written_again_that_has_the_values_already(ports):
    item = a_changed_account(stripe_payment_status__c="Run 1 ")

    (answer,) = take("salesforce.update", UPDATE, [item], ports)

    assert (answer.effect, answer.notes, item.writes) == ("unchanged", [UNCHANGED], [])
    assert ports.calls == []


@pytest.mark.parametrize(
    ("read", "changes"),
    [
        pytest.param({"Stripe_Payment_Status__c": "Other"}, {}, id="another value"),
        pytest.param({}, {}, id="not read"),
        pytest.param({"Stripe_Payment_Status__c": "Run 1"}, {"unsettled": True}, id="a write may land late"),
        pytest.param({"Stripe_Payment_Status__c": "Run 1"}, {"touched": {ACCOUNT}}, id="written since"),
        pytest.param(
            {"Stripe_Payment_Status__c": "Run 1"}, {"source": Source(OTHER, NOON, NOON, fetched=True)},
            id="another record",
        ),
    ],
)  # fmt: skip
def test_a_record_is_written_that_may_not_have_the_values(ports, read, changes):
    item = a_changed_account(**read)
    for name, value in changes.items():
        setattr(item, name, value)

    (answer,) = take("salesforce.update", UPDATE, [item], ports)

    assert (answer.effect, len(ports.calls)) == ("applied", 1)


def test_a_record_is_written_that_was_read_before_the_last_write(ports):
    item = a_changed_account(Stripe_Payment_Status__c="Run 1")
    ports.applied[f"Account:{ACCOUNT}"] = Applied(ACCOUNT, 7, NOON, NOON)

    (answer,) = take("salesforce.update", UPDATE, [item], ports)

    assert (answer.effect, len(ports.calls)) == ("applied", 1)
