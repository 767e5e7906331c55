"""This module runs work against an org and replaces the session once when it turns out to be over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from connectors import outbound
from connectors.base import Account
from connectors.salesforce import auth
from connectors.salesforce.client import Org
from connectors.salesforce.errors import Expired
from connectors.throttle import SALESFORCE_CALLS_IN_FLIGHT
from integrator.kernel import errors

Asked = TypeVar("Asked")
Got = TypeVar("Got")

_SESSION = "session"


def run(
    account: Account,
    work: Callable[[Org, Asked], Got],
    items: Sequence[Asked],
    *,
    failed: Callable[[errors.IntegrationError, Asked], Got],
    deadline: float,
) -> list[Got]:
    """
    Return `work` of each item, in order; `failed` turns a failure into what stands in its place.

    An item that meets an expired session is tried once more with a new one. If that is refused too, nobody
    logs in for a while: recursion here would burn the org's login limit.
    """
    if account.guest:
        return _as_guest(account, work, items, failed, deadline)
    ends = time.monotonic() + deadline
    results: dict[int, Got] = {}
    places = list(range(len(items)))
    stale: int | None = None
    for _ in range(2):
        try:
            looked_at = _looked_at(account) if stale is None else None
            token = looked_at or auth.obtain(account, stale=stale, deadline=ends - time.monotonic())
            org = Org(account, token)
        except errors.IntegrationError as failure:
            results |= {place: failed(failure, items[place]) for place in places}
            break
        answers = _each(org, work, [items[place] for place in places], failed, ends - time.monotonic())
        results |= {place: got for place, got in zip(places, answers, strict=True) if got is not None}
        places = [place for place in places if place not in results]
        if not places:
            break
        stale = token.generation
    else:
        refusal = auth.refuse_sessions(account.connection_id, generation=token.generation)
        results |= {place: failed(refusal, items[place]) for place in places}
    return [results[place] for place in range(len(items))]


def _as_guest(
    account: Account,
    work: Callable[[Org, Asked], Got],
    items: Sequence[Asked],
    failed: Callable[[errors.IntegrationError, Asked], Got],
    deadline: float,
) -> list[Got]:
    """Return `work` of each item with the session that a person lent; nobody logs in if it is over."""
    org = Org(account, auth.Token(account.guest, account.base_url, account.pinned_account, 0))
    over = errors.Unauthorized(
        "Salesforce does not take this session: it is over, or it was not copied as a whole.", code="guest"
    )
    answers = _each(org, work, items, failed, deadline)
    return [failed(over, item) if got is None else got for item, got in zip(items, answers, strict=True)]


def use_next(account: Account, token: auth.Token) -> None:
    """Let the next work of `account` use the session that was just looked at, and not look for it again."""
    account.kept[_SESSION] = token


def _looked_at(account: Account) -> auth.Token | None:
    token: auth.Token | None = account.kept.pop(_SESSION, None)
    return token


def _each(
    org: Org,
    work: Callable[[Org, Asked], Got],
    items: Sequence[Asked],
    failed: Callable[[errors.IntegrationError, Asked], Got],
    deadline: float,
) -> list[Got | None]:
    """Return `work` of each item, several at a time, with None where the session is over."""

    def one(item: Asked) -> Got | None:
        try:
            return work(org, item)
        except Expired:
            return None
        except errors.IntegrationError as failure:
            return failed(failure, item)

    return outbound.each(one, items, width=SALESFORCE_CALLS_IN_FLIGHT, deadline=deadline)
