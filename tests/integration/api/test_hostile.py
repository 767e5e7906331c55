"""Hostile requests: whatever is sent, the answer is the client's mistake and never a fault of ours."""

from __future__ import annotations

import json
from functools import cache

import pytest

from integrator.accounts.tokens import TokenAuthentication
from tests.integration.api.routes import filters, rest_routes

# Those that talk to the other system have tests of their own, against the sandbox.
WITH_THE_OTHER_SIDE = ("/test/", "/resume/", "/readiness/", "/org/compare/", "/org/package/")
CHANGES = [
    route for route in rest_routes() if route.method != "GET" and not route.path.endswith(WITH_THE_OTHER_SIDE)
]

NASTY = ["", "\x00", "a\x00b", "\ud800", "💥" * 40, "x" * 100_000, "'; DROP TABLE flows_run;--",
         "../../etc/passwd", "<script>alert(1)</script>", "%00", "__class__", "{{7*7}}", -1, 0, 2**63,
         10**400, 1e308, True, None, [], {}, [[]], {"a": {"b": []}}]  # fmt: skip

BODIES = [
    pytest.param(b"{", id="cut"),
    pytest.param(b"", id="nothing"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'"x"', id="a text"),
    pytest.param(b"\xff\xfe\x00", id="bad UTF-8"),
    pytest.param(b'{"reason": NaN}', id="not a number"),
    pytest.param(b"[" * 20_000 + b"]" * 20_000, id="deep"),
    pytest.param(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, id="deep objects"),
    pytest.param(b'{"version": ' + b"9" * 5000 + b"}", id="a number of 5000 digits"),
]

FIELDS = ("environment", "system", "name", "slug", "base_url", "settings", "secrets", "api_version", "reason",
          "integration", "document", "note", "recipe", "flow", "version", "stripe", "salesforce", "code",
          "error_class", "fingerprint", "secret", "since", "walk_only", "walk_minutes",
          "sweep_days", "answer", "happened", "base", "quote", "day", "rate", "source", "rates", "revision",
          "edits", "event", "body", "sample", "answers", "cases", "events", "next", "draft", "object",
          "every", "until", "flows", "access_token", "ticket", "comment", "fields", "take",
          "types", "happened_at")  # fmt: skip
OF_AN_ORG = ("/missed-changes/", "/topics/", "/org/")


@pytest.fixture(autouse=True)
def _the_token_is_looked_up_once(monkeypatch):
    """Look each token up once for a test: it is the same good one in thousands of requests."""
    look_up = TokenAuthentication.authenticate_credentials

    @cache
    def known(token):
        return look_up(TokenAuthentication(), token)

    monkeypatch.setattr(TokenAuthentication, "authenticate_credentials", lambda _, token: known(token))


def faults(answers):
    return {name: answer.status_code for name, answer in answers.items() if answer.status_code >= 500}


def real(route, stage):
    """Return the address of `route` with ids that lead somewhere, so that its body is looked at."""
    path = route.path.replace("integrations/nobody", "integrations/billing")
    path = path.replace("flows/nobody", f"flows/{stage.deployment.flow.public_id}")
    connection = stage.pair.salesforce if any(part in path for part in OF_AN_ORG) else stage.stripe
    path = path.replace("connections/0", f"connections/{connection.public_id}")
    path = path.replace("deployments/0", f"deployments/{stage.deployment.pk}")
    return path.replace("dead-letters/0", f"dead-letters/{stage.letter.public_id}")


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_no_object_of_json(admin, stage, body):
    # Without a body a webhook is registered, which is a call to the other system.
    routes = [route for route in CHANGES if not route.path.endswith("/webhooks/")]

    answers = {str(route): admin(route.method, real(route, stage), body) for route in routes}

    assert faults(answers) == {}


@pytest.mark.parametrize("value", NASTY, ids=lambda value: repr(value)[:30])
def test_a_nasty_value_in_every_field(admin, stage, value):
    body = json.dumps(dict.fromkeys(FIELDS, value))

    answers = {str(route): admin(route.method, real(route, stage), body) for route in CHANGES}

    assert faults(answers) == {}


@pytest.mark.parametrize("value", [str(value)[:2000] for value in NASTY], ids=lambda value: repr(value)[:30])
def test_a_nasty_value_in_every_filter(admin, stage, value):
    value = value.encode("utf-8", "replace").decode()

    answers = {
        f"{path} {name}": admin.get(path, **{name: value})
        for path, names in filters().items()
        if "{" not in path
        for name in names
    }

    assert len(answers) > 50
    assert faults(answers) == {}


@pytest.mark.parametrize("name", ["received_after", "received_before"])
@pytest.mark.parametrize(
    "moment",
    ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "0001-01-01", "2026-02-30T00:00:00Z", "NaN"],
)
def test_a_moment_at_the_end_of_time(admin, name, moment):
    assert admin.get("events/", **{name: moment}).status_code == 400


@pytest.mark.parametrize("value", ["%00", "%ff", "..%2f..", "9" * 18, "9" * 30, "-1", "💥", "%0a"])
def test_a_nasty_value_in_every_address(admin, stage, value):
    routes = {route.path.replace("nobody", value).replace("/0/", f"/{value}/") for route in rest_routes()}

    answers = {path: admin.get(path) for path in routes}

    assert faults(answers) == {}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_methods_that_nothing_answers_to(admin, stage, method):
    answered = {route.path for route in rest_routes() if route.method == method}
    paths = {route.path for route in rest_routes()} - answered
    answers = {path: admin(method, path) for path in paths}

    assert {answer.status_code for answer in answers.values()} == {405}
