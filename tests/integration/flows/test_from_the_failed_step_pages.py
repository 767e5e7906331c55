"""People and programs are told what a retry from the failed step takes over, before and after."""

from __future__ import annotations

import pytest
from django.test import Client

from flows.lanes import WorkerLease
from flows.models import Attempt, Pair, Run
from integrator.accounts.roles import Role
from tests.builders import a_person
from tests.integration.api.conftest import Program
from tests.integration.flows.failed_step import STEPS, both, it_gives_up
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import TwoSystems, a_deployed_flow, work_until_quiet

__all__ = ["both"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead(pair: Pair, worker: WorkerLease, systems: TwoSystems) -> Run:
    """Return a run that gave up at saving its record."""
    a_deployed_flow(pair, STEPS)
    return it_gives_up(pair, systems, worker)


def pages(run: Run) -> list[str]:
    """Return where the choice is offered."""
    return [f"runs/{run.public_id}/", f"dead-letters/{run.dead_letters.get().public_id}/"]


def test_the_pages_say_what_is_taken_over_and_do_it(
    reader: Reader, dead: Run, worker: WorkerLease, systems: TwoSystems
) -> None:
    letter = dead.dead_letters.get()
    for path in pages(dead):
        page = reader.page(path)
        assert 'name="from" value="failed_step"' in page
        assert "It goes on at <strong>Save a record</strong>" in page
        assert "<dt>Look up the account</dt>" in page

    assert (
        reader.press(f"dead-letters/{letter.public_id}/retry/", **{"from": "failed_step"}).status_code == 204
    )
    work_until_quiet(worker)

    page = reader.page(f"runs/{dead.public_id}/")
    assert page.count("Taken over from attempt 1,") == 4  # the state of the object, and three steps
    assert "Retry from the failed step" not in page
    assert len(systems.made("find")) == 1


def test_without_htmx_the_browser_is_led_to_the_run(reader: Reader, dead: Run) -> None:
    path = f"/w/acme/dev/dead-letters/{dead.dead_letters.get().public_id}/retry/"

    answer = reader.client.post(path, {"from": "failed_step"})

    assert answer["Location"] == f"/w/acme/dev/runs/{dead.public_id}/"


def test_the_pages_say_why_not_and_refuse(reader: Reader, dead: Run) -> None:
    letter = dead.dead_letters.get()
    Attempt.objects.update(found=b"")
    for path in pages(dead):
        page = reader.page(path)
        assert "Nothing is kept that it could go on from" in page
        assert 'value="failed_step"' not in page

    answer = reader.press(f"dead-letters/{letter.public_id}/retry/", **{"from": "failed_step"})

    assert (answer.status_code, "Nothing is kept" in answer.content.decode()) == (409, True)
    assert Run.objects.get().state == "dead"


def test_who_may_not_retry_is_offered_nothing(dead: Run) -> None:
    vera = Reader(Client(), a_person("vera@acme.test", "viewer"))

    assert "Retry from the failed step" not in vera.page(f"runs/{dead.public_id}/")


def test_the_call_is_copied_from_the_page(reader: Reader, dead: Run) -> None:
    page = reader.page(f"runs/{dead.public_id}/")

    assert "{&quot;from&quot;: &quot;failed_step&quot;}" in page


def test_programs_ask_what_would_be_taken_over_and_have_it_done(dead: Run, worker: WorkerLease) -> None:
    otto = Program(Role.OPERATOR, dead.pair.environment.workspace)
    path = f"runs/{dead.public_id}/"

    told = otto.get(path).json()["from_failed_step"]
    assert (told["possible"], told["reason"], told["step"]) == (True, "", "Save a record")
    assert [(one["step"], one["attempt"]) for one in told["takes"]] == [
        ("enrich", 1), ("look", 1), ("describe", 1),
    ]  # fmt: skip

    assert otto.post(f"{path}retry/", {"from": "the_middle"}).status_code == 400
    assert otto.post(f"{path}retry/", {"from": "failed_step"}).json()["state"] == "ready"
    work_until_quiet(worker)

    after = otto.get(path).json()
    assert [bool(entry.get("carried")) for entry in after["tries"][-1]["trace"]] == [True] * 4 + [False]
    assert after["from_failed_step"]["possible"] is False
    refused = otto.post(f"{path}retry/", {"from": "failed_step"})
    assert (refused.status_code, "failed step" in refused.content.decode()) == (409, True)


def test_without_a_choice_a_program_retries_whole(
    dead: Run, worker: WorkerLease, systems: TwoSystems
) -> None:
    otto = Program(Role.OPERATOR, dead.pair.environment.workspace)

    assert otto.post(f"runs/{dead.public_id}/retry/").status_code == 200
    work_until_quiet(worker)

    assert len(systems.made("find")) == 2
