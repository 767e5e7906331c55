"""
This module sets up the channels by which alerts reach people and programs.

Secrets go in, or are made here, and are returned once, to whoever made them; from then on they are sealed.
"""

from __future__ import annotations

import base64
import re
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet

from connectors import hooks
from connectors.addresses import NotAllowed
from connectors.models import Connection
from flows.models import Change
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import Environment, Workspace
from integrator.kernel.refusals import Unacceptable
from monitoring.models import AlertChannel, AlertDispatch, AlertNotice
from monitoring.wording import PREFIX, SECRET_BYTES, Message

MOST = 50  # channels of a workspace
MOST_ADDRESSES = 20
MOST_TESTS = 20  # of a channel within an hour: nobody is to be flooded by them
OVERLAP = timedelta(hours=24)  # in which the former secret signs, too
PARTS = {
    "id": "Id of the message", "title": "Title", "text": "Text", "severity": "Severity",
    "kind": "Kind", "link": "Link",
}  # fmt: skip
USUAL_FIELDS = {
    "id": "Message_Id__c", "title": "Title__c", "text": "Text__c", "severity": "Severity__c",
    "kind": "Kind__c", "link": "Link__c",
}  # fmt: skip
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,76}__e")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,76}__c")


class InUse(Exception):
    """Rules still tell this channel."""


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody has entered about a channel. Empty `url`: the one that is kept stays."""

    name: str
    addresses: tuple[str, ...] = ()
    url: str = ""
    connection: Connection | None = None
    event: str = ""
    fields: Mapping[str, str] | None = None


def add(
    *, workspace: Workspace, kind: str, given: Given, actor: str, now: datetime
) -> tuple[AlertChannel, str]:
    """
    Return a new channel and, for a signed webhook, its secret, which is never told again.

    :raises Unacceptable: if something about it cannot be; `field` names it
    """
    channel = AlertChannel(workspace=workspace, kind=kind, created_by=actor, created_at=now)
    if kind not in AlertChannel.Kind:
        raise Unacceptable("There is no such kind of channel.", field="kind")
    kept: dict[str, str] = {}
    secret = ""
    if kind == AlertChannel.Kind.WEBHOOK:
        kept["secret"] = secret = _new_secret()
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        if AlertChannel.objects.of(workspace).count() >= MOST:
            raise Unacceptable(f"A workspace has at most {MOST} channels.")
        _fill(channel, given, kept)
        channel.save()
        _audit(channel, actor, "channel.added", now)
    return channel, secret


def change(*, channel: AlertChannel, given: Given, actor: str, now: datetime) -> AlertChannel:
    """
    Let `channel` be as `given`, and be tried again at once.

    :raises Unacceptable: if something about it cannot be; `field` names it
    """
    with transaction.atomic():
        # Two people who choose one name at once: the second is told so.
        Workspace.objects.select_for_update(no_key=True).get(pk=channel.workspace_id)
        found = _locked(channel)
        _fill(found, given, _kept(found))
        _well(found)
        found.save()
        _audit(found, actor, "channel.changed", now)
    return found


def switch(*, channel: AlertChannel, on: bool, actor: str, now: datetime) -> AlertChannel:
    """Let `channel` be told of what happens from now on, or of nothing; what waits for it is dropped then."""
    with transaction.atomic():
        found = _locked(channel)
        if found.enabled == on:
            return found
        found.enabled = on
        _well(found)
        found.save()
        if not on:
            _drop(found, now)
        _audit(found, actor, "channel.switched_on" if on else "channel.switched_off", now)
    return found


def delete(*, channel: AlertChannel, actor: str, now: datetime) -> None:
    """
    Remove `channel` and its secrets; the list of what it was sent keeps its name.

    :raises InUse: if rules still tell it
    """
    with transaction.atomic():
        found = _locked(channel)
        named = sorted({step.rule.name for step in found.steps.select_related("rule")})
        if named:
            raise InUse(f"Rules still tell it: {', '.join(named[:5])}. Change or delete them first.")
        found.enabled, found.deleted_at = False, now
        found.keep({})
        found.save()
        _drop(found, now)
        _audit(found, actor, "channel.deleted", now)


def renew_secret(*, channel: AlertChannel, actor: str, now: datetime) -> str:
    """
    Return a new signing secret, which is never told again; the former one signs for another day, too.

    :raises Unacceptable: if the channel signs nothing
    """
    with transaction.atomic():
        found = _locked(channel)
        if found.kind != AlertChannel.Kind.WEBHOOK:
            raise Unacceptable("Only signed webhooks have a secret.")
        kept = _kept(found)
        if "url" not in kept:
            raise Unacceptable("Its address cannot be read any more. Change it first: enter it anew.")
        kept["older"], kept["secret"] = kept.get("secret", ""), _new_secret()
        found.keep(kept)
        found.older_until = now + OVERLAP
        found.save()
        _audit(found, actor, "channel.secret_renewed", now)
    return kept["secret"]


def test(*, channel: AlertChannel, actor: str, now: datetime) -> AlertDispatch:
    """
    Have a test sent, once; what the other side answers is shown in the list of messages.

    :raises Unacceptable: if the channel is switched off, or was tested often within the hour
    """
    with transaction.atomic():
        found = _locked(channel)
        if not found.enabled:
            raise Unacceptable("It is switched off.")
        lately = found.dispatches.filter(test=True, created_at__gt=now - timedelta(hours=1))
        if lately.count() >= MOST_TESTS:
            raise Unacceptable(f"It was tested {MOST_TESTS} times within the hour. Wait a little.")
        message = Message(id="", at=now, workspace=found.workspace.name, alerts=(), test=True)
        sent = AlertDispatch.objects.create(
            channel=found, subject=message.subject[:250], test=True, created_at=now, due_at=now
        )
        _audit(found, actor, "channel.tested", now)
    return sent


# Helpers


def _locked(channel: AlertChannel) -> AlertChannel:
    rows: QuerySet[AlertChannel] = AlertChannel.objects.filter(deleted_at__isnull=True)
    return rows.select_related("workspace").select_for_update(of=("self",)).get(pk=channel.pk)


def _kept(channel: AlertChannel) -> dict[str, str]:
    """Return its secrets; where the key is lost that sealed them, what can be made anew without asking."""
    try:
        return channel.secrets()
    except vault.Unreadable:
        return {"secret": _new_secret()} if channel.kind == AlertChannel.Kind.WEBHOOK else {}


def _well(channel: AlertChannel) -> None:
    channel.failures, channel.failure = 0, ""
    channel.rests_until = channel.failed_since = None


def _drop(channel: AlertChannel, now: datetime) -> None:
    AlertNotice.objects.filter(channel=channel, dispatch=None).delete()
    waiting = AlertDispatch.objects.waiting().filter(channel=channel)
    waiting.update(given_up_at=now, answer="The channel was switched off.")


def _new_secret() -> str:
    return PREFIX + base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()


def _audit(channel: AlertChannel, actor: str, action: str, now: datetime) -> None:
    audit.record(
        workspace=channel.workspace,
        actor=actor,
        action=action,
        target=channel.name,
        details={"channel": channel.public_id, "kind": channel.kind, "leads_to": channel.target[:200]},
        now=now,
    )
    tell_pages(channel.workspace_id, now=now)


def tell_pages(workspace_id: int, *, now: datetime) -> None:
    """Have the pages of alerts of a workspace drawn anew."""
    for environment in Environment.objects.filter(workspace=workspace_id).order_by("pk"):
        Change.objects.record(environment_id=environment.pk, kind="alert", summary={}, now=now)


def _fill(channel: AlertChannel, given: Given, kept: dict[str, str]) -> None:
    name = " ".join(given.name.split())
    if not name or len(name) > 100 or not name.isprintable():
        raise Unacceptable("Give it a name of at most 100 characters.", field="name")
    if AlertChannel.objects.of(channel.workspace).filter(name=name).exclude(pk=channel.pk).exists():
        raise Unacceptable("Another channel has this name.", field="name")
    channel.name = name
    match channel.kind:
        case AlertChannel.Kind.EMAIL:
            channel.settings = {"addresses": _addresses(given.addresses)}
        case AlertChannel.Kind.EVENT:
            _fill_event(channel, given)
        case _:
            _fill_hook(channel, given, kept)


def _addresses(given: tuple[str, ...]) -> list[str]:
    found = list(dict.fromkeys(address.strip() for address in given if address.strip()))
    if not found:
        raise Unacceptable("Enter at least one address.", field="addresses")
    if len(found) > MOST_ADDRESSES:
        raise Unacceptable(f"Enter at most {MOST_ADDRESSES} addresses.", field="addresses")
    for address in found:
        try:
            validate_email(address)
        except ValidationError:
            raise Unacceptable(f"{address[:100]!r} is no e-mail address.", field="addresses") from None
    return found


def _fill_hook(channel: AlertChannel, given: Given, kept: dict[str, str]) -> None:
    url = given.url.strip() or kept.get("url", "")
    if not url:
        raise Unacceptable("Enter the address to post to.", field="url")
    try:
        kept["url"] = hooks.checked(url)
    except NotAllowed as refusal:
        raise Unacceptable(str(refusal), field="url") from refusal
    channel.settings = {"host": urlsplit(kept["url"]).netloc}
    channel.keep(kept)


def _fill_event(channel: AlertChannel, given: Given) -> None:
    connection = given.connection
    if (
        connection is None
        or connection.system != Connection.System.SALESFORCE
        or connection.environment.workspace_id != channel.workspace_id
    ):
        raise Unacceptable("Choose a Salesforce connection.", field="connection")
    if not _EVENT.fullmatch(given.event.strip()):
        raise Unacceptable("Enter the API name of a platform event; it ends with __e.", field="event")
    fields = {part: name.strip() for part, name in (given.fields or {}).items() if name.strip()}
    for part, name in fields.items():
        if part not in PARTS or not _FIELD.fullmatch(name):
            raise Unacceptable(f"{name[:80]!r} is no API name of a field; it ends with __c.", field="fields")
    if not fields:
        raise Unacceptable("Name at least one field.", field="fields")
    if len(set(fields.values())) < len(fields):
        raise Unacceptable("Two parts are to be written into one field.", field="fields")
    channel.connection = connection
    channel.settings = {"event": given.event.strip(), "fields": fields}
