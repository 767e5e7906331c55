"""The page of impacts shows each line that a change concerns, and a designer mends it with one click."""

from __future__ import annotations

import pytest
from django.test import Client

from flows import designer
from flows.impact import applying, keeping
from flows.impact.applying import Standing
from flows.models import Deployment, Draft
from tests.builders import a_person
from tests.integration.flows.changed import LATER, NOTE, described, found, mapping, without
from tests.integration.flows.given import a_live_flow
from tests.integration.flows.reading import Reader

pytestmark = pytest.mark.django_db


@pytest.fixture
def mapped(live: Deployment) -> Deployment:
    """Return a live flow whose org can be changed."""
    return mapping(live)


def page_of(client: Client, role: str) -> Reader:
    return Reader(client, a_person(f"{role}@acme.test", role))


def test_a_designer_sees_the_line_and_mends_it_with_one_click(mapped: Deployment, client: Client) -> None:
    described(mapped.pair.salesforce, 2, *without("Note__c"), {**NOTE, "length": 20})
    one = next(iter(found(mapped).values()))
    reader = page_of(client, "designer")

    page = reader.page("impact/")
    answer = client.post(f"/w/acme/dev/impact/{mapped.pk}/mend/", {"finding": one.key})
    after = reader.page("impact/")

    assert "Note__c takes 20 characters; it took 80." in page
    assert "Cut the text to 20 characters" in page
    assert answer["Location"] == f"/w/acme/dev/flows/{mapped.flow.public_id}/design/map/mapping/"
    assert "Mended in the draft" in after
    assert "See what to do" in reader.page(f"flows/{mapped.flow.public_id}/")


def test_a_viewer_reads_it_and_changes_nothing(mapped: Deployment, client: Client) -> None:
    described(mapped.pair.salesforce, 2, *without("Note__c"), {**NOTE, "length": 20})
    keeping.renew_due(now=LATER)
    reader = page_of(client, "viewer")

    page = reader.page("impact/")

    assert "Cut the text to 20 characters" in page
    assert "<form" not in page.partition('id="impact"')[2].partition("</main>")[0]
    assert client.post(f"/w/acme/dev/impact/{mapped.pk}/mend/").status_code == 403
    assert not Draft.objects.exists()


def test_a_quiet_org_has_an_empty_page(live: Deployment, reader: Reader) -> None:
    keeping.renew_due(now=LATER)

    assert "Nothing has changed that a flow depends on" in reader.page("impact/")


def test_before_anybody_looked_it_is_not_said_that_nothing_has_changed(
    live: Deployment, reader: Reader
) -> None:
    page = reader.page("impact/")

    assert "Not looked at yet" in page
    assert "Nothing has changed" not in page


def test_a_mend_that_the_draft_has_is_refused_in_words(mapped: Deployment, client: Client) -> None:
    described(mapped.pair.salesforce, 2, *without("Note__c"), {**NOTE, "length": 20})
    keeping.renew_due(now=LATER)
    done = applying.mend(deployment=mapped, actor="ada", now=LATER)
    reader = page_of(client, "designer")

    answer = reader.press(f"impact/{mapped.pk}/mend/")

    assert answer.status_code == 409
    assert Draft.objects.get().revision == done.draft.revision


def test_flows_of_other_workspaces_are_not_there(mapped: Deployment, client: Client) -> None:
    page_of(client, "designer")
    other = a_live_flow(mapped.pair, slug="elsewhere")
    Deployment.objects.filter(pk=other.pk).update(ended_at=LATER)

    assert client.post(f"/w/acme/dev/impact/{other.pk}/mend/").status_code == 404


def test_a_version_that_mends_it_is_told_until_it_is_live(mapped: Deployment, client: Client) -> None:
    described(mapped.pair.salesforce, 2, *without("Note__c"), {**NOTE, "length": 20})
    keeping.renew_due(now=LATER)
    draft = applying.mend(deployment=mapped, actor="ada", now=LATER).draft
    designer.publish_draft(draft, revision=draft.revision, note="Mended", actor="ada", now=LATER)

    page = page_of(client, "approver").page("impact/")

    assert applying.standing(mapped, now=LATER) == Standing(frozenset(), version=2)
    assert "Mended in version 2" in page
    assert "Deploy version 2" in page
