"""
This module says where the event bus of a connection answers.

A session is sent there, so it is Salesforce's own address, or one on this machine while the sandbox is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings as project

from connectors.addresses import dialled, is_loopback
from integrator.kernel import errors

USUAL = "api.pubsub.salesforce.com:7443"
DOMAIN = ".pubsub.salesforce.com"  # there is another for the European Union: api.deu.pubsub.salesforce.com
PORTS = frozenset({443, 7443})
NOWHERE = "event_bus.address"
SETTING, CERTIFICATE = "event_bus", "event_bus_certificate"


class NotAllowed(ValueError):
    """The address is not one of Salesforce's event bus. The message says what to enter instead."""


def checked(address: str) -> str:
    """
    Return `address`, host and port, if a connection may hear the bus there.

    :raises NotAllowed: if not
    """
    found = address.strip()
    host, _, port = found.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise NotAllowed(f"This is not an address such as {USUAL}.")
    url = f"https://{found}"
    if is_loopback(url):
        if not project.SANDBOX:
            raise NotAllowed("An address on this machine is allowed only while the sandbox is switched on.")
        return found
    if dialled(url) != host.lower() or not host.lower().endswith(DOMAIN) or int(port) not in PORTS:
        raise NotAllowed(f"Salesforce's event bus answers at {USUAL} and its like.")
    return found


def address_of(settings: Mapping[str, Any]) -> str:
    """
    Return where the bus of a connection with these settings answers.

    :raises Refused: if the connection may not speak to the address that is set
    """
    try:
        return checked(str(settings.get(SETTING) or USUAL))
    except NotAllowed as refusal:
        raise errors.Refused(str(refusal), code=NOWHERE) from None


def certificate_of(settings: Mapping[str, Any]) -> bytes | None:
    """Return the certificate that vouches for a bus on this machine; nothing: those of this system do."""
    set_here = str(settings.get(CERTIFICATE) or "")
    return set_here.encode() if set_here and is_loopback(f"https://{address_of(settings)}") else None
