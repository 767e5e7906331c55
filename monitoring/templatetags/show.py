"""This module holds the template tags of every page: icons, statuses, money, JSON trees, navigation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows.models import Event, Run
from flows.models.parents import errand_of
from integrator.kernel.redact import redact_text
from monitoring import navigation as places
from monitoring import shown
from monitoring import words as wording

register = template.Library()

FETCHED = "Made here, to fetch what a record refers to"


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon of our sprite. It is decoration: the word beside it carries the meaning."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("img/icons.svg"),
        name,
    )


@register.inclusion_tag("components/mark.html")
def mark() -> dict[str, str]:
    """Draw the product's mark: a bridge."""
    return {}


@register.inclusion_tag("components/status.html")
def status(key: str) -> dict[str, str]:
    """Show a fate, a state of a run or a state of a connection."""
    look = shown.look_of(key)
    return {"tone": look.tone, "icon": look.icon, "label": look.label}


@register.filter
def money(amount: int | None, currency: str) -> str:
    """Write minor units of a currency as people read them; nothing for no amount."""
    if amount is None or not currency:
        return ""
    return shown.money(amount, currency)


@register.filter
def state_of(run: Run) -> str:
    """Return the key under which the state of `run` is shown: its fate, or that it is tried again."""
    return shown.state_of(run)


@register.filter
def took(run: Run) -> str:
    """Return how long a finished run took; when a retried one is due is told on its page."""
    return wording.duration(run.finished_at - run.created_at) if run.finished_at else ""


@register.filter
def steps_in_words(letters: str) -> str:
    """Say what the strip of steps shows."""
    names = {"s": "done", "e": "failed", "i": "ended here"}
    return "Steps: " + ", ".join(names.get(letter, "taken") for letter in letters)


@register.filter
def lasting(length: timedelta | int) -> str:
    """Write a length of time, or so many seconds, as people say it."""
    return wording.duration(length if isinstance(length, timedelta) else timedelta(seconds=length))


@register.filter
def words(name: str) -> str:
    """Write a field's name as words: "Secret key"."""
    return name.replace("_", " ").capitalize()


@register.filter
def came_in_words(event: Event) -> str:
    """Say how an event came in."""
    return FETCHED if errand_of(event.external_id) else shown.ORIGINS.get(event.origin, event.origin)


@register.filter
def as_written(value: Any) -> Any:
    """Return a value of a field as Stripe and Salesforce write it: true, and not True."""
    return str(value).lower() if isinstance(value, bool) else value


@register.filter
def redacted(text: str) -> str:
    """Mask secrets and card numbers in a text that another system wrote."""
    return redact_text(str(text))


@register.filter
def fate_in_words(fate: str) -> str:
    """Write a fate behind a number: 5 applied, 2 in dead letters."""
    return "in dead letters" if fate == "dead" else shown.look_of(fate).label.lower()


@register.filter
def tone(level: str) -> str:
    """Return our tone for a level of Django's messages."""
    return shown.TONES.get(level, "info")


@register.filter
def tone_icon(level: str) -> str:
    """Return our icon for a level of Django's messages."""
    return shown.TONE_ICONS[tone(level)]


@register.inclusion_tag("components/json_tree.html")
def json_tree(value: Any, label: str = "") -> dict[str, Any]:
    """Show a JSON value as a tree that folds, without any script."""
    return {"node": shown.tree_of(value), "label": label}


@register.simple_tag(takes_context=True)
def navigation(context: template.Context) -> places.Navigation:
    """Return what the frame around the page shows: places, counts, alarms."""
    return places.build(
        request=context["request"], scope=context.get("scope"), environments=context.get("environments") or ()
    )
