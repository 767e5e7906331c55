"""This module says what is wrong between us and a system, as far as that is the same for all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError

from connectors.base import Diagnosis

# Webhook signatures and JWT assertions are refused when the clocks differ by minutes.
MOST_SKEW_SECONDS = 120


def clock_skew(date_header: str | None, *, now: datetime) -> float | None:
    """Return by how many seconds our clock is ahead of the peer's, or None if the peer did not tell."""
    try:
        theirs = parsedate_to_datetime(date_header or "")
    except (TypeError, ValueError):
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return (now - theirs).total_seconds()


def clocks_differ(seconds: float) -> Diagnosis:
    """Return the diagnosis of a clock that is wrong."""
    which = "ahead of" if seconds > 0 else "behind"
    return Diagnosis(
        ok=False,
        title="The clocks differ",
        explanation=f"This machine's clock is {abs(seconds):.0f} s {which} the other side's. "
        "Signatures and logins carry the time, and are refused when it is wrong.",
        remedy="Switch on time synchronisation (NTP) on this machine.",
        details={"clock_skew": round(seconds)},
    )


def kind_of(error: BaseException | None) -> str:
    """Return what a network error was: dns, tls, connect, timeout, redirect or network."""
    reasons = list(_chain(error))
    if any(isinstance(reason, NameResolutionError) for reason in reasons):
        return "dns"
    # A TLS error that was caused by a timeout is a timeout; `requests` says so by the class of the error.
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    if isinstance(error, requests.ReadTimeout):
        return "timeout"
    if isinstance(error, requests.ConnectTimeout) or any(isinstance(r, NewConnectionError) for r in reasons):
        return "connect"
    if any(isinstance(reason, TimeoutError) for reason in reasons):
        return "timeout"
    return "network"


def _chain(error: BaseException | None) -> list[object]:
    found: list[object] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 20:
        reason = waiting.pop()
        if reason is None or reason in found:
            continue
        found.append(reason)
        if isinstance(reason, BaseException):
            waiting += [reason.__cause__, reason.__context__, getattr(reason, "reason", None), *reason.args]
    return found


_NETWORK = {
    "dns": (
        "The name cannot be resolved",
        "No address was found for {host}.",
        "Check the address for typing errors, and this machine's DNS settings.",
    ),
    "connect": (
        "Nothing answers there",
        "No connection to {host} could be opened.",
        "Check that a firewall lets this machine out, and that the proxy settings are right.",
    ),
    "tls": (
        "The certificate was not accepted",
        "{host} answered, but its TLS certificate is not trusted here.",
        "If a proxy of your company opens TLS, point REQUESTS_CA_BUNDLE to its certificate.",
    ),
    "timeout": (
        "No answer in time",
        "{host} took the request and did not answer within the deadline.",
        "Try again in a minute; if it stays so, look at the system's status page.",
    ),
    "network": (
        "The connection broke",
        "The connection to {host} was closed before the answer was complete.",
        "Try again in a minute; if it stays so, look at proxies between here and there.",
    ),
}


def network_trouble(error: BaseException | None, *, host: str) -> Diagnosis:
    """Return the diagnosis of a call that got no answer."""
    kind = kind_of(error)
    title, explanation, remedy = _NETWORK[kind]
    return Diagnosis(
        ok=False,
        title=title,
        explanation=explanation.format(host=host),
        remedy=remedy,
        details={"kind": kind},
    )


def another_account(*, pinned: str, found: str, noun: str) -> Diagnosis:
    """Return the diagnosis of a credential that leads elsewhere than it did when it was first tested."""
    return Diagnosis(
        ok=False,
        title=f"This leads to another {noun}",
        explanation=f"The connection was made for the {noun} {pinned}, but the credential belongs to "
        f"{found}. Nothing is written until this is right.",
        remedy=f"Enter the credential of {pinned}, or make a new connection for {found}. "
        "A Salesforce sandbox that was refreshed is a new org.",
        details={"pinned": pinned, "found": found},
    )
