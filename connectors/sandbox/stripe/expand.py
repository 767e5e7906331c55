"""This module expands ids into objects, as `expand[]` asks, at most four levels deep."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.balance import today
from connectors.sandbox.stripe.errors import invalid

if TYPE_CHECKING:
    from connectors.sandbox.stripe.state import Caller

DEPTH = 4
# (type of the object, path of the field) -> the store that its id points into; "" is always null here, and
# "*" is told by the id itself.
FIELDS: dict[tuple[str, str], str] = {
    ("balance_transaction", "source"): "*",
    ("charge", "application"): "",
    ("charge", "application_fee"): "",
    ("charge", "balance_transaction"): "balance_transactions",
    ("charge", "customer"): "customers",
    ("charge", "failure_balance_transaction"): "balance_transactions",
    ("charge", "on_behalf_of"): "",
    ("charge", "payment_intent"): "payment_intents",
    ("charge", "review"): "",
    ("charge", "source_transfer"): "",
    ("checkout.session", "customer"): "customers",
    ("checkout.session", "invoice"): "invoices",
    ("checkout.session", "payment_intent"): "payment_intents",
    ("checkout.session", "payment_link"): "payment_links",
    ("checkout.session", "setup_intent"): "",
    ("checkout.session", "subscription"): "subscriptions",
    ("credit_note", "customer"): "customers",
    ("credit_note", "invoice"): "invoices",
    ("customer", "default_source"): "",
    ("customer", "invoice_settings.default_payment_method"): "payment_methods",
    ("customer", "test_clock"): "test_clocks",
    ("dispute", "charge"): "charges",
    ("dispute", "payment_intent"): "payment_intents",
    ("invoice", "customer"): "customers",
    ("invoice", "default_payment_method"): "payment_methods",
    ("invoice", "parent.subscription_details.subscription"): "subscriptions",
    ("invoice", "test_clock"): "test_clocks",
    ("invoice_payment", "invoice"): "invoices",
    ("invoice_payment", "payment.payment_intent"): "payment_intents",
    ("invoiceitem", "customer"): "customers",
    ("invoiceitem", "invoice"): "invoices",
    ("invoiceitem", "pricing.price_details.price"): "prices",
    ("line_item", "pricing.price_details.price"): "prices",
    ("line_item", "subscription"): "subscriptions",
    ("payment_intent", "application"): "",
    ("payment_intent", "customer"): "customers",
    ("payment_intent", "latest_charge"): "charges",
    ("payment_intent", "on_behalf_of"): "",
    ("payment_intent", "payment_method"): "payment_methods",
    ("payment_intent", "review"): "",
    ("payment_method", "customer"): "customers",
    ("price", "product"): "products",
    ("product", "default_price"): "prices",
    ("refund", "balance_transaction"): "balance_transactions",
    ("refund", "charge"): "charges",
    ("refund", "customer"): "customers",
    ("refund", "failure_balance_transaction"): "balance_transactions",
    ("refund", "payment_intent"): "payment_intents",
    ("refund", "payment_method"): "payment_methods",
    ("subscription", "customer"): "customers",
    ("subscription", "default_payment_method"): "payment_methods",
    ("subscription", "latest_invoice"): "invoices",
    ("subscription", "schedule"): "subscription_schedules",
    ("subscription", "test_clock"): "test_clocks",
    ("subscription_schedule", "customer"): "customers",
    ("subscription_schedule", "subscription"): "subscriptions",
    ("subscription_schedule", "test_clock"): "test_clocks",
}
BY_PREFIX = {"ch_": "charges", "re_": "refunds", "du_": "disputes"}
# Lists that are shown only when asked for: (type, field) -> the store of their members ("" has none), the
# field of a member that names the owner, and the address of the whole list.
INCLUDABLE: dict[tuple[str, str], tuple[str, str, str]] = {
    ("charge", "refunds"): ("refunds", "charge", "/v1/charges/{id}/refunds"),
    ("checkout.session", "line_items"): ("checkout_lines", "owner", "/v1/checkout/sessions/{id}/line_items"),
    ("customer", "sources"): ("", "", "/v1/customers/{id}/sources"),
    ("customer", "subscriptions"): ("subscriptions", "customer", "/v1/customers/{id}/subscriptions"),
    ("customer", "tax_ids"): ("", "", "/v1/customers/{id}/tax_ids"),
    ("payment_link", "line_items"): ("checkout_lines", "owner", "/v1/payment_links/{id}/line_items"),
    ("invoice", "payments"): ("invoice_payments", "invoice", "/v1/invoice_payments?invoice={id}"),
}
SHOWN = 10  # members of a list inside an object


def expand(caller: Caller, result: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """
    Return the answer with the ids at `paths` replaced by what they stand for; nothing stored is touched.

    :raises ApiError: 400 for a path that is too deep or cannot be expanded
    """
    listed = result.get("object") == "list"
    for path in paths:
        steps = path.split(".")
        if listed and steps[0] != "data":
            raise _refusal(path, f" You may want to try expanding 'data.{path}' instead.")
        if len(steps) - listed > DEPTH:
            raise invalid(
                f"You cannot expand more than {DEPTH} levels of a property: {path}.", param="expand"
            )
        result = _expanded(caller, result, steps, path)
    return result


def _expanded(caller: Caller, item: dict[str, Any], steps: list[str], path: str) -> dict[str, Any]:
    if not steps or item.get("deleted"):
        return item
    if item["object"] == "list":
        if steps[0] != "data":
            raise _refusal(path)
        return {**item, "data": [_expanded(caller, member, steps[1:], path) for member in item["data"]]}
    field, rest = steps[0], steps[1:]
    if (item["object"], field) in INCLUDABLE:
        return {**item, field: _expanded(caller, _included(caller, item, field), rest, path)}
    value = item.get(field)
    # A list or an object that stands there in full anyway.
    if (item["object"], field) not in FIELDS and isinstance(value, dict) and "object" in value:
        return {**item, field: _expanded(caller, value, rest, path)}
    return _inside(caller, item, (item["object"], ""), steps, path)


def _inside(
    caller: Caller,
    place: dict[str, Any],
    known: tuple[str, str],
    steps: list[str],
    path: str,
) -> dict[str, Any]:
    """Expand a field of an object, or one of the plain mappings in it (`known`: its type, the way there)."""
    field, rest = steps[0], steps[1:]
    way = f"{known[1]}.{field}" if known[1] else field
    store = FIELDS.get((known[0], way))
    if store is not None:
        return {**place, field: _resolve(caller, store, place.get(field), rest, path)}
    if not rest or not any(kind == known[0] and name.startswith(f"{way}.") for kind, name in FIELDS):
        raise _refusal(path)
    inner = place.get(field)
    if inner is None:
        return place
    return {**place, field: _inside(caller, inner, (known[0], way), rest, path)}


def _included(caller: Caller, item: dict[str, Any], field: str) -> dict[str, Any]:
    store, owner, url = INCLUDABLE[item["object"], field]
    found: list[dict[str, Any]] = []
    if store:
        members = caller.state.stores()[store].older()
        found = list(islice((member for member in members if member[owner] == item["id"]), SHOWN + 1))
    has_more, address = len(found) > SHOWN, url.format(id=item["id"])
    return {"object": "list", "data": found[:SHOWN], "has_more": has_more, "url": address}


def _resolve(caller: Caller, store: str, value: Any, rest: list[str], path: str) -> Any:
    if value is None or not store:
        return None
    found = value if isinstance(value, dict) else _lookup(caller, store, value)
    return _expanded(caller, found, rest, path)


def _lookup(caller: Caller, store: str, object_id: str) -> dict[str, Any]:
    if object_id in caller.state.deleted:
        return {"id": object_id, "object": "customer", "deleted": True}
    name = BY_PREFIX.get(object_id[:3], "charges") if store == "*" else store
    found = caller.find(caller.state.stores()[name], object_id, param="expand")
    return today(caller, found) if name == "balance_transactions" else found


def _refusal(path: str, advice: str = "") -> Exception:
    return invalid(f"This property cannot be expanded ({path}).{advice}", param="expand")
