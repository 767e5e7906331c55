"""This module explains failures as the engine and its dead letters know them: by kind, code and field."""

from __future__ import annotations

from dataclasses import dataclass

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
    if failure is not None:
        error_class = _BY_FAILURE.get(type(failure), error_class)
        code, field, message = failure.code, failure.field, str(failure)
    found = classify("", None, code, message, {"field": field, "error_class": error_class})
    return Explanation(found.cls, CLASSES[found.cls], found.explanation, found.suggestion)


def of_letter(*, error_class: str, code: str, field: str, message: str) -> Verdict:
    """Return the verdict on a run or an event that gave up: whatever was tried by itself is over."""
    context: Context = {"field": field, "error_class": error_class, "given_up": True}
    return classify("", None, code, message, context)
