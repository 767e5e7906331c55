"""
This module asks an org which records of an object were modified, and which were deleted, since a moment.

Pages follow the stamp of the last change together with the id, since many records may bear one stamp:
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/system_fields.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import requests

from connectors.base import Answer, Params
from connectors.salesforce.client import Org, json_of
from connectors.salesforce.errors import unreadable
from integrator.kernel import errors

LARGEST_PAGE = 2_000  # what one answer to a query holds
# Deleted records are told for 15 days, of spans of more than a minute:
# https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_getdeleted.htm
DELETED_REACH = timedelta(days=15)
SHORTEST_SPAN = timedelta(minutes=2)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_FIELDS = ("Id", "CreatedDate", "SystemModstamp", "IsDeleted")


def modified(org: Org, params: Params) -> Answer:
    """
    Return a page of the records of `object` that were last changed at `since` or later, oldest change first;
    with `until`, of those that were last changed before then.

    `after` is the id behind which the page begins among those of the moment `since`; `limit` how many it may
    hold. Those in the recycle bin are among them. It gives `records` (`id`, `created`, `modified`,
    `deleted`), `more`, `answered_at` by the org's clock, and the `object` as the org itself writes its name,
    which takes any other case of letters as well.

    :raises Refused: if a parameter cannot stand in a query
    :raises IntegrationError: if the org does not tell
    """
    limit = max(1, min(int(params.get("limit") or LARGEST_PAGE), LARGEST_PAGE))
    name = _object_in(params)
    since, until = _moment_in(params, "since"), _end_in(params)
    soql = _soql(name, since, until, str(params.get("after") or ""), limit)
    answer = org.request("GET", f"{org.data}/queryAll?{urlencode({'q': soql})}")
    told = _told(org, answer)
    rows = told.get("records")
    if not isinstance(rows, list):
        raise unreadable(answer.status_code)
    records = [_record(row, answer.status_code) for row in rows]
    # An org may answer with less than was asked for, and say that there is more.
    return {
        "object": _spelled(name, rows),
        "records": records,
        "more": len(records) >= limit or told.get("done") is False,
        "answered_at": _answered_at(org, answer).isoformat(),
    }


def deleted(org: Org, params: Params) -> Answer:
    """
    Return which records of `object` were deleted from `since` on, those included that left the recycle bin;
    with `until`, those that were deleted before then.

    It gives `records` (`id`, `deleted_at`), `since`, the moment from which on they are told, and `covered`,
    the moment up to which they are complete: what was not finished by then comes with a later question.
    https://developer.salesforce.com/docs/platform/api-rest/guide/resources-getdeleted.md

    :raises Refused: if a parameter cannot stand in an address
    :raises IntegrationError: if the org does not tell
    """
    name, now = _object_in(params), org.now()
    earliest = (now - DELETED_REACH).replace(second=0, microsecond=0)
    end = min(_end_in(params) or now, now).replace(second=0, microsecond=0)  # seconds are ignored
    end = max(end, earliest + SHORTEST_SPAN)
    since = min(max(_moment_in(params, "since"), now - DELETED_REACH), end - SHORTEST_SPAN)
    since = since.replace(second=0, microsecond=0)
    span = urlencode({"start": _written(since), "end": _written(end)})
    answer = org.request("GET", f"{org.data}/sobjects/{quote(name)}/deleted/?{span}")
    told = _told(org, answer)
    rows = told.get("deletedRecords")
    if not isinstance(rows, list):
        raise unreadable(answer.status_code)
    try:
        records = [
            {"id": str(row["id"]), "deleted_at": _read(row["deletedDate"]).isoformat()} for row in rows
        ]
        covered = min(_read(told.get("latestDateCovered") or end.isoformat()), end)
    except (KeyError, TypeError, ValueError):
        raise unreadable(answer.status_code) from None
    return {"records": records, "since": since.isoformat(), "covered": covered.isoformat()}


def _soql(name: str, since: datetime, until: datetime | None, after: str, limit: int) -> str:
    moment = _literal(since)
    place = f" AND SystemModstamp < {_literal(until)}" if until is not None else ""
    if after:
        if not _ID.fullmatch(after):
            raise errors.Refused(f"{after!r} is no id of a record.", code="MALFORMED_ID", field="after")
        place += f" AND (SystemModstamp > {moment} OR Id > '{after}')"
    return (
        f"SELECT {', '.join(_FIELDS)} FROM {name} WHERE SystemModstamp >= {moment}{place} "  # noqa: S608  # checked names
        f"ORDER BY SystemModstamp ASC, Id ASC LIMIT {limit}"
    )


def _object_in(params: Params) -> str:
    name = str(params.get("object") or "")
    if not _NAME.fullmatch(name):
        raise errors.Refused(f"{name!r} is no API name of an object.", code="INVALID_TYPE", field="object")
    return name


def _moment_in(params: Params, name: str) -> datetime:
    try:
        return datetime.fromisoformat(str(params[name])).astimezone(UTC)
    except (KeyError, ValueError):
        raise errors.Refused("This is no moment.", code="MALFORMED_QUERY", field=name) from None


def _end_in(params: Params) -> datetime | None:
    return _moment_in(params, "until") if params.get("until") else None


def _literal(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _told(org: Org, answer: requests.Response) -> Mapping[str, Any]:
    if answer.status_code >= 300:
        raise org.failure(answer)
    told = json_of(answer)
    if not isinstance(told, dict):
        raise unreadable(answer.status_code)
    return told


def _record(row: Any, status: int) -> dict[str, Any]:
    try:
        return {
            "id": str(row["Id"]),
            "created": _read(row["CreatedDate"]).isoformat(),
            "modified": _read(row["SystemModstamp"]).isoformat(),
            "deleted": row["IsDeleted"] is True,
        }
    except (KeyError, TypeError, ValueError):
        raise unreadable(status) from None


def _spelled(name: str, rows: list[Any]) -> str:
    """Return the name as the org writes it with its records; as it was asked for, if there are none."""
    told = str((rows[0].get("attributes") or {}).get("type")) if rows else name
    return told if told.lower() == name.lower() else name


def _read(text: Any) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _answered_at(org: Org, answer: requests.Response) -> datetime:
    """Return when the org answered, by its own clock; by ours where it does not say."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return org.now()
