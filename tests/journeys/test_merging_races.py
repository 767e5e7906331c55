"""This module tells what holds while records are merged: writers, other processes, death at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors import gateway
from flows import merges, moves
from flows.merging import undoing, working
from flows.models import Lane, Link, LinkChange, Merge, Worker
from integrator.accounts.models import AuditEntry
from tests.journeys.bridge import Bridge, Service
from tests.journeys.test_merging import SOAP, asked, go, looked_at, merged

LATER = timedelta(minutes=10)


class Killed(BaseException):
    """The process is killed: nothing after this happens."""


@pytest.fixture
def org(bridge: Bridge) -> Service:
    return bridge.salesforce


def an_account(org: Service, name: str, **more: Any) -> str:
    return str(org.turn("changes", object="Account", act="create", values={"Name": name, **more})["id"])


def a_link(bridge: Bridge, record: str, stripe_id: str = "cus_1") -> Link:
    now = timezone.now()
    return Link.objects.create(
        pair=bridge.pair, stripe_id=stripe_id, salesforce_object="Account", external_id=stripe_id,
        record_id=record, agreed=b"", first_synced_at=now, synced_at=now,
    )  # fmt: skip


@pytest.fixture
def looked(bridge: Bridge, org: Service) -> Merge:
    kept, lost = an_account(org, "kept"), an_account(org, "lost")
    a_link(bridge, lost)
    return looked_at(bridge.pair.salesforce, kept, lost, chosen={"Name": lost})


@contextmanager
def around_the_call(
    monkeypatch: pytest.MonkeyPatch, before: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Do something just before Salesforce is told to merge."""
    usual = gateway.call_many

    def call_many(**wanted: Any) -> Any:
        if wanted["action"] == "merge":
            before()
        return usual(**wanted)

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "call_many", call_many)
        yield


def test_writes_wait_until_it_is_known_what_became_of_the_record(
    bridge: Bridge, org: Service, looked: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waits() -> bool:
        merges.follow_due(now=timezone.now())  # of another thread, every two seconds
        found = moves.of(bridge.pair.pk, "Account", ["cus_1"])
        return "cus_1" in found and not found["cus_1"].record_id

    seen: list[bool] = []
    asked(looked)
    org.break_calls("reset", SOAP, times=1)
    with around_the_call(monkeypatch, lambda: seen.append(waits())):
        assert go().state == "in_doubt"
    seen.append(waits())

    assert seen == [True, True]
    assert go(later=LATER).state == "done"
    assert moves.of(bridge.pair.pk, "Account", ["cus_1"])["cus_1"].record_id == looked.master


def test_a_merge_waits_for_the_worker_that_may_be_writing_to_the_record(
    bridge: Bridge, org: Service, looked: Merge
) -> None:
    now = timezone.now()
    worker = Worker.objects.create(
        name="w", host="h", pid=1, started_at=now, expires_at=now + timedelta(minutes=1)
    )
    lane = Lane.objects.create(pair=bridge.pair, key="stripe:cus_1", worker=worker)
    asked(looked)

    waiting = go()
    assert (waiting.state, waiting.failure_code, waiting.sent_at) == ("running", "busy", None)
    assert org.calls(SOAP) == 0
    Lane.objects.filter(pk=lane.pk).update(worker=None)
    assert go(later=LATER).state == "done"


def test_killed_at_any_moment_they_are_merged_once_and_the_link_follows_once(
    bridge: Bridge, org: Service, looked: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge, died = looked, 0
    while True:
        sent = org.calls(SOAP)
        asked(merge)
        with monkeypatch.context() as patch:
            kill_at(patch, died)
            try:
                working.go_due(now=timezone.now())
            except Killed:
                died += 1
            else:
                break
        for minutes in (5, 10):
            go(later=timedelta(minutes=minutes))
        merge.refresh_from_db()
        assert (died, merge.state, merge.failure) == (died, "done", "")
        assert (died, org.calls(SOAP)) == (died, sent + 1)
        assert (died, Link.objects.get().record_id) == (died, merge.master)
        assert (died, LinkChange.objects.filter(how="merged").count()) == (died, 1)
        assert (died, AuditEntry.objects.filter(action="merge.ended").count()) == (died, died)
        Link.objects.all().delete()
        merge = looked_at(bridge.pair.salesforce, merge.master, an_account(org, f"lost {died}"))
        a_link(bridge, merge.losers[0])

    assert died >= 8


def kill_at(patch: pytest.MonkeyPatch, moment: int) -> None:
    """Kill the process after the step of that number of those that leave something behind."""
    left = [moment]

    def deadly(name: str, usual: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **wanted: Any) -> Any:
            found = usual(*args, **wanted)
            if wanted.get("action", "merge") == "merge" and (name != "_become" or wanted):
                left[0] -= 1
                if left[0] == -1:
                    raise Killed
            return found

        return step

    for module, name in (
        (working, "_become"), (working, "record_act"), (moves, "expect_gone"), (merges, "lead"),
        (merges, "_settle"), (gateway, "call_many"),
    ):  # fmt: skip
        patch.setattr(module, name, deadly(name, getattr(module, name)))


def test_a_process_that_was_away_for_too_long_neither_merges_nor_says_what_became_of_it(
    org: Service, looked: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(looked)
    usual = moves.expect_gone
    other: list[str] = []

    def away(*args: Any, **wanted: Any) -> None:
        usual(*args, **wanted)
        if not other:
            other.append("takes over")
            Merge.objects.update(lease_until=timezone.now() - timedelta(hours=1))
            assert go().state == "done"

    monkeypatch.setattr(moves, "expect_gone", away)
    assert go().state == "done"
    assert org.calls(SOAP) == 1
    assert AuditEntry.objects.filter(action="merge.ended").count() == 1


def test_what_breaks_off_one_merge_does_not_keep_others_from_being_done(
    bridge: Bridge, org: Service, looked: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = looked_at(bridge.pair.salesforce, an_account(org, "a"), an_account(org, "b"))
    for one in (looked, other):
        asked(one)
    usual = working._work

    def work(merge: Merge, now: Any) -> None:
        if merge.pk == looked.pk:
            raise KeyError("records")
        usual(merge, now)

    monkeypatch.setattr(working, "_work", work)
    assert working.go_due(now=timezone.now()) == 1
    other.refresh_from_db()
    looked.refresh_from_db()
    assert (other.state, looked.state, looked.failure_code) == ("done", "running", "broke_off")
    assert looked.next_at is not None
    assert looked.next_at > timezone.now()


def test_a_record_below_one_that_goes_is_no_child_of_it_and_what_came_late_is_told(
    bridge: Bridge, org: Service
) -> None:
    lost = an_account(org, "lost")
    kept = an_account(org, "kept", ParentId=lost)
    merge = looked_at(bridge.pair.salesforce, kept, lost)
    assert (merge.values(), merge.children) == ({"ParentId": None}, [])
    late = org.turn("changes", object="Contact", act="create", values={"LastName": "P", "AccountId": lost})
    a_link(bridge, lost)
    asked(merge)

    done = go()

    assert (done.state, done.failure) == ("done", "")
    assert [one["ids"] for one in undoing.undo_of(done)["children"]] == [[late["id"]]]
    assert [one["stripe_id"] for one in done.links] == ["cus_1"]


def test_records_that_are_gone_after_a_lost_answer_are_not_said_to_be_as_they_were(
    org: Service, looked: Merge
) -> None:
    asked(looked)
    org.break_calls("reset", SOAP, times=1)
    go()
    org.turn("changes", object="Account", act="delete", id=looked.losers[0])

    ended = go(later=LATER)

    assert ended.state == "failed"
    assert "does not say that it was merged" in ended.failure
    assert "Nothing was merged" not in ended.failure


def test_what_was_looked_at_twice_is_merged_once_and_the_second_says_so(
    bridge: Bridge, org: Service, looked: Merge
) -> None:
    twin = looked_at(bridge.pair.salesforce, *looked.ids)
    asked(looked)
    assert go(later=timedelta(0)).pk == twin.pk
    asked(twin)

    ended = go()

    assert (ended.state, org.calls(SOAP)) == ("refused", 1)
    assert "merged these records already" in ended.failure


def test_the_kept_record_deleted_meanwhile_is_told_and_nothing_was_merged(
    org: Service, looked: Merge
) -> None:
    asked(looked)
    org.turn("changes", object="Account", act="delete", id=looked.master)

    ended = go()

    assert (ended.state, org.calls(SOAP)) == ("refused", 0)
    assert f"{looked.master} is not there any more" in ended.failure
    assert not merged(org, looked)
