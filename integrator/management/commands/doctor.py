"""This module is the command that examines an installation and says what to do about each finding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from connectors import connections
from connectors.models import Connection, Credential
from flows import lanes, queries, watchdog
from integrator import vault


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `remedy` says what to do when it is not well."""

    name: str
    well: bool
    detail: str
    remedy: str = ""


class Command(BaseCommand):
    """Examine the installation; exit with 1 if anything is not well."""

    help = "Check database, migrations, keys, Redis, disk, clocks, workers and connections; say what to do."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the form of the answer and whether to call the connected systems."""
        parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
        parser.add_argument("--offline", action="store_true", help="do not call Stripe and Salesforce")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every finding and exit."""
        findings = list(examine(offline=options["offline"]))
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            for finding in findings:
                mark = self.style.SUCCESS("ok  ") if finding.well else self.style.ERROR("FAIL")
                self.stdout.write(f"{mark} {finding.name}: {finding.detail}")
                if not finding.well and finding.remedy:
                    self.stdout.write(f"     {finding.remedy}")
        if not all(finding.well for finding in findings):
            raise SystemExit(1)


def examine(*, offline: bool) -> Iterator[Finding]:
    """Yield one finding a check; what depends on the database is left out when it does not answer."""
    yield database()
    yield keys()
    yield broker()
    yield disk()
    if not connection.is_usable():
        return
    pending = migrations()
    yield pending
    if not pending.well:
        return
    checks: tuple[Callable[[], Finding], ...] = (credentials, clock, workers)
    for check in checks:
        yield check()
    if not offline:
        yield from connected_systems()


def database() -> Finding:
    """Connect to the database."""
    try:
        connection.ensure_connection()
    except DatabaseError as failure:
        return Finding("database", False, str(failure).strip(), "Check DATABASE_URL and that it is running.")
    return Finding("database", True, f"{connection.display_name} answers")


def keys() -> Finding:
    """Seal and unseal something."""
    remedy = "Set INTEGRATOR_ENCRYPTION_KEYS (see .env.example)."
    try:
        vault.unseal(vault.seal(b"doctor", owner="doctor"), owner="doctor")
    except (ImproperlyConfigured, ValueError, vault.Unreadable) as failure:
        return Finding("encryption keys", False, str(failure) or "no usable key", remedy)
    return Finding("encryption keys", True, f"{len(settings.ENCRYPTION_KEYS)} in the ring")


def credentials() -> Finding:
    """Tell whether every stored credential can be read with the keys at hand."""
    lost = [
        str(credential)
        for credential in Credential.objects.select_related("connection")
        if not _readable(credential)
    ]
    remedy = "Bring the lost key back into INTEGRATOR_ENCRYPTION_KEYS, or enter these credentials anew."
    return Finding("credentials", not lost, f"unreadable: {', '.join(lost)}" if lost else "readable", remedy)


def _readable(credential: Credential) -> bool:
    owner = f"credential:{credential.connection_id}:{credential.field}"
    try:
        vault.unseal(bytes(credential.ciphertext), owner=owner)
    except vault.Unreadable:
        return False
    return True


def broker() -> Finding:
    """Reach Redis, where it is used."""
    if not settings.REDIS_URL:
        return Finding("doorbell", True, "embedded: the database carries it")
    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3).ping()
    except redis.RedisError as failure:
        return Finding(
            "doorbell", False, str(failure), "Check REDIS_URL. Nothing is lost meanwhile, only slower."
        )
    return Finding("doorbell", True, "Redis answers")


def disk() -> Finding:
    """Look at the free space where the embedded database stands."""
    place = Path(settings.DATABASES["default"]["NAME"]).parent if settings.SQLITE else settings.BASE_DIR
    usage = shutil.disk_usage(place)
    share = usage.free / usage.total
    return Finding(
        "disk", share > 0.1, f"{share:.0%} free", "Make room: below 10 % events may be turned away."
    )


def migrations() -> Finding:
    """Tell whether the database has the tables of this version."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Finding(
        "migrations",
        not pending,
        f"{len(pending)} to apply" if pending else "applied",
        "Run manage.py migrate.",
    )


def clock() -> Finding:
    """Compare this machine's clock with the database's, which ends the leases."""
    apart = abs((lanes.database_now() - timezone.now()).total_seconds())
    return Finding("clock", apart < 5, f"{apart:.1f} s from the database's", "Synchronise the clocks (NTP).")


def workers() -> Finding:
    """Judge the workers by their progress, as the watchdog does."""
    state = queries.progress()
    if not state.ready:
        return Finding("workers", True, f"{state.workers} seen, nothing is waiting")
    now = timezone.now()
    reason = watchdog.stuck(state, now=now, pool_started_at=now - watchdog.OVERDUE)
    return Finding("workers", not reason, reason or "making progress", "Is `manage.py work` running?")


def connected_systems() -> Iterator[Finding]:
    """Test every connection."""
    for found in Connection.objects.select_related("environment__workspace"):
        diagnosis = connections.test(connection=found, actor="doctor", now=timezone.now())
        name = f"{found.environment}: {found.name}"
        yield Finding(name, diagnosis.ok, diagnosis.title, diagnosis.remedy)
