"""A credential is sent to the vendors' own addresses and nowhere else."""

from __future__ import annotations

import re

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from connectors import outbound
from connectors.addresses import NotAllowed, checked, is_loopback


@pytest.mark.parametrize(
    ("system", "address", "origin"),
    [
        ("stripe", "https://api.stripe.com", "https://api.stripe.com"),
        ("stripe", " https://API.stripe.com/ ", "https://api.stripe.com"),
        ("stripe", "https://api.stripe.com:443", "https://api.stripe.com"),
        ("salesforce", "https://acme.my.salesforce.com/", "https://acme.my.salesforce.com"),
        (
            "salesforce",
            "https://acme--qa.sandbox.my.salesforce.com",
            "https://acme--qa.sandbox.my.salesforce.com",
        ),
        ("salesforce", "https://login.salesforce.com", "https://login.salesforce.com"),
    ],
)
def test_the_vendors_own_addresses_are_taken_as_bare_origins(system, address, origin):
    assert checked(address, system=system, sandbox=False) == origin


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize(
    ("system", "address"),
    [
        pytest.param("stripe", "http://api.stripe.com", id="without TLS"),
        pytest.param("stripe", "https://api.stripe.com.evil.example", id="a longer name"),
        pytest.param("stripe", "https://evil.example/api.stripe.com", id="a path"),
        pytest.param("stripe", "https://api.stripe.com@evil.example", id="a user name"),
        pytest.param("stripe", "https://api.stripe.com:8443", id="another port"),
        pytest.param("stripe", "https://api.stripe.com/v1", id="a path behind it"),
        pytest.param("stripe", "https://api.stripe.com?x=1", id="a query"),
        pytest.param("stripe", "https://api.stripe.com.", id="a trailing dot"),
        pytest.param("stripe", "https://acme.my.salesforce.com", id="the other vendor"),
        pytest.param("stripe", "", id="nothing"),
        pytest.param("stripe", "api.stripe.com", id="no scheme"),
        pytest.param("stripe", "ftp://api.stripe.com", id="another scheme"),
        pytest.param("stripe", "https://[::1", id="half an address"),
        pytest.param("stripe", "https://169.254.169.254", id="a metadata service"),
        pytest.param("stripe", "https://2130706433", id="loopback as a number"),
        pytest.param("stripe", "http://127.1", id="loopback, short"),
        pytest.param("stripe", "https://[::ffff:127.0.0.1]", id="loopback, mapped"),
        pytest.param("stripe", "https://localhost.", id="loopback with a dot"),
        pytest.param("stripe", "https://10.0.0.1", id="a private network"),
        pytest.param("salesforce", "https://salesforce.com.evil.example", id="a longer domain"),
        pytest.param("salesforce", "https://evilsalesforce.com", id="a domain that only ends alike"),
        pytest.param("salesforce", "https://acme.lightning.force.com", id="the pages"),
        pytest.param("salesforce", "https://ácme.my.salesforce.com", id="a look-alike letter"),
        pytest.param("salesforce", r"https://evil.test\.salesforce.com", id="a backslash"),
        pytest.param("salesforce", r"https://127.0.0.1\.salesforce.com", id="loopback before a backslash"),
        pytest.param("salesforce", "https://evil.test;.salesforce.com", id="a semicolon"),
        pytest.param("salesforce", "https://evil.test%2f.salesforce.com", id="an encoded slash"),
        pytest.param("salesforce", "https://evil.test .salesforce.com", id="a space"),
        pytest.param("salesforce", "https://.salesforce.com", id="the domain alone"),
        pytest.param("salesforce", "https://a..salesforce.com", id="an empty label"),
        pytest.param("salesforce", "ht\ttps://acme.my.salesforce.com", id="a tab in the scheme"),
        pytest.param("salesforce", "https://acme.my\n.salesforce.com", id="a line end"),
        pytest.param("other", "https://api.stripe.com", id="an unknown system"),
    ],
)
def test_every_other_address_is_refused(system, address, sandbox):
    with pytest.raises(NotAllowed):
        checked(address, system=system, sandbox=sandbox)


@pytest.mark.parametrize("address", ["http://127.0.0.1:4242", "http://localhost:4242", "http://[::1]:4242"])
def test_loopback_is_for_the_sandbox_only(address):
    assert checked(address, system="stripe", sandbox=True) == address
    with pytest.raises(NotAllowed, match="sandbox"):
        checked(address, system="stripe", sandbox=False)


PIECES = [
    *("https://", "http://", "evil.test", "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "acme"),
    *(".my.salesforce.com", ".salesforce.com", "api.stripe.com", ".lightning.force.com", ":443", ":8443"),
    *("\\", "/", "@", ";", "?", "#", "%", "%2f", "%5c", ".", "-", "_", ":", "[", "]", "*", "!", "'"),
    *(" ", "\t", "\n", "\r", "\x00", "\x1f", "\x7f", "\u200b", "\u3002", "\uff0f", "\u2028", "é", "ſ"),
]
OWN = re.compile(r"(api\.stripe\.com|([a-z0-9-]+\.)+salesforce\.com)")
LOCAL = {"127.0.0.1", "localhost", "::1"}
ADDRESSES = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "https://" + "".join(pieces))


@given(address=ADDRESSES, system=st.sampled_from(["stripe", "salesforce"]), sandbox=st.booleans())
def test_whatever_is_accepted_is_dialled_at_the_vendor(address, system, sandbox):
    try:
        origin = checked(address, system=system, sandbox=sandbox)
    except NotAllowed:
        return

    asked = requests.Request("POST", f"{origin}/services/oauth2/token").prepare()
    dialled = HTTPAdapter().get_connection_with_tls_context(asked, verify=True).host.strip("[]")
    assert OWN.fullmatch(dialled) or (sandbox and dialled in LOCAL)
    assert dialled == origin.split("://")[1].strip("[]") or dialled in LOCAL
    assert is_loopback(origin) is (dialled in LOCAL)


@pytest.mark.parametrize(
    "address",
    [
        r"http://127.0.0.1:1\.salesforce.com/services/data",
        "http://127.0.0.1\t:1/services/data",
        "http://evil.test%2f.salesforce.com/",
        "no address",
    ],
)
def test_nothing_is_sent_where_it_is_in_doubt_who_gets_it(address):
    with pytest.raises(requests.exceptions.InvalidURL, match="in doubt"):
        outbound.session().get(address)


@pytest.mark.parametrize(
    ("system", "address", "said"),
    [
        ("stripe", "nonsense", "https://api.stripe.com"),
        ("salesforce", "nonsense", "https://acme.my.salesforce.com"),
        ("salesforce", "https://[::ffff:127.0.0.1]", "name of the host"),
        ("salesforce", "https://acme.my.salesforce.com:8443", "port"),
    ],
)
def test_a_refusal_says_what_is_wrong_in_the_words_of_the_system(system, address, said):
    with pytest.raises(NotAllowed, match=re.escape(said)) as refusal:
        checked(address, system=system, sandbox=True)

    assert system == "salesforce" or "salesforce" not in str(refusal.value)


def test_the_address_of_the_pages_is_answered_with_the_right_one():
    with pytest.raises(NotAllowed, match=r"https://acme\.my\.salesforce\.com"):
        checked("https://acme.lightning.force.com", system="salesforce", sandbox=False)
