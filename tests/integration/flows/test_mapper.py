"""What the mapper's addresses answer: to whom, with which lines, and to what nobody should send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from flows import rehearsing
from flows.designing.starting import Start
from flows.models import Draft, Event, Pair
from flows.views import mapper_changes, mapper_desk
from integrator.accounts.models import User
from tests.browser.mapping import a_draft, a_snapshot, of_payments
from tests.builders import NOON, a_person
from tests.integration.flows.drafting import change
from tests.integration.flows.given import a_charge, an_event

pytestmark = pytest.mark.django_db

STATUS = {"field": "Charge_ID__c", "from": ["charge.status"]}


class Desk:
    """A designer at the mapping of a draft."""

    def __init__(self, client: Client, pair: Pair, person: User, lines: list[dict[str, Any]]) -> None:
        client.force_login(person)
        a_snapshot(pair, "Payment__c", of_payments())
        self.client = client
        self.flow = a_draft(pair, "mapped", {"target": "Payment__c", "lines": lines})

    def at(self, path: str = "", step: str = "map") -> str:
        return f"/w/acme/dev/flows/{self.flow.public_id}/design/{step}/mapping/{path}"

    @property
    def draft(self) -> Draft:
        return Draft.objects.get(flow=self.flow)

    @property
    def lines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.draft.document["steps"][0]["settings"]["lines"]
        return found

    def send(self, edit: Any, *, revision: Any = None, path: str = "edits/", made: Any = ()) -> Any:
        seen = self.draft.revision if revision is None else revision
        body = {"revision": seen, "edit": edit, "made": list(made)}
        return self.client.post(self.at(path), json.dumps(body), content_type="application/json")


@pytest.fixture
def recorded(pair: Pair) -> Event:
    found = a_charge(
        created=1764000000, billing_details={"email": "ada@acme.test"}, metadata={"order_id": "7"}
    )
    return an_event(pair.stripe, found)


@pytest.fixture
def desk(client: Client, pair: Pair, recorded: Event) -> Desk:
    return Desk(client, pair, a_person(), [STATUS])


def test_the_page_has_both_sides_and_the_values_of_the_newest_event(desk: Desk) -> None:
    page = desk.client.get(desk.at()).content.decode()

    assert 'data-field="Amount__c"' in page
    assert "charge.metadata.order_id" in page
    assert "ada@acme.test" in page


def test_a_join_is_an_edit_of_the_draft_and_answers_what_comes_of_it(desk: Desk) -> None:
    answer = desk.send({"do": "join", "source": "charge.currency", "field": "Failure_Code__c"}).json()

    assert desk.lines == [STATUS, {"field": "Failure_Code__c", "from": ["charge.currency"]}]
    line = next(line for line in answer["lines"] if line["field"] == "Failure_Code__c")
    assert (line["state"], line["value"], line["wrong"]) == ("value", "eur", "")
    assert answer["undo"]


def test_a_join_keeps_what_the_line_does_without_a_value(desk: Desk) -> None:
    desk.send({"do": "line", "line": {**STATUS, "empty": "clear"}})

    desk.send({"do": "join", "source": "charge.id", "field": "Charge_ID__c"})

    assert desk.lines == [{"field": "Charge_ID__c", "from": ["charge.id"], "empty": "clear"}]


def test_a_join_that_does_not_fit_changes_nothing_and_offers_the_chip(desk: Desk) -> None:
    edit = {"do": "join", "source": "charge.amount", "field": "Amount__c"}

    refused = desk.send(edit).json()["refused"]
    assert refused["fix"] == "Convert to an amount with decimals"
    assert desk.lines == [STATUS]
    told = desk.send({**edit, "mend": True}).json()

    assert told["lines"][1]["label"] == "Amount"  # at once, and not only after a reload
    assert desk.lines[1]["chips"] == [{"chip": "money", "currency": ["charge.currency"]}]


def test_a_repeated_change_is_made_once(desk: Desk) -> None:
    edit = {"do": "remove", "field": "Charge_ID__c", "key": "a" * 36}
    seen = desk.draft.revision

    first = desk.send(edit, revision=seen)
    again = desk.send(edit, revision=seen)

    assert (first.status_code, again.status_code) == (200, 200)
    assert desk.draft.revision == seen + 1


def test_who_saw_an_older_line_is_told_who_changed_it(desk: Desk) -> None:
    seen = desk.draft.revision
    desk.send({"do": "join", "source": "charge.id", "field": "Charge_ID__c"})

    answer = desk.send({"do": "remove", "field": "Charge_ID__c"}, revision=seen)

    assert answer.status_code == 409
    assert "ada@acme.test changed this meanwhile" in answer.json()["text"]
    assert answer.json()["state"]["revision"] == desk.draft.revision
    assert desk.lines[0]["from"] == ["charge.id"]


def test_what_waited_is_in_nobodys_way_but_that_of_others(desk: Desk) -> None:
    seen = desk.draft.revision
    desk.send({"do": "join", "source": "charge.id", "field": "Charge_ID__c", "key": "first"}, revision=seen)
    desk.send({"do": "join", "source": "charge.currency", "field": "Failure_Code__c", "key": "theirs"})
    mine = {"do": "line", "line": STATUS | {"empty": "clear"}, "key": "second"}
    other = {"do": "remove", "field": "Failure_Code__c", "key": "third"}

    # The page made both before it heard of anything; its own first change is no reason to refuse them.
    assert desk.send(mine, revision=seen, made=["first"]).status_code == 200
    assert desk.send(other, revision=seen, made=["first", "second"]).status_code == 409
    assert desk.lines == [
        STATUS | {"empty": "clear"},
        {"field": "Failure_Code__c", "from": ["charge.currency"]},
    ]
    assert desk.send(mine | {"key": "fourth"}, revision=seen, made=[None, 5, "x" * 41]).status_code == 409


def test_what_two_people_remove_asks_neither_of_them(desk: Desk) -> None:
    seen = desk.draft.revision
    change(desk.draft, {"edit": "remove_line", "step": "map", "field": "Charge_ID__c"}, actor="bob")

    answer = desk.send({"do": "remove", "field": "Charge_ID__c"}, revision=seen)

    assert answer.json()["refused"]["reason"] == "Charge_ID__c has no mapping any more."


def test_what_somebody_else_is_in_the_way_of_is_not_taken_back_and_never_asked_about(desk: Desk) -> None:
    desk.send({"do": "join", "source": "charge.id", "field": "Charge_ID__c"})
    line = {"edit": "set_line", "step": "map", "line": STATUS}
    change(desk.draft, line, actor="bob")

    answer = desk.send({"do": "undo"})

    assert answer.status_code == 200
    assert "bob changed this meanwhile" in answer.json()["refused"]["reason"]


def test_an_unfinished_line_is_told_with_the_words_of_its_form(desk: Desk) -> None:
    chips = [{"chip": "money", "currency": []}]
    body = json.dumps({"line": {"field": "Amount__c", "from": ["charge.amount"], "chips": chips}})

    answer = desk.client.post(desk.at("try/"), body, content_type="application/json").json()

    assert answer["problem"] == "Amount, Currency: at least one is needed."


def test_changes_are_taken_back_and_made_again(desk: Desk) -> None:
    desk.send({"do": "remove", "field": "Charge_ID__c"})

    assert "Taken back" in desk.send({"do": "undo"}).json()["said"]
    assert desk.lines == [STATUS]
    assert "Made again" in desk.send({"do": "redo"}).json()["said"]
    assert desk.lines == []
    assert "no change of yours" in desk.send({"do": "redo"}).json()["refused"]["reason"]


def test_a_line_is_tried_chip_by_chip_and_nothing_is_kept(desk: Desk) -> None:
    line = {
        "field": "Failure_Code__c",
        "from": ["charge.status"],
        "chips": [{"chip": "text", "case": "upper"}],
    }
    body = json.dumps({"line": line})

    answer = desk.client.post(desk.at("try/"), body, content_type="application/json").json()

    assert answer["read"] == "succeeded"
    assert answer["steps"][0]["after"] == answer["value"] == "SUCCEEDED"
    assert "charge.?status" in answer["cel"] or "charge.status" in answer["cel"]
    assert desk.lines == [STATUS]


def test_checks_stand_beside_the_line_that_they_are_about(desk: Desk) -> None:
    answer = desk.send(
        {"do": "line", "line": {"field": "Captured__c", "from": ["charge.no_such_thing"]}}
    ).json()

    line = next(line for line in answer["lines"] if line["field"] == "Captured__c")
    assert "charge.no_such_thing" in line["problem"]


@pytest.mark.parametrize(
    "edit",
    [
        None,
        [],
        "undo",
        {},
        {"do": "drop table"},
        {"do": "join"},
        {"do": "join", "source": "", "field": "Name"},
        {"do": "join", "source": "x" * 501, "field": "Name"},
        {"do": "join", "source": 7, "field": "Name"},
        {"do": "line"},
        {"do": "line", "line": []},
        {"do": "remove", "field": ["Name"]},
    ],
)
def test_what_is_no_change_is_refused_and_changes_nothing(desk: Desk, edit: Any) -> None:
    answer = desk.send(edit)

    assert answer.status_code == 400
    assert desk.lines == [STATUS]


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"revision": "1", "edit": {"do": "undo"}}', "[" * 100_000]
)
@pytest.mark.parametrize("path", ["edits/", "try/", "judge/", "complete/"])
def test_no_body_is_a_fault_of_ours(desk: Desk, path: str, body: str) -> None:
    answer = desk.client.post(desk.at(path), body, content_type="application/json")

    assert answer.status_code in (200, 400)
    assert desk.lines == [STATUS]


def test_a_hostile_field_is_kept_as_text_or_refused(desk: Desk) -> None:
    answer = desk.send({"do": "join", "source": "charge.id", "field": "<script>alert(1)</script>"})

    assert answer.status_code == 200
    assert b"<script>alert" not in desk.client.get(desk.at()).content


def test_only_a_map_step_has_a_mapping(desk: Desk) -> None:
    assert desk.client.get(desk.at(step="no_such_step")).status_code == 404


@pytest.mark.parametrize("role", ["operator", "viewer", "approver"])
def test_who_may_not_change_flows_sees_no_mapper(desk: Desk, client: Client, role: str) -> None:
    client.force_login(a_person("someone@acme.test", role))

    assert client.get(desk.at()).status_code == 403
    assert desk.send({"do": "remove", "field": "Charge_ID__c"}).status_code == 403
    assert desk.lines == [STATUS]


def test_a_change_needs_the_token_of_the_page(desk: Desk, pair: Pair) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(email="ada@acme.test"))

    assert strict.post(desk.at("edits/"), "{}", content_type="application/json").status_code == 403


def test_suggestions_are_remembered_once_judged(desk: Desk) -> None:
    offers = desk.client.get(desk.at("suggestions/")).json()["suggestions"]
    offer = next(one for one in offers if one["field"] == "Billing_Email__c")
    body = json.dumps({"path": offer["path"], "field": offer["field"], "accepted": False})

    assert desk.client.post(desk.at("judge/"), body, content_type="application/json").status_code == 200

    again = desk.client.get(desk.at("suggestions/")).json()["suggestions"]
    assert (offer["path"], offer["field"]) not in {(one["path"], one["field"]) for one in again}


def test_the_values_that_events_had_are_counted(desk: Desk, pair: Pair) -> None:
    an_event(pair.stripe, a_charge(status="pending"))
    an_event(pair.stripe, a_charge(status="pending", billing_details={"email": "a@b.test"}))

    told = desk.client.get(desk.at("seen/"), {"path": ["charge.no_such_thing", "charge.status"]}).json()

    assert told["values"] == [{"value": "pending", "count": 2}, {"value": "succeeded", "count": 1}]
    assert desk.client.get(desk.at("seen/"), {"path": "charge.billing_details"}).json() == {"values": []}
    assert desk.client.get(desk.at("seen/"), {"path": "no path ]["}).json() == {"values": []}


def test_inside_of_a_for_each_the_first_element_is_read(pair: Pair, recorded: Event) -> None:
    inner = {"id": "inner", "kind": "map", "settings": {"target": "Payment__c", "lines": []}}
    outer = {"target": "Payment__c", "lines": [{"field": "Name", "from": ["charge.id"]}]}
    steps = [
        {"id": "outer", "kind": "map", "settings": outer},
        {
            "id": "each",
            "kind": "for_each",
            "settings": {"list": ["charge.refunds"], "name": "refund"},
            "exits": {"each": [inner]},
        },
    ]
    charge = a_charge(refunds={"object": "list", "data": [{"id": "re_1"}, {"id": "re_2"}]})
    event = an_event(pair.stripe, charge)
    flow = a_draft(pair, "each", outer)
    choice = next(
        one for one in rehearsing.choices(flow, pair, Start(types=(event.type,))) if one.id == str(event.pk)
    )

    context = rehearsing.context_of(flow, choice, {"steps": steps}, "inner")

    assert context["refund"] == {"id": "re_1"}
    assert context["steps"]["outer"] == {"Name": charge["id"]}


def test_without_a_recorded_event_the_samples_of_the_template_are_there(pair: Pair) -> None:
    flow = a_draft(pair, "payments", {"target": "Payment__c", "lines": []})

    (choice, *_) = rehearsing.choices(flow, pair, Start(types=("charge.succeeded",)))
    context = rehearsing.context_of(flow, choice, {"steps": []}, "map")

    assert choice.label == "Sample: charge succeeded" or choice.label.startswith("Sample: ")
    assert context["charge"]["object"] == "charge"


UNFINISHED = [
    pytest.param({"lines": [STATUS | {"from": 5}]}, id="a path that is a number"),
    pytest.param({"lines": [STATUS | {"chips": 5}]}, id="chips that are a number"),
    pytest.param(
        {"lines": [STATUS | {"chips": [{"chip": "value_map", "map": 5}]}]}, id="a table that is none"
    ),
    pytest.param({"lines": [5, [], None]}, id="lines that are none"),
    pytest.param({"lines": 5}, id="lines that are a number"),
]


@pytest.mark.parametrize("settings", UNFINISHED)
def test_a_step_whose_settings_make_no_sense_can_still_be_opened(
    desk: Desk, settings: dict[str, Any]
) -> None:
    change(
        desk.draft, {"edit": "set_settings", "step": "map", "settings": {"target": "Payment__c"} | settings}
    )

    assert [desk.client.get(desk.at(path)).status_code for path in ("", "last/", "suggestions/")] == [200] * 3


@pytest.mark.parametrize("types", [5, ["x"], "charge.succeeded", [None, {}, "charge.succeeded"]])
def test_a_trigger_that_makes_no_sense_leaves_the_mapping_usable(desk: Desk, types: Any) -> None:
    change(desk.draft, {"edit": "set_trigger", "trigger": {"kind": "stripe.event", "types": types}})

    assert [desk.client.get(desk.at(path)).status_code for path in ("", "last/", "suggestions/")] == [200] * 3


@pytest.mark.parametrize("given", [5, [5], "no path ][", {}])
def test_a_list_that_makes_no_sense_gives_no_element(pair: Pair, recorded: Event, given: Any) -> None:
    flow = a_draft(pair, "each", {"target": "Payment__c", "lines": []})
    inner = {"id": "inner", "kind": "map", "settings": {}}
    each = {"id": "each", "kind": "for_each", "settings": {"list": given}, "exits": {"each": [inner]}}
    (choice, *_) = rehearsing.choices(flow, pair, Start(types=(recorded.type,)))
    desk = mapper_desk.Desk(flow, pair, Draft(document={"steps": [each]}), "inner", "ada", True)

    context, _ = desk.context(choice)

    assert context is None or "each" not in context


@pytest.mark.parametrize("path", ["charge.a\x00", "charge.a\ud800", "charge." + "a" * 600, ""])
def test_a_path_that_cannot_be_kept_is_not_remembered(desk: Desk, path: str) -> None:
    body = json.dumps({"path": path, "field": "Charge_ID__c", "accepted": False})

    assert desk.client.post(desk.at("judge/"), body, content_type="application/json").status_code == 400


def test_a_step_goes_into_a_loop_of_its_own_although_somebody_adds_another_meanwhile(desk: Desk) -> None:
    seen = mapper_desk.sit_down(desk.flow, None, "map", actor="ada", values=True, now=NOON)
    other = {"list": ["charge.refunds.data"], "name": "refund"}
    change(desk.draft, {"edit": "add_step", "kind": "for_each", "settings": other}, actor="bob")

    wanted = {"do": "each", "list": "charge.metadata.parts"}
    mapper_changes.make(seen, {"revision": seen.draft.revision, "edit": wanted}, now=NOON)

    inside = {
        step["settings"]["list"][0]: [one["id"] for one in step.get("exits", {}).get("each", ())]
        for step in desk.draft.document["steps"]
    }
    assert inside == {"charge.metadata.parts": ["map"], "charge.refunds.data": []}
