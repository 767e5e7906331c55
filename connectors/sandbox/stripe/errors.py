"""This module holds the errors that the simulated Stripe answers with, in the exact shape of the API."""

from __future__ import annotations

from typing import Any

DOCS = "https://stripe.com/docs/error-codes/"
LOGS = "https://dashboard.stripe.com/{mode}logs/{request_id}?t={now}"


class ApiError(Exception):
    """
    A refusal. `executed` says that the work had begun, so that an idempotency key keeps the answer.

    https://docs.stripe.com/api/errors and https://docs.stripe.com/api/idempotent_requests
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        executed: bool = False,
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.executed = executed
        self.headers = headers or {}
        self.extra = extra or {}

    def body(self, *, request_id: str, livemode: bool, now: int) -> dict[str, Any]:
        """Return the error as the API prints it."""
        error: dict[str, Any] = {"message": str(self), "type": self.kind, **self.extra}
        if self.code:
            error |= {"code": self.code, "doc_url": DOCS + self.code.replace("_", "-")}
        if self.param:
            error["param"] = self.param
        if request_id:
            mode = "" if livemode else "test/"
            error["request_log_url"] = LOGS.format(mode=mode, request_id=request_id, now=now)
        return {"error": dict(sorted(error.items()))}


def missing(noun: str, object_id: str, *, param: str = "", other_mode: str = "") -> ApiError:
    """Return the 404 about an object that is not there; `other_mode` names the mode in which it is."""
    text = f"No such {noun}: '{object_id}'"
    if other_mode:
        used = "test" if other_mode == "live" else "live"
        text += f"; a similar object exists in {other_mode} mode, but a {used} mode key was used "
        text += "to make this request."
    # An id in the path is a 404, an id among the parameters a 400.
    return ApiError(400 if param else 404, text, code="resource_missing", param=param or "id")


def invalid(message: str, *, param: str = "", code: str = "") -> ApiError:
    """Return the 400 about parameters that can never work."""
    return ApiError(400, message, param=param, code=code)
