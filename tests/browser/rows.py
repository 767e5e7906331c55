"""This module builds the rows that the browser tests look at: runs with events, traces, links and letters."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db import transaction
from django.utils import timezone

from connectors.models import CallHour
from flows import reviews
from flows.engine.outcome import AskHuman, Option
from flows.models import (
    Attempt,
    DeadLetter,
    Deployment,
    Effect,
    Event,
    Flow,
    Lane,
    Link,
    MissingParent,
    Pair,
    Review,
    Run,
)
from flows.steps.candidates import ask
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import Workspace

HOSTILE = """<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>"""

_numbers = count(1)


def refused(
    field: str, message: str, minutes: int, code: str = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
) -> dict[str, Any]:
    return {
        "fate": "dead",
        "state": "dead",
        "reason": message,
        "at": timezone.now() - timedelta(minutes=minutes),
        "error": {
            "class": "data",
            "code": code,
            "field": field,
            "message": message,
            "request_id": "4fzGAyhp1Yd1CtXwvAb0l-",
        },
    }


def an_unreadable_event(pair: Pair) -> Event:
    event = an_event(pair, b'{"broken": ' + HOSTILE.encode(), timezone.now(), kind="", object_id="")
    event.external_id = "unreadable:" + "9f86d081" * 8
    event.unreadable, event.fate, event.fate_reason = "The body is not JSON", "dead", "unreadable"
    event.dispatched_at = timezone.now()
    event.save()
    _letter(event, None, {"class": "unknown", "code": "unreadable", "message": "The body is not JSON"})
    return event


def an_event(pair: Pair, body: bytes, at: datetime, *, kind: str, object_id: str) -> Event:
    return Event.objects.create(
        connection=pair.stripe,
        external_id=f"evt_1QXk{next(_numbers):05d}eZvKYlo2C0aBcDeF",
        type=kind,
        api_version="2026-10-28.endive",
        livemode=False,
        object_id=object_id,
        happened_at=at.replace(microsecond=0),
        received_at=at,
        body=vault.seal(body, owner=f"event:{pair.stripe_id}"),
    )


def a_run(
    pair: Pair,
    *,
    fate: str = "applied",
    state: str = "done",
    reason: str = "",
    at: datetime | None = None,
    amount: int = 124_900,
    currency: str = "eur",
    kind: str = "charge.succeeded",
    customer: str = "Jenny Rosen",
    error: dict[str, str] | None = None,
) -> Run:
    """Return a run with its event, lane, attempt, link and, if it is dead, its letter."""
    at = at or timezone.now() - timedelta(minutes=2)
    number = next(_numbers)
    charge = f"ch_3QXk{number:05d}eZvKYlo2C1aBcDeF"
    body = {
        "id": f"evt_{number}",
        "object": "event",
        "type": kind,
        "livemode": False,
        "data": {
            "object": {
                "id": charge,
                "object": "charge",
                "amount": amount,
                "currency": currency,
                "status": "succeeded",
                "billing_details": {"name": customer, "email": "jenny@acme.test"},
                "metadata": {
                    "order_id": "6735",
                    "note": customer,
                    "api_key": "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
                },
            }
        },
    }
    event = an_event(pair, json.dumps(body).encode(), at, kind=kind, object_id=charge)
    lane, _ = Lane.objects.get_or_create(pair=pair, key=f"stripe:{charge}")
    deployment = Deployment.objects.get(pair=pair, ended_at__isnull=True)
    finished = state in ("done", "dead")
    run = Run.objects.create(
        flow=deployment.flow,
        version=deployment.version,
        pair=pair,
        event=event,
        lane=lane,
        state=state,
        fate=fate,
        reason=reason,
        attempts=1 if error else 0,
        steps="se" if error else "ss" if fate == "applied" else "i",
        amount=amount,
        currency=currency.upper(),
        created_at=at,
        next_attempt_at=None if finished or state == "waiting" else timezone.now() + timedelta(hours=1),
        finished_at=at + timedelta(milliseconds=430) if finished else None,
    )
    event.fate, event.fate_reason, event.dispatched_at = fate, reason[:200], at
    event.save()
    if state not in ("ready",):
        _attempt(run, body["data"]["object"], error)
    if error and state == "dead":
        _letter(event, run, error)
    if fate == "applied":
        _link(run, charge)
    return run


def _attempt(run: Run, charge: dict[str, Any], error: dict[str, str] | None) -> None:
    mapped = {
        "External_ID__c": charge["id"],
        "Amount__c": "1249.00",
        "Name": charge["billing_details"]["name"],
    }
    entries = [
        {"step": "source", "kind": "payload", "object": charge["id"], "output": None},
        {
            "step": "map_payment", "kind": "map", "title": "Describe the payment", "exit": "next", "ms": 0.4,
            "input": {"charge": charge}, "output": mapped, "error": None,
        },
        {
            "step": "save_payment", "kind": "salesforce.upsert", "title": "Save the payment",
            "exit": None if error else "next", "ms": 212.0, "input": mapped,
            "output": None if error else {"id": "a0B5g00000XyZabEAF", "created": True}, "error": error,
        },
    ]  # fmt: skip
    Attempt.objects.create(
        run=run,
        started_at=run.created_at,
        finished_at=run.finished_at or run.created_at + timedelta(milliseconds=430),
        outcome="done" if not error else "gave up" if run.state == "dead" else "retry",
        trace=vault.seal(json.dumps(entries).encode(), owner=f"trace:{run.pk}"),
    )


def _letter(event: Event, run: Run | None, error: dict[str, str]) -> None:
    DeadLetter.objects.create(
        event=event,
        run=run,
        error_class=error["class"],
        code=error["code"],
        field=error.get("field", ""),
        step="save_payment" if run else "",
        message=error["message"],
        suggestion="Read the rule's message. Change the mapping, or the rule, then retry.",
        fingerprint=f"{hash((error['code'], error.get('field'))) & (2**64 - 1):016x}" * 4,
        created_at=event.received_at,
    )


def lacking(pair: Pair, external_id: str) -> dict[str, str]:
    """Let a run have given up for want of a parent that another run could not save; return their names."""
    child = a_run(pair, **refused("External_ID__c", "The parent is not there", 0, code="INVALID_FIELD"))
    parent = a_run(pair, **refused("Parent__c", "The rule of the parent says no", 0))
    row = MissingParent.objects.create(
        pair=pair,
        flow=parent.flow,
        object="Stripe_Customer__c",
        external_id=external_id,
        asked_at=timezone.now(),
    )
    Event.objects.filter(pk=parent.event_id).update(external_id=row.name)
    child.dead_letters.update(waits_for=f"{row.object}:{external_id}")
    letter = child.dead_letters.get()
    return {"letter": letter.public_id, "fingerprint": letter.fingerprint, "run": parent.public_id}


def _link(run: Run, charge: str) -> None:
    Link.objects.create(
        pair=run.pair,
        stripe_id=charge,
        salesforce_object="Payment__c",
        external_id=charge,
        record_id=f"a0B5g{run.pk:010d}AAF",
        agreed=vault.seal(b"{}", owner=f"link:{run.pair_id}"),
        amount=run.amount,
        currency=run.currency,
        first_synced_at=timezone.now(),
        synced_at=timezone.now(),
    )


def which_account(customer: str) -> AskHuman:
    """Return the question which of three accounts belongs to a customer."""
    records = [
        {
            "Id": f"00100000000000{number}AAA",
            "Name": name,
            "BillingCountry": "DE",
            "Phone": phone,
            "Owner": {"Name": "Ada Lovelace"},
            "Website": website,
        }
        for number, name, phone, website in (
            (1, f"{customer} GmbH & Co. Kommanditgesellschaft", "+49 30 123456", "https://acme.test"),
            (2, customer, None, "https://acme.test"),
            (3, f"{customer} Ltd", "+44 20 7946 0000", None),
        )
    ]
    return ask(
        f"Three accounts have the e-mail address of {customer}. Which one is it?",
        records,
        ["Name", "Phone"],
        none="None of them",
    )


def in_doubt(payment: str) -> AskHuman:
    """Return the question whether a Flow was started."""
    return AskHuman(
        f"Did this happen: Start Stripe_Dunning, for {payment}? The answer was lost: it may have happened.",
        kind="in_doubt",
        options=(
            Option("happened", "It happened", "The run goes on behind this step."),
            Option(
                "repeat",
                "It did not happen: do it now",
                "It is done once the first try can land no more: after eleven minutes.",
            ),
            Option("skip", "Leave it out", "It is not done, and the run goes on behind this step."),
        ),
        evidence={
            "purpose": "Start Stripe_Dunning",
            "record": payment,
            "request": {"flow": "Stripe_Dunning", "inputs": {"payment": payment, "amount": 124_900}},
        },
    )


def a_question(pair: Pair, asked: AskHuman) -> Review:
    """Return the open question of a new run."""
    run = a_run(pair, fate="waiting", state="waiting", reason=asked.question, kind="charge.failed")
    question = reviews.Question(run.pk, pair.pk, "find_account", asked)
    reviews.file([question], now=timezone.now())
    return Review.objects.get(run=run)


def an_effect(pair: Pair, state: str, purpose: str = "Start Stripe_Dunning", reason: str = "") -> Effect:
    """Return an effect of a new run."""
    run = a_run(pair, kind="charge.failed")
    number = next(_numbers)
    return Effect.objects.create(
        pair=pair, key=f"{number:064x}", kind="starting", purpose=purpose, flow=run.flow, step="dun", run=run,
        record=f"pi_3QXk{number:05d}eZvKYlo2C1aBcDeF", occurrence=run.event.external_id, slot="salesforce",
        action="start_flow", request=vault.seal(b"{}", owner=f"effect:{pair.pk}"), state=state, reason=reason,
        created_at=run.created_at,
    )  # fmt: skip


def a_hostile_act(workspace: Workspace) -> None:
    """Leave a trace in the audit trail whose target is hostile, of a person who does nothing else."""
    with transaction.atomic():
        audit.record(
            workspace=workspace,
            actor="mallory@acme.test",
            action="connection.created",
            target=HOSTILE,
            now=timezone.now(),
        )


def calls(pair: Pair) -> None:
    """Count calls of every flow of `pair` and of nobody, more of them at noon than at midnight."""
    present = timezone.now().replace(minute=0, second=0, microsecond=0)
    causes = [0, *Flow.objects.filter(integration=pair.integration).values_list("pk", flat=True)]
    rows = [
        CallHour(
            connection=connection, cause=cause, hour=hour, kind=kind,
            calls=0 if kind == "try" else 10 * _busy(hour), carried=70 * _busy(hour),
        )
        for connection in (pair.stripe, pair.salesforce)
        for cause in causes
        for hour in (present - timedelta(hours=4 * back) for back in range(84))
        for kind in ("read", "write", *(["try"] if cause else []))
    ]  # fmt: skip
    CallHour.objects.bulk_create(rows, batch_size=500)


def _busy(hour: datetime) -> int:
    return 12 - abs(12 - hour.hour)
