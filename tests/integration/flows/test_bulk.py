"""Many rows are found by one condition, whatever the values and however many there are."""

from __future__ import annotations

import pytest

from connectors.models import Connection
from flows.bulk import among
from flows.models import Event, Lane, Pair
from tests.integration.flows.given import a_live_flow, runs


@pytest.fixture
def live(pair: Pair) -> Pair:
    a_live_flow(pair)
    return pair


def test_rows_are_found_by_numbers(live: Pair) -> None:
    one, other, _third = runs(live, 3)

    found = Event.objects.filter(among("id", [one.event_id, other.event_id, 10**12]), fate="queued")

    assert set(found.values_list("id", flat=True)) == {one.event_id, other.event_id}


def test_rows_are_found_by_what_they_refer_to(live: Pair) -> None:
    one, _other = runs(live, 2)

    assert Lane.objects.filter(among("pair_id", [live.id])).count() == 2
    assert Event.objects.exclude(among("id", [one.event_id])).count() == 1
    assert Event.objects.filter(among("runs", [one.id])).get().id == one.event_id


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("plain", id="a plain text"),
        pytest.param('it\'s "quoted" \\ {1,2}', id="what stands for something in SQL, JSON or an array"),
        pytest.param("Zoë 🙂", id="a text beyond ASCII"),
    ],
)
def test_rows_are_found_by_texts(live: Pair, name: str) -> None:
    Connection.objects.filter(id=live.stripe_id).update(name=name)

    found = Connection.objects.filter(among("name", [name, "another"]))

    assert [row.id for row in found] == [live.stripe_id]


def test_nothing_is_found_by_nothing(live: Pair) -> None:
    runs(live, 1)

    assert not Event.objects.filter(among("id", [])).exists()
    assert not Event.objects.filter(among("external_id", [])).exists()
    assert Event.objects.exclude(among("external_id", [])).count() == 1


def test_more_values_fit_than_a_statement_has_places(live: Pair) -> None:
    (run,) = runs(live, 1)

    assert Event.objects.filter(among("id", range(run.event_id, run.event_id + 300_000))).count() == 1


def test_rows_are_changed_by_the_same_condition(live: Pair) -> None:
    one, other = runs(live, 2)

    Event.objects.filter(among("id", {one.event_id})).update(fate_reason="found")

    assert Event.objects.get(id=one.event_id).fate_reason == "found"
    assert Event.objects.get(id=other.event_id).fate_reason == ""
