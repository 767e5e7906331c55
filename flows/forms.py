"""This module holds the forms of the flows pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from django import forms


class _Confirmed(forms.Form):
    """What is asked last of whoever changes something in production: a word that nobody types by mistake."""

    def __init__(self, *args: Any, production: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if production:
            self.fields["confirmation"] = forms.CharField(label="Type PRODUCTION to go on", max_length=20)

    def clean_confirmation(self) -> str:
        """
        Return the word that was typed.

        :raises ValidationError: if it is another one
        """
        given = str(self.cleaned_data["confirmation"]).strip()
        if given != "PRODUCTION":
            raise forms.ValidationError("This environment is production. Type the word to go on.")
        return given


class Discard(_Confirmed):
    """Why what waits for a person is not worth another try."""

    reason = forms.CharField(
        max_length=400,
        label="Reason",
        help_text="It is kept with the run and in the audit trail.",
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
    )


class Assign(forms.Form):
    """Who sees to a cause."""

    person = forms.CharField(required=False, max_length=254, label="Who sees to it")


class Snooze(forms.Form):
    """For how long a cause is left out of the list; nothing: it is shown again."""

    SPANS: ClassVar[dict[str, tuple[str, timedelta]]] = {
        "1h": ("1 hour", timedelta(hours=1)),
        "1d": ("1 day", timedelta(days=1)),
        "3d": ("3 days", timedelta(days=3)),
        "7d": ("1 week", timedelta(days=7)),
        "30d": ("30 days", timedelta(days=30)),
    }
    span = forms.ChoiceField(
        required=False, label="Put off for", choices=[(key, told) for key, (told, _) in SPANS.items()]
    )

    def until(self, now: datetime) -> datetime | None:
        """Return until when, counted from `now`."""
        chosen = self.cleaned_data["span"]
        return now + self.SPANS[chosen][1] if chosen else None


class Tags(forms.Form):
    """The tags of a cause, with commas between them."""

    tags = forms.CharField(required=False, max_length=400, label="Tags")


class Pace(forms.Form):
    """How many dead letters a minute are retried, and whether one of them has to work first."""

    PACES: ClassVar[tuple[int, ...]] = (10, 60, 300, 1_200)
    per_minute = forms.TypedChoiceField(
        coerce=int, label="How fast the rest follows", choices=[(pace, f"{pace} a minute") for pace in PACES]
    )
    start = forms.ChoiceField(required=False, choices=[("first", "One first"), ("all", "All of them")])

    @property
    def one_first(self) -> bool:
        """Tell whether the rest waits until one has worked, as it does unless something else is said."""
        return str(self.cleaned_data["start"]) != "all"


class Approve(forms.Form):
    """Which change of a record a person approves; what fits the field is checked behind it."""

    way = forms.CharField(required=False, max_length=20)
    length = forms.IntegerField(required=False, min_value=1, max_value=131_072, label="Length")
    value = forms.CharField(required=False, max_length=255, label="Value")
    keep = forms.BooleanField(required=False)
    all = forms.BooleanField(required=False)
    per_minute = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        label="How fast the rest follows",
        choices=[(pace, f"{pace} a minute") for pace in Pace.PACES],
    )


class EditObject(forms.Form):
    """The object of an event as a person has edited it; its JSON is read behind it."""

    text = forms.CharField(strip=False, max_length=200_000, label="Object")
    reason = forms.CharField(required=False, max_length=400, label="Why")


class Deploy(forms.Form):
    """Which version is to be live."""

    version = forms.IntegerField(min_value=1)


class Switch(forms.Form):
    """Whether a flow is to be on; a form that says neither must not turn anything off."""

    enabled = forms.ChoiceField(choices=[("true", "on"), ("false", "off")])


class Since(forms.Form):
    """From when on something is looked for."""

    since = forms.DateTimeField(
        required=False,
        label="Since (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


class Created(Since):
    """Since when the objects were created that are compared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["since"].label = "Created since (UTC)"


class Looking(forms.Form):
    """How missed events are looked for."""

    walk_only = forms.BooleanField(
        required=False,
        label="Nothing is delivered here",
        help_text="There is no public address: Stripe's list is read every 30 seconds instead.",
    )
    walk_minutes = forms.IntegerField(
        min_value=1,
        max_value=24 * 60,
        label="Minutes between two looks at Stripe's list",
        help_text="It finds what was not delivered.",
    )
    sweep_days = forms.IntegerField(
        min_value=0,
        max_value=365,
        label="Days of objects compared every day",
        help_text="It finds what Stripe never told. 0: none are compared.",
    )
    sweep_hour = forms.IntegerField(
        min_value=0, max_value=23, label="Hour of the day (UTC)", help_text="When they are compared."
    )


class TopicName(forms.Form):
    """What is to be listened to."""

    name = forms.CharField(
        max_length=120,
        label="Topic",
        help_text="An object such as Account for its changes, a platform event such as Paid__e, or the whole "
        "topic: /data/ChangeEvents tells the changes of all objects.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "Opportunity",
            }
        ),
    )


class Answer(forms.Form):
    """Which of the answers a person chose, and what they said with it."""

    value = forms.CharField(max_length=255)
    comment = forms.CharField(max_length=2_000, required=False)


class Found(forms.Form):
    """What a person found out about an effect in doubt; a form that says neither must not settle it."""

    happened = forms.ChoiceField(choices=[("true", "yes"), ("false", "no")])


class _Replacing(forms.Form):
    """Why rates are replaced that are there already."""

    reason = forms.CharField(
        required=False,
        max_length=400,
        label="Reason for replacing",
        help_text="Only needed if there is another rate for that day already. It is kept in the audit trail.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class Rate(_Replacing):
    """What a currency is worth in another one on a day."""

    base = forms.CharField(max_length=3, label="One unit of", help_text="A currency, such as USD.")
    quote = forms.CharField(max_length=3, label="Is worth in", help_text="Another currency, such as EUR.")
    day = forms.CharField(
        max_length=10,
        label="On the day (UTC)",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="It holds until there is a newer one.",
    )
    rate = forms.CharField(
        max_length=30,
        label="Rate",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text="Exactly as its source says it, such as 0.9273.",
    )
    source = forms.CharField(
        max_length=100, label="Source", help_text="Where the rate comes from, such as ECB or your bank."
    )
    field_order = ("base", "quote", "day", "rate", "source", "reason")


class RateTable(_Replacing):
    """Many rates: pasted, or in a file."""

    table = forms.CharField(
        required=False,
        max_length=1_000_000,
        label="Rates",
        help_text="One rate a line: base, quote, day, rate, source. Such as USD,EUR,2026-11-24,0.9273,ECB",
        widget=forms.Textarea(attrs={"rows": 8, "class": "key", "spellcheck": "false"}),
    )
    file = forms.FileField(
        required=False,
        label="Or a file with them",
        help_text="A CSV file in UTF-8.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
    )
    field_order = ("table", "file", "reason")

    def clean(self) -> dict[str, Any]:
        """
        Return what was filled in, the file's text under `text`.

        :raises ValidationError: if there is neither a table nor a file, or both, or the file is no text
        """
        given: dict[str, Any] = super().clean() or self.cleaned_data
        table, file = given.get("table", ""), given.get("file")
        if bool(table) == bool(file):
            raise forms.ValidationError("Paste the rates, or choose a file. One of the two is needed.")
        try:
            given["text"] = file.read().decode("utf-8") if file else table
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not text in UTF-8. Save it as CSV (UTF-8).") from None
        return given


_OBJECT_HELP = "Type a part of its name and choose it: it is kept by its API name, such as Invoice__c."
# A script offers the org's objects; without it those that live flows are about.
_OFFERED = {"autocomplete": "off", "spellcheck": "false", "list": "followed", "data-offers": "objects"}


class Records(Since):
    """Which records are compared: of which object, and modified from when until when."""

    until = forms.DateTimeField(
        required=False,
        label="Until (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Left empty: there is no end. What was modified later once more is left out with it.",
    )

    object = forms.CharField(
        max_length=80,
        label="Object",
        help_text=_OBJECT_HELP,
        widget=forms.TextInput(attrs=_OFFERED),
    )
    field_order = ("object", "since", "until")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["since"].label = "Modified since (UTC)"
        self.fields["since"].help_text = "Left empty: as far back as every day."


class Asking(forms.Form):
    """Which object is checked regularly, and how often."""

    object = forms.CharField(
        max_length=80,
        label="Object",
        help_text=_OBJECT_HELP,
        widget=forms.TextInput(attrs=_OFFERED),
    )
    every = forms.IntegerField(
        min_value=10,
        max_value=86_400,
        initial=60,
        label="Check every so many seconds",
        help_text="Each check costs a call of the org's daily allowance, and at times two.",
    )


class Daily(forms.Form):
    """When and how far back records are compared every day."""

    sweep_hour = forms.IntegerField(
        min_value=0, max_value=23, label="Hour of the day (UTC)", help_text="When the comparison begins."
    )
    sweep_days = forms.IntegerField(
        min_value=0,
        max_value=30,
        label="Days to look back",
        help_text="It finds changes that Salesforce did not tell of. With 0 nothing is compared.",
    )


class Merging(forms.Form):
    """Which records of which org are to become one."""

    connection = forms.ChoiceField(label="Salesforce connection")
    object = forms.ChoiceField(label="What they are")
    ids = forms.CharField(
        max_length=1_000,
        label="Two or three records",
        help_text="Ids, or addresses of records in Salesforce, one a line. The first one is kept, unless you "
        "choose another one on the next page.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
    )

    def __init__(
        self, *args: Any, connections: list[tuple[str, str]], objects: tuple[str, ...], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        orgs = cast("forms.ChoiceField", self.fields["connection"])
        orgs.choices = connections
        cast("forms.ChoiceField", self.fields["object"]).choices = [(one, one) for one in objects]
        if len(connections) == 1:
            orgs.widget = forms.HiddenInput()
            orgs.initial = connections[0][0]


class MergeGo(_Confirmed):
    """That a person has read what a merge does, and wants it."""

    sure = forms.BooleanField(
        label="These records are the same customer, and I have read what changes",
        error_messages={"required": "Tick this first: a merge cannot be taken back with a click."},
    )
