"""
This module keeps the one session of a connection, shared by every thread, process and host.

Salesforce allows 3,600 logins an hour for a user; one program that logs in for each request stops every
other. So there is one row per connection. Whoever finds the session over takes the row's lease and logs
in; everybody else waits for the result. A holder that died is taken over when its lease ends. After a
refused login nobody tries again for a while.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from connectors.base import Account
from connectors.models import AccessToken
from connectors.salesforce import logins
from connectors.salesforce.login import LOGIN_SECONDS, Grant, LoginFailed, login
from connectors.salesforce.logins import LoginProblem
from integrator import vault
from integrator.kernel import errors

LEASE = timedelta(seconds=2 * LOGIN_SECONDS)  # longer than any login may take
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Token:
    """An open session. `generation` tells whether somebody has replaced it since."""

    value: str = field(repr=False)
    instance_url: str
    org_id: str
    generation: int


def obtain(account: Account, *, stale: int | None = None, deadline: float = LOGIN_SECONDS) -> Token:
    """
    Return the connection's session, logging in if there is none or the one of generation `stale` is over.

    :raises IntegrationError: if no session can be had: Unauthorized, RateLimited, Misdirected or Transient
    """
    ends = time.monotonic() + deadline
    while True:
        seen = _look(account.connection_id)
        row = seen.row
        if row.refused_until is not None and row.refused_until > seen.at:
            problem = logins.BY_CODE.get(row.refusal_code, logins.OTHER)
            raise _failure(problem, row.refusal, row.refused_until)
        if row.ciphertext and (stale is None or row.generation > stale):
            token = _opened(row)
            if token is not None:
                return _checked(token, account)
            stale = row.generation  # the key that sealed it is gone: it is as good as over
        owner = _take_lease(seen)
        if owner:
            return _checked(_renew(account, owner), account)
        if time.monotonic() >= ends:
            raise errors.Transient("Another process is still logging in to Salesforce.", code="timeout")
        time.sleep(POLL_SECONDS)


def keep(connection_id: int, grant: Grant, *, owner: str | None = None) -> Token:
    """
    Store what a login brought and return it as the connection's session.

    With `owner` only while that lease holds: a slow login must not replace a newer one.
    """
    rows = AccessToken.objects.filter(connection_id=connection_id)
    if owner is not None:
        rows = rows.filter(lease_owner=owner)
    else:
        AccessToken.objects.get_or_create(connection_id=connection_id)
    kept = rows.update(
        ciphertext=vault.seal(grant.value.encode(), owner=owner_of(connection_id)),
        instance_url=grant.instance_url,
        org_id=grant.org_id,
        generation=F("generation") + 1,
        refreshed_at=Now(),
        lease_owner="",
        lease_until=None,
        refused_until=None,
        refusal="",
        refusal_code="",
    )
    # Not kept, because the lease ran out: the session is good, but the row knows a newer one.
    generation = AccessToken.objects.get(connection_id=connection_id).generation if kept else 0
    return Token(grant.value, grant.instance_url, grant.org_id, generation)


def refuse_sessions(connection_id: int, *, generation: int) -> errors.IntegrationError:
    """
    Note that even a fresh session was refused, so that nobody logs in for a while, and return the failure.

    A login that is answered and leads to nothing would otherwise be repeated by every call of every worker.
    """
    problem = logins.NO_SESSION
    words = f"{problem.title}. {problem.explanation}"
    until = _look(connection_id).at + problem.rest
    AccessToken.objects.filter(connection_id=connection_id, generation=generation).update(
        refused_until=until, refusal=words, refusal_code=problem.code
    )
    return _failure(problem, words, until)


def forget(connection_id: int) -> None:
    """Drop the session, any refusal and a login under way, as after a change of credentials."""
    AccessToken.objects.filter(connection_id=connection_id).update(
        ciphertext=b"",
        generation=F("generation") + 1,
        lease_owner="",  # so that neither a session nor a refusal of the old credentials is kept
        lease_until=None,
        refused_until=None,
        refusal="",
        refusal_code="",
    )


def allow(connection_id: int) -> None:
    """Let the next call log in, although the last login was refused."""
    AccessToken.objects.filter(connection_id=connection_id).update(
        refused_until=None, refusal="", refusal_code=""
    )


def owner_of(connection_id: int) -> str:
    """Return the owner under which the vault seals the session."""
    return f"token:{connection_id}"


class _Seen(NamedTuple):
    """The row, and the database's own time at which it was read: hosts' clocks may differ."""

    row: AccessToken
    at: datetime


def _look(connection_id: int) -> _Seen:
    rows = AccessToken.objects.filter(connection_id=connection_id).annotate(asked_at=Now())
    row = rows.first()
    if row is None:
        AccessToken.objects.get_or_create(connection_id=connection_id)
        row = rows.get()
    return _Seen(row, row.asked_at)


def _take_lease(seen: _Seen) -> str:
    """Take the lease if it is free or its holder died. Compare and set: one of many succeeds."""
    row = seen.row
    if row.lease_until is not None and row.lease_until > seen.at:
        return ""
    owner = secrets.token_hex(16)
    taken = AccessToken.objects.filter(
        pk=row.pk, generation=row.generation, lease_owner=row.lease_owner, refused_until=row.refused_until
    ).update(lease_owner=owner, lease_until=seen.at + LEASE)
    return owner if taken else ""


def _renew(account: Account, owner: str) -> Token:
    try:
        grant = login(account)
    except LoginFailed as failure:
        raise _give_up(account.connection_id, owner, failure) from failure
    except BaseException:
        _leased(account.connection_id, owner).update(lease_owner="", lease_until=None)
        raise
    return keep(account.connection_id, grant, owner=owner)


def _give_up(connection_id: int, owner: str, failed: LoginFailed) -> errors.IntegrationError:
    words = f"{failed.diagnosis.title}. {failed.diagnosis.explanation}"[:500]
    until = _look(connection_id).at + failed.problem.rest
    _leased(connection_id, owner).update(
        lease_owner="",
        lease_until=None,
        refused_until=until,
        refusal=words,
        refusal_code=failed.problem.code,
    )
    return _failure(failed.problem, words, until)


def _leased(connection_id: int, owner: str) -> QuerySet[AccessToken]:
    return AccessToken.objects.filter(connection_id=connection_id, lease_owner=owner)


def _failure(problem: LoginProblem, words: str, until: datetime) -> errors.IntegrationError:
    code = "network" if problem.failure is errors.Transient else problem.code
    return problem.failure(words or problem.title, code=code, resets_at=until)


def _opened(row: AccessToken) -> Token | None:
    try:
        value = vault.unseal(row.ciphertext, owner=owner_of(row.connection_id)).decode()
    except vault.Unreadable:
        return None
    return Token(value, row.instance_url, row.org_id, row.generation)


def _checked(token: Token, account: Account) -> Token:
    """Refuse a session of another org: a sandbox that was refreshed is a new org with old credentials."""
    if account.pinned_account and token.org_id != account.pinned_account:
        raise errors.Misdirected(
            f"The login leads to org {token.org_id}, but this connection is for {account.pinned_account}.",
            code="another_org",
        )
    return token
