"""The simulated org gives records a type and holds them to it, as a real one does."""

from __future__ import annotations

from tests.integration.sandbox.salesforce.rig import USERNAME
from tests.integration.sandbox.salesforce.test_deploying import (
    OBJECT,
    XML,
    a_zip,
    an_object,
    deploy,
)

PARTNER = {"object": "Payment__c", "record_type": "Partner", "label": "Partner payment"}


def a_type(outsider, **told):
    return outsider.control("POST", "record-types", {**PARTNER, **told})["id"]


def infos(outsider):
    told = outsider.get("/sobjects/Payment__c/describe").json()
    return {one["developerName"]: one for one in told["recordTypeInfos"]}


def created(outsider, **values):
    return outsider.post("/sobjects/Payment__c", values)


def test_describe_tells_the_types_and_the_one_that_is_used_by_default(outsider):
    id18 = a_type(outsider, default=True)

    told = infos(outsider)

    assert told["Partner"]["recordTypeId"] == id18
    assert (told["Partner"]["available"], told["Partner"]["defaultRecordTypeMapping"]) == (True, True)
    assert (told["Master"]["master"], told["Master"]["defaultRecordTypeMapping"]) == (True, False)


def test_a_record_gets_the_type_that_it_names_or_the_default(outsider):
    default, other = a_type(outsider, default=True), a_type(outsider, record_type="Other")

    created(outsider, External_ID__c="a")
    created(outsider, External_ID__c="b", RecordTypeId=other)

    soql = "SELECT RecordTypeId, RecordType.DeveloperName FROM Payment__c ORDER BY External_ID__c"
    rows = outsider.get("/query", params={"q": soql}).json()["records"]
    assert [row["RecordTypeId"] for row in rows] == [default, other]
    assert [row["RecordType"]["DeveloperName"] for row in rows] == ["Partner", "Other"]


def test_a_restricted_picklist_takes_only_the_values_of_the_records_type(outsider):
    id18 = a_type(outsider, picklists={"Status__c": ["Pending"]})

    refused = created(outsider, External_ID__c="a", RecordTypeId=id18, Status__c="Completed")

    assert refused.status_code == 400
    (error,) = refused.json()
    assert error["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert error["fields"] == ["Status__c"]
    assert created(outsider, External_ID__c="a", RecordTypeId=id18, Status__c="Pending").status_code == 201


def test_a_type_that_the_user_may_not_use_is_refused(outsider):
    id18 = a_type(outsider)
    outsider.control(
        "POST",
        "permissions",
        {"username": USERNAME, "object": "Payment__c", "field": "RecordType.Partner", "level": "hidden"},
    )

    (error,) = created(outsider, External_ID__c="a", RecordTypeId=id18).json()

    assert error["errorCode"] == "INVALID_CROSS_REFERENCE_KEY"
    assert error["message"] == f"Record Type ID: this ID value isn't valid for the user: {id18}"
    assert infos(outsider)["Partner"]["available"] is False


def test_the_name_is_no_external_id_of_a_type(outsider):
    a_type(outsider)

    (error,) = created(outsider, External_ID__c="a", RecordType={"DeveloperName": "Partner"}).json()

    assert error["errorCode"] == "INVALID_FIELD"


def test_the_values_of_each_picklist_are_told_by_type(outsider):
    id18 = a_type(outsider, picklists={"Status__c": ["Pending", "Failed"]})

    def values(record_type):
        path = f"/ui-api/object-info/Payment__c/picklist-values/{record_type}"
        told = outsider.get(path).json()["picklistFieldValues"]["Status__c"]
        return [one["value"] for one in told["values"]]

    assert values(id18) == ["Pending", "Failed"]
    assert len(values("012000000000000AAA")) > 2
    assert (
        outsider.get("/ui-api/object-info/Payment__c/picklist-values/012000000000009AAA").status_code == 404
    )


def test_the_values_are_told_as_html_unless_they_are_wanted_as_they_are(outsider):
    choices = ["R&D", "<b>'s \\"]
    outsider.control("POST", "fields", {"object": "Payment__c", "field": "Status__c", "choices": choices})

    def values(**headers):
        path = "/ui-api/object-info/Payment__c/picklist-values/012000000000000AAA"
        told = outsider.get(path, headers=headers).json()["picklistFieldValues"]["Status__c"]
        return [one["value"] for one in told["values"]]

    assert values() == ["R&amp;D", "&lt;b&gt;&#39;s &#92;"]
    assert values(**{"X-Chatter-Entity-Encoding": "false"}) == choices


def test_types_are_found_by_name(outsider):
    id18 = a_type(outsider)

    soql = "SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Payment__c' AND IsActive = true"
    (row,) = outsider.get("/query", params={"q": soql}).json()["records"]

    assert (row["Id"], row["DeveloperName"]) == (id18, "Partner")


CHOICE = (
    "<fields><fullName>Kind__c</fullName><label>Kind</label><type>Picklist</type><valueSet>"
    "<restricted>true</restricted><valueSetDefinition>{}</valueSetDefinition></valueSet></fields>"
)
VALUE = "<value><fullName>{0}</fullName><default>false</default><label>{0}</label></value>"
RECORD_TYPE = (
    "<recordTypes><fullName>Urgent</fullName><active>true</active><label>Urgent ticket</label>"
    "<picklistValues><picklist>Kind__c</picklist><values><fullName>{}</fullName><default>false</default></values>"
    "</picklistValues></recordTypes>"
)
GRANT = (
    "<label>Tickets</label><objectPermissions><allowRead>true</allowRead><allowCreate>true</allowCreate>"
    "<object>Ticket__c</object></objectPermissions><recordTypeVisibilities><recordType>Ticket__c.Urgent"
    "</recordType><visible>true</visible></recordTypeVisibilities>"
)


def test_a_deployed_type_is_there_and_used_through_a_permission_set(outsider):
    token = outsider.control("POST", "sessions", {"username": "admin@acme.example", "admin": True})
    admin = type(outsider)(outsider.address, token["access_token"])
    body = OBJECT + CHOICE.format(VALUE.format("A") + VALUE.format("B"))
    grant = {"permissionsets/Tickets.permissionset": XML.format("PermissionSet", GRANT)}

    wrong = deploy(admin, a_zip(an_object(body + RECORD_TYPE.format("C"))))
    right = deploy(
        admin,
        a_zip({**an_object(body + RECORD_TYPE.format("A")), **grant}, [("RecordType", "Ticket__c.Urgent")]),
    )

    assert wrong["status"] == "Failed"
    assert right["status"] == "Succeeded", right
    assert outsider.get("/sobjects/Ticket__c/describe").status_code == 404
    outsider.control("POST", "permissions", {"username": USERNAME, "assign": "Tickets"})
    told = outsider.get("/sobjects/Ticket__c/describe").json()["recordTypeInfos"]
    assert [(one["developerName"], one["available"]) for one in told] == [("Urgent", True), ("Master", True)]
    admin.http.close()
