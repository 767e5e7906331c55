"""Many records are looked up in few queries, whatever their values are made of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors import gateway
from integrator.kernel import errors
from tests.integration.connectors.rig import Sandbox


def find(crm, **request: Any) -> Any:
    usual = {"object": "Account", "field": "Name", "values": [], "fields": ["Id", "Name"]}
    (result,) = gateway.call_many(connection_id=crm.pk, action="find", requests=[usual | request])
    return result


def queries(org: Sandbox) -> list[dict[str, Any]]:
    """Return the look-ups; the test of the connection has queried as well."""
    return [call for call in org.calls("/query") if "+IN+" in call["query"]]


def write(crm, object_: str, key: str, *records: dict[str, Any]) -> list[Any]:
    requests = [
        {
            "object": object_,
            "external_id_field": key,
            "external_id": record[key],
            "values": {name: value for name, value in record.items() if name != key},
        }
        for record in records
    ]
    return gateway.call_many(connection_id=crm.pk, action="upsert", requests=requests, deadline=60)


HOSTILE = ["O'Brien \\' OR Id!=''", "50%_off", "line\nbreak", 'say "hi"', "back\\slash", "{braces}", "{0}"]


def test_of_a_name_that_many_have_no_more_are_read_than_are_asked_for(crm, org):
    rows = ({"Integration_Key__c": str(place), "Name": "Smith"} for place in range(5))
    write(crm, "Account", "Integration_Key__c", *rows)

    found = find(crm, values=["Smith"], limit=2)

    assert len(found["records"]) == 2
    assert queries(org)[-1]["query"].endswith("LIMIT+2")
    assert len(find(crm, values=["Smith"])["records"]) == 5


def test_the_records_with_one_of_the_values_are_found_and_no_others(crm, org):
    names = [*HOSTILE, "Other"]
    write(
        crm,
        "Account",
        "Integration_Key__c",
        *({"Integration_Key__c": str(place), "Name": name} for place, name in enumerate(names)),
    )

    found = find(crm, values=[*HOSTILE, HOSTILE[0], None, "", "Nobody"])

    assert sorted(record["Name"] for record in found["records"]) == sorted(HOSTILE)
    assert len(queries(org)) == 1


def test_no_values_cost_no_call(crm, org):
    assert find(crm, values=[None, ""]) == {"records": []}
    assert not queries(org)


def test_values_that_are_too_many_for_an_address_take_several_queries(crm, org):
    keys = [f"pi_{number:04}_{'x' * 60}" for number in range(600)]
    write(crm, "Payment__c", "External_ID__c", *({"External_ID__c": key} for key in keys))

    found = find(crm, object="Payment__c", field="External_ID__c", values=keys, fields=["Id"])

    assert sorted(record["External_ID__c"] for record in found["records"]) == keys
    assert 1 < len(queries(org)) < 8
    assert all(len(call["query"]) < 16_384 for call in queries(org))


def test_a_look_up_is_followed_and_numbers_are_exact(crm):
    write(crm, "Stripe_Customer__c", "External_ID__c", {"External_ID__c": "cus_1", "Email__c": "a@acme.test"})
    payment = {
        "External_ID__c": "pi_1",
        "Amount__c": Decimal("90071992547409.935"),
        "Stripe_Customer__r": {"External_ID__c": "cus_1"},
    }
    write(crm, "Payment__c", "External_ID__c", payment)

    found = find(
        crm,
        object="Payment__c",
        field="Stripe_Customer__r.External_ID__c",
        values=["cus_1"],
        fields=["Amount__c", "Stripe_Customer__r.Email__c"],
    )

    assert found["records"] == [
        {
            "Amount__c": Decimal("90071992547409.935"),
            "Stripe_Customer__r": {"Email__c": "a@acme.test", "External_ID__c": "cus_1"},
        }
    ]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param({"object": "Account WHERE Id != null"}, "INVALID_TYPE", id="a clause in the object"),
        pytest.param({"field": "Name) OR (Id"}, "INVALID_FIELD", id="a clause in the field"),
        pytest.param({"fields": ["Id FROM User"]}, "INVALID_FIELD", id="a clause in the fields"),
        pytest.param({"fields": ["Id", "Nonsense__c"]}, "INVALID_FIELD", id="a field that is not there"),
        pytest.param({"values": [{"a": 1}]}, "MALFORMED_QUERY", id="an object among the values"),
        pytest.param({"values": ["x" * 20_000]}, "QUERY_TOO_LONG", id="a value that fits nowhere"),
    ],
)
def test_a_look_up_that_cannot_be_right_is_refused(crm, request_, code):
    result = find(crm, values=["x"], **request_) if "values" not in request_ else find(crm, **request_)

    assert isinstance(result, errors.Refused)
    assert result.code == code
