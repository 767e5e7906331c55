"""This module bounds how often one caller may ask the REST interface."""

from __future__ import annotations

import time

import structlog
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from integrator.accounts.models import ApiToken

log = structlog.get_logger(__name__)

WINDOW = 60  # seconds
MOST_REFUSALS = 60  # of one address within the window, before it is told to slow down
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def count(name: str, *, now: float) -> float:
    """
    Count one act under `name` and return how many there were within the last minute, this one included.

    Two numbers a caller, whatever the limit: the minute before counts for the part of it that the last
    60 seconds still cover. Counts are shared by all web processes where there is Redis.
    """
    window, passed = divmod(now, WINDOW)
    here, before = f"limit:{name}:{window:.0f}", f"limit:{name}:{window - 1:.0f}"
    cache.add(here, 0, timeout=2 * WINDOW)
    try:
        counted = cache.incr(here)
    except ValueError:  # it was evicted in between
        counted = 1
    return float(counted) + float(cache.get(before, 0)) * (1 - passed / WINDOW)


class PerCaller(BaseThrottle):
    """So many reads and so many changes a minute for each token, and for each person in a browser."""

    def allow_request(self, request: Request, view: object) -> bool:
        """Count the request and tell whether it is still within the limit."""
        reading = request.method in READING
        most: int = settings.API_READS_PER_MINUTE if reading else settings.API_CHANGES_PER_MINUTE
        return count(f"{'reads' if reading else 'changes'}:{_caller(request)}", now=time.time()) <= most

    def wait(self) -> float:
        """Return in how many seconds asking again is worth it."""
        return WINDOW - time.time() % WINDOW


def refused(request: HttpRequest) -> bool:
    """
    Note that `request` came with a token that is none, and tell whether its address does so too often.

    The first of every minute is logged, and the one that goes too far.
    """
    address = request.META.get("REMOTE_ADDR", "")
    found = count(f"refused:{address}", now=time.time())
    if found <= 1 or MOST_REFUSALS < found <= MOST_REFUSALS + 1:
        log.warning("an API token was refused", address=address, within_a_minute=int(found))
    return found > MOST_REFUSALS


def _caller(request: Request) -> str:
    if isinstance(request.auth, ApiToken):
        return f"token:{request.auth.digest[:32]}"
    if request.user and request.user.is_authenticated:
        return f"person:{request.user.pk}"
    return f"address:{request.META.get('REMOTE_ADDR', '')}"
