"""
This module tells, before somebody says which record it is, what the run would then write into each.

The run's version is tried on its event with each answer in turn. Nothing is changed anywhere; what is not
recorded is read from the connected systems, and so is what stands in the records now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from flows import evidence
from flows.designing import tree
from flows.engine.definition import InvalidDocument
from flows.models import Pair, Review
from flows.trials import current, occasions
from flows.trials.current import Compared, Row
from flows.trials.results import Ending, Trial
from flows.trials.running import Untriable, ready, try_out
from flows.trials.unusable import Unusable
from integrator.accounts import audit

MOST = 5  # records that are tried: as many as a question about a refused record has
SECONDS = 4.0  # for each of them
ABOUT_RECORDS = (Review.Kind.DUPLICATE, Review.Kind.SEVERAL)
# The step that saves over a record that was refused; another one that asks leaves the record as it is.
_SAVES_OVER = "salesforce.upsert"
_ID = re.compile(r"[a-z0-9_]+")  # behind it stands the element of a list that the step was at


class NotTold(ValueError):
    """It cannot be said, such as because the content of the event was deleted for its age."""


@dataclass(frozen=True, slots=True)
class Written:
    """A record that the run would save, with the fields that would be others than they are."""

    compared: Compared
    is_chosen: bool  # it is the record that the answer names

    @property
    def rows(self) -> list[Row]:
        """Return the fields that would change; of a record whose values are not known, all of them."""
        return [row for row in self.compared.rows if row.state != "same"]


@dataclass(frozen=True, slots=True)
class Foretold:
    """What would be written if the record `id` is the answer; `reason` where the run would not get so far."""

    id: str
    label: str
    records: Sequence[Written]
    ending: Ending
    reason: str = ""


def is_asked_about_records(review: Review) -> bool:
    """Tell whether answers to `review` are records, of which can be told what would be written."""
    return review.kind in ABOUT_RECORDS and review.closed_at is None


def saves_over(review: Review) -> bool:
    """Tell whether the step that asks would change the record that is chosen to what it was to save."""
    asking = _ID.match(review.step)
    steps = (found.step for found in tree.walk(review.run.version.document.get("steps") or []))
    return any(step["kind"] == _SAVES_OVER for step in steps if asking and step["id"] == asking[0])


def foretell(*, review: Review, actor: str, now: datetime) -> list[Foretold]:
    """
    Return for each record that may be answered what would be written; that it was read is written down.

    :raises NotTold: if the event or the flow cannot be used any more
    """
    run = review.run
    try:
        prepared = ready(run.version.document)
        occasion = occasions.of_event(run.event, record=run.subject)
    except (Unusable, Untriable, InvalidDocument) as failure:
        raise NotTold(str(failure)) from failure
    pair = Pair.objects.select_related("stripe", "salesforce", "environment__workspace").get(pk=run.pair_id)
    _tell(review, pair, actor, now)
    known = _answered(run.memory or {})
    told = []
    for choice in evidence.records_of(review)[:MOST]:
        answers = {**known, review.step: choice.value}
        trial = try_out(
            prepared, occasion, pair=pair, at=now, live=True, answers=answers, seconds=SECONDS
        ).trial
        compared = current.compare(trial.records, pair=pair, live=True)
        told.append(
            Foretold(
                choice.value, choice.label, _in_order(compared, choice.value), trial.ending, _reason(trial)
            )
        )  # fmt: skip
    return told


def _reason(trial: Trial) -> str:
    if trial.ending in ("done", "ended"):
        return ""
    return trial.asked.question if trial.asked else trial.reason or "It took longer than a trial may."


def _in_order(compared: Sequence[Compared], chosen: str) -> list[Written]:
    """Return what would be written, the record that is chosen first."""
    written = [Written(one, one.record.key == chosen) for one in compared]
    return sorted(written, key=lambda one: not one.is_chosen)


def _answered(memory: Mapping[str, Any]) -> dict[str, str]:
    """Return what people have said at other steps of the run."""
    return {
        step: str(told["answer"])
        for step, told in memory.items()
        if isinstance(told, Mapping) and told.get("answer")
    }


def _tell(review: Review, pair: Pair, actor: str, now: datetime) -> None:
    with transaction.atomic():
        audit.record(
            workspace=pair.environment.workspace,
            actor=actor,
            action="flow.trial_read",
            target=f"{review.run.flow} in {pair.environment}"[:200],
            details={"event": review.run.event.external_id, "question": review.public_id},
            now=now,
        )
