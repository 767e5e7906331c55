"""
This module judges whether a Stripe key and webhook endpoint are what the product needs.

It asks nobody: what Stripe answered is passed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.addresses import is_loopback
from connectors.base import Result
from connectors.checks import Check, State
from connectors.stripe.client import API_VERSION
from connectors.stripe.registration import DEFAULT_EVENTS
from integrator.kernel import errors

KEY, RIGHTS, WEBHOOKS = "Key", "Rights of the key", "Webhooks"

# Object type -> the permission that reading it needs, in the words of Stripe's dashboard.
PERMISSIONS: dict[str, str] = {
    "event": "Events",
    "charge": "Charges and Refunds",
    "refund": "Charges and Refunds",
    "payment_intent": "PaymentIntents",
    "customer": "Customers",
    "product": "Products",
    "price": "Prices",
    "subscription": "Subscriptions",
    "invoice": "Invoices",
    "dispute": "Disputes",
    "payout": "Payouts",
    "balance_transaction": "Balance Transaction Sources",
    "webhook_endpoint": "Webhook Endpoints",
}
# Without these nothing is lost, only unknown.
OPTIONAL = frozenset({"webhook_endpoint"})
_PERMISSION_NAMED = re.compile(r"\brak_\w+")


@dataclass(frozen=True, slots=True)
class Address:
    """A webhook address of ours: the whole URL, and Stripe's id of the endpoint where we made it."""

    url: str
    stripe_id: str
    enabled: bool


def key(secret: str, details: Mapping[str, Any]) -> Iterator[Check]:
    """Judge the kind of key, by its prefix, and whether it says whose it is; `details` are of a good test."""
    if secret.startswith("rk_"):
        yield Check(KEY, "The key is a restricted one", State.OK)
    else:
        yield Check(
            KEY,
            "The key may do everything",
            State.WARNING,
            "It is a secret key. Whoever gets hold of it can move money.",
            "Make a restricted key with only the rights listed here, and enter it with “Rotate secrets”.",
        )
    if details.get("declared"):
        yield Check(
            KEY,
            "The account id was entered by hand",
            State.WARNING,
            "The key may not read its own account, so that nobody can check whose key it is.",
            "Give the key read access to the account.",
        )


def rights(answers: Mapping[str, Result]) -> Iterator[Check]:
    """Judge for each object type whether it may be read; an answer is a page of it, or why there is none."""
    for kind, answer in answers.items():
        noun = kind.replace("_", " ") + "s"
        if isinstance(answer, errors.Forbidden):
            named = _PERMISSION_NAMED.search(str(answer))
            code = f" ({named[0]})" if named else ""
            yield Check(
                RIGHTS,
                f"May not read {noun}",
                State.WARNING if kind in OPTIONAL else State.PROBLEM,
                f"The permission “{PERMISSIONS[kind]}” is missing{code}.",
                f"Set “{PERMISSIONS[kind]}” to Read for this key in Stripe’s dashboard.",
            )
        elif isinstance(answer, errors.IntegrationError):
            yield Check(RIGHTS, f"Nobody knows whether {noun} may be read", State.WARNING, str(answer))
        else:
            yield Check(RIGHTS, f"May read {noun}", State.OK)


def webhooks(
    addresses: Sequence[Address], listed: Result, wanted: Mapping[str, Sequence[str]]
) -> Iterator[Check]:
    """
    Judge our webhook addresses by the endpoints that Stripe has; `listed` is a page of them.

    `wanted` are the event types for which live flows wait, with the names of the flows.
    """
    if not addresses:
        yield Check(
            WEBHOOKS,
            "Stripe sends nothing here",
            State.WARNING,
            "There is no webhook address. Events are fetched from Stripe’s list instead, which takes longer.",
            "Add a webhook address, if Stripe can reach this machine.",
        )
        return
    endpoints = [] if isinstance(listed, errors.IntegrationError) else listed["objects"]
    for address in addresses:
        if not address.enabled:
            yield Check(WEBHOOKS, "A webhook address is switched off here", State.WARNING, address.url)
            continue
        yield from _reachable(address)
        if isinstance(listed, errors.IntegrationError):
            yield Check(
                WEBHOOKS,
                "Nobody knows what Stripe sends here",
                State.WARNING,
                f"{address.url}: the key may not read webhook endpoints, or Stripe did not answer.",
                "Give the key read access to Webhook Endpoints, or look in Stripe’s dashboard.",
            )
        else:
            yield from _endpoint(address, endpoints)
    if wanted and not isinstance(listed, errors.IntegrationError):
        yield from _live_flows(addresses, endpoints, wanted)


def _live_flows(
    addresses: Sequence[Address], endpoints: Sequence[Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]
) -> Iterator[Check]:
    """Judge whether the endpoints send, one or another, all that live flows wait for."""
    ours = [one for one in endpoints for address in addresses if address.enabled and _same(address, one)]
    if not ours:
        return  # which is told already
    sent = {event for one in ours for event in one.get("enabled_events") or ()}
    missing = {} if "*" in sent else {event: names for event, names in wanted.items() if event not in sent}
    if missing:
        told = ", ".join(f"{event} ({', '.join(names)})" for event, names in missing.items())
        yield Check(
            WEBHOOKS,
            "Stripe does not send every event that your flows wait for",
            State.WARNING,
            f"Not sent: {told}. These flows start or go on late, when Stripe’s list of events is read.",
            "In Stripe’s dashboard, open Workbench, then Webhooks, choose the endpoint and add these events "
            "to it. Or add a webhook address here: one that Integrator makes sends them too.",
        )
    else:
        yield Check(WEBHOOKS, "Stripe sends every event that your flows wait for", State.OK)


def _reachable(address: Address) -> Iterator[Check]:
    if urlsplit(address.url).scheme != "https" or is_loopback(address.url):
        yield Check(
            WEBHOOKS,
            "A webhook address is not public",
            State.WARNING,
            f"{address.url}: Stripe sends only to https:// addresses that the internet can reach.",
            "Set INTEGRATOR_PUBLIC_URL to the public address of this product. Without one, events are "
            "fetched from Stripe’s list.",
        )


def _endpoint(address: Address, endpoints: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    found = next((one for one in endpoints if _same(address, one)), None)
    if found is None:
        yield Check(
            WEBHOOKS,
            "Stripe has no endpoint for a webhook address",
            State.PROBLEM,
            f"{address.url}: the endpoint was deleted at Stripe, or never made.",
            "Add the webhook address anew, or make the endpoint in Stripe’s dashboard.",
        )
        return
    faults = list(_faults(address, found))
    yield from faults
    if not faults:
        yield Check(WEBHOOKS, "Stripe sends here what templates start with", State.OK, address.url)


def _same(address: Address, endpoint: Mapping[str, Any]) -> bool:
    if address.stripe_id:
        return bool(endpoint.get("id") == address.stripe_id)
    return bool(endpoint.get("url") == address.url)


def _faults(address: Address, endpoint: Mapping[str, Any]) -> Iterator[Check]:
    name = str(endpoint.get("id") or "the endpoint")
    if endpoint.get("url") != address.url:
        yield Check(
            WEBHOOKS,
            f"{name} sends elsewhere",
            State.PROBLEM,
            f"It sends to {endpoint.get('url')}, not to {address.url}.",
            "Change its address in Stripe’s dashboard, or set INTEGRATOR_PUBLIC_URL right.",
        )
    if endpoint.get("status") != "enabled":
        yield Check(
            WEBHOOKS,
            f"{name} is switched off at Stripe",
            State.PROBLEM,
            "Stripe switches an endpoint off when it has not answered for days.",
            "Switch it on in Stripe’s dashboard. What was missed is fetched from Stripe’s list.",
        )
    chosen = set(endpoint.get("enabled_events") or ())
    missing = [] if "*" in chosen else [event for event in DEFAULT_EVENTS if event not in chosen]
    if missing:
        yield Check(
            WEBHOOKS,
            f"{name} does not send every event that templates start with",
            State.WARNING,
            f"Not sent: {', '.join(missing)}. Flows that wait for them start late, when the list is read.",
            "Add these events to the endpoint in Stripe’s dashboard.",
        )
    version = endpoint.get("api_version")
    if version != API_VERSION:
        yield Check(
            WEBHOOKS,
            f"{name} speaks another API version",
            State.WARNING,
            f"Its events have the shape of {version or 'the account’s default version'}, not of "
            f"{API_VERSION}. Objects are read again where that matters, which costs calls.",
            "Let Integrator create the endpoint: a version cannot be changed afterwards.",
        )
