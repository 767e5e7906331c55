"""Flows that Salesforce starts: what they read, what is checked of them, and how they are tried out."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.models import Topic
from flows import checking, fields
from flows.designing import starting
from flows.models import Flow, Pair
from flows.trials import cases, desk, from_org, shadows
from flows.trials.desk import Source, Wish
from flows.trials.occasions import of_event
from flows.trials.results import Trial
from flows.trials.running import ready, try_out
from flows.trials.unusable import Unusable
from integrator.accounts.models import AuditEntry
from integrator.kernel.errors import Transient
from tests.builders import NOON, a_flow
from tests.integration.flows.bus import ACCOUNT, STAMP, changed, describe, list_objects, told

OTHER = "001000000000002AAA"
CHANGES = {"kind": "salesforce.change", "object": "Account", "changes": ["created", "updated"]}
RENAME = {
    "id": "rename",
    "kind": "stripe.update",
    "settings": {"object": "customer", "id": "Account.Phone", "parameters": {"name": "Account.Name"}},
}
ONLY_NAMED = {"all": [{"path": ["Account.Name"], "is": "present"}]}


def a_document(**trigger: Any) -> dict[str, Any]:
    return {"format": 1, "name": "Accounts", "trigger": CHANGES | trigger, "steps": [RENAME]}


@pytest.fixture
def known(pair: Pair) -> Pair:
    """Return a pair whose org is known, and listened to."""
    describe(pair.salesforce)
    describe(pair.salesforce, "User", [{"name": "Name", "type": "string"}])
    list_objects(pair.salesforce, "Account", "AccountChangeEvent", "User")
    Topic.objects.create(connection=pair.salesforce, name="/data/ChangeEvents", created_at=NOON)
    return pair


# What is read


def test_paths_have_the_values_that_events_told(known):
    told(known.salesforce, "Account.created", {"Name": "Acme"}, ACCOUNT)
    changed(known.salesforce, Phone="+1 555")

    start = starting.of(a_document())
    found = {one.path: one for one in fields.start_fields(known, start, now=NOON, values=True, ask=False)}

    assert (found["Account.Name"].samples, found["Account.Name"].seen) == (("Acme",), 1.0)
    assert (found["Account.Phone"].samples, found["Account.Phone"].seen) == (("+1 555",), 0.0)
    assert "customer.id" not in found


# What is checked


def issues(pair: Pair, document: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = checking.check(document, pair, now=NOON, ask=False)
    return [(one.level, one.code, one.field) for one in found if one.code != "no_error_branch"]


def test_a_sound_flow_has_no_issues(known):
    assert issues(known, a_document(fields=["Name"], when=ONLY_NAMED)) == []


@pytest.mark.parametrize(
    ("trigger", "issue"),
    [
        pytest.param({"fields": ["Nmae"]}, ("error", "no_such_field", "fields"), id="no such field"),
        pytest.param({"fields": ["Score__c"]}, ("warning", "never_changes", "fields"), id="a formula"),
        pytest.param(
            {"when": {"all": [{"path": ["Account.Nmae"], "is": "present"}]}},
            ("error", "unknown_path", "when"), id="a condition on nothing",
        ),
    ],
)  # fmt: skip
def test_what_the_trigger_names_has_to_be_there(known, trigger, issue):
    assert issues(known, a_document(**trigger)) == [issue]


def test_an_object_has_to_be_there_and_tell_its_changes(known):
    document = a_document(object="User") | {"steps": [RENAME | {"settings": RENAME["settings"] | {
        "id": "User.Name", "parameters": {"name": "User.Name"}}}]}  # fmt: skip

    assert ("error", "no_change_events", "object") in issues(known, document)
    assert issues(known, a_document(object="Nothing__c"))[-1:] == [("warning", "schema_unknown", "object")]


def test_an_object_has_to_be_named_as_the_org_writes_it(known):
    describe(known.salesforce, "account")

    assert ("error", "other_letters", "object") in issues(known, a_document(object="account"))


def test_a_topic_has_to_be_listened_to(known):
    Topic.objects.all().delete()
    assert issues(known, a_document()) == [("warning", "not_listened", "object")]

    Topic.objects.create(connection=known.salesforce, name="/data/AccountChangeEvent", created_at=NOON)
    assert issues(known, a_document()) == []


def test_money_of_salesforce_is_no_amount_of_stripe(known):
    charged = {"id": "item", "kind": "stripe.create", "settings": {
        "object": "invoiceitem", "purpose": "item",
        "parameters": {"customer": "Account.Phone", "amount": "Account.AnnualRevenue"}}}  # fmt: skip
    found = checking.check(a_document() | {"steps": [charged]}, known, now=NOON, ask=False)

    (wrong,) = [one for one in found if one.code == "wrong_type"]
    assert "Account.AnnualRevenue is no value for amount" in wrong.message
    assert "money.minor" in wrong.fix


def test_what_a_flow_of_salesforce_costs_is_counted_by_the_org_s_events(known):
    for _ in range(3):
        changed(known.salesforce)

    assert checking.cost(a_document(), known, now=NOON).events == 3


# Trials


def record(**values: Any) -> dict[str, Any]:
    return {"Id": ACCOUNT, "SystemModstamp": STAMP, "Name": "Acme", "Phone": "cus_1"} | values


@pytest.fixture
def org(systems: Any) -> Any:  # the fixture above
    """Return both systems, whose org has an Account."""
    systems.answers["find"] = lambda _: {"records": [record()]}
    systems.objects["cus_1"] = {"id": "cus_1", "object": "customer", "name": "Old"}
    return systems


def tried(pair: Pair, event: Any, *, live: bool = False, **trigger: Any) -> Trial:
    return try_out(ready(a_document(**trigger)), of_event(event), pair=pair, at=NOON, live=live).trial


def test_the_record_is_read_anew_and_nothing_is_written(known, org):
    trial = tried(known, changed(known.salesforce, Name="Acme"), live=True)

    assert (trial.ending, trial.starts) == ("done", True)
    assert [(one.object, one.key, one.fields) for one in trial.records] == [
        ("customer", "cus_1", {"name": "Acme"})
    ]
    assert org.made("update") == []


def test_an_update_tells_too_little_to_stand_in_for_its_record(known):
    assert tried(known, changed(known.salesforce, Name="Acme")).ending == "not_read"


def test_what_an_event_tells_stands_in_where_that_is_all_that_is_read(known):
    whole = told(known.salesforce, "Account.created", {"Name": "Acme", "Phone": ""}, ACCOUNT)

    trial = tried(known, whole)

    assert trial.stood_in
    assert trial.exits == {"rename": "none"}  # without a customer there is none to rename


def test_a_record_that_is_not_as_the_trigger_wants_it_is_ignored(known, org):
    org.answers["find"] = lambda _: {"records": [record(Name=None)]}

    trial = tried(known, changed(known.salesforce, Name="Acme"), live=True, when=ONLY_NAMED)

    assert (trial.ending, trial.fate) == ("ended", "ignored")


def serve(pair: Pair, **wish: Any) -> Any:
    flow = Flow.objects.filter(slug="accounts").first() or a_flow(pair.integration, slug="accounts")
    return desk.serve(
        flow=flow,
        wish=Wish(source=Source(document=a_document()), **wish),
        environment=pair.environment,
        actor="ada",
        now=NOON,
    )


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        pytest.param(ACCOUNT[:15], "Id", id="by the short form of its id"),
        pytest.param("Acme", "Name", id="by its name"),
    ],
)
def test_a_flow_is_tried_on_a_record(known, org, wanted, field):
    served = serve(known, record=wanted)

    assert (served.occasion.id, served.tried.trial.ending) == (ACCOUNT, "done")
    assert org.made("find")[0]["field"] == field
    assert AuditEntry.objects.get(action="flow.trial_read").details["record"] == ACCOUNT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param({"records": []}, "There is no Account whose Name is", id="none"),
        pytest.param({"records": [{"Id": ACCOUNT}, {"Id": OTHER}]}, "2 records are called so", id="two"),
        pytest.param(Transient("No answer"), "The org did not tell", id="silence"),
    ],
)
def test_a_record_that_is_not_clear_is_not_guessed_at(known, org, answer, said):
    org.answers["find"] = lambda _: answer

    with pytest.raises(Unusable, match=said):
        serve(known, record="Acme")


def test_an_event_of_several_records_is_tried_on_the_one_that_is_meant(known, org):
    event = changed(known.salesforce, ACCOUNT, OTHER, Name="Both")

    assert of_event(event).record_id == ACCOUNT
    assert serve(known, event=event.pk, record=OTHER).occasion.record_id == OTHER
    with pytest.raises(Unusable, match="does not name"):
        serve(known, event=event.pk, record="001000000000003AAA")


def test_a_test_case_needs_no_org(known, org):
    served = serve(known, record="Acme")
    case = cases.save(
        flow=Flow.objects.get(slug="accounts"), name="Renamed", environment=known.environment,
        occasion=served.occasion, tried=served.tried, answers={}, at=NOON, actor="ada", now=NOON,
    )  # fmt: skip
    before = len(org.calls)

    ran = cases.run(case=case, flow=ready(a_document()))

    assert (ran.passed, ran.trouble) == (True, "")
    assert ran.trial is not None
    assert ran.trial.records[0].fields == {"name": "Acme"}
    assert len(org.calls) == before


def test_a_platform_event_is_pasted_as_salesforce_shows_it(known):
    document = {
        "format": 1,
        "name": "Won",
        "trigger": {"kind": "salesforce.event", "event": "Won__e"},
        "steps": [{"id": "stop", "kind": "stop", "settings": {"reason": "enough"}}],
    }
    body = {"schema": "x", "payload": {"Amount__c": 7}, "event": {"replayId": 1}}
    occasion = from_org.of_pasted(starting.of(document), body, now=NOON)

    item = occasion.as_item(effects_within=ready(document).plan.effects_within, memory={})

    assert item.context == {"Won__e": {"Amount__c": 7}}
    assert try_out(ready(document), occasion, pair=known, at=NOON).trial.ending == "ended"
    with pytest.raises(Unusable, match="not pasted"):
        from_org.of_pasted(starting.of(a_document()), body, now=NOON)


def test_a_draft_is_compared_with_the_live_version_on_the_org_s_events(known):
    stop = {"id": "stop", "kind": "stop", "settings": {"reason": "enough"}}
    live, draft = ready(a_document() | {"steps": [stop]}), ready(a_document())
    changed(known.salesforce, Name="Acme")
    changed(known.stripe, Name="of another connection")

    shadow = shadows.go_on(
        shadows.begin(pair=known, flow=draft, events=10), flow=draft, live=live, pair=known
    )

    assert (shadow.total, shadow.differing) == (1, 1)
    assert {group.where for group in shadow.groups} >= {"How it ends"}
