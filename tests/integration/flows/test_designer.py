"""Drafts: changing a flow, taking changes back, two people at once, and publishing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows import designer, publishing
from flows.designing import edits
from flows.designing.tree import Refused
from flows.engine.definition import InvalidDocument
from flows.integrations import Taken
from flows.models import Draft, DraftEdit
from integrator.accounts.models import AuditEntry
from tests.builders import NOON
from tests.integration.flows.drafting import DOCUMENT, STOP, change, order, titled

pytestmark = pytest.mark.django_db


def test_a_draft_starts_from_the_newest_version(flow, draft):
    assert draft.document == flow.versions.get().document
    assert (draft.revision, draft.is_changed, draft.base_version.number) == (1, False, 1)
    assert designer.open_draft(flow, actor="otto", now=NOON) == draft


def test_an_untouched_draft_goes_along_with_newer_versions(flow, draft):
    publishing.publish(flow=flow, document=DOCUMENT | {"steps": [STOP]}, actor="otto", now=NOON)

    again = designer.open_draft(flow, actor="ada", now=NOON)

    assert (again.base_version.number, order(again)) == (2, ["stop"])
    with pytest.raises(designer.Conflict):
        change(again, titled("stop", "x"), revision=1)


def test_a_touched_draft_stays_what_it_is(flow, draft):
    change(draft, titled("save", "Keep"))
    publishing.publish(flow=flow, document=DOCUMENT | {"steps": [STOP]}, actor="otto", now=NOON)

    assert designer.open_draft(flow, actor="ada", now=NOON).base_version.number == 1


def test_a_new_flow_is_empty_and_says_what_it_needs(flow):
    draft = designer.create_flow(integration=flow.integration, name="Refunds back", actor="ada", now=NOON)

    assert draft.flow.slug == "refunds-back"
    assert [found.message for found in designer.problems(draft)] == [
        "Choose the events that start the flow",
        "Add the first step",
    ]
    assert AuditEntry.objects.filter(action="flow.created").count() == 1
    with pytest.raises(Taken):
        designer.create_flow(integration=flow.integration, name="Refunds back", actor="ada", now=NOON)
    with pytest.raises(ValueError, match="letters or digits"):
        designer.create_flow(integration=flow.integration, name="///", actor="ada", now=NOON)


EVERY_EDIT = [
    pytest.param({"edit": "add_step", "kind": "stop", "at": {"after": "save"}}, id="add"),
    pytest.param(
        {"edit": "add_step", "kind": "map", "at": {"parent": "large", "exit": "no"}}, id="add in a branch"
    ),
    pytest.param(
        {"edit": "add_step", "kind": "wait", "title": "Wait", "settings": {"days": 1}}, id="add last"
    ),
    pytest.param({"edit": "move_step", "step": "save", "at": {"after": "large"}}, id="move down"),
    pytest.param({"edit": "move_step", "step": "large", "at": {"after": ""}}, id="move first"),
    pytest.param(
        {"edit": "move_step", "step": "save", "at": {"parent": "large", "exit": "yes", "after": ""}},
        id="move in",
    ),
    pytest.param({"edit": "move_step", "step": "stop", "at": {"after": "save"}}, id="move out"),
    pytest.param({"edit": "remove_step", "step": "large"}, id="remove with what is behind"),
    pytest.param({"edit": "remove_step", "step": "stop"}, id="remove the last of a branch"),
    pytest.param({"edit": "duplicate_step", "step": "large"}, id="duplicate"),
    pytest.param({"edit": "paste_steps", "steps": [STOP, {**STOP, "id": "end"}]}, id="paste"),
    pytest.param({"edit": "set_settings", "step": "stop", "settings": {}}, id="settings that are unfinished"),
    pytest.param(titled("save", "Keep"), id="title"),
    pytest.param(titled("save", ""), id="no title"),
    pytest.param(
        {"edit": "set_trigger", "trigger": {"kind": "stripe.event", "types": ["charge.failed"]}}, id="trigger"
    ),
    pytest.param({"edit": "rename", "name": "Money", "description": "in"}, id="rename"),
    pytest.param(
        {
            "edit": "set_line",
            "step": "map_payment",
            "line": {"field": "Amount__c", "from": ["charge.amount"]},
        },
        id="a new line",
    ),
    pytest.param(
        {"edit": "set_line", "step": "map_payment", "line": {"field": "name", "from": ["charge.x"]}},
        id="a line anew",
    ),
    pytest.param(
        {"edit": "set_line", "step": "map_payment", "line": {"field": "Other__c"}, "was": "Name"},
        id="a line for another field",
    ),
    pytest.param({"edit": "remove_line", "step": "map_payment", "field": "External_ID__c"}, id="no line"),
    pytest.param(
        {"edit": "move_line", "step": "map_payment", "field": "Name", "index": 0}, id="a line moved"
    ),
]


@pytest.mark.parametrize("edit", EVERY_EDIT)
def test_every_edit_is_taken_back_and_made_again_after_a_reload(draft, edit):
    before = draft.document

    after = change(draft, edit).document
    back = designer.undo(Draft.objects.get(), actor="ada", now=NOON).document
    again = designer.redo(Draft.objects.get(), actor="ada", now=NOON).document

    assert after != before
    assert (without(back, "description"), again) == (without(before, "description"), after)
    assert DraftEdit.objects.get().label


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return `document` without a part that may be empty or not there."""
    return {key: value for key, value in document.items() if key != name}


def test_each_step_of_a_long_history_is_taken_back(draft):
    states = [draft.document]
    states += [change(draft, titled("save", f"Save {number}")).document for number in range(12)]

    seen = [designer.undo(draft, actor="ada", now=NOON).document for _ in range(12)]
    again = [designer.redo(draft, actor="ada", now=NOON).document for _ in range(12)]

    assert seen == states[-2::-1]
    assert again == states[1:]
    with pytest.raises(designer.NothingToTurn):
        designer.redo(draft, actor="ada", now=NOON)


def test_a_new_change_ends_what_could_be_made_again(draft):
    change(draft, titled("save", "One"))
    designer.undo(draft, actor="ada", now=NOON)

    change(draft, titled("save", "Two"))

    with pytest.raises(designer.NothingToTurn):
        designer.redo(draft, actor="ada", now=NOON)


def test_fifty_changes_are_kept(draft):
    for number in range(55):
        change(draft, titled("save", f"Save {number}"))

    assert draft.edits.count() == 50
    with pytest.raises(designer.Conflict, match="a lot"):
        change(draft, titled("stop", "x"), revision=3)


def test_several_edits_are_one_change_or_none(draft):
    change(draft, titled("save", "One"), titled("stop", "Two"))
    with pytest.raises(Refused):
        change(draft, titled("save", "Three"), titled("nowhere", "x"))

    assert Draft.objects.get().document["steps"][1]["title"] == "One"
    assert designer.undo(draft, actor="ada", now=NOON).document == draft.document


# Two people


def test_changes_of_different_steps_are_merged(draft):
    change(draft, titled("save", "Ada was here"))

    merged = change(
        draft,
        titled("stop", "Otto too"),
        {"edit": "duplicate_step", "step": "stop"},
        actor="otto",
        revision=1,
    )

    assert merged.document["steps"][1]["title"] == "Ada was here"
    assert merged.document["steps"][2]["exits"]["yes"][0]["title"] == "Otto too"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(titled("save", "A"), titled("save", "B"), id="the same title"),
        pytest.param({"edit": "remove_step", "step": "large"}, titled("stop", "B"), id="a step that is gone"),
        pytest.param(
            titled("stop", "A"), {"edit": "remove_step", "step": "large"}, id="a step with new words"
        ),
        pytest.param(
            {"edit": "set_line", "step": "map_payment", "line": {"field": "Name", "from": ["a.b"]}},
            {"edit": "set_line", "step": "map_payment", "line": {"field": "NAME", "from": ["c.d"]}},
            id="the same line",
        ),
        pytest.param(
            {"edit": "set_line", "step": "map_payment", "line": {"field": "Name", "from": ["a.b"]}},
            {"edit": "set_settings", "step": "map_payment", "settings": {"target": "X"}},
            id="a line and all settings",
        ),
        pytest.param(
            {"edit": "remove_step", "step": "save"},
            {"edit": "add_step", "kind": "stop", "at": {"after": "save"}},
            id="behind a step that is gone",
        ),
    ],
)
def test_changes_of_the_same_step_are_refused_with_who_made_what(draft, first, second):
    after = change(draft, first, actor="ada@acme.test").document

    with pytest.raises(
        designer.Conflict, match=r"ada@acme.test changed this meanwhile \(.*12:00 UTC"
    ) as refused:
        change(draft, second, actor="otto", revision=1)

    assert refused.value.edits[0].actor == "ada@acme.test"
    assert Draft.objects.get().document == after


def test_two_people_map_two_fields_of_one_step(draft):
    change(draft, {"edit": "set_line", "step": "map_payment", "line": {"field": "A__c", "from": ["a.b"]}})
    change(
        draft,
        {"edit": "set_line", "step": "map_payment", "line": {"field": "B__c", "from": ["a.b"]}},
        actor="otto",
        revision=1,
    )

    lines = Draft.objects.get().document["steps"][0]["settings"]["lines"]
    assert [line["field"] for line in lines] == ["External_ID__c", "Name", "A__c", "B__c"]


def test_everybody_takes_back_only_what_is_their_own(draft):
    change(draft, titled("save", "Ada"))
    change(draft, titled("stop", "Otto"), actor="otto")

    after = designer.undo(draft, actor="ada", now=NOON).document

    assert after["steps"][1]["title"] == "Save"
    assert after["steps"][2]["exits"]["yes"][0]["title"] == "Otto"


def test_what_another_has_changed_since_is_not_taken_back(draft):
    change(draft, titled("save", "Ada"))
    change(draft, titled("save", "Otto"), actor="otto")

    with pytest.raises(designer.Conflict, match="otto changed this"):
        designer.undo(draft, actor="ada", now=NOON)


def test_a_revision_that_is_still_to_come_is_refused(draft):
    with pytest.raises(designer.Conflict):
        change(draft, titled("save", "x"), revision=99)


def test_a_request_that_comes_twice_changes_once(draft):
    one = {"edit": "add_step", "kind": "stop"}

    first = change(draft, one, revision=1, key="abc")
    second = change(draft, one, revision=1, key="abc")

    assert order(first) == order(second)
    assert DraftEdit.objects.count() == 1


# Ids


def test_a_copy_reads_from_its_own_steps(draft):
    copied = [step for step in DOCUMENT["steps"] if step["id"] in ("map_payment", "save")]
    after = change(draft, {"edit": "paste_steps", "steps": copied})

    pasted = after.document["steps"][-2:]
    assert [step["id"] for step in pasted] == ["map_payment_2", "save_2"]
    assert pasted[1]["settings"]["record"] == "map_payment_2"


def test_an_id_is_never_given_twice(draft):
    made = order(change(draft, {"edit": "add_step", "kind": "stop"}))[-1]
    change(draft, {"edit": "remove_step", "step": made})

    assert order(change(draft, {"edit": "add_step", "kind": "stop"}))[-1] != made


def test_a_way_that_is_renamed_keeps_its_steps(draft):
    cases = {"path": "charge.status", "cases": [{"exit": "paid", "values": ["x"]}]}
    change(draft, {"edit": "add_step", "kind": "switch", "settings": cases, "at": {"after": ""}})
    switch = order(Draft.objects.get())[0]
    change(draft, {"edit": "move_step", "step": "stop", "at": {"parent": switch, "exit": "paid"}})

    renamed = {"path": "charge.status", "cases": [{"exit": "settled", "values": ["x"]}]}
    after = change(draft, {"edit": "set_settings", "step": switch, "settings": renamed})

    assert [step["id"] for step in after.document["steps"][0]["exits"]["settled"]] == ["stop"]


# Problems, discarding, publishing


def test_problems_are_listed_by_step_whatever_else_is_missing(draft):
    change(
        draft,
        {"edit": "set_trigger", "trigger": {"kind": "stripe.event", "types": []}},
        {"edit": "set_settings", "step": "stop", "settings": {}},
        {"edit": "set_settings", "step": "save", "settings": {"record": "nothing"}},
    )

    found = designer.problems(Draft.objects.get())

    assert {problem.step for problem in found} == {"", "stop", "save"}
    assert next(problem for problem in found if problem.step == "stop").field == "reason"


def test_discarding_goes_back_to_the_version_and_can_be_taken_back(draft):
    changed = change(draft, titled("save", "Precious"))

    clean = designer.discard(changed, revision=2, actor="ada", now=NOON)
    rescued = designer.undo(clean, actor="ada", now=NOON)

    assert clean.is_changed is False
    assert rescued.document == changed.document
    assert AuditEntry.objects.filter(action="flow.draft_discarded").count() == 1
    with pytest.raises(designer.Conflict):
        designer.discard(draft, revision=1, actor="otto", now=NOON)


def test_publishing_makes_the_next_version_and_the_draft_rests_on_it(flow, draft):
    change(draft, {"edit": "rename", "name": "Money in"}, {"edit": "remove_step", "step": "large"})

    version = designer.publish_draft(draft, revision=2, note="No limit", actor="ada", now=NOON)

    flow.refresh_from_db()
    after = designer.open_draft(flow, actor="ada", now=NOON)
    assert (version.number, version.note, flow.name) == (2, "No limit", "Money in")
    assert (after.base_version, after.is_changed) == (version, False)
    assert designer.undo(after, actor="ada", now=NOON).is_changed is True


@pytest.mark.parametrize(
    ("changes", "given", "refusal"),
    [
        pytest.param([titled("save", "x")], {"note": " "}, ValueError, id="no note"),
        pytest.param(
            [{"edit": "remove_step", "step": "large"}], {"revision": 1}, designer.Conflict, id="unseen"
        ),
        pytest.param([titled("save", "x")], {}, designer.SaidAlready, id="nothing but a title"),
        pytest.param(
            [{"edit": "set_settings", "step": "stop", "settings": {}}],
            {},
            InvalidDocument,
            id="with problems",
        ),
    ],
)
def test_what_is_not_published(flow, draft, changes, given, refusal):
    change(draft, *changes)

    with pytest.raises(refusal):
        designer.publish_draft(draft, **{"revision": 2, "note": "x", "actor": "ada", "now": NOON} | given)

    assert flow.versions.count() == 1


def test_the_trail_tells_of_changing_once_until_an_hour_has_passed(draft):
    for minutes in (0, 5, 50, 111, 112):
        read = edits.read([titled("save", f"{minutes}")])
        revision = Draft.objects.get().revision
        designer.apply(draft, read, revision=revision, actor="ada", now=NOON + timedelta(minutes=minutes))

    assert AuditEntry.objects.filter(action="flow.edited").count() == 2
