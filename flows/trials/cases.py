"""This module saves trials as test cases, and runs those of a flow against a document."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from flows.models import Flow, TestCase
from flows.trials.from_org import OrgOccasion
from flows.trials.occasions import Occasion, of_data
from flows.trials.results import Difference, Trial, differences
from flows.trials.running import Ready, Tried, try_out
from flows.trials.tape import dumps, loads
from flows.trials.unusable import Unusable
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import Environment

MOST = 200  # test cases of a flow
_SECONDS_EACH = 2.0
_SECONDS = 20.0  # for all of them


class TooMany(Exception):
    """The flow has as many test cases as it may have."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How one test case went; `trouble` says why it could not be run."""

    case: TestCase
    differences: Sequence[Difference] = ()
    trial: Trial | None = None
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """Tell whether what was expected came of it."""
        return not self.trouble and not self.differences


def save(
    *,
    flow: Flow,
    name: str,
    environment: Environment | None,
    occasion: Occasion | OrgOccasion,
    tried: Tried,
    answers: Mapping[str, str],
    at: datetime,
    actor: str,
    now: datetime,
) -> TestCase:
    """
    Keep a trial as the test case `name` of `flow`, in place of one that has the name.

    `environment` is where the event and what was read are from.

    :raises TooMany: if the flow has too many
    :raises flows.trials.tape.TooMuch: if what it takes to do it again is too large to keep
    """
    given = dumps({"occasion": occasion.as_data(tried.tape), "answers": dict(answers)})
    with transaction.atomic():
        Flow.objects.select_for_update(no_key=True).get(pk=flow.pk)  # so that two count right
        case = flow.test_cases.filter(name=name).first() or TestCase(flow=flow, name=name)
        if case.pk is None and flow.test_cases.count() >= MOST:
            raise TooMany(f"A flow has at most {MOST} test cases. Delete one first.")
        case.keep(
            environment=environment,
            event_type=occasion.type,
            at=at,
            given=given,
            expected=tried.trial.as_expected(),
            actor=actor,
            now=now,
        )
        _tell(case, "case.saved", actor=actor, now=now)
    return case


def delete(*, case: TestCase, actor: str, now: datetime) -> None:
    """Delete a test case with the event in it."""
    with transaction.atomic():
        _tell(case, "case.deleted", actor=actor, now=now)
        case.delete()


def run_all(*, cases: Sequence[TestCase], flow: Ready, seconds: float = _SECONDS) -> list[Ran]:
    """Run test cases against `flow`; those for which there is no time left say so."""
    ends = time.monotonic() + seconds
    return [
        run(case=case, flow=flow)
        if time.monotonic() < ends
        else Ran(case, trouble="There was no time left for it. Run it by itself.")
        for case in cases
    ]


def run(*, case: TestCase, flow: Ready) -> Ran:
    """Run one test case against `flow`, with what was read when it was saved and nothing else."""
    try:
        given = loads(case.given_json())
        occasion, answers = of_data(given["occasion"]), given["answers"]
        expected = case.expected_outcome()
    except (vault.Unreadable, Unusable, ValueError, KeyError) as failure:
        return Ran(case, trouble=str(failure))
    tried = try_out(flow, occasion, pair=None, at=case.at, answers=answers, seconds=_SECONDS_EACH)
    found = differences(expected, _as_kept(tried.trial))
    return Ran(case, found, tried.trial)


def _as_kept(trial: Trial) -> dict[str, Any]:
    """Return what came of it in the form that is kept, so that the two can be compared."""
    return loads(dumps(trial.as_expected()))


def _tell(case: TestCase, action: str, *, actor: str, now: datetime) -> None:
    audit.record(
        workspace=case.flow.integration.workspace,
        actor=actor,
        action=action,
        target=f"{case.flow}: {case.name}"[:200],
        details={"event_type": case.event_type},
        now=now,
    )
