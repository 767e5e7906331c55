"""
This module is the simulated Salesforce org: its records, the Flows that are started, and calls that fail.

A call may be refused, carried out without an answer, or carried out minutes after everybody gave it up.
The org remembers how often each effect happened: that is what the invariants ask it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrator.kernel.errors import IntegrationError, Missing, Refused, Transient, Uncertain
from tests.simulation.hub import Hub, Killed
from tests.simulation.stripe import ACCOUNT_ID

Params = Mapping[str, Any]
Result = dict[str, Any] | IntegrationError

# A call that was begun is over by then, whether or not somebody waits: Salesforce ends transactions after
# ten minutes, and a process that stands still longer than that has lost its connection.
LONGEST_CALL = 590.0
_USUAL = 0.4  # seconds
_SENT = 0.5  # how often a process that dies at its call has sent it
_PERIL = 3.0  # nowhere is it worse to die than around a call


class Org:
    """What stands in Salesforce."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.records: dict[str, dict[str, Any]] = {  # by object and external id, or record id
            f"Account:{ACCOUNT_ID}": {"Id": ACCOUNT_ID}
        }
        self.made: Counter[str] = Counter()  # how often each effect happened, by its occurrence
        self.under_way = 0  # calls that everybody gave up and that will be carried out
        self.lacks: dict[str, IntegrationError] = {}  # what it says of fields that it has not
        self.refused = ""  # the external id of the one record that it never takes
        self.overlaps: list[str] = []  # records that two workers wrote at one time
        self.calls = 0
        self._writing: Counter[str] = Counter()
        self._actions: dict[str, Callable[[Params], Result]] = {
            "upsert": self._upsert,
            "update": self._update,
            "start_flow": self._start,
            "find_start": self._find_start,
        }

    def call(self, action: str, requests: Sequence[Params]) -> list[Result]:
        """
        Carry `requests` out, or not, and return what the caller is told.

        :raises Killed: if the caller's process dies meanwhile
        """
        hub = self._hub
        self.calls += 1
        begun = hub.seconds
        targets = [_target(request) for request in requests] if action in {"upsert", "update"} else []
        try:
            hub.step(f"send {action}", longest=LONGEST_CALL - _USUAL, peril=_PERIL)
        except Killed:
            if hub.dice.random() < _SENT:
                self._later(action, requests, LONGEST_CALL)
            raise
        for target in targets:
            self._writing[target] += 1
            if self._writing[target] > 1:
                self.overlaps.append(target)
        try:
            hub.sleep(_USUAL * hub.dice.random())
            results = self._carry_out(action, requests, at_most=begun + LONGEST_CALL - hub.seconds)
        finally:
            self._writing.subtract(targets)
        hub.step(f"answer {action}", peril=_PERIL)
        return results

    def _carry_out(self, action: str, requests: Sequence[Params], *, at_most: float) -> list[Result]:
        dice, faults = self._hub.dice, self._hub.faults
        if dice.chance(faults.server_error):
            return [Transient("Salesforce is down", code="unavailable") for _ in requests]
        if dice.chance(faults.late_write):
            self._later(action, requests, at_most)
            return [Uncertain("No answer within the deadline", code="timeout") for _ in requests]
        results = [self._one(action, request) for request in requests]
        if dice.chance(faults.lost_reply):
            return [Uncertain("The answer was lost", code="unanswered") for _ in requests]
        return results

    def _later(self, action: str, requests: Sequence[Params], at_most: float) -> None:
        """Carry out what everybody gave up: at any time for as long as Salesforce may work on a call."""

        def land() -> None:
            self.under_way -= 1
            for request in requests:
                self._actions[action](request)
            self._hub.note("landed late")

        self.under_way += 1
        self._hub.at(self._hub.dice.random() * at_most, land)

    def _one(self, action: str, request: Params) -> Result:
        if self._hub.dice.chance(self._hub.faults.row_lock):
            return Transient("The row is locked", code="UNABLE_TO_LOCK_ROW")
        return self._actions[action](request)

    def _upsert(self, request: Params) -> Result:
        target = _target(request)
        lacked = [failure for name, failure in self.lacks.items() if name in request["values"]]
        if lacked:
            return lacked[0]
        if self.refused and request["external_id"] == self.refused:
            return Refused("The line is not wanted", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
        if request["object"] == "Payment__c" and self._hub.dice.chance(self._hub.faults.refusal):
            return Refused("The month is closed", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
        created = target not in self.records
        field, key = request["external_id_field"], request["external_id"]
        record = self.records.setdefault(target, {field: key, "Id": f"a00{len(self.records):015d}"})
        record.update(request["values"])
        if created and request["object"] == "Integration_Effect__c":
            # A record-triggered Flow does what the record asks for, when it is created.
            self._start(json.loads(record["Payload__c"]))
        return {"id": record["Id"], "created": created}

    def _update(self, request: Params) -> Result:
        record = self.records.get(_target(request))
        if record is None:
            return Refused("There is no such record", code="ENTITY_IS_DELETED")
        record.update(request["values"])
        return {"id": record["Id"], "created": False}

    def _start(self, request: Params) -> Result:
        self.made[str(request["inputs"]["occurrence"])] += 1
        return {"id": f"interview {self.made.total()}"}

    def _find_start(self, request: Params) -> Result:
        if self.made[request["occurrence"]]:
            return {"id": "found"}
        return Missing("It has not been started")


def _target(request: Params) -> str:
    return f"{request['object']}:{request.get('external_id') or request.get('id')}"
