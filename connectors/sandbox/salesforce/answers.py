"""This module holds the answers and error bodies of the simulated org."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

ENCODER = msgspec.json.Encoder(decimal_format="number")

# What Salesforce answers with when the request as a whole has failed; every other code is a 400.
# https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
STATUS = {
    "INVALID_SESSION_ID": 401,
    "INVALID_AUTH_HEADER": 401,
    "REQUEST_LIMIT_EXCEEDED": 403,
    "INSUFFICIENT_ACCESS": 403,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "NOT_FOUND": 404,
    "ENTITY_IS_DELETED": 404,
    "METHOD_NOT_ALLOWED": 405,
    "UNSUPPORTED_API_VERSION": 410,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request or with one record of it."""

    code: str
    message: str
    fields: tuple[str, ...] | None = None
    # A JSON value of the wrong type fails the whole request when it holds one record: what is said then.
    parser_message: str = ""
    # What stands beside the message where the request was about one record, such as the duplicates found.
    details: Mapping[str, Any] | None = None

    def as_error(self) -> dict[str, Any]:
        """Return the problem as an item of the error list of a whole request."""
        if self.parser_message:
            return {"message": self.parser_message, "errorCode": "JSON_PARSER_ERROR"}
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            error["fields"] = list(self.fields)
        return {**error, **(self.details or {})}

    def as_item(self) -> dict[str, Any]:
        """Return the problem as an error of one record of a collection."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}


class Refused(Exception):
    """Salesforce says no, for one reason or for several."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def refused(code: str, message: str, *fields: str, dml: bool = False) -> Refused:
    """Return the refusal for one reason; errors of records (`dml`) list fields even where there are none."""
    return Refused(Problem(code, message, fields if fields or dml else None))


@dataclass(slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def as_json(payload: object, status: int = 200, **headers: str) -> Answer:
    """Return `payload` as a JSON answer; the underscore of a header's name becomes a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        status, ENCODER.encode(payload), {"Content-Type": "application/json;charset=UTF-8", **named}
    )


def as_html(text: str, status: int) -> Answer:
    """Return a page, as the proxies in front of an org do."""
    return Answer(status, text.encode(), {"Content-Type": "text/html;charset=UTF-8"})


def from_refusal(refusal: Refused) -> Answer:
    """Return the answer to a request that has failed as a whole."""
    first = refusal.problems[0]
    status = 400 if first.parser_message else STATUS.get(first.code, 400)
    return as_json([problem.as_error() for problem in refusal.problems], status)


def nothing_there() -> Refused:
    """Return the refusal of an address that leads nowhere."""
    return refused("NOT_FOUND", "The requested resource does not exist")
