"""This module lets payments have stopped three days ago, as the page of an anomaly is to show it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from flows.models import Pair
from monitoring import detection
from monitoring.anomaly_models import Anomaly, Series, SeriesBin
from monitoring.anomaly_sources import BIN, floor
from tests.browser.rows import a_run

LASTED = 8  # bins


def build(pair: Pair) -> dict[str, str]:
    """Return the addresses of what is over: charges that stayed away, and an amount far above the usual."""
    now = timezone.now()
    began = floor(now) - timedelta(days=3)
    series, _ = Series.objects.get_or_create(connection=pair.stripe, defaults={"seen_until": now})
    SeriesBin.objects.bulk_create(
        SeriesBin(
            series=series, starts_at=began + number * BIN, failed=0, expected=10, lo=3, hi=17,
            charges=0 if 0 <= number < LASTED else 10 + number % 5 - 2,
        )
        for number in range(-80, 24)
    )  # fmt: skip
    stopped = detection.Alert(
        "charges", "outage", -6.0, 0.0, 30.0, 12.0, 48.0, "No charges came where about 30 are usual."
    )
    charge = a_run(pair, amount=250_000).event.object_id
    far = detection.Alert(
        detection.AMOUNT, "amount_outlier", 9.0, 250_000.0, 2_000.0, 250.0, 16_000.0,
        f"A customer who usually pays about €20.00 paid €2,500.00 (charge {charge}).",
    )  # fmt: skip
    over = {"began_at": began, "ended_at": began + LASTED * BIN}
    causes = [{"sentence": "Means of payment sepa debit: 0% of them, usually 40%."}]
    told = [
        Anomaly.of(series, stopped, causes=causes, **over),
        Anomaly.of(series, far, object_id=charge, currency="EUR", **over),
    ]
    for one in told:
        one.save()
    return {"stopped": told[0].public_id, "far": told[1].public_id, "charge": charge}
