"""This module lets exchange rates be known, one of them from a hostile source."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from flows import rates
from flows.rate_lines import Given
from integrator.accounts.models import Workspace
from tests.browser.rows import HOSTILE


def build(workspace: Workspace) -> None:
    """Keep rates of several days and lengths."""
    now = timezone.now()
    given = [
        Given(number, base, quote, (now - timedelta(days=days)).date().isoformat(), rate, source)
        for number, (base, quote, days, rate, source) in enumerate(
            [
                ("USD", "EUR", 0, "0.9273", "European Central Bank"),
                ("GBP", "EUR", 0, "1.142857142857", "European Central Bank"),
                ("USD", "EUR", 1, "0.9301", HOSTILE),
                (
                    "EUR",
                    "JPY",
                    1,
                    "161.25",
                    "A bank with a name that is longer than a column of a table is wide",
                ),
            ],
            1,
        )
    ]
    rates.keep(workspace=workspace, given=given, actor="root@acme.test", now=now)
