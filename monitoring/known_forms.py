"""This module reads what people write about known events; times are those of the workspace's own zone."""

from __future__ import annotations

from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone

from connectors.models import Connection
from integrator.accounts.models import Environment
from monitoring.anomaly_decisions import METRICS
from monitoring.anomaly_models import KnownEvent

LOCAL = "%Y-%m-%dT%H:%M"


class KnownEventForm(forms.Form):
    """What is known to be unusual, from when until when, and how often."""

    name = forms.CharField(max_length=100, required=False, label="Name", help_text="Such as “Summer sale”.")
    connection = forms.ModelChoiceField(
        queryset=Connection.objects.none(), required=False, to_field_name="public_id",
        empty_label="All connections", label="Where",
    )  # fmt: skip
    metric = forms.ChoiceField(required=False, choices=list(METRICS.items()), label="What is unusual")
    begins = forms.DateTimeField(
        label="From", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL)
    )
    ends = forms.DateTimeField(
        label="Until", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL)
    )
    repeats = forms.ChoiceField(required=False, choices=KnownEvent.Repeats.choices, label="How often")
    last_day = forms.DateField(
        required=False, label="Last day", help_text="Of what repeats. Empty: for ever.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )  # fmt: skip

    def __init__(self, *args: Any, environment: Environment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Connection.objects.filter(environment=environment)
        cast("forms.ModelChoiceField[Connection]", self.fields["connection"]).queryset = rows
        zone = environment.workspace.time_zone.replace("_", " ")
        for name in ("begins", "ends"):
            self.fields[name].help_text = f"By the clock of {zone}."


def read(form: KnownEventForm, zone: ZoneInfo) -> bool:
    """Tell whether a form is valid, its times taken for those of `zone`."""
    with timezone.override(zone):
        return form.is_valid()


def filled(event: KnownEvent, zone: ZoneInfo) -> dict[str, Any]:
    """Return an event as the form shows it."""
    return {
        "name": event.name, "metric": event.metric, "repeats": event.repeats, "last_day": event.last_day,
        "connection": event.connection and event.connection.public_id,
        "begins": event.begins.astimezone(zone).strftime(LOCAL),
        "ends": event.ends.astimezone(zone).strftime(LOCAL),
    }  # fmt: skip
