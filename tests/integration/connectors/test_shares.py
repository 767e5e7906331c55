"""Processes share a connection's rate out among those that use it, and never more than there is."""

from __future__ import annotations

import os
import random
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from connectors import gateway, shares
from connectors.models import RateShare
from connectors.shares import Shares
from tests.journeys.bridge import until

TERM = timedelta(seconds=30)

pytestmark = pytest.mark.django_db(transaction=True)


def lease(billing, holder: str, using: float = 0.0) -> float:
    return RateShare.objects.lease(connection_id=billing.pk, holder=holder, term=TERM, using=using)


def held() -> float:
    return RateShare.objects.aggregate(all=Sum("part"))["all"] or 0.0


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_is_alone_has_the_whole_and_gives_it_up_to_whoever_comes(billing):
    assert lease(billing, "one") == 1.0
    assert lease(billing, "two") == 0.0, "nothing is free yet"
    assert lease(billing, "one", using=1.0) == 0.5
    assert lease(billing, "two") == 0.0, "turns by the whole are still to come"
    assert lease(billing, "one", using=0.5) == 0.5
    assert lease(billing, "two") == 0.5
    RateShare.objects.give_back(holder="one", connection_id=billing.pk)

    assert lease(billing, "two") == 1.0


def test_whoever_has_what_it_comes_to_looks_and_writes_nothing(billing):
    clock = Clock()
    mine = Shares(clock=clock)
    mine._pid, mine._thread = os.getpid(), _NoThread()

    def writes() -> int:
        with CaptureQueriesContext(connection) as captured:
            mine.part(billing.pk)
            mine.renew()
        return sum(not query["sql"].startswith("SELECT") for query in captured)

    mine.want(billing.pk)
    assert writes() == 0
    lease(billing, "another")
    assert writes() > 0, "it will give half of it up"
    assert writes() > 0, "it gives half of it up"
    lease(billing, "another")
    assert writes() == 0
    RateShare.objects.update(until=Now() + shares.TERM / 3)
    assert writes() > 0, "its term is renewed in time"
    RateShare.objects.filter(holder="another").update(until=Now() - TERM)
    assert writes() > 0, "it takes what somebody had who is gone"


def test_what_a_process_had_that_is_gone_is_free_once_its_term_is_over(billing):
    lease(billing, "gone")
    lease(billing, "left")
    RateShare.objects.filter(holder="gone").update(until=Now() - TERM)

    assert lease(billing, "left") == 1.0


def test_whoever_asks_in_whatever_order_never_more_than_the_whole_is_held(billing):
    dice = random.Random(5)
    names = ["a", "b", "c", "d"]
    uses = dict.fromkeys(names, 0.0)
    for _ in range(60):
        name = dice.choice(names)
        if dice.random() < 0.1:
            RateShare.objects.give_back(holder=name, connection_id=billing.pk)
            uses[name] = 0.0
        else:
            uses[name] = lease(billing, name, uses[name])
        assert held() <= 1.0 + 1e-9
    for _ in range(3):
        for name in names:
            uses[name] = lease(billing, name, uses[name])

    assert list(uses.values()) == [0.25] * 4, "in the end each has the same"


def test_a_part_is_asked_for_again_while_it_is_used_and_given_back_afterwards(billing):
    clock = Clock()
    mine = Shares(clock=clock)
    mine._thread = _NoThread()  # the test turns by itself
    assert mine.part(billing.pk) is None
    mine.want(billing.pk)
    assert mine.part(billing.pk) == 1.0
    lease(billing, "another")

    assert mine.renew()
    assert mine.part(billing.pk) == 0.5
    clock.now += shares.IDLE + 1
    assert not mine.renew()
    assert mine.part(billing.pk) is None
    assert lease(billing, "another") == 1.0


def test_a_part_is_kept_until_the_last_turn_has_come_that_was_given_out_by_it(billing):
    clock = Clock()
    mine = Shares(clock=clock)
    mine._thread = _NoThread()
    mine.want(billing.pk)
    mine.part(billing.pk)
    mine.turn_in(billing.pk, 3 * shares.IDLE)
    clock.now += 2 * shares.IDLE

    assert mine.renew()
    clock.now += 3 * shares.IDLE
    assert not mine.renew()
    assert not RateShare.objects.exists()


def test_a_part_that_is_given_up_is_free_only_when_the_turns_have_come_that_were_given_out_by_it(billing):
    clock = Clock()
    mine = Shares(clock=clock)
    mine._pid, mine._thread = os.getpid(), _NoThread()
    mine.want(billing.pk)
    mine.part(billing.pk)
    mine.turn_in(billing.pk, 2.5 * shares.EVERY)  # many threads wait for their turns
    lease(billing, "another")

    def after_a_while() -> float:
        assert mine.renew()
        mine.part(billing.pk)
        clock.now += shares.EVERY
        return lease(billing, "another")

    assert [after_a_while() for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 0.5]


def test_whoever_asks_anew_while_a_part_is_given_back_has_no_part_that_others_have_too(billing, monkeypatch):
    clock = Clock()
    mine = Shares(clock=clock)
    mine._pid, mine._thread = os.getpid(), _NoThread()  # else it begins as one that was forked, with a thread
    mine.want(billing.pk)
    clock.now += 2 * shares.IDLE
    give_back = mine._give_back

    def asked_anew(*given) -> None:
        mine.want(billing.pk)
        give_back(*given)

    monkeypatch.setattr(mine, "_give_back", asked_anew)
    mine.renew()

    assert (mine.part(billing.pk) or 0.0) + lease(billing, "another") <= 1.0
    assert mine.renew()
    assert held() <= 1.0


def test_a_part_that_could_not_be_asked_for_again_is_believed_no_longer_than_others_believe_it(billing):
    clock = Clock()
    mine = Shares(clock=clock)
    mine._thread = _NoThread()
    mine.want(billing.pk)
    clock.now += shares.TERM.total_seconds()

    assert mine.part(billing.pk) is None


def test_a_thread_keeps_what_is_used_and_ends_when_nothing_is(billing, monkeypatch):
    monkeypatch.setattr(shares, "EVERY", 0.02)
    monkeypatch.setattr(shares, "IDLE", 0.2)
    mine = Shares()
    mine.want(billing.pk)
    first = RateShare.objects.get().until

    def asked_again() -> bool:
        mine.want(billing.pk)
        return mine.part(billing.pk) == 1.0 and RateShare.objects.filter(until__gt=first).exists()

    until(asked_again, what="asking again")
    until(lambda: mine._thread is None, what="the end")

    assert not RateShare.objects.exists()


def test_a_process_that_leaves_gives_back_what_it_still_uses_and_may_ask_anew(billing):
    clock = Clock()  # by which it has used its part just now, and always will have
    mine = Shares(clock=clock)
    mine.want(billing.pk)
    thread = mine._thread
    assert thread
    assert held() == 1.0

    mine.leave(patience=5)

    assert not thread.is_alive()
    assert not RateShare.objects.exists()
    mine.want(billing.pk)
    assert mine.part(billing.pk) == 1.0
    mine.leave(patience=5)


def test_who_has_no_part_yet_waits_for_it_and_then_calls(billing, settings, monkeypatch):
    settings.WORKERS = 2
    mine = Shares()
    monkeypatch.setattr(gateway, "SHARES", mine)
    monkeypatch.setattr(shares, "EVERY", 0.02)
    billing.configure(requests_per_second=50)
    gateway.forget_all()
    lease(billing, "another")

    (held_back,) = ask(billing, number=1, deadline=0.5)

    def both_have_the_same() -> bool:
        mine.want(billing.pk)
        return (lease(billing, "another"), mine.part(billing.pk)) == (0.5, 0.5)

    until(both_have_the_same, what="a part")
    answers = ask(billing, number=3, deadline=12)
    monkeypatch.setattr(shares, "IDLE", 0.1)
    until(lambda: mine._thread is None, what="the end of asking")

    assert held_back.code == "budget"
    assert {answer.code for answer in answers} == {"resource_missing"}


def ask(billing, *, number: int, deadline: float):
    """Ask Stripe for something that it does not have."""
    requests = [{"type": "charge", "id": "ch_1"}] * number
    return gateway.call_many(
        connection_id=billing.pk, action="retrieve", requests=requests, deadline=deadline
    )


class _NoThread:
    """Stands where the thread is, which does nothing."""

    def is_alive(self) -> bool:
        return True
