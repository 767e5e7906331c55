"""
This module finds the ids of record types by their names, so that a flow can name one whatever the org.

Ids differ from org to org, names do not; but Salesforce takes no name in their place, since the name is no
external id of a record type.
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_recordtype.htm
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from connectors.base import Account, Params, Result
from connectors.salesforce import sessions
from connectors.salesforce.client import Org, json_of
from connectors.salesforce.errors import unreadable
from connectors.salesforce.schema import NAME
from integrator.kernel import errors

RELATION = "RecordType"  # of every object that has record types
BY = "DeveloperName"
FIELD = "RecordTypeId"
UNKNOWN = "NO_SUCH_RECORD_TYPE"
FRESH_SECONDS = 600.0
PATIENCE_SECONDS = 20.0  # a name that was not there is not looked for again so soon
MOST_KEPT = 1_000

_Ids = Mapping[str, str]  # by names in small letters


@dataclass(frozen=True, slots=True)
class _Known:
    """The record types of one object, and when they were read."""

    ids: _Ids
    read_at: float


_known: dict[tuple[int, str, str], _Known] = {}  # by connection, org and object
_lock = threading.Lock()


def putting_ids(
    account: Account, requests: Sequence[Params], *, deadline: float
) -> Callable[[Params], Params]:
    """
    Return what gives a request the id in place of the name of a record type.

    It raises `Refused` for a name that the org does not have, and whatever kept the org from being asked.
    Nobody is asked where no request names any.
    """
    wanted: dict[str, set[str]] = {}
    for params in requests:
        name = _named(params)
        if name is not None:
            wanted.setdefault(str(params.get("object") or ""), set()).add(name.lower())
    if not wanted:
        return lambda params: params
    found = _find(account, wanted, deadline=deadline)
    return lambda params: _with_id(params, found)


def is_doubtful(result: Result) -> bool:
    """Tell whether the org itself refused an id, which may be known from before it changed."""
    if not isinstance(result, errors.IntegrationError):
        return False
    return result.field == FIELD and result.code != UNKNOWN


def forget(account: Account) -> None:
    """Look again before the next write, because the org did not know an id any more."""
    with _lock:
        for key in [key for key in _known if key[:2] == (account.connection_id, account.pinned_account)]:
            del _known[key]


def _named(params: Params) -> str | None:
    """Return the name of the record type that a request gives its record, if it names one."""
    values = params.get("values")
    given = values.get(RELATION) if isinstance(values, Mapping) else None
    if given is None:
        return None
    name = given.get(BY) if isinstance(given, Mapping) and given.keys() == {BY} else None
    return name if isinstance(name, str) else None


def _with_id(params: Params, found: Mapping[str, _Ids | errors.IntegrationError]) -> Params:
    name = _named(params)
    if name is None:
        return params
    ids = found[str(params.get("object") or "")]
    if isinstance(ids, errors.IntegrationError):
        raise ids
    if name.lower() not in ids:
        said = f"{params.get('object')} has no active record type {name!r} in this org."
        raise errors.Refused(said, code=UNKNOWN, field=FIELD)
    values: dict[str, Any] = {key: value for key, value in params["values"].items() if key != RELATION}
    return {**params, "values": {**values, FIELD: ids[name.lower()]}}


def _find(
    account: Account, wanted: Mapping[str, set[str]], *, deadline: float
) -> dict[str, _Ids | errors.IntegrationError]:
    """Return the ids of the record types of each object, from memory where that has all that is wanted."""
    found: dict[str, _Ids | errors.IntegrationError] = {}
    due: list[str] = []
    for name, names in wanted.items():
        known = _kept(account, name)
        if known is None or (names - known.keys() and _age(account, name) > PATIENCE_SECONDS):
            due.append(name)
        else:
            found[name] = known
    answers: list[_Ids | errors.IntegrationError] = sessions.run(
        account, _asked, due, failed=_as_answer, deadline=deadline
    )
    for name, answer in zip(due, answers, strict=True):
        found[name] = answer
        if not isinstance(answer, errors.IntegrationError):
            _keep(account, name, answer)
    return found


def _asked(org: Org, name: str) -> _Ids | errors.IntegrationError:
    if not NAME.fullmatch(name):
        raise errors.Refused(f"{name!r} is no API name of an object.", code="INVALID_TYPE")
    soql = (
        "SELECT Id, DeveloperName, NamespacePrefix FROM RecordType"  # noqa: S608  # a name, as checked above
        f" WHERE SobjectType = '{name}' AND IsActive = true"
    )
    answer = org.request("GET", f"{org.data}/query?q={quote(soql)}")
    if answer.status_code != 200:
        raise org.failure(answer)
    told = json_of(answer)
    records = told.get("records") if isinstance(told, dict) else None
    if not isinstance(records, list):
        raise unreadable(answer.status_code)
    ids: dict[str, str] = {}
    # A package may bring a record type of the same name: the org's own comes last, and counts.
    for record in sorted(filter(_is_one, records), key=lambda one: not one.get("NamespacePrefix")):
        ids[record["DeveloperName"].lower()] = record["Id"]
    return ids


def _is_one(record: Any) -> bool:
    return isinstance(record, dict) and all(isinstance(record.get(key), str) for key in ("Id", BY))


def _as_answer(failure: errors.IntegrationError, name: str) -> _Ids | errors.IntegrationError:
    return failure


def _kept(account: Account, name: str) -> _Ids | None:
    with _lock:
        known = _known.get(_key(account, name))
    return known.ids if known is not None and _age(account, name) < FRESH_SECONDS else None


def _age(account: Account, name: str) -> float:
    with _lock:
        known = _known.get(_key(account, name))
    return time.monotonic() - known.read_at if known is not None else FRESH_SECONDS


def _keep(account: Account, name: str, ids: _Ids) -> None:
    with _lock:
        if len(_known) >= MOST_KEPT:
            _known.clear()
        _known[_key(account, name)] = _Known(ids, time.monotonic())


def _key(account: Account, name: str) -> tuple[int, str, str]:
    return account.connection_id, account.pinned_account, name.lower()
