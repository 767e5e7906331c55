"""An org is looked at for changes seldom, with calls that it has to spare."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors import schemas
from connectors.models import Connection
from flows.impact import looking
from flows.impact.looking import Looker
from flows.models import Deployment
from integrator.kernel.errors import Transient
from tests.integration.flows.changed import LATER, mapping

pytestmark = pytest.mark.django_db


@pytest.fixture
def mapped(live: Deployment) -> Deployment:
    """Return a live flow whose org can be changed."""
    return mapping(live)


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        pytest.param({}, ["Firm__c", "Payment__c"], id="an org that is well"),
        pytest.param({"api_used": 79, "api_limit": 100}, ["Firm__c", "Payment__c"], id="with calls to spare"),
        pytest.param({"api_used": 80, "api_limit": 100}, [], id="whose calls belong to the flows"),
        pytest.param({"state": "resting", "paused_until": LATER}, [], id="that rests"),
    ],
)
def test_an_org_is_looked_at_only_while_it_has_calls_to_spare(
    mapped: Deployment, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], asked: list[str]
) -> None:
    Connection.objects.filter(pk=mapped.pair.salesforce_id).update(**how)
    told: list[str] = []
    monkeypatch.setitem(
        schemas._ASK, "salesforce", lambda _connection, names, _known: told.extend(names) or {}
    )
    looker = Looker()

    looker.look_due(now=LATER)
    looker.look_due(now=LATER + timedelta(minutes=59))

    assert told == asked


def test_what_an_org_does_not_tell_is_asked_for_seldom_and_keeps_nothing_else_waiting(
    mapped: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def fail(_connection: Any, names: list[str], _known: Any) -> dict[str, Any]:
        told.extend(names)
        return {name: Transient("Not now") for name in names}

    monkeypatch.setattr(looking, "MOST_AT_ONCE", 1)
    monkeypatch.setitem(schemas._ASK, "salesforce", fail)
    looker = Looker()

    for minute in range(10):
        looker.look_due(now=LATER + timedelta(minutes=minute))
    assert told == ["Firm__c", "Payment__c"]

    looker.look_due(now=LATER + timedelta(minutes=10))
    assert told == ["Firm__c", "Payment__c", "Firm__c"]


def test_looking_takes_a_small_share_of_the_calls_of_a_day(
    mapped: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    Connection.objects.filter(pk=mapped.pair.salesforce_id).update(api_used=0, api_limit=100)
    told: list[str] = []
    monkeypatch.setitem(
        schemas._ASK, "salesforce", lambda _connection, names, _known: told.extend(names) or {}
    )
    looker = Looker()

    for hour in range(24):
        looker.look_due(now=LATER + timedelta(hours=hour))

    assert len(told) == 6  # two objects, at once and after ten and twenty hours


def test_nobody_looks_where_it_is_switched_off(mapped: Deployment, settings: Any) -> None:
    settings.LOOK_AT_FIELDS_MINUTES = 0

    assert Looker().look_due(now=LATER) == 0
