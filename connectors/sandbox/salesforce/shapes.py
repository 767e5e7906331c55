"""This module compiles an object into the fast checks that every write of its records goes through."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Problem, Refused, refused
from connectors.sandbox.salesforce.values import missing, rule_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.salesforce.fields import Field, SObject
    from connectors.sandbox.salesforce.values import Rule

    Resolver = Callable[[Field, Mapping[str, Any]], str]


class Shape:
    """An object, ready to check records: one closure per field, made once."""

    def __init__(self, thing: SObject, prefixes: dict[str, str]) -> None:
        self.object = thing
        self.prefixes = prefixes
        self.fields: dict[str, Field] = {field.name: field for field in thing.fields}
        self.lowered: dict[str, Field] = {field.name.lower(): field for field in thing.fields}
        self.relations: dict[str, Field] = {
            field.relationship.lower(): field for field in thing.fields if field.relationship
        }
        self.indexed = tuple(field for field in thing.fields if field.indexed)
        self.references = tuple(
            field for field in thing.fields if field.type == "reference" and field.createable
        )
        self.required = tuple(field.name for field in thing.fields if field.required)
        self.defaults: dict[str, Any] = {
            field.name: field.default for field in thing.fields if field.type != "id"
        }
        self._rules: dict[str, Rule] = {}
        self._create = {f.name: rule_for(f, prefixes) if f.createable else _closed(f) for f in thing.fields}
        self._update = {f.name: rule_for(f, prefixes) if f.updateable else _closed(f) for f in thing.fields}

    def changed(self, field: str, **change: Any) -> Shape:
        """
        Return the shape with one field changed or, with `remove`, without it.

        :raises Refused: if there is no such field
        """
        known = self.field(field)
        if change.pop("remove", False):
            fields = tuple(each for each in self.object.fields if each is not known)
        else:
            fields = tuple(replace(each, **change) if each is known else each for each in self.object.fields)
        return Shape(replace(self.object, fields=fields), self.prefixes)

    def field(self, name: str) -> Field:
        """
        Return the field called `name`, whatever its case.

        :raises Refused: if there is none that the integration's user may see
        """
        found = self.fields.get(name) or self.lowered.get(name.lower())
        if found is None:
            raise refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {self.object.name}")
        return found

    def value_of(self, field: Field, value: Any) -> Any:
        """
        Return `value` as `field` stores it, whether or not a client may write the field.

        :raises Refused: if it does not fit
        """
        rule = self._rules.get(field.name)
        if rule is None:
            rule = rule_for(replace(field, nillable=True), self.prefixes)
            self._rules[field.name] = rule
        return rule(value)

    def clean(self, body: Mapping[str, Any], resolve: Resolver, *, creating: bool) -> dict[str, Any]:
        """
        Return what a record stores for `body`.

        :raises Refused: with everything that is wrong, in the order of the body
        """
        rules = self._create if creating else self._update
        stored: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, value in body.items():
            rule = rules.get(name)
            try:
                if rule is not None:
                    stored[name] = rule(value)
                elif name != "attributes":
                    field = self._other(name, value)
                    given = resolve(field, value) if isinstance(value, dict) else value
                    stored[field.name] = rules[field.name](given)
            except Refused as refusal:
                problems.extend(refusal.problems)
        if creating:
            self._require(stored, problems)
        if problems:
            raise Refused(*_together(problems))
        return stored

    def _require(self, stored: dict[str, Any], problems: list[Problem]) -> None:
        told = {name for problem in problems for name in problem.fields or ()}
        absent = [name for name in self.required if stored.get(name) is None and name not in told]
        if absent and not any(problem.fields is None for problem in problems):
            problems.append(missing(*absent))

    def _other(self, name: str, value: object) -> Field:
        """Return the field that a name means which is not spelt as describe spells it."""
        related = self.relations.get(name.lower())
        if related is not None and isinstance(value, dict):
            return related
        return self.field(name)


def _closed(field: Field) -> Rule:
    """Return the rule of a field that may not be written: the refusal that Salesforce gives."""
    message = (
        f"Unable to create/update fields: {field.name}. Please check the security settings of this field and"
        " verify that it is read/write for your profile or permission set."
    )

    def refuse(value: Any) -> Any:
        raise refused("INVALID_FIELD_FOR_INSERT_UPDATE", message, field.name)

    return refuse


def _together(problems: list[Problem]) -> list[Problem]:
    """Return the problems with all missing fields told in one, as Salesforce does."""
    absent = [name for p in problems if p.code == "REQUIRED_FIELD_MISSING" for name in p.fields or ()]
    others = [problem for problem in problems if problem.code != "REQUIRED_FIELD_MISSING"]
    return [*others, missing(*absent)] if absent else others
