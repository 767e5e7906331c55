"""This module tests the XML of a merge: what is written says what was meant, and nothing else is read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from lxml import etree

from connectors.salesforce import merging, soap
from integrator.kernel import errors

RECORD = "{urn:sobject.partner.soap.sforce.com}"
NAIVE = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
ENVELOPE = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>{}</e:Body></e:Envelope>'


def call(**values: Any) -> etree._Element:
    made = soap.merge_call(
        session="00D!<&>",
        client="Us",
        object="Account",
        master="001A",
        losers=["001B", "001C"],
        values=values,
    )
    return etree.fromstring(made, etree.XMLParser(resolve_entities=False))


def test_each_value_is_written_as_xml_schema_has_it_and_markup_stays_text() -> None:
    made = call(
        Name="R&D </Name><Id>x</Id> ]]>",
        Type="Partner",
        Phone=None,
        Site="",
        AnnualRevenue=Decimal("1E+3"),
        NumberOfEmployees=7,
        Active__c=True,
        Born__c=date(2026, 2, 3),
        At__c=datetime(2026, 2, 3, 4, 5, tzinfo=UTC),
    )

    record = next(made.iter("{urn:partner.soap.sforce.com}masterRecord"))
    assert [(child.tag.removeprefix(RECORD), child.text) for child in record] == [
        ("type", "Account"),
        ("fieldsToNull", "Phone"),
        ("fieldsToNull", "Site"),
        ("Id", "001A"),
        ("Name", "R&D </Name><Id>x</Id> ]]>"),
        ("Type", "Partner"),
        ("AnnualRevenue", "1000"),
        ("NumberOfEmployees", "7"),
        ("Active__c", "true"),
        ("Born__c", "2026-02-03"),
        ("At__c", "2026-02-03T04:05:00+00:00"),
    ]
    assert [one.text for one in made.iter("{*}recordToMergeIds")] == ["001B", "001C"]
    assert [one.text for one in made.iter("{*}sessionId")] == ["00D!<&>"]


@pytest.mark.parametrize("value", ["\x00", "\x0b", "\ud800", 0.1, Decimal("NaN"), ["a"], NAIVE])
def test_what_has_no_place_in_xml_is_refused_with_the_field_named(value: Any) -> None:
    with pytest.raises(errors.Refused) as refusal:
        call(Site=value)

    assert (refusal.value.code, refusal.value.field) == ("UNWRITABLE_VALUE", "Site")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>502</body></html>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        ENVELOPE.format("<mergeResponse/>").encode(),
        ENVELOPE.format("<merge").encode(),
    ],
)
def test_what_is_no_answer_of_the_api_is_not_read(content: bytes) -> None:
    with pytest.raises(soap.Unreadable):
        soap.read_merge(content)


def test_faults_and_results_are_told_apart() -> None:
    fault = (
        "<e:Fault><faultcode>sf:INVALID_FIELD</faultcode><faultstring>INVALID_FIELD: No such column"
        "</faultstring><detail/></e:Fault>"
    )
    failed = (
        "<mergeResponse><result><errors><fields>Name</fields><message>Too long</message>"
        "<statusCode>STRING_TOO_LONG</statusCode></errors><success>false</success></result></mergeResponse>"
    )

    assert soap.read_merge(ENVELOPE.format(fault).encode()) == soap.Trouble("INVALID_FIELD", "No such column")
    assert soap.read_merge(ENVELOPE.format(failed).encode()) == soap.Merged(
        troubles=(soap.Trouble("STRING_TOO_LONG", "Too long", ("Name",)),)
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("soapenv:Server", errors.Uncertain),
        ("sf:UNKNOWN_EXCEPTION", errors.Uncertain),
        ("soapenv:Client", errors.Refused),
        ("sf:UNABLE_TO_LOCK_ROW", errors.Transient),
    ],
)
def test_only_a_fault_of_the_api_itself_says_that_nothing_was_done(code: str, kind: type) -> None:
    said = f"<e:Fault><faultcode>{code}</faultcode><faultstring>Why</faultstring></e:Fault>"
    content = ENVELOPE.format(said).encode()
    answer = SimpleNamespace(status_code=500, headers={}, content=content)
    org: Any = SimpleNamespace(soap=lambda _body: answer, now=lambda: datetime(2026, 2, 3, tzinfo=UTC))
    wanted = {"object": "Account", "master": "001000000000000AAA", "losers": ["001000000000001AAA"]}

    assert type(merging._merge(org, wanted)) is kind


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"object": "Opportunity"}, "INVALID_TYPE"),
        ({"losers": []}, "INVALID_OPERATION"),
        ({"losers": ["001000000000001AAA"] * 2}, "INVALID_OPERATION"),
        ({"losers": ["001000000000000"]}, "INVALID_OPERATION"),
        ({"master": "' OR"}, "MALFORMED_ID"),
        ({"values": {"Id": "001"}}, "INVALID_FIELD"),
    ],
)
def test_what_cannot_be_merged_is_not_sent(wrong: dict[str, Any], code: str) -> None:
    params = {"object": "account", "master": "001000000000000AAA", "losers": ["001000000000001AAA"], **wrong}

    with pytest.raises(errors.Refused) as refusal:
        merging.parsed(params)

    assert refusal.value.code == code
