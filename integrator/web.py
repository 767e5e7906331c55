"""This module holds the small parts that every page and every REST answer share."""

from __future__ import annotations

import base64
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django_htmx.http import trigger_client_event
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.exceptions import PermissionDenied as Denied
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"
LARGEST_ID = 2**63 - 1

M = TypeVar("M", bound=Model)


# One id for everything that a request causes


class RequestId:
    """Give every request an id, the caller's own where it is harmless, and put it into every log line."""

    HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if self.HARMLESS.fullmatch(given) else secrets.token_hex(8)
        request.request_id = request_id  # type: ignore[attr-defined]  # ours, read by `problem`
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            if response.status_code == HTTPStatus.FORBIDDEN:
                who = getattr(request, "user", "")
                log.warning("access.refused", method=request.method, path=request.path[:200], who=str(who))
        response["X-Request-Id"] = request_id
        if not response.has_header("Cache-Control") and not getattr(response, "streaming", False):
            # What a signed-in person sees must not stay in a shared cache or behind the back button.
            response["Cache-Control"] = "no-store"
        return response


# Errors of the REST interface


class Conflict(APIException):
    """The request is understood, but what it is about is in another state by now."""

    status_code = HTTPStatus.CONFLICT
    default_detail = "This cannot be done in its present state."
    default_code = "conflict"


class OtherSide(APIException):
    """The system that we had to ask did not do what it was asked."""

    status_code = HTTPStatus.BAD_GATEWAY
    default_detail = "The other system did not do what it was asked."
    default_code = "other_side"


class Busy(APIException):
    """The database cannot be asked now: it is away, locked, or all connections to it are taken."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The database does not answer now. Please try again in a moment."
    default_code = "busy"
    wait = 5  # seconds


def problem(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """
    Describe `error` as RFC 9457 wants it, with one entry in `errors` for each field at fault.

    An exception that is not the client's is a bug of ours: None, so that it is logged and answered as a 500.
    """
    error = _as_api_exception(error)
    if not isinstance(error, APIException):
        return None
    body = _problem_body(error.status_code, request_id=getattr(context.get("request"), "request_id", ""))
    if isinstance(error, ValidationError):
        body["detail"] = "The request is not valid."
        body["errors"] = _field_errors(error.detail)
    else:
        body["detail"] = _printable(str(error.detail))
    return Response(body, status=error.status_code, headers=_headers(error), content_type=PROBLEM)


def _as_api_exception(error: Exception) -> Exception:
    match error:
        case Http404():
            return NotFound("There is nothing here.")
        case PermissionDenied():
            return Denied()
        case OperationalError() | InterfaceError():
            log.warning("database.unavailable", exc_info=error)
            return Busy()
        case _:
            return error


def _problem_body(status: int, *, request_id: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": "",
        "request_id": request_id,
    }


def _headers(error: APIException) -> dict[str, str]:
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]  # set by APIView
    if getattr(error, "wait", None):
        headers["Retry-After"] = f"{error.wait:.0f}"  # type: ignore[attr-defined]  # set by Throttled
    return headers


def _field_errors(detail: Any, path: str = "") -> list[dict[str, str]]:
    if isinstance(detail, Mapping):
        return [
            found
            for key, value in detail.items()
            for found in _field_errors(value, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(detail, list) and any(isinstance(item, (Mapping, list)) for item in detail):
        return [
            found for place, item in enumerate(detail) for found in _field_errors(item, f"{path}.{place}")
        ]
    messages = detail if isinstance(detail, list) else [detail]
    return [
        {
            "field": _printable(path),
            "code": getattr(message, "code", "invalid"),
            "message": _printable(str(message)),
        }
        for message in messages
    ]


def _printable(text: str) -> str:
    # A message may repeat what was sent, and half of a surrogate pair cannot be sent back.
    return text.encode("utf-8", "replace").decode("utf-8")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that leads nowhere: a problem to programs, a page to people."""
    return _whole_page(request, HTTPStatus.NOT_FOUND, "There is nothing here.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer somebody whose role does not reach that far, inside of the frame where it is known."""
    detail = "Your role does not allow this."
    if not hasattr(request, "granted") or request.path.startswith("/api/"):
        return _whole_page(request, HTTPStatus.FORBIDDEN, detail)
    context = {"frame": "base.html", "title": "Not allowed", "message": str(exception) or detail}
    return render(request, "refused.html", context, status=HTTPStatus.FORBIDDEN)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours without telling how it came about, or that the database cannot be asked now."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        answer = _whole_page(request, Busy.status_code, Busy.default_detail)
        answer["Retry-After"] = str(Busy.wait)
        return answer
    return _whole_page(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "This is a fault of ours. It has been logged under this request's id.",
    )


def _whole_page(request: HttpRequest, status: HTTPStatus, detail: str) -> HttpResponse:
    request_id = getattr(request, "request_id", "")
    if request.path.startswith("/api/"):
        body = _problem_body(status, request_id=request_id) | {"detail": detail}
        return JsonResponse(body, status=status, content_type=PROBLEM)
    context = {
        "frame": "entrance.html",
        "title": status.phrase,
        "message": detail,
        "request_id": request_id,
    }
    # Without the request: its session may be what cannot be read.
    return HttpResponse(render_to_string("refused.html", context), status=status)


# Keyset paging: a page costs the same however deep it is, and new rows never shift it


def _cursor(last_id: int) -> str:
    return base64.urlsafe_b64encode(b"%d" % last_id).decode().rstrip("=")


def _id_of(cursor: str) -> int:
    """
    Return the id behind `cursor`.

    :raises ValueError: if it is not one of ours
    """
    text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    if not re.fullmatch(rb"\d{1,19}", text) or int(text) > LARGEST_ID:
        raise ValueError("not a cursor")
    return int(text)


# What reads a page: of these rows those beyond a number, upward or downward, so many of them, nearest first;
# and the number up to which it looked, if it has not come to the end.
Reader = Callable[[QuerySet[M], int, bool, int], tuple[list[M], int | None]]


def beyond(rows: QuerySet[M], start: int, upward: bool, most: int) -> tuple[list[M], int | None]:
    """Read a page at once, as is right where an index leads to the rows."""
    found = rows.filter(pk__gt=start) if upward else rows.filter(pk__lt=start)
    return list(found.order_by("pk" if upward else "-pk")[:most]), None


class NewestFirst(BasePagination):
    """Lists of the REST interface: newest first, `limit` rows, and the address of the next page."""

    most = 200
    usual = 50

    def __init__(self) -> None:
        self.next: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """
        Return the rows of the page that `request` asks for.

        :raises ValidationError: if `limit` or `cursor` cannot be read
        """
        limit, start = self._limit(request), LARGEST_ID
        if cursor := request.query_params.get("cursor"):
            try:
                start = _id_of(cursor)
            except ValueError:
                raise ValidationError({"cursor": "This is not a cursor of this list."}) from None
        rows, reached = self.reader_of(view)(queryset, start, False, limit + 1)
        if len(rows) > limit:
            reached = rows[limit - 1].id
        if reached is not None:
            self.next = replace_query_param(request.build_absolute_uri(), "cursor", _cursor(reached))
        return rows[:limit]

    def reader_of(self, view: Any) -> Reader[Any]:
        """Return what reads a page of `view`: what it says itself, or all at once."""
        return getattr(view, "reader", None) or beyond

    def _limit(self, request: Request) -> int:
        given = request.query_params.get("limit", str(self.usual))
        if not re.fullmatch(r"[0-9]{1,4}", given) or not 1 <= int(given) <= self.most:
            raise ValidationError({"limit": f"A number from 1 to {self.most}."})
        return int(given)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the address of the next one, null on the last."""
        return Response({"next": self.next, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page for the OpenAPI document."""
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {
                    "type": "string",
                    "format": "uri",
                    "nullable": True,
                    "description": "Address of the next page; null on the last.",
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe `limit` and `cursor` for the OpenAPI document."""
        return [
            {
                "name": "limit",
                "in": "query",
                "description": "Rows on a page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": self.most, "default": self.usual},
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "Where the page begins; taken from `next` of the page before.",
                "schema": {"type": "string"},
            },
        ]


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """
    One page of a list for people; `older` and `newer` are query strings, empty where there is no more.

    It is `partial` if it was not looked to the end of the list, where more may fit.
    """

    rows: list[M]
    older: str
    newer: str
    partial: bool = False

    @classmethod
    def of(
        cls, rows: QuerySet[M], request: HttpRequest, *, size: int = 50, read: Reader[M] | None = None
    ) -> Page[M]:
        """Return the page of `rows`, newest first, that `request` asks for; a broken cursor is the start."""
        before, after = _place(request, "before"), _place(request, "after")
        upward = after is not None
        start = after if after is not None else LARGEST_ID if before is None else before
        found, reached = (read or beyond)(rows, start, upward, size + 1)
        far = found[size - 1].pk if len(found) > size else reached  # from where the next page goes on
        found = found[:size]
        near = found[0].pk if found else None
        if upward:
            found.reverse()
            older, newer = (near or start + 1), far
        else:
            older, newer = far, (near or start - 1) if before is not None else None
        return cls(
            rows=found,
            older="" if older is None else _query(request, "before", older),
            newer="" if newer is None else _query(request, "after", newer),
            partial=reached is not None,
        )


def _place(request: HttpRequest, name: str) -> int | None:
    try:
        return _id_of(request.GET[name])
    except (KeyError, ValueError):
        return None


def _query(request: HttpRequest, name: str, row: int) -> str:
    query = request.GET.copy()
    query.pop("before", None)
    query.pop("after", None)
    query[name] = _cursor(row)
    return query.urlencode()


# Answers to htmx


def part(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Render the piece of a page (`page.html#piece` or a file of its own) that htmx swaps in."""
    return render(request, template, dict(context))


def refuse(request: HttpRequest, message: str, status: int = HTTPStatus.CONFLICT) -> HttpResponse:
    """Say why something was not done: a toast where htmx asked, otherwise a page."""
    if getattr(request, "htmx", False):
        answer = HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
        return trigger_client_event(answer, "toast", {"message": message, "level": "error"})
    context = {
        "frame": "base.html",
        "title": "Not done",
        "message": message,
        "request_id": getattr(request, "request_id", ""),
    }
    return render(request, "refused.html", context, status=status)
