"""This module keeps the audit trail: a chain of hashes per workspace that shows every later change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import connection

from integrator.accounts.models import AuditEntry, Workspace
from integrator.kernel.redact import redact

log = structlog.get_logger(__name__)

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Break:
    """The first place at which a workspace's chain no longer holds."""

    workspace: str
    position: int
    reason: str


def record(
    *,
    workspace: Workspace,
    actor: str,
    action: str,
    target: str = "",
    details: Mapping[str, Any] | None = None,
    now: datetime,
) -> AuditEntry:
    """
    Append one act to the chain of `workspace`, in the transaction of the act itself.

    :raises RuntimeError: outside a transaction, because the act and its entry must live or die together
    """
    if not connection.in_atomic_block:
        raise RuntimeError("An audit entry is written in the transaction of the act that it tells of.")
    # The lock makes positions gapless; it spares the key, so that rows which refer to the workspace can be
    # inserted meanwhile. SQLite needs none: its transactions begin IMMEDIATE and have the one write lock.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    last = AuditEntry.objects.filter(workspace=workspace).order_by("-position").first()
    entry = AuditEntry(
        workspace=workspace,
        position=last.position + 1 if last else 1,
        at=now,
        actor=_plain_text(actor, 254),
        action=action,
        target=_plain_text(target, 200),
        details=_plain(redact(dict(details or {}))),
        previous_hash=last.hash if last else "",
    )
    entry.hash = digest(entry)
    entry.save(force_insert=True)
    # The log leaves the host, so the head of the chain is also kept where no database user can reach it.
    log.info("audit", workspace=workspace.slug, position=entry.position, action=action, head=entry.hash)
    return entry


def digest(entry: AuditEntry) -> str:
    """Return the hash that `entry` must carry: of the one before it and of everything that it says."""
    said = {
        "workspace": entry.workspace_id,
        "position": entry.position,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "details": entry.details,
    }
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{entry.previous_hash}\n{canonical}".encode()).hexdigest()


def verify(*, workspace: Workspace, heads: Mapping[int, str] | None = None) -> Break | None:
    """
    Return the first break in the chain of `workspace`, None if it holds from end to end.

    `heads` are hashes by position that were noted elsewhere. Only they can show that the newest
    entries were cut off, since a shorter chain is a valid one.
    """
    heads = dict(heads or {})
    previous = ""
    for position, entry in enumerate(_chain(workspace), start=1):
        reason = _fault(entry, position=position, previous=previous, head=heads.pop(position, None))
        if reason:
            return Break(workspace.slug, position, reason)
        previous = entry.hash
    if heads:
        return Break(workspace.slug, min(heads), "This entry was here once and is missing now.")
    return None


def head(*, workspace: Workspace) -> tuple[int, str]:
    """Return the position and the hash of the newest entry, (0, "") if there is none."""
    last = AuditEntry.objects.filter(workspace=workspace).order_by("-position").first()
    return (last.position, last.hash) if last else (0, "")


def _chain(workspace: Workspace) -> Iterator[AuditEntry]:
    entries = AuditEntry.objects.filter(workspace=workspace).order_by("position")
    return entries.iterator(chunk_size=2000)


def _fault(entry: AuditEntry, *, position: int, previous: str, head: str | None) -> str:
    if entry.position != position:
        return f"An entry is missing: position {entry.position} stands where {position} should."
    if entry.previous_hash != previous:
        return "The entry does not follow the one before it."
    if entry.hash != digest(entry):
        return "The entry does not say what it said when it was written."
    if head is not None and entry.hash != head:
        return "The entry is another one than was noted elsewhere."
    return ""


def _plain_text(text: str, most: int) -> str:
    # PostgreSQL takes neither NUL nor half of a surrogate pair.
    clean = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-8", "replace").decode("utf-8")[:most]


def _plain(value: Any) -> Any:
    """Return `value` in the kinds of JSON that both databases give back exactly as they got them."""
    match value:
        case None | bool() | int():
            return value
        case Mapping():
            return {_plain_text(str(key), 200): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return _plain_text(str(value), 10_000)
