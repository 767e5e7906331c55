"""This module holds exchange rates: dated, and with the source that they came from."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from integrator.accounts.models import Workspace


class ExchangeRate(models.Model):
    """What one unit of `base` was worth in `quote` on a day, and who said so."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="exchange_rates")
    base = models.CharField(max_length=3, help_text="Currency converted from, upper case.")
    quote = models.CharField(max_length=3, help_text="Currency converted to, upper case.")
    day = models.DateField(help_text="The day in UTC from which the rate holds.")
    rate = models.DecimalField(max_digits=24, decimal_places=12)
    source = models.CharField(max_length=100, help_text="Where the rate comes from.")
    entered_at = models.DateTimeField()
    entered_by = models.CharField(max_length=254)

    class Meta:
        ordering = ("-day", "base", "quote")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["workspace", "base", "quote", "day"], name="one_rate_per_day"),
            models.CheckConstraint(condition=models.Q(rate__gt=0), name="rates_are_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} {self.day}"
