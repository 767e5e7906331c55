"""This module holds a Stripe whose lists a test writes, in place of the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Params, Result
from integrator.kernel.errors import Missing

MOST = 100


class ListingStripe:
    """An account with lists, newest first, that answers `account` and `list` as the connector does."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.account = "acct_test"
        self.lists: dict[str, list[Any]] = {"event": []}
        self.asked: list[dict[str, Any]] = []  # the requests for lists
        self.before: Callable[[], object] = lambda: None  # what happens before each page
        self.failure: Exception | None = None
        self.most = MOST

    def event(self, name: str, at: datetime, **fields: Any) -> dict[str, Any]:
        """Put an event into the list, where its time says."""
        event = {
            "id": name,
            "object": "event",
            "type": "charge.succeeded",
            "api_version": "2026-10-28.endive",
            "livemode": False,
            "created": int(at.timestamp()),
            "pending_webhooks": 1,
            "data": {"object": {"id": f"ch_{name}", "object": "charge", "amount": 1999, "currency": "eur"}},
        } | fields
        self.put("event", event)
        return event

    def put(self, kind: str, *objects: dict[str, Any]) -> None:
        """Put objects into a list, where their times say."""
        listed = self.lists.setdefault(kind, [])
        listed.extend(objects)
        listed.sort(key=lambda one: -one["created"])

    def call_many(
        self, *, connection_id: int, action: str, requests: Sequence[Params], deadline: float
    ) -> list[Result]:
        """Answer as the gateway does."""
        (request,) = requests
        if action == "account":
            return [{"object": {"id": self.account}}]
        assert action == "list"
        self.asked.append(dict(request))
        self.before()
        if self.failure is not None:
            return [self.failure]  # type: ignore[list-item]
        return [self._page(request)]

    def _page(self, request: Params) -> Result:
        bounds = request["params"].get("created", {})
        low, high = bounds.get("gte", 0), bounds.get("lt", 1 << 40)
        found = [one for one in self.lists[request["type"]] if low <= one["created"] < high]
        if after := request.get("starting_after"):
            ids = [one.get("id") for one in found]
            if after not in ids:
                return Missing("No such event", code="resource_missing", field="starting_after")
            found = found[ids.index(after) + 1 :]
        most = min(request["limit"], self.most)
        asked_at = self.now - timedelta(seconds=1)
        return {
            "objects": found[:most],
            "has_more": len(found) > most,
            "requested_at": asked_at.isoformat(),
            "answered_at": self.now.isoformat(),
        }
