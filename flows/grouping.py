"""
This module lists the causes of open dead letters page by page, that with the newest letter first.

A cause stands in the list where the newest of its letters stands among all letters. So it is read like any
other long list: in steps, from a number on, and in time however many letters there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, IntegerField, OuterRef, Q, QuerySet, Subquery

from flows import causes, finding
from flows.causes import Trend, Wanted
from flows.finding import Place
from flows.models import Cause, DeadLetter, Flow
from flows.narrowing import Narrowed
from flows.stepping import MOST_COUNTED
from integrator.accounts.models import Environment

MOST_WORDS = 10
WITH_ALL = ("event", "run__flow", "run__version")
UNREAD = ("event__body", "run__version__document", "run__kept", "run__memory")


@dataclass(frozen=True, slots=True)
class Group:
    """The open letters of one cause: how many, since when, and what is known of it."""

    newest: DeadLetter
    count: int  # at most one more than `MOST_COUNTED`
    first: datetime
    last: datetime
    trend: Trend
    cause: Cause | None  # what people arranged, if anything

    @property
    def number(self) -> str:
        """Return `count` for people."""
        return f"{MOST_COUNTED:,}+" if self.count > MOST_COUNTED else f"{self.count:,}"


class _CountOf(Subquery):
    """Counts the rows of a query that is cut off where it is long enough."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


# Which causes


def newest(environment: Environment, wanted: Wanted, *, now: datetime) -> Narrowed[DeadLetter]:
    """Return the letters that stand for the causes that are `wanted`: of each the newest that is open."""
    newer = causes.open_letters(environment).filter(
        fingerprint=OuterRef("fingerprint"), pk__gt=OuterRef("pk")
    )
    rows = causes.narrowed(causes.open_letters(environment), environment, wanted, now=now)
    rows = _fitting(rows.filter(~Exists(newer.order_by())), environment, wanted)
    waiting = DeadLetter.objects.unresolved().order_by("pk").values_list("pk", flat=True)
    return Narrowed(rows.select_related(*WITH_ALL).defer(*UNREAD), low=waiting.first() or 0)


def letters(environment: Environment, wanted: Wanted, *, now: datetime) -> QuerySet[DeadLetter]:
    """Return the open letters of the causes that are `wanted`; where there are many, that takes its time."""
    found = causes.narrowed(causes.open_letters(environment), environment, wanted, now=now)
    if not (wanted.q or wanted.flow or wanted.error_class):
        return found
    rows = newest(environment, wanted, now=now).rows
    return found.filter(fingerprint__in=list(rows.order_by().values_list("fingerprint", flat=True)))


def _fitting(rows: QuerySet[DeadLetter], environment: Environment, wanted: Wanted) -> QuerySet[DeadLetter]:
    """Return those of `rows` whose causes fit what somebody looks for; it is read off the newest letter."""
    if wanted.flow:
        flow = Flow.objects.filter(public_id=wanted.flow).values_list("pk", flat=True).first()
        rows = rows.filter(run__flow=flow or 0)
    if wanted.error_class:
        rows = rows.filter(error_class=wanted.error_class)
    return rows.filter(_says(environment, wanted.q)) if wanted.q else rows


def _says(environment: Environment, wanted: str) -> Q:
    """
    Return what holds for the causes that hold every word given, or to which an id leads.

    The words are looked for in what makes a cause: message, code, field, step and flow. Ids are those of
    either side that lead to the run or the event of any of its letters, or its fingerprint's beginning.
    """
    words = Q()
    for word in wanted.split()[:MOST_WORDS]:
        words &= (
            Q(message__icontains=word)
            | Q(code__icontains=word)
            | Q(field__icontains=word)
            | Q(step__icontains=word)
            | Q(run__flow__name__icontains=word)
        )
    named = Q(fingerprint__startswith=wanted.lower()) | Q(fingerprint__in=_named(environment, wanted))
    return words | named


def _named(environment: Environment, wanted: str) -> set[str]:
    """Return the causes of the open letters of the runs and events that an id leads to."""
    found, waiting = finding.find(wanted, Place.of(environment)), DeadLetter.objects.unresolved()
    named = [waiting.filter(event__in=found.events), waiting.filter(run__in=found.runs)]
    return {one for rows in named for one in rows.order_by().values_list("fingerprint", flat=True)}


# What they have in common


def groups(environment: Environment, examples: Sequence[DeadLetter], *, now: datetime) -> list[Group]:
    """Return the causes for which the letters of a page stand as examples, in their order."""
    counted = _counted(environment, examples)
    fingerprints = [letter.fingerprint for letter in examples if letter.pk in counted]
    trends = causes.trends(environment, fingerprints, now=now)
    known = causes.known(environment, fingerprints)
    return [
        Group(letter, *counted[letter.pk], trends[letter.fingerprint], known.get(letter.fingerprint))
        for letter in examples
        if letter.pk in counted
    ]


def group_of(environment: Environment, fingerprint: str, *, now: datetime) -> Group | None:
    """Return one cause, or nothing where none of its letters is open."""
    same = causes.open_letters(environment).filter(fingerprint=fingerprint)
    last = same.select_related(*WITH_ALL).defer(*UNREAD).order_by("-pk").first()
    found = groups(environment, [last], now=now) if last is not None else []
    return found[0] if found else None


def _counted(
    environment: Environment, examples: Sequence[DeadLetter]
) -> Mapping[int, tuple[int, datetime, datetime]]:
    """Return of each letter how many share its cause, and when the first and the last of them came."""
    same = causes.open_letters(environment).filter(fingerprint=OuterRef("fingerprint"))
    rows = DeadLetter.objects.filter(pk__in=[letter.pk for letter in examples]).order_by()
    told = rows.annotate(
        count=_CountOf(same.order_by().values("pk")[: MOST_COUNTED + 1]),
        first=Subquery(same.order_by("pk").values("created_at")[:1]),
        last=Subquery(same.order_by("-pk").values("created_at")[:1]),
    )
    # None is left of a cause that somebody has dealt with meanwhile.
    found = told.values_list("pk", "count", "first", "last")
    return {pk: (count, first, last) for pk, count, first, last in found if count}
