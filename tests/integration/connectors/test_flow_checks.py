"""A flow is checked against the org as it is: what was changed there is found before publishing."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from flows import checking, designer, publishing
from flows.designing import edits
from flows.engine.definition import InvalidDocument, load
from flows.mapping.issues import errors_in
from flows.recipes import catalogue
from flows.recipes.currencies import in_several, is_open
from flows.steps import registry
from tests.builders import NOON, a_flow, a_pair
from tests.integration.api.conftest import Program
from tests.integration.connectors.rig import USERNAME

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def pair(crm):
    return a_pair(crm.environment, salesforce=crm)


@pytest.fixture
def payments():
    return deepcopy(catalogue.load("payments").raw)


def found(document, pair, now=NOON):
    return {(issue.code, issue.field) for issue in checking.check(document, pair, now=now)}


@pytest.mark.parametrize("slug", catalogue.slugs())
def test_a_template_has_no_errors_in_an_org_that_is_prepared(pair, slug):
    template = catalogue.load(slug)
    issues = errors_in(checking.check(template.document, pair, now=NOON))

    # An org with one currency does not tell which: a person has to, before the flow is published.
    assert {issue.code for issue in issues} == ({"currency_not_said"} if is_open(template.raw) else set())


def test_a_template_about_money_has_no_errors_in_an_org_with_several_currencies(pair, org):
    org.post("currencies", corporate="EUR", others=["JPY"])
    documents = {slug: catalogue.load(slug).raw for slug in catalogue.slugs()}
    several = {slug: in_several(raw) for slug, raw in documents.items() if is_open(raw)}

    assert several
    for slug, raw in several.items():
        document = load(raw, kinds=registry.load())
        assert (slug, errors_in(checking.check(document, pair, now=NOON))) == (slug, [])


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        pytest.param(
            {"field": "Card_Brand__c", "remove": True},
            ("no_such_field", "Card_Brand__c"),
            id="a field is gone",
        ),
        pytest.param(
            {"field": "Status__c", "choices": ["Pending", "Paid"]},
            ("not_in_picklist", "Status__c"),
            id="a picklist value is gone",
        ),
        pytest.param({"field": "Name", "length": 20}, ("too_long", "Name"), id="a text is shorter"),
    ],
)
def test_a_change_in_the_org_is_found(pair, org, payments, change, issue):
    assert issue not in found(payments, pair)
    org.post("fields", object="Payment__c", **change)

    assert issue in found(payments, pair, now=LATER)


def test_a_field_that_the_user_may_only_read_is_found(pair, org, payments):
    org.post("permissions", username=USERNAME, object="Payment__c", field="Card_Brand__c", level="readonly")

    assert ("not_writable", "Card_Brand__c") in found(payments, pair)


def test_an_object_that_the_org_does_not_have_is_found_at_the_step(pair, payments):
    payments["steps"][0]["settings"]["target"] = "Paiment__c"
    payments["steps"][1]["settings"]["object"] = "Paiment__c"

    (issue,) = [one for one in checking.check(payments, pair, now=NOON) if one.code == "no_such_object"]

    assert (issue.level, issue.step) == ("error", "save_payment")
    assert "Paiment__c" in issue.message


def test_a_path_of_another_api_version_is_found_with_what_is_meant(pair, payments):
    payments["steps"][0]["settings"]["lines"][4]["from"] = "charge.amuont"

    (issue,) = [one for one in checking.check(payments, pair, now=NOON) if one.code == "unknown_path"]

    assert (issue.level, issue.step, issue.field) == ("error", "map_payment", "Amount__c")
    assert issue.fix == "Did you mean charge.amount?"


def test_while_the_org_is_away_what_was_known_is_gone_by(pair, org, payments):
    before = checking.check(payments, pair, now=NOON)
    org.break_("before", match_path="/describe", params={"status": 503})

    assert checking.check(payments, pair, now=LATER) == before


def test_an_org_that_was_never_asked_is_a_warning_and_refuses_nothing(pair, org, payments):
    org.break_("before", match_path="/describe", params={"status": 503})

    issues = checking.check(payments, pair, now=NOON)

    assert "schema_unknown" in {issue.code for issue in issues}
    assert errors_in(issues) == []


def test_who_may_not_ask_the_org_learns_what_is_known(pair, payments):
    flow = a_flow(pair.integration)
    viewer = Program("viewer", pair.environment.workspace)
    drawer = Program("designer", pair.environment.workspace)
    path = f"flows/{flow.public_id}/check/"

    unasked = viewer.post(path, {"document": payments}).json()["issues"]
    asked = drawer.post(path, {"document": payments}).json()["issues"]
    known = viewer.post(path, {"document": payments}).json()["issues"]

    assert "it has not been read yet" in str(unasked)
    assert "schema_unknown" not in {issue["code"] for issue in asked}
    assert known == asked


# Publishing


@pytest.fixture
def draft(pair, payments):
    flow = a_flow(pair.integration)
    publishing.publish(flow=flow, document=payments, actor="ada", now=NOON)
    return designer.open_draft(flow, actor="ada", now=NOON)


def changed(draft, field):
    line = {"field": field, "from": ["charge.id"]}
    edit = edits.read([{"edit": "set_line", "step": "map_payment", "line": line}])
    return designer.apply(draft, edit, revision=draft.revision, actor="ada", now=NOON)


def published(draft, pair):
    return checking.publish(
        draft=draft, pairs=[pair], revision=draft.revision, note="More", actor="ada", now=NOON
    )


def test_what_would_fail_in_the_org_is_not_published(pair, draft):
    draft = changed(draft, "Nothing__c")

    with pytest.raises(
        InvalidDocument, match="step map_payment, Nothing__c: The org has no field Nothing__c"
    ):
        published(draft, pair)

    assert draft.flow.versions.count() == 1


def test_what_is_right_is_published_with_its_warnings(pair, draft):
    draft = changed(draft, "Order_ID__c")

    assert published(draft, pair).number == 2
