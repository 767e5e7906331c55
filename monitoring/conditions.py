"""This module names every sort of incident, and how patient we are with each. It is pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

AT_ONCE = timedelta(0)
USUAL = timedelta(seconds=30)


class Severity(StrEnum):
    """How much an incident matters. Whatever is more than information is mailed."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"  # something stands still, or may be lost, until a person acts


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A sort of incident.

    It is told once it has lasted for `patience`, and over once it has been away for `lingers`, so that
    what comes and goes is one incident. What is `told_once` (something happened, nothing lasts) is over
    when a person has acknowledged it. What `repeats` is mailed again when more of it happens.
    """

    label: str
    patience: timedelta = AT_ONCE
    lingers: timedelta = USUAL
    told_once: bool = False
    repeats: bool = False
    mailed: bool = True


KINDS: dict[str, Kind] = {
    "connection_key": Kind("Key refused"),
    "connection_misdirected": Kind("Wrong account"),
    "connection_limit": Kind("API limit", patience=timedelta(minutes=1), lingers=timedelta(minutes=2)),
    "connection_outage": Kind("Outage", patience=timedelta(minutes=1), lingers=timedelta(minutes=2)),
    # It is reckoned every few minutes: what comes and goes around the line is one incident.
    "api_forecast": Kind("API budget", patience=timedelta(minutes=10), lingers=timedelta(minutes=30)),
    "flow_held": Kind("Flow held"),
    "impact": Kind("Object changed"),
    "dead_letters": Kind("Dead letters"),
    "internal_failure": Kind("Fault of Integrator"),
    "in_doubt": Kind("Calls in doubt"),
    "reviews": Kind("Questions"),
    "merges": Kind("Merged records"),
    "standstill": Kind("Workers stand still", patience=timedelta(seconds=20)),
    "dispatch_crash": Kind("Events not given to a flow", patience=timedelta(seconds=10)),
    "feed": Kind("Live updates", patience=USUAL),
    # It is told at once, and what comes and goes around the line is one incident.
    "disk": Kind("Disk", lingers=timedelta(minutes=5)),
    "duty": Kind("Regular duties", patience=timedelta(minutes=2)),
    # A walk runs every five minutes: one that failed once is tried again before anybody is told.
    "walk": Kind("Stripe’s list of events", patience=timedelta(minutes=12)),
    # A stream breaks now and then, and is opened again within seconds.
    "listening": Kind("Salesforce events", patience=timedelta(minutes=2)),
    # It is tried again by itself, after seconds at first.
    "customers": Kind("Known customers", patience=timedelta(minutes=5), lingers=timedelta(minutes=1)),
    "webhooks_silent": Kind("No webhooks"),
    "conservation": Kind("Events without a fate"),
    "anomaly": Kind("Anomalies"),
    "missing_event": Kind("Missing events", told_once=True, repeats=True),
    "gap": Kind("Missed changes", told_once=True),
    "flow_alert": Kind("Told by a flow", told_once=True, repeats=True),
    "loop": Kind("Held link", told_once=True, repeats=True),
    "other_body": Kind("Same id, other body", told_once=True),
    "api_version": Kind("API version", told_once=True),
    "saved_fix": Kind("Saved fix", told_once=True, repeats=True),
    "missing_rate": Kind("Exchange rate", told_once=True),
    "notice": Kind("Something happened", told_once=True),
    "mail": Kind("Mail", patience=timedelta(minutes=1), mailed=False),
    "channel": Kind("Alert channel", patience=timedelta(minutes=1), mailed=False),
}


# What is told of a connection that rests. Meanwhile its runs wait and its calls fail.
RESTS = ("connection_key", "connection_misdirected", "connection_limit", "connection_outage")


def key_of(kind: str, environment_id: int | None, about: object) -> str:
    """Return what makes an incident the same one: its kind, the environment and what it is `about`."""
    return f"{kind}:{environment_id if environment_id is not None else 'all'}:{about}"[:200]


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, or a whole workspace if `environment_id` is None; `path` is that of its pages."""

    workspace_id: int
    environment_id: int | None
    path: str  # /w/acme/dev/


@dataclass(frozen=True, slots=True)
class Condition:
    """
    Something that is so now and that a person should know.

    `text` says what happened, what it means and what to do. `newest` is the id of the newest thing that it
    is about, where things have ids that rise.
    """

    workspace_id: int
    environment_id: int | None
    key: str
    kind: str
    severity: Severity
    title: str
    text: str
    link: str
    count: int = 1
    newest: int = 0

    @classmethod
    def at(
        cls, place: Place, *, kind: str, about: object, severity: Severity, title: str, text: str,
        page: str = "", count: int = 1, newest: int = 0,
    ) -> Condition:  # fmt: skip
        """Return a condition of `place` whose key is its kind, the environment and what it is `about`."""
        return cls(
            workspace_id=place.workspace_id,
            environment_id=place.environment_id,
            key=key_of(kind, place.environment_id, about),
            kind=kind,
            severity=severity,
            title=title,
            text=text,
            link=place.path + page,
            count=count,
            newest=newest,
        )
