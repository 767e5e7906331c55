"""The wait before the next attempt grows, is spread by luck and has an end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrator.kernel.backoff import Backoff

ALMOST_ONE = 0.999999


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 2), (2, 4), (3, 8), (11, 2048), (12, 3600), (10_000, 3600)]
)
def test_the_ceiling_doubles_up_to_an_hour(attempt, ceiling):
    wait = Backoff().delay(attempt=attempt, luck=ALMOST_ONE)

    assert timedelta(seconds=ceiling * 0.99) < wait < timedelta(seconds=ceiling)


def test_full_jitter_may_also_mean_at_once():
    assert Backoff().delay(attempt=5, luck=0.0) == timedelta(0)


@pytest.mark.parametrize(("attempt", "luck"), [(0, 0.5), (-1, 0.5), (1, 1.0), (1, -0.1)])
def test_nonsense_is_refused(attempt, luck):
    with pytest.raises(ValueError, match=r"Attempts|Luck"):
        Backoff().delay(attempt=attempt, luck=luck)
