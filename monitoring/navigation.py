"""This module builds what stands around every page: where one is, where one can go, what is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from integrator.accounts.access import Scope
from integrator.accounts.models import Environment
from monitoring import cursor, queries


@dataclass(frozen=True, slots=True)
class Counter:
    """What the number beside a link counts."""

    slug: str
    words: str
    tone: str


ALERTS = Counter("alerts", "alerts that nobody has acknowledged", "err")
DEAD = Counter("dead", "open dead letters", "err")
QUESTIONS = Counter("questions", "open questions", "warn")
HALTED = Counter("halted", "connections that do not work", "warn")
COUNTERS = (ALERTS, DEAD, QUESTIONS, HALTED)


@dataclass(frozen=True, slots=True)
class Place:
    """A page that the navigation leads to; `views` are the pages that stand under it."""

    label: str
    view: str
    icon: str
    permission: str
    key: str = ""
    heading: str = ""
    counted: Counter | None = None
    views: tuple[str, ...] = ()


PLACES: tuple[Place, ...] = (
    Place(
        "Overview",
        "monitoring:dashboard",
        "layout-dashboard",
        "dashboard.view",
        "o",
        views=("monitoring:conservation", "monitoring:payments"),
    ),
    Place(
        "Alerts",
        "monitoring:alerts",
        "bell",
        "alerts.view",
        "a",
        counted=ALERTS,
        views=tuple(
            f"monitoring:{page}"
            for page in (
                "channels",
                "add_channel",
                "change_channel",
                "rules",
                "add_rule",
                "change_rule",
                "deliveries",
            )
        ),
    ),
    Place(
        "Anomalies",
        "monitoring:anomalies",
        "zap",
        "alerts.view",
        "n",
        views=("monitoring:anomaly", "monitoring:known", "monitoring:known_event"),
    ),
    Place("Runs", "flows:runs", "activity", "runs.view", "r", views=("flows:run",)),
    Place(
        "Dead letters",
        "flows:dead_letters",
        "archive-x",
        "runs.view",
        "d",
        counted=DEAD,
        views=(
            "flows:letter_group",
            "flows:letter",
            "flows:approve_letter",
            "flows:retry_first",
            "flows:fixes",
            "flows:discard",
            "flows:discard_group",
        ),
    ),
    Place(
        "Questions",
        "flows:questions",
        "hand",
        "runs.view",
        "q",
        counted=QUESTIONS,
        views=("flows:question", "flows:discard_question", "flows:effects"),
    ),
    Place("Links", "flows:links", "link-2", "runs.view", "l", views=("flows:link",)),
    Place(
        "Merges",
        "flows:merges",
        "layers",
        "runs.view",
        "m",
        views=("flows:merge", "flows:merge_records", "flows:run_merge"),
    ),
    Place("Events", "flows:events", "inbox", "runs.view", "e", views=("flows:event",)),
    Place(
        "Flows",
        "flows:list",
        "workflow",
        "flows.view",
        "f",
        heading="Set up",
        views=("flows:flow", "flows:try", "flows:gallery", "flows:design", "flows:impact"),
    ),
    Place(
        "Connections",
        "connectors:list",
        "plug",
        "connections.view",
        "c",
        counted=HALTED,
        views=(
            "connectors:create",
            "connectors:detail",
            "connectors:rotate",
            "connectors:add_webhook",
            "connectors:roll_webhook",
            "flows:missed",
            "flows:catch_up",
            "flows:compare",
            "flows:looking",
        ),
    ),
    Place("API budgets", "monitoring:budgets", "cloud", "budgets.view", "b", views=("monitoring:budget",)),
    Place(
        "Duplicates",
        "flows:match_rules",
        "copy",
        "runs.view",
        "u",
        views=("flows:draw_match_rules", "flows:wrong_matches"),
    ),
    Place(
        "Exchange rates",
        "flows:rates",
        "refresh-cw",
        "rates.view",
        views=("flows:add_rate", "flows:add_rates"),
    ),
)
WORKSPACE_PLACES: tuple[Place, ...] = (
    Place(
        "People",
        "accounts:people",
        "users",
        "people.view",
        heading="Workspace",
        views=("accounts:add_person",),
    ),
    Place("API tokens", "accounts:tokens", "key-round", "tokens.view", views=("accounts:make_token",)),
    Place("Audit trail", "accounts:audit", "scroll-text", "audit.view"),
    Place("Settings", "accounts:settings", "settings", "workspace.view"),
    Place("Status", "status", "shield-check", "status.view"),
)


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the navigation."""

    label: str
    href: str
    icon: str
    key: str
    heading: str
    current: bool
    counted: Counter | None
    count: int


@dataclass(frozen=True, slots=True)
class Navigation:
    """Everything that the frame shows. Without a scope (a page of the person's own) there is little."""

    environment: Environment | None = None
    links: Sequence[Link] = ()
    live: str = ""
    poll: str = ""
    position: str = ""
    alarms: Sequence[queries.Alarm] = ()


def build(*, request: HttpRequest, scope: Scope | None, environments: Sequence[Environment]) -> Navigation:
    """Return the navigation for a reader who sees `environments` and stands in `scope`."""
    if not isinstance(scope, Scope):
        return Navigation()
    environment = scope.environment or (environments[0] if environments else None)
    here = request.resolver_match.view_name if request.resolver_match else ""
    if environment is None:
        return Navigation(
            links=_links(WORKSPACE_PLACES, scope, {"workspace": scope.workspace.slug}, here, {})
        )
    inner = {"workspace": scope.workspace.slug, "environment": environment.slug}
    counts = queries.nav_counts(environment)
    links = [
        *_links(PLACES, scope.at(environment), inner, here, counts),
        *_links(WORKSPACE_PLACES, scope.at(None), {"workspace": scope.workspace.slug}, here, counts),
    ]
    if scope.environment is None:
        return Navigation(environment=environment, links=links)
    return Navigation(
        environment=environment,
        links=links,
        live=f"/ws/w/{scope.workspace.slug}/{environment.slug}/live/",
        poll=reverse("monitoring:live", kwargs=inner),
        position=getattr(request, "position", "") or cursor.latest(),
        alarms=queries.alarms(environment, now=timezone.now()),
    )


class NewsFromHere:
    """
    Middleware: note how far the news had come before anything of a page was read.

    What happens while the page is made is then told to it, though it may show that already.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Mapping[str, Any]) -> None:
        """Note it for pages of an environment, which alone are live."""
        if "environment" in kwargs and "text/html" in request.headers.get("Accept", ""):
            with contextlib.suppress(Error):  # the page itself finds that the database is away
                request.position = cursor.latest()  # type: ignore[attr-defined]  # ours, read by `build`


def _links(
    places: Sequence[Place], scope: Scope, inner: Mapping[str, Any], here: str, counts: Mapping[str, int]
) -> list[Link]:
    return [
        Link(
            label=place.label,
            href=href,
            icon=place.icon,
            key=place.key,
            heading=place.heading,
            current=here in (place.view, *place.views),
            counted=place.counted,
            count=counts.get(place.counted.slug, 0) if place.counted else 0,
        )
        for place in places
        if scope.can(place.permission) and (href := _address(place.view, inner))
    ]


def _address(view: str, inner: Mapping[str, Any]) -> str:
    try:
        return reverse(view, kwargs=dict(inner))
    except NoReverseMatch:
        return ""  # a page that this installation does not have
