"""This module registers the project itself as an app, so that its commands are found."""

from __future__ import annotations

from django.apps import AppConfig


class IntegratorConfig(AppConfig):
    """The composition root: commands that wire the layers together, and nothing else."""

    name = "integrator"
    verbose_name = "Integrator"
    default_auto_field = "django.db.models.BigAutoField"
