"""Templates about money fit an org with one currency, once it is put in, and one with several."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from flows.engine import batch, plan
from flows.engine.definition import load
from flows.engine.policy import Policy
from flows.recipes import catalogue, currencies
from flows.steps import registry
from tests.fakes import FakePorts, an_item

OPEN = [slug for slug in catalogue.slugs() if currencies.is_open(catalogue.load(slug).raw)]


@pytest.mark.parametrize("slug", OPEN)
def test_in_an_org_with_several_currencies_the_record_says_which(slug: str) -> None:
    raw = catalogue.load(slug).raw
    before = copy.deepcopy(raw)

    several = currencies.in_several(raw)

    assert not currencies.is_open(several)
    assert "CurrencyIsoCode" in str(several)
    assert load(several, kinds=registry.load())
    assert raw == before


def test_templates_without_a_currency_of_the_org_stay_as_they_are() -> None:
    assert "payment_links" in OPEN
    assert "payments" not in OPEN


def test_nothing_is_made_before_somebody_says_which_currency_the_org_has() -> None:
    recipe = catalogue.load("payment_links")
    record: dict[str, Any] = {
        "Id": "006000000000001AAA", "Name": "Deal", "Send_Payment_Link__c": True, "Amount": 10,
    }  # fmt: skip
    item = an_item()
    item.context = {"Opportunity": record}
    ports = FakePorts()

    (finished,) = batch.run(plan.build(recipe.document, kinds=registry.load()), [item], ports, Policy())

    assert finished.fate == "ignored"
    assert "currency" in finished.reason
    assert ports.calls == []
    assert item.notes
