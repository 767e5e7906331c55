"""What live flows need is asked of the org itself, told with their names, and brought to it on request."""

from __future__ import annotations

import base64
import io
import logging
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from connectors import connections, gateway, readiness
from connectors.checks import Check, State
from connectors.models import Connection, Topic
from flows import org_needs
from flows.models import Deployment, FlowVersion, Pair
from flows.recipes import catalogue
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_flow, a_pair, a_person
from tests.integration.connectors.rig import Sandbox
from tests.integration.restoring import all_that_is_stored, tools_are_there

MOVES: dict[str, Any] = {
    "format": 1,
    "name": "Moves",
    "trigger": {
        "kind": "salesforce.change",
        "object": "Account",
        "changes": ["updated"],
        "fields": ["Phone"],
    },
    "steps": [
        {
            "id": "describe",
            "kind": "map",
            "settings": {
                "target": "Contact",
                "lines": [
                    {"field": "LastName", "from": ["Account.Name"]},
                    {
                        "field": "RecordType.DeveloperName",
                        "chips": [{"chip": "constant", "value": "Partner"}],
                    },
                ],
            },
        }
    ],
}
INVOICES: dict[str, Any] = {
    "format": 1,
    "name": "Invoices",
    "trigger": {"kind": "stripe.event", "types": ["invoice.paid"]},
    "steps": [
        {
            "id": "void",
            "kind": "wait_for_event",
            "settings": {"types": ["invoice.voided"], "key": "id", "equals": ["invoice.id"], "days": 1},
        }
    ],
}
Live = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def pair(crm: Connection, billing: Connection, org: Sandbox) -> Pair:
    bus = org.get("pubsub")
    crm.configure(event_bus=bus["endpoint"], event_bus_certificate=bus["ca"])
    gateway.forget_all()
    return a_pair(salesforce=crm, stripe=billing)


@pytest.fixture
def live(pair: Pair) -> Live:
    """Return what makes a flow live with its document."""

    def make(name: str, document: dict[str, Any]) -> None:
        flow = a_flow(pair.integration, slug=name.lower())
        version = FlowVersion.objects.create(
            flow=flow, number=1, document=document, content_hash=name, published_at=NOON, published_by="ada"
        )
        Deployment.objects.create(flow=flow, version=version, pair=pair, deployed_at=NOON, deployed_by="ada")

    return make


def examine(connection: Connection) -> dict[str, Check]:
    found = readiness.examine(
        connection=connection, public_url="https://integrator.acme.test", actor="ada", now=NOON
    )
    assert found.at == NOON
    return {check.title: check for check in found.checks}


def test_a_flow_wants_what_its_steps_and_its_trigger_name(live: Live, pair: Pair):
    live("Moves", MOVES)
    wanted = org_needs.wanted_by(pair.salesforce)

    assert wanted.flows == ("Moves",)
    assert wanted.captured == {"Account": ("Moves",)}
    assert {("Account", "Phone"), ("Account", "Name"), ("Contact", "LastName")} <= set(wanted.fields)
    assert wanted.written == {"Contact": ("Moves",)}
    assert wanted.record_types == {("Contact", "Partner"): ("Moves",)}


def test_the_flows_in_use_decide_what_is_a_problem(live: Live, pair: Pair, org: Sandbox):
    live("Payments", catalogue.load("payments").raw)
    live("Moves", MOVES)
    gone = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    org.break_("before", match_path="/sobjects/Payout__c/describe", params={"status": 404, "body": gone})
    org.post("currencies", corporate="EUR", others=[], inactive=["USD"])
    stripe = Sandbox(pair.stripe.base_url)

    found = examine(pair.salesforce)

    assert sum(org.fired().values()) >= 1
    assert "Payout__c" in found["The rest of the package is not there as it should be"].explanation
    assert found["Payment__c is there"].state is State.OK
    assert found["Contact may not be a Partner"].state is State.PROBLEM
    assert found["Nobody listens to /data/AccountChangeEvent"].explanation == "For “Moves”."
    assert [call["path"] for call in stripe.calls("/v1/charges")] == ["/v1/charges"]
    stripe.close()


def test_what_is_listened_to_and_selected_is_well(live: Live, pair: Pair):
    live("Moves", MOVES)
    Topic.objects.create(connection=pair.salesforce, name="/data/AccountChangeEvent", created_at=NOON)

    assert examine(pair.salesforce)["Changes of Account are told and heard"].state is State.OK


def test_events_that_live_flows_wait_for_are_missed_until_an_endpoint_of_ours_sends_them(
    live: Live, pair: Pair, admin: Client, settings: Any
):
    settings.PUBLIC_URL = "http://127.0.0.1:9"  # the sandbox delivers to this machine only
    live("Invoices", INVOICES)
    connections.register_webhook(
        connection=pair.stripe, public_url=settings.PUBLIC_URL, actor="ada", now=NOON
    )
    before = examine(pair.stripe)

    made = admin.post(f"/w/acme/dev/connections/{pair.stripe.public_id}/webhooks/new/", {"by": "api"})

    check = before["Stripe does not send every event that your flows wait for"]
    assert "invoice.paid (Invoices), invoice.voided (Invoices)." in check.explanation
    assert made.status_code == 302, made.content
    assert examine(pair.stripe)["Stripe sends every event that your flows wait for"].state is State.OK


# Preparing the org


@pytest.fixture
def bare(live: Live, pair: Pair, org: Sandbox) -> Connection:
    """Return the connection of two live flows to an org that has nothing of ours."""
    live("Payments", catalogue.load("payments").raw)
    live("Moves", MOVES)
    org.post("bare")
    org.post("app", **org.app)
    assert connections.test(connection=pair.salesforce, actor="ada", now=NOON).ok
    return pair.salesforce


@pytest.fixture
def admin(client: Client, transactional_db: None) -> Client:
    client.force_login(a_person("axel@acme.test", "admin"))
    return client


def lend(org: Sandbox) -> str:
    """Return the session of an administrator of the org."""
    return str(org.post("sessions", username="admin@acme.test", admin=True)["access_token"])


def test_the_page_lists_what_the_flows_need_and_hands_out_exactly_that(admin: Client, bare: Connection):
    at = f"/w/acme/dev/connections/{bare.public_id}/org/"

    shown = admin.get(at).content.decode()
    listed = admin.post(f"{at}compare/").content.decode()
    zipped = admin.post(f"{at}package/")
    told = admin.post(f"/api/v1/connections/{bare.public_id}/org/compare/", {}, "application/json").json()

    assert "Compare with the org" in shown
    assert "The package brings" in listed
    assert "Contact.RecordType" not in listed
    names = zipfile.ZipFile(io.BytesIO(zipped.content)).namelist()
    assert "objects/Payment__c.object" in names
    assert not {name for name in names if "Payout" in name or "destructive" in name}
    new = {one["name"] for one in told["components"] if one["state"] == "new"}
    assert {"Payment__c", "ChangeEvents_AccountChangeEvent", "Stripe_Effect_Runner"} <= new
    payment = next(one for one in told["components"] if one["name"] == "Payment__c")
    assert payment["flows"] == ["Payments"]


def test_only_who_may_manage_connections_prepares_an_org(client: Client, bare: Connection, org: Sandbox):
    client.force_login(a_person("otto@acme.test", "operator"))
    at = f"/w/acme/dev/connections/{bare.public_id}/org/"

    assert client.get(at).status_code == 200
    assert {client.post(f"{at}{act}/").status_code for act in ("compare", "package", "check", "deploy")} == {
        403
    }
    assert org.calls("/metadata/") == []


def test_a_lent_session_deploys_and_is_found_nowhere_afterwards(
    admin: Client, bare: Connection, org: Sandbox, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    token = lend(org)
    pages = f"/w/acme/dev/connections/{bare.public_id}/org/"
    rest = f"/api/v1/connections/{bare.public_id}/org/"
    answers: list[str] = []

    def ask(act: str, ticket: str = "") -> dict[str, Any]:
        body = {"access_token": token, **({"ticket": ticket} if ticket else {})}
        answer = admin.post(f"{rest}{act}/", body, "application/json")
        assert answer.status_code == 200, answer.content
        answers.append(answer.content.decode())
        return dict(answer.json())

    def wait(told: dict[str, Any]) -> dict[str, Any]:
        for _ in range(20):
            if told["state"] not in ("checking", "deploying"):
                break
            told = ask("look", told["ticket"])
        return told

    htmx = {"HX-Request": "true"}
    by_page = admin.post(f"{pages}check/", {"access_token": token}, headers=htmx)
    answers.append(by_page.content.decode())
    checked = wait(ask("check"))
    deployed = wait(ask("deploy", checked["ticket"]))
    refused = admin.post(f"{rest}check/", {"access_token": "00Dnothing"}, "application/json")

    assert (checked["state"], deployed["state"]) == ("checked", "deployed"), deployed
    assert "The org checks it" in answers[0]
    assert refused.status_code == 400
    trail = AuditEntry.objects.filter(action__startswith="org.").order_by("position")
    assert [entry.action for entry in trail] == ["org.deployment_begun", "org.deployed"]
    secret = token.rpartition("!")[2]
    forms = [secret, base64.b64encode(secret.encode()).decode()[:60]]
    assert [form for form in forms if form in "".join(answers) or form in caplog.text] == []
    if tools_are_there():
        stored = all_that_is_stored()
        assert [form for form in forms if form.encode() in stored] == []


def test_what_was_deployed_makes_the_org_ready_once_the_rights_are_assigned(
    admin: Client, bare: Connection, org: Sandbox
):
    rest = f"/api/v1/connections/{bare.public_id}/org/"
    body = {"access_token": lend(org)}
    Topic.objects.create(connection=bare, name="/data/AccountChangeEvent", created_at=NOON)
    before = {title for title, check in examine(bare).items() if check.state is State.PROBLEM}

    told = admin.post(f"{rest}check/", body, "application/json").json()
    for act in ("look", "look", "look", "deploy", "look", "look", "look"):
        if act == "deploy" or told["state"] in ("checking", "deploying"):
            answer = admin.post(f"{rest}{act}/", {**body, "ticket": told["ticket"]}, "application/json")
            told = answer.json()
    org.post("permissions", username=bare.settings["username"], assign="Stripe_Integration_Flows")
    after = {title for title, check in examine(bare).items() if check.state is State.PROBLEM}

    assert told["state"] == "deployed", told
    assert {"Payment__c is not there", "Changes of Account are not told"} <= before
    # The record type that a mapping names is the org's own: nobody but its administrator makes it.
    assert after == {"Contact may not be a Partner"}
