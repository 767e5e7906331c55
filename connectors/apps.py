"""This module registers the connectors app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import request_finished


class ConnectorsConfig(AppConfig):
    """Connections to the outside world."""

    name = "connectors"
    verbose_name = "Connectors"

    def ready(self) -> None:
        """Let a web process write at the end of a request which calls it made."""
        from connectors.metering import METER  # noqa: PLC0415  # models exist only once every app is ready

        request_finished.connect(METER.of_a_request, dispatch_uid="connectors.metering")
