"""This module builds merges of records: one that was looked at, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from flows.models import MatchDecision, Merge, Pair

KEPT, LOST = "001gK000000700CQAQ", "001gK000000700DQAQ"
LONG = "Gesellschaft für die Verwaltung sehr langer Namen von Unternehmen mit beschränkter Haftung & Co. KG"


def looked_at(pair: Pair, hostile: str = "Acme Ltd") -> str:
    """Return the id of a merge that nobody has asked for yet."""
    before = {
        KEPT: {"Id": KEPT, "Name": LONG, "Phone": None, "Description": "A regular customer"},
        LOST: {"Id": LOST, "Name": hostile, "Phone": "+49 30 1234567", "Description": hostile},
    }
    kept = {"record": KEPT, "reason": "kept", "fixed": ""}
    merge = Merge(
        connection=pair.salesforce,
        object="Account",
        label="Account",
        master=KEPT,
        losers=[LOST],
        preset="keep",
        survivors=[
            {"field": "Name", "label": "Account Name", **kept},
            {"field": "Phone", "label": "Phone", "record": LOST, "reason": "only", "fixed": ""},
            {"field": "Description", "label": "Description", **kept},
            {"field": "Integration_Key__c", "label": "Integration Key", **kept, "fixed": "key"},
        ],
        children=[
            _children("Contact", "AccountId", 3),
            _children("Subscription_Contract__c", "Account__c", 12),
            _children("Order", "AccountId", 0, unknown="INSUFFICIENT_ACCESS: sObject type is not supported"),
        ],
        links=[_link("cus_NffrFeUfNV2Hib", LOST, moves=True), _link("cus_OldOne1234567", KEPT, moves=False)],
        actor="root@acme.test",
        created_at=timezone.now(),
    )
    merge.keep(before=before, sent={"Phone": "+49 30 1234567"})
    merge.save()
    return merge.public_id


def _children(name: str, field: str, count: int, unknown: str = "") -> dict[str, Any]:
    ids = {LOST: [f"00{number:016d}" for number in range(count)]} if count else {}
    return {"object": name, "field": field, "ids": ids, "more": False, "unknown": unknown}


def _link(stripe_id: str, record: str, *, moves: bool) -> dict[str, Any]:
    return {"id": 1, "stripe_id": stripe_id, "record": record, "moves": moves, "asks": moves}


def end(merge: str, state: str = "done") -> None:
    """Let a merge be over."""
    now = timezone.now()
    found = Merge.objects.get(public_id=merge)
    ok = state == "done"
    found.become(
        state=state,
        merged_at=now,
        ended_at=now,
        next_at=None,
        asked_by=found.asked_by or "root@acme.test",
        asked_at=found.asked_at or now - timedelta(seconds=5),
        failure="" if ok else "It has other values than were given in Phone",
        verified=[
            {"about": f"Account {LOST}", "says": "It is in the recycle bin.", "ok": True},
            {"about": "Contact.AccountId", "says": "All 3 refer to it.", "ok": ok},
        ],
    )


def told_apart(pair: Pair) -> None:
    """Let people have decided of two customers who are sure to be a record, and of one that it is not."""
    found = [["name", "exact", 0.0], ["email", "exact", 0.0]]
    for stripe_id, same in (("cus_NffrFeUfNV2Hib", True), ("cus_OldOne1234567", False)):
        MatchDecision.objects.create(
            connection=pair.salesforce, object="Account", stripe_id=stripe_id, record_id=KEPT, same=same,
            findings=found, others=[], decided_at=timezone.now(), decided_by="otto@acme.test",
        )  # fmt: skip


def build(pair: Pair, hostile: str) -> dict[str, str]:
    """Return the ids of a merge of each look."""
    told_apart(pair)
    dry, done, failed = (looked_at(pair, hostile) for _ in range(3))
    end(done)
    end(failed, "failed")
    return {"merge": dry, "merge_done": done, "merge_failed": failed}


def state_of(merge: str) -> str:
    """Return how a merge stands."""
    return Merge.objects.get(public_id=merge).state
