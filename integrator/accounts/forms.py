"""This module reads what people fill in about people, tokens and the audit trail."""

from __future__ import annotations

from typing import Any

from django import forms

from integrator.accounts.models import Environment, Workspace
from integrator.accounts.roles import Role
from integrator.accounts.tokens import reaches
from integrator.accounts.workspaces import zones

# Days that a token may live; the operation holds the limit itself.
LIFETIMES = ((30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "1 year"))


class NewPerson(forms.Form):
    """Somebody's address, and what they are to be where."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)
    environment = forms.ModelChoiceField(
        queryset=Environment.objects.none(),
        required=False,
        label="Where",
        empty_label="Everywhere",
        help_text="In one environment only, or in the whole workspace.",
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["environment"].queryset = Environment.objects.filter(  # type: ignore[attr-defined]  # it is a ModelChoiceField
            workspace=workspace
        )


class NewRole(forms.Form):
    """What somebody is to be from now on."""

    role = forms.ChoiceField(choices=Role.choices)


class NewToken(forms.Form):
    """What a program is called, what it may do and for how long."""

    name = forms.CharField(max_length=100, help_text="What will use it, such as 'Nightly export'.")
    role = forms.ChoiceField(help_text="No higher than your own.")
    days = forms.TypedChoiceField(choices=LIFETIMES, coerce=int, initial=90, label="Expires after")

    def __init__(self, *args: Any, roles: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [  # type: ignore[attr-defined]  # it is a ChoiceField
            (role.value, role.label) for role in Role if reaches(roles, role)
        ]


class AuditFilter(forms.Form):
    """Which entries of the trail to show."""

    actor = forms.CharField(required=False, max_length=254)
    action = forms.CharField(required=False, max_length=60)


class WorkspaceSettings(forms.Form):
    """Whose clocks the workspace goes by."""

    time_zone = forms.ChoiceField(choices=lambda: [(name, name.replace("_", " ")) for name in zones()])
