"""This module tests a Salesforce connection and says what is wrong with it in words that help an admin."""

from __future__ import annotations

import re
from typing import Any

from connectors import outbound
from connectors.base import Account, Diagnosis
from connectors.diagnosis import MOST_SKEW_SECONDS, another_account, clocks_differ
from connectors.salesforce import auth
from connectors.salesforce.client import Org
from connectors.salesforce.errors import Expired
from connectors.salesforce.login import Grant, LoginFailed, login
from integrator.kernel import errors

OLDEST_GOOD = 6  # versions behind the newest: Salesforce retires old ones, with notice
TEST_SECONDS = 20.0


def of(account: Account) -> Diagnosis:
    """Log in anew, whatever the last login came to, look around, and return what was found."""
    with outbound.within(TEST_SECONDS):
        try:
            grant = login(account)
        except LoginFailed as failure:
            return failure.diagnosis
        except errors.IntegrationError as failure:
            return _failed("The credential cannot be used", failure)
        if grant.clock_skew is not None and abs(grant.clock_skew) > MOST_SKEW_SECONDS:
            return clocks_differ(grant.clock_skew)
        if account.pinned_account and grant.org_id != account.pinned_account:
            return another_account(pinned=account.pinned_account, found=grant.org_id, noun="org")
        return _look_around(account, grant)


def _look_around(account: Account, grant: Grant) -> Diagnosis:
    try:
        org = Org(account, auth.keep(account.connection_id, grant))
        if trouble := _version_trouble(org, account.api_version):
            return trouble
        sandbox = _is_sandbox(org)
    except Expired:
        problem = auth.refuse_sessions(account.connection_id, generation=_generation(account))
        return _failed("The session is refused", problem)
    except errors.IntegrationError as failure:
        return _failed("The API cannot be used", failure)
    livemode = None if sandbox is None else not sandbox
    kind = {True: "a sandbox or trial org", False: "a production org", None: "an org"}[sandbox]
    return Diagnosis(
        ok=True,
        title="Salesforce answers",
        explanation=f"{account.settings.get('username')} is logged in to {kind}, {grant.org_id}.",
        details={
            "account": grant.org_id,
            "livemode": livemode,
            "api_version": account.api_version,
            "instance_url": grant.instance_url,
            "clock_skew": None if grant.clock_skew is None else round(grant.clock_skew),
        },
    )


def _generation(account: Account) -> int:
    return auth.obtain(account).generation


def _version_trouble(org: Org, pinned: str) -> Diagnosis | None:
    """Compare the version with those that the org speaks; the list needs no session."""
    answer = org.request("GET", "/services/data")
    newest = _newest(answer.json() if answer.status_code == 200 else None)
    if newest is None:
        return None
    ours = int(pinned.lstrip("v").split(".")[0])
    if newest - OLDEST_GOOD <= ours <= newest:
        return None
    return Diagnosis(
        ok=False,
        title="The API version does not fit",
        explanation=f"The connection asks for {pinned}; the org speaks up to v{newest}.0.",
        remedy=f"Set the connection's version to one between v{newest - OLDEST_GOOD}.0 and v{newest}.0.",
        details={"api_version": pinned, "newest": f"v{newest}.0"},
    )


def _newest(versions: Any) -> int | None:
    if not isinstance(versions, list):
        return None
    found = [
        re.fullmatch(r"(\d{2,3})\.\d", str(item.get("version")))
        for item in versions
        if isinstance(item, dict)
    ]
    return max((int(match[1]) for match in found if match), default=None)


def _is_sandbox(org: Org) -> bool | None:
    """Ask the org what it is. A user who may not read that leaves it open."""
    answer = org.request("GET", f"{org.data}/query?q=SELECT+Id,IsSandbox+FROM+Organization")
    if answer.status_code != 200:
        failure = org.failure(answer)
        if isinstance(failure, errors.Refused | errors.Forbidden | errors.Missing) and failure.code in OPEN:
            return None
        raise failure
    records = answer.json().get("records") or [{}]
    told = records[0].get("IsSandbox")
    return told if isinstance(told, bool) else None


# What a user without the right to read Organization is told.
OPEN = frozenset({"INVALID_TYPE", "INVALID_FIELD", "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY"})


def _failed(title: str, failure: errors.IntegrationError) -> Diagnosis:
    remedies = {
        "API_DISABLED_FOR_ORG": "This edition has no API. Professional Edition needs it as an add-on.",
        "API_CURRENTLY_DISABLED": "Give the integration user the permission 'API Enabled'.",
        "REQUEST_LIMIT_EXCEEDED": "The org's API calls of the last 24 hours are used up. Test again later.",
        "UNSUPPORTED_API_VERSION": "Salesforce has retired this version. Set a newer one.",
    }
    return Diagnosis(
        ok=False,
        title=title,
        explanation=str(failure),
        remedy=remedies.get(
            failure.code, "Look at https://status.salesforce.com and test again in a minute."
        ),
        details={"code": failure.code, "request_id": failure.request_id},
        needs_key=isinstance(failure, errors.Unauthorized),
    )
