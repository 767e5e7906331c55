"""This module tests how a document becomes a version, and a version what is live."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from connectors.models import Topic
from flows.dispatch import dispatch
from flows.engine.definition import InvalidDocument
from flows.models import Change, Deployment, Event, Flow, FlowVersion, Pair, PolledObject, Run
from flows.publishing import NotLive, WrongPair, deploy, install_recipe, publish, switch
from flows.recipes import catalogue
from flows.routes import ROUTES
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_flow, a_pair, a_workspace, an_environment
from tests.integration.flows.given import an_event

LATER = NOON + timedelta(minutes=1)
ON_CHANGES = {"kind": "salesforce.change", "object": "Deal__c"}
ON_EVENTS = {"kind": "salesforce.event", "event": "Paid__e"}


@pytest.fixture
def document() -> dict[str, Any]:
    return deepcopy(catalogue.load("payments").raw)


@pytest.fixture
def version(pair: Pair) -> FlowVersion:
    return install_recipe(slug="payments", integration=pair.integration, actor="ada", now=NOON)


def _next(version: FlowVersion, document: dict[str, Any]) -> FlowVersion:
    changed = document | {"description": "Another one."}
    return publish(flow=version.flow, document=changed, actor="ada", now=LATER)


def test_the_same_content_is_the_same_version(version: FlowVersion, document: dict[str, Any]) -> None:
    document["steps"][0]["title"] = "Only the words differ"

    again = publish(flow=version.flow, document=document, actor="ada", now=LATER)

    assert again == version
    assert AuditEntry.objects.filter(action="flow.published").count() == 1


def test_other_content_is_the_next_version_and_leaves_the_first_as_it_was(
    version: FlowVersion, document: dict[str, Any]
) -> None:
    second = _next(version, document)

    version.refresh_from_db()
    assert (second.number, version.number) == (2, 1)
    assert version.document["description"] == document["description"]


def test_a_document_that_cannot_run_is_not_published(pair: Pair, document: dict[str, Any]) -> None:
    document["steps"][0]["kind"] = "teleport"

    with pytest.raises(InvalidDocument, match="teleport"):
        publish(flow=a_flow(pair.integration), document=document, actor="ada", now=NOON)

    assert not FlowVersion.objects.exists()


def test_a_recipe_is_installed_once(pair: Pair, version: FlowVersion) -> None:
    again = install_recipe(slug="payments", integration=pair.integration, actor="ada", now=LATER)

    assert again == version
    assert Flow.objects.get().name == "Payments into Salesforce"


def test_deploying_ends_what_was_live_and_tells_everybody(
    pair: Pair, version: FlowVersion, document: dict[str, Any]
) -> None:
    first = deploy(version=version, pair=pair, actor="ada", now=NOON)

    second = deploy(version=_next(version, document), pair=pair, actor="otto", now=LATER)

    first.refresh_from_db()
    assert (first.ended_at, second.ended_at) == (LATER, None)
    assert AuditEntry.objects.filter(action="flow.deployed", actor="otto").count() == 1
    assert Change.objects.filter(kind="deployment").count() == 2


def test_deploying_what_is_live_changes_nothing(pair: Pair, version: FlowVersion) -> None:
    first = deploy(version=version, pair=pair, actor="ada", now=NOON)

    assert deploy(version=version, pair=pair, actor="ada", now=LATER) == first
    assert Deployment.objects.count() == 1


def test_a_flow_that_is_off_stays_off_under_a_new_version(
    pair: Pair, version: FlowVersion, document: dict[str, Any]
) -> None:
    live = deploy(version=version, pair=pair, actor="ada", now=NOON)
    switch(deployment=live, enabled=False, actor="otto", now=NOON)

    assert not deploy(version=_next(version, document), pair=pair, actor="ada", now=LATER).enabled


def test_a_flow_is_not_deployed_to_another_integrations_pair(version: FlowVersion) -> None:
    stranger = a_pair(an_environment("dev", a_workspace("stranger")))

    with pytest.raises(WrongPair):
        deploy(version=version, pair=stranger, actor="ada", now=NOON)


@pytest.mark.django_db(transaction=True)
def test_a_switch_is_heard_at_once_in_its_own_process() -> None:
    pair = a_pair()
    version = install_recipe(slug="payments", integration=pair.integration, actor="ada", now=NOON)
    live = deploy(version=version, pair=pair, actor="ada", now=NOON)
    ROUTES.doors([pair.stripe_id])

    switch(deployment=live, enabled=False, actor="otto", now=LATER)
    an_event(pair.stripe)
    dispatch(now=LATER)
    assert Event.objects.get().fate_reason == "the flow is switched off"

    switch(deployment=live, enabled=True, actor="otto", now=LATER)
    an_event(pair.stripe)
    dispatch(now=LATER)
    assert Run.objects.count() == 1


def test_what_is_history_cannot_be_switched(
    pair: Pair, version: FlowVersion, document: dict[str, Any]
) -> None:
    old = deploy(version=version, pair=pair, actor="ada", now=NOON)
    deploy(version=_next(version, document), pair=pair, actor="ada", now=LATER)

    with pytest.raises(NotLive):
        switch(deployment=old, enabled=False, actor="otto", now=LATER)


def a_version(pair: Pair, trigger: dict[str, Any]) -> FlowVersion:
    """Return a version of a flow that `trigger` starts."""
    stop = {"id": "stop", "kind": "stop", "settings": {"reason": "enough"}}
    document = {"format": 1, "name": "From the org", "trigger": trigger, "steps": [stop]}
    flow = a_flow(pair.integration, slug="from-the-org")
    return publish(flow=flow, document=document, actor="ada", now=NOON)


@pytest.mark.parametrize(
    ("trigger", "heard", "added"),
    [
        pytest.param(ON_CHANGES, (), "/data/Deal__ChangeEvent", id="nothing is heard"),
        pytest.param(
            ON_CHANGES, ("/data/AccountChangeEvent",), "/data/Deal__ChangeEvent", id="another topic"
        ),
        pytest.param(ON_CHANGES, ("/data/deal__changeevent",), "", id="that topic"),
        pytest.param(ON_CHANGES, ("/data/ChangeEvents",), "", id="every change"),
        pytest.param(ON_CHANGES, ("/data/Sales__chn",), "", id="a channel, of which nothing is known"),
        pytest.param(ON_EVENTS, ("/data/ChangeEvents",), "/event/Paid__e", id="changes, but it is no change"),
        pytest.param({"kind": "stripe.event", "types": ["a.b"]}, (), "", id="Stripe starts it"),
    ],
)
def test_a_flow_that_the_org_starts_is_heard_when_it_goes_live(
    pair: Pair, trigger: dict[str, Any], heard: tuple[str, ...], added: str
) -> None:
    for name in heard:
        Topic.objects.create(connection=pair.salesforce, name=name, created_at=NOON)

    deploy(version=a_version(pair, trigger), pair=pair, actor="ada", now=NOON)

    names = {topic.name for topic in pair.salesforce.topics.all()}
    assert names == {*heard, *([added] if added else [])}
    chosen = AuditEntry.objects.filter(action="topic.chosen").values_list("details__topic", flat=True)
    assert list(chosen) == ([added] if added else [])


def test_an_object_that_is_asked_for_needs_no_topic(pair: Pair) -> None:
    PolledObject.objects.create(
        connection=pair.salesforce, object="Deal__c", every=60, created_at=NOON, reached_at=NOON,
        deleted_until=NOON,
    )  # fmt: skip

    deploy(version=a_version(pair, ON_CHANGES), pair=pair, actor="ada", now=NOON)

    assert not pair.salesforce.topics.exists()
