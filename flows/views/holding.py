"""This module says why a flow is held, in plain words, and how much waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flows import holds
from flows.models import Deployment, Flow
from flows.views import traces
from flows.views.traces import Error
from integrator.accounts.models import Environment
from integrator.kernel.redact import redact_text

MOST_COUNTED = 10_000
# The oldest runs that wait are those that met the cause; the traces of so many are looked at to explain it.
MOST_READ = 5
_SAME = 120  # letters of a message by which it is known again


@dataclass(frozen=True, slots=True)
class Held:
    """A flow that is held in an environment."""

    deployment: Deployment
    reason: str
    waiting: int  # runs, at most one more than MOST_COUNTED
    error: Error | None  # the failure behind it, explained; nothing if no trace of it can be read


def held(flows: Iterable[Flow], environment: Environment) -> list[Held]:
    """Return what of `flows` is held in `environment`. An older version counts while runs wait for it."""
    found = [_held(deployment) for deployment in holds.held(flows, environment)]
    return [one for one in found if one.waiting or one.deployment.ended_at is None]


def _held(deployment: Deployment) -> Held:
    runs = holds.waiting_runs(deployment).order_by("id")
    reason = redact_text(deployment.held_reason)
    return Held(deployment, reason, runs[: MOST_COUNTED + 1].count(), _error(deployment, reason))


def _error(deployment: Deployment, reason: str) -> Error | None:
    for run in holds.waiting_runs(deployment).order_by("id")[:MOST_READ]:
        for tried in traces.tries_of(run, values=False):
            for step in tried.steps:
                if step.error is not None and step.error.message[:_SAME] == reason[:_SAME]:
                    return step.error
    return None
