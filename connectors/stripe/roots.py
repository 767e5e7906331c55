"""
This module names the root of a Stripe object: what is handled in one lane and read as one.

A charge belongs to its payment intent, and so do refunds and disputes: several of them feed one payment.
Invoices, subscriptions, customers, products, prices and payouts are roots themselves; a subscription's
invoices are not in its lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Root(NamedTuple):
    """The object that a lane is named after."""

    type: str
    id: str


# Object type -> the references that lead towards its root, nearest to the root first.
_TOWARDS: dict[str, tuple[str, ...]] = {
    "charge": ("payment_intent",),
    "refund": ("payment_intent", "charge"),
    "dispute": ("payment_intent", "charge"),
    "invoice_payment": ("invoice",),
    "subscription_item": ("subscription",),
}

# Root type -> what is expanded when it is read, so that one call shows the fee as well.
# https://docs.stripe.com/api/expanding_objects (at most four levels deep)
_EXPAND: dict[str, tuple[str, ...]] = {
    "payment_intent": ("latest_charge.balance_transaction",),
    "charge": ("balance_transaction",),
    # The first page of an invoice's lines comes unasked.
    "invoice": ("payments",),
    "payout": ("balance_transaction",),
    "price": ("product",),
    "product": ("default_price",),
    "subscription": ("items.data.price.product",),
}

# Root type -> the references that bring another object along where they were expanded, and its type.
_BRINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "payment_intent": (("latest_charge", "charge"),),
    "price": (("product", "product"),),
    "product": (("default_price", "price"),),
}


def _id_of(reference: Any) -> str:
    """Return the id behind a reference that may be expanded, or nothing."""
    if type(reference) is str:  # nearly always, and asked some ten times of each event
        return reference
    if isinstance(reference, Mapping):
        reference = reference.get("id")
    return reference if isinstance(reference, str) else ""


def root_of(object: Mapping[str, Any]) -> Root:
    """
    Return the root of `object`.

    :raises ValueError: if it has no type or no id
    """
    kind, own = object.get("object"), _id_of(object)
    if not isinstance(kind, str) or not kind or not own:
        raise ValueError("This is no Stripe object: it has no type or no id")
    for reference in _TOWARDS.get(kind, ()):
        if found := _id_of(object.get(reference)):
            return Root(reference, found)
    return Root(kind, own)


def reading_of(root_type: str) -> tuple[str, list[str]]:
    """Return what to ask the action `retrieve` for: the type, and what to expand."""
    return root_type, list(_EXPAND.get(root_type, ()))


def named_for(kind: str) -> dict[str, tuple[str, ...]]:
    """
    Return the types that a mapping may name of an event about an object of type `kind`, that one first.

    Beside it these are the roots that it may belong to, which are read instead of it, and what those bring
    along. Each has the references that are expanded when it is read.
    """
    types = dict.fromkeys((kind, *_TOWARDS.get(kind, ())))
    for one in list(types):
        types |= dict.fromkeys(brought for _, brought in _BRINGS.get(one, ()))
    return {one: _expanded_in(one) for one in types}


def _expanded_in(kind: str) -> tuple[str, ...]:
    """Return what is expanded in an object, but for what is named by its own type."""
    brought = {reference for reference, _ in _BRINGS.get(kind, ())}
    return tuple(path for path in _EXPAND.get(kind, ()) if path.partition(".")[0] not in brought)


def roots_from(fetched: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """
    Return the objects that a mapping may name, by type, from one object that was read or delivered.

    A payment intent brings its latest charge where that was expanded, a price its product, and a product its
    default price.
    """
    kind = fetched.get("object")
    if not isinstance(kind, str) or not kind:
        raise ValueError("This is no Stripe object: it has no type")
    found: dict[str, Mapping[str, Any]] = {kind: fetched}
    for reference, brought in _BRINGS.get(kind, ()):
        if isinstance(related := fetched.get(reference), Mapping):
            found[brought] = related
    return found
