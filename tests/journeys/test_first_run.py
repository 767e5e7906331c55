"""From an empty workspace to the first record in Salesforce, as the checklist on the overview leads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from connectors import connections
from flows import designer, publishing
from flows.committer import Committer
from flows.models import Draft, Pair
from flows.receiver import Receiver
from flows.trials import desk
from integrator.accounts.models import Environment
from monitoring.queries import checklist
from tests.builders import a_person, an_environment
from tests.integration.flows.reading import Reader
from tests.journeys.bridge import Bridge, Service, connect
from tests.receiving import SECRET, Served, serving


@pytest.fixture
def receiver(transactional_db: None) -> Iterator[Served]:
    with serving(Receiver(committer=Committer(ring=lambda: None, within=30.0))) as receiver:
        yield receiver


def left(environment: Environment) -> list[str]:
    """Return what the checklist still asks for."""
    return [errand.title for errand in checklist(environment) if not errand.done]


def test_a_newcomer_comes_from_nothing_to_the_first_record(
    services: tuple[Service, Service], receiver: Served, client: Client
) -> None:
    stripe, salesforce = services
    environment, now = an_environment("dev"), timezone.now()
    admin = Reader(client, a_person("axel@acme.test", "admin"))
    assert left(environment)[:2] == ["Connect Stripe", "Connect Salesforce"]

    money, _crm = connect(environment, stripe, salesforce)
    hook = str(connections.add_webhook_endpoint(connection=money, secret=SECRET, actor="ada", now=now))
    assert left(environment)[0] == "Choose a template"

    page = admin.press("flows/templates/payments/check/").content.decode()
    assert "The org has everything it needs" in page
    assert admin.press("flows/templates/payments/install/").status_code == 200
    assert left(environment)[0] == "Publish and deploy the flow"

    draft, pair = Draft.objects.get(), Pair.objects.get()
    wish = desk.Wish(source=desk.Source(draft=True), sample="payments.charge_succeeded", live=True)
    served = desk.serve(flow=draft.flow, wish=wish, environment=environment, actor="axel", now=now)
    assert served.compared[0].record.object == "Payment__c"
    assert salesforce.look("records", object="Payment__c")["records"] == []

    version = designer.publish_draft(draft, revision=draft.revision, note="First", actor="axel", now=now)
    publishing.deploy(version=version, pair=pair, actor="axel", now=now)
    assert left(environment)[0] == "See the first event arrive"

    bridge = Bridge(stripe, salesforce, receiver, pair, hook)
    bridge.deliver(*bridge.events(bridge.pay(), "charge.succeeded"))
    bridge.drain()
    assert len(bridge.payments()) == 1
    assert checklist(environment) == []
