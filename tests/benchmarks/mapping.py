"""
This module measures what a mapping of ten fields costs against the same written by hand (P9), and what a
line costs more whose value an expression works out.

Both sides run in turns in one process, so that a busy
machine slows both; the ratio of the medians is what counts.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flows.engine import batch, plan
from flows.engine.policy import Policy
from flows.mapping.apply import CompiledMapping, compile_mapping
from flows.mapping.spec import Mapping
from flows.recipes import catalogue
from flows.steps import registry
from integrator.kernel.money import to_major
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.tables import Table
from tests.fakes import FakePorts, an_item

STATUSES = {"succeeded": "Completed", "failed": "Failed", "pending": "Pending"}
MONEY = {"chip": "money", "currency": "charge.currency"}
LINES: list[dict[str, Any]] = [
    {"field": "External_ID__c", "from": ["charge.payment_intent", "charge.id"], "empty": "fail"},
    {"field": "Amount__c", "from": "charge.amount", "chips": [MONEY], "empty": "fail"},
    {"field": "Refunded_Amount__c", "from": "charge.amount_refunded", "chips": [MONEY]},
    {"field": "Currency__c", "from": "charge.currency", "chips": [{"chip": "text", "case": "upper"}]},
    {"field": "Status__c", "from": "charge.status", "chips": [{"chip": "value_map", "map": STATUSES}]},
    {"field": "Paid_At__c", "from": "charge.created", "chips": [{"chip": "unix_time"}]},
    {
        "field": "Failure_Message__c",
        "from": "charge.failure_message",
        "chips": [{"chip": "text", "max_length": 255, "truncate": True}],
        "empty": "clear",
    },
    {"field": "Order_ID__c", "chips": [{"chip": "metadata", "of": "charge", "key": "order_id"}]},
    {"field": "Card_Brand__c", "from": "charge.payment_method_details.card.brand"},
    {"field": "Livemode__c", "from": "charge.livemode", "chips": [{"chip": "boolean"}]},
]
EXPRESSIONS = {
    "a comparison": "charge.status == 'succeeded' && charge.amount > 1000 ? 'large' : 'small'",
    "an amount": "money.major(charge.amount, charge.currency)",
    "two texts": "text.upper(charge.currency) + ' ' + charge.id",
    "what may be missing": "charge.?failure_message.orValue(charge.?description.orValue('-'))",
}
CHARGE = catalogue.samples("payments")["charge_succeeded"].event["data"]["object"]


class Cost(NamedTuple):
    """Microseconds for one record: of ten fields by hand, and as it is mapped."""

    by_hand: float
    mapped: float

    @property
    def ratio(self) -> float:
        """Return how many times as much a mapping costs."""
        return self.mapped / self.by_hand


def by_hand(context: dict[str, Any]) -> dict[str, Any]:
    """Return the record as a careful programmer would write it down, with the same exact money."""
    charge = context["charge"]
    currency = charge["currency"]
    status = charge["status"]
    if status not in STATUSES:
        raise ValueError(f"{status} is not known")
    message = charge.get("failure_message")
    return {
        "External_ID__c": charge.get("payment_intent") or charge["id"],
        "Amount__c": to_major(charge["amount"], currency),
        "Refunded_Amount__c": to_major(charge["amount_refunded"], currency),
        "Currency__c": currency.upper(),
        "Status__c": STATUSES[status],
        "Paid_At__c": datetime.fromtimestamp(charge["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Failure_Message__c": message[:255] if message else None,
        "Order_ID__c": charge.get("metadata", {}).get("order_id"),
        "Card_Brand__c": charge.get("payment_method_details", {}).get("card", {}).get("brand"),
        "Livemode__c": bool(charge["livemode"]),
    }


def ten_fields() -> CompiledMapping:
    """Return the mapping that does what `by_hand` does."""
    return compile_mapping(Mapping.model_validate({"target": "Payment__c", "lines": LINES}))


def measure(*, rounds: int = 15, records: int = 2_000) -> Cost:
    """Return what a record costs either way: medians of `rounds` taken in turns."""
    context = {"charge": CHARGE}
    mapping = ten_fields()
    assert mapping.apply(context).record == by_hand(context)
    return _in_turns(mapping, context, rounds, records)


def _in_turns(mapping: CompiledMapping, context: dict[str, Any], rounds: int, records: int) -> Cost:
    hand, mapped = [], []
    for _ in range(rounds):
        hand.append(_microseconds(lambda: by_hand(context), records))
        mapped.append(_microseconds(lambda: mapping.apply(context), records))
    return Cost(statistics.median(hand), statistics.median(mapped))


def measure_expression(text: str, *, rounds: int = 15, records: int = 2_000) -> Cost:
    """Return what a record costs whose one line is the expression `text`, beside ten fields by hand."""
    line = {"field": "F__c", "chips": [{"chip": "expression", "text": text}]}
    mapping = compile_mapping(Mapping.model_validate({"target": "Payment__c", "lines": [line]}))
    context = {"charge": CHARGE}
    assert mapping.apply(context).record
    return _in_turns(mapping, context, rounds, records)


def measure_lockstep(items: int, *, rounds: int = 5) -> float:
    """
    Return the microseconds that a run of the payments template costs in a batch, trace included.

    The garbage collector is kept out of it, as the runner keeps it out of a pass.
    """
    compiled = plan.build(catalogue.load("payments").document, kinds=registry.load())
    event = catalogue.samples("payments")["charge_succeeded"].event
    costs = []
    was_on = gc.isenabled()
    for _ in range(rounds):
        batch_of = [an_item(event, run_id=number) for number in range(items)]
        for item in batch_of:
            item.context["charge"] = {**item.context["charge"], "payment_intent": f"pi_{item.run_id}"}
        ports = FakePorts()
        gc.disable()
        costs.append(_microseconds(lambda batch_of=batch_of, ports=ports: _run(compiled, batch_of, ports), 1))
        if was_on:
            gc.enable()
    return statistics.median(costs) / items


def _run(compiled: plan.Plan, items: list[Any], ports: FakePorts) -> None:
    batch.run(compiled, items, ports, Policy())


def _microseconds(call: Callable[[], Any], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times * 1e6


def report(asked: Asked) -> Measured:
    """Measure both, and the payments template in batches, and gather the figures."""
    table = Table("mapping", {"us": ("µs per record", ",.1f")})
    for _ in range(asked.rounds):
        cost = measure()
        table.add("ten fields by hand", {"us": cost.by_hand})
        table.add("ten fields mapped", {"us": cost.mapped})
        for name, text in EXPRESSIONS.items():
            table.add(f"an expression: {name}", {"us": measure_expression(text).mapped})
        for items in (1, 100, 1_000):
            table.add(f"the payments template in a batch of {items:,}", {"us": measure_lockstep(items)})
    ratio = table.figure("ten fields mapped", "us") / table.figure("ten fields by hand", "us")
    dearest = max(table.figure(f"an expression: {name}", "us") for name in EXPRESSIONS)
    return Measured([table], {"P9.mapping": ratio, "P9.expression": dearest})
