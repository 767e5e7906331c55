"""The code of an error decides what it means; a body that is none of Salesforce's decides nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import UNREACHABLE
from connectors.salesforce.errors import Problem, failure_of, is_expired, problems_of
from flows import error_catalogue
from integrator.kernel import errors

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def failure(code: str, message: str = "Said by Salesforce", *fields: str, status: int = 400, key: str = ""):
    return failure_of(status, [Problem(code, message, fields)], now=NOON, request_id="r1", key_field=key)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNABLE_TO_LOCK_ROW", errors.Transient),
        ("QUERY_TIMEOUT", errors.Transient),
        ("REQUEST_RUNNING_TOO_LONG", errors.Transient),
        ("SERVER_UNAVAILABLE", errors.Transient),
        ("UNKNOWN_EXCEPTION", errors.Transient),
        ("PROCESSING_HALTED", errors.Transient),
        ("ALL_OR_NONE_OPERATION_ROLLED_BACK", errors.Transient),
        ("INVALID_SESSION_ID", errors.Unauthorized),
        ("API_DISABLED_FOR_ORG", errors.Unauthorized),
        ("INSUFFICIENT_ACCESS_OR_READONLY", errors.Forbidden),
        ("UNSUPPORTED_API_VERSION", errors.Forbidden),
        ("LIMIT_EXCEEDED", errors.RateLimited),
        ("STORAGE_LIMIT_EXCEEDED", errors.RateLimited),
        ("DUPLICATES_DETECTED", errors.Ambiguous),
        ("NOT_FOUND", errors.Missing),
        ("ENTITY_IS_DELETED", errors.Missing),
        ("REQUIRED_FIELD_MISSING", errors.Refused),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", errors.Refused),
        ("STRING_TOO_LONG", errors.Refused),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", errors.Refused),
        ("INVALID_FIELD", errors.Refused),
        ("NUMBER_OUTSIDE_VALID_RANGE", errors.Refused),
        ("JSON_PARSER_ERROR", errors.Refused),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", errors.Refused),
        ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", errors.Refused),
        ("A_CODE_OF_NEXT_YEAR", errors.Refused),
    ],
)
def test_each_code_has_one_meaning(code, kind):
    found = failure(code)

    assert type(found) is kind
    assert found.code == code
    assert found.request_id == "r1"
    assert str(found) == "Said by Salesforce"


@pytest.mark.parametrize("code", ["CANNOT_EXECUTE_FLOW_TRIGGER", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"])
@pytest.mark.parametrize(
    "said",
    [
        "Payment: execution of AfterUpdate caused by: System.DmlException: Update failed. First exception on "
        "row 0; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record: []",
        "The process failed. unable to obtain exclusive access to this record or 1 records: 00T1",
    ],
)
def test_a_row_lock_that_a_trigger_or_a_flow_met_passes_like_any_other(code, said):
    found = failure(code, said)

    assert type(found) is errors.Transient
    assert found.code == "UNABLE_TO_LOCK_ROW"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        pytest.param("TotalRequests Limit exceeded.", errors.RateLimited, id="the budget of the day"),
        pytest.param(
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            errors.Transient,
            id="too many at once",
        ),
    ],
)
def test_the_two_request_limits_are_told_apart_by_their_words(message, kind):
    found = failure("REQUEST_LIMIT_EXCEEDED", message, status=403)

    assert type(found) is kind
    assert (found.resets_at == NOON + timedelta(minutes=15)) is (kind is errors.RateLimited)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        pytest.param("External_ID__c", errors.Transient, id="a raced upsert is tried again"),
        pytest.param("Other__c", errors.Ambiguous, id="another unique field asks a person"),
    ],
)
def test_a_duplicate_value_is_a_race_only_on_our_own_key(key, kind):
    message = "duplicate value found: External_ID__c duplicates value on record with id: 001000000000001"

    found = failure("DUPLICATE_VALUE", message, key=key)

    assert type(found) is kind
    assert found.field == "External_ID__c"


@pytest.mark.parametrize(
    ("problem", "field"),
    [
        pytest.param(Problem("STRING_TOO_LONG", "x", ("Name", "Other")), "Name", id="listed"),
        pytest.param(
            Problem("INVALID_FIELD", "No such column 'Amount__c' on sobject of type Payment__c"),
            "Amount__c",
            id="told",
        ),
        pytest.param(
            Problem("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
            "LastName",
            id="missing",
        ),
        pytest.param(Problem("STRING_TOO_LONG", "x"), "", id="none"),
    ],
)
def test_the_field_at_fault_is_named_where_it_can_be(problem, field):
    assert failure_of(400, [problem], now=NOON).field == field


def test_the_cause_is_told_and_not_its_followers():
    problems = [
        Problem("PROCESSING_HALTED", "The transaction was rolled back"),
        Problem("STRING_TOO_LONG", "Name"),
    ]

    assert failure_of(400, problems, now=NOON).code == "STRING_TOO_LONG"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>Down for maintenance</html>", id="a page"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="a string"),
        pytest.param(b"[[1], null, 5]", id="a list of nonsense"),
        pytest.param(b"[" * 100_000, id="a nest"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(None, id="no body"),
        pytest.param(b'{"message": "Forbidden"}', id="JSON of a firewall"),
        pytest.param(b'{"statusCode": 404, "error": "Not Found", "message": "html"}', id="JSON of a proxy"),
        pytest.param(b'{"errorCode": 403, "fields": "html"}', id="a code that is none"),
        pytest.param(b'[{"errorCode": " ", "message": "html"}]', id="an empty code"),
    ],
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, errors.Transient) for status in (200, 300, 302, 400, 403, 404, 405, 407, 408, 409, 410)),
        *((status, errors.Transient) for status in (415, 421, 422, 429, 451, 499, 500, 502, 503)),
        (401, errors.Unauthorized),  # after one new login
        (413, errors.Refused),  # unless it can be sent in parts
        (414, errors.Refused),
        (431, errors.Refused),
    ],
)
def test_what_is_no_answer_of_the_api_is_final_for_no_record(body, status, kind):
    found = failure_of(status, problems_of(body), now=NOON)

    assert type(found) is kind
    assert (found.code in UNREACHABLE) is (kind is errors.Transient)
    assert "html" not in str(found)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Refused),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.Missing),
        (405, errors.Refused),
        (410, errors.Forbidden),
        (429, errors.Transient),
    ],
)
def test_a_new_code_of_the_api_means_what_its_status_says(status, kind):
    assert type(failure("A_CODE_OF_NEXT_YEAR", status=status)) is kind


def test_an_unknown_code_with_a_status_of_the_servers_is_the_servers_fault():
    assert type(failure("GATEWAY_SAID_NO", status=502)) is errors.Transient


@pytest.mark.parametrize(
    "body",
    [
        [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
        {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"},
        {"error": "INVALID_SESSION_ID", "error_description": "expired"},
        "<html>401</html>",
        {"message": "Unauthorized"},
    ],
    ids=["a list", "an object", "in OAuth's words", "a page", "JSON of a proxy"],
)
def test_an_expired_session_is_seen_in_every_shape(body):
    assert is_expired(401, problems_of(json.dumps(body)))


def test_a_session_that_is_never_valid_is_not_called_expired():
    problem = Problem("INVALID_SESSION_ID", "This session is not valid for use with the REST API")

    assert not is_expired(401, [problem])
    assert not is_expired(403, [Problem("INVALID_SESSION_ID", "x")])


def test_a_message_is_short_and_shows_no_card_and_no_token():
    message = "Bad value 4242 4242 4242 4242 from 00D000000000001!AQplantedplanted " + "x" * 1000

    said = str(failure("STRING_TOO_LONG", message))

    assert len(said) < 450
    assert "4242" not in said
    assert "planted" not in said


def test_what_no_database_takes_is_replaced_and_long_names_are_cut():
    body = [
        {
            "errorCode": "STRING_\x00TOO" + "G" * 200,
            "message": "bad \ud83d value \x00" + "x" * 10_000,
            "fields": ["Na\x00me\udfff" + "e" * 200],
        }
    ]

    (problem,) = problems_of(json.dumps(body))
    found = failure_of(400, [problem], now=NOON, request_id="r\x00" * 200)

    assert problem.message.startswith("bad \ufffd value \ufffdx")
    assert len(problem.message) == 2_000
    assert found.code.startswith("STRING_\ufffdTOOG")
    assert found.field.startswith("Na\ufffdme\ufffde")
    assert found.request_id.startswith("r\ufffdr")
    assert (len(found.code), len(found.field), len(found.request_id)) == (100, 100, 100)


def test_a_field_that_only_the_message_names_is_cut_too():
    found = failure("INVALID_FIELD", f"No such column '{'N' * 500}' on sobject of type Payment__c")

    assert found.field == "N" * 100


def a_duplicate(result: object) -> list[dict[str, object]]:
    said = "Use one of these records?"
    return [{"errorCode": "DUPLICATES_DETECTED", "message": said, "duplicateResult": result}]


def test_a_duplicate_names_the_records_that_it_looks_like():
    records = [{"record": {"Id": "003gK0000000001AAA"}}, {"record": {"Id": "003gK0000000002AAA"}}]
    result = {"matchResults": [{"entityType": "Contact", "matchRecords": records}]}

    (problem,) = problems_of(json.dumps(a_duplicate(result)))

    told = failure_of(400, [problem], now=NOON)
    assert isinstance(told, errors.Ambiguous)
    assert "Contact 003gK0000000001AAA, Contact 003gK0000000002AAA" in str(told)
    assert told.records == (("Contact", "003gK0000000001AAA"), ("Contact", "003gK0000000002AAA"))
    assert not told.may_save


def test_a_duplicate_says_whether_it_may_be_saved_nonetheless():
    (problem,) = problems_of(a_duplicate({"allowSave": True, "matchResults": []}))

    told = failure_of(400, [problem], now=NOON)

    assert (told.may_save, told.records) == (True, ())


@pytest.mark.parametrize(
    "result",
    [None, "", [], {}, {"matchResults": 1}, {"matchResults": [1, {"matchRecords": [1, {"record": 1}, {}]}]}],
)
def test_a_duplicate_without_its_matches_is_one_all_the_same(result):
    (problem,) = problems_of(a_duplicate(result))

    assert (problem.code, problem.message) == ("DUPLICATES_DETECTED", "Use one of these records?")


def test_a_message_that_is_too_long_keeps_what_the_field_takes():
    said = f"Description: data value too large: {'x' * 40_000} (max length=255)"
    body = [{"errorCode": "STRING_TOO_LONG", "message": said, "fields": ["Description"]}]

    failure = failure_of(400, problems_of(body), now=NOON)

    assert str(failure).startswith("Description: data value too large: xxx")
    assert str(failure).endswith("(max length=255)")
    assert len(str(failure)) == 400
    assert failure.http_status == 400
    told = error_catalogue.explain_params(failure)
    assert told["max_length"] == "255"
