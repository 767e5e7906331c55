"""A connection is examined from the login to the last field, at a real (simulated) other side."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from connectors import connections, credentials, readiness
from connectors.checks import Check, State
from connectors.models import Connection
from connectors.readiness import LOGIN, Readiness
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_person
from tests.integration.connectors.rig import Sandbox

PUBLIC = "https://integrator.acme.test"


def examine(connection: Connection, *, public_url: str = PUBLIC) -> Readiness:
    return readiness.examine(connection=connection, public_url=public_url, actor="ada@acme.test", now=NOON)


def called(found: Readiness, title: str) -> Check:
    """Return the check whose title begins so."""
    return next(check for check in found.checks if check.title.startswith(title))


def of_group(found: Readiness, title: str) -> set[State]:
    return {check.state for check in found.checks if check.group == title}


def test_an_org_is_examined_from_the_login_to_the_last_object(crm: Connection, org: Sandbox):
    found = examine(crm)

    assert found.ready, [check for check in found.checks if check.state is State.PROBLEM]
    assert of_group(found, LOGIN) == {State.OK}
    assert called(found, "Payment__c").state is State.OK
    assert called(found, "Payment__c").explanation == "21 fields of the package."
    assert "API calls are left" in called(found, "9").title
    assert len(org.calls("/describe")) >= 20


def test_an_untested_connection_is_pinned_by_its_first_examination(untested_crm: Connection):
    found = examine(untested_crm)

    untested_crm.refresh_from_db()
    assert untested_crm.pinned_account
    assert called(found, f"{untested_crm.pinned_account} is pinned").state is State.OK
    assert AuditEntry.objects.filter(action="connection.tested").exists()


def test_a_login_that_fails_is_all_that_is_told(crm: Connection, org: Sandbox):
    org.post("app", **org.app, approved=False)

    found = examine(crm)

    assert [check.state for check in found.checks] == [State.PROBLEM]
    assert not found.ready
    assert found.checks[0].remedy
    assert org.calls("/describe") == []


def test_another_org_is_a_problem_and_nothing_is_looked_at_there(crm: Connection, org: Sandbox):
    org.post("org", org_number=2)

    found = examine(crm)

    assert [check.title for check in found.checks] == ["This leads to another org"]
    assert org.calls("/describe") == []


def test_a_paused_connection_is_not_examined(crm: Connection, org: Sandbox):
    connections.pause(connection=crm, reason="The org is moved", actor="ada@acme.test", now=NOON)

    found = examine(crm)

    assert called(found, "The connection is paused").state is State.PROBLEM
    assert org.calls("/describe") == []


def test_fields_that_an_org_lacks_are_named(crm: Connection, org: Sandbox):
    body = {"createable": True, "updateable": True, "fields": []}
    org.break_("before", match_path="/sobjects/Refund__c/describe", params={"status": 200, "body": body})

    check = called(examine(crm), "Refund__c")

    assert check.state is State.PROBLEM
    assert check.explanation.startswith("Missing or hidden: Amount__c, Currency__c,")


def test_a_broken_answer_is_told_and_ends_nothing(crm: Connection, org: Sandbox):
    org.break_("garbage", match_path="/sobjects/Refund__c/describe")

    found = examine(crm)

    assert called(found, "Refund__c could not be looked at").state is State.PROBLEM
    assert called(found, "Payment__c").state is State.OK


def test_nothing_is_examined_inside_a_transaction(crm: Connection):
    with transaction.atomic(), pytest.raises(RuntimeError):
        examine(crm)


def test_a_restricted_key_is_told_which_permissions_it_lacks(billing: Connection, stripe_sandbox: Sandbox):
    allowed = dict.fromkeys(("account", "charges", "events", "payment_intents", "webhook_endpoints"), "read")
    stripe_sandbox.post("keys", key="rk_test_reader", permissions=allowed)
    credentials.store(billing, {"secret_key": "rk_test_reader"}, now=NOON)

    found = examine(billing)

    assert called(found, "May read charges").state is State.OK
    assert called(found, "The key is a restricted one").state is State.OK
    missing = called(found, "May not read customers")
    assert missing.state is State.PROBLEM
    assert "“Customers”" in missing.remedy
    assert "rak_customer_read" in missing.explanation
    assert "rk_test_reader" not in str(found)


def test_a_webhook_endpoint_is_found_at_stripe_and_missed_when_it_is_deleted(
    billing: Connection, stripe_sandbox: Sandbox
):
    here = "http://127.0.0.1:9"  # the sandbox delivers to this machine only
    endpoint, _ = connections.register_webhook(
        connection=billing, public_url=here, actor="ada@acme.test", now=NOON
    )
    there = examine(billing, public_url=here)
    elsewhere = examine(billing, public_url="https://moved.acme.test")
    type(endpoint).objects.filter(pk=endpoint.pk).update(stripe_id="we_deleted")
    gone = examine(billing)

    assert called(there, "Stripe sends here what templates start with").state is State.OK
    assert called(there, "May read payouts").state is State.OK
    assert not [check for check in there.checks if check.title.startswith("Nobody knows")]
    assert called(there, "A webhook address is not public").state is State.WARNING
    assert called(elsewhere, f"{endpoint.stripe_id} sends elsewhere").state is State.PROBLEM
    assert called(gone, "Stripe has no endpoint").state is State.PROBLEM


def test_an_examination_writes_nothing_at_the_other_side(
    crm: Connection, billing: Connection, org: Sandbox, stripe_sandbox: Sandbox
):
    examine(crm)
    examine(billing)

    written = [
        call
        for sandbox in (org, stripe_sandbox)
        for call in sandbox.calls("")
        if call["method"] != "GET" and "/oauth2/" not in call["path"] and "/_sandbox/" not in call["path"]
    ]
    assert written == []


# Pages and commands


@pytest.fixture
def admin(client: Client, transactional_db: None) -> Client:
    client.force_login(a_person("axel@acme.test", "admin"))
    return client


def at(connection: Connection, path: str = "") -> str:
    return f"/w/acme/dev/connections/{connection.public_id}/{path}"


def test_the_button_shows_the_list_in_the_page(admin: Client, crm: Connection):
    part = admin.post(at(crm, "readiness/"), headers={"HX-Request": "true"})
    whole = admin.post(at(crm, "readiness/"))

    for answer in (part, whole):
        page = answer.content.decode()
        assert answer.status_code == 200
        assert "Payment__c is there" in page
        assert "Ready for work" in page
    assert "<html" not in part.content.decode()
    assert "<html" in whole.content.decode()


def test_only_who_may_manage_connections_examines_them(client: Client, crm: Connection):
    client.force_login(a_person("otto@acme.test", "operator"))

    assert client.post(at(crm, "readiness/")).status_code == 403
    assert "Check readiness" not in client.get(at(crm)).content.decode()


def test_the_package_is_handed_out_as_a_zip(admin: Client, crm: Connection):
    answer = admin.get("/w/acme/dev/connections/package/")

    assert answer["Content-Type"] == "application/zip"
    assert ".zip" in answer["Content-Disposition"]
    assert "package.xml" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert "connections/package/" in admin.get(at(crm)).content.decode()


def test_the_command_prints_every_finding_and_fails_on_a_problem(
    crm: Connection, org: Sandbox, capsys: pytest.CaptureFixture[str]
):
    org.post("app", **org.app, approved=False)

    with pytest.raises(SystemExit):
        call_command("readiness", crm.name)

    told = capsys.readouterr().out
    assert "FAIL Login:" in told
    assert crm.public_id in told


def test_the_command_prints_json(billing: Connection, capsys: pytest.CaptureFixture[str]):
    call_command("readiness", billing.public_id, "--json")

    (told,) = json.loads(capsys.readouterr().out)
    assert told["connection"] == billing.public_id
    assert told["ready"] is True
    assert {"group", "title", "state", "explanation", "remedy"} == set(told["checks"][0])


def test_the_command_knows_no_other_connection(transactional_db: None):
    with pytest.raises(CommandError, match="nobody"):
        call_command("readiness", "nobody")


def test_the_command_writes_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    call_command("package", tmp_path / "package.zip")

    assert "sha256" in capsys.readouterr().out
    assert zipfile.ZipFile(tmp_path / "package.zip").testzip() is None
    with pytest.raises(CommandError):
        call_command("package", tmp_path / "nowhere" / "package.zip")


def test_the_interface_answers_the_same_list(admin: Client, crm: Connection):
    answer: Any = admin.post(f"/api/v1/connections/{crm.public_id}/readiness/")

    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert {"group", "title", "state", "explanation", "remedy"} == set(told["checks"][0])
    assert told["ready"] is not any(check["state"] == "problem" for check in told["checks"])
    assert any(check["title"] == "Payment__c is there" for check in told["checks"])


def test_an_org_that_stops_answering_holds_nobody_up(
    crm: Connection, org: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readiness, "DEADLINE_SECONDS", 0.5)
    org.break_("slow", match_path="/describe", params={"seconds": 20})
    began = time.monotonic()

    found = examine(crm)

    assert time.monotonic() - began < 15
    assert called(found, "Payment__c could not be looked at").state is State.PROBLEM
