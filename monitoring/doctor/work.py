"""This module examines who works: workers by their beat and progress, the watching process, the listener."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max

from connectors.models import Connection, Topic
from flows import lanes, missed_changes, queries, topics, watchdog
from flows.models import Worker
from monitoring.doctor.findings import Finding, broken, warning, well
from monitoring.doctor.look import Look, named, page_of
from monitoring.models import Duty
from monitoring.queries import UNWATCHED
from monitoring.words import counted, duration, sentence

WORKERS, WATCHING, LISTENER = "workers", "watching", "listener"
START_WORK = "Start manage.py work, under a service manager that starts it again."
START_LISTEN = "Start manage.py listen, under a service manager that starts it again."


def workers(look: Look) -> Finding:
    """Judge the workers by their progress, as the watchdog does, and by whether any of them beats."""
    state = queries.progress()
    said = "; ".join((_beats(look, state), _waiting(look, state)))
    if watchdog.stuck(state, now=look.now, pool_started_at=look.now - watchdog.OVERDUE):
        return broken(WORKERS, said, f"Nothing is taken up. {START_WORK}")
    # A worker that has had nothing to do yet has no row; one that ended in order has none any more.
    ended = Worker.objects.filter(expires_at__lte=look.now).exists()
    if not state.workers and (ended or not _is_watched(look)):
        return warning(WORKERS, said, START_WORK)
    return well(WORKERS, said)


def _beats(look: Look, state: queries.Progress) -> str:
    last = Worker.objects.aggregate(last=Max("expires_at"))["last"]
    if last is None:
        return "none has had anything to do yet" if state.oldest_ready_at is None else "none has begun yet"
    # Each beat puts the end of the lease off by its whole length.
    return f"{state.workers} alive, last beat {look.ago(last - lanes.LEASE)}"


def _waiting(look: Look, state: queries.Progress) -> str:
    if state.oldest_ready_at is None:
        return "nothing is waiting"
    since = duration(max(look.now - state.oldest_ready_at, timedelta(0)))
    taken = f"a worker took something up or went on {look.ago(state.moved_at)}" if state.moved_at else ""
    return f"the oldest work has waited for {since}, {taken or 'nothing was ever taken up'}"


def watching(look: Look) -> Iterator[Finding]:
    """Tell whether alerts are kept and missed events are looked for, and which of these duties fail."""
    last, failing = _watched_until(), list(Duty.objects.exclude(failure="").order_by("name"))
    if last is None:
        yield warning(WATCHING, "nobody has watched yet", f"manage.py watch does it. {START_WORK}")
    elif not _is_watched(look):
        said = f"nobody opens alerts or looks for missed events since {duration(look.now - last)}"
        yield broken(WATCHING, said, f"manage.py watch does it. {START_WORK}")
    elif not failing:
        yield well(WATCHING, f"{counted(Duty.objects.count(), 'duty', 'duties')} done in turn")
    for duty in failing:
        said = f"failed with {duty.failure}, and is tried again"
        yield warning(WATCHING, said, "The log of manage.py watch says more (duty.failed).", about=duty.name)


def _is_watched(look: Look) -> bool:
    last = _watched_until()
    return last is not None and look.now - last < UNWATCHED


def _watched_until() -> datetime | None:
    last: datetime | None = Duty.objects.aggregate(last=Max("held_until"))["last"]
    return last


def listener(look: Look) -> Iterator[Finding]:
    """Tell whether each topic is heard and each object asked for, of connections that are in use."""
    found = [finding for one in look.of(Connection.System.SALESFORCE) for finding in _heard_of(look, one)]
    if found:
        yield from found
        return
    chosen = Topic.objects.filter(connection__in=look.connections)
    ears = chosen.filter(lease_until__gt=look.now).values("listener").distinct().count()
    if not chosen.exists():
        yield well(LISTENER, "no topic was chosen")
    else:
        yield well(LISTENER, f"{counted(chosen.count(), 'topic')}, {counted(ears, 'listener')}")


def _heard_of(look: Look, one: Connection) -> Iterator[Finding]:
    for topic in topics.standing(one, now=look.now):
        about, page = f"{named(one)} {topic.topic.name}", page_of(one, "topics/")
        said = sentence(" ".join(filter(None, (topic.says, topic.explanation))))
        if topic.state == "unheard":
            yield broken(LISTENER, "nobody listens", START_LISTEN, about=about, page=page)
        elif topic.state == "stopped" or (topic.is_late and one.state == Connection.State.ACTIVE):
            remedy = topic.remedy or "Decide on its page how it goes on."
            yield broken(LISTENER, said, remedy, about=about, page=page)
        elif topic.state == "retrying":
            remedy = topic.remedy or "See whether it is heard a minute later."
            yield warning(LISTENER, said, remedy, about=about, page=page)
    for asked in missed_changes.polled(one, now=look.now):
        about, page = f"{named(one)} {asked.polled.object}", page_of(one, "changes/")
        if asked.state == "unheard":
            yield broken(LISTENER, "nobody asks for its changes", START_LISTEN, about=about, page=page)
        elif asked.state == "retrying":
            remedy = asked.remedy or "See whether it is asked for a minute later."
            yield warning(LISTENER, sentence(asked.says), remedy, about=about, page=page)
