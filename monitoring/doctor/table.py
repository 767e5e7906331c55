"""This module is the table of all checks, and runs them: what needs the database only while it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import structlog
from django.db import Error, connection

from monitoring.doctor import database, machine, outside, sealed, work
from monitoring.doctor.findings import Finding, State, broken
from monitoring.doctor.look import Look

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at. It yields a finding, or one for each thing that it found."""

    name: str
    run: Callable[[Look], Finding | Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Stage:
    """Checks that make sense only while `gate`, a check itself, finds nothing broken."""

    gate: Check | None
    checks: tuple[Check, ...]


STAGES: tuple[Stage, ...] = (
    Stage(
        None,
        (
            Check("settings", machine.dangers),
            Check("encryption keys", machine.keys),
            Check("redis", machine.broker),
            Check("disk", machine.disk),
        ),
    ),
    Stage(
        Check("database", database.answers),
        (Check("durability", database.durability), Check("clock", database.clock)),
    ),
    Stage(
        Check("migrations", database.migrated),
        (
            Check("clock", database.clock_of_senders),
            Check("credentials", sealed.credentials),
            Check("encrypted contents", sealed.contents),
            Check("workers", work.workers),
            Check("watching", work.watching),
            Check("listener", work.listener),
            Check("connection", outside.connected),
            Check("webhooks", outside.webhooks),
        ),
    ),
)


def examine(look: Look) -> list[Finding]:
    """Return what every check finds; what depends on something that is broken is left out."""
    return list(_examine(look))


def _examine(look: Look) -> Iterator[Finding]:
    for stage in STAGES:
        gates = _run(stage.gate, look) if stage.gate else []
        yield from gates
        if any(finding.state is State.BROKEN for finding in gates):
            return
        for check in stage.checks:
            yield from _run(check, look)


def _run(check: Check, look: Look) -> list[Finding]:
    """Run one check; that it cannot be run is a finding, so that the others are heard."""
    try:
        found = check.run(look)
        return [found] if isinstance(found, Finding) else list(found)
    except Exception as failure:  # whatever is wrong with an installation may be what breaks a check
        log.warning("doctor.check_failed", check=check.name, exc_info=failure)
        if isinstance(failure, Error):
            connection.close()
        said = f"could not be looked at ({type(failure).__name__})"
        return [broken(check.name, said, "The log says why (doctor.check_failed).")]
