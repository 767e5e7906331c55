"""
This module tests that pages and sessions reach nothing of another workspace, by any address.

Every page is asked for with ids that exist, once under the stranger's own workspace and once under the
owner's; nothing is shown and nothing changes.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from flows import agreements, missed_changes, saved_fixes, saved_views, topics
from flows.agreeing.agreement import Agreement
from flows.agreements import Kept
from flows.mapping.mending import Fix
from flows.models import DeadLetter, Directory, Flow, SavedFix, SavedView, TestCase
from flows.recognising import opening
from integrator.accounts import tokens
from integrator.accounts.models import Membership, User
from integrator.accounts.roles import Role
from monitoring.models import Anomaly, KnownEvent, Series
from tests.browser import merged
from tests.builders import NOON, a_person, an_environment
from tests.integration.accounts.test_routes import PAGES
from tests.integration.api.conftest import Stage, staged
from tests.integration.api.routes import rest_routes
from tests.integration.api.test_effects import an_effect
from tests.integration.flows.asking import a_question
from tests.integration.monitoring.told import a_channel_with_a_rule

pytestmark = pytest.mark.django_db

# Acts of a session leave these behind by themselves.
KEPT_BY_ITSELF = {"session", "task", "ormq", "schedule"}


@pytest.fixture
def acme() -> Stage:
    return staged("acme")


@pytest.fixture
def stranger() -> Client:
    globex = staged("globex").workspace
    client = Client(raise_request_exception=False)
    client.force_login(a_person("eve@globex.test", Role.ADMIN, globex))
    return client


def ids_of(acme: Stage) -> dict[str, Any]:
    """Return what stands for each part of an address, all of it acme's."""
    now = timezone.now()
    channel, rule = a_channel_with_a_rule(acme.workspace)
    ada = a_person("ada@acme.test", Role.ADMIN, acme.workspace)
    token, _ = tokens.create(
        workspace=acme.workspace, user=ada, name="x", role=Role.VIEWER,
        expires_at=now + timedelta(days=1), actor="ada", now=now,
    )  # fmt: skip
    return {
        "membership": Membership.objects.get(user=ada).pk,
        "token": token.public_id,
        "run": acme.run.public_id,
        "event": acme.event.pk,
        "letter": acme.letter.public_id,
        "fix": a_fix(acme).public_id,
        "view": a_shared_view(acme, ada).public_id,
        **what_is_unusual(acme),
        "fingerprint": acme.letter.fingerprint,
        "flow": acme.deployment.flow.public_id,
        "connection": [acme.stripe.public_id, acme.pair.salesforce.public_id],
        "endpoint": acme.endpoint.public_id,
        "review": a_question(acme.pair).public_id,
        "effect": an_effect(acme, "skipped").public_id,
        "case": a_case(acme.deployment.flow).public_id,
        "merge": merged.looked_at(acme.pair),
        "step": "save",
        "channel": channel.public_id,
        "rule": rule.public_id,
        "object": "Account",
        **what_is_asked_of_the_org(acme),
    }


def what_is_asked_of_the_org(acme: Stage) -> dict[str, int]:
    """Return the numbers of a link, and of a topic, a comparison and a polled object of acme's org."""
    crm, agreed = acme.pair.salesforce, Agreement(stripe_id="cus_1", object="Account", external_id="cus_1")
    agreed.touched = True
    agreements.keep([Kept(acme.pair.pk, acme.deployment.flow_id, acme.run.pk, "", 0, agreed)], now=NOON)
    opening.begin(crm.pk, "Account", now=NOON)
    return {
        "directory": Directory.objects.get(connection=crm).pk,
        "link": agreed.link_id or 0,
        "deployment": acme.deployment.pk,
        "topic": topics.choose(connection=crm, name="/event/Paid__e", actor="ada", now=NOON).pk,
        "polled": missed_changes.poll(connection=crm, object="Order", every=60, actor="ada", now=NOON).pk,
        "resync": missed_changes.compare(
            connection=crm, object="Order", since=None, actor="ada", now=timezone.now()
        ).pk,
    }


def a_fix(acme: Stage) -> SavedFix:
    letter = DeadLetter.objects.select_related("run__flow", "run__pair__environment__workspace").get(
        pk=acme.letter.pk
    )
    fix = Fix("leave_out", "map", "Description")
    return saved_fixes.keep(letter=letter, fix=fix, actor="ada", now=NOON)


def a_shared_view(acme: Stage, person: User) -> SavedView:
    who = saved_views.Who(acme.workspace, "ada", person, is_administrator=True)
    return saved_views.save(who=who, list_="runs", name="Dead", query={"fate": "dead"}, shared=True, now=NOON)


def what_is_unusual(acme: Stage) -> dict[str, str]:
    """Return the ids of a series of acme's, of an anomaly in it and of a known event."""
    series = Series.objects.create(connection=acme.stripe, seen_until=NOON)
    found = {"z": 6.0, "observed": 9.0, "expected": 2.0, "lo": 0.0, "hi": 5.0, "began_at": NOON}
    anomaly = Anomaly.objects.create(series=series, metric="failed", kind="failed_spike", **found)
    known = KnownEvent.objects.create(
        environment=acme.stripe.environment, name="Sale", begins=NOON,
        ends=timezone.now() + timedelta(days=1),
        made_by="ada", made_at=NOON,
    )  # fmt: skip
    return {
        "anomaly": anomaly.public_id,
        "known": known.public_id,
        "series": acme.stripe.public_id,
    }


def a_case(flow: Flow) -> TestCase:
    case = TestCase(flow=flow, name="A card")
    given, expected = b"{}", {"ending": "done", "records": {}, "exits": {}, "calls": []}
    case.keep(event_type="charge.succeeded", at=NOON, given=given, expected=expected, actor="ada", now=NOON)
    return case


def addresses(ids: dict[str, Any], *, workspace: str) -> list[str]:
    """Return the address of every page that is about one thing, with acme's ids."""
    found = []
    for route in PAGES:
        parts = set(re.findall(r"<\w+:(\w+)>", route.path)) - {"workspace", "environment", "system"}
        if parts and parts <= set(ids):
            # What is about a connection is about one of either system.
            for connection in ids["connection"] if "connection" in parts else [""]:
                values = {**ids, "connection": connection}
                values |= {"workspace": workspace, "environment": "dev", "system": "stripe"}
                found.append(
                    re.sub(r"<\w+:(\w+)>", lambda part, values=values: str(values[part[1]]), route.path)
                )
    return found


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the product, to tell whether anything has changed."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.model_name not in KEPT_BY_ITSELF
    }


@pytest.mark.parametrize("workspace", ["acme", "globex"])
def test_no_page_shows_or_changes_what_is_anothers(acme, stranger, workspace):
    asked = addresses(ids_of(acme), workspace=workspace)
    before = everything()

    answers = {
        (method, address): getattr(stranger, method)(address, {"reason": "x", "role": "admin"})
        for address in asked
        for method in ("get", "post")
    }

    # An address may not take the method at all; nothing may be shown or refused as somebody else's.
    odd = {key: answer.status_code for key, answer in answers.items() if answer.status_code not in {404, 405}}
    assert len(asked) > 80
    assert {key: status for key, status in odd.items() if "/causes/" not in key[1]} == {}
    assert not [key for key, answer in answers.items() if acme.run.public_id in answer.content.decode()]
    assert everything() == before


def test_the_owner_finds_what_the_stranger_does_not(acme):
    ids = ids_of(acme)
    client = Client(raise_request_exception=False)  # some pages ask the org, which is not there
    client.force_login(a_person("axel@acme.test", Role.ADMIN, acme.workspace))

    shown = [
        address for address in addresses(ids, workspace="acme") if client.get(address).status_code == 200
    ]

    assert len(shown) >= 12


def test_an_id_of_another_environment_leads_nowhere_either(acme):
    client = Client(raise_request_exception=False)
    client.force_login(a_person("axel@acme.test", Role.ADMIN, acme.workspace))
    an_environment("qa", acme.workspace)
    ids = ids_of(acme)

    pages = [a.replace("/dev/", "/qa/") for a in addresses(ids, workspace="acme") if "/dev/" in a]
    shown = [page for page in pages if client.get(page).status_code == 200 and "/causes/" not in page]

    # A flow belongs to the workspace, and is shown with its versions wherever somebody looks. So do the
    # channels and rules of alerts.
    everywhere = (f"/flows/{ids['flow']}/", "/alerts/channels/", "/alerts/rules/")
    assert [page for page in shown if not any(part in page for part in everywhere)] == []


def test_a_session_changes_nothing_by_rest_without_a_csrf_token(acme):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(a_person("axel@acme.test", Role.ADMIN, acme.workspace))
    before = everything()

    answers = {
        str(route): client.generic(
            route.method, f"/api/v1/{route.path}", "{}", content_type="application/json"
        ).status_code
        for route in rest_routes()
        if route.method != "GET"
    }

    assert len(answers) > 15
    assert set(answers.values()) == {403}, answers
    assert everything() == before


@pytest.mark.parametrize("header", ["", "x", "a" * 64])
def test_a_csrf_token_that_is_none_is_refused(acme, header):
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person("axel@acme.test", Role.ADMIN, acme.workspace))

    answer = client.post(
        f"/w/acme/dev/dead-letters/{acme.letter.public_id}/retry/", headers={"X-CSRFToken": header}
    )

    assert answer.status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://testserver.evil.test"])
def test_a_form_on_another_site_is_refused_even_with_a_token(acme, origin):
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person("axel@acme.test", Role.ADMIN, acme.workspace))
    client.get("/w/acme/dev/dead-letters/")
    token = client.cookies["csrftoken"].value

    answer = client.post(
        f"/w/acme/dev/dead-letters/{acme.letter.public_id}/retry/",
        headers={"X-CSRFToken": token, "Origin": origin},
    )

    assert answer.status_code == 403
    acme.letter.refresh_from_db()
    assert acme.letter.resolved_at is None
