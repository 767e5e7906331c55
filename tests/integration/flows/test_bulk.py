"""Many rows are found by one condition, whatever the values and however many there are."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connectors.models import Connection
from flows import bulk
from flows.bulk import among
from flows.models import Attempt, Event, ExchangeRate, Lane, Pair, Run
from tests.builders import NOON
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


# Writing: what comes back is what was given, on either database

HOSTILE = 'it\'s "quoted" \\ {1,2} NULL\n\t🙂'
TIMES = [datetime(2026, 11, 30, 12, 0, 0, 1, tzinfo=UTC), None, datetime(1999, 1, 1, tzinfo=UTC)]
BYTES = [b"gAAAAAB-_=", bytes(range(256)), b'"\\x00"']


def test_rows_are_written_as_they_were_given(live: Pair) -> None:
    runs_ = runs(live, 3)
    rows = [
        (run.id, reason, {"told": [HOSTILE, None, 1.5]}, kept, number > 0, number - 1, moment)
        for number, (run, reason, kept, moment) in enumerate(
            zip(runs_, [HOSTILE, "", "NULL"], BYTES, TIMES, strict=True)
        )
    ]

    bulk.update(Run, ("id", "reason", "memory", "kept", "insisted", "amount", "first_failed_at"), rows)

    columns = ("id", "reason", "memory", "kept", "insisted", "amount", "first_failed_at")
    found = Run.objects.order_by("id").values_list(*columns)
    assert [(*row[:3], bytes(row[3]), *row[4:]) for row in found] == rows


def test_rows_are_inserted_as_they_were_given(live: Pair) -> None:
    (run,) = runs(live, 1)
    rows = [
        (run.id, NOON, NOON, outcome, trace)
        for outcome, trace in zip(("done", '"', "\\"), BYTES, strict=True)
    ]

    count = bulk.insert(Attempt, ("run_id", "started_at", "finished_at", "outcome", "trace"), rows)

    found = Attempt.objects.order_by("id").values_list(
        "run_id", "started_at", "finished_at", "outcome", "trace"
    )
    assert count == 3
    assert [(*row[:4], bytes(row[4])) for row in found] == rows


def test_a_kind_that_only_the_driver_knows_is_written_too(live: Pair) -> None:
    workspace = live.integration.workspace_id
    rows = [(workspace, "EUR", "USD", NOON.date(), Decimal("1.0812"), "ECB", NOON, "x@acme.test")]

    bulk.insert(
        ExchangeRate,
        ("workspace_id", "base", "quote", "day", "rate", "source", "entered_at", "entered_by"),
        rows,
    )

    assert ExchangeRate.objects.values_list("rate", "day").get() == (Decimal("1.0812"), NOON.date())
