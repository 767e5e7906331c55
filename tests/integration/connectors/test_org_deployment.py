"""An administrator lends a session, and the org gets what its flows need: checked first, and nothing else."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from connectors import connections, org_deployment
from connectors.models import Connection
from connectors.org_deployment import OtherOrg, Progress
from connectors.salesforce.package.rights import SET
from connectors.salesforce.package.wanted import Wanted
from flows import publishing
from integrator.accounts.models import AuditEntry
from integrator.kernel import errors
from integrator.kernel.refusals import Unacceptable
from tests.builders import NOON, a_pair, a_person
from tests.integration.connectors.rig import USERNAME, Sandbox

ADA = "ada@acme.test"
ONE = ("Payments",)
WANTED = Wanted(
    flows=ONE,
    objects={"Payment__c": ONE, "Account": ONE},
    fields={("Payment__c", "Amount__c"): ONE, ("Account", "Stripe_Payment_Status__c"): ONE},
    written={"Payment__c": ONE, "Account": ONE},
    captured={"Account": ONE},
    heard={"Opportunity_Closed_Won__e": ONE},
)


@pytest.fixture
def bare_crm(untested_crm: Connection, org: Sandbox) -> Connection:
    """Return a connection to an org without anything of ours."""
    org.post("bare")
    org.post("app", **org.app)
    assert connections.test(connection=untested_crm, actor=ADA, now=NOON).ok
    return untested_crm


@pytest.fixture
def session(bare_crm: Connection, org: Sandbox) -> str:
    """Return the session that an administrator lends."""
    told = org.post("sessions", username="admin@acme.test", admin=True)
    return str(told["access_token"])


class Lender:
    """Somebody who goes through the steps with a lent session."""

    def __init__(self, connection: Connection, session: str, wanted: Wanted = WANTED) -> None:
        self.known: dict[str, Any] = {
            "connection": connection, "wanted": wanted, "session": session, "actor": ADA, "now": NOON,
        }  # fmt: skip

    def check(self) -> Progress:
        return self.wait(org_deployment.check(**self.known))

    def deploy(self, checked: Progress) -> Progress:
        return self.wait(org_deployment.deploy(**self.known, ticket=checked.ticket))

    def wait(self, progress: Progress) -> Progress:
        """Look until it is over, which the sandbox is at the second look."""
        for _ in range(20):
            if not progress.under_way:
                return progress
            progress = org_deployment.look(**self.known, ticket=progress.ticket)
        raise AssertionError(progress)


def created(progress: Progress) -> set[str]:
    return {f"{line.kind}:{line.name}" for line in progress.lines if line.outcome == "created"}


def schema_of(org: Sandbox, token: str, name: str) -> int:
    address = f"{org.address}/services/data/v67.0/sobjects/{name}/describe"
    return int(org._http.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=20).status_code)


def test_a_check_changes_nothing_and_the_deployment_brings_what_was_checked(
    bare_crm: Connection, org: Sandbox, session: str
):
    ada = Lender(bare_crm, session)

    checked = ada.check()
    before = schema_of(org, session, "Payment__c")
    deployed = ada.deploy(checked)

    assert checked.state == "checked", checked
    assert {
        "CustomObject:Payment__c", "CustomField:Account.Stripe_Payment_Status__c",
        "Flow:Opportunity_Closed_Won", "PlatformEventChannelMember:ChangeEvents_AccountChangeEvent",
        f"PermissionSet:{SET}",
    } <= created(checked)  # fmt: skip
    assert (before, schema_of(org, session, "Payment__c")) == (404, 200)
    assert deployed.state == "deployed"
    assert created(deployed) == created(checked)
    assert ada.check().state == "complete"
    trail = AuditEntry.objects.filter(action__startswith="org.").order_by("position")
    assert [entry.action for entry in trail] == ["org.deployment_begun", "org.deployed"]
    assert trail[0].details["sha256"] == trail[1].details["sha256"]


def test_what_is_there_but_hidden_is_found_by_the_check_and_left_as_it_is(
    bare_crm: Connection, org: Sandbox, session: str
):
    ada = Lender(bare_crm, session)
    ada.deploy(ada.check())
    # Whoever looks next does not see them; the org knows better.
    gone = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    fault = {"status": 404, "body": gone}
    org.break_("before", match_path="/sobjects/Payment__c/describe", params=fault)
    narrow = {"status": 200, "body": {"fields": [{"name": "Name", "type": "string"}]}}
    org.break_("before", match_path="/sobjects/Account/describe", params=narrow)

    progress = org_deployment.check(**ada.known)
    told = ada.wait(progress)

    assert sum(org.fired().values()) >= 2
    assert not any(line.kind in ("CustomObject", "CustomField") for line in told.lines)
    assert told.state in ("checked", "complete")


def test_a_session_of_another_org_is_refused_before_anything_is_sent(
    bare_crm: Connection, org: Sandbox, session: str
):
    org.post("org", org_number=2)

    with pytest.raises(OtherOrg, match="Nothing was sent there"):
        Lender(bare_crm, session).check()

    assert org.calls("/metadata/deployRequest") == []


def test_who_may_not_deploy_is_told_which_permission_it_takes(
    bare_crm: Connection, org: Sandbox, session: str
):
    weak = org.post("sessions", username=USERNAME, admin=False)["access_token"]

    with pytest.raises(Unacceptable, match="Modify Metadata"):
        Lender(bare_crm, weak).check()


def test_a_refusal_of_the_org_names_the_component_and_nothing_is_changed(
    bare_crm: Connection, org: Sandbox, session: str
):
    ada = Lender(bare_crm, session)
    ada.deploy(ada.check())
    wanted = Wanted(flows=ONE, objects={"Refund__c": ONE}, fields={("Refund__c", "Amount__c"): ONE})
    body = {
        "deployResult": {
            "status": "Failed", "success": False, "done": True, "id": "0Af000000000001AAA",
            "details": {"componentFailures": {
                "componentType": "CustomObject", "fullName": "Refund__c", "success": False,
                "problem": "maximum number of custom objects exceeded", "problemType": "Error",
            }},
        }
    }  # fmt: skip
    org.break_(
        "before", match_path="/metadata/deployRequest/", match_method="GET",
        params={"status": 200, "body": body},
    )  # fmt: skip

    told = Lender(bare_crm, session, wanted).check()

    assert told.state == "failed"
    (line,) = told.lines
    assert (line.name, line.problem) == ("Refund__c", "maximum number of custom objects exceeded")
    assert "no longer uses" in line.remedy


def test_nothing_is_deployed_that_was_not_checked_or_has_changed_since(
    bare_crm: Connection, org: Sandbox, session: str
):
    ada = Lender(bare_crm, session)
    begun = org_deployment.check(**ada.known)
    checked = ada.wait(begun)
    more = Lender(bare_crm, session, Wanted(flows=ONE, objects={"Refund__c": ONE}))
    other = {**ada.known, "actor": "eve@acme.test"}

    with pytest.raises(Unacceptable, match="Check first"):
        org_deployment.deploy(**ada.known, ticket=begun.ticket)
    with pytest.raises(Unacceptable, match="changed since the check"):
        org_deployment.deploy(**more.known, ticket=checked.ticket)
    with pytest.raises(Unacceptable, match="somebody else"):
        org_deployment.deploy(**other, ticket=checked.ticket)
    with pytest.raises(Unacceptable, match="not known here"):
        org_deployment.deploy(**ada.known, ticket=f"{checked.ticket}x")
    assert schema_of(org, session, "Payment__c") == 404


def test_what_was_checked_is_deployed_once_however_often_it_is_asked_for(
    bare_crm: Connection, org: Sandbox, session: str
):
    ada = Lender(bare_crm, session)
    checked = ada.check()
    fault = {"status": 503, "body": {}}
    org.break_("before", match_path="/metadata/deployRequest", match_method="POST", params=fault)
    with pytest.raises(errors.IntegrationError):
        org_deployment.deploy(**ada.known, ticket=checked.ticket)  # it may have begun
    sent = len(org.calls("/metadata/deployRequest"))

    with pytest.raises(Unacceptable, match="begun already"):
        org_deployment.deploy(**ada.known, ticket=checked.ticket)

    assert sum(org.fired().values()) == 1
    assert len(org.calls("/metadata/deployRequest")) == sent
    assert AuditEntry.objects.filter(action="org.deployment_begun").count() == 1


def test_what_is_no_session_is_sent_nowhere(bare_crm: Connection, org: Sandbox):
    with pytest.raises(Unacceptable, match="no access token"):
        Lender(bare_crm, "00D000000000001!AQ\r\nX-Evil: 1 and more than twenty").check()


def test_a_lent_session_that_is_over_says_nothing_about_the_connection(
    bare_crm: Connection, org: Sandbox, session: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    logins = org.logins()
    org.delete("sessions")

    with pytest.raises(Unacceptable, match="it is over"):
        Lender(bare_crm, session).check()

    bare_crm.refresh_from_db()
    assert bare_crm.state == Connection.State.ACTIVE
    assert org.logins() == logins
    assert session not in caplog.text


def test_a_lent_session_that_is_used_by_page_and_rest_is_kept_and_shown_nowhere(
    bare_crm: Connection, org: Sandbox, session: str, client: Client, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    pair = a_pair(bare_crm.environment, salesforce=bare_crm)
    flow = publishing.install_recipe(
        slug="payments", integration=pair.integration, actor=ADA, now=timezone.now()
    ).flow
    client.force_login(a_person(ADA, "admin", bare_crm.environment.workspace))
    place = f"{bare_crm.environment.workspace.slug}/{bare_crm.environment.slug}"
    told: list[str] = []

    def page(act: str, lent: str = session, **more: str) -> str:
        form = {"flow": flow.public_id, "access_token": lent, **more}
        told.append(
            client.post(f"/w/{place}/connections/{bare_crm.public_id}/org/{act}/", form).content.decode()
        )
        found = re.search(r'name="ticket" value="([^"]+)"', told[-1])
        return found[1] if found else ""

    def rest(act: str, **more: str) -> int:
        body = json.dumps({"flows": [flow.public_id], "access_token": session, **more})
        answer = client.post(
            f"/api/v1/connections/{bare_crm.public_id}/org/{act}/", body, content_type="application/json"
        )
        told.append(answer.content.decode())
        return int(answer.status_code)

    def until(said: str, ticket: str) -> str:
        for _ in range(20):
            if said in told[-1]:
                return ticket
            ticket = page("look", ticket=ticket)
        raise AssertionError(told[-1])

    ticket = until("Deploy to", page("check"))
    until("The org has what the flows need", page("deploy", ticket=ticket))
    statuses = [rest("look", ticket="none"), rest("check"), rest("deploy", ticket=session)]
    org.delete("sessions")
    statuses.append(rest("check"))
    page("check", lent=f"{session} pasted twice {session}")

    rows = [row for model in apps.get_models() for row in model._default_manager.values()]
    assert statuses == [400, 200, 400, 400]
    assert not [text for text in (*told, caplog.text, str(rows)) if session in text]
    assert AuditEntry.objects.filter(action="org.deployed").count() == 1
