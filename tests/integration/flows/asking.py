"""This module lets runs ask people, in the ways in which steps do."""

from __future__ import annotations

from typing import Any

from flows.closing import close
from flows.engine.outcome import AskHuman, Option
from flows.lanes import WorkerLease, claim
from flows.models import Pair, Review
from flows.steps.candidates import ask
from tests.builders import NOON
from tests.integration.flows.given import a_worker, runs
from tests.integration.flows.test_closing import an_end

RECORDS: list[dict[str, Any]] = [
    {
        "attributes": {"type": "Account"},
        "Id": "001000000000001AAA",
        "Name": "Acme",
        "Phone": None,
        "BillingCountry": "DE",
        "Owner": {"Name": "Ada"},
    },
    {
        "attributes": {"type": "Account"},
        "Id": "001000000000002AAA",
        "Name": "Acme Ltd",
        "Phone": "555-1",
        "BillingCountry": "DE",
        "Owner": {"Name": "Ada"},
    },
]
WHICH = ask("Which account is it?", RECORDS, ["Name", "Phone"], none="None of them")
SURE = AskHuman(
    "Shall sk_test_4eC39HqLyjWDarjtT1zdp7dc be refunded?",
    options=(Option("yes", "Yes", "It is paid back."), Option("no", "No")),
    evidence={"charge.amount": 1999, "metadata": {"order": "6735"}, "secret_key": "sk_test_4eC39HqLyjWD"},
)


def a_question(pair: Pair, what: AskHuman = WHICH, *, worker: WorkerLease | None = None) -> Review:
    """Return the open question of a run, which a live flow has opened."""
    (run,) = runs(pair, 1)
    worker = worker or a_worker()
    claim(worker, 9, now=NOON)
    end = an_end(run, what, fate="waiting")
    end.finished.item.ask("find")
    close(worker, [end], now=NOON)
    return Review.objects.get(run=run)
