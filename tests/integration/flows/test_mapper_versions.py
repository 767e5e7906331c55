"""Lines of a mapping against an earlier version: what differs, putting one back; accepting many at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from flows import designer, publishing, suggesting
from flows.models import Event, FlowVersion, MappingDecision, Pair
from flows.views import mapper_desk
from tests.builders import NOON, a_person
from tests.integration.flows.drafting import change
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.test_mapper import Desk

pytestmark = pytest.mark.django_db

ID = {"field": "External_ID__c", "from": ["charge.id"]}
STATUS = {"field": "Charge_ID__c", "from": ["charge.status"]}
BRAND = {"field": "Card_Brand__c", "from": ["charge.payment_method_details.card.brand"]}
SAVE = {"object": "Payment__c", "external_id": "External_ID__c", "record": "map"}


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a test has recorded be forgotten with it."""
    monkeypatch.setattr(mapper_desk, "SOURCES", mapper_desk.Sources())


@pytest.fixture
def recorded(pair: Pair) -> Event:
    return an_event(pair.stripe, a_charge(billing_details={"email": "ada@acme.test"}))


@pytest.fixture
def desk(client: Client, pair: Pair, recorded: Event) -> Desk:
    desk = Desk(client, pair, a_person(), [ID, STATUS, BRAND])
    change(desk.draft, {"edit": "add_step", "kind": "salesforce.upsert", "settings": SAVE})
    publish(desk, "First")
    return desk


def publish(desk: Desk, note: str) -> FlowVersion:
    draft = desk.draft
    return designer.publish_draft(draft, revision=draft.revision, note=note, actor="ada", now=NOON)


def since(desk: Desk, version: int = 1) -> dict[str, Any]:
    told: dict[str, Any] = desk.client.get(desk.at("values/"), {"since": version}).json()["since"]
    return told


def test_what_differs_from_a_version_is_told_by_field(desk: Desk) -> None:
    assert since(desk) == {"number": 1, "fields": {}}

    desk.send({"do": "join", "source": "charge.currency", "field": "Failure_Code__c"})
    desk.send({"do": "line", "line": STATUS | {"chips": [{"chip": "text", "case": "upper"}]}})
    desk.send({"do": "remove", "field": "Card_Brand__c"})

    assert since(desk)["fields"] == {
        "Charge_ID__c": {"kind": "changed", "paths": ["charge.status"], "was": "from charge.status"},
        "Failure_Code__c": {"kind": "added", "paths": [], "was": ""},
        "Card_Brand__c": {"kind": "removed", "paths": BRAND["from"], "was": f"from {BRAND['from'][0]}"},
    }


def test_a_line_that_was_only_looked_at_differs_in_nothing(desk: Desk) -> None:
    desk.send({"do": "line", "line": {**STATUS, "from": "charge.status", "chips": [], "empty": "skip"}})

    assert since(desk)["fields"] == {}


def test_the_live_version_is_the_one_to_compare_with_unless_another_is_asked_for(
    desk: Desk, pair: Pair
) -> None:
    first = FlowVersion.objects.get(flow=desk.flow)
    desk.send({"do": "remove", "field": "Card_Brand__c"})
    publish(desk, "Second")
    newest = desk.client.get(desk.at()).context["since"]
    publishing.deploy(version=first, pair=pair, actor="ada", now=NOON)

    page = desk.client.get(desk.at())

    assert (newest, page.context["since"]) == (2, 1)
    assert [(one.number, one.is_live) for one in page.context["versions"]] == [(2, False), (1, True)]
    assert desk.client.get(desk.at(), {"since": 2}).context["since"] == 2


def test_before_the_first_version_there_is_nothing_to_compare_with(
    client: Client, pair: Pair, recorded: Event
) -> None:
    fresh = Desk(client, pair, a_person(), [ID])

    page = fresh.client.get(fresh.at())

    assert page.context["state"]["since"] is None
    assert "mapper-changed" not in page.content.decode()


@pytest.mark.parametrize("asked", ["0", "99", "-1", "x", "9" * 40, ""])
def test_a_version_that_is_not_there_compares_with_nothing(desk: Desk, asked: str) -> None:
    assert desk.client.get(desk.at("values/"), {"since": asked}).json()["since"] is None
    assert desk.client.get(desk.at(), {"since": asked}).context["since"] == 1


def test_a_line_is_put_back_as_it_was_and_that_can_be_taken_back(desk: Desk) -> None:
    desk.send({"do": "remove", "field": "Card_Brand__c"})
    desk.send({"do": "join", "source": "charge.currency", "field": "Charge_ID__c"})

    told = desk.send({"do": "restore", "field": "Card_Brand__c", "version": 1}).json()
    desk.send({"do": "restore", "field": "Charge_ID__c", "version": 1})

    assert "as in version 1" in told["said"]
    assert desk.lines == [ID, STATUS, BRAND]
    desk.send({"do": "undo"})
    assert desk.lines[1]["from"] == ["charge.currency"]


@pytest.mark.parametrize("version", [7, 0, -1, "1", None, 10**30, True])
def test_nothing_is_put_back_from_a_version_that_is_not_there(desk: Desk, version: Any) -> None:
    answer = desk.send({"do": "restore", "field": "Nobody__c", "version": version})

    assert (answer.status_code, desk.lines) == (400, [ID, STATUS, BRAND])


def test_a_look_up_that_an_earlier_version_had_still_has_its_row(desk: Desk) -> None:
    look_up = {"field": "Stripe_Customer__r.External_ID__c", "from": ["charge.customer"]}
    desk.send({"do": "line", "line": look_up})
    publish(desk, "With a look-up")
    desk.send({"do": "remove", "field": look_up["field"]})

    page = desk.client.get(desk.at(), {"since": 2})

    assert page.context["model"]["gone"] == [look_up["field"]]
    assert f'data-field="{look_up["field"]}"' in page.content.decode()


# Several suggestions at once

OFFERS = [
    {"path": "charge.receipt_email", "line": {"field": "Billing_Email__c", "from": ["charge.receipt_email"]}},
    {"path": "charge.failure_code", "line": {"field": "Failure_Code__c", "from": ["charge.failure_code"]}},
]


def test_several_are_accepted_as_one_change_and_each_is_remembered(desk: Desk) -> None:
    told = desk.send({"do": "accept", "offers": OFFERS}).json()

    assert told["said"] == "Accepted 2 suggestions"
    assert desk.lines[3:] == [one["line"] for one in OFFERS]
    decided = MappingDecision.objects.filter(verdict="accepted").values_list("path", "field")
    assert set(decided) == {(one["path"], one["line"]["field"]) for one in OFFERS}  # type: ignore[index]  # a line
    desk.send({"do": "undo"})
    assert desk.lines == [ID, STATUS, BRAND]


@pytest.mark.parametrize(
    "offers",
    [
        None,
        [],
        [None],
        [{"path": "charge.id"}],
        [{"path": 5, "line": {"field": "Name"}}],
        [{"path": "a..b", "line": {"field": "Name", "from": ["charge.id"]}}],
        [{"path": "charge.id", "line": {"field": "no name", "from": ["charge.id"]}}],
        [OFFERS[0]] * 51,
    ],
)
def test_all_are_accepted_or_none(desk: Desk, offers: Any) -> None:
    both = [*OFFERS, *offers] if isinstance(offers, list) and 0 < len(offers) < 50 else offers

    answer = desk.send({"do": "accept", "offers": both})

    assert answer.status_code == 400
    assert desk.lines == [ID, STATUS, BRAND]
    assert not MappingDecision.objects.exists()


def test_only_what_is_sure_and_complete_may_be_accepted_together(desk: Desk) -> None:
    found = desk.client.get(desk.at("suggestions/")).json()

    assert found["together"] == 50
    sure = [one for one in found["suggestions"] if one["sure"]]
    assert sure
    assert all(one["score"] >= suggesting.SURE * 100 and one["line"] for one in sure)
    looked_up = next(one for one in found["suggestions"] if one["field"] == "Stripe_Customer__c")
    assert (looked_up["score"] >= 90, looked_up["sure"]) == (True, False)
    assert json.dumps(sure)
