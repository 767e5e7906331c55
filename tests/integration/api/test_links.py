"""Links by REST: found from either side, with values for those who may see them; and answers to conflicts."""

from __future__ import annotations

import pytest

from flows import agreements
from flows.agreeing.agreement import Change
from flows.models import Deployment
from integrator.accounts.roles import Role
from tests.integration.flows.test_links import RECORD, a_conflict, an_agreement, keep


@pytest.fixture
def live(stage):
    return Deployment.objects.select_related("flow").get(pair=stage.pair)


@pytest.fixture
def link(live):
    changed = Change("written", "salesforce", {"Account.Name": ["Bob", "Ada"]}, "evt_1")
    return keep(live, an_agreement(changes=[changed]))


def test_links_are_found_from_either_side(admin, link):
    for query in ({"stripe_id": "cus_1"}, {"record_id": RECORD}, {"q": "ada@acme.test"}, {"state": "agreed"}):
        assert [row["id"] for row in admin.get("links/", **query).json()["results"]] == [link.pk]
    assert admin.get("links/", state="held").json()["results"] == []
    assert admin.get("links/", environment="qa").json()["results"] == []


def test_a_link_tells_what_both_sides_agreed_on_and_what_set_it(admin, link, live):
    told = admin.get(f"links/{link.pk}/").json()

    values = {one["name"]: (one["stripe"], one["salesforce"]) for one in told["fields_agreed"]}
    assert values["Account.Name"] == ({}, "Ada")
    assert values["customer.email"] == ({"customer.email": "ada@acme.test"}, None)
    (line,) = told["history"]
    assert (line["how"], line["who"], line["values"]) == (
        "written",
        "evt_1",
        {"Account.Name": ["Bob", "Ada"]},
    )
    assert line["flow"] == live.flow.public_id


def test_without_payloads_there_are_no_values_and_no_address_is_looked_for(program, link):
    viewer = program(Role.VIEWER)
    told = viewer.get(f"links/{link.pk}/")

    assert told.json()["fields_agreed"] is None
    assert told.json()["history"][0]["values"] == {}
    assert "Bob" not in told.content.decode()
    assert viewer.get("links/", q="ada@acme.test").status_code == 400


def test_a_conflict_is_answered_field_by_field(admin, stage, live):
    review, link = a_conflict(stage.pair, live)
    path = f"reviews/{review.public_id}/answer/"
    fields = {"Account.Name": {"take": "salesforce"}}

    refused = admin("POST", path, {"answer": "each", "fields": fields})
    fields["Account.Score__c"] = {"take": "value", "value": "3"}
    taken = admin("POST", path, {"answer": "each", "fields": fields})

    assert (refused.status_code, taken.status_code) == (400, 200)
    link.refresh_from_db()
    decided = agreements.opened(link.base, link.pair_id)["decided"]
    assert [one["take"] for one in decided.values()] == ["salesforce", "value"]
