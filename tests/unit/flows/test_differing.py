"""What is sent to Stripe of a change: nothing that is so already."""

from __future__ import annotations

import pytest

from flows.steps.differing import differing


@pytest.mark.parametrize(
    ("values", "found", "sent"),
    [
        pytest.param({"name": "A"}, {"name": "A"}, {}, id="the same text"),
        pytest.param({"balance": "10"}, {"balance": 10}, {}, id="a number as text"),
        pytest.param({"code": "010"}, {"code": "10"}, {"code": "010"}, id="texts that look like numbers"),
        pytest.param({"phone": ""}, {"phone": None}, {}, id="emptied already"),
        pytest.param({"phone": ""}, {}, {"phone": ""}, id="what the object does not show"),
        pytest.param({"cancel_at_period_end": "true"}, {"cancel_at_period_end": True}, {}, id="a switch"),
        pytest.param({"product": "prod_1"}, {"product": {"id": "prod_1"}}, {}, id="an expanded object"),
        pytest.param(
            {"metadata": {"a": "1", "b": "2", "c": ""}},
            {"metadata": {"a": "1", "b": "1"}},
            {"metadata": {"b": "2"}},
            id="metadata by its keys",
        ),
        pytest.param(
            {"address": {"city": "Bern", "line1": "A"}},
            {"address": {"city": "Basel", "line1": "A", "country": "CH"}},
            {"address": {"city": "Bern", "line1": "A"}},
            id="parts go together",
        ),
        pytest.param(
            {"items": [{"id": "si_1", "quantity": 2}], "proration_behavior": "none"},
            {"items": {"data": [{"id": "si_1", "quantity": 2}]}},
            {},
            id="an element that is there, and how it would have been changed",
        ),
        pytest.param(
            {"items": [{"id": "si_1", "quantity": 3}], "proration_behavior": "none"},
            {"items": {"data": [{"id": "si_1", "quantity": 2}]}},
            {"items": [{"id": "si_1", "quantity": 3}], "proration_behavior": "none"},
            id="an element that differs",
        ),
        pytest.param(
            {"items": [{"price": "price_1"}]}, {"items": {"data": []}}, {"items": [{"price": "price_1"}]},
            id="an element without an id",
        ),
    ],
)  # fmt: skip
def test_what_is_there_already_is_left_out(values, found, sent):
    assert differing(values, found) == sent
