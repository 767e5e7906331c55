"""
This module asks an org with the session that a person lends for the moment, beside the connection's own.

The session is an argument from the first line to the last: it is written nowhere, and what becomes of it says
nothing about the connection. Every call is made only where it leads to the org that the connection is for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction

from connectors import gateway, registry
from connectors.base import Params, Result
from connectors.credentials import account_for, check_address
from connectors.models import Connection
from integrator.kernel import errors
from integrator.kernel.refusals import Unacceptable

# A session id or an opaque access token: the org's id, a bang and what only its holder knows. Or a JWT.
# https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_tokens_scopes.htm
_SESSION = re.compile(r"00D[A-Za-z0-9]{12,15}![A-Za-z0-9._\-]{20,2000}|eyJ[A-Za-z0-9_.\-]{20,4000}")


def checked(session: str) -> str:
    """
    Return a session as it was pasted, without blanks around it.

    :raises Unacceptable: if it cannot be one, before it is sent anywhere
    """
    found = session.strip()
    if not _SESSION.fullmatch(found):
        raise Unacceptable(
            "This is no access token of Salesforce. It begins with 00D and has an exclamation mark in it; "
            "`sf org display --target-org YOUR-ORG` shows it.",
            field="access_token",
        )
    return found


def call(
    *, connection: Connection, session: str, action: str, requests: Sequence[Params], deadline: float
) -> list[Result]:
    """
    Ask the connection's org for `action` once per request, as whoever lent `session`.

    Failures are returned, not raised.

    :raises RuntimeError: inside a transaction
    :raises Unacceptable: if it cannot be a session
    """
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("A call to another system is never made inside a transaction.")
    ends = time.monotonic() + deadline
    account = replace(account_for(connection, {}), guest=checked(session))
    connector = registry.load()[connection.system]
    try:
        check_address(connection)
        found = connector.identity(account, deadline=deadline)
        gateway.stand_guard(account, found.account, found.livemode)
    except errors.IntegrationError as failure:
        return [failure] * len(requests)
    return connector.perform(account, action, requests, deadline=max(0.0, ends - time.monotonic()))
