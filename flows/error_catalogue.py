"""
This module explains a failure to a person: its class, what it means, and what to do about it.

The codes of Salesforce are those of its StatusCode enum
(https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm),
those of Stripe stand at https://docs.stripe.com/error-codes. A code that is not listed is
explained as unknown and left to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from integrator.kernel import errors

CLASSES: dict[str, str] = {
    "transient": "It may well work later",
    "rate_limit": "The API budget is spent",
    "lock": "Another change holds the record",
    "auth": "The credential is not accepted",
    "permission": "A permission is missing",
    "schema": "The org's fields or objects differ from what the flow expects",
    "data": "A value is not acceptable",
    "missing_ref": "A record that is referred to is not there",
    "duplicate": "Several records fit",
    "declined": "The bank said no",
    "conflict": "The record is in a state that forbids the change",
    "too_large": "Too much at once",
    "unknown": "Nobody has explained this failure yet",
    "internal": "A fault of this product",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads about a failure."""

    error_class: str
    title: str
    explanation: str
    suggestion: str


class _Rule(NamedTuple):
    error_class: str
    explanation: str
    suggestion: str  # `{field}` stands for the field at fault
    says: str = ""  # the rule holds only for messages that contain this, in lower case


def _read(lines: str) -> dict[str, tuple[_Rule, ...]]:
    """Read rows of `CODES | class | explanation | suggestion | text that the message must contain`."""
    rules: dict[str, tuple[_Rule, ...]] = {}
    for line in lines.strip().splitlines():
        codes, error_class, explanation, suggestion, *says = (part.strip() for part in line.split("|"))
        for code in codes.split():
            rule = _Rule(error_class, explanation, suggestion, *says)
            rules[code] = (*rules.get(code, ()), rule)
    return rules


_WAIT = (
    "Nothing needs to be done: it is tried again by itself. Retry it now if the other system has recovered."
)
_PERMISSION = (
    "Give the integration user edit access to {field} (permission set Stripe_Integration), then retry."
)

# fmt: off
_SALESFORCE = _read(f"""
UNABLE_TO_LOCK_ROW | lock | Another change held the record, or its parent, at that moment. | {_WAIT}
SERVER_UNAVAILABLE QUERY_TIMEOUT REQUEST_RUNNING_TOO_LONG UNKNOWN_EXCEPTION PLATFORM_EVENT_PUBLISHING_UNAVAILABLE | transient | Salesforce could not answer in time. | {_WAIT}
REQUEST_LIMIT_EXCEEDED | transient | Too many long calls ran in the org at once. | {_WAIT} | concurrent
REQUEST_LIMIT_EXCEEDED LIMIT_EXCEEDED | rate_limit | The org's allowance of API calls for 24 hours is spent. | The connection resumes when calls are available again. If this happens often, raise the org's API limit.
STORAGE_LIMIT_EXCEEDED | too_large | The org has no storage left. | Free data storage in the org, or buy more, then retry.
INVALID_SESSION_ID INVALID_AUTH_HEADER | auth | Salesforce did not accept the session, even a fresh one. | Test the connection and follow what it says.
INVALID_GRANT invalid_grant app_not_found API_DISABLED_FOR_ORG | auth | Salesforce refused the login. | Test the connection and follow what it says.
INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY | permission | The integration user may not change this record, or one that it refers to. | {_PERMISSION}
INVALID_FIELD_FOR_INSERT_UPDATE | permission | The integration user may not write {{field}}, or the field can never be written. | Give it edit access to {{field}}, or take the field out of the mapping.
INVALID_FIELD INVALID_TYPE NOT_FOUND_FIELD | schema | The org has no such field or object, or the integration user may not see it. | Create {{field}}, give the integration user access to it, or take it out of the mapping.
REQUIRED_FIELD_MISSING | data | The org requires {{field}}, and it was empty. | Map {{field}}, or give it a default in the mapping.
FIELD_CUSTOM_VALIDATION_EXCEPTION | data | A validation rule of the org refused the record. | Read the rule's message. Change the mapping of {{field}}, or the rule, then retry.
STRING_TOO_LONG | data | The text is longer than {{field}} allows. | Let the mapping cut the text to the length of {{field}}, or make the field longer.
INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST | data | {{field}} is a restricted picklist without this value, or the record's type does not take it. | Add the value to the picklist of {{field}} and to the record type, or map it to one that is there.
FIELD_INTEGRITY_EXCEPTION | data | The value of {{field}} does not fit the record's other values. | Read the message and correct the mapping of {{field}}.
INVALID_CROSS_REFERENCE_KEY | permission | The integration user may not give records this type. | Assign the record type to the user's profile or permission set, or map another one, then retry. | record type id
INVALID_CROSS_REFERENCE_KEY INVALID_FIELD_REFERENCE | missing_ref | {{field}} refers to a record that is not there or may not be used. | Make sure that the record which {{field}} refers to is in the org, then retry.
INVALID_FIELD | missing_ref | {{field}} refers to a record that is not in the org yet. | Sync the record that {{field}} refers to, then retry. | foreign key external id
NO_SUCH_RECORD_TYPE | schema | The org has no record type of this name, or it is not active. | Create it in the org under the same API name, or choose another record type in the mapping, then retry.
MALFORMED_ID | data | {{field}} needs a Salesforce record id, and this is not one. | Map an external id instead, or correct the value of {{field}}.
INVALID_EMAIL_ADDRESS | data | {{field}} does not hold an e-mail address. | Correct the address in Stripe, or leave {{field}} empty when it is not one.
NUMBER_OUTSIDE_VALID_RANGE | data | The number has more digits than {{field}} can hold. | Make {{field}} larger in the org. The amount is never rounded or cut for you.
JSON_PARSER_ERROR | data | A value has the wrong type for {{field}}. | Correct the type of {{field}} in the mapping: text, number, true or false, date.
INVALID_DATE_FORMAT | data | {{field}} needs a date in another form. | Use the chip for Unix times in the mapping of {{field}}.
CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER FAILED_ACTIVATION | conflict | Apex code or a Flow of the org refused the record. | Read the message, mend the trigger or Flow in the org, then retry.
ENTITY_IS_LOCKED | conflict | The record is locked, as a rule by an approval process. | Finish or recall the approval in Salesforce, then retry.
ENTITY_IS_DELETED NOT_FOUND | conflict | The record was deleted in Salesforce. | Restore the record from the recycle bin, or discard this run.
DELETE_FAILED | conflict | Other records still depend on this one. | Remove what depends on it in Salesforce, then retry.
DUPLICATE_VALUE | duplicate | Another record already has this value in {{field}}. | Find the other record (its id is in the message) and merge the two, or correct {{field}}.
DUPLICATES_DETECTED | duplicate | A duplicate rule of the org found records that look the same. | Decide in Salesforce which record is right, then retry.
MULTIPLE_CHOICES 300 | duplicate | Several records have this external id, so nothing was written. | Make the external id field unique in the org and remove the extra records, then retry.
PROCESSING_HALTED ALL_OR_NONE_OPERATION_ROLLED_BACK | transient | Another record of the same call was at fault, not this one. | {_WAIT}
UNSUPPORTED_API_VERSION | schema | Salesforce no longer offers the API version of the connection. | Update Integrator.
EXCEEDED_ID_LIMIT TOO_MANY_FIELDS ALL_OR_NONE_TOO_LARGE | too_large | The call was larger than Salesforce allows. | Report this to your administrator: calls should have been split.
""")  # noqa: E501 - a table is read by its rows

_EVENT_BUS = _read(f"""
service.tenant.license | permission | The org is not licensed for the Pub/Sub API. | Ask Salesforce to switch it on, then the topic is heard by itself.
topic.meta.permission schema.meta.permission subscription.topic.cannot.subscribe | permission | The integration user may not hear this topic. | Give it read access to the object or platform event (permission set Stripe_Integration).
topic.not.found topic.notfound topic.validation.empty | schema | The org has no such topic. | Switch on Change Data Capture for the object, or deploy the platform event; or listen to this topic no more.
subscription.limit.exceeded | rate_limit | The org's allowance of event deliveries for 24 hours is spent. | It is tried again by itself, and nothing is lost for 72 hours. If this happens often, listen to fewer topics, or buy more deliveries.
concurrent.client.limit.exceeded | transient | The org has as many subscribers as it may have at once. | {_WAIT}
service.unavailable service.protection.triggered service.protection.stream.limit.triggered topic.api.unavailable schema.api.unavailable subscription.internal.error subscription.fetch.overflow subscription.fetch.replay.repeated event_bus.unreachable | transient | Salesforce's event bus could not be reached, or asks for patience. | {_WAIT}
event_bus.session_over | transient | The session had ended. | Nothing needs to be done: the next try logs in.
event_bus.address | conflict | The connection's address of the event bus is not one of Salesforce's. | Make the connection anew with the right address, or without one.
event_bus.refused | conflict | The event bus did not understand what it was asked. | Update Integrator; if that does not help, report it with the message.
subscription.fetch.replayid.corrupted | conflict | Salesforce keeps events for 72 hours and does not know the last position any more. | Compare the records that changed since then, and let the topic go on from the earliest event.
""")  # noqa: E501 - a table is read by its rows

_STRIPE = _read("""
card_declined insufficient_funds expired_card incorrect_cvc processing_error | declined | The customer's bank declined the payment. | Ask the customer for another way to pay.
resource_missing | auth | The key belongs to the other mode: the object exists in live mode only, or in test mode only. | Compare the connection's mode with the environment and enter the right key. | mode
resource_missing | missing_ref | Stripe has no such object, or no longer. | Check in Stripe whether it was deleted. If so, discard this run.
rate_limit | rate_limit | Stripe's request rate was exceeded. | The connection resumes by itself.
lock_timeout | lock | Another request held the object. | Nothing needs to be done: it is tried again by itself.
api_key_expired invalid_api_key platform_api_key_expired | auth | Stripe did not accept the key. | Enter a new key at the connection.
secret_key_required permission_denied more_permissions_required | permission | The restricted key lacks a permission. | Add the permission that the message names to the key in Stripe, then resume.
idempotency_key_in_use | lock | Stripe is still working on the same request. | Nothing needs to be done: it is tried again by itself.
idempotency_error | conflict | The same request was sent before with other values. | Look in Stripe at what was done, then decide by hand.
charge_already_refunded charge_disputed charge_expired_for_capture | conflict | The charge is in a state that forbids this. | Look at the charge in Stripe; if it is as it should be, discard this run.
parameter_invalid_empty parameter_missing parameter_unknown parameter_invalid_integer | data | Stripe did not accept the parameter {field}. | Correct the value of {field}.
amount_too_large amount_too_small invalid_charge_amount_no_decimal_compatible | data | Stripe does not accept this amount. | Check the amount and its currency. Amounts are never changed for you.
""")  # noqa: E501 - a table is read by its rows

_OURS = _read("""
required_empty | data | {field} must have a value, and the event has none. | Give {field} a default in the mapping, or let it be skipped when empty.
unseen_value | data | The value map of {field} does not know this value. | Add the value to the value map of {field}.
unknown_currency | data | The currency is not in the table, so its decimals are not known. They are never assumed. | Check the currency that {field} is read with. If it is a real one, update Integrator.
not_a_number | data | {field} is mapped from something that is not a whole number. | Choose another source for {field}, or another chip.
out_of_range_date | data | The time lies outside of what Salesforce can store. | Choose another source for {field}.
too_long | data | The text is longer than the mapping of {field} allows. | Let the mapping cut the text of {field}, or raise its length.
not_a_boolean | data | {field} is mapped from something that is neither true nor false. | Choose another source for {field}, or a value map.
not_a_value | data | {field} is mapped from a whole object or list. | Choose one of the values inside of it.
no_value | data | An expression reads a path that has no value in this event. | Let the expression of {field} say what holds then, such as charge.?description.orValue("").
wrong_type | data | An expression works with values of another type than those of this event. | Correct the expression of {field}, or let it ask for the type first.
expression_failed | data | The expression of {field} cannot be worked out for this event. | Read the message and correct the expression.
too_costly | too_large | The expression of {field} would take too long with the values of this event, or become too large. | Let the expression read less, or use chips.
no_id | missing_ref | The step found no id where its setting {field} says. | Choose another path for {field}, or let the flow go another way where there is no id.
not_a_list | data | {field} is read from something that is not a list. | Choose another path for {field}.
not_a_choice | data | Stripe takes certain words for {field}, and this is none of them. | Choose another path for {field}, or change the value by a value map.
not_a_time | data | {field} is read from something that is no time. | Choose another path for {field}.
metadata_limit | data | Stripe would refuse the metadata: it has too many keys, or a key or a value that it does not take. | Shorten what {field} is given, or give less.
too_many_in_a_write | too_large | The list has more elements than Stripe takes at once. | Let the flow go another way for long lists.
too_many | too_large | The list has more elements than the step allows. | Raise the limit of the step, or let the flow go another way for long lists.
several_found | duplicate | Several records fit the query. | Let the query say which of them is meant, or let a person choose.
queue_too_long | too_large | More runs come to the step than it lets through, and the queue has become too long. | Let it pass more, or let those beyond go another way, then retry what waits here.
too_late | data | The time until which the run should wait has passed already. | Choose another time for {field}, or let the flow go on at once or another way then.
too_far | data | The time lies further ahead than a run may wait. | Choose another time for {field}.
no_external_id | data | The record has no external id, so it could be written twice. | Map {field} from an id that every event of this flow has.
not_read | missing_ref | The object could not be read and the event has no copy of it. | Check in Stripe whether it was deleted. If so, discard this run.
""")  # noqa: E501 - a table is read by its rows
# fmt: on

RULES: dict[str, tuple[_Rule, ...]] = {**_STRIPE, **_SALESFORCE, **_EVENT_BUS, **_OURS}

_UNKNOWN = _Rule(
    "unknown",
    "This failure is not in the catalogue.",
    "Read the message. Mend what it names, then retry; if it is of no use, report it.",
)
_BY_CLASS: dict[str, _Rule] = {
    "transient": _Rule("transient", "The other system could not answer.", _WAIT),
    "rate_limit": _Rule(
        "rate_limit", "The API budget is spent for now.", "The connection resumes by itself."
    ),
    "auth": _Rule(
        "auth",
        "The other system did not accept the credential.",
        "Test the connection and follow what it says.",
    ),
    "permission": _Rule("permission", "The credential is good, but one permission is missing.", _PERMISSION),
    "missing_ref": _Rule(
        "missing_ref", "The record is not there, or no longer.", "Restore the record, or discard this run."
    ),
    "duplicate": _Rule(
        "duplicate", "Several records fit.", "Decide which record is right in Salesforce, then retry."
    ),
    "declined": _Rule("declined", "The bank said no.", "Ask the customer for another way to pay."),
    "conflict": _Rule(
        "conflict",
        "It may have been done: the answer was lost.",
        "Look in the other system whether it was done, then retry or discard.",
    ),
    "internal": _Rule(
        "internal",
        "The product made a mistake. The event is kept and nothing is lost.",
        "Report it with the message. Retry after an update.",
    ),
}
_BY_FAILURE: dict[type[errors.IntegrationError], str] = {
    errors.Transient: "transient",
    errors.RateLimited: "rate_limit",
    errors.Unauthorized: "auth",
    errors.Misdirected: "auth",
    errors.Forbidden: "permission",
    errors.Declined: "declined",
    errors.Ambiguous: "duplicate",
    errors.Missing: "missing_ref",
    errors.Uncertain: "conflict",
}


def _rule_for(code: str, message: str) -> _Rule | None:
    text = message.lower()
    rules = sorted(RULES.get(code, ()), key=lambda rule: not rule.says)  # the special before the general
    return next((rule for rule in rules if rule.says in text), None)


def explain(
    failure: errors.IntegrationError | None = None,
    *,
    error_class: str = "",
    code: str = "",
    field: str = "",
    message: str = "",
) -> Explanation:
    """
    Explain a connector's `failure`, or what is known of one: its class, code, field and message.

    The code decides where the catalogue knows it, since it says more than the class.
    """
    if failure is not None:
        error_class = _BY_FAILURE.get(type(failure), error_class)
        code, field, message = failure.code, failure.field, str(failure)
    rule = _rule_for(code, message) or _BY_CLASS.get(error_class, _UNKNOWN)
    named = field or "the field"
    return Explanation(
        error_class=rule.error_class,
        title=CLASSES[rule.error_class],
        explanation=_sentence(rule.explanation, named),
        suggestion=_sentence(rule.suggestion, named),
    )


def _sentence(template: str, field: str) -> str:
    """Put the field into the text; `replace` and not `format`, since a field's name is not ours."""
    text = template.replace("{field}", field)
    return text[:1].upper() + text[1:]
