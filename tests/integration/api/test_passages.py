"""What ran along a flow's steps, by REST."""

from __future__ import annotations

from collections import Counter

from django.db import transaction
from django.utils import timezone

from flows import passages


def test_the_ways_of_the_last_day_are_counted_for_an_environment(admin, stage):
    version, pair = stage.deployment.version, stage.pair
    taken = {("large", "yes"): 3, ("stop", ""): 2, ("save", "!failed"): 1}
    counted = Counter({(version.pk, pair.pk, *way): times for way, times in taken.items()})
    with transaction.atomic():
        passages.add(counted, now=timezone.now())
    path = f"flows/{stage.deployment.flow.public_id}/passages/"

    told = admin.get(path, environment="dev").json()

    assert told["environment"] == "dev"
    assert told["ways"] == [
        {"step": "large", "how": "left", "exit": "yes", "times": 3},
        {"step": "save", "how": "failed", "exit": "", "times": 1},
        {"step": "stop", "how": "ended", "exit": "", "times": 2},
    ]
    assert admin.get(path, environment="dev", version="1").json()["ways"] == told["ways"]
    assert admin.get(path).status_code == 400
    assert admin.get(path, environment="qa").status_code == 400
    assert admin.get(path, environment="dev", version="x").status_code == 400
    assert admin.get(path, environment="dev", version="9").status_code == 404
