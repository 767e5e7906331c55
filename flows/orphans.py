"""
This module tries letters again whose run lacked a parent, once that has come.

Events come out of order, and a parent that one flow saves another may wait for. Which record a letter lacks
stands in it: the object and the external id that Salesforce has named.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Value
from django.db.models.functions import Left, StrIndex, Substr

from flows import deadletters
from flows.models import DeadLetter, Link
from flows.models.runs import DeadLetterQuerySet

ACTOR = "the engine, since the parent has come"
MOST_AT_ONCE = 200  # letters of one turn
MOST_TRIES = 3  # letters of one run; after so many it is something else


def waiting() -> DeadLetterQuerySet:
    """Return the open letters of runs that lacked a parent: `parent_object` with the id `parent_id`."""
    colon = StrIndex(F("waits_for"), Value(":"))
    letters = DeadLetter.objects.unresolved().exclude(waits_for="").exclude(run=None)
    return letters.alias(parent_object=Left("waits_for", colon - 1), parent_id=Substr("waits_for", colon + 1))


def came() -> Exists:
    """Return the condition for a letter of `waiting` that any flow of the pair has saved its parent since."""
    # By the names as links have them, whose index finds the one: there may be millions of links.
    links = Link.objects.filter(
        pair=OuterRef("run__pair"),
        salesforce_object=OuterRef("parent_object"),
        external_id=OuterRef("parent_id"),
        synced_at__gt=OuterRef("created_at"),
    )
    return Exists(links)


def retry_due(*, now: datetime) -> int:
    """Try those letters again whose parent any flow of the pair has saved since, and return how many."""
    due = waiting().annotate(tries=Count("run__dead_letters")).filter(came(), tries__lte=MOST_TRIES)
    ids = list(due.order_by("id").values_list("id", flat=True)[:MOST_AT_ONCE])
    if not ids:
        return 0
    with transaction.atomic():
        return len(deadletters.retry_unasked(ids, actor=ACTOR, now=now))
