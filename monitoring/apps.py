"""This module registers the monitoring app."""

from __future__ import annotations

from django.apps import AppConfig

from monitoring import waking


class MonitoringConfig(AppConfig):
    """The dashboard and what it follows."""

    name = "monitoring"
    verbose_name = "Monitoring"

    def ready(self) -> None:
        """Let a commit in this process wake the followers of the others."""
        from flows import signals  # noqa: PLC0415  # models exist only once every app is ready

        signals.changed.connect(waking.wake, dispatch_uid="monitoring.wake")
