"""
This module asks an org into which records others were merged.

A record that loses a merge is deleted like any other, and no event says more. Only the record itself, as long
as it lies in the recycle bin, names the one that won:
https://developer.salesforce.com/docs/atlas.en-us.apexcode.meta/apexcode/apex_triggers_merge_statements.htm
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from connectors.base import Answer, Params
from connectors.salesforce.client import Org, json_of
from connectors.salesforce.errors import unreadable
from connectors.salesforce.ids import as_18
from integrator.kernel import errors

# What people can merge, and what therefore has the field MasterRecordId:
# https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
MERGED = frozenset({"Account", "Contact", "Lead", "Case", "Individual"})
MOST_IDS = 200  # of one question, which is an address


def merged(org: Org, params: Params) -> Answer:
    """
    Return into which records the deleted records `ids` of `object` were merged, by their ids, as `merged`.

    Those that were only deleted, that are there, or that left the recycle bin are left out.

    :raises Refused: if records of the object are not merged, or an id is none
    :raises IntegrationError: if the org does not tell
    """
    name = next((one for one in MERGED if one.lower() == str(params.get("object")).lower()), None)
    if name is None:
        raise errors.Refused("Records of this object are not merged.", code="INVALID_TYPE", field="object")
    ids = _ids_in(params)
    if not ids:
        return {"merged": {}}
    soql = (
        f"SELECT Id, MasterRecordId FROM {name} WHERE IsDeleted = true AND MasterRecordId != null "  # noqa: S608  # checked names
        f"AND Id IN ({', '.join(repr(one) for one in ids)})"
    )
    answer = org.request("GET", f"{org.data}/queryAll?{urlencode({'q': soql})}")
    if answer.status_code >= 300:
        raise org.failure(answer)
    told = json_of(answer)
    rows = told.get("records") if isinstance(told, dict) else None
    if not isinstance(rows, list):
        raise unreadable(answer.status_code)
    return {"merged": dict(_pair(row, answer.status_code) for row in rows)}


def _ids_in(params: Params) -> list[str]:
    try:
        ids = [as_18(str(one)) for one in params.get("ids") or ()]
    except ValueError:
        raise errors.Refused("This is no id of a record.", code="MALFORMED_ID", field="ids") from None
    if len(ids) > MOST_IDS:
        raise errors.Refused(f"More than {MOST_IDS} ids.", code="MALFORMED_QUERY", field="ids")
    return ids


def _pair(row: Any, status: int) -> tuple[str, str]:
    try:
        return as_18(str(row["Id"])), as_18(str(row["MasterRecordId"]))
    except (KeyError, TypeError, ValueError):
        raise unreadable(status) from None
