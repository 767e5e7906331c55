"""This module lists the endpoints of the simulated Stripe: path, parameters, permission, operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from connectors.sandbox.stripe import (
    accounts,
    balance,
    charges,
    checkout_lines,
    checkout_sessions,
    credit_notes,
    customers,
    disputes,
    event_destinations,
    events,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoices,
    payment_intents,
    payment_links,
    payment_methods,
    payouts,
    price_data,
    prices,
    products,
    refunds,
    searching,
    subscription_item_changes,
    subscription_items,
    subscription_pauses,
    subscription_schedules,
    subscriptions,
    test_clocks,
    thin_events,
    webhook_endpoints,
)
from connectors.sandbox.stripe.lists import PAGE

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller


class Operation(Protocol):
    """What an endpoint does: with the id in its path, or an empty one."""

    def __call__(self, caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
        """
        Return the object, or the page.

        :raises ApiError: whatever the API would refuse
        """


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the API."""

    method: str
    path: str
    operation: Operation
    spec: Spec
    resource: str  # what a restricted key needs a permission for

    @property
    def level(self) -> str:
        """Return the level of the permission."""
        return "read" if self.method == "GET" else "write"


def _crud(resource: str, module: Any, *verbs: str) -> list[Endpoint]:
    """Return the usual endpoints of a resource, those among `verbs` that it has."""
    one, all_of = f"/v1/{resource}/{{id}}", f"/v1/{resource}"
    shapes = {
        "create": ("POST", all_of, "CREATE"),
        "list_all": ("GET", all_of, "LIST"),
        "retrieve": ("GET", one, "NOTHING"),
        "update": ("POST", one, "UPDATE"),
        "delete": ("DELETE", one, "NOTHING"),
    }
    return [
        Endpoint(method, path, getattr(module, verb), getattr(module, spec), resource)
        for verb, (method, path, spec) in shapes.items()
        if verb in verbs
    ]


INTENTS, METHODS = "/v1/payment_intents/{id}", "/v1/payment_methods/{id}"
INVOICES, NOTES = "/v1/invoices/{id}", "/v1/credit_notes"
SUBSCRIPTIONS, SCHEDULES = "/v1/subscriptions/{id}", "/v1/subscription_schedules/{id}"
SESSIONS, LINKS = "/v1/checkout/sessions/{id}", "/v1/payment_links/{id}"
DESTINATIONS = "/v2/core/event_destinations"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/account", accounts.retrieve, accounts.RETRIEVE, "account"),
    *(  # before the objects, whose ids stand in the same place
        Endpoint("GET", f"/v1/{place}/search", searching.of(place), searching.SEARCH, place)
        for place in searching.STORES
    ),
    Endpoint("GET", "/v1/accounts/{id}", accounts.retrieve, accounts.RETRIEVE, "account"),
    *_crud("customers", customers, "create", "retrieve", "update", "delete", "list_all"),
    Endpoint(
        "GET",
        "/v1/customers/{id}/payment_methods",
        payment_methods.list_all,
        payment_methods.LIST,
        "payment_methods",
    ),
    *_crud("payment_methods", payment_methods, "create", "retrieve", "update", "list_all"),
    Endpoint("POST", f"{METHODS}/attach", payment_methods.attach, payment_methods.ATTACH, "payment_methods"),
    Endpoint("POST", f"{METHODS}/detach", payment_methods.detach, payment_methods.NOTHING, "payment_methods"),
    *_crud("payment_intents", payment_intents, "create", "retrieve", "update", "list_all"),
    Endpoint(
        "POST", f"{INTENTS}/confirm", payment_intents.confirm, payment_intents.CONFIRM, "payment_intents"
    ),
    Endpoint(
        "POST", f"{INTENTS}/capture", payment_intents.capture, payment_intents.CAPTURE, "payment_intents"
    ),
    Endpoint("POST", f"{INTENTS}/cancel", payment_intents.cancel, payment_intents.CANCEL, "payment_intents"),
    *_crud("charges", charges, "retrieve", "update", "list_all"),
    Endpoint(
        "POST",
        "/v1/charges/{id}/capture",
        payment_intents.capture_charge,
        payment_intents.CAPTURE_CHARGE,
        "charges",
    ),
    Endpoint("GET", "/v1/charges/{id}/refunds", refunds.list_all, refunds.OF_CHARGE, "refunds"),
    *_crud("refunds", refunds, "create", "retrieve", "update", "list_all"),
    Endpoint("POST", "/v1/refunds/{id}/cancel", refunds.cancel, refunds.NOTHING, "refunds"),
    *_crud("disputes", disputes, "retrieve", "update", "list_all"),
    Endpoint("POST", "/v1/disputes/{id}/close", disputes.close, disputes.NOTHING, "disputes"),
    *_crud("products", products, "create", "retrieve", "update", "delete", "list_all"),
    *_crud("prices", price_data, "create"),
    *_crud("prices", prices, "retrieve", "update", "list_all"),
    *_crud("subscriptions", subscriptions, "create", "retrieve", "update", "list_all"),
    Endpoint("DELETE", SUBSCRIPTIONS, subscriptions.cancel, subscriptions.CANCEL, "subscriptions"),
    *(
        Endpoint("POST", f"{SUBSCRIPTIONS}/{verb}", operation, spec, "subscriptions")
        for verb, operation, spec in (
            ("pause", subscription_pauses.pause, subscription_pauses.PAUSE),
            ("resume", subscription_pauses.resume, subscription_pauses.RESUME),
        )
    ),
    Endpoint("GET", "/v1/customers/{id}/subscriptions", subscriptions.list_all, PAGE, "subscriptions"),
    *_crud("subscription_items", subscription_items, "retrieve", "list_all"),
    *_crud("subscription_items", subscription_item_changes, "create", "update"),
    Endpoint(
        "DELETE",
        "/v1/subscription_items/{id}",
        subscription_item_changes.delete,
        subscription_item_changes.DELETE,
        "subscription_items",
    ),
    *_crud("subscription_schedules", subscription_schedules, "create", "retrieve", "update", "list_all"),
    *(
        Endpoint("POST", f"{SCHEDULES}/{verb}", operation, spec, "subscription_schedules")
        for verb, operation, spec in (
            ("cancel", subscription_schedules.cancel, subscription_schedules.CANCEL),
            ("release", subscription_schedules.release, subscription_schedules.RELEASE),
        )
    ),
    *_crud("checkout/sessions", checkout_sessions, "create", "retrieve", "update", "list_all"),
    Endpoint(
        "POST", f"{SESSIONS}/expire", checkout_sessions.expire, checkout_sessions.NOTHING, "checkout/sessions"
    ),
    Endpoint(
        "GET",
        f"{SESSIONS}/line_items",
        checkout_sessions.lines_of,
        checkout_lines.LIST,
        "checkout/sessions",
    ),
    *_crud("payment_links", payment_links, "create", "retrieve", "update", "list_all"),
    Endpoint("GET", f"{LINKS}/line_items", payment_links.lines_of, checkout_lines.LIST, "payment_links"),
    *_crud("invoices", invoices, "create", "retrieve", "update", "delete", "list_all"),
    Endpoint("POST", f"{INVOICES}/finalize", invoices.finalize, invoices.FINALIZE, "invoices"),
    Endpoint("POST", f"{INVOICES}/pay", invoices.pay, invoices.PAY, "invoices"),
    Endpoint("POST", f"{INVOICES}/send", invoices.send, invoices.NOTHING, "invoices"),
    Endpoint("POST", f"{INVOICES}/void", invoices.void, invoices.NOTHING, "invoices"),
    Endpoint("POST", f"{INVOICES}/mark_uncollectible", invoices.give_up, invoices.NOTHING, "invoices"),
    Endpoint("GET", f"{INVOICES}/lines", invoice_lines.list_all, invoice_lines.LIST, "invoices"),
    *_crud("invoiceitems", invoice_items, "create", "retrieve", "update", "delete", "list_all"),
    # Before the one by id, which would take its name for an id.
    Endpoint("GET", f"{NOTES}/preview", credit_notes.preview, credit_notes.CREATE, "credit_notes"),
    *_crud("credit_notes", credit_notes, "create", "retrieve", "update", "list_all"),
    Endpoint("GET", f"{NOTES}/{{id}}/lines", credit_notes.lines, PAGE, "credit_notes"),
    Endpoint("POST", f"{NOTES}/{{id}}/void", credit_notes.void, credit_notes.NOTHING, "credit_notes"),
    *_crud("invoice_payments", invoice_payments, "retrieve", "list_all"),
    *_crud("test_helpers/test_clocks", test_clocks, "create", "retrieve", "delete", "list_all"),
    Endpoint(
        "POST",
        "/v1/test_helpers/test_clocks/{id}/advance",
        test_clocks.advance,
        test_clocks.ADVANCE,
        "test_helpers/test_clocks",
    ),
    *_crud("balance_transactions", balance, "retrieve", "list_all"),
    *_crud("payouts", payouts, "retrieve", "list_all"),
    *_crud("events", events, "retrieve", "list_all"),
    Endpoint("GET", "/v2/core/events/{id}", thin_events.retrieve, thin_events.NOTHING, "events"),
    *(
        Endpoint(method, f"{DESTINATIONS}{path}", operation, spec, "event_destinations")
        for method, path, operation, spec in (
            ("POST", "", event_destinations.create, event_destinations.CREATE),
            ("GET", "", event_destinations.list_all, event_destinations.LIST),
            ("GET", "/{id}", event_destinations.retrieve, event_destinations.RETRIEVE),
            ("POST", "/{id}/disable", event_destinations.disable, event_destinations.RETRIEVE),
            ("POST", "/{id}/enable", event_destinations.enable, event_destinations.RETRIEVE),
            ("DELETE", "/{id}", event_destinations.delete, event_destinations.NOTHING),
        )
    ),
    *_crud("webhook_endpoints", webhook_endpoints, "create", "retrieve", "update", "delete", "list_all"),
)
