"""This module simulates customers."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import billing, payment_methods
from connectors.sandbox.stripe.addresses import address, shipping
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

UPDATE: Spec = {
    "address": "object:city|country|line1|line2|postal_code|state",
    "balance": "integer",
    "business_name": "string",
    "cash_balance": "unsimulated",
    "default_source": "unsimulated",
    "description": "string",
    "email": "string",
    "individual_name": "string",
    "invoice_prefix": "id",
    "invoice_settings": "object:custom_fields|default_payment_method|footer|rendering_options",
    "metadata": "metadata",
    "name": "string",
    "next_invoice_sequence": "integer",
    "phone": "string",
    "preferred_locales": "strings",
    "shipping": "object:address|name|phone",
    "source": "unsimulated",
    "tax": "unsimulated",
    "tax_exempt": "enum:none|exempt|reverse",
    "validate": "boolean",
}
CREATE: Spec = {
    **{name: kind for name, kind in UPDATE.items() if name != "default_source"},
    "payment_method": "id",
    "tax_id_data": "unsimulated",
    "test_clock": "id",
}
LIST: Spec = {**PAGE, "created": "range", "email": "string", "test_clock": "id"}
NOTHING: Spec = {}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a customer, with a payment method if one is given.

    :raises ApiError: email_invalid, resource_missing, or 402 if the card does not verify
    """
    state = caller.state
    if "test_clock" in values:
        clock = caller.find(state.test_clocks, values["test_clock"], param="test_clock")
        caller = caller.at(clock["frozen_time"])
    customer = _blank(caller)
    _apply(customer, values)
    if "payment_method" in values:
        method = payment_methods.resolve(caller, values["payment_method"])
        payment_methods.attach_to(caller, method, customer["id"])
    state.customers.add(customer)
    emit(caller, Occurrence("customer.created", customer))
    return customer


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the customer, or the stub of a deleted one.

    :raises ApiError: 404
    """
    if caller.state.deleted.get(object_id) is caller.livemode:
        return {"id": object_id, "object": "customer", "deleted": True}
    return caller.find(caller.state.customers, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change a customer.

    :raises ApiError: 404, email_invalid
    """
    customer = caller.find(caller.state.customers, object_id)
    changed = copy.deepcopy(customer)
    _apply(changed, values)
    previous = changes(customer, changed)
    customer.update(changed)
    if previous:
        emit(caller, Occurrence("customer.updated", customer, previous))
    return customer


def delete(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Delete a customer; its payment methods are detached, and its subscriptions end.

    :raises ApiError: 404
    """
    state = caller.state
    customer = caller.find(state.customers, object_id)
    for subscription in state.subscriptions:
        if subscription["customer"] == object_id and subscription["ended_at"] is None:
            billing.end(caller.beside(object_id), subscription)
    for method in [method for method in state.payment_methods if method["customer"] == object_id]:
        payment_methods.detach(caller, {}, method["id"])
    state.customers.remove(object_id)
    state.deleted[object_id] = caller.livemode
    emit(caller, Occurrence("customer.deleted", customer))
    return {"id": object_id, "object": "customer", "deleted": True}


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of customers; `email` is compared exactly, as the API does."""
    return page(caller, caller.state.customers, values, url="/v1/customers", equal=("email", "test_clock"))


def _blank(caller: Caller) -> dict[str, Any]:
    customer_id = caller.state.new_id("cus")
    return {
        "id": customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "business_name": None,
        "created": caller.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "individual_name": None,
        "invoice_prefix": customer_id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": caller.livemode,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def _apply(customer: dict[str, Any], values: Values) -> None:
    for name, value in values.items():
        if name in {"payment_method", "validate"}:
            continue
        if name == "metadata":
            customer["metadata"] = merge_metadata(customer["metadata"], value)
        elif name == "invoice_settings":
            customer[name] = {**customer[name], **_texts(value or {})}
        elif name == "address":
            customer[name] = address(value)
        elif name == "shipping":
            customer[name] = shipping(value)
        else:
            customer[name] = value
    email = customer["email"]
    if email and not EMAIL.fullmatch(email):
        raise invalid(f"Invalid email address: {email}", param="email", code="email_invalid")


def _texts(value: dict[str, Any]) -> dict[str, Any]:
    return {name: text or None for name, text in value.items()}
