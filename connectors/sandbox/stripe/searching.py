"""This module searches objects by one metadata key, as far as the search of the API is simulated."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from connectors.sandbox.stripe.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller, StripeState
    from connectors.sandbox.stripe.stores import Store

SEARCH: Spec = {"limit": "integer", "page": "string", "query": "string!"}
STORES: dict[str, Callable[[StripeState], Store]] = {
    "charges": lambda state: state.charges,
    "customers": lambda state: state.customers,
    "invoices": lambda state: state.invoices,
    "payment_intents": lambda state: state.payment_intents,
    "prices": lambda state: state.prices,
    "products": lambda state: state.products,
    "subscriptions": lambda state: state.subscriptions,
}
# Capitals do not matter: https://docs.stripe.com/search#search-query-language
_TEXT = r"""(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")"""
_CLAUSE = re.compile(rf"\s*metadata\[{_TEXT}\]\s*:\s*{_TEXT}\s*")


class Search(Protocol):
    """An operation of the API that searches."""

    def __call__(self, caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
        """
        Return the first page of what was found.

        :raises ApiError: 400 for a query that is not simulated
        """


def of(place: str) -> Search:
    """Return what searches the objects that are kept at `place`, such as `customers`."""

    def search(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
        found = _CLAUSE.fullmatch(values["query"])
        if found is None:
            raise ApiError(
                400,
                "The sandbox simulates searches by one metadata key only, such as metadata['order']:'1'.",
                code="sandbox_unsupported",
                param="query",
            )
        key, value = _text(found[1], found[2]), _text(found[3], found[4])
        limit = values.get("limit", 10)
        fitting = (
            item
            for item in STORES[place](caller.state).older()
            if item["livemode"] == caller.livemode
            and item["metadata"].get(key, "").casefold() == value.casefold()
        )
        data = list(islice(fitting, limit + 1))
        return {
            "object": "search_result",
            "data": data[:limit],
            "has_more": len(data) > limit,
            "next_page": None,
            "url": f"/v1/{place}/search",
        }

    return search


def _text(single: str | None, double: str | None) -> str:
    return re.sub(r"\\(.)", r"\1", single if single is not None else double or "")
