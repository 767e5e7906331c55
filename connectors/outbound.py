"""
This module is the one HTTP client that leaves the product.

`requests` alone bounds each wait for a byte, not the whole call: a peer that sends one byte every few
seconds holds a worker for ever. Here everything that is read, headers and body, is read against one
deadline. Redirects are not followed (they would carry credentials to wherever a reply points), cookies
are not kept, `.netrc` is not read (it would replace the Authorization header), and TLS is verified.
"""

from __future__ import annotations

import http.client
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, TypeVar, cast

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from connectors.addresses import dialled, is_loopback, public_address

CONNECT_SECONDS = 5.0
DEADLINE_SECONDS = 12.0
MAX_BYTES = 32 * 1024 * 1024  # the largest describe of a big org has a few megabytes

Asked = TypeVar("Asked")
Got = TypeVar("Got")
_thread = threading.local()
# Told how many seconds each answer took, of the calls that are made within `timed`.
_took: ContextVar[Callable[[float], None] | None] = ContextVar("took", default=None)


class TooLarge(OSError):
    """The answer is larger than any that we ask for."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let every call of this thread end within `seconds`, or earlier if an outer deadline says so."""
    outer = getattr(_thread, "ends", None)
    ends = time.monotonic() + seconds
    _thread.ends = ends if outer is None else min(ends, outer)
    try:
        yield
    finally:
        _thread.ends = outer


@contextmanager
def timed(took: Callable[[float], None]) -> Iterator[None]:
    """Tell `took` of each call within, also those of the threads of `each`, how many seconds it lasted."""
    before = _took.set(took)
    try:
        yield
    finally:
        _took.reset(before)


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let every answer that this thread reads have at most `size` bytes."""
    outer = getattr(_thread, "room", None)
    _thread.room = size if outer is None else min(size, outer)
    try:
        yield
    finally:
        _thread.room = outer


def seconds_left() -> float:
    """Return how long the calls of this thread may still take."""
    ends = getattr(_thread, "ends", None)
    return DEADLINE_SECONDS if ends is None else float(ends - time.monotonic())


class _DeadlineReader(io.RawIOBase):
    """Reads a socket, waiting for each byte no longer than the whole answer may still take."""

    def __init__(self, sock: Any, *, ends: float) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._ends = ends
        self._most = self._room = getattr(_thread, "room", None) or MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("The answer did not end within the deadline")
        self._sock.settimeout(left)
        count = cast("int | None", self._raw.readinto(buffer))
        self._room -= count or 0
        if self._room < 0:
            raise TooLarge(f"The answer has more than {self._most} bytes")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """A socket that hands out a reader with a deadline; `http.client` asks for nothing else."""

    def __init__(self, sock: Any, *, ends: float) -> None:
        self._sock = sock
        self._ends = ends

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock, ends=self._ends))


class _Response(http.client.HTTPResponse):
    """An answer that is read against the deadline of the thread that asked."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        ends = time.monotonic() + seconds_left()
        super().__init__(cast("Any", _Socket(sock, ends=ends)), *args, **kwargs)


class _Plain(HTTPConnection):
    response_class = _Response

    def request(self, *args: Any, **kwargs: Any) -> None:
        _reset_patience(self)
        super().request(*args, **kwargs)


class _Encrypted(HTTPSConnection):
    response_class = _Response

    def request(self, *args: Any, **kwargs: Any) -> None:
        _reset_patience(self)
        super().request(*args, **kwargs)


def _reset_patience(connection: HTTPConnection) -> None:
    # A kept connection still has the rest of the previous call's time as its timeout.
    if connection.sock is not None:
        connection.sock.settimeout(max(seconds_left(), 0.001))


class _PublicPlain(_Plain):
    def _new_conn(self) -> Any:
        return _dial_public(self, super()._new_conn)


class _PublicEncrypted(_Encrypted):
    def _new_conn(self) -> Any:
        return _dial_public(self, super()._new_conn)


def _dial_public(connection: Any, dial: Callable[[], Any]) -> Any:
    """Dial the address that was looked at, and not what the name means a moment later."""
    name = connection._dns_host
    connection._dns_host = public_address(name, connection.port)
    try:
        return dial()
    finally:
        connection._dns_host = name  # by which the certificate is checked


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class _PublicPlainPool(HTTPConnectionPool):
    ConnectionCls = _PublicPlain


class _PublicEncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _PublicEncrypted


_POOLS = {"http": _PlainPool, "https": _EncryptedPool}
_PUBLIC_POOLS = {"http": _PublicPlainPool, "https": _PublicEncryptedPool}


class _Adapter(HTTPAdapter):
    """Connections whose answers have a deadline."""

    pools: ClassVar[dict[str, Any]] = _POOLS

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _PublicAdapter(_Adapter):
    """Dials public addresses only. What goes through a proxy is dialled by that, which may be anywhere."""

    pools: ClassVar[dict[str, Any]] = _PUBLIC_POOLS


class _LoopbackAdapter(_Adapter):
    """Speaks plain HTTP to this machine for clients that can only write `https://`."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = "http://" + (request.url or "").removeprefix("https://")
        return super().send(request, *args, **kwargs)


class Session(requests.Session):
    """A session with a deadline, without redirects, cookies, `.netrc` or any state of a caller."""

    def __init__(self, *, loopback_without_tls: bool = False, public_only: bool = False) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _PublicAdapter if public_only else _Adapter
        self.mount("https://", adapter(pool_maxsize=4))
        self.mount("http://", adapter(pool_maxsize=4))
        if loopback_without_tls:
            for host in ("127.0.0.1", "localhost", "[::1]"):
                self.mount(f"https://{host}:", _LoopbackAdapter(pool_maxsize=4))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """
        Send one request, unless it is in doubt which host would get it.

        Here and not in `send`, which sees only what `requests` has made of the address.

        :raises requests.RequestException: for an address in doubt, and whatever the network or the peer does
        """
        if not dialled(str(url)):
            raise requests.exceptions.InvalidURL("It is in doubt which host this address means")
        return super().request(method, url, *args, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """See no redirect in any answer, so that not even a malformed target is looked at."""
        return

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """
        Send `request` and read the whole answer before the thread's deadline.

        :raises requests.RequestException: for whatever the network or the peer does
        """
        left = seconds_left()
        if left <= 0:
            raise requests.ConnectTimeout("The time was over before anything was sent", request=request)
        kwargs["allow_redirects"] = False
        kwargs["timeout"] = (min(CONNECT_SECONDS, left), left)
        if not is_loopback(str(request.url)):
            kwargs["proxies"] = get_environ_proxies(str(request.url))
        took, began = _took.get(), time.perf_counter()
        try:
            with within(left):
                return super().send(request, **kwargs)
        finally:
            if took is not None:
                took(time.perf_counter() - began)


def session(*, loopback_without_tls: bool = False, public_only: bool = False) -> Session:
    """
    Return this thread's session; `requests` does not promise that threads may share one.

    With `public_only` it dials no address of this machine or of a private network, whatever a name means.
    """
    # The process id, because a child that was forked must not speak on its parent's sockets.
    name = f"{os.getpid()}:{loopback_without_tls}:{public_only}"
    found: Session | None = getattr(_thread, name, None)
    if found is None:
        found = Session(loopback_without_tls=loopback_without_tls, public_only=public_only)
        setattr(_thread, name, found)
    return found


@lru_cache(maxsize=1)
def _pool(pid: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=32, thread_name_prefix="outbound")


def each(
    function: Callable[[Asked], Got], items: Sequence[Asked], *, width: int, deadline: float
) -> list[Got]:
    """
    Return `function` of each item, in order, with at most `width` of them at once.

    `function` has to keep to the deadline by itself, which all calls through `session` do, and must not
    touch the database: its thread belongs to nobody. What is bound to log lines here is bound to those of
    its threads too.
    """
    if len(items) <= 1:
        with within(deadline):
            return [function(item) for item in items]
    ends = time.monotonic() + deadline
    waiting = iter(range(len(items)))  # `next` on it is atomic, so that the workers share it without a lock
    results: dict[int, Got] = {}

    def work() -> None:
        for place in waiting:
            with within(ends - time.monotonic()):
                results[place] = function(items[place])

    contexts = [copy_context() for _ in range(min(width, len(items)))]  # no two threads can be in one
    list(_pool(os.getpid()).map(lambda context: context.run(work), contexts))
    return [results[place] for place in range(len(items))]
