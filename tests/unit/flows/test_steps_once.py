"""What must happen once: Flows that are started, events that are published, records that are created."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from flows.engine.once import LANDS_WITHIN, SETTLES_WITHIN
from flows.engine.outcome import AskHuman, Done, GiveUp, Pause
from integrator.kernel.errors import RateLimited, Refused, Transient, Uncertain
from tests.fakes import NOON, FakePorts
from tests.unit.flows.taking import KINDS, a_mapped, problems, take

PAYMENT = "a00000000000001AAA"
DUNNING = {
    "flow": "Stripe_Dunning",
    "inputs": {
        "Payment_ID": "charge.payment_intent",
        "Amount": {
            "from": "charge.amount",
            "chips": [{"chip": "money", "currency": "charge.currency"}],
        },
        "Channel": {"value": "mail"},
    },
    "record": "charge.metadata.payment",
}
FAILED = {
    "event": "Stripe_Payment_Failed__e",
    "values": {"Payment_ID__c": "charge.payment_intent", "Code__c": "charge.failure_code"},
}
TASK = {"object": "Task", "record": "describe", "purpose": "Follow up on the failed payment"}
DIRECT = {**DUNNING, "through": "direct"}
EVERY = [
    pytest.param("salesforce.start_flow", DUNNING, id="a Flow through a record"),
    pytest.param("salesforce.start_flow", DIRECT, id="a Flow called directly"),
    pytest.param("salesforce.publish", FAILED, id="an event"),
    pytest.param("salesforce.create", TASK, id="a task"),
]
UNREPEATABLE = [EVERY[1], EVERY[2]]


@pytest.fixture
def ports():
    return FakePorts()


def a_decline(run_id=1, event="", **fields):
    metadata = {"payment": PAYMENT, **fields.pop("metadata", {})}
    record = {"Subject": "Call Ada", "Account__r.Key__c": None}
    item = a_mapped(record, run_id=run_id, metadata=metadata, **fields)
    item.event = replace(item.event, id=event or f"evt_{run_id}")
    item.context["event"] = item.event.as_root()
    return item


def test_a_flow_is_started_by_a_record_whose_key_is_the_effect(ports):
    (answer,) = take("salesforce.start_flow", DUNNING, [a_decline()], ports)

    assert (answer.exit, answer.effect, answer.output["before"]) == ("next", "applied", False)
    (record,) = ports.records.values()
    called = {"Payment_ID": "pi_1", "Amount": 19.99, "Channel": "mail"}
    assert (record["External_ID__c"], record["Kind__c"], record["Record_ID__c"]) == (
        "eff_1",
        "dunning",
        PAYMENT,
    )
    assert json.loads(record["Payload__c"]) == {"flow": "Stripe_Dunning", "inputs": called}


def test_a_flow_may_be_called_directly(ports):
    take("salesforce.start_flow", DIRECT, [a_decline()], ports)

    inputs = {"Payment_ID": "pi_1", "Amount": Decimal("19.99"), "Channel": "mail"}
    assert ports.calls == [[{"flow": "Stripe_Dunning", "inputs": inputs}]]


def test_an_event_has_the_values_that_are_known(ports):
    take("salesforce.publish", FAILED, [a_decline(failure_code="expired_card"), a_decline(2)], ports)

    assert [call[0]["values"] for call in ports.calls] == [
        {"Payment_ID__c": "pi_1", "Code__c": "expired_card"},
        {"Payment_ID__c": "pi_1"},
    ]


def test_an_event_may_be_what_a_map_step_made(ports):
    take("salesforce.publish", {"event": "X__e", "record": "describe"}, [a_decline()], ports)

    assert ports.calls[0][0]["values"]["Subject"] == "Call Ada"


def test_a_task_is_created_with_the_effect_as_its_key(ports):
    take("salesforce.create", TASK, [a_decline()], ports)

    ((request,),) = ports.calls
    assert request == {
        "object": "Task",
        "external_id_field": "Integration_Key__c",
        "external_id": "eff_1",
        "values": {"Subject": "Call Ada", "Account__c": None},
    }


@pytest.mark.parametrize(("kind", "settings"), EVERY)
def test_the_same_occurrence_happens_once_however_often_it_is_replayed(ports, kind, settings):
    (first,) = take(kind, settings, [a_decline()], ports)
    (again,) = take(kind, settings, [a_decline()], ports)

    assert (first.output["before"], again.output["before"]) == (False, True)
    assert len(ports.calls) == 1


@pytest.mark.parametrize(("kind", "settings"), EVERY[:3])
def test_another_occurrence_happens_again(ports, kind, settings):
    take(kind, settings, [a_decline(1), a_decline(2)], ports)

    assert len(ports.calls) == 2


def test_a_record_is_created_once_for_its_source_and_purpose_whatever_happens(ports):
    take("salesforce.create", TASK, [a_decline(1), a_decline(2)], ports)
    take("salesforce.create", {**TASK, "purpose": "Send a letter"}, [a_decline(3)], ports)
    take("salesforce.create", {**TASK, "about": "charge.id"}, [a_decline(4)], ports)

    assert len(ports.records) == 3


def test_each_element_of_a_list_has_its_own_task(ports):
    first, second = a_decline(1), a_decline(1)
    first.place, second.place = "[lines:1]", "[lines:2]"

    take("salesforce.create", TASK, [first, second], ports)

    assert len(ports.records) == 2


@pytest.mark.parametrize(("kind", "settings"), EVERY)
def test_history_is_left_out_and_a_person_may_insist(ports, kind, settings):
    item = a_decline()
    item.history = True

    (left_out,) = take(kind, settings, [item], ports)
    item.insisted = True
    (done,) = take(kind, settings, [item], ports)

    assert left_out.effect == "skipped"
    assert "history" in left_out.output["skipped"]
    assert (done.effect, len(ports.calls)) == ("applied", 1)


@pytest.mark.parametrize(("kind", "settings"), UNREPEATABLE)
def test_a_lost_answer_is_a_question_to_a_person(ports, kind, settings):
    ports.refuses["Stripe_Dunning"] = ports.refuses["Stripe_Payment_Failed__e"] = Uncertain("No answer")

    (asks,) = take(kind, settings, [a_decline()], ports)

    assert isinstance(asks, AskHuman)
    assert (asks.kind, [option.value for option in asks.options]) == (
        "in_doubt",
        ["happened", "repeat", "skip"],
    )
    assert asks.evidence["record"] == "pi_1"


@pytest.mark.parametrize(
    ("answer", "end"),
    [("happened", ("applied", 1)), ("repeat", ("applied", 2)), ("skip", ("skipped", 1))],
)
@pytest.mark.parametrize(("kind", "settings"), UNREPEATABLE)
def test_the_run_goes_on_as_the_person_says(ports, kind, settings, answer, end):
    ports.refuses["Stripe_Dunning"] = ports.refuses["Stripe_Payment_Failed__e"] = Uncertain("No answer")
    item = a_decline()
    take(kind, settings, [item], ports)
    ports.refuses.clear()

    item.keep("here", "answer", answer)
    ports.time = NOON + LANDS_WITHIN
    (done,) = take(kind, settings, [item], ports)

    assert (done.effect, len(ports.calls)) == end


@pytest.mark.parametrize(("kind", "settings"), [EVERY[0], EVERY[3]])
def test_what_the_org_does_once_is_simply_tried_again(ports, kind, settings):
    ports.refuses["eff_1"] = Uncertain("No answer", code="unanswered")
    (failed,) = take(kind, settings, [a_decline()], ports)
    ports.refuses.clear()

    (done,) = take(kind, settings, [a_decline()], ports)

    assert isinstance(failed, Transient)
    assert done.effect == "applied"
    assert [call[0]["external_id"] for call in ports.calls] == ["eff_1", "eff_1"]
    assert len(ports.records) == 1


def test_a_call_that_may_be_under_way_is_waited_for(ports):
    take("salesforce.publish", FAILED, [a_decline()], ports)
    (key,) = ports.effects
    ports.effects[key] = replace(ports.effects[key], state="sent", sent_at=NOON)

    (waits,) = take("salesforce.publish", FAILED, [a_decline()], ports)

    assert (waits.holds, waits.until) == ("run", NOON + SETTLES_WITHIN)
    assert isinstance(waits, Pause)


@pytest.mark.parametrize(
    "failure",
    [
        Refused("No such Flow"),
        Transient("Locked", code="UNABLE_TO_LOCK_ROW"),
        RateLimited("Slow down", resets_at=NOON + timedelta(minutes=1)),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_failure_stays_with_its_run(ports, failure):
    ports.refuses["eff_1"] = failure

    bad, good = take("salesforce.start_flow", DUNNING, [a_decline(1), a_decline(2)], ports)

    assert bad is failure
    assert good.effect == "applied"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        pytest.param({"about": "charge.nothing"}, "about", id="nothing that it is about"),
        pytest.param({"occurrence": "charge.nothing"}, "occurrence", id="no occurrence"),
        pytest.param({"record": "charge.nothing"}, "record", id="no record to work on"),
    ],
)
def test_without_an_id_nothing_is_started(ports, settings, field):
    (answer,) = take("salesforce.start_flow", {**DUNNING, **settings}, [a_decline()], ports)

    assert isinstance(answer, GiveUp)
    assert (answer.failure.code, answer.failure.field) == ("no_id", field)
    assert ports.effects == {}


@pytest.mark.parametrize("kind", ["salesforce.start_flow", "salesforce.publish"])
def test_a_value_that_cannot_be_made_harms_no_other_run(ports, kind):
    named = {"Amount__c": {"from": "charge.amount", "chips": DUNNING["inputs"]["Amount"]["chips"]}}
    settings = (
        {"event": "X__e", "values": named} if kind.endswith("publish") else {"flow": "X", "inputs": named}
    )

    bad, good = take(kind, settings, [a_decline(1, amount="many"), a_decline(2)], ports)

    assert (bad.failure.code, bad.failure.field) == ("not_a_number", "Amount__c")
    assert isinstance(good, Done)


def test_inputs_that_do_not_fit_the_org_are_refused(ports):
    settings = {"flow": "X", "inputs": {"Text": "charge.description"}}

    (answer,) = take("salesforce.start_flow", settings, [a_decline(description="x" * 140_000)], ports)

    assert answer.failure.code == "too_long"


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        pytest.param("salesforce.publish", {"event": "Failed__c"}, "pattern", id="an object, not an event"),
        pytest.param("salesforce.publish", {"event": "X__e"}, "either", id="an event without values"),
        pytest.param(
            "salesforce.start_flow",
            {"flow": "X", "inputs": {"A": {"from": "a.b", "value": 1}}},
            "not both",
            id="a path and a value",
        ),
        pytest.param(
            "salesforce.start_flow", {"flow": "X", "inputs": {"A": {}}}, "Say where", id="neither of them"
        ),
        pytest.param(
            "salesforce.start_flow",
            {"flow": "X", "inputs": {"A": {"chips": [{"chip": "text"}]}}},
            "needs a path",
            id="a chip without anything to change",
        ),
        pytest.param(
            "salesforce.start_flow", {"flow": "X", "inputs": {"not a name": "a.b"}}, "pattern", id="no name"
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(kind, settings, said):
    with pytest.raises(ValidationError, match=said):
        KINDS[kind].settings_model.model_validate(settings)


def test_a_created_record_is_mapped_without_its_key():
    mapping = {"target": "Task", "lines": [{"field": "Integration_Key__c", "from": "charge.id"}]}

    assert "Integration_Key__c" in problems("salesforce.create", TASK, describe=mapping)[0][1]
    assert problems("salesforce.create", {**TASK, "object": "Case"}, describe=mapping)[0][0] == "record"
    assert problems("salesforce.create", TASK)[0][0] == "record"


@pytest.mark.parametrize(("kind", "settings"), EVERY)
def test_effects_go_to_salesforce_only(kind, settings):
    assert problems(kind, {**settings, "slot": "stripe"})[0][0] == "slot"
