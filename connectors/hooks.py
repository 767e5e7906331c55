"""
This module posts to addresses that people of a workspace have entered, such as incoming webhooks.

Such an address could lead anywhere, so it is https, and dialled only where its name means public addresses
and nothing else, looked at in the moment of dialling. Hosts of a private network are named by whoever runs
the installation; this machine is for the sandbox. No redirect is followed, and little is read of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import requests
from django.conf import settings
from requests.utils import get_environ_proxies, select_proxy

from connectors import outbound
from connectors.addresses import LOOPBACK, NotAllowed, NotPublic, dialled, public_address
from integrator.kernel.redact import MASK, redact_text

DEADLINE = 10.0  # seconds for one post, from connecting to the last byte
MAX_BYTES = 64 * 1024
LONGEST = 2000  # characters of an address
MOST_SAID = 200  # characters of an answer that are kept
SHORTEST_SECRET = 6  # signs of a piece of an address that is masked where an answer repeats it
LONGEST_WAIT = 3600  # seconds that an answer may ask for
_NUMBER = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*")
_EXAMPLE = "https://hooks.example.com/alerts"


class NotPosted(Exception):
    """Nothing was sent, or no answer came. The message says why, in words for people."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: its status, the beginning of its text, and how long it wants to be left."""

    status: int
    said: str
    retry_after: int = 0


def checked(address: str) -> str:
    """
    Return `address` as it may be kept.

    :raises NotAllowed: if nothing may be posted there; the message says what to enter instead
    """
    address = address.strip()
    wrong = NotAllowed(f"This is not an address such as {_EXAMPLE}.")
    if len(address) > LONGEST or not all("!" <= sign <= "~" and sign != "\\" for sign in address):
        raise wrong
    host = dialled(address)
    parts = urlsplit(address) if host else None
    if parts is None or parts.scheme not in ("http", "https"):
        raise wrong
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise NotAllowed("Enter the address without a user name and without a # part.")
    if host in LOOPBACK:
        if not settings.SANDBOX:
            raise NotAllowed("An address on this machine is allowed only while the sandbox is switched on.")
    elif host not in settings.ALERT_PRIVATE_HOSTS:
        _check_public(parts.scheme, host)
    return address


def _check_public(scheme: str, host: str) -> None:
    if scheme != "https":
        raise NotAllowed("The address has to start with https://.")
    if _NUMBER.fullmatch(host) or "." not in host:
        raise NotAllowed(
            "Enter the full name of a public host. Hosts of a private network are named in "
            "INTEGRATOR_ALERT_PRIVATE_HOSTS by whoever runs this installation."
        )


def post(address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """
    Post `body` once and return the answer, whatever its status.

    :raises NotPosted: if the address is not allowed, leads into a private network, or did not answer
    """
    try:
        checked(address)
        host = dialled(address)
        open_to = host in LOOPBACK or host in settings.ALERT_PRIVATE_HOSTS
        if not open_to:
            _look_up(address, host)
        with outbound.within(DEADLINE), outbound.at_most(MAX_BYTES):
            answer = outbound.session(public_only=not open_to).post(
                address, data=body, headers={"User-Agent": "Integrator", **headers}
            )
    except (NotAllowed, NotPublic) as refused:
        raise NotPosted(str(refused)) from refused
    except requests.exceptions.SSLError as failure:
        raise NotPosted("Its certificate is not valid, or it does not speak TLS.") from failure
    except requests.Timeout as failure:
        raise NotPosted("It does not answer in time.") from failure
    except (requests.RequestException, OSError) as failure:
        raise NotPosted("It cannot be reached, or it broke off.") from failure
    return Answer(answer.status_code, _said(answer, address), _retry_after(answer))


def _look_up(address: str, host: str) -> None:
    """Say clearly where a name leads; what is dialled is looked at again."""
    try:
        public_address(host, None)
    except NotPublic:
        raise
    except OSError as failure:
        if select_proxy(address, get_environ_proxies(address)):
            return  # the proxy knows names that this machine does not
        if isinstance(failure, TimeoutError):
            raise NotPosted(str(failure)) from failure
        raise NotPosted(f"Nobody knows the name {host}.") from failure


def _said(answer: requests.Response, address: str) -> str:
    text = answer.content[:4096].decode("utf-8", "replace")
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return redact_text(_without(" ".join(printable.split()), address))[:MOST_SAID]


def _without(text: str, address: str) -> str:
    """Mask what `text` repeats of the path and query of `address`, which are as good as a password."""
    parts = urlsplit(address)
    pieces = {parts.path, parts.query, *parts.path.split("/"), *re.split("[&=]", parts.query)}
    pieces |= {unquote(piece) for piece in pieces}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= SHORTEST_SECRET:
            text = text.replace(piece, MASK)
    return text


def _retry_after(answer: requests.Response) -> int:
    told = answer.headers.get("Retry-After", "")
    return min(int(told), LONGEST_WAIT) if told.isdecimal() and len(told) < 9 else 0
