"""
This module decides whom the alert rules tell, when, and in how many messages. It is pure.

Rules are looked at in their order. One that fits an incident plans a notice for each of its steps: at once,
or so long after the incident began if nobody has acknowledged it by then. Notices that are due together
become messages: one for each kind of incident, and one for all where a rule has used up its hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from monitoring.conditions import Severity

HOUR = timedelta(hours=1)
AGAIN_EVERY = timedelta(minutes=15)  # how often it is told that more of the same has happened
# Of one's own channels nothing tells outside the product: a channel that is down would tell of itself.
UNTOLD = frozenset({"channel"})


class News(StrEnum):
    """What a notice says of its alert."""

    OPENED = "opened"
    AGAIN = "again"  # more of the same has happened
    OVER = "over"
    ESCALATED = "escalated"  # nobody has acknowledged it
    REPEATED = "repeated"  # still nobody has


# What may wait for its like, so that one message tells of several.
GATHERED = frozenset({News.OPENED, News.AGAIN, News.OVER})


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day, by the clocks of `zone`, in which a rule tells nothing, or only what is critical."""

    begins: time
    ends: time
    zone: str = "UTC"
    lets_critical: bool = True

    def over_at(self, now: datetime, *, critical: bool) -> datetime | None:
        """Return when one may be told again who is not told at `now`; None if `now` is no quiet hour."""
        if critical and self.lets_critical:
            return None
        local = now.astimezone(ZoneInfo(self.zone))
        clock, overnight = local.time(), self.begins > self.ends
        if overnight:
            if self.ends <= clock < self.begins:
                return None
            day = local.date() if clock < self.ends else local.date() + timedelta(days=1)
        elif self.begins <= clock < self.ends:
            day = local.date()
        else:
            return None
        return self._end_on(day, now)

    def _end_on(self, day: date, now: datetime) -> datetime:
        """Return the end on `day`: of an hour that clocks show twice, the first one that is still to come."""
        local = datetime.combine(day, self.ends, ZoneInfo(self.zone))
        first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        return first if first > now else max(second, now + timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class Step:
    """One channel of a rule, and how long after the incident began it is told."""

    channel: int
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Terms:
    """A rule as it is decided by; empty `kinds` or `environments` mean all of them."""

    rule: int | None
    severities: frozenset[str]
    kinds: frozenset[str] = frozenset()
    environments: frozenset[int] = frozenset()
    steps: tuple[Step, ...] = ()
    stops: bool = False
    window: timedelta = timedelta(0)
    per_hour: int = 0  # messages to each channel; 0: as many as there are
    quiet: Quiet | None = None
    repeat: timedelta | None = None
    tells_end: bool = True
    administrators: bool = False  # the rule by which administrators are mailed

    def fits(self, incident: Incident) -> bool:
        """Tell whether the rule is about `incident`; what concerns a whole workspace concerns each part."""
        there = incident.environment is None or not self.environments
        return (
            incident.severity in self.severities
            and (not self.kinds or incident.kind in self.kinds)
            and (there or incident.environment in self.environments)
        )


@dataclass(frozen=True, slots=True)
class Incident:
    """What rules look at of an alert."""

    alert: int
    kind: str
    severity: str
    environment: int | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """That a channel is to be told of an alert."""

    rule: int | None
    channel: int
    alert: int
    news: News
    due_at: datetime


def holding(rules: Iterable[Terms], incident: Incident) -> list[Terms]:
    """Return the rules that tell of `incident`, in their order; one that tells nobody stops no other."""
    found: list[Terms] = []
    for terms in rules:
        if terms.fits(incident):
            found.append(terms)
            if terms.stops and terms.steps:
                break
    return found


def plan(
    rules: Iterable[Terms], incident: Incident, news: News, *, now: datetime, last: datetime | None = None
) -> list[Planned]:
    """
    Return whom to tell that `incident` was opened, or that more of it has happened.

    :param last: when it was told of before, for more of the same, which is told only every now and then
    """
    if incident.kind in UNTOLD:
        return []
    planned: dict[tuple[int, News], Planned] = {}
    for terms in holding(rules, incident):
        for step in terms.steps:
            one = _planned(terms, step, incident, news, now=now, last=last)
            if one is not None:
                known = planned.get((one.channel, one.news))
                # Two rules that name one channel tell it once, at the earlier moment.
                if known is None or one.due_at < known.due_at:
                    planned[one.channel, one.news] = one
    return list(planned.values())


def _planned(
    terms: Terms, step: Step, incident: Incident, news: News, *, now: datetime, last: datetime | None
) -> Planned | None:
    if step.after:
        if news != News.OPENED:
            return None
        due, news = incident.opened_at + step.after, News.ESCALATED
    else:
        due = now + terms.window
        if news == News.AGAIN and last is not None:
            due = max(due, last + AGAIN_EVERY)
    return Planned(terms.rule, step.channel, incident.alert, news, due)


# Messages


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that waits to be told."""

    notice: int
    rule: int | None
    channel: int
    kind: str
    severity: str
    news: News
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message: the notices that it tells; a `digest` tells what found no place within its hour."""

    rule: int | None
    channel: int
    notices: tuple[int, ...]
    digest: bool = False


@dataclass(frozen=True, slots=True)
class Packed:
    """What to send now, and until when the rest is put off, by notice."""

    parcels: tuple[Parcel, ...]
    postponed: Mapping[int, datetime]


def pack(
    waiting: Sequence[Waiting],
    *,
    terms: Mapping[int | None, Terms],
    sent: Mapping[tuple[int | None, int], Sequence[datetime]],
    now: datetime,
) -> Packed:
    """
    Make messages of what is due among `waiting`.

    :param terms: the rules by id; a notice of a rule that is not among them is told without conditions
    :param sent: when messages were sent within the last hour, by rule and channel
    """
    parcels: list[Parcel] = []
    postponed: dict[int, datetime] = {}
    by_way: dict[tuple[int | None, int], list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_way[one.rule, one.channel].append(one)
    for way, those in by_way.items():
        rule = terms.get(way[0])
        due = list(_awake(those, rule, postponed, now))
        groups = list(_groups(due, rule, now))
        fitting, later = _within_the_hour(groups, rule, sent.get(way, ()), now)
        parcels += [Parcel(*way, tuple(one.notice for one in group), digest) for group, digest in fitting]
        postponed |= later
    return Packed(tuple(parcels), postponed)


def _awake(
    those: Iterable[Waiting], rule: Terms | None, postponed: dict[int, datetime], now: datetime
) -> Iterator[Waiting]:
    """Yield what may be told at this hour; of the rest, what is due is put off until the quiet hours end."""
    for one in those:
        critical = one.severity == Severity.CRITICAL
        end = rule.quiet.over_at(now, critical=critical) if rule is not None and rule.quiet else None
        if end is None:
            yield one
        elif one.due_at <= now:
            postponed[one.notice] = end


def _groups(those: Iterable[Waiting], rule: Terms | None, now: datetime) -> Iterator[list[Waiting]]:
    """Yield what is told together: incidents of one kind of which one is due, with those that wait for it."""
    horizon = now + (rule.window if rule is not None else timedelta(0))
    by_kind: dict[str, list[Waiting]] = defaultdict(list)
    for one in those:
        if one.due_at <= (horizon if one.news in GATHERED else now):
            by_kind[one.kind].append(one)
    yield from (group for group in by_kind.values() if any(one.due_at <= now for one in group))


def _within_the_hour(
    groups: Sequence[list[Waiting]], rule: Terms | None, sent: Sequence[datetime], now: datetime
) -> tuple[list[tuple[list[Waiting], bool]], dict[int, datetime]]:
    """Return the groups to send, each with whether it is a digest, and what has to wait for the next hour."""
    ordered = sorted(groups, key=_urgency)
    if rule is None or not rule.per_hour:
        return [(group, False) for group in ordered], {}
    lately = sorted(at for at in sent if at > now - HOUR)
    free = rule.per_hour - len(lately)
    if len(ordered) <= free:
        return [(group, False) for group in ordered], {}
    if free <= 0:
        again = lately[-rule.per_hour] + HOUR
        return [], {one.notice: again for group in ordered for one in group}
    single, rest = ordered[: free - 1], ordered[free - 1 :]
    together = [one for group in rest for one in group]
    return [*((group, False) for group in single), (together, len(rest) > 1)], {}


def _urgency(group: Sequence[Waiting]) -> tuple[bool, datetime]:
    return all(one.severity != Severity.CRITICAL for one in group), min(one.due_at for one in group)
