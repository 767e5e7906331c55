"""
This module seals everything that is encrypted with the newest key.

Rotating: put a new key in front of INTEGRATOR_ENCRYPTION_KEYS, restart, run this command until it counts
nothing left, and take the old key away. It may be stopped and started at any time: what is already sealed
with the newest key is passed over, and a row that changes meanwhile is left to its writer, who uses the
newest key as well.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Model

from integrator import vault
from monitoring.doctor.sealed import SEALED, SEEDED, SEEDS

BATCH = 500


@dataclass(slots=True)
class Count:
    """What was found in one column."""

    resealed: int = 0
    current: int = 0
    unreadable: int = 0  # sealed with a key that is not configured


class Command(BaseCommand):
    """Seal every encrypted column with the newest key; prints counts as JSON."""

    help = "Seal everything that is encrypted with the newest key. May be stopped and started again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the size of a batch."""
        parser.add_argument("--batch", type=int, default=BATCH, help=f"Rows read at a time ({BATCH}).")

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Reseal, and say what was found.

        :raises CommandError: if something does not open with any configured key
        """
        counts = {
            f"{model._meta.label_lower}.{column}": reseal(model, column, batch=options["batch"])
            for model, column in SEALED
        }
        counts["mfa.authenticator.data"] = reseal_second_factors()
        self.stdout.write(json.dumps({name: asdict(count) for name, count in counts.items()}))
        lost = sum(count.unreadable for count in counts.values())
        if lost:
            raise CommandError(
                f"{lost} values do not open with the configured keys. Keep the old keys in "
                "INTEGRATOR_ENCRYPTION_KEYS until this is 0."
            )


def reseal(model: type[Model], column: str, *, batch: int) -> Count:
    """Seal one column of `model` with the newest key, `batch` rows at a time."""
    count = Count()
    for rows in _batches(model, column, batch=batch):
        renewed = [(pk, sealed, _renewed(sealed, count)) for pk, sealed in rows]
        with transaction.atomic():  # short: everything slow has been done before
            for pk, before, after in renewed:
                if after is not None:
                    # Only if it is still what was read: whoever changed it meanwhile has sealed it anew.
                    same = model._default_manager.filter(pk=pk, **{column: before})
                    count.resealed += same.update(**{column: after})
    return count


def reseal_second_factors() -> Count:
    """Seal the seeds of everybody's second factor with the newest key."""
    count = Count()
    for factor in Authenticator.objects.filter(type__in=SEEDED).iterator():
        before = dict(factor.data)
        for name in SEEDS:
            if renewed := _renewed(before.get(name, "").encode(), count) if before.get(name) else None:
                factor.data[name] = renewed.decode()
        if factor.data != before:
            same = Authenticator.objects.filter(pk=factor.pk, data=before)
            count.resealed += same.update(data=factor.data)
    return count


def _renewed(sealed: bytes, count: Count) -> bytes | None:
    if vault.is_current(sealed):
        count.current += 1
        return None
    try:
        return vault.reseal(sealed)
    except vault.Unreadable:
        count.unreadable += 1
        return None


def _batches(model: type[Model], column: str, *, batch: int) -> Iterator[list[tuple[Any, bytes]]]:
    last: Any = None
    while True:
        rows = model._default_manager.order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        found = [(pk, bytes(sealed)) for pk, sealed in rows.values_list("pk", column)[:batch]]
        yield [(pk, sealed) for pk, sealed in found if sealed]
        if len(found) < batch:
            return
        last = found[-1][0]
