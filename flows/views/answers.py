"""This module answers a click: a toast and a fresh list to htmx, a message and the page to a plain form."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import trigger_client_event


def done(request: HttpRequest, message: str, *, back: str) -> HttpResponse:
    """
    Say that something was done.

    htmx shows `message` as a toast, closes the dialog and asks for the list again; without it the browser
    goes to `back`, which shows it.
    """
    if not getattr(request, "htmx", False):
        messages.success(request, message)
        return redirect(back)
    answer = HttpResponse(status=204)
    trigger_client_event(answer, "toast", {"message": message, "tone": "ok"})
    trigger_client_event(answer, "settled", {})
    return trigger_client_event(answer, "refresh", {})
