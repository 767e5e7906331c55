"""
This module is the webhook view that tutorials teach: `construct_event`, then `get_or_create`.

A Django project in one file, with the middleware of `startproject` and its default database settings.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import environ
import stripe
from django.conf import settings

SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]

settings.configure(
    SECRET_KEY="for-a-measurement-only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
)

from django.core.asgi import get_asgi_application  # noqa: E402  # the settings have to be there before

application = get_asgi_application()

from django.db import connection, models  # noqa: E402  # as above
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402  # as above
from django.urls import path  # noqa: E402  # as above
from django.views.decorators.csrf import csrf_exempt  # noqa: E402  # as above
from django.views.decorators.http import require_POST  # noqa: E402  # as above


class StripeEvent(models.Model):
    """The table of the tutorial."""

    stripe_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=255)
    payload = models.JSONField()
    processed = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "tutorial"

    def __str__(self) -> str:
        return self.stripe_id


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, endpoint: str) -> HttpResponse:
    """Verify, parse and store one event."""
    try:
        event: Any = stripe.Webhook.construct_event(
            request.body, request.headers.get("Stripe-Signature", ""), SECRET
        )
    except (ValueError, stripe.SignatureVerificationError):
        return HttpResponse(status=400)
    StripeEvent.objects.get_or_create(
        stripe_id=event.id, defaults={"type": event.type, "payload": event.to_dict(for_json=True)}
    )
    return JsonResponse({"received": True})


urlpatterns = [path("hooks/stripe/<slug:endpoint>/", webhook)]

if __name__ == "__main__" and sys.argv[1:] == ["migrate"]:
    with connection.schema_editor() as editor:
        editor.create_model(StripeEvent)
