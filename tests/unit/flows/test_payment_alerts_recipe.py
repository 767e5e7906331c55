"""The template of alerts tells each dispute and each failed refund once, and writes nothing."""

from __future__ import annotations

import pytest

from flows.engine import batch, plan
from flows.engine.policy import Policy
from flows.recipes import catalogue
from flows.steps import registry
from tests.fakes import FakePorts, an_item

RECIPE = catalogue.load("payment_alerts")
PLAN = plan.build(RECIPE.document, kinds=registry.load())
SAMPLES = catalogue.samples("payment_alerts")
TOLD = {
    "dispute_created": ("critical", "A dispute was opened: fraudulent (du_3SampleEve0000000009)"),
    "dispute_closed": ("info", "Dispute du_3SampleEve0000000009 ended: won"),
    "refund_failed": ("critical", "Refund re_3SampleAda0000000001 failed (lost_or_stolen_card)"),
}


@pytest.mark.parametrize("name", TOLD)
def test_a_sample_becomes_one_alert(name):
    item, ports = an_item(SAMPLES[name].event), FakePorts()

    (finished,) = batch.run(PLAN, [item], ports, Policy())

    (note,) = finished.item.notes
    assert (note.kind, note.severity, note.title) == ("flow_alert", *TOLD[name])
    assert "https://dashboard.stripe.com/" in note.text
    assert not finished.writes
    assert not ports.records


def test_there_is_a_sample_for_every_event_type_of_the_template():
    assert {sample.event["type"] for sample in SAMPLES.values()} == set(RECIPE.document.trigger.types)
