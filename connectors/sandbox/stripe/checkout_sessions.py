"""This module serves checkout sessions: pages on which a customer pays or subscribes, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import billing, checkout_drafts, checkout_lines, payment_intents
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

TAKEN: Spec = {
    "allow_promotion_codes": "boolean",
    "billing_address_collection": "enum:auto|required",
    "cancel_url": "id",
    "client_reference_id": "string",
    "customer_email": "id",
    "locale": "id",
    "payment_method_collection": "enum:always|if_required",
    "return_url": "id",
    "submit_type": "enum:auto|book|donate|pay|subscribe",
    "success_url": "id",
}
CREATE: Spec = {
    **checkout_drafts.DATA,
    **TAKEN,
    "automatic_tax": "unsimulated",
    "currency": "id",
    "custom_fields": "unsimulated",
    "customer": "id",
    "customer_creation": "enum:always|if_required",
    "customer_update": "object:address|name|shipping",
    "discounts": "unsimulated",
    "expires_at": "integer",
    "line_items": f"objects:{checkout_lines.NAMES}",
    "metadata": "metadata",
    "mode": "enum:payment|subscription!",
    "payment_method_types": "any",  # taken only to be refused, or by an older version
    "phone_number_collection": "object:enabled",
    "setup_intent_data": "unsimulated",
    "shipping_address_collection": "unsimulated",
    "shipping_options": "unsimulated",
    "ui_mode": "enum:elements|embedded_page|form|hosted_page",
}
UPDATE: Spec = {"metadata": "metadata"}
LIST: Spec = {
    **PAGE,
    "created": "range",
    "customer": "id",
    "customer_details": "object:email",
    "payment_intent": "id",
    "payment_link": "id",
    "status": "enum:complete|expired|open",
    "subscription": "id",
}
NOTHING: Spec = {}
SHORTEST, LONGEST = 30 * 60, 24 * 3600
URL = "/v1/checkout/sessions"


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Open a session.

    :raises ApiError: 400 without lines or an address to return to, for lines that do not fit the mode, or
        for a customer that there is not
    """
    payment_intents.refuse_old_types(caller, values)
    if "customer" in values:
        caller = caller.beside(caller.customer(values["customer"]))
    if values.get("ui_mode", "hosted_page") == "hosted_page" and "success_url" not in values:
        raise invalid("Missing required param: success_url.", param="success_url", code="parameter_missing")
    lines = checkout_lines.read(caller, values.get("line_items", []))
    _check_mode(values["mode"], lines)
    data = checkout_drafts.data_of(values)
    session = checkout_drafts.session(caller, mode=values["mode"], lines=lines, data=data)
    session |= {name: values[name] for name in TAKEN if name in values}
    session |= {
        "customer": values.get("customer"),
        "expires_at": _expiry(caller, values),
        "metadata": merge_metadata({}, values.get("metadata", {})),
        "ui_mode": values.get("ui_mode", "hosted_page"),
    }
    if "customer_creation" in values:
        session["customer_creation"] = values["customer_creation"]
    return opened(caller, session, lines, data)


def opened(
    caller: Caller, session: dict[str, Any], lines: list[dict[str, Any]], data: dict[str, Any]
) -> dict[str, Any]:
    """Keep a session with what it sells, and let it expire when its time has come."""
    if session["ui_mode"] == "hosted_page":
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
    caller.state.checkout_sessions.add(session)
    caller.state.checkout_data[session["id"]] = data
    checkout_lines.keep(caller, session["id"], lines)
    customer = caller.state.customers.get(session["customer"] or "") or {"test_clock": None}
    billing.later(caller, customer, session["expires_at"], lambda late: _expire(late, session))
    return session


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the session.

    :raises ApiError: 404
    """
    return caller.find(caller.state.checkout_sessions, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change the metadata of a session; Stripe has no event for that.

    :raises ApiError: 404
    """
    session = caller.find(caller.state.checkout_sessions, object_id)
    session["metadata"] = merge_metadata(session["metadata"], values.get("metadata", {}))
    return session


def expire(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Close a session that nobody has paid.

    :raises ApiError: 404, or 400 if it is not open
    """
    session = caller.find(caller.state.checkout_sessions, object_id)
    if session["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of {session['status']}."
        )
    _expire(caller, session)
    return session


def lines_of(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return a page of what a session sells.

    :raises ApiError: 404
    """
    caller.find(caller.state.checkout_sessions, object_id)
    return checkout_lines.shown(caller, values, object_id, url=f"{URL}/{object_id}/line_items")


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of sessions."""
    email = (values.get("customer_details") or {}).get("email")
    return page(
        caller,
        caller.state.checkout_sessions,
        values,
        url=URL,
        equal=("customer", "payment_intent", "payment_link", "status", "subscription"),
        keep=lambda session: email is None or (session["customer_details"] or {}).get("email") == email,
    )


def _expire(caller: Caller, session: dict[str, Any]) -> None:
    if session["status"] == "open":
        session |= {"status": "expired", "url": None}
        emit(caller, Occurrence("checkout.session.expired", session))


def _expiry(caller: Caller, values: Values) -> int:
    moment = int(values.get("expires_at", caller.now + LONGEST))
    if not SHORTEST <= moment - caller.now <= LONGEST:
        raise invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    return moment


def _check_mode(mode: str, lines: list[dict[str, Any]]) -> None:
    recurring = [line for line in lines if checkout_lines.recurs(line)]
    if mode == "payment" and recurring:
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices.",
            param="line_items",
        )
    if mode == "subscription" and not recurring:
        raise invalid(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
            param="line_items",
        )
