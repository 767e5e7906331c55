"""
This module sorts dead letters by their cause, and keeps what people arrange about each.

Letters have one cause if they share a fingerprint within an environment. Who sees to a cause, until when it
is put off and by which words it is found are kept apart from the letters: they hold for those that come next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from connectors.models import Connection
from flows.models import Cause, CauseTag, DeadLetter
from integrator.accounts import audit
from integrator.accounts.models import Environment, User
from integrator.kernel.refusals import Unacceptable

DAYS = 14  # of the trend
MOST_TAGS = 10
LONGEST_SNOOZE = timedelta(days=90)
NOBODY = "nobody"

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which causes are to be shown; nothing said: all that nobody has put off."""

    assigned: str = ""  # an e-mail address, or nobody
    tag: str = ""
    snoozed: bool = False  # those that are put off, in place of the others
    q: str = ""  # words, or an id
    flow: str = ""
    error_class: str = ""


@dataclass(frozen=True, slots=True)
class Trend:
    """How many letters of a cause came on each of the last days, the oldest first, by UTC."""

    first: date
    counts: tuple[int, ...]

    @property
    def most(self) -> int:
        """Return how many came on the worst of the days."""
        return max(self.counts)

    @property
    def days(self) -> Sequence[tuple[date, int]]:
        """Return each day with its number."""
        return [(self.first + timedelta(days=at), number) for at, number in enumerate(self.counts)]


def open_letters(environment: Environment) -> QuerySet[DeadLetter]:
    """Return the letters of `environment` that wait for a person."""
    return _at(environment, DeadLetter.objects.unresolved())


def _at(environment: Environment, letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
    # By an index of the letters: adding nothing keeps SQLite from going through all events instead.
    connections = list(Connection.objects.filter(environment=environment).values_list("pk", flat=True))
    return letters.alias(place=F("event__connection_id") + 0).filter(place__in=connections)


def of_environment(environment: Environment) -> QuerySet[DeadLetter]:
    """Return the letters of `environment`, also those that were dealt with."""
    return DeadLetter.objects.filter(event__connection__environment=environment)


def narrowed(
    letters: QuerySet[DeadLetter], environment: Environment, wanted: Wanted, *, now: datetime
) -> QuerySet[DeadLetter]:
    """Return those of `letters` whose cause is arranged as is `wanted`."""
    causes = Cause.objects.filter(environment=environment)
    snoozed = causes.filter(snoozed_until__gt=now).values("fingerprint")
    found = (
        letters.filter(fingerprint__in=snoozed)
        if wanted.snoozed
        else letters.exclude(fingerprint__in=snoozed)
    )
    if wanted.tag:
        found = found.filter(fingerprint__in=causes.filter(tags__name=wanted.tag).values("fingerprint"))
    if wanted.assigned == NOBODY:
        taken = causes.filter(assignee__in=_members(environment))
        found = found.exclude(fingerprint__in=taken.values("fingerprint"))
    elif wanted.assigned:
        theirs = causes.filter(assignee__email=wanted.assigned)
        found = found.filter(fingerprint__in=theirs.values("fingerprint"))
    return found


def trends(environment: Environment, fingerprints: Iterable[str], *, now: datetime) -> dict[str, Trend]:
    """Return how often each cause came about in the last days, whatever became of its letters."""
    asked = list(fingerprints)
    first = now.astimezone(UTC).date() - timedelta(days=DAYS - 1)
    begins = [
        datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=at) for at in range(DAYS)
    ]
    # Compared, not cut to days: SQLite would call Python for each letter.
    days = {
        f"day_{at}": Count("pk", filter=Q(created_at__gte=begun, created_at__lt=begun + timedelta(days=1)))
        for at, begun in enumerate(begins)
    }
    lately = _at(environment, DeadLetter.objects.filter(fingerprint__in=asked, created_at__gte=begins[0]))
    counts = dict.fromkeys(asked, (0,) * DAYS)
    rows = lately.order_by().values("fingerprint").annotate(**days).values_list("fingerprint", *days)
    for fingerprint, *numbers in rows:
        counts[fingerprint] = tuple(numbers)
    return {fingerprint: Trend(first, numbers) for fingerprint, numbers in counts.items()}


def known(environment: Environment, fingerprints: Iterable[str]) -> Mapping[str, Cause]:
    """Return what people arranged about causes, by fingerprint. Who has left counts as nobody."""
    members = set(_members(environment).values_list("pk", flat=True))
    rows = Cause.objects.filter(environment=environment, fingerprint__in=list(fingerprints))
    found = {cause.fingerprint: cause for cause in rows.select_related("assignee").prefetch_related("tags")}
    for cause in found.values():
        if cause.assignee_id not in members:
            cause.assignee = None
    return found


def members(environment: Environment) -> list[User]:
    """Return the people to whom a cause of `environment` can be assigned, by their addresses."""
    return list(_members(environment).order_by("email"))


def tags_in_use(environment: Environment) -> list[str]:
    """Return the tags of the causes of which letters are open."""
    # Each cause that has tags looks for a letter: those are few, letters may be many.
    letter = open_letters(environment).filter(fingerprint=OuterRef("cause__fingerprint"))
    tags = CauseTag.objects.filter(Exists(letter.order_by()), cause__environment=environment)
    return list(tags.order_by("name").values_list("name", flat=True).distinct())


def _members(environment: Environment) -> QuerySet[User]:
    here = Q(memberships__environment=environment) | Q(memberships__environment__isnull=True)
    return User.objects.filter(
        here, memberships__workspace=environment.workspace_id, is_active=True
    ).distinct()


# What people arrange


def assign(*, environment: Environment, fingerprint: str, person: str, actor: str, now: datetime) -> Cause:
    """
    Let the member with the address `person` see to a cause; empty: nobody.

    :raises Unacceptable: if nobody of that address belongs to the environment
    :raises Cause.DoesNotExist: if the environment never had such a letter
    """
    member = _members(environment).filter(email=person.strip().lower()).first() if person.strip() else None
    if person.strip() and member is None:
        raise Unacceptable("Nobody of that address belongs to this environment.", field="person")
    with transaction.atomic():
        cause = _locked(environment, fingerprint, now)
        cause.assign(member, now=now)
        _audit(cause, "deadletters.assigned", actor, now, to=member.email if member else "")
    return cause


def snooze(
    *, environment: Environment, fingerprint: str, until: datetime | None, actor: str, now: datetime
) -> Cause:
    """
    Leave a cause out of the list `until` then; None: show it again.

    :raises Unacceptable: if that is over, or too far away
    :raises Cause.DoesNotExist: if the environment never had such a letter
    """
    if until is not None and not now < until <= now + LONGEST_SNOOZE:
        message = f"Put it off until a time to come, and for at most {LONGEST_SNOOZE.days} days."
        raise Unacceptable(message, field="until")
    with transaction.atomic():
        cause = _locked(environment, fingerprint, now)
        cause.snooze(until, now=now)
        _audit(cause, "deadletters.snoozed", actor, now, until=until.isoformat() if until else "")
    return cause


def tag(
    *, environment: Environment, fingerprint: str, names: Iterable[str], actor: str, now: datetime
) -> Cause:
    """
    Give a cause these tags and no others.

    :raises Unacceptable: if they are too many, or one is too long
    :raises Cause.DoesNotExist: if the environment never had such a letter
    """
    tags = sorted({_SPACES.sub(" ", name.replace("\0", "")).strip().lower() for name in names} - {""})
    if len(tags) > MOST_TAGS:
        raise Unacceptable(f"A cause has at most {MOST_TAGS} tags.", field="tags")
    if any(len(name) > CauseTag.LONGEST or "," in name for name in tags):
        message = f"A tag has at most {CauseTag.LONGEST} characters and no comma."
        raise Unacceptable(message, field="tags")
    with transaction.atomic():
        cause = _locked(environment, fingerprint, now)
        cause.tag(tags, now=now)
        _audit(cause, "deadletters.tagged", actor, now, tags=tags)
    return cause


def _locked(environment: Environment, fingerprint: str, now: datetime) -> Cause:
    if not of_environment(environment).filter(fingerprint=fingerprint).exists():
        raise Cause.DoesNotExist
    Cause.objects.bulk_create(
        [Cause(environment=environment, fingerprint=fingerprint, changed_at=now)], ignore_conflicts=True
    )
    return Cause.objects.select_for_update(of=("self",)).get(environment=environment, fingerprint=fingerprint)


def _audit(cause: Cause, action: str, actor: str, now: datetime, **details: Any) -> None:
    letters = of_environment(cause.environment).filter(fingerprint=cause.fingerprint)
    about = letters.order_by("-id").values("step", "code", "field", flow=F("run__flow__name"))[0]
    audit.record(
        workspace=cause.environment.workspace,
        actor=actor,
        action=action,
        target=f"cause {cause.fingerprint[:16]}",
        details={**{name: value for name, value in about.items() if value}, **details},
        now=now,
    )
