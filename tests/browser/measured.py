"""This module lets a connection have been measured for a day, as the chart of what is unusual shows it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from flows.models import Pair
from monitoring.models import Series, SeriesBin

BIN = timedelta(minutes=5)


def build(pair: Pair) -> None:
    """Count charges in every five minutes of the last day; in the last hours none came."""
    present = timezone.now().replace(minute=0, second=0, microsecond=0)
    series, _ = Series.objects.get_or_create(connection=pair.stripe, defaults={"seen_until": present})
    rows = [
        SeriesBin(
            series=series, starts_at=present - BIN * back, charges=0 if back < 20 else 30 + back * 7 % 23,
            failed=0, expected=40.0, lo=24.5, hi=58.0,
        )
        for back in range(1, 270)
    ]  # fmt: skip
    SeriesBin.objects.bulk_create(rows, ignore_conflicts=True)
