"""Every failure is explained, and what nobody explained is left to a person."""

from __future__ import annotations

import pytest

from flows import error_catalogue
from flows.error_catalogue import CLASSES, RULES, explain
from integrator.kernel import errors


def test_every_rule_explains_itself():
    for code in RULES:
        found = explain(code=code, field="Name")

        assert found.error_class in CLASSES, code
        assert found.title, code
        assert found.explanation.endswith("."), code
        assert found.suggestion.endswith("."), code
        assert "{" not in found.explanation + found.suggestion, code


@pytest.mark.parametrize(
    ("code", "message", "error_class"),
    [
        pytest.param("UNABLE_TO_LOCK_ROW", "", "lock", id="a row lock"),
        pytest.param(
            "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded", "rate_limit", id="the daily limit"
        ),
        pytest.param(
            "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded", "transient", id="too many at once"
        ),
        pytest.param("INVALID_FIELD", "No such column", "schema", id="a field that is gone"),
        pytest.param("INVALID_FIELD", "Foreign key external ID: x not found", "missing_ref", id="no parent"),
        pytest.param("resource_missing", "No such charge", "missing_ref", id="an object that is gone"),
        pytest.param(
            "resource_missing", "a similar object exists in live mode", "auth", id="a key of the other mode"
        ),
        pytest.param("idempotency_key_in_use", "", "lock", id="a request that is still under way"),
        pytest.param("DUPLICATES_DETECTED", "", "duplicate", id="a duplicate"),
        pytest.param("FIELD_CUSTOM_VALIDATION_EXCEPTION", "", "data", id="a validation rule"),
        pytest.param("INSUFFICIENT_ACCESS_OR_READONLY", "", "permission", id="no right"),
        pytest.param("ENTITY_IS_LOCKED", "", "conflict", id="an approval"),
        pytest.param("STORAGE_LIMIT_EXCEEDED", "", "too_large", id="no storage"),
        pytest.param("SOMETHING_NEW", "", "unknown", id="a stranger"),
    ],
)
def test_a_code_has_a_class_and_the_message_may_sharpen_it(code, message, error_class):
    assert explain(code=code, message=message).error_class == error_class


def test_the_suggestion_names_the_field():
    failure = errors.Refused("Too long", code="STRING_TOO_LONG", field="Description__c")

    assert "Description__c" in explain(failure).suggestion


def test_a_field_that_looks_like_a_template_is_only_text():
    assert "{field.__class__}" in explain(code="STRING_TOO_LONG", field="{field.__class__}").suggestion


@pytest.mark.parametrize(
    "failure",
    [kind for kind in errors.IntegrationError.__subclasses__() if kind is not errors.Refused],
    ids=lambda kind: kind.__name__,
)
def test_a_failure_without_a_code_is_explained_by_its_kind(failure):
    assert explain(failure("It went wrong")).error_class != "unknown"


def test_the_codes_of_a_mapping_are_explained():
    assert explain(code="unseen_value", field="Status__c").suggestion == (
        "Add the value to the value map of Status__c."
    )


def test_every_class_has_a_title():
    rules = [rule for found in RULES.values() for rule in found]

    assert {rule.error_class for rule in rules} <= set(error_catalogue.CLASSES)
