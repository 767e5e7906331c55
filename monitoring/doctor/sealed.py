"""This module examines what is encrypted: whether the keys at hand open it. It names every sealed column."""

from __future__ import annotations

from collections.abc import Iterator

from allauth.mfa.models import Authenticator
from django.db.models import Max, Min, Model

from connectors.models import AccessToken, Credential, WebhookSecret
from flows.models import (
    AppliedVersion,
    Attempt,
    Directory,
    Effect,
    Event,
    GroupRetry,
    KnownRecord,
    Link,
    LinkChange,
    Mending,
    Review,
    Run,
    SavedFix,
    TestCase,
)
from flows.models.merging import Merge
from integrator import vault
from monitoring.doctor.findings import Finding, broken, well
from monitoring.doctor.look import Look, named
from monitoring.models import AlertChannel, OutgoingMail
from monitoring.words import counted

# Every sealed column. A test fails when a model gains one that is not here.
SEALED: tuple[tuple[type[Model], str], ...] = (
    (Credential, "ciphertext"),
    (AccessToken, "ciphertext"),
    (WebhookSecret, "ciphertext"),
    (Event, "body"),
    (Attempt, "trace"),
    (Attempt, "found"),
    (Run, "kept"),
    (Mending, "content"),
    (SavedFix, "content"),
    (GroupRetry, "fix"),
    (Link, "agreed"),
    (Link, "base"),
    (LinkChange, "values"),
    (Merge, "before"),
    (Merge, "sent"),
    (AppliedVersion, "past"),
    (Effect, "request"),
    (Effect, "result"),
    (Review, "evidence"),
    (Directory, "salt"),
    (KnownRecord, "sealed"),
    (TestCase, "given"),
    (TestCase, "expected"),
    (OutgoingMail, "sealed"),
    (AlertChannel, "sealed"),
)
# Of second factors the seeds are sealed, within their data.
SEEDED = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
SEEDS = ("secret", "seed")

PLACES, AT_ONCE = 4, 5  # of each column so many rows are opened, at so many places between oldest and newest
MOST_NAMED = 5
REMEDY = "Bring the lost key back into INTEGRATOR_ENCRYPTION_KEYS"


def credentials(look: Look) -> Finding:
    """Tell whether every credential can be read with the keys at hand, by their owners too."""
    rows = Credential.objects.filter(connection__in=look.connections)
    lost = [
        f"{named(credential.connection)} ({credential.field.replace('_', ' ')})"
        for credential in rows.select_related("connection__environment__workspace")
        if not _readable(credential)
    ]
    if not lost:
        return well("credentials", "readable")
    told = ", ".join(lost[:MOST_NAMED]) + (" and more" if len(lost) > MOST_NAMED else "")
    return broken("credentials", f"unreadable: {told}", f"{REMEDY}, or enter these credentials anew.")


def _readable(credential: Credential) -> bool:
    owner = f"credential:{credential.connection_id}:{credential.field}"
    try:
        vault.unseal(bytes(credential.ciphertext), owner=owner)
    except vault.Unreadable:
        return False
    return True


def contents(look: Look) -> Finding:
    """Tell whether samples of every sealed column open, from the oldest row to the newest."""
    lost: list[str] = []
    older = 0
    for of, values in _samples():
        old = [value for value in values if not vault.is_current(value)]
        closed = sum(not vault.opens(value) for value in old)
        older += len(old) - closed
        if closed:
            lost.append(f"{of} ({closed} of {len(values)} looked at)")
    if lost:
        return broken(
            "encrypted contents",
            f"no key opens {', '.join(lost)}",
            f"{REMEDY}, then run manage.py rotate_keys.",
        )
    if older:
        needs = f"{counted(older, 'value')} of those looked at {'needs' if older == 1 else 'need'}"
        return well(
            "encrypted contents",
            f"readable; {needs} an older key: run manage.py rotate_keys before it is taken away",
        )
    return well("encrypted contents", "readable")


def _samples() -> Iterator[tuple[str, list[bytes]]]:
    for model, column in SEALED:
        name = f"{model._meta.verbose_name}: {column}"
        yield name, [bytes(value) for value in _spread(model, column).values() if value]
    factors = Authenticator.objects.filter(type__in=SEEDED).order_by("-pk")[: PLACES * AT_ONCE]
    seeds = [str(factor.data.get(name) or "").encode() for factor in factors for name in SEEDS]
    yield "second factors", [seed for seed in seeds if seed]


def _spread(model: type[Model], column: str) -> dict[int, bytes]:
    """Return values from the oldest row to the newest, each place found by one step down the index of ids."""
    rows = model._default_manager.order_by("pk").values_list("pk", column)
    ends = model._default_manager.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return {}
    width = ends["last"] - ends["first"]
    starts = [ends["first"] + width * place // (PLACES - 1) for place in range(PLACES - 1)]
    found = {pk: value for start in starts for pk, value in rows.filter(pk__gte=start)[:AT_ONCE]}
    return found | dict(rows.order_by("-pk")[:AT_ONCE])
