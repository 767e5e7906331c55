"""The page of a flow says what is wrong with the version that it shows, in the org as it is now."""

from __future__ import annotations

from copy import deepcopy

import pytest

from connectors.models import SchemaSnapshot
from flows import publishing
from flows.recipes import catalogue
from tests.builders import NOON, a_flow, a_person
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.reading import Reader

FIELD = {"name": "External_ID__c", "type": "string", "length": 255, "externalId": True}


@pytest.fixture
def published(pair):
    """Return a flow that saves payments, of an org that is known in part."""
    SchemaSnapshot.objects.create(
        connection=pair.salesforce, object="Payment__c", number=1, version="v67.0", digest="x",
        content={"fields": [FIELD, {**FIELD, "name": "Name", "label": "<b>Name</b>"}]}, taken_at=NOON,
        checked_at=NOON,
    )  # fmt: skip
    flow = a_flow(pair.integration)
    document = deepcopy(catalogue.load("payments").raw)
    publishing.publish(flow=flow, document=document, actor="ada", now=NOON)
    return flow


def test_the_page_asks_for_its_problems(pair, published, reader):
    page = reader.page(f"flows/{published.public_id}/")

    assert f'hx-get="/w/acme/dev/flows/{published.public_id}/problems/?version=1"' in page


def test_what_would_fail_is_listed_with_what_to_do(published, reader):
    page = reader.page(f"flows/{published.public_id}/problems/", version="1")

    assert "would fail" in page
    assert "The org has no field Amount__c here, or does not show it." in page
    assert "create the field, give the integration user access to it" in page
    assert "What Account consists of is not known: it has not been read yet" in page


def test_the_calls_of_a_day_are_told_by_the_events_that_came(pair, published, reader):
    before = reader.page(f"flows/{published.public_id}/problems/")
    for _ in range(20):
        an_event(pair.stripe, a_charge())
    after = reader.page(f"flows/{published.public_id}/problems/")

    assert "No event that starts it has come yet" in before
    assert "calls of Salesforce a day" in after


@pytest.mark.parametrize(
    ("template", "said"),
    [
        pytest.param("payments", "From now on Stripe starts this flow", id="Stripe starts it"),
        pytest.param("closed_won", "From now on Salesforce starts this flow", id="Salesforce starts it"),
    ],
)
def test_before_it_is_deployed_one_reads_which_side_starts_it(pair, client, template, said):
    owner = Reader(client, a_person("ada@acme.test", "admin"))
    flow = a_flow(pair.integration)
    publishing.publish(flow=flow, document=deepcopy(catalogue.load(template).raw), actor="ada", now=NOON)

    page = owner.page(f"flows/{flow.public_id}/")

    assert said in page
    assert ("its topic is listened to" in page) == ("Salesforce starts" in said)


def test_a_version_that_is_not_there_is_not_found(published, reader):
    assert (
        reader.client.get(f"/w/acme/dev/flows/{published.public_id}/problems/?version=9").status_code == 404
    )


def test_whoever_has_no_role_sees_nothing(client, published):
    stranger = Reader(client, a_person("eve@globex.test", None))

    assert stranger.client.get(f"/w/acme/dev/flows/{published.public_id}/problems/").status_code in {403, 404}
