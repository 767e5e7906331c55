"""
This module creates, tests and looks after connections.

Every operation that changes something writes its audit entry in the same transaction, and never a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as project
from django.db import IntegrityError, transaction

from connectors import addresses, credentials, gateway, registry
from connectors.base import Diagnosis
from connectors.budgets import allowance_of, share_of
from connectors.models import NEEDS_KEY, Connection, WebhookEndpoint, WebhookSecret
from connectors.salesforce import auth, bus_address
from connectors.salesforce.client import API_VERSION as SALESFORCE_VERSION
from connectors.salesforce.login import key_problem
from connectors.stripe.client import API_VERSION as STRIPE_VERSION
from connectors.stripe.diagnosis import problem_with
from connectors.stripe.registration import DEFAULT_EVENTS
from integrator import vault
from integrator.accounts import audit
from integrator.accounts.models import Environment
from integrator.kernel import errors
from integrator.kernel.refusals import Unacceptable

VERSIONS = {"stripe": STRIPE_VERSION, "salesforce": SALESFORCE_VERSION}
SECRETS = {"stripe": ("secret_key",), "salesforce": ("consumer_key", "private_key")}
SETTINGS: dict[str, Mapping[str, tuple[type, ...]]] = {
    "stripe": {
        "account_id": (str,),
        "livemode": (bool,),
        "requests_per_second": (int, float),
        "walk_only": (bool,),
    },
    "salesforce": {
        "username": (str,),
        "audience": (str,),
        "api_share": (int, float),
        bus_address.SETTING: (str,),
        bus_address.CERTIFICATE: (str,),
    },
}
LONGEST_OVERLAP = timedelta(days=1)  # Stripe keeps a rolled secret valid for a day at most


def create(
    *,
    environment: Environment,
    system: str,
    name: str,
    base_url: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    api_version: str | None = None,
    actor: str,
    now: datetime,
) -> Connection:
    """
    Make a connection. It may read at once, and write as soon as a test has pinned where it leads.

    :raises Unacceptable: if an address, a setting or a secret cannot be taken, or the name is in use
    """
    if system not in SECRETS:
        raise Unacceptable(f"There is no system called {system!r}.", field="system")
    if not name.strip():
        raise Unacceptable("Give the connection a name.", field="name")
    address = _address(system, base_url)
    _check_settings(system, settings)
    entered = _checked_secrets(system, secrets, complete=True)
    try:
        with transaction.atomic():
            connection = Connection.objects.create(
                environment=environment,
                system=system,
                name=name.strip(),
                base_url=address,
                settings=dict(settings),
                api_version=api_version or VERSIONS[system],
            )
            fingerprints = credentials.store(connection, entered, now=now)
            _audit(connection, actor, "connection.created", now, address=address, credentials=fingerprints)
    except IntegrityError:
        raise Unacceptable(f"{name} is already the name of a connection here.", field="name") from None
    return connection


def test(*, connection: Connection, actor: str, now: datetime) -> Diagnosis:
    """
    Try the connection now and say precisely what is wrong with it, or where it leads.

    The first success pins the account and mode; a later one ends a rest.

    :raises RuntimeError: inside a transaction
    """
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("A connection is never tested inside a transaction.")
    usage: list[tuple[int, int] | None] = [None]
    diagnosis = _diagnosis_of(connection, lambda used, limit: usage.append((used, limit)))
    found = str(diagnosis.details.get("account") or "")
    if diagnosis.ok and not found:
        diagnosis = replace(diagnosis, ok=False, title="The other side does not say which account it is")
    with transaction.atomic():
        if diagnosis.ok:
            connection.pin(account=found, livemode=diagnosis.details.get("livemode"))
            connection.wake()
            connection.note(now=now, usage=usage[-1])
        else:
            told = f"{diagnosis.title}. {diagnosis.explanation}"
            connection.note(now=now, failure=told, usage=usage[-1])
            if diagnosis.needs_key:
                # Not when the next call finds it out. Tried again all the same: access may be granted there.
                connection.rest(until=now + gateway.UNAUTHORIZED_REST, reason=f"{NEEDS_KEY} {told}")
        _audit(connection, actor, "connection.tested", now, ok=diagnosis.ok, found=diagnosis.title)
    gateway.forget(connection.pk)
    return diagnosis


def rotate(*, connection: Connection, secrets: Mapping[str, str], actor: str, now: datetime) -> None:
    """
    Replace credentials; test the connection next. What was pinned stays: a key of another account is
    refused before it writes.

    :raises Unacceptable: if a secret is none of this system's, empty, or no key that could ever be used
    """
    entered = _checked_secrets(connection.system, secrets, complete=False)
    _check_keys(connection, entered)
    with transaction.atomic():
        fingerprints = credentials.store(connection, entered, now=now)
        connection.enter()
        auth.forget(connection.pk)
        connection.wake()
        _audit(connection, actor, "connection.credentials_replaced", now, credentials=fingerprints)
    gateway.forget(connection.pk)


def move(*, connection: Connection, base_url: str, actor: str, now: datetime) -> None:
    """
    Point a connection at another address of its system. What was pinned stays; the session is dropped.

    :raises Unacceptable: if the connection may not speak to that address
    """
    address = _address(connection.system, base_url)
    before = connection.base_url
    if address == before:
        return
    with transaction.atomic():
        connection.lead_to(address)
        auth.forget(connection.pk)
        _audit(connection, actor, "connection.moved", now, before=before, address=address)
    gateway.forget(connection.pk)


def pause(*, connection: Connection, reason: str, actor: str, now: datetime) -> None:
    """Let nothing through until somebody resumes the connection. Pausing twice is pausing once."""
    with transaction.atomic():
        if connection.pause(reason=reason or f"Paused by {actor}"):
            _audit(connection, actor, "connection.paused", now, reason=reason)
    gateway.forget(connection.pk)


def resume(*, connection: Connection, actor: str, now: datetime) -> None:
    """Let everything through again, whatever stopped it. Resuming twice is resuming once."""
    with transaction.atomic():
        auth.allow(connection.pk)
        if connection.resume():
            _audit(connection, actor, "connection.resumed", now)
    gateway.forget(connection.pk)


def keep_back(*, connection: Connection, percent: float, actor: str, now: datetime) -> None:
    """Keep so many percent of the org's calls for people, from 0 to below 100; where some are left, go on."""
    before = 100 - share_of(connection)
    with transaction.atomic():
        if connection.configure(api_share=100 - percent):
            _audit(connection, actor, "connection.reserve_set", now, before=before, percent=percent)
        allowance = allowance_of(connection)
        if allowance is not None and allowance.left and connection.state_reason.endswith(gateway.RESERVED):
            connection.wake()
    gateway.forget(connection.pk)


def add_webhook_endpoint(
    *, connection: Connection, secret: str, actor: str, now: datetime
) -> WebhookEndpoint:
    """
    Make an address for an endpoint that somebody has created in Stripe, with its signing secret.

    :raises Unacceptable: if the connection is not to Stripe, or the secret is no signing secret
    """
    _check_stripe(connection)
    checked = _signing_secret(secret)
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.create(connection=connection)
        _add_secret(endpoint, checked, now=now)
        _audit(connection, actor, "webhook.added", now, endpoint=endpoint.public_id)
    return endpoint


def register_webhook(
    *,
    connection: Connection,
    public_url: str,
    actor: str,
    now: datetime,
    events: Sequence[str] = (),
) -> tuple[WebhookEndpoint, str]:
    """
    Create an endpoint at Stripe, with the API version pinned, and return it with its signing secret.

    It sends what templates start with, and `events`.
    The secret is returned for a command that has to print it; it is stored sealed. A call whose answer was
    lost is repeated under the same idempotency key, which brings the same endpoint.

    :raises Unacceptable: if the connection is not to Stripe
    :raises IntegrationError: if Stripe does not create it
    """
    _check_stripe(connection)
    # Committed before the call and switched on after it: an event may arrive before the answer does.
    endpoint = WebhookEndpoint.objects.create(connection=connection, enabled=False)
    request = {
        "url": public_url.rstrip("/") + str(endpoint),
        "events": sorted({*DEFAULT_EVENTS, *events}),
        "key": f"webhook-endpoint-{endpoint.public_id}",
    }
    try:
        answer = _call_twice(connection, request)
    except errors.IntegrationError:
        endpoint.delete()
        raise
    with transaction.atomic():
        _add_secret(endpoint, answer["secret"], now=now)
        endpoint.enable(stripe_id=answer["id"])
        _audit(connection, actor, "webhook.registered", now, endpoint=endpoint.public_id, url=request["url"])
    return endpoint, answer["secret"]


def roll_webhook_secret(
    *, endpoint: WebhookEndpoint, secret: str, overlap: timedelta, actor: str, now: datetime
) -> None:
    """
    Add a new signing secret; the old ones stay valid for `overlap`, as Stripe is told when rolling.

    :raises Unacceptable: if the secret is no signing secret or the overlap is not between 0 and a day
    """
    checked = _signing_secret(secret)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Unacceptable("The old secret can stay valid for a day at most.", field="overlap")
    with transaction.atomic():
        endpoint.secrets.filter(expires_at=None).update(expires_at=now + overlap)
        _add_secret(endpoint, checked, now=now)
        _audit(
            endpoint.connection,
            actor,
            "webhook.secret_rolled",
            now,
            endpoint=endpoint.public_id,
            overlap_seconds=overlap.total_seconds(),
        )


def _diagnosis_of(connection: Connection, spent: Callable[[int, int], None]) -> Diagnosis:
    account = credentials.account_for(connection, credentials.sealed_of(connection), spent=spent)
    try:
        credentials.check_address(connection)
        return registry.load()[connection.system].test(account)
    except errors.Misdirected as failure:
        return Diagnosis(
            ok=False,
            title="The address may not be used",
            explanation=str(failure),
            remedy="Make a connection to the system's own address. One on this machine works only while "
            "INTEGRATOR_SANDBOX is on.",
            details={"code": failure.code},
        )
    except errors.IntegrationError as failure:
        return Diagnosis(
            ok=False,
            title="The credential cannot be used",
            explanation=str(failure),
            remedy="Enter the credential anew.",
            details={"code": failure.code},
            needs_key=isinstance(failure, errors.Unauthorized),
        )


def _check_keys(connection: Connection, entered: Mapping[str, str]) -> None:
    """Refuse a key that needs no call to be known as wrong."""
    for field, secret in entered.items():
        told = None
        if field == "secret_key":
            expected = connection.pinned_livemode
            if expected is None:
                expected = credentials.account_for(connection, {}).expected_livemode
            told = problem_with(secret, expected)
        elif field == "private_key":
            told = key_problem(secret)
        if told is not None:
            raise Unacceptable(f"{told.title}. {told.explanation} {told.remedy}", field=field)


def _call_twice(connection: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    for attempt in (1, 2):
        (answer,) = gateway.call_many(
            connection_id=connection.pk, action="create_webhook_endpoint", requests=[request]
        )
        if isinstance(answer, dict):
            return answer
        if attempt == 2 or not isinstance(answer, errors.Transient):
            raise answer
    raise AssertionError("The second attempt returns or raises")


def _add_secret(endpoint: WebhookEndpoint, secret: str, *, now: datetime) -> None:
    WebhookSecret.objects.create(
        endpoint=endpoint,
        ciphertext=vault.seal(secret.encode(), owner=f"webhook:{endpoint.pk}"),
        last4=secret[-4:],
        created_at=now,
    )


def _address(system: str, base_url: str) -> str:
    try:
        return addresses.checked(base_url, system=system, sandbox=project.SANDBOX)
    except addresses.NotAllowed as refusal:
        raise Unacceptable(str(refusal), field="base_url") from None


def _check_settings(system: str, settings: Mapping[str, Any]) -> None:
    known = SETTINGS[system]
    for name, value in settings.items():
        if name not in known:
            raise Unacceptable(f"A {system} connection has no setting {name!r}.", field=name)
        # bool is an int in Python, but no rate.
        if not isinstance(value, known[name]) or (isinstance(value, bool) and bool not in known[name]):
            raise Unacceptable(f"The setting {name!r} is of the wrong type.", field=name)
    if system == "salesforce":
        _check_salesforce_settings(settings)


def _check_salesforce_settings(settings: Mapping[str, Any]) -> None:
    if not str(settings.get("username") or "").strip():
        raise Unacceptable("Enter the user name of the integration user.", field="username")
    if settings.get("audience"):
        try:
            addresses.checked(str(settings["audience"]), system="salesforce", sandbox=project.SANDBOX)
        except addresses.NotAllowed as refusal:
            raise Unacceptable(str(refusal), field="audience") from None
    if settings.get(bus_address.SETTING):
        try:
            bus_address.checked(str(settings[bus_address.SETTING]))
        except bus_address.NotAllowed as refusal:
            raise Unacceptable(str(refusal), field=bus_address.SETTING) from None


def _checked_secrets(system: str, secrets: Mapping[str, str], *, complete: bool) -> dict[str, str]:
    known = SECRETS[system]
    entered = {field: secret.strip() for field, secret in secrets.items()}
    for field, secret in entered.items():
        if field not in known:
            raise Unacceptable(f"A {system} connection has no credential {field!r}.", field=field)
        if not secret:
            raise Unacceptable(f"The {field.replace('_', ' ')} is empty.", field=field)
    missing = [field for field in known if field not in entered]
    if missing and (complete or not entered):
        raise Unacceptable(f"Enter the {missing[0].replace('_', ' ')}.", field=missing[0])
    return entered


def _signing_secret(secret: str) -> str:
    found = secret.strip()
    if not found.startswith("whsec_") or len(found) < len("whsec_") + 8:
        raise Unacceptable("A webhook's signing secret starts with whsec_.", field="secret")
    return found


def _check_stripe(connection: Connection) -> None:
    if connection.system != Connection.System.STRIPE:
        raise Unacceptable("Only Stripe sends webhooks.", field="connection")


def _audit(connection: Connection, actor: str, action: str, now: datetime, **details: Any) -> None:
    audit.record(
        workspace=connection.environment.workspace,
        actor=actor,
        action=action,
        target=f"{connection.environment.slug}/{connection.name}",
        details={"connection": connection.public_id, **details},
        now=now,
    )
