"""This module makes what an installation lacks: workspace, administrator, token, connections, flows."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from connectors import connections
from connectors.models import Connection, WebhookEndpoint
from flows import publishing, topics
from flows.models import Deployment, Integration, Pair
from integrator.accounts import people, tokens, workspaces
from integrator.accounts.models import ApiToken, Membership, User
from integrator.accounts.roles import Role

ACTOR = "bootstrap"
TOKEN = "bootstrap"  # noqa: S105  # the token's name, not a token
REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one system: its address, what is not secret, and what is."""

    base_url: str
    secrets: dict[str, str] = field(repr=False)
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an installation should have."""

    workspace: str = "Acme"
    environment: str = "dev"
    admin_email: str = ""
    admin_password: str = field(default="", repr=False)
    stripe: Access | None = None
    salesforce: Access | None = None
    webhook: str = field(default="", repr=False)  # a signing secret, or REGISTER
    flows: Sequence[str] = ()
    topics: Sequence[str] = ()  # of the org's event bus
    new_token: bool = False
    renew: bool = False  # the sandbox was started anew: enter secrets and webhooks again


def stage(wanted: Wanted, *, now: datetime) -> dict[str, Any]:
    """
    Make whatever of `wanted` is missing, and describe everything; secrets only of what was made.

    :raises Unacceptable: if an address or a credential is not acceptable
    """
    return _Stage(wanted, now).describe()


class _Stage:
    """One run of `stage`: each method makes one thing and returns its description."""

    def __init__(self, wanted: Wanted, now: datetime) -> None:
        self.wanted = wanted
        self.now = now
        self.by: dict[str, Any] = {"actor": ACTOR, "now": now}
        self.workspace = workspaces.create(name=wanted.workspace, **self.by)
        self.environment = self.workspace.environments.get(slug=wanted.environment)

    def describe(self) -> dict[str, Any]:
        administrator = self.administrator()
        stripe = self.connection(Connection.System.STRIPE, self.wanted.stripe)
        salesforce = self.connection(Connection.System.SALESFORCE, self.wanted.salesforce)
        made = [found for found in (stripe, salesforce) if found is not None]
        return {
            "workspace": self.workspace.slug,
            "environment": self.environment.slug,
            "address": f"{settings.PUBLIC_URL}/w/{self.workspace.slug}/{self.environment.slug}/",
            "administrator": administrator,
            "token": self.token(),
            "connections": [{"id": c.public_id, "system": c.system, "name": c.name} for c in made],
            "webhooks": [self.webhook(stripe)] if stripe is not None and self.wanted.webhook else [],
            "flows": self.flows(stripe, salesforce) if stripe and salesforce else [],
            "topics": self.topics(salesforce) if salesforce is not None else [],
        }

    def administrator(self) -> dict[str, str | None] | None:
        email = self.wanted.admin_email.lower()
        if not email:
            return None
        held = Membership.objects.filter(workspace=self.workspace, user__email=email, role=Role.ADMIN)
        if held.exists():
            return {"email": email, "password": None}
        password = None
        if not User.objects.filter(email=email).exists():
            password = self.wanted.admin_password or secrets.token_urlsafe(12)
        people.add(workspace=self.workspace, email=email, role=Role.ADMIN, password=password, **self.by)
        return {"email": email, "password": password}

    def token(self) -> str | None:
        owner = User.objects.filter(
            memberships__workspace=self.workspace, memberships__role=Role.ADMIN, memberships__environment=None
        ).first()
        if owner is None:
            return None
        known = ApiToken.objects.filter(workspace=self.workspace, name=TOKEN)
        if known.exists() and not self.wanted.new_token:
            return None
        for token in known:  # nobody has its text any more
            tokens.revoke(token=token, **self.by)
        _, secret = tokens.create(
            workspace=self.workspace,
            user=owner,
            name=TOKEN,
            role=Role.ADMIN,
            expires_at=self.now + timedelta(days=365),
            **self.by,
        )
        return secret

    def connection(self, system: Connection.System, access: Access | None) -> Connection | None:
        found = self.environment.connections.filter(system=system).order_by("id").first()
        if access is None:
            return found
        if found is None:
            found = connections.create(
                environment=self.environment,
                system=system,
                name=system.label,
                base_url=access.base_url,
                settings=access.settings,
                secrets=access.secrets,
                **self.by,
            )
        elif self.wanted.renew:
            self.move(found, access)
        connections.test(connection=found, **self.by)
        return found

    def move(self, found: Connection, access: Access) -> None:
        """Point a sandbox connection at the sandbox's new address, with its new secrets."""
        connections.move(connection=found, base_url=access.base_url, **self.by)
        connections.rotate(connection=found, secrets=access.secrets, **self.by)
        found.configure(**access.settings)
        if found.state != Connection.State.ACTIVE:
            connections.resume(connection=found, **self.by)

    def webhook(self, stripe: Connection) -> dict[str, str | None]:
        endpoint = stripe.webhook_endpoints.order_by("id").first()
        if endpoint is not None and self.wanted.renew:
            endpoint.delete()
            endpoint = None
        secret = None
        if endpoint is None:
            endpoint, secret = self.new_webhook(stripe)
        return {"url": settings.PUBLIC_URL + str(endpoint), "secret": secret}

    def new_webhook(self, stripe: Connection) -> tuple[WebhookEndpoint, str]:
        if self.wanted.webhook == REGISTER:
            return connections.register_webhook(connection=stripe, public_url=settings.PUBLIC_URL, **self.by)
        secret = self.wanted.webhook
        return connections.add_webhook_endpoint(connection=stripe, secret=secret, **self.by), secret

    def flows(self, stripe: Connection, salesforce: Connection) -> list[dict[str, Any]]:
        integration, _ = Integration.objects.get_or_create(
            workspace=self.workspace, slug="stripe-salesforce", defaults={"name": "Stripe and Salesforce"}
        )
        pair, _ = Pair.objects.get_or_create(
            integration=integration,
            environment=self.environment,
            defaults={"stripe": stripe, "salesforce": salesforce},
        )
        return [self.flow(slug, integration, pair) for slug in self.wanted.flows]

    def flow(self, slug: str, integration: Integration, pair: Pair) -> dict[str, Any]:
        version = publishing.install_recipe(slug=slug, integration=integration, **self.by)
        if not Deployment.objects.filter(flow=version.flow, pair=pair, ended_at=None).exists():
            publishing.deploy(version=version, pair=pair, **self.by)
        return {"id": version.flow.public_id, "slug": version.flow.slug, "version": version.number}

    def topics(self, salesforce: Connection) -> list[str]:
        """Have topics listened to. An org that was started anew knows no position: they begin anew too."""
        known = list(salesforce.topics.select_related("connection__environment__workspace"))
        if self.wanted.renew:
            for topic in known:
                topics.drop(topic=topic, **self.by)
        names = dict.fromkeys([*(topic.name for topic in known), *self.wanted.topics])
        kept = set() if self.wanted.renew else {topic.name for topic in known}
        for name in names:
            if name not in kept:
                topics.choose(connection=salesforce, name=name, **self.by)
        return list(names)
