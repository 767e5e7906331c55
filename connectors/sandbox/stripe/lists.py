"""This module cuts lists into Stripe's pages: newest first, with cursors by id."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller
    from connectors.sandbox.stripe.stores import Store

PAGE: Spec = {"limit": "integer", "starting_after": "id", "ending_before": "id"}


def page(
    caller: Caller,
    store: Store,
    values: Values,
    *,
    url: str,
    equal: tuple[str, ...] = (),
    keep: Callable[[dict[str, Any]], bool] | None = None,
) -> dict[str, Any]:
    """
    Return one page of the caller's mode; the fields named in `equal` must equal the parameter of that name.

    :raises ApiError: 400 for a limit outside 1 to 100, two cursors, or a cursor that is no object
    """
    limit = values.get("limit", 10)
    if not 1 <= limit <= 100:
        bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        raise invalid(
            f"Invalid integer: {limit} must be {bound}", param="limit", code="parameter_invalid_integer"
        )
    wanted = {name: values[name] for name in equal if name in values}

    def fits(item: dict[str, Any]) -> bool:
        return (
            item.get("livemode", caller.livemode) == caller.livemode
            and all(item[name] == value for name, value in wanted.items())
            and _in_range(item.get("created", item.get("date", 0)), values.get("created", {}))
            and (keep is None or keep(item))
        )

    found = list(islice(filter(fits, _walk(caller, store, values)), limit + 1))
    data = found[:limit]
    if "ending_before" in values:
        data.reverse()
    return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url}


def _walk(caller: Caller, store: Store, values: Values) -> Iterator[dict[str, Any]]:
    after, before = values.get("starting_after"), values.get("ending_before")
    if after and before:
        raise invalid("You cannot use both `starting_after` and `ending_before`.", param="ending_before")
    if before:
        caller.find(store, before, param="ending_before")
        return store.newer(before)
    if after:
        caller.find(store, after, param="starting_after")
    return store.older(after or "")


def _in_range(moment: int, bounds: dict[str, int]) -> bool:
    tests = {
        "eq": moment.__eq__,
        "gt": moment.__gt__,
        "gte": moment.__ge__,
        "lt": moment.__lt__,
        "lte": moment.__le__,
    }
    return all(tests[bound](value) for bound, value in bounds.items())
