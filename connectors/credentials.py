"""This module seals and opens the secrets of a connection, and makes the account that a connector is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from django.conf import settings

from connectors import addresses
from connectors.addresses import is_loopback
from connectors.base import Account, at_once, count_nowhere, tell_nobody
from connectors.models import Connection, Credential
from integrator import vault
from integrator.accounts.models import Environment
from integrator.kernel import errors


def owner_of(connection_id: int, field: str) -> str:
    """Return the owner under which the vault seals one credential."""
    return f"credential:{connection_id}:{field}"


def store(connection: Connection, secrets: Mapping[str, str], *, now: datetime) -> dict[str, str]:
    """Seal `secrets`, replacing what was there, and return their fingerprints by field."""
    fingerprints = {}
    for field, secret in secrets.items():
        fingerprints[field] = hashlib.sha256(secret.encode()).hexdigest()[:16]
        Credential.objects.update_or_create(
            connection=connection,
            field=field,
            defaults={
                "ciphertext": vault.seal(secret.encode(), owner=owner_of(connection.pk, field)),
                # The end of a PEM block is the same for all of them and tells nothing.
                "last4": "" if "PRIVATE KEY" in secret else secret[-4:],
                "fingerprint": fingerprints[field],
                "changed_at": now,
            },
        )
    return fingerprints


def sealed_of(connection: Connection) -> dict[str, bytes]:
    """Return the ciphertexts of a connection by field."""
    rows = Credential.objects.filter(connection=connection)
    return {field: bytes(ciphertext) for field, ciphertext in rows.values_list("field", "ciphertext")}


def check_address(connection: Connection) -> None:
    """
    Refuse an address that was acceptable once: one on this machine, before the sandbox was off.

    :raises Misdirected: if the connection may not speak to its address
    """
    try:
        addresses.checked(connection.base_url, system=connection.system, sandbox=settings.SANDBOX)
    except addresses.NotAllowed as refusal:
        raise errors.Misdirected(f"{connection.base_url}: {refusal}", code="address") from None


def account_for(
    connection: Connection,
    sealed: Mapping[str, bytes],
    *,
    turn: Callable[[float, str], bool] = at_once,
    spent: Callable[[int, int], None] = tell_nobody,
    called: Callable[[str], None] = count_nowhere,
) -> Account:
    """Return what a connector is told about `connection`; `sealed` are its ciphertexts."""

    def secret(field: str) -> str:
        try:
            return vault.unseal(sealed[field], owner=owner_of(connection.pk, field)).decode()
        except KeyError:
            raise errors.Unauthorized(
                f"The connection has no {field.replace('_', ' ')}. Enter it.", code="needs_credentials"
            ) from None
        except vault.Unreadable:
            raise errors.Unauthorized(
                f"The {field.replace('_', ' ')} cannot be decrypted with the configured keys. Enter it anew, "
                "or restore the key.",
                code="needs_credentials",
            ) from None

    return Account(
        connection_id=connection.pk,
        base_url=connection.base_url,
        api_version=connection.api_version,
        settings=connection.settings,
        secret=secret,
        pinned_account=connection.pinned_account,
        pinned_livemode=connection.pinned_livemode,
        expected_livemode=_expected(connection),
        turn=turn,
        spent=spent,
        called=called,
    )


def _expected(connection: Connection) -> bool | None:
    """Return the mode that a key should have while nothing is pinned: live in production, test elsewhere."""
    declared = connection.settings.get("livemode")
    if isinstance(declared, bool):
        return declared
    if is_loopback(connection.base_url):
        return None
    return connection.environment.kind == Environment.Kind.PRODUCTION
