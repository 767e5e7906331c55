"""
This module builds every Stripe client of the product.

What the SDK would do by default and must not: wait 80 s for an answer, retry behind our back, send
telemetry, print notices, and hand out objects that are neither dicts nor JSON.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import stripe

from connectors import outbound
from connectors.base import NO_TURN, Account, at_once
from connectors.stripe.webhooks import payload
from integrator.kernel import errors

API_VERSION = "2026-10-28.endive"  # the version that stripe-python 16.1 describes
SECRET_KEY = "secret_key"  # noqa: S105  # the name of the credential, not the credential

stripe.enable_telemetry = False
stripe.set_app_info("Integrator")
logging.getLogger("stripe").setLevel(logging.WARNING)  # at INFO it tells of every call

Got = TypeVar("Got")
_NAME = re.compile(r"(?:[a-z_]*|v\d)")  # what an id has and a name has not: digits and capitals
_UNREACHABLE: Any = stripe.APIConnectionError  # the SDK's constructor has no types


class Transport(stripe.HTTPClient):
    """Carries the SDK's requests over our own session: one deadline, no redirects, TLS verified."""

    name = "requests"

    def __init__(self, turn: Callable[[float, str], bool], called: Callable[[str], None]) -> None:
        super().__init__()
        self._turn, self._called = turn, called

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """
        Send one request in its turn and return body, status and headers.

        :raises stripe.APIConnectionError: caused by the network's error
        :raises Transient: if its turn does not come in time
        """
        if not self._turn(outbound.seconds_left(), endpoint_of(method, url)):
            raise errors.Transient("Our own share of Stripe's rate limit is used up for now.", code=NO_TURN)
        self._called("")
        try:
            answer = outbound.session().request(method.upper(), url, headers=headers, data=post_data)
        except requests.RequestException as cause:
            # The SDK's own text is long and speaks to whoever called it, not to whoever reads a run.
            raise _UNREACHABLE("Stripe could not be reached.", should_retry=False) from cause
        # Notices for test accounts go to `warnings` and would flood the workers' logs.
        answer.headers.pop("Stripe-Notice", None)
        # Half a character or a page in another encoding must not break the SDK's own reading.
        return answer.content.decode("utf-8", "replace"), answer.status_code, answer.headers

    def close(self) -> None:
        """Keep the session: it belongs to the thread."""


def endpoint_of(method: str, url: str) -> str:
    """
    Return which endpoint a request is for, as Stripe counts them: by method and path, whatever the ids.

    https://docs.stripe.com/rate-limits
    """
    parts = urlsplit(url).path.split("/")
    return " ".join((method.upper(), "/".join(part if _NAME.fullmatch(part) else "{id}" for part in parts)))


def client_for(account: Account, *, turn: Callable[[float, str], bool] = at_once) -> stripe.StripeClient:
    """
    Return a client for `account`; making one costs microseconds, so none is kept with its key.

    Before each of its requests `turn` is asked whether it may be sent.
    """
    return stripe.StripeClient(
        account.secret(SECRET_KEY),
        stripe_version=account.api_version or API_VERSION,
        base_addresses={"api": account.base_url, "connect": account.base_url, "files": account.base_url},
        http_client=Transport(turn, account.called),
        max_network_retries=0,  # retrying is decided in one place, and that is not the SDK
    )


def read(client: stripe.StripeClient, path: str, **params: Any) -> tuple[dict[str, Any], str | None]:
    """
    Return the object at `path` as plain JSON, and the Date header of the answer.

    The SDK sends and checks, but does not build its objects: they cost more than the call itself, and would
    have to be turned into dicts again.

    :raises stripe.StripeError: for what the SDK understands
    :raises Transient: for an answer that is JSON of another shape
    """
    found, date = _got(client, path, params)
    if not found.get("object") or not found.get("id"):
        raise _no_answer()
    return found, date


def read_list(
    client: stripe.StripeClient, path: str, **params: Any
) -> tuple[tuple[list[Any], bool], str | None]:
    """
    Return one page of the list at `path` as plain JSON with whether there is more, and the Date header.

    What its elements are is not looked at: see `check_objects`.

    :raises stripe.StripeError: for what the SDK understands
    :raises Transient: for an answer that is JSON of another shape
    """
    found, date = _got(client, path, params)
    objects, has_more = found.get("data"), found.get("has_more")
    if not isinstance(objects, list) or not isinstance(has_more, bool):
        raise _no_answer()
    return (objects, has_more), date


def check_objects(elements: Sequence[Any]) -> None:
    """
    Make sure that `elements` of a list are objects of Stripe's.

    :raises Transient: if one of them is not
    """
    if not all(isinstance(item, dict) and item.get("id") and item.get("object") for item in elements):
        raise _no_answer()


def _got(
    client: stripe.StripeClient, path: str, params: Mapping[str, Any]
) -> tuple[dict[str, Any], str | None]:
    answer: Any = _understood(lambda: client.raw_request("get", path, **params))
    # Read as events are: fractions are Decimals, and what no database takes is replaced.
    found = payload(answer.body.encode("utf-8", "replace"))
    if not isinstance(found, dict):
        raise _no_answer()
    return found, answer.headers.get("Date")


def write(
    client: stripe.StripeClient, method: str, path: str, params: Mapping[str, Any], *, key: str
) -> dict[str, Any]:
    """
    Send `params` to `path` under an idempotency key, and return the object that came of it as plain JSON.

    :raises stripe.StripeError: for what the SDK understands
    :raises Transient: for an answer that is JSON of another shape
    """
    answer: Any = _understood(lambda: client.raw_request(method, path, idempotency_key=key, **params))
    found = payload(answer.body.encode("utf-8", "replace"))
    if not isinstance(found, dict) or not found.get("object") or not found.get("id"):
        raise _no_answer()
    return found


def written(call: Callable[[], stripe.StripeObject]) -> dict[str, Any]:
    """
    Return what a writing call of the SDK made, as plain dicts, fit for JSON.

    :raises stripe.StripeError: for what the SDK understands
    :raises Transient: for an answer that is JSON of another shape
    """
    return _understood(lambda: dict(call().to_dict(for_json=True)))


def _understood(call: Callable[[], Got]) -> Got:
    try:
        return call()
    except (AttributeError, KeyError, TypeError):
        # The SDK takes the shape of an answer for granted and breaks at any other.
        raise _no_answer() from None


def _no_answer() -> errors.Transient:
    return errors.Transient(
        "Stripe answered with something that is no answer of its API.", code="unavailable"
    )
