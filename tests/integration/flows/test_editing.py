"""This module tests that a person edits a copy of an event's object, and what of it stays as it came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from flows import editing, mending, payloads
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Effect, Mending, Pair
from integrator.accounts.models import AuditEntry
from integrator.kernel.redact import MASK
from integrator.kernel.refusals import Unacceptable
from tests.builders import NOON
from tests.integration.flows.too_long import LONG, a_letter, brands, org, systems
from tests.integration.flows.two_systems import DUN, UPSERT, TwoSystems, a_deployed_flow, work_until_quiet

__all__ = ["org", "systems"]

pytestmark = pytest.mark.django_db


def test_an_edit_is_laid_over_what_is_read_anew(pair: Pair, org: TwoSystems, worker: WorkerLease) -> None:
    letter = a_letter(pair, org, worker, client_secret="cs_1_secret_2", note="a")
    text = editing.editable(letter).text
    (intent,) = org.objects.values()
    intent["latest_charge"] = intent["latest_charge"] | {"status": "pending"}  # meanwhile, at Stripe

    edited = json.loads(text) | {"brand": "Visa", "status": "failed"}
    mending.edit(
        letter=letter,
        text=json.dumps(edited),
        reason="",
        may_edit_money=False,
        actor="otto",
        now=timezone.now(),
    )
    work_until_quiet(worker)

    assert MASK in text
    assert "cs_1_secret_2" not in text
    (record,) = org.records.values()
    assert (record["Card_Brand__c"], record["Status__c"]) == ("Visa", "pending")
    kept = Mending.objects.get()
    assert (kept.kind, kept.paths) == ("edit", ["status", "brand"])
    body = payloads.open_body(letter.event.body, connection_id=letter.event.connection_id)
    assert payloads.object_of(body)["brand"] == LONG
    entry = AuditEntry.objects.get(action="deadletter.edited")
    assert entry.details["paths"] == ["status", "brand"]
    assert "Visa" not in json.dumps(entry.details)


def test_nothing_that_happens_once_is_edited_into_happening_twice(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    dun = {**DUN, "settings": {**DUN["settings"], "record": ["charge.crm"], "about": ["charge.order"]}}
    a_deployed_flow(pair, [*UPSERT, dun], slug="before")
    fresh = a_letter(pair, org, worker, order="or_1")
    text = editing.editable(fresh).text
    with pytest.raises(Unacceptable, match="does only once"):
        editing.edit_of(fresh, text.replace("or_1", "or_2"))

    assert fresh.run is not None
    Effect.objects.create(
        pair=pair, flow=fresh.run.flow, run=fresh.run, key="a", kind="starting", step="dun", created_at=NOON,
        request=b"", state=Effect.State.IN_DOUBT,
    )  # fmt: skip
    with pytest.raises(editing.NotEditable, match="a second time"):
        editing.editable(fresh)


def test_a_second_edit_goes_on_from_the_first(pair: Pair, org: TwoSystems, worker: WorkerLease) -> None:
    first, second = f"{LONG}!", "Visa"
    letter = a_letter(pair, org, worker, note="a")
    for before, after in ((LONG, first), (first, second)):
        text = editing.editable(letter).text
        assert before in text
        mending.edit(
            letter=letter,
            text=text.replace(before, after).replace('"a"', '"b"'),
            reason="",
            may_edit_money=False,
            actor="otto",
            now=timezone.now(),
        )
        work_until_quiet(worker)
        letter = DeadLetter.objects.latest("id")

    assert brands(org) == [second]
    assert [one.paths for one in Mending.objects.all()] == [["brand", "note"], ["brand", "note"]]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace('"brand"', "brand"), "column"),
        (lambda text: text, "Nothing was changed"),
        (lambda _text: "[1]", "has to be an object"),
        (lambda text: text.replace('"status"', '"brand": 1, "status"'), "stands twice"),
        (lambda text: text.replace("1999", "1"), "an administrator alone"),
        (lambda text: text.replace('"eur"', '"usd"'), "an administrator alone"),
        (lambda text: text.replace('"ch_', '"ch_9'), "says which object"),
        (lambda text: text.replace('"pi_', '"pi_9'), "another payment"),
        (lambda text: text.replace("1999", "[" * 40 + "]" * 40), "deeper"),
        (lambda text: text.replace("1.1", "1.25"), "an administrator alone"),
        (lambda text: text.replace("1.1", "1e999999999"), "too large"),
        (lambda text: text.replace("1999", "9" * 5000), "too large"),
        (lambda text: text.replace('"Visa', '"\\ud800Visa'), "cannot be kept"),
        (lambda text: text.replace('"status"', '"a\\u0000": 1, "status"'), "cannot be kept"),
        (lambda text: text.replace("[", "[1, "), "a mask"),
    ],
)
def test_what_cannot_be_taken_is_said_and_changes_nothing(
    pair: Pair, org: TwoSystems, worker: WorkerLease, edit: Any, said: str
) -> None:
    letter = a_letter(pair, org, worker, exchange_rate=1.1, uses=[{"client_secret": "cs_1"}])

    with pytest.raises(Unacceptable, match=said):
        editing.edit_of(letter, edit(editing.editable(letter).text))


def test_an_administrator_changes_an_amount_with_a_reason(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    letter = a_letter(pair, org, worker)
    text = editing.editable(letter).text.replace("1999", "1998")

    with pytest.raises(Unacceptable, match="Say why"):
        editing.edit_of(letter, text, may_edit_money=True)

    assert editing.edit_of(letter, text, may_edit_money=True, reason="A cent").changes[0].told == "amount"
