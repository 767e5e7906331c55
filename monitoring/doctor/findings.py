"""This module says what a check found, how grave it is, and what an examination is about. It is pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """How grave a finding is; the worst one is the exit code of the command."""

    OK = 0
    WARNING = 1
    BROKEN = 2

    @property
    def word(self) -> str:
        """The state as people and programs read it: ok, warning, broken."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one check found.

    `name` is the sort of check and stays the same; `about` says which of several things it is about.
    `remedy` says what to do, and is empty where all is well. `page` is the path of the page that helps.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""
    about: str = ""
    page: str = ""

    @property
    def title(self) -> str:
        """What was looked at, for people: Webhooks dev/Billing."""
        return f"{self.name[:1].upper()}{self.name[1:]} {self.about}".rstrip()

    @property
    def well(self) -> bool:
        """Whether nothing has to be done."""
        return self.state is State.OK


def worst(findings: Iterable[Finding]) -> State:
    """Return the gravest state among `findings`; OK for none."""
    return max((finding.state for finding in findings), default=State.OK)


def well(name: str, detail: str, *, about: str = "") -> Finding:
    """Return that all is well."""
    return Finding(name, State.OK, detail, about=about)


def warning(name: str, detail: str, remedy: str, *, about: str = "", page: str = "") -> Finding:
    """Return something that works, and should not stay as it is."""
    return Finding(name, State.WARNING, detail, remedy, about=about, page=page)


def broken(name: str, detail: str, remedy: str, *, about: str = "", page: str = "") -> Finding:
    """Return something that does not work, or must not be as it is."""
    return Finding(name, State.BROKEN, detail, remedy, about=about, page=page)
