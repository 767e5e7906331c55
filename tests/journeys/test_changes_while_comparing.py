"""This module tells of records that change, and of people who ask, while records are compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import missed_changes, resyncs
from flows.models import Event, Resync
from flows.resyncs import Comparing
from tests.journeys.an_org import AnOrg, an_org
from tests.journeys.bridge import Service

DAY = timedelta(days=1)


@pytest.fixture
def org(services: tuple[Service, Service], transactional_db: None) -> Iterator[AnOrg]:
    with an_org(*services) as found:
        yield found


def asked_for(org: AnOrg, *, days: int = 1) -> Resync:
    now = timezone.now()
    return missed_changes.compare(
        connection=org.crm, object="Account", since=now - days * DAY, actor="ada", now=now
    )


def test_what_changes_again_behind_a_page_is_let_in_again(
    org: AnOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, deleted, third = (org.create(f"No. {number}") for number in range(3))
    org.later(10)
    monkeypatch.setattr(resyncs, "PAGE", 2)
    resync = asked_for(org)
    Comparing(resync, timezone.now()).go(1)
    org.look_at_events()  # and what they lead to is done before the records change once more
    org.change("update", id=changed, values={"Phone": "1"})
    org.change("delete", id=deleted)
    org.later(20)

    found = org.compare()

    assert found.pk == resync.pk
    assert sorted(org.told()) == sorted(
        [
            ("Account.created", changed), ("Account.created", deleted), ("Account.created", third),
            ("Account.updated", changed), ("Account.deleted", deleted),
        ]
    )  # fmt: skip
    assert (found.changed, found.deleted) == (4, 1)


def test_who_asks_for_more_at_the_moment_that_it_begins_is_not_passed_by(
    org: AnOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    org.later(-3 * DAY.total_seconds())
    long_ago = org.create("Long ago")
    org.later(10)
    asked_for(org, days=1)
    move = Comparing._move

    def asks_meanwhile(comparing: Comparing, **after: Any) -> None:
        if Resync.objects.filter(state="waiting").exists():
            asked_for(org, days=5)
        move(comparing, **after)

    monkeypatch.setattr(Comparing, "_move", asks_meanwhile)
    org.compare()

    assert Event.objects.filter(object_id=long_ago).exists()


def test_one_that_is_stopped_while_it_is_taken_up_keeps_no_other_waiting(
    org: AnOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    resync = asked_for(org)
    take = type(Resync.objects.all()).take

    def stops_meanwhile(rows: Any, **lease: Any) -> bool:
        taken = take(rows, **lease)
        resync.stop(now=timezone.now())
        return bool(taken)

    monkeypatch.setattr(type(Resync.objects.all()), "take", stops_meanwhile)

    assert resyncs.go_due(now=timezone.now()) == 0
    assert Resync.objects.get().state == "stopped"
