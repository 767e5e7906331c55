"""
This module classifies failures: it finds the rule, and never gives more freedom than the policy has.

Of several signs the code says most, then the HTTP status, then what a connector made of the answer or, where
there is none of these, the message. What nothing explains is left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypedDict

from flows.error_catalogue import ours, salesforce, stripe
from flows.error_catalogue.params import params_of
from flows.error_catalogue.policy import ACTIONS, CHANGING, FINAL, PAYING, Autonomy, of_money, stricter
from flows.error_catalogue.rules import CLASSES, Rule, Rules
from integrator.kernel.texts import LONGEST_MESSAGE

_BY_SYSTEM: dict[str, Rules] = {
    "salesforce": {**salesforce.CODES, **salesforce.EVENT_BUS},
    "stripe": stripe.CODES,
    "integrator": ours.CODES,
}
RULES: Final[Rules] = {code: rules for table in _BY_SYSTEM.values() for code, rules in table.items()}


# What Stripe says beside its codes, or alone where it has none: no more than the HTTP status
# (https://docs.stripe.com/api/errors).
TYPES = frozenset({"invalid_request_error", "api_error", "card_error"})
# The event bus's own codes stand behind the status of gRPC, SOAP's behind a prefix of XML.
BUS_PREFIX = "sfdc.platform.eventbus.grpc."
_BUS = re.compile(r"\bsfdc\.platform\.eventbus\.grpc\.([a-z][a-z.]{1,80}[a-z])")
_PASSING = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "ABORTED"})
_GRPC = _PASSING | {"INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "FAILED_PRECONDITION"}


# Their messages are lists of names.
LISTING = frozenset({"REQUIRED_FIELD_MISSING", "parameter_missing", "parameter_unknown"})


class Context(TypedDict, total=False):
    """What is known of a failure beside its words."""

    field: str  # the field or parameter that the other system named
    error_class: str  # what a connector or a step made of it
    key_field: str  # the external id by which the record was upserted
    operation: str  # such as create, charge, refund, delete
    keyed: bool  # whether it was sent under an idempotency key
    by_external_id: bool  # whether what a create made can be found; every create of this product's can
    saves_parents: bool  # whether the step saves parents that are missing
    given_up: bool  # whether the tries by itself are over: a dead letter


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failure is, what is done about it, and who has to agree to that."""

    cls: str  # of CLASSES
    retryable: bool  # whether the same may succeed later, with nothing changed by a person
    action: str  # of ACTIONS
    autonomy: Autonomy
    explanation: str
    suggestion: str
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rule_id: str = "unknown"

    @property
    def title(self) -> str:
        """Return what people call the class."""
        return CLASSES[self.cls]

    @property
    def said(self) -> str:
        """Return who acts, for people."""
        said = ACTIONS[self.action].said
        if self.autonomy == "approve":
            return f"Needs your approval: {said[:1].lower()}{said[1:]}"
        return said if self.autonomy == "auto" else "Only a person can mend this"


def classify(
    system: str,
    http_status: int | None,
    code: str | None,
    message: str | None,
    context: Context | None = None,
) -> Verdict:
    """
    Return what the failure is that `system` answered with `http_status`, `code` and `message`.

    `system` is salesforce, stripe or integrator, or empty where it is not known. All of it may be missing,
    and may be anybody's text. The params name what the message tells of: `field`, `max_length`, `record_id`,
    `external_id`, `value` and others.
    """
    context, system = context or {}, system.lower()
    text = (message or "")[:LONGEST_MESSAGE]  # as much as a dead letter keeps
    code = _plain(system, http_status, code or "", text)
    params = params_of(code, text, context.get("field", ""))
    rule = _rule(system, http_status, code, text, context)
    if rule.action in CHANGING and _is_of_money(code, text, params):
        suggestion = f"{rule.suggestion} Amounts and currencies are never changed for you."
        rule = rule._replace(action="correct_amount", autonomy="human", suggestion=suggestion)
    autonomy, rule = _settled(rule, http_status, code, params, context)
    named = params.get("field") or "the field"
    return Verdict(
        cls=rule.error_class,
        retryable=ACTIONS[rule.action].again,
        action=rule.action,
        autonomy=stricter(autonomy, ACTIONS[rule.action].loosest),
        explanation=_sentence(rule.explanation, named),
        suggestion=_sentence(rule.suggestion, named),
        params=params,
        rule_id=rule.id,
    )


def _plain(system: str, http_status: int | None, code: str, message: str) -> str:
    """Return the code without what else clients put before or in place of it."""
    if system == "stripe":
        return "" if code in TYPES else code
    if system == "salesforce":
        told = _BUS.search(message) if http_status is None and code in _GRPC else None
        bus = told[1] if told else ""
        passes = any(rule.autonomy == "auto" for rule in RULES.get(bus, ()))
        if bus and (code in _PASSING or not passes):
            return bus
        return code.removeprefix(BUS_PREFIX).removeprefix("sf:")
    return code


def _rule(system: str, http_status: int | None, code: str, message: str, context: Context) -> Rule:
    rule = _by_code(system, code, message)
    if rule and rule.action == "retry" and context.get("error_class") == "conflict":
        return ours.BY_CLASS["conflict"]  # what waits for a look or a person is not said to be tried again
    return (
        rule
        or _by_status(system, http_status, code, message)
        or _by_message(system, http_status, code, message, context)
        or _by_class(context.get("error_class", ""))
    )


def _by_code(system: str, code: str, message: str) -> Rule | None:
    tables = (_BY_SYSTEM.get(system, {}), _BY_SYSTEM["integrator"]) if system else (RULES,)
    return next((rule for table in tables for rule in table.get(code, ()) if rule.fits(message)), None)


def _by_status(system: str, http_status: int | None, code: str, message: str) -> Rule | None:
    table = ours.STATUSES.get(system)
    if http_status is None or table is None or (http_status in (400, 409) and code):
        return None  # what these mean only words tell, and they explain no code away
    rules = table.get(str(http_status)) or (table["5xx"] if 500 <= http_status < 600 else ())
    return next((rule for rule in rules if rule.fits(message)), None)


def _by_message(
    system: str, http_status: int | None, code: str, message: str, context: Context
) -> Rule | None:
    """
    Return what only the message tells. A code that nobody knows is not explained away by words.

    Nor is what a connector made of the answer: words only say more about the same class, or what may have
    happened where it is unknown. The engine, which asks with an empty class, hears no words.
    """
    made = context.get("error_class", "unknown")
    if code or not made:
        return None
    rules = (*ours.MESSAGES, *(ours.STRIPE_SAYS if (system, http_status) == ("stripe", 400) else ()))
    if http_status is None and "error_class" not in context:
        rules = (*ours.NO_ANSWER, *rules)
    fitting = (rule for rule in rules if rule.fits(message))
    return next((rule for rule in fitting if made in ("unknown", rule.error_class)), None)


def _by_class(error_class: str) -> Rule:
    if error_class in CLASSES and error_class not in ours.BY_CLASS:
        return ours.UNKNOWN._replace(error_class=error_class)
    return ours.BY_CLASS.get(error_class, ours.UNKNOWN)


def _is_of_money(code: str, message: str, params: Mapping[str, str]) -> bool:
    """Tell whether what would be changed may hold an amount or a currency, as far as anything names it."""
    named = [params[name] for name in ("field", "label", "type") if name in params]
    if code in LISTING or not named:
        named.append(message)
    return any(map(of_money, named))


def _settled(
    rule: Rule, http_status: int | None, code: str, params: Mapping[str, str], context: Context
) -> tuple[Autonomy, Rule]:
    """Return who has to agree, and the rule as the case at hand makes it."""
    operation, named = context.get("operation", "").lower(), params.get("field", "")
    paying = any(word in operation for word in PAYING)
    if code == "DUPLICATE_VALUE" and named and named.lower() == context.get("key_field", "").lower():
        rule = rule._replace(
            id=f"{rule.id}.raced",
            action="update_instead",
            autonomy="auto",
            explanation="The record was made by somebody else at the same moment.",
            suggestion="Nothing needs to be done: the record that is there now is updated.",
        )
    if rule.action == "save_parent" and context.get("saves_parents"):
        rule = rule._replace(autonomy="auto")
    lost = rule.action == "retry" and rule.error_class == "transient" and code not in ours.NOTHING_DONE
    if lost and operation == "create":
        rule = _looked_up(rule, found=context.get("by_external_id", True))
    if paying and rule.action in ("retry", "look_up", "resend") and not context.get("keyed"):
        rule = _in_doubt(rule)
    if any(word in operation for word in FINAL) or (
        rule.action == "take_declined_way" and http_status not in (None, 402)
    ):
        return "human", rule
    if context.get("given_up"):
        rule = _over(rule)
    return rule.autonomy, rule


def _looked_up(rule: Rule, *, found: bool) -> Rule:
    """Return the rule for a create whose answer was lost: it may be there, so it is looked up first."""
    return rule._replace(
        id=f"{rule.id}.create",
        action="look_up",
        autonomy="auto" if found else "human",
        explanation="The answer was lost, so the record may have been made.",
        suggestion="Nothing needs to be done: it is looked for by its external id before it is made again."
        if found
        else "Look in the other system whether it is there, then retry or discard.",
    )


def _in_doubt(rule: Rule) -> Rule:
    """Return the rule for a payment whose answer was lost, with nothing that keeps a second one from it."""
    return rule._replace(
        id=f"{rule.id}.paying",
        error_class="conflict",
        action="check_state",
        autonomy="human",
        explanation="The answer was lost, so the money may have moved already.",
        suggestion="Look in the other system whether it was done. It is never sent a second time by itself.",
    )


def _over(rule: Rule) -> Rule:
    """Return `rule` for a dead letter: what was done by itself is over."""
    if rule.autonomy != "auto":
        return rule
    if rule.action == "take_declined_way":
        return rule._replace(action="ask_customer", autonomy="human", suggestion=ours.NO_DECLINED_WAY)
    return rule._replace(action="resend", autonomy="approve", suggestion=ours.OVER)


def _sentence(template: str, named: str) -> str:
    """Put the field into the text; `replace` and not `format`, since a field's name is not ours."""
    text = template.replace("{field}", named)
    return text[:1].upper() + text[1:]
