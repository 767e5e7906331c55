"""At once: what several people do in the same moment leaves a whole chain and an administrator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from integrator.accounts import audit, people
from integrator.accounts.models import AuditEntry, Membership
from integrator.accounts.roles import Role
from tests.builders import NOON, a_person, a_workspace

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(act, arguments):
    """Run `act` with each of `arguments` in a thread of its own, and return what came of each."""

    def run(argument):
        try:
            return act(argument)
        except Exception as error:  # the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(run, arguments))


def test_entries_written_at_once_form_one_chain_without_gaps():
    workspace = a_workspace()

    def write(number):
        for turn in range(5):
            with transaction.atomic():
                audit.record(
                    workspace=workspace, actor=f"ada{number}", action="x", target=f"{turn}", now=NOON
                )

    assert at_once(write, range(4)) == [None] * 4
    assert audit.verify(workspace=workspace) is None
    assert AuditEntry.objects.count() == 20


def test_two_administrators_cannot_demote_each_other_at_once():
    axel, dora = a_person("axel@acme.test", Role.ADMIN), a_person("dora@acme.test", Role.ADMIN)
    memberships = [Membership.objects.select_related("user", "workspace").get(user=p) for p in (axel, dora)]

    def demote(membership):
        people.change_role(membership=membership, role=Role.VIEWER, actor="the other", now=NOON)

    outcomes = at_once(demote, memberships)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LastAdministrator", "NoneType"]
    assert Membership.objects.filter(role=Role.ADMIN).count() == 1
