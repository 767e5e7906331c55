"""Programs read what changes of objects mean for live flows, and mend drafts by it."""

from __future__ import annotations

from typing import Any

import pytest

from flows.impact import keeping
from flows.models import Draft, Impact
from tests.integration.api.conftest import staged
from tests.integration.flows.changed import AMOUNT, KEY, LATER, NOTE, STATUS, STEPS, described


@pytest.fixture
def impact(stage: Any) -> Impact:
    """Return what is told of the stage's flow, since one of its fields holds less now."""
    deployment = stage.deployment
    deployment.version.document = {**deployment.version.document, "steps": STEPS}
    deployment.version.save()
    described(deployment.pair.salesforce, 1, KEY, NOTE, STATUS, AMOUNT)
    described(deployment.pair.salesforce, 2, KEY, {**NOTE, "length": 20}, STATUS, AMOUNT)
    keeping.renew_due(now=LATER)
    return Impact.objects.get(deployment=deployment)


def test_a_program_reads_which_lines_are_concerned_and_the_edits_that_mend_them(admin, impact):
    (listed,) = admin.get("impacts/").json()["results"]
    shown = admin.get(f"impacts/{impact.deployment_id}/").json()

    assert listed == shown
    assert (shown["severity"], shown["flow"]) == ("fails", impact.deployment.flow.public_id)
    (found,) = shown["findings"]
    assert (found["step"], found["place"], found["field"]) == ("map", 2, "Note__c")
    assert found["mends"][0]["edits"][0]["edit"] == "set_line"


def test_a_program_mends_the_draft_once(admin, impact):
    key = keeping.findings_of(impact)[0].key

    done = admin.post(f"impacts/{impact.deployment_id}/mend/", {"findings": [key]})
    again = admin.post(f"impacts/{impact.deployment_id}/mend/")

    assert (done.status_code, done.json()["mended"]) == (200, 1)
    assert (again.status_code, again.json()["status"]) == (409, 409)
    assert Draft.objects.get().revision == done.json()["revision"]


def test_what_another_workspace_has_is_not_there(admin, impact):
    Impact.objects.create(deployment=staged("else").deployment, basis="x", looked_at=LATER)

    assert len(admin.get("impacts/").json()["results"]) == 1
    assert len(admin.get("impacts/", severity="may").json()["results"]) == 0
