"""Whatever the other side does, a call is over at its deadline and carries nothing where it should not."""

from __future__ import annotations

import os
import threading
import time

import pytest
import requests
from structlog.contextvars import get_contextvars

from connectors import outbound
from integrator import logs
from tests.unit.connectors.peers import a_peer, http_answer, took

SLOWLY = {"piece": 1, "pause": 0.05}


@pytest.mark.parametrize(
    ("answer", "manner"),
    [
        pytest.param(http_answer(b"x" * 500), {"piece": 1, "pause": 0.05}, id="a byte at a time"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 90, SLOWLY, id="headers without an end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", {}, id="half a body and silence"),
        pytest.param(b"\0", {"pause": 9}, id="silence"),
    ],
)
def test_a_call_is_over_at_its_deadline_however_slowly_the_answer_comes(answer, manner):
    with a_peer(answer, **manner) as peer, outbound.within(0.4):
        started = time.monotonic()
        with pytest.raises(requests.RequestException):
            outbound.session().get(peer.address)
        elapsed = took(started)

    assert elapsed < 6.0  # each of these answers would take longer


def test_an_answer_that_comes_slowly_but_in_time_is_read():
    with a_peer(http_answer(b"x" * 500), piece=130, pause=0.05) as peer, outbound.within(20):
        assert outbound.session().get(peer.address).content == b"x" * 500


def test_nothing_is_sent_when_the_time_is_over_already():
    with a_peer(http_answer(b"{}")) as peer:
        with outbound.within(-1), pytest.raises(requests.ConnectTimeout):
            outbound.session().get(peer.address)

        assert not peer.requests


def test_an_inner_deadline_cannot_outlive_an_outer_one():
    with outbound.within(1), outbound.within(60):
        assert outbound.seconds_left() <= 1

    assert outbound.seconds_left() == outbound.DEADLINE_SECONDS


def test_the_rest_of_one_deadline_is_not_the_patience_of_the_next_call():
    with a_peer(http_answer(b"{}")) as peer:
        with outbound.within(3):
            outbound.session().get(peer.address)
        with outbound.within(5):
            answer = outbound.session().post(peer.address, data=b"x" * 5_000_000)

        assert answer.status_code == 200
        assert peer.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status):
    with a_peer(http_answer(b"{}")) as elsewhere:
        redirect = http_answer(b"", status=f"{status} Moved", Location=elsewhere.address)
        with a_peer(redirect) as peer:
            answer = outbound.session().get(peer.address, headers={"Authorization": "Bearer planted"})

        assert answer.status_code == status
        assert not elsewhere.requests


def test_a_redirect_to_nowhere_breaks_nothing():
    with a_peer(http_answer(b"", status="302 Found", Location="http://[::1")) as peer:
        assert outbound.session().get(peer.address).status_code == 302


def test_no_cookie_is_kept():
    with a_peer(http_answer(b"{}", Set_Cookie="sid=planted")) as peer:
        outbound.session().get(peer.address)
        outbound.session().get(peer.address)

        assert len(peer.requests) == 2
        assert b"planted" not in peer.requests[1]


def test_a_netrc_does_not_replace_the_authorization(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password planted\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with a_peer(http_answer(b"{}")) as peer:
        outbound.session().get(peer.address, headers={"Authorization": "Bearer ours"})

        assert b"Authorization: Bearer ours" in peer.requests[0]


def test_a_proxy_is_never_used_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with a_peer(http_answer(b"{}")) as peer:
        assert outbound.session().get(peer.address).status_code == 200


def test_a_proxy_of_the_environment_is_used_for_everything_else(monkeypatch):
    with a_peer(http_answer(b'{"through": "the proxy"}')) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        answer = outbound.session().get("http://acme.my.salesforce.com/x")

        assert answer.json() == {"through": "the proxy"}
        assert proxy.requests[0].startswith(b"GET http://acme.my.salesforce.com/x ")


def test_an_answer_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(outbound, "MAX_BYTES", 100_000)
    with a_peer(http_answer(b"x" * 300_000)) as peer, pytest.raises(requests.RequestException):
        outbound.session().get(peer.address)


def test_a_connection_is_kept_between_calls():
    with a_peer(http_answer(b"{}")) as peer:
        for _ in range(3):
            outbound.session().get(peer.address)

        assert peer.connections == 1


def test_tls_is_verified():
    assert outbound.Session().verify is not False


def test_each_thread_and_each_process_has_its_own_session(monkeypatch):
    ours, theirs = outbound.session(), []
    thread = threading.Thread(target=lambda: theirs.append(outbound.session()))
    thread.start()
    thread.join()
    monkeypatch.setattr(os, "getpid", lambda: 1)

    assert outbound.session() is not ours
    assert theirs[0] is not ours


def test_a_client_that_can_only_say_https_reaches_this_machine():
    with a_peer(http_answer(b"{}")) as peer:
        address = peer.address.replace("http://", "https://")

        assert outbound.session(loopback_without_tls=True).get(address).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            outbound.session().get(address)


def test_each_keeps_the_order_and_the_width():
    running, most, lock = 0, 0, threading.Lock()
    four = threading.Barrier(4)  # nobody goes on before three others have come

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        four.wait(60)
        with lock:
            running -= 1
        return number * 2

    results = outbound.each(work, range(20), width=4, deadline=60)

    assert results == [number * 2 for number in range(20)]
    assert most == 4


def test_each_takes_what_is_bound_to_log_lines_into_its_threads():
    with logs.bind(runs=["r1"]):
        bound = outbound.each(lambda _: get_contextvars().get("runs"), range(6), width=3, deadline=60)

    assert bound == [["r1"]] * 6
    assert outbound.each(lambda _: get_contextvars(), range(6), width=3, deadline=60) == [{}] * 6


def test_each_gives_every_item_the_same_end():
    left = outbound.each(lambda _: outbound.seconds_left(), range(3), width=3, deadline=2)

    assert all(1 < seconds <= 2 for seconds in left)
