"""The gallery: what templates do and need, whether the org has it, and installing one as a draft."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.test import Client

from flows import gallery
from flows.engine.definition import load
from flows.models import Draft, Flow, FlowVersion, Integration, Pair
from flows.recipes import catalogue
from flows.recipes.needs import judge, needs_of
from flows.steps import registry
from integrator.accounts.models import AuditEntry
from integrator.kernel.errors import Missing, Transient
from tests.builders import NOON, a_connection, a_pair, a_person, a_workspace, an_environment
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import TwoSystems

pytestmark = pytest.mark.django_db
SLUGS = catalogue.slugs()


@pytest.fixture
def admin(client: Client) -> Reader:
    a_workspace()
    return Reader(client, a_person("axel@acme.test", "admin"))


def press(reader: Reader, path: str) -> Any:
    return reader.press(f"flows/templates/{path}/")


def described(need: Any, **changed: Any) -> dict[str, Any]:
    """Return the description of an object that has everything of `need`, but for `changed`."""
    fields = [
        {"name": name.partition(".")[0].replace("__r", "__c"), "relationshipName": name.partition(".")[0],
         "createable": True, "updateable": True} | changed.get(name.replace(".", "_"), {})
        for name in need.fields
    ]  # fmt: skip
    return {"name": need.object, "fields": fields, "createable": True, "updateable": True}


def has_everything(request: dict[str, Any]) -> dict[str, Any]:
    needs = {need.object: need for slug in SLUGS for need in needs_of(catalogue.load(slug).document)}
    names = {
        name for slug in SLUGS for need in needs_of(catalogue.load(slug).document) for name in need.fields
    }
    need = copy.copy(needs[request["object"]])
    return described(type(need)(need.object, tuple(sorted(names))))


@pytest.mark.parametrize("slug", SLUGS)
def test_what_a_template_needs_are_the_fields_that_its_steps_name(slug):
    needs = {need.object: need for need in needs_of(catalogue.load(slug).document)}

    # The template of alerts alone writes nothing.
    assert bool(needs) is (slug != "payment_alerts")
    if slug == "payments":
        assert "Amount__c" in needs["Payment__c"].written
        assert needs["Integration_Effect__c"].fields == ()
        assert "External_ID__c" in needs["Stripe_Customer__c"].fields


def test_every_template_is_judged_well_where_all_is_there():
    for slug in SLUGS:
        needs = needs_of(catalogue.load(slug).document)

        checks = judge(needs, {need.object: described(need) for need in needs})

        assert {check.state for check in checks} == ({"ok"} if needs else set())


def test_what_is_missing_hidden_or_locked_is_named():
    needs = needs_of(catalogue.load("payments").document)
    payment = next(need for need in needs if need.object == "Payment__c")
    answers: dict[str, Any] = {need.object: described(need) for need in needs}
    answers["Payment__c"]["fields"] = [
        {**field, "createable": field["name"] != "Amount__c", "updateable": field["name"] != "Amount__c"}
        for field in answers["Payment__c"]["fields"]
        if field["name"] != "Status__c"
    ]
    answers["Stripe_Customer__c"] = Missing("No such object")
    answers["Account"] = Transient("503")

    said = {check.title: check for check in judge(needs, answers)}

    assert payment.written
    found = said["Payment__c is not as it should be"].explanation
    assert "Missing or hidden: Status__c." in found
    assert "may not write Amount__c" in found
    assert said["Stripe_Customer__c is not there"].state == "problem"
    assert said["Account could not be looked at"].explanation == "503"


def test_every_template_is_shown_with_steps_and_needs(admin):
    page = admin.page("flows/templates/")

    for slug in SLUGS:
        assert catalogue.load(slug).document.name in page
    assert "Payment__c" in page
    assert "charge.succeeded" in page
    assert "Development is not connected yet" in page


def test_templates_stand_under_headings_and_are_found_by_any_word_about_them(admin):
    assert {slug for _, slugs in gallery.GROUPS for slug in slugs} == set(SLUGS)
    assert [admin.page("flows/templates/").count(f">{title}</h2>") for title, _ in gallery.GROUPS] == [1] * 4

    found = admin.page("flows/templates/", q="PAYMENT opportunity__")
    assert "No template fits" in found
    found = admin.page("flows/templates/", q="charge.failed task")
    assert 'id="template-dunning_tasks"' in found
    assert 'id="template-products"' not in found


def test_the_org_is_asked_for_descriptions_only(admin, pair, systems: TwoSystems):
    systems.answers["describe"] = has_everything

    answer = press(admin, "payments/check")

    assert "The org has everything it needs" in answer.content.decode()
    assert {action for action, _ in systems.calls} == {"describe"}


def test_an_org_that_cannot_be_asked_says_so_once(admin, pair, systems: TwoSystems):
    failure = Transient("The server answered 503", code="unavailable")
    systems.answers["describe"] = lambda _request: failure

    page = press(admin, "payments/check").content.decode()

    assert "not ready" in page
    assert page.count("The server answered 503") == 1


def test_without_an_org_there_is_nothing_to_ask(admin):
    assert press(admin, "payments/check").status_code == 409
    assert press(admin, "nothing/check").status_code == 404


def test_installing_makes_a_draft_and_publishes_nothing(admin, pair):
    answer = press(admin, "payments/install")

    draft = Draft.objects.get()
    assert answer.headers["HX-Redirect"].startswith(f"/w/acme/dev/flows/{draft.flow.public_id}/")
    assert (draft.flow.slug, draft.flow.integration) == ("payments", pair.integration)
    assert load(draft.document, kinds=registry.load()).name == draft.flow.name
    assert not FlowVersion.objects.exists()
    assert AuditEntry.objects.filter(action="flow.created").count() == 1


@pytest.mark.django_db(transaction=True)  # the org is asked, which nobody does inside a transaction
@pytest.mark.parametrize(
    ("answer", "reads"),
    [
        ({"fields": [{"name": "CurrencyIsoCode", "type": "picklist"}]}, ["Opportunity.CurrencyIsoCode"]),
        ({"fields": [{"name": "Amount", "type": "currency"}]}, None),
        (Transient("503"), None),
    ],
)
def test_a_template_about_money_fits_the_currencies_of_the_org(admin, pair, systems, answer, reads):
    systems.answers["describe"] = lambda request: (
        answer if isinstance(answer, Transient) else {"name": request["object"], **answer}
    )

    systems.answers["describe_global"] = {}.get

    press(admin, "payment_links/install")

    (line,) = Draft.objects.get().document["steps"][0]["settings"]["lines"]
    assert line.get("from") == reads
    assert reads or line["chips"] == [{"chip": "constant", "value": "XXX"}]


def test_installing_twice_is_refused_and_the_page_leads_to_the_first(admin, pair):
    press(admin, "payments/install")

    assert press(admin, "payments/install").status_code == 409
    flow = Flow.objects.get()
    assert "Installed" in admin.page("flows/templates/")
    # As long as it is a draft alone, the draft says what the flow does, and one link leads to it.
    told = catalogue.load("payments").document.description
    assert told in admin.page("flows/")
    assert admin.page(f"flows/{flow.public_id}/").count(f"flows/{flow.public_id}/design/") == 1
    assert told in admin.page(f"flows/{flow.public_id}/")


def test_the_first_template_pairs_what_is_connected(admin):
    environment = an_environment()
    stripe, salesforce = a_connection("stripe", environment), a_connection("salesforce", environment)

    press(admin, "payments/install")

    made = Pair.objects.get()
    assert (made.stripe, made.salesforce, made.environment) == (stripe, salesforce, environment)
    assert made.integration == Draft.objects.get().flow.integration


def test_where_there_is_a_choice_nothing_is_paired(admin):
    environment = an_environment()
    a_connection("stripe", environment)
    for name in ("One", "Other"):
        a_connection("salesforce", environment, name)

    press(admin, "payments/install")

    assert not Pair.objects.exists()
    assert Draft.objects.exists()


def test_a_designer_pairs_nothing(client):
    a_workspace()
    designer = Reader(client, a_person("ada@acme.test", "designer"))
    a_connection("stripe")
    a_connection("salesforce")

    assert press(designer, "payments/install").status_code == 409
    assert not Integration.objects.exists()


def test_a_template_goes_to_the_integration_that_is_paired_here(admin):
    workspace = a_workspace()
    Integration.objects.create(workspace=workspace, slug="alone", name="Alone")
    pair = a_pair(an_environment("dev", workspace))

    found = gallery.integration_for(environment=pair.environment, may_pair=True, actor="ada", now=NOON)

    assert found == pair.integration


def test_who_may_not_change_flows_only_looks(client, pair):
    viewer = Reader(client, a_person("vera@acme.test", "viewer"))

    page = viewer.page("flows/templates/")
    assert "payments/install/" not in page
    assert "payments/check/" not in page
    assert press(viewer, "payments/install").status_code == 403
    assert press(viewer, "payments/check").status_code == 403
