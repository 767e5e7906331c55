"""This module holds what is known of a Stripe object and a Salesforce record that are kept in agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

Side = Literal["stripe", "salesforce"]
State = Literal["agreed", "conflict", "held", "deleted"]
How = Literal["written", "met", "left", "decided", "held", "released", "deleted", "undeleted", "merged"]

MOST_PAST = 40  # writes that are remembered, to see values that come back


class Between(NamedTuple):
    """Which two a step asks about: by the record's object and id, its external id, or the Stripe object."""

    object: str = ""
    external_id: str = ""
    record_id: str = ""
    stripe_id: str = ""


class Written(NamedTuple):
    """One write of one field, as far as it is needed to see values that come back."""

    at: datetime
    about: str
    mark: str


class Change(NamedTuple):
    """What the history of a link tells of one moment: what was set on which side, or what became of it."""

    how: How
    side: Side | Literal[""] = ""
    values: Mapping[str, Sequence[Any]] = {}  # before and after, by the field's path
    who: str = ""  # whoever made the change that was carried over, where it is known


@dataclass(slots=True)
class Asked:
    """Which run has asked a person about which values, on its way to which side."""

    run_id: int
    side: Side
    about: dict[str, dict[str, Any]] = field(default_factory=dict)  # the values of both sides, by the field


@dataclass(slots=True)
class Agreement:
    """
    What two sides last agreed on, and what was decided where they did not.

    Paths begin with the object's type on their side, such as `customer.name` and `Account.Name`. `values` is
    what stood there when both agreed, as it was stored; `sent` is what the mapping gave for it, by the path
    that was written. `touched` says that it is to be kept, and `void` which run has asked what is no
    question any more.
    """

    link_id: int | None = None
    stripe_id: str = ""
    object: str = ""
    external_id: str = ""
    record_id: str = ""
    state: State = "agreed"
    was: State = "agreed"  # the state when it was read
    at: datetime | None = None
    values: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    decided: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: Asked | None = None
    past: list[Written] = field(default_factory=list)
    touched: bool = False
    void: int | None = None
    sharing: str = ""  # what a person has said of a record that another object of Stripe has as well
    changes: list[Change] = field(default_factory=list)

    def tell(self, change: Change) -> None:
        """Add `change` to the history."""
        self.changes.append(change)
        self.touched = True

    def settled(self, about: str) -> None:
        """Forget what was decided of a field on which both sides agree now."""
        self.decided.pop(about, None)
