"""Changes are taken back and made again once for each request, and never with what others made since."""

from __future__ import annotations

import json

import pytest

from flows import designer
from flows.models import Draft
from tests.builders import NOON, a_person
from tests.integration.flows.drafting import change, order, titled

pytestmark = pytest.mark.django_db

GROUP = {"edit": "add_step", "kind": "condition", "at": {"after": "save"}}
IN_THE_GROUP = {"parent": "condition", "exit": "yes"}
INNER = {"edit": "add_step", "kind": "stop", "at": IN_THE_GROUP}


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(INNER, id="put behind it"),
        pytest.param({"edit": "move_step", "step": "large", "at": IN_THE_GROUP}, id="moved behind it"),
    ],
)
def test_a_step_is_not_taken_back_with_what_somebody_else_has(draft, theirs):
    change(draft, GROUP)
    before = order(change(draft, theirs, actor="otto"))

    with pytest.raises(designer.Conflict, match="otto changed this meanwhile"):
        designer.undo(draft, actor="ada", now=NOON)

    assert order(Draft.objects.get()) == before


def test_a_step_is_not_removed_again_with_what_somebody_else_put_behind_it(draft):
    change(draft, GROUP, actor="eve")
    change(draft, {"edit": "remove_step", "step": "condition"})
    designer.undo(draft, actor="ada", now=NOON)
    before = order(change(draft, INNER, actor="otto"))

    with pytest.raises(designer.Conflict):
        designer.redo(draft, actor="ada", now=NOON)

    assert order(Draft.objects.get()) == before


def test_what_is_ones_own_goes_along(draft):
    before = order(draft)
    change(draft, GROUP)
    change(draft, INNER)

    for _ in range(2):
        designer.undo(draft, actor="ada", now=NOON)

    assert order(Draft.objects.get()) == before


@pytest.mark.parametrize("act", [designer.undo, designer.redo])
def test_a_request_that_is_repeated_turns_one_change(draft, act):
    change(draft, titled("save", "One"))
    change(draft, titled("stop", "Two"))
    if act is designer.redo:
        for key in ("a", "b"):
            designer.undo(draft, actor="ada", now=NOON, key=key)

    revisions = [act(draft, actor="ada", now=NOON, key="k").revision for _ in range(3)]

    assert len(set(revisions)) == 1
    assert act(draft, actor="ada", now=NOON, key="l").revision == revisions[0] + 1


def test_the_canvas_tells_a_repeated_request_from_a_new_one(client, flow, draft):
    client.force_login(a_person("ada@acme.test", "designer"))
    for title in ("One", "Two"):
        change(draft, titled("save", title), actor="ada@acme.test")
    address = f"/w/acme/dev/flows/{flow.public_id}/design/turn/undo/"

    answers = [client.post(address, {"@revision": "3", "@key": "k"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert Draft.objects.get().document["steps"][1]["title"] == "One"


def test_the_mapper_tells_a_repeated_request_from_a_new_one(client, flow, draft):
    client.force_login(a_person("ada@acme.test", "designer"))
    for path in ("charge.status", "charge.currency"):
        line = {"field": "Name", "from": [path]}
        change(draft, {"edit": "set_line", "step": "map_payment", "line": line}, actor="ada@acme.test")
    address = f"/w/acme/dev/flows/{flow.public_id}/design/map_payment/mapping/edits/"
    body = json.dumps({"revision": 3, "edit": {"do": "undo", "key": "k"}})

    answers = [client.post(address, body, content_type="application/json") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert Draft.objects.get().document["steps"][0]["settings"]["lines"][1]["from"] == ["charge.status"]


def test_what_was_changed_is_told_without_reading_what_takes_it_back(draft):
    change(draft, titled("save", "One"))

    (edit,) = draft.edits.told()

    assert edit.get_deferred_fields() == {"forth", "back"}
    assert edit.label == "Renamed “Save” to “One”"
