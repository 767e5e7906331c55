"""This module knows where things are: the pages of each environment, and of each workspace."""

from __future__ import annotations

from collections.abc import Iterable

from integrator.accounts.models import Environment
from monitoring.conditions import Place


class Places:
    """Where things are, by the id of their environment."""

    def __init__(self) -> None:
        rows = Environment.objects.select_related("workspace").order_by("workspace_id", "position")
        self._environments = {row.pk: row for row in rows}

    def at(self, environment_id: int) -> Place:
        """Return the place of an environment."""
        found = self._environments[environment_id]
        path = f"/w/{found.workspace.slug}/{found.slug}/"
        return Place(found.workspace_id, environment_id, path)

    def everywhere(self, connected: Iterable[int]) -> list[Place]:
        """Return a place for each workspace with an environment among `connected`, on that one's pages."""
        first: dict[int, Place] = {}
        for environment_id in self._environments:
            if environment_id in connected:
                here = self.at(environment_id)
                first.setdefault(here.workspace_id, Place(here.workspace_id, None, here.path))
        return list(first.values())
