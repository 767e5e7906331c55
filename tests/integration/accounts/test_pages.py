"""Pages of people, tokens and the trail: what each shows, and what its forms do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from integrator.accounts import audit, tokens
from integrator.accounts.models import ApiToken, AuditEntry, Membership, User
from integrator.accounts.roles import Role
from tests.builders import NOON, a_person, a_workspace, an_environment

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def axel():
    return a_person("axel@acme.test", Role.ADMIN)


@pytest.fixture
def page(client, axel):
    client.force_login(axel)

    def ask(path, data=None, **headers):
        address = f"/w/acme/settings/{path}"
        return client.get(address) if data is None else client.post(address, data, headers=headers)

    return ask


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def rows(answer):
    return re.search(r"<tbody>.*</tbody>", text(answer), re.DOTALL)[0]


def test_people_are_listed_with_their_roles(page):
    a_person("ada@acme.test", Role.DESIGNER)

    assert "ada@acme.test" in text(page("people/"))


def test_somebody_new_is_added_and_their_link_is_shown(page):
    shown = text(page("people/new/", {"email": "ada@acme.test", "role": "designer", "environment": ""}))

    assert "http://testserver/accounts/password/reset/key/" in shown
    assert Membership.objects.get(user__email="ada@acme.test").role == Role.DESIGNER


def test_somebody_who_signs_in_already_is_added_without_a_link(page):
    a_person("ada@globex.test", Role.DESIGNER, a_workspace("globex"))

    answer = page("people/new/", {"email": "ada@globex.test", "role": "viewer", "environment": ""})

    assert answer["Location"] == "/w/acme/settings/people/"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"email": "ada", "role": "viewer"}, id="no address"),
        pytest.param({"email": "ada@acme.test", "role": "emperor"}, id="no such role"),
        pytest.param({"email": "axel@acme.test", "role": "admin"}, id="has it already"),
    ],
)
def test_a_mistake_is_shown_at_its_field(page, data):
    shown = text(page("people/new/", data))

    assert 'class="errors"' in shown
    assert User.objects.count() == 1


def test_an_environment_of_another_workspace_is_none(page):
    theirs = a_workspace("globex").environments.first()

    shown = text(page("people/new/", {"email": "ada@acme.test", "role": "viewer", "environment": theirs.pk}))

    assert 'class="errors"' in shown


def test_a_form_changes_nothing_but_what_it_asks_for(page):
    page("people/new/", {"email": "ada@acme.test", "role": "viewer", "is_staff": "1", "is_superuser": "1",
                         "password": "x", "workspace": "99"})  # fmt: skip

    ada = User.objects.get(email="ada@acme.test")
    assert (ada.is_staff, ada.is_superuser, ada.has_usable_password()) == (False, False, False)


def test_the_last_administrator_cannot_step_down(page, axel):
    own = Membership.objects.get(user=axel).pk

    answer = page(f"people/{own}/role/", {"role": "viewer"}, HX_Request="true")

    assert answer.status_code == 409
    assert "administrator first" in answer["HX-Trigger"]


def test_a_role_is_changed_and_a_person_removed(page):
    ada = a_person("ada@acme.test", Role.DESIGNER)
    membership = Membership.objects.get(user=ada)

    page(f"people/{membership.pk}/role/", {"role": "operator"})
    membership.refresh_from_db()
    page(f"people/{membership.pk}/remove/", {})

    assert membership.role == Role.OPERATOR
    assert not Membership.objects.filter(user=ada).exists()


def test_a_membership_of_another_workspace_is_not_there(page):
    stranger = a_person("eve@globex.test", Role.VIEWER, a_workspace("globex"))
    theirs = Membership.objects.get(user=stranger)

    assert page(f"people/{theirs.pk}/remove/", {}).status_code == 404
    assert page(f"people/{theirs.pk}/role/", {"role": "admin"}).status_code == 404


def test_a_token_is_shown_once(page):
    shown = text(page("tokens/new/", {"name": "Nightly export", "role": "viewer", "days": "90"}))
    secret = re.search(r'data-copy="(igr_[^"]+)"', shown)[1]

    listed = text(page("tokens/"))

    assert "Nightly export" in listed
    assert secret not in listed
    assert ApiToken.objects.get().token_key not in listed


def test_a_token_is_revoked(page, axel):
    now = timezone.now()
    token, _ = tokens.create(
        workspace=a_workspace(), user=axel, name="x", role=Role.VIEWER, expires_at=now + timedelta(days=1),
        actor="axel", now=now,
    )  # fmt: skip

    page(f"tokens/{token.public_id}/revoke/", {})

    assert not ApiToken.objects.exists()


def test_a_token_of_another_workspace_is_not_there(page):
    globex, now = a_workspace("globex"), timezone.now()
    token, _ = tokens.create(
        workspace=globex, user=a_person("dora@globex.test", Role.ADMIN, globex), name="x", role=Role.VIEWER,
        expires_at=now + timedelta(days=1), actor="dora", now=now,
    )  # fmt: skip

    assert page(f"tokens/{token.public_id}/revoke/", {}).status_code == 404
    assert ApiToken.objects.exists()


def record(**fields):
    with transaction.atomic():
        audit.record(**({"workspace": a_workspace(), "actor": "ada@acme.test", "action": "flow.published",
                         "now": NOON} | fields))  # fmt: skip


def test_the_trail_is_filtered_by_who_and_what(page):
    record(target="one")
    record(actor="otto@acme.test", action="deadletter.retried", target="two")

    assert "two" not in rows(page("audit/?actor=ada"))
    assert "one" not in rows(page("audit/?action=deadletter"))
    assert "Nothing fits" in text(page("audit/?actor=nobody"))


def test_the_trail_is_told_in_words(page):
    record(action="token.created", details={"expires_at": NOON, "roles": ["viewer", "designer"]})

    shown = rows(page("audit/"))

    assert '<span title="token.created">created a token</span>' in shown
    assert "roles: viewer, designer" in shown
    assert 'expires at: <time datetime="' in shown
    assert "[" not in shown.split("roles:")[1]


def test_the_trail_is_paged_in_both_directions(page):
    for number in range(120):
        record(target=f"act-{number:03}")

    newest = text(page("audit/"))
    older = text(page("audit/" + re.search(r'href="[^"]*(\?before=[^"]+)"', newest)[1]))
    newer = text(page("audit/" + re.search(r'href="[^"]*(\?after=[^"]+)"', older)[1]))

    assert "act-119" in newest
    assert "act-069" in older
    assert "act-119" not in older
    assert re.findall(r"act-\d+", newer) == re.findall(r"act-\d+", newest)


def test_what_people_wrote_is_inert(page):
    record(actor=HOSTILE, target=HOSTILE, details={"note": HOSTILE})
    page("tokens/new/", {"name": HOSTILE, "role": "viewer", "days": "30"})

    for path in ("audit/", "tokens/", f"audit/?actor={HOSTILE}"):
        assert HOSTILE not in text(page(path))


def test_the_first_page_is_the_dashboard_of_the_first_environment_one_may_see(client):
    otto = a_person("otto@acme.test", None)
    otto.memberships.create(
        workspace=a_workspace(), environment=a_workspace().environments.get(slug="qa"), role=Role.OPERATOR
    )
    client.force_login(otto)

    assert client.get("/")["Location"] == "/w/acme/qa/"


def test_somebody_who_belongs_nowhere_is_told_so(client):
    client.force_login(a_person("eve@acme.test", None))

    assert "belong to no workspace" in text(client.get("/"))


def test_what_is_done_here_is_in_the_trail(page):
    page("people/new/", {"email": "ada@acme.test", "role": "designer", "environment": ""})
    page("tokens/new/", {"name": "x", "role": "viewer", "days": "30"})

    assert set(AuditEntry.objects.values_list("action", "actor")) == {
        ("person.added", "axel@acme.test"),
        ("token.created", "axel@acme.test"),
    }


@pytest.fixture
def elsewhere(client):
    """Return what asks as somebody whose role holds in one environment only."""
    an_environment("dev")
    person = a_person("quinn@acme.test", None)
    Membership.objects.create(
        user=person, workspace=a_workspace(), environment=an_environment("qa"), role=Role.ADMIN
    )
    client.force_login(person)
    return client.get


@pytest.mark.parametrize("path", ["people/", "tokens/", "audit/"])
def test_a_role_in_one_environment_is_told_what_a_workspace_page_takes(elsewhere, path):
    answer = elsewhere(f"/w/acme/settings/{path}")

    assert answer.status_code == 403
    shown = answer.content.decode()
    assert "takes a role in the whole workspace. Yours holds in QA only." in shown
    assert 'href="/w/acme/qa/runs/"' in shown  # the menu is still there


def test_the_menu_leads_nowhere_that_is_closed(elsewhere):
    shown = text(elsewhere("/w/acme/qa/"))

    assert 'href="/w/acme/qa/connections/"' in shown
    assert "/w/acme/settings/" not in shown


def test_a_refusal_names_what_the_role_does_not_allow(client):
    client.force_login(a_person("vera@acme.test", Role.VIEWER))
    an_environment("dev")

    shown = client.get("/w/acme/settings/audit/").content.decode()

    assert "(Viewer) does not let you see the audit trail" in shown
    assert 'href="/w/acme/dev/runs/"' in shown
