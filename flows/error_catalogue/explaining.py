"""This module explains failures as the engine and its dead letters know them: by kind, code and field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flows.error_catalogue.classifying import Context, Verdict, classify
from flows.error_catalogue.rules import CLASSES
from integrator.kernel import errors


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads about a failure."""

    error_class: str
    title: str
    explanation: str
    suggestion: str


_BY_FAILURE: dict[type[errors.IntegrationError], str] = {
    errors.Transient: "transient",
    errors.RateLimited: "rate_limit",
    errors.Unauthorized: "auth",
    errors.Misdirected: "auth",
    errors.Forbidden: "permission",
    errors.Declined: "declined",
    errors.Ambiguous: "duplicate",
    errors.Missing: "missing_ref",
    errors.Uncertain: "conflict",
}


def explain(
    failure: errors.IntegrationError | None = None,
    *,
    error_class: str = "",
    code: str = "",
    field: str = "",
    message: str = "",
) -> Explanation:
    """
    Explain a connector's `failure`, or what is known of one: its class, code, field and message.

    The code decides where the catalogue knows it, since it says more than the class.
    """
    system, http_status = "", None
    if failure is not None:
        error_class = _BY_FAILURE.get(type(failure), error_class)
        code, field, message = failure.code, failure.field, str(failure)
        system, http_status = failure.system, failure.http_status
    found = classify(system, http_status, code, message, {"field": field, "error_class": error_class})
    return Explanation(found.cls, CLASSES[found.cls], found.explanation, found.suggestion)


def explain_params(failure: errors.IntegrationError) -> Mapping[str, str]:
    """Return what the message of a connector's `failure` names, such as `field` and `record_id`."""
    context: Context = {"field": failure.field}
    return classify(failure.system, failure.http_status, failure.code, str(failure), context).params


class Told(Protocol):
    """What is known of a failure afterwards: that of a step, or a dead letter."""

    @property
    def error_class(self) -> str:
        """Return what was made of it when it happened."""

    @property
    def code(self) -> str:
        """Return the other system's code."""

    @property
    def field(self) -> str:
        """Return the field at fault, where one was named."""

    @property
    def message(self) -> str:
        """Return what was said."""


def of_failure(failure: Told, *, given_up: bool = False) -> Verdict:
    """
    Return the verdict on `failure`; where a run `given_up`, whatever was tried by itself is over.

    What is kept of a failure may also tell which `system` answered, and with which `http_status`.
    """
    context: Context = {"field": failure.field, "error_class": failure.error_class, "given_up": given_up}
    system, http_status = getattr(failure, "system", ""), getattr(failure, "http_status", None)
    return classify(system, http_status, failure.code, failure.message, context)
