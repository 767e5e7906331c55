"""
This module answers the SOAP API of partners as far as REST has no word for it: it merges records.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce import soap_xml
from connectors.sandbox.salesforce.answers import Refused, refused
from connectors.sandbox.salesforce.ids import full_id
from connectors.sandbox.salesforce.merging import merge
from connectors.sandbox.salesforce.saving import Saving
from connectors.sandbox.salesforce.soap_xml import Fault, Results, child, children, local, text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from starlette.requests import Request

    from connectors.sandbox.salesforce.answers import Answer
    from connectors.sandbox.salesforce.fields import Field
    from connectors.sandbox.salesforce.history import Flight
    from connectors.sandbox.salesforce.oauth import User
    from connectors.sandbox.salesforce.org import Org
    from connectors.sandbox.salesforce.tables import Table

VERSIONS = range(46, 68)
MOST_REQUESTS = 200
WHOLE = frozenset({"int", "long"})
NUMBERS = frozenset({"double", "currency", "percent"})
NUMERAL = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")  # as XML Schema has it
INTEGER = re.compile(r"[+-]?\d{1,18}")
# What the API itself says is wrong with a call; anything else is said of one of its merges.
WHOLE_CALL = frozenset({"INVALID_FIELD", "INVALID_TYPE", "NOT_FOUND", "REQUEST_LIMIT_EXCEEDED"})


def soap(org: Org, request: Request, body: bytes) -> Answer:
    """Answer a call to `/services/Soap/u/67.0`; whatever is wrong with it as a whole is a fault."""
    flight: Flight = request.scope["sandbox.flight"]
    try:
        version = _version(request.url.path)
        if request.method != "POST" or "soapaction" not in request.headers:
            raise Fault("", "SOAPAction HTTP header missing")
        envelope = soap_xml.parse(body)
        head = child(envelope, "Header")
        user = _user(org, text(child(head, "SessionHeader", "sessionId")))
        flight.client = text(child(head, "CallOptions", "client"))
        named = f";client={flight.client}" if flight.client else ""
        flight.origin = f"com/salesforce/api/soap/{version}{named}"
        org.limits.count_call()
        spoiled = org.obstacles.spoiled(body)
        return spoiled or _called(org, flight, user, envelope)
    except Fault as problem:
        return soap_xml.fault(problem)
    except Refused as refusal:
        first = refusal.problems[0]
        return soap_xml.fault(Fault(first.code, first.message))


def _version(path: str) -> str:
    match = re.fullmatch(r"/services/Soap/u/((\d{2})\.0)", path)
    if match and int(match[2]) in VERSIONS:
        return match[1]
    raise Fault("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")


def _user(org: Org, token: str) -> User:
    user = org.door.who_holds(token, now=org.time())
    if user is None:
        said = "Invalid Session ID found in SessionHeader: Illegal Session"
        raise Fault("INVALID_SESSION_ID", said)
    return user


def _called(org: Org, flight: Flight, user: User, envelope: Element) -> Answer:
    body = child(envelope, "Body")
    call = next(iter(body), None) if body is not None else None
    if call is None or local(call) != "merge":
        said = "nothing" if call is None else local(call)
        raise Fault("", f"No operation available for request {said}")
    requests = list(children(call, "request"))
    if not 0 < len(requests) <= MOST_REQUESTS:
        raise Fault("EXCEEDED_ID_LIMIT", f"merge limit reached: {len(requests)}")
    results = Results("merge")
    for request in requests:
        _merge(org, flight, user, request, results)
    return results.answer()


def _merge(org: Org, flight: Flight, user: User, request: Element, results: Results) -> None:
    """Do one merge as a whole or not at all."""
    record = child(request, "masterRecord")
    if record is None:
        raise Fault("", "Element masterRecord missing")
    table = _table(org, user, text(child(record, "type")))
    values = _values(table, record)
    saving = Saving(org, flight, user.id)
    try:
        master = saving.record(table, text(child(record, "Id")))
        losers = [saving.record(table, text(one)) for one in children(request, "recordToMergeIds")]
        for gone in (master, *losers):
            if gone.deleted:
                raise refused("ENTITY_IS_DELETED", "entity is deleted", dml=True)
        moved = _referring(org, table, [loser.id for loser in losers])
        merge(saving, table, master, losers, values)
    except Refused as refusal:
        saving.undo()
        if refusal.problems[0].code in WHOLE_CALL:
            raise
        results.failed(refusal.problems)
        return
    saving.settle()
    results.done(master.id, [loser.id for loser in losers], moved)


def _table(org: Org, user: User, name: str) -> Table:
    try:
        known = org.table(name).shape.object.name
        return org.security.seen_by(user, org.tables)[known]
    except (Refused, KeyError):
        said = f"sObject type '{name}' is not supported."
        raise Fault("INVALID_TYPE", said) from None


def _values(table: Table, record: Element) -> dict[str, Any]:
    """
    Return what the master is to have; XML knows text alone, so that each field says what it means.

    :raises Fault: if a field is not there for the caller, or a text is no value of its type
    """
    emptied = {text(one): None for one in children(record, "fieldsToNull")}
    given = [one for one in record if local(one) not in ("type", "Id", "fieldsToNull")]
    named: dict[str, Element | None] = {**emptied, **{local(one): one for one in given}}
    values: dict[str, Any] = {}
    for name, element in named.items():
        field = table.shape.lowered.get(name.lower())
        if field is None:
            kind = table.shape.object.name
            raise Fault("INVALID_FIELD", f"No such column '{name}' on entity '{kind}'")
        if element is None:
            values[field.name] = None
        elif said := text(element):  # an empty element says nothing: fieldsToNull empties
            values[field.name] = _value(field, said)
    return values


def _value(field: Field, said: str) -> Any:
    if field.type == "boolean" and said in ("true", "false", "1", "0"):
        return said in ("true", "1")
    if field.type in WHOLE and INTEGER.fullmatch(said):
        return int(said)
    if field.type in NUMBERS and NUMERAL.fullmatch(said):
        return Decimal(said)
    if field.type == "boolean" or field.type in WHOLE | NUMBERS:
        raise Fault("", f"'{said[:100]}' is not a valid value for the type xsd:{field.type}")
    if field.type == "datetime" and not MOMENT.fullmatch(said):
        raise Fault("", f"'{said[:100]}' is not a valid value for the type xsd:dateTime")
    return said


def _referring(org: Org, table: Table, losers: list[str]) -> list[str]:
    """Return the ids of the records that refer to one of those, and that a merge moves."""
    name, wanted = table.shape.object.name, {full_id(one) for one in losers}
    return [
        each.id
        for other in org.tables.values()
        for field in other.whole.references
        if name in field.refers_to and field.name != "MasterRecordId"
        for each in other.alive()
        if each.values.get(field.name) in wanted and each.id not in wanted
    ]
