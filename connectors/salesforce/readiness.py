"""
This module judges whether an org has what the product needs, as its integration user sees it.

It asks nobody: descriptions, limits and query results are passed in. What should be there is the package.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.base import Result
from connectors.checks import Check, State
from connectors.salesforce.package import comparing, source
from connectors.salesforce.package.needs import WON_FLOW, Needs
from connectors.salesforce.package.source import PackagedObject
from integrator.kernel import errors

OBJECTS, RIGHTS, ORG = "Objects and fields", "Rights and flows", "The org"

# Only some flows need these, and the permission set cannot give all of it.
OPTIONAL = {
    "Task": "Only flows that create tasks need it. Give the user the permission “Edit Tasks” then.",
    "PricebookEntry": "Only flows that carry prices over need it. Give access to price books then.",
}
DEPLOY = "Deploy the package."
ACTS = "Effects such as dunning are recorded, but nothing acts on them."
WITHOUT = {WON_FLOW: "Nothing publishes the event that starts a flow in use when an opportunity is won."}
ASSIGN = f"Assign the permission set {source.PERMISSION_SET} to the integration user."
LOW, SPENT = 0.2, 0.02  # shares of the day's API calls


def objects(descriptions: Mapping[str, Result], needed: Needs | None = None) -> Iterator[Check]:
    """
    Judge every object of the package by its description, or by why there is none.

    Given what is `needed` by flows in use, only that can be a problem; what else is missing is named at last.
    """
    idle: list[str] = []
    for wanted in source.objects():
        found = descriptions[wanted.name]
        if needed is None:
            yield _object(wanted, found)
            continue
        narrowed = replace(
            wanted, fields=tuple(one for one in wanted.fields if (wanted.name, one.name) in needed.fields)
        )
        own = {name for object_, name in needed.fields if object_ == wanted.name}
        check = _object(narrowed, found, standard=own) if wanted.name in needed.objects else None
        if check is not None and check.state is not State.OK:
            yield check
            continue
        whole = _object(wanted, found)
        if whole.state is State.OK or (check is not None and whole.state is State.WARNING):
            yield whole
        elif check is not None:
            yield replace(check, explanation=f"{len(narrowed.fields)} fields that flows in use need.")
            idle.append(f"more of {wanted.name}")
        else:
            idle.append(wanted.name)
    if idle:
        told = f"{', '.join(idle)}: no flow in use needs it."
        yield Check(OBJECTS, "The rest of the package is not there as it should be", State.OK, told)


def _object(wanted: PackagedObject, found: Result, *, standard: Collection[str] | None = None) -> Check:
    bad = State.WARNING if wanted.name in OPTIONAL else State.PROBLEM
    more = f" {OPTIONAL[wanted.name]}" if wanted.name in OPTIONAL else ""
    if isinstance(found, errors.Missing | errors.Forbidden):
        switch = " Orders have to be enabled in Setup first." if wanted.name == "Order" else ""
        return Check(
            OBJECTS,
            f"{wanted.name} is not there",
            bad,
            f"It is missing, or the integration user may not see it.{more}",
            f"{DEPLOY} {ASSIGN}{switch}",
        )
    if isinstance(found, errors.IntegrationError):
        return Check(
            OBJECTS, f"{wanted.name} could not be looked at", bad, str(found), "Try again in a minute."
        )
    fields = {str(field["name"]): field for field in found.get("fields") or ()}
    hidden = [name for name in _hidden(wanted, fields) if standard is None or name in standard]
    faults = list(_faults(wanted, found, fields))
    if hidden:
        faults.insert(0, f"Missing or hidden: {', '.join(hidden)}.")
    gaps = list(_gaps(wanted, fields))
    if faults:
        told = " ".join([*faults, *gaps]) + more
        return Check(OBJECTS, f"{wanted.name} is not as it should be", bad, told, f"{DEPLOY} {ASSIGN}")
    if gaps:
        told = f"{' '.join(gaps)} Records with such a value are refused."
        return Check(OBJECTS, f"{wanted.name} lacks choices", State.WARNING, told, DEPLOY)
    if strange := _strange(wanted, fields):
        return Check(
            OBJECTS,
            f"{wanted.name} asks for more",
            State.WARNING,
            f"The org requires {', '.join(strange)}, which the package does not know.",
            "Map these fields in every flow that creates such records, or give them a default.",
        )
    count = len(wanted.fields)
    return Check(
        OBJECTS,
        f"{wanted.name} is there",
        State.OK,
        f"{count} field{'' if count == 1 else 's'} of the package.",
    )


def _hidden(wanted: PackagedObject, fields: Mapping[str, Any]) -> list[str]:
    own = [field.name for field in wanted.fields]
    return [name for name in (*own, *source.standard_fields().get(wanted.name, ())) if name not in fields]


def _faults(wanted: PackagedObject, found: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[str]:
    if not found.get("createable"):
        yield "The user may not create such records."
    if not wanted.event and not found.get("updateable"):
        yield "The user may not change such records."
    seen = [(field, fields[field.name]) for field in wanted.fields if field.name in fields]
    locked = [field.name for field, told in seen if not _writable(told, event=wanted.event)]
    if locked:
        yield f"The user may not write {', '.join(locked)}."
    for field, told in seen:
        yield from comparing.differences(field, told)


def _writable(told: Mapping[str, Any], *, event: bool) -> bool:
    return bool(told.get("createable")) and (event or bool(told.get("updateable")))


def _gaps(wanted: PackagedObject, fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield which choices are missing where the org takes no others."""
    for field in wanted.fields:
        told = fields.get(field.name) or {}
        choices = told.get("picklistValues") or ()
        known = {choice.get("value") for choice in choices if choice.get("active", True)}
        unknown = [choice for choice in field.choices if choice not in known]
        if unknown and told.get("restrictedPicklist"):
            yield f"{field.name} does not know {', '.join(unknown)}."


def _strange(wanted: PackagedObject, fields: Mapping[str, Any]) -> list[str]:
    """Return the custom fields that the org wants filled and the package does not know."""
    ours = {field.name for field in wanted.fields}
    return [
        name
        for name, told in fields.items()
        if told.get("custom") and name not in ours and told.get("createable") and not _optional(told)
    ]


def _optional(told: Mapping[str, Any]) -> bool:
    return bool(told.get("nillable")) or bool(told.get("defaultedOnCreate"))


# The queries of what no description tells, and what their results mean.

ASSIGNED = (
    "SELECT Id FROM PermissionSetAssignment "
    "WHERE PermissionSet.Name IN {names} AND Assignee.Username = {username}"
)
FLOWS = "SELECT ApiName, IsActive FROM FlowDefinitionView WHERE ApiName IN {names}"
DUPLICATE_RULES = "SELECT MasterLabel, SobjectType FROM DuplicateRule WHERE IsActive = true"


def permission_set(found: Result) -> Check:
    """Judge whether the permission set is assigned, by the assignments that were found."""
    title = f"The permission set {source.PERMISSION_SET}"
    if isinstance(found, errors.IntegrationError):
        told = "The rights above say whether it works."
        return Check(RIGHTS, f"{title} could not be looked at", State.WARNING, f"{_why(found)} {told}")
    if not found["records"]:
        return Check(
            RIGHTS,
            f"{title} is not assigned",
            State.WARNING,
            "The user has its rights from elsewhere, if at all.",
            ASSIGN,
        )
    return Check(RIGHTS, f"{title} is assigned", State.OK)


def flows(found: Result, needed: Collection[str] | None = None) -> Iterator[Check]:
    """
    Judge whether the flows of the package are active, by what the org says about them.

    Without word of which are `needed`, those are that are meant to be active from the start.
    """
    for name, meant_active in source.flows():
        if not (meant_active or name in (needed or ())):
            continue
        title = f"The flow {name}"
        if isinstance(found, errors.IntegrationError):
            told = f"{_why(found)} Effects such as dunning are done by it."
            remedy = "Look in Setup, Flows, whether it is active."
            yield Check(RIGHTS, f"{title} could not be looked at", State.WARNING, told, remedy)
        elif any(record.get("ApiName") == name and record.get("IsActive") for record in found["records"]):
            yield Check(RIGHTS, f"{title} is active", State.OK)
        else:
            idle = needed is not None and name not in needed
            yield Check(
                RIGHTS,
                f"{title} is not active",
                State.WARNING if idle else State.PROBLEM,
                "No flow in use needs it." if idle else WITHOUT.get(name, ACTS),
                "Activate it in Setup, Flows. A production org deploys flows switched off.",
            )


def duplicate_rules(found: Result) -> Check:
    """Tell which duplicate rules may hold records back."""
    if isinstance(found, errors.IntegrationError):
        return Check(ORG, "Duplicate rules could not be looked at", State.WARNING, _why(found))
    rules = [f"{rule.get('MasterLabel')} ({rule.get('SobjectType')})" for rule in found["records"]]
    if not rules:
        return Check(ORG, "No duplicate rule is active", State.OK)
    return Check(
        ORG,
        "Duplicate rules are active",
        State.WARNING,
        f"{', '.join(rules)}. A record that such a rule holds back waits for a person.",
        "Decide in Setup whether they apply to the integration user.",
    )


def has_currencies(account: Mapping[str, Any]) -> bool:
    """Tell by the description of Account whether each record has a currency of its own."""
    return any(field.get("name") == "CurrencyIsoCode" for field in account.get("fields") or ())


def org(account: Result) -> Iterator[Check]:
    """Tell what is special about the org, by the description of Account."""
    if isinstance(account, errors.IntegrationError):
        return
    names = {field.get("name") for field in account.get("fields") or ()}
    if has_currencies(account):
        yield Check(
            ORG,
            "The org has several currencies",
            State.WARNING,
            "Every record has a currency of its own, which is the user’s unless a mapping sets it.",
            "Map CurrencyIsoCode wherever amounts are mapped, and activate the currencies you charge in.",
        )
    else:
        told = "Amounts in others show its sign; Currency__c says which they are in."
        yield Check(ORG, "The org has one currency", State.OK, told)
    if "IsPersonAccount" in names:
        yield Check(
            ORG,
            "Person accounts are on",
            State.WARNING,
            "A person account has a last name instead of a name.",
            "Flows that create accounts have to map LastName and the record type for persons.",
        )


def budget(limits: Result) -> Check:
    """Judge how many API calls are left of the day."""
    if isinstance(limits, errors.IntegrationError):
        return Check(ORG, "Nobody knows how many API calls are left", State.WARNING, _why(limits))
    told = limits.get("DailyApiRequests") or {}
    most, left = told.get("Max"), told.get("Remaining")
    if not isinstance(most, int) or not isinstance(left, int) or most <= 0:
        return Check(ORG, "The org does not say how many API calls are left", State.WARNING)
    share = left / most
    state = State.PROBLEM if share < SPENT else State.WARNING if share < LOW else State.OK
    remedy = (
        "" if state is State.OK else "Wait until the 24 hours move on, or buy more calls from Salesforce."
    )
    return Check(
        ORG, f"{left:,} of {most:,} API calls are left", state, "Counted over the last 24 hours.", remedy
    )


def _why(failure: errors.IntegrationError) -> str:
    """Return why something could not be looked at: most users may not, and some orgs have no such thing."""
    hidden = isinstance(failure, errors.Refused | errors.Forbidden | errors.Missing)
    return "This user cannot see it, which is usual." if hidden else str(failure)


def names() -> Sequence[str]:
    """Return the objects whose descriptions are needed."""
    return [thing.name for thing in source.objects()]
