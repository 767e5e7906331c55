"""
This module keeps our own calls within a system's limits, before the system has to refuse them.

It is pure: the clock is passed in, and nobody sleeps here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

# Live mode allows an account 100 requests a second and a sandbox 25; beside that each endpoint has 25 of its
# own, and searching 20 (https://docs.stripe.com/rate-limits). A little is left to whoever else uses it.
STRIPE_TEST_LIMIT = 25.0
STRIPE_LIVE_LIMIT = 100.0
OURS = 0.94
LIVE_ENDPOINT_SHARE = 0.25  # of the account's rate, also where Stripe has raised it
SEARCH_SHARE = 0.8  # of an endpoint's
BURST_SECONDS = 0.04  # that may be caught up at once: a second in which more is sent is refused
SLOWED, SLOWEST = 0.85, 0.4  # what is left of the rate after a refusal, and at least
RECOVERY = 0.01  # of the whole rate that comes back each second
MOST_ENDPOINTS = 500  # that are told apart; ids that look like names could be without end
# An org refuses the 26th call that runs longer than 20 s (5th in a trial org); collections can be slow.
SALESFORCE_CALLS_IN_FLIGHT = 6


def rate_within(limit: float, *, processes: int) -> float:
    """
    Return at which rate so many processes together keep to `limit` in every single second.

    Each of them may begin with a request at once, which comes on top of the rate.
    """
    return min(limit * OURS, max(limit / 2, limit - processes))


class Bucket:
    """A token bucket: `rate` requests a second on average, `burst` of them at once."""

    def __init__(self, *, rate: float, burst: float, clock: Callable[[], float]) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("A bucket lets through more than nothing")
        self.rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()
        self._lock = threading.Lock()

    def take(self, *, patience: float) -> float | None:
        """
        Take one token and return how many seconds to wait before using it.

        Returns None and takes nothing if the wait would be longer than `patience`. Waits are handed out in
        order: whoever asks later waits longer, so nobody has to ask twice.
        """
        with self._lock:
            wait = self._wait()
            if wait > patience:
                return None
            self._tokens -= 1.0
            return wait

    def let_through(self, rate: float, *, burst: float) -> None:
        """Let so many requests a second through from now on, and `burst` of them at once."""
        with self._lock:
            self._wait()  # what has gathered so far, gathered at the rate so far
            self.rate, self._burst = rate, burst

    def wait(self) -> float:
        """Return how many seconds whoever takes a token now has to wait."""
        with self._lock:
            return self._wait()

    def _wait(self) -> float:
        now = self._clock()
        # A clock that jumps back must not empty the bucket.
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now
        return max(0.0, (1.0 - self._tokens) / self.rate)


class Budget:
    """
    What one account may be asked: by so much for everything, and by so much for each endpoint.

    Of both this process has a share, from 0 to 1, which may change at any time.
    """

    def __init__(
        self, *, rate: float, endpoint_rate: float, clock: Callable[[], float], share: float = 1.0
    ) -> None:
        self.rate = rate  # as it was agreed on; after a refusal less of it is used for a while
        self.share = share
        self._endpoint_rate = endpoint_rate
        self._part = 1.0
        self._at = clock()
        self._clock = clock
        self._whole = self._bucket(rate)
        self._endpoints: dict[str, tuple[float, Bucket]] = {}  # each with the whole account's rate
        self._lock = threading.Lock()

    def lend(self, share: float) -> None:
        """Use so large a share from now on, more than 0."""
        with self._lock:
            if share == self.share:
                return
            self._recover()
            self.share = share
            self._adjust()
            for rate, bucket in self._endpoints.values():
                bucket.let_through(rate * share, burst=_burst(rate * share))

    def take(self, endpoint: str = "", *, patience: float) -> float | None:
        """
        Take a turn for `endpoint` and return how many seconds to wait before using it.

        Returns None and takes nothing if the wait would be longer than `patience`.
        """
        with self._lock:
            self._recover()
            buckets = [self._whole, *([self._of(endpoint)] if endpoint else [])]
            if max(bucket.wait() for bucket in buckets) > patience:
                return None
            waits = [bucket.take(patience=float("inf")) for bucket in buckets]
            return max(wait for wait in waits if wait is not None)

    def slow_down(self) -> None:
        """Use less of the rate, because somebody refused what came; it comes back by itself."""
        with self._lock:
            self._recover()
            self._part = max(SLOWEST, self._part * SLOWED)
            self._adjust()

    def _recover(self) -> None:
        now = self._clock()
        passed, self._at = max(0.0, now - self._at), now
        if self._part < 1.0:
            self._part = min(1.0, self._part + passed * RECOVERY)
            self._adjust()

    def _adjust(self) -> None:
        own = self.rate * self.share
        self._whole.let_through(own * self._part, burst=_burst(own))

    def _of(self, endpoint: str) -> Bucket:
        known = self._endpoints.get(endpoint)
        if known is None:
            if len(self._endpoints) >= MOST_ENDPOINTS:
                self._endpoints.clear()
            rate = self._endpoint_rate * (SEARCH_SHARE if endpoint.endswith("/search") else 1.0)
            known = self._endpoints[endpoint] = (rate, self._bucket(rate))
        return known[1]

    def _bucket(self, rate: float) -> Bucket:
        own = rate * self.share
        return Bucket(rate=own, burst=_burst(own), clock=self._clock)


def _burst(rate: float) -> float:
    return max(1.0, rate * BURST_SECONDS)
