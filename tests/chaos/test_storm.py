"""
This module lets everything go wrong at once while payments change, and judges from outside once it is over.

Webhooks are lost, doubled and shuffled, both systems fail before and after their work, rows are locked, and
every kind of process is killed. `STORM=full` plays it at its full size.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.killing import KINDS, Killer
from tests.chaos.merchant import Merchant, missing_events, wrong_dunning, wrong_payments
from tests.conftest import POSTGRESQL
from tests.stage import Stage, a_stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos of storms"), pytest.mark.timeout(900)]
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(1_000_000)))
PAYMENTS, CHANGES = (300, 5_000) if os.environ.get("STORM") == "full" else (150, 750)
HEALED = 0.8  # of the runs that failed; here none needs a person, which is asserted as well
RATE = 40  # changes a second
CALLS = "/services/data/"
UNUSUAL = {"queued", "waiting", "refused", "dead", "discarded"}


def rage(stage: Stage) -> None:
    """Let both systems, and what lies between, behave as badly as they may."""
    stage.turn("stripe", "settings", balance_delay=0.2)
    stage.turn(
        "stripe", "delivery",
        seed=SEED, loss=0.05, duplicates=0.20, disorder=0.50, window=3.0, retry_seconds=[0.5, 1] + [2] * 60,
    )  # fmt: skip
    # The first faults of each kind are sure to come; the others come by the dice.
    for how in ({"nth": 3}, {"probability": 0.10}):
        stage.fault("stripe", kind="before", match_method="GET", params={"status": 500}, **how)
    for kind, place in (("before", 2), ("after", 3), ("after_status", 4)):
        for how in ({"nth": place}, {"probability": 0.10}):
            stage.fault("salesforce", kind=kind, match_path=CALLS, params={"status": 500}, **how)
    stage.turn("salesforce", "locks", probability=0.10, seed=SEED)


def fired_so_far(stage: Stage) -> Counter[str]:
    """Return how often each fault fired."""
    fired: Counter[str] = Counter()
    for system in ("stripe", "salesforce"):
        for fault in stage.faults(system):
            fired[f"{system}: {fault['kind']}"] += fault["fired"]
    locked = stage.look("salesforce", "locks")["locks"]
    fired["salesforce: row locks"] = sum(lock["fired"] for lock in locked)
    deliveries = stage.look("stripe", "deliveries", limit=1)["counts"]
    for name in ("lost", "duplicated", "disordered"):
        fired[name] = deliveries.get(name, 0)
    return fired


def stumbled_and_left(stage: Stage) -> tuple[int, int]:
    """Return how many runs failed at least once, and how many of those wait for a person."""
    told = stage.python(
        "from flows.models import Attempt, DeadLetter, Review; "
        "failed = set(Attempt.objects.exclude(outcome='done').values_list('run_id', flat=True)); "
        "letters = DeadLetter.objects.unresolved().values_list('run_id', flat=True); "
        "asked = Review.objects.filter(closed_at=None).values_list('run_id', flat=True); "
        "print(len(failed), len(failed & {*letters, *asked}))"
    )
    stumbled, left = told.split()[-2:]
    return int(stumbled), int(left)


def calm(stage: Stage) -> None:
    """Let all faults end."""
    for system in ("stripe", "salesforce"):
        stage.turn(system, "faults", method="DELETE")
    stage.turn("salesforce", "locks", method="DELETE")
    stage.turn("stripe", "delivery", loss=0.0, duplicates=0.0, disorder=0.0)


def test_after_a_storm_everything_equals_the_newest_and_each_effect_happened_once(tmp_path: Path):
    redis_url = os.environ.get("REDIS_URL", "")
    with a_stage(tmp_path, postgresql=POSTGRESQL, redis_url=redis_url) as stage:
        stage.configure("stripe", walk_minutes=0.1)
        merchant = Merchant(stage, payments=PAYMENTS, changes=CHANGES, seed=SEED)
        rage(stage)
        began = time.monotonic()
        with Killer(stage, random.Random(SEED), pause=3.0) as killer:
            merchant.trade(rate=RATE)
            # On a busy machine workers that are killed so often make few calls in the time of the trade.
            until(
                lambda: all(fired_so_far(stage).values()),
                seconds=60,
                what="each fault fires",
                found=lambda: fired_so_far(stage),
            )
        raged = time.monotonic() - began
        fired = fired_so_far(stage)
        calm(stage)

        calmed = until(
            lambda: stage.settled() and not (wrong_payments(stage) or missing_events(stage)),
            seconds=120,
            every=1.0,
            what="everything equals the newest",
            found=lambda: f"{wrong_payments(stage)[:5]} {missing_events(stage)[:5]} {stage.fates()}",
        )

        fates = stage.fates()
        stumbled, left = stumbled_and_left(stage)
        print(
            f"{PAYMENTS} payments, {CHANGES} changes, {sum(fates.values())} events in {raged:.0f} s of storm;"
            f" right {calmed:.1f} s after it; {stumbled} runs failed at least once, of"
            f" which {left} wait for a person; {dict(fired)}; killed {dict(killer.killed)}; {fates}"
        )
        assert all(fired.values()), fired
        assert set(killer.killed) == set(KINDS)
        assert stumbled > 0
        assert stumbled - left >= HEALED * stumbled
        assert wrong_dunning(stage) == []
        assert merchant.declines > PAYMENTS
        assert stage.look("salesforce", "records", object="Integration_Effect__c")["duplicates"] == {}
        assert stage.api("dead-letters/")["results"] == []
        assert sum(fates.values()) == len(stage.whole("events/"))
        assert {fate: count for fate, count in fates.items() if count and fate in UNUSUAL} == {}
