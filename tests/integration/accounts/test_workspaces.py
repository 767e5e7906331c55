"""Workspaces: made whole, and made once."""

from __future__ import annotations

import pytest

from integrator.accounts import workspaces
from integrator.accounts.models import AuditEntry, Workspace
from tests.builders import NOON

pytestmark = pytest.mark.django_db


def test_a_workspace_comes_with_its_environments_in_promotion_order():
    workspace = workspaces.create(name="Acme Ltd", now=NOON)

    assert workspace.slug == "acme-ltd"
    assert [place.slug for place in workspace.environments.all()] == ["dev", "qa", "production"]


def test_making_it_again_mends_what_is_missing_and_changes_nothing_else():
    workspaces.create(name="Acme", now=NOON).environments.filter(slug="qa").delete()

    again = workspaces.create(name="Acme", now=NOON)

    assert Workspace.objects.count() == 1
    assert again.environments.count() == 3
    assert AuditEntry.objects.count() == 1


def test_a_name_without_letters_gives_no_address():
    with pytest.raises(ValueError, match="letters"):
        workspaces.create(name="///", now=NOON)
