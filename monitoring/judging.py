"""
This module judges from facts what is wrong. It is pure: facts and the time go in, conditions come out.

No text repeats what another system said about a record, because alerts are mailed; the page behind the
link shows that to whoever may see it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from monitoring.conditions import Condition, Severity
from monitoring.facts import Facts, Resting, Told
from monitoring.installation import INSTALLATION
from monitoring.words import counted, moment, rounded_up

# A rest as short as this is an outage's or a limit's by the second; a budget for the day rests longer.
SHORT_REST = timedelta(minutes=3)
_LIMIT = re.compile(r"\blimit|\bbudget\b|\btoo many\b|\bstorage\b|\bAPI calls\b", re.IGNORECASE)

FEW = 5  # how many ids or titles a text names


def judge(facts: Facts, *, now: datetime) -> list[Condition]:
    """Return what is wrong, each incident once."""
    found: dict[tuple[int, str], Condition] = {}
    for source in SOURCES:
        for condition in source(facts, now):
            found.setdefault((condition.workspace_id, condition.key), condition)
    return list(found.values())


# Connections


def _connections(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.resting:
        kind, severity, title, text = _rest_in_words(one, now)
        yield Condition.at(
            one.place, kind=kind, about=one.public_id, severity=severity, title=title,
            text=f"{text}{_besides(one)}", page=f"connections/{one.public_id}/",
        )  # fmt: skip


def _besides(one: Resting) -> str:
    if not one.anomalies:
        return ""
    comes = "comes" if one.anomalies == 1 else "come"
    return f" {counted(one.anomalies, 'anomaly', 'anomalies')} of its calls and runs {comes} of it."


def _rest_in_words(one: Resting, now: datetime) -> tuple[str, Severity, str, str]:
    if one.needs_key:
        text = f"{one.reason} Its runs wait, and nothing is lost. Enter a new key, or grant the access there."
        return "connection_key", Severity.CRITICAL, f"{one.name} needs a new key", text
    if one.until is None:
        text = f"{one.reason} Nothing is written, and nothing is lost: its runs wait. {_way_back(one)}"
        return "connection_misdirected", Severity.CRITICAL, f"{one.name} leads to the wrong place", text
    if _is_limit(one, now):
        text = (
            f"{one.reason}{_used(one)} {_comes_back(one, now)} Nothing is lost, and nothing has to be done."
        )
        return "connection_limit", Severity.WARNING, f"{one.name} has reached its API limit", text
    text = f"{one.reason} {_comes_back(one, now)} Nothing is lost. If it lasts, look at their status page."
    return "connection_outage", Severity.WARNING, f"{one.name} does not answer", text


def _used(one: Resting) -> str:
    if not (one.used and one.limit) or "calls" in one.reason:
        return ""
    return f" {one.used:,} of {one.limit:,} calls in 24 hours are used."


def _way_back(one: Resting) -> str:
    if not one.pinned:
        return "Test the connection, then resume it."
    return (
        f"It is pinned to {one.pinned}: enter the credential of that one, or make a new connection for the "
        "other, then resume it."
    )


def _is_limit(one: Resting, now: datetime) -> bool:
    spent = bool(one.limit and one.used is not None and one.used >= one.limit)
    return (
        spent or bool(_LIMIT.search(one.reason)) or (one.until is not None and one.until - now > SHORT_REST)
    )


def _comes_back(one: Resting, now: datetime) -> str:
    """Say when it is tried again, what waits for it, and when that will be done."""
    back = max(one.until or now, now)
    again = f"It is tried again at about {moment(rounded_up(back, minutes=1), now=now)}."
    if not one.waiting:
        return again
    waiting = f"{counted(one.waiting, 'run')} {'waits' if one.waiting == 1 else 'wait'}"
    if one.per_minute <= 0:
        return f"{again} {waiting}."
    done = rounded_up(back + timedelta(minutes=one.waiting / one.per_minute), minutes=5)
    return f"{again} {waiting}; at the speed of the last hour all is done at about {moment(done, now=now)}."


def _running_short(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.running:
        yield Condition.at(
            one.place, kind="api_forecast", about=one.public_id, severity=Severity.WARNING,
            title=f"{one.name}: its API calls will not last",
            text=f"{one.used:,} of the {one.ours:,} calls for 24 hours that are ours are used. If it goes on "
            f"as usual, all are used at about {moment(rounded_up(one.at, minutes=5), now=now)}. Nothing is "
            "lost: flows with low priority wait first, then all. Open it to see which flow uses most, to "
            "give flows a priority, or to keep less for people.",
            page=f"budgets/{one.public_id}/",
        )  # fmt: skip


def _streams(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.walks:
        yield Condition.at(
            one.place, kind="walk", about=one.about, severity=Severity.WARNING, page=one.page,
            title=one.name,
            text=f"{one.failure} What no webhook brings is not found meanwhile. It is tried again by itself; "
            "test the connection to see what it lacks.",
        )  # fmt: skip


def _topics(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.topics:
        yield Condition.at(
            one.place, kind="listening", about=one.about, severity=Severity.WARNING, page=one.page,
            title=one.name,
            text=f"{one.failure} Salesforce keeps events for 72 hours: what is heard until then is not lost.",
        )  # fmt: skip


def _customers(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.customers:
        yield Condition.at(
            one.place, kind="customers", about=one.about, severity=Severity.WARNING, page=one.page,
            title=f"{one.name} cannot be read",
            text=f"{one.failure} Flows recognise customers among them: where that lasts, runs that ask wait, "
            "and none makes a record twice. It is tried again by itself; often the user of the connection "
            "may not see the object or one of its fields.",
        )  # fmt: skip


def _silent(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.silent:
        yield Condition.at(
            one.place, kind="webhooks_silent", about=one.public_id, severity=Severity.WARNING,
            title=f"{one.name}: webhooks do not arrive",
            text=f"{counted(one.found, 'event')} came from Stripe's list and none by webhook. Nothing is "
            "lost, but everything comes minutes late. Look at the endpoint in Stripe: its address, whether "
            "it is enabled, and whether its signing secret is the one that is entered here.",
            page=f"connections/{one.public_id}/", count=one.found,
        )  # fmt: skip


# Flows and runs


def _held(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.held:
        again = (
            f" One run tries again at about {moment(rounded_up(one.until, minutes=1), now=now)}."
            if one.until
            else ""
        )
        yield Condition.at(
            one.place, kind="flow_held", about=one.deployment, severity=Severity.WARNING,
            title=f"{one.name} is held", page=f"flows/{one.flow}/",
            text=f"{one.reason} Its runs wait, and nothing is lost.{again} Once the cause is mended it goes "
            "on by itself.",
        )  # fmt: skip


def _changed(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.changed:
        lines = counted(one.lines, "line")
        would = "would fail" if one.fails else "may fail"
        events = (
            f" {one.failing:,} of the last {counted(one.events, 'event')} would fail now."
            if one.failing
            else ""
        )
        yield Condition.at(
            one.place, kind="impact", about=one.deployment,
            severity=Severity.WARNING if one.fails else Severity.INFO,
            title=f"An object changed under {one.name}", page=f"impact/?flow={one.flow}",
            text=f"{', '.join(one.objects[:FEW])} changed since the live version was published: {lines} "
            f"{would}.{events} Open it to see which lines, and to mend them in the draft.",
            count=one.lines,
        )  # fmt: skip


def _causes(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.causes:
        about = f" ({one.field})" if one.field else ""
        flow = f"{one.flow}: " if one.flow else ""
        verb = "waits" if one.count == 1 else "wait"
        yield Condition.at(
            one.place,
            kind="internal_failure" if one.internal else "dead_letters",
            about=one.fingerprint,
            severity=Severity.CRITICAL if one.internal else Severity.WARNING,
            title=f"{flow}{counted(one.count, 'dead letter')}: {one.title}{about}",
            text=f"{counted(one.count, 'event')} could not be handled and {verb} for a person. "
            f"{one.suggestion}",
            page=f"dead-letters/causes/{one.fingerprint}/", count=one.count, newest=one.newest,
        )  # fmt: skip


def _doubts(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.in_doubt:
        yield Condition.at(
            one.place, kind="in_doubt", about="effects", severity=Severity.WARNING, page="effects/",
            title=f"{counted(one.count, 'call')} may or may not have happened",
            text="The answer was lost, and the other system cannot be asked. It is not repeated until a "
            "person has looked there and said whether it happened.", count=one.count, newest=one.newest,
        )  # fmt: skip
    for one in facts.reviews:
        verb = "waits" if one.count == 1 else "wait"
        yield Condition.at(
            one.place, kind="reviews", about="open", severity=Severity.WARNING, page="questions/",
            title=f"{counted(one.count, 'question')} {verb} for a person",
            text="Runs wait for the answers; everything else goes on. Open them and choose an answer.",
            count=one.count, newest=one.newest,
        )  # fmt: skip
    for one in facts.merges:
        yield Condition.at(
            one.place, kind="merges", about="records", severity=Severity.WARNING, page="merges/?state=failed",
            title=f"{counted(one.count, 'merge')} of records did not end as it should",
            text="What was found afterwards is not what was wanted, or nobody can say what became of the "
            "records. Open it, put right in Salesforce what it names, and say that you have looked at it.",
            count=one.count, newest=one.newest,
        )  # fmt: skip


def _crashed(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.crashed:
        yield Condition.at(
            one.place, kind="dispatch_crash", about="events", severity=Severity.CRITICAL,
            title=f"{counted(one.count, 'event')} cannot be given to a flow",
            text="The worker failed while it looked for the flows of the event. This is a fault of the "
            "product: the log of the workers names it. Other events are not held up.",
            page="events/?fate=queued", count=one.count,
        )  # fmt: skip


# What was told, and what was counted


def _notices(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.told:
        more = one.count - 1
        names = ", ".join(one.others[:FEW])
        also = (
            f" {counted(more, 'more like it', 'more like it')}{': ' + names if names else ''}."
            if more
            else ""
        )
        yield Condition.at(
            one.place, kind=one.kind, about=one.flow or "all", severity=one.severity, title=one.title,
            text=f"{one.text}{also}".strip() or one.title,
            page=_page_of(one),
            count=one.count, newest=one.newest,
        )  # fmt: skip


def _page_of(one: Told) -> str:
    if one.kind == "missing_rate":
        return "rates/"
    if one.kind == "saved_fix":
        return "dead-letters/fixes/"
    if one.run:
        return f"runs/{one.run}/"
    return f"flows/{one.flow}/" if one.flow else "events/"


def _unequal(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.unequal:
        yield Condition.at(
            one.place, kind="conservation", about=f"{one.name}:{one.hour:%Y%m%d%H}",
            severity=Severity.CRITICAL,
            title=f"{one.name}: {counted(one.received - one.accounted, 'event')} cannot be accounted for",
            text=f"In the hour from {moment(one.hour, now=now)} {one.received:,} were received, and "
            f"{one.accounted:,} have a fate now. Rows were removed from the database by something else than "
            "this product. Restore them from a backup, or read Stripe's list of events again from that hour.",
            page="conservation/", count=abs(one.received - one.accounted),
        )  # fmt: skip


ANOMALIES = {
    "volume_drop": "Fewer charges than usual",
    "outage": "Hardly any charges",
    "volume_spike": "More charges than usual",
    "failed_spike": "Many charges fail",
    "slow_fail_drift": "More and more charges fail",
    "refund_surge": "Many refunds",
    "dispute_wave": "Many disputes",
    "dup_surge": "Many events come twice",
    "amount_outlier": "An amount far above what the customer pays",
    "call_error_surge": "Many calls fail",
    "latency_rise": "Calls take long",
    "delivery_lag": "Events arrive late",
    "flow_silence": "Hardly any runs",
    "run_error_surge": "Many runs fail",
    "run_lag": "Runs take long",
}
LOOK = {
    False: "Look in Stripe whether something is wrong.",
    True: "Look at the connections and the dead letters, and whether a new version has gone live.",
}
OURS = frozenset({"call_error_surge", "latency_rise", "flow_silence", "run_error_surge", "run_lag"})


def _unusual(facts: Facts, now: datetime) -> Iterator[Condition]:
    for one in facts.unusual:
        yield Condition.at(
            one.place, kind="anomaly", about=one.anomaly,
            severity=Severity.CRITICAL if one.grave else Severity.WARNING,
            title=f"{one.name}: {ANOMALIES.get(one.kind, 'unusual payments').lower()}",
            text=f"{one.reason} Nothing is lost by it here. {LOOK[one.kind in OURS]} If this is as it should "
            "be, say so on the page behind this.",
            page=f"anomalies/{one.anomaly}/",
        )  # fmt: skip


SOURCES: tuple[Callable[[Facts, datetime], Iterator[Condition]], ...] = (
    _connections, _running_short, _streams, _topics, _customers, _silent, _held, _changed, _causes,
    _doubts, _crashed, *INSTALLATION, _notices, _unequal, _unusual,
)  # fmt: skip
