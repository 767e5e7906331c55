"""Which way runs go, what they wait for, and whom they tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.engine import batch, definition, plan
from flows.engine.item import Item
from flows.engine.outcome import AskHuman, Done, GiveUp, Option, Pause
from flows.engine.policy import Policy
from flows.steps import registry
from tests.fakes import NOON, FakePorts, an_event, an_item
from tests.unit.flows.taking import KINDS, a_mapped, take
from tests.unit.flows.test_definition import a_document

STATUS = {
    "path": "charge.status",
    "cases": [{"exit": "good", "values": ["succeeded", "captured"]}, {"exit": "bad", "values": ["failed"]}],
}
REFUND = {
    "question": "Refund {charge.amount} of {charge.id}?",
    "options": [
        {"exit": "refund", "label": "Refund it", "description": "The customer gets the money."},
        {"exit": "keep", "label": "Keep it"},
    ],
    "evidence": ["charge.amount", "charge.nothing"],
}
FAILED = {"severity": "critical", "title": "{charge.id} failed", "text": "With {charge.failure_code}."}


def stop(name):
    return {"id": name, "kind": "stop", "settings": {"fate": "applied", "reason": name}}


def run(step, items, ports=None):
    kinds = registry.load()
    document = definition.load(a_document(step), kinds=kinds)
    return batch.run(plan.build(document, kinds=kinds), items, ports or FakePorts(), Policy())


def test_a_switch_takes_each_run_the_way_of_its_value():
    statuses = ["succeeded", "failed", "captured", "pending", None, {"a": 1}]
    items = [a_mapped({}, status=status) for status in statuses]

    answers = take("switch", STATUS, items)

    assert [answer.exit for answer in answers] == ["good", "bad", "good", *["otherwise"] * 3]
    assert answers[0].seen == {"charge.status": "succeeded"}


def test_every_way_of_a_switch_may_have_steps():
    exits = {name: [stop(name)] for name in ("good", "bad", "otherwise")}
    step = {"id": "switch", "kind": "switch", "settings": STATUS, "exits": exits}
    items = [an_item(an_event(status=status), run_id=n) for n, status in enumerate(["failed", "pending"])]

    assert [end.reason for end in run(step, items)] == ["bad", "otherwise"]


@given(st.lists(st.sampled_from(["succeeded", "failed", "1", 1, True, None, 1.0, "x"]), max_size=8))
def test_a_switch_answers_whatever_the_values_are(values):
    cases = [{"exit": "one", "values": [1]}, {"exit": "text", "values": ["failed"]}]

    answers = take(
        "switch", {"path": "charge.v", "cases": cases}, [a_mapped({}, v=value) for value in values]
    )

    ways = {"1": "one", "1.0": "one", "failed": "text"}
    assert [answer.exit for answer in answers] == [
        "otherwise" if value is True else ways.get(str(value), "otherwise") for value in values
    ]


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        pytest.param(
            [{"exit": "a", "values": [1]}, {"exit": "a", "values": [2]}], "same name", id="one name twice"
        ),
        pytest.param([{"exit": "otherwise", "values": [1]}], "same name", id="the name of the rest"),
        pytest.param([{"exit": "error", "values": [1]}], "error", id="the engine's own name"),
        pytest.param([{"exit": "Not good", "values": [1]}], "pattern", id="no name"),
        pytest.param(
            [{"exit": "a", "values": [1]}, {"exit": "b", "values": [1]}], "one case", id="a value twice"
        ),
        pytest.param([{"exit": "a", "values": []}], "at least 1", id="no value"),
    ],
)
def test_ways_that_cannot_be_told_apart_are_refused(cases, said):
    with pytest.raises(ValidationError, match=said):
        KINDS["switch"].settings_model.model_validate({"path": "charge.status", "cases": cases})


def test_a_yes_and_a_one_are_two_values():
    cases = [{"exit": "a", "values": [1, "1"]}, {"exit": "b", "values": [True]}]

    assert KINDS["switch"].settings_model.model_validate({"path": "charge.a", "cases": cases})


# Asking


def test_a_question_is_asked_with_what_helps_to_answer_it():
    (asks,) = take("ask", REFUND, [a_mapped({})])

    assert asks == AskHuman(
        "Refund 1999 of ch_1?",
        options=(
            Option("refund", "Refund it", "The customer gets the money."),
            Option("keep", "Keep it"),
        ),
        evidence={"charge.amount": 1999, "charge.nothing": None},
    )


def test_the_run_takes_the_exit_of_the_answer():
    step = {"id": "ask", "kind": "ask", "settings": REFUND, "exits": {"keep": [stop("kept")]}}
    asked, answered = an_item(run_id=1), an_item(run_id=2)
    answered.keep("ask", "answer", "keep")

    waiting, done = run(step, [asked, answered])

    assert (waiting.fate, waiting.reason) == ("waiting", "Refund 1999 of ch_1?")
    assert done.reason == "kept"


def test_an_answer_that_is_none_of_the_options_is_asked_again():
    item = a_mapped({})
    item.keep("here", "answer", "again")

    assert isinstance(take("ask", REFUND, [item])[0], AskHuman)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"question": "Refund {charge.id?"}, id="an open brace"),
        pytest.param({"question": "Refund {}?"}, id="no path"),
        pytest.param({"question": "x" * 2001}, id="too long"),
        pytest.param({"options": REFUND["options"][:1]}, id="one answer is no question"),
        pytest.param({"options": [REFUND["options"][0]] * 2}, id="the same answer twice"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(change):
    with pytest.raises(ValidationError):
        KINDS["ask"].settings_model.model_validate({**REFUND, **change})


# Alerts


def test_an_alert_tells_administrators_what_happened():
    item = a_mapped({}, failure_code="expired_card")

    (answer,) = take("alert", FAILED, [item])

    (note,) = item.notes
    assert (note.kind, note.severity, note.title, note.text) == (
        "flow_alert",
        "critical",
        "ch_1 failed",
        "With expired_card.",
    )
    assert answer.output["title"] == "ch_1 failed"


def test_an_event_is_told_once_however_often_it_is_handled():
    first, again, other = a_mapped({}), a_mapped({}), a_mapped({}, run_id=2)

    take("alert", FAILED, [first, first, again, other])

    keys = [note.key for item in (first, again, other) for note in item.notes]
    assert keys == ["alert:here:evt_1", "alert:here:evt_1", "alert:here:evt_2"]


def test_events_that_find_a_record_in_one_state_tell_it_once():
    def found(event_id: str, second: int, *, fetched: bool = True, code: str = "lost") -> Item:
        item = a_mapped({}, failure_code=code)
        at = NOON + timedelta(seconds=second)
        item.event = replace(item.event, id=event_id, record_id="001A")
        item.source = replace(item.source, not_after=at, fetched=fetched)
        return item

    first, same, later, other = found("e1", 0), found("e2", 0), found("e3", 9), found("e4", 0, code="stolen")
    take("alert", FAILED, [first, same, later, other, last := found("e5", 9, fetched=False)])

    keys = [item.notes[0].key for item in (first, same, later, other, last)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert keys[4] == "alert:here:e5"


def test_a_run_that_is_tried_again_tells_nothing_anew_although_its_record_has_changed():
    first = a_mapped({})
    first.event = replace(first.event, record_id="001A")
    first.source = replace(first.source, not_after=NOON, fetched=True)
    take("alert", FAILED, [first])
    again = replace(first, notes=[], source=replace(first.source, not_after=NOON + timedelta(hours=1)))

    take("alert", FAILED, [again])

    assert [note.key for note in again.notes] == [note.key for note in first.notes]


def test_each_element_of_a_list_has_an_alert_of_its_own():
    first, second = a_mapped({}), a_mapped({})
    second.place = "[lines:1]"

    take("alert", FAILED, [first, second])

    assert first.notes[0].key != second.notes[0].key


def test_history_raises_no_alert_unless_a_person_insists():
    item = a_mapped({})
    item.history = True

    (left_out,) = take("alert", FAILED, [item])
    assert (left_out.effect, item.notes) == ("skipped", [])

    item.insisted = True
    take("alert", FAILED, [item])
    assert len(item.notes) == 1


def test_a_title_is_one_short_line():
    item = a_mapped({}, description="a\nb" + "c" * 500)

    take("alert", {"title": "{charge.description}"}, [item])

    assert item.notes[0].title.startswith("a b")
    assert len(item.notes[0].title) == 200


# Waiting


def test_a_run_waits_and_goes_on_by_itself():
    ports, item = FakePorts(), a_mapped({})
    two_hours = {"hours": 1, "minutes": 60}

    (first,) = take("wait", two_hours, [item], ports)
    ports.time = NOON + timedelta(minutes=90)
    (second,) = take("wait", two_hours, [item], ports)
    ports.time = NOON + timedelta(hours=2)
    (done,) = take("wait", two_hours, [item], ports)

    over = NOON + timedelta(hours=2)
    assert [(end.until, end.holds) for end in (first, second)] == [(over, "run")] * 2
    assert isinstance(first, Pause)
    assert done == Done({"waited_until": over.isoformat()})


@pytest.mark.parametrize(
    ("ahead", "waits"), [(timedelta(days=60), True), (timedelta(0), False), (timedelta(days=-400), False)]
)
def test_a_run_waits_until_a_moment_that_is_read(ahead, waits):
    until = NOON + ahead

    (answer,) = take("wait", {"until": "charge.due"}, [a_mapped({}, due=int(until.timestamp()))])

    assert isinstance(answer, Pause) is waits
    assert not waits or answer.until == until


def test_the_moment_that_was_read_first_holds():
    ports, item = FakePorts(), a_mapped({}, due=int(NOON.timestamp()) + 60)
    take("wait", {"until": "charge.due"}, [item], ports)

    item.context["charge"] = {"due": int(NOON.timestamp()) + 999}
    (answer,) = take("wait", {"until": "charge.due"}, [item], ports)

    assert answer.until == NOON + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("due", "code"),
    [
        (None, "not_a_time"),
        ("soon", "not_a_time"),
        (1.5, "not_a_time"),
        (2**70, "not_a_time"),
        ("2027-11-26", "too_far"),
    ],
)
def test_a_moment_that_is_none_harms_no_other_run(due, code):
    bad, good = take("wait", {"until": "charge.due"}, [a_mapped({}, due=due), a_mapped({}, due=0)])

    assert isinstance(bad, GiveUp)
    assert (bad.failure.code, bad.failure.field) == (code, "until")
    assert isinstance(good, Done)


BERLIN = {"until": "charge.due", "zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("due", "settings", "until"),
    [
        pytest.param("2026-12-01", BERLIN, "2026-11-30T23:00", id="a date begins where it is"),
        pytest.param("2026-12-01", BERLIN | {"at": "09:30"}, "2026-12-01T08:30", id="a time of day"),
        pytest.param("2027-03-29", BERLIN | {"at": "09:00", "offset": -2}, "2027-03-27T08:00", id="winter"),
        pytest.param("2026-12-01T10:00:00.000+0000", BERLIN, "2026-12-01T10:00", id="as Salesforce writes"),
        pytest.param("2026-12-01T10:00:00", BERLIN, "2026-12-01T09:00", id="without a zone"),
        pytest.param(" 2026-12-01 ", BERLIN | {"at": "09:30"}, "2026-12-01T08:30", id="a date with space"),
        pytest.param("1797121400", BERLIN, "2026-12-13T00:23:20", id="Unix in metadata, no day of 1797"),
        pytest.param(1824946200, BERLIN, "2027-10-31T01:30", id="the hour that comes twice"),
        pytest.param(
            1796119200, BERLIN | {"offset": 90, "offset_unit": "minute"}, "2026-12-01T11:30", id="Unix"
        ),
    ],
)
def test_a_moment_is_a_date_or_a_time_with_an_offset(due, settings, until):
    (answer,) = take("wait", settings, [a_mapped({}, due=due)])

    assert answer.until == datetime.fromisoformat(until).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("due", "settings", "way"),
    [
        ("2026-11-24", {"if_past": "exit"}, "past"),
        ("2026-11-24", {"if_far": "exit"}, "in_time"),
        ("2026-11-24", {"if_past": "go_on"}, "next"),
        ("2028-01-01", {"if_far": "exit"}, "far"),
    ],
)
def test_a_run_that_cannot_wait_goes_the_way_that_it_went_first(due, settings, way):
    ports, item = FakePorts(), a_mapped({}, due=due)

    first = take("wait", {"until": "charge.due", **settings}, [item], ports)
    item.context["charge"] = {"due": "2026-12-24"}
    ports.time = NOON + timedelta(days=3)

    assert take("wait", {"until": "charge.due", **settings}, [item], ports) == first
    assert first[0].exit == way
    kind = KINDS["wait"]
    assert way in kind.exits_of(kind.settings_model(until=["charge.due"], **settings))


def test_a_moment_that_has_passed_fails_the_run_where_that_is_wanted():
    (answer,) = take("wait", {"until": "charge.due", "if_past": "fail"}, [a_mapped({}, due="2026-11-01")])

    assert isinstance(answer, GiveUp)
    assert answer.failure.code == "too_late"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hours": 1, "until": "charge.due"},
        {"days": 60, "minutes": 1},
        {"minutes": -5},
        {"until": "charge.due", "zone": "Mars/Base"},
        {"until": "charge.due", "at": "9 am"},
    ],
    ids=str,
)
def test_a_wait_that_makes_no_sense_is_refused(settings):
    with pytest.raises(ValidationError):
        KINDS["wait"].settings_model.model_validate(settings)
