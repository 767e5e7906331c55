"""This module holds the reader of pages, and what lies in the dead letters for them to see."""

from __future__ import annotations

from typing import Any

from django.test import Client

from flows import deadletters
from flows.engine.outcome import Failure
from flows.models import Pair, Run
from integrator.accounts.models import User
from tests.builders import NOON
from tests.integration.flows.given import runs

HTMX = {"HX-Request": "true"}


class Reader:
    """Somebody who reads pages of an environment."""

    def __init__(self, client: Client, person: User) -> None:
        client.force_login(person)
        self.client = client

    def page(self, path: str, **query: str) -> str:
        """Return the text of a page that must be there."""
        answer = self.client.get(f"/w/acme/dev/{path}", query)
        assert answer.status_code == 200, answer
        return " ".join(answer.content.decode().split())

    def press(self, path: str, environment: str = "dev", **form: str) -> Any:
        """Send a form as htmx does."""
        return self.client.post(f"/w/acme/{environment}/{path}", form, headers=HTMX)


def a_dead_run(pair: Pair, *, field: str = "Country__c", message: str = "Required") -> Run:
    """Return a run in the dead letters."""
    (run,) = runs(pair, 1)
    Run.objects.filter(pk=run.pk).update(state="dead", fate="dead", finished_at=NOON, next_attempt_at=None)
    failure = Failure("data", message, code="REQUIRED_FIELD_MISSING", field=field)
    letter = deadletters.Obituary(run.event_id, failure, run_id=run.pk, flow_id=run.flow_id, step="save")
    deadletters.file([letter], now=NOON)
    return Run.objects.get(pk=run.pk)
