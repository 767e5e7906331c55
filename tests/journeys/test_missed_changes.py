"""This module tells of changes in the org that the bus lost, or could not tell: they come in all the same."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from connectors.models import Topic
from flows import intake, missed_changes, nights, resyncs
from flows.models import Event, Notice, PolledObject, Resync, Run
from flows.polling import Poller
from tests.journeys.an_org import AnOrg, an_org, body_of
from tests.journeys.bridge import Service, until

MINUTE = timedelta(minutes=1)


@pytest.fixture
def org(services: tuple[Service, Service], transactional_db: None) -> Iterator[AnOrg]:
    with an_org(*services) as found:
        yield found


def compare(org: AnOrg) -> Resync:
    """Have a person ask for a comparison of the last day, and make it."""
    now = timezone.now()
    since = now - timedelta(days=1)
    missed_changes.compare(connection=org.crm, object="Account", since=since, actor="ada", now=now)
    return org.compare()


def asks(org: AnOrg, *, now: datetime) -> None:
    """Have Accounts asked for, not heard."""
    org.crm.topics.all().delete()
    missed_changes.poll(connection=org.crm, object="Account", every=60, actor="ada", now=now)


def lose(org: AnOrg, share: float) -> None:
    org.service.turn("pubsub", lost=share, seed=7)


def test_of_changes_of_which_one_in_twenty_was_lost_everything_is_there_in_the_end(org: AnOrg) -> None:
    org.hears()
    ids = [org.create(f"No. {number}") for number in range(60)]
    org.kept(60)
    org.look_at_events()
    org.later(3)
    lose(org, 0.05)
    for id in ids[1:]:
        org.change("update", id=id, values={"Phone": "1"})
    lost = org.service.look("pubsub")["lost"]
    assert lost > 0, "nothing was lost"
    org.kept(119 - lost)
    lose(org, 1)
    org.change("delete", id=ids[0])
    org.look_at_events()
    org.later(10)

    resync = compare(org)

    assert (resync.state, resync.failure, resync.compared) == ("done", "", 60)
    assert (resync.changed, resync.deleted, resync.doubtful) == (lost, 1, 0)
    assert sorted(set(org.told())) == sorted(
        [
            *(("Account.created", id) for id in ids),
            *(("Account.updated", id) for id in ids[1:]),
            ("Account.deleted", ids[0]),
        ]
    )
    assert compare(org).found == 0, "what was found once is known"


def test_a_change_that_was_lost_reaches_stripe_once(org: AnOrg) -> None:
    org.hears()
    account = org.create("Acme")
    customer = org.customer(account, "Acme")
    org.kept(1)
    org.work()
    org.later(3)
    lose(org, 1)
    org.change("update", id=account, values={"Name": "Acme & Sons"})
    org.later(10)

    assert compare(org).found == 1
    org.work()

    assert org.name_of(customer) == "Acme & Sons"
    assert {run.fate for run in Run.objects.filter(event__origin="sweep")} == {"applied"}
    assert compare(org).found == 0


def test_a_stream_that_is_cut_every_few_events_brings_each_once(org: AnOrg) -> None:
    def cut() -> bool:
        org.listener.turn()  # what was cut is shown for a moment, and not opened again by itself
        return bool(org.service.turn("pubsub/cut")["cut"] == 1)

    org.hears()
    ids = []
    for _ in range(3):
        ids += [org.create(f"No. {number}") for number in range(4)]
        until(cut, what="the stream is cut")
        org.hears()
    ids.append(org.create("Last"))

    org.kept(len(ids))

    assert sorted(org.told()) == sorted(("Account.created", id) for id in ids)


def test_what_the_bus_told_is_not_found_once_more(org: AnOrg) -> None:
    org.hears()
    one, two = org.create("One"), org.create("Two")
    org.kept(2)
    org.later(3)
    lose(org, 1)
    for id in (one, two):
        org.change("update", id=id, values={"Phone": "1"})
    org.service.turn("pubsub/changes", object="Account", kind="UPDATE", ids=[one, two])
    org.kept(3)
    org.look_at_events()
    org.later(10)

    resync = compare(org)

    assert (resync.compared, resync.found, resync.doubtful) == (2, 0, 0)
    assert not Event.objects.filter(origin="sweep").exists()


def test_many_changes_of_which_it_is_not_told_which_are_found(org: AnOrg) -> None:
    org.hears()
    lose(org, 1)
    ids = [org.create(f"No. {number}") for number in range(3)]
    org.service.turn("pubsub/changes", object="Account", kind="GAP_OVERFLOW")
    org.kept(1)
    org.later(10)

    resync = org.compare()

    assert (resync.reason, resync.changed) == ("overflow", 3)
    assert org.told()[1:] == [("Account.created", id) for id in ids]
    event = Event.objects.get(object_id=ids[0])
    body = body_of(event)
    assert event.origin == "sweep"
    assert (body["record_ids"], body["reread"], body["entity"]) == ([ids[0]], True, "Account")
    assert "compared now" in Notice.objects.get().text


def test_a_lost_position_is_mended_and_the_stream_goes_on(org: AnOrg) -> None:
    topic = org.hears()
    org.create("Before")
    org.kept(1)
    org.look_at_events()
    org.listener.stop()
    meanwhile = org.create("Meanwhile")
    org.service.turn("pubsub/expire")

    org.hears()
    after = org.create("Afterwards")
    org.kept(2)
    org.later(10)
    resync = org.compare()

    assert not Topic.objects.get(pk=topic.pk).stopped
    assert resync.reason == "position"
    assert ("Account.created", meanwhile) in org.told()
    assert Counter(id for _, id in org.told())[after] <= 2, "once by the bus, and once to be certain"
    assert Notice.objects.filter(kind="gap", severity="critical").count() == 1


def test_a_comparison_goes_on_where_a_crash_left_it(org: AnOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [org.create(f"No. {number}") for number in range(7)]
    org.later(10)
    now = timezone.now()
    monkeypatch.setattr(resyncs, "PAGE", 3)
    since = now - timedelta(days=1)
    missed_changes.compare(connection=org.crm, object="Account", since=since, actor="ada", now=now)
    resync = Resync.objects.get()
    resyncs.Comparing(resync, now).go(1)
    with monkeypatch.context() as patch:
        patch.setattr(intake, "keep", _dies)
        with pytest.raises(OperationalError):
            resyncs.Comparing(resync, now).go(1)
    assert resyncs.Comparing(resync, now).go(1) == 0, "nobody else may while the lease lasts"
    Resync.objects.update(lease_until=Now() - MINUTE)  # as time passes

    found = org.compare()

    assert (found.compared, found.changed) == (7, 7)
    assert sorted(id for _, id in org.told()) == sorted(ids)


def _dies(*arrivals: object) -> None:
    raise OperationalError("disk full")


def test_what_is_stopped_lets_nothing_more_in(org: AnOrg) -> None:
    org.create("One")
    org.later(10)
    now = timezone.now()
    found = missed_changes.compare(connection=org.crm, object="Account", since=None, actor="ada", now=now)
    missed_changes.stop(resync=found, actor="ada", now=now)

    resyncs.go_due(now=now)

    assert Resync.objects.get().state == "stopped"
    assert not Event.objects.exists()


def test_an_object_that_cannot_be_read_is_told_to_a_person(org: AnOrg) -> None:
    now = timezone.now()
    missed_changes.compare(connection=org.crm, object="Nonsense__c", since=None, actor="ada", now=now)

    resync = org.compare()

    assert (resync.state, resync.failure_code) == ("failed", "INVALID_TYPE")
    assert "Nonsense__c records could not be compared" in Notice.objects.get().title


def test_once_a_day_what_was_missed_is_found_and_told(org: AnOrg) -> None:
    assert nights.begin_due(now=timezone.now()) == 0, "a flow that is new has missed nothing"
    lose(org, 1)
    missed = org.create("Missed")
    org.later(10)
    tomorrow = timezone.now() + timedelta(days=1)

    assert nights.begin_due(now=tomorrow) == 1
    resyncs.go_due(now=tomorrow)

    assert org.told() == [("Account.created", missed)]
    assert "1 changes of Account records were missed" in Notice.objects.get().title
    assert nights.begin_due(now=tomorrow + MINUTE) == 0, "once a day"


def test_without_a_bus_every_change_is_found_once_by_asking(org: AnOrg) -> None:
    asks(org, now=timezone.now())
    kept, deleted = org.create("Kept"), org.create("Deleted")
    org.later(10)
    assert org.poll() == 2
    assert org.poll() == 0, "not due"
    assert org.poll(after=2 * MINUTE) == 0, "once"
    org.change("update", id=kept, values={"Phone": "1"})
    org.change("delete", id=deleted)
    org.later(20)
    assert org.poll(after=4 * MINUTE) == 2

    assert sorted(org.told()) == sorted(
        [
            ("Account.created", kept), ("Account.created", deleted), ("Account.updated", kept),
            ("Account.deleted", deleted),
        ]
    )  # fmt: skip
    assert set(Event.objects.values_list("origin", flat=True)) == {"live"}
    assert PolledObject.objects.get().found == 4


def test_what_left_the_recycle_bin_before_anybody_asked_is_found_as_well(org: AnOrg) -> None:
    asks(org, now=timezone.now() - timedelta(minutes=10))
    org.later(-240)
    gone = org.create("Gone")
    org.change("delete", id=gone)
    org.change("purge", id=gone)
    org.later(0)

    until(lambda: org.poll() == 1, what="it is found")

    assert org.told() == [("Account.deleted", gone)]
    assert org.poll(after=10 * MINUTE) == 0, "once"


def test_an_object_that_is_named_in_other_letters_is_the_same(org: AnOrg) -> None:
    now = timezone.now()
    org.crm.topics.all().delete()
    missed_changes.poll(connection=org.crm, object="account", every=60, actor="ada", now=now)
    made = org.create("One")
    org.later(10)

    assert org.poll() == 1
    assert org.told() == [("Account.created", made)], "flows are started by exactly this name"
    org.look_at_events()
    again = missed_changes.poll(connection=org.crm, object="ACCOUNT", every=120, actor="ada", now=now)
    missed_changes.compare(connection=org.crm, object="aCCOUNT", since=None, actor="ada", now=now)
    assert (again.object, PolledObject.objects.count()) == ("Account", 1)
    assert (org.compare().compared, Resync.objects.get().found) == (1, 0)


def test_the_poller_asks_until_it_is_told_to_stop(org: AnOrg) -> None:
    asks(org, now=timezone.now())
    made = org.create("One")
    org.later(10)
    stop = threading.Event()
    poller = threading.Thread(target=Poller().run, args=(stop,), daemon=True)
    poller.start()

    org.kept(1)
    stop.set()
    poller.join(60)

    assert not poller.is_alive()
    assert org.told() == [("Account.created", made)]
