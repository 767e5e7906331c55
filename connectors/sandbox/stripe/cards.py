"""This module knows Stripe's test cards: what each token stands for and how the bank answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TestCard:
    """One of Stripe's test cards (https://docs.stripe.com/testing)."""

    __test__ = False  # it is no test class

    brand: str
    last4: str
    decline_code: str = ""
    authentication: str = ""  # "required": a challenge before the bank answers
    funding: str = "credit"
    country: str = "US"
    refund: str = ""  # what becomes of its refunds: "pending" at first, or "failed" in the end
    dispute: str = ""  # the reason for which its charges are disputed
    inquiry: bool = False  # the dispute is an inquiry, which takes no money


DECLINED = {
    "chargeDeclined": ("0002", "generic_decline"),
    "visa_chargeDeclined": ("0002", "generic_decline"),
    "chargeDeclinedInsufficientFunds": ("9995", "insufficient_funds"),
    "visa_chargeDeclinedInsufficientFunds": ("9995", "insufficient_funds"),
    "chargeDeclinedLostCard": ("9987", "lost_card"),
    "visa_chargeDeclinedLostCard": ("9987", "lost_card"),
    "chargeDeclinedStolenCard": ("9979", "stolen_card"),
    "visa_chargeDeclinedStolenCard": ("9979", "stolen_card"),
    "chargeDeclinedExpiredCard": ("0069", "expired_card"),
    "chargeDeclinedIncorrectCvc": ("0127", "incorrect_cvc"),
    "chargeDeclinedProcessingError": ("0119", "processing_error"),
    "chargeDeclinedVelocityLimitExceeded": ("6975", "card_velocity_exceeded"),
    "visa_chargeDeclinedVelocityLimitExceeded": ("6975", "card_velocity_exceeded"),
    "chargeCustomerFail": ("0341", "generic_decline"),
    "radarBlock": ("0101", "fraudulent"),
    "chargeDeclinedFraudulent": ("0019", "fraudulent"),
}
ACCEPTED = {
    "visa": TestCard("visa", "4242"),
    "visa_debit": TestCard("visa", "5556", funding="debit"),
    "mastercard": TestCard("mastercard", "4444"),
    "mastercard_debit": TestCard("mastercard", "8210", funding="debit"),
    "mastercard_prepaid": TestCard("mastercard", "5100", funding="prepaid"),
    "amex": TestCard("amex", "8431"),
    "discover": TestCard("discover", "1117"),
    "diners": TestCard("diners", "0004"),
    "jcb": TestCard("jcb", "0505"),
    "unionpay": TestCard("unionpay", "0005"),
    "de": TestCard("visa", "0016", country="DE"),
    "gb": TestCard("visa", "0000", country="GB"),
    "jp": TestCard("visa", "0003", country="JP"),
    "pendingRefund": TestCard("visa", "7726", refund="pending"),
    "refundFail": TestCard("visa", "5126", refund="failed"),
    "createDispute": TestCard("visa", "0259", dispute="fraudulent"),
    "createDisputeProductNotReceived": TestCard("visa", "2685", dispute="product_not_received"),
    "createDisputeInquiry": TestCard("visa", "1976", dispute="fraudulent", inquiry=True),
    "threeDSecureRequired": TestCard("visa", "3063", authentication="required"),
    "threeDSecure2Required": TestCard("visa", "3220", authentication="required"),
    "authenticationRequired": TestCard("visa", "3184", authentication="required"),
    "threeDSecureOptional": TestCard("visa", "3055"),
    "threeDSecureRequiredChargeDeclined": TestCard(
        "visa", "3097", "generic_decline", authentication="required"
    ),
}
BY_TOKEN: dict[str, TestCard] = {
    **ACCEPTED,
    **{name: TestCard("visa", last4, code) for name, (last4, code) in DECLINED.items()},
}
# The error code of a decline is `card_declined`, but for those that have a code of their own.
OWN_CODE = frozenset({"expired_card", "incorrect_cvc", "processing_error", "authentication_required"})
TEXTS = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "card_velocity_exceeded": (
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."
    ),
}
ADVICE = {"insufficient_funds": "try_again_later", "processing_error": "try_again_later"}
FINAL = frozenset({"lost_card", "stolen_card", "fraudulent"})


def card_of_token(token: str) -> TestCard | None:
    """Return the card that a `pm_card_...` or `tok_...` token stands for."""
    return BY_TOKEN.get(token.removeprefix("pm_card_").removeprefix("tok_"))


def code_of(decline_code: str) -> str:
    """Return the error code that goes with a decline code."""
    return decline_code if decline_code in OWN_CODE else "card_declined"


def text_of(decline_code: str) -> str:
    """Return what the API says about a decline; lost, stolen and fraud are told as a plain decline."""
    return TEXTS.get(decline_code, TEXTS["generic_decline"])


def advice_of(decline_code: str) -> str | None:
    """Return the advice code of a decline."""
    return "do_not_try_again" if decline_code in FINAL else ADVICE.get(decline_code)
