"""This module registers the flows app."""

from __future__ import annotations

from django.apps import AppConfig


class FlowsConfig(AppConfig):
    """Flows, versions, events and runs."""

    name = "flows"
    verbose_name = "Flows"

    def ready(self) -> None:
        """Ring the doorbell whenever a commit made a run due."""
        from flows import queue, signals  # noqa: PLC0415  # models exist only once every app is ready

        signals.work_arrived.connect(queue.work_arrived, dispatch_uid="flows.queue")
