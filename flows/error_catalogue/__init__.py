"""
This package says of a failure what it is, what is done about it, and who has to agree to that.

It is a catalogue in tables: `salesforce`, `stripe` and `ours` hold its rows, `policy` what no row may exceed,
`classifying` finds the row that fits. It is pure: whoever acts on a verdict does so elsewhere. A code that is
not listed is explained as unknown and left to a person.
"""

from __future__ import annotations

from flows.error_catalogue.classifying import RULES, Context, Verdict, classify
from flows.error_catalogue.explaining import Explanation, explain, explain_params, of_failure
from flows.error_catalogue.policy import ACTIONS, AUTONOMIES, Autonomy
from flows.error_catalogue.rules import CLASSES

__all__ = [
    "ACTIONS", "AUTONOMIES", "CLASSES", "RULES", "Autonomy", "Context", "Explanation", "Verdict", "classify",
    "explain", "explain_params", "of_failure",
]  # fmt: skip
