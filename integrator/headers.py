"""This module adds the headers that keep browsers strict, and turns away methods that nobody needs."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from integrator.web import PROBLEM

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# What a page of ours never asks a browser for. Without this, a script that slipped in could.
# https://www.w3.org/TR/permissions-policy/
REFUSED = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer",
           "microphone", "midi", "payment", "publickey-credentials-create", "screen-wake-lock", "usb",
           "browsing-topics")  # fmt: skip
PERMISSIONS = ", ".join(f"{feature}=()" for feature in REFUSED)


class Hardened:
    """
    Answer 405 to whatever is no ordinary method, and give every answer its protective headers.

    TRACE would send back what a script may not read, and Django takes it for as safe as GET.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._refusal(request) or self.get_response(request)
        answer.headers.setdefault("Permissions-Policy", PERMISSIONS)
        answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return answer

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        if settings.SECURE_SSL_REDIRECT and request.path.startswith("/api/") and not request.is_secure():
            # A program that is led to https has sent its token in the clear, and would do so for ever.
            body = {
                "title": "Forbidden",
                "status": 403,
                "detail": "Ask by https. This token is no longer secret.",
            }
            return JsonResponse(body, status=HTTPStatus.FORBIDDEN, content_type=PROBLEM)
        return None
