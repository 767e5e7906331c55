"""
This module judges whether an org is ready for the flows in use, by what it has told.

It asks nobody. A problem keeps a flow from working; what the user may not see is worth a look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from connectors.base import Result
from connectors.checks import Check, State
from connectors.salesforce.package import choosing, needs
from connectors.salesforce.package.choosing import Choice, Component
from connectors.salesforce.package.wanted import Flows, Wanted, entity_of
from integrator.kernel import errors

GROUP, ORG = "What flows in use need", "The org"
DEPLOY = "Prepare the org on its page: “Prepare the org”."
ALL_CHANGES = "/data/ChangeEvents"
CHANNEL = "__chn"  # how topics end that carry the changes of chosen objects

# Of several currencies only, or the object does not exist:
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_currencytype.htm
CURRENCIES = "SELECT IsoCode, IsActive FROM CurrencyType"


def topics(wanted: Wanted) -> list[str]:
    """Return the topics that flows in use are started from."""
    return [*(f"/data/{entity_of(name)}" for name in wanted.captured), *(f"/event/{n}" for n in wanted.heard)]


def foreign(choice: Choice) -> Iterator[Check]:
    """Judge what flows name and the package does not have, an object at a time."""
    found: dict[str, list[Component]] = {}
    for one in choice.components:
        object_ = (one.about or one.name).partition(".")[0]
        if one.kind in (choosing.OBJECT, choosing.FIELD) and needs.packaged(object_) is None:
            found.setdefault(object_, []).append(one)
    for object_, parts in found.items():
        poor = [one for one in parts if one.state is choosing.State.ELSEWHERE]
        flows = tuple(dict.fromkeys(flow for one in poor or parts for flow in one.flows))
        if unknown := next((one for one in parts if one.state is choosing.State.UNKNOWN), None):
            yield Check(GROUP, f"{object_} could not be looked at", State.WARNING, unknown.told)
        elif not poor:
            yield Check(GROUP, f"{object_} is there", State.OK, for_flows(flows))
        else:
            names = [one.about.partition(".")[2] for one in poor if one.kind == choosing.FIELD]
            lacks = f"{object_} lacks {', '.join(names)}" if names else f"{object_} is not there"
            remedy = "Make it in Setup, or give the integration user access to it."
            yield Check(GROUP, lacks, State.PROBLEM, for_flows(flows), remedy)


def changes(
    wanted: Wanted, entities: Collection[str] | None, told: Mapping[str, Result], heard: Collection[str]
) -> Iterator[Check]:
    """
    Judge whether changes of the objects that start flows are told, and heard.

    `entities` are selected for Change Data Capture, as far as the user may see; `heard` are our topics.
    """
    for name, flows in wanted.captured.items():
        topic = f"/data/{entity_of(name)}"
        if entities is not None and entity_of(name) not in entities:
            yield Check(
                GROUP,
                f"Changes of {name} are not told",
                State.PROBLEM,
                f"The object is not selected for Change Data Capture. {for_flows(flows)}",
                f"Select it in Setup, Change Data Capture. Or: {DEPLOY}",
            )
            continue
        poor = _unheard(f"Changes of {name}", topic, told.get(topic), flows, heard)
        if poor is not None:
            yield poor
        elif entities is None:
            yield Check(
                GROUP,
                f"Changes of {name} may be heard",
                State.WARNING,
                f"Whether the object is selected for Change Data Capture is hidden from this user. "
                f"{for_flows(flows)}",
                "Look in Setup, Change Data Capture.",
            )
        else:
            yield Check(GROUP, f"Changes of {name} are told and heard", State.OK, for_flows(flows))


def events(wanted: Wanted, told: Mapping[str, Result], heard: Collection[str]) -> Iterator[Check]:
    """Judge whether the platform events that start flows are there, and heard."""
    for name, flows in wanted.heard.items():
        topic = f"/event/{name}"
        poor = _unheard(name, topic, told.get(topic), flows, heard)
        yield poor or Check(GROUP, f"{name} is there and heard", State.OK, for_flows(flows))


def _unheard(
    what: str, topic: str, told: Result | None, flows: Flows, heard: Collection[str]
) -> Check | None:
    """Return why nobody hears a topic, or None if somebody may, and does."""
    if isinstance(told, errors.Missing | errors.Forbidden | errors.Refused):
        said = f"There is no topic {topic}, or the integration user may not see it. {for_flows(flows)}"
        return Check(GROUP, f"{what} cannot be heard", State.PROBLEM, said, DEPLOY)
    if told is None or isinstance(told, errors.IntegrationError):
        said = str(told or "Nobody asked.")
        return Check(GROUP, f"{what} could not be looked at", State.WARNING, said, "Try again in a minute.")
    if not told.get("can_subscribe"):
        said = f"The integration user may not subscribe to {topic}. {for_flows(flows)}"
        remedy = "Give the integration user read access to the object or the event."
        return Check(GROUP, f"{what} may not be heard", State.PROBLEM, said, remedy)
    covered = topic in heard or (
        topic.startswith("/data/") and any(one == ALL_CHANGES or one.endswith(CHANNEL) for one in heard)
    )
    if covered:
        return None
    remedy = f"Choose {topic} under Topics, on the page of the connection."
    return Check(GROUP, f"Nobody listens to {topic}", State.PROBLEM, for_flows(flows), remedy)


def record_types(wanted: Wanted, descriptions: Mapping[str, Result]) -> Iterator[Check]:
    """Judge whether the user may give records the types that mappings name."""
    for (object_, name), flows in wanted.record_types.items():
        told = descriptions.get(object_)
        if told is None or isinstance(told, errors.IntegrationError):
            continue  # which is told of the object itself
        infos: Sequence[Any] = told.get("recordTypeInfos") or ()
        info = next((one for one in infos if str(one.get("developerName")).lower() == name.lower()), None)
        if info is not None and info.get("available"):
            yield Check(GROUP, f"{object_} may be a {name}", State.OK, for_flows(flows))
            continue
        said = "The org has no such record type." if info is None else "The user may not use it."
        yield Check(
            GROUP,
            f"{object_} may not be a {name}",
            State.PROBLEM,
            f"{said} {for_flows(flows)}",
            "Make the record type in Setup." if info is None else "Assign it by a permission set.",
        )


def duplicate_rules(wanted: Wanted, found: Result) -> Check | None:
    """Tell which active duplicate rules are about objects that flows write; None if nobody can see them."""
    if isinstance(found, errors.IntegrationError):
        return None
    rules = [row for row in found["records"] if row.get("SobjectType") in wanted.written]
    if not rules:
        told = f"{len(found['records'])} active, none about what flows write."
        return Check(GROUP, "No duplicate rule holds records of flows back", State.OK, told)
    names = ", ".join(f"{rule.get('MasterLabel')} ({rule.get('SobjectType')})" for rule in rules)
    flows = {flow for rule in rules for flow in wanted.written[str(rule.get("SobjectType"))]}
    return Check(
        GROUP,
        "Duplicate rules are active on what flows write",
        State.WARNING,
        f"{names}. A record that such a rule holds back waits for a person. {for_flows(sorted(flows))}",
        "Decide in Setup whether they apply to the integration user.",
    )


def currencies(used: Collection[str], told: Result) -> Check:
    """Judge whether the org has the currencies active that Stripe uses."""
    if isinstance(told, errors.IntegrationError):
        remedy = "Look in Setup, Manage Currencies."
        return Check(GROUP, "The org’s currencies could not be looked at", State.WARNING, str(told), remedy)
    active = {str(row.get("IsoCode")) for row in told["records"] if row.get("IsActive")}
    missing = sorted({code.upper() for code in used} - active)
    if not missing:
        said = f"Stripe uses {', '.join(sorted(code.upper() for code in used)) or 'none yet'}."
        return Check(GROUP, "Every currency that Stripe uses is active", State.OK, said)
    return Check(
        GROUP,
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not active",
        State.PROBLEM,
        "Stripe uses it, and records in a currency that is not active are refused.",
        "Activate it in Setup, Manage Currencies.",
    )


def for_flows(flows: Iterable[str]) -> str:
    """Return which flows something is for, in a sentence."""
    names = [f"“{name}”" for name in flows]
    if not names:
        return ""
    first = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"For {first}."
