"""This module shows what templates need in an org, and installs them as drafts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from connectors import reading
from connectors.checks import Check, State
from connectors.models import Connection
from flows import integrations
from flows.designing import tree
from flows.integrations import Taken
from flows.models import Draft, Flow, Integration, Pair
from flows.recipes import catalogue, currencies
from flows.recipes.catalogue import Recipe
from flows.recipes.needs import GROUP, Need, judge, needs_of
from integrator.accounts import audit
from integrator.accounts.models import Environment, Workspace
from integrator.kernel.errors import IntegrationError

FIRST = "Stripe and Salesforce"  # what the integration is called that the first template makes
_SECONDS = 20.0
# Under which headings templates stand, in the order in which most people need them.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Payments", ("payments", "payment_links", "dunning_tasks", "payment_alerts")),
    ("Subscriptions", ("subscriptions", "closed_won", "contract_requests", "line_requests")),
    ("Customers and accounts", ("customers", "recognised_customers", "customer_accounts", "accounts")),
    ("Products and prices", ("products", "products_into_stripe", "prices", "price_book")),
)
OTHERS = "Others"


class NotConnected(Exception):
    """There is no connection to the system that is asked for."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template flow with what it needs of an org, and what has been installed of it."""

    recipe: Recipe
    needs: Sequence[Need]
    samples: int
    installed: Sequence[Flow]

    @property
    def gist(self) -> str:
        """Return the first sentence of the description."""
        first, stop, _ = self.recipe.document.description.partition(". ")
        return first + stop.strip()

    @property
    def details(self) -> str:
        """Return the rest of the description."""
        return self.recipe.document.description.partition(". ")[2]

    def fits(self, words: Iterable[str]) -> bool:
        """Tell whether all `words` are in its name, its description, what starts it or what it needs."""
        document = self.recipe.document
        told = [document.name, document.description, *document.trigger.types]
        known = " ".join([*told, *(need.object for need in self.needs)]).casefold()
        return all(word.casefold() in known for word in words)


def grouped(found: Sequence[Template]) -> list[tuple[str, list[Template]]]:
    """Return templates under their headings, without those that have none; new ones stand at the end."""
    by_slug = {one.recipe.slug: one for one in found}
    groups = [(title, [by_slug.pop(slug) for slug in slugs if slug in by_slug]) for title, slugs in GROUPS]
    return [(title, those) for title, those in [*groups, (OTHERS, [*by_slug.values()])] if those]


def templates(workspace: Workspace) -> list[Template]:
    """Return every template flow, those of this product in the order of their names."""
    recipes = [catalogue.load(slug) for slug in catalogue.slugs()]
    flows = list(
        Flow.objects.filter(integration__workspace=workspace, slug__in=[one.slug for one in recipes])
    )
    return [
        Template(
            recipe=recipe,
            needs=needs_of(recipe.document),
            samples=len(catalogue.samples(recipe.slug)),
            installed=[flow for flow in flows if flow.slug == recipe.slug],
        )
        for recipe in sorted(recipes, key=lambda one: one.document.name)
    ]


def check(*, slug: str, environment: Environment) -> list[Check]:
    """
    Compare what the template `slug` needs with the org of `environment`, as its integration user sees it.

    :raises flows.recipes.catalogue.NoSuchRecipe: if there is none
    :raises NotConnected: if no org is connected there
    :raises RuntimeError: inside a transaction
    """
    needs = needs_of(catalogue.load(slug).document)
    connection = (
        Connection.objects.filter(environment=environment, system="salesforce").order_by("id").first()
    )
    if connection is None:
        raise NotConnected(f"Connect Salesforce in {environment} first.")
    answers = reading.read_many(
        connection_id=connection.pk,
        action="describe",
        requests=[{"object": need.object} for need in needs],
        deadline=_SECONDS,
    )
    if answers and all(isinstance(answer, IntegrationError) and answer is answers[0] for answer in answers):
        told = "Test the connection and follow what it says."
        return [Check(GROUP, f"{connection.name} could not be asked", State.PROBLEM, str(answers[0]), told)]
    return judge(needs, {need.object: answer for need, answer in zip(needs, answers, strict=True)})


def integration_for(
    *, environment: Environment, may_pair: bool, actor: str, now: datetime
) -> Integration | None:
    """
    Return the integration that a template belongs to, with its pair in `environment`.

    Without any, one is made and paired, if the actor `may_pair` and one connection of each system is there.
    """
    workspace = environment.workspace
    paired = Integration.objects.filter(workspace=workspace, pairs__environment=environment)
    found = paired.order_by("id").first() or Integration.objects.filter(workspace=workspace).first()
    if not may_pair:
        return found
    if found is None:
        found = integrations.create(workspace=workspace, name=FIRST, actor=actor, now=now)
    if not Pair.objects.filter(integration=found, environment=environment).exists():
        _pair(found, environment, actor, now)
    return found


def _pair(integration: Integration, environment: Environment, actor: str, now: datetime) -> None:
    """Bind the connections of `environment`, where there is no choice which they are."""
    here = list(Connection.objects.filter(environment=environment))
    stripe = [one for one in here if one.system == "stripe"]
    salesforce = [one for one in here if one.system == "salesforce"]
    if len(stripe) == len(salesforce) == 1:
        integrations.bind(
            integration=integration,
            environment=environment,
            stripe=stripe[0],
            salesforce=salesforce[0],
            actor=actor,
            now=now,
        )


def install(*, slug: str, integration: Integration, actor: str, now: datetime) -> Draft:
    """
    Make a flow of the template `slug` whose draft is the template. Nothing runs until it is published.

    :raises flows.recipes.catalogue.NoSuchRecipe: if there is none
    :raises Taken: if the integration has the template's flow already
    :raises RuntimeError: inside a transaction, if an org has to be asked what it sells in
    """
    recipe = catalogue.load(slug)
    orgs = [pair.salesforce for pair in integration.pairs.select_related("salesforce").order_by("id")]
    document = currencies.fitted(recipe.raw, orgs, now=now)
    with transaction.atomic():
        flow, is_new = Flow.objects.get_or_create(
            integration=integration, slug=slug, defaults={"name": recipe.document.name}
        )
        if not is_new:
            raise Taken(f"{integration} has “{flow}” already.")
        audit.record(
            workspace=integration.workspace,
            actor=actor,
            action="flow.created",
            target=flow.name,
            details={"template": slug},
            now=now,
        )
        return Draft.objects.create(
            flow=flow,
            document=document,
            step_ids=sorted(tree.ids(document["steps"])),
            changed_by=actor[:254],
            changed_at=now,
        )
