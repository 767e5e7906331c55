"""What a writing step does where both sides may change the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.agreeing.agreement import Asked, Written
from flows.agreeing.sameness import mark
from flows.engine.definition import load
from flows.engine.item import Source
from flows.engine.kind import Earlier
from flows.engine.outcome import AskHuman, Done, Pause, ReadAgain
from flows.engine.records import fields_read
from flows.steps import registry
from integrator.kernel.errors import Transient
from tests.fakes import NOON, FakePorts, an_event, an_item

KINDS = registry.load()
LINES = [
    {"field": "Key__c", "from": "customer.id"},
    {"field": "Name", "from": "customer.name"},
    {"field": "Phone", "from": "customer.phone", "empty": "clear"},
]
MAP = KINDS["map"].settings_model.model_validate({"target": "Account", "lines": LINES})
ID = "001000000000001AAA"


class Both:
    """A customer and its Account, with the flows of both directions between them."""

    def __init__(self, **rules):
        self.ports = FakePorts()
        self.rules = {"policy": "ask", **rules}
        self.customer = {"id": "cus_1", "object": "customer", "name": "Ada", "phone": "1"}
        self.ports.stripe["cus_1"] = self.customer
        self.runs = 0
        self.items = {}

    @property
    def account(self):
        return self.ports.records.setdefault("Account:cus_1", {"Key__c": "cus_1"})

    @property
    def agreement(self):
        return self.ports.agreed["cus_1"]

    def to_salesforce(self, *, fetched=True, item=None):
        """Let the flow run that the customer's event starts."""
        item = item or self._item(an_event("customer.updated", object=dict(self.customer)), fetched)
        item.outputs["describe"] = {
            "Key__c": "cus_1",
            **{field: self.customer[name] for field, name in (("Name", "name"), ("Phone", "phone"))},
        }
        settings = {"object": "Account", "external_id": "Key__c", "record": "describe", "two_way": self.rules}
        return self._take("salesforce.upsert", settings, item)

    def to_stripe(self, *, changed=(), ours=False, **rules):
        """Let the flow run that the change of the Account starts."""
        item = self._item(an_event(), True)
        item.source = replace(item.source, id=self.ports._ids["Account:cus_1"])
        item.event = replace(
            item.event, type="Account.updated", record_id=item.source.id, changed=changed, ours=ours
        )
        stamp = (self.ports.time + timedelta(hours=1)).isoformat()
        item.context = {"Account": {"Id": item.source.id, "LastModifiedDate": stamp, **self.account}}
        parameters = {"name": "Account.Name", "phone": "Account.Phone"}
        settings = {"object": "customer", "id": ["Account.Key__c"], "parameters": parameters}
        return self._take("stripe.update", {**settings, "two_way": {**self.rules, **rules}}, item)

    def _item(self, event, fetched):
        self.runs += 1
        item = an_item(event, run_id=self.runs)
        if fetched:
            source = item.source
            item.source = Source(source.id, source.not_before, source.not_after, fetched=True)
        return item

    def _take(self, kind, settings, item):
        self.items[item.run_id] = item
        step = KINDS[kind].compile_behind(
            "here", KINDS[kind].settings_model.model_validate(settings), {"describe": Earlier("map", MAP)}
        )
        (answer,) = step([item], self.ports)
        for agreement in item.agreements:
            if agreement.touched:
                agreement.link_id, agreement.touched = 1, False
                agreement.record_id = self.ports._ids.get("Account:cus_1", "")
                self.ports.agreed["cus_1"] = agreement
        return answer

    def written(self):
        """Return what was written since the last look."""
        calls, self.ports.calls = self.ports.calls, []
        return [request["values"] for call in calls for request in call]


@pytest.fixture
def both():
    """Two sides that have just agreed."""
    both = Both()
    assert both.to_salesforce().effect == "applied"
    both.written()
    return both


def test_the_first_save_writes_everything_and_is_what_both_agree_on(both):
    assert both.account == {"Key__c": "cus_1", "Name": "Ada", "Phone": "1"}
    assert both.agreement.values == {
        "Account.Name": "Ada",
        "Account.Phone": "1",
        "customer.name": "Ada",
        "customer.phone": "1",
    }


def test_what_comes_back_from_our_own_write_asks_for_nothing_and_writes_nothing(both):
    both.ports.asked.clear()

    answers = [both.to_stripe(), both.to_salesforce(fetched=False)]

    assert [answer.effect for answer in answers] == ["echo", "echo"]
    assert both.written() == []
    assert both.ports.asked == []


def test_an_event_that_differs_is_never_applied_from_its_payload(both):
    both.customer["name"] = "Bob"

    assert isinstance(both.to_salesforce(fetched=False), ReadAgain)


def test_only_the_field_that_changed_is_written_and_the_other_sides_change_stays(both):
    both.customer["name"] = "Bob"
    both.account["Phone"] = "2"

    assert both.to_salesforce().effect == "applied"
    assert both.written() == [{"Name": "Bob"}]
    assert both.to_stripe().effect == "applied"
    assert both.written() == [{"phone": "2"}]
    assert both.to_salesforce().effect == "echo"


def test_a_value_that_was_taken_away_is_taken_away_on_the_other_side(both):
    both.customer["phone"] = None

    both.to_salesforce()

    assert both.written() == [{"Phone": None}]


@pytest.mark.parametrize(("policy", "left"), [("stripe", "Bob"), ("salesforce", "Eve")])
def test_a_side_that_always_wins_wins_whichever_flow_comes_first(both, policy, left):
    both.rules["policy"] = policy
    both.customer["name"], both.account["Name"] = "Bob", "Eve"

    both.to_stripe()
    both.to_salesforce()
    both.to_stripe()

    assert (both.customer["name"], both.account["Name"]) == (left, left)
    assert len(both.written()) == 1


def test_the_newest_change_wins_where_stripe_has_told_when_its_own_was(both):
    both.rules["policy"] = "newest"
    both.customer["name"], both.account["Name"] = "Bob", "Eve"

    waits = both.to_stripe()
    both.ports.told["cus_1"] = both.ports.time
    both.to_stripe()

    assert isinstance(waits, Pause)
    assert (waits.until - NOON).total_seconds() < 10
    assert both.customer["name"] == "Eve"  # an hour later


def test_a_field_may_have_a_rule_of_its_own(both):
    both.customer.update(name="Bob", phone="2")
    both.account.update(Name="Eve", Phone="3")

    answer = both.to_stripe(fields=[{"field": "phone", "policy": "salesforce"}])

    assert both.written() == [{"phone": "3"}]
    assert isinstance(answer, AskHuman)  # of the name, although the write went well
    assert both.agreement.asked.about == {"Account.Name": {"stripe": "Bob", "salesforce": "Eve"}}


def a_conflict(both):
    both.customer["name"], both.account["Name"] = "Bob", "Eve"
    asked = both.to_salesforce()
    assert isinstance(asked, AskHuman)
    return asked


def decide(both, take, value=""):
    about = both.agreement.asked.about["Account.Name"]
    both.agreement.decided["Account.Name"] = {"about": dict(about), "take": take, "value": value}


def test_one_run_asks_with_both_values_and_the_other_direction_waits(both):
    asked = a_conflict(both)

    waits = both.to_stripe()

    assert asked.evidence["fields"] == {
        "Account.Name": {"stripe": "Bob", "salesforce": "Eve", "agreed": "Ada"}
    }
    assert [option.value for option in asked.options] == ["stripe", "salesforce"]
    assert isinstance(waits, Pause)
    assert both.written() == []


@pytest.mark.parametrize(
    ("take", "value", "left"), [("stripe", "", "Bob"), ("salesforce", "", "Eve"), ("value", "Zoe", "Zoe")]
)
def test_what_a_person_takes_stands_on_both_sides_afterwards(both, take, value, left):
    a_conflict(both)
    decide(both, take, value)

    both.to_salesforce(item=both.items[2])
    both.to_stripe()
    both.to_salesforce()
    both.to_stripe()

    assert (both.customer["name"], both.account["Name"]) == (left, left)
    assert len(both.written()) == (2 if take == "value" else 1)
    assert both.agreement.state == "agreed"


def test_a_decision_about_values_that_have_changed_since_counts_for_nothing(both):
    a_conflict(both)
    decide(both, "stripe")
    both.account["Name"] = "Eva"

    asked = both.to_salesforce(item=both.items[2])

    assert isinstance(asked, AskHuman)
    assert asked.evidence["fields"]["Account.Name"]["salesforce"] == "Eva"
    assert both.written() == []


def test_a_question_about_what_is_no_conflict_any_more_is_void(both):
    a_conflict(both)
    both.customer["name"] = "Eve"

    answer = both.to_stripe()

    assert answer.effect == "echo"
    assert both.items[3].agreements[0].void == 2
    assert both.agreement.state == "agreed"


def test_a_newer_change_of_the_other_side_lets_the_run_that_asked_look_again(both):
    a_conflict(both)
    both.account["Name"] = "Eva"

    assert isinstance(both.to_stripe(), Pause)
    assert both.items[3].agreements[0].void == 2


def test_a_loop_in_which_every_write_succeeds_is_held_until_a_person_lets_it_go_on(both):
    past = [
        Written(NOON - timedelta(seconds=50 - place), "Account.Name", mark(value))
        for place, value in enumerate(["Bob", "Ada"] * 3)
    ]
    both.agreement.past = past
    both.customer["name"] = "Bob"

    held = both.to_salesforce()
    waits = both.to_stripe()

    assert (held.kind, both.agreement.state, both.written()) == ("loop", "held", [])
    assert [note.kind for note in both.items[2].notes] == ["loop"]
    assert isinstance(waits, Pause)
    both.items[2].memory["here"] = {"answer": "go_on"}
    assert both.to_salesforce(item=both.items[2]).effect == "applied"
    assert both.agreement.state == "agreed"


def test_a_record_that_was_deleted_is_made_again_only_if_a_person_says_so(both):
    del both.ports.records["Account:cus_1"]
    both.customer["name"] = "Bob"

    asked = both.to_salesforce()

    assert [option.value for option in asked.options] == ["make_again", "leave"]
    assert (both.agreement.state, both.written()) == ("deleted", [])
    both.items[2].memory["here"] = {"answer": "make_again"}
    assert both.to_salesforce(item=both.items[2]).effect == "applied"
    assert both.account["Name"] == "Bob"


def test_a_record_that_was_restored_is_in_agreement_again():
    both = Both(deleted="ignore")
    both.to_salesforce()
    gone = both.ports.records.pop("Account:cus_1")
    both.customer["name"] = "Bob"
    left = both.to_salesforce()
    state = both.agreement.state
    both.ports.records["Account:cus_1"] = gone

    assert (left.effect, state) == ("echo", "deleted")
    assert both.to_salesforce().effect == "applied"
    assert (both.agreement.state, both.account["Name"]) == ("agreed", "Bob")


def test_nothing_counts_as_agreed_that_was_not_written(both):
    both.customer["name"] = "Bob"
    both.ports.refuses["cus_1"] = Transient("The org is busy")

    failed = both.to_salesforce()
    both.ports.refuses.clear()

    assert isinstance(failed, Transient)
    assert both.to_salesforce().effect == "applied"


def test_while_the_other_direction_is_at_work_the_run_waits(both):
    both.ports.leased_by_others = {"Account:cus_1"}
    both.account["Name"] = "Eve"

    assert isinstance(both.to_stripe(), Pause)
    assert both.written() == []


def test_a_run_of_its_own_asks_when_whoever_asked_is_gone(both):
    a_conflict(both)
    both.agreement.asked = Asked(99, "salesforce", dict(both.agreement.asked.about))
    both.agreement.asked, both.agreement.state = None, "agreed"

    assert isinstance(both.to_stripe(), AskHuman)


def test_one_way_steps_read_and_compare_nothing():
    ports = FakePorts()
    item = an_item(an_event("customer.updated", object={"id": "cus_1", "object": "customer"}))
    item.outputs["describe"] = {"Key__c": "cus_1", "Name": "Ada"}
    settings = {"object": "Account", "external_id": "Key__c", "record": "describe"}

    (answer,) = KINDS["salesforce.upsert"].compile(
        "here", KINDS["salesforce.upsert"].settings_model.model_validate(settings)
    )([item], ports)

    assert isinstance(answer, Done)
    assert [action for action, _ in ports.asked] == ["upsert"]
    assert item.agreements == []


def test_two_steps_of_a_run_know_of_each_other_what_was_agreed():
    both = Both()
    item = both._item(an_event("customer.updated", object=dict(both.customer)), True)
    both.to_salesforce(item=item)
    both.ports.agreed.clear()  # nothing is kept before the run ends
    item.agreements[0].touched = True

    assert both.to_salesforce(item=item).effect == "echo"
    assert len(item.agreements) == 1


def test_what_a_flow_reads_of_a_record_tells_who_changed_it():
    trigger = {"kind": "salesforce.change", "object": "Account"}
    changed = {"object": "customer", "id": "Account.Key__c", "parameters": {"name": "Account.Name"}}
    one_way = {"id": "change", "kind": "stripe.update", "settings": changed}
    two_way = {**one_way, "settings": {**changed, "two_way": {}}}

    read = [
        fields_read(
            load({"format": 1, "name": "Flow", "trigger": trigger, "steps": [step]}, kinds=KINDS), KINDS
        )
        for step in (one_way, two_way)
    ]

    assert read == [("Key__c", "Name"), ("Key__c", "LastModifiedBy.Name", "Name")]
