"""Which external ids a look-up of a mapping may go by, and which values go with a record type."""

from __future__ import annotations

import pytest
from django.test import Client

from connectors.models import SchemaSnapshot
from flows.models import Draft, Event, Pair
from integrator.accounts.roles import Role
from tests.browser.mapping import a_field, a_snapshot
from tests.builders import a_person
from tests.integration.flows.test_mapper import Desk, recorded  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db

CUSTOMER = [
    a_field("Name", nameField=True, idLookup=True),
    a_field("Email__c", externalId=True),
    a_field("Stripe_ID__c", "Stripe id", externalId=True, unique=True),
    a_field("Notes__c"),
]


@pytest.fixture
def desk(client: Client, pair: Pair, recorded: Event) -> Desk:  # noqa: F811  # the fixture above
    a_snapshot(pair, "Stripe_Customer__c", CUSTOMER)
    return Desk(client, pair, a_person(), [])


def test_a_reference_offers_the_external_ids_of_its_records_the_safest_first(desk: Desk) -> None:
    told = desk.client.get(desk.at("keys/?field=Stripe_Customer__c")).json()

    assert told["trouble"] == ""
    assert [(key["field"], key["unique"]) for key in told["keys"]] == [
        ("Stripe_Customer__r.Stripe_ID__c", True),
        ("Stripe_Customer__r.Email__c", False),
        ("Stripe_Customer__r.Name", False),
    ]


@pytest.mark.parametrize("field", ["", "Name", "Nothing__c", "Stripe_Customer__r", "%00"])
def test_what_is_no_reference_has_none(desk: Desk, field: str) -> None:
    assert desk.client.get(desk.at(f"keys/?field={field}")).status_code == 404


def test_who_may_not_change_flows_is_told_nothing(desk: Desk) -> None:
    desk.client.force_login(a_person("otto@acme.test", role=Role.OPERATOR))

    assert desk.client.get(desk.at("keys/?field=Stripe_Customer__c")).status_code == 403


def test_a_look_up_is_joined_with_an_id_of_stripe(desk: Desk) -> None:
    edit = {"do": "join", "source": "charge.customer", "field": "Stripe_Customer__r.Stripe_ID__c"}

    told = desk.send(edit).json()

    assert desk.lines == [{"field": "Stripe_Customer__r.Stripe_ID__c", "from": ["charge.customer"]}]
    assert told["filled"] == ["Stripe_Customer__c"]


TYPED = {
    "name": "Partner", "label": "Partner payment", "id": "012000000000001AAA", "available": True,
    "default": True, "master": False, "picklists": {"Status__c": ["Pending"]},
}  # fmt: skip
NAMED = {"field": "RecordType.DeveloperName", "chips": [{"chip": "constant", "value": "Partner"}]}
PAID = {"field": "Status__c", "chips": [{"chip": "constant", "value": "Completed"}]}


@pytest.mark.parametrize(
    ("kind", "warned"),
    [
        pytest.param("salesforce.upsert", "New records are of type “Partner payment”", id="one may be new"),
        pytest.param(
            "salesforce.update", "Status__c lacks “Completed” in records", id="it has a type already"
        ),
    ],
)
def test_a_line_is_warned_by_what_becomes_of_its_record(desk: Desk, kind: str, warned: str) -> None:
    row = SchemaSnapshot.objects.get(object="Payment__c")
    by_id = a_field("RecordTypeId", type="reference", referenceTo=["RecordType"])
    content = {**row.content, "fields": [*row.content["fields"], by_id], "recordTypes": [TYPED]}
    SchemaSnapshot.objects.filter(pk=row.pk).update(content=content)
    draft = desk.draft
    draft.document["steps"].append({"id": "save", "kind": kind, "settings": {"record": "map"}})
    Draft.objects.filter(pk=draft.pk).update(document=draft.document)

    (line,) = desk.send({"do": "line", "line": PAID}).json()["lines"]

    assert warned in line["warning"]
    assert (
        desk.send({"do": "line", "line": NAMED}).json()["lines"][0]["problem"].startswith("Status__c lacks")
    )
