"""What is offered for a setting: names of the org by name or label, paths with values, and never too many."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connectors.models import SchemaSnapshot
from flows.models import Flow, Pair
from integrator.accounts.roles import Role
from integrator.kernel.errors import Missing, Transient
from tests.builders import a_person
from tests.integration.api.conftest import Program
from tests.integration.flows.given import a_charge, an_event

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
FIELDS = [
    {"name": "Name", "label": "Account name", "type": "string"},
    {
        "name": "Stripe_Id__c",
        "label": "Stripe customer",
        "type": "string",
        "externalId": True,
        "idLookup": True,
    },
    {"name": "Email__c", "label": HOSTILE, "type": "email"},
    {
        "name": "ParentId",
        "label": "Parent",
        "type": "reference",
        "relationshipName": "Parent",
        "referenceTo": ["Account"],
    },
]


@pytest.fixture
def ada(client: Client, flow: Flow) -> Client:
    """Return a browser of a designer."""
    client.force_login(a_person("ada@acme.test", "designer"))
    return client


@pytest.fixture
def ask(ada: Client, flow: Flow) -> Any:
    """Return what asks as the form does."""

    def asking(kind: str, typed: str = "", of: str = "", *, environment: str = "dev") -> dict[str, Any]:
        address = f"/w/acme/{environment}/flows/{flow.public_id}/design/save/offers/"
        return ada.get(address, {"offers": kind, "q": typed, "of": of}).json()

    return asking


@pytest.fixture
def org(systems: Any) -> Any:  # the fixture above
    """Return an org with many objects."""
    many = [{"name": f"Thing_{number}__c", "label": f"Thing {number}"} for number in range(3000)]
    found = [
        {"name": "Account", "label": "Account"},
        {"name": "Payment__c", "label": "Money received"},
        {"name": "Paid__e", "label": "Paid"},
        *many,
    ]
    objects = [{**one, "queryable": True} for one in found]
    systems.answers["describe_global"] = lambda _: {"sobjects": objects, "last_modified": ""}
    systems.answers["describe"] = lambda _: {"name": "Account", "fields": FIELDS, "last_modified": ""}
    return systems


def values(told: dict[str, Any]) -> list[str]:
    """Return what would be written."""
    return [offer["value"] for offer in told["offers"]]


def test_an_object_is_found_by_its_name_or_its_label(ask, org):
    assert values(ask("objects", "money rec")) == ["Payment__c"]
    assert values(ask("objects", "PAYMENT")) == ["Payment__c"]
    assert values(ask("platform_events")) == ["Paid__e"]
    assert ask("objects", "nothing like it")["offers"] == []


def test_what_starts_a_flow_is_an_object_whose_changes_are_told(ask, org):
    told = {"sobjects": [{"name": name, "queryable": True} for name in ("Account", "User", "Bill__c")]}
    events = [{"name": name, "queryable": False} for name in ("AccountChangeEvent", "Bill__ChangeEvent")]
    org.answers["describe_global"] = lambda _: {**told, "sobjects": [*told["sobjects"], *events]}

    assert values(ask("changing_objects")) == ["Account", "Bill__c"]


def test_no_list_is_longer_than_it_can_be_shown(ask, org):
    told = ask("objects", "thing")

    assert (len(told["offers"]), told["more"]) == (30, True)
    assert values(ask("objects", "thing_2999__c"))[0] == "Thing_2999__c"  # and then what else there is


def test_fields_are_those_of_the_object_and_fit_what_is_asked(ask, org):
    assert values(ask("fields", of="Account")) == ["Stripe_Id__c", "Name", "Email__c", "ParentId"]
    assert values(ask("external_ids", of="Account")) == ["Stripe_Id__c"]
    assert ask("relations", of="Account")["offers"] == [
        {"value": "Parent", "label": "Parent", "detail": "leads to Account"}
    ]
    assert ask("fields")["trouble"] == "Choose the object first."
    assert ask("stripe_changes")["trouble"] == "Choose what is changed first."
    assert ask("fields", "script", of="Account")["offers"][0]["label"] == HOSTILE


def test_flows_of_the_org_are_asked_for_once_in_a_while(ask, org):
    flows = [{"ApiName": "Stripe_Dunning", "Label": "Dun a customer"}, {"ApiName": None, "Label": "Odd"}]
    flows += [{"ApiName": "On_Payment", "Label": "A customer pays", "TriggerType": "RecordAfterSave"}]
    org.answers["query"] = lambda _: {"records": flows}

    assert [values(ask("flows", typed)) for typed in ("dun", "customer", "x")] == [["Stripe_Dunning"]] * 2 + [
        []
    ]
    assert len(org.made("query")) == 1


def test_an_org_out_of_reach_is_told_and_keeps_nobody_from_writing(ask, org):
    org.answers["describe_global"] = org.answers["query"] = lambda _: Transient("No answer within 8 seconds")

    assert "No answer within 8 seconds" in ask("objects", "acc")["trouble"]
    assert "No answer within 8 seconds" in ask("flows")["trouble"]
    assert "Connect Stripe and Salesforce" in ask("objects", environment="qa")["trouble"]


def test_an_object_that_the_org_lacks_is_not_asked_for_at_each_letter(ask, org):
    org.answers["describe"] = lambda _: Missing("There is no such object")

    told = [ask(kind, typed, of="Paymnet__c") for kind in ("fields", "external_ids") for typed in ("a", "am")]

    assert {one["trouble"] for one in told} == {
        "Salesforce has no object Paymnet__c that the integration user may see."
    }
    assert len(org.made("describe")) == 1
    assert "no object Order__c" in ask("fields", of="Order__c")["trouble"]


def test_paths_come_with_a_value_of_an_event_and_with_what_steps_before_gave(ask, pair: Pair):
    an_event(pair.stripe, a_charge(description="Shoes"))

    offer = ask("paths", "charge.descr")["offers"][0]

    assert (offer["value"], offer["label"]) == ("charge.description", "such as Shoes")
    assert "steps.map_payment.Name" in values(ask("paths", "steps."))
    assert values(ask("paths", "email", of="customer"))[0] == "customer.email"


def test_names_that_never_change_are_offered_too(ask):
    assert values(ask("currencies", "eu")) == ["EUR"]
    assert values(ask("stripe_objects", "payment_i")) == ["payment_intent"]
    assert "charge.succeeded" in values(ask("event_types", "charge.suc"))
    assert values(ask("zones", "berlin")) == ["Europe/Berlin"]
    assert "customer" in values(ask("expansions", of="charge"))


def test_only_those_who_change_flows_may_ask_and_only_for_what_is_offered(ask, client, flow, otto):
    assert "nothing to offer" in ask("secrets")["detail"]

    client.force_login(otto)

    address = f"/w/acme/dev/flows/{flow.public_id}/design/save/offers/"
    assert client.get(address, {"offers": "currencies"}).status_code == 403


def test_a_program_asks_the_same(flow: Flow, pair: Pair):
    program = Program(Role.DESIGNER, pair.environment.workspace)
    now = timezone.now()
    SchemaSnapshot.objects.create(
        connection=pair.salesforce, object="Account", number=1, version="v67.0", digest="x",
        content={"name": "Account", "fields": FIELDS}, taken_at=now, checked_at=now,
    )  # fmt: skip
    path = f"flows/{flow.public_id}/draft/steps/save/offers/"

    told = program.get(path, environment="dev", offers="external_ids", of="Account").json()

    assert values(told) == ["Stripe_Id__c"]
    assert program.get(path, offers="secrets").status_code == 400
