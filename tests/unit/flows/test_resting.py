"""Writes that our own writes have caused come to rest, or are held until a person lets them go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from flows.agreeing.own import MOST, MOST_AT_ALL, WITHIN, Past
from flows.agreeing.sameness import alike
from flows.engine.item import Source
from flows.engine.kind import Earlier
from flows.engine.outcome import AskHuman, Done
from tests.fakes import NOON, FakePorts
from tests.unit.flows.taking import KINDS, a_mapped

ACCOUNT = "001000000000001AAA"
TARGET = f"Account:{ACCOUNT}"
LINES = [{"field": name, "from": "charge.id"} for name in ("Phone", "Name")]
UPDATE = {"object": "Account", "id": "charge.metadata.account", "record": "describe"}


@pytest.fixture
def ports():
    ports = FakePorts()
    ports.hold("Account", ACCOUNT, Phone=None, Name="Acme")
    return ports


def step_of():
    kind, described = KINDS["salesforce.update"], KINDS["map"]
    mapping = described.settings_model.model_validate({"target": "Account", "lines": LINES})
    settings = kind.settings_model.model_validate(UPDATE)
    return kind.compile_behind("here", settings, {"describe": Earlier("map", mapping)})


def write(ports, *, ours=True, run_id=1, answer="", **values):
    """Let a run write `values` and return what it came to; what is to be kept is kept."""
    item = a_mapped(values, run_id=run_id, metadata={"account": ACCOUNT})
    item.event = replace(item.event, ours=ours)
    item.source = Source("ch_1", ports.time, ports.time)
    if answer:
        item.keep("here", "answer", answer)
    (found,) = step_of()([item], ports)
    ports.past.update(item.own_writes)
    ports.time += timedelta(seconds=10)
    return found


def effects(ports, phones, **how):
    found = [write(ports, run_id=number, Phone=phone, **how) for number, phone in enumerate(phones, 1)]
    return [one.effect if isinstance(one, Done) else type(one).__name__ for one in found]


def test_what_is_there_already_is_not_written_again(ports):
    assert effects(ports, ["1", "1", "1"]) == ["applied", "unchanged", "unchanged"]
    assert len(ports.calls) == 1


def test_what_nobody_of_us_has_caused_is_written_as_ever_and_costs_no_reading(ports):
    assert effects(ports, ["1", "2"] * 8, ours=False) == ["applied"] * 16
    assert [action for action, _ in ports.asked] == ["update"] * 16


def test_values_that_go_back_and_forth_are_held_and_one_click_lets_them_go_on(ports):
    assert effects(ports, ["1", "2"] * (MOST // 2)) == ["applied"] * MOST
    held = write(ports, run_id=98, Phone="1")
    assert isinstance(held, AskHuman)
    assert (held.kind, [one.value for one in held.options]) == ("loop", ["go_on"])

    gone_on = write(ports, run_id=98, Phone="1", answer="go_on")

    assert gone_on.effect == "applied"
    assert effects(ports, ["2"]) == ["applied"]


def test_a_value_that_something_else_sets_back_is_held(ports):
    for number in range(MOST):
        assert write(ports, run_id=number, Phone="1").effect == "applied"
        ports.records[TARGET]["Phone"] = "set back"

    assert isinstance(write(ports, run_id=99, Phone="1"), AskHuman)


def test_edits_that_follow_each_other_fast_are_let_through_beside_values_that_stay(ports):
    found = [write(ports, run_id=number, Phone=str(number), Name="Acme") for number in range(2 * MOST)]
    last = write(ports, run_id=99, Phone="x", Name="Another")

    assert [one.effect for one in (*found, last)] == ["applied"] * (2 * MOST + 1)


def test_a_record_that_never_comes_to_rest_is_held_whatever_its_values(ports):
    past = Past()
    for number in range(MOST_AT_ALL):
        assert not past.loops({"Phone": number}, NOON)
        past = past.with_write({"Phone": number}, NOON + timedelta(seconds=number))

    assert past.loops({"Phone": "new"}, NOON + timedelta(seconds=90)) == ["Phone"]
    assert not past.loops({"Phone": "new"}, NOON + WITHIN + timedelta(seconds=90))
    assert Past.of(past.as_data()) == past


def test_a_value_that_is_stored_in_another_form_is_sent_twice_at_most(ports):
    assert effects(ports, ["+1 (415) 555-0100"]) == ["applied"]
    ports.records[TARGET]["Phone"] = "14155550100"

    assert effects(ports, ["+1 (415) 555-0100"]) == ["unchanged"]
    assert effects(ports, ["+1 (415) 555-0199"]) == ["applied"]


@pytest.mark.parametrize(
    ("wanted", "stored", "is_alike"),
    [
        pytest.param(Decimal("10.126"), 10.13, True, id="rounded"),
        pytest.param(Decimal("10.125"), 10.13, True, id="a half rounded up"),
        pytest.param(Decimal("10.126"), 10.12, False, id="another number"),
        pytest.param("Ada@Acme.test", "ada@acme.test", True, id="an address in small letters"),
        pytest.param("Acme", "ACME", False, id="a name in capitals"),
        pytest.param("one\r\ntwo", "one\ntwo", True, id="line breaks"),
        pytest.param("2026-11-24T12:00:00.750Z", "2026-11-24T12:00:00.000+0000", True, id="fractions"),
        pytest.param("2026-11-24T12:00:01Z", "2026-11-24T12:00:00Z", False, id="another second"),
        pytest.param("415-555-0100", "(415) 555-0100", True, id="a phone number"),
        pytest.param("A 415", "B 415", False, id="no phone number"),
        pytest.param("1", None, False, id="nothing"),
        pytest.param(True, False, False, id="truth"),
    ],
)
def test_a_system_stores_some_values_in_its_own_form(wanted, stored, is_alike):
    assert alike(wanted, stored) is is_alike
