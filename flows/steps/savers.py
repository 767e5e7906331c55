"""
This module says whether a flow's version saves records of an object straight from Stripe objects with an id.

It is asked where a record is missing that others refer to: the reference tells the external id, and where
that is the very id of the Stripe object, the object can be read and the flow started with it. It is pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.stripe.places import PLACES
from flows import subjects
from flows.steps.mendable import map_step, steps_of
from flows.steps.upsert import Upsert

# How ids of Stripe's objects begin, as its API reference shows them at each object.
_BEGINNINGS: Mapping[str, str] = {
    "ch": "charge", "cn": "credit_note", "cs": "checkout.session", "cus": "customer", "dp": "dispute",
    "du": "dispute", "ii": "invoiceitem", "in": "invoice", "inpay": "invoice_payment", "pi": "payment_intent",
    "plink": "payment_link", "pm": "payment_method", "po": "payout", "price": "price", "prod": "product",
    "py": "charge", "pyr": "refund", "re": "refund", "seti": "setup_intent", "si": "subscription_item",
    "sub": "subscription", "sub_sched": "subscription_schedule", "txn": "balance_transaction",
}  # fmt: skip
# Merchants may choose the ids of these (https://docs.stripe.com/api/products/create#create_product-id).
_OWN_IDS = frozenset({"customer", "price", "product"})


def made_of(document: Mapping[str, Any], object_: str) -> frozenset[str]:
    """
    Return of which types of Stripe object a version makes the records of `object_`, under their own id.

    Only those count that start it in whatever state they are, and that can be read: a flow that is started
    when an invoice was paid, or a customer deleted, would write that of one of which it is not so.
    """
    trigger = document.get("trigger") or {}
    if trigger.get("kind") != "stripe.event":
        return frozenset()
    steps = steps_of(document)
    found: set[str] = set()
    for step in steps:
        settings = step.get("settings") or {}
        if step.get("kind") == Upsert.slug and str(settings.get("object")).lower() == object_.lower():
            mapped = map_step(steps, str(step.get("id"))) or {}
            found |= _ids_in(mapped, str(settings.get("external_id")))
    types = [str(kind) for kind in trigger.get("types") or ()]
    return frozenset(one for one in found & PLACES.keys() if subjects.may_tell_of(types, _unseen(one)))


def _unseen(kind: str) -> dict[str, str]:
    """Return an object of which nothing is known but its type, and thus in no state that a type tells."""
    return {"object": kind, "status": ""}


def _ids_in(mapped: Mapping[str, Any], field: str) -> set[str]:
    """Return the types whose id stands unchanged in `field` of the record that a map step makes."""
    lines = (mapped.get("settings") or {}).get("lines") or []
    own = (
        line for line in lines if str(line.get("field")).lower() == field.lower() and not line.get("chips")
    )
    paths = (path for line in own for path in line.get("from") or ())
    return {path.removesuffix(".id") for path in paths if isinstance(path, str) and path.endswith(".id")}


def type_of(external_id: str, types: frozenset[str]) -> str:
    """Return which of `types` the object with this id is of; empty where the id does not tell, or of none."""
    beginning = external_id.rpartition("_")[0]
    while beginning:
        if (told := _BEGINNINGS.get(beginning)) is not None:
            return told if told in types else ""
        beginning = beginning.rpartition("_")[0]
    free = types & _OWN_IDS
    return next(iter(free)) if len(free) == 1 else ""
