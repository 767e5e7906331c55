"""What flows need and an org lacks is chosen of the package; what is there is left as it is, and told."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from lxml import etree

from connectors.salesforce.package import selection, source
from connectors.salesforce.package.choosing import Choice, Found, State, choose
from connectors.salesforce.package.rights import SET, Rights
from connectors.salesforce.package.wanted import Wanted
from integrator.kernel import errors
from tests.unit.connectors.salesforce.test_package import schema
from tests.unit.connectors.salesforce.test_readiness import a_description, thing_called

GONE = errors.Missing("The requested resource does not exist", code="NOT_FOUND")
PAYMENTS = ("Payments",)
NO_FLOWS: dict[str, bool] = {}

WANTED = Wanted(
    flows=("Payments", "Won"),
    objects={"Payment__c": PAYMENTS, "Account": ("Payments", "Won"), "Lead": PAYMENTS},
    fields={
        ("Payment__c", "Amount__c"): PAYMENTS,
        ("Payment__c", "Name"): PAYMENTS,
        ("Payment__c", "Stripe_Customer__r.External_ID__c"): PAYMENTS,
        ("Account", "Stripe_Payment_Status__c"): PAYMENTS,
        ("Account", "Own__c"): PAYMENTS,
    },
    written={"Payment__c": PAYMENTS, "Account": PAYMENTS},
    filled=frozenset({("Account", "Own__c")}),
    captured={"Account": ("Won",)},
    heard={"Opportunity_Closed_Won__e": ("Won",)},
)
BARE: dict[str, Any] = {
    "Payment__c": GONE,
    "Stripe_Customer__c": GONE,
    "Opportunity_Closed_Won__e": GONE,
    "Account": {"fields": [{"name": "Name", "type": "string"}]},
    "Lead": {"fields": []},
    "Opportunity": {"fields": []},
}


def chosen(**found: Any) -> Choice:
    told = {"descriptions": BARE, "entities": (), "flows": NO_FLOWS, "rights": Rights(), **found}
    return choose(WANTED, Found(**told))


def states(choice: Choice) -> dict[str, State]:
    return {one.key: one.state for one in choice.components}


def opened(choice: Choice) -> dict[str, bytes]:
    zipped = zipfile.ZipFile(io.BytesIO(selection.packed(choice)))
    return {name: zipped.read(name) for name in zipped.namelist()}


def texts(content: bytes, name: str) -> set[str]:
    return {element.text for element in etree.fromstring(content).iter(source.tag(name))}


def test_a_bare_org_gets_what_the_flows_name_and_what_goes_with_it_and_nothing_else():
    choice = chosen()

    assert set(choice.new("CustomObject")) == {
        "Opportunity_Closed_Won__e", "Payment__c", "Stripe_Customer__c",
    }  # fmt: skip
    assert set(choice.new("CustomField")) == {
        "Account.Stripe_Payment_Status__c", "Opportunity_Closed_Won__e.Opportunity_ID__c",
        "Payment__c.Amount__c", "Payment__c.External_ID__c", "Payment__c.Stripe_Customer__c",
        "Stripe_Customer__c.External_ID__c",
    }  # fmt: skip
    assert choice.new("Flow") == ["Opportunity_Closed_Won"]
    assert choice.new("PlatformEventChannelMember") == ["ChangeEvents_AccountChangeEvent"]
    assert choice.new("PermissionSet") == [SET]


def test_everything_has_the_flows_that_need_it_and_says_what_stands_between():
    found = {one.key: one for one in chosen().components}

    assert found["CustomObject:Account"].flows == ("Payments", "Won")
    assert found["CustomObject:Stripe_Customer__c"].told == "Payment__c.Stripe_Customer__c leads to it."
    assert found["CustomField:Payment__c.External_ID__c"].told == "Every Payment__c has it."
    assert found["Flow:Opportunity_Closed_Won"].flows == ("Won",)


def test_what_the_package_does_not_have_is_told_and_not_invented():
    found = states(chosen())

    assert found["CustomField:Account.Own__c"] is State.ELSEWHERE
    assert "CustomField:Payment__c.Name" not in found  # it comes with the object


def test_the_zip_holds_exactly_what_is_new_and_no_list_of_what_to_delete():
    files = opened(chosen())

    assert next(iter(files)) == "package.xml"
    assert [name for name in files if "destructive" in name.lower()] == []
    assert texts(files["objects/Account.object"], "fullName") == {"Stripe_Payment_Status__c"}
    assert b"<label>Payment</label>" in files["objects/Payment__c.object"]
    assert texts(files["flows/Opportunity_Closed_Won.flow"], "status") == {"Active"}
    member = "platformEventChannelMembers/ChangeEvents_AccountChangeEvent.platformEventChannelMember"
    assert texts(files[member], "selectedEntity") == {"AccountChangeEvent"}
    granted = texts(files[f"permissionsets/{SET}.permissionset"], "field")
    assert {"Payment__c.Amount__c", "Account.Stripe_Payment_Status__c"} <= granted
    assert not granted & {"Payment__c.Fee__c", "Account.Own__c", "Case.Origin"}


def test_everything_in_the_zip_is_valid_by_salesforces_own_schema():
    files = opened(chosen())
    judge = schema()
    wrong = {
        name: str(judge.error_log)
        for name, content in files.items()
        if not judge.validate(etree.fromstring(content))
    }

    assert wrong == {}


def test_a_field_of_another_type_is_told_and_never_in_the_zip():
    payment = a_description(thing_called("Payment__c"), Amount__c={"type": "string"})
    del payment["fields"][[f["name"] for f in payment["fields"]].index("Stripe_Customer__c")]
    choice = chosen(descriptions={**BARE, "Payment__c": payment})
    files = opened(choice)

    told = {one.key: one for one in choice.those(State.DIFFERENT)}
    assert told["CustomField:Payment__c.Amount__c"].told == "Amount__c is of type string, not currency."
    # The object lends its name to the one field that it lacks; its own elements are not sent again.
    assert texts(files["objects/Payment__c.object"], "fullName") == {"Stripe_Customer__c"}
    assert b"pluralLabel" not in files["objects/Payment__c.object"]
    assert "Payment__c" not in texts(files["package.xml"], "members")


def test_what_the_org_does_not_tell_is_left_out_and_said():
    choice = chosen(entities=None, flows=None)

    assert {one.key for one in choice.those(State.UNKNOWN)} == {
        "Flow:Opportunity_Closed_Won", "PlatformEventChannelMember:ChangeEvents_AccountChangeEvent",
    }  # fmt: skip
    assert not [name for name in opened(choice) if name.startswith(("flows/", "platformEvent"))]


def test_a_flow_that_is_there_is_not_sent_again_whether_it_is_switched_on_or_not():
    on = states(chosen(flows={"Opportunity_Closed_Won": True}))["Flow:Opportunity_Closed_Won"]
    off = states(chosen(flows={"Opportunity_Closed_Won": False}))["Flow:Opportunity_Closed_Won"]

    assert (on, off) == (State.THERE, State.DIFFERENT)


def test_rights_that_the_set_gives_already_are_kept():
    kept = Rights({"Case": frozenset({"allowRead"})}, {"Case.Origin": False})
    choice = chosen(rights=kept)
    again = chosen(rights=choice.rights)

    granted = opened(choice)[f"permissionsets/{SET}.permissionset"]
    assert {"Case.Origin", "Payment__c.Amount__c"} <= texts(granted, "field")
    assert "Case" in texts(granted, "object")
    assert states(again)[f"PermissionSet:{SET}"] is State.THERE


def test_what_turns_out_to_be_there_is_left_out():
    there = ["CustomObject:Payment__c", "CustomField:Payment__c.Amount__c"]
    choice = choose(WANTED, Found(BARE, (), NO_FLOWS, Rights()), there=there)

    assert "Payment__c" not in choice.new("CustomObject")
    assert "Payment__c.External_ID__c" in choice.new("CustomField")
    assert "Payment__c.Amount__c" not in choice.new("CustomField")
    assert choice.rights.fields["Payment__c.Amount__c"]


def test_effects_bring_the_flows_that_act_on_them_with_what_these_use():
    effects = Wanted(
        flows=("Dunning",), effects=("Dunning",), objects={"Integration_Effect__c": ("Dunning",)}
    )
    descriptions = {"Integration_Effect__c": GONE, "Payment__c": GONE, "Task": {"fields": []}}
    choice = choose(effects, Found(descriptions, (), NO_FLOWS, Rights()))

    assert choice.new("Flow") == ["Stripe_Dunning", "Stripe_Effect_Runner"]
    assert {"Activity.Integration_Key__c", "Payment__c.Failure_Message__c"} <= set(choice.new("CustomField"))


def test_the_same_choice_gives_the_same_bytes():
    assert selection.packed(chosen()) == selection.packed(chosen())
