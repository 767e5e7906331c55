"""
This module fetches parents that letters lack and nobody has told of, by the flow that makes such records.

Where exactly one live flow of the pair saves the parent from a Stripe object, and the reference tells its id,
an event is let in that names this object and starts that flow alone: a run like any other, which reads the
object, has its trace, and waits where calls run short. Once it has saved the parent, `orphans` goes on. Where
no flow makes the record, or several do, nothing is done but to say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from connectors.models import Connection
from flows import intake, orphans, signals, subjects
from flows.intake import Arrival, Delivery
from flows.models import DeadLetter, Deployment, Event, Fate, Flow, MissingParent, Pair, Run
from flows.models.parents import errand_of
from flows.steps import savers
from integrator.kernel import canonical
from integrator.kernel.redact import redact_text

GRACE = timedelta(seconds=10)  # in which the parent's own event may still come
AGAIN = timedelta(hours=1)  # since it was last asked for, where somebody has tried a letter again meanwhile
LOST_AFTER = timedelta(minutes=1)  # since it was asked for, so that switches are known everywhere
DEEPEST = 3  # the parent of a parent of a parent
MOST_AT_ONCE = 50  # of a pair and an object in one turn
MOST_AN_HOUR = 1_000  # of a pair
HOUR = timedelta(hours=1)
_LOOKED_AT = 500  # parents in one turn, of which some may be nothing that can be fetched
_TOLD = 20  # letters by which it is known how deep a parent stands


@dataclass(frozen=True, slots=True)
class Saver:
    """A flow that makes such records on a pair, and of which Stripe objects."""

    flow: Flow
    enabled: bool
    types: frozenset[str]


class Way(NamedTuple):
    """By which flow a parent is fetched, and what is read; without a flow, why it is not."""

    flow: Flow | None
    type: str = ""
    reason: str = ""


class Standing(NamedTuple):
    """How the parent of a letter stands: what people are told, and the run that fetches it."""

    object: str
    external_id: str
    said: str
    run: Run | None = None


def fetch_due(*, now: datetime) -> int:
    """
    Start the flows that make the records which letters lack, each once, and return how many are fetched.

    A pair waits while one of its connections rests or is paused, and once an hour's number is used up.
    """
    asked = 0
    waiting = orphans.waiting().filter(created_at__lte=now - GRACE).exclude(orphans.came())
    # Of any type: the checker knows the fields of the model, but not these two beside them.
    lacking: QuerySet[Any] = waiting.annotate(lacks=F("parent_object"), key=F("parent_id"))
    for pair_id, object_ in lacking.order_by().values_list("run__pair", "lacks").distinct():
        pair = Pair.objects.select_related("stripe", "salesforce").get(pk=pair_id)
        found = savers_of(pair, object_)
        if not _is_awake(pair) or not any(one.enabled for one in found):
            continue
        _forget_lost(pair, object_, now)
        hour = MissingParent.objects.filter(pair=pair, asked_at__gt=now - HOUR).count()
        room = min(MOST_AT_ONCE, MOST_AN_HOUR - hour)
        for key in _untold(lacking.filter(run__pair=pair, lacks=object_), pair, object_, now):
            if room <= 0:
                break
            done = _fetch(pair, object_, key, way_of(found, object_, key), now)
            room, asked = room - done, asked + done
    return asked


def _forget_lost(pair: Pair, object_: str, now: datetime) -> None:
    """Forget what was asked for in vain: the flow was switched off when its event was looked at."""
    asked = MissingParent.objects.filter(pair=pair, object=object_, asked_at__lte=now - LOST_AFTER)
    rows = {row.name: row.pk for row in asked.order_by("-asked_at")[:MOST_AN_HOUR]}
    events = Event.objects.filter(connection=pair.stripe_id, external_id__in=rows, fate=Fate.IGNORED)
    lost = events.filter(runs__isnull=True).values_list("external_id", flat=True)
    MissingParent.objects.filter(pk__in=[rows[name] for name in lost]).delete()


def _is_awake(pair: Pair) -> bool:
    return {pair.stripe.state, pair.salesforce.state} == {Connection.State.ACTIVE}


def _untold(lacking: QuerySet[Any], pair: Pair, object_: str, now: datetime) -> Iterator[str]:
    """
    Yield the external ids of parents that were not asked for since: those of the newest letters, then any.

    Among the newest there may be nothing for long that can be fetched, for which no other must wait.
    """
    asked = MissingParent.objects.filter(pair=pair, object=object_, external_id=OuterRef("key"))
    since = Q(asked_at__gt=now - AGAIN) | Q(asked_at__gte=OuterRef("created_at"))
    fresh = lacking.exclude(Exists(asked.filter(since))).order_by().values("key")
    newest = fresh.annotate(newest=Max("created_at"))
    first = list(newest.order_by("-newest").values_list("key", flat=True)[: _LOOKED_AT // 2])
    yield from first
    if len(first) == _LOOKED_AT // 2:
        others = newest.order_by("?").values_list("key", flat=True)[: _LOOKED_AT // 2]
        yield from set(others).difference(first)


def savers_of(pair: Pair, object_: str) -> list[Saver]:
    """Return the flows that have a live version on `pair` which makes records of `object_`."""
    live = Deployment.objects.filter(pair=pair, ended_at__isnull=True).select_related("flow", "version")
    found = (
        Saver(one.flow, one.enabled, savers.made_of(one.version.document, object_))
        for one in live.order_by("id")
    )
    return [one for one in found if one.types]


def way_of(found: Sequence[Saver], object_: str, external_id: str) -> Way:
    """Return by which of these flows the record is fetched, or why by none."""
    fitting = [(one, kind) for one in found if (kind := savers.type_of(external_id, one.types))]
    enabled = [(one, kind) for one, kind in fitting if one.enabled]
    if len(enabled) == 1:
        return Way(enabled[0][0].flow, enabled[0][1])
    if len(enabled) > 1:
        names = ", ".join(sorted(one.flow.name for one, _ in enabled))
        return Way(
            None,
            reason=f"Several live flows save such records ({names}), and it is not known which is right. "
            "Switch off all but one, or let the step that failed save its parent itself.",
        )
    if fitting:
        names = ", ".join(sorted(one.flow.name for one, _ in fitting))
        return Way(None, reason=f"{names} would fetch it, but is switched off. Switch it on.")
    if found:
        return Way(
            None, reason=f"“{external_id}” does not tell which Stripe object it is made of. {_BY_HAND}"
        )
    return Way(None, reason=f"No live flow makes records of {object_} from Stripe objects. {_BY_HAND}")


_BY_HAND = (
    "Put a flow live that does, add the parent to the step that failed, or save the record in the org; "
    "then retry."
)


def _fetch(pair: Pair, object_: str, external_id: str, way: Way, now: datetime) -> bool:
    """Let in the event that starts the flow, unless the last one is under way; tell whether that was done."""
    if way.flow is None or (depth := depth_of(pair, object_, external_id)) > DEEPEST:
        return False
    with transaction.atomic():
        row, is_new = MissingParent.objects.select_for_update().get_or_create(
            pair=pair,
            object=object_,
            external_id=external_id,
            defaults={"flow": way.flow, "depth": depth, "asked_at": now},
        )
        if not is_new:
            if _is_under_way(row, _run_of(row)):
                return False
            row.ask_again(flow_id=way.flow.pk, depth=depth, now=now)
        kept = intake.keep([Arrival(pair.stripe_id, _delivery(row, pair, way.type, now), now)])
        for failure in kept.failed.values():
            raise failure
        transaction.on_commit(lambda: signals.work_arrived.send(sender=Event))
    return True


def depth_of(pair: Pair, object_: str, external_id: str) -> int:
    """Return how deep the parent stands: 1 if an event of Stripe's own refers to it."""
    letters = DeadLetter.objects.unresolved().filter(run__pair=pair, waits_for=f"{object_}:{external_id}")
    names = letters.order_by("event__external_id").values_list("event__external_id", flat=True)
    errands = [errand_of(name) for name in names.distinct()[:_TOLD]]
    if None in errands or not errands:
        return 1
    rows = MissingParent.objects.filter(pk__in=[one.parent for one in errands if one is not None])
    return 1 + min(rows.values_list("depth", flat=True), default=0)


def _delivery(row: MissingParent, pair: Pair, kind: str, now: datetime) -> Delivery:
    """Return the event, of the form that thin events have: it names its object and carries nothing of it."""
    event = {
        "id": row.name,
        "object": "v2.core.event",
        "type": subjects.change_of(kind),
        "livemode": pair.stripe.pinned_livemode,
        "related_object": {"id": row.external_id, "type": kind},
    }
    return Delivery(
        external_id=row.name,
        body=canonical.dumps(event),
        type=subjects.change_of(kind),
        api_version=pair.stripe.api_version,
        livemode=pair.stripe.pinned_livemode,
        object_id=row.external_id,
        happened_at=now.replace(microsecond=0),
        origin=Event.Origin.SWEEP.value,
    )


def _is_under_way(row: MissingParent, run: Run | None) -> bool:
    """Tell whether it may still be saved by `run`, which a person may have to mend first."""
    if run is not None:
        return run.state != Run.State.DONE
    events = Event.objects.filter(connection=row.pair.stripe_id, external_id=row.name)
    return events.undispatched().exists()  # of a flow that was switched off no run is opened


def _run_of(row: MissingParent) -> Run | None:
    """Return the run that fetches it; none while its event waits for a worker, or where it leads nowhere."""
    runs = Run.objects.filter(event__connection=row.pair.stripe_id, event__external_id=row.name)
    return runs.select_related("flow").order_by("-id").first()


# What people are told


def standing_of(letter: DeadLetter) -> Standing | None:
    """Return how the parent stands that an open letter waits for, secrets masked; nothing if for none."""
    found = _standing(letter)
    if found is None:
        return None
    return found._replace(external_id=redact_text(found.external_id), said=redact_text(found.said))


def _standing(letter: DeadLetter) -> Standing | None:
    if letter.run is None or not letter.waits_for or letter.resolved_at is not None:
        return None
    object_, _, external_id = letter.waits_for.partition(":")
    pair = letter.run.pair
    row = MissingParent.objects.filter(pair=pair, object=object_, external_id=external_id).first()
    if row is not None:
        run = _run_of(row)
        if _is_under_way(row, run) or (run is not None and letter.created_at <= row.asked_at):
            return Standing(object_, external_id, _said_of(row, run), run)
    way = way_of(savers_of(pair, object_), object_, external_id)
    if way.flow is None:
        return Standing(object_, external_id, way.reason)
    if depth_of(pair, object_, external_id) > DEEPEST:
        said = f"Parents of parents are fetched {DEEPEST} deep, and this one stands deeper. {_BY_HAND}"
        return Standing(object_, external_id, said)
    if not _is_awake(pair):
        return Standing(object_, external_id, "It is fetched once both connections are up again.")
    return Standing(object_, external_id, f"{way.flow.name} fetches it from Stripe within minutes.")


def _said_of(row: MissingParent, run: Run | None) -> str:
    if run is None:
        return f"{row.flow.name} is about to fetch it from Stripe. Then this is tried again by itself."
    name = run.flow.name
    if run.state == Run.State.DEAD:
        return f"{name} could not save it. Mend its run; then this is tried again by itself."
    if run.state == Run.State.WAITING:
        return f"{name} waits for a person's answer before it saves it. Then this is tried again by itself."
    if run.state != Run.State.DONE:
        return f"{name} fetches it from Stripe. Then this is tried again by itself."
    if run.fate == Fate.APPLIED:
        return (
            f"{name} has saved it. This is tried again by itself; if it is still here in a minute, retry it."
        )
    why = f": {run.reason}" if run.reason else ""
    return f"{name} read it, and did not save it ({Fate(run.fate).label.lower()}{why}). {_BY_HAND}"
