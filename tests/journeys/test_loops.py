"""This module tells how flows come to rest that start themselves or each other, or are held."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from flows import publishing, reviews
from flows.models import Deployment, Flow, Review, Run
from flows.routes import ROUTES
from tests.journeys.both_sides import BothSides
from tests.journeys.bridge import until


def a_flow(name: str, lines: list[dict[str, Any]], **saved: Any) -> dict[str, Any]:
    kind = "salesforce.upsert" if "external_id" in saved else "salesforce.update"
    settings = {"object": "Account", "record": "describe", **saved}
    return {
        "format": 1,
        "name": name,
        "trigger": {"kind": "salesforce.change", "object": "Account", "changes": ["created", "updated"]},
        "steps": [
            {"id": "describe", "kind": "map", "settings": {"target": "Account", "lines": lines}},
            {"id": "save", "kind": kind, "settings": settings},
        ],
    }


def live(sides: BothSides, *documents: dict[str, Any]) -> None:
    now = timezone.now()
    for document in documents:
        slug = document["name"].lower().replace(" ", "-")
        flow = Flow.objects.create(
            integration=sides.bridge.pair.integration, slug=slug, name=document["name"]
        )
        version = publishing.publish(flow=flow, document=document, actor="ada", now=now)
        publishing.deploy(version=version, pair=sides.bridge.pair, actor="ada", now=now)


def an_account(sides: BothSides, **values: Any) -> str:
    made = sides.bridge.salesforce.turn("changes", object="Account", act="create", values=values)
    return str(made["id"])


def writes(sides: BothSides, account: str) -> int:
    told = sides.bridge.salesforce.look("writes", object="Account", id=account)["writes"]
    return sum(bool(one["client"]) for one in told)


def test_a_flow_that_saves_the_record_that_started_it_comes_to_rest(sides: BothSides) -> None:
    by_key = [
        {"field": "Integration_Key__c", "from": "Account.Integration_Key__c"},
        {"field": "Phone", "from": "Account.Fax"},
        {"field": "Parent.Integration_Key__c", "from": "Account.Site"},
    ]
    live(sides, a_flow("Saves itself", by_key, external_id="Integration_Key__c"))
    an_account(sides, Name="Holding", Integration_Key__c="parent", Fax="0", Phone="0")
    account = an_account(sides, Name="Acme", Integration_Key__c="key", Fax="1", Site="parent")

    sides.settle()

    assert 0 < writes(sides, account) <= 2
    assert not Run.objects.exclude(state="done").exists()
    assert not Review.objects.exists()


def test_two_flows_that_set_one_field_in_turn_are_held_until_a_person_lets_them_go_on(
    sides: BothSides,
) -> None:
    here, there = (
        a_flow(
            name,
            [{"field": "Phone", "chips": [{"chip": "constant", "value": phone}]}],
            id="Account.Id",
        )
        for name, phone in (("Sets one", "1"), ("Sets two", "2"))
    )
    live(sides, here, there)
    account = an_account(sides, Name="Acme")

    sides.settle()
    (held,) = Review.objects.open()
    made = writes(sides, account)

    assert held.kind == "loop"
    assert made < 30
    mine = held.run.flow.name
    Deployment.objects.exclude(flow__name=mine).update(enabled=False)
    ROUTES.forget()
    reviews.answer(review=held, value="go_on", actor="otto", now=timezone.now())

    def is_over() -> bool:
        sides.bridge.drain()
        sides.settle()
        return not Run.objects.exclude(state="done").exists()

    until(is_over, what="going on after the answer")
    (record,) = sides.bridge.salesforce.look("records", object="Account")["records"]
    assert record["Phone"] == {"Sets one": "1", "Sets two": "2"}[mine]
    assert not Review.objects.open().exists()
