"""This module holds the forms of connections. Secrets only ever go in: no form shows one again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms

from connectors.models import Connection

# What people paste in place of a secret or restricted key, and where it belongs.
NOT_A_KEY = {
    "pk_": "This is a publishable key. Enter the secret or a restricted key.",
    "whsec_": "This is a webhook secret. It is entered with the webhook address.",
}


class Secret(forms.CharField):
    """A secret on its way in. It is never drawn with a value, not even after a mistake elsewhere."""

    def __init__(self, *, key: bool = False, **kwargs: Any) -> None:
        attributes = {"autocomplete": "off", "spellcheck": "false"}
        widget: forms.Widget = (
            WriteOnlyText(attrs={**attributes, "class": "key", "rows": 7})
            if key
            else forms.PasswordInput(render_value=False, attrs={**attributes, "autocomplete": "new-password"})
        )
        super().__init__(widget=widget, max_length=20_000, **kwargs)


class WriteOnlyText(forms.Textarea):
    """A text area that forgets what was typed as soon as it was sent."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Draw the field empty, whatever was sent."""
        return super().get_context(name, None, attrs)


class NewConnection(forms.Form):
    """What every connection has."""

    system: ClassVar[str]
    secret_fields: ClassVar[tuple[str, ...]]
    setting_fields: ClassVar[tuple[str, ...]] = ()

    name = forms.CharField(max_length=100, help_text="What people call it, such as “Stripe Europe”.")
    base_url = forms.CharField(max_length=255, label="Address")

    def secrets(self) -> dict[str, str]:
        """Return the secrets that were entered, by field."""
        return {name: given for name in self.secret_fields if (given := self.cleaned_data[name].strip())}

    def settings(self) -> dict[str, str | bool]:
        """Return what is not secret, by field; what was left empty is not in it."""
        entered = {name: self.cleaned_data[name] for name in self.setting_fields}
        plain = {name: given.strip() if isinstance(given, str) else given for name, given in entered.items()}
        return {name: given for name, given in plain.items() if given}


class NewStripe(NewConnection):
    """A Stripe account by its key."""

    system = "stripe"
    secret_fields = ("secret_key",)
    setting_fields = ("account_id", "walk_only")

    secret_key = Secret(
        label="Secret or restricted key",
        help_text="A restricted key (rk_…) is enough, and safer. “Check readiness” says which read access it "
        "lacks.",
    )
    account_id = forms.CharField(
        required=False,
        max_length=64,
        label="Account id",
        help_text="Only for a restricted key that may not read the account (acct_…).",
    )
    walk_only = forms.BooleanField(
        required=False,
        label="Nothing is delivered here",
        help_text="There is no public address for webhooks: Stripe's list of events is read every 30 seconds "
        "instead.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"base_url": "https://api.stripe.com"})
        super().__init__(*args, **kwargs)
        self.fields["base_url"].help_text = "Stripe's API answers at https://api.stripe.com and nowhere else."

    def clean_secret_key(self) -> str:
        """
        Return the key.

        :raises ValidationError: if it is a secret of another kind
        """
        key = str(self.cleaned_data["secret_key"]).strip()
        for start, what in NOT_A_KEY.items():
            if key.startswith(start):
                raise forms.ValidationError(what)
        return key


class NewSalesforce(NewConnection):
    """A Salesforce org by an External Client App with the JWT bearer flow."""

    system = "salesforce"
    secret_fields = ("consumer_key", "private_key")
    setting_fields = ("username", "audience")

    username = forms.CharField(
        max_length=255,
        label="User name",
        help_text="The integration user, such as integration@acme.com.",
    )
    consumer_key = Secret(help_text="Of the External Client App (or older Connected App).")
    private_key = Secret(
        key=True,
        help_text="PEM. Its certificate is uploaded to the app; the key itself stays here, encrypted.",
    )
    audience = forms.CharField(
        required=False,
        max_length=255,
        help_text="Leave empty. Only unusual logins need https://login.salesforce.com or "
        "https://test.salesforce.com here.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].help_text = "What people call it, such as “Salesforce Europe”."
        self.fields["base_url"].label = "My Domain address"
        self.fields[
            "base_url"
        ].help_text = "Such as https://acme.my.salesforce.com, not the Lightning address."


NEW: Mapping[str, type[NewConnection]] = {"stripe": NewStripe, "salesforce": NewSalesforce}


class Rotate(forms.Form):
    """New secrets for a connection; a field left empty keeps its secret."""

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = NEW[connection.system].secret_fields
        for name in self.names:
            given = NEW[connection.system].base_fields[name]
            self.fields[name] = Secret(
                key=name == "private_key",
                required=False,
                label=given.label or name.replace("_", " ").capitalize(),
            )

    def clean(self) -> dict[str, Any]:
        """
        Return what was entered.

        :raises ValidationError: if nothing was
        """
        cleaned = super().clean() or {}
        if not any(cleaned.get(name, "").strip() for name in self.names):
            raise forms.ValidationError("Enter at least one new secret.")
        return cleaned

    def secrets(self) -> dict[str, str]:
        """Return the secrets that were entered, by field."""
        return {name: given for name in self.names if (given := self.cleaned_data[name].strip())}


class Pause(forms.Form):
    """Why a connection is to rest."""

    reason = forms.CharField(max_length=400, help_text="Everybody who looks at the connection reads it.")


class WebhookSecretForm(forms.Form):
    """The signing secret of a webhook address that was entered at Stripe by hand."""

    secret = Secret(label="Signing secret", help_text="Stripe shows it at the endpoint: whsec_…")
