"""This module is Stripe as flows may ask of it: the table of its actions and who does each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import stripe

from connectors import outbound
from connectors.base import Account, Action, Answer, Connector, Diagnosis, Identity, Params, Result
from connectors.diagnosis import clock_skew
from connectors.stripe import diagnosis, places, writes
from connectors.stripe.client import SECRET_KEY, check_objects, client_for, read, read_list
from connectors.stripe.errors import translate
from connectors.stripe.registration import create_endpoint
from integrator.kernel import errors

CALLS_AT_ONCE = 8
Got = TypeVar("Got")


class Stripe(Connector):
    """Stripe, through its own SDK."""

    slug: ClassVar[str] = "stripe"
    label: ClassVar[str] = "Stripe"
    actions: ClassVar[Mapping[str, Action]] = {
        "retrieve": Action("retrieve", "Read an object", writes=False, batch=1),
        "retrieve_event": Action("retrieve_event", "Read a thin event", writes=False, batch=1),
        "list": Action("list", "Read a page of a list", writes=False, batch=1),
        "list_of": Action("list_of", "Read a page of a list inside an object", writes=False, batch=1),
        "search": Action("search", "Search by metadata", writes=False, batch=1),
        "find_marked": Action("find_marked", "Find what an effect made", writes=False, batch=1),
        "reached": Action("reached", "See whether an act was done", writes=False, batch=1),
        "account": Action("account", "Read the account", writes=False, batch=1),
        "create": Action("create", "Create an object", writes=True, batch=1),
        "update": Action("update", "Change an object", writes=True, batch=1),
        "act": Action("act", "Do something with an object", writes=True, batch=1),
        "create_webhook_endpoint": Action(
            "create_webhook_endpoint", "Create a webhook endpoint", writes=True, batch=1
        ),
    }

    def __init__(self) -> None:
        # A key never moves to another account, so where it leads is asked once. Keyed by its digest.
        self._accounts: dict[str, str] = {}

    def perform(
        self, account: Account, action: str, requests: Sequence[Params], *, deadline: float
    ) -> list[Result]:
        """
        Ask Stripe once per request, several at a time, each in its turn.

        What was read says when it was given by Stripe's clock (`answered_at`, from the Date header) and when
        it was asked for (`requested_at`: that, less the time the call took, both on one clock). Beside that:

        - `retrieve` takes `type`, `id` and `expand`, and answers `object`;
        - `list` takes `type`, `params` (the filters of `places.FILTERS`), `limit` up to 100, `starting_after`
          or `ending_before`, and `expand`, and answers `objects`, newest first, and `has_more`;
        - `list_of` takes the `url` of a list inside an object instead of `type` and `params`;
        - `retrieve_event` takes the `id` of a thin event and `expand`, and answers `object` and `related`,
          the object that the event is about as it is now, or None where there is none that can be read;
        - `create`, `update` and `act` write, `find_marked`, `reached` and `search` find: see `writes`.

        :raises KeyError: if there is no such action
        """
        client, asking = client_for(account, turn=account.turn), ACTIONS[action]
        refusals: list[errors.RateLimited] = []

        def ask(params: Params) -> Result:
            if refusals:  # what is sent now would be refused as well, and prolong it
                return refusals[0]
            result = _ask(lambda: asking(client, params))
            if isinstance(result, errors.RateLimited):
                refusals.append(result)
            return result

        return outbound.each(ask, requests, width=CALLS_AT_ONCE, deadline=deadline)

    def identity(self, account: Account, *, deadline: float) -> Identity:
        """
        Return the account and mode of the key.

        :raises IntegrationError: if Stripe cannot be asked
        """
        key = account.secret(SECRET_KEY)
        livemode = diagnosis.livemode_of(key)
        declared = str(account.settings.get("account_id") or "")
        if declared:  # a restricted key that may not read its account
            return Identity(declared, livemode)
        digest = hashlib.sha256(f"{account.base_url} {key}".encode()).hexdigest()
        if digest not in self._accounts:
            (answer,) = self.perform(account, "account", [{}], deadline=deadline)
            if isinstance(answer, errors.IntegrationError):
                raise answer
            self._accounts[digest] = str(answer["object"].get("id") or "")
        return Identity(self._accounts[digest], livemode)

    def test(self, account: Account) -> Diagnosis:
        """Try the key and say precisely what is wrong, or which account and mode it leads to."""
        if trouble := diagnosis.of_key(account):
            return trouble
        try:
            with outbound.within(outbound.DEADLINE_SECONDS):
                found, date = read(client_for(account), "/v1/account")
        except stripe.StripeError as error:
            return diagnosis.of_error(error, account, now=datetime.now(UTC))
        except errors.Transient as failure:
            return diagnosis.of_failure(failure)
        return diagnosis.of_account(found, account, skew=clock_skew(date, now=datetime.now(UTC)))


def _retrieve(client: stripe.StripeClient, params: Params) -> Answer:
    path, more = places.object_path(params), _expansion(params)
    found, when = _timed(lambda: read(client, path, **more))
    return {"object": found, **when}


def _retrieve_event(client: stripe.StripeClient, params: Params) -> Answer:
    path = places.thin_event_path(params)
    event, when = _timed(lambda: read(client, path))
    about = event.get("related_object")
    if not isinstance(about, Mapping) or about.get("type") not in places.PLACES:
        return {"object": event, "related": None, **when}
    try:
        answer = _retrieve(client, {**about, "expand": params.get("expand")})
    except stripe.StripeError as error:
        if not isinstance(translate(error, now=datetime.now(UTC)), errors.Missing):
            raise
        return {"object": event, "related": None, **when}
    return {**answer, "object": event, "related": answer["object"]}


def _list(client: stripe.StripeClient, params: Params) -> Answer:
    page = _page(client, places.list_page(params))
    if params.get("type") != "event":  # one that cannot be read is kept as it came, like one that is posted
        check_objects(page["objects"])
    return page


def _list_of(client: stripe.StripeClient, params: Params) -> Answer:
    page = _page(client, places.embedded_page(params))
    check_objects(page["objects"])
    return page


def _page(client: stripe.StripeClient, wanted: places.Page) -> Answer:
    (objects, has_more), when = _timed(lambda: read_list(client, wanted.path, **wanted.query))
    return {"objects": objects, "has_more": has_more, **when}


def _expansion(params: Params) -> dict[str, Any]:
    expand = list(params.get("expand") or ())
    return {"expand": expand} if expand else {}


def _account(client: stripe.StripeClient, params: Params) -> Answer:
    found, when = _timed(lambda: read(client, "/v1/account"))
    return {"object": found, **when}


ACTIONS: dict[str, Callable[[stripe.StripeClient, Params], Answer]] = {
    "retrieve": _retrieve,
    "retrieve_event": _retrieve_event,
    "list": _list,
    "list_of": _list_of,
    "search": writes.search,
    "find_marked": writes.find_marked,
    "reached": writes.reached,
    "account": _account,
    "create": writes.create,
    "update": writes.update,
    "act": writes.act,
    "create_webhook_endpoint": create_endpoint,
}


def _timed(call: Callable[[], tuple[Got, str | None]]) -> tuple[Got, dict[str, str]]:
    """Return what a call found, and when it was asked for and answered by Stripe's clock."""
    started = time.monotonic()
    found, date = call()
    took = timedelta(seconds=time.monotonic() - started)
    now = datetime.now(UTC)
    # The header has whole seconds; by our own clock only if Stripe sent none.
    answered = now - timedelta(seconds=clock_skew(date, now=now) or 0)
    return found, {"requested_at": (answered - took).isoformat(), "answered_at": answered.isoformat()}


def _ask(call: Callable[[], Answer]) -> Result:
    try:
        return call()
    except errors.IntegrationError as failure:
        return failure
    except stripe.StripeError as error:
        return translate(error, now=datetime.now(UTC))
    except UnicodeError:
        # A lone surrogate cannot be sent by any HTTP client.
        return errors.Refused("The id or a parameter cannot be written as UTF-8.")
