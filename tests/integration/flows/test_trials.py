"""Trials: a flow is run on an event with the real engine, and nothing is changed anywhere."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.apps import apps

from flows.models import ExchangeRate
from flows.trials import occasions, running
from flows.trials.occasions import Unusable, of_pasted, of_sample
from flows.trials.results import same
from flows.trials.running import ready, try_out
from tests.builders import NOON
from tests.integration.flows.trying import a_document, pasted, trial
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
)

pytestmark = pytest.mark.django_db


def everything() -> dict[str, Any]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values()) for model in apps.get_models()
    }


def test_the_record_that_would_result_is_shown_and_nothing_is_kept(pair, systems):
    before = everything()

    found = trial(*UPSERT, DUN, body=pasted(payment_intent="pi_7", brand="visa"), pair=pair)

    assert (found.ending, found.fate) == ("done", "applied")
    (record,) = found.records
    assert (record.object, record.key_field, record.key) == ("Payment__c", "External_ID__c", "pi_7")
    assert record.fields == {"Status__c": "succeeded", "Card_Brand__c": "visa"}
    assert [(call.purpose, call.left_out) for call in found.calls] == [("Start the Flow Stripe_Dunning", "")]
    assert systems.calls == []
    assert everything() == before


def test_every_step_says_what_it_saw_gave_and_took(pair):
    found = trial(*UPSERT, pair=pair)

    assert [entry["step"] for entry in found.entries] == ["source", "describe", "save"]
    save = found.entries[-1]
    assert save["input"]["Status__c"] == "succeeded"
    assert save["output"]["external_id"] == save["input"]["External_ID__c"]
    assert save["ms"] >= 0
    assert found.exits == {"describe": "next", "save": "next"}


def test_a_mapping_that_fails_ends_the_trial_there_with_the_reason():
    found = trial(*UPSERT, body=pasted(payment_intent=None))

    assert (found.ending, list(found.records)) == ("failed", [])
    assert "External_ID__c" in found.reason


def test_what_is_not_recorded_is_not_read_and_takes_no_branch(pair, systems):
    find = {
        "id": "find",
        "kind": "salesforce.find",
        "settings": {
            "object": "Account",
            "by": [{"kind": "equal", "field": "Name", "from": "charge.status"}],
        },
        "exits": {"error": [{"id": "stop", "kind": "stop", "settings": {"reason": "handled"}}]},
    }

    found = trial(find, pair=pair)

    assert found.ending == "not_read"
    assert found.exits == {"find": ""}
    assert systems.calls == []


def test_live_reads_go_to_the_connection_and_writes_do_not(pair, systems, transactional_db):
    systems.answers["find"] = lambda _request: {
        "records": [{"Id": "001000000000001AAA", "Name": "succeeded"}]
    }
    find = {
        "id": "find",
        "kind": "salesforce.find",
        "settings": {
            "object": "Account",
            "by": [{"kind": "equal", "field": "Name", "from": "charge.status"}],
        },
    }

    found = trial(find, *UPSERT, DUN, pair=pair, live=True)

    assert found.exits["find"] == "found"
    assert [action for action, _ in systems.calls] == ["find"]
    assert found.reads == 1


def test_an_object_that_would_be_read_anew_stands_in_for_itself(pair):
    document = ready(a_document(*UPSERT, fetch=["charge.succeeded"]))

    found = try_out(document, of_pasted(pasted(), now=NOON), pair=pair, at=NOON).trial

    assert (found.ending, found.stood_in) == ("done", True)
    assert found.entries[0]["kind"] == "stood_in"


def test_a_sample_brings_the_object_that_is_read_along():
    document = ready(
        a_document(
            {"id": "map", "kind": "map", "settings": {"target": "Payment__c", "lines": [
                {"field": "Fee__c", "from": ["charge.balance_transaction.fee"]}]}},
            types=("charge.updated",), fetch=["charge.updated"],
        )
    )  # fmt: skip

    found = try_out(document, of_sample("payments", "charge_updated", now=NOON), pair=None, at=NOON).trial

    assert found.stood_in is False
    assert found.entries[1]["output"]["Fee__c"] is not None


def test_waiting_is_over_at_once(pair):
    wait = {"id": "rest", "kind": "wait", "settings": {"days": 3}}

    found = trial(wait, *UPSERT, pair=pair)

    assert (found.ending, len(found.waited)) == ("done", 1)


def test_a_question_is_shown_and_an_answer_goes_on_behind_it():
    ask = {
        "id": "ask",
        "kind": "ask",
        "settings": {
            "question": "Is {charge.status} right?",
            "options": [{"exit": "yes", "label": "Yes"}, {"exit": "no", "label": "No"}],
        },
    }

    stopped = trial(ask, *UPSERT)
    gone_on = trial(ask, *UPSERT, answers={"ask": "yes"})

    assert (stopped.ending, stopped.asked.step, stopped.asked.question) == (
        "question",
        "ask",
        "Is succeeded right?",
    )
    assert (gone_on.ending, gone_on.exits["ask"]) == ("done", "yes")


def test_a_rate_of_the_workspace_is_used_and_no_other(pair):
    convert = {
        "id": "euros",
        "kind": "currency.convert",
        "settings": {"amount": "charge.amount", "currency": "charge.currency", "into": "USD"},
    }
    ExchangeRate.objects.create(
        workspace=pair.integration.workspace, base="EUR", quote="USD", day=NOON.date(), rate="2", source="x",
        entered_at=NOON, entered_by="ada",
    )  # fmt: skip

    assert trial(convert, pair=pair).entries[1]["output"]["amount"] == 3998
    assert trial(convert).ending == "waits"


def test_time_is_bounded_even_where_lists_multiply():
    inner: dict[str, Any] = {"id": "s9", "kind": "stop", "settings": {"reason": "enough"}}
    for depth in range(6):
        inner = {
            "id": f"s{depth}",
            "kind": "for_each",
            "settings": {"list": "charge.lines", "limit": 1000},
            "exits": {"each": [inner]},
        }
    began = time.monotonic()

    found = trial(inner, body=pasted(lines=[{"id": f"l{n}"} for n in range(900)]), seconds=1.0)

    assert found.ending == "out_of_time"
    assert time.monotonic() - began < 60  # lists of lists would take for ever


def test_an_event_that_does_not_start_the_flow_says_so():
    assert trial(*UPSERT, body=pasted("charge.refunded")).starts is False
    assert trial(*UPSERT).starts is True


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="cut"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param('"x"', id="a text"),
        pytest.param("\ud800", id="half a character"),
        pytest.param('{"type": "charge.succeeded"}', id="no object"),
        pytest.param(
            '{"type": 5, "data": {"object": {"object": "charge", "id": "ch_1"}}}', id="a type of another kind"
        ),
        pytest.param(
            '{"type": "charge.succeeded", "data": {"object": {"id": 7}}}', id="an id of another kind"
        ),
        pytest.param('{"type": "x y", "data": {"object": {}}}', id="a type with blanks"),
        pytest.param("[" * 50_000 + "]" * 50_000, id="deep lists"),
        pytest.param(
            '{"type":"a","id":"b","data":{"object":' + '{"a":' * 80 + "1" + "}" * 80 + "}}", id="deep objects"
        ),
        pytest.param('{"a": "' + "x" * 300_000 + '"}', id="large"),
        pytest.param('{"a": ' + "9" * 5000 + "}", id="a number of 5000 digits"),
        pytest.param('{"a": 1e999999999}', id="an endless number"),
        pytest.param('{"a": NaN}', id="no number"),
    ],
)
def test_what_is_no_event_is_refused_in_plain_words(body):
    with pytest.raises(Unusable) as refusal:
        of_pasted(body, now=NOON)

    assert str(refusal.value)


@pytest.mark.parametrize(
    "charge",
    [
        pytest.param({"status": "\x00\ud800<script>"}, id="characters"),
        pytest.param({"metadata": {"__class__": "x", "{{7*7}}": "y"}}, id="names"),
        pytest.param({"amount": 10**400}, id="amounts"),
        pytest.param({"payment_intent": "'; DROP TABLE flows_run;--"}, id="ids"),
        pytest.param({"object": ["charge"]}, id="an object of another kind"),
        pytest.param({"previous_attributes": 7}, id="previous"),
    ],
)
def test_a_hostile_event_ends_in_order(charge, pair):
    try:
        found = trial(*UPSERT, DUN, body=pasted(**charge), pair=pair)
    except Unusable:
        return

    assert found.ending in ("done", "failed", "ended")


def test_a_document_that_is_not_finished_names_its_problems():
    with pytest.raises(running.definition.InvalidDocument):
        ready(a_document({"id": "map", "kind": "map", "settings": {}}))


# What would be, beside what is


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("19.90", 19.9, True),
        ("19.90", "19.9", True),
        ("0012", "12", False),
        (None, "", True),
        (None, 0, False),
        (True, 1, False),
        ("2026-11-24T12:00:00Z", "2026-11-24T12:00:00.000+0000", True),
        ("2026-11-24T12:00:00Z", "2026-11-24T13:00:00.000+0000", False),
        ("a", "A", False),
    ],
)
def test_what_means_the_same_is_no_difference(one, other, expected):
    assert same(one, other) is expected
    assert same(other, one) is expected


def test_what_is_kept_of_an_event_is_the_event(pair):
    occasion = of_pasted(pasted(amount=5, rate=0.1), now=NOON)
    tried = try_out(ready(a_document(*UPSERT)), occasion, pair=pair, at=NOON)

    again = occasions.of_data(occasion.as_data(tried.tape))

    assert again.payload == occasion.payload
    assert (
        try_out(ready(a_document(*UPSERT)), again, pair=None, at=NOON).trial.as_expected()
        == tried.trial.as_expected()
    )


def test_steps_that_would_be_undone_show_what_was_done_and_what_undoes_it(pair, systems):
    broken = {"id": "broken", "kind": "for_each", "settings": {"list": "charge.status"}}
    sorry = {"id": "sorry", "kind": "alert", "settings": {"title": "Undone: {error.message}"}}
    scope = {
        "id": "all",
        "kind": "scope",
        "settings": {"undo": [{"step": "dun", "exit": "back"}]},
        "exits": {"try": [*UPSERT, DUN, broken], "back": [sorry]},
    }

    found = trial(scope, pair=pair)

    assert (found.ending, found.exits["all"]) == ("done", "compensated")
    assert [record.object for record in found.records] == ["Payment__c"]
    assert [call.purpose for call in found.calls] == ["Start the Flow Stripe_Dunning"]
    assert [note.title for note in found.told] == ["Undone: 'succeeded' is not a list"]
    assert systems.calls == []


def test_a_wait_in_a_branch_is_over_at_once_and_shows_the_others_as_well(pair):
    wait = {"id": "rest", "kind": "wait", "settings": {"days": 2}}
    branches = {"branches": [{"exit": "left"}, {"exit": "right"}]}
    exits = {"left": [wait], "right": UPSERT}

    found = trial({"id": "fork", "kind": "parallel", "settings": branches, "exits": exits}, pair=pair)

    assert (found.ending, found.exits["rest"]) == ("done", "next")
    assert len(found.records) == 1
    assert len(found.waited) == 1
