"""
This module is the contract between the gateway and a connector.

It is plain Python: a connector for a third system needs nothing else of this project than this module
and the failures of `integrator.kernel.errors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from integrator.kernel.errors import IntegrationError

Params = Mapping[str, Any]
Answer = dict[str, Any]
Result = Answer | IntegrationError


# Codes of `Transient` failures that say something about the system and nothing about the request: the
# gateway lets a connection rest when it hears nothing else.
UNREACHABLE = frozenset({"network", "timeout", "unavailable"})
# Code of a `Transient` failure that we caused ourselves by keeping to the system's limits.
NO_TURN = "budget"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a flow may ask of a system."""

    name: str
    label: str
    writes: bool  # the firewall stands before these
    batch: int  # how many requests one call of the system can carry


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a test of a connection found, in words that help whoever has to repair it."""

    ok: bool
    title: str
    explanation: str = ""
    remedy: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    needs_key: bool = False  # waiting helps nothing: somebody has to enter a credential or grant it access


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a credential really leads. None means that the system does not tell."""

    account: str | None
    livemode: bool | None = None


def at_once(seconds: float, endpoint: str = "") -> bool:
    """Let everybody through."""
    return True


def tell_nobody(used: int, limit: int) -> None:
    """Let the figures pass."""


def count_nowhere(kind: str) -> None:
    """Let a call go uncounted."""


LOGIN = "login"  # the kind of a call that opens a session; any other is of its action's kind, ""


@dataclass(frozen=True, slots=True)
class Account:
    """
    What a connector is told about the connection that it acts for.

    `secret` opens one credential by its field name at the moment it is needed, so that no secret stands
    in this object's representation, in a traceback or in a pickle.
    """

    connection_id: int
    base_url: str
    api_version: str
    settings: Mapping[str, Any]
    secret: Callable[[str], str] = field(repr=False, compare=False)
    pinned_account: str = ""
    pinned_livemode: bool | None = None
    expected_livemode: bool | None = None  # before anything is pinned: what the environment wants
    # Waits for the turn of this connection, and of the endpoint that is named, where the system limits each
    # of them; returns whether it came within so many seconds.
    turn: Callable[[float, str], bool] = field(default=at_once, repr=False, compare=False)
    # Told what the system says about its API budget: used, limit. Called from any thread.
    spent: Callable[[int, int], None] = field(default=tell_nobody, repr=False, compare=False)
    # Told of every call that was sent: LOGIN, or "" for one of the action that is performed. From any thread.
    called: Callable[[str], None] = field(default=count_nowhere, repr=False, compare=False)
    # What a connector keeps from asking where the credential leads until it acts, such as its session.
    kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    # A session that a person lent for this one call, used in place of the connection's own; kept nowhere.
    guest: str = field(default="", repr=False, compare=False)


class Connector(ABC):
    """One system that flows may speak to."""

    slug: ClassVar[str]
    label: ClassVar[str]
    actions: ClassVar[Mapping[str, Action]]

    @abstractmethod
    def perform(
        self, account: Account, action: str, requests: Sequence[Params], *, deadline: float
    ) -> list[Result]:
        """
        Ask the system for `action` once per request and return one result each, in their order.

        Failures are returned, not raised. Everything is over after `deadline` seconds.
        """

    @abstractmethod
    def identity(self, account: Account, *, deadline: float) -> Identity:
        """
        Return where the credential leads, from what is known if it cannot have changed.

        :raises IntegrationError: if the system cannot be asked
        """

    @abstractmethod
    def test(self, account: Account) -> Diagnosis:
        """Try the credential and say precisely what is wrong, or where it leads (`account`, `livemode`)."""
