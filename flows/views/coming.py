"""This module says what an event of an org tells: of which records and fields, and where those are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.addresses import LOOPBACK
from connectors.models import AccessToken, Connection
from flows.bus_events import BusEvent
from flows.models import Event

_VERBS: Mapping[str, str] = {
    "created": "created",
    "updated": "changed",
    "deleted": "deleted",
    "undeleted": "undeleted",
    "overflow": "changed; Salesforce does not say which records",
}
_MOST_RECORDS = 50


@dataclass(frozen=True, slots=True)
class Named:
    """A record that an event names; `address` leads to it in the org, where there is anything to see."""

    id: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Came:
    """What came from an org. `changed` are fields, as far as the event names them and the reader may know."""

    object: str
    what: str  # happened to the records; empty of a platform event
    records: Sequence[Named] = ()
    more: int = 0  # records beyond those that are listed
    changed: Sequence[str] = ()


def of(event: Event, body: Mapping[str, Any] | None, *, subject: str = "") -> Came | None:
    """
    Return what `event` tells of an org, of `subject` alone if a run is about that; None for one of Stripe.

    `body` is the event as it was received, for those who may read it.
    """
    if event.connection.system != Connection.System.SALESFORCE or not event.type:
        return None
    name, _, verb = event.type.partition(".")
    told = BusEvent.of(body) if body is not None else None
    ids = (subject,) if subject else told.record_ids if told else tuple(filter(None, (event.object_id,)))
    home = _home(event.connection) if ids else ""
    records = [Named(one, f"{home}/{one}" if home else "") for one in ids[:_MOST_RECORDS]]
    changed = told.changed if told else ()
    return Came(name, _VERBS.get(verb, verb), records, max(0, len(ids) - _MOST_RECORDS), changed)


def _home(org: Connection) -> str:
    """
    Return where people see the org's records; empty for a simulated one, which has no pages.

    An org leads from `/<id>` to the record, whatever its object is.
    """
    token = AccessToken.objects.filter(connection=org).only("instance_url").first()
    home = (token.instance_url if token is not None else "") or org.base_url
    return "" if urlsplit(home).hostname in LOOPBACK else home.rstrip("/")
