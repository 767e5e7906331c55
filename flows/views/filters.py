"""This module reads the filters of a list out of its address, where all of them stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from connectors.salesforce.ids import as_18
from flows import dispatch
from flows.models import Event, Fate, Link, Run
from integrator.accounts.models import Environment

M = TypeVar("M", bound=Model)

# A count that is only looked at is not worth a scan: past this it reads "10,000+".
MOST_COUNTED = 10_000
LONGEST = 255

PERIODS: dict[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}


# Why events were ignored, where that is worth a look of its own.
REASONS = {"off": dispatch.SWITCHED_OFF}


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab over a list: a group of fates with their number."""

    key: str
    label: str
    condition: Q
    tone: str = ""


RUN_TABS: tuple[Tab, ...] = (
    Tab("", "All", Q()),
    Tab("applied", "Applied", Q(state=Run.State.DONE, fate=Fate.APPLIED)),
    Tab("queued", "Queued, retrying", Q(state__in=[Run.State.READY, Run.State.RETRYING])),
    Tab("waiting", "Waiting", Q(state=Run.State.WAITING), "warn"),
    Tab("dead", "Dead letters", Q(state=Run.State.DEAD), "err"),
    Tab(
        "passed",
        "Ignored, superseded",
        Q(
            state=Run.State.DONE,
            fate__in=[Fate.IGNORED, Fate.SUPERSEDED, Fate.ECHO, Fate.REFUSED, Fate.DISCARDED],
        ),
    ),
)
EVENT_TABS: tuple[Tab, ...] = (
    Tab("", "All", Q()),
    Tab("applied", "Applied", Q(fate=Fate.APPLIED)),
    Tab("queued", "Queued", Q(fate=Fate.QUEUED)),
    Tab("dead", "Dead letters", Q(fate__in=[Fate.DEAD, Fate.WAITING]), "err"),
    Tab(
        "passed",
        "Ignored, superseded",
        Q(fate__in=[Fate.IGNORED, Fate.SUPERSEDED, Fate.ECHO, Fate.DISCARDED]),
    ),
    Tab("refused", "Refused", Q(fate=Fate.REFUSED), "warn"),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to, as the address says it; what cannot be read is as if it were not there."""

    fate: str = ""
    q: str = ""
    flow: str = ""
    type: str = ""
    reason: str = ""
    currency: str = ""
    period: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> Filters:
        """Read the filters of a request."""
        given = {name: query.get(name, "").replace("\0", "").strip()[:LONGEST] for name in cls.__slots__}
        if given["period"] not in PERIODS:
            given["period"] = ""
        if given["reason"] not in REASONS:
            given["reason"] = ""
        return cls(**given)

    def without_fate(self) -> Filters:
        """Return the filters under which the tabs are counted."""
        return Filters(**{name: getattr(self, name) for name in self.__slots__ if name != "fate"})

    @property
    def narrowed(self) -> bool:
        """Tell whether anything but the tab narrows the list."""
        return any(getattr(self, name) for name in self.__slots__ if name != "fate")

    def times(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return the time range: the period counted back from `now`, or the two bounds."""
        if self.period:
            return now - PERIODS[self.period][1], None
        return _moment(self.since), _moment(self.until)


def _moment(text: str) -> datetime | None:
    """Read a bound of the time range, which is meant in UTC; nothing if it is no time."""
    try:
        found = parse_datetime(text if "T" in text or " " in text else f"{text}T00:00")
    except ValueError:
        return None
    if found is None:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def tab_of(tabs: tuple[Tab, ...], key: str) -> Tab:
    """Return the tab called `key`; the first, which shows everything, if there is none."""
    return next((tab for tab in tabs if tab.key == key), tabs[0])


def runs(environment: Environment, filters: Filters, *, now: datetime) -> QuerySet[Run]:
    """Return the runs of `environment` that `filters` leave."""
    found: QuerySet[Run] = Run.objects.filter(pair__environment=environment)
    found = found.filter(tab_of(RUN_TABS, filters.fate).condition)
    exact = {
        "flow__public_id": filters.flow,
        "event__type": filters.type,
        "currency__iexact": filters.currency,
    }
    found = found.filter(**{name: value for name, value in exact.items() if value})
    found = _between(found, "created_at", filters.times(now))
    return found.filter(_run_with_id(environment, filters.q)) if filters.q else found


def events(environment: Environment, filters: Filters, *, now: datetime) -> QuerySet[Event]:
    """Return the events of `environment` that `filters` leave."""
    found: QuerySet[Event] = Event.objects.filter(connection__environment=environment)
    found = found.filter(tab_of(EVENT_TABS, filters.fate).condition)
    if filters.type:
        found = found.filter(type=filters.type)
    if filters.reason:
        found = found.filter(fate_reason=REASONS[filters.reason])
    found = _between(found, "received_at", filters.times(now))
    if not filters.q:
        return found
    objects = _stripe_ids(environment, filters.q)
    condition = Q(external_id=filters.q) | Q(object_id__in=objects) | Q(runs__public_id=filters.q)
    if lane := _lane_of_record(filters.q):
        condition |= Q(runs__lane__key=lane)  # an event may name many records
    return found.filter(pk__in=Event.objects.filter(condition).values("pk"))


def _between(rows: QuerySet[M], field: str, times: tuple[datetime | None, datetime | None]) -> QuerySet[M]:
    since, until = times
    if since is not None:
        rows = rows.filter(**{f"{field}__gte": since})
    return rows if until is None else rows.filter(**{f"{field}__lte": until})


def _run_with_id(environment: Environment, wanted: str) -> Q:
    """Return what finds runs by any id that a person may have at hand: ours, Stripe's or Salesforce's."""
    objects = _stripe_ids(environment, wanted)
    lanes = [f"stripe:{one}" for one in objects] + ([lane] if (lane := _lane_of_record(wanted)) else [])
    return (
        Q(public_id=wanted)
        | Q(event__external_id=wanted)
        | Q(event__object_id__in=objects)
        | Q(lane__key__in=lanes)
    )


def _lane_of_record(wanted: str) -> str:
    """Return the lane of a record that is linked with nothing; empty if `wanted` is no record's id."""
    try:
        return f"salesforce:{as_18(wanted)}"
    except ValueError:
        return ""


def _stripe_ids(environment: Environment, wanted: str) -> list[str]:
    """Return `wanted` itself, and the Stripe objects that a Salesforce record of this id is linked with."""
    record = Q(record_id=wanted) | Q(external_id=wanted)
    if len(wanted) == 15:
        record |= Q(record_id__startswith=wanted)  # the short form of the same id
    linked = Link.objects.filter(record, pair__environment=environment).values_list("stripe_id", flat=True)
    full = _lane_of_record(wanted).partition(":")[2]  # events name a record by its longer id
    return list(dict.fromkeys(filter(None, (wanted, full, *linked[:50]))))


def counts(rows: QuerySet[Any], tabs: tuple[Tab, ...]) -> list[tuple[Tab, int]]:
    """Return each tab with how many of `rows` stand under it, but at most one more than MOST_COUNTED."""
    return [(tab, rows.filter(tab.condition).order_by()[: MOST_COUNTED + 1].count()) for tab in tabs]
