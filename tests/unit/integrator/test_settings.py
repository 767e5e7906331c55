"""This module tests what the settings make of an environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stage import ROOT


def settings_of(expression: str, **environment: str) -> str:
    """Return the value of an expression over the settings in a process with this environment alone."""
    code = f"from integrator import settings; print({expression})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "x" * 50,
            "INTEGRATOR_ENV_FILE": "/dev/null",
            **environment,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_installations_that_share_one_redis_keep_apart():
    redis = {"REDIS_URL": "redis://127.0.0.1:6379/0"}
    names = [
        settings_of("settings.Q_CLUSTER['name'], settings.CHANNEL_LAYERS", DATABASE_URL=url, **redis)
        for url in ("postgres://a@127.0.0.1/one", "postgres://a@127.0.0.1/two", "postgres://b@127.0.0.1/one")
    ]

    assert names[0] != names[1]
    assert names[0] == names[2], "two hosts of one installation may use other users"


def test_no_key_of_its_own_is_no_start():
    assert "SECRET_KEY" in settings_of("1", SECRET_KEY="")


@pytest.mark.parametrize(
    ("address", "secure"),
    [
        pytest.param("https://integrator.example.com", "True", id="behind TLS"),
        pytest.param("http://127.0.0.1:8000", "False", id="on loopback"),
    ],
)
def test_cookies_are_as_secure_as_the_public_address(address, secure):
    expression = "settings.HTTPS and settings.SESSION_COOKIE_SECURE and settings.SECURE_SSL_REDIRECT"

    assert settings_of(expression, INTEGRATOR_PUBLIC_URL=address) == secure


def test_the_public_address_follows_the_port():
    assert settings_of("settings.PUBLIC_URL", PORT="9123") == "http://127.0.0.1:9123"


def test_behind_tls_the_cookies_are_bound_to_the_host():
    expression = "settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.CSRF_COOKIE_SECURE"

    assert (
        settings_of(expression, INTEGRATOR_PUBLIC_URL="https://integrator.example.com")
        == "__Host-sessionid __Host-csrftoken True"
    )


def test_a_form_may_lead_where_the_settings_say():
    expression = "settings.CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action']"
    wanted = "https://login.salesforce.com,https://id.example.com:8443"

    assert settings_of(expression, INTEGRATOR_FORM_TARGETS=wanted) == str(
        ["'self'", "https://login.salesforce.com", "https://id.example.com:8443"]
    )


@pytest.mark.parametrize(
    "target", ["*", "http://x.test", "https://x.test/path", "x.test; script-src *", "https:"]
)
def test_a_target_that_would_open_the_policy_is_refused(target):
    assert "INTEGRATOR_FORM_TARGETS" in settings_of("1", INTEGRATOR_FORM_TARGETS=target)


def test_browsers_report_where_the_settings_say():
    expression = "settings.CONTENT_SECURITY_POLICY['DIRECTIVES'].get('report-uri')"

    assert settings_of(expression) == "None"
    assert settings_of(expression, INTEGRATOR_CSP_REPORT_URL="https://r.test/csp") == "['https://r.test/csp']"


def test_behind_tls_browsers_are_held_to_it_for_a_year():
    expression = "settings.SECURE_HSTS_SECONDS // 86400, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS"

    assert settings_of(expression, INTEGRATOR_PUBLIC_URL="https://integrator.example.com") == "365 True"


def test_nothing_is_shown_of_the_inside_unless_it_is_asked_for():
    assert settings_of("settings.DEBUG, 'django.contrib.admin' in settings.INSTALLED_APPS") == "False False"


def test_a_session_ends_after_half_a_day():
    prolonged = "getattr(settings, 'SESSION_SAVE_EVERY_REQUEST', False)"

    assert settings_of(f"settings.SESSION_COOKIE_AGE // 3600, {prolonged}") == "12 False"


@pytest.mark.parametrize(
    ("given", "told"),
    [({}, "120"), ({"INTEGRATOR_SESSION_IDLE_MINUTES": "15"}, "15")],
    ids=["default", "set"],
)
def test_a_session_that_nobody_uses_ends_as_the_settings_say(given, told):
    assert settings_of("settings.SESSION_IDLE_MINUTES", **given) == told


@pytest.mark.parametrize("minutes", ["0", "721"])
def test_a_session_cannot_be_idle_for_ever(minutes):
    assert "INTEGRATOR_SESSION_IDLE_MINUTES" in settings_of("1", INTEGRATOR_SESSION_IDLE_MINUTES=minutes)


def test_no_worker_at_all_is_no_start():
    assert "INTEGRATOR_WORKERS" in settings_of("1", INTEGRATOR_WORKERS="0")
