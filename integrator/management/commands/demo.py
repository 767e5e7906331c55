"""This module is the command that shows the whole product with both systems simulated."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrator.management.comparison import compare, declines, table
from integrator.processes import Child, Supervisor

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
STARTUP = 60  # seconds in which everything must answer
SETTLED = 90  # seconds in which a played scenario must have come to rest
FINISHED = 25  # seconds for which Ctrl-C waits at most until what flows has come to rest
TIMEOUT = 5  # seconds for one call
ADMINISTRATOR = "admin@acme.test"
TOPICS = ["--topic", "/data/OpportunityChangeEvent", "--topic", "/event/Opportunity_Closed_Won__e"]


class Command(BaseCommand):
    """Start web, workers and both simulated systems, let payments flow, stop on Ctrl-C."""

    help = "Start everything with both systems simulated. --once plays the scenario and compares."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how to play."""
        parser.add_argument("--once", action="store_true", help="play, compare, print a table, exit")
        parser.add_argument("--payments", type=int, default=40, help="payments to play with --once")
        parser.add_argument("--rate", type=float, default=1.0, help="payments a second while it runs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C, or until the scenario was played and compared."""
        if not settings.SANDBOX:
            raise CommandError("The demo needs INTEGRATOR_SANDBOX=1; `make demo` sets it.")
        call_command("migrate", verbosity=0)
        self.options = options
        self.failure = self.token = ""
        self.web = f"http://127.0.0.1:{_free_port(settings.PORT)}"
        self.stripe = f"http://127.0.0.1:{_free_port(12111)}"
        self.salesforce = f"http://127.0.0.1:{_free_port(12112)}"
        self.env = {"PORT": _port(self.web), "INTEGRATOR_PUBLIC_URL": self.web, "LOG_LEVEL": "WARNING"}
        self.sandbox = Child("sandbox", [*MANAGE, "sandbox", *self._ports()], self.env, quiet=True)
        # What it listened to before has another address by now: it waits until that is entered.
        self.listen = Child("listen", [*MANAGE, "listen"], self.env, wanted=False)
        self.supervisor = Supervisor(
            [
                self.sandbox,
                Child("serve", [*MANAGE, "serve"], self.env),
                Child("work", [*MANAGE, "work"], self.env),
                self.listen,
            ],
            farewell=self._finish,
            every=0.2,
            grace=35,
        )
        story = threading.Thread(target=self._tell, daemon=True)
        story.start()
        self.supervisor.run()
        story.join(timeout=1)
        if self.failure:
            raise CommandError(self.failure)

    def _ports(self) -> list[str]:
        return ["--stripe-port", _port(self.stripe), "--salesforce-port", _port(self.salesforce)]

    def _tell(self) -> None:
        """Set the stage, then play once or for as long as the processes run."""
        try:
            self._set_the_stage()
            if self.options["once"]:
                self._play_once()
            else:
                self._play_on()
        except Exception as failure:  # the story must not leave the processes behind without a word
            self.failure = f"{type(failure).__name__}: {failure}"
        self.supervisor.stop()

    def _set_the_stage(self) -> None:
        self._wait(lambda: _answers(f"{self.stripe}/_sandbox/state"), "the sandbox", STARTUP)
        bootstrap = subprocess.run(  # noqa: S603  # our own command line, never a user's text
            [*MANAGE, "bootstrap", "--sandbox", self.stripe, self.salesforce, "--flow", "payments", "--flow",
             "customers", *TOPICS, "--renew",
             "--new-token", "--admin-email", ADMINISTRATOR],
            env={**os.environ, **self.env}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if bootstrap.returncode:
            raise CommandError(bootstrap.stderr.strip() or "bootstrap failed")
        self.listen.wanted = True
        self._wait(lambda: _answers(f"{self.web}/readyz"), "the web process", STARTUP)
        self.token = str(json.loads(bootstrap.stdout)["token"])

    def _play_on(self) -> None:
        password = settings.ADMIN_PASSWORD or "the one printed by bootstrap"
        self.stdout.write(
            f"\n  Integrator is running:  {self.web}/\n"
            f"  Sign in as              {ADMINISTRATOR}\n"
            f"  Password                {password}\n\n"
            f"  Payments flow in from the simulated Stripe ({self.stripe})\n"
            f"  to the simulated Salesforce ({self.salesforce}). Ctrl-C stops everything.\n"
        )
        self.stdout.flush()
        seen = 0
        while not self.supervisor.stopping:
            if self.sandbox.starts != seen:
                if seen:  # the simulated systems came back empty: introduce ourselves again
                    self._set_the_stage()
                seen = self.sandbox.starts
                self._scenario(count=None, rate_per_second=self.options["rate"])
            time.sleep(0.5)

    def _finish(self) -> None:
        """
        Let what has been received be handled before everything stops.

        The simulated systems forget everything, so whatever were left in the queue would name customers that
        nobody knows the next time, and stand in the dead letters.
        """
        if self.options["once"] or not self.token:
            return
        self.stdout.write("\n  Stopping: what is under way is finished first. Ctrl-C again stops at once.\n")
        self.stdout.flush()
        deadline = time.monotonic() + FINISHED
        try:
            requests.delete(f"{self.stripe}/_sandbox/scenario", timeout=TIMEOUT)
            quiet = 0
            # An event may just be on its way.
            while quiet < 3 and time.monotonic() < deadline and not self.supervisor.hurried:
                time.sleep(0.3)
                quiet = 0 if self._fates(self.token).get("queued") else quiet + 1
        except (requests.RequestException, KeyError):
            return  # something is down already

    def _play_once(self) -> None:
        self._scenario(count=self.options["payments"], rate_per_second=20)
        played: dict[str, Any] = {}

        def settled() -> bool:
            played.update(requests.get(f"{self.stripe}/_sandbox/scenario", timeout=TIMEOUT).json())
            if played["failure"]:
                raise CommandError(played["failure"])
            if played["running"] or self._fates(self.token).get("queued"):
                return False
            told = self._dunning() == declines(played["expected"])
            return told and all(row.same for row in self._rows(played["expected"]))

        try:
            self._wait(settled, "the payments", SETTLED)
        except TimeoutError:
            self.failure = "What happened is not what was expected."
        rows = self._rows(played["expected"])
        for line in table(rows):
            self.stdout.write(line)
        fates = self._fates(self.token)
        self.stdout.write(
            f"\n{len(rows)} payments, {sum(row.same for row in rows)} as expected. Events: {fates}.\n"
            f"Dunning was started {self._dunning()} times for {declines(played['expected'])} declines."
        )
        if fates.get("queued") or fates.get("dead"):
            self.failure = "Some events did not come to rest."

    def _rows(self, expected: list[dict[str, Any]]) -> list[Any]:
        answer = requests.get(
            f"{self.salesforce}/_sandbox/records", params={"object": "Payment__c"}, timeout=TIMEOUT
        ).json()
        records: dict[str, list[Any]] = {}
        for record in answer["records"]:
            records.setdefault(record["External_ID__c"], []).append(record)
        return list(compare(expected, records))

    def _dunning(self) -> int:
        """Return how often the simulated org has started its dunning Flow."""
        address = f"{self.salesforce}/_sandbox/flows"
        told = requests.get(address, params={"flow": "Stripe_Dunning"}, timeout=TIMEOUT).json()
        return int(told["counts"].get("Stripe_Dunning", 0))

    def _fates(self, token: str) -> dict[str, int]:
        answer = requests.get(
            f"{self.web}/api/v1/health/", headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT
        ).json()
        return {fate: count for fate, count in answer["fates"].items() if count}

    def _scenario(self, **wanted: Any) -> None:
        requests.post(
            f"{self.stripe}/_sandbox/scenario",
            json={"name": "payments", "seed": int(time.time()), **wanted},
            timeout=TIMEOUT,
        ).raise_for_status()

    def _wait(self, true: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline or self.supervisor.stopping:
                raise TimeoutError(f"{what} did not come to rest within {seconds:.0f} seconds")
            time.sleep(0.2)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=TIMEOUT).ok
    except requests.RequestException:
        return False


def _free_port(wanted: int) -> int:
    """Return `wanted`, or any free port if something else listens there."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandError("No port is free.")


def _port(address: str) -> str:
    return address.rsplit(":", 1)[1]
