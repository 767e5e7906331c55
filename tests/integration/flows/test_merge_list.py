"""The list of merges names records to those who may see what is in them, and has their ids for everybody."""

from __future__ import annotations

import pytest
from django.test import Client

from flows.models import Merge
from integrator.accounts.roles import Role
from tests.builders import NOON, a_pair, a_person

pytestmark = pytest.mark.django_db

KEPT, LOST = "001000000000001AAA", "001000000000002AAA"


@pytest.fixture
def merge() -> Merge:
    found = Merge(
        connection=a_pair().salesforce, object="Account", label="Account", master=KEPT, losers=[LOST],
        preset="keep", actor="otto@acme.test", created_at=NOON, state=Merge.State.DONE,
    )  # fmt: skip
    names = {KEPT: "Rosen <Ltd>", LOST: "Rosen Limited"}
    found.keep(before={one: {"Id": one, "Name": name} for one, name in names.items()}, sent={})
    found.save()
    return found


def listed(client: Client, role: str) -> str:
    client.force_login(a_person(f"{role}@acme.test", role))
    return client.get("/w/acme/dev/merges/").content.decode()


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.DESIGNER])
def test_who_may_see_contents_reads_names_and_ids(client: Client, merge: Merge, role: str) -> None:
    page = listed(client, role)

    for said in ("Rosen &lt;Ltd&gt;", "Rosen Limited", KEPT, LOST):
        assert said in page


@pytest.mark.parametrize("role", [Role.VIEWER, Role.FINANCE])
def test_who_may_not_reads_ids_alone(client: Client, merge: Merge, role: str) -> None:
    page = listed(client, role)

    assert "Rosen" not in page
    assert KEPT in page
    assert LOST in page


def test_where_no_key_opens_the_names_the_ids_are_there(client: Client, merge: Merge) -> None:
    Merge.objects.update(before=b"sealed with a key that is lost")

    page = listed(client, Role.OPERATOR)

    assert KEPT in page
    assert LOST in page
