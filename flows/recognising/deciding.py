"""This module remembers what people decided of a customer and the records that were shown to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from flows import bulk
from flows.matching.answers import APART, NEW
from flows.models import Directory, KnownRecord, MatchDecision

_COLUMNS = (
    "connection_id", "object", "stripe_id", "record_id", "same", "findings", "others", "veto", "question",
    "decided_at", "decided_by",
)  # fmt: skip
_SAME_PAIR = """
(connection_id, object, stripe_id, record_id) DO UPDATE SET same = excluded.same,
    findings = excluded.findings, others = excluded.others, veto = excluded.veto,
    question = excluded.question, decided_at = excluded.decided_at, decided_by = excluded.decided_by
"""


def remember(connection_id: int, told: Mapping[str, Any], answer: str, *, actor: str, now: datetime) -> None:
    """
    Remember the answer to a question, in the caller's transaction; `told` is the question's evidence.

    A record that was chosen is the same, the others that were shown beside it are not. That a new record is
    made all the same says nothing about those that were shown. With each pair stands what the rule for sure
    likenesses goes by: what was found beside it, and why only a person could decide.
    """
    object_, customer = str(told.get("object") or ""), str(told.get("customer") or "")
    shown = told.get("candidates")
    if answer == NEW or not (object_ and customer and isinstance(shown, list)):
        return
    candidates = [one for one in shown if isinstance(one, Mapping) and one.get("id")]
    if answer != APART and answer not in {one["id"] for one in candidates}:
        return
    rows = [
        (
            connection_id, object_, customer, str(one["id"])[:18], one["id"] == answer,
            _plain(one.get("findings")), _others(told, one, candidates), str(one.get("veto") or "")[:20],
            str(told.get("question") or "")[:24], now, actor[:254],
        )
        for one in candidates
    ]  # fmt: skip
    bulk.insert(MatchDecision, _COLUMNS, rows, conflict=_SAME_PAIR, order_by=("record_id",))


def _plain(found: Any) -> list[list[Any]]:
    rows = found if isinstance(found, list) else []
    return [
        [str(row[0]), str(row[1]), float(row[2])] for row in rows if isinstance(row, list) and len(row) == 3
    ]


def _others(
    told: Mapping[str, Any], one: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]]
) -> list[list[list[Any]]] | None:
    """Return what was found of the others that are like it; nothing if the question does not say."""
    besides = told.get("besides")
    if not isinstance(besides, list):
        return None
    beside = [other.get("findings") for other in candidates if other["id"] != one["id"]]
    return [_plain(found) for found in (*beside, *besides)]


def known(directory: Directory, customers: Sequence[str]) -> dict[str, dict[str, bool]]:
    """
    Return what people said of customers: by customer and record, whether they are the same, the newest first.

    That a customer is a record which is gone since says nothing any more.
    """
    rows = _about(directory.connection_id, directory.object)
    there = KnownRecord.objects.filter(directory=directory, record_id=OuterRef("record_id"))
    rows = rows.filter(bulk.among("stripe_id", list(customers))).filter(Q(same=False) | Exists(there))
    found: dict[str, dict[str, bool]] = {}
    for customer, record, same in rows.values_list("stripe_id", "record_id", "same"):
        found.setdefault(customer, {})[record] = same
    return found


def chosen(directory: Directory, records: Sequence[str]) -> list[str]:
    """Return those of `records` of which people said that they are customers."""
    rows = _about(directory.connection_id, directory.object).filter(bulk.among("record_id", list(records)))
    return sorted(set(rows.filter(same=True).values_list("record_id", flat=True)))


def follow(connection_id: int, object_: str, survivors: Mapping[str, str]) -> None:
    """
    Let what people said of records hold for those into which they were merged.

    Where they had said the contrary of the two, neither counts any more: it is asked again.
    """
    if not survivors:
        return
    with transaction.atomic():
        rows = _about(connection_id, object_).filter(bulk.among("record_id", list(survivors)))
        for one in rows.select_for_update():
            after = survivors[one.record_id]
            others = _about(connection_id, object_).filter(stripe_id=one.stripe_id, record_id=after)
            other = others.first()
            if other is None:
                MatchDecision.objects.filter(pk=one.pk).update(record_id=after)
                continue
            one.delete()
            if other.same is not one.same:
                other.delete()


def _about(connection_id: int, object_: str) -> QuerySet[MatchDecision]:
    return MatchDecision.objects.filter(connection=connection_id, object=object_)
