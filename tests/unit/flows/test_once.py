"""This module tests what is done about calls that must happen once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flows.engine import once
from flows.engine.ports import Doubtful, Happened, Intent, LeftOut, NotYet
from flows.trials.results import calls_of
from flows.trials.world import Started
from integrator.kernel.errors import Forbidden, IntegrationError, Refused, Transient, Uncertain
from tests.fakes import NOON, an_item

FLOW = 7


def an_intent(**fields: Any) -> Intent:
    """Return the intent to start a Flow for a payment."""
    item = fields.pop("item", None) or an_item()
    given = {
        "step": "dun",
        "kind": "starting",
        "purpose": "Start the flow Stripe_Dunning",
        "record": "pi_1",
        "occurrence": "ch_1",
        "slot": "salesforce",
        "action": "start_flow",
        "request": {"flow": "Stripe_Dunning", "inputs": {"effect": "{effect}"}},
    }
    return Intent(item=item, **(given | fields))  # type: ignore[arg-type]  # fields of an intent


def recorded(state: once.State, **fields: Any) -> once.Recorded:
    """Return what the row of an effect says."""
    return once.Recorded(effect_id=1, state=state, **fields)


def test_a_new_effect_is_sent() -> None:
    assert once.decide(recorded("planned"), an_intent(), now=NOON) == once.Send()


def test_what_is_done_is_not_done_again() -> None:
    done = recorded("done", result={"id": "0XX1"})

    assert once.decide(done, an_intent(), now=NOON) == Happened({"id": "0XX1"}, before=True)


def test_a_refused_request_is_a_new_generation() -> None:
    assert once.decide(recorded("refused"), an_intent(), now=NOON) == once.Send(raised=True)


@pytest.mark.parametrize("state", ["planned", "refused"])
def test_history_sends_no_letters(state: once.State) -> None:
    old = an_intent(item=an_item(history=True))

    assert isinstance(once.decide(recorded(state), old, now=NOON), LeftOut)


def test_a_person_may_insist_on_history() -> None:
    wanted = an_intent(item=an_item(history=True, insisted=True))

    assert once.decide(recorded("planned"), wanted, now=NOON) == once.Send()
    assert once.decide(recorded("skipped"), wanted, now=NOON) == once.Send(raised=True)


def test_what_was_left_out_stays_left_out() -> None:
    assert isinstance(once.decide(recorded("skipped"), an_intent(), now=NOON), LeftOut)


def test_what_somebody_left_out_in_doubt_is_done_by_no_retry() -> None:
    wanted, left_out = an_intent(item=an_item(insisted=True)), recorded("skipped", reason=once.LEFT_OUT)

    assert once.decide(left_out, wanted, now=NOON) == LeftOut(once.LEFT_OUT)


def test_who_insists_on_what_was_in_doubt_waits_until_the_first_can_land_no_more() -> None:
    wanted, doubted = an_intent(item=an_item(insisted=True)), recorded("skipped", sent_at=NOON, reason="x")

    assert once.decide(doubted, wanted, now=NOON) == NotYet(NOON + once.LANDS_WITHIN)
    assert once.decide(doubted, wanted, now=NOON + once.LANDS_WITHIN) == once.Send(raised=True)


def test_a_lost_answer_is_no_doubt_where_the_other_side_does_it_once() -> None:
    sent = recorded("sent", sent_at=NOON)

    assert once.decide(sent, an_intent(repeatable=True), now=NOON) == once.Send()


def test_a_call_that_may_still_be_under_way_is_waited_for() -> None:
    sent = recorded("sent", sent_at=NOON)

    waiting = once.decide(sent, an_intent(), now=NOON + timedelta(seconds=1))

    assert waiting == NotYet(NOON + once.SETTLES_WITHIN)


def test_a_lost_answer_is_looked_up_where_it_can_be() -> None:
    sent = recorded("sent", sent_at=NOON)
    findable = an_intent(look_up=("find", {"object": "Task"}))

    assert once.decide(sent, findable, now=NOON + once.SETTLES_WITHIN) == NotYet(NOON + once.LANDS_WITHIN)
    assert once.decide(sent, findable, now=NOON + once.LANDS_WITHIN) == once.Look()


def test_a_lost_answer_that_nobody_can_look_up_is_a_question() -> None:
    sent = recorded("sent", sent_at=NOON)

    assert isinstance(once.decide(sent, an_intent(), now=NOON + once.SETTLES_WITHIN), Doubtful)


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (once.HAPPENED, Happened({}, before=True)),
        (once.REPEAT, once.Send(raised=True)),
        (once.SKIP, LeftOut("A person decided to leave it out")),
    ],
)
def test_a_person_settles_a_doubt(answer: str, decision: once.Decision) -> None:
    item = an_item(memory={"dun": {"answer": answer}})

    assert once.decide(recorded("in_doubt"), an_intent(item=item), now=NOON) == decision


def test_an_answer_says_nothing_about_a_try_that_another_run_made_since() -> None:
    first, replay = an_item(), an_item()
    later = NOON + timedelta(hours=1)
    for item in (first, replay):  # both are told of the doubt, and both ask
        once.decide(recorded("in_doubt", sent_at=NOON), an_intent(item=item), now=later)
        item.keep("dun", "answer", once.REPEAT)

    again = once.decide(recorded("in_doubt", sent_at=NOON), an_intent(item=first), now=later)
    assert again == once.Send(raised=True)  # and its answer is lost once more
    doubt = once.decide(recorded("in_doubt", sent_at=later), an_intent(item=replay), now=later)

    assert isinstance(doubt, Doubtful)


def test_what_a_person_wants_repeated_waits_until_the_first_try_can_land_no_more() -> None:
    asked = an_item(memory={"dun": {"answer": once.REPEAT, "tried_at": NOON.timestamp()}})
    doubtful = recorded("in_doubt", sent_at=NOON)

    early = once.decide(doubtful, an_intent(item=asked), now=NOON + timedelta(minutes=1))
    late = once.decide(doubtful, an_intent(item=asked), now=NOON + once.LANDS_WITHIN)

    assert early == NotYet(NOON + once.LANDS_WITHIN)
    assert late == once.Send(raised=True)


def test_a_doubt_without_an_answer_stays_one() -> None:
    assert isinstance(once.decide(recorded("in_doubt"), an_intent(), now=NOON), Doubtful)


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (Transient("locked", code="UNABLE_TO_LOCK_ROW"), "planned"),
        (Forbidden("no right"), "planned"),
        (Refused("no such flow"), "refused"),
        (Uncertain("no answer"), "in_doubt"),
        (Transient("too late", code="timeout"), "in_doubt"),
    ],
)
def test_an_answer_says_what_is_known_of_the_effect(failure: IntegrationError, state: once.State) -> None:
    end, told = once.judge_answer(1, an_intent(), failure)

    assert end.state == state
    assert isinstance(told, Doubtful) if state == "in_doubt" else told is failure


@pytest.mark.parametrize("findable", [{"repeatable": True}, {"look_up": ("find", {})}])
def test_a_lost_answer_is_tried_again_where_that_is_safe(findable: dict[str, Any]) -> None:
    end, told = once.judge_answer(1, an_intent(**findable), Uncertain("no answer", code="unanswered"))

    assert end.state == "sent"
    assert isinstance(told, Transient)


def test_an_effect_that_creates_is_the_same_for_every_flow() -> None:
    creating = an_intent(kind="creating", created="Task", purpose="Dunning task")

    assert once.key_of(creating, FLOW) == once.key_of(replace(creating, step="other"), FLOW + 1)
    assert once.key_of(creating, FLOW) != once.key_of(replace(creating, purpose="Another task"), FLOW)


def test_a_second_occurrence_is_another_effect_and_a_replay_is_not() -> None:
    first, second = an_intent(occurrence="ch_1"), an_intent(occurrence="ch_2")

    assert once.key_of(first, FLOW) == once.key_of(an_intent(item=an_item(run_id=9)), FLOW)
    assert once.key_of(first, FLOW) != once.key_of(second, FLOW)
    assert once.key_of(first, FLOW) != once.key_of(first, FLOW + 1)


def test_elements_of_a_list_have_effects_of_their_own() -> None:
    one, other = an_item(place="[lines:0]"), an_item(place="[lines:1]")

    assert once.key_of(an_intent(item=one), FLOW) != once.key_of(an_intent(item=other), FLOW)


def test_the_effects_own_id_stands_where_the_request_wants_it() -> None:
    filled = once.filled({"a": "x{effect}", "b": [{"c": "{effect}"}], "d": 1}, "eff_1")

    assert filled == {"a": "xeff_1", "b": [{"c": "eff_1"}], "d": 1}


# What the other side does once by its key, for a day


KEYED = {"keyed": True, "look_up": ("find_marked", {"effect": "{effect}"})}


@pytest.mark.parametrize(
    ("later", "reason", "decision"),
    [
        pytest.param(timedelta(seconds=1), "", once.Send(again=True), id="at once"),
        pytest.param(
            once.KEY_LASTS - timedelta(seconds=1), "", once.Send(again=True), id="while its key lasts"
        ),
        pytest.param(
            once.KEY_LASTS, "", NotYet(NOON + once.KEY_LASTS + once.LANDS_WITHIN), id="it may still land"
        ),
        pytest.param(once.KEY_LASTS + once.LANDS_WITHIN, "", once.Look(), id="after that it is looked for"),
        pytest.param(timedelta(seconds=1), once.KEY_SPENT, once.Look(), id="and where its key helps no more"),
    ],
)
def test_a_lost_answer_is_asked_for_again_under_its_key(
    later: timedelta, reason: str, decision: once.Decision
) -> None:
    sent = recorded("sent", sent_at=NOON, reason=reason)

    assert once.decide(sent, an_intent(**KEYED), now=NOON + later) == decision


def test_what_no_look_up_finds_is_a_question_once_its_key_is_gone() -> None:
    sent = recorded("sent", sent_at=NOON)

    found = once.decide(sent, an_intent(keyed=True), now=NOON + once.KEY_LASTS + once.LANDS_WITHIN)

    assert isinstance(found, Doubtful)


@pytest.mark.parametrize(
    ("failure", "again", "end"),
    [
        (Uncertain("no answer", code="timeout"), False, ("sent", "no answer")),
        (Uncertain("kept", code=once.KEY_SPENT), True, ("sent", once.KEY_SPENT)),
        (Transient("too fast", code="budget"), False, ("planned", "too fast")),
        (Transient("too fast", code="budget"), True, ("sent", "too fast")),
        (Refused("no such customer"), True, ("refused", "no such customer")),
    ],
)
def test_being_turned_away_says_nothing_of_the_try_before(
    failure: IntegrationError, again: bool, end: tuple[str, str]
) -> None:
    found, told = once.judge_answer(1, an_intent(**KEYED), failure, again=again)

    assert (found.state, found.reason) == end
    assert isinstance(told, IntegrationError)


def test_a_key_belongs_to_one_generation_of_an_effect() -> None:
    request = {"key": once.ONCE_KEY, "since": once.FIRST_SENT, "params": {"name": "{generation}"}}

    assert once.filled(request, "eff_1", generation=2, first_sent=NOON) == {
        "key": "eff_1.2",
        "since": int(NOON.timestamp()),
        "params": {"name": "{generation}"},
    }


@pytest.mark.parametrize(
    ("created", "said"), [("stripe.credit_note", "Credit note"), ("Payment__c", "Payment__c"), ("", "")]
)
def test_a_trial_says_what_would_be_created(created: str, said: str) -> None:
    (call,) = calls_of([Started(an_intent(created=created), {})])

    assert (call.purpose, call.creates) == ("Start the flow Stripe_Dunning", said)
