"""This module stands in the way of saving: validation rules, locked rows, bodies that spoil a whole call."""

from __future__ import annotations

import operator
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.answers import Answer, Problem, Refused, as_html, as_json, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.salesforce.shapes import Shape

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": lambda held, given: str(given) in str(held),
}
OPERATORS = (*COMPARE, "blank", "present")
FIRED_KEPT = 10_000


@dataclass(slots=True)
class Rule:
    """A validation rule: saving a record is refused while the comparison is true of it."""

    object: str
    field: str
    operator: str
    value: Any
    message: str
    code: str = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    error_field: str = ""  # empty: the message stands at the top of the page, and names no field
    id: int = 0
    fired: int = 0

    def hits(self, values: Mapping[str, Any]) -> bool:
        """Say whether the rule refuses a record with these values."""
        held = values.get(self.field)
        if self.operator == "blank":
            return held is None
        if self.operator == "present":
            return held is not None
        if held is None:
            return self.operator == "!=" and self.value is not None
        if self.value is None:
            return self.operator == "!="
        return COMPARE[self.operator](held, self.value)

    def problem(self) -> Problem:
        """Return what the rule says about a record that it refuses."""
        return Problem(self.code, self.message, (self.error_field,) if self.error_field else ())

    def as_json(self) -> dict[str, Any]:
        """Return the rule with its count as a JSON object."""
        return {
            "id": self.id,
            "object": self.object,
            "field": self.field,
            "operator": self.operator,
            "value": self.value,
            "message": self.message,
            "code": self.code,
            "error_field": self.error_field,
            "fired": self.fired,
        }


@dataclass(slots=True)
class Lock:
    """Rows that others hold: saves of matching records fail by seeded luck or on the n-th match."""

    object: str = ""
    external_id: str = ""
    probability: float = 1.0
    nth: int | None = None
    times: int | None = None
    seed: int = 1
    id: int = 0
    seen: int = 0
    fired: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.dice.seed(self.seed)

    def hits(self, object_: str, external_id: str | None) -> bool:
        """Count a save and say whether the row is held."""
        if self.object not in {"", object_} or self.external_id not in {"", external_id}:
            return False
        self.seen += 1
        luck = self.dice.random()
        if self.times is not None and self.fired >= self.times:
            return False
        if self.nth is not None and self.seen < self.nth:
            return False
        if self.nth is not None and self.times is None and self.seen > self.nth:
            return False
        if luck >= self.probability:
            return False
        self.fired += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """Return the lock with its counts as a JSON object."""
        names = ("id", "object", "external_id", "probability", "nth", "times", "seed", "seen", "fired")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Poison:
    """A text that spoils every call in whose body it stands: all of it is refused, and nothing is done."""

    text: str
    code: str = "JSON_PARSER_ERROR"  # empty: a page, as of a proxy
    message: str = "Unexpected character at [line:1, column:1]"
    status: int = 400
    times: int | None = None
    id: int = 0
    fired: int = 0

    def spoils(self, body: bytes) -> bool:
        """Count a call that holds the text, and say whether it is refused."""
        if self.text.encode() not in body or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True

    def answer(self) -> Answer:
        """Return the refusal of a whole call."""
        if not self.code:
            return as_html(f"<html><body>{self.status}</body></html>", self.status)
        return as_json([{"errorCode": self.code, "message": self.message}], self.status)

    def as_json(self) -> dict[str, Any]:
        """Return the poison with its count as a JSON object."""
        return {name: getattr(self, name) for name in ("id", "text", "code", "status", "times", "fired")}


@dataclass(slots=True)
class Obstacles:
    """The rules, locks and poisons in force, and what they refused."""

    rules: list[Rule] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)
    poisons: list[Poison] = field(default_factory=list)
    fired: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=FIRED_KEPT))
    _last_id: int = 0

    def add_rule(self, data: dict[str, Any], shape: Shape) -> Rule:
        """
        Add the rule that a JSON object describes.

        :raises ValueError: if it is not a rule
        :raises Refused: if the object has no such field
        """
        known = shape.field(str(data.get("field", "")))
        operator_ = str(data.get("operator", "="))
        if operator_ not in OPERATORS:
            raise ValueError(f"The operator of a rule is one of {', '.join(OPERATORS)}")
        self._last_id += 1
        rule = Rule(
            object=shape.object.name,
            field=known.name,
            operator=operator_,
            value=shape.value_of(known, data.get("value")),
            message=str(data.get("message", "This is not allowed here.")),
            code=str(data.get("code", "FIELD_CUSTOM_VALIDATION_EXCEPTION")),
            error_field=str(data.get("error_field", known.name)),
            id=self._last_id,
        )
        self.rules.append(rule)
        return rule

    def add_lock(self, data: dict[str, Any]) -> Lock:
        """
        Add the lock that a JSON object describes.

        :raises TypeError: if it has a key that a lock has not
        """
        self._last_id += 1
        lock = Lock(**data)
        lock.id = self._last_id
        self.locks.append(lock)
        return lock

    def add_poison(self, data: dict[str, Any]) -> Poison:
        """
        Add the poison that a JSON object describes.

        :raises TypeError: if it has a key that a poison has not, or no text
        """
        self._last_id += 1
        poison = Poison(**data)
        poison.id = self._last_id
        self.poisons.append(poison)
        return poison

    def spoiled(self, body: bytes) -> Answer | None:
        """Return the refusal of a call with this body, or None if nothing spoils it."""
        return next((poison.answer() for poison in self.poisons if poison.spoils(body)), None)

    def check(self, object_: str, id18: str, external_id: str | None, values: Mapping[str, Any]) -> None:
        """
        Let a save pass or refuse it.

        :raises Refused: if the row is locked or rules are broken
        """
        for lock in self.locks:
            if lock.hits(object_, external_id):
                self._note("lock", lock.id, object_, id18, external_id)
                message = f"unable to obtain exclusive access to this record or 1 records: {id18}"
                raise refused("UNABLE_TO_LOCK_ROW", message, dml=True)
        broken = [rule for rule in self.rules if rule.object == object_ and rule.hits(values)]
        for rule in broken:
            rule.fired += 1
            self._note("rule", rule.id, object_, id18, external_id)
        if broken:
            raise Refused(*(rule.problem() for rule in broken))

    def clear(self) -> None:
        """Remove every rule, lock and poison."""
        self.rules.clear()
        self.locks.clear()
        self.poisons.clear()
        self.fired.clear()

    def _note(self, kind: str, number: int, object_: str, id18: str, external_id: str | None) -> None:
        self.fired.append(
            {"kind": kind, "number": number, "object": object_, "id": id18, "external_id": external_id}
        )
