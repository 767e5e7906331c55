"""Sub-flows on the database: taken as published, kept as they were, refused where they cannot be."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from django.test import Client

from flows import checking, designer, publishing, taken
from flows.designing import differences
from flows.designing.tree import Refused
from flows.engine.definition import InvalidDocument
from flows.models import Draft, Flow, Pair
from flows.steps import registry
from integrator.accounts.roles import Role
from tests.builders import NOON, a_flow, a_person
from tests.integration.api.conftest import Program
from tests.integration.flows.drafting import change

pytestmark = pytest.mark.django_db

BY = {"actor": "ada", "now": NOON}
SUB: dict[str, Any] = {
    "format": 1,
    "name": "Announce",
    "trigger": {
        "kind": "flow",
        "inputs": [{"name": "what"}, {"name": "more", "required": False}],
        "outputs": [{"name": "text", "from": ["steps.tell.title"]}],
    },
    "steps": [{"id": "tell", "kind": "alert", "settings": {"title": "It is {input.what}"}}],
}
TAKE = {"edit": "add_step", "kind": "sub_flow", "at": {"after": ""}, "settings": {"flow": "announce"}}


def newer(**trigger: Any) -> dict[str, Any]:
    """Return the sub-flow with a step more."""
    document = copy.deepcopy(SUB)
    document["trigger"] |= trigger
    document["steps"].append({"id": "again", "kind": "alert", "settings": {"title": "Again"}})
    return document


def a_sub_flow(pair: Pair, slug: str = "announce", document: dict[str, Any] = SUB) -> Flow:
    """Return a sub-flow that is published."""
    found = a_flow(pair.integration, slug)
    publishing.publish(flow=found, document=document, **BY)
    return found


def settings(draft: Draft, **given: Any) -> dict[str, Any]:
    """Return the edit that gives the step these settings beside those that it has."""
    (step,) = [one for one in draft.document["steps"] if one["id"] == "sub_flow"]
    return {"edit": "set_settings", "step": "sub_flow", "settings": step["settings"] | given}


def said(draft: Draft) -> dict[str, str]:
    """Return what is wrong with the step that takes a sub-flow, by its setting."""
    return {one.field: one.message for one in designer.problems(draft) if one.step == "sub_flow"}


@pytest.fixture
def announce(pair: Pair) -> Flow:
    return a_sub_flow(pair)


@pytest.fixture
def taking(announce: Flow, draft: Draft) -> Draft:
    """Return a draft that takes the sub-flow and gives it what it needs."""
    made = change(draft, TAKE)
    return change(made, settings(made, inputs={"what": {"from": ["charge.id"]}}))


def test_a_step_that_names_a_sub_flow_has_its_steps_and_a_place_for_what_it_needs(announce, draft):
    made = change(draft, TAKE)

    step = made.document["steps"][0]
    assert [one["id"] for one in step["exits"]["taken"]] == ["sub_flow__tell"]
    assert (step["settings"]["version"], step["settings"]["inputs"]) == (1, {"what": {"from": []}})
    assert said(made) == {"inputs, what": "Say where the value is read, or what it is"}
    assert said(change(made, settings(made, inputs={"what": {"from": ["charge.id"]}}))) == {}


def test_taking_back_and_making_again_takes_the_steps_along(taking):
    first = change(taking, settings(taking, flow=""))
    assert "exits" not in first.document["steps"][0]

    back = designer.undo(first, **BY)
    assert back.document == taking.document
    assert designer.redo(back, **BY).document == first.document


def test_a_version_stays_what_it_was_and_says_that_there_is_a_newer_one(taking, announce, pair):
    version = designer.publish_draft(taking, revision=taking.revision, note="Announced", **BY)
    publishing.publish(flow=announce, document=newer(), **BY)

    again = designer.open_draft(taking.flow, **BY)
    issues = checking.check(version.document, pair, now=NOON, flow=taking.flow, ask=False)
    assert (again.is_changed, again.document) == (False, version.document)
    (told,) = [one for one in issues if one.code == "newer_sub_flow"]
    assert (told.step, told.level) == ("sub_flow", "warning")
    assert "version 1; its newest is 2" in told.message

    newest = change(again, settings(again, version=None))
    step = newest.document["steps"][0]
    assert step["settings"]["version"] == 2
    assert [one["id"] for one in step["exits"]["taken"]] == ["sub_flow__tell", "sub_flow__again"]
    assert step["settings"]["inputs"] == {"what": {"from": ["charge.id"]}}
    found = differences.between(version.document, newest.document, registry.load())
    assert any("version: 1 → 2" in one.text for one in found)
    assert [one.kind for one in found if one.kind != "changed"] == ["added"]
    assert version.flow.versions.get(pk=version.pk).document == version.document


def test_another_sub_flow_is_taken_in_its_newest_version(taking, pair):
    other = a_sub_flow(pair, "whisper", newer(inputs=[{"name": "softly"}]))
    for name in ("Once", "Twice"):
        publishing.publish(flow=other, document=newer(inputs=[{"name": "softly"}]) | {"name": name}, **BY)

    made = change(taking, settings(taking, flow="whisper"))

    found = made.document["steps"][0]["settings"]
    assert (found["version"], list(found["inputs"])) == (3, ["softly"])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"flow": "nobody"}, "There is no flow nobody in this integration"),
        ({"flow": "no flow?"}, "There is no flow no flow. in this integration"),
        ({"flow": "payments"}, "A flow cannot take its own steps"),
        ({"flow": "refunds"}, "Refunds is no sub-flow: something else starts it"),
        ({"flow": "empty"}, "Empty is not published yet"),
        ({"version": 9}, "Announce has no such version that other flows may take"),
    ],
)
def test_what_cannot_be_taken_is_said_and_cannot_be_published(taking, pair, given, why):
    refunds = a_flow(pair.integration, "refunds")
    publishing.publish(flow=refunds, document=taking.base_version.document, **BY)
    a_flow(pair.integration, "empty")

    made = change(taking, settings(taking, **given))

    assert re.fullmatch(why, said(made)["flow"])
    with pytest.raises(InvalidDocument):
        designer.publish_draft(made, revision=made.revision, note="x", **BY)
    with pytest.raises(InvalidDocument, match=why):
        publishing.publish(flow=made.flow, document=made.document, **BY)


def test_sub_flows_that_take_each_other_are_refused(pair, announce):
    call = {
        "id": "call",
        "kind": "sub_flow",
        "settings": {"flow": "announce", "inputs": {"what": "event.id"}},
    }
    outer = a_sub_flow(pair, "outer", SUB | {"steps": [call], "trigger": {"kind": "flow"}})
    back = {"id": "back", "kind": "sub_flow", "settings": {"flow": "outer"}}

    with pytest.raises(InvalidDocument, match="outer takes them, or a flow that it takes does"):
        publishing.publish(flow=announce, document=SUB | {"steps": [*SUB["steps"], back]}, **BY)
    assert [one.flow for one in taken.takers(announce)] == [outer]


def test_sub_flows_stand_at_most_five_deep(pair, announce):
    inner, inputs = "announce", {"what": "event.id"}
    for deep in range(2, 6):
        call = {"id": "call", "kind": "sub_flow", "settings": {"flow": inner, "inputs": inputs}}
        a_sub_flow(pair, f"deep-{deep}", SUB | {"steps": [call], "trigger": {"kind": "flow"}})
        inner, inputs = f"deep-{deep}", {}
    call = {"id": "call", "kind": "sub_flow", "settings": {"flow": inner}}
    deepest = SUB | {"steps": [call], "trigger": {"kind": "flow"}}

    publishing.publish(flow=a_flow(pair.integration, "five"), document=deepest, **BY)
    call["settings"] = {"flow": "five"}
    with pytest.raises(InvalidDocument, match="at most 5 deep"):
        publishing.publish(flow=a_flow(pair.integration, "six"), document=deepest, **BY)


def test_more_steps_than_a_flow_has_are_refused_with_those_of_sub_flows(announce, pair, draft):
    many = copy.deepcopy(SUB)
    many["steps"] = [{**SUB["steps"][0], "id": f"tell_{number}"} for number in range(198)]
    many["trigger"]["outputs"] = []
    publishing.publish(flow=announce, document=many, **BY)

    with pytest.raises(Refused, match="at most 200 steps"):
        change(draft, TAKE)


def test_what_a_program_sends_as_the_steps_of_a_sub_flow_does_not_count(taking):
    document = copy.deepcopy(taking.document)
    document["steps"][0]["exits"]["taken"][0]["settings"]["title"] = "Mine"

    version = publishing.publish(flow=taking.flow, document=document, **BY)

    assert version.document["steps"][0] == taking.document["steps"][0]


def test_errors_within_are_said_of_the_step_and_doubts_are_left_to_the_sub_flow(taking, pair):
    step = taking.document["steps"][0]
    settings = {"type": "charge", "id": ["charge.nothing_such"]}
    only = {"id": "sub_flow__only", "kind": "stripe.retrieve", "settings": settings}
    step["exits"]["taken"].append(only)

    issues = checking.check(taking.document, pair, now=NOON, flow=taking.flow, ask=False)

    about = [one for one in issues if one.step.startswith("sub_flow")]
    assert {one.step for one in about} == {"sub_flow"}
    (error,) = [one for one in about if one.level == "error"]
    assert error.code == "unknown_path"
    assert error.message.startswith("In the step sub_flow__only of the sub-flow announce: ")


def test_a_sub_flow_is_never_live_by_itself(announce, pair):
    with pytest.raises(publishing.NothingStartsIt):
        publishing.deploy(version=announce.versions.get(), pair=pair, **BY)


def test_the_page_of_a_sub_flow_names_the_flows_that_take_it(taking, announce, pair, client: Client):
    person = a_person("ada@acme.test", Role.APPROVER)
    client.force_login(person)
    version = designer.publish_draft(taking, revision=taking.revision, note="Announced", **BY)
    publishing.deploy(version=version, pair=pair, **BY)
    publishing.publish(flow=announce, document=newer(), **BY)

    page = client.get(f"/w/acme/dev/flows/{announce.public_id}/").content.decode()

    assert "Taken by" in page
    assert "Version 1 <span" in page
    assert "the newest is 2" in page
    assert 'data-open="deploy-' not in page
    program = Program(Role.DESIGNER, pair.environment.workspace)
    told = program.get(f"flows/{announce.public_id}/takers/")
    assert told.json() == [
        {
            "flow": taking.flow.public_id,
            "name": version.flow.name,
            "where": f"version {version.number}",
            "version": 1,
            "is_live": True,
        }
    ]


def test_what_is_given_has_the_type_that_is_wanted(taking, announce, pair):
    inputs = [{"name": "what", "type": "amount"}]
    publishing.publish(flow=announce, document=newer(inputs=inputs), **BY)

    def codes(path: str) -> list[str]:
        made = change(taking, settings(taking, version=2, inputs={"what": {"from": [path]}}))
        issues = checking.check(made.document, pair, now=NOON, flow=made.flow, ask=False)
        return [one.code for one in issues if one.step == "sub_flow" and one.level == "error"]

    assert codes("charge.currency") == ["wrong_type"]
    assert codes("charge.amount") == []
