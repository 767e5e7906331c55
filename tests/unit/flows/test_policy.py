"""Each failure has one outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.engine.outcome import AskHuman, Done, GiveUp, Pause, RetryAt
from flows.engine.policy import Policy, decide
from integrator.kernel import errors
from tests.fakes import NOON


def decided(failure, attempt=1, failing_for=None, luck=0.5):
    first = None if failing_for is None else NOON - failing_for
    return decide(failure, attempt=attempt, first_failed_at=first, now=NOON, luck=luck, policy=Policy())


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        pytest.param(errors.Declined("Insufficient funds"), Done, id="a decline is an answer"),
        pytest.param(errors.Ambiguous("Two contacts fit"), AskHuman, id="duplicates wait for a person"),
        pytest.param(errors.Uncertain("No answer"), AskHuman, id="what may have happened waits for a person"),
        pytest.param(errors.Refused("Email is required"), GiveUp, id="a validation rule is final"),
        pytest.param(errors.Missing("No such record"), GiveUp, id="what is gone is final"),
        pytest.param(errors.Transient("503"), RetryAt, id="a timeout is tried again"),
        pytest.param(errors.RateLimited("Slow down"), Pause, id="a limit rests the connection"),
        pytest.param(errors.Unauthorized("Key revoked"), Pause, id="a dead key rests the connection"),
        pytest.param(errors.Misdirected("Another org"), Pause, id="a wrong org rests the connection"),
        pytest.param(errors.Forbidden("No permission"), Pause, id="a missing permission holds the flow"),
    ],
)
def test_each_failure_has_one_outcome(failure, outcome):
    assert isinstance(decided(failure), outcome)


def test_a_refusal_as_a_duplicate_is_asked_among_the_duplicates_and_names_the_records():
    refused = errors.Ambiguous(
        "Use one of these records? It looks like Account 001000000000001AAA.", code="DUPLICATES_DETECTED"
    )

    asked = decided(refused)

    assert isinstance(asked, AskHuman)
    assert (asked.kind, asked.evidence["records_named"]) == ("duplicate", ["001000000000001AAA"])


def test_a_decline_leaves_through_its_own_exit():
    assert decided(errors.Declined("No", code="card_declined")).exit == "declined"


def test_a_rate_limit_rests_until_the_other_system_says():
    resets_at = NOON + timedelta(seconds=30)

    outcome = decided(errors.RateLimited("Slow down", resets_at=resets_at))

    assert (outcome.until, outcome.holds) == (resets_at, "connection")


def test_without_a_word_on_when_the_connection_rests_a_minute():
    assert decided(errors.Unauthorized("Key revoked")).until == NOON + timedelta(minutes=1)


def test_a_missing_permission_holds_only_the_flow():
    assert decided(errors.Forbidden("No permission")).holds == "flow"


def test_retries_wait_longer_and_longer_up_to_an_hour():
    waits = [decided(errors.Transient("503"), attempt=attempt).when - NOON for attempt in (1, 2, 3, 10_000)]

    assert waits == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4), timedelta(minutes=30)]


def test_retries_end_by_time_and_not_by_count():
    failure = errors.Transient("503")

    assert isinstance(decided(failure, attempt=10_000, failing_for=timedelta(hours=71)), RetryAt)
    given_up = decided(failure, attempt=80, failing_for=timedelta(hours=72))
    assert given_up.reason == "Still failing after 72 hours and 80 attempts: 503"


def test_a_dead_letter_carries_what_the_other_system_said():
    failure = errors.Refused("Too long", code="STRING_TOO_LONG", field="Name", request_id="req_1")

    found = decided(failure).failure

    assert (found.error_class, found.code, found.field, found.request_id) == (
        "data",
        "STRING_TOO_LONG",
        "Name",
        "req_1",
    )
