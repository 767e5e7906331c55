"""This module lets objects have changed under the live flow of the scene, with a hostile text among them."""

from __future__ import annotations

from django.utils import timezone

from flows.impact.told import Finding, Mend, as_data
from flows.models import Deployment, Impact, Pair
from tests.browser.rows import HOSTILE

_REPLACE = Mend("replace", f"Write it to “{HOSTILE}” (Card_Scheme__c) instead", "It has come since.", [])
_REMOVE = Mend("remove", "Take the line out", "The field stays as it is in the org.", [])
_CUT = Mend("cut", "Cut the text to 20 characters", "The rest of a longer text is left out.", [])
FOUND = [
    Finding(
        "a", "salesforce", "Payment__c", "map_payment", "Describe the payment", "Card_Brand__c", "fails",
        "The org has no field Card_Brand__c here, or does not show it.", "Payment__c", 11,
        ["charge.payment_method_details.card.brand"],
        ["Card_Brand__c is no longer there, or may not be seen any more."], failing=171,
        mends=[_REPLACE, _REMOVE],
    ),
    Finding(
        "b", "salesforce", "Payment__c", "map_payment", "Describe the payment", "Failure_Message__c", "fails",
        "A longer value would be refused, and its run would become a dead letter.", "Payment__c", 9,
        ["charge.failure_message", "payment_intent.last_payment_error.message", "charge.id"],
        ["Failure_Message__c takes 20 characters; it took 255."], failing=9, mends=[_CUT],
    ),
    Finding(
        "c", "salesforce", "Account", "find_account", HOSTILE, "Stripe_Customer_ID__c", "may",
        "Salesforce may find no record by it any more.", "Account",
        changed=["Stripe_Customer_ID__c is no external id any more, so that no record is found by it."],
    ),
    Finding(
        "d", "salesforce", "Payment__c", "map_payment", "Describe the payment", "Status__c", "know",
        "The flow goes by the API name, which is as it was.", "Payment__c", 7,
        changed=[f"Status__c was called “Status” and is called “{HOSTILE}” now."],
    ),
]  # fmt: skip


def build(pair: Pair) -> None:
    """Let some lines of the live flow of `pair` be concerned."""
    live = Deployment.objects.filter(pair=pair, ended_at__isnull=True).first()
    now = timezone.now()
    Impact.objects.create(
        deployment=live, basis="scene", severity="fails", findings=as_data(FOUND), events=200, failing=178,
        example="evt_3QXk00042eZvKYlo2C1aBcDeF", looked_at=now, began_at=now,
    )  # fmt: skip
