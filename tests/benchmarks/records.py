"""This module makes and changes many records of the simulated org, as a program of the org's own would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.rivals.single import VERSION, session

AT_ONCE = 200  # records in a collection


class Caller:
    """Whoever makes and changes records in the simulated org; what is refused raises RuntimeError."""

    def __init__(self, salesforce: str) -> None:
        self._address = f"{salesforce}/services/data/{VERSION}/composite/sobjects"
        self._session = session(salesforce)

    def create(self, name: str, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Create `records` of the object `name` and return their ids."""
        return self._save("POST", name, records)

    def update(self, name: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Change `records` of the object `name`, each with its `id`."""
        self._save("PATCH", name, records)

    def _save(self, method: str, name: str, records: Sequence[Mapping[str, Any]]) -> list[str]:
        saved: list[str] = []
        for start in range(0, len(records), AT_ONCE):
            some = [{"attributes": {"type": name}, **record} for record in records[start : start + AT_ONCE]]
            answer = self._session.request(
                method, self._address, json={"allOrNone": True, "records": some}, timeout=60
            )
            if not answer.ok or not all(one["success"] for one in answer.json()):
                raise RuntimeError(f"{name}: {answer.text[:500]}")
            saved += [one["id"] for one in answer.json()]
        return saved
