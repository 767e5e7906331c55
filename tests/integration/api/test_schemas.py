"""What objects consist of by REST: what is known, how old it is, and what has changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.models import SchemaSnapshot
from connectors.salesforce.schema import kept
from integrator.accounts.roles import Role
from tests.builders import NOON
from tests.integration.api.conftest import Program, staged

pytestmark = pytest.mark.django_db(transaction=True)  # nobody is asked inside a transaction


def at(connection, path=""):
    return f"connections/{connection.public_id}/schemas/{path}"


def snapshot(connection, number, *fields):
    content = kept(
        {"name": "Account", "label": "Account", "fields": [{"createable": True, **one} for one in fields]}
    )
    moment = NOON + timedelta(days=number)
    SchemaSnapshot.objects.create(
        connection=connection, object="Account", number=number, version="v67.0", digest=str(number),
        content=content, taken_at=moment, checked_at=moment,
    )  # fmt: skip


def test_an_object_is_shown_with_its_age(stage, program):
    snapshot(stage.pair.salesforce, 1, {"name": "Name", "type": "string", "length": 80})

    told = program(Role.VIEWER).get(at(stage.pair.salesforce, "Account/")).json()

    assert (told["object"], told["version"], told["gone"], told["failure"]) == ("Account", "v67.0", False, "")
    assert told["checked_at"].startswith("2026-11-25")
    assert [field["name"] for field in told["fields"]] == ["Name"]


def test_the_types_that_records_may_be_of_are_shown_with_what_they_take(stage, program):
    partner = {"name": "Partner", "label": "Partner", "available": True, "picklists": {"Status__c": ["Open"]}}
    snapshot(stage.pair.salesforce, 1, {"name": "Name"})
    row = SchemaSnapshot.objects.get(object="Account")
    SchemaSnapshot.objects.filter(pk=row.pk).update(content={**row.content, "recordTypes": [partner]})

    told = program(Role.VIEWER).get(at(stage.pair.salesforce, "Account/")).json()

    assert told["record_types"] == [partner]


def test_an_object_of_stripe_is_shown_to_who_may_have_it_read_and_known_from_then_on(stage, program):
    address = at(stage.stripe, "charge/")

    assert program(Role.VIEWER).get(address).status_code == 404
    told = program(Role.DESIGNER).get(address).json()

    assert {field["path"]: field["type"] for field in told["fields"]}["amount"] == "amount"
    assert program(Role.VIEWER).get(address).json() == told


def test_the_objects_of_stripe_are_listed(stage, admin):
    told = admin.get(at(stage.stripe)).json()

    assert {"charge", "invoice", "payment_intent"} <= {one["name"] for one in told["objects"]}


@pytest.mark.parametrize(
    ("since", "kinds"),
    [
        ("", ["removed", "shorter"]),
        ("2026-11-24T12:00:00Z", ["removed", "shorter"]),
        ("2026-11-26T13:00:00Z", []),
    ],
)
def test_differences_are_told_since_a_moment(stage, program, since, kinds):
    snapshot(stage.pair.salesforce, 1, {"name": "Name", "length": 80}, {"name": "Old__c"})
    snapshot(stage.pair.salesforce, 2, {"name": "Name", "length": 40})

    told = program(Role.VIEWER).get(at(stage.pair.salesforce, "Account/differences/"), since=since).json()

    assert sorted(one["kind"] for one in told) == kinds
    assert all(one["breaks"] and one["text"] for one in told)


@pytest.mark.parametrize("since", ["yesterday", "2026-11-24T12:00:00", "2026-99-99T12:00:00Z", "\0"])
def test_a_moment_that_is_none_is_refused(stage, admin, since):
    snapshot(stage.pair.salesforce, 1, {"name": "Name"})

    answer = admin.get(at(stage.pair.salesforce, "Account/differences/"), since=since)

    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["nonsense", "Account", "%2e%2e"])
def test_an_object_that_is_none_is_not_found(stage, admin, name):
    assert admin.get(at(stage.stripe, f"{name}/")).status_code == 404
    assert admin.get(at(stage.stripe, f"{name}/differences/")).status_code == 404


def test_a_system_that_cannot_be_reached_is_told_as_such(stage, admin):
    answer = admin.post(at(stage.pair.salesforce, "Account/ask/"))

    assert answer.status_code == 502
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_who_may_not_change_flows_has_nobody_asked(stage, program):
    assert program(Role.VIEWER).post(at(stage.stripe, "charge/ask/")).status_code == 403


def test_the_connections_of_another_workspace_are_not_there(stage, admin):
    other = staged("other")

    assert admin.get(at(other.stripe)).status_code == 404
    assert Program(Role.ADMIN, other.workspace).get(at(other.stripe)).status_code == 200
