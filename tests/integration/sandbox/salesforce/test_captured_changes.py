"""This module tests Change Data Capture: what each kind of save tells to whoever listens."""

from __future__ import annotations

import hashlib

from tests.integration.sandbox.salesforce.rig import USERNAME

ACCOUNTS = "/data/AccountChangeEvent"
CONTACTS = "/data/ContactChangeEvent"
ADDRESS = {"BillingStreet": "1 High Street", "BillingCity": "York", "BillingPostalCode": "YO1"}


def made(outsider, sobject, values):
    return outsider.post(f"/sobjects/{sobject}", values).json()["id"]


def typed(sobject, **values):
    return {"attributes": {"type": sobject}, **values}


def test_a_new_record_is_told_whole_and_by_whom(outsider, subscriber):
    values = {"Name": "Acme", "AnnualRevenue": 1200, "NumberOfEmployees": 7, **ADDRESS}
    id18 = made(outsider.another("Integrator"), "Account", values)

    (event,) = subscriber.listen(ACCOUNTS).events(1)
    header = event.header
    assert (event.kind, header["entityName"], header["recordIds"]) == ("CREATE", "Account", [id18])
    assert header["changeOrigin"] == "com/salesforce/api/rest/67.0;client=Integrator"
    assert header["changedFields"] == header["nulledFields"] == []
    told = event.values
    assert (told["Name"], told["AnnualRevenue"], told["NumberOfEmployees"]) == ("Acme", 1200.0, 7)
    assert told["BillingAddress"]["City"] == "York"
    assert told["BillingAddress"]["Country"] is None
    assert told["ShippingAddress"] is None
    assert told["CreatedById"] == header["commitUser"]
    assert told["CreatedDate"] <= header["commitTimestamp"]
    assert not {"Id", "IsDeleted", "SystemModstamp", "BillingCity"} & set(told)


def test_a_change_names_what_was_changed_and_what_was_emptied(outsider, subscriber):
    before = {"FirstName": "Ada", "LastName": "Byron", "Phone": "1", "MailingCity": "London", "Title": "Dr"}
    id18 = made(outsider, "Contact", {**before, "MailingStreet": "1 Strand"})
    after = {"LastName": "Lovelace", "Phone": None, "MailingStreet": None, "MailingCity": "Oxford"}
    outsider.patch(f"/sobjects/Contact/{id18}", {**after, "Title": "Dr", "Birthdate": "1815-12-10"})

    _, event = subscriber.listen(CONTACTS).events(2)
    emptied = {"Phone", "MailingAddress.Street"}
    assert event.kind == "UPDATE"
    assert event.named("nulledFields") == emptied
    assert event.named("changedFields") == emptied | {
        "LastModifiedDate",
        "Name.LastName",
        "MailingAddress.City",
        "Birthdate",
    }
    assert event.values["Name"] == {"Salutation": None, "FirstName": None, "LastName": "Lovelace"}
    assert event.values["MailingAddress"]["City"] == "Oxford"
    assert event.values["Title"] is None  # was not changed
    assert event.values["Birthdate"] == -4_861_728_000_000


def test_records_changed_alike_share_an_event(outsider, subscriber):
    ids = [made(outsider, "Account", {"Name": name}) for name in ("A", "B", "C")]
    changed = [typed("Account", Id=id18, Industry="Retail") for id18 in ids[:2]]
    changed.append(typed("Account", Id=ids[2], Industry="Media"))
    outsider.patch("/composite/sobjects", {"records": changed})
    outsider.delete("/composite/sobjects", params={"ids": ",".join(ids)})

    alike, other, gone = subscriber.listen(ACCOUNTS).events(6)[3:]
    assert (alike.header["recordIds"], other.header["recordIds"]) == (ids[:2], ids[2:])
    assert (alike.header["sequenceNumber"], other.header["sequenceNumber"]) == (1, 2)
    assert alike.header["transactionKey"] == other.header["transactionKey"]
    assert (gone.kind, gone.header["recordIds"]) == ("DELETE", ids)
    assert gone.header["transactionKey"] != other.header["transactionKey"]
    assert {value for name, value in gone.values.items() if name != "ChangeEventHeader"} == {None}


def test_what_is_taken_back_is_told_to_nobody(outsider, subscriber):
    part = {"method": "POST", "url": "/services/data/v67.0/sobjects/Account", "body": {"Name": "First"}}
    for last in ({"Nope": 1}, {"Name": "Second"}):
        unit = [{**part, "referenceId": "a"}, {**part, "referenceId": "b", "body": last}]
        outsider.post("/composite", {"allOrNone": True, "compositeRequest": unit})

    first, second = subscriber.listen(ACCOUNTS).events(2)
    assert second.values["Name"] == "Second"
    assert first.header["transactionKey"] == second.header["transactionKey"]
    assert (first.header["sequenceNumber"], second.header["sequenceNumber"]) == (1, 2)


def test_people_change_records_behind_the_integration_s_back(outsider, subscriber):
    made_by_hand = outsider.control(
        "POST", "changes", {"act": "create", "object": "Account", "values": {"Name": "By hand"}}
    )
    for act in ("delete", "undelete"):
        outsider.control("POST", "changes", {"act": act, "object": "Account", "id": made_by_hand["id"]})

    events = subscriber.listen(ACCOUNTS).events(3)
    assert [event.kind for event in events] == ["CREATE", "DELETE", "UNDELETE"]
    assert [event.values["Name"] for event in events] == ["By hand", None, "By hand"]
    assert {event.header["commitUser"] for event in events} == {made_by_hand["user_id"]}
    assert "SfdcInternalAPI" in events[0].header["changeOrigin"]
    assert outsider.get(f"/sobjects/Account/{made_by_hand['id']}").ok


def test_a_long_text_is_told_by_how_it_differs(outsider, subscriber):
    lines = [f"Line {number} of a long description." for number in range(60)]
    id18 = made(outsider, "Account", {"Name": "Acme", "Description": "\n".join(lines)})
    lines[30] = "Another line."
    after = "\n".join(lines)
    outsider.patch(f"/sobjects/Account/{id18}", {"Description": after})

    _, event = subscriber.listen(ACCOUNTS).events(2)
    assert event.named("diffFields") == {"Description"}
    told = event.values["Description"].splitlines()
    assert told[:2] == ["--- ", f"+++ {hashlib.sha256(after.encode()).hexdigest()}"]
    assert told[3:] == ["-Line 30 of a long description.", "+Another line."]


def test_a_changed_object_has_a_new_schema_and_old_events_keep_theirs(outsider, subscriber):
    made(outsider, "Payment__c", {"External_ID__c": "pi_1", "Status__c": "Completed"})
    topic = "/data/Payment__ChangeEvent"
    outsider.control("POST", "fields", {"object": "Payment__c", "field": "Status__c", "name": "State__c"})
    made(outsider, "Payment__c", {"External_ID__c": "pi_2", "State__c": "Failed"})

    old, new = subscriber.listen(topic).events(2)
    assert (old.values["Status__c"], new.values["State__c"]) == ("Completed", "Failed")
    assert new.schema_id == subscriber.topic(topic).schema_id != old.schema_id


def test_a_hidden_field_is_not_told(outsider, subscriber):
    restriction = {"object": "Account", "field": "Industry", "level": "hidden", "username": USERNAME}
    changes = {"object": "Account", "act": "create", "values": {"Name": "Acme", "Industry": "Media"}}
    id18 = outsider.control("POST", "changes", changes)["id"]
    outsider.control("POST", "permissions", restriction)
    changes |= {"act": "update", "id": id18, "values": {"Industry": "Retail", "Phone": "1"}}
    outsider.control("POST", "changes", changes)

    created, updated = subscriber.listen(ACCOUNTS).events(2)
    assert (created.values["Name"], created.values["Industry"]) == ("Acme", None)
    assert updated.named("changedFields") == {"LastModifiedDate", "Phone"}
