"""This module lists the Flows of the integration's package, which the org has from the start."""

from __future__ import annotations

from connectors.sandbox.salesforce.flows import (
    Condition,
    CreateRecord,
    Decision,
    Flow,
    Lookup,
    Reference,
    Subflow,
    Trigger,
    UpdateRecord,
    Variable,
)


def built_in() -> list[Flow]:
    """Return the Flows, new, since a test may change them."""
    return [_dunning(), _effect_runner(), _closed_won()]


def _dunning() -> Flow:
    return Flow(
        "Stripe_Dunning",
        variables=(Variable("Effect_ID"), Variable("Payload"), Variable("Record_ID")),
        start="Get_Payment",
        elements={
            "Get_Payment": Lookup(
                "Payment__c",
                (Condition(Reference("Id"), "EqualTo", Reference("Record_ID")),),
                "Payment_There",
            ),
            "Payment_There": Decision(
                (((Condition(Reference("Get_Payment"), "IsNull", right=False),), "Create_Task"),)
            ),
            "Create_Task": CreateRecord(
                "Task",
                {
                    "ActivityDate": Reference("$Flow.CurrentDate"),
                    "Integration_Key__c": Reference("Effect_ID"),
                    "Subject": "Payment failed",
                    "WhatId": Reference("Get_Payment.Id"),
                },
            ),
        },
    )


def _effect_runner() -> Flow:
    return Flow(
        "Stripe_Effect_Runner",
        trigger=Trigger("Integration_Effect__c", frozenset({"create"})),
        start="What_Kind",
        elements={
            "What_Kind": Decision(
                (
                    (
                        (Condition(Reference("$Record.Kind__c"), "EqualTo", "dunning"),),
                        "Run_Dunning",
                    ),
                )
            ),
            "Run_Dunning": Subflow(
                "Stripe_Dunning",
                {
                    "Effect_ID": Reference("$Record.External_ID__c"),
                    "Payload": Reference("$Record.Payload__c"),
                    "Record_ID": Reference("$Record.Record_ID__c"),
                },
                "Mark_Done",
            ),
            "Mark_Done": UpdateRecord({"Done_At__c": Reference("$Flow.CurrentDateTime")}),
        },
    )


def _closed_won() -> Flow:
    return Flow(
        "Opportunity_Closed_Won",
        active=False,
        trigger=Trigger(
            "Opportunity",
            frozenset({"create", "update"}),
            (Condition(Reference("$Record.IsWon"), "EqualTo", right=True),),
            only_when_changed=True,
        ),
        start="Publish_Event",
        elements={
            "Publish_Event": CreateRecord(
                "Opportunity_Closed_Won__e", {"Opportunity_ID__c": Reference("$Record.Id")}
            )
        },
    )
