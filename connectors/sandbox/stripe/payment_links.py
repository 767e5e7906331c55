"""This module serves payment links: addresses that open a checkout session for whoever follows them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import checkout_drafts, checkout_lines, checkout_payment, checkout_sessions
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import choice, integer, merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.checkout_payment import Buyer
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

UPDATE: Spec = {
    "active": "boolean",
    "after_completion": "object:hosted_confirmation|redirect|type",
    "allow_promotion_codes": "boolean",
    "billing_address_collection": "enum:auto|required",
    "customer_creation": "enum:always|if_required",
    "inactive_message": "string",
    "metadata": "metadata",
    "restrictions": "object:completed_sessions",
    "submit_type": "enum:auto|book|donate|pay|subscribe",
}
CREATE: Spec = {
    **{name: kind for name, kind in UPDATE.items() if name != "active"},
    **checkout_drafts.DATA,
    "currency": "id",
    "line_items": f"objects:{checkout_lines.NAMES}!",
    "payment_method_collection": "enum:always|if_required",
    "phone_number_collection": "object:enabled",
}
LIST: Spec = {**PAGE, "active": "boolean"}
NOTHING: Spec = {}
URL = "/v1/payment_links"
MOST = 20  # lines, https://docs.stripe.com/api/payment-link/create#create_payment_link-line_items
NO_TEXT = checkout_drafts.NO_TEXT


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Make a link; it sells once or by subscription, as its prices do.

    :raises ApiError: 400 without lines or with more than 20, or for a price that there is not
    """
    lines = checkout_lines.read(caller, values["line_items"], most=MOST)
    mode = checkout_lines.mode(lines)
    data = checkout_drafts.data_of({**values, "mode": mode})
    link = _blank(caller, mode, lines, data)
    _apply(link, values)
    caller.state.payment_links.add(link)
    caller.state.checkout_data[link["id"]] = data
    checkout_lines.keep(caller, link["id"], lines)
    emit(caller, Occurrence("payment_link.created", link))
    return link


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the link.

    :raises ApiError: 404
    """
    return caller.find(caller.state.payment_links, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change a link, or switch it off and on.

    :raises ApiError: 404
    """
    link = caller.find(caller.state.payment_links, object_id)
    changed = copy.deepcopy(link)
    _apply(changed, values)
    previous = changes(link, changed)
    link.update(changed)
    if previous:
        emit(caller, Occurrence("payment_link.updated", link, previous))
    return link


def lines_of(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return a page of what a link sells.

    :raises ApiError: 404
    """
    caller.find(caller.state.payment_links, object_id)
    return checkout_lines.shown(caller, values, object_id, url=f"{URL}/{object_id}/line_items")


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of links."""
    return page(caller, caller.state.payment_links, values, url=URL, equal=("active",))


def follow(caller: Caller, link: dict[str, Any], buyer: Buyer) -> dict[str, Any]:
    """
    Do what somebody does who follows a link and pays (a control endpoint); the session is returned.

    :raises ApiError: 400 if the link is not active, 402 if the bank declines
    """
    if not link["active"]:
        raise invalid("This payment link is not active.")
    data = dict(caller.state.checkout_data[link["id"]])
    lines = checkout_lines.of(caller, link["id"])
    session = checkout_drafts.session(caller, mode=checkout_lines.mode(lines), lines=lines, data=data) | {
        "customer_creation": link["customer_creation"],
        "metadata": dict(link["metadata"]),
        "payment_link": link["id"],
        "success_url": "https://stripe.com",
    }
    checkout_sessions.opened(caller, session, lines, data)
    checkout_payment.complete(caller, session, buyer)
    _count(link)
    return session


def _count(link: dict[str, Any]) -> None:
    """Count a completed session; a link that has sold as often as it may is switched off."""
    if link["restrictions"] is not None:
        sold = link["restrictions"]["completed_sessions"]
        sold["count"] += 1
        link["active"] = sold["count"] < sold["limit"]


def _apply(link: dict[str, Any], values: Values) -> None:
    for name, value in values.items():
        if name not in UPDATE:
            continue
        if name == "metadata":
            link["metadata"] = merge_metadata(link["metadata"], value)
        elif name == "after_completion":
            link[name] = _after(value or {})
        elif name == "restrictions":
            link[name] = _restrictions(value)
        else:
            link[name] = value


def _after(value: dict[str, Any]) -> dict[str, Any]:
    kinds = ("hosted_confirmation", "redirect")
    kind = choice("after_completion[type]", value.get("type", kinds[0]), kinds)
    redirect = value.get("redirect")
    address = redirect.get("url") if isinstance(redirect, dict) else None
    if kind == "redirect" and not address:
        raise invalid("Invalid after_completion: a redirect needs a url", param="after_completion")
    text = value.get("hosted_confirmation")
    message = text.get("custom_message") if isinstance(text, dict) else None
    return {
        "hosted_confirmation": {"custom_message": message} if kind == "hosted_confirmation" else None,
        "redirect": {"url": address} if kind == "redirect" else None,
        "type": kind,
    }


def _restrictions(value: dict[str, Any] | None) -> dict[str, Any] | None:
    sold = (value or {}).get("completed_sessions")
    if not isinstance(sold, dict):
        return None
    limit = integer("restrictions[completed_sessions][limit]", str(sold.get("limit", "")))
    return {"completed_sessions": {"count": 0, "limit": limit}}


def _blank(caller: Caller, mode: str, lines: list[dict[str, Any]], data: dict[str, Any]) -> dict[str, Any]:
    link_id = caller.state.new_id("plink_1")
    nothing = (
        "application",
        "application_fee_amount",
        "application_fee_percent",
        "consent_collection",
        "inactive_message",
        "on_behalf_of",
        "payment_method_types",
        "restrictions",
        "shipping_address_collection",
        "transfer_data",
    )
    return {
        "id": link_id,
        "object": "payment_link",
        **dict.fromkeys(nothing),
        "active": True,
        "after_completion": _after({}),
        "allow_promotion_codes": False,
        "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto",
        "currency": lines[0]["currency"],
        "custom_fields": [],
        "custom_text": dict(NO_TEXT),
        "customer_creation": "if_required" if mode == "payment" else "always",
        "invoice_creation": checkout_drafts.invoice_creation(data) if mode == "payment" else None,
        "livemode": caller.livemode,
        "metadata": {},
        "payment_intent_data": _intent(data["intent"]) if mode == "payment" else None,
        "payment_method_collection": "always",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "submit_type": "auto",
        "subscription_data": _subscription(data["subscription"]) if mode == "subscription" else None,
        "tax_id_collection": {"enabled": False, "required": "never"},
        "url": f"https://buy.stripe.com/{'' if caller.livemode else 'test_'}{link_id.removeprefix('plink_')}",
    }


def _intent(told: dict[str, Any]) -> dict[str, Any] | None:
    names = (
        "capture_method",
        "description",
        "setup_future_usage",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    )
    return (
        {**{name: told.get(name) for name in names}, "metadata": told.get("metadata", {})} if told else None
    )


def _subscription(told: dict[str, Any]) -> dict[str, Any]:
    invoices = ("account_tax_ids", "custom_fields", "description", "footer")
    return {
        "description": told.get("description"),
        "invoice_settings": {**dict.fromkeys(invoices), "issuer": {"type": "self"}},
        "metadata": told.get("metadata", {}),
        "trial_period_days": told.get("trial_period_days"),
        "trial_settings": None,
    }
