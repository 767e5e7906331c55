"""The policy table: what the roles of the product may do."""

from __future__ import annotations

import pytest

from integrator.accounts.access import Scope, roles_in
from integrator.accounts.models import Environment, Membership, Workspace
from integrator.accounts.roles import MEANING, POLICY, Role, allowed
from integrator.accounts.tokens import reaches


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (Role.VIEWER, "runs.view", "runs.payload"),
        (Role.DESIGNER, "flows.edit", "flows.deploy"),
        (Role.OPERATOR, "deadletters.retry", "flows.edit"),
        (Role.OPERATOR, "reviews.answer", "rates.manage"),
        (Role.OPERATOR, "flows.release", "flows.deploy"),
        (Role.APPROVER, "flows.deploy", "flows.edit"),
        (Role.FINANCE, "rates.manage", "deadletters.retry"),
        (Role.AUDITOR, "audit.view", "tokens.manage"),
        (Role.ADMIN, "people.manage", None),
    ],
)
def test_each_role_may_do_its_part_and_no_more(role, may, may_not):
    assert allowed(role, may)
    assert may_not is None or not allowed(role, may_not)


def test_a_permission_that_does_not_exist_is_an_error_and_no_silent_no():
    with pytest.raises(KeyError):
        allowed(Role.ADMIN, "flows.edti")
    with pytest.raises(KeyError):
        Scope(workspace=Workspace(), environment=None, roles=frozenset(), actor="").can("flows.edti")


@pytest.mark.parametrize("role", Role)
def test_an_administrator_reaches_every_role_and_a_viewer_only_what_everybody_may(role):
    assert reaches(frozenset({Role.ADMIN}), role)
    assert reaches(frozenset({Role.VIEWER}), role) == (role == Role.VIEWER)


def test_two_roles_together_reach_what_neither_does_alone():
    assert reaches(frozenset({Role.APPROVER, Role.DESIGNER}), Role.APPROVER)
    assert not reaches(frozenset({Role.APPROVER, Role.DESIGNER}), Role.OPERATOR)


def test_a_role_in_one_environment_holds_there_alone():
    dev, qa = Environment(pk=1), Environment(pk=2)
    held = [Membership(role=Role.VIEWER), Membership(role=Role.OPERATOR, environment_id=1)]

    assert roles_in(held, dev) == {Role.VIEWER, Role.OPERATOR}
    assert roles_in(held, qa) == {Role.VIEWER}
    assert roles_in(held, None) == {Role.VIEWER}


def test_every_permission_can_be_named_to_whom_it_is_refused():
    assert set(MEANING) == set(POLICY)


def test_every_permission_is_somebodys_and_always_the_administrators():
    assert all(Role.ADMIN in roles for roles in POLICY.values())
