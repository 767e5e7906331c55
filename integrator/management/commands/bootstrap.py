"""This module is the command that makes what an installation lacks and prints it as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrator.kernel.errors import IntegrationError
from integrator.kernel.refusals import Unacceptable
from integrator.management import simulated
from integrator.management.staging import REGISTER, Access, Wanted, stage

STRIPE_API = "https://api.stripe.com"
REFUSALS = (
    Unacceptable,
    IntegrationError,
    requests.RequestException,
    OSError,
)


class Command(BaseCommand):
    """Make workspace, environments, administrator, token, connections and flows; safe to repeat."""

    help = "Make what is missing and print it as JSON, with the secrets of what was made. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what is wanted; docs/reference.md explains each flag."""
        parser.add_argument("--workspace", default="Acme")
        parser.add_argument("--environment", default="dev", choices=["dev", "qa", "production"])
        parser.add_argument("--admin-email", default="admin@acme.test")
        parser.add_argument("--admin-password", default=settings.ADMIN_PASSWORD)
        parser.add_argument("--stripe-key", default="", help="sk_... or, better, rk_...")
        parser.add_argument("--stripe-url", default=STRIPE_API)
        parser.add_argument("--salesforce-url", default="", help="My Domain: https://acme.my.salesforce.com")
        parser.add_argument("--salesforce-username", default="")
        parser.add_argument("--salesforce-consumer-key", default="")
        parser.add_argument("--salesforce-private-key", default="", metavar="FILE")
        parser.add_argument("--webhook", default="", help="'register', or a known whsec_... secret")
        parser.add_argument("--flow", action="append", default=[], help="a template flow; may be repeated")
        parser.add_argument("--topic", action="append", default=[], help="of Salesforce; may be repeated")
        parser.add_argument("--sandbox", nargs=2, metavar=("STRIPE_URL", "SALESFORCE_URL"))
        parser.add_argument("--renew", action="store_true", help="enter secrets and webhooks anew")
        parser.add_argument("--new-token", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make and print."""
        try:
            made = stage(_wanted(options), now=timezone.now())
        except REFUSALS as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(json.dumps(made, indent=2))


def _wanted(options: dict[str, Any]) -> Wanted:
    stripe, salesforce, webhook = (
        _access_to_stripe(options),
        _access_to_salesforce(options),
        options["webhook"],
    )
    if options["sandbox"]:
        stripe_url, salesforce_url = options["sandbox"]
        stripe, salesforce = simulated.introduce(stripe_url=stripe_url, salesforce_url=salesforce_url)
        webhook = webhook or REGISTER
    return Wanted(
        workspace=options["workspace"],
        environment=options["environment"],
        admin_email=options["admin_email"],
        admin_password=options["admin_password"],
        stripe=stripe,
        salesforce=salesforce,
        webhook=webhook,
        flows=options["flow"],
        topics=options["topic"],
        new_token=options["new_token"],
        renew=options["renew"],
    )


def _access_to_stripe(options: dict[str, Any]) -> Access | None:
    if not options["stripe_key"]:
        return None
    return Access(base_url=options["stripe_url"], secrets={"secret_key": options["stripe_key"]})


def _access_to_salesforce(options: dict[str, Any]) -> Access | None:
    if not options["salesforce_url"]:
        return None
    return Access(
        base_url=options["salesforce_url"],
        secrets={
            "consumer_key": options["salesforce_consumer_key"],
            "private_key": Path(options["salesforce_private_key"]).read_text(),
        },
        settings={"username": options["salesforce_username"]},
    )
