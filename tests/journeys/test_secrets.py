"""
This module plants secrets in every place that takes one, lets the product work and fail, and looks for them.

Not all of them look like secrets: a mask that knows how Stripe's keys begin must not be all that hides them.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as in_force
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from connectors import connections
from connectors.models import AccessToken
from flows.models import DeadLetter, Event, Run
from integrator import vault
from integrator.accounts import tokens
from integrator.accounts.roles import Role
from monitoring.cursor import START
from monitoring.fragments import Edition, News, Reader
from monitoring.models import AlertChannel
from tests.answered import said
from tests.builders import a_person, a_workspace
from tests.integration.api.routes import rest_routes
from tests.integration.restoring import all_that_is_stored, tools_are_there
from tests.journeys.bridge import CONSUMER_KEY, KEY, PRIVATE_PEM, Bridge, until
from tests.journeys.outsiders import Outsiders, outsiders
from tests.journeys.test_faults import WRITES

OTHER_KEY = "sk_test_canaryOther4eC39HqLyjW"
SIGNING = "whsec_canarySigning4eC39HqLyjW"
PASSWORD = "canary password of axel"
# What a customer may write into a payment, and what must not be shown of it either.
CARD = "4000 0566 5566 5556"
PASTED = "sk_live_canaryPasted4eC39HqLyjW"


class Ear(logging.StreamHandler[io.StringIO]):
    """Hears everything that is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(logging.getLogger().handlers[0].formatter)


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    root, ear = logging.getLogger(), Ear()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    yield ear.stream
    root.removeHandler(ear)
    root.setLevel(level)


class Installation:
    """A bridge whose secrets are known to the test, after a day of work."""

    def __init__(self, bridge: Bridge, others: Outsiders) -> None:
        now = timezone.now()
        self.bridge, self.others = bridge, others
        self.axel = a_person("axel@acme.test", Role.ADMIN, password=PASSWORD)
        _, self.token = tokens.create(
            workspace=a_workspace(), user=self.axel, name="canary", role=Role.ADMIN,
            expires_at=now + timedelta(days=1), actor="axel", now=now,
        )  # fmt: skip
        connections.add_webhook_endpoint(connection=bridge.pair.stripe, secret=SIGNING, actor="axel", now=now)
        others.enter(self.axel)
        self.work()
        others.refuse()
        self.session = vault.unseal(
            AccessToken.objects.get().ciphertext, owner=f"token:{bridge.pair.salesforce_id}"
        ).decode()

    def work(self) -> None:
        """Apply a payment, bury one whose refusal repeats our credentials, and let a key be refused."""
        fine = self.bridge.pay(description=f"{CARD} {PASTED}")
        self.bridge.deliver(*self.bridge.events(fine, "charge.succeeded"))
        self.bridge.drain()
        message = f"Bearer {KEY} {SIGNING} {CARD}"
        refusal = json.dumps([{"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": message}])
        self.bridge.salesforce.break_calls("before", WRITES, params={"status": 400, "body": refusal})
        buried = self.bridge.pay()
        self.bridge.deliver(*self.bridge.events(buried, "charge.succeeded"))
        self.bridge.drain()
        connections.rotate(
            connection=self.bridge.pair.stripe,
            secrets={"secret_key": OTHER_KEY},
            actor="axel",
            now=timezone.now(),
        )
        connections.test(connection=self.bridge.pair.stripe, actor="axel", now=timezone.now())

    def secrets(self) -> dict[str, str]:
        """Return every secret by what it is; of those with several lines, the second."""
        return {
            "Stripe key": KEY,
            "refused Stripe key": OTHER_KEY,
            "consumer key": CONSUMER_KEY,
            "private key": PRIVATE_PEM.splitlines()[1],
            "signing secret": SIGNING,
            "Salesforce session": self.session.rpartition("!")[2],
            "API token": self.token,
            "password": PASSWORD,
            "data key": in_force.ENCRYPTION_KEYS[0],
            "SECRET_KEY": in_force.SECRET_KEY,
            "card number": CARD,
            "card number without gaps": CARD.replace(" ", ""),
            "key in a description": PASTED,
        } | self.others.secrets()

    def found_in(self, text: str) -> set[str]:
        return {name for name, secret in self.secrets().items() if secret in text}


@pytest.fixture
def installation(logs: io.StringIO, bridge: Bridge, settings: Any) -> Iterator[Installation]:
    with outsiders(settings) as others:
        made = Installation(bridge, others)
        assert Run.objects.filter(fate="applied").exists()
        assert DeadLetter.objects.exists()
        yield made


def test_no_log_line_holds_a_secret(installation: Installation, logs: io.StringIO) -> None:
    Client().get("/api/v1/health/", headers={"Authorization": "Bearer igr_" + "0" * 64})
    Client().post("/accounts/login/", {"login": "axel@acme.test", "password": PASSWORD})

    said = logs.getvalue()

    assert said.count("\n") > 3, "nothing was logged"
    assert installation.found_in(said) == set()


def pages(client: Client) -> Iterator[tuple[str, str]]:
    """Yield every page that can be come to by links from the overview, with its text."""
    known, left = {"/w/acme/dev/", "/accounts/2fa/"}, ["/w/acme/dev/", "/accounts/2fa/"]
    while left and len(known) < 300:
        address = left.pop(0)
        answer = client.get(address, follow=True)
        text = said(answer).decode("utf-8", "replace")  # a file to download is none
        yield address, text
        for link in re.findall(r'(?:href|hx-get|action)="(/w/acme/[^"#?]*|\./[^"#?]*)', text):
            if link not in known and link.startswith("/w/acme/"):
                known.add(link)
                left.append(link)


def test_no_page_shows_a_secret(installation: Installation) -> None:
    client = Client()
    client.force_login(installation.axel)

    shown = dict(pages(client))

    wanted = {Run.objects.latest("id").public_id, installation.bridge.pair.stripe.public_id}
    wanted |= {"alerts/channels/", "settings/status/"}
    assert all(any(name in address for address in shown) for name in wanted)
    assert len(shown) > 15
    found = {address: installation.found_in(text) for address, text in shown.items()}
    assert {address: names for address, names in found.items() if names} == {}


def real(path: str, bridge: Bridge) -> str:
    """Return a REST address with ids that lead somewhere."""
    version = Run.objects.latest("id").version
    for prefix, found in {
        "integrations/nobody": f"integrations/{bridge.pair.integration.slug}",
        "flows/nobody": f"flows/{version.flow.public_id}",
        "connections/0": f"connections/{bridge.pair.stripe.public_id}",
        "events/0": f"events/{Event.objects.latest('id').pk}",
        "runs/0": f"runs/{Run.objects.latest('id').public_id}",
        "dead-letters/0": f"dead-letters/{DeadLetter.objects.latest('id').public_id}",
        "alert-channels/0": f"alert-channels/{AlertChannel.objects.latest('id').public_id}",
    }.items():
        path = path.replace(prefix, found)
    return path


def test_no_answer_of_the_interface_holds_a_secret(installation: Installation) -> None:
    bearer = {"Authorization": f"Bearer {installation.token}"}
    paths = {real(route.path, installation.bridge) for route in rest_routes() if route.method == "GET"}
    every_run = {f"runs/{public_id}/" for public_id in Run.objects.values_list("public_id", flat=True)}
    every_event = {f"events/{pk}/" for pk in Event.objects.values_list("pk", flat=True)}

    answers = {path: Client().get(f"/api/v1/{path}", headers=bearer)
               for path in paths | every_run | every_event}  # fmt: skip

    assert sum(answer.status_code == 200 for answer in answers.values()) > 12
    assert {answers[path].status_code for path in answers if path.startswith("alert-channels/")} == {200}
    found = {path: installation.found_in(answer.content.decode()) for path, answer in answers.items()}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_frame_of_a_socket_and_no_figure_holds_a_secret(installation: Installation) -> None:
    place = installation.bridge.pair.environment
    reader = Reader(
        topics=frozenset({"dashboard", "runs", "letters"}),
        rows=frozenset(Run.objects.values_list("public_id", flat=True)),
    )

    def told() -> str:
        news = News.since(START, environment_id=place.pk)
        text = Edition(place, news, now=timezone.now()).for_reader(reader)
        return text if all(run in text for run in reader.rows) else ""

    # On PostgreSQL a change is told once nothing older is still being written, by whoever uses the server.
    frame = until(told, what="the telling")

    assert installation.found_in(frame) == set()
    assert installation.found_in(Client().get("/metrics").content.decode()) == set()


@pytest.mark.parametrize("command", [("doctor", "--json", "--offline"), ("verify_audit",), ("rotate_keys",)])
def test_no_command_prints_a_secret(
    installation: Installation, command: tuple[str, ...], capsys: Any
) -> None:
    with contextlib.suppress(SystemExit):  # a finding; what it says is looked at all the same
        call_command(*command)

    printed = capsys.readouterr()

    assert printed.out
    assert installation.found_in(printed.out + printed.err) == set()


def test_the_database_holds_no_secret_in_any_form(installation: Installation) -> None:
    if not tools_are_there():
        pytest.skip("pg_dump is not on this machine")

    stored = all_that_is_stored()

    assert b"axel@acme.test" in stored, "this is no dump of the database"
    lower = stored.lower()
    found = {
        name
        for name, secret in installation.secrets().items()
        if secret.encode() in stored
        or secret.encode().hex().encode() in lower
        or base64.b64encode(secret.encode()).rstrip(b"=")[:-2] in stored
    }
    assert found == set()
