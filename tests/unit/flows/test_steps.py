"""What each step kind does with a batch."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from flows.engine.outcome import Done, End, GiveUp, ReadAgain
from flows.engine.ports import Applied
from flows.steps import registry
from integrator.kernel.errors import Refused, Transient, Uncertain
from tests.fakes import NOON, FakePorts, a_reading, an_event, an_item

KINDS = registry.load()
BIG = {"all": [{"path": "charge.amount", "is": "greater", "value": 1000}]}
PAID = {"path": "charge.status", "is": "equal", "value": "succeeded"}


@pytest.fixture
def ports():
    return FakePorts()


def take(kind, settings, items, ports=None):
    step = KINDS[kind].compile("here", KINDS[kind].settings_model.model_validate(settings))
    return step(items, ports or FakePorts())


def a_record(run_id=1, external_id="pi_1", at=NOON, **fields):
    """Return a run whose map step made a record."""
    item = an_item(an_event(at=at, id=f"evt_{run_id}", **fields), run_id=run_id)
    item.outputs["describe"] = {
        "External_ID__c": external_id,
        "Amount__c": Decimal("19.99"),
        "Run__c": run_id,
    }
    return item


def save(items, ports, **settings):
    settings = {"object": "Payment__c", "external_id": "External_ID__c", "record": "describe", **settings}
    return take("salesforce.upsert", settings, items, ports)


def test_a_condition_takes_each_run_its_own_way():
    items = [an_item(an_event(amount=5000)), an_item(an_event(amount=5))]

    assert [answer.exit for answer in take("condition", BIG, items)] == ["yes", "no"]


def test_a_filter_ignores_what_does_not_pass_and_shows_its_name():
    items = [an_item(an_event(amount=5000)), an_item(an_event(amount=5))]

    passed, ignored = take("filter", {**BIG, "name": "Only large payments"}, items)

    assert isinstance(passed, Done)
    assert ignored == End("ignored", "Filter: Only large payments", seen={"charge.amount": 5})


@pytest.mark.parametrize("fate", ["applied", "ignored"])
def test_a_stop_ends_the_run_as_it_says(fate):
    assert take("stop", {"fate": fate, "reason": "Enough"}, [an_item()]) == [End(fate, "Enough")]


def test_a_map_makes_a_record_of_each_run():
    line = {
        "field": "Amount__c",
        "from": "charge.amount",
        "chips": [{"chip": "money", "currency": "charge.currency"}],
    }
    items = [an_item(an_event(amount=5)), an_item(an_event(amount=7, currency="jpy"))]

    answers = take("map", {"target": "Payment__c", "lines": [line]}, items)

    assert [answer.output for answer in answers] == [
        {"Amount__c": Decimal("0.05")},
        {"Amount__c": Decimal("7")},
    ]
    assert answers[0].seen == {"Amount__c": 5}


def test_a_record_that_cannot_be_made_names_the_field():
    line = {"field": "Name", "from": "charge.nothing", "empty": "fail"}

    (answer,) = take("map", {"target": "Payment__c", "lines": [line]}, [an_item()])

    assert isinstance(answer, GiveUp)
    assert (answer.failure.error_class, answer.failure.code, answer.failure.field) == (
        "data",
        "required_empty",
        "Name",
    )


def test_records_are_saved_in_one_call(ports):
    answers = save([a_record(1, "pi_1"), a_record(2, "pi_2")], ports)

    assert [answer.effect for answer in answers] == ["applied", "applied"]
    assert [answer.output["created"] for answer in answers] == [True, True]
    assert len(ports.calls) == 1
    assert ports.calls[0][0] == {
        "object": "Payment__c",
        "external_id_field": "External_ID__c",
        "external_id": "pi_1",
        "values": {"Amount__c": Decimal("19.99"), "Run__c": 1},
    }


def test_what_was_saved_is_remembered_with_its_source(ports):
    item = a_record()

    save([item], ports)

    (write,) = item.writes
    assert (write.target, write.stripe_id, write.created) == ("Payment__c:pi_1", "pi_1", True)
    assert ports.applied["Payment__c:pi_1"] == Applied("ch_1", 1, NOON, NOON)


def test_an_older_state_is_superseded_and_sends_nothing(ports):
    later = NOON + timedelta(seconds=5)
    ports.applied["Payment__c:pi_1"] = Applied("ch_1", 99, later, later)

    (answer,) = save([a_record()], ports)

    assert answer.effect == "superseded"
    assert ports.calls == []


def test_a_superseded_state_still_tells_which_record_it_is_about(ports):
    later = NOON + timedelta(seconds=5)
    (saved,) = save([a_record()], ports)
    ports.applied["Payment__c:pi_1"] = Applied("ch_1", 99, later, later)

    (answer,) = save([a_record()], ports)

    assert answer.effect == "superseded"
    assert answer.output["id"] == saved.output["id"]


def test_what_is_in_doubt_is_read_again(ports):
    ports.applied["Payment__c:pi_1"] = Applied("ch_1", 99, NOON, NOON)

    (answer,) = save([a_record()], ports)

    assert isinstance(answer, ReadAgain)
    assert ports.calls == []


def test_one_record_is_never_twice_in_a_call_and_the_newest_comes_last(ports):
    newer, older = a_record(1, at=NOON + timedelta(seconds=9)), a_record(2, at=NOON)

    answers = save([newer, a_record(3, "pi_3"), older], ports)

    assert [answer.effect for answer in answers] == ["applied", "applied", "applied"]
    calls = [sorted(request["external_id"] for request in call) for call in ports.calls]
    assert calls == [["pi_1", "pi_3"], ["pi_1"]]
    assert ports.records["Payment__c:pi_1"]["Run__c"] == 1


def test_within_a_batch_the_guard_sees_what_was_just_saved(ports):
    answers = save([a_record(1), a_record(2)], ports)

    assert [type(answer) for answer in answers] == [Done, ReadAgain]


def test_a_refusal_stays_with_its_record(ports):
    ports.refuses["pi_2"] = Refused("Too long", code="STRING_TOO_LONG", field="Name")

    good, bad = save([a_record(1, "pi_1"), a_record(2, "pi_2")], ports)

    assert isinstance(good, Done)
    assert bad is ports.refuses["pi_2"]


def test_a_lost_answer_is_simply_tried_again(ports):
    ports.refuses["pi_1"] = Uncertain("No answer")

    assert isinstance(save([a_record()], ports)[0], Transient)


@pytest.mark.parametrize(
    "external_id", [None, "", 7, "x" * 256], ids=["null", "empty", "a number", "too long"]
)
def test_a_record_that_could_not_be_found_again_is_not_saved(ports, external_id):
    (answer,) = save([a_record(external_id=external_id)], ports)

    assert answer.failure.code == "no_external_id"
    assert ports.calls == []


@pytest.mark.parametrize(
    ("fields", "worth"),
    [
        pytest.param({}, (1999, "USD"), id="a payment counts"),
        pytest.param({"status": "failed"}, (None, ""), id="a failed one does not"),
        pytest.param({"amount": "1999"}, (None, ""), id="text is no amount"),
        pytest.param({"amount": 10**30}, (None, ""), id="more than the database holds"),
    ],
)
def test_a_record_counts_as_money_while_the_condition_holds(ports, fields, worth):
    item = a_record(**fields)

    save(
        [item],
        ports,
        counts_as_money={"amount": "charge.amount", "currency": "charge.currency", "when": PAID},
    )

    assert (item.writes[0].amount, item.writes[0].currency) == worth


def test_a_reading_is_applied_over_what_was_in_doubt(ports):
    ports.applied["Payment__c:pi_1"] = Applied("ch_1", 99, NOON, NOON)
    item = a_record()
    item.source = a_reading({"id": "pi_1", "object": "payment_intent"}).source

    assert save([item], ports)[0].effect == "applied"
