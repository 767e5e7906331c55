"""
This module translates what Salesforce answers into our failures.

The code decides, and the HTTP status where the code is a new one. An answer without a code is none of the
API's own, but of a proxy, a firewall or a load balancer: it says nothing about the request. Source of the
codes:
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connectors.base import UNREACHABLE
from integrator.kernel import errors, texts
from integrator.kernel.redact import redact_text

LONGEST_MESSAGE = 400
MOST_MATCHES = 5  # that are named in a message

MEANING: dict[str, type[errors.IntegrationError]] = {
    # It passes.
    "UNABLE_TO_LOCK_ROW": errors.Transient,
    "QUERY_TIMEOUT": errors.Transient,
    "REQUEST_RUNNING_TOO_LONG": errors.Transient,
    "SERVER_UNAVAILABLE": errors.Transient,
    "UNKNOWN_EXCEPTION": errors.Transient,
    "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE": errors.Transient,
    "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE": errors.Transient,
    "TOO_MANY_APEX_REQUESTS": errors.Transient,
    "TXN_SECURITY_METERING_ERROR": errors.Transient,
    # Not the cause: a neighbour in the same request failed.
    "PROCESSING_HALTED": errors.Transient,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": errors.Transient,
    # The login is at fault.
    "INVALID_SESSION_ID": errors.Unauthorized,
    "INVALID_AUTH_HEADER": errors.Unauthorized,
    "API_DISABLED_FOR_ORG": errors.Unauthorized,
    # One permission, or the version, is at fault.
    "INSUFFICIENT_ACCESS": errors.Forbidden,
    "INSUFFICIENT_ACCESS_OR_READONLY": errors.Forbidden,
    "API_CURRENTLY_DISABLED": errors.Forbidden,
    "UNSUPPORTED_API_VERSION": errors.Forbidden,
    # A budget is spent. TotalRequests is meant; ConcurrentRequests is told apart by its message.
    "REQUEST_LIMIT_EXCEEDED": errors.RateLimited,
    "LIMIT_EXCEEDED": errors.RateLimited,
    "STORAGE_LIMIT_EXCEEDED": errors.RateLimited,
    # A person has to choose.
    "DUPLICATES_DETECTED": errors.Ambiguous,
    "DUPLICATE_VALUE": errors.Ambiguous,  # except on the external id that we upsert by: a raced upsert
    "DUPLICATE_EXTERNAL_ID": errors.Ambiguous,
    # The record is not there.
    "NOT_FOUND": errors.Missing,
    "ENTITY_IS_DELETED": errors.Missing,
    # Everything else is about the data, and final: REQUIRED_FIELD_MISSING, STRING_TOO_LONG,
    # FIELD_CUSTOM_VALIDATION_EXCEPTION, INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST, INVALID_FIELD ...
}

# For codes that stand in no table.
BY_STATUS: dict[int, type[errors.IntegrationError]] = {
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.Missing,
    408: errors.Transient,
    410: errors.Forbidden,
    429: errors.Transient,
}

# Our request was too large for whoever stands on the way, so a smaller one may pass.
TOO_LARGE = frozenset({413, 414, 431})

# Salesforce does not say when a budget comes back; the daily one is a rolling window of 24 hours.
REST = {
    "REQUEST_LIMIT_EXCEEDED": timedelta(minutes=15),
    "LIMIT_EXCEEDED": timedelta(minutes=15),
    "STORAGE_LIMIT_EXCEEDED": timedelta(hours=1),
}

# Codes that a new session cures. OAuth's own endpoints word them as `error`, as any proxy may word anything.
EXPIRED = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
# ... unless the message says that sessions of this kind are not admitted at all.
_NEVER_VALID = "not valid for use with"

# A Flow or Apex code that a save started failed, and took the save back. That it met a locked row, which
# passes, stands in the message only: https://help.salesforce.com/apex/HTViewSolution?id=000229525&language=en_US
AUTOMATION = frozenset({"CANNOT_EXECUTE_FLOW_TRIGGER", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"})
_LOCKED = re.compile(r"UNABLE_TO_LOCK_ROW|unable to obtain exclusive access to this record", re.IGNORECASE)

_NAMED_FIELD = (
    re.compile(r"No such column '(?P<field>\w+)'"),
    re.compile(r"duplicate value found: (?P<field>\w+) duplicates"),
    re.compile(r"Required fields are missing: \[(?P<field>\w+)"),
)


class Expired(Exception):
    """The session is over. Never leaves this package: it is answered by one new login and one more try."""


class Problem(NamedTuple):
    """One error as Salesforce words it."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    matches: tuple[tuple[str, str], ...] = ()  # objects and ids of the records that a duplicate rule found
    may_save: bool = False  # whether that rule lets a record be saved all the same


def problems_of(content: bytes | str | Any) -> list[Problem]:
    """Return the errors in a body, which may be a list, an object, a page of a proxy, or nothing."""
    if isinstance(content, bytes | str):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return []
    items = content if isinstance(content, list) else [content]
    return [_problem_of(item) for item in items if isinstance(item, dict)]


def _problem_of(item: dict[str, Any]) -> Problem:
    message = item.get("message") or item.get("error_description") or ""
    fields = item.get("fields")
    named = (
        tuple(texts.storable(str(field), texts.LONGEST_FIELD) for field in fields)
        if isinstance(fields, list)
        else ()
    )
    matches = _matches_in(item)
    looks = ", ".join(f"{object_ or 'record'} {id}" for object_, id in matches)
    said = " ".join(filter(None, (str(message), f"It looks like {looks}." if looks else "")))
    may_save = _dict_in(item, "duplicateResult").get("allowSave") is True
    told = texts.storable(texts.within(said, texts.LONGEST_MESSAGE))
    return Problem(_code_in(item), told, named, matches, may_save)


def _matches_in(item: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """
    Return the first records that a duplicate rule found, which the message itself does not name.

    Source of the shape: https://developer.salesforce.com/docs/platform/api/guide/sforce-api-objects-matchresult.html
    """
    found = [
        (str(match.get("entityType") or "")[:80], texts.storable(held["Id"], texts.LONGEST_FIELD))
        for match in _dicts_in(_dict_in(item, "duplicateResult"), "matchResults")
        for record in _dicts_in(match, "matchRecords")
        if isinstance((held := _dict_in(record, "record")).get("Id"), str)
    ]
    return tuple(found[:MOST_MATCHES])


def _dict_in(item: dict[str, Any], name: str) -> dict[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _dicts_in(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = item.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _code_in(item: dict[str, Any]) -> str:
    """Return the code, or nothing if the body is of a proxy, where these names hold something else."""
    code, said = item.get("errorCode") or item.get("statusCode"), item.get("error")
    if not code and isinstance(said, str) and said in EXPIRED:
        code = said
    return texts.storable(code.strip(), texts.LONGEST_CODE) if isinstance(code, str) else ""


def is_expired(status: int, problems: Sequence[Problem]) -> bool:
    """Tell whether a new login would cure the answer."""
    if status != 401:
        return False
    first = problems[0] if problems else Problem("", "")
    # One new login settles what a 401 without a code means.
    return (not first.code or first.code in EXPIRED) and _NEVER_VALID not in first.message


def failure_of(
    status: int, problems: Sequence[Problem], *, now: datetime, request_id: str = "", key_field: str = ""
) -> errors.IntegrationError:
    """
    Return the failure that an answer means.

    `key_field` is the external id of an upsert: a duplicate of that is a race with another writer, which
    the next upsert settles.
    """
    request_id = texts.storable(request_id, texts.LONGEST_REQUEST_ID)
    problem = _locked_within(_cause_among(problems))
    if problem is None or not problem.code:
        return _without_code(status, request_id)
    if problem.code not in MEANING and (status >= 500 or status in BY_STATUS):
        return _by_status(status, problem, request_id)
    meaning = MEANING.get(problem.code, errors.Refused)
    if problem.code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" in problem.message.lower():
        meaning = errors.Transient  # too many calls of over 20 s at once
    field = _field_of(problem)
    if problem.code == "DUPLICATE_VALUE" and key_field and field.lower() == key_field.lower():
        meaning = errors.Transient
    failure = meaning(
        _shortened(problem.message) or problem.code,
        code=problem.code,
        field=field,
        request_id=request_id,
        resets_at=now + REST[problem.code] if meaning is errors.RateLimited else None,
        http_status=status,
    )
    if isinstance(failure, errors.Ambiguous):
        failure.records, failure.may_save = problem.matches, problem.may_save
    return failure


def unreachable(kind: str) -> errors.Transient:
    """
    Return the failure of a call whose answer was lost.

    It is transient, not uncertain, even if it was sent: every write of ours is an upsert by external id.
    """
    code = kind if kind in UNREACHABLE else "network"
    said = "did not answer within the deadline" if code == "timeout" else "could not be reached"
    return errors.Transient(f"Salesforce {said}.", code=code)


def unanswered(kind: str) -> errors.Uncertain:
    """Return the failure of a call that must not be repeated and whose answer was lost."""
    said = "did not answer within the deadline" if kind == "timeout" else "closed the connection"
    code = "timeout" if kind == "timeout" else "unanswered"
    return errors.Uncertain(f"Salesforce {said}, so it may have been done.", code=code)


def in_doubt(failure: errors.IntegrationError) -> errors.IntegrationError:
    """
    Return the failure of a call that must not be repeated, as `failure` is one that may.

    Only the API itself says for certain that nothing was done: a page of a proxy may stand in place of any
    answer, and an unknown exception leaves open when it was thrown.
    """
    if not isinstance(failure, errors.Transient) or failure.code not in UNREACHABLE | {"UNKNOWN_EXCEPTION"}:
        return failure
    return errors.Uncertain(
        f"{failure} It may have been done.",
        code="unanswered",
        request_id=failure.request_id,
        http_status=failure.http_status,
    )


def unreadable(status: int, *, request_id: str = "") -> errors.Transient:
    """Return the failure of an answer that is not one: a page of a proxy, half a body, nothing."""
    return errors.Transient(
        f"Salesforce answered with something that is no answer of its API (HTTP {status}).",
        code="unavailable",
        request_id=texts.storable(request_id, texts.LONGEST_REQUEST_ID),
        http_status=status,
    )


def _cause_among(problems: Sequence[Problem]) -> Problem | None:
    followers = {"PROCESSING_HALTED", "ALL_OR_NONE_OPERATION_ROLLED_BACK"}
    causes = [problem for problem in problems if problem.code not in followers]
    return next(iter(causes or problems), None)


def _locked_within(problem: Problem | None) -> Problem | None:
    """Return `problem` as the row lock that it is, if one met the automation that our save had started."""
    if problem is not None and problem.code in AUTOMATION and _LOCKED.search(problem.message):
        return problem._replace(code="UNABLE_TO_LOCK_ROW")
    return problem


def _without_code(status: int, request_id: str) -> errors.IntegrationError:
    """Return the failure of an answer that is not the API's own: nothing in it is final for a record."""
    said, code = f"Salesforce answered HTTP {status} without a reason.", f"HTTP_{status}"
    if status == 401:
        return errors.Unauthorized(said, code=code, request_id=request_id, http_status=status)
    if status in TOO_LARGE:
        return errors.Refused(said, code=code, request_id=request_id, http_status=status)
    return unreadable(status, request_id=request_id)


def _by_status(status: int, problem: Problem, request_id: str) -> errors.IntegrationError:
    """Return the failure of a code that we do not know."""
    if status >= 500:
        return unreadable(status, request_id=request_id)
    meaning = BY_STATUS[status]
    code = "unavailable" if meaning is errors.Transient else problem.code
    said = _shortened(problem.message) or problem.code
    return meaning(said, code=code, request_id=request_id, http_status=status)


def _field_of(problem: Problem) -> str:
    if problem.fields:
        return problem.fields[0]
    found = (pattern.search(problem.message) for pattern in _NAMED_FIELD)
    return next((match["field"][: texts.LONGEST_FIELD] for match in found if match), "")


def _shortened(text: str) -> str:
    return texts.within(redact_text(" ".join(text.split())), LONGEST_MESSAGE)
