"""Pages of held flows: why one is held, what waits, letting it try; and what several waiting events do."""

from __future__ import annotations

import pytest
from django.test import Client

from flows import holds
from flows.lanes import WorkerLease
from flows.models import Deployment, Pair, Run
from integrator.accounts.models import AuditEntry
from integrator.kernel.errors import Refused
from tests.builders import NOON, a_person, an_environment
from tests.integration.flows.given import an_event
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import (
    DUN,
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    refusing,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

NO_FIELD = Refused("No such column 'Card_Brand__c'", code="INVALID_FIELD", field="Card_Brand__c")


def a_held_flow(pair: Pair, worker: WorkerLease, systems: TwoSystems, waiting: int = 4) -> Deployment:
    """Return a flow that the org cannot take at the moment, with runs that wait."""
    deployment = a_deployed_flow(pair, UPSERT)
    systems.answers["upsert"] = refusing(NO_FIELD)
    for _ in range(waiting):
        an_event(pair.stripe)
    work_until_quiet(worker)
    deployment.refresh_from_db()
    assert deployment.held_since is not None
    return deployment


@pytest.mark.parametrize("path", ["flows/", "flows/{flow}/"])
def test_the_banner_says_why_in_plain_words_and_how_much_waits(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems, path: str
) -> None:
    flow = a_held_flow(pair, worker, systems).flow

    page = reader.page(path.format(flow=flow.public_id))

    assert "is held" in page
    assert "fields or objects differ from what the flow expects (Card_Brand__c)" in page
    assert "Create Card_Brand__c, give the integration user access to it" in page
    assert "The other system said: No such column &#x27;Card_Brand__c&#x27;" in page
    assert "4 runs wait, and nothing is lost" in page
    assert f'hx-post="/w/acme/dev/flows/{flow.public_id}/try-now/"' in page


def test_without_a_trace_the_reason_stands_alone(reader: Reader, pair: Pair) -> None:
    deployment = a_deployed_flow(pair, UPSERT)
    holds.hold(deployment.version_id, pair.pk, until=NOON, reason="The key sk_test_12345 lacks it", now=NOON)

    page = reader.page("flows/")

    assert "lacks it" in page
    assert "sk_test_12345" not in page
    assert "0 runs wait" in page


def test_a_flow_that_is_not_held_has_no_banner(reader: Reader, pair: Pair) -> None:
    flow = a_deployed_flow(pair, UPSERT).flow

    assert "is held" not in reader.page("flows/") + reader.page(f"flows/{flow.public_id}/")
    answer = reader.press(f"flows/{flow.public_id}/try-now/")
    assert answer.status_code == 409
    assert "is not held here" in answer.headers["HX-Trigger"]


def test_an_operator_lets_it_try_at_once(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    flow = a_held_flow(pair, worker, systems).flow
    del systems.answers["upsert"]

    assert reader.press(f"flows/{flow.public_id}/try-now/").status_code == 204
    work_until_quiet(worker)

    assert set(Run.objects.values_list("state", "fate")) == {("done", "applied")}
    entry = AuditEntry.objects.get(action="flow.tried")
    assert (entry.actor, entry.details["reason"]) == ("otto@acme.test", str(NO_FIELD))


def test_if_the_cause_is_still_there_it_is_held_again(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_held_flow(pair, worker, systems)

    reader.press(f"flows/{deployment.flow.public_id}/try-now/")
    work_until_quiet(worker)

    deployment.refresh_from_db()
    assert deployment.held_since is not None
    assert set(Run.objects.values_list("state", flat=True)) == {"ready"}


def test_an_older_version_is_named_while_runs_wait_for_it(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_held_flow(pair, worker, systems)
    deployment.end(now=NOON)

    assert "v1 is held" in reader.page("flows/")
    Run.objects.update(state="done", finished_at=NOON)
    assert "is held" not in reader.page("flows/")


def test_a_viewer_sees_the_banner_without_the_button(
    client: Client, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    flow = a_held_flow(pair, worker, systems).flow
    reader = Reader(client, a_person("vera@acme.test", "viewer"))

    page = reader.page("flows/")

    assert "is held" in page
    assert "Try now" not in page
    assert reader.press(f"flows/{flow.public_id}/try-now/").status_code == 403


def test_what_is_held_in_one_environment_is_not_in_another(
    reader: Reader, pair: Pair, worker: WorkerLease, systems: TwoSystems
) -> None:
    deployment = a_held_flow(pair, worker, systems)
    an_environment("qa")

    assert reader.press(f"flows/{deployment.flow.public_id}/try-now/", "qa").status_code == 409
    deployment.refresh_from_db()
    assert deployment.held_since is not None


# Several waiting events of one object


def test_the_page_says_that_only_the_newest_is_written(reader: Reader, pair: Pair) -> None:
    flow = a_deployed_flow(pair, UPSERT).flow

    assert "Of several waiting events of one object only the newest is written" in reader.page(
        f"flows/{flow.public_id}/"
    )


def test_the_page_says_why_every_event_is_handled(reader: Reader, pair: Pair) -> None:
    flow = a_deployed_flow(pair, [*UPSERT, DUN | {"id": "tell", "title": "Start dunning"}]).flow

    page = reader.page(f"flows/{flow.public_id}/")

    assert "Every event is handled" in page
    assert "because “Start dunning” must happen once for each." in page


def test_a_version_that_cannot_be_run_any_more_still_has_its_page(reader: Reader, pair: Pair) -> None:
    deployment = a_deployed_flow(pair, UPSERT)
    version = deployment.version
    version.document["steps"][0]["kind"] = "no.longer.installed"
    version.content_hash = "other"
    version.save()

    page = reader.page(f"flows/{deployment.flow.public_id}/")

    assert "Every event is handled" not in page
    assert "only the newest" not in page
