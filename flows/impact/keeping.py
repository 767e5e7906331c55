"""This module keeps for each live version what a change of objects means for it, so that pages are fast."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping, Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models import QuerySet

from connectors import schemas
from flows.impact import counting, finding
from flows.impact.counting import Counted
from flows.impact.told import Finding, as_data, of_data, worst
from flows.models import Deployment, Impact
from integrator.kernel import canonical

log = structlog.get_logger(__name__)

TURN = 20.0  # seconds in which one turn begins with another flow
AGAIN = timedelta(hours=1)  # after which events are counted anew, while something is wrong
RELEASE = 1  # of what is kept: another number has everything worked out anew


def live() -> QuerySet[Deployment]:
    """Return the deployments that are live, with what an impact needs of them."""
    rows = Deployment.objects.filter(ended_at__isnull=True)
    return rows.select_related(
        "flow__integration__workspace",
        "version",
        "pair__stripe",
        "pair__salesforce",
        "pair__environment",
        "pair__integration__workspace",
        "impact",
    )


def renew_due(*, now: datetime, turn: float = TURN, failed: MutableMapping[int, str] | None = None) -> int:
    """
    Work out anew what is not up to date, as much as a turn has time for, and return how many that were.

    `failed` remembers, from one turn to the next, on which basis a deployment could not be looked at: that
    takes time, and would only fail once more.
    """
    failed = {} if failed is None else failed
    Impact.objects.filter(deployment__ended_at__isnull=False).delete()
    ends, done = time.monotonic() + turn, 0
    bare = live().defer("version__document", "impact__findings")  # which only what is due needs
    for deployment, basis in _due(list(bare), now):
        if time.monotonic() >= ends:
            break
        if failed.get(deployment.pk) == basis:
            continue
        try:
            _renew(deployment, basis, now=now)
        except (
            Exception
        ):  # whatever an installed kind may raise: no flow keeps the others from being looked at
            log.exception("impact.failed", flow=deployment.flow.public_id)
            failed[deployment.pk] = basis
            Impact.objects.filter(deployment=deployment).update(basis=basis, looked_at=now)
        done += 1
    return done


def renew(deployment: Deployment, *, now: datetime, seconds: float = counting.SECONDS) -> Impact:
    """Work out at once what has become of the lines of a live version."""
    return _renew(deployment, basis_of([deployment])[deployment.pk], now=now, seconds=seconds)


def _due(deployments: Sequence[Deployment], now: datetime) -> Iterator[tuple[Deployment, str]]:
    bases = basis_of(deployments)
    for deployment in deployments:
        known: Impact | None = getattr(deployment, "impact", None)
        stale = known is None or known.basis != bases[deployment.pk]
        if stale or (known is not None and known.is_wrong and known.looked_at + AGAIN <= now):
            yield deployment, bases[deployment.pk]


def basis_of(deployments: Sequence[Deployment]) -> dict[int, str]:
    """
    Return for each live version what its impact rests on, as a text that is another for other snapshots.

    Any object of the two systems counts: look-ups lead to some that the flow does not name.
    """
    of = {one.pk: (one.pair.stripe_id, one.pair.salesforce_id) for one in deployments}
    told: dict[int, list[tuple[str, int]]] = {}
    for (connection, name), number in schemas.numbers(
        {each for both in of.values() for each in both}
    ).items():
        told.setdefault(connection, []).append((name, number))
    return {
        one.pk: canonical.fingerprint(
            [
                RELEASE,
                one.version_id,
                one.pair.stripe.api_version,
                *(sorted(told.get(each, ())) for each in of[one.pk]),
            ]
        )
        for one in deployments
    }


def _renew(deployment: Deployment, basis: str, *, now: datetime, seconds: float = counting.SECONDS) -> Impact:
    found, counted = _worked_out(deployment, now, seconds)
    row, _ = Impact.objects.get_or_create(deployment=deployment, defaults={"basis": "", "looked_at": now})
    row.become(
        now=now,
        basis=basis,
        severity=worst(found),
        findings=as_data(found),
        events=counted.looked_at,
        failing=counted.failing,
        example=counted.example,
    )
    if row.is_wrong:
        log.info("impact.found", flow=deployment.flow.public_id, lines=len(found), failing=counted.failing)
    return row


def _worked_out(deployment: Deployment, now: datetime, seconds: float) -> tuple[list[Finding], Counted]:
    version = deployment.version
    desk = finding.desk_of(
        version.document, flow=deployment.flow, pair=deployment.pair, moment=version.published_at, now=now
    )
    if desk is None:
        return [], Counted()
    found = finding.findings(desk)
    counted = counting.count(desk, seconds=seconds) if worst(found) in ("fails", "may") else Counted()
    return finding.counted(found, counted.by_field), counted


def findings_of(impact: Impact) -> list[Finding]:
    """Return the findings that are kept; none if another release wrote them in another way."""
    try:
        return of_data(impact.findings)
    except ValueError:
        return []
