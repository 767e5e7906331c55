"""
This module tries letters again whose run lacked a parent, once that has come.

Events come out of order, and a parent that one flow saves another may wait for. Which record a letter lacks
stands in it: the object and the external id that Salesforce has named.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import CharField, Count, Exists, F, OuterRef, Value
from django.db.models.functions import Concat

from flows import deadletters
from flows.models import DeadLetter, Link

ACTOR = "the engine, since the parent has come"
MOST_AT_ONCE = 200  # letters of one turn
MOST_TRIES = 3  # letters of one run; after so many it is something else


def retry_due(*, now: datetime) -> int:
    """Try those letters again whose parent any flow of the pair has saved since, and return how many."""
    target = Concat(F("salesforce_object"), Value(":"), F("external_id"), output_field=CharField())
    come = Link.objects.annotate(target=target).filter(
        pair=OuterRef("run__pair"), target=OuterRef("waits_for"), synced_at__gt=OuterRef("created_at")
    )
    waiting = DeadLetter.objects.unresolved().exclude(waits_for="").exclude(run=None)
    due = waiting.annotate(tries=Count("run__dead_letters")).filter(Exists(come), tries__lte=MOST_TRIES)
    ids = list(due.order_by("id").values_list("id", flat=True)[:MOST_AT_ONCE])
    if not ids:
        return 0
    with transaction.atomic():
        return len(deadletters.retry_unasked(ids, actor=ACTOR, now=now))
