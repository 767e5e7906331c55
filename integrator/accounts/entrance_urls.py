"""This module maps the addresses of signing in, which the library answers, without what we do not offer."""

from __future__ import annotations

from allauth.account.views import password_reset as allauth_reset
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path

from integrator.accounts import session_views
from integrator.accounts.access import signed_in

NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"


@signed_in
def own_addresses(request: HttpRequest) -> HttpResponse:
    """
    Hide the page on which people would change the address that they sign in with.

    The trail names people by their address, so only an administrator gives one.

    :raises Http404: always
    """
    raise Http404


def reset_password(request: HttpRequest) -> HttpResponse:
    """Send a link that sets a new password, or say who can set one where no mail is sent."""
    if settings.EMAIL_BACKEND == NO_MAIL:
        return render(request, "accounts/no_mail.html")
    answer: HttpResponse = allauth_reset(request)
    return answer


urlpatterns: list[URLPattern | URLResolver] = [
    path("email/", own_addresses, name="account_email"),
    path("password/reset/", reset_password, name="account_reset_password"),
    path("sessions/", session_views.own, name="account_sessions"),
    path("sessions/others/end/", session_views.end_others, name="account_end_other_sessions"),
    path("sessions/<slug:session>/end/", session_views.end, name="account_end_session"),
    path("", include("allauth.urls")),
]
