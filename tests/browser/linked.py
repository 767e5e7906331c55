"""This module builds links: one in agreement with a history, one in conflict, and one that is held."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from flows import agreements
from flows.agreeing.agreement import Agreement, Asked, Change
from flows.agreements import Kept
from flows.engine.outcome import AskHuman, Option
from flows.models import Deployment, Pair, Run

LONG = "Gesellschaft für die Verwaltung sehr langer Namen von Unternehmen mit beschränkter Haftung & Co. KG"
_CHOICES = (
    Option("stripe", "Take Stripe's", "Salesforce gets the values that stand in Stripe."),
    Option("salesforce", "Take Salesforce's", "Stripe gets the values that stand in Salesforce."),
)


def contested(hostile: str) -> dict[str, dict[str, Any]]:
    """Return what both sides have changed."""
    return {
        "Account.Name": {"stripe": "Acme GmbH", "salesforce": LONG, "agreed": "Acme"},
        "Account.Phone": {"stripe": None, "salesforce": "+49 30 1234567", "agreed": "+49 30 7654321"},
        "Account.Description": {"stripe": hostile, "salesforce": "A regular customer", "agreed": None},
    }


def a_conflict(hostile: str) -> AskHuman:
    """Return the question which side is right."""
    return AskHuman(
        "Name, Phone, Description of 001gK000000700CQAQ and cus_Q3QXk00042eZv changed on both sides. "
        "Which is right?",
        kind="conflict",
        options=_CHOICES,
        evidence={
            "fields": contested(hostile),
            "changed": {
                "salesforce": {"by": "Grace Hopper", "at": "2026-11-24 12:03:11 UTC"},
                "stripe": {"by": "evt_1Q3QXk00042eZv", "at": "2026-11-24 12:02:59 UTC"},
            },
            "link": ["Account", "cus_Q3QXk00042eZv"],
        },
    )


def keep(pair: Pair, run: Run, hostile: str) -> dict[str, str]:
    """Keep the links, of which `run` asks about one."""
    deployment = Deployment.objects.filter(pair=pair).latest("id")
    agreed = {
        "customer.name": "Acme", "Account.Name": "Acme", "customer.phone": "+49 30 7654321",
        "Account.Phone": "+49 30 7654321", "customer.email": "office@acme.test",
    }  # fmt: skip
    fields = {name: {**values} for name, values in contested(hostile).items()}
    asked = Asked(run.pk, "salesforce", {name: values | {"agreed": None} for name, values in fields.items()})
    history = [
        Change("written", "salesforce", {"Account.Name": [None, "Acme"]}, "evt_1Q3QXk00042eZv"),
        Change("written", "stripe", {"customer.phone": [None, "+49 30 7654321"]}, "Grace Hopper"),
        Change("met", "", {"Account.Name": [None, LONG]}),
    ]
    several = [
        Agreement(None, "cus_Q3QXk00042eZv", "Account", "cus_Q3QXk00042eZv", "001gK000000700CQAQ", "conflict",
                  values=agreed, asked=asked, touched=True, changes=history),
        Agreement(None, "cus_Q3QXk00043eZv", "Account", "cus_Q3QXk00043eZv", "001gK000000701CQAQ", "held",
                  values=agreed, touched=True, changes=[Change("held")]),
        Agreement(None, "cus_Q3QXk00044eZv", "Account", "cus_Q3QXk00044eZv", "001gK000000702CQAQ", "deleted",
                  values=agreed, touched=True, changes=[Change("deleted", "salesforce")]),
        Agreement(None, "cus_Q3QXk00045eZv", "Contact", "cus_Q3QXk00045eZv", "003gK000000703CQAQ",
                  values=agreed | {"Contact.LastName": hostile}, touched=True, changes=history),
    ]  # fmt: skip
    now = timezone.now() - timedelta(minutes=3)
    for number, one in enumerate(several):
        kept = Kept(pair.pk, deployment.flow_id, run.pk, run.public_id, run.lane_id, one)
        agreements.keep([kept], now=now + timedelta(seconds=number))
    return {"conflicting": str(several[0].link_id), "linked": str(several[3].link_id)}
