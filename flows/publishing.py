"""This module freezes flow documents as versions and says which of them is live for a pair."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from flows import earshot, taken
from flows.engine import definition
from flows.engine.definition import InvalidDocument
from flows.engine.trigger import OTHER_FLOWS, read_trigger
from flows.models import Change, Deployment, Flow, FlowVersion, Integration, Pair
from flows.recipes import catalogue, currencies
from flows.steps import registry
from integrator.accounts import audit
from integrator.accounts.models import AuditEntry


class Undeployable(Exception):
    """The version cannot be live for the pair."""


class WrongPair(Undeployable):
    """The flow belongs to another integration than the pair."""


class NothingStartsIt(Undeployable):
    """The flow is a sub-flow: other flows take its steps, and those are live."""


class NotLive(Exception):
    """The deployment is history: another version took its place."""


def publish(
    *, flow: Flow, document: Mapping[str, Any] | bytes | str, actor: str, now: datetime, note: str = ""
) -> FlowVersion:
    """
    Freeze `document` as the next version of `flow`, or return the version that has the same content.

    The steps of sub-flows that it takes are frozen with it.

    :raises flows.engine.definition.InvalidDocument: if it could not be run; its problems name step and field
    """
    whole = _filled(document, flow)
    checked = definition.load(whole, kinds=registry.load())
    content_hash = definition.content_hash(checked)
    with transaction.atomic():
        Flow.objects.select_for_update(no_key=True).get(pk=flow.pk)  # numbers have no gaps and no twins
        known = flow.versions.filter(content_hash=content_hash).first()
        if known is not None:
            return known
        last = flow.versions.aggregate(last=Max("number"))["last"] or 0
        version = flow.versions.create(
            number=last + 1,
            document=checked.model_dump(mode="json", exclude_unset=True),
            content_hash=content_hash,
            note=note,
            published_at=now,
            published_by=actor,
        )
        audit.record(
            workspace=flow.integration.workspace,
            actor=actor,
            action="flow.published",
            target=str(version),
            details={"content_hash": content_hash, "note": note},
            now=now,
        )
    return version


def _filled(document: Mapping[str, Any] | bytes | str, flow: Flow) -> Mapping[str, Any] | bytes | str:
    if not isinstance(document, Mapping):
        try:
            read = json.loads(document) if len(document) <= definition.LARGEST else None
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            return document  # which is refused in plain words
        document = read
    whole = taken.filled(document, flow)
    if found := taken.problems(whole, flow):
        raise InvalidDocument(found)
    return whole


def install_recipe(*, slug: str, integration: Integration, actor: str, now: datetime) -> FlowVersion:
    """
    Publish the recipe `slug` as a flow of `integration`, once however often it is called.

    :raises flows.recipes.catalogue.NoSuchRecipe: if there is none
    :raises RuntimeError: inside a transaction, if an org has to be asked what it sells in
    """
    recipe = catalogue.load(slug)
    orgs = [pair.salesforce for pair in integration.pairs.select_related("salesforce").order_by("id")]
    document = currencies.fitted(recipe.raw, orgs, now=now)
    with transaction.atomic():
        flow, _ = Flow.objects.get_or_create(
            integration=integration, slug=slug, defaults={"name": recipe.document.name}
        )
        return publish(flow=flow, document=document, actor=actor, now=now, note=f"Template {slug}")


def deploy(*, version: FlowVersion, pair: Pair, actor: str, now: datetime) -> Deployment:
    """
    Make `version` live for `pair`, in place of the version that was; runs under way finish on theirs.

    A flow that was switched off stays so. Rolling back is deploying an older version. If the org starts the
    flow, a topic is added that tells of it, unless one is heard already.

    :raises WrongPair: if the flow belongs to another integration
    :raises NothingStartsIt: if it is a sub-flow
    """
    if version.document["trigger"]["kind"] == OTHER_FLOWS:
        raise NothingStartsIt(f"{version.flow} is a sub-flow: it runs in the flows that take its steps.")
    if version.flow.integration_id != pair.integration_id:
        raise WrongPair(f"{version} belongs to another integration than {pair}.")
    with transaction.atomic():
        Flow.objects.select_for_update(no_key=True).get(pk=version.flow_id)
        before = Deployment.objects.filter(flow=version.flow_id, pair=pair, ended_at__isnull=True).first()
        if before is not None:
            if before.version_id == version.pk:
                return before
            before.end(now=now)
        deployment = Deployment.objects.create(
            flow=version.flow,
            version=version,
            pair=pair,
            enabled=before.enabled if before else True,
            deployed_at=now,
            deployed_by=actor,
        )
        trigger = read_trigger(version.document["trigger"])
        topic = earshot.listen(pair.salesforce, trigger, actor=actor, now=now)
        details: dict[str, Any] = {"from": before.version.number if before else None, "to": version.number}
        if topic:
            details["listens_to"] = topic
        _tell(deployment, "flow.deployed", details, actor, now)
    return deployment


def switch(*, deployment: Deployment, enabled: bool, actor: str, now: datetime) -> Deployment:
    """
    Turn a flow on or off for a pair. Off, its events are ignored; runs that were opened still finish.

    :raises NotLive: if another version was deployed meanwhile
    """
    with transaction.atomic():
        locked = Deployment.objects.select_for_update(of=("self",)).get(pk=deployment.pk)
        if locked.ended_at is not None:
            raise NotLive(f"{locked} is no longer live.")
        if locked.enabled != enabled:
            locked.switch(enabled=enabled)
            action = "flow.switched_on" if enabled else "flow.switched_off"
            _tell(locked, action, {"version": locked.version.number}, actor, now)
    return locked


def off_since(*, deployment: Deployment) -> datetime:
    """Return when the flow that is off was switched off, as the audit trail has it."""
    entries = AuditEntry.objects.filter(
        workspace=deployment.pair.environment.workspace_id,
        action="flow.switched_off",
        target=_name_of(deployment)[:200],
    )
    last = entries.order_by("-position").values_list("at", flat=True).first()
    return last or deployment.deployed_at


def _name_of(deployment: Deployment) -> str:
    return f"{deployment.flow} in {deployment.pair.environment}"


def _tell(deployment: Deployment, action: str, details: dict[str, Any], actor: str, now: datetime) -> None:
    """Write the audit entry and the Change row of what was done to `deployment`."""
    pair = deployment.pair
    audit.record(
        workspace=pair.environment.workspace,
        actor=actor,
        action=action,
        target=_name_of(deployment),
        details=details,
        now=now,
    )
    summary = {"flow": deployment.flow.public_id, "action": action}
    Change.objects.record(environment_id=pair.environment_id, kind="deployment", summary=summary, now=now)
