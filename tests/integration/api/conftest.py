"""This module stages a workspace with something in every list, and programs of every role that ask for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connectors.models import Connection, Credential, WebhookEndpoint, WebhookSecret
from flows import deadletters
from flows.deadletters import Obituary
from flows.engine.outcome import Failure
from flows.models import Attempt, DeadLetter, Deployment, Event, Fate, Pair, Run
from integrator import vault
from integrator.accounts import tokens
from integrator.accounts.models import Workspace
from integrator.accounts.roles import Role
from tests.builders import NOON, a_pair, a_person, a_workspace, an_environment
from tests.integration.flows.given import a_live_flow, runs

CANARY = "sk_test_CANARY4eC39HqLyjWDarjtT1zdp7dc"
TRACE = [{"step": "save", "kind": "salesforce.upsert", "input": {"note": CANARY}, "output": {"id": "a00"}}]


class Program:
    """A program that asks the REST interface with a token of one role."""

    def __init__(self, role: str, workspace: Workspace) -> None:
        now = timezone.now()
        maker = a_person(f"{role}-{workspace.slug}@maker.test", Role.ADMIN, workspace)
        _, self.token = tokens.create(
            workspace=workspace,
            user=maker,
            name=f"{role} program",
            role=role,
            expires_at=now + timedelta(days=1),
            actor=maker.email,
            now=now,
        )
        self.client = Client(raise_request_exception=False)

    def __call__(self, method: str, path: str, data: Any = None, **query: str) -> Any:
        return self.client.generic(
            method,
            f"/api/v1/{path}",
            data if isinstance(data, (str, bytes)) else _json(data),
            content_type="application/json",
            query_params=query,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def get(self, path: str, **query: str) -> Any:
        return self("GET", path, **query)

    def post(self, path: str, data: Any = None, **query: str) -> Any:
        return self("POST", path, data if data is not None else {}, **query)


def _json(data: Any) -> str:
    return "" if data is None else json.dumps(data)


@dataclass
class Stage:
    """A workspace with a pair, a live flow, events, a run with an attempt, and a dead letter."""

    workspace: Workspace
    pair: Pair
    deployment: Deployment
    event: Event
    run: Run
    letter: DeadLetter
    endpoint: WebhookEndpoint

    @property
    def stripe(self) -> Connection:
        return self.pair.stripe


def staged(slug: str) -> Stage:
    """Return a stage in the dev environment of the workspace `slug`."""
    workspace = a_workspace(slug)
    pair = a_pair(an_environment("dev", workspace))
    deployment = a_live_flow(pair)
    (run,) = runs(pair, 1, description=f"paid with {CANARY}")
    Attempt.objects.create(
        run=run,
        started_at=NOON,
        finished_at=NOON,
        outcome="gave up",
        trace=vault.seal(_json(TRACE).encode(), owner=f"trace:{run.pk}"),
    )
    Run.objects.filter(pk=run.pk).update(state="dead", fate=Fate.DEAD, finished_at=NOON)
    Event.objects.filter(pk=run.event_id).update(fate=Fate.DEAD)
    deadletters.file(
        [
            Obituary(
                event_id=run.event_id,
                run_id=run.pk,
                flow_id=run.flow_id,
                step="save",
                failure=Failure("refused", f"Bad value {CANARY}", code="FIELD_CUSTOM_VALIDATION_EXCEPTION"),
            )
        ],
        now=NOON,
    )
    return Stage(
        workspace=workspace,
        pair=pair,
        deployment=deployment,
        event=Event.objects.get(pk=run.event_id),
        run=Run.objects.get(pk=run.pk),
        letter=DeadLetter.objects.get(run=run),
        endpoint=_with_secrets(pair.stripe),
    )


def _with_secrets(stripe: Connection) -> WebhookEndpoint:
    sealed = vault.seal(CANARY.encode(), owner=f"credential:{stripe.pk}:secret_key")
    Credential.objects.create(
        connection=stripe,
        field="secret_key",
        ciphertext=sealed,
        last4="p7dc",
        fingerprint="0" * 16,
        changed_at=NOON,
    )
    endpoint = WebhookEndpoint.objects.create(connection=stripe)
    WebhookSecret.objects.create(endpoint=endpoint, ciphertext=sealed, last4="p7dc", created_at=NOON)
    return endpoint


@pytest.fixture
def stage(db: None) -> Stage:
    """Stage the workspace acme."""
    return staged("acme")


@pytest.fixture
def program(stage: Stage) -> Callable[[str], Program]:
    """Return a maker of programs of acme, by role."""
    made: dict[str, Program] = {}

    def of(role: str) -> Program:
        if role not in made:
            made[role] = Program(role, stage.workspace)
        return made[role]

    return of


@pytest.fixture
def admin(program: Callable[[str], Program]) -> Program:
    """Return a program that may do everything in acme."""
    return program(Role.ADMIN)
