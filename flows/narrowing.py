"""
This module narrows the lists of runs and events to what somebody asks for, on pages and by REST alike.

Whatever is asked for is resolved to numbers of rows first, so that a list is one statement about one table or
two, which reads in the order of the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

from connectors.models import Connection
from flows import finding
from flows.finding import Place
from flows.leading import SWITCHED_OFF
from flows.models import Event, Fate, Flow, FlowVersion, Run
from flows.queries import OUT_OF_ORDER, first_id
from integrator.accounts.models import Environment
from integrator.web import LARGEST_ID

M = TypeVar("M", bound=Model)

LONGEST = 255

PERIODS: dict[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
# Why events were ignored, where that is worth a look of its own.
REASONS = {"off": SWITCHED_OFF}
# How events came in: in words, and by which rows. Stripe lists events of every type, also those that the
# webhooks do not ask for: what no flow wanted was not missed. Its index holds what did not come live.
CAME: dict[str, tuple[str, Q]] = {
    "delivered": ("Delivered", Q(origin=Event.Origin.LIVE)),
    "found": (
        "Found in Stripe’s list",
        Q(origin=Event.Origin.WALK) & ~Q(origin=Event.Origin.LIVE) & ~Q(fate=Fate.IGNORED),
    ),
}

SPAN = ("period", "since", "until")  # the filters that say when


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
    version: str = ""
    type: str = ""
    connection: str = ""
    reason: str = ""
    became: str = ""  # one fate of events, which a tab may have several of
    came: str = ""
    currency: str = ""
    handled: str = ""  # since when: runs have ended, events were taken up
    period: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, query: Mapping[str, Any]) -> Filters:
        """Read the filters of a request."""
        given = {name: str(query.get(name, "")).replace("\0", "").strip()[:LONGEST] for name in cls.__slots__}
        if given["period"] not in PERIODS:
            given["period"] = ""
        known = {"reason": REASONS, "became": Fate.values, "came": CAME}
        given |= {name: "" for name, values in known.items() if given[name] not in values}
        if moment(given["handled"]) is None:
            given["handled"] = ""
        if not (given["version"].isascii() and given["version"].isdigit() and len(given["version"]) < 10):
            given["version"] = ""
        return cls(**given)

    def without_fate(self) -> Filters:
        """Return the filters under which the tabs are counted."""
        return Filters(**{name: getattr(self, name) for name in self.__slots__ if name != "fate"})

    @property
    def narrowed(self) -> bool:
        """Tell whether anything but the tab narrows the list."""
        return any(getattr(self, name) for name in self.__slots__ if name != "fate")

    def narrow_by(self, *names: str) -> bool:
        """Tell whether no other filters than those of these names narrow the list."""
        return not any(getattr(self, name) for name in self.__slots__ if name not in names)

    @property
    def came_in_words(self) -> str:
        """Return how events came in that the list is narrowed to."""
        return CAME[self.came][0] if self.came else ""

    @property
    def handled_since(self) -> datetime | None:
        """Return since when what the list shows was handled."""
        return moment(self.handled)

    def as_query(self) -> dict[str, str]:
        """Return what an address says for these filters."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}

    def times(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return the time range: the period counted back from `now`, or the two bounds."""
        if self.period:
            return now - PERIODS[self.period][1], None
        return moment(self.since), moment(self.until)


def moment(text: str) -> datetime | None:
    """Read a bound of the time range, which is meant in UTC; nothing if it is no time."""
    try:
        found = parse_datetime(text if "T" in text or " " in text else f"{text}T00:00")
    except ValueError:
        return None
    if found is None or not 2000 <= found.year <= 2100:  # databases cannot reckon at the ends of time
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def tab_of(tabs: tuple[Tab, ...], key: str) -> Tab:
    """Return the tab called `key`; the first, which shows everything, if there is none."""
    return next((tab for tab in tabs if tab.key == key), tabs[0])


@dataclass(frozen=True, slots=True)
class Narrowed(Generic[M]):
    """The rows that fit, and between which numbers those lie that were there in the time asked for."""

    rows: QuerySet[M]
    low: int = 0
    high: int = LARGEST_ID


def runs(place: Place, filters: Filters, *, now: datetime) -> Narrowed[Run]:
    """Return the runs at `place` that `filters` leave."""
    found: QuerySet[Run] = Run.objects.filter(pair__in=place.pairs)
    found = found.filter(tab_of(RUN_TABS, filters.fate).condition)
    if filters.flow:
        flow = Flow.objects.filter(public_id=filters.flow).values_list("pk", flat=True).first()
        found = found.filter(flow=flow or 0)
    if filters.version:
        found = found.filter(version__in=_versions(place, filters))
    if filters.connection:
        found = found.filter(event__connection=_connection(place, filters.connection))
    if filters.type:
        found = found.filter(event__type=filters.type)
    if filters.currency:
        found = found.filter(currency=filters.currency.upper())
    if since := filters.handled_since:
        found = found.filter(finished_at__gte=since)
    if filters.q:
        found = found.filter(pk__in=finding.find(filters.q, place).runs)
    return between(found, "created_at", filters.times(now), place)


def events(place: Place, filters: Filters, *, now: datetime, by_fate: bool = False) -> Narrowed[Event]:
    """
    Return the events at `place` that `filters` leave.

    They are sought `by_fate` where that is asked for afterwards: there is an index of connection and fate.
    """
    connections = list(place.connections)
    if filters.connection:
        connections = [_connection(place, filters.connection)]
    tab = tab_of(EVENT_TABS, filters.fate)
    if tab.key or by_fate or filters.became or filters.came == "found":
        found: QuerySet[Event] = Event.objects.filter(tab.condition, connection__in=connections)
    else:
        found = finding.within(Event.objects.all(), "connection_id", connections)
    found = found.filter(_of_events(filters))
    if filters.q:
        found = found.filter(pk__in=finding.find(filters.q, place).events)
    return between(found, "received_at", filters.times(now), place)


def _of_events(filters: Filters) -> Q:
    """Return the condition of what events are narrowed to by columns of their own."""
    condition = CAME[filters.came][1] if filters.came else Q()
    told = {
        "type": filters.type,
        "fate_reason": REASONS.get(filters.reason),
        "fate": filters.became,
        "dispatched_at__gte": filters.handled_since,
    }
    return condition & Q(**{column: value for column, value in told.items() if value})


def _versions(place: Place, filters: Filters) -> list[int]:
    found = FlowVersion.objects.filter(
        number=int(filters.version), flow__integration__pairs__in=place.pairs
    ).order_by()
    if filters.flow:
        found = found.filter(flow__public_id=filters.flow)
    return list(found.values_list("pk", flat=True).distinct())


def is_elsewhere(connection: str, here: Environment) -> bool:
    """Tell whether a list is narrowed to a connection of another environment, as a saved view may be."""
    return bool(connection) and not Connection.objects.filter(environment=here, public_id=connection).exists()


def _connection(place: Place, public_id: str) -> int:
    found = Connection.objects.filter(pk__in=place.connections, public_id=public_id)
    return found.values_list("pk", flat=True).first() or 0


def between(
    rows: QuerySet[M], field: str, times: tuple[datetime | None, datetime | None], place: Place
) -> Narrowed[M]:
    """
    Return those of `rows` whose `field` is not before the first of `times` and before the second.

    Their numbers rise with time, so that no index of the time is needed, and no row beyond is looked at.
    """
    since, until = times
    low, high = 0, LARGEST_ID
    if since is not None:
        rows, low = rows.filter(**{f"{field}__gte": since}), _first_id(rows.model, field, since, place)
    if until is not None:
        rows = rows.filter(**{f"{field}__lt": until})  # so that an hour and the next share nothing
        high = _first_id(rows.model, field, until + 2 * OUT_OF_ORDER, place)
    return Narrowed(rows, low, high)


def _first_id(model: type[Model], field: str, moment: datetime, place: Place) -> int:
    key = (f"{model.__name__}.{field}", moment)
    if key not in place.first_ids:
        place.first_ids[key] = first_id(model, field, moment)
    return place.first_ids[key]
