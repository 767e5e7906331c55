"""The page "Status" and its REST twin say what the doctor finds, to those who look after the installation."""

from __future__ import annotations

import pytest

from integrator.accounts.roles import Role
from tests.builders import a_connection, a_person, a_workspace, an_environment

pytestmark = pytest.mark.django_db
PAGE = "/w/acme/settings/status/"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def axel(client):
    client.force_login(a_person("axel@acme.test", Role.ADMIN))
    return client


def test_the_page_says_what_is_wrong_where_and_what_to_do(axel):
    org = a_connection("salesforce", state="paused", state_reason=HOSTILE)

    page = axel.get(PAGE).content.decode()

    assert f'href="/w/acme/dev/connections/{org.public_id}/">Connection acme/dev/Salesforce</a>' in page
    assert "Resume it." in page
    assert "&lt;script&gt;alert(1)" in page
    assert HOSTILE not in page


def test_the_list_is_asked_for_again_alone(axel):
    piece = axel.get(PAGE, headers={"HX-Request": "true"}).content.decode()

    assert piece.startswith("<section")
    assert f'hx-get="{PAGE}"' in piece
    assert "<html" not in piece


def test_the_page_names_nothing_of_another_workspace(axel):
    a_connection("salesforce", an_environment(workspace=a_workspace("globex")), name="Theirs", state="paused")

    assert "Theirs" not in axel.get(PAGE).content.decode()
    assert "Theirs" not in axel.get("/api/v1/status/").content.decode()


@pytest.mark.parametrize(
    ("role", "status"), [(Role.OPERATOR, 200), (Role.DESIGNER, 403), (Role.AUDITOR, 403)]
)
def test_only_who_looks_after_the_installation_sees_it(client, role, status):
    client.force_login(a_person("otto@acme.test", role))

    assert client.get(PAGE).status_code == status
    assert client.get("/api/v1/status/").status_code == status
    assert (f'href="{PAGE}"' in client.get("/w/acme/settings/people/").content.decode()) is (status == 200)


def test_programs_read_the_gravest_state_and_every_finding(axel):
    a_connection("salesforce", state="resting", state_reason="It leads elsewhere")

    told = axel.get("/api/v1/status/").json()

    assert told["state"] == "broken"
    (found,) = [one for one in told["findings"] if one["name"] == "connection"]
    assert found["state"] == "broken"
    assert (found["about"], found["detail"]) == ("acme/dev/Salesforce", "It leads elsewhere.")
    assert {one["state"] for one in told["findings"]} >= {"ok"}
