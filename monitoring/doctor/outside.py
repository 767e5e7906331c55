"""This module examines the ways to Stripe and Salesforce: connections, and whether webhooks can arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

import requests
from django.conf import settings
from django.db.models import Max, Q

from connectors import connections, outbound
from connectors.models import Connection, WebhookSecret
from monitoring.doctor.findings import Finding, State, broken, warning, well
from monitoring.doctor.look import Look, named, page_of
from monitoring.doctor.machine import is_loopback, is_public
from monitoring.gathering import ENOUGH_FOUND, SILENCE
from monitoring.models import ConservationHour
from monitoring.words import counted, moment, sentence

CONNECTION, WEBHOOKS = "connection", "webhooks"
ACTOR = "doctor"
SCARCE = 0.8  # of the calls that the other system allows a day
SETTLED = timedelta(days=1)  # after which an endpoint should have been delivered to
ANSWERS_WITHIN = 8.0  # seconds
ALIVE = b"ok"  # what our own /healthz says
PART = 64  # bytes, of which four are read: another's answer may have any size


# Connections


def connected(look: Look) -> Iterator[Finding]:
    """Tell how each connection does: as is known already, or tried now where that is asked for."""
    found = look.every()
    if not found:
        yield warning(CONNECTION, "there is none yet", "Connect Stripe and Salesforce, or run bootstrap.")
    for one in found:
        yield _tried(look, one) if look.ask else _as_known(look, one)


def _tried(look: Look, one: Connection) -> Finding:
    told = connections.test(connection=one, actor=ACTOR, now=look.now)
    if told.ok:
        return well(CONNECTION, told.title, about=named(one))
    said = sentence(f"{told.title}. {told.explanation}")
    return broken(CONNECTION, said, told.remedy, about=named(one), page=page_of(one))


def _as_known(look: Look, one: Connection) -> Finding:
    about, page = named(one), page_of(one)
    if one.state == Connection.State.PAUSED:
        return warning(
            CONNECTION, sentence(f"paused: {one.state_reason}"), "Resume it.", about=about, page=page
        )
    if one.state == Connection.State.RESTING:
        return _resting(look, one)
    if not one.pinned_account:
        return warning(
            CONNECTION, "never tested, so it does not write", "Test it on its page.", about=about, page=page
        )
    if one.last_failure_at and (one.last_success_at is None or one.last_failure_at > one.last_success_at):
        said = sentence(f"the last call failed {look.ago(one.last_failure_at)}: {one.last_failure}")
        return warning(CONNECTION, said, "Test it on its page.", about=about, page=page)
    if one.api_used is not None and one.api_limit and one.api_used > SCARCE * one.api_limit:
        said = f"{one.api_used:,} of {one.api_limit:,} calls of the day are used"
        return warning(CONNECTION, said, "Ask for more calls, or have fewer made.", about=about, page=page)
    at = one.last_success_at
    return well(CONNECTION, f"last call {look.ago(at)}" if at else "in use, not called yet", about=about)


def _resting(look: Look, one: Connection) -> Finding:
    about, page = named(one), page_of(one)
    if one.needs_key or one.paused_until is None:
        remedy = "Enter a new key, or grant access anew." if one.needs_key else "Look at its page."
        return broken(CONNECTION, sentence(one.state_reason), remedy, about=about, page=page)
    until = moment(one.paused_until, now=look.now)
    said = sentence(f"rests until {until}: {one.state_reason}")
    return warning(CONNECTION, said, "It is tried again by itself.", about=about, page=page)


# Webhooks


def webhooks(look: Look) -> Iterator[Finding]:
    """Tell of each Stripe connection whether webhooks can arrive, and when the last one did."""
    found = look.of(Connection.System.STRIPE)
    if not found:
        yield well(WEBHOOKS, "there is no connection to Stripe")
    silent = lru_cache(maxsize=1)(_silent)  # asked once, and not for each connection
    for one in found:
        yield _webhooks(look, one, silent)


def _webhooks(look: Look, one: Connection, silent: Callable[[], str]) -> Finding:
    about, page = named(one), page_of(one)
    if one.settings.get("walk_only"):
        return well(WEBHOOKS, "none by choice: events are read from Stripe's list", about=about)
    endpoints = one.webhook_endpoints.filter(enabled=True)
    if not endpoints.exists():
        return warning(
            WEBHOOKS,
            "no endpoint, so events come late, from Stripe's list",
            "Add a webhook on the connection's page.",
            about=about,
            page=page,
        )
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=look.now)
    secrets = WebhookSecret.objects.filter(in_force, endpoint__in=endpoints)
    if not secrets.exists():
        return broken(
            WEBHOOKS,
            "every signing secret has expired, so deliveries are refused",
            "Enter the endpoint's signing secret of now on the connection's page.",
            about=about,
            page=page,
        )
    if problem := _unreachable(one):
        return warning(
            WEBHOOKS, problem, "Set INTEGRATOR_PUBLIC_URL to the https address.", about=about, page=page
        )
    oldest = endpoints.order_by("created_at").values_list("created_at", flat=True)[0]
    last = WebhookSecret.objects.filter(endpoint__in=endpoints).aggregate(last=Max("last_used_at"))["last"]
    delivered = _delivered(look, one, last_at=last, since=oldest)
    problem = silent() if look.ask and not is_loopback(one.base_url) else ""
    if not problem:
        return delivered
    if delivered.state is State.BROKEN:  # and this may be why
        return replace(delivered, detail=f"{delivered.detail}, and {problem}")
    remedy = "See whether its name, certificate and proxy lead here. A network may forbid this way alone."
    return warning(WEBHOOKS, problem, remedy, about=about, page=page)


def _unreachable(one: Connection) -> str:
    """Return why Stripe cannot deliver to our address; the simulated one reaches this machine."""
    if is_loopback(one.base_url):
        return ""
    if not is_public():
        return f"Stripe cannot reach {settings.PUBLIC_URL}, which is this machine alone"
    if not settings.PUBLIC_URL.startswith("https://"):
        return f"Stripe delivers to https addresses alone, not to {settings.PUBLIC_URL}"
    return ""


def _silent() -> str:
    """Return how our public address fails to answer when it is asked from here, as anybody may ask it."""
    try:
        with outbound.within(ANSWERS_WITHIN):
            answer = outbound.session().get(f"{settings.PUBLIC_URL}/healthz", stream=True)
            with answer:
                said = b"".join(islice(answer.iter_content(PART), 4))
    except requests.exceptions.SSLError:
        return f"{settings.PUBLIC_URL} has no certificate that Stripe would accept"
    except requests.RequestException as failure:
        return f"{settings.PUBLIC_URL} does not answer when it is asked from here ({type(failure).__name__})"
    if answer.status_code != 200 or said.strip() != ALIVE:
        return f"somebody else answers at {settings.PUBLIC_URL} (HTTP {answer.status_code})"
    return ""


def _delivered(look: Look, one: Connection, *, last_at: datetime | None, since: datetime) -> Finding:
    about, page = named(one), page_of(one)
    when = f"last delivery {look.ago(last_at)}" if last_at else "nothing was delivered yet"
    if missed := _missed(look, one):
        return broken(
            WEBHOOKS,
            f"{when}, while {counted(missed, 'event')} came from Stripe's list within an hour",
            "See in Stripe why deliveries to the endpoint fail.",
            about=about,
            page=page,
        )
    if last_at is None and look.now - since > SETTLED:
        return warning(
            WEBHOOKS, when, "Send a test event from Stripe, or see whether the proxy lets it through.",
            about=about, page=page,
        )  # fmt: skip
    return well(WEBHOOKS, when, about=about)


def _missed(look: Look, one: Connection) -> int:
    """Return how many events of an hour Stripe's list brought while no webhook did; as alerts judge it."""
    hours = ConservationHour.objects.filter(connection=one, hour__gt=look.now - SILENCE)
    most = hours.aggregate(delivered=Max("delivered"), found=Max("found"))
    silent = most["delivered"] == 0 and (most["found"] or 0) >= ENOUGH_FOUND
    return int(most["found"]) if silent else 0
