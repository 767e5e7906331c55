"""A map step is put into a for-each, with what saves its record and with what it reads of the first item."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from flows.designing import applying, edits, looping
from flows.designing.applying import Workshop
from flows.designing.tree import Refused
from flows.steps import registry

LINES = [
    {"field": "Description__c", "from": ["invoice.lines.data[0].description", "invoice.id"]},
    {
        "field": "Amount__c",
        "from": ["invoice.lines.data[0].amount"],
        "chips": [{"chip": "money", "currency": ["invoice.lines.data[0].currency"]}],
    },
]
DOCUMENT: dict[str, Any] = {
    "format": 1,
    "name": "Lines",
    "trigger": {"kind": "stripe.event", "types": ["invoice.paid"]},
    "steps": [
        {"id": "first", "kind": "alert", "settings": {"title": "x"}},
        {"id": "map", "kind": "map", "settings": {"target": "Stripe_Invoice_Line__c", "lines": LINES}},
        {"id": "save", "kind": "salesforce.upsert", "settings": {"record": "map"}},
        {"id": "last", "kind": "wait", "settings": {"days": 1}},
    ],
}
PATH = "invoice.lines.data"


def looped(document: dict[str, Any], step: str = "map", path: str = PATH) -> dict[str, Any]:
    changes = looping.edits_for(document, step, path, known=["for_each"])
    workshop = Workshop(registry.load(), {"for_each", "first", "map", "save", "last"})
    return dict(applying.make(document, edits.read(changes), workshop).document)


def test_the_step_and_what_saves_its_record_go_inside_and_read_the_item() -> None:
    first, each, last = looped(DOCUMENT)["steps"]

    assert (first["id"], last["id"]) == ("first", "last")
    assert each["id"] == "for_each_2"  # another step had the first name once
    assert each["settings"] == {"list": [PATH], "name": "line"}
    inner, save = each["exits"]["each"]
    assert (inner["id"], save["id"]) == ("map", "save")
    assert inner["settings"]["lines"] == [
        {"field": "Description__c", "from": ["line.description", "invoice.id"]},
        {
            "field": "Amount__c",
            "from": ["line.amount"],
            "chips": [{"chip": "money", "currency": ["line.currency"]}],
        },
    ]


def test_what_saves_the_record_finds_that_of_the_item_and_no_longer_that_of_the_first() -> None:
    first = "invoice.lines.data[0]"
    parent = {"read": "invoice", "id": [f"{first}.invoice"], "lines": [{"from": [f"{first}.id"]}]}
    counted = {"amount": [f"{first}.amount"], "currency": ["invoice.currency"]}
    told = {"id": "told", "kind": "alert", "settings": {"title": f"{{{first}.id}}"}}
    savers = [
        {
            "id": "change",
            "kind": "salesforce.update",
            "settings": {"record": "map", "id": [f"{first}.metadata.record"]},
            "exits": {"none": [told]},
        },
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "settings": {"record": "map", "parents": [parent], "counts_as_money": counted},
        },
    ]
    document = {**DOCUMENT, "steps": [DOCUMENT["steps"][1], *savers]}

    (each,) = looped(document)["steps"]

    _, change, save = each["exits"]["each"]
    assert change["settings"]["id"] == ["line.metadata.record"]
    assert change["exits"]["none"][0]["settings"]["title"] == "{line.id}"
    assert save["settings"]["counts_as_money"] == {
        "amount": ["line.amount"],
        "currency": ["invoice.currency"],
    }
    # A parent's lines read the object that it is made of.
    assert save["settings"]["parents"] == [parent | {"id": ["line.invoice"]}]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("invoice.lines.data", "line"),
        ("charge.refunds.data", "refund"),
        ("invoice.discounts", "discount"),
        ("steps.look.records", "record"),
        ("event.events", "each"),
        ("charge.data", "each"),
    ],
)
def test_an_item_is_called_after_its_list(path: str, name: str) -> None:
    changes = looping.edits_for(copy.deepcopy(DOCUMENT), "map", path, known=())

    assert changes[0]["steps"][0]["settings"]["name"] == name


def test_what_is_done_for_each_item_already_is_refused() -> None:
    inside = looped(DOCUMENT)

    with pytest.raises(Refused, match="already"):
        looping.edits_for(inside, "map", PATH, known=())
    with pytest.raises(Refused, match="maps no fields"):
        looping.edits_for(inside, "save", PATH, known=())
