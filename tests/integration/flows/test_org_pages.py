"""The pages show what came from Salesforce as what it is: records, what happened, and which fields."""

from __future__ import annotations

from typing import Any

import pytest

from flows.dispatch import dispatch
from flows.models import Deployment, FlowVersion, Pair, Run
from integrator.accounts.roles import Role
from tests.builders import NOON, a_flow
from tests.integration.api.conftest import Program
from tests.integration.flows.bus import ACCOUNT, changed, told

pytestmark = pytest.mark.django_db

OTHER = "001000000000002AAA"


@pytest.fixture
def started(pair: Pair) -> Any:
    """Return the runs that a change of two Accounts has started."""
    document = {
        "format": 1,
        "name": "Accounts",
        "trigger": {"kind": "salesforce.change", "object": "Account"},
        "steps": [{"id": "stop", "kind": "stop", "settings": {"reason": "enough"}}],
    }
    flow = a_flow(pair.integration, slug="accounts")
    version = FlowVersion.objects.create(
        flow=flow, number=1, document=document, content_hash="x", published_at=NOON, published_by="ada"
    )
    Deployment.objects.create(flow=flow, version=version, pair=pair, deployed_at=NOON, deployed_by="ada")
    pair.salesforce.base_url = "https://acme.my.salesforce.com"
    pair.salesforce.save()
    changed(pair.salesforce, ACCOUNT, OTHER, Name="Acme", Phone=None)
    dispatch(now=NOON)
    return {run.subject: run for run in Run.objects.all()}


def test_an_event_names_its_records_where_they_are_and_the_fields_that_changed(reader, started):
    page = reader.page(f"events/{started[ACCOUNT].event_id}/")

    for record in (ACCOUNT, OTHER):
        assert f'href="https://acme.my.salesforce.com/{record}"' in page
    assert '<span class="chip">Name</span><span class="chip">Phone</span>' in page
    assert "Stripe event" not in page


def test_a_run_is_about_one_record(reader, started):
    page = reader.page(f"runs/{started[OTHER].public_id}/")

    assert f"my.salesforce.com/{OTHER}" in page
    assert f"my.salesforce.com/{ACCOUNT}" not in page


@pytest.mark.parametrize("wanted", [OTHER, OTHER[:15]])
def test_runs_and_events_are_found_by_any_record_that_they_are_about(reader, started, wanted):
    runs = reader.page("runs/", q=wanted)
    events = reader.page("events/", q=wanted)

    assert started[OTHER].public_id in runs
    assert started[ACCOUNT].public_id not in runs
    assert f"/events/{started[OTHER].event_id}/" in events


def test_programs_find_runs_by_their_records(pair, started):
    program = Program(Role.OPERATOR, pair.environment.workspace)

    found = program.get(f"runs/?object_id={OTHER}").json()["results"]

    assert [(one["subject"], one["event"]["type"]) for one in found] == [(OTHER, "Account.updated")]


def test_a_platform_event_is_no_object(reader, pair):
    event = told(pair.salesforce, "Won__e", {"Amount__c": 7})

    page = reader.page(f"events/{event.pk}/")

    assert "<dt>Platform event</dt><dd>Won__e</dd>" in page
