"""A session is sent to Salesforce's event bus and nowhere else."""

from __future__ import annotations

import pytest

from connectors.salesforce import bus_address
from integrator.kernel import errors


@pytest.mark.parametrize(
    "address",
    [
        "evil.example:7443",
        "api.pubsub.salesforce.com.evil.example:7443",
        "api.pubsub.salesforce.com:25",
        "api.pubsub.salesforce.com",
        "user@api.pubsub.salesforce.com:7443",
        "api.pubsub.salesforce.com\\@evil.example:7443",
        "10.0.0.1:7443",
        "api.pubsub.salesforce.com:7443/x",
        "dns:///api.pubsub.salesforce.com:7443",
        "unix:/tmp/socket:7443",
    ],
)
def test_an_address_elsewhere_is_refused(address):
    with pytest.raises(bus_address.NotAllowed):
        bus_address.checked(address)


def test_another_region_is_allowed():
    address = "api.deu.pubsub.salesforce.com:7443"

    assert bus_address.address_of({"event_bus": address}) == address


def test_this_machine_is_allowed_for_the_sandbox_only(settings):
    settings.SANDBOX = True
    assert bus_address.checked("127.0.0.1:7443") == "127.0.0.1:7443"

    settings.SANDBOX = False
    with pytest.raises(errors.Refused):
        bus_address.address_of({"event_bus": "127.0.0.1:7443"})


def test_a_certificate_of_our_own_vouches_for_this_machine_only(settings):
    settings.SANDBOX = True
    given = {"event_bus_certificate": "PEM"}

    assert bus_address.certificate_of(given) is None
    assert bus_address.certificate_of(given | {"event_bus": "127.0.0.1:1"}) == b"PEM"
