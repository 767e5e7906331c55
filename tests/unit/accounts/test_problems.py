"""Problems: what a REST client is told about its mistakes, as RFC 9457 wants it."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import NotAuthenticated, ParseError, Throttled, ValidationError

from integrator.web import PROBLEM, Conflict, problem


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (Http404(), 404, "Not Found"),
        (PermissionDenied(), 403, "Forbidden"),
        (NotAuthenticated(), 401, "Unauthorized"),
        (ParseError(), 400, "Bad Request"),
        (Conflict("Somebody was quicker."), 409, "Conflict"),
        (ValidationError({"name": ["Too long."]}), 400, "Bad Request"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_refusal_is_a_problem(error, status, title):
    answer = problem(error, {})

    assert (answer.status_code, answer.content_type) == (status, PROBLEM)
    assert (answer.data["status"], answer.data["title"], answer.data["type"]) == (
        status,
        title,
        "about:blank",
    )


def test_a_fault_of_ours_is_left_to_the_server():
    assert problem(ZeroDivisionError(), {}) is None


def test_a_throttled_client_is_told_when_to_come_back():
    assert problem(Throttled(wait=7), {}).headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("detail", "fields"),
    [
        pytest.param({"name": ["Too long."]}, ["name"], id="one field"),
        pytest.param({"a": ["x"], "b": ["y", "z"]}, ["a", "b", "b"], id="several"),
        pytest.param({"secrets": {"key": ["x"]}}, ["secrets.key"], id="a field of a field"),
        pytest.param({"lines": [{}, {"to": ["x"]}]}, ["lines.1.to"], id="a field of a row"),
        pytest.param(["Everything is wrong."], [""], id="no field at all"),
        pytest.param({"\ud800": ["\ud800"]}, ["?"], id="what cannot be sent back"),
    ],
)
def test_each_field_at_fault_is_named(detail, fields):
    found = problem(ValidationError(detail), {}).data["errors"]

    assert [error["field"] for error in found] == fields
    assert all(error["message"].encode() for error in found)
