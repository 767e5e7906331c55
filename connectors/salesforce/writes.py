"""
This module writes records to Salesforce: as upserts by external id, and as updates by record id.

Both may be repeated: an answer that was lost costs a second try and never a second record. Sources:
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm and
.../resources_composite_sobjects_collections_upsert.htm and ..._collections_update.htm
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import requests

from connectors.base import Account, Params, Result
from connectors.salesforce import batches, record_types
from connectors.salesforce.batches import P, RefusedWhole, Work, Written
from connectors.salesforce.client import PLAIN, Org, encoded, json_of, request_id_of
from connectors.salesforce.errors import MOST_MATCHES, failure_of, problems_of, unreadable
from connectors.salesforce.ids import as_18
from integrator.kernel import errors
from integrator.kernel.texts import storable

LONGEST_ID = 18

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_RECORD_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
# https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_upsert.htm
_NO_PARENT = re.compile(r"Foreign key external ID: (?P<value>.*) not found for field", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Upsert:
    """One record to write by its external id."""

    object: str
    key_field: str
    key: str
    values: bytes  # as JSON, without the key
    named: frozenset[str]  # the fields in it, in lower case
    parents: tuple[tuple[str, str], ...] = ()  # look-ups by external id: the name in the values, and the id
    allow_duplicates: bool = False  # save it although a duplicate rule finds others, if the rule lets us

    @property
    def shared(self) -> tuple[str, str, bool]:
        """Return what one call is about."""
        return self.object, self.key_field, self.allow_duplicates

    @property
    def target(self) -> tuple[str, str, str]:
        """Return what must stand only once in a call. Keys may ignore case in the org, so they do here."""
        return self.object.lower(), self.key_field.lower(), self.key.strip().casefold()


@dataclass(frozen=True, slots=True)
class Update:
    """One record to change by its record id."""

    object: str
    id: str
    values: bytes
    named: frozenset[str]
    parents: tuple[tuple[str, str], ...] = ()
    refers: bool = False  # whether a value may be the id of another record
    allow_duplicates: bool = False  # change it although a duplicate rule finds others, if the rule lets us

    @property
    def shared(self) -> tuple[str, bool]:
        """Return what one call is about."""
        return self.object, self.allow_duplicates

    @property
    def target(self) -> str:
        """Return what must stand only once in a call."""
        return self.id


def upsert(account: Account, requests: Sequence[Params], *, deadline: float) -> list[Result]:
    """
    Write every record and return one result each: `id` and `created`, or a failure.

    A single record goes by its own address, several go in collections of 200 of one object. A record that
    stands twice in `requests` is written in their order, in separate calls. A look-up may be given by the
    external id of its record: `{"Stripe_Customer__r": {"External_ID__c": "cus_1"}}`, and the type of the
    record by its name: `{"RecordType": {"DeveloperName": "Partner"}}`.
    """
    work = _upsert_one if len(requests) == 1 else _upsert_many
    return _written(account, requests, parsed, work, deadline=deadline)


def update(account: Account, requests: Sequence[Params], *, deadline: float) -> list[Result]:
    """Change every record and return one result each: `id` and `created`, always false, or a failure."""
    work = _update_one if len(requests) == 1 else _update_many
    return _written(account, requests, parsed_update, work, deadline=deadline)


def _written(
    account: Account,
    requests: Sequence[Params],
    parse: Callable[[Params], P],
    work: Work[P],
    *,
    deadline: float,
) -> list[Result]:
    """Return what `work` makes of each request, with the ids of the record types that they name."""
    ends = time.monotonic() + deadline
    with_ids = record_types.putting_ids(account, requests, deadline=deadline)
    todo, results = batches.prepared(lambda params: parse(with_ids(params)), requests)
    results |= batches.carry(account, todo, work, deadline=ends - time.monotonic())
    if any(map(record_types.is_doubtful, results.values())):
        record_types.forget(account)
    return [results[place] for place in range(len(requests))]


def parsed(params: Params) -> Upsert:
    """
    Return one upsert as it will be sent.

    :raises Refused: if a name is no name, the external id is empty, or a value cannot be written
    """
    object_, key_field = str(params.get("object") or ""), str(params.get("external_id_field") or "")
    if not _NAME.fullmatch(object_) or not _NAME.fullmatch(key_field):
        raise errors.Refused(f"{object_!r} and {key_field!r} have to be API names.", code="INVALID_TYPE")
    key = params.get("external_id")
    if not isinstance(key, str) or not key.strip():
        raise errors.Refused("A record is found by its external id, and it is empty.", field=key_field)
    values: Mapping[str, Any] = params.get("values") or {}
    named = _names_in(values)
    if "id" in named:
        raise errors.Refused("An upsert by external id names no record id.", code="INVALID_FIELD", field="Id")
    if key_field.lower() in named:
        # The external id stands in the address; in the body as well, it is an error.
        repeated = [value for name, value in values.items() if name.lower() == key_field.lower()]
        if any(value != key for value in repeated):
            raise errors.Refused(
                f"{key_field} is mapped to another value than the external id.", field=key_field
            )
        values = {name: value for name, value in values.items() if name.lower() != key_field.lower()}
        named -= {key_field.lower()}
    allow = params.get("allow_duplicates") is True
    return Upsert(object_, key_field, key, encoded(values), named, _parents_in(values), allow)


def parsed_update(params: Params) -> Update:
    """
    Return one update as it will be sent.

    :raises Refused: if the object's name is none, the id is none, or a value cannot be written
    """
    object_ = str(params.get("object") or "")
    if not _NAME.fullmatch(object_):
        raise errors.Refused(f"{object_!r} has to be an API name.", code="INVALID_TYPE")
    try:
        id18 = as_18(str(params.get("id") or ""))
    except ValueError as problem:
        raise errors.Refused(f"{problem}.", code="MALFORMED_ID", field="Id") from None
    values: Mapping[str, Any] = params.get("values") or {}
    kept = {name: value for name, value in values.items() if name.lower() != "id"}
    repeated = [value for name, value in values.items() if name.lower() == "id"]
    if any(value != params.get("id") for value in repeated):
        raise errors.Refused("Id is mapped to another value than the record's id.", field="Id")
    refers = any(
        isinstance(value, str) and _RECORD_ID.fullmatch(value)
        for name, value in kept.items()
        if name != record_types.FIELD  # of which Salesforce says by name that it is wrong
    )
    allow = params.get("allow_duplicates") is True
    return Update(object_, id18, encoded(kept), _names_in(kept), _parents_in(kept), refers, allow)


def _names_in(values: Mapping[str, Any]) -> frozenset[str]:
    return _in_small_letters(tuple(values))


@lru_cache(maxsize=1_000)  # records of one mapping have the same fields
def _in_small_letters(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _parents_in(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, str(value[key]))
        for name, value in values.items()
        if type(value) not in PLAIN and isinstance(value, Mapping)
        for key in value
        if key != "attributes"
    )


def _upsert_one(org: Org, chunk: dict[int, Upsert]) -> Written:
    """Write one record by its own address."""
    ((place, record),) = chunk.items()
    if "." in record.key:
        # "." and ".." are resolved away on the way, and an ending such as ".inc" is answered 404: such an
        # external id travels in a body.
        return _upsert_many(org, chunk)
    path = f"{org.data}/sobjects/{record.object}/{record.key_field}/{quote(record.key, safe='')}"
    answer = org.request("PATCH", path, body=record.values, allow_duplicates=record.allow_duplicates)
    return {place: _read_one(org, record, answer)}


def _read_one(org: Org, record: Upsert, answer: requests.Response) -> Result:
    if answer.status_code == 204:  # versions before v46 told nothing more of an update
        return {"id": "", "created": False}
    if answer.status_code in (200, 201):
        told = json_of(answer)
        if not isinstance(told, dict) or not told.get("success"):
            return unreadable(answer.status_code, request_id=request_id_of(answer))
        return _done(told, created=answer.status_code == 201)
    if answer.status_code == 300:
        return _several(record, answer)
    failure = org.failure(answer, key_field=record.key_field)
    if answer.status_code == 404 and isinstance(failure, errors.Missing):
        return _wrong_name(record, failure)
    return _naming_the_parent(record, failure)


def _several(record: Upsert, answer: requests.Response) -> errors.IntegrationError:
    """Return the failure of an external id that is not unique: the body is a list of addresses."""
    told = json_of(answer)
    addresses = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
    if not addresses:
        return unreadable(answer.status_code, request_id=request_id_of(answer))
    found = [storable(address.rsplit("/", 1)[-1], LONGEST_ID) for address in addresses]
    failure = errors.Ambiguous(
        f"{len(found)} records of {record.object} have the {record.key_field} {record.key}: "
        f"{', '.join(found[:5])}. Nothing was written.",
        code="HTTP_300",
        field=record.key_field,
        request_id=request_id_of(answer),
    )
    failure.records = tuple((record.object, one) for one in found[:MOST_MATCHES])
    return failure


def _wrong_name(record: Upsert, failure: errors.IntegrationError) -> errors.IntegrationError:
    """Tell a missing record from a missing field: an upsert would have made the record."""
    if failure.code == "ENTITY_IS_DELETED":
        return failure
    return errors.Refused(
        f"{record.object} has no external id field {record.key_field} that the integration user may see. "
        f"Salesforce said: {failure}",
        code=failure.code,
        field=record.key_field,
        request_id=failure.request_id,
    )


def _naming_the_parent(record: Upsert | Update, failure: errors.IntegrationError) -> errors.IntegrationError:
    """Let the failure of a look-up whose record is not there name the look-up: Salesforce does not."""
    said = _NO_PARENT.search(str(failure))
    if said:
        named = [name for name, value in record.parents if value == said["value"]]
        failure.field = next(iter(named or [name for name, _ in record.parents]), failure.field)
    return failure


def _upsert_many(org: Org, chunk: dict[int, Upsert]) -> Written:
    """Write up to 200 records of one object in one call; each has its own result."""
    first = next(iter(chunk.values()))
    path = f"{org.data}/composite/sobjects/{first.object}/{first.key_field}"
    heads = [{"attributes": {"type": one.object}, one.key_field: one.key} for one in chunk.values()]
    body = _collection(heads, chunk)
    answer = org.request("PATCH", path, body=body, allow_duplicates=first.allow_duplicates)
    if answer.status_code == 200:
        return _read_items(org, chunk, answer, key_field=first.key_field)
    failure = org.failure(answer, key_field=first.key_field)
    if isinstance(failure, errors.Missing):
        return {place: _wrong_name(record, failure) for place, record in chunk.items()}
    raise RefusedWhole(failure)


def _update_one(org: Org, chunk: dict[int, Update]) -> Written:
    """Change one record by its own address."""
    ((place, record),) = chunk.items()
    path = f"{org.data}/sobjects/{record.object}/{record.id}"
    answer = org.request("PATCH", path, body=record.values, allow_duplicates=record.allow_duplicates)
    if answer.status_code == 204:
        return {place: {"id": record.id, "created": False}}
    if answer.status_code < 300:  # somebody on the way answered: Salesforce has nothing to say here
        return {place: unreadable(answer.status_code, request_id=request_id_of(answer))}
    return {place: _naming_the_parent(record, org.failure(answer))}


def _update_many(org: Org, chunk: dict[int, Update]) -> Written:
    """Change up to 200 records of one object in one call; each has its own result."""
    heads = [{"attributes": {"type": one.object}, "Id": one.id} for one in chunk.values()]
    path, allow = f"{org.data}/composite/sobjects", next(iter(chunk.values())).allow_duplicates
    answer = org.request("PATCH", path, body=_collection(heads, chunk), allow_duplicates=allow)
    if answer.status_code != 200:
        raise RefusedWhole(org.failure(answer))
    results = _read_items(org, chunk, answer)
    return {place: _gone(chunk[place], result) for place, result in results.items()}


def _gone(record: Update, result: Result) -> Result:
    """Tell a record that is not there from a look-up whose record is not: here Salesforce does not."""
    if getattr(result, "code", "") != "INVALID_CROSS_REFERENCE_KEY" or record.refers:
        return result
    if getattr(result, "field", "") == record_types.FIELD:
        return result
    return errors.Missing(
        f"{record.object} has no record {record.id}, or none that the integration user may see.",
        code="NOT_FOUND",
        request_id=getattr(result, "request_id", ""),
    )


def _collection(heads: Sequence[Mapping[str, Any]], chunk: Mapping[int, Upsert | Update]) -> bytes:
    """Return the body of a collection, each record with its type and its key before its values."""
    items = []
    for head, record in zip(map(encoded, heads), chunk.values(), strict=True):
        items.append(head if record.values == b"{}" else head[:-1] + b"," + record.values[1:])
    return b'{"allOrNone":false,"records":[' + b",".join(items) + b"]}"


def _read_items(
    org: Org, chunk: Mapping[int, Upsert | Update], answer: requests.Response, *, key_field: str = ""
) -> Written:
    """Read one result per record; HTTP 200 says nothing about any of them."""
    told, request_id = json_of(answer), request_id_of(answer)
    if not isinstance(told, list) or len(told) != len(chunk):
        return dict.fromkeys(chunk, unreadable(200, request_id=request_id))
    results: Written = {}
    for (place, record), item in zip(chunk.items(), told, strict=True):
        if not isinstance(item, dict):
            results[place] = unreadable(200, request_id=request_id)
        elif item.get("success"):
            results[place] = _done(item, created=bool(item.get("created")))
        else:
            problems = problems_of(item.get("errors") or [])
            failure = failure_of(400, problems, now=org.now(), request_id=request_id, key_field=key_field)
            results[place] = _naming_the_parent(record, failure)
    return results


def _done(told: Mapping[str, Any], *, created: bool) -> Result:
    try:
        return {"id": as_18(str(told.get("id") or "")), "created": bool(told.get("created", created))}
    except ValueError:
        return unreadable(200)
