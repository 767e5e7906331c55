"""This module decides who may decide about an approval, and what has to be said with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

APPROVED, DECLINED, EXPIRED = "approved", "declined", "expired"
ALWAYS = "admin"  # the role that may stand in for every other

Comment = Literal["never", "declining", "always"]


class Terms(msgspec.Struct, frozen=True):
    """Whom an approval is asked of, and until when."""

    role: str = ""  # a role in the environment; empty: only `people`
    people: Sequence[str] = ()  # e-mail addresses
    causes: Sequence[str] = ()  # those of whoever caused it, and so may not approve
    comment: Comment = "never"  # when the person has to say why
    remind_at: datetime | None = None
    expires_at: datetime | None = None

    def as_data(self) -> dict[str, Any]:
        """Return what is kept of them as JSON; times have columns of their own."""
        return {
            "role": self.role,
            "people": list(self.people),
            "causes": list(self.causes),
            "comment": self.comment,
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Terms:
        """Return what `as_data` wrote."""
        return cls(data["role"], data["people"], data["causes"], data["comment"])


class Who(msgspec.Struct, frozen=True):
    """Somebody who wants to decide."""

    name: str  # the e-mail address of a person
    roles: frozenset[str]  # that hold in the environment
    is_person: bool


def refusal(terms: Terms, who: Who, answer: str) -> str:
    """Return why `who` may not give `answer`; nothing if that is allowed."""
    if not _is_asked(terms, who):
        return f"This is asked of {asked_of(terms)}."
    if answer == APPROVED and terms.causes:
        if not who.is_person:
            return "Two people are needed: a program cannot approve what a person has caused."
        if who.name.casefold() in {one.casefold() for one in terms.causes}:
            return "You have caused this, so somebody else has to approve it."
    return ""


def _is_asked(terms: Terms, who: Who) -> bool:
    if who.is_person and who.name.casefold() in {one.casefold() for one in terms.people}:
        return True
    return bool(terms.role) and not who.roles.isdisjoint({terms.role, ALWAYS})


def asked_of(terms: Terms) -> str:
    """Return whom an approval is asked of, in words."""
    role = [f"the role {terms.role}"] if terms.role else []
    return " or ".join([*role, *terms.people])


def needs_a_comment(terms: Terms, answer: str) -> bool:
    """Tell whether something has to be said with `answer`."""
    return terms.comment == "always" or (terms.comment == "declining" and answer == DECLINED)
