"""Lines are suggested for a map step, and what people think of them is remembered in the workspace."""

from __future__ import annotations

import pytest

from connectors.models import SchemaSnapshot
from flows import suggesting
from flows.mapping.fields import SObjField, SrcField
from flows.mapping.spec import Mapping
from flows.models import MappingDecision
from flows.suggesting import NoSuchStep, NotALine, decide, for_step
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_pair, a_workspace, an_environment
from tests.integration.flows.given import a_charge, an_event

FIELDS = [
    {"name": "Id", "type": "id", "label": "Record ID", "createable": False, "updateable": False},
    {"name": "Name", "type": "string", "label": "Payment name", "length": 80, "nameField": True},
    {"name": "Amount__c", "type": "currency", "label": "Amount", "precision": 18, "scale": 2},
    {"name": "Currency__c", "type": "string", "label": "Currency", "length": 3},
    {"name": "Paid_At__c", "type": "datetime", "label": "Paid at"},
    {"name": "Rcpt_Mail__c", "type": "email", "label": "Receipt e-mail"},
    {
        "name": "Stripe_Customer__c",
        "type": "reference",
        "label": "Customer",
        "referenceTo": ["Stripe_Customer__c"],
        "relationshipName": "Stripe_Customer__r",
    },
]
LINES = [{"field": "Amount__c", "from": ["charge.amount"]}]


def a_document(lines=LINES, target="Payment__c"):
    return {
        "format": 1,
        "name": "Payments",
        "trigger": {"kind": "stripe.event", "types": ["charge.succeeded"]},
        "steps": [{"id": "describe", "kind": "map", "settings": {"target": target, "lines": lines}}],
    }


@pytest.fixture
def pair(pair):
    SchemaSnapshot.objects.create(
        connection=pair.salesforce, object="Payment__c", number=1, version="v67.0", digest="x",
        content={"name": "Payment__c", "fields": FIELDS}, taken_at=NOON, checked_at=NOON,
    )  # fmt: skip
    return pair


def suggested(pair, **more):
    return for_step(**{"document": a_document(), "step": "describe", "pair": pair, "now": NOON, **more})


def by_field(pair, **more):
    return {one.field: one for one in suggested(pair, **more).suggestions}


def of_line(pair, path, field):
    found = suggested(pair, every="field", most=50).suggestions
    return next(one for one in found if (one.path, one.field) == (path, field))


def say(pair, path, field, *, accepted, target="Payment__c", actor="ada"):
    workspace = pair.integration.workspace
    return decide(
        workspace=workspace, target=target, path=path, field=field, accepted=accepted, actor=actor, now=NOON
    )


def test_fields_that_are_not_mapped_yet_get_a_line_each(pair):
    found = by_field(pair)

    assert found["Currency__c"].path == "charge.currency"
    assert found["Paid_At__c"].path == "charge.created"
    assert found["Stripe_Customer__c"].line["field"] == "Stripe_Customer__r.External_ID__c"
    assert "Amount__c" not in found  # it has a line
    assert "Id" not in found  # nobody can fill it
    assert len({one.path for one in found.values()}) == len(found)


def test_the_lines_are_fit_to_be_used(pair):
    lines = [one.line for one in suggested(pair).suggestions if one.line]

    assert len(Mapping.model_validate({"target": "Payment__c", "lines": lines}).lines) == len(lines)


def test_a_look_up_line_counts_for_its_field(pair):
    line = {"field": "Stripe_Customer__r.External_ID__c", "from": ["charge.customer"]}

    assert "Stripe_Customer__c" not in by_field(pair, document=a_document([line]))


def test_what_was_rejected_is_never_suggested_for_the_object_again(pair):
    say(pair, "charge.currency", "Currency__c", accepted=False)

    found = suggested(pair, every="field", most=50).suggestions

    assert ("charge.currency", "Currency__c") not in {(one.path, one.field) for one in found}


def test_what_was_rejected_for_one_object_may_fit_another(pair):
    say(pair, "charge.currency", "Currency__c", accepted=False, target="Refund__c")

    assert by_field(pair)["Currency__c"].path == "charge.currency"


def test_what_was_accepted_weighs_more(pair):
    line = ("charge.billing_details.email", "Rcpt_Mail__c")
    before = of_line(pair, *line)
    say(pair, *line, accepted=True)

    after = of_line(pair, *line)

    assert after.parts["history"] == pytest.approx(0.15)
    assert after.score == pytest.approx(before.score + 0.15)
    assert after.reason.startswith("Somebody accepted this before")


def test_the_newest_word_counts_and_both_are_in_the_trail(pair):
    say(pair, "charge.currency", "Currency__c", accepted=False, actor="ada")
    say(pair, "charge.currency", "Currency__c", accepted=True, actor="otto")
    say(pair, "charge.currency", "Currency__c", accepted=True, actor="otto")

    kept = MappingDecision.objects.get()
    assert (kept.verdict, kept.decided_by) == ("accepted", "otto")
    acts = AuditEntry.objects.filter(action__startswith="suggestion.").order_by("position")
    assert [(one.actor, one.action, one.target) for one in acts] == [
        ("ada", "suggestion.rejected", "Payment__c.Currency__c"),
        ("otto", "suggestion.accepted", "Payment__c.Currency__c"),
    ]


def test_another_workspace_remembers_nothing_of_it(pair):
    say(pair, "charge.currency", "Currency__c", accepted=False)
    other = a_pair(an_environment("dev", a_workspace("globex")))

    found = suggesting.lines(
        workspace=other.integration.workspace, target="Payment__c",
        **suggested_from(pair),
    )  # fmt: skip

    assert ("charge.currency", "Currency__c") in {(one.path, one.field) for one in found}


def suggested_from(pair):
    return {
        "sources": suggesting.fields.source_fields(pair, ["charge.succeeded"], now=NOON),
        "targets": suggesting.fields.target_fields(pair, "Payment__c", now=NOON),
    }


@pytest.mark.parametrize(
    ("path", "field", "target"),
    [
        pytest.param("charge..amount", "Amount__c", "Payment__c", id="no path"),
        pytest.param("charge.amount", "Amount c", "Payment__c", id="no field"),
        pytest.param("charge.amount", "Amount__c", "Payment__c; DROP", id="no object"),
        pytest.param("charge.amount", "Amount__c\n", "Payment__c", id="a line end behind the name"),
    ],
)
def test_what_is_not_a_line_is_not_remembered(pair, path, field, target):
    with pytest.raises(NotALine):
        say(pair, path, field, accepted=True, target=target)

    assert not MappingDecision.objects.exists()


@pytest.mark.parametrize(
    ("document", "step"),
    [
        pytest.param(a_document(), "elsewhere", id="no such step"),
        pytest.param(a_document(target=""), "describe", id="no object yet"),
        pytest.param({"steps": []}, "describe", id="an empty draft"),
    ],
)
def test_without_a_map_step_nothing_is_suggested(pair, document, step):
    with pytest.raises(NoSuchStep):
        suggested(pair, document=document, step=step)


def test_recorded_values_speak_for_those_who_may_see_them_only(pair):
    an_event(pair.stripe, a_charge(metadata={"receipt": "ann@example.com"}))

    seen, unseen = (
        next(
            one.parts["type"]
            for one in suggested(pair, values=values, every="field", most=50).suggestions
            if (one.path, one.field) == ("charge.metadata.receipt", "Rcpt_Mail__c")
        )
        for values in (True, False)
    )

    assert seen > unseen


def test_no_value_is_told(pair):
    an_event(pair.stripe, a_charge(metadata={"receipt": "ann@example.com"}))

    assert "ann@example.com" not in str(suggested(pair, values=True, every="field", most=50))


@pytest.mark.django_db
def test_the_id_of_an_object_is_the_key_of_its_record_and_may_be_looked_up_as_well():
    gone = SrcField("invoice.external_id", "id", removed="invoice.id")
    sources = [SrcField("invoice", "object"), SrcField("invoice.id", "id"), SrcField("event.id", "id"), gone]
    key = SObjField(name="External_ID__c", label="External ID", type="string", length=255, external_id=True)
    charge = SObjField(name="Charge_ID__c", label="Charge ID", type="string", length=255)
    relation = SObjField(
        name="Stripe_Invoice__c",
        label="Stripe Invoice",
        type="reference",
        references=("Stripe_Invoice__c",),
        relationship="Stripe_Invoice__r",
    )

    found = suggesting.lines(
        workspace=a_workspace(), target="Payment__c", sources=sources, targets=[charge, key, relation]
    )

    paths = {one.field: one.path for one in found if one.field != "Charge_ID__c"}
    assert paths == dict.fromkeys(("External_ID__c", "Stripe_Invoice__c"), "invoice.id")
    assert [one.field for one in suggesting.sure(found)] == ["External_ID__c"]
