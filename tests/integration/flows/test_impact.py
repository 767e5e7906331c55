"""What a change of objects means for a live flow is told line by line, and mended in its draft."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.models import Connection, SchemaSnapshot
from connectors.stripe import schema as sdk
from flows import designer, seen
from flows.designing import edits, taking
from flows.impact import applying, drafts, finding, keeping
from flows.impact.applying import Standing
from flows.models import Deployment, FlowVersion, Impact, Pair
from tests.builders import NOON, a_flow
from tests.integration.flows.changed import (
    AMOUNT,
    KEY,
    LATER,
    NOTE,
    NOW,
    OWNER,
    STATUS,
    STATUSES,
    STEPS,
    described,
    found,
    impact_of,
    line_of,
    mapping,
    picks,
    without,
)  # fmt: skip
from tests.integration.flows.given import a_charge, a_live_flow, an_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def mapped(live: Deployment) -> Deployment:
    """Return a live flow whose org can be changed."""
    return mapping(live)


@pytest.mark.parametrize(
    ("fields", "severity", "mend", "after"),
    [
        pytest.param(
            [*without("Note__c"), {"name": "Remark__c", "label": "Note"}],
            "fails", "Write it to “Note” (Remark__c) instead",
            {"field": "Remark__c", "from": ["charge.description"]},
            id="another name",
        ),
        pytest.param(
            [*without("Note__c"), {**NOTE, "length": 20}],
            "may", "Cut the text to 20 characters",
            {"field": "Note__c", "from": ["charge.description"],
             "chips": [{"chip": "text", "max_length": 20, "truncate": True}]},
            id="shorter",
        ),
        pytest.param(
            [*without("Status__c"), picks("Paid", "Failed")],
            "fails", "Write “Paid” instead of “Completed”",
            {"field": "Status__c", "from": ["charge.status"],
             "chips": [{"chip": "value_map", "map": {**STATUSES, "succeeded": "Paid"}}]},
            id="a picklist without a value",
        ),
        pytest.param(
            [*without("Note__c"), {**NOTE, "nillable": False}],
            "may", "Write “Not given” where there is no value",
            {"field": "Note__c", "from": ["charge.description"], "empty": "skip",
             "chips": [{"chip": "default", "value": "Not given"}]},
            id="a value is needed",
        ),
    ],
)  # fmt: skip
def test_a_change_is_told_at_its_line_with_what_mends_it(
    mapped: Deployment, fields: Any, severity: str, mend: str, after: dict[str, Any]
) -> None:
    described(mapped.pair.salesforce, 2, *fields)

    (one,) = found(mapped).values()
    done = applying.mend(deployment=mapped, actor="ada", now=LATER, keys=[one.key])

    lines = [line["field"] for line in STEPS[1]["settings"]["lines"]]
    assert (one.severity, one.step, one.title) == (severity, "map", "Describe")
    assert lines[one.place - 1] == one.field
    assert one.mends[0].label == mend
    assert line_of(done.draft, after["field"]) == after
    assert applying.standing(mapped, now=LATER) == Standing(frozenset())
    assert mapped.version.document["steps"] == STEPS  # nothing goes live by itself


def test_a_line_of_a_sub_flow_is_told_and_mended_where_it_stands(mapped: Deployment) -> None:
    call: dict[str, Any] = {"id": "shared", "kind": "sub_flow", "title": "Shared", "settings": {"flow": "x"}}
    taking.take(call, {"trigger": {"kind": "flow"}, "steps": STEPS[1:]}, 1)
    mapped.version.document = {**mapped.version.document, "steps": [STEPS[0], call]}
    mapped.version.save()
    described(mapped.pair.salesforce, 2, *without("Note__c"))

    (one,) = found(mapped).values()

    assert (one.severity, one.step, one.title) == ("fails", "shared__map", "Shared › Describe")
    assert (one.mends, one.fix[:29]) == ([], "Change it in the sub-flow x, ")


def test_a_field_that_is_required_now_gets_a_line(mapped: Deployment) -> None:
    needed = {"name": "Description__c", "label": "Description", "nillable": False}
    described(mapped.pair.salesforce, 2, KEY, NOTE, STATUS, AMOUNT, needed)

    (one,) = found(mapped).values()
    names = [mend.name for mend in one.mends]
    done = applying.mend(deployment=mapped, actor="ada", now=LATER, choices={one.key: "fixed"})

    assert (one.field, one.severity, one.place) == ("Description__c", "fails", None)
    assert "fixed" in names
    assert line_of(done.draft, "Description__c")["chips"] == [{"chip": "constant", "value": "Not given"}]


def test_a_field_that_a_step_looks_by_is_exchanged_in_its_settings(mapped: Deployment) -> None:
    described(mapped.pair.salesforce, 2, {"name": "Mail__c", "label": "E-mail"}, name="Firm__c")

    (one,) = found(mapped).values()
    done = applying.mend(deployment=mapped, actor="ada", now=LATER)

    assert (one.step, one.field, one.severity) == ("look", "Email__c", "fails")
    assert done.draft.document["steps"][0]["settings"]["by"][0]["field"] == "Mail__c"


def test_a_key_is_exchanged_in_its_line_and_in_the_step_that_saves(mapped: Deployment) -> None:
    described(mapped.pair.salesforce, 2, {**KEY, "name": "Stripe_Key__c"}, NOTE, STATUS, AMOUNT)

    (one,) = found(mapped).values()
    done = applying.mend(deployment=mapped, actor="ada", now=LATER)

    assert [mend.name for mend in one.mends] == ["replace"]
    assert line_of(done.draft, "Stripe_Key__c")["from"] == ["charge.id"]
    assert done.draft.document["steps"][2]["settings"]["external_id"] == "Stripe_Key__c"


def test_lines_of_a_missing_parent_are_mended_in_the_step_that_makes_it(mapped: Deployment) -> None:
    mail = {**OWNER, "externalId": True, "unique": True, "idLookup": True}
    lines = [
        {"field": "Email__c", "from": ["customer.email"]},
        {"field": "Note__c", "from": ["customer.description"]},
    ]
    parent = {
        "field": "Firm__r", "object": "Firm__c", "external_id": "Email__c", "read": "customer",
        "id": ["charge.customer"], "lines": lines,
    }  # fmt: skip
    _, mapping_step, saving = mapped.version.document["steps"]
    mapping_step["settings"]["lines"].append({"field": "Firm__r.Email__c", "from": ["charge.customer"]})
    saving["settings"]["parents"] = [parent]
    mapped.version.save()
    SchemaSnapshot.objects.filter(object="Firm__c").delete()
    described(mapped.pair.salesforce, 1, mail, NOTE, name="Firm__c")
    described(
        mapped.pair.salesforce, 2, {**mail, "name": "Mail__c"}, {"name": "Remark__c", "label": "Note"},
        name="Firm__c",
    )  # fmt: skip
    keeping.renew_due(now=LATER)

    done = applying.mend(deployment=mapped, actor="ada", now=LATER)

    assert done.draft.document["steps"][2]["settings"]["parents"] == [
        {**parent, "external_id": "Mail__c", "lines": [
            {"field": "Mail__c", "from": ["customer.email"]},
            {"field": "Remark__c", "from": ["customer.description"]},
        ]}
    ]  # fmt: skip
    assert done.left == 0


def test_mends_that_are_too_many_for_one_change_are_made_one_after_the_other(
    mapped: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed, short = {**KEY, "name": "Stripe_Key__c"}, {**NOTE, "length": 20}
    described(mapped.pair.salesforce, 2, renamed, short, picks("Paid", "Failed"), AMOUNT)
    keeping.renew_due(now=LATER)
    monkeypatch.setattr(edits, "MOST_AT_ONCE", 3)  # to exchange a key takes two edits

    first = applying.mend(deployment=mapped, actor="ada", now=LATER)
    second = applying.mend(deployment=mapped, actor="ada", now=LATER)

    assert (first.count, first.left) == (2, 1)
    assert (second.count, second.left) == (1, 0)
    assert applying.standing(mapped, now=LATER) == Standing(frozenset())


def test_of_two_lines_that_want_the_same_field_one_gets_it(mapped: Deployment) -> None:
    mapped.version.document["steps"][1]["settings"]["lines"].append(
        {"field": "Notes__c", "from": ["charge.receipt_email"]}
    )
    mapped.version.save()
    SchemaSnapshot.objects.filter(object="Payment__c").delete()
    described(mapped.pair.salesforce, 1, KEY, NOTE, STATUS, AMOUNT, {"name": "Notes__c", "label": "Notes"})
    new = {"name": "Note_Text__c", "label": "Note text"}
    described(mapped.pair.salesforce, 2, *without("Note__c"), new)
    keeping.renew_due(now=LATER)

    first = applying.mend(deployment=mapped, actor="ada", now=LATER)
    second = applying.mend(deployment=mapped, actor="ada", now=LATER)

    assert (first.count, second.count) == (1, 1)
    lines = second.draft.document["steps"][1]["settings"]["lines"]
    assert [line["field"] for line in lines] == ["Key__c", "Note_Text__c", "Status__c", "Amount__c"]


def test_what_the_checks_would_not_let_pass_is_not_offered(mapped: Deployment) -> None:
    only_set_once = {"name": "Remark__c", "label": "Note", "updateable": False}
    described(mapped.pair.salesforce, 2, *without("Note__c"), only_set_once)

    (one,) = found(mapped).values()

    assert [mend.name for mend in one.mends] == ["remove"]


def test_mends_take_a_bounded_time_and_only_what_is_asked_for(
    mapped: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = {
        "field": "Firm__r", "object": "Firm__c", "external_id": "Email__c", "read": "customer",
        "id": ["charge.customer"], "lines": [{"field": "Email__c", "from": ["customer.email"]}],
    }  # fmt: skip
    _, mapping_step, saving = mapped.version.document["steps"]
    mapping_step["settings"]["lines"].append({"field": "Firm__r.Email__c", "from": ["charge.customer"]})
    saving["settings"]["parents"] = [parent]
    mapped.version.save()
    described(mapped.pair.salesforce, 2, KEY, {**NOTE, "length": 20}, picks("Paid", "Failed"), AMOUNT)
    looked: list[list[str]] = []
    usual = seen.look
    monkeypatch.setattr(
        seen, "look", lambda ids, types, **more: looked.append(list(types)) or usual(ids, types, **more)
    )
    desk = finding.desk_of(
        mapped.version.document, flow=mapped.flow, pair=mapped.pair, moment=NOON, now=LATER
    )
    assert desk is not None

    every = finding.findings(desk)
    one = finding.findings(desk, only=[every[0].key])
    none = finding.findings(desk, seconds=0)

    assert [bool(each.mends) for each in every] == [True, True]
    assert [bool(each.mends) for each in one] == [True, False]
    assert [bool(each.mends) for each in none] == [False, False]
    assert looked.count(["customer.updated"]) == 1  # many bodies are opened for it


def test_events_that_would_fail_are_counted_and_what_is_well_is_not(mapped: Deployment) -> None:
    refused_before = "x" * 100
    for text in ("short", "longer than it may be", "longer still than it may be", None, refused_before):
        an_event(mapped.pair.stripe, a_charge(description=text, receipt_email=None))
    described(mapped.pair.salesforce, 2, *without("Note__c"), {**NOTE, "length": 10})

    impact = impact_of(mapped)

    (one,) = keeping.findings_of(impact)
    assert (impact.events, impact.failing, one.failing) == (5, 2, 2)
    assert (impact.severity, one.severity) == ("fails", "fails")
    assert impact.example


def test_a_label_is_good_to_know_and_a_field_that_nobody_uses_is_not_told(mapped: Deployment) -> None:
    described(
        mapped.pair.salesforce, 2, *without("Note__c"), {**NOTE, "label": "Remark"}, {"name": "Other__c"}
    )

    (one,) = found(mapped).values()

    assert (one.field, one.severity, one.mends) == ("Note__c", "know", [])


def test_a_path_that_stripe_has_no_more_is_read_where_stripe_says_it_now(mapped: Deployment) -> None:
    book = {"all": [{"path": "charge.description", "is": "equal", "value": "A book"}]}
    mapped.version.document["steps"].append({"id": "book", "kind": "condition", "settings": book})
    mapped.version.save()
    before = [
        {"path": field.path, "type": field.type, "text": "", "values": list(field.values), "open": False,
         "nullable": field.nullable, "expands": [], "deprecated": False, "removed": ""}
        for field in sdk.fields_of("charge")
    ]  # fmt: skip
    after = [
        {**one, "removed": "calculated_statement_descriptor"} if one["path"] == "description" else one
        for one in before
    ]
    for number, fields in ((1, before), (2, after)):
        at = NOON + timedelta(days=2 * number - 3)
        SchemaSnapshot.objects.create(
            connection=mapped.pair.stripe, object="charge", number=number, version=str(sdk.release()),
            digest=f"{number}", content={"name": "charge", "text": "", "fields": fields}, taken_at=at,
            checked_at=at,
        )  # fmt: skip
    Connection.objects.filter(pk=mapped.pair.stripe_id).update(api_version=sdk.release().api)
    an_event(mapped.pair.stripe, a_charge(description="A book", receipt_email=None))
    keeping.renew_due(now=LATER)

    impact = Impact.objects.get(deployment=mapped)
    one, other = keeping.findings_of(impact)
    done = applying.mend(deployment=mapped, actor="ada", now=LATER)

    assert (one.system, one.object, one.field, one.severity) == ("stripe", "charge", "Note__c", "fails")
    assert (other.step, other.field) == ("book", "charge.description")
    assert one.changed == ["description has gone. Use calculated_statement_descriptor."]
    assert (impact.failing, one.failing) == (1, 1)
    assert line_of(done.draft, "Note__c")["from"] == [NOW]
    assert done.draft.document["steps"][3]["settings"]["all"][0]["path"] == NOW


def test_a_flow_that_cannot_be_looked_at_keeps_no_other_from_it(
    mapped: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = a_live_flow(mapped.pair, slug="other")
    usual, failed = finding.desk_of, dict[int, str]()
    tried: list[Any] = []

    def odd(document: Any, **given: Any) -> Any:
        if given["flow"] == mapped.flow:
            tried.append(given["now"])
            raise RuntimeError("an odd kind of step")
        return usual(document, **given)

    monkeypatch.setattr(finding, "desk_of", odd)

    keeping.renew_due(now=LATER, failed=failed)
    keeping.renew_due(now=LATER, failed=failed)

    assert [one.deployment for one in Impact.objects.all()] == [other]
    assert len(tried) == 1  # it would only fail again, until something is otherwise
    described(mapped.pair.salesforce, 2, KEY)
    keeping.renew_due(now=LATER, failed=failed)
    assert len(tried) == 2


def test_what_has_not_changed_is_not_worked_out_again(mapped: Deployment) -> None:
    assert keeping.renew_due(now=LATER) == 1
    assert keeping.renew_due(now=LATER) == 0

    described(mapped.pair.salesforce, 2, KEY)

    assert keeping.renew_due(now=LATER) == 1


def test_another_version_ends_what_was_told(mapped: Deployment) -> None:
    described(mapped.pair.salesforce, 2, *without("Note__c"))
    assert impact_of(mapped).is_wrong
    again = FlowVersion.objects.create(
        flow=mapped.flow, number=2, document=mapped.version.document, content_hash="2",
        published_at=LATER, published_by="ada",
    )  # fmt: skip
    mapped.end(now=LATER)
    Deployment.objects.create(
        flow=mapped.flow, version=again, pair=mapped.pair, deployed_at=LATER, deployed_by="ada"
    )

    keeping.renew_due(now=LATER)

    assert [one.severity for one in Impact.objects.all()] == [""]


def test_a_draft_of_what_is_not_live_is_told_as_well(mapped: Deployment, pair: Pair) -> None:
    flow = a_flow(pair.integration, slug="second")
    draft = designer.open_draft(flow, actor="ada", now=NOON)
    draft.become(mapped.version.document, step_ids=[], actor="ada", now=NOON)
    described(pair.salesforce, 2, *without("Note__c"))

    (one,) = drafts.concerned(pair.environment, now=LATER)

    assert (one.draft.flow, one.lines) == (flow, 1)
