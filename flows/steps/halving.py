"""
This module sends records again in smaller calls where the org's own automation had too much to do at once.

A trigger or Flow works on all records of a call together, within limits that hold for the call
(https://developer.salesforce.com/docs/atlas.en-us.apexcode.meta/apexcode/apex_gov_limits.htm). What it
refused was not saved, so that sending it again writes nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from flows import error_catalogue
from flows.engine.ports import Result
from integrator.kernel.errors import IntegrationError, Refused

MOST_CALLS = 32  # that one batch of a step makes anew

T = TypeVar("T")
Send = Callable[[Sequence[T]], Sequence[Result]]


def in_smaller_calls(send: Send[T], jobs: Sequence[T]) -> list[Result]:
    """Return one result for each of `jobs`; those that met such a limit are sent again, down to one alone."""
    results = list(send(jobs))
    waiting = [_limited(results)] if len(jobs) > 1 else []
    calls = 0
    while waiting and calls < MOST_CALLS:
        together = waiting.pop(0)
        middle = (len(together) + 1) // 2
        for places in filter(None, (together[:middle], together[middle:])):
            calls += 1
            answers = send([jobs[place] for place in places])
            for place, answer in zip(places, answers, strict=True):
                results[place] = answer
            again = [places[at] for at in _limited(answers)]
            if again and len(places) > 1:
                waiting.append(again)
    return results


def _limited(results: Sequence[Result]) -> list[int]:
    """Return the places of what was refused since there was too much at once."""
    return [place for place, result in enumerate(results) if _is_limit(result)]


def _is_limit(result: Result) -> bool:
    if not isinstance(result, IntegrationError) or not isinstance(result, Refused):
        return False
    told = error_catalogue.classify("salesforce", result.http_status, result.code, str(result))
    return told.cls == "too_large" and told.action == "resend"
