"""This module draws up the budget of a connection: what may be asked, who asks, what a change would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from connectors import connections
from connectors.budgets import is_limited, rate_of, share_of
from connectors.models import Connection
from flows import rationing
from flows.engine.rationing import Priority
from flows.models import Deployment, Flow, FlowPriority, Pair
from integrator.accounts.models import Environment
from integrator.kernel.refusals import Unacceptable
from monitoring import spending
from monitoring.planning import Change, Measured, Reckoned, reckon

LARGEST_RESERVE = 90
NOBODYS = "Without a flow"  # walks, objects that are described, trials
GONE = "A flow that is gone"


@dataclass(frozen=True, slots=True)
class Spender:
    """A flow, or whatever no flow asks for, with what it did and what it costs."""

    name: str
    flow: Flow | None
    pair: Pair | None
    day: int  # calls of the last 24 hours
    measured: Measured
    priority: Priority

    @property
    def key(self) -> str:
        """Return by what it is named in addresses."""
        return self.flow.public_id if self.flow else ""

    @property
    def is_nobodys(self) -> bool:
        """Tell whether no flow asked for it, be it live or gone."""
        return self.name == NOBODYS and self.flow is None


@dataclass(frozen=True, slots=True)
class Budget:
    """Everything that is known of what a connection may ask, and asks."""

    connection: Connection
    outlook: spending.Outlook | None
    spenders: Sequence[Spender]
    days: spending.Days
    names: Sequence[str]  # of the series of `days`
    busiest: tuple[datetime, int] | None
    rate: float | None  # requests a second, where there is such a limit

    @property
    def reserve_percent(self) -> float:
        """Return which part of the org's calls is kept for people."""
        return 100 - share_of(self.connection)

    @property
    def day(self) -> int:
        """Return how many calls of the last 24 hours were ours."""
        return sum(one.day for one in self.spenders)

    def spender(self, key: str) -> Spender | None:
        """Return the flow that is named so, if it is one of these."""
        return next((one for one in self.spenders if key and one.key == key), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a change costs, and what all calls of a day come to with it."""

    spender: Spender
    change: Change
    reckoned: Reckoned
    together: int | None  # None where no limit by the day is known
    ours: int | None

    @property
    def fits(self) -> bool:
        """Tell whether that is within the calls that are ours."""
        return self.together is None or self.ours is None or self.together <= self.ours


def of_connection(connection: Connection, *, now: datetime) -> Budget:
    """Return the budget of a connection."""
    last_day = spending.of_last_day(connection, now=now)
    averages = spending.measured(connection, now=now)
    days = spending.days_of(connection, now=now)
    pairs = list(Pair.objects.filter(Q(stripe=connection) | Q(salesforce=connection)))
    causes = {*last_day, *averages, *(cause for cause, _ in days.by_cause if cause is not None)}
    flows = _flows(pairs, causes)
    spenders = [
        Spender(
            name=_name(cause, flows),
            flow=flows.get(cause),
            pair=_pair_of(flows.get(cause), pairs),
            day=last_day.get(cause, 0),
            measured=averages.get(cause, Measured()),
            priority="normal",
        )
        for cause in {*flows, *causes}
    ]
    spenders.sort(key=lambda one: (-one.day, -one.measured.calls, one.name))
    rate = rate_of(connection, processes=max(1, int(settings.WORKERS))) if is_limited(connection) else None
    return Budget(
        connection=connection,
        # Beside what each flow has used, which is counted now: an older sum would not fit to it.
        outlook=spending.outlook_of(connection, now=now, anew=True),
        spenders=_with_priorities(spenders),
        days=days,
        names=[_name(cause, flows) for cause, _ in days.by_cause],
        busiest=spending.hours_of(connection, now=now).busiest(),
        rate=rate if connection.system == Connection.System.STRIPE else None,
    )


def connections_of(environment: Environment) -> list[Connection]:
    """Return the connections of an environment, those with a limit by the day first."""
    found = Connection.objects.filter(environment=environment)
    return sorted(found, key=lambda one: (one.system != Connection.System.SALESFORCE, one.name))


def _flows(pairs: Sequence[Pair], causes: set[int]) -> dict[int, Flow]:
    """Return the flows that are live on `pairs`, and those of their integrations that have asked."""
    live = Deployment.objects.filter(pair__in=pairs, ended_at__isnull=True).values("flow")
    of_these = Flow.objects.filter(integration__in=[pair.integration_id for pair in pairs])
    return of_these.filter(Q(pk__in=live) | Q(pk__in=causes)).in_bulk()


def _pair_of(flow: Flow | None, pairs: Sequence[Pair]) -> Pair | None:
    return next((one for one in pairs if flow and one.integration_id == flow.integration_id), None)


def _with_priorities(spenders: Sequence[Spender]) -> list[Spender]:
    flows = [one.flow.pk for one in spenders if one.flow]
    rows = FlowPriority.objects.filter(flow__in=flows).values_list("flow", "pair", "priority")
    known = {(flow, pair): priority for flow, pair, priority in rows}
    return [
        replace(one, priority=rationing.known(known.get((one.flow.pk, one.pair.pk))))
        if one.flow and one.pair
        else one
        for one in spenders
    ]


def _name(cause: int | None, flows: dict[int, Flow]) -> str:
    if cause is None:
        return "All others"
    if spending.is_of_nobody(cause):
        return NOBODYS
    return flows[cause].name if cause in flows else GONE


def what_if(budget: Budget, *, flow: str, change: Change) -> Answer:
    """
    Return what `change` of the flow that is named so would cost a day.

    :raises Unacceptable: if no such flow uses the connection, or none of its runs was counted yet
    """
    spender = budget.spender(flow)
    if spender is None:
        raise Unacceptable("No flow of this name uses this connection.", field="flow")
    if not spender.measured.runs:
        raise Unacceptable(
            f"None of {spender.name}'s runs has been counted yet, so there is nothing to reckon by.",
            field="flow",
        )
    reckoned = reckon(spender.measured, change)
    allowance = budget.outlook.allowance if budget.outlook else None
    return Answer(
        spender=spender,
        change=change,
        reckoned=reckoned,
        together=max(0, allowance.used + reckoned.more) if allowance else None,
        ours=allowance.ours if allowance else None,
    )


def keep_back(*, connection: Connection, percent: float, actor: str, now: datetime) -> None:
    """
    Keep so many percent of the org's calls for people.

    :raises Unacceptable: if it is no part that can be kept, or the connection has no such limit
    """
    if connection.system != Connection.System.SALESFORCE:
        raise Unacceptable("Only Salesforce limits calls by the day.", field="percent")
    if not 0 <= percent <= LARGEST_RESERVE:
        raise Unacceptable(f"Keep between 0 and {LARGEST_RESERVE} percent.", field="percent")
    connections.keep_back(connection=connection, percent=percent, actor=actor, now=now)


def prefer(*, budget: Budget, flow: str, priority: str, actor: str, now: datetime) -> Spender:
    """
    Give the flow that is named so a priority.

    :raises Unacceptable: if no such flow uses the connection, or there is no such priority
    """
    spender = budget.spender(flow)
    if spender is None or spender.flow is None or spender.pair is None:
        raise Unacceptable("No flow of this name uses this connection.", field="flow")
    if priority not in FlowPriority.Priority.values:
        raise Unacceptable("A priority is high, normal or low.", field="priority")
    chosen = rationing.known(priority)
    rationing.prefer(flow=spender.flow, pair=spender.pair, priority=chosen, actor=actor, now=now)
    return replace(spender, priority=chosen)
