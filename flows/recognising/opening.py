"""This module begins a directory: the place where the customers of an org are known from then on."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from flows.matching import FORM
from flows.models import Directory
from flows.recognising import sealing


def begin(connection_id: int, object_: str, *, now: datetime) -> bool:
    """Begin to know the records of an object, and tell whether nobody had begun before."""
    _, is_new = Directory.objects.get_or_create(
        connection_id=connection_id,
        object=object_,
        defaults={
            "salt": sealing.new_salt(sealing.owner_of(connection_id, object_)),
            "began_at": now,
            "due_at": now,
            "form_reading": FORM,
            "form_read": FORM,
        },
    )
    return is_new


def widen(directory: Directory, keys: Collection[str], *, now: datetime) -> None:
    """Have external keys read of all records as well; what is known stays known meanwhile."""
    if set(keys) <= set(directory.keys_wanted):
        return
    with transaction.atomic():
        locked = Directory.objects.select_for_update(of=("self",)).get(pk=directory.pk)
        if not set(keys) <= set(locked.keys_wanted):
            locked.want_keys(sorted({*locked.keys_wanted, *keys}), now=now)


def narrow(directory: Directory, keys: Collection[str]) -> None:
    """
    Read no other external keys than these any more, where the directory cannot be read.

    A field that no live flow names may be one that the org does not have any more.
    """
    if directory.attempts and not set(directory.keys_wanted) <= set(keys):
        fewer = {
            name: sorted(set(getattr(directory, name)) & set(keys))
            for name in ("keys_wanted", "keys_reading", "keys_read")
        }
        Directory.objects.filter(pk=directory.pk, keys_wanted=directory.keys_wanted).update(**fewer)
