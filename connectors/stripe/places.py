"""
This module says where Stripe's objects and lists are read, and refuses what must not become an address.

Everything in a request that names an object or a list comes from events, mappings or people. What is not
known here is never sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from connectors.stripe.operations import SEARCHED
from integrator.kernel import errors

# Object type -> where it is read. Only what a flow may name.
PLACES: dict[str, str] = {
    "balance_transaction": "balance_transactions",
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "credit_note": "credit_notes",
    "customer": "customers",
    "dispute": "disputes",
    "event": "events",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "invoiceitem": "invoiceitems",
    "payment_intent": "payment_intents",
    "payment_link": "payment_links",
    "payment_method": "payment_methods",
    "payout": "payouts",
    "price": "prices",
    "product": "products",
    "refund": "refunds",
    "setup_intent": "setup_intents",
    "subscription": "subscriptions",
    "subscription_item": "subscription_items",
    "subscription_schedule": "subscription_schedules",
    "webhook_endpoint": "webhook_endpoints",
}

LONGEST_ID = 255
LARGEST_PAGE = 100  # https://docs.stripe.com/api/pagination
# Merchants choose the ids of products, plans and coupons, blanks and hyphens included; no slash, and nothing
# else that an address gives a meaning to, even though all of it is escaped.
_FORBIDDEN_IN_IDS = frozenset("/\\?#%")

# Lists that stand inside objects, by the address that Stripe gives them. The parts in braces are ids.
_BETWEEN = re.compile("[^/?&=]+")
_EMBEDDED = tuple(
    re.compile(re.escape(shape).replace(r"\{id\}", f"({_BETWEEN.pattern})"))
    for shape in (
        "/v1/charges/{id}/refunds",
        "/v1/checkout/sessions/{id}/line_items",
        "/v1/credit_notes/{id}/lines",
        "/v1/customers/{id}/payment_methods",
        "/v1/customers/{id}/subscriptions",
        "/v1/customers/{id}/tax_ids",
        "/v1/invoices/{id}/lines",
        "/v1/invoices/{id}/payments",
    )
)
# The same for those that name their owner as a parameter: path -> the parameter.
_EMBEDDED_BY_OWNER: dict[str, str] = {
    "/v1/invoice_payments": "invoice",
    "/v1/subscription_items": "subscription",
}


class Page(NamedTuple):
    """One page of a list: its path and what is asked of it."""

    path: str
    query: dict[str, Any]


def object_path(params: Mapping[str, Any]) -> str:
    """
    Return the path of the object that `type` and `id` name.

    :raises Refused: for a type that is not read, or an id that is none
    """
    return f"/v1/{_place(params)}/{_escaped(params.get('id'), 'id')}"


def written_path(shape: str, id: Any) -> str:
    """
    Return the address `shape` of a write with the id of its object where `{id}` stands.

    :raises Refused: for an id that is none
    """
    return shape.replace("{id}", _escaped(id, "id")) if "{id}" in shape else shape


def search_page(params: Mapping[str, Any]) -> Page:
    """
    Return the newest objects of a `type` that have the `value` under the metadata key `key`.

    The query language: https://docs.stripe.com/search#search-query-language

    :raises Refused: for a type that cannot be searched, or a key or a value that is none
    """
    kind = str(params.get("type") or "")
    if kind not in SEARCHED:
        raise errors.Refused(f"Objects of type {kind!r} cannot be searched.", field="type")
    key, value = (_quoted(_text(name, params.get(name))) for name in ("key", "value"))
    cut = {name: part for name, part in _cut(params).items() if name == "limit"}
    return Page(f"/v1/{PLACES[kind]}/search", {"query": f"metadata[{key}]:{value}", **cut})


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def thin_event_path(params: Mapping[str, Any]) -> str:
    """
    Return the path of the thin event that `id` names.

    :raises Refused: for an id that is none
    """
    return f"/v2/core/events/{_escaped(params.get('id'), 'id')}"


def list_page(params: Mapping[str, Any]) -> Page:
    """
    Return the page of all objects of a `type`, filtered by `params` and cut by the cursors.

    :raises Refused: for a type that is not read, a filter that its list does not have, or a wrong value
    """
    place = _place(params)
    known = FILTERS[str(params["type"])]
    query: dict[str, Any] = {}
    for name, value in dict(params.get("params") or {}).items():
        if name not in known:
            raise errors.Refused(f"The list of {params['type']} objects has no filter {name!r}.", field=name)
        query[name] = known[name](name, value)
    return Page(f"/v1/{place}", query | _cut(params))


def embedded_page(params: Mapping[str, Any]) -> Page:
    """
    Return the page of a list that stands inside an object, by the `url` that the list has there.

    The path is put together anew from the ids in it, so that no other address can be asked for.

    :raises Refused: for an address of any other shape
    """
    url = params.get("url")
    if isinstance(url, str) and len(url) <= 2 * LONGEST_ID:
        for shape in _EMBEDDED:
            if (found := shape.fullmatch(url)) is not None:
                start, end = found.span(1)
                return Page(url[:start] + _escaped(found[1], "url") + url[end:], _cut(params))
        path, _, named = url.partition("?")
        name, _, owner = named.partition("=")
        if name and _EMBEDDED_BY_OWNER.get(path) == name and _BETWEEN.fullmatch(owner):
            return Page(path, {name: _id(owner, "url")} | _cut(params))
    raise errors.Refused("This is no address of a list inside one of Stripe's objects.", field="url")


def _place(params: Mapping[str, Any]) -> str:
    kind = str(params.get("type") or "")
    if kind not in PLACES:
        raise errors.Refused(f"Objects of type {kind!r} are not read by this product.", field="type")
    return PLACES[kind]


def _id(value: Any, field: str) -> str:
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= LONGEST_ID
        or not value.isprintable()  # neither control characters nor lone surrogates
        or not _FORBIDDEN_IN_IDS.isdisjoint(value)
        or not value.strip(". ")  # dots alone lead to another path
    ):
        raise errors.Refused("An object is read by its id, which has no slashes.", field=field)
    return value


def _escaped(value: Any, field: str) -> str:
    return quote(_id(value, field), safe="")


def _cut(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a query that says which page: its size, where it begins, and what is expanded."""
    limit = params.get("limit", LARGEST_PAGE)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= LARGEST_PAGE:
        raise errors.Refused(f"A page has 1 to {LARGEST_PAGE} objects.", field="limit")
    cut: dict[str, Any] = {"limit": limit}
    for name in ("starting_after", "ending_before"):
        if params.get(name):
            cut[name] = _id(params[name], name)
    if len(cut) > 2:
        raise errors.Refused("A page has one cursor.", field="ending_before")
    if params.get("expand"):
        cut["expand"] = [str(path) for path in params["expand"]]
    return cut


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise errors.Refused(f"The filter {name!r} takes a text.", field=name)
    return value


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not value:
        raise errors.Refused(f"The filter {name!r} takes a list of texts.", field=name)
    return [_text(name, item) for item in value]


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise errors.Refused(f"The filter {name!r} is true or false.", field=name)
    return value


def _moments(name: str, value: Any) -> int | dict[str, int]:
    """Return a moment in Unix seconds, or the bounds of a span."""
    bounds = value if isinstance(value, Mapping) else {"gte": value}
    for bound, moment in bounds.items():
        if bound not in {"gt", "gte", "lt", "lte"} or isinstance(moment, bool) or not isinstance(moment, int):
            raise errors.Refused(
                f"The filter {name!r} takes seconds, by gt, gte, lt and lte or alone.", field=name
            )
    if not bounds:
        raise errors.Refused(f"The filter {name!r} has no bound.", field=name)
    return dict(bounds) if isinstance(value, Mapping) else int(value)


def _parts(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise errors.Refused(f"The filter {name!r} takes named texts.", field=name)
    return {_text(name, key): _text(name, item) for key, item in value.items()}


_Reader = Callable[[str, Any], Any]
_CREATED: dict[str, _Reader] = {"created": _moments}
_OWNED: dict[str, _Reader] = {**_CREATED, "customer": _text}
_OF_A_PAYMENT: dict[str, _Reader] = {**_CREATED, "charge": _text, "payment_intent": _text}

# Object type -> the filters that its list has, with what reads their values.
FILTERS: dict[str, dict[str, _Reader]] = {
    "balance_transaction": {
        **_CREATED, "currency": _text, "payout": _text, "source": _text, "type": _text
    },
    "charge": {**_OWNED, "payment_intent": _text, "transfer_group": _text},
    "checkout.session": {**_OWNED, "payment_intent": _text, "status": _text, "subscription": _text},
    "credit_note": {**_OWNED, "invoice": _text},
    "customer": {**_CREATED, "email": _text, "test_clock": _text},
    "dispute": _OF_A_PAYMENT,
    "event": {**_CREATED, "delivery_success": _switch, "type": _text, "types": _texts},
    "invoice": {
        **_OWNED, "collection_method": _text, "due_date": _moments, "status": _text, "subscription": _text
    },
    "invoice_payment": {**_CREATED, "invoice": _text, "payment": _parts, "status": _text},
    "invoiceitem": {**_OWNED, "invoice": _text, "pending": _switch},
    "payment_intent": _OWNED,
    "payment_link": {"active": _switch},
    "payment_method": {"customer": _text, "type": _text},
    "payout": {**_CREATED, "arrival_date": _moments, "destination": _text, "status": _text},
    "price": {
        **_CREATED, "active": _switch, "currency": _text, "lookup_keys": _texts, "product": _text,
        "type": _text,
    },
    "product": {**_CREATED, "active": _switch, "ids": _texts, "shippable": _switch, "url": _text},
    "refund": _OF_A_PAYMENT,
    "setup_intent": {**_OWNED, "payment_method": _text},
    "subscription": {
        **_OWNED, "collection_method": _text, "current_period_end": _moments,
        "current_period_start": _moments, "price": _text, "status": _text, "test_clock": _text,
    },
    "subscription_item": {"subscription": _text},
    "subscription_schedule": {**_OWNED, "scheduled": _switch},
    "webhook_endpoint": {},
}  # fmt: skip


def text_filters(kind: str) -> dict[str, bool]:
    """Return the filters of a type's list that compare texts, each with whether it takes several at once."""
    return {
        name: reader is _texts for name, reader in FILTERS.get(kind, {}).items() if reader in (_text, _texts)
    }


Takes = Literal["text", "texts", "switch", "moment"]
_TAKES: dict[_Reader, Takes] = {_text: "text", _texts: "texts", _switch: "switch", _moments: "moment"}


def filters_of(kind: str) -> dict[str, Takes]:
    """Return the filters of a type's list that compare one value, each with what it takes."""
    return {name: _TAKES[reader] for name, reader in FILTERS.get(kind, {}).items() if reader in _TAKES}
