"""The OpenAPI document: complete, without warnings, and for members only; its page needs no other host."""

from __future__ import annotations

import re
from io import StringIO

import pytest
import yaml
from django.core.management import call_command

from integrator.accounts.models import Membership
from integrator.accounts.roles import Role
from tests.builders import a_person, a_workspace, an_environment
from tests.integration.api.routes import rest_routes


@pytest.fixture(scope="module")
def document():
    out = StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    return yaml.safe_load(out.getvalue())


def test_every_route_is_in_it_and_explained(document):
    told = {
        (method.upper(), re.sub(r"\{\w+\}", "*", path)): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert len(told) == len(rest_routes())
    for place, operation in told.items():
        assert operation.get("summary"), place
        assert operation.get("description"), place
        assert operation["security"] == [{"token": []}, {"cookieAuth": []}], place


def test_no_answer_of_it_has_a_secret_among_its_fields(document):
    schemas = document["components"]["schemas"]
    shown = {
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, about in schema.get("properties", {}).items()
        if not about.get("writeOnly")
    }

    assert not [field for field in shown if re.search(r"ciphertext|private_key|\.body_sealed|digest", field)]
    assert "NewConnection.secrets" not in shown


def test_members_read_it_and_strangers_do_not(admin, client):
    assert (
        admin.client.get("/api/schema/", headers={"Authorization": f"Bearer {admin.token}"}).status_code
        == 200
    )
    assert client.get("/api/schema/").status_code == 401
    assert client.get("/api/docs/")["Location"].startswith("/accounts/login/")


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["several workspaces", "one environment", "no workspace"])
def test_whoever_is_signed_in_reads_it(client, where):
    person = a_person("ada@acme.test", Role.VIEWER if where == "several workspaces" else None)
    if where == "several workspaces":
        Membership.objects.create(user=person, workspace=a_workspace("globex"), role=Role.VIEWER)
    if where == "one environment":
        Membership.objects.create(
            user=person, workspace=a_workspace(), environment=an_environment("qa"), role=Role.VIEWER
        )
    client.force_login(person)

    assert client.get("/api/schema/").status_code == 200


@pytest.mark.django_db
def test_its_page_leads_back(client):
    client.force_login(a_person("ada@acme.test", Role.VIEWER))

    assert 'href="/">' in client.get("/api/docs/").content.decode().split("</header>")[0]


@pytest.mark.django_db
def test_its_page_runs_under_our_content_security_policy(client):
    client.force_login(a_person("ada@acme.test", Role.VIEWER))

    answer = client.get("/api/docs/")

    page, policy = answer.content.decode(), answer["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy)[1]
    assert "unsafe" not in policy
    assert f'<script nonce="{nonce}">' in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert not re.search(r"<style|style=|onload=|onclick=", page)
