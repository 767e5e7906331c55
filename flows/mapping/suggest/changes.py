"""This module proposes the change that a value needs to fit a field, and the chips that make it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from flows.mapping.fields import SObjField, SrcField
from flows.mapping.suggest.kinds import Kind
from flows.mapping.suggest.phrases import Source
from flows.mapping.suggest.words import bare, words_of

# The field that holds the Stripe id, by object: those of the integration, and what it adds to standard ones.
EXTERNAL_IDS = {
    "Stripe_Customer__c": "External_ID__c",
    "Payment__c": "External_ID__c",
    "Refund__c": "External_ID__c",
    "Dispute__c": "External_ID__c",
    "Subscription_Contract__c": "External_ID__c",
    "Subscription_Line__c": "External_ID__c",
    "Stripe_Invoice__c": "External_ID__c",
    "Stripe_Invoice_Line__c": "External_ID__c",
    "Payout__c": "External_ID__c",
    "Payout_Line__c": "External_ID__c",
    "Product2": "External_ID__c",
    "PricebookEntry": "Stripe_Price_ID__c",
}

_TEXTS = frozenset({"string", "textarea", "encryptedstring", "combobox"})
_PICKS = frozenset({"picklist", "multipicklist"})
_LONG_TEXT = 5000  # the longest that Stripe keeps in a text that people write, by its kind
_NAME = 255
_SAME = 0.72  # from here on two values mean the same


# The change that takes a value from Salesforce to Stripe; what is not named needs none, or cannot be had.
BACK = {
    "minor_to_major": "major_to_minor",
    "unix_to_date": "date_to_unix",
    "unix_to_datetime": "datetime_to_unix",
    "upper": "lower",
    "picklist_map": "picklist_map",
    "lookup": "lookup",
    "split_name": "join_name",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be done to a value: the name of the change, and how a mapping line writes it."""

    name: str | None
    chips: tuple[Mapping[str, Any], ...] = ()
    field: str = ""  # instead of the field's own name
    path: str = ""  # instead of the source's own path
    ready: bool = True  # False: a person has to complete it before the line can be used


def propose(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    """
    Return the change that the value of `source` needs to fit `target`.

    Its name is one of minor_to_major, unix_to_date, unix_to_datetime, upper, picklist_map, lookup,
    split_name, truncate, first, address and json, or None where the value fits as it is. `currencies` are the
    paths at which currency codes stand.
    """
    return _BY_KIND.get(source.kind, _text)(source, target, currencies)


def picks(values: Sequence[str], target: SObjField) -> dict[str, str]:
    """Return the picklist value of `target` that means the same, for each of `values` that has one."""
    free = [(pick.value, pick.label or pick.value) for pick in target.picklist if pick.active]
    return {value: best for value in values if (best := _best_pick(value, free)) is not None}


def currency_path(path: str, currencies: Sequence[str]) -> str:
    """Return where the currency of the amount at `path` stands: as near to it as can be."""
    parent = path.rpartition(".")[0]
    while parent:
        if f"{parent}.currency" in currencies:
            return f"{parent}.currency"
        parent = parent.rpartition(".")[0]
    owner = path.rpartition(".")[0]
    return f"{owner if owner.endswith('balance_transaction') else path.partition('.')[0]}.currency"


def _money(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    path = source.field.path
    chip: dict[str, Any] = {"chip": "money", "currency": [currency_path(path, currencies)]}
    if ".balance_transaction." in path:
        # Fees are in the currency that the account is settled in, which may be another one.
        chip["same_currency_as"] = [f"{path.partition('.balance_transaction.')[0]}.currency"]
    return Change("minor_to_major", (chip,))


def _time(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    result = "date" if target.type == "date" else "datetime"
    return Change(f"unix_to_{result}", ({"chip": "unix_time", "result": result},))


def _currency(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    return Change("upper", ({"chip": "text", "case": "upper"},))


def _enum(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    if target.type not in _PICKS:
        return _text(source, target, currencies)
    values = source.field.values or tuple(str(one) for one in source.field.samples if isinstance(one, str))
    # Values that are the same stand in the table too: it is what makes a new one stand out.
    table = picks(values, target)
    chips = ({"chip": "value_map", "map": table},) if table else ()
    return Change("picklist_map", chips, ready=bool(table))


def _boolean(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    if target.type not in _PICKS:
        return Change(None)
    table = picks(("true", "false"), target)
    return Change("picklist_map", ({"chip": "value_map", "map": table},) if table else (), ready=bool(table))


def _id(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    if target.type != "reference":
        return Change(None)
    if source.names[-1].startswith("salesforce_"):
        return Change("lookup")  # it is the record's own id
    own = target.name.removesuffix("__c")
    relation = target.relationship or (f"{own}__r" if own != target.name else own.removesuffix("Id"))
    key = EXTERNAL_IDS.get(target.references[0]) if len(target.references) == 1 else None
    return Change("lookup", field=f"{relation}.{key}" if key else "", ready=bool(key))


def _name(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    words = words_of(bare(target.name))
    own = words_of(source.names[-1])
    for word, part in (("first_name", "first"), ("last_name", "last")):
        if word in words and word not in own:
            return Change("split_name", ({"chip": "split_name", "part": part},))
    return _text(source, target, currencies)


def _list(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    if target.type == "textarea" and not 0 < target.length <= 255:
        return Change("json", ready=False)
    return Change("first", path=f"{source.field.path}[0]")


def _object(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    if source.names[-1].endswith("address"):
        part = "street" if "street" in words_of(target.name) else "one_line"
        return Change("address", ({"chip": "address", "part": part},))
    return Change("json", ready=False)


def _text(source: Source, target: SObjField, currencies: Sequence[str]) -> Change:
    if target.type in _PICKS and source.kind not in ("country", "currency"):
        return _enum(source, target, currencies)
    if target.type == "reference":
        return _id(source, target, currencies)
    longest = {"long_text": _LONG_TEXT, "name": _NAME}.get(source.kind, 0)
    if target.type in _TEXTS and 0 < target.length < longest and (longest > _NAME or target.type == "string"):
        return Change("truncate", ({"chip": "text", "max_length": target.length, "truncate": True},))
    return Change(None)


_BY_KIND: dict[Kind, Callable[[Source, SObjField, Sequence[str]], Change]] = {
    "money": _money,
    "time": _time,
    "currency": _currency,
    "enum": _enum,
    "boolean": _boolean,
    "id": _id,
    "name": _name,
    "list": _list,
    "object": _object,
}

# What Stripe says, and what orgs call it, where the words have nothing in common.
_SYNONYMS = {
    "succeeded": "completed success successful paid processed settled posted",
    "failed": "fail failure declined rejected error",
    "pending": "pending open draft processing",
    "processing": "pending in progress",
    "requires_action": "pending",
    "requires_confirmation": "pending",
    "requires_capture": "pending authorized",
    "requires_payment_method": "failed",
    "canceled": "cancelled canceled void voided denied",
    "void": "voided canceled cancelled",
    "open": "open posted sent new working needs review",
    "issued": "posted issued",
    "draft": "draft new",
    "paid": "paid closed completed",
    "uncollectible": "uncollectible written off",
    "needs_response": "new open",
    "under_review": "working in review",
    "won": "closed won won",
    "lost": "closed lost lost closed",
    "active": "active activated",
    "trialing": "trial",
    "past_due": "overdue past due",
    "month": "monthly",
    "year": "annual annually yearly",
    "week": "weekly",
    "day": "daily",
    "fraudulent": "fraud",
    "card": "card credit card",
    "credit": "creditcard credit card",
    "debit": "debitcard debit card",
    "true": "yes true active",
    "false": "no false inactive",
}


def _best_pick(value: str, free: Sequence[tuple[str, str]]) -> str | None:
    """Return the pick that means the same as `value`, the surest one."""
    wanted = _plain(value)
    others = f" {_SYNONYMS.get(value.strip().lower(), '')} "
    best, how = None, _SAME
    for pick, label in free:
        for text in {_plain(pick), _plain(label)}:
            alike = 1.0 if text == wanted else fuzz.ratio(text, wanted) / 100
            if text and f" {text} " in others:
                alike = max(alike, 0.95)
            if alike > how:
                best, how = pick, alike
    return best


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text[:200].lower()))


def currencies_among(sources: Sequence[SrcField]) -> list[str]:
    """Return the paths of `sources` at which a currency code stands."""
    return [source.path for source in sources if source.path.rpartition(".")[2] == "currency"]
