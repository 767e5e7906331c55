"""This module names what a person may answer, beside the records that are shown."""

from __future__ import annotations

APART = "apart"  # none of them: it is another customer, and nobody asks again
NEW = "new"  # a new record all the same, whether it is one of them or not
