"""What a duplicate rule of the org holds back, and when it is saved nonetheless."""

from __future__ import annotations

import pytest

from integrator.kernel import errors
from tests.integration.connectors.test_salesforce_writes import a_payment, upsert


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a collection"])
@pytest.mark.parametrize("action", ["alert", "block"])
def test_a_duplicate_is_saved_only_where_it_is_allowed_to_and_the_rule_lets_it(crm, org, action, together):
    org.post("duplicate-rules", object="Payment__c", fields=["Charge_ID__c"], action=action)
    upsert(crm, a_payment("pi_1", Charge_ID__c="ch_1"))
    request = a_payment("pi_2", Charge_ID__c="ch_1")
    others = [a_payment("pi_3", Charge_ID__c="ch_1") | {"allow_duplicates": True}] if together else []

    refused, *_ = upsert(crm, request)
    forbidden, *rest = upsert(crm, request, *others)
    allowed, *_ = upsert(crm, request | {"allow_duplicates": True})

    assert isinstance(refused, errors.Ambiguous)
    assert refused.may_save is (action == "alert")
    assert [object_ for object_, _ in refused.records] == ["Payment__c"]
    assert isinstance(forbidden, errors.Ambiguous)
    assert all(isinstance(one, dict) is (action == "alert") for one in (*rest, allowed))
