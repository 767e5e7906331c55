"""This module is one pass of a worker: dispatch, claim, run in lockstep, close."""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, islice
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from connectors.metering import METER
from connectors.models import CallHour
from flows import holds, lanes, payloads, rationing, targets
from flows.closing import Claimed, Ended, close
from flows.collapsing import collapsed, older_of_the_same
from flows.context import World, fit_together
from flows.dispatch import BATCH, BUGS, dispatch
from flows.engine import batch, plan
from flows.engine.held import got_through, has_found, is_held, settled
from flows.engine.outcome import Done, End, Failure, Pause, ReadAgain
from flows.engine.policy import Policy
from flows.engine.ports import Abandoned
from flows.engine.trace import SOURCE
from flows.loading import Loaded, Readied, given_up, hopeless, load, ready, untried
from flows.plans import Unrunnable, compiled
from integrator import logs, telemetry

log = structlog.get_logger(__name__)

LIMIT = 1_000  # lanes in one claim: five collections of 200 records, which travel side by side
FULL = 200  # runs of a pass above which another worker is of use

# Under load, but below the size of a collection, a little waiting makes few calls out of many. A lone
# event never waits.
LINGER = 0.25  # seconds between two passes; a pass costs as much as 50 more events in it
LOADED = 5  # runs of the pass before
AT_ONCE = {"sqlite": 200, "postgresql": 1_000}  # runs closed in one transaction: SQLite's one writer hurries

NAMED = 20  # runs of a batch that each of its log lines names

POLICY = Policy()

T = TypeVar("T")


def work(worker: lanes.WorkerLease, until: Callable[[], bool]) -> int:
    """
    Do one pass while `until()` holds, and return how many events and runs were handled: 0 if none was ready.

    Whatever goes wrong on the way, the lanes of the batch are given back at the next pass, each with a
    crash counted, so that a run which breaks a batch is isolated just as one that kills the process.
    """
    worker.moved()
    worker.recover()
    _linger(worker)
    worker.holding = True
    try:
        with _uncollected(), telemetry.span("tick") as told:
            handled = _pass(worker, until)
            if handled:
                told.note(handled=handled, runs=worker.last_pass_runs)
            else:
                told.drop()
    except (InterfaceError, OperationalError):
        worker.shaken = True
        raise
    worker.holding = False
    return handled


def _pass(worker: lanes.WorkerLease, until: Callable[[], bool]) -> int:
    now = lanes.database_now()
    skew = now - timezone.now()
    handled = _dispatch_all(worker, now, until)
    claim = lanes.claim(worker, LIMIT, now=now) if until() else lanes.Claim()
    worker.last_pass_runs = len(claim.runs)
    if claim.runs:
        _run_claimed(worker, claim, until, lambda: timezone.now() + skew)
    return handled + len(claim.runs)


@contextmanager
def _uncollected() -> Iterator[None]:
    """
    Keep the garbage collector out of a pass.

    A pass makes many objects and hardly a cycle. Looking through them again and again costs a fifth of it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _linger(worker: lanes.WorkerLease) -> None:
    """Let a collection fill while events keep coming."""
    rest = worker.last_pass_at + LINGER - time.monotonic()
    if rest > 0 and LOADED <= worker.last_pass_runs < FULL:
        time.sleep(rest)
    worker.last_pass_at = time.monotonic()


def _dispatch_all(worker: lanes.WorkerLease, now: datetime, until: Callable[[], bool]) -> int:
    """Dispatch as much as one claim may take."""
    handled = 0
    while handled < LIMIT and until():
        done = dispatch(now=now)
        worker.moved()
        handled += done
        if done < BATCH:
            break
    return handled


def _run_claimed(
    worker: lanes.WorkerLease, claim: lanes.Claim, until: Callable[[], bool], clock: Callable[[], datetime]
) -> None:
    """Run what was claimed, one version and pair after the other; what there is no time for is given back."""
    groups: dict[tuple[int, int], list[Loaded]] = defaultdict(list)
    for run in load(claim.runs, now=clock()):
        groups[run.version_id, run.pair_id].append(run)
    left = set(claim.lanes)
    for runs in chain.from_iterable(map(_in_good_time, groups.values())):
        if not until():
            break
        with logs.bind(runs=[run.public_id for run in runs[:NAMED]]), _told(runs):
            if not _run_together(worker, runs, clock):
                return
        left -= {run.lane_id for run in runs}
    if left:
        lanes.release(worker, left)


def _told(runs: Sequence[Loaded]) -> telemetry.Span:
    if not telemetry.is_on():
        return telemetry.span("")
    return telemetry.span(
        "run",
        runs=[run.public_id for run in runs],
        events=[run.event__external_id for run in runs],
        count=len(runs),
        flow=runs[0].flow_id,
        version=runs[0].version_id,
    )


def _in_good_time(runs: Sequence[Loaded]) -> Iterator[Sequence[Loaded]]:
    """
    Yield runs of one version on one pair in parts that go through the flow together.

    Each step is taken by all runs of a part before the next. Where Stripe is asked for each of them, the
    calls of a part have to fit into its rate: what was read is read for nothing if its write has no turn.
    """
    size = fit_together(runs[0].pair__stripe_id) if _ask_stripe(runs) else None
    yield from _chunks(runs, size or len(runs))


def _ask_stripe(runs: Sequence[Loaded]) -> bool:
    first = runs[0]
    try:
        compiled_plan = compiled(first.version_id, first.version__content_hash)
    except Unrunnable:
        return False
    return compiled_plan.asks_stripe or any(run.fetch_first for run in runs)


def _run_together(worker: lanes.WorkerLease, runs: Sequence[Loaded], clock: Callable[[], datetime]) -> bool:
    """Run one version on one pair and close its runs; return whether this worker may go on."""
    started_at = clock()
    try:
        standing = holds.standing(runs[0].version_id, runs[0].pair_id, now=clock())
        taken = _take(worker, runs, standing, clock)
        ended = [_ended(run, end, started_at) for run, end in taken]
    except Abandoned as abandoned:
        log.warning("batch.abandoned", worker=worker.name, count=len(runs))
        if abandoned.__cause__ is not None:  # our own database broke it off
            raise abandoned.__cause__ from None
        return False
    _close(worker, ended, clock)
    if worker.leases_targets:
        targets.give_back(worker)
    _settle_hold(runs[0], standing, [one.finished for one in ended], clock())
    _log_trouble(ended)
    return True


def _log_trouble(ended: Sequence[Ended]) -> None:
    """Write a line for each run that did not come to its end; messages stay in the trace, which is sealed."""
    for one in ended:
        outcome = one.finished.outcome
        if isinstance(outcome, Done | End):
            continue
        log.info(
            "run.stopped",
            run=one.run.public_id,
            outcome=type(outcome).__name__,
            step=one.finished.step,
            code=outcome.failure.code if not isinstance(outcome, ReadAgain) and outcome.failure else "",
        )


def _close(worker: lanes.WorkerLease, ended: Sequence[Ended], clock: Callable[[], datetime]) -> None:
    """Close runs in transactions that are not too long; a lane is given back with the last of its runs."""
    chunks = list(_chunks(ended, AT_ONCE[connection.vendor]))
    for number, chunk in enumerate(chunks, 1):
        worker.moved()
        unfinished = {one.run.lane_id for later in chunks[number:] for one in later}
        close(worker, chunk, now=clock(), unfinished=unfinished)


def _chunks(several: Sequence[T], size: int) -> Iterator[list[T]]:
    remaining = iter(several)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _take(
    worker: lanes.WorkerLease,
    runs: Sequence[Loaded],
    standing: holds.Standing,
    clock: Callable[[], datetime],
) -> list[tuple[Loaded, batch.Finished]]:
    """
    Take runs of one version on one pair as far as the flow may go, and return how each of them ended.

    :raises Abandoned: if this worker lost its lanes
    """
    going, waiting = holds.share(runs, standing.gate)
    paused = Pause(standing.until or clock() + POLICY.hold, standing.reason, holds="flow")
    return [
        *(_go(worker, going, clock) if going else ()),
        *((run, untried(run, paused, "queued", standing.reason)) for run in waiting),
    ]


def _go(
    worker: lanes.WorkerLease, runs: Sequence[Loaded], clock: Callable[[], datetime]
) -> list[tuple[Loaded, batch.Finished]]:
    """Take runs of one version on one pair through the flow, each with those whose work it does as well."""
    first = runs[0]
    try:
        compiled_plan = compiled(first.version_id, first.version__content_hash)
    except Unrunnable as problem:
        return _unrunnable(runs, str(problem), clock())
    saved: list[rationing.Saved] = []
    if compiled_plan.asks_salesforce:
        runs, saved = rationing.share(runs, now=clock())
    waiting = [(one.run, untried(one.run, _saved(one), "queued", one.reason)) for one in saved]
    if not runs:
        return waiting
    older = older_of_the_same(runs, clock()) if compiled_plan.collapses else {}
    newest = [older[run.id][-1] if run.id in older else run for run in runs]
    ended = list(_run_group(worker, newest, compiled_plan, clock))
    return [*waiting, *ended, *collapsed(runs, older, ended)]


def _saved(one: rationing.Saved) -> Pause:
    return Pause(one.until, one.reason, holds="flow")


def _unrunnable(runs: Sequence[Loaded], problem: str, now: datetime) -> list[tuple[Loaded, batch.Finished]]:
    """Hold the flow whose version cannot be run, and return how its runs ended: they wait."""
    paused = Pause(now + POLICY.hold, problem, holds="flow")
    holds.hold(runs[0].version_id, runs[0].pair_id, until=paused.until, reason=problem, now=now)
    return [(run, untried(run, paused, "queued", problem)) for run in runs]


def _run_group(
    worker: lanes.WorkerLease,
    runs: Sequence[Loaded],
    compiled_plan: plan.Plan,
    clock: Callable[[], datetime],
) -> Iterator[tuple[Loaded, batch.Finished]]:
    """
    Take runs of one version on one pair through the engine, and yield how each of them ended.

    :raises Abandoned: if this worker lost its lanes
    """
    readied: dict[int, Readied] = {}
    for run in runs:
        failure = hopeless(run)
        try:
            if failure is None:
                readied[run.id] = ready(run, compiled_plan)
                continue
        except payloads.Unreadable as problem:
            failure = Failure("data", str(problem), code="sealed" if problem.sealed else "unreadable")
        except BUGS as bug:
            log.exception("run.broke", run=run.public_id)
            failure = Failure(
                "internal", f"The event could not be read ({type(bug).__name__}).", code="broken"
            )
        yield run, given_up(run, failure)
    if not readied:
        return
    first = runs[0]
    world = World(
        worker=worker,
        flow_id=first.flow_id,
        pair_id=first.pair_id,
        slots={"stripe": first.pair__stripe_id, "salesforce": first.pair__salesforce_id},
        roots={number: one.root for number, one in readied.items()},
        clock=clock,
        reads=compiled_plan.reads,
    )
    for connection_id in (first.pair__stripe_id, first.pair__salesforce_id):
        METER.count(connection_id, first.flow_id, CallHour.Kind.TRY.value, carried=len(readied))
    by_id = {run.id: run for run in runs}
    items = [one.item for one in readied.values()]
    for finished in settled(batch.run(compiled_plan, items, world, POLICY)):
        yield by_id[finished.run_id], finished


def _settle_hold(
    first: Loaded, standing: holds.Standing, finished: Sequence[batch.Finished], now: datetime
) -> None:
    """Hold the flow whose runs all failed for the flow's own fault, or let it go when some got through."""
    tried = (one for one in finished if one.letters or one.step == SOURCE)
    stopped = next((one for one in tried if is_held(one)), None)
    version, pair = first.version_id, first.pair_id
    if stopped is not None and isinstance(pause := stopped.outcome, Pause):
        holds.hold(version, pair, until=pause.until, reason=pause.reason, step=stopped.step, now=now)
    elif standing.gate is not holds.Gate.OPEN and any(_got_through(first, one, standing) for one in finished):
        holds.let_go(first.flow_id, pair, version_id=version, now=now)


def _got_through(run: Loaded, finished: batch.Finished, standing: holds.Standing) -> bool:
    """Tell whether the run shows that the step which met the cause works again."""
    if got_through(finished):
        return True
    if not has_found(finished, standing.step):
        return False
    is_reading = standing.step == SOURCE
    return is_reading or compiled(run.version_id, run.version__content_hash).only_reads(standing.step)


def _ended(run: Loaded, finished: batch.Finished, started_at: datetime) -> Ended:
    claimed = Claimed(
        run.id, run.public_id, run.flow_id, run.version_id, run.pair_id, run.lane_id,
        run.event_id, run.about, run.pair__environment_id, run.state,
        run.attempts, run.fetch_first, run.first_failed_at,
    )  # fmt: skip
    return Ended(claimed, finished, started_at)
