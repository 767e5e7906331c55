"""This module is the command that runs the simulated Stripe and Salesforce."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from starlette.types import ASGIApp

from connectors.sandbox import serving
from connectors.sandbox.salesforce.app import create as create_salesforce
from connectors.sandbox.stripe.app import create as create_stripe
from integrator.processes import die_with_parent


class Command(BaseCommand):
    """Run both simulated services on loopback until SIGTERM or SIGINT."""

    help = "Run the simulated Stripe and Salesforce on 127.0.0.1 and print their addresses as JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the ports; 0 means any free one."""
        parser.add_argument("--stripe-port", type=int, default=0)
        parser.add_argument("--salesforce-port", type=int, default=0)
        parser.add_argument("--pubsub-port", type=int, default=0, help="of Salesforce's Pub/Sub API")
        parser.add_argument(
            "--bare-org", action="store_true", help="an org as it is before the package is deployed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve, and say where once both answer."""
        die_with_parent()
        apps: dict[str, ASGIApp] = {
            "stripe": create_stripe(),
            "salesforce": create_salesforce(bare=options["bare_org"], pubsub_port=options["pubsub_port"]),
        }
        ports = {name: options[f"{name}_port"] for name in apps}
        try:
            serving.run(apps, ports, on_ready=self._tell)
        except OSError as refusal:
            raise CommandError(f"{refusal.strerror or refusal}: choose another port.") from refusal
        except RuntimeError as failure:  # the Pub/Sub API found its port taken
            raise CommandError(f"{failure}. Choose another --pubsub-port.") from failure

    def _tell(self, addresses: dict[str, str]) -> None:
        self.stdout.write(json.dumps(addresses))
        self.stdout.flush()
