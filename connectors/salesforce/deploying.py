"""
This module deploys a package to an org with the session of an administrator, and looks how far that is.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_rest_deploy.htm
The integration user may not do it, and shall not be able to: without a lent session nothing is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from connectors.base import Account, Answer, Params, Result
from connectors.salesforce import sessions
from connectors.salesforce.client import Org, json_of
from connectors.salesforce.errors import in_doubt, unreadable
from integrator.kernel import errors

_ID = re.compile(r"[A-Za-z0-9]{15,18}")


def deploy(account: Account, requests: Sequence[Params], *, deadline: float) -> list[Result]:
    """Begin a deployment per request, and return its `id`, or a failure."""
    if not account.guest:
        refusal = errors.Refused("Only an administrator may deploy to an org.", code="INSUFFICIENT_ACCESS")
        return [refusal] * len(requests)
    return sessions.run(account, _deploy, requests, failed=_as_result, deadline=deadline)


def _deploy(org: Org, params: Params) -> Result:
    options = {
        "checkOnly": bool(params.get("check_only")),
        "rollbackOnError": True,  # everything, or nothing
        "singlePackage": True,
        "ignoreWarnings": True,
    }
    body, content_type = encode_multipart_formdata(
        {
            "json": ("options.json", json.dumps({"deployOptions": options}), "application/json"),
            "file": ("package.zip", params["content"], "application/zip"),
        }
    )
    # A check changes nothing, so it may be asked for again; a deployment whose answer is lost is in doubt.
    repeatable = bool(params.get("check_only"))
    path = f"{org.data}/metadata/deployRequest"
    answer = org.request("POST", path, body=body, repeatable=repeatable, content_type=content_type)
    told = json_of(answer)
    if answer.status_code == 201 and isinstance(told, dict) and _ID.fullmatch(str(told.get("id"))):
        return {"id": str(told["id"])}
    if answer.status_code == 201:
        failure: errors.IntegrationError = unreadable(201)
    else:
        failure = org.failure(answer)
    return failure if repeatable else in_doubt(failure)


def deployment(org: Org, params: Params) -> Answer:
    """
    Return how far a deployment is, as Salesforce words it, with what became of each component.

    :raises Expired: if a new session is needed
    :raises IntegrationError: if it cannot be looked at
    """
    id_ = str(params.get("id") or "")
    if not _ID.fullmatch(id_):
        raise errors.Refused("This is no deployment.", code="NOT_FOUND")
    answer = org.request("GET", f"{org.data}/metadata/deployRequest/{id_}?includeDetails=true")
    told: Any = json_of(answer)
    if answer.status_code != 200:
        raise org.failure(answer)
    result = told.get("deployResult") if isinstance(told, dict) else None
    if not isinstance(result, dict):
        raise unreadable(200)
    return result


def _as_result(failure: errors.IntegrationError, params: Params) -> Result:
    return failure
