"""What a run knows of the record that started it: what the flow names, as it is now, and how new that is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flows import started
from flows.bus_events import BusEvent
from flows.engine import definition, plan, records
from flows.engine.records import Record
from flows.steps import registry
from integrator.kernel.errors import Missing, Transient
from tests.fakes import NOON
from tests.unit.flows.test_definition import a_document, a_map, a_stop, an_upsert

KINDS = registry.load()
FIRST, SECOND = "001000000000001AAA", "001000000000002AAA"


def a_plan(*steps: dict[str, Any], **trigger: Any) -> plan.Plan:
    """Return the plan of a flow that changes of accounts start."""
    trigger = {"kind": "salesforce.change", "object": "Account", **trigger}
    return plan.build(definition.load(a_document(*steps, trigger=trigger), kinds=KINDS), kinds=KINDS)


class Org:
    """Answers readings with the records that it has."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows
        self.asked: list[dict[str, Any]] = []
        self.failure: Transient | None = None

    def call(self, slot: str, action: str, requests: Any) -> list[Any]:
        assert (slot, action) == ("salesforce", "find")
        self.asked += requests
        return [self.failure or {"records": [self._part(row, one) for row in self.rows]} for one in requests]

    def _part(self, row: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in request["fields"] if name in row}


def a_row(id: str, at: str = "2026-11-24T12:00:00.000+0000", **values: Any) -> dict[str, Any]:
    return {"Id": id, "SystemModstamp": at, **values}


def test_a_flow_reads_the_fields_that_its_trigger_and_its_steps_name():
    settings = {
        "object": "customer",
        "id": ["Account.Stripe_ID__c", "steps.find.id"],
        "parameters": {
            "name": {"from": "Account.Name", "chips": [{"chip": "default", "value": "x"}]},
            "description": {"chips": [{"chip": "expression", "text": "Account.Site"}]},
            "phone": "Account.Owner.Phone",
        },
    }
    compiled = a_plan(
        {"id": "change", "kind": "stripe.update", "settings": settings},
        {"id": "tell", "kind": "alert", "settings": {"title": "{Account.Rating} {event.type}"}},
        when={"any": [{"path": "Account.Type", "is": "present"}]},
    )

    assert compiled.reads == ("Name", "Owner.Phone", "Rating", "Site", "Stripe_ID__c", "Type")


def test_many_records_are_read_with_one_question():
    org = Org(a_row(FIRST, Name="A"), a_row(SECOND, "2026-11-24T13:00:00.000+0000", Name="B"))
    wanted = [Record("Account", FIRST), Record("Account", SECOND)]

    found = records.read(org.call, wanted, ["Name"])

    (asked,) = org.asked
    assert (asked["values"], asked["fields"]) == ([FIRST, SECOND], ["Id", "SystemModstamp", "Name"])
    second = found[wanted[1]]
    assert second.roots["Account"]["Name"] == "B"
    stamp = datetime(2026, 11, 24, 13, tzinfo=UTC)
    assert (second.source.not_before, second.source.not_after, second.source.fetched) == (stamp, stamp, True)


def test_more_fields_than_one_question_takes_are_put_together():
    fields = [f"F{number}__c" for number in range(60)]
    org = Org(a_row(FIRST, **dict.fromkeys(fields, 1)))

    found = records.read(org.call, [Record("Account", FIRST)], fields)

    assert len(org.asked) == 2
    assert found[Record("Account", FIRST)].roots["Account"].keys() == {"Id", "SystemModstamp", *fields}


def test_a_record_that_is_not_there_is_missing_and_a_failure_is_that_of_all():
    org = Org(a_row(FIRST))
    wanted = [Record("Account", FIRST), Record("Account", SECOND), Record("Paid__e", "x")]

    found = records.read(org.call, wanted, [])
    org.failure = Transient("Away", code="away")
    failed = records.read(org.call, wanted[:2], [])

    assert isinstance(found[wanted[1]], Missing)
    assert isinstance(found[wanted[2]], Missing)
    assert list(failed.values()) == [org.failure, org.failure]


@pytest.mark.parametrize(
    ("kind", "context", "final"),
    [
        pytest.param("Account.updated", {}, False, id="a change tells a part, which is nothing to map"),
        pytest.param(
            "Account.deleted", {"Account": {"Id": SECOND, "Name": "A"}}, True, id="what is left of a record"
        ),
        pytest.param("Paid__e", {"Paid__e": {"Id": FIRST, "Name": "A"}}, True, id="what an event carries"),
    ],
)
def test_what_an_event_says_by_itself(kind, context, final):
    payload = {"type": kind, "record_ids": [FIRST, SECOND], "data": {"object": {"Id": FIRST, "Name": "A"}}}
    event = BusEvent.of(payload)

    assert started.told(event, SECOND) == context
    assert started.source_of(event, SECOND, NOON).gone is final


def test_a_run_may_read_of_which_record_and_fields_its_event_told():
    payload = {
        "type": "Account.updated", "record_ids": [FIRST], "changed": ["Name"], "nulled": ["Phone", "Name"],
    }  # fmt: skip
    event = BusEvent.of(payload)

    root = started.named(event, "e1", FIRST, NOON).as_root()

    assert (root["type"], root["record_id"], root["changed"]) == ("Account.updated", FIRST, ["Name", "Phone"])
    assert event.touches(frozenset({"phone"}))


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        ("com/salesforce/api/rest/67.0;client=Integrator", True),
        ("com/salesforce/api/rest/67.0;client=IntegratorOther", False),
        ("com/salesforce/api/soap/67.0;client=SfdcInternalAPI/", False),
        ("", False),
    ],
)
def test_an_event_tells_whether_our_own_write_has_caused_it(origin, ours):
    payload = {"type": "Account.updated", "record_ids": [FIRST], "header": {"changeOrigin": origin}}

    assert started.named(BusEvent.of(payload), "e1", FIRST, NOON).ours is ours


def a_step(kind: str, *behind: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return a step with that kind for its id, and what stands behind it where it says no."""
    return {"id": kind[-9:], "kind": kind, "settings": settings, "exits": {"no": [*behind]} if behind else {}}


def a_query(path: str) -> dict[str, Any]:
    """Return a look-up of accounts that have the name which is read at `path`."""
    settings = {"soql": "SELECT Id, Name FROM Account WHERE Name = {name}", "values": {"name": path}}
    return {"id": "ask", "kind": "salesforce.query", "settings": settings}


NAMED = {"all": [{"path": "Account.Name", "is": "present"}]}
UPDATED = {"all": [{"path": "event.type", "is": "equal", "value": "Account.updated"}]}


@pytest.mark.parametrize(
    ("steps", "trigger", "collapses"),
    [
        pytest.param([a_map(), an_upsert()], {"when": NAMED}, True, id="the record decides"),
        pytest.param(
            [a_step("condition", a_step("alert", title="Oh"), **NAMED)], {}, True, id="it tells that"
        ),
        pytest.param([a_step("condition", a_stop(), **UPDATED)], {}, False, id="the event decides"),
        pytest.param([a_step("alert", title="{event.id}")], {}, False, id="the event is told"),
        pytest.param(
            [a_step("condition", a_stop(), all=[{"path": '["event"].type', "is": "present"}])],
            {},
            False,
            id="the event decides, however it is written",
        ),
        pytest.param(
            [{**a_query("event.id"), "exits": {"none": [a_step("alert", title="Oh")]}}],
            {},
            False,
            id="the event is asked for",
        ),
        pytest.param([a_map(), an_upsert(two_way={})], {}, False, id="who changed what counts"),
        pytest.param([a_stop()], {"changes": ["deleted"], "when": NAMED}, False, id="nothing is read anew"),
        pytest.param([a_step("salesforce.start_flow", flow="Dun")], {}, False, id="each event starts a flow"),
    ],
)
def test_events_that_find_a_record_the_same_are_handled_once_together(steps, trigger, collapses):
    assert a_plan(*steps, **trigger).collapses is collapses


def test_what_a_query_is_asked_with_is_read():
    assert a_plan(a_query("Account.Site")).reads == ("Site",)


def test_what_a_flow_writes_to_its_own_record_is_read_too():
    mapping = {"target": "Account", "lines": [{"field": "Site", "from": "Account.Name"}]}
    saving = {"object": "Account", "record": "describe", "id": "event.record_id"}
    steps = [
        {"id": "describe", "kind": "map", "settings": mapping},
        {"id": "save", "kind": "salesforce.update", "settings": saving},
    ]

    assert a_plan(*steps).reads == ("Name", "Site")
    assert a_plan(*steps, object="Contact").reads == ()
