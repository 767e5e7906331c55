"""This module makes workspaces with their three environments."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from django.db import transaction
from django.utils.text import slugify

from integrator.accounts import audit
from integrator.accounts.models import Environment, Workspace
from integrator.kernel.refusals import Unacceptable

# Kind and address, in promotion order. The address of an environment is its kind.
ENVIRONMENTS = (Environment.Kind.DEV, Environment.Kind.QA, Environment.Kind.PRODUCTION)


def create(*, name: str, slug: str = "", actor: str = audit.SYSTEM, now: datetime) -> Workspace:
    """
    Return the workspace called `slug` with dev, QA and production, making whatever of it is missing.

    :raises ValueError: if neither `slug` nor `name` gives an address
    """
    slug = slug or slugify(name)[:50]
    if not slug:
        raise ValueError("A workspace needs a name with letters or digits in it.")
    with transaction.atomic():
        workspace, made = Workspace.objects.get_or_create(slug=slug, defaults={"name": name})
        for position, kind in enumerate(ENVIRONMENTS):
            Environment.objects.get_or_create(
                workspace=workspace,
                slug=kind.value,
                defaults={"name": kind.label, "kind": kind, "position": position},
            )
        if made:
            audit.record(workspace=workspace, actor=actor, action="workspace.created", target=name, now=now)
    return workspace


def zones() -> list[str]:
    """Return the names of the time zones that a workspace may choose, UTC first."""
    places = [
        name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))
    ]
    return ["UTC", *sorted(places)]


def move(*, workspace: Workspace, time_zone: str, actor: str, now: datetime) -> Workspace:
    """
    Count the hours and days of `workspace` as they are in `time_zone`, by its IANA name.

    Times on its pages, its calendar of known events and what is usual at an hour of the week follow.

    :raises Unacceptable: if there is no such time zone
    """
    try:
        ZoneInfo(time_zone)
    except (ValueError, OSError, KeyError):
        raise Unacceptable("There is no such time zone.", field="time_zone") from None
    with transaction.atomic():
        found = Workspace.objects.select_for_update().get(pk=workspace.pk)
        before = found.time_zone
        if before != time_zone:
            found.move_to(time_zone)
            details = {"from": before, "to": time_zone}
            audit.record(
                workspace=found, actor=actor, action="workspace.time_zone", target=found.name,
                details=details, now=now,
            )  # fmt: skip
    return found
