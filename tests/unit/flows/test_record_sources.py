"""What a flow reads that Salesforce starts: the record by its describe, with values that events told."""

from __future__ import annotations

from flows import record_sources
from flows.designing.starting import Start
from flows.mapping.fields import PickValue, SObjField, SrcField
from flows.seen import Sightings

ACCOUNT = (
    SObjField("Id", "Account ID", type="id", nillable=False),
    SObjField("Name", "Account Name", nillable=False),
    SObjField("AnnualRevenue", "Annual Revenue", type="currency"),
    SObjField("Type", "Type", type="picklist", picklist=(PickValue("Customer"), PickValue("Old", "", False))),
    SObjField("Score__c", "Score", type="double", calculated=True),
    SObjField("BillingAddress", "Billing Address", type="address"),
    SObjField("ParentId", "Parent", type="reference", references=("Account",), relationship="Parent"),
    SObjField("OwnerId", "Owner", type="reference", references=("User",), relationship="Owner"),
    SObjField("Who__c", "Who", type="reference", references=("Lead", "Contact"), relationship="Who__r"),
)  # fmt: skip
USER = tuple(SObjField(name, name) for name in ("Id", "Name", "Email", "Fax"))
STARTS = Start("salesforce.change", ("Account.updated",), "Account", changes=("updated",))


def told(
    *, start: Start = STARTS, found: Sightings | None = None, values: bool = True
) -> dict[str, SrcField]:
    known = {"Account": ACCOUNT, "User": USER}
    fields = record_sources.of(start, ACCOUNT, found or Sightings(), known=known, values=values)
    return {field.path: field for field in fields}


def test_fields_have_the_types_and_the_words_of_the_org():
    found = told()

    assert {path: found[path].type for path in ("Account", "Account.Id", "Account.AnnualRevenue")} == {
        "Account": "object",
        "Account.Id": "id",
        "Account.AnnualRevenue": "number",
    }
    assert (found["Account.Type"].type, found["Account.Type"].values) == ("enum", ("Customer",))
    assert found["Account.Name"].desc == "Account Name"
    assert not found["Account.Name"].nullable
    assert "Account.BillingAddress" not in found  # its parts are fields of their own


def test_what_a_record_refers_to_is_read_one_relation_far():
    found = told()

    assert {"Account.Parent.Name", "Account.Parent.Type", "Account.Owner.Email"} <= found.keys()
    assert "Account.Owner.Fax" not in found
    assert "Account.Parent.Parent.Name" not in found
    assert [path for path in found if path.startswith("Account.Who__r.")] == ["Account.Who__r.Name"]
    assert record_sources.related(ACCOUNT) == ["Account"]


def test_the_event_says_which_record_it_was():
    assert {"event.record_id", "event.changed", "event.type"} <= told().keys()


def test_how_often_a_field_is_filled_is_told_by_events_that_tell_all_of_a_record():
    events = Sightings()
    events.add({"Account": {"Name": "Acme", "Type": "Customer"}})
    events.add({"Account": {"Name": "Umbra"}})
    events.add({"Account": {"AnnualRevenue": 7}}, whole=False)

    found = told(found=events)

    assert (found["Account.Name"].seen, found["Account.Type"].seen) == (1.0, 0.5)
    assert (found["Account.AnnualRevenue"].seen, found["Account.AnnualRevenue"].samples) == (0.0, (7,))
    assert found["Account.Score__c"].seen is None  # formulas stand in no event
    assert found["Account.Parent.Name"].seen is None
    assert told(found=events, values=False)["Account.Name"].samples == ()


def test_updates_alone_say_nothing_of_how_often():
    events = Sightings()
    events.add({"Account": {"Name": "Acme"}}, whole=False)

    assert told(found=events)["Account.Name"].seen is None


def test_of_a_deleted_record_only_its_id_is_sure():
    found = told(start=Start("salesforce.change", (), "Account", changes=("deleted",)))

    assert [found[f"Account.{name}"].nullable for name in ("Id", "Name")] == [False, True]


def test_a_platform_event_is_read_under_its_own_name():
    start = Start("salesforce.event", ("Won__e",), event="Won__e")

    found = record_sources.of(start, [SObjField("Amount__c", "Amount", type="double")], Sightings(), known={})

    assert [field.path for field in found][:2] == ["Won__e", "Won__e.Amount__c"]
    assert "event.record_id" not in {field.path for field in found}
