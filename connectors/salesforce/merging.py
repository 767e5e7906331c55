"""
This module merges records in an org, over SOAP: REST has no such call.

Salesforce does a merge as a whole or not at all: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
Whoever lost the answer asks what the losers were merged into (`merges`) before anything is sent again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import Account, Params, Result
from connectors.salesforce import sessions, soap
from connectors.salesforce.client import CLIENT_NAME, Org, request_id_of
from connectors.salesforce.errors import (
    EXPIRED,
    Expired,
    Problem,
    failure_of,
    in_doubt,
    is_expired,
    unreadable,
)
from connectors.salesforce.ids import as_18
from integrator.kernel import errors, texts

# Those of which a merge by the API is allowed, of what people can merge.
MERGEABLE = frozenset({"Account", "Contact", "Lead"})
MOST_LOSERS = 2
NOT_FIELDS = frozenset({"Id", "id", "type", "fieldsToNull"})  # what a record of SOAP says of itself

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One merge, checked."""

    object: str
    master: str
    losers: tuple[str, ...]
    values: Mapping[str, Any]


def merge(account: Account, requests: Sequence[Params], *, deadline: float) -> list[Result]:
    """
    Merge `losers` into `master` per request; the ids of what moved to it come back as `moved`.

    An answer that is lost leaves it in doubt: it is `Uncertain`, and nothing is sent again.
    """
    return sessions.run(account, _merge, requests, failed=_as_result, deadline=deadline)


def parsed(params: Params) -> Wanted:
    """
    Return one merge as it will be sent.

    :raises Refused: if these records cannot be merged, or an id or a name is none
    """
    name = next((one for one in MERGEABLE if one.lower() == str(params.get("object")).lower()), None)
    if name is None:
        raise errors.Refused("Records of this object cannot be merged.", code="INVALID_TYPE", field="object")
    try:
        master = as_18(str(params.get("master")))
        losers = tuple(as_18(str(one)) for one in params.get("losers") or ())
    except ValueError as problem:
        raise errors.Refused(f"{problem}.", code="MALFORMED_ID", field="Id") from None
    if not 0 < len(losers) <= MOST_LOSERS or len({master, *losers}) != len(losers) + 1:
        said = "One or two records are merged into another one, each of them once."
        raise errors.Refused(said, code="INVALID_OPERATION", field="losers")
    values: Mapping[str, Any] = params.get("values") or {}
    wrong = next((one for one in values if not _NAME.fullmatch(one) or one in NOT_FIELDS), None)
    if wrong is not None:
        raise errors.Refused(f"{wrong!r} is no field to set.", code="INVALID_FIELD", field=wrong)
    return Wanted(name, master, losers, dict(values))


def _merge(org: Org, params: Params) -> Result:
    wanted = parsed(params)
    answer = org.soap(
        lambda session: soap.merge_call(
            session=session,
            client=CLIENT_NAME,
            object=wanted.object,
            master=wanted.master,
            losers=wanted.losers,
            values=wanted.values,
        )
    )
    request_id = request_id_of(answer)
    try:
        told = soap.read_merge(answer.content)
    except soap.Unreadable:
        return in_doubt(unreadable(answer.status_code, request_id=request_id))
    if isinstance(told, soap.Trouble):
        return _failure(org, told, request_id)
    if not told.success:
        return _failure(org, next(iter(told.troubles), soap.Trouble("", "")), request_id)
    if not _is_what_was_wanted(told, wanted):
        return in_doubt(unreadable(answer.status_code, request_id=request_id))
    return {"id": wanted.master, "merged": list(wanted.losers), "moved": list(told.moved)}


def _failure(org: Org, trouble: soap.Trouble, request_id: str) -> errors.IntegrationError:
    """
    Return the failure that a fault or an error of the merge means.

    :raises Expired: if a new session cures it
    """
    # A fault without a code of the API's own does not say whether anything was done.
    code = "" if trouble.code == "Server" else texts.storable(trouble.code, texts.LONGEST_CODE)
    problem = Problem(code, trouble.message, trouble.fields)
    if trouble.code in EXPIRED and is_expired(401, [problem]):
        raise Expired
    # Faults come with HTTP 500 whatever they mean; here the code alone decides.
    return in_doubt(failure_of(400, [problem], now=org.now(), request_id=request_id))


def _is_what_was_wanted(told: soap.Merged, wanted: Wanted) -> bool:
    try:
        return as_18(told.id) == wanted.master and set(map(as_18, told.merged)) == set(wanted.losers)
    except ValueError:
        return False


def _as_result(failure: errors.IntegrationError, params: Params) -> Result:
    return failure
