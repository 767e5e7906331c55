"""
This module writes in Stripe, and finds again what a write whose answer was lost may have made.

Every write carries an idempotency key (https://docs.stripe.com/api/idempotent_requests), and every object
that is made names its effect in its metadata. Only what the SDK knows as a parameter is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import stripe

from connectors.base import Answer, Params
from connectors.stripe import operations, parameters, places
from connectors.stripe.client import check_objects, read, read_list, write
from connectors.stripe.errors import in_doubt, translate
from connectors.stripe.operations import MARKER, Operation
from connectors.stripe.requests import key_of
from integrator.kernel import errors

# By how much our clock and Stripe's may differ, and how long requests with one key may make their object.
_EARLIER, _LATER = 600, 26 * 3600


def create(client: stripe.StripeClient, params: Params) -> Answer:
    """
    Create an object of `type` from `params` under the idempotency key `key`, and return it.

    :raises IntegrationError: `Uncertain` if it may have been created all the same
    """
    return _sent(client, _named(operations.CREATIONS, params, "type"), params)


def update(client: stripe.StripeClient, params: Params) -> Answer:
    """
    Change the object `id` of type `object` to `values` under the idempotency key `key`, and return it.

    :raises IntegrationError: `Uncertain` if it may have been changed all the same
    """
    changed = {**params, "params": params.get("values") or {}}
    return _sent(client, _named(operations.UPDATES, params, "object"), changed)


def act(client: stripe.StripeClient, params: Params) -> Answer:
    """
    Do `act` with the object `id`, with `params`, under the idempotency key `key`, and return the object.

    :raises IntegrationError: `Uncertain` if it may have been done all the same
    """
    return _sent(client, _named(operations.ACTS, params, "act"), params)


def find_marked(client: stripe.StripeClient, params: Params) -> Answer:
    """
    Return the object of `type` that the effect `effect` made, first tried at `since` (Unix time).

    The list is gone through and nothing searched: what can be searched lags behind by a minute and more.
    `params` are those that it was to be made with; the list is filtered by those of them that never change.

    :raises Missing: if there is none
    """
    kind = str(params.get("type") or "")
    creation = _named(operations.CREATIONS, params, "type")
    wanted = params.get("params") or {}
    query: dict[str, Any] = {name: wanted[name] for name in creation.narrowed_by if wanted.get(name)}
    query |= creation.listed
    if "created" in places.FILTERS[kind]:
        since = int(params["since"])
        query["created"] = {"gte": since - _EARLIER, "lte": since + _LATER}
    after: dict[str, Any] = {}
    while True:
        page = places.list_page({"type": kind, "params": query, **after})
        (objects, has_more), _ = read_list(client, page.path, **page.query)
        check_objects(objects)
        for one in objects:
            if _marker_of(one) == params["effect"]:
                return dict(one)
        if not has_more or not objects:
            raise errors.Missing(f"Stripe has no {kind} that this effect has made.")
        after = {"starting_after": objects[-1]["id"]}


def reached(client: stripe.StripeClient, params: Params) -> Answer:
    """
    Return the object `id` if it says that `act` was done.

    :raises Missing: if it does not, or is not there
    """
    wanted = _named(operations.ACTS, params, "act")
    try:
        found, _ = read(client, places.object_path({"type": wanted.type, "id": params.get("id")}))
    except stripe.StripeError as error:
        if wanted.gone and isinstance(translate(error, now=datetime.now(UTC)), errors.Missing):
            return {"id": params.get("id"), "object": wanted.type, "deleted": True}
        raise
    # One by one, since what Stripe has there may be an object, which no set can be asked for.
    if wanted.done is None or all(found.get(wanted.done[0]) != value for value in wanted.done[1]):
        raise errors.Missing("The object does not say that it was done.")
    return found


def search(client: stripe.StripeClient, params: Params) -> Answer:
    """
    Return the newest `objects` of `type`, up to `limit`, whose metadata has `value` under `key`.

    What was written in the last minute may be missing: https://docs.stripe.com/search#data-freshness
    """
    page = places.search_page(params)
    (objects, has_more), _ = read_list(client, page.path, **page.query)
    check_objects(objects)
    return {"objects": objects, "has_more": has_more}


def _named(table: Mapping[str, Any], params: Params, name: str) -> Any:
    found = table.get(str(params.get(name) or ""))
    if found is None:
        raise errors.Refused(f"{params.get(name)!r} is nothing that is written in Stripe.", field=name)
    return found


def _sent(client: stripe.StripeClient, operation: Operation, params: Params) -> Answer:
    given = dict(params.get("params") or {})
    known = {parameters.first(path) for path in parameters.of(operation)}
    for name in given:
        # The SDK takes its own options, the key among them, from the same place as parameters.
        if name not in known:
            raise errors.Refused(f"Stripe has no parameter {name} here.", field=name)
    path = places.written_path(operation.path, params.get("id"))
    try:
        return write(client, operation.method, path, {**given, **operation.fixed}, key=_key(params))
    except stripe.StripeError as error:
        raise in_doubt(translate(error, now=datetime.now(UTC)), error) from error
    except errors.Transient as failure:
        raise in_doubt(failure, None) from failure


def _key(params: Params) -> str:
    key = str(params.get("key") or "")
    if not key:
        raise errors.Refused("A write needs a key by which Stripe does it once.", field="key")
    return key_of(key)


def _marker_of(found: Mapping[str, Any]) -> Any:
    metadata = found.get("metadata")
    return metadata.get(MARKER) if isinstance(metadata, Mapping) else None
