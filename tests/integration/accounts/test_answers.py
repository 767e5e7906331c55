"""Answers: an id for every request, nothing kept in caches, and refusals that tell no more than they must."""

from __future__ import annotations

import pytest
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import HttpResponse
from django.test import Client, RequestFactory

from integrator.accounts.roles import Role
from integrator.web import RequestId, refuse, server_error
from tests.builders import a_person, a_workspace


@pytest.mark.parametrize("given", ["abc-123", "A.b_c"])
def test_a_harmless_request_id_is_kept(client, given):
    assert client.get("/healthz", headers={"X-Request-Id": given})["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\nb", "<script>", "é"])
def test_any_other_is_replaced(given):
    request = RequestFactory().get("/", headers={"X-Request-Id": given})

    answer = RequestId(lambda _: HttpResponse())(request)

    assert answer["X-Request-Id"] not in {given, ""}


@pytest.mark.django_db
def test_what_a_person_sees_is_kept_in_no_cache(client):
    a_workspace()
    client.force_login(a_person("ada@acme.test", Role.ADMIN))

    assert client.get("/w/acme/settings/people/")["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_an_address_that_leads_nowhere_is_a_page_for_people_and_a_problem_for_programs(client):
    page, answer = client.get("/nowhere/"), client.get("/api/v1/nowhere/")

    assert (page.status_code, answer.status_code) == (404, 404)
    assert "There is nothing here." in page.content.decode()
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer["X-Request-Id"]


@pytest.mark.django_db
def test_a_role_that_does_not_reach_that_far_is_told_so():
    a_workspace()
    client = Client()
    client.force_login(a_person("ada@acme.test", Role.VIEWER))

    answer = client.get("/w/acme/settings/audit/")

    assert answer.status_code == 403
    assert "does not let you see the audit trail" in answer.content.decode()


@pytest.mark.parametrize("path", ["/w/acme/dev/", "/api/v1/events/"])
def test_a_fault_of_ours_tells_nothing_and_needs_no_database(path):
    answer = server_error(RequestFactory().get(path))

    assert answer.status_code == 500
    assert "fault of ours" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "failure",
    [
        OperationalError("couldn't get a connection after 5.00 sec"),
        InterfaceError("connection already closed"),
    ],
    ids=["no connection", "a lost one"],
)
def test_that_the_database_does_not_answer_is_no_fault_and_says_when_to_come_back(monkeypatch, failure):
    a_workspace()
    client = Client(raise_request_exception=False)
    client.force_login(a_person("ada@acme.test", Role.ADMIN))

    def broken(*_: object) -> None:
        raise failure

    monkeypatch.setattr(QuerySet, "_fetch_all", broken)
    page, answer = client.get("/w/acme/dev/"), client.get("/api/v1/events/")

    assert (page.status_code, answer.status_code) == (503, 503)
    assert page["Retry-After"] == answer["Retry-After"] == "5"
    assert "The database does not answer now. Please try again in a moment." in page.content.decode()
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["title"] == "Service Unavailable"
    assert "connection" not in answer.content.decode()


def test_a_refusal_is_a_toast_for_htmx():
    request = RequestFactory().get("/")
    request.htmx = True

    answer = refuse(request, "Somebody was quicker.")

    assert answer.status_code == 409
    assert "Somebody was quicker." in answer["HX-Trigger"]
