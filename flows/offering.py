"""
This module says what may stand in a setting of a step: objects, fields and Flows of an org, paths and more.

Nobody is kept from writing something else: an org may be out of reach, or get an object later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.core.cache import cache as kept

from connectors import reading, schemas
from connectors.models import Connection
from connectors.stripe import operations, parameters, places
from connectors.stripe import schema as stripe
from connectors.stripe.operations import Operation
from connectors.stripe.parameters import Parameter
from connectors.stripe.places import PLACES
from flows import captures, fields, taken
from flows.designing import starting
from flows.mapping.fields import SObjField, SrcField
from flows.models import Flow, Pair
from integrator.kernel import canonical, errors
from integrator.kernel.money import CURRENCIES
from integrator.kernel.redact import redact_text

MOST = 30
LONGEST = 200  # characters of what is typed
_LONGEST_DETAIL = 120
_FRESH_SECONDS = 60
_DEADLINE_SECONDS = 8.0
_UNFIT = 3  # the rank of what has not all words
# Flows that run by themselves; those that a record or an event starts have a trigger, and cannot be called:
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_flowdefinitionview.htm
FLOWS = (
    "SELECT ApiName, Label, TriggerType FROM FlowDefinitionView "
    "WHERE IsActive = true AND ProcessType = 'AutoLaunchedFlow' ORDER BY Label LIMIT 2000"
)
# How types are called, where people would not know their names.
_FIELD_WORDS = {
    "string": "text",
    "textarea": "long text",
    "int": "whole number",
    "double": "number",
    "boolean": "checkbox",
    "datetime": "date and time",
    "reference": "look-up",
    "multipicklist": "picklist",
    "encryptedstring": "text",
}
_PATH_WORDS = {
    "string": "text",
    "enum": "text",
    "integer": "whole number",
    "timestamp": "time",
    "boolean": "yes or no",
    "object": "group",
    "map": "group",
    "unknown": "any",
}
_FILTER_WORDS = {"text": "text", "texts": "text", "switch": "yes or no", "moment": "time"}
UNCONNECTED = "Connect Stripe and Salesforce in this environment to see what there is."


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that may stand in the setting."""

    value: str
    label: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Offers:
    """What fits what is typed; `more` tells that there is more of it, `trouble` why nothing is known."""

    offers: Sequence[Offer] = ()
    more: bool = False
    trouble: str = ""


class UnknownKind(ValueError):
    """Nothing of that kind is offered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and for what: `of` is the object whose fields are wanted, `paths` what the step reads."""

    pair: Pair | None
    of: str
    now: datetime
    paths: Callable[[], Sequence[SrcField]]
    flow: Flow | None = None  # whose step it is
    org: Connection | None = None  # where there is no pair


def offers(kind: str, typed: str, asked: Asked) -> Offers:
    """
    Return what of `kind` fits what is `typed`, the likeliest first, and no more than a list may show.

    The other side may be asked, which takes seconds; what it does not tell is `trouble`.

    :raises UnknownKind: if nothing of that kind is offered
    """
    if kind not in KINDS:
        raise UnknownKind(f"There is nothing to offer of the kind {kind}.")
    refused = _refusal(kind, asked)
    if refused and (told := kept.get(refused)):
        return Offers(trouble=told)
    try:
        known = KINDS[kind](asked)
        return _fitting(known, typed[:LONGEST])
    except schemas.Unavailable as trouble:
        told = redact_text(str(trouble))
        if refused:
            kept.set(refused, told, _FRESH_SECONDS)
        return Offers(trouble=told)


def _refusal(kind: str, asked: Asked) -> str:
    """Return under which key it is remembered that the org did not tell; somebody asks at each letter."""
    if kind not in _OF_ORG or (asked.pair or asked.org) is None:
        return ""
    about = canonical.fingerprint([kind] if kind in _OF_WHOLE_ORG else ["fields", asked.of.lower()])
    return f"offers:refused:{_org(asked).public_id}:{about}"


def _fitting(known: Iterable[Offer], typed: str) -> Offers:
    """Return what has all words of `typed` in its name or label; what begins with them stands first."""
    words = typed.casefold().split()
    every = list(known)
    # Somebody who comes back to a field that is filled wants to see what else there is.
    is_whole = len(words) == 1 and any(offer.value.casefold() == words[0] for offer in every)
    ranks = [_rank(offer, words) for offer in every]
    places = [place for place, rank in enumerate(ranks) if is_whole or rank < _UNFIT]
    ranked = [every[place] for place in sorted(places, key=lambda place: (ranks[place], place))]
    return Offers(ranked[:MOST], more=len(ranked) > MOST)


def _rank(offer: Offer, words: Sequence[str]) -> int:
    name, label = offer.value.casefold(), offer.label.casefold()
    if not words or name == words[0]:
        return 0
    if not all(word in name or word in label for word in words):
        return _UNFIT
    return 1 if name.startswith(words[0]) or label.startswith(words[0]) else 2


# What there is of each kind


def _org(asked: Asked) -> Connection:
    org = asked.pair.salesforce if asked.pair is not None else asked.org
    if org is None:
        raise schemas.Unavailable(UNCONNECTED)
    return org


def _all_objects(asked: Asked) -> list[Mapping[str, Any]]:
    known = schemas.of(connection=_org(asked), object=schemas.EVERY, now=asked.now)
    return list(known.content.get("objects", ()))


def _objects(asked: Asked) -> Iterator[Offer]:
    for one in _all_objects(asked):
        if one.get("queryable", True) and not str(one["name"]).endswith("__e"):
            yield Offer(str(one["name"]), str(one.get("label", "")))


def _changing_objects(asked: Asked) -> Iterator[Offer]:
    every = _all_objects(asked)
    known = captures.of_list(every)
    for one in every:
        if one.get("queryable", True) and captures.told(str(one["name"]), known) is not False:
            yield Offer(str(one["name"]), str(one.get("label", "")))


def _platform_events(asked: Asked) -> Iterator[Offer]:
    for one in _all_objects(asked):
        if str(one["name"]).endswith("__e"):
            yield Offer(str(one["name"]), str(one.get("label", "")))


def _of_object(asked: Asked) -> list[SObjField]:
    if not asked.of:
        raise schemas.Unavailable("Choose the object first.")
    _org(asked)
    assert asked.pair is not None
    return fields.target_fields(asked.pair, asked.of, now=asked.now)


def _fields(asked: Asked) -> Iterator[Offer]:
    for one in sorted(_of_object(asked), key=lambda one: not one.external_id):
        yield _field(one)


def _external_ids(asked: Asked) -> Iterator[Offer]:
    known = [one for one in _of_object(asked) if one.external_id or one.id_lookup]
    for one in sorted(known, key=lambda one: not one.external_id):
        yield _field(one)


def _field(one: SObjField) -> Offer:
    marks = [_FIELD_WORDS.get(one.type.lower(), one.type.lower())]
    marks += ["external id"] if one.external_id else []
    marks += ["required"] if one.required else []
    return Offer(one.name, one.label, ", ".join(marks))


def _relations(asked: Asked) -> Iterator[Offer]:
    for one in _of_object(asked):
        if one.relationship:
            yield Offer(one.relationship, one.label, f"leads to {', '.join(one.references[:3])}")


def _flows(asked: Asked) -> list[Offer]:
    org = _org(asked)
    key = f"offers:flows:{org.public_id}"
    known = kept.get(key)
    if known is None:
        (answer,) = reading.read_many(
            connection_id=org.pk, action="query", requests=[{"soql": FLOWS}], deadline=_DEADLINE_SECONDS
        )
        if isinstance(answer, errors.IntegrationError):
            raise schemas.Unavailable(f"The org did not tell its Flows: {answer}")
        known = [
            (str(one.get("ApiName") or ""), str(one.get("Label") or ""))
            for one in answer["records"]
            if not one.get("TriggerType")
        ]
        kept.set(key, known, _FRESH_SECONDS)
    return [Offer(name, label) for name, label in known if name]


def _paths(asked: Asked) -> Iterator[Offer]:
    if asked.of:
        try:
            for one in stripe.fields_of(asked.of):
                path = f"{asked.of}.{one.path}"
                yield Offer(path, detail=_told(one.type, one.text))
        except stripe.NoSuchObject as problem:
            raise schemas.Unavailable(str(problem)) from None
        return
    for field in sorted(asked.paths(), key=lambda field: (field.path.count("."), -(field.seen or 0))):
        if not field.removed:
            yield Offer(field.path, _sample(field), _told(field.type, field.desc))


def _sub_flows(asked: Asked) -> Iterator[Offer]:
    if asked.flow is None:
        return
    for flow, version in taken.offered(asked.flow.integration_id, but=asked.flow):
        yield Offer(flow.slug, flow.name, _cut(str(version.document.get("description", ""))))


def _sub_flow_inputs(asked: Asked) -> Iterator[Offer]:
    flows = [] if asked.flow is None else taken.offered(asked.flow.integration_id, but=asked.flow)
    for flow, version in flows:
        if flow.slug == asked.of:
            for name, kind in starting.of(version.document).inputs:
                yield Offer(name, detail=_PATH_WORDS.get(kind, kind))


def _told(kind: str, text: str) -> str:
    word = _PATH_WORDS.get(kind, kind)
    return _cut(f"{word}: {text}" if text else word)


def _sample(field: SrcField) -> str:
    """Return a value that recorded events had there."""
    value = next((one for one in field.samples if one is not None), None)
    return "" if value is None else f"such as {_cut(redact_text(str(value)), 60)}"


def _cut(text: str, most: int = _LONGEST_DETAIL) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _stripe_objects(asked: Asked) -> Iterator[Offer]:
    for name in sorted(PLACES):
        try:
            yield Offer(name, detail=_cut(stripe.text_of(name)))
        except stripe.NoSuchObject:
            yield Offer(name)


def _expansions(asked: Asked) -> Iterator[Offer]:
    if not asked.of:
        raise schemas.Unavailable("Choose the kind of object first.")
    try:
        known = [one for one in stripe.fields_of(asked.of) if one.expands and "[" not in one.path]
    except stripe.NoSuchObject as problem:
        raise schemas.Unavailable(str(problem)) from None
    for one in known:
        yield Offer(one.path, detail=_cut(f"the {', '.join(one.expands[:3])}"))


def _parameters(table: Mapping[str, Operation], *, first: str) -> Callable[[Asked], Iterator[Offer]]:
    """Return what offers the parameters of a write; what consists of parts is offered by its parts."""

    def offer(asked: Asked) -> Iterator[Offer]:
        operation = table.get(asked.of)
        if operation is None:
            raise schemas.Unavailable(f"Choose {first} first.")
        for one in sorted(parameters.of(operation).values(), key=_commonness):
            if one.type == "map":
                yield Offer(f"{one.path}.key", detail=_told("text", one.text))
            elif one.type not in ("object", "list"):
                words = f" ({', '.join(one.values[:6])})" if one.values else ""
                label = "" if _commonness(one) else "required"
                yield Offer(one.path, label, _told(one.type, one.text + words))

    return offer


def _commonness(one: Parameter) -> int:
    """Return a number that is the higher the less a parameter is wanted; 0 if Stripe always needs it."""
    depth = one.path.count(".")
    return 0 if one.required and not depth else depth + 1


def _filters(asked: Asked) -> Iterator[Offer]:
    if not asked.of:
        raise schemas.Unavailable("Choose the kind of object first.")
    for name in places.text_filters(asked.of):
        yield Offer(name)


def _list_filters(asked: Asked) -> Iterator[Offer]:
    if not asked.of:
        raise schemas.Unavailable("Choose the kind of object first.")
    for name, takes in places.filters_of(asked.of).items():
        yield Offer(name, detail=_FILTER_WORDS[takes])


def _event_types(asked: Asked) -> Iterator[Offer]:
    for name in stripe.event_types():
        yield Offer(name)


def _zones(asked: Asked) -> Iterator[Offer]:
    for name in sorted(_zone_names()):
        yield Offer(name)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _currencies(asked: Asked) -> Iterator[Offer]:
    for code in sorted(CURRENCIES):
        yield Offer(code)


# What only the org can tell: as a whole, or about one of its objects.
_OF_WHOLE_ORG: Mapping[str, Callable[[Asked], Iterable[Offer]]] = {
    "objects": _objects,
    "changing_objects": _changing_objects,
    "platform_events": _platform_events,
    "flows": _flows,
}
_OF_ORG: Mapping[str, Callable[[Asked], Iterable[Offer]]] = {
    **_OF_WHOLE_ORG,
    "fields": _fields,
    "external_ids": _external_ids,
    "relations": _relations,
}
KINDS: Mapping[str, Callable[[Asked], Iterable[Offer]]] = {
    **_OF_ORG,
    "paths": _paths,
    "sub_flows": _sub_flows,
    "sub_flow_inputs": _sub_flow_inputs,
    "stripe_objects": _stripe_objects,
    "stripe_creation": _parameters(operations.CREATIONS, first="what is created"),
    "stripe_changes": _parameters(operations.UPDATES, first="what is changed"),
    "stripe_acts": _parameters(operations.ACTS, first="what is done"),
    "stripe_filters": _filters,
    "stripe_list_filters": _list_filters,
    "expansions": _expansions,
    "event_types": _event_types,
    "currencies": _currencies,
    "zones": _zones,
}
