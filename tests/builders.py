"""This module builds rows for tests: plain functions with sensible defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connectors.models import Connection
from flows.models import Flow, Integration, Pair
from integrator.accounts.models import Environment, Membership, User, Workspace
from integrator.accounts.roles import Role

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def a_workspace(slug: str = "acme", name: str = "Acme") -> Workspace:
    """Return a workspace with its dev, QA and production environments."""
    workspace, _ = Workspace.objects.get_or_create(slug=slug, defaults={"name": name})
    for position, kind in enumerate(Environment.Kind):
        Environment.objects.get_or_create(
            workspace=workspace,
            slug=kind.value,
            defaults={"name": kind.label, "kind": kind, "position": position},
        )
    return workspace


def an_environment(slug: str = "dev", workspace: Workspace | None = None) -> Environment:
    """Return one environment of a workspace."""
    return (workspace or a_workspace()).environments.get(slug=slug)


def a_person(
    email: str = "ada@acme.test",
    role: str | None = Role.DESIGNER,
    workspace: Workspace | None = None,
    password: str = "correct horse battery",
) -> User:
    """Return a person with `role` in the workspace, or with none at all."""
    person = User.objects.create_user(email=email, password=password)
    if role is not None:
        Membership.objects.create(user=person, workspace=workspace or a_workspace(), role=role)
    return person


def a_connection(
    system: str = "stripe", environment: Environment | None = None, name: str = "", **fields: Any
) -> Connection:
    """Return an active connection without credentials."""
    defaults: dict[str, Any] = (
        {
            "base_url": "http://127.0.0.1:1",
            "api_version": "2026-10-28.endive",
            "pinned_account": "acct_test",
            "pinned_livemode": False,
        }
        if system == "stripe"
        else {
            "base_url": "http://127.0.0.1:1",
            "api_version": "v67.0",
            "pinned_account": "00D000000000001AAA",
            "pinned_livemode": False,
        }
    )
    return Connection.objects.create(
        environment=environment or an_environment(),
        system=system,
        name=name or system.title(),
        **(defaults | fields),
    )


def a_pair(environment: Environment | None = None, **connections: Connection) -> Pair:
    """Return an integration bound to a Stripe and a Salesforce connection."""
    environment = environment or an_environment()
    integration, _ = Integration.objects.get_or_create(
        workspace=environment.workspace, slug="billing", defaults={"name": "Billing"}
    )
    return Pair.objects.create(
        integration=integration,
        environment=environment,
        stripe=connections.get("stripe") or a_connection("stripe", environment),
        salesforce=connections.get("salesforce") or a_connection("salesforce", environment),
    )


def a_flow(integration: Integration | None = None, slug: str = "payments") -> Flow:
    """Return a flow without versions."""
    integration = integration or a_pair().integration
    return Flow.objects.create(integration=integration, slug=slug, name=slug.title())
