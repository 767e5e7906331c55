"""This module merges records over SOAP as a client of nobody's making does: by bytes written by hand."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from lxml import etree

from tests.integration.sandbox.salesforce.rig import USERNAME, Outsider

PLACES = {"p": "urn:partner.soap.sforce.com", "e": "http://schemas.xmlsoap.org/soap/envelope/"}
ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"
 xmlns:ns2="urn:sobject.partner.soap.sforce.com"><env:Header><SessionHeader><sessionId>{session}</sessionId>
</SessionHeader><CallOptions><client>byhand</client></CallOptions></env:Header><env:Body><merge><request>
<masterRecord><ns2:type>Account</ns2:type>{emptied}<ns2:Id>{master}</ns2:Id>{values}</masterRecord>{losers}
</request></merge></env:Body></env:Envelope>"""


def merge(outsider, master, *losers, emptied=(), session=None, headers=None, **values):
    body = ENVELOPE.format(
        session=session or outsider.http.headers["Authorization"].removeprefix("Bearer "),
        master=master,
        losers="".join(f"<recordToMergeIds>{one}</recordToMergeIds>" for one in losers),
        emptied="".join(f"<ns2:fieldsToNull>{one}</ns2:fieldsToNull>" for one in emptied),
        values="".join(f"<ns2:{name}>{escape(value)}</ns2:{name}>" for name, value in values.items()),
    )
    given = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'} if headers is None else headers
    answer = outsider.http.post(
        f"{outsider.address}/services/Soap/u/67.0", data=body.encode(), headers=given, timeout=20
    )
    return answer.status_code, etree.fromstring(answer.content)


def said(tree, path):
    return [node.text for node in tree.iterfind(path, PLACES)]


def account(outsider: Outsider, name, **values):
    return outsider.post("/sobjects/Account", {"Name": name, **values}).json()["id"]


def test_a_merge_keeps_the_master_moves_what_refers_to_the_others_and_buries_them(outsider, subscriber):
    master, loser, other = (account(outsider, name, Phone="1", Site="there") for name in "ABC")
    contact = outsider.post("/sobjects/Contact", {"LastName": "Of B", "AccountId": loser}).json()["id"]
    payment = {"External_ID__c": "pi_1", "Account__c": other}
    moved_payment = outsider.post("/sobjects/Payment__c", payment).json()["id"]

    status, told = merge(
        outsider, master, loser[:15], other, emptied=["Site"], Phone="R&D <2>", NumberOfEmployees="7"
    )

    assert (status, said(told, ".//p:success")) == (200, ["true"])
    assert said(told, ".//p:mergedRecordIds") == [loser, other]
    assert set(said(told, ".//p:updatedRelatedIds")) == {contact, moved_payment}
    kept = outsider.get(f"/sobjects/Account/{master}").json()
    assert (kept["Name"], kept["Phone"], kept["Site"], kept["NumberOfEmployees"]) == ("A", "R&D <2>", None, 7)
    assert outsider.get(f"/sobjects/Contact/{contact}").json()["AccountId"] == master
    assert outsider.get(f"/sobjects/Payment__c/{moved_payment}").json()["Account__c"] == master
    gone = outsider.get(
        "/queryAll", params={"q": "SELECT Id, MasterRecordId FROM Account WHERE IsDeleted = true"}
    )
    assert {(one["Id"], one["MasterRecordId"]) for one in gone.json()["records"]} == {
        (loser, master),
        (other, master),
    }
    events = subscriber.listen("/data/AccountChangeEvent").events(5)[3:]
    assert [event.kind for event in events] == ["DELETE", "UPDATE"]
    assert {e.header["changeOrigin"] for e in events} == {"com/salesforce/api/soap/67.0;client=byhand"}

    status, again = merge(outsider, master, loser)
    assert (status, said(again, ".//p:statusCode")) == (200, ["ENTITY_IS_DELETED"])
    assert said(again, ".//p:success") == ["false"]


def test_what_cannot_be_merged_is_refused_and_nothing_happens(outsider):
    master, loser = account(outsider, "A"), account(outsider, "B", Integration_Key__c="cus_1")
    child = account(outsider, "C", ParentId=loser)

    _, key = merge(outsider, master, loser, Integration_Key__c="cus_1")
    _, circle = merge(outsider, child, loser)
    _, itself = merge(outsider, master, master)
    _, nobody = merge(outsider, master, "001gK0000004rXxQAI")

    assert said(key, ".//p:statusCode") == ["DUPLICATE_VALUE"]
    assert said(circle, ".//p:statusCode") == ["CIRCULAR_DEPENDENCY"]
    assert said(itself, ".//p:statusCode") == ["INVALID_OPERATION"]
    assert said(nobody, ".//p:statusCode") == ["INVALID_CROSS_REFERENCE_KEY"]
    assert outsider.query("SELECT COUNT(Id) n FROM Account").json()["records"][0]["n"] == 3


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"session": "nobody's"}, "sf:INVALID_SESSION_ID"),
        ({"headers": {"Content-Type": "text/xml"}}, "soapenv:Client"),
        ({"Nothing__c": "1"}, "sf:INVALID_FIELD"),
        ({"NumberOfEmployees": "seven"}, "soapenv:Client"),
    ],
    ids=["no session", "no action", "no such field", "no number"],
)
def test_a_call_that_is_wrong_as_a_whole_is_a_fault(outsider, call, code):
    status, told = merge(outsider, account(outsider, "A"), account(outsider, "B"), **call)

    assert (status, [node.text for node in told.iter("faultcode")]) == (500, [code])


def test_a_field_that_is_hidden_from_the_user_is_not_there_and_a_document_type_is_not_read(outsider):
    one, two = account(outsider, "A"), account(outsider, "B")
    outsider.control(
        "POST",
        "permissions",
        {"username": USERNAME, "object": "Account", "field": "Site", "level": "hidden"},
    )

    _, told = merge(outsider, one, two, Site="x")
    answer = outsider.http.post(
        f"{outsider.address}/services/Soap/u/67.0",
        data=b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        headers={"SOAPAction": '""'},
        timeout=20,
    )

    assert [node.text for node in told.iter("faultcode")] == ["sf:INVALID_FIELD"]
    assert (answer.status_code, b"DOCTYPE is not allowed" in answer.content) == (500, True)
