"""This module makes integrations, binds connections to their slots, and adds flows to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from connectors.models import Connection
from flows import publishing
from flows.models import Flow, FlowVersion, Integration, Pair
from integrator.accounts import audit
from integrator.accounts.models import Environment, Workspace


class Taken(Exception):
    """There is one of that name, or for that place, already."""


class WrongSlot(ValueError):
    """The connection does not fit the slot: another system, or another environment."""


def create(*, workspace: Workspace, name: str, slug: str = "", actor: str, now: datetime) -> Integration:
    """
    Make an integration, still without pairs and flows.

    :raises Taken: if the workspace has one with that slug
    :raises ValueError: if neither `slug` nor `name` gives an address
    """
    slug = _slug(slug, name, most=50)
    with transaction.atomic():
        made, is_new = Integration.objects.get_or_create(
            workspace=workspace, slug=slug, defaults={"name": name}
        )
        if not is_new:
            raise Taken(f"There is an integration {slug!r} already.")
        audit.record(workspace=workspace, actor=actor, action="integration.created", target=name, now=now)
    return made


def bind(
    *,
    integration: Integration,
    environment: Environment,
    stripe: Connection,
    salesforce: Connection,
    actor: str,
    now: datetime,
) -> Pair:
    """
    Make the pair of `integration` in `environment`: the two connections bound to its slots.

    :raises WrongSlot: if a connection is of another system or belongs to another environment
    :raises Taken: if the integration has a pair there
    """
    for slot, connection in (("stripe", stripe), ("salesforce", salesforce)):
        if connection.system != slot or connection.environment_id != environment.pk:
            raise WrongSlot(f"{connection} is no {slot} connection of {environment}.")
    with transaction.atomic():
        pair, is_new = Pair.objects.get_or_create(
            integration=integration,
            environment=environment,
            defaults={"stripe": stripe, "salesforce": salesforce},
        )
        if not is_new:
            raise Taken(f"{integration} has its connections in {environment} already.")
        audit.record(
            workspace=integration.workspace,
            actor=actor,
            action="pair.created",
            target=str(pair),
            details={"stripe": stripe.name, "salesforce": salesforce.name},
            now=now,
        )
    return pair


def add_flow(
    *,
    integration: Integration,
    document: Mapping[str, Any],
    slug: str = "",
    note: str = "",
    actor: str,
    now: datetime,
) -> FlowVersion:
    """
    Make a flow of `document` and publish it as the flow's first version.

    :raises flows.engine.definition.InvalidDocument: if it could not be run
    :raises Taken: if the integration has a flow with that slug
    :raises ValueError: if neither `slug` nor the document's name gives an address
    """
    name = str(document.get("name", ""))[:100]
    with transaction.atomic():
        flow, is_new = Flow.objects.get_or_create(
            integration=integration, slug=_slug(slug, name, most=80), defaults={"name": name}
        )
        if not is_new:
            raise Taken(f"{integration} has a flow {flow.slug!r} already.")
        return publishing.publish(flow=flow, document=document, note=note, actor=actor, now=now)


def _slug(slug: str, name: str, *, most: int) -> str:
    found = slug or slugify(name)[:most]
    if not found:
        raise ValueError("Give it a name with letters or digits in it.")
    return found
