"""This module answers `query` and `queryAll`, page by page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.sandbox.salesforce.answers import Answer, Refused, as_json, nothing_there, refused
from connectors.sandbox.salesforce.cursors import Cursor
from connectors.sandbox.salesforce.setup_objects import TOOLING
from connectors.sandbox.salesforce.soql_groups import grouped
from connectors.sandbox.salesforce.soql_parser import parse
from connectors.sandbox.salesforce.soql_run import Plan

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.calls import Call
    from connectors.sandbox.salesforce.soql_syntax import Select

BATCH = (200, 2_000, 2_000)  # smallest, usual, largest
LOCATOR = re.compile(r"(0r8[A-Za-z0-9]{15})-(\d{1,9})")


def query(call: Call) -> Answer:
    """
    Answer a query, or give the next page of one.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm

    :raises Refused: if the query is malformed, or names what there is not
    """
    call.allow("GET")
    if len(call.segments) == 2:
        return _next_page(call, call.segments[1])
    if len(call.segments) > 2:
        raise nothing_there()
    text = call.query.get("q", "")
    if not text.strip():
        raise refused("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    plan = _plan(call, parse(text))
    if plan.select.grouped:
        rows = grouped(plan)
        return as_json({"totalSize": len(rows), "done": True, "records": rows})
    records = plan.find(deleted=call.segments[0].lower() == "queryall")
    if not plan.columns:
        return as_json({"totalSize": len(records), "done": True, "records": []})
    cursor = Cursor(records, _batch(call), lambda record: plan.render(record, call.version))
    return _page(call, cursor, "", 0)


def tooling(call: Call) -> Answer:
    """
    Answer a query of the Tooling API, which lists what an administrator has set up.

    https://developer.salesforce.com/docs/platform/api-tooling/guide/intro-rest-resources.html

    :raises Refused: if something else is asked of it, which is not simulated
    """
    call.allow("GET")
    if [each.lower() for each in call.segments] != ["tooling", "query"]:
        raise nothing_there()
    plan = _plan(call, parse(call.query.get("q", "")))
    rows = [plan.render(record, call.version) for record in plan.find(deleted=False)]
    return as_json({"totalSize": len(rows), "done": True, "records": rows})


def _plan(call: Call, select: Select) -> Plan:
    try:
        table = call.table(select.object)
        if (table.shape.object.name in TOOLING) is not (call.segments[0].lower() == "tooling"):
            raise nothing_there()
    except Refused:
        message = (
            f"sObject type '{select.object}' is not supported. If you are attempting to use a custom object,"
            " be sure to append the '__c' after the entity name."
        )
        raise refused("INVALID_TYPE", message) from None
    if table.shape.object.event:
        raise refused("INVALID_TYPE", f"entity type {table.shape.object.name} does not support query")
    now = datetime.fromtimestamp(call.org.time(), UTC)
    return Plan(call.tables, table, select, now=now)


def _batch(call: Call) -> int:
    smallest, usual, largest = BATCH
    match = re.search(r"batchSize=(\d{1,9})", call.headers.get("sforce-query-options", ""), re.IGNORECASE)
    return min(max(int(match.group(1)), smallest), largest) if match else usual


def _next_page(call: Call, locator: str) -> Answer:
    match = LOCATOR.fullmatch(locator)
    cursor = call.org.cursors.open.get(match.group(1)) if match else None
    if match is None or cursor is None:
        raise refused("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(call, cursor, match.group(1), int(match.group(2)))


def _page(call: Call, cursor: Cursor, locator: str, start: int) -> Answer:
    stop = start + cursor.batch
    rows = [cursor.render(record) for record in cursor.records[start:stop]]
    done = stop >= len(cursor.records)
    told: dict[str, object] = {"totalSize": len(cursor.records), "done": done}
    if not done:
        locator = locator or call.org.cursors.keep(cursor)
        told["nextRecordsUrl"] = f"/services/data/v{call.version}/query/{locator}-{stop}"
    return as_json({**told, "records": rows})
