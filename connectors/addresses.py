"""
This module says which addresses a connection may speak to, and which of them are public.

A credential is sent to the base address, so it is a vendor's domain over https and nothing else. Loopback
is for the sandbox only. What is checked must be what is dialled: the standard library and urllib3 read an
address differently where it has a backslash, a space or a stray sign in it, so such an address is refused.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from urllib.parse import urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

STRIPE_HOSTS = frozenset({"api.stripe.com"})
SALESFORCE_DOMAIN = ".salesforce.com"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LOOK_UP_SECONDS = 5.0
EXAMPLES = {"stripe": "https://api.stripe.com", "salesforce": "https://acme.my.salesforce.com"}

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_PORTS = {"http": 80, "https": 443}


class NotAllowed(ValueError):
    """The address is not one of the system's own. The message says what to enter instead."""


def checked(address: str, *, system: str, sandbox: bool) -> str:
    """
    Return `address` as a bare origin (`https://host`), if a connection to `system` may speak to it.

    :raises NotAllowed: if not
    """
    if system not in EXAMPLES:
        raise NotAllowed(f"No addresses are known for a system called {system!r}.")
    scheme, host, port = _parts_of(address.strip(), EXAMPLES[system])
    shown = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{shown}" + (f":{port}" if port else "")
    if dialled(origin) != host:
        raise NotAllowed(f"This is not an address such as {EXAMPLES[system]}.")
    if host in LOOPBACK:
        if not sandbox:
            raise NotAllowed("An address on this machine is allowed only while the sandbox is switched on.")
        return origin
    if scheme != "https":
        raise NotAllowed("The address has to start with https://, because credentials are sent to it.")
    _VENDORS[system](host)
    if port:
        raise NotAllowed("The address must not name a port.")
    return origin


class NotPublic(OSError):
    """A name means an address of this machine or of a private network."""


def public_address(host: str, port: int | None) -> str:
    """
    Return an address that `host` means, if it means nothing but public ones.

    :raises NotPublic: if one of them is not
    :raises TimeoutError: if nobody says so within `LOOK_UP_SECONDS`
    :raises OSError: if nobody knows the name
    """
    found = _meant(host, port)
    if not found or not all(_is_public(address) for address in found):
        raise NotPublic(f"{host} leads into a private network or to this machine.")
    return found[0]


def _meant(host: str, port: int | None) -> list[str]:
    """Return what `host` means. The library's own look-up has no deadline, so it gets a thread of its own."""
    found: list[str] = []
    failures: list[Exception] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(str(info[4][0]) for info in infos)
        except Exception as failure:  # told by whoever waits
            failures.append(failure)

    thread = threading.Thread(target=look_up, name="look-up", daemon=True)
    thread.start()
    thread.join(LOOK_UP_SECONDS)
    if thread.is_alive():
        raise TimeoutError(f"Nobody says in time where {host} leads.")
    if failures:
        raise failures[0]
    return found


# What embeds an address of the older sort, which may be a private one (RFC 6052, 3056, 4380, 4291),
# and the site-local ones of old (RFC 3879).
_NOT_ALONE = [
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10")
]


def _is_public(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return _is_public(str(found.ipv4_mapped))
        if any(found in net for net in _NOT_ALONE):
            return False
    return found.is_global and not found.is_multicast


def is_loopback(address: str) -> bool:
    """Tell whether `address` is on this machine."""
    return dialled(address) in LOOPBACK


def dialled(address: str) -> str:
    """
    Return the host that a request to `address` is sent to, in lower case and without brackets.

    Empty if that is in doubt: the two parsers see different hosts, or it is no name that can be looked up.
    """
    try:
        ours, theirs = urlsplit(address), parse_url(address)
        host, port = (ours.hostname or "").lower(), ours.port
    except (ValueError, LocationParseError):
        return ""
    other = (theirs.host or "").lower().removeprefix("[").removesuffix("]")
    agreed = (host, port) == (other, theirs.port)
    return host if agreed and (host in LOOPBACK or _NAME.fullmatch(host)) else ""


def _parts_of(address: str, example: str) -> tuple[str, str, int | None]:
    """Return scheme, host, and the port where it is unusual, refusing what only looks like an address."""
    wrong = NotAllowed(f"This is not an address such as {example}.")
    # Before anything is parsed: urlsplit drops tabs and line ends, and urllib3 ends the host at a backslash.
    if not all("!" <= sign <= "~" and sign != "\\" for sign in address):
        raise wrong
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise wrong from None
    named = host in LOOPBACK or _NAME.fullmatch(host) is not None
    if parts.scheme not in _PORTS or not (named or ":" in host):
        raise wrong
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise NotAllowed("Enter the address alone: no path, no user name, nothing behind the host.")
    if not named:
        raise NotAllowed(f"Enter the name of the host, as in {example}, and not a number.")
    return parts.scheme, host, port if port != _PORTS[parts.scheme] else None


def _check_stripe(host: str) -> None:
    if host not in STRIPE_HOSTS:
        raise NotAllowed("Stripe's API answers at https://api.stripe.com and nowhere else.")


def _check_salesforce(host: str) -> None:
    if host.endswith(".lightning.force.com"):
        # Sessions are not valid there: the API answers INVALID_SESSION_ID for ever.
        name = host.removesuffix(".lightning.force.com")
        raise NotAllowed(
            f"That is the address of the pages, not of the API. Use https://{name}.my.salesforce.com."
        )
    if not host.endswith(SALESFORCE_DOMAIN):
        raise NotAllowed("Use the My Domain login address, such as https://acme.my.salesforce.com.")


_VENDORS = {"stripe": _check_stripe, "salesforce": _check_salesforce}
