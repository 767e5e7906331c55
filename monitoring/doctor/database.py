"""This module examines the database: whether it answers, fits this version, and keeps what is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from flows import lanes
from flows.models import Event
from integrator.kernel.redact import redact_text
from monitoring.doctor.findings import Finding, broken, warning, well
from monitoring.doctor.look import Look

NAME, KEPT, CLOCK = "database", "durability", "clock"
OLDEST_POSTGRESQL = 15
CROWDED = 0.8  # of the connections that PostgreSQL allows

# Leases are judged by the database's clock and webhooks by ours, which Stripe's may differ from by 300 s.
APART = timedelta(seconds=5)
FAR_APART = timedelta(seconds=60)
NEWEST = 200  # events whose times are compared
SYNCHRONISE = "Synchronise the clocks of all hosts (NTP)."


def answers(look: Look) -> Finding:
    """Connect to the database."""
    try:
        connection.ensure_connection()
        version = _version()
    except (DatabaseError, InterfaceError) as failure:
        said = " ".join(redact_text(str(failure)).split())
        return broken(
            NAME, said or "does not answer", "Check DATABASE_URL, and that the database is running."
        )
    return well(NAME, f"{connection.display_name} {version} answers")


def _version() -> str:
    query = "SELECT sqlite_version()" if settings.SQLITE else "SELECT current_setting('server_version')"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0])


def migrated(look: Look) -> Finding:
    """Tell whether the database has the tables of this version."""
    pending = _pending()
    if pending:
        named = ", ".join(pending[:3]) + (" and more" if len(pending) > 3 else "")
        return broken("migrations", f"{len(pending)} to apply: {named}", "Run manage.py migrate.")
    return well("migrations", "applied")


def _pending() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def durability(look: Look) -> Iterator[Finding]:
    """Tell whether a webhook that was acknowledged would survive that the machine fails."""
    yield from _sqlite() if settings.SQLITE else _postgresql()


def _sqlite() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        journal, synchronous = (
            cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        )
    if str(journal).lower() != "wal":
        yield broken(
            KEPT,
            f"the journal mode is {journal}, so readers and writers stop each other",
            "Put the file on a local disk: write-ahead logging (WAL) does not work on network drives.",
        )
    elif int(synchronous) < 2:
        yield broken(
            KEPT,
            "what is committed is not written to the disk at once",
            "Let SQLite be synchronous=FULL: what Stripe was told is kept must be kept.",
        )
    else:
        yield well(KEPT, "SQLite with a write-ahead log, written to the disk at each commit")


def _postgresql() -> Iterator[Finding]:
    asked = ("fsync", "synchronous_commit", "full_page_writes", "server_version_num", "max_connections")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT array_agg(current_setting(name) ORDER BY place)"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS asked(name, place)), pg_is_in_recovery(),"
            # Of sessions of others pg_stat_activity tells an ordinary user nothing; this counts them too.
            " (SELECT sum(numbackends)::int FROM pg_stat_database)",
            [list(asked)],
        )
        found, standby, used = cursor.fetchone()
    set_to = dict(zip(asked, found, strict=True))
    off = [name for name in asked[:3] if set_to[name] == "off"]
    if standby:
        yield broken(
            KEPT, "this is a standby, so nothing can be written", "Let DATABASE_URL name the primary."
        )
    elif off:
        yield broken(
            KEPT,
            f"{', '.join(off)} off: what was acknowledged may be lost when the machine fails",
            "Switch it on in PostgreSQL.",
        )
    else:
        yield well(KEPT, "written to the disk at each commit")
    if int(set_to["server_version_num"]) < OLDEST_POSTGRESQL * 10_000:
        yield broken(
            NAME, "PostgreSQL is too old", f"Use PostgreSQL {OLDEST_POSTGRESQL} or newer.", about="version"
        )
    most = int(set_to["max_connections"])
    if used > CROWDED * most:
        yield warning(
            NAME,
            f"{used} of {most} connections are taken",
            "Raise max_connections, or put a pooler in session mode between.",
            about="connections",
        )


def clock(look: Look) -> Finding:
    """Compare this machine's clock with the database's, half of the way there and back taken off."""
    if settings.SQLITE:
        return well(CLOCK, "the database is on this machine")
    began, start = timezone.now(), time.monotonic()
    theirs = lanes.database_now()
    here = began + timedelta(seconds=(time.monotonic() - start) / 2)
    return judged(theirs - here, "the database's")


def clock_of_senders(look: Look) -> Finding:
    """
    Look for events that happened, by their sender's clock, after they were received by ours.

    The middle one of the newest is believed, since the simulated time of a test clock may be ahead of any.
    """
    about = "of Stripe and Salesforce"
    ours = {one.pk for one in look.connections}
    newest = Event.objects.order_by("-pk").values_list(
        "connection_id", "origin", "happened_at", "received_at"
    )
    ahead = [
        happened - received
        for of, origin, happened, received in newest[:NEWEST]
        if of in ours and origin == Event.Origin.LIVE and happened is not None
    ]
    if not ahead or (found := sorted(ahead)[len(ahead) // 2]) < APART:
        return well(CLOCK, "no event was received before it happened", about=about)
    return judged(found, "theirs, since events were received before they happened", about=about)


def judged(ahead: timedelta, whose: str, *, about: str = "") -> Finding:
    """Judge how far another clock is ahead of ours."""
    seconds = ahead.total_seconds()
    differs = f"ours is {abs(seconds):.1f} s {'behind' if seconds > 0 else 'ahead of'} {whose}"
    said = differs if abs(seconds) >= 0.1 else f"ours agrees with {whose}"
    if abs(ahead) >= FAR_APART:
        return broken(CLOCK, said, f"{SYNCHRONISE} Beyond 300 s webhooks are refused.", about=about)
    if abs(ahead) >= APART:
        return warning(CLOCK, said, SYNCHRONISE, about=about)
    return well(CLOCK, said, about=about)
