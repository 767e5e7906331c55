"""
This module is the one way out: whatever a flow asks of a system goes through `call_many`.

It refuses to run inside a transaction, keeps to the API budget, which it shares with other processes, makes
sure before every write that the credential still leads where it led when it was tested, records how the
connection fares, and lets it rest when the connection and not the request is at fault.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connectors import outbound, registry
from connectors.base import LOGIN, UNREACHABLE, Account, Params, Result
from connectors.budgets import Allowance, allowance_of, is_limited, rate_of, share_of
from connectors.credentials import account_for, check_address, sealed_of
from connectors.metering import METER, NOBODY
from connectors.models import NEEDS_KEY, CallHour, Connection
from connectors.shares import SHARES
from connectors.tallies import TALLIES
from connectors.throttle import LIVE_ENDPOINT_SHARE, Budget
from integrator import telemetry
from integrator.kernel import errors

log = structlog.get_logger(__name__)

DEADLINE_SECONDS = 12.0
SHARE_SECONDS = 0.05  # between two looks whether another process has given a part of the rate up
FRESH_SECONDS = 1.0  # how long a connection's row is believed without looking
HEALTH_SECONDS = 5.0  # how often the row is told that all is as it was
PROBE_PATIENCE = timedelta(seconds=30)  # how long the one try after a rest may take
STRIKES = 3  # calls in a row without any answer before a connection rests
SHORTEST_REST, LONGEST_REST = 5.0, 60.0  # seconds, where an outage or a limit of the moment goes on

# Salesforce counts over a moving window: of the calls that are used up some come back all the time.
RESERVE_REST = timedelta(minutes=15)
RESERVED = "the rest is kept for people."  # how the reason of such a rest ends

# Most serious first: when requests of one call fail in several ways, the connection rests for the first.
UNAUTHORIZED_REST = timedelta(minutes=5)
RESTS: tuple[tuple[type[errors.IntegrationError], timedelta | None], ...] = (
    (errors.Misdirected, None),  # until somebody looked
    (errors.Unauthorized, UNAUTHORIZED_REST),
    (errors.RateLimited, timedelta(seconds=30)),
)


@dataclass(slots=True)
class _Known:
    """What this process knows of one connection."""

    connection: Connection
    sealed: dict[str, bytes] = field(repr=False)
    read_at: float
    budget: Budget
    shared: bool  # whether processes share the rate out by what they use of it
    strikes: int = 0
    limits: int = 0  # calls in a row that were refused for haste
    noted_at: float = float("-inf")
    noted: str | None = None
    usage: tuple[int, int] | None = None


_known: dict[int, _Known] = {}
_lock = threading.Lock()


def call_many(
    *,
    connection_id: int,
    action: str,
    requests: Sequence[Params],
    deadline: float = DEADLINE_SECONDS,
    cause: int = NOBODY,
) -> list[Result]:
    """
    Ask the connection's system for `action` once per request and return one result each, in order.

    Failures are returned, not raised. Everything is over after `deadline` seconds. The calls are counted for
    `cause`; whoever names one has `METER` write what is counted.

    :raises RuntimeError: inside a transaction, which would be held open for as long as the other side takes
    :raises Connection.DoesNotExist: if there is no such connection
    :raises ValueError: if its system has no such action
    """
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("A call to another system is never made inside a transaction.")
    if not requests:
        return []
    ends = time.monotonic() + deadline
    known = _look(connection_id)
    now = timezone.now()
    closed = _closed(known.connection, now=now)
    if closed is not None and not known.connection.probe(now=now, patience=PROBE_PATIENCE):
        return [closed] * len(requests)
    if known.shared:
        SHARES.want(connection_id)
    with outbound.timed(TALLIES.timer(connection_id)), telemetry.span("call", action=action) as told:
        results = _ask(known, action, requests, ends, cause)
        if telemetry.is_on():
            ill = sum(isinstance(one, errors.IntegrationError) for one in results)
            told.note(connection=known.connection.public_id, requests=len(requests), failed=ill)
    if cause == NOBODY:
        METER.write_due()
    _record(known, results, probing=closed is not None, now=timezone.now())
    return results


def usual_rate(connection_id: int) -> float | None:
    """
    Return how many requests a second are this process's where all others use theirs, or None without a limit.

    :raises Connection.DoesNotExist: if there is no such connection
    """
    known = _look(connection_id)
    return known.budget.rate * _usual_share() if is_limited(known.connection) else None


def allowance(connection_id: int) -> Allowance | None:
    """
    Return what the org allows a connection in 24 hours, as of a few seconds ago; None if that is not known.

    :raises Connection.DoesNotExist: if there is no such connection
    """
    return allowance_of(_look(connection_id).connection)


def forget(connection_id: int) -> None:
    """Look at the connection's row again before the next call, because it has changed."""
    with _lock:
        known = _known.get(connection_id)
        if known is not None:
            known.read_at = float("-inf")


def forget_all() -> None:
    """Know nothing of any connection, as a process that has just begun."""
    with _lock:
        _known.clear()


def _look(connection_id: int) -> _Known:
    clock = time.monotonic()
    with _lock:
        known = _known.get(connection_id)
    if known is not None and clock - known.read_at < FRESH_SECONDS:
        return known
    connection = Connection.objects.select_related("environment").get(pk=connection_id)
    sealed = sealed_of(connection)
    with _lock:
        known = _known.get(connection_id)
        rate = rate_of(connection, processes=max(1, int(settings.WORKERS)))
        if known is None:
            known = _Known(connection, sealed, clock, _budget(connection, rate), _is_shared(connection))
            _known[connection_id] = known
        else:
            known.connection, known.sealed, known.read_at = connection, sealed, clock
            known.shared = _is_shared(connection)
            if known.budget.rate != rate:
                known.budget = _budget(connection, rate)
    return known


def _budget(connection: Connection, rate: float) -> Budget:
    """Return the budget for `rate`; in live mode one endpoint takes only a part of it."""
    endpoint = LIVE_ENDPOINT_SHARE if connection.pinned_livemode else 1.0
    return Budget(rate=rate, endpoint_rate=rate * endpoint, clock=time.monotonic, share=_usual_share())


def _usual_share() -> float:
    """Return this process's share of a rate where nobody knows who else uses it: that of one worker."""
    return 1.0 / max(1, int(settings.WORKERS))


def _is_shared(connection: Connection) -> bool:
    return is_limited(connection) and _usual_share() < 1.0


def _closed(connection: Connection, *, now: datetime) -> errors.RateLimited | None:
    """Return the answer of a connection that is not in use now, or None."""
    if connection.state == Connection.State.ACTIVE:
        return None
    until = connection.paused_until
    if until is not None and until <= now:
        until = now + timedelta(seconds=FRESH_SECONDS)  # somebody is trying it right now
    said = f"{connection.name} is {connection.get_state_display().lower()}: {connection.state_reason}"
    return errors.RateLimited(said, code=connection.state, resets_at=until)


def _ask(known: _Known, action: str, requests: Sequence[Params], ends: float, cause: int) -> list[Result]:
    connector = registry.load()[known.connection.system]
    wanted = connector.actions.get(action)
    if wanted is None:
        raise ValueError(f"{connector.label} has no action {action!r}")
    kind = CallHour.Kind.WRITE if wanted.writes else CallHour.Kind.READ
    account = _account_of(known, cause, kind.value)
    METER.count(known.connection.pk, cause, kind.value, carried=len(requests))
    known.usage = None
    try:
        check_address(known.connection)
        if wanted.writes:
            found = connector.identity(account, deadline=ends - time.monotonic())
            stand_guard(account, found.account, found.livemode)
        results = connector.perform(account, action, requests, deadline=ends - time.monotonic())
    except errors.IntegrationError as failure:
        return [failure] * len(requests)
    if len(results) != len(requests):
        raise RuntimeError(f"{connector.label} gave {len(results)} results to {len(requests)} requests")
    return results


def _account_of(known: _Known, cause: int, kind: str) -> Account:
    number = known.connection.pk

    def called(of: str) -> None:
        METER.count(number, cause, CallHour.Kind.LOGIN.value if of == LOGIN else kind, calls=1)

    def turn(seconds: float, endpoint: str = "") -> bool:
        ends = time.monotonic() + seconds
        if known.shared and not _take_share(known, ends):
            return False
        wait = known.budget.take(endpoint, patience=ends - time.monotonic())
        if wait is None:
            return False
        if known.shared:
            SHARES.turn_in(known.connection.pk, wait)
        time.sleep(wait)
        return True

    def spent(used: int, limit: int) -> None:
        known.usage = (used, limit)

    return account_for(known.connection, known.sealed, turn=turn, spent=spent, called=called)


def _take_share(known: _Known, ends: float) -> bool:
    """Use of the rate what is this process's now; wait for some of it until `ends`, and tell if there is."""
    while (part := SHARES.part(known.connection.pk)) == 0:
        if time.monotonic() >= ends:
            return False
        time.sleep(SHARE_SECONDS)
    known.budget.lend(_usual_share() if part is None else part)
    return True


def stand_guard(account: Account, found: str | None, livemode: bool | None) -> None:
    """
    Compare where the credential leads with where the connection was pinned to.

    :raises Misdirected: if it is not the same, or not known; nothing has been sent then
    """
    if not account.pinned_account:
        raise errors.Misdirected("This connection was never tested. Test it first.", code="untested")
    if found != account.pinned_account:
        raise errors.Misdirected(
            f"The credential leads to {found or 'an unknown account'}, but this connection is for "
            f"{account.pinned_account}.",
            code="another_account",
        )
    if None not in (livemode, account.pinned_livemode) and livemode != account.pinned_livemode:
        raise errors.Misdirected(
            f"The credential is for {'live' if livemode else 'test'} mode, but this connection is not.",
            code="another_mode",
        )


def _record(known: _Known, results: Sequence[Result], *, probing: bool, now: datetime) -> None:
    """Let the connection rest or wake, and note how it fares."""
    failures = [result for result in results if isinstance(result, errors.IntegrationError)]
    ill = [failure.code for failure in failures if not isinstance(failure, errors.Declined)]
    TALLIES.calls(known.connection.pk, len(results), ill)
    silent = len(failures) == len(results) and all(
        isinstance(failure, errors.Transient | errors.Uncertain) and failure.code in UNREACHABLE
        for failure in failures
    )
    known.strikes = known.strikes + 1 if silent else 0
    fault = next(
        ((failure, rest) for kind, rest in RESTS for failure in failures if isinstance(failure, kind)), None
    )
    known.limits = _limits(known, fault[0] if fault else None, whole=len(failures) == len(results))
    if fault is not None:
        failure, rest = fault
        until = _end_of_rest(known, failure, rest, now)
        needs_key = isinstance(failure, errors.Unauthorized)
        _rest(known, until=until, reason=f"{NEEDS_KEY} {failure}" if needs_key else str(failure))
    elif _spent_its_share(known):
        used, limit = known.usage or (0, 0)
        reason = f"{used} of the {limit} API calls for 24 hours are used; {RESERVED}"
        _rest(known, until=now + RESERVE_REST, reason=reason)
    elif silent and (probing or known.strikes >= STRIKES):
        # Runs that wait for the connection burn nothing, and start at once when it is back.
        _rest(known, until=now + _doubled(known.strikes - STRIKES), reason=str(failures[0]))
    elif probing and not silent and known.connection.wake():
        log.info("connection woke up", connection=known.connection.public_id)
        forget(known.connection.pk)
    trouble = str(fault[0]) if fault else str(failures[0]) if silent else ""
    _note(known, trouble, now=now)


def _limits(known: _Known, fault: errors.IntegrationError | None, *, whole: bool) -> int:
    """Return how many calls in a row were refused for haste; where a part went through, it is the first."""
    if not isinstance(fault, errors.RateLimited):
        return 0
    known.budget.slow_down()
    return known.limits + 1 if whole else 1


def _end_of_rest(
    known: _Known, failure: errors.IntegrationError, rest: timedelta | None, now: datetime
) -> datetime | None:
    """Return until when a connection rests; one that is refused for haste over and over rests longer."""
    until = failure.resets_at or (None if rest is None else now + rest)
    if known.limits < 2 or until is None:
        return until
    return max(until, now + _doubled(known.limits - 2))


def _doubled(times: int) -> timedelta:
    """Return the shortest rest, doubled so many `times`, or the longest."""
    return timedelta(seconds=min(LONGEST_REST, SHORTEST_REST * 2 ** max(0, min(times, 10))))


def _spent_its_share(known: _Known) -> bool:
    """Tell whether the last call has come as near to the org's limit as we may go."""
    if known.usage is None:
        return False
    used, limit = known.usage
    return limit > 0 and used * 100 >= limit * share_of(known.connection)


def _rest(known: _Known, *, until: datetime | None, reason: str) -> None:
    if known.connection.rest(until=until, reason=reason):
        log.warning("connection rests", connection=known.connection.public_id, until=until, reason=reason)
    forget(known.connection.pk)


def _note(known: _Known, trouble: str, *, now: datetime) -> None:
    """Write the health at once when it changes, and otherwise every few seconds: this is the hot path."""
    clock = time.monotonic()
    if trouble == known.noted and clock - known.noted_at < HEALTH_SECONDS:
        return
    known.noted, known.noted_at = trouble, clock
    known.connection.note(now=now, failure=trouble, usage=known.usage)
