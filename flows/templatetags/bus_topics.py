"""This module shows on the page of a connection what is listened to."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils import timezone

from flows import topics

register = template.Library()


@register.inclusion_tag("flows/_topics.html", takes_context=True)
def bus_topics(context: Context) -> dict[str, Any]:
    """Show the card of the `connection` that the page is about."""
    page: dict[Any, Any] = context.flatten()
    return {**page, "standings": topics.standing(context["connection"], now=timezone.now())}
