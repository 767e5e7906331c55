"""This module runs a document beside the live version, on events that have really happened."""

from __future__ import annotations

import base64
import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils import timezone

from flows.models import Deployment, Event, Flow, FlowVersion, Pair
from flows.trials.occasions import of_event
from flows.trials.results import Difference, differences
from flows.trials.running import Ready, try_out
from flows.trials.unusable import Unusable
from integrator import vault

MOST = 200  # events
_LOOKED_AT = 50_000  # newest rows of the inbox among which they are looked for
_EXAMPLES = 3
_MOST_GROUPS = 300
_SECONDS_EACH = 1.0
SECONDS = 4.0  # of one slice


class NothingLive(Exception):
    """No version of the flow is live there, so there is nothing to compare with."""


@dataclass
class Group:
    """The same difference over many events: how often, and a few of them."""

    where: str
    field: str
    count: int = 0
    examples: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@dataclass
class Shadow:
    """How far a comparison has come, and what it found."""

    left: list[int]  # events that are still to be looked at, newest first
    total: int
    same: int = 0
    differing: int = 0
    skipped: int = 0  # could not be opened any more
    more: bool = False  # there are more kinds of differences than are listed
    groups: list[Group] = dataclasses.field(default_factory=list)

    @property
    def done(self) -> int:
        """Return how many events were looked at."""
        return self.total - len(self.left)


def live_version(*, flow: Flow, pair: Pair) -> FlowVersion:
    """
    Return the version that is live for `pair`.

    :raises NothingLive: if there is none
    """
    found = Deployment.objects.filter(flow=flow, pair=pair, ended_at__isnull=True).select_related("version")
    deployment = found.first()
    if deployment is None:
        raise NothingLive(f"No version is live in {pair.environment}, so there is nothing to compare with.")
    return deployment.version


def begin(*, pair: Pair, flow: Ready, events: int) -> Shadow:
    """Choose the newest events that would start `flow`, at most `MOST`."""
    inbox = Event.objects.filter(connection=pair.slots()[flow.document.trigger.slot])
    newest = inbox.order_by("-pk").values_list("pk", flat=True).first() or 0
    chosen = inbox.filter(
        pk__gt=newest - _LOOKED_AT, type__in=flow.plan.types, unreadable="", purged_at__isnull=True
    )
    ids = list(chosen.order_by("-pk").values_list("pk", flat=True)[: max(1, min(events, MOST))])
    return Shadow(left=ids, total=len(ids))


def go_on(shadow: Shadow, *, flow: Ready, live: Ready, pair: Pair) -> Shadow:
    """
    Compare as many events as there is time for, at least one, and return how far it has come.

    Both documents get the same answers: those that the event's own runs got. Nothing is read anew.
    """
    ends = time.monotonic() + SECONDS
    known = {(group.where, group.field): group for group in shadow.groups}
    while shadow.left:
        event = (
            Event.objects.select_related("connection")
            .filter(pk=shadow.left.pop(0), connection=pair.slots()[flow.document.trigger.slot])
            .first()
        )
        _compare(shadow, known, event, flow=flow, live=live, pair=pair)
        if time.monotonic() >= ends:
            break
    shadow.groups = sorted(known.values(), key=lambda group: (-group.count, group.where, group.field))
    return shadow


def _compare(
    shadow: Shadow,
    known: dict[tuple[str, str], Group],
    event: Event | None,
    *,
    flow: Ready,
    live: Ready,
    pair: Pair,
) -> None:
    try:
        occasion = of_event(event) if event is not None else None
    except Unusable:
        occasion = None
    if event is None or occasion is None:
        shadow.skipped += 1
        return
    before, after = (
        try_out(one, occasion, pair=pair, at=timezone.now(), seconds=_SECONDS_EACH).trial
        for one in (live, flow)
    )
    found = differences(before.as_expected(), after.as_expected())
    if found:
        shadow.differing += 1
    else:
        shadow.same += 1
    for difference in found:
        _count(shadow, known, difference, event)


def _count(shadow: Shadow, known: dict[tuple[str, str], Group], difference: Difference, event: Event) -> None:
    key = _kind_of(difference)
    if key not in known and len(known) >= _MOST_GROUPS:
        shadow.more = True
        return
    group = known.setdefault(key, Group(*key))
    group.count += 1
    if len(group.examples) < _EXAMPLES:
        example = {"event": event.external_id, "id": event.pk, "fate": event.fate}
        group.examples.append({**example, "before": difference.before, "after": difference.after})


def _kind_of(difference: Difference) -> tuple[str, str]:
    """Return what is alike in differences of several events: the object and field, without the record."""
    if difference.where.startswith("Step ") or difference.where == "How it ends":
        return difference.where, difference.field
    if difference.where == "Would start":
        return difference.where, difference.field.rpartition(" for ")[0] or difference.field
    return difference.where.partition(" ")[0], difference.field


# What a page or program carries from one slice to the next; sealed, since it holds values of records


def as_token(shadow: Shadow, *, owner: str) -> str:
    """Return `shadow` as a text that only `owner` can hand in again."""
    sealed = vault.seal(msgspec.json.encode(shadow), owner=f"shadow:{owner}")
    return base64.urlsafe_b64encode(sealed).decode()


def of_token(token: str, *, owner: str) -> Shadow:
    """
    Return what `as_token` wrote.

    :raises ValueError: if it was not written for `owner`
    """
    try:
        raw = vault.unseal(base64.urlsafe_b64decode(token.encode()), owner=f"shadow:{owner}")
        return msgspec.json.decode(raw, type=Shadow)
    except (vault.Unreadable, ValueError, UnicodeError):
        raise ValueError("This comparison cannot be gone on with. Begin it again.") from None


def as_data(shadow: Shadow) -> Mapping[str, Any]:
    """Return what a program is told."""
    told: dict[str, Any] = msgspec.to_builtins(shadow)
    return {**told, "left": len(shadow.left), "done": shadow.done}
