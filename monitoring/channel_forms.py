"""This module reads what people fill in about channels and rules. Secrets only ever go in."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django import forms

from connectors.forms import Secret
from connectors.models import Connection
from integrator.accounts.models import Environment, Workspace
from monitoring import channels, rules
from monitoring.conditions import Severity
from monitoring.models import AlertChannel, AlertRule
from monitoring.rules import GivenStep

URGENCIES = [(one.value, {"info": "Information"}.get(one.value, one.value.capitalize())) for one in Severity]
ESCALATIONS = 2  # that are offered at least
KINDS: list[tuple[str, str]] = sorted(rules.TELLABLE.items(), key=lambda one: one[1])


class ChannelForm(forms.Form):
    """What every channel has."""

    kind: ClassVar[str]
    name = forms.CharField(max_length=100, help_text="What people call it, such as “Finance in Slack”.")

    def __init__(self, *args: Any, workspace: Workspace, channel: AlertChannel | None = None, **kwargs: Any):
        self.channel = channel
        if channel is not None:
            kwargs.setdefault("initial", {"name": channel.name, **self.kept(channel)})
        super().__init__(*args, **kwargs)

    def kept(self, channel: AlertChannel) -> dict[str, Any]:
        """Return what of `channel` may be shown in its form."""
        return {}

    def given(self) -> channels.Given:
        """Return what was entered."""
        return channels.Given(name=self.cleaned_data["name"])


class EmailForm(ChannelForm):
    """Addresses that are mailed."""

    kind = "email"
    addresses = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        max_length=6000,
        help_text="One in each line. Each gets a mail of its own.",
    )

    def kept(self, channel: AlertChannel) -> dict[str, Any]:
        """Return the addresses, which are no secret."""
        return {"addresses": "\n".join(channel.settings.get("addresses", ()))}

    def given(self) -> channels.Given:
        """Return what was entered."""
        found = tuple(self.cleaned_data["addresses"].replace(",", "\n").splitlines())
        return channels.Given(name=self.cleaned_data["name"], addresses=found)


class HookForm(ChannelForm):
    """An address that is posted to. Whoever knows it may write there, so it is entered like a password."""

    url = Secret(label="Address")
    HELP: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].help_text = self.HELP
        if self.channel is not None:
            self.fields["url"].required = False
            self.fields["url"].help_text = "Leave it empty to keep the one that is entered."

    def given(self) -> channels.Given:
        """Return what was entered."""
        return channels.Given(name=self.cleaned_data["name"], url=self.cleaned_data["url"])


class SlackForm(HookForm):
    """An incoming webhook of Slack, or of what understands the same."""

    kind = "slack"
    HELP = (
        "The incoming webhook that Slack shows when the app is added to a channel "
        "(https://hooks.slack.com/services/…). Mattermost and others understand the same."
    )


class WebhookForm(HookForm):
    """A program that is posted to, with a signature."""

    kind = "webhook"
    HELP = "Where your program listens, over https. Its signing secret is shown once, on the next page."


class EventForm(ChannelForm):
    """A platform event that is published by a Salesforce connection."""

    kind = "event"
    connection = forms.ModelChoiceField(
        queryset=Connection.objects.none(),
        to_field_name="public_id",
        label="Connection",
        empty_label="Choose one",
    )
    event = forms.CharField(
        label="Platform event", max_length=80, help_text="Its API name, such as Integrator_Alert__e."
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, workspace=workspace, **kwargs)
        orgs = Connection.objects.filter(
            environment__workspace=workspace, system=Connection.System.SALESFORCE
        ).select_related("environment")
        cast("forms.ModelChoiceField[Connection]", self.fields["connection"]).queryset = orgs
        for part, label in channels.PARTS.items():
            self.fields[f"field_{part}"] = forms.CharField(
                label=f"Field for: {label.lower()}",
                max_length=80,
                required=False,
                initial=channels.USUAL_FIELDS[part],
                help_text="Empty: it is not sent. Text of 255 characters." if part == "id" else "",
            )

    def kept(self, channel: AlertChannel) -> dict[str, Any]:
        """Return which event is published by what."""
        fields = channel.settings.get("fields", {})
        return {
            "connection": channel.connection.public_id if channel.connection else "",
            "event": channel.settings.get("event", ""),
            **{f"field_{part}": fields.get(part, "") for part in channels.PARTS},
        }

    def given(self) -> channels.Given:
        """Return what was entered."""
        return channels.Given(
            name=self.cleaned_data["name"],
            connection=self.cleaned_data["connection"],
            event=self.cleaned_data["event"],
            fields={part: self.cleaned_data[f"field_{part}"] for part in channels.PARTS},
        )


FORMS: dict[str, type[ChannelForm]] = {
    form.kind: form for form in (EmailForm, SlackForm, WebhookForm, EventForm)
}


# Rules


class Clock(forms.TimeInput):
    """A time of the day, without seconds."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class RuleForm(forms.Form):
    """Which alerts are told, by which channels, and when."""

    name = forms.CharField(max_length=100, help_text="What it is for, such as “Finance: payouts”.")
    severities = forms.MultipleChoiceField(
        label="Urgency", choices=URGENCIES, widget=forms.CheckboxSelectMultiple
    )
    kinds = forms.MultipleChoiceField(
        label="Only these kinds of alerts",
        required=False,
        choices=KINDS,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them.",
    )
    environments = forms.ModelMultipleChoiceField(
        label="Only in these environments",
        required=False,
        queryset=Environment.objects.none(),
        to_field_name="slug",
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them. What concerns the whole workspace is told in any case.",
    )
    first = forms.ModelMultipleChoiceField(
        label="Tell at once",
        queryset=AlertChannel.objects.none(),
        to_field_name="public_id",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one channel."},
    )
    window_minutes = forms.IntegerField(
        label="Gather for (minutes)", min_value=0, max_value=60, initial=0,
        help_text="So long the first of a kind waits for its like, so that one message tells of several.",
    )  # fmt: skip
    per_hour = forms.IntegerField(
        label="Messages an hour at most", min_value=0, max_value=rules.MOST_PER_HOUR, initial=20,
        help_text="To each channel. What is more comes as one message. 0: no limit.",
    )  # fmt: skip
    repeat_minutes = forms.IntegerField(
        label="Repeat after (minutes)", min_value=0, max_value=rules.LONGEST_AFTER, initial=0,
        help_text="Until somebody acknowledges. 0: never.",
    )  # fmt: skip
    quiet_from = forms.TimeField(label="Quiet from", required=False, widget=Clock)
    quiet_until = forms.TimeField(label="until", required=False, widget=Clock)
    quiet_zone = forms.CharField(
        label="Time zone", max_length=64, help_text="Such as Europe/Berlin.", required=False
    )
    quiet_lets_critical = forms.BooleanField(
        label="Critical alerts are told in quiet hours, too", required=False, initial=True
    )
    tells_end = forms.BooleanField(label="Tell also when it is over", required=False, initial=True)
    stops = forms.BooleanField(
        label="Look at no further rule when this one fits", required=False, initial=False,
        help_text="The rules below then stay silent about the same alert, administrators by e-mail included.",
    )  # fmt: skip

    def __init__(
        self, *args: Any, workspace: Workspace, rule: AlertRule | None = None, **kwargs: Any
    ) -> None:
        self.administrators = rule is not None and rule.administrators
        if rule is not None:
            kwargs.setdefault("initial", kept(rule))
        super().__init__(*args, **kwargs)
        mine = AlertChannel.objects.of(workspace)
        self._choose("environments", Environment.objects.filter(workspace=workspace).order_by("position"))
        self._choose("first", mine)
        self._window = rule.window_seconds if rule is not None else 0
        # A rule that was made by REST may have more of them than are offered otherwise: none may get lost.
        made = rule.steps.filter(after_minutes__gt=0).count() if rule is not None and rule.pk else 0
        self._numbers = range(1, max(ESCALATIONS, made) + 1)
        for number in self._numbers:
            self.fields[f"after_{number}"] = forms.IntegerField(
                label="If nobody acknowledges within (minutes)",
                min_value=1,
                max_value=rules.LONGEST_AFTER,
                required=False,
            )
            self.fields[f"then_{number}"] = forms.ModelChoiceField(
                label="tell", queryset=mine, to_field_name="public_id", required=False, empty_label="Nobody"
            )
        if self.administrators:
            for name in NOT_FOR_ADMINISTRATORS:
                del self.fields[name]
            for number in self._numbers:
                del self.fields[f"after_{number}"], self.fields[f"then_{number}"]

    @property
    def escalations(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """The fields of each escalation: after how many minutes, and who is told."""
        return [(self[f"after_{number}"], self[f"then_{number}"]) for number in self._numbers]

    def _choose(self, name: str, rows: Any) -> None:
        cast("forms.ModelChoiceField[Any]", self.fields[name]).queryset = rows

    def clean(self) -> dict[str, Any]:
        """Return what was entered; an escalation has both its minutes and its channel."""
        found = super().clean() or {}
        for number in () if self.administrators else self._numbers:
            after, then = found.get(f"after_{number}"), found.get(f"then_{number}")
            if (after is None) != (then is None) and f"after_{number}" not in self.errors:
                self.add_error(f"after_{number}", "Say both: after how many minutes, and who is told.")
        return found

    def given(self, *, enabled: bool) -> rules.Given:
        """Return what was entered, for a rule that is switched on or off."""
        said = self.cleaned_data
        common: dict[str, Any] = {
            "severities": said["severities"],
            "kinds": said["kinds"],
            "environments": list(said["environments"]),
            "enabled": enabled,
            "quiet_from": said["quiet_from"],
            "quiet_until": said["quiet_until"],
            "quiet_zone": said["quiet_zone"] or "UTC",
            "quiet_lets_critical": said["quiet_lets_critical"],
        }
        if self.administrators:
            return rules.Given(name=rules.ADMINISTRATORS, per_hour=0, **common)
        return rules.Given(
            name=said["name"],
            steps=self._steps(),
            stops=said["stops"],
            tells_end=said["tells_end"],
            window_seconds=self._seconds(said["window_minutes"]),
            per_hour=said["per_hour"],
            repeat_minutes=said["repeat_minutes"],
            **common,
        )

    def _seconds(self, minutes: int) -> int:
        """Return how long it gathers: to the second as it was where the minutes are as they were."""
        return self._window if minutes == self._window // 60 else minutes * 60

    def _steps(self) -> list[GivenStep]:
        said = self.cleaned_data
        later = [
            GivenStep(said[f"then_{number}"], said[f"after_{number}"])
            for number in self._numbers
            if said[f"then_{number}"] is not None and said[f"after_{number}"]
        ]
        return [*(GivenStep(channel) for channel in said["first"]), *later]


NOT_FOR_ADMINISTRATORS = (
    "name", "first", "window_minutes", "per_hour", "repeat_minutes", "tells_end", "stops",
)  # fmt: skip
# What an operation calls a field, and what the form calls it.
FIELDS = {"steps": "first", "window_seconds": "window_minutes"}


def kept(rule: AlertRule) -> dict[str, Any]:
    """Return what `rule` says, as its form shows it."""
    steps = list(rule.steps.select_related("channel")) if rule.pk else []
    later = [step for step in steps if step.after_minutes]
    return {
        "name": rule.name,
        "severities": rule.severities,
        "kinds": rule.kinds,
        "environments": [one.slug for one in rule.environments.all()] if rule.pk else [],
        "first": [step.channel.public_id for step in steps if not step.after_minutes],
        "window_minutes": rule.window_seconds // 60,
        "per_hour": rule.per_hour,
        "repeat_minutes": rule.repeat_minutes,
        "quiet_from": rule.quiet_from,
        "quiet_until": rule.quiet_until,
        "quiet_zone": rule.quiet_zone,
        "quiet_lets_critical": rule.quiet_lets_critical,
        "tells_end": rule.tells_end,
        "stops": rule.stops,
        **{f"after_{number}": step.after_minutes for number, step in enumerate(later, 1)},
        **{f"then_{number}": step.channel.public_id for number, step in enumerate(later, 1)},
    }
