"""
This module finds questions by what people know of them, and duplicates by how likely they are some.

What a customer is called and how like a record it is stand in the evidence, which is encrypted: it is opened
for the newest of the questions that are looked among.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q, QuerySet

from flows import evidence
from flows.finding import Place, find
from flows.models import Review

MOST_OPENED = 300  # questions, the newest


def about(rows: QuerySet[Review], wanted: str, place: Place, *, values: bool) -> QuerySet[Review]:
    """
    Return those of `rows` at `place` that `wanted` leads to.

    It is an id as `flows.finding` takes it, or of a record that may be answered; if `values` also a part of
    the name of a customer.
    """
    known = Q(run__in=find(wanted, place).runs)
    return rows.filter(known | Q(pk__in=_named(rows, wanted.casefold(), values=values)))


def _named(rows: QuerySet[Review], wanted: str, *, values: bool) -> Collection[int]:
    newest = list(rows.order_by("-id")[:MOST_OPENED])
    of_records = {
        one.pk for one in newest for option in one.options if str(option.get("value")).casefold() == wanted
    }
    told = evidence.summaries_of(newest) if values else {}
    return of_records | {pk for pk, one in told.items() if wanted in one.name.casefold()}


def likeliest(rows: QuerySet[Review], *, most: int) -> list[Review]:
    """Return `most` of the newest of `rows`, those first whose customer is likeliest one of the records."""
    newest = list(rows.order_by("-id")[:MOST_OPENED])
    told = evidence.summaries_of(newest)
    newest.sort(key=lambda one: _rank(told.get(one.pk)), reverse=True)
    return newest[:most]


def _rank(told: evidence.Summary | None) -> tuple[bool, float]:
    """Return what questions are sorted by: those with a likeness before all others."""
    return (False, 0.0) if told is None or told.percent is None else (True, told.points)
