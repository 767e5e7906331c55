"""This module begins a directory: the place where the customers of an org are known from then on."""

from __future__ import annotations

from datetime import datetime

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
        },
    )
    return is_new
