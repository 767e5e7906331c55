"""This module refuses passwords that consist of what everybody would try first."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

# Words that a guesser who knows where the password is for begins with, and those that begin every list.
OBVIOUS = ("integrator", "stripe", "salesforce", "payments", "administrator", "admin", "password", "passwort",
           "welcome", "letmein", "changeme", "qwertyuiop", "qwerty", "iloveyou", "abcdef")  # fmt: skip
ENOUGH = 6  # different characters that have to be left


class NothingObvious:
    """What is left of a password without obvious words, and the names of one's workspaces, must vary."""

    def validate(self, password: str, user: Any = None) -> None:
        """
        Let `password` pass.

        :raises ValidationError: if too little is left of it
        """
        rest = password.lower()
        for word in sorted({*OBVIOUS, *_workspaces(user)}, key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(set(rest)) < ENOUGH:
            raise ValidationError("This password consists of what everybody would try first.", code="obvious")

    def get_help_text(self) -> str:
        """Return what the form says about it."""
        return "It must not consist of the product's name, your workspace's name or a single repeated part."


def _workspaces(user: Any) -> set[str]:
    if user is None or user.pk is None:
        return set()
    names = user.memberships.values_list("workspace__name", "workspace__slug")
    return {text.lower() for pair in names for text in pair if text}
