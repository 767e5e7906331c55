"""A statement that is compiled once says the same as Django's, whatever it is given each time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F, Min
from django.test.utils import CaptureQueriesContext

from flows.bulk import among
from flows.models import Change, Lane, Pair, Run
from flows.routes import ROUTES
from flows.statements import Given, Select, Update
from tests.builders import NOON
from tests.integration.flows.given import a_live_flow, runs


@pytest.fixture
def live(pair: Pair) -> Pair:
    a_live_flow(pair)
    return pair


def _due_in_lanes() -> Select:
    found = Run.objects.due(Given("now")).filter(among("lane_id", Given("lanes", "bigint")))
    return Select(lambda: found.order_by("id").values_list("id", "created_at", "memory", "insisted"))


def test_rows_come_as_django_gives_them_with_other_values_each_time(live: Pair) -> None:
    one, other = runs(live, 2)
    Run.objects.filter(id=other.id).update(memory={"ask": {"answer": "yes"}}, next_attempt_at=NOON)
    later, due = NOON + timedelta(hours=1), _due_in_lanes()

    assert due.rows(now=later, lanes=[one.lane_id]) == [(one.id, one.created_at, None, False)]
    assert due.rows(now=later, lanes=[other.lane_id, 10**12]) == [
        (other.id, other.created_at, {"ask": {"answer": "yes"}}, False)
    ]
    assert due.values(now=later, lanes=[one.lane_id, other.lane_id]) == [one.id, other.id]


def test_nothing_is_found_in_no_lane_or_before_its_time(live: Pair) -> None:
    (run,) = runs(live, 1)
    due = _due_in_lanes()

    assert due.rows(now=NOON + timedelta(hours=1), lanes=[]) == []
    assert due.rows(now=NOON - timedelta(days=1), lanes=[run.lane_id]) == []


def test_sums_and_texts_are_found_too(live: Pair) -> None:
    one, other = runs(live, 2)
    oldest = Select(
        lambda: (
            Lane.objects.filter(among("key", Given("keys", "text")), pair=Given("pair"))
            .order_by()
            .values_list("pair")
            .annotate(Min("runs__id"))
        )
    )

    assert oldest.rows(keys=[one.lane.key, other.lane.key, "it's {"], pair=live.id) == [(live.id, one.id)]


def test_rows_are_changed_and_counted(live: Pair) -> None:
    one, other = runs(live, 2)
    crashed = Update(
        lambda: Lane.objects.filter(among("id", Given("lanes", "bigint"))),
        crashes=F("crashes") + 1,
        ready_at=Given("at"),
    )

    assert crashed.run(lanes=[one.lane_id], at=NOON) == 1
    assert crashed.run(lanes=[], at=NOON) == 0
    assert Lane.objects.get(id=one.lane_id).crashes == 1
    assert Lane.objects.get(id=one.lane_id).ready_at == NOON
    assert Lane.objects.get(id=other.lane_id).crashes == 0


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        pytest.param("closed", False, id="of a batch that was closed"),
        pytest.param("deployment", True, id="of a deployment"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_routes_are_looked_up_again_only_for_what_can_move_them(pair: Pair, kind: str, asked: bool) -> None:
    a_live_flow(pair)
    ROUTES.doors([pair.stripe_id])
    Change.objects.record(environment_id=pair.environment_id, kind=kind, summary={}, now=NOON)

    with CaptureQueriesContext(connection) as queries:
        ROUTES.doors([pair.stripe_id])

    assert bool(queries.captured_queries) is asked
