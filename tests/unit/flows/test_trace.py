"""A trace shows what happened, and no secret."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from flows.engine import batch, trace
from flows.engine.policy import Policy
from integrator.kernel.errors import Refused
from tests.fakes import FakePorts, an_event, an_item
from tests.unit.flows.test_batch import a_plan


def traced(item=None, ports=None):
    return batch.run(a_plan(), [item or an_item()], ports or FakePorts(), Policy())[0].trace


def test_a_trace_begins_with_its_source_and_has_an_entry_for_each_step():
    source, mapping, saving = traced()

    assert (source["step"], source["kind"], source["object"]) == ("source", "payload", "ch_1")
    assert (mapping["step"], mapping["exit"], mapping["ms"]) == ("describe", "next", 0.0)
    assert mapping["input"] == {"External_ID__c": "ch_1", "Name": "ch_1"}
    assert saving["input"] == mapping["output"] == {"External_ID__c": "ch_1", "Name": "ch_1"}
    assert saving["output"]["created"] is True


def test_a_failure_stands_at_its_step():
    ports = FakePorts()
    ports.refuses["ch_1"] = Refused("Name: too long", code="STRING_TOO_LONG", field="Name", request_id="r1")

    entry = traced(ports=ports)[-1]

    assert entry["exit"] is None
    assert entry["error"] == {
        "class": "data",
        "code": "STRING_TOO_LONG",
        "field": "Name",
        "message": "Name: too long",
        "request_id": "r1",
    }


def test_a_failure_is_shown_without_what_cannot_be_stored_and_within_bounds():
    hostile = "a\x00b\ud83d" + "c" * 5_000
    ports = FakePorts()
    ports.refuses["ch_1"] = Refused(hostile, code=hostile, field=hostile, request_id=hostile)

    (*_, entry) = traced(ports=ports)

    kept = "a\ufffdb\ufffd" + "c" * 5_000
    assert entry["error"] == {
        "class": "unknown",
        "code": kept[:100],
        "field": kept[:100],
        "message": kept[:2_000],
        "request_id": kept[:100],
    }
    msgspec.json.encode(entry)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        pytest.param({"a": "sk_live_abcdefgh"}, {"a": "•••"}, id="a key"),
        pytest.param({"client_secret": "anything"}, {"client_secret": "•••"}, id="a name that says secret"),
        pytest.param({"a": ["4242 4242 4242 4242"]}, {"a": ["•••"]}, id="a card number in a list"),
        pytest.param({"a": Decimal("19.90")}, {"a": "19.90"}, id="an amount stays exact"),
        pytest.param({"a": 2**70}, {"a": str(2**70)}, id="a number too wide for JSON readers"),
        pytest.param({"a\ud800": "b\x00"}, {"a\ufffd": "b\ufffd"}, id="what cannot be stored"),
        pytest.param(date(2026, 11, 24), "2026-11-24", id="a date"),
        pytest.param((1, None, True), [1, None, True], id="a tuple"),
    ],
)
def test_a_value_is_shown_safely(value, seen):
    assert trace.shown(value) == seen


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": "x" * 20_000}, id="a long text"),
        pytest.param({f"k{n}": "x" * 100 for n in range(500)}, id="a wide record"),
        pytest.param([["x" * 300] * 20] * 20, id="a large list"),
        pytest.param({"a": '"\\' * 10_000}, id="a text that JSON has to escape"),
    ],
)
def test_a_step_adds_a_bounded_amount(value):
    shown = trace.shown(value)

    assert "too many" in shown["cut"]
    assert len(json.dumps(shown)) <= trace.LARGEST


def test_a_record_of_usual_size_is_kept_whole():
    record = {f"Field_{number}__c": "some value" for number in range(50)}

    assert trace.shown(record) == record


def test_hostile_nesting_is_cut():
    deep = {}
    for _ in range(5_000):
        deep = {"a": deep}

    assert trace.shown(deep) == {"cut": "It is nested too deeply to keep"}


def test_a_trace_is_json_whatever_stripe_said():
    item = an_item(an_event(id="evt_1", object={"id": "ch_1", "object": "charge", "\ud800": "\x00"}))

    assert json.loads(msgspec.json.encode(traced(item)))
