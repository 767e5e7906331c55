"""Routes: every address of the product declares who may use it, and the pages keep to the policy table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from integrator import web
from integrator.accounts.access import SIGNED_IN
from integrator.accounts.roles import POLICY, Role, allowed
from tests.builders import a_person, a_workspace

# Open to everybody, because there is nobody yet: the way in, and what a load balancer asks. The figures for
# Prometheus have a token of their own.
PUBLIC = re.compile(
    r"alive|ready|metrics|account_(login|logout|signup|inactive|reauthenticate|reset_password.*)"
)
# The library's own pages for whoever is signed in, about nobody but themselves.
OWN = re.compile(r"account_.*|mfa_.*")

PARTS = {"workspace": "acme", "environment": "dev", "system": "stripe", "slug": "nobody"}


class Route(NamedTuple):
    """One address of the product, and what its view declares."""

    path: str
    name: str
    permission: object

    def __str__(self) -> str:
        return self.path


def routes() -> Iterator[Route]:
    """Yield every address outside the REST interface, which has a test of its own."""
    return _walk(get_resolver().url_patterns, "")


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern).lstrip("^").rstrip("$")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        elif not path.startswith("api/v1/"):
            view = pattern.callback
            owner = getattr(view, "view_class", None) or getattr(view, "cls", None) or view
            declared = getattr(owner, "permissions", {}).get("get") or getattr(owner, "permission", None)
            yield Route("/" + path, pattern.name or "", declared)


ROUTES = list(routes())
PAGES = [route for route in ROUTES if route.permission in POLICY and route.path.startswith("/w/")]


def filled(path: str) -> str:
    """Return `path` with ids that lead to nothing, so that a refusal is the role's alone."""
    path = re.sub(r"<int:\w+>", "0", path)
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: PARTS.get(found[1], "nobody"), path)


@pytest.fixture
def refused_parts(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """
    Draw the page of a refusal once for each part of the product, and return the parts where that was done.

    Below `/w/acme/dev/runs/` it is the same page each time, but for one sentence: everything on it, from the
    navigation to the figures beside it, comes of the role and the part. Its status is told each time.
    """
    drawn: set[str] = set()

    def draw(request: HttpRequest, *page: Any, status: int | None = None) -> HttpResponse:
        part = "/".join(request.path.split("/")[:5])
        if status == 403 and part in drawn:
            return HttpResponse(status=status)
        drawn.update([part] if status == 403 else [])
        return render(request, *page, status=status)

    monkeypatch.setattr(web, "render", draw)
    return drawn


def test_every_route_declares_who_may_use_it():
    undeclared = [r for r in ROUTES if r.permission not in POLICY and r.permission != SIGNED_IN]

    assert [r for r in undeclared if not (PUBLIC.fullmatch(r.name) or OWN.fullmatch(r.name))] == []


def test_there_are_pages():
    assert len(PAGES) > 20


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_what_the_policy_table_says(role, refused_parts):
    a_workspace()
    client = Client(raise_request_exception=False)
    client.force_login(a_person("ada@acme.test", role))

    wrong = []
    for route in PAGES:
        for ask in (client.get, client.post):
            answer = ask(filled(route.path))
            refused = answer.status_code == 403
            if refused is allowed(role, route.permission) or answer.status_code >= 500:
                wrong.append((str(route), ask.__name__, answer.status_code))

    assert wrong == []
    closed = {route.permission for route in PAGES if not allowed(role, route.permission)}
    assert bool(refused_parts) is bool(closed)


@pytest.mark.django_db
def test_a_person_without_a_role_finds_nothing():
    a_workspace()
    client = Client()
    client.force_login(a_person("eve@acme.test", None))

    assert {client.get(filled(route.path)).status_code for route in PAGES} == {404}


@pytest.mark.django_db
def test_an_address_with_a_null_leads_nowhere():
    a_workspace()
    client = Client(raise_request_exception=False)
    client.force_login(a_person("ada@acme.test", Role.ADMIN))
    paths = [filled(re.sub(r"<str:\w+>", "%00", route.path)) for route in PAGES if "<str:" in route.path]

    answers = {
        (path, ask.__name__): ask(path).status_code for path in paths for ask in (client.get, client.post)
    }

    assert set(answers.values()) == {404}, answers


@pytest.mark.django_db
def test_a_person_of_another_workspace_finds_nothing():
    a_workspace()
    client = Client()
    client.force_login(a_person("axel@globex.test", Role.ADMIN, a_workspace("globex")))

    assert {client.post(filled(route.path)).status_code for route in PAGES} == {404}


@pytest.mark.django_db
def test_whoever_is_not_signed_in_is_sent_to_do_so(client):
    answers = [client.get(filled(route.path)) for route in PAGES]

    assert {answer.status_code for answer in answers} == {302}
    assert all(answer["Location"].startswith("/accounts/login/?next=/w/") for answer in answers)


@pytest.mark.django_db
def test_htmx_is_sent_to_sign_in_as_a_whole_page(client):
    answer = client.get("/w/acme/settings/people/", headers={"HX-Request": "true"})

    assert answer["HX-Redirect"] == "/accounts/login/"


@pytest.mark.django_db
def test_nothing_changes_without_a_csrf_token():
    a_workspace()
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person("axel@acme.test", Role.ADMIN))

    answers = {str(route): client.post(filled(route.path)).status_code for route in PAGES}

    assert set(answers.values()) == {403}, answers
