"""This module names what a person may answer, beside the records that are shown, and by what one is known."""

from __future__ import annotations

APART = "apart"  # none of them: it is another customer, and nobody asks again
NEW = "new"  # a new record all the same, whether it is one of them or not

# By what it is known which record a customer is.
PERSON, KEY, LIKENESS = "a person", "key", "likeness"
