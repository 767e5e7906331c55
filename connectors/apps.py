"""This module registers the connectors app."""

from __future__ import annotations

from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    """Connections to the outside world."""

    name = "connectors"
    verbose_name = "Connectors"
