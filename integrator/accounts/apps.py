"""This module registers the accounts app."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, workspaces, environments, roles, API tokens and the audit trail."""

    name = "integrator.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Begin to log sign-ins."""
        from integrator.accounts import sign_in_log  # noqa: PLC0415  # models can be imported only now

        sign_in_log.connect()
