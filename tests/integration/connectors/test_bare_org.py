"""An org without anything of ours is ready once the package is deployed and the rights are given."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from connectors import connections, gateway, readiness
from connectors.checks import State
from connectors.models import Connection
from connectors.readiness import Readiness
from connectors.salesforce.client import API_VERSION
from connectors.salesforce.package import source
from connectors.salesforce.package.archive import archive
from integrator.kernel import errors
from tests.builders import NOON
from tests.integration.connectors.rig import USERNAME, Sandbox

PAYMENT = {
    "object": "Payment__c",
    "external_id_field": "External_ID__c",
    "external_id": "pi_1",
    "values": {"Status__c": "Completed", "Currency__c": "USD"},
}


@pytest.fixture
def bare_crm(untested_crm: Connection, org: Sandbox) -> Connection:
    """Return a connection to an org without anything of ours."""
    org.post("bare")
    org.post("app", **org.app)
    assert connections.test(connection=untested_crm, actor="ada@acme.test", now=NOON).ok
    return untested_crm


def examine(connection: Connection) -> Readiness:
    return readiness.examine(
        connection=connection, public_url="https://integrator.acme.test", actor="ada@acme.test", now=NOON
    )


def upsert(connection: Connection) -> Any:
    (result,) = gateway.call_many(connection_id=connection.pk, action="upsert", requests=[PAYMENT])
    return result


def deploy(org: Sandbox, content: bytes, *, username: str, admin: bool) -> dict[str, Any]:
    """Deploy a zip as a user, and return the result."""
    session = org.post("sessions", username=username, admin=admin)
    address = f"{org.address}/services/data/{API_VERSION}/metadata/deployRequest"
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    options = {"deployOptions": {"singlePackage": True, "rollbackOnError": True}}
    parts = {
        "json": (None, json.dumps(options), "application/json"),
        "file": ("package.zip", content, "application/zip"),
    }
    begun = requests.post(address, headers=headers, files=parts, timeout=20)  # type: ignore[arg-type]
    assert begun.status_code == 201, begun.text
    for _ in range(50):
        told = requests.get(
            f"{address}/{begun.json()['id']}?includeDetails=true", headers=headers, timeout=20
        ).json()["deployResult"]
        if told["done"]:
            return dict(told)
        time.sleep(0.05)
    raise AssertionError("The deployment did not end")


def show_events(org: Sandbox) -> None:
    """
    Show the fields of events to everybody, as a real org does: field security is not for events.

    https://developer.salesforce.com/docs/atlas.en-us.platform_events.meta/platform_events/platform_events_considerations.htm
    """
    for thing in source.objects():
        for field in thing.fields if thing.event else ():
            org.post("permissions", object=thing.name, field=field.name, level="full")


def test_the_package_makes_a_bare_org_ready_and_a_payment_is_kept(bare_crm: Connection, org: Sandbox):
    before, refused = examine(bare_crm), upsert(bare_crm)

    told = deploy(org, archive(), username="admin@acme.test", admin=True)
    without_rights = examine(bare_crm)
    org.post("permissions", username=USERNAME, assign=source.PERMISSION_SET)
    show_events(org)
    after, kept = examine(bare_crm), upsert(bare_crm)

    assert before.problems >= 13
    assert isinstance(refused, errors.IntegrationError)
    assert told["success"], told["details"]["componentFailures"]
    assert without_rights.problems >= 13
    assert [check for check in after.checks if check.state is State.PROBLEM] == []
    assert kept["created"] is True


def test_the_integration_user_itself_may_not_deploy(bare_crm: Connection, org: Sandbox):
    with pytest.raises(AssertionError, match="Modify Metadata"):
        deploy(org, archive(), username=USERNAME, admin=False)
