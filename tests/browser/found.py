"""This module lets a run give up whose steps before the failed one found something that is kept."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone

from flows.engine import carrying
from flows.engine.batch import Finished
from flows.engine.item import Event, Item, Source
from flows.engine.outcome import Failure, GiveUp
from flows.models import Pair
from integrator import vault
from tests.browser.rows import a_run, refused

MESSAGE = "The month is closed"
LONG = "Look up the account by its name, or else by the country and the street of the customer"
BEFORE = (
    ("read_customer", "stripe.retrieve", "Read the customer", {"name": "Acme GmbH"}),
    ("find_account", "salesforce.find", LONG, {"id": "001000000000001AAA"}),
    ("map_payment", "map", "Describe the payment", {"Amount__c": "1249.00"}),
)


def give_up_late(field: str, minutes: int = 3) -> dict[str, str]:
    """Let the run give up at its last step, and return its name with that of its letter."""
    pair = Pair.objects.get(environment__slug="dev", environment__workspace__slug="acme")
    run = a_run(pair, **refused(field, MESSAGE, minutes))
    attempt = run.tries.get()
    entries = json.loads(vault.unseal(attempt.trace, owner=f"trace:{run.pk}"))
    trace = [entries[0], *(_entry(*step) for step in BEFORE), entries[-1]]
    found = _found(trace, run.event.object_id, run.pk)
    attempt.trace = vault.seal(json.dumps(trace).encode(), owner=f"trace:{run.pk}")
    attempt.found = vault.seal(found, owner=f"found:{run.pk}")
    attempt.save()
    return {"run": run.public_id, "letter": run.dead_letters.get().public_id}


def _entry(step: str, kind: str, title: str, output: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": step, "kind": kind, "title": title, "exit": "next", "ms": 84.0, "input": {}, "output": output,
        "error": None,
    }  # fmt: skip


def _found(trace: list[dict[str, Any]], object_id: str, run_id: int) -> bytes:
    now = timezone.now()
    item = Item(
        run_id=run_id,
        event_id=0,
        event=Event(id="", type="charge.succeeded", created=None),
        root_id=object_id,
        context={},
        source=Source(object_id, now, now),
        outputs={step: output for step, _, _, output in BEFORE},
    )
    gave_up = GiveUp(MESSAGE, Failure("data", MESSAGE, code="FIELD_CUSTOM_VALIDATION_EXCEPTION"))
    return carrying.packed(
        Finished(run_id, gave_up, "dead", MESSAGE, "save_payment", trace, "ssse", [], item)
    )
