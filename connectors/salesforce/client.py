"""
This module sends requests to one org, in our own way.

simple-salesforce is used for reading only and gets our session: it has no timeouts, does not encode
external ids, turns money into floats and logs in again without asking.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import requests

from connectors import outbound
from connectors.addresses import is_loopback
from connectors.base import Account
from connectors.diagnosis import kind_of
from connectors.salesforce.auth import Token
from connectors.salesforce.errors import (
    Expired,
    failure_of,
    is_expired,
    problems_of,
    unanswered,
    unreachable,
)
from integrator.kernel import errors
from integrator.kernel.texts import LONGEST_REQUEST_ID, storable

if TYPE_CHECKING:
    from connectors.salesforce.pubsub.client import Bus
    from connectors.salesforce.simple import Salesforce

API_VERSION = "v67.0"
UNWRITABLE = "UNWRITABLE_VALUE"
NEVER_SENT = frozenset({"dns", "connect"})  # what went wrong before the request had left
CLIENT_NAME = "Integrator"  # comes back in the changeOrigin of change events, and marks them as ours

_XML = "text/xml"
_VERSION = re.compile(r"v(\d{2,3}\.0)")
_USAGE = re.compile(r"(?<![\w-])api-usage=(\d+)/(\d+)")
_ENCODER = msgspec.json.Encoder(decimal_format="number")  # 0.10 stays 0.10, which no float can promise


class Org:
    """One org, reached with one session. Holds no connection and no state but the token."""

    def __init__(self, account: Account, token: Token) -> None:
        version = _VERSION.fullmatch(account.api_version)
        if version is None:
            raise errors.Refused(f"{account.api_version!r} is no API version such as v67.0.")
        self._account = account
        self._token = token
        self._version = version[1]
        self.data = f"/services/data/{account.api_version}"

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        repeatable: bool = True,
        unless_since: str = "",
        content_type: str = "application/json",
        allow_duplicates: bool = False,
    ) -> requests.Response:
        """
        Send one request and return the answer, whatever its status but 401.

        What has not changed after `unless_since`, a date as HTTP writes it, is answered with 304. With
        `allow_duplicates` a record is saved although a duplicate rule finds others, if the rule leaves that
        open: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_duplicaterules.htm

        :raises Expired: if a new session is needed
        :raises Transient: if there is no answer; what was sent may have been done
        :raises Uncertain: in its place, if it may have been done and is not `repeatable`
        """
        headers = self._headers(content_type, has_body=body is not None)
        if unless_since:
            headers["If-Modified-Since"] = unless_since
        if allow_duplicates:
            headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true"
        self._account.called("")
        try:
            answer = outbound.session().request(
                method, self._token.instance_url + path, data=body, headers=headers
            )
        except requests.RequestException as error:
            kind = kind_of(error)
            raise unreachable(kind) if repeatable or kind in NEVER_SENT else unanswered(kind) from error
        self.note_usage(answer)
        if answer.status_code == 401 and is_expired(401, problems_of(answer.content)):
            raise Expired
        return answer

    def _headers(self, content_type: str, *, has_body: bool) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._token.value}",
            "Accept": content_type if content_type.startswith(_XML) else "application/json",
            "Sforce-Call-Options": f"client={CLIENT_NAME}",
            # An assignment rule must not change owners because we touched a record.
            "Sforce-Auto-Assign": "FALSE",
            # The resources for user interfaces write R&D as R&amp;D otherwise:
            # https://developer.salesforce.com/docs/atlas.en-us.uiapi.meta/uiapi/intro_encoding.htm
            "X-Chatter-Entity-Encoding": "false",
        }
        if has_body:
            headers["Content-Type"] = content_type
        if content_type.startswith(_XML):
            headers["SOAPAction"] = '""'
        return headers

    def soap(self, body: Callable[[str], bytes]) -> requests.Response:
        """
        Send one call to the SOAP API and return the answer; `body` is made with the id of the session.

        :raises Transient: if it did not leave
        :raises Uncertain: if there is no answer: it may have been done
        """
        path = f"/services/Soap/u/{self._version}"
        content_type = f"{_XML}; charset=UTF-8"
        return self.request(
            "POST", path, body=body(self._token.value), repeatable=False, content_type=content_type
        )

    def failure(self, answer: requests.Response, *, key_field: str = "") -> errors.IntegrationError:
        """Return the failure that an answer with a bad status means."""
        return failure_of(
            answer.status_code,
            problems_of(answer.content),
            now=self.now(),
            request_id=request_id_of(answer),
            key_field=key_field,
        )

    def now(self) -> datetime:
        """Return the time from which a budget's rest is counted."""
        return datetime.now(UTC)

    def reader(self) -> Salesforce:
        """
        Return simple-salesforce over our session, for `restful` and `query_all_iter` only.

        A new one for each task: its headers are shared by everything it does, and one of its methods
        changes them for good.
        """
        from connectors.salesforce import simple  # noqa: PLC0415  # only who reads needs its 8 MB

        return simple.Salesforce(
            session_id=self._token.value,
            instance_url=self._token.instance_url,
            version=self._version,
            # It can only write https://, so on this machine an adapter puts that right.
            session=outbound.session(loopback_without_tls=is_loopback(self._token.instance_url)),
            parse_float=Decimal,
            object_pairs_hook=dict,
        )

    def bus(self) -> Bus:
        """
        Return the event bus, reached with our session; whoever takes it closes it.

        :raises Refused: if the connection may not speak to the address that is set for its event bus
        """
        from connectors.salesforce.pubsub.client import Bus  # noqa: PLC0415  # only who listens needs gRPC

        return Bus(self._account, self._token)

    def hooks(self) -> dict[str, Any]:
        """Return what simple-salesforce has to pass to `requests`, so that each call is counted and read."""
        return {"response": self._note_read}

    def _note_read(self, answer: requests.Response, *args: Any, **kwargs: Any) -> None:
        self._account.called("")
        self.note_usage(answer)

    def note_usage(self, answer: requests.Response) -> None:
        """Tell the gateway what the org says about its API budget."""
        found = _USAGE.search(answer.headers.get("Sforce-Limit-Info", ""))
        if found:
            self._account.spent(int(found[1]), int(found[2]))


def request_id_of(answer: requests.Response) -> str:
    """Return the id under which Salesforce's support finds the request, if the answer has one."""
    return storable(str(answer.headers.get("X-SFDC-Request-Id", "")), LONGEST_REQUEST_ID)


def json_of(answer: requests.Response) -> Any:
    """Return what an answer tells, or None if it is not JSON."""
    try:
        return answer.json(parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def encoded(fields: Mapping[str, Any]) -> bytes:
    """
    Return `fields` as JSON in which a Decimal is a number with all its digits.

    :raises Refused: if a value has no place in JSON, with the field's name
    """
    for name, value in fields.items():
        if type(value) not in PLAIN and (problem := _problem_with(value)):
            raise errors.Refused(f"{name}: {problem}", code=UNWRITABLE, field=name)
    try:
        return _ENCODER.encode(fields)
    except (TypeError, ValueError, OverflowError) as problem:  # UnicodeError is a ValueError
        name = next((name for name, value in fields.items() if not _fits(value)), "")
        raise errors.Refused(
            f"{name}: cannot be written as JSON ({type(problem).__name__})", code=UNWRITABLE, field=name
        ) from None


PLAIN = frozenset({str, int, bool, type(None)})  # what most values are, written as they are


def _problem_with(value: Any) -> str:
    """Return what is wrong with a value that the encoder would write, but not as it is meant."""
    match value:
        case Mapping():
            return next((found for item in value.values() if (found := _problem_with(item))), "")
        case list() | tuple():
            return next((found for item in value if (found := _problem_with(item))), "")
        case Decimal() | float() if not math.isfinite(value):
            # The encoder would write null, and null clears the field.
            return f"{value} is not a number that can be written"
        case bytes() | bytearray() | memoryview():
            return "bytes are no text"  # the encoder would write base64
        case datetime() if value.tzinfo is None:
            return "a time without a time zone is no moment"
        case _:
            return ""


def _fits(value: Any) -> bool:
    try:
        _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
