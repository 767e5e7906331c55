"""This module tests the step that waits for an event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from flows.engine.correlation import key_of, keys_of
from flows.engine.outcome import Done, GiveUp, Pause
from flows.engine.ports import Arrived
from flows.steps.wait_for_event import WaitForEventSettings
from tests.fakes import NOON, FakePorts
from tests.unit.flows.taking import a_mapped, take

PAID = {
    "types": ["invoice.paid"],
    "key": "payment_intent",
    "equals": "charge.payment_intent",
    "hours": 2,
    "look_back_minutes": 10,
}
CAME = Arrived(7, "evt_7", "invoice.paid", {"id": "in_1", "object": "invoice"})


def test_a_run_waits_until_its_event_has_come_and_goes_on_with_its_object():
    ports, run = FakePorts(), a_mapped({}, payment_intent="pi_1")

    (waits,) = take("wait_for_event", PAID, [run], ports)
    ports.came[key_of("pi_1")] = CAME
    ports.time = NOON + timedelta(hours=1)
    (goes_on,) = take("wait_for_event", PAID, [run], ports)

    told = "It waits for invoice.paid, until 2026-11-24 14:00 UTC"
    assert waits == Pause(NOON + timedelta(hours=2), told, holds="run")
    assert goes_on == Done({"id": "evt_7", "type": "invoice.paid", "object": CAME.object}, exit="came")
    assert run.recall("here", "event") == 7


def test_what_was_decided_when_the_run_came_holds_at_every_later_try():
    ports, run = FakePorts(), a_mapped({}, payment_intent="pi_1")
    asked: list[Any] = []
    awaited = ports.awaited
    ports.awaited = lambda waits: asked.extend(waits) or awaited(waits)  # type: ignore[method-assign]

    take("wait_for_event", PAID, [run], ports)
    ports.time = NOON + timedelta(minutes=30)
    run.context["charge"]["payment_intent"] = "pi_2"  # it was read anew
    take("wait_for_event", PAID, [run], ports)

    first, second = (one.awaited for one in asked)
    assert first == second
    assert first.since == NOON - timedelta(minutes=10)
    assert first.key == key_of("pi_1")


def test_time_is_up_for_good():
    ports, run = FakePorts(), a_mapped({}, payment_intent="pi_1")
    take("wait_for_event", PAID, [run], ports)
    ports.time = NOON + timedelta(hours=2)

    (late,) = take("wait_for_event", PAID, [run], ports)
    ports.came[key_of("pi_1")] = CAME
    (again,) = take("wait_for_event", PAID, [run], ports)

    assert late == again == Done({}, exit="timeout")


@pytest.mark.parametrize("value", [None, "", {"name": "pi_1"}, ["pi_1"], True, 1.5])
def test_a_value_that_names_nothing_is_told_instead_of_waited_for(value):
    (answer,) = take("wait_for_event", PAID, [a_mapped({}, payment_intent=value)])

    assert isinstance(answer, GiveUp)
    assert (answer.failure.error_class, answer.failure.field) == ("data", "equals")


def test_a_number_is_known_by_its_digits():
    assert key_of(4711) == key_of("4711") != key_of("04711")


def test_an_object_in_the_place_of_its_id_is_known_by_that():
    assert key_of({"id": "cus_1", "name": "Ada"}) == key_of("cus_1") != ""
    assert key_of({"name": "Ada"}) == ""


SHORT, LONG = "001Dn00000AbCdE", "001Dn00000AbCdEIAV"


@pytest.mark.parametrize(
    ("came", "waited", "found"),
    [
        (LONG, SHORT, True),
        (SHORT, LONG, True),
        (SHORT, SHORT, True),
        (SHORT.lower(), LONG, False),
        (LONG[:15] + "AAA", SHORT, False),
        ("pi_1", "pi_1", True),
        (None, "", False),
    ],
)
def test_an_id_of_salesforce_is_known_in_both_its_lengths(came, waited, found):
    assert (key_of(waited) in keys_of(came)) is found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hours": 0}, "Say how long the run waits at most"),
        ({"days": 60, "hours": 1}, "at most 60 days"),
        ({"key": "a..b"}, "path"),
        ({"types": ["invoice paid"]}, "pattern"),
        ({"look_back_minutes": 61}, "60"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, said):
    with pytest.raises(ValidationError) as refused:
        WaitForEventSettings.model_validate(PAID | change)

    assert said in str(refused.value)
