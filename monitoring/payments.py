"""
This module says how much of the money that Stripe told of Salesforce has confirmed, and where the rest is.

Sums of a period are those of its quarters of an hour, less what is not confirmed, which an index of its own
holds: the cost does not grow with the number of payments that went well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Aggregate, Count, F, Q, QuerySet, Sum, Value

from connectors.models import Connection
from flows.models import Event, Fate, Run
from flows.queries import first_id
from integrator.accounts.models import Environment, Workspace
from monitoring import standing
from monitoring.models import Payment, PaymentSum
from monitoring.payment_following import events_about

# How long before its neighbours a payment may have been told: what a walk of Stripe's lists finds was all
# received when that began, and clocks are set back.
OUT_OF_TURN = timedelta(hours=2)
PERIODS: dict[str, tuple[str, int]] = {
    "today": ("Today", 1),
    "30d": ("Last 30 days", 30),
}  # days, today's too
UNCONFIRMED = "unconfirmed"  # all states but the one
STILL = "still"  # of these all that nobody works on
STATES: dict[str, str] = {
    "confirmed": "In Salesforce",
    UNCONFIRMED: "Not confirmed",
    "under_way": "Under way",
    STILL: "Standing still",
    "waiting": "Waiting for a person",
    "dead": "In dead letters",
    "left_out": "Left out",
}
AT_REST = ("waiting", "dead", "left_out")
OPEN = ("under_way", *AT_REST)


@dataclass(frozen=True, slots=True)
class Figure:
    """So many payments with so much money, in minor units of one currency."""

    amount: int = 0
    payments: int = 0

    def __add__(self, other: Figure) -> Figure:
        return Figure(self.amount + other.amount, self.payments + other.payments)

    def __sub__(self, other: Figure) -> Figure:
        return Figure(self.amount - other.amount, self.payments - other.payments)


@dataclass(frozen=True, slots=True)
class Standing:
    """The payments of one currency and period: what Stripe told of, and what is not confirmed of it."""

    period: str
    currency: str
    told: Figure
    open: Mapping[str, Figure]  # by state

    @property
    def unconfirmed(self) -> Figure:
        """All of which Salesforce has not confirmed the record."""
        return sum(self.open.values(), Figure())

    @property
    def confirmed(self) -> Figure:
        """All of which it has."""
        return self.told - self.unconfirmed

    @property
    def columns(self) -> Sequence[tuple[str, str, Figure]]:
        """Every state that is not the last, in the order of the overview: key, words, figure."""
        return [(state, STATES[state], self.open.get(state, Figure())) for state in OPEN]

    @property
    def period_in_words(self) -> str:
        """Return the period as it is shown."""
        return PERIODS[self.period][0]

    def of(self, state: str) -> Figure:
        """Return the payments of one state, of several (unconfirmed, still), or with no state all."""
        if not state:
            return self.told
        if state == STILL:
            return sum((self.of(one) for one in AT_REST), Figure())
        if state == UNCONFIRMED:
            return self.unconfirmed
        return self.confirmed if state == "confirmed" else self.open.get(state, Figure())


def begins(workspace: Workspace, period: str, *, now: datetime) -> datetime:
    """Return when the period begins: at midnight of the workspace's time zone."""
    first = now.astimezone(workspace.zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return first - timedelta(days=PERIODS[period][1] - 1)  # by the calendar, whatever clocks have done


def standings(environment: Environment, *, now: datetime) -> list[Standing]:
    """Return how the payments of `environment` stand, by currency and period; none where none was told of."""
    rows = Connection.objects.filter(environment=environment, system=Connection.System.STRIPE)
    of = dict.fromkeys(rows.values_list("pk", flat=True), environment.pk)
    return list(of_connections(of, environment.workspace, now=now).get(environment.pk, ()))


def of_connections(
    of: Mapping[int, int], workspace: Workspace, *, now: datetime
) -> Mapping[int, Sequence[Standing]]:
    """
    Return how payments stand, by environment, then by currency and period.

    `of` has the number of the environment for that of each connection to Stripe, all of `workspace`.
    """
    since = {period: begins(workspace, period, now=now) for period in PERIODS}
    return standing.patiently(("payments", *sorted(of), *since.values()), lambda: _standings(of, since))


def of_period(environment: Environment, period: str, *, now: datetime) -> list[Standing]:
    """Return how the payments of one period stand, by currency."""
    return [one for one in standings(environment, now=now) if one.period == period]


def _standings(of: Mapping[int, int], since: Mapping[str, datetime]) -> Mapping[int, list[Standing]]:
    """Return how payments stand that were told of at or after `since`, a time for each period."""
    earliest = min(since.values())
    sums = PaymentSum.objects.filter(connection__in=list(of), quarter__gte=earliest)
    rest = Payment.objects.unconfirmed().filter(connection__in=list(of), told_at__gte=earliest)
    told = _summed(sums.annotate(name=Value("")), "quarter", "payments", since)
    opened = _summed(rest.annotate(name=F("state")), "told_at", "", since)
    found: dict[tuple[int, str, str], dict[str, Figure]] = defaultdict(lambda: defaultdict(Figure))
    # In one statement, so that both are of one moment.
    for connection, currency, name, *figures in told.union(opened, all=True):
        for place, period in enumerate(since):
            amount, payments = figures[2 * place : 2 * place + 2]
            found[of[connection], currency, period][name] += Figure(amount or 0, payments or 0)
    result: dict[int, list[Standing]] = defaultdict(list)
    for (environment, currency, period), states in sorted(found.items(), key=_order):
        told_of = states.pop("", Figure())
        if told_of.payments:
            open_ = {name: figure for name, figure in states.items() if figure.payments}
            result[environment].append(Standing(period, currency, told_of, open_))
    return dict(result)


def _summed(rows: QuerySet[Any], column: str, number: str, since: Mapping[str, datetime]) -> QuerySet[Any]:
    """
    Return connection, currency and name, and the money and the number of payments of each period.

    `column` is the time of a row, `number` the column that says of how many payments it is, if it is not one.
    """
    told: dict[str, Aggregate] = {}
    for period, at in since.items():
        within = Q(**{f"{column}__gte": at})
        told[f"money_{period}"] = Sum("amount", filter=within)
        told[f"count_{period}"] = Sum(number, filter=within) if number else Count("state", filter=within)
    grouped: QuerySet[Any] = rows.order_by().values_list("connection_id", "currency", "name")
    counted: QuerySet[Any] = grouped.annotate(**told)
    return counted


def _order(item: tuple[tuple[int, str, str], Any]) -> tuple[int, str, int]:
    (environment, currency, period), _ = item
    return environment, currency, list(PERIODS).index(period)


def _connections(environment: Environment) -> list[int]:
    rows = Connection.objects.filter(environment=environment, system=Connection.System.STRIPE)
    return list(rows.values_list("pk", flat=True))


# One by one


@dataclass(frozen=True, slots=True)
class Choice:
    """Which payments a list shows, as the address says it; what cannot be read is as if it were not there."""

    state: str = ""
    currency: str = ""
    period: str = "30d"

    @classmethod
    def read(cls, query: Mapping[str, Any]) -> Choice:
        """Read the choice of a request."""
        state, period = str(query.get("state", "")), str(query.get("period", ""))
        currency = str(query.get("currency", "")).strip().upper()
        return cls(
            state=state if state in STATES else "",
            currency=currency if currency.isascii() and currency.isalpha() and len(currency) == 3 else "",
            period=period if period in PERIODS else "30d",
        )


def listed(environment: Environment, choice: Choice, *, now: datetime) -> QuerySet[Payment]:
    """Return the payments that `choice` leaves, newest first: exactly those that its figure counts."""
    since = begins(environment.workspace, choice.period, now=now)
    rows = Payment.objects.filter(
        # A list whose period has less than a page would otherwise be looked for in all that is older.
        pk__gte=first_id(Payment, "told_at", since - OUT_OF_TURN),
        connection__in=_connections(environment),
        told_at__gte=since,
    )
    if choice.currency:
        rows = rows.filter(currency=choice.currency)
    return in_state(rows, choice.state).order_by("-id")


def in_state(rows: QuerySet[Payment], state: str) -> QuerySet[Payment]:
    """Return those of `rows` in one state, in one of several (unconfirmed, still), or with no state all."""
    if state not in {"", "confirmed"}:
        rows = rows.filter(Payment.UNCONFIRMED)  # beside the state as well: SQLite then takes their index
    if state == STILL:
        return rows.filter(state__in=AT_REST)
    return rows if state in {"", UNCONFIRMED} else rows.filter(state=state)


def totals(environment: Environment, choice: Choice, *, now: datetime) -> list[tuple[str, Figure]]:
    """Return by currency how many payments `choice` leaves, and how much money that is."""
    every = of_period(environment, choice.period, now=now)
    wanted = [one for one in every if choice.currency in {"", one.currency}]
    return [(one.currency, one.of(choice.state)) for one in wanted if one.of(choice.state).payments]


@dataclass(frozen=True, slots=True)
class Row:
    """One payment of a list with the event and the run that say how it stands."""

    payment: Payment
    event: Event | None
    run: Run | None

    @property
    def state(self) -> str:
        """Return the key under which its state is shown."""
        return f"payment_{self.payment.state}"

    @property
    def reason(self) -> str:
        """Return why it is not confirmed, where something says so."""
        if self.payment.state == Payment.State.CONFIRMED:
            return ""
        return (self.run.reason if self.run else "") or (self.event.fate_reason if self.event else "")


_GRAVEST = (Fate.DEAD, Fate.WAITING, Fate.QUEUED)


def rows_of(payments: Sequence[Payment]) -> list[Row]:
    """Return what a list shows of each of `payments`: of its events the gravest, of that event's runs too."""
    of = {(one.connection_id, name): one.pk for one in payments for name in (one.key, one.charge) if name}
    if not of:
        return []
    chosen: dict[int, Event] = {}
    for event in events_about(of).order_by("id").defer("body"):
        payment = of.get((event.connection_id, event.object_id))
        if payment is not None and (payment not in chosen or _rank(event) <= _rank(chosen[payment])):
            chosen[payment] = event
    runs: dict[int, Run] = {}
    events = [event.pk for event in chosen.values()]
    for run in Run.objects.filter(event__in=events).select_related("flow").order_by("id").defer("kept"):
        if run.event_id not in runs or _rank(run) <= _rank(runs[run.event_id]):
            runs[run.event_id] = run
    run_of = {payment: runs.get(event.pk) for payment, event in chosen.items()}
    return [Row(one, chosen.get(one.pk), run_of.get(one.pk)) for one in payments]


def _rank(row: Event | Run) -> int:
    """Return how grave the fate of an event or a run is, 0 for the gravest; what is over is all the same."""
    fate = Fate(row.fate)
    return _GRAVEST.index(fate) if fate in _GRAVEST else len(_GRAVEST)
