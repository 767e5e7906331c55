"""This module writes exchange rates on pages."""

from __future__ import annotations

from decimal import Decimal

from django import template

from flows.rates import plain

register = template.Library()


@register.filter
def plain_rate(rate: Decimal) -> str:
    """Write a rate without the zeros behind it that say nothing."""
    return plain(rate)
