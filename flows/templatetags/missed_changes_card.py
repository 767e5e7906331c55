"""This module shows on the page of a connection how missed changes of an org are looked for."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils import timezone

from flows import missed_changes

register = template.Library()


@register.inclusion_tag("flows/_missed_changes.html", takes_context=True)
def missed_changes_card(context: Context) -> dict[str, Any]:
    """Show the card of the `connection` that the page is about."""
    page: dict[Any, Any] = context.flatten()
    return {**page, "missed": missed_changes.standing(context["connection"], now=timezone.now())}
