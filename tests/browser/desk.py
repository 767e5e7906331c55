"""This module builds a workspace in which an operator has something of everything to see to."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from flows import publishing
from flows.models import Pair, Review
from integrator.accounts.models import AuditEntry
from monitoring.models import Anomaly, Series
from tests.browser.found import give_up_late
from tests.browser.rows import a_question, a_run, calls, refused
from tests.builders import a_connection, a_pair, a_person, a_workspace
from tests.integration.flows.asking import a_duplicate

PERSON = "olga@desk.test"
TOO_LONG = "Name: data value too large: Jenny Rosen (max length=8)"


def build_desk() -> dict[str, str]:
    """Build the workspace, and return the ids of what the test asks about later."""
    workspace, now = a_workspace("desk", "Desk"), timezone.now()
    a_person(PERSON, "admin", workspace)
    here = workspace.environments.get(slug="dev")
    pair = a_pair(
        here,
        stripe=a_connection("stripe", here, "Stripe Europe", last_success_at=now),
        salesforce=a_connection("salesforce", here, "Salesforce EMEA", api_used=900, api_limit=100_000),
    )
    version = publishing.install_recipe(slug="payments", integration=pair.integration, actor=PERSON, now=now)
    publishing.deploy(version=version, pair=pair, actor=PERSON, now=now)
    calls(pair)
    done = [a_run(pair, at=now - timedelta(minutes=9 + one)) for one in range(3)]
    a_run(
        pair, fate="queued", state="retrying", reason="UNABLE_TO_LOCK_ROW: unable to obtain exclusive access",
        error={"class": "lock", "code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"},
    )  # fmt: skip
    for minutes, field in ((5, "Region__c"), (4, "Later__c"), (3, "Gone__c")):
        for _ in range(3):
            a_run(pair, **refused(field, f"{field} is needed", minutes))
    mended = a_run(pair, **refused("Name", TOO_LONG, 2, code="STRING_TOO_LONG"))
    asked = [a_question(pair, a_duplicate(f"Höfer {one} GmbH")) for one in ("Süd", "Nord", "West", "Ost")]
    _unusual(pair)
    return {
        "mended": mended.public_id,
        "done": done[0].event.object_id,
        "questions": ",".join(one.public_id for one in asked),
    }


def _unusual(pair: Pair) -> None:
    now = timezone.now()
    series = Series.objects.create(connection=pair.stripe, seen_until=now)
    for place, reason in enumerate(("No charges came where about 20 are usual.", "Many charges fail.")):
        Anomaly.objects.create(
            series=series, metric=("charges", "failed")[place], kind=("outage", "failed_spike")[place], z=-6,
            observed=0, expected=20, lo=8, hi=32, began_at=now, reason=reason,
        )  # fmt: skip


def answers_at_desk(questions: str) -> list[str]:
    """Return what was answered to each of these questions."""
    found = {one.public_id: one.answer for one in Review.objects.filter(public_id__in=questions.split(","))}
    return [found[one] for one in questions.split(",")]


def acts_at_desk() -> list[str]:
    """Return what stands in the audit trail, the oldest first."""
    acts = AuditEntry.objects.filter(workspace__slug="desk", actor=PERSON).order_by("position")
    return list(acts.values_list("action", flat=True))


AT_DESK = (build_desk, answers_at_desk, acts_at_desk, give_up_late)
