"""This module tests refunds and disputes: money that goes back, and sometimes comes again."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


@pytest.fixture
def charge(sandbox, client, eventually) -> str:
    """Return a paid charge of 1999 cents that has its balance transaction."""
    paid = sandbox.pay(client).latest_charge
    eventually(lambda: client.v1.charges.retrieve(paid).balance_transaction)
    return paid


@pytest.fixture
def told(client, charge):
    """Return a function that tells the types of the events since the charge was settled, oldest first."""
    known = {event.id for event in client.v1.events.list({"limit": 100}).data}

    def types() -> list[str]:
        events = client.v1.events.list({"limit": 100}).data
        return [event.type for event in events if event.id not in known][::-1]

    return types


def entries(client: stripe.StripeClient, source: str) -> list[tuple[str, int, int]]:
    """Return the balance transactions of a source, oldest first: category, gross and net."""
    found = client.v1.balance_transactions.list({"source": source}).data
    return [(entry.reporting_category, entry.amount, entry.net) for entry in found][::-1]


def test_a_full_refund_gives_everything_back(client, charge, told):
    refund = client.v1.refunds.create({"charge": charge, "reason": "requested_by_customer"})

    after = client.v1.charges.retrieve(charge)
    assert (refund.status, refund.amount, refund.payment_intent) == ("succeeded", 1999, after.payment_intent)
    assert (after.refunded, after.amount_refunded) == (True, 1999)
    assert entries(client, refund.id) == [("refund", -1999, -1999)]
    assert told() == ["charge.refunded", "refund.created"]


def test_several_partial_refunds_add_up(client, charge):
    intent = client.v1.charges.retrieve(charge).payment_intent
    client.v1.refunds.create({"payment_intent": intent, "amount": 500})
    client.v1.refunds.create({"charge": charge, "amount": 1000})

    half = client.v1.charges.retrieve(charge)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        client.v1.refunds.create({"charge": charge, "amount": 500})
    rest = client.v1.refunds.create({"charge": charge})
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.refunds.create({"charge": charge})

    assert (half.refunded, half.amount_refunded) == (False, 1500)
    assert rest.amount == 499
    assert again.value.code == "charge_already_refunded"
    listed = client.v1.refunds.list({"charge": charge}).data
    assert [refund.amount for refund in listed] == [499, 1000, 500]


def test_the_refunds_of_a_charge_are_shown_when_they_are_asked_for(client, charge):
    made = [client.v1.refunds.create({"charge": charge, "amount": 100}).id for _ in range(12)]

    assert "refunds" not in client.v1.charges.retrieve(charge)
    shown = client.v1.charges.retrieve(charge, {"expand": ["refunds"]}).refunds
    assert [refund.id for refund in shown.data] == made[:1:-1]
    assert shown.has_more
    assert [refund.id for refund in shown.auto_paging_iter()] == made[::-1]


def test_a_refund_may_fail_later_and_the_money_comes_back(sandbox, client, eventually):
    sandbox.turn("settings", balance_delay=0.02, refund_delay=0.05)
    charge = sandbox.pay(client, "pm_card_refundFail").latest_charge
    refund = client.v1.refunds.create({"charge": charge})

    failed = eventually(lambda: _in_state(client, refund.id, "failed"))

    assert refund.status == "succeeded"
    assert failed.failure_reason == "expired_or_canceled_card"
    assert failed.failure_balance_transaction
    after = client.v1.charges.retrieve(charge)
    assert (after.refunded, after.amount_refunded) == (False, 0)
    assert entries(client, refund.id) == [("refund", -1999, -1999), ("refund_failure", 1999, 1999)]
    (event,) = client.v1.events.list({"type": "refund.failed"}).data
    assert event.data.object.status == "failed"


def test_any_refund_can_be_made_to_fail(sandbox, client, charge, told):
    refund = client.v1.refunds.create({"charge": charge, "amount": 100})

    sandbox.turn(f"refunds/{refund.id}/fail")

    assert client.v1.refunds.retrieve(refund.id).status == "failed"
    assert told()[-3:] == ["refund.updated", "charge.refund.updated", "refund.failed"]


def test_a_pending_refund_succeeds_later_or_is_canceled(sandbox, client, eventually):
    sandbox.turn("settings", balance_delay=0.02, refund_delay=0.1)
    first, second = (sandbox.pay(client, "pm_card_pendingRefund").latest_charge for _ in range(2))
    pending = client.v1.refunds.create({"charge": first})
    canceled = client.v1.refunds.cancel(client.v1.refunds.create({"charge": second}).id)

    assert (pending.status, canceled.status) == ("pending", "canceled")
    assert client.v1.charges.retrieve(second).amount_refunded == 0
    eventually(lambda: _in_state(client, pending.id, "succeeded"))
    assert client.v1.refunds.retrieve(canceled.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="cannot cancel"):
        client.v1.refunds.cancel(pending.id)


def test_a_refund_in_another_currency_leaves_the_account_in_its_own(sandbox, client, eventually):
    charge = sandbox.pay(client, currency="jpy", amount=5000).latest_charge
    refund = client.v1.refunds.create({"charge": charge}, {"idempotency_key": "once"})
    again = client.v1.refunds.create({"charge": charge}, {"idempotency_key": "once"})

    (entry,) = client.v1.balance_transactions.list({"source": refund.id}).data
    assert again.id == refund.id
    assert (refund.amount, refund.currency) == (5000, "jpy")
    assert (entry.amount, entry.currency) == (-3350, "usd")


@pytest.mark.parametrize("wanted", [{}, {"charge": "ch_none"}, {"amount": 5}])
def test_a_refund_of_nothing_is_refused(client, wanted):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create(wanted)


def test_what_was_only_authorized_cannot_be_refunded(sandbox, client):
    intent = sandbox.pay(client, capture_method="manual")

    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError, match="not been captured"):
        client.v1.refunds.create({"charge": intent.latest_charge})


def test_a_dispute_takes_the_money_and_a_fee(sandbox, client, eventually):
    dispute = _disputed(sandbox, client, eventually, "pm_card_createDispute")

    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 1999)
    assert client.v1.charges.retrieve(dispute.charge).disputed
    assert entries(client, dispute.id) == [("dispute", -1999, -3499)]
    types = [event.type for event in client.v1.events.list({"type": "charge.dispute.*"}).data][::-1]
    assert types == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        client.v1.refunds.create({"charge": dispute.charge})


VERDICTS = {
    "winning_evidence": (
        "won",
        -1500,
        ["charge.dispute.updated", "charge.dispute.funds_reinstated", "charge.dispute.closed"],
    ),
    "losing_evidence": ("lost", -3499, ["charge.dispute.updated", "charge.dispute.closed"]),
    "the truth": ("under_review", -3499, ["charge.dispute.updated"]),
}


@pytest.mark.parametrize("text", VERDICTS)
def test_evidence_decides_a_dispute(sandbox, client, charge, told, text):
    status, net, events = VERDICTS[text]
    dispute = sandbox.turn(f"charges/{charge}/dispute", reason="product_not_received")["id"]
    before = len(told())

    client.v1.disputes.update(dispute, {"evidence": {"uncategorized_text": text}, "submit": True})

    after = client.v1.disputes.retrieve(dispute)
    assert (after.status, after.evidence_details.submission_count) == (status, 1)
    assert told()[before:] == events
    assert sum(entry[2] for entry in entries(client, dispute)) == net


@pytest.mark.parametrize("verdict", ["won", "lost"])
def test_the_bank_decides_when_the_lever_says_so(sandbox, client, charge, verdict):
    dispute = sandbox.turn(f"charges/{charge}/dispute")["id"]
    client.v1.disputes.update(dispute, {"evidence": {"customer_name": "Ada"}, "submit": False})
    staged = client.v1.disputes.retrieve(dispute)

    client.v1.disputes.update(dispute, {"evidence": {"receipt": "file_1"}})
    sandbox.turn(f"disputes/{dispute}/decide", status=verdict)

    after = client.v1.disputes.retrieve(dispute)
    assert (staged.status, after.status) == ("needs_response", verdict)
    assert (after.evidence.customer_name, after.evidence_details.submission_count) == ("Ada", 1)
    with pytest.raises(AssertionError, match="already closed"):
        sandbox.turn(f"disputes/{dispute}/decide", status=verdict)


def test_a_dispute_that_nobody_answers_is_lost(sandbox, client, charge, eventually):
    ids = [sandbox.turn(f"charges/{charge}/dispute")["id"]]
    ids.append(sandbox.turn(f"charges/{sandbox.pay(client).latest_charge}/dispute")["id"])
    client.v1.disputes.update(ids[1], {"evidence": {"customer_name": "Ada"}})

    sandbox.turn("clock", offset=7 * 86_400 + 1)
    eventually(lambda: client.v1.disputes.retrieve(ids[0]).status == "lost")

    missed, answered = (client.v1.disputes.retrieve(dispute) for dispute in ids)
    assert (missed.evidence_details.past_due, answered.status) == (True, "under_review")


def test_an_inquiry_takes_nothing_and_closes(sandbox, client, eventually):
    dispute = _disputed(sandbox, client, eventually, "pm_card_createDisputeInquiry")

    closed = client.v1.disputes.close(dispute.id)

    assert (dispute.status, closed.status) == ("warning_needs_response", "warning_closed")
    assert entries(client, dispute.id) == []
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.disputes.close(dispute.id)
    assert again.value.code == "dispute_already_closed"


def _disputed(sandbox, client, eventually, card: str) -> stripe.Dispute:
    sandbox.turn("settings", balance_delay=0.02, dispute_delay=0.02)
    charge = sandbox.pay(client, card).latest_charge
    return eventually(lambda: client.v1.disputes.list({"charge": charge}).data)[0]


def _in_state(client: stripe.StripeClient, refund_id: str, status: str) -> Any:
    found = client.v1.refunds.retrieve(refund_id)
    return found if found.status == status else None
