"""No rule, no message and no circumstance gives a failure more freedom than was agreed on."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import NO_TURN, UNREACHABLE
from connectors.salesforce.errors import Problem
from connectors.salesforce.errors import failure_of as of_salesforce
from connectors.salesforce.logins import ANSWERS
from connectors.salesforce.pubsub.refusals import MEANING as OF_THE_BUS
from connectors.stripe.errors import translate
from flows.engine.outcome import Done, Failure, Pause, RetryAt
from flows.engine.policy import Policy, decide
from flows.error_catalogue import ACTIONS, AUTONOMIES, CLASSES, RULES, classify, explain, of_failure
from flows.error_catalogue.ours import MESSAGES, NO_ANSWER, STATUSES, UNKNOWN
from flows.error_catalogue.salesforce import CODES as SALESFORCE
from flows.error_catalogue.stripe import CODES as STRIPE
from integrator.kernel import errors
from tests.fakes import NOON

# What was agreed on, written down a second time: whoever loosens the policy has to do it twice.
AUTO = {
    "retry", "rest", "renew_session", "look_up", "update_instead", "save_parent", "take_declined_way",
}  # fmt: skip
APPROVE = {
    "resend", "close_as_done", "cut_text", "map_value", "give_default", "clear_value", "change_mapping",
    "correct_link",
}  # fmt: skip
NEVER_AUTO = {"permission", "schema", "data", "duplicate", "conflict", "too_large", "unknown", "internal"}
EVERY_RULE = [
    *(rule for rules in RULES.values() for rule in rules),
    *(rule for table in STATUSES.values() for rules in table.values() for rule in rules),
    *MESSAGES, *NO_ANSWER, UNKNOWN,
]  # fmt: skip


def loosest(action: str) -> str:
    return "auto" if action in AUTO else "approve" if action in APPROVE else "human"


def does_it_by_itself(failure: errors.IntegrationError) -> bool:
    """Tell whether the engine goes on without a person, whatever the catalogue says."""
    outcome = decide(failure, attempt=1, first_failed_at=None, now=NOON, luck=0.5, policy=Policy())
    return isinstance(outcome, RetryAt | Pause | Done)


def test_the_policy_is_what_was_agreed_on():
    assert {name: action.loosest for name, action in ACTIONS.items()} == {
        name: loosest(name) for name in ACTIONS
    }


def test_no_rule_is_looser_than_the_policy():
    too_loose = [
        rule.id for rule in EVERY_RULE
        if AUTONOMIES.index(rule.autonomy) > AUTONOMIES.index(loosest(rule.action))
        or (rule.autonomy == "auto" and rule.error_class in NEVER_AUTO)
    ]  # fmt: skip

    assert too_loose == []


def test_the_documentation_names_every_action_with_its_ceiling_and_every_class():
    told = (Path(__file__).parents[3] / "docs" / "errors.md").read_text(encoding="utf-8")

    assert [name for name in ACTIONS if f"| `{name}` | {loosest(name)} |" not in told] == []
    assert [name for name in CLASSES if f"| `{name}` |" not in told] == []


def test_every_rule_has_a_name_of_its_own_and_every_code_belongs_to_one_system():
    ids = [rule.id for rule in EVERY_RULE]

    assert len(ids) == len(set(ids))
    assert not SALESFORCE.keys() & STRIPE.keys()


@pytest.mark.parametrize(
    "rule",
    [rule for code in SALESFORCE for rule in SALESFORCE[code] if rule.autonomy == "auto"],
    ids=lambda rule: rule.id,
)
def test_what_is_told_as_done_by_itself_in_salesforce_is(rule):
    code, _, name = rule.id.removeprefix("salesforce.").partition(".")
    says = {"concurrent": "ConcurrentRequests Limit exceeded", "locked": "first error: UNABLE_TO_LOCK_ROW"}
    failure = of_salesforce(400, [Problem(code, says.get(name, "It went wrong"))], now=NOON)
    if rule.id.endswith("login_rate"):  # it is the answer to a login, not to a call
        login = next(answer for answer in ANSWERS if answer.code == "login_rate")
        failure = login.failure("login rate exceeded", code=login.code)

    assert does_it_by_itself(failure)


@pytest.mark.parametrize(
    "code", sorted(code for code in STRIPE if any(rule.autonomy == "auto" for rule in STRIPE[code]))
)
def test_what_is_told_as_done_by_itself_in_stripe_is(code):
    if code == "idempotency_key_spent":  # it is looked for before it is done again: see `flows.engine.once`
        return
    kinds = {"lock_timeout": (stripe.RateLimitError, 429), "rate_limit": (stripe.RateLimitError, 429)}
    kind, status = kinds.get(
        code, (stripe.APIError, 409) if "key_in_use" in code else (stripe.CardError, 402)
    )
    body = {"error": {"code": code, "message": "It went wrong"}}
    more = ("", code) if kind is stripe.CardError else ()

    failure = translate(kind("It went wrong", *more, http_status=status, json_body=body), now=NOON)

    assert does_it_by_itself(failure)


def test_what_is_told_as_done_by_itself_where_a_status_or_silence_is_all_there_is_is():
    statuses = [
        int(key.replace("xx", "03"))
        for key, (rule, *_) in STATUSES["salesforce"].items()
        if rule.autonomy == "auto"
    ]

    assert sorted(statuses) == [408, 429, 503]
    assert all(does_it_by_itself(of_salesforce(status, [], now=NOON)) for status in statuses)
    for code in (*UNREACHABLE, NO_TURN):
        assert classify("integrator", None, code, "").autonomy == "auto"
        assert does_it_by_itself(errors.Transient("It went wrong", code=code))


def test_what_is_told_as_done_by_itself_on_the_event_bus_is():
    told = {code for code in OF_THE_BUS if classify("salesforce", None, code, "").autonomy == "auto"}

    assert told == {
        code for code, kind in OF_THE_BUS.items() if kind in (errors.Transient, errors.RateLimited)
    }


@given(
    message=st.text(max_size=300), code=st.text(max_size=30), status=st.sampled_from([None, 200, 400, 418])
)
def test_what_nobody_knows_is_always_left_to_a_person(message, code, status):
    verdict = classify("salesforce", status, f"?{code}", message)

    assert (verdict.cls, verdict.autonomy, verdict.action) == ("unknown", "human", "read_message")


def test_no_message_gives_a_code_what_none_of_its_rules_gives():
    words = "UNABLE_TO_LOCK_ROW timeout: Read timed out. 503 Service Unavailable, concurrent, LimitException"

    loud = {code: classify("", None, code, words).autonomy for code in RULES}

    assert [code for code in RULES if loud[code] not in {rule.autonomy for rule in RULES[code]}] == []


@pytest.mark.parametrize(
    "field", ["Amount__c", "CurrencyIsoCode", "UnitPrice", "unit_amount", "Fee__c", "Tax"]
)
@pytest.mark.parametrize(
    "code", ["STRING_TOO_LONG", "REQUIRED_FIELD_MISSING", "unseen_value", "parameter_missing"]
)
def test_money_is_never_mended_by_a_rule(field, code):
    verdict = classify("", None, code, "", {"field": field})

    assert (verdict.autonomy, verdict.action) == ("human", "correct_amount")
    assert "never changed for you" in verdict.suggestion


@pytest.mark.parametrize("operation", ["charge", "refund", "capture", "payout", "transfer", "pay"])
def test_nothing_is_paid_a_second_time_by_itself(operation):
    for code in ("timeout", "network", "unavailable", "UNKNOWN_EXCEPTION", ""):
        lost = classify("", None, code, "Read timed out.", {"operation": operation})
        keyed = classify("", None, code, "Read timed out.", {"operation": operation, "keyed": True})

        assert (lost.autonomy, lost.action) == ("human", "check_state")
        assert keyed.autonomy == "auto"


@pytest.mark.parametrize("operation", ["delete", "merge"])
def test_what_cannot_be_undone_is_left_to_a_person_however_it_failed(operation):
    assert {classify("", None, code, "", {"operation": operation}).autonomy for code in RULES} == {"human"}


def test_a_create_whose_answer_was_lost_is_looked_for_first():
    found = classify("salesforce", None, "timeout", "Read timed out.", {"operation": "create"})
    unknown = classify("stripe", 500, "", "", {"operation": "create", "by_external_id": False})

    assert (found.action, found.autonomy) == ("look_up", "auto")
    assert (unknown.action, unknown.autonomy) == ("look_up", "human")


def test_an_upsert_that_another_was_quicker_with_becomes_an_update():
    said = "duplicate value found: Stripe_Id__c duplicates value on record with id: 001Kj00001AbCdE"
    raced = classify("salesforce", 400, "DUPLICATE_VALUE", said, {"key_field": "stripe_id__c"})
    other = classify("salesforce", 400, "DUPLICATE_VALUE", said, {"key_field": "Email__c"})

    assert (raced.action, raced.autonomy) == ("update_instead", "auto")
    assert (other.action, other.autonomy) == ("choose_record", "human")
    failure = of_salesforce(400, [Problem("DUPLICATE_VALUE", said)], now=NOON, key_field="Stripe_Id__c")
    assert does_it_by_itself(failure)


def test_a_missing_parent_is_saved_by_itself_only_where_the_step_does_so():
    said = "Foreign key external ID: cus_1 not found for field Stripe_Id__c in entity Account"

    assert classify("salesforce", 400, "INVALID_FIELD", said).autonomy == "approve"
    assert classify("salesforce", 400, "INVALID_FIELD", said, {"saves_parents": True}).autonomy == "auto"


def test_a_dead_letter_is_never_told_to_go_on_by_itself():
    verdicts = [of_failure(Failure("", "", code=code, field="Name"), given_up=True) for code in RULES]

    assert {verdict.autonomy for verdict in verdicts} == {"approve", "human"}
    assert not [one.rule_id for one in verdicts if one.suggestion.startswith("Nothing needs to be done")]


@pytest.mark.parametrize(
    ("code", "message", "params"),
    [
        (
            "STRING_TOO_LONG",
            "City: data value too large: Ulm (max length=2)",
            {"max_length": "2", "label": "City"},
        ),
        (
            "DUPLICATE_VALUE",
            "duplicate value found: X__c duplicates value on record with id: 001Kj00001AbCdEIAV",
            {"field": "X__c", "record_id": "001Kj00001AbCdEIAV"},
        ),
        (
            "INVALID_FIELD",
            "Foreign key external ID: cus_1 not found for field Id__c in entity Account",
            {"external_id": "cus_1", "external_id_field": "Id__c", "object": "Account"},
        ),
        ("INVALID_FIELD", "No such column 'X__c' on entity 'Lead'", {"field": "X__c", "object": "Lead"}),
        (
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Method: bad value for restricted picklist field: Bank Transfer",
            {"label": "Method", "value": "Bank Transfer"},
        ),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", {"field": "LastName"}),
        ("resource_missing", "No such customer: 'cus_1'", {"object": "customer", "record_id": "cus_1"}),
        ("", "Invalid string: abc; must be at most 500 characters", {"max_length": "500"}),
        ("amount_too_small", "Amount must be at least $0.50 usd", {"minimum": "$0.50 usd"}),
        ("rak_charge_read", "Having the 'rak_charge_read' permission", {"permission": "rak_charge_read"}),
        ("X", "No such customer: sk_live_abcdefgh12345678", {"object": "customer", "record_id": "•••"}),
    ],
)  # fmt: skip
def test_the_message_is_asked_for_what_a_fix_needs(code, message, params):
    assert dict(classify("", None, code, message).params) == params


@pytest.mark.parametrize(
    "message",
    [
        "\x00\ud800 <script>alert(1)</script> {field} {0.__class__} %s",
        "(" * 200_000,
        "Foreign key external ID: " * 40_000,
        "duplicate value found: " + "a" * 1_000_000,
        "No such " + "a " * 500_000,
        "[Errno -" + "1" * 1_000_000,
    ],
    ids=["hostile", "brackets", "parents", "letters", "spaces", "digits"],
)
def test_hostile_and_huge_messages_cost_next_to_nothing_and_change_nothing(message):
    started = time.process_time()
    verdicts = [classify(system, None, "", message) for system in ("salesforce", "stripe", "")]

    assert {verdict.autonomy for verdict in verdicts} <= {"human", "approve"}
    assert all(len(value) <= 255 for verdict in verdicts for value in verdict.params.values())
    assert time.process_time() - started < timedelta(seconds=2).total_seconds()  # and not for ever


def test_the_engine_is_told_a_class_by_no_words_alone():
    failure = errors.Refused("No such column 'X__c'. Read timed out. Foreign key external ID: a")

    assert explain(failure).error_class == "unknown"


@pytest.mark.parametrize(
    ("system", "status", "code", "message", "context"),
    [
        ("", None, "", "Failed to connect the contact to its account: Account__c is required", {}),
        ("", None, "", "Connection refused by the customer", {}),
        ("", None, "", "Could not establish the mandate: customer refused", {}),
        ("salesforce", 403, "PERMISSION_DENIED", "see sfdc.platform.eventbus.grpc.service.unavailable", {}),
        ("salesforce", None, "INVALID_ARGUMENT", "sfdc.platform.eventbus.grpc.service.unavailable", {}),
        ("stripe", None, "", "Request timed out", {"operation": "Charge"}),
        ("stripe", None, "timeout", "Stripe could not be reached.", {"operation": "create_refund"}),
        ("stripe", 424, "", "Failed", {"operation": "charge"}),
        ("stripe", 409, "account_country_frozen", "The account is frozen.", {}),
        ("stripe", 400, "", "You passed an empty string for 'amount'.", {}),
        ("stripe", 400, "", "You must provide an amount and a currency.", {}),
        ("stripe", 400, "parameter_unknown", "Received unknown parameters: colour, amount", {}),
        ("salesforce", 400, "STRING_TOO_LONG", "Amount__c: data value too large: 12 (max length=1)", {}),
        ("salesforce", 400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name, Amount__c]", {}),
        ("salesforce", 400, "INVALID_MULTISELECT_PICKLIST_VALUE", "Currency: bad value for picklist: X", {}),
        ("salesforce", 400, "FIELD_INTEGRITY_EXCEPTION", "It is in an invalid state for this change", {}),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_known_failure_is_left_to_a_person(system, status, code, message, context):
    assert classify(system, status, code, message, context).autonomy == "human"
