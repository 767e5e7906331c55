"""This module makes workspaces with their three environments."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.text import slugify

from integrator.accounts import audit
from integrator.accounts.models import Environment, Workspace

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
