"""The package for an org is whole, valid by Salesforce's own schema, and the same zip each time."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import simple_salesforce
from lxml import etree

from connectors.salesforce.client import API_VERSION
from connectors.salesforce.package import source
from connectors.salesforce.package.archive import archive

SCHEMA = "http://www.w3.org/2001/XMLSchema"
FILES = sorted(source.PROJECT.rglob("*.xml"))
LONGEST_NAME = 40

# What the design names, object by object: Text(255) unless it says otherwise.
MONEY = "Currency(18,3)"
KEY = {"External_ID__c": "Key"}
CURRENCY = {"Currency__c": "Text(3)"}
OBJECTS: dict[str, dict[str, str]] = {
    "Stripe_Customer__c": {
        **KEY, **CURRENCY, "Account__c": "Lookup(Account)", "Contact__c": "Lookup(Contact)",
        "Email__c": "Email", "Balance__c": MONEY, "Delinquent__c": "Checkbox", "Created_At__c": "DateTime",
        "Deleted__c": "Checkbox", "Livemode__c": "Checkbox",
    },
    "Payment__c": {
        **KEY, **CURRENCY, "Charge_ID__c": "Text(255)", "Stripe_Customer__c": "Lookup(Stripe_Customer__c)",
        "Account__c": "Lookup(Account)", "Opportunity__c": "Lookup(Opportunity)",
        "Order__c": "Lookup(Order)", "Subscription_Contract__c": "Lookup(Subscription_Contract__c)",
        "Stripe_Invoice__c": "Lookup(Stripe_Invoice__c)", "Amount__c": MONEY, "Status__c": "Picklist",
        "Failure_Code__c": "Text(255)", "Failure_Message__c": "Text(255)", "Fee__c": MONEY, "Net__c": MONEY,
        "Refunded_Amount__c": MONEY, "Paid_At__c": "DateTime", "Card_Brand__c": "Text(40)",
        "Card_Last4__c": "Text(4)", "Order_ID__c": "Text(255)", "Livemode__c": "Checkbox",
    },
    "Refund__c": {
        **KEY, **CURRENCY, "Payment__c": "Lookup(Payment__c)", "Amount__c": MONEY,
        "Status__c": "Picklist", "Reason__c": "Text(255)", "Failure_Reason__c": "Text(255)",
        "Refunded_At__c": "DateTime",
    },
    "Dispute__c": {
        **KEY, **CURRENCY, "Payment__c": "Lookup(Payment__c)", "Case__c": "Lookup(Case)",
        "Amount__c": MONEY, "Status__c": "Picklist", "Reason__c": "Text(255)", "Evidence_Due__c": "DateTime",
        "Funds_Withdrawn__c": "Checkbox", "Opened_At__c": "DateTime", "Closed_At__c": "DateTime",
    },
    "Subscription_Contract__c": {
        **KEY, **CURRENCY, "Stripe_Customer__c": "Lookup(Stripe_Customer__c)",
        "Account__c": "Lookup(Account)", "Opportunity__c": "Lookup(Opportunity)",
        "Order__c": "Lookup(Order)", "Contract__c": "Lookup(Contract)", "Status__c": "Picklist",
        "Current_Period_Start__c": "DateTime", "Current_Period_End__c": "DateTime",
        "Cancel_At_Period_End__c": "Checkbox", "Canceled_At__c": "DateTime", "Trial_End__c": "DateTime",
        "MRR__c": MONEY, "Latest_Invoice__c": "Text(255)", "Requested_Change__c": "Picklist",
    },
    "Subscription_Line__c": {
        **KEY, "Subscription_Contract__c": "MasterDetail(Subscription_Contract__c)",
        "Product__c": "Lookup(Product2)", "Price_ID__c": "Text(255)", "Quantity__c": "Number(18,0)",
        "Unit_Amount__c": MONEY, "Interval__c": "Picklist", "Period_Start__c": "DateTime",
        "Period_End__c": "DateTime", "Requested_Quantity__c": "Number(18,0)",
        "Requested_Price_ID__c": "Text(255)",
    },
    "Stripe_Invoice__c": {
        **KEY, **CURRENCY, "Number__c": "Text(255)", "Status__c": "Picklist",
        "Stripe_Customer__c": "Lookup(Stripe_Customer__c)", "Account__c": "Lookup(Account)",
        "Subscription_Contract__c": "Lookup(Subscription_Contract__c)", "Amount_Due__c": MONEY,
        "Amount_Paid__c": MONEY, "Amount_Remaining__c": MONEY, "Tax__c": MONEY, "Total__c": MONEY,
        "Due_Date__c": "Date", "Paid_At__c": "DateTime", "Hosted_Invoice_URL__c": "Url",
    },
    "Stripe_Invoice_Line__c": {
        **KEY, "Stripe_Invoice__c": "MasterDetail(Stripe_Invoice__c)", "Product__c": "Lookup(Product2)",
        "Description__c": "Text(255)", "Quantity__c": "Number(18,0)", "Amount__c": MONEY,
        "Period_Start__c": "DateTime", "Period_End__c": "DateTime",
    },
    "Payout__c": {
        **KEY, **CURRENCY, "Amount__c": MONEY, "Status__c": "Picklist", "Arrival_Date__c": "Date",
        "Reconciliation_Status__c": "Picklist",
    },
    "Payout_Line__c": {
        **KEY, "Payout__c": "MasterDetail(Payout__c)", "Reporting_Category__c": "Text(80)", "Gross__c": MONEY,
        "Fee__c": MONEY, "Net__c": MONEY, "Payment__c": "Lookup(Payment__c)",
        "Refund__c": "Lookup(Refund__c)", "Dispute__c": "Lookup(Dispute__c)",
    },
    "Integration_Effect__c": {
        **KEY, "Kind__c": "Picklist", "Record_ID__c": "Text(18)", "Payload__c": "LongTextArea(131072)",
        "Done_At__c": "DateTime",
    },
    "Account": {
        "Integration_Key__c": "Key", "Stripe_Payment_Status__c": "Text(40)",
        "Stripe_Lifetime_Value__c": MONEY,
        "Stripe_Open_Invoices__c": "Number(18,0)", "Stripe_Next_Renewal__c": "DateTime",
        "Stripe_Disputes_Open__c": "Number(18,0)",
    },
    "Contact": {"Integration_Key__c": "Key"},
    "Case": {"Integration_Key__c": "Key"},
    "Task": {"Integration_Key__c": "Key"},
    "Opportunity": {
        "Integration_Key__c": "Key", "Stripe_Subscription_ID__c": "Text(255)",
        "Payment_Status__c": "Text(40)", "Send_Payment_Link__c": "Checkbox", "Stripe_Payment_Link__c": "Url",
    },
    "Order": {
        "Integration_Key__c": "Key", "Stripe_Subscription_ID__c": "Text(255)",
        "Payment_Status__c": "Text(40)", "Subscription_Status__c": "Text(40)",
    },
    "Product2": {"External_ID__c": "Key"},
    "PricebookEntry": {"Stripe_Price_ID__c": "Key"},
    "Stripe_Payment_Failed__e": {
        "Payment_ID__c": "Text(255)", "Customer_ID__c": "Text(255)", "Code__c": "Text(255)",
        "Message__c": "Text(255)", "Amount__c": "Number(18,3)", "Currency__c": "Text(3)",
        "Event_ID__c": "Text(255)",
    },
    "Opportunity_Closed_Won__e": {"Opportunity_ID__c": "Text(18)"},
}  # fmt: skip


@lru_cache(maxsize=1)
def schema() -> Any:
    """Return Salesforce's own schema of the Metadata API, which simple-salesforce brings."""
    wsdl = Path(simple_salesforce.__file__).parent / "metadata.wsdl"
    found = etree.parse(wsdl).find(f".//{{{SCHEMA}}}schema")
    kinds = ("CustomField", "CustomObject", "Flow", "Package", "PermissionSet", "PlatformEventChannelMember")
    for name in kinds:
        etree.SubElement(found, f"{{{SCHEMA}}}element", {"name": name, "type": f"tns:{name}"})
    return etree.XMLSchema(etree.fromstring(etree.tostring(found)))


def packed() -> zipfile.ZipFile:
    """Return the zip, open."""
    return zipfile.ZipFile(io.BytesIO(archive()))


def described(field: source.PackagedField) -> str:
    """Return the type of a field as the table above has it."""
    if field.key:
        return "Key" if (field.type, field.length) == ("Text", 255) else f"{field.type} key"
    if field.refers_to:
        return f"{field.type}({field.refers_to})"
    if field.precision:
        return f"{field.type}({field.precision},{field.scale})"
    return f"{field.type}({field.length})" if field.length else field.type


def test_every_object_and_field_of_the_design_is_there_with_its_type():
    found = {thing.name: {f.name: described(f) for f in thing.fields} for thing in source.objects()}

    assert found == OBJECTS


def test_there_is_something_to_validate():
    assert len(FILES) > 150
    assert not schema().validate(
        etree.fromstring(f'<CustomField xmlns="{source.NAMESPACE}"><oops/></CustomField>')
    )


def test_every_component_is_valid_by_salesforces_own_schema():
    wrong = {path.name: str(schema().error_log) for path in FILES if not schema().validate(etree.parse(path))}

    assert wrong == {}


def test_everything_in_the_zip_is_valid_by_salesforces_own_schema():
    zipped = packed()
    wrong = {
        name: str(schema().error_log)
        for name in zipped.namelist()
        if not schema().validate(etree.fromstring(zipped.read(name)))
    }

    assert zipped.namelist()
    assert wrong == {}


def test_every_component_is_called_like_its_file():
    for path in (source.COMPONENTS / "objects").rglob("*.field-meta.xml"):
        assert source.text_of(source.parsed(path), "fullName") == path.name.split(".")[0]


def test_a_key_is_an_external_id_unique_and_minds_case():
    for path in (source.COMPONENTS / "objects").rglob("*.field-meta.xml"):
        field = source.parsed(path)
        if source.text_of(field, "externalId") == "true":
            assert (source.text_of(field, "unique"), source.text_of(field, "caseSensitive")) == (
                "true",
                "true",
            )


def test_every_field_explains_itself():
    fields = [source.parsed(path) for path in (source.COMPONENTS / "objects").rglob("*.field-meta.xml")]

    assert [source.text_of(f, "fullName") for f in fields if not source.text_of(f, "description")] == []
    assert max(len(source.text_of(field, "description")) for field in fields) <= 1000


def test_no_name_or_label_is_longer_than_salesforce_takes():
    names = [name for thing in source.objects() for name in (thing.name, *(f.name for f in thing.fields))]
    labels = [
        label.text or ""
        for path in (source.COMPONENTS / "objects").rglob("*.xml")
        for tag in ("label", "pluralLabel", "relationshipName", "relationshipLabel")
        for label in source.parsed(path).iter(source.tag(tag))
    ]

    assert [name for name in names if len(name.removesuffix("__c").removesuffix("__e")) > LONGEST_NAME] == []
    assert labels
    assert [label for label in labels if not 0 < len(label) <= LONGEST_NAME] == []


def test_what_points_at_an_object_has_a_name_of_its_own_there():
    links = [(f.refers_to, f.relationship) for thing in source.objects() for f in thing.fields if f.refers_to]

    assert all(name for _, name in links)
    assert [link for link, times in Counter(links).items() if times > 1] == []


def test_the_permission_set_grants_every_field_that_can_be_granted():
    grantable = {
        f"{thing.name}.{field.name}"
        for thing in source.objects()
        for field in thing.fields
        # A detail's master is always visible, and events know no field security.
        if field.type != "MasterDetail" and not thing.event
    }
    granted = {
        source.text_of(grant, "field"): (source.text_of(grant, "readable"), source.text_of(grant, "editable"))
        for grant in source.permission_set().iter(source.tag("fieldPermissions"))
    }

    assert {name for name in granted if name.endswith("__c")} == grantable
    assert set(granted.values()) == {("true", "true")}


def test_the_permission_set_reaches_every_object_and_deletes_nothing():
    grants = list(source.permission_set().iter(source.tag("objectPermissions")))
    granted = {source.text_of(grant, "object") for grant in grants}

    # Tasks and price book entries have no rights of their own.
    assert {thing.name for thing in source.objects()} - granted == {"Task", "PricebookEntry"}
    assert {source.text_of(g, right) for g in grants for right in ("allowDelete", "modifyAllRecords")} == {
        "false"
    }
    assert {source.text_of(g, "object") for g in grants if source.text_of(g, "allowCreate") == "false"} == {
        "Contract", "Pricebook2",
    }  # fmt: skip


def test_the_flows_speak_of_what_is_there():
    fields = {thing.name: {field.name for field in thing.fields} for thing in source.objects()}
    named: set[str] = set()
    for path in (source.COMPONENTS / "flows").iterdir():
        for element in source.parsed(path).iter(source.tag("object")):
            named.add(element.text or "")
        for element in source.parsed(path).iter(source.tag("flowName")):
            assert element.text in dict(source.flows())

    assert {name for name in named if name.endswith(("__c", "__e"))} <= set(fields)
    assert named >= {"Integration_Effect__c", "Payment__c", "Opportunity", "Opportunity_Closed_Won__e"}
    assert dict(source.flows()) == {
        "Opportunity_Closed_Won": False, "Stripe_Dunning": True, "Stripe_Effect_Runner": True,
    }  # fmt: skip


def test_the_effect_runner_starts_dunning_when_an_effect_is_created():
    runner = source.parsed(source.COMPONENTS / "flows" / "Stripe_Effect_Runner.flow-meta.xml")
    dunning = source.parsed(source.COMPONENTS / "flows" / "Stripe_Dunning.flow-meta.xml")
    handed = {source.text_of(given, "name") for given in runner.iterfind(
        f"{source.tag('subflows')}/{source.tag('inputAssignments')}"
    )}  # fmt: skip

    assert source.text_of(runner, "start", "object") == "Integration_Effect__c"
    assert source.text_of(runner, "start", "recordTriggerType") == "Create"
    assert source.text_of(runner, "subflows", "flowName") == "Stripe_Dunning"
    assert handed == {source.text_of(one, "name") for one in dunning.iter(source.tag("variables"))}


def test_the_same_source_gives_the_same_bytes():
    times = {entry.date_time for entry in packed().infolist()}

    assert archive() == archive()
    assert times == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.compress_type for entry in packed().infolist()} == {zipfile.ZIP_STORED}


def test_the_zip_holds_what_its_list_names_and_no_apex():
    package = etree.fromstring(packed().read("package.xml"))
    space = {"m": source.NAMESPACE}
    listed = {
        types.findtext("m:name", namespaces=space): {m.text for m in types.iterfind("m:members", space)}
        for types in package.iterfind("m:types", space)
    }
    fields = {
        f"{name.split('/')[1].removesuffix('.object')}.{member.text}"
        for name in packed().namelist()
        if name.endswith(".object")
        for member in etree.fromstring(packed().read(name)).iterfind("m:fields/m:fullName", space)
    }

    assert set(listed) == {"CustomField", "CustomObject", "Flow", "PermissionSet"}
    assert listed["CustomField"] == fields
    assert listed["CustomObject"] == {name for name in OBJECTS if name.endswith(("__c", "__e"))}
    assert f"v{package.findtext('m:version', namespaces=space)}" == API_VERSION
