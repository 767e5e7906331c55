"""
This module simulates credit notes: what an invoice is reduced by, before or after it was paid.

https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.stripe import credit_lines, invoicing, refunds
from connectors.sandbox.stripe.errors import invalid
from connectors.sandbox.stripe.forms import merge_metadata
from connectors.sandbox.stripe.lists import PAGE, page
from connectors.sandbox.stripe.state import Occurrence, changes, emit

if TYPE_CHECKING:
    from connectors.sandbox.stripe.forms import Spec, Values
    from connectors.sandbox.stripe.state import Caller

CREATE: Spec = {
    "amount": "integer",
    "credit_amount": "integer",
    "effective_at": "integer",
    "email_type": "enum:credit_note|none",
    "invoice": "id!",
    "lines": f"objects:{credit_lines.NAMES}",
    "memo": "string",
    "metadata": "metadata",
    "out_of_band_amount": "integer",
    "reason": "enum:duplicate|fraudulent|order_change|product_unsatisfactory",
    "refund_amount": "integer",
    "refunds": "unsimulated",
    "shipping_cost": "unsimulated",
}
UPDATE: Spec = {"memo": "string", "metadata": "metadata"}
LIST: Spec = {**PAGE, "created": "range", "customer": "id", "invoice": "id"}
NOTHING: Spec = {}
# Where the money of a paid invoice goes.
WAYS = ("credit_amount", "out_of_band_amount", "refund_amount")


def create(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Credit an invoice: an open one is owed less, of a paid one the money is given back.

    :raises ApiError: 400 for an invoice that is not final, or for an amount that does not fit
    """
    invoice = caller.find(caller.state.invoices, values["invoice"], param="invoice")
    caller = caller.beside(invoice["customer"])
    note = _drawn_up(caller, invoice, values)
    if invoice["status"] == "paid":
        note["refunds"] = _pay_back(caller, invoice, values)
        invoice["post_payment_credit_notes_amount"] += note["amount"]
    caller.state.credit_notes.add(note)
    emit(caller, Occurrence("credit_note.created", note))
    if invoice["status"] != "paid":
        _owe(caller, invoice, -note["amount"])
    return note


def preview(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """
    Return the credit note that `create` would make.

    :raises ApiError: as `create`
    """
    invoice = caller.find(caller.state.invoices, values["invoice"], param="invoice")
    return _drawn_up(caller.beside(invoice["customer"]), invoice, values)


def retrieve(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the credit note.

    :raises ApiError: 404
    """
    return caller.find(caller.state.credit_notes, object_id)


def update(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Change the memo or the metadata of a credit note.

    :raises ApiError: 404
    """
    note = caller.find(caller.state.credit_notes, object_id)
    after = dict(values)
    if "metadata" in values:
        after["metadata"] = merge_metadata(note["metadata"], values["metadata"])
    previous = changes({name: note[name] for name in after}, after)
    note |= after
    if previous:
        emit(caller, Occurrence("credit_note.updated", note, previous))
    return note


def void(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Void a credit note of an invoice that is still open, which is owed in full again.

    :raises ApiError: 404, or 400 if the invoice is not open or the credit note is void
    """
    note = caller.find(caller.state.credit_notes, object_id)
    invoice = caller.find(caller.state.invoices, note["invoice"])
    caller = caller.beside(note["customer"])
    if note["status"] == "void" or invoice["status"] != "open":
        raise invalid("You can only void an issued credit note of an open invoice.")
    note |= {"status": "void", "voided_at": caller.now}
    emit(caller, Occurrence("credit_note.voided", note, {"status": "issued", "voided_at": None}))
    _owe(caller, invoice, note["amount"])
    return note


def lines(caller: Caller, values: Values, object_id: str) -> dict[str, Any]:
    """
    Return the lines of a credit note.

    :raises ApiError: 404
    """
    shown: dict[str, Any] = caller.find(caller.state.credit_notes, object_id)["lines"]
    return shown


def list_all(caller: Caller, values: Values, object_id: str = "") -> dict[str, Any]:
    """Return a page of credit notes."""
    equal = ("customer", "invoice")
    return page(caller, caller.state.credit_notes, values, url="/v1/credit_notes", equal=equal)


def _drawn_up(caller: Caller, invoice: dict[str, Any], values: Values) -> dict[str, Any]:
    if invoice["status"] not in {"open", "paid", "uncollectible"}:
        raise invalid("You can only create a credit note for an invoice that is final.", param="invoice")
    told = credit_lines.read(caller, invoice, values)
    amount = sum(line["amount"] for line in told)
    paid = invoice["status"] == "paid"
    _check(invoice, amount, values, paid=paid)
    return _blank(caller, invoice, told, amount) | {
        "effective_at": values.get("effective_at", caller.now),
        "memo": values.get("memo"),
        "metadata": merge_metadata({}, values.get("metadata", {})),
        "out_of_band_amount": values.get("out_of_band_amount"),
        "post_payment_amount": amount if paid else 0,
        "pre_payment_amount": 0 if paid else amount,
        "reason": values.get("reason"),
        "type": "post_payment" if paid else "pre_payment",
    }


def _check(invoice: dict[str, Any], amount: int, values: Values, *, paid: bool) -> None:
    if amount < 1:
        raise invalid("The amount of a credit note must be at least 1.", param="amount")
    credited = invoice["post_payment_credit_notes_amount"]
    most = invoice["amount_paid"] - credited if paid else invoice["amount_remaining"]
    if amount > most:
        raise invalid(
            f"The amount ({amount}) is greater than what can still be credited on this invoice ({most}).",
            param="amount",
        )
    ways = sum(values.get(way, 0) for way in WAYS)
    if paid and ways != amount:
        raise invalid(
            "The sum of credit_amount, refund_amount and out_of_band_amount must equal the credit note "
            f"amount: {ways} is not {amount}."
        )
    if not paid and ways:
        raise invalid("An invoice that is not paid has nothing that could be given back.")


def _pay_back(caller: Caller, invoice: dict[str, Any], values: Values) -> list[dict[str, Any]]:
    """Give the money of a paid invoice back, to the customer's credit or to the card."""
    made = []
    if values.get("refund_amount"):
        intent = caller.state.intent_of.get(invoice["id"])
        if intent is None:
            raise invalid(
                "This invoice was not paid by a charge that could be refunded.", param="refund_amount"
            )
        amount = values["refund_amount"]
        refund = refunds.create(caller, {"payment_intent": intent, "amount": amount})
        made.append(
            {
                "amount_refunded": amount,
                "payment_record_refund": None,
                "refund": refund["id"],
                "type": "refund",
            }
        )
    if values.get("credit_amount"):
        customer = caller.find(caller.state.customers, invoice["customer"])
        before = customer["balance"]
        customer["balance"] = before - values["credit_amount"]
        emit(caller, Occurrence("customer.updated", customer, {"balance": before}))
    return made


def _owe(caller: Caller, invoice: dict[str, Any], difference: int) -> None:
    """Change what is owed on an open invoice; one on which nothing is owed is paid."""
    names = ("amount_due", "amount_remaining", "pre_payment_credit_notes_amount")
    before = {name: invoice[name] for name in names}
    invoice["amount_due"] += difference
    invoice["amount_remaining"] += difference
    invoice["pre_payment_credit_notes_amount"] -= difference
    emit(caller, Occurrence("invoice.updated", invoice, before))
    if invoice["amount_remaining"] == 0 and invoice["status"] == "open":
        invoicing.settle(caller, invoice, 0)


def _blank(
    caller: Caller, invoice: dict[str, Any], told: list[dict[str, Any]], amount: int
) -> dict[str, Any]:
    known = sum(1 for note in caller.state.credit_notes if note["invoice"] == invoice["id"])
    note_id = caller.state.new_id("cn_1")
    url = f"/v1/credit_notes/{note_id}/lines"
    sums = ("amount", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax")
    return {
        "id": note_id,
        "object": "credit_note",
        **dict.fromkeys(sums, amount),
        "amount_shipping": 0,
        "created": caller.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice": invoice["id"],
        "lines": {"object": "list", "data": told, "has_more": False, "url": url},
        "livemode": caller.livemode,
        "number": f"{invoice['number']}-CN-{known + 1:02}",
        "pdf": f"https://pay.stripe.com/credit_notes/{caller.state.account}/{note_id}/pdf",
        "pretax_credit_amounts": [],
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "total_taxes": [],
        "voided_at": None,
    }
