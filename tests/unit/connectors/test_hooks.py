"""Addresses that people enter are posted to only where they are public in the moment of dialling."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from connectors import addresses, hooks, outbound
from connectors.addresses import NotAllowed, NotPublic
from tests.unit.connectors.peers import a_peer

HOOK = "https://hooks.example.com/services/T0/B0/secret"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def meaning(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let names mean `answers`, one after the other and the last for ever; return the names asked for."""
    real, asked, left = socket.getaddrinfo, [], list(answers)

    def look_up(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "127.0.0.1":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.3.4", "192.168.1.1", "127.0.0.1", "0.1.2.3", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::", "::7f00:1", "fec0::1",
        "nonsense",
    ],
)  # fmt: skip
def test_an_address_of_the_own_network_is_not_public(monkeypatch, address):
    meaning(monkeypatch, address)

    with pytest.raises(NotPublic):
        addresses.public_address("hooks.example.com", 443)


def test_a_name_is_public_if_all_that_it_means_is(monkeypatch):
    meaning(monkeypatch, "93.184.216.34")

    assert addresses.public_address("hooks.example.com", 443) == "93.184.216.34"


def test_a_name_that_means_something_else_a_moment_later_is_not_dialled(monkeypatch, settings):
    with a_peer(OK) as peer:
        port = peer.address.rpartition(":")[2]
        meaning(monkeypatch, "93.184.216.34", "127.0.0.1")
        with pytest.raises(hooks.NotPosted):
            hooks.post(f"https://hooks.example.com:{port}/x", b"{}", {})

        assert peer.connections == 0


def test_what_was_looked_at_is_dialled_under_its_name(monkeypatch):
    with a_peer(OK) as peer:
        port = peer.address.rpartition(":")[2]
        monkeypatch.setattr(addresses, "_is_public", lambda _: True)
        asked = meaning(monkeypatch, "127.0.0.1")

        answer = outbound.Session(public_only=True).post(f"http://hooks.example.com:{port}/x", data=b"{}")

        assert answer.status_code == 200
        assert f"Host: hooks.example.com:{port}".encode() in peer.requests[0]
        assert asked == ["hooks.example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example.com/", "https://hooks", "https://10.0.0.1/", "https://0x7f000001/",
        "https://2130706433/", "https://127.1/", "https://localhost/", "https://localhost./",
        "https://a:b@hooks.example.com/", "https://hooks.example.com/#x", "https://hooks.example.com\\@evil/",
        "https://hooks.example.com/ x", "gopher://hooks.example.com/", "https://" + "x" * 3000, "",
    ],
)  # fmt: skip
def test_an_address_that_is_none_or_leads_inside_is_refused(settings, address):
    settings.SANDBOX = False

    with pytest.raises(NotAllowed):
        hooks.checked(address)


def test_hosts_of_the_own_network_are_named_by_the_installation(settings):
    settings.SANDBOX, settings.ALERT_PRIVATE_HOSTS = False, frozenset({"chat.intranet", "10.0.0.5"})

    assert hooks.checked("http://chat.intranet:8065/hooks/x") == "http://chat.intranet:8065/hooks/x"
    assert hooks.checked("https://10.0.0.5/x")
    assert hooks.checked(HOOK) == HOOK


def test_an_answer_is_cut_and_a_redirect_is_not_followed(settings):
    settings.SANDBOX = True
    long = b"x" * 3000
    head = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nRetry-After: 99999\r\n"
    with a_peer(head + b"Content-Length: %d\r\n\r\n" % len(long) + long) as peer:
        answer = hooks.post(f"{peer.address}/x", b"{}", {})

        assert (answer.status, len(answer.said), answer.retry_after) == (302, 200, 3600)
        assert len(peer.requests) == 1


def test_an_answer_without_end_is_an_answer_that_did_not_come(settings):
    settings.SANDBOX = True
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (hooks.MAX_BYTES + 10)
    with a_peer(endless) as peer, pytest.raises(hooks.NotPosted):
        hooks.post(f"{peer.address}/x", b"{}", {})


def test_an_answer_that_repeats_the_address_does_not_show_it(settings):
    settings.SANDBOX = True
    echo = b"Cannot POST /services/T0/B0/se%20cret; se cret, tok3n-tok3n"
    with a_peer(b"HTTP/1.1 404 Gone\r\nContent-Length: %d\r\n\r\n" % len(echo) + echo) as peer:
        said = hooks.post(f"{peer.address}/services/T0/B0/se%20cret?key=tok3n-tok3n", b"{}", {}).said

    assert said == "Cannot POST •••; •••, •••"


def test_a_name_that_nobody_explains_in_time_is_not_waited_for(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(addresses, "LOOK_UP_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30) and [])

    with pytest.raises(hooks.NotPosted, match="in time"):
        hooks.post(HOOK, b"{}", {})
    over.set()
