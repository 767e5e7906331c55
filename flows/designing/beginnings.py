"""This module says what a new step begins with, as far as that can be told from where it stands."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flows.designing import starting, tree
from flows.designing.edits import AddStep, At, Edit
from flows.designing.tree import Document, Refused, Step

KeyOf = Callable[[str], str]  # the external id field of an object by its name; nothing if that is not clear

# Objects of Stripe that name their customer: https://docs.stripe.com/api
_OF_A_CUSTOMER = frozenset({"charge", "credit_note", "invoice", "payment_intent", "quote", "subscription"})
# Metadata of Stripe's customers that says which record of Salesforce they are, by the record's object.
_KEYS: Mapping[str, str] = {
    "Account": "salesforce_account_id",
    "Contact": "salesforce_contact_id",
    "Opportunity": "salesforce_opportunity_id",
    "Order": "salesforce_order_id",
}
_FINDS_IN_STRIPE = frozenset({"stripe.find", "stripe.retrieve", "stripe.create"})
_SAVES = ("salesforce.upsert", "salesforce.update", "salesforce.create")
ANSWERS = (
    {"exit": "go_on", "label": "Go on"},
    {"exit": "leave", "label": "Leave it out"},
)


# What steps of these kinds begin with wherever they stand.
_PLAIN: Mapping[str, dict[str, Any]] = {
    "condition": {"all": [{"path": [], "is": "equal"}]},
    "parallel": {"branches": [{"exit": "first"}, {"exit": "second"}]},
}


def filled(document: Document, edits: Sequence[Edit], *, roots: Sequence[str], key_of: KeyOf) -> list[Edit]:
    """
    Return `edits`, in which steps that are added without settings have those that they begin with.

    `roots` are the objects that the events of the flow are about, or the record that starts it.
    """
    return [
        edit.model_copy(update={"settings": settings_of(document, edit, roots=roots, key_of=key_of)})
        if isinstance(edit, AddStep) and not edit.settings
        else edit
        for edit in edits
    ]


def settings_of(document: Document, edit: AddStep, *, roots: Sequence[str], key_of: KeyOf) -> dict[str, Any]:
    """Return what a step that is added begins with; it may be unfinished, or nothing."""
    root, record = next(iter(roots), ""), starting.of(document).object
    if edit.kind in _SAVES:
        return _saved(document, edit, key_of, record)
    if edit.kind in ("stripe.find", "stripe.update"):
        return _found_in_stripe(record) if edit.kind == "stripe.find" else _updated_in_stripe(document, edit)
    if edit.kind == "salesforce.find":
        path = "customer.id" if root == "customer" else f"{root}.customer" if root in _OF_A_CUSTOMER else ""
        return {"by": [{"kind": "external_id", **({"from": [path]} if path else {})}]}
    if edit.kind == "ask":
        name = f"{root}.{'Id' if record else 'id'}"
        question = f"What is to be done with {{{name}}}?" if root else "What is to be done?"
        return {"question": question, "options": [dict(one) for one in ANSWERS]}
    if edit.kind == "approval":
        return {
            "question": f"May this go on for {{{root}.{'Id' if record else 'id'}}}?"
            if root
            else "May this go on?"
        }
    if edit.kind == "stop" and _kind_of(document, edit.at.parent) in ("ask", "approval"):
        return {"reason": "Somebody decided so"}
    if edit.kind == "wait_for_event":
        return {"days": 1, **({"equals": [f"{root}.{'Id' if record else 'id'}"]} if root else {})}
    return copy.deepcopy(_PLAIN.get(edit.kind, {}))


def _found_in_stripe(record: str) -> dict[str, Any]:
    """Look for the customer that says of itself which record it is."""
    key = _KEYS.get(record)
    return {"object": "customer", "by": "metadata", "key": key, "value": [f"{record}.Id"]} if key else {}


def _updated_in_stripe(document: Document, edit: AddStep) -> dict[str, Any]:
    """Change what the nearest step above found in Stripe."""
    found = next((step for step in before(document, edit.at) if step.get("kind") in _FINDS_IN_STRIPE), None)
    if found is None:
        return {}
    settings = found.get("settings") or {}
    kind = settings.get("object") or settings.get("type")
    return {**({"object": kind} if kind else {}), "id": [f"steps.{found['id']}.id"]}


def _saved(document: Document, edit: AddStep, key_of: KeyOf, record: str) -> dict[str, Any]:
    """Save what the nearest map step above fills; the record that started the flow is known by its id."""
    mapped = next((step for step in before(document, edit.at) if step.get("kind") == "map"), None)
    if mapped is None:
        return {}
    target = str((mapped.get("settings") or {}).get("target") or "")
    found: dict[str, Any] = {"record": mapped["id"], **({"object": target} if target else {})}
    if edit.kind == "salesforce.update" and target and target == record:
        return {**found, "id": [f"{record}.Id"]}
    key = key_of(target) if target and edit.kind == "salesforce.upsert" else ""
    return {**found, **({"external_id": key} if key else {})}


def _kind_of(document: Document, step: str) -> str:
    return next(
        (str(found.step.get("kind")) for found in tree.walk(document["steps"]) if found.step["id"] == step),
        "",
    )


def before(document: Document, at: At) -> Iterator[Step]:
    """Yield the steps that a run has surely taken when it comes to a place, the nearest first."""
    siblings = _list_at(document, at)
    places = [place for place, step in enumerate(siblings) if step["id"] == at.after]
    end = len(siblings) if at.after is None else places[0] + 1 if places else 0
    yield from reversed(siblings[:end])
    if at.parent:
        try:
            around = tree.find(document, at.parent)
        except Refused:
            return
        yield from before(document, around.at)


def _list_at(document: Document, at: At) -> list[Step]:
    if not at.parent:
        steps: list[Step] = document["steps"]
        return steps
    try:
        exits: Mapping[str, list[Step]] = tree.find(document, at.parent).step.get("exits") or {}
    except Refused:
        return []
    return list(exits.get(at.exit, ()))
