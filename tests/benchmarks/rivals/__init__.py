"""This package holds what the product is compared with: a tutorial's view, and what does nothing."""

from __future__ import annotations
