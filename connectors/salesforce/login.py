"""
This module logs in to Salesforce with the OAuth 2.0 JWT bearer flow and keeps nothing.

Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm
The My Domain address is both the host that is asked and the audience of the assertion: since Spring '26
an External Client App is found nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from connectors import addresses, outbound
from connectors.base import LOGIN, Account, Diagnosis
from connectors.diagnosis import MOST_SKEW_SECONDS, clock_skew, clocks_differ, network_trouble
from connectors.salesforce import logins
from connectors.salesforce.ids import as_18
from connectors.salesforce.logins import LoginProblem
from integrator.kernel import errors
from integrator.kernel.redact import redact_text
from integrator.kernel.texts import LONGEST_CODE, LONGEST_MESSAGE, storable

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = timedelta(minutes=3)  # of the assertion; more than five minutes are refused
LOGIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login brought. There is no lifetime in it: the org's policy decides, and does not tell."""

    value: str = field(repr=False)
    instance_url: str
    org_id: str
    clock_skew: float | None = None


class LoginFailed(Exception):
    """A login did not succeed. Carries the row of the table and the words for whoever has to repair it."""

    def __init__(self, problem: LoginProblem, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.title)
        self.problem = problem
        self.diagnosis = diagnosis


def login(account: Account) -> Grant:
    """
    Log in once.

    :raises LoginFailed: for whatever reason it did not work
    :raises Unauthorized: if a credential cannot be decrypted
    """
    assertion = assertion_for(account, now=datetime.now(UTC))
    account.called(LOGIN)
    try:
        with outbound.within(LOGIN_SECONDS):
            answer = outbound.session().post(
                account.base_url + TOKEN_PATH,
                data={"grant_type": JWT_BEARER, "assertion": assertion},
                headers={"Accept": "application/json"},
            )
    except requests.RequestException as error:
        raise LoginFailed(
            logins.UNREACHABLE, network_trouble(error, host=account.base_url.split("//")[-1])
        ) from error
    return _grant_from(answer, account, now=datetime.now(UTC))


def assertion_for(account: Account, *, now: datetime) -> str:
    """
    Return the signed assertion that opens a session for the connection's user.

    :raises LoginFailed: if a part of the credential is missing or of the wrong kind
    """
    consumer_key, pem = account.secret("consumer_key").strip(), account.secret("private_key").strip()
    username = str(account.settings.get("username") or "").strip()
    if not (consumer_key and pem and username):
        raise failed(logins.INCOMPLETE)
    claims = {
        "iss": consumer_key,
        "sub": username,
        "aud": str(account.settings.get("audience") or account.base_url).rstrip("/"),
        "exp": int((now + LIFETIME).timestamp()),
    }
    return jwt.encode(claims, _private_key(pem), algorithm="RS256")


def failed(problem: LoginProblem, *, said: str = "", **details: Any) -> LoginFailed:
    """Return the failure of a login, with what Salesforce said where it said something."""
    quoted = f" Salesforce said: {redact_text(said)[:200]}" if said else ""
    diagnosis = Diagnosis(
        ok=False,
        title=problem.title,
        explanation=problem.explanation + quoted,
        remedy=problem.remedy,
        details={"code": problem.code, **details},
        needs_key=problem.failure is errors.Unauthorized,
    )
    return LoginFailed(problem, diagnosis)


def key_problem(pem: str) -> Diagnosis | None:
    """Return what is wrong with a private key as such, before anything is sent, or None."""
    try:
        _private_key(pem)
    except LoginFailed as failure:
        return failure.diagnosis
    return None


def _private_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: its text may quote the key.
        raise failed(logins.KEY_UNREADABLE) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        raise failed(logins.KEY_KIND)
    return key


def _grant_from(answer: requests.Response, account: Account, *, now: datetime) -> Grant:
    skew = clock_skew(answer.headers.get("Date"), now=now)
    if answer.is_redirect:
        raise failed(logins.REDIRECTED, status=answer.status_code)
    told = _object_in(answer)
    if answer.status_code >= 500 or not told:
        raise failed(logins.NOT_THERE, status=answer.status_code)
    if answer.status_code != 200:
        raise _refusal(told, skew=skew, status=answer.status_code)
    token, org_id = told.get("access_token"), _org_in(told.get("id"))
    if not isinstance(token, str) or not token or not org_id:
        raise failed(logins.NOT_THERE, status=answer.status_code)
    return Grant(token, _instance_in(told, account), org_id, skew)


def _object_in(answer: requests.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _refusal(told: dict[str, Any], *, skew: float | None, status: int) -> LoginFailed:
    error = storable(str(told.get("error", "")), LONGEST_CODE)
    description = storable(str(told.get("error_description", "")), LONGEST_MESSAGE)
    problem = logins.problem_for(error, description)
    if problem.code == "expired_assertion" and skew is not None and abs(skew) > MOST_SKEW_SECONDS:
        return LoginFailed(problem, clocks_differ(skew))
    return failed(problem, said=f"{error}: {description}", status=status)


def _org_in(identity: object) -> str:
    """Return the org's id from the identity address: https://host/id/<org id>/<user id>."""
    parts = identity.rstrip("/").split("/") if isinstance(identity, str) else []
    try:
        return as_18(parts[-2])
    except (IndexError, ValueError):
        return ""


def _instance_in(told: dict[str, Any], account: Account) -> str:
    sandbox = settings.SANDBOX and addresses.is_loopback(account.base_url)
    try:
        return addresses.checked(str(told.get("instance_url") or ""), system="salesforce", sandbox=sandbox)
    except addresses.NotAllowed:
        where = storable(str(told.get("instance_url")), 200)
        raise failed(logins.WRONG_PLACE, instance_url=where) from None
