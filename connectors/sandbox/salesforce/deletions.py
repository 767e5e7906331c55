"""This module answers which records of an object were deleted within a span of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.sandbox.salesforce.answers import Answer, as_json, refused
from connectors.sandbox.salesforce.values import stored_moment

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.calls import Call
    from connectors.sandbox.salesforce.tables import Table

REACH = timedelta(days=15)
SHORTEST = timedelta(minutes=1)


def deletions(call: Call, table: Table) -> Answer:
    """
    Answer with the ids of what was deleted, those included that left the recycle bin.

    https://developer.salesforce.com/docs/platform/api-rest/guide/resources-getdeleted.md

    :raises Refused: if the span cannot be told of
    """
    call.allow("GET")
    start, end = _moment(call, "start"), _moment(call, "end")
    now = datetime.fromtimestamp(call.org.time(), UTC)
    if end - start <= SHORTEST or start < now - REACH - SHORTEST:
        raise refused("INVALID_REPLICATION_DATE", f"startDate or endDate is invalid: {start} to {end}")
    first, last = stored_moment(start), stored_moment(end)
    found = {
        **table.purged,
        **{r.id: r.values["SystemModstamp"] for r in table.records.values() if r.deleted},
    }
    return as_json(
        {
            "deletedRecords": [
                {"id": id18, "deletedDate": stamp} for id18, stamp in found.items() if first <= stamp < last
            ],
            "earliestDateAvailable": stored_moment(now - REACH),
            "latestDateCovered": stored_moment(min(end, now)),
        }
    )


def _moment(call: Call, name: str) -> datetime:
    """
    Return a moment of the address without its seconds, which count for nothing here.

    :raises Refused: if it is none
    """
    try:
        moment = datetime.fromisoformat(call.query[name]).astimezone(UTC)
    except (KeyError, ValueError):
        raise refused("INVALID_REPLICATION_DATE", f"{name} is no date with a time") from None
    return moment.replace(second=0, microsecond=0)
