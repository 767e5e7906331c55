"""This module is the command that watches: alerts, mails, counts, missed events and retention."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from connectors.metering import METER
from connectors.tallies import TALLIES
from flows import (
    approvals,
    calm,
    directories,
    group_retries,
    merges,
    missing_parents,
    nights,
    orphans,
    rationing,
    resyncs,
    retention,
    sweeps,
    walk,
)
from flows.impact import keeping, looking
from flows.merging import working
from flows.recognising import rules
from integrator.processes import die_with_parent
from monitoring import alerts, anomalies, courier, flow_anomalies, hours, payment_following, spending
from monitoring.posting import Post
from monitoring.watch import Task, Watch

EVALUATE_EVERY = 5.0
MAIL_EVERY = 2.0
CHANNELS_EVERY = 2.0
COUNT_EVERY = 30.0
PAYMENTS_EVERY = 5.0
UNUSUAL_EVERY = 30.0
WALK_EVERY = 10.0
SWEEP_EVERY = 30.0
RESYNC_EVERY = 5.0
MERGES_EVERY = 2.0
MERGING_EVERY = 1.0
NIGHT_EVERY = 60.0
LOOK_EVERY = 60.0
APPROVALS_EVERY = 15.0
DIRECTORIES_EVERY = 2.0
DIRECTORIES_BEGIN_EVERY = 60.0
LEARN_EVERY = 3600.0
RETRIES_EVERY = 1.0
ORPHANS_EVERY = 5.0
RATIONS_EVERY = 5.0
CALM_EVERY = 5.0
CALLS_EVERY = 5.0
IMPACT_EVERY = 60.0
PURGE_EVERY = 600.0
FORGET_EVERY = 3600.0


class Command(BaseCommand):
    """Watch until SIGTERM or SIGINT."""

    help = (
        "Watch the installation: keep alerts, send mails, count what was received and what became of it, "
        "find events that no webhook brought, look what has changed about objects, delete what is old. "
        "`work` starts it; one on each host is harmless, since for each duty only one acts."
    )
    requires_system_checks: list[str] = []  # `work` makes them, and they would import every page

    def handle(self, *args: Any, **options: Any) -> None:
        """Do every duty in its turn until asked to stop."""
        die_with_parent()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        watch = Watch(tasks())
        watch.start()
        stop.wait()
        watch.stop()


def _write_calls() -> None:
    """Write which calls duties have made."""
    METER.write()
    TALLIES.write_due()


def tasks() -> Sequence[Task]:
    """Return what is to be done, each with how often."""
    memory, post, counter, looker = alerts.Memory(), Post(), hours.Counter(), looking.Looker()
    follower = payment_following.Follower()
    failed: dict[int, str] = {}
    return (
        Task("alerts", EVALUATE_EVERY, lambda now: alerts.evaluate(now=now, memory=memory)),
        Task("mail", MAIL_EVERY, lambda now: post.deliver(now=now)),
        Task("channels", CHANNELS_EVERY, lambda now: courier.deliver(now=now)),
        Task("conservation", COUNT_EVERY, lambda now: counter.count_due(now=now)),
        Task("payments", PAYMENTS_EVERY, lambda now: follower.follow_due(now=now)),
        Task("anomalies", UNUSUAL_EVERY, lambda now: anomalies.observe_due(now=now)),
        Task("flow anomalies", UNUSUAL_EVERY, lambda now: flow_anomalies.observe_due(now=now)),
        Task("walk", WALK_EVERY, lambda now: walk.walk_due(now=now)),
        Task("sweep", SWEEP_EVERY, lambda now: sweeps.sweep_due(now=now)),
        Task("night", NIGHT_EVERY, lambda now: nights.begin_due(now=now)),
        Task("resync", RESYNC_EVERY, lambda now: resyncs.go_due(now=now)),
        Task("merges", MERGES_EVERY, lambda now: merges.follow_due(now=now)),
        Task("merging", MERGING_EVERY, lambda now: working.go_due(now=now)),
        Task("approvals", APPROVALS_EVERY, lambda now: approvals.follow_due(now=now)),
        Task("customers", DIRECTORIES_EVERY, lambda now: directories.read_due(now=now)),
        Task("directories", DIRECTORIES_BEGIN_EVERY, lambda now: directories.begin_due(now=now)),
        Task("match rules", LEARN_EVERY, lambda now: rules.learn_due(now=now)),
        Task("retries", RETRIES_EVERY, lambda now: group_retries.go_due(now=now)),
        Task("orphans", ORPHANS_EVERY, lambda now: orphans.retry_due(now=now)),
        Task("parents", ORPHANS_EVERY, lambda now: missing_parents.fetch_due(now=now)),
        Task("saved calls", RATIONS_EVERY, lambda now: rationing.wake_due(now=now)),
        Task("calm", CALM_EVERY, lambda now: calm.hasten_due(now=now)),
        Task("fields", LOOK_EVERY, lambda now: looker.look_due(now=now)),
        Task("impact", IMPACT_EVERY, lambda now: keeping.renew_due(now=now, failed=failed)),
        Task("retention", PURGE_EVERY, lambda now: retention.purge_due(now=now)),
        Task("messages", FORGET_EVERY, lambda now: courier.forget(now=now)),
        Task("calls", CALLS_EVERY, lambda _now: _write_calls()),
        Task("call hours", FORGET_EVERY, lambda now: spending.forget(now=now)),
        Task("tidying", FORGET_EVERY, lambda now: hours.forget(now=now)),
        Task("old payments", FORGET_EVERY, lambda now: payment_following.forget(now=now)),
        Task("old bins", FORGET_EVERY, lambda now: anomalies.forget(now=now)),
    )
