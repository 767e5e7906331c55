"""This module is the command that weighs likenesses by what people have decided, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from flows.recognising import judging, rules
from integrator.accounts.models import Environment

ACTOR = "manage.py learn_matches"


class Command(BaseCommand):
    """Learn from decisions about customers; prints JSON."""

    help = (
        "Weigh likenesses of customers by what people have decided, which otherwise happens once a day. "
        "Fewer than 50 decisions in an environment teach nothing. Prints JSON."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add which workspace and environment."""
        parser.add_argument("--workspace", default="", help="Slug of one workspace (all).")
        parser.add_argument("--environment", default="", help="Slug of one environment (all).")

    def handle(self, *args: Any, **options: Any) -> None:
        """
        Learn, and say of each environment what its rules are then.

        :raises CommandError: if there is no such environment
        """
        wanted = {"workspace__slug": options["workspace"], "slug": options["environment"]}
        found = Environment.objects.filter(**{name: value for name, value in wanted.items() if value})
        if not found:
            raise CommandError("There is no such environment.")
        told = []
        for environment in found.select_related("workspace").order_by("workspace__slug", "position"):
            learned = rules.learn(environment, actor=ACTOR, now=timezone.now())
            row = rules.row_of(environment)
            past = judging.past(environment, row)
            told.append(
                {
                    "workspace": environment.workspace.slug,
                    "environment": environment.slug,
                    "learned": learned,
                    "decided": past.decided,
                    "auto": row.auto,
                    "sure": past.sure,
                    "rightly": past.rightly,
                    "precision": past.precision,
                    "at_least": past.at_least,
                }
            )
        self.stdout.write(json.dumps(told))
