"""This module counts what stands under the tabs over a list that is not long."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from flows import stepping
from flows.narrowing import Narrowed, Tab, tab_of
from flows.stepping import Counted

__all__ = ["Tab", "counts", "tab_of"]


def counts(rows: QuerySet[Any], tabs: tuple[Tab, ...]) -> list[Counted]:
    """Return each tab with how many of `rows` stand under it."""
    return stepping.counts(Narrowed(rows), tabs, indexed={tab.key for tab in tabs})
