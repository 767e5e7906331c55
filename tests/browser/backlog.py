"""
This module fills an installation with what has been left undone: dead letters, and what is unusual.

A shell of the installation runs it on its database, before its workers start. The flows that it
puts live are those that the test then has real work for; the letters that nobody is to try again are written
by the functions that file real ones.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from flows import deadletters, publishing
from flows.deadletters import Obituary
from flows.engine.outcome import Failure
from flows.models import Attempt, Event, Flow, FlowVersion, Lane, Pair, Run
from flows.recipes import catalogue
from integrator import vault
from integrator.accounts.models import Workspace
from monitoring import anomalies, detection, flow_anomalies
from monitoring.anomaly_models import Anomaly, FlowSeries, Series
from monitoring.anomaly_sources import BIN, floor
from tests.builders import a_person

MOST, EACH = 1_240, 222  # letters of the first cause that nobody tries again, and of each of the others
DAYS = 13
# What the org or Stripe said: class, code, field, message, HTTP status. Each is a cause of its own.
CAUSES: Sequence[tuple[str, str, str, str, int]] = (
    ("data", "REQUIRED_FIELD_MISSING", "Country__c", "Required fields are missing: [Country__c]", 400),
    ("data", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Paid_At__c", "A payment is not older than its order", 400),
    ("data", "INVALID_EMAIL_ADDRESS", "Email__c", "Email: invalid email address: jenny at acme", 400),
    ("data", "NUMBER_OUTSIDE_VALID_RANGE", "Fee__c", "Fee: value outside of valid range", 400),
    ("permission", "INSUFFICIENT_ACCESS_OR_READONLY", "", "insufficient access rights on object id", 403),
    ("lock", "UNABLE_TO_LOCK_ROW", "", "unable to obtain exclusive access to this record or 1 records", 400),
    ("apex", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "", "PaymentTrigger: execution of BeforeInsert", 400),
    ("data", "INVALID_CROSS_REFERENCE_KEY", "Account__c", "invalid cross reference id", 400),
    ("data", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Status__c", "bad value for picklist", 400),
)  # fmt: skip
ACCOUNTS: dict[str, Any] = {
    "format": 1,
    "name": "Contracts into accounts",
    "trigger": {"kind": "stripe.event", "types": ["customer.updated"]},
    "steps": [
        {
            "id": "of_a_contract",
            "kind": "filter",
            "settings": {
                "name": "Of a contract",
                "all": [{"path": "customer.metadata.contract", "is": "present"}],
            },
        },
        {
            "id": "describe",
            "kind": "map",
            "settings": {
                "target": "Account",
                "lines": [
                    {"field": "Integration_Key__c", "from": ["customer.id"]},
                    {"field": "Site", "from": ["customer.metadata.contract"]},
                ],
            },
        },
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "settings": {"object": "Account", "external_id": "Integration_Key__c", "record": "describe"},
        },
    ],
}


def fill() -> dict[str, Any]:
    """Put the flows live, read who is known, and write the letters and what is unusual."""
    now, pair = timezone.now(), Pair.objects.get()
    workspace = Workspace.objects.get()
    a_person("olga@acme.test", "operator", workspace)
    a_person("otto@acme.test", "operator", workspace)
    payments = _live(pair, "payments", _only_charges(), now)
    _live(pair, "accounts", ACCOUNTS, now)
    recognised = publishing.install_recipe(
        slug="recognised_customers", integration=pair.integration, actor="ada", now=now
    )
    publishing.deploy(version=recognised, pair=pair, actor="ada", now=now)
    call_command("know_customers", stdout=sys.stderr)
    letters = _letters(pair, payments, now)
    unusual = _unusual(pair, payments.flow, now)
    return {"letters": letters, "events": Event.objects.count(), "unusual": unusual}


def _live(pair: Pair, slug: str, document: dict[str, Any], now: datetime) -> FlowVersion:
    flow, _ = Flow.objects.get_or_create(
        integration=pair.integration, slug=slug, defaults={"name": document["name"]}
    )
    version = publishing.publish(flow=flow, document=document, actor="ada", now=now)
    publishing.deploy(version=version, pair=pair, actor="ada", now=now)
    return version


def _only_charges() -> dict[str, Any]:
    """Return the payments template with one event for each payment, so that each is one letter."""
    document = json.loads(json.dumps(catalogue.load("payments").raw))
    document["trigger"] |= {"types": ["charge.succeeded"], "fetch": []}
    return dict(document)


# Letters


def _letters(pair: Pair, version: FlowVersion, now: datetime) -> int:
    """
    File the letters of all causes, spread over days, as a worker does whose runs have given up.

    They are written in the order in which their events came: so are those of an installation.
    """
    came = sorted(_arrivals(now))
    with transaction.atomic():
        events = Event.objects.bulk_create(
            _event(pair, charge, at, "charge.succeeded", fate="dead", fate_reason=CAUSES[place][3])
            for at, place, charge in came
        )
        lanes = Lane.objects.bulk_create(Lane(pair=pair, key=f"stripe:{charge}") for _, _, charge in came)
        runs = Run.objects.bulk_create(
            Run(
                flow=version.flow, version=version, pair=pair, event=event, lane=lane, state="dead",
                fate="dead", reason=CAUSES[place][3], attempts=5, steps="se", amount=1999, currency="EUR",
                created_at=at, finished_at=at + timedelta(seconds=9),
            )
            for event, lane, (at, place, _) in zip(events, lanes, came, strict=True)
        )  # fmt: skip
        failures = [
            Failure(error, message, code=code, field=field, system="salesforce", http_status=status)
            for error, code, field, message, status in CAUSES
        ]
        Attempt.objects.bulk_create(
            _attempt(run, failures[place]) for run, (_, place, _) in zip(runs, came, strict=True)
        )
        for run, (at, place, _) in zip(runs, came, strict=True):
            obituary = Obituary(run.event_id, failures[place], run.pk, version.flow_id, "save_payment")
            deadletters.file([obituary], now=at)
    return len(runs)


def _arrivals(now: datetime) -> Iterator[tuple[datetime, int, str]]:
    """Yield when a payment came, of which cause its letter is, and its charge; more of them lately."""
    for place in range(len(CAUSES)):
        many = EACH if place else MOST
        for number in range(many):
            age = timedelta(hours=1, minutes=DAYS * 1440 * number**2 / many**2)
            yield now - age, place, f"ch_3Left{place}x{number:04d}eZvKYlo2C1aBcDeF"


def _event(pair: Pair, charge: str, at: datetime, kind: str, **fields: Any) -> Event:
    told = {
        "id": f"evt_{charge}", "object": "event", "type": kind, "created": int(at.timestamp()),
        "data": {"object": {
            "id": charge, "object": "charge", "amount": 1999, "amount_captured": 1999, "currency": "eur",
            "status": "succeeded", "captured": True, "metadata": {"order_id": "6735"},
        }},
    }  # fmt: skip
    return Event(
        connection=pair.stripe, external_id=f"evt_{charge}", type=kind, api_version="2026-10-28.endive",
        livemode=False, object_id=charge, happened_at=at.replace(microsecond=0), received_at=at,
        dispatched_at=at, body=vault.seal(json.dumps(told).encode(), owner=f"event:{pair.stripe_id}"),
        **fields,
    )  # fmt: skip


def _attempt(run: Run, failure: Failure) -> Attempt:
    written = {"External_ID__c": run.event.object_id, "Amount__c": "19.99", failure.field or "Name": "?"}
    error = {"class": failure.error_class, "code": failure.code, "message": failure.message}
    trace = [
        {"step": "map_payment", "kind": "map", "exit": "next", "ms": 0.4, "output": written, "error": None},
        {
            "step": "save_payment", "kind": "salesforce.upsert", "exit": None, "ms": 212.0,
            "input": written, "output": None, "error": {**error, "field": failure.field},
        },
    ]  # fmt: skip
    sealed = vault.seal(json.dumps(trace).encode(), owner=f"trace:{run.pk}")
    return Attempt(
        run=run,
        started_at=run.created_at,
        finished_at=run.created_at + timedelta(seconds=9),
        outcome="gave up",
        trace=sealed,
    )


# What is unusual


def _unusual(pair: Pair, flow: Flow, now: datetime) -> int:
    """Let payments fail and be paid back as never before in the last minutes, and let it be found."""
    begins = floor(now) - 8 * BIN
    rows = [_event(pair, *one, fate="ignored") for one in _bad_minutes(begins)]
    Event.objects.bulk_create(rows)
    state = _usual(begins, {"charges": 10, "failed": 0, "refunds": 0, "disputes": 0}, detection.fresh())
    series, _ = Series.objects.update_or_create(
        connection=pair.stripe, defaults={"state": state, "seen_until": begins}
    )
    usual_runs = {"runs": 12, "run_errors": 0, "run_s": 3.0}
    FlowSeries.objects.create(
        series=series, flow=flow, state=_usual(begins, usual_runs, detection.fresh(detection.FLOW)),
        seen_until=begins, history_until=begins,
    )  # fmt: skip
    anomalies.observe_due(now=now)
    flow_anomalies.observe_due(now=now)
    return Anomaly.objects.open().count()


def _bad_minutes(begins: datetime) -> Iterator[tuple[str, datetime, str]]:
    kinds = ["charge.failed"] * 8 + ["charge.succeeded"] * 3 + ["charge.refunded"] * 6
    kinds += ["charge.dispute.created"] * 3
    for number in range(8):
        for place, kind in enumerate(kinds):
            at = begins + number * BIN + timedelta(seconds=15 * place + 5)
            yield f"ch_3Odd{number}x{place:02d}eZvKYlo2C1aBcDeF", at, kind


def _usual(until: datetime, row: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """Return what is known after eight days that were like `row`, more or less."""
    bins = 8 * 288
    for number in range(bins):
        wave = {
            name: value + number % 5 - 2 if name in ("charges", "runs") else value
            for name, value in row.items()
        }
        state, _ = detection.observe(state, {"ts": (until - BIN * (bins - number)).isoformat(), **wave})
    return state
