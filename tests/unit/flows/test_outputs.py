"""What a step can read of those before it is known before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.stripe import schema
from connectors.stripe.roots import named_for
from flows import outputs, subjects
from flows.engine.definition import FlowDocument, StepDefinition, walk
from flows.mapping.fields import PickValue, SObjField, SrcField
from flows.outputs import step_fields, steps_before
from flows.recipes import catalogue
from flows.steps import registry

MAP = {
    "target": "Account",
    "lines": [{"field": "Name", "from": "charge.id"}, {"field": "Owner.Key__c", "from": "charge.id"}],
}
ACCOUNT = [
    SObjField("Name", label="Account name"),
    SObjField("AnnualRevenue", type="currency"),
    SObjField("Rating", type="picklist", picklist=(PickValue("Hot"), PickValue("Old", active=False))),
]


def a_document(*steps: dict[str, Any]) -> FlowDocument:
    trigger = {"kind": "stripe.event", "types": ["invoice.paid"]}
    return FlowDocument.model_validate(
        {"format": 1, "name": "Flow", "trigger": trigger, "steps": list(steps)}
    )


def a_step(id: str, kind: str = "alert", *, settings: Any = None, **exits: list[Any]) -> dict[str, Any]:
    return {"id": id, "kind": kind, "settings": settings or {}, "exits": exits}


def paths(document: FlowDocument, step: str, **more: Any) -> list[str]:
    return [field.path for field in step_fields(document, step, **more)]


def test_steps_before_are_those_in_the_lists_around_and_in_their_branches():
    document = a_document(
        a_step("first"),
        a_step("choice", "condition", yes=[a_step("inner"), a_step("here")], no=[a_step("other")]),
        a_step("last"),
    )

    assert [one.step.id for one in steps_before(document, "here")] == ["first", "choice", "inner"]
    assert [(one.step.id, one.maybe) for one in steps_before(document, "last")] == [
        ("first", False),
        ("choice", False),
        ("inner", True),
        ("here", True),
        ("other", True),
    ]


def test_what_only_some_runs_have_done_may_be_without_a_value():
    create = a_step("create", "salesforce.create")
    document = a_document(a_step("find", "salesforce.find", none=[create]), a_step("here"))

    fields = {field.path: field for field in step_fields(document, "here")}

    assert fields["steps.create.id"].nullable


def test_an_unknown_step_is_told():
    with pytest.raises(LookupError, match="no step nowhere"):
        steps_before(a_document(a_step("first")), "nowhere")


def test_a_map_step_gives_the_fields_that_it_fills_with_the_types_of_the_org():
    document = a_document(a_step("account", "map", settings=MAP), a_step("here"))

    assert step_fields(document, "here", describe=lambda name: ACCOUNT if name == "Account" else ()) == [
        SrcField("steps.account.Name", "string", desc="Account name", nullable=True)
    ]
    assert step_fields(document, "here")[0].type == "unknown"


def test_a_found_record_gives_its_id_and_the_fields_that_were_asked_for():
    find = {
        "object": "Account",
        "by": [{"kind": "id", "from": "charge.id"}],
        "fields": ["AnnualRevenue", "Rating"],
    }
    document = a_document(a_step("find", "salesforce.find", settings=find), a_step("here"))

    fields = {field.path: field for field in step_fields(document, "here", describe=lambda _: ACCOUNT)}

    assert fields["steps.find.id"].type == "id"
    assert fields["steps.find.record.AnnualRevenue"].type == "number"
    assert fields["steps.find.record.Rating"].values == ("Hot",)
    assert "steps.find.record.Name" in fields  # by which a person tells records apart


def test_a_query_gives_what_it_selects_in_the_spelling_of_the_org():
    query = {"soql": "SELECT Id, name, annualrevenue FROM Account WHERE Name = 'FROM here'"}
    document = a_document(a_step("query", "salesforce.query", settings=query), a_step("here"))

    found = paths(document, "here", describe=lambda name: ACCOUNT if name == "Account" else ())

    assert {"steps.query.count", "steps.query.record.AnnualRevenue", "steps.query.records[0].Name"} <= set(
        found
    )


def test_a_read_object_gives_what_the_sdk_says_of_it():
    read = {"type": "invoice", "id": "charge.id", "expand": ["customer"]}
    document = a_document(a_step("read", "stripe.retrieve", settings=read), a_step("here"))

    fields = {field.path: field for field in step_fields(document, "here")}

    assert fields["steps.read.amount_due"].type == "amount"
    assert fields["steps.read.customer.email"].type == "string"
    assert fields["steps.read.tax"].removed == "steps.read.total_taxes[0].amount"


def test_the_element_of_a_list_is_a_root_inside_of_its_body_only():
    sources = [
        SrcField("invoice.lines", "list"),
        SrcField("invoice.lines.data[0].amount", "amount", samples=(5,), seen=1.0),
        SrcField("invoice.discounts[0].id", "id"),
    ]
    loop = a_step(
        "lines", "for_each", settings={"list": ["invoice.lines"], "name": "line"}, each=[a_step("inner")]
    )
    document = a_document(loop, a_step("behind"))

    inside = {field.path: field for field in step_fields(document, "inner", sources=sources)}

    assert set(inside) == {"line", "number", "line.amount"}
    assert inside["line.amount"].type == "amount"
    assert paths(document, "behind", sources=sources) == ["steps.lines.count"]


def test_behind_its_failure_a_step_has_given_nothing():
    document = a_document(a_step("save", "salesforce.upsert", error=[a_step("here")]), a_step("behind"))

    assert paths(document, "here") == []
    assert "steps.save.id" in paths(document, "behind")


def test_a_kind_of_an_installed_package_gives_something_unknown():
    document = a_document(a_step("theirs", "their.kind"), a_step("here"))

    assert step_fields(document, "here") == [
        SrcField("steps.theirs", "unknown", desc="What “theirs” gives.", nullable=True)
    ]


@pytest.mark.parametrize(
    "settings", [{}, {"lines": 7, "target": None}, {"lines": [None, {"field": 3}]}, {"list": {"a": 1}}]
)
@pytest.mark.parametrize("kind", sorted(outputs.GIVES))
def test_settings_that_are_half_written_do_no_harm(kind, settings):
    document = a_document(a_step("before", kind, settings=settings, each=[a_step("here")]), a_step("behind"))

    assert isinstance(paths(document, "here") + paths(document, "behind"), list)


def test_every_kind_says_what_it_gives():
    assert set(outputs.GIVES) == {kind.slug for kind in registry.OURS}


@pytest.mark.parametrize("slug", catalogue.slugs())
def test_every_path_of_the_templates_is_known(slug):
    document = catalogue.load(slug).document
    sources = [
        *_of_events(document.trigger.types if document.trigger.kind == "stripe.event" else []),
        *(SrcField(f"event.{name}") for name in ("id", "type", "livemode", "created")),
    ]
    roots = {field.path for field in sources}

    unknown = [
        (step.id, path)
        for step, _ in walk(document.steps)
        for path in _paths_of(step)
        if path not in roots | set(paths(document, step.id, sources=sources))
        and ".metadata." not in path  # whose keys are the merchant's own
        and not (
            document.trigger.root and path.startswith(f"{document.trigger.root}.")
        )  # of the org's object
    ]

    assert unknown == []


def _of_events(types: list[str]) -> Iterator[SrcField]:
    for kind in types:
        for root, expand in named_for(subjects.object_of(kind)).items():
            yield from (outputs.of_stripe(field, root) for field in schema.fields_of(root, expand))


def _paths_of(step: StepDefinition) -> list[str]:
    lines = step.settings.get("lines", ())
    return [
        path
        for line in lines
        for path in ([line["from"]] if isinstance(line.get("from"), str) else line.get("from", ()))
    ]
