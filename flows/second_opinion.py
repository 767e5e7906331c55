"""
This module lets a hosted model choose among suggestions, where somebody has set one up; it is off by default.

The model is told names, types and descriptions, and never a value. Whatever it answers, or fails to answer,
suggestions stay: it can only change the order of what was suggested already.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import requests
import structlog
from django.conf import settings
from django.db import connection

from connectors import outbound
from connectors.addresses import is_loopback
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.suggest import Suggestion, opinion

log = structlog.get_logger(__name__)

SECONDS = 10.0
LARGEST = 256 * 1024  # bytes of an answer


def ask(
    suggestions: list[Suggestion], sources: Sequence[SrcField], targets: Sequence[SObjField]
) -> list[Suggestion]:
    """Return `suggestions` in the order that the model prefers, or as they are if it does not help."""
    if not is_on() or connection.in_atomic_block:
        return suggestions
    question = opinion.question(suggestions, sources, targets)
    if not question:
        return suggestions
    try:
        with outbound.within(SECONDS):
            return opinion.preferred(suggestions, _answer(question))
    except (
        requests.RequestException,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
    ) as failure:
        # Nobody waits for an opinion, so nobody is told; whoever set it up looks into the log.
        log.warning("second_opinion_failed", failure=type(failure).__name__)
        return suggestions


def is_on() -> bool:
    """Tell whether a model is set up, at an address that nobody can listen in on."""
    url = settings.SUGGESTIONS_MODEL_URL
    safe = url.startswith("https://") or (settings.SANDBOX and url.startswith("http://") and is_loopback(url))
    return bool(settings.SUGGESTIONS_MODEL) and safe


def _answer(question: list[dict[str, Any]]) -> Any:
    """
    Return what the model says.

    :raises requests.RequestException: for whatever the network or the peer does
    :raises ValueError: for what is not JSON, or too much of it
    :raises LookupError: for an answer of another form
    """
    body = {
        "model": settings.SUGGESTIONS_MODEL,
        "messages": [
            {"role": "system", "content": opinion.TASK},
            {"role": "user", "content": json.dumps(question)},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "choices", "strict": True, "schema": opinion.ANSWER},
        },
    }
    headers = {"Authorization": f"Bearer {settings.SUGGESTIONS_MODEL_KEY}"}
    answer = outbound.session().post(settings.SUGGESTIONS_MODEL_URL, json=body, headers=headers)
    answer.raise_for_status()
    if len(answer.content) > LARGEST:
        raise ValueError("The answer is larger than any that was asked for")
    return json.loads(answer.json()["choices"][0]["message"]["content"])
