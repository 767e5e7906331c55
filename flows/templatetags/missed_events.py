"""This module shows on the page of a connection how missed events are looked for."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils import timezone

from flows import missed

register = template.Library()


@register.inclusion_tag("flows/_missed.html", takes_context=True)
def missed_events(context: Context) -> dict[str, Any]:
    """Show the card of the `connection` that the page is about."""
    page: dict[Any, Any] = context.flatten()
    return {**page, "missed": missed.standing(context["connection"], now=timezone.now())}
