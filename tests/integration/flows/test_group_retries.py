"""This module tests that of many dead letters one is tried first, and the rest only if that one works."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError

from flows import deadletters, group_retries, lanes
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Event, GroupRetry, Pair, Run
from integrator.accounts.models import AuditEntry, Environment
from integrator.kernel.errors import Refused
from integrator.kernel.refusals import Unacceptable
from tests.builders import an_environment
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

RULE = Refused("Country is required", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", field="Country__c")


@pytest.fixture
def dead(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> Callable[[int], str]:
    """Return what lets so many payments end in the dead letters, and returns their fingerprint."""

    def die(many: int) -> str:
        a_deployed_flow(pair, UPSERT)
        systems.answers["upsert"] = refusing(RULE)
        for _ in range(many):
            charge = a_charge()
            an_event(pair.stripe, charge)
            intent = str(charge["payment_intent"])
            systems.objects[intent] = {"id": intent, "object": "payment_intent", "latest_charge": charge}
        work_until_quiet(worker)
        return str(DeadLetter.objects.latest("id").fingerprint)

    return die


def mend(systems: TwoSystems) -> None:
    del systems.answers["upsert"]


def begin(fingerprint: str, per_minute: int = 60, *, one_first: bool = True) -> GroupRetry:
    return group_retries.begin(
        environment=an_environment(),
        fingerprint=fingerprint,
        per_minute=per_minute,
        one_first=one_first,
        actor="otto",
        now=lanes.database_now(),
    )


def turn(going: GroupRetry) -> int:
    """Let the time of the next chunk come, and return how many letters it retried."""
    now = lanes.database_now()
    GroupRetry.objects.filter(pk=going.pk).update(next_at=now)
    return group_retries.go_due(now=now)


def fates() -> list[str]:
    return list(Run.objects.order_by("id").values_list("fate", flat=True))


def test_the_rest_follows_in_order_once_the_first_has_worked(
    dead: Callable[[int], str], worker: WorkerLease, systems: TwoSystems
) -> None:
    fingerprint = dead(13)
    mend(systems)

    going = begin(fingerprint)
    untried = (turn(going), fates().count("dead"))
    work_until_quiet(worker)
    first = turn(going)
    retried = list(going.letters.order_by("id").values_list("event_id", flat=True))
    rest = [turn(going), turn(going), turn(going)]
    work_until_quiet(worker)

    assert untried == (0, 12)  # it waits for what becomes of the first
    assert [first, *rest] == [5, 5, 2, 0]  # sixty a minute are five in five seconds
    assert retried == list(Event.objects.order_by("id").values_list("id", flat=True))[:6]
    going.refresh_from_db()
    assert going.state == "done"
    assert group_retries.progress(going) == group_retries.Progress(left=0, worked=13)
    assert set(fates()) == {"applied"}
    assert [entry.action for entry in AuditEntry.objects.filter(action__startswith="deadletter")] == [
        "deadletters.retry_began"
    ]


def test_nothing_follows_a_first_one_that_fails_again(
    dead: Callable[[int], str], worker: WorkerLease
) -> None:
    going = begin(dead(3))
    work_until_quiet(worker)

    retried = turn(going)

    going.refresh_from_db()
    assert (retried, going.state, going.is_unfinished) == (0, "failed", False)
    assert going.reason == "The first one failed again: Country is required"
    assert group_retries.progress(going) == group_retries.Progress(left=2, failed=1)
    assert fates() == ["dead"] * 3


def test_all_are_retried_at_the_pace_without_waiting_for_the_first(
    dead: Callable[[int], str], worker: WorkerLease, systems: TwoSystems
) -> None:
    fingerprint = dead(13)
    mend(systems)

    going = begin(fingerprint, one_first=False)
    begun = (going.state, going.letters.count())
    too_soon = group_retries.go_due(now=lanes.database_now())
    rest = [turn(going), turn(going)]
    work_until_quiet(worker)

    assert begun == ("going", 5)
    assert (too_soon, rest) == (0, [5, 3])
    going.refresh_from_db()
    assert (going.state, set(fates())) == ("done", {"applied"})
    entry = AuditEntry.objects.get(action="deadletters.retry_began")
    assert (entry.details["letters"], entry.details["one_first"]) == (13, False)


def test_all_that_are_retried_at_once_stop_where_most_fail_again(
    dead: Callable[[int], str], worker: WorkerLease
) -> None:
    going = begin(dead(15), per_minute=120, one_first=False)
    work_until_quiet(worker)

    assert turn(going) == 0

    going.refresh_from_db()
    assert (going.state, going.reason) == ("failed", "Of 10 that have ended, 10 failed again")


def test_it_stops_by_itself_where_most_of_the_rest_fail_again(
    dead: Callable[[int], str], worker: WorkerLease, systems: TwoSystems
) -> None:
    going = begin(dead(15), per_minute=120)
    mend(systems)
    work_until_quiet(worker)
    systems.answers["upsert"] = refusing(RULE)
    turn(going)
    work_until_quiet(worker)

    assert turn(going) == 0

    going.refresh_from_db()
    assert (going.state, going.reason) == ("failed", "Of 11 that have ended, 10 failed again")
    assert group_retries.progress(going).left == 4


def test_a_first_one_that_somebody_discards_says_nothing_so_that_another_is_tried(
    dead: Callable[[int], str], worker: WorkerLease, systems: TwoSystems
) -> None:
    going = begin(dead(3))
    work_until_quiet(worker)
    again = DeadLetter.objects.unresolved().latest("id")
    deadletters.discard(letter=again, reason="by hand", actor="ada", now=lanes.database_now())
    mend(systems)

    assert turn(going) == 1

    going.refresh_from_db()
    assert (going.state, fates()) == ("first", ["discarded", "queued", "dead"])


def test_a_stopped_retry_leaves_the_rest_alone(dead: Callable[[int], str]) -> None:
    going = begin(dead(3))

    stopped = group_retries.stop(going=going, actor="ada", now=lanes.database_now())

    assert (turn(going), stopped.state, stopped.reason) == (0, "stopped", "ada stopped it")
    assert DeadLetter.objects.unresolved().count() == 2
    assert AuditEntry.objects.get(action="deadletters.retry_stopped").details["left"] == 2
    with pytest.raises(group_retries.AlreadyHandled, match="ended already"):
        group_retries.stop(going=going, actor="ada", now=lanes.database_now())


def test_a_chunk_that_breaks_off_is_done_by_whoever_comes_next(
    dead: Callable[[int], str], worker: WorkerLease, systems: TwoSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = begin(dead(4))
    mend(systems)
    work_until_quiet(worker)

    with monkeypatch.context() as broken:
        broken.setattr(GroupRetry, "end", _die)
        with pytest.raises(DatabaseError):
            turn(going)
    left = DeadLetter.objects.unresolved().count()

    assert (left, turn(going)) == (3, 3)


def _die(*_: object, **__: object) -> None:
    raise DatabaseError("killed between its letters and its own row")


def test_letters_that_come_in_meanwhile_are_left_alone_and_one_retry_goes_at_a_time(
    dead: Callable[[int], str], worker: WorkerLease, systems: TwoSystems, pair: Pair
) -> None:
    fingerprint = dead(2)
    going = begin(fingerprint)
    an_event(pair.stripe, a_charge())
    work_until_quiet(worker)

    with pytest.raises(group_retries.AlreadyHandled, match="being retried already"):
        begin(fingerprint)
    assert DeadLetter.objects.unresolved().count() == 3  # the first again, the second, the new one
    assert group_retries.progress(going).left == 1


def test_the_preview_tells_how_many_how_long_and_what_it_costs(
    dead: Callable[[int], str], worker: WorkerLease, systems: TwoSystems, pair: Pair
) -> None:
    fingerprint = dead(121)
    mend(systems)
    an_event(pair.stripe, a_charge())
    work_until_quiet(worker)  # one that was applied tells which steps call

    told = group_retries.preview(environment=an_environment(), fingerprint=fingerprint)

    assert (told.count, told.lasts, told.costs.measured) == (121, timedelta(minutes=2), 1)
    assert [(cost.system, cost.least, cost.most) for cost in told.costs.systems] == [
        ("salesforce", 25, 121),
        ("stripe", 121, 121),
    ]


def test_what_cannot_be_retried_is_refused(dead: Callable[[int], str]) -> None:
    dev: Environment = an_environment()

    with pytest.raises(group_retries.AlreadyHandled, match="Nothing was left"):
        begin("unknown")
    with pytest.raises(Unacceptable, match="Between 1 and 1,200"):
        group_retries.preview(environment=dev, fingerprint=dead(1), per_minute=0)


def test_the_page_asks_before_it_begins_then_shows_how_far_it_is_and_stops(
    dead: Callable[[int], str], reader: Reader
) -> None:
    path = f"dead-letters/causes/{dead(3)}/"

    asked = reader.page(f"{path}try-one/")
    begun = reader.press(f"{path}try-one/", per_minute="10")
    going = GroupRetry.objects.get()
    watched = reader.page(path)
    told = reader.client.get(f"/w/acme/dev/dead-letters/retries/{going.public_id}/progress/?seen=going")
    stopped = reader.press(f"dead-letters/retries/{going.public_id}/stop/")

    assert "The oldest of 3 is tried now" in asked
    assert "What it costs in calls" in asked
    assert (begun.status_code, going.per_minute, going.actor) == (204, 10, "otto@acme.test")
    assert "1 of 3 retried: <strong>0 worked</strong>, 1 under way. 2 follow." in watched
    assert 'hx-trigger="every 2s"' in watched
    assert "refresh" in told.headers["HX-Trigger"]  # it has moved since the page last looked
    assert stopped.status_code == 204
    assert "2 left alone" in reader.page(path)


def test_all_of_a_cause_are_retried_by_the_same_question(dead: Callable[[int], str], reader: Reader) -> None:
    path = f"dead-letters/causes/{dead(7)}/"

    asked = reader.page(f"{path}try-one/", start="all")
    begun = reader.press(f"{path}try-one/", per_minute="10", start="all")
    watched = reader.page(path)

    assert '<button class="button primary" name="start" value="all">Retry all 7</button>' in asked
    assert "All 7 are retried" in asked
    assert (
        "Try one first retries the oldest alone" in asked
    )  # the careful way is told and offered all the same
    assert "They are being retried" in begun.headers["HX-Trigger"]
    assert "All are being retried" in watched
    assert "1 of 7 retried" in watched
    assert "10 a minute, without waiting for the first" in watched
    assert 'id="stop-retry"' in watched
