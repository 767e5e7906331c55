"""What is unsound in a flow as a whole is found, and what is sound is left in peace."""

from __future__ import annotations

from typing import ClassVar

import pytest

from flows.engine import definition
from flows.mapping.fields import SrcField
from flows.mapping.sources import Sources
from flows.recipes import catalogue
from flows.steps import registry, soundness, writes
from flows.steps.create import Create, CreateSettings

LINES = [{"field": "Key__c", "from": "charge.id"}, {"field": "Name", "from": "charge.status"}]
MAP = {"id": "map", "kind": "map", "settings": {"target": "P__c", "lines": LINES}}
SAVE = {
    "id": "save",
    "kind": "salesforce.upsert",
    "settings": {"object": "P__c", "external_id": "Key__c", "record": "map"},
    "exits": {"error": [{"id": "tell", "kind": "alert", "settings": {"title": "It failed"}}]},
}
STOP = {"id": "stop", "kind": "stop", "settings": {"reason": "enough"}}
LARGE = {"all": [{"path": "charge.amount", "is": "greater", "value": 100}]}


class Charge(Create):
    """Charge a customer."""

    slug: ClassVar[str] = "stripe.charge"

    def check(self, settings, earlier):
        return []


class ChargeSettings(CreateSettings):
    """What is charged."""

    slot: str = "stripe"


Charge.settings_model = ChargeSettings
KINDS = {**registry.load(), "stripe.charge": Charge()}


def a_document(*steps):
    trigger = {"kind": "stripe.event", "types": ["charge.succeeded"]}
    raw = {"format": 1, "name": "Payments", "trigger": trigger, "steps": list(steps)}
    return definition.load(raw, kinds=KINDS)


def issues(*steps):
    document = a_document(*steps)
    return soundness.issues_of(document, KINDS, writes.writings(document, KINDS))


def codes(*steps):
    return [(issue.code, issue.step) for issue in issues(*steps)]


def condition(id_="large", **exits):
    return {"id": id_, "kind": "condition", "settings": LARGE, "exits": exits}


def named(step, id_):
    return {**step, "id": id_}


def updating(id_, path="charge.metadata.account", record="map"):
    settings = {"object": "P__c", "id": path, "record": record}
    told = {"id": f"tell_{id_}", "kind": "alert", "settings": {"title": "It failed"}}
    return {"id": id_, "kind": "salesforce.update", "settings": settings, "exits": {"error": [told]}}


def test_a_sound_flow_has_no_issues():
    assert codes(MAP, SAVE, condition(yes=[STOP])) == []


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([STOP, MAP, SAVE], id="behind a stop"),
        pytest.param([condition(yes=[STOP], no=[named(STOP, "stop2")]), MAP, SAVE], id="both ways stop"),
        pytest.param(
            [
                condition(yes=[STOP, MAP]),
                named(MAP, "m2"),
                {**SAVE, "settings": {**SAVE["settings"], "record": "m2"}},
            ],
            id="within a branch",
        ),
    ],
)
def test_steps_that_nobody_reaches_are_found(steps):
    (found, *_) = [issue for issue in issues(*steps) if issue.code == "unreachable"]

    assert (found.level, found.step) == ("error", "map")


def test_behind_a_branch_that_stops_the_others_go_on():
    assert codes(condition(yes=[STOP]), MAP, SAVE) == []


def reading(path):
    return {**MAP, "settings": {"target": "P__c", "lines": [*LINES, {"field": "More__c", "from": path}]}}


def of_each(key="each.id", **more):
    lines = [
        {"field": "Key__c", "from": key},
        *({"field": field, "from": path} for field, path in more.items()),
    ]
    return {**MAP, "settings": {"target": "P__c", "lines": lines}}


def looped(*steps, id_="loop", **settings):
    told = {"list": "charge.refunds.data", **settings}
    return {"id": id_, "kind": "for_each", "settings": told, "exits": {"each": list(steps)}}


def finding(id_="find"):
    by = [{"kind": "equal", "field": "Name", "from": "charge.id"}]
    return {"id": id_, "kind": "salesforce.find", "settings": {"object": "Account", "by": by}}


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        pytest.param([reading("steps.save.id"), SAVE], "comes later", id="a later step"),
        pytest.param([reading("steps.map.Name"), SAVE], "comes later", id="itself"),
        pytest.param([reading("steps.nothing.id"), SAVE], "does not have", id="no step at all"),
        pytest.param(
            [condition(yes=[finding()], no=[reading("steps.find.id"), SAVE])], "another way", id="another way"
        ),
    ],
)
def test_a_step_that_reads_what_is_not_there_yet_is_found(steps, says):
    (found,) = [issue for issue in issues(*steps) if issue.code == "reads_ahead"]

    assert (found.step, found.field) == ("map", "More__c")
    assert says in found.message


def test_a_step_may_read_those_before_it_and_around_it():
    each = {"id": "each", "kind": "for_each", "settings": {"list": "charge.refunds.data"}}

    assert codes(finding(), reading("steps.find.id"), SAVE) == []
    assert codes({**each, "exits": {"each": [of_each(More__c="steps.each.items"), SAVE]}}) == []


COUNTED = {"amount": "charge.amount", "currency": "charge.currency"}


def counting(**counted):
    return {**SAVE, "settings": {**SAVE["settings"], "counts_as_money": {**COUNTED, **counted}}}


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        pytest.param([looped(MAP, SAVE)], [("same_for_each", "map")], id="of the event"),
        pytest.param([MAP, looped(SAVE)], [("same_for_each", "map")], id="made before the loop"),
        pytest.param(
            [looped(looped(of_each("line.id"), SAVE), id_="outer", name="line")],
            [("same_for_each", "map")],
            id="of the element around",
        ),
        pytest.param([looped(of_each(), SAVE)], [], id="of the element"),
        pytest.param([looped(of_each("number"), SAVE)], [], id="of its number"),
        pytest.param([looped(condition(yes=[MAP, SAVE]))], [], id="of some elements only"),
    ],
)
def test_a_record_that_all_elements_of_a_list_would_write_is_found(steps, found):
    assert codes(*steps) == found


def test_what_a_step_of_the_loop_gives_is_as_different_as_what_it_reads():
    by = [{"kind": "equal", "field": "Name", "from": "each.id"}]
    of_element = {**finding(), "settings": {"object": "Account", "by": by}}

    assert codes(looped(of_element, of_each("steps.find.id"), SAVE)) == []
    assert codes(looped(finding(), of_each("steps.find.id"), SAVE)) == [("same_for_each", "map")]


def test_an_amount_that_all_elements_of_a_list_would_count_is_found():
    assert codes(looped(of_each(), counting())) == [("counted_for_each", "save")]
    assert codes(looped(of_each(), counting(amount="each.amount"))) == []
    assert codes(MAP, counting()) == []


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("Currency__c", "XXX", [("currency_not_said", "map")]),
        ("Currency__c", "EUR", []),
        ("Name", "XXX", []),
    ],
)
def test_a_currency_that_a_template_leaves_open_is_to_be_said(field, value, found):
    line = {"field": field, "chips": [{"chip": "constant", "value": value}]}
    step = {**MAP, "settings": {**MAP["settings"], "lines": [*LINES[:1], line]}}

    assert codes(step, SAVE) == found


def test_an_amount_is_counted_in_cents_in_a_loop_as_outside():
    sources = Sources(
        [SrcField("each", "object"), SrcField("each.amount", "amount"), SrcField("each.rate", "number")]
    )

    def found(path):
        (step,) = [
            step
            for step, _ in writes.walk(a_document(looped(of_each(), counting(amount=path))).steps)
            if step.id == "save"
        ]
        return [issue.code for issue in soundness.uncounted(step, KINDS, sources)]

    assert (found("each.amount"), found("each.rate")) == ([], ["not_an_amount"])


def test_a_flow_that_may_start_itself_is_found():
    settings = {"object": "P__c", "record": "map", "purpose": "charge"}
    step = {"id": "charge", "kind": "stripe.charge", "settings": settings, "exits": SAVE["exits"]}

    assert codes(MAP, step) == [("loop", "charge")]


def test_a_write_whose_failure_nobody_handles_is_told():
    assert codes(MAP, {**SAVE, "exits": {}}) == [("no_error_branch", "save")]


def test_a_record_that_nobody_saves_is_told():
    assert codes(MAP, SAVE, named(MAP, "other")) == [("unused", "other")]
    assert codes(MAP, SAVE, named(MAP, "other"), updating("update", path="steps.other.Name")) == []


def test_two_steps_that_fill_one_field_of_one_record_are_found():
    (found, *more) = issues(MAP, updating("first"), updating("second"))

    assert (found.code, found.level, found.step) == ("two_sources", "warning", "second")
    assert found.field in {"Key__c", "Name"}
    assert {issue.code for issue in more} == {"two_sources"}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([MAP, updating("first"), updating("second", path="charge.order")], id="other records"),
        pytest.param(
            [MAP, condition(yes=[updating("first")], no=[updating("second")])], id="one way or the other"
        ),
    ],
)
def test_two_steps_that_fill_fields_of_two_records_are_left_in_peace(steps):
    assert codes(*steps) == []


def test_two_flows_that_write_one_field_are_named():
    ours = writes.writings(a_document(MAP, SAVE), KINDS)
    lines = [{"field": "Loose_Key__c", "from": "charge.id"}, {"field": "name", "from": "charge.status"}]
    other = {**MAP, "settings": {"target": "P__c", "lines": lines}}
    theirs = writes.writings(a_document(other, updating("update")), KINDS)

    (found,) = soundness.shared(ours, {"Orders": theirs}, name="Payments")

    assert (found.code, found.level, found.field) == ("two_flows", "warning", "Name")
    assert found.message.startswith("Payments and Orders both write P__c.Name")


def test_a_parent_that_is_made_where_it_is_missing_takes_nothing_from_its_owner():
    both = {
        slug: writes.writings(catalogue.load(slug).document, registry.load()) for slug in catalogue.slugs()
    }

    assert list(soundness.shared(both["payments"], {"Customers": both["customers"]}, name="Payments")) == []


def test_a_path_that_nothing_gives_is_found_in_the_settings_of_steps():
    sources = Sources([SrcField("charge", "object"), SrcField("charge.amount", "amount")])
    document = a_document(condition(), MAP, updating("update", path="charge.acount"))
    found = [
        (issue.level, issue.code, issue.step, issue.field)
        for step, _ in writes.walk(document.steps)
        for issue in soundness.unknown_paths(step, KINDS, sources)
    ]

    assert found == [("error", "unknown_path", "update", "id")]


def test_a_condition_on_a_path_that_is_not_there_is_a_warning():
    (step,) = a_document(condition()).steps
    (found,) = soundness.unknown_paths(step, KINDS, Sources([SrcField("event.type", "string")]))

    assert (found.level, found.step) == ("warning", "large")


def test_the_calls_of_a_day_are_told_by_the_events():
    document = a_document(MAP, SAVE, finding(), condition())

    assert soundness.calls_per_day(document, KINDS, 1_000) == (10, 2_000)


def but_loops(*steps):
    """Return what is wrong besides that the steps write to the system whose events start the flow."""
    return [one for one in codes(*steps) if one[0] != "loop"]


def a_scope(*together, undo="enrol", **exits):
    settings = {"undo": [{"step": undo, "exit": "leave"}]}
    return {"id": "all", "kind": "scope", "settings": settings, "exits": {"try": list(together), **exits}}


ENROL = {
    "id": "enrol",
    "kind": "stripe.create",
    "settings": {"object": "customer", "purpose": "Payer", "parameters": {"name": "charge.id"}},
}
DROP = {
    "id": "drop",
    "kind": "stripe.update",
    "settings": {
        "object": "customer", "id": "steps.enrol.id", "parameters": {"description": {"value": "Undone"}},
    },
    "exits": {"error": [{"id": "sorry", "kind": "alert", "settings": {"title": "It stays"}}]},
}  # fmt: skip


def test_steps_that_are_done_together_are_handled_and_what_undoes_them_may_read_them():
    assert but_loops(a_scope(ENROL, leave=[DROP])) == []


def test_a_step_that_is_not_among_those_done_together_cannot_be_undone():
    assert but_loops(a_scope(STOP, undo="enrol", leave=[DROP])) == [
        ("reads_ahead", "drop"),
        ("cannot_be_undone", "all"),
    ]
    in_a_list = {"id": "list", "kind": "for_each", "settings": {"list": "charge.refunds"}}
    assert ("cannot_be_undone", "all") in but_loops(a_scope({**in_a_list, "exits": {"each": [ENROL]}}))


def test_a_step_that_nothing_undoes_is_told():
    assert but_loops(a_scope(ENROL)) == [("nothing_undone", "all")]


def test_a_branch_knows_nothing_of_another_and_the_steps_behind_know_of_both():
    branches = [{"exit": "left"}, {"exit": "right"}]
    fork = {"id": "fork", "kind": "parallel", "settings": {"branches": branches}}
    reads = [("reads_ahead", "drop")]

    assert but_loops({**fork, "exits": {"left": [ENROL], "right": [DROP], "error": [STOP]}}) == reads
    assert but_loops({**fork, "exits": {"left": [ENROL], "right": [], "error": [STOP]}}, DROP) == []
