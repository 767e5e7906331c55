"""What is agreed where somebody changes a record at the very moment that it is written."""

from __future__ import annotations

import pytest

from tests.unit.flows.test_two_way import Both


@pytest.mark.parametrize(
    ("stored", "ours", "left"),
    [
        pytest.param("Eve", False, "Eve", id="a person was as quick as that"),
        pytest.param("BOB", True, "Bob", id="the org writes it in its own way"),
    ],
)
def test_what_stands_there_after_a_write_may_be_the_change_of_somebody_else(stored, ours, left):
    both = Both()
    both.to_salesforce()
    both.written()
    call = both.ports.call_many

    def call_many(slot, action, requests):
        results = call(slot, action, requests)
        if action == "upsert":
            both.account["Name"] = stored
        return results

    both.ports.call_many = call_many
    both.customer["name"] = "Bob"
    both.to_salesforce()

    both.to_stripe(changed=("Name",), ours=ours)
    both.to_salesforce()
    both.to_stripe(changed=("Name",), ours=ours)

    assert (both.customer["name"], both.account["Name"]) == (left, stored)
    assert len(both.written()) == (1 if ours else 2)
