"""This module lets runs ask people, in the ways in which steps do."""

from __future__ import annotations

from typing import Any

from flows.closing import close
from flows.engine.outcome import AskHuman, Option
from flows.lanes import WorkerLease, claim
from flows.matching import Alike, Frequencies, compare, findings, normalise, score
from flows.matching.answers import APART, NEW
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

TOLD: dict[str, Any] = {
    "name": "Höfer GmbH", "email": "info@hoefer.de", "phone": "+49 731 5551234", "line1": "Münsterplatz 4",
    "postal": "89073", "city": "Ulm", "country": "DE", "domain": None,
}  # fmt: skip
HOEFERS: dict[str, dict[str, Any]] = {
    "001000000000001AAA": {**TOLD, "name": "Hoefer", "phone": "0731 5551234", "domain": "www.hoefer.de"},
    "001000000000002AAA": {**TOLD, "name": "Höfer Logistik GmbH", "phone": None, "city": "Neu-Ulm"},
}


def a_duplicate(name: str = "Höfer GmbH") -> AskHuman:
    """Return the question whether a customer is one of two accounts, compared as the product does."""
    told = {**TOLD, "name": name}
    mine, candidates = normalise(told), []
    for id, record in HOEFERS.items():
        lines = compare(mine, normalise(record), Frequencies())
        found = tuple(findings(mine, normalise(record), Frequencies()))
        one = Alike(id, score(lines), lines, found)
        candidates.append(
            {
                "id": one.id,
                "score": one.score,
                "values": record,
                "waterfall": [list(line) for line in one.waterfall],
                "findings": [list(finding) for finding in one.findings],
            }
        )
    options = [Option(id, f"It is {record['name']}", id) for id, record in HOEFERS.items()]
    options.append(Option(APART, "None of them: another customer", "A new record is made."))
    options.append(Option(NEW, "Make a new record all the same", "Nothing is learned from it."))
    evidence = {
        "object": "Account",
        "customer": "cus_TLlQSg8GtYEXr4",
        "told": told,
        "lines": {},
        "candidates": candidates,
    }
    question = "Is cus_TLlQSg8GtYEXr4 one of these accounts?"
    return AskHuman(question, kind="duplicate", options=options, evidence=evidence)


def a_question(pair: Pair, what: AskHuman = WHICH, *, worker: WorkerLease | None = None) -> Review:
    """Return the open question of a run, which a live flow has opened."""
    (run,) = runs(pair, 1)
    worker = worker or a_worker()
    claim(worker, 9, now=NOON)
    end = an_end(run, what, fate="waiting")
    end.finished.item.ask("find")
    close(worker, [end], now=NOON)
    return Review.objects.get(run=run)


def a_refused_record() -> AskHuman:
    """Return the question what becomes of a contact that a duplicate rule holds back."""
    ada, ida = RECORDS[0]["Id"], RECORDS[1]["Id"]
    options = [
        Option(ada, "It is Acme", ada),
        Option("save_nonetheless", "Save it nonetheless", "The duplicate rule leaves that open."),
        Option("leave_out", "Leave it out", "This step saves nothing."),
    ]
    evidence = {
        "object": "Account",
        "code": "DUPLICATES_DETECTED",
        "told": {"Name": "Acme", "Phone": "555-2"},
        "candidates": [
            {"id": ada, "values": {"Name": "Acme", "Phone": "555-1"}, "note": ""},
            {"id": ida, "values": {"Name": "Acme Ltd"}, "note": "It belongs to cus_2 already."},
        ],
        "labels": {"Name": "Name", "Phone": "Phone"},
        "also": ["Lead 00Q000000000001AAA"],
    }
    question = "A duplicate rule of the org holds back Account cus_1. What shall become of it?"
    return AskHuman(question, kind="duplicate", options=options, evidence=evidence)


def a_contradiction() -> AskHuman:
    """Return the question about a customer whose known id and VAT number tell of two records."""
    asked = a_duplicate()
    first, second = asked.evidence["candidates"]
    lines = [["external", "Id", 64.0], ["contradiction", "Tax_Id__c", -64.0]]
    evidence = {
        **asked.evidence,
        "told": {**asked.evidence["told"], "Tax_Id__c": "DE 1"},
        "labels": {"Tax_Id__c": "VAT number"},
        "candidates": [
            {**first, "score": 0.0, "waterfall": lines, "values": {**first["values"], "Tax_Id__c": "DE2"}},
            {**second, "values": {**second["values"], "Tax_Id__c": "de1"}},
        ],
    }
    return AskHuman(asked.question, kind="duplicate", options=asked.options, evidence=evidence)
