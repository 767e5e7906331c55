"""This module holds the refusal of what a flow cannot be tried on."""

from __future__ import annotations


class Unusable(ValueError):
    """A flow cannot be tried on this."""
