"""This module holds interviews: it walks a Flow's elements and saves what they save, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from connectors.sandbox.salesforce.answers import Refused, refused
from connectors.sandbox.salesforce.flows import (
    Assign,
    Condition,
    CreateRecord,
    Decision,
    Flow,
    Lookup,
    Reference,
    Run,
    Subflow,
    UpdateRecord,
)
from connectors.sandbox.salesforce.ids import full_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.salesforce.flows import Element, Value
    from connectors.sandbox.salesforce.history import Flight
    from connectors.sandbox.salesforce.tables import Record, Table

MOST_ELEMENTS = 2_000  # executed in one interview, as in a real org
DEEPEST = 16
FAULT = "An unhandled fault has occurred in this flow"


Mark = tuple[int, int, int]


class Transaction(Protocol):
    """What an interview asks of the saves that it is a part of."""

    flight: Flight
    user_id: str

    @property
    def now(self) -> str:
        """Return the stamp of this second."""

    def table(self, name: str) -> Table:
        """Return the table of an object."""

    def flow(self, name: str) -> Flow | None:
        """Return the Flow of that name."""

    def triggered(self, object_: str, act: str) -> list[Flow]:
        """Return the Flows that a saved record may start."""

    def later(self, fact: Run) -> None:
        """Remember an interview once everything is settled."""

    def mark(self) -> Mark:
        """Return where the saves stand now."""

    def back_to(self, mark: Mark) -> None:
        """Take back every save since `mark`."""

    def made(self, table: Table, body: Mapping[str, Any]) -> Record | None:
        """Create a record, or publish an event."""

    def update(self, table: Table, record: Record, body: Mapping[str, Any], *, depth: int = 0) -> object:
        """Change a record."""


class Fault(Exception):
    """The interview ended with an error; everything that it saved is taken back."""


@dataclass(slots=True)
class Interview:
    """One run through a Flow."""

    flow: Flow
    saving: Transaction
    inputs: dict[str, Any]
    trigger: str
    table: Table | None = None
    record: Record | None = None
    depth: int = 0
    found: dict[str, Record | None] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)

    def hold(self) -> dict[str, Any]:
        """
        Walk the elements and return the output variables.

        :raises Fault: if an element fails; nothing of the interview remains
        """
        mark = self.saving.mark()
        self.variables = dict(self.inputs)
        self.saving.later(
            Run(
                self.flow.name,
                self.trigger,
                dict(self.inputs),
                self.saving.user_id,
                self.saving.flight.id,
                self.record.id if self.record else "",
            )
        )
        try:
            self._walk()
        except Refused as refusal:
            self.saving.back_to(mark)
            raise Fault(str(refusal)) from refusal
        except Fault:
            self.saving.back_to(mark)
            raise
        outputs = {v.name: self.variables.get(v.name) for v in self.flow.variables if v.is_output}
        return {**outputs, **self.flow.outputs}

    def _walk(self) -> None:
        if self.flow.fails:
            raise Fault(self.flow.fails)
        if self.depth > DEEPEST:
            raise Fault("Maximum flow depth exceeded")
        here = self.flow.start
        for _ in range(MOST_ELEMENTS):
            if not here:
                return
            element = self.flow.elements.get(here)
            if element is None:
                raise Fault(f"The flow has no element {here}")
            here = self._do(here, element)
        raise Fault("The number of iterations or executed flow elements exceeded the limit")

    def _do(self, name: str, element: Element) -> str:
        """Do what one element asks for, and return the name of the next."""
        match element:
            case Decision():
                return next(
                    (to for conditions, to in element.outcomes if self.fit(conditions)), element.otherwise
                )
            case Subflow():
                self._run_subflow(element)
            case Lookup():
                self.found[name] = self._find(element)
            case CreateRecord():
                table = self.saving.table(element.object)
                self.found[name] = self.saving.made(table, self._values(element.values))
            case UpdateRecord():
                if self.table is None or self.record is None:
                    raise Fault("There is no $Record to update")
                self.saving.update(
                    self.table, self.record, self._values(element.values), depth=self.depth + 1
                )
            case Assign():
                self.variables.update(self._values(element.values))
        return element.after

    def _run_subflow(self, element: Subflow) -> None:
        flow = self.saving.flow(element.flow)
        if flow is None or not flow.active:
            raise Fault(f"There is no active flow {element.flow}")
        inputs = self._values(element.inputs)
        Interview(flow, self.saving, inputs, "subflow", self.table, self.record, self.depth + 1).hold()

    def _find(self, element: Lookup) -> Record | None:
        table = self.saving.table(element.object)
        wanted = [(condition.left.path, self.value(condition.right)) for condition in element.filters]
        by_id = next((value for name, value in wanted if name == "Id"), None)
        if by_id is not None:
            record = table.records.get(full_id(by_id) or "")
            return record if record is not None and not record.deleted else None
        fits = (r for r in table.alive() if all(r.values.get(name) == value for name, value in wanted))
        return next(fits, None)

    def _values(self, values: Mapping[str, Value]) -> dict[str, Any]:
        return {name: self.value(value) for name, value in values.items()}

    def fit(self, conditions: tuple[Condition, ...]) -> bool:
        """Say whether all conditions hold."""
        return all(self._holds(condition) for condition in conditions)

    def _holds(self, condition: Condition) -> bool:
        left, right = self.value(condition.left), self.value(condition.right)
        if condition.operator == "IsNull":
            return (left is None) is bool(right)
        return (left == right) is (condition.operator == "EqualTo")

    def value(self, value: Value) -> Any:
        """Return a literal as it is, and what a reference stands for; null where there is nothing."""
        if not isinstance(value, Reference):
            return value
        head, _, rest = value.path.partition(".")
        if head == "$Flow":
            return {"CurrentDateTime": self.saving.now, "CurrentDate": self.saving.now[:10]}.get(rest)
        if head == "$Record":
            return self.record.values.get(rest) if self.record else None
        if head in self.found:
            record = self.found[head]
            return record if not rest else (record.values.get(rest) if record else None)
        return self.variables.get(head)


def fire(saving: Transaction, table: Table, record: Record, before: Mapping[str, Any], *, depth: int) -> None:
    """
    Hold the interviews that a saved record starts; `before` are its old values, none if it is new.

    :raises Refused: if one of them fails, with the words of the save that it stops
    """
    name = table.shape.object.name
    table = saving.table(name)  # Flows see everything, whatever the user may see
    for flow in saving.triggered(name, "update" if before else "create"):
        interview = Interview(flow, saving, {}, "record", table, record, depth)
        if not _starts(flow, interview, before):
            continue
        try:
            interview.hold()
        except Fault as fault:
            message = (
                f"We can't save this record because the “{flow.label}” process failed. Give your Salesforce"
                f" admin these details. {fault}"
            )
            raise refused("CANNOT_EXECUTE_FLOW_TRIGGER", message, dml=True) from fault


def _starts(flow: Flow, interview: Interview, before: Mapping[str, Any]) -> bool:
    trigger = flow.trigger
    assert trigger is not None
    if not interview.fit(trigger.filters):
        return False
    if not trigger.only_when_changed or not before:
        return True
    return any(
        before.get(_field(condition)) != interview.value(condition.left) for condition in trigger.filters
    )


def _field(condition: Condition) -> str:
    return condition.left.path.removeprefix("$Record.")
