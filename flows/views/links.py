"""This module shows the links between both systems' records, and how each of them stands."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from connectors.addresses import LOOPBACK
from connectors.models import AccessToken, Connection
from flows import standing
from flows.models import Link, Review
from flows.narrowing import LONGEST, moment
from flows.views import filters as narrow
from integrator.accounts.access import environment_of, require, scope_of
from integrator.accounts.models import Environment
from integrator.web import Page

CODE = 3  # letters of a currency
State = Link.State
TABS: tuple[narrow.Tab, ...] = (
    narrow.Tab("", "All", Q()),
    narrow.Tab("agreed", "In agreement", Q(state=State.AGREED)),
    narrow.Tab("conflict", "Both sides changed", Q(state=State.CONFLICT), "warn"),
    narrow.Tab("held", "Held", Q(state=State.HELD), "warn"),
    narrow.Tab("deleted", "Record deleted", Q(state=State.DELETED)),
)
# Where people see an object in Stripe: https://docs.stripe.com/dashboard/basics
_PLACES = {
    "cus_": "customers",
    "sub_": "subscriptions",
    "pi_": "payments",
    "ch_": "payments",
    "in_": "invoices",
}


@require("runs.view")
@require_GET
def links(request: HttpRequest, workspace: str, environment: str) -> HttpResponse:
    """List the links of the environment, newest first, narrowed by what they are about and how they stand."""
    here, scope = environment_of(request), scope_of(request)
    tab, text = narrow.tab_of(TABS, request.GET.get("state", "")), request.GET.get("q", "")
    # Who may not see values must not find out by looking for them.
    text = "" if "@" in text and not scope.can("runs.payload") else text
    currency, since = _money(request), request.GET.get("since", "")[:LONGEST]
    found = standing.search(_all(here), text)
    if currency:
        found = standing.of_money(found, currency)
    if begun := moment(since):
        found = standing.first_synced_since(found, begun)
    context = {
        "page": Page.of(found.filter(tab.condition).defer("agreed", "base"), request),
        "tab": tab,
        "tabs": narrow.counts(found, TABS),
        "q": text[: standing.LONGEST],
        "currency": currency,
        "since": since if begun else "",
        "begun": begun,
        "workspace": scope.workspace,
        "environment": here,
    }
    return render(request, "flows/links.html", context)


@require("runs.view")
@require_GET
def link(request: HttpRequest, workspace: str, environment: str, link: int) -> HttpResponse:
    """Show one link: what stands on both sides, by which rules, and what set each field."""
    here, scope = environment_of(request), scope_of(request)
    found = get_object_or_404(_all(here).select_related("pair__stripe", "pair__salesforce"), pk=link)
    values = scope.can("runs.payload")
    context = {
        "link": found,
        "standing": standing.of(found) if values else None,
        "history": standing.history(found, values=values),
        "question": _question(found),
        "in_stripe": _in_stripe(found),
        "in_salesforce": _in_salesforce(found),
        "workspace": scope.workspace,
        "environment": here,
    }
    return render(request, "flows/link.html", context)


def _money(request: HttpRequest) -> str:
    """Return the currency of the money that is asked for; what is no currency is as if it were not there."""
    currency = request.GET.get("currency", "").strip().upper()
    return currency if currency.isascii() and currency.isalpha() and len(currency) == CODE else ""


def _all(here: Environment) -> QuerySet[Link]:
    return Link.objects.filter(pair__environment=here)


def _question(link: Link) -> Review | None:
    """Return the open question about the link, if there is one."""
    if link.state == State.AGREED:
        return None
    lanes = (f"stripe:{link.stripe_id}", f"salesforce:{link.record_id}")
    asked = Review.objects.open().filter(pair=link.pair_id, run__lane__key__in=lanes)
    return asked.order_by("-id").first()


def _in_stripe(link: Link) -> str:
    """Return where people see the object in Stripe; empty where nobody knows, or Stripe is simulated."""
    connection = link.pair.stripe
    place = next((name for prefix, name in _PLACES.items() if link.stripe_id.startswith(prefix)), "")
    if not place or _is_simulated(connection.base_url):
        return ""
    mode = "" if connection.pinned_livemode else "test/"
    return f"https://dashboard.stripe.com/{mode}{place}/{link.stripe_id}"


def _in_salesforce(link: Link) -> str:
    """Return where people see the record in the org; empty for a simulated one, which has no pages."""
    org: Connection = link.pair.salesforce
    token = AccessToken.objects.filter(connection=org).only("instance_url").first()
    home = (token.instance_url if token is not None else "") or org.base_url
    return "" if _is_simulated(home) or not home else f"{home.rstrip('/')}/{link.record_id}"


def _is_simulated(address: str) -> bool:
    return urlsplit(address).hostname in LOOPBACK
