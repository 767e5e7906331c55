"""This module finds and keeps what the two sides of links agree on, and what people decided about them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from connectors.stripe.requests import is_ours
from flows import bulk, payloads
from flows.agreeing.agreement import Agreement, Asked, Between, Written
from flows.agreeing.sameness import LONGEST
from flows.models import Event, Lane, Link, LinkChange, Pair, Review, Run
from flows.statements import Given, Select
from integrator import vault
from integrator.kernel import canonical

_COLUMNS = (
    "id", "stripe_id", "salesforce_object", "external_id", "record_id", "agreed", "base", "state",
)  # fmt: skip
_NEW = (
    "pair_id", "stripe_id", "salesforce_object", "external_id", "record_id", "agreed", "currency",
    "first_synced_at", "synced_at",
)  # fmt: skip
_HISTORY = ("link_id", "at", "how", "side", "values", "flow_id", "run", "who")
SIDES = ("stripe", "salesforce")
_FARTHEST = 30  # decimal places either way of a typed number: "1E+999999999" would be written out in digits
_OPENED = 10  # events of one object, the newest, among which one is looked for that we have not caused
_SLACK = 10  # lines of history above which the oldest are deleted


@dataclass(frozen=True, slots=True)
class Kept:
    """What one run leaves of an agreement."""

    pair_id: int
    flow_id: int
    run_id: int
    run: str  # its public id
    lane_id: int
    agreement: Agreement


def owner_of(pair_id: int) -> str:
    """Return whose secret the values of a pair's links are."""
    return f"link:{pair_id}"


def opened(sealed: bytes | memoryview, pair_id: int) -> dict[str, Any]:
    """
    Return what was sealed with a link, with exact numbers; nothing of what is empty.

    :raises vault.Unreadable: if its key is lost
    """
    if not sealed:
        return {}
    plain = vault.unseal(sealed, owner=owner_of(pair_id))
    found: dict[str, Any] = json.loads(plain, parse_float=Decimal)
    return found


# Finding


def find(pair_id: int, wanted: Sequence[Between]) -> list[Agreement]:
    """Return what is known of each two, in order; an empty agreement where they are no link yet."""
    rows = list(_rows(pair_id, wanted))
    waiting = _still_asking(rows, pair_id)
    return [_agreement(pair_id, one, _row_of(one, rows), waiting) for one in wanted]


def _rows(pair_id: int, wanted: Sequence[Between]) -> Iterable[tuple[Any, ...]]:
    by_key: dict[str, set[str]] = {"external_id": set(), "record_id": set(), "stripe_id": set()}
    for one in wanted:
        column = "external_id" if one.external_id else "record_id" if not one.stripe_id else "stripe_id"
        if one.record_id:
            by_key["record_id"].add(one.record_id)
        by_key[column].add(getattr(one, column))
    matches = Q(pk__in=[])
    for column, values in by_key.items():
        if values:
            matches |= Q(bulk.among(column, sorted(values)))
    return Link.objects.filter(matches, pair=pair_id).order_by("id").values_list(*_COLUMNS)


def _row_of(one: Between, rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...] | None:
    """Return the link that is meant: by external id, by record, or as the Stripe object's only one."""
    _, stripe_id, object_, external_id, record_id = range(5)
    alike = [row for row in rows if not one.object or row[object_] == one.object]
    if one.external_id:
        return next((row for row in alike if row[external_id] == one.external_id), None)
    by_record = [row for row in alike if one.record_id and row[record_id] == one.record_id]
    both = [row for row in by_record if row[stripe_id] == one.stripe_id]
    of_stripe = [row for row in alike if one.stripe_id and row[stripe_id] == one.stripe_id]
    return next(iter([*both, *by_record, *of_stripe]), None)


def _still_asking(rows: Iterable[tuple[Any, ...]], pair_id: int) -> set[int]:
    """Return the runs that have asked about one of the links, and still wait for the answer or use it."""
    asked = {
        int(base["asked"]["run"])
        for row in rows
        if row[7] in (Link.State.CONFLICT, Link.State.HELD) and (base := opened(row[6], pair_id)).get("asked")
    }
    if not asked:
        return set()
    waiting = Run.objects.filter(bulk.among("id", asked), state__in=Run.UNFINISHED)
    return set(waiting.values_list("id", flat=True))


def _agreement(
    pair_id: int, one: Between, row: tuple[Any, ...] | None, waiting: Collection[int]
) -> Agreement:
    if row is None:
        return Agreement(
            stripe_id=one.stripe_id,
            object=one.object,
            external_id=one.external_id or one.record_id or one.stripe_id,
            record_id=one.record_id,
        )
    link_id, stripe_id, object_, external_id, record_id, agreed, base, state = row
    found = Agreement(
        link_id=link_id,
        stripe_id=stripe_id,
        object=object_,
        external_id=external_id,
        record_id=record_id,
        state=state,
        was=state,
    )
    _read_into(found, opened(base, pair_id))
    if found.asked is not None and found.asked.run_id not in waiting:
        found.asked = None
        found.state = "agreed" if state == "conflict" else found.state
    if not base:
        # What a flow that wrote one way wrote last is what both agree on, as far as it knew.
        written = opened(agreed, pair_id)
        found.values = {f"{object_}.{name}": value for name, value in written.items()}
        found.sent = dict(found.values)
    return found


def _read_into(found: Agreement, base: Mapping[str, Any]) -> None:
    found.values = dict(base.get("values") or {})
    found.sent = dict(base.get("sent") or {})
    found.decided = dict(base.get("decided") or {})
    found.at = datetime.fromisoformat(base["at"]) if base.get("at") else None
    found.past = [
        Written(datetime.fromisoformat(at), about, mark) for at, about, mark in base.get("past") or ()
    ]
    if asked := base.get("asked"):
        found.asked = Asked(int(asked["run"]), asked["side"], dict(asked["about"]))


def last_told(pair_id: int, stripe_ids: Sequence[str]) -> dict[str, tuple[datetime, str]]:
    """
    Return when Stripe last told of a change of each object that we did not make, and the id of the event.

    A sweep finds that an object has changed, and not when.
    """
    connection = Pair.objects.get(pk=pair_id).stripe_id
    found: dict[str, tuple[datetime, str]] = {}
    wanted, first = list(dict.fromkeys(stripe_ids)), 1
    while wanted and first <= _OPENED:  # of most objects the newest event is one of others
        last = 1 if first == 1 else _OPENED
        for object_id, at, event, body in _TOLD.rows(
            connection=connection, objects=wanted, first=first, last=last
        ):
            if object_id not in found and not _is_ours(body, connection):
                found[object_id] = (at, event)
        wanted, first = [one for one in wanted if one not in found], last + 1
    return found


def _told() -> QuerySet[Event, Any]:
    """Return what was told of objects, each one's newest first: from the `first` of it to the `last`."""
    of_these = Event.objects.filter(connection=Given("connection"), happened_at__isnull=False)
    told = of_these.filter(bulk.among("object_id", Given("objects", "text")))
    newest = Window(RowNumber(), partition_by="object_id", order_by=("-happened_at", "-id"))
    numbered = told.exclude(origin=Event.Origin.SWEEP).annotate(place=newest)
    between = numbered.filter(place__gte=Given("first"), place__lte=Given("last"))
    return between.order_by("object_id", "place").values_list(
        "object_id", "happened_at", "external_id", "body"
    )


_TOLD = Select(_told)


def _is_ours(body: bytes | memoryview, connection_id: int) -> bool:
    try:
        return is_ours(payloads.open_body(body, connection_id=connection_id))
    except payloads.Unreadable:  # nobody knows any more
        return False


# Keeping


def keep(ends: Sequence[Kept], *, now: datetime) -> None:
    """Keep what runs leave of agreements, in the caller's transaction; the last word about a link counts."""
    touched = [one for one in ends if one.agreement.touched]
    if not touched:
        return
    _link(touched, now)
    rows, history = [], []
    for one in touched:
        agreement = one.agreement
        assert agreement.link_id is not None
        if agreement.sharing:
            Link.objects.filter(pk=agreement.link_id).update(sharing=agreement.sharing, state=agreement.state)
        if agreement.at is not None or not agreement.sharing:  # of what is written one way there is no base
            rows.append((agreement.link_id, _sealed(one.pair_id, agreement, now), agreement.state))
        history += [_line(one, change, now) for change in agreement.changes]
    bulk.update(Link, ("id", "base", "state"), list({row[0]: row for row in rows}.values()))
    turned = [one.agreement.link_id or 0 for one in touched if one.agreement.state != one.agreement.was]
    if turned:
        Link.objects.filter(pk__in=turned).update(state_since=now)
    if history:
        bulk.insert(LinkChange, _HISTORY, history)
        _forget({row[0] for row in history})
    _void([one for one in touched if one.agreement.void is not None], now)


def _link(ends: Sequence[Kept], now: datetime) -> None:
    """Give each agreement its link: the one that its run has just made, or a new one."""
    new = [one for one in ends if one.agreement.link_id is None]
    known = _links_of(new)
    rows = {_key_of(one): _new(one, now) for one in new if _key_of(one) not in known}
    if rows:
        bulk.insert(Link, _NEW, list(rows.values()), conflict="DO NOTHING")
        known.update(_links_of(new))
    for one in new:
        one.agreement.link_id = known[_key_of(one)]


def _new(one: Kept, now: datetime) -> tuple[Any, ...]:
    agreement, agreed = one.agreement, vault.seal(canonical.dumps({}), owner=owner_of(one.pair_id))
    return (
        one.pair_id, agreement.stripe_id, agreement.object, agreement.external_id, agreement.record_id,
        agreed, "", now, now,
    )  # fmt: skip


def _key_of(one: Kept) -> tuple[int, str, str]:
    return one.pair_id, one.agreement.object, one.agreement.external_id


def _links_of(ends: Sequence[Kept]) -> dict[tuple[int, str, str], int]:
    if not ends:
        return {}
    external = {one.agreement.external_id for one in ends}
    rows = Link.objects.filter(
        bulk.among("external_id", external), pair__in={one.pair_id for one in ends}
    ).values_list("pair", "salesforce_object", "external_id", "id")
    return {(pair, object_, external_id): link for pair, object_, external_id, link in rows}


def _sealed(pair_id: int, agreement: Agreement, now: datetime) -> bytes:
    asked = agreement.asked
    base = {
        "values": agreement.values,
        "sent": agreement.sent,
        "decided": agreement.decided,
        "at": now.isoformat(),
        "past": [[one.at.isoformat(), one.about, one.mark] for one in agreement.past],
        "asked": {"run": asked.run_id, "side": asked.side, "about": asked.about} if asked else None,
    }
    return vault.seal(canonical.dumps(base), owner=owner_of(pair_id))


def _line(one: Kept, change: Any, now: datetime) -> tuple[Any, ...]:
    values = vault.seal(canonical.dumps(change.values), owner=owner_of(one.pair_id))
    who = bulk.storable(change.who)[:255]
    return (one.agreement.link_id, now, change.how, change.side, values, one.flow_id, one.run, who)


def _forget(links: Collection[Any]) -> None:
    """Delete the oldest lines of histories that have grown too long."""
    lines = LinkChange.objects.filter(bulk.among("link_id", links)).order_by().values_list("link")
    long = lines.annotate(lines=Count("id")).filter(lines__gt=LinkChange.MOST + _SLACK)
    for link, _ in list(long):
        newest = LinkChange.objects.filter(link=link).order_by("-id").values_list("id", flat=True)
        LinkChange.objects.filter(link=link, id__lte=newest[LinkChange.MOST]).delete()


def _void(ends: Sequence[Kept], now: datetime) -> None:
    """Let runs go on whose question is none any more; those of another lane find out at their answer."""
    for one in ends:
        asking = Review.objects.open().filter(
            run=one.agreement.void, run__lane=one.lane_id, run__state=Run.State.WAITING
        )
        for review in asking.select_related("run"):
            review.close(Review.Resolution.SUPERSEDED, actor="the engine", now=now)
            review.run.begin_again(now=now, insist=False)


# What people decide


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person takes for a field: the value of a side, or another one that was typed."""

    take: str  # stripe, salesforce, value
    value: str = ""


class NotAChoice(ValueError):
    """What was chosen does not fit what was asked."""


def link_named(pair_id: int, named: object) -> Link | None:
    """Return the link that a question names in its evidence: its object and its external id."""
    if not isinstance(named, list) or len(named) != 2:
        return None
    return Link.objects.filter(pair=pair_id, salesforce_object=named[0], external_id=named[1]).first()


def decide(
    link: Link,
    run_id: int,
    choices: Mapping[str, Choice],
    *,
    everything: str,
    actor: str,
    now: datetime,
) -> dict[str, str]:
    """
    Note in the caller's transaction what a person decided of the fields that the run has asked about.

    It returns which side each of them takes, or that it takes another value.

    A decision is about the values that both sides had: it counts for nothing else, and where another run has
    asked about newer ones meanwhile, which the person has not seen, nothing is decided. Fields without a
    choice of their own take the side `everything`.

    :raises NotAChoice: if a field is left without any, or a typed value does not fit it
    """
    locked = Link.objects.select_for_update(of=("self",)).get(pk=link.pk)
    base = opened(locked.base, locked.pair_id)
    asked = base.get("asked") or {}
    if not asked or int(asked["run"]) != run_id:
        return {}
    decided = dict(base.get("decided") or {})
    for about, values in asked["about"].items():
        choice = choices.get(about) or Choice(everything)
        if choice.take not in (*SIDES, "value"):
            raise NotAChoice(f"Say what is right for {about}.")
        value = _fitted(about, choice.value, values) if choice.take == "value" else None
        decided[about] = {"about": values, "take": choice.take, "value": value}
    base["decided"] = decided
    locked.base = vault.seal(canonical.dumps(base), owner=owner_of(locked.pair_id))
    locked.save(update_fields=["base"])
    LinkChange.objects.create(link=locked, at=now, how=LinkChange.How.DECIDED, who=actor[:255])
    return {about: decided[about]["take"] for about in asked["about"]}


def _fitted(about: str, text: str, values: Mapping[str, Any]) -> Any:
    """Return a typed value as what both sides have in its place: a text, a number, or whether it is so."""
    known = next((values[side] for side in SIDES if values.get(side) is not None), "")
    if isinstance(known, bool):
        found = {"true": True, "false": False}.get(text.strip().lower())
        if found is None:
            raise NotAChoice(f"{about} is true or false.")
        return found
    if isinstance(known, int | Decimal):
        return _number(about, text, whole=isinstance(known, int))
    if isinstance(known, Mapping | list):
        raise NotAChoice(f"{about} is more than a text: take one of both sides.")
    if len(text) > LONGEST:
        raise NotAChoice(f"{about} takes at most {LONGEST} characters here.")
    return text


def _number(about: str, text: str, *, whole: bool) -> int | Decimal:
    try:
        number = Decimal(text.strip())
    except ArithmeticError:
        raise NotAChoice(f"{about} is a number.") from None
    fits = number.is_finite() and abs(number.adjusted()) <= _FARTHEST
    if not fits or (whole and number != int(number)):
        raise NotAChoice(f"{about} is a {'whole ' if whole else ''}number of at most {_FARTHEST} digits.")
    return int(number) if whole else number


def wake(link: Link, *, now: datetime) -> None:
    """Make the runs due that wait for what is decided about the link, in the caller's transaction."""
    keys = [f"stripe:{link.stripe_id}", f"salesforce:{link.record_id}"]
    lanes = list(Lane.objects.filter(pair=link.pair_id, key__in=keys).locked().values_list("id", flat=True))
    Run.objects.filter(lane__in=lanes, state=Run.State.READY, next_attempt_at__gt=now).update(
        next_attempt_at=now
    )
    Lane.objects.set_ready(lanes)
