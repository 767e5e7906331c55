"""This module takes the calls of the REST API: versions, logins, sessions, limits, and who answers what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import Response

from connectors.sandbox.salesforce.answers import (
    Answer,
    Refused,
    as_html,
    as_json,
    from_refusal,
    nothing_there,
    refused,
)
from connectors.sandbox.salesforce.calls import Call
from connectors.sandbox.salesforce.collection_resources import collections
from connectors.sandbox.salesforce.composite_resources import composite
from connectors.sandbox.salesforce.flow_resources import actions
from connectors.sandbox.salesforce.metadata.resources import metadata
from connectors.sandbox.salesforce.oauth import LoginRefused, User
from connectors.sandbox.salesforce.query_resources import query, tooling
from connectors.sandbox.salesforce.record_resources import sobjects
from connectors.sandbox.salesforce.soap import soap
from connectors.sandbox.salesforce.ui_resources import ui

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.salesforce.history import Flight
    from connectors.sandbox.salesforce.org import Org

    Handler = Callable[[Call], Answer]

NEWEST = 67
OLDEST = 46  # the first that tells "created" in an upsert; older ones are not simulated
GONE = range(21, 31)
SEASONS = ("Winter", "Spring", "Summer")
LONGEST_ADDRESS = 16_384
# https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_calloptions.htm
CLIENT = re.compile(r"\bclient=([^,;]+)")


class Api:
    """The ASGI application that answers for the org."""

    def __init__(self, org: Org) -> None:
        self.org = org

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        answer = self._answer(request, body)
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)

    def _answer(self, request: Request, body: bytes) -> Answer:
        """Answer at once; nothing is awaited here, so each call takes effect as a whole."""
        raw: bytes = request.scope["raw_path"]
        if len(raw) + len(request.scope["query_string"]) > LONGEST_ADDRESS:
            return as_html("<html><head><title>414 URI Too Long</title></head><body/></html>", 414)
        segments = [unquote(segment) for segment in raw.decode("ascii", "replace").split("/")[1:]]
        if segments[:2] == ["services", "oauth2"]:
            return self._oauth(request, segments[2:], body)
        if segments[0] == "id":
            return self._identity(request, segments)
        if segments[:2] == ["services", "Soap"]:
            return soap(self.org, request, body)
        if segments[:2] != ["services", "data"]:
            return as_html("<html><head><title>Page not found</title></head><body>404</body></html>", 404)
        if len(segments) == 2 or segments[2:] == [""]:
            return as_json([_version(number) for number in range(OLDEST, NEWEST + 1)])
        try:
            return self._versioned(request, segments[2], segments[3:], body)
        except Refused as refusal:
            return from_refusal(refusal)

    def _versioned(self, request: Request, version: str, segments: list[str], body: bytes) -> Answer:
        number = _version_number(version)
        user = self._user(request.headers)
        if segments and segments[-1] == "":
            segments = segments[:-1]
        try:
            self.org.limits.count_call()
            flight: Flight = request.scope["sandbox.flight"]
            flight.client = _client(request.headers)
            flight.origin = _origin(f"{number}.0", flight.client)
            call = Call(
                org=self.org,
                flight=flight,
                user=user,
                method=request.method,
                segments=segments,
                query=dict(parse_qsl(request.url.query, keep_blank_values=True)),
                headers=request.headers,
                body=body,
                version=f"{number}.0",
                dispatch=_dispatch,
            )
            answer = self.org.obstacles.spoiled(body) or _dispatch(call)
        except Refused as refusal:
            answer = from_refusal(refusal)
        answer.headers["Sforce-Limit-Info"] = self.org.limits.header
        return answer

    def _user(self, headers: Mapping[str, str]) -> User:
        """
        Return the user whose access token the call carries.

        :raises Refused: if it carries none that opens a session
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme and scheme.lower() not in {"bearer", "oauth"}:
            raise refused("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
        user = self.org.door.who_holds(token.strip(), now=self.org.time())
        if user is None:
            raise refused("INVALID_SESSION_ID", "Session expired or invalid")
        return user

    def _oauth(self, request: Request, segments: list[str], body: bytes) -> Answer:
        if segments not in (["token"], ["revoke"]):
            return as_html("<html><head><title>Page not found</title></head><body>404</body></html>", 404)
        if request.method != "POST":
            return as_json({"error": "invalid_request", "error_description": "must use HTTP POST"}, 400)
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        if segments == ["revoke"]:
            self.org.door.sessions.pop(form.get("token", ""), None)
            return Answer(200)
        address = self._address(request)
        try:
            told = self.org.door.login(
                form,
                org_id=self.org.id,
                address=address,
                instance_url=self.org.instance_url or address,
                now=self.org.time(),
            )
        except LoginRefused as refusal:
            return as_json({"error": refusal.error, "error_description": refusal.description}, 400)
        return as_json(told, Cache_Control="no-cache, no-store")

    def _identity(self, request: Request, segments: list[str]) -> Answer:
        """
        Say who the token's user is, at the address that a login gives.

        https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_openid.htm
        """
        try:
            user = self._user(request.headers)
        except Refused:
            return Answer(403, b"Bad_OAuth_Token", {"Content-Type": "text/html"})
        if segments[1:] != [self.org.id, user.id]:
            return Answer(404, b"Bad_Id", {"Content-Type": "text/html"})
        return as_json(
            {
                "id": f"{self._address(request)}/id/{self.org.id}/{user.id}",
                "user_id": user.id,
                "organization_id": self.org.id,
                "username": user.username,
                "active": user.active,
                "user_type": "STANDARD",
            }
        )

    def _address(self, request: Request) -> str:
        """Return the My Domain address: the org's own, or the one that the call was made to."""
        return self.org.base_url or f"{request.url.scheme}://{request.url.netloc}"


def _version(number: int) -> dict[str, str]:
    """Return a release: three a year, Spring '26 being version 66."""
    year, season = divmod(number - 65, 3)
    text = f"{number}.0"
    return {"label": f"{SEASONS[season]} '{26 + year}", "url": f"/services/data/v{text}", "version": text}


def _version_number(text: str) -> int:
    match = re.fullmatch(r"v(\d{1,3})\.0", text)
    number = int(match.group(1)) if match else 0
    if number in GONE:
        message = "The requested API version is no longer supported. Use a newer version."
        raise refused("UNSUPPORTED_API_VERSION", message)
    if not OLDEST <= number <= NEWEST:
        raise nothing_there()
    return number


def _client(headers: Mapping[str, str]) -> str:
    match = CLIENT.search(headers.get("sforce-call-options", ""))
    return match.group(1).strip() if match else ""


def _origin(version: str, client: str) -> str:
    """
    Return where the changes of a call come from, as change events tell it.

    https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_header.htm
    """
    return f"com/salesforce/api/rest/{version}" + (f";client={client}" if client else "")


def _dispatch(call: Call) -> Answer:
    return _handler(list(call.segments))(call)


def _handler(segments: list[str]) -> Handler:
    if not segments:
        return _resources
    if segments[:2] == ["composite", "sobjects"]:
        return collections
    handler = HANDLERS.get(segments[0].lower())
    if handler is None:
        raise nothing_there()
    return handler


def _resources(call: Call) -> Answer:
    call.allow("GET")
    names = ("actions", "composite", "limits", "metadata", "query", "queryAll", "sobjects", "ui-api")
    return as_json({name: f"/services/data/v{call.version}/{name}" for name in names})


def _limits(call: Call) -> Answer:
    call.allow("GET")
    return as_json(call.org.limits.as_json())


HANDLERS: dict[str, Handler] = {
    "actions": actions,
    "composite": composite,
    "sobjects": sobjects,
    "query": query,
    "queryall": query,
    "limits": _limits,
    "metadata": metadata,
    "tooling": tooling,
    "ui-api": ui,
}
