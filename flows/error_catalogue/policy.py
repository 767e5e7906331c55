"""
This module says what may be done about a failure, and who has to agree to it.

It is the ceiling over the catalogue: no rule, whatever it says, is given more freedom than its action has
here. What is told as done by itself is what the engine, the gateway and the connectors do; see
`flows.engine.policy`. Amounts, currencies, deletions, merges and second payments are never left to a rule.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Autonomy = Literal["auto", "approve", "human"]

# From the strictest to the loosest.
AUTONOMIES: tuple[Autonomy, ...] = ("human", "approve", "auto")


class Action(NamedTuple):
    """One thing that can be done about a failure."""

    loosest: Autonomy  # nobody may be asked less than this
    again: bool  # whether the same request is sent again, with nothing changed in it
    said: str  # for people


ACTIONS: dict[str, Action] = {
    # The product does these by itself.
    "retry": Action("auto", True, "Is tried again by itself"),
    "rest": Action("auto", True, "The connection rests and goes on by itself"),
    "renew_session": Action("auto", True, "Logs in anew and goes on by itself"),
    "look_up": Action("auto", True, "Looks first whether it was done, then goes on by itself"),
    "update_instead": Action("auto", True, "Updates the record that was made meanwhile, by itself"),
    "save_parent": Action("auto", True, "Saves the record that is missing first, by itself"),
    "take_declined_way": Action("auto", False, "Goes on by itself, on the way for declined payments"),
    # A fix is known; a person agrees to it.
    "resend": Action("approve", True, "Try it once more"),
    "close_as_done": Action("approve", False, "Close it as done"),
    "cut_text": Action("approve", False, "Cut the text"),
    "map_value": Action("approve", False, "Map the value"),
    "give_default": Action("approve", False, "Give a default"),
    "clear_value": Action("approve", False, "Leave the field empty"),
    "change_mapping": Action("approve", False, "Change the mapping"),
    "correct_link": Action("approve", False, "Refer to another record"),
    # Only a person knows.
    "mend_login": Action("human", False, "Mend the login"),
    "grant_access": Action("human", False, "Give the missing permission"),
    "choose_record": Action("human", False, "Decide which record is right"),
    "correct_data": Action("human", False, "Correct the data"),
    "ask_customer": Action("human", False, "Ask the customer for another way to pay"),
    "correct_amount": Action("human", False, "Check the amount and its currency"),
    "resume": Action("human", False, "Resume the connection"),
    "mend_org": Action("human", False, "Mend the org"),
    "mend_account": Action("human", False, "Mend the Stripe account"),
    "mend_flow": Action("human", False, "Correct the flow"),
    "check_state": Action("human", False, "Look what was done"),
    "report": Action("human", False, "Report it"),
    "read_message": Action("human", False, "Read the message"),
}

# These write another value than the flow made; see `of_money`.
CHANGING = frozenset(
    {"cut_text", "map_value", "give_default", "clear_value", "change_mapping", "correct_link"}
)

# Operations of which a second one takes or gives money twice, and those that cannot be undone.
PAYING = frozenset({"charge", "capture", "refund", "payout", "transfer", "pay"})
FINAL = frozenset({"delete", "merge"})

_MONEY = re.compile(
    r"amount|currency|price|total|balance|discount|revenue|refund|charge|payout|invoiced|paid|fees?\b|"
    r"(?:^|[^a-z])(?:tax|fee|mrr|arr|cost|rate|sum|due|net|gross|vat|tips?|percent|percentage|quantity|"
    r"salary|deposit|amt)(?:[^a-z]|$)"
)
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def stricter(one: Autonomy, other: Autonomy) -> Autonomy:
    """Return the one of two that asks a person for more."""
    return min(one, other, key=AUTONOMIES.index)


def of_money(field: str) -> bool:
    """Tell whether `field`, named as either system does, may hold an amount or a currency."""
    return bool(_MONEY.search(_HUMPS.sub("_", field[:200]).lower()))
