"""Pages and REST say who acts on a failure, why it happened, and what its message tells of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows import deadletters
from flows.engine.outcome import Failure
from flows.models import Attempt, DeadLetter, Deployment, Pair, Run
from integrator import vault
from tests.builders import NOON
from tests.integration.flows.given import runs
from tests.integration.flows.reading import Reader, a_dead_run

pytestmark = pytest.mark.django_db

TOO_LONG = "City: data value too large: <b>Ulm</b> (max length=40)"


def a_letter(pair: Pair, failure: Failure) -> DeadLetter:
    """Return the letter of a run that gave up with `failure`."""
    run = a_dead_run(pair)
    run.dead_letters.all().delete()
    deadletters.file(
        [deadletters.Obituary(run.event_id, failure, run_id=run.pk, flow_id=run.flow_id, step="save")],
        now=NOON,
    )
    return run.dead_letters.get()


def a_try(pair: Pair, outcome: str, error: dict[str, str], **run: Any) -> Run:
    """Return a run whose newest try ended in `outcome` with `error`."""
    (made,) = runs(pair, 1)
    Run.objects.filter(pk=made.pk).update(**run)
    entry = {"step": "save", "kind": "salesforce.upsert", "title": "Save", "exit": None, "error": error}
    Attempt.objects.create(
        run=made,
        started_at=NOON,
        finished_at=NOON,
        outcome=outcome,
        trace=vault.seal(json.dumps([entry]).encode(), owner=f"trace:{made.pk}"),
    )
    return Run.objects.get(pk=made.pk)


def test_a_cause_says_who_acts_and_why(reader: Reader, pair: Pair, live: Deployment) -> None:
    letter = a_letter(pair, Failure("data", TOO_LONG, code="STRING_TOO_LONG", field="City"))

    for path in (
        "dead-letters/",
        f"dead-letters/causes/{letter.fingerprint}/",
        f"runs/{letter.run.public_id}/",
    ):
        page = reader.page(path)

        assert "Needs your approval: cut the text" in page
        assert "The text is longer than City allows." in page
        assert 'Longest allowed <bdi class="id">40</bdi>' in page
        assert "<b>Ulm" not in page


def test_what_a_person_alone_can_mend_says_so(reader: Reader, pair: Pair, live: Deployment) -> None:
    a_letter(pair, Failure("data", "Never on a Sunday", code="FIELD_CUSTOM_VALIDATION_EXCEPTION"))

    assert "Only a person can mend this" in reader.page("dead-letters/")


def test_a_letter_whose_tries_are_over_is_not_told_to_go_on_by_itself(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    letter = a_letter(pair, Failure("transient", "Salesforce could not be reached.", code="network"))

    page = reader.page("dead-letters/")

    assert "Needs your approval: try it once more" in page
    assert "Is tried again by itself" not in page
    assert letter.suggestion.startswith("It was tried again by itself until the time for that was over.")


def test_a_run_that_is_tried_again_says_so_where_it_failed(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    locked = {"class": "lock", "code": "UNABLE_TO_LOCK_ROW", "message": "Locked"}
    refused = {"class": "permission", "code": "INSUFFICIENT_ACCESS", "message": "No access"}
    waits = a_try(pair, "retry", locked, state="retrying")
    held = a_try(pair, "pause", refused, state="retrying")
    over = a_try(pair, "retry", locked, state="done", fate="discarded", finished_at=NOON)

    assert "Is tried again by itself." in reader.page(f"runs/{waits.public_id}/")
    said = "Only a person can mend this; then it goes on by itself."
    assert said in reader.page(f"runs/{held.public_id}/")
    assert "Is tried again by itself." not in reader.page(f"runs/{over.public_id}/")
