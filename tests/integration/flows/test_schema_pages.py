"""The pages of fields show what is known of both sides, and what flows have to do with a change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from connectors.models import Connection, SchemaSnapshot
from connectors.salesforce.schema import kept
from flows import drift
from flows.models import Deployment, FlowVersion, Pair
from tests.builders import NOON, a_flow, a_person
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.reading import Reader

pytestmark = pytest.mark.django_db(transaction=True)  # nobody is asked inside a transaction

HOSTILE = "<script>alert(1)</script>\u202e"
MAP = {
    "target": "Account",
    "lines": [{"field": "Brand__c", "from": "charge.id"}, {"field": "Owner__r.Key__c"}],
}


READ_ONLY = {"createable": False, "updateable": False}
HOT = [{"value": "Hot", "active": True}]


def an_object(
    connection: Connection, *fields: dict[str, Any], number: int = 1, name: str = "Account"
) -> None:
    usual = {"createable": True, "updateable": True, "nillable": True, "type": "string", "length": 80}
    told = {"name": name, "label": "Firm", "fields": [{**usual, **field} for field in fields]}
    SchemaSnapshot.objects.create(
        connection=connection, object=name, number=number, version="v67.0", digest=str(number),
        content=kept(told), taken_at=NOON + timedelta(days=number), checked_at=NOON + timedelta(days=number),
    )  # fmt: skip


def a_list(connection: Connection, *names: str) -> None:
    objects = [{"name": name, "label": f"The {name}", "custom": name.endswith("__c")} for name in names]
    SchemaSnapshot.objects.create(
        connection=connection, object="*", number=1, version="v67.0", digest="x",
        content={"objects": objects}, taken_at=NOON, checked_at=NOON,
    )  # fmt: skip


@pytest.fixture
def mapped(live: Deployment) -> Deployment:
    """Return a live flow that fills an Account."""
    step = {"id": "account", "kind": "map", "settings": MAP}
    live.version.document["steps"] = [
        step,
        {"id": "save", "kind": "salesforce.upsert", "settings": {"object": "Account"}},
    ]
    live.version.save()
    return live


def at(connection: Connection, path: str = "") -> str:
    return f"connections/{connection.public_id}/fields/{path}"


def test_a_connection_leads_to_its_fields(reader: Reader, pair: Pair) -> None:
    page = reader.page(f"connections/{pair.salesforce.public_id}/")

    assert f'href="/w/acme/dev/{at(pair.salesforce)}"' in page


def test_objects_are_listed_and_found_those_that_flows_use_first(reader: Reader, mapped: Deployment) -> None:
    crm = mapped.pair.salesforce
    a_list(crm, "AAA__c", "Account", "Zebra__c")

    page = reader.page(at(crm))
    found = reader.page(at(crm), q="zeb")

    assert page.index("The Account") < page.index("The AAA__c")
    assert "1 live flow" in page
    assert "The Zebra__c" in found
    assert "The Account" not in found
    assert "No object fits" in reader.page(at(crm), q="nothing")


def test_many_objects_are_shown_page_by_page(reader: Reader, pair: Pair) -> None:
    a_list(pair.salesforce, *(f"Object_{number:04}__c" for number in range(1500)))

    page = reader.page(at(pair.salesforce), page="2")

    assert "101 to 200 of 1500" in page
    assert "Object_0100__c" in page
    assert "Object_0099__c" not in page


def test_fields_are_shown_with_what_has_to_be_kept_to(reader: Reader, pair: Pair) -> None:
    an_object(
        pair.salesforce,
        {"name": "Name", "label": "Account name", "nillable": False},
        {"name": "Key__c", "externalId": True, "unique": True},
        {"name": "Total__c", "type": "currency", "precision": 18, "scale": 2, **READ_ONLY},
        {"name": "Parent", "type": "reference", "referenceTo": ["Account"]},
        {"name": "Rating", "type": "picklist", "restrictedPicklist": True, "picklistValues": HOT},
    )  # fmt: skip

    page = reader.page(at(pair.salesforce, "of/Account/"))

    for text in (
        "Account name", "up to 80 characters", "required", "external id", "unique", "16 digits, 2 decimals",
        "read only", "look-up, to Account", "1 value, no others", "Hot",
    ):  # fmt: skip
        assert text in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"show": "required"}, ["Name"]),
        ({"show": "writable"}, ["Name", "Key__c"]),
        ({"show": "key"}, ["Key__c"]),
        ({"q": "total"}, ["Total__c"]),
        ({"show": "nonsense"}, ["Name", "Key__c", "Total__c"]),
        ({"q": "\0total"}, ["Total__c"]),
    ],
)
def test_fields_can_be_narrowed(reader: Reader, pair: Pair, query: dict[str, str], shown: list[str]) -> None:
    fields = ({"name": "Name", "nillable": False}, {"name": "Key__c", "externalId": True})
    an_object(pair.salesforce, *fields, {"name": "Total__c", "createable": False, "updateable": False})

    page = reader.page(at(pair.salesforce, "of/Account/"), **query)

    assert [name for name in ("Name", "Key__c", "Total__c") if f">{name}<" in page] == shown


def test_a_hostile_label_is_shown_as_the_text_that_it_is(reader: Reader, pair: Pair) -> None:
    an_object(pair.salesforce, {"name": "Name", "label": HOSTILE, "inlineHelpText": HOSTILE})

    page = reader.page(at(pair.salesforce, "of/Account/"))

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_change_is_told_and_so_is_whether_a_flow_may_fail_by_it(reader: Reader, mapped: Deployment) -> None:
    crm = mapped.pair.salesforce
    an_object(crm, {"name": "Brand__c", "label": "Brand"}, {"name": "Other__c"}, number=1)
    an_object(crm, {"name": "Brand__c", "label": "Brand", "length": 20}, number=2)

    page = reader.page(at(crm, "of/Account/"))
    (found,) = drift.of(connection=crm, object="Account")

    assert "Brand__c takes 20 characters; it took 80." in page
    assert "It may fail by what has changed since" in page
    assert [one.kind for one in found.breaking] == ["shorter"]
    assert sorted(one.kind for one in found.differences) == ["removed", "shorter"]


def test_a_flow_is_asked_about_the_objects_that_it_names(mapped: Deployment) -> None:
    document = mapped.version.document

    assert drift.uses(document, "salesforce") == {"Account": frozenset({"Brand__c", "Owner__c"})}
    assert drift.uses(document, "stripe") == {"charge": frozenset({"id"})}
    assert drift.used_objects(mapped.pair.stripe) == {"charge": 1}


def test_many_flows_cost_no_more_than_one(mapped: Deployment, django_assert_max_num_queries: Any) -> None:
    crm, version = mapped.pair.salesforce, mapped.version
    an_object(crm, {"name": "Brand__c"}, number=1)
    an_object(crm, {"name": "Brand__c", "length": 20}, number=2)
    for number in range(5):
        flow = a_flow(mapped.pair.integration, slug=f"flow-{number}")
        again = FlowVersion.objects.create(
            flow=flow, number=1, document=version.document, content_hash=f"{number}",
            published_at=NOON + timedelta(days=number), published_by="ada",
        )  # fmt: skip
        Deployment.objects.create(
            flow=flow, version=again, pair=mapped.pair, deployed_at=NOON, deployed_by="ada"
        )

    with django_assert_max_num_queries(3):
        found = drift.of(connection=crm, object="Account")

    assert [bool(one.breaking) for one in found] == [True, True, True, False, False, False]


def test_an_outage_is_told_with_the_age_of_what_is_shown(reader: Reader, pair: Pair) -> None:
    an_object(pair.salesforce, {"name": "Name"})
    SchemaSnapshot.objects.get().fail(reason="Salesforce is away", now=NOON)

    page = reader.page(at(pair.salesforce, "of/Account/"))

    assert "This is as it was" in page
    assert "Salesforce is away" in page


def test_a_viewer_sees_what_is_known_and_causes_no_call(client: Client, pair: Pair) -> None:
    viewer = Reader(client, a_person("vera@acme.test", "viewer"))

    assert "has not been read yet" in viewer.page(at(pair.salesforce))
    assert viewer.press(at(pair.salesforce, "ask/"), object="Account").status_code == 403


def test_a_stripe_object_shows_what_its_events_say(reader: Reader, pair: Pair) -> None:
    an_event(pair.stripe, a_charge(description="Shoes", metadata={"order": "7"}))

    listed = reader.page(at(pair.stripe), q="charge")
    page = reader.page(at(pair.stripe, "of/charge/"))

    assert "of/charge/" in listed
    assert "Shoes" in page
    assert "100 %" in page
    assert "billing_details" in page
    assert "billing_details.email" not in page  # it is inside
    assert "billing_details.email" in reader.page(at(pair.stripe, "of/charge/"), **{"in": "billing_details"})
    assert "billing_details.email" in reader.page(at(pair.stripe, "of/charge/"), q="email")


def test_a_viewer_sees_no_values_of_events(client: Client, pair: Pair, reader: Reader) -> None:
    an_event(pair.stripe, a_charge(description="Shoes"))
    reader.page(at(pair.stripe, "of/charge/"))

    page = Reader(client, a_person("vera@acme.test", "viewer")).page(at(pair.stripe, "of/charge/"))

    assert "100 %" in page
    assert "Shoes" not in page


@pytest.mark.parametrize("name", ["nonsense", "../../runs", "a" * 300, "%00"])
def test_an_object_that_is_none_is_told(client: Client, pair: Pair, name: str) -> None:
    client.force_login(a_person("otto@acme.test", "operator"))

    answer = client.get(f"/w/acme/dev/{at(pair.stripe, f'of/{name}/')}")

    assert answer.status_code == 404


def test_what_starts_a_flow_is_used_with_the_fields_that_it_names():
    document = {
        "trigger": {
            "kind": "salesforce.change",
            "object": "Account",
            "fields": ["Phone"],
            "when": {"all": [{"path": ["Account.Type"], "is": "present"}]},
        },
        "steps": [
            {"settings": {"parameters": {"name": {"from": ["Account.Name"]}, "x": "Account.Owner.Name"}}},
        ],
    }

    assert drift.uses(document, "salesforce") == {"Account": frozenset({"Phone", "Type", "Name"})}
    assert drift.uses(document, "stripe") == {}
