"""By REST a dead letter carries what the error catalogue says of it, so that programs can sort letters."""

from __future__ import annotations

from flows import deadletters
from flows.engine.outcome import Failure
from flows.models import DeadLetter
from tests.builders import NOON


def test_a_letter_carries_its_class_its_action_who_has_to_agree_and_the_particulars(admin, stage):
    said = "Foreign key external ID: cus_1 not found for field Stripe_Id__c in entity Account"
    DeadLetter.objects.all().delete()
    deadletters.file(
        [
            deadletters.Obituary(
                stage.event.pk, Failure("missing_ref", said, code="INVALID_FIELD"), run_id=stage.run.pk
            )
        ],
        now=NOON,
    )

    (letter,) = admin.get("dead-letters/").json()["results"]

    assert letter["verdict"] == {
        "error_class": "missing_ref",
        "action": "save_parent",
        "autonomy": "approve",
        "retryable": True,
        "explanation": "The field refers to a record that is not in the org yet.",
        "params": {"external_id": "cus_1", "external_id_field": "Stripe_Id__c", "object": "Account"},
        "rule": "salesforce.INVALID_FIELD.parent",
    }
