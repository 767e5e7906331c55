"""
This module asks once for what many runs look for by the id of a record.

A thousand accounts that change at once would cost a thousand queries, each a call that the org counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from flows.engine.ports import Params, Result
from flows.steps.ids import record_id_in
from integrator.kernel import canonical
from integrator.kernel.errors import IntegrationError, Refused

IDS = 300  # of records in one query, which has to fit into an address
MOST = 2_000  # records of one query, of which the org may return more in a second page

Bindings = Mapping[str, Any]
Ask = Callable[[Sequence[Params]], Sequence[Result]]


class Together:
    """
    One query of many records, by a field that holds the id of another.

    `several` is the query with a list behind IN in the place `name`, and without a limit; its records bring
    `field` along, whether or not the step asks for it.
    """

    def __init__(self, *, single: str, several: str, name: str, field: str, extra: bool, most: int) -> None:
        self._single = single
        self._several = f"{several} LIMIT {MOST}"
        self._name = name
        self._field = field
        self._extra = extra  # whether the field is not among those that the step asks for
        self._most = most  # records for one id

    def ask(self, wanted: Sequence[Bindings], ask: Ask) -> list[Result]:
        """
        Return for each of `wanted` what its own query would have found, in order.

        What cannot be told apart for certain is asked for one by one: values that are no ids with checksums,
        answers that may not be whole, and refusals, which may concern one value alone.
        """
        found: dict[int, Result] = {}
        groups = list(self._groups(wanted))
        answers = ask([self._request(wanted, places) for places in groups]) if groups else []
        for places, answer in zip(groups, answers, strict=True):
            found.update(self._shared_out(wanted, places, answer))
        left = [place for place in range(len(wanted)) if place not in found]
        if left:
            alone = ask([{"soql": self._single, "bindings": wanted[place]} for place in left])
            found.update(zip(left, alone, strict=True))
        return [found[place] for place in range(len(wanted))]

    def _groups(self, wanted: Sequence[Bindings]) -> Iterator[list[int]]:
        """Yield the places of those that differ in the id alone, at most `IDS` at a time and at least two."""
        alike: dict[bytes, list[int]] = defaultdict(list)
        for place, bindings in enumerate(wanted):
            if _is_id(bindings[self._name]):
                others = {name: value for name, value in bindings.items() if name != self._name}
                alike[canonical.dumps(others)].append(place)
        for places in alike.values():
            for start in range(0, len(places), IDS):
                if len(part := places[start : start + IDS]) > 1:
                    yield part

    def _request(self, wanted: Sequence[Bindings], places: Sequence[int]) -> Params:
        ids = [wanted[place][self._name] for place in places]
        return {"soql": self._several, "bindings": {**wanted[places[0]], self._name: ids}}

    def _shared_out(
        self, wanted: Sequence[Bindings], places: Sequence[int], answer: Result
    ) -> Iterable[tuple[int, Result]]:
        if isinstance(answer, IntegrationError):
            return [] if isinstance(answer, Refused) else [(place, answer) for place in places]
        if len(answer["records"]) >= MOST:
            return []
        by_id: dict[str, list[dict[str, Any]]] = {wanted[place][self._name]: [] for place in places}
        for record in answer["records"]:
            held = next((value for key, value in record.items() if key.lower() == self._field.lower()), None)
            mine = by_id.get(held) if _is_id(held) else None
            if mine is None:
                return []
            if len(mine) < self._most:
                mine.append(self._as_asked(record))
        return [
            (place, {"records": [dict(one) for one in by_id[wanted[place][self._name]]]}) for place in places
        ]

    def _as_asked(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if not self._extra:
            return dict(record)
        return {key: value for key, value in record.items() if key.lower() != self._field.lower()}


def _is_id(value: Any) -> TypeGuard[str]:
    """
    Tell whether a value is an id with its checksum, which says of each letter whether it is a capital.

    So no two of them are alike to an org, which does not mind capitals where a field holds text.
    """
    return isinstance(value, str) and len(value) == 18 and record_id_in(value) == value
