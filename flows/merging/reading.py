"""This module asks an org for what a merge is about: the records, and what refers to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.models import Connection
from flows import streams
from flows.survivors import Field, fields_of
from integrator.kernel import errors

AT_ONCE = 80  # fields of one query, whose address is bounded
MOST_CHILDREN = 2_000  # records of one look-up that are followed one by one
MOST_RELATIONS = 80  # look-ups that are asked for: each costs a call
IDS_AT_ONCE = 200

# What every record has, and what is shown of it beside its fields.
STAMPS = ("LastModifiedDate", "SystemModstamp", "CreatedDate")
_NAMES = ("Name", "LastName")
# Objects that list changes, shares and the like: they belong to their record, and are no records of people.
_ATTENDANTS = re.compile(r"(?:History|Feed|Share|ChangeEvent|Tag|TeamMember|Relation|__Tag)$")
_UNLISTED = frozenset(
    {
        "ActivityHistory", "AttachedContentDocument", "AttachedContentNote", "CombinedAttachment",
        "ContentDocumentLink", "ContentVersion", "DuplicateRecordItem", "EmailStatus", "EntitySubscription",
        "FlowOrchestrationWorkItem", "FlowRecordRelation", "NetworkActivityAudit", "NoteAndAttachment",
        "OpenActivity", "OutgoingEmail", "ProcessInstance", "ProcessInstanceHistory", "RecordAction",
        "RecordActionHistory", "TopicAssignment", "UserRole",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """A look-up of some object that leads to the records: "Contact.AccountId"."""

    object: str
    field: str


@dataclass(frozen=True, slots=True)
class Described:
    """What an org says of the object whose records are merged."""

    object: str
    label: str
    fields: Sequence[Field]
    relations: Sequence[Relation]
    left_out: int = 0  # relations beyond the most that are asked for


@dataclass(frozen=True, slots=True)
class Children:
    """The records that refer to those merged by one look-up; `unknown` says why they are not known."""

    relation: Relation
    ids: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by what they refer to
    more: bool = False  # there are more than are followed one by one
    unknown: str = ""

    @property
    def count(self) -> int:
        """Return how many there are, as far as they are known."""
        return sum(map(len, self.ids.values()))

    def as_json(self) -> dict[str, Any]:
        """Return it as a merge keeps it."""
        return {
            "object": self.relation.object,
            "field": self.relation.field,
            "ids": {record: list(ids) for record, ids in self.ids.items()},
            "more": self.more,
            "unknown": self.unknown,
        }


def describe(connection: Connection, object_: str) -> Described:
    """
    Return what the org says of an object, as it is now.

    :raises IntegrationError: if it does not tell
    """
    told = streams.ask(connection, "describe", {"object": object_})
    relations = list(dict.fromkeys(_relations(told.get("childRelationships"))))
    return Described(
        object=str(told.get("name") or object_),
        label=str(told.get("label") or object_),
        fields=fields_of(told),
        relations=relations[:MOST_RELATIONS],
        left_out=max(0, len(relations) - MOST_RELATIONS),
    )


def _relations(told: Any) -> Iterator[Relation]:
    for one in told if isinstance(told, list) else ():
        if not isinstance(one, Mapping) or one.get("deprecatedAndHidden") or not one.get("relationshipName"):
            continue
        name, by = str(one.get("childSObject") or ""), str(one.get("field") or "")
        if not name or not by or by == "MasterRecordId":
            continue
        if name not in _UNLISTED and not _ATTENDANTS.search(name):
            yield Relation(name, by)


def records(connection: Connection, described: Described, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """
    Return the records `ids` with every field that is compared, by id; those that are gone are left out.

    :raises IntegrationError: if the org does not tell
    """
    names = [one.name for one in described.fields]
    chunks = [names[start : start + AT_ONCE] for start in range(0, max(1, len(names)), AT_ONCE)]
    requests = [
        _query(["Id", *STAMPS, *(n for n in chunk if n not in STAMPS)], described.object, "Id", ids)
        for chunk in chunks
    ]
    found: dict[str, dict[str, Any]] = {}
    for answer in streams.ask_many(connection, "query", requests):
        if isinstance(answer, errors.IntegrationError):
            raise answer
        for row in answer["records"]:
            found.setdefault(str(row["Id"]), {}).update(row)
    return found


def children(connection: Connection, described: Described, ids: Sequence[str]) -> list[Children]:
    """
    Return what refers to the records `ids`, look-up by look-up, those without any left out.

    Where the integration user may not ask, it says so instead.
    """
    requests = [
        _query(["Id", one.field], one.object, one.field, ids, f" ORDER BY Id LIMIT {MOST_CHILDREN + 1}")
        for one in described.relations
    ]
    answers = streams.ask_many(connection, "query", requests) if requests else []
    pairs = zip(described.relations, answers, strict=True)
    found = [_children(one, answer, ids) for one, answer in pairs]
    return [one for one in found if one.count or one.unknown]


def _children(relation: Relation, answer: Any, own: Sequence[str]) -> Children:
    """Return what an answer lists; that one of the records themselves refers to another is a value of it."""
    if isinstance(answer, errors.IntegrationError):
        if isinstance(answer, (errors.RateLimited, errors.Transient, errors.Unauthorized)):
            raise answer
        return Children(relation, unknown=f"{answer.code}: {answer}"[:200])
    by_record: dict[str, list[str]] = {}
    rows = answer["records"]
    for row in rows[:MOST_CHILDREN]:
        if str(row["Id"]) in own:
            continue
        by_record.setdefault(str(row.get(relation.field)), []).append(str(row["Id"]))
    return Children(relation, by_record, more=len(rows) > MOST_CHILDREN)


def where(connection: Connection, relation: Relation, ids: Sequence[str]) -> dict[str, str]:
    """
    Return to what each of the records `ids` refers now, by id; those that are gone are left out.

    :raises IntegrationError: if the org does not tell
    """
    parts = [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
    found: dict[str, str] = {}
    for answer in streams.ask_many(
        connection, "query", [_query(["Id", relation.field], relation.object, "Id", part) for part in parts]
    ):
        if isinstance(answer, errors.IntegrationError):
            raise answer
        found |= {str(row["Id"]): str(row.get(relation.field) or "") for row in answer["records"]}
    return found


def became(connection: Connection, object_: str, ids: Sequence[str]) -> dict[str, str]:
    """
    Return into which record each of `ids` was merged, by id; those that were not are left out.

    :raises IntegrationError: if the org does not tell
    """
    answer = streams.ask(connection, "merged", {"object": object_, "ids": list(ids)})
    return dict(answer["merged"])


def name_of(record: Mapping[str, Any]) -> str:
    """Return what people call a record."""
    first = str(record.get("FirstName") or "")
    told = next((str(record[name]) for name in _NAMES if record.get(name)), str(record.get("Id") or ""))
    return f"{first} {told}".strip() if record.get("LastName") and not record.get("Name") else told


def _query(
    names: Sequence[str], object_: str, by: str, ids: Sequence[str], behind: str = ""
) -> dict[str, Any]:
    soql = " ".join(("SELECT", ", ".join(names), "FROM", object_, "WHERE", by, "IN {ids}")) + behind
    return {"soql": soql, "bindings": {"ids": list(ids)}}
