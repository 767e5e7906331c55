"""People: added, given other roles and removed by an administrator, and never the last one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrator.accounts import people, tokens
from integrator.accounts.models import ApiToken, AuditEntry, Membership, User
from integrator.accounts.roles import Role
from tests.builders import NOON, a_person, a_workspace, an_environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def axel():
    return a_person("axel@acme.test", Role.ADMIN)


def membership_of(person):
    return Membership.objects.get(user=person)


def change(person, role):
    return people.change_role(membership=membership_of(person), role=role, actor="axel@acme.test", now=NOON)


def test_somebody_new_comes_without_a_password_and_with_a_link_to_choose_one():
    membership = people.add(
        workspace=a_workspace(), email="Ada@Acme.test", role=Role.DESIGNER, actor="axel@acme.test", now=NOON
    )

    assert membership.user.email == "ada@acme.test"
    assert people.invitation(user=membership.user).startswith("/accounts/password/reset/key/")


def test_nobody_gets_a_link_into_the_account_of_somebody_who_signs_in_already():
    ada = a_person("ada@globex.test", Role.DESIGNER, a_workspace("globex"))

    people.add(workspace=a_workspace("acme"), email=ada.email, role=Role.VIEWER, actor="axel", now=NOON)

    assert people.invitation(user=ada) is None
    assert User.objects.filter(email=ada.email).count() == 1


def test_the_same_role_twice_is_refused():
    ada = a_person("ada@acme.test", Role.DESIGNER)

    with pytest.raises(people.AlreadyMember):
        people.add(workspace=a_workspace(), email=ada.email, role=Role.DESIGNER, actor="axel", now=NOON)


def test_the_last_administrator_stays(axel):
    with pytest.raises(people.LastAdministrator):
        change(axel, Role.VIEWER)
    with pytest.raises(people.LastAdministrator):
        people.remove(membership=membership_of(axel), actor="axel@acme.test", now=NOON)

    assert membership_of(axel).role == Role.ADMIN


def test_an_administrator_of_one_environment_or_one_who_is_shut_out_does_not_count(axel):
    dora = a_person("dora@acme.test", None)
    people.add(
        workspace=a_workspace(),
        email=dora.email,
        role=Role.ADMIN,
        environment=an_environment(),
        actor="axel",
        now=NOON,
    )
    emil = a_person("emil@acme.test", Role.ADMIN)
    User.objects.filter(pk=emil.pk).update(is_active=False)

    with pytest.raises(people.LastAdministrator):
        change(axel, Role.VIEWER)


def test_one_of_two_administrators_may_go(axel):
    a_person("dora@acme.test", Role.ADMIN)

    people.remove(membership=membership_of(axel), actor="dora@acme.test", now=NOON)

    assert not Membership.objects.filter(user=axel).exists()


def test_a_change_of_role_ends_the_persons_sessions(client, axel):
    ada = a_person("ada@acme.test", Role.DESIGNER)
    client.force_login(ada)
    assert client.get("/api/v1/health/").status_code != 401

    change(ada, Role.VIEWER)

    assert client.get("/api/docs/").status_code == 302


def test_a_change_of_role_withdraws_tokens_that_reach_too_far(axel):
    a_person("dora@acme.test", Role.ADMIN)
    for role in (Role.ADMIN, Role.VIEWER):
        tokens.create(
            workspace=a_workspace(),
            user=axel,
            name=role,
            role=role,
            expires_at=NOON + timedelta(days=9),
            actor="axel",
            now=NOON,
        )

    change(axel, Role.OPERATOR)

    assert [token.role for token in ApiToken.objects.all()] == [Role.VIEWER]


def test_every_act_is_in_the_trail(axel):
    ada = a_person("ada@acme.test", Role.DESIGNER)

    change(ada, Role.OPERATOR)
    people.remove(membership=membership_of(ada), actor="axel@acme.test", now=NOON)

    assert list(AuditEntry.objects.order_by("position").values_list("action", "target", "actor")) == [
        ("person.role_changed", "ada@acme.test", "axel@acme.test"),
        ("person.removed", "ada@acme.test", "axel@acme.test"),
    ]
