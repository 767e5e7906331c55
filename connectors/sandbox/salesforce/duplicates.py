"""This module holds the org's duplicate rules: they refuse a record that looks like one that is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.salesforce.tables import Record, Table

ACTIONS = ("block", "alert")
MESSAGE = "Use one of these records?"


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    What the caller says about duplicates.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_duplicaterules.htm
    """

    allow_save: bool = False
    include_details: bool = False


def wishes_in(header: str) -> Wishes:
    """Return what a `Sforce-Duplicate-Rule-Header` says."""
    parts = dict(part.strip().partition("=")[::2] for part in header.replace(",", ";").split(";"))
    told = {name.strip().lower(): value.strip().lower() == "true" for name, value in parts.items()}
    return Wishes(told.get("allowsave", False), told.get("includerecorddetails", False))


@dataclass(slots=True)
class DuplicateRule:
    """A rule: records of `object` are duplicates of those of `matches` when all `fields` are the same."""

    name: str
    object: str
    fields: tuple[str, ...]
    matches: str
    action: str = "block"  # alert: the caller may save all the same
    told: bool = True  # whether the refusal names the matches; some do not
    fired: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the rule with its count as a JSON object."""
        names = ("name", "object", "fields", "matches", "action", "told", "fired")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class DuplicateRules:
    """The rules in force."""

    rules: list[DuplicateRule] = field(default_factory=list)

    def add(self, data: Mapping[str, Any], tables: Mapping[str, Table]) -> DuplicateRule:
        """
        Add the rule that a JSON object describes.

        :raises KeyError: if an object is not there
        :raises ValueError: if it is not a rule
        :raises Refused: if an object has no such field
        """
        object_ = str(data.get("object", ""))
        matches = str(data.get("matches", object_))
        action = str(data.get("action", "block"))
        if action not in ACTIONS:
            raise ValueError(f"The action of a duplicate rule is one of {', '.join(ACTIONS)}")
        names = [str(name) for name in data.get("fields") or ()]
        if not names:
            raise ValueError("A duplicate rule compares at least one field")
        fields = tuple(tables[object_].shape.field(name).name for name in names)
        for name in names:
            tables[matches].shape.field(name)
        default = f"Standard_{object_}_Duplicate_Rule"
        rule = DuplicateRule(
            str(data.get("rule", default)), object_, fields, matches, action, bool(data.get("told", True))
        )
        self.rules.append(rule)
        return rule

    def check(
        self,
        tables: Mapping[str, Table],
        table: Table,
        record: Record | None,
        values: Mapping[str, Any],
        wishes: Wishes,
    ) -> None:
        """
        Let a record pass, or refuse it because of its duplicates.

        :raises Refused: if there are any, and the caller may not or will not save them
        """
        for rule in self.rules:
            if rule.object != table.shape.object.name or not _touched(rule, record, values):
                continue
            found = _matches(rule, tables, record, values)
            if not found or (wishes.allow_save and rule.action == "alert"):
                continue
            rule.fired += 1
            told = _result(rule, tables[rule.matches], found, wishes)
            raise Refused(Problem("DUPLICATES_DETECTED", MESSAGE, details={"duplicateResult": told}))


def _touched(rule: DuplicateRule, record: Record | None, values: Mapping[str, Any]) -> bool:
    return record is None or any(record.values.get(name) != values.get(name) for name in rule.fields)


def _matches(
    rule: DuplicateRule, tables: Mapping[str, Table], record: Record | None, values: Mapping[str, Any]
) -> list[Record]:
    wanted = [_comparable(values.get(name)) for name in rule.fields]
    if None in wanted:
        return []
    return [
        other
        for other in tables[rule.matches].alive()
        if other is not record and [_comparable(other.values.get(name)) for name in rule.fields] == wanted
    ]


def _comparable(value: Any) -> Any:
    return value.strip().casefold() if isinstance(value, str) else value


def _result(rule: DuplicateRule, table: Table, found: list[Record], wishes: Wishes) -> dict[str, Any]:
    """Return the details in the shape of the API, of which clients read the ids of the matches."""
    name = table.shape.object.name
    matches = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": _shown(name, record, rule, wishes),
        }
        for record in found
    ]
    return {
        "allowSave": rule.action == "alert",
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": rule.object,
        "errorMessage": MESSAGE,
        "matchResults": [
            {
                "entityType": name,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": matches,
                "rule": f"Standard_{name}_Match_Rule",
                "size": len(matches),
                "success": True,
            }
        ]
        if rule.told
        else [],
    }


def _shown(name: str, record: Record, rule: DuplicateRule, wishes: Wishes) -> dict[str, Any]:
    address = f"/services/data/v67.0/sobjects/{name}/{record.id}"
    more = {field: record.values.get(field) for field in rule.fields} if wishes.include_details else {}
    return {"attributes": {"type": name, "url": address}, "Id": record.id, **more}
